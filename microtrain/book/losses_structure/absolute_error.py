"""The mean absolute error: what it fits, and for which noise (section 4.2.7)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..dynamics.descent import descend
from ..entry import item
from ..run import Run

F: Any = mt.nn.functional
S: Any = mt.optim.schedules
FIVE = np.array([1.0, 2.0, 3.0, 4.0, 100.0])


def constant_fit(values: np.ndarray, loss: Any, lr: Any, steps: int) -> np.ndarray:
    """The constant that fits values best, by gradient descent from 0: its path (steps + 1,)."""
    targets = mt.tensor(values)
    _, (path,) = descend(lambda w: loss(w.expand(len(values)), targets), [np.zeros(1)], lr, steps)
    return np.concatenate([[0.0], np.asarray(path)[:, 0]])


@item(
    "mae-loss",
    kind="loss",
    source="Chapter 4, section 4.2.7, second paragraph",
    title=("The mean absolute error", "平均绝对误差"),
    statement=(
        r"$\frac{1}{N}\sum_n |y_n - \hat y_n|$, the variant of the squared error for data with outliers.",
        r"$\frac{1}{N}\sum_n |y_n - \hat y_n|$，均方误差的变体，用于有异常值的数据。",
    ),
    verdict="holds",
    ranges={"outlier": (5.0, 1000.0), "eta": (0.01, 1.0), "steps": (10, 2000)},
)
def mae_loss(run: Run, outlier: float = 100.0, eta: float = 0.1, steps: int = 60) -> None:
    prediction = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    value = F.l1_loss(prediction, mt.tensor([1.0, 0.0, 6.0]))
    value.backward()
    run.claim(
        ("predictions (1, 2, 3), targets (1, 0, 6)", "预测 (1, 2, 3)，目标 (1, 0, 6)"),
        value.item(),
        equals=5 / 3,
        within=1e-15,
    )
    assert prediction.grad is not None
    run.claim(
        (
            "its gradient: distance from (0, 1/3, -1/3), 0 where the residual is 0",
            "梯度与 (0, 1/3, -1/3) 之差，残差为 0 处取 0",
        ),
        np.abs(prediction.grad.numpy() - np.array([0, 1, -1]) / 3).max(),
        at_most=1e-15,
    )
    falling = 10 * S.InverseSqrt(1)
    run.claim(
        ("the constant that fits 1, 2, 3, 4, 100 by it: the median", "以它拟合 1、2、3、4、100 的常数：中位数"),
        constant_fit(FIVE, F.l1_loss, falling, 6000)[-1],
        equals=3.0,
        within=0.05,
    )
    run.claim(
        ("by the squared error: the mean", "以均方误差拟合：均值"),
        constant_fit(FIVE, F.mse_loss, 0.25, 100)[-1],
        equals=22.0,
        within=1e-9,
    )

    def on_line(lr: Any, length: int) -> np.ndarray:
        _, (path,) = descend(lambda w: F.l1_loss(w, mt.tensor([0.0])), [np.array([0.03])], lr, length)
        return np.concatenate([[0.03], np.asarray(path)[:, 0]])

    fixed = on_line(0.1, 1000)
    run.claim(
        (
            r"steps of fixed length, $|w|$ from 0.03 with $\eta = 0.1$: smallest $|w|$ in 1000 steps",
            r"固定步长，$|w|$ 从 0.03 出发，$\eta = 0.1$：1000 步内最小的 $|w|$",
        ),
        np.abs(fixed).min(),
        equals=0.03,
        within=1e-12,
    )
    shrinking = on_line(0.1 * S.InverseSqrt(1), 2000)
    run.claim(
        (
            r"$\eta_t = 0.1/\sqrt{t + 1}$: largest $|w|$ in the last 1000 of 2000 steps",
            r"$\eta_t = 0.1/\sqrt{t + 1}$：2000 步中最后 1000 步的最大 $|w|$",
        ),
        np.abs(shrinking[-1000:]).max(),
        at_most=0.0033,
    )
    error = analysis.Objective(lambda w: F.l1_loss(w, mt.tensor([0.0])), np.zeros(1))
    for h in (1e-3, 1e-6):
        slopes = error.gradients([[-h], [h]])
        run.claim(
            (
                rf"change of the gradient from $-h$ to $h$, over the distance, $h = 10^{{{np.log10(h):.0f}}}$, times $h$",
                rf"梯度从 $-h$ 到 $h$ 的变化与距离之比，$h = 10^{{{np.log10(h):.0f}}}$，再乘以 $h$",
            ),
            float(slopes[1, 0] - slopes[0, 0]) / (2 * h) * h,
            equals=1.0,
            within=1e-12,
        )
    run.note(
        r"That quotient grows without limit, so the gradient has no Lipschitz constant and the rule $\eta < 2/L$ of "
        "section 4.2.3 says nothing here: with a fixed rate the error stays of the order of the rate.",
        r"这个比值没有上界，因此梯度没有 Lipschitz 常数，4.2.3 节的规则 $\eta < 2/L$ 在此不适用：学习率固定时，误差保持在学习率的量级。",
    )
    values = np.array([1.0, 2.0, 3.0, 4.0, outlier])
    walks = {
        rf"fixed $\eta = {eta:g}$": on_line(eta, steps),
        r"$\eta / \sqrt{t+1}$": on_line(eta * S.InverseSqrt(1), steps),
    }

    def draw(left: Any, right: Any) -> None:
        grid = np.linspace(0, 30, 301)
        for name, loss in (("squared error / 100", F.mse_loss), ("absolute error", F.l1_loss)):
            found = analysis.Objective(lambda w, loss=loss: loss(w.expand(5), mt.tensor(values)), np.zeros(1))
            heights = found.values(grid[:, None]) / (100 if loss is F.mse_loss else 1)
            left.plot(grid, heights, label=name)
            left.plot(grid[heights.argmin()], heights.min(), "ko", markersize=4)
        left.set(xlabel="constant", ylabel="loss", title=f"Fit of 1, 2, 3, 4, {outlier:g}", ylim=(0, 60))
        left.legend(fontsize="small")
        for name, walk in walks.items():
            right.plot(np.maximum(np.abs(walk), 1e-9), ".-", markersize=4, label=name)
        right.set(
            xlabel="step", ylabel="|w|", yscale="log", title="Descent on |w| from 0.03", ylim=(1e-5, 3 * max(eta, 0.03))
        )
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: the outlier drags the minimum of the squared error, hardly that of the absolute error. Right: near the "
            "kink a fixed rate keeps jumping.",
            "左：异常值把均方误差的最小值点拉远，对平均绝对误差几乎没有影响。右：在尖点附近，固定学习率来回跳动。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )


def best_constants(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row the constants of least squared and of least absolute error, by descent; two arrays (rows,).

    The mean squared error is minimal after one step with rate 1 (its curvature). For the absolute error the direction
    of the gradient is enough: steps 1/2, 1/4, 1/8 ... along its sign close in on the minimum, which must be in [-1, 1].
    """
    targets = mt.tensor(samples)
    found = []
    ways: tuple[tuple[Any, Any, int], ...] = (
        (lambda p: mt.optim.SGD(p, lr=1.0), lambda w: F.mse_loss(w, targets, "none").mean(1).sum() / 2, 1),
        (lambda p: mt.optim.SignGD(p, lr=0.5 * S.Exponential(0.5)), lambda w: F.l1_loss(w, targets, "none").sum(), 18),
    )
    for make, loss, steps in ways:
        w = mt.tensor(np.zeros((len(samples), 1)), requires_grad=True)
        optimizer = make([w])
        with mt.kernels.use("numpy"):  # kernels for so few steps would take longer to compile
            for _ in range(steps):
                optimizer.zero_grad()
                loss(w).backward()
                optimizer.step()
        found.append(w.detach().numpy()[:, 0])
    return found[0], found[1]


@item(
    "laplace-vs-gaussian-noise",
    kind="theorem",
    source="Chapter 4, section 4.2.7, second paragraph",
    title=(
        "Squared error for Gaussian noise, absolute for Laplace noise",
        "高斯噪声用均方误差，拉普拉斯噪声用绝对误差",
    ),
    statement=(
        "Which loss is best depends on the noise: the squared error if it is Gaussian; if it is Laplace, the absolute error "
        "suits it better.",
        "最优的损失取决于噪声分布：高斯噪声下均方误差最优，拉普拉斯噪声下平均绝对误差更合适。",
    ),
    verdict="holds",
    ranges={"n": (11, 201), "replicates": (1000, 20_000)},
    random=True,
)
def laplace_gaussian(run: Run, n: int = 101, replicates: int = 20_000) -> None:
    noises = {"Gaussian": run.rng.standard_normal((20_000, 101)), "Laplace": run.rng.laplace(size=(20_000, 101))}
    estimates = {name: best_constants(noise) for name, noise in noises.items()}
    ratios = {name: float(mean.var() / median.var()) for name, (mean, median) in estimates.items()}
    run.claim(
        (
            r"Gaussian noise: variance of the fit by squared error over that by absolute error ($2/\pi$ for large $n$)",
            r"高斯噪声：均方误差拟合的方差与绝对误差拟合的方差之比（$n$ 大时为 $2/\pi$）",
        ),
        ratios["Gaussian"],
        between=(0.62, 0.66),
    )
    run.claim(
        ("Laplace noise: the same ratio (2 for large $n$)", "拉普拉斯噪声：同一比值（$n$ 大时为 2）"),
        ratios["Laplace"],
        at_least=1.6,
    )
    for k, (name, chinese) in enumerate((("mean", "均值"), ("median", "中位数"))):
        reference: Any = (np.mean, np.median)[k]
        away = max(np.abs(estimates[key][k] - reference(noises[key], axis=1)).max() for key in noises)
        run.claim((f"distance of the fits from the {name}", f"拟合结果与{chinese}之差"), away, at_most=5e-6)
    x = run.rng.standard_normal(50)
    slopes = []
    for loss in (lambda w: F.l1_loss(w, mt.tensor(x)), lambda w: mt.nn.losses.laplace_nll(w, mt.tensor(x), 0.7)):
        slopes.append(analysis.Objective(loss, np.zeros(50)).gradient())
    run.claim(
        (
            r"gradient of the Laplace negative log-likelihood, over $N/b$ times that of the absolute error, less 1",
            r"拉普拉斯负对数似然的梯度与绝对误差梯度的 $N/b$ 倍之比，减 1",
        ),
        np.abs(slopes[1] / (50 / 0.7 * slopes[0]) - 1).max(),
        at_most=1e-12,
    )
    shown = estimates
    if (n, replicates) != (101, 20_000):
        draws = {"Gaussian": run.rng.standard_normal((replicates, n)), "Laplace": run.rng.laplace(size=(replicates, n))}
        shown = {name: best_constants(noise) for name, noise in draws.items()}

    def draw(*axes: Any) -> None:
        for ax, (name, pair) in zip(axes, shown.items(), strict=True):
            ends = 1.05 * np.abs(np.concatenate(pair)).max()
            for found, label in zip(pair, ("squared error", "absolute error"), strict=True):
                ax.hist(found, bins=80, range=(-ends, ends), histtype="step", density=True, label=label)
            ax.set(xlabel="error of the fitted constant", ylabel="density", title=f"{name} noise, n = {n}")
            ax.text(
                0.02,
                0.95,
                f"ratio of variances {pair[0].var() / pair[1].var():.3f}",
                transform=ax.transAxes,
                va="top",
                fontsize=9,
            )
            ax.legend(fontsize="small", loc="upper right")

    run.figure(
        (
            "Errors of the two fits in repeated experiments: narrower is better.",
            "重复实验中两种拟合的误差：越窄越好。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )
