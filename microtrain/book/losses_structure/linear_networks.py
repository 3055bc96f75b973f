"""Networks without nonlinearities: the loss is not convex, and yet has no minimum but the global one."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import two_layers
from microtrain.nn.functional import mse_loss

from ..dynamics.descent import descend, path
from ..entry import item
from ..optimizers.stacked_linear import train
from ..run import Run

TARGET = np.diag([1.0, 0.5, 0.2])


@lru_cache(maxsize=32)
def train_matrices(seed: int, runs: int = 20, init: float = 0.5, steps: int = 8000) -> tuple[np.ndarray, np.ndarray]:
    """Gradient descent (rate 0.1) on networks 3-3-3: the inputs (40, 3), and the losses (T, runs) before each step.

    The networks start from normal weights of standard deviation `init`, and learn the map diag(1, 0.5, 0.2).
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, 3))
    weights = [mt.tensor(init * rng.standard_normal((runs, 3, 3)), requires_grad=True) for _ in range(2)]
    columns = np.repeat(x.T[None], runs, axis=0)
    return x, train(weights, columns, TARGET @ columns, 0.1, steps)


@item(
    "linear-network-convexity",
    kind="experiment",
    source="Chapter 4, section 4.2.2",
    title=("Are linear networks convex?", "线性网络是凸的吗"),
    statement=(
        "The losses of networks are in general not convex, but simplified models such as linear networks may come closer to it.",
        "神经网络通常不具备全局凸性，但线性网络等简化模型可能更接近凸函数。",
    ),
    verdict="holds with a condition",
    correction=(
        r"One linear layer is convex. A deep linear network is not: at 0 it has a saddle. What holds is another thing: with squared error it has no "
        r"local minimum that is not global. Gradient descent then fails only from a set of starts of measure zero, such as $(1, -1)$ for "
        r"$(ab-1)^2/2$, from where it runs into the saddle.",
        r"单个线性层是凸的。深度线性网络并不凸：原点处有鞍点。成立的是另一性质：均方误差下没有非全局的局部极小值。"
        r"因此梯度下降只在测度为零的起点集合上失败，例如 $(ab-1)^2/2$ 的起点 $(1, -1)$，轨迹会落入鞍点。",
    ),
    ranges={"a": (-3.0, 3.0), "b": (-3.0, 3.0), "init": (0.01, 1.0)},
    random=True,
)
def linear_networks(run: Run, a: float = 1.0, b: float = -1.0, init: float = 0.5) -> None:
    scalar = analysis.Objective(two_layers, np.zeros(2))
    for point, expected in (((0.0, 0.0), (-1, 1)), ((1.0, 1.0), (0, 2))):
        for value, number in zip(np.linalg.eigvalsh(scalar.hessian(point)), expected, strict=True):
            run.claim((rf"$(ab-1)^2/2$ at ${point}$: eigenvalue", rf"$(ab-1)^2/2$ 在 ${point}$ 处：特征值"), value,
                      equals=number, within=1e-12)  # fmt: skip
    starts = run.rng.standard_normal((2, 1000))
    (ends,), _ = descend(two_layers, [starts], 0.05, 5000, watch=lambda p: p[0, 0])
    run.claim((r"1000 normal starts, $\eta = 0.05$, 5000 steps: largest $|ab - 1|$",
               r"1000 个高斯随机起点，$\eta = 0.05$，5000 步：最大的 $|ab - 1|$"), np.abs(ends[0] * ends[1] - 1), at_most=1e-6)  # fmt: skip
    bad = path(two_layers, [[1.0], [-1.0]], 0.05, 2000)[:, :, 0]
    run.claim(("start $(1, -1)$: distance of the end from the saddle", "起点 $(1, -1)$：终点到鞍点的距离"),
              np.linalg.norm(bad[-1]), at_most=1e-6)  # fmt: skip
    run.claim(("and the loss there", "该处的损失"), scalar(bad[-1]), equals=0.5, within=1e-9)

    x, losses = train_matrices(run.seed)
    net = mt.nn.DeepLinear([3, 3, 3], init=0.0)
    inputs, targets = mt.tensor(x), mt.tensor(x @ TARGET)
    deep = analysis.Objective(lambda: mse_loss(net(inputs), targets, "half_sum") / len(x), net)
    values = np.linalg.eigvalsh(deep.hessian(np.zeros(18)))
    run.claim(
        ("network 3-3-3 at the origin: negative eigenvalues", "网络 3-3-3，原点处：负特征值的个数"),
        (values < -1e-9).sum(),
        equals=9,
    )
    singular = np.linalg.svd(x.T @ x @ TARGET / len(x), compute_uv=False)
    run.claim(
        (r"their distance from minus the singular values of $X^\top Y/N$, each three times",
         r"与 $X^\top Y/N$ 的奇异值之负（各重复三次）的最大差"),
        np.abs(values[:9] + np.repeat(singular, 3)), at_most=1e-10,
    )  # fmt: skip
    fixed = np.random.default_rng(0).standard_normal((40, 3))
    for value, size in zip(
        np.linalg.svd(fixed.T @ fixed @ TARGET / 40, compute_uv=False), (1.266, 0.335, 0.160), strict=True
    ):
        run.claim(
            ("for the inputs of seed 0: singular value", "种子 0 的输入：奇异值"), value, equals=size, within=5e-4
        )
    run.claim(
        ("20 random networks, 8000 steps: largest loss", "20 个随机网络，8000 步：最大损失"), losses[-1], at_most=1e-12
    )
    mine = path(two_layers, [[a], [b]], 0.05, 400)[:, :, 0]
    others = path(two_layers, starts[:, :12], 0.05, 400)
    curves = losses if init == 0.5 else train_matrices(run.seed, init=init)[1]

    def draw(left: Any, right: Any) -> None:
        reach = max(2.6, 1.1 * float(np.abs(mine).max()))
        seen = analysis.landscape(scalar, None, (-reach, reach), (-reach, reach), resolution=100)
        left.contour(seen.x, seen.y, seen.values, levels=np.geomspace(0.02, 15, 16), colors="0.75", linewidths=0.8)
        for k in range(12):
            left.plot(*others[:, :, k].T, color="C0", linewidth=1, label="random starts" if k == 0 else None)
            left.plot(*others[-1, :, k], "C0o", markersize=4)
        left.plot(*mine.T, color="C3", linewidth=2, label=f"start ({a:g}, {b:g}): ends at loss {scalar(mine[-1]):.3g}")
        left.plot(*mine[0], "C3o", markerfacecolor="none")
        left.plot(0, 0, "kX", markersize=9, label="saddle")
        left.set(xlabel="a", ylabel="b", title="$(ab-1)^2/2$", xlim=(-reach, reach), ylim=(-reach, reach))
        right.loglog(np.arange(1, len(curves) + 1), np.maximum(curves, 1e-26), color="C0", linewidth=0.8)
        right.set(
            xlabel="step", ylabel="loss", title=f"20 networks 3-3-3, weights from N(0, {init:g}²)", ylim=(1e-26, 10)
        )
        left.legend(fontsize="small", loc="lower right")

    run.figure(
        ("Two scalar layers: from almost every start to a minimum, from (1, -1) into the saddle (left); networks of matrices all reach "
         "loss 0 (right)",
         "两个标量层：几乎所有起点都到达最小值点，从 (1, -1) 则落入鞍点（左）；矩阵网络全部到达零损失（右）"),
        draw, (1, 2), (9.6, 4.6),
    )  # fmt: skip
