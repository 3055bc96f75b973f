"""Squared error after a sigmoid: its gradient, and where it dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import binary_cross_entropy_with_logits, mse_loss

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run

LOSSES: dict[str, Callable[..., mt.Tensor]] = {
    "half_mse": lambda z, y: 0.5 * (mt.sigmoid(z) - y) ** 2,
    "bce": lambda z, y: binary_cross_entropy_with_logits(z, y, reduction="none"),
}
NAMES = {"half_mse": "squared error", "bce": "cross-entropy"}


def slopes(z: Any, y: float, loss: str) -> np.ndarray:
    """dL/dz for an array of logits and one label."""
    x = mt.tensor(np.array(z, float), requires_grad=True)
    LOSSES[loss](x, np.full(x.shape, y)).sum().backward()
    return np.asarray(x.grad)


def logit(p: Any) -> np.ndarray:
    """The z at which the sigmoid is p."""
    return np.asarray(mt.logit(mt.tensor(np.asarray(p, float))))


def sigmoid_slope(z: Any) -> np.ndarray:
    """The derivative of the sigmoid, by autodiff."""
    x = mt.tensor(np.array(z, float), requires_grad=True)
    mt.sigmoid(x).sum().backward()
    return np.asarray(x.grad)


@item(
    "sigmoid-mse-loss-and-gradient",
    kind="loss",
    source="Chapter 4, section 4.2.4, eq. 4.2.5 and eq. 4.2.6",
    title=("Squared error of a sigmoid unit", "Sigmoid 单元的平方误差"),
    statement=(
        r"$L = \frac{1}{2}(y - \sigma(w^\top x))^2$ has the gradient $-(y - \hat y)\, \sigma'(w^\top x)\, x$ with $\hat y = \sigma(w^\top x)$.",
        r"$L = \frac{1}{2}(y - \sigma(w^\top x))^2$ 的梯度为 $-(y - \hat y)\, \sigma'(w^\top x)\, x$，其中 $\hat y = \sigma(w^\top x)$。",
    ),
    verdict="holds",
    ranges={"weight": (-10.0, 10.0), "label": (0, 1)},
    random=True,
)
def sigmoid_mse(run: Run, weight: float = -3.0, label: int = 1) -> None:
    autodiff, differences = [], []
    for y in (0.0, 1.0):
        w, x = run.rng.standard_normal(5), run.rng.standard_normal(5)
        sample = mt.tensor(x)
        loss = analysis.objective(
            lambda v, s=sample, t=y: mse_loss(mt.sigmoid(v @ s).reshape(1), mt.tensor([t]), "half_sum"), w
        )
        found, predicted = loss.gradient(w), 1 / (1 + np.exp(-w @ x))
        formula = -(y - predicted) * predicted * (1 - predicted) * x
        moved = np.concatenate([w + 1e-6 * np.eye(5), w - 1e-6 * np.eye(5)])
        up, down = np.split(loss.values(moved), 2)
        autodiff.append(np.abs(found - formula).max())
        differences.append(np.abs(found - (up - down) / 2e-6).max())
    run.claim((r"random $w, x$ of 5 numbers, $y = 0, 1$: autodiff against the formula", r"随机的 5 维 $w, x$，$y = 0, 1$：自动微分与公式之差"),
              autodiff, at_most=1e-12)  # fmt: skip
    run.claim(
        ("the same: autodiff against central differences", "同上：自动微分与中心差分之差"), differences, at_most=1e-8
    )
    z = np.linspace(-8, 8, 201)
    alone = analysis.objective(lambda v: LOSSES["half_mse"](v, mt.tensor([float(label)])).sum(), np.array([weight]))
    here, slope = alone.value_and_gradient()
    bump = sigmoid_slope(z)

    def draw(left: Any, right: Any) -> None:
        left.plot(z, alone.values(z[:, None]), label=rf"$\frac{{1}}{{2}}({label} - \sigma(z))^2$")
        near = np.array([-2.5, 2.5])
        left.plot(weight + near, here + slope[0] * near, "C3--", label=f"tangent, slope {slope[0]:.3g}")
        left.plot(weight, here, "ko", markersize=5)
        left.set(xlabel="$z = w^\\top x$", ylabel="loss", ylim=(-0.05, 0.6))
        left.legend(fontsize="small")
        gradient = slopes(z, label, "half_mse")
        right.plot(z, label - 1 / (1 + np.exp(-z)), ":", label=r"error $y - \hat y$")
        right.plot(z, bump, "--", label=r"$\sigma'(z)$")
        right.plot(z, gradient, label=r"$dL/dz = -(y - \hat y)\,\sigma'(z)$")
        right.axhline(0, color="0.6", linewidth=0.8)
        right.set(xlabel="$z = w^\\top x$", ylabel="error, slopes")
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left: the loss of one sample with $x = 1$. Right: its gradient is small where the error is small, and where $\sigma'$ is.",
            r"左：$x = 1$ 的单个样本的损失。右：误差小处梯度小，$\sigma'$ 小处梯度也小。",
        ),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


def climb(starts: Any, loss: str, eta: float, most: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """(weights over the steps, first step at which each prediction reaches the threshold; -1 if never) for x = y = 1."""
    begin = np.array(starts, float)
    walk = follow(descent(eta), lambda w: LOSSES[loss](w, mt.tensor(np.ones(len(begin)))).sum(), begin, most)
    there = walk >= logit(threshold)
    return walk, np.where(there.any(0), there.argmax(0), -1)


@item(
    "sigmoid-mse-saturation",
    kind="experiment",
    source="Chapter 4, section 4.2.4, after eq. 4.2.6",
    title=("Stuck while being wrong", "预测错误却停滞不前"),
    statement=(
        r"Where $\hat y$ is near 0 or 1 the factor $\hat y (1 - \hat y)$ makes the gradient of the squared error tiny, even if the error is "
        "large.",
        r"$\hat y$ 接近 0 或 1 时，因子 $\hat y (1 - \hat y)$ 使平方误差的梯度接近 0，即使误差很大。",
    ),
    verdict="holds",
    ranges={"start": (-12.0, 2.0), "eta": (0.1, 10.0)},
)
def saturation(run: Run, start: float = -5.0, eta: float = 1.0) -> None:
    starts = (-2.0, -5.0, -6.0, -10.0)
    rows: list[Any] = []
    taken = {"half_mse": climb(starts, "half_mse", 1.0, 22200, 0.9)[1], "bce": climb(starts, "bce", 1.0, 30, 0.9)[1]}
    for name, known in (("half_mse", (86, 238, 497, 22134)), ("bce", (12, 16, 17, 21))):
        for w, steps, expected in zip(starts, taken[name].tolist(), known, strict=True):
            run.claim(
                (rf"{NAMES[name]} from $w = {w:g}$: steps to $\hat y \ge 0.9$",
                 rf"{'平方误差' if name == 'half_mse' else '交叉熵'}，从 $w = {w:g}$ 出发：到 $\hat y \ge 0.9$ 的步数"),
                steps, equals=expected,
            )  # fmt: skip
    rows = [(w, a, b) for w, a, b in zip(starts, *(t.tolist() for t in taken.values()), strict=True)]
    run.table((r"Steps to $\hat y \ge 0.9$ for $x = y = 1$", r"$x = y = 1$ 时到 $\hat y \ge 0.9$ 的步数"),
              ("w at the start", "squared error", "cross-entropy"), rows)  # fmt: skip
    far = mt.tensor([-20.0], requires_grad=True)
    value = LOSSES["half_mse"](far, mt.tensor([1.0])).sum()
    value.backward()
    run.claim((r"$w = -20$: loss", r"$w = -20$：损失"), value.item(), equals=0.5, within=1e-8)
    run.claim(
        (r"$w = -20$: size of the gradient", r"$w = -20$：梯度的大小"),
        abs(float(np.asarray(far.grad)[0])),
        equals=2.1e-9,
        within=5e-11,
    )
    run.note(
        r"The text writes the factor $\sigma'(\hat y)$. It is $\sigma'(z)$ at $z = w^\top x$, which equals $\hat y (1 - \hat y)$.",
        r"原文将该因子写作 $\sigma'(\hat y)$，应为 $\sigma'(z)$，$z = w^\top x$，其值为 $\hat y (1 - \hat y)$。",
    )
    most = 1000
    walks = {name: climb([start], name, eta, most, 0.9)[0][:, 0] for name in LOSSES}
    frames = np.unique(np.concatenate([[0], np.geomspace(1, most, 44).astype(int)]))
    z = np.linspace(min(-8, start - 1), 8, 201)
    curves = {name: np.asarray(f(mt.tensor(z), np.ones(201))) for name, f in LOSSES.items()}

    def draw(left: Any, right: Any) -> Any:
        dots, lines = {}, {}
        for name, colour in zip(LOSSES, ("#d1600f", "#1f5fa8"), strict=True):
            left.plot(z, curves[name], color=colour, label=NAMES[name])
            (dots[name],) = left.plot([], [], "o", color=colour, markersize=8, markeredgecolor="black")
            (lines[name],) = right.plot([], [], color=colour, label=NAMES[name])
        left.set(xlabel="$w$", ylabel="loss, $x = y = 1$", ylim=(-0.2, min(6.5, curves["bce"].max())))
        right.axhline(0.9, color="0.6", linewidth=0.8)
        right.set(xlabel="step", ylabel=r"prediction $\hat y$", xscale="symlog", xlim=(0, most), ylim=(-0.03, 1.03))
        title = left.set_title("")
        left.legend(fontsize="small")
        right.legend(fontsize="small", loc="upper left")

        def show(k: int) -> None:
            step = int(frames[k])
            title.set_text(f"step {step}")
            for name, walk in walks.items():
                w = walk[step]
                dots[name].set_data([w], [float(LOSSES[name](mt.tensor([w]), np.ones(1)).item())])
                lines[name].set_data(np.arange(step + 1), 1 / (1 + np.exp(-walk[: step + 1])))

        return show

    run.figure(
        (
            "Gradient descent on both losses from the same weight. Left: where it is on each curve. Right: the prediction over the steps.",
            "从同一权重出发，对两种损失做梯度下降。左：在各曲线上的位置。右：预测值随步数的变化。",
        ),
        draw, (1, 2), (9.6, 4.0), frames=len(frames),
    )  # fmt: skip


PREDICTIONS = (1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99)


@item(
    "saturation-example-099",
    kind="experiment",
    source="Chapter 4, section 4.2.4, the worked example after eq. 4.2.6",
    title=("The example of saturation is one of success", "饱和的例子其实预测正确"),
    statement=(
        r"An example is given of a gradient near 0 in spite of a large error: label 1, prediction 0.99, hence an error of 0.01 and "
        r"$\sigma'(0.99) \approx 0.01 \times 0.99 \approx 0.01$.",
        r"书中举例说明误差很大而梯度接近 0：标签为 1，预测为 0.99，误差为 0.01，$\sigma'(0.99) \approx 0.01 \times 0.99 \approx 0.01$。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The arithmetic is right, the example is not one: 0.99 for label 1 is nearly correct, and a small gradient ($9.9 \cdot 10^{-5}$) is "
        r"welcome. The harmful case is confidence in the wrong class: label 1, prediction 0.01, where squared error gives 0.0098 and "
        r"cross-entropy 0.99. And $\sigma'$ is to be taken at $z = 4.595$, where $\hat y = 0.99$; $\sigma'(0.99)$ is 0.1975.",
        r"计算没有错，但例子不对：标签为 1 而预测为 0.99，几乎完全正确，梯度小（$9.9 \cdot 10^{-5}$）正合适。"
        r"有害的是自信地预测错误：标签为 1，预测为 0.01，此时平方误差的梯度只有 0.0098，交叉熵为 0.99。"
        r"另外，$\sigma'$ 应取在 $z = 4.595$ 处（该处 $\hat y = 0.99$），而 $\sigma'(0.99)$ 等于 0.1975。",
    ),
    ranges={"prediction": (1e-6, 0.999999)},
)
def example(run: Run, prediction: float = 0.01, form: str = "right") -> None:
    chosen = 0.99 if form == "printed" else 0.01
    run.claim(
        ("error of the example, which is cross-entropy's $|dL/dz|$", "例子中的误差，即交叉熵的 $|dL/dz|$"),
        abs(float(slopes(logit(chosen), 1.0, "bce"))), at_least=0.9,
    )  # fmt: skip
    place = np.asarray(0.99) if form == "printed" else logit(0.99)
    run.claim((r"slope of the sigmoid where $\hat y = 0.99$", r"$\hat y = 0.99$ 处 Sigmoid 的导数"), sigmoid_slope(place), equals=0.0099,
              within=5e-7)  # fmt: skip
    run.claim((r"that place, $z$", r"该处的 $z$"), logit(0.99), equals=4.595, within=5e-4)
    run.claim(
        (r"$\sigma'(0.99)$, taken literally", r"按字面计算的 $\sigma'(0.99)$"),
        sigmoid_slope(0.99),
        equals=0.197519,
        within=5e-7,
    )
    z = logit(PREDICTIONS)
    squared, entropy = np.abs(slopes(z, 1.0, "half_mse")), np.abs(slopes(z, 1.0, "bce"))
    for p, name, values, known, within in (
        (0.99, "half_mse", squared, 9.9e-5, 5e-7), (0.99, "bce", entropy, 0.01, 1e-9),
        (0.01, "half_mse", squared, 0.009801, 5e-9), (0.01, "bce", entropy, 0.99, 1e-9),
        (1e-6, "half_mse", squared, 1e-6, 5e-9), (1e-6, "bce", entropy, 1, 5e-6),
    ):  # fmt: skip
        run.claim(
            (rf"$\hat y = {p:g}$, {NAMES[name]}: $|dL/dz|$",
             rf"$\hat y = {p:g}$，{'平方误差' if name == 'half_mse' else '交叉熵'}：$|dL/dz|$"),
            values[PREDICTIONS.index(p)], equals=known, within=within,
        )  # fmt: skip
    ratio = entropy / squared
    run.claim(
        (r"$\hat y = 0.01$: ratio of the two", r"$\hat y = 0.01$：两者之比"), ratio[2], equals=101.01, within=0.005
    )
    run.claim(
        (r"$\hat y = 10^{-6}$: ratio of the two", r"$\hat y = 10^{-6}$：两者之比"), ratio[0], equals=1e6, relative=1e-4
    )
    rows = list(zip(PREDICTIONS, z.tolist(), squared.tolist(), entropy.tolist(), ratio.tolist(), strict=True))
    run.table(("Label 1", "标签为 1"), ("prediction", "z", "squared error", "cross-entropy", "ratio"), rows)
    grid = 1 / (1 + np.exp(-np.linspace(-14.2, 8.4, 200)))
    curves = {name: np.abs(slopes(logit(grid), 1.0, name)) for name in LOSSES}
    here = {name: abs(float(slopes(logit(prediction), 1.0, name))) for name in LOSSES}

    def draw(ax: Any) -> None:
        for (name, values), colour in zip(curves.items(), ("#d1600f", "#1f5fa8"), strict=True):
            ax.semilogy(grid, values, color=colour, label=NAMES[name])
            ax.plot(prediction, here[name], "s", color=colour, markersize=7)
        ax.set_xscale("logit")
        ticks = (1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
        ax.set_xticks(ticks, [f"{p:g}" for p in ticks])
        ax.tick_params(axis="x", which="minor", labelbottom=False)
        ax.axvspan(5e-7, 0.5, color="#d1600f", alpha=0.1, label="the wrong class")
        for at, name in ((0.99, "the book's example:\nnearly right"), (0.01, "confidently wrong")):
            ax.axvline(at, color="0.4", linestyle=":", linewidth=1)
            ax.annotate(name, (at, 3e-5), xytext=(-4, 0), textcoords="offset points", ha="right", fontsize=8)
        ax.set(xlabel=r"prediction $\hat y$, label 1", ylabel="$|dL/dz|$", xlim=(5e-7, 0.9998), ylim=(1e-9, 4))
        ax.legend(fontsize="small", loc="lower left")

    run.figure(
        (
            "Gradients over the prediction. Towards the left, where it is more and more wrong, that of the squared error falls again.",
            "梯度随预测值的变化。越往左预测越错，平方误差的梯度反而下降。",
        ),
        draw, size=(6.5, 4.4),
    )  # fmt: skip
