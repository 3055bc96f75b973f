"""Convex losses: what the word means, and what it promises for training."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import mse_loss

from ..dynamics.saddle_points import gabor
from ..entry import item
from ..run import Run
from .gabor import WINDOW
from .training_loop import BEST, line_loss

CHORDS = 20000


def cuts(objective: analysis.Objective, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which chords (K) between the points of the graph over a and b (K, P) are cut by it between their ends."""
    inside = np.linspace(0.05, 0.95, 19)[:, None, None]
    values = objective.values((inside * a + (1 - inside) * b).reshape(-1, a.shape[1])).reshape(19, -1)
    ends = objective.values(np.concatenate([a, b])).reshape(2, -1)
    gaps = values - (inside[..., 0] * ends[0] + (1 - inside[..., 0]) * ends[1])
    small = 1e-9 * np.abs(ends).max()
    return (gaps > small).any(0) & (gaps < -small).any(0)  # type: ignore[no-any-return]


def straight(x: mt.Tensor) -> mt.Tensor:
    return (2 * x - 1).sum()


def cap(x: mt.Tensor) -> mt.Tensor:
    return -(x * x).sum()


@item(
    "convex-chord-wording",
    kind="definition",
    source="Chapter 6, section 6.1.2 and the notes on convexity",
    title=("What convex means", "凸函数的定义"),
    statement=(
        "A function is called convex if no chord between two points of its surface intersects it.",
        "若曲面上任意两点间的弦都不与函数相交，则称函数是凸的。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"In these words $-x^2$ would be convex: its chords do not cut the graph either, they run below it. Every chord must lie on or above "
        r"the graph, $f(ta + (1-t)b) \le t f(a) + (1-t) f(b)$. The errata of the original put the chord above the "
        "function without touching it, which would shut straight lines out.",
        r"按这种说法，$-x^2$ 也是凸函数：它的弦同样不与图像相交，只是都在图像下方。应要求每条弦都不低于图像："
        r"$f(ta + (1-t)b) \le t f(a) + (1-t) f(b)$。英文勘误改为弦在函数上方且不相交，却又排除了直线。",
    ),
    ranges={"chords": (100, 20000)},
    random=True,
)
def chord_wording(run: Run, chords: int = CHORDS, form: str = "right") -> None:
    rng = run.rng
    low, high = np.array(WINDOW).T
    functions = {
        "line fit": (line_loss(), rng.uniform(-5, 5, (2, chords, 2)), 0.0),
        "Gabor loss": (gabor(), rng.uniform(low, high, (2, chords, 2)), 0.512),
        r"-x^2": (analysis.objective(cap, [0.0]), rng.uniform(-5, 5, (2, chords, 1)), 1.0),
        r"2x - 1": (analysis.objective(straight, [0.0]), rng.uniform(-5, 5, (2, chords, 1)), 0.0),
    }
    chinese = {"line fit": "直线拟合的损失", "Gabor loss": "Gabor 损失", "-x^2": "$-x^2$", "2x - 1": "$2x - 1$"}
    shares, cutting = {}, {}
    for name, (objective, (a, b), expected) in functions.items():
        t = rng.uniform(0, 1, (chords, 1))
        values = objective.values(np.concatenate([a, b, t * a + (1 - t) * b])).reshape(3, -1)
        gap = values[2] - t[:, 0] * values[0] - (1 - t[:, 0]) * values[1]
        shares[name] = float((gap > 1e-10 * np.abs(values).max(0)).mean())
        cutting[name] = float(cuts(objective, a[:2000], b[:2000]).mean())
        run.claim(
            (f"${name}$: share of chords that speak against it" if "x" in name else f"{name}: share of chords that speak against it",
             f"{chinese[name]}：构成反例的弦的比例"),
            cutting[name] if form == "printed" else shares[name], equals=expected, within={0.512: 0.02, 1.0: 5e-4}.get(expected, 0),
        )  # fmt: skip
    probe = analysis.chord_probe(line_loss(), probes=2000, sampler=3.0, generator=mt.Generator(run.seed))
    run.claim(
        ("the library's probe finds none for the line fit, either", "库中的检验对直线拟合也未发现反例"), bool(probe)
    )
    run.table(
        ("Shares of chords", "弦的比例"), ("function", "below the graph somewhere", "cut by the graph"),
        [(name, shares[name], cutting[name]) for name in functions],
    )  # fmt: skip
    window = gabor()

    def draw(*axes: Any) -> None:
        x = np.linspace(-2, 2, 200)
        along = np.stack([np.linspace(-10, 10, 200), np.full(200, 13.0)], 1)
        curves = (
            (x, x * x, (-1.5, 1.0), r"convex: $x^2$"), (x, -x * x, (-1.5, 1.0), r"$-x^2$: not cut, and not convex"),
            (x, 2 * x - 1, (-1.5, 1.0), "a straight line: convex"),
            (along[:, 0], window.values(along), (-5.6, 6.3), r"Gabor loss at $\phi_1 = 13$"),
        )  # fmt: skip
        for ax, (at, values, ends, title) in zip(axes, curves, strict=True):
            ax.plot(at, values, label="function")
            ax.plot(ends, np.interp(ends, at, values), "o--", color="C3", markersize=4, label="chord")
            ax.set(
                title=title, xlabel=r"$\phi_0$" if ax is axes[-1] else "x", ylabel="loss" if ax is axes[-1] else "f(x)"
            )
            ax.legend(fontsize="small")

    run.figure(
        ("The chord decides by the side on which it lies, not by whether it is cut",
         "关键在于弦位于图像的哪一侧，而不在于是否相交"),
        draw, (1, 4), (9.6, 3.6),
    )  # fmt: skip


