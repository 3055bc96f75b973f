"""The best constant learning rate on a quadratic, and what it is best for."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run
from .descent import path


@item(
    "gd-optimal-constant-rate",
    kind="theorem",
    source=r"The dynamics of gradient descent, crossing the ravine, $R = (\kappa-1)/(\kappa+1)$",
    title=("The best constant learning rate", "最优的固定学习率"),
    statement=(
        r"With one constant rate gradient descent can shrink the error on a quadratic at best by the factor "
        r"$R = (\kappa - 1)/(\kappa + 1)$ a step, with $\eta = 2/(\lambda_{min} + \lambda_{max})$.",
        r"在二次函数上使用固定学习率时，误差每步最好能缩小为前一步的 $R = (\kappa - 1)/(\kappa + 1)$，"
        r"此时 $\eta = 2/(\lambda_{min} + \lambda_{max})$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It is the best constant rate for the worst start. The text's “best rate for a single step” is loose: a single step has its own "
        r"optimum $g^\top g / g^\top H g$, and a start on one axis is solved in one step with $\eta = 1/\lambda$.",
        r"这是对最坏起点而言的最优固定学习率。原文“单步的最优学习率”不准确：单步的最优步长是 $g^\top g / g^\top H g$；"
        r"若起点在某条主轴上，取 $\eta = 1/\lambda$ 一步即达。",
    ),
    ranges={"low": (0.1, 10.0), "high": (1.0, 200.0), "steps": (5, 100)},
)
def best_rate(run: Run, low: float = 1.0, high: float = 10.0, steps: int = 30) -> None:
    scans = {}
    cases = (
        ((1, 10), 0.818182, 0.18182, 0.669421), ((1, 100), 0.980198, 0.019801, 0.960788), ((2, 6), 0.5, 0.25, 0.25)
    )  # fmt: skip
    for (small, large), factor, rate, squared in cases:
        loss, start = analysis.problems.quadratic([small, large]), np.array([1 / small, 1 / large])
        best, formula = analysis.optimal_rate(small, large)
        name = rf"$\lambda = {small}, {large}$"
        size = np.linalg.norm(path(loss, start, best, 20), axis=1)
        run.claim((f"{name}: $R$", f"{name}：$R$"), formula, equals=factor, within=5e-7)
        run.claim(
            (f"{name}: error ratio of each step, less $R$", f"{name}：每步误差比与 $R$ 之差"), size[1:] / size[:-1] - formula,
            equals=0, within=1e-12,
        )  # fmt: skip
        rates = np.linspace(0, 2 / large, 20001)
        ones = np.ones((len(rates), 2))  # one step along each axis with every rate: the worse axis counts
        worst = np.abs(analysis.gd_map(loss, rates[:, None], ones[0])(ones)).max(1)
        run.claim(
            (f"{name}: best of 20001 rates", f"{name}：20001 个学习率中的最优者"),
            rates[worst.argmin()],
            equals=rate,
            within=1.5e-5,
        )
        run.claim(
            (f"{name}: its factor, less $R$", f"{name}：其收缩因子与 $R$ 之差"),
            worst.min() - formula,
            equals=0,
            within=1e-5,
        )
        search = analysis.trace(lambda p: mt.optim.LineSearchGD(p, search="exact"), loss, start, steps=8)
        ratios = search.losses[1:] / search.losses[:-1]
        run.claim(
            (f"{name}: exact line search, ratio of losses", f"{name}：精确线搜索每步的损失比"), ratios,
            equals=squared, within=5e-7,
        )  # fmt: skip
        run.claim(
            (f"{name}: the same less $R^2$", f"{name}：它与 $R^2$ 之差"), ratios - formula**2, equals=0, within=1e-12
        )
        scans[name] = rates, worst, best, formula
    one = path(analysis.problems.quadratic([1, 10]), [0.0, 1.0], 0.1, 1)[-1]
    run.claim((r"start on an axis, $\eta = 1/\lambda$: distance after one step", r"起点在主轴上，$\eta = 1/\lambda$：一步后的距离"),
              np.linalg.norm(one), at_most=1e-15)  # fmt: skip
    bowl, begin, best = analysis.problems.quadratic([low, high]), np.array([1 / low, 1 / high]), 2 / (low + high)
    ways = {
        rf"$\eta^* = {best:.3g}$": np.linalg.norm(path(bowl, begin, best, steps), axis=1),
        rf"$\eta = 1/\lambda_{{max}} = {1 / max(low, high):.3g}$":
            np.linalg.norm(path(bowl, begin, 1 / max(low, high), steps), axis=1),
        "exact line search": np.linalg.norm(
            analysis.trace(lambda p: mt.optim.LineSearchGD(p, search="exact"), bowl, begin, steps=steps).points, axis=1
        ),
    }  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        for name, (rates, worst, _, factor) in scans.items():
            line = left.plot(rates / rates[-1] * 2, worst, label=name)[0]
            left.plot(rates[worst.argmin()] / rates[-1] * 2, factor, "o", color=line.get_color())
        left.set(xlabel=r"$\eta \lambda_{max}$", ylabel="worst factor of a step")
        left.legend(fontsize="small", loc="lower left")
        for (name, size), dash in zip(ways.items(), ("-", "--", ":"), strict=True):
            right.semilogy(size, dash, label=name)
        bound = np.linalg.norm(begin) * analysis.optimal_rate(low, high)[1] ** np.arange(steps + 1)
        right.semilogy(bound, color="black", linewidth=4, alpha=0.15, label="$R^t$")
        right.set(xlabel="step", ylabel="distance from the minimum", title=rf"$\lambda = {low:g}, {high:g}$")
        right.legend(fontsize="small")

    run.figure(
        (r"Contraction against the rate, its minimum $R$ marked; and the error over the steps from the worst start",
         r"收缩因子随学习率的变化（圆点为最小值 $R$）；最坏起点的误差随步数的变化"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip
