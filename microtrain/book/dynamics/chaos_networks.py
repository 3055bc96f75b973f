"""Chaos in the training of a network, how not to measure it, and why a quadratic loss has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import quadratic
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..run import Run
from .chaos import CHAOS
from .descent import copied, exponents, path

INPUTS = np.linspace(-1, 1, 8)[:, None]


def network(bias: bool, height: float) -> analysis.Objective:
    """Mean squared error of a 1-2-1 tanh network on 8 points of `height` sin(3x)."""
    net = mt.nn.Sequential(
        mt.nn.Linear(1, 2, bias=bias, dtype=float), mt.nn.Tanh(), mt.nn.Linear(2, 1, bias=bias, dtype=float)
    )
    x, y = mt.tensor(INPUTS), mt.tensor(height * np.sin(3 * INPUTS))
    return analysis.Objective(lambda: mse_loss(net(x), y), net)


class Descent:
    """Gradient descent from many starts at many rates, compiled once."""

    def __init__(self, found: analysis.Objective) -> None:
        self.found = found
        optimizer = mt.optim.SGD(found.params, lr=1.0)

        def step(rate: float) -> Any:
            optimizer.zero_grad()
            found.closure().backward()
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            with mt.no_grad():
                return copied(*found.params)

        self.step = mt.compile(step)
        for rate in (0.0, 13.0):  # what is right for these is known to be right between them
            self.step.repeat(3, rate)

    def orbit(self, start: np.ndarray, rate: float, steps: int) -> np.ndarray:
        """The parameters (steps, P) after each step. The first two are eager: the bits that a step of its own has."""
        self.found.flat.write(start)
        first = [np.concatenate(self.step.step(rate), axis=None) for _ in range(2)]
        seen = self.step.repeat(steps - 2, rate)
        rest = np.concatenate([np.asarray(part).reshape(steps - 2, -1) for part in seen], axis=1)
        return np.concatenate([first, rest])

    def map(self, rate: float) -> Callable[[np.ndarray], np.ndarray]:
        """One step as a map of vectors."""

        def one(theta: np.ndarray) -> np.ndarray:
            self.found.flat.write(theta)
            self.step(rate)
            return self.found.theta

        return one


def along(found: analysis.Objective, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(losses, Hessians) along an orbit, by NumPy: kernels for so few take longer to compile than they save."""
    with mt.kernels.use("numpy"):
        return found.values(way), found.hessians(way)


def small(seed: int) -> np.ndarray:
    """A start of the network without biases."""
    return 0.2 * np.random.default_rng(seed).standard_normal(4)


