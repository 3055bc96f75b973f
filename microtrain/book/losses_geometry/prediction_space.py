"""What a model can predict, as a set of points; and the point of it that is nearest to the data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run

mse_loss = mt.nn.losses.mse_loss
INPUTS = np.linspace(-3, 3, 50)


def network(copied: bool = False, dead: bool = False) -> mt.nn.Module:
    """The 1-3-1 tanh network of ten parameters; neuron 1 a copy of neuron 0, or an output weight 0."""
    layers = {
        "0.weight": [[1.0], [2.0], [-1.5]], "0.bias": [0.5, -1.0, 2.0], "2.weight": [[1.0, -1.0, 0.7]], "2.bias": [0.1],
    }  # fmt: skip
    state = {name: np.array(value) for name, value in layers.items()}
    if copied:
        state["0.weight"][1], state["0.bias"][1] = state["0.weight"][0], state["0.bias"][0]
        state["2.weight"][0, 1] = state["2.weight"][0, 0]
    if dead:
        state["2.weight"][0, 2] = 0.0
    net = mt.nn.Sequential(mt.nn.Linear(1, 3), mt.nn.Tanh(), mt.nn.Linear(3, 1))
    net.load_state_dict({name: mt.tensor(value) for name, value in state.items()})
    return net


def rank(jacobian: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(jacobian, tol=1e-8))


@item(
    "prediction-space-manifold",
    kind="definition",
    source="Chapter 4, section 4.1.4",
    title=("The prediction space", "预测空间"),
    statement=(
        r"As $\theta$ varies, $\hat{y}(\theta) = (f(x_1; \theta), \ldots, f(x_N; \theta))$ traces a submanifold of $\mathbb{R}^N$, the "
        "prediction space. Learning looks for its point nearest to $y$.",
        r"$\theta$ 变化时，$\hat{y}(\theta) = (f(x_1; \theta), \ldots, f(x_N; \theta))$ 在 $\mathbb{R}^N$ 中形成子流形，即预测空间。"
        r"学习就是在其中寻找离 $y$ 最近的点。",
    ),
    verdict="holds with a condition",
    correction=(
        "Only where the rank of the Jacobian stays the same nearby. At doubled or dead neurons it drops (10 parameters: rank 7 or "
        "8), the image is no smooth manifold of that dimension there, and different parameters give the same predictions.",
        "只在雅可比矩阵的秩局部不变处成立。神经元重复或失效时秩下降（10 个参数，秩为 7 或 8），该处的像不再是相应维数的光滑流形，"
        "而且不同的参数会给出相同的预测。",
    ),
    ranges={"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
)
def prediction_space(run: Run, a: float = 1.0, b: float = 0.7) -> None:
    x = mt.tensor(INPUTS[:, None])
    nets = {"as given": network(), "neuron copied": network(copied=True), "output weight 0": network(dead=True)}
    zh = {"as given": "原网络", "neuron copied": "复制神经元 0", "output weight 0": "一个输出权重为 0"}
    spectra = {}
    for (name, net), expected in zip(nets.items(), (10, 7, 8), strict=True):
        jacobian = mt.analysis.prediction_jacobian(lambda net=net: net(x).squeeze(-1), net)
        spectra[name] = np.linalg.svd(jacobian, compute_uv=False)
        run.claim(
            (f"network of 10 parameters, {name}: rank", f"10 个参数的网络，{zh[name]}：秩"),
            rank(jacobian),
            equals=expected,
        )
    run.claim(
        ("as given: smallest singular value", "原网络：最小奇异值"), spectra["as given"][-1], equals=0.028, within=5e-4
    )
    swapped = network()
    for p in swapped.parameters():
        value = np.array(p.detach())
        p.detach().copy_(
            value[..., [1, 0, 2]] if value.shape == (1, 3) else value[[1, 0, 2]] if len(value) == 3 else value
        )
    run.claim(("two neurons exchanged: change of the predictions", "交换两个神经元：预测的变化"),
              np.abs((swapped(x) - nets["as given"](x)).detach().numpy()).max(), at_most=1e-12)  # fmt: skip
    line = mt.tensor([-1.0, 0.5, 2.0])
    for place, expected in (((1.0, 0.7), 1), ((0.0, 0.0), 0)):
        jacobian = mt.analysis.prediction_jacobian(lambda t: t[0] * t[1] * line, np.array(place))
        run.claim((rf"$\hat{{y}} = abx$ at (a, b) = {place}: rank", rf"$\hat{{y}} = abx$，(a, b) = {place}：秩"), rank(jacobian),
                  equals=expected)  # fmt: skip
    two = np.array([1.0, 2.0])
    theta = np.linspace(-2, 1.05, 200)
    curve = np.exp(theta[:, None] * two)
    target = np.array([1.0, 2.4])
    objective = mt.analysis.objective(lambda t: mse_loss((t * mt.tensor(two)).exp(), target, "sum"), [0.2])
    best = mt.analysis.trace(lambda p: mt.optim.SGD(p, lr=0.01), objective, steps=300).end
    nearest = np.exp(best * two)

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.plot(*curve.T, label=r"$(e^\theta, e^{2\theta})$")
        left.plot(*target, "k*", markersize=11, label="y")
        left.plot(*nearest, "C3o", label=rf"nearest, $\theta = {best[0]:.3f}$")
        left.plot([target[0], nearest[0]], [target[1], nearest[1]], "C3--", linewidth=1)
        left.set(xlabel=r"$\hat{y}_1$", ylabel=r"$\hat{y}_2$", aspect="equal", xlim=(-0.2, 2.6), ylim=(-0.2, 3.4),
                 title="one parameter, two samples")  # fmt: skip
        left.legend(fontsize="small", loc="lower right")
        for (name, values), mark in zip(spectra.items(), "osx", strict=True):
            middle.semilogy(
                1 + np.arange(10), np.maximum(values, 1e-18), mark, label=f"{name}: rank {(values > 1e-8).sum()}"
            )
        middle.axhline(1e-8, color="0.6", linewidth=0.8, linestyle=":")
        middle.set(xlabel="i", ylabel="i-th singular value of the Jacobian", xticks=range(1, 11), title="1-3-1 network")
        middle.legend(fontsize="small", loc="center left")
        grid = np.linspace(-2, 2, 81)
        levels = right.contour(
            grid, grid, np.outer(grid, grid).T, np.arange(-3, 3.5, 0.5), cmap="coolwarm", linewidths=0.8
        )
        right.clabel(levels, fontsize=7)
        curve_a = np.linspace(0.05, 2, 100) * (np.sign(a) or 1.0)
        right.plot(curve_a, a * b / curve_a, "k", linewidth=2, label="predictions like those of (a, b)")
        right.plot([a], [b], "ko")
        right.plot([0], [0], "C3x", markersize=9, label="rank 0")
        right.set(
            xlabel="a", ylabel="b", xlim=(-2, 2), ylim=(-2, 2), title=r"$\hat{y} = abx$: lines of equal predictions"
        )
        right.legend(fontsize="small", loc="lower left")

    run.figure(
        (
            "Left: a curved prediction space and its point nearest to the target. Middle: a copied or dead neuron lowers the rank. "
            "Right: whole curves of parameters predict the same, and at the origin the rank is 0.",
            "左：弯曲的预测空间，以及离目标最近的点。中：神经元重复或失效会降低秩。右：整条曲线上的参数给出相同的预测，原点处的秩为 0。",
        ),
        draw,
        (1, 3),
        (9.6, 4.3),
    )


@item(
    "mse-optimum-orthogonal-projection",
    kind="theorem",
    source="Chapter 4, section 4.1.4, Theorem 4.1.3; section 4.1.7",
    title=("The best predictions are a projection of the data", "最优预测是数据的投影"),
    statement=(
        r"Theorem 4.1.3: the prediction vector with the smallest MSE is the orthogonal projection of $y$ on the prediction space.",
        r"定理 4.1.3：在均方误差最小化的意义下，最优预测向量是 $y$ 在预测空间上的正交投影。",
    ),
    verdict="holds with a condition",
    correction=(
        "Exact for linear models. If the prediction space is curved, the residual is orthogonal to the tangent space at the "
        "solution only, not to the differences from other predictions; there may be several nearest points; and where the gradient "
        "vanishes need not be nearest (on a circle: loss 1.125 at one such point, 0.125 at the other).",
        "对线性模型严格成立。若预测空间弯曲，残差只与解处的切空间正交，并不与其他预测到解的差向量正交；最近点可能不止一个；"
        "梯度为零的点也未必最近（在圆上，两个临界点的损失分别为 1.125 与 0.125）。",
    ),
    ranges={"start": (-3.1, 3.1), "y0": (-1.5, 1.5)},
    random=True,
)
def orthogonal_projection(run: Run, start: float = 1.0, y0: float = 0.5) -> None:
    X = np.column_stack([np.ones(20), run.rng.normal(size=(20, 3))])
    y = run.rng.normal(size=20)
    x = mt.tensor(X)
    rate = 1 / mt.analysis.mse_constants(X).lipschitz
    w = follow(descent(rate), lambda v: mse_loss(x @ v, y), np.zeros(4), 5000)[-1]
    run.claim((r"(a) linear model: predictions of gradient descent less $Py$", r"(a) 线性模型：梯度下降所得预测与 $Py$ 之差"),
              np.abs(X @ w - mt.analysis.project(y, X)).max(), at_most=1e-9)  # fmt: skip
    run.claim((r"(a) largest entry of $X^\top (y - \hat{y})$", r"(a) $X^\top (y - \hat{y})$ 的最大绝对值"),
              np.abs(X.T @ (y - X @ w)).max(), at_most=1e-9)  # fmt: skip

    t = np.linspace(0, 2, 20)
    target = np.exp(0.7 * t) + 0.3 * np.random.default_rng(run.seed).normal(size=20)
    at = mt.tensor(t)
    exponential = mt.analysis.objective(lambda v: mse_loss((v * at).exp(), target, "half_mean"), [0.7])
    theta = mt.analysis.trace(mt.optim.Newton, exponential, steps=20).end
    best = np.exp(theta * t)
    tangent = mt.analysis.prediction_jacobian(lambda v: (v * at).exp(), theta)[:, 0]
    run.claim((r"(b) $\hat{y} = e^{\theta x}$: residual times the tangent", r"(b) $\hat{y} = e^{\theta x}$：残差与切向量的内积"),
              abs((target - best) @ tangent), at_most=1e-8)  # fmt: skip
    other = np.ones(20) - best
    product = float((target - best) @ other)
    cosine = product / float(np.linalg.norm(target - best) * np.linalg.norm(other))
    run.claim((r"(b) residual times $\hat{y}(0) - \hat{y}^*$, which is not 0: size", r"(b) 残差与 $\hat{y}(0) - \hat{y}^*$ 的内积不为 0：绝对值"),
              abs(product), at_least=1e-3)  # fmt: skip
    if run.seed == 0:
        run.claim((r"(b) seed 0: that product", r"(b) 种子 0：该内积"), product, equals=0.288, within=5e-4)
        run.claim(
            (r"(b) seed 0: the cosine of the angle", r"(b) 种子 0：夹角的余弦"), cosine, equals=0.038, within=5e-4
        )

    def circle(goal: tuple[float, float]) -> Any:
        return mt.analysis.objective(
            lambda v: mse_loss(mt.cat([v.cos(), v.sin()]), mt.tensor(goal), "half_sum"), np.zeros(1)
        )

    found = circle((0.5, 0.0))
    for begin, end, loss in ((1.0, 0.0, 0.125), (math.pi, math.pi, 1.125)):
        path = mt.analysis.trace(lambda p: mt.optim.SGD(p, lr=0.5), found, start=[begin], steps=100)
        run.claim((f"(c) circle, y = (.5, 0): from t = {begin:.4g} gradient descent ends at t", f"(c) 圆，y = (.5, 0)：从 $t = {begin:.4g}$ 出发，梯度下降的终点"),
                  path.end[0], equals=end, within=1e-6)  # fmt: skip
        run.claim((f"(c) loss at the end, from t = {begin:.4g}", f"(c) 从 $t = {begin:.4g}$ 出发，终点的损失"), path.losses[-1], equals=loss,
                  within=1e-9)  # fmt: skip
    everywhere = circle((0.0, 0.0)).values(np.linspace(-3, 3, 61)[:, None])
    run.claim(("(c) y = (0, 0): largest less smallest loss on the circle, where all points are nearest",
               "(c) y = (0, 0)：圆上损失的最大差，所有点都是最近点"), np.ptp(everywhere), at_most=1e-12)  # fmt: skip
    shown = circle((y0, 0.0))
    path = mt.analysis.trace(lambda p: mt.optim.SGD(p, lr=0.3), shown, start=[start], steps=40)

    def draw(left: Any, middle: Any, right: Any) -> None:
        u, residual = X @ w, y - X @ w
        span = np.linalg.qr(np.column_stack([u, X @ np.array([1.0, -1, 0.5, 2])]))[0]
        cloud = (X @ (w + 0.25 * np.random.default_rng(1).normal(size=(300, 4))).T).T @ span
        left.scatter(cloud[:, 0], cloud[:, 1], np.zeros(300), s=3, color="C0", alpha=0.5)
        foot = u @ span
        height = float(np.linalg.norm(residual))
        left.plot([foot[0]] * 2, [foot[1]] * 2, [0, height], "C3", label=r"$y - \hat{y}^*$")
        left.plot([foot[0]], [foot[1]], [height], "k*", markersize=9, label="y")
        left.plot([foot[0]], [foot[1]], [0], "C3o", markersize=5, label=r"$\hat{y}^*$")
        left.set(xlabel="in the space", ylabel="in the space", zlabel="away from it", title="(a) linear")
        left.legend(fontsize="small", loc="upper left")
        left.set_box_aspect(None, zoom=0.75)
        left.view_init(18, -60)
        two, goal = np.array([1.0, 2.0]), np.array([2.6, 0.9])
        angles = np.linspace(-2, 0.6, 200)
        curve = np.exp(angles[:, None] * two)
        small = mt.analysis.objective(lambda v: mse_loss((v * mt.tensor(two)).exp(), goal, "half_mean"), [0.0])
        stop = mt.analysis.trace(mt.optim.Newton, small, steps=30).end
        here = np.exp(stop * two)
        slope = two * here
        middle.plot(*curve.T, label="prediction space")
        ends = here + np.outer([-0.7, 0.7], slope / np.linalg.norm(slope))
        middle.plot(*ends.T, "C2--", label="tangent: at a right angle")
        middle.plot(*np.array([here, np.exp(-two)]).T, "C1:", label="towards another prediction: not")
        middle.plot(*np.array([here, goal]).T, "C3")
        middle.plot(*goal, "k*", markersize=10)
        middle.plot(*here, "C3o")
        middle.set(xlabel=r"$\hat{y}_1$", ylabel=r"$\hat{y}_2$", aspect="equal", title=r"(b) curved: $(e^\theta, e^{2\theta})$",
                   xlim=(-0.1, 2.9), ylim=(-0.1, 3.0))  # fmt: skip
        middle.legend(fontsize="small", loc="upper left")
        t = np.linspace(-math.pi, math.pi, 200)
        right.plot(np.cos(t), np.sin(t), label="prediction space")
        right.plot([y0], [0], "k*", markersize=10, label="y")
        right.plot(
            np.cos(path.points[:, 0]),
            np.sin(path.points[:, 0]),
            "C1o-",
            markersize=3,
            label=f"descent from t = {start:g}",
        )
        for place, mark in ((0.0, "o"), (math.pi, "x")):
            value = shown(np.array([place]))
            right.plot([math.cos(place)], [0], "C3" + mark, label=f"critical: loss {value:.3f}")
        right.set(xlabel=r"$\hat{y}_1$", ylabel=r"$\hat{y}_2$", aspect="equal", title="(c) a circle", ylim=(-1.2, 2.6))
        right.legend(fontsize="small", loc="upper center")

    run.figure(
        (
            "(a) The residual stands upright on the prediction space of a linear model. (b) On a curve it is orthogonal to the "
            "tangent only. (c) On a circle the gradient also vanishes at the farthest point.",
            "(a) 线性模型的残差垂直于预测空间。(b) 若预测空间是曲线，残差只垂直于切线。(c) 若是圆，最远点处梯度同样为零。",
        ),
        draw,
        (1, 3),
        (9.6, 4.5),
        solid=(0,),
    )
