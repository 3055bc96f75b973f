"""Schedules of the learning rate: what one is, warm-up, exponential and cosine decay."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...viz import plots
from ..entry import item
from ..run import Run

S: Any = mt.optim.schedules


def exponential(r: float, total: int = 100) -> Any:
    """From 1 to r by the same factor each step."""
    return S.ExponentialTo(r, total)


def cosine(r: float, total: int = 100) -> Any:
    """From 1 to r along half a cosine wave, then r."""
    return S.Cosine(total, low=r, hold=True)


def values(schedule: Any, times: Any) -> np.ndarray:
    """The rates at these times."""
    return np.array([schedule(float(t)) for t in times])


def budget(schedule: Any, low: float, high: float, pieces: int = 2000) -> float:
    """The integral of the rate over a part of the run (total 100 steps, taken as unit time), by Simpson's rule."""
    times = np.linspace(low, high, pieces + 1)
    weights = np.ones(pieces + 1)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return float(values(schedule, 100 * times) @ weights * (high - low) / pieces / 3)


def slope_of(r: float, which: str) -> Any:
    """s -> the derivative of the rate at the share s of the run, by autodiff through the schedule's own formula."""
    formula = type((cosine if which == "cosine" else exponential)(r)).formula
    names = {"low": r} if which == "cosine" else {"final": r}

    def slope(s: float) -> float:
        t: Any = mt.tensor(float(s), requires_grad=True)
        formula(t=t, eta0=1.0, T=1.0, **names).backward()
        return float(t.grad.item())

    return slope


