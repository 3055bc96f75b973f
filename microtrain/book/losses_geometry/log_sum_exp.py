"""Cross-entropy from the logits (eq. 4.1.4), and the log-sum-exp trick (eq. 4.1.5)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .softmax import Z, softmax


def naive_log_sum_exp(z: Any) -> np.ndarray:
    """ln sum e^z of rows, as it is written."""
    with np.errstate(all="ignore"):
        return np.asarray(mt.tensor(z).exp().sum(-1).log())


def log_sum_exp(z: Any) -> np.ndarray:
    """ln sum e^z of rows."""
    return np.asarray(mt.tensor(z).logsumexp(-1))


@item(
    "ce-in-logits",
    kind="theorem",
    source="Chapter 4, section 4.1.6, eq. 4.1.4",
    title=("Cross-entropy without probabilities", "用 logit 表示的交叉熵"),
    statement=(
        r"$-\ln \hat p_c = -\ln(e^{z_c} / \sum_j e^{z_j}) = -(z_c - \ln \sum_j e^{z_j})$: the loss is the log-sum-exp less the logit of the "
        "true class.",
        r"$-\ln \hat p_c = -\ln(e^{z_c} / \sum_j e^{z_j}) = -(z_c - \ln \sum_j e^{z_j})$：损失等于 LogSumExp 减去真实类别的 logit。",
    ),
    verdict="holds",
    ranges={"z2": (-5.0, 5.0), "z3": (-5.0, 5.0)},
    random=True,
)
def ce_in_logits(run: Run, z2: float = 1.0, z3: float = 0.1) -> None:
    z = np.array(Z)
    for k, expected in enumerate((0.417030, 1.417030, 2.317030)):
        run.claim((f"(2, 1, 0.1), class {k + 1}: log-sum-exp less logit", f"(2, 1, 0.1)，类别 {k + 1}：LogSumExp 减 logit"),
                  float(log_sum_exp(z)) - z[k], equals=expected, within=1e-6)  # fmt: skip
    many, labels = 3 * run.rng.normal(size=(1000, 6)), run.rng.integers(0, 6, 1000)
    rows = np.arange(1000)
    short = log_sum_exp(many) - many[rows, labels]
    run.claim((r"1000 random cases: against $-\ln \operatorname{softmax}(z)_c$", r"1000 个随机例子：与 $-\ln \operatorname{softmax}(z)_c$ 之差"),
              np.abs(short + np.log(softmax(many)[rows, labels])).max(), at_most=1e-12)  # fmt: skip
    run.claim(("against the fused loss", "与融合计算之差"),
              np.abs(short - np.asarray(mt.cross_entropy(mt.tensor(many), mt.tensor(labels), reduction="none"))).max(), at_most=1e-12)  # fmt: skip
    grid = np.linspace(-6, 8, 141)
    swept = np.column_stack([grid, np.full(141, z2), np.full(141, z3)])
    total, rest = log_sum_exp(swept), float(log_sum_exp([z2, z3]))

    def draw(ax: Any) -> None:
        ax.plot(grid, total, label=r"$\ln \sum_j e^{z_j}$")
        ax.plot(grid, grid, "--", color="0.5", label="$z_1$")
        ax.plot(grid, total - grid, color="C3", linewidth=2, label="their difference: the loss of class 1")
        ax.plot(grid, rest - grid, ":", color="C3", label="far left: a straight line of slope -1")
        ax.set(xlabel="$z_1$", ylabel="value", ylim=(-2, 8), title=f"$z_2$ = {z2:g}, $z_3$ = {z3:g}")
        ax.legend(fontsize="small")

    run.figure(("Where the other logits win, the loss grows like $-z_1$; where $z_1$ wins, it vanishes.",
                "其他 logit 占优时，损失按 $-z_1$ 线性增长；$z_1$ 占优时，损失趋于零。"), draw)  # fmt: skip


@item(
    "logsumexp-trick",
    kind="function",
    source="Chapter 4, section 4.1.6, eq. 4.1.5; section 4.2.4, Definition 4.2.3 and eq. 4.2.9",
    title=("The log-sum-exp trick", "LogSumExp 技巧"),
    statement=(
        r"$\ln \sum_j e^{z_j} = M + \ln \sum_j e^{z_j - M}$ with $M = \max_j z_j$, which can be computed without overflow.",
        r"$\ln \sum_j e^{z_j} = M + \ln \sum_j e^{z_j - M}$，其中 $M = \max_j z_j$，计算时不会溢出。",
    ),
    verdict="holds",
    ranges={"shift": (-2000.0, 2000.0), "classes": (2, 100)},
    random=True,
)
def trick(run: Run, shift: float = 1000.0, classes: int = 2) -> None:
    run.claim(("(1000, 1001)",) * 2, float(log_sum_exp([1000.0, 1001.0])), equals=1001.313262, within=5e-7)
    run.claim(
        ("(1000, 1001) as written: infinite", "(1000, 1001) 按定义计算：无穷大"),
        bool(np.isposinf(naive_log_sum_exp([1000.0, 1001.0]))),
    )
    run.claim(("(-1000, -1001)",) * 2, float(log_sum_exp([-1000.0, -1001.0])), equals=-999.686738, within=5e-7)
    run.claim(("(-1000, -1001) as written: minus infinity", "(-1000, -1001) 按定义计算：负无穷大"),
              bool(np.isneginf(naive_log_sum_exp([-1000.0, -1001.0]))))  # fmt: skip
    z = 5 * run.rng.normal(size=(1000, 7))
    values, top = log_sum_exp(z), z.max(1)
    run.claim((r"above $\max z$ by at least", r"比 $\max z$ 至少大"), values - top, at_least=0)
    run.claim(
        (r"below $\max z + \ln C$ by at least", r"比 $\max z + \ln C$ 至少小"), top + np.log(7) - values, at_least=0
    )
    at = mt.tensor(z, requires_grad=True)
    (slope,) = mt.grad(at.logsumexp(-1).sum(), [at])
    run.claim(
        ("gradient against the softmax", "梯度与 Softmax 之差"),
        np.abs(np.asarray(slope) - softmax(z)).max(),
        at_most=1e-12,
    )
    run.claim(
        (r"$LSE(z + a) - LSE(z) - a$, $a = 100$", r"$LSE(z + a) - LSE(z) - a$，$a = 100$"),
        log_sum_exp(z + 100) - values - 100,
        equals=0,
        within=1e-12,
    )
    run.claim((r"$-\infty$ among the logits counts for nothing: difference", r"logit 中的 $-\infty$ 不起作用：差值"),
              float(log_sum_exp([2.0, -np.inf, 1.0]) - log_sum_exp([2.0, 1.0])), equals=0)  # fmt: skip
    run.claim((r"all logits $-\infty$: the result is $-\infty$, not NaN", r"所有 logit 都为 $-\infty$：结果为 $-\infty$ 而不是 NaN"),
              bool(np.isneginf(log_sum_exp([-np.inf, -np.inf]))))  # fmt: skip
    large = run.rng.normal(size=(300, 1000))
    run.claim(("rows of a large matrix at once (compiled kernel) against one by one", "大矩阵一次算出（编译内核）与逐行计算之差"),
              np.abs(log_sum_exp(large) - [float(log_sum_exp(row)) for row in large]).max(), at_most=1e-12)  # fmt: skip
    shifts = np.linspace(-2000, 2000, 801)
    moved = shifts[:, None] + np.array([0.0, 1.0])
    naive = naive_log_sum_exp(moved) - shifts
    x = np.linspace(-6, 6, 121)
    bump = np.column_stack([x, np.zeros((121, classes - 1))])

    def draw(left: Any, right: Any) -> None:
        left.plot(shifts, log_sum_exp(moved) - shifts, linewidth=4, alpha=0.4, label="with the trick")
        left.plot(
            shifts,
            np.where(np.isfinite(naive), naive, np.nan),
            "k",
            linewidth=1.2,
            label="as written, ends where it is infinite",
        )
        left.axvline(shift, color="0.7", linewidth=0.8)
        left.set(xlabel="a", ylabel="LSE(a, a + 1) - a", ylim=(1.0, 1.6))
        right.plot(x, log_sum_exp(bump), label="log-sum-exp")
        right.plot(x, bump.max(1), "--", color="0.4", label="max")
        right.plot(x, bump.max(1) + np.log(classes), ":", color="C3", label=r"max + $\ln C$")
        right.set(
            ylabel="value",
            xlabel=f"z, of the logits (z, {', '.join(['0'] * min(classes - 1, 3))}{' ...' if classes > 4 else ''})",
        )
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Left: the value relative to the shift of both logits. Right: a smooth maximum, between max and max + $\\ln C$.",
         "左：两个 logit 同时平移 a，LogSumExp 减去 a 的值。右：光滑的最大值，介于 max 与 max + $\\ln C$ 之间。"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip
