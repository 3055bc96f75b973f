"""Cross-entropy: the entropy of the target, and the divergence that a model can reduce."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain.viz.plots import ternary

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run
from .relative_entropy import TARGET, softmax_path

losses = mt.nn.losses


@item(
    "cross-entropy-decomposition",
    kind="definition",
    source="Chapter 4, sections 4.1.3, 4.1.5 and 4.1.7; section 4.2.2",
    title=("Cross-entropy = entropy + KL divergence", "交叉熵 = 熵 + KL 散度"),
    statement=(
        r"$H(P, Q) = -\sum_i p_i \ln q_i = H(P) + D_{KL}(P \| Q)$: a part that the data fix and a part that the model can "
        "reduce.",
        r"$H(P, Q) = -\sum_i p_i \ln q_i = H(P) + D_{KL}(P \| Q)$：前一项由数据决定，后一项可由模型减小。",
    ),
    verdict="holds",
    ranges={"toward": (0, 2)},
    random=True,
)
def decomposition(run: Run, toward: int = 1) -> None:
    q = np.array([0.5, 0.3, 0.2])
    cross, own, kl = losses.decompose([TARGET], np.log(q)[None])
    run.claim(("P = (.7, .2, .1), Q = (.5, .3, .2): cross-entropy", "P = (.7, .2, .1)、Q = (.5, .3, .2)：交叉熵"), cross,
              equals=0.886941, within=1e-6)  # fmt: skip
    run.claim(("entropy of P", "P 的熵"), own, equals=0.801819, within=1e-6)
    run.claim(("KL divergence", "KL 散度"), kl, equals=0.085123, within=1e-6)
    run.claim(("cross-entropy - entropy - divergence", "交叉熵 - 熵 - 散度"), abs(cross - own - kl), at_most=1e-12)
    targets, logits = run.rng.dirichlet(np.ones(4), 200), run.rng.normal(size=(200, 4))
    model = mt.softmax(logits, -1)
    each = (
        losses.distribution_cross_entropy(targets, model)
        - losses.entropy(targets)
        - losses.kl_divergence(targets, model)
    )
    run.claim(("200 random pairs over 4 outcomes: the same", "4 个结果上的 200 对随机分布：同一差值"), np.abs(each.numpy()).max(),
              at_most=1e-12)  # fmt: skip
    hard = np.eye(4)[run.rng.integers(0, 4, 200)]
    run.claim(("one-hot targets: entropy", "one-hot 目标：熵"), np.abs(losses.entropy(hard).numpy()), equals=0.0)
    labels = hard.argmax(1)
    run.claim(
        (r"one-hot targets: cross-entropy less $-\ln q_c$", r"one-hot 目标：交叉熵与 $-\ln q_c$ 之差"),
        np.abs((losses.distribution_cross_entropy(hard, model) + model.log()[np.arange(200), labels]).numpy()).max(),
        at_most=1e-12,
    )
    run.claim(
        ("one-hot targets: cross-entropy less the divergence", "one-hot 目标：交叉熵与散度之差"),
        np.abs((losses.distribution_cross_entropy(hard, model) - losses.kl_divergence(hard, model)).numpy()).max(),
        at_most=1e-12,
    )
    models = {
        "(.98, .01, .01)": (0.98, 0.01, 0.01),
        "(.5, .3, .2)": tuple(q),
        "uniform": (1 / 3,) * 3,
        "P itself": TARGET,
    }

    def draw(left: Any, right: Any) -> None:
        parts = np.array([[own, losses.kl_divergence(TARGET, m).item()] for m in models.values()])
        left.bar(range(4), parts[:, 0], color="0.7", label="H(P), fixed by the data")
        left.bar(range(4), parts[:, 1], bottom=parts[:, 0], color="C3", label=r"$D(P \| Q)$")
        left.set(xticks=range(4), xticklabels=list(models), xlabel="Q", ylabel="cross-entropy in nats", ylim=(0, 1.6))
        left.legend(fontsize="small")
        t = np.linspace(0, 0.99, 200)
        way = (1 - t[:, None]) / 3 + t[:, None] * np.eye(3)[toward]
        right.plot(t, losses.distribution_cross_entropy(np.tile(TARGET, (200, 1)), way).numpy(), label="H(P, Q)")
        right.plot(t, losses.kl_divergence(np.tile(TARGET, (200, 1)), way).numpy(), "C3--", label=r"$D(P \| Q)$")
        right.axhline(own, color="0.5", linestyle=":", label="H(P), their difference")
        right.set(xlabel=f"Q from uniform (0) to certainty of outcome {toward} (1)", ylabel="nats", ylim=(0, 4))
        right.legend(fontsize="small")

    run.figure(
        ("Left: four models for P = (.7, .2, .1). Right: both curves differ by the constant H(P).",
         "左：P = (.7, .2, .1) 与四种模型分布。右：两条曲线只差常数 H(P)。"),
        draw,
        (1, 2), (9.6, 4.0),
    )  # fmt: skip


@item(
    "min-cross-entropy-is-min-kl",
    kind="theorem",
    source="Chapter 4, sections 4.1.3 and 4.1.5",
    title=("Minimising cross-entropy is minimising the KL divergence", "最小化交叉熵等价于最小化 KL 散度"),
    statement=(
        "With the target distribution fixed by the data, cross-entropy and KL divergence have the same minimiser, for they "
        "differ by a constant.",
        "目标分布由数据决定时，交叉熵与 KL 散度只差一个常数，因此最小值点相同。",
    ),
    verdict="holds",
    ranges={"lr": (0.05, 3.0), "steps": (5, 500)},
)
def same_minimum(run: Run, lr: float = 1.0, steps: int = 40) -> None:
    target = mt.tensor([TARGET])

    def logits(rate: float, count: int) -> np.ndarray:
        return follow(descent(rate), lambda z: mt.cross_entropy(z.reshape(1, 3), target), np.zeros(3), count)

    by_ce = logits(1.0, 500)
    by_kl = follow(descent(1.0), lambda z: losses.kl_with_logits(z.reshape(1, 3), target), np.zeros(3), 500)
    run.claim(("500 steps on each: largest distance of the trajectories", "各走 500 步：两条轨迹的最大差"),
              np.abs(by_ce - by_kl).max(), at_most=1e-12)  # fmt: skip
    slopes = [
        mt.analysis.objective(loss, np.zeros(3)).gradients(by_ce[::25])
        for loss in (
            lambda z: mt.cross_entropy(z.reshape(1, 3), target),
            lambda z: losses.kl_with_logits(z.reshape(1, 3), target),
        )
    ]
    run.claim(
        ("gradients along the way: largest difference", "沿途梯度的最大差"),
        np.abs(slopes[0] - slopes[1]).max(),
        at_most=1e-12,
    )
    end = mt.softmax(mt.tensor(by_ce[-1]), -1).numpy()
    run.claim(("softmax(z) at the end less (.7, .2, .1)", "终点 Softmax 输出与 (.7, .2, .1) 之差"), np.abs(end - TARGET).max(),
              at_most=1e-6)  # fmt: skip
    cross, own, kl = losses.decompose(target, by_ce[-1:])
    run.claim(
        ("cross-entropy at the end: H(P), not 0", "终点的交叉熵：等于 H(P)，而不是 0"),
        cross,
        equals=0.801819,
        within=1e-6,
    )
    run.claim(("KL divergence at the end", "终点的 KL 散度"), abs(kl), at_most=1e-12)
    path = logits(lr, steps)
    parts = np.array([losses.decompose(target, z[None]) for z in path])
    shown = softmax_path(TARGET, lr, steps)

    def draw(left: Any, right: Any) -> None:
        ternary(lambda q: losses.distribution_cross_entropy(np.tile(TARGET, (len(q), 1)), q).numpy(), left, margin=0.01,
                names=("$q_1$", "$q_2$", "$q_3$"), levels=np.linspace(0.8, 3.2, 13), label="cross-entropy", cmap="Blues")  # fmt: skip
        on_ce = mt.softmax(mt.tensor(path), -1).numpy()
        left.plot(*mt.analysis.to_triangle(on_ce).T, "o-", color="C1", markersize=6, label="on the cross-entropy")
        left.plot(*mt.analysis.to_triangle(shown).T, "x", color="black", markersize=4, label="on the KL divergence")
        left.legend(fontsize="small", loc="upper left")
        right.plot(parts[:, 0], label="cross-entropy")
        right.plot(parts[:, 2], "C3--", label="KL divergence")
        right.axhline(own, color="0.5", linestyle=":", label=f"H(P) = {own:.6f}")
        right.set(xlabel=rf"step, $\eta = {lr:g}$", ylabel="nats", ylim=(-0.02, None))
        right.legend(fontsize="small")

    run.figure(
        ("Left: both descents visit the same distributions. Right: the cross-entropy ends at the entropy of the target.",
         "左：两种下降经过的分布相同。右：交叉熵最终等于目标分布的熵。"),
        draw,
        (1, 2), (9.6, 4.2),
    )  # fmt: skip
