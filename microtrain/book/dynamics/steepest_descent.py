"""The steepest way down, the flow that follows it, and the steps that approximate the flow."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run
from .descent import path

START = (-0.7, 0.9)
H = np.array([[3.0, 1.0], [1.0, 2.0]])


def bent_valley(p: mt.Tensor) -> mt.Tensor:
    """(1 - x)^2 + 5 (y - x^2)^2, a mild Rosenbrock function with its minimum at (1, 1)."""
    return (1 - p[0]) ** 2 + 5 * (p[1] - p[0] * p[0]) ** 2


def contours(ax: Any, x: tuple[float, float], y: tuple[float, float]) -> None:
    """The contour lines of the bent valley, denser near its floor."""
    xs, ys = np.linspace(*x, 160), np.linspace(*y, 160)
    a, b = np.meshgrid(xs, ys)
    found = analysis.Objective(bent_valley, np.zeros(2))
    heights = found.values(np.stack([a.ravel(), b.ravel()], 1)).reshape(a.shape)
    ax.contour(xs, ys, heights, levels=np.geomspace(0.03, max(0.1, heights.max()), 18), colors="0.75", linewidths=0.7)
    ax.set(xlim=x, ylim=y, xlabel="x", ylabel="y")


@item(
    "steepest-descent-direction",
    kind="theorem",
    source="The dynamics of gradient descent, the hiker in the fog; chapter 6, section 6.1",
    title=("The steepest way down is minus the gradient", "负梯度是最速下降方向"),
    statement=(
        r"Of all unit directions $u$ the slope $\nabla f \cdot u$ is smallest for $u = -\nabla f / \|\nabla f\|$, where it is "
        r"$-\|\nabla f\|$; along the gradient the function rises fastest.",
        r"在所有单位方向 $u$ 中，斜率 $\nabla f \cdot u$ 在 $u = -\nabla f / \|\nabla f\|$ 处最小，值为 $-\|\nabla f\|$；"
        r"沿梯度方向函数上升最快。",
    ),
    verdict="holds",
    ranges={"x": (-2.0, 2.0), "y": (-1.0, 3.0), "angles": (8, 36000)},
)
def steepest_direction(run: Run, x: float = -0.7, y: float = 0.9, angles: int = 3600) -> None:
    found = analysis.Objective(bent_valley, np.array(START))
    g = found.gradient()
    turn, slopes = analysis.directional_slopes(found, START, 3600)
    size, downhill = float(np.linalg.norm(g)), float(np.degrees(np.arctan2(-g[1], -g[0])) % 360)
    run.claim(
        ("steepest of 3600 directions, in degrees", "3600 个方向中最陡下坡方向的角度（度）"),
        turn[slopes.argmin()], equals=240.30, within=1e-9,
    )  # fmt: skip
    run.claim(
        ("direction of minus the gradient, in degrees", "负梯度方向的角度（度）"), downhill, equals=240.285, within=5e-4
    )
    run.claim(
        ("its distance from the steepest on the grid", "两者之差"), abs(turn[slopes.argmin()] - downhill), at_most=0.05
    )
    run.claim(("the smallest slope", "最小斜率"), slopes.min(), equals=-4.72075, within=1e-3)
    run.claim((r"$-\|\nabla f\|$", r"$-\|\nabla f\|$"), -size, equals=-4.72076, within=5e-6)
    run.claim(
        (r"all slopes $\geq -\|\nabla f\|$", r"所有斜率 $\geq -\|\nabla f\|$"), slopes.min() + size, at_least=-1e-12
    )
    unit, h = np.stack([np.cos(np.radians(turn)), np.sin(np.radians(turn))], 1), 1e-5
    differences = (found.values(START + h * unit) - found.values(START - h * unit)) / (2 * h)
    run.claim(
        ("slopes by autodiff and by finite differences: largest difference", "自动微分与有限差分所得斜率的最大差"),
        np.abs(slopes - differences).max(), at_most=1e-8,
    )  # fmt: skip

    point = np.array([x, y])
    here = found.gradient(point)
    degrees, shown = analysis.directional_slopes(found, point, angles)

    def draw(left: Any, right: Any) -> None:
        contours(left, (-2, 2), (-1, 3))
        length = float(np.linalg.norm(here)) or 1.0
        for sign, colour, name in ((-1, "#1f5fa8", "minus the gradient"), (1, "#d1600f", "gradient")):
            tip = point + sign * 0.7 * here / length
            left.annotate("", tip, point, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2})
            left.plot([], [], color=colour, linewidth=2, label=name)
        left.plot(*point, "ko", markersize=5)
        left.set_aspect("equal")
        left.legend(fontsize="small", loc="lower right")
        right.plot(degrees, shown, color="0.3", label=r"slope $\nabla f \cdot u$")
        right.axvline(np.degrees(np.arctan2(-here[1], -here[0])) % 360, color="#1f5fa8", label="minus the gradient")
        right.axvline(np.degrees(np.arctan2(here[1], here[0])) % 360, color="#d1600f", linestyle="--", label="gradient")
        right.axhline(0, color="0.7", linewidth=0.8)
        right.set(xlabel="direction in degrees", ylabel="slope", xticks=range(0, 361, 60))
        right.legend(fontsize="small")

    run.figure(
        ("The gradient on the contour lines, and the slope in every direction", "等高线上的梯度，以及各方向的斜率"),
        draw, (1, 2), (9.5, 4.2),
    )  # fmt: skip


@item(
    "gradient-flow-ode",
    kind="algorithm",
    source="The dynamics of gradient descent, the equation of gradient flow",
    title=("Gradient flow", "梯度流"),
    statement=(
        r"With infinitely small steps gradient descent becomes $d\theta/dt = -\nabla L(\theta)$: a smooth curve that crosses "
        r"every contour line at a right angle, along which $dL/dt = -\|\nabla L\|^2$.",
        r"步长趋于零时，梯度下降成为 $d\theta/dt = -\nabla L(\theta)$：轨迹光滑，与每条等高线垂直相交，"
        r"沿途 $dL/dt = -\|\nabla L\|^2$。",
    ),
    verdict="holds",
    ranges={"x": (-2.0, 2.0), "y": (-1.0, 3.0), "t_end": (0.1, 20.0)},
)
def gradient_flow(run: Run, x: float = -0.7, y: float = 0.9, t_end: float = 4.0) -> None:
    found = analysis.Objective(bent_valley, np.array(START))
    flow = analysis.gradient_flow(found, t_end=2.0, method="DOP853", rtol=1e-12, atol=1e-13)
    h = 1e-3
    rows = []
    for t, expected in ((0.1, -3.9449287), (0.5, -4.8262231), (1.0, -0.4941754)):
        near = flow(t + h * np.array([-2, -1, 1, 2]))
        weights = np.array([1, -8, 8, -1]) / (12 * h)
        g, fall, velocity = found.gradient(flow(t)), weights @ found.values(near), weights @ near
        run.claim(
            (rf"$t = {t}$: $-\|\nabla L\|^2$", rf"$t = {t}$：$-\|\nabla L\|^2$"), -g @ g, equals=expected, within=5e-8
        )
        run.claim(
            (rf"$t = {t}$: $dL/dt + \|\nabla L\|^2$", rf"$t = {t}$：$dL/dt + \|\nabla L\|^2$"), fall + g @ g,
            equals=0, within=1e-6,
        )  # fmt: skip
        contour = np.array([-g[1], g[0]]) / np.linalg.norm(g)
        cosine = velocity @ contour / np.linalg.norm(velocity)
        run.claim(
            (rf"$t = {t}$: cosine of path and contour line", rf"$t = {t}$：轨迹与等高线夹角的余弦"), cosine,
            equals=0, within=1e-8,
        )  # fmt: skip
        rows.append((t, found(flow(t)), fall, -g @ g, cosine))
    run.claim(
        ("the loss falls at every point of the path", "损失沿轨迹单调下降"),
        bool((np.diff(found.values(flow.points)) < 0).all()),
    )
    run.table(("Along the flow", "沿梯度流"), ("t", "L", "dL/dt", "-|grad|^2", "cosine of path and contour"), rows)
    times = np.linspace(0, t_end, 300)
    shown = analysis.gradient_flow(found, start=(x, y), t_end=t_end, times=times)

    def draw(left: Any, right: Any) -> None:
        contours(left, (-2, 2), (-1, 3))
        left.plot(*shown.points.T, color="#1f5fa8", linewidth=2, label="gradient flow")
        left.plot(*shown.points[0], "ko", markersize=5)
        left.plot(1, 1, "*", color="#d1600f", markersize=11, label="minimum")
        left.set_aspect("equal")
        left.legend(fontsize="small", loc="lower right")
        slopes = found.gradients(shown.points)
        right.plot(
            times,
            -np.gradient(found.values(shown.points), times),
            color="#1f5fa8",
            linewidth=3,
            alpha=0.5,
            label="$-dL/dt$",
        )
        right.plot(times, (slopes**2).sum(1), color="black", linewidth=1, label=r"$\|\nabla L\|^2$")
        right.plot(times, found.values(shown.points), color="#d1600f", linestyle="--", label="loss $L$")
        right.set(xlabel="time $t$", ylabel="loss, and how fast it falls", yscale="log")
        right.legend(fontsize="small")

    run.figure(
        ("The flow crosses the contour lines at right angles; its loss falls at the rate of the squared gradient norm",
         "梯度流与等高线垂直相交；损失的下降速度等于梯度范数的平方"),
        draw, (1, 2), (9.5, 4.2),
    )  # fmt: skip


@item(
    "gd-as-euler-of-flow",
    kind="experiment",
    source="The dynamics of gradient descent, the hiker takes discrete steps",
    title=("Gradient descent is Euler's method for gradient flow", "梯度下降是梯度流的欧拉法"),
    statement=(
        r"$\theta \leftarrow \theta - \eta \nabla L$ follows the flow for the time $\eta$ by its tangent. After a fixed time the "
        r"distance between the two is proportional to $\eta$: half the rate, half the error.",
        r"$\theta \leftarrow \theta - \eta \nabla L$ 沿切线跟随梯度流前进时间 $\eta$。在固定时刻，两者的距离与 $\eta$ 成正比："
        r"学习率减半，误差减半。",
    ),
    verdict="holds",
    ranges={"eta": (0.001, 0.2), "t_end": (0.5, 10.0)},
)
def euler(run: Run, eta: float = 0.04, t_end: float = 3.0) -> None:
    from scipy.linalg import expm

    bowl = analysis.problems.quadratic(H)
    flow = analysis.gradient_flow(bowl, np.array([1.0, -2.0]), t_end=1.0, rtol=1e-11, atol=1e-13)
    run.claim(
        (r"the bowl's flow and $e^{-H} x_0$: largest difference", r"二次函数的流与 $e^{-H} x_0$ 的最大差"),
        np.abs(flow.end - expm(-H) @ (1.0, -2.0)).max(), at_most=1e-9,
    )  # fmt: skip
    cases = (
        ("quadratic", "二次函数", bowl, (1.0, -2.0), 1.0, (0.1, 0.05, 0.025, 0.0125, 0.00625),
         (0.0560, 0.0274, 0.01353, 0.00673, 0.00335), (5e-5, 5e-5, 5e-6, 5e-6, 5e-6)),
        ("bent valley", "弯曲山谷", bent_valley, START, 2.0, (0.02, 0.01, 0.005, 0.0025),
         (3.16e-3, 1.53e-3, 7.50e-4, 3.72e-4), (5e-6, 5e-6, 5e-7, 5e-7)),
    )  # fmt: skip
    curves = {}
    for name, name_zh, loss, start, time, rates, expected, place in cases:
        apart = analysis.euler_error(loss, start, time, rates)
        for rate, distance, value, within in zip(rates, apart, expected, place, strict=True):
            run.claim(
                (rf"{name}, $\eta = {rate}$: distance", rf"{name_zh}，$\eta = {rate}$：距离"), distance,
                equals=value, within=within,
            )  # fmt: skip
        run.claim(
            (f"{name}: error ratios when the rate is halved", f"{name_zh}：学习率减半时的误差比"), apart[:-1] / apart[1:],
            between=(1.9, 2.2),
        )  # fmt: skip
        curves[name] = rates, apart
    times = np.linspace(0, t_end, 300)
    smooth = analysis.gradient_flow(bent_valley, np.array(START), t_end=t_end, times=times)
    steps = path(bent_valley, START, eta, max(1, round(t_end / eta)))
    close = steps[: int(np.argmax(np.append(np.abs(steps).max(1) > 5, True)))]  # what is still in the picture

    def draw(left: Any, right: Any) -> None:
        contours(left, (-1.5, 1.5), (-0.5, 2))
        left.plot(*smooth.points.T, color="black", linewidth=2.5, alpha=0.4, label="gradient flow")
        left.plot(
            *close.T, "o-", color="#1f5fa8", markersize=3.5, linewidth=1, label=rf"gradient descent, $\eta = {eta:g}$"
        )
        left.legend(fontsize="small", loc="lower right")
        for (name, (rates, apart)), mark in zip(curves.items(), "os", strict=True):
            right.loglog(rates, apart, mark + "-", label=name)
        right.loglog([0.0025, 0.1], [0.0025 / 2.5, 0.04], ":", color="0.5", label=r"proportional to $\eta$")
        right.set(xlabel=r"learning rate $\eta$", ylabel="distance from the flow")
        right.legend(fontsize="small")

    run.figure(
        ("Steps beside the flow, and their distance from it at a fixed time", "离散步与梯度流，以及固定时刻的距离"),
        draw, (1, 2), (9.5, 4.2),
    )  # fmt: skip
