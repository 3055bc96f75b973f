"""Cross-entropy, entropy and KL: which of them is a Bregman divergence (eq. 4.1.3)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain.nn.functional import bregman_divergence, distribution_cross_entropy, entropy, kl_divergence

from ..entry import item
from ..run import Run
from .bregman import distributions, divergences, negative_entropy

P, Q = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.3, 0.2])
ONE_HOT = np.array([1.0, 0.0, 0.0])


def middle_line(p: Any, q: Any, form: str) -> np.ndarray:
    """What stands between KL and the divergence in eq. 4.1.3: H(p, q) - H(p), and as printed KL once more."""
    two = distribution_cross_entropy(p, q) - entropy(p)
    return np.asarray(two + kl_divergence(p, q) if form == "printed" else two)


@item(
    "eq-4-1-3-double-counts-kl",
    kind="theorem",
    source="Chapter 4, section 4.1.5, eq. 4.1.3",
    title=("Eq. 4.1.3 counts KL twice", "式 (4.1.3) 把 KL 散度算了两次"),
    statement=(
        r"Theorem 4.1.4 writes the KL divergence as $-\sum p_i \ln q_i$ minus $-\sum p_i \ln p_i$ plus $\sum p_i \ln(p_i / q_i)$, and sets "
        r"this equal to $D_\phi(p, q)$.",
        r"定理 4.1.4 把 KL 散度写成 $-\sum p_i \ln q_i$ 减去 $-\sum p_i \ln p_i$ 再加上 $\sum p_i \ln(p_i / q_i)$，并令其等于 "
        r"$D_\phi(p, q)$。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The first two terms, cross-entropy less entropy, are the KL divergence already; the third adds it again. The middle line is exactly "
        r"twice the others: 0.1702 against 0.0851. Without the third term the chain is right: $D_{KL} = H(p, q) - H(p) = D_\phi(p, q)$, as the "
        "decomposition in the next sentence of the text has it.",
        r"前两项（交叉熵减熵）已经是 KL 散度，第三项又加了一次，因此中间一行恰为两端的 2 倍：0.1702 对 0.0851。去掉第三项，等式链"
        r"即成立：$D_{KL} = H(p, q) - H(p) = D_\phi(p, q)$，与原文下一句给出的分解一致。",
    ),
    ranges={"p1": (0.02, 0.96), "q1": (0.02, 0.96)},
    random=True,
)
def double_count(run: Run, p1: float = 0.7, q1: float = 0.5, form: str = "right") -> None:
    left, right = kl_divergence(P, Q).item(), bregman_divergence(negative_entropy, P, Q).item()
    run.claim(("the left side, KL", "左端，KL 散度"), left, equals=0.0851228, within=5e-8)
    run.claim((r"the right side, $D_\phi$", r"右端，$D_\phi$"), right, equals=0.0851228, within=5e-8)
    run.claim(("the middle line", "中间一行"), float(middle_line(P, Q, form)), equals=0.0851228, within=5e-8)
    run.claim(("with the third term, as printed", "加上原文的第三项"), float(middle_line(P, Q, "printed")), equals=0.1702457,
              within=5e-8)  # fmt: skip
    ps, qs = distributions(run.rng, 300), distributions(run.rng, 300)
    kl, breg = np.asarray(kl_divergence(ps, qs)), divergences(negative_entropy, ps, qs)
    run.claim(
        ("300 random pairs: the middle line over KL", "300 对随机分布：中间一行与 KL 散度之比"), middle_line(ps, qs, form) / kl,
        equals=1, within=1e-9,
    )  # fmt: skip
    run.claim((r"$D_\phi$ over KL", r"$D_\phi$ 与 KL 散度之比"), breg / kl, equals=1, within=1e-9)
    printed = middle_line(ps, qs, "printed")
    run.claim(("as printed, over KL", "原文的中间一行与 KL 散度之比"), printed / kl, equals=2, within=1e-9)
    shown_p = np.array([p1, *((1 - p1) * P[1:] / P[1:].sum())])
    shown_q = np.array([q1, *((1 - q1) * Q[1:] / Q[1:].sum())])
    parts = [
        distribution_cross_entropy(shown_p, shown_q).item(),
        -entropy(shown_p).item(),
        kl_divergence(shown_p, shown_q).item(),
    ]

    def draw(ax: Any, scatter: Any) -> None:
        ends = np.cumsum(parts)
        names = ("$H(p, q)$", "$-H(p)$", "third term, $+D_{KL}$")
        for k, (part, end, colour) in enumerate(zip(parts, ends, ("C0", "C2", "C3"), strict=True)):
            ax.bar(k, part, bottom=end - part, color=colour)
            ax.annotate(
                f"{part:+.4f}", (k, max(end, end - part)), xytext=(0, 3), textcoords="offset points", ha="center"
            )
            ax.plot([k - 0.4, min(k + 1.4, 2.4)], [end] * 2, ":", color="0.4")
        ax.axhline(parts[2], color="black", linewidth=1, linestyle="--")
        ax.annotate(
            f"KL = {parts[2]:.4f}", (2.5, parts[2]), xytext=(0, -4), textcoords="offset points", va="top", ha="right"
        )
        ax.set_xticks(range(3), names)
        ax.set(ylabel="nats", title="the printed middle line, term by term")
        ax.set_ylim(0, 1.15 * max(ends))
        top = float(kl.max())
        scatter.plot(kl, middle_line(ps, qs, "right"), "o", markersize=4, label="$H(p, q) - H(p)$")
        scatter.plot(kl, printed, "^", color="C3", markersize=4, label="with the third term")
        scatter.plot([0, top], [0, top], color="0.6", linewidth=1, label="slopes 1 and 2")
        scatter.plot([0, top], [0, 2 * top], color="0.6", linewidth=1)
        scatter.set(xlabel="KL(p, q)", ylabel="middle line", title="300 random pairs")
        scatter.legend(fontsize="small")

    run.figure(
        ("The first two terms end at the dashed line, where the sum should stop; the third lifts it to twice that.",
         "前两项之和已到虚线，即 KL 散度；第三项使总和变为其 2 倍。"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


def toward(p: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Distributions with these probabilities of the first outcome, the rest shared as in p (or evenly if p has no rest)."""
    rest = p[1:] / p[1:].sum() if p[1:].sum() else np.full(len(p) - 1, 1 / (len(p) - 1))
    return np.column_stack([first, (1 - first)[:, None] * rest])


@item(
    "cross-entropy-as-bregman",
    kind="theorem",
    source="Chapter 4, section 4.1.5, first paragraph and after eq. 4.1.3",
    title=("Cross-entropy, almost a divergence", "交叉熵与 Bregman 散度差一个常数"),
    statement=(
        "On the probability simplex cross-entropy is said to be a special Bregman divergence.",
        "原文称，交叉熵在概率单纯形上是一种特殊的 Bregman 散度。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The divergence is KL. Cross-entropy is $D_{KL} + H(p)$: it has the same gradients, but at $q = p$ it is $H(p)$, not 0. Only where $H(p) "
        "= 0$, for one-hot labels, is it a divergence itself.",
        r"Bregman 散度是 KL 散度。交叉熵为 $D_{KL} + H(p)$：梯度相同，但在 $q = p$ 处等于 $H(p)$ 而不是 0。只有当 $H(p) = 0$，即标签为 "
        "one-hot 编码时，交叉熵本身才是散度。",
    ),
    ranges={"p1": (0.34, 0.98)},
)
def cross_entropy_as_bregman(run: Run, p1: float = 0.7) -> None:
    own = distribution_cross_entropy(P, P).item()
    run.claim(
        ("soft label (0.7, 0.2, 0.1): $CE(p, p)$", "软标签 (0.7, 0.2, 0.1)：$CE(p, p)$"),
        own,
        equals=0.801819,
        within=5e-7,
    )
    run.claim((r"a divergence would be 0 there", "若为散度，该处应为 0"), own, at_least=0.5)
    gap = bregman_divergence(negative_entropy, P, Q).item()
    run.claim(
        (r"soft label: $CE - H(p) - D_\phi$", r"软标签：$CE - H(p) - D_\phi$"),
        distribution_cross_entropy(P, Q).item() - entropy(P).item() - gap, equals=0, within=1e-12,
    )  # fmt: skip
    hard = np.where(ONE_HOT == 0, 1e-300, ONE_HOT)  # ln 0 times 0 is 0 here
    run.claim(
        (r"one-hot label: $CE - D_\phi$", r"one-hot 标签：$CE - D_\phi$"),
        distribution_cross_entropy(ONE_HOT, Q).item() - bregman_divergence(negative_entropy, hard, Q).item(), equals=0, within=1e-12,
    )  # fmt: skip
    for name, zh, label in (("soft", "软标签", P), ("one-hot", "one-hot 标签", hard)):
        z = mt.tensor(np.log(Q), requires_grad=True)
        (a,) = mt.grad(mt.cross_entropy(z, mt.tensor(label)), [z])
        (b,) = mt.grad(bregman_divergence(negative_entropy, mt.tensor(label), mt.softmax(z)), [z])
        run.claim(
            (f"{name} label: gradients by the logits differ by", f"{zh}：两者关于 logit 的梯度之差"), np.abs(np.asarray(a - b)).max(),
            at_most=1e-12,
        )  # fmt: skip
    soft = np.array([p1, *((1 - p1) * np.array([2, 1]) / 3)])
    first = np.linspace(0.02, 0.995, 196)

    def draw(*axes: Any) -> None:
        for ax, label, name in zip(axes, (soft, ONE_HOT), ("soft label", "one-hot label"), strict=True):
            q = toward(label, first)
            cross, kl = (np.asarray(f(label, q)) for f in (distribution_cross_entropy, kl_divergence))
            own = entropy(label).item()
            ax.plot(first, cross, label="cross-entropy")
            ax.plot(first, kl, "--", label="KL, the Bregman divergence")
            ax.axvline(label[0], color="0.7", linewidth=0.8)
            if own:
                ax.annotate("", (label[0], own), (label[0], 0), arrowprops={"arrowstyle": "<->"})
                ax.annotate(
                    f"H(p) = {own:.3f}", (label[0], own / 2), xytext=(-6, 0), textcoords="offset points", ha="right"
                )
            ax.set(xlabel="$q_1$", ylabel="nats", title=f"{name}, $p_1$ = {label[0]:g}", ylim=(-0.1, 2.6))
            ax.legend(fontsize="small")

    run.figure(
        ("For a soft label the curves are parallel, $H(p)$ apart, with the minimum at the same place; for a one-hot label they coincide.",
         "软标签下两条曲线相距 $H(p)$，处处平行，最小值点相同；one-hot 标签下两者重合。"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip
