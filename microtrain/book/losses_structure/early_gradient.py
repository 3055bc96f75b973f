"""Early in training: how large the gradient of cross-entropy is, and whether its shrinking replaces a schedule."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import binary_cross_entropy_with_logits, mse_loss

from ..entry import item
from ..run import Run
from .late_training import DECADES, NAMES, descents, spaced, task, three_losses


def at_uniform(classes: int) -> tuple[float, float]:
    """Norms of the logits' gradients where all classes are equally likely: of cross-entropy, of squared error / 2."""
    norms = []
    for kind in ("cross-entropy", "squared"):
        z = mt.tensor(np.zeros(classes), requires_grad=True)
        loss = (
            mt.cross_entropy(z, 0)
            if kind == "cross-entropy"
            else mse_loss(z.softmax(0), np.eye(classes)[0], "half_sum")
        )
        loss.backward()
        norms.append(float(np.linalg.norm(np.asarray(z.grad))))
    return norms[0], norms[1]


def sgd_excess(
    x: np.ndarray, labels: np.ndarray, best: np.ndarray, rates: Any, runs: int = 100, steps: int = 2000
) -> np.ndarray:
    """SGD on logistic regression from its minimum, one sample a step: mean excess loss after each tenth, (steps / 10, rates)."""
    rng = np.random.default_rng(0)
    weights = [mt.tensor(np.tile(best, (runs, 1)), requires_grad=True) for _ in rates]
    optimizer = mt.optim.SGD(
        [{"params": [w], "lr": float(rate)} for w, rate in zip(weights, rates, strict=True)], lr=0.1
    )
    inputs, targets = mt.tensor(x.T), mt.tensor(labels)
    lowest, seen = binary_cross_entropy_with_logits(mt.tensor(x @ best), targets).item(), []
    for step in range(steps):
        drawn = rng.integers(0, len(x), runs)
        optimizer.zero_grad()
        logits = (mt.stack(weights) * x[drawn]).sum(2)
        binary_cross_entropy_with_logits(logits, np.tile(labels[drawn], (len(weights), 1)), reduction="sum").backward()
        optimizer.step()
        if step % 10 == 9:
            with mt.no_grad():
                z = mt.stack(weights) @ inputs
                each = binary_cross_entropy_with_logits(z, targets.expand(*z.shape), reduction="none").mean((1, 2))
            seen.append(np.asarray(each) - lowest)
    return np.array(seen)


