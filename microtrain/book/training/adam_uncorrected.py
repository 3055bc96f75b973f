"""Adam without the correction of its means: are the first steps too short, or too long?"""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run


def step_lengths(gradient: float, betas: tuple[float, float], steps: int, correction: bool) -> np.ndarray:
    """The lengths of Adam's steps, in units of the learning rate, under a constant gradient."""
    p = mt.tensor([0.0], requires_grad=True)
    optimizer = mt.optim.Adam([p], lr=1.0, betas=betas, eps=0.0, bias_correction=correction)
    p.grad = mt.tensor([gradient])
    places = [0.0]
    for _ in range(steps):
        optimizer.step()
        places.append(p.item())
    return -np.diff(places)


@item(
    "adam-uncorrected-steps-too-large",
    kind="experiment",
    source="Chapter 6, section 6.4, the text before eq. 6.16",
    title=("What Adam's correction prevents", "Adam 的偏差修正防止了什么"),
    statement=(
        r"Before the first step all earlier gradients count as zero, so the running estimates of eq. 6.15 begin too "
        "small; eq. 6.16 corrects them.",
        "第一步之前的梯度一律当作零，因此式 (6.15) 的移动平均起初偏小；式 (6.16) 对此作出修正。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Both estimates are too small, but the step, which is their quotient, is too long: up to $6.57\,\alpha$ for the "
        r"usual betas, since $\sqrt{1 - \beta_2}$ is much smaller than $1 - \beta_1$. The correction prevents a violent "
        "start, not a slow one.",
        r"两个估计都偏小，但步长取决于它们的商，反而偏大：$\beta$ 取常用值时可达 $6.57\,\alpha$，因为 $\sqrt{1 - \beta_2}$ 远小于 "
        r"$1 - \beta_1$。修正防止的是起步过猛，而不是起步过慢。",
    ),
    ranges={"beta1": (0.0, 0.99), "beta2": (0.0, 0.9999), "gradient": (0.001, 1000.0), "steps": (20, 3000)},
)
def uncorrected(run: Run, beta1: float = 0.9, beta2: float = 0.999, gradient: float = 1.0, steps: int = 3000) -> None:
    found = step_lengths(1.0, (0.9, 0.999), 3000, False)
    for t, length in ((1, 3.162), (5, 5.797), (12, 6.569), (20, 6.241), (100, 3.241), (1000, 1.258), (3000, 1.026)):
        run.claim(
            (rf"uncorrected, $t = {t}$: step$/\alpha$", rf"不修正，$t = {t}$：步长与 $\alpha$ 之比"), found[t - 1], equals=length,
            within=5e-4,
        )  # fmt: skip
    run.claim(("the longest step is number", "最长的一步是第几步"), int(found.argmax()) + 1, equals=12)
    times = np.arange(1, 3001)
    run.claim(
        (r"distance from $(1 - \beta_1^t) / \sqrt{1 - \beta_2^t}$", r"与 $(1 - \beta_1^t) / \sqrt{1 - \beta_2^t}$ 之差"),
        np.abs(found - (1 - 0.9**times) / np.sqrt(1 - 0.999**times)).max(), at_most=1e-10,
    )  # fmt: skip
    run.claim(
        (r"corrected, every $t$: step$/\alpha$", r"修正后，所有 $t$：步长与 $\alpha$ 之比"),
        step_lengths(1.0, (0.9, 0.999), 3000, True), equals=1.0, within=5e-4,
    )  # fmt: skip
    shown = {
        "without the correction": step_lengths(gradient, (beta1, beta2), steps, False),
        "with it": step_lengths(gradient, (beta1, beta2), steps, True),
    }

    def draw(left: Any, right: Any) -> None:
        t = np.arange(1, steps + 1)
        left.loglog(t, 1 - beta1**t, label=r"$m_t / g$")
        left.loglog(t, np.sqrt(1 - beta2**t), label=r"$\sqrt{v_t} / |g|$")
        left.set(xlabel="step t", ylabel="share of the true value", title="the estimates, too small")
        for name, lengths in shown.items():
            right.semilogx(t, lengths, label=name)
        top = int(shown["without the correction"].argmax())
        right.plot(top + 1, shown["without the correction"][top], "o", color="black", markersize=4)
        right.set(xlabel="step t", ylabel=r"length of the step / $\alpha$", title="the steps, too long")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("A constant gradient: the numerator of the step catches up long before the denominator.",
         "梯度恒定时，步长的分子远比分母更早接近真实值。"),
        draw, (1, 2), (9.0, 4.0),
    )  # fmt: skip
