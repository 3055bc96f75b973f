"""Nesterov's momentum: the five points of Figure 6.8, and how much sooner it arrives."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import solveh_banded

import microtrain as mt

from ..entry import item
from ..run import Run

PLACE, MOMENTUM = (2.0, 1.0), (1.0, -1.0)
CURVATURES = np.array([1.0, 4.0])
CHAIN = 200  # parameters of the worst case


def five_points(alpha: float, beta: float, lookahead: str) -> np.ndarray:
    """Figure 6.8's points 1 to 5 on (p0^2 + 4 p1^2) / 2, from where the optimizers really go."""

    def arrived(optimizer: Any, momentum: Any) -> tuple[np.ndarray, np.ndarray]:
        """(where the gradient was taken, where the step ended)."""
        p = mt.tensor(PLACE, requires_grad=True)
        made = optimizer([p])
        made.state[p] = {"step": 1, "momentum": np.array(momentum)}
        seen = []

        def closure() -> mt.Tensor:
            made.zero_grad()
            seen.append(p.detach().numpy().copy())
            value = (0.5 * CURVATURES * p * p).sum()
            value.backward()
            return value  # type: ignore[no-any-return]

        made.step(closure)
        return seen[0], p.detach().numpy().copy()

    def plain(params: list[mt.Tensor]) -> Any:
        return mt.optim.Momentum(params, lr=alpha, beta=beta)

    def nesterov(params: list[mt.Tensor]) -> Any:
        return mt.optim.Nesterov(params, lr=alpha, beta=beta, lookahead=lookahead)

    _, gradient_only = arrived(plain, (0.0, 0.0))
    _, momentum = arrived(plain, MOMENTUM)
    ahead, end = arrived(nesterov, MOMENTUM)
    return np.array([PLACE, gradient_only, momentum, ahead, end])


@item(
    "figure-6-8",
    kind="figure",
    source="Chapter 6, Figure 6.8",
    title=("Figure 6.8: momentum beside Nesterov's momentum", "图 6.8：动量与 Nesterov 动量"),
    statement=(
        "We arrive at point 1. Momentum: the gradient there leads to 2, the old momentum added to it to 3. Nesterov: the "
        "momentum first leads to 4, the gradient measured there corrects the way, to 5.",
        "我们到达点 1。动量法：该处的梯度通向点 2，再加上旧动量到点 3。Nesterov 动量：先按动量走到点 4，"
        "再用该处的梯度修正，到点 5。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The figure shows the look-ahead $\alpha\beta m$: its point 4 is where the momentum alone leads. Equation 6.12 as "
        r"printed has $\alpha m$ and would measure the gradient beyond point 4.",
        r"图中的前瞻为 $\alpha\beta m$：点 4 正是仅靠动量到达的位置。式 (6.12) 印作 $\alpha m$，会在点 4 之外测量梯度。",
    ),
    ranges={"alpha": (0.05, 1.0), "beta": (0.0, 0.95)},
)
def figure_6_8(run: Run, alpha: float = 0.5, beta: float = 0.8) -> None:
    points = five_points(0.5, 0.8, "momentum")
    expected = ((2.0, 1.0), (1.8, 0.6), (1.4, 1.0), (1.6, 1.4), (1.44, 0.84))
    for k, place in enumerate(expected):
        for axis in (0, 1):
            run.claim(
                (rf"point {k + 1}: $\phi_{axis}$", rf"点 {k + 1}：$\phi_{axis}$"), points[k, axis], equals=place[axis],
                within=1e-15,
            )  # fmt: skip
    printed = five_points(0.5, 0.8, "as_printed")
    for k, name, name_zh, place in (
        (3, "where eq. 6.12 as printed takes the gradient", "按原文的式 (6.12) 取梯度的位置", (1.5, 1.5)),
        (4, "where it ends", "终点", (1.45, 0.80)),
    ):
        for axis in (0, 1):
            run.claim(
                (rf"{name}: $\phi_{axis}$", rf"{name_zh}：$\phi_{axis}$"),
                printed[k, axis],
                equals=place[axis],
                within=1e-15,
            )
    shown, other = five_points(alpha, beta, "momentum"), five_points(alpha, beta, "as_printed")
    before = np.array(PLACE) + alpha * np.array(MOMENTUM)

    def draw(ax: Any) -> None:
        every = np.concatenate([shown, other, [before]])
        (x0, y0), (x1, y1) = every.min(0) - 0.3, every.max(0) + 0.3
        x, y = np.meshgrid(np.linspace(x0, x1, 100), np.linspace(y0, y1, 100))
        ax.contour(x, y, 0.5 * (x * x + 4 * y * y), levels=14, colors="0.8", linewidths=0.7)
        ax.plot(*np.array([before, shown[0]]).T, "k--", linewidth=1, label="the way to 1")
        for (a, b), colour, dash, name in (
            ((0, 1), "C0", "-", "gradient at 1"), ((1, 2), "C0", ":", "old momentum"),
            ((0, 3), "C3", ":", "old momentum first"), ((3, 4), "C3", "-", "gradient at 4"),
        ):  # fmt: skip
            ax.annotate(
                "",
                shown[b],
                shown[a],
                arrowprops={"arrowstyle": "-|>", "color": colour, "linestyle": dash, "linewidth": 1.8},
            )
            ax.plot([], [], color=colour, linestyle=dash, label=name)
        ax.plot(*shown.T, "ko", markersize=4)
        for k, place in enumerate(shown):
            ax.annotate(str(k + 1), place, (6, 4), textcoords="offset points", fontsize=12, weight="bold")
        ax.plot(*other[3:].T, "x--", color="0.45", label="as printed: look-ahead and end")
        ax.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=(x0, x1), ylim=(y0, y1))
        ax.legend(fontsize="small")

    run.figure(
        ("Points 1, 2, 3: momentum. Points 1, 4, 5: Nesterov's. Crosses: eq. 6.12 as printed.",
         "点 1、2、3：动量法。点 1、4、5：Nesterov 动量。叉号：按原文的式 (6.12)。"),
        draw,
        size=(7.0, 5.0),
    )  # fmt: skip


def chain(p: mt.Tensor) -> mt.Tensor:
    """A convex quadratic on which every first-order method is slow: springs in a row, pulled at the first (L = 1)."""
    return 0.125 * (p[0] ** 2 + ((p[1:] - p[:-1]) ** 2).sum() + p[-1] ** 2) - 0.25 * p[0]


@item(
    "nesterov-acceleration",
    kind="theorem",
    source="Chapter 6, section 6.3.1 and notes (Nesterov 1983)",
    title=("Nesterov's acceleration", "Nesterov 加速"),
    statement=(
        r"Correcting the momentum's path by the gradient accelerates: about $\sqrt{\kappa}$ steps instead of $\kappa$, and on "
        r"convex losses an error of the order $1/t^2$ instead of $1/t$.",
        r"用梯度修正动量的路径可以加速：所需步数约为 $\sqrt{\kappa}$ 而不是 $\kappa$；对凸损失，误差阶为 $1/t^2$ 而不是 $1/t$。",
    ),
    verdict="holds",
    ranges={"kappa": (2.0, 300.0), "steps": (50, 400)},
)
def acceleration(run: Run, kappa: float = 100.0, steps: int = 100) -> None:
    def distances(k: float, count: int) -> dict[str, np.ndarray]:
        bowl, root = mt.analysis.problems.quadratic(np.array([1.0, k])), k**0.5
        tuned = mt.analysis.polyak_parameters(1.0, k)
        return {
            name: np.linalg.norm(
                mt.analysis.trace(make, bowl, np.zeros(2), start=(1.0, 1.0), steps=count).points, axis=1
            )
            for name, make in (
                (r"gradient descent, $1/L$", lambda p: mt.optim.SGD(p, lr=1 / k)),
                ("gradient descent, best rate", lambda p: mt.optim.SGD(p, lr=mt.analysis.optimal_rate(1.0, k)[0])),
                ("heavy ball, tuned", lambda p: mt.optim.Momentum(p, lr=tuned[0], beta=tuned[1], form="sum")),
                (
                    r"Nesterov, $1/L$",
                    lambda p: mt.optim.Nesterov(p, lr=1 / k, beta=(root - 1) / (root + 1), form="sum"),
                ),
            )
        }

    found = distances(100.0, 1400)
    for (name, far), count in zip(found.items(), (1375, 709, 95, 158), strict=True):
        name_zh = name.replace("gradient descent, best rate", "梯度下降，最优学习率").replace(
            "gradient descent", "梯度下降"
        )
        name_zh = name_zh.replace("heavy ball, tuned", "重球法，调到最优").replace(", ", "，")
        run.claim(
            (rf"$\kappa = 100$, {name}: steps to $10^{{-6}}$", rf"$\kappa = 100$，{name_zh}：到 $10^{{-6}}$ 的步数"),
            int(np.argmax(far < 1e-6)),
            equals=count,
        )

    def springs(nesterov: bool, count: int) -> np.ndarray:
        p = mt.tensor(np.zeros(CHAIN), requires_grad=True)
        optimizer: Any = mt.optim.Nesterov([p], lr=1.0, beta=0.0, form="sum") if nesterov else mt.optim.SGD([p], lr=1.0)
        theta, values = 1.0, [0.0]

        def closure() -> mt.Tensor:
            optimizer.zero_grad()
            value = chain(p)
            value.backward()
            return value

        for _ in range(count):
            optimizer.step(closure)
            values.append(chain(p.detach()).item())
            after = (1 + (1 + 4 * theta * theta) ** 0.5) / 2
            if nesterov:  # after step t the momentum is (theta_t - 1) / theta_(t + 1), from theta_1 = 1 on
                optimizer.param_groups[0]["beta"] = (theta - 1) / after
            theta = after
        return np.array(values)

    answer = solveh_banded(np.array([np.full(CHAIN, -0.25), np.full(CHAIN, 0.5)]), np.eye(CHAIN)[0] / 4)
    lowest, bound = -answer[0] / 8, 2 * answer @ answer / np.arange(1, 402) ** 2
    count = max(100, steps)
    gaps = {"gradient descent": springs(False, count) - lowest, "Nesterov": springs(True, count) - lowest}
    run.claim(
        ("200 springs, 100 steps: gradient descent above the minimum", "200 个弹簧，100 步：梯度下降高出最小值"),
        gaps["gradient descent"][100], equals=9.32e-3, within=5e-6,
    )  # fmt: skip
    run.claim(("the same: Nesterov", "同上：Nesterov 动量"), gaps["Nesterov"][100], equals=1.97e-3, within=5e-6)
    run.claim(
        ("Nesterov over gradient descent", "Nesterov 动量与梯度下降之比"),
        gaps["Nesterov"][100] / gaps["gradient descent"][100],
        at_most=1 / 3,
    )
    run.claim(
        (r"the bound $2L\|x^*\|^2/(t + 1)^2$", r"上界 $2L\|x^*\|^2/(t + 1)^2$"),
        bound[100],
        equals=1.30e-2,
        within=5e-5,
    )
    run.claim(
        ("Nesterov over the bound, at its largest in 100 steps", "100 步内 Nesterov 动量与上界之比的最大值"),
        (gaps["Nesterov"][1:101] / bound[1:101]).max(),
        at_most=1,
    )
    shown = found if kappa == 100 else distances(kappa, int(16 * kappa) + 5)

    def draw(left: Any, right: Any) -> None:
        for (name, far), style in zip(shown.items(), (":", "--", "-.", "-"), strict=True):
            left.plot(far, style, label=name)
        left.axhline(1e-6, color="0.8", linewidth=0.8)
        left.set(
            yscale="log",
            ylim=(1e-8, 10),
            xlabel="step",
            ylabel="distance from the minimum",
            title=rf"$\kappa = {kappa:g}$",
        )
        left.legend(fontsize="small")
        for (name, gap), style in zip(gaps.items(), ("--", "-"), strict=True):
            right.plot(np.arange(1, steps + 1), gap[1 : steps + 1], style, label=name)
        right.plot(np.arange(1, steps + 1), bound[1 : steps + 1], "k:", label=r"bound $2L\|x^*\|^2/(t+1)^2$")
        right.set(xscale="log", yscale="log", xlabel="step", ylabel=r"$f - f^*$", title="200 springs")
        right.legend(fontsize="small")

    run.figure(
        (r"Left: a quadratic with the condition number $\kappa$. Right: a chain of 200 springs, convex and ill-conditioned.",
         r"左：条件数为 $\kappa$ 的二次函数。右：200 个弹簧的链，凸而病态。"),
        draw,
        (1, 2), (9.6, 4.0),
    )  # fmt: skip
