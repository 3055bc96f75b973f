"""Adam works along the axes of the parameters: a turned ravine slows it down."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import first_within, follow
from ..run import Run


@item(
    "adam-axis-dependence",
    kind="experiment",
    source="Chapter 6, section 6.4 (good progress in every direction); deep-learning optimizers, adaptive rates as preconditioning",
    title=("Adam depends on the axes", "Adam 依赖坐标轴"),
    statement=(
        "Adam is said to make good progress in every direction of the parameter space.",
        "书中称 Adam 在参数空间的各个方向都有良好进展。",
    ),
    verdict="holds with a condition",
    correction=(
        r"In every coordinate direction. Adam is not rotation invariant: a ravine turned by 45 degrees costs it most of its "
        r"advantage, and at $\kappa = 100$ it is then slower than gradient descent.",
        r"只对各坐标方向成立。Adam 不具有旋转不变性：峡谷转过 45 度，它的优势大半失去；$\kappa = 100$ 时甚至慢于梯度下降。",
    ),
    ranges={"kappa": (2.0, 1000.0), "lr": (0.01, 0.5), "angle": (0.0, 90.0)},
)
def axis_dependence(run: Run, kappa: float = 1000.0, lr: float = 0.1, angle: float = 45.0) -> None:
    def valleys(kappas: Any, angles: Any) -> tuple[Any, Any]:
        """(loss of rows of positions in turned ravines, their starts): one row for each pair."""
        k, t = np.asarray(kappas, float), np.radians(np.asarray(angles, float))
        c, s = np.cos(t), np.sin(t)

        def loss(p: mt.Tensor) -> mt.Tensor:
            along, across = c * p[:, 0] + s * p[:, 1], c * p[:, 1] - s * p[:, 0]
            return 0.5 * (along * along + k * across * across).sum()  # type: ignore[no-any-return]

        return loss, np.stack([c - s, s + c], 1)

    def heights(path: np.ndarray, kappas: Any, angles: Any) -> np.ndarray:
        k, t = np.asarray(kappas, float), np.radians(np.asarray(angles, float))
        x, y = path[..., 0], path[..., 1]
        return 0.5 * ((np.cos(t) * x + np.sin(t) * y) ** 2 + k * (np.cos(t) * y - np.sin(t) * x) ** 2)  # type: ignore[no-any-return]

    def adam_steps(kappas: Any, angles: Any, rate: float, count: int) -> list[int]:
        loss, start = valleys(kappas, angles)
        f = heights(follow(lambda p: mt.optim.Adam(p, lr=rate), loss, start, count), kappas, angles)
        return [first_within(f[:, j], 1e-4) for j in range(len(start))]

    def descent_steps(k: float, angles: Any, count: int) -> list[int]:
        loss, start = valleys([k] * len(angles), angles)
        path = follow(lambda p: mt.optim.SGD(p, lr=mt.analysis.optimal_rate(1.0, k)[0]), loss, start, count)
        return [first_within(heights(path[:, j], k, a), 1e-4) for j, a in enumerate(angles)]

    rows: list[Any] = []
    angles = (0.0, 22.5, 45.0)
    at_once = adam_steps(np.repeat([100.0, 1000.0, 10000.0], 3), angles * 3, 0.1, 4900)
    for k, counts, expected in zip(
        (100, 1000, 10000),
        np.reshape(at_once, (3, 3)),
        ((82, 302, 388), (82, 1365, 1653), (82, 4240, 4805)),
        strict=True,
    ):
        for a, taken, value in zip(angles, counts, expected, strict=True):
            run.claim(
                (
                    rf"$\kappa = {k}$, Adam with 0.1, {a:g} degrees: steps",
                    rf"$\kappa = {k}$，Adam（0.1），{a:g} 度：步数",
                ),
                int(taken),
                equals=value,
            )
        rows.append((f"Adam 0.1, kappa {k}", *map(int, counts)))
    run.claim(
        (r"$\kappa = 1000$: steps at 45 degrees over those at 0", r"$\kappa = 1000$：45 度与 0 度的步数之比"),
        rows[1][3] / rows[1][1], at_least=10,
    )  # fmt: skip
    for rate, most, wanted in ((0.03, 3700, (90, 3167, 3636)), (0.01, 6600, (285, 5953, 6527))):
        needed = adam_steps([1000.0] * 3, angles, rate, most)
        for a, n, value in zip(angles, needed, wanted, strict=True):
            run.claim(
                (
                    rf"$\kappa = 1000$, Adam with {rate}, {a:g} degrees: steps",
                    rf"$\kappa = 1000$，Adam（{rate}），{a:g} 度：步数",
                ),
                n,
                equals=value,
            )
        rows.append((f"Adam {rate}, kappa 1000", *needed))
    for each, steps, most in ((100.0, 329, 340), (1000.0, 3857, 3900), (10000.0, 44320, 44400)):
        needed = descent_steps(each, angles, most)
        run.claim(
            (rf"$\kappa = {each:g}$, gradient descent, any angle: steps", rf"$\kappa = {each:g}$，梯度下降，任意角度：步数"), needed,
            equals=steps, within=1,
        )  # fmt: skip
        rows.append((f"gradient descent, kappa {each:g}", *needed))
    run.table(
        ("Steps to a loss of 1e-4", "损失降到 1e-4 的步数"), ("method", "0 degrees", "22.5 degrees", "45 degrees"), rows
    )
    turned = np.linspace(0, 90, 19)
    curve = adam_steps([kappa] * 19, turned, lr, 3000)
    path_loss, start = valleys([kappa], [angle])
    path = follow(lambda p: mt.optim.Adam(p, lr=lr), path_loss, start, 300)[:, 0]

    def draw(left: Any, right: Any) -> None:
        left.plot(turned, [n if n >= 0 else np.nan for n in curve], "o-", label=rf"Adam, $\alpha = {lr:g}$")
        left.axhline(
            kappa * np.log(1e4 * (1 + kappa) / 2) / 4, color="C1", linestyle="--", label="gradient descent, about"
        )
        left.set(
            xlabel="angle of the ravine, degrees",
            ylabel="steps to a loss of $10^{-4}$",
            title=rf"$\kappa = {kappa:g}$",
            yscale="log",
        )
        left.legend(fontsize="small")
        x, y = np.meshgrid(np.linspace(-1.7, 1.7, 150), np.linspace(-1.7, 1.7, 150))
        z = heights(np.stack([x, y], -1), kappa, angle)
        right.contour(x, y, z, levels=np.geomspace(1e-4, 1, 9) * z.max(), colors="0.8", linewidths=0.7)
        right.plot(*path.T, "o-", markersize=2, linewidth=0.8, color="#d1600f", label="Adam, 300 steps")
        right.plot(*path[0], "ks", markersize=5, label="start")
        right.plot(0, 0, "k*", markersize=10, label="minimum")
        right.set(
            xlabel=r"$\phi_0$",
            ylabel=r"$\phi_1$",
            title=f"turned by {angle:g} degrees",
            xlim=(-1.7, 1.7),
            ylim=(-1.7, 1.7),
        )
        right.set_aspect("equal")
        right.legend(fontsize="small")

    run.figure(
        ("Left: steps over the angle. Right: in a turned ravine Adam falls to the floor and then creeps along it.",
         "左：步数随角度的变化。右：在旋转后的峡谷中，Adam 先落到谷底，随后缓慢前行。"),
        draw, (1, 2), (9.6, 4.3),
    )  # fmt: skip
