"""Trying every quantised parameter: what such a search certifies, and what it does not."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain.optim import binary_perceptron, exhaustive

from ..entry import item
from ..run import Run

INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([0.0, 1.0, 1.0, 0.0])


def xor_losses(candidates: np.ndarray) -> mt.Tensor:
    """The sum of squares of networks 2-2-1 with ReLU: candidates (K, 9) are W (2, 2), b (2), w (2), c."""
    theta = mt.tensor(candidates)
    weights, biases, outer, offset = theta[:, :4].reshape(-1, 2, 2), theta[:, 4:6], theta[:, 6:8], theta[:, 8:]
    hidden = (mt.tensor(INPUTS) @ weights.transpose(1, 2) + biases.unsqueeze(1)).relu()
    return (((hidden * outer.unsqueeze(1)).sum(2) + offset - XOR) ** 2).sum(1)


def line_losses(candidates: np.ndarray) -> mt.Tensor:
    """The sum of squares of lines (K, 2) through the 12 points."""
    x, y = mt.data.line_points()
    theta = mt.tensor(candidates)
    return ((theta[:, :1] + theta[:, 1:] * x - y) ** 2).sum(1)


def patterns(weights: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random patterns (count, weights) of -1 and 1, and labels (count,)."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], (count, weights)), rng.choice([-1.0, 1.0], count)


@item(
    "exhaustive-quantised-search",
    kind="algorithm",
    source="Chapter 6, notes, exhaustive search (Mézard and Mora 2009)",
    title=("Try every quantised parameter", "穷举量化后的参数"),
    statement=(
        "A quite different way to train: quantise the parameters and search the whole discrete space, with the methods "
        "of satisfiability. It can find the global minimum and prove that nothing lower exists, for very small models.",
        "一种完全不同的训练方法：把参数量化，在整个离散空间中穷举搜索（借助可满足性求解）。它能找到全局最小值，"
        "并证明不存在更低的值，但只适用于很小的模型。",
    ),
    verdict="holds with a condition",
    correction=(
        "The proof concerns the quantised set only. On a grid of 0.05 the best line has a loss 1.1 % above the continuous "
        "minimum.",
        "这一证明只涉及量化后的集合。网格间距为 0.05 时，最佳直线的损失比连续情形的最小值高 1.1%。",
    ),
    ranges={"spacing": (0.02, 0.5), "weights": (5, 15), "count": (1, 40)},
)
def quantised(run: Run, spacing: float = 0.05, weights: int = 11, count: int = 8) -> None:
    xor = exhaustive(xor_losses, [(-1, 0, 1)] * 9, batch=19683)
    run.claim(("XOR, nine ternary parameters: candidates", "XOR，九个三值参数：候选数"), xor.evaluations, equals=19683)
    run.claim(("XOR: lowest loss", "XOR：最低损失"), xor.loss, equals=0)
    run.claim(("XOR: networks that reach it", "XOR：达到最低损失的网络数"), len(xor.solutions), equals=4)
    named = np.array([-1, -1, 1, 1, 1, -1, -1, -1, 1.0])
    run.claim(
        (r"one of them is $W = [[-1, -1], [1, 1]]$, $b = (1, -1)$, $w = (-1, -1)$, $c = 1$",
         r"其中之一为 $W = [[-1, -1], [1, 1]]$，$b = (1, -1)$，$w = (-1, -1)$，$c = 1$"),
        bool((xor.solutions == named).all(1).any()),
    )  # fmt: skip

    def best_line(step: float) -> Any:
        levels = np.round(np.arange(0, 2 + step / 2, step), 10)
        return exhaustive(line_losses, [levels.tolist()] * 2)

    grid = best_line(0.05)
    for k, value in enumerate((0.85, 0.5)):
        run.claim(
            (rf"line, grid of 0.05: $\phi_{k}$", rf"直线，网格 0.05：$\phi_{k}$"),
            grid.best[k],
            equals=value,
            within=1e-9,
        )
    run.claim(("line, grid of 0.05: loss", "直线，网格 0.05：损失"), grid.loss, equals=0.202025, within=1e-6)
    x, y = mt.data.line_points()
    line = mt.nn.LinearRegression(1).solve(x.unsqueeze(1), y)
    lowest = [float(np.ravel(np.asarray(p.detach()))[0]) for p in reversed(list(line.parameters()))]  # bias, weight
    free = line.loss(x.unsqueeze(1), y, "sum").item()
    run.claim(("continuous minimum", "连续情形的最小值"), free, equals=0.199866, within=1e-6)
    run.claim(("excess of the grid", "网格解高出的比例"), grid.loss / free - 1, equals=0.011, within=5e-4)
    for seed, nodes in zip(range(5), (1939, 1841, 2007, 1927, 2097), strict=True):
        solutions, visited = binary_perceptron(*patterns(15, 30, seed))
        run.claim(
            (
                f"30 patterns, 15 binary weights, seed {seed}: solutions",
                f"30 个模式，15 个二值权重，种子 {seed}：解的个数",
            ),
            len(solutions),
            equals=0,
        )
        run.claim(
            (f"seed {seed}: nodes visited, of 65535", f"种子 {seed}：访问的节点数（共 65535）"),
            visited,
            equals=nodes,
        )
    every = 2.0 * ((np.arange(2**11)[:, None] >> np.arange(11)) & 1) - 1
    for seed, expected in zip(range(5), (34, 24, 2, 0, 6), strict=True):
        inputs, labels = patterns(11, 8, seed)
        solutions, _ = binary_perceptron(inputs, labels)
        run.claim(
            (
                f"8 patterns, 11 binary weights, seed {seed}: solutions",
                f"8 个模式，11 个二值权重，种子 {seed}：解的个数",
            ),
            len(solutions),
            equals=expected,
        )
        brute = int(((every @ inputs.T) * labels > 0).all(1).sum())
        run.claim((f"seed {seed}: by brute force", f"种子 {seed}：逐一检验得到的个数"), brute, equals=expected)
    own = best_line(spacing)
    steps = (0.5, 0.25, 0.2, 0.1, 0.05, 0.025, 0.02)
    excess = [best_line(s).loss / free - 1 for s in steps]
    sizes = np.arange(1, 2 * count + 1)
    sets = [patterns(weights, int(sizes[-1]), s) for s in range(3)]
    found = [[len(binary_perceptron(inputs[:m], labels[:m])[0]) for m in sizes[::2]] for inputs, labels in sets]

    def draw(left: Any, middle: Any, right: Any) -> None:
        levels = np.arange(0, 2 + spacing / 2, spacing)
        a, b = np.meshgrid(levels, levels, indexing="ij")
        losses = line_losses(np.stack([a.ravel(), b.ravel()], 1)).numpy()
        dots = left.scatter(a.ravel(), b.ravel(), c=np.log10(losses), s=300 * min(spacing, 0.1), cmap="viridis")
        left.figure.colorbar(dots, ax=left, label="log10 of the loss")
        left.plot(*own.best, "r*", markersize=12, label="best on the grid")
        left.plot(*lowest, "kx", markeredgewidth=2, label="continuous minimum")
        left.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title=f"{len(a.ravel())} lines")
        left.legend(fontsize="small")
        middle.plot(steps, 100 * np.maximum(excess, 1e-5), "o-")
        middle.set(xlabel="spacing of the grid", ylabel="loss above the minimum, %", yscale="log")
        middle.set_title("The price of quantising")
        for s, counts in enumerate(found):
            right.plot(sizes[::2], counts, "o-", markersize=4, label=f"seed {s}")
        right.set(xlabel="patterns", ylabel="solutions", yscale="symlog", ylim=(-0.2, None))
        right.set_title(f"Perceptron, {weights} binary weights")
        right.legend(fontsize="small")

    run.figure(
        (
            "Every line of the grid was tried; finer grids cost less loss. Right: each pattern about halves the number of "
            "perceptrons that fit, until none is left, and that is certain.",
            "网格上的每条直线都试过；网格越细，损失的代价越小。右：每多一个模式，符合的感知机约减半，直到一个不剩，而且可以确证。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )
