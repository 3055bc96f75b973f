"""Problems 6.4 and 6.6 with Figure 6.11: which losses are convex, and what their points of rest are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ...viz import plots
from ..entry import item
from ..run import Run


def classes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten points N(-1, 1) of class 0, then ten points N(1, 1) of class 1: inputs and labels (20,)."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(-1, 1, 10), rng.normal(1, 1, 10)])
    return x, np.repeat([0.0, 1.0], 10)


def logistic(x: np.ndarray, y: np.ndarray, loss: str = "cross-entropy") -> Callable[[mt.Tensor], mt.Tensor]:
    """The summed loss of logistic regression as a function of (phi_0, phi_1)."""

    def cross_entropy(phi: mt.Tensor) -> mt.Tensor:
        logits = phi[0] + phi[1] * x
        found: mt.Tensor = mt.nn.functional.binary_cross_entropy_with_logits(logits, mt.tensor(y), reduction="sum")
        return found

    def squares(phi: mt.Tensor) -> mt.Tensor:
        return (((phi[0] + phi[1] * x).sigmoid() - y) ** 2).sum()

    return cross_entropy if loss == "cross-entropy" else squares


@item(
    "problem-6-4",
    kind="problem",
    source="Problem 6.4, eqs. 6.21 and 6.22",
    title=("Problem 6.4: logistic regression", "习题 6.4：逻辑回归"),
    statement=(
        r"Logistic regression assigns $x$ to class 1 with the probability $\operatorname{sig}(\phi_0 + \phi_1 x)$, "
        r"$\operatorname{sig}(z) = 1 / (1 + e^{-z})$. What do the parameters mean, which loss fits, what are its "
        "derivatives, how does it look for ten points of each class, and is it convex?",
        r"逻辑回归以概率 $\operatorname{sig}(\phi_0 + \phi_1 x)$ 判 $x$ 属于类别 1，其中 $\operatorname{sig}(z) = 1 / (1 + "
        r"e^{-z})$。参数的含义是什么，适合哪种损失，导数是什么，每类十个点时损失的形状如何，它是凸函数吗？",
    ),
    verdict="holds with a condition",
    correction=(
        "In the translation the problem breaks off after the definitions: its parts (i) to (v) are missing. The questions "
        "above are those of the original.",
        "译文中，本题在给出定义之后就中断了，缺少 (i) 到 (v) 各小题。上面的问题与英文原书一致。",
    ),
    ranges={"data": (0, 100)},
    random=True,
)
def problem_6_4(run: Run, data: int = 0) -> None:
    x, y = classes(0)
    loss = analysis.Objective(logistic(x, y), np.zeros(2))
    newton = mt.tensor([0.0, 0.0], requires_grad=True)
    optimizer = mt.optim.Newton([newton])
    for _ in range(8):
        optimizer.step(lambda: logistic(x, y)(newton))
    best = np.asarray(newton.detach())
    for k, value in enumerate((0.36744, 2.10707)):
        run.claim((rf"$\phi_{k}$ at the minimum", rf"最小值点的 $\phi_{k}$"), best[k], equals=value, within=1e-5)
    run.claim(("loss there", "该处的损失"), loss(best), equals=8.135929, within=1e-6)
    axis = np.linspace(-5, 5, 41)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    eigen = np.linalg.eigvalsh(loss.hessians(grid))
    run.claim(("smallest eigenvalue of the Hessian on the grid", "网格上 Hessian 矩阵的最小特征值"), eigen.min(),
              equals=0.0555, within=1e-4)  # fmt: skip
    squares = analysis.Objective(logistic(x, y, "squares"), np.zeros(2))
    run.claim(
        ("least squares instead: smallest eigenvalue at $(2, 0)$", "改用最小二乘：$(2, 0)$ 处的最小特征值"),
        np.linalg.eigvalsh(squares.hessian(np.array([2.0, 0.0])))[0],
        equals=-2.33,
        within=5e-3,
    )
    points = run.rng.uniform(-5, 5, (50, 2))
    excess = 1 / (1 + np.exp(-(points[:, :1] + points[:, 1:] * x))) - y
    formula = np.stack([excess.sum(1), (excess * x).sum(1)], 1)
    run.claim(
        (
            r"gradient against $\sum (\operatorname{sig}_i - y_i)(1, x_i)$",
            r"梯度与 $\sum (\operatorname{sig}_i - y_i)(1, x_i)$ 之差",
        ),
        np.abs(loss.gradients(points) - formula).max(),
        at_most=1e-12,
    )
    model = mt.nn.LogisticRegression(1)
    model.weight.detach().fill_(2.0)
    z = np.linspace(-3, 3, 31)
    normal = [np.exp(-((z - c) ** 2) / 2) for c in (-1, 1)]
    run.claim(
        (
            r"true posterior of the two normal classes against $\operatorname{sig}(2x)$",
            r"两个正态类别的真实后验与 $\operatorname{sig}(2x)$ 之差",
        ),
        np.abs(
            np.asarray(model.probabilities(mt.tensor(z[:, None])).detach()) - normal[1] / (normal[0] + normal[1])
        ).max(),
        at_most=1e-14,
    )
    run.note(
        r"The boundary, probability $1/2$, is at $x = -\phi_0/\phi_1$, and $\phi_1$ is the steepness there. The loss is "
        r"the negative log-likelihood of labels, the binary cross-entropy $-\sum [y_i \ln \operatorname{sig}_i + (1 - y_i) "
        r"\ln(1 - \operatorname{sig}_i)]$. With $\operatorname{sig}' = \operatorname{sig}(1 - \operatorname{sig})$ its "
        r"gradient is $\sum (\operatorname{sig}_i - y_i)(1, x_i)$ and its Hessian $\sum \operatorname{sig}_i (1 - "
        r"\operatorname{sig}_i)(1, x_i)(1, x_i)^\top$, positive semidefinite: the loss is convex.",
        r"概率为 $1/2$ 的分界点是 $x = -\phi_0/\phi_1$，$\phi_1$ 决定该处的陡峭程度。损失为标签的负对数似然，即二元交叉熵 "
        r"$-\sum [y_i \ln \operatorname{sig}_i + (1 - y_i) \ln(1 - \operatorname{sig}_i)]$。由 $\operatorname{sig}' = "
        r"\operatorname{sig}(1 - \operatorname{sig})$，梯度为 $\sum (\operatorname{sig}_i - y_i)(1, x_i)$，Hessian 矩阵为 "
        r"$\sum \operatorname{sig}_i (1 - \operatorname{sig}_i)(1, x_i)(1, x_i)^\top$，它半正定，故损失是凸函数。",
    )
    ox, oy = classes(data)
    own = analysis.Objective(logistic(ox, oy), np.zeros(2))
    picture = analysis.landscape(own, None, (-5, 5), (-5, 5), resolution=81)
    lowest = picture.lowest
    lowest_squares = np.linalg.eigvalsh(squares.hessians(grid))[:, 0].reshape(41, 41)

    def draw(left: Any, middle: Any, right: Any) -> None:
        plots.landscape(picture, ax=left)
        left.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title="Cross-entropy of 20 points")
        for c in (0, 1):
            middle.plot(ox[oy == c], oy[oy == c], "os"[c], label=f"class {c}")
        t = np.linspace(-4, 4, 200)
        middle.plot(t, 1 / (1 + np.exp(-lowest[0] - lowest[1] * t)), "k", label="fit")
        middle.plot(t, 1 / (1 + np.exp(-2 * t)), "k:", label=r"truth, $\mathrm{sig}(2x)$")
        middle.set(xlabel="x", ylabel="Pr(class 1)", title="The fit")
        middle.legend(fontsize="small")
        reach = np.abs(lowest_squares).max()
        mesh = right.pcolormesh(axis, axis, lowest_squares, cmap="RdBu", vmin=-reach, vmax=reach, shading="gouraud")
        right.figure.colorbar(mesh, ax=right, label="smallest eigenvalue")
        right.contour(axis, axis, lowest_squares, levels=[0], colors="k")
        right.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title="Least squares: not convex where red")

    run.figure(
        (
            "The cross-entropy is one convex basin; least squares on the same model bends downwards in the red regions.",
            "交叉熵呈凸的碗状；对同一模型用最小二乘，红色区域内曲率为负。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )


def valleys(p: mt.Tensor) -> mt.Tensor:
    """Figure 6.11a: several valleys."""
    return (p * p / 10 - (2 * p).cos()).sum()


def bowl(p: mt.Tensor) -> mt.Tensor:
    """Figure 6.11b: convex."""
    return (p.exp() + (-2 * p).exp()).log().sum()


def inflection(p: mt.Tensor) -> mt.Tensor:
    """Figure 6.11c: flat in one place beside the minimum."""
    return (p**4 / 4 - 4 * p**3 / 3 + 2 * p * p).sum()


SHAPES = (("a", valleys, (-4.0, 4.0)), ("b", bowl, (-3.0, 3.0)), ("c", inflection, (-1.0, 3.2)))
OUTER = 2.98978181  # where the outer valleys of a) are lowest
MARKED = ((-OUTER, 0.0, OUTER), (-1.0, float(np.log(2) / 3)), (0.0, 2.0))  # the points 1 to 7
ANSWERS = ("local", "global", "local", "neither", "global", "global", "neither")
ANSWERS_ZH = {"local": "局部极小值", "global": "全局最小值", "neither": "都不是"}


def classify_1d(f: Callable[[mt.Tensor], mt.Tensor], point: float, limits: tuple[float, float]) -> str:
    """ "local", "global" or "neither": what a point is on an interval, by slope, curvature and a grid of values."""
    loss = analysis.Objective(f, np.array([point]))
    slope, curvature = loss.gradient()[0], loss.hessian()[0, 0]
    if abs(slope) > 1e-3 or curvature < -1e-6:
        return "neither"
    near = loss.values(point + np.array([[-1e-2], [1e-2]]))
    if near.min() < loss():
        return "neither"  # a flat place that goes on down on one side
    return "global" if loss() <= loss.values(np.linspace(*limits, 2001)[:, None]).min() + 1e-6 else "local"


def draw_shapes(*axes: Any) -> None:
    """The three functions and the seven points."""
    number = 0
    for ax, (name, f, limits), places in zip(axes, SHAPES, MARKED, strict=True):
        p = np.linspace(*limits, 300)
        loss = analysis.Objective(f, np.zeros(1))
        ax.plot(p, loss.values(p[:, None]), color="C0")
        for place in places:
            height = loss(np.array([place]))
            ax.plot(place, height, "o", color="C1")
            ax.annotate(str(number + 1), (place, height), xytext=(0, 8), textcoords="offset points", ha="center")
            number += 1
        ax.set(xlabel=r"$\phi$", ylabel=r"$L[\phi]$", title=f"{name})")


@item(
    "problem-6-6",
    kind="problem",
    source="Problem 6.6 and Figure 6.11",
    title=("Problem 6.6: convex or not, minimum or not", "习题 6.6：是否为凸函数，是否为极小值"),
    statement=(
        "Which of the three functions of Figure 6.11 are convex? Is each of the points 1 to 7 a local minimum, the global "
        "minimum or neither?",
        "图 6.11 的三个函数中，哪些是凸函数？点 1 到 7 各是局部极小值、全局最小值，还是都不是？",
    ),
    verdict="holds",
    ranges={"where": (-4.0, 4.0)},
)
def problem_6_6(run: Run, where: float = -1.0) -> None:
    number = 0
    for (_, f, limits), places in zip(SHAPES, MARKED, strict=True):
        for place in places:
            expected = ANSWERS[number]
            number += 1
            run.claim(
                (f"point {number}: {expected}", f"点 {number}：{ANSWERS_ZH[expected]}"),
                classify_1d(f, place, limits) == expected,
            )
    for (name, f, limits), convex in zip(SHAPES, (False, True, False), strict=True):
        grid = np.linspace(*limits, 401)[:, None]
        lowest = analysis.curvature_on(f, grid).lowest
        middle = 0.5 * (grid[:-40] + grid[40:])
        loss = analysis.Objective(f, np.zeros(1))
        gap = loss.values(middle) - 0.5 * (loss.values(grid[:-40]) + loss.values(grid[40:]))
        text = (
            f"{name}) is {'' if convex else 'not '}convex: curvature and chords",
            f"{name}) {'' if convex else '不'}是凸函数：曲率与弦",
        )
        run.claim(text, bool((lowest > 0) == convex and (gap.max() <= 0) == convex))
    critical = analysis.critical_points(valleys, np.linspace(-4, 4, 60))
    minima = sorted(float(c.point[0]) for c in critical if c.kind == "minimum")
    values = [analysis.Objective(valleys, np.array([m]))() for m in minima]
    for k, (place, height) in enumerate(((-2.99, -0.06), (0.0, -1.0), (2.99, -0.06))):
        run.claim((f"a) minimum {k + 1} at", f"a) 第 {k + 1} 个极小值点"), minima[k], equals=place, within=0.005)
        run.claim((f"a) height of minimum {k + 1}", f"a) 第 {k + 1} 个极小值"), values[k], equals=height, within=0.005)

    def derivative(f: Any, p: float, order: int) -> float:
        loss = analysis.Objective(f, np.array([p]))
        return float(loss.gradient()[0] if order == 1 else loss.hessian()[0, 0])

    run.claim(("a) curvature at 1.57", "a) 1.57 处的曲率"), derivative(valleys, 1.57, 2), at_most=-1.0)
    found = analysis.critical_points(bowl, np.linspace(-2, 2, 9))
    run.claim(("b) minimum at", "b) 最小值点"), float(found[0].point[0]), equals=0.23105, within=1e-5)
    run.claim(("b) slope at point 4", "b) 点 4 处的斜率"), derivative(bowl, -1.0, 1), equals=-1.858, within=5e-4)
    for order in (1, 2):
        run.claim(
            (f"c) derivative {order} at 2", f"c) 2 处的 {order} 阶导数"),
            derivative(inflection, 2.0, order),
            equals=0,
            within=1e-12,
        )
    around = [derivative(inflection, p, 1) for p in (1.9, 2.1)]
    run.claim(
        ("c) slope on both sides of 2: the function only rises", "c) 2 两侧的斜率：函数一直上升"), around, at_least=1e-3
    )
    inside = analysis.Objective(inflection, np.zeros(1)).hessians(np.linspace(0.67, 1.99, 50)[:, None])
    run.claim(("c) curvature on (2/3, 2)", "c) (2/3, 2) 上的曲率"), inside.max(), at_most=0.0)
    run.note(
        r"A function of one variable is convex if and only if its second derivative is nowhere negative, and then no "
        r"chord lies below it: only b). A minimum needs slope 0. At 4 the slope is not 0; at 7 it is, but $f' = \phi(\phi "
        r"- 2)^2 \ge 0$ on both sides, so the function rises through a flat inflection.",
        r"一元函数是凸函数，当且仅当二阶导数处处非负，此时任何弦都不低于函数：只有 b)。极小值处斜率为 0。点 4 的斜率不为 0；"
        r"点 7 的斜率为 0，但 $f' = \phi(\phi - 2)^2 \ge 0$ 在两侧都成立，函数经过平坦的拐点继续上升。",
    )
    tangents = [analysis.Objective(f, np.array([where])) for _, f, _ in SHAPES]

    def draw(*axes: Any) -> None:
        draw_shapes(*axes)
        for ax, loss, (_, _, (low, high)) in zip(axes, tangents, SHAPES, strict=True):
            if low <= where <= high:
                p = np.array([max(low, where - 0.7), min(high, where + 0.7)])
                ax.plot(p, loss() + loss.gradient()[0] * (p - where), "--", color="0.4", label=rf"tangent at {where:g}")
                ax.legend(fontsize="small")

    run.figure(
        (
            "Only b) lies above all its tangents. Points: 1 and 3 local, 2, 5 and 6 global, 4 and 7 neither.",
            "只有 b) 处处不低于切线。点 1、3 为局部极小值，2、5、6 为全局最小值，4、7 都不是。",
        ),
        draw,
        (1, 3),
        (9.6, 3.6),
    )


@item(
    "figure-6-11",
    kind="figure",
    source="Figure 6.11",
    title=("Figure 6.11: three losses, seven points", "图 6.11：三个损失函数，七个点"),
    statement=(
        "Three losses of one parameter for Problem 6.6: one with several valleys, a convex one, and one with a flat "
        "inflection.",
        "习题 6.6 的三个单参数损失函数：一个有多个山谷，一个是凸函数，一个有平坦的拐点。",
    ),
    verdict="holds with a condition",
    correction=(
        "The text has only the caption. The functions here are our own, chosen so that the seven points are the seven "
        "cases of the problem.",
        "原文只有图题。这里的函数由我们选取，使七个点正好对应题中的七种情形。",
    ),
)
def figure_6_11(run: Run) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 3)
    draw_shapes(*axes)
    markers = [line for ax in axes for line in ax.lines if line.get_marker() == "o"]
    run.claim(("panels", "子图数"), len(axes), equals=3)
    run.claim(("numbered points", "带编号的点数"), len(markers), equals=7)
    run.claim(
        ("labels in the picture", "图中的编号"), [int(t.get_text()) for ax in axes for t in ax.texts] == [*range(1, 8)]
    )
    places = [(f, place, limits) for (_, f, limits), marked in zip(SHAPES, MARKED, strict=True) for place in marked]
    for k, (f, place, limits) in enumerate(places):
        run.claim(
            (f"point {k + 1}: {ANSWERS[k]}", f"点 {k + 1}：{ANSWERS_ZH[ANSWERS[k]]}"),
            classify_1d(f, place, limits) == ANSWERS[k],
        )
    run.figure(
        (
            "a) several valleys, b) convex, c) a flat inflection beside the minimum",
            "a) 多个山谷，b) 凸函数，c) 最小值旁有平坦的拐点",
        ),
        draw_shapes,
        (1, 3),
        (9.6, 3.6),
    )
