"""Kinds of critical points: what the Hessian decides, what it leaves open, and how common saddles are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import double_well, two_layers

from ..entry import item
from ..run import Run

Loss = Callable[[mt.Tensor], mt.Tensor]
CASES: dict[str, tuple[Loss, tuple[float, float], str, str]] = {  # loss, point, what the Hessian says, what is true
    "x^2 + y^2": (lambda p: (p * p).sum(), (0.0, 0.0), "minimum", "minimum"),
    "-(x^2 + y^2)": (lambda p: -(p * p).sum(), (0.0, 0.0), "maximum", "maximum"),
    "x^2 - y^2": (lambda p: p[0] ** 2 - p[1] ** 2, (0.0, 0.0), "saddle", "saddle"),
    "x^4 + y^4": (lambda p: (p**4).sum(), (0.0, 0.0), "degenerate", "minimum"),
    "x^3 - 3xy^2": (lambda p: p[0] ** 3 - 3 * p[0] * p[1] ** 2, (0.0, 0.0), "degenerate", "saddle"),
    "(xy - 1)^2/2": (two_layers, (1.0, 1.0), "degenerate", "minimum"),
}
ZH = {"minimum": "极小值", "maximum": "极大值", "saddle": "鞍点", "degenerate": "退化"}


def by_walking(loss: Loss, at: tuple[float, float], radius: float = 0.01) -> str:
    """What kind of point it is, by the loss on a small circle around it. A level way out counts as not falling."""
    turn = 2 * np.pi * np.arange(720) / 720
    found = analysis.objective(loss, np.array(at))
    rise = found.values(np.array(at) + radius * np.stack([np.cos(turn), np.sin(turn)], 1)) - found(np.array(at))
    if (rise >= -1e-15).all():
        return "minimum"
    return "maximum" if (rise <= 1e-15).all() else "saddle"


def symmetric_network(width: int) -> np.ndarray:
    """Eigenvalues of the Hessian of |W2 W1 - I|^2 / 2 at the minimum W1 = W2 = I, for width x width matrices."""
    eye = mt.tensor(np.eye(width))
    size = width * width

    def loss(w: mt.Tensor) -> mt.Tensor:
        return 0.5 * ((w[size:].reshape(width, width) @ w[:size].reshape(width, width) - eye) ** 2).sum()

    at = np.concatenate([np.eye(width).ravel()] * 2)
    return np.asarray(np.linalg.eigvalsh(analysis.hessian(loss, at)))


@item(
    "critical-point-classification",
    kind="definition",
    source="Chapter 4, section 4.2.6, definition 4.2.4",
    title=("Minimum, maximum, saddle, or undecided", "极小值、极大值、鞍点，还是无法判断"),
    statement=(
        "A critical point is a point where the gradient is zero. If all eigenvalues of the Hessian are positive, it is a local minimum; if all "
        "are negative, a local maximum; if there are both signs, a saddle.",
        "梯度为零的点称为临界点。Hessian 矩阵的特征值全为正时是局部极小值，全为负时是局部极大值，有正有负时是鞍点。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The test decides only if no eigenvalue is zero. With one that is, a fourth answer is needed: degenerate. $x^4 + y^4$, $x^3 - 3xy^2$ and "
        r"$(xy - 1)^2/2$ are all degenerate, and are a minimum, a saddle and a minimum. In over-parameterised networks that is the usual case, because "
        r"their symmetries force zeros: at a minimum of two linear layers of width $d$ at least $d^2$ of the $2d^2$ eigenvalues are 0.",
        r"只有特征值都不为零时才能这样判断；若有零特征值，还需要第四种答案：退化。$x^4 + y^4$、$x^3 - 3xy^2$ 与 $(xy - 1)^2/2$ 都是退化的，"
        r"实际上依次是极小值、鞍点和极小值。过参数化网络通常如此，因为对称性必然带来零特征值：宽为 $d$ 的两层线性网络在最小值点处，"
        r"$2d^2$ 个特征值中至少有 $d^2$ 个为 0。",
    ),
    ranges={"a": (-2.0, 2.0), "b": (-2.0, 2.0), "width": (1, 8)},
)
def classification(run: Run, a: float = 1.0, b: float = 0.0, width: int = 3) -> None:
    for name, (loss, at, expected, truth) in CASES.items():
        found = analysis.classify_critical_point(loss, np.array(at))
        place = f"({at[0]:g}, {at[1]:g})"
        run.claim((f"${name}$ at {place}: {expected}", f"${name}$ 在 {place} 处：{ZH[expected]}"), found == expected)
        run.claim(
            (f"the same, by a walk on a small circle: {truth}", f"同上，沿小圆绕行检验：{ZH[truth]}"),
            by_walking(loss, at) == truth,
        )
    run.claim((r"$x^2 + y^2$ at (1, 0): not critical", r"$x^2 + y^2$ 在 (1, 0) 处：不是临界点"),
              analysis.classify_critical_point(CASES["x^2 + y^2"][0], np.array([1.0, 0.0])) == "not critical")  # fmt: skip
    values = np.linalg.eigvalsh(analysis.hessian(two_layers, np.array([1.0, 1.0])))
    for k, number in enumerate((0.0, 2.0)):
        run.claim(
            (rf"$(xy - 1)^2/2$ at (1, 1): eigenvalue {k + 1}", rf"$(xy - 1)^2/2$ 在 (1, 1) 处：第 {k + 1} 个特征值"),
            values[k],
            equals=number,
            within=1e-12,
        )
    for d in (2, 3):
        zeros = int((np.abs(symmetric_network(d)) < 1e-9).sum())
        run.claim(
            (
                f"two linear layers of width {d} at a minimum: eigenvalues 0, of {2 * d * d}",
                f"两层线性网络，宽 {d}，最小值点处：{2 * d * d} 个特征值中为 0 的个数",
            ),
            zeros,
            equals=d * d,
        )
    own: Loss = lambda p: 0.5 * (a * p[0] ** 2 + b * p[1] ** 2)
    kind = analysis.classify_critical_point(own, np.zeros(2))
    shown = {
        rf"${name}$: {said}" + (f",\nin fact a {true}" if said != true else ""): (f, at)
        for name, (f, at, said, true) in list(CASES.items())[2:]
    }
    shown[rf"$({a:g} x^2 + {b:g} y^2)/2$: {kind}"] = (own, (0.0, 0.0))
    spectrum = symmetric_network(width)

    def draw(*axes: Any) -> None:
        for ax, (title, (f, at)) in zip(axes, shown.items(), strict=False):
            x, y = np.linspace(at[0] - 1, at[0] + 1, 61), np.linspace(at[1] - 1, at[1] + 1, 61)
            grid = np.stack([part.ravel() for part in np.meshgrid(x, y)], 1)
            found = analysis.objective(f, np.array(at))
            z = (found.values(grid) - found(np.array(at))).reshape(61, 61)
            reach = np.abs(z).max() or 1.0
            ax.contourf(x, y, np.cbrt(z / reach), np.linspace(-1, 1, 22), cmap="RdBu_r")
            ax.contour(x, y, z, levels=[0], colors="black", linewidths=1)
            ax.plot(*at, "ko", markersize=5)
            ax.set(xlabel="x", ylabel="y", aspect="equal")
            ax.set_title(title, fontsize="medium")
        axes[-1].bar(np.arange(1, len(spectrum) + 1), spectrum, color=["C1" if v > 1e-9 else "C3" for v in spectrum])
        axes[-1].plot(
            np.flatnonzero(spectrum < 1e-9) + 1,
            0 * spectrum[spectrum < 1e-9],
            "C3o",
            markersize=4,
            label=f"{(spectrum < 1e-9).sum()} zeros",
        )
        axes[-1].set(xlabel="number", ylabel="eigenvalue at the minimum")
        axes[-1].set_title(f"two linear layers of width {width}", fontsize="medium")
        axes[-1].legend(fontsize="small")

    run.figure(
        ("Losses around a critical point: red is above its level, blue below, black level with it. Last: the eigenvalues at a minimum of two linear "
         "layers",
         "临界点附近的损失：红色高于该点，蓝色低于该点，黑线与之等高。最后一图：两层线性网络在最小值点处的特征值"),
        draw, (2, 3), (9.6, 7.6),
    )  # fmt: skip


def wells(n: int, generator: mt.Generator) -> tuple[int, int]:
    """(critical points, minima) of sum (x_i^2 - 1)^2 / 4 in n dimensions, found by Newton's method."""
    middles = np.array(list(product((-1.0, 0.0, 1.0), repeat=n)))
    starts = np.repeat(middles, 4, axis=0) + generator.numpy.uniform(-0.2, 0.2, (4 * 3**n, n))
    found = analysis.critical_points(double_well, starts)
    return len(found), sum(point.kind == "minimum" for point in found)


@item(
    "saddle-points-are-generic",
    kind="experiment",
    source="Chapter 4, section 4.2.6, on the prevalence of saddles",
    title=("Saddles everywhere", "鞍点的普遍性"),
    statement=(
        "Saddles are everywhere in the losses of neural networks: for randomly initialised networks almost all critical points are saddles or "
        "local minima, and the number of local minima grows exponentially with that of the parameters.",
        "神经网络的损失中鞍点普遍存在：对随机初始化的网络，几乎所有临界点都是鞍点或局部极小值，且局部极小值的数量随参数个数指数增长。",
    ),
    verdict="holds with a condition",
    correction=(
        "For random symmetric matrices saddles prevail overwhelmingly, and the share of minima falls faster than exponentially. That does not contradict "
        "a number of minima that grows exponentially, nor does it support it: in a sum of $n$ double wells both are true, with $2^n$ minima among $3^n$ "
        "critical points. The Hessians of networks are no random matrices, and how a network is initialised has no influence on where its "
        "critical points are.",
        "对随机对称矩阵，鞍点占压倒多数，极小值所占比例的下降比指数还快。这与极小值个数指数增长并不矛盾，但也不构成支持："
        "$n$ 个双势阱之和两者兼有，$3^n$ 个临界点中有 $2^n$ 个极小值。网络的 Hessian 矩阵并非随机矩阵，初始化方式也不影响临界点的位置。",
    ),
    ranges={"draws": (1000, 200000), "largest": (2, 12)},
    random=True,
)
def saddles_are_generic(run: Run, draws: int = 100000, largest: int = 6) -> None:
    generator = mt.Generator(run.seed)
    share = {}
    small = ((1, 0.5, 0.0, 0.005), (2, (2 - 2**0.5) / 4, 0.708, 0.005), (3, 0.25 - 2**0.5 / (2 * np.pi), 0.950, 0.0025),
             (4, 0.0026, 0.995, 7e-4), (5, 1e-4, 0.9997, 1.5e-4))  # fmt: skip
    for n, minima, mixed, place in small:
        share[n] = analysis.random_hessians(n, 200000, generator=generator)
        run.claim(
            (f"n = {n}: share with all eigenvalues positive", f"n = {n}：特征值全为正的比例"),
            share[n].minima,
            equals=minima,
            within=place,
        )
        if n > 1:
            run.claim(
                (f"n = {n}: share with both signs", f"n = {n}：有正有负的比例"),
                share[n].saddles,
                equals=mixed,
                within=place,
            )
    for n, most in ((6, 3e-5), (8, 0.0), (10, 0.0)):
        share[n] = analysis.random_hessians(n, 100000, generator=generator)
        run.claim((f"n = {n}: share with all eigenvalues positive, of 100000", f"n = {n}：10 万个矩阵中特征值全为正的比例"), share[n].minima,
                  at_most=0.0 if run.seed == 0 else most)  # fmt: skip
    starts = np.stack([part.ravel() for part in np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9))], 1)
    found = analysis.critical_points(two_layers, starts)
    high = [point for point in found if point.value > 1e-9]
    run.claim(
        (r"$(ab - 1)^2/2$: critical points above the minimum", r"$(ab - 1)^2/2$：损失高于最小值的临界点数"),
        len(high),
        equals=1,
    )
    run.claim(
        ("it is the saddle at 0: distance from 0", "它是 0 处的鞍点：到 0 的距离"),
        np.linalg.norm(high[0].point),
        at_most=1e-8,
    )
    run.claim(("and of the kind saddle", "类型为鞍点"), high[0].kind == "saddle")
    counts = [wells(n, generator) for n in (1, 2, 3, 4)]
    for n, (points, minima) in enumerate(counts, 1):
        run.claim(
            (f"sum of double wells, n = {n}: critical points", f"双势阱之和，n = {n}：临界点数"), points, equals=3**n
        )
        run.claim(("of these minima", "其中极小值"), minima, equals=2**n)
    sizes = np.arange(1, largest + 1)
    shown = [share.get(int(n)) or analysis.random_hessians(int(n), draws, generator=generator) for n in sizes]

    def draw(left: Any, middle: Any, right: Any) -> None:
        minima = np.array([result.minima for result in shown])
        left.semilogy(sizes[minima > 0], minima[minima > 0], "o-", label="all eigenvalues positive")
        left.semilogy(
            sizes,
            0.5 * np.exp(-np.log(3) / 4 * (sizes**2 - 1)),
            "k:",
            label=r"$\propto 3^{-n^2/4}$, for large n",
        )
        left.semilogy(
            sizes[1:],
            [max(result.saddles, 1e-9) for result in shown[1:]],
            "s--",
            color="C4",
            label="both signs: saddles",
        )
        left.set(xlabel="n, size of the random matrix", ylabel="share", ylim=(1e-7, 3), xticks=sizes)
        n = np.arange(1, 5)
        points, lows = np.array(counts).T
        middle.semilogy(n, points, "s--", color="C4", label="critical points, $3^n$")
        middle.semilogy(n, lows, "o-", color="C2", label="minima, $2^n$")
        middle.semilogy(n, lows / points, "^-.", color="C3", label="share of minima")
        middle.set(xlabel="n double wells", ylabel="number, share", xticks=n)
        x = np.linspace(-2, 2, 81)
        a, b = np.meshgrid(x, x)
        right.contourf(x, x, np.log10(0.5 * (a * b - 1) ** 2 + 1e-3), 24, cmap="viridis")
        for sign in (1, -1):
            t = np.geomspace(0.5, 2, 60)
            right.plot(sign * t, sign / t, "w-", linewidth=2, label="minima" if sign > 0 else None)
        right.plot(0, 0, "X", color="#c77dff", markeredgecolor="black", markersize=10, label="the saddle")
        right.set(xlabel="a", ylabel="b", title=r"$(ab - 1)^2/2$", aspect="equal")
        left.legend(fontsize="small")
        middle.legend(fontsize="small")
        right.legend(fontsize="small", facecolor="#555b63", labelcolor="white")

    run.figure(
        ("Left: random symmetric matrices. Middle: minima that grow in number while their share falls. Right: the smallest deep linear network has one saddle",
         "左：随机对称矩阵。中：极小值个数增加而比例下降。右：最小的深度线性网络只有一个鞍点"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip
