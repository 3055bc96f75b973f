"""One rate for steep and flat directions, and what normalising the gradient does about it (eq. 6.13 to 6.17)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..moving import grow
from ..run import Run

START, GOAL = (-0.7, -0.9), (0.7, 0.0)
VALLEY = mt.analysis.problems.adam_valley


def walk(make: Any, steps: int, loss: Any = VALLEY, start: Any = START) -> np.ndarray:
    """The positions (steps + 1, 2) of an optimizer."""
    return np.asarray(mt.analysis.trace(make, loss, np.zeros(len(start)), start=start, steps=steps).points)


def descent(alpha: float, steps: int) -> np.ndarray:
    """Gradient descent in the valley."""
    return walk(lambda p: mt.optim.GradientDescent(p, lr=alpha), steps)


def normalised(alpha: float, steps: int, eps: float = 1e-8, inside: bool = False) -> np.ndarray:
    """Eq. 6.13 and 6.14 in the valley."""
    return walk(lambda p: mt.optim.NormalizedGD(p, lr=alpha, eps=eps, eps_inside_root=inside), steps)


def draw_path(ax: Any, path: np.ndarray, title: str) -> Any:
    """A path on the contour lines of the valley; returns its line."""
    x, y = np.meshgrid(np.linspace(-1, 1.4, 120), np.linspace(-1.1, 1.1, 120))
    z = 1 - np.exp(-2 * y * y - (x - 0.7) ** 2 / 8)
    ax.contourf(x, y, z, levels=16, cmap="Blues", alpha=0.6)
    (line,) = ax.plot(*path.T, "o-", color="#d1600f", markersize=2.5, linewidth=0.9, label=f"{len(path) - 1} steps")
    ax.plot(*path[0], "ks", markersize=5, label="start")
    ax.plot(*GOAL, "k*", markersize=10, label="minimum")
    ax.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title=title, xlim=(-1, 1.4), ylim=(-1.1, 1.1))
    ax.legend(fontsize="small", loc="upper left")
    return line


@item(
    "fixed-rate-dilemma",
    kind="experiment",
    source="Chapter 6, section 6.4, Figure 6.9 a-b",
    title=("No fixed rate suits both directions", "没有一个固定学习率适合两个方向"),
    statement=(
        "With a fixed rate large gradients cause large changes and small ones small changes. Where one direction is much "
        "steeper, no rate makes progress in both and stays stable.",
        "学习率固定时，梯度大则改变大，梯度小则改变小。若一个方向陡峭得多，没有哪个学习率能在两个方向上都有进展又保持稳定。",
    ),
    verdict="holds",
    ranges={"small": (0.005, 0.5), "large": (0.5, 3.0), "steps": (10, 500)},
)
def fixed_rate(run: Run, small: float = 0.05, large: float = 1.0, steps: int = 200) -> None:
    curvatures = mt.analysis.principal_axes(VALLEY, np.array(GOAL)).values
    for k, value in enumerate((0.25, 4.0)):
        run.claim(
            (f"curvature {k + 1} at the minimum", f"最小值点处的曲率 {k + 1}"),
            curvatures[k],
            equals=value,
            within=1e-12,
        )
    slow = descent(0.05, 500)
    run.claim(
        (r"$\alpha = 0.05$: first step with $|\phi_1| < 0.01$", r"$\alpha = 0.05$：首次 $|\phi_1| < 0.01$ 的步"),
        int(np.argmax(np.abs(slow[:, 1]) < 0.01)), equals=35,
    )  # fmt: skip
    run.claim(
        (r"$\alpha = 0.05$: $\phi_0$ after 200 steps", r"$\alpha = 0.05$：200 步后的 $\phi_0$"),
        slow[200, 0],
        equals=0.556,
        within=5e-4,
    )
    run.claim(
        (r"$\alpha = 0.05$: first step with $\phi_0$ within 0.01 of the minimum", r"$\alpha = 0.05$：$\phi_0$ 首次距最小值点不到 0.01 的步"),
        int(np.argmax(np.abs(slow[:, 0] - 0.7) < 0.01)), equals=413,
    )  # fmt: skip
    fast = descent(1.0, 40)
    run.claim(
        (r"$\alpha = 1$: sign flips of $\phi_1$ in 40 steps", r"$\alpha = 1$：40 步中 $\phi_1$ 的变号次数"),
        int((np.sign(fast[1:, 1]) != np.sign(fast[:-1, 1])).sum()), equals=39,
    )  # fmt: skip
    run.claim(
        (r"$\alpha = 1$: $|\phi_1|$ in the last 20 steps", r"$\alpha = 1$：最后 20 步的 $|\phi_1|$"),
        np.abs(fast[-20:, 1]),
        between=(0.15, 0.85),
    )
    run.claim(
        (r"$\alpha = 1$: $\phi_0$ after 40 steps", r"$\alpha = 1$：40 步后的 $\phi_0$"),
        fast[-1, 0],
        equals=0.696,
        within=5e-4,
    )
    shown = {small: descent(small, steps), large: descent(large, min(steps, 40))}

    def draw(*axes: Any) -> None:
        for ax, (rate, path) in zip(axes, shown.items(), strict=False):
            draw_path(ax, path, rf"$\alpha = {rate:g}$")
        for (rate, path), style in zip(shown.items(), ("-", "--"), strict=False):
            axes[2].semilogy(np.abs(path[:, 0] - 0.7), "C0" + style, label=rf"$|\phi_0 - 0.7|$, $\alpha = {rate:g}$")
            axes[2].semilogy(np.abs(path[:, 1]), "C3" + style, label=rf"$|\phi_1|$, $\alpha = {rate:g}$")
        axes[2].set(xlabel="step", ylabel="distance from the minimum", ylim=(1e-4, 3))
        axes[2].legend(fontsize="small")

    run.figure(
        ("A rate for the steep direction crawls along the flat one; a rate for the flat direction never settles in the steep one.",
         "适合陡峭方向的学习率在平缓方向上进展缓慢；适合平缓方向的学习率在陡峭方向上不能平息。"),
        draw, (1, 3), (9.6, 3.9),
    )  # fmt: skip


@item(
    "normalised-gradient",
    kind="optimizer",
    source="Chapter 6, eq. 6.13-6.14, Figure 6.9c",
    title=("Steps of fixed length in every coordinate", "每个坐标走固定的距离"),
    statement=(
        r"With $m$ the gradient and $v$ its square, $\phi \leftarrow \phi - \alpha\, m/\sqrt{v + \epsilon}$ keeps only the "
        r"signs: each coordinate moves by $\alpha$. It makes progress in all directions, but bounces round the minimum.",
        r"取 $m$ 为梯度、$v$ 为梯度平方，$\phi \leftarrow \phi - \alpha\, m/\sqrt{v + \epsilon}$ 只保留符号：每个坐标移动 "
        r"$\alpha$。各方向都有进展，但会在最小值点附近来回跳动。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Exact for $\epsilon = 0$. With $\epsilon$ inside the root the method is plain gradient descent with the rate "
        r"$\alpha/\sqrt{\epsilon}$ close to the minimum, and converges if $\alpha\lambda/\sqrt{\epsilon} < 2$.",
        r"仅当 $\epsilon = 0$ 时精确成立。$\epsilon$ 在根号内时，靠近最小值点处等同于学习率为 $\alpha/\sqrt{\epsilon}$ 的梯度下降；"
        r"若 $\alpha\lambda/\sqrt{\epsilon} < 2$，则收敛。",
    ),
    ranges={"alpha": (0.005, 0.3), "eps": (0.0, 0.1), "steps": (10, 2000)},
)
def normalised_gradient(run: Run, alpha: float = 0.08, eps: float = 1e-8, steps: int = 60) -> None:
    moves = np.abs(np.diff(normalised(0.08, 60, 0.0), axis=0))
    run.claim(
        (r"$\epsilon = 0$: distance of 60 steps from 0.08, each coordinate", r"$\epsilon = 0$：60 步中各坐标的步长与 0.08 之差"),
        np.abs(moves - 0.08).max(), at_most=1e-6,
    )  # fmt: skip
    for rate, places in ((0.08, ((0.66, -0.02), (0.74, 0.06))), (0.05, ((0.65, -0.05), (0.70, 0.0)))):
        last = normalised(rate, 61, 0.0)[-2:]
        last = last[np.argsort(last[:, 0])]
        run.claim(
            (rf"$\alpha = {rate}$: distance of the last two places from {places[0]} and {places[1]}",
             rf"$\alpha = {rate}$：最后两个位置与 {places[0]}、{places[1]} 之差"),
            np.abs(last - places).max(), at_most=1e-3,
        )  # fmt: skip
    ends = {}
    for inside_eps, limits in (
        (2e-2, {"at_most": 1e-15}),
        (1e-2, {"equals": 1.2e-4, "within": 5e-6}),
        (1e-8, {"between": (0.01, 0.05)}),
    ):
        path = long_run(inside_eps)
        ends[inside_eps] = path
        run.claim(
            (rf"$\epsilon = {inside_eps:g}$ inside the root, $\alpha = 0.05$: error after 20000 steps",
             rf"$\epsilon = {inside_eps:g}$ 在根号内，$\alpha = 0.05$：20000 步后的误差"),
            np.abs(path - GOAL).max(), **limits,
        )  # fmt: skip
    shown = normalised(alpha, steps, eps)

    def draw(left: Any, right: Any) -> None:
        draw_path(left, shown, rf"$\alpha = {alpha:g}$, $\epsilon = {eps:g}$")
        for place, style in ((2e-2, "-"), (1e-2, "-."), (1e-8, ":")):
            path = normalised(0.05, 400, place, True)
            right.semilogy(np.linalg.norm(path - GOAL, axis=1), style, label=rf"$\epsilon = {place:g}$")
        right.set(
            xlabel="step", ylabel="distance from the minimum", title=r"$\epsilon$ inside the root, $\alpha = 0.05$"
        )
        right.legend(fontsize="small")

    run.figure(
        (r"Left: steps of fixed length end in bouncing. Right: with a large $\epsilon$ inside the root the bouncing dies away.",
         r"左：固定步长最终来回跳动。右：根号内的 $\epsilon$ 较大时，跳动逐渐消失。"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip


def long_run(eps: float, steps: int = 20000) -> np.ndarray:
    """The place after many steps with eps inside the root, compiled where that is possible."""
    from ..optimizers.following import follow

    return follow(lambda p: mt.optim.NormalizedGD(p, lr=0.05, eps=eps, eps_inside_root=True), VALLEY, START, steps)[-1]  # type: ignore[no-any-return]


@item(
    "epsilon-placement",
    kind="theorem",
    source="Chapter 6, eq. 6.14 beside eq. 6.17",
    title=(r"$\epsilon$ inside or outside the root", r"$\epsilon$ 在根号内还是根号外"),
    statement=(
        r"Equation 6.14 divides by $\sqrt{v + \epsilon}$, equation 6.17 by $\sqrt{\hat v} + \epsilon$; both keep the division "
        "finite.",
        r"式 (6.14) 除以 $\sqrt{v + \epsilon}$，式 (6.17) 除以 $\sqrt{\hat v} + \epsilon$；两者都避免除以 0。",
    ),
    verdict="holds with a condition",
    correction=(
        r"They are different rules. Gradients start to count as small at $\sqrt{\epsilon} = 10^{-4}$ inside the root, at $\epsilon = 10^{-8}$ "
        r"outside; inside, the method becomes plain gradient descent near a minimum. The original has $\epsilon$ outside in "
        "both equations.",
        r"这是两条不同的规则。$\epsilon$ 在根号内时，梯度小于 $\sqrt{\epsilon} = 10^{-4}$ 便开始算小；在根号外时，界线为 $\epsilon = 10^{-8}$。"
        r"在根号内，靠近最小值点处等同于普通梯度下降。英文原书两式中的 $\epsilon$ 都在根号外。",
    ),
    ranges={"eps": (1e-12, 1e-2)},
)
def epsilon_placement(run: Run, eps: float = 1e-8) -> None:
    def steps(gradients: Any, e: float, inside: bool, adam: bool = False) -> np.ndarray:
        """step / alpha of one update for each gradient."""
        p = mt.tensor(np.zeros(len(gradients)), requires_grad=True)
        p.grad = mt.tensor(np.asarray(gradients, float))
        kind: Any = mt.optim.Adam if adam else mt.optim.NormalizedGD
        kind([p], lr=1.0, eps=e, eps_inside_root=inside).step()
        return -p.detach().numpy()

    sizes = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)
    table = {
        "inside": (
            steps(sizes, 1e-8, True),
            (0.99995, 0.70711, 0.0099995, 1e-4, 1e-6),
            (5e-6, 5e-6, 5e-8, 1e-9, 1e-11),
        ),
        "outside": (
            steps(sizes, 1e-8, False),
            (0.999999, 0.9999, 0.990, 0.5, 0.0099),
            (5e-7, 5e-5, 5e-4, 1e-9, 5e-5),
        ),
    }
    for place, (found, expected, within) in table.items():
        zh = {"inside": "根号内", "outside": "根号外"}[place]
        for size, step, value, tolerance in zip(sizes, found, expected, within, strict=True):
            run.claim(
                (rf"$\epsilon$ {place}, $|g| = {size:g}$: step over $\alpha$", rf"$\epsilon$ 在{zh}，$|g| = {size:g}$：步长与 $\alpha$ 之比"),
                step, equals=value, within=tolerance,
            )  # fmt: skip
        run.claim(
            (rf"$\epsilon$ {place}: Adam's first step is the same, distance", rf"$\epsilon$ 在{zh}：与 Adam 第一步之差"),
            np.abs(steps(sizes, 1e-8, place == "inside", True) - found).max(), at_most=1e-12,
        )  # fmt: skip
    run.table(
        ("Step over the rate", "步长与学习率之比"),
        ("|g|", "inside", "outside"),
        list(zip(sizes, table["inside"][0], table["outside"][0], strict=True)),
    )
    gradients = np.geomspace(1e-12, 1, 200)

    def draw(ax: Any) -> None:
        ax.loglog(gradients, steps(gradients, eps, True), label=r"$g/\sqrt{g^2 + \epsilon}$ (6.14)")
        ax.loglog(gradients, steps(gradients, eps, False), "--", label=r"$g/(\sqrt{g^2} + \epsilon)$ (6.17)")
        ax.axvline(eps**0.5, color="C0", linewidth=0.8, linestyle=":", label=r"$\sqrt{\epsilon}$")
        ax.axvline(eps, color="C1", linewidth=0.8, linestyle=":", label=r"$\epsilon$")
        ax.set(xlabel="size of the gradient", ylabel="step over the rate", title=rf"$\epsilon = {eps:g}$")
        ax.legend(fontsize="small")

    run.figure((r"Where the step stops being of fixed length", "步长从何处起不再固定"), draw)


@item(
    "figure-6-9",
    kind="figure",
    source="Chapter 6, Figure 6.9",
    title=("Figure 6.9: from a fixed rate to Adam", "图 6.9：从固定学习率到 Adam"),
    statement=(
        "a) A rate that suits the vertical direction crawls horizontally. b) A larger one overshoots vertically. c) Normalised "
        "gradients take steps of fixed length and oscillate in the end. d) Adam's path is smooth.",
        "a) 适合竖直方向的学习率，水平方向进展缓慢。b) 学习率加大，竖直方向过冲。c) 归一化梯度的步长固定，最后振荡。d) Adam 的路径平滑。",
    ),
    verdict="holds",
    ranges={"lr": (0.005, 0.5), "beta": (0.0, 0.99), "gamma": (0.0, 0.9999), "steps": (5, 500)},
)
def figure_6_9(run: Run, lr: float = 0.05, beta: float = 0.9, gamma: float = 0.99, steps: int = 60) -> None:
    def adam(rate: float, betas: tuple[float, float], count: int) -> np.ndarray:
        return walk(lambda p: mt.optim.Adam(p, lr=rate, betas=betas), count)

    slow, fast, fixed, smooth = (
        descent(0.05, 200),
        descent(1.0, 40),
        normalised(0.05, 40, 0.0),
        adam(0.05, (0.9, 0.99), 200),
    )
    for name, name_zh, value, expected, within in (
        (r"a) $\phi_0$ after 200 steps", r"a) 200 步后的 $\phi_0$", slow[-1, 0], 0.5559, 5e-5),
        (r"a) $\phi_1$ after 200 steps", r"a) 200 步后的 $\phi_1$", slow[-1, 1], 0.0, 1e-6),
        (r"b) $\phi_0$ after 40 steps", r"b) 40 步后的 $\phi_0$", fast[-1, 0], 0.696, 5e-4),
        (r"b) $\phi_1$ after 40 steps", r"b) 40 步后的 $\phi_1$", fast[-1, 1], 0.195, 5e-4),
        (r"b) $|\phi_1|$ after 39 steps", r"b) 39 步后的 $|\phi_1|$", abs(fast[-2, 1]), 0.76, 5e-3),
        (r"b) $|\phi_1|$ after 38 steps", r"b) 38 步后的 $|\phi_1|$", abs(fast[-3, 1]), 0.39, 5e-3),
        (r"d) $\phi_0$ after 60 steps", r"d) 60 步后的 $\phi_0$", smooth[60, 0], 0.66707, 5e-6),
        (r"d) $\phi_1$ after 60 steps", r"d) 60 步后的 $\phi_1$", smooth[60, 1], 0.02950, 5e-6),
        (r"d) $\phi_0$ after 200 steps", r"d) 200 步后的 $\phi_0$", smooth[200, 0], 0.69999, 5e-6),
        (r"d) $\phi_1$ after 200 steps", r"d) 200 步后的 $\phi_1$", smooth[200, 1], 0.00002, 5e-6),
    ):
        run.claim((name, name_zh), value, equals=expected, within=within)
    last = fixed[-2:][np.argsort(fixed[-2:, 0])]
    run.claim(
        ("c) distance of the last two places from (0.65, -0.05) and (0.70, 0)", "c) 最后两个位置与 (0.65, -0.05)、(0.70, 0) 之差"),
        np.abs(last - ((0.65, -0.05), (0.70, 0.0))).max(), at_most=1e-3,
    )  # fmt: skip
    loss = mt.analysis.objective(VALLEY, np.zeros(2))
    run.claim(("d) loss after 200 steps", "d) 200 步后的损失"), loss(smooth[200]), equals=6e-10, within=5e-11)
    shown = adam(lr, (beta, gamma), steps)

    def draw(*axes: Any) -> Any:
        titles = (
            r"a) $\alpha = 0.05$",
            r"b) $\alpha = 1$",
            r"c) normalised, $\alpha = 0.05$",
            rf"d) Adam, $\alpha = {lr:g}$",
        )
        lines = [
            draw_path(ax, path, title) for ax, path, title in zip(axes, (slow, fast, fixed, shown), titles, strict=True)
        ]
        return grow(np.concatenate([np.arange(60), np.arange(60, 201, 5)]), *lines)

    run.figure(
        ("Figure 6.9 from our own runs: two fixed rates, normalised gradients, Adam",
         "由我们的运行重绘的图 6.9：两种固定学习率、归一化梯度、Adam"),
        draw, (2, 2), (9.0, 7.4), frames=89, seconds=9,
    )  # fmt: skip
