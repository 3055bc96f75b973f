"""Momentum: the heavy ball, what its velocity is a sum of, and when it helps."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .adaptive import CURVATURES, bowl, fed
from .following import flips, follow, settled


def heavy(lr: float, beta: float, form: str = "sum") -> Any:
    """The heavy ball as a function of the parameters."""
    return lambda p: mt.optim.Momentum(p, lr=lr, beta=beta, form=form)


@item(
    "heavy-ball-momentum",
    kind="optimizer",
    source="Deep-learning optimizers, the displays on momentum; hands-on problem 3154402; Polyak 1964",
    title=("The heavy ball", "重球法"),
    statement=(
        r"A velocity remembers past gradients: $v_{t+1} = \beta v_t - \alpha g_t$, $p_{t+1} = p_t + v_{t+1}$, with "
        r"$\beta \in [0, 1)$ and $v_0 = 0$.",
        r"速度记住以往的梯度：$v_{t+1} = \beta v_t - \alpha g_t$，$p_{t+1} = p_t + v_{t+1}$，其中 $\beta \in [0, 1)$，$v_0 = 0$。",
    ),
    verdict="holds",
    ranges={"lr": (0.0001, 0.15), "beta": (0.0, 0.999), "steps": (5, 2000)},
)
def heavy_ball(run: Run, lr: float = 0.01, beta: float = 0.9, steps: int = 200) -> None:
    start = (1.0, -1.0, 2.0)
    run.claim(
        (r"$\beta = 0$ is gradient descent, bit by bit", r"$\beta = 0$ 即梯度下降，逐位相等"),
        bool(
            (
                follow(heavy(0.01, 0.0), bowl, start, 200)
                == follow(lambda p: mt.optim.GradientDescent(p, lr=0.01), bowl, start, 200)
            ).all()
        ),
    )
    path = follow(heavy(0.01, 0.9), bowl, start, 200)
    run.claim(
        (
            r"against PyTorch's form ($b \leftarrow \mu b + g$, $p \leftarrow p - \alpha b$), 200 steps",
            r"与 PyTorch 的形式（$b \leftarrow \mu b + g$，$p \leftarrow p - \alpha b$）之差，200 步",
        ),
        np.abs(path - follow(lambda p: mt.optim.SGD(p, lr=0.01, momentum=0.9), bowl, start, 200)).max(),
        at_most=1e-15,
    )
    p, v = np.array(start), np.zeros(3)
    for _ in range(200):
        v = 0.9 * v - 0.01 * (CURVATURES * p + p**3)
        p = p + v
    run.claim(
        ("end against the two lines in NumPy", "终点与用 NumPy 直接计算之差"), np.abs(path[-1] - p).max(), at_most=1e-15
    )
    ema = follow(heavy(0.01, 0.9, "ema"), bowl, start, 100)
    run.claim(
        (
            r"the sum with rate $\alpha (1 - \beta)$ against the average (eq. 6.11) with $\alpha$",
            r"求和形式取 $\alpha (1 - \beta)$，与平均形式（式 (6.11)）取 $\alpha$ 之差",
        ),
        np.abs(follow(heavy(0.01 * (1 - 0.9), 0.9), bowl, start, 100) - ema).max(),
        at_most=1e-15,
    )
    runs = {
        "heavy ball": mt.analysis.trace(heavy(lr, beta), bowl, start, steps=steps),
        "gradient descent": mt.analysis.trace(heavy(lr, 0.0), bowl, start, steps=steps),
    }

    def draw(left: Any, right: Any) -> None:
        for k, (name, r) in enumerate(runs.items()):
            left.semilogy(np.maximum(r.losses, 1e-17), f"C{k}", label=name)
            for j, dash in enumerate(("-", "--", ":")):
                right.plot(r.points[:, j], f"C{k}", linestyle=dash, label=f"{name}, curvature {CURVATURES[j]:g}")
        left.set(xlabel="step", ylabel="loss")
        left.legend(fontsize="small")
        right.set(xlabel="step", ylabel="coordinate")
        right.legend(fontsize="small")

    run.figure(
        (
            "Loss and coordinates: the flat direction gets ahead, the steep one oscillates.",
            "损失与各坐标：平缓方向前进更快，陡峭方向出现振荡。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


def lengths(gradients: np.ndarray, lr: float, beta: float, form: str = "sum") -> np.ndarray:
    """How far down the heavy ball goes in each step (T,) when it is handed these gradients (T,)."""
    return fed(heavy(lr, beta, form), gradients[:, None])[0][:, 0]


@item(
    "momentum-sum-not-average",
    kind="theorem",
    source="Deep-learning optimizers, the description of $v_t$; chapter 6, eq. 6.11",
    title=("A sum, not an average", "是和，不是平均"),
    statement=(
        "The velocity is said to be the exponentially decaying moving average of the past gradients.",
        "书中称速度是过去梯度的指数移动平均。",
    ),
    verdict="holds with a condition",
    correction=(
        r"With the recursion printed there, $v$ is a decaying sum times $-\alpha$: a constant gradient of 1 drives $|v|$ to "
        r"$\alpha / (1 - \beta)$, for $\beta = 0.9$ ten times the step of gradient descent. Only eq. 6.11, with its factor "
        r"$1 - \beta$, is an average.",
        r"按该处的递推式，$v$ 是梯度的衰减和乘以 $-\alpha$：梯度恒为 1 时，$|v|$ 趋于 $\alpha / (1 - \beta)$，"
        r"$\beta = 0.9$ 时为梯度下降步长的 10 倍。只有带因子 $1 - \beta$ 的式 (6.11) 才是平均。",
    ),
    ranges={"beta": (0.0, 0.99), "alpha": (0.001, 1.0), "steps": (2, 200)},
)
def sum_not_average(run: Run, beta: float = 0.9, alpha: float = 0.1, steps: int = 60) -> None:
    ages = np.arange(200)[::-1]
    weights = {form: mt.analysis.momentum_weights(0.9, 200, form) for form in ("sum", "ema")}
    run.claim(
        (r"“sum”: weights less $\alpha \beta^k$", r"求和形式：权重与 $\alpha \beta^k$ 之差"),
        np.abs(0.1 * weights["sum"] - 0.1 * 0.9**ages).max(),
        at_most=1e-13,
    )
    run.claim(
        (r"“sum”: the weights $-\alpha \beta^k$ add up to", r"求和形式：权重 $-\alpha \beta^k$ 之和"),
        -0.1 * weights["sum"].sum(),
        equals=-1.0,
        within=1e-8,
    )
    run.claim(
        (r"“ema”: weights less $(1 - \beta) \beta^k$", r"平均形式：权重与 $(1 - \beta) \beta^k$ 之差"),
        np.abs(weights["ema"] - 0.1 * 0.9**ages).max(),
        at_most=1e-13,
    )
    run.claim(
        (r"“ema”: the weights add up to $1 - \beta^T$", r"平均形式：权重之和为 $1 - \beta^T$"),
        weights["ema"].sum(),
        equals=1 - 0.9**200,
        within=1e-12,
    )
    last = abs(lengths(np.ones(200), 0.1, 0.9)[-1])
    run.claim(
        (r"$|v|$ after 200 unit gradients", r"输入 200 个单位梯度后的 $|v|$"), last, equals=0.9999999993, within=1e-10
    )
    run.claim(("in steps of gradient descent", "相当于梯度下降步长的倍数"), last / 0.1, equals=10.0, within=1e-7)
    shown = {form: lengths(np.ones(steps), alpha, beta, form) for form in ("sum", "ema")}

    def draw(left: Any, right: Any) -> None:
        age = np.arange(40)
        left.plot(age, weights["sum"][::-1][:40], "o-", markersize=3, label="sum, adds up to 10")
        left.plot(age, weights["ema"][::-1][:40], "s-", markersize=3, label="average, adds up to 1")
        left.set(xlabel="age of the gradient, steps", ylabel=r"its weight in $v / \alpha$", title=r"$\beta = 0.9$")
        left.legend(fontsize="small")
        for form, values in shown.items():
            right.plot(np.arange(1, steps + 1), values, label={"sum": "sum", "ema": "average"}[form])
        right.axhline(alpha / (1 - beta), color="0.6", linestyle=":", label=r"$\alpha / (1 - \beta)$")
        right.axhline(alpha, color="0.6", linestyle="--", label=r"$\alpha$, gradient descent")
        right.set(xlabel="step", ylabel="length of the step", title="unit gradients")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: weights of past gradients. Right: steps for a constant gradient.",
            "左：以往梯度的权重。右：梯度恒定时的步长。",
        ),
        draw,
        (1, 2),
        (9.5, 3.8),
    )


def counts(product: float, beta: float) -> tuple[int, int]:
    """(sign flips in 200 steps, steps until |x| < 0.001 for good) on a parabola, alpha lambda = `product`, x0 = 1."""
    path = follow(heavy(product, beta), lambda x: 0.5 * x * x, 1.0, 200)
    return flips(path), settled(np.abs(path), 1e-3)


@item(
    "momentum-accelerates-and-damps",
    kind="theorem",
    source="Deep-learning optimizers, the paragraph on momentum; hands-on problem 3154402",
    title=("Speeding up and damping", "加速与抑制振荡"),
    statement=(
        "If gradients keep their direction the velocity builds up and progress gets faster. If they alternate, the terms "
        "cancel and the oscillation is damped.",
        "若梯度方向不变，速度逐渐累积，前进加快；若梯度方向交替，各项相消，振荡减弱。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Oscillation is damped only where gradient descent itself overshoots ($\alpha\lambda > 1$). Where it is monotone, "
        r"momentum creates oscillation: as soon as $\beta > (1 - \sqrt{\alpha\lambda})^2$ the motion is underdamped. At "
        r"$\alpha\lambda = 0.5$ gradient descent needs 10 steps without a flip, $\beta = 0.9$ needs 132 with 47.",
        r"只有梯度下降本身过冲（$\alpha\lambda > 1$）时，动量才抑制振荡。梯度下降单调时，动量反而产生振荡："
        r"只要 $\beta > (1 - \sqrt{\alpha\lambda})^2$，运动就欠阻尼。$\alpha\lambda = 0.5$ 时，梯度下降 10 步收敛且不变号；"
        r"$\beta = 0.9$ 需要 132 步，变号 47 次。",
    ),
    ranges={"product": (0.01, 3.5), "beta": (0.0, 0.99), "steps": (10, 300)},
)
def accelerates_and_damps(run: Run, product: float = 0.5, beta: float = 0.9, steps: int = 100) -> None:
    signs = (-1.0) ** np.arange(400)
    constant, alternating = (np.abs(lengths(g, 0.1, 0.9)[-1]) for g in (np.ones(400), signs))
    run.claim(
        (r"constant gradient 1: step $\alpha / (1 - \beta)$", r"梯度恒为 1：步长 $\alpha / (1 - \beta)$"),
        constant,
        equals=1.0,
        within=1e-9,
    )
    run.claim(
        (
            r"gradient $\pm 1$: amplitude of the steps $\alpha / (1 + \beta)$",
            r"梯度为 $\pm 1$：步长振幅 $\alpha / (1 + \beta)$",
        ),
        alternating,
        equals=0.0526316,
        within=1e-7,
    )
    run.claim(
        (r"their ratio $(1 + \beta) / (1 - \beta)$", r"两者之比 $(1 + \beta) / (1 - \beta)$"),
        constant / alternating,
        equals=19.0,
        within=1e-6,
    )
    rows = []
    for al, b, flipped, steps_needed in (
        (1.9, 0.0, 200, 66), (1.9, 0.25, 145, 10), (1.9, 0.5, 119, 21), (0.05, 0.0, 0, 135), (0.05, 0.5, 0, 59),
        (0.5, 0.0, 0, 10), (0.5, 0.9, 47, 132), (1.0, 0.0, 0, 1), (1.0, 0.9, None, 132),
    ):  # fmt: skip
        found = counts(al, b)
        where = rf"$\alpha\lambda = {al}$, $\beta = {b}$"
        if flipped is not None:
            run.claim(
                (f"{where}: sign flips in 200 steps", f"{where}：200 步中的变号次数".replace("$, $", "$，$")),
                found[0],
                equals=flipped,
            )
        run.claim(
            (f"{where}: steps to stay below 0.001", f"{where}：稳定在 0.001 以下所需的步数".replace("$, $", "$，$")),
            found[1],
            equals=steps_needed,
        )
        rows.append((al, b, *found, "yes" if b > (1 - al**0.5) ** 2 else "no"))
    run.table(
        ("On a parabola from 1", "抛物线上，从 1 出发"), ("alpha lambda", "beta", "flips", "steps", "underdamped"), rows
    )
    for al in (0.05, 0.2, 0.5):
        limit = (1 - al**0.5) ** 2
        below, above = (
            flips(follow(heavy(al, limit + shift), lambda x: 0.5 * x * x, 1.0, 600)) for shift in (-0.01, 0.01)
        )
        run.claim(
            (
                rf"$\alpha\lambda = {al}$: it oscillates just above $(1 - \sqrt{{\alpha\lambda}})^2 = {limit:.3f}$, not below",
                rf"$\alpha\lambda = {al}$：$\beta$ 略大于 $(1 - \sqrt{{\alpha\lambda}})^2 = {limit:.3f}$ 时振荡，略小时不振荡",
            ),
            below == 0 and above > 2,
        )
    shown = [
        (al, b, follow(heavy(al, b), lambda x: 0.5 * x * x, 1.0, steps))
        for al, b in ((1.9, 0.0), (1.9, 0.25), (product, 0.0), (product, beta))
    ]

    def draw(*axes: Any) -> None:
        for ax, pair, name in zip(
            axes, (shown[:2], shown[2:]), ("gradient descent overshoots", "the chosen case"), strict=True
        ):
            for k, (al, b, path) in enumerate(pair):
                ax.plot(
                    np.clip(path, -10, 10),
                    "o-",
                    markersize=2,
                    linewidth=0.9,
                    color=f"C{k}",
                    label=rf"$\alpha\lambda = {al}$, $\beta = {b}$",
                )
            ax.axhline(0, color="0.6", linewidth=0.8)
            ax.set(xlabel="step", ylabel="x", title=name)
            ax.legend(fontsize="small")

    run.figure(
        (
            "Left: momentum damps an oscillation. Right: where there was none, it makes one.",
            "左：动量抑制振荡。右：原本没有振荡处，动量产生振荡。",
        ),
        draw,
        (1, 2),
        (9.6, 3.8),
    )
