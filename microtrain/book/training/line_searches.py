"""Line search: why, how bracketing works, and where it fails (the chapter's notes, Figure 6.10)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...optim.line_search import bracketing
from ...viz import plots
from ..entry import item
from ..run import Run
from .gabor_runs import full_loss
from .hessians import line_loss

START = (-2.1, 20.0)


def two_dips(p: Any) -> Any:
    """1 - 0.5 exp(-(p - 0.65)^2 / 0.1) - 0.45 exp(-(p - 0.35)^2 / 0.02), of a tensor."""
    return 1 - 0.5 * (-((p - 0.65) ** 2) / 0.1).exp() - 0.45 * (-((p - 0.35) ** 2) / 0.02).exp()


def hidden_dip(p: Any) -> Any:
    """A deep narrow minimum at 0.52 and a shallow wide one at 0.2, of a tensor."""
    return -(-((p - 0.52) ** 2) / 0.001).exp() - 0.5 * (-((p - 0.2) ** 2) / 0.02).exp()


def number(loss: Any) -> Any:
    """A loss of a tensor as a function of a number."""
    return lambda p: loss(mt.tensor(float(p))).item()


def lowest(loss: Any, near: float) -> float:
    """The minimum near a place, by Newton's method."""
    points = mt.analysis.critical_points(lambda p: loss(p).sum(), np.linspace(near - 0.02, near + 0.02, 5)[:, None])
    return float(points[0].point[0])


@item(
    "line-search-motivation",
    kind="guidance",
    source="Chapter 6, notes, line search",
    title=("Why search along the line", "为什么要线搜索"),
    statement=(
        "A fixed rate goes far where the function changes fast, where care would be due, and little where it changes slowly. So "
        "gradient descent is combined with a search along the descent direction.",
        "学习率固定时，函数变化快处走得远，而那里本应谨慎；变化慢处走得少。因此把梯度下降与沿下降方向的线搜索结合起来。",
    ),
    verdict="holds",
    ranges={"alpha": (0.01, 0.17), "reach": (0.1, 5.0)},
)
def motivation(run: Run, alpha: float = 0.1, reach: float = 2.0) -> None:
    loss, rows = full_loss(), []

    def descent(rate: float, steps: int) -> Any:
        return mt.analysis.trace(lambda p: mt.optim.GradientDescent(p, lr=rate), loss, start=START, steps=steps)

    for rate, expected in ((0.05, 910), (0.1, 455), (0.15, 304)):
        count = int(np.argmax(descent(rate, expected + 10).gradient_norms < 1e-4))
        run.claim(
            (
                rf"fixed rate {rate}: steps to a gradient of $10^{{-4}}$",
                rf"固定学习率 {rate}：梯度范数降到 $10^{{-4}}$ 的步数",
            ),
            count,
            equals=expected,
        )
        rows.append((f"fixed rate {rate}", count, count))
    evaluations: list[int] = []

    def searching(longest: float) -> Any:
        loss.flat.write(np.array(START))
        optimizer: Any = mt.optim.LineSearchGD(loss.params, search="bracket", lr=longest)
        points, evaluated = [loss.theta], []
        for _ in range(300):
            optimizer.step(loss.closure)
            points.append(loss.theta)
            evaluated.append(optimizer.search.n_evals)
            if np.linalg.norm(loss.gradient()) < 1e-4:
                break
        return np.array(points), evaluated

    points, evaluations = searching(2.0)
    run.claim(
        (r"bracketing on $[0, 2]$: steps to the same gradient", r"$[0, 2]$ 上的夹逼法：达到同样梯度的步数"),
        len(evaluations),
        equals=83,
    )
    run.claim(
        ("bracketing: loss evaluations of a step, mean", "夹逼法：每步平均的损失计算次数"),
        np.mean(evaluations),
        between=(20, 90),
    )
    rows.append(("bracketing on [0, 2]", len(evaluations), int(np.sum(evaluations)) + len(evaluations)))
    run.table(
        ("To a gradient of 1e-4 from (-2.1, 20)", "从 (-2.1, 20) 到梯度范数 1e-4"),
        ("method", "steps", "passes through the model"),
        rows,
    )
    fixed = descent(alpha, 100)
    shown = points if reach == 2.0 else searching(reach)[0]

    def draw(left: Any, right: Any) -> None:
        background = mt.analysis.landscape(loss, x=(-4, 4), y=(12, 24), resolution=60)
        plots.landscape(background, left, paths={f"fixed rate {alpha:g}": fixed.points, "line search": shown})
        left.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$")
        for path, name, style in ((fixed.points, f"fixed rate {alpha:g}", "-"), (shown, "line search", "o--")):
            lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
            right.semilogy(lengths[:100], style, markersize=3, label=name)
        right.set(xlabel="step", ylabel="length of the step")
        right.legend(fontsize="small")

    run.figure(
        ("Left: both paths on the Gabor loss. Right: how far each step goes.", "左：Gabor 损失上的两条路径。右：每一步的长度。"),
        draw, (1, 2), (9.6, 4.3),
    )  # fmt: skip


@item(
    "bracketing-line-search",
    kind="line-search",
    source="Chapter 6, notes, line search by bracketing, Figure 6.10",
    title=("Bracketing", "夹逼法"),
    statement=(
        "On the interval $[a, d]$, with $a$ the present place, evaluate two points $b < c$. If $L(b) > L(c)$ drop $[a, b]$, "
        "else drop $[c, d]$; repeat until the minimum is pinned down.",
        "设 $a$ 为当前位置，在区间 $[a, d]$ 内取两点 $b < c$ 求损失。若 $L(b) > L(c)$，舍去 $[a, b]$，否则舍去 $[c, d]$；"
        "如此重复，直到夹住最小值点。",
    ),
    verdict="holds with a condition",
    correction=(
        "Guaranteed only if the loss along the line first falls and then rises. Of several minima the method may miss the "
        "lowest, and one outside the interval it can't reach.",
        "只有当损失沿直线先降后升时才有保证。有多个极小值时，可能错过最低的；区间之外的最小值也到不了。",
    ),
    ranges={"tol": (1e-8, 0.1), "high": (0.1, 2.0)},
    random=True,
)
def bracketing_search(run: Run, tol: float = 1e-4, high: float = 1.0) -> None:
    found, best = bracketing(number(two_dips), 0, 1, 1e-4), lowest(two_dips, 0.38)
    run.claim(("two dips: step", "两个凹陷：步长"), found.step, equals=0.38031, within=5e-6)
    run.claim(("two dips: value", "两个凹陷：函数值"), found.value, equals=0.328604, within=5e-7)
    run.claim(("two dips: rounds", "两个凹陷：轮数"), len(found.brackets), equals=23)
    run.claim(("two dips: the true minimiser", "两个凹陷：真正的最小值点"), best, equals=0.380322, within=5e-7)
    run.claim(
        (r"rounds to a width of $10^{-6}$: $\ln 10^6/\ln 1.5 = 34.07$, rounded up", r"宽度降到 $10^{-6}$ 的轮数：$\ln 10^6/\ln 1.5 = 34.07$ 向上取整"),
        len(bracketing(number(two_dips), 0, 1, 1e-6).brackets), equals=35,
    )  # fmt: skip
    centers, left, right = run.rng.uniform(0, 1, 500), run.rng.uniform(1, 3, 500), run.rng.uniform(1, 3, 500)
    errors = []
    for c, p, q in zip(centers, left, right, strict=True):

        def valley(s: float, c: float = c, p: float = p, q: float = q) -> float:
            return (c - s) ** p if s < c else (s - c) ** q  # type: ignore[no-any-return]

        errors.append(abs(bracketing(valley).step - c))
    run.claim(
        ("500 random functions that fall and then rise: largest error", "500 个先降后升的随机函数：最大误差"),
        np.max(errors),
        at_most=2e-6,
    )
    wrong, deep = bracketing(number(hidden_dip), 0, 1), lowest(hidden_dip, 0.52)
    run.claim(("not unimodal: where it ends", "非单峰：终点"), wrong.step, equals=0.2, within=1e-3)
    run.claim(("not unimodal: the value there", "非单峰：终点处的函数值"), wrong.value, equals=-0.5, within=5e-3)
    run.claim(
        ("not unimodal: the lowest place, which it misses", "非单峰：错过的最低点"), deep, equals=0.51995, within=5e-6
    )
    run.claim(
        ("not unimodal: the value there, which it misses", "非单峰：错过的最低值"),
        number(hidden_dip)(deep),
        equals=-1.003,
        within=5e-4,
    )
    second = {}
    for search in ("bracket", "exact"):
        line = line_loss()
        line.flat.write(np.array([1.72, -0.75]))
        optimizer: Any = mt.optim.LineSearchGD(line.params, search=search, lr=0.1)
        for _ in range(2):
            optimizer.step(line.closure)
        second[search] = optimizer.search.step
    run.claim(
        (
            "Figure 6.1 from (1.72, -0.75), second step, on [0, 0.1]",
            "图 6.1 从 (1.72, -0.75) 出发的第二步，区间 [0, 0.1]",
        ),
        second["bracket"],
        equals=0.1,
        within=1e-5,
    )
    run.claim(("the same step, exact", "同一步的精确步长"), second["exact"], equals=0.118, within=5e-4)
    shown = {
        "two dips": (two_dips, bracketing(number(two_dips), 0, high, tol)),
        "a narrow minimum": (hidden_dip, bracketing(number(hidden_dip), 0, high, tol)),
    }

    def draw(*axes: Any) -> None:
        for ax, (name, (loss, record)) in zip(axes, shown.items(), strict=True):
            plots.line_search(record, number(loss), ax, rounds=10)
            ax.set_title(name)
            ax.legend(fontsize="small", loc="upper right")

    run.figure(
        ("Left: the minimum is bracketed. Right: the narrow minimum at 0.52 is missed. Below the curves the brackets.",
         "左：夹住最小值点。右：错过 0.52 处的狭窄极小值。曲线下方为各轮区间。"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "figure-6-10",
    kind="figure",
    source="Chapter 6, Figure 6.10",
    title=("Figure 6.10: line search by bracketing", "图 6.10：夹逼法线搜索"),
    statement=(
        "The loss along a line with the interval $[a, d]$ shaded and two points inside. a) $L(b) > L(c)$: drop $[a, b]$. b) Now "
        "$L(b) < L(c)$: drop $[c, d]$. c) And so on, until the minimum is bracketed closely.",
        "沿直线的损失，区间 $[a, d]$ 加阴影，内有两点。a) $L(b) > L(c)$：舍去 $[a, b]$。b) 此时 $L(b) < L(c)$：舍去 $[c, d]$。"
        "c) 如此重复，直到紧紧夹住最小值点。",
    ),
    verdict="holds",
    ranges={"first": (0, 20)},
)
def figure_6_10(run: Run, first: int = 1) -> None:
    record, best = bracketing(number(two_dips), 0, 1, 1e-6), lowest(two_dips, 0.38)
    brackets = np.array(record.brackets)
    widths = brackets[:, 3] - brackets[:, 0]
    for k, name in ((0, "1"), (1, "2/3"), (2, "4/9"), (3, "8/27")):
        run.claim(
            (f"width of bracket {k + 1}: {name}", f"第 {k + 1} 个区间的宽度：{name}"),
            widths[k],
            equals=(2 / 3) ** k,
            within=1e-12,
        )
    run.claim(
        ("widths over the powers of 2/3: largest deviation from 1", "宽度与 2/3 的幂之比：与 1 的最大偏差"),
        np.abs(widths / (2 / 3) ** np.arange(len(widths)) - 1).max(),
        at_most=1e-8,
    )
    run.claim(
        ("every bracket contains the minimiser 0.380322", "每个区间都包含最小值点 0.380322"),
        bool(((brackets[:, 0] <= best) & (best <= brackets[:, 3])).all()),
    )
    dropped = ["cd" if brackets[k + 1, 0] == brackets[k, 0] else "ab" for k in range(3)]
    run.claim(
        ("rounds 2 and 3 drop $[a, b]$, then $[c, d]$, like the book's figure", "第 2、3 轮先舍去 $[a, b]$，再舍去 $[c, d]$，与书中的图相同"),
        dropped[1:] == ["ab", "cd"],
    )  # fmt: skip
    run.note(
        "On this function the first round drops $[c, d]$; the picture begins with the second.",
        "在这个函数上，第 1 轮舍去 $[c, d]$；图从第 2 轮画起。",
    )
    start = min(first, len(brackets) - 3)

    def draw(*axes: Any) -> None:
        grid = np.linspace(0, 1, 300)
        heights = [number(two_dips)(p) for p in grid]
        for k, ax in enumerate(axes):
            a, b, c, d = brackets[start + k]
            ax.plot(grid, heights, color="0.3", linewidth=1.3, label="loss along the line")
            ax.axvspan(a, d, color="0.85", label="$[a, d]$")
            for name, p in zip("abcd", (a, b, c, d), strict=True):
                value = number(two_dips)(p)
                ax.plot([p], [value], "o", color="#d1600f" if name == "a" else "#1f5fa8", markersize=6)
                ax.annotate(name, (p, value), (0, 8), textcoords="offset points", ha="center", fontsize=11)
            sign = ">" if number(two_dips)(b) > number(two_dips)(c) else "<"
            drop = "[a, b]" if sign == ">" else "[c, d]"
            ax.set(
                title=f"{'abc'[k]}) round {start + k + 1}, $L[b] {sign} L[c]$: drop ${drop}$",
                xlabel="distance along the line",
                ylabel="loss",
                ylim=(0.15, 1.1),
            )
            ax.legend(fontsize="small", loc="lower right")

    run.figure(("Three rounds of bracketing", "夹逼法的三轮"), draw, (1, 3), (9.6, 3.8))
    rounds = min(12, len(brackets))

    def closing(ax: Any) -> Any:
        grid = np.linspace(0, 1, 300)
        ax.plot(grid, [number(two_dips)(p) for p in grid], color="0.3", linewidth=1.3, label="loss along the line")
        shade = ax.bar([0.5], [2], [1.0], color="0.85", label="$[a, d]$", zorder=0)[0]
        heights = [[number(two_dips)(p) for p in bracket] for bracket in brackets[:rounds]]
        (dots,) = ax.plot([], [], "o", color="#1f5fa8", markersize=7)
        names = [ax.text(0, 0, name, ha="center", va="bottom", fontsize=11) for name in "abcd"]
        title = ax.text(0.5, 1.13, "", ha="center", fontsize=11)
        ax.set(xlabel="distance along the line", ylabel="loss", ylim=(0.25, 1.2), xlim=(-0.02, 1.02))
        ax.legend(fontsize="small", loc="lower right")

        def show(k: int) -> None:
            a, d = brackets[k][[0, 3]]
            shade.set_x(a)
            shade.set_width(d - a)
            dots.set_data(brackets[k], heights[k])
            for name, p, height in zip(names, brackets[k], heights[k], strict=True):
                name.set_position((p, height + 0.02))
                name.set_alpha(1.0 if d - a > 0.06 else 0.0)
            drop, sign = ("[a, b]", ">") if heights[k][1] > heights[k][2] else ("[c, d]", "<")
            title.set_text(f"round {k + 1}: $L[b] {sign} L[c]$, drop ${drop}$; width {d - a:.3f}")

        return show

    run.figure(
        (f"The interval closes in: {rounds} rounds", f"区间逐轮收紧：{rounds} 轮"),
        closing, size=(7.5, 4.2), frames=rounds, seconds=12,
    )  # fmt: skip
