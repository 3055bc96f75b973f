"""Where small starts do not lead to the smallest nuclear norm: a matrix of two rows with one unknown entry."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .descent import descend
from .matrix_sensing import nuclear, recover, sensing
from .solution_sets import HIDDEN

MINIMUM = 2.0  # of the nuclear norm: the unknown entry is 0, the singular values 1 and 1


def complete(factors: list[np.ndarray], steps: int, eta: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient descent on factors (K, 2, 2), with m12 = m21 = 1 and m22 = 0 observed and m11 left free.

    Returns the products (K, 2, 2), the losses (K,), and the products after each step (steps, K, 2, 2).
    """

    def product(*ws: mt.Tensor) -> mt.Tensor:
        out = ws[0]
        for w in ws[1:]:
            out = w @ out
        return out

    def loss(*ws: mt.Tensor) -> mt.Tensor:
        m = product(*ws)
        return 0.5 * ((m[..., 0, 1] - 1) ** 2 + (m[..., 1, 0] - 1) ** 2 + m[..., 1, 1] ** 2).sum()

    ends, seen = descend(loss, factors, eta, steps, product)
    m = ends[0]
    for w in ends[1:]:
        m = w @ m
    return m, 0.5 * ((m[..., 0, 1] - 1) ** 2 + (m[..., 1, 0] - 1) ** 2 + m[..., 1, 1] ** 2), np.asarray(seen)


