"""Are the paths of gradient descent straight? On squared error, which the book says, and on cross-entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.data import make_collinear
from microtrain.nn.functional import mse_loss

from ...viz.plots.axes import headroom
from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run
from .optimisation_paths import ratio, shape_of

TARGET = np.array([1.0, -1.0])


def collinear(rho: float) -> Any:
    """The squared error 1/(2N) |X w - y|^2 with the Hessian [[1, rho], [rho, 1]] and the minimum (1, -1), summed over rows."""
    x, y = make_collinear(50, rho, (1.0, -1.0), generator=mt.Generator(0))

    def loss(w: mt.Tensor) -> mt.Tensor:
        rows = w.reshape(-1, 2) @ x.T
        return mse_loss(rows, y.expand(*rows.shape), "half_sum") / len(y)

    return loss


def around(count: int) -> np.ndarray:
    """Starts on the circle of radius 2 around the minimum: (count, 2)."""
    turn = 2 * np.pi * np.arange(count) / count
    return np.asarray(TARGET + 2 * np.stack([np.cos(turn), np.sin(turn)], 1))


@item(
    "mse-straight-line-path",
    kind="theorem",
    source="Chapter 4, section 4.2.5, second paragraph",
    title=("Is the path on squared error a straight line?", "平方误差的优化路径是直线吗"),
    statement=(
        r"Because the Hessian of squared error is constant, the path is said to be a straight line from the start to the solution of the "
        r"normal equations, a property that only squared error has.",
        r"由于平方误差的 Hessian 矩阵是常数，优化路径据称是从初始点指向正规方程解的直线，且这是平方误差独有的性质。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"It is straight only if $H$ is a multiple of the identity (whitened features) or the initial error is an eigenvector of $H$. In "
        r"general the error $e_k = (I - \eta H)^k e_0$ turns, because its steep components die first. Reading: gradient descent with a "
        r"fixed rate. In two dimensions the path is up to 1.41 times as long as the straight line for $\eta \le 1/L$, and far longer when "
        r"it overshoots. A start at 0 looks straight here by accident: its error $(-1, 1)$ is an eigenvector. Newton's method goes "
        r"straight.",
        r"只有当 $H$ 是单位矩阵的倍数（特征已白化），或初始误差恰为 $H$ 的特征向量时，路径才是直线。一般地，误差 $e_k = (I - \eta H)^k e_0$ 会转向，"
        r"因为陡峭方向的分量先消失。这里按固定学习率的梯度下降理解原文。二维时，若 $\eta \le 1/L$，路径最长可达直线距离的 1.41 倍；过冲时还要长得多。"
        r"从 0 出发看似走直线只是巧合：误差 $(-1, 1)$ 正是特征向量。牛顿法才走直线。",
    ),
    ranges={"rho": (0.0, 0.99), "share": (0.01, 1.95), "angle": (0.0, 360.0)},
)
def straight_line(run: Run, rho: float = 0.9, share: float = 1.0, angle: float = 20.0, form: str = "right") -> None:
    loss = collinear(0.9)
    found = analysis.objective(loss, np.zeros(2))
    top, low = 1.9, 0.1
    run.claim(("Hessian: distance from [[1, 0.9], [0.9, 1]]", "Hessian 矩阵与 [[1, 0.9], [0.9, 1]] 之差"),
              np.abs(found.hessian() - [[1, 0.9], [0.9, 1]]).max(), at_most=1e-12)  # fmt: skip
    rates = (
        (r"1/L", 1 / top, 400, 1.378),
        (r"0.01/L", 0.01 / top, 40000, 1.299),
        (r"2/(L + \mu)", 2 / (top + low), 400, 13.45),
    )
    for name, eta, steps, length in rates:
        points = follow(descent(eta), loss, (1.0, 1.0), steps)
        run.claim(
            (rf"from (1, 1), $\eta = {name}$: length over distance", rf"从 (1, 1) 出发，$\eta = {name}$：路径长度与直线距离之比"),
            ratio(points), equals=1.0 if form == "printed" else length, within=5e-3 if length > 10 else 5e-4,
        )  # fmt: skip
        if eta == 1 / top:
            run.claim((r"the same, $\eta = 1/L$: largest distance from the line, relative", r"同上，$\eta = 1/L$：偏离直线的最大相对距离"),
                      shape_of(points).max_deviation, equals=0.0 if form == "printed" else 0.474, within=5e-4)  # fmt: skip
    run.claim(
        ("from (1, 1): angle between the first step and the way to the minimum, degrees", "从 (1, 1) 出发：第一步与通往最小值点的方向的夹角（度）"),
        analysis.angle_to_minimum(loss, (1.0, 1.0), TARGET), equals=0.0 if form == "printed" else 42.0, within=0.05,
    )  # fmt: skip
    for start in ((0.0, 0.0), (2.0, 0.0)):
        run.claim(
            (f"from ({start[0]:g}, 0), where the error is an eigenvector: length over distance",
             f"从 ({start[0]:g}, 0) 出发，误差为特征向量：路径长度与直线距离之比"),
            ratio(follow(descent(1 / top), loss, start, 400)), equals=1.0, within=5e-4,
        )  # fmt: skip
    run.claim(
        ("whitened features, 24 starts: length over distance", "特征已白化，24 个起点：路径长度与直线距离之比"),
        [ratio(p) for p in follow(descent(0.1), collinear(0.0), around(24), 400).swapaxes(0, 1)], equals=1.0, within=5e-4,
    )  # fmt: skip
    newton = analysis.trace(mt.optim.Newton, loss, np.zeros(2), start=(1.0, 1.0), steps=1)
    run.claim(("Newton's method: distance from the minimum after one step", "牛顿法：一步之后到最小值点的距离"),
              np.linalg.norm(newton.end - TARGET), at_most=1e-12)  # fmt: skip

    shown = collinear(rho)
    begin = TARGET + 2 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    starts = np.stack([begin, (1.0, 1.0), (0.0, 0.0), (-0.9, -0.7)])
    eta = share / (1 + rho)
    some = follow(descent(eta), shown, starts, 400)
    shares = tuple(dict.fromkeys((0.05, 1.0, 1.5, share)))
    lengths = [
        [ratio(p) for p in follow(descent(part / (1 + rho)), shown, around(72), 1000).swapaxes(0, 1)] for part in shares
    ]

    def draw(left: Any, right: Any) -> None:
        x, y = np.meshgrid(np.linspace(-1.5, 3.5, 100), np.linspace(-2.2, 1.7, 100))
        a, b = x - TARGET[0], y - TARGET[1]
        left.contour(x, y, a * a + 2 * rho * a * b + b * b, levels=14, colors="0.85", linewidths=0.7)
        for k, points in enumerate(some.swapaxes(0, 1)):
            left.plot(*points[[0, -1]].T, ":", color=f"C{k}", linewidth=1)
            left.plot(
                *points.T,
                "o-",
                color=f"C{k}",
                markersize=3,
                label=f"length {ratio(points):.3f}" + (", chosen" if not k else ""),
            )
        left.plot(*TARGET, "k*", markersize=11, zorder=5)
        left.set(xlabel="$w_1$", ylabel="$w_2$", title=rf"$\rho = {rho:g}$, $\eta = {share:g}/L$", aspect="equal")
        for part, row, style in zip(shares, lengths, ("-", "--", "-.", ":"), strict=False):
            right.plot(5 * np.arange(72), row, style, label=rf"$\eta = {part:g}/L$")
        for place in (45, 135, 225, 315):
            right.axvline(place, color="0.85", linewidth=0.8)
        right.set(
            xlabel="direction from which it comes, degrees\n(lines: eigenvectors)",
            ylabel="length over distance",
            xticks=range(0, 361, 45),
        )
        if max(map(max, lengths)) > 5:
            right.set_yscale("log")
        for ax in (left, right):
            ax.legend(fontsize="small", loc="upper right" if ax is left else "best")

    run.figure(
        ("Left: paths on the squared error of two correlated features, and the straight lines (dotted). Right: how much longer "
         "the path is, by the direction from which it comes",
         "左：两个相关特征的平方误差上的路径，点线为直线。右：从不同方向出发时，路径长度与直线距离之比"),
        draw, (1, 2), (9.6, 4.6),
    )  # fmt: skip


def features(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whitened and correlated inputs (2, 200, 2) with the same labels (200,) and the same targets (200,)."""
    drawn = rng.normal(size=(200, 2))
    white = np.linalg.svd(drawn - drawn.mean(0), full_matrices=False)[0] * np.sqrt(200)
    slope = white @ (1.5, -1)
    labels = (rng.random(200) < 1 / (1 + np.exp(-slope))).astype(float)
    targets = slope + 0.3 * rng.normal(size=200)
    return np.stack([white, white @ np.array([[1, 0.9], [0, 0.436]])]), labels, targets


@item(
    "ce-curved-path",
    kind="experiment",
    source="Chapter 4, section 4.2.5, third paragraph",
    title=("The path on cross-entropy is bent", "交叉熵的优化路径是弯的"),
    statement=(
        "The curvature of cross-entropy changes from place to place, so the path is usually not straight: fast along directions of high "
        "curvature, slow along those of low curvature.",
        "交叉熵的曲率随位置变化，优化路径通常不是直线：沿曲率大的方向快，沿曲率小的方向慢。",
    ),
    verdict="holds with a condition",
    correction=(
        "With both losses the path bends where the curvatures of the directions differ, so that is no difference between them; with correlated features "
        "that of squared error bends about as much. Only with cross-entropy does it bend with whitened features too, because the Hessian changes on the way.",
        "只要各方向曲率不同，两种损失的路径都会弯曲，这不是二者的区别；特征相关时，两者的弯曲程度相近。"
        "交叉熵特有的是：特征已白化时路径仍然弯曲，因为 Hessian 矩阵沿途变化。",
    ),
    ranges={"x": (-5.0, 5.0), "y": (-5.0, 5.0), "rate": (0.01, 0.5)},
    random=True,
)
def curved(run: Run, x: float = -2.0, y: float = 2.5, rate: float = 0.1) -> None:
    inputs, labels, targets = features(run.rng)
    tops = np.linalg.eigvalsh(inputs.swapaxes(1, 2) @ inputs / 200)[:, -1]
    data, classes, values = mt.tensor(inputs), mt.tensor(np.tile(labels, (2, 1))), mt.tensor(np.tile(targets, (2, 1)))

    def squared(w: mt.Tensor) -> mt.Tensor:
        rows = (data @ w.unsqueeze(2)).squeeze(2)
        each = mse_loss(rows, values, "none").mean(1) / 2
        return (each / tops).sum()  # the rate in units of 1/L of each row

    def entropy(w: mt.Tensor) -> mt.Tensor:
        rows = (data @ w.unsqueeze(2)).squeeze(2)
        each = mt.binary_cross_entropy_with_logits(rows, classes, reduction="none").mean(1)
        return (each / tops).sum()

    def paths(start: Any, share: float) -> dict[str, np.ndarray]:
        begin = np.tile(np.asarray(start), (2, 1))
        runs = {
            "squared error": follow(descent(share), squared, begin, 20000),
            "cross-entropy": follow(descent(4 * share), entropy, begin, 20000),
        }
        return {
            f"{loss}, {kind}": runs[loss][:, k] for k, kind in enumerate(("whitened", "correlated")) for loss in runs
        }

    found = paths((-2.0, 2.5), 0.1)
    bends = {name: shape_of(points).max_deviation for name, points in found.items()}
    zh = {"squared error, whitened": "平方误差，已白化", "cross-entropy, whitened": "交叉熵，已白化",
          "squared error, correlated": "平方误差，相关", "cross-entropy, correlated": "交叉熵，相关"}  # fmt: skip
    if run.seed == 0:
        for name, length in (("squared error, whitened", 1.0), ("cross-entropy, whitened", 1.0022)):
            run.claim(
                (f"{name}: length over distance", f"{zh[name]}：路径长度与直线距离之比"),
                ratio(found[name]),
                equals=length,
                within=5e-5,
            )
        for name, bend, place in (
            ("cross-entropy, whitened", 0.021, 5e-4), ("squared error, correlated", 0.063, 5e-4), ("cross-entropy, correlated", 0.059, 5e-4),
        ):  # fmt: skip
            run.claim(
                (f"{name}: deviation from the line, relative", f"{zh[name]}：相对偏离"),
                bends[name],
                equals=bend,
                within=place,
            )
    run.claim(("squared error, whitened: deviation", "平方误差，已白化：偏离"), bends["squared error, whitened"],
              at_most=1e-12 if run.seed == 0 else 1e-9)  # fmt: skip
    run.claim(
        ("cross-entropy, whitened: deviation", "交叉熵，已白化：偏离"), bends["cross-entropy, whitened"], at_least=0.001
    )
    run.claim(("with correlated features both deviate by", "特征相关时，两者的偏离"),
              [bends["squared error, correlated"], bends["cross-entropy, correlated"]], at_least=0.01)  # fmt: skip
    run.claim(("the runs have stopped: way of the last 1000 steps", "均已停下：最后 1000 步走过的距离"),
              [np.linalg.norm(p[-1] - p[-1001]) for p in found.values()], at_most=1e-9)  # fmt: skip
    shown = found if (x, y, rate) == (-2.0, 2.5, 0.1) else paths((x, y), rate)

    def draw(*axes: Any) -> None:
        styles = dict(zip(shown, ("C0-", "C1-", "C0--", "C1--"), strict=True))
        for ax, kind in zip(axes[:2], ("whitened", "correlated"), strict=True):
            for name, points in shown.items():
                if name.endswith(kind):
                    ax.plot(*points[[0, -1]].T, "k:", linewidth=0.8)
                    ax.plot(*points.T, styles[name], label=name.split(",")[0])
                    ax.plot(*points[-1], styles[name][:2] + "o", markersize=6)
            ax.plot(x, y, "ks", markersize=5, label="start")
            ax.set(xlabel="$w_1$", ylabel="$w_2$", title=f"{kind} features")
        for name, points in shown.items():
            chord = points[-1] - points[0]
            size = np.linalg.norm(chord)
            along = (points - points[0]) @ chord / size**2
            aside = (points - points[0]) @ np.array([-chord[1], chord[0]]) / size**2
            axes[2].plot(along, aside, styles[name], label=f"{name}")
        axes[2].set(xlabel="share of the straight way", ylabel="offset from it, relative", title="all on one line")
        headroom(axes[2], below=True)
        for ax in axes:
            ax.legend(fontsize="small")

    run.figure(
        ("Paths of linear and of logistic regression on the same features; right, their offsets from the straight lines",
         "同一特征上线性回归与逻辑回归的路径；右图为各路径偏离直线的程度"),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
