"""Many perfect solutions: how many, which of them gradient descent finds, and what their symmetry leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..run import Run
from .descent import copied, descend

HIDDEN = "The dynamics of gradient descent, the hidden structure of descent"


def two_layers(w1: np.ndarray, w2: np.ndarray) -> mt.nn.DeepLinear:
    """The network with the map W2 W1."""
    net = mt.nn.DeepLinear([w1.shape[1], w1.shape[0], w2.shape[0]], dtype=float)
    for weight, value in zip(net.weights, (w1, w2), strict=True):
        weight.detach().copy_(value)
    return net


def fit(net: mt.nn.DeepLinear, target: np.ndarray, rate: float, steps: int) -> float:
    """Gradient descent on 1/2 ||product - target||^2; the loss before the last step."""
    optimizer, goal = mt.optim.SGD(net.parameters(), lr=rate), mt.tensor(target)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = mse_loss(net.product(), goal, "half_sum")
        loss.backward()
        optimizer.step()
    return float(loss.item())


@item(
    "overparam-solution-manifold",
    kind="theorem",
    source=f"{HIDDEN}, over-parameterisation",
    title=("A whole space of perfect solutions", "整个空间的零损失解"),
    statement=(
        "With more parameters than data not one set of parameters fits perfectly but a high-dimensional set of them.",
        "参数多于数据时，精确拟合数据的参数不止一组，而是构成一个高维集合。",
    ),
    verdict="holds with a condition",
    correction=(
        "The data must be consistent and the Jacobian of the predictions of full row rank. If two equal inputs have different labels there is "
        "no perfect solution at all, however many parameters there are. The dimension is the number of parameters less that rank.",
        "前提是数据相容，且预测的雅可比矩阵行满秩。若两个相同的输入带有不同的标签，参数再多也没有零损失解。解集的维数等于参数个数减去该矩阵的秩。",
    ),
    ranges={"samples": (2, 30), "features": (5, 60)},
    random=True,
)
def solution_manifold(run: Run, samples: int = 10, features: int = 30) -> None:
    x, y = run.rng.standard_normal((10, 30)), run.rng.standard_normal(10)
    line = mt.nn.LinearRegression(30, bias=False, dtype=float).solve(x, y)
    inputs, targets = mt.tensor(x), mt.tensor(y)
    run.claim(("linear regression, 10 samples, 30 weights: dimension", "线性回归，10 个样本、30 个权重：解集维数"),
              analysis.solution_dimension(lambda: line(inputs), line), equals=20)  # fmt: skip
    shortest, null = np.asarray(line.weight.detach()).copy(), np.eye(30) - np.linalg.pinv(x) @ x
    losses = analysis.Objective(lambda: line.loss(inputs, targets), line).values(
        shortest + run.rng.standard_normal((50, 30)) @ null
    )
    run.claim(
        ("loss at 50 random points of that set, the largest", "解集中 50 个随机点的最大损失"),
        losses.max(),
        at_most=1e-25,
    )

    net = two_layers(run.rng.standard_normal((5, 4)) / 2, run.rng.standard_normal((3, 5)) / 5**0.5)
    goal = run.rng.standard_normal((3, 4))
    loss, unit = fit(net, goal, 0.1, 2500), mt.tensor(np.eye(4))
    run.claim(
        ("two-layer linear 4-5-3: parameters", "两层线性网络 4-5-3：参数个数"),
        sum(p.numel() for p in net.parameters()),
        equals=35,
    )
    run.claim(("its loss after training", "训练后的损失"), loss, at_most=1e-20)
    jacobian = analysis.prediction_jacobian(lambda: net(unit), net)
    run.claim(
        ("rank of the Jacobian of its predictions", "预测的雅可比矩阵的秩"), np.linalg.matrix_rank(jacobian), equals=12
    )
    run.claim(
        ("dimension of the set of solutions", "解集维数"),
        analysis.solution_dimension(lambda: net(unit), net),
        equals=23,
    )

    twice = np.concatenate([x[:1], x[:9]])  # the first input again, with another label
    clash = np.concatenate([[y[0] + 2], y[:9]])
    best = mt.nn.LinearRegression(30, bias=False, dtype=float).solve(twice, clash)
    run.claim(("a repeated input, labels 2 apart: smallest loss", "重复输入、标签相差 2：最小损失"),
              best.loss(mt.tensor(twice), mt.tensor(clash)).item(), equals=0.1, within=1e-12)  # fmt: skip

    shown = mt.nn.LinearRegression(features, bias=False, dtype=float)
    more = mt.tensor(run.rng.standard_normal((samples, features)))
    left_over = analysis.solution_dimension(lambda: shown(more), shown)
    sizes = np.linalg.svd(analysis.prediction_jacobian(lambda: shown(more), shown), compute_uv=False)
    surface = analysis.Objective(lambda: mse_loss(net(unit).T, mt.tensor(goal), "half_sum"), net)
    _, _, directions = np.linalg.svd(jacobian)
    theta, along = surface.theta, np.geomspace(1e-3, 1, 40)

    def draw(left: Any, right: Any) -> None:
        left.bar(
            np.arange(1, len(sizes) + 1),
            sizes,
            color="#1f5fa8",
            label=f"rank {int((sizes > 1e-10).sum())}: what the data fix",
        )
        if left_over:
            left.axvspan(len(sizes) + 0.5, len(sizes) + left_over + 0.5, color="#d1600f", alpha=0.3,
                         label=f"{left_over} directions that no sample sees")  # fmt: skip
        left.set(xlabel="direction in the space of weights", ylabel="singular value",
                 title=f"linear, {samples} samples, {features} weights")  # fmt: skip
        left.legend(fontsize="small", loc="upper right")
        for k, colour, name in (
            (0, "#1f5fa8", "largest singular value"),
            (11, "#7aa6d6", "12th of 12"),
            (30, "#d1600f", "null direction"),
        ):
            right.loglog(along, surface.values(theta + along[:, None] * directions[k]), color=colour, label=name)
        right.set(xlabel="distance from the solution", ylabel="loss", title="4-5-3 network, from its solution")
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        ("Directions that the data fix, and others: there the loss grows with the fourth power of the distance, or not at all",
         "数据所确定的方向与其余方向：沿后者损失只随距离的四次方增长，或完全不变"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "linear-regression-min-norm-bias",
    kind="experiment",
    source=f"{HIDDEN}, implicit bias (its simplest case)",
    title=("Gradient descent prefers the shortest solution", "梯度下降偏好最短的解"),
    statement=(
        r"Of all perfect solutions of a linear regression gradient descent finds a particular one: from $w_0 = 0$ the one of smallest Euclidean "
        r"norm, $X^+ y$.",
        r"在线性回归的所有零损失解中，梯度下降会找到特定的一个：从 $w_0 = 0$ 出发得到欧几里得范数最小的解 $X^+ y$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The start decides: what of $w_0$ lies in the null space of $X$ stays there, $w = X^+ y + P_{null} w_0$. The shortest solution comes out "
        r"only for $w_0$ in the row space of $X$, such as 0.",
        r"取决于起点：$w_0$ 在 $X$ 零空间中的分量始终不变，$w = X^+ y + P_{null} w_0$。只有 $w_0$ 在 $X$ 的行空间中（例如 0）时，才得到最短的解。",
    ),
    ranges={"scale": (0.0, 3.0)},
    random=True,
)
def shortest_solution(run: Run, scale: float = 1.0) -> None:
    x, y, w0 = run.rng.standard_normal((10, 30)), run.rng.standard_normal(10), run.rng.standard_normal(30)
    inputs, targets = mt.tensor(x), mt.tensor(y)
    pinv = np.linalg.pinv(x)
    shortest, null = pinv @ y, np.eye(30) - pinv @ x
    rate = 1 / analysis.mse_constants(x, "half_mean").lipschitz
    starts = np.stack([np.zeros(30), w0, x.T @ pinv.T @ w0, scale * w0])

    def loss(w: mt.Tensor) -> mt.Tensor:
        return ((w @ inputs.T - targets) ** 2).sum() / 20

    (ends,), (seen,) = descend(loss, [starts], rate, 5000, copied)
    fits = analysis.Objective(lambda w: ((inputs @ w - targets) ** 2).sum() / 20, np.zeros(30)).values(ends)
    run.claim(
        (r"from 0: distance from $X^+ y$", r"从 0 出发：与 $X^+ y$ 的距离"),
        np.linalg.norm(ends[0] - shortest),
        at_most=1e-13,
    )
    run.claim(("random start: loss", "随机起点：损失"), fits[1], at_most=1e-28)
    run.claim((r"random start: distance from $X^+ y + P_{null} w_0$", r"随机起点：与 $X^+ y + P_{null} w_0$ 的距离"),
              np.linalg.norm(ends[1] - shortest - null @ w0), at_most=1e-13)  # fmt: skip
    ratio = np.linalg.norm(ends[1]) / np.linalg.norm(shortest)
    if run.seed == 0:
        run.claim(
            ("random start: norm over the smallest norm", "随机起点：范数与最小范数之比"),
            ratio,
            equals=3.96,
            within=0.005,
        )
    run.claim(("random start: the solution is longer", "随机起点：解更长"), ratio, at_least=1.2)
    run.claim((r"start in the row space: distance from $X^+ y$", r"起点在行空间中：与 $X^+ y$ 的距离"),
              np.linalg.norm(ends[2] - shortest), at_most=1e-13)  # fmt: skip
    way = np.concatenate([starts[None], np.asarray(seen)[:300]])

    def draw(left: Any, right: Any) -> None:
        names = ("from 0", None, "from the row space", f"from {scale:g} times a random point")
        for k, name in enumerate(names):
            if name:
                left.semilogy(
                    np.linalg.norm(way[:, k] - shortest, axis=1) + 1e-16, label=name, linestyle=("-", "", "--", "-")[k]
                )
        left.set(xlabel="step", ylabel=r"distance from the shortest solution $X^+ y$")
        left.legend(fontsize="small", loc="lower left")
        at = np.arange(30)
        right.bar(at - 0.2, ends[0], 0.4, color="#1f5fa8", label=f"from 0: norm {np.linalg.norm(ends[0]):.3f}")
        right.bar(at + 0.2, ends[3], 0.4, color="#d1600f", label=f"from elsewhere: norm {np.linalg.norm(ends[3]):.3f}")
        right.set(xlabel="weight", ylabel="value", title="both fit the 10 samples exactly")
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        ("Gradient descent keeps the null-space part of its start, so only some starts lead to the shortest solution",
         "梯度下降保留起点的零空间分量，因此只有部分起点通向最短的解"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "factorisation-symmetry",
    kind="theorem",
    source=f"{HIDDEN}, the two-layer linear network",
    title=("Many factors, one product", "乘积相同的多种分解"),
    statement=(
        r"$M = W_2 W_1$ does not change if $(W_2, W_1)$ is replaced by $(W_2 S, S^{-1} W_1)$ with any invertible $S$: many factors are the same "
        r"perfect solution.",
        r"对任意可逆矩阵 $S$，把 $(W_2, W_1)$ 换成 $(W_2 S, S^{-1} W_1)$，$M = W_2 W_1$ 不变：许多分解对应同一个零损失解。",
    ),
    verdict="holds",
    ranges={"size": (0.0, 1.0), "eta": (0.001, 0.05)},
    random=True,
)
def symmetry(run: Run, size: float = 0.5, eta: float = 0.01) -> None:
    w1, w2 = run.rng.standard_normal((4, 4)), run.rng.standard_normal((3, 4))
    goal, noise = mt.tensor(run.rng.standard_normal((3, 4))), run.rng.standard_normal((4, 4))

    def one_step(net: mt.nn.DeepLinear, rate: float) -> tuple[float, list[np.ndarray], np.ndarray]:
        """(loss, gradients, the product after a step of gradient descent)."""
        optimizer = mt.optim.SGD(net.parameters(), lr=rate)
        loss = mse_loss(net.product(), goal, "half_sum")
        loss.backward()
        gradients = [np.array(p.grad) for p in net.parameters()]
        optimizer.step()
        return loss.item(), gradients, np.array(net.product().detach())

    s = np.eye(4) + 0.5 * noise
    plain, turned = two_layers(w1, w2), two_layers(w1, w2).reparametrise(np.linalg.inv(s), 1)
    products = [np.array(net.product().detach()) for net in (plain, turned)]
    norms = [sum(float((p.detach() ** 2).sum()) for p in net.parameters()) for net in (plain, turned)]
    (loss, g, after), (other_loss, other_g, other_after) = one_step(plain, 0.01), one_step(turned, 0.01)
    change = np.abs(products[0] - products[1]).max()
    run.claim(("change of the product over the condition number of $S$", "乘积的变化除以 $S$ 的条件数"),
              change / np.linalg.cond(s), at_most=1e-14)  # fmt: skip
    if run.seed == 0:
        run.claim(("change of the product", "乘积的变化"), change, at_most=5e-15)
        run.claim(("one step from each: largest difference of the products", "各走一步后乘积的最大差"),
                  np.abs(after - other_after).max(), equals=8.1, within=0.05)  # fmt: skip
    run.claim(("change of the loss, relative", "损失的相对变化"), abs(loss - other_loss) / loss, at_most=1e-10)
    run.claim(("change of the gradient of $W_2$, relative", "$W_2$ 梯度的相对变化"),
              np.linalg.norm(g[1] - other_g[1]) / np.linalg.norm(g[1]), at_least=0.1)  # fmt: skip
    run.claim(
        ("change of the sum of squared norms, relative", "范数平方和的相对变化"),
        abs(norms[1] / norms[0] - 1),
        at_least=0.01,
    )
    run.claim(
        ("one step from each: the products differ by", "各走一步后乘积之差"),
        np.abs(after - other_after).max(),
        at_least=0.02,
    )
    sizes = np.linspace(0, max(size, 0.05), 25)
    moved = []
    for share in sizes:
        net = two_layers(w1, w2).reparametrise(np.linalg.inv(np.eye(4) + share * noise), 1)
        before = np.array(net.product().detach())
        _, _, then = one_step(net, eta)
        reference = one_step(two_layers(w1, w2), eta)[2]
        moved.append((np.abs(before - products[0]).max() + 1e-17, np.abs(then - reference).max() + 1e-17))

    def draw(ax: Any) -> None:
        first, second = np.array(moved).T
        ax.semilogy(sizes, second, "o-", markersize=3, color="#d1600f", label=rf"after one step, $\eta = {eta:g}$")
        ax.semilogy(sizes, first, "o-", markersize=3, color="#1f5fa8", label="before")
        ax.set(xlabel="c, with S = I + c noise", ylabel="largest change of the product")
        ax.legend(fontsize="small")

    run.figure(
        ("The symmetry leaves the product (and the loss) alone, but not what gradient descent makes of it",
         "对称变换不改变乘积（和损失），却改变梯度下降的下一步"), draw,
    )  # fmt: skip