@item(
    "implicit-bias-not-nuclear-norm",
    kind="experiment",
    source=f"{HIDDEN}, “equivalent to the smallest nuclear norm”",
    title=("Small weights and nuclear norm: no law", "小初始权重与核范数：并非定律"),
    statement=(
        r"Very small weights on a two-layer linear network are equivalent to choosing the perfect solution of smallest nuclear norm; the text "
        r"states it without conditions.",
        r"在两层线性网络上，从很小的权重出发等价于选择核范数最小的零损失解；原文未加任何条件。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"Observe $m_{12} = m_{21} = 1$, $m_{22} = 0$ and start both factors at $\epsilon I$: the sign of the determinant cannot change along the "
        r"path, so the loss can vanish only as $m_{11} \to \infty$ and the nuclear norm diverges, however small $\epsilon$. A generic tiny start misses the "
        r"minimum too, and shrinking it changes nothing. What small starts prefer is low rank; it agrees with the smallest nuclear norm "
        r"under conditions, such as many Gaussian measurements or commuting ones.",
        r"观测 $m_{12} = m_{21} = 1$、$m_{22} = 0$，两个因子都从 $\epsilon I$ 出发：行列式的符号沿轨迹不变，损失只有在 $m_{11} \to \infty$ 时才趋于零，"
        r"无论 $\epsilon$ 多小，核范数都发散。一般的小初始值同样达不到最小值，继续缩小也无济于事。小初始值偏好的是低秩；"
        r"在测量足够多（高斯测量）或可交换等条件下，它才与最小核范数一致。",
    ),
    ranges={"init": (1e-4, 0.5), "steps": (200, 4000)},
    random=True,
)
def not_nuclear_norm(run: Run, init: float = 1e-2, steps: int = 4000, form: str = "right") -> None:
    inits, one, flipped = np.array([0.1, 0.01, 0.001])[:, None, None], np.eye(2), np.diag([1.0, -1.0])
    m, losses, seen = complete([inits * one, inits * one], 10000)
    early, size = seen[999], nuclear(seen[999])
    for k, (start, corner, norm) in enumerate(
        zip((0.1, 0.01, 0.001), (7.86, 7.79, 7.71), (7.98, 7.91, 7.84), strict=True)
    ):
        name, name_zh = f"start {start} I, 1000 steps: ", f"从 {start} I 出发，1000 步："
        if form == "printed":  # the smallest nuclear norm is what comes out
            run.claim((f"{name}nuclear norm", f"{name_zh}核范数"), size[k], equals=MINIMUM, relative=0.01)
            continue
        run.claim((f"{name}$m_{{11}}$", f"{name_zh}$m_{{11}}$"), early[k, 0, 0], equals=corner, within=5e-3)
        run.claim(
            (f"{name}nuclear norm (minimum 2)", f"{name_zh}核范数（最小值为 2）"), size[k], equals=norm, within=5e-3
        )
    misfit = 0.5 * ((early[:, 0, 1] - 1) ** 2 + (early[:, 1, 0] - 1) ** 2 + early[:, 1, 1] ** 2)
    run.claim(("loss after 1000 steps", "1000 步后的损失"), misfit, between=(7.8e-3, 8.2e-3))
    run.claim(
        ("nuclear norm after 10000 steps: still growing", "10000 步后的核范数：仍在增长"),
        nuclear(m),
        equals=17.9,
        within=0.06,
    )
    run.claim(("loss after 10000 steps", "10000 步后的损失"), losses, equals=1.6e-3, within=5e-5)
    values = np.linalg.svd(m, compute_uv=False)
    run.claim(
        ("low rank instead: second singular value over the first", "实为低秩：第二奇异值与第一奇异值之比"),
        values[:, 1] / values[:, 0],
        at_most=0.01,
    )
    m, losses, _ = complete([inits * one, inits * flipped], 1000)
    run.claim((r"one sign flipped: $m_{11}$", r"翻转一个符号：$m_{11}$"), np.abs(m[:, 0, 0]), at_most=0.03)
    run.claim(("one sign flipped: nuclear norm", "翻转一个符号：核范数"), nuclear(m), at_most=2.01)
    run.claim(("one sign flipped: loss", "翻转一个符号：损失"), losses, at_most=1e-28)
    m, _, seen = complete([0.1 * one] * 3, 10000)
    run.claim(("three factors: nuclear norm after 1000 and 10000 steps", "三个因子：1000 步与 10000 步后的核范数"),
              [nuclear(seen[999]), nuclear(m)], at_least=5)  # fmt: skip

    generic = run.rng.standard_normal((2, 200, 2, 2))
    scales = np.array([1e-2, 1e-4, 1e-6])[:, None, None, None]
    m, losses, _ = complete([scales * generic[0], scales * generic[1]], 1000)
    found = nuclear(m)
    run.claim(
        ("200 generic starts of three sizes: loss", "200 个一般初始值（三种大小）：损失"),
        losses,
        at_most=1e-30 if run.seed == 0 else 1e-20,
    )
    if form == "printed":
        run.claim(("their median nuclear norm", "核范数的中位数"), np.median(found, 1), equals=MINIMUM, relative=0.01)
    else:
        run.claim(
            ("their median nuclear norm (minimum 2)", "核范数的中位数（最小值为 2）"),
            np.median(found, 1),
            at_least=2.03,
        )
    run.claim(
        ("from 0.01 to 0.000001 the medians agree to", "从 0.01 到 0.000001，中位数之差"),
        np.ptp(np.median(found, 1)),
        at_most=2e-3,
    )
    if run.seed == 0:
        up = np.linalg.det(generic[0]) * np.linalg.det(generic[1]) > 0
        for name, name_zh, value, expected, within in (
            ("median", "中位数", np.median(found, 1), 2.07, 0.005),
            (
                "median where the determinant is positive",
                "行列式为正时的中位数",
                np.median(found[:, up], 1),
                2.15,
                0.005,
            ),
            ("median where it is negative", "行列式为负时的中位数", np.median(found[:, ~up], 1), 2.06, 0.005),
            ("90 % quantile", "90% 分位数", np.quantile(found, 0.9, axis=1), 2.5, 0.06),
            ("largest", "最大值", found.max(1), 4.1, 0.06),
        ):
            run.claim((f"generic starts: {name}", f"一般初始值：{name_zh}"), value, equals=expected, within=within)
    few = sensing(8, 2, 30, [1], size=3.0)
    products, _, _ = recover(few, (0.1, 0.01, 0.001), 0.05, 60000)
    away = nuclear(products)[0]
    run.claim(
        ("8 x 8, rank 2, 30 measurements: smallest nuclear norm", "8 × 8，秩 2，30 次测量：最小核范数"),
        few.minima,
        equals=3.4985,
        within=5e-5,
    )
    for start, value, expected in zip((0.1, 0.01, 0.001), away, (3.6514, 3.7128, 3.7665), strict=True):
        run.claim((f"the same: found from {start}", f"同上：从 {start} 出发"), value, equals=expected, within=5e-5)
    run.claim(
        ("shrinking the start leads away from the minimum", "缩小初始值反而远离最小值"),
        bool((np.diff(away) > 0.02).all()),
    )
    both = [np.stack([init * one] * 2), np.stack([init * one, init * flipped])]
    _, _, course = complete(both, steps)
    middle = found[0]

    def draw(left: Any, right: Any) -> None:
        at = np.arange(1, steps + 1)
        for k, (name, colour) in enumerate((("determinant > 0", "#d1600f"), ("determinant < 0", "#1f5fa8"))):
            left.loglog(at, nuclear(course[:, k]), color=colour, label=name)
        left.axhline(MINIMUM, color="black", linestyle=":", label="smallest that fits")
        left.set(xlabel="step", ylabel="nuclear norm of the product", title=f"start {init:g} I", ylim=(0.1, 30))
        left.legend(fontsize="small", loc="upper left")
        right.hist(np.clip(middle, 2, 3), bins=40, color="#1f5fa8", alpha=0.8, label="200 generic starts of size 0.01")
        right.axvline(MINIMUM, color="black", linestyle=":", label="smallest that fits")
        right.axvline(np.median(middle), color="#d1600f", linestyle="--", label=f"median {np.median(middle):.3f}")
        right.set(xlabel="nuclear norm found (3 and more in the last bar)", ylabel="runs")
        right.legend(fontsize="small")

    run.figure(
        ("With a positive determinant the nuclear norm grows without bound; generic starts miss the minimum 2 as well",
         "行列式为正时核范数无界增长；一般初始值也达不到最小值 2"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
