"""Two factors of a matrix: their norms, the nuclear norm of the product, and what gradient flow conserves."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run
from .descent import descend
from .solution_sets import HIDDEN, two_layers


@item(
    "nuclear-norm-variational",
    kind="theorem",
    source=f"{HIDDEN}, the squared norms of the factors and the nuclear norm",
    title=("The nuclear norm as the smallest size of two factors", "核范数是两个因子的最小规模"),
    statement=(
        r"The smallest value of $(\|W_1\|_F^2 + \|W_2\|_F^2)/2$ over all $W_2 W_1 = M$ is the nuclear norm of $M$, the sum of its singular "
        r"values.",
        r"在所有满足 $W_2 W_1 = M$ 的因子中，$(\|W_1\|_F^2 + \|W_2\|_F^2)/2$ 的最小值等于 $M$ 的核范数，即奇异值之和。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The inner width must be at least the rank of $M$; with less there are no such factors. The minimum is reached by the balanced factors "
        r"$U \Sigma^{1/2}$ and $\Sigma^{1/2} V^\top$.",
        r"内层宽度不能小于 $M$ 的秩，否则不存在这样的因子。最小值在平衡因子 $U \Sigma^{1/2}$、$\Sigma^{1/2} V^\top$ 处取得。",
    ),
    ranges={"spread": (0.02, 0.5), "rate": (0.001, 0.02)},
    random=True,
)
def variational(run: Run, spread: float = 0.3, rate: float = 0.01) -> None:
    matrix = run.rng.standard_normal((4, 5))
    norm, factors = analysis.nuclear_norm(matrix), analysis.balanced_factors(matrix)
    left, right = map(mt.tensor, factors)

    def size(s: mt.Tensor) -> mt.Tensor:
        """Half the squared norms of (W2 S, S^-1 W1) for many S, (K, 4, 4) to (K,)."""
        inverse = mt.linalg.inv(s)
        return 0.5 * (((left @ s) ** 2).sum((-2, -1)) + ((inverse @ right) ** 2).sum((-2, -1)))  # type: ignore[no-any-return]

    others = np.asarray(size(mt.tensor(np.eye(4) + 0.3 * run.rng.standard_normal((1000, 4, 4)))))
    balanced = 0.5 * sum(float((f**2).sum()) for f in factors)
    run.claim(("balanced factors: half their squared norms, less the nuclear norm", "平衡因子：范数平方和的一半与核范数之差"),
              balanced - norm, equals=0, within=1e-12)  # fmt: skip
    run.claim(
        ("their product, less M", "其乘积与 $M$ 之差"), np.abs(factors[0] @ factors[1] - matrix).max(), at_most=1e-13
    )
    if run.seed == 0:
        run.claim(("nuclear norm of the 4 x 5 matrix", "4 × 5 矩阵的核范数"), norm, equals=6.516887, within=5e-7)
        run.claim(
            ("smallest among 1000 other factors", "1000 组其他因子中的最小值"), others.min(), equals=6.7848, within=5e-5
        )
    run.claim(("1000 other factors: smallest value over the nuclear norm", "1000 组其他因子：最小值与核范数之比"),
              others.min() / norm, at_least=1)  # fmt: skip
    s = mt.tensor(np.eye(4) + 0.1 * run.rng.standard_normal((20, 4, 4)), requires_grad=True)
    optimizer = mt.optim.Adam([s], lr=0.01)
    falling = []
    for _ in range(1000):
        optimizer.zero_grad()
        values = size(s)
        values.sum().backward()
        optimizer.step()
        falling.append(np.array(values.detach()) / norm)
    run.claim(("minimised over S from 20 starts: worst value over the nuclear norm", "对 $S$ 求最小（20 个起点）：最差值与核范数之比"),
              falling[-1].max(), equals=1, within=1e-4)  # fmt: skip
    u, sigma, v = np.linalg.svd(matrix)
    narrow = (u[:, :3] * sigma[:3]) @ v[:3]
    run.claim(("inner width 3: distance of the best product from M, over the smallest singular value",
               "内层宽度为 3：最佳乘积与 $M$ 的距离除以最小奇异值"),
              np.linalg.norm(matrix - narrow) / sigma[3], equals=1, within=1e-10)  # fmt: skip
    noise = run.rng.standard_normal((60, 4, 4))
    sizes = np.linspace(0, max(spread, 0.05), 30)
    spreads = np.array([np.asarray(size(mt.tensor(np.eye(4) + c * noise))) for c in sizes]) / norm
    curve = []
    w = mt.tensor(np.eye(4) + min(spread, 0.1) * noise[:10], requires_grad=True)
    slow = mt.optim.SGD([w], lr=rate)
    for _ in range(300):
        slow.zero_grad()
        values = size(w)
        values.sum().backward()
        slow.step()
        curve.append(np.array(values.detach()) / norm)

    def draw(one: Any, two: Any) -> None:
        one.plot(sizes, spreads, color="0.6", linewidth=0.6)
        one.axhline(1, color="#d1600f", linewidth=2, label="nuclear norm")
        one.set(xlabel="c, with S = I + c noise", ylabel="half the squared norms / nuclear norm", ylim=(0.95, 2.2))
        two.semilogy(np.array(curve) - 1 + 1e-16, color="#1f5fa8", linewidth=0.8)
        two.set(xlabel="step of gradient descent over S", ylabel="excess over the nuclear norm, relative")
        one.legend(fontsize="small", loc="upper left")

    run.figure(
        ("No factors of M are smaller than its nuclear norm; gradient descent over S goes down to it",
         "任何分解都不小于核范数；对 $S$ 做梯度下降可以降到核范数"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "balancedness-conservation",
    kind="theorem",
    source=f"{HIDDEN}, the coupled dynamics of the two factors",
    title=("What the two factors conserve", "两个因子的守恒量"),
    statement=(
        r"Gradient flow conserves $W_1 W_1^\top - W_2^\top W_2$. Factors that start small stay balanced, which ties their norms to the nuclear "
        r"norm of the product.",
        r"梯度流保持 $W_1 W_1^\top - W_2^\top W_2$ 不变。从很小的值出发，因子始终近似平衡，其范数因此与乘积的核范数相联系。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Exact for the flow. Gradient descent drifts by an amount proportional to $\eta$ in the same time.",
        r"对梯度流精确成立。梯度下降在相同时间内的漂移与 $\eta$ 成正比。",
    ),
    ranges={"eta": (0.001, 0.05), "start": (0.01, 1.0)},
    random=True,
)
def balancedness(run: Run, eta: float = 0.02, start: float = 0.3) -> None:
    w1, w2 = 0.3 * run.rng.standard_normal((4, 5)), 0.3 * run.rng.standard_normal((3, 4))
    target = run.rng.standard_normal((3, 5))
    goal = mt.tensor(target)

    def loss(a: mt.Tensor, b: mt.Tensor) -> mt.Tensor:
        return 0.5 * ((b @ a - goal) ** 2).sum()

    def imbalance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(two_layers(a, b).imbalance()[0].detach())

    before, rates = imbalance(w1, w2), (0.02, 0.01, 0.005)
    drifts, fits = [], []
    for rate in rates:
        ends, _ = descend(loss, [w1, w2], rate, round(20 / rate), lambda a, b: 0.5 * ((b @ a - goal) ** 2).sum())
        drifts.append(np.abs(imbalance(*ends) - before).max())
        fits.append(float(0.5 * ((ends[1] @ ends[0] - target) ** 2).sum()))
    if run.seed == 0:
        run.claim(
            ("imbalance at the start, its largest entry", "初始不平衡量的最大元素"),
            np.abs(before).max(),
            equals=0.484,
            within=5e-4,
        )
        for rate, drift, expected in zip(rates, drifts, (0.00795, 0.00395, 0.00197), strict=True):
            run.claim(
                (rf"$\eta = {rate}$: drift in the time 20", rf"$\eta = {rate}$：时间 20 内的漂移"),
                drift,
                equals=expected,
                within=5e-6,
            )
        run.claim(("loss at the end", "最终损失"), fits[0], at_most=1e-16)
    ratios = np.array(drifts[:-1]) / drifts[1:]
    run.claim((r"drift ratio when $\eta$ is halved", r"$\eta$ 减半时漂移之比"), ratios, equals=2, within=0.15)
    flow = analysis.gradient_flow(loss, [mt.tensor(w1), mt.tensor(w2)], t_end=20.0, rtol=1e-9, atol=1e-11)
    last = imbalance(flow.end[:20].reshape(4, 5), flow.end[20:].reshape(3, 4))
    run.claim(("gradient flow: drift", "梯度流：漂移"), np.abs(last - before).max(), at_most=1e-7)

    def course(scale: float, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(times, half the squared norms, nuclear norm of the product) from a start of another size."""
        steps = round(20 / rate)
        _, seen = descend(loss, [w1 * scale / 0.3, w2 * scale / 0.3], rate, steps, lambda a, b: (a.clone(), b.clone()))
        pick = np.unique(np.linspace(0, steps - 1, 150).astype(int))
        a, b = (np.asarray(part)[pick] for part in seen)
        norms = 0.5 * ((a**2).sum((1, 2)) + (b**2).sum((1, 2)))
        return (pick + 1) * rate, norms, np.linalg.svd(b @ a, compute_uv=False).sum(1)

    runs = {scale: course(scale, eta) for scale in dict.fromkeys((start, 0.01))}

    def draw(left: Any, right: Any) -> None:
        left.plot(rates, drifts, "o", color="#1f5fa8", label="gradient descent")
        left.plot([0, rates[0]], [0, drifts[-1] * rates[0] / rates[-1]], "k:", label=r"proportional to $\eta$")
        left.set(xlabel=r"learning rate $\eta$", ylabel="drift of the imbalance in the time 20", xticks=(0, *rates))
        left.legend(fontsize="small")
        for (scale, (times, norms, nuclear)), colour in zip(runs.items(), ("#d1600f", "#1b7837"), strict=False):
            right.plot(times, norms, color=colour, label=f"half the squared norms, start {scale:g}")
            right.plot(
                times, nuclear, color=colour, linestyle="--", label=f"nuclear norm of the product, start {scale:g}"
            )
        right.set(xlabel=r"time (steps times $\eta$)", ylabel="size")
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        ("The imbalance drifts in proportion to the rate; from a small start the norms of the factors follow the nuclear norm",
         "不平衡量的漂移与学习率成正比；从很小的起点出发，因子的范数与核范数一致"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
