"""Deep linear networks memorise random labels, and what that says (nothing) about other tasks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..entry import item
from ..run import Run
from .stacked_linear import product, stacked, train

ARCHITECTURES = (((20, 32, 32, 10), 0.3), ((20, 32, 32, 32, 32, 10), 0.1), ((20, 20, 20, 10), 0.3))


def task(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random labels (10, 20) for the 20 unit vectors, another map A (10, 20), and inputs (20, 2000) to test on."""
    rng = np.random.default_rng(100 + seed)
    return rng.normal(size=(10, 20)), rng.normal(size=(10, 20)), rng.normal(size=(20, 2000))


def memorise(
    widths: tuple[int, ...], eta: float, seeds: range, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(losses (T, seeds); the learned maps; their test loss over that of the zero predictor), for several seeds at once."""
    tasks = [task(seed) for seed in seeds]
    weights = stacked([widths] * len(seeds), list(seeds))
    labels = np.array([y for y, _, _ in tasks])
    curves = train(weights, np.tile(np.eye(20), (len(seeds), 1, 1)), labels, eta, steps)
    maps = product(weights).detach().numpy()
    ratios = [((m @ x - a @ x) ** 2).sum() / ((a @ x) ** 2).sum() for m, (_, a, x) in zip(maps, tasks, strict=True)]
    return curves, maps, np.array(ratios)


def first_below(curves: np.ndarray, level: float) -> np.ndarray:
    """For each column the number of steps after which the loss is below the level; -1 if never."""
    below = curves < level
    return np.where(below.any(axis=0), below.argmax(axis=0), -1)


def largest_rate(labels: np.ndarray, depth: int) -> float:
    """2 / curvature along the top singular direction of balanced weights that fit `labels`: 2n / (L s^(2 - 2/L))."""
    s = np.linalg.svd(labels, compute_uv=False)[0]
    return float(2 * labels.shape[1] / (depth * s ** (2 - 2 / depth)))


@item(
    "deep-linear-random-labels",
    kind="experiment",
    source="Deep-learning optimizers, first conclusion of the experiment with deep linear networks; hands-on problem 3154377",
    title=("Random labels, fitted exactly", "精确拟合随机标签"),
    statement=(
        "If the network is wide enough and the inputs are linearly independent, gradient descent drives the loss on purely random "
        "labels to zero; on an independent structured task the model that interpolates them is terrible.",
        "若网络足够宽、输入线性无关，则梯度下降能把纯随机标签上的损失降到零；而这个插值模型在独立的结构化任务上表现极差。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The rate must be small enough, below $2n / (L s_1^{2 - 2/L})$ for $L$ layers, $n$ samples and labels of largest singular "
        r"value $s_1$. With $\eta = 1$ the net 20-32-32-10 stays above $10^{-2}$ for those seeds for which that limit is below 1: its "
        r"top singular direction jumps between two values for ever. Five layers at $\eta = 1$ overflow.",
        r"学习率必须足够小：设层数为 $L$，样本数为 $n$，标签矩阵的最大奇异值为 $s_1$，则应小于 $2n / (L s_1^{2 - 2/L})$。若 $\eta = 1$，"
        r"在该界限小于 1 的种子上，网络 20-32-32-10 的损失始终高于 $10^{-2}$：最大奇异方向永远在两个值之间往复。五层网络在 $\eta = 1$ 时溢出。",
    ),
    ranges={"eta": (0.01, 1.0), "width": (2, 64), "layers": (2, 5)},
    random=True,
)
def deep_linear_random_labels(run: Run, eta: float = 0.3, width: int = 32, layers: int = 3) -> None:
    seeds = range(5 * run.seed, 5 * run.seed + 5)
    known = {0: ((173, 219), (370, 471), (226, 320))}.get(run.seed)  # updates for the seeds 0 to 4
    rows, curves = [], {}
    for k, (widths, rate) in enumerate(ARCHITECTURES):
        name = "-".join(map(str, widths))
        losses, _, ratios = memorise(widths, rate, seeds, 2000)
        curves[name] = losses
        reached = first_below(losses, 1e-8)
        run.claim((f"{name}: loss at the end", f"{name}：最终损失"), losses[-1], at_most=1e-8)
        run.claim(
            (rf"{name}, $\eta = {rate}$: steps to $10^{{-8}}$", rf"{name}，$\eta = {rate}$：降到 $10^{{-8}}$ 的步数"),
            reached,
            between=(1, 2000),
        )
        if known:
            run.claim((f"{name}: fewest steps", f"{name}：最少步数"), reached.min(), equals=known[k][0])
            run.claim((f"{name}: most steps", f"{name}：最多步数"), reached.max(), equals=known[k][1])
        run.claim(
            (f"{name}: test loss / that of the zero predictor", f"{name}：测试损失与零预测器之比"), ratios, at_least=1.5
        )
        if known:
            for ratio, expected in zip(ratios, (2.19, 2.34, 2.26, 1.82, 1.71), strict=True):
                run.claim((f"{name}: that ratio", f"{name}：该比值"), ratio, equals=expected, within=0.005)
        exact = [((y - a) ** 2).sum() / (a**2).sum() for y, a, _ in map(task, seeds)]
        run.claim(
            (
                r"it less $\|M - A\|^2 / \|A\|^2$ of labels $M$ and map $A$",
                r"该比值与 $\|M - A\|^2 / \|A\|^2$ 之差（$M$ 为标签，$A$ 为真实映射）",
            ),
            ratios - exact,
            equals=0.0,
            within=0.2,
        )
        rows += [(name, s, int(t), float(r)) for s, t, r in zip(seeds, reached, ratios, strict=True)]
    run.table(
        ("Steps and test loss", "步数与测试损失"),
        ("widths", "seed", "steps to 1e-8", "test loss / zero predictor"),
        rows,
    )

    twenty = range(20 * run.seed, 20 * run.seed + 20)
    hasty = memorise(ARCHITECTURES[0][0], 1.0, twenty, 1000)[0]
    limits = np.array([largest_rate(task(s)[0], 3) for s in twenty])
    ends = np.where(np.isfinite(hasty[-2:]), hasty[-2:], np.inf).mean(axis=0)  # of both halves of a two-cycle
    run.claim(
        (r"$\eta = 1$, limit below 0.98: losses at the end", r"$\eta = 1$，界限小于 0.98：最终损失"),
        ends[limits < 0.98],
        at_least=1e-2,
    )
    run.claim(
        (r"$\eta = 1$, limit above 1.02: losses at the end", r"$\eta = 1$，界限大于 1.02：最终损失"),
        ends[limits > 1.02],
        at_most=1e-4,
    )
    if run.seed == 0:
        stuck = ends[:3] > 1e-2
        run.claim(
            (r"$\eta = 1$, seeds 0 to 2: runs that are stuck", r"$\eta = 1$，种子 0 至 2：停滞的次数"),
            stuck.sum(),
            equals=2,
        )
        run.claim(("their losses", "其损失"), hasty[-2:, :3][:, stuck].ravel(), between=(1e-2, 1e-1))
        run.claim(
            (r"their $|L_{t+2} - L_t| / L_t$", r"其 $|L_{t+2} - L_t| / L_t$"),
            (np.abs(hasty[-1] / hasty[-3] - 1)[:3])[stuck],
            at_most=0.01,
        )
        run.claim(
            (r"their $|L_{t+1} - L_t| / L_t$", r"其 $|L_{t+1} - L_t| / L_t$"),
            (np.abs(hasty[-1] / hasty[-2] - 1)[:3])[stuck],
            at_least=0.2,
        )
    overflowed = memorise(ARCHITECTURES[1][0], 1.0, twenty[:3], 1000)[0][-1]
    run.claim(
        (r"five layers, $\eta = 1$: overflow", r"五层，$\eta = 1$：溢出"), bool(not np.isfinite(overflowed).any())
    )
    shown = (20, *[width] * (layers - 1), 10)
    name = "-".join(map(str, shown))
    own = curves[name] if (shown, eta) == ARCHITECTURES[0] else memorise(shown, eta, seeds, 2000)[0]

    def draw(left: Any, right: Any) -> None:
        for k, (label, losses) in enumerate({**curves, name: own}.items()):
            left.semilogy(np.maximum(losses[:500], 1e-32), color=f"C{k}", linewidth=0.8)
            left.plot([], [], color=f"C{k}", label=label)
        left.axhline(1e-8, color="0.6", linewidth=0.8)
        left.set(xlabel="step", ylabel="loss on random labels", title="five seeds each")
        left.legend(fontsize="small")
        right.scatter(limits, np.clip(ends, 1e-28, 10), s=18, color="C3", label="20 seeds; on top: overflow")
        right.axvline(1.0, color="0.6", linewidth=0.8)
        right.set(xlabel=r"limit $2n / (L s_1^{2 - 2/L})$", ylabel="loss after 1000 steps", yscale="log")
        right.set(title=r"20-32-32-10 with $\eta = 1$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Random labels are fitted to rounding error, unless the rate exceeds the limit that the labels' largest singular value sets.",
            "随机标签可以拟合到舍入误差，除非学习率超过由标签最大奇异值决定的界限。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
