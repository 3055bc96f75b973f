"""The noise of mini-batches at a minimum: how it depends on learning rate and batch size."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

import microtrain as mt

from ...viz.plots.axes import headroom
from ..entry import item
from ..run import Run

WALKERS = 2500


def wander(lr: float, batch: int, seed: int, count: int = WALKERS, start: float | None = None) -> tuple[Any, float]:
    """Positions (steps + 1, count) of SGD that estimates the mean of 1000 normal data, and the variance of the data.

    The loss of a sample is (x - d)^2 / 2, batches are drawn with replacement, and 20 / lr steps are taken, from the
    mean of the data or from `start`. Positions are given relative to that mean.
    """
    rng = np.random.default_rng([seed, batch, round(1e6 * lr)])
    data = np.random.default_rng(seed).standard_normal(1000)
    begin = data.mean() if start is None else start
    x = mt.tensor(np.full((count, 1), begin), requires_grad=True)
    optimizer = mt.optim.SGD([x], lr=lr)
    path = [np.full(count, begin)]
    for _ in range(round(20 / lr)):
        optimizer.zero_grad()
        chosen = data[rng.integers(len(data), size=(count, batch))]
        (0.5 * (x - chosen) ** 2).mean(1).sum().backward()
        optimizer.step()
        path.append(x.detach().numpy()[:, 0].copy())
    return np.array(path) - data.mean(), float(data.var())


@lru_cache(maxsize=128)
def stationary(lr: float, batch: int, seed: int) -> tuple[float, float]:
    """The variance of the position, over walkers and over the last three quarters of the time; that of the data."""
    path, variance = wander(lr, batch, seed)
    return float(path[len(path) // 4 :].var()), variance


def theory(lr: float, batch: int, variance: float) -> float:
    """The stationary variance of x <- x - lr (x - mean of a batch)."""
    return lr * variance / (batch * (2 - lr))


@item(
    "sgd-sde-limit",
    kind="theorem",
    source="Chapter 6, notes, properties of SGD (Jastrzębski et al. 2018)",
    title=("SGD as a stochastic differential equation", "SGD 的随机微分方程近似"),
    statement=(
        "When the learning rate goes to zero, SGD becomes a stochastic differential equation, whose noise is set by the "
        "ratio of learning rate to batch size.",
        "学习率趋于零时，SGD 趋于一个随机微分方程，其噪声由学习率与批量大小之比决定。",
    ),
    verdict="holds with a condition",
    correction=(
        r"With the batch size fixed, the limit $\eta \to 0$ is gradient flow, without noise: the stationary variance is "
        r"$\eta \sigma^2 / (B (2 - \eta))$ and halves with $\eta$. The equation $dx = -\nabla L\,dt + \sqrt{\eta / B}\,"
        r"\Sigma^{1/2} dW$ keeps the noise as the first correction for a small $\eta$ that is not zero.",
        r"批量大小固定时，$\eta \to 0$ 的极限是没有噪声的梯度流：平稳方差为 $\eta \sigma^2 / (B (2 - \eta))$，$\eta$ 减半，"
        r"方差也减半。方程 $dx = -\nabla L\,dt + \sqrt{\eta / B}\,\Sigma^{1/2} dW$ 针对很小但不为零的 $\eta$，"
        r"把噪声保留为一阶修正。",
    ),
    ranges={"eta": (0.01, 1.5), "batch": (1, 64)},
    random=True,
)
def sde_limit(run: Run, eta: float = 0.02, batch: int = 1) -> None:
    rows = []
    for lr in (0.08, 0.02, 0.01):
        measured, variance = stationary(lr, 1, run.seed)
        expected = theory(lr, 1, variance)
        run.claim(
            (
                rf"$\eta = {lr}$, $B = 1$: stationary variance over $\eta \sigma^2 / (B(2 - \eta))$",
                rf"$\eta = {lr}$，$B = 1$：平稳方差与 $\eta \sigma^2 / (B(2 - \eta))$ 之比",
            ),
            measured / expected,
            equals=1.0,
            within=0.05,
        )
        rows.append((lr, 1, measured, expected))
    run.claim(
        (r"halving $\eta$ from 0.02 multiplies the variance by", r"$\eta$ 从 0.02 减半，方差变为原来的"),
        stationary(0.01, 1, run.seed)[0] / stationary(0.02, 1, run.seed)[0],
        equals=0.5,
        within=0.05,
    )
    run.table(("Stationary variance", "平稳方差"), ("eta", "B", "measured", "theory"), rows)

    rates = (0.08, 0.02, 0.01)
    starts = {lr: wander(lr, 1, run.seed, 3, 2.0)[0] for lr in rates}
    own, variance = wander(eta, batch, run.seed, 300)

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k, (lr, path) in enumerate(starts.items()):
            steps = np.arange(len(path))
            left.plot(lr * steps, path, color=f"C{k}", linewidth=0.7, alpha=0.8)
            left.plot([], [], color=f"C{k}", label=rf"$\eta = {lr}$")
        t = np.linspace(0, 20, 200)
        left.plot(t, starts[0.01][0, 0] * np.exp(-t), "k--", label="gradient flow")
        left.set(xlabel=r"time $\eta k$", ylabel="$x$ − minimum", xlim=(0, 12), title="The noise fades with the rate")
        left.legend(fontsize="small")
        grid = np.geomspace(0.008, 0.12, 50)
        middle.plot(grid, theory(grid, 1, variance), color="0.5", label=r"$\eta\sigma^2/(B(2-\eta))$")  # type: ignore[arg-type]
        middle.plot([row[0] for row in rows], [row[2] for row in rows], "o", label="measured, $B = 1$")
        middle.set(xlabel=r"$\eta$", ylabel="variance", xscale="log", yscale="log", title="Proportional to the rate")
        middle.legend(fontsize="small")
        late = own[len(own) // 4 :].ravel()
        width = np.sqrt(eta * variance / (2 * batch))
        right.hist(late, bins=60, density=True, color="C0", alpha=0.5, label="SGD")
        z = np.linspace(-4 * width, 4 * width, 200)
        right.plot(z, np.exp(-(z**2) / (2 * width**2)) / (width * np.sqrt(2 * np.pi)), "k", label="the equation's")
        right.set(xlabel="$x$ − minimum", ylabel="density", title=rf"$\eta = {eta:g}$, $B = {batch}$")
        headroom(right)
        right.legend(fontsize="small", loc="upper center")

    run.figure(
        (
            "SGD estimates a mean. In the time that the flow knows, smaller rates give quieter paths; where it comes to "
            "rest, its positions spread as the equation says.",
            "SGD 估计均值。以梯度流的时间为横轴，学习率越小，轨迹越平稳；到达平稳后，位置的分布与方程给出的一致。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )


@item(
    "lr-batch-ratio-noise",
    kind="experiment",
    source="Chapter 6, notes, properties of SGD (Jastrzębski et al. 2018)",
    title=("What counts is the ratio of rate to batch", "噪声取决于学习率与批量大小之比"),
    statement=(
        "The stochastic differential equation contains learning rate and batch size only as their ratio, so runs with "
        "equal ratios should be equally noisy.",
        "学习率与批量大小仅以比值的形式出现在随机微分方程中，因此比值相同的训练，噪声应当相同。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Only while $\eta$ is small beside $2 / \lambda$. The exact variance has a further factor $1 / (1 - \eta / 2)$: "
        r"at $\eta = 0.32$ it is 19 % above the limit of small rates at the same ratio.",
        r"仅当 $\eta$ 远小于 $2 / \lambda$ 时成立。精确的方差还有因子 $1 / (1 - \eta / 2)$：$\eta = 0.32$ 时，"
        r"比值相同，方差却比小学习率的极限高出 19%。",
    ),
    ranges={"eta": (0.01, 1.5), "batch": (1, 64)},
    random=True,
)
def ratio_noise(run: Run, eta: float = 0.32, batch: int = 16) -> None:
    pairs = ((0.02, 1), (0.08, 4), (0.32, 16), (0.01, 1), (0.04, 4), (0.02, 4), (0.08, 1))
    found = {pair: stationary(*pair, run.seed)[0] for pair in pairs}
    sigma = stationary(0.02, 1, run.seed)[1]
    for small, large in (((0.02, 1), (0.08, 4)), ((0.01, 1), (0.04, 4))):
        ratio = small[0] / small[1]
        run.claim(
            (
                rf"$\eta / B = {ratio}$: variance at $({large[0]}, {large[1]})$ over that at $({small[0]}, {small[1]})$",
                rf"$\eta / B = {ratio}$：$({large[0]}, {large[1]})$ 与 $({small[0]}, {small[1]})$ 的方差之比",
            ),
            found[large] / found[small],
            equals=1.0,
            within=0.08,
        )
    for high, low in (((0.08, 1), (0.02, 1)), ((0.02, 1), (0.02, 4))):
        run.claim(
            (
                rf"ratio 4 times as large, $({high[0]}, {high[1]})$ against $({low[0]}, {low[1]})$: variances",
                rf"比值为 4 倍，$({high[0]}, {high[1]})$ 与 $({low[0]}, {low[1]})$：方差之比",
            ),
            found[high] / found[low],
            equals=4.0,
            relative=0.1,
        )
    run.claim(
        (
            r"$(0.32, 16)$: variance over the limit $\eta \sigma^2 / 2B$ of small rates",
            r"$(0.32, 16)$：方差与小学习率极限 $\eta \sigma^2 / 2B$ 之比",
        ),
        found[0.32, 16] / (0.01 * sigma),
        equals=1 / (1 - 0.16),
        relative=0.05,
    )
    rows = [(*pair, pair[0] / pair[1], found[pair], theory(*pair, sigma)) for pair in pairs]
    run.table(("Stationary variance", "平稳方差"), ("eta", "B", "eta / B", "measured", "theory"), rows)
    own = stationary(eta, batch, run.seed)[0]

    def draw(left: Any, right: Any) -> None:
        for k, b in enumerate(sorted({pair[1] for pair in pairs})):
            mine = [(pair[0] / b, found[pair]) for pair in pairs if pair[1] == b]
            left.plot(*zip(*mine, strict=True), "osD"[k], markersize=8, alpha=0.7, label=f"$B = {b}$")
        ratios = np.geomspace(0.004, 0.1, 50)
        left.plot(ratios, ratios * sigma / 2, color="0.6", label=r"$\eta\sigma^2/2B$")
        left.plot(eta / batch, own, "k+", markersize=12, label=rf"$\eta = {eta:g}$, $B = {batch}$")
        left.set(xlabel=r"$\eta / B$", ylabel="stationary variance", xscale="log", yscale="log")
        left.legend(fontsize="small")
        rates = np.linspace(0.0, 1.5, 100)
        right.plot(rates, 1 / (1 - rates / 2), color="0.6", label=r"$1/(1-\eta/2)$")
        right.plot([p[0] for p in pairs], [v * 2 * b / (lr * sigma) for (lr, b), v in found.items()], "o", label="runs")
        right.plot(eta, own * 2 * batch / (eta * sigma), "k+", markersize=12)
        right.set(xlabel=r"$\eta$", ylabel="variance over that of small rates", xlim=(0, max(0.5, 1.1 * eta)))
        right.set(ylim=(0.9, max(1.4, 1.2 * own * 2 * batch / (eta * sigma))))
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: runs with one ratio have nearly one variance. Right: what is left over depends on the rate alone.",
            "左：比值相同的训练，方差几乎相同。右：剩下的差别只取决于学习率。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
