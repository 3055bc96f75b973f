"""The probability simplex, and entropy as a landscape on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import microtrain as mt
from microtrain.viz.plots import ternary

from ..entry import item
from ..run import Run

losses = mt.nn.losses
to_triangle = mt.analysis.to_triangle


@item(
    "probability-simplex",
    kind="definition",
    source="Chapter 4, section 4.1.1, last paragraph",
    title=("The probability simplex", "概率单纯形"),
    statement=(
        r"The distributions over $n$ outcomes are the points of $\mathbb{R}^n$ with $p_i \ge 0$ and $\sum_i p_i = 1$, a "
        r"simplex of dimension $n - 1$: a segment for 2 outcomes, a triangle for 3.",
        r"$n$ 个结果上的全部概率分布，就是 $\mathbb{R}^n$ 中满足 $p_i \ge 0$、$\sum_i p_i = 1$ 的点，构成 $n - 1$ 维的单纯形："
        r"$n = 2$ 时为线段，$n = 3$ 时为三角形。",
    ),
    verdict="holds",
    ranges={"spread": (0.1, 5.0), "points": (10, 3000)},
    random=True,
)
def probability_simplex(run: Run, spread: float = 1.5, points: int = 500) -> None:
    for n in (2, 3, 10):
        p = mt.softmax(run.rng.normal(size=(1000, n)), -1).numpy()
        run.claim((f"softmax of 1000 logits, n = {n}: sum less 1", f"1000 组 logit 的 Softmax，$n = {n}$：总和与 1 之差"),
                  np.abs(p.sum(1) - 1).max(), at_most=1e-12)  # fmt: skip
        run.claim((f"n = {n}: the smallest probability is positive", f"$n = {n}$：最小概率为正"), bool(p.min() > 0))
        run.claim(
            (f"n = {n}: all are on the simplex", f"$n = {n}$：全部落在单纯形上"), bool(mt.analysis.on_simplex(p).all())
        )
        apart = p[1:101] - p[0]
        run.claim((f"n = {n}: rank of 100 differences", f"$n = {n}$：100 个差向量的秩"), np.linalg.matrix_rank(apart, tol=1e-10),
                  equals=n - 1)  # fmt: skip
        basis = mt.analysis.tangent_basis(n)
        run.claim(
            (f"n = {n}: differences less their part along the n - 1 directions that keep the sum",
             f"$n = {n}$：差向量减去它在 $n - 1$ 个保持总和的方向上的投影"),
            np.abs(apart - apart @ basis.T @ basis).max(), at_most=1e-14,
        )  # fmt: skip
    logits = {n: spread * run.rng.normal(size=(points, n)) for n in (2, 3)}
    shown = {n: mt.softmax(z, -1).numpy() for n, z in logits.items()}

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.plot([0, 1], [1, 0], "k", linewidth=1, label="the simplex, a segment")
        left.plot(*shown[2].T, ".", markersize=4, alpha=0.4, label=f"softmax of {points} logits")
        left.set(xlabel="$p_1$", ylabel="$p_2$", aspect="equal", xlim=(-0.1, 1.2), ylim=(-0.1, 1.2), title="2 outcomes")
        left.legend(fontsize="small", loc="upper right")
        middle.plot_trisurf([1, 0, 0], [0, 1, 0], [0, 0, 1], color="C0", alpha=0.15)
        middle.scatter(*shown[3].T, s=3, color="C0")
        middle.set(xlabel="$p_1$", ylabel="$p_2$", zlabel="$p_3$", title="3 outcomes, in space")
        middle.view_init(25, 35)
        ternary(None, right)
        right.plot(*to_triangle(shown[3]).T, ".", markersize=4, alpha=0.4)
        right.set_title("3 outcomes, seen from the front")

    run.figure(
        (
            "Random logits after softmax. Left: points of a segment. Middle: of a triangle in space. Right: the triangle from the front.",
            "随机 logit 经 Softmax 得到的点。左：落在线段上。中：落在空间中的三角形上。右：正对该三角形。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
        solid=(1,),
    )


@item(
    "entropy-concave-contours",
    kind="figure",
    source="Chapter 4, section 4.1.1, last paragraph",
    title=("Entropy on the simplex: one hill", "单纯形上的熵：一座山丘"),
    statement=(
        "On the simplex entropy is strictly concave; its level lines show how informative each distribution is.",
        "熵在概率单纯形上是严格凹函数，其等高线表示各分布的信息丰富程度。",
    ),
    verdict="holds",
    ranges={"n": (2, 20), "pairs": (100, 20000)},
    random=True,
)
def concave(run: Run, n: int = 3, pairs: int = 5000) -> None:
    entropy = losses.entropy

    def gaps(outcomes: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        p, q = run.rng.dirichlet(np.ones(outcomes), (2, count))
        return np.linalg.norm(p - q, axis=1), (entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2).numpy()

    gap = gaps(5, 5000)[1]
    run.claim(
        (
            "5000 random pairs, n = 5: H at the middle less the mean of H at the ends, smallest",
            "5000 对随机分布，$n = 5$：中点的 $H$ 减去两端 $H$ 的均值，最小值",
        ),
        gap.min(),
        at_least=1e-12,
    )
    if run.seed == 0:
        run.claim(("seed 0: the smallest", "种子 0：最小值"), gap.min(), equals=6.2e-4, within=5e-6)
    hessian = mt.analysis.hessian(lambda p: -entropy(p), np.array([0.5, 0.3, 0.2]))
    for k, value in enumerate((2.0, 10 / 3, 5.0)):
        run.claim((rf"Hessian of $-H$ at (.5, .3, .2): entry {k + 1} of the diagonal, $1/p_{k + 1}$",
                   rf"$-H$ 在 (.5, .3, .2) 处的 Hessian 矩阵：对角元 {k + 1}，即 $1/p_{k + 1}$"),
                  hessian[k, k], equals=value, within=1e-6)  # fmt: skip
    run.claim(("and the largest entry beside the diagonal", "非对角元的最大绝对值"),
              np.abs(hessian - np.diag(np.diag(hessian))).max(), at_most=1e-12)  # fmt: skip
    grid = mt.analysis.triangle_grid(60)
    heights = entropy(grid).numpy()
    run.claim(("the triangle's highest point less (1/3, 1/3, 1/3)", "三角形上的最高点与 (1/3, 1/3, 1/3) 之差"),
              np.abs(grid[heights.argmax()] - 1 / 3).max(), at_most=1e-12)  # fmt: skip
    run.claim(("H there", "该处的 $H$"), heights.max(), equals=1.098612, within=1e-6)
    run.claim(("points within 1e-9 of that height: a single peak", "与最高值相差不超过 1e-9 的点数：只有一座峰"),
              int((heights > heights.max() - 1e-9).sum()), equals=1)  # fmt: skip
    p, q = np.array([0.9, 0.05, 0.05]), np.array([0.05, 0.15, 0.8])
    t = np.linspace(0, 1, 101)
    chord = entropy((1 - t[:, None]) * p + t[:, None] * q).numpy()
    apart, shown = gaps(n, pairs)

    def draw(left: Any, middle: Any, right: Any) -> None:
        ternary(lambda x: entropy(x).numpy(), left, label="H in nats", levels=11)
        left.plot(*to_triangle(np.full(3, 1 / 3)), "r*", markersize=11, label=f"highest: ln 3 = {math.log(3):.4f}")
        left.plot(*to_triangle(np.array([p, q])).T, "w--o", markersize=4, linewidth=1.2)
        left.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 0.07))
        middle.plot(t, chord, label="H on the dashed way")
        middle.plot(t[[0, -1]], chord[[0, -1]], "k--", linewidth=1, label="its chord")
        middle.fill_between(t, chord[0] + t * (chord[-1] - chord[0]), chord, alpha=0.15)
        middle.set(xlabel="from p (0) to q (1)", ylabel="H in nats")
        middle.legend(fontsize="small")
        right.loglog(apart, shown, ".", markersize=2, label=f"{pairs} random pairs, n = {n}")
        right.loglog(apart, apart**2 / 8, ".", markersize=1, color="C3", label=r"$|p - q|^2 / 8$, a lower bound")
        right.set(xlabel="|p - q|", ylabel="H at the middle less the mean of the ends")
        right.legend(fontsize="small", markerscale=5)

    run.claim(
        (r"smallest gap over $|p - q|^2 / 8$, a bound that follows from $1/p_i \ge 1$",
         r"差值与 $|p - q|^2 / 8$ 之比的最小值（由 $1/p_i \ge 1$ 得到的下界）"),
        (shown / (apart**2 / 8)).min(),
        at_least=1.0,
    )  # fmt: skip
    run.figure(
        (
            "Left: the level lines of entropy in a triangle. Middle: it lies above its chord. Right: for random pairs, too.",
            "左：三角形上熵的等高线。中：熵在弦的上方。右：随机取的分布对也是如此。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )
