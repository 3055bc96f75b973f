"""Do all minima that fit the training data predict equally well? Those that training finds, and others."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

import microtrain as mt
from microtrain.nn.functional import binary_cross_entropy_with_logits

from ..entry import item
from ..run import Run
from .designs import moons

WIDE, PRETRAINED = 64, 5  # the width of the second experiment, and how many networks it has
TOGETHER = PRETRAINED  # networks that are trained at a time
Arrays = list[np.ndarray]


def weights(h: int, seeds: Any, pad: int) -> Arrays:
    """Initial weights of networks 2-h-1, one for each seed, stacked; units up to `pad` are 0 and stay so in training."""
    nets = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        w1, b1, w2 = rng.normal(size=(2, h)), 0.5 * rng.normal(size=(1, h)), rng.normal(size=(h, 1)) / h**0.5
        more = ((0, 0), (0, pad - h))
        nets.append((np.pad(w1, more), np.pad(b1, more), np.pad(w2, (more[1], (0, 0))), np.zeros((1, 1))))
    return [np.stack(each) for each in zip(*nets, strict=True)]


def logits(params: Any, x: Any) -> mt.Tensor:
    """What the networks say about inputs (N, 2), or (networks, N, 2): (networks, N)."""
    return ((mt.tensor(x) @ params[0] + params[1]).tanh() @ params[2] + params[3]).squeeze(2)  # type: ignore[no-any-return]


def train(start: Arrays, x: np.ndarray, y: np.ndarray, eta: float, steps: int) -> Arrays:
    """Gradient descent on the mean cross-entropy of every network; inputs (N, 2), or one set for each of five networks.

    Five at a time: more are no longer done within one piece of machine code, which takes longer to compile and to run.
    """
    params = [mt.tensor(w[:TOGETHER], dtype="float32", requires_grad=True) for w in start]
    inputs = mt.tensor(np.broadcast_to(x, (TOGETHER, *x.shape[-2:])).copy(), dtype="float32")
    targets = mt.tensor(np.broadcast_to(y, (TOGETHER, y.shape[-1])).copy(), dtype="float32")
    optimizer = mt.optim.SGD(params, lr=eta)

    def moons_step() -> mt.Tensor:
        optimizer.zero_grad()
        each: mt.Tensor = binary_cross_entropy_with_logits(logits(params, inputs), targets, reduction="none")
        loss: mt.Tensor = each.mean(1).sum()
        loss.backward()
        optimizer.step()
        return loss

    compiled, ends = mt.compile(moons_step), []
    for k in range(0, len(start[0]), TOGETHER):
        for p, w in zip(params, start, strict=True):
            p.detach().copy_(w[k : k + TOGETHER])
        compiled.repeat(steps)
        ends.append([np.array(p.detach(), float) for p in params])
    return [np.concatenate(each) for each in zip(*ends, strict=True)]


def accuracy(params: Arrays, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The share of right answers of each network."""
    with mt.kernels.use("numpy"):  # kernels for so few would take longer to compile
        guess = np.asarray(logits([mt.tensor(p) for p in params], x)) > 0
    return (guess == (y == 1)).mean(1)  # type: ignore[no-any-return]


class Spread(NamedTuple):
    """Test and training accuracies: of 20 networks of each width, and of five from two kinds of starts."""

    test: dict[int, np.ndarray]
    train: dict[int, np.ndarray]
    ordinary: Arrays
    misled: Arrays


@lru_cache(maxsize=4)
def spread(seed: int, eta: float, steps: int) -> Spread:
    """Train everything; networks up to width 64 go together. Those misled first then learn five times as long."""
    (x, y), (tx, ty) = moons(40, 0), moons(1000, 1)
    seeds = 20 * seed + np.arange(20)
    begin = weights(WIDE, seeds[:PRETRAINED], WIDE)
    noisy_x, noisy_y = [], []
    for s in seeds[:PRETRAINED]:  # the labels turned round, and random points with random labels
        rng = np.random.default_rng(100 + s)
        noisy_x.append(np.concatenate([x, rng.uniform([-1.5, -1], [2.5, 1.5], (100, 2))]))
        noisy_y.append(np.concatenate([1 - y, rng.integers(0, 2, 100)]))
    misled = train(begin, np.stack(noisy_x), np.stack(noisy_y), eta, 20000)
    groups = [weights(4, seeds, WIDE), weights(16, seeds, WIDE), begin, misled]
    ends = train([np.concatenate(each) for each in zip(*groups, strict=True)], x, y, eta, steps)
    parts = {4: slice(0, 20), 16: slice(20, 40)}
    found = {h: [w[part] for w in ends] for h, part in parts.items()}
    found[256] = train(weights(256, seeds, 256), x, y, eta, steps)
    return Spread(
        {h: accuracy(w, tx, ty) for h, w in found.items()}, {h: accuracy(w, x, y) for h, w in found.items()},
        [w[40:45] for w in ends], train([w[45:] for w in ends], x, y, eta, 4 * steps),
    )  # fmt: skip


