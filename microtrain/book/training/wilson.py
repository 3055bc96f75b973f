"""Data on which adaptive methods find another minimum than gradient descent, and what tuning does about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .adam_and_sgd import apart


class Data(NamedTuple):
    """Several draws: inputs (draws, n, 3 + 5n), labels (draws, n) of -1 and 1, and test labels (draws, tests)."""

    x: np.ndarray
    y: np.ndarray
    test: np.ndarray

    @property
    def steepest(self) -> float:
        """The largest curvature of the half mean of the squares."""
        largest = float(np.linalg.eigvalsh(self.x @ self.x.transpose(0, 2, 1)).max())
        return largest / len(self.y[0])


def draw_data(n: int, seeds: Sequence[int], share: float = 0.75, tests: int = 2000) -> Data:
    """Wilson's features: the label itself, two ones, and then private to the sample one 1 (label 1) or five (-1)."""
    inputs, labels, test = [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        y = np.where(rng.random(n) < share, 1.0, -1.0)
        x = np.zeros((n, 3 + 5 * n))
        x[:, 0], x[:, 1:3] = y, 1.0
        for k in range(n):
            x[k, 3 + 5 * k : 4 + 5 * k + (4 if y[k] < 0 else 0)] = 1.0
        inputs.append(x)
        labels.append(y)
        test.append(np.where(rng.random(tests) < share, 1.0, -1.0))
    return Data(np.array(inputs), np.array(labels), np.array(test))


def train(data: Data, makers: Sequence[Callable[..., Any]], steps: int, every: int) -> tuple[np.ndarray, np.ndarray]:
    """Least squares (half the mean square) from 0 with several optimizers at once.

    Returns the weights (makers, draws, d), and the loss (records, makers, draws) after each `every` steps.
    """
    params = [mt.tensor(np.zeros(data.x.shape[::2]), requires_grad=True) for _ in makers]
    optimizers = [make([p]) for make, p in zip(makers, params, strict=True)]
    columns, labels = mt.tensor(data.x.transpose(0, 2, 1).copy()), data.y[:, None]
    losses = []
    for k in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
        residual = mt.stack(params, 1) @ columns - labels  # (draws, makers, n)
        (0.5 * residual * residual).mean(2).sum().backward()
        for optimizer in optimizers:
            optimizer.step()
        if (k + 1) % every == 0:
            losses.append(0.5 * (residual.detach().numpy() ** 2).mean(2).T)
    return np.array([p.detach().numpy() for p in params]), np.array(losses)


def test_errors(data: Data, weights: np.ndarray) -> np.ndarray:
    """The share of new samples on the wrong side, (makers, draws); new samples have the first three features only."""
    scores = weights[..., :1] * data.test + weights[..., 1:3].sum(-1, keepdims=True)
    return (np.sign(scores) != data.test).mean(-1)  # type: ignore[no-any-return]


NAMES = ("GD", "momentum", "AdaGrad", "RMSProp", "Adam")


def falling(lr: float) -> Any:
    """A rate that falls like 1 / sqrt(t)."""
    return lambda k: lr / np.sqrt(k + 1)


def methods(steepest: float, adagrad: float, adam: float) -> list[Callable[..., Any]]:
    """The five optimizers; RMSProp and Adam with rates that fall like 1 / sqrt(t)."""
    return [
        partial(mt.optim.SGD, lr=1 / steepest),
        partial(mt.optim.SGD, lr=1 / steepest, momentum=0.9),
        partial(mt.optim.Adagrad, lr=adagrad),
        partial(mt.optim.RMSprop, lr=falling(0.01)),
        partial(mt.optim.Adam, lr=falling(adam)),
    ]


@item(
    "wilson-adaptive-vs-sgd",
    kind="experiment",
    source="Chapter 6, notes, SGD versus Adam (Wilson et al. 2017)",
    title=("One training loss, two test errors", "训练损失相同，测试错误率不同"),
    statement=(
        "SGD with momentum is reported to find lower minima than Adam and so to generalise better on many tasks.",
        "书中引述：带动量的 SGD 找到的极小值比 Adam 更低，因而在许多任务上泛化更好。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Here the minima are equally low: zero. What differs is which one is reached. From zero, gradient descent finds "
        r"the shortest solution $X^{+} y$, the adaptive methods one proportional to $\operatorname{sign}(X^\top y)$, which "
        "leans on rare features. It is a property of these data, and no general rule.",
        r"在这里，各个最小值同样低，都是零；差别在于到达哪一个。从零出发，梯度下降得到范数最小的解 $X^{+} y$，"
        r"自适应方法得到与 $\operatorname{sign}(X^\top y)$ 成正比的解，它依赖稀有的特征。这是这组数据的性质，并非普遍规律。",
    ),
    ranges={"n": (20, 120), "share": (0.55, 0.9)},
    random=True,
)
def wilson(run: Run, n: int = 60, share: float = 0.75) -> None:
    seeds = [3 * run.seed + k for k in range(3)]
    rows: list[tuple[Any, ...]] = []
    for size, steps, adagrad, adam in ((60, 300, 0.1, 0.05), (100, 1500, 0.05, 0.01)):
        data = draw_data(size, seeds)
        weights, losses = train(data, methods(data.steepest, adagrad, adam), steps, steps)
        errors = test_errors(data, weights)
        most = f"$n = {size}$, {steps} steps", f"$n = {size}$，{steps} 步"
        run.claim((f"{most[0]}: largest training loss", f"{most[1]}：最大的训练损失"), losses[-1].max(), at_most=1e-7)
        run.claim(
            (f"{most[0]}: test error of gradient descent and momentum", f"{most[1]}：梯度下降与动量法的测试错误率"),
            errors[:2].ravel(),
            equals=0.0,
        )
        run.claim(
            (f"{most[0]}: test error of the adaptive methods", f"{most[1]}：自适应方法的测试错误率"),
            errors[2:].ravel(),
            at_least=0.2,
        )
        run.claim(
            (
                f"{most[0]}: that error minus the share of the negative class",
                f"{most[1]}：上述错误率与负类所占比例之差",
            ),
            np.abs(errors[2:] - (data.test < 0).mean(1)).max(),
            at_most=1e-12,
        )
        signs = np.sign(np.einsum("snd,sn->sd", data.x, data.y))
        cosine = (weights[-1] * signs).sum(1) / np.linalg.norm(weights[-1], axis=1) / np.linalg.norm(signs, axis=1)
        run.claim(
            (
                rf"{most[0]}: cosine between Adam's solution and $\operatorname{{sign}}(X^\top y)$",
                rf"{most[1]}：Adam 的解与 $\operatorname{{sign}}(X^\top y)$ 夹角的余弦",
            ),
            cosine,
            at_least=0.9999999,
        )
        shortest = np.array([np.linalg.pinv(x) @ y for x, y in zip(data.x, data.y, strict=True)])
        run.claim(
            (
                rf"{most[0]}: distance of gradient descent's from $X^{{+}} y$",
                rf"{most[1]}：梯度下降的解与 $X^{{+}} y$ 之差",
            ),
            np.abs(weights[0] - shortest).max(),
            at_most=1e-13,
        )
        rows += [(size, name, *losses[-1][k], *errors[k]) for k, name in enumerate(NAMES)]
    run.table(
        ("Training loss and test error of three draws", "三次抽样的训练损失与测试错误率"),
        ("n", "optimizer", *(f"loss {k}" for k in seeds), *(f"test error {k}" for k in seeds)),
        rows,
    )
    run.note(
        "1500 steps do for $n = 100$: by then every training loss is below $10^{-7}$, and nothing changes afterwards.",
        "$n = 100$ 时 1500 步已足够：此时所有训练损失都低于 $10^{-7}$，之后不再变化。",
    )
    own = draw_data(n, seeds[:1], share)
    points, curves = train(own, methods(own.steepest, 0.1, 0.05), 400, 2)
    errors = test_errors(own, points)[:, 0]

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k, name in enumerate(NAMES):
            left.plot(2 * np.arange(1, len(curves) + 1), np.maximum(curves[:, k, 0], 1e-32), label=name)
        left.set(xlabel="step", ylabel="training loss", yscale="log", title=f"n = {n}")
        left.legend(fontsize="small")
        middle.bar(NAMES, errors, color=[f"C{k}" for k in range(5)])
        middle.axhline((own.test < 0).mean(), color="k", linestyle=":", label="share of the negative class")
        middle.set(ylabel="test error", ylim=(0, 0.6))
        middle.tick_params(axis="x", rotation=30)
        middle.legend(fontsize="small")
        for k in (0, 4):
            w = points[k, 0, :33]
            right.plot(w / np.abs(w).max(), "x" if k else "o", color=f"C{k}", label=NAMES[k])
        right.set(xlabel="feature (0: the label)", ylabel="weight / largest weight", title="Which minimum")
        right.legend(fontsize="small")

    run.figure(
        (
            "All reach zero training loss. Gradient descent relies on the feature that is the label; Adam gives every "
            "feature one and the same weight.",
            "所有方法的训练损失都降到零。梯度下降依靠等于标签的那个特征；Adam 给每个特征同样大小的权重。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )


@item(
    "adam-tuned-matches-sgd",
    kind="theorem",
    source="Chapter 6, notes, SGD versus Adam (Choi et al. 2019)",
    title=("Adam with tuned settings is no worse than SGD", "调好超参数的 Adam 不逊于 SGD"),
    statement=(
        "With the best hyper-parameters Adam performs like SGD and converges faster: it is the default settings that make "
        "SGD look better.",
        "在最佳超参数下，Adam 的表现与 SGD 相当，收敛更快：是默认设置让 SGD 显得更好。",
    ),
    verdict="holds with a condition",
    correction=(
        r"$\epsilon$ has to be among what is tuned. For a large $\epsilon$ and the rate $\eta\epsilon$ Adam is (momentum) "
        "SGD to any accuracy, so the best Adam can't be worse than the best of those.",
        r"$\epsilon$ 必须也在调节之列。$\epsilon$ 很大、学习率取 $\eta\epsilon$ 时，Adam 以任意精度等同于（带动量的）SGD，"
        r"因此最好的 Adam 不会比最好的 SGD 差。",
    ),
    ranges={"n": (20, 80), "steps": (500, 4000)},
    random=True,
)
def tuned(run: Run, n: int = 40, steps: int = 2000) -> None:
    large: dict[str, Any] = {"lr": 0.01 * 1e9, "eps": 1e9}
    for text, adam, other in (
        (("SGD", " SGD "), partial(mt.optim.Adam, betas=(0.0, 0.999), **large), partial(mt.optim.SGD, lr=0.01)),
        (
            ("momentum SGD (eq. 6.11)", "动量法（式 6.11）"),
            partial(mt.optim.Adam, betas=(0.9, 0.999), bias_correction=False, **large),
            partial(mt.optim.Momentum, lr=0.01, beta=0.9),
        ),
    ):
        run.claim(
            (
                rf"$\epsilon = 10^9$: distance from {text[0]} after 100 steps",
                rf"$\epsilon = 10^9$：100 步后与{text[1]}之差",
            ),
            apart(adam, other, 100),
            at_most=1.2e-9,
        )
    scales = (1e-8, 1e-2, 1.0, 100.0, 1e6)

    def adams(data: Data) -> list[Callable[..., Any]]:
        small: list[Callable[..., Any]] = [
            partial(mt.optim.Adam, lr=falling(0.05), betas=(0.0, 0.999), eps=e) for e in scales[:2]
        ]
        return small + [partial(mt.optim.Adam, lr=e / data.steepest, betas=(0.0, 0.999), eps=e) for e in scales[2:]]

    seeds = [3 * run.seed + k for k in range(3)]
    data = draw_data(40, seeds)
    weights, losses = train(data, adams(data), 2000, 20)
    errors = test_errors(data, weights)
    for k, e in enumerate(scales):
        english = rf"Wilson's data, $\epsilon = 10^{{{np.log10(e):g}}}$: test error"
        chinese = rf"Wilson 的数据，$\epsilon = 10^{{{np.log10(e):g}}}$：测试错误率"
        if e < 1:
            run.claim((english, chinese), errors[k], at_least=0.2)
        else:
            run.claim((english, chinese), errors[k], equals=0.0)
    run.claim(("all: largest training loss at the end", "全部：最终训练损失的最大值"), losses[-1].max(), at_most=1e-15)
    run.table(
        ("Test error of three draws", "三次抽样的测试错误率"),
        ("eps", *(f"draw {k}" for k in seeds)),
        [(e, *errors[k]) for k, e in enumerate(scales)],
    )
    if (n, steps) != (40, 2000):
        data = draw_data(n, seeds)
        weights, losses = train(data, adams(data), steps, 20)
        errors = test_errors(data, weights)
    when = 20 * np.arange(1, len(losses) + 1)

    def draw(left: Any, right: Any) -> None:
        for k, e in enumerate(scales):
            left.plot(when, np.maximum(losses[:, k, 0], 1e-32), label=rf"$\epsilon = {e:g}$")
            right.plot(np.full(3, e), errors[k], "o", color=f"C{k}", alpha=0.6)
        left.set(xlabel="step", ylabel="training loss", yscale="log", title=f"Wilson's data, n = {n}")
        left.legend(fontsize="small")
        right.set(xlabel=r"$\epsilon$", ylabel="test error", xscale="log", ylim=(-0.02, 0.5), title="Three draws")

    run.figure(
        (
            r"Every $\epsilon$ reaches zero training loss; only the large ones give the minimum of gradient descent.",
            r"各个 $\epsilon$ 的训练损失都降到零；只有较大的 $\epsilon$ 到达梯度下降的那个最小值。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
