"""Stochastic gradient descent: its update, its noise, and why it is cheap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .least_squares import mse_loss
from .smoothness import half_mean


def linear_data(rng: np.random.Generator, n: int, d: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Inputs X (n, d) and targets X w + noise, drawn in the order X, w, noise."""
    X, w = rng.standard_normal((n, d)), rng.standard_normal(d)
    return X, X @ w + noise * rng.standard_normal(n)


def sgd_path(X: np.ndarray, y: np.ndarray, lr: Any, batches: Iterable[np.ndarray]) -> np.ndarray:
    """SGD on half the mean squared error from w = 0, one step for each batch of sample numbers: (steps + 1, d)."""
    w = mt.tensor(np.zeros(X.shape[1]), requires_grad=True)
    optimizer = mt.optim.SGD([w], lr=lr)
    path = [np.zeros(X.shape[1])]
    for batch in batches:
        optimizer.zero_grad()
        mse_loss(mt.tensor(X[batch]) @ w, mt.tensor(y[batch]), "half_mean").backward()
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


def losses_of(X: np.ndarray, y: np.ndarray, path: np.ndarray) -> tuple[np.ndarray, float]:
    """The loss on all samples along a path, and the least possible one."""
    objective = mt.analysis.objective(half_mean(X, y), path[0])
    best = mt.nn.LinearRegression(X.shape[1], bias=False).solve(X, y).weight.detach().numpy()
    return objective.values(path), objective(best)


@item(
    "sgd-update",
    kind="optimizer",
    source="Deep-learning optimizers, the display of SGD",
    title=("Stochastic gradient descent", "随机梯度下降"),
    statement=(
        r"$w_{k+1} = w_k - \eta_k\, \tilde g(w_k)$: gradient descent with the gradient of a mini-batch and a rate that may "
        "depend on the step.",
        r"$w_{k+1} = w_k - \eta_k\, \tilde g(w_k)$：用小批量的梯度做梯度下降，学习率可以随步数变化。",
    ),
    verdict="holds",
    ranges={"eta": (0.001, 0.5), "batch": (1, 200), "steps": (10, 5000), "decay": (0.0, 0.1)},
    random=True,
)
def sgd_update(run: Run, eta: float = 0.05, batch: int = 8, steps: int = 2000, decay: float = 0.01) -> None:
    X, y = linear_data(run.rng, 200, 5, 1.0)
    batches = [run.rng.integers(0, 200, 8) for _ in range(2000)]
    path = sgd_path(X, y, 0.05, batches)
    curve, best = losses_of(X, y, path)
    whole = sgd_path(X, y, 0.05, [run.rng.permutation(200) for _ in range(100)])
    exact = mt.analysis.trace(lambda p: mt.optim.GradientDescent(p, lr=0.05), half_mean(X, y), np.zeros(5), steps=100)
    run.claim(
        (
            r"batches of all $n$: distance from gradient descent over 100 steps",
            r"批次为全部 $n$ 个样本：100 步内与梯度下降之差",
        ),
        np.abs(whole - exact.points).max(),
        at_most=1e-12,
    )
    run.claim(
        (
            r"$m = 8$: mean loss of steps 1500 to 2000 over the least possible",
            r"$m = 8$：第 1500～2000 步的平均损失与最小值之比",
        ),
        curve[1500:].mean() / best,
        between=(1.0, 1.05),
    )
    if run.seed == 0:
        for name, zh, value, known in (
            ("at the start", "起点的损失", curve[0], 2.188), ("after 2000 steps", "2000 步后的损失", curve[-1], 0.4825),
            ("least possible", "最小损失", best, 0.4731),
        ):  # fmt: skip
            run.claim(
                (f"seed 0: loss {name}", f"种子 0：{zh}"), value, equals=known, within=5e-4 if known > 1 else 5e-5
            )
    chosen = [run.rng.integers(0, 200, batch) for _ in range(steps)]
    runs = {
        rf"$\eta = {eta}$": losses_of(X, y, sgd_path(X, y, eta, chosen))[0],
        rf"$\eta_k = {eta} / (1 + {decay} k)$": losses_of(
            X, y, sgd_path(X, y, lambda k: eta / (1 + decay * k), chosen)
        )[0],
    }

    def draw(ax: Any) -> None:
        for k, (name, values) in enumerate(runs.items()):
            ax.loglog(
                np.arange(1, len(values)),
                np.maximum(values[1:] - best, 1e-8),
                color=f"C{k}",
                alpha=0.8,
                linewidth=0.9,
                label=f"SGD, m = {batch}, {name}",
            )
        ax.loglog(np.arange(1, 101), exact.losses[1:] - best, "k--", label=r"gradient descent, $\eta = 0.05$")
        ax.set(xlabel="step", ylabel="loss above the least possible")
        ax.legend(fontsize="small")

    run.figure(
        (
            "A constant rate ends in noise; a falling one goes below it.",
            "学习率恒定时，损失停在噪声基底；学习率递减则继续下降。",
        ),
        draw,
    )


@item(
    "sgd-noise-is-zero-mean",
    kind="definition",
    source="Deep-learning optimizers, the paragraph on gradient noise",
    title=("Gradient noise", "梯度噪声"),
    statement=(
        r"$\tilde g(w) = \nabla L(w) + \epsilon(w)$ with $\mathbb{E}\,\epsilon = 0$. Because of the noise the loss no longer "
        "falls in every step.",
        r"$\tilde g(w) = \nabla L(w) + \epsilon(w)$，且 $\mathbb{E}\,\epsilon = 0$。由于噪声，损失不再每步都下降。",
    ),
    verdict="holds",
    ranges={"eta": (0.001, 0.3), "batch": (1, 100), "draws": (10, 20000)},
    random=True,
)
def zero_mean(run: Run, eta: float = 0.05, batch: int = 8, draws: int = 10000) -> None:
    X, y = linear_data(run.rng, 200, 5, 1.0)
    curve, _ = losses_of(X, y, sgd_path(X, y, 0.05, [run.rng.integers(0, 200, 8) for _ in range(2000)]))
    rising = np.diff(curve) > 0
    run.claim(
        ("share of the first 20 steps that raise the full loss", "前 20 步中使总损失上升的比例"),
        rising[:20].mean(),
        at_most=0.1,
    )
    run.claim(
        ("share of the last 1000 steps that raise it", "最后 1000 步中使总损失上升的比例"),
        rising[-1000:].mean(),
        equals=0.494,
        relative=0.1,
    )
    x, t = mt.tensor(X), mt.tensor(y)
    noise = mt.analysis.gradient_noise(
        lambda v: 0.5 * (x @ v - t) ** 2,
        np.zeros(5),
        batch,
        replace=True,
        draws=draws,
        generator=mt.Generator(run.seed + 1),
    )
    epsilon = noise.draws - noise.mean
    error = np.abs(epsilon.mean(0)) / (epsilon.std(0) / draws**0.5)
    run.claim(
        (f"mean of the noise over {draws} draws, in standard errors", f"{draws} 次抽样的噪声均值，以标准误为单位"),
        error.max(),
        at_most=4.0,
    )
    run.claim(
        ("variance of the draws over the exact one", "抽样方差与精确值之比"),
        float(epsilon.var(0).sum() / noise.trace),
        equals=1.0,
        within=0.1,
    )
    shown, best = losses_of(X, y, sgd_path(X, y, eta, [run.rng.integers(0, 200, batch) for _ in range(400)]))

    def draw(left: Any, right: Any) -> None:
        mt.viz.plots.gradient_noise(noise, ax=left)
        steps = np.arange(1, len(shown))
        up = np.diff(shown) > 0
        right.semilogy(steps, shown[1:] - best, color="0.75", linewidth=0.8)
        for flag, colour, name in ((False, "C0", "falls"), (True, "C3", "rises")):
            right.semilogy(
                steps[up == flag],
                shown[1:][up == flag] - best,
                ".",
                color=colour,
                markersize=3,
                label=f"full loss {name}",
            )
        right.set(xlabel="step", ylabel="loss above the least possible", title=rf"SGD, m = {batch}, $\eta = {eta}$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: gradients of batches at the start, around the full one. Right: first every step leads down, later about half.",
            "左：起点处各批次的梯度散布在全批量梯度周围。右：起初每步都下降，后来约一半的步上升。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )


@item(
    "sgd-cheap-updates",
    kind="experiment",
    source="Deep-learning optimizers, the cost of SGD; chapter 6, section 6.2.2, third property",
    title=("Cheap updates", "更新更便宜"),
    statement=(
        r"An update from a mini-batch costs $m/n$ of one from all samples, so one pass over the data gets further.",
        r"一次小批量更新的代价是全批量更新的 $m/n$，因此遍历一次数据能前进得更远。",
    ),
    verdict="holds",
    ranges={"batch": (1, 500), "eta": (0.01, 0.4), "passes": (1, 30)},
    random=True,
)
def cheap_updates(run: Run, batch: int = 20, eta: float = 0.2, passes: int = 10) -> None:
    n = 2000
    X, y = linear_data(run.rng, n, 10, 0.1)
    order = run.rng.permutation(n)
    top = float(np.linalg.eigvalsh(X.T @ X / n)[-1])
    evaluations = {"GD": 0, "SGD": 0}

    def excess(name: str, lr: float, batches: list[np.ndarray]) -> np.ndarray:
        evaluations[name] = sum(len(b) for b in batches)
        values, best = losses_of(X, y, sgd_path(X, y, lr, batches))
        return values - best

    sgd = excess("SGD", 0.2, list(order.reshape(100, 20)))
    gd = excess("GD", 1 / top, [np.arange(n)])
    run.claim(
        ("gradients of single samples, SGD over GD", "单样本梯度的计算次数，SGD 与梯度下降之比"),
        evaluations["SGD"] / evaluations["GD"],
        equals=1.0,
    )
    run.claim(
        ("excess loss after one pass, GD over SGD", "遍历一次后的超额损失，梯度下降与 SGD 之比"),
        gd[1] / sgd[-1],
        at_least=10.0,
    )
    ten = excess("GD", 1 / top, [np.arange(n)] * 10)
    run.claim(("ten passes of GD: excess loss", "梯度下降遍历 10 次：超额损失"), abs(ten[-1]), at_most=1e-10)
    if run.seed == 0:
        for name, zh, value, known in (
            ("at the start", "起点", gd[0], 4.513), ("one step of GD", "梯度下降 1 步", gd[1], 5.7e-2),
            ("one epoch of SGD", "SGD 一轮", sgd[-1], 3.0e-4),
        ):  # fmt: skip
            run.claim((f"seed 0: excess loss, {name}", f"种子 0：超额损失，{zh}"), value, equals=known, relative=0.05)
        run.claim(
            ("seed 0: excess loss, ten steps of GD", "种子 0：超额损失，梯度下降 10 步"),
            ten[-1],
            equals=5e-16,
            within=1e-15,
        )
    epochs = [run.rng.permutation(n)[: n // batch * batch].reshape(-1, batch) for _ in range(passes)]
    shown = excess("SGD", eta, [b for epoch in epochs for b in epoch])
    full = excess("GD", 1 / top, [np.arange(n)] * passes)

    def draw(ax: Any) -> None:
        ax.semilogy(
            np.arange(len(shown)) / (n // batch),
            np.clip(np.nan_to_num(shown, nan=1e6, posinf=1e6), 1e-16, 1e6),
            linewidth=0.9,
            label=rf"SGD, m = {batch}, $\eta = {eta}$",
        )
        ax.semilogy(
            np.arange(passes + 1), np.maximum(full, 1e-16), "o-", markersize=4, label=r"gradient descent, $\eta = 1/L$"
        )
        ax.set(xlabel="passes over the data", ylabel="loss above the least possible")
        ax.legend(fontsize="small")

    run.figure(
        (
            "At equal cost SGD is ahead early; for high precision gradient descent wins.",
            "代价相同时，SGD 在早期领先；要求高精度时，梯度下降胜出。",
        ),
        draw,
    )
