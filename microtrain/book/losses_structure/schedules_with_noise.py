"""Stochastic gradient descent on a regression with seven learning-rate schedules (section 4.2.7)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import first_within
from ..run import Run

S: Any = mt.optim.schedules
STEPS = 40_000
RATES = {
    "constant 0.1": 0.1 * S.Constant(),
    "constant 0.01": 0.01 * S.Constant(),
    "constant 0.001": 0.001 * S.Constant(),
    "step decay": 0.1 * S.Step(10_000, 0.1),
    "cosine": 0.1 * S.Cosine(STEPS, low=1e-4, hold=True),
    "warm-up 500, then 0.1": 0.1 * S.Warmup(500),
    "warm-up 5000, then 0.1": 0.1 * S.Warmup(5000),
}


@lru_cache(maxsize=8)
def sgd_distances(seed: int) -> dict[str, np.ndarray]:
    """SGD with single samples on a noisy regression, from 0: mean squared distance from the best weights after each step.

    1000 samples y = X (1, 2, 3) + noise, 8 orders of samples; the same for every rate of `RATES`. One array (40000,) each.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1000, 3))
    y = x @ (1, 2, 3) + rng.standard_normal(1000)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    chosen = np.stack([np.random.default_rng(8 * seed + k).integers(1000, size=STEPS) for k in range(8)], axis=1)
    weights = [mt.tensor(np.zeros((8, 3)), requires_grad=True) for _ in RATES]
    optimizer = mt.optim.SGD([{"params": [w], "lr": rate} for w, rate in zip(weights, RATES.values(), strict=True)])

    def step(inputs: mt.Tensor, targets: mt.Tensor) -> mt.Tensor:
        optimizer.zero_grad()
        errors = (inputs * mt.stack(weights)).sum(-1) - targets
        (0.5 * errors * errors).sum().backward()
        optimizer.step()
        with mt.no_grad():
            return ((mt.stack(weights) - mt.tensor(best)) ** 2).sum(-1).mean(-1)

    data = mt.data.TensorDataset(mt.tensor(x[chosen]), mt.tensor(y[chosen]))
    found = np.asarray(mt.compile(step).minibatches(mt.data.DataLoader(data, batch_size=1)))
    return dict(zip(RATES, found.T, strict=True))


def late(distances: np.ndarray) -> float:
    """The mean over the last 2000 steps, for the figure of one noisy number."""
    return float(distances[-2000:].mean())


def draw_distances(ax: Any, found: dict[str, np.ndarray], names: Any) -> None:
    """Curves of `sgd_distances`, averaged over stretches that grow."""
    edges = np.unique(np.geomspace(1, STEPS, 120).astype(int))
    for name in names:
        parts = np.split(found[name], edges)[1:-1]
        ax.loglog(edges[:-1], [part.mean() for part in parts], label=name)
    ax.set(xlabel="step", ylabel=r"mean $\|w - w^*\|^2$", title="SGD with one sample a step")
    ax.legend(fontsize="small")


@item(
    "warmup-positional-encoding-story",
    kind="guidance",
    source="Chapter 4, section 4.2.7, last paragraph",
    title=("Fine patterns first, fast convergence later?", "先学细微模式，再快速收敛？"),
    statement=(
        "In Transformers warm-up is said to interact with the encoding of positions: a small early rate lets the model learn fine patterns "
        "of position, and the large rate later helps it to converge quickly to the optimum.",
        "书中称，在 Transformer 中，位置编码与学习率调度相互作用：初期的小学习率使模型逐渐学到位置信息的细微模式，"
        "后期的大学习率帮助模型快速收敛到最优解。",
    ),
    verdict="holds with a condition",
    correction=(
        "The half on positions comes without evidence and is not tested here. The other half needs a decay at the end: a large rate gets "
        "near the optimum quickly, but with the noise of SGD it stalls there, at a mean squared distance 400 times that of step decay. What supports "
        "warm-up is stability at the start.",
        "关于位置编码的一半没有给出依据，这里也不检验。另一半还需要末尾的衰减：大学习率能很快接近最优解，但在 SGD 的噪声下停滞在那里，"
        "均方距离约为阶梯衰减的 400 倍。支持预热的理由是初期的稳定性。",
    ),
    ranges={"near": (0.1, 5.0)},
    random=True,
)
def warmup_story(run: Run, near: float = 1.0) -> None:
    found = sgd_distances(run.seed)
    constants = ("constant 0.1", "constant 0.01", "constant 0.001")
    needed = [first_within(found[name], 1.0) + 1 for name in constants]
    if run.seed == 0:
        for name, steps, expected in zip(constants, needed, (19, 146, 1385), strict=True):
            run.claim(
                (
                    f"{name}: steps until the mean squared distance is below 1",
                    f"{name.replace('constant', '常数')}：均方距离降到 1 以下所需的步数",
                ),
                steps,
                equals=expected,
                relative=0.02,
            )
        for name, chinese, end in (
            ("warm-up 500, then 0.1", "预热 500 步后取 0.1", 0.170), ("warm-up 5000, then 0.1", "预热 5000 步后取 0.1", 0.170),
            ("step decay", "阶梯衰减", 4.0e-4), ("cosine", "余弦", 8.6e-4),
        ):  # fmt: skip
            run.claim(
                (f"{name}: mean squared distance after 40000 steps", f"{chinese}：40000 步后的均方距离"),
                found[name][-1],
                equals=end,
                relative=0.1,
            )
    run.claim(
        (
            "the smaller the rate, the more steps to get near: smallest ratio",
            "学习率越小，接近所需的步数越多：最小的比值",
        ),
        min(needed[1] / needed[0], needed[2] / needed[1]),
        at_least=2.0,
    )
    run.claim(
        (
            "a constant 0.1 after any warm-up over the decaying schedules, last 2000 steps: smallest ratio",
            "预热后保持 0.1 与衰减调度之比，最后 2000 步：最小的比值",
        ),
        min(late(found[a]) / late(found[b]) for a in ("warm-up 500, then 0.1", "warm-up 5000, then 0.1", "constant 0.1")
            for b in ("step decay", "cosine")),
        at_least=50.0,
    )  # fmt: skip
    reached = [first_within(found[name], near) + 1 for name in RATES]

    def draw(left: Any, right: Any) -> None:
        names = ("constant 0.1", "warm-up 5000, then 0.1", "step decay", "cosine")
        draw_distances(left, found, names)
        for k, (name, steps) in enumerate(zip(RATES, reached, strict=True)):
            if steps > 0:
                right.plot(steps, late(found[name]), "os^vDPX"[k], label=name)
        right.set(
            xlabel=f"steps until the mean squared distance is below {near:g}", ylabel="mean of the last 2000 steps"
        )
        right.set(xscale="log", yscale="log", title="Quick to get near, and close in the end")
        right.set(xlim=(5, 6e4))
        right.legend(fontsize="small", loc="upper right")

    run.figure(
        (
            "Only the schedules that begin large and decay are both quick and accurate (lower left).",
            "只有开始大、随后衰减的调度既快又准（左下）。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
