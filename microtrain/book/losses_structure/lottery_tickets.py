"""Lottery tickets: sparse networks that learn as well as the dense one, if they start from its own initial weights."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

import microtrain as mt
from microtrain.nn.functional import cross_entropy

from ..entry import item
from ..run import Run

WIDTHS = (64, 128, 64, 10)
STEPS, EARLY = 600, 50
LEVELS = (0, 3, 6, 9, 12, 15)  # rounds of pruning after which the controls are trained, too
Weights = list[np.ndarray]


class Digits(NamedTuple):
    """1000 training rows, drawn anew for each seed, and the other 797 to test on."""

    x: mt.Tensor
    y: mt.Tensor
    test_x: mt.Tensor
    test_y: np.ndarray


class Level(NamedTuple):
    """Test accuracies after 50 and after 600 steps, (2,) each, at one sparsity; the controls at the last: means of 3."""

    kept: float
    ticket: np.ndarray
    fresh: np.ndarray
    shuffled: np.ndarray


def digits(rng: np.random.Generator) -> Digits:
    parts = mt.data.load_digits(dtype="float32")
    x = np.concatenate([np.asarray(parts.train_images), np.asarray(parts.test_images)])
    y = np.concatenate([np.asarray(parts.train_labels), np.asarray(parts.test_labels)])
    order = rng.permutation(len(x))
    train, test = order[:1000], order[1000:]
    return Digits(mt.tensor(x[train]), mt.tensor(y[train]), mt.tensor(x[test]), y[test])


class Trainer:
    """One network, trained again and again: from given weights, under given masks."""

    def __init__(self, data: Digits, rng: np.random.Generator) -> None:
        self.data, self.rng = data, rng
        self.net = mt.nn.MLP(WIDTHS, dtype="float32", generator=mt.Generator(int(rng.integers(2**31))))
        self.params = list(self.net.parameters())
        self.masks = [mt.tensor(np.ones(p.shape, np.float32)) for p in self.params]
        self.optimizer = mt.optim.SGD(self.params, lr=0.05, momentum=0.9)
        self.step = mt.compile(self.ticket_step)

    def ticket_step(self, x: mt.Tensor, y: mt.Tensor) -> mt.Tensor:
        """One step of SGD on a batch; the masks keep what is pruned at 0."""
        self.optimizer.zero_grad()
        loss: mt.Tensor = cross_entropy(self.net(x), y)
        loss.backward()
        for p, mask in zip(self.params, self.masks, strict=True):
            if p.grad is not None:
                p.grad.mul_(mask)
        self.optimizer.step()
        return loss

    def draw(self) -> Weights:
        """New initial weights."""
        fresh = mt.nn.MLP(WIDTHS, dtype="float32", generator=mt.Generator(int(self.rng.integers(2**31))))
        return [np.array(p.detach()) for p in fresh.parameters()]

    def train(self, start: Weights, masks: Weights) -> np.ndarray:
        """Test accuracy after 50 and after 600 steps of SGD; weights that are masked out are 0 and stay so."""
        for p, mask, value, keep in zip(self.params, self.masks, start, masks, strict=True):
            p.detach().copy_(value * keep)
            mask.copy_(keep)
        for state in self.optimizer.state.values():  # from the training before
            state["momentum_buffer"][...] = 0
        found = []
        order = np.concatenate([self.rng.permutation(1000)[:960] for _ in range(40)]).reshape(STEPS, 64)
        for k, rows in enumerate(order, 1):
            self.step(self.data.x[rows], self.data.y[rows])
            if k in (EARLY, STEPS):
                with mt.no_grad():
                    guess = np.asarray(self.net(self.data.test_x)).argmax(1)
                found.append(float((guess == self.data.test_y).mean()))
        return np.array(found)


def prune(masks: Weights, params: list[Any]) -> Weights:
    """Drop the smallest quarter of the weights that are left in each layer, 15 % in the last; biases stay."""
    pruned = [m.copy() for m in masks]
    matrices = [k for k, m in enumerate(masks) if m.ndim == 2]
    for k in matrices:
        sizes = np.abs(np.asarray(params[k].detach()))[masks[k] > 0]
        pruned[k][np.abs(np.asarray(params[k].detach())) < np.quantile(sizes, 0.15 if k == matrices[-1] else 0.25)] = 0
    return pruned


def kept(masks: Weights) -> float:
    """The share of the weights (not the biases) that are left."""
    matrices = [m for m in masks if m.ndim == 2]
    return float(sum(m.sum() for m in matrices) / sum(m.size for m in matrices))


@lru_cache(maxsize=4)
def tickets(seed: int, rounds: int = 15, rewind: bool = True) -> tuple[tuple[Level, ...], np.ndarray]:
    """Iterative magnitude pruning: the levels, and the mask of the first layer after the last round, (128, 64).

    `rewind=False` starts the sparse networks from other weights than the dense one had.
    """
    rng = np.random.default_rng(seed)
    trainer = Trainer(digits(rng), rng)
    start = trainer.draw()
    masks = [np.ones(w.shape, np.float32) for w in start]
    levels = []
    for k in range(rounds + 1):
        found = trainer.train(start if rewind or k == 0 else trainer.draw(), masks)
        pruned = prune(masks, trainer.params)  # by the trained weights, before the controls replace them
        if k in LEVELS or k == rounds:
            draws = range(3 if k == rounds else 1)
            fresh = [trainer.train(trainer.draw(), masks) for _ in draws]
            mixed = [trainer.train(start, [rng.permutation(m.ravel()).reshape(m.shape) for m in masks]) for _ in draws]
            levels.append(Level(kept(masks), found, np.mean(fresh, 0), np.mean(mixed, 0)))
        last, masks = masks, pruned
    return tuple(levels), last[0]


@item(
    "lottery-ticket-misnomer",
    kind="experiment",
    source="Chapter 4, section 4.2.1; section 4.2.6",
    title=("What the lottery ticket hypothesis says", "彩票假设说的是什么"),
    statement=(
        "In practice most local minima perform about equally on test data; this is said to be called the lottery ticket hypothesis, or the "
        "property of the wide bowl.",
        "实践中多数局部极小值的测试性能相近；书中称之为“彩票假设”或“宽碗”性质。",
    ),
    verdict="does not hold as printed",
    correction=(
        "The lottery ticket hypothesis (Frankle and Carbin 2019) is another claim: a dense network contains a sparse one that, trained from its own "
        "original initial weights, matches the dense one. It says nothing about minima being alike; if it did, a new draw of the initial weights "
        "would do as well. It does not: with 1.6 % of the weights the ticket keeps nearly all of the accuracy, the same mask with new weights loses "
        "clearly more, and the same weights under a shuffled mask lose most of it.",
        "彩票假设（Frankle 与 Carbin，2019）是另一个论断：稠密网络中含有稀疏子网络，从自己原来的初始权重开始训练，可以达到稠密网络的水平。"
        "它没有说极小值彼此相似；若是如此，重新抽取的初始权重应当同样好。实测并非如此：只留 1.6% 的权重时，"
        "彩票子网络的准确率几乎不降，同一掩码换新权重损失明显更多，同样的权重换随机掩码则损失大半。",
    ),
    ranges={"rounds": (1, 18)},
    random=True,
)
def lottery(run: Run, rounds: int = 15, form: str = "right") -> None:
    levels, mask = tickets(run.seed, 15, form == "right")
    dense, early, last = levels[0], levels[-2], levels[-1]
    run.claim(
        ("share of the weights that are left after 15 rounds", "15 轮剪枝后保留的权重比例"),
        last.kept,
        equals=0.016,
        within=5e-4,
    )
    run.claim(("dense network: test accuracy", "稠密网络：测试准确率"), dense.ticket[1], at_least=0.95)
    run.claim(
        ("ticket with 1.6 % of the weights: test accuracy", "彩票子网络（1.6% 的权重）：测试准确率"),
        last.ticket[1],
        at_least=0.92,
    )
    for name, chinese, accuracies, limits in (
        ("the same mask with new initial weights", "同一掩码、新初始权重", last.fresh, (0.65, 0.9)),
        ("the same weights with a shuffled mask", "同样权重、随机掩码", last.shuffled, (0.08, 0.35)),
    ):
        run.claim(
            (f"{name}: test accuracy (mean of 3 draws)", f"{chinese}：测试准确率（3 次抽取的均值）"),
            accuracies[1],
            between=limits,
        )
    run.claim(("ticket above the same mask with new initial weights (mean of 3 draws)",
               "彩票子网络的准确率减去同一掩码、新初始权重的准确率（3 次抽取的均值）"),
              last.ticket[1] - last.fresh[1], at_least=0.05)  # fmt: skip
    run.claim(("ticket above the same weights with a shuffled mask (mean of 3 draws)",
               "彩票子网络的准确率减去同样权重、随机掩码的准确率（3 次抽取的均值）"),
              last.ticket[1] - last.shuffled[1], at_least=0.05)  # fmt: skip
    run.claim(
        ("share that is left after 12 rounds", "12 轮剪枝后保留的权重比例"), early.kept, equals=0.036, within=5e-4
    )
    run.claim(
        ("there, after 50 steps: accuracy of the ticket", "此时训练 50 步后：彩票子网络的准确率"),
        early.ticket[0],
        at_least=0.89,
    )
    run.claim(("there, after 50 steps: ticket above new weights", "此时训练 50 步后：彩票子网络减去新初始权重"),
              early.ticket[0] - early.fresh[0], at_least=0.6)  # fmt: skip
    if rounds != 15:
        levels, mask = tickets(run.seed, rounds, form == "right")
    run.table(
        ("Test accuracy after 600 steps", "训练 600 步后的测试准确率"), ("weights kept", "ticket", "new weights", "shuffled mask"),
        [(f"{100 * v.kept:.2g} %", v.ticket[1], v.fresh[1], v.shuffled[1]) for v in levels],
    )  # fmt: skip

    def draw(left: Any, middle: Any, right: Any) -> None:
        share = [100 * v.kept for v in levels]
        for ax, at, steps in ((left, 1, STEPS), (middle, 0, EARLY)):
            ax.semilogx(share, [v.ticket[at] for v in levels], "o-", label="ticket: original weights")
            ax.semilogx(share, [v.fresh[at] for v in levels], "s--", label="same mask, new weights")
            ax.semilogx(share, [v.shuffled[at] for v in levels], "^:", label="original weights, shuffled mask")
            ax.invert_xaxis()
            ax.set(xlabel="weights kept, %", ylabel="test accuracy", title=f"after {steps} steps", ylim=(0, 1.02))
        left.legend(fontsize="small", loc="lower left")
        inputs = right.imshow(mask.sum(0).reshape(8, 8), cmap="viridis")
        right.figure.colorbar(inputs, ax=right, label="connections to the first layer", fraction=0.046)
        right.set(title="which pixels the ticket still reads", xlabel="pixel column", ylabel="pixel row")

    run.figure(
        ("Pruned networks on the digits: what counts are the original weights under their own mask",
         "手写数字上的剪枝网络：起作用的是原始权重与对应掩码的组合"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip
