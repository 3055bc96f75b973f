"""How long noisy gradient descent stays in a sharp and in a flat well."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..entry import item
from ..run import Run
from .following import walkers
from .langevin import BARRIER, SHARP, WELL, heights

COUNT = 1200  # walkers; with 500 the shares at T = 0.2 scatter by 0.015 from seed to seed


def boltzmann(temperature: float) -> tuple[np.ndarray, np.ndarray, float]:
    """(places, the density exp(-f/T) there, its share beyond the barrier), integrated over [-20, 20]."""
    x = np.linspace(-20, 20, 8001)
    density = np.exp(-(heights(x) - heights(x).min()) / temperature)
    density /= density.sum() * (x[1] - x[0])
    return x, density, float(density[x > BARRIER].sum() * (x[1] - x[0]))


@item(
    "flat-minimum-hypothesis",
    kind="guidance",
    source="Deep-learning optimizers, flat minima and generalisation",
    title=("Does noise prefer flat minima?", "噪声偏好平坦极小值吗？"),
    statement=(
        "The escape from the sharp valley is said to support the hypothesis that the noise of SGD helps to find flat minima, "
        "which generalise better.",
        "书中认为，上面的逃离实验支持一个假说：SGD 的噪声有助于找到平坦极小值，而平坦极小值泛化更好。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The toy shows a preference for width: at equal depth the share of the time goes like one over the square root of "
        "the curvature. It falls again when the temperature is too high, is not reached in time when it is too low, and nothing here measures "
        "generalisation.",
        r"这个小例子只说明偏好宽度：深度相同时，停留时间的比例与曲率平方根的倒数成正比。温度过高，比例又下降；温度过低，来不及达到平衡。"
        "其中也没有任何量衡量泛化。",
    ),
    ranges={"temperature": (0.05, 3.0)},
    random=True,
)
def prefers_width(run: Run, temperature: float = 0.3) -> None:
    temperatures = [0.1, 0.2, 0.3, 0.6, 1.5]
    temperatures += [temperature] if temperature not in temperatures else []
    beyond = np.zeros(len(temperatures))
    bins = np.linspace(-3, 4, 141)
    counts = np.zeros(140)
    shown = temperatures.index(temperature)
    for k, x in enumerate(walkers(SHARP, COUNT, temperatures, 0.01, run.seed, WELL, 20000)):
        if k >= 10000:
            beyond += (x > BARRIER).sum(1)
            if k % 20 == 0:
                counts += np.histogram(x[shown], bins)[0]
    shares = dict(zip(temperatures, beyond / (COUNT * 10000), strict=True))
    rows = []
    for t, known in ((0.2, 0.753), (0.3, 0.740), (0.6, 0.673), (1.5, 0.582)):
        exact = boltzmann(t)[2]
        run.claim(
            (rf"$T = {t}$: Boltzmann share of the flat side", rf"$T = {t}$：平坦一侧的玻尔兹曼比例"),
            exact,
            equals=known,
            within=1e-3,
        )
        run.claim(
            (rf"$T = {t}$: measured share less the Boltzmann share", rf"$T = {t}$：实测比例与玻尔兹曼比例之差"),
            abs(shares[t] - exact),
            at_most=0.03,
        )
        rows.append((t, shares[t], exact))
    cold = boltzmann(0.1)[2]
    run.claim((r"$T = 0.1$: Boltzmann share", r"$T = 0.1$：玻尔兹曼比例"), cold, equals=0.745, within=1e-3)
    run.claim(
        (r"$T = 0.1$: measured share, not equilibrated", r"$T = 0.1$：实测比例，尚未平衡"), shares[0.1], at_most=0.15
    )
    run.claim(
        ("the share falls again when it gets hotter (0.3, 0.6, 1.5)", "温度继续升高时比例下降（0.3、0.6、1.5）"),
        shares[0.3] > shares[0.6] > shares[1.5],
    )
    run.table(
        ("Share beyond the barrier, steps 10000 to 20000", "越过势垒的比例，第 10000～20000 步"),
        ("T", "measured", "Boltzmann"),
        [(0.1, shares[0.1], cold), *rows],
    )
    places, density, _ = boltzmann(temperature)

    def draw(left: Any, right: Any) -> None:
        left.stairs(counts / (counts.sum() * (bins[1] - bins[0])), bins, fill=True, alpha=0.4, label=f"{COUNT} walkers")
        inside = np.abs(places) < 3.5
        left.plot(places[inside], density[inside], "C3", linewidth=1, label=r"$\exp(-f/T)$, normalised")
        left.axvline(BARRIER, color="k", linestyle=":", label="barrier")
        left.set(xlabel="x", ylabel="density", title=rf"$T = {temperature}$", xlim=(-2.5, 3.5))
        left.legend(fontsize="small")
        t = np.geomspace(0.05, 3, 60)
        right.semilogx(t, [boltzmann(v)[2] for v in t], "C3", label="Boltzmann")
        right.plot(list(shares), list(shares.values()), "o", label="measured, steps 10000 to 20000")
        right.axhline(0.5, color="0.7", linewidth=0.8)
        right.set(xlabel="temperature", ylabel="share of the flat side", ylim=(0, 1))
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: where the walkers are. Right: the flat side's share over the temperature.",
            "左：粒子的分布。右：平坦一侧的比例随温度的变化。",
        ),
        draw,
        (1, 2),
        (9.6, 3.8),
    )
