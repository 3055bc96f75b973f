"""What a quadratic penalty does to a loss that is not convex, and to one that is not strictly convex."""

from __future__ import annotations

from typing import Any

import numpy as np

from microtrain import analysis
from microtrain.analysis.problems import double_well

from ..dynamics.descent import path
from ..entry import item
from ..run import Run
from .convex_losses import softmax_loss


def penalised(lam: float) -> Any:
    """(x^2 - 1)^2 / 4 + (lam / 2) x^2, added up over many runs."""
    return lambda x: double_well(x) + 0.5 * lam * (x * x).sum()


def limits(lam: float, eta: float, steps: int) -> np.ndarray:
    """Where gradient descent ends, from 41 starts in [-2, 2], each place once."""
    return np.unique(np.round(path(penalised(lam), np.linspace(-2, 2, 41), eta, steps)[-1], 3) + 0.0)


@item(
    "regularisation-restores-convexity",
    kind="experiment",
    source="Chapter 4, section 4.2.2",
    title=("Convexity by regularisation", "正则化带来的凸性"),
    statement=(
        "Some regularised losses become pseudoconvex because the parameters are restricted or convex terms added.",
        "某些正则化的损失通过限制参数空间或加入凸项而获得伪凸性。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The penalty $(\lambda/2)\|w\|^2$ lifts every curvature by $\lambda$, so it makes a loss convex once $\lambda$ is at least the size of the most negative one: 1 for this double "
        r"well. A smaller one leaves the minima apart and only moves them, to $\pm 0.71$ at $\lambda = 0.5$. A loss that is convex already becomes strongly convex.",
        r"惩罚项 $(\lambda/2)\|w\|^2$ 使所有曲率增加 $\lambda$，因此只有当 $\lambda$ 不小于最负曲率的绝对值时，损失才成为凸函数；"
        r"对这里的双阱，临界值为 1。$\lambda$ 更小时，两个极小值仍然分开，只是移动了位置：$\lambda = 0.5$ 时移到 $\pm 0.71$。已经是凸的损失则成为强凸的。",
    ),
    ranges={"lam": (0.0, 3.0), "eta": (0.01, 0.14)},
)
def restored(run: Run, lam: float = 0.75, eta: float = 0.1) -> None:
    grid = np.linspace(-2, 2, 401)[:, None]
    ends = {0.0: (-1, 0, 1), 0.5: (-(0.5**0.5), 0, 0.5**0.5), 1.5: (0,)}
    for value, lowest in ((0.0, -1.0), (0.5, -0.5), (1.0, 0.0), (1.5, 0.5)):
        curvature = analysis.curvature_on(penalised(value), grid).lowest
        run.claim((rf"double well, $\lambda = {value:g}$: smallest curvature", rf"双阱，$\lambda = {value:g}$：最小曲率"), curvature,
                  equals=lowest, within=1e-12)  # fmt: skip
        if value in ends:
            found = limits(value, 0.1, 500)
            run.claim(
                ("from 41 starts in [-2, 2]: number of limit points", "[-2, 2] 中的 41 个起点：极限点个数"),
                len(found),
                equals=len(ends[value]),
            )
            if len(found) == len(ends[value]):
                run.claim(
                    ("their distance from where they should be", "与应在位置的最大差"),
                    np.abs(found - ends[value]),
                    at_most=1e-3,
                )
    rng = np.random.default_rng(0)
    x, labels, w = rng.standard_normal((30, 4)), rng.integers(0, 3, 30), rng.standard_normal((10, 12))
    plain = softmax_loss(x, labels, 3)
    shrunk = softmax_loss(x, labels, 3, decay=0.1)
    run.claim(("linear softmax, 30 samples, 4 features, 3 classes, 10 random $W$: smallest eigenvalue", "线性 Softmax，30 个样本、4 个特征、3 类，10 个随机 $W$：最小特征值"),
              np.linalg.eigvalsh(plain.hessians(w)).min(), equals=0, within=1e-12)  # fmt: skip
    run.claim(
        (r"with $(0.1/2)\|W\|^2$", r"加 $(0.1/2)\|W\|^2$ 后"),
        np.linalg.eigvalsh(shrunk.hessians(w)).min(),
        equals=0.1,
        within=1e-10,
    )
    starts = np.linspace(-2, 2, 41)
    mine = path(penalised(lam), starts, eta, 200)

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k, value in enumerate(sorted({0.0, 0.5, 1.0, 1.5, lam})):
            f = analysis.Objective(penalised(value), np.zeros(1))
            left.plot(grid, f.values(grid), color=f"C{k}", label=rf"$\lambda = {value:g}$")
            middle.plot(grid, f.hessians(grid).ravel(), color=f"C{k}", label=rf"$\lambda = {value:g}$")
        left.set(xlabel="x", ylabel="loss", ylim=(0, 2))
        middle.axhline(0, color="black", linewidth=0.7)
        middle.set(xlabel="x", ylabel="curvature", ylim=(-1.5, 4), xlim=(-1.3, 1.3))
        right.plot(np.arange(len(mine)), mine, color="C0", linewidth=0.6)
        right.set(xlabel="step", ylabel="x", xscale="symlog", title=rf"41 starts, $\lambda = {lam:g}$")
        for ax in (left, middle):
            ax.legend(fontsize="small")

    run.figure(
        ("The double well with a penalty (left), its curvature (middle), and where gradient descent ends (right)",
         "加惩罚项的双阱（左）、其曲率（中），以及梯度下降的去向（右）"),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
