"""Fewer data than parameters: how many directions are curved, and which solution gradient descent then chooses."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import mse_loss

from ..dynamics.descent import copied, descend
from ..entry import item
from ..run import Run
from .designs import dependent_design, least_squares, placed, tanh_network


def curved(values: np.ndarray) -> int:
    """How many eigenvalues are not rounding."""
    return int((np.abs(values) > 1e-10 * np.abs(values).max()).sum())


def jacobian_rank(net: mt.nn.Sequential, x: np.ndarray) -> int:
    """The rank of the Gauss-Newton matrix J^T J: that of the derivatives of the predictions."""
    inputs = mt.tensor(x)
    return int(np.linalg.matrix_rank(analysis.prediction_jacobian(lambda: net(inputs), net)))


@item(
    "landscape-dimension-vs-data-dimension",
    kind="theorem",
    source="Chapter 4, section 4.2.1",
    title=("The dimension of the landscape and that of the data", "景观的维数与数据的维数"),
    statement=(
        "The dimension of the loss landscape is closely related to the intrinsic dimension of the data.",
        "损失景观的维数与数据的内在维数密切相关。",
    ),
    verdict="holds with a condition",
    correction=(
        "The landscape itself has as many dimensions as there are parameters, whatever the data. What the data bound is the number of curved "
        r"directions: for a linear model with squared error the rank of the Hessian is that of $X$; for any model the rank of the Gauss-Newton matrix is at most "
        "the number of samples times that of outputs.",
        r"景观的维数等于参数个数，与数据无关。数据限制的是弯曲方向的个数：线性模型加均方误差时，Hessian 矩阵的秩等于 $X$ 的秩；"
        r"对任何模型，Gauss-Newton 矩阵的秩不超过样本数乘以输出维数。",
    ),
    ranges={"samples": (1, 80), "hidden": (1, 12)},
)
def dimensions(run: Run, samples: int = 20, hidden: int = 8) -> None:
    x = np.random.default_rng(0).standard_normal((80, 50))
    hessian = least_squares(x[:20], np.zeros(20)).hessian()
    values = np.linalg.eigvalsh(hessian)
    run.claim(
        ("20 samples, 50 weights: size of the Hessian", "20 个样本、50 个权重：Hessian 矩阵的阶数"),
        len(hessian),
        equals=50,
    )
    run.claim(("its rank", "它的秩"), curved(values), equals=20)
    run.claim(("exactly flat directions", "完全平坦的方向数"), 50 - curved(values), equals=30)
    thin = dependent_design()
    small = least_squares(thin, thin @ (1.0, 2.0, 3.0) + np.cos(np.arange(200)))
    for value, expected in zip(np.linalg.eigvalsh(small.hessian()), (0, 0.811, 2.726), strict=True):
        run.claim((r"columns $x_1$, $x_2$, $x_1 + x_2$: eigenvalue", r"三列为 $x_1$、$x_2$、$x_1 + x_2$：特征值"), value,
                  equals=expected, within=5e-4 if expected else 1e-12)  # fmt: skip
    here, flat = np.array([0.3, -0.2, 0.5]), np.array([1.0, 1.0, -1.0]) / 3**0.5
    run.claim(("change of the loss 5 units along $(1, 1, -1)$", "沿 $(1, 1, -1)$ 移动 5 个单位时损失的变化"),
              abs(small(here + 5 * flat) - small(here)), at_most=1e-12)  # fmt: skip
    net = tanh_network(np.random.default_rng(1), 2, 8)
    points = np.random.default_rng(2).standard_normal((80, 2))
    for n in (1, 5, 20):
        run.claim((f"tanh network 2-8-1, {n} sample{'s' * (n > 1)}: rank of the Gauss-Newton matrix",
                   f"tanh 网络 2-8-1，{n} 个样本：Gauss-Newton 矩阵的秩"), jacobian_rank(net, points[:n]), at_most=n)  # fmt: skip
    run.claim(("with 80 samples: no more than the 33 parameters", "80 个样本时：不超过 33 个参数"),
              jacobian_rank(net, points), at_most=33)  # fmt: skip
    counts = np.array([1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 35, 40, 50, 60, 80])
    linear = [curved(np.linalg.eigvalsh(least_squares(x[:n], np.zeros(n)).hessian())) for n in counts]
    mine = tanh_network(np.random.default_rng(1), 2, hidden)
    network = [jacobian_rank(mine, points[:n]) for n in counts]
    shown = np.linalg.eigvalsh(least_squares(x[:samples], np.zeros(samples)).hessian())[::-1]

    def draw(left: Any, right: Any) -> None:
        k = np.arange(1, 51)
        n = curved(shown)
        left.semilogy(k[:n], shown[:n], "o", markersize=4, label=f"{n} curved directions")
        if n < 50:
            left.axvspan(n + 0.5, 50.5, color="0.85", label=f"{50 - n} exactly flat ones")
        left.set(
            xlabel="direction", ylabel="curvature", title=f"linear model, {samples} samples, 50 weights", xlim=(0, 51)
        )
        right.plot(counts, linear, "o-", markersize=3, label="linear model, 50 weights: rank of the Hessian")
        right.plot(counts, network, "s-", markersize=3,
                   label=f"tanh network 2-{hidden}-1, {4 * hidden + 1} weights: rank of Gauss-Newton")  # fmt: skip
        right.plot(counts, counts, "k:", label="as many as samples")
        right.set(xlabel="samples", ylabel="curved directions", ylim=(0, 62))
        left.legend(fontsize="small", loc="lower left")
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        ("Curvatures of a linear model with few samples (left); the data bound the curved directions until there are as many as parameters (right)",
         "样本很少时线性模型的各个曲率（左）；弯曲方向数先受样本数限制，再受参数个数限制（右）"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "implicit-regularisation",
    kind="experiment",
    source="Chapter 4, section 4.2.1; section 4.2.6",
    title=("Implicit regularisation", "隐式正则化"),
    statement=(
        "Over-parameterisation regularises implicitly: optimisation tends towards simple, flat solutions that generalise.",
        "过参数化带来隐式正则化：优化倾向于收敛到简单、平坦、能泛化的解。",
    ),
    verdict="holds with a condition",
    correction=(
        "The effect comes from the optimizer and from where it starts, not from the number of parameters alone. Started at 0, gradient descent on an "
        "underdetermined linear model finds the shortest of all solutions; started elsewhere, the same model with the same loss keeps "
        "all that it had in the null space, and never loses it. For nonlinear networks it is an observed tendency.",
        "效果来自优化器和起点，而不只是参数多。对欠定的线性模型，梯度下降从 0 出发会到达所有解中最短的一个；"
        "模型与损失不变，换一个起点，零空间中的分量就原样保留，永不消失。在非线性网络中，这只是经验上的倾向。",
    ),
    ranges={"scale": (0.0, 3.0), "steps": (10, 2000)},
)
def implicit_bias(run: Run, scale: float = 1.0, steps: int = 2000) -> None:
    rng = np.random.default_rng(0)
    x, y, w0 = rng.standard_normal((20, 50)), rng.standard_normal(20), rng.standard_normal(50)
    pinv = np.linalg.pinv(x)
    shortest, null = pinv @ y, w0 - pinv @ (x @ w0)
    inputs, targets = mt.tensor(x), mt.tensor(y)
    rate = 1 / analysis.mse_constants(x, "half_mean").lipschitz

    def loss(w: mt.Tensor) -> mt.Tensor:
        return mse_loss(w @ inputs.T, targets.expand(len(w), 20), "half_sum") / 20

    (ends,), _ = descend(loss, [np.stack([np.zeros(50), w0])], rate, 20000, watch=lambda w: w[0, 0])
    one = least_squares(x, y)
    run.claim(
        ("from 0: length of the solution", "从 0 出发：解的范数"), np.linalg.norm(ends[0]), equals=0.598225, within=5e-7
    )
    run.claim(("length of the shortest solution, $X^+ y$", "最短的解 $X^+ y$ 的范数"), np.linalg.norm(shortest),
              equals=0.598225, within=5e-7)  # fmt: skip
    run.claim(("distance between the two", "两者的距离"), np.linalg.norm(ends[0] - shortest), at_most=1e-13)
    run.claim(
        ("from a normal start: largest residual", "从高斯随机起点出发：最大残差"),
        np.abs(x @ ends[1] - y),
        at_most=1e-13,
    )
    run.claim(("length of this solution", "这个解的范数"), np.linalg.norm(ends[1]), equals=5.566, within=5e-4)
    run.claim(
        ("its distance from the shortest", "与最短解的距离"),
        np.linalg.norm(ends[1] - shortest),
        equals=5.534,
        within=5e-4,
    )
    run.claim(
        ("length of the null-space part of the start", "起点的零空间分量的范数"),
        np.linalg.norm(null),
        equals=5.534,
        within=5e-4,
    )
    run.claim(
        ("the Hessian is the same at both, so neither is flatter: difference of its largest eigenvalues",
         "两处的 Hessian 矩阵相同，没有哪个更平坦：最大特征值之差"),
        abs(analysis.lambda_max(placed(one, ends[0])) - analysis.lambda_max(placed(one, ends[1]))), at_most=1e-10,
    )  # fmt: skip
    begins = np.stack([s * w0 for s in (0, 0.1, 0.3, 1.0)] + [scale * w0])
    _, (seen,) = descend(loss, [begins], rate, steps, copied)
    way = np.concatenate([begins[None], np.asarray(seen)])
    fresh = np.random.default_rng(1)
    tests = fresh.standard_normal((1000, 50))

    def draw(left: Any, right: Any) -> None:
        for k, s in enumerate((0, 0.1, 0.3, 1.0, scale)):
            if k < 4 or s not in (0, 0.1, 0.3, 1.0):
                left.loglog(
                    np.arange(1, len(way) + 1), np.linalg.norm(way[:, k], axis=1) + 1e-9, label=f"start {s:g} $w_0$"
                )
        left.axhline(np.linalg.norm(shortest), color="black", linestyle=":", label="shortest solution")
        left.set(xlabel="step", ylabel="length of w", ylim=(0.05, 60))
        left.legend(fontsize="small", loc="upper right")
        sizes = np.linspace(0, 3, 40)
        noise = np.mean((tests @ (shortest[:, None] + sizes * null[:, None])) ** 2, axis=0) ** 0.5
        right.plot(sizes, noise, color="#d1600f", label="predictions on new inputs, root mean square")
        right.plot(sizes, [np.abs(x @ (shortest + s * null) - y).max() for s in sizes], color="#1f5fa8",
                   label="largest residual on the 20 samples")  # fmt: skip
        right.axvline(scale, color="0.5", linestyle=":", label=f"start {scale:g} $w_0$")
        right.set(xlabel="size of the start", ylabel="error, prediction", title="what the null-space part does")
        right.legend(fontsize="small", loc="upper left")

    run.figure(
        ("The length of the weights during training, from starts of different size (left); all fit the samples, but what is left of the start makes "
         "predictions on new inputs large (right)",
         "不同大小的起点在训练中的权重范数（左）；都精确拟合样本，但起点残留的分量使新输入上的预测变大（右）"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
