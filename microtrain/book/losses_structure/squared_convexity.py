"""Where the squared error is convex: in the weights of a linear model, but not behind a sigmoid."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import mse_loss

from ...viz.plots.axes import headroom
from ..entry import item
from ..run import Run
from .designs import design, least_squares


@item(
    "mse-convex-psd-hessian",
    kind="theorem",
    source="Chapter 4, section 4.2.2, after eq. 4.2.1",
    title=("The squared error of a linear model is convex", "线性模型的均方误差是凸函数"),
    statement=(
        r"$f(w) = \frac{1}{2N}\sum_n (y_n - w^\top x_n)^2$ has the Hessian $H = \frac{1}{N}\sum_n x_n x_n^\top = X^\top X/N$, and "
        r"$v^\top H v = \frac{1}{N}\sum_n (v^\top x_n)^2 \ge 0$ for every $v$. So it is convex and has a global optimum.",
        r"$f(w) = \frac{1}{2N}\sum_n (y_n - w^\top x_n)^2$ 的 Hessian 矩阵为 $H = \frac{1}{N}\sum_n x_n x_n^\top = X^\top X/N$，"
        r"对任意 $v$ 有 $v^\top H v = \frac{1}{N}\sum_n (v^\top x_n)^2 \ge 0$。因此它是凸函数，有全局最优解。",
    ),
    verdict="holds",
    ranges={"first": (0, 4), "second": (0, 4)},
)
def mse_convex(run: Run, first: int = 0, second: int = 4) -> None:
    x, y = design()
    loss = least_squares(x, y)
    hessian = loss.hessian()
    run.claim((r"largest difference between the Hessian and $X^\top X/N$", r"Hessian 矩阵与 $X^\top X/N$ 的最大差"),
              np.abs(hessian - x.T @ x / len(x)), at_most=1e-8)  # fmt: skip
    for k, (value, expected) in enumerate(
        zip(np.linalg.eigvalsh(hessian), (0.288175, 0.788276, 0.896622, 3.651062, 8.861183), strict=True), 1
    ):
        run.claim((f"eigenvalue {k}", f"第 {k} 个特征值"), value, equals=expected, within=1e-6)
    v = np.random.default_rng(1).standard_normal((20, 5))
    forms = np.einsum("ki,ki->k", v, loss.hvp(v))
    run.claim((r"20 random $v$: difference between $v^\top H v$ and the mean of $(v^\top x_n)^2$",
               r"20 个随机 $v$：$v^\top H v$ 与 $(v^\top x_n)^2$ 的均值之差"), np.abs(forms - ((v @ x.T) ** 2).mean(1)), at_most=1e-10)  # fmt: skip
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    run.claim(
        ("gradient at the solution of the normal equations", "正规方程解处的梯度"),
        np.abs(loss.gradient(best)),
        at_most=1e-12,
    )
    axes = np.eye(5)[[first, second if second != first else (first + 1) % 5]]
    names = tuple(f"$w_{int(a.argmax()) + 1}$" for a in axes)
    plane = analysis.Plane(best, axes)

    def draw(left: Any, right: Any) -> None:
        seen = analysis.landscape(loss, None, (-3, 3), (-3, 3), plane=plane, resolution=80)
        mesh = left.pcolormesh(seen.x, seen.y, seen.values, shading="gouraud", rasterized=True)
        left.contour(seen.x, seen.y, seen.values, levels=12, colors="white", linewidths=0.6)
        left.figure.colorbar(mesh, ax=left, label="loss")
        left.plot(0, 0, "r*", markersize=12, label="global optimum")
        left.set(xlabel=f"{names[0]} less its optimum", ylabel=f"{names[1]} less its optimum")
        turn = np.linspace(0, np.pi, 181)
        u = np.cos(turn)[:, None] * axes[0] + np.sin(turn)[:, None] * axes[1]
        right.plot(np.degrees(turn), np.einsum("ki,ki->k", u, loss.hvp(u)), label=r"$v^\top H v$")
        right.plot(
            np.degrees(turn)[::6], ((u @ x.T) ** 2).mean(1)[::6], "ko", markersize=3, label=r"mean of $(v^\top x_n)^2$"
        )
        right.set(xlabel=f"direction of v from {names[0]} towards {names[1]}, degrees", ylabel="curvature")
        right.set_ylim(bottom=0)
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("The loss in the plane of two weights (left); its curvature in every direction of the plane, never negative (right)",
         "损失在两个权重的平面上（左）；平面内各方向的曲率，都不为负（右）"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


def sigmoid_square(y: float) -> analysis.Objective:
    """(y - sigmoid(z))^2 / 2 as a function of the logit z."""
    return analysis.Objective(lambda z: mse_loss(z.sigmoid(), mt.tensor([y]), "half_sum"), np.zeros(1))


@item(
    "sigmoid-mse-nonconvex",
    kind="theorem",
    source="Chapter 4, section 4.2.2; section 4.2.4, eq. 4.2.5",
    title=("Squared error of a sigmoid is not convex", "Sigmoid 输出的均方误差不是凸函数"),
    statement=(
        "The squared error is called convex; section 4.2.4 then uses it for the output of a sigmoid.",
        "书中称均方误差是凸函数；4.2.4 节又把它用于 Sigmoid 输出。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It is convex in the prediction, and in the weights of a linear model. Behind a sigmoid it is not: for $y = 1$ the second derivative "
        r"$s(1-s)^2(3s-1)$ is negative wherever $s < 1/3$, which is $z < -\ln 2$. Several samples can then make many minima.",
        r"均方误差对预测值是凸的，对线性模型的权重也是凸的。经过 Sigmoid 就不是了：$y = 1$ 时二阶导数为 $s(1-s)^2(3s-1)$，"
        r"在 $s < 1/3$ 即 $z < -\ln 2$ 处为负。样本一多，还可能出现许多极小值。",
    ),
    ranges={"y": (0.0, 1.0)},
)
def sigmoid_mse(run: Run, y: float = 1.0) -> None:
    loss = sigmoid_square(1.0)
    z = np.linspace(-12, 12, 24001)
    bend, slope = loss.hessians(z[:, None]).ravel(), loss.gradients(z[:, None]).ravel()
    turn = z[np.flatnonzero(np.diff(np.sign(bend)) > 0)]
    run.claim(
        (r"$y = 1$: where the second derivative changes its sign", r"$y = 1$：二阶导数变号处"),
        turn,
        equals=-np.log(2),
        within=1.1e-3,
    )
    run.claim(
        (r"the second derivative at $z = -\ln 2$", r"$z = -\ln 2$ 处的二阶导数"),
        loss.hessian([-np.log(2)])[0, 0],
        equals=0,
        within=1e-12,
    )
    run.claim(("its largest value left of there", "该点以左的最大值"), bend[z < -np.log(2) - 1e-3].max(), at_most=0)
    run.claim(("its smallest value right of there", "该点以右的最小值"), bend[z > -np.log(2) + 1e-3].min(), at_least=0)
    s = 1 / (1 + np.exp(-z))
    run.claim(
        (r"distance from $s(1-s)^2(3s-1)$", r"与 $s(1-s)^2(3s-1)$ 之差"),
        np.abs(bend - s * (1 - s) ** 2 * (3 * s - 1)),
        at_most=1e-12,
    )
    run.claim(("its largest size", "其绝对值的最大值"), np.abs(bend).max(), equals=0.07703, within=5e-6)
    top = int(np.abs(slope).argmax())
    run.claim((r"the gradient is largest at $s =$", r"梯度最大处的 $s$"), s[top], equals=1 / 3, within=2e-4)
    run.claim(("and its size there", "该处梯度的大小"), abs(slope[top]), equals=4 / 27, within=1e-6)
    probe = analysis.chord_probe(loss, probes=2000, sampler=5.0)
    run.claim(
        ("share of 2000 random chords below the graph", "2000 条随机弦中低于图像的比例"),
        probe.violations / probe.probes,
        at_least=0.05,
    )
    prediction = analysis.Objective(lambda p: mse_loss(p, mt.ones(1), "half_sum"), np.zeros(1))
    run.claim(
        ("in the prediction instead: second derivative", "对预测值而言：二阶导数"),
        prediction.hessian([0.2])[0, 0],
        equals=1,
        within=1e-12,
    )
    mine = sigmoid_square(y)

    def draw(*axes: Any) -> None:
        at = np.linspace(-8, 8, 400)
        f, g, h = mine.values(at[:, None]), mine.gradients(at[:, None]).ravel(), mine.hessians(at[:, None]).ravel()
        for ax, values, name in zip(axes, (f, g, h), ("loss", "gradient", "second derivative"), strict=True):
            ax.plot(at, values, label=name)
            ax.fill_between(
                at, *np.sort([values.min(), values.max()]), where=h < 0, color="C3", alpha=0.15, label="not convex here"
            )
            ax.set(xlabel="logit z", ylabel=name)
            headroom(ax)
            ax.legend(fontsize="small", loc="upper right")
        ends = np.array([[-7.0], [-0.5]])
        if analysis.chord_violation(mine, *ends) > 0:
            axes[0].plot(ends, mine.values(ends), "o--", color="black", label="a chord below the graph")
            axes[0].legend(fontsize="small", loc="upper right")

    run.figure(
        (f"Half the squared error of a sigmoid, target {y:g}: the shaded part is not convex", f"Sigmoid 输出的半均方误差，目标为 {y:g}：阴影部分非凸"),
        draw, (1, 3), (9.6, 3.8),
    )  # fmt: skip
