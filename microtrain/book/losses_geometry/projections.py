"""Nearest points of subspaces and of convex sets; least squares in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run

mse_loss = mt.nn.losses.mse_loss
project_box = mt.analysis.project_box


def projected_descent(y: Any, low: Any, high: Any, start: Any, steps: int = 60) -> np.ndarray:
    """The path of gradient descent on half the squared distance from y, put back into the box after each step."""
    p = mt.tensor(np.array(start, float), requires_grad=True)
    optimizer = mt.optim.SGD([p], lr=0.5)
    path = [np.array(p.detach())]
    for _ in range(steps):
        optimizer.zero_grad()
        mse_loss(p, y, "half_sum").backward()
        optimizer.step()
        p.detach().copy_(project_box(p.detach().numpy(), low, high))
        path.append(np.array(p.detach()))
    return np.array(path)


@item(
    "orthogonality-on-convex-sets",
    kind="theorem",
    source="Chapter 4, section 4.1.4, before Theorem 4.1.3",
    title=("Orthogonality on a convex prediction space", "凸预测空间上的正交性"),
    statement=(
        r"For linear models, “or other models with a convex prediction space”, the best predictions $\hat{y}^*$ satisfy "
        r"$(y - \hat{y}^*)^\top (\hat{y} - \hat{y}^*) = 0$ for every $\hat{y}$ in the space.",
        r"书中称，对线性模型，“或其他能够生成凸预测空间的模型”，最优解 $\hat{y}^*$ 对空间中任意 $\hat{y}$ 都满足"
        r" $(y - \hat{y}^*)^\top (\hat{y} - \hat{y}^*) = 0$。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"Equality needs a subspace (or a translate of one). On a set that is merely convex the condition is "
        r"$(y - \hat{y}^*)^\top (\hat{y} - \hat{y}^*) \le 0$: among the vectors without negative entries, with $y = (1, -1)$, the points "
        "(1, 1) and (3, 2) give -1 and -2.",
        r"等式要求预测空间是子空间（或其平移）。若只是凸集，条件是不等式 $(y - \hat{y}^*)^\top (\hat{y} - \hat{y}^*) \le 0$。"
        "例如在非负向量中取 $y = (1, -1)$，点 (1, 1) 与 (3, 2) 的内积为 -1 与 -2。",
    ),
    ranges={"y1": (-2.0, 3.0), "y2": (-2.0, 3.0)},
    random=True,
)
def orthogonality(run: Run, y1: float = 1.0, y2: float = -1.0, form: str = "right") -> None:
    inner = mt.analysis.variational_inequality

    def judge(text: tuple[str, str], products: np.ndarray) -> None:
        """What the condition says about the inner products: as printed they vanish, on a convex set none is positive."""
        if form == "printed":
            run.claim(text, products, equals=0.0, within=1e-10)
        else:
            run.claim(text, products, at_most=1e-10)

    columns = run.rng.normal(size=(6, 2))
    target = run.rng.normal(size=6)
    x = mt.tensor(columns)
    rate = mt.analysis.mse_constants(columns, "half_sum").optimal_rate
    w = follow(descent(rate), lambda v: mse_loss(x @ v, target, "half_sum"), np.zeros(2), 1000)[-1]
    others = run.rng.normal(size=(200, 2)) @ columns.T
    run.claim(("a plane in six dimensions: largest inner product in size", "6 维空间中的平面：内积的最大绝对值"),
              np.abs(inner(target, columns @ w, others)).max(), at_most=1e-10)  # fmt: skip
    path = projected_descent((1.0, -1.0), 0.0, np.inf, (3.0, 2.0))
    for k, value in enumerate((1.0, 0.0)):
        run.claim((f"y = (1, -1), no negative entries: entry {k + 1} of the nearest point", f"y = (1, -1)，非负向量：最近点的第 {k + 1} 个分量"),
                  path[-1, k], equals=value, within=1e-12)  # fmt: skip
    places = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [3.0, 2.0]])
    products = inner((1.0, -1.0), path[-1], places)
    for place, product, value in zip(places, products, (0.0, 0.0, -1.0, -2.0), strict=True):
        text = f"({place[0]:g}, {place[1]:g})"
        run.claim((f"inner product for the point {text}", f"点 {text} 的内积"), product, equals=0.0 if form == "printed" else value,
                  within=1e-10)  # fmt: skip
    judge(("1000 random points without negative entries: inner products", "1000 个随机非负点：内积"),
          inner((1.0, -1.0), path[-1], run.rng.exponential(size=(1000, 2))))  # fmt: skip
    corner = projected_descent((1.6, 0.4), 0.0, 1.0, (0.2, 0.9))[-1]
    judge(("the unit square, y = (1.6, .4): inner products for 1000 points", "单位正方形，y = (1.6, .4)：1000 个点的内积"),
          inner((1.6, 0.4), corner, run.rng.uniform(size=(1000, 2))))  # fmt: skip
    y = np.array([y1, y2])
    way = projected_descent(y, 0.0, np.inf, (3.0, 2.0))

    def show(ax: Any, points: np.ndarray, goal: np.ndarray, nearest: np.ndarray) -> None:
        values = inner(goal, nearest, points)
        for chosen, colour, label in (
            (np.abs(values) <= 1e-9, "C2", "inner product 0"), (values < -1e-9, "C0", "negative"), (values > 1e-9, "C3", "positive"),
        ):  # fmt: skip
            if chosen.any():
                ax.plot(
                    *points[chosen].T, ".", color=colour, markersize=3, label=f"{label}: {100 * chosen.mean():.0f} %"
                )
        ax.annotate("", goal, nearest, arrowprops={"arrowstyle": "->", "color": "C3", "linewidth": 1.5})
        ax.plot(*goal, "k*", markersize=10, label="y")
        ax.plot(*nearest, "ko", markersize=6, label="nearest point")
        ax.set(xlabel=r"$\hat{y}_1$", ylabel=r"$\hat{y}_2$", aspect="equal")
        ax.legend(fontsize="small", loc="upper right")

    def draw(left: Any, middle: Any, right: Any) -> None:
        grid = np.column_stack([a.ravel() for a in np.meshgrid(np.linspace(0, 3, 31), np.linspace(0, 3, 31))])
        direction = np.array([2.0, 1.0]) / 5**0.5
        show(left, np.linspace(-2.6, 3.6, 81)[:, None] * direction, y, (y @ direction) * direction)
        left.set(title="a subspace", xlim=(-2.3, 3.4), ylim=(-2.3, 5.2))
        show(middle, grid, y, way[-1])
        middle.plot(*way.T, "C1o-", markersize=3)
        middle.set(title="no negative entries", xlim=(-2.3, 3.4), ylim=(-2.3, 5.2))
        show(right, grid / 3, np.array([1.6, 0.4]), corner)
        right.set(title="the unit square", xlim=(-0.3, 1.9), ylim=(-0.3, 2.5))

    run.figure(
        (
            "Points of three convex sets by the sign of the printed inner product; orange: projected gradient descent. It vanishes "
            "everywhere on the subspace only.",
            "三个凸集中的点，按书中内积的符号着色；橙色为投影梯度下降的路径。只有在子空间上内积才处处为 0。",
        ),
        draw,
        (1, 3),
        (9.6, 4.6),
    )


def by_inverse(matrix: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """(X^T X)^-1 X^T y as it is printed; None where X^T X is found singular."""
    x = mt.tensor(matrix)
    try:
        return np.array(mt.inverse(x.T @ x) @ (x.T @ mt.tensor(y)))
    except mt.errors.ArgumentError:
        return None


def error_by_inverse(matrix: np.ndarray, y: np.ndarray, exact: np.ndarray) -> float:
    """The largest error of the predictions of the printed formula; infinite where there is no inverse."""
    w = by_inverse(matrix, y)
    return np.inf if w is None else float(np.abs(matrix @ w - exact).max())


@item(
    "ols-normal-equations",
    kind="algorithm",
    source="Chapter 4, section 4.1.4; section 4.2.5",
    title=("Least squares by the normal equations", "用正规方程求最小二乘解"),
    statement=(
        r"For $y = X\theta + \varepsilon$ the least-squares solution is $\hat\theta = (X^\top X)^{-1} X^\top y$, and the predictions are "
        r"$\hat{y} = X\hat\theta$.",
        r"对线性模型 $y = X\theta + \varepsilon$，最小二乘解为 $\hat\theta = (X^\top X)^{-1} X^\top y$，预测为 $\hat{y} = X\hat\theta$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"$X$ must have full column rank, so $N \ge d$. Otherwise $X^\top X$ has no inverse and the solutions fill an affine set; the "
        "pseudo-inverse gives the shortest, which is also where gradient descent from 0 ends.",
        r"须加条件：$X$ 列满秩，因而 $N \ge d$。否则 $X^\top X$ 不可逆，最优解构成仿射集；伪逆给出其中范数最小的解，"
        "从 0 出发的梯度下降也收敛到它。",
    ),
    ranges={"n": (4, 100), "shift": (-3.0, 3.0)},
    random=True,
)
def normal_equations(run: Run, n: int = 20, shift: float = 1.5) -> None:
    def train(matrix: np.ndarray, y: np.ndarray, start: Any, steps: int) -> np.ndarray:
        x = mt.tensor(matrix)
        rate = 1 / mt.analysis.mse_constants(matrix).lipschitz
        return follow(descent(rate), lambda w: mse_loss(x @ w, y), start, steps)

    X, y = run.rng.normal(size=(20, 4)), run.rng.normal(size=20)
    solved = mt.nn.LinearRegression(4, bias=False).solve(X, y).weight.detach().numpy()
    trained = train(X, y, np.zeros(4), 5000)
    run.claim(
        ("X of rank 4: inverse formula less lstsq", "秩为 4 的 X：求逆公式与 lstsq 之差"),
        np.abs(by_inverse(X, y) - solved).max(),
        at_most=1e-8,
    )
    run.claim((r"5000 steps of gradient descent at $\eta = 1/L$ less lstsq", r"$\eta = 1/L$ 的梯度下降 5000 步与 lstsq 之差"),
              np.abs(trained[-1] - solved).max(), at_most=1e-8)  # fmt: skip
    run.claim(("predictions less the projection of y", "预测与 y 的投影之差"), np.abs(X @ solved - mt.analysis.project(y, X)).max(),
              at_most=1e-12)  # fmt: skip
    wide = np.column_stack([X, X[:, 1] + X[:, 2]])
    conditions = float(np.linalg.cond(wide.T @ wide))
    run.claim((r"a fifth column, the sum of two others: condition number of $X^\top X$", r"添加第 5 列，为另两列之和：$X^\top X$ 的条件数"),
              conditions, at_least=1e14)  # fmt: skip
    run.claim((r"and rank of $X^\top X$", r"$X^\top X$ 的秩"), np.linalg.matrix_rank(wide.T @ wide), equals=4)
    shortest = np.linalg.pinv(wide) @ y
    run.claim(("predictions by the pseudo-inverse less those before", "伪逆所得预测与原预测之差"), np.abs(wide @ shortest - X @ solved).max(),
              at_most=1e-12)  # fmt: skip
    again = train(wide, y, np.zeros(5), 5000)
    run.claim(("gradient descent from 0 less the shortest solution", "从 0 出发的梯度下降与最小范数解之差"),
              np.abs(again[-1] - shortest).max(), at_most=1e-8)  # fmt: skip
    null = np.array([0.0, 1.0, 1.0, 0.0, -1.0]) / 3**0.5
    elsewhere = train(wide, y, shift * null, 2000)
    run.claim(("from another start: predictions less those before", "从别处出发：预测与原预测之差"), np.abs(wide @ elsewhere[-1] - X @ solved).max(),
              at_most=1e-8)  # fmt: skip
    run.claim(("and how far it ends along the direction that predicts nothing", "终点在不影响预测的方向上的分量"), float(elsewhere[-1] @ null),
              equals=shift, within=1e-8)  # fmt: skip
    run.claim(
        (
            "the inverse formula all the same: error of the predictions (infinite if there is no inverse)",
            "仍用求逆公式：预测的误差（若求不出逆则记为无穷大）",
        ),
        error_by_inverse(wide, y, X @ solved),
        at_least=1e-4,
    )
    sizes = np.logspace(-9, 0, 19)
    errors = []
    A, b = run.rng.normal(size=(n, 4)), run.rng.normal(size=n)
    for size in sizes:
        near = np.column_stack([A[:, :3], A[:, 1] + A[:, 2] + size * A[:, 3]])
        good = near @ mt.nn.LinearRegression(4, bias=False).solve(near, b).weight.detach().numpy()
        exact = mt.analysis.project(b, A)
        errors.append((np.abs(good - exact).max(), error_by_inverse(near, b, exact)))
    lines = np.maximum(np.array(errors), 1e-17)

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.semilogy(
            np.maximum(np.linalg.norm(trained[:200] - solved, axis=1), 1e-17), label="rank 4: to the solution"
        )
        left.semilogy(
            np.maximum(np.linalg.norm(again[:200] - shortest, axis=1), 1e-17),
            "--",
            label="rank 4 of 5: to the shortest",
        )
        left.set(xlabel=r"step, $\eta = 1/L$", ylabel="distance")
        left.legend(fontsize="small")
        u = np.linspace(-3.4, 3.4, 81)
        other = shortest / np.linalg.norm(shortest)
        size = float(np.linalg.norm(shortest))
        v = np.linspace(-0.5, 2, 81) * size
        grid = np.column_stack([a.ravel() for a in np.meshgrid(u, v)])
        loss = mt.analysis.objective(lambda w: mse_loss(mt.tensor(wide) @ w, y), np.zeros(5)).values(
            grid @ np.array([null, other])
        )
        middle.contour(u, v, loss.reshape(81, 81), 15, colors="0.75", linewidths=0.7)
        middle.axhline(size, color="C2", label="solutions, in this plane")
        for path, colour, label in ((again, "C0", "from 0"), (elsewhere, "C1", "from elsewhere")):
            middle.plot(path @ null, path @ other, "o-", color=colour, markersize=3, label=label)
        middle.set(
            xlabel="along the direction\nthat predicts nothing",
            ylabel="along the shortest solution",
        )
        middle.legend(fontsize="small")
        right.loglog(sizes, lines[:, 1], "s-", markersize=3, color="C3", label=r"$(X^\top X)^{-1} X^\top y$")
        right.loglog(sizes, lines[:, 0], "o-", markersize=3, label="lstsq")
        right.set(xlabel="distance of a column\nfrom the sum of two others", ylabel="error of the predictions")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: gradient descent finds the solution, or the shortest one. Middle: with dependent columns there is a line of "
            "solutions, and the start decides. Right: the printed formula loses its digits long before the columns are dependent.",
            "左：梯度下降收敛到解，或最小范数解。中：列线性相关时，解成一条直线，由起点决定到达何处。右：各列远未线性相关时，书中公式已损失精度。",
        ),
        draw,
        (1, 3),
        (9.6, 4.2),
    )