def degenerate(start: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Gradient descent on a line through three points with the same x: its end, and the Hessian's eigenvalues."""
    model, x, y = mt.nn.Line(), mt.tensor([1.5, 1.5, 1.5]), mt.tensor([0.5, 1.0, 1.2])
    loss = analysis.Objective(lambda: mse_loss(model(x), y, "sum"), model)
    path = analysis.trace(lambda p: mt.optim.SGD(p, lr=0.05), loss, steps=500, start=start)
    return path.end, np.linalg.eigvalsh(loss.hessian())


def separable(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regression on separable points: the slope and the loss after each step."""
    model = mt.nn.LogisticRegression(1)
    x, y = mt.tensor([[-2.0], [-1.0], [1.0], [2.0]]), mt.tensor([0.0, 0.0, 1.0, 1.0])
    optimizer = mt.optim.SGD(model.parameters(), lr=0.1)

    def step() -> Any:
        optimizer.zero_grad()
        model.loss(x, y, "sum").backward()
        optimizer.step()
        with mt.no_grad():
            return model.weight.clone(), model.loss(x, y, "sum")

    slopes, losses = mt.compile(step).repeat(steps)
    return np.asarray(slopes).ravel(), np.asarray(losses).ravel()


@item(
    "convexity-guarantees-training",
    kind="theorem",
    source="Chapter 6, section 6.1.2",
    title=("Can training of a convex loss fail?", "凸损失的训练会失败吗"),
    statement=(
        "The loss of linear regression is convex and has one well-defined minimum; from wherever one goes downhill, one "
        "gets there, and training can't fail.",
        "线性回归的损失是凸的，有唯一确定的最小值；从任何地方下坡都能到达，训练不会失败。",
    ),
    verdict="holds with a condition",
    correction=(
        "Three conditions: at least two different inputs $x_i$, or the minimum is a whole line; a minimum must exist, "
        r"which separable logistic regression, convex too, lacks; and a rate below $2/L$.",
        r"需要三个条件：其一，至少有两个不同的输入 $x_i$，否则最小值点构成一条直线；其二，最小值点存在，"
        r"同为凸问题的可分逻辑回归就没有；其三，学习率小于 $2/L$。",
    ),
    ranges={"alpha": (0.001, 0.06), "starts": (10, 1000)},
    random=True,
)
def guarantees(run: Run, alpha: float = 0.02, starts: int = 100) -> None:
    objective = line_loss()
    found = run.rng.uniform(-5, 5, (100, 2))
    ends = analysis.descend(objective, found, lr=0.02, steps=800)
    run.claim(("100 random starts: largest distance from the minimum", "100 个随机起点：到最小值点的最大距离"),
              np.abs(ends - BEST).max(), at_most=1e-6)  # fmt: skip
    (one, values), (other, _) = degenerate((0.0, 0.0)), degenerate((2.0, 0.0))
    run.claim((r"all $x_i = 1.5$: smaller eigenvalue of the Hessian", r"所有 $x_i = 1.5$：Hessian 矩阵的较小特征值"), values[0], equals=0,
              within=1e-12)  # fmt: skip
    run.claim(("its larger one", "较大特征值"), values[1], equals=19.5, within=1e-12)
    run.claim(
        ("distance of the ends from two starts", "从两个起点到达的终点之间的距离"),
        np.linalg.norm(one - other),
        at_least=0.5,
    )
    slopes, losses = separable(100000)
    for steps, slope, loss, place in (
        (100, 3.18, 0.0854, 4),
        (1000, 5.33, 0.0097, 4),
        (10000, 7.61, 0.0010, 4),
        (100000, 9.90, 0.0001, 4),
    ):
        run.claim(
            (f"separable classes: slope after {steps} steps", f"可分类别：{steps} 步后的斜率"),
            slopes[steps - 1],
            equals=slope,
            within=5e-3,
        )
        run.claim(("and the loss", "以及损失"), losses[steps - 1], equals=loss, within=0.51 * 10.0**-place)
    limit = 2 / analysis.principal_axes(objective).values.max()
    run.claim((r"line fit: $2/L$", r"直线拟合：$2/L$"), limit, equals=0.03998, within=5e-6)
    fast = analysis.trace(lambda p: mt.optim.SGD(p, lr=0.041), objective, steps=300, start=[0.0, 0.0])
    run.claim((r"$\alpha = 0.041$: loss after 300 steps, relative to the first", r"$\alpha = 0.041$：300 步后的损失与初始损失之比"),
              fast.losses[-1] / fast.losses[0], at_least=1e6)  # fmt: skip
    shown = run.rng.uniform(-5, 5, (min(starts, 12), 2))
    paths = [analysis.trace(lambda p: mt.optim.SGD(p, lr=alpha), objective, steps=60, start=s).points for s in shown]

    def draw(a: Any, b: Any, c: Any, d: Any) -> None:
        for path in paths:
            a.plot(*path.T, ".-", linewidth=0.8, markersize=3)
        a.plot(*BEST, "k*", markersize=10, label="minimum")
        a.set(
            xlim=(-6, 6),
            ylim=(-6, 6),
            xlabel=r"$\phi_0$",
            ylabel=r"$\phi_1$",
            title=rf"two different inputs, $\alpha = {alpha:g}$",
        )
        line = np.linspace(-1, 3, 10)
        b.plot(line, (0.9 - line) / 1.5, color="C2", linewidth=5, alpha=0.4, label="all of these are minima")
        for start, end in (((0.0, 0.0), one), ((2.0, 0.0), other)):
            b.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "C3", "linewidth": 1.5})
            b.plot(*start, "o", color="C3")
        b.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title=r"all $x_i = 1.5$")
        steps = np.unique(np.geomspace(1, len(slopes), 200).astype(int)) - 1
        c.semilogx(steps + 1, slopes[steps], label="slope")
        c.semilogx(steps + 1, -np.log(losses[steps]), "--", label=r"$-\ln$ loss")
        c.set(xlabel="step", ylabel=r"slope, $-\ln$ loss", title="separable classes: no minimum")
        d.semilogy(fast.losses, label=r"$\alpha = 0.041 > 2/L$")
        d.semilogy(
            analysis.trace(lambda p: mt.optim.SGD(p, lr=0.039), objective, steps=300, start=[0.0, 0.0]).losses,
            label=r"$\alpha = 0.039$",
        )
        d.set(xlabel="step", ylabel="loss", title="the rate")
        for ax in (a, b, c, d):
            ax.legend(fontsize="small")

    run.figure(("Where the promise holds (first picture), and three ways in which it fails", "承诺成立的情形（图一）与三种失败的情形"),
               draw, (2, 2), (9.5, 7.5))  # fmt: skip
