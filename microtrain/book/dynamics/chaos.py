"""Chaos in gradient descent, in one and in two dimensions, where almost everything about it is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from microtrain import analysis
from microtrain.analysis.problems import double_well, two_layers

from ..entry import item
from ..moving import grow, together
from ..run import Run
from .descent import exponents, path

CHAOS = "The dynamics of gradient descent, the hidden structure of descent, chaos"
ROUTE = {0.95: 1, 1.1: 2, 1.25: 4, 1.29: 8, 1.30: 16, 1.31: 0, 1.7: 6}  # the periods of the long run; 0 for none


def well() -> analysis.Objective:
    """(x^2 - 1)^2 / 4 as a function of x."""
    return analysis.Objective(double_well, np.zeros(1))


def stretching(points: np.ndarray, eta: Any) -> np.ndarray:
    """log |1 - eta f''(x)| of points of any shape: how much a step of gradient descent stretches small distances."""
    curvature = well().hessians(points.reshape(-1, 1)).reshape(points.shape)
    return np.log(np.maximum(np.abs(1 - eta * curvature), 1e-300))  # type: ignore[no-any-return]


@item(
    "gd-map-chaos-cubic",
    kind="experiment",
    source=f"{CHAOS}: a deterministic non-linear map",
    title=("Chaos on the double well", "双阱上的混沌"),
    statement=(
        r"Gradient descent is a deterministic non-linear map and can be chaotic: for some rates two starts that are next to each other separate "
        r"exponentially. On $f = (x^2 - 1)^2/4$ with $\eta = 2$ the exponent is $\ln 3$ exactly: in $x = \sqrt{2} \cos t$ a step is "
        r"$t \to 3t + \pi$.",
        r"梯度下降是确定的非线性映射，可能出现混沌：在某些学习率下，相邻的两个起点按指数分离。对 $f = (x^2 - 1)^2/4$，"
        r"$\eta = 2$ 时指数恰为 $\ln 3$：令 $x = \sqrt{2} \cos t$，一步即 $t \to 3t + \pi$。",
    ),
    verdict="holds",
    ranges={"eta": (0.5, 2.0), "start": (-1.4, 1.4)},
)
def cubic(run: Run, eta: float = 2.0, start: float = 0.3) -> None:
    orbit = path(double_well, [0.3], 2.0, 50000)[:, 0]
    run.claim((r"$\eta = 2$: Lyapunov exponent; theory $\ln 3$", r"$\eta = 2$：李雅普诺夫指数；理论值 $\ln 3$"),
              stretching(orbit[:-1], 2.0).mean(), equals=np.log(3), within=2e-3)  # fmt: skip
    t = np.linspace(0, np.pi, 1001)
    one = path(double_well, 2**0.5 * np.cos(t), 2.0, 1)[1]
    run.claim((r"one step of $\sqrt{2} \cos t$, less $\sqrt{2} \cos(3t + \pi)$", r"$\sqrt{2} \cos t$ 走一步，与 $\sqrt{2} \cos(3t + \pi)$ 之差"),
              np.abs(one - 2**0.5 * np.cos(3 * t + np.pi)).max(), at_most=5e-15)  # fmt: skip
    run.claim(
        (r"largest $|x|$; theory $\sqrt{2}$", r"最大的 $|x|$；理论值 $\sqrt{2}$"),
        np.abs(orbit).max(),
        at_most=2**0.5 + 1e-12,
    )
    run.claim(
        (r"share of steps with $|x| < 1$", r"$|x| < 1$ 的步所占比例"),
        float((np.abs(orbit) < 1).mean()),
        equals=0.5,
        within=0.01,
    )
    run.claim(("mean loss", "平均损失"), well().values(orbit[:, None]).mean(), equals=1 / 8, within=2e-3)
    twins = path(double_well, [0.3, 0.3 + 1e-10], 2.0, 20)
    apart = np.abs(twins[:, 1] - twins[:, 0])
    for step, expected, within in ((5, 2.6e-9, 6e-11), (10, 4.1e-6, 6e-8), (20, 0.25, 0.006)):
        run.claim((rf"two starts $10^{{-10}}$ apart: distance after {step} steps", rf"相距 $10^{{-10}}$ 的两个起点：{step} 步后的距离"),
                  apart[step], equals=expected, within=within)  # fmt: skip
    for rate, expected in ((0.9, -0.223), (1.2, -0.193), (1.4, 0.343), (1.5, 0.491), (1.8, 0.803)):
        way = path(double_well, [0.3], rate, 20000)[:-1, 0]
        run.claim(
            (rf"$\eta = {rate}$: exponent", rf"$\eta = {rate}$：指数"),
            stretching(way, rate).mean(),
            equals=expected,
            within=0.02,
        )
    rates = np.unique(np.concatenate([np.linspace(0.8, 2.0, 301), list(ROUTE)]))
    diagram = analysis.bifurcation(double_well, [0.3], rates, burn=1000, keep=100)
    for rate, period in ROUTE.items():
        found = int(diagram.periods[np.argmin(np.abs(rates - rate))])
        name = ("no period up to 50", "50 以内无周期") if period == 0 else ("period", "周期")
        run.claim((rf"$\eta = {rate}$: {name[0]}", rf"$\eta = {rate}$：{name[1]}"), found, equals=period)
    long_run = stretching(diagram.orbits, rates[:, None]).mean(1)
    pair = path(double_well, [start, start + 1e-10], eta, 60)
    distance = np.abs(pair[:, 1] - pair[:, 0])

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.plot(np.repeat(rates, 100), diagram.orbits.ravel(), ",", color="#1f3d66", alpha=0.6, rasterized=True)
        left.set(xlabel=r"learning rate $\eta$", ylabel="x in the long run", title="from one start (x = 0.3)")
        middle.plot(rates, long_run, color="#1f5fa8", linewidth=0.9, label="measured")
        middle.plot(2, np.log(3), "o", color="#d1600f", label=r"$\ln 3$")
        middle.axhline(0, color="0.5", linewidth=0.8)
        middle.set(xlabel=r"learning rate $\eta$", ylabel="Lyapunov exponent", ylim=(-1.5, 1.3))
        middle.legend(fontsize="small", loc="lower right")
        right.semilogy(distance + 1e-17, "o-", markersize=2.5, color="#1f5fa8", label="two starts $10^{-10}$ apart")
        if eta == 2:
            steps = np.arange(22)
            right.semilogy(steps, 1e-10 * 3.0**steps, "k:", label="$10^{-10} \\cdot 3^t$")
        right.set(xlabel="step t", ylabel="distance", title=rf"$\eta = {eta:g}$")
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        ("The route to chaos: bifurcations, the exponent, and two neighbours that part", "通向混沌：分岔、指数，以及分离的两条轨迹"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip
    jumps = 44

    def parting(left: Any, right: Any) -> Any:
        x = np.linspace(-1.55, 1.55, 200)
        left.plot(x, (x * x - 1) ** 2 / 4, color="0.6")
        left.set(xlabel="x", ylabel="loss", title=rf"$\eta = {eta:g}$")
        colours = ("#1f5fa8", "#d1600f")
        tracks = [
            right.plot(pair[: jumps + 1, k], ".-", color=colours[k], linewidth=0.8, label=name)[0]
            for k, name in ((0, f"from {start:g}"), (1, f"from {start:g} + $10^{{-10}}$"))
        ]
        right.set(xlabel="step t", ylabel="x", ylim=(-2.2, 1.6))
        right.legend(fontsize="small", loc="lower left")
        balls = [
            left.plot([], [], "o", color=colour, markeredgecolor="black", markersize=size)[0]
            for colour, size in zip(colours, (13, 7), strict=True)
        ]

        def jump(k: int) -> None:
            for ball, at in zip(balls, pair[k], strict=True):
                ball.set_data([at], [(at * at - 1) ** 2 / 4])

        return together(grow(np.arange(jumps + 1), *tracks), jump)

    run.figure(
        ("Two starts that no eye can tell apart go together for some twenty steps, then each its own way",
         "肉眼无法分辨的两个起点，最初约二十步同行，之后各走各路"),
        parting, (1, 2), (9.6, 3.8), frames=jumps + 1, seconds=12,
    )  # fmt: skip


@item(
    "gd-chaos-two-layer-scalar",
    kind="experiment",
    source=f"{CHAOS} and the network's architecture",
    title=("Chaos in the smallest two-layer network", "最小两层网络中的混沌"),
    statement=(
        r"The two-layer scalar network $f = (w_2 w_1 - 1)^2/2$ trains chaotically for some rates. The difference $w_1 - w_2$ dies out, and on the diagonal "
        r"its dynamics is the cubic map of the double well.",
        r"两层标量网络 $f = (w_2 w_1 - 1)^2/2$ 在某些学习率下训练轨迹是混沌的。$w_1 - w_2$ 趋于零，对角线上的动力学就是双阱的三次映射。",
    ),
    verdict="holds",
    ranges={"eta": (0.5, 1.95), "w1": (0.1, 1.0), "w2": (0.1, 1.0)},
)
def scalar_network(run: Run, eta: float = 1.5, w1: float = 0.3, w2: float = 0.5) -> None:
    found = analysis.Objective(two_layers, np.array([0.3, 0.5]))
    steps, rows = 10000, []
    for rate, first, second in (
        (0.9, -1.8e-5, None), (1.1, -0.112, None), (1.4, 0.343, -0.55), (1.5, 0.494, -0.73), (1.7, -0.435, None), (1.9, 0.880, -0.21)
    ):  # fmt: skip
        way = path(two_layers, [0.3, 0.5], rate, steps + 1000)
        both = exponents(np.eye(2) - rate * found.hessians(way[1000:-1])).exponents
        run.claim(
            (rf"$\eta = {rate}$: largest exponent", rf"$\eta = {rate}$：最大指数"), both[0], equals=first, within=0.03
        )
        if second is not None:
            run.claim(
                (rf"$\eta = {rate}$: second exponent", rf"$\eta = {rate}$：第二指数"),
                both[1],
                equals=second,
                within=0.03,
            )
            run.claim((rf"$\eta = {rate}$: $|w_1 - w_2|$ at the end", rf"$\eta = {rate}$：最终的 $|w_1 - w_2|$"),
                      abs(way[-1, 0] - way[-1, 1]), at_most=1e-9)  # fmt: skip
        rows.append((rate, *both, np.abs(way).max()))
    run.table(("Exponents", "李雅普诺夫指数"), ("eta", "first", "second", "largest |w|"), rows)
    away = np.abs(path(two_layers, [0.3, 0.5], 2.0, 20)).max(1)
    run.claim((r"$\eta = 2$ from (0.3, 0.5): step at which $|w|$ exceeds 1000", r"$\eta = 2$ 从 (0.3, 0.5) 出发：$|w|$ 超过 1000 的步数"),
              int((~(away < 1000)).argmax()), equals=7)  # fmt: skip
    diagonal = path(two_layers, [0.3, 0.3], 2.0, 10000)
    run.claim(
        (r"$\eta = 2$ on the diagonal: largest $|w|$", r"$\eta = 2$ 在对角线上：最大的 $|w|$"),
        np.abs(diagonal).max(),
        at_most=2**0.5 + 1e-9,
    )
    run.claim(("on the diagonal a step is that of the double well: largest difference", "对角线上的一步与双阱的一步之差"),
              np.abs(path(two_layers, [0.3, 0.3], 2.0, 1)[1] - path(double_well, [0.3], 2.0, 1)[1, 0]).max(), at_most=1e-15)  # fmt: skip
    course = path(two_layers, [w1, w2], eta, 3000)
    bounded = course[(np.abs(course) < 10).all(1)]

    def draw(left: Any, right: Any) -> None:
        left.plot(*bounded[200:].T, ".", color="#1f5fa8", markersize=2, label="later steps")
        left.plot(*bounded[:8].T, "o-", color="#d1600f", markersize=3.5, linewidth=0.8, label="the first steps")
        curve = np.linspace(0.2, 2, 100)
        left.plot(curve, 1 / curve, color="0.6", label="minima: $w_1 w_2 = 1$")
        left.set(xlabel="$w_1$", ylabel="$w_2$", title=rf"$\eta = {eta:g}$")
        left.legend(fontsize="small", loc="upper right")
        right.semilogy(np.abs(bounded[:, 0] - bounded[:, 1])[:300] + 1e-17, color="#762a83", label="$|w_1 - w_2|$")
        right.semilogy(
            np.abs(bounded[:300, 0] * bounded[:300, 1] - 1) + 1e-17,
            color="#1f5fa8",
            linewidth=0.8,
            label="$|w_1 w_2 - 1|$",
        )
        right.set(xlabel="step", ylabel="size")
        right.legend(fontsize="small", loc="center right")

    run.figure(
        ("The orbit falls onto the diagonal and wanders along it for ever", "轨迹落到对角线上，并沿对角线无规则地游走"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
