"""The best learning rate from the Hessian: fixed for squared error, drifting for cross-entropy (section 4.2.7)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..optimizers.following import descent, first_within, follow
from ..run import Run
from .designs import cross_entropy, design, least_squares, separable_points, squared
from .optimisation_paths import quadratic_runs


def steps_needed(curvatures: tuple[float, float], rates: np.ndarray, tolerance: float = 1e-8) -> np.ndarray:
    """Steps of gradient descent from (1, 1) until the distance from 0 is below the tolerance, for each rate; -1 for never."""
    paths = quadratic_runs(np.tile(curvatures, (len(rates), 1)), rates, (1.0, 1.0), 1000)
    distances = np.linalg.norm(paths, axis=2)
    return np.array([first_within(distances[:, k], tolerance) for k in range(len(rates))])


@item(
    "mse-optimal-lr-from-eigenvalues",
    kind="guidance",
    source="Chapter 4, section 4.2.7, third paragraph",
    title=("The best rate from the eigenvalues", "由特征值得到最优学习率"),
    statement=(
        r"Because the Hessian of the squared error is constant, the best learning rate can be computed from its eigenvalues: "
        r"$2/(\lambda_{max} + \lambda_{min})$.",
        r"均方误差的 Hessian 矩阵为常数，因此可由其特征值精确计算最优学习率：$2/(\lambda_{max} + \lambda_{min})$。",
    ),
    verdict="holds",
    ranges={"top": (1.0, 100.0), "low": (0.1, 1.0)},
)
def mse_optimal_rate(run: Run, top: float = 10.0, low: float = 1.0) -> None:
    grid = np.linspace(0.001, 0.2, 200)
    needed = steps_needed((10.0, 1.0), grid)
    best = float(grid[np.where(needed < 0, 10**9, needed) == needed[needed >= 0].min()].mean())
    run.claim(
        (
            "curvatures 10 and 1: the rate of 200 that needs the fewest steps",
            "曲率为 10 和 1：200 个学习率中步数最少者",
        ),
        best,
        equals=2 / 11,
        relative=0.02,
    )
    run.claim(
        (r"$2/(\lambda_{max} + \lambda_{min})$", r"$2/(\lambda_{max} + \lambda_{min})$"),
        analysis.optimal_rate(1.0, 10.0)[0],
        equals=0.1818,
        within=5e-5,
    )
    x, y = design()
    constants, objective = analysis.mse_constants(x, "half_mean"), least_squares(x, y)
    lowest, begin = objective(np.linalg.lstsq(x, y, rcond=None)[0]), objective(np.zeros(5))
    rows = []
    for name, rate, expected in (
        (r"$2/(L + \mu)$", constants.optimal_rate, 106), (r"$1/L$", 1 / constants.lipschitz, 149)
    ):  # fmt: skip
        path = follow(descent(rate), squared(x, y), np.zeros(5), 400)
        steps = first_within(objective.values(path) - lowest, 1e-6 * (begin - lowest))
        run.claim(
            (
                rf"regression with $\kappa = {constants.condition_number:.0f}$: steps to a millionth of the loss at {name}",
                rf"回归，$\kappa = {constants.condition_number:.0f}$：取 {name} 时，损失降至百万分之一所需的步数",
            ),
            steps,
            equals=expected,
            within=1,
        )
        rows.append((name.replace("$", "").replace("\\mu", "mu"), rate, steps))
    run.table(("Regression with 5 inputs", "5 个输入的回归"), ("rule", "rate", "steps"), rows)
    run.note(
        r"Where $\lambda_{min}$ is 0 or unknown, $1/L$ is the safe choice.",
        r"若 $\lambda_{min}$ 为 0 或未知，$1/L$ 是稳妥的选择。",
    )
    rates = np.linspace(0.005, 2.1, 200) / top
    shown, shares = steps_needed((top, low), rates), np.abs(1 - np.outer(rates, (low, top)))

    def draw(left: Any, right: Any) -> None:
        left.plot(rates, shares[:, 0], label=rf"$|1 - \eta\lambda|$, $\lambda = {low:g}$")
        left.plot(rates, shares[:, 1], label=rf"$|1 - \eta\lambda|$, $\lambda = {top:g}$")
        left.plot(rates, shares.max(axis=1), color="black", linewidth=3, alpha=0.3, label="the slower of the two")
        left.set(xlabel=r"learning rate $\eta$", ylabel="factor per step", ylim=(0, 1.15))
        right.plot(rates[shown >= 0], shown[shown >= 0], ".", label="gradient descent")
        right.set(xlabel=r"learning rate $\eta$", ylabel=r"steps to a distance of $10^{-8}$", yscale="log")
        for ax in (left, right):
            ax.axvline(2 / (top + low), color="C3", linestyle="--", label=r"$2/(\lambda_{max} + \lambda_{min})$")
            ax.axvline(2 / top, color="0.5", linestyle=":", label=r"$2/\lambda_{max}$")
            ax.legend(fontsize="small")

    run.figure(
        (
            "The best rate is where the flattest and the steepest direction shrink equally fast.",
            "最优学习率处，最平坦与最陡的方向收缩得一样快。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )


@item(
    "ce-optimal-lr-changes",
    kind="experiment",
    source="Chapter 4, section 4.2.7, third paragraph",
    title=("With cross-entropy the best rate drifts", "交叉熵的最优学习率会变化"),
    statement=(
        "The Hessian of cross-entropy depends on the predictions, so that the best learning rate changes in the course of "
        "training; adaptive optimizers such as Adam mitigate this.",
        "交叉熵的 Hessian 矩阵依赖于预测概率，因此不同训练阶段的最优学习率可能不同；Adam 等自适应方法可以缓解这个问题。",
    ),
    verdict="holds",
    ranges={"adam": (0.01, 1.0)},
)
def ce_optimal_rate(run: Run, adam: float = 0.3) -> None:
    x, y = separable_points()
    top = analysis.mse_constants(x, "half_mean").lipschitz
    loss = cross_entropy(x, y)
    found = analysis.Objective(loss, np.zeros(3))
    path = follow(descent(4 / top), loss, np.zeros(3), 100_000)
    marks = (0, 10, 100, 1000, 10_000, 100_000)
    sharp = [analysis.lambda_max(analysis.Objective(loss, path[k])) for k in marks]
    for k, value, (expected, last) in zip(
        marks,
        sharp,
        ((0.276, 5e-4), (0.0940, 5e-5), (0.0315, 5e-5), (0.0066, 5e-5), (0.00103, 5e-6), (1.28e-4, 5e-7)),
        strict=True,
    ):
        run.claim(
            (rf"largest curvature after {k} steps of gradient descent", rf"梯度下降 {k} 步后的最大曲率"),
            value,
            equals=expected,
            within=last,
        )
    run.claim(
        (r"growth of the stable rate $2/\lambda_{max}$", r"稳定学习率 $2/\lambda_{max}$ 的增长倍数"),
        sharp[0] / sharp[-1],
        at_least=2000,
    )
    runs = {r"gradient descent, $\eta = 4/L$": path[:10_001]}
    for rate in sorted({0.1, 0.3, adam}):
        runs[f"Adam, {rate:g}"] = follow(partial(mt.optim.Adam, lr=rate), loss, np.zeros(3), 10_000)
    losses = {name: found.values(points) for name, points in runs.items()}
    for name, expected in ((r"gradient descent, $\eta = 4/L$", 9086), ("Adam, 0.1", 3680), ("Adam, 0.3", 1664)):
        run.claim(
            (
                f"{name}: steps to a loss of 0.001",
                f"{name.replace('gradient descent, ', '梯度下降，').replace('Adam, ', 'Adam，学习率 ')}：损失降至 0.001 所需的步数",
            ),
            first_within(losses[name], 1e-3),
            equals=expected,
            relative=0.02,
        )

    def draw(left: Any, right: Any) -> None:
        every = np.unique(np.geomspace(1, 100_000, 60).astype(int))
        curvature = np.linalg.eigvalsh(found.hessians(path[every]))[:, -1]
        left.loglog(every, 2 / curvature, label=r"stable rate $2/\lambda_{max}$")
        left.axhline(4 / top, color="C3", linestyle="--", label=r"rate used, $4/L$")
        left.set(xlabel="step of gradient descent", ylabel="learning rate", title="Room for larger steps")
        left.legend(fontsize="small")
        for name, values in losses.items():
            right.loglog(np.arange(1, len(values)), values[1:], label=name)
        right.axhline(1e-3, color="0.6", linestyle=":")
        right.set(xlabel="step", ylabel="loss", ylim=(1e-5, 1), title="Adam makes use of it")
        right.legend(fontsize="small")

    run.figure(
        (
            "While the classes separate the curvature falls, and the rate that was safe at first is ever more timid.",
            "随着类别逐渐分开，曲率不断下降，起初安全的学习率便越来越保守。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )
