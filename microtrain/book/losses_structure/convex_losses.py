"""Convex losses: the definition at work, and what it promises about minima."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import cross_entropy

from ..dynamics.descent import path
from ..entry import item
from ..run import Run
from .designs import design, least_squares, placed, tanh_network


def softmax_loss(x: np.ndarray, labels: np.ndarray, classes: int, decay: float = 0.0) -> analysis.Objective:
    """The mean cross-entropy of a linear softmax model without a bias, weights W (classes, d), plus decay/2 |W|^2."""
    model = mt.nn.LogisticRegression(x.shape[1], classes, bias=False)
    inputs, targets = mt.tensor(x), mt.tensor(labels)
    return analysis.Objective(lambda: model.loss(inputs, targets) + 0.5 * decay * (model.weight**2).sum(), model)


def network_ce(rng: np.random.Generator, x: np.ndarray, labels: np.ndarray) -> analysis.Objective:
    """The mean cross-entropy of a tanh network 4-5-3."""
    net, inputs, targets = tanh_network(rng, 4, 5, 3), mt.tensor(x), mt.tensor(labels)
    return analysis.Objective(lambda: cross_entropy(net(inputs), targets), net)


@item(
    "convex-function-definition",
    kind="definition",
    source="Chapter 4, section 4.2.2, definition 4.2.1, eq. 4.2.1",
    title=("Convex functions", "凸函数"),
    statement=(
        r"$f$ is convex if and only if $f(\lambda x_1 + (1-\lambda)x_2) \le \lambda f(x_1) + (1-\lambda)f(x_2)$ for all $x_1$, $x_2$ and "
        r"$\lambda \in [0, 1]$: every chord lies on or above the graph.",
        r"$f$ 是凸函数，当且仅当对任意 $x_1$、$x_2$ 和 $\lambda \in [0, 1]$ 有 "
        r"$f(\lambda x_1 + (1-\lambda)x_2) \le \lambda f(x_1) + (1-\lambda)f(x_2)$，即每条弦都不低于图像。",
    ),
    verdict="holds",
    ranges={"spread": (0.1, 5.0), "triples": (100, 10000)},
    random=True,
)
def convex_definition(run: Run, spread: float = 2.0, triples: int = 10000) -> None:
    rng = run.rng
    x, y, labels = rng.standard_normal((30, 4)), rng.standard_normal(30), rng.integers(0, 3, 30)
    losses = {
        "squared error": (least_squares(x, y), 1.0),
        "softmax": (softmax_loss(x, labels, 3), 1.0),
        "network": (placed(network_ce(rng, x, labels), np.zeros(43)), 2.0),
    }
    names = {
        "squared error": ("linear model, squared error", "线性模型加均方误差"),
        "softmax": ("linear softmax, cross-entropy", "线性 Softmax 加交叉熵"),
    }
    probes = {
        name: analysis.chord_probe(loss, probes=10000, sampler=size, generator=mt.Generator(run.seed + 1))
        for name, (loss, size) in losses.items()
    }
    for name, (english, chinese) in names.items():
        run.claim((f"{english}: largest excess of the graph over 10000 chords", f"{chinese}：10000 条弦上图像高出弦的最大值"),
                  probes[name].violation, at_most=1e-12)  # fmt: skip
        lowest = analysis.curvature_probe(losses[name][0], points=50, generator=mt.Generator(run.seed + 2)).lowest
        run.claim(
            ("smallest eigenvalue of the Hessian at 50 random points", "50 个随机点处 Hessian 矩阵的最小特征值"),
            lowest,
            at_least=-1e-10,
        )
    bad = probes["network"]
    run.claim(("tanh network 4-5-3, weights of standard deviation 2: share of the chords below the graph",
               "tanh 网络 4-5-3，权重标准差为 2：低于图像的弦的比例"), bad.violations / bad.probes, at_least=0.01)  # fmt: skip
    run.claim(
        ("by how much the graph exceeds the worst of them", "图像高出最差的弦的幅度"), bad.violation, at_least=0.1
    )
    mine = {
        name: analysis.chord_probe(loss, probes=triples, sampler=spread if name == "network" else 1.0,
                                   generator=mt.Generator(run.seed + 1))
        for name, (loss, _) in losses.items()
    }  # fmt: skip

    def draw(*axes: Any) -> None:
        along = np.linspace(0, 1, 200)
        ends = np.random.default_rng(run.seed + 3).standard_normal((2, 43))
        for ax, (name, (loss, _)) in zip(axes, losses.items(), strict=True):
            probe = mine[name]
            if probe.counterexample is None:
                (a, b), t = (spread * e[: loss.size] for e in ends), 0.5
            else:
                a, b, t = probe.counterexample
            values = loss.values(a + along[:, None] * (b - a))
            ax.plot(along, values, label="loss")
            ax.plot([0, 1], values[[0, -1]], "o--", color="C3", label="chord")
            at = 1 - t
            ax.plot([at, at], [loss(t * a + (1 - t) * b), t * loss(a) + (1 - t) * loss(b)], color="black", linewidth=2,
                    label="worst gap found" if probe.counterexample else "gap in the middle")  # fmt: skip
            share = 100 * probe.violations / probe.probes
            ax.set(title=f"{names[name][0] if name in names else 'tanh network'}\n{share:.2g} % of the chords below", xlabel="way from $x_1$ to $x_2$",
                   ylabel="loss")  # fmt: skip
            ax.legend(fontsize="small")

    run.figure(
        ("Chords of three losses; the network's worst chord lies below its graph", "三种损失的弦；网络的最差一条弦位于图像下方"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip


def flat_bottom(x: mt.Tensor) -> mt.Tensor:
    """max(0, |x| - 1), added up over many runs."""
    return (x.abs() - 1).relu().sum()


def endless(x: mt.Tensor) -> mt.Tensor:
    """exp(-x): it falls for ever."""
    return (-x).exp().sum()


@item(
    "convexity-implies-unique-minimum",
    kind="theorem",
    source="Chapter 4, section 4.2.2, second sentence",
    title=("Does convexity give a unique minimum?", "凸性意味着唯一的最小值吗"),
    statement=(
        "Chords above the graph mean that the function has a unique global minimum, and that every local minimum is a global one.",
        "弦位于图像上方，意味着函数有唯一的全局最小值，且任何局部极小值都是全局最小值。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The second half is true: every local minimum is global. A convex function can have one minimiser, infinitely many, or none. Read as "
        r"“one smallest value” the sentence still promises that it is attained, which $e^{-x}$ refutes. Uniqueness needs strict convexity; existence needs, for example, coercivity. "
        "The losses of this very chapter are examples: squared error with dependent columns, and softmax, whose weights can be shifted.",
        r"成立的是后半句：局部极小值都是全局最小值。凸函数可以有一个最小值点，也可以有无穷多个，或者没有。即使把“唯一”理解为最小值只有一个，"
        r"这句话仍然断言最小值可以取到，而 $e^{-x}$ 就取不到。唯一性需要严格凸，存在性需要强制性（coercivity）之类的条件。"
        r"本章的损失就是例子：列线性相关的均方误差，以及权重可整体平移的 Softmax。",
    ),
    ranges={"eta": (0.01, 0.5), "starts": (2, 20)},
)
def unique_minimum(run: Run, eta: float = 0.1, starts: int = 9, form: str = "right") -> None:
    def different(text: tuple[str, str], distance: float, least: float) -> None:
        if form == "printed":  # one minimiser: whoever arrives, arrives there
            run.claim(text, distance, at_most=1e-6)
        else:
            run.claim(text, distance, at_least=least)

    flat = path(flat_bottom, [-3.0, 3.0], 0.1, 60)[-1]
    different(
        (r"$\max(0, |x|-1)$ from -3 and 3: distance of the ends", r"$\max(0, |x|-1)$，从 -3 和 3 出发：两终点的距离"),
        abs(flat[1] - flat[0]),
        1.5,
    )
    bottom = analysis.objective(flat_bottom, np.zeros(1))
    run.claim(("their losses", "两处的损失"), bottom.values(flat[:, None]), equals=0, within=1e-12)
    x, y = design()
    twice = np.column_stack([x[:, 0], x[:, 0], x[:, 1]])
    double = least_squares(twice, y)
    ends = analysis.descend(double, [[0.0, 0, 0], [3.0, 0, 0]], lr=0.4, steps=400)
    different(("squared error with a column twice, two starts: distance of the ends", "某列重复的均方误差，两个起点：两终点的距离"),
              float(np.linalg.norm(ends[0] - ends[1])), 1.0)  # fmt: skip
    run.claim(("difference of their losses", "两处损失之差"), np.ptp(double.values(ends)), at_most=1e-12)
    rng = np.random.default_rng(1)
    soft = softmax_loss(rng.standard_normal((30, 4)), rng.integers(0, 3, 30), 3)
    w, shift = rng.standard_normal((3, 4)), rng.standard_normal(4)
    run.claim(("softmax cross-entropy: change of the loss if one vector is added to the weights of all classes",
               "Softmax 交叉熵：所有类别的权重加上同一向量时损失的变化"), abs(soft((w + shift).ravel()) - soft(w.ravel())), at_most=1e-12)  # fmt: skip
    run.claim(("its curvature along this direction", "沿该方向的曲率"),
              np.abs(placed(soft, w.ravel()).hvp(np.tile(shift, 3))), at_most=1e-12)  # fmt: skip
    away = path(endless, [0.0], 0.1, 2000)[:, 0]
    if form == "printed":
        run.claim((r"$e^{-x}$: steps after which gradient descent rests, of 2000", r"$e^{-x}$：2000 步中梯度下降停下的步数"),
                  int((np.diff(away) == 0).sum()), at_least=1)  # fmt: skip
    else:
        run.claim((r"$e^{-x}$: smallest of 2000 steps, always to the right", r"$e^{-x}$：2000 步中最短的一步（始终向右）"),
                  np.diff(away).min(), at_least=1e-6)  # fmt: skip
    run.claim(
        (r"$e^{-x}$: $x$ after 2000 steps", r"$e^{-x}$：2000 步后的 $x$"),
        away[-1],
        equals=np.log(0.1 * 2000),
        within=0.02,
    )
    many = path(flat_bottom, np.linspace(-3, 3, starts), eta, int(np.ceil(2.5 / eta)))
    begins = np.column_stack([np.linspace(-4, 8, starts), np.linspace(6, -5, starts), np.zeros(starts)])
    lines = [analysis.trace(lambda p: mt.optim.SGD(p, lr=0.4), double, steps=60, start=b).points for b in begins]

    def draw(left: Any, middle: Any, right: Any) -> None:
        s = np.linspace(-3.2, 3.2, 200)
        left.plot(s, np.maximum(0, np.abs(s) - 1), color="0.6", label=r"$\max(0, |x|-1)$")
        left.plot(many, np.maximum(0, np.abs(many) - 1), ".-", markersize=4, linewidth=0.8)
        left.plot(many[-1], 0 * many[-1], "k*", markersize=9, label="ends")
        left.set(xlabel="x", ylabel="loss", title="an interval of minimisers")
        best = np.linalg.lstsq(twice, y, rcond=None)[0]
        for k, points in enumerate(lines):
            middle.plot(
                points[:, 0], points[:, 1], "-", color="C0", linewidth=1, label="gradient descent" if k == 0 else None
            )
            middle.plot(*points[0, :2], "C0o", markerfacecolor="none", markersize=4)
            middle.plot(*points[-1, :2], "k*", markersize=8, label="ends" if k == 0 else None)
        a = np.linspace(-6, 8, 2)
        middle.plot(a, best[0] + best[1] - a, color="C2", linewidth=4, alpha=0.4, label="all of these are minimisers")
        middle.set(xlabel="$w_1$", ylabel="$w_2$", title="a column twice: a line of minimisers")
        t = np.arange(1, len(away))
        right.semilogx(t, away[1:], label="x")
        right.semilogx(t, np.log(0.1 * t + 1), "k:", label=r"$\ln(1 + \eta t)$")
        right.semilogx(t, np.exp(-away[1:]), "--", label="loss")
        right.set(xlabel="step", ylabel="x, loss", title="$e^{-x}$: no minimiser")
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Three convex losses: an interval of minimisers, a line of them, none at all", "三种凸损失：最小值点构成区间、构成直线、不存在"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip
