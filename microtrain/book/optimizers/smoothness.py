"""How fast a gradient can change (L), and the parabola above every smooth loss."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .least_squares import mse_loss, normal_data


def half_mean(X: np.ndarray, y: np.ndarray) -> Any:
    """w -> ||X w - y||^2 / (2n)."""
    x, t = mt.tensor(X), mt.tensor(y)
    return lambda w: mse_loss(x @ w, t, "half_mean")


@item(
    "lipschitz-smooth-gradient",
    kind="definition",
    source="Deep-learning optimizers, L-smooth functions",
    title=("A gradient that is Lipschitz continuous", "梯度 Lipschitz 连续"),
    statement=(
        r"$f$ is $L$-smooth if $\|\nabla f(x) - \nabla f(y)\| \le L \|x - y\|$ for all $x, y$. For a quadratic, $L$ is the "
        "largest eigenvalue of the Hessian in size.",
        r"若对所有 $x, y$ 都有 $\|\nabla f(x) - \nabla f(y)\| \le L \|x - y\|$，则 $f$ 为 $L$-光滑函数。"
        r"对二次函数，$L$ 是 Hessian 矩阵绝对值最大的特征值。",
    ),
    verdict="holds",
    ranges={"n": (5, 500), "d": (2, 20), "pairs": (10, 20000)},
    random=True,
)
def smooth_gradient(run: Run, n: int = 20, d: int = 5, pairs: int = 10000) -> None:
    X, w, y = normal_data(run.rng, n, d)
    objective = mt.analysis.objective(half_mean(X, y), w)
    values = np.linalg.eigvalsh(X.T @ X / n)
    power = mt.analysis.power_iteration(objective, iters=3000, tol=1e-7)
    bound = mt.analysis.lipschitz_secant(objective, pairs=pairs, generator=mt.Generator(run.seed))
    ends = mt.analysis.lanczos(objective, which="both")
    if run.seed == 0:
        run.claim((r"$L$ of the data of seed 0", r"种子 0 的数据：$L$"), ends.values[0], equals=1.9094, within=1e-4)
        run.claim(
            (r"$\mu$ of the data of seed 0", r"种子 0 的数据：$\mu$"), ends.values[-1], equals=0.2522, within=1e-4
        )
    run.claim(
        (r"power iteration less the largest eigenvalue of $X^\top X / n$", r"幂迭代与 $X^\top X / n$ 最大特征值之差"),
        abs(power.value - values[-1]),
        at_most=1e-6,
    )
    run.claim(
        (rf"largest ratio over {pairs} pairs, in units of $L$", rf"{pairs} 对点的最大比值，以 $L$ 为单位"),
        bound.value / values[-1],
        between=(0.9, 1 + 1e-12),
    )
    points = run.rng.standard_normal((2, 500, d))
    slopes = objective.gradients(points.reshape(-1, d)).reshape(points.shape)
    apart, change = (np.linalg.norm(a[0] - a[1], axis=1) for a in (points, slopes))
    history = power.history

    def draw(left: Any, right: Any) -> None:
        reach = np.array([0, apart.max()])
        left.plot(apart, change, ".", markersize=3, alpha=0.5, label="500 pairs")
        left.plot(reach, values[-1] * reach, "C3", label=rf"$L = {values[-1]:.4f}$")
        left.plot(reach, values[0] * reach, "C2--", label=rf"$\mu = {values[0]:.4f}$")
        left.set(xlabel=r"$\|x - y\|$", ylabel=r"$\|\nabla f(x) - \nabla f(y)\|$")
        left.legend(fontsize="small")
        right.semilogy(
            np.arange(1, len(history) + 1), np.maximum(np.abs(values[-1] - history), 1e-17), "o-", markersize=3
        )
        right.set(xlabel="Hessian-vector products", ylabel=r"error of the estimate of $L$", title="power iteration")

    run.figure(
        (
            "Left: the change of the gradient lies between two straight lines. Right: power iteration finds the upper slope.",
            "左：梯度的变化夹在两条直线之间。右：幂迭代求出上方直线的斜率。",
        ),
        draw,
        (1, 2),
        (9.0, 3.8),
    )


def gaps(loss: Any, x: np.ndarray, y: np.ndarray, lipschitz: float) -> np.ndarray:
    """The upper bound of the descent lemma less the loss, for pairs (K, d)."""
    objective = mt.analysis.objective(loss, x[0])
    bound = objective.values(x) + (objective.gradients(x) * (y - x)).sum(1) + 0.5 * lipschitz * ((y - x) ** 2).sum(1)
    return bound - objective.values(y)  # type: ignore[no-any-return]


@item(
    "descent-lemma",
    kind="theorem",
    source="Deep-learning optimizers, the display of the descent lemma; hands-on problem 3154456",
    title=("The descent lemma", "下降引理"),
    statement=(
        r"An $L$-smooth function lies below a parabola: $f(y) \le f(x) + \nabla f(x)^\top (y - x) + \frac{L}{2} \|y - x\|^2$. "
        r"Hence $f(x - \eta g) \le f(x) - \eta (1 - L\eta/2) \|g\|^2$ for a step along the gradient $g$.",
        r"$L$-光滑函数位于一个抛物面之下：$f(y) \le f(x) + \nabla f(x)^\top (y - x) + \frac{L}{2} \|y - x\|^2$。"
        r"因此沿负梯度走一步时，$f(x - \eta g) \le f(x) - \eta (1 - L\eta/2) \|g\|^2$。",
    ),
    verdict="holds",
    ranges={"n": (5, 200), "d": (1, 20), "pairs": (10, 20000), "share": (0.1, 2.0)},
    random=True,
)
def descent_lemma(run: Run, n: int = 20, d: int = 5, pairs: int = 10000, share: float = 0.5) -> None:
    X, _, targets = normal_data(run.rng, n, d)
    features, labels = mt.tensor(X), mt.tensor(np.where(targets > 0, 1.0, -1.0))
    top = float(np.linalg.eigvalsh(X.T @ X / n)[-1])
    losses = {
        "least squares": (half_mean(X, targets), top, "最小二乘"),
        "logistic": (lambda w: mt.nn.functional.soft_margin_loss(features @ w, labels), top / 4, "逻辑回归"),
    }
    x, y = run.rng.standard_normal((2, pairs, d))
    found = {}
    for name, (loss, lipschitz, zh) in losses.items():
        found[name] = gaps(loss, x, y, lipschitz)
        run.claim(
            (f"{name}: smallest gap over {pairs} pairs", f"{zh}：{pairs} 对点的最小差值"),
            found[name].min(),
            at_least=-1e-12,
        )
        one = mt.analysis.descent_gap(loss, x[0], y[0], lipschitz)
        run.claim(
            (f"{name}: a pair by `analysis.descent_gap`", f"{zh}：用 `analysis.descent_gap` 算一对点之差"),
            abs(one - found[name][0]),
            at_most=1e-12,
        )
        objective = mt.analysis.objective(loss, x[0])
        g = objective.gradients(x)
        for rate in (0.5, 1.0, 1.9):
            eta = rate / lipschitz
            room = (
                objective.values(x) - eta * (1 - lipschitz * eta / 2) * (g * g).sum(1) - objective.values(x - eta * g)
            )
            run.claim(
                (rf"{name}: the consequence for a step $\eta = {rate}/L$", rf"{zh}：步长 $\eta = {rate}/L$ 时的推论"),
                room.min(),
                at_least=-1e-12,
            )
    control = float((gaps(losses["least squares"][0], x, y, 0.5 * top) < 0).mean())
    if run.seed == 0:
        run.claim(
            (r"control, $L/2$ for $L$: share of pairs that violate it", r"对照：以 $L/2$ 代替 $L$，不满足的点对比例"),
            control,
            equals=0.42,
            within=0.042,
        )
    else:
        run.claim(
            (r"control, $L/2$ for $L$: some pairs violate it", r"对照：以 $L/2$ 代替 $L$，有点对不满足"), control > 0.1
        )
    run.note(
        f"With {share:g} L in place of L, {100 * (gaps(losses['least squares'][0], x, y, share * top) < 0).mean():.3g} % "
        "of the pairs violate the bound on least squares.",
        f"以 {share:g} L 代替 L 时，最小二乘上有 {100 * (gaps(losses['least squares'][0], x, y, share * top) < 0).mean():.3g}% "
        "的点对不满足该上界。",
    )

    def draw(left: Any, right: Any) -> None:
        for ax, (name, (loss, lipschitz, _)) in zip((left, right), losses.items(), strict=True):
            objective = mt.analysis.objective(loss, x[0])
            value, slope = objective.value_and_gradient(x[0])
            size = float(np.linalg.norm(slope))
            t = np.linspace(-1 / lipschitz, 3 / lipschitz, 120)
            ax.plot(t, objective.values(x[0] - t[:, None] * slope), label="the loss")
            ax.plot(t, value - t * size**2 + 0.5 * lipschitz * (t * size) ** 2, "--", label="bound with $L$")
            ax.plot(
                t, value - t * size**2 + 0.5 * share * lipschitz * (t * size) ** 2, ":", label=f"with {share:g} $L$"
            )
            ax.axvline(2 / lipschitz, color="0.7", linewidth=0.8)
            ax.axhline(value, color="0.7", linewidth=0.8)
            ax.set(xlabel=r"step $\eta$ along the negative gradient", ylabel="loss", title=name)
            ax.legend(fontsize="small")

    run.figure(
        (
            r"Along one gradient: the parabola with $L$ stays above the loss; it is back at the starting height at $2/L$ (grey).",
            r"沿一个负梯度方向：系数为 $L$ 的抛物线始终在损失之上，在 $2/L$ 处（灰线）回到起始高度。",
        ),
        draw,
        (1, 2),
        (9.0, 3.8),
    )
