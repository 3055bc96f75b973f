"""A matrix from few measurements, as a product of two factors that start small: where the implicit bias works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..moving import grow, moments, together
from ..run import Run
from .descent import descend
from .solution_sets import HIDDEN


@dataclass(frozen=True)
class Sensing:
    """Many problems y = A vec(M) of one size: `truth` (K, n, n), `a` (K, m, n n), `y` (K, m), and factors to start from."""

    truth: np.ndarray
    a: np.ndarray
    y: np.ndarray
    w1: np.ndarray
    w2: np.ndarray

    @property
    def minima(self) -> np.ndarray:
        """The smallest nuclear norm that fits the measurements, (K,)."""
        n = self.truth.shape[1]
        found = [analysis.min_nuclear_norm(a, y, (n, n)) for a, y in zip(self.a, self.y, strict=True)]
        return np.array([analysis.nuclear_norm(m) for m in found])

    @property
    def shortest(self) -> np.ndarray:
        """The nuclear norms of the solutions of smallest Frobenius norm, (K,)."""
        found = (np.linalg.pinv(self.a) @ self.y[..., None]).reshape(self.truth.shape)
        return np.linalg.svd(found, compute_uv=False).sum(-1)  # type: ignore[no-any-return]


def sensing(n: int, rank: int, measurements: int, seeds: Sequence[int], size: float = 2.0) -> Sensing:
    """Random matrices of a rank and Frobenius norm `size`, Gaussian measurements, and normal factors of variance 1/n."""
    parts = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        truth = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n))
        truth *= size / np.linalg.norm(truth)
        a = rng.standard_normal((measurements, n * n)) / measurements**0.5
        rng = np.random.default_rng(seed)
        w1, w2 = rng.standard_normal((2, n, n)) / n**0.5
        parts.append((truth, a, a @ truth.ravel(), w1, w2))
    return Sensing(*(np.stack(part) for part in zip(*parts, strict=True)))


def recover(
    problems: Sensing, inits: Sequence[float], eta: float, steps: int, curve: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient descent on both factors, for every problem and size of the start.

    Returns the products (K, inits, n, n), half the squared norms of the factors (K, inits), and with `curve` the
    products after each step (steps, K, inits, n, n).
    """
    count, n = problems.truth.shape[:2]
    a, y = mt.tensor(problems.a.swapaxes(1, 2)), mt.tensor(problems.y[:, None])
    scale = np.array(inits)[:, None, None]

    def loss(w1: mt.Tensor, w2: mt.Tensor) -> mt.Tensor:
        residual = (w2 @ w1).reshape(count, len(inits), n * n) @ a - y
        return 0.5 * (residual * residual).sum()

    watch = (lambda w1, w2: w2 @ w1) if curve else loss
    (w1, w2), seen = descend(loss, [scale * problems.w1[:, None], scale * problems.w2[:, None]], eta, steps, watch)
    return w2 @ w1, 0.5 * ((w1**2).sum((-2, -1)) + (w2**2).sum((-2, -1))), np.asarray(seen)


def nuclear(products: np.ndarray) -> np.ndarray:
    """The nuclear norms of many matrices."""
    return np.linalg.svd(products, compute_uv=False).sum(-1)  # type: ignore[no-any-return]


@item(
    "implicit-bias-matrix-sensing",
    kind="experiment",
    source=f"{HIDDEN}, the implicit bias of small initial weights",
    title=("Small weights find the simplest matrix", "小初始权重找到最简单的矩阵"),
    statement=(
        r"Gradient descent from very small weights on $M = W_2 W_1$ implicitly keeps $(\|W_1\|_F^2 + \|W_2\|_F^2)/2$ small and so finds the "
        r"perfect solution of smallest nuclear norm.",
        r"对 $M = W_2 W_1$，从很小的权重出发，梯度下降隐式地使 $(\|W_1\|_F^2 + \|W_2\|_F^2)/2$ 保持最小，从而找到核范数最小的零损失解。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The conditions: a small start, partial observation (with all of $M$ observed there is nothing to choose), enough measurements, balanced "
        r"factors. It is no general theorem; implicit-bias-not-nuclear-norm breaks it.",
        r"条件是：初始值小、只观测一部分（若 $M$ 全部已知，则没有选择余地）、测量足够多、因子平衡。这不是一般定理，反例见 implicit-bias-not-nuclear-norm。",
    ),
    ranges={"init": (1e-4, 1.5), "measurements": (6, 36), "rank": (1, 3)},
    random=True,
)
def matrix_sensing(run: Run, init: float = 1e-2, measurements: int = 20, rank: int = 1) -> None:
    seeds = range(20 * run.seed, 20 * run.seed + 20)
    problems = sensing(6, 1, 20, seeds)
    products, _, _ = recover(problems, (1e-2, 1.0), 0.1, 4000)
    norms, minima = nuclear(products), problems.minima
    small, large = (norms / minima[:, None]).T - 1
    if run.seed == 0:
        rows = []
        for k, (least, one, two) in enumerate(
            zip(
                (3.014, 2.952, 2.896, 2.986, 2.787),
                (2.0027, 2.0053, 2.0074, 2.0161, 2.0072),
                (3.05, 3.53, 4.37, 3.88, 3.81),
                strict=True,
            )
        ):
            run.claim((f"seed {k}: smallest nuclear norm", f"种子 {k}：最小核范数"), minima[k], equals=2, within=5e-5)
            run.claim((f"seed {k}: solution of smallest Frobenius norm", f"种子 {k}：Frobenius 范数最小的解"), problems.shortest[k],
                      equals=least, within=5e-4)  # fmt: skip
            run.claim((f"seed {k}: found from 0.01", f"种子 {k}：从 0.01 出发"), norms[k, 0], equals=one, within=5e-5)
            run.claim((f"seed {k}: found from 1", f"种子 {k}：从 1 出发"), norms[k, 1], equals=two, within=5e-3)
            rows.append((k, minima[k], problems.shortest[k], *norms[k]))
        run.table(("Nuclear norms", "核范数"), ("seed", "minimum", "shortest", "from 0.01", "from 1"), rows)
        wrong = np.linalg.norm(products - problems.truth[:, None], axis=(2, 3))[:5] / 2
        run.claim(
            ("relative error from 0.01, seeds 0 to 4", "从 0.01 出发的相对误差（种子 0～4）"),
            wrong[:, 0],
            between=(0.0015, 0.0175),
        )
        run.claim(
            ("relative error from 1, seeds 0 to 4", "从 1 出发的相对误差（种子 0～4）"),
            wrong[:, 1],
            between=(0.355, 0.965),
        )
    fitted = (products.reshape(20, 2, 36) @ problems.a.swapaxes(1, 2) - problems.y[:, None])[:, 1]
    run.claim(
        ("loss from 1: these are perfect solutions too", "从 1 出发的损失：同样是零损失解"),
        0.5 * (fitted**2).sum(1),
        at_most=1e-29 if run.seed == 0 else 1e-12,
    )
    run.claim(("from 0.01, 20 seeds: median excess over the minimum", "从 0.01 出发，20 个种子：超出最小值的中位数"),
              float(np.median(small)), at_most=0.02)  # fmt: skip
    run.claim(("from 0.01: largest excess", "从 0.01 出发：最大超出量"), small.max(), at_most=0.12)
    run.claim(("from 1: smallest excess", "从 1 出发：最小超出量"), large.min(), at_least=0.25)
    sizes = (1e-3, 1e-2, 1e-1, 1.0)
    wide = sensing(8, 2, 48, [0], size=3.0)
    products, halves, _ = recover(wide, sizes, 0.05, 60000)
    found = nuclear(products)[0]
    run.claim(
        ("n = 8, rank 2: smallest nuclear norm", "n = 8，秩 2：最小核范数"), wide.minima, equals=3.9411, within=5e-5
    )
    for start, value, expected in zip(sizes, found, (3.9412, 3.9429, 3.9702, 4.9110), strict=True):
        run.claim(
            (f"n = 8, rank 2: found from {start:g}", f"n = 8，秩 2：从 {start:g} 出发"),
            value,
            equals=expected,
            within=5e-5,
        )
    run.claim(
        ("from 0.01: half the squared norms of the factors", "从 0.01 出发：因子范数平方和的一半"),
        halves[0, 1],
        equals=3.943,
        within=5e-4,
    )
    mine = sensing(6, rank, measurements, [run.seed])
    starts = (init, 1.0)
    ends, _, curve = recover(mine, starts, 0.1 if rank == 1 else 0.05, 4000, curve=True)
    least = float(mine.minima[0])

    def draw(left: Any, right: Any) -> Any:
        every = np.unique(np.geomspace(1, 4000, 300).astype(int)) - 1
        course = nuclear(curve[every][:, 0])
        lines = []
        for k, (start, colour) in enumerate(zip(starts, ("#1f5fa8", "#d1600f"), strict=True)):
            lines += left.semilogx(every + 1, course[:, k], color=colour, label=f"start of size {start:g}")
        left.axhline(least, color="black", linestyle=":", label="smallest that fits")
        left.legend(fontsize="small", loc="center right")
        left.set(
            xlabel="step",
            ylabel="nuclear norm of the product",
            title=f"6 x 6, rank {rank}, {measurements} measurements",
        )
        at = np.arange(1, 7)
        right.bar(at - 0.27, np.linalg.svd(mine.truth[0], compute_uv=False), 0.27, color="0.4", label="truth")
        found = np.linalg.svd(curve[every][:, 0], compute_uv=False)  # of the product on the way: (T, 2, 6)
        found[-1] = np.linalg.svd(ends[0], compute_uv=False)
        bars = []
        for k, colour in enumerate(("#1f5fa8", "#d1600f")):
            bars.append(right.bar(at + 0.27 * k, found[-1, k], 0.27, color=colour, label=f"found from {starts[k]:g}"))
        right.set(xlabel="number", ylabel="singular value", ylim=(0, 1.05 * found.max()))
        right.legend(fontsize="small")
        when = moments(len(every) - 1, 60)

        def heights(frame: int) -> None:
            for k in (0, 1):
                for bar, value in zip(bars[k], found[when[frame], k], strict=True):
                    bar.set_height(value)

        return together(grow(when, *lines), heights)

    run.figure(
        ("From a small start the nuclear norm ends near the smallest that fits, from a large start far above it",
         "从小初始值出发，核范数接近满足测量的最小值；从大初始值出发则远高于它"),
        draw, (1, 2), (9.6, 4.2), frames=60,
    )  # fmt: skip
