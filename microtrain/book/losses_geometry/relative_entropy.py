"""The KL divergence, and that it is never negative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import microtrain as mt
from microtrain.viz.plots import ternary

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run

losses = mt.nn.losses
kl = losses.kl_divergence
TARGET = (0.7, 0.2, 0.1)


def softmax_path(target: Any, lr: float, steps: int) -> np.ndarray:
    """The distributions softmax(z) on the way of gradient descent from z = 0 on KL(target || softmax(z)).

    The cross-entropy has the same gradient, and so the same way (item min-cross-entropy-is-min-kl).
    """
    p = mt.tensor(np.array(target, float))
    path = follow(descent(lr), lambda z: losses.kl_with_logits(z, p, "sum"), np.zeros(len(target)), steps)
    return mt.softmax(mt.tensor(path), -1).numpy()


@item(
    "kl-divergence",
    kind="definition",
    source="Chapter 4, section 4.1.1",
    title=("The KL divergence", "KL 散度"),
    statement=(
        r"$D_{KL}(P \| Q) = \sum_i p_i \ln(p_i / q_i) = \sum_i p_i (\ln p_i - \ln q_i)$ measures how far the model $Q$ is "
        r"from the target $P$.",
        r"$D_{KL}(P \| Q) = \sum_i p_i \ln(p_i / q_i) = \sum_i p_i (\ln p_i - \ln q_i)$ 衡量模型分布 $Q$ 与目标分布 $P$ 的差异。",
    ),
    verdict="holds",
    ranges={"p": (0.01, 0.99)},
    random=True,
)
def kl_divergence(run: Run, p: float = 0.5) -> None:
    half, skewed = (0.5, 0.5), (0.9, 0.1)
    run.claim((r"$D((.5, .5) \| (.9, .1))$", r"$D((.5, .5) \| (.9, .1))$"), kl(half, skewed).item(), equals=0.510826,
              within=1e-6)  # fmt: skip
    run.claim((r"$D((.9, .1) \| (.5, .5))$", r"$D((.9, .1) \| (.5, .5))$"), kl(skewed, half).item(), equals=0.368064,
              within=1e-6)  # fmt: skip
    run.claim((r"$D((1, 0) \| (.5, .5))$, which is $\ln 2$", r"$D((1, 0) \| (.5, .5))$，即 $\ln 2$"),
              kl((1.0, 0.0), half).item(), equals=math.log(2), within=1e-12)  # fmt: skip
    run.claim((r"$D((.5, .5) \| (1, 0))$ is infinite", r"$D((.5, .5) \| (1, 0))$ 为无穷大"),
              bool(np.isposinf(kl(half, (1.0, 0.0)).item())))  # fmt: skip
    targets, logits = run.rng.dirichlet(np.ones(4), 6), run.rng.normal(size=(6, 4))
    z = mt.tensor(logits, requires_grad=True)
    losses.kl_with_logits(z, targets, "sum").backward()
    found = np.array(z.grad)
    run.claim(
        (
            r"gradient in the logits less $\mathrm{softmax}(z) - p$",
            r"关于 logit 的梯度与 $\mathrm{softmax}(z) - p$ 之差",
        ),
        np.abs(found - (mt.softmax(logits, -1).numpy() - targets)).max(),
        at_most=1e-12,
    )
    objective = mt.analysis.objective(lambda v: losses.kl_with_logits(v.reshape(6, 4), targets, "sum"), logits.ravel())
    h = 1e-4
    at = logits.ravel() + h * np.array([-2, -1, 1, 2])[:, None, None] * np.eye(24)
    values = objective.values(at.reshape(-1, 24)).reshape(4, 24)
    slopes = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * h)
    run.claim(
        ("and less central differences of fourth order", "该梯度与四阶中心差分之差"),
        np.abs(found.ravel() - slopes).max(),
        at_most=1e-10,
    )
    pair = np.array([p, 1 - p])

    def draw(left: Any, right: Any) -> None:
        q = np.linspace(0.002, 0.998, 400)
        other = np.column_stack([q, 1 - q])
        left.plot(q, kl(pair, other).numpy(), label=rf"$D(P \| Q)$, P = ({p:g}, {1 - p:g})")
        left.plot(q, kl(other, pair).numpy(), "--", label=r"$D(Q \| P)$")
        left.plot([p], [0], "ko", markersize=5)
        left.set(xlabel=r"$q_1$", ylabel="nats", ylim=(-0.1, 3))
        left.legend(fontsize="small")
        a, b = np.array(TARGET), np.full(3, 1 / 3)
        terms = a * np.log(a / b)
        right.bar(np.arange(3), terms, color=["C0" if t > 0 else "C3" for t in terms])
        right.axhline(0, color="black", linewidth=0.8)
        right.axhline(terms.sum(), color="0.5", linestyle="--", label=f"sum {kl(a, b).item():.4f}")
        right.set(xlabel="outcome i", ylabel=r"$p_i \ln(p_i / q_i)$", xticks=range(3),
                  title="P = (.7, .2, .1), Q uniform")  # fmt: skip
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left: both divergences vanish where $Q = P$; $D(P \| Q)$ grows without bound where $Q$ excludes what $P$ allows. "
            "Right: single terms may be negative, the sum is not.",
            r"左：$Q = P$ 处两种散度都为 0；若 $Q$ 排除了 $P$ 可能出现的结果，$D(P \| Q)$ 趋于无穷。右：单项可以为负，总和不会。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


@item(
    "gibbs-inequality",
    kind="theorem",
    source="Chapter 4, section 4.1.1",
    title=("Gibbs' inequality", "Gibbs 不等式"),
    statement=(
        r"$D_{KL}(P \| Q) \ge 0$ for all distributions, and it is 0 exactly where $P = Q$.",
        r"对任意两个分布，$D_{KL}(P \| Q) \ge 0$，当且仅当 $P = Q$ 时等于 0。",
    ),
    verdict="holds",
    ranges={"lr": (0.05, 3.0), "n": (2, 20)},
    random=True,
)
def gibbs(run: Run, lr: float = 1.0, n: int = 5) -> None:
    pairs = run.rng.dirichlet(np.ones(5), (2, 5000))
    values = kl(*pairs).numpy()
    run.claim(("5000 random pairs over 5 outcomes: smallest divergence", "5 个结果上的 5000 对随机分布：最小散度"),
              values.min(), at_least=1e-9)  # fmt: skip
    if run.seed == 0:
        run.claim(("seed 0: the smallest", "种子 0：最小值"), values.min(), equals=0.0024, within=5e-5)
    run.claim(("D of the 5000 distributions from themselves", "5000 个分布与自身的散度"),
              np.abs(kl(pairs[0], pairs[0]).numpy()), equals=0.0)  # fmt: skip
    path = softmax_path(TARGET, 1.0, 500)
    run.claim(("gradient descent to (.7, .2, .1), 500 steps: divergence", "以 (.7, .2, .1) 为目标梯度下降 500 步：散度"),
              abs(kl(TARGET, path[-1]).item()), at_most=1e-12)  # fmt: skip
    run.claim(("and distance of softmax(z) from it", "Softmax 输出与目标之差"), np.abs(path[-1] - TARGET).max(),
              at_most=1e-6)  # fmt: skip
    shown = softmax_path(TARGET, lr, 60)
    others = kl(*run.rng.dirichlet(np.ones(n), (2, 5000))).numpy()

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.hist(np.log10(others), 60, alpha=0.7)
        left.set(xlabel=r"$\log_{10} D$", ylabel="pairs", title=f"5000 random pairs, n = {n}")
        ternary(lambda q: kl(np.array(TARGET), q).numpy(), middle, names=("$q_1$", "$q_2$", "$q_3$"), margin=0.01,
                levels=np.linspace(0, 2.4, 13), label=r"$D(P \| Q)$", cmap="Blues")  # fmt: skip
        middle.plot(*mt.analysis.to_triangle(shown).T, "o-", color="C1", markersize=3, label="gradient descent")
        middle.plot(*mt.analysis.to_triangle(np.array(TARGET)), "k*", markersize=11, label="P = (.7, .2, .1)")
        middle.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.1))
        right.semilogy(np.maximum(kl(np.array(TARGET), shown).numpy(), 1e-17))
        right.set(xlabel=rf"step, $\eta = {lr:g}$", ylabel=r"$D(P \| \mathrm{softmax}(z))$")

    run.figure(
        (
            "Left: no divergence is negative. Middle and right: its only minimum over $Q$ is $P$, and descent finds it.",
            "左：散度都不为负。中、右：作为 $Q$ 的函数，唯一的最小值点是 $P$，梯度下降能找到。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )
