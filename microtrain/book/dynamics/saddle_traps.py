"""Is gradient descent trapped at a saddle for ever? Exactly on its stable manifold, and next to it."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import strict_saddle
from microtrain.data.points import gabor_points
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..run import Run
from .descent import descend, path
from .saddle_points import GOAL, escape_steps, gabor, gabor_saddle, saddles

AWAY = 0.5  # distance from the Gabor saddle at which a run has left it


def noisy_escapes(
    rng: np.random.Generator, start: np.ndarray, runs: int, batch: int, rate: float, most: int = 1000
) -> np.ndarray:
    """After how many steps of SGD, with a fresh batch for each step and run, the runs are away from the start; -1: never."""
    model, (x, y) = mt.nn.Gabor(), (np.asarray(part) for part in gabor_points())
    model.phi_0, model.phi_1 = (mt.nn.Parameter(np.full((runs, 1), value)) for value in start)
    optimizer = mt.optim.SGD(model.parameters(), lr=rate)
    times = np.full(runs, -1)
    for step in range(1, most + 1):
        chosen = np.argpartition(rng.random((runs, len(x))), batch, axis=1)[:, :batch]
        optimizer.zero_grad()
        mse_loss(model(mt.tensor(x[chosen])), mt.tensor(y[chosen]), "sum").backward()
        optimizer.step()
        distance = np.hypot(
            *(np.asarray(p.detach()).ravel() - s for p, s in zip(model.parameters(), start, strict=True))
        )
        times[(times < 0) & (distance > AWAY)] = step
        if (times > 0).all():
            break
    return times


@item(
    "saddle-not-permanent",
    kind="experiment",
    source="The dynamics of gradient descent, escaping saddle points: not trapped for ever",
    title=("Saddles do not hold for ever", "鞍点不会永久困住梯度下降"),
    statement=(
        "Gradient descent is trapped only exactly at a saddle; the slightest push, or numerical noise, lets it roll off.",
        "梯度下降只有恰好落在鞍点上才会停住；轻微的推动或数值噪声就会使它离开。",
    ),
    verdict="holds with a condition",
    correction=(
        r"True for almost every start at strict saddles. Rounding does not always help: an exact zero stays zero for $10^5$ steps, and at a saddle "
        r"of the Gabor loss a step smaller than the spacing of the numbers changes nothing. The noise of mini-batches does help. On $y^3/3$ "
        r"gradient descent from the flat side converges to a point that is no minimum.",
        r"对严格鞍点和几乎所有起点成立。舍入误差未必有用：恰为零的分量在 $10^5$ 步后仍为零；在 Gabor 损失的鞍点处，"
        r"步长小于浮点数的间距，参数不再改变。小批量的噪声则有用。对 $y^3/3$，从平坦一侧出发的梯度下降收敛到非极小值点。",
    ),
    ranges={"batch": (1, 29), "rate": (0.005, 0.1), "runs": (20, 1000)},
    random=True,
)
def not_permanent(run: Run, batch: int = 3, rate: float = 0.05, runs: int = 500) -> None:
    end = path(strict_saddle, [1.0, 0.0], 0.1, 100000)[-1]
    run.claim((r"from $(1, 0)$: distance from the saddle after $10^5$ steps", r"从 $(1, 0)$ 出发，$10^5$ 步后到鞍点的距离"),
              np.linalg.norm(end), equals=0, within=1e-300)  # fmt: skip
    run.claim(
        (r"pushed by $10^{-12}$: leaves at step", r"偏移 $10^{-12}$ 时离开的步数"),
        escape_steps([1e-12], 0.1, 400)[0],
        equals=284,
    )
    starts = run.rng.uniform(-1, 1, (2, 10000))
    (ends,), _ = descend(saddles, [starts], 0.1, 250, saddles)
    run.claim((r"$10^4$ random starts: share that leaves", r"$10^4$ 个随机起点：离开的比例"),
              float((np.abs(ends[1]) >= GOAL).mean()), equals=1)  # fmt: skip
    saddle, found = gabor_saddle(), gabor()
    run.claim(
        (r"Gabor saddle: $\|g\|$ after refinement", r"Gabor 鞍点：精化后的 $\|g\|$"),
        saddle.gradient_norm,
        at_most=5e-15,
    )
    step, at = analysis.gd_map(found, 0.05), saddle.point
    for _ in range(2000):
        at = step(at)
    run.claim(("Gabor saddle: how far gradient descent is after 2000 steps", "Gabor 鞍点：梯度下降 2000 步后的距离"),
              np.linalg.norm(at - saddle.point), at_most=1e-12)  # fmt: skip
    times = noisy_escapes(run.rng, saddle.point, 500, 3, 0.05)
    run.claim(
        ("Gabor saddle: runs of SGD, of 500, that leave", "Gabor 鞍点：500 次 SGD 中离开的次数"),
        int((times > 0).sum()),
        equals=500,
    )
    run.claim(("their median number of steps", "所需步数的中位数"), float(np.median(times)), between=(33, 55))
    run.claim(("the longest", "所需步数的最大值"), times.max(), at_most=700)
    cubic = path(lambda p: (p**3).sum() / 3, [0.5], 0.1, 100000)[:, 0]
    run.claim((r"$f = y^3/3$ from 0.5: $y$ after $10^5$ steps", r"$f = y^3/3$ 从 0.5 出发，$10^5$ 步后的 $y$"), cubic[-1],
              equals=1.0e-4, within=5e-7)  # fmt: skip
    shown = times
    if (batch, rate, runs) != (3, 0.05, 500):
        shown = noisy_escapes(run.rng, saddle.point, runs, batch, rate)
    left_in_time = shown[shown > 0]
    pushed = np.abs(path(strict_saddle, [1.0, 1e-12], 0.1, 400)[:, 1])

    def draw(left: Any, right: Any) -> None:
        left.semilogy(pushed, color="#1f5fa8", label=r"$|y|$ of the strict saddle, pushed by $10^{-12}$")
        left.semilogy(np.abs(cubic[:401]), color="#d1600f", linestyle="--", label="$y$ on $y^3/3$ from 0.5")
        left.axhline(GOAL, color="0.6", linewidth=0.8, linestyle=":")
        left.set(xlabel="step", ylabel="distance from the critical point", ylim=(1e-13, 30))
        left.legend(fontsize="small", loc="lower right")
        right.hist(
            left_in_time, bins=40, color="#1f5fa8", alpha=0.8, label=f"{len(left_in_time)} of {len(shown)} runs of SGD"
        )
        if len(left_in_time):
            middle = float(np.median(left_in_time))
            right.axvline(middle, color="black", linestyle="--", label=f"median {middle:.0f}")
        right.set(xlabel="steps to leave the Gabor saddle", ylabel="runs")
        right.legend(fontsize="small")

    run.figure(
        ("The slightest push grows; batches of three points shake every run off the Gabor saddle",
         "微小的偏移会增长；每批 3 个样本的噪声使每次运行都离开 Gabor 鞍点"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip
