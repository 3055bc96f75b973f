"""Gradient descent with noise at a temperature: where it stays, and how it leaves a sharp minimum for a flat one."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..moving import grow, moments, together
from ..run import Run
from .following import descent, follow, walkers
from .minibatch import linear_data

WELL = mt.analysis.problems.sharp_flat_well()
SHARP, BARRIER = -0.99320, -0.46649


def heights(x: np.ndarray) -> np.ndarray:
    """The loss of the two wells at many places."""
    return mt.analysis.objective(WELL, np.zeros(1)).values(x.reshape(-1, 1))


@item(
    "langevin-noisy-gd",
    kind="optimizer",
    source="Deep-learning optimizers, the display with the noise temperature; hands-on problem 3154353",
    title=("Gradient descent at a temperature", "有温度的梯度下降"),
    statement=(
        r"To imitate SGD, noise of a temperature $T$ is added to gradient descent: "
        r"$x_{t+1} = x_t - \eta \nabla f(x_t) + \sqrt{2 \eta T}\, \xi_t$ with $\xi_t \sim N(0, 1)$.",
        r"为模拟 SGD，在梯度下降中加入噪声温度为 $T$ 的扰动：$x_{t+1} = x_t - \eta \nabla f(x_t) + \sqrt{2 \eta T}\, \xi_t$，"
        r"其中 $\xi_t \sim N(0, 1)$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It shows the mechanism only. The noise of real mini-batches depends on the place and the direction, and its "
        r"variance goes with $\eta / B$, not with a $T$ of its own.",
        r"它只说明机制。真实的小批量噪声随位置和方向而变，方差与 $\eta / B$ 成正比，并没有独立的 $T$。",
    ),
    ranges={"eta": (0.001, 1.0), "temperature": (0.0, 5.0)},
    random=True,
)
def noisy_descent(run: Run, eta: float = 0.01, temperature: float = 0.5) -> None:
    def parabola(x: mt.Tensor) -> mt.Tensor:
        return 0.5 * (x * x).sum()

    cold = np.array([x[0, 0] for x in walkers(1.0, 1, [0.0], 0.01, run.seed, WELL, 300)])
    plain = follow(lambda p: mt.optim.GradientDescent(p, lr=0.01), WELL, [1.0], 300)[1:, 0]
    run.claim(
        (r"$T = 0$ is gradient descent: largest difference", r"$T = 0$ 即梯度下降：最大差"),
        np.abs(cold - plain).max(),
        at_most=1e-15,
    )
    early: list[float] = []
    late: list[float] = []
    for k, x in enumerate(walkers(0.0, 500, [0.5], 0.01, run.seed, parabola, 10000)):
        (late if k >= 5000 else early).append(float((x * x).mean()))
    variance = float(np.mean(late))
    run.claim(
        (
            r"$f = x^2/2$, $\eta = 0.01$, $T = 0.5$: stationary variance $T / (1 - \eta/2)$",
            r"$f = x^2/2$，$\eta = 0.01$，$T = 0.5$：平稳方差 $T / (1 - \eta/2)$",
        ),
        variance,
        equals=0.5025,
        relative=0.05,
    )
    X, y = linear_data(run.rng, 200, 5, 1.0)
    a, t = mt.tensor(X * np.array([3.0, 1.0, 1.0, 1.0, 0.3])), mt.tensor(y)
    at = np.linalg.lstsq(a.numpy(), y, rcond=None)[0]

    def noise(place: np.ndarray, batch: int) -> Any:
        return mt.analysis.gradient_noise(lambda v: 0.5 * (a @ v - t) ** 2, place, batch, replace=True)

    near, far = noise(at, 8), noise(at + 2, 8)
    spectrum = np.linalg.eigvalsh(near.covariance)
    run.claim(
        (
            "mini-batch noise of a regression: far from the minimum over at it",
            "回归的小批量噪声：远离最小值点处与最小值点处之比",
        ),
        far.trace / near.trace,
        at_least=3.0,
    )
    run.claim(
        (
            "mini-batch noise: largest variance of a direction over the smallest",
            "小批量噪声：各方向方差的最大值与最小值之比",
        ),
        spectrum[-1] / spectrum[0],
        at_least=10.0,
    )
    run.claim(
        (r"mini-batch noise: variance at $B = 8$ over $B = 32$", r"小批量噪声：$B = 8$ 与 $B = 32$ 的方差之比"),
        near.trace / noise(at, 32).trace,
        equals=4.0,
        within=1e-9,
    )
    some = np.array([x[0].copy() for x in walkers(2.0, 200, [temperature], eta, run.seed, parabola, 400)])

    def draw(left: Any, right: Any) -> None:
        left.plot(some[:, :4], linewidth=0.8)
        spread = np.sqrt(temperature / max(1e-9, 1 - eta / 2))
        for sign in (-1, 1):
            left.axhline(
                sign * spread, color="k", linestyle="--", label=r"$\pm\sqrt{T / (1 - \eta/2)}$" if sign > 0 else None
            )
        left.set(xlabel="step", ylabel="x", title=rf"four walkers, $\eta = {eta}$, $T = {temperature}$")
        left.legend(fontsize="small")
        right.plot(np.arange(1, 10001), early + late, linewidth=0.8, label="500 walkers")
        right.axhline(0.5 / 0.995, color="C3", linestyle="--", label=r"$T / (1 - \eta/2)$")
        right.set(xlabel="step", ylabel=r"mean of $x^2$", title=r"$\eta = 0.01$, $T = 0.5$")
        right.legend(fontsize="small")

    run.figure(
        ("Left: single walkers. Right: the variance settles.", "左：单个粒子。右：方差趋于平稳。"),
        draw,
        (1, 2),
        (9.6, 3.8),
    )


def escape_medians(temperatures: Any, count: int, eta: float, seed: int, most: int = 20000) -> np.ndarray:
    """The median of the first step with x > 0.3, from the sharp minimum, for each temperature; NaN if too few leave."""
    first = np.full((len(temperatures), count), most + 1)
    for k, x in enumerate(walkers(SHARP, count, temperatures, eta, seed, WELL, most), 1):
        first[(x > 0.3) & (first > most)] = k
        if k % 100 == 0 and (np.median(first, axis=1) < k).all():
            break
    median = np.median(first, axis=1)
    return np.where(median > most, np.nan, median)


@item(
    "noise-escape-sharp-to-flat",
    kind="experiment",
    source="Deep-learning optimizers, sharp and flat valleys; hands-on problem 3154353",
    title=("Noise leads out of a sharp minimum", "噪声使优化逃离尖锐极小值"),
    statement=(
        "Between a sharp and a flat valley, gradient descent without noise stays for ever in the sharp one where it began. "
        "With noise it escapes to the flat one, and the sooner the hotter it is.",
        "损失有一个尖锐的山谷和一个平坦的山谷。没有噪声的梯度下降若从尖锐山谷出发，就一直留在那里；有噪声时会逃到平坦山谷，温度越高，逃离越快。",
    ),
    verdict="holds with a condition",
    correction=(
        r"“For ever” needs a small rate. Without noise it returns to the sharp minimum for $\eta < 2/24.8 = 0.0806$ and cycles "
        r"inside the well up to about 0.2, but at $\eta = 0.25$ it jumps out of it by itself. That the escape time falls with $T$ is robust.",
        r"“一直”以学习率小为条件。没有噪声时，$\eta < 2/24.8 = 0.0806$ 则回到尖锐极小值，到约 0.2 为止在谷内循环，"
        r"而 $\eta = 0.25$ 时无须噪声就会跳出。逃离时间随 $T$ 升高而缩短，这一点是稳健的。",
    ),
    ranges={"temperature": (0.0, 1.0), "eta": (0.001, 0.05), "steps": (100, 5000)},
    random=True,
)
def escape(run: Run, temperature: float = 0.3, eta: float = 0.01, steps: int = 2000) -> None:
    found = mt.analysis.critical_points(WELL, np.array([-1.1, -1.0, -0.45, 0.9, 1.0]))
    places = sorted((float(p.point[0]), p.value, float(p.eigenvalues[0])) for p in found)
    for (x, f, c), name, zh, (at, low, bend) in zip(
        places, ("sharp minimum", "barrier", "flat minimum"), ("尖锐极小值", "势垒", "平坦极小值"),
        ((-0.99320, -0.9675, 24.805), (-0.46649, -0.1290, -5.03), (0.95319, -0.9523, 2.127)), strict=True,
    ):  # fmt: skip
        run.claim((f"{name}: x", f"{zh}：x"), x, equals=at, within=1e-5)
        run.claim((f"{name}: f", f"{zh}：f"), f, equals=low, within=1e-4)
        run.claim((f"{name}: curvature", f"{zh}：曲率"), c, equals=bend, within=1e-3 if bend > 0 else 5e-3)
    still = follow(lambda p: mt.optim.SGD(p, lr=0.01), WELL, [SHARP], 20000)
    run.claim((r"$T = 0$: $x$ after 20000 steps", r"$T = 0$：20000 步后的 $x$"), still[-1], equals=-0.9932, within=5e-5)
    run.claim((r"$T = 0$: largest $x$ on the way", r"$T = 0$：途中 $x$ 的最大值"), still.max(), at_most=BARRIER)
    temperatures = (0.2, 0.3, 0.4, 0.6)
    medians = escape_medians(temperatures, 200, 0.01, run.seed)
    for t, median, usual in zip(temperatures, medians, (3200, 960, 540, 300), strict=True):
        run.claim(
            (rf"$T = {t}$: median step of the escape", rf"$T = {t}$：逃离步数的中位数"),
            median,
            equals=usual,
            relative=0.4,
        )
    run.claim(("the medians fall with the temperature", "中位数随温度升高而减小"), bool((np.diff(medians) < 0).all()))
    run.claim(
        (r"median at $T = 0.2$ over that at $T = 0.4$", r"$T = 0.2$ 与 $T = 0.4$ 的中位数之比"),
        medians[0] / medians[2],
        at_least=3.0,
    )
    for rate, fate, zh in (
        (0.08, "converges to it", "收敛到它"),
        (0.082, "cycles in the well", "在谷内循环"),
        (0.1, "cycles in the well", "在谷内循环"),
        (0.2, "cycles in the well", "在谷内循环"),
        (0.25, "leaves without noise", "无噪声也跳出"),
    ):
        path = follow(descent(rate), WELL, [SHARP + 0.01], 600)[:, 0]
        tail = path[-100:]
        seen = {
            "converges to it": np.abs(tail - SHARP).max() < 1e-3,
            "cycles in the well": path.max() < BARRIER and np.ptp(tail) > 1e-2,
            "leaves without noise": path.max() > 0.3,
        }[fate]
        run.claim(
            (
                rf"$T = 0$, $\eta = {rate}$ from the sharp minimum + 0.01: {fate}",
                rf"$T = 0$，$\eta = {rate}$，从尖锐极小值右侧 0.01 处出发：{zh}",
            ),
            bool(seen),
        )
    some = np.array([x[0].copy() for x in walkers(SHARP, 3, [temperature], eta, run.seed, WELL, steps)])

    def draw(left: Any, right: Any) -> Any:
        x = np.linspace(min(-1.9, some.min() - 0.2), max(2.6, some.max() + 0.2), 400)
        left.plot(x, heights(x), "k")
        for (place, f, c), mark in zip(places, "s^D", strict=True):
            left.plot(place, f, mark, color="0.4", label=rf"$x = {place:.3f}$, curvature {c:.3g}")
        left.set(xlabel="x", ylabel="f(x)")
        left.legend(fontsize="small")
        lines = right.plot(some, linewidth=0.7)
        right.axhline(BARRIER, color="k", linestyle=":", label="barrier")
        right.set(xlabel="step", ylabel="x", title=rf"three walkers, $T = {temperature}$, $\eta = {eta}$")
        right.legend(fontsize="small")
        when = moments(len(some) - 1, 64)
        balls = [left.plot([], [], "o", color=f"C{k}", markeredgecolor="black", markersize=9)[0] for k in range(3)]

        def roll(frame: int) -> None:
            for ball, x in zip(balls, some[when[frame]], strict=True):
                ball.set_data([x], [heights(x)])

        return together(grow(when, *lines), roll)

    run.figure(
        (
            "Left: the two wells. Right: walkers that begin in the sharp one.",
            "左：两个山谷。右：从尖锐山谷出发的粒子。",
        ),
        draw,
        (1, 2),
        (9.6, 3.8),
        frames=64,
        seconds=8,
    )

    def times(ax: Any) -> None:
        ax.semilogy(1 / np.array(temperatures), medians, "o-", label="median of 200 walkers")
        ax.set(xlabel="1 / T", ylabel="step of the escape")
        ax.legend(fontsize="small")

    run.figure(
        ("Escape times over the inverse temperature: nearly a straight line.", "逃离时间与温度倒数的关系：接近直线。"),
        times,
        size=(5.0, 3.4),
    )
