"""Problems 6.7 and 6.8: right angles, and leaving a minimum without noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ...viz import plots
from ..entry import item
from ..run import Run
from .problem_gradients import sum_of_squares


class Relaxed(mt.optim.LineSearchGD):
    """The exact line search of a quadratic, of which only a share is walked."""

    share = 1.0

    def move(self, point: Any, where: Any) -> None:
        here = self.flat.values()
        super().move(here + self.share * (point - here), where)


def searched(
    loss: analysis.Objective, start: Any, make: Callable[[Any], Any], limit: float, most: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """(points, gradients) of an optimizer on a loss until its gradient is shorter than `limit`."""
    loss.flat.write(np.array(start, float))
    optimizer = make(loss.params)
    points, slopes = [loss.theta], [loss.gradient()]

    def closure() -> mt.Tensor:
        optimizer.zero_grad()
        value = loss.closure()
        if isinstance(optimizer, mt.optim.SGD):  # the others differentiate it themselves
            value.backward()
        return value

    while np.linalg.norm(slopes[-1]) >= limit and len(points) <= most:
        optimizer.step(closure)
        points.append(loss.theta)
        slopes.append(loss.gradient())
    return np.array(points), np.array(slopes)


def cosines(slopes: np.ndarray) -> np.ndarray:
    """|cos| of the angle between successive gradients."""
    size = np.linalg.norm(slopes, axis=1)
    return np.abs((slopes[1:] * slopes[:-1]).sum(1)) / (size[1:] * size[:-1])  # type: ignore[no-any-return]


@item(
    "problem-6-7",
    kind="problem",
    source="Problem 6.7 and Figure 6.5a",
    title=("Problem 6.7: right angles", "习题 6.7：直角转弯"),
    statement=(
        "Path 1 of Figure 6.5a turns at right angles and oscillates on its way down the valley. Explain why, and propose "
        "a remedy.",
        "图 6.5a 的路径 1 以直角转弯，沿山谷来回振荡。说明原因，并提出改进办法。",
    ),
    verdict="holds with a condition",
    correction=(
        "Right angles need an exact search, with the minimum inside the interval, and the whole step. Where the search "
        r"runs into its end, as from $(-1.5, 8.5)$, successive gradients are not orthogonal.",
        r"直角的前提是精确线搜索、最小值在搜索区间内部、并走完整一步。若搜索停在区间端点，例如从 $(-1.5, 8.5)$ 出发，"
        r"相邻的梯度并不正交。",
    ),
    ranges={"relax": (0.3, 1.0), "phi_0": (-9.0, 9.0), "phi_1": (3.0, 22.0)},
)
def problem_6_7(run: Run, relax: float = 0.9, phi_0: float = -2.1, phi_1: float = 20.0) -> None:
    gabor = sum_of_squares(mt.nn.Gabor(), *mt.data.gabor_points())
    search = partial(mt.optim.LineSearchGD, search="golden", lr=2.0, tol=1e-9)
    points, slopes = searched(gabor, (-2.1, 20.0), search, 1e-4, 150)
    angles = cosines(slopes)
    run.claim(
        (
            "Gabor, line search: median |cos| between successive gradients",
            "Gabor，线搜索：相邻梯度夹角余弦绝对值的中位数",
        ),
        float(np.median(angles)),
        at_most=1e-5,
    )
    run.claim(("the same, maximum", "同上，最大值"), angles.max(), at_most=1e-3)
    run.claim(("steps to $|g| < 10^{-4}$", "到 $|g| < 10^{-4}$ 的步数"), len(points) - 1, equals=83, within=1)
    _, ends = searched(gabor, (-1.5, 8.5), search, 1e-5, 4)
    run.claim(
        (
            "from (-1.5, 8.5), step 2, at the end of the interval: cosine",
            "从 (-1.5, 8.5) 出发，第 2 步停在区间端点：余弦",
        ),
        float(cosines(ends)[1]),
        equals=0.2553,
        within=1e-4,
    )
    line = sum_of_squares(mt.nn.Line(), *mt.data.line_points())
    hessian, start = line.hessian(), (1.6, -0.5)

    def walked(share: float) -> Callable[[Any], Any]:
        def make(params: Any) -> Any:
            optimizer = Relaxed(params, search="exact")
            optimizer.share = share
            return optimizer

        return make

    low, high = np.linalg.eigvalsh(hessian)
    rate, beta = analysis.polyak_parameters(low, high)
    counts: dict[str, int] = {}
    paths = {}
    for share, known in ((1.0, 69), (0.5, (57, 70)), (0.8, 43), (0.9, 31), (0.95, 23)):
        name = "exact search" if share == 1 else f"relaxed, {share:g}"
        paths[name] = searched(line, start, walked(share), 1e-8)[0]
        counts[name] = len(paths[name]) - 1
        text = (
            f"line fit to $|g| < 10^{{-8}}$, {share:g} of the exact step: steps",
            f"直线拟合到 $|g| < 10^{{-8}}$，走精确步长的 {share:g}：步数",
        )
        if isinstance(known, tuple):
            run.claim(text, counts[name], between=known)
        else:
            run.claim(text, counts[name], equals=known)
    run.note(
        "Half steps are chaotic: starts that differ by $10^{-13}$ need from 58 to 69 of them. The other counts do not depend "
        "on rounding.",
        "步长减半时的路径是混沌的：起点相差 $10^{-13}$，步数就在 58～69 之间变化。其他步数不受舍入影响。",
    )
    ball = partial(mt.optim.SGD, lr=rate, momentum=beta)
    paths["heavy ball"] = searched(line, start, ball, 1e-8)[0]
    counts["heavy ball"] = len(paths["heavy ball"]) - 1
    run.claim(("tuned heavy ball: steps", "调好的重球法：步数"), counts["heavy ball"], equals=44)
    conjugate, _ = searched(line, start, mt.optim.ConjugateGradient, 1e-8)
    paths["conjugate gradients"], counts["conjugate gradients"] = conjugate, len(conjugate) - 1
    run.claim(("conjugate gradients: steps", "共轭梯度：步数"), counts["conjugate gradients"], at_most=3)
    run.claim(
        ("gradient where they end", "共轭梯度终点处的梯度"), np.abs(line.gradient(conjugate[-1])).max(), at_most=1e-8
    )
    newton = searched(line, start, mt.optim.Newton, 1e-8)[0]
    run.claim(("Newton: steps", "牛顿法：步数"), len(newton) - 1, equals=1)
    run.table(
        ("Steps on the line fit", "直线拟合所需步数"),
        ("method", "steps"),
        [*counts.items(), ("Newton", len(newton) - 1)],
    )
    run.note(
        r"An exact search along $-g$ stops where the slope along the line vanishes: $g_{new} \cdot g = 0$. The next step "
        "goes along $-g_{new}$, so it is at a right angle. Remedies: walk only a part of the step, momentum, conjugate "
        "gradients, Newton's method.",
        r"沿 $-g$ 做精确线搜索，停在沿线斜率为零处，即 $g_{new} \cdot g = 0$。下一步沿 $-g_{new}$ 方向，故成直角。"
        "改进办法：只走一部分步长、动量法、共轭梯度、牛顿法。",
    )
    own = searched(gabor, (phi_0, phi_1), search, 1e-4, 60)[0]
    ours = searched(line, start, walked(relax), 1e-8)[0]
    half = 0.75 * max(np.ptp(own, axis=0).max(), 2.0)  # a square picture, so that right angles look right
    (left_of, right_of), (below, above) = ((c - half, c + half) for c in (own.min(0) + own.max(0)) / 2)
    hills = analysis.landscape(gabor, None, (left_of, right_of), (below, above), resolution=81)
    bowl = analysis.landscape(line, None, (-0.2, 1.9), (-0.9, 1.4), resolution=81)

    def draw(left: Any, right: Any) -> None:
        plots.landscape(hills, ax=left, paths={"line search": own})
        left.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title=f"Gabor: {len(own) - 1} steps", aspect="equal")
        shown = {"exact search": paths["exact search"], f"{relax:g} of it": ours, "CG": paths["conjugate gradients"]}
        plots.landscape(bowl, ax=right, paths=shown)
        right.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", aspect="equal")
        right.set_title(f"Line fit: {counts['exact search']}, {len(ours) - 1}, {counts['conjugate gradients']} steps")

    run.figure(
        (
            "Every turn of the exact search is a right angle. Stopping short of it, or conjugate directions, cut the way.",
            "精确线搜索的每次转弯都是直角。步子略短一些，或用共轭方向，路程都会缩短。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )


WELL = analysis.problems.sharp_flat_well()


@item(
    "problem-6-8",
    kind="problem",
    source="Problem 6.8",
    title=("Problem 6.8: leaving a minimum without noise", "习题 6.8：没有噪声也能离开极小值"),
    statement=(
        "Can gradient descent that is not stochastic and has a fixed learning rate escape from a local minimum?",
        "学习率固定的非随机梯度下降，能逃离局部极小值吗？",
    ),
    verdict="holds",
    ranges={"eta": (0.005, 1.2), "steps": (10, 500)},
)
def problem_6_8(run: Run, eta: float = 0.25, steps: int = 60) -> None:
    sharp, flat = (analysis.critical_points(WELL, [p])[0] for p in (-0.99, 0.95))
    curvature = float(sharp.eigenvalues[0])
    run.claim((r"sharp minimum: $2/$curvature", r"尖锐极小值：2 除以曲率"), 2 / curvature, equals=0.08063, within=5e-6)
    rates = np.array([0.02, 0.07, 0.08, 0.082, 0.09, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 0.9, 1.0])
    start = float(sharp.point[0]) + 1e-3

    def paths_of(lrs: np.ndarray, count: int) -> np.ndarray:
        """Positions (count + 1, rates)."""
        params = [mt.tensor([start], requires_grad=True) for _ in lrs]
        optimizer = mt.optim.SGD([{"params": [p], "lr": float(lr)} for p, lr in zip(params, lrs, strict=True)])
        path = [np.full(len(lrs), start)]
        for _ in range(count):
            optimizer.zero_grad()
            x = mt.stack(params)
            WELL(x).backward()
            optimizer.step()
            path.append(np.concatenate([p.detach().numpy() for p in params]))
        return np.array(path)

    path = paths_of(rates, 1500)
    by_rate = {float(lr): path[:, k] for k, lr in enumerate(rates)}
    for lr in (0.02, 0.07, 0.08):
        run.claim(
            (rf"$\eta = {lr}$: returns to the sharp minimum", rf"$\eta = {lr}$：回到尖锐极小值"),
            by_rate[lr][-1],
            equals=-0.99320,
            within=5e-5,
        )
    for lr in (0.082, 0.09, 0.1, 0.15, 0.2):
        late = by_rate[lr][-200:]
        run.claim(
            (rf"$\eta = {lr}$: leaves the minimum (final swing)", rf"$\eta = {lr}$：离开极小值点（最后的摆幅）"),
            np.ptp(late),
            at_least=0.01,
        )
        run.claim((rf"$\eta = {lr}$: but not the well", rf"$\eta = {lr}$：但仍在山谷内"), late.max(), at_most=-0.46649)
    for lr in (0.25, 0.3, 0.4, 0.6, 0.9):
        run.claim(
            (rf"$\eta = {lr}$: ends in the flat minimum", rf"$\eta = {lr}$：停在平坦极小值"),
            by_rate[lr][-1],
            equals=0.95318,
            within=5e-5,
        )
        run.claim(
            (rf"$\eta = {lr}$: step at which it has left", rf"$\eta = {lr}$：离开时的步数"),
            int(np.argmax(by_rate[lr] > -0.46649)),
            between=(4, 12),
        )
    run.claim(
        (r"flat minimum: $2/$curvature", r"平坦极小值：2 除以曲率"),
        2 / float(flat.eigenvalues[0]),
        equals=0.940,
        within=5e-4,
    )
    run.claim((r"$\eta = 1$ settles nowhere: final swing", r"$\eta = 1$ 停不下来：最后的摆幅"), np.ptp(by_rate[1.0][-200:]),
              at_least=0.1)  # fmt: skip
    run.note(
        r"Near a minimum of curvature $h$ a step multiplies the distance by $1 - \eta h$. For $\eta < 2/h$ that is a "
        "contraction, and there is no escape. For a larger rate the minimum repels; the overshoot may end in a cycle "
        "inside the well, or in another valley.",
        r"在曲率为 $h$ 的极小值附近，每一步把距离乘以 $1 - \eta h$。$\eta < 2/h$ 时距离缩小，无法逃离。学习率更大时极小值排斥迭代点；"
        "过冲可能变成谷内的循环，也可能落入另一个山谷。",
    )
    rows = [(lr, *np.round(np.unique(p[-40:].round(4))[[0, -1]], 4)) for lr, p in by_rate.items()]
    run.table(
        ("Where it ends: lowest and highest of the last positions", "最终位置的最小值与最大值"),
        ("eta", "from", "to"),
        rows,
    )
    own = {lr: paths_of(np.array([lr]), steps)[:, 0] for lr in dict.fromkeys((0.07, 0.1, eta))}

    def draw(left: Any, right: Any) -> None:
        loss = analysis.Objective(WELL, np.zeros(1))
        x = np.linspace(-2, 2.2, 400)
        left.plot(x, loss.values(x[:, None]), color="0.6")
        for k, (lr, p) in enumerate(own.items()):
            if k == len(own) - 1:
                left.plot(
                    p,
                    loss.values(p[:, None]),
                    "o-",
                    markersize=3,
                    linewidth=0.7,
                    color=f"C{k}",
                    label=rf"$\eta = {lr:g}$",
                )
            right.plot(p, ".-", markersize=4, linewidth=0.8, color=f"C{k}", label=rf"$\eta = {lr:g}$")
        left.set(xlabel="x", ylabel="f(x)", xlim=(-2, 2.2), ylim=(-1.1, 0.6), title="The jump")
        left.legend(fontsize="small")
        right.axhline(-0.46649, color="k", linestyle=":", linewidth=0.8, label="barrier")
        right.set(xlabel="step", ylabel="x", title=r"$2/h = 0.0806$ at the sharp minimum")
        right.legend(fontsize="small")

    run.figure(
        (
            "Below $2/h$ it stays, a little above it cycles in the well, far above it is thrown into the other valley.",
            "低于 $2/h$ 时留在原处；略高时在谷内循环；高出很多时落入另一个山谷。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
