"""Labels as outcomes of a die: likelihood, cross-entropy, and what neither says about accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run

losses = mt.nn.losses


@item(
    "categorical-likelihood",
    kind="function",
    source="Chapter 4, section 4.1.3",
    title=("The likelihood of labels", "标签的似然"),
    statement=(
        r"For labels $y^{(n)}$ and model probabilities $\hat{p}^{(n)}$ the likelihood of the data is $\prod_n \hat{p}^{(n)}_{y^{(n)}}$, "
        r"the log-likelihood $\sum_n \ln \hat{p}^{(n)}_{y^{(n)}}$.",
        r"设标签为 $y^{(n)}$，模型概率为 $\hat{p}^{(n)}$，则数据的似然为 $\prod_n \hat{p}^{(n)}_{y^{(n)}}$，对数似然为"
        r" $\sum_n \ln \hat{p}^{(n)}_{y^{(n)}}$。",
    ),
    verdict="holds",
    ranges={"samples": (100, 20000), "classes": (2, 20)},
    random=True,
)
def likelihood(run: Run, samples: int = 5000, classes: int = 3) -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    labels = np.arange(3)
    log_p = mt.tensor(np.log(p), requires_grad=True)
    run.claim(
        ("3 samples: likelihood", "3 个样本：似然"),
        mt.tensor(p[labels, labels]).prod().item(),
        equals=0.224,
        within=1e-12,
    )
    run.claim(("negative log-likelihood, sum", "负对数似然之和"), losses.nll_loss(log_p, labels, reduction="sum").item(),
              equals=1.496109, within=1e-6)  # fmt: skip
    mean = losses.nll_loss(log_p, labels)
    run.claim(("negative log-likelihood, mean", "负对数似然的均值"), mean.item(), equals=0.498703, within=1e-6)
    mean.backward()
    slopes = np.array(log_p.grad)
    run.claim((r"gradient in the log-probabilities, at the labels: $-1/N$", r"关于对数概率的梯度，标签处：$-1/N$"),
              np.diag(slopes), equals=-1 / 3, within=1e-12)  # fmt: skip
    run.claim(("and elsewhere", "其他位置"), np.abs(slopes - np.diag(np.diag(slopes))), equals=0.0)

    def many(n: int, c: int) -> np.ndarray:
        logits, y = run.rng.normal(size=(n, c)), run.rng.integers(0, c, n)
        return losses.nll_loss(mt.log_softmax(logits, -1), y, reduction="none").numpy()

    each = many(5000, 3)
    run.claim(
        ("5000 samples: product of the probabilities", "5000 个样本：概率连乘"),
        mt.tensor(np.exp(-each)).prod().item(),
        equals=0.0,
    )
    run.claim(
        ("5000 samples: the log-likelihood is finite", "5000 个样本：对数似然有限"), bool(np.isfinite(each.sum()))
    )
    shown = many(samples, classes)

    def draw(left: Any, right: Any) -> None:
        image = left.imshow(p, cmap="Blues", vmin=0, vmax=1)
        left.figure.colorbar(image, ax=left, label="probability", fraction=0.046)
        for n, c in np.ndindex(3, 3):
            left.text(c, n, f"{p[n, c]:g}", ha="center", va="center", color="white" if p[n, c] > 0.5 else "black",
                      weight="bold" if n == c else "normal")  # fmt: skip
        left.plot(labels, labels, "s", markersize=38, markerfacecolor="none", markeredgecolor="C3", markeredgewidth=2)
        left.set(xlabel="class", ylabel="sample", xticks=range(3), yticks=range(3), title=r".7 · .8 · .4 = .224")
        with np.errstate(under="ignore"):
            product = np.cumprod(np.exp(-shown))
        count = np.arange(1, len(shown) + 1)
        right.plot(count, -np.cumsum(shown) / np.log(10), label="sum of logarithms")
        alive = product > 0
        right.plot(
            count[alive], np.log10(product[alive]), "C3", linewidth=3, alpha=0.5, label="product, while it is not 0"
        )
        right.set(xlabel="samples", ylabel="log10 of the likelihood")
        right.legend(fontsize="small")

    run.figure(
        ("Left: the likelihood is the product of the framed entries. Right: of many samples the product underflows.",
         "左：似然是框中各数之积。右：样本多时，连乘下溢为 0。"),
        draw,
        (1, 2), (9.6, 4.0),
    )  # fmt: skip


@item(
    "true-class-probability-vs-accuracy",
    kind="definition",
    source="Chapter 4, section 4.1.3",
    title=(
        "Is the probability of the true class the probability of being right?",
        "真实类别的概率等于分类正确的概率吗",
    ),
    statement=(
        r"The text calls $\hat{p}^{(n)}_{y^{(n)}}$ the probability that sample $n$ is classified correctly.",
        r"书中说，样本 $x^{(n)}$ 被正确分类的概率为 $\hat{p}^{(n)}_{y^{(n)}}$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Only for a classifier that draws its answer from $\hat{p}$, as the sentence before it has it. The usual classifier takes the "
        "most probable class and is then right or wrong for certain; accuracy and likelihood can move in opposite directions.",
        r"只对按 $\hat{p}$ 抽样作答的分类器成立，原文前一句正是这样建模的。通常的分类器取概率最大的类别，对每个样本要么必对，"
        "要么必错；准确率与似然可能朝相反方向变化。",
    ),
    ranges={"draws": (1000, 1000000), "temperature": (0.1, 10.0)},
    random=True,
)
def right_or_probable(run: Run, draws: int = 100000, temperature: float = 1.0) -> None:
    p = np.array([0.4, 0.35, 0.25])
    drawn = run.rng.choice(3, max(draws, 100_000), p=p)
    run.claim((r"$\hat{p} = (.4, .35, .25)$, label 0: share of drawn answers that are right",
               r"$\hat{p} = (.4, .35, .25)$、标签 0：抽样作答的正确比例"), float((drawn[:100_000] == 0).mean()), equals=0.4,
              within=0.008)  # fmt: skip
    run.claim(
        ("and of the most probable answer", "取概率最大的类别：正确比例"),
        float(mt.tensor(p).argmax().item() == 0),
        equals=1.0,
    )
    # all barely right, against nine of ten very right
    barely, mostly = np.full(10, 0.51), np.array([0.99] * 9 + [0.3])
    found = {}
    for name, right in (("A", barely), ("B", mostly)):
        logits = np.log(np.column_stack([right, 1 - right]))
        nll = mt.cross_entropy(mt.tensor(logits), mt.tensor(np.zeros(10, int))).item()
        found[name] = (float((logits.argmax(1) == 0).mean()), nll)
    run.claim(("A: ten times .51 for the true class. B: nine times .99, once .3. Accuracy of A less that of B",
               "A：10 个样本的真实类别概率都是 .51。B：9 个 .99，1 个 .3。A 与 B 的准确率之差"),
              found["A"][0] - found["B"][0], equals=0.1, within=1e-12)  # fmt: skip
    run.claim(("mean negative log-likelihood of A less that of B", "A 与 B 的平均负对数似然之差"), found["A"][1] - found["B"][1],
              at_least=0.5)  # fmt: skip
    y = run.rng.integers(0, 3, 2000)
    logits = run.rng.normal(size=(2000, 3)) + 1.5 * np.eye(3)[y]
    rates = np.geomspace(0.1, 10, 41)
    log_p = mt.log_softmax(mt.tensor(logits[None] / np.append(rates, temperature)[:, None, None]), -1).numpy()
    of_truth = log_p[:, np.arange(2000), y]
    accuracy = (log_p.argmax(-1) == y).mean(1)
    run.claim(("logits divided by 0.1 to 10: largest change of the accuracy", "logit 除以 0.1 至 10：准确率的最大变化"),
              np.ptp(accuracy), equals=0.0)  # fmt: skip
    geometric = np.exp(of_truth.mean(1))
    run.claim(("and largest over smallest geometric mean of the true class's probability",
               "真实类别概率的几何平均：最大值与最小值之比"), geometric.max() / geometric.min(), at_least=1.5)  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        at = np.arange(3)
        left.bar(at - 0.27, p, 0.27, label=r"$\hat{p}$")
        left.bar(at, np.bincount(drawn[:draws], minlength=3) / draws, 0.27, label="drawn answers")
        left.bar(at + 0.27, [1, 0, 0], 0.27, label="most probable answer")
        left.set(xlabel="class (the label is 0)", ylabel="share of answers", xticks=at)
        left.legend(fontsize="small")
        right.semilogx(rates, accuracy[:-1], label="right, most probable answer")
        right.semilogx(rates, np.exp(of_truth[:-1]).mean(1), "--", label="right, drawn answer")
        right.semilogx(rates, geometric[:-1], ":", label="exp(-mean NLL)")
        for values in (accuracy, np.exp(of_truth).mean(1), geometric):
            right.plot([temperature], [values[-1]], "ko", markersize=4)
        right.set(xlabel="temperature: logits are divided by it", ylabel="share, probability", ylim=(0, 1))
        right.legend(fontsize="small")

    run.figure(
        ("Left: three ways to answer. Right: a temperature changes every probability and no decision.",
         "左：三种作答方式。右：温度改变所有概率，却不改变任何判断。"),
        draw,
        (1, 2), (9.6, 4.0),
    )  # fmt: skip


@item(
    "cross-entropy-is-nll",
    kind="theorem",
    source="Chapter 4, section 4.1.3, Theorem 4.1.2; section 4.1.7",
    title=("Cross-entropy is the negative log-likelihood", "交叉熵就是负对数似然"),
    statement=(
        "Theorem 4.1.2: in discrete classification the cross-entropy loss is the negative log-likelihood; to minimise it is to "
        "maximise the likelihood of the data.",
        "定理 4.1.2：在离散分类问题中，交叉熵损失就是负对数似然，最小化交叉熵即最大化数据的似然。",
    ),
    verdict="holds",
    ranges={"lr": (0.05, 4.0), "steps": (5, 500)},
    random=True,
)
def is_nll(run: Run, lr: float = 1.0, steps: int = 60) -> None:
    logits, labels = run.rng.normal(size=(20, 4)), run.rng.integers(0, 4, 20)
    rows = np.arange(20)
    ways: dict[str, Any] = {
        "cross-entropy": lambda z: mt.cross_entropy(z, mt.tensor(labels), reduction="sum"),
        "nll of log_softmax": lambda z: losses.nll_loss(mt.log_softmax(z, -1), labels, reduction="sum"),
        "-ln of the product": lambda z: -mt.softmax(z, -1)[rows, labels].prod().log(),
        "mean": lambda z: mt.cross_entropy(z, mt.tensor(labels)),
    }
    values, slopes = {}, {}
    for name, way in ways.items():
        objective = mt.analysis.objective(lambda v, way=way: way(v.reshape(20, 4)), logits.ravel())
        values[name], slopes[name] = objective.value_and_gradient()
    for name, zh in (("nll of log_softmax", "对数概率的负对数似然"), ("-ln of the product", "概率连乘后取负对数")):
        run.claim((f"20 samples, 4 classes: {name} less cross-entropy", f"20 个样本、4 个类别：{zh}与交叉熵之差"),
                  abs(values[name] - values["cross-entropy"]), at_most=1e-10)  # fmt: skip
        run.claim((f"gradients of both: largest difference ({name})", f"两者梯度的最大差（{zh}）"),
                  np.abs(slopes[name] - slopes["cross-entropy"]).max(), at_most=1e-10)  # fmt: skip
    run.claim(
        ("the sum over the mean", "求和与求均值之比"),
        values["cross-entropy"] / values["mean"],
        equals=20.0,
        within=1e-12,
    )
    run.claim(("and of their gradients, largest deviation", "两者梯度之比的最大偏差"),
              np.abs(slopes["cross-entropy"] - 20 * slopes["mean"]).max(), at_most=1e-12)  # fmt: skip
    counts = np.bincount(run.rng.choice(4, 100, p=[0.4, 0.3, 0.2, 0.1]), minlength=4)
    outcomes = mt.tensor(np.repeat(np.arange(4), counts))

    def train(rate: float, number: int) -> np.ndarray:
        path = follow(descent(rate), lambda z: mt.cross_entropy(z.expand(100, 4), outcomes), np.zeros(4), number)
        return mt.softmax(mt.tensor(path), -1).numpy()

    end = train(2.0, 1000)[-1]
    run.claim(("100 outcomes, no inputs: trained probabilities less the frequencies", "100 次结果、无输入：训练所得概率与频率之差"),
              np.abs(end - counts / 100).max(), at_most=1e-6)  # fmt: skip
    shown = train(lr, steps)
    curve = -(np.log(shown) @ counts) / 100

    def draw(left: Any, right: Any) -> None:
        at = np.arange(4)
        left.bar(at - 0.2, counts / 100, 0.4, color="0.7", label="frequencies: the maximum of the likelihood")
        left.bar(at + 0.2, shown[-1], 0.4, label=f"softmax(z) after {steps} steps")
        left.set(xlabel="outcome", ylabel="probability", xticks=at, ylim=(0, 1.35 * max(counts) / 100))
        left.legend(fontsize="small")
        right.plot(curve, label="cross-entropy")
        entropy = losses.entropy(counts / 100).item()
        right.axhline(entropy, color="C3", linestyle="--", label="entropy of the frequencies")
        right.set(xlabel=rf"step, $\eta = {lr:g}$", ylabel="mean negative log-likelihood")
        right.legend(fontsize="small")

    run.figure(
        ("Training on the cross-entropy alone finds the frequencies, the closed-form maximum of the likelihood.",
         "只用交叉熵训练即可得到频率，也就是最大似然的闭式解。"),
        draw,
        (1, 2), (9.6, 4.0),
    )  # fmt: skip
