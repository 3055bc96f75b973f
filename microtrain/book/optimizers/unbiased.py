"""The gradient of a mini-batch on average over all batches."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .least_squares import mse_loss, normal_data
from .smoothness import half_mean


@item(
    "minibatch-gradient-unbiased",
    kind="theorem",
    source="Deep-learning optimizers, the display of the mini-batch gradient; hands-on problem 3154417",
    title=("The mini-batch gradient is unbiased", "小批量梯度是无偏估计"),
    statement=(
        r"For a mini-batch $B$ of $m$ samples drawn uniformly, $\tilde g = \frac{1}{m} \sum_{i \in B} \nabla \ell_i$ has the "
        "full gradient as its expectation.",
        r"若小批量 $B$ 由均匀抽取的 $m$ 个样本组成，则 $\tilde g = \frac{1}{m} \sum_{i \in B} \nabla \ell_i$ 的期望等于全批量梯度。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It needs uniform sampling and the mean over the batch. With the sum of eq. 6.10 the expectation is $m/n$ times the "
        r"gradient of the sum. And in an epoch whose last batch is smaller, the mean weighs the samples unequally: 1/4 in a "
        r"batch of 4, 1/2 in the last one of 2.",
        r"需要均匀采样，并对批次取均值。按式 (6.10) 求和时，期望是总和梯度的 $m/n$ 倍。若一轮中最后一个批次较小，取均值会使样本权重不等："
        r"4 个样本的批次中各占 1/4，最后 2 个样本的批次中各占 1/2。",
    ),
    ranges={"n": (3, 14), "m": (1, 3)},
    random=True,
)
def unbiased(run: Run, n: int = 8, m: int = 3) -> None:
    X, w, y = normal_data(run.rng, n, 3)
    x, t = mt.tensor(X), mt.tensor(y)

    def samples(v: mt.Tensor) -> mt.Tensor:
        return 0.5 * (x @ v - t) ** 2

    full = mt.analysis.objective(half_mean(X, y), w).gradient()
    subsets = mt.analysis.all_batch_gradients(samples, w, m)
    p = mt.tensor(w, requires_grad=True)
    direct = []
    for batch in combinations(range(n), m):
        p.grad = None
        chosen = np.array(batch)
        mse_loss(mt.tensor(X[chosen]) @ p, mt.tensor(y[chosen]), "half_mean").backward()
        direct.append(np.array(p.grad))
    run.claim(
        (
            f"a backward pass for each of {len(subsets)} batches gives the same",
            f"对 {len(subsets)} 个批次逐一反向传播，结果相同",
        ),
        np.abs(np.array(direct) - subsets).max(),
        at_most=1e-14,
    )
    run.claim(
        (
            f"mean over the {len(subsets)} batches less the full gradient",
            f"{len(subsets)} 个批次的均值与全批量梯度之差",
        ),
        np.abs(subsets.mean(0) - full).max(),
        at_most=1e-14,
    )
    each = mt.analysis.per_sample_gradients(samples, w)
    sigma2 = float(((each - full) ** 2).sum(1).mean())
    ordered = mt.analysis.batch_gradients(samples, w, [np.array(b) for b in product(range(n), repeat=m)])
    for name, zh, found, exact, known in (
        ("without replacement", "无放回", subsets, sigma2 / m * (n - m) / (n - 1), 0.335073),
        ("with replacement", "有放回", ordered, sigma2 / m, 0.469102),
    ):
        spread = float(((found - full) ** 2).sum(1).mean())
        run.claim((f"{name}: variance less the formula", f"{zh}：方差与公式之差"), abs(spread - exact), at_most=1e-12)
        if run.seed == 0:
            run.claim(
                (f"{name}: variance, data of seed 0", f"{zh}：种子 0 数据的方差"), spread, equals=known, within=1e-6
            )
    total = each.sum(0)
    sums = mt.analysis.all_batch_gradients(samples, w, m, "sum").mean(0)
    run.claim(
        (r"sum form: expectation over the gradient of the sum, $m/n$", r"求和形式：期望与总和梯度之比，$m/n$"),
        sums / total,
        equals=3 / 8,
        within=1e-12,
    )
    weight = mt.tensor(np.zeros(10), requires_grad=True)
    for batch in mt.data.DataLoader(mt.tensor(np.arange(10)), batch_size=4):
        weight[batch].mean().backward()
    weights = np.array(weight.grad)
    run.claim(
        (r"epoch of 10 in batches of 4: weight in a full batch", r"10 个样本、批量 4 的一轮：满批次中的权重"),
        weights[:8],
        equals=0.25,
    )
    run.claim((r"weight in the last batch of 2", r"最后 2 个样本的批次中的权重"), weights[8:], equals=0.5)

    def draw(left: Any, right: Any) -> None:
        for k, (g, name) in enumerate(((ordered, "with replacement"), (subsets, "without"))):
            left.plot(g[:, 0], g[:, 1], ".", color=f"C{k}", alpha=0.5 if k else 0.25, label=f"{len(g)} batches {name}")
        left.plot(*full[:2], "k*", markersize=12, label="full gradient = mean of both")
        left.set(xlabel="gradient in $w_0$", ylabel="gradient in $w_1$")
        left.legend(fontsize="small")
        right.bar(np.arange(10), weights, color=["C0"] * 8 + ["C3"] * 2)
        right.set(
            xlabel="sample",
            ylabel="weight in the epoch",
            xticks=np.arange(10),
            title="10 samples, batches of 4, 4 and 2",
        )

    run.figure(
        (
            "Left: gradients of all batches. Right: a smaller last batch gives its samples more weight.",
            "左：所有批次的梯度。右：最后一个批次较小时，其中样本的权重更大。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )
