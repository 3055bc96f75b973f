"""The linear scaling rule, and batches that grow instead of a rate that falls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run

BATCHES = (4, 8, 16, 32, 64, 128)
RULES: dict[str, Callable[[float], float]] = {"linear": lambda k: k, "sqrt": np.sqrt, "none": lambda k: 1.0}
RUNS, SAMPLES, FEATURES, EPOCHS = 10, 512, 10, 6


def excesses(lr: float, seed: int, noise: float = 0.1) -> dict[str, np.ndarray]:
    """Mean loss above the minimum (batch sizes,) after 6 epochs of linear regression, for each rule.

    The rate is `lr` at batch size 4, and the loss half the mean square. Ten regressions at once, with batches in a new
    order each epoch, the same for all rules.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((RUNS, SAMPLES, FEATURES))
    true = rng.standard_normal((RUNS, FEATURES, 1))
    y = x @ true + noise * rng.standard_normal((RUNS, SAMPLES, 1))
    best = np.linalg.solve(x.transpose(0, 2, 1) @ x, x.transpose(0, 2, 1) @ y)
    lowest = 0.5 * ((x @ best - y) ** 2).mean((1, 2))
    found: dict[str, list[float]] = {rule: [] for rule in RULES}
    rows = np.arange(RUNS)[:, None]
    for size in BATCHES:
        params = [mt.tensor(np.zeros((RUNS, FEATURES)), requires_grad=True) for _ in RULES]
        rates = [lr * rule(size / 4) for rule in RULES.values()]
        optimizer = mt.optim.SGD([{"params": [p], "lr": float(r)} for p, r in zip(params, rates, strict=True)])
        for _ in range(EPOCHS):
            order = np.argsort(rng.random((RUNS, SAMPLES)), axis=1)
            for start in range(0, SAMPLES, size):
                chosen = order[:, start : start + size]
                optimizer.zero_grad()
                residual = mt.tensor(x[rows, chosen]) @ mt.stack(params, 2) - y[rows, chosen]
                (0.5 * residual * residual).mean(1).sum().backward()
                optimizer.step()
        weights = np.stack([p.detach().numpy() for p in params], 2)
        losses = 0.5 * ((x @ weights - y) ** 2).mean(1)
        for k, rule in enumerate(RULES):
            found[rule].append(float((losses[:, k] - lowest).mean()))
    return {rule: np.array(values) for rule, values in found.items()}


def stages(lr: float, length: int, count: int, seed: int, walkers: int = 6000) -> dict[str, np.ndarray]:
    """E x^2 at the end of each stage on x^2 / 2 with unit noise: the rate halves, the batch doubles, or neither."""
    rng = np.random.default_rng(seed)
    names = ("halve the rate", "double the batch", "constant")
    params = [mt.tensor(np.full(walkers, 1.0), requires_grad=True) for _ in names]
    optimizer = mt.optim.SGD([{"params": [p], "lr": lr} for p in params])
    values = []
    for stage in range(count):
        optimizer.param_groups[0]["lr"] = lr / 2**stage
        sizes = np.array([[1.0], [2.0**stage], [1.0]])
        for _ in range(length):
            optimizer.zero_grad()
            x = mt.stack(params)
            noise = rng.standard_normal(walkers) / np.sqrt(sizes)  # of the mean of a batch
            (0.5 * x * x + noise * x).sum().backward()
            optimizer.step()
        values.append([float((p.detach() ** 2).mean()) for p in params])
    return dict(zip(names, np.array(values).T, strict=True))


@item(
    "linear-scaling-rule",
    kind="experiment",
    source="Chapter 6, notes, properties of SGD (Goyal et al. 2018, Smith et al. 2018)",
    title=("The linear scaling rule", "线性缩放规则"),
    statement=(
        "If only the ratio of learning rate and batch size counts, the rate should be scaled with the batch; and a batch "
        "that grows should do what a falling rate does.",
        "若只有学习率与批量大小之比起作用，学习率就应随批量大小按比例缩放；逐步增大批量，效果应与降低学习率相同。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Only where the noise dominates and the rate is small, $\eta L < 1$: no scaling can make one full-batch step do "
        "the work of many.",
        r"仅当噪声占主导且学习率较小（$\eta L < 1$）时成立：再怎么缩放，一步全批量更新也替代不了许多步小批量更新。",
    ),
    ranges={"eta": (0.0005, 0.02), "noise": (0.0, 3.0)},
    random=True,
)
def linear_scaling(run: Run, eta: float = 0.005, noise: float = 0.1) -> None:
    found = excesses(0.005, run.seed)
    linear, sqrt, none = (found[rule] for rule in RULES)
    run.claim(
        (
            "linear rule: largest over smallest excess loss, batches 4 to 128",
            "线性规则：批量 4～128，最大与最小超额损失之比",
        ),
        linear.max() / linear.min(),
        at_most=2.0,
    )
    run.claim(("no scaling: excess at 128 over that at 4", "不缩放：批量 128 与 4 的超额损失之比"), none[-1] / none[0],
              at_least=500.0)  # fmt: skip
    run.claim(("square root: the same ratio", "平方根规则：同上"), sqrt[-1] / sqrt[0], between=(100.0, 2000.0))
    run.claim(("excess at batch 4", "批量 4 的超额损失"), linear[0], between=(0.0012, 0.0045))
    run.claim(
        ("linear rule: excess at batch 128", "线性规则：批量 128 的超额损失"), linear[-1], between=(0.0006, 0.0027)
    )
    run.claim(("square root: excess at batch 128", "平方根规则：批量 128 的超额损失"), sqrt[-1], between=(0.7, 2.6))
    run.claim(("no scaling: excess at batch 128", "不缩放：批量 128 的超额损失"), none[-1], between=(2.3, 6.5))
    grown = stages(0.2, 400, 5, run.seed)
    expected = {
        "halve the rate": (0.1114, 0.0544, 0.0262, 0.0126, 0.0065),
        "double the batch": (0.1114, 0.0574, 0.0280, 0.0141, 0.0072),
        "constant": (0.11,) * 5,
    }
    chinese = {"halve the rate": "学习率减半", "double the batch": "批量加倍", "constant": "不变"}
    for name, values in expected.items():
        for k, value in enumerate(values):
            run.claim(
                (f"{name}: $E x^2$ after stage {k + 1}", f"{chinese[name]}：第 {k + 1} 阶段后的 $E x^2$"),
                grown[name][k],
                equals=value,
                relative=0.12,
            )
    run.table(
        ("Excess loss after 6 epochs", "6 轮后的超额损失"),
        ("B", *RULES),
        [(size, *(float(found[rule][k]) for rule in RULES)) for k, size in enumerate(BATCHES)],
    )
    own = found if (eta, noise) == (0.005, 0.1) else excesses(eta, run.seed, noise)

    def draw(left: Any, right: Any) -> None:
        for (name, values), mark in zip(own.items(), "os^", strict=True):
            left.plot(BATCHES, values, mark + "-", label=name)
        left.set(xlabel="batch size", ylabel="excess loss after 6 epochs", xscale="log", yscale="log")
        left.set_xticks(BATCHES, [str(b) for b in BATCHES])
        left.minorticks_off()
        left.set_title(rf"Linear regression, $\eta = {eta:g} \cdot B/4$")
        left.legend(title="rate scaled", fontsize="small")
        for (name, values), mark in zip(grown.items(), "os^", strict=True):
            right.plot(range(1, 6), values, mark + "-", label=name)
        right.set(
            xlabel="stage of 400 steps", ylabel="$E\\,x^2$", yscale="log", title=r"$x^2/2$ with noise, $\eta = 0.2$"
        )
        right.set_xticks(range(1, 6))
        right.legend(fontsize="small")

    run.figure(
        (
            "With the linear rule the batch size hardly matters for a given number of epochs. Right: doubling the batch "
            "quiets the noise as halving the rate does.",
            "按线性规则，轮数给定时批量大小几乎没有影响。右：批量加倍与学习率减半同样能压低噪声。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
