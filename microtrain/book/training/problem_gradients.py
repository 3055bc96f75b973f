"""Problems 6.1, 6.2 and 6.3: derivatives by hand, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ...viz import plots
from ..entry import item
from ..run import Run


def differences(loss: analysis.Objective, theta: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """Central difference quotients at one point (P,)."""
    shifts = h * np.eye(loss.size)
    return (loss.values(theta + shifts) - loss.values(theta - shifts)) / (2 * h)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """The largest distance of rows (K, P), over the length of the row."""
    return float((np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b, axis=-1)).max())


def sum_of_squares(model: mt.nn.Module, x: Any, y: Any) -> analysis.Objective:
    """The least-squares loss (eq. 6.5) of a model."""
    x, y = mt.tensor(np.asarray(x)), mt.tensor(np.asarray(y))

    def loss() -> mt.Tensor:
        return ((model(x) - y) ** 2).sum()  # type: ignore[no-any-return]

    return analysis.Objective(loss, model)


@item(
    "problem-6-1",
    kind="problem",
    source="Problem 6.1",
    title=("Problem 6.1: the gradient of the line fit", "习题 6.1：直线拟合的梯度"),
    statement=(
        "Show that eq. 6.7 gives the derivatives of the least-squares loss of eq. 6.5.",
        "证明式 (6.7) 给出了式 (6.5) 最小二乘损失的导数。",
    ),
    verdict="holds",
    ranges={"phi_0": (-3.0, 3.0), "phi_1": (-3.0, 3.0)},
    random=True,
)
def problem_6_1(run: Run, phi_0: float = 1.6, phi_1: float = -0.5) -> None:
    x, y = (np.asarray(part) for part in mt.data.line_points())
    loss = sum_of_squares(mt.nn.Line(), x, y)
    points = run.rng.uniform(-3, 3, (100, 2))
    residuals = points[:, :1] + points[:, 1:] * x - y
    formula = np.stack([(2 * residuals).sum(1), (2 * residuals * x).sum(1)], 1)
    run.claim(
        ("eq. 6.7 against autodiff at 100 points: relative difference", "100 个点上式 (6.7) 与自动微分的相对误差"),
        relative(loss.gradients(points), formula),
        at_most=1e-12,
    )
    quotients = np.array([differences(loss, point) for point in points])
    run.claim(
        (r"central differences ($h = 10^{-6}$): relative difference", r"中心差分（$h = 10^{-6}$）的相对误差"),
        relative(quotients, formula),
        at_most=1e-6,
    )
    run.note(
        r"With $r_i = \phi_0 + \phi_1 x_i - y_i$ the loss is $\sum r_i^2$. By the chain rule $\partial r_i^2 / \partial "
        r"\phi_0 = 2 r_i \cdot 1$ and $\partial r_i^2 / \partial \phi_1 = 2 r_i x_i$; the derivative of a sum is the sum "
        "of the derivatives.",
        r"记 $r_i = \phi_0 + \phi_1 x_i - y_i$，损失为 $\sum r_i^2$。由链式法则，$\partial r_i^2 / \partial \phi_0 = 2 r_i "
        r"\cdot 1$，$\partial r_i^2 / \partial \phi_1 = 2 r_i x_i$；和的导数等于导数之和。",
    )
    model = mt.nn.Line(phi_0, phi_1)
    each = [
        np.array(mt.grad((model(mt.tensor(a)) - b) ** 2, list(model.parameters())), float)
        for a, b in zip(x, y, strict=True)
    ]
    r = phi_0 + phi_1 * x - y
    run.table(
        ("Gradient of each sample", "每个样本的梯度"),
        ("x", "y", "2 r", "2 r x", "autodiff 0", "autodiff 1"),
        [(x[k], y[k], 2 * r[k], 2 * r[k] * x[k], *map(float, g)) for k, g in enumerate(each)],
    )

    def draw(left: Any, right: Any) -> None:
        left.plot(x, y, "o", label="data")
        left.plot(x, phi_0 + phi_1 * x, color="k", label="line")
        left.vlines(x, y, phi_0 + phi_1 * x, color="0.6", linewidth=0.8, label="residuals $r_i$")
        left.set(xlabel="x", ylabel="y", title=rf"$\phi = ({phi_0:g}, {phi_1:g})$")
        left.legend(fontsize="small")
        right.bar(np.arange(len(x)) - 0.2, [g[0] for g in each], 0.4, label=r"$2 r_i$")
        right.bar(np.arange(len(x)) + 0.2, [g[1] for g in each], 0.4, label=r"$2 r_i x_i$")
        right.axhline(0, color="k", linewidth=0.6)
        right.set(xlabel="sample", ylabel="derivative", title="What each sample contributes")
        right.legend(fontsize="small")

    run.figure(
        ("The residuals, and each sample's share of the gradient", "残差，以及每个样本对梯度的贡献"),
        draw,
        (1, 2),
        (9.0, 4.0),
    )


@item(
    "problem-6-2",
    kind="problem",
    source="Problem 6.2, eq. 6.20",
    title=("Problem 6.2: the Hessian of the line fit", "习题 6.2：直线拟合的 Hessian 矩阵"),
    statement=(
        "Compute the Hessian of the loss of linear regression, and prove by its trace and determinant that its "
        "eigenvalues are always positive, so that the loss is convex.",
        "求线性回归损失的 Hessian 矩阵，并用迹与行列式证明特征值恒为正，从而损失是凸函数。",
    ),
    verdict="holds with a condition",
    correction=(
        "The determinant, and with it the smaller eigenvalue, is positive if and only if at least two inputs differ. "
        "Otherwise it is zero and a whole line of parameters is best. Nor do positive eigenvalues everywhere ensure that "
        r"there is a minimum: $e^x$ has none.",
        r"当且仅当至少有两个输入不同时，行列式（从而较小的特征值）为正；否则它为零，最优参数构成一条直线。"
        r"处处为正的特征值也不保证最小值存在：$e^x$ 就没有最小值。",
    ),
    ranges={"spread": (0.0, 1.0)},
    random=True,
)
def problem_6_2(run: Run, spread: float = 0.0) -> None:
    x, y = (np.asarray(part) for part in mt.data.line_points())
    loss = sum_of_squares(mt.nn.Line(), x, y)
    found = loss.hessian()
    for (i, j), value in {(0, 0): 24.0, (0, 1): 22.82, (1, 1): 30.0242}.items():
        run.claim((f"$H_{{{i}{j}}}$", f"$H_{{{i}{j}}}$"), found[i, j], equals=value, within=1e-10)
    run.claim(("trace", "迹"), np.trace(found), equals=54.0242, within=1e-10)
    n = len(x)
    formulas = [
        4 * (n * (x**2).sum() - x.sum() ** 2),
        4 * n**2 * x.var(),
        4 * sum((x[i] - x[j]) ** 2 for i in range(n) for j in range(i)),
    ]
    run.claim(("determinant", "行列式"), np.linalg.det(found), equals=199.8284, within=1e-4)
    run.claim(
        ("three formulas for the determinant: largest distance", "行列式的三个公式：最大差"),
        np.abs(np.array(formulas) - np.linalg.det(found)).max(),
        at_most=1e-9,
    )
    values = analysis.principal_axes(loss).values
    for k, value in enumerate((3.99417, 50.03003)):
        run.claim((f"eigenvalue {k + 1}", f"特征值 {k + 1}"), values[k], equals=value, within=1e-5)
    elsewhere = loss.hessians(run.rng.uniform(-3, 3, (10, 2)))
    run.claim(
        (r"change of $H$ over 10 other points", r"$H$ 在另外 10 个点处的变化"),
        np.abs(elsewhere - found).max(),
        at_most=1e-12,
    )
    equal = sum_of_squares(mt.nn.Line(), np.full(3, 1.5), np.array([0.0, 1.0, 2.0])).hessian()
    run.claim(
        ("three samples at 1.5: determinant", "三个样本都在 1.5：行列式"), np.linalg.det(equal), equals=0, within=1e-9
    )
    for k, value in enumerate((0.0, 19.5)):
        run.claim(
            (f"three samples at 1.5: eigenvalue {k + 1}", f"三个样本都在 1.5：特征值 {k + 1}"),
            np.linalg.eigvalsh(equal)[k],
            equals=value,
            within=1e-9,
        )
    run.note(
        r"The second derivatives of $\sum (\phi_0 + \phi_1 x_i - y_i)^2$ are $2I$, $2\sum x_i$ and $2\sum x_i^2$, whatever "
        r"$\phi$. Trace $= \lambda_1 + \lambda_2 = 2I + 2\sum x_i^2 > 0$ and determinant $= \lambda_1 \lambda_2 = 4(I \sum "
        r"x_i^2 - (\sum x_i)^2) = 4 \sum_{i<j} (x_i - x_j)^2 \ge 0$. A positive product and a positive sum make both "
        "eigenvalues positive.",
        r"$\sum (\phi_0 + \phi_1 x_i - y_i)^2$ 的二阶导数为 $2I$、$2\sum x_i$、$2\sum x_i^2$，与 $\phi$ 无关。"
        r"迹 $= \lambda_1 + \lambda_2 = 2I + 2\sum x_i^2 > 0$，行列式 $= \lambda_1 \lambda_2 = 4(I \sum x_i^2 - (\sum "
        r"x_i)^2) = 4 \sum_{i<j} (x_i - x_j)^2 \ge 0$。积与和都为正，则两个特征值都为正。",
    )
    narrow = 1.5 + spread * (x[:3] - x[:3].mean()) / np.ptp(x[:3])
    cases = (("12 points", x, y), (f"3 points, spread {spread:g}", narrow, np.array([0.7, 1.0, 1.2])))
    pictures = [
        (name, analysis.landscape(sum_of_squares(mt.nn.Line(), a, b), None, (-3, 5), (-3, 4), resolution=81), a)
        for name, a, b in cases
    ]

    def draw(left: Any, right: Any) -> None:
        for ax, (name, picture, a) in zip((left, right), pictures, strict=True):
            plots.landscape(picture, ax=ax)
            matrix = np.array([[2 * len(a), 2 * a.sum()], [2 * a.sum(), 2 * (a**2).sum()]])
            ax.set_title(name + r": $\lambda$ = {:.3g}, {:.3g}".format(*np.abs(np.linalg.eigvalsh(matrix).round(12))))
            ax.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$")

    run.figure(
        (
            "The loss is a bowl if two inputs differ; if all are equal it is a trough with a flat floor.",
            "只要有两个输入不同，损失就呈碗状；若全部相同，则是谷底平坦的山谷。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


@item(
    "problem-6-3",
    kind="problem",
    source="Problem 6.3",
    title=("Problem 6.3: the gradient of the Gabor model", "习题 6.3：Gabor 模型的梯度"),
    statement=(
        "Compute the derivatives of the least-squares loss of the Gabor model with respect to both parameters.",
        "求 Gabor 模型最小二乘损失关于两个参数的导数。",
    ),
    verdict="holds",
    ranges={"phi_0": (-10.0, 10.0), "phi_1": (2.5, 40.0)},
    random=True,
)
def problem_6_3(run: Run, phi_0: float = -5.0, phi_1: float = 25.0) -> None:
    x, y = (np.asarray(part) for part in mt.data.gabor_points())
    loss = sum_of_squares(mt.nn.Gabor(), x, y)

    def formula(points: np.ndarray) -> np.ndarray:
        u = points[:, :1] + 0.06 * points[:, 1:] * x
        h = np.sin(u) * np.exp(-u * u / 32)
        slope = np.exp(-u * u / 32) * (np.cos(u) - u * np.sin(u) / 16)
        return np.stack([(2 * (h - y) * slope).sum(1), (2 * (h - y) * slope * 0.06 * x).sum(1)], 1)

    there = np.array([-5.0, 25.0])
    gradient = loss.gradient(there)
    for k, value in enumerate((3.3438051, 0.5191559)):
        run.claim(
            (rf"$\partial L / \partial \phi_{k}$ at $(-5, 25)$", rf"$(-5, 25)$ 处的 $\partial L / \partial \phi_{k}$"),
            gradient[k],
            equals=value,
            within=1e-7,
        )
    run.claim(
        ("distance from the formula there", "该处与公式之差"),
        np.abs(gradient - formula(there[None])[0]).max(),
        at_most=1e-12,
    )
    run.claim(
        ("distance from central differences there", "该处与中心差分之差"),
        np.abs(gradient - differences(loss, there)).max(),
        at_most=1e-8,
    )
    points = np.stack([run.rng.uniform(-10, 10, 1000), run.rng.uniform(2.5, 40, 1000)], 1)
    run.claim(
        ("1000 random points: relative difference from the formula", "1000 个随机点：与公式的相对误差"),
        relative(loss.gradients(points), formula(points)),
        at_most=1e-10,
    )
    run.note(
        r"With $u_i = \phi_0 + 0.06 \phi_1 x_i$ the model is $h(u) = \sin u\, e^{-u^2/32}$, and the product rule gives "
        r"$h'(u) = e^{-u^2/32} (\cos u - u \sin u / 16)$. So $\partial L / \partial \phi_0 = \sum 2 (h(u_i) - y_i) "
        r"h'(u_i)$, and $\partial L / \partial \phi_1$ has the further factor $0.06 x_i$ in each term.",
        r"记 $u_i = \phi_0 + 0.06 \phi_1 x_i$，模型为 $h(u) = \sin u\, e^{-u^2/32}$，由乘积法则 $h'(u) = e^{-u^2/32} (\cos u - "
        r"u \sin u / 16)$。于是 $\partial L / \partial \phi_0 = \sum 2 (h(u_i) - y_i) h'(u_i)$，"
        r"$\partial L / \partial \phi_1$ 的每一项再乘 $0.06 x_i$。",
    )
    picture = analysis.landscape(loss, None, (-10, 10), (2.5, 40), resolution=81)
    grid = np.stack(np.meshgrid(np.linspace(-9, 9, 13), np.linspace(4.5, 38, 13)), -1).reshape(-1, 2)
    slopes = -formula(grid)

    def draw(left: Any, right: Any) -> None:
        u = np.linspace(-15, 15, 400)
        left.plot(u, np.sin(u) * np.exp(-u * u / 32), label="$h(u)$")
        left.plot(u, np.exp(-u * u / 32) * (np.cos(u) - u * np.sin(u) / 16), label="$h'(u)$")
        own = phi_0 + 0.06 * phi_1 * x
        left.plot(own, y, "k.", label=rf"data at $u_i$, $\phi = ({phi_0:g}, {phi_1:g})$")
        left.set(xlabel="u", xlim=(-15, 15), ylim=(-1.15, 1.9), ylabel="value", title="The model and its derivative")
        left.legend(fontsize="small")
        plots.landscape(picture, ax=right)
        length = np.hypot(*(slopes / [20, 37.5]).T)[:, None]
        right.quiver(*grid.T, *(slopes / length).T, color="white", angles="xy", width=0.003)
        right.plot(phi_0, phi_1, "r*", markersize=10)
        right.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title="Downhill, by the formula")

    run.figure(
        ("The derivative of the model, and the directions downhill that follow", "模型的导数，以及由此得到的下降方向"),
        draw,
        (1, 2),
        (9.6, 4.0),
    )
