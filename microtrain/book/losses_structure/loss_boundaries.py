"""Squared error and cross-entropy where the prediction is certain: finite on one side, infinite on the other."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain.nn.functional import binary_cross_entropy, mse_loss

from ..entry import item
from ..run import Run
from .binary_cross_entropy import by_gap

NEAR = 1e-9


def squared(prediction: Any, target: float, reduction: str = "none") -> np.ndarray:
    """(y - yhat)^2 of each prediction; half of it with "half_none"."""
    yhat = mt.tensor(np.asarray(prediction, float))
    return np.asarray(mse_loss(yhat, mt.full_like(yhat, target), reduction))


def entropy(prediction: Any, target: float) -> np.ndarray:
    """-y ln yhat - (1 - y) ln(1 - yhat) of each prediction."""
    yhat = mt.tensor(np.asarray(prediction, float))
    return np.asarray(binary_cross_entropy(yhat, mt.full_like(yhat, target), reduction="none"))


@item(
    "mse-boundary-behaviour",
    kind="theorem",
    source="Chapter 4, section 4.2.5, on the behaviour at the boundary",
    title=("Squared error at the ends of [0, 1]", "平方误差在 [0, 1] 两端的取值"),
    statement=(
        r"As $\hat{y} \to 0$ or $\hat{y} \to 1$, $L_{MSE}$ is printed to tend to $(1 - y)^2$ or $y^2$, a finite constant; therefore the loss has a "
        "lower bound even where everything is classified correctly.",
        r"原文称：当 $\hat{y} \to 0$ 或 $\hat{y} \to 1$ 时，$L_{MSE}$ 分别趋于有限的常数 $(1 - y)^2$ 或 $y^2$，因此即使完全正确分类，损失也有下界。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"Read in the order given, the limits are exchanged: $\hat{y} \to 0$ gives $y^2$ and $\hat{y} \to 1$ gives $(1 - y)^2$. What sets squared error apart is the finite "
        "upper bound 1, so that a confident error costs little more than a moderate one; the lower bound 0 is one that cross-entropy has too.",
        r"按所列次序理解，两个极限写反了：$\hat{y} \to 0$ 时为 $y^2$，$\hat{y} \to 1$ 时为 $(1 - y)^2$。平方误差的特点是有限的上界 1：再有把握的错误也只比一般的错误代价略高。"
        "下界 0 则是交叉熵也有的。",
    ),
    ranges={"y": (0.0, 1.0)},
)
def squared_error_ends(run: Run, y: float = 0.3, form: str = "right") -> None:
    for target in (0.0, 0.3, 1.0):
        ends = (target**2, (1 - target) ** 2)
        limits = squared((NEAR, 1 - NEAR), target)
        for name, value, end in zip(("0", "1"), limits, ends[::-1] if form == "printed" else ends, strict=True):
            run.claim(
                (rf"$y = {target:g}$, $\hat{{y}} \to {name}$", rf"$y = {target:g}$，$\hat{{y}} \to {name}$"),
                value,
                equals=end,
                within=1e-6,
            )
    halves = squared((NEAR, 1 - NEAR), 0.3, "half_none") / squared((NEAR, 1 - NEAR), 0.3)
    run.claim(
        (r"with the factor 1/2 of eq. 4.2.5: share of the value", r"带式 (4.2.5) 的系数 1/2：与原值之比"),
        halves,
        equals=0.5,
        within=1e-12,
    )
    inner = np.linspace(0, 1, 1001)
    highest = max(squared(inner, target).max() for target in np.linspace(0, 1, 101))
    run.claim(
        (r"largest value for $y, \hat{y} \in [0, 1]$", r"$y, \hat{y} \in [0, 1]$ 时的最大值"),
        highest,
        equals=1,
        within=1e-12,
    )
    run.claim((r"smallest values of squared error and of cross-entropy, $y = 1$", r"平方误差与交叉熵的最小值，$y = 1$"),
              [squared(inner, 1.0).min(), entropy(inner[1:], 1.0).min()], equals=0, within=1e-12)  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        for k, (target, style) in enumerate(dict.fromkeys(((0.0, "--"), (1.0, ":"), (y, "-")))):
            left.plot(inner, squared(inner, target), style, color=f"C{k}", label=rf"$y = {target:g}$")
            left.plot((0, 1), squared((0.0, 1.0), target), "o", color=f"C{k}")
        left.plot((0, 1), ((1 - y) ** 2, y**2), "kx", markersize=8, label=rf"as printed, $y = {y:g}$")
        left.set(xlabel=r"prediction $\hat{y}$", ylabel=r"$(y - \hat{y})^2$")
        z = np.linspace(-8, 8, 300)
        sure = np.asarray(mt.tensor(z).sigmoid())
        right.plot(z, squared(sure, 1.0), label=r"squared error, at most 1")
        right.plot(z, entropy(sure, 1.0), "--", label="cross-entropy, no upper bound")
        right.axhline(1, color="0.7", linewidth=0.8, linestyle=":")
        right.set(xlabel="logit of the true class", ylabel=r"loss, $y = 1$", ylim=(-0.2, 5))
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        (r"Left: squared error between $\hat{y} = 0$ and 1; crosses: the limits as printed. Right: behind a sigmoid, where the true class is 1",
         r"左：$\hat{y}$ 从 0 到 1 的平方误差，叉号为原文的极限。右：经过 Sigmoid，真实类别为 1"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


def by_logit_gap(gaps: Any) -> tuple[np.ndarray, np.ndarray]:
    """Fused cross-entropy of two classes, where the true logit is ahead by the gap: losses, and their slopes in the gap."""
    losses, gradients = by_gap(-np.asarray(gaps, float))
    return losses, gradients[:, 0]


@item(
    "ce-boundary-behaviour",
    kind="theorem",
    source="Chapter 4, sections 4.2.4 and 4.2.5, on the behaviour at the boundary",
    title=("Cross-entropy has no upper bound", "交叉熵没有上界"),
    statement=(
        r"$L_{CE} = -\log \hat{p}_c \to 0$ as $\hat{p}_c \to 1$, and $L_{CE} \to +\infty$ as $\hat{p}_c \to 0$: the more wrong the model, the larger the loss, "
        "without limit.",
        r"$\hat{p}_c \to 1$ 时 $L_{CE} = -\log \hat{p}_c \to 0$，$\hat{p}_c \to 0$ 时 $L_{CE} \to +\infty$：模型错得越多，损失越大，没有上限。",
    ),
    verdict="holds",
    ranges={"gap": (-1000.0, 1000.0)},
)
def cross_entropy_ends(run: Run, gap: float = -20.0) -> None:
    run.claim(
        (r"$\hat{p}_c = 1 - 10^{-9}$: loss", r"$\hat{p}_c = 1 - 10^{-9}$：损失"),
        entropy((1 - NEAR,), 1.0)[0],
        equals=1e-9,
        within=1e-15,
    )
    run.claim(
        (r"$\hat{p}_c = 10^{-9}$: loss", r"$\hat{p}_c = 10^{-9}$：损失"),
        entropy((NEAR,), 1.0)[0],
        equals=20.7233,
        within=5e-5,
    )
    losses, slopes = by_logit_gap((-1000.0, -50.0, 50.0))
    run.claim(
        ("wrong by 1000 in the logits, fused: loss", "logit 落后 1000，融合计算：损失"),
        losses[0],
        equals=1000,
        within=1e-9,
    )
    run.claim(
        ("wrong by 50: slope in the gap of the logits", "logit 落后 50：损失对 logit 差的导数"),
        slopes[1],
        equals=-1,
        within=1e-12,
    )
    run.claim(("right by 50: the same slope", "logit 领先 50：同一导数"), slopes[2], equals=0, within=1e-12)
    own, steep = by_logit_gap((gap,))

    def draw(left: Any, right: Any) -> None:
        p = np.geomspace(1e-12, 1, 400)
        left.semilogx(p, entropy(p, 1.0), label=r"$-\ln \hat{p}_c$")
        left.semilogx(p, squared(p, 1.0), "--", label=r"$(1 - \hat{p}_c)^2$, for comparison")
        left.set(xlabel=r"probability $\hat{p}_c$ of the true class", ylabel="loss")
        reach = np.linspace(-1.3 * max(8.0, abs(gap)), 1.3 * max(8.0, abs(gap)), 401)
        loss, slope = by_logit_gap(reach)
        right.plot(reach, loss, label="loss")
        right.plot(reach, -reach, ":", color="0.5", linewidth=1, label="-gap")
        right.plot(gap, own[0], "C0o", label=f"gap {gap:g}: loss {own[0]:.4g}, slope {steep[0]:.3g}")
        right.set(xlabel="gap: true logit less the other", ylabel="loss", ylim=(-0.05 * loss.max(), 1.05 * loss.max()))
        other = right.twinx()
        other.plot(reach, slope, "C1--", label="slope (right scale)")
        other.set(ylim=(-1.05, 1.0), ylabel="slope in the gap")
        other.legend(fontsize="small", loc="center right", bbox_to_anchor=(1.0, 0.38))
        left.legend(fontsize="small")
        right.legend(fontsize="small", loc="upper right")

    run.figure(
        ("The loss grows without bound as the true class gets less probable; its slope in the logits does not",
         "真实类别的概率越低，损失越大，没有上界；损失对 logit 的导数则有界"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip
