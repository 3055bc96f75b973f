"""How to estimate the Lipschitz constant of a gradient, and how not to."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..dynamics.descent import path
from ..entry import item
from ..run import Run

STEEP = np.array([100.0, 1.0])


def recipe(place: float, noise: float, points: int, seed: int, form: str) -> float:
    """An estimate of L from points around (place, place): gradient norms as printed, or power iteration on Hv."""
    bowl = analysis.objective(analysis.problems.quadratic(STEEP), np.full(2, place))
    if form == "printed":
        return analysis.lipschitz_by_gradient_norm(bowl, points=points, sampler=noise, generator=mt.Generator(seed))
    return analysis.power_iteration(bowl, iters=200, tol=1e-12).value


@item(
    "gradient-norm-as-lipschitz-estimate",
    kind="algorithm",
    source="Chapter 4, section 4.2.3, last paragraph",
    title=("Gradient norms do not estimate L", "梯度范数估计不了 L"),
    statement=(
        "A recipe for practice: collect the gradient norms of several batches and take the largest, or a high percentile, as the "
        "Lipschitz constant. It may be too large, but then convergence is safe.",
        "实践中的一种做法：收集多个批次的梯度范数，取最大值或高百分位数作为 Lipschitz 常数的估计。估计可能偏大，但收敛是安全的。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"Gradient norms tell how fast the loss changes, not how fast its gradient does. Near a minimum they are small however large "
        r"$L$ is: here the estimate is 1/85 of it and gradient descent with $\eta = 1/L$ diverges. Use the largest eigenvalue "
        r"of the Hessian (power iteration on $Hv$), or ratios $\|g_1 - g_2\| / \|w_1 - w_2\|$, which are lower bounds.",
        r"梯度范数反映损失变化的快慢，而不是梯度变化的快慢。在极小值附近，无论 $L$ 多大梯度都很小：这里的估计只有真值的 1/85，"
        r"以 $\eta = 1/L$ 做梯度下降会发散。应取 Hessian 矩阵的最大特征值（对 $Hv$ 做幂迭代），"
        r"或取比值 $\|g_1 - g_2\| / \|w_1 - w_2\|$，后者是下界。",
    ),
    ranges={"place": (0.0001, 100.0), "noise": (0.0, 0.1), "points": (2, 1000)},
    random=True,
)
def gradient_norms(
    run: Run, place: float = 0.01, noise: float = 0.001, points: int = 50, form: str = "right"
) -> None:  # fmt: skip
    bowl = analysis.problems.quadratic(STEEP)
    found = {at: recipe(at, 0.001, 50, run.seed, form) for at in (0.01, 100.0)}
    norms = {at: recipe(at, 0.001, 50, run.seed, "printed") for at in (0.01, 100.0)}
    for at, estimate in found.items():
        run.claim(
            (f"estimate of $L$ around ({at:g}, {at:g})", f"在 ({at:g}, {at:g}) 附近估计的 $L$"),
            estimate,
            equals=100,
            within=1e-6,
        )
    good = path(bowl, [0.01, 0.01], 1 / found[0.01], 20)
    run.claim(
        (r"20 steps with $\eta = 1/L$ from (0.01, 0.01): $|a|$", r"从 (0.01, 0.01) 以 $\eta = 1/L$ 走 20 步：$|a|$"),
        abs(good[-1, 0]), at_most=1e-6,
    )  # fmt: skip
    bad = path(bowl, [0.01, 0.01], 1 / norms[0.01], 20)
    if run.seed == 0:
        run.claim(
            ("the largest of 50 gradient norms around (0.01, 0.01)", "(0.01, 0.01) 附近 50 个梯度范数的最大值"), norms[0.01],
            equals=1.18, within=0.005,
        )  # fmt: skip
        run.claim(
            (r"$\eta$ from it: $|a|$ after 20 steps", r"由此得到的 $\eta$：20 步后的 $|a|$"), abs(bad[-1, 0]), equals=2.8e36, relative=0.02
        )  # fmt: skip
    run.claim(
        ("$L$ over that norm", "$L$ 与该范数之比"), 100 / norms[0.01], between=(70, 100)
    )  # fmt: skip
    run.claim((r"$\eta$ from it, over $2/L$", r"由此得到的 $\eta$ 与 $2/L$ 之比"), 50 / norms[0.01], at_least=30)
    run.claim(
        ("the largest gradient norm around (100, 100)", "(100, 100) 附近梯度范数的最大值"),
        norms[100.0],
        equals=1e4,
        relative=1e-3,
    )
    secant = analysis.lipschitz_secant(
        bowl, np.full(2, 0.01), pairs=50, sampler=0.001, generator=mt.Generator(run.seed)
    )
    run.claim(
        ("the largest ratio of gradient differences, same points", "同样的点：梯度差之比的最大值"),
        secant.value,
        between=(95, 100 + 1e-9),
    )
    places = 10.0 ** np.linspace(-4, 2, 25)
    curve = [recipe(at, 0.1 * at, points, run.seed, "printed") for at in places]
    chosen = recipe(place, noise, points, run.seed, "printed")
    ways = {
        f"gradient norms: {chosen:.3g}": path(bowl, [place, place], 1 / chosen, 20),
        "power iteration: 100": path(bowl, [place, place], 0.01, 20),
    }

    def draw(left: Any, right: Any) -> None:
        left.loglog(places, curve, "o-", markersize=3, label="largest gradient norm")
        left.axhline(100, color="C3", linestyle="--", label="$L = 100$")
        left.plot(place, chosen, "ks", markersize=6, label=f"here: {chosen:.3g}")
        left.set(xlabel="distance of the points from the minimum, in $a$ and $b$", ylabel="estimate of $L$")
        left.legend(fontsize="small")
        for (name, points_of), dash in zip(ways.items(), ("o-", "s--"), strict=True):
            right.semilogy(np.maximum(np.linalg.norm(points_of, axis=1), 1e-20), dash, markersize=3, label=name)
        right.set(
            xlabel="step", ylabel="distance from the minimum", title=r"gradient descent with $\eta = 1/L$, $L$ from"
        )
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: the gradient norm depends on the place, $L$ does not. Right: what a rate from either does.",
            "左：梯度范数随位置变化，$L$ 不变。右：按两种估计取学习率的结果。",
        ),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip
