"""Where gradient descent can end: at points of zero gradient, which need not be minima."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .following import follow

saddle = mt.analysis.problems.strict_saddle


def end_of(loss: Any, start: Any, steps: int, eta: float = 0.1) -> tuple[np.ndarray, float, np.ndarray]:
    """(where gradient descent is after so many steps, the norm of the gradient, the Hessian's eigenvalues there)."""
    end = follow(lambda p: mt.optim.SGD(p, lr=eta), loss, start, steps)[-1]
    objective = mt.analysis.objective(loss, end)
    return end, float(np.linalg.norm(objective.gradient())), np.linalg.eigvalsh(objective.hessian())


@item(
    "gd-stationary-not-minimum",
    kind="theorem",
    source="Deep-learning optimizers, the paragraph on non-convexity",
    title=("Where gradient descent comes to rest", "梯度下降停在何处"),
    statement=(
        "Gradient descent is said to be sure to converge only to some local optimum, explained as a point of zero gradient, "
        "and not to the global one.",
        "书中称，梯度下降只能保证收敛到某个局部最优解，并注明即梯度为零的点，而不保证是全局最优解。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"A zero gradient makes no local optimum: the sentence before lists saddles on their own. With $0 < \eta < 2/L$ and a "
        r"loss bounded below, what is sure is $\nabla f \to 0$: limits are stationary points, and the iterates may even run "
        r"away (on $e^{-x}$). A saddle is reached from the few starts on its stable manifold, such as $(1, 0)$ here. That "
        "almost every start leads to a local minimum needs strict saddles.",
        r"梯度为零的点不一定是局部最优解，原文前一句就把鞍点单独列出。若 $0 < \eta < 2/L$ 且损失有下界，能保证的是 $\nabla f \to 0$："
        r"极限点是临界点，迭代甚至可能趋于无穷远（如 $e^{-x}$）。从稳定流形上的少数起点出发会到达鞍点，如这里的 $(1, 0)$。"
        "“几乎所有起点都到达局部极小值点”需要严格鞍点的条件。",
    ),
    ranges={"eta": (0.01, 0.3), "y": (-1.0, 1.0), "steps": (10, 1000)},
    random=True,
)
def comes_to_rest(run: Run, eta: float = 0.1, y: float = 1e-4, steps: int = 200, form: str = "right") -> None:
    end, slope, curvatures = end_of(saddle, (1.0, 0.0), 1000)
    _, other_slope, other = end_of(mt.analysis.problems.two_layers, (1.0, -1.0), 1000)
    kinds = [mt.analysis.classify(np.diag(values)) for values in (curvatures, other)]
    run.claim(
        (r"from $(1, 0)$: norm of the gradient after 1000 steps", r"从 $(1, 0)$ 出发：1000 步后的梯度范数"),
        slope,
        at_most=1e-40,
    )
    if form == "printed":  # the book: a point of zero gradient is a local optimum
        for values, name in ((curvatures, r"$(1, 0)$"), (other, r"$(w_1 w_2 - 1)^2 / 2$, $w_1 = -w_2$")):
            run.claim(
                (
                    f"from {name}: lowest curvature, not negative at a local optimum",
                    f"从 {name} 出发：最小曲率，局部最优解处应不为负".replace("$, $", "$，$"),
                ),
                values[0],
                at_least=-1e-6,
            )
        return
    run.claim(
        (r"from $(1, 0)$: $x$ at the end", r"从 $(1, 0)$ 出发：终点的 $x$"), end[0], equals=1.7e-46, within=0.05e-46
    )
    run.claim((r"from $(1, 0)$: $y$ at the end", r"从 $(1, 0)$ 出发：终点的 $y$"), end[1], equals=0.0)
    run.claim(
        (r"from $(1, 0)$: lower curvature at the end", r"从 $(1, 0)$ 出发：终点的较小曲率"),
        curvatures[0],
        equals=-1.0,
        within=1e-9,
    )
    run.claim(
        (r"from $(1, 0)$: higher curvature at the end", r"从 $(1, 0)$ 出发：终点的较大曲率"),
        curvatures[1],
        equals=1.0,
        within=1e-9,
    )
    run.claim(("both ends are saddles", "两个终点都是鞍点"), kinds == ["saddle", "saddle"])
    run.claim(
        (
            r"$(w_1 w_2 - 1)^2 / 2$ from $w_1 = -w_2$: gradient at the end",
            r"$(w_1 w_2 - 1)^2 / 2$，从 $w_1 = -w_2$ 出发：终点的梯度范数",
        ),
        other_slope,
        at_most=1e-12,
    )
    run.claim(
        (
            r"$(w_1 w_2 - 1)^2 / 2$: distance of its curvatures from $-1, 1$",
            r"$(w_1 w_2 - 1)^2 / 2$：两个曲率与 $-1, 1$ 之差",
        ),
        np.abs(other - [-1, 1]).max(),
        at_most=1e-9,
    )
    starts = run.rng.uniform(-1, 1, (2, 10000))
    ends = follow(lambda p: mt.optim.SGD(p, lr=0.1), lambda x: saddle(x).sum(), starts, 300)[-1]
    reached = (np.abs(ends[0]) < 1e-6) & (np.abs(np.abs(ends[1]) - 1) < 1e-6)
    run.claim(
        (r"share of $10^4$ random starts that reach $(0, \pm 1)$", r"$10^4$ 个随机起点中到达 $(0, \pm 1)$ 的比例"),
        reached.mean(),
        equals=1.0,
    )
    away = follow(lambda p: mt.optim.SGD(p, lr=0.1), lambda x: (-x).exp(), 0.0, 2000)
    run.claim(
        (r"$e^{-x}$: gradient after 2000 steps over the first", r"$e^{-x}$：2000 步后的梯度与最初之比"),
        np.exp(-away[-1]),
        at_most=0.01,
    )
    run.claim(
        (r"$e^{-x}$: $x$ still grows, like $\ln(1 + \eta t)$", r"$e^{-x}$：$x$ 继续增大，近似 $\ln(1 + \eta t)$"),
        away[-1] / np.log(1 + 0.1 * 2000),
        equals=1.0,
        within=0.01,
    )
    shown = {
        "(1, 0)": mt.analysis.trace(
            lambda p: mt.optim.SGD(p, lr=eta), saddle, np.zeros(2), start=(1.0, 0.0), steps=steps
        ),
        f"(1, {y:g})": mt.analysis.trace(
            lambda p: mt.optim.SGD(p, lr=eta), saddle, np.zeros(2), start=(1.0, y), steps=steps
        ),
    }

    def draw(left: Any, right: Any) -> None:
        scape = mt.analysis.landscape(saddle, np.zeros(2), (-1.2, 1.2), (-1.4, 1.4), resolution=80)
        a, b = np.meshgrid(scape.x, scape.y)
        left.contour(a, b, scape.values, levels=25, colors="0.8", linewidths=0.7)
        for k, (name, path) in enumerate(shown.items()):
            left.plot(
                *path.points.T, "o-", color=f"C{k}", markersize=3, linewidth=1, label=f"from {name}", zorder=3 - k
            )
            right.semilogy(np.maximum(path.gradient_norms, 1e-20), f"C{k}", label=f"from {name}")
        left.plot(0, 0, "kX", markersize=9, label="saddle", zorder=5)
        left.plot([0, 0], [1, -1], "k*", markersize=11, linestyle="none", label="minima", zorder=5)
        left.set(xlabel="x", ylabel="y")
        left.legend(fontsize="small", loc="upper right")
        right.set(xlabel="step", ylabel="norm of the gradient")
        right.legend(fontsize="small")

    run.figure(
        (
            "Two starts that differ a little: one ends at the saddle, the other passes it slowly and ends in a minimum.",
            "两个起点相差很小：一个停在鞍点，另一个缓慢经过鞍点，到达极小值点。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
