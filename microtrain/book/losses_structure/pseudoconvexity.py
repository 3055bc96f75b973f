"""Pseudoconvexity: less than convexity, and which definition still leads gradient descent to a global minimum."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import hole, saturating

from ...viz.plots.axes import headroom
from ..dynamics.descent import descend, path
from ..entry import item
from ..run import Run

GRID = np.arange(-200, 201) / 100  # has 0 exactly


def inflected(x: mt.Tensor) -> mt.Tensor:
    """x^4/4 + x^3/3, added up over many runs: flat at 0, lowest at -1."""
    return (x**4 / 4 + x**3 / 3).sum()


@lru_cache(maxsize=2)
def long_way(steps: int = 100000) -> np.ndarray:
    """The positions of gradient descent on x^4/4 + x^3/3 from 1 with rate 0.1."""
    return path(inflected, [1.0], 0.1, steps)[:, 0]


@item(
    "pseudoconvexity-definition",
    kind="definition",
    source="Chapter 4, section 4.2.2, before theorem 4.2.1",
    title=("What pseudoconvex means", "伪凸的定义"),
    statement=(
        r"Pseudoconvexity is weaker than convexity and still makes the global optimum reachable. It rests on subgradients: $f$ is pseudoconvex if $f(y) < f(x)$ implies "
        r"$\nabla f(x)^\top (y - x) \le 0$.",
        r"伪凸性比凸性弱，但仍保证全局最优可达。定义基于次梯度：若 $f(y) < f(x)$ 蕴含 $\nabla f(x)^\top (y - x) \le 0$，则 $f$ 是伪凸的。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"With $\le$ this is quasiconvexity, which allows points where the gradient vanishes and which are no minimum: $x^4/4 + x^3/3$ satisfies it, and gradient descent "
        r"from 1 stalls at 0, above the minimum $f(-1) = -1/12$. Pseudoconvexity needs $\nabla f(x)^\top (y - x) < 0$; then every stationary "
        "point is a global minimum. The definition uses the gradient of a differentiable function, not subgradients.",
        r"用 $\le$ 得到的是拟凸性，它允许梯度为零却不是极小值的点：$x^4/4 + x^3/3$ 满足该条件，梯度下降从 1 出发却停在 0 处，"
        r"高于最小值 $f(-1) = -1/12$。伪凸性要求 $\nabla f(x)^\top (y - x) < 0$，此时临界点都是全局最小值点。定义用的是可微函数的梯度，不是次梯度。",
    ),
    ranges={"start": (-2.0, 2.0), "eta": (0.01, 0.3)},
)
def pseudoconvex_definition(run: Run, start: float = 1.0, eta: float = 0.1, form: str = "right") -> None:
    weak = analysis.pseudoconvex_violations(inflected, GRID, quasi=True)
    found = weak if form == "printed" else analysis.pseudoconvex_violations(inflected, GRID)
    run.claim((r"$x^4/4 + x^3/3$, all pairs of 401 points: violations of the definition", r"$x^4/4 + x^3/3$，401 个点的所有点对：违反定义的对数"),
              len(found), equals=133)  # fmt: skip
    run.claim((r"violations of the condition with $\le$", r"违反 $\le$ 条件的对数"), len(weak), equals=0)
    run.claim((r"the largest $|x|$ at which the definition is violated", r"违反定义之处的最大 $|x|$"),
              max((abs(float(x[0])) for x, _ in found), default=0.0), equals=0)  # fmt: skip
    way = long_way()
    for steps, place, within in (
        (100, 0.0754, 5e-5),
        (1000, 0.00948, 5e-6),
        (10000, 9.9e-4, 5e-6),
        (100000, 1.0e-4, 5e-6),
    ):
        run.claim((rf"gradient descent from 1, $\eta = 0.1$: $x$ after {steps} steps", rf"梯度下降从 1 出发，$\eta = 0.1$：{steps} 步后的 $x$"),
                  way[steps], equals=place, within=within)  # fmt: skip
    f = analysis.Objective(inflected, np.zeros(1))
    text = (r"loss in the end, above the minimum $-1/12$", r"最终损失与最小值 $-1/12$ 之差")
    if form == "printed":  # the global optimum is reachable
        run.claim(text, f([way[-1]]) + 1 / 12, at_most=1e-3)
    else:
        run.claim(text, f([way[-1]]) + 1 / 12, equals=1 / 12, within=1e-6)
    run.claim(("the minimum is at", "最小值点"), float(GRID[f.values(GRID[:, None]).argmin()]), equals=-1)
    mine = path(inflected, [start], eta, 200)[:, 0]

    def draw(left: Any, right: Any) -> None:
        left.plot(GRID, f.values(GRID[:, None]), color="0.5", label="$x^4/4 + x^3/3$")
        left.plot(
            mine, f.values(mine[:, None]), "o-", markersize=3, color="C0", label=f"gradient descent from {start:g}"
        )
        left.plot(-1, -1 / 12, "k*", markersize=11, label="minimum, $-1/12$")
        y = GRID[(GRID > -4 / 3) & (GRID < 0)]
        left.plot(
            y, f.values(y[:, None]), color="C3", linewidth=3, alpha=0.5, label="lower than at 0, with slope 0 at 0"
        )
        left.set(xlabel="x", ylabel="f(x)", xlim=(-1.7, 1.3), ylim=(-0.12, 0.4))
        t = np.arange(1, len(way))
        right.loglog(t, way[1:], label=r"from 1, $\eta = 0.1$")
        right.loglog(t, 10 / t, "k:", label=r"$1/(\eta t)$")
        right.set(xlabel="step", ylabel="x", title="it creeps towards the inflection at 0")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        (r"The condition with $\leq$ holds here, and gradient descent stalls at a point that is no minimum", r"此处满足带 $\leq$ 的条件，梯度下降却停在不是极小值的点"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@lru_cache(maxsize=2)
def into_the_hole(steps: int = 1000000) -> np.ndarray:
    """The positions of gradient descent on 1 - exp(-x^2/2), rate 1, from 1, 3, 5 and 6: (steps, 4)."""
    starts = np.array([1.0, 3.0, 5.0, 6.0])
    _, seen = descend(hole, [starts], 1.0, steps, lambda x: x.clone())
    return np.concatenate([starts[None], np.asarray(seen)])


@item(
    "pseudoconvex-gd-converges",
    kind="theorem",
    source="Chapter 4, section 4.2.2, theorem 4.2.1",
    title=("Gradient descent on pseudoconvex losses", "伪凸损失上的梯度下降"),
    statement=(
        "If $f$ is pseudoconvex and its gradient regular enough (Lipschitz continuous, say), gradient descent converges to the global optimum.",
        "若 $f$ 是伪凸的，且梯度满足正则性条件（如 Lipschitz 连续），则梯度下降收敛到全局最优解。",
    ),
    verdict="holds with a condition",
    correction=(
        r"True with the strict definition, a Lipschitz continuous gradient, $0 < \eta < 2/L$ and a minimiser that exists; with the printed definition it is false. Nothing is said of the "
        r"time: on $1 - e^{-x^2/2}$ it takes 3 steps from 1, 11791 from 5, and a million do nothing from 6. Without a minimiser the iterates run away "
        "for ever, although the loss tends to its infimum.",
        r"在严格定义、梯度 Lipschitz 连续、$0 < \eta < 2/L$ 且最小值点存在的条件下成立；按书中的定义则不成立。定理不涉及时间："
        r"对 $1 - e^{-x^2/2}$，从 1 出发需 3 步，从 5 出发需 11791 步，从 6 出发一百万步也几乎不动。没有最小值点时，损失趋于下确界，迭代点却一直远去。",
    ),
    ranges={"start": (0.1, 6.0), "eta": (0.05, 1.99)},
)
def pseudoconvex_descent(run: Run, start: float = 2.5, eta: float = 1.0) -> None:
    way = into_the_hole()
    reached = np.abs(way) < 1e-3
    for k, (x, count) in enumerate(((1, 3), (3, 18), (5, 11791))):
        run.claim((rf"$1 - e^{{-x^2/2}}$ from {x}: steps until $|x| < 10^{{-3}}$", rf"$1 - e^{{-x^2/2}}$ 从 {x} 出发：$|x| < 10^{{-3}}$ 所需步数"),
                  int(reached[:, k].argmax()), equals=count)  # fmt: skip
    run.claim(
        (r"from 6: $x$ after a million steps", r"从 6 出发：一百万步后的 $x$"), way[-1, 3], equals=5.87, within=5e-3
    )
    grid = np.linspace(-8, 8, 401)[:, None]
    one = analysis.Objective(hole, np.zeros(1))
    run.claim((r"its largest curvature, $L$", r"最大曲率 $L$"), np.abs(one.hessians(grid)).max(), equals=1, within=1e-9)
    two = analysis.Objective(saturating, np.zeros(1))
    (end,), slide = descend(saturating, [np.array([-3.0])], 1.0, 100000, lambda w: w.clone())
    run.claim(
        (
            r"$(1 - \sigma(w))^2/2$ from $-3$, 100000 steps: loss",
            r"$(1 - \sigma(w))^2/2$ 从 $-3$ 出发，100000 步：损失",
        ),
        two(end),
        equals=2.5e-6,
        within=5e-8,
    )
    run.claim((r"and $w$", r"$w$"), end[0], equals=6.1, within=0.05)
    run.claim(
        (r"the last step, still to the right", r"最后一步，仍然向右"),
        float(end[0] - np.asarray(slide)[-2, 0]),
        at_least=1e-8,
    )
    run.claim(("violations of the strict definition among 401 points", "401 个点中违反严格定义的对数"),
              len(analysis.pseudoconvex_violations(two, grid)), equals=0)  # fmt: skip
    run.claim(("violations of convexity: negative second differences", "违反凸性：负的二阶差分个数"),
              int((np.diff(two.values(grid), 2) < 0).sum()), equals=182)  # fmt: skip
    run.claim((r"$x^4/4 + x^3/3$, which satisfies the printed definition, from 1: end (the minimum is at -1)", r"满足书中定义的 $x^4/4 + x^3/3$，从 1 出发：终点（最小值点为 -1）"),
              long_way()[-1], equals=0, within=2e-4)  # fmt: skip
    mine = path(hole, [start], eta, 2000)[:, 0]

    def draw(left: Any, middle: Any, right: Any) -> None:
        x = np.linspace(-6.5, 6.5, 300)
        left.plot(x, one.values(x[:, None]), color="0.5", label="$1 - e^{-x^2/2}$")
        left.plot(
            mine[:40],
            one.values(mine[:40, None]),
            "o-",
            markersize=3,
            label=rf"40 steps from {start:g}, $\eta = {eta:g}$",
        )
        left.set(xlabel="x", ylabel="f(x)", title="pseudoconvex, not convex")
        t = np.unique(np.geomspace(1, len(way), 400).astype(int)) - 1
        for k, x0 in enumerate((1, 3, 5, 6)):
            middle.loglog(t + 1, np.maximum(np.abs(way[t, k]), 1e-8), label=f"from {x0}")
        at = np.arange(len(mine))
        middle.loglog(at + 1, np.maximum(np.abs(mine), 1e-8), "k:", label=rf"from {start:g}, $\eta = {eta:g}$")
        middle.axhline(1e-3, color="0.7", linewidth=0.7)
        middle.set(xlabel="step", ylabel="|x|", ylim=(1e-5, 20))
        t = np.unique(np.geomspace(1, len(slide), 300).astype(int)) - 1
        w = np.asarray(slide)[t]
        right.semilogx(t + 1, w[:, 0], label="w")
        right.semilogx(t + 1, 10 * two.values(w), "--", label="10 x loss")
        right.set(xlabel="step", ylabel="w, loss", title=r"$(1 - \sigma(w))^2/2$: no minimiser")
        headroom(left)
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Descent into a hole (left), whose duration depends on the start beyond all bounds (middle); a loss without a minimiser (right)",
         "下降到坑底（左），所需时间随起点急剧增大（中）；没有最小值点的损失（右）"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip
