"""Squared error with columns that depend on each other, exactly or nearly: what is left of strong convexity."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import mse_loss

from ..dynamics.descent import descend
from ..entry import item
from ..run import Run
from .designs import dependent_design, least_squares


@item(
    "strong-convexity-smallest-nonzero-eigenvalue",
    kind="theorem",
    source="Chapter 4, section 4.2.2, after eq. 4.2.2",
    title=("The smallest eigenvalue, or the smallest that is not zero?", "最小特征值，还是最小非零特征值"),
    statement=(
        r"$\lambda_{min}$ in the strong convexity constant is the smallest eigenvalue of $X^\top X$ that is not zero.",
        r"强凸系数中的 $\lambda_{min}$ 是 $X^\top X$ 的最小非零特征值。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"With an eigenvalue 0 the loss is not strongly convex: $\mu = 0$, for along the null space it does not grow at all. The smallest nonzero eigenvalue is the constant of a weaker "
        r"property (Polyak-Łojasiewicz). It gives the linear rate of gradient descent, and eq. 4.2.2 if $w^*$ is the minimiser nearest to $w$; it gives neither "
        "eq. 4.2.2 for a fixed $w^*$, nor a unique minimiser.",
        r"有零特征值时损失不是强凸的：沿零空间完全不增长，$\mu = 0$。最小非零特征值对应较弱的性质（Polyak-Łojasiewicz）。"
        r"它足以给出梯度下降的线性收敛速度，也能使式 (4.2.2) 在 $w^*$ 取离 $w$ 最近的最小值点时成立；但对固定的 $w^*$ 不成立，也不保证最小值点唯一。",
    ),
    ranges={"distance": (0.0, 10.0), "steps": (10, 200)},
    random=True,
)
def nonzero_eigenvalue(run: Run, distance: float = 5.0, steps: int = 60, form: str = "right") -> None:
    x = dependent_design()
    y = x @ (1.0, 2.0, 3.0) + 0.1 * np.random.default_rng(1).standard_normal(200)
    loss = least_squares(x, y)
    values = np.linalg.eigvalsh(loss.hessian())
    for value, expected in zip(values, (0, 0.810906, 2.725758), strict=True):
        run.claim(("eigenvalue of the Hessian", "Hessian 矩阵的特征值"), value, equals=expected, within=5e-7)
    nonzero, top = values[1:]
    mu = nonzero if form == "printed" else max(values[0], 0.0) * (values[0] > 1e-12)
    best, flat = np.linalg.lstsq(x, y, rcond=None)[0], np.array([1.0, 1.0, -1.0])
    far = best + 5 * flat
    run.claim(
        (r"at $w^* + 5(1, 1, -1)$: $f - f^*$", r"$w^* + 5(1, 1, -1)$ 处：$f - f^*$"),
        loss(far) - loss(best),
        equals=0,
        within=1e-12,
    )
    run.claim((r"$(\mu/2)\|w - w^*\|^2$ there: eq. 4.2.2 wants it to be no more", r"该处的 $(\mu/2)\|w - w^*\|^2$：式 (4.2.2) 要求它不大于上值"),
              mu / 2 * ((far - best) ** 2).sum(), at_most=1e-10)  # fmt: skip
    run.claim(
        (
            r"with the smallest nonzero eigenvalue (of $X^\top X/N$) for $\mu$ it is",
            r"$\mu$ 取（$X^\top X/N$ 的）最小非零特征值时为",
        ),
        nonzero / 2 * ((far - best) ** 2).sum(),
        equals=30.41,
        within=5e-3,
    )
    away = best + 3 * run.rng.standard_normal((2000, 3))
    rise = loss.values(away) - loss(best)
    unit = flat / 3**0.5
    across = ((away - best) ** 2).sum(1)
    nearest = across - ((away - best) @ unit) ** 2
    fixed = float((rise >= nonzero / 2 * across - 1e-12).mean())
    run.claim((r"2000 random $w$, the smallest nonzero eigenvalue, $w^*$ the minimiser nearest to $w$: share for which eq. 4.2.2 holds",
               r"2000 个随机 $w$，用最小非零特征值，$w^*$ 取离 $w$ 最近的最小值点：式 (4.2.2) 成立的比例"),
              float((rise >= nonzero / 2 * nearest - 1e-9).mean()), equals=1)  # fmt: skip
    run.claim((r"with one fixed $w^*$", r"固定一个 $w^*$"), fixed, between=(0.55, 0.75))
    start = best + np.array([2.0, -3.0, 1.0])
    descent = analysis.trace(lambda p: mt.optim.SGD(p, lr=1 / top), loss, steps=max(60, steps), start=start)
    excess = descent.losses - loss(best)
    bound = analysis.linear_rate_bound(excess[0], np.arange(len(excess)), nonzero, top)
    run.claim((r"gradient descent, $\eta = 1/L$: largest $f_k - f^*$ over the bound $(1 - 0.811/2.726)^k (f_0 - f^*)$, $k = 1 \ldots 60$",
               r"梯度下降，$\eta = 1/L$：$f_k - f^*$ 与界 $(1 - 0.811/2.726)^k (f_0 - f^*)$ 之比的最大值，$k = 1 \ldots 60$"),
              ((excess - 1e-13) / bound)[1:61], at_most=1)  # fmt: skip
    ends = analysis.descend(loss, [start, start + distance * flat], lr=1 / top, steps=300)

    def draw(left: Any, middle: Any, right: Any) -> None:
        t = np.linspace(-3, 3, 100)
        for direction, name in zip(analysis.principal_axes(loss).vectors.T, values, strict=True):
            left.plot(
                t,
                loss.values(best + t[:, None] * direction) - loss(best),
                label=f"eigenvalue {name:.3g}" if name > 1e-12 else "eigenvalue 0",
            )
        left.plot(t, nonzero / 2 * t * t, "k:", label=r"$(\mu/2)t^2$, nonzero $\mu$")
        left.set(xlabel=r"distance t from $w^*$", ylabel="$f - f^*$", title="along the three eigenvectors")
        middle.plot(nearest, rise, ".", markersize=2, label="nearest minimiser")
        middle.plot(across, rise, ".", markersize=2, label="one fixed minimiser")
        reach = np.linspace(0, 60, 2)
        middle.plot(reach, nonzero / 2 * reach, "k:", label=r"$(\mu/2)\|w - w^*\|^2$")
        middle.set(xlabel=r"$\|w - w^*\|^2$", ylabel="$f - f^*$", xlim=(0, 60), ylim=(0, 60), title="2000 random $w$")
        k = np.arange(steps + 1)
        right.semilogy(k, np.maximum(excess[: steps + 1], 1e-16), label="gradient descent")
        right.semilogy(k, bound[: steps + 1], "k:", label=r"bound with nonzero $\mu$")
        right.set(
            xlabel="step", ylabel="$f - f^*$", title=f"two starts end {np.linalg.norm(ends[0] - ends[1]):.3g} apart"
        )
        for ax in (left, middle, right):
            ax.legend(fontsize="small", markerscale=4 if ax is middle else 1)

    run.figure(
        ("A direction without growth (left); eq. 4.2.2 holds for the nearest minimiser, not for a fixed one (middle); the linear rate holds (right)",
         "有一个方向完全不增长（左）；式 (4.2.2) 对最近的最小值点成立，对固定的则不成立（中）；线性收敛速度成立（右）"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip


@lru_cache(maxsize=8)
def slow_descent(rho: float, steps: int) -> tuple[np.ndarray, analysis.Constants, np.ndarray]:
    """Gradient descent with rate 1/L from 0, two columns of correlation rho: losses, L and mu, positions."""
    x, y = mt.data.make_collinear(500, rho, generator=mt.Generator(0))
    constants = analysis.mse_constants(x, "half_mean")

    def loss(w: mt.Tensor) -> mt.Tensor:
        return mse_loss(x @ w, y, "half_mean")

    _, (losses, places) = descend(loss, [np.zeros(2)], 1 / constants.lipschitz, steps, lambda w: (loss(w), w.clone()))
    start = least_squares(np.asarray(x), np.asarray(y))(np.zeros(2))
    first = np.concatenate([[start], np.asarray(losses).ravel()])
    return first, constants, np.concatenate([np.zeros((1, 2)), np.asarray(places)])


@item(
    "collinearity-slows-gd",
    kind="experiment",
    source="Chapter 4, section 4.2.2",
    title=("Correlated columns slow gradient descent down", "列高度相关使梯度下降变慢"),
    statement=(
        "If the columns of the data are highly correlated, the smallest eigenvalue can be tiny; the strong convexity is weak then, and convergence slow.",
        "数据矩阵的列高度相关时，最小特征值可能很小；强凸系数随之变小，收敛变慢。",
    ),
    verdict="holds",
    ranges={"rho": (0.0, 0.999), "steps": (10, 5000)},
)
def collinearity(run: Run, rho: float = 0.95, steps: int = 400) -> None:
    table = ((0.0, 1.0, 1), (0.9, 19.0, 128), (0.99, 199.0, 1372), (0.999, 1999.0, 13806))
    rows = []
    for r, kappa, count in table:
        losses, found, _ = slow_descent(r, max(20, int(1.05 * count)))
        needed = int(np.flatnonzero(losses <= 1e-6 * losses[0])[0])
        run.claim((rf"$\rho = {r:g}$: $\lambda_{{min}} = 1 - \rho$", rf"$\rho = {r:g}$：$\lambda_{{min}} = 1 - \rho$"), found.mu,
                  equals=1 - r, within=1e-12)  # fmt: skip
        run.claim(
            (r"$\lambda_{max} = 1 + \rho$", r"$\lambda_{max} = 1 + \rho$"), found.lipschitz, equals=1 + r, within=1e-12
        )
        run.claim((r"$\kappa = (1 + \rho)/(1 - \rho)$", r"$\kappa = (1 + \rho)/(1 - \rho)$"), found.condition_number,
                  equals=kappa, relative=1e-8)  # fmt: skip
        run.claim(
            (r"steps to $10^{-6}$ of the first loss", r"损失降到初值的 $10^{-6}$ 所需步数"),
            needed,
            equals=count,
            relative=0.02,
        )
        rows.append((r, found.mu, found.lipschitz, found.condition_number, needed))
    run.table(("Correlation and effort", "相关系数与步数"), ("rho", "lambda_min", "lambda_max", "kappa", "steps"), rows)
    _, constants, places = slow_descent(rho, steps)
    x, y = (np.asarray(part) for part in mt.data.make_collinear(500, rho, generator=mt.Generator(0)))
    loss = least_squares(x, y)

    def draw(left: Any, right: Any) -> None:
        seen = analysis.landscape(loss, None, (-1.2, 2.2), (-2.2, 1.2), resolution=90)
        left.contour(seen.x, seen.y, seen.values, levels=np.geomspace(1e-3, 6, 16), colors="0.7", linewidths=0.7)
        left.plot(
            *places.T,
            ".-",
            markersize=3,
            linewidth=0.8,
            color="C3",
            label=rf"{steps} steps, $\rho = {rho:g}$, $\kappa = {constants.condition_number:.3g}$",
        )
        left.plot(1, -1, "k*", markersize=10, label="minimum")
        left.set(xlabel="$w_1$", ylabel="$w_2$", xlim=(-1.2, 2.2), ylim=(-2.2, 1.2))
        for r, _, count in table[1:]:
            losses, found, _ = slow_descent(r, int(1.05 * count))
            right.loglog(
                np.arange(1, len(losses) + 1),
                losses / losses[0],
                label=rf"$\rho = {r:g}$, $\kappa = {found.condition_number:.0f}$",
            )
        right.axhline(1e-6, color="0.5", linestyle=":")
        right.set(xlabel="step", ylabel="loss relative to the first", ylim=(1e-7, 2))
        left.legend(fontsize="small", loc="upper right")
        right.legend(fontsize="small", loc="lower left")

    run.figure(
        ("The way through the ravine that correlated columns make (left); ten times the condition number takes about ten times as many steps (right)",
         "列相关形成的峡谷中的路径（左）；条件数每增大到 10 倍，步数也增大到约 10 倍（右）"),
        draw, (1, 2), (9.6, 4.4),
    )  # fmt: skip
