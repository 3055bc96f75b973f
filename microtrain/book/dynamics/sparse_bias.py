"""Weights that are differences of squares: a small start finds sparse solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .descent import descend
from .solution_sets import HIDDEN

TRUTH = np.concatenate([[1.0, -1.0, 0.5], np.zeros(47)])


def problem(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """20 Gaussian inputs (20, 50) and their targets."""
    x = np.random.default_rng(seed).standard_normal((20, 50))
    return x, x @ TRUTH


def smallest_l1(x: np.ndarray, y: np.ndarray) -> float:
    """The smallest l1 norm of weights that fit, by linear programming."""
    from scipy.optimize import linprog

    return float(linprog(np.ones(2 * x.shape[1]), A_eq=np.hstack([x, -x]), b_eq=y).fun)


def weights(xs: np.ndarray, ys: np.ndarray, inits: tuple[float, ...], eta: float, steps: int = 10000) -> np.ndarray:
    """w = u u - v v after gradient descent from u = v = init, for every problem and start: (K, inits, 50)."""
    x, y = mt.tensor(xs.swapaxes(1, 2)), mt.tensor(ys[:, None])
    start = np.tile(np.array(inits)[:, None], (len(xs), 1, xs.shape[2]))

    def loss(u: mt.Tensor, v: mt.Tensor) -> mt.Tensor:
        residual = (u * u - v * v) @ x - y
        return 0.5 * (residual * residual).sum() / xs.shape[1]  # type: ignore[no-any-return]

    (u, v), _ = descend(loss, [start, start], eta, steps, loss)
    return u * u - v * v  # type: ignore[no-any-return]


@item(
    "diagonal-network-l1-bias",
    kind="experiment",
    source=f"{HIDDEN}, implicit bias (a case that can be proved)",
    title=("Diagonal networks prefer sparse weights", "对角网络偏好稀疏权重"),
    statement=(
        r"For diagonal (hence commuting) factors the preference is exact: with $w = u \odot u - v \odot v$ a small start $u = v$ leads to the "
        r"perfect solution of smallest $l_1$ norm, a large one to that of smallest $l_2$ norm.",
        r"因子为对角（因而可交换）时，这一偏好精确成立：令 $w = u \odot u - v \odot v$，从小的 $u = v$ 出发得到 $l_1$ 范数最小的零损失解，"
        r"从大的值出发得到 $l_2$ 范数最小的解。",
    ),
    verdict="holds with a condition",
    correction=(
        r"In the limit of a vanishing start only, which is approached as slowly as a logarithm of the start. On some data $10^{-3}$ is still off by a "
        r"few percent.",
        r"仅在初始值趋于零的极限下成立，而且收敛只与初始值的对数成比例。对某些数据，$10^{-3}$ 仍会偏差百分之几。",
    ),
    ranges={"init": (1e-5, 1.0), "steps": (100, 4000)},
    random=True,
)
def l1_bias(run: Run, init: float = 1e-3, steps: int = 2000) -> None:
    data = [problem(seed) for seed in range(20 * run.seed, 20 * run.seed + 20)]
    xs, ys = (np.stack(part) for part in zip(*data, strict=True))
    least = np.array([smallest_l1(x, y) for x, y in data])
    short = np.abs((np.linalg.pinv(xs) @ ys[..., None])[..., 0]).sum(1)
    small = np.abs(weights(xs, ys, (1e-3, 1e-2), 0.05)).sum(-1)
    large = np.abs(weights(xs, ys, (1.0,), 0.02)).sum(-1)[:, 0]
    if run.seed == 0:
        printed = ((2.506, 2.508, 2.515), (2.565, 2.566, 2.597), (5.290, 5.257, 5.019), (5.297, 5.262, 5.021))
        for k, expected in enumerate(zip(*printed, strict=True)):
            run.claim((f"seed {k}: smallest l1 norm", f"种子 {k}：最小 $l_1$ 范数"), least[k], equals=2.5, within=5e-5)
            names = (("found from 0.001", "从 0.001 出发"), ("found from 0.01", "从 0.01 出发"), ("found from 1", "从 1 出发"),
                     ("l1 norm of the shortest solution", "$l_2$ 最小解的 $l_1$ 范数"))  # fmt: skip
            for (name, name_zh), value, number in zip(names, (*small[k], large[k], short[k]), expected, strict=True):
                run.claim((f"seed {k}: {name}", f"种子 {k}：{name_zh}"), value, equals=number, within=5e-4)
        run.claim(("seeds 0 to 2, from 0.001: excess over the smallest l1 norm", "种子 0～2，从 0.001 出发：超出最小 $l_1$ 范数的比例"),
                  small[:3, 0] / least[:3] - 1, equals=0, within=0.01)  # fmt: skip
    run.claim(("20 seeds, from 0.001: median excess over the smallest l1 norm", "20 个种子，从 0.001 出发：超出比例的中位数"),
              float(np.median(small[:, 0] / least - 1)), equals=0, within=0.01)  # fmt: skip
    run.claim(("20 seeds, from 1: median difference from the shortest solution", "20 个种子，从 1 出发：与 $l_2$ 最小解之差的中位数"),
              float(np.median(np.abs(large / short - 1))), equals=0, within=0.01)  # fmt: skip

    x, y = map(mt.tensor, data[0])
    model = mt.nn.DiagonalLinear(50, init, dtype=float)
    optimizer = mt.optim.SGD(model.parameters(), lr=0.05 if init < 0.5 else 0.02)
    course = []
    for step in range(steps):
        optimizer.zero_grad()
        residual = model(x) - y
        (0.5 * (residual * residual).mean()).backward()
        optimizer.step()
        if step % 10 == 0:
            course.append(np.array(model.weight().detach()))
    shortest = np.linalg.pinv(data[0][0]) @ data[0][1]

    def draw(left: Any, right: Any) -> None:
        at = 10 * np.arange(len(course))
        left.plot(at, np.array(course)[:, 3:], color="0.75", linewidth=0.6)
        left.plot(
            at,
            np.array(course)[:, :3],
            linewidth=2,
            label=["weight 0: truth 1", "weight 1: truth -1", "weight 2: truth 0.5"],
        )
        left.set(xlabel="step", ylabel="weight", title=f"start u = v = {init:g}")
        left.legend(fontsize="small", loc="upper right", bbox_to_anchor=(1.0, 0.45))
        index = np.arange(50)
        right.bar(
            index,
            shortest,
            color="#d1600f",
            alpha=0.7,
            label=f"smallest $l_2$ norm: $l_1$ = {np.abs(shortest).sum():.2f}",
        )
        last = course[-1]
        right.plot(
            index,
            last,
            "o",
            color="#1f5fa8",
            markersize=3.5,
            label=f"found from {init:g}: $l_1$ = {np.abs(last).sum():.2f}",
        )
        right.set(xlabel="weight", ylabel="value", title="both fit the data")
        right.legend(fontsize="small")

    run.figure(
        ("From a small start the three true weights grow and the other 47 stay near 0",
         "从小初始值出发，3 个真实权重增长，其余 47 个保持在 0 附近"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
