"""What eta < 2/L promises, and which constant rate is the fastest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ...viz.plots.axes import headroom
from ..dynamics.descent import path
from ..entry import item
from ..optimizers.following import descent, first_within, flips, follow
from ..run import Run
from .designs import cross_entropy, design


def below_the_lemma(objective: analysis.Objective, walk: np.ndarray, eta: float, lipschitz: float) -> np.ndarray:
    """How far each step's loss lies below f - eta (1 - eta L / 2) |g|^2, which the descent lemma guarantees."""
    values, slopes = objective.values(walk), objective.gradients(walk[:-1])
    return values[:-1] - eta * (1 - eta * lipschitz / 2) * (slopes * slopes).sum(1) - values[1:]  # type: ignore[no-any-return]


@item(
    "gd-stability-limit",
    kind="theorem",
    source="Chapter 4, section 4.2.3, the paragraph on $\\eta < 2/L$; section 4.2.8",
    title=("Below 2/L: descent, but not without overshoot", "小于 2/L：损失下降，但仍会过冲"),
    statement=(
        r"With an $L$-Lipschitz gradient, gradient descent converges for $\eta < 2/L$. The condition is said to ensure that no step goes "
        "beyond the optimum and so oscillates or diverges.",
        r"梯度 $L$-Lipschitz 连续时，梯度下降收敛要求 $\eta < 2/L$。书中说，这保证每次更新不会越过最优解而振荡或发散。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It ensures that the loss falls, not that nothing is overshot. For $1/L < \eta < 2/L$ the steep coordinate jumps across the optimum "
        r"in every step, and converges all the same; without overshoot on a quadratic one needs $\eta \le 1/L$. On other losses $2/L$ is "
        "sufficient, not necessary.",
        r"它保证损失下降，但不保证不过冲。$1/L < \eta < 2/L$ 时，陡的坐标每一步都越过最优解，却仍然收敛；"
        r"二次函数上不过冲需要 $\eta \le 1/L$。对其他损失，$\eta < 2/L$ 是充分条件，不是必要条件。",
    ),
    ranges={"curvature": (1.0, 100.0), "share": (0.05, 2.1), "steps": (5, 100)},
)
def stability(run: Run, curvature: float = 10.0, share: float = 1.2, steps: int = 30) -> None:
    bowl = analysis.problems.quadratic([10.0, 1.0])
    edge = follow(descent(0.2), bowl, [1.0, 1.0], 2000)
    run.claim((r"$\eta = 0.2 = 2/L$: $|w_0|$ after 2000 steps", r"$\eta = 0.2 = 2/L$：2000 步后的 $|w_0|$"), abs(edge[-1, 0]),
              equals=1, within=1e-9)  # fmt: skip
    beyond = follow(descent(0.202), bowl, [1.0, 1.0], 2000)
    run.claim((r"$\eta = 0.202$: $|w_0|$ after 2000 steps", r"$\eta = 0.202$：2000 步后的 $|w_0|$"), abs(beyond[-1, 0]), equals=1.6e17,
              relative=0.01)  # fmt: skip
    inside = path(bowl, [1.0, 1.0], 0.19, 200)
    size = np.linalg.norm(inside, axis=1)
    run.claim((r"$\eta = 0.19$: steps to $10^{-6}$ of the distance", r"$\eta = 0.19$：距离降到 $10^{-6}$ 的步数"),
              first_within(size / size[0], 1e-6), equals=128)  # fmt: skip
    run.claim((r"$\eta = 0.19$: sign changes of $w_0$ in 30 steps", r"$\eta = 0.19$：30 步内 $w_0$ 的变号次数"), flips(inside[:31, 0]),
              equals=30)  # fmt: skip
    calm = path(bowl, [1.0, 1.0], 0.1, 200)
    run.claim((r"$\eta = 0.1 = 1/L$: sign changes in 200 steps", r"$\eta = 0.1 = 1/L$：200 步内的变号次数"),
              flips(calm[:, 0]) + flips(calm[:, 1]), equals=0)  # fmt: skip

    x, _ = design()
    labels = np.random.default_rng(0).random(200) < 1 / (1 + np.exp(-x @ np.array([1.0, -1.0, 0.5, 1.0, -0.3])))
    loss, lipschitz = cross_entropy(x, labels), analysis.ce_lipschitz_bound(x, "binary")
    logistic = analysis.objective(loss, np.zeros(5))
    for ratio in (1.0, 1.9):
        eta = ratio / lipschitz
        walk = follow(descent(eta), loss, np.zeros(5), 200)
        run.claim(
            (rf"logistic loss, $\eta = {ratio:g}/L$: least margin of the descent lemma in 200 steps",
             rf"逻辑损失，$\eta = {ratio:g}/L$：200 步内下降引理的最小余量"),
            below_the_lemma(logistic, walk, eta, lipschitz), at_least=-1e-14,
        )  # fmt: skip
    ends = {r: follow(descent(r / lipschitz), loss, np.zeros(5), 1000)[-1] for r in (2, 3, 4)}
    run.claim(
        (r"logistic loss, $\eta = 3/L$: norm of the gradient after 1000 steps", r"逻辑损失，$\eta = 3/L$：1000 步后的梯度范数"),
        np.linalg.norm(logistic.gradient(ends[3])), at_most=1e-12,
    )  # fmt: skip
    run.claim(
        (r"logistic loss, $\eta = 4/L$: norm of the gradient after 1000 steps", r"逻辑损失，$\eta = 4/L$：1000 步后的梯度范数"),
        np.linalg.norm(logistic.gradient(ends[4])), at_least=0.1,
    )  # fmt: skip
    well = analysis.problems.quadratic([curvature])
    shares = sorted({0.5, 1.0, 1.9, 2.02} | {share})
    courses = {s: path(well, [1.0], s / curvature, steps)[:, 0] for s in shares}
    curves = {r: logistic.values(follow(descent(r / lipschitz), loss, np.zeros(5), 150)) for r in (1.0, 1.9, 3.0, 4.0)}
    lowest = logistic(ends[2])

    def draw(left: Any, middle: Any, right: Any) -> None:
        for (s, at), mark in zip(courses.items(), "osv^D", strict=False):
            left.plot(at, mark + "-", markersize=3, linewidth=0.8, label=rf"$\eta L = {s:g}$")
        left.axhline(0, color="0.6", linewidth=0.8)
        left.set(xlabel="step", ylabel="$w_0$", ylim=(-2, 2), title=f"a parabola of curvature {curvature:g}")
        headroom(left)
        left.legend(fontsize="small", ncols=2, loc="upper center")
        r = np.linspace(0, 2.4, 200)
        middle.plot(r, 1 - r, label="factor of one step")
        middle.plot(r, np.abs(1 - r), "--", label="its size")
        for low, high, colour, name in ((0, 1, "#3b8f4e", "creeps"), (1, 2, "#d9a400", "jumps across, shrinks"),
                                        (2, 2.4, "#b02a3a", "grows")):  # fmt: skip
            middle.axvspan(low, high, color=colour, alpha=0.15, label=name)
        middle.set(xlabel=r"$\eta \lambda$", ylim=(-1.6, 1.6), ylabel="factor")
        middle.legend(fontsize="small", loc="lower left")
        for (ratio, values), dash in zip(curves.items(), ("-", "--", "-.", ":"), strict=True):
            right.semilogy(np.maximum(values - lowest, 1e-12), dash, label=rf"$\eta = {ratio:g}/L$")
        right.set(xlabel="step", ylabel="loss above the minimum", title="logistic regression")
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left and middle: between $1/L$ and $2/L$ each step crosses the minimum. Right: where the curvature is lower at the minimum, "
            r"rates beyond $2/L$ converge, too.",
            r"左、中：$1/L$ 与 $2/L$ 之间，每一步都越过极小值点。右：若极小值处曲率较小，大于 $2/L$ 的学习率也能收敛。",
        ),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip


