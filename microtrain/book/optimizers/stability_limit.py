"""The limit 2/L of the learning rate, and why it is one for the whole landscape only."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .following import descent, follow
from .least_squares import normal_data
from .smoothness import half_mean

RATIOS = (0.1, 0.5, 0.9, 0.99, 1.0, 1.01, 1.1)


def wavy(x: mt.Tensor) -> mt.Tensor:
    """cos x + 0.1 x^2, summed: not convex, L = 1.2."""
    return (x.cos() + 0.1 * x * x).sum()


def product_of_four(w: mt.Tensor) -> mt.Tensor:
    """(w1 w2 w3 w4 - 1)^2 / 2, summed over rows (K, 4)."""
    return 0.5 * ((w[:, 0] * w[:, 1] * w[:, 2] * w[:, 3] - 1) ** 2).sum()


@item(
    "gd-two-over-l-threshold",
    kind="theorem",
    source="Deep-learning optimizers, the range of the step size; hands-on problem 3154456",
    title=("The limit 2/L of the learning rate", "学习率的界限 2/L"),
    statement=(
        r"On an $L$-smooth loss every step of gradient descent lowers the loss if $0 < \eta < 2/L$. At $2/L$ it may "
        "oscillate for ever along some direction, above it may diverge.",
        r"对 $L$-光滑的损失，若 $0 < \eta < 2/L$，梯度下降每一步都使损失下降。$\eta = 2/L$ 时，可能在某个方向上一直振荡；"
        r"$\eta > 2/L$ 时可能发散。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Only where the gradient is not zero does the loss fall strictly, and $L$ belongs to the whole landscape. A rate "
        r"above $2/\lambda$ for the local sharpness $\lambda$ need not diverge if the curvature falls on the way: on "
        r"$(w_1 w_2 w_3 w_4 - 1)^2 / 2$ rates of 2.3 to 5.7 times $2/\lambda$ reach a loss below $10^{-30}$. (The book's text "
        r"lost its signs and prints “0 η 2/L”.)",
        r"梯度非零处才严格下降，而且 $L$ 是全局常数。若途中曲率降低，即使 $\eta$ 大于 $2/\lambda$（$\lambda$ 为局部尖锐性）也不一定发散："
        r"对 $(w_1 w_2 w_3 w_4 - 1)^2 / 2$，学习率取 $2/\lambda$ 的 2.3～5.7 倍，损失仍降到 $10^{-30}$ 以下。"
        r"（原文丢失了小于号，印成“0 η 2/L”。）",
    ),
    ranges={"ratio": (0.01, 1.2), "steps": (10, 1000), "eta": (0.001, 0.2)},
    random=True,
)
def two_over_l(run: Run, ratio: float = 0.9, steps: int = 300, eta: float = 0.1) -> None:
    X, _, y = normal_data(run.rng, 20, 5)
    loss = half_mean(X, y)
    values, vectors = np.linalg.eigh(X.T @ X / 20)
    top = float(values[-1])
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    objective = mt.analysis.objective(loss, best)
    lowest = objective(best)

    def excess(share: float, count: int) -> np.ndarray:
        path = follow(lambda p: mt.optim.SGD(p, lr=share * 2 / top), loss, np.zeros(5), count)
        return objective.values(path) - lowest

    curves = {share: excess(share, 300) for share in RATIOS}
    for share in (0.1, 0.5, 0.9, 0.99):
        falling = curves[share][:-1] > 1e-12
        run.claim(
            (
                rf"$\eta = {share} \cdot 2/L$: the loss falls in every step",
                rf"$\eta = {share} \cdot 2/L$：每一步损失都下降",
            ),
            bool((np.diff(curves[share])[falling] < 0).all()),
        )
    ringing = 0.5 * top * float(vectors[:, -1] @ best) ** 2
    run.claim(
        (
            r"$\eta = 2/L$: excess loss over that of the top eigenvector's component",
            r"$\eta = 2/L$：超额损失与最大特征向量分量的损失之比",
        ),
        curves[1.0][-1] / ringing,
        equals=1.0,
        within=1e-6,
    )
    run.claim(
        (
            r"$\eta = 1.01 \cdot 2/L$: growth of that component's loss",
            r"$\eta = 1.01 \cdot 2/L$：该分量的损失增大的倍数",
        ),
        curves[1.01][-1] / ringing,
        equals=1.02**600,
        relative=1e-3,
    )
    if run.seed == 0:
        printed = {0.1: 8.6e-10, 0.99: 4.5e-8, 1.0: 8.36e-3, 1.01: 1.2e3, 1.1: 2.7e45}
        for share, value in printed.items():
            run.claim(
                (
                    rf"seed 0, $\eta = {share} \cdot 2/L$: excess loss",
                    rf"种子 0，$\eta = {share} \cdot 2/L$：超额损失",
                ),
                curves[share][-1],
                equals=value,
                relative=0.05 if share != 1.0 else 1e-3,
            )
        small = max(curves[0.5][-1], curves[0.9][-1])
        run.claim(
            (r"seed 0, ratios 0.5 and 0.9: excess loss", r"种子 0，比值 0.5 与 0.9：超额损失"), small, at_most=1e-14
        )
    rises = 0
    for share in (0.1, 0.5, 0.9, 0.99):
        path = follow(descent(share * 2 / 1.2), wavy, np.linspace(-10, 10, 2001), 60)
        heights = np.cos(path) + 0.1 * path**2
        rises += int((np.diff(heights, axis=0) > 1e-14).sum())
    run.claim(
        (
            r"$\cos x + 0.1 x^2$, 2001 starts, 4 rates: steps that raise the loss",
            r"$\cos x + 0.1 x^2$，2001 个起点、4 种学习率：上升的步数",
        ),
        rises,
        equals=0,
    )

    starts = np.array([1.6 + 0.05 * np.random.default_rng(seed).standard_normal(4) for seed in range(3)])
    one = mt.analysis.objective(lambda w: product_of_four(w.reshape(1, 4)), starts[0])
    sharpness = np.linalg.eigvalsh(one.hessians(starts))[:, -1]
    for k, (value, known) in enumerate(zip(sharpness, (113.8, 110.7, 93.5), strict=True)):
        run.claim(
            (f"four factors: sharpness at start {k}", f"四个因子：起点 {k} 的尖锐性"), value, equals=known, within=0.05
        )
    for rate in (0.05, 0.1):
        ends = follow(descent(rate), product_of_four, starts, 300)[-1]
        times = rate * sharpness / 2
        run.claim(
            (
                rf"four factors, $\eta = {rate}$, {times.min():.1f} to {times.max():.1f} times $2/\lambda$: loss",
                rf"四个因子，$\eta = {rate}$，为 $2/\lambda$ 的 {times.min():.1f}～{times.max():.1f} 倍：损失",
            ),
            0.5 * (ends.prod(1) - 1) ** 2,
            at_most=1e-30,
        )
    wild = follow(lambda p: mt.optim.SGD(p, lr=0.2), product_of_four, starts, 4)
    run.claim(
        (r"four factors, $\eta = 0.2$: largest $|w|$ after 3 steps", r"四个因子，$\eta = 0.2$：3 步后最大的 $|w|$"),
        np.abs(wild[3]).max(1),
        at_least=1e4,
    )
    with np.errstate(over="ignore"):
        run.claim(
            (r"four factors, $\eta = 0.2$: the loss overflows in step 4", r"四个因子，$\eta = 0.2$：第 4 步损失溢出"),
            bool(np.isinf(0.5 * (wild[4].prod(1) - 1) ** 2).all()),
        )
    many = 1.6 + 0.05 * run.rng.standard_normal((200, 4))
    ends = follow(lambda p: mt.optim.SGD(p, lr=0.1), product_of_four, many, 300)[-1]
    reached = 100 * float((0.5 * (ends.prod(1) - 1) ** 2 < 1e-20).mean())
    run.note(
        rf"Of 200 starts like these {reached:g} % reach a loss below 1e-20 with $\eta = 0.1$; a few end elsewhere.",
        rf"200 个类似的起点中，$\eta = 0.1$ 时有 {reached:g}% 的损失降到 1e-20 以下，少数停在别处。",
    )
    shown = {**curves, ratio: excess(ratio, steps)}
    paths = {rate: follow(descent(rate), product_of_four, starts[:1], 60) for rate in sorted({0.01, eta})}

    def draw(left: Any, right: Any) -> None:
        for k, (share, curve) in enumerate(sorted(shown.items())):
            left.semilogy(np.maximum(curve, 1e-15), ("-", "--", "-.")[k % 3], label=rf"$\eta = {share:g} \cdot 2/L$")
        left.set(xlabel="step", ylabel="loss above the minimum", title="least squares", ylim=(3e-15, 1e6))
        left.legend(fontsize="small")
        for k, (rate, path) in enumerate(paths.items()):
            with np.errstate(all="ignore"):
                here = path[np.isfinite(path).all((1, 2)), 0]
                here = here[np.abs(here).max(1) < 1e6]
                right.semilogy(
                    np.maximum(0.5 * (here.prod(1) - 1) ** 2, 1e-33), f"C{k}", label=rf"loss, $\eta = {rate}$"
                )
                local = np.linalg.eigvalsh(one.hessians(here))[:, -1]
            right.semilogy(local * rate / 2, f"C{k}:", label=rf"$\eta \lambda / 2$, $\eta = {rate}$")
        right.axhline(1, color="0.6", linewidth=0.8)
        right.set(xlabel="step", title=r"$(w_1 w_2 w_3 w_4 - 1)^2 / 2$", ylabel=r"loss; rate over $2/\lambda$")
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left: below and above $2/L$. Right: a run that begins above $2/\lambda$ moves to where the curvature is lower.",
            r"左：$2/L$ 上下的损失。右：起初大于 $2/\lambda$ 的一次运行移到了曲率较低处。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
