"""Problems 6.9 to 6.11: epochs, the weights of momentum, the size of the Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run


@item(
    "problem-6-9",
    kind="problem",
    source="Problem 6.9",
    title=("Problem 6.9: how many epochs", "习题 6.9：多少轮"),
    statement=(
        "SGD runs for 1000 iterations on 100 samples with batches of 20. How many epochs is that?",
        "对 100 个样本以批量大小 20 运行 SGD，共 1000 次迭代。这相当于多少轮？",
    ),
    verdict="holds",
    ranges={"samples": (10, 1000), "batch": (1, 100), "iterations": (1, 5000)},
    random=True,
)
def problem_6_9(run: Run, samples: int = 100, batch: int = 20, iterations: int = 1000) -> None:
    def counted(n: int, size: int, count: int) -> tuple[np.ndarray, int]:
        """How often each sample was used, after each epoch, and the number of epochs begun."""
        loader = mt.data.DataLoader(
            mt.data.TensorDataset(mt.arange(n)), batch_size=size, shuffle=True, generator=mt.Generator(run.seed)
        )
        used, epochs, done = np.zeros(n, int), 0, 0
        while done < count:
            epochs += 1
            for (numbers,) in loader:
                np.add.at(used, np.asarray(numbers), 1)
                done += 1
                if done == count:
                    break
        return used, epochs

    used, epochs = counted(100, 20, 1000)
    run.claim(("iterations in an epoch", "每轮的迭代次数"), 1000 / epochs, equals=5)
    run.claim(("epochs", "轮数"), epochs, equals=200)
    run.claim(("how often each sample was used", "每个样本的使用次数"), used, equals=200)
    run.note(
        "100 / 20 = 5 iterations make an epoch, and 1000 / 5 = 200.", "100 / 20 = 5 次迭代为一轮，1000 / 5 = 200 轮。"
    )
    own, number = counted(samples, batch, iterations)

    def draw(ax: Any) -> None:
        ax.bar(np.arange(samples), own, width=1.0)
        ax.set(xlabel="sample", ylabel="times used", title=f"{iterations} batches of {batch}: epoch {number}")
        ax.set_ylim(0, 1.15 * own.max())

    run.figure(("How often each sample was used", "每个样本的使用次数"), draw)


@item(
    "problem-6-10",
    kind="problem",
    source="Problem 6.10, eq. 6.11",
    title=("Problem 6.10: what momentum remembers", "习题 6.10：动量记得什么"),
    statement=(
        "Show that the momentum $m_t$ of eq. 6.11 is an infinite weighted sum of the gradients of earlier iterations, and "
        "find the weights.",
        "证明式 (6.11) 的动量 $m_t$ 是以往各次迭代梯度的无穷加权和，并求权重。",
    ),
    verdict="holds with a condition",
    correction=(
        r"After finitely many steps the sum is finite, with $t + 1$ terms, the present gradient among them; its weights "
        r"add up to $1 - \beta^{t+1}$. It is infinite, with weights that sum to 1, only as an idealisation.",
        r"有限步之后，和式只有 $t + 1$ 项，包括当前的梯度，权重之和为 $1 - \beta^{t+1}$。无穷和（权重之和为 1）只是理想化的说法。",
    ),
    ranges={"beta": (0.0, 0.99), "steps": (5, 80)},
    random=True,
)
def problem_6_10(run: Run, beta: float = 0.9, steps: int = 50) -> None:
    gradients = run.rng.standard_normal(50)
    p = mt.tensor([0.0], requires_grad=True)
    optimizer = mt.optim.Momentum([p], lr=1.0, beta=0.9)
    for g in gradients:
        p.grad = mt.tensor([g])
        optimizer.step()
    kept = float(np.asarray(optimizer.state[p]["momentum"])[0])
    ages = np.arange(50)[::-1]
    weighted = float((0.1 * 0.9**ages * gradients).sum())
    run.claim(
        ("recursion minus weighted sum, 50 gradients", "递推与加权和之差（50 个梯度）"),
        abs(kept - weighted),
        at_most=1e-13,
    )
    weights = analysis.momentum_weights(0.9, 50, "ema")
    run.claim(
        (r"weights of single gradients against $(1 - \beta) \beta^k$", r"单个梯度的权重与 $(1 - \beta) \beta^k$ 之差"),
        np.abs(weights - 0.1 * 0.9**ages).max(),
        at_most=1e-14,
    )
    run.claim(("sum of the weights", "权重之和"), weights.sum(), equals=0.9948462, within=1e-7)
    run.claim((r"the same from $1 - \beta^{50}$", r"由 $1 - \beta^{50}$"), 1 - 0.9**50, equals=0.9948462, within=1e-7)
    long = np.arange(2000)
    run.claim(
        (r"mean age $\beta / (1 - \beta)$", r"平均步龄 $\beta / (1 - \beta)$"),
        (0.1 * 0.9**long * long).sum(),
        equals=9,
        within=1e-9,
    )
    run.claim(
        ("half of the weight is younger than (steps)", "一半的权重落在多少步以内"),
        np.log(0.5) / np.log(0.9),
        equals=6.58,
        within=5e-3,
    )
    run.note(
        r"Put $m_t = \beta m_{t-1} + (1 - \beta) g_{t-1}$ into $m_{t+1} = \beta m_t + (1 - \beta) g_t$, and so on: "
        r"$m_{t+1} = (1 - \beta) \sum_{k=0}^{t} \beta^k g_{t-k} + \beta^{t+1} m_0$. The gradient of $k$ steps ago has the "
        r"weight $(1 - \beta)\beta^k$.",
        r"把 $m_t = \beta m_{t-1} + (1 - \beta) g_{t-1}$ 代入 $m_{t+1} = \beta m_t + (1 - \beta) g_t$，如此反复，得 $m_{t+1} = "
        r"(1 - \beta) \sum_{k=0}^{t} \beta^k g_{t-k} + \beta^{t+1} m_0$。$k$ 步之前的梯度，权重为 $(1 - \beta)\beta^k$。",
    )
    own = {b: analysis.momentum_weights(b, steps, "ema")[::-1] for b in sorted({0.5, 0.9, beta})}

    def draw(left: Any, right: Any) -> None:
        for b, w in own.items():
            left.plot(w, ".-", label=rf"$\beta = {b:g}$")
            right.plot(np.cumsum(w), ".-", label=rf"$\beta = {b:g}$")
        left.set(xlabel="age of the gradient, in steps", ylabel="weight", title=r"$(1-\beta)\beta^k$")
        right.set(xlabel="gradients counted", ylabel="sum of their weights", ylim=(0, 1.05))
        right.axhline(1, color="k", linestyle=":", linewidth=0.8)
        left.legend(fontsize="small")
        right.legend(fontsize="small")

    run.figure(
        ("How much a gradient of each age counts, measured with impulses", "用脉冲测得的各步龄梯度的权重"),
        draw,
        (1, 2),
        (9.0, 4.0),
    )


@item(
    "problem-6-11",
    kind="problem",
    source="Problem 6.11",
    title=("Problem 6.11: the size of the Hessian", "习题 6.11：Hessian 矩阵有多大"),
    statement=(
        "How large is the Hessian of a model with a million parameters?",
        "若模型有一百万个参数，Hessian 矩阵有多大？",
    ),
    verdict="holds",
    ranges={"parameters": (1, 10**9)},
)
def problem_6_11(run: Run, parameters: int = 10**6) -> None:
    cost = analysis.hessian_cost(10**6)
    run.claim(("entries", "元素个数"), cost.entries, equals=1e12)
    run.claim(
        ("distinct entries, because of the symmetry", "因对称而不同的元素个数"), cost.distinct, equals=500000500000
    )
    run.claim(("bytes in float64", "float64 所占字节数"), cost.bytes, equals=8e12)
    small = mt.nn.ShallowNetwork(3)
    x = mt.tensor(np.linspace(-1, 1, 5))

    def loss() -> mt.Tensor:
        return (small(x) ** 2).sum()  # type: ignore[no-any-return]

    found = analysis.hessian(loss, small)
    run.claim(("a real one: rows for ten parameters", "实际算一个：十个参数时的行数"), found.shape[0], equals=10)
    run.claim(("its asymmetry", "它的不对称程度"), np.abs(found - found.T).max(), equals=0)
    run.note(
        r"One row and one column for each parameter: $10^6 \times 10^6 = 10^{12}$ second derivatives, 8 TB. This is why "
        "Newton's method is not used for networks.",
        r"每个参数对应一行一列：$10^6 \times 10^6 = 10^{12}$ 个二阶导数，占 8 TB。这就是网络训练不用牛顿法的原因。",
    )

    def draw(ax: Any) -> None:
        sizes = np.geomspace(10, 1e9, 50)
        ax.loglog(sizes, 8 * sizes, label="gradient")
        ax.loglog(sizes, 8 * sizes**2, label="Hessian")
        ax.axhline(16 * 2**30, color="0.6", linestyle=":", label="16 GiB")
        ax.plot(parameters, analysis.hessian_cost(parameters).bytes, "ko", label=f"{parameters:,} parameters")
        ax.set(xlabel="parameters", ylabel="bytes in float64")
        ax.legend(fontsize="small")

    run.figure(("Memory of the gradient and of the Hessian", "梯度与 Hessian 矩阵所需的内存"), draw)
