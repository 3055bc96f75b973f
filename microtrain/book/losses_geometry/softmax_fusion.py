"""Softmax and cross-entropy as one operation: what it keeps in memory, and the sign of its recipe (section 4.1.6)."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import data

from ..entry import item
from ..run import Run

Loss = Callable[[mt.Tensor, mt.Tensor], mt.Tensor]


def step_by_step(z: mt.Tensor, labels: mt.Tensor) -> mt.Tensor:
    """exp, sum, division, the right entry, logarithm, minus, mean: as the definitions stand."""
    powers = z.exp()
    p = powers / powers.sum(-1, keepdim=True)
    return (-p.gather(1, labels.unsqueeze(1)).log()).mean()


def by_softmax(z: mt.Tensor, labels: mt.Tensor) -> mt.Tensor:
    """With the softmax as one operation."""
    return (-mt.softmax(z, -1).gather(1, labels.unsqueeze(1)).log()).mean()


WAYS: dict[str, Loss] = {"fused": mt.cross_entropy, "softmax, then ln": by_softmax, "step by step": step_by_step}
WAYS_ZH = dict(zip(WAYS, ("融合计算", "Softmax 再取对数", "逐步计算"), strict=True))


def operations(way: Loss, z: mt.Tensor, labels: mt.Tensor) -> int:
    """How many operations one loss leaves in the graph."""
    return sum(node.kind == "operation" for node in mt.graph(way(z, labels)).nodes)


def memory(way: Loss, rows: int, classes: int) -> tuple[float, float, float]:
    """Numbers per logit: kept between the passes, at most during the forward pass, and during the backward pass."""
    rng = np.random.default_rng(0)
    z, labels = (
        mt.tensor(rng.normal(size=(rows, classes)), requires_grad=True),
        mt.tensor(rng.integers(0, classes, rows)),
    )
    way(z, labels).backward()  # whatever is made once
    z.grad = None
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    loss = way(z, labels)
    kept, forward = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    loss.backward()
    _, backward = tracemalloc.get_traced_memory()
    if ours:
        tracemalloc.stop()
    unit = 8 * rows * classes
    return (kept - before) / unit, (forward - before) / unit, (backward - before) / unit


@item(
    "fused-softmax-ce-storage",
    kind="guidance",
    source="Chapter 4, section 4.1.6, third reason; section 4.2.4",
    title=("What fusing saves", "融合计算省下了什么"),
    statement=(
        "Third reason: softmax and cross-entropy can be fused, which avoids storing the softmax output, cuts redundant work and removes overflow.",
        "第三条理由：Softmax 与交叉熵可以融合计算，不必存储 Softmax 的输出，减少冗余计算，并消除溢出。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The value of the loss needs no softmax, but the backward pass is $\hat p - p$: as many numbers as there are logits must be kept or computed again "
        "(here they are kept). Fusing removes the arrays in between and the instability, not the softmax. In memory it shows in the "
        "backward pass: about 1 number per logit instead of 7, or of 4 where kernels do the steps.",
        r"损失值不需要 Softmax，但反向传播就是 $\hat p - p$：与 logit 同样多的数，要么保存，要么重算（这里是保存）。融合计算去掉的是中间数组和"
        "不稳定性，不是 Softmax 本身。内存上的差别在反向传播：每个 logit 约 1 个数，而不是 7 个（各步由编译内核完成时为 4 个）。",
    ),
    ranges={"rows": (128, 1024), "classes": (5, 15)},
)
def storage(run: Run, rows: int = 1024, classes: int = 10) -> None:
    rng = np.random.default_rng(0)
    z, labels = mt.tensor(rng.normal(size=(128, 10)), requires_grad=True), mt.tensor(rng.integers(0, 10, 128))
    counts = {name: operations(way, z, labels) for name, way in WAYS.items()}
    run.claim(
        ("logits (128, 10), operations in the graph: fused", "logit 形状 (128, 10)，计算图中的运算数：融合计算"),
        counts["fused"],
        equals=1,
    )
    run.claim(
        ("operations in the graph: step by step", "计算图中的运算数：逐步计算"), counts["step by step"], at_least=6
    )
    slopes = {name: np.asarray(mt.grad(way(z, labels), [z])[0]) for name, way in WAYS.items()}
    for name in ("softmax, then ln", "step by step"):
        run.claim((f"gradient, {name}: difference from the fused one", f"梯度，{WAYS_ZH[name]}：与融合计算之差"),
                  np.abs(slopes[name] - slopes["fused"]).max(), at_most=1e-12)  # fmt: skip
    used = {name: memory(way, 1024, 10) for name, way in WAYS.items()}
    run.claim(("numbers kept per logit, fused (1024 rows): the softmax, or what is made of it", "每个 logit 保存的数，融合计算（1024 行）：Softmax 或由它得出的量"),
              used["fused"][0], between=(1.0, 1.15))  # fmt: skip
    run.claim(
        ("numbers kept per logit, step by step", "每个 logit 保存的数，逐步计算"),
        used["step by step"][0],
        between=(1.15, 1.5),
    )
    run.claim(("numbers per logit during the backward pass, fused: at most", "反向传播期间每个 logit 的数，融合计算：最多"), used["fused"][2],
              between=(1.0, 1.15))  # fmt: skip
    run.claim(("the same, step by step", "同上，逐步计算"), used["step by step"][2], between=(4, 8))
    with mt.kernels.use("numpy"):
        run.claim(("the same, step by step, without kernels", "同上，逐步计算，不用编译内核"),
                  memory(step_by_step, 1024, 10)[2], between=(6, 8))  # fmt: skip
    shown = used if (rows, classes) == (1024, 10) else {name: memory(way, rows, classes) for name, way in WAYS.items()}
    run.table(
        (f"Numbers per logit, {rows} x {classes}", f"每个 logit 对应的数，{rows} x {classes}"),
        ("way", "operations", "kept", "at most, forward", "at most, backward"),
        [(name, counts[name], *(round(x, 3) for x in shown[name])) for name in WAYS],
    )

    def draw(left: Any, right: Any) -> None:
        left.barh(list(counts), list(counts.values()), color=["C0", "C1", "C3"])
        left.set(xlabel="operations in the graph")
        left.invert_yaxis()
        for k, (name, numbers) in enumerate(shown.items()):
            bars = right.bar(np.arange(3) + 0.27 * (k - 1), numbers, 0.25, color=("C0", "C1", "C3")[k], label=name)
            right.bar_label(bars, fmt="%.2f", fontsize=8)
        right.set_xticks(range(3), ["kept between\nthe passes", "at most,\nforward", "at most,\nbackward"])
        right.set(ylabel="numbers per logit")
        right.legend(fontsize="small")

    run.figure(
        ("One operation instead of seven. Between the passes every way keeps about one number per logit; the backward pass of the fused one needs far "
         "less room.",
         "1 个运算代替 7 个。前向与反向之间，各种算法都为每个 logit 保存约一个数；融合计算在反向传播时占用的内存少得多。"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


def recipe(z: mt.Tensor, labels: mt.Tensor, form: str) -> mt.Tensor:
    """The losses of rows of logits from M and the log of the shifted sum; form="printed" ends as the text does."""
    top = z.amax(-1)
    spread = (z - top.unsqueeze(-1)).exp().sum(-1).log()
    own = z.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return own - top - spread if form == "printed" else (top - own) + spread


def train(seed: int, form: str, eta: float, steps: int) -> tuple[mt.nn.LogisticRegression, data.Samples, np.ndarray]:
    """A linear softmax on three clouds: (the model, the points, the losses and the accuracies of its steps (2, steps))."""
    samples = data.make_blobs(150, [[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]], spread=0.7, generator=mt.Generator(seed))
    model = mt.nn.LogisticRegression(2, classes=3)
    optimizer, seen = mt.optim.SGD(model.parameters(), lr=eta), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = recipe(model(samples.inputs), samples.targets, form).mean()
        loss.backward()
        optimizer.step()
        seen.append((loss.item(), (model.predict(samples.inputs) == samples.targets).float().mean().item()))
    return model, samples, np.array(seen).T


@item(
    "fused-loss-sign-slip",
    kind="algorithm",
    source="Chapter 4, section 4.1.6, after eq. 4.1.5",
    title=("A recipe with the wrong sign", "符号写反的算法"),
    statement=(
        r"The recipe for the fused loss ends with $L = z_c - M - \ln \sum_j e^{z_j - M}$.",
        r"融合计算的最后一步写作 $L = z_c - M - \ln \sum_j e^{z_j - M}$。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"That is $\ln \hat p_c = -L$: minimising it makes the right class as improbable as can be, and the accuracy falls to 0. Right is $L = (M - z_c) + "
        r"\ln \sum_j e^{z_j - M}$, in agreement with eqs. 4.1.4 and 4.2.10. The parentheses matter: in float32, for two logits of $10^8$, adding the logarithm to "
        r"$M$ first loses it, and the loss comes out as 0 instead of $\ln 2$.",
        r"这个式子是 $\ln \hat p_c = -L$：把它最小化，正确类别的概率会降到最低，准确率降为 0。正确的是 $L = (M - z_c) + \ln \sum_j e^{z_j - M}$，"
        r"与式 (4.1.4)、式 (4.2.10) 一致。括号也有作用：float32 下两个 logit 都为 $10^8$ 时，若先把对数加到 $M$ 上，对数就丢失了，"
        r"损失算成 0 而不是 $\ln 2$。",
    ),
    ranges={"eta": (0.01, 1.0), "steps": (5, 300)},
    random=True,
)
def sign_slip(run: Run, eta: float = 0.2, steps: int = 60, form: str = "right") -> None:
    z, first = mt.tensor([[2.0, 1.0, 0.1]]), mt.tensor([0])
    run.claim(("the recipe's loss at (2, 1, 0.1), class 1", "(2, 1, 0.1)、类别 1 的损失"), recipe(z, first, form).item(), equals=0.417030,
              within=1e-6)  # fmt: skip
    run.claim(
        ("the printed recipe there", "按原文，同一处"),
        recipe(z, first, "printed").item(),
        equals=-0.417030,
        within=1e-6,
    )
    run.claim(("accuracy of a linear softmax on three clouds after 60 steps", "线性 Softmax 在三团数据上训练 60 步后的准确率"),
              train(run.seed, form, 0.2, 60)[2][1, -1], at_least=0.9)  # fmt: skip
    run.claim(
        ("accuracy with the printed recipe", "按原文训练后的准确率"),
        train(run.seed, "printed", 0.2, 60)[2][1, -1],
        at_most=0.0,
    )
    large = mt.tensor(np.full((1, 2), 1e8, np.float32))
    top, spread = large.amax(-1), (large - large.amax(-1, keepdim=True)).exp().sum(-1).log()
    run.claim((r"float32, logits $(10^8, 10^8)$: $(M + s) - z_c$", r"float32，logit 为 $(10^8, 10^8)$：$(M + s) - z_c$"),
              ((top + spread) - large[:, 0]).item(), equals=0)  # fmt: skip
    run.claim(
        (r"the same: $(M - z_c) + s$", r"同上：$(M - z_c) + s$"),
        recipe(large, first, "right").item(),
        equals=0.693147,
        within=5e-7,
    )
    found = {kind: train(run.seed, kind, eta, steps) for kind in ("right", "printed")}

    def draw(left: Any, *maps: Any) -> None:
        for (kind, (_, _, (losses, _))), dash in zip(found.items(), ("-", "--"), strict=True):
            left.plot(np.arange(steps), losses, dash, label="corrected" if kind == "right" else "as printed")
        left.set_yscale("symlog", linthresh=0.1)
        left.set(xlabel="step", ylabel="what the recipe calls the loss")
        left.legend(fontsize="small")
        axis = np.linspace(-5.5, 6.5, 121)
        grid = np.stack(np.meshgrid(axis, axis), -1)
        for ax, (kind, (model, samples, (_, shares))) in zip(maps, found.items(), strict=True):
            areas = np.asarray(model.predict(mt.tensor(grid.reshape(-1, 2)))).reshape(121, 121)
            ax.contourf(axis, axis, areas, levels=[-0.5, 0.5, 1.5, 2.5], colors=["C0", "C1", "C2"], alpha=0.3)
            x, y = np.asarray(samples.inputs), np.asarray(samples.targets)
            for c in range(3):
                ax.plot(*x[y == c].T, "os^"[c], color=f"C{c}", markersize=4)
            name = "corrected" if kind == "right" else "as printed"
            ax.set(title=f"{name}: accuracy {shares[-1]:.2f}", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")

    run.figure(
        ("Both recipes bring their number down. The corrected one learns the clouds (areas: predicted class), the printed one to miss every point.",
         "两种算法都使各自的“损失”下降。更正后的学会区分三团数据（底色为预测类别），按原文的却学会把每个点都判错。"),
        draw, (1, 3), (9.6, 3.9),
    )  # fmt: skip
