"""Where descent of the Gabor loss begins decides where it ends (section 6.1.3 and 6.2): random starts, many, all."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run
from .gabor import (
    GLOBAL,
    WINDOW,
    descend,
    landscape,
    objective,
    path,
    refined,
    searched,
    searched_together,
    window_starts,
)

SHARE = 0.243  # of the starts in the window that reach the global minimum


def reached(ends: np.ndarray) -> np.ndarray:
    """Which ends (runs, 2) are at the global minimum."""
    return objective().values(ends) < GLOBAL


@item(
    "gabor-random-starts",
    kind="experiment",
    source="Chapter 6, section 6.1.3",
    title=("Gradient descent from random starts", "从随机起点出发的梯度下降"),
    statement=(
        "From a random start gradient descent is not sure to find the global minimum: it mostly stops in a local one, and one can't tell whether "
        "there is a better one.",
        "从随机起点出发，梯度下降未必到达全局最小值：它多半停在局部极小值，而我们无法得知是否有更好的。",
    ),
    verdict="holds",
    ranges={"alpha": (0.005, 0.25), "starts": (50, 2000), "steps": (100, 3000)},
    random=True,
)
def random_starts(run: Run, alpha: float = 0.1, starts: int = 1000, steps: int = 3000) -> None:
    begin = window_starts(run.rng, 1000)
    ends = descend(begin, 0.1, 3000)
    run.claim((r"$\alpha = 0.1$: share that finds the global minimum", r"$\alpha = 0.1$：到达全局最小值的比例"), float(reached(ends).mean()),
              between=(0.20, 0.30))  # fmt: skip
    quiet = np.linalg.norm(objective().gradients(ends), axis=1) < 1e-3
    run.claim(
        (r"share that ends with $\|g\| < 10^{-3}$", r"结束时 $\|g\| < 10^{-3}$ 的比例"),
        float(quiet.mean()),
        at_least=0.95,
    )
    fewer = begin[:200]
    for rate, count in ((0.02, 1200), (0.05, 600), (0.15, 600)):
        run.claim((rf"$\alpha = {rate}$: share", rf"$\alpha = {rate}$：比例"), float(reached(descend(fewer, rate, count)).mean()),
                  between=(0.13, 0.36))  # fmt: skip
    lowest = refined((0.0, 16.0))
    run.claim(
        (r"$2/L$ at the global minimum", r"全局最小值处的 $2/L$"),
        2 / lowest.eigenvalues[-1],
        equals=0.1765,
        within=5e-5,
    )
    fast = descend(fewer, 0.2, 600)
    run.claim(
        (r"$\alpha = 0.2$, above it: share", r"$\alpha = 0.2$，大于该值：比例"), float(reached(fast).mean()), equals=0
    )
    twice = descend(fast, 0.2, 2)
    cycling = (np.abs(twice - fast).max(1) < 1e-6) & (np.abs(descend(fast, 0.2, 1) - fast).max(1) > 1e-3)
    run.claim(
        ("share that ends in a cycle of two points", "落入两步循环的比例"), float(cycling.mean()), between=(0.12, 0.42)
    )
    best = searched_together(fewer, 25)
    run.claim(("with bracketing line search on $[0, 2]$: share", "在 $[0, 2]$ 上夹逼线搜索：比例"), float(reached(descend(best, 0.1, 250)).mean()),
              between=(0.07, 0.27))  # fmt: skip
    single = searched(fewer[0], 8).end
    run.claim(("many searches at once against the optimizer's own: distance after 8 steps", "并行搜索与优化器逐个搜索：8 步后之差"),
              np.abs(searched_together(fewer[:4], 8, rounds=36)[0] - single).max(), at_most=1e-4)  # fmt: skip
    if (alpha, starts, steps) != (0.1, 1000, 3000):
        begin = window_starts(run.rng, starts)
        ends = descend(begin, alpha, steps)

    def draw(left: Any, right: Any) -> None:
        losses = np.nan_to_num(objective().values(ends), nan=25.0)
        landscape().plot(left, levels=10)
        good = losses < GLOBAL
        left.plot(*begin[~good].T, ".", color="#ff8c7a", markersize=2.5, label="ends elsewhere")
        left.plot(
            *begin[good].T,
            ".",
            color="white",
            markersize=4,
            label=f"finds the global minimum: {100 * good.mean():.1f} %",
        )
        left.legend(
            fontsize="small", loc="upper right", facecolor="#555b63", labelcolor="white", framealpha=1, markerscale=2
        )
        right.hist(losses, bins=np.linspace(0, 12, 61), color="#1f5fa8")
        right.axvline(lowest.value, color="C3", linestyle="--", label=f"global minimum, {lowest.value:.4f}")
        right.set(
            xlabel="loss at the end", ylabel="runs", title=rf"$\alpha = {alpha:g}$, {len(ends)} starts, {steps} steps"
        )
        right.legend(fontsize="small")

    run.figure(("The starts that lead to the global minimum, and the losses at the ends", "能到达全局最小值的起点，以及各次运行的最终损失"),
               draw, (1, 2), (9.6, 4.4))  # fmt: skip


@item(
    "exhaustive-grid-search",
    kind="algorithm",
    source="Chapter 6, section 6.2, first remedy",
    title=("Trying every parameter", "穷举搜索"),
    statement=(
        "With two parameters the global minimum can be found by searching the whole space; with millions of parameters that is hopeless.",
        "只有两个参数时，可以穷举整个参数空间来找全局最小值；参数以百万计时则行不通。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It finds the best grid point. The minimum between the points may be lower by up to $\frac{1}{2} \lambda_{\max}\, h^2 / 2$ for two "
        "parameters and a spacing $h$: 0.028 for $h = 0.1$.",
        r"它找到的是最好的网格点。真正的最小值在网格点之间，对两个参数、间距 $h$，还可能低至多 $\frac{1}{2} \lambda_{\max}\, h^2 / 2$："
        "$h = 0.1$ 时为 0.028。",
    ),
    ranges={"spacing": (0.05, 2.0)},
)
def grid_search(run: Run, spacing: float = 0.5) -> None:
    loss, lowest = objective(), refined((0.0, 16.0))

    def levels(h: float) -> list[Any]:
        return [np.arange(round((high - low) / h) + 1) * h + low for low, high in WINDOW]

    rows, top = [], float(lowest.eigenvalues[-1])
    for h, count, excess, digits in ((1.0, 441, 2.3e-2, 5e-4), (0.5, 1681, 1.7e-4, 5e-6), (0.25, 6561, 1.7e-4, 5e-6), (0.1, 40401, 1.7e-4, 5e-6),
                                     (0.05, 160801, 1.3e-4, 5e-6)):  # fmt: skip
        found = mt.optim.exhaustive(loss.values, levels(h))
        run.claim((f"spacing {h}: evaluations", f"间距 {h}：计算次数"), found.evaluations, equals=count)
        run.claim(
            (f"spacing {h}: above the true minimum by", f"间距 {h}：高出真正的最小值"),
            found.loss - lowest.value,
            equals=excess,
            within=digits,
        )
        rows.append((h, count, found.loss - lowest.value, 0.5 * top * h * h / 2))
    run.claim((r"the bound for spacing 0.1", r"间距 0.1 的上界"), rows[3][3], equals=0.028, within=5e-4)
    run.claim(
        ("largest share of its bound that is used", "实际误差与上界之比的最大值"),
        max(row[2] / row[3] for row in rows),
        at_most=1,
    )
    run.claim(
        (r"candidates of 20 parameters at 3 levels", r"20 个参数、每个 3 级：候选数"),
        float(3**20),
        equals=3.5e9,
        relative=0.01,
    )
    try:
        mt.optim.exhaustive(loss.values, [[-1.0, 0.0, 1.0]] * 20)
        refused = False
    except mt.errors.ArgumentError:
        refused = True
    run.claim(("the library refuses to begin", "库拒绝执行"), refused)
    run.claim((r"a million parameters at 2 levels: $\log_{10}$ of the candidates", r"百万个参数、每个 2 级：候选数的 $\log_{10}$"),
              1e6 * np.log10(2), equals=301030, within=0.5)  # fmt: skip
    run.table(("Grids", "网格"), ("spacing", "evaluations", "excess loss", "bound"), rows)
    own = mt.optim.exhaustive(loss.values, levels(spacing))

    def draw(left: Any, right: Any) -> None:
        landscape().plot(left, levels=10)
        a, b = np.meshgrid(*levels(max(spacing, 0.25)))
        left.plot(a.ravel(), b.ravel(), ".", color="white", markersize=1.5)
        left.plot(
            *own.best,
            "*",
            color="#e4572e",
            markersize=13,
            markeredgecolor="white",
            label=f"best of {own.evaluations}: {own.loss:.5f}",
        )
        left.legend(fontsize="small", loc="upper right", facecolor="#555b63", labelcolor="white")
        table = np.array(rows)
        right.loglog(table[:, 1], table[:, 2], "o-", label="above the minimum")
        right.loglog(table[:, 1], table[:, 3], "k:", label="bound")
        right.set(xlabel="evaluations", ylabel="loss above the minimum")
        right.legend(fontsize="small")

    run.figure(("The grid, and what more points buy", "网格，以及更密的网格带来的改进"), draw, (1, 2), (9.6, 4.4))


@item(
    "multi-start-descent",
    kind="algorithm",
    source="Chapter 6, section 6.2, second remedy",
    title=("Many starts, the best result", "多次起步，取其最好"),
    statement=(
        "The other remedy: repeat gradient descent from many starts and keep the lowest loss.",
        "另一种办法：从许多起点重复梯度下降，保留损失最低的结果。",
    ),
    verdict="holds",
    ranges={"restarts": (1, 40), "steps": (50, 1000)},
    random=True,
)
def multi_start(run: Run, restarts: int = 12, steps: int = 400) -> None:
    needed = float(np.log(0.05) / np.log(1 - SHARE))
    run.claim(
        (r"restarts for 95 %, $\ln 0.05 / \ln 0.757$", r"达到 95% 所需的起点数 $\ln 0.05 / \ln 0.757$"),
        needed,
        equals=10.8,
        within=0.06,
    )
    hits = reached(descend(window_starts(run.rng, 2400), 0.1, 400))
    run.claim(("share of single runs that find it", "单次运行成功的比例"), float(hits.mean()), between=(0.20, 0.29))
    found = hits.reshape(200, 12).any(1)
    run.claim(("12 restarts, 200 trials: share with a loss below 0.66", "12 个起点，200 次试验：损失低于 0.66 的比例"), float(found.mean()),
              between=(0.88, 1.0))  # fmt: skip
    if (restarts, steps) != (12, 400):
        hits = reached(descend(window_starts(run.rng, 60 * restarts), 0.1, steps))
    share = float(hits.mean())
    counts = np.arange(1, max(24, restarts) + 1)
    whole = [len(hits) // k * k for k in counts]
    shares = [hits[:n].reshape(-1, k).any(1).mean() for n, k in zip(whole, counts, strict=True)]
    example = window_starts(run.rng, restarts)
    paths = [path(start, 0.1, 80).points for start in example[:12]]

    def draw(left: Any, right: Any) -> None:
        found = landscape()
        left.contourf(found.x, found.y, found.values, 30, cmap="viridis")
        for points in paths:
            good = bool(reached(descend(points[-1:], 0.1, 300))[0])
            left.plot(*points.T, color="white" if good else "#ff8c7a", linewidth=1.2)
            left.plot(*points[0], "o", color="white" if good else "#ff8c7a", markersize=5, markeredgecolor="black")
        left.set(
            xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=WINDOW[0], ylim=WINDOW[1], title="white: to the global minimum"
        )
        right.plot(counts, shares, "o", markersize=4, label="measured")
        right.plot(counts, 1 - (1 - share) ** counts, "k:", label=f"$1 - (1 - {share:.3f})^n$")
        right.axhline(0.95, color="0.6", linewidth=0.8)
        right.axvline(restarts, color="C3", linestyle="--", linewidth=0.9, label=f"{restarts} restarts")
        right.set(xlabel="restarts n", ylabel="share of trials that find it", ylim=(0, 1.03))
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        ("A dozen runs, and how often some run of n is lucky", "十余次运行，以及 n 次中至少一次成功的比例"),
        draw,
        (1, 2),
        (9.6, 4.4),
    )


@item(
    "gd-result-determined-by-start",
    kind="theorem",
    source="Chapter 6, section 6.2",
    title=("The start decides the end", "起点决定终点"),
    statement=(
        "Where gradient descent ends is entirely decided by where it begins.",
        "梯度下降的最终结果完全由起点决定。",
    ),
    verdict="holds with a condition",
    correction=(
        r"For a given rate, or rule for the rate: from (3.1, 9.9) it ends at the loss 5.511 with $\alpha = 0.05$, and at 9.961 with a line search.",
        r"前提是学习率（或其规则）已定：从 (3.1, 9.9) 出发，$\alpha = 0.05$ 时终点损失为 5.511，用线搜索则为 9.961。",
    ),
    ranges={"alpha": (0.01, 0.17), "resolution": (20, 60)},
    random=True,
)
def determined(run: Run, alpha: float = 0.1, resolution: int = 40) -> None:
    start = (3.1, 9.9)
    run.claim(("two runs from one start are the same bit by bit", "同一起点的两次运行逐位相同"),
              bool((path(start, 0.05, 200).points == path(start, 0.05, 200).points).all()))  # fmt: skip
    run.claim((r"from (3.1, 9.9), $\alpha = 0.05$: loss", r"从 (3.1, 9.9) 出发，$\alpha = 0.05$：损失"), path(start, 0.05, 600).losses[-1],
              equals=5.511, within=5e-4)  # fmt: skip
    run.claim(("the same with a line search", "改用线搜索"), searched(start, 60).losses[-1], equals=9.961, within=5e-4)
    ends = descend(window_starts(run.rng, 1000), 0.1, 800)
    found = [point for point in analysis.critical_points(objective(), ends, step_cap=0.5) if point.kind == "minimum"]
    run.claim(("1000 random starts: different ends", "1000 个随机起点：不同终点的个数"), len(found), between=(17, 26))
    inside = [
        point for point in found if all(low <= x <= high for x, (low, high) in zip(point.point, WINDOW, strict=True))
    ]
    run.claim(("of them in the window", "其中位于窗口内"), len(inside), equals=8)
    own = analysis.basins(objective(), *WINDOW, lr=alpha, steps=300, resolution=resolution)

    def draw(left: Any, right: Any) -> None:
        own.plot(left)
        left.set(xlabel=r"$\phi_0$ at the start", ylabel=r"$\phi_1$ at the start", title=rf"$\alpha = {alpha:g}$")
        surface = landscape()
        right.contourf(surface.x, surface.y, surface.values, 30, cmap="viridis")
        for points, colour, name in ((path(start, 0.05, 600).points, "white", r"$\alpha = 0.05$: 5.511"),
                                     (searched(start, 60).points, "#ffd23f", "line search: 9.961")):  # fmt: skip
            right.plot(*points.T, ".-", color=colour, markersize=4, label=name)
            right.plot(*points[-1], "*", color=colour, markersize=12, markeredgecolor="black")
        right.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=WINDOW[0], ylim=WINDOW[1], title="one start, two rules")
        right.legend(fontsize="small", loc="upper left", facecolor="#555b63", labelcolor="white")

    run.figure(("Each start in the colour of its end; and one start with two rules for the rate", "按终点给起点着色；同一起点、两种步长规则"),
               draw, (1, 2), (9.6, 5.6))  # fmt: skip