@item(
    "minima-have-similar-test-performance",
    kind="experiment",
    source="Chapter 4, section 4.2.1; section 4.2.6; section 4.2.2",
    title=("Do all minima predict equally well?", "各个极小值的测试性能相近吗"),
    statement=(
        "Sections 4.2.1 and 4.2.6: most local minima perform about equally on test data. Section 4.2.2, in contrast: solutions with similar "
        "training losses may differ a lot on test data.",
        "4.2.1 节和 4.2.6 节：多数局部极小值的测试性能相近。4.2.2 节则说：训练损失相近的解，测试性能可能相差很大。",
    ),
    verdict="holds with a condition",
    correction=(
        "Each statement is half of it. What one algorithm reaches from ordinary starts becomes more and more alike as the network gets wider. But there are other "
        "minima that fit the training data just as well and predict worse, and they can be reached: here by training on "
        "wrong labels first. To be alike is a property of the minima that training finds, not of all minima.",
        "两种说法各对一半。同一算法从普通起点得到的解，随网络变宽而越来越相近。但也存在拟合训练数据同样好、预测却更差的极小值，"
        "而且可以到达：这里先用错误标签训练一段即可。相近是训练所能找到的极小值的性质，不是所有极小值的性质。",
    ),
    ranges={"eta": (0.05, 1.0), "steps": (500, 8000), "network": (0, 4)},
    random=True,
)
def similar_minima(run: Run, eta: float = 0.5, steps: int = 4000, network: int = 0) -> None:
    found, (x, y), (tx, ty) = spread(run.seed, 0.5, 4000), moons(40, 0), moons(1000, 1)
    deviation = {h: float(a.std()) for h, a in found.test.items()}
    ordinary, misled = (accuracy(w, tx, ty) for w in (found.ordinary, found.misled))
    run.claim(("spread (standard deviation) of the test accuracy at width 256, relative to width 4",
               "宽度 256 与宽度 4 的测试准确率标准差之比"), deviation[256] / deviation[4], at_most=1 / 3)  # fmt: skip
    run.claim(("width 256: training accuracy of all 20", "宽度 256：20 个网络的训练准确率"), found.train[256], equals=1)
    run.claim(("width 64, misled first: training accuracy of all five", "宽度 64，先用错误标签训练：5 个网络的训练准确率"),
              accuracy(found.misled, x, y), equals=1)  # fmt: skip
    run.claim(
        ("width 64, from ordinary starts: training accuracy", "宽度 64，普通起点：训练准确率"),
        accuracy(found.ordinary, x, y),
        equals=1,
    )
    run.claim(("mean test accuracy from ordinary starts above that of the misled", "普通起点的平均测试准确率减去先用错误标签训练者的"),
              ordinary.mean() - misled.mean(), at_least=0.03)  # fmt: skip
    if run.seed == 0:
        numbers = {4: (0.757, 0.855, 0.886, 0.048), 16: (0.843, 0.872, 0.888, 0.015), 256: (0.839, 0.848, 0.862, 0.006)}
        for h, expected in numbers.items():
            a = found.test[h]
            for (name, chinese), value, number in zip(
                (("smallest", "最小"), ("mean", "平均"), ("largest", "最大")),
                (a.min(), a.mean(), a.max()),
                expected,
                strict=False,
            ):
                run.claim((f"width {h}: {name} test accuracy of 20", f"宽度 {h}：20 个网络的{chinese}测试准确率"), value, equals=number,
                          within=0.002)  # fmt: skip
            run.claim(
                (f"width {h}: standard deviation", f"宽度 {h}：标准差"), a.std(), equals=expected[3], within=0.001
            )
        run.claim(
            ("width 16: training accuracy of all 20", "宽度 16：20 个网络的训练准确率"), found.train[16], equals=1
        )
        starts = (
            ("ordinary start", "普通起点", ordinary, (0.846, 0.875, 0.863, 0.873, 0.854), 0.002),
            ("misled first", "先用错误标签训练", misled, (0.789, 0.750, 0.789, 0.860, 0.781), 0.008),
        )
        for name, chinese, scores, given, place in starts:
            for k, (score, number) in enumerate(zip(scores, given, strict=True)):
                run.claim(
                    (f"width 64, {name}, network {k}: test accuracy", f"宽度 64，{chinese}，网络 {k}：测试准确率"),
                    score,
                    equals=number,
                    within=place,
                )
    shown = found if (eta, steps) == (0.5, 4000) else spread(run.seed, eta, steps)
    pair = {"ordinary start": shown.ordinary, "trained on wrong labels first": shown.misled}

    def draw(left: Any, middle: Any, right: Any) -> None:
        jitter = np.linspace(-0.15, 0.15, 20)
        for k, (h, a) in enumerate(shown.test.items()):
            left.plot(k + jitter, np.sort(a), "o", markersize=4, label=f"width {h}: spread {a.std():.3f}")
        for k, w in enumerate(pair.values()):
            left.plot(
                3 + k + jitter[::4],
                np.sort(accuracy(w, tx, ty)),
                "s",
                markersize=5,
                label=f"width 64, {'misled' if k else 'ordinary'}",
            )
        left.set(xticks=range(5), xticklabels=("4", "16", "256", "64", "64\nmisled"), xlabel="width", ylabel="test accuracy",
                 ylim=(0.66, 0.9))  # fmt: skip
        left.legend(fontsize="small", loc="lower left")
        a, b = np.meshgrid(np.linspace(-2, 3, 150), np.linspace(-1.6, 2, 150))
        grid = np.stack([a.ravel(), b.ravel()], 1)
        for ax, (name, w) in zip((middle, right), pair.items(), strict=True):
            one = [mt.tensor(p[network : network + 1]) for p in w]
            says = np.asarray(logits(one, grid)).reshape(a.shape)
            ax.contourf(a, b, says, levels=[-1e9, 0, 1e9], colors=["#cfe2f3", "#f9d9c6"])
            for label, colour in ((0, "#1f5fa8"), (1, "#d1600f")):
                ax.plot(*tx[ty == label][:150].T, ".", color=colour, markersize=2.5)
                ax.plot(
                    *x[y == label].T, "o", color=colour, markeredgecolor="black", markersize=5, label=f"class {label}"
                )
            test = accuracy([p[network : network + 1] for p in w], tx, ty)[0]
            ax.set(title=f"{name}:\ntest accuracy {test:.3f}", xlabel="$x_1$", ylabel="$x_2$")
            ax.legend(fontsize="small", loc="lower left")

    run.figure(
        ("Test accuracies (left); two networks that both fit the 40 training points (ringed): the second keeps what it learnt from wrong labels",
         "测试准确率（左）；两个都完全拟合 40 个训练点（带黑圈）的网络：后者保留了从错误标签学到的痕迹"),
        draw, (1, 3), (9.6, 4.4),
    )  # fmt: skip
