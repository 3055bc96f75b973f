"""Logistic regression with one class in twenty: what weights and the focal loss buy (section 4.2.7)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run

F: Any = mt.nn.functional
focal: Any = mt.nn.losses.focal_loss
balanced: Any = mt.nn.losses.balanced_weights

IN_CHINESE = {
    "cross-entropy": "交叉熵",
    "cross-entropy, threshold 0.05": "交叉熵，阈值 0.05",
    "balanced weights": "平衡权重",
    "focal": "focal loss",
    "focal, alpha 0.25": r"focal loss，$\alpha = 0.25$",
    "focal, alpha 0.75": r"focal loss，$\alpha = 0.75$",
    "focal, alpha 0.95": r"focal loss，$\alpha = 0.95$",
}


@lru_cache(maxsize=16)
def train_imbalanced(
    seed: int, few: int = 100, shift: float = 1.5, steps: int = 5000, only: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Logistic regression on 1900 points of class 0 and few of class 1 with several losses: test logits, and classes."""
    counts = (1900, few)
    x, y = mt.data.make_imbalanced(counts, shift, generator=mt.Generator(2 * seed))
    tests, answers = mt.data.make_imbalanced(counts, shift, generator=mt.Generator(2 * seed + 1))
    inputs, others = (mt.tensor(np.column_stack([np.asarray(part), np.ones(len(part))])) for part in (x, tests))
    targets = y.to(inputs.dtype)
    weights = mt.tensor(np.asarray(balanced(y))[np.asarray(y)])
    losses: dict[str, Any] = {
        "cross-entropy": lambda z: F.binary_cross_entropy_with_logits(z, targets),
        "balanced weights": lambda z: F.binary_cross_entropy_with_logits(z, targets, weight=weights),
        "focal": lambda z: focal(z, targets),
        "focal, alpha 0.25": lambda z: focal(z, targets, 2.0, 0.25),
        "focal, alpha 0.75": lambda z: focal(z, targets, 2.0, 0.75),
        "focal, alpha 0.95": lambda z: focal(z, targets, 2.0, 0.95),
    }
    losses = {name: loss for name, loss in losses.items() if not only or name in only}
    params = [mt.tensor(np.zeros(3), requires_grad=True) for _ in losses]
    optimizer = mt.optim.SGD(params, lr=0.5)

    def step() -> mt.Tensor:
        optimizer.zero_grad()
        total = sum((loss(inputs @ w) for w, loss in zip(params, losses.values(), strict=True)), start=mt.tensor(0.0))
        total.backward()
        optimizer.step()
        return total.detach()

    mt.compile(step).repeat(steps)
    found: dict[str, Any] = {name: np.asarray(others @ w.detach()) for name, w in zip(losses, params, strict=True)}
    return {**found, "classes": np.asarray(answers), "inputs": np.asarray(x), "labels": np.asarray(y),
            "weights": {name: w.detach().numpy() for name, w in zip(losses, params, strict=True)}}  # fmt: skip


def operating_point(logits: np.ndarray, classes: np.ndarray, threshold: float = 0.5) -> tuple[float, float]:
    """(recall, specificity) if class 1 is said where the probability is above the threshold."""
    said = logits > np.log(threshold / (1 - threshold))
    return float(said[classes == 1].mean()), float((~said[classes == 0]).mean())