def needed(high: float, rates: Any, most: int) -> np.ndarray:
    """Steps of gradient descent on diag(high, 1) from (1, 1) to a millionth of the distance, for each rate; NaN if more."""
    etas = np.atleast_1d(np.asarray(rates, float))
    each = mt.tensor(np.array([high, 1.0]))
    walks = follow(
        lambda p: mt.optim.Preconditioned(p, 1.0, np.repeat(etas, 2)),
        lambda p: 0.5 * (each * p * p).sum(), np.ones((len(etas), 2)), most,
    )  # fmt: skip
    size = np.linalg.norm(walks, axis=-1)
    found = np.array([first_within(column / column[0], 1e-6) for column in size.T], float)
    return np.where(found < 0, np.nan, found)


def factors(high: float, rates: Any) -> np.ndarray:
    """By how much one step multiplies the distance at worst: from (1, 1), each coordinate is an axis of diag(high, 1)."""
    etas = np.atleast_1d(np.asarray(rates, float))
    ones = np.ones((len(etas), 2))
    step = analysis.gd_map(analysis.problems.quadratic([high, 1.0]), etas[:, None], ones[0])
    return np.abs(step(ones)).max(1)  # type: ignore[no-any-return]


@item(
    "step-one-over-l-is-fastest",
    kind="theorem",
    source="Chapter 4, section 4.2.3, the paragraph on $\\eta < 2/L$",
    title=("Is 1/L the fastest rate?", "1/L 是最快的学习率吗"),
    statement=(
        r"The learning rate $\eta = 1/L$ is said to give the fastest convergence.",
        r"书中说，学习率 $\eta = 1/L$ 时收敛最快。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"On a quadratic the fastest rate is $\eta = 2/(L + \mu)$, with the factor $(\kappa - 1)/(\kappa + 1)$ a step instead of $1 - 1/\kappa$: "
        r"for $\kappa = 10$ it takes 69 steps, $1/L$ takes 128. $1/L$ maximises what the descent lemma guarantees for one step, "
        r"$\eta(1 - \eta L/2)\|g\|^2$: it is the choice when $\mu$ is not known.",
        r"二次函数上最快的是 $\eta = 2/(L + \mu)$，每步因子为 $(\kappa - 1)/(\kappa + 1)$，而 $1/L$ 的因子为 $1 - 1/\kappa$："
        r"$\kappa = 10$ 时前者 69 步，后者 128 步。$1/L$ 使下降引理保证的单步下降量 $\eta(1 - \eta L/2)\|g\|^2$ 最大，"
        r"适合不知道 $\mu$ 的情形。",
    ),
    ranges={"kappa": (1.5, 100.0)},
)
def fastest(run: Run, kappa: float = 10.0, form: str = "right") -> None:
    def claimed(high: float) -> float:
        return 1 / high if form == "printed" else analysis.optimal_rate(1.0, high)[0]

    rates = (0.05, 0.1, 2 / 11, 0.19, 0.199)
    for rate, steps, known in zip(rates, needed(10.0, rates, 1400), (263, 128, 69, 128, 1341), strict=True):
        run.claim(
            (rf"$\kappa = 10$, $\eta = {rate:.4g}$: steps", rf"$\kappa = 10$，$\eta = {rate:.4g}$：步数"),
            steps,
            equals=known,
        )
    for high, grid in ((10.0, np.linspace(0.02, 0.199, 180)), (100.0, np.linspace(0.002, 0.0199, 180))):
        least = factors(high, grid).min()
        run.claim(
            (rf"$\kappa = {high:g}$: factor of a step with the fastest rate, over the smallest of 180 rates",
             rf"$\kappa = {high:g}$：取最快学习率时的每步因子与 180 个学习率中最小因子之比"),
            factors(high, claimed(high))[0] / least, at_most=1 + 1e-12,
        )  # fmt: skip
        run.claim(
            (rf"$\kappa = {high:g}$: its steps from (1, 1), over the fewest of the 180",
             rf"$\kappa = {high:g}$：它从 (1, 1) 出发的步数与 180 个学习率中最少步数之比"),
            needed(high, claimed(high), 1400)[0] / np.nanmin(needed(high, grid, 1400)), at_most=1.05,
        )  # fmt: skip
    for name, each, value in ((r"$1/L$", 0.1, 0.9), (r"$2/(L + \mu)$", 2 / 11, 9 / 11)):
        run.claim(
            (rf"$\kappa = 10$: factor of a step with {name}", rf"$\kappa = 10$：{name} 的每步因子"), factors(10.0, each)[0],
            equals=value, within=1e-12,
        )  # fmt: skip
    for name, rate, known in ((r"$1/L$", 1 / 100, 1375), (r"$2/(L + \mu)$", 2 / 101, 691)):
        run.claim(
            (rf"$\kappa = 100$, {name}: steps to $10^{{-6}}$ by the measured factor", rf"$\kappa = 100$，{name}：由实测因子推算的、到 $10^{{-6}}$ 的步数"),
            math.ceil(math.log(1e-6) / math.log(factors(100.0, rate)[0])), equals=known,
        )  # fmt: skip
    grid = np.linspace(0.1, 1.99, 120) / kappa
    curve = needed(kappa, grid, 1400)
    best = analysis.optimal_rate(1.0, kappa)[0]

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.semilogy(grid * kappa, curve, ".-", markersize=3, label="measured")
        middle.plot(grid * kappa, np.abs(1 - grid), "--", label=r"$|1 - \eta\mu|$")
        middle.plot(grid * kappa, np.abs(1 - grid * kappa), ":", label=r"$|1 - \eta L|$")
        middle.plot(grid * kappa, np.maximum(np.abs(1 - grid), np.abs(1 - grid * kappa)), color="0.6", linewidth=4, alpha=0.5,
                    label="the larger: factor of a step")  # fmt: skip
        middle.set_ylim(0, 1.75)
        share = np.linspace(0, 2.1, 100)
        right.plot(share, share * (1 - share / 2), label=r"$\eta L (1 - \eta L / 2)$")
        right.axhline(0, color="0.6", linewidth=0.8)
        for ax in (left, middle, right):
            ax.axvline(1, color="C3", linestyle="--", linewidth=1, label="$1/L$")
            ax.axvline(best * kappa, color="C2", linestyle="-.", linewidth=1, label=r"$2/(L + \mu)$")
            ax.set_xlabel(r"$\eta L$")
            ax.legend(fontsize="small", loc="upper center" if ax is middle else "best")
        left.set(ylabel="steps to a millionth of the distance", title=rf"$\kappa = {kappa:g}$")
        middle.set(ylabel="factor", title="contraction")
        right.set(ylabel=r"guaranteed decrease, in units of $\|g\|^2 / L$", title="one step, descent lemma")

    run.figure(
        (
            r"Left and middle: $2/(L + \mu)$ is the fastest. Right: what $1/L$ is best at, the decrease guaranteed for one step.",
            r"左、中：最快的是 $2/(L + \mu)$。右：$1/L$ 使单步保证的下降量最大。",
        ),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