@item(
    "ce-early-large-gradient",
    kind="experiment",
    source="Chapter 4, section 4.2.5, last paragraph",
    title=("Cross-entropy: large gradients first, small ones later", "交叉熵的梯度先大后小"),
    statement=(
        "At the start, where the model all but guesses, the gradient of cross-entropy is large; as the predictions improve it shrinks, which "
        "has an effect like that of a learning-rate decay.",
        "训练初期模型近乎随机猜测，交叉熵的梯度较大；预测改善后梯度减小，效果类似学习率衰减。",
    ),
    verdict="holds with a condition",
    correction=(
        "Every smooth loss whose error can be brought to 0 has gradients that shrink; it is no speciality of cross-entropy. And it replaces no "
        "schedule for SGD: where the classes overlap, the gradient of the average loss vanishes at the minimum, but the gradients of single "
        r"samples do not, and SGD with a constant rate keeps an excess loss that is about proportional to $\eta$.",
        "凡是误差可以降到 0 的光滑损失，梯度都会逐渐减小，这并非交叉熵独有。它也不能代替 SGD 的学习率调度：若两类有重叠，平均损失的梯度在最小值点处为零，"
        r"单个样本的梯度却不为零，学习率恒定的 SGD 总保留大致正比于 $\eta$ 的超额损失。",
    ),
    ranges={"classes": (2, 100), "share": (0.05, 1.0), "steps": (100, 100000)},
)
def early_gradient(run: Run, classes: int = 20, share: float = 1.0, steps: int = 100000) -> None:
    for count, entropy, half in ((2, 0.7071, 0.3536), (3, 0.8165, 0.2722), (10, 0.9487, 0.0949)):
        first, second = at_uniform(count)
        run.claim(
            (f"{count} classes, uniform: gradient of cross-entropy", f"{count} 类，均匀概率：交叉熵的梯度范数"),
            first,
            equals=entropy,
            within=5e-5,
        )
        run.claim(
            (r"less $\sqrt{(C - 1)/C}$", r"与 $\sqrt{(C - 1)/C}$ 之差"),
            first - ((count - 1) / count) ** 0.5,
            equals=0,
            within=1e-15,
        )
        run.claim(
            (
                f"{count} classes: of half the squared error behind a softmax",
                f"{count} 类：经过 Softmax 的 1/2 平方误差的梯度范数",
            ),
            second,
            equals=half,
            within=5e-5,
        )
        run.claim(("so many times smaller", "前者是后者的倍数"), first / second, equals=count, within=1e-9)
    x, margins, labels = task(0)
    losses = three_losses(x, margins, labels)
    paths = descents(x, losses, 100000)
    found = {name: analysis.objective(loss, np.zeros(3)) for name, loss in losses.items()}

    def norms(name: str, at: Any, path: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(found[name].gradients(path[at]), axis=1))

    entropy_norms = norms(NAMES[1], DECADES - 1, paths[NAMES[1]])
    for update, norm, number, place in zip(
        DECADES, entropy_norms, (0.0429, 0.00749, 0.00115, 1.5e-4, 1.7e-5), (5e-5, 5e-6, 5e-6, 5e-6, 5e-7), strict=True
    ):
        run.claim(
            (f"logistic regression: gradient used by update {update}", f"逻辑回归：第 {update} 次更新所用的梯度范数"),
            norm,
            equals=number,
            within=place,
        )
    run.claim(
        ("the gradient after 10 updates", "10 次更新之后的梯度范数"),
        norms(NAMES[1], [10], paths[NAMES[1]])[0],
        equals=0.0399,
        within=5e-5,
    )
    others = [norms(name, [0, 100], paths[name]) for name in NAMES]
    run.claim(("three losses: gradient after 100 updates over the first", "三种损失：100 次更新后的梯度与最初之比"),
              [pair[1] / pair[0] for pair in others], at_most=0.05)  # fmt: skip

    points, _, mixed = task(0, flipped=7)
    overlap = three_losses(points, margins, mixed)[NAMES[1]]
    best = descents(points, {NAMES[1]: overlap}, 5000)[NAMES[1]][-1]
    inputs, targets = mt.tensor(points), mt.tensor(mixed)
    singles = analysis.per_sample_gradients(
        lambda w: binary_cross_entropy_with_logits(inputs @ w, targets, reduction="none"), best
    )
    run.claim(("every seventh label turned round, at the minimum: gradient of the average loss", "每 7 个标签翻转 1 个，在最小值点处：平均损失的梯度范数"),
              np.linalg.norm(singles.mean(0)), at_most=1e-8)  # fmt: skip
    run.claim(("mean norm of the gradients of single samples there", "该处单个样本梯度范数的均值"),
              np.linalg.norm(singles, axis=1).mean(), at_least=0.2)  # fmt: skip
    noisy = sgd_excess(points, mixed, best, (0.2, 0.05))
    run.claim((r"SGD from the minimum: excess loss at $\eta = 0.2$ over that at 0.05, steps 1000 to 2000", r"SGD 从最小值点出发，第 1000～2000 步：$\eta = 0.2$ 与 0.05 的超额损失之比"),
              float(np.divide(*noisy[100:].mean(0))), between=(3.0, 6.0))  # fmt: skip
    at = spaced(steps)
    shown = paths if share == 1 and steps == 100000 else descents(x, losses, steps, share)

    def draw(left: Any, middle: Any, right: Any) -> None:
        counts = np.arange(2, max(classes, 5) + 1)
        both = np.array([at_uniform(int(c)) for c in counts])
        left.plot(counts, both[:, 0], "o-", markersize=3, label="cross-entropy")
        left.plot(counts, both[:, 1], "s--", markersize=3, label="squared error / 2")
        left.locator_params(axis="x", integer=True)
        left.set(
            xlabel="classes", ylabel="norm of the logits' gradient", title="all classes equally likely", ylim=(0, 1.05)
        )
        for k, name in enumerate(NAMES):
            curve = norms(name, at, shown[name])
            middle.loglog(
                at[curve > 1e-16], curve[curve > 1e-16], ("--", "-", "-.")[k], color=f"C{(2, 0, 1)[k]}", label=name
            )
        middle.set(
            xlabel="update",
            ylabel="norm of the gradient",
            title=rf"separable classes, $\eta L$ = {share:g} and {4 * share:g}",
        )
        for k, rate in enumerate((0.2, 0.05)):
            right.plot(
                np.arange(10, 2001, 10),
                noisy[:, k],
                linewidth=0.8,
                color=f"C{k}",
                label=rf"SGD, $\eta = {rate}$: mean of 100 runs",
            )
        right.set(xlabel="step, from the minimum", ylabel="excess loss", title="classes that overlap", ylim=(0, None))
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Left: gradients of a model that guesses. Middle: in training all three losses have gradients that shrink. Right: where "
         "classes overlap, SGD leaves the minimum again, in proportion to the rate",
         "左：随机猜测时的梯度。中：训练中三种损失的梯度都减小。右：两类有重叠时，SGD 又离开最小值点，离开的程度随学习率增大"),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
