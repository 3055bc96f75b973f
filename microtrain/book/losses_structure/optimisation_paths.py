"""The path of an optimizer: its shape, and what its length has to do with the number of steps."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import quadratic

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run


def quadratic_runs(curvatures: Any, rates: Any, start: Any, steps: int) -> np.ndarray:
    """Gradient descent on many diagonal quadratics at once, each with its rate: (steps + 1, runs, P).

    Args:
        curvatures: (runs, P).
        rates: (runs,); they multiply the losses, and the optimizer's rate is 1.
    """
    scaled = np.asarray(rates, float)[:, None] * np.asarray(curvatures, float)
    begin = np.broadcast_to(np.asarray(start, float), scaled.shape)
    return follow(descent(1.0), lambda p: 0.5 * (scaled * p * p).sum(), begin, steps)


def shape_of(points: np.ndarray) -> analysis.Path:
    """A path (T + 1, P) of which only the shape is asked for."""
    return analysis.Path(points, np.zeros(0), np.zeros(0))


def ratio(points: np.ndarray) -> float:
    """The length of the way over the distance as the crow flies."""
    path = shape_of(points)
    return path.arc_length / path.chord


@item(
    "optimisation-path-tracer",
    kind="definition",
    source="Chapter 4, section 4.2.5, first two paragraphs",
    title=("The path of an optimizer", "优化路径"),
    statement=(
        "The optimisation path is the trajectory of the parameters from the start to the final solution; the curvature of the loss decides "
        "its form, its length and its stability.",
        "优化路径是参数从初始值到最终解的轨迹，损失的曲率决定其形态、长度与稳定性。",
    ),
    verdict="holds",
    ranges={"kappa": (1.0, 100.0), "ratio": (0.01, 1.99), "steps": (10, 500)},
)
def tracer(run: Run, kappa: float = 10.0, ratio: float = 1.7, steps: int = 100) -> None:
    def traced(top: float, share: float, count: int = 300) -> analysis.Path:
        curvatures = np.array([top, 1.0])
        return analysis.trace(
            lambda p: mt.optim.SGD(p, lr=share / top), quadratic(curvatures), np.zeros(2), start=(1.0, 1.0), steps=count,
            name=rf"$\kappa = {top:g}$, $\eta = {share:g}/L$",
        )  # fmt: skip

    cases = (
        ("round bowl", "圆形碗", traced(1.0, 0.1), 1.0, 0.0, 1e-12),
        (r"curvatures 10 and 1, $\eta = 0.1$", r"曲率 10 与 1，$\eta = 0.1$", traced(10.0, 1.0), 1.347, 0.450, 1e-3),
    )
    for name, zh, path, arc, bend, place in cases:
        run.claim(
            (f"{name}: length over distance", f"{zh}：路径长度与直线距离之比"),
            path.arc_length / path.chord,
            equals=arc,
            within=place,
        )
        run.claim((f"{name}: largest distance from the straight line, relative", f"{zh}：偏离直线的最大相对距离"),
                  path.max_deviation, equals=bend, within=place)  # fmt: skip
    shown = [traced(1.0, 0.1, steps), traced(kappa, 0.1, steps), traced(kappa, 1.0, steps), traced(kappa, ratio, steps)]
    rows = []
    for path in shown:
        flips = path.sign_changes((1.0, 0.0))
        reached = path.iterations_to(1e-6)
        rows.append((path.name.replace("$", "").replace("\\", ""), path.arc_length / path.chord, path.max_deviation,
                     "not reached" if reached is None else reached, flips))  # fmt: skip
    run.table(
        (r"From (1, 1); steps to $10^{-6}$ of the first loss", r"从 (1, 1) 出发；步数指损失降到初值 $10^{-6}$ 所需"),
        ("path", "length / distance", "deviation", "steps", "sign changes"), rows,
    )  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        x, y = np.meshgrid(np.linspace(-1.1, 1.2, 160), np.linspace(-0.25, 1.2, 160))
        left.contour(x, y, kappa * x * x + y * y, levels=12, colors="0.85", linewidths=0.7)
        left.plot([0, 1], [0, 1], "k:", linewidth=1, label="straight line")
        for k, path in enumerate(shown):
            style = ("s-", "D-", "o-", "^-")[k]
            left.plot(*path.points.T, style, markersize=3.5, linewidth=1.2, label=path.name)
            right.semilogy(path.losses / path.losses[0], linewidth=1.5, label=path.name)
        left.set(xlabel="$w_1$, steep", ylabel="$w_2$, flat", xlim=(-1.1, 1.2), ylim=(-0.25, 1.2))
        right.set(xlabel="step", ylabel="loss over the first loss", ylim=(1e-12, 2))
        for ax in (left, right):
            ax.legend(fontsize="small", loc="lower left" if ax is left else "upper right")

    run.figure(
        ("Four paths from (1, 1) to the minimum 0, and how fast the loss falls on them",
         "从 (1, 1) 到最小值点 0 的 4 条路径，以及损失沿各路径的下降速度"),
        draw, (1, 2), (9.6, 4.4),
    )  # fmt: skip


@item(
    "path-length-is-not-iteration-count",
    kind="definition",
    source="Chapter 4, section 4.2.5, before eq. 4.2.11, and theorem 4.2.3",
    title=("Length of the path, number of steps", "路径长度与迭代次数"),
    statement=(
        r"The length of the path is taken to be the number of iterations to a given accuracy; the larger $\kappa$, the longer the path.",
        r"路径的长度指达到特定精度所需的迭代次数；条件数 $\kappa$ 越大，路径越长。",
    ),
    verdict="holds with a condition",
    correction=(
        r"True of the count that the text defines, which is proportional to $\kappa$. Not of the geometric length of the trajectory, as which the "
        r"same section introduces the path: for $\eta \le 1/L$ it stays below $\sqrt{d}$ times the straight line for every $\kappa$. From $\kappa = 10$ "
        r"to 100 it takes ten times the steps for 4% more length. Only where the steps overshoot does the length grow as well.",
        r"对文中定义的迭代次数成立，它与 $\kappa$ 成正比。对轨迹的几何长度则不成立，而该节起初正是把路径定义为轨迹：$\eta \le 1/L$ 时，"
        r"对任何 $\kappa$，长度都小于直线距离的 $\sqrt{d}$ 倍。$\kappa$ 从 10 增至 100，迭代次数是原来的 10 倍，长度只增加 4%。只有过冲时长度才随之增长。",
    ),
    ranges={"kappa": (2.0, 300.0), "share": (0.05, 1.95)},
)
def length_and_steps(run: Run, kappa: float = 30.0, share: float = 1.5) -> None:
    kappas = np.array([1.5, 3.0, 10.0, 30.0, 100.0, 300.0])
    kinds = {r"$\eta = 1/L$": 1 / kappas, r"$\eta = 2/(L + \mu)$": 2 / (kappas + 1)}
    curvatures = np.stack([kappas, np.ones(6)], 1)
    points = quadratic_runs(np.tile(curvatures, (2, 1)), np.concatenate(list(kinds.values())), (1.0, 1.0), 7000)
    near = np.linalg.norm(points, axis=2) <= 1e-10 * 2**0.5
    steps = near.argmax(0).reshape(2, 6)
    lengths = np.array([ratio(p) for p in points.swapaxes(0, 1)]).reshape(2, 6)
    expected = ((216, 2257, 1.347, 1.407, 5e-4), (115, 1152, 7.1, 70.7, 0.05))
    for row, (name, (few, many, short, long, place)) in enumerate(zip(kinds, expected, strict=True)):
        for k, count, length in ((2, few, short), (4, many, long)):
            run.claim(
                (rf"{name}, $\kappa = {kappas[k]:g}$: steps", rf"{name}，$\kappa = {kappas[k]:g}$：迭代次数"),
                steps[row, k],
                equals=count,
            )
            run.claim(
                (rf"{name}, $\kappa = {kappas[k]:g}$: length over distance", rf"{name}，$\kappa = {kappas[k]:g}$：路径长度与直线距离之比"),
                lengths[row, k], equals=length, within=place,
            )  # fmt: skip
    run.claim((r"$\eta = 1/L$, $\kappa$ from 1.5 to 300: length over distance, at most $\sqrt{2}$", r"$\eta = 1/L$，$\kappa$ 从 1.5 到 300：比值不超过 $\sqrt{2}$"),
              lengths[0], at_most=2**0.5)  # fmt: skip
    run.claim((r"$\eta = 1/L$, from $\kappa = 10$ to 100: growth of the steps", r"$\eta = 1/L$，$\kappa$ 从 10 到 100：迭代次数的倍数"),
              steps[0, 4] / steps[0, 2], between=(10, 11))  # fmt: skip
    run.claim(("and of the length", "路径长度的倍数"), lengths[0, 4] / lengths[0, 2], between=(1.04, 1.05))
    run.table(("From (1, 1) to $10^{-10}$ of the first distance", "从 (1, 1) 到距离缩为 $10^{-10}$"),
              ("kappa", "steps, 1/L", "length, 1/L", "steps, 2/(L+mu)", "length, 2/(L+mu)"),
              [(k, *pair) for k, pair in zip(kappas, np.stack([steps[0], lengths[0], steps[1], lengths[1]], 1), strict=True)])  # fmt: skip
    own = quadratic_runs([(kappa, 1.0)] * 2, (1 / kappa, share / kappa), (1.0, 1.0), 60)

    def draw(left: Any, middle: Any, right: Any) -> None:
        for row, (name, style) in enumerate(zip(kinds, ("o-", "s--"), strict=True)):
            left.loglog(kappas, steps[row], style, label=name)
            middle.loglog(kappas, lengths[row], style, label=name)
        middle.axhline(2**0.5, color="0.6", linestyle=":", label=r"$\sqrt{2}$")
        left.set(xlabel=r"$\kappa$", ylabel=r"steps to $10^{-10}$")
        middle.set(xlabel=r"$\kappa$", ylabel="length over distance")
        for k, name in enumerate((r"$\eta = 1/L$", rf"$\eta = {share:g}/L$")):
            right.plot(*own[:, k].T, ("o-", "s-")[k], markersize=3, linewidth=1, label=f"{name}, 60 steps")
        right.plot([0, 1], [0, 1], "k:", linewidth=1)
        right.set(xlabel="$w_1$, steep", ylabel="$w_2$, flat", title=rf"$\kappa = {kappa:g}$")
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        (r"The number of steps grows with $\kappa$ for both rates, the length of the path only where it overshoots",
         r"两种学习率下迭代次数都随 $\kappa$ 增长，路径长度只在过冲时增长"),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
