"""What the decay of the learning rate decides: the basin where a run ends, and the noise that is left."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...viz import plots
from ..entry import item
from ..moving import grow, moments, together
from ..run import Run

S: Any = mt.optim.schedules
WELL = mt.analysis.problems.sharp_flat_well()


def decays(eta0: float, r: float, total: int) -> dict[str, Any]:
    """Both schedules from eta0 to r eta0."""
    return {
        "cosine": eta0 * S.Cosine(total, low=r * eta0, hold=True),
        "exponential": eta0 * S.ExponentialTo(r * eta0, total),
    }


def highest() -> float:
    """Where the well's loss is highest between its minima."""
    x = np.linspace(-0.9, 0.9, 1801)
    return float(x[np.argmax(mt.analysis.objective(WELL, [0.0]).values(x[:, None]))])


def walk(optimizer: Any, starts: np.ndarray, steps: int) -> np.ndarray:
    """The positions of runs from many starts on the two wells, (steps + 1, runs)."""
    x = mt.tensor(starts.copy(), requires_grad=True)
    made = optimizer([x])
    paths = np.empty((steps + 1, len(starts)))
    paths[0] = starts
    for k in range(steps):
        made.zero_grad()
        WELL(x).backward()
        made.step()
        paths[k + 1] = x.detach().numpy()
    return paths


@item(
    "schedule-changes-basin",
    kind="experiment",
    source="Deep-learning optimizers, on schedules in non-convex losses; hands-on problem 3154427",
    title=("The decay decides the basin", "衰减方式决定吸引盆"),
    statement=(
        "Between the same first and last rates, the shape of the decay may decide in which basin of a non-convex loss the "
        "run ends.",
        "即使初始与最终学习率相同，衰减曲线的形状也可能决定运行最终停在非凸损失的哪个吸引盆。",
    ),
    verdict="holds",
    ranges={"eta0": (0.02, 0.35), "r": (0.001, 0.5), "temperature": (0.0, 0.5), "steps": (20, 400)},
    random=True,
)
def schedule_changes_basin(
    run: Run, eta0: float = 0.25, r: float = 0.01, temperature: float = 0.25, steps: int = 200
) -> None:
    barrier = highest()
    starts = np.linspace(-1.4, -0.6, 801)

    def flat(rate: float, share: float = 0.01, total: int = 200) -> dict[str, np.ndarray]:
        """Which starts end in the flat basin, by schedule."""
        return {
            name: walk(lambda p, lr=lr: mt.optim.SGD(p, lr=lr), starts, total)[-1] > barrier
            for name, lr in decays(rate, share, total).items()
        }

    usual = flat(0.25)
    shares = {name: float(inside.mean()) for name, inside in usual.items()}
    run.claim(
        (r"$\eta_0 = 0.25$, cosine: share in the flat basin", r"$\eta_0 = 0.25$，余弦：停在平坦吸引盆的比例"),
        shares["cosine"],
        equals=0.965,
        within=0.02,
    )
    run.claim(
        (r"$\eta_0 = 0.25$, exponential", r"$\eta_0 = 0.25$，指数"), shares["exponential"], equals=0.336, within=0.02
    )
    run.claim(("difference", "两者之差"), shares["cosine"] - shares["exponential"], at_least=0.4)
    run.claim(
        ("share of the starts whose basin differs", "吸引盆不同的起点比例"),
        (usual["cosine"] != usual["exponential"]).mean(),
        equals=0.63,
        within=0.03,
    )
    larger = flat(0.3)
    run.claim((r"$\eta_0 = 0.3$, cosine", r"$\eta_0 = 0.3$，余弦"), larger["cosine"].mean(), equals=1.0, within=0.005)
    run.claim(
        (r"$\eta_0 = 0.3$, exponential", r"$\eta_0 = 0.3$，指数"),
        larger["exponential"].mean(),
        equals=0.806,
        within=0.02,
    )
    for rate in (0.1, 0.15, 0.2):
        both = flat(rate)
        run.claim(
            (rf"$\eta_0 = {rate}$: starts whose basin differs", rf"$\eta_0 = {rate}$：吸引盆不同的起点数"),
            (both["cosine"] != both["exponential"]).sum(),
            equals=0,
        )

    def shaken(share: float, heat: float) -> dict[str, np.ndarray]:
        """Which of three times 400 walkers, who begin in the sharp minimum, are in the flat basin: (2001, 1200)."""
        return {
            name: barrier < walk(
                lambda p, lr=lr: mt.optim.LangevinGD(p, lr=lr, temperature=heat, generator=mt.Generator(run.seed)),
                np.full(1200, -1.0), 2000,
            )
            for name, lr in decays(0.02, share, 2000).items()
        }  # fmt: skip

    shaky = shaken(0.01, 0.25)
    noisy = {name: across[-1].reshape(3, 400).mean(axis=1) for name, across in shaky.items()}
    for k in range(3):
        run.claim(
            (
                f"with noise, walkers {400 * k} to {400 * k + 399}: difference",
                f"有噪声时，第 {400 * k} 至 {400 * k + 399} 个粒子：两者之差",
            ),
            noisy["cosine"][k] - noisy["exponential"][k],
            at_least=0.12,
        )
    run.claim(
        ("with noise, cosine: share in the flat basin", "有噪声时，余弦：停在平坦吸引盆的比例"),
        noisy["cosine"].mean(),
        equals=0.530,
        relative=0.1,
    )
    run.claim(("with noise, exponential", "有噪声时，指数"), noisy["exponential"].mean(), equals=0.304, within=0.05)

    shown = flat(eta0, r, steps)
    paths = {
        name: walk(lambda p, lr=lr: mt.optim.SGD(p, lr=lr), starts[::100], steps)
        for name, lr in decays(eta0, r, steps).items()
    }
    if (r, temperature) != (0.01, 0.25):
        shaky = shaken(r, temperature)
    crossed = {name: across.mean(axis=1) for name, across in shaky.items()}

    def draw(*axes: Any) -> None:
        plots.schedules(decays(eta0, r, steps), steps, axes[0])
        axes[0].legend(fontsize="small")
        x = np.linspace(-1.6, 2.2, 300)
        axes[1].plot(x, mt.analysis.objective(WELL, [0.0]).values(x[:, None]), color="0.5", label="loss")
        axes[1].axvspan(-1.4, -0.6, color="C3", alpha=0.15, label="starts")
        axes[1].set(xlabel="x", ylabel="loss")
        axes[1].legend(fontsize="small")
        for name, colour in (("cosine", "C0"), ("exponential", "C1")):
            axes[2].plot(paths[name], color=colour, linewidth=0.7, alpha=0.7)
            axes[2].plot([], [], color=colour, label=f"{name}: {100 * shown[name].mean():.1f} % end flat")
            axes[3].plot(crossed[name], color=colour, label=name)
        axes[2].axhline(barrier, color="black", linewidth=0.8, linestyle=":", label="top of the barrier")
        axes[2].set(xlabel="step", ylabel="x", title="no noise, nine starts")
        axes[3].set(xlabel="step", ylabel="share of walkers in the flat basin", title=f"temperature {temperature:g}")
        axes[2].legend(fontsize="small")
        axes[3].legend(fontsize="small")

    run.figure(
        (
            "The longer the rate stays high, the more runs leave the sharp well (left) for the flat one, with noise and without.",
            "学习率保持较大的时间越长，从尖锐的阱（左）进入平坦的阱的运行越多，有无噪声都如此。",
        ),
        draw,
        (2, 2),
        (9.5, 7.0),
    )

    def rolling(left: Any, *wells: Any) -> Any:
        lines = []
        for name, lr in decays(eta0, r, steps).items():
            lines += left.plot([lr(k) for k in range(steps + 1)], label=name)
        left.set(xlabel="step", ylabel="learning rate", yscale="log")
        left.legend(fontsize="small")
        x = np.linspace(-1.7, 2.2, 300)
        loss = mt.analysis.objective(WELL, [0.0])
        when = moments(steps, 60, log=True)
        balls = []
        for ax, (name, places), colour in zip(wells, paths.items(), ("C0", "C1"), strict=True):
            ax.plot(x, loss.values(x[:, None]), color="0.5")
            (dots,) = ax.plot([], [], "o", color=colour, markeredgecolor="black", markersize=7)
            balls.append((dots, places, np.array([loss.values(row[:, None]) for row in places])))
            ax.set(xlabel="x", ylabel="loss", title=f"{name}: {int((places[-1] > barrier).sum())} of 9 end flat")

        def roll(k: int) -> None:
            for dots, places, heights in balls:
                dots.set_data(places[when[k]], heights[when[k]])

        return together(grow(when, *lines), roll)

    run.figure(
        ("The same nine starts under both schedules, without noise", "同样的九个起点，两种调度，无噪声"),
        rolling, (1, 3), (9.6, 3.6), frames=60, seconds=8,
    )  # fmt: skip


FLOORS = {  # rate: (name, measured end E x^2)
    "constant 0.4": (0.4 * S.Constant(), 0.261),
    "constant 0.1": (0.1 * S.Constant(), 0.0539),
    "constant 0.02": (0.02 * S.Constant(), 0.01045),
    "step decay 0.4": (0.4 * S.Step(200, 0.5), 1.2e-3),
    "1 / (t + 1)": (S.InverseTime(1.0), 5.04e-4),
    "cosine 0.4": (0.4 * S.Cosine(2000, low=2e-4, hold=True), 3.6e-3),
    "exponential 0.4": (0.4 * S.ExponentialTo(2e-4, 2000), 1.1e-3),
}  # fmt: skip


def rattle(
    rates: dict[str, Any], sigma: float, steps: int, rng: np.random.Generator, walkers: int = 2000
) -> dict[str, np.ndarray]:
    """E x^2 over the steps of SGD with gradient noise on x^2 / 2 from x = 5, by schedule: each (steps + 1,).

    All schedules feel the same noise. The noise is a term sigma xi x of the loss.
    """
    positions = [mt.tensor(np.full(walkers, 5.0), requires_grad=True) for _ in rates]
    optimizer = mt.optim.SGD(
        [{"params": [x], "lr": lr} for x, lr in zip(positions, rates.values(), strict=True)], lr=0.1
    )
    squares = [[25.0] * len(positions)]
    for _ in range(steps):
        noise = mt.tensor(sigma * rng.standard_normal(walkers))
        optimizer.zero_grad()
        for x in positions:
            (x @ (0.5 * x + noise)).backward()
        optimizer.step()
        squares.append([float(np.mean(x.detach().numpy() ** 2)) for x in positions])
    return dict(zip(rates, np.array(squares).T, strict=True))


@item(
    "lr-decay-noise-floor",
    kind="experiment",
    source="Deep-learning optimizers, decay near the optimum; chapter 6, section 6.2.2",
    title=("Decay removes the noise floor", "学习率衰减消除噪声基底"),
    statement=(
        "Near the optimum SGD with a constant rate keeps rattling at a noise floor; with a decaying rate it settles.",
        "在最优解附近，固定学习率的 SGD 停留在噪声基底上来回抖动；学习率衰减后则稳定下来。",
    ),
    verdict="holds",
    ranges={"sigma": (0.0, 3.0), "steps": (200, 4000)},
    random=True,
)
def lr_decay_noise_floor(run: Run, sigma: float = 1.0, steps: int = 2000) -> None:
    usual = rattle({name: rate for name, (rate, _) in FLOORS.items()}, 1.0, 2000, run.rng)
    for name, (_, expected) in FLOORS.items():
        run.claim(
            (rf"{name}: $E\, x^2$ after 2000 steps", rf"{name}：2000 步后的 $E\, x^2$"),
            usual[name][-1],
            equals=expected,
            relative=0.15,
        )
    for eta in (0.4, 0.1, 0.02):
        floor = eta / (2 - eta)
        run.claim(
            (
                rf"constant {eta}: mean over the last 500 steps against $\eta \sigma^2 / (\lambda (2 - \eta \lambda))$",
                rf"常数 {eta}：最后 500 步的均值与 $\eta \sigma^2 / (\lambda (2 - \eta \lambda))$ 相比",
            ),
            usual[f"constant {eta}"][-500:].mean(),
            equals=floor,
            relative=0.1,
        )
    stalled = mt.analysis.trace(
        lambda p: mt.optim.SGD(p, lr=0.4 * S.Exponential(0.9)), lambda x: 0.05 * (x * x).sum(), [5.0], steps=400
    )
    run.claim(
        (
            r"too fast, $0.4 \cdot 0.9^t$ on $0.05 x^2$ without noise: stops at",
            r"衰减过快：无噪声的 $0.05 x^2$，$0.4 \cdot 0.9^t$，停在",
        ),
        stalled.end[0],
        equals=3.33725,
        within=5e-6,
    )
    run.claim(
        (r"the same as $5 \prod (1 - 0.04 \cdot 0.9^t)$", r"即 $5 \prod (1 - 0.04 \cdot 0.9^t)$"),
        stalled.end[0],
        equals=float(5 * np.prod(1 - 0.04 * 0.9 ** np.arange(400))),
        within=1e-12,
    )
    shown = (
        usual
        if (sigma, steps) == (1.0, 2000)
        else rattle({n: rate for n, (rate, _) in FLOORS.items()}, sigma, steps, run.rng)
    )

    def draw(left: Any, right: Any) -> None:
        for k, (name, squares) in enumerate(shown.items()):
            left.plot(squares, color=f"C{k}", linewidth=1.0, label=name)
        for eta in (0.4, 0.1, 0.02):
            left.axhline(max(eta * sigma**2 / (2 - eta), 1e-12), color="0.5", linewidth=0.7, linestyle=":")
        left.set(xlabel="step", ylabel=r"$E\, x^2$", yscale="log")
        left.legend(fontsize="small", ncols=2)
        right.plot(stalled.points[:, 0], label=r"$0.4 \cdot 0.9^t$, no noise")
        right.set(
            xlabel="step", ylabel="x", ylim=(0, 5.2), xlim=(0, 100), title=r"a decay that is too fast, $f = 0.05 x^2$"
        )
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left: dotted, the floors that theory predicts. Right: the rates add up to too little to arrive.",
            r"左图虚线为理论预测的噪声基底。右图中学习率之和过小，无法到达最小值点。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
