"""Curvatures that differ: the condition number, the zigzag in a ravine, and where the gradient points."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .following import first_within, flips, follow

KAPPAS = (1, 10, 100, 1000)


def ravine(kappa: float) -> Any:
    """(x1^2 + kappa x2^2) / 2."""
    return mt.analysis.problems.quadratic(np.array([1.0, kappa]))


def contours(ax: Any, kappa: float, width: float, height: float) -> None:
    """Lines of equal loss of the ravine."""
    x, y = np.meshgrid(np.linspace(-width, width, 160), np.linspace(-height, height, 160))
    z = 0.5 * (x * x + kappa * y * y)
    ax.contour(x, y, z, levels=np.geomspace(z.max() * 1e-3, z.max(), 11), colors="0.8", linewidths=0.7)


@item(
    "quadratic-hessian-kappa",
    kind="definition",
    source="Deep-learning optimizers, the condition number; hands-on problem 3154392",
    title=("Hessian and condition number of a quadratic", "二次函数的 Hessian 矩阵与条件数"),
    statement=(
        r"$f(\theta) = \sum_i a_i \theta_i^2$ has the Hessian $2\,\mathrm{diag}(a)$. Its largest eigenvalue is the smoothness "
        r"constant $L$, its smallest the strong convexity constant $\mu$, and $\kappa = L/\mu$ is the condition number.",
        r"$f(\theta) = \sum_i a_i \theta_i^2$ 的 Hessian 矩阵为 $2\,\mathrm{diag}(a)$。最大特征值是光滑系数 $L$，"
        r"最小特征值是强凸系数 $\mu$，$\kappa = L/\mu$ 是条件数。",
    ),
    verdict="holds",
    ranges={"a": (0.001, 1e6)},
)
def quadratic_hessian(run: Run, a: tuple[float, ...] = (1.0, 10.0, 100.0)) -> None:
    weights = np.array(a, float)

    def loss(theta: mt.Tensor) -> mt.Tensor:
        return (weights * theta * theta).sum()  # type: ignore[no-any-return]

    objective = mt.analysis.objective(loss, np.linspace(1, 2, len(weights)))
    hessian = objective.hessian()
    axes = mt.analysis.principal_axes(objective)
    run.claim(
        (r"distance of the Hessian from $2\,\mathrm{diag}(a)$", r"Hessian 矩阵与 $2\,\mathrm{diag}(a)$ 之差"),
        np.abs(hessian - 2 * np.diag(weights)).max(),
        at_most=1e-6,
    )
    run.claim((r"$L$", r"$L$"), axes.values[-1], equals=200.0, within=1e-9)
    run.claim((r"$\mu$", r"$\mu$"), axes.values[0], equals=2.0, within=1e-9)
    run.claim((r"$\kappa$", r"$\kappa$"), mt.analysis.condition_number(hessian), equals=100.0, within=1e-9)
    run.claim(
        (r"$L$ over $\max a$: not 1, a common slip", r"$L$ 与 $\max a$ 之比：常误作 1"),
        axes.values[-1] / weights.max(),
        equals=2.0,
        within=1e-12,
    )
    first, last = weights.min(), weights.max()

    def draw(left: Any, right: Any) -> None:
        left.bar(np.arange(len(weights)), axes.values, color="C0", label="eigenvalues of the Hessian")
        left.plot(np.arange(len(weights)), np.sort(weights), "C3o", label="$a_i$")
        left.set(yscale="log", xlabel="direction", ylabel="curvature", xticks=np.arange(len(weights)))
        left.legend(fontsize="small")
        turn = np.linspace(0, 2 * np.pi, 300)
        for level in (0.25, 1.0):
            right.plot(
                np.sqrt(level / first) * np.cos(turn), np.sqrt(level / last) * np.sin(turn), label=f"loss {level}"
            )
        right.set(xlabel="flattest direction", ylabel="steepest direction", title=rf"$\kappa = {last / first:g}$")
        right.set_aspect("equal", adjustable="datalim")
        right.locator_params(axis="x", nbins=5)
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left: curvatures. Right: lines of equal loss; their axes have the ratio $\sqrt{\kappa}$.",
            r"左：曲率。右：等高线，长短轴之比为 $\sqrt{\kappa}$。",
        ),
        draw,
        (1, 2),
        (9.0, 3.6),
    )


def steps_to(kappa: float, eta: float, limit: float = 1e-6) -> int:
    """Steps of gradient descent from (1, 1) until the minimum of the ravine is nearer than `limit`."""
    steps = int(16 * kappa) + 5
    path = follow(lambda p: mt.optim.SGD(p, lr=eta), ravine(kappa), (1.0, 1.0), steps)
    return first_within(np.linalg.norm(path, axis=1), limit)


@item(
    "ravine-zigzag",
    kind="experiment",
    source="Deep-learning optimizers, ill-conditioning; dynamics of gradient descent, the section on the Hessian",
    title=("Zigzag in a ravine", "峡谷中的锯齿状路径"),
    statement=(
        r"With a large $\kappa$ the lines of equal loss are long ellipses. Gradient descent jumps between the steep walls and "
        "creeps along the floor.",
        r"$\kappa$ 很大时，等高线是狭长的椭圆。梯度下降在陡壁间来回跳动，沿谷底则进展缓慢。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The zigzag needs $1/L < \eta < 2/L$. At $\eta = 1/L$ one step removes the steep coordinate: no jump at all, "
        r"gradient descent is merely slow. Slow it is at every stable rate: the steps grow like $\kappa$.",
        r"锯齿状路径只在 $1/L < \eta < 2/L$ 时出现。$\eta = 1/L$ 时，陡峭方向一步归零，没有来回跳动，只是慢。"
        r"凡是稳定的学习率都慢：步数与 $\kappa$ 成正比。",
    ),
    ranges={"kappa": (1.0, 1000.0), "ratio": (0.05, 2.1), "steps": (2, 500)},
)
def zigzag(run: Run, kappa: float = 50.0, ratio: float = 1.9, steps: int = 50) -> None:
    def path(k: float, r: float, count: int) -> Any:
        return mt.analysis.trace(
            lambda p: mt.optim.SGD(p, lr=r / k),
            ravine(k),
            np.zeros(2),
            start=(10.0, 1.0),
            steps=count,
            name=rf"$\eta = {r:g}/L$",
        )

    found = path(50.0, 1.9, 50)
    run.claim(
        ("sign flips of the steep coordinate in 50 steps", "50 步中陡峭方向的变号次数"),
        flips(found.points[:, 1]),
        equals=50,
    )
    for k, value in enumerate((-0.918, -0.907, -0.894)):
        run.claim(
            (f"cosine between step {k + 1} and step {k + 2}", f"第 {k + 1} 步与第 {k + 2} 步夹角的余弦"),
            found.turning_cosines[k],
            equals=value,
            within=5e-4,
        )
    run.claim(
        ("what is left of the flat coordinate", "平缓方向剩余的比例"), found.end[0] / 10, equals=0.144, within=5e-4
    )
    smooth = path(50.0, 1.0, 50)
    run.claim((r"sign flips at $\eta = 1/L$", r"$\eta = 1/L$ 时的变号次数"), flips(smooth.points[:, 1]), equals=0)
    rows = []
    for k, slow, best in zip(KAPPAS, (1, 132, 1375, 13809), (1, 71, 709, 7082), strict=True):
        counts = steps_to(k, 1 / k), steps_to(k, mt.analysis.optimal_rate(1.0, k)[0])
        run.claim(
            (
                rf"$\kappa = {k}$, $\eta = 1/L$: steps to $10^{{-6}}$",
                rf"$\kappa = {k}$，$\eta = 1/L$：到 $10^{{-6}}$ 的步数",
            ),
            counts[0],
            equals=slow,
        )
        run.claim(
            (
                rf"$\kappa = {k}$, $\eta = 2/(L + \mu)$: steps to $10^{{-6}}$",
                rf"$\kappa = {k}$，$\eta = 2/(L + \mu)$：到 $10^{{-6}}$ 的步数",
            ),
            counts[1],
            equals=best,
        )
        rows.append((k, *counts, k * np.log(1e6)))
    run.table(
        ("Steps to a distance of 1e-6", "距离降到 1e-6 的步数"), ("kappa", "1/L", "2/(L+mu)", "kappa ln 1e6"), rows
    )
    shown = [path(kappa, r, steps) for r in sorted({ratio, 1.0})]

    def draw(left: Any, right: Any) -> None:
        contours(left, kappa, 11, 1.3)
        for p, style in zip(shown, ("s-", "o-"), strict=False):
            left.plot(*p.points.T, style, markersize=3, linewidth=1, label=p.name)
        left.set(
            xlabel="$x_1$, flat", ylabel="$x_2$, steep", title=rf"$\kappa = {kappa:g}$", xlim=(-1, 11), ylim=(-1.3, 1.3)
        )
        left.legend(fontsize="small", loc="lower left")
        table = np.array(rows)
        right.loglog(table[:, 0], table[:, 1], "o-", label=r"$\eta = 1/L$")
        right.loglog(table[:, 0], table[:, 2], "s-", label=r"$\eta = 2/(L + \mu)$")
        right.loglog(table[:, 0], table[:, 3], "k:", label=r"$\kappa \ln 10^6$")
        right.set(xlabel=r"$\kappa$", ylabel="steps to $10^{-6}$")
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left: the path with two rates. Right: steps needed, for the rate $1/L$ and for the best one.",
            r"左：两种学习率的路径。右：学习率取 $1/L$ 与最优值时所需的步数。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


@item(
    "gradient-misses-minimum-angle",
    kind="theorem",
    source="Deep-learning optimizers, ill-conditioning; dynamics of gradient descent, ravines",
    title=("The gradient does not point at the minimum", "梯度并不指向最小值点"),
    statement=(
        "Inside a ravine the step goes from wall to wall, nearly at right angles to the way to the minimum, and in "
        "general it does not point at the minimiser.",
        "在峡谷中，负梯度横穿山谷，与通往最小值点的方向几乎垂直；一般地，梯度并不指向最小值点。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It depends on the place. On the floor ($x_2 = 0$) and on the steep axis ($x_1 = 0$) the gradient points exactly at "
        r"the minimum. “Almost at right angles” is the worst place at a large $\kappa$, $x = (1, 1/\sqrt{\kappa})$, where the "
        r"angle is $\arccos(2\sqrt{\kappa}/(\kappa + 1))$.",
        r"这取决于位置。在谷底（$x_2 = 0$）和陡峭轴（$x_1 = 0$）上，负梯度正指向最小值点。“几乎垂直”只在 $\kappa$ 很大时的最坏位置"
        r" $x = (1, 1/\sqrt{\kappa})$ 出现，夹角为 $\arccos(2\sqrt{\kappa}/(\kappa + 1))$。",
    ),
    ranges={"kappa": (1.0, 10000.0)},
)
def misses_minimum(run: Run, kappa: float = 100.0) -> None:
    turn = np.linspace(0, np.pi / 2, 100_001)
    directions = np.stack([np.cos(turn), np.sin(turn)], 1)

    def scan(k: float) -> np.ndarray:
        down = -mt.analysis.objective(ravine(k), np.zeros(2)).gradients(directions)
        cosines = -(down * directions).sum(1) / np.linalg.norm(down, axis=1)
        return np.degrees(np.arccos(np.clip(cosines, -1, 1)))  # type: ignore[no-any-return]

    scans = {}
    for k, degrees in zip(KAPPAS, (0.0, 54.903, 78.579, 86.378), strict=True):
        worst = mt.analysis.angle_to_minimum(ravine(k), (1.0, k**-0.5), (0.0, 0.0))
        scans[k] = scan(k)
        run.claim(
            (
                rf"$\kappa = {k}$: angle at $(1, 1/\sqrt{{\kappa}})$, degrees",
                rf"$\kappa = {k}$：$(1, 1/\sqrt{{\kappa}})$ 处的夹角（度）",
            ),
            worst,
            equals=degrees,
            within=5e-4,
        )
        run.claim(
            (rf"$\kappa = {k}$: largest angle in $10^5$ directions", rf"$\kappa = {k}$：$10^5$ 个方向上的最大夹角"),
            scans[k].max(),
            equals=float(np.degrees(np.arccos(2 * k**0.5 / (k + 1)))),
            within=1e-4,
        )
        for x, name, zh in (((1.0, 0.0), "floor", "谷底"), ((0.0, 1.0), "steep axis", "陡峭轴")):
            run.claim(
                (rf"$\kappa = {k}$: angle on the {name}", rf"$\kappa = {k}$：{zh}上的夹角"),
                mt.analysis.angle_to_minimum(ravine(k), x, (0.0, 0.0)),
                at_most=1e-4,
            )
    scans.setdefault(kappa, scan(kappa))  # type: ignore[arg-type]

    def draw(left: Any, right: Any) -> None:
        for k, angles in sorted(scans.items()):
            left.plot(np.degrees(turn), angles, label=rf"$\kappa = {k:g}$")
        left.set(
            xlabel="direction of the place, degrees from the floor", ylabel="angle between step and minimum, degrees"
        )
        left.legend(fontsize="small")
        height = 1.3 / kappa**0.5
        contours(right, kappa, 1.3, height)
        points = np.array([(1.0, s * kappa**-0.5) for s in (0.0, 0.45, 1.0)] + [(0.0, kappa**-0.5)])
        slopes = mt.analysis.objective(ravine(kappa), np.zeros(2)).gradients(points)
        unit = np.array([1.3, height])
        for k, (x, g) in enumerate(zip(points, slopes, strict=True)):
            for way, colour, name in ((-x, "C2", "to the minimum"), (-g, "C3", "negative gradient")):
                arrow = way / np.linalg.norm(way / unit) * (0.35 if colour == "C3" else 0.25)
                right.annotate("", x + arrow, x, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.6})
                right.plot([], [], colour, label=name if not k else None)
            right.plot(*x, "ko", markersize=4)
        right.plot(0, 0, "k*", markersize=10, label="minimum")
        right.set(xlabel="$x_1$, flat", ylabel="$x_2$, steep (stretched)", title=rf"$\kappa = {kappa:g}$")
        right.legend(fontsize="small", loc="lower left")

    run.figure(
        (
            "Left: the angle over the place. Right: both directions at four places; the vertical axis is stretched.",
            "左：夹角随位置的变化。右：四个位置上的两个方向，纵轴经过拉伸。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )
