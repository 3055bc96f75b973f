"""How many local minima a loss has: a case where the number doubles with every parameter, and cases where it does not."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import binary_cross_entropy_with_logits, mse_loss

from ...viz.plots.axes import headroom
from ..dynamics.descent import descend
from ..entry import item
from ..run import Run
from .linear_networks import train_matrices

LARGEST = 5


def samples(d: int) -> tuple[np.ndarray, np.ndarray]:
    """For every weight two samples that disagree: input e_k with target 0.1 and input 10 e_k with target 0.9."""
    return np.concatenate([np.eye(d), 10 * np.eye(d)]), np.repeat([0.1, 0.9], d)


def unit_loss(d: int, kind: str) -> analysis.Objective:
    """The summed loss of one sigmoid unit with d weights: "squared" (half the square) or "bce"."""
    x, y = (mt.tensor(a) for a in samples(d))
    if kind == "bce":
        return analysis.Objective(lambda w: binary_cross_entropy_with_logits(x @ w, y, reduction="sum"), np.zeros(d))
    return analysis.Objective(lambda w: mse_loss((x @ w).sigmoid(), y, "half_sum"), np.zeros(d))


@lru_cache(maxsize=4)
def descents(kind: str, eta: float = 0.1, steps: int = 40000) -> dict[int, np.ndarray]:
    """The ends of gradient descent from every start in {-3, 0}^d, for d = 1 ... 5: (2^d, d) each, all in one run."""
    x, y = samples(LARGEST)
    starts, there, dims = [], [], []
    for d in range(1, LARGEST + 1):  # fewer weights: the samples of the others are left out, so they stay at 0
        corners = np.array(np.meshgrid(*[[-3.0, 0.0]] * d)).reshape(d, -1).T
        starts.append(np.pad(corners, ((0, 0), (0, LARGEST - d))))
        there.append(np.tile(np.tile(np.arange(LARGEST) < d, 2), (len(corners), 1)))
        dims += [d] * len(corners)
    inputs, kept = mt.tensor(x.T), mt.tensor(np.concatenate(there).astype(float))
    targets = mt.tensor(np.tile(y, (len(dims), 1)))

    def loss(w: mt.Tensor) -> mt.Tensor:
        logits = w @ inputs
        if kind == "bce":
            each: mt.Tensor = binary_cross_entropy_with_logits(logits, targets, reduction="none")
            return (each * kept).sum()
        return 0.5 * ((logits.sigmoid() - targets) ** 2 * kept).sum()

    (ends,), _ = descend(loss, [np.concatenate(starts)], eta, steps, watch=lambda w: w[0, 0])
    return {d: ends[np.array(dims) == d, :d] for d in range(1, LARGEST + 1)}


@item(
    "local-minima-grow-exponentially",
    kind="theorem",
    source="Chapter 4, section 4.2.1; section 4.2.6",
    title=("How many local minima?", "局部极小值有多少"),
    statement=(
        "In high dimension the number of local minima grows exponentially with the number of parameters; section 4.2.6 says it of randomly "
        "initialised networks.",
        "高维中，局部极小值的数量随参数个数指数级增长；4.2.6 节把它说成随机初始化网络的性质。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Such landscapes exist: a sigmoid unit with squared error has $2^d$ of them here, and the symmetries of a hidden layer alone give each minimum "
        r"$h!\,2^h$ copies. It is no law of dimension: with cross-entropy the same unit on the same data has one minimum, and a deep linear network "
        "has none that is not global, at any size. The initial weights have no part in it: critical points belong to the landscape.",
        r"这样的景观确实存在：这里的 Sigmoid 单元加均方误差有 $2^d$ 个极小值，单凭隐藏层的对称性，每个极小值就有 $h!\,2^h$ 个副本。"
        r"但这不是维数决定的规律：同样的单元和数据，换成交叉熵只有一个极小值；深度线性网络无论多大都没有非全局的局部极小值。"
        r"这也与初始化无关：临界点属于景观本身。",
    ),
    ranges={"steep": (1.0, 12.0), "eta": (0.01, 0.1)},
)
def count_minima(run: Run, steep: float = 10.0, eta: float = 0.1) -> None:
    found = {kind: descents(kind) for kind in ("squared", "bce")}
    counts: dict[str, list[int]] = {"squared": [], "bce": []}
    for kind, ends in found.items():
        for d in range(1, LARGEST + 1):
            places = np.unique(np.round(ends[d], 2), axis=0)
            strict = unit_loss(d, kind).hessians(places)
            counts[kind].append(int((np.linalg.eigvalsh(strict)[:, 0] > 0).sum()))
    for d in range(1, LARGEST + 1):
        run.claim((f"squared error, {d} weight{'s' * (d > 1)}: strict minima", f"均方误差，{d} 个权重：严格极小值的个数"),
                  counts["squared"][d - 1], equals=2**d)  # fmt: skip
    run.claim(("cross-entropy, 1 to 5 weights: minima", "交叉熵，1 到 5 个权重：极小值的个数"), counts["bce"], equals=1)
    one = unit_loss(1, "squared")
    low, high = sorted(found["squared"][1].ravel())
    for w, place, loss, bend, digits in ((low, -2.1972, 0.405, 0.0081, 5e-5), (high, 0.1548, 0.0990, 2.852, 5e-4)):
        run.claim(
            ("squared error, one weight: place of a minimum", "均方误差，一个权重：极小值点的位置"),
            w,
            equals=place,
            within=5e-5,
        )
        run.claim(("its loss", "该处的损失"), one([w]), equals=loss, within=5e-4 if w < 0 else 5e-5)
        run.claim(("its curvature", "该处的曲率"), one.hessian([w])[0, 0], equals=bend, within=digits)
    run.claim(
        ("cross-entropy: every weight at the minimum", "交叉熵：极小值点处的每个权重"),
        found["bce"][5],
        equals=0.17789,
        within=5e-6,
    )
    losses = train_matrices(0)[1]
    run.claim(("deep linear network 3-3-3, 20 random starts: largest loss in the end", "深度线性网络 3-3-3，20 个随机起点：最终损失的最大值"),
              losses[-1], at_most=1e-12)  # fmt: skip
    steeper = mt.tensor([[1.0], [steep]])
    target = mt.tensor([0.1, 0.9])
    curves = {
        "squared error": analysis.Objective(
            lambda w: mse_loss((steeper @ w).sigmoid(), target, "half_sum"), np.zeros(1)
        ),
        "cross-entropy": analysis.Objective(
            lambda w: binary_cross_entropy_with_logits(steeper @ w, target, reduction="sum"), np.zeros(1)
        ),
    }
    stops = {name: analysis.descend(curve, [[-3.0], [0.0]], lr=eta, steps=800) for name, curve in curves.items()}

    def draw(left: Any, middle: Any, right: Any) -> None:
        w = np.linspace(-5, 2.0, 400)
        for k, (name, curve) in enumerate(curves.items()):
            left.plot(w, curve.values(w[:, None]), color=f"C{k}", label=name)
            left.plot(stops[name], curve.values(stops[name]), "o", color=f"C{k}")
        left.set(xlabel="w", ylabel="loss", title=f"one weight, inputs 1 and {steep:g}", yscale="log")
        left.plot([], [], "ko", label="after 800 steps from -3 and 0")
        headroom(left, below=True)
        seen = analysis.landscape(unit_loss(2, "squared"), None, (-4, 1.5), (-4, 1.5), resolution=120)
        mesh = middle.pcolormesh(seen.x, seen.y, seen.values, shading="gouraud", rasterized=True)
        middle.contour(seen.x, seen.y, seen.values, levels=18, colors="black", linewidths=0.4)
        middle.figure.colorbar(mesh, ax=middle, label="loss")
        middle.plot(
            *found["squared"][2].T, "r*", markeredgecolor="white", markersize=12, linestyle="none", label="4 minima"
        )
        middle.set(xlabel="$w_1$", ylabel="$w_2$", title="two weights, squared error")
        d = np.arange(1, LARGEST + 1)
        right.semilogy(d, counts["squared"], "o-", base=2, label="sigmoid, squared error: $2^d$")
        right.semilogy(d, counts["bce"], "s-", base=2, label="sigmoid, cross-entropy: 1")
        right.set(xlabel="weights d", ylabel="strict minima", xticks=d)
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Two minima in one dimension (left), four in two (middle), and their number (right): the loss decides, not the dimension alone",
         "一维时两个极小值（左），二维时四个（中），以及个数随维数的变化（右）：起作用的是损失，而不只是维数"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip
