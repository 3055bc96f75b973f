"""Softmax and cross-entropy at the edge of floating point: overflow, underflow, and the fused form that avoids both."""

from __future__ import annotations

import warnings
from decimal import Context, Decimal
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run

EXACT = Context(prec=50)
CHOICES = ("float64", "float32")


def exponential(x: Any, dtype: str) -> np.ndarray:
    """e^x in this precision, without warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return np.asarray(mt.tensor(np.asarray(x, dtype)).exp())


def limits(dtype: str) -> tuple[float, float]:
    """(ln of the largest number, ln of half the smallest): beyond them e^x is infinite, or 0."""
    info = np.finfo(dtype)
    return float(np.log(np.float64(info.max))), float(np.log(info.smallest_subnormal, dtype=np.float64) - np.log(2))


def digits_of(p: np.ndarray) -> np.ndarray:
    """log10, and NaN for 0: where a curve ends."""
    return np.asarray(np.log10(np.where(p > 0, p, np.nan).astype(float)))


def naive_softmax(z: Any, dtype: str = "float64") -> np.ndarray:
    """e^z / sum e^z over the last axis, as it is written."""
    powers = exponential(z, dtype)
    with np.errstate(all="ignore"):
        return np.asarray(powers / powers.sum(-1, keepdims=True))


@item(
    "softmax-overflow-underflow",
    kind="experiment",
    source="Chapter 4, section 4.2.4, before definition 4.2.3",
    title=("Where the softmax overflows", "Softmax 何时溢出"),
    statement=(
        r"In double precision $\exp(z_k)$ overflows for large $z_k$ and underflows to 0 for very negative ones, which makes the softmax "
        "as it is written unstable.",
        r"双精度下，$z_k$ 很大时 $\exp(z_k)$ 溢出，$z_k$ 为绝对值很大的负数时下溢为 0，因此按定义直接计算 Softmax 不稳定。",
    ),
    verdict="holds",
    ranges={"spread": (1.0, 2000.0), "dtype": CHOICES},
)
def overflow(run: Run, spread: float = 1000.0, dtype: str = "float64") -> None:
    edges = {"float64": (709.78, 709.79, -745.13, -745.14), "float32": (88.72, 88.73, -103.97, -103.98)}
    for kind, (large, too_large, small, too_small) in edges.items():
        finite, infinite, positive, zero = exponential((large, too_large, small, too_small), kind)
        run.claim((f"{kind}: exp({large}) is finite", f"{kind}：exp({large}) 有限"), bool(np.isfinite(finite)))
        run.claim(
            (f"{kind}: exp({too_large}) is infinite", f"{kind}：exp({too_large}) 为无穷大"), bool(np.isposinf(infinite))
        )
        run.claim((f"{kind}: exp({small}) is positive", f"{kind}：exp({small}) 为正"), bool(positive > 0))
        run.claim((f"{kind}: exp({too_small})", f"{kind}：exp({too_small})"), zero, equals=0)
        high, low = limits(kind)
        run.claim(
            (f"{kind}: ln of its largest number", f"{kind}：最大数的自然对数"),
            high,
            between=(large, too_large),
        )
        run.claim(
            (f"{kind}: ln of half its smallest number", f"{kind}：最小正数一半的自然对数"),
            low,
            between=(too_small, small),
        )
    far = (1000.0, 0.0, -1000.0)
    run.claim(("softmax(1000, 0, -1000) as it is written has a NaN", "按定义计算 softmax(1000, 0, -1000)，出现 NaN"),
              bool(np.isnan(naive_softmax(far)).any()))  # fmt: skip
    stable = np.asarray(mt.softmax(mt.tensor(far)))
    run.claim(("the stable softmax: distance from (1, 0, 0)", "稳定的 Softmax：与 (1, 0, 0) 之差"),
              np.abs(stable - (1, 0, 0)).max(), equals=0)  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        x = np.linspace(-800, 800, 4001)
        for kind, style in zip(CHOICES, ("-", "--"), strict=True):
            y = exponential(x, kind)
            shown = np.isfinite(y) & (y > 0)
            digits = np.log10(y[shown].astype(float))
            line = left.plot(x[shown], digits, style, linewidth=3 if kind == "float32" else 1.5, label=kind)[0]
            left.plot(x[shown][[0, -1]], digits[[0, -1]], "o", color=line.get_color(), markersize=5)
        left.set(xlabel="z", ylabel=r"$\log_{10} \exp(z)$", title="dots: beyond them 0, or infinite")
        sizes = np.linspace(0, spread, 600)
        z = np.stack([sizes, 0 * sizes, -sizes], 1)
        written = naive_softmax(z, dtype)
        stable_ = np.asarray(mt.softmax(mt.tensor(z.astype(dtype)), 1))
        for k, name in enumerate(("m", "0", "-m")):
            right.plot(sizes, digits_of(stable_[:, k]), color=f"C{k}", linewidth=4, alpha=0.3)
            right.plot(sizes, digits_of(written[:, k]), color=f"C{k}", label=f"as written, logit {name}")
        right.plot([], [], color="0.6", linewidth=4, alpha=0.5, label="stable")
        lost = np.isnan(written).any(1)
        if lost.any():
            right.axvspan(sizes[lost][0], spread, color="C3", alpha=0.12, label="as written: NaN")
        right.set(xlabel="m, of the logits (m, 0, -m)", ylabel=r"$\log_{10}$ of the probability", title=dtype)
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Left: where the exponential ends. Right: the softmax of (m, 0, -m), as written and with the maximum taken out",
         "左：指数函数可表示的范围。右：(m, 0, -m) 的 Softmax，按定义计算与先减去最大值"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


def exact_losses(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-ln softmax(z)[label] of rows of logits with 50 digits, rounded once."""
    rows = []
    for row, label in zip(z.tolist(), labels.tolist(), strict=True):
        right = Decimal(row[label])
        total = Decimal(0)
        for x in row:
            total = EXACT.add(total, EXACT.exp(EXACT.subtract(Decimal(x), right)))
        rows.append(float(EXACT.ln(total)))
    return np.array(rows)


def three_ways(z: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The losses of rows of logits in their own precision: by a softmax as written, and with M in two orders."""
    logits = mt.tensor(z)
    rows = np.arange(len(z))
    with np.errstate(all="ignore"):
        first = -np.log(naive_softmax(z, str(z.dtype))[rows, labels])
    return {
        "-ln of softmax as written": first,
        r"$(M + s) - z_c$": np.asarray(logits.logsumexp(1)) - z[rows, labels],
        r"$(M - z_c) + s$, fused": np.asarray(mt.cross_entropy(logits, mt.tensor(labels), reduction="none")),
    }


@item(
    "fused-ce-formula",
    kind="algorithm",
    source="Chapter 4, section 4.2.4, eq. 4.2.10",
    title=("Cross-entropy without a softmax", "不经过 Softmax 的交叉熵"),
    statement=(
        r"Frameworks compute softmax and cross-entropy in one: $L = -z_c + \log \sum_j \exp(z_j) = -z_c + M + \log \sum_j \exp(z_j - M)$ with "
        r"$M = \max_j z_j$. The probabilities are never formed.",
        r"框架把 Softmax 与交叉熵融合计算：$L = -z_c + \log \sum_j \exp(z_j) = -z_c + M + \log \sum_j \exp(z_j - M)$，"
        r"其中 $M = \max_j z_j$，不必先求出概率。",
    ),
    verdict="holds",
    ranges={"scale": (0.1, 1000.0), "offset": (0.0, 1e6), "rows": (100, 5000)},
    random=True,
)
def fused(run: Run, scale: float = 300.0, offset: float = 1e4, rows: int = 1000) -> None:
    z = mt.tensor([2.0, 1.0, 0.1])
    for label, number in enumerate((0.417030, 1.417030, 2.317030)):
        run.claim((f"logits (2, 1, 0.1), class {label}", f"logit 为 (2, 1, 0.1)，类别 {label}"),
                  mt.cross_entropy(z, label).item(), equals=number, within=5e-7)  # fmt: skip

    def errors(size: float, count: int) -> np.ndarray:
        logits, labels = size * run.rng.normal(size=(count, 10)), run.rng.integers(0, 10, count)
        exact = exact_losses(logits, labels)
        found = three_ways(logits, labels)
        return np.array([np.abs(losses - exact) / np.maximum(exact, 1e-3) for losses in found.values()])

    for size in (1.0, 30.0, 300.0):
        run.claim(
            (f"1000 rows of 10 logits of size {size:g}: worst error against 50 digits, in units of max(loss, 0.001)", f"1000 行、每行 10 个 logit，尺度 {size:g}：与 50 位结果的最大误差，以 max(损失, 0.001) 为单位"),
            errors(size, 1000)[2].max(), at_most=1e-12,
        )  # fmt: skip
    near = np.array([[1e4, 1e4 - 1]], np.float32)
    first, second = list(three_ways(near, np.array([0])).values())[1:]
    run.claim((r"float32, logits ($10^4$, $10^4 - 1$): $(M + s) - z_c$", r"float32，logit 为 ($10^4$, $10^4 - 1$)：$(M + s) - z_c$"),
              first, equals=0.313477, within=5e-7)  # fmt: skip
    run.claim((r"the same: $(M - z_c) + s$ (exact 0.3132617)", r"同上：$(M - z_c) + s$（精确值 0.3132617）"),
              second, equals=0.313262, within=5e-7)  # fmt: skip
    run.note(
        r"Equation 4.2.10 leaves the order of the additions open, and it matters: added to a large $M$ first, the logarithm loses "
        r"digits that are gone when $z_c$ is subtracted. $M - z_c$ must come first.",
        r"式 (4.2.10) 没有规定相加的次序，而次序有影响：先与很大的 $M$ 相加，对数项会丢失末几位，之后再减 $z_c$ 也无法恢复。应先算 $M - z_c$。",
    )
    shown = errors(scale, rows)
    names = list(three_ways(near, np.array([0])))
    shifts = np.geomspace(1, max(10.0, 10 * offset), 400)
    logits = np.stack([shifts, shifts - 1], 1).astype(np.float32)
    truth = exact_losses(logits.astype(float), np.zeros(400, int))
    curves = np.array(list(three_ways(logits, np.zeros(400, int)).values())) - truth

    def draw(left: Any, right: Any) -> None:
        for k, (name, curve) in enumerate(zip(names, curves, strict=True)):
            fine = np.isfinite(curve)
            left.loglog(shifts[fine], np.abs(curve[fine]) + 1e-10, ".", color=f"C{k}", markersize=3, label=name)
        left.axvline(offset, color="0.7", linewidth=0.8)
        left.axvline(limits("float32")[0], color="C0", linestyle=":", label="as written: NaN from here")
        left.set(xlabel="c, of the logits (c, c - 1)", ylabel="error of the loss in float32")
        for k, (name, row) in enumerate(zip(names, shown, strict=True)):
            lost = int((~np.isfinite(row)).sum())
            known = np.sort(np.clip(row[np.isfinite(row)], 1e-18, None))
            share = np.arange(1, len(known) + 1) / len(row)
            more = f" ({lost} lost)" if lost else ""
            right.semilogx(known, share, color=f"C{k}", linestyle=("-", "--", "-")[k], label=name + more)
        right.set(
            xlabel="relative error in float64", ylabel="share of rows below", title=f"random logits of size {scale:g}"
        )
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("The loss computed in three ways. Left: two large logits in single precision. Right: random logits in double precision",
         "用三种方式计算损失。左：单精度，两个很大的 logit。右：双精度，随机 logit"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