@item(
    "gd-chaos-tanh-mlp",
    kind="experiment",
    source=f"{CHAOS} in training",
    title=("Chaos in a real network", "真实网络中的混沌"),
    statement=(
        "For some learning rates and architectures the path of the weights of a real, non-linear network is chaotic: neighbours separate "
        "exponentially while everything stays bounded.",
        "对某些学习率和网络结构，真实的非线性网络的权重轨迹是混沌的：相邻轨迹按指数分离，而所有量保持有界。",
    ),
    verdict="holds",
    correction=(
        r"Two runs that are brought back to a distance of $10^{-9}$ after every step do not always measure the exponent: on a 1-2-1 tanh network "
        r"with biases they give about 0.15 at $\eta = 0.5$, but less at larger distances, and the exact Jacobians give 0.01. Rounding is $10^{-7}$ of such a distance "
        r"and grows in directions along which the true difference has long shrunk. The network without biases on $0.2 \sin 3x$ is chaotic by both "
        r"measures.",
        r"每步之后把两条轨迹拉回到 $10^{-9}$ 的距离，测得的未必是李雅普诺夫指数：对带偏置的 1-2-1 tanh 网络，$\eta = 0.5$ 时约得 0.15，"
        r"距离取大些则变小，而精确的雅可比矩阵只给出 0.01。舍入误差约为该距离的 $10^{-7}$，会在真实差异早已缩小的方向上增长。"
        r"不带偏置、目标为 $0.2 \sin 3x$ 的网络，两种方法都表明是混沌的。",
    ),
    ranges={"eta": (1.0, 13.0), "draws": (0, 7)},
)
def tanh_network(run: Run, eta: float = 13.0, draws: int = 0) -> None:
    plain, full = network(False, 0.2), network(True, 1.0)
    short, long = Descent(plain), Descent(full)
    for rate, start, lowest, highest in (
        (13.0, 0, 0.3, 0.55),
        (13.0, 5, 0.3, 0.55),
        (13.0, 7, 0.3, 0.55),
        (10.0, 0, -1.0, 0.0),
    ):
        way = short.orbit(small(start), rate, 4000)[1000:]
        value = exponents(np.eye(4) - rate * along(plain, way)[1], 1).largest
        name = rf"no biases, $\eta = {rate:g}$, seed {start}"
        name_zh = rf"无偏置，$\eta = {rate:g}$，种子 {start}"
        run.claim((f"{name}: largest exponent", f"{name_zh}：最大指数"), value, between=(lowest, highest))
        run.claim((f"{name}: largest weight", f"{name_zh}：最大的权重"), np.abs(way).max(), at_most=1)
    step, settled = short.map(13.0), short.orbit(small(0), 13.0, 300)[-1]
    for distance in (1e-9, 1e-6):
        value = analysis.twin_lyapunov(step, settled, steps=500, burn=0, distance=distance).largest
        run.claim((rf"no biases, $\eta = 13$: exponent from twins {distance:g} apart", rf"无偏置，$\eta = 13$：相距 {distance:g} 的双轨迹所得指数"),
                  value, between=(0.3, 0.55))  # fmt: skip

    rows = []
    for rate, start in ((0.5, 0), (0.5, 1), (0.5, 3), (0.4, 0), (0.4, 1), (0.4, 3), (0.3, 0), (0.3, 1), (0.3, 3)):
        way = long.orbit(np.random.default_rng(start).standard_normal(7), rate, 4000)[1000:]
        losses, hessians = along(full, way)
        value = exponents(np.eye(7) - rate * hessians, 1).largest
        name, name_zh = rf"with biases, $\eta = {rate}$, seed {start}", rf"带偏置，$\eta = {rate}$，种子 {start}"
        run.claim(
            (f"{name}: exponent from exact Jacobians", f"{name_zh}：由精确雅可比矩阵所得指数"),
            value,
            at_most=0.04 if rate > 0.3 else 0.02,
        )
        run.claim((f"{name}: largest parameter", f"{name_zh}：最大的参数"), np.abs(way).max(), at_most=4.1)
        rows.append((rate, start, value, losses.min(), losses.max()))
    run.table(
        ("The network with biases", "带偏置的网络"), ("eta", "seed", "exponent", "lowest loss", "highest loss"), rows
    )
    run.claim(
        ("with biases: the loss wanders between", "带偏置：损失的变化范围"),
        [row[k] for row in rows for k in (3, 4)],
        between=(0.02, 2.6),
    )
    step, begin = long.map(0.5), long.orbit(np.random.default_rng(0).standard_normal(7), 0.5, 1000)[-1]
    twins = {d: analysis.twin_lyapunov(step, begin, steps=1000, burn=0, distance=d).largest for d in (1e-9, 1e-7, 1e-5)}
    run.claim((r"with biases, $\eta = 0.5$: exponent from twins $10^{-9}$ apart", r"带偏置，$\eta = 0.5$：相距 $10^{-9}$ 的双轨迹所得指数"),
              twins[1e-9], equals=0.143, within=0.03)  # fmt: skip
    run.claim(("the same with twins 100 and 10000 times as far apart, as a share of it", "距离放大 100 倍与 10000 倍后所得指数与它之比"),
              [twins[1e-7] / twins[1e-9], twins[1e-5] / twins[1e-9]], at_most=0.92)  # fmt: skip
    run.note(
        "In arithmetic of 300 digits the network with biases has the exponent 0.014 at rate 0.5 (seed 0, 40000 steps) and none at rate 0.4 "
        "(seed 1: 0.0008 and falling). Without biases, at rate 13, other starts (seeds 1 to 4 and 6) leave every bound.",
        "用 300 位精度计算，带偏置的网络在学习率 0.5 时指数为 0.014（种子 0，40000 步），在 0.4 时没有正指数（种子 1：0.0008，且仍在下降）。不带偏置、学习率 13 时，其他起点（种子 1～4 与 6）会无界发散。",
    )
    first, second = (short.orbit(small(draws) + shift, eta, 400) for shift in (0, 1e-9))
    losses = plain.values(first)

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.plot(losses, color="#1f5fa8", linewidth=0.8)
        left.set(
            xlabel="step",
            ylabel="loss",
            title=rf"no biases, $\eta = {eta:g}$",
            ylim=(0, min(1.0, float(losses[np.isfinite(losses)].max()) * 1.1)),
        )
        middle.semilogy(
            np.linalg.norm(first - second, axis=1) + 1e-17, color="#1f5fa8", label="two starts $10^{-9}$ apart"
        )
        middle.set(xlabel="step", ylabel="distance of the weights", title=rf"no biases, $\eta = {eta:g}$")
        middle.legend(fontsize="small", loc="lower right")
        right.semilogx(
            list(twins), list(twins.values()), "o-", color="#d1600f", label=r"twins, with biases, $\eta = 0.5$"
        )
        right.axhline(rows[0][2], color="black", linestyle="--", label="exact Jacobians")
        right.set(xlabel="distance of the twins", ylabel="Lyapunov exponent", ylim=(0, 0.17))
        right.legend(fontsize="small", loc="center left")

    run.figure(
        ("A chaotic run, the separation of its neighbour, and an exponent that is mostly rounding",
         "混沌的训练、相邻轨迹的分离，以及主要由舍入误差造成的“指数”"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip


@item(
    "quadratic-loss-no-chaos",
    kind="theorem",
    source=f"{CHAOS} needs a non-linear map",
    title=("No chaos on a quadratic loss", "二次损失上没有混沌"),
    statement=(
        r"Chaos needs a non-linear map. On a quadratic loss gradient descent is linear, and its exponents are $\ln|1 - \eta\lambda_i|$ from every start.",
        r"混沌需要非线性映射。对二次损失，梯度下降是线性的，从任何起点出发，指数都是 $\ln|1 - \eta\lambda_i|$。",
    ),
    verdict="holds with a condition",
    correction=(
        r"A positive exponent alone is no chaos: above $2/\lambda_{max}$ the largest is positive, but the run diverges. Boundedness must be checked too.",
        r"仅有正指数还不是混沌：$\eta > 2/\lambda_{max}$ 时最大指数为正，但运行发散。还须检查有界性。",
    ),
    ranges={"eta": (0.01, 0.4), "steps": (10, 300)},
)
def linear_map(run: Run, eta: float = 0.25, steps: int = 100) -> None:
    loss, start = quadratic([1.0, 10.0]), np.array([1.0, 1.0])
    found = analysis.lyapunov_spectrum(loss, start, lr=0.15, steps=400, burn=0)
    for k, factor in enumerate((0.85, 0.5)):
        run.claim((rf"$\eta = 0.15$: exponent {k + 1}, less $\ln {factor}$", rf"$\eta = 0.15$：第 {k + 1} 指数与 $\ln {factor}$ 之差"),
                  found.exponents[k] - np.log(factor), equals=0, within=1e-9)  # fmt: skip
        run.claim((rf"$\eta = 0.15$: exponent {k + 1}", rf"$\eta = 0.15$：第 {k + 1} 指数"), found.exponents[k],
                  equals=(-0.1625, -0.6931)[k], within=5e-5)  # fmt: skip
    above = analysis.lyapunov_spectrum(loss, start, lr=0.25, steps=400, burn=0)
    run.claim(
        (r"$\eta = 0.25$: largest exponent", r"$\eta = 0.25$：最大指数"), above.largest, equals=0.4055, within=5e-5
    )
    away = np.abs(path(loss, start, 0.25, 400))
    run.claim((r"$\eta = 0.25$: $\ln$ of the distance after 400 steps", r"$\eta = 0.25$：400 步后距离的 $\ln$"),
              np.log(away[-1].max()), equals=400 * np.log(1.5), within=1e-6)  # fmt: skip
    long = analysis.lyapunov_spectrum(loss, start, lr=0.4, steps=700, burn=0)
    run.claim(
        (r"$\eta = 0.4$, 700 steps: it overflows, so it is not chaotic", r"$\eta = 0.4$，700 步：溢出，因此不是混沌"),
        long.diverged and not long.chaotic,
    )
    pair = [path(loss, s, eta, steps) for s in (start, start + 1e-6)]
    both = np.log(np.abs(1 - eta * np.array([1.0, 10.0])))

    def draw(left: Any, right: Any) -> None:
        at = np.arange(steps + 1)
        left.semilogy(at, np.linalg.norm(pair[0], axis=1) + 1e-300, color="#1f5fa8", label="distance from the minimum")
        left.semilogy(
            at, np.linalg.norm(pair[1] - pair[0], axis=1) + 1e-300, color="#d1600f", label="distance of two neighbours"
        )
        left.semilogy(at, np.exp(both.max() * at), "k:", label="exp(exponent times step)")
        left.set(xlabel="step", title=rf"$\lambda = 1, 10$; $\eta = {eta:g}$", ylabel="distance")
        left.legend(fontsize="small")
        rates = np.linspace(0.005, 0.4, 400)
        for value, colour in ((1.0, "#1f5fa8"), (10.0, "#d1600f")):
            right.plot(
                rates, np.log(np.abs(1 - rates * value) + 1e-9), color=colour, label=rf"$\ln|1 - {value:g}\,\eta|$"
            )
        right.axhline(0, color="0.5", linewidth=0.8)
        right.axvspan(0.2, 0.4, color="0.85", label="diverges")
        right.plot([0.15, 0.15], found.exponents, "ko", markersize=5, label="measured")
        right.plot([0.25, 0.25], above.exponents, "ko", markersize=5)
        right.set(xlabel=r"learning rate $\eta$", ylabel="Lyapunov exponents", ylim=(-3, 1.3))
        right.legend(fontsize="small", loc="lower left")

    run.figure(
        ("Where the exponent is positive neighbours part, but only because everything runs away",
         "指数为正时相邻轨迹分离，但那只是因为一切都在发散"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
