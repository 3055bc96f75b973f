"""What the curvature has to do with the learning rate: the perfect jump, the two-cycle, the axes of a ravine."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run
from .descent import path
from .parabola import descend


def jump(loss: Any, start: float) -> tuple[float, float]:
    """(1 / f'', where a step with this learning rate leads), with f'' by autodiff."""
    rate = 1 / float(analysis.hessian(loss, np.array([start]))[0, 0])
    return rate, float(path(loss, [start], rate, 1)[1, 0])


@item(
    "perfect-jump-needs-curvature",
    kind="theorem",
    source=r"The dynamics of gradient descent, the dance of the learning rate, $\eta = 0.5$",
    title=("A perfect jump needs the curvature", "一步到达需要知道曲率"),
    statement=(
        r"One step reaches the minimum of a parabola because its curvature is known: $\eta = 1/f''$.",
        r"对抛物线，一步即可到达最小值点，因为曲率已知：$\eta = 1/f''$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Exact for quadratic functions only. Elsewhere $\eta = 1/f''(x)$ is one step of Newton's method: on $f = x^4/4$ it leads "
        r"from 1 to 2/3, and every further step multiplies $x$ by 2/3 again.",
        r"仅对二次函数精确成立。对其他函数，$\eta = 1/f''(x)$ 只是一步牛顿法：对 $f = x^4/4$，由 1 只到 2/3，"
        r"此后每一步仍只缩小为 2/3。",
    ),
    ranges={"a": (0.1, 40.0), "start": (0.2, 3.0)},
)
def perfect_jump(run: Run, a: float = 2.0, start: float = 1.0) -> None:
    for curvature in (0.5, 2.0, 37.0):
        parabola = analysis.problems.quadratic([curvature])
        rate, end = jump(parabola, 1.0)
        run.claim(
            (rf"$a = {curvature}$: $1/f''$", rf"$a = {curvature}$：$1/f''$"), rate, equals=1 / curvature, within=1e-15
        )
        run.claim(
            (rf"$f = {curvature} x^2/2$: $x$ after the jump", rf"$f = {curvature} x^2/2$：一步后的 $x$"), end,
            equals=0, within=1e-15,
        )  # fmt: skip

    def quartic(x: mt.Tensor) -> mt.Tensor:
        return (x**4).sum() / 4

    rate, end = jump(quartic, 1.0)
    run.claim((r"$f = x^4/4$ at 1: $1/f''$", r"$f = x^4/4$ 在 1 处：$1/f''$"), rate, equals=1 / 3, within=1e-15)
    run.claim((r"$f = x^4/4$: $x$ after the jump", r"$f = x^4/4$：一步后的 $x$"), end, equals=2 / 3, within=1e-15)
    newton = [start]
    for _ in range(5):
        newton.append(jump(quartic, newton[-1])[1])
    landed = jump(analysis.problems.quadratic([a]), start)[1]

    def draw(left: Any, right: Any) -> None:
        x = np.linspace(-0.4 * start, 1.3 * start, 200)
        left.plot(x, a * x**2 / 2, color="0.6", label=f"$f = {a:g}\\,x^2/2$")
        left.plot([start, landed], [a * start**2 / 2, a * landed**2 / 2], "o--", label=rf"$\eta = 1/f'' = {1 / a:.3g}$")
        right.plot(x, x**4 / 4, color="0.6", label="$f = x^4/4$")
        slope, bend = start**3, 3 * start**2
        model = start**4 / 4 + slope * (x - start) + bend * (x - start) ** 2 / 2
        right.plot(x, model, ":", color="#d1600f", label="parabola with the same slope and curvature")
        points = np.array(newton)
        right.plot(points, points**4 / 4, "o--", color="#1f5fa8", label=r"steps with $\eta = 1/f''(x)$")
        right.set_ylim(-0.15 * start**4, 0.8 * start**4)
        for ax in (left, right):
            ax.set(xlabel="x", ylabel="f(x)")
            ax.legend(fontsize="small", loc="upper left")

    run.figure(
        ("On a parabola the jump lands on the minimum; on a quartic it lands at the minimum of the parabola that fits here",
         "在抛物线上一步落在最小值点；在四次函数上落在局部拟合抛物线的最小值点"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip


@item(
    "gd-two-cycle-neutral",
    kind="experiment",
    source=r"The dynamics of gradient descent, the dance of the learning rate, $\eta = 1$",
    title=("The two-cycle on the parabola is neutral", "抛物线上的两步循环是中性的"),
    statement=(
        r"At $\eta = 1$ on $f = x^2$ the iterate jumps to and fro between $x_0$ and $-x_0$ and never comes closer.",
        r"对 $f = x^2$ 取 $\eta = 1$ 时，迭代点在 $x_0$ 与 $-x_0$ 之间往复，不再靠近最小值点。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The text calls it stable, but it only persists: its size is that of the start, and a change of $\eta$ by $10^{-3}$ makes it shrink "
        r"or grow. A cycle that attracts exists on the double well $(x^2-1)^2/4$ at $\eta = 1.1$. And on a line nothing "
        r"spirals: for $1/2 < \eta < 1$ the iterate alternates.",
        r"原文称之为“稳定”，其实只是持续：幅度等于起点的幅度，$\eta$ 改变 $10^{-3}$ 就会缩小或增大。"
        r"双阱 $(x^2-1)^2/4$ 在 $\eta = 1.1$ 时才有真正吸引的循环。一维上也没有“螺旋”：$1/2 < \eta < 1$ 时只是左右交替。",
    ),
    ranges={"eta": (0.5, 1.24), "steps": (2, 400)},
)
def neutral_cycle(run: Run, eta: float = 1.1, steps: int = 40) -> None:
    for start in (1.0, 0.37):
        size = np.abs(descend(1.0, start, 1000))
        run.claim(
            (rf"$x_0 = {start}$: $|x|$ during 1000 steps", rf"$x_0 = {start}$：1000 步内的 $|x|$"), size,
            equals=start, within=1e-15,
        )  # fmt: skip
    near = {rate: np.abs(descend(rate, 1.0, 1000)) for rate in (0.999, 1.001)}
    run.claim(
        (r"$\eta = 0.999$: $|x|$ after 1000 steps", r"$\eta = 0.999$：1000 步后的 $|x|$"), near[0.999][-1], at_most=0.2
    )
    run.claim(
        (r"$\eta = 1.001$: $|x|$ after 1000 steps", r"$\eta = 1.001$：1000 步后的 $|x|$"), near[1.001][-1], at_least=5
    )
    starts = np.linspace(-1.3, 1.3, 14)
    well = analysis.problems.double_well
    ends = np.abs(path(well, starts, 1.1, 600)[-2:])
    run.claim(
        ("double well: the larger point of the cycle, from 14 starts", "双阱：循环的大值点，14 个起点"), ends.max(0),
        equals=1.11606, within=5e-6,
    )  # fmt: skip
    run.claim(
        ("double well: the smaller point of the cycle, from 14 starts", "双阱：循环的小值点，14 个起点"), ends.min(0),
        equals=0.81455, within=5e-6,
    )  # fmt: skip
    curvatures = analysis.Objective(well, np.zeros(1)).hessians(ends[:, :1]).ravel()
    run.claim(
        ("double well: by how much two steps multiply a small distance from the cycle", "双阱：两步对循环附近微小距离的放大倍数"),
        abs(float(np.prod(1 - 1.1 * curvatures))), at_most=0.99,
    )  # fmt: skip
    wells = path(well, starts, eta, steps)
    parabolas = {start: descend(1.0, start, steps) for start in (1.0, 0.37)}

    def draw(left: Any, right: Any) -> None:
        shown = np.arange(steps + 1)
        for start, run_of in parabolas.items():
            left.plot(shown, run_of, "o-", markersize=2.5, linewidth=0.7, label=rf"$\eta = 1$, $x_0 = {start}$")
        left.plot(
            shown, descend(0.98, 1.0, steps), "s-", markersize=2.5, linewidth=0.7, label=r"$\eta = 0.98$, $x_0 = 1$"
        )
        left.set(title="$f = x^2$: as many cycles as starts", ylim=(-1.2, 1.7))
        left.legend(fontsize="small", loc="upper right", ncols=2)
        right.plot(shown, wells, "o-", markersize=2.5, linewidth=0.6)
        right.set(title=rf"$f = (x^2-1)^2/4$, $\eta = {eta:g}$: 14 starts")
        for ax in (left, right):
            ax.set(xlabel="step", ylabel="x")

    run.figure(
        ("A neutral two-cycle keeps the size of its start; the one in the double well attracts",
         "中性的两步循环保持起点的幅度；双阱中的循环会吸引轨迹"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


@item(
    "hessian-principal-axes",
    kind="definition",
    source="The dynamics of gradient descent, the paragraph on the Hessian",
    title=("Principal axes of a ravine", "峡谷的主轴"),
    statement=(
        r"The eigenvectors of the Hessian of a quadratic bowl are the axes of its elliptical contours. A large eigenvalue means steep "
        r"walls (the fast direction), a small one a flat floor (the slow direction); $\kappa = \lambda_{max}/\lambda_{min}$ says how "
        r"narrow the ravine is.",
        r"二次函数的 Hessian 矩阵，其特征向量就是椭圆等高线的主轴。特征值大，谷壁陡（快方向）；特征值小，谷底平（慢方向）。"
        r"$\kappa = \lambda_{max}/\lambda_{min}$ 衡量峡谷有多窄。",
    ),
    verdict="holds",
    ranges={"angle": (0.0, 90.0), "steep": (1.0, 400.0)},
)
def principal_axes(run: Run, angle: float = 30.0, steep: float = 25.0) -> None:
    def bowl(degrees: float, curvature: float) -> np.ndarray:
        turn = np.radians(degrees)
        r = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        return r @ np.diag([1.0, curvature]) @ r.T  # type: ignore[no-any-return]

    loss = analysis.problems.quadratic(bowl(30, 25))
    axes = analysis.principal_axes(loss, np.zeros(2))
    for k, (value, degrees) in enumerate(((1.0, 30.0), (25.0, 120.0))):
        run.claim((rf"$\lambda_{k + 1}$", rf"$\lambda_{k + 1}$"), axes.values[k], equals=value, within=1e-8)
        found = np.degrees(np.arctan2(axes.vectors[1, k], axes.vectors[0, k])) % 180
        run.claim(
            (f"direction of axis {k + 1}, in degrees", f"第 {k + 1} 条主轴的方向（度）"),
            found,
            equals=degrees,
            within=1e-6,
        )
    run.claim((r"$\kappa$", r"$\kappa$"), analysis.condition_number(loss, np.zeros(2)), equals=25, within=1e-7)
    turn = np.radians(np.arange(0, 180, 0.5))
    unit = np.stack([np.cos(turn), np.sin(turn)], 1)
    reach = np.sqrt(0.5 / analysis.Objective(loss, np.zeros(2)).values(unit))  # the contour f = 1/2 in each direction
    run.claim(
        ("longest radius of the contour $f = 1/2$", "等高线 $f = 1/2$ 的最长半径"), reach.max(), equals=1, within=1e-8
    )
    run.claim(("its shortest radius", "最短半径"), reach.min(), equals=0.2, within=1e-8)
    shown = analysis.principal_axes(analysis.problems.quadratic(bowl(angle, steep)), np.zeros(2))

    def draw(ax: Any) -> None:
        x, y = np.meshgrid(np.linspace(-1.5, 1.5, 200), np.linspace(-1.1, 1.1, 200))
        at = np.stack([x, y], -1)
        heights = 0.5 * np.einsum("abi,ij,abj->ab", at, bowl(angle, steep), at)
        ax.contour(x, y, heights, levels=np.geomspace(0.02, 20, 14), colors="0.8", linewidths=0.7)
        ax.contour(x, y, heights, levels=[0.5], colors="black", linewidths=1.5)
        ax.plot([], [], color="black", label="$f = 1/2$")
        colours = ("#1f5fa8", "#d1600f")
        for value, vector, colour, name in zip(shown.values, shown.vectors.T, colours, ("slow", "fast"), strict=True):
            tip = vector / np.sqrt(value)
            ax.plot([-tip[0], tip[0]], [-tip[1], tip[1]], color=colour, linewidth=2,
                    label=rf"{name}: $\lambda = {value:.3g}$, semi-axis $1/\sqrt{{\lambda}} = {value**-0.5:.3g}$")  # fmt: skip
        ax.set_aspect("equal")
        ax.set(xlabel=r"$\theta_0$", ylabel=r"$\theta_1$")
        ax.legend(fontsize="small", loc="upper right")

    run.figure(
        (r"Contours of the bowl with the eigenvectors of its Hessian, each $1/\sqrt{\lambda}$ long",
         r"等高线与 Hessian 矩阵的特征向量，长度取 $1/\sqrt{\lambda}$"),
        draw, size=(7.0, 5.0),
    )  # fmt: skip