@item(
    "lr-schedule-interface",
    kind="schedule",
    source="Deep-learning optimizers, learning-rate scheduling; chapter 6, section 6.2.2",
    title=("The learning rate as a function of the step", "作为步数函数的学习率"),
    statement=(
        r"How the rate changes matters as much as the optimizer: large early, to get near, small late, to settle. An early "
        r"rate above $2/L$ diverges nevertheless.",
        r"学习率如何变化与选用哪种优化器同样重要：前期大，以便接近最优解；后期小，以便精细调整。但前期若超过 $2/L$，仍会发散。",
    ),
    verdict="holds",
    ranges={"eta": (0.01, 1.0), "warmup": (1, 50), "total": (51, 400)},
)
def lr_schedule_interface(run: Run, eta: float = 0.4, warmup: int = 10, total: int = 100) -> None:
    curvature = np.array([1.0, 4.0])
    bowl = mt.analysis.problems.quadratic(curvature)

    def end(lr: Any, steps: int = 50) -> np.ndarray:
        return np.asarray(mt.analysis.trace(lambda p: mt.optim.SGD(p, lr=lr), bowl, (1.0, 1.0), steps=steps).points)

    run.claim(
        ("a constant schedule of 0.1 and the number 0.1 give the same bits", "常数调度 0.1 与数 0.1 的结果逐位相同"),
        bool((end(0.1 * S.Constant()) == end(0.1)).all()),
    )
    for w in (1, 5, 10, 20):
        joined = (0.2 * S.Warmup(w)).then(S.Cosine(100 - w, hold=True), at=w)
        run.claim(
            (
                rf"warm-up of {w} steps, then cosine: jump at the joint $\cdot\, W / \eta_0$",
                rf"预热 {w} 步后接余弦：衔接处的跳变 $\cdot\, W / \eta_0$",
            ),
            np.abs(joined(w) - joined(w - 1)) * w / 0.2,
            at_most=1.0 - 1e-9,
        )
    growing = np.abs(end((2.1 / 4) * S.Constant())[:, 1])
    run.claim(
        (r"an early rate of $2.1/L$: growth per step", r"前期学习率 $2.1/L$：每步的增长倍数"),
        growing[-1] ** (1 / 50),
        equals=1.1,
        within=1e-12,
    )
    shown = {
        "constant": eta * S.Constant(),
        "warm-up, then cosine": (eta * S.Warmup(warmup)).then(S.Cosine(total - warmup, hold=True), at=warmup),
        "exponential": eta * S.ExponentialTo(0.01 * eta, total),
        "steps": eta * S.Step(max(1, total // 4), 0.5),
        "1 / time": eta * S.InverseTime(total / 10),
    }
    paths = {name: end(schedule, total) for name, schedule in shown.items()}

    def draw(left: Any, right: Any) -> None:
        plots.schedules(shown, total, left)
        left.legend(fontsize="small")
        for (name, path), rate in zip(paths.items(), left.get_lines(), strict=True):
            loss = 0.5 * (curvature * path**2).sum(axis=1)
            right.plot(np.maximum(loss, 1e-30), rate.get_linestyle(), color=rate.get_color(), label=name)
        right.set(xlabel="step", ylabel="loss", yscale="log", title=r"curvatures 1 and 4, $2/L = 0.5$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Five schedules, and what they do on a bowl without noise: there nothing has to settle, and a constant rate "
            "below $2/L$ gets furthest.",
            "五种调度，以及它们在无噪声的碗上的表现：这里无须平息噪声，小于 $2/L$ 的固定学习率降得最低。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )


@item(
    "warmup-linear",
    kind="schedule",
    source="Deep-learning optimizers, warm-up; chapter 6, notes (Goyal et al. 2018)",
    title=("Linear warm-up", "线性预热"),
    statement=(
        r"During the first $W$ steps the rate rises linearly from almost nothing to its set value: $\eta_t = \eta_0 "
        r"\min(1, (t + 1)/W)$, with $t$ from 0.",
        r"在前 $W$ 步内，学习率从很小的值线性升至预设值：$\eta_t = \eta_0 \min(1, (t + 1)/W)$，$t$ 从 0 数起。",
    ),
    verdict="holds",
    ranges={"target": (0.01, 1.0), "W": (0, 50), "start": (0.0, 1.0)},
)
def warmup_linear(run: Run, target: float = 0.2, W: int = 10, start: float = 0.0) -> None:
    rates = np.array((0.2 * S.Warmup(10)).values(30))
    run.claim(
        (
            r"$W = 10$, $\eta_0 = 0.2$: distance from 0.02, 0.04 ... 0.2",
            r"$W = 10$，$\eta_0 = 0.2$：与 0.02、0.04……0.2 之差",
        ),
        np.abs(rates[:10] - 0.02 * np.arange(1, 11)).max(),
        at_most=1e-15,
    )
    run.claim(("afterwards", "此后"), rates[10:], equals=0.2)
    run.claim(
        ("$W = 0$ is a constant rate", "$W = 0$ 即固定学习率"), np.array((0.2 * S.Warmup(0)).values(20)), equals=0.2
    )
    p = mt.tensor([0.0], requires_grad=True)
    optimizer = mt.optim.SGD([p], lr=0.2 * S.Warmup(10))
    moved = []
    for _ in range(12):
        before = p.item()
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()
        moved.append(before - p.item())
    run.claim(
        ("an optimizer takes these steps (gradient 1)", "优化器的实际步长（梯度为 1）"),
        np.abs(np.array(moved) - rates[:12]).max(),
        at_most=1e-15,
    )

    def draw(ax: Any) -> None:
        times = np.arange(max(30, 2 * W))
        ax.plot(
            times, values(target * S.Warmup(W, start), times), "o-", markersize=3, label=f"W = {W}, start {start:g}"
        )
        ax.plot(times, values(target * S.Warmup(max(1, 2 * W)), times), "--", label=f"W = {max(1, 2 * W)}")
        ax.set(xlabel="step t", ylabel="learning rate", ylim=(0, 1.1 * target))
        ax.legend()

    run.figure(("The rate rises and then stays.", "学习率先上升，后保持不变。"), draw)


@item(
    "exponential-decay",
    kind="schedule",
    source="Deep-learning optimizers, the formula of exponential decay; hands-on problem 3154427",
    title=("Exponential decay", "指数衰减"),
    statement=(
        r"$\eta_t = \eta_0 (\eta_T / \eta_0)^{t/T}$: every step the same factor, from $\eta_0$ to $\eta_T$.",
        r"$\eta_t = \eta_0 (\eta_T / \eta_0)^{t/T}$：从 $\eta_0$ 到 $\eta_T$，每步乘以同一因子。",
    ),
    verdict="holds",
    ranges={"r": (0.0001, 0.99), "total": (2, 1000)},
)
def exponential_decay(run: Run, r: float = 0.01, total: int = 100) -> None:
    usual = exponential(0.01)
    for t, expected in ((0, 1.0), (50, 0.1), (100, 0.01)):
        run.claim((rf"$\eta_{{{t}}}$", rf"$\eta_{{{t}}}$"), usual(t), equals=expected, within=1e-15)
    rates = values(usual, range(101))
    run.claim(
        ("ratio of neighbouring rates less its mean", "相邻学习率之比与其均值之差"),
        np.ptp(rates[1:] / rates[:-1]),
        at_most=1e-14,
    )
    formula = 0.99 / np.log(100)
    run.claim(
        (r"$(\eta_0 - \eta_T) / \ln(\eta_0 / \eta_T)$", r"$(\eta_0 - \eta_T) / \ln(\eta_0 / \eta_T)$"),
        formula,
        equals=0.21498,
        within=5e-6,
    )
    run.claim(("the sum over a run of unit time", "单位时间内的总和"), budget(usual, 0, 1), equals=formula, within=1e-9)
    run.claim(("after the end", "结束之后"), usual(250), equals=0.01, within=1e-17)

    def draw(left: Any, right: Any) -> None:
        for ax, scale in ((left, "linear"), (right, "log")):
            for end in sorted({r, 0.1, 0.5}):
                times = np.linspace(0, 1.2 * total, 121)
                ax.plot(times, values(exponential(end, total), times), label=rf"$\eta_T / \eta_0 = {end:g}$")
            ax.set(xlabel="step t", ylabel=r"$\eta_t / \eta_0$", yscale=scale)
            ax.axvline(total, color="0.7", linewidth=0.8)
        left.legend(fontsize="small")

    run.figure(("A straight line on a logarithmic scale", "在对数坐标下为直线"), draw, (1, 2), (9.0, 3.8))


@item(
    "cosine-annealing",
    kind="schedule",
    source="Deep-learning optimizers, the formula of cosine annealing; hands-on problem 3154427",
    title=("Cosine annealing", "余弦退火"),
    statement=(
        r"$\eta_t = \eta_T + (\eta_0 - \eta_T)(1 + \cos(\pi t / T)) / 2$: flat at both ends, steepest in the middle.",
        r"$\eta_t = \eta_T + (\eta_0 - \eta_T)(1 + \cos(\pi t / T)) / 2$：两端平缓，中间最陡。",
    ),
    verdict="holds",
    ranges={"r": (0.0, 0.99), "total": (2, 1000)},
)
def cosine_annealing(run: Run, r: float = 0.01, total: int = 100) -> None:
    usual = cosine(0.01)
    for t, expected in ((0, 1.0), (50, 0.505), (100, 0.01)):
        run.claim(
            (rf"$\eta_{{{t}}}$ of $T = 100$", rf"$T = 100$ 时的 $\eta_{{{t}}}$"),
            usual(t),
            equals=expected,
            within=1e-15,
        )
    run.claim(
        (r"integral over unit time, $(\eta_0 + \eta_T)/2$", r"单位时间内的积分，$(\eta_0 + \eta_T)/2$"),
        budget(usual, 0, 1),
        equals=0.505,
        within=1e-10,
    )
    slope = slope_of(0.01, "cosine")
    run.claim(
        ("slope at the start and the end", "起点和终点的斜率"), [slope(0.0), slope(1.0)], equals=0.0, within=1e-12
    )
    run.claim(("after the end", "结束之后"), usual(250), equals=0.01, within=1e-17)

    def draw(left: Any, right: Any) -> None:
        times = np.linspace(0, 1.2 * total, 121)
        for end in sorted({r, 0.1, 0.5}):
            left.plot(times, values(cosine(end, total), times), label=rf"$\eta_T / \eta_0 = {end:g}$")
            s = np.linspace(0, 1, 101)
            right.plot(s, [slope_of(end, "cosine")(x) for x in s], label=rf"$\eta_T / \eta_0 = {end:g}$")
        left.axvline(total, color="0.7", linewidth=0.8)
        left.set(xlabel="step t", ylabel=r"$\eta_t / \eta_0$")
        right.set(xlabel="t / T", ylabel=r"slope $T\, \mathrm{d}\eta / \mathrm{d}t$")
        left.legend(fontsize="small")

    run.figure(("The rate and its slope", "学习率及其斜率"), draw, (1, 2), (9.0, 3.8))
