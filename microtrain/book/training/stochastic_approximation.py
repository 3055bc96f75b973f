"""Stochastic gradients in the chapter's notes: decreasing rates, less variance, and drawing without replacement."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run

SAMPLES, WIDTH, PENALTY = 200, 10, 0.05


@item(
    "robbins-monro-conditions",
    kind="theorem",
    source="Chapter 6, notes (Robbins and Monro 1951)",
    title=("The rates of Robbins and Monro", "Robbins 与 Monro 的学习率条件"),
    statement=(
        r"SGD converges with decreasing rates for which $\sum \alpha_t = \infty$ and $\sum \alpha_t^2 < \infty$. (The chapter "
        "only names the paper.)",
        r"学习率递减，且满足 $\sum \alpha_t = \infty$、$\sum \alpha_t^2 < \infty$ 时，SGD 收敛。（书中只提到论文。）",
    ),
    verdict="holds",
    ranges={"alpha": (0.005, 1.0), "factor": (0.5, 0.999), "count": (100, 5000), "steps": (100, 3000)},
    random=True,
)
def robbins_monro(run: Run, alpha: float = 0.1, factor: float = 0.9, count: int = 2000, steps: int = 2000) -> None:
    schedules = mt.optim.schedules
    rates = {
        "1 / (t + 1)": schedules.InverseTime(1.0),
        f"constant {alpha:g}": alpha * schedules.Constant(),
        f"0.4 * {factor:g}^t": 0.4 * schedules.Exponential(factor),
    }
    walkers = [mt.tensor(np.full(count, 5.0), requires_grad=True) for _ in rates]
    optimizer = mt.optim.SGD([{"params": [w], "lr": rate} for w, rate in zip(walkers, rates.values(), strict=True)])
    squares = [[25.0] * len(rates)]
    for _ in range(steps):
        noise = mt.tensor(run.rng.standard_normal(count))
        optimizer.zero_grad()
        x = mt.stack(walkers)
        (0.5 * x * x + noise * x).sum().backward()
        optimizer.step()
        squares.append([float(np.mean(w.detach().numpy() ** 2)) for w in walkers])
    found = np.array(squares)
    decaying, constant = found[-1, 0], found[-500:, 1].mean()
    run.claim(
        (
            rf"rate $1/(t + 1)$: mean of $x^2$ after {steps} steps",
            rf"学习率 $1/(t + 1)$：{steps} 步后 $x^2$ 的均值",
        ),
        decaying,
        equals=1 / steps,
        relative=0.1,
    )
    run.claim(
        (
            f"constant rate {alpha:g}: mean of $x^2$, last 500 steps",
            f"固定学习率 {alpha:g}：最后 500 步 $x^2$ 的均值",
        ),
        constant,
        equals=alpha / (2 - alpha),
        relative=0.1,
    )
    run.claim(
        (f"constant rate {alpha:g} after {steps} steps over the decreasing one", f"{steps} 步后固定学习率与递减学习率之比"), found[-1, 1] / decaying,
        at_least=50,
    )  # fmt: skip
    sums = 0.4 * factor ** np.arange(steps)
    left, rest = 1.0, 0.0
    for a in sums:  # the exact mean and variance
        left, rest = left * (1 - a), rest * (1 - a) ** 2 + a * a
    run.claim(
        (rf"rate $0.4 \cdot {factor:g}^t$, whose sum is {sums.sum():.3g}: mean of $x^2$",
         rf"学习率 $0.4 \cdot {factor:g}^t$（总和为 {sums.sum():.3g}）：$x^2$ 的均值"), found[-1, 2],
        equals=25 * left**2 + rest, relative=0.15,
    )  # fmt: skip
    run.claim(
        (r"the same, over that of $1/(t + 1)$", r"同上，与 $1/(t + 1)$ 之比"), found[-1, 2] / decaying, at_least=20
    )
    still = mt.analysis.trace(
        lambda p: mt.optim.SGD([{"params": p, "lr": 0.4 * schedules.Exponential(0.9)}]),
        lambda p: 0.05 * (p * p).sum(),
        np.zeros(1),
        start=[5.0],
        steps=2000,
    )
    run.claim(
        (
            r"without noise, $f = 0.05x^2$, $0.4 \cdot 0.9^t$: stops at",
            r"无噪声，$f = 0.05x^2$，$0.4 \cdot 0.9^t$：停在",
        ),
        still.end[0],
        equals=3.337,
        within=5e-4,
    )
    run.table(
        (f"Mean square of {count} walkers", f"{count} 个粒子的均方"),
        ("rate", "mean of x^2"),
        list(zip(rates, found[-1], strict=True)),
    )

    def draw(ax: Any) -> None:
        t = np.arange(1, len(found))
        for k, (name, style) in enumerate(zip(rates, ("-", "--", "-."), strict=True)):
            ax.loglog(t, found[1:, k], style, label=name)
        ax.loglog(t, 1 / t, "k:", linewidth=0.8, label="1 / t")
        ax.set(xlabel="step", ylabel=f"mean of $x^2$, {count} walkers")
        ax.legend(fontsize="small")

    run.figure(
        ("Only the rate that satisfies both conditions goes on converging", "只有满足两个条件的学习率能持续收敛"), draw
    )


class Ridge:
    """Least squares with a penalty, 200 samples with inputs of length 1: every sample's loss has the curvature 1.05."""

    def __init__(self, seed: int) -> None:
        x, y = mt.data.make_regression(SAMPLES, WIDTH, 0.5, unit_rows=True, generator=mt.Generator(seed))
        self.x, self.y = np.asarray(x), np.asarray(y)
        self.hessian = self.x.T @ self.x / SAMPLES + PENALTY * np.eye(WIDTH)
        self.best = np.linalg.solve(self.hessian, self.x.T @ self.y / SAMPLES)

    def losses(self, w: mt.Tensor, which: Any) -> mt.Tensor:
        """Of samples `which`, for one w (WIDTH,)."""
        r = mt.tensor(self.x[which]) @ w - self.y[which]
        return 0.5 * r * r + 0.5 * PENALTY * (w * w).sum()  # type: ignore[no-any-return]

    def excess(self, w: np.ndarray) -> Any:
        """How far the mean loss is above its minimum, for w (..., WIDTH)."""
        d = w - self.best
        return 0.5 * np.einsum("...i,ij,...j", d, self.hessian, d)


def stochastic(ridge: Ridge, rates: Any, orders: np.ndarray) -> np.ndarray:
    """SGD with single samples, in these orders (epochs, steps, R); positions after each epoch (epochs, rates, R, WIDTH)."""
    count = orders.shape[-1]
    phi = [mt.tensor(np.zeros((count, WIDTH)), requires_grad=True) for _ in rates]
    optimizer = mt.optim.SGD([{"params": [p], "lr": rate} for p, rate in zip(phi, rates, strict=True)])

    def step(x: mt.Tensor, y: mt.Tensor) -> mt.Tensor:
        optimizer.zero_grad()
        w = mt.stack(phi)
        r = (x * w).sum(-1) - y
        loss = (0.5 * r * r).sum() + 0.5 * PENALTY * (w * w).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    go = mt.compile(step)
    ends = []
    for order in orders:
        data = mt.data.TensorDataset(mt.tensor(ridge.x[order]), mt.tensor(ridge.y[order]))
        go.minibatches(mt.data.DataLoader(data, batch_size=1))
        ends.append([p.detach().numpy().copy() for p in phi])
    return np.array(ends)


@item(
    "svrg",
    kind="optimizer",
    source="Chapter 6, notes (Johnson and Zhang 2013)",
    title=("SVRG: stochastic gradients with less variance", "SVRG：方差缩减的随机梯度"),
    statement=(
        r"Full gradients and stochastic steps alternate. At a snapshot $\tilde w$ compute $\mu = \nabla L(\tilde w)$; then step "
        r"with $\nabla \ell_i(w) - \nabla \ell_i(\tilde w) + \mu$ for random $i$; take the last place as the next snapshot.",
        r"全批量梯度与随机更新交替。在快照 $\tilde w$ 处计算 $\mu = \nabla L(\tilde w)$；随后对随机的 $i$ 用 "
        r"$\nabla \ell_i(w) - \nabla \ell_i(\tilde w) + \mu$ 更新；最后的位置作为下一个快照。",
    ),
    verdict="holds",
    ranges={"eta": (0.01, 0.5), "loops": (2, 30)},
    random=True,
)
def svrg(run: Run, eta: float = 0.1, loops: int = 9) -> None:
    ridge = Ridge(run.seed)
    w = mt.tensor(np.zeros(WIDTH), requires_grad=True)
    optimizer = mt.optim.SVRG([w], eta, lambda i: ridge.losses(w, i).mean(), SAMPLES, generator=mt.Generator(run.seed))
    curve = [ridge.excess(np.zeros(WIDTH))]
    for _ in range(loops):
        for _ in range(2 * SAMPLES):
            optimizer.step()
        curve.append(ridge.excess(w.detach().numpy()))
    passes = 3 * np.arange(loops + 1)
    orders = run.rng.integers(SAMPLES, size=(90, SAMPLES, 1))
    plain = ridge.excess(stochastic(ridge, [eta], orders)[:, 0, 0])
    run.claim(
        ("SVRG: excess loss after 5 loops (15 passes)", "SVRG：5 个外循环（15 遍数据）后的超额损失"),
        curve[min(5, loops)],
        at_most=1e-6,
    )
    run.claim(
        (
            f"SVRG: excess loss after {loops} loops ({3 * loops} passes)",
            f"SVRG：{loops} 个外循环（{3 * loops} 遍数据）后的超额损失",
        ),
        curve[-1],
        at_most=1e-12,
    )
    run.claim(
        ("SGD: mean excess loss of the passes 45 to 90", "SGD：第 45 到 90 遍的平均超额损失"),
        plain[45:].mean(),
        at_least=1e-4,
    )
    smoothness = np.linalg.eigvalsh(ridge.hessian)
    run.claim(
        (r"curvature of a single sample's loss, $\|x_i\|^2 + \lambda$", r"单个样本损失的曲率 $\|x_i\|^2 + \lambda$"),
        (ridge.x**2).sum(1) + PENALTY,
        equals=1.05,
        within=1e-12,
    )
    run.claim((r"smallest curvature of the mean loss", r"平均损失的最小曲率"), smoothness[0], between=(0.08, 0.15))
    place, snapshot = (
        mt.tensor(ridge.best + 1e-3 * run.rng.standard_normal(WIDTH), requires_grad=True) for _ in range(2)
    )
    everyone = np.arange(SAMPLES)
    here = mt.analysis.per_sample_gradients(lambda: ridge.losses(place, everyone), [place])
    there = mt.analysis.per_sample_gradients(lambda: ridge.losses(snapshot, everyone), [snapshot])
    corrected = here - there + there.mean(0)
    variances = [float(((g - g.mean(0)) ** 2).sum(1).mean()) for g in (here, corrected)]
    run.claim(
        (r"about $10^{-3}$ from the minimum: variance of SGD's direction", r"距最小值点约 $10^{-3}$：SGD 方向的方差"),
        variances[0],
        between=(0.15, 0.6),
    )
    run.claim(("the same: variance of SVRG's direction", "同上：SVRG 方向的方差"), variances[1], at_most=1e-5)
    run.claim(
        ("the same: bias of SVRG's direction", "同上：SVRG 方向的偏差"),
        np.abs(corrected.mean(0) - here.mean(0)).max(),
        at_most=1e-15,
    )

    def draw(ax: Any) -> None:
        ax.semilogy(np.arange(1, 91), plain, color="C1", linewidth=0.9, label=rf"SGD, $\eta = {eta:g}$")
        ax.semilogy(passes, np.maximum(curve, 1e-17), "o-", color="C0", markersize=4, label=rf"SVRG, $\eta = {eta:g}$")
        ax.set(xlabel="passes over the data (gradient evaluations / 200)", ylabel="excess loss")
        ax.legend(fontsize="small")

    run.figure(
        (
            "With the same constant rate SGD stops at its noise floor, SVRG goes on",
            "固定学习率相同时，SGD 停在噪声基底，SVRG 继续下降",
        ),
        draw,
    )


@item(
    "random-reshuffling",
    kind="experiment",
    source="Chapter 6, notes (Bottou 2012)",
    title=("Drawing without replacement", "无放回采样"),
    statement=(
        "It is good practice for SGD to choose samples at random without replacement: each once in every epoch.",
        "使用 SGD 时，宜随机无放回地选取样本：每个轮次中各用一次。",
    ),
    verdict="holds",
    ranges={"epochs": (20, 100), "count": (5, 40)},
    random=True,
)
def reshuffling(run: Run, epochs: int = 60, count: int = 20) -> None:
    ridge, rates = Ridge(run.seed), (0.1, 0.05, 0.02)
    shape = (epochs, SAMPLES, count)
    fixed = run.rng.permuted(np.tile(np.arange(SAMPLES), (count, 1)), axis=1).T
    orders = {
        "with replacement": run.rng.integers(SAMPLES, size=shape),
        "reshuffled each epoch": run.rng.permuted(
            np.tile(np.arange(SAMPLES)[None, :, None], (epochs, 1, count)), axis=1
        ),
        "shuffled once": np.broadcast_to(fixed, shape),
    }
    path = stochastic(ridge, rates, np.concatenate(list(orders.values()), axis=2))
    excess = ridge.excess(path).reshape(epochs, len(rates), len(orders), count)
    late = excess[2 * epochs // 3 :].mean((0, 3))  # (rates, orders)
    for k, (rate, least) in enumerate(zip(rates, (1.5, 3.0, 10.0), strict=True)):
        run.claim(
            (rf"$\eta = {rate}$: excess loss with replacement over reshuffled", rf"$\eta = {rate}$：有放回与每轮重排的超额损失之比"),
            late[k, 0] / late[k, 1], at_least=least,
        )  # fmt: skip
        run.claim(
            (rf"$\eta = {rate}$: with replacement over shuffled once", rf"$\eta = {rate}$：有放回与只排一次之比"), late[k, 0] / late[k, 2],
            at_least=1,
        )  # fmt: skip
    run.table(
        ("Mean excess loss of the last third of the epochs", "最后三分之一轮次的平均超额损失"), ("rate", *orders),
        [(rate, *row) for rate, row in zip(rates, late, strict=True)],
    )  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        for j, (name, style) in enumerate(zip(orders, ("-", "--", "-."), strict=True)):
            left.semilogy(np.arange(1, epochs + 1), excess[:, 2, j].mean(1), style, label=name)
            right.loglog(rates, late[:, j], "o" + style, label=name)
        left.set(xlabel="epoch", ylabel=f"excess loss, mean of {count} runs", title=r"$\eta = 0.02$")
        right.set(xlabel=r"learning rate $\eta$", ylabel="excess loss, last epochs")
        left.legend(fontsize="small")
        right.legend(fontsize="small")

    run.figure(
        ("Without replacement the noise of an epoch cancels, the more so the smaller the rate", "无放回时，一轮之内的噪声相互抵消；学习率越小，抵消越彻底"),
        draw, (1, 2), (9.5, 3.9),
    )  # fmt: skip
