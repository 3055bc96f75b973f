"""Is the cross-entropy convex? In which variables, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import cross_entropy, kl_divergence, softplus

from ..entry import item
from ..run import Run
from .convex_losses import softmax_loss
from .squared_convexity import sigmoid_square


def two_layers(p: mt.Tensor) -> mt.Tensor:
    """log(1 + exp(-a b)): logistic loss of two scalar linear layers."""
    return softplus(-(p[0] * p[1]))  # type: ignore[no-any-return]


def of_logits(z: mt.Tensor) -> mt.Tensor:
    """LSE(z) - z_0: the cross-entropy for class 0, as a function of the logits."""
    return cross_entropy(z.unsqueeze(0), mt.tensor([0]))  # type: ignore[no-any-return]


@item(
    "softmax-ce-convex-in-linear-weights",
    kind="theorem",
    source="Chapter 4, section 4.2.2; section 4.2.8",
    title=("Where cross-entropy is convex", "交叉熵在哪里是凸的"),
    statement=(
        r"$f(w) = -\log \operatorname{softmax}(w^\top x)_{y^*}$ is convex in $w$; the recap shortens this to: cross-entropy is a convex function, too.",
        r"$f(w) = -\log \operatorname{softmax}(w^\top x)_{y^*}$ 关于 $w$ 是凸函数；小结中简化为：交叉熵也是凸函数。",
    ),
    verdict="holds with a condition",
    correction=(
        "Convex in the logits, and in the weights of a linear softmax model; not strictly, for one vector added to the weights of all classes "
        r"changes nothing, which makes $d$ flat directions. In the weights of a network it is not convex, not even with two scalar linear layers: "
        r"$\log(1 + e^{-ab})$ has the eigenvalue $-0.5$ at 0.",
        r"对 logit 是凸的，对线性 Softmax 模型的权重也是凸的；但不是严格凸：所有类别的权重加上同一向量，损失不变，因此有 $d$ 个平坦方向。"
        r"对网络的权重不是凸的，两个标量线性层就已如此：$\log(1 + e^{-ab})$ 在原点有特征值 $-0.5$。",
    ),
    ranges={"scale": (0.1, 10.0), "classes": (3, 8)},
    random=True,
)
def convex_in_linear_weights(run: Run, scale: float = 3.0, classes: int = 4) -> None:
    x = run.rng.standard_normal((60, 3))
    points = run.rng.standard_normal((20, 12)) * np.geomspace(0.1, 3, 20)[:, None]
    loss = softmax_loss(x, run.rng.integers(0, 4, 60), 4)
    values = np.linalg.eigvalsh(loss.hessians(points))
    run.claim(("60 samples, 3 features, 4 classes, 20 random $W$: smallest eigenvalue", "60 个样本、3 个特征、4 类，20 个随机 $W$：最小特征值"),
              values, at_least=-1e-10)  # fmt: skip
    run.claim(("number of zero eigenvalues at each", "每处零特征值的个数"), (np.abs(values) < 1e-12).sum(1), equals=3)
    run.claim((r"largest distance from the exact Hessian, the mean of $(\mathrm{diag}(p_n) - p_n p_n^\top) \otimes x_n x_n^\top$", r"与精确 Hessian 矩阵，即 $(\mathrm{diag}(p_n) - p_n p_n^\top) \otimes x_n x_n^\top$ 的均值之差"),
              max(np.abs(loss.hessian(p) - analysis.softmax_ce_hessian(x, p.reshape(4, 3))).max() for p in points[:3]), at_most=1e-12)  # fmt: skip
    deep = analysis.Objective(two_layers, np.zeros(2))
    for value, expected in zip(np.linalg.eigvalsh(deep.hessian()), (-0.5, 0.5), strict=True):
        run.claim(
            (r"$\log(1 + e^{-ab})$ at $(0, 0)$: eigenvalue", r"$\log(1 + e^{-ab})$ 在 $(0, 0)$ 处：特征值"),
            value,
            equals=expected,
            within=1e-12,
        )
    run.claim(
        (r"$f(1, 1)$ and $f(-1, -1)$", r"$f(1, 1)$ 与 $f(-1, -1)$"),
        deep.values([[1.0, 1.0], [-1.0, -1.0]]),
        equals=0.313262,
        within=5e-7,
    )
    run.claim((r"$f(0, 0)$, in the middle", r"中点处的 $f(0, 0)$"), deep([0.0, 0.0]), equals=0.693147, within=5e-7)
    mine = softmax_loss(x, run.rng.integers(0, classes, 60), classes)
    direction = run.rng.standard_normal(3 * classes)
    sizes = scale * np.linspace(0, 1, 9)
    shown = np.linalg.eigvalsh(mine.hessians(sizes[:, None] * direction))

    def draw(left: Any, right: Any) -> None:
        left.semilogy(sizes, np.maximum(np.abs(shown[:, 3:]), 1e-18), color="#1f5fa8", linewidth=0.8)
        left.semilogy(sizes, np.maximum(np.abs(shown[:, :3]), 1e-18), ":", color="#d1600f")
        left.plot([], [], color="#1f5fa8", label=f"{3 * classes - 3} positive eigenvalues")
        left.plot([], [], ":", color="#d1600f", label="3 that are rounding: the common shift")
        left.set(
            xlabel="size of the weights",
            ylabel="|eigenvalue|",
            title=f"linear softmax, 3 features, {classes} classes",
            ylim=(1e-19, 10),
        )
        left.legend(fontsize="small", loc="center left")
        seen = analysis.landscape(deep, None, (-2.5, 2.5), (-2.5, 2.5), resolution=80)
        mesh = right.pcolormesh(seen.x, seen.y, seen.values, shading="gouraud", rasterized=True, vmax=3)
        right.contour(seen.x, seen.y, seen.values, levels=np.linspace(0.1, 3, 14), colors="white", linewidths=0.6)
        right.figure.colorbar(mesh, ax=right, label="loss")
        right.plot([-1, 1], [-1, 1], "ro--", label="ends 0.313, middle 0.693: not convex")
        right.set(xlabel="a", ylabel="b", title=r"two linear layers: $\log(1 + e^{-ab})$")
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        ("The curvatures of a linear softmax model along a ray of weights (left); two scalar linear layers (right)",
         "线性 Softmax 模型沿一条权重射线的曲率（左）；两个标量线性层（右）"),
        draw, (1, 2), (9.6, 4.3),
    )  # fmt: skip


def bent(w: mt.Tensor) -> mt.Tensor:
    """Cross-entropy of the logits (w^2, 0) for class 0: log(1 + exp(-w^2))."""
    return of_logits(mt.stack([w[0] * w[0], 0 * w[0]]))


@item(
    "ce-convexity-by-composition",
    kind="theorem",
    source="Chapter 4, section 4.2.2, before eq. 4.2.2",
    title=("A proof of convexity that does not hold", "一个不成立的凸性证明"),
    statement=(
        r"Since $L = H(p) + D_{KL}(p \| Q(w))$ and the KL divergence is convex in $Q$, and softmax keeps convexity under composition, the "
        "cross-entropy is convex in $w$.",
        r"由 $L = H(p) + D_{KL}(p \| Q(w))$，KL 散度关于 $Q$ 是凸的，与 Softmax 复合后仍保持凸性，所以交叉熵关于 $w$ 是凸函数。",
    ),
    verdict="does not hold as printed",
    correction=(
        "The conclusion is right for linear models, the step is not: softmax is not affine, and composing with it need not keep convexity. Half the squared error "
        r"$(1-q)^2/2$ is convex in $q$ as well, but its second derivative in the logit is $-0.059$ at $-2$; with the logits $(w^2, 0)$ even the "
        r"cross-entropy is not convex. A valid proof: $L = LSE(z) - z_c$, LSE is convex (its Hessian is the covariance matrix of the one-hot class), and $z$ is affine in $w$.",
        r"对线性模型，结论是对的，推理不对：Softmax 不是仿射函数，与它复合不一定保持凸性。半均方误差 $(1-q)^2/2$ 对 $q$ 同样是凸的，"
        r"对 logit 的二阶导数在 $-2$ 处却为 $-0.059$；logit 取 $(w^2, 0)$ 时，连交叉熵也不是凸的。"
        r"正确的证明是：$L = LSE(z) - z_c$，其中 LSE 是凸函数（Hessian 矩阵是类别 one-hot 编码的协方差矩阵），且 $z$ 是 $w$ 的仿射函数。",
    ),
    ranges={"power": (1.0, 4.0)},
    random=True,
)
def composition(run: Run, power: float = 2.0, form: str = "right") -> None:
    def second(text: tuple[str, str], measured: float, expected: float, within: float) -> None:
        if form == "printed":  # convex in q, hence convex after softmax
            run.claim(text, measured, at_least=0)
        else:
            run.claim(text, measured, equals=expected, within=within)

    prediction = analysis.Objective(lambda q: 0.5 * ((1 - q) ** 2).sum(), np.zeros(1))
    run.claim(
        (r"$(1-q)^2/2$: second derivative in $q$", r"$(1-q)^2/2$：对 $q$ 的二阶导数"),
        prediction.hessian([0.1])[0, 0],
        equals=1,
        within=1e-12,
    )
    second((r"the same with $q = \sigma(z)$: second derivative in $z$ at $-2$", r"代入 $q = \sigma(z)$：在 $z = -2$ 处对 $z$ 的二阶导数"),
           sigmoid_square(1.0).hessian([-2.0])[0, 0], -0.05941, 5e-6)  # fmt: skip
    target = mt.tensor([0.7, 0.2, 0.1])
    divergence = analysis.Objective(lambda q: kl_divergence(target, q), np.full(3, 1 / 3))
    inside = run.rng.dirichlet(np.ones(3), 20)
    run.claim((r"$D_{KL}(p \| q)$ at 20 random $q$: smallest eigenvalue in $q$", r"$D_{KL}(p \| q)$，20 个随机 $q$：关于 $q$ 的最小特征值"),
              np.linalg.eigvalsh(divergence.hessians(inside)), at_least=0)  # fmt: skip
    second((r"cross-entropy of the logits $(w^2, 0)$: second derivative at $w = 0$", r"logit 为 $(w^2, 0)$ 的交叉熵：$w = 0$ 处的二阶导数"),
           analysis.Objective(bent, np.zeros(1)).hessian()[0, 0], -1.0, 1e-4)  # fmt: skip
    valid = analysis.Objective(of_logits, np.zeros(4))
    probe = analysis.chord_probe(valid, probes=10000, sampler=3.0, generator=mt.Generator(run.seed), tol=1e-12)
    run.claim((r"$LSE(z) - z_c$: largest excess over 10000 random chords", r"$LSE(z) - z_c$：10000 条随机弦上图像高出弦的最大值"),
              probe.violation, at_most=1e-12)  # fmt: skip
    z = 2 * run.rng.standard_normal((10, 4))
    q = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    covariance = q[:, :, None] * np.eye(4) - q[:, :, None] * q[:, None]
    run.claim(("difference between its Hessian and the covariance matrix of the class", "其 Hessian 矩阵与类别协方差矩阵之差"),
              np.abs(valid.hessians(z) - covariance), at_most=1e-12)  # fmt: skip
    turned = analysis.Objective(lambda w: softplus(-((w * w + 1e-12) ** (power / 2))).sum(), np.zeros(1))

    def draw(left: Any, middle: Any, right: Any) -> None:
        p = np.linspace(0.001, 0.999, 200)
        left.plot(p, prediction.values(p[:, None]), label="$(1-q)^2/2$")
        left.plot(p, -np.log(p), "--", label=r"$-\log q$")
        left.set(xlabel="q", ylabel="loss", title="convex in q", ylim=(0, 3))
        at = np.linspace(-6, 6, 300)
        middle.plot(at, sigmoid_square(1.0).hessians(at[:, None]).ravel(), label=r"$(1-\sigma(z))^2/2$")
        straight = analysis.Objective(lambda w: softplus(-w).sum(), np.zeros(1))
        middle.plot(at, straight.hessians(at[:, None]).ravel(), "--", label=r"$-\log \sigma(z)$")
        middle.set(xlabel="z", ylabel="second derivative", title="after the sigmoid")
        w = np.linspace(-3, 3, 300)
        right.plot(w, turned.values(w[:, None]), label=rf"logits $(|w|^{{{power:g}}}, 0)$")
        right.plot(w, straight.values(w[:, None]), "--", label="logits $(w, 0)$: affine")
        right.set(xlabel="w", ylabel="cross-entropy", title="what the logits are decides")
        for ax in (left, middle, right):
            ax.axhline(0, color="0.7", linewidth=0.7)
            ax.legend(fontsize="small")

    run.figure(
        ("Both losses are convex in $q$ (left); behind the sigmoid only one of them is (middle), and that one only for affine logits (right)",
         "两种损失对 $q$ 都是凸的（左）；经过 Sigmoid 后只有一种仍是凸的（中），且只在 logit 为仿射函数时（右）"),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
