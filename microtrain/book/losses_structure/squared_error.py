"""Squared error of a linear model: one Hessian everywhere, its largest eigenvalue, and a forecast of every step."""

from __future__ import annotations

from typing import Any

import numpy as np

from microtrain import analysis
from microtrain.analysis.problems import saturating, two_layers

from ..entry import item
from ..optimizers.following import descent, first_within, follow
from ..run import Run
from .designs import cross_entropy, design, least_squares, separable_points, squared


@item(
    "mse-lipschitz-constant",
    kind="theorem",
    source="Chapter 4, section 4.2.3",
    title=("The constant L of the squared error", "均方误差的常数 L"),
    statement=(
        r"For the mean squared error the Hessian $H = X^\top X / N$ is constant, and $L = \|H\|_2$ is given as "
        r"$\lambda_{max}(X^\top X)$.",
        r"均方误差的 Hessian 矩阵 $H = X^\top X / N$ 是常数矩阵，书中给出 $L = \|H\|_2 = \lambda_{max}(X^\top X)$。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"$L = \lambda_{max}(X^\top X)/N$: the same sentence has $H$ with its $1/N$. A rate from the printed value is safe, but $N$ "
        r"times too small: with 200 samples it takes 30129 steps instead of 149. ($\kappa = L/\mu$ is right, for $N$ cancels.)",
        r"应为 $L = \lambda_{max}(X^\top X)/N$，同一句中的 $H$ 就带有 $1/N$。按原文取学习率是安全的，但只有合适值的 $1/N$："
        r"200 个样本时需要 30129 步，而不是 149 步。（$\kappa = L/\mu$ 不受影响，因为 $N$ 约去了。）",
    ),
    ranges={"share": (0.05, 2.05), "steps": (100, 5000)},
)
def lipschitz_constant(run: Run, share: float = 1.5, steps: int = 1000, form: str = "right") -> None:
    x, y = design()
    objective, loss = least_squares(x, y), squared(x, y)
    top = analysis.mse_constants(x, "half_mean").lipschitz
    printed = float(np.linalg.eigvalsh(x.T @ x)[-1])
    given = printed if form == "printed" else top
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    lowest, begin = objective(best), objective(np.zeros(5))

    def excess(eta: float, count: int) -> np.ndarray:
        ends = follow(descent(eta), loss, np.zeros(5), count)
        return (objective.values(ends) - lowest) / (begin - lowest)

    run.claim(
        (r"the constant, less the largest eigenvalue of the Hessian", r"该常数与 Hessian 矩阵最大特征值之差"),
        given - analysis.lambda_max(objective), equals=0, within=1e-8,
    )  # fmt: skip
    run.claim((r"$\lambda_{max}(X^\top X)/N$", r"$\lambda_{max}(X^\top X)/N$"), top, equals=8.861183, within=1e-6)
    run.claim(
        (r"$\lambda_{max}(X^\top X)$, as printed", r"原文的 $\lambda_{max}(X^\top X)$"),
        printed,
        equals=1772.24,
        within=0.005,
    )
    slow = excess(1 / printed, 30200)
    found = slow if form == "printed" else excess(1 / top, 200)
    right, wrong = first_within(found, 1e-6), first_within(slow, 1e-6)
    run.claim(
        (r"steps to $10^{-6}$ of the excess loss, $\eta = 1/L$", r"超出的损失降到 $10^{-6}$ 的步数，$\eta = 1/L$"),
        right,
        equals=149,
    )
    run.claim(
        (r"the same with $\eta = 1/\lambda_{max}(X^\top X)$", r"同上，$\eta = 1/\lambda_{max}(X^\top X)$"),
        wrong,
        equals=30129,
    )
    if form == "right":
        run.claim(("how many times as many", "步数之比"), wrong / right, equals=202, within=0.5)
    edge, beyond = excess(1.99 / top, 800), excess(2.01 / top, 800)
    run.claim((r"steps with $\eta = 1.99/L$", r"$\eta = 1.99/L$ 的步数"), first_within(edge, 1e-6), equals=681)
    run.claim(
        (r"$\eta = 2.01/L$: excess loss after 800 steps over that at the start", r"$\eta = 2.01/L$：800 步后超出的损失与起点之比"),
        beyond[-1], at_least=1e3,
    )  # fmt: skip
    chosen = excess(share / top, steps)
    shares = np.geomspace(1 / 300, 1.995, 120)
    count = np.unique(np.geomspace(1, 60000, 1500).astype(int))
    predicted = []
    for s in shares:
        ahead = objective.values(analysis.quadratic_gd(objective.hessian(), np.zeros(5), best, s / top, count)) - lowest
        predicted.append(count[np.argmax(ahead <= 1e-6 * (begin - lowest))])

    def draw(left: Any, right_: Any) -> None:
        after = {
            r"$1/L$": excess(1 / top, 2000), r"$1.99/L$": edge, r"$2.01/L$": beyond,
            r"$1/\lambda_{max}(X^\top X)$ (printed)": slow, rf"${share:g}/L$": chosen,
        }  # fmt: skip
        for (name, curve), dash in zip(after.items(), ("-", "--", ":", "-.", "-"), strict=True):
            kept = np.maximum(curve[1:], 1e-14)
            left.loglog(np.arange(1, len(kept) + 1), kept, dash, label=rf"$\eta =$ {name}")
        left.axhline(1e-6, color="0.6", linewidth=0.8)
        left.set(xlabel="step", ylabel="excess loss / that of the start", ylim=(1e-12, 1e5))
        left.legend(fontsize="small", loc="lower left")
        right_.loglog(shares, predicted, color="0.5", label="closed form")
        right_.plot([1, top / printed], [right, wrong], "o", color="C3", label=f"measured: {right} and {wrong}")
        right_.axvline(2, color="C3", linestyle="--", label=r"$\eta = 2/L$")
        right_.set(xlabel=r"$\eta L$", ylabel=r"steps to $10^{-6}$ of the excess loss")
        right_.legend(fontsize="small")

    run.figure(
        (
            "Left: the excess loss with rates from the right and from the printed constant. Right: the price of a rate that is too small.",
            "左：按正确常数与原文常数取学习率时超出的损失。右：学习率过小的代价。",
        ),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "mse-hessian-constant",
    kind="theorem",
    source="Chapter 4, sections 4.2.3, 4.2.5, 4.2.7 and 4.2.8",
    title=("Is the curvature of squared error the same everywhere?", "均方误差的曲率处处相同吗"),
    statement=(
        "The Hessian of the mean squared error is constant, so its curvature is the same everywhere and training is simple to predict; "
        "that of cross-entropy depends on the predictions.",
        "均方误差的 Hessian 矩阵是常数，曲率处处相同，因而优化简单、可预测；交叉熵的 Hessian 矩阵则随预测而变。",
    ),
    verdict="holds with a condition",
    correction=(
        "Only if the predictions are linear in the parameters. With two factors in a row, or with a sigmoid at the end, the curvature of "
        "the squared error changes from place to place, and may be negative.",
        "仅当预测关于参数是线性的。只要有两个因子相乘，或输出端接 Sigmoid，均方误差的曲率就随位置变化，还可能为负。",
    ),
    ranges={"a": (-3.0, 3.0), "b": (-3.0, 3.0), "steps": (10, 100000)},
)
def constant_hessian(run: Run, a: float = 2.0, b: float = 0.5, steps: int = 100000) -> None:
    x, y = design()
    linear = least_squares(x, y)
    places = np.random.default_rng(0).standard_normal((5, 5)) * 10
    matrices = linear.hessians(places)
    run.claim(
        ("linear model: differences among the Hessians at 5 random points", "线性模型：5 个随机点处 Hessian 矩阵之差"),
        np.abs(matrices - matrices[0]).max(), at_most=1e-8,
    )  # fmt: skip
    deep = analysis.objective(two_layers, np.zeros(2))
    for at, known in (((0, 0), (-1, 1)), ((1, 1), (0, 2)), ((2, 0.5), (0, 4.25)), ((3, 3), (-8, 26))):
        values = np.linalg.eigvalsh(deep.hessian(np.array(at, float)))
        for value, expected, which, zh in zip(values, known, ("lower", "upper"), ("较小", "较大"), strict=True):
            run.claim(
                (rf"$(ab-1)^2/2$ at ${at}$: {which} eigenvalue", rf"$(ab-1)^2/2$ 在 ${at}$ 处：{zh}的特征值"), value,
                equals=expected, within=1e-12,
            )  # fmt: skip
    unit = analysis.objective(saturating, np.zeros(1))
    bent = unit.hessians(np.array([[-3.0], [1.0]])).ravel()
    run.claim((r"sigmoid unit at $w = -3$: curvature", r"Sigmoid 单元在 $w = -3$ 处的曲率"), bent[0], at_most=-0.03)
    run.claim((r"sigmoid unit at $w = 1$: curvature", r"Sigmoid 单元在 $w = 1$ 处的曲率"), bent[1], at_least=0.01)
    inputs, labels = separable_points()
    loss = cross_entropy(inputs, labels)
    spread = analysis.mse_constants(inputs, "half_mean").lipschitz
    walk = follow(descent(4 / spread), loss, np.zeros(3), 100000)
    logistic = analysis.objective(loss, np.zeros(3))
    seen = np.unique(np.concatenate([[0], np.geomspace(1, 100000, 60).astype(int)]))
    tops = np.linalg.eigvalsh(logistic.hessians(walk[seen]))[:, -1]
    run.claim(
        (r"logistic regression, $w = 0$: $\lambda_{max}$", r"逻辑回归，$w = 0$：$\lambda_{max}$"),
        tops[0],
        equals=0.276,
        within=5e-4,
    )
    run.claim(
        (r"logistic regression after $10^5$ steps: $\lambda_{max}$", r"逻辑回归，$10^5$ 步后：$\lambda_{max}$"), tops[-1],
        equals=1.3e-4, within=5e-6,
    )  # fmt: skip
    line = np.linspace(-3, 3, 121)
    ray = np.array([a, b]) / max(1e-9, float(np.hypot(a, b)))
    curves = {
        "linear model": np.linalg.eigvalsh(linear.hessians(line[:, None] * np.ones(5)))[:, [0, -1]],
        "$(ab-1)^2/2$": np.linalg.eigvalsh(deep.hessians(line[:, None] * ray)),
    }
    alone = unit.hessians(2 * line[:, None]).ravel()

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k, (name, pair) in enumerate(curves.items()):
            left.plot(line, pair[:, 1], f"C{k}", label=rf"{name}: $\lambda_{{max}}$")
            left.plot(line, pair[:, 0], f"C{k}--", label=rf"{name}: $\lambda_{{min}}$")
        left.axhline(0, color="0.6", linewidth=0.8)
        left.set(xlabel=f"distance along a line\n(two factors: towards ({a:g}, {b:g}))", ylabel="curvature")
        left.legend(fontsize="small", loc="upper center")
        middle.plot(2 * line, unit.values(2 * line[:, None]), label=r"$\frac{1}{2}(1 - \sigma(w))^2$")
        middle.plot(2 * line, 5 * alone, "--", label="5 times its curvature")
        middle.axhline(0, color="0.6", linewidth=0.8)
        middle.set(xlabel="$w$", ylabel="loss, curvature", title="sigmoid output, squared error")
        middle.legend(fontsize="small")
        kept = seen <= steps
        right.loglog(1 + seen[kept], tops[kept], label=r"$\lambda_{max}$")
        right.loglog(1 + seen[kept], logistic.values(walk[seen[kept]]), "--", label="loss")
        right.set(xlabel="step + 1", ylabel="curvature, loss", title="logistic regression, separable data")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: only the linear model has the same curvature everywhere. Middle: a sigmoid bends the squared error both ways. Right: the curvature of "
            "cross-entropy falls as the loss does.",
            "左：只有线性模型的曲率恒定。中：接 Sigmoid 后，平方误差的曲率有正有负。右：交叉熵的曲率随损失一起下降。",
        ),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip


