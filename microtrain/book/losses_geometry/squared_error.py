"""The mean squared error: its definition, its three scalings, and the distance behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import descent, follow
from ..optimizers.least_squares import normal_data
from ..run import Run
from .derivatives import central, gradient

mse_loss = mt.nn.losses.mse_loss


@item(
    "mse-definition",
    kind="loss",
    source="Chapter 4, section 4.1.2",
    title=("The mean squared error", "均方误差"),
    statement=(
        r"$\mathrm{MSE} = \frac{1}{N} \sum_i (y_i - \hat{y}_i)^2$ with $\hat{y}_i = f(x_i; \theta)$: the residuals are squared, "
        "so that none is negative, and averaged.",
        r"$\mathrm{MSE} = \frac{1}{N} \sum_i (y_i - \hat{y}_i)^2$，其中 $\hat{y}_i = f(x_i; \theta)$：残差先平方，保证非负，再取平均。",
    ),
    verdict="holds",
    ranges={"n": (2, 50), "slope": (-3.0, 5.0)},
    random=True,
)
def mse_definition(run: Run, n: int = 8, slope: float = 1.2) -> None:
    prediction, target = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 6.0])
    run.claim(("predictions (1, 2, 3), targets (1, 0, 6): MSE", "预测 (1, 2, 3)，目标 (1, 0, 6)：均方误差"),
              mse_loss(prediction, target).item(), equals=13 / 3, within=1e-12)  # fmt: skip
    slopes = gradient(lambda p: mse_loss(p, target), prediction)
    for k, value in enumerate((0.0, 4 / 3, -2.0)):
        run.claim(
            (f"derivative by prediction {k + 1}", f"关于第 {k + 1} 个预测的导数"), slopes[k], equals=value, within=1e-12
        )
    worst, smallest = 0.0, np.inf
    for p, t in run.rng.normal(size=(100, 2, 10)):
        numbers = central(lambda v, t=t: mse_loss(v, t), p)
        worst = max(worst, float(np.abs(gradient(lambda v, t=t: mse_loss(v, t), p) - numbers).max()))
        smallest = min(smallest, mse_loss(p, t).item())
    run.claim(
        ("100 random inputs: gradient less central differences", "100 组随机输入：梯度与中心差分之差"),
        worst,
        at_most=1e-6,
    )
    run.claim(("100 random inputs: smallest MSE", "100 组随机输入：最小的均方误差"), smallest, at_least=0.0)
    x = np.linspace(-1, 1, n)
    y = 2 * x + 0.5 * run.rng.standard_normal(n)
    line = slope * x
    slopes = np.linspace(min(-1.0, slope - 0.8), max(5.0, slope + 0.8), 100)
    curve = mt.analysis.objective(lambda w: mse_loss(w * mt.tensor(x), y), [slope])

    def draw(left: Any, right: Any) -> None:
        from matplotlib.patches import Rectangle

        left.plot(x, line, "C3", label=f"prediction {slope:g} x")
        left.plot(x, y, "o", color="C0", label="data")
        for a, b, c in zip(x, line, y, strict=True):
            left.add_patch(Rectangle((a, min(b, c)), abs(c - b), abs(c - b), color="C0", alpha=0.2, linewidth=0))
            left.plot([a, a], [b, c], color="C0", linewidth=0.8)
        left.set(xlabel="x", ylabel="y", aspect="equal", title="squared residuals as areas")
        left.legend(fontsize="small")
        right.plot(slopes, curve.values(slopes[:, None]), label="MSE")
        here, tilt = curve(), curve.gradient()[0]
        near = np.array([slope - 0.8, slope + 0.8])
        right.plot(near, here + tilt * (near - slope), "C3--", label=f"slope {tilt:.3f}")
        right.plot([slope], [here], "C3o", label=f"mean area {here:.3f}")
        right.set(xlabel="w in the prediction w x", ylabel="MSE")
        right.legend(fontsize="small")

    run.figure(
        ("Left: the MSE is the mean of these areas. Right: as a function of the model's slope.",
         "左：均方误差是这些面积的平均值。右：它随模型斜率的变化。"),
        draw,
        (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "mse-normalisation-conventions",
    kind="definition",
    source="Chapter 4, section 4.1.2; sections 4.2.2 and 4.2.3; eq. 4.2.5",
    title=("Three scalings, one name", "同名的三种归一化"),
    statement=(
        r"Three losses go by the name of MSE: $\frac{1}{N} \sum r_i^2$ (section 4.1.2), $\frac{1}{2N} \sum r_i^2$ (section 4.2.2, with "
        r"the Hessian $X^\top X / N$) and $\frac{1}{2} r^2$ for one sample (eq. 4.2.5).",
        r"有三种损失都称作均方误差：$\frac{1}{N} \sum r_i^2$（4.1.2 节），$\frac{1}{2N} \sum r_i^2$（4.2.2 节，Hessian 矩阵为"
        r" $X^\top X / N$），以及单个样本的 $\frac{1}{2} r^2$（式 (4.2.5)）。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The Hessian $X^\top X / N$ belongs to $\frac{1}{2N} \sum r_i^2$ only. The MSE of section 4.1.2 has twice that: $\mu$ and $L$ "
        r"double and the largest stable learning rate halves. The condition number stays.",
        r"只有 $\frac{1}{2N} \sum r_i^2$ 的 Hessian 矩阵是 $X^\top X / N$。4.1.2 节的均方误差对应它的两倍：$\mu$ 与 $L$ 加倍，"
        r"学习率的稳定性界限减半，条件数不变。",
    ),
    ranges={"factor": (0.1, 1.2), "n": (10, 500), "d": (2, 10)},
    random=True,
)
def conventions(run: Run, factor: float = 0.95, n: int = 200, d: int = 5) -> None:
    X, start, y = normal_data(run.rng, n, d)
    x = mt.tensor(X)
    gram = X.T @ X / n
    top = float(np.linalg.eigvalsh(gram)[-1])
    objectives = {
        kind: mt.analysis.objective(lambda w, kind=kind: mse_loss(x @ w, y, kind), start)
        for kind in ("mean", "half_mean", "half_sum")
    }
    best = mt.nn.LinearRegression(d, bias=False).solve(X, y).weight.detach().numpy()
    for kind, times, text in (("mean", 2, r"\frac{1}{N} \sum r^2"), ("half_mean", 1, r"\frac{1}{2N} \sum r^2")):
        run.claim(
            (rf"${text}$: Hessian less ${times if times > 1 else ''} X^\top X / N$",
             rf"${text}$：Hessian 矩阵与 ${times if times > 1 else ''} X^\top X / N$ 之差"),
            np.abs(objectives[kind].hessian() - times * gram).max(), at_most=1e-8,
        )  # fmt: skip
        limit = mt.analysis.mse_constants(X, kind).largest_stable_rate
        run.claim(
            (rf"${text}$: largest stable rate times $\lambda_{{\max}}(X^\top X / N)$",
             rf"${text}$：稳定性界限与 $\lambda_{{\max}}(X^\top X / N)$ 之积"),
            limit * top, equals=2 / times, within=1e-9,
        )  # fmt: skip
        growth = [
            np.linalg.norm(ends[-1] - best) / np.linalg.norm(ends[200] - best)
            for ends in (
                follow(descent(s * 2 / (times * top)), lambda w, kind=kind: mse_loss(x @ w, y, kind), start, 400)  # type: ignore[misc]
                for s in (0.99, 1.01)
            )
        ]
        run.claim((f"${text}$: growth of the distance over 200 steps at 0.99 of that rate",
                   f"${text}$：学习率取界限的 0.99 倍，200 步间距离的倍数"), growth[0], at_most=0.5)  # fmt: skip
        run.claim((f"${text}$: and at 1.01 of it", f"${text}$：取 1.01 倍"), growth[1], at_least=2.0)
    kappa = [mt.analysis.condition_number(objective) for objective in objectives.values()]
    run.claim(("condition numbers: largest less smallest", "三种条件数的最大差"), max(kappa) - min(kappa), at_most=1e-9)
    single = mt.analysis.hessian(lambda p: mse_loss(p, [0.3], "half_sum"), [1.0])[0, 0]
    run.claim((r"$\frac{1}{2} r^2$ of one sample: curvature in the prediction", r"单个样本的 $\frac{1}{2} r^2$：关于预测的曲率"),
              single, equals=1.0, within=1e-12)  # fmt: skip
    run.table(
        ("Constants of the three scalings", "三种归一化的常数"),
        ("reduction", "mu", "L", "largest stable rate", "condition number"),
        [(kind, c.mu, c.lipschitz, c.largest_stable_rate, c.condition_number)
         for kind, c in ((kind, mt.analysis.mse_constants(X, kind)) for kind in objectives)],
    )  # fmt: skip
    runs = {
        kind: np.linalg.norm(
            follow(descent(factor * 2 / top), lambda w, kind=kind: mse_loss(x @ w, y, kind), start, 40) - best, axis=1  # type: ignore[misc]
        )
        for kind in ("mean", "half_mean")
    }  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        for kind, mark in (("mean", "o"), ("half_mean", "s")):
            values = np.linalg.eigvalsh(objectives[kind].hessian())
            left.plot(1 + np.arange(d), values, mark, label=kind)
        left.plot(1 + np.arange(d), np.linalg.eigvalsh(gram), "k+", markersize=11, label=r"of $X^\top X / N$")
        left.set(xlabel="i", ylabel="i-th curvature", xticks=1 + np.arange(d), ylim=(0, None))
        left.legend(fontsize="small")
        for (kind, sizes), dash in zip(runs.items(), ("-", "--"), strict=True):
            right.semilogy(sizes, dash, label=kind)
        right.set(xlabel="step", ylabel="distance from the solution",
                  title=rf"one rate for both: {factor:g} · 2/$\lambda_{{\max}}(X^\top X/N)$")  # fmt: skip
        right.legend(fontsize="small")

    run.figure(
        ("Left: twice the curvature. Right: with the same learning rate one scaling converges and the other diverges.",
         "左：一种的曲率是另一种的 2 倍。右：同一学习率下，一种归一化收敛，另一种发散。"),
        draw,
        (1, 2), (9.6, 4.0),
    )  # fmt: skip


@item(
    "mse-is-squared-euclidean-distance",
    kind="theorem",
    source="Chapter 4, sections 4.1.4 and 4.1.7",
    title=("The MSE and the Euclidean distance", "均方误差与欧几里得距离"),
    statement=(
        r"$\mathrm{MSE} = \frac{1}{N} \|y - \hat{y}\|_2^2$; in words, the MSE corresponds to the Euclidean distance between the vectors of "
        "targets and of predictions.",
        r"$\mathrm{MSE} = \frac{1}{N} \|y - \hat{y}\|_2^2$；文中说，均方误差对应目标向量与预测向量之间的欧几里得距离。",
    ),
    verdict="holds with a condition",
    correction=(
        "The formula is right: it is the squared distance over $N$; the words at the beginning of the section and in the "
        r"summary leave out the square. Both have the same minimiser, but differ in the rest: the gradient of the distance always has length 1, that of the MSE length $2\|y - \hat{y}\|/N$.",
        r"公式正确：均方误差是距离的平方除以 $N$；该节首段与小结的文字略去了平方。两者只是最小值点相同；距离的梯度范数恒为 1，"
        r"均方误差的梯度范数则为 $2\|y - \hat{y}\|/N$，曲率与对异常值的权重也不同。",
    ),
    ranges={"n": (2, 100), "outlier": (0.0, 20.0)},
    random=True,
)
def squared_distance(run: Run, n: int = 30, outlier: float = 6.0) -> None:
    y, prediction = run.rng.normal(size=(2, 30))

    def distance(p: mt.Tensor, target: np.ndarray = y) -> mt.Tensor:
        return (p - target).norm()

    d, mse = distance(mt.tensor(prediction)).item(), mse_loss(prediction, y).item()
    run.claim(("N = 30: N MSE less the squared distance", "$N = 30$：$N$ 倍均方误差与距离平方之差"), abs(30 * mse - d * d),
              at_most=1e-12)  # fmt: skip
    twice = y + 2 * (prediction - y)
    run.claim(("residuals doubled: factor of the distance", "残差加倍：距离的倍数"), distance(mt.tensor(twice)).item() / d,
              equals=2.0, within=1e-12)  # fmt: skip
    run.claim(("residuals doubled: factor of the MSE", "残差加倍：均方误差的倍数"), mse_loss(twice, y).item() / mse,
              equals=4.0, within=1e-12)  # fmt: skip
    lengths = {
        "distance": [np.linalg.norm(gradient(distance, p)) for p in (prediction, twice)],
        "MSE": [np.linalg.norm(gradient(lambda v: mse_loss(v, y), p)) for p in (prediction, twice)],
    }
    run.claim(
        ("length of the distance's gradient, at both", "距离的梯度范数，两处"),
        lengths["distance"],
        equals=1.0,
        within=1e-12,
    )
    run.claim((r"length of the MSE's gradient over $2 \|y - \hat{y}\| / N$, at both", r"均方误差的梯度范数与 $2 \|y - \hat{y}\| / N$ 之比，两处"),
              np.array(lengths["MSE"]) / (2 * np.array([d, 2 * d]) / 30), equals=1.0, within=1e-12)  # fmt: skip
    x = np.linspace(-1, 1, 30)
    grid = np.linspace(-3, 3, 601)
    both = [mt.analysis.objective(f, [0.0]).values(grid[:, None])
            for f in (lambda w: distance(w * mt.tensor(x)), lambda w: mse_loss(w * mt.tensor(x), y))]  # fmt: skip
    run.claim(("lines w x: best w by the MSE less best w by the distance, on a grid", "直线 $wx$：两者在网格上的最优 $w$ 之差"),
              grid[both[0].argmin()] - grid[both[1].argmin()], equals=0.0)  # fmt: skip
    data = run.rng.normal(size=n)
    sizes = np.linspace(0.02, 2.2, 100) * d

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.plot(grid, both[0], label="distance")
        left.plot(grid, 30 * both[1], "--", label="N MSE, its square")
        left.axvline(grid[both[0].argmin()], color="0.5", linewidth=0.8, linestyle=":", label="same minimiser")
        left.set(xlabel="w in the prediction w x", ylabel="value")
        left.legend(fontsize="small")
        middle.plot(sizes, np.ones_like(sizes), label="distance")
        middle.plot(sizes, 2 * sizes / 30, "--", label="MSE, N = 30")
        middle.plot([d, 2 * d], lengths["distance"], "C0o")
        middle.plot([d, 2 * d], lengths["MSE"], "C1o")
        middle.set(xlabel=r"$\|y - \hat{y}\|$", ylabel="length of the gradient")
        middle.legend(fontsize="small")
        with_one = np.concatenate([data, [outlier]])
        share = 100 * outlier**2 / np.sum(with_one**2)
        w = np.linspace(-6, max(6.0, 1.1 * outlier), 200)
        right.plot(w, np.sqrt(np.sum(data**2) + w**2), label="distance")
        right.plot(w, np.sum(data**2) + w**2, "--", label="squared")
        right.plot([outlier] * 2, [np.sqrt(np.sum(with_one**2)), np.sum(with_one**2)], "ko", markersize=4,
                   label=f"outlier: {share:.0f} % of the square")  # fmt: skip
        right.set(xlabel="one residual, the others fixed", ylabel="value")
        right.legend(fontsize="small")

    run.figure(
        ("Left: the same minimiser. Middle: different gradients. Right: one residual's influence on both.",
         "左：最小值点相同。中：梯度不同。右：单个残差对两者的影响。"),
        draw,
        (1, 3), (9.6, 3.8),
    )  # fmt: skip
