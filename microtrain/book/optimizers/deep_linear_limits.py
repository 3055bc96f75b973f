"""What a deep linear network can't fit: a rank above its bottleneck, and labels that no linear map has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..entry import item
from ..run import Run
from .stacked_linear import product, stacked, train

FLOORS = {2: 3.0607787, 5: 1.2158550, 8: 0.2962397, 9: 0.0753372, 10: 0.0}


def best_of_rank(y: np.ndarray, k: int) -> float:
    """1/(2n) times the squares of all singular values but the k largest (Eckart and Young)."""
    return float((np.linalg.svd(y, compute_uv=False)[k:] ** 2).sum() / (2 * y.shape[1]))


def squeezed(
    widths: Sequence[Sequence[int]], seeds: Sequence[int], y: np.ndarray, eta: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Networks trained on the unit vectors with the same labels y (10, 20): losses (T, runs), and the maps they became."""
    weights = stacked(widths, seeds)
    runs = len(widths)
    curves = train(weights, np.tile(np.eye(20), (runs, 1, 1)), np.tile(y, (runs, 1, 1)), eta, steps)
    return curves, product(weights).detach().numpy()


@item(
    "deep-linear-rank-bottleneck",
    kind="experiment",
    source="Deep-learning optimizers, second conclusion of the experiment with deep linear networks; hands-on problem 3154377",
    title=("The rank bottleneck", "秩瓶颈"),
    statement=(
        r"If a hidden width $k$ is below $\min(d_{in}, d_{out})$, the product has rank at most $k$, random labels can't be "
        "interpolated, and the loss stays above zero.",
        r"若某一隐藏层宽度 $k$ 小于 $\min(d_{in}, d_{out})$，则乘积的秩不超过 $k$，随机标签无法插值，损失始终大于零。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Only if the labels need more: rank-3 labels are fitted with $k = 3$. And the rate must be below $2n / (L s_1^{2 - 2/L})$, "
        r"$s_1$ the labels' largest singular value: with $\eta = 0.6$ four layers stay above the floor, their top singular direction "
        "jumping between two values.",
        r"仅当标签所需的秩超过 $k$ 时才成立：$k = 3$ 即可拟合秩为 3 的标签。此外学习率须小于 $2n / (L s_1^{2 - 2/L})$，其中 $s_1$ 为标签的"
        r"最大奇异值：四层网络取 $\eta = 0.6$ 时停在下界之上，最大奇异方向在两个值之间往复。",
    ),
    ranges={"k": (1, 10), "eta": (0.01, 0.6), "seed": (0, 1000)},
)
def deep_linear_rank_bottleneck(run: Run, k: int = 5, eta: float = 0.2, seed: int = 0) -> None:
    y = np.random.default_rng(100).normal(size=(10, 20))
    ks = [width for width in FLOORS for _ in range(3)]
    seeds = [0, 1, 2] * len(FLOORS)
    nets: dict[str, tuple[list[tuple[int, ...]], float, int]] = {
        "20-k-10": ([(20, width, 10) for width in ks], 1.0, 30000),
        "20-16-k-16-10": ([(20, 16, width, 16, 10) for width in ks], 0.2, 20000),
    }
    ends = {}
    for name, (widths, rate, steps) in nets.items():
        curves, maps = squeezed(widths, seeds, y, rate, steps)
        for j, (width, printed) in enumerate(FLOORS.items()):
            part = slice(3 * j, 3 * j + 3)
            floor = best_of_rank(y, width)
            run.claim(
                (f"{name}, $k = {width}$: loss, three seeds", f"{name}，$k = {width}$：损失，三个种子"),
                curves[-1, part],
                equals=printed,
                within=5e-8 if printed else 1e-10,
            )
            run.claim(
                (r"less $\frac{1}{2n} \sum_{i > k} \sigma_i^2$", r"与 $\frac{1}{2n} \sum_{i > k} \sigma_i^2$ 之差"),
                curves[-1, part] - floor,
                equals=0.0,
                within=1e-12,
            )
            ranks = [np.linalg.matrix_rank(m, tol=1e-10) for m in maps[part]]
            run.claim(("rank of the product", "乘积的秩"), ranks, equals=width)
        ends[name] = curves[-1]
    rng = np.random.default_rng(100)
    low = rng.normal(size=(10, 3)) @ rng.normal(size=(3, 20)) / 3**0.5
    fitted = squeezed([(20, 16, 3, 16, 10)] * 3, range(3), low, 0.2, 2000)[0]
    run.claim(
        (r"labels of rank 3, $k = 3$: loss at the end", r"秩为 3 的标签，$k = 3$：最终损失"), fitted[-1], at_most=1e-12
    )
    run.claim((r"steps to $10^{-12}$", r"降到 $10^{-12}$ 的步数"), (fitted > 1e-12).sum(axis=0), at_most=600)
    hasty = squeezed([(20, 16, 5, 16, 10)] * 6, range(6), y, 0.6, 2000)[0] - best_of_rank(y, 5)
    run.claim(
        (r"$\eta = 0.6$, six seeds: lower height over the floor", r"$\eta = 0.6$，六个种子：高出下界的较小值"),
        hasty[-2:].min(axis=0),
        equals=0.0463,
        within=5e-5,
    )
    run.claim(
        ("and the higher one, a step before or after", "前一步或后一步的较大值"),
        hasty[-2:].max(axis=0),
        equals=0.0988,
        within=5e-5,
    )
    top = np.linalg.svd(y, compute_uv=False)[0]
    run.claim(
        (r"the limit $2n / (4 s_1^{3/2})$", r"界限 $2n / (4 s_1^{3/2})$"), 2 * 20 / (4 * top**1.5), between=(0.2, 0.6)
    )
    own = squeezed([(20, 16, width, 16, 10) for width in (k, 10)], [seed] * 2, y, eta, 2000)[0]

    def draw(left: Any, right: Any) -> None:
        widths = np.arange(11)
        left.plot(widths, [best_of_rank(y, int(w)) for w in widths], color="0.6", label="best of rank k (Eckart-Young)")
        for (name, values), mark in zip(ends.items(), ("o", "x"), strict=True):
            left.plot(ks, values, mark, markersize=8 if mark == "o" else 6, markerfacecolor="none", label=name)
        left.set(xlabel="width k of the bottleneck", ylabel="loss at the end")
        left.legend(fontsize="small")
        for j, width in enumerate((k, 10)):
            right.semilogy(np.maximum(own[:, j], 1e-16), label=rf"20-16-{width}-16-10, $\eta = {eta:g}$")
        right.semilogy(np.maximum(fitted[:, 0], 1e-16), label="width 3, labels of rank 3")
        right.semilogy(
            np.maximum(hasty[:300, 0], 1e-16), ".", markersize=2, label=r"width 5, $\eta = 0.6$: loss less floor"
        )
        right.set(xlabel="step", ylabel="loss", xlim=(0, min(1000, len(own))))
        right.legend(fontsize="small")

    run.figure(
        (
            "The loss ends exactly where the singular values beyond the bottleneck leave it.",
            "损失恰好停在瓶颈之外的奇异值所决定的下界上。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )


COUNTS = (5, 15, 20, 40)  # samples; with 10 the square X is ill-conditioned, and how far 20000 steps lead differs


def draws(seed: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """{n: inputs (10, n) and random labels (4, n)}, drawn one after the other."""
    rng = np.random.default_rng(seed)
    return {n: (rng.normal(size=(10, n)), rng.normal(size=(4, n))) for n in (5, 10, 15, 20, 40)}


def filled(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Stacked, with columns of zeros up to 40."""
    return np.array([np.pad(m, ((0, 0), (0, 40 - m.shape[1]))) for m in matrices])


def residual(x: np.ndarray, y: np.ndarray) -> float:
    """What no linear map explains: 1/(2n) |Y (I - X^+ X)|^2."""
    return float(((y - y @ np.linalg.pinv(x) @ x) ** 2).sum() / (2 * x.shape[1]))


def fit(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], seeds: Sequence[int], eta: float, steps: int, width: int = 16
) -> np.ndarray:
    """The losses of 10-width-width-4 networks on these data, each by itself: (T, runs)."""
    weights = stacked([(10, width, width, 4)] * len(pairs), seeds)
    return train(
        weights,
        filled([x for x, _ in pairs]),
        filled([y for _, y in pairs]),
        eta,
        steps,
        [x.shape[1] for x, _ in pairs],
    )


@item(
    "deep-linear-dependent-inputs",
    kind="experiment",
    source="Deep-learning optimizers, second conclusion of the experiment with deep linear networks (n > d); hands-on problem 3154377",
    title=("More samples than dimensions", "样本数多于输入维数"),
    statement=(
        "If the inputs are linearly dependent because $n > d$, the network can't represent arbitrary linear maps. So it can't "
        "interpolate random labels, and the loss stays positive.",
        "若因 $n > d$ 而使输入线性相关，则网络无法表示任意的线性映射，因此不能插值随机标签，损失始终为正。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The outcome is right, the reason is not. Without a bottleneck the network represents every linear map, and fits $Y = AX$ "
        r"exactly with $n = 40 > d = 10$. What fails is that no linear map at all has such labels: the loss ends at the residual of "
        r"least squares. Dependent inputs with inconsistent labels are what matters, also for $n \le d$, as with one input twice.",
        r"结果正确，理由不正确。没有瓶颈时，网络能表示任何线性映射，$n = 40 > d = 10$ 时仍能精确拟合 $Y = AX$。真正的原因是：没有任何线性映射"
        r"能给出这样的标签，损失停在最小二乘的残差上。关键在于输入线性相关而标签不相容；$n \le d$ 时也如此，例如同一输入出现两次。",
    ),
    ranges={"n": (2, 40), "eta": (0.005, 0.06), "width": (4, 32), "seed": (0, 1000)},
)
def deep_linear_dependent_inputs(
    run: Run, n: int = 20, eta: float = 0.05, width: int = 16, seed: int = 0, form: str = "right"
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10, 40))
    a = rng.normal(size=(4, 10))
    linear = fit([(x, a @ x)], [0], 0.05, 2000)[:, 0]
    text = (
        r"$n = 40 > d = 10$, labels $Y = AX$ of an arbitrary map: final loss",
        r"$n = 40 > d = 10$，标签 $Y = AX$ 来自任意映射：最终损失",
    )
    if form == "printed":
        run.claim(text, linear[-1], at_least=1e-3)
    else:
        run.claim(text, linear[-1], at_most=1e-13)
        run.claim(
            (r"steps to $9 \cdot 10^{-14}$", r"降到 $9 \cdot 10^{-14}$ 的步数"),
            (linear > 9e-14).sum(),
            equals=295,
            within=1,
        )
    pairs = [(draws(s)[count], s) for s in range(3) for count in COUNTS]
    ends = fit([pair for pair, _ in pairs], [s for _, s in pairs], 0.05, 20000)[-1]
    floors = np.array([residual(*pair) for pair, _ in pairs])
    for j, (pair, s) in enumerate(pairs):
        count = pair[0].shape[1]
        run.claim(
            (
                f"seed {s}, $n = {count}$: final loss less the residual of least squares",
                f"种子 {s}，$n = {count}$：最终损失与最小二乘残差之差",
            ),
            ends[j] - floors[j],
            equals=0.0,
            within=1e-12 if count > 10 else 1e-13,
        )
    for j, printed in ((1, 0.6421908), (2, 1.0000616), (3, 1.3028371)):
        run.claim(
            (f"seed 0, $n = {COUNTS[j]}$: final loss", f"种子 0，$n = {COUNTS[j]}$：最终损失"),
            ends[j],
            equals=printed,
            within=5e-8,
        )
    twice, labels = draws(0)[5]
    twice = np.concatenate([twice, twice[:, :1]], axis=1)
    labels = np.concatenate([labels, np.random.default_rng(1).normal(size=(4, 1))], axis=1)
    double = fit([(twice, labels)], [0], 0.05, 2000)[-1, 0]
    run.claim(
        ("$n = 6$, one input twice with two labels: final loss", "$n = 6$，同一输入出现两次且标签不同：最终损失"),
        double,
        at_least=0.01,
    )
    run.claim(
        ("less the residual of least squares", "与最小二乘残差之差"),
        double - residual(twice, labels),
        equals=0.0,
        within=1e-12,
    )
    run.claim(
        (r"which is $\|y_1 - y_2\|^2 / (4n)$", r"即 $\|y_1 - y_2\|^2 / (4n)$"),
        residual(twice, labels),
        equals=float(((labels[:, 0] - labels[:, 5]) ** 2).sum() / 24),
        within=1e-12,
    )
    own = np.random.default_rng(seed)
    inputs = own.normal(size=(10, n))
    random_labels, map_labels = own.normal(size=(4, n)), own.normal(size=(4, 10)) @ inputs
    shown = fit([(inputs, random_labels), (inputs, map_labels)], [seed] * 2, eta, 2000, width)

    def draw(left: Any, right: Any) -> None:
        left.plot(
            [pair[0].shape[1] for pair, _ in pairs],
            ends,
            "o",
            markerfacecolor="none",
            label="loss at the end, three seeds",
        )
        left.plot([pair[0].shape[1] for pair, _ in pairs], floors, "x", label="residual of least squares")
        left.plot([40], [max(linear[-1], 0)], "s", label="labels Y = AX")
        left.axvline(10, color="0.6", linewidth=0.8, linestyle=":")
        left.set(xlabel="samples n (d = 10)", ylabel="loss")
        left.legend(fontsize="small")
        for j, label in enumerate(("random labels", "labels Y = AX")):
            right.semilogy(np.maximum(shown[:, j], 1e-30), label=label)
        right.axhline(
            max(residual(inputs, random_labels), 1e-30),
            color="0.6",
            linewidth=0.8,
            linestyle="--",
            label="residual of least squares",
        )
        right.set(xlabel="step", ylabel="loss", title=f"n = {n}")
        right.legend(fontsize="small")

    run.figure(
        (
            "With more samples than dimensions random labels keep a residual, and labels of a linear map none.",
            "样本数多于维数时，随机标签留下残差，由线性映射产生的标签则没有残差。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
