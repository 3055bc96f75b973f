"""Networks trained by SGD to one loss: how sharp the places are, by learning rate and batch size, and how they predict."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run


class Trained(NamedTuple):
    """One setting: for each network its sharpness and test accuracy at the first step with loss < 0.05; mean steps."""

    sharpness: np.ndarray
    accuracy: np.ndarray
    steps: float


def problem(rng: np.random.Generator, networks: int, apart: float) -> tuple[np.ndarray, np.ndarray, list[mt.Tensor]]:
    """Inputs (networks, 64, 10), 16 of each of 4 classes in order, test inputs (networks, 400, 10), and parameters."""
    centres = apart * rng.standard_normal((networks, 4, 10))
    x = np.repeat(centres, 16, axis=1) + rng.standard_normal((networks, 64, 10))
    tests = np.repeat(centres, 100, axis=1) + rng.standard_normal((networks, 400, 10))
    shapes = (
        ((networks, 10, 16), 10**-0.5), ((networks, 1, 16), 0.0), ((networks, 16, 4), 0.25), ((networks, 1, 4), 0.0)
    )  # fmt: skip
    return x, tests, [mt.tensor(rng.standard_normal(shape) * scale, requires_grad=True) for shape, scale in shapes]


def logits_of(inputs: Any, theta: Any) -> mt.Tensor:
    """What the networks say, (networks, samples, classes)."""
    hidden = (mt.tensor(inputs) @ theta[0] + theta[1]).tanh()
    return hidden @ theta[2] + theta[3]  # type: ignore[no-any-return]


def losses(inputs: Any, targets: np.ndarray, theta: Any) -> mt.Tensor:
    """The mean cross-entropy of each network, (networks,)."""
    logits = logits_of(inputs, theta)
    chosen = logits.gather(2, mt.tensor(targets[..., None])).squeeze(2)
    return (logits.logsumexp(2) - chosen).mean(1)


def noisy_labels(lr: float, batch: int, seed: int, networks: int = 16, epochs: int = 150) -> tuple[float, float]:
    """(test accuracy, accuracy on the training labels) after a fixed time with a fifth of the labels wrong."""
    rng = np.random.default_rng(seed)
    x, tests, params = problem(rng, networks, 1.2)
    labels = np.tile(np.repeat(np.arange(4), 16), (networks, 1))
    wrong = rng.random(labels.shape) < 0.2
    labels[wrong] = (labels[wrong] + rng.integers(1, 4, size=int(wrong.sum()))) % 4
    optimizer, rows = mt.optim.SGD(params, lr=lr), np.arange(networks)[:, None]
    for _ in range(epochs):
        order = np.argsort(rng.random((networks, 64)), axis=1)
        for start in range(0, 64, batch):
            chosen = order[:, start : start + batch]
            optimizer.zero_grad()
            losses(x[rows, chosen], labels[rows, chosen], params).sum().backward()
            optimizer.step()
    right = [
        (logits_of(a, params).detach().numpy().argmax(2) == b).mean()
        for a, b in ((tests, np.repeat(np.arange(4), 100)), (x, labels))
    ]
    return float(right[0]), float(right[1])


@lru_cache(maxsize=256)
def train_networks(lr: float, batch: int, seed: int, networks: int = 48, apart: float = 1.2) -> Trained:
    """Networks 10-16-4 (tanh) on 64 samples of 4 normal classes each, trained by SGD to a loss of 0.05."""
    rng = np.random.default_rng(seed)
    x, tests, params = problem(rng, networks, apart)
    labels, test_labels = np.repeat(np.arange(4), 16), np.repeat(np.arange(4), 100)
    everything = np.tile(labels, (networks, 1))
    stopped, kept = np.zeros(networks), [p.detach().numpy().copy() for p in params]
    alive, steps = np.arange(networks), 0  # networks that have reached the loss are left out
    optimizer = mt.optim.SGD(params, lr=lr)
    while len(alive) and steps < 20_000:
        steps += 1
        chosen = np.argsort(rng.random((len(alive), 64)), axis=1)[:, :batch]
        optimizer.zero_grad()
        losses(x[alive[:, None], chosen], labels[chosen], params).sum().backward()
        optimizer.step()
        with mt.no_grad():
            low = losses(x[alive], everything[alive], params).numpy() < 0.05
        if low.any():
            for p, k in zip(params, kept, strict=True):
                k[alive[low]] = p.detach().numpy()[low]
            stopped[alive[low]], alive = steps, alive[~low]
            params = [mt.tensor(p.detach().numpy()[~low], requires_grad=True) for p in params]
            optimizer = mt.optim.SGD(params, lr=lr)
    theta = [mt.tensor(k) for k in kept]
    everyone = analysis.Objective(lambda *t: losses(x, everything, t).sum(), theta)
    scores = logits_of(tests, theta).numpy()
    return Trained(each_sharpness(everyone, networks), (scores.argmax(2) == test_labels).mean(1), float(stopped.mean()))


def each_sharpness(objective: analysis.Objective, networks: int, rounds: int = 40) -> np.ndarray:
    """The largest curvature of each of many networks whose losses are added up: power iteration for all at once."""
    multiply = objective.product(objective.theta)

    def by_network(flat: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(v).reshape(networks, -1) for v in objective.flat.split(flat)]

    v = np.random.default_rng(0).standard_normal(objective.size)
    for _ in range(rounds):
        size = np.sqrt(sum((part**2).sum(1) for part in by_network(v)))
        v = np.concatenate([(part / size[:, None]).ravel() for part in by_network(v)])
        v = multiply(v)
    return np.sqrt(sum((part**2).sum(1) for part in by_network(v)))  # type: ignore[no-any-return]


SETTINGS = ((0.05, 64), (0.2, 64), (0.2, 16), (0.8, 16), (0.8, 8), (0.8, 4), (0.2, 1))  # rate, batch


def ratio_table(seed: int) -> list[tuple[float, int, float, float, float, float, float]]:
    """Rate, batch, B / rate, sharpness and its standard error, accuracy and its standard error."""
    rows = []
    for lr, batch in SETTINGS:
        found = train_networks(lr, batch, seed)
        root = len(found.sharpness) ** 0.5
        mean = float(found.sharpness.mean()), float(found.sharpness.std() / root)
        rows.append((lr, batch, batch / lr, *mean, float(found.accuracy.mean()), float(found.accuracy.std() / root)))
    return rows


@item(
    "batch-over-lr-generalisation",
    kind="guidance",
    source="Chapter 6, notes, properties of SGD (He et al. 2019, Smith et al. 2018, Goyal et al. 2018)",
    title=("Batch size over rate, and generalisation", "批量大小与学习率之比和泛化"),
    statement=(
        "He et al. derive a generalisation bound that goes up with the ratio of batch size to learning rate, and find "
        "that test accuracy is better when the ratio is low. Others call it crucial as well.",
        "He 等人得到的泛化界与批量大小对学习率之比正相关，并在实验中发现该比值低时测试准确率更高。其他人也认为这一比值很关键。",
    ),
    verdict="holds with a condition",
    correction=(
        "It is the bound on the error that grows with the ratio, so a small ratio is better; the translation, with a "
        "positive correlation of batch size and learning-rate ratio, leaves that open. The sharpness behaves so here. The "
        "accuracy does not improve at equal training loss: in these small experiments there is no gain.",
        "随比值增大的是误差的上界，因此比值小更好；译文写成“批量大小和学习率比率的正相关”，意思含糊。这里的尖锐性符合这一方向；"
        "但训练损失相同时，准确率并未提高：在这些小实验中没有收益。",
    ),
    ranges={"eta": (0.05, 1.0), "batch": (1, 64)},
    random=True,
)
def batch_over_rate(run: Run, eta: float = 0.8, batch: int = 4) -> None:
    rows = ratio_table(run.seed)
    by_ratio = {(row[0], row[1]): row for row in rows}
    calm = by_ratio[0.05, 64]
    for pair, value in zip(SETTINGS, (0.9402, 0.9401, 0.9398, 0.9392, 0.9380, 0.9307, 0.9287), strict=True):
        row = by_ratio[pair]
        run.claim(
            (
                rf"$B/\eta = {row[2]:g}$ ($B = {pair[1]}$): test accuracy",
                rf"$B/\eta = {row[2]:g}$（$B = {pair[1]}$）：测试准确率",
            ),
            row[5],
            equals=value,
            within=0.03,
        )
    noisy = [by_ratio[0.8, 4], by_ratio[0.2, 1]]
    run.claim(
        ("accuracy at the ratio 5 minus that at 1280: no gain", "比值 5 与 1280 的准确率之差：没有收益"),
        max(row[5] - calm[5] for row in noisy),
        at_most=0.01,
    )
    run.claim(
        ("sharpness at the ratio 5 over that at 1280: the minima are wider", "比值 5 与 1280 的尖锐性之比：极小值更宽"),
        sum(row[3] for row in noisy) / (2 * calm[3]),
        at_most=0.85,
    )
    predicted = []
    for (rate, size), train in (((0.32, 16), 1.0), ((0.064, 64), 0.80)):
        test, memorised = noisy_labels(rate, size, run.seed)
        predicted.append(test)
        run.claim(
            (
                rf"20 % wrong labels, 150 epochs, $B/\eta = {size / rate:g}$: training accuracy",
                rf"20% 错误标签，150 轮，$B/\eta = {size / rate:g}$：训练准确率",
            ),
            memorised,
            equals=train,
            within=0.08,
        )
    run.claim(
        ("the same: test accuracy at the ratio 1000 minus that at 50", "同上：比值 1000 与 50 的测试准确率之差"),
        predicted[1] - predicted[0],
        at_least=0.05,
    )
    run.note(
        "With wrong labels and a fixed number of epochs the low ratio even predicts worse: it has had time to memorise "
        "them, the high one has not. Such a comparison says nothing on width.",
        "标签有错且轮数固定时，比值低的预测反而更差：它有时间记忆错误标签，比值高的则没有。这样的比较说明不了宽度的作用。",
    )
    run.table(
        ("48 networks each, stopped at one training loss", "每种设置 48 个网络，在同一训练损失处停止"),
        ("eta", "B", "B / eta", "sharpness", "s.e.", "accuracy", "s.e. "),
        rows,
    )
    own = train_networks(eta, batch, run.seed, 16)

    def draw(left: Any, right: Any) -> None:
        for ax, k, name in ((left, 3, "sharpness"), (right, 5, "test accuracy")):
            ax.errorbar([r[2] for r in rows], [r[k] for r in rows], [r[k + 1] for r in rows], fmt="o-", capsize=3)
            value = own.sharpness.mean() if k == 3 else own.accuracy.mean()
            ax.plot(batch / eta, value, "k+", markersize=12, label=f"$B = {batch}$, $\\eta = {eta:g}$, 16 networks")
            ax.set(xlabel=r"$B / \eta$", ylabel=f"{name} (mean, s.e.)", xscale="log")
            ax.legend(fontsize="small")
        right.set_ylim(0.85, 1.0)

    run.figure(
        (
            "At one training loss, a small $B/\\eta$ has found flatter minima, but not better predictions.",
            "训练损失相同时，$B/\\eta$ 小的极小值更平坦，但预测并没有更好。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
