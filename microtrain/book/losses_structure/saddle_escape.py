"""How long gradient descent stays near a saddle, and what the time depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run
from .optimisation_paths import quadratic_runs

START, GOAL = (1.0, 1e-6), 0.05  # where the runs begin, and the |y| at which they have left


def shallow_saddle(mu: float = 0.01) -> Callable[[mt.Tensor], mt.Tensor]:
    """x^2/2 - mu y^2/2 + y^4/4, summed over rows: a saddle at 0 between the minima y = sqrt(mu) and -sqrt(mu)."""

    def loss(p: mt.Tensor) -> mt.Tensor:
        x, y = p[..., 0], p[..., 1]
        return (0.5 * x * x - 0.5 * mu * y * y + 0.25 * y**4).sum()

    return loss


def left_at(sizes: np.ndarray, goal: float = GOAL) -> Any:
    """The first step (axis 0) at which the size reaches the goal; -1 if none does."""
    out = np.abs(sizes) >= goal
    return np.where(out.any(0), out.argmax(0), -1)


@item(
    "gd-slow-near-saddle",
    kind="experiment",
    source="Chapter 4, section 4.2.6, on curvature and escape",
    title=("A saddle holds gradient descent up", "鞍点使梯度下降滞留"),
    statement=(
        "A negative eigenvalue of the Hessian offers a way out of a saddle, but plain gradient descent may be slow to take it, because the "
        "gradient along it is very small there.",
        "Hessian 矩阵的负特征值给出离开鞍点的方向，但标准梯度下降可能很慢，因为该方向上的梯度通常很小。",
    ),
    verdict="holds",
    ranges={"mu": (0.003, 1.0), "eta": (0.01, 1.0), "y0": (0.0, 0.1)},
)
def slow_near_saddle(run: Run, mu: float = 0.01, eta: float = 0.1, y0: float = 1e-6) -> None:
    loss = shallow_saddle()
    found = analysis.objective(loss, np.zeros(2))
    path = follow(descent(0.1), loss, (START, (1.0, 0.0)), 12000)
    count = int(left_at(path[:, 0, 1]))
    run.claim(
        (
            r"from $(1, 10^{-6})$, $\eta = 0.1$: steps until $|y| \ge 0.05$",
            r"从 $(1, 10^{-6})$ 出发，$\eta = 0.1$：$|y| \ge 0.05$ 前的步数",
        ),
        count,
        equals=10969,
    )
    run.claim(
        (r"$\eta = 1$: steps", r"$\eta = 1$：步数"),
        int(left_at(follow(descent(1.0), loss, START, 1400)[:, 1])),
        equals=1102,
    )
    run.claim(("from (1, 0): distance from the saddle after 12000 steps", "从 (1, 0) 出发：12000 步后到鞍点的距离"),
              np.linalg.norm(path[-1, 1]), at_most=1e-300)  # fmt: skip
    slopes = np.linalg.norm(found.gradients(path[:count, 0]), axis=1)
    run.claim(
        ("share of the steps with a gradient below $10^{-4}$", "梯度范数小于 $10^{-4}$ 的步数比例"),
        (slopes < 1e-4).mean(),
        at_least=0.6,
    )
    own = shallow_saddle(mu)
    bottom = mu**0.5
    goal = 0.5 * bottom
    wanted = analysis.predicted_escape(max(y0, 1e-12), goal, -mu, eta)
    steps = int(np.clip(2 * wanted, 100, 40000))
    shown = follow(descent(eta), own, (1.0, y0), steps)
    norms = np.linalg.norm(analysis.objective(own, np.zeros(2)).gradients(shown), axis=1)
    out = int(left_at(shown[:, 1], goal))

    def draw(left: Any, right: Any) -> None:
        t = np.arange(steps + 1)
        for k, (name, size) in enumerate(
            (
                ("$|y|$, the way out", np.abs(shown[:, 1])),
                ("norm of the gradient", norms),
                ("$|x|$", np.abs(shown[:, 0])),
            )
        ):
            left.semilogy(t[size > 1e-16], size[size > 1e-16], ("-", "--", ":")[k], label=name)
        if out >= 0:
            left.axvline(out, color="0.6", linewidth=0.8, label=f"half-way to the minimum at step {out}")
        left.set(
            xlabel="step",
            ylabel="size",
            title=rf"$\mu = {mu:g}$, $\eta = {eta:g}$, $y_0 = {y0:g}$",
            ylim=(min(1e-10, max(y0, 1e-15)), 5),
        )
        x, y = np.linspace(-2 * mu, 3 * mu, 100), np.linspace(-1.6 * bottom, 1.6 * bottom, 100)
        a, b = np.meshgrid(x, y)
        z = 0.5 * a * a - 0.5 * mu * b * b + 0.25 * b**4
        levels = [-0.24, -0.2, -0.15, -0.1, -0.05, 0, 0.1, 0.3, 0.6, 1, 1.5, 2, 3, 4]
        right.contour(x / mu, y / bottom, z / mu**2, levels, cmap="viridis", linewidths=0.8)
        each = max(1, out // 40)
        right.plot(shown[:, 0] / mu, shown[:, 1] / bottom, color="C3", linewidth=1)
        right.plot(
            shown[::each, 0] / mu, shown[::each, 1] / bottom, "o", color="C3", markersize=4, label=f"every {each} steps"
        )
        right.plot(0, 0, "X", color="#762a83", markersize=9, label="saddle")
        right.plot((0, 0), (1, -1), "o", color="#1b7837", markersize=8, label="minima")
        right.set(xlabel=r"$x / \mu$", ylabel=r"$y / \sqrt{\mu}$", xlim=(-2, 3), ylim=(-1.6, 1.6))
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        (r"Left: the distance along the way out grows exponentially, from almost nothing. Right: the path on $x^2/2 - \mu y^2/2 + y^4/4$",
         r"左：沿出口方向的距离从几乎为零开始按指数增长。右：$x^2/2 - \mu y^2/2 + y^4/4$ 上的路径"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


def escapes(cases: Any, steps: int) -> np.ndarray:
    """Steps of gradient descent on (lambda x^2 - mu y^2)/2 from (1, y0) to |y| >= 1; cases (lambda, mu, eta, y0)."""
    top, low, eta, y0 = np.asarray(cases, float).T
    start = np.stack([np.ones(len(top)), y0], 1)
    return np.asarray(left_at(quadratic_runs(np.stack([top, -low], 1), eta, start, steps)[:, :, 1], 1.0))


@item(
    "saddle-escape-time",
    kind="theorem",
    source="Chapter 4, section 4.2.6, theorem 4.2.4",
    title=("How long it takes to escape a saddle", "逃离鞍点需要多久"),
    statement=(
        r"At a saddle whose positive eigenvalues are at least $\lambda$ and whose negative ones at most $-\mu$, gradient descent is said to escape "
        r"within $O(1/\sqrt{\mu\lambda})$ iterations.",
        r"设鞍点的正特征值不小于 $\lambda > 0$，负特征值不大于 $-\mu < 0$，则梯度下降逃离该鞍点据称需 $O(1/\sqrt{\mu\lambda})$ 次迭代。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"Along the way out $|y_t| = (1 + \eta\mu)^t |y_0|$, so that it takes $\log(r/|y_0|)/\log(1 + \eta\mu) \approx \frac{1}{\eta\mu} \log(r/|y_0|)$ steps, with "
        r"$\eta = 1/L$ that is $\frac{L}{\mu} \log(r/|y_0|)$. The time goes as $1/\mu$, it depends on the start, is infinite for $y_0 = 0$, and at a fixed "
        r"$\eta$ does not depend on $\lambda$. Nor has the printed bound the right unit: multiplying the loss by $c$ and dividing $\eta$ by $c$ changes no "
        r"step, but changes the bound.",
        r"沿出口方向 $|y_t| = (1 + \eta\mu)^t |y_0|$，因此所需步数为 $\log(r/|y_0|)/\log(1 + \eta\mu) \approx \frac{1}{\eta\mu} \log(r/|y_0|)$；"
        r"取 $\eta = 1/L$ 时为 $\frac{L}{\mu} \log(r/|y_0|)$。时间与 $1/\mu$ 成正比，取决于起点，$y_0 = 0$ 时为无穷大；学习率固定时与 $\lambda$ 无关。"
        r"原文的界量纲也不对：把损失乘以 $c$、学习率除以 $c$，每一步都不变，而该界会变。",
    ),
    ranges={"lam": (0.01, 100.0), "mu": (0.01, 1.0), "eta": (0.05, 0.5), "y0": (1e-16, 0.1)},
)
def escape_time(
    run: Run, lam: float = 1.0, mu: float = 0.1, eta: float = 0.1, y0: float = 1e-6, form: str = "right"
) -> None:
    groups: tuple[tuple[list[tuple[float, ...]], tuple[int, ...]], ...] = (
        ([(1, 1, 1, 1e-6), (10, 0.1, 0.1, 1e-6), (100, 0.01, 0.01, 1e-6)], (20, 1389, 138163)),
        ([(0.01, 0.1, 0.01, 1e-6), (1, 0.1, 0.01, 1e-6), (100, 0.1, 0.01, 1e-6)], (13823, 13823, 13823)),
        ([(1, 0.1, 0.1, 1e-6), (1, 0.01, 0.1, 1e-6), (1, 0.001, 0.1, 1e-6)], (1389, 13823, 138163)),
        ([(1, 0.1, 0.1, 1e-2), (1, 0.1, 0.1, 1e-4), (1, 0.1, 0.1, 1e-8), (1, 0.1, 0.1, 1e-16)], (463, 926, 1852, 3703)),
    )
    cases = [case for group, _ in groups for case in group]
    counts = iter(escapes(cases, 138200))
    measured = [[int(next(counts)) for _ in group] for group, _ in groups]
    for (group, numbers), steps in zip(groups, measured, strict=True):
        first = steps[0] * (group[0][0] * group[0][1]) ** 0.5  # the constant of the printed bound, from the first case
        for (top, low, rate, start), count, number in zip(group, steps, numbers, strict=True):
            expected = round(first / (top * low) ** 0.5) if form == "printed" else number
            name = rf"$\lambda = {top:g}$, $\mu = {low:g}$, $\eta = {rate:g}$, $y_0 = 10^{{{round(np.log10(start))}}}$"
            run.claim((f"{name}: steps", f"{name.replace(', ', '，')}：步数"), count, equals=expected)
    lows = np.array([case[1] for case in groups[2][0]])
    slope = np.polyfit(np.log(lows), np.log(measured[2]), 1)[0]
    run.claim((r"exponent of $\mu$", r"$\mu$ 的幂次"), slope, equals=-0.5 if form == "printed" else -1.0, within=0.01)
    formula = [analysis.predicted_escape(start, 1.0, -low, rate) for _, low, rate, start in cases]
    run.claim((r"steps less $\log(1/y_0)/\log(1 + \eta\mu)$", r"步数与 $\log(1/y_0)/\log(1 + \eta\mu)$ 之差"),
              np.concatenate(measured) - np.array(formula), between=(-1e-6, 1.0))  # fmt: skip
    same = escapes([(1, 0.1, 0.1, 1e-6), (10, 1.0, 0.01, 1e-6)], 1500)
    run.claim(
        (r"loss times 10, $\eta$ by 10: difference of the steps", r"损失乘以 10，$\eta$ 除以 10：步数之差"),
        int(same[1] - same[0]),
        equals=0,
    )
    exact = quadratic_runs([(1.0, -0.1)], [0.1], (1.0, 0.0), 3000)[-1, 0, 1]
    run.claim((r"$y_0 = 0$: $|y|$ after 3000 steps", r"$y_0 = 0$：3000 步后的 $|y|$"), abs(exact), equals=0)
    grid = np.geomspace(0.01, 1, 9)
    over = escapes([(lam, m, eta, y0) for m in grid] + [(g, mu, eta, y0) for g in np.geomspace(0.01, 1 / eta, 9)]
                   + [(lam, mu, eta, s) for s in 10.0 ** -np.arange(1, 17, 2)], min(150000, int(40 / (eta * min(0.01, mu)))))  # fmt: skip

    def draw(*axes: Any) -> None:
        tops, starts = np.geomspace(0.01, 1 / eta, 9), 10.0 ** -np.arange(1, 17, 2)
        for ax, x, found, power, name in (
            (axes[0], grid, over[:9], -0.5, rf"$\mu$ ($\lambda = {lam:g}$)"), (axes[1], tops, over[9:18], -0.5, rf"$\lambda$ ($\mu = {mu:g}$)"), (axes[2], starts, over[18:], 0.0, "$y_0$"),
        ):  # fmt: skip
            done = np.flatnonzero(found >= 0)
            if len(done):
                middle = done[len(done) // 2]
                ax.loglog(x[done], found[done], "o-", label=rf"measured, $\eta = {eta:g}$")
                ax.loglog(
                    x,
                    found[middle] * (x / x[middle]) ** power,
                    "C3--",
                    label=r"as printed, $\propto 1/\sqrt{\mu\lambda}$",
                )
                ax.legend(fontsize="small")
            ax.set(xlabel=name, ylabel="steps to $|y| = 1$")
        axes[2].set_yscale("linear")
        axes[1].set_ylim(np.array([0.05, 20]) * max(1, over[9:18].max()))

    run.figure(
        (r"The time against $\mu$, $\lambda$ and the start, with what is printed (dashed, fitted in the middle)",
         r"逃离时间与 $\mu$、$\lambda$ 及起点的关系；虚线为原文的界（在中间一点对齐）"),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
