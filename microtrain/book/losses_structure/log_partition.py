"""The log-partition function: its gradient, and its convex conjugate."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import entropy

from ..dynamics.descent import path
from ..entry import item
from ..run import Run


def conjugate(p: np.ndarray, eta: float = 1.0, steps: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """The convex conjugate of LSE at several p (K, n), max over z of <z, p> - LSE(z), by gradient ascent; and the z."""
    weights = mt.tensor(p)
    z = path(lambda at: (at.logsumexp(1) - (at * weights).sum(1)).sum(), np.zeros(p.shape), eta, steps)[-1]
    return (z * p).sum(1) - np.asarray(mt.tensor(z).logsumexp(1)), z


@item(
    "softmax-dual-of-log-partition",
    kind="theorem",
    source="Chapter 4, section 4.2.2, before eq. 4.2.2",
    title=("Softmax and the log-partition function", "Softmax 与对数配分函数"),
    statement=(
        "Softmax is the dual of the log-partition function.",
        "Softmax 函数是对数配分函数的对偶。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"Softmax is the gradient of the log-partition function $LSE(z) = \log \sum_j e^{z_j}$. The value of its convex dual (the conjugate) is a single number: the "
        r"negative entropy $\sum_i p_i \log p_i$ on the simplex. The sentence can only be excused if “dual” means: the map that leads "
        "to the dual coordinates, the probabilities.",
        r"Softmax 是对数配分函数 $LSE(z) = \log \sum_j e^{z_j}$ 的梯度。它的凸对偶（共轭）的值是一个数：概率单纯形上的负熵 $\sum_i p_i \log p_i$。"
        r"只有把“对偶”理解为通往对偶坐标（概率）的映射，这句话才说得通。",
    ),
    ranges={"eta": (0.1, 3.0), "steps": (1, 400)},
)
def log_partition(run: Run, eta: float = 1.0, steps: int = 400, form: str = "right") -> None:
    p = np.array([0.7, 0.2, 0.1])
    dual, (z,) = conjugate(p[None])
    if form == "printed":
        dual = np.asarray(mt.tensor(p).softmax(0))
    run.claim(
        ("the dual at $p = (0.7, 0.2, 0.1)$: how many numbers it is", "对偶在 $p = (0.7, 0.2, 0.1)$ 处的值含几个数"),
        dual.size,
        equals=1,
    )
    run.claim(("the dual at $p$", "对偶在 $p$ 处的值"), dual, equals=-0.801819, within=1e-6)
    run.claim(
        (r"distance from $\sum p \log p$", r"与 $\sum p \log p$ 之差"),
        np.abs(dual + entropy(mt.tensor(p)).item()),
        at_most=1e-12,
    )
    run.claim((r"the maximum is at $z = \log p + const$: spread of $z - \log p$", r"最大值点为 $z = \log p + c$：$z - \log p$ 的变化范围"),
              np.ptp(z - np.log(p)), at_most=1e-10)  # fmt: skip
    points = np.random.default_rng(0).standard_normal((20, 5)) * 3
    partition = analysis.Objective(lambda t: t.logsumexp(0), np.zeros(5))
    shifted = np.exp(points - points.max(1, keepdims=True))
    run.claim((r"20 random $z$: difference between the gradient of LSE and softmax", r"20 个随机 $z$：LSE 的梯度与 Softmax 之差"),
              np.abs(partition.gradients(points) - shifted / shifted.sum(1, keepdims=True)), at_most=1e-12)  # fmt: skip
    mean = np.array(shifted[0] / shifted[0].sum())
    run.claim((r"$LSE(z) + LSE^*(p) - \langle z, p \rangle$ at $p = softmax(z)$", r"$p = softmax(z)$ 时的 $LSE(z) + LSE^*(p) - \langle z, p \rangle$"),
              partition(points[0]) + float(mean @ np.log(mean)) - points[0] @ mean, equals=0, within=1e-12)  # fmt: skip
    shares = np.linspace(0.02, 0.98, 25)
    climbed = conjugate(np.stack([shares, 1 - shares], 1), eta, steps)[0]
    pair = analysis.Objective(lambda t: mt.stack([t[0], 0 * t[0]]).logsumexp(0), np.zeros(1))

    def draw(left: Any, right: Any) -> None:
        at = np.linspace(-6, 6, 200)
        left.plot(at, pair.values(at[:, None]), label="$LSE(z, 0)$")
        left.plot(at, pair.gradients(at[:, None]).ravel(), label="its gradient, by backward")
        left.plot(at[::8], 1 / (1 + np.exp(-at[::8])), "k.", label="softmax, first entry")
        for t in (-3.0, 0.0, 3.0):
            slope = float(pair.gradient([t])[0])
            left.plot(t + np.array([-2, 2]), pair([t]) + slope * np.array([-2, 2]), color="C3", linewidth=0.8)
        left.set(xlabel="z", ylabel="value, slope", title="softmax is the slope")
        s = np.linspace(1e-6, 1 - 1e-6, 300)
        right.plot(s, s * np.log(s) + (1 - s) * np.log(1 - s), label=r"$\sum p \log p$")
        right.plot(shares, climbed, "o", markersize=4, label=f"$LSE^*(p)$, {steps} steps of ascent")
        right.set(xlabel="$p_1$ of $p = (p_1, 1 - p_1)$", ylabel="nats", title="the dual is the negative entropy")
        for ax in (left, right):
            ax.legend(fontsize="small", loc="upper left" if ax is left else "upper center")

    run.figure(
        ("For two classes: the log-partition function with its slope (left), and its convex conjugate (right)",
         "两个类别：对数配分函数及其斜率（左），以及它的凸共轭（右）"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
