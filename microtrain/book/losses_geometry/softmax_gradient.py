"""The gradient of cross-entropy by the logits: prediction less truth (Theorem 4.1.5)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..losses_structure.deep_gradients import logit_gradients
from ..run import Run
from .derivatives import central, gradient
from .softmax import Z, softmax


def composed(z: mt.Tensor, target: mt.Tensor) -> mt.Tensor:
    """Cross-entropy step by step: softmax, logarithm, sum."""
    return -(mt.softmax(z, -1).log() * target).sum()


@item(
    "softmax-ce-gradient",
    kind="theorem",
    source="Chapter 4, section 4.1.6, Theorem 4.1.5; section 4.1.7",
    title=("Prediction less truth", "预测减真实"),
    statement=(
        r"The derivative of softmax cross-entropy by a logit is the predicted probability less the true one: $\partial L/\partial z_k = \hat p_k - "
        "p_k$.",
        r"Softmax 交叉熵关于一个 logit 的导数等于该类的预测概率减去真实概率：$\partial L/\partial z_k = \hat p_k - p_k$。",
    ),
    verdict="holds",
    ranges={"z1": (-5.0, 5.0), "z2": (-5.0, 5.0), "z3": (-5.0, 5.0), "label": (0, 2)},
)
def softmax_ce_gradient(run: Run, z1: float = 2.0, z2: float = 1.0, z3: float = 0.1, label: int = 0) -> None:
    z = np.array(Z)
    run.claim(("loss of (2, 1, 0.1), label 0", "(2, 1, 0.1)、标签 0 的损失"), mt.cross_entropy(mt.tensor(z), 0).item(), equals=0.417030,
              within=1e-6)  # fmt: skip
    cases = {
        ("label 0", "标签 0"): (np.array([1.0, 0, 0]), 0, (-0.340999, 0.242433, 0.098566)),
        ("target (0.2, 0.3, 0.5)", "目标 (0.2, 0.3, 0.5)"): (
            np.array([0.2, 0.3, 0.5]),
            None,
            (0.459001, -0.057567, -0.401434),
        ),
    }
    for (name, zh), (soft, hard, expected) in cases.items():
        target = mt.tensor(soft)
        fused = gradient(lambda t, goal=target if hard is None else hard: mt.cross_entropy(t, goal), z)
        for k, value in enumerate(expected):
            run.claim((rf"{name}: $\partial L / \partial z_{k + 1}$", rf"{zh}：$\partial L / \partial z_{k + 1}$"), fused[k], equals=value,
                      within=1e-6)  # fmt: skip
        run.claim((f"{name}: components add up to", f"{zh}：各分量之和"), fused.sum(), equals=0, within=1e-12)
        parts = gradient(lambda t, goal=target: composed(t, goal), z)
        numbers = central(lambda t, goal=target: composed(t, goal), z)
        run.claim(
            (f"{name}: fused against composed", f"{zh}：融合形式与逐步计算之差"),
            np.abs(fused - parts).max(),
            at_most=1e-12,
        )
        run.claim(
            (f"{name}: fused against central differences", f"{zh}：融合形式与中心差分之差"),
            np.abs(fused - numbers).max(),
            at_most=1e-7,
        )
    batch = mt.tensor(np.array([z, -z, z[::-1], 0 * z]))
    each, mean = (
        gradient(lambda t, r=r: mt.cross_entropy(t, mt.tensor([0, 1, 2, 0]), reduction=r), batch)
        for r in ("sum", "mean")
    )
    run.claim(
        ("the mean over 4 samples divides by 4: error", "对 4 个样本取均值即除以 4：误差"),
        np.abs(each / 4 - mean).max(),
        at_most=1e-15,
    )
    heavy = np.array([0.2, 0.3, 1.0])
    off = gradient(lambda t: mt.cross_entropy(t, mt.tensor(heavy)), z)
    for k, value in enumerate((0.788502, 0.063649, -0.852151)):
        run.claim((rf"target (0.2, 0.3, 1), whose sum is 1.5: $\partial L / \partial z_{k + 1}$",
                   rf"目标 (0.2, 0.3, 1)，和为 1.5：$\partial L / \partial z_{k + 1}$"), off[k], equals=value, within=1e-6)  # fmt: skip
    run.claim((r"the same against $s\hat p - p$, $s = 1.5$", r"同上，与 $s\hat p - p$（$s = 1.5$）之差"), np.abs(off - (1.5 * softmax(z) - heavy)).max(),
              at_most=1e-12)  # fmt: skip
    run.note(
        r"A side condition: the target must add up to 1. With the sum $s$ the gradient is $s\hat p - p$.",
        r"前提：目标之和须为 1。若和为 $s$，梯度为 $s\hat p - p$。",
    )
    own = np.array([z1, z2, z3])
    p, slope = softmax(own), gradient(lambda t: mt.cross_entropy(t, label), own)
    grid = np.linspace(-5, 5, 101)
    rows = np.tile(own, (101, 1))
    rows[:, label] = grid
    labels = mt.tensor(np.full(101, label))
    losses = np.asarray(mt.cross_entropy(mt.tensor(rows), labels, reduction="none"))
    slopes = gradient(lambda t: mt.cross_entropy(t, labels, reduction="sum"), rows)[:, label]

    def draw(left: Any, right: Any) -> None:
        place = np.arange(3)
        left.bar(place - 0.27, p, 0.25, label=r"prediction $\hat p$")
        left.bar(place, np.eye(3)[label], 0.25, color="0.7", label="truth p")
        bars = left.bar(place + 0.27, slope, 0.25, color="C3", label=r"gradient, by autodiff")
        left.bar_label(bars, fmt="%.3f", fontsize=8)
        left.axhline(0, color="black", linewidth=0.8)
        left.set_xticks(place, [f"$z_{k + 1}$" for k in range(3)])
        left.set(ylim=(-1.1, 1.3), ylabel="probability, gradient")
        right.plot(grid, losses, label="loss")
        right.plot(grid, slopes, "--", color="C3", label="its slope, between -1 and 0")
        right.axvline(own[label], color="0.7", linewidth=0.8)
        right.set(xlabel=f"logit of the true class, $z_{label + 1}$", ylabel="loss, slope")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("The gradient is the difference of two distributions: it pulls up the true class and pushes down the others by what they were given.",
         "梯度是两个分布之差：抬高真实类别，并按各类得到的概率压低其他类别。"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip


@item(
    "softmax-ce-gradient-bounded",
    kind="theorem",
    source="Chapter 4, section 4.1.6, after Theorem 4.1.5",
    title=("Bounded, and of the size of the gap", "梯度有界，与差距同阶"),
    statement=(
        r"The gradient $\hat p - p$ goes to zero as the prediction approaches the truth, and else has the size of the gap.",
        r"预测接近真实时，梯度 $\hat p - p$ 趋于零；偏离时，梯度的大小由差距决定。",
    ),
    verdict="holds",
    ranges={"scale": (0.1, 50.0), "classes": (2, 50)},
    random=True,
)
def bounded(run: Run, scale: float = 20.0, classes: int = 5) -> None:
    rng = np.random.default_rng(run.seed)

    def slopes(size: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        z, labels = size * rng.normal(size=(10000, count)), rng.integers(0, count, 10000)
        found = gradient(lambda t: mt.cross_entropy(t, mt.tensor(labels), reduction="sum"), z)
        return found, softmax(z)[np.arange(10000), labels]

    g, right = slopes(20.0, 5)
    run.claim(
        ("largest l2 norm of 10000", "10000 个梯度中最大的 $l_2$ 范数"),
        np.linalg.norm(g, axis=1).max(),
        equals=1.414214,
        within=1e-6,
    )
    run.claim(
        (r"it stays within $\sqrt{2}$", r"不超过 $\sqrt{2}$"),
        np.linalg.norm(g, axis=1).max(),
        at_most=np.sqrt(2) + 1e-12,
    )
    run.claim(("largest l1 norm", "最大的 $l_1$ 范数"), np.abs(g).sum(1).max(), equals=2, within=1e-6)
    run.claim(("largest component", "最大的分量"), np.abs(g).max(), equals=1, within=1e-6)
    run.claim(("sum of the components", "各分量之和"), g.sum(1), equals=0, within=1e-12)
    run.claim((r"l1 norm less $2(1 - \hat p_c)$, twice the missing probability", r"$l_1$ 范数减去缺失概率的 2 倍 $2(1 - \hat p_c)$"),
              np.abs(g).sum(1) - 2 * (1 - right), equals=0, within=1e-12)  # fmt: skip
    t = np.linspace(0, 25, 101)
    z = np.zeros((101, 5))
    z[:, 2] = t
    toward = gradient(lambda a: mt.cross_entropy(a, mt.tensor(np.full(101, 2)), reduction="sum"), z)
    norms = np.linalg.norm(toward, axis=1)
    run.claim(("logit of the true class from 0 to 25: largest change of the norm from step to step", "真实类别的 logit 由 0 增至 25：范数逐步变化的最大值"),
              np.diff(norms).max(), at_most=0)  # fmt: skip
    run.claim(("norm at 25", "25 处的范数"), norms[-1], at_most=1e-8)
    shown = {size: slopes(size, classes) for size in (1.0, 5.0, scale)}

    def draw(left: Any, right_: Any) -> None:
        for size, (found, _) in shown.items():
            left.hist(np.linalg.norm(found, axis=1), bins=np.linspace(0, 1.45, 59), histtype="step", linewidth=1.5,
                      label=f"logits of size {size:g}")  # fmt: skip
        left.axvline(np.sqrt(2), color="black", linestyle=":", label=r"$\sqrt{2}$")
        left.set(
            xlabel=r"norm of $\hat p - p$", ylabel="of 10000 random cases", yscale="log", title=f"{classes} classes"
        )
        found, share = shown[5.0]
        right_.plot(1 - share[:2000], np.linalg.norm(found, axis=1)[:2000], ".", markersize=2, label="norm")
        right_.plot([0, 1], [0, np.sqrt(2)], "k:", label=r"$\sqrt{2}(1 - \hat p_c)$")
        right_.plot([0, 1], [0, np.sqrt(1 + 1 / (classes - 1))], "--", color="C3", label="rest spread evenly")
        right_.set(xlabel=r"missing probability $1 - \hat p_c$", ylabel="norm of the gradient")
        for ax in (left, right_):
            ax.legend(fontsize="small")

    run.figure(
        ("However large the logits, the norm stays below $\\sqrt{2}$. It lies between two lines through 0: the size is that of the gap.",
         "无论 logit 多大，范数不超过 $\\sqrt{2}$；它介于过原点的两条直线之间，与差距同阶。"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


def output_norms(z: np.ndarray, label: int) -> dict[str, np.ndarray]:
    """Norms of the gradients by rows of logits, of cross-entropy and of half the squared error of the probabilities."""
    labels = np.full(len(z), label)
    goal = mt.tensor(np.eye(z.shape[1])[labels])
    found = {
        "cross-entropy": gradient(lambda t: mt.cross_entropy(t, mt.tensor(labels), reduction="sum"), z),
        "half squared error": gradient(lambda t: mse_loss(mt.softmax(t, -1), goal, "half_sum"), z),
    }
    return {name: np.linalg.norm(g, axis=1) for name, g in found.items()}


@item(
    "ce-gradient-not-modulated",
    kind="theorem",
    source="Chapter 4, section 4.1.6, second reason",
    title=("No factor $\\hat p(1 - \\hat p)$", "没有因子 $\\hat p(1 - \\hat p)$"),
    statement=(
        r"The gradient of cross-entropy carries no factor $\hat p(1 - \hat p)$, so it stays large where the output saturates; this eases "
        "vanishing gradients.",
        r"交叉熵的梯度不含因子 $\hat p(1 - \hat p)$，因此输出饱和时仍然较大，梯度消失得以缓解。",
    ),
    verdict="holds",
    ranges={"classes": (2, 20), "reach": (5.0, 35.0)},
)
def not_modulated(run: Run, classes: int = 3, reach: float = 20.0) -> None:
    z = np.linspace(-20, 0, 201)
    found = logit_gradients(z, 1.0)
    run.claim((r"label 1, $z$ from $-20$ to 0: $|dL/dz|$ of cross-entropy", r"标签 1，$z$ 由 $-20$ 到 0：交叉熵的 $|dL/dz|$"),
              found["cross-entropy"], at_least=0.5)  # fmt: skip
    run.claim((r"half squared error at $z = -20$: $|dL/dz|$", r"平方误差的一半在 $z = -20$ 处的 $|dL/dz|$"), found["squared error"][0],
              equals=2.1e-9, within=5e-11)  # fmt: skip
    run.claim(("its loss there", "该处的损失"), mse_loss(mt.sigmoid(mt.tensor([-20.0])), mt.tensor([1.0]), "half_sum").item(), equals=0.5,
              within=1e-6)  # fmt: skip
    for count in (2, 3, 10):
        even = output_norms(np.zeros((1, count)), 0)
        run.claim(
            (f"{count} classes, uniform prediction: norm of cross-entropy's over half squared error's",
             f"{count} 类、均匀预测：交叉熵与平方误差一半的梯度范数之比"),
            even["cross-entropy"] / even["half squared error"], equals=count, within=1e-12,
        )  # fmt: skip
    run.note(
        "This is about the output logit alone. It does nothing for hidden units that saturate.",
        "这里说的只是输出层的 logit。对饱和的隐藏单元，它没有帮助。",
    )
    grid = np.linspace(-reach, reach, 201)
    one = logit_gradients(grid, 1.0)
    rows = np.zeros((201, classes))
    rows[:, 0] = grid
    many = output_norms(rows, 1)

    def draw(left: Any, right: Any) -> None:
        left.semilogy(grid, one["cross-entropy"], label="cross-entropy")
        left.semilogy(grid, one["squared error"], "--", color="C3", label="half squared error")
        left.set(xlabel="logit z (label 1: wrong on the left)", ylabel="|dL/dz|", title="sigmoid")
        right.semilogy(grid, many["cross-entropy"], label="cross-entropy")
        right.semilogy(grid, many["half squared error"], "--", color="C3", label="half squared error")
        right.set(
            xlabel="logit of a wrong class (wrong on the right)",
            ylabel="norm of the gradient",
            title=f"softmax, {classes} classes",
        )
        for ax in (left, right):
            ax.legend(fontsize="small")
            ax.grid(alpha=0.3)

    run.figure(
        ("Where the prediction is surely wrong, cross-entropy pulls with full strength, while squared error has lost its gradient in the "
         "saturated output.",
         "预测明显错误时，交叉熵的梯度仍接近最大，平方误差的梯度则因输出饱和而消失。"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip
