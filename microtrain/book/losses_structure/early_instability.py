"""Warm-up in a network whose curvature is large at first, and on a quadratic, whose curvature is not (section 4.2.7)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..optimizers.following import follow
from ..run import Run
from .wide_network import Wide, outcomes

S: Any = mt.optim.schedules
MARKS = (0, 5, 50, 250, 500, 3000)


def sharpness_along(seed: int, lr: Any, marks: Any) -> np.ndarray:
    """The largest curvature of the wide network after so many updates (rising numbers)."""
    net, found, done = Wide(seed, lr), [], 0
    for mark in marks:
        if mark > done:
            net.go(mark - done)
            done = mark
        found.append(analysis.lambda_max(analysis.Objective(net.loss, net.params)))
    return np.array(found)


def on_quadratic(eta: float, warmup: int, steps: int = 3000) -> np.ndarray:
    """The loss of gradient descent on (10 x^2 + y^2) / 2 from (1, 1) after each step."""
    bowl = analysis.problems.quadratic(np.array([10.0, 1.0]))
    rate = eta * S.Warmup(warmup)
    path = follow(lambda p: mt.optim.SGD(p, lr=rate), bowl, (1.0, 1.0), steps)
    return 0.5 * (path**2 @ (10.0, 1.0))


@item(
    "warmup-avoids-early-instability",
    kind="experiment",
    source="Chapter 4, section 4.2.7, last paragraph",
    title=("What warm-up protects from", "预热能防止什么"),
    statement=(
        "For large models warm-up matters: with a small early rate the optimizer can find a good region, instead of jumping too early where "
        "the curvature changes violently.",
        "对大模型而言，预热尤为重要：初期较小的学习率使优化器能找到损失景观中良好的区域，避免在曲率变化剧烈处过早跳跃。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It works if the curvature falls during training, as it does here: from 550 to about $20 = 2/\eta$. Where the curvature is fixed, as for the squared "
        "error of a linear model, warm-up only puts divergence off.",
        r"条件是曲率在训练中下降，这里即如此：从 550 降到约 $20 = 2/\eta$。若曲率固定（如线性模型的均方误差），预热只能推迟发散。",
    ),
    ranges={"eta": (0.02, 0.2), "warmup": (1, 1000)},
    random=True,
)
def warmup_avoids(run: Run, eta: float = 0.1, warmup: int = 500) -> None:
    seeds = range(20 * run.seed, 20 * run.seed + 20)
    plain = outcomes(seeds, 0.1, steps=300)
    warm = outcomes(seeds, 0.1 * S.Warmup(500))
    run.claim(
        (r"constant $\eta = 0.1$: share of 20 runs that diverge", r"常数 $\eta = 0.1$：20 次运行中发散的比例"),
        plain.diverged.mean(),
        at_least=0.5,
    )
    run.claim(
        ("after a warm-up of 500 steps: largest final loss of 20", "预热 500 步：20 次运行的最大最终损失"),
        np.nan_to_num(warm.last, nan=np.inf),
        at_most=0.001 if run.seed == 0 else 0.05,
    )
    run.claim(("their share below 0.001", "其中低于 0.001 的比例"), (warm.last < 0.001).mean(), at_least=0.75)
    seed = seeds[0]
    marks = MARKS if run.seed == 0 else (0, 500, 3000)
    sharp = sharpness_along(seed, 0.1 * S.Warmup(500), marks)
    if run.seed == 0:
        run.claim(
            ("how many of 20 constant runs diverge", "固定学习率：20 次中发散的次数"),
            int(plain.diverged.sum()),
            equals=15,
            within=1,
        )
        run.claim(
            ("seed 0: largest loss within 5 steps", "种子 0：5 步之内的最大损失"),
            plain.losses[0, :6].max(),
            at_least=1e6,
        )
        for k, value, expected in zip(MARKS, sharp, (550, 494, 52.1, 45.7, 20.4, 20.7), strict=True):
            run.claim(
                (rf"seed 0, warm-up: largest curvature after {k} updates", rf"种子 0，预热：{k} 次更新后的最大曲率"),
                value,
                equals=expected,
                relative=0.1,
            )
        run.claim(("seed 0, warm-up: final loss", "种子 0，预热：最终损失"), warm.last[0], equals=5.6e-5, relative=0.1)
        zero_based = 0.1 * S.Lambda(lambda t: min(1.0, t / 500))
        run.claim(
            ("counted from 0: after 5 updates", "从 0 数起：5 次更新后"),
            sharpness_along(0, zero_based, (5,))[0],
            equals=508,
            relative=0.1,
        )
    run.claim(
        (r"largest curvature at the end, over $2/\eta$", r"最后的最大曲率与 $2/\eta$ 之比"),
        sharp[-1] * 0.1 / 2,
        at_most=1.2,
    )
    run.claim(("the same at the start, over the end", "起点与最后的最大曲率之比"), sharp[0] / sharp[-1], at_least=3.0)
    control = {(rate, wait): on_quadratic(rate, wait) for rate in (0.21, 0.19) for wait in (0, 99)}
    for wait, expected in ((0, 124), (99, 79)):
        run.claim(
            (
                rf"quadratic with $L = 10$, $\eta = 0.21$, warm-up {wait}: $\log_{{10}}$ of $|w|$ after 3000 steps",
                rf"$L = 10$ 的二次函数，$\eta = 0.21$，预热 {wait} 步：3000 步后 $|w|$ 的 $\log_{{10}}$",
            ),
            np.log10(control[0.21, wait][-1] / 5) / 2,
            equals=expected,
            within=1,
        )
        run.claim(
            (rf"$\eta = 0.19$, warm-up {wait}: final loss", rf"$\eta = 0.19$，预热 {wait} 步：最终损失"),
            control[0.19, wait][-1],
            at_most=1e-100,
        )
    along = np.unique(np.r_[0, np.geomspace(1, 3000, 25).astype(int)])
    shown = sharpness_along(seed, eta * S.Warmup(warmup), along)
    runs = warm if (eta, warmup) == (0.1, 500) else outcomes(seeds[:5], eta * S.Warmup(warmup))
    constant = plain if eta == 0.1 else outcomes(seeds[:5], eta, steps=300)

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k in range(5):
            values = np.clip(np.nan_to_num(constant.losses[k], nan=1e9, posinf=1e9), 1e-6, 1e9)
            left.loglog(np.arange(1, len(values) + 1), values, "C3", alpha=0.7, label="constant" if k == 0 else None)
            left.loglog(
                np.arange(1, 3002), runs.losses[k], "C0", alpha=0.7, label=f"warm-up {warmup}" if k == 0 else None
            )
        left.set(xlabel="step", ylabel="loss", ylim=(1e-5, 2e9), title=rf"Wide network, $\eta = {eta:g}$, five seeds")
        left.legend(fontsize="small")
        middle.loglog(along + 1, shown, "o-", markersize=3, label=r"largest curvature")
        rates = [eta * S.Warmup(warmup)(float(t)) for t in along]
        middle.loglog(along + 1, 2 / np.array(rates), "k--", label=r"limit $2/\eta(t)$")
        middle.set(xlabel="step", ylabel="curvature", title="The curvature gives way in time")
        middle.legend(fontsize="small")
        for (rate, wait), values in control.items():
            name = rf"$\eta = {rate}$, warm-up {wait}"
            right.plot(np.log10(np.maximum(values, 1e-150)), "--" if wait else "-", label=name)
        right.set(xlabel="step", ylabel=r"$\log_{10}$ of the loss", title="Fixed curvature, $2/L = 0.2$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left and middle: while the rate rises the curvature falls below its limit. Right: a fixed curvature stays, and warm-up only delays.",
            "左、中：学习率上升期间，曲率降到界限以下。右：曲率固定不变，预热只能推迟发散。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )
