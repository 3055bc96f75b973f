"""The softmax: what it computes, and what it forgets."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ...viz import plots
from ..entry import item
from ..run import Run

Z = (2.0, 1.0, 0.1)


def softmax(z: Any) -> np.ndarray:
    """Of rows of logits."""
    return np.asarray(mt.softmax(mt.tensor(z), -1))


def jacobians(z: np.ndarray) -> np.ndarray:
    """The Jacobians (K, C, C) of the softmax at rows of logits (K, C), a backward pass for each output."""
    at = mt.tensor(z, requires_grad=True)
    p = mt.softmax(at, -1)
    rows = [mt.grad(p[:, k].sum(), [at], retain_graph=True)[0] for k in range(z.shape[1])]
    return np.stack([np.asarray(row) for row in rows], 1)


def inverse(p: Any) -> np.ndarray:
    """The logits that add up to 0 and have these probabilities."""
    logs = mt.tensor(p).log()
    return np.asarray(logs - logs.mean(-1, keepdim=True))


@item(
    "softmax-function",
    kind="function",
    source="Chapter 4, section 4.1.6, first display",
    title=("The softmax", "Softmax 函数"),
    statement=(
        r"$\operatorname{softmax}(z)_i = e^{z_i} / \sum_j e^{z_j}$ makes a distribution of any $C$ scores.",
        r"$\operatorname{softmax}(z)_i = e^{z_i} / \sum_j e^{z_j}$ 把任意 $C$ 个得分变为一个分布。",
    ),
    verdict="holds",
    ranges={"z1": (-8.0, 8.0), "z2": (-8.0, 8.0), "z3": (-8.0, 8.0)},
    random=True,
)
def softmax_function(run: Run, z1: float = 2.0, z2: float = 1.0, z3: float = 0.1) -> None:
    p = softmax(Z)
    for k, expected in enumerate((0.659001, 0.242433, 0.098566)):
        run.claim(
            (f"softmax(2, 1, 0.1), entry {k + 1}", f"softmax(2, 1, 0.1) 的第 {k + 1} 个分量"),
            p[k],
            equals=expected,
            within=1e-6,
        )
    run.claim(
        ("100 added to all logits: change", "所有 logit 加 100：变化量"),
        np.abs(softmax(np.add(Z, 100)) - p).max(),
        at_most=1e-14,
    )
    slope = np.asarray(mt.jacobian(mt.softmax, mt.tensor(Z)))
    run.claim((r"Jacobian against $\operatorname{diag}(p) - pp^\top$", r"雅可比矩阵与 $\operatorname{diag}(p) - pp^\top$ 之差"),
              np.abs(slope - np.diag(p) + np.outer(p, p)).max(), at_most=1e-12)  # fmt: skip
    run.claim(("its row sums", "其各行之和"), slope.sum(1), equals=0, within=1e-12)
    g = run.rng.normal(size=3)
    _, product = mt.vjp(mt.softmax, mt.tensor(Z), mt.tensor(g))
    run.claim(
        (r"backward pass against $p \odot (g - \langle g, p \rangle)$", r"反向传播与 $p \odot (g - \langle g, p \rangle)$ 之差"),
        np.abs(np.asarray(product) - p * (g - g @ p)).max(), at_most=1e-12,
    )  # fmt: skip
    ranks = np.linalg.matrix_rank(jacobians(run.rng.normal(size=(1000, 5))), tol=1e-12)
    run.claim(
        ("rank of the Jacobian at 1000 random logits, C = 5", "1000 组随机 logit 处雅可比矩阵的秩，C = 5"),
        ranks,
        equals=4,
    )
    own = np.array([z1, z2, z3])
    shown = jacobians(own[None])[0]
    grid = np.linspace(-8, 8, 161)
    swept = softmax(np.column_stack([grid, np.full_like(grid, z2), np.full_like(grid, z3)]))

    def draw(left: Any, right: Any) -> None:
        for k, (curve, dash) in enumerate(zip(swept.T, ("-", "--", "-."), strict=True)):
            left.plot(grid, curve, dash, label=f"$p_{k + 1}$")
            left.plot(z1, softmax(own)[k], "o", color=f"C{k}")
        left.set(xlabel="$z_1$", ylabel="probability", title=f"$z_2$ = {z2:g}, $z_3$ = {z3:g}")
        left.legend(fontsize="small")
        right.imshow(shown, cmap="RdBu_r", vmin=-0.4, vmax=0.4)
        for (i, j), value in np.ndenumerate(shown):
            right.text(j, i, f"{value:+.4f}", ha="center", va="center")
        right.set(
            xticks=range(3),
            yticks=range(3),
            xticklabels=["$z_1$", "$z_2$", "$z_3$"],
            yticklabels=["$p_1$", "$p_2$", "$p_3$"],
        )
        right.set_title("Jacobian: every row adds up to 0")

    run.figure(
        ("One logit moves, and all probabilities with it; adding the same to all logits moves none, so the Jacobian has rank $C - 1$.",
         "一个 logit 变化，所有概率随之变化；所有 logit 同加一数则概率不变，因此雅可比矩阵的秩为 $C - 1$。"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip


@item(
    "softmax-bijection",
    kind="theorem",
    source="Chapter 4, section 4.1.6, last paragraph",
    title=("What the softmax forgets", "Softmax 丢失的信息"),
    statement=(
        "The text takes the softmax for a bijection between logits and the probability simplex, so that no information is lost.",
        "原文称 Softmax 在 logit 与概率单纯形之间建立双射，信息没有损失。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"Neither one-to-one nor onto: $(1, 2, 3)$ and $(101, 102, 103)$ give the same distribution, and no finite logits give $(1, 0, 0)$. It is a "
        "bijection from logits that add up to 0 (the common level is what is lost) onto the open simplex. Its boundary, the hard labels, "
        "is reached only in the limit; that is why cross-entropy on separable data has no minimum.",
        r"既非单射也非满射：$(1, 2, 3)$ 与 $(101, 102, 103)$ 给出同一分布，而任何有限的 logit 都得不到 $(1, 0, 0)$。它是从和为 0 的 logit"
        "（丢失的只是各 logit 共同的平移）到开单纯形的双射。边界即硬标签，只在极限中达到；线性可分数据上交叉熵没有最小值点，原因也在这里。",
    ),
    ranges={"level": (-2.5, 2.5), "reach": (1.0, 8.0)},
    random=True,
)
def bijection(run: Run, level: float = 1.5, reach: float = 4.0, form: str = "right") -> None:
    a, b = softmax((1.0, 2.0, 3.0)), softmax((101.0, 102.0, 103.0))
    run.claim(("softmax(1, 2, 3) and softmax(101, 102, 103) differ by", "softmax(1, 2, 3) 与 softmax(101, 102, 103) 之差"),
              np.abs(a - b).max(), at_most=1e-12)  # fmt: skip
    z = 3 * run.rng.normal(size=(1000, 3))
    p = softmax(z)
    run.claim(("smallest probability at 1000 random logits", "1000 组随机 logit 的最小概率"), p.min(), at_least=1e-12)
    run.claim(("rounding aside: softmax(800, 0) is exactly (1, 0) in float64", "舍入除外：float64 下 softmax(800, 0) 恰为 (1, 0)"),
              bool((softmax((800.0, 0.0)) == (1, 0)).all()))  # fmt: skip
    run.claim(
        ("rank of the Jacobian, C = 3", "雅可比矩阵的秩，C = 3"),
        np.linalg.matrix_rank(jacobians(z[:100] / 3), tol=1e-12),
        equals=2,
    )
    back = inverse(p)
    expected = z if form == "printed" else z - z.mean(1, keepdims=True)  # without loss, or but for the level
    run.claim(
        ("logits found again from the probabilities: error", "由概率还原 logit：误差")
        if form == "printed" else ("logits found again, but for their mean: error", "由概率还原 logit（不计均值）：误差"),
        np.abs(back - expected).max(), equals=0, within=1e-12,
    )  # fmt: skip
    run.claim(
        ("what is lost: the mean of the logits, up to", "丢失的是 logit 的均值，最大达"),
        np.abs(z.mean(1)).max(),
        at_least=1,
    )
    run.claim(
        ("and back: error of the probabilities", "再变回概率：误差"), np.abs(softmax(back) - p).max(), at_most=1e-12
    )
    ends = np.linspace(-reach, reach, 9)
    fine = np.linspace(-reach, reach, 80)
    e1, e2 = analysis.tangent_basis(3)

    def draw(left: Any, right: Any) -> None:
        x, y = np.meshgrid(np.linspace(-4, 4, 81), np.linspace(-4, 4, 81))
        share = softmax(np.stack([x, y], -1))[..., 0]
        drawn = left.contourf(x, y, share, levels=np.linspace(0, 1, 11), cmap="viridis")
        left.figure.colorbar(drawn, ax=left, label="$p_1$", fraction=0.046)
        left.plot([-4, 4], [4, -4], color="white", linewidth=2, label="logits that add up to 0")
        own = np.array([1.5, -1.5])
        left.plot(*np.array([own, own + level]).T, "o--", color="C3", label="the same distribution")
        left.set(
            xlabel="$z_1$",
            ylabel="$z_2$",
            title="two classes: p is constant along diagonals",
            aspect="equal",
            xlim=(-4, 4),
            ylim=(-4, 4),
        )
        left.legend(fontsize="small", loc="lower left")
        plots.ternary(ax=right)
        for value in ends:
            for line in (value * e1 + fine[:, None] * e2, fine[:, None] * e1 + value * e2):
                right.plot(*analysis.to_triangle(softmax(line)).T, color="C0", linewidth=0.8)
        right.set_title(f"three classes: logits within {reach:g}")

    run.figure(
        ("Left: a whole diagonal of logits has one distribution; the white line has each once. Right: a square net of zero-sum logits, seen in "
         "the simplex, never touches its sides.",
         "左：一整条对角线上的 logit 对应同一分布，白线上每个分布恰有一点。右：和为零的 logit 方格网映到单纯形内，永不触及边。"),
        draw, (1, 2), (9.6, 4.4),
    )  # fmt: skip
