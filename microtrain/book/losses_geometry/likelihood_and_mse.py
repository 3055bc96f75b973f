"""What kind of function of the MSE the log-likelihood of Gaussian noise is."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .gaussian_likelihood import noisy_line

losses = mt.nn.losses


@item(
    "loglik-proportional-to-mse",
    kind="theorem",
    source="Chapter 4, section 4.1.7, first paragraph",
    title=("Is the log-likelihood proportional to the MSE?", "对数似然与均方误差成正比吗"),
    statement=(
        "The summary says that under Gaussian noise the log-likelihood is proportional to the MSE.",
        "小结称：在高斯噪声假设下，对数似然与均方误差成正比。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"It is an affine function that falls: $\ln \mathcal{L} = -\frac{N}{2} \ln(2\pi\sigma^2) - \frac{N}{2\sigma^2} "
        r"\mathrm{MSE}$, as section 4.1.2 itself derives. The negative log-likelihood is a positive multiple of the MSE plus a "
        "constant.",
        r"对数似然是均方误差的递减仿射函数：$\ln \mathcal{L} = -\frac{N}{2} \ln(2\pi\sigma^2) - \frac{N}{2\sigma^2} "
        r"\mathrm{MSE}$，4.1.2 节的推导即是如此。应当说：负对数似然等于均方误差的正数倍加一个常数。",
    ),
    ranges={"sigma": (0.1, 3.0), "points": (10, 5000)},
    random=True,
)
def proportional(run: Run, sigma: float = 0.5, points: int = 1000, form: str = "right") -> None:
    x, y = noisy_line(50, 0.5, run.rng)
    thetas = run.rng.standard_normal((max(points, 1000), 2))
    inputs = mt.tensor(x)
    mse = mt.analysis.objective(lambda t: losses.mse_loss(t[0] * inputs + t[1], y), np.zeros(2)).values(thetas)

    def likelihoods(s: float) -> np.ndarray:
        return -mt.analysis.objective(lambda t: losses.gaussian_nll(t[0] * inputs + t[1], y, s), np.zeros(2)).values(
            thetas
        )

    def straight(values: np.ndarray) -> tuple[float, float]:
        """Slope and intercept of the line through the points; as printed, of the one through the origin."""
        first = mse[:1000]
        columns = first[:, None] if form == "printed" else np.column_stack([first, np.ones(1000)])
        found = np.linalg.lstsq(columns, values[:1000], rcond=None)[0]
        return float(found[0]), 0.0 if form == "printed" else float(found[1])

    loglik = likelihoods(0.5)
    slope, intercept = straight(loglik)
    run.claim((r"slope, $-N/(2\sigma^2)$", r"斜率 $-N/(2\sigma^2)$"), slope, equals=-100.0, within=1e-6)
    run.claim(
        (r"value at MSE 0, $-\frac{N}{2} \ln(2\pi\sigma^2)$", r"均方误差为 0 时的值 $-\frac{N}{2} \ln(2\pi\sigma^2)$"),
        intercept,
        equals=-11.289568,
        within=1e-6,
    )
    run.claim(
        ("largest distance of the 1000 points from the line", "1000 个点到该直线的最大偏差"),
        np.abs(loglik - slope * mse - intercept)[:1000].max(),
        at_most=1e-9,
    )
    ratios = (loglik / mse)[:1000]
    run.claim(("log-likelihood over MSE is not constant: largest less smallest value", "对数似然与均方误差之比并非常数：最大值与最小值之差"),
              np.ptp(ratios), at_least=5)  # fmt: skip
    if run.seed == 0:
        run.claim(("seed 0: the smallest value", "种子 0：最小值"), ratios.min(), equals=-159.8, within=0.05)
        run.claim(("seed 0: the largest value", "种子 0：最大值"), ratios.max(), equals=-100.5, within=0.05)
    values = likelihoods(sigma)
    a, b = straight(values)
    best = float((mse * values).sum() / (mse * mse).sum())

    def draw(left: Any, right: Any) -> None:
        reach = np.array([0, mse.max()])
        left.plot(mse[:points], values[:points], ".", markersize=4, alpha=0.5, label=f"{points} random lines")
        left.plot(reach, a * reach + b, "C3", linewidth=1, label=f"{a:.1f} MSE {b:+.2f}")
        left.plot(reach, best * reach, "k--", linewidth=1, label=f"proportional: {best:.1f} MSE")
        left.set(xlabel="MSE", ylabel="log-likelihood", title=rf"$\sigma = {sigma:g}$")
        left.legend(fontsize="small")
        for law, colour, label in (
            (best * mse, "0.4", "best proportional law"),
            (a * mse + b, "C3", "affine law"),
        ):
            right.plot(mse[:points], (values - law)[:points], ".", markersize=4, color=colour, label=label)
        right.set(xlabel="MSE", ylabel="log-likelihood less the law")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: log-likelihood against MSE for random parameters. Right: what each law leaves over.",
            "左：随机参数下的对数似然与均方误差。右：两种规律的残差。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )
