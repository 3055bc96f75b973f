"""Epochs of batches: how they are drawn (section 6.2.1), and what each sample then counts."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run


def numbers(n: int, size: int, seed: int, drop_last: bool = False) -> mt.data.DataLoader:
    """A loader whose samples are their own numbers, in a new order each epoch."""
    return mt.data.DataLoader(mt.arange(n), size, shuffle=True, drop_last=drop_last, generator=mt.Generator(seed))


def drawn(loader: mt.data.DataLoader) -> list[np.ndarray]:
    """The batches of one epoch, each an array of sample numbers."""
    return [np.asarray(batch[0] if isinstance(batch, (tuple, list)) else batch) for batch in loader]


@item(
    "epoch-batch-sampler",
    kind="algorithm",
    source="Chapter 6, section 6.2.1",
    title=("Epochs and batches", "轮次与批次"),
    statement=(
        "Batches are drawn without replacement until all samples have been used, then it begins again: one pass is an epoch. A batch has from one "
        "sample to all of them, which is gradient descent.",
        "批次无放回地抽取，直到用完全部样本再重新开始，一遍为一个轮次。批量大小可以从 1 到全体，后者即梯度下降。",
    ),
    verdict="holds",
    ranges={"n": (1, 200), "batch": (1, 200)},
    random=True,
)
def batch_sampler(run: Run, n: int = 30, batch: int = 4) -> None:
    hundred = numbers(100, 20, run.seed)
    first, second = drawn(hundred), drawn(hundred)
    run.claim(("100 samples in batches of 20: batches", "100 个样本、批量 20：批次数"), len(first), equals=5)
    run.claim(
        ("each sample once in an epoch", "一个轮次内每个样本恰好一次"),
        bool((np.sort(np.concatenate(first)) == np.arange(100)).all()),
    )
    run.claim(
        ("the next epoch has another order", "下一轮次的顺序不同"),
        bool((np.concatenate(first) != np.concatenate(second)).any()),
    )
    again = drawn(numbers(100, 20, run.seed))
    run.claim(
        ("the same seed gives the same order", "同一随机种子给出同一顺序"),
        bool((np.concatenate(first) == np.concatenate(again)).all()),
    )
    ragged = drawn(numbers(30, 4, run.seed))
    run.claim(("30 samples in batches of 4: batches", "30 个样本、批量 4：批次数"), len(ragged), equals=8)
    run.claim(("samples in the last of them", "最后一个批次的样本数"), len(ragged[-1]), equals=2)
    run.claim(
        ("with drop_last: batches", "用 drop_last 时的批次数"), len(drawn(numbers(30, 4, run.seed, True))), equals=7
    )
    run.claim(
        ("batches of all 30: one, with every sample", "批量 30：一个批次，含全部样本"),
        [len(b) for b in drawn(numbers(30, 30, run.seed))] == [30],
    )
    loader = numbers(n, batch, run.seed)
    epochs = [drawn(loader) for _ in range(4)]

    def draw(ax: Any) -> None:
        for k, epoch in enumerate(epochs):
            for j, chosen in enumerate(epoch):
                at = sum(map(len, epoch[:j])) + np.arange(len(chosen))
                ax.scatter(at + k * (n + 2), chosen, s=14, color=f"C{j % 10}")
            ax.axvline((k + 1) * (n + 2) - 1.5, color="0.6", linestyle=":", label="end of an epoch" if k == 0 else None)
        ax.set(
            xlabel="draws, epoch after epoch",
            ylabel="number of the sample",
            title=f"{n} samples, batches of {batch}: one colour each",
        )
        ax.legend(fontsize="small", loc="upper right")

    run.figure(
        ("Four epochs: each has every sample once, in another order", "四个轮次：每个样本各出现一次，顺序各不相同"),
        draw,
        size=(8.0, 4.0),
    )


@item(
    "sgd-equal-contribution",
    kind="theorem",
    source="Chapter 6, section 6.2.2, second property",
    title=("All samples count the same", "每个样本贡献相同"),
    statement=(
        "Drawn without replacement, all training samples contribute equally.",
        "无放回采样时，所有训练样本的贡献相同。",
    ),
    verdict="holds with a condition",
    correction=(
        "Exactly so when the losses of a batch are summed. With means a smaller last batch gives its samples more weight: with 10 samples in "
        "batches of 4, the last two have 1/2 each instead of 1/4.",
        "批次内求和时严格成立。若取均值，较小的最后一个批次会使其样本权重更大：10 个样本、批量 4 时，最后 2 个各占 1/2，而不是 1/4。",
    ),
    ranges={"n": (2, 60), "batch": (1, 60), "epochs": (1, 50)},
    random=True,
)
def equal_contribution(run: Run, n: int = 10, batch: int = 4, epochs: int = 10) -> None:
    loader = numbers(30, 4, run.seed)
    counts = np.bincount(np.concatenate([np.concatenate(drawn(loader)) for _ in range(10)]), minlength=30)
    run.claim(
        ("10 epochs of 30 samples: how often each is used", "30 个样本、10 个轮次：每个样本的使用次数"),
        counts,
        equals=10,
    )
    replaced = np.bincount(run.rng.integers(0, 30, 300), minlength=30)
    run.claim(
        ("with replacement, 300 draws: most used less least used", "有放回抽取 300 次：最多与最少使用次数之差"),
        int(np.ptp(replaced)),
        at_least=4,
    )

    def weights(count: int, size: int, reduction: str) -> np.ndarray:
        """What each sample's loss counts in one epoch: its derivative, by autodiff."""
        losses = mt.tensor(np.ones(count), requires_grad=True)
        for chosen in drawn(numbers(count, size, run.seed)):
            getattr(losses[chosen], reduction)().backward()
        return np.array(losses.grad)

    run.claim(
        ("sums, 10 samples in batches of 4: weight of each", "求和，10 个样本、批量 4：各样本的权重"),
        weights(10, 4, "sum"),
        equals=1,
    )
    means = np.sort(weights(10, 4, "mean"))
    run.claim(
        ("means: weight of the eight in full batches", "均值：前 8 个样本（完整批次）的权重"), means[:8], equals=0.25
    )
    run.claim(("means: weight of the last two", "均值：最后 2 个样本的权重"), means[8:], equals=0.5)
    once = numbers(n, batch, run.seed + 1)
    without = np.bincount(np.concatenate([np.concatenate(drawn(once)) for _ in range(epochs)]), minlength=n)
    anew = np.bincount(run.rng.integers(0, n, n * epochs), minlength=n)
    shown = {kind: weights(n, batch, kind) for kind in ("sum", "mean")}

    def draw(left: Any, right: Any) -> None:
        at = np.arange(n)
        left.bar(at - 0.2, without, 0.4, label="without replacement")
        left.bar(at + 0.2, anew, 0.4, label="with replacement")
        left.set(xlabel="sample", ylabel=f"uses in {epochs} epochs", ylim=(0, 1.35 * max(anew.max(), epochs)))
        for k, (kind, values) in enumerate(shown.items()):
            right.bar(at - 0.2 + 0.4 * k, values, 0.4, label=f"{kind} over the batch")
        right.set(xlabel="sample", ylabel="weight in one epoch", ylim=(0, 1.4))
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure((f"How often each of {n} samples is used, and what its loss counts in an epoch with a smaller last batch",
                f"{n} 个样本各自的使用次数，以及最后一个批次较小时各样本的权重"), draw, (1, 2), (9.5, 4.0))  # fmt: skip