@item(
    "imbalanced-losses",
    kind="experiment",
    source="Chapter 4, section 4.2.7, second paragraph",
    title=("What special losses do for a rare class", "专用损失对稀有类别有何作用"),
    statement=(
        "If the classes are of very unequal size, weighted cross-entropy or the focal loss may be needed.",
        "分类任务中类别不平衡时，可能需要使用加权的交叉熵或 focal loss。",
    ),
    verdict="holds with a condition",
    correction=(
        "They move the operating point and add no information: plain cross-entropy with the threshold at the share of the "
        r"rare class has the same recall and specificity. Focal loss with the usual $\alpha = 0.25$ lowers the recall. And "
        "their probabilities are no longer probabilities: they average 0.22 or 0.16 where the class has a share of 0.05.",
        "它们只移动工作点，并不增加信息：不加权的交叉熵，只要把阈值取为稀有类别所占比例，召回率与特异度就相同。"
        r"常用的 $\alpha = 0.25$ 反而使 focal loss 的召回率下降。其输出也不再是概率：稀有类别占 0.05，输出的均值却为 0.22 或 0.16。",
    ),
    ranges={"few": (20, 1900), "shift": (0.5, 4.0)},
    random=True,
)
def imbalanced_losses(run: Run, few: int = 100, shift: float = 1.5) -> None:
    usual = train_imbalanced(run.seed)
    classes = usual["classes"]
    points = {
        name: operating_point(usual[name], classes)
        for name in usual
        if name not in ("classes", "inputs", "labels", "weights")
    }
    moved = operating_point(usual["cross-entropy"], classes, 0.05)
    expected = {
        "cross-entropy": (0.43, 0.989), "balanced weights": (0.82, 0.866), "focal, alpha 0.25": (0.24, 0.996),
        "focal, alpha 0.75": (0.57, 0.973), "focal, alpha 0.95": (0.82, 0.867),
    }  # fmt: skip
    rows = [(name, *points[name], float((1 / (1 + np.exp(-usual[name]))).mean())) for name in points]
    rows.append(("cross-entropy, threshold 0.05", *moved, rows[0][3]))
    means = {row[0]: row[3] for row in rows}
    if run.seed == 0:
        for name, values in (*expected.items(), ("cross-entropy, threshold 0.05", (0.81, 0.872))):
            measured = moved if "threshold" in name else points[name]
            for quantity, chinese, k in (("recall", "召回率", 0), ("specificity", "特异度", 1)):
                run.claim(
                    (f"{name}: {quantity}", f"{IN_CHINESE[name]}：{chinese}"),
                    measured[k],
                    equals=values[k],
                    within=0.02,
                )
        for name, value in (("cross-entropy", 0.051), ("balanced weights", 0.219), ("focal", 0.157)):
            run.claim(
                (f"{name}: mean predicted probability", f"{IN_CHINESE[name]}：预测概率的均值"),
                means[name],
                equals=value,
                within=0.02,
            )
    run.claim(
        (
            "recall with balanced weights, less that of plain cross-entropy at the threshold 0.05",
            "平衡权重的召回率，与阈值取 0.05 的普通交叉熵之差",
        ),
        abs(points["balanced weights"][0] - moved[0]),
        at_most=0.05,
    )
    run.claim(
        ("specificity: the same difference", "特异度的同一差值"),
        abs(points["balanced weights"][1] - moved[1]),
        at_most=0.05,
    )
    run.claim(
        (
            r"focal loss with $\alpha = 0.25$: loss of recall against cross-entropy",
            r"focal loss，$\alpha = 0.25$：召回率比交叉熵低多少",
        ),
        points["cross-entropy"][0] - points["focal, alpha 0.25"][0],
        at_least=0.03,
    )
    run.claim(
        ("balanced weights: mean probability over the true share", "平衡权重：概率均值与真实比例之比"),
        means["balanced weights"] / 0.05,
        at_least=3.0,
    )
    run.claim(("cross-entropy: the same ratio", "交叉熵：同一比值"), means["cross-entropy"] / 0.05, between=(0.8, 1.25))
    run.table(
        ("2000 test points, 100 of the rare class", "2000 个测试点，其中稀有类别 100 个"),
        ("loss", "recall", "specificity", "mean probability"),
        rows,
    )
    shown = usual if (few, shift) == (100, 1.5) else train_imbalanced(run.seed, few, shift)

    def draw(left: Any, right: Any) -> None:
        x, y = shown["inputs"], shown["labels"]
        for c, colour in ((0, "C7"), (1, "C3")):
            left.plot(*x[y == c].T, ".", markersize=3, color=colour, label=f"class {c}", alpha=0.6)
        grid = np.array([-4.0, 6.0])
        for k, name in enumerate(("cross-entropy", "balanced weights", "focal, alpha 0.25")):
            a, b, c = shown["weights"][name]
            left.plot(grid, -(a * grid + c) / b, color=f"C{k}", label=name)
        left.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-4, 5), ylim=(-4, 5), title="Where the probability is 1/2")
        left.legend(fontsize="small", loc="lower left")
        cuts = 1 / (1 + np.exp(-np.linspace(-9, 6, 150)))
        curve = np.array([operating_point(shown["cross-entropy"], shown["classes"], float(t)) for t in cuts])
        right.plot(1 - curve[:, 1], curve[:, 0], color="0.6", label="cross-entropy, all thresholds")
        for k, name in enumerate(shown["weights"]):
            recall, specificity = operating_point(shown[name], shown["classes"])
            right.plot(1 - specificity, recall, "os^vDP"[k], label=f"{name}, threshold 0.5")
        right.set(xlabel="1 - specificity", ylabel="recall", xlim=(-0.01, 0.4), title="One curve for all of them")
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        (
            "Every loss gives a point of the curve that plain cross-entropy runs through as its threshold changes.",
            "普通交叉熵改变阈值时走出一条曲线，各种损失都落在这条曲线上。",
        ),
        draw,
        (1, 2),
        (9.6, 4.4),
    )
