"""The matrix that projects targets onto the columns of the inputs, and the split of squares behind R^2."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run


def fitted(x: np.ndarray, y: np.ndarray, bias: bool) -> np.ndarray:
    """The predictions of the least-squares fit."""
    model = mt.nn.LinearRegression(x.shape[1], bias).solve(x, y)
    return np.asarray(model(mt.tensor(x)).detach())


@item(
    "hat-matrix-properties",
    kind="theorem",
    source="Chapter 4, section 4.1.4, after Theorem 4.1.3",
    title=("Projecting twice changes nothing", "投影两次与一次相同"),
    statement=(
        r"The matrix $P = X(X^\top X)^{-1}X^\top$ that turns targets into fitted values satisfies $P^2 = P$ and $P^\top = P$: it is an "
        "orthogonal projection.",
        r"由目标得到拟合值的矩阵 $P = X(X^\top X)^{-1}X^\top$ 满足 $P^2 = P$ 与 $P^\top = P$，因此是正交投影。",
    ),
    verdict="holds",
    ranges={"rows": (5, 60), "columns": (1, 12)},
    random=True,
)
def hat_matrix(run: Run, rows: int = 20, columns: int = 4) -> None:
    x = run.rng.normal(size=(20, 4))
    y = run.rng.normal(size=20)
    p = analysis.hat_matrix(x)
    run.claim((r"$\max|P^2 - P|$", r"$\max|P^2 - P|$"), np.abs(p @ p - p).max(), at_most=1e-12)
    run.claim((r"$\max|P - P^\top|$", r"$\max|P - P^\top|$"), np.abs(p - p.T).max(), at_most=1e-12)
    values = np.linalg.eigvalsh(p)
    run.claim(("the 4 largest eigenvalues", "最大的 4 个特征值"), values[-4:], equals=1, within=1e-12)
    run.claim(("the other 16", "其余 16 个特征值"), values[:16], equals=0, within=1e-12)
    run.claim(("trace", "迹"), np.trace(p), equals=4, within=1e-12)
    run.claim((r"rank of $X$", r"$X$ 的秩"), np.linalg.matrix_rank(x), equals=4)
    run.claim(
        (r"$Py$ against the fitted values of linear regression", r"$Py$ 与线性回归拟合值之差"),
        np.abs(p @ y - fitted(x, y, False)).max(), at_most=1e-12,
    )  # fmt: skip
    inputs = mt.tensor(x)
    slope = mt.jacobian(lambda t: inputs @ mt.solve(inputs.T @ inputs, inputs.T @ t), mt.tensor(y))
    run.claim(
        (r"$P$ against the Jacobian of the fitted values by the targets, by autodiff",
         r"$P$ 与拟合值关于目标的雅可比矩阵（自动微分）之差"),
        np.abs(np.asarray(slope) - p).max(), at_most=1e-12,
    )  # fmt: skip
    other = run.rng.normal(size=(20, 4))
    oblique = x @ np.linalg.inv(other.T @ x) @ other.T
    run.claim(
        (r"an oblique projection $X(Z^\top X)^{-1}Z^\top$ is idempotent too, relative error",
         r"斜投影 $X(Z^\top X)^{-1}Z^\top$ 也幂等，相对误差"),
        np.abs(oblique @ oblique - oblique).max() / np.abs(oblique).max() ** 2, at_most=1e-10,
    )  # fmt: skip
    run.claim(
        ("but it is not symmetric: largest difference from its transpose", "但不对称：与其转置之差的最大值"),
        np.abs(oblique - oblique.T).max(), at_least=0.1,
    )  # fmt: skip
    shown = analysis.hat_matrix(run.rng.normal(size=(rows, columns)))
    spectrum = np.linalg.eigvalsh(shown)[::-1]

    def draw(left: Any, middle: Any, right: Any) -> None:
        reach = np.abs(shown).max()
        mesh = left.imshow(shown, cmap="RdBu_r", vmin=-reach, vmax=reach)
        left.figure.colorbar(mesh, ax=left, fraction=0.046)
        left.set(title=f"$P$ ({rows} x {rows}), symmetric", xlabel="target", ylabel="fitted value")
        left.locator_params(integer=True)
        middle.plot(np.arange(1, rows + 1), spectrum, "o", markersize=4)
        middle.set(
            title=f"its eigenvalues: rank {min(rows, columns)}", xlabel="number", ylabel="eigenvalue", ylim=(-0.1, 1.1)
        )
        line, point = np.array([2.0, 1.0]) / np.sqrt(5), np.array([1.0, 1.8])
        right.plot(*np.outer([-0.3, 2.6], line).T, color="0.5", label="the column of X")
        right.plot(*point, "ko")
        right.annotate("y", point, xytext=(4, 4), textcoords="offset points")
        for foot, colour, name in (
            (line * (line @ point), "C0", "orthogonal"),
            (line * point[0] / line[0], "C3", "oblique"),
        ):
            right.plot(*np.array([point, foot]).T, "--o", color=colour, markersize=5, label=f"{name} projection")
        right.set(title="one column, two targets", xlabel="$y_1$", ylabel="$y_2$", aspect="equal", ylim=(-1.1, 2.1))
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        (
            "The matrix, its eigenvalues (1 on the column space, 0 across it), and why symmetry matters: without it the projection "
            "is oblique.",
            "矩阵 $P$；它的特征值（列空间内为 1，正交方向上为 0）；对称性的作用：不对称的投影是斜的。",
        ),
        draw, (1, 3), (9.6, 3.8),
    )  # fmt: skip


@item(
    "r2-error-decomposition",
    kind="theorem",
    source="Chapter 4, section 4.1.7",
    title=(r"What $R^2$ rests on", r"$R^2$ 的几何基础"),
    statement=(
        r"The summary calls the decomposition of the error by an orthogonal projection the geometric basis of $R^2$. Spelled out: the "
        "total sum of squares splits into an explained and a residual part, and $R^2$ is the explained share.",
        r"小结称，正交投影的误差分解是 $R^2$ 的几何基础。具体说，总平方和分解为解释部分与残差部分，$R^2$ 是解释部分所占的比例。",
    ),
    verdict="holds with a condition",
    correction=(
        "Sums of squares around the mean split only if the fit is the least-squares one and the constant vector lies in the column space (an "
        "intercept). Without an intercept the parts measured here add up to 435.5 instead of 25.5, and $R^2$ becomes $-8.06$. For least squares the "
        r"split without centring always holds, $\|y\|^2 = \|\hat y\|^2 + \|y - \hat y\|^2$.",
        r"以均值为中心的平方和要能分解，需要两个条件：拟合为最小二乘解，且常数向量属于列空间（模型含截距）。去掉截距后，"
        r"这里测得两部分之和为 435.5，而总平方和为 25.5，$R^2$ 变为 $-8.06$。对最小二乘解始终成立的，是不减均值的分解 $\|y\|^2 = \|\hat y\|^2 + "
        r"\|y - \hat y\|^2$。",
    ),
    ranges={"shift": (0.0, 6.0)},
    random=True,
)
def r2_decomposition(run: Run, shift: float = 3.0) -> None:
    rng = np.random.default_rng(run.seed)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    fit = analysis.squares_split(y, fitted(x, y, True))
    run.claim(
        ("with an intercept: explained + residual - total", "有截距：解释部分 + 残差部分 - 总平方和"),
        fit.gap,
        equals=0,
        within=1e-9,
    )
    run.claim((r"$R^2$ is a share", r"$R^2$ 在 0 与 1 之间"), fit.r2, between=(0, 1))
    raised = y + 3
    bare_fit = fitted(x, raised, False)
    bare = analysis.squares_split(raised, bare_fit)
    pythagoras = float(bare_fit @ bare_fit) + bare.residual
    run.claim(
        (r"without it, on $y + 3$: $\|\hat y\|^2 + \|r\|^2 - \|y\|^2$", r"无截距，目标为 $y + 3$：$\|\hat y\|^2 + \|r\|^2 - \|y\|^2$"),
        pythagoras - float(raised @ raised), equals=0, within=1e-9,
    )  # fmt: skip
    run.claim(
        ("without it: (explained + residual) / total", "无截距：（解释部分 + 残差部分）/ 总平方和"),
        (bare.explained + bare.residual) / bare.total, at_least=3,
    )  # fmt: skip
    run.claim((r"without it: $R^2$", r"无截距：$R^2$"), bare.r2, at_most=0)
    if run.seed == 0:
        run.claim(("total, with an intercept", "总平方和，有截距"), fit.total, equals=25.514905, within=5e-7)
        run.claim(("total, without", "总平方和，无截距"), bare.total, equals=25.51, within=5e-3)
        run.claim(("explained + residual, without", "解释部分 + 残差部分，无截距"), bare.explained + bare.residual, equals=435.50,
                  within=5e-3)  # fmt: skip
        run.claim((r"$R^2$, without", r"$R^2$，无截距"), bare.r2, equals=-8.061, within=1e-3)
        run.claim(
            (r"$\|y\|^2$ of the raised targets", r"平移后目标的 $\|y\|^2$"),
            float(raised @ raised),
            equals=236.697,
            within=5e-4,
        )
    shifts = np.linspace(0, 6, 61)
    curves = {
        bias: [analysis.squares_split(y + s, fitted(x, y + s, bias)).r2 for s in shifts] for bias in (True, False)
    }
    parts = {bias: analysis.squares_split(y + shift, fitted(x, y + shift, bias)) for bias in (True, False)}

    def draw(left: Any, right: Any) -> None:
        for place, split in enumerate(parts.values()):
            left.bar(2.5 * place, split.total, color="0.6", label=None if place else "total")
            left.bar(2.5 * place + 1, split.explained, color="C0", label=None if place else "explained")
            left.bar(
                2.5 * place + 1, split.residual, bottom=split.explained, color="C1", label=None if place else "residual"
            )
        left.set_xticks([0.5, 3.0], ["with intercept", "without"])
        left.set(ylabel="sum of squares", title=f"targets raised by {shift:g}")
        left.set_ylim(top=1.35 * left.get_ylim()[1])  # the legend is above
        right.plot(shifts, curves[True], label="with intercept")
        right.plot(shifts, curves[False], "--", label="without")
        right.axhline(0, color="0.7", linewidth=0.8)
        right.plot([shift] * 2, [parts[True].r2, parts[False].r2], "ko", markersize=4)
        right.set(xlabel="all targets raised by", ylabel="$R^2$")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("With an intercept the parts stack up to the total, whatever is added to the targets; without one they do not, and $R^2$ falls "
         "below 0.",
         "有截距时，两部分叠起来恰为总平方和，与目标的平移无关；没有截距时两者不等，$R^2$ 会降到 0 以下。"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip
