"""Three obstacles of plain gradient descent, and what answers each."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .following import first_within, follow, walkers
from .langevin import SHARP, WELL, escape_medians
from .minibatch import linear_data, losses_of, sgd_path
from .momentum import heavy


@item(
    "gd-three-challenges",
    kind="guidance",
    source="Deep-learning optimizers, the list of three challenges",
    title=("Three obstacles, three answers", "三个困难，三种对策"),
    statement=(
        "Plain gradient descent meets three obstacles: the cost of the full gradient, ill-conditioned curvature, and a loss "
        "that is not convex. Randomness, momentum and adaptive rates answer them, and then schedules of the rate.",
        "普通梯度下降有三个困难：全批量梯度的代价、病态的曲率、非凸的损失。对策是随机性、动量与自适应学习率，再加上学习率调度。",
    ),
    verdict="holds",
    ranges={"kappa": (5.0, 500.0), "batch": (1, 500)},
    random=True,
)
def three_challenges(run: Run, kappa: float = 100.0, batch: int = 20) -> None:
    n = 2000
    X, y = linear_data(run.rng, n, 10, 0.1)
    order = run.rng.permutation(n)
    top = float(np.linalg.eigvalsh(X.T @ X / n)[-1])

    def excess(lr: float, batches: list[np.ndarray]) -> np.ndarray:
        values, best = losses_of(X, y, sgd_path(X, y, lr, batches))
        return values - best

    one, epoch = excess(1 / top, [np.arange(n)]), excess(0.2, list(order.reshape(-1, 20)))
    if run.seed == 0:
        run.claim(
            (
                "cost: excess loss after one full step (`sgd-cheap-updates`)",
                "代价：一次全批量更新后的超额损失（`sgd-cheap-updates`）",
            ),
            one[-1],
            equals=5.7e-2,
            relative=0.02,
        )
        run.claim(
            ("cost: after 100 mini-batch steps of the same cost", "代价：同样代价的 100 次小批量更新后"),
            epoch[-1],
            equals=3.0e-4,
            relative=0.1,
        )
    run.claim(("cost: the second is smaller", "代价：后者更小"), epoch[-1] / one[-1], at_most=0.1)

    def distances(k: float, method: Any, steps: int) -> np.ndarray:
        path = follow(method, mt.analysis.problems.quadratic(np.array([1.0, k])), (1.0, 1.0), steps)
        return np.linalg.norm(path, axis=1)  # type: ignore[no-any-return]

    def methods(k: float) -> dict[str, Any]:
        return {
            "gradient descent": lambda p: mt.optim.SGD(p, lr=1 / k),
            "heavy ball": heavy(*mt.analysis.polyak_parameters(1.0, k)),
        }

    for name, zh, known, count in (("gradient descent", "梯度下降", 1375, 1400), ("heavy ball", "重球法", 95, 150)):
        run.claim(
            (f"curvature: steps of {name} to 1e-6 at condition 100", f"曲率：条件数为 100 时，{zh}到 1e-6 的步数"),
            first_within(distances(100.0, methods(100.0)[name], count), 1e-6),
            equals=known,
        )
    adam = follow(
        lambda p: mt.optim.Adam(p, lr=0.05), mt.analysis.problems.quadratic(np.array([1.0, 1000.0])), (1.0, 1.0), 50
    )
    run.claim(
        (
            "curvature: Adam's two coordinates along the axes of curvatures 1 and 1000 move alike",
            "曲率：曲率为 1 和 1000 的两个坐标轴上，Adam 的两个坐标移动相同",
        ),
        np.abs(adam[:, 0] - adam[:, 1]).max(),
        at_most=1e-6,
    )
    still = follow(lambda p: mt.optim.SGD(p, lr=0.01), WELL, [SHARP], 1400)
    median = float(escape_medians((0.3,), 200, 0.01, run.seed)[0])
    run.claim(
        (
            "non-convexity: without noise the sharp valley is not left in 1400 steps",
            "非凸：没有噪声时，1400 步内不离开尖锐山谷",
        ),
        still.max(),
        at_most=-0.9,
    )
    run.claim(
        (r"non-convexity: median step of the escape at $T = 0.3$", r"非凸：$T = 0.3$ 时逃离步数的中位数"),
        median,
        equals=960,
        relative=0.4,
    )
    pieces = [order[k : k + batch] for k in range(0, n - batch + 1, batch)]
    shown = excess(0.2 if batch >= 20 else 0.02, pieces)
    races = {name: distances(kappa, method, int(15 * kappa)) for name, method in methods(kappa).items()}
    hot = np.array([float(x[0, 0]) for x in walkers(SHARP, 1, [0.3], 0.01, run.seed, WELL, 2500)])

    def draw(first: Any, second: Any, third: Any) -> None:
        first.semilogy(np.arange(len(shown)) * batch / n, np.maximum(shown, 1e-9), label=f"SGD, batches of {batch}")
        first.semilogy([0, 1], one, "o-", label="gradient descent")
        first.set(xlabel="passes over the data", ylabel="excess loss", title="cost")
        for name, values in races.items():
            second.semilogy(np.maximum(values, 1e-10), label=name)
        second.set(xlabel="step", ylabel="distance", title=rf"curvature, $\kappa = {kappa:g}$", ylim=(1e-10, 10))
        third.plot(still[: len(hot)], label="gradient descent")
        third.plot(hot, linewidth=0.7, label="with noise, T = 0.3")
        third.set(xlabel="step", ylabel="x", title="non-convexity")
        for ax in (first, second, third):
            ax.legend(fontsize="small")

    run.figure(("Each obstacle with its answer", "每个困难及其对策"), draw, (1, 3), (9.6, 3.6))
    run.note(
        "More: cost `sgd-cheap-updates`; curvature `ravine-zigzag`, `heavy-ball-momentum`, `adam-axis-dependence`; non-convexity "
        "`noise-escape-sharp-to-flat`, `figure-6-5`.",
        "更多内容：代价见 `sgd-cheap-updates`；曲率见 `ravine-zigzag`、`heavy-ball-momentum`、`adam-axis-dependence`；非凸见 "
        "`noise-escape-sharp-to-flat`、`figure-6-5`。",
    )
