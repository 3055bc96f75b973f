"""Late in training: does squared error stall, and does cross-entropy?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.data import make_separable
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run
from .designs import cross_entropy, squared

Loss = Callable[[mt.Tensor], mt.Tensor]
DECADES = 10 ** np.arange(1, 6)
NAMES = ("linear, squared error", "logistic, cross-entropy", "sigmoid, squared error")
WEIGHTS = (2.0, -1.0, 0.5)  # of the line that separates the points


def task(seed: int, flipped: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Separable points (N, 3), their margins (N,) and labels 0 or 1 (N,), each `flipped`-th of which is turned round."""
    x, y = (np.asarray(part, float) for part in make_separable(weights=WEIGHTS, generator=mt.Generator(seed)))
    if flipped:
        y[::flipped] = 1 - y[::flipped]
    return x, x @ WEIGHTS, y


def three_losses(x: np.ndarray, margins: np.ndarray, labels: np.ndarray) -> dict[str, Loss]:
    """1/(2N) sum (x.w - margin)^2, cross-entropy of sigmoid(x.w), and 1/(2N) sum (sigmoid(x.w) - label)^2."""
    inputs, y = mt.tensor(x), mt.tensor(labels)
    behind: Loss = lambda w: mse_loss((inputs @ w).sigmoid(), y, "half_mean")
    losses = (squared(x, margins), cross_entropy(x, labels), behind)
    return dict(zip(NAMES, losses, strict=True))


def descents(x: np.ndarray, losses: Any, steps: int, share: float = 1.0) -> dict[str, np.ndarray]:
    """Paths from 0, (steps + 1, 3): at the rate share/L for the linear model, 4 share/L for the others."""
    top = analysis.mse_constants(x, "half_mean").lipschitz
    rates = dict(zip(NAMES, np.array([1.0, 4.0, 4.0]) * share / top, strict=True))
    return {name: follow(descent(rates[name]), loss, np.zeros(3), steps) for name, loss in losses.items()}


def spaced(steps: int) -> np.ndarray:
    """Step numbers for a logarithmic axis: 1 ... steps."""
    return np.unique(np.geomspace(1, steps, 200).astype(int))


def missing(path: np.ndarray, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 - (probability of the true class) for weights (T, 3) and all points: (T, N)."""
    return np.asarray(1 / (1 + np.exp((path @ x.T) * (2 * labels - 1))))


@item(
    "mse-late-training-stall",
    kind="experiment",
    source="Chapter 4, section 4.2.5, last sentence",
    title=("Does squared error stall late in training?", "平方误差在训练后期会停滞吗"),
    statement=(
        "The gradient of squared error, by contrast, may become very small late in training, because the error has become small, so that the "
        "optimizer all but stops before it has reached the optimum.",
        "相比之下，平方误差的梯度在训练后期可能因误差减小而变得非常小，使优化器在到达最优之前几乎停止更新。",
    ),
    verdict="holds with a condition",
    correction=(
        "True of squared error behind a sigmoid, the output of which this paragraph speaks: near the end its gradient is proportional to the "
        r"square of the error, that of cross-entropy to the error, and after $10^5$ steps at the same rate it is 21 times as far from the labels. The reason given "
        "is not enough: with a linear output the gradient shrinks with the error as well, and convergence is geometric. On separable data "
        r"cross-entropy slows down too, to about $1/t$.",
        "对 Sigmoid 输出的平方误差成立，该段讨论的正是这种输出：接近收敛时，其梯度与误差的平方成正比，交叉熵的梯度则与误差成正比；"
        r"同一学习率下走 $10^5$ 步后，它到标签的距离是交叉熵的 21 倍。但“由于误差减小”这一理由不充分：线性输出时梯度同样随误差减小，收敛却是几何级的。"
        r"在可分数据上，交叉熵也会变慢，约为 $1/t$。",
    ),
    ranges={"share": (0.05, 1.0), "steps": (100, 100000)},
    random=True,
)
def late_stall(run: Run, share: float = 1.0, steps: int = 100000) -> None:
    x, margins, labels = task(run.seed)
    losses = three_losses(x, margins, labels)
    linear, *others = NAMES
    paths = descents(x, {linear: losses[linear]}, 100) | descents(x, {name: losses[name] for name in others}, 100000)
    values = {
        name: analysis.objective(loss, np.zeros(3)).values(paths[name][np.minimum(DECADES, len(paths[name]) - 1)])
        for name, loss in losses.items()
    }
    run.claim(
        ("linear output: loss after 100 steps", "线性输出：100 步后的损失"),
        values[linear][1],
        at_most=1e-25 if run.seed == 0 else 1e-10,
    )
    far = {name: missing(paths[name][DECADES], x, labels) for name in others}
    means = {name: share_.mean(1) for name, share_ in far.items()}
    ratio = means[others[1]] / means[others[0]]
    run.claim((r"after $10^4$ steps: distance from the labels, squared error behind a sigmoid over cross-entropy", r"$10^4$ 步后：Sigmoid 平方误差与交叉熵到标签的距离之比"),
              ratio[3], at_least=4)  # fmt: skip
    if run.seed == 0:
        run.claim(("points", "样本数"), len(x), equals=91)
        run.claim(
            (r"condition number of $X^\top X/N$", r"$X^\top X/N$ 的条件数"),
            analysis.mse_constants(x).condition_number,
            equals=1.366,
            within=5e-4,
        )
        run.claim(
            ("linear output: loss after 10 steps", "线性输出：10 步后的损失"),
            values[linear][0],
            equals=5.9e-12,
            within=5e-14,
        )
        expected = {
            others[0]: ((0.118, 5e-4), (0.0314, 5e-5), (0.0062, 5e-5), (9.2e-4, 5e-6), (1.1e-4, 5e-6)),
            others[1]: ((0.0349, 5e-5), (0.0094, 5e-5), (0.0019, 5e-5), (2.8e-4, 5e-6), (3.0e-5, 5e-7)),
        }
        distances = {
            others[0]: ((0.0293, 5e-5), (0.0060, 5e-5), (9.1e-4, 5e-6), (1.1e-4, 5e-6)),
            others[1]: ((0.0927, 5e-5), (0.0298, 5e-5), (0.0084, 5e-5), (0.0023, 5e-5)),
        }
        zh = {others[0]: "逻辑回归，交叉熵", others[1]: "Sigmoid，平方误差"}
        for name in others:
            for count, value, (number, place) in zip(DECADES, values[name], expected[name], strict=True):
                run.claim(
                    (f"{name}: loss after {count} steps", f"{zh[name]}：{count} 步后的损失"),
                    value,
                    equals=number,
                    within=place,
                )
            for count, value, (number, place) in zip(DECADES[1:], means[name][1:], distances[name], strict=True):
                run.claim(
                    (
                        f"{name}: mean distance from the labels after {count} steps",
                        f"{zh[name]}：{count} 步后到标签的平均距离",
                    ),
                    value,
                    equals=number,
                    within=place,
                )
            worst = {others[0]: (0.0032, 5e-5), others[1]: (0.043, 5e-4)}[name]
            run.claim(
                (f"{name}: the worst point after {DECADES[-1]} steps", f"{zh[name]}：{DECADES[-1]} 步后最差的样本"),
                far[name][-1].max(),
                equals=worst[0],
                within=worst[1],
            )
        for update, number in ((10, 0.0369), (100, 0.0095)):
            run.claim(
                (f"{others[1]}: loss that update {update} starts from", f"{zh[others[1]]}：第 {update} 次更新之前的损失"),
                analysis.objective(losses[others[1]], np.zeros(3))(paths[others[1]][update - 1]), equals=number, within=5e-5,
            )  # fmt: skip
        run.claim(
            (r"ratio of the mean distances after $10^5$ steps", r"$10^5$ 步后平均距离之比"),
            ratio[-1],
            equals=21,
            within=0.5,
        )
    slopes = {name: np.diff(np.log(means[name][2:])) / np.log(10) for name in others}
    run.claim(
        (
            r"cross-entropy: exponent of the distance over time, $10^3$ to $10^5$ steps",
            r"交叉熵：$10^3$ 到 $10^5$ 步，距离随时间的幂次",
        ),
        slopes[others[0]],
        between=(-1.05, -0.7),
    )
    run.claim(
        (r"squared error behind a sigmoid: the same", r"Sigmoid 平方误差：同上"),
        slopes[others[1]],
        between=(-0.65, -0.4),
    )
    at = spaced(steps)
    shown = descents(x, losses, steps, share)

    def draw(left: Any, right: Any) -> None:
        for k, name in enumerate(NAMES):
            style, colour = ("--", "-", "-.")[k], f"C{(2, 0, 1)[k]}"
            curve = analysis.objective(losses[name], np.zeros(3)).values(shown[name][at])
            left.loglog(at[curve > 1e-25], curve[curve > 1e-25], style, color=colour, label=name)
            if k:
                gap = missing(shown[name][at], x, labels)
                right.loglog(at, gap.mean(1), style, color=colour, label=name)
                right.loglog(at, gap.max(1), style, color=colour, linewidth=0.8, alpha=0.7, label="its worst point")
        left.set(xlabel="step", ylabel="loss (of different kinds)", ylim=(1e-16, 5))
        right.loglog(at, 3.0 / at, "k:", linewidth=1, label=r"$\propto 1/t$")
        right.set(xlabel="step", ylabel="1 - probability of the true class")
        for ax in (left, right):
            ax.grid(alpha=0.3)
            ax.legend(fontsize="small", loc="lower left")

    run.figure(
        ("The same points and equal rates. Left: with a linear output squared error does not stall. Right: behind a sigmoid it falls "
         "further and further behind cross-entropy",
         "同样的样本，学习率相当。左：线性输出时平方误差并不停滞。右：经过 Sigmoid 时，它越来越落后于交叉熵"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
