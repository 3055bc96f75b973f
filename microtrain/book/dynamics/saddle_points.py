"""Saddle points: what they are, how common, and how long they hold gradient descent up."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import strict_saddle
from microtrain.data.points import gabor_points
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..moving import grow, moments
from ..run import Run
from .descent import path

GOAL = 0.5  # |y| at which a run has left the saddle at 0


def saddles(p: mt.Tensor) -> mt.Tensor:
    """The strict saddle for many runs at once: p is (2, runs)."""
    return strict_saddle(p).sum()


def escape_steps(y0: Any, eta: float, steps: int) -> np.ndarray:
    """After how many steps of gradient descent from (1, y0) |y| reaches the goal; -1 where it does not."""
    starts = np.stack([np.ones(len(y0)), y0])
    out = np.abs(path(saddles, starts, eta, steps)[:, 1]) >= GOAL
    return np.where(out.any(0), out.argmax(0), -1)


def gabor() -> analysis.Objective:
    """The sum of squared errors of the Gabor model on its 30 points."""
    model, (x, y) = mt.nn.Gabor(), gabor_points()
    return analysis.Objective(lambda: mse_loss(model(x), y, "sum"), model)


@cache
def gabor_points_of_rest() -> tuple[analysis.CriticalPoint, ...]:
    """All its critical points in [-10, 10] x [2.5, 22.5]."""
    a, b = np.meshgrid(np.linspace(-10, 10, 40), np.linspace(2.5, 22.5, 40))
    starts = np.stack([a.ravel(), b.ravel()], 1)
    return tuple(analysis.critical_points(gabor(), starts, bounds=[(-10, 10), (2.5, 22.5)], max_steps=30))


def gabor_saddle() -> analysis.CriticalPoint:
    """The saddle at (-2.8525, 9.0380), as exactly as the numbers allow."""
    return analysis.critical_points(gabor(), [[-2.85, 9.04]], step_cap=0.5)[0]


@item(
    "saddle-definition-and-prevalence",
    kind="experiment",
    source="The dynamics of gradient descent, escaping saddle points; chapter 6, section 6.1.3",
    title=("Saddles, and how common they are", "鞍点及其普遍程度"),
    statement=(
        r"At a saddle the gradient is zero and the Hessian indefinite: the loss rises in some directions and falls in others. In high "
        r"dimension saddles are far more common than local minima.",
        r"鞍点处梯度为零而 Hessian 矩阵不定：损失沿某些方向上升，沿另一些方向下降。高维中鞍点远多于局部极小值。",
    ),
    verdict="holds with a condition",
    correction=(
        r"This is a property of a random symmetric matrix taken as a model of the Hessian. Where the loss is low the eigenvalues shift upwards and "
        r"minima are common again: of the ten lowest critical points of the Gabor loss five are minima, of the twenty highest two.",
        r"这是把 Hessian 矩阵当作随机对称矩阵时的性质。损失低处特征值整体偏正，极小值又变得常见："
        r"Gabor 损失最低的 10 个临界点中有 5 个极小值，最高的 20 个中只有 2 个。",
    ),
    ranges={"draws": (1000, 50000), "largest": (2, 8)},
    random=True,
)
def prevalence(run: Run, draws: int = 20000, largest: int = 6) -> None:
    root = 2**0.5
    minima = (0.5, (2 - root) / 4, 0.25 - root / (2 * np.pi), 0.0018, 0.0001, 0.0)
    indefinite = (0.0, 1 - (2 - root) / 2, 0.5 + root / np.pi, 0.996, 0.9997, 1.0)
    rows = []
    generator = mt.Generator(run.seed)
    for n, low, mixed in zip(range(1, 7), minima, indefinite, strict=True):
        found = analysis.random_hessians(n, draws, generator=generator)
        run.claim((f"n = {n}: share of minima", f"n = {n}：极小值的比例"), found.minima, equals=low, within=0.01)
        run.claim((f"n = {n}: share of saddles", f"n = {n}：鞍点的比例"), found.saddles, equals=mixed, within=0.01)
        rows.append((n, found.minima, found.saddles, found.maxima))
    for n in range(7, largest + 1):
        found = analysis.random_hessians(n, draws, generator=generator)
        rows.append((n, found.minima, found.saddles, found.maxima))
    run.table(("Random symmetric matrices", "随机对称矩阵"), ("n", "minima", "saddles", "maxima"), rows)
    points = gabor_points_of_rest()
    for kind, name, number in (("minimum", "极小值", 8), ("saddle", "鞍点", 20), ("maximum", "极大值", 12)):
        count = sum(point.kind == kind for point in points)
        run.claim((f"Gabor loss: critical points that are a {kind}", f"Gabor 损失：{name}的个数"), count, equals=number)
    kinds = [point.kind for point in points]  # the lowest first
    run.claim(("minima among its ten lowest", "其中最低的 10 个中的极小值"), kinds[:10].count("minimum"), equals=5)
    run.claim(("minima among its twenty highest", "其中最高的 20 个中的极小值"), kinds[20:].count("minimum"), equals=2)
    shares = np.array([row[1:] for row in rows[:largest]])

    def draw(left: Any, right: Any) -> None:
        n, colours = np.arange(1, len(shares) + 1), ("#1b7837", "#762a83", "#b2182b")
        bottom = np.zeros(len(n))
        for share, name, colour in zip(shares.T, ("minima", "saddles", "maxima"), colours, strict=True):
            left.bar(n, share, bottom=bottom, color=colour, alpha=0.85, label=name)
            bottom = bottom + share
        left.set(xlabel="n (directions)", ylabel="share of random symmetric matrices", xticks=n)
        left.legend(fontsize="small", loc="lower right")
        xs, ys = np.linspace(-10, 10, 110), np.linspace(2.5, 22.5, 110)
        a, b = np.meshgrid(xs, ys)
        heights = gabor().values(np.stack([a.ravel(), b.ravel()], 1)).reshape(a.shape)
        mesh = right.pcolormesh(xs, ys, heights, cmap="Greys_r", shading="gouraud", rasterized=True)
        right.figure.colorbar(mesh, ax=right, label="Gabor loss")
        for kind, mark, colour in zip(
            ("minimum", "saddle", "maximum"), "oX^", ("#2ca02c", "#c77dff", "#ff5c5c"), strict=True
        ):
            at = np.array([point.point for point in points if point.kind == kind])
            right.plot(
                *at.T, mark, color=colour, markeredgecolor="black", linestyle="none", label=f"{len(at)} x {kind}"
            )
        right.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$")
        right.legend(fontsize="small", loc="upper left")

    run.figure(
        ("Left: kinds of random symmetric matrices. Right: all critical points of the Gabor loss in the picture",
         "左：随机对称矩阵的类型。右：Gabor 损失在图示范围内的全部临界点"),
        draw, (1, 2), (9.6, 4.4),
    )  # fmt: skip


@item(
    "saddle-escape-multiplier",
    kind="theorem",
    source=r"The dynamics of gradient descent, escaping saddle points, $w_{k+1} \approx (I - \eta H) w_k$",
    title=("What pushes away from a saddle", "离开鞍点的倍数"),
    statement=(
        r"Near a saddle $w_{k+1} \approx (I - \eta H) w_k$. Along an eigenvector with $\lambda < 0$ the factor is "
        r"$1 + \eta |\lambda| > 1$: the distance grows exponentially.",
        r"在鞍点附近 $w_{k+1} \approx (I - \eta H) w_k$。沿 $\lambda < 0$ 的特征向量，每步的倍数为 "
        r"$1 + \eta |\lambda| > 1$，距离按指数增长。",
    ),
    verdict="holds",
    ranges={"eta": (0.01, 0.9), "y0": (1e-12, 0.1)},
)
def multiplier(run: Run, eta: float = 0.1, y0: float = 1e-8) -> None:
    factors = analysis.linearised_multipliers(strict_saddle, 0.1, np.zeros(2))
    run.claim(
        (r"smaller multiplier, $1 - \eta \cdot 1$", r"较小的倍数 $1 - \eta \cdot 1$"),
        factors[0],
        equals=0.9,
        within=1e-14,
    )
    run.claim(
        (r"larger multiplier, $1 + \eta \cdot 1$", r"较大的倍数 $1 + \eta \cdot 1$"),
        factors[1],
        equals=1.1,
        within=1e-14,
    )
    x, y = np.abs(path(strict_saddle, [1.0, 1e-8], 0.1, 200).T)
    small = np.flatnonzero(y[:-1] < 1e-4)
    run.claim(
        (r"ratio of successive $|y|$ while $|y| < 10^{-4}$", r"$|y| < 10^{-4}$ 时相邻两步 $|y|$ 之比"), y[small + 1] / y[small],
        equals=1.1, within=1e-6,
    )  # fmt: skip
    run.claim(("ratio of successive $|x|$", "相邻两步 $|x|$ 之比"), (x[1:] / x[:-1])[:100], equals=0.9, within=1e-12)
    shown = np.abs(path(strict_saddle, [1.0, y0], eta, max(20, int(40 / eta * 0.6))))

    def draw(ax: Any) -> None:
        steps = np.arange(len(shown))
        for k, (name, factor) in enumerate((("x", 1 - eta), ("y", 1 + eta))):
            ax.semilogy(steps, shown[:, k], color=("#1f5fa8", "#d1600f")[k], label=f"$|{name}|$ of gradient descent")
            ax.semilogy(
                steps, shown[0, k] * factor**steps, "k:", linewidth=1, label=f"${factor:.3g}^k$ times the start"
            )
        ax.set(xlabel="step k", ylabel="distance from the saddle", ylim=(min(y0, 1e-12) / 10, 10))
        ax.legend(fontsize="small")

    run.figure(
        ("Towards the saddle along x, away from it along y, until the fourth power bends the curve at the minimum y = 1",
         "沿 x 趋近鞍点，沿 y 远离鞍点，直到四次项使曲线在极小值 y = 1 处变平"), draw,
    )  # fmt: skip


@item(
    "saddle-escape-log-time",
    kind="experiment",
    source="The dynamics of gradient descent, escaping saddle points, the time it takes",
    title=("The time to escape is a logarithm", "逃离时间与对数成正比"),
    statement=(
        r"The number of steps to leave a saddle grows with the logarithm of $1/y_0$, where $y_0$ is the start's distance from the stable "
        r"manifold.",
        r"逃离鞍点所需的步数随 $1/y_0$ 的对数增长，其中 $y_0$ 是起点到稳定流形的距离。",
    ),
    verdict="holds with a condition",
    correction=(
        r"True for strict saddles, which have a negative eigenvalue. Degenerate ones take polynomial time: on $x^2/2 - y^4/4$ about "
        r"$1/(2 \eta y_0^2)$ steps.",
        r"仅对严格鞍点（有负特征值）成立。退化鞍点需要多项式时间：对 $x^2/2 - y^4/4$ 约为 $1/(2 \eta y_0^2)$ 步。",
    ),
    ranges={"eta": (0.02, 0.9)},
)
def log_time(run: Run, eta: float = 0.1) -> None:
    starts = 10.0 ** -np.arange(1, 15)
    steps = escape_steps(starts, 0.1, 400)
    expected = (19, 43, 67, 91, 115, 139, 164, 188, 212, 236, 260, 284, 309, 333)
    for y0, count, number in zip(starts, steps, expected, strict=True):
        run.claim((f"$y_0$ = {y0:.0e}: steps", f"$y_0$ = {y0:.0e}：步数"), count, equals=number)
    slope = np.polyfit(np.log(1 / starts), steps, 1)[0]
    run.claim(
        (r"steps per unit of $\ln(1/y_0)$; theory $1/\ln(1 + \eta)$", r"每单位 $\ln(1/y_0)$ 的步数；理论值 $1/\ln(1 + \eta)$"),
        slope, equals=1 / np.log1p(0.1), within=0.05,
    )  # fmt: skip
    run.claim(("one of them by analysis.escape_time", "用 analysis.escape_time 核对其一"),
              analysis.escape_time(strict_saddle, (1, 1e-6), lr=0.1, left=lambda p: abs(p[1]) >= GOAL).step, equals=139)  # fmt: skip

    found, saddle = gabor(), gabor_saddle()
    axis = np.linalg.eigh(found.hessian(saddle.point))[1][:, 0]
    offsets = np.array([1e-2, 1e-4, 1e-6, 1e-8])
    points, lingering, step = saddle.point + offsets[:, None] * axis, np.zeros(4), analysis.gd_map(found, 0.05)
    near = np.ones(4, bool)
    for _ in range(100):
        near &= np.linalg.norm(found.gradients(points), axis=1) < 1e-2
        lingering += near
        points = step(points)
    for offset, count, number in zip(offsets, lingering, (0, 15, 36, 57), strict=True):
        run.claim(
            (rf"Gabor saddle, offset {offset:.0e}: steps with $\|g\| < 0.01$", rf"Gabor 鞍点，偏移 {offset:.0e}：$\|g\| < 0.01$ 的步数"),
            count, equals=number,
        )  # fmt: skip
    per_decade = np.log(10) / np.log1p(0.05 * -saddle.eigenvalues[0])
    run.claim(
        ("Gabor saddle: predicted steps per decade", "Gabor 鞍点：每个数量级的预测步数"),
        per_decade,
        equals=10.67,
        within=0.005,
    )

    flat = np.array([0.1, 0.03, 0.01, 0.003])
    y = path(lambda p: (0.5 * p[0] ** 2 - 0.25 * p[1] ** 4).sum(), np.stack([np.ones(4), flat]), 0.1, 555600)[:, 1]
    times = (~(np.abs(y) < GOAL)).argmax(0)  # those that left earlier are infinite by now
    for y0, count, number in zip(flat, times, (483, 5540, 49986, 555544), strict=True):
        run.claim(
            (f"degenerate saddle, $y_0$ = {y0}: steps", f"退化鞍点，$y_0$ = {y0}：步数"), count, equals=number, within=1
        )
    shown = escape_steps(starts, eta, int(40 / np.log1p(eta)))

    def draw(left: Any, right: Any) -> None:
        left.semilogx(starts, shown, "o", color="#1f5fa8", label=rf"strict saddle, $\eta = {eta:g}$")
        theory = [analysis.predicted_escape(s, GOAL, -1, eta) for s in starts]
        left.semilogx(starts, theory, "k:", label=r"$\ln(y/y_0) / \ln(1 + \eta)$")
        left.semilogx(offsets, lingering, "s", color="#762a83", label=r"Gabor saddle, $\eta = 0.05$")
        right.loglog(flat, times, "o", color="#d1600f", label=r"degenerate, $x^2/2 - y^4/4$")
        right.loglog(flat, 1 / (0.2 * flat**2), "k:", label=r"$1/(2 \eta y_0^2)$")
        right.loglog(starts[:3], steps[:3], "o", color="#1f5fa8", label="strict saddle")
        for ax in (left, right):
            ax.set(xlabel="$y_0$, distance of the start", ylabel="steps to leave")
            ax.legend(fontsize="small")

    run.figure(
        ("Logarithmic time at strict saddles (left), polynomial time at a degenerate one (right); $\\eta = 0.1$",
         r"严格鞍点处为对数时间（左），退化鞍点处为多项式时间（右）；$\eta = 0.1$"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip
    some = 10.0 ** -np.arange(1, 12, 2)
    most = int(np.log(30 / some[-1]) / np.log1p(eta))
    ways = path(saddles, np.stack([np.ones(len(some)), some]), eta, most)

    def leaving(left: Any, right: Any) -> Any:
        x, y = np.meshgrid(np.linspace(-0.3, 1.1, 80), np.linspace(-0.2, 1.2, 80))
        left.contour(x, y, x**2 / 2 - y**2 / 2 + y**4 / 4, 18, colors="0.8", linewidths=0.7)
        lines, sizes = [], []
        for k, y0 in enumerate(some):
            lines += left.plot(*ways[:, :, k].T, color=f"C{k}", linewidth=1.2, label=f"$y_0$ = {y0:.0e}")
            sizes += right.semilogy(np.abs(ways[:, 1, k]), color=f"C{k}")
        left.plot(0, 0, "kx", markersize=8)
        left.plot(0, 1, "k*", markersize=10)
        left.set(xlabel="x", ylabel="y", xlim=(-0.3, 1.1), ylim=(-0.2, 1.2))
        left.legend(fontsize="small", loc="upper right")
        right.axhline(GOAL, color="0.6", linestyle=":")
        right.set(xlabel="step", ylabel="|y|")
        return grow(moments(most, 70), *lines, *sizes)

    run.figure(
        ("All runs arrive at the saddle at the same time; how long each stays depends on the logarithm of its first offset",
         "各次运行同时到达鞍点；停留多久取决于初始偏移的对数"),
        leaving, (1, 2), (9.5, 4.0), frames=70, seconds=8,
    )  # fmt: skip
