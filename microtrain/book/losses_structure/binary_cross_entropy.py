"""Binary cross-entropy and -ln p: the losses, and where computing them as they are written ends."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy

from ..entry import item
from ..run import Run
from .saturation import slopes


def step_by_step(z: Any, dtype: str) -> np.ndarray:
    """-ln(1 - sigmoid(z)), the loss of label 0, as it is written; without warnings of infinities."""
    # by NumPy: a kernel rounds the sigmoid once, not three times, and is finite one z further
    with np.errstate(all="ignore"), mt.kernels.use("numpy"):
        return np.asarray(-(1 - mt.sigmoid(mt.tensor(np.array(z, dtype)))).log())


@item(
    "binary-cross-entropy",
    kind="loss",
    source="Chapter 4, section 4.2.4, eq. 4.2.7 and eq. 4.2.8",
    title=("Binary cross-entropy", "二元交叉熵"),
    statement=(
        r"$L = -[y \log \hat y + (1 - y) \log(1 - \hat y)]$ with $\hat y = \sigma(w^\top x)$ has the gradient $(\hat y - y)\, x$: the sigmoid's "
        "derivative does not occur in it.",
        r"$L = -[y \log \hat y + (1 - y) \log(1 - \hat y)]$，其中 $\hat y = \sigma(w^\top x)$，其梯度为 $(\hat y - y)\, x$，"
        r"不含 Sigmoid 的导数。",
    ),
    verdict="holds",
    ranges={"target": (0.0, 1.0), "dtype": ("float16", "float32", "float64")},
    random=True,
)
def binary(run: Run, target: float = 0.3, dtype: str = "float32") -> None:
    w, x = mt.tensor(run.rng.standard_normal(5), requires_grad=True), run.rng.standard_normal((20, 5))
    y = run.rng.random(20).round(run.seed % 3)  # labels, and targets in between
    logits = mt.tensor(x) @ w
    binary_cross_entropy_with_logits(logits, y, reduction="sum").backward()
    predicted = 1 / (1 + np.exp(-x @ np.asarray(w.detach())))
    run.claim(
        (r"20 samples: autodiff against $\sum (\hat y - y)\, x$", r"20 个样本：自动微分与 $\sum (\hat y - y)\, x$ 之差"),
        np.abs(np.asarray(w.grad) - (predicted - y) @ x).max(), at_most=1e-12,
    )  # fmt: skip
    given = binary_cross_entropy(mt.sigmoid(logits.detach()), y, reduction="none")
    direct = binary_cross_entropy_with_logits(logits.detach(), y, reduction="none")
    run.claim(
        ("from probabilities or from logits: difference of the losses", "由概率计算与由 logit 计算：损失之差"),
        np.abs(np.asarray(given) - np.asarray(direct)).max(), at_most=1e-9,
    )  # fmt: skip
    for kind, edge in (("float64", 37), ("float32", 17)):
        found = step_by_step([edge - 1, edge], kind)
        run.claim(
            (rf"{kind}: $-\ln(1 - \sigma(z))$ is finite at $z = {edge - 1}$ and infinite at {edge}",
             rf"{kind}：$-\ln(1 - \sigma(z))$ 在 $z = {edge - 1}$ 处有限，在 {edge} 处为无穷"),
            bool(np.isfinite(found[0]) and np.isinf(found[1])),
        )  # fmt: skip
    run.claim(
        (r"$z = 40$, $y = 0$, step by step: infinite", r"$z = 40$，$y = 0$，分步计算：无穷"),
        bool(np.isinf(step_by_step([40], "float64")[0])),
    )
    stable = binary_cross_entropy_with_logits(mt.tensor([40.0]), np.zeros(1)).item()
    run.claim(
        (r"$z = 40$, $y = 0$, from the logit", r"$z = 40$，$y = 0$，由 logit 计算"), stable, equals=40, within=1e-12
    )
    far = mt.tensor([-800.0], requires_grad=True)
    loss = binary_cross_entropy_with_logits(far, np.ones(1))
    loss.backward()
    run.claim((r"$z = -800$, $y = 1$: loss", r"$z = -800$，$y = 1$：损失"), loss.item(), equals=800, within=1e-12)
    run.claim(
        (r"$z = -800$, $y = 1$: gradient", r"$z = -800$，$y = 1$：梯度"),
        float(np.asarray(far.grad)[0]),
        equals=-1,
        within=1e-12,
    )
    z = np.linspace(-6, 6, 241)
    grid = np.linspace(0, 50, 501)
    written = step_by_step(grid, dtype).astype(float)
    fused = np.asarray(
        binary_cross_entropy_with_logits(mt.tensor(grid.astype(dtype)), np.zeros(501, dtype), reduction="none")
    )

    def draw(left: Any, middle: Any, right: Any) -> None:
        for t, dash in zip(sorted({0.0, 1.0, target}), ("-", "--", "-."), strict=False):
            values = binary_cross_entropy_with_logits(mt.tensor(z), np.full(241, t), reduction="none")
            left.plot(z, np.asarray(values), dash, label=f"$y = {t:g}$")
            middle.plot(z, slopes(z, t, "bce"), dash, label=rf"$y = {t:g}$")
        left.set(xlabel="$z$", ylabel="loss")
        middle.axhline(0, color="0.6", linewidth=0.8)
        middle.set(xlabel="$z$", ylabel=r"$dL/dz = \hat y - y$")
        right.plot(grid, fused, label="from the logit")
        right.plot(grid, np.where(np.isfinite(written), written, np.nan), "C3--", label=r"$-\ln(1 - \sigma(z))$")
        broken = grid[~np.isfinite(written)]
        if len(broken):
            right.axvspan(broken[0], 50, color="#b02a3a", alpha=0.12, label="infinite")
        right.set(xlabel="$z$", ylabel="loss, $y = 0$", title=dtype)
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        (
            "Left and middle: the loss and its derivative, bounded by 1. Right: the loss computed as it is written, and from the logit.",
            "左、中：损失及其导数，导数的绝对值不超过 1。右：按定义分步计算与由 logit 计算。",
        ),
        draw, (1, 3), (9.6, 3.8),
    )  # fmt: skip


def by_gap(gaps: Any, dtype: str = "float64", fused: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """-ln softmax(z)_0 for logits z = (-gap, 0), fused or operation by operation: losses (K,), gradients (K, 2)."""
    z = mt.tensor(np.stack([-np.asarray(gaps, float), np.zeros(len(gaps))], 1).astype(dtype), requires_grad=True)
    with np.errstate(all="ignore"):
        if fused:
            losses = cross_entropy(z, np.zeros(len(gaps), int), reduction="none")
        else:
            losses = -mt.softmax(z, 1)[:, 0].log()
        losses.sum().backward()
    return np.asarray(losses.detach(), float), np.asarray(z.grad, float)


@item(
    "log-loss-blow-up",
    kind="theorem",
    source="Chapter 4, section 4.2.4, first cause of exploding gradients",
    title=("An infinite loss with a moderate gradient", "损失趋于无穷，梯度却不大"),
    statement=(
        r"$L = -\log \hat p_c$ goes to infinity as $\hat p_c \to 0$, while $\partial L/\partial z_c = \hat p_c - 1 \approx -1$ stays moderate. What "
        r"makes the gradient unstable is that $\hat p_c$ underflows.",
        r"$\hat p_c \to 0$ 时 $L = -\log \hat p_c$ 趋于无穷，而 $\partial L/\partial z_c = \hat p_c - 1 \approx -1$ 并不大。"
        r"使梯度计算不稳定的是 $\hat p_c$ 的下溢。",
    ),
    verdict="holds",
    ranges={"reach": (50.0, 2000.0)},
)
def blow_up(run: Run, reach: float = 1000.0) -> None:
    gaps = np.arange(0.0, 1001.0)
    for dtype, last, sound in (("float32", 103, 88), ("float64", 745, 709)):
        losses, slope = by_gap(gaps, dtype, True)
        run.claim(
            (f"{dtype}, fused: loss at a gap of 800", f"{dtype}，融合计算：差为 800 时的损失"),
            losses[800],
            equals=800,
            within=1e-4,
        )
        run.claim(
            (f"{dtype}, fused, gaps of 20 to 1000: gradient", f"{dtype}，融合计算，差为 20～1000：梯度"),
            slope[20:, 0],
            equals=-1,
            within=1e-6,
        )
        composed, broken = by_gap(gaps, dtype, False)
        first = int(np.flatnonzero(~np.isfinite(composed))[0])
        run.claim(
            (f"{dtype}, step by step: the last gap with a finite loss", f"{dtype}，分步计算：损失有限的最大差值"),
            first - 1,
            equals=last,
        )
        run.claim(
            (f"{dtype}, step by step: the last gap with a gradient that is a number", f"{dtype}，分步计算：梯度不是 NaN 的最大差值"),
            int(np.flatnonzero(np.isnan(broken[:, 0]))[0]) - 1, equals=sound,
        )  # fmt: skip
        run.claim(
            (f"{dtype}, step by step: beyond it every gradient is NaN", f"{dtype}，分步计算：超过它后梯度全为 NaN"),
            bool(np.isnan(broken[sound + 1 :, 0]).all()),
        )  # fmt: skip
    run.note(
        r"Step by step the gradient is lost before the loss is: $1/\hat p_c$ overflows while $\hat p_c$ is still a subnormal number.",
        r"分步计算时，梯度比损失更早失效：$\hat p_c$ 还是非规格化数时，$1/\hat p_c$ 就已溢出。",
    )
    p = mt.tensor(1e-8, requires_grad=True)
    (-p.log()).backward()
    run.claim((r"$\hat p_c = 10^{-8}$: $\partial L/\partial \hat p_c$", r"$\hat p_c = 10^{-8}$：$\partial L/\partial \hat p_c$"),
              float(np.asarray(p.grad)), equals=-1e8, relative=1e-12)  # fmt: skip
    shown = np.linspace(0, reach, 801)
    curves = {
        "fused": by_gap(shown, "float64", True), "float32, step by step": by_gap(shown, "float32", False),
        "float64, step by step": by_gap(shown, "float64", False),
    }  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        for (name, (losses, slope)), style in zip(curves.items(), ("k-", "C3", "C0"), strict=True):
            known = np.isfinite(losses)
            width = 1.0 if name == "fused" else 3.5
            left.plot(
                shown[known], losses[known], style, linewidth=width, alpha=1 if name == "fused" else 0.6, label=name
            )
            right.plot(
                shown,
                -slope[:, 0],
                style,
                linewidth=width,
                alpha=1 if name == "fused" else 0.6,
                label=rf"$|dL/dz_c|$, {name}",
            )
            if not known.all():
                left.plot(shown[known][-1], losses[known][-1], "x", color="black", markersize=9, markeredgewidth=2)
                left.annotate(
                    "then infinite",
                    (shown[known][-1], losses[known][-1]),
                    xytext=(8, -12),
                    textcoords="offset points",
                    fontsize=8,
                )
        left.set(xlabel="gap: how much lower the right logit is", ylabel="loss")
        near = np.linspace(1, 105, 200)
        right.plot(near, np.exp(near), "C2:", label=r"$|dL/d\hat p_c| = 1/\hat p_c$")
        right.set(
            xlabel="gap", ylabel="size of the gradient", xscale="log", yscale="log", xlim=(1, reach), ylim=(0.1, 1e45)
        )
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        (
            "Left: the loss grows like the gap; step by step it ends where the probability underflows (crosses). Right: the gradient in the "
            "logit stays at 1, that in the probability explodes.",
            "左：损失随差值线性增长；分步计算在概率下溢处（叉号）中断。右：关于 logit 的梯度保持为 1，关于概率的梯度则爆炸。",
        ),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
