"""Gaussian noise: its likelihood, and how the squared error follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run

losses = mt.nn.losses
BEST = (2.290076, 1.064498)  # slope and intercept by least squares, of `noisy_line` with the numbers below


def noisy_line(n: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """x from -1 to 1 and y = 2x + 1 + noise."""
    x = np.linspace(-1, 1, n)
    return x, 2 * x + 1 + noise * rng.standard_normal(n)


def fitted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(slope, intercept) by least squares."""
    model = mt.nn.LinearRegression(1).solve(x[:, None], y)
    return np.array([p.item() for p in model.parameters()])


@item(
    "gaussian-likelihood",
    kind="function",
    source="Chapter 4, section 4.1.2, eq. 4.1.1",
    title=("The likelihood of Gaussian noise", "高斯噪声下的似然"),
    statement=(
        r"If $y$ given $x$ is normal around $f(x; \theta)$ with variance $\sigma^2$, and the samples are independent, the "
        r"likelihood is the product of their densities and its logarithm is "
        r"$-\frac{N}{2} \ln(2\pi\sigma^2) - \frac{1}{2\sigma^2} \sum_i (y_i - f(x_i; \theta))^2$.",
        r"设给定 $x$ 时 $y$ 服从均值 $f(x; \theta)$、方差 $\sigma^2$ 的高斯分布，且样本独立。似然是各密度之积，其对数为"
        r" $-\frac{N}{2} \ln(2\pi\sigma^2) - \frac{1}{2\sigma^2} \sum_i (y_i - f(x_i; \theta))^2$。",
    ),
    verdict="holds",
    ranges={"n": (5, 3000), "noise": (0.05, 3.0), "sigma": (0.05, 3.0)},
    random=True,
)
def gaussian_likelihood(run: Run, n: int = 50, noise: float = 0.5, sigma: float = 0.5) -> None:
    from scipy.stats import norm

    x, y = noisy_line(50, 0.5, np.random.default_rng(run.seed))
    theta = fitted(x, y)
    line = theta[0] * x + theta[1]
    nll = losses.gaussian_nll(line, y, 0.5).item()
    if run.seed == 0:
        for k, (what, zh) in enumerate((("slope", "斜率"), ("intercept", "截距"))):
            run.claim((f"{what} by least squares", f"最小二乘{zh}"), theta[k], equals=BEST[k], within=1e-6)
        run.claim(
            (r"log-likelihood at $\sigma = 0.5$", r"$\sigma = 0.5$ 时的对数似然"), -nll, equals=-29.124309, within=1e-6
        )
    run.claim(
        ("distance from SciPy's sum of log-densities", "与 SciPy 对数密度之和的差"),
        abs(-nll - norm.logpdf(y, line, 0.5).sum()),
        at_most=1e-9,
    )
    closed = -25 * np.log(2 * np.pi * 0.25) - ((y - line) ** 2).sum() / 0.5
    run.claim(("distance from the closed form", "与闭式之差"), abs(-nll - closed), at_most=1e-12)
    many_x, many_y = noisy_line(2000, 0.5, np.random.default_rng(run.seed))
    each = losses.gaussian_nll(2 * many_x + 1, many_y, 0.5, "none")
    run.claim(
        ("2000 samples: product of the densities", "2000 个样本：密度之积"), (-each).exp().prod().item(), equals=0.0
    )
    run.claim(("2000 samples: log-likelihood", "2000 个样本：对数似然"), -each.sum().item(), between=(-1700.0, -1200.0))
    px, py = noisy_line(n, noise, np.random.default_rng(run.seed))
    best = fitted(px, py)
    middle_line = best[0] * px + best[1]
    sigmas = np.geomspace(0.3, 3, 80) * np.sqrt(np.mean((py - middle_line) ** 2))
    curve = -mt.analysis.objective(lambda s: losses.gaussian_nll(middle_line, py, s), [1.0]).values(sigmas[:, None])
    running = np.cumsum(-each.numpy()) / np.log(10)

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.plot(px, py, ".", color="C0", label="data")
        left.plot(px, middle_line, color="C3", label=r"$f(x; \hat\theta)$")
        for k in (1, 2):
            left.fill_between(
                px, middle_line - k * sigma, middle_line + k * sigma, color="C3", alpha=0.12, linewidth=0,
                label=rf"$\pm \sigma, \pm 2\sigma$ with $\sigma = {sigma}$" if k == 1 else None,
            )  # fmt: skip
        left.set(xlabel="x", ylabel="y")
        left.legend(fontsize="small")
        middle.plot(sigmas, curve, label="log-likelihood")
        top = sigmas[curve.argmax()]
        middle.axvline(top, color="0.5", linestyle=":", label=rf"largest at $\sigma \approx {top:.3f}$")
        middle.axvline(np.sqrt(np.mean((py - middle_line) ** 2)), color="C1", linestyle="--", label=r"$\sqrt{MSE}$")
        middle.set(xlabel=r"$\sigma$", ylabel=r"log-likelihood at $\hat\theta$")
        middle.legend(fontsize="small", loc="lower center")
        right.plot(np.arange(1, 2001), running, label="sum of the logarithms")
        right.axhline(np.log10(5e-324), color="C3", linestyle="--", label="below it a product is 0 in float64")
        right.set(xlabel="samples", ylabel="log10 of the likelihood")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: the densities around the fitted line. Middle: the likelihood of a noise level is largest at the root of "
            "the MSE. Right: a product of densities underflows, a sum of logarithms does not.",
            "左：拟合直线周围的密度带。中：噪声水平等于均方误差的平方根时似然最大。右：密度连乘会下溢为 0，对数求和则不会。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )


@item(
    "mse-is-gaussian-mle",
    kind="theorem",
    source="Chapter 4, section 4.1.2, Theorem 4.1.1; section 4.1.7",
    title=("Least squares is maximum likelihood under Gaussian noise", "高斯噪声下，最小化均方误差即最大似然"),
    statement=(
        r"Theorem 4.1.1: if $y$ given $x$ is normal with mean $f(x; \theta)$ and one variance $\sigma^2$, the parameters "
        r"with the smallest MSE are those with the largest likelihood. The constant and the factor $1/(2\sigma^2)$ do not "
        "move them.",
        r"定理 4.1.1：若给定 $x$ 时 $y$ 服从均值 $f(x; \theta)$、同一方差 $\sigma^2$ 的高斯分布，则均方误差最小的参数就是似然最大的参数。"
        r"常数项与因子 $1/(2\sigma^2)$ 不改变其位置。",
    ),
    verdict="holds",
    ranges={"sigma": (0.1, 5.0), "replicates": (100, 5000)},
    random=True,
)
def mse_is_mle(run: Run, sigma: float = 2.0, replicates: int = 2000) -> None:
    x, y = noisy_line(50, 0.5, np.random.default_rng(run.seed))
    inputs = mt.tensor(x)

    def nll(s: float) -> Any:
        return lambda theta: losses.gaussian_nll(theta[0] * inputs + theta[1], y, s)

    solution = fitted(x, y)
    paths = {"MSE": follow(descent(0.2), lambda t: losses.mse_loss(t[0] * inputs + t[1], y), np.zeros(2), 200)}
    for s in sorted({0.5, 2.0, sigma}):
        paths[f"likelihood, $\\sigma = {s:g}$"] = follow(descent(0.4 * s * s / 50), nll(s), np.zeros(2), 200)
        if s in (0.5, 2.0):
            end = paths[f"likelihood, $\\sigma = {s:g}$"][-1]
            run.claim(
                (
                    rf"gradient descent on the likelihood with $\sigma^2 = {s * s:g}$: distance from least squares",
                    rf"$\sigma^2 = {s * s:g}$ 时对负对数似然作梯度下降：与最小二乘解之差",
                ),
                np.abs(end - solution).max(),
                at_most=1e-6,
            )
    run.claim(
        ("gradient descent on the MSE: distance from least squares", "对均方误差作梯度下降：与最小二乘解之差"),
        np.abs(paths["MSE"][-1] - solution).max(),
        at_most=1e-6,
    )
    if run.seed == 0:
        run.claim(("slope by least squares", "最小二乘斜率"), solution[0], equals=BEST[0], within=1e-6)
        run.claim(("intercept by least squares", "最小二乘截距"), solution[1], equals=BEST[1], within=1e-6)
    learned = follow(
        descent(0.2),
        lambda t: losses.gaussian_nll(t[0] * inputs + t[1], y, t[2].exp(), "mean"),
        np.zeros(3),
        300,
    )
    run.claim(
        (r"$\sigma$ trained, too: distance from least squares", r"同时训练 $\sigma$：与最小二乘解之差"),
        np.abs(learned[-1, :2] - solution).max(),
        at_most=1e-6,
    )
    variance = float(np.exp(2 * learned[-1, 2]))
    mse = losses.mse_loss(solution[0] * x + solution[1], y).item()
    run.claim(
        (r"$\sigma^2$ where it ends, less the MSE", r"$\sigma^2$ 的终值与均方误差之差"),
        abs(variance - mse),
        at_most=1e-6,
    )
    if run.seed == 0:
        run.claim((r"and its value", r"$\sigma^2$ 的终值"), variance, equals=0.178347, within=1e-6)

    grid = mt.tensor(np.linspace(-1, 1, 200))
    deviations = np.tile([0.1, 2.0], 100)
    count = max(replicates, 2000)
    targets = 2 * grid.numpy() + 1 + deviations * run.rng.standard_normal((count, 200))
    slopes = {}
    for name, scale, lr in (("MSE", np.ones(200), 1.5), ("weighted", deviations, 0.03)):
        ends = follow(
            descent(lr),
            lambda t, scale=scale: losses.gaussian_nll(t[:, :1] * grid + t[:, 1:], targets, scale) / 200,  # type: ignore[misc]
            np.zeros((count, 2)),
            30,
        )[-1]
        slopes[name] = ends[:, 0]
    ratio = slopes["MSE"][:2000].var() / slopes["weighted"][:2000].var()
    run.claim(
        (
            r"counter-check, $\sigma_i$ alternating 0.1 and 2: variance of the MSE's slope over that of the likelihood's",
            r"反例，$\sigma_i$ 交替取 0.1 与 2：均方误差所得斜率的方差与最大似然所得方差之比",
        ),
        ratio,
        between=(80, 120),
    )
    run.note(
        f"One common variance is part of the theorem. Where it differs between samples, maximum likelihood is weighted "
        f"least squares, and the slope by plain MSE has {ratio:.0f} times its variance here.",
        f"定理要求各样本方差相同。若方差因样本而异，最大似然就是加权最小二乘；此处普通均方误差所得斜率的方差是它的 {ratio:.0f} 倍。",
    )
    plane = mt.analysis.landscape(
        lambda t: losses.mse_loss(t[0] * inputs + t[1], y), [1.3, 0.6], (-1.6, 1.6), (-0.9, 0.9), resolution=60
    )

    def draw(left: Any, right: Any) -> None:
        left.contour(plane.x + 1.3, plane.y + 0.6, plane.values, 14, colors="0.8", linewidths=0.7)
        for k, (name, path) in enumerate(paths.items()):
            left.plot(*path.T, "o-", linewidth=7 - 2 * k, markersize=9 - 2 * k, alpha=0.6, label=name)
        left.plot(*solution, "k*", markersize=11, label="least squares")
        left.set(xlabel="slope", ylabel="intercept", xlim=(-0.2, 2.8), ylim=(-0.2, 1.45))
        left.legend(fontsize="small", loc="lower right")
        bins = np.linspace(1.5, 2.5, 60)
        for name, label in (("MSE", "MSE"), ("weighted", "likelihood (weighted)")):
            seen = slopes[name][:replicates]
            right.hist(seen, bins, histtype="step", label=f"{label}: std {seen.std():.3f}")
        right.axvline(2, color="black", linewidth=0.8, linestyle=":")
        right.set(xlabel="fitted slope", ylabel="data sets", title="noise that differs between samples", yscale="log")
        right.set_ylim(0.7, 20 * right.get_ylim()[1])  # the legend is above
        right.legend(fontsize="small", loc="upper left")

    run.figure(
        (
            "Left: gradient descent on the MSE and on likelihoods with different variances ends in the same point. Right: "
            "with two noise levels the likelihood weights the samples, and is far more exact.",
            "左：对均方误差与不同方差的负对数似然作梯度下降，终点相同。右：噪声有两种水平时，似然会给样本加权，估计精确得多。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
