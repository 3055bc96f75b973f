"""Surprise and its mean: self-information and entropy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import follow
from ..run import Run

losses = mt.nn.losses
UNITS = ((math.e, "nats", "纳特"), (2.0, "bits", "比特"))


@item(
    "self-information",
    kind="definition",
    source="Chapter 4, section 4.1.1",
    title=("Self-information: the surprise of an event", "自信息：事件的意外程度"),
    statement=(
        r"An event of probability $p$ carries $I = -\log_b p = \log_b(1/p)$: nothing if it is certain, more the rarer it "
        r"is. $b = 2$ counts in bits, $b = e$ in nats, which is customary because $\ln$ has the simplest derivative.",
        r"概率为 $p$ 的事件带有信息量 $I = -\log_b p = \log_b(1/p)$。必然事件的信息量为 0，事件越罕见，信息量越大。$b = 2$ 时单位为比特，"
        r"$b = e$ 时为纳特；自然对数求导最方便，因此最常用。",
    ),
    verdict="holds",
    ranges={"p": (0.001, 1.0)},
)
def self_information(run: Run, p: float = 0.25) -> None:
    information = losses.self_information
    for probability, bits in ((1.0, 0.0), (0.5, 1.0), (0.25, 2.0), (0.1, 3.321928)):
        run.claim((f"I({probability:g}) in bits", f"I({probability:g})，单位比特"), information(probability, 2).item() + 0.0,
                  equals=bits, within=1e-6)  # fmt: skip
    for probability, nats in ((0.5, 0.693147), (0.1, 2.302585)):
        run.claim((f"I({probability:g}) in nats", f"I({probability:g})，单位纳特"), information(probability).item(),
                  equals=nats, within=1e-6)  # fmt: skip
    run.claim(("1 nat in bits", "1 纳特合多少比特"), information(math.exp(-1), 2).item(), equals=1.442695, within=1e-6)
    falling = information(np.linspace(0.01, 1, 100)).numpy()
    run.claim(("largest step between 100 growing probabilities", "概率递增的 100 个点上相邻两值的最大增量"),
              np.diff(falling).max(), at_most=-1e-3)  # fmt: skip
    a, b = np.linspace(0.05, 1, 20), np.linspace(1, 0.02, 20)
    run.claim(
        ("$I(pq) - I(p) - I(q)$, largest of 20", "$I(pq) - I(p) - I(q)$ 的最大绝对值，共 20 组"),
        np.abs((information(a * b) - information(a) - information(b)).numpy()).max(),
        at_most=1e-12,
    )
    run.claim(("$I(0)$ is infinite", "$I(0)$ 为无穷大"), bool(np.isposinf(information(0.0).item())))
    slopes = {}
    for base, unit, zh in UNITS:
        at = mt.tensor([0.25, p], requires_grad=True)
        information(at, base).sum().backward()
        slopes[unit] = np.array(at.grad)
        run.claim(
            (f"$dI/dp$ at 0.25 from the backward pass, {unit}", f"反向传播求得 $p = 0.25$ 处的 $dI/dp$，单位{zh}"),
            slopes[unit][0],
            equals={"nats": -4.0, "bits": -5.770780}[unit],
            within=1e-6,
        )

    def draw(left: Any, right: Any) -> None:
        q = np.geomspace(min(p, 0.01), 1, 300)
        for base, unit, _ in UNITS:
            (line,) = left.plot(q, information(q, base).numpy(), label=unit)
            value = information(p, base).item()
            near = np.linspace(max(0.0, p - 0.12), min(1.0, p + 0.12), 2)
            left.plot(near, value + slopes[unit][1] * (near - p), "--", color=line.get_color(),
                      label=f"slope {slopes[unit][1]:.3f} at p = {p:g}")  # fmt: skip
            left.plot([p], [value], "o", color=line.get_color())
        left.set(xlabel="p", ylabel="I(p)", ylim=(-0.2, max(7.0, 1.1 * information(p, 2).item())))
        left.legend(fontsize="small")
        heads = np.arange(1, 11)
        right.bar(heads - 0.2, information(0.5**heads, 2).numpy(), 0.4, label="heads n times: bits")
        right.bar(heads + 0.2, information(6.0**-heads, 2).numpy(), 0.4, label="sixes n times: bits")
        right.set(xlabel="n", ylabel="I", xticks=heads)
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: the rarer, the more surprising; in nats the slope is $-1/p$. Right: independent surprises add up.",
            "左：越罕见，意外程度越大；以纳特计，斜率为 $-1/p$。右：独立事件的意外程度可以相加。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


@item(
    "shannon-entropy",
    kind="definition",
    source="Chapter 4, section 4.1.1",
    title=("Entropy: the mean surprise", "熵：意外程度的期望"),
    statement=(
        r"$H(P) = -\sum_i p_i \log p_i$ is the expected self-information, a measure of uncertainty: large for flat "
        "distributions, small for concentrated ones.",
        r"$H(P) = -\sum_i p_i \log p_i$ 是自信息的期望，衡量不确定性：分布越均匀，熵越大；越集中，熵越小。",
    ),
    verdict="holds",
    ranges={"draws": (100, 1000000), "n": (2, 50)},
    random=True,
)
def shannon_entropy(run: Run, draws: int = 100000, n: int = 5) -> None:
    p = np.array([0.5, 0.25, 0.25])
    run.claim((r"$H(1/2, 1/4, 1/4)$ in bits", r"$H(1/2, 1/4, 1/4)$，单位比特"), losses.entropy(p, base=2).item(),
              equals=1.5, within=1e-6)  # fmt: skip
    run.claim((r"$H(1/2, 1/4, 1/4)$ in nats", r"$H(1/2, 1/4, 1/4)$，单位纳特"), losses.entropy(p).item(),
              equals=1.039721, within=1e-6)  # fmt: skip
    seen = losses.self_information(p[run.rng.choice(3, max(draws, 100_000), p=p)], 2).numpy()
    run.claim(("mean surprise of 100000 draws, bits", "100000 次抽样的平均意外程度，单位比特"), seen[:100_000].mean(),
              equals=1.5, within=0.01)  # fmt: skip
    certain = mt.tensor([1.0, 0.0, 0.0], requires_grad=True)
    value = losses.entropy(certain)
    value.backward()
    run.claim(("$H(1, 0, 0)$", "$H(1, 0, 0)$"), abs(value.item()), equals=0.0)
    run.claim(
        ("its gradient is finite: the derivative at a probability 0 is taken as 0", "梯度有限：零概率处的导数取 0"),
        bool(np.isfinite(np.array(certain.grad)).all()),
    )
    t = np.linspace(0, 1, 101)
    start = np.eye(3)[0]
    way = losses.entropy((1 - t[:, None]) * start + t[:, None] / 3).numpy()
    run.claim(
        ("from (1, 0, 0) to the uniform distribution: smallest step of H", "从 (1, 0, 0) 到均匀分布：$H$ 的最小增量"),
        np.diff(way).min(),
        at_least=1e-6,
    )
    shown = np.maximum(np.unique(np.geomspace(1, draws, 200).astype(int)), 1)
    running = np.cumsum(seen)[shown - 1] / shown

    def draw(left: Any, middle: Any, right: Any) -> None:
        q = np.linspace(0, 1, 201)
        left.plot(q, losses.entropy(np.column_stack([q, 1 - q]), base=2).numpy())
        left.set(xlabel="p of the first of two outcomes", ylabel="H in bits")
        for outcomes in sorted({2, 3, n}):
            corner = np.eye(outcomes)[0]
            path = losses.entropy((1 - t[:, None]) * corner + t[:, None] / outcomes, base=2).numpy()
            middle.plot(t, path, label=f"{outcomes} outcomes")
        middle.set(xlabel="from one-hot (0) to uniform (1)", ylabel="H in bits")
        middle.legend(fontsize="small")
        right.semilogx(shown, running, label="mean surprise so far")
        right.axhline(1.5, color="C3", linestyle="--", label="H = 1.5 bits")
        right.set(xlabel="draws from (1/2, 1/4, 1/4)", ylabel="bits")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: a coin. Middle: entropy grows on the way to the uniform distribution. Right: draws confirm the "
            "expectation.",
            "左：抛硬币。中：趋向均匀分布的途中，熵一直增大。右：抽样平均趋于熵。",
        ),
        draw,
        (1, 3),
        (9.6, 3.8),
    )


@item(
    "entropy-extremes",
    kind="theorem",
    source="Chapter 4, section 4.1.1",
    title=("The least and the greatest entropy", "熵的最小值与最大值"),
    statement=(
        r"$H(P) \ge 0$, with equality only if one outcome is certain; it is largest, $\ln n$, for the uniform distribution.",
        r"$H(P) \ge 0$，仅当分布退化（某个结果必然发生）时取等号；均匀分布时最大，为 $\ln n$。",
    ),
    verdict="holds",
    ranges={"lr": (0.05, 2.0), "n": (2, 10)},
    random=True,
)
def entropy_extremes(run: Run, lr: float = 1.0, n: int = 5) -> None:
    samples = losses.entropy(run.rng.dirichlet(np.ones(5), 10000)).numpy()
    run.claim(("10000 random distributions over 5 outcomes: smallest H", "5 个结果上的 10000 个随机分布：最小的 $H$"),
              samples.min(), at_least=1e-3)  # fmt: skip
    run.claim(("and the largest; the limit is ln 5", "最大的 $H$，上限为 $\\ln 5$"), samples.max(), at_most=math.log(5))
    if run.seed == 0:
        for value, expected, what, zh in (
            (samples.min(), 0.337, "smallest", "最小"),
            (samples.max(), 1.604, "largest", "最大"),
        ):
            run.claim((f"seed 0: the {what} H", f"种子 0：{zh}的 $H$"), value, equals=expected, within=5e-4)

    def climb(starts: np.ndarray, rate: float, steps: int) -> np.ndarray:
        path = follow(
            lambda z: mt.optim.SGD(z, lr=rate, maximize=True),
            lambda z: losses.entropy(mt.softmax(z, -1)).sum(),
            starts,
            steps,
        )
        return mt.softmax(mt.tensor(path), -1).numpy()

    end = climb(run.rng.normal(size=(3, 5)), 1.0, 1000)[-1]
    end = climb(np.log(end), 1.0, 1000)[-1]  # in two halves, too few steps each to be worth compiling
    run.claim(("gradient ascent, 2000 steps from 3 starts: H", "梯度上升 2000 步，3 个起点：$H$"),
              losses.entropy(end).numpy(), equals=1.6094379124, within=1e-9)  # fmt: skip
    run.claim(("and each probability", "各概率"), end, equals=0.2, within=1e-6)
    run.claim(
        ("H of the five one-hot distributions", "5 个退化分布的 $H$"),
        np.abs(losses.entropy(np.eye(5)).numpy()),
        equals=0.0,
    )
    start = run.rng.normal(size=(6, n)) * 2
    shown = climb(start, lr, 60)
    heights = losses.entropy(shown).numpy()

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.hist(samples, 60, color="C0", alpha=0.7, label="10000 random P, n = 5")
        left.axvline(math.log(5), color="C3", linestyle="--", label="ln 5")
        left.axvline(0, color="black", linewidth=0.8, linestyle=":")
        left.set(xlabel="H in nats", ylabel="distributions")
        left.legend(fontsize="small")
        middle.plot(heights, color="C0", alpha=0.7)
        middle.axhline(math.log(n), color="C3", linestyle="--", label=f"ln {n}")
        middle.set(xlabel=rf"steps of gradient ascent, $\eta = {lr:g}$", ylabel="H")
        middle.legend(fontsize="small")
        for k, step in enumerate((0, 5, 60)):
            right.bar(np.arange(n) + 0.27 * (k - 1), shown[step, 0], 0.27, label=f"step {step}")
        right.axhline(1 / n, color="0.5", linewidth=0.8, linestyle=":")
        right.set(xlabel="outcome", ylabel="p of one start", xticks=range(n))
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: random distributions stay between the limits. Middle and right: gradient ascent on the entropy of a "
            "softmax ends in the uniform distribution.",
            "左：随机分布的熵都在两个界之间。中、右：对 Softmax 输出的熵作梯度上升，终点为均匀分布。",
        ),
        draw,
        (1, 3),
        (9.6, 3.8),
    )
