"""The cross-entropy of a linear model on separable data: convex, and without a minimiser."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ...viz.plots.axes import headroom
from ..dynamics.descent import descend
from ..entry import item
from ..run import Run
from .designs import cross_entropy, separable_points


def separable_run(steps: int, decay: float = 0.0, wrong: bool = False) -> tuple[np.ndarray, ...]:
    """Gradient descent of a logistic model on separable points, from 0: losses, |w|, and accuracies after each step.

    The rate is 4 over the largest eigenvalue of X^T X/N, less with a decay; `wrong` turns 15 % of the labels round.
    """
    points, labels = separable_points(0.15 if wrong else 0.0)
    x, signs, plain = mt.tensor(points), mt.tensor(2 * labels - 1), cross_entropy(points, labels)

    def loss(w: mt.Tensor) -> mt.Tensor:
        return plain(w) + 0.5 * decay * (w * w).sum()

    def watch(w: mt.Tensor) -> Any:
        return plain(w), (w * w).sum().sqrt(), (x @ w * signs).min(), w.clone()

    rate = 4 / (analysis.mse_constants(x, "half_mean").lipschitz + 4 * decay)
    _, seen = descend(loss, [np.zeros(3)], rate, steps, watch)
    return tuple(np.asarray(part) for part in seen)


@item(
    "separable-ce-has-no-minimiser",
    kind="experiment",
    source="Chapter 4, section 4.2.2; section 4.2.8",
    title=("Cross-entropy without a minimum", "没有最小值点的交叉熵"),
    statement=(
        "A convex function has a unique global minimum, and the cross-entropy is convex; so the cross-entropy of a linear model should have one that can be reached.",
        "凸函数有唯一的全局最小值，而交叉熵是凸的；那么线性模型的交叉熵应当有可以到达的全局最小值。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It has one if the classes can't be separated, or with regularisation. On separable data the infimum 0 is not attained: the loss falls like $1/t$ while the weights grow like "
        r"$\log t$ for ever. A penalty $(0.01/2)\|w\|^2$ ends that at $\|w\| = 3.94$; with 15 % of the labels turned round there is a "
        "minimum at finite weights.",
        r"若类别不可分，或加了正则化，最小值点存在。数据可分时，下确界 0 取不到：损失按 $1/t$ 下降，权重按 $\log t$ 无限增长。"
        r"加惩罚项 $(0.01/2)\|w\|^2$ 后，增长止于 $\|w\| = 3.94$；把 15% 的标签翻转后，最小值点在有限处。",
    ),
    ranges={"decay": (0.0001, 1.0)},
)
def no_minimiser(run: Run, decay: float = 0.01) -> None:
    losses, norms, margins, ways = separable_run(100000)
    table = (
        (10, 0.1176, 3.91),
        (100, 0.0314, 8.66),
        (1000, 0.0062, 16.55),
        (10000, 9.2e-4, 27.68),
        (100000, 1.08e-4, 41.12),
    )
    for step, loss, norm in table:
        run.claim((f"loss after {step} steps", f"{step} 步后的损失"), losses[step - 1], equals=loss, relative=0.02)
        run.claim((r"$\|w\|$ then", r"此时的 $\|w\|$"), norms[step - 1], equals=norm, relative=0.02)
    run.claim(("smallest margin from step 10 on: all points stay on the right side", "第 10 步起的最小间隔：所有点始终分类正确"),
              margins[9:], at_least=0)  # fmt: skip
    held = separable_run(5000, 0.01)
    run.claim(
        (r"with $(0.01/2)\|w\|^2$: $\|w\|$ in the end", r"加 $(0.01/2)\|w\|^2$：最终的 $\|w\|$"),
        held[1][-1],
        equals=3.938,
        within=5e-4,
    )
    run.claim(("its change in the last 1000 steps", "最后 1000 步中的变化"), np.ptp(held[1][-1000:]), at_most=1e-9)
    mixed = separable_run(5000, wrong=True)
    run.claim(
        ("15 % of the labels turned round: smallest loss", "翻转 15% 的标签：最小损失"),
        mixed[0][-1],
        equals=0.480621,
        within=5e-7,
    )
    run.claim(
        (r"change of $\|w\|$ in the last 1000 steps", r"$\|w\|$ 在最后 1000 步中的变化"),
        np.ptp(mixed[1][-1000:]),
        at_most=1e-9,
    )
    mine = held if decay == 0.01 else separable_run(5000, decay)
    x, y = separable_points()

    def draw(left: Any, middle: Any, right: Any) -> None:
        names = ("separable", f"with decay {decay:g}", "15 % wrong labels")
        for (values, sizes, *_), name, style in zip(
            ((losses, norms), mine, mixed), names, ("-", "--", ":"), strict=True
        ):
            t = np.unique(np.geomspace(1, len(values), 200).astype(int)) - 1
            left.loglog(t + 1, values[t], style, label=name)
            middle.semilogx(t + 1, sizes[t], style, label=name)
        left.loglog([100, 1e5], [0.3, 3e-4], color="0.6", linewidth=0.8, label="$1/t$")
        left.set(xlabel="step", ylabel="cross-entropy")
        middle.set(xlabel="step", ylabel="length of w")
        for label, mark in ((0, "o"), (1, "^")):
            right.plot(*x[y == label, :2].T, mark, markersize=4, label=f"class {label}")
        a = np.linspace(-3, 3, 2)
        for step, colour in ((10, "0.75"), (1000, "0.5"), (100000, "0")):
            w = ways[step - 1]
            right.plot(a, -(w[2] + w[0] * a) / w[1], color=colour, linewidth=1, label=f"step {step}")
        right.set(xlabel="$x_1$", ylabel="$x_2$", ylim=(-3, 3), title="the border hardly moves,\nthe weights grow")
        headroom(right, 0.35, below=True)
        for ax in (left, middle, right):
            ax.legend(fontsize="small", loc="lower left" if ax is right else "best")

    run.figure(
        ("Loss and size of the weights (left, middle); the points and the border between the classes (right)",
         "损失与权重大小（左、中）；样本与类别边界（右）"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip
