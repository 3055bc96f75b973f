"""SGD on the Gabor loss (Figure 6.5): out of the wrong valley, out of a local minimum, away from a saddle."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..moving import grow, together
from ..run import Run
from .gabor import GLOBAL, WINDOW, X, Y, descend, each_loss, landscape, many, objective, path, refined, searched, sgd

WRONG = (3.0, 10.0)  # start 2 of the figure
LOCAL = (6.308, 13.516)
SADDLE = (-2.8525, 9.0380)


def losses_after(ends: np.ndarray) -> np.ndarray:
    """The losses at the minima whose basins these points (runs, 2) are in: gradient descent goes on from them."""
    return objective().values(descend(ends, 0.1, 250))


def stayed(
    run: Run, start: Any, size: int, rate: float, fresh: bool = True, runs: int = 500
) -> tuple[np.ndarray, np.ndarray]:
    """(losses of the minima that 600 steps of SGD lead to, the positions), the rate halved every 150 steps."""
    places = sgd(run.rng, np.tile(start, (runs, 1)), size, rate, 600, 150, fresh)
    return losses_after(places[-1]), places


def picture(ax: Any) -> None:
    """The loss in the window, without a colour bar."""
    found = landscape()
    ax.contourf(found.x, found.y, found.values, 30, cmap="viridis")
    ax.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=WINDOW[0], ylim=WINDOW[1])


@item(
    "figure-6-5",
    kind="figure",
    source="Chapter 6, Figure 6.5",
    title=("Figure 6.5: gradient descent and SGD", "图 6.5：梯度下降与随机梯度下降"),
    statement=(
        "a) With line search, gradient descent finds the global minimum from starts 1 and 3, which lie in the right valley; from start 2 it ends "
        "in a local one. b) SGD may leave the wrong valley from the same start 2.",
        "a) 用线搜索的梯度下降，从正确山谷中的起点 1、3 到达全局最小值，从起点 2 则停在局部极小值。b) 从同一起点 2 出发，SGD 可能离开错误的山谷。",
    ),
    verdict="holds",
    ranges={"batch": (1, 30), "alpha": (0.02, 1.0), "runs": (50, 1000)},
    random=True,
)
def figure_6_5(run: Run, batch: int = 5, alpha: float = 0.8, runs: int = 500) -> None:
    starts = {"1": (-2.1, 20.0), "2": WRONG, "3": (2.5, 10.0)}
    paths = {name: searched(start, 60, tol=1e-4) for name, start in starts.items()}
    for name in "13":
        run.claim(
            (f"line search from start {name}: loss", f"从起点 {name} 线搜索：损失"),
            paths[name].losses[-1],
            at_most=GLOBAL,
        )
    for text, zh, found, point, loss in (
        ("line search from start 2", "从起点 2 线搜索", paths["2"], (6.171, 8.088), 9.961),
        (r"gradient descent, $\alpha = 0.05$", r"梯度下降，$\alpha = 0.05$", path(WRONG, 0.05, 600), LOCAL, 5.511),
    ):
        run.claim((f"{text}: loss", f"{zh}：损失"), found.losses[-1], equals=loss, within=5e-4)
        run.claim(
            (f"{text}: distance from ${point}$", f"{zh}：与 ${point}$ 之差"),
            np.abs(found.end - point).max(),
            at_most=1e-3,
        )
    every = descend(np.tile(WRONG, (5, 1)), 0.05, 1)  # whatever the seed, gradient descent does the same
    run.claim(
        ("gradient descent: runs that differ", "梯度下降：结果不同的次数"), len(np.unique(every, axis=0)) - 1, equals=0
    )
    rows, first = [], None
    for size, rate, fresh, expected, limits in (
        (5, 0.8, True, 0.304, (0.20, 0.40)), (5, 0.5, True, 0.268, (0.18, 0.37)), (5, 0.2, True, 0.18, (0.10, 0.26)),
        (3, 0.5, True, 0.282, (0.19, 0.38)), (3, 0.2, True, 0.206, (0.12, 0.29)),
        (5, 0.8, False, 0.26, (0.17, 0.35)), (5, 0.2, False, 0.05, (0.0, 0.11)),
    ):  # fmt: skip
        runs_now = 500 if (size, rate) == (5, 0.8) else 300
        result = stayed(run, WRONG, size, rate, fresh, runs_now)
        first = first or result
        share = float((result[0] < GLOBAL).mean())
        kind, zh = ("fresh batches", "每步重新抽取") if fresh else ("epochs", "按轮次抽取")
        run.claim((rf"SGD, batch {size}, $\alpha = {rate}$, {kind}: share that reaches the global basin",
                   rf"SGD，批量 {size}，$\alpha = {rate}$，{zh}：到达全局吸引盆的比例"), share, between=limits)  # fmt: skip
        rows.append((size, rate, kind, share, expected))
    run.table(("Which share of the runs gets into the right valley", "进入正确山谷的运行所占比例"),
              ("batch", "rate", "batches", "measured", "expected"), rows)  # fmt: skip
    run.note("May, not will: about one run in three. Over random starts SGD hardly does better than gradient descent.",
             "是“可能”而非“必然”：大约三次中有一次。对随机起点取平均，SGD 几乎不比梯度下降更好。")  # fmt: skip
    usual = first if (batch, alpha, runs) == (5, 0.8, 500) else None
    losses, places = usual or stayed(run, WRONG, batch, alpha, True, runs)

    def draw(left: Any, right: Any) -> None:
        for ax in (left, right):
            picture(ax)
        for (name, found), colour in zip(paths.items(), ("white", "#ff8c7a", "#ffd23f"), strict=True):
            left.plot(
                *found.points.T, ".-", color=colour, markersize=4, label=f"start {name}: loss {found.losses[-1]:.3g}"
            )
            left.plot(*found.points[0], "o", color=colour, markeredgecolor="black")
            left.plot(*found.end, "*", color=colour, markersize=12, markeredgecolor="black")
        left.set_title("a) gradient descent with line search")
        good = losses < GLOBAL
        chosen = [*np.flatnonzero(good)[:2], *np.flatnonzero(~good)[:1]]
        for k, colour in zip(chosen, ("white", "#4cc9f0", "#ff8c7a"), strict=False):
            right.plot(
                *places[:, k].T,
                ".-",
                color=colour,
                markersize=2,
                linewidth=0.7,
                label=f"ends in the basin of {losses[k]:.3g}",
            )
            right.plot(*places[-1, k], "*", color=colour, markersize=12, markeredgecolor="black")
        right.plot(*WRONG, "o", color="white", markeredgecolor="black")
        right.set_title(rf"b) SGD, batch {batch}, $\alpha = {alpha:g}$: {100 * good.mean():.0f} % of {len(good)} runs")
        for ax in (left, right):
            ax.legend(fontsize="small", loc="lower left", facecolor="#555b63", labelcolor="white")

    run.figure(("From start 2 gradient descent can't leave the wrong valley; noise sometimes can", "从起点 2 出发，梯度下降无法离开错误的山谷；有了噪声，有时可以"),
               draw, (1, 2), (9.6, 5.0))  # fmt: skip
    wave = np.linspace(-15, 15, 200)
    colours = ("C0", "C3", "C1")

    def fitting(left: Any, right: Any) -> Any:
        picture(left)
        right.plot(X, Y, "k.", label="30 points")
        curves, shapes, lines = [], [], []
        for (name, found), colour in zip(paths.items(), colours, strict=True):
            label = f"start {name}: loss {found.losses[-1]:.3g}"
            lines += left.plot(*found.points.T, "-", color="white" if name == "1" else colour, linewidth=2)
            shapes.append(np.asarray(many(found.points)(mt.tensor(wave)).detach()))
            curves += right.plot(wave, shapes[-1][-1], color=colour, label=label)
        right.set(xlabel="x", ylabel="y", ylim=(-1.3, 1.3))
        right.legend(fontsize="small", loc="upper right")
        when = np.array([*range(7), 9, 13, 20, 30, 45, 60])

        def bend(k: int) -> None:
            for each, shape in zip(curves, shapes, strict=True):
                each.set_ydata(shape[min(int(when[k]), len(shape) - 1)])

        return together(grow(when, *lines), bend)

    run.figure(
        ("Gradient descent with line search from the three starts, and the model's curve on the way",
         "从三个起点出发的带线搜索的梯度下降，以及途中模型的曲线"),
        fitting, (1, 2), (9.0, 3.8), frames=13, seconds=7,
    )  # fmt: skip


@item(
    "sgd-escapes-local-minimum",
    kind="experiment",
    source="Chapter 6, section 6.2.2, fourth property",
    title=("SGD can leave a local minimum", "SGD 可以离开局部极小值"),
    statement=("In principle SGD can escape from local minima.", "原则上，SGD 能逃离局部极小值。"),
    verdict="holds",
    ranges={"batch": (1, 30), "alpha": (0.02, 1.0), "runs": (50, 1000)},
    random=True,
)
def escapes(run: Run, batch: int = 5, alpha: float = 0.5, runs: int = 500) -> None:
    here = objective()(LOCAL)
    kept = {}
    for rate, fresh, limits in (
        (0.2, True, (0.20, 0.44)),
        (0.5, True, (0.96, 1.0)),
        (0.8, True, (0.98, 1.0)),
        (0.2, False, (0.0, 0.03)),
    ):
        losses, places = stayed(run, LOCAL, 5, rate, fresh, 500 if rate == 0.5 else 300)
        left = np.abs(losses - here) > 0.05
        kept[rate, fresh] = losses, places
        kind, zh = ("fresh batches", "每步重新抽取") if fresh else ("epochs", "按轮次抽取")
        run.claim(
            (rf"$\alpha = {rate}$, {kind}: share that leaves", rf"$\alpha = {rate}$，{zh}：离开的比例"),
            float(left.mean()),
            between=limits,
        )
        if fresh:
            run.claim(
                ("of them to a lower loss", "其中到达更低损失的比例"),
                float((losses[left] < here).mean()),
                at_least=0.97,
            )
            run.claim(
                ("share at the global minimum", "到达全局最小值的比例"), float((losses < GLOBAL).mean()), at_most=0.02
            )
    best = refined((0.0, 16.0)).point
    for rate in (0.2, 0.5, 0.8):
        run.claim((rf"the same noise, $\alpha = {rate}$, from the global minimum: share that stays", rf"同样的噪声，$\alpha = {rate}$，从全局最小值出发：留下的比例"),
                  float((stayed(run, best, 5, rate, True, 300)[0] < GLOBAL).mean()), at_least=0.95)  # fmt: skip
    back = path(refined(LOCAL).point + 1e-3, 0.1, 400)
    run.claim((r"gradient descent from $10^{-3}$ beside the minimum: distance at the end", r"梯度下降从极小值旁 $10^{-3}$ 处出发：最终距离"),
              np.abs(back.end - refined(LOCAL).point).max(), at_most=1e-6)  # fmt: skip
    if (batch, alpha, runs) == (5, 0.5, 500):
        losses, places = kept[0.5, True]
    else:
        losses, places = stayed(run, LOCAL, batch, alpha, True, runs)
    left_it = np.abs(losses - here) > 0.05

    def draw(left: Any, right: Any) -> None:
        picture(left)
        for k, colour in zip(
            [*np.flatnonzero(left_it)[:3], *np.flatnonzero(~left_it)[:1]],
            ("white", "#4cc9f0", "#ffd23f", "#ff8c7a"),
            strict=False,
        ):
            left.plot(
                *places[:, k].T,
                ".-",
                color=colour,
                markersize=2,
                linewidth=0.7,
                label=f"ends in the basin of {losses[k]:.3g}",
            )
            left.plot(*places[-1, k], "*", color=colour, markersize=12, markeredgecolor="black")
        left.plot(*LOCAL, "o", color="white", markeredgecolor="black")
        left.legend(fontsize="small", loc="lower left", facecolor="#555b63", labelcolor="white")
        right.hist(np.minimum(losses, 7.9), bins=np.linspace(0, 8, 65), color="#1f5fa8")
        right.axvline(here, color="C3", linestyle="--", label=f"the local minimum, {here:.3f}")
        right.axvline(0.6457, color="C2", linestyle="--", label="global minimum, 0.6457")
        right.set(
            xlabel="loss of the minimum it ends in",
            ylabel="runs",
            title=rf"batch {batch}, $\alpha = {alpha:g}$: {100 * left_it.mean():.0f} % leave",
        )
        right.legend(fontsize="small")

    run.figure(("Noise drives the runs out, mostly to a better minimum, hardly ever to the best", "噪声使运行离开，多半到更好的极小值点，却很少到最好的"),
               draw, (1, 2), (9.6, 4.4))  # fmt: skip


@item(
    "sgd-leaves-saddles",
    kind="experiment",
    source="Chapter 6, section 6.2.2, fifth property",
    title=("SGD does not rest at saddles", "SGD 不会停在鞍点"),
    statement=(
        "SGD is less likely to get stuck at a saddle: wherever it is, some batches have a large gradient.",
        "SGD 不易停在鞍点：无论在哪里，总有一些批次的梯度较大。",
    ),
    verdict="holds",
    ranges={"batch": (1, 29), "alpha": (0.005, 0.2), "runs": (50, 1000)},
    random=True,
)
def leaves_saddles(run: Run, batch: int = 3, alpha: float = 0.05, runs: int = 500) -> None:
    saddle = refined(SADDLE)
    run.claim(("full gradient at the saddle", "鞍点处的全批量梯度"), saddle.gradient_norm, at_most=5e-15)
    gradients = analysis.all_batch_gradients(*each_loss(saddle.point), 3, "sum")
    norms = np.linalg.norm(gradients, axis=1)
    run.claim(("batches of 3", "大小为 3 的批次数"), len(norms), equals=4060)
    run.claim(
        ("median norm of their gradients", "其梯度范数的中位数"), float(np.median(norms)), equals=0.735, within=5e-4
    )
    run.claim(("share above 0.1", "大于 0.1 的比例"), float((norms > 0.1).mean()), equals=0.894, within=5e-4)
    run.claim(("the smallest", "最小的"), norms.min(), equals=2.2e-4, within=5e-6)

    def times(size: int, rate: float, fresh: bool, count: int, steps: int) -> np.ndarray:
        places = sgd(run.rng, np.tile(saddle.point, (count, 1)), size, rate, steps, 0, fresh)
        fallen = objective().values(places.reshape(-1, 2)).reshape(places.shape[:2]) < saddle.value - 0.5
        return np.where(fallen.any(0), fallen.argmax(0), steps + 1)

    quick, slow = times(3, 0.05, True, 500, 500), times(3, 0.05, False, 500, 500)
    run.claim(("SGD, fresh batches: median number of steps to lose 0.5", "SGD，每步重新抽取：损失下降 0.5 所需步数的中位数"), float(np.median(quick)),
              between=(36, 50))  # fmt: skip
    run.claim(("the longest of 500 runs", "500 次中最长的"), quick.max(), at_most=500)
    run.claim(
        ("epochs without replacement: median", "按轮次无放回抽取：中位数"), float(np.median(slow)), between=(112, 137)
    )
    still = descend([saddle.point], 0.05, 1800)
    run.claim(
        ("gradient descent: loss lost in 1800 steps", "梯度下降：1800 步内下降的损失"),
        saddle.value - objective()(still[0]),
        at_most=1e-9,
    )
    shown = quick if (batch, alpha, runs) == (3, 0.05, 500) else times(batch, alpha, True, runs, 500)
    each = analysis.per_sample_gradients(*each_loss(saddle.point))
    drawn = np.array([each[run.rng.permutation(len(X))[:batch]].sum(0) for _ in range(2000)])
    mine = gradients if batch == 3 else drawn

    def draw(left: Any, right: Any) -> None:
        left.plot(*mine.T, ".", color="#7a8794", markersize=1.5, label=f"batches of {batch}")
        left.plot(0, 0, "r*", markersize=10, label="all 30 points")
        left.set(
            xlabel=r"$\partial / \partial \phi_0$",
            ylabel=r"$\partial / \partial \phi_1$",
            title="gradients at the saddle",
        )
        right.hist(shown[shown <= 500], bins=40, color="#1f5fa8", alpha=0.8, label="SGD, fresh batches")
        if shown is quick:
            right.hist(slow[slow <= 500], bins=40, color="#d1600f", alpha=0.6, label="SGD, epochs")
        right.axvline(float(np.median(shown)), color="black", linestyle="--", label=f"median {np.median(shown):.0f}")
        right.set(xlabel="steps to lose 0.5 of the loss", ylabel="runs")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(("Where the full gradient vanishes those of the batches do not; within an epoch they nearly cancel, so that it takes longer",
                "全批量梯度为零处，各批次的梯度不为零；同一轮次内的批次梯度几乎相互抵消，因此需要更久"), draw, (1, 2), (9.6, 4.2))  # fmt: skip