@item(
    "mse-predictable-dynamics",
    kind="theorem",
    source="Chapter 4, section 4.2.3; section 4.2.8",
    title=("Every step known beforehand", "每一步都可以预先算出"),
    statement=(
        "Because its curvature is constant, the course of training with the mean squared error can be predicted.",
        "由于曲率恒定，均方误差的优化过程是可预测的。",
    ),
    verdict="holds with a condition",
    correction=(
        r"For predictions that are linear in the parameters: there $w_k = w^* + V(1 - \eta\lambda)^k V^\top(w_0 - w^*)$, exactly. With "
        r"cross-entropy, or with a network, the Hessian moves, and a forecast from the first one is off by a third after 100 steps.",
        r"条件是预测关于参数为线性：此时 $w_k = w^* + V(1 - \eta\lambda)^k V^\top(w_0 - w^*)$ 精确成立。"
        r"换成交叉熵或网络，Hessian 矩阵会变，用起点的 Hessian 矩阵预测，100 步后误差约为三成。",
    ),
    ranges={"share": (0.05, 1.95), "steps": (10, 1000)},
)
def predictable(run: Run, share: float = 1.0, steps: int = 300) -> None:
    x, y = design()
    top = analysis.mse_constants(x, "half_mean").lipschitz
    rng = np.random.default_rng(0)
    rng.standard_normal((240, 5))  # the inputs and the noise of the design come first
    labels = rng.random(200) < 1 / (1 + np.exp(-x @ np.array([1.0, -1.0, 0.5, 1.0, -0.3])))
    zero = np.zeros(5)

    def forecast(loss: Any, eta: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Gradient descent from 0, and what the gradient and the Hessian at 0 foretell."""
        objective = analysis.objective(loss, zero)
        curvature, slope = objective.hessian(zero), objective.gradient(zero)
        ahead = analysis.quadratic_gd(curvature, zero, -np.linalg.solve(curvature, slope), eta, np.arange(count + 1))
        return follow(descent(eta), loss, zero, count), ahead

    def relative(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        size = np.linalg.norm(pair[0], axis=1)
        return np.linalg.norm(pair[0] - pair[1], axis=1) / np.maximum(size, 1e-300)  # type: ignore[no-any-return]

    losses = squared(x, y), cross_entropy(x, labels)
    rates = 1 / top, 4 / top
    exact, drifting = (forecast(loss, rate, 300) for loss, rate in zip(losses, rates, strict=True))
    run.claim(
        (r"squared error, 300 steps: largest difference of any weight", r"均方误差，300 步：各权重的最大差"),
        np.abs(exact[0] - exact[1]).max(), at_most=1e-10,
    )  # fmt: skip
    off = relative(drifting)
    run.claim(
        ("cross-entropy: relative error of the forecast of step 1", "交叉熵：第 1 步的预测相对误差"),
        off[1],
        at_most=1e-14,
    )
    for k, known in ((10, 0.081), (100, 0.297), (300, 0.327)):
        run.claim(
            (f"cross-entropy: relative error of the forecast of step {k}", f"交叉熵：第 {k} 步的预测相对误差"), off[k],
            equals=known, within=5e-4,
        )  # fmt: skip
    shown = [forecast(loss, share * rate, steps) for loss, rate in zip(losses, rates, strict=True)]

    def draw(left: Any, middle: Any, right: Any) -> None:
        for ax, (real, ahead), name in zip((left, middle), shown, ("squared error", "cross-entropy"), strict=True):
            for j in range(5):
                ax.plot(np.arange(steps + 1), real[:, j], color=f"C{j}", linewidth=1.2)
                ax.plot(np.arange(steps + 1), ahead[:, j], "k:", linewidth=1.2)
            ax.plot([], [], "0.4", label="gradient descent, 5 weights")
            ax.plot([], [], "k:", label="forecast from step 0")
            low, high = real.min(), real.max()
            ax.set(
                xlabel="step", ylabel="weight", title=name, ylim=(low - 0.35 * (high - low), high + 0.1 * (high - low))
            )
            ax.legend(fontsize="small")
        for pair, dash, name in zip(shown, ("-", "--"), ("squared error", "cross-entropy"), strict=True):
            right.semilogy(np.arange(1, steps + 1), np.maximum(relative(pair)[1:], 1e-17), dash, label=name)
        right.set(xlabel="step", ylabel="relative error of the forecast")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: every weight follows its forecast. Middle: with cross-entropy it does not. Right: the errors.",
            "左：各权重与预测重合。中：交叉熵则不然。右：两者的误差。",
        ),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
