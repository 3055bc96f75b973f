"""Where exploding gradients come from: many layers, not a loss without an upper bound."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..run import Run
from .binary_cross_entropy import by_gap
from .deep_gradients import depth_chain

BOUND = 2**0.5  # |softmax(z) - e_c| is below it


def recurrence(rng: np.random.Generator, gains: Any, steps: int, size: int = 16) -> np.ndarray:
    """|dL/dh_t| for h_t+1 = gain Q h_t with one orthogonal Q for all times, L = u.h_T: (steps + 1, gains).

    Row k belongs to the state k steps before the end; the runs are side by side, with the same Q and the same unit u.
    """
    q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    weight = mt.tensor(np.asarray(gains)[:, None, None] * q, requires_grad=True)  # one tensor, used at every step
    states = [mt.tensor(np.ones((len(gains), size, 1)), requires_grad=True)]
    for _ in range(steps):
        states.append(weight @ states[-1])
        states[-1].retain_grad()
    (states[-1].sum() / size**0.5).backward()
    return np.array([np.linalg.norm(np.asarray(h.grad), axis=(1, 2)) for h in reversed(states)])


@item(
    "gradient-explosion-by-composition",
    kind="experiment",
    source="Chapter 4, section 4.2.4, second cause of exploding gradients",
    title=("Many layers multiply the gradient", "多层复合放大梯度"),
    statement=(
        "Passing through many layers can amplify the gradient, above all in recurrent networks and Transformers, where the same "
        "weight matrices are used at many times or in many layers.",
        "梯度穿过许多层时可能逐层放大；循环神经网络和 Transformer 在不同时间步或不同层重复使用同一权重矩阵，这一现象尤为明显。",
    ),
    verdict="holds with a condition",
    correction=(
        r"What matters is a gain above 1 in each layer; after $T$ layers of gain $\rho$ the factor is $\rho^T$. Sharing the weights is not "
        "needed: a chain of 20 different matrices explodes as well. It is recurrent networks that share weights over time; the layers "
        "of an ordinary Transformer have weights of their own.",
        r"关键在于每层的增益大于 1：增益为 $\rho$ 的 $T$ 层把梯度放大 $\rho^T$ 倍。权重共享并非必要，20 个互不相同的矩阵组成的链同样爆炸。"
        "跨时间共享权重的是循环神经网络；普通 Transformer 各层有各自的权重。",
    ),
    ranges={"rho": (0.5, 1.5), "steps": (1, 200), "scale": (0.3, 2.5)},
    random=True,
)
def composition(run: Run, rho: float = 1.1, steps: int = 50, scale: float = 1.5) -> None:
    gains = (0.9, 1.0, 1.1)
    norms = recurrence(run.rng, gains, 50)
    for gain, norm, number, place in zip(gains, norms[-1], (0.00515, 1.0, 117.39), (5e-6, 5e-4, 5e-3), strict=True):
        run.claim(
            (rf"shared weights, $\rho = {gain}$: norm after 50 steps back", rf"共享权重，$\rho = {gain}$：回传 50 步后的范数"),
            norm, equals=number, within=place,
        )  # fmt: skip
        run.claim(
            (rf"the same over $\rho^{{50}}$, $\rho = {gain}$", rf"上值与 $\rho^{{50}}$ 之比，$\rho = {gain}$"),
            norm / gain**50, equals=1, within=1e-9,
        )  # fmt: skip
    chain, _ = depth_chain(np.random.default_rng(run.seed), "linear", (1.0, 1.5))
    if run.seed == 0:
        for gain, norm, number, place in zip((1.0, 1.5), chain[0], (0.095, 210), (5e-4, 0.5), strict=True):
            run.claim(
                (f"20 different matrices of scale {gain:g}: gradient of the first", f"20 个不同矩阵，尺度 {gain:g}：首层梯度的范数"),
                norm, equals=number, within=place,
            )  # fmt: skip
    run.claim(
        ("different matrices: growth from scale 1 to 1.5, over $1.5^{19}$", "不同矩阵：尺度由 1 增至 1.5 的放大倍数，与 $1.5^{19}$ 之比"),
        chain[0, 1] / chain[0, 0] / 1.5**19, equals=1, within=1e-9,
    )  # fmt: skip
    shown = recurrence(np.random.default_rng(run.seed), (0.9, 1.0, rho), steps)
    _, own = depth_chain(np.random.default_rng(run.seed), "linear", (0.7, 1.0, scale))

    def draw(left: Any, right: Any) -> None:
        for k, (gain, style) in enumerate(zip((0.9, 1.0, rho), ("--", ":", "-"), strict=True)):
            left.semilogy(shown[:, k], style, color=f"C{k}", linewidth=2, label=rf"$\rho = {gain:g}$")
        left.set(xlabel="steps back through time", ylabel="norm of the gradient", title="one shared matrix")
        for k, (gain, style) in enumerate(zip((0.7, 1.0, scale), ("s--", "o:", "^-"), strict=True)):
            right.semilogy(own[::-1, k] / own[-1, k], style, color=f"C{k}", markersize=4, label=f"scale {gain:g}")
        right.set(
            xlabel="layers back from the output",
            ylabel="norm of the gradient",
            title="20 different matrices",
            xticks=range(0, 21, 5),
        )
        for ax in (left, right):
            ax.grid(alpha=0.3)
            ax.legend(fontsize="small")

    run.figure(
        (
            "Left: a gradient sent back through one matrix used again and again. Right: through a chain whose matrices all differ; it "
            "explodes just as well (both: the gradient at the output has norm 1)",
            "左：梯度反复穿过同一个矩阵。右：穿过各层矩阵互不相同的链，同样会爆炸（输出处的梯度范数均为 1）",
        ),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


def sizes(gaps: Any) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy of two classes where the wrong logit is larger by the gap: losses, and norms of the logits' gradient."""
    losses, gradients = by_gap(gaps)
    return losses, np.linalg.norm(gradients, axis=1)


def by_error(errors: Any) -> np.ndarray:
    """|dL/dy| of L = r^2 / 2 with a linear output y that is off by r."""
    y = mt.tensor(np.asarray(errors, float), requires_grad=True)
    mse_loss(y, np.zeros(len(errors)), "half_sum").backward()
    return np.asarray(abs(np.asarray(y.grad)))


def by_probability(gap: float) -> tuple[float, float]:
    """(|dL/dp_c|, |dL/dz_c|) of -ln p_c, taken through the softmax step by step."""
    z = mt.tensor([0.0, gap], requires_grad=True)
    p = z.softmax(0)
    p.retain_grad()
    (-p[0].log()).backward()
    return abs(float(np.asarray(p.grad)[0])), abs(float(np.asarray(z.grad)[0]))


@item(
    "unbounded-loss-implies-unbounded-gradient",
    kind="theorem",
    source="Chapter 4, section 4.2.4, third cause of exploding gradients",
    title=("Does an unbounded loss mean unbounded gradients?", "损失无上界，梯度就无上界吗"),
    statement=(
        "Cross-entropy has no upper bound, so predictions that are extremely wrong may produce very large gradients.",
        "交叉熵没有上界，因此极端错误的预测可能产生极大的梯度。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The loss grows without bound, its gradient does not: $\|\partial L/\partial z\| = \|\hat{p} - e_c\| \le \sqrt{2}$, and "
        r"in the weights of the last layer at most $\sqrt{2}\,\|x\|$. Only $\partial L/\partial \hat{p}_c = -1/\hat{p}_c$ diverges, and the softmax "
        r"cancels it, as the section itself computes for its first cause ($\hat{p}_c - 1 \approx -1$). The gradient that grows with the error "
        r"without bound is that of squared error with a linear output. Reading: the gradient in the logits or weights, which is what explodes; in deep "
        r"networks it is the product of the layers' Jacobians that makes it grow.",
        r"损失无上界，梯度却有界：$\|\partial L/\partial z\| = \|\hat{p} - e_c\| \le \sqrt{2}$，关于最后一层权重的梯度不超过 $\sqrt{2}\,\|x\|$。"
        r"发散的只是 $\partial L/\partial \hat{p}_c = -1/\hat{p}_c$，它与 Softmax 的导数相消；该节讨论第一种原因时自己也算出 "
        r"$\hat{p}_c - 1 \approx -1$。随误差无限增大的，是线性输出的平方误差的梯度。这里的梯度指关于 logit 或权重的梯度；深层网络中的梯度爆炸来自各层雅可比矩阵的连乘。",
    ),
    ranges={"gap": (0.0, 700.0), "classes": (2, 1000), "scale": (0.1, 1000.0)},
    random=True,
)
def unbounded(run: Run, gap: float = 10.0, classes: int = 10, scale: float = 100.0, form: str = "right") -> None:
    gaps = (10.0, 100.0, 1000.0)
    losses, slopes = sizes(gaps)
    for size, loss in zip(gaps, losses, strict=True):
        run.claim((f"wrong by a gap of {size:g}: loss", f"logit 差为 {size:g}：损失"), loss, equals=size, within=1e-4)
    text = ("the same: norm of the gradient, largest of the three", "同上：梯度范数，三者中最大")
    run.claim(text, slopes.max(), at_most=1.41422)
    growth = ("gradient at gap 1000 over that at gap 10", "差为 1000 与差为 10 时的梯度范数之比")
    if form == "printed":  # the gradient is as unbounded as the loss, which is 100 times larger
        run.claim(growth, slopes[2] / slopes[0], at_least=10)
    else:
        run.claim(growth, slopes[2] / slopes[0], equals=1, within=1e-4)
    for error, slope in zip(gaps, by_error(gaps), strict=True):
        run.claim(
            (rf"squared error $r^2/2$, linear output, $r = {error:g}$: gradient", rf"平方误差 $r^2/2$，线性输出，$r = {error:g}$：梯度"),
            slope, equals=error, within=1e-9,
        )  # fmt: skip
    in_p, in_z = by_probability(10.0)
    run.claim(
        (r"gap 10: $|\partial L/\partial \hat{p}_c|$, which is $1 + e^{10}$", r"差为 10：$|\partial L/\partial \hat{p}_c| = 1 + e^{10}$"),
        in_p, equals=1 + np.exp(10.0), relative=1e-9,
    )  # fmt: skip
    run.claim((r"after the softmax: $|\partial L/\partial z_c|$", r"经过 Softmax 后：$|\partial L/\partial z_c|$"),
              in_z, equals=0.9999546, within=5e-8)  # fmt: skip

    def worst(count: int, size: float) -> np.ndarray:
        """|dL/dW| / |x| of linear models with random weights of this size: (1000,)."""
        weight = mt.tensor(size * run.rng.normal(size=(1000, count, 5)), requires_grad=True)
        x = run.rng.normal(size=(1000, 5, 1))
        mt.cross_entropy((weight @ x).squeeze(2), run.rng.integers(0, count, 1000), reduction="sum").backward()
        slope: np.ndarray = np.asarray(weight.grad)
        return np.asarray(np.linalg.norm(slope, axis=(1, 2)) / np.linalg.norm(x, axis=(1, 2)))

    run.claim(
        (r"1000 random linear models, weights of size 100: largest $\|\partial L/\partial W\| / \|x\|$",
         r"1000 个随机线性模型，权重尺度 100：$\|\partial L/\partial W\| / \|x\|$ 的最大值"),
        worst(10, 100.0).max(), between=(1.3, BOUND + 1e-12),
    )  # fmt: skip
    sample = worst(classes, scale)

    def draw(left: Any, middle: Any, right: Any) -> None:
        reach = np.linspace(-10, max(20.0, 1.5 * gap), 300)
        loss, slope = sizes(reach)
        left.plot(reach, loss, label="cross-entropy")
        left.plot(reach, 0.5 * np.maximum(reach, 0) ** 2, "C1--", label=r"$r^2/2$, linear output")
        left.set(xlabel="gap of the logits, or error r", ylabel="loss", ylim=(0, 2 * reach[-1]))
        middle.plot(reach, slope, label="cross-entropy")
        middle.plot(reach, by_error(np.maximum(reach, 0)), "C1--", label=r"$r^2/2$, linear output")
        middle.axhline(BOUND, color="0.5", linestyle=":", label=r"$\sqrt{2}$")
        middle.axvline(gap, color="0.8", linewidth=0.8)
        middle.set(xlabel="gap of the logits, or error r", ylabel="norm of the output's gradient", ylim=(0, 6))
        right.hist(
            sample, bins=np.linspace(0, 1.5, 61), color="C0", alpha=0.8, label=f"{classes} classes, size {scale:g}"
        )
        right.axvline(BOUND, color="0.5", linestyle=":", label=r"$\sqrt{2}$")
        right.set(xlabel=r"$\|\partial L/\partial W\|$ over $\|x\|$", ylabel="random linear models", yscale="log")
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        (
            "Left: neither loss has an upper bound. Middle: the gradient of cross-entropy stays below $\\sqrt{2}$, that of squared "
            "error grows. Right: in the weights of random linear models",
            "左：两种损失都没有上界。中：交叉熵的梯度不超过 $\\sqrt{2}$，平方误差的梯度持续增大。右：随机线性模型关于权重的梯度",
        ),
        draw, (1, 3), (9.6, 3.8),
    )  # fmt: skip
