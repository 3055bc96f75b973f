"""Which loss to choose for a task: the book's four rules of thumb, each with an experiment (section 4.2.7)."""

from __future__ import annotations

from typing import Any

from ..entry import item
from ..run import Run
from .absolute_error import best_constants
from .rare_class import operating_point, train_imbalanced
from .saturated_start import train


def recommend(task: str, *, outliers: bool = False, imbalanced: bool = False) -> tuple[str, str]:
    """The book's advice: (name of a loss in `nn.functional`, why)."""
    if task == "regression":
        if outliers:
            return "l1_loss", "an outlier pulls no harder than any other sample"
        return "mse_loss", "the most accurate fit if the noise is Gaussian"
    if imbalanced:
        return "cross_entropy(weight=balanced_weights(y)) / focal_loss", "every class pulls equally hard"
    return "cross_entropy", "the likelihood of the labels, and a gradient that does not saturate"


@item(
    "loss-selection-by-task",
    kind="guidance",
    source="Chapter 4, section 4.2.7, second paragraph",
    title=("Which loss for which task", "按任务选择损失函数"),
    statement=(
        "For regression choose the squared error, or the absolute error where outliers matter; for classification choose cross-entropy or a "
        "variant of it.",
        "回归任务应选择均方误差，需要对异常值鲁棒时选择平均绝对误差；分类任务应选择交叉熵或其变体。",
    ),
    verdict="holds with a condition",
    correction=(
        "As a default, not as a law. The squared error of linear outputs classifies as accurately as cross-entropy from an ordinary start, and moving the "
        "threshold of plain cross-entropy does for a rare class what the weights do.",
        "可作为默认选择，而非定律。从普通的初始值出发，线性输出的均方误差与交叉熵的分类准确率相同；对稀有类别，移动普通交叉熵的阈值与加权效果相同。",
    ),
    ranges={"share": (0.0, 0.3), "shift": (0.0, 50.0), "n": (11, 201)},
    random=True,
)
def loss_selection(run: Run, share: float = 0.1, shift: float = 20.0, n: int = 41) -> None:
    def errors(portion: float, by: float, size: int, count: int = 4000) -> tuple[float, float]:
        """Mean squared errors of the constants fitted by squared and absolute error to 0 + noise, with outliers."""
        samples = run.rng.standard_normal((count, size))
        samples += by * (run.rng.random(samples.shape) < portion)
        squared, absolute = best_constants(samples)
        return float((squared**2).mean()), float((absolute**2).mean())

    clean, spoilt = errors(0.0, 0.0, 41), errors(0.1, 20.0, 41)
    run.claim(
        ("Gaussian noise: squared error of the fit, by MSE over by MAE", "高斯噪声：拟合的平方误差，MSE 与 MAE 之比"),
        clean[0] / clean[1],
        at_most=0.75,
    )
    run.claim(
        (
            "a tenth of the targets 20 too large: the same, by MAE over by MSE",
            "十分之一的目标偏大 20：同上，MAE 与 MSE 之比",
        ),
        spoilt[1] / spoilt[0],
        at_most=0.1,
    )
    seeds = tuple(range(20 * run.seed, 20 * run.seed + 3))
    names = (("cross-entropy", 0.1), ("softmax MSE", 0.1), ("linear MSE", 0.03))
    saturated = {name: train(name, rate, 30.0, seeds, 1000).test.mean() for name, rate in names}
    ordinary = {
        name: train(name, rate, 1.0, seeds, 1000).test.mean()
        for name, rate in (("cross-entropy", 1.0), ("linear MSE", 0.1))
    }
    run.claim(
        ("classification, saturated start: test accuracy of cross-entropy", "分类，饱和的初始值：交叉熵的测试准确率"),
        saturated["cross-entropy"],
        at_least=0.99,
    )
    run.claim(
        (
            "classification, ordinary start: accuracy of cross-entropy less that of the squared error of linear outputs",
            "分类，普通初始值：交叉熵与线性输出均方误差的准确率之差",
        ),
        ordinary["cross-entropy"] - ordinary["linear MSE"],
        between=(-0.005, 0.005),
    )
    rare = train_imbalanced(run.seed, only=("cross-entropy", "balanced weights"))
    plain, weighted = (operating_point(rare[name], rare["classes"]) for name in ("cross-entropy", "balanced weights"))
    moved = operating_point(rare["cross-entropy"], rare["classes"], 0.05)
    run.claim(
        ("rare class: recall with balanced weights less that without", "稀有类别：平衡权重与不加权的召回率之差"),
        weighted[0] - plain[0],
        at_least=0.15,
    )
    run.claim(
        (
            "rare class: the same recall from plain cross-entropy with another threshold, difference",
            "稀有类别：普通交叉熵改变阈值后的召回率与之相差",
        ),
        abs(weighted[0] - moved[0]),
        at_most=0.05,
    )
    advice = {
        "regression": (recommend("regression"), "回归"),
        "regression with outliers": (recommend("regression", outliers=True), "有异常值的回归"),
        "classification": (recommend("classification"), "分类"),
        "classification with a rare class": (recommend("classification", imbalanced=True), "有稀有类别的分类"),
    }
    winners = (  # of each experiment, among the losses that took part in it
        min(zip(clean, ("mse_loss", "l1_loss"), strict=True))[1],
        min(zip(spoilt, ("mse_loss", "l1_loss"), strict=True))[1],
        max((score, {"cross-entropy": "cross_entropy"}.get(name, "mse_loss")) for name, score in saturated.items())[1],
        max((plain[0], "cross_entropy alone"), (weighted[0], "balanced_weights"))[1],
    )
    for (task, ((loss, _), zh)), winner in zip(advice.items(), winners, strict=True):
        run.claim(
            (f"{task}: the advice ({loss}) is what wins here", f"{zh}：建议（{loss}）与实测最好者一致"), winner in loss
        )
    run.table(
        ("The advice", "选择建议"), ("task", "loss", "because"), [(task, *found[0]) for task, found in advice.items()]
    )
    run.note(
        "The experiments behind this advice: laplace-vs-gaussian-noise, mae-outlier-robustness, imbalanced-losses, ce-vs-mse-classification.",
        "这些建议背后的实验：laplace-vs-gaussian-noise、mae-outlier-robustness、imbalanced-losses、ce-vs-mse-classification。",
    )
    own = spoilt if (share, shift, n) == (0.1, 20.0, 41) else errors(share, shift, n)
    bars = (
        ("Gaussian noise", "error of the fit", {"MSE": clean[0] ** 0.5, "MAE": clean[1] ** 0.5}),
        (f"{100 * share:g} % outliers by {shift:g}", "error of the fit", {"MSE": own[0] ** 0.5, "MAE": own[1] ** 0.5}),
        ("Three classes, saturated start", "test accuracy", {"CE": saturated["cross-entropy"], "softmax\nMSE": saturated["softmax MSE"], "linear\nMSE": saturated["linear MSE"]}),
        ("Rare class", "recall", {"CE": plain[0], "weighted\nCE": weighted[0], "other\nthreshold": moved[0]}),
    )  # fmt: skip

    def draw(*axes: Any) -> None:
        for ax, (title, what, values) in zip(axes, bars, strict=True):
            best = (min if what.startswith("error") else max)(values.values())
            ax.bar(list(values), list(values.values()), color=["C0" if v == best else "0.7" for v in values.values()])
            ax.set(title=title, ylabel=what)
            ax.title.set_fontsize(10)
            ax.tick_params(axis="x", labelsize=8)

    run.figure(
        (
            "Each rule in its own case (the best in blue): low errors are good on the left, high values on the right.",
            "每条建议在各自情形中的表现（最好者为蓝色）：左边两图误差越低越好，右边两图数值越高越好。",
        ),
        draw,
        (1, 4),
        (9.6, 3.6),
    )
