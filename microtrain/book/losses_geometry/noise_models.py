"""What a loss assumes about the noise in the data, and how far that assumption is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run

losses = mt.nn.losses
X = np.linspace(-1, 1, 100)
NOISES: dict[str, Callable[[np.random.Generator, Any], np.ndarray]] = {
    "uniform": lambda rng, size: rng.uniform(-1, 1, size),
    "Laplace": lambda rng, size: rng.laplace(size=size),
    "exponential, skewed": lambda rng, size: rng.exponential(size=size) - 1,
}
NOISES_ZH = {"uniform": "均匀分布噪声", "Laplace": "拉普拉斯噪声", "exponential, skewed": "偏斜的指数分布噪声"}
PAIRS_ZH = {"gaussian": "高斯分布", "laplace": "拉普拉斯分布", "bernoulli": "伯努利分布", "categorical": "分类分布"}


def lines(theta: mt.Tensor) -> mt.Tensor:
    """The straight lines (slope, intercept) of each row, at X."""
    return theta[:, :1] * mt.tensor(X) + theta[:, 1:]


def fit_lines(targets: np.ndarray, loss: Any, lr: float, steps: int) -> np.ndarray:
    """(slope, intercept) for each row of targets (R, 100), all rows at once, by gradient descent from 0."""
    y = mt.tensor(targets)
    path = follow(descent(lr), lambda t: loss(lines(t), y, "sum") / len(X), np.zeros((len(targets), 2)), steps)
    return np.array(path[-1])


@item(
    "loss-choice-encodes-noise-model",
    kind="guidance",
    source="Chapter 4, section 4.1, introduction",
    title=("A loss is an assumption about the data", "选择损失函数，即对数据作出假设"),
    statement=(
        "Choosing a loss means assuming something about the data: least squares belongs to Gaussian targets, "
        "cross-entropy to a discrete outcome. In geometry, the loss says how distance is measured.",
        "选用某种损失函数，等于对数据作出假设：均方误差对应高斯分布的目标，交叉熵对应离散的目标。从几何上看，损失函数规定了如何度量距离。",
    ),
    verdict="holds with a condition",
    correction=(
        "The assumption makes the loss a likelihood; it is not needed for the loss to work. Under any noise of mean 0 "
        "and finite variance least squares still aims at the conditional mean. Gaussian noise is what makes it the "
        "most efficient choice. What changes with the loss is the goal: with skewed noise the absolute error aims at the "
        r"median, here $1 - \ln 2 = 0.307$ lower.",
        r"有了该假设，损失才是负对数似然，但损失起作用并不以它为前提。只要噪声均值为 0、方差有限，最小二乘仍以条件均值为目标；"
        r"高斯假设保证的是估计效率。改换损失会改变目标：噪声偏斜时，绝对误差的目标是中位数，在此例中低 $1 - \ln 2 = 0.307$。",
    ),
    ranges={"replicates": (50, 5000), "samples": (20, 2000)},
    random=True,
)
def noise_models(run: Run, replicates: int = 2000, samples: int = 20) -> None:
    n, rng = samples, run.rng
    inputs = {
        "gaussian": (rng.normal(size=n), rng.normal(size=n)),
        "laplace": (rng.normal(size=n), rng.normal(size=n)),
        "bernoulli": (rng.normal(size=n), rng.integers(0, 2, n).astype(float)),
        "categorical": (rng.normal(size=(n, 4)), rng.integers(0, 4, n)),
    }
    slopes = {}
    for name, (prediction, target) in inputs.items():
        pair = []
        for function in losses.NOISE_MODELS[name]:
            p = mt.tensor(prediction, requires_grad=True)
            function(p, mt.tensor(target)).backward()
            pair.append(np.array(p.grad).ravel())
        ratio = pair[0] / pair[1]
        slopes[name] = pair
        loss = losses.NOISE_MODELS[name].loss.__name__
        run.claim(
            (
                f"{name}: gradient of the negative log-likelihood over that of {loss}, deviation from the median",
                f"{PAIRS_ZH[name]}：负对数似然与 {loss} 的梯度之比，相对其中位数的偏差",
            ),
            np.abs(ratio - np.median(ratio)).max(),
            at_most=1e-8,
        )
        run.claim(
            (f"{name}: that ratio is positive", f"{PAIRS_ZH[name]}：该比值为正"),
            bool(np.median(ratio) > 0),
        )
    found = {}
    for name, noise in NOISES.items():
        y = 2 * X + 1 + noise(rng, (max(replicates, 2000), len(X)))
        ends = fit_lines(y, losses.mse_loss, 0.75, 30)
        found[name] = ends[:replicates]
        for k, (what, zh, truth) in enumerate((("slope", "斜率", 2.0), ("intercept", "截距", 1.0))):
            run.claim(
                (f"{name} noise: mean {what} of least squares", f"{NOISES_ZH[name]}：最小二乘{zh}的均值"),
                ends[:2000, k].mean(),
                equals=truth,
                within=0.02,
            )
    pooled = 2 * X + 1 + NOISES["exponential, skewed"](rng, (1000, len(X)))
    by = {
        name: one_line(pooled, f, lr) for name, f, lr in (("MSE", losses.mse_loss, 0.75), ("MAE", losses.l1_loss, 1.2))
    }
    run.claim(
        ("skewed noise: intercept of least absolute errors", "偏斜噪声：绝对误差所得截距"),
        by["MAE"][1],
        equals=1 + np.log(2) - 1,
        within=0.02,
    )

    def draw(left: Any, middle: Any, right: Any) -> None:
        for mark, (name, (nll, loss)) in zip("os^x", slopes.items(), strict=True):
            left.plot(loss, nll, mark, markersize=4, label=f"{name}: factor {np.median(nll / loss):g}")
        left.set(xlabel="gradient of the loss (a mean)", ylabel="gradient of the neg. log-likelihood")
        left.legend(fontsize="small")
        for name, ends in found.items():
            middle.hist(ends[:, 1], 40, histtype="step", label=f"{name} noise")
        middle.axvline(1, color="black", linewidth=0.8, linestyle=":")
        middle.set(xlabel="fitted intercept", ylabel="data sets", title="least squares, no Gaussian noise")
        middle.set_ylim(top=1.35 * middle.get_ylim()[1])
        middle.legend(fontsize="small")
        right.plot(X, pooled[:8].T, ".", color="0.75", markersize=3)
        right.plot(X, 2 * X + 1, "k:", label="conditional mean")
        for (name, (slope, intercept)), dash in zip(by.items(), ("-", "--"), strict=True):
            right.plot(X, slope * X + intercept, dash, label=f"{name}: {slope:.3f} x + {intercept:.3f}")
        right.set(xlabel="x", ylabel="y", title="skewed noise", ylim=(-2, 7))
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: each loss and its likelihood pull in the same direction, with a constant factor. Middle: least squares "
            "finds the intercept 1 under three noises that are not Gaussian. Right: which line is best depends on the loss.",
            "左：每种损失与其似然的梯度只差常数因子。中：三种非高斯噪声下，最小二乘的截距仍集中在 1 附近。右：噪声偏斜时，两种损失给出不同的直线。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )


def one_line(targets: np.ndarray, loss: Any, lr: float) -> tuple[float, float]:
    """The line that is fitted to all rows together."""
    y = mt.tensor(targets)
    end = follow(descent(lr), lambda theta: loss(lines(theta), y), np.zeros((1, 2)), 40)[-1]
    return float(end[0, 0]), float(end[0, 1])


def excess_kurtosis(values: mt.Tensor) -> float:
    """Of values with mean 0: 0 for a normal distribution."""
    return float(((values**4).mean() / (values**2).mean() ** 2 - 3).item())


def spread_of_centres(draws: np.ndarray) -> float:
    """The interquartile range of the least-squares centres of the rows: one step of gradient descent finds them."""
    y = mt.tensor(draws)
    centres = follow(
        descent(0.5), lambda c: losses.mse_loss(c, y, "sum") / draws.shape[1], np.zeros((len(draws), 1)), 1
    )[-1]
    low, high = np.quantile(centres, (0.25, 0.75))
    return float(high - low)


@item(
    "clt-justifies-gaussian-noise",
    kind="experiment",
    source="Chapter 4, section 4.1.2, after Theorem 4.1.1",
    title=("Many small causes make Gaussian noise", "许多小因素叠加成高斯噪声"),
    statement=(
        "Gaussian noise is plausible because the sum of many independent influences tends to a normal distribution "
        "(central limit theorem).",
        "大量独立因素之和趋于高斯分布（中心极限定理），因此高斯噪声的假设是合理的。",
    ),
    verdict="holds with a condition",
    correction=(
        "Only if the variances are finite and no single influence dominates (Lindeberg's condition). The mean of $n$ "
        "Cauchy variables is as wide as one of them, however many there are: nothing concentrates, nothing becomes normal.",
        "须加条件：方差有限，且没有哪个因素占主导（Lindeberg 条件）。$n$ 个柯西变量的均值与单个变量一样分散，"
        "$n$ 再大也不集中，更不趋于高斯分布。",
    ),
    ranges={"terms": (1, 48), "sums": (1000, 200000)},
    random=True,
)
def central_limit(run: Run, terms: int = 12, sums: int = 100000) -> None:
    from scipy.stats import norm

    counts = (1, 2, 12, 48)
    shown = {}
    for n in sorted({*counts, terms}):
        draws = mt.tensor(run.rng.uniform(-1, 1, (n, max(sums, 100_000))))
        total = draws.sum(0) * (3 / n) ** 0.5
        values = np.sort(total[:sums].numpy())
        distance = np.abs(norm.cdf(values) - (np.arange(sums) + 0.5) / sums).max()
        shown[n] = (values, excess_kurtosis(total[:sums]), distance)
        if n in counts:
            run.claim(
                (f"sum of {n} uniform variables: excess kurtosis", f"{n} 个均匀变量之和：超额峰度"),
                excess_kurtosis(total[:100_000]),
                equals=-1.2 / n,
                within=0.05,
            )
    run.table(
        ("Standardised sums of uniform variables", "均匀变量的标准化和"),
        ("terms", "excess kurtosis", "theory", "distance from normal (KS)"),
        [(n, kurtosis, -1.2 / n, float(distance)) for n, (_, kurtosis, distance) in shown.items()],
    )
    sizes = (1, 10, 100, 1000)
    widths: dict[str, list[float]] = {"Cauchy": [], "uniform": []}
    for n in sizes:
        widths["Cauchy"].append(spread_of_centres(run.rng.standard_cauchy((4000, n))))
        widths["uniform"].append(spread_of_centres(run.rng.uniform(-1, 1, (4000, n))))
    for n, width in zip(sizes, widths["Cauchy"], strict=True):
        run.claim(
            (
                f"least-squares estimate from {n} Cauchy draws: interquartile range over 4000 data sets",
                f"由 {n} 个柯西样本作最小二乘估计：4000 组数据的四分位距",
            ),
            width,
            between=(1.7, 2.3),
        )
    run.claim(
        ("uniform draws: the range at 1000 over that at 1", "均匀样本：$n = 1000$ 与 $n = 1$ 的四分位距之比"),
        widths["uniform"][-1] / widths["uniform"][0],
        at_most=0.06,
    )

    def draw(left: Any, right: Any) -> None:
        z = np.linspace(-3.5, 3.5, 200)
        for n in sorted({1, 2, terms}):
            left.hist(shown[n][0], 70, range=(-3.5, 3.5), density=True, histtype="step", label=f"{n} uniform")
        left.plot(z, norm.pdf(z), "k--", linewidth=1, label="normal")
        left.set(xlabel="standardised sum", ylabel="density")
        left.legend(fontsize="small")
        for (name, width), mark in zip(widths.items(), "os", strict=True):
            right.loglog(sizes, width, mark + "-", label=name)
        right.loglog(sizes, widths["uniform"][0] / np.sqrt(sizes), "k:", label=r"$1 / \sqrt{n}$")
        right.set(xlabel="draws n", ylabel="interquartile range of the estimate")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: sums of uniform variables become normal quickly. Right: the least-squares estimate of the centre, one "
            "step of gradient descent, gets sharper with the number of draws, but not if they are Cauchy.",
            "左：均匀变量之和很快接近高斯分布。右：用最小二乘估计中心（梯度下降一步即到）。样本越多估计越集中，柯西样本则不然。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )
