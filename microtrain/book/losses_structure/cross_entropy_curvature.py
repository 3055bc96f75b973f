"""The curvature of cross-entropy in the weights of a linear model: its exact Hessian, and the best bound on it."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from microtrain.viz import plots

from ..entry import item
from ..run import Run
from .designs import design
from .lipschitz import log_sum_exp


def softmax_loss(x: np.ndarray, classes: int) -> analysis.Objective:
    """The mean cross-entropy of logits x W, W (d, C) flattened row by row. Labels do not matter for the curvature."""
    inputs, labels = mt.tensor(x), mt.tensor(np.arange(len(x)) % classes)
    size = x.shape[1]
    return analysis.objective(
        lambda w: cross_entropy(inputs @ w.reshape(size, classes), labels), np.zeros(size * classes)
    )


def one_sample(logits: np.ndarray) -> np.ndarray:
    """diag(p) - p p^T for logits (K, C): the second derivatives of log-sum-exp."""
    return analysis.objective(log_sum_exp, np.zeros(logits.shape[1])).hessians(logits)


def assembled(x: np.ndarray, w: np.ndarray, form: str) -> np.ndarray:
    """The Hessian from the formula: with a Kronecker product, or with the printed product of matrices."""
    inner = one_sample(x @ w)
    if form == "printed":
        return np.mean([a @ np.outer(row, row) for a, row in zip(inner, x, strict=True)], axis=0)  # type: ignore[no-any-return]
    return np.mean([np.kron(np.outer(row, row), a) for a, row in zip(inner, x, strict=True)], axis=0)  # type: ignore[no-any-return]


def mismatch(x: np.ndarray, w: np.ndarray, form: str) -> float:
    """The largest difference between the formula and the Hessian by autodiff; infinite where the shapes do not fit."""
    true = softmax_loss(x, w.shape[1]).hessian(w.ravel())
    try:
        found = assembled(x, w, form)
    except ValueError:  # a C x C matrix times a d x d one
        return np.inf
    return float(np.abs(found - true).max()) if found.shape == true.shape else np.inf


@item(
    "softmax-ce-hessian",
    kind="theorem",
    source="Chapter 4, section 4.2.3, the Hessian of cross-entropy",
    title=("The Hessian of softmax cross-entropy", "Softmax 交叉熵的 Hessian 矩阵"),
    statement=(
        r"The Hessian of cross-entropy is printed as $\frac{1}{N} \sum_n (\mathrm{diag}(\hat p_n) - \hat p_n \hat p_n^\top)\, x_n "
        r"x_n^\top$. Through $\hat p$ it depends on the parameters.",
        r"书中给出的交叉熵 Hessian 矩阵为"
        r" $\frac{1}{N} \sum_n (\mathrm{diag}(\hat p_n) - \hat p_n \hat p_n^\top)\, x_n x_n^\top$，它通过 $\hat p$ 依赖于参数。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"A $C \times C$ matrix cannot be multiplied by a $d \times d$ one. The product is Kronecker's: "
        r"$H = \frac{1}{N} \sum_n (x_n x_n^\top) \otimes (\mathrm{diag}(\hat p_n) - \hat p_n \hat p_n^\top)$, of size $dC \times dC$, "
        r"with $d$ eigenvalues 0. With two classes and a single logit the printed form is right, and reads $\hat p (1 - \hat p)\, x x^\top$.",
        r"$C \times C$ 矩阵与 $d \times d$ 矩阵无法相乘，这里应为 Kronecker 积："
        r"$H = \frac{1}{N} \sum_n (x_n x_n^\top) \otimes (\mathrm{diag}(\hat p_n) - \hat p_n \hat p_n^\top)$，大小为 $dC \times dC$，"
        r"其中 $d$ 个特征值为 0。只有二分类、单个 logit 时，原文的形式才成立，即 $\hat p (1 - \hat p)\, x x^\top$。",
    ),
    ranges={"d": (1, 6), "classes": (2, 6), "scale": (0.0, 10.0)},
    random=True,
)
def softmax_hessian(run: Run, d: int = 3, classes: int = 4, scale: float = 3.0, form: str = "right") -> None:
    x, w, other = run.rng.standard_normal((60, 3)), run.rng.standard_normal((3, 4)), run.rng.standard_normal((3, 4))
    square = run.rng.standard_normal((3, 3))
    run.claim(
        (r"$d = 3$, $C = 4$: formula against autodiff", r"$d = 3$，$C = 4$：公式与自动微分之差"),
        mismatch(x, w, form),
        at_most=1e-6,
    )
    run.claim(
        (r"$d = C = 3$: formula against autodiff", r"$d = C = 3$：公式与自动微分之差"),
        mismatch(x, square, form),
        at_most=1e-6,
    )
    true = softmax_loss(x, 4).hessian(w.ravel())
    layered = mt.nn.LogisticRegression(3, 4, bias=False)
    layered.weight.detach().copy_(w.T)
    labels = mt.tensor(np.arange(60) % 4)
    run.claim(
        (r"weights stored as $(C, d)$: `analysis.softmax_ce_hessian` against autodiff",
         r"权重按 $(C, d)$ 存放：`analysis.softmax_ce_hessian` 与自动微分之差"),
        np.abs(
            analysis.softmax_ce_hessian(x, w.T) - analysis.hessian(lambda: layered.loss(mt.tensor(x), labels), layered)
        ).max(), at_most=1e-12,
    )  # fmt: skip
    values = np.linalg.eigvalsh(true)
    run.claim(
        (r"eigenvalues that are 0 ($d = 3$ of 12)", r"为 0 的特征值个数（12 个中有 $d = 3$ 个）"),
        int((values < 1e-12).sum()),
        equals=3,
    )
    run.claim(
        ("two different weights: difference of the Hessians", "两组不同的权重：Hessian 矩阵之差"),
        np.abs(true - softmax_loss(x, 4).hessian(other.ravel())).max(), at_least=0.01,
    )  # fmt: skip
    inputs, binary = mt.tensor(x), mt.tensor((np.arange(60) % 2).astype(float))
    single = analysis.objective(lambda v: binary_cross_entropy_with_logits(inputs @ v, binary), w[:, 0])
    p = 1 / (1 + np.exp(-x @ w[:, 0]))
    run.claim(
        (r"one logit: autodiff less the mean of $\hat p (1 - \hat p) x x^\top$",
         r"单个 logit：自动微分与 $\hat p (1 - \hat p) x x^\top$ 的均值之差"),
        np.abs(single.hessian() - (x.T * (p * (1 - p))) @ x / 60).max(), at_most=1e-12,
    )  # fmt: skip
    rng = np.random.default_rng(run.seed)
    points, ray = rng.standard_normal((60, d)), rng.standard_normal((d, classes))
    loss = softmax_loss(points, classes)
    scales = sorted({0.0, 1.0, scale})
    matrices = {s: loss.hessian(s * ray.ravel()) for s in scales}

    def draw(left: Any, right: Any) -> None:
        shown = matrices[scale]
        reach = np.abs(shown).max()
        image = left.imshow(shown, cmap="RdBu_r", vmin=-reach, vmax=reach)
        left.figure.colorbar(image, ax=left, fraction=0.046)
        for k in range(1, d):
            left.axhline(k * classes - 0.5, color="black", linewidth=0.8)
            left.axvline(k * classes - 0.5, color="black", linewidth=0.8)
        left.set(
            title=f"{d} x {d} blocks, each {classes} x {classes}", xlabel="weight, input by input", ylabel="weight",
        )  # fmt: skip
        for (s, matrix), mark in zip(matrices.items(), "os^", strict=False):
            spectrum = np.maximum(np.linalg.eigvalsh(matrix)[::-1], 1e-17)
            right.semilogy(np.arange(1, len(spectrum) + 1), spectrum, mark + "-", markersize=4, label=f"{s:g} W")
        right.axvspan(d * classes - d + 0.5, d * classes + 0.5, color="0.9", label="0, up to rounding")
        right.set(xlabel="number", ylabel="eigenvalue of the Hessian")
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left: the Hessian in blocks, $x_i x_j$ times a matrix of classes. Right: its eigenvalues for weights of different size.",
            r"左：Hessian 矩阵的分块，每块为 $x_i x_j$ 乘一个类别矩阵。右：权重大小不同时的特征值。",
        ),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


def upper_bound(x: np.ndarray, kind: str, form: str) -> float:
    """A bound on the curvature: sum |x|^2 / (4N) as printed, or lambda_max(X^T X / N) times 1/4 or 1/2."""
    if form == "printed":
        return float((x * x).sum() / (4 * len(x)))
    return analysis.ce_lipschitz_bound(x, kind)


@item(
    "ce-lipschitz-bound",
    kind="theorem",
    source="Chapter 4, section 4.2.3, the bound on the Lipschitz constant of cross-entropy",
    title=("How large the curvature of cross-entropy can be", "交叉熵的曲率最大有多大"),
    statement=(
        r"The bound is given as $L_{CE} \le \frac{1}{4N} \sum_n \|x_n\|^2$, where $\frac{1}{4}$ is the largest size of the softmax's "
        "gradient.",
        r"书中给出的上界为 $L_{CE} \le \frac{1}{4N} \sum_n \|x_n\|^2$，其中 $\frac{1}{4}$ 来自 Softmax 梯度的最大模。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"$\frac{1}{4}$ is the sigmoid's largest slope, right for a single logit, and the largest entry of the softmax's Jacobian "
        r"$\mathrm{diag}(p) - pp^\top$. What counts is that matrix's norm: $\frac{1}{2}$, reached at $p = (\frac{1}{2}, \frac{1}{2}, 0, "
        r"\ldots)$ for any number of classes. Hence $L_{CE} \le "
        r"\frac{1}{2N} \sum_n \|x_n\|^2$, and more sharply $\frac{1}{2} \lambda_{max}(X^\top X / N)$. One input and two classes are enough "
        "to exceed the printed bound by a factor of 2.",
        r"$\frac{1}{4}$ 是 Sigmoid 导数的最大值，适用于单个 logit；它也是 Softmax 雅可比矩阵 $\mathrm{diag}(p) - pp^\top$ 的最大元素。"
        r"但起作用的是该矩阵的范数：它等于 $\frac{1}{2}$，在 $p = (\frac{1}{2}, \frac{1}{2}, 0, \ldots)$ 处取到，与类别数无关。"
        r"因此 $L_{CE} \le \frac{1}{2N} \sum_n \|x_n\|^2$，"
        r"更精确的上界是 $\frac{1}{2} \lambda_{max}(X^\top X / N)$。只要一维输入、两个类别，实际曲率就是原文上界的 2 倍。",
    ),
    ranges={"low": (0.1, 2.0), "high": (2.0, 10.0), "draws": (100, 20000)},
    random=True,
)
def lipschitz_bound(
    run: Run, low: float = 0.5, high: float = 2.0, draws: int = 20000, form: str = "right"
) -> None:  # fmt: skip
    def top(z: Any) -> float:
        return float(np.linalg.eigvalsh(one_sample(np.array([z], float)))[0, -1])

    for name, zh, z, known in (
        (r"$C = 2$, $p = (\frac{1}{2}, \frac{1}{2})$", r"$C = 2$，$p = (\frac{1}{2}, \frac{1}{2})$", (0, 0), 0.5),
        (r"$C = 3$, all equal", r"$C = 3$，各类概率相等", (0, 0, 0), 1 / 3),
        (r"$C = 3$, $p = (\frac{1}{2}, \frac{1}{2}, 0)$", r"$C = 3$，$p = (\frac{1}{2}, \frac{1}{2}, 0)$", (0, 0, -800), 0.5),
    ):  # fmt: skip
        run.claim(
            (rf"{name}: $\lambda_{{max}}(\mathrm{{diag}}(p) - pp^\top)$", rf"{zh}：$\lambda_{{max}}(\mathrm{{diag}}(p) - pp^\top)$"),
            top(z), equals=known, within=1e-12,
        )  # fmt: skip
    for classes in (2, 3, 5):
        p = run.rng.dirichlet(np.full(classes, 0.3), 20000)
        largest = np.linalg.eigvalsh(one_sample(np.log(np.maximum(p, 1e-300))))[:, -1].max()
        run.claim(
            (rf"$C = {classes}$, 20000 random $p$: the largest", rf"$C = {classes}$，20000 个随机 $p$：最大值"), largest,
            between=(0.499, 0.5 + 1e-12),
        )  # fmt: skip
    line = np.linspace(0.5, 2, 20)[:, None]
    curvature = np.linalg.eigvalsh(softmax_loss(line, 2).hessian())[-1]
    run.claim(
        (r"20 inputs on $[0.5, 2]$, two classes, $W = 0$: curvature", r"$[0.5, 2]$ 上 20 个输入，两个类别，$W = 0$：曲率"), curvature,
        equals=0.884868, within=5e-7,
    )  # fmt: skip
    run.claim(
        (r"the printed bound there, $\frac{1}{4N} \sum x^2$", r"此时原文的上界 $\frac{1}{4N} \sum x^2$"), upper_bound(line, "softmax", "printed"),
        equals=0.442434, within=5e-7,
    )  # fmt: skip
    run.claim(
        ("the curvature, over the bound", "曲率与上界之比"),
        curvature / upper_bound(line, "softmax", form),
        at_most=1 + 1e-12,
    )
    x, _ = design()
    inputs, labels = mt.tensor(x), mt.tensor((np.arange(200) % 2).astype(float))
    logistic = analysis.objective(lambda w: binary_cross_entropy_with_logits(inputs @ w, labels), np.zeros(5))
    known = upper_bound(x, "binary", "right")
    run.claim(
        (r"one logit, $w = 0$: $\lambda_{max}$ less $\frac{1}{4} \lambda_{max}(X^\top X / N)$",
         r"单个 logit，$w = 0$：$\lambda_{max}$ 与 $\frac{1}{4} \lambda_{max}(X^\top X / N)$ 之差"),
        np.linalg.eigvalsh(logistic.hessian())[-1] - known, equals=0, within=1e-12,
    )  # fmt: skip
    run.claim(
        ("one logit: that, over the printed bound", "单个 logit：它与原文上界之比"),
        known / upper_bound(x, "binary", "printed"),
        at_most=1,
    )
    weights = run.rng.standard_normal((100, 15)) * 10.0 ** run.rng.uniform(-2, 1, (100, 1))
    many = np.linalg.eigvalsh(softmax_loss(x, 3).hessians(weights))[:, -1] / upper_bound(x, "softmax", "right")
    run.claim(
        (r"$d = 5$, $C = 3$, 100 random $W$: largest $\lambda_{max}$ over $\frac{1}{2} \lambda_{max}(X^\top X / N)$",
         r"$d = 5$，$C = 3$，100 个随机 $W$：最大的 $\lambda_{max}$ 与 $\frac{1}{2} \lambda_{max}(X^\top X / N)$ 之比"),
        many.max(), at_most=1 + 1e-12,
    )  # fmt: skip
    shown = np.linspace(low, high, 20)[:, None]
    sweep = np.linspace(-4, 4, 81)
    along = np.linalg.eigvalsh(softmax_loss(shown, 2).hessians(sweep[:, None] * np.array([0.5, -0.5])))[:, -1]
    spread = [
        np.linalg.eigvalsh(one_sample(np.log(np.maximum(run.rng.dirichlet(np.full(c, 0.3), draws), 1e-300))))[:, -1]
        for c in (2, 3, 5)
    ]

    def draw(left: Any, middle: Any, right: Any) -> None:
        top_of = lambda p: np.linalg.eigvalsh(one_sample(np.log(np.maximum(p, 1e-12))))[:, -1]
        plots.ternary(top_of, left, label=r"$\lambda_{max}$", levels=np.linspace(0, 0.5, 11))
        for values, name, k in zip(spread, ("2", "3", "5"), range(3), strict=True):
            middle.hist(values, bins=np.linspace(0, 0.52, 53), histtype="step", color=f"C{k}", label=f"C = {name}")
        middle.axvline(0.25, color="C3", linestyle="--", label="1/4, printed")
        middle.axvline(0.5, color="black", linestyle=":", label="1/2")
        middle.set(xlabel=r"$\lambda_{max}$ of diag(p) - pp$^\top$", ylabel="how many distributions")
        middle.legend(fontsize="small", loc="upper center")
        right.plot(sweep, along, label="curvature of the loss")
        right.axhline(upper_bound(shown, "softmax", "printed"), color="C3", linestyle="--", label="printed bound, 1/4")
        right.axhline(upper_bound(shown, "softmax", "right"), color="black", linestyle=":", label="bound with 1/2")
        right.set(
            xlabel="difference of the classes' weights", ylabel=r"$\lambda_{max}$", title="one input, two classes"
        )
        right.set_ylim(0, None)
        right.legend(fontsize="small", loc="lower center")

    run.figure(
        (
            "Left: the curvature of one sample over all distributions of three classes; it is largest in the middle of the sides. Middle: "
            "random distributions. Right: the printed bound is exceeded.",
            "左：三个类别时单个样本的曲率，在各边中点最大。中：随机分布的曲率。右：实际曲率超过原文的上界。",
        ),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
