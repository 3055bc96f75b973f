"""Cross-entropy after a sigmoid: why its gradient has no factor that dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain.nn.functional import cross_entropy, mse_loss, poisson_nll_loss

from ..entry import item
from ..run import Run
from .saturation import logit, slopes


def probability_axis(ax: Any) -> None:
    """Probabilities spread out near 0 and 1."""
    ticks = (1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999)
    ax.set_xscale("logit")
    ax.set_xticks(ticks, [f"{p:g}" for p in ticks])
    ax.tick_params(axis="x", which="minor", labelbottom=False)


def ratios(p: Any, convention: str = "half_sum") -> np.ndarray:
    """|gradient of cross-entropy| / |gradient of the squared error| in the logit of each prediction p, label 1."""
    z = mt.tensor(logit(p), requires_grad=True)
    mse_loss(mt.sigmoid(z), np.ones(z.shape), convention).backward()
    return np.asarray(np.abs(slopes(logit(p), 1.0, "bce")) / np.abs(np.asarray(z.grad)))


@item(
    "ce-gradient-100x-mse",
    kind="theorem",
    source="Chapter 4, section 4.2.4, after eq. 4.2.8",
    title=("A hundred times the gradient", "梯度是 100 倍吗"),
    statement=(
        r"In the saturated region the gradient of cross-entropy is about 100 times that of the squared error, because a factor of about 0.01 "
        r"drops out; for $\hat y = 0.99$ and $y = 1$ it is $0.01\, x$.",
        r"在饱和区域，交叉熵的梯度约为均方误差的 100 倍，因为约 0.01 的因子抵消了；$\hat y = 0.99$，$y = 1$ 时梯度为 $0.01\, x$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The ratio is $1/(\hat y (1 - \hat y))$: 4 in the middle, 101 at $\hat y = 0.01$ and 0.99, a million at $10^{-6}$. That is for "
        r"$\frac{1}{2}(y - \hat y)^2$; without the $\frac{1}{2}$ it is half as much. And $0.01\, x$ is a size: the gradient is $-0.01\, x$.",
        r"比值为 $1/(\hat y (1 - \hat y))$：中间为 4，$\hat y = 0.01$ 与 0.99 处为 101，$10^{-6}$ 处为一百万。"
        r"这是对 $\frac{1}{2}(y - \hat y)^2$ 而言，没有 $\frac{1}{2}$ 时减半。另外 $0.01\, x$ 只是大小，梯度应为 $-0.01\, x$。",
    ),
    ranges={"prediction": (1e-6, 0.999999)},
)
def hundredfold(run: Run, prediction: float = 0.01) -> None:
    places = (0.5, 0.9, 0.99, 0.01, 1e-4, 1e-6)
    half, whole = ratios(places), ratios(places, "sum")
    for p, value in zip(places, half, strict=True):
        run.claim(
            (rf"$\hat y = {p:g}$: ratio of the gradients", rf"$\hat y = {p:g}$：梯度之比"),
            value,
            equals=1 / (p * (1 - p)),
            relative=1e-6,
        )
    for p, known, within in ((0.5, 4, 1e-9), (0.9, 11.11, 0.005), (0.99, 101.01, 0.005), (1e-6, 1e6, 10)):
        run.claim(
            (rf"$\hat y = {p:g}$: the same in figures", rf"$\hat y = {p:g}$：同上，数值"),
            half[places.index(p)],
            equals=known,
            within=within,
        )
    run.claim(
        (r"with $(y - \hat y)^2$ in place of $\frac{1}{2}(y - \hat y)^2$: factor of the ratios",
         r"以 $(y - \hat y)^2$ 代替 $\frac{1}{2}(y - \hat y)^2$：比值的变化因子"),
        whole / half, equals=0.5, within=1e-12,
    )  # fmt: skip
    run.claim(
        (r"$\hat y = 0.99$: gradient of cross-entropy for $x = 1$", r"$\hat y = 0.99$，$x = 1$：交叉熵的梯度"), slopes(logit(0.99), 1.0, "bce"),
        equals=-0.01, within=1e-12,
    )  # fmt: skip
    grid = 1 / (1 + np.exp(-np.linspace(-14.2, 10, 200)))
    curves = {r"$\frac{1}{2}(y - \hat y)^2$": ratios(grid), r"$(y - \hat y)^2$": ratios(grid, "sum")}
    here = float(ratios([prediction])[0])

    def draw(ax: Any) -> None:
        for (name, values), dash in zip(curves.items(), ("-", "--"), strict=True):
            ax.semilogy(grid, values, dash, label=f"over {name}")
        ax.plot(places, half, "ko", markersize=4, label="the values above")
        ax.plot(prediction, here, "s", color="C3", markersize=8, label=rf"$\hat y = {prediction:g}$: {here:.4g}")
        ax.axhline(100, color="0.5", linestyle=":", label="100, as the book has it")
        probability_axis(ax)
        ax.set(
            xlabel=r"prediction $\hat y$, label 1",
            ylabel="gradient of cross-entropy / of squared error",
            xlim=(5e-7, 0.99998),
        )
        ax.legend(fontsize="small")

    run.figure(
        ("How many times larger the gradient of cross-entropy is", "交叉熵的梯度是平方误差的多少倍"),
        draw,
        size=(6.5, 4.4),
    )


def chain(p: float, form: str) -> tuple[float, float, float]:
    """(d(-ln p)/dp, dp/dz, dL/dz) at the z of a prediction p: by autodiff, or with the printed 1/p."""
    z = mt.tensor(logit(p), requires_grad=True)
    q = mt.sigmoid(z)
    q.retain_grad()
    loss = -q.log()
    loss.backward()
    outer, total = float(np.asarray(q.grad)), float(np.asarray(z.grad))
    inner = float(mt.grad([mt.sigmoid(z)], [z])[0].item())
    return (1 / p, inner, inner / p) if form == "printed" else (outer, inner, total)


def normal_cdf(z: mt.Tensor) -> mt.Tensor:
    """The normal distribution function, exact far out, too."""
    return 0.5 * mt.erfc(-z / 2**0.5)


def canonical_gaps(rng: np.random.Generator) -> dict[str, float]:
    """Gradient less (prediction - target) for three likelihoods, each with the link that belongs to it."""
    z, gaps = rng.standard_normal(6), {}
    cases: dict[str, tuple[Callable[[mt.Tensor], mt.Tensor], np.ndarray]] = {}
    y = rng.standard_normal(6)
    cases["Gauss, identity"] = (lambda v: mse_loss(v, y, "half_sum"), z - y)
    counts = rng.poisson(2.0, 6).astype(float)
    cases["Poisson, exp"] = (lambda v: poisson_nll_loss(v, counts, reduction="sum"), np.exp(z) - counts)
    p = np.exp(z - z.max())
    label = mt.tensor([2])
    cases["categorical, softmax"] = (
        lambda v: cross_entropy(v.reshape(1, 6), label), p / p.sum() - np.eye(6)[2]
    )  # fmt: skip
    for name, (loss, expected) in cases.items():
        v = mt.tensor(z, requires_grad=True)
        loss(v).backward()
        gaps[name] = float(np.abs(np.asarray(v.grad) - expected).max())
    return gaps


@item(
    "ce-sigmoid-cancellation",
    kind="theorem",
    source="Chapter 4, section 4.2.4, the chain rule before Theorem 4.2.2",
    title=("Two derivatives that cancel", "相互抵消的两个导数"),
    statement=(
        r"The derivative of $-\log \hat y$ is given as $1/\hat y$. Times the sigmoid's $\hat y (1 - \hat y)$ that makes $1 - \hat y$: the factor "
        "that saturates cancels, by a mathematical “coincidence”.",
        r"书中称 $-\log \hat y$ 的导数为 $1/\hat y$，乘以 Sigmoid 的导数 $\hat y (1 - \hat y)$ 得 $1 - \hat y$：造成饱和的因子抵消了，"
        r"这是数学上的“巧合”。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The sign: $d(-\log \hat y)/d\hat y = -1/\hat y$, and the product is $\hat y - 1$, as eq. 4.2.8 has it. The quotation marks around the "
        r"coincidence are deserved: the sigmoid is the canonical link of the Bernoulli likelihood, and with the canonical link the gradient is "
        r"always prediction minus target, for the softmax, Poisson and Gaussian likelihoods, too. With another link, such as the normal "
        "distribution function, nothing cancels.",
        r"符号有误：$d(-\log \hat y)/d\hat y = -1/\hat y$，乘积为 $\hat y - 1$，与式 (4.2.8) 一致。“巧合”加引号是对的："
        r"Sigmoid 是伯努利似然的典范联系函数，采用典范联系时，梯度总是预测减目标，Softmax、泊松、高斯似然也是如此。"
        r"换成别的联系函数，例如高斯分布函数，就不会抵消。",
    ),
    ranges={"prediction": (0.0001, 0.9999)},
    random=True,
)
def cancellation(run: Run, prediction: float = 0.99, form: str = "right") -> None:
    outer, inner, total = chain(0.99, form)
    run.claim(
        (r"$\hat y = 0.99$: $d(-\ln \hat y)/d\hat y$", r"$\hat y = 0.99$：$d(-\ln \hat y)/d\hat y$"),
        outer,
        equals=-1 / 0.99,
        within=1e-9,
    )
    run.claim((r"$\hat y = 0.99$: $d\hat y/dz$", r"$\hat y = 0.99$：$d\hat y/dz$"), inner, equals=0.0099, within=1e-9)
    run.claim(
        (r"$\hat y = 0.99$: $dL/dz = \hat y - 1$", r"$\hat y = 0.99$：$dL/dz = \hat y - 1$"),
        total,
        equals=-0.01,
        within=1e-9,
    )
    run.claim(
        ("the product, less the gradient of the fused loss", "乘积与融合损失的梯度之差"),
        outer * inner - float(slopes(logit(0.99), 1.0, "bce")), equals=0, within=1e-9,
    )  # fmt: skip
    z = mt.tensor([-5.0], requires_grad=True)
    (-normal_cdf(z).log()).sum().backward()
    run.claim((r"normal distribution function, $z = -5$: $dL/dz$", r"高斯分布函数，$z = -5$：$dL/dz$"), float(np.asarray(z.grad)[0]),
              equals=-5.187, within=5e-4)  # fmt: skip
    run.claim(
        (r"the same: $\Phi(z) - 1$", r"同上：$\Phi(z) - 1$"), normal_cdf(z.detach()).item() - 1, equals=-1, within=1e-6
    )
    for name, gap in canonical_gaps(run.rng).items():
        run.claim(
            (f"{name}: gradient less (prediction - target)", f"{name}：梯度与（预测 - 目标）之差"), gap, at_most=1e-12
        )  # fmt: skip
    shown = chain(prediction, "right")
    grid = np.linspace(-6, 6, 241)
    probit = mt.tensor(grid, requires_grad=True)
    (-normal_cdf(probit).log()).sum().backward()
    bent = np.asarray(probit.grad)

    def draw(left: Any, right: Any) -> None:
        left.set_axis_off()
        left.set(xlim=(0, 1), ylim=(0, 1), title=rf"the graph of $-\ln \sigma(z)$ at $\hat y = {prediction:g}$")
        boxes = ((0.12, f"$z$\n{float(logit(prediction)):.4g}"), (0.5, r"$\hat y = \sigma(z)$" + f"\n{prediction:.4g}"),
                 (0.88, f"$L = -\\ln \\hat y$\n{-np.log(prediction):.4g}"))  # fmt: skip
        for at, text in boxes:
            left.text(
                at,
                0.62,
                text,
                ha="center",
                va="center",
                bbox={"boxstyle": "round,pad=0.5", "fc": "#eef3fa", "ec": "#1f5fa8"},
            )
        for at, value, name in ((0.31, shown[1], r"$\hat y (1 - \hat y)$"), (0.69, shown[0], r"$-1/\hat y$")):
            left.annotate("", (at - 0.07, 0.62), (at + 0.07, 0.62), arrowprops={"arrowstyle": "->", "color": "#d1600f"})
            left.text(at, 0.78, f"{name}\n{value:.4g}", ha="center", va="center", color="#d1600f", fontsize=9)
        left.text(
            0.5,
            0.25,
            rf"backward: ${shown[0]:.4g} \times {shown[1]:.4g} = {shown[2]:.4g}$",
            ha="center",
            color="#d1600f",
        )
        right.plot(grid, slopes(grid, 1.0, "bce"), label=r"sigmoid: $dL/dz = \hat y - 1$")
        right.plot(grid, bent, "--", label=r"normal distribution function: $dL/dz$")
        right.plot(grid, np.asarray(normal_cdf(mt.tensor(grid))) - 1, ":", label=r"$\Phi(z) - 1$")
        right.set(xlabel="$z$", ylabel="gradient, label 1")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: the local derivatives on the way back, and their product. Right: with another link the gradient is not prediction minus "
            "target.",
            "左：反向传播途中的局部导数及其乘积。右：换一种联系函数，梯度不再是预测减目标。",
        ),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip
