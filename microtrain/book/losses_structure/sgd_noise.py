"""The noise of stochastic gradients: how large it is (section 4.2.6)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run

F: Any = mt.nn.functional
WEIGHTS = np.array([1.0, 2.0, 3.0])
SIZES = (1, 4, 16, 64)


def regression(rng: np.random.Generator, samples: int, noise: float) -> tuple[np.ndarray, Any]:
    """Inputs (samples, 3) of y = X (1, 2, 3) + noise, and w -> half the squared error of each sample."""
    x = rng.standard_normal((samples, 3))
    y = x @ WEIGHTS + noise * rng.standard_normal(samples)
    return x, lambda w: F.mse_loss(mt.tensor(x) @ w, mt.tensor(y), reduction="none") / 2


def batches(errors: Any, seed: int, draws: int) -> list[analysis.GradientNoise]:
    """The gradients at w = 0 of random batches of each size, drawn with replacement."""
    return [
        analysis.gradient_noise(
            errors, np.zeros(3), size, replace=True, draws=draws, generator=mt.Generator(1000 * seed + size)
        )
        for size in SIZES
    ]


def sampled(noise: analysis.GradientNoise) -> float:
    """The trace of the covariance of the batches that were drawn."""
    return float(np.asarray(noise.draws).var(axis=0).sum())


@item(
    "sgd-gradient-noise",
    kind="theorem",
    source="Chapter 4, section 4.2.6, last paragraph",
    title=("A mini-batch gradient is the gradient plus noise", "小批量梯度等于梯度加噪声"),
    statement=(
        "A step of SGD looks at one sample or a few. That is as if random perturbations were added to the descent: on "
        "average the gradient is right, and the variance of the noise falls like 1 over the batch size.",
        "SGD 每步只看一个或少数几个样本，相当于在下降过程中加入随机扰动：梯度的均值正确，噪声的方差与批量大小成反比。",
    ),
    verdict="holds",
    ranges={"samples": (100, 5000), "noise": (0.0, 5.0), "draws": (500, 10_000)},
    random=True,
)
def sgd_gradient_noise(run: Run, samples: int = 1000, noise: float = 1.0, draws: int = 5000) -> None:
    x, errors = regression(run.rng, 1000, 1.0)
    usual = batches(errors, run.seed, 5000)
    rows = []
    for one in usual:
        size = one.batch_size
        away = float(np.linalg.norm(np.asarray(one.draws).mean(axis=0) - one.mean))
        if run.seed == 0:
            run.claim(
                (rf"$B = {size}$: predicted trace, times $B$", rf"$B = {size}$：预测的迹乘以 $B$"),
                one.trace * size,
                equals=54.6,
                within=0.05,
            )
        run.claim(
            (
                rf"$B = {size}$: trace of the covariance of 5000 batch gradients, over the prediction $\operatorname{{tr}} C / B$",
                rf"$B = {size}$：5000 个批次梯度的协方差的迹与预测 $\operatorname{{tr}} C / B$ 之比",
            ),
            sampled(one) / one.trace,
            equals=1.0,
            within=0.08,
        )
        run.claim(
            (
                rf"$B = {size}$: distance of their mean from the full gradient, in units of its standard error",
                rf"$B = {size}$：批次梯度的均值与全批量梯度的距离，以标准误差为单位",
            ),
            away / np.sqrt(one.trace / 5000),
            at_most=4.0,
        )
        rows.append((size, sampled(one), one.trace, away))
    without = analysis.gradient_noise(errors, np.zeros(3), 64)
    if run.seed == 0:
        run.claim(
            ("$B = 64$ without replacement: trace", "无放回采样，$B = 64$：迹"),
            without.trace,
            equals=0.80,
            within=0.005,
        )
    run.claim(
        (r"the same over that with replacement, $(N - B)/(N - 1)$", r"与有放回采样之比，即 $(N - B)/(N - 1)$"),
        without.trace / usual[-1].trace,
        equals=936 / 999,
        within=1e-12,
    )
    at_best = mt.tensor(WEIGHTS, requires_grad=True)
    exact = mt.tensor(x) @ at_best.detach()
    silent = analysis.gradient_noise(
        lambda: F.mse_loss(mt.tensor(x) @ at_best, exact, reduction="none") / 2, at_best, 1
    )
    run.claim(
        (
            "labels without noise, at the solution: trace of the gradient noise",
            "标签无噪声，在解处：梯度噪声的迹",
        ),
        silent.trace,
        at_most=1e-28,
    )
    run.table(
        ("Gradient noise at $w = 0$", "$w = 0$ 处的梯度噪声"),
        ("B", "trace, sampled", "trace, predicted", "error of the mean"),
        rows,
    )

    shown = usual
    if (samples, noise, draws) != (1000, 1.0, 5000):
        shown = batches(regression(run.rng, samples, noise)[1], run.seed, draws)

    def draw(left: Any, right: Any) -> None:
        for one, colour in ((shown[1], "C0"), (shown[3], "C1")):
            points = np.asarray(one.draws)[:600, :2]
            left.plot(*points.T, ".", markersize=3, color=colour, label=f"B = {one.batch_size}")
        left.plot(*shown[0].mean[:2], "k+", markersize=12, markeredgewidth=2, label="full gradient")
        left.set(xlabel=r"$\partial L / \partial w_0$", ylabel=r"$\partial L / \partial w_1$", title="Batch gradients")
        left.legend(fontsize="small")
        grid = np.array([1.0, 100.0])
        right.loglog(grid, shown[0].trace / grid, color="0.6", label=r"$\mathrm{tr}\, C / B$")
        right.loglog(SIZES, [sampled(one) for one in shown], "o", label=f"{draws} batches")
        right.set(xlabel="batch size B", ylabel="trace of the covariance", title="Size of the noise")
        right.legend(fontsize="small")

    run.figure(
        (
            "Batches of 64 scatter about the full gradient in the same shape as batches of 4, a quarter as far.",
            "批量大小为 64 时，梯度在全批量梯度周围的散布与批量大小为 4 时形状相同，距离为其 1/4。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
