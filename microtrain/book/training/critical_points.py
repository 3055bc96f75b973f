"""The critical points of the Gabor loss (Figure 6.4), how they are told apart, and why a saddle looks like an end."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..dynamics.saddle_points import gabor_points_of_rest as points_of_rest
from ..entry import item
from ..run import Run
from .gabor import WINDOW, X, Y, descend, landscape, objective, path, refined

MINIMA = (
    (0.0038, 16.0263, 0.645696), (-5.8194, 13.8245, 3.35643), (6.5594, 18.3489, 3.67047), (-6.4432, 4.9675, 5.03914),
    (6.3080, 13.5158, 5.51108), (6.0847, 4.0118, 6.52786), (6.1713, 8.0881, 9.96127), (-0.1665, 4.8809, 10.18226),
)  # fmt: skip
SADDLE = (-2.8525, 9.0380)
MARKED = ((8.1, 6.4), (-8.6, 4.4), (2.0, 2.8))  # minima in the book's picture that are none of this data
LOOKS = {"minimum": ("o", "#2ca02c"), "saddle": ("X", "#c77dff"), "maximum": ("^", "#ff5c5c")}


def mark(ax: Any, kinds: tuple[str, ...] = ("minimum", "saddle", "maximum")) -> None:
    """Draw the critical points into a picture of the loss."""
    for kind in kinds:
        at = np.array([point.point for point in points_of_rest() if point.kind == kind])
        sign, colour = LOOKS[kind]
        ax.plot(
            *at.T, sign, color=colour, markeredgecolor="black", linestyle="none", label=f"{len(at)} x {kind}", zorder=8
        )


@item(
    "figure-6-4",
    kind="figure",
    source="Chapter 6, Figure 6.4 and section 6.1.3",
    title=("Figure 6.4: the loss of the Gabor model", "图 6.4：Gabor 模型的损失"),
    statement=(
        "The loss is not convex: one global minimum with the loss 0.64, several local minima, and saddles. The panels show the fits at the "
        "minima; no small change can improve any of them.",
        "损失非凸：一个全局最小值（损失 0.64）、若干局部极小值和鞍点。各小图是极小值点处的拟合，任何微小改动都不能使其更好。",
    ),
    verdict="holds with a condition",
    correction=(
        "0.6457 is truncated to 0.64. That every direction leads up holds for small moves. In the original's picture the fit of (-5.82, 13.82), "
        "loss 3.36, is labelled 5.51, which belongs to (6.31, 13.52), and three marked minima, near (8.1, 6.4), (-8.6, 4.4) and (2.0, 2.8), "
        "are none for these 30 points.",
        "0.64 是把 0.6457 截断的结果。“任何方向都使损失上升”只对微小移动成立。原书图中，(-5.82, 13.82) 处的拟合（损失 3.36）标成了 5.51，"
        "后者属于 (6.31, 13.52)；(8.1, 6.4)、(-8.6, 4.4)、(2.0, 2.8) 附近标出的三个极小值，对这 30 个点并不存在。",
    ),
    ranges={"radius": (0.01, 3.0), "which": (1, 8)},
)
def figure_6_4(run: Run, radius: float = 0.05, which: int = 5) -> None:
    minima = [point for point in points_of_rest() if point.kind == "minimum"]
    run.claim(("minima in the window", "窗口内极小值的个数"), len(minima), equals=8)
    for k, (point, given) in enumerate(zip(minima, MINIMA, strict=False), 1):
        run.claim((f"minimum {k}: distance from the place and the loss given", f"第 {k} 个极小值：与给定位置及损失之差"),
                  np.abs(np.append(point.point, point.value) - given).max(), at_most=1e-3)  # fmt: skip
    saddle = refined(SADDLE)
    run.claim(("the marked saddle: distance from $(-2.8525, 9.0380)$", "标出的鞍点：与 $(-2.8525, 9.0380)$ 之差"),
              np.abs(saddle.point - SADDLE).max(), at_most=1e-3)  # fmt: skip
    run.claim(("its loss", "其损失"), saddle.value, equals=14.2928, within=1e-3)
    for value, expected in zip(saddle.eigenvalues, (-4.818, 0.808), strict=True):
        run.claim(("one of its curvatures", "其曲率之一"), value, equals=expected, within=1e-3)
    down = np.linalg.eigh(objective().hessian(saddle.point))[1][:, 0]
    down = down * -np.sign(down[0])
    for name, found, expected in zip(("horizontal", "vertical"), down, (-0.989, 0.148), strict=True):
        zh = {"horizontal": "水平", "vertical": "竖直"}[name]
        run.claim((f"its way down, {name} part", f"下降方向的{zh}分量"), found, equals=expected, within=1e-3)

    def circle(at: np.ndarray, size: float) -> np.ndarray:
        turn = np.linspace(0, 2 * np.pi, 721)
        return objective().values(at + size * np.stack([np.cos(turn), np.sin(turn)], 1)) - objective()(at)

    run.claim(("circle of radius 0.05 round (6.308, 13.516): smallest rise", "以 (6.308, 13.516) 为心、0.05 为半径的圆：最小升幅"),
              circle(minima[4].point, 0.05).min(), equals=5.7e-4, within=5e-6)  # fmt: skip
    run.claim(
        ("circle of radius 3: smallest rise", "半径为 3 的圆：最小升幅"), circle(minima[4].point, 3.0).min(), at_most=0
    )
    places = np.array([point.point for point in minima])
    apart = [np.linalg.norm(places - point, axis=1).min() for point in MARKED]
    run.claim(("three places marked in the book: distance to the nearest minimum", "书中标出的三处：到最近极小值点的距离"),
              apart, at_least=0.5)  # fmt: skip
    run.table(("The minima", "极小值"), ("phi_0", "phi_1", "loss"), [(*map(float, p.point), p.value) for p in minima])
    chosen = minima[which - 1]

    def draw(*axes: Any) -> None:
        landscape().plot(axes[0], levels=12)
        mark(axes[0])
        axes[0].plot(*np.array(MARKED).T, "s", color="none", markeredgecolor="white", markersize=9, linestyle="none",
                     label="marked in the book")  # fmt: skip
        axes[0].legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.3),
                       facecolor="#555b63", labelcolor="white")  # fmt: skip
        x = np.linspace(-15, 15, 300)
        for ax, point in zip(axes[1:8], minima, strict=False):
            ax.plot(x, mt.nn.Gabor(*point.point)(mt.tensor(x)).detach().numpy(), label=f"loss {point.value:.4g}")
            ax.plot(X, Y, "k.", markersize=4)
            ax.set(title=f"({point.point[0]:.2f}, {point.point[1]:.2f})", ylim=(-1.3, 1.5), xlabel="x", ylabel="y")
            ax.legend(fontsize="small", loc="upper right")
        ring = circle(chosen.point, radius)
        axes[8].plot(np.linspace(0, 360, len(ring)), ring, label=f"radius {radius:g}")
        axes[8].axhline(0, color="0.5", linewidth=0.8)
        axes[8].set(xlabel="direction, degrees", ylabel="rise of the loss", title=f"around minimum {which}")
        axes[8].legend(fontsize="small")

    run.figure(("The loss with its critical points, the fits at the seven lowest minima, and a walk around one of them",
                "损失及其临界点、七个最低极小值点处的拟合，以及绕其中一个走一圈时的升幅"), draw, (3, 3), (9.6, 10.0))  # fmt: skip


@item(
    "stationary-point-classifier",
    kind="algorithm",
    source="Chapter 6, section 6.1.3 and the notes on the Hessian's eigenvalues",
    title=("Minimum, maximum or saddle", "极小、极大还是鞍点"),
    statement=(
        "Where the gradient is zero the eigenvalues of the Hessian decide: all positive, a minimum; all negative, a maximum; of both signs, a "
        "saddle.",
        "梯度为零处由 Hessian 矩阵的特征值判断：全为正是极小值点，全为负是极大值点，有正有负是鞍点。",
    ),
    verdict="holds with a condition",
    correction=(
        r"An eigenvalue of zero leaves it open, and the three cases of the book miss that: at 0 the Hessians of $x^4 + y^4$, a minimum, and of "
        r"$x^3 - 3xy^2$, a saddle of three valleys, both vanish.",
        r"若有特征值为零则无法判断，书中的三种情形没有包括它：$x^4 + y^4$ 在 0 处是极小值点，$x^3 - 3xy^2$ 在 0 处是三谷鞍点，"
        r"两者的 Hessian 矩阵都为零。",
    ),
    ranges={"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
)
def classifier(run: Run, a: float = 1.0, b: float = -1.0) -> None:
    points = points_of_rest()
    run.claim(
        ("critical points of the Gabor loss in the window", "窗口内 Gabor 损失的临界点个数"), len(points), equals=40
    )
    for kind, zh, count in (("minimum", "极小值", 8), ("saddle", "鞍点", 20), ("maximum", "极大值", 12)):
        run.claim((f"of kind {kind}", f"其中{zh}的个数"), sum(point.kind == kind for point in points), equals=count)
    turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    ring = 1e-3 * np.stack([np.cos(turn), np.sin(turn)], 1)
    wrong = 0
    for point in points:  # an independent judge: does the loss rise or fall on a small circle?
        rise = objective().values(point.point + ring) - point.value
        truth = "minimum" if (rise > 0).all() else "maximum" if (rise < 0).all() else "saddle"
        wrong += truth != point.kind
    run.claim(("of them judged otherwise by a walk round each", "与绕圈检验结果不同的个数"), wrong, equals=0)
    cases = {
        "x^2 - y^2": (lambda p: p[0] ** 2 - p[1] ** 2, "saddle"),
        "x^4 + y^4": (lambda p: (p**4).sum(), "degenerate"),
        "x^3 - 3xy^2": (lambda p: p[0] ** 3 - 3 * p[0] * p[1] ** 2, "degenerate"),
    }
    for name, (f, expected) in cases.items():
        found = analysis.classify(analysis.objective(f, [0.0, 0.0]).hessian())
        zh = {"saddle": "鞍点", "degenerate": "退化，无法判断"}[expected]
        run.claim((f"${name}$ at 0: {expected}", f"${name}$ 在 0 处：{zh}"), found == expected)
    own = analysis.classify(analysis.objective(lambda p: 0.5 * (a * p[0] ** 2 + b * p[1] ** 2), [0.0, 0.0]).hessian())
    surfaces = (
        *((f"${name}$: {kind}", f) for name, (f, kind) in cases.items()),
        (rf"$({a:g} x^2 + {b:g} y^2) / 2$: {own}", lambda p: 0.5 * (a * p[0] ** 2 + b * p[1] ** 2)),
    )  # fmt: skip

    def draw(*axes: Any) -> None:
        eigenvalues = np.array([point.eigenvalues for point in points])
        for kind, (sign, colour) in LOOKS.items():
            of_kind = np.array([point.kind == kind for point in points])
            axes[0].plot(
                *eigenvalues[of_kind].T, sign, color=colour, markeredgecolor="black", linestyle="none", label=kind
            )
        axes[0].axhline(0, color="0.5", linewidth=0.8)
        axes[0].axvline(0, color="0.5", linewidth=0.8)
        axes[0].set(xlabel="smaller eigenvalue", ylabel="larger eigenvalue", title="40 critical points")
        axes[0].set_xscale("symlog")
        axes[0].set_yscale("symlog")
        landscape().plot(axes[1], levels=12)
        mark(axes[1])
        axes[0].legend(fontsize="small", loc="lower right")
        axes[1].legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2))
        grid = np.linspace(-1, 1, 61)
        for ax, (title, f) in zip(axes[2:], surfaces, strict=True):
            found = analysis.landscape(f, [0.0, 0.0], (-1, 1), (-1, 1), resolution=61)
            reach = np.abs(found.values).max() or 1.0
            ax.contourf(grid, grid, found.values, np.linspace(-reach, reach, 22), cmap="RdBu_r")
            ax.set(title=title, xlabel="x", ylabel="y", aspect="equal")

    run.figure(("The signs of two eigenvalues tell the kinds apart; red is above, blue below the level of the point",
                "两个特征值的符号区分各类临界点；红色高于该点，蓝色低于该点"), draw, (2, 3), (9.6, 8.0))  # fmt: skip


@item(
    "saddle-premature-stop",
    kind="experiment",
    source="Chapter 6, section 6.1.3, last paragraph",
    title=("Stopping at a saddle by mistake", "误停在鞍点"),
    statement=(
        "Around a saddle the surface is nearly level, so it is hard to say whether training has converged; a rule that stops on a small gradient "
        "may take the saddle for a solution.",
        "鞍点附近的曲面几乎是平的，难以判断训练是否收敛；按梯度大小停止的规则可能把鞍点当作解。",
    ),
    verdict="holds",
    ranges={"offset": (1e-12, 0.1), "tol": (1e-6, 1.0), "alpha": (0.005, 0.1)},
)
def premature_stop(run: Run, offset: float = 1e-6, tol: float = 1e-2, alpha: float = 0.05) -> None:
    saddle = refined(SADDLE)
    way = np.linalg.eigh(objective().hessian(saddle.point))[1][:, 0]
    way = way * np.sign(way[0])

    def pushed(size: float, lr: float = 0.05, steps: int = 2000) -> analysis.Path:
        return path(saddle.point + size * way, lr, steps)

    right = pushed(1e-6, steps=400)
    quiet = int(np.argmax(right.gradient_norms >= 1e-2))
    run.claim(
        (r"pushed by $10^{-6}$: iterations with $\|g\| < 10^{-2}$", r"偏移 $10^{-6}$：$\|g\| < 10^{-2}$ 的迭代次数"),
        quiet,
        equals=36,
    )
    run.claim(("the loss at which the rule stops", "规则停止时的损失"), right.losses[0], equals=14.293, within=5e-4)
    ends = objective().values(descend([saddle.point + size * way for size in (1e-6, -1e-6, 1e-8, -1e-8)], 0.05, 1400))
    for text, zh, pair in (
        ("without the rule", "不用规则", ends[:2]), (r"pushed by $10^{-8}$", r"偏移 $10^{-8}$", ends[2:]),
    ):  # fmt: skip
        run.claim((f"{text}: final loss on one side", f"{zh}：一侧的最终损失"), pair.min(), equals=0.6457, within=5e-5)
        run.claim(("and on the other", "另一侧"), pair.max(), equals=3.3564, within=5e-5)
    shown = [pushed(size, alpha, 600) for size in (offset, -offset)]

    def draw(left: Any, right: Any) -> None:
        for k, (run_, name) in enumerate(zip(shown, (f"pushed by {offset:g}", f"pushed by {-offset:g}"), strict=True)):
            left.semilogy(
                run_.gradient_norms + 1e-17, color=f"C{k}", linestyle="-" if k == 0 else "--", label=f"gradient, {name}"
            )
            left.semilogy(run_.losses, color=f"C{k}", linewidth=0.8, linestyle=":", label=f"loss, {name}")
        left.axhline(tol, color="0.5", label=f"tolerance {tol:g}")
        left.set(xlabel="iteration", ylabel="norm of the gradient; loss")
        left.legend(fontsize="small")
        found = landscape()
        right.contourf(found.x, found.y, found.values, 30, cmap="viridis")
        for k, run_ in enumerate(shown):
            right.plot(
                *run_.points.T,
                ".-",
                color=("white", "#ffd23f")[k],
                markersize=3,
                label=f"ends at loss {run_.losses[-1]:.3g}",
            )
        right.plot(*saddle.point, "X", color="#c77dff", markeredgecolor="black", markersize=9, label="saddle")
        right.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=WINDOW[0], ylim=WINDOW[1])
        right.legend(fontsize="small", facecolor="#555b63", labelcolor="white")

    run.figure(("For dozens of iterations the gradient is tiny; then the sign of the push decides which minimum is found",
                "几十次迭代内梯度都极小；之后由偏移的符号决定到达哪个极小值点"), draw, (1, 2), (9.6, 4.4))  # fmt: skip
