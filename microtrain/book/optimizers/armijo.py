"""Armijo's condition, and the steps that it can't refuse."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run


def least_squares(n: int = 20, d: int = 5) -> Any:
    """(1/2n) |Xw - y|^2 of w (d,), with random data from seed 0."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d))
    y = x @ rng.normal(size=d) + rng.normal(size=n)
    inputs, targets = mt.tensor(x), mt.tensor(y)
    return lambda w: 0.5 * ((inputs @ w - targets) ** 2).mean()


@item(
    "armijo-condition",
    kind="definition",
    source="Deep-learning optimizers, the Armijo condition",
    title=("Sufficient decrease", "充分下降"),
    statement=(
        r"Accept the step $\eta$ if $f(x - \eta g) \le f(x) - c\, \eta \|g\|^2$, with $0 < c < 1$: the loss must fall by at "
        r"least the share $c$ of what the slope promises.",
        r"若 $f(x - \eta g) \le f(x) - c\, \eta \|g\|^2$（$0 < c < 1$），则接受步长 $\eta$：损失的降幅至少达到斜率所预示降幅的 $c$ 倍。",
    ),
    verdict="holds",
    ranges={"x": (-3.0, 3.0), "c": (0.0001, 0.9999)},
)
def armijo_condition(run: Run, x: float = 1.0, c: float = 0.5) -> None:
    f = mt.analysis.objective(lambda p: (p * p).sum(), [0.0])

    def accepted(at: float, eta: float, share: float) -> bool:
        value, g = f.value_and_gradient([at])
        return mt.optim.armijo_ok(f([at - eta * g[0]]), value, -float(g @ g), eta, share)

    run.claim(
        (
            r"$f = x^2$, $x = 1$, $c = 0.5$: $\eta = 0.5$ is accepted",
            r"$f = x^2$，$x = 1$，$c = 0.5$：接受 $\eta = 0.5$",
        ),
        accepted(1.0, 0.5, 0.5),
    )
    run.claim((r"$\eta = 0.5001$ is refused", r"拒绝 $\eta = 0.5001$"), not accepted(1.0, 0.5001, 0.5))
    largest = max(eta for eta in np.linspace(0.4, 0.6, 2001) if accepted(1.0, float(eta), 0.5))
    run.claim(
        (r"largest accepted step, $2(1 - c)/L$ with $L = 2$", r"可接受的最大步长，即 $L = 2$ 时的 $2(1 - c)/L$"),
        largest,
        equals=0.5,
        within=1e-4,
    )
    at = x or 1.0

    def draw(ax: Any) -> None:
        value, g = f.value_and_gradient([at])
        eta = np.linspace(0, 1.2, 121)
        along = f.values(at - eta[:, None] * g)
        ax.plot(eta, along, color="black", label=r"$f(x - \eta g)$")
        ax.plot(eta, value - eta * float(g @ g), ":", label="tangent")
        ax.plot(eta, value - c * eta * float(g @ g), "--", label=f"Armijo's line, c = {c:g}")
        passing = [accepted(at, float(e), c) for e in eta]
        ax.fill_between(
            eta, 0, 1, where=passing, transform=ax.get_xaxis_transform(), color="C2", alpha=0.15, label="accepted"
        )
        ax.set(xlabel=r"$\eta$", ylabel="loss", ylim=(-0.6 * value, 2.1 * value))
        ax.legend(fontsize="small")

    run.figure(("The steps at which the loss lies below Armijo's line", "损失低于 Armijo 直线的步长"), draw)


@item(
    "armijo-acceptance-threshold",
    kind="theorem",
    source="Deep-learning optimizers, the bound on the accepted step; hands-on problem 3154456",
    title=("No step up to $2(1 - c)/L$ is refused", "不超过 $2(1 - c)/L$ 的步长总被接受"),
    statement=(
        r"If the gradient is $L$-Lipschitz, every $\eta \le 2(1 - c)/L$ passes Armijo's test. So backtracking ends, with a "
        r"step of at least $\min(\eta_0, 2 \rho (1 - c)/L)$.",
        r"若函数为 $L$-光滑，则任何 $\eta \le 2(1 - c)/L$ 都满足 Armijo 条件。因此回溯总会终止，步长至少为 $\min(\eta_0, 2 \rho (1 - c)/L)$。",
    ),
    verdict="holds",
    ranges={"c": (0.0001, 0.9999), "pairs": (100, 20000)},
    random=True,
)
def armijo_acceptance_threshold(run: Run, c: float = 0.3, pairs: int = 2000) -> None:
    bowl = mt.analysis.objective(least_squares(), np.zeros(5))
    curvatures, axes_of = np.linalg.eigh(bowl.hessian())
    L = curvatures[-1]
    run.claim(("largest curvature of the quadratic", "二次函数的最大曲率"), L, equals=1.9094, within=5e-5)
    best = np.linalg.lstsq(bowl.hessian(), -bowl.gradient(np.zeros(5)), rcond=None)[0]
    at = best + axes_of[:, -1]  # from here the gradient points along the top eigenvector
    value, g = bowl.value_and_gradient(at)
    etas = 1e-5 * np.arange(1, 120001)
    after = bowl.values(at - etas[:, None] * g)
    for share, expected in ((1e-4, 1.04734), (0.1, 0.94270), (0.3, 0.73321), (0.5, 0.52372), (0.9, 0.10474)):
        passing = [mt.optim.armijo_ok(v, value, -float(g @ g), e, share) for v, e in _near(after, etas, expected)]
        largest = max(e for (_, e), ok in zip(_near(after, etas, expected), passing, strict=True) if ok)
        run.claim(
            (rf"$c = {share:g}$: largest accepted step", rf"$c = {share:g}$：可接受的最大步长"),
            largest,
            equals=expected,
            within=1e-5,
        )
        run.claim(
            (rf"$c = {share:g}$: that less $2(1 - c)/L$", rf"$c = {share:g}$：与 $2(1 - c)/L$ 之差"),
            largest - 2 * (1 - share) / L,
            equals=0.0,
            within=1e-5,
        )

    inputs = run.rng.normal(size=(20, 5))
    labels = np.where(run.rng.random(20) < 0.5, -1.0, 1.0)
    signed = mt.tensor(labels[:, None] * inputs)
    logistic = mt.analysis.objective(lambda w: (1 + (-(signed @ w)).exp()).log().mean(), np.zeros(5))
    bound = np.linalg.eigvalsh(inputs.T @ inputs / 20)[-1] / 4
    points, shares = 2 * run.rng.normal(size=(pairs, 5)), run.rng.uniform(0, 1, pairs)
    steps = run.rng.uniform(0, 1, pairs) * 2 * (1 - shares) / bound
    values, slopes = logistic.values(points), logistic.gradients(points)
    reached = logistic.values(points - steps[:, None] * slopes)
    squares = (slopes * slopes).sum(axis=1)
    refused = sum(
        not mt.optim.armijo_ok(*numbers) for numbers in zip(reached, values, -squares, steps, shares, strict=True)
    )
    run.claim(
        (
            r"logistic loss, random $x$, $c$ and $\eta \le 2(1 - c)/L$: refused",
            r"逻辑回归损失，随机的 $x$、$c$ 与 $\eta \le 2(1 - c)/L$：拒绝的次数",
        ),
        refused,
        equals=0,
    )
    run.note(
        r"The descent lemma gives a decrease of at least $\eta (1 - L \eta / 2) \|g\|^2$, and that is $\ge c\, \eta \|g\|^2$ "
        r"exactly if $\eta \le 2(1 - c)/L$; on a quadratic the bound is reached.",
        r"由下降引理，降幅至少为 $\eta (1 - L \eta / 2) \|g\|^2$；当且仅当 $\eta \le 2(1 - c)/L$ 时，它不小于 $c\, \eta \|g\|^2$。二次函数取到这一界限。",
    )
    shown = etas[::400]

    def draw(left: Any, right: Any) -> None:
        left.plot(shown, after[::400], color="black", label=r"$f(x - \eta g)$")
        for k, share in enumerate((0.1, c, 0.9)):
            left.plot(shown, value - share * shown * float(g @ g), f"C{k}--", label=f"c = {share:g}")
            left.axvline(2 * (1 - share) / L, color=f"C{k}", linewidth=0.8, linestyle=":")
        left.set(xlabel=r"$\eta$", ylabel="loss", ylim=(after.min() - 0.5, value + 0.3), title="dotted: $2(1 - c)/L$")
        left.legend(fontsize="small")
        share_kept = np.clip((values - reached) / np.maximum(steps * squares, 1e-300), -0.2, 1.2)
        right.scatter(shares, share_kept, s=3, alpha=0.4, label="logistic loss, one try each")
        right.plot([0, 1], [0, 1], color="black", linewidth=0.8, label="refused below")
        right.set(xlabel="c demanded", ylabel="decrease / what the slope promises")
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        (
            f"The largest accepted step, and {pairs} steps within the bound",
            f"可接受的最大步长，以及界限之内的 {pairs} 步",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )


def _near(after: np.ndarray, etas: np.ndarray, expected: float) -> list[tuple[float, float]]:
    """(loss, step) at the 2001 scanned steps around one."""
    k = round(expected / 1e-5)
    part = slice(max(0, k - 1000), k + 1000)
    return list(zip(after[part].tolist(), etas[part].tolist(), strict=True))
