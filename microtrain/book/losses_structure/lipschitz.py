"""The Lipschitz constant of the gradient: what it is, and what it says."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import l1_loss

from ..dynamics.descent import path
from ..entry import item
from ..run import Run
from .designs import cross_entropy, design, least_squares, units


def change_rates(objective: analysis.Objective, middles: np.ndarray, ways: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """|grad f(w + hu/2) - grad f(w - hu/2)| / h for points w and unit vectors u (K, P) and distances h (D,): (K, D)."""
    steps = 0.5 * apart[None, :, None] * ways[:, None, :]
    pairs = np.stack([middles[:, None, :] + steps, middles[:, None, :] - steps])
    slopes = objective.gradients(pairs.reshape(-1, middles.shape[1])).reshape(pairs.shape)
    return np.linalg.norm(slopes[0] - slopes[1], axis=-1) / apart  # type: ignore[no-any-return]


def log_sum_exp(z: mt.Tensor) -> mt.Tensor:
    """Its gradient is the softmax."""
    return mt.logsumexp(z, 0)


@item(
    "lipschitz-gradient-definition",
    kind="definition",
    source="Chapter 4, section 4.2.3, Definition 4.2.2, eq. 4.2.3",
    title=("Lipschitz continuous gradients, and one that is not", "Lipschitz 连续的梯度，以及一个反例"),
    statement=(
        r"The gradient is $L$-Lipschitz if $\|\nabla f(w_1) - \nabla f(w_2)\| \le L \|w_1 - w_2\|$ for all $w_1, w_2$. (The text "
        r"writes $L$ for the loss, too; here the loss is $f$.)",
        r"若对所有 $w_1, w_2$ 都有 $\|\nabla f(w_1) - \nabla f(w_2)\| \le L \|w_1 - w_2\|$，则称梯度为 $L$-Lipschitz 连续。"
        r"（原文的损失也记作 $L$，这里记作 $f$。）",
    ),
    verdict="holds",
    ranges={"pairs": (100, 20000)},
    random=True,
)
def definition(run: Run, pairs: int = 2000) -> None:
    x, y = design()
    squared = least_squares(x, y)
    top = analysis.lambda_max(squared)
    run.claim(
        (r"squared error, $L$ by power iteration on $Hv$", r"平方误差：用 $Hv$ 幂迭代求得的 $L$"),
        analysis.power_iteration(squared, iters=2000, tol=1e-9).value, equals=8.861183, within=1e-6,
    )  # fmt: skip
    secant = analysis.lipschitz_secant(squared, pairs=2000, generator=mt.Generator(run.seed))
    run.claim(
        (r"squared error: the largest ratio of 2000 pairs, over $L$", r"平方误差：2000 对点的最大比值与 $L$ 之比"),
        secant.value / top, between=(0.95, 1 + 1e-12),
    )  # fmt: skip
    near = analysis.lipschitz_secant(
        log_sum_exp, np.zeros(3), pairs=2000, generator=mt.Generator(run.seed),
        sampler=lambda r: (*(0.1 * r.standard_normal(2)), -8.0),
    )  # fmt: skip
    run.claim(
        (r"softmax of 3 logits, pairs near $p = (\frac{1}{2}, \frac{1}{2}, 0)$: the largest ratio, at most $\frac{1}{2}$",
         r"3 个 logit 的 Softmax，$p = (\frac{1}{2}, \frac{1}{2}, 0)$ 附近的点对：最大比值，不超过 $\frac{1}{2}$"),
        near.value, between=(0.49, 0.5),
    )  # fmt: skip
    anywhere = analysis.lipschitz_secant(
        log_sum_exp, np.zeros(3), pairs=2000, generator=mt.Generator(run.seed), sampler=2.0
    )
    run.claim(
        ("softmax, pairs anywhere: the largest ratio", "Softmax，任意位置的点对：最大比值"), anywhere.value, at_most=0.5
    )

    inputs, targets = mt.tensor(x), mt.tensor(y)
    absolute = analysis.objective(lambda w: l1_loss(inputs @ w, targets), np.zeros(5))
    size = np.linalg.norm(x[0])
    kink = x[:1] * y[0] / size**2  # here the first residual is 0
    apart = 10.0 ** np.arange(-9, 1)
    jumps = change_rates(absolute, kink, x[:1] / size, apart)[0]
    run.claim(
        (r"absolute error: the ratio at a distance of $10^{-9}$", r"绝对误差：相距 $10^{-9}$ 时的比值"),
        jumps[0],
        at_least=1e6,
    )
    run.claim(
        (r"absolute error, $h \le 10^{-4}$: ratio times $h$, over the jump $2|x_1|/N$",
         r"绝对误差，$h \le 10^{-4}$：比值乘 $h$，与跳跃 $2|x_1|/N$ 之比"),
        (jumps * apart)[:6] / (2 * size / len(x)), equals=1, within=1e-5,
    )  # fmt: skip
    run.note(
        "No constant fits the absolute error: halve the distance across a kink and the ratio doubles. A largest ratio over samples is "
        "a lower bound of $L$, never a proof that there is one.",
        "绝对误差没有这样的常数：跨过折点的两点距离减半，比值就加倍。采样得到的最大比值只是 $L$ 的下界，不能证明 $L$ 存在。",
    )
    shown = 10.0 ** np.linspace(-6, 0.5, 14)
    ways, some = units(run.rng, 12, 5), run.rng.standard_normal((12, 5))
    rates = change_rates(squared, some, ways, shown)
    soft = change_rates(analysis.objective(log_sum_exp, np.zeros(3)), some[:, :3], units(run.rng, 12, 3), shown)
    steep = change_rates(absolute, kink, x[:1] / size, shown)[0]
    seen = analysis.lipschitz_secant(squared, pairs=pairs, generator=mt.Generator(run.seed))

    def draw(left: Any, right: Any) -> None:
        r = np.linspace(-2, 2, 401)
        left.plot(r, r, label="squared error: $r$")
        left.plot(r, np.tanh(r), "--", label=r"log-cosh: $\tanh r$")
        left.plot(r, np.where(r == 0, np.nan, np.sign(r)), "-.", label="absolute error: a jump")
        left.set(xlabel="residual", ylabel="slope of the loss of one sample")
        left.legend(fontsize="small")
        for values, mark, name in ((rates, "o", "squared error"), (soft, "s", "softmax")):
            lines = right.loglog(shown, values.T, mark, color="C0" if mark == "o" else "C2", markersize=2.5)
            lines[0].set_label(name)
        right.loglog(shown, steep, "^-", color="C3", markersize=3, label="absolute error, across a kink")
        right.axhline(
            top, color="C0", linestyle="--", label=rf"$L = {top:.3f}$; best of {pairs} pairs {seen.value:.3f}"
        )
        right.axhline(0.5, color="C2", linestyle="--", label="$1/2$")
        right.set(xlabel=r"distance $\|w_1 - w_2\|$", ylabel="change of the gradient / distance")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: slopes; the gradient of the absolute error jumps. Right: how fast the gradient changes, over the distance of the "
            "two points.",
            "左：导数；绝对误差的梯度有跳跃。右：梯度变化与两点距离之比。",
        ),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


def descending(curvature: float, eta: float, steps: int) -> np.ndarray:
    """The loss of gradient descent on curvature x^2 / 2 from 1."""
    at = path(analysis.problems.quadratic([curvature]), [1.0], eta, steps)[:, 0]
    return 0.5 * curvature * at**2


@item(
    "lipschitz-constant-meaning",
    kind="theorem",
    source="Chapter 4, section 4.2.3; section 4.2.8",
    title=("L measures curvature, not steepness", "L 衡量曲率，而不是陡峭程度"),
    statement=(
        r"$L$ bounds the curvature: with a small $L$ the surface is smooth and training stable, with a large one it may be very steep "
        "and training may oscillate. $L$ limits the learning rate that is safe.",
        r"$L$ 是曲率的上界：$L$ 小则曲面较光滑、训练稳定；$L$ 大则曲面可能很陡，训练可能振荡。$L$ 限制了安全的学习率。",
    ),
    verdict="holds with a condition",
    correction=(
        r"$L = \sup \|H\|$ says how fast the gradient changes, not how large it is: a loss of slope $10^6$ has $L = 0$. Whether "
        r"training oscillates depends on the product $\eta L$. And $L$ is the worst case: elsewhere the curvature may be far lower.",
        r"$L = \sup \|H\|$ 表示梯度变化得多快，而不是梯度有多大：斜率为 $10^6$ 的线性损失，$L = 0$。是否振荡取决于乘积 $\eta L$。"
        r"而且 $L$ 是最坏情形，别处的曲率可能小得多。",
    ),
    ranges={"curvature": (0.1, 100.0), "eta": (0.001, 1.0)},
    random=True,
)
def meaning(run: Run, curvature: float = 10.0, eta: float = 0.15) -> None:
    x, _ = design()
    logistic = analysis.objective(cross_entropy(x, np.random.default_rng(0).random(200) < 0.5), np.zeros(5))
    bound = analysis.ce_lipschitz_bound(x, "binary")
    points = run.rng.standard_normal((2000, 5)) * run.rng.exponential(1.0, (2000, 1))
    highest = np.linalg.eigvalsh(logistic.hessians(points))[:, -1]
    run.claim(
        (r"logistic loss, 2000 random $w$: largest $\lambda_{max}$ over the bound",
         r"逻辑损失，2000 个随机 $w$：最大的 $\lambda_{max}$ 与上界之比"),
        highest.max() / bound, at_most=1 + 1e-12,
    )  # fmt: skip
    run.claim(
        (r"logistic loss, $w = 0$: $\lambda_{max}$ less $\frac{1}{4} \lambda_{max}(X^\top X / N)$",
         r"逻辑损失，$w = 0$：$\lambda_{max}$ 与 $\frac{1}{4} \lambda_{max}(X^\top X / N)$ 之差"),
        np.linalg.eigvalsh(logistic.hessian())[-1] - bound, equals=0, within=1e-10,
    )  # fmt: skip
    straight = analysis.objective(lambda w: (1e6 * w).sum(), np.zeros(1))
    run.claim((r"$10^6 w$: slope", r"$10^6 w$：斜率"), straight.gradient()[0], equals=1e6)
    run.claim((r"$10^6 w$: curvature", r"$10^6 w$：曲率"), straight.hessian()[0, 0], equals=0)
    grid = np.linspace(-5, 5, 2001)
    wavy = analysis.objective(analysis.problems.wavy, np.zeros(1))
    bend = wavy.hessians(grid[:, None]).ravel()
    run.claim(
        (r"$x^2 + 10 \sin^2 x$: largest $|f''|$, at 0", r"$x^2 + 10 \sin^2 x$：最大的 $|f''|$，在 0 处"),
        np.abs(bend).max(), equals=22, within=1e-9,
    )  # fmt: skip
    below, above = descending(10.0, 0.19, 40), descending(10.0, 0.21, 40)
    run.claim(
        (r"$5x^2$ ($L = 10$), $\eta = 0.19$: the loss falls in every step", r"$5x^2$（$L = 10$），$\eta = 0.19$：损失每步都下降"),
        bool((np.diff(below) < 0).all()),
    )  # fmt: skip
    run.claim(
        (r"$\eta = 0.21$: the loss rises in every step", r"$\eta = 0.21$：损失每步都上升"),
        bool((np.diff(above) > 0).all()),
    )
    gentle = descending(1000.0, 0.19 / 100, 40)
    run.claim(
        (r"$L = 1000$, $\eta = 0.0019$: the same course as at $L = 10$, $\eta = 0.19$ (ratio of losses)",
         r"$L = 1000$，$\eta = 0.0019$：与 $L = 10$，$\eta = 0.19$ 的过程相同（损失之比）"),
        gentle / below, equals=100, within=1e-8,
    )  # fmt: skip
    rates = sorted({0.05, 0.19, 0.21} | {eta * curvature / 10})
    bowl = analysis.problems.quadratic([curvature])
    courses = {rate: path(bowl, [1.0], rate * 10 / curvature, 15)[:, 0] for rate in rates}

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.plot(
            np.linalg.norm(points[::4], axis=1),
            highest[::4],
            ".",
            markersize=3,
            alpha=0.5,
            label="logistic loss, 500 of the points",
        )
        left.axhline(bound, color="C3", label=rf"$L = {bound:.3f}$, at $w = 0$")
        left.set(xlabel=r"$\|w\|$", ylabel=r"$\lambda_{max}$ of the Hessian", ylim=(0, 1.25 * bound))
        left.legend(fontsize="small", loc="upper right")
        middle.plot(grid, wavy.values(grid[:, None]), label=r"$x^2 + 10 \sin^2 x$")
        middle.plot(grid, bend, "--", label="second derivative")
        middle.axhline(22, color="C3", label="$L = 22$")
        middle.set(xlabel="$x$", ylabel="value, second derivative", ylim=(-20, 46))
        middle.legend(fontsize="small", loc="upper center", ncols=2)
        for k, (rate, at) in enumerate(courses.items()):
            right.plot(at, "os^v"[k % 4] + "-", markersize=3, linewidth=0.8, label=rf"$\eta L = {10 * rate:.3g}$")
        right.axhline(0, color="0.6", linewidth=0.8)
        right.set(xlabel="step", ylabel="$x$", title=rf"parabola of curvature {curvature:g}", ylim=(-4, 4))
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left and middle: $L$ is the largest curvature, met in few places. Right: the product $\eta L$ decides; 2 is the limit.",
            r"左、中：$L$ 是最大的曲率，只在少数地方达到。右：决定过程的是乘积 $\eta L$，界限为 2。",
        ),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
