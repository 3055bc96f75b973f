"""The three schedules of section 4.2.7."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...viz import plots
from ..entry import item
from ..run import Run
from .schedules_with_noise import draw_distances, late, sgd_distances

S: Any = mt.optim.schedules


@item(
    "step-decay-schedule",
    kind="algorithm",
    source="Chapter 4, section 4.2.7, on schedules",
    title=("Step decay, and SGD at rest", "阶梯衰减与 SGD 的收敛"),
    statement=(
        r"The rate falls by a fixed factor at fixed intervals: $\eta(t) = \eta_0\, \gamma^{\lfloor t/T_{step} \rfloor}$.",
        r"学习率每隔固定步数乘以固定的倍数：$\eta(t) = \eta_0\, \gamma^{\lfloor t/T_{step} \rfloor}$。",
    ),
    verdict="holds",
    ranges={"eta0": (0.001, 1.0), "gamma": (0.05, 0.99), "every": (1, 50)},
    random=True,
)
def step_decay_schedule(run: Run, eta0: float = 0.1, gamma: float = 0.5, every: int = 10) -> None:
    usual = 0.1 * S.Step(10, 0.5)
    for t, value in ((0, 0.1), (9, 0.1), (10, 0.05), (19, 0.05), (20, 0.025), (35, 0.0125)):
        run.claim(
            (
                rf"$\eta_0 = 0.1$, $\gamma = 1/2$, $T = 10$: $\eta({t})$",
                rf"$\eta_0 = 0.1$，$\gamma = 1/2$，$T = 10$：$\eta({t})$",
            ),
            usual(t),
            equals=value,
            within=1e-16,
        )
    found = sgd_distances(run.seed)
    ends = {name: float(values[-1]) for name, values in found.items()}
    if run.seed == 0:
        for name, chinese, expected in (
            ("constant 0.1", "常数 0.1", 0.170), ("constant 0.01", "常数 0.01", 0.019),
            ("step decay", "0.1，每 10000 步除以 10", 4.0e-4),
        ):  # fmt: skip
            run.claim(
                (f"SGD, {name}: mean squared distance after 40000 steps", f"SGD，{chinese}：40000 步后的均方距离"),
                ends[name],
                equals=expected,
                relative=0.1,
            )
    run.claim(
        ("constant 0.1 over constant 0.01, last 2000 steps", "常数 0.1 与常数 0.01 之比，最后 2000 步"),
        late(found["constant 0.1"]) / late(found["constant 0.01"]),
        at_least=4.0,
    )
    run.claim(
        ("constant 0.1 over step decay, last 2000 steps", "常数 0.1 与阶梯衰减之比，最后 2000 步"),
        late(found["constant 0.1"]) / late(found["step decay"]),
        at_least=50.0,
    )
    run.table(
        ("SGD on a regression, 8 orders of samples", "回归上的 SGD，8 种样本顺序"),
        ("rate", "mean squared distance, step 40000", "mean of the last 2000"),
        [(name, ends[name], late(values)) for name, values in found.items()],
    )

    def draw(left: Any, right: Any) -> None:
        shown = {rf"$\gamma = {g:g}$": eta0 * S.Step(every, g) for g in sorted({gamma, 0.5, 0.8})}
        plots.schedules(shown, 5 * every, left)
        draw_distances(right, found, ("constant 0.1", "constant 0.01", "constant 0.001", "step decay"))

    run.figure(
        (
            "Left: the stairs. Right: a constant rate stalls at a level set by the noise; each step down lowers the level.",
            "左：阶梯。右：固定学习率停滞在由噪声决定的水平；学习率每降一级，这一水平也随之下降。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


@item(
    "cosine-annealing-schedule",
    kind="algorithm",
    source="Chapter 4, section 4.2.7, on schedules",
    title=("Cosine annealing beyond its end", "余弦退火：超出周期之后"),
    statement=(
        r"The rate falls smoothly: $\eta(t) = \eta_{min} + (\eta_0 - \eta_{min}) (1 + \cos(\pi t / T_{max})) / 2$.",
        r"学习率平滑下降：$\eta(t) = \eta_{min} + (\eta_0 - \eta_{min}) (1 + \cos(\pi t / T_{max})) / 2$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Only for $0 \le t \le T_{max}$, which is not said. Beyond it the formula climbs again and is back at $\eta_0$ at "
        r"$2 T_{max}$: hold the rate at $\eta_{min}$, or restart on purpose.",
        r"仅当 $0 \le t \le T_{max}$ 时如此，原文没有说明。超出之后，公式重新上升，在 $2 T_{max}$ 处回到 $\eta_0$：应保持在 $\eta_{min}$，或有意地重启。",
    ),
    ranges={"eta0": (0.01, 1.0), "low": (0.0, 0.01), "total": (10, 200)},
    random=True,
)
def cosine_annealing_schedule(run: Run, eta0: float = 0.1, low: float = 0.001, total: int = 100) -> None:
    held, printed = (0.1 * S.Cosine(100, low=0.001, hold=hold) for hold in (True, False))
    for t, value in ((0, 0.1), (25, 0.085502), (50, 0.0505), (75, 0.015498), (100, 0.001)):
        run.claim(
            (
                rf"$\eta_0 = 0.1$, $\eta_{{min}} = 0.001$, $T = 100$: $\eta({t})$",
                rf"$\eta_0 = 0.1$，$\eta_{{min}} = 0.001$，$T = 100$：$\eta({t})$",
            ),
            held(t),
            equals=value,
            within=1e-6,
        )
    run.claim(
        ("largest rise from step to step, held", "保持 $\\eta_{min}$ 时，相邻两步的最大上升"),
        np.diff(held.values(201)),
        at_most=0.0,
    )
    for t, value in ((150, 0.0505), (200, 0.1)):
        run.claim(
            (rf"the formula alone: $\eta({t})$", rf"仅按公式：$\eta({t})$"), printed(t), equals=value, within=1e-6
        )
    found = sgd_distances(run.seed)
    if run.seed == 0:
        run.claim(
            (
                r"SGD, $\eta_{min} = 10^{-4}$: mean squared distance after 40000 steps",
                r"SGD，$\eta_{min} = 10^{-4}$：40000 步后的均方距离",
            ),
            found["cosine"][-1],
            equals=8.6e-4,
            relative=0.1,
        )
    run.claim(
        ("SGD: constant 0.1 over cosine, last 2000 steps", "SGD：常数 0.1 与余弦之比，最后 2000 步"),
        late(found["constant 0.1"]) / late(found["cosine"]),
        at_least=50.0,
    )

    def draw(left: Any, right: Any) -> None:
        shown = {
            "the formula": eta0 * S.Cosine(total, low=low),
            r"held at $\eta_{min}$": eta0 * S.Cosine(total, low=low, hold=True),
            "restarted": eta0 * S.CosineRestarts(total, low=low),
        }
        times = np.arange(int(2.5 * total))
        for (name, schedule), style in zip(shown.items(), ("-", "--", ":"), strict=True):
            left.plot(times, [schedule(float(t)) for t in times], style, linewidth=2, label=name)
        left.axvline(total, color="0.7", linewidth=0.8)
        left.set(xlabel="step t", ylabel="learning rate", title=r"Beyond $T_{max}$" + f" = {total}")
        left.legend(fontsize="small", loc="lower right")
        draw_distances(right, found, ("constant 0.1", "constant 0.001", "step decay", "cosine"))

    run.figure(
        (
            "Left: three continuations beyond the end. Right: the falling rates bring SGD to rest near the solution.",
            "左：超出周期后的三种走法。右：下降的学习率使 SGD 在解附近静止。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


@item(
    "warmup-schedule",
    kind="algorithm",
    source="Chapter 4, section 4.2.7, on schedules",
    title=("Warm-up counts from 1", "预热应从 1 数起"),
    statement=(
        r"At the beginning the rate rises linearly: $\eta(t) = \eta_{max} \min(1, t/T_{warmup})$.",
        r"训练初期，学习率线性上升：$\eta(t) = \eta_{max} \min(1, t/T_{warmup})$。",
    ),
    verdict="holds",
    ranges={"peak": (0.01, 1.0), "warmup": (1, 50), "total": (60, 300)},
)
def warmup_schedule(run: Run, peak: float = 0.1, warmup: int = 10, total: int = 100) -> None:
    printed = 0.1 * S.Lambda(lambda t: min(1.0, t / 10))
    counted = 0.1 * S.Warmup(10)
    for t, value in ((0, 0.0), (1, 0.01), (5, 0.05), (10, 0.1), (50, 0.1)):
        run.claim(
            (rf"$\eta_{{max}} = 0.1$, $T = 10$: $\eta({t})$", rf"$\eta_{{max}} = 0.1$，$T = 10$：$\eta({t})$"),
            printed(t),
            equals=value,
            within=1e-16,
        )
    moves = {}
    for name, rate in (("from 0", printed), ("from 1", counted)):
        w = mt.tensor([1.0, -2.0], requires_grad=True)
        optimizer = mt.optim.SGD([w], lr=rate)
        path = [w.detach().numpy().copy()]
        for _ in range(15):
            optimizer.zero_grad()
            (0.5 * w * w).sum().backward()
            optimizer.step()
            path.append(w.detach().numpy().copy())
        moves[name] = np.array(path)
    run.claim(
        ("counted from 0, the first update leaves the parameters bit by bit", "从 0 数起，第一次更新后参数逐位不变"),
        bool((moves["from 0"][0] == moves["from 0"][1]).all()),
    )
    run.claim(
        ("counted from 1: the path is the same, one step ahead", "从 1 数起：路径相同，早一步"),
        np.abs(moves["from 1"][:-1] - moves["from 0"][1:]).max(),
        at_most=1e-15,
    )
    joined = (0.1 * S.Warmup(10)).then(S.Cosine(90, hold=True), at=10)
    run.claim(
        ("then cosine: the rate at the joint", "之后接余弦：衔接处的学习率"),
        [joined(9), joined(10)],
        equals=0.1,
        within=1e-16,
    )
    run.note(
        "As printed, with t from 0, one step is wasted. `schedules.Warmup` takes (t + 1)/T instead.",
        "按原文，$t$ 从 0 数起时浪费一步。`schedules.Warmup` 因此采用 $(t + 1)/T$。",
    )

    def draw(left: Any, right: Any) -> None:
        shown = {
            "warm-up": peak * S.Warmup(warmup),
            "then cosine": (peak * S.Warmup(warmup)).then(S.Cosine(total - warmup, hold=True), at=warmup),
            "then step decay": (peak * S.Warmup(warmup)).then(S.Step(max(1, total // 4), 0.5), at=warmup),
        }
        for (name, schedule), style in zip(shown.items(), ("-", "--", ":"), strict=True):
            left.plot(schedule.values(total), style, linewidth=2, label=name)
        left.set(xlabel="step t", ylabel="learning rate", title=f"Warm-up over {warmup} steps")
        left.legend(fontsize="small")
        for name, path in moves.items():
            right.plot(path[:, 0], "o-", markersize=4, label=f"counted {name}")
        right.set(xlabel="update", ylabel="w", title=r"Descent on $w^2/2$, $\eta_{max} = 0.1$, $T = 10$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: warm-up joined to other schedules. Right: counted from 0, the first update does nothing.",
            "左：预热与其他调度的衔接。右：从 0 数起时，第一次更新不起作用。",
        ),
        draw,
        (1, 2),
        (9.5, 3.8),
    )
