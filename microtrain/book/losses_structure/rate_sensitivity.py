"""How much the learning rate matters to squared error and to cross-entropy (section 4.2.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..dynamics.descent import descend
from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run
from .designs import cross_entropy, separable_points, squared

F: Any = mt.nn.functional
RATES = (0.25, 0.5, 1.0, 1.5, 1.9, 2.1, 3.0, 4.0, 8.0, 12.0, 16.0, 64.0, 256.0, 1000.0)  # times 1 / L


EACH: dict[str, Callable[[mt.Tensor, mt.Tensor], mt.Tensor]] = {  # of outputs X w and targets: the loss of each sample
    "squared error": lambda z, y: F.mse_loss(z, y, "half_none"),
    "cross-entropy": lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none"),
    "squared error behind a sigmoid": lambda z, y: F.mse_loss(z.sigmoid(), y, "half_none"),
}


def at_rates(loss: str, x: np.ndarray, y: np.ndarray, rates: Any, steps: int) -> np.ndarray:
    """The losses of gradient descent from 0 with each rate, (steps + 1, rates): many runs at once.

    The rates multiply the losses, and the optimizer's own rate is 1.
    """
    count, factors = len(rates), mt.tensor(np.asarray(rates, float))
    inputs, targets = mt.tensor(x), mt.tensor(np.repeat(y[:, None], count, axis=1))

    def each(w: mt.Tensor) -> mt.Tensor:
        return EACH[loss](inputs @ w, targets).mean(0)

    _, seen = descend(
        lambda w: (each(w) * factors).sum(), [np.zeros((x.shape[1], count))], 1.0, steps, lambda w: (each(w),)
    )
    with mt.no_grad():
        begin = each(mt.tensor(np.zeros((x.shape[1], count)))).numpy()
    return np.concatenate([begin[None], np.asarray(seen[0])])


def largest_settled(losses: np.ndarray, lowest: float, rates: Any) -> float:
    """The largest rate at which the loss stays within 1e-3 of the lowest for the last 100 steps."""
    calm = (np.abs(losses[-100:] - lowest) < 1e-3).all(axis=0)
    return float(np.asarray(rates)[calm].max()) if calm.any() else 0.0


@item(
    "mse-lr-sensitivity",
    kind="experiment",
    source="Chapter 4, section 4.2.7, third paragraph",
    title=("Which loss minds the learning rate more", "哪种损失对学习率更敏感"),
    statement=(
        "The squared error is said to be the less sensitive to the learning rate, since its Hessian is constant, and to "
        "stay stable with larger rates; cross-entropy is called moderately sensitive.",
        "书中称均方误差的 Hessian 矩阵为常数，因而对学习率的敏感性较低，可以使用较大学习率而不会不稳定；交叉熵的敏感性则为中等。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The other way round. For the same inputs the curvature of the squared error is at least 4 times as large. Its limit is "
        r"sharp: at $1.9/L$ it reaches rounding, at $2.1/L$ it grows without bound. Cross-entropy takes steps about 6 times as "
        "large, and beyond that it oscillates but stays finite, for its gradient is bounded. (Squared error behind a sigmoid does "
        "stand large steps, but its Hessian is not constant.)",
        r"恰好相反。对同样的输入，均方误差的曲率至少是交叉熵的 4 倍。它的界限很分明：学习率为 $1.9/L$ 时降到舍入误差，"
        r"$2.1/L$ 时无限增长。交叉熵可承受约 6 倍的学习率，再大也只是有限振荡，因为梯度有界。"
        "（在 Sigmoid 之后取均方误差确实能承受大学习率，但其 Hessian 矩阵不是常数。）",
    ),
    ranges={"flipped": (0.0, 0.4), "steps": (200, 5000)},
)
def mse_lr_sensitivity(run: Run, flipped: float = 0.15, steps: int = 2000, form: str = "right") -> None:
    (x, y), (_, noisy) = separable_points(), separable_points(0.15)
    top = analysis.mse_constants(x, "half_mean").lipschitz
    rates = np.array(RATES) / top
    at = {rate: k for k, rate in enumerate(RATES)}
    best = np.array([2.0, -1.0, 0.5])
    margins = x @ best  # what the squared error is fitted to; cross-entropy gets its signs
    with np.errstate(all="ignore"):
        mse = at_rates("squared error", x, margins, rates, 2000)
        ce = at_rates("cross-entropy", x, y, rates, 2000)
        ce_noisy = at_rates("cross-entropy", x, noisy, rates, 2000)
        behind = at_rates("squared error behind a sigmoid", x, noisy, rates, 2000)
    start = analysis.Objective(squared(x, margins), np.zeros(3))
    run.claim(
        (r"squared error, $\eta L = 1.9$: final loss", r"均方误差，$\eta L = 1.9$：最终损失"),
        mse[-1, at[1.9]],
        at_most=1e-28,
    )
    run.claim(
        (r"squared error, $\eta L = 2.1$: $\log_{10}$ of the loss", r"均方误差，$\eta L = 2.1$：损失的 $\log_{10}$"),
        np.log10(mse[-1, at[2.1]]),
        equals=np.log10(2.7e165),
        within=np.log10(2),
    )
    for factor in (4.0, 16.0, 1000.0):
        run.claim(
            (rf"squared error, $\eta L = {factor:g}$: overflows", rf"均方误差，$\eta L = {factor:g}$：溢出"),
            bool(not np.isfinite(mse[-1, at[factor]])),
        )
    for factor, expected, tolerance in (
        (1.9, 0.0065, 5e-5), (2.1, 0.0060, 5e-5), (4.0, 0.0036, 5e-5), (16.0, 0.0011, 5e-5), (1000.0, 1.6e-17, 0.8e-17)
    ):  # fmt: skip
        run.claim(
            (rf"cross-entropy, $\eta L = {factor:g}$: final loss", rf"交叉熵，$\eta L = {factor:g}$：最终损失"),
            ce[-1, at[factor]],
            equals=expected,
            within=tolerance,
        )
    run.claim(
        (r"cross-entropy: largest loss at any rate and step", r"交叉熵：所有学习率、所有步中的最大损失"),
        np.maximum(ce, ce_noisy).max(),
        at_most=1e4,
    )
    minimum = follow(descent(4 / top), cross_entropy(x, noisy), np.zeros(3), 3000)[-1]
    fitted = analysis.Objective(cross_entropy(x, noisy), minimum)
    run.claim(
        ("15 % of the labels flipped: minimum of the cross-entropy", "翻转 15% 的标签：交叉熵的最小值"),
        fitted(),
        equals=0.480621,
        within=5e-7,
    )
    for factor in (4.0, 8.0, 12.0):
        run.claim(
            (rf"the same, $\eta L = {factor:g}$: final loss", rf"同上，$\eta L = {factor:g}$：最终损失"),
            ce_noisy[-1, at[factor]],
            equals=0.480621,
            within=5e-7,
        )
    run.claim(
        (r"the same, $\eta L = 16$: the last 100 losses", r"同上，$\eta L = 16$：最后 100 步的损失"),
        ce_noisy[-100:, at[16.0]],
        between=(0.5735, 0.5985),
    )
    sharp = analysis.lambda_max(fitted)
    run.claim(("its sharpness at the minimum", "最小值点处的尖锐性"), sharp, equals=0.1685, within=5e-5)
    run.claim(
        ("sharpness of the squared error", "均方误差的尖锐性"), analysis.lambda_max(start), equals=1.1032, within=5e-5
    )
    run.claim(
        ("the second over the first", "后者与前者之比"), analysis.lambda_max(start) / sharp, equals=6.5, within=0.05
    )
    settled = {"ce": largest_settled(ce_noisy, 0.480621, RATES), "mse": largest_settled(mse, 0.0, RATES)}
    # the book's claim is that the squared error stands the larger steps
    tolerant, strict = ("mse", "ce") if form == "printed" else ("ce", "mse")
    run.claim(
        (
            f"largest stable rate of the grid, {tolerant.upper()} over {strict.upper()}",
            f"网格中最大的稳定学习率，{tolerant.upper()} 与 {strict.upper()} 之比",
        ),
        settled[tolerant] / settled[strict],
        at_least=4.0,
    )
    curvatures = {"mse": analysis.lambda_max(start), "ce": analysis.ce_lipschitz_bound(x, "binary")}
    run.claim(
        (
            f"largest curvature, {strict.upper()} over {tolerant.upper()} at any $w$",
            f"最大曲率，{strict.upper()} 与任意 $w$ 处的 {tolerant.upper()} 之比",
        ),
        curvatures[strict] / curvatures[tolerant],
        at_least=4.0 - 1e-9,
    )
    run.claim(
        (
            r"squared error behind a sigmoid, labels flipped, $\eta L = 256$: spread of the last 100 losses",
            r"Sigmoid 之后的均方误差，标签翻转，$\eta L = 256$：最后 100 步损失的极差",
        ),
        np.ptp(behind[-100:, at[256.0]]),
        at_most=1e-6,
    )
    shown_labels = separable_points(flipped)[1]
    grid = np.sort([*np.geomspace(0.1, 300, 28), 1.98, 2.02])  # both sides of the edge
    with np.errstate(all="ignore"):
        curves = {name: at_rates(name, x, shown_labels, grid / top, steps) for name in EACH}

    def draw(left: Any, right: Any) -> None:
        for name, losses in curves.items():
            last = np.nan_to_num(losses[-50:], nan=1e12, posinf=1e12)
            left.plot(grid, np.clip(last.mean(axis=0), None, 1e12), label=name)
            left.fill_between(
                grid, np.clip(last.min(axis=0), None, 1e12), np.clip(last.max(axis=0), None, 1e12), alpha=0.3
            )
        left.axvline(2, color="0.6", linestyle=":")
        left.set(xscale="log", yscale="log", ylim=(0.03, 1e3), xlabel=r"$\eta L$, $L$ of the squared error")
        left.set(ylabel=f"loss after {steps} steps", title=f"{100 * flipped:g} % of the labels flipped")
        left.legend(fontsize="small", loc="upper left")
        for losses, name, colour in ((mse, "squared error", "C0"), (ce, "cross-entropy", "C1")):
            for factor, style in ((1.9, "-"), (2.1, "--"), (16.0, ":")):
                values = np.clip(np.nan_to_num(losses[:120, at[factor]], nan=1e9, posinf=1e9), 1e-4, 1e9)
                right.plot(values, style, color=colour, label=rf"{name}, $\eta L = {factor:g}$")
        right.set(xlabel="step", ylabel="loss", yscale="log", ylim=(1e-3, 1e6), title="Separable classes")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: loss at the end, with the range of its last 50 values. The squared error breaks at $2/L$; cross-entropy "
            "begins to swing at six times that rate.",
            "左：最终损失及最后 50 步的范围。均方误差在 $2/L$ 处失稳；交叉熵在约 6 倍的学习率处才开始振荡。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
