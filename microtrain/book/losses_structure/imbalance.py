"""Losses for classes of very different size: weights and the focal loss (section 4.2.7)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..losses_geometry.derivatives import gradient
from ..run import Run

F: Any = mt.nn.functional
focal: Any = mt.nn.losses.focal_loss
balanced: Any = mt.nn.losses.balanced_weights


@item(
    "weighted-cross-entropy",
    kind="loss",
    source="Chapter 4, section 4.2.7, second paragraph",
    title=("Cross-entropy with class weights", "加权交叉熵"),
    statement=(
        r"For classes of unequal size a weighted cross-entropy may be needed: $\sum_n w_{y_n} L_n / \sum_n w_{y_n}$. (The "
        "book gives no formula; this is the usual one.)",
        r"类别不平衡时，可能需要加权的交叉熵：$\sum_n w_{y_n} L_n / \sum_n w_{y_n}$。（书中没有给出公式，这是常用的形式。）",
    ),
    verdict="holds",
    ranges={"weight": (0.1, 50.0)},
    random=True,
)
def weighted_cross_entropy(run: Run, weight: float = 5.0) -> None:
    logits = run.rng.standard_normal((12, 3))
    labels = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2])
    targets = mt.tensor(labels)

    def loss(weights: Any = None, reduction: str = "mean") -> Any:
        given = None if weights is None else mt.tensor(np.asarray(weights, float))
        return lambda z: F.cross_entropy(z, targets, weight=given, reduction=reduction)

    plain = analysis.Objective(loss(), logits)()
    run.claim(
        ("all weights 1, less the plain loss", "权重全为 1，与不加权的损失之差"),
        abs(analysis.Objective(loss((1, 1, 1)), logits)() - plain),
        at_most=1e-15,
    )
    w = np.array([1.0, 2.0, weight])
    apart = gradient(loss(w, "sum"), logits) - w[labels][:, None] * gradient(loss(None, "sum"), logits)
    run.claim(
        (
            "gradient of each sample, less its weight times the plain one",
            "每个样本的梯度，与其权重乘不加权梯度之差",
        ),
        np.abs(apart).max(),
        at_most=1e-12,
    )
    often = np.array([1, 2, 5])[labels]
    copies = F.cross_entropy(mt.tensor(np.repeat(logits, often, axis=0)), mt.tensor(np.repeat(labels, often)))
    run.claim(
        ("weights 1, 2, 5, less the loss with samples repeated so often", "权重 1、2、5，与样本重复相应次数的损失之差"),
        abs(analysis.Objective(loss((1, 2, 5)), logits)() - copies.item()),
        at_most=1e-12,
    )
    counts = np.bincount(labels)
    fair = np.asarray(balanced(targets))
    run.claim(
        (r"balanced weights $N/(C N_c)$: distance from it", r"平衡权重 $N/(C N_c)$：与公式之差"),
        np.abs(fair - 12 / (3 * counts)).max(),
        at_most=1e-15,
    )
    run.claim(
        ("with them every class has the same total weight: largest difference", "此时各类别的总权重相同：最大的差"),
        np.ptp(fair * counts),
        at_most=1e-12,
    )
    pos = mt.tensor(np.array(weight))
    z, y = mt.tensor(logits[:, 0]), mt.tensor((labels == 0).astype(float))
    by_hand = F.binary_cross_entropy_with_logits(z, y, reduction="none") * mt.tensor(np.where(labels == 0, weight, 1.0))
    run.claim(
        (
            "two classes: the loss with `pos_weight`, less class 1 weighted by hand",
            "二分类：使用 `pos_weight` 的损失与手工给类别 1 加权之差",
        ),
        abs(F.binary_cross_entropy_with_logits(z, y, pos_weight=pos).item() - by_hand.mean().item()),
        at_most=1e-12,
    )
    run.note(
        "Mind the normaliser: with class labels the mean divides by the sum of the weights, with `pos_weight` by the "
        "number of samples.",
        "注意归一化：使用类别标签时，均值除以权重之和；使用 `pos_weight` 时，除以样本数。",
    )
    kinds = {
        "plain": loss(), f"weights 1, 2, {weight:g}": loss(w), "balanced": loss(fair),
    }  # fmt: skip
    pulls = {name: np.abs(gradient(f, 0 * logits)).sum(1) for name, f in kinds.items()}

    def draw(left: Any, right: Any) -> None:
        for k, (name, size) in enumerate(pulls.items()):
            left.bar(np.arange(12) + 0.27 * (k - 1), size, 0.27, label=name)
            total = [size[labels == c].sum() for c in range(3)]
            right.bar(np.arange(3) + 0.27 * (k - 1), total, 0.27, label=name)
        left.set(xlabel="sample", ylabel="size of its gradient", title="Each sample, all logits 0")
        left.set_xticks(range(12), labels)
        left.set_xlabel("sample (its class)")
        right.set(xlabel="class", ylabel="sum over its samples", title="Each class")
        right.set_xticks(range(3))
        right.legend(fontsize="small")

    run.figure(
        (
            "Balanced weights give every class the same pull at the start.",
            "采用平衡权重时，起初每个类别的总梯度大小相同。",
        ),
        draw,
        (1, 2),
        (9.5, 3.8),
    )


@item(
    "focal-loss",
    kind="loss",
    source="Chapter 4, section 4.2.7, second paragraph (Lin et al. 2017)",
    title=("Focal loss", "Focal loss（焦点损失）"),
    statement=(
        r"The other loss suggested for unequal classes, without a formula. The usual one is "
        r"$-\alpha_t (1 - p_t)^\gamma \ln p_t$, $p_t$ the probability of the right class: easy samples count less.",
        r"针对类别不平衡的另一建议，书中没有给出公式。常用形式为 $-\alpha_t (1 - p_t)^\gamma \ln p_t$，"
        r"其中 $p_t$ 为正确类别的概率：容易的样本所占分量较小。",
    ),
    verdict="holds",
    ranges={"gamma": (0.0, 8.0), "alpha": (0.01, 0.99)},
    random=True,
)
def focal_loss(run: Run, gamma: float = 2.0, alpha: float = 0.25) -> None:
    logits, labels = run.rng.standard_normal((10, 4)), run.rng.integers(4, size=10)
    z, y = run.rng.normal(0, 3, size=50), run.rng.integers(2, size=50).astype(float)
    apart = focal(mt.tensor(logits), mt.tensor(labels), 0.0) - F.cross_entropy(mt.tensor(logits), mt.tensor(labels))
    run.claim(
        (r"$\gamma = 0$, less the cross-entropy", r"$\gamma = 0$，与交叉熵之差"), abs(apart.item()), at_most=1e-12
    )
    p = np.array([0.1, 0.5, 0.9, 0.99])
    at, ones = mt.tensor(np.log(p / (1 - p))), mt.tensor(np.ones(4))
    shares = focal(at, ones, reduction="none") / F.binary_cross_entropy_with_logits(at, ones, reduction="none")
    for value, share, expected in zip(p, shares.numpy(), (0.81, 0.25, 0.01, 1e-4), strict=True):
        run.claim(
            (
                rf"$\gamma = 2$, $p_t = {value:g}$: focal loss over cross-entropy",
                rf"$\gamma = 2$，$p_t = {value:g}$：focal loss 与交叉熵之比",
            ),
            share,
            equals=expected,
            relative=1e-9,
        )
    found = analysis.Objective(lambda x: focal(x, mt.tensor(y), 2.0, 0.25, reduction="sum"), z)
    slope = found.gradient()
    s = 2 * y - 1
    q = 1 / (1 + np.exp(-s * z))
    closed = s * np.where(y == 1, 0.25, 0.75) * (1 - q) ** 2 * (2 * q * np.log(q) + q - 1)
    run.claim(
        ("gradient by autodiff, less the closed form of two classes", "自动微分的梯度，与二分类闭式之差"),
        np.abs(slope - closed).max(),
        at_most=1e-12,
    )
    h = 1e-5 * np.eye(50)
    central = (found.values(z + h) - found.values(z - h)) / 2e-5
    run.claim(("the same, less central differences", "与中心差分之差"), np.abs(slope - central).max(), at_most=1e-7)
    far = np.array([-500.0, 500.0, -500.0, 500.0])
    edge = analysis.Objective(lambda x: focal(x, mt.tensor([0.0, 0.0, 1.0, 1.0]), reduction="sum"), far)
    run.claim(
        ("logits of 500: loss and gradient are finite", "logit 的绝对值为 500：损失与梯度均有限"),
        bool(np.isfinite([edge(), *edge.gradient()]).all()),
    )
    run.claim(("the loss of the two that are wrong", "其中两个错误样本的损失"), edge(), equals=1000.0, within=1e-9)

    def draw(left: Any, right: Any) -> None:
        logit = np.linspace(-6, 6, 200)
        prob = 1 / (1 + np.exp(-logit))
        for g, a in ((0.0, None), (0.5, None), (2.0, None), (gamma, alpha)):
            one = analysis.Objective(lambda x, g=g, a=a: focal(x, mt.tensor([1.0]), g, a), np.zeros(1))
            label = (
                ("cross-entropy" if g == 0 else rf"$\gamma = {g:g}$")
                if a is None
                else rf"$\gamma = {g:g}, \alpha = {a:g}$"
            )
            style = "--" if a is not None else "-"
            left.plot(prob, one.values(logit[:, None]), style, label=label)
            right.plot(logit, -one.gradients(logit[:, None])[:, 0], style, label=label)
        left.set(xlabel="probability of the right class", ylabel="loss", ylim=(0, 4))
        right.set(xlabel="logit of the right class", ylabel="minus the derivative")
        left.legend(fontsize="small")

    run.figure(
        (
            "Focal loss takes weight from the samples that are right already.",
            "Focal loss 降低已分类正确的样本所占的分量。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )
