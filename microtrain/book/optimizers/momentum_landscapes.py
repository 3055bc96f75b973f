"""Momentum on landscapes: across a plateau, and tuned to the curvatures."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .following import first_within, follow
from .momentum import heavy


@item(
    "momentum-crosses-plateau",
    kind="experiment",
    source="Deep-learning optimizers, plateau and valley; hands-on problem 3154465",
    title=("Across a plateau", "越过平坦区域"),
    statement=(
        "On a loss with a flat plateau and a narrow deep valley gradient descent nearly stalls on the plateau, while momentum "
        "rolls across it into the valley.",
        "损失若有平坦区域和狭窄的深谷，梯度下降几乎停在平坦区域；动量则越过平坦区域，进入山谷。",
    ),
    verdict="holds",
    ranges={"lr": (0.001, 0.039), "beta": (0.0, 0.99), "k": (1.0, 25.0)},
)
def crosses_plateau(run: Run, lr: float = 0.03, beta: float = 0.9, k: float = 25.0) -> None:
    def race(rate: float, b: float, steepness: float) -> tuple[np.ndarray, np.ndarray]:
        loss = mt.analysis.problems.plateau_valley(steepness)
        path = follow(heavy(rate, b), loss, (-4.0, 1.0), 8000)
        return path, mt.analysis.objective(loss, path[0]).values(path)

    gd, ball = race(0.03, 0.0, 25.0), race(0.03, 0.9, 25.0)
    slow, fast = (first_within(values, 0.01) for _, values in (gd, ball))
    run.claim((r"gradient descent: first step with $f < 0.01$", r"梯度下降：$f < 0.01$ 的第一步"), slow, equals=7409)
    run.claim(
        (r"heavy ball, $\beta = 0.9$: first step with $f < 0.01$", r"重球法，$\beta = 0.9$：$f < 0.01$ 的第一步"),
        fast,
        equals=794,
    )
    run.claim(
        (r"their ratio, in theory $1 / (1 - \beta) = 10$", r"两者之比，理论值为 $1 / (1 - \beta) = 10$"),
        slow / fast,
        equals=9.3,
        within=0.05,
    )
    run.claim(
        ("gradient descent: $f$ after 2000 steps", "梯度下降：2000 步后的 $f$"),
        gd[1][2000],
        equals=0.99951,
        within=5e-6,
    )
    run.claim(("heavy ball: $f$ after 2000 steps", "重球法：2000 步后的 $f$"), ball[1][2000], at_most=1e-60)
    shown = {"gradient descent": race(lr, 0.0, k), rf"heavy ball, $\beta = {beta}$": race(lr, beta, k)}

    def draw(left: Any, right: Any) -> None:
        x, y = np.meshgrid(np.linspace(-4.4, 2, 120), np.linspace(-1.1, 1.1, 100))
        heights = 1 - np.exp(-0.5 * x * x) + k * y * y
        left.contour(x, y, heights, levels=[0.02, 0.2, 0.5, 0.9, 1.1, 2, 5, 10, 20], colors="0.8", linewidths=0.7)
        for c, (name, (path, values)) in reversed(list(enumerate(shown.items()))):
            left.plot(
                *path[:1200].T, "o-", color=f"C{c}", markersize=2, linewidth=0.8, alpha=0.8, label=f"{name}, 1200 steps"
            )
            right.loglog(np.arange(1, len(values)), np.maximum(values[1:], 1e-12), f"C{c}", label=name)
        left.plot(0, 0, "k*", markersize=9)
        left.set(xlabel="x", ylabel="y")
        left.legend(fontsize="small", loc="lower left")
        right.axhline(0.01, color="0.6", linestyle=":")
        right.set(xlabel="step", ylabel="f")
        right.legend(fontsize="small")

    run.figure(
        (
            "Both start at (-4, 1). Left: where they are after 1200 steps. Right: the loss.",
            "两者都从 (-4, 1) 出发。左：1200 步后的位置。右：损失。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


@item(
    "momentum-optimal-tuning",
    kind="theorem",
    source="Deep-learning optimizers, the choice of $\\beta$; Polyak 1964",
    title=("Tuning rate and momentum together", "同时调节学习率与动量系数"),
    statement=(
        r"$\alpha$ and $\beta$ have to be tuned together, and the best values depend on the curvature. Between the curvatures "
        r"$\mu$ and $L$: $\alpha = 4 / (\sqrt L + \sqrt \mu)^2$, $\beta = ((\sqrt\kappa - 1) / (\sqrt\kappa + 1))^2$, and the "
        r"distance shrinks by $\sqrt\beta$ a step.",
        r"$\alpha$ 与 $\beta$ 需要一起调节，最优值取决于曲率。曲率介于 $\mu$ 与 $L$ 时，$\alpha = 4 / (\sqrt L + \sqrt \mu)^2$，"
        r"$\beta = ((\sqrt\kappa - 1) / (\sqrt\kappa + 1))^2$，每步距离乘以 $\sqrt\beta$。",
    ),
    verdict="holds",
    ranges={"kappa": (2.0, 1000.0), "beta": (0.0, 0.999)},
)
def optimal_tuning(run: Run, kappa: float = 100.0, beta: float = 0.9) -> None:
    def distances(k: float, alpha: float, b: float, steps: int) -> np.ndarray:
        loss = mt.analysis.problems.quadratic(np.array([1.0, k]))
        return np.linalg.norm(follow(heavy(alpha, b), loss, (1.0, 1.0), steps), axis=1)  # type: ignore[no-any-return]

    plain = first_within(distances(100.0, mt.analysis.optimal_rate(1.0, 100.0)[0], 0.0, 800), 1e-6)
    alpha, best = mt.analysis.polyak_parameters(1.0, 100.0)
    tuned = distances(100.0, alpha, best, 200)
    run.claim(
        (r"gradient descent, $2/(L + \mu)$: steps to $10^{-6}$", r"梯度下降，$2/(L + \mu)$：到 $10^{-6}$ 的步数"),
        plain,
        equals=709,
    )
    run.claim(
        (r"tuned heavy ball: steps to $10^{-6}$", r"调好的重球法：到 $10^{-6}$ 的步数"),
        first_within(tuned, 1e-6),
        equals=95,
    )
    run.claim(
        (
            r"tuned: rate per step over $\sqrt\beta$, from step 100 to 200",
            r"调好时每步的收缩率与 $\sqrt\beta$ 之比，第 100～200 步",
        ),
        (tuned[200] / tuned[100]) ** 0.01 / best**0.5,
        equals=1.0,
        within=0.02,
    )
    betas = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
    needed = [first_within(distances(100.0, 0.01, b, 20000 if b == 0.999 else 3000), 1e-6) for b in betas]
    for b, count, known in zip(betas, needed, (1375, 671, 192, 264, 498, 2493, -1), strict=True):
        run.claim(
            (
                rf"$\alpha = 1/L$, $\beta = {b}$: steps to $10^{{-6}}$ (-1: over 20000)",
                rf"$\alpha = 1/L$，$\beta = {b}$：到 $10^{{-6}}$ 的步数（-1 为超过 20000）",
            ),
            count,
            equals=known,
        )
    winner = betas[int(np.argmin([c if c >= 0 else 10**9 for c in needed]))]
    run.claim(
        (r"the best $\beta$ of the sweep lies inside, at 0.8 or 0.9", r"扫描中最优的 $\beta$ 在内部，为 0.8 或 0.9"),
        winner,
        between=(0.8, 0.9),
    )
    run.table(
        ("alpha = 1/L, kappa = 100", "alpha = 1/L，kappa = 100"),
        ("beta", "steps to 1e-6"),
        list(zip(betas, needed, strict=True)),
    )
    own = mt.analysis.polyak_parameters(1.0, kappa)
    length = int(min(3000, 12 * kappa + 50))
    shown = {
        r"gradient descent, $2/(L + \mu)$": distances(kappa, mt.analysis.optimal_rate(1.0, kappa)[0], 0.0, length),
        rf"$\alpha = 1/L$, $\beta = {beta}$": distances(kappa, 1 / kappa, beta, length),
        rf"Polyak, $\beta = {own[1]:.3f}$": distances(kappa, *own, length),
    }

    def draw(left: Any, right: Any) -> None:
        for name, values in shown.items():
            left.semilogy(np.maximum(values, 1e-12), linewidth=1, label=name)
        left.axhline(1e-6, color="0.6", linestyle=":")
        left.set(xlabel="step", ylabel="distance from the minimum", title=rf"$\kappa = {kappa:g}$", ylim=(1e-12, 10))
        left.legend(fontsize="small")
        done = [(1 - b, c) for b, c in zip(betas, needed, strict=True) if c >= 0]
        right.loglog(*zip(*done, strict=True), "o-", label=r"$\alpha = 1/L$")
        right.plot(1 - best, first_within(tuned, 1e-6), "k*", markersize=12, label="Polyak's rate and momentum")
        right.invert_xaxis()
        right.set(xlabel=r"$1 - \beta$", ylabel="steps to $10^{-6}$", title=r"$\kappa = 100$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: distance over the steps. Right: steps needed over the momentum.",
            "左：距离随步数的变化。右：所需步数随动量系数的变化。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )
