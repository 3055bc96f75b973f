"""Softmax and cross-entropy in floating point: as written, with a stable softmax, and fused (sections 4.1.6 and 4.2.4)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

import microtrain as mt

from ..entry import item
from ..losses_structure.fused_softmax import naive_softmax
from ..run import Run

Loss = Callable[[mt.Tensor, int], mt.Tensor]


def written(z: mt.Tensor, label: int) -> mt.Tensor:
    """Exponentials, their shares, the logarithm: as the definitions stand."""
    powers = z.exp()
    return -(powers / powers.sum())[label].log()


def shifted(z: mt.Tensor, label: int) -> mt.Tensor:
    """A softmax that takes the maximum out first, then the logarithm."""
    return -mt.softmax(z, -1)[label].log()


WAYS: dict[str, Loss] = {"as written": written, "stable softmax, then ln": shifted, "fused": mt.cross_entropy}


def value_and_gradient(way: Loss, z: Any, label: int) -> tuple[float, np.ndarray]:
    """Of one vector of logits, in its precision, without warnings."""
    at = mt.tensor(z, requires_grad=True)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        loss = way(at, label)
        return loss.item(), np.asarray(mt.grad(loss, [at])[0])


@item(
    "softmax-ce-natural-stability",
    kind="experiment",
    source="Chapter 4, section 4.1.6, first reason",
    title=("Is the pairing stable by nature?", "二者的组合天然稳定吗"),
    statement=(
        "First reason for the natural pairing: the softmax makes a valid output of any real vector, and cross-entropy behaves well numerically on "
        "probabilities.",
        "二者“天然组合”的第一条理由：Softmax 对任何实向量都给出有效输出，交叉熵在概率空间上有良好的数值性质。",
    ),
    verdict="holds with a condition",
    correction=(
        "True in exact arithmetic only. In floating point the composition as written gives NaN or infinities for logits of 1000; taking out the maximum "
        "is not enough, for once the probability underflows its logarithm is infinite and the gradient NaN. Earlier still, at logits (500, 0), the "
        "loss as written is right and its gradient silently wrong: 0 instead of 1. Stable is the fused form with log-sum-exp.",
        "仅在精确运算下成立。用浮点数按定义逐步计算，logit 到 1000 时得到 NaN 或无穷大；只减去最大值还不够：概率下溢后，对数为无穷大，"
        "梯度为 NaN。更早出错的是梯度：logit 为 (500, 0) 时，按定义算出的损失正确，梯度却是 0 而不是 1，且没有任何提示。稳定的是用 LogSumExp 融合计算的形式。",
    ),
    ranges={"m": (1.0, 2000.0), "dtype": ("float64", "float32")},
)
def natural_stability(run: Run, m: float = 1200.0, dtype: str = "float64") -> None:
    far = np.array([1000.0, 0.0, -1000.0])
    shares = naive_softmax(far)
    run.claim(("(1000, 0, -1000): the softmax as written is (NaN, 0, 0)", "(1000, 0, -1000)：按定义的 Softmax 为 (NaN, 0, 0)"),
              bool(np.isnan(shares[0]) and (shares[1:] == 0).all()))  # fmt: skip
    losses = {name: [value_and_gradient(way, far, k)[0] for k in range(3)] for name, way in WAYS.items()}
    run.claim(("its losses are NaN, infinite, infinite", "对应的损失为 NaN、无穷大、无穷大"),
              bool(np.isnan(losses["as written"][0]) and np.isposinf(losses["as written"][1:]).all()))  # fmt: skip
    for k, expected in enumerate((0.0, 1000.0, 2000.0)):
        run.claim(
            (f"(1000, 0, -1000), class {k + 1}: fused loss", f"(1000, 0, -1000)，类别 {k + 1}：融合计算的损失"),
            losses["fused"][k],
            equals=expected,
        )
    low = np.array([-1000.0, -1001.0, -1002.0])
    run.claim(("(-1000, -1001, -1002): all three losses as written are NaN", "(-1000, -1001, -1002)：按定义，三个损失都是 NaN"),
              bool(np.isnan([value_and_gradient(written, low, k)[0] for k in range(3)]).all()))  # fmt: skip
    for k, expected in enumerate((0.407606, 1.407606, 2.407606)):
        run.claim((f"(-1000, -1001, -1002), class {k + 1}: fused loss", f"(-1000, -1001, -1002)，类别 {k + 1}：融合计算的损失"), value_and_gradient(mt.cross_entropy, low, k)[0], equals=expected,
                  within=5e-7)  # fmt: skip
    edge = np.array([800.0, 0.0])
    value, slope = value_and_gradient(shifted, edge, 1)
    run.claim(
        ("(800, 0), class 2: stable softmax, then ln: infinite", "(800, 0)，类别 2：稳定的 Softmax 再取对数，为无穷大"),
        bool(np.isposinf(value)),
    )
    run.claim(("and its gradient (NaN, NaN)", "梯度为 (NaN, NaN)"), bool(np.isnan(slope).all()))
    value, slope = value_and_gradient(mt.cross_entropy, edge, 1)
    run.claim(("fused: the loss", "融合计算：损失"), value, equals=800)
    run.claim(
        ("fused: the gradient's distance from (1, -1)", "融合计算：梯度与 (1, -1) 之差"),
        np.abs(slope - (1, -1)).max(),
        equals=0,
    )
    value, slope = value_and_gradient(written, np.array([500.0, 0.0]), 1)
    run.claim(
        ("(500, 0), class 2: the loss as written is right", "(500, 0)，类别 2：按定义的损失正确"),
        value,
        equals=500,
        within=1e-9,
    )
    run.claim(
        (r"but $\partial L / \partial z_1$, which is 1, comes out as", r"但 $\partial L / \partial z_1$ 应为 1，算得"),
        slope[0],
        equals=0,
    )
    sizes = np.linspace(0, m, 241)
    curves = {
        name: [value_and_gradient(way, np.array([s, 0.0], dtype), 1) for s in sizes] for name, way in WAYS.items()
    }

    def draw(left: Any, right: Any) -> None:
        for (name, found), width, dash in zip(curves.items(), (6, 3, 1.2), ("-", "-", "k-"), strict=True):
            values = np.array([v for v, _ in found])
            slopes = np.array([g[0] for _, g in found])
            for ax, numbers in ((left, values), (right, slopes)):
                fine = np.isfinite(numbers)
                ax.plot(
                    sizes,
                    np.where(fine, numbers, np.nan),
                    dash,
                    linewidth=width,
                    alpha=0.5 if width > 2 else 1,
                    label=name,
                )
                if not fine.all():
                    ax.axvline(sizes[~fine][0], linestyle=":", color=ax.lines[-1].get_color())
        left.set(xlabel="m, of the logits (m, 0)", ylabel="loss of the second class", title=f"{dtype}: loss")
        right.set(xlabel="m, of the logits (m, 0)", ylabel=r"$\partial L / \partial z_1$", title="gradient")
        left.legend(fontsize="small")

    run.figure(
        ("The true loss is nearly m. Where a line ends (dotted), the value is infinite or NaN; only the fused form goes on.",
         "真实损失约为 m。线在何处中断（点线），此后的值就是无穷大或 NaN；只有融合形式继续有效。"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


@contextmanager
def watched_exp() -> Iterator[list[float]]:
    """Inside, every argument that NumPy's exp is called with goes into a list."""
    seen: list[float] = []
    own = np.exp

    def exp(x: Any, *args: Any, **kwargs: Any) -> Any:
        seen.extend(np.ravel(x).tolist())
        return own(x, *args, **kwargs)

    with mock.patch.object(np, "exp", exp):
        yield seen


@item(
    "fused-form-avoids-exp",
    kind="guidance",
    source="Chapter 4, section 4.1.6, after eq. 4.1.5; section 4.2.4, after eq. 4.2.10",
    title=(r"No $e^{z_i}$, but $C$ exponentials", r"不计算 $e^{z_i}$，但仍有 $C$ 个指数"),
    statement=(
        r"The fused computation never forms any $e^{z_i}$, which removes overflow at the root.",
        r"融合计算不显式计算任何 $e^{z_i}$，从源头上避免溢出。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Right as worded, for finite logits. But $C$ exponentials are still computed, of the shifted $z_j - M \le 0$. Beside the 1 of the largest logit, terms below "
        r"about $10^{-16}$ vanish, and a loss that small is rounded to 0, unless the other terms go through $\ln(1 + x)$. Infinite or NaN logits pass "
        "through, and the loss itself must be a representable number.",
        r"对有限的 logit，原话成立。但仍要算 $C$ 个指数，只是自变量为平移后的 $z_j - M \le 0$。最大项为 1，与它相加时约 $10^{-16}$ 以下的项被舍去，"
        r"同样小的损失因此变为 0，除非用 $\ln(1 + x)$ 处理其余各项。无穷大或 NaN 的 logit 会传播；损失值本身也必须能用浮点数表示。",
    ),
    ranges={"scale": (0.1, 500.0), "gap": (1.0, 100.0)},
    random=True,
)
def avoids_exp(run: Run, scale: float = 300.0, gap: float = 60.0) -> None:
    z = 100 * run.rng.normal(size=5)
    with watched_exp() as seen, mt.kernels.use("numpy"):  # a kernel's exponentials are not NumPy's
        mt.cross_entropy(mt.tensor(z), 2).item()
    run.claim(("exponentials of one loss with 5 logits", "5 个 logit 的一次损失计算中的指数个数"), len(seen), equals=5)
    run.claim(("largest argument", "最大的自变量"), max(seen), equals=0)
    run.claim(
        (r"arguments against $z_j - M$", r"自变量与 $z_j - M$ 之差"),
        np.abs(np.sort(seen) - np.sort(z - z.max())).max(),
        at_most=1e-12,
    )
    sizes = (1e3, 1e10, 1e100, 1e300)
    finite = [value_and_gradient(mt.cross_entropy, np.array([s, -s, 0.0]), 1) for s in sizes]
    run.claim(
        (r"logits up to $10^{300}$: loss over its true value $2s$", r"logit 大到 $10^{300}$：损失与真值 $2s$ 之比"),
        [value / (2 * s) for (value, _), s in zip(finite, sizes, strict=True)], equals=1, within=1e-12,
    )  # fmt: skip
    run.claim(("their gradients are finite", "梯度都有限"), bool(np.isfinite([g for _, g in finite]).all()))
    run.claim((r"logits $\pm 1.7 \cdot 10^{308}$: the loss, $3.4 \cdot 10^{308}$, is no float64", r"logit 为 $\pm 1.7 \cdot 10^{308}$：损失 $3.4 \cdot 10^{308}$ 超出 float64"),
              bool(np.isposinf(value_and_gradient(mt.cross_entropy, np.array([1.7e308, -1.7e308]), 1)[0])))  # fmt: skip
    small = value_and_gradient(mt.cross_entropy, np.array([0.0, -40.0]), 0)[0]
    run.claim(("(0, -40), class 1: the fused loss", "(0, -40)，类别 1：融合计算的损失"), small, equals=0)
    by_log1p = mt.binary_cross_entropy_with_logits(mt.tensor(40.0), mt.tensor(1.0)).item()
    run.claim(
        (r"its true value, by $\ln(1 + x)$", r"真值，由 $\ln(1 + x)$ 得到"), by_log1p, equals=4.248e-18, within=5e-22
    )
    logits = scale * run.rng.normal(size=2000)
    gaps = np.linspace(0, gap, 241)
    fused = np.asarray(
        mt.cross_entropy(mt.tensor(np.column_stack([gaps, 0 * gaps])), mt.tensor(np.zeros(241, int)), reduction="none")
    )
    careful = np.asarray(
        mt.binary_cross_entropy_with_logits(mt.tensor(gaps), mt.tensor(np.ones(241)), reduction="none")
    )

    def draw(left: Any, right: Any) -> None:
        low = float(np.min(logits - logits.max()))
        bins = np.linspace(low, max(0.0, float(logits.max())), 70)
        left.hist(logits, bins=bins, histtype="step", label=r"logits $z_j$")
        left.hist(logits - logits.max(), bins=bins, histtype="step", linestyle="--", label=r"what exp gets, $z_j - M$")
        if logits.max() > 709.78:
            left.axvspan(709.78, logits.max(), color="C3", alpha=0.2, label="exp overflows")
        if low < -745.13:
            left.axvspan(low, -745.13, color="0.5", alpha=0.2, label="exp is 0")
        left.set(xlabel="argument", ylabel="of 2000 logits", ylim=(0, 1.45 * left.get_ylim()[1]))  # the legend is above
        right.semilogy(gaps, careful, linewidth=4, alpha=0.4, label=r"with $\ln(1 + x)$")
        right.semilogy(gaps, np.where(fused > 0, fused, np.nan), "k", linewidth=1.2, label="fused; ends where it is 0")
        right.set(xlabel="g, of the logits (g, 0)", ylabel="loss of the first class")
        left.legend(fontsize="small", loc="upper center", ncols=2)
        right.legend(fontsize="small")

    run.figure(
        ("Left: shifted to 0 and below, no argument can overflow. Right: the price is that losses below the rounding of 1 become 0.",
         "左：平移到 0 及以下，任何自变量都不会溢出。右：代价是小于 1 的舍入误差的损失变为 0。"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip
