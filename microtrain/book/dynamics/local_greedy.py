"""One local rule, five kinds of behaviour: a tour through the chapter."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import double_well

from ..entry import item
from ..run import Run
from .chaos import stretching
from .descent import path
from .matrix_sensing import nuclear, recover, sensing
from .parabola import descend
from .saddle_points import escape_steps

STAGES = (
    ("smooth convergence", "gd-parabola-regimes"),
    ("zigzag", "ravine-zigzag"),
    ("escape from a saddle", "saddle-escape-log-time"),
    ("implicit bias", "implicit-bias-matrix-sensing"),
    ("chaos", "gd-map-chaos-cubic"),
)


@item(
    "gd-local-greedy",
    kind="guidance",
    source="The dynamics of gradient descent, the beginning and the end",
    title=("A local, greedy rule, and all that comes of it", "局部而贪心的规则及其种种后果"),
    statement=(
        "Gradient descent sees only the slope where it stands. Learning rate, curvature, saddles and parametrisation together make of it smooth convergence, "
        "zigzag, escape, implicit bias and chaos: one number for each, from the items that treat them.",
        "梯度下降只看到当前位置的斜率。学习率、曲率、鞍点与参数化方式共同决定结果：平稳收敛、锯齿状路径、逃离鞍点、隐式偏置与混沌。"
        "这里各取一个数，来自相应的条目。",
    ),
    verdict="holds",
    ranges={"rate": (0.05, 1.1), "kappa": (2.0, 200.0), "well_rate": (0.5, 2.0)},
)
def local_greedy(run: Run, rate: float = 0.75, kappa: float = 50.0, well_rate: float = 2.0) -> None:
    run.claim(
        (r"parabola, $\eta = 0.75$: $x$ after 6 steps (gd-parabola-regimes)", r"抛物线，$\eta = 0.75$：6 步后的 $x$（gd-parabola-regimes）"),
        descend(0.75, 1.0, 6)[-1], equals=0.015625, within=1e-14,
    )  # fmt: skip

    def ravine(narrow: float) -> analysis.Path:
        bowl = analysis.problems.quadratic([1.0, narrow])
        return analysis.trace(lambda p: mt.optim.SGD(p, lr=1.9 / narrow), bowl, np.array([10.0, 1.0]), steps=50)

    zigzag = ravine(50.0)
    run.claim((r"ravine, $\kappa = 50$: changes of sign in 50 steps (ravine-zigzag)", r"峡谷，$\kappa = 50$：50 步内的变号次数（ravine-zigzag）"),
              zigzag.sign_changes([0, 1]), equals=50)  # fmt: skip
    run.claim(
        ("the flat coordinate, relative to its start", "平坦方向坐标与初值之比"),
        zigzag.end[0] / 10,
        equals=0.144,
        within=5e-4,
    )
    run.claim((r"saddle, $10^{-12}$ off: steps to leave (saddle-escape-log-time)", r"鞍点，偏离 $10^{-12}$：逃离步数（saddle-escape-log-time）"),
              escape_steps([1e-12], 0.1, 400)[0], equals=284)  # fmt: skip
    problem = sensing(6, 1, 20, [0])
    found, _, course = recover(problem, (1e-2,), 0.1, 4000, curve=True)
    run.claim(("nuclear norm found from 0.01, minimum 2 (implicit-bias-matrix-sensing)", "从 0.01 出发所得核范数，最小值为 2（implicit-bias-matrix-sensing）"),
              nuclear(found)[0, 0], equals=2.0027, within=5e-5)  # fmt: skip
    orbit = path(double_well, [0.3], 2.0, 20000)[:-1, 0]
    run.claim((r"double well, $\eta = 2$: Lyapunov exponent (gd-map-chaos-cubic)", r"双阱，$\eta = 2$：李雅普诺夫指数（gd-map-chaos-cubic）"),
              stretching(orbit, 2.0).mean(), equals=1.0986, within=0.02)  # fmt: skip
    run.table(("The items of the tour", "各条目"), ("behaviour", "item"), STAGES)
    steps, shown = descend(rate, 1.0, 12), ravine(kappa)
    saddle, well = (
        path(analysis.problems.strict_saddle, [1.0, 1e-12], 0.1, 400),
        path(double_well, [0.3], well_rate, 80),
    )

    def draw(*axes: Any) -> None:
        one, two, three, four, five, six = axes
        x = np.linspace(-1.2, 1.2, 100) * np.abs(steps).max()
        one.plot(x, x**2, color="0.7")
        one.plot(steps, steps**2, "o-", markersize=3.5, linewidth=0.8, color="#1f5fa8")
        one.set(xlabel="x", ylabel="loss", title=rf"parabola, $\eta = {rate:g}$")
        a, b = np.meshgrid(np.linspace(-1, 11, 120), np.linspace(-1.3, 1.3, 120))
        two.contour(a, b, a**2 + kappa * b**2, levels=12, colors="0.8", linewidths=0.7)
        two.plot(*shown.points.T, "o-", markersize=2.5, linewidth=0.8, color="#1f5fa8")
        two.set(xlabel="x", ylabel="y", title=rf"ravine, $\kappa = {kappa:g}$: zigzag")
        three.semilogy(np.abs(saddle), label=["|x|", "|y|"])
        three.set(xlabel="step", ylabel="distance from the saddle", title="saddle: a slow escape")
        three.legend(fontsize="small")
        at = np.unique(np.geomspace(1, 4000, 200).astype(int))
        four.semilogx(at, np.linalg.svd(course[at - 1, 0, 0], compute_uv=False), color="#1f5fa8", linewidth=1)
        four.set(xlabel="step", ylabel="singular values", title="small start: a single value grows")
        five.plot(well, "o-", markersize=2.5, linewidth=0.7, color="#762a83")
        five.set(xlabel="step", ylabel="x", title=rf"double well, $\eta = {well_rate:g}$")
        six.axis("off")
        six.text(
            0, 0.95, "One rule, $\\theta \\leftarrow \\theta - \\eta\\,\\nabla L(\\theta)$:", fontsize=11, va="top"
        )
        for k, (name, key) in enumerate(STAGES):
            six.text(0.02, 0.78 - 0.15 * k, f"{k + 1}. {name}\n    {key}", fontsize=9, va="top")

    run.figure(("Five faces of the same rule", "同一规则的五种表现"), draw, (2, 3), (9.6, 7))
