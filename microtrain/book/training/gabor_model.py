"""The Gabor model and its data (eq. 6.8 and 6.9, Figures 6.2 and 6.3): what its two parameters do."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain.data.points import gabor_points

from ..entry import item
from ..run import Run
from .gabor import X, Y, descend, landscape, many, objective, refined

PLACES = ((-5.0, 25.0), (20.0, 40.0), (3.0, 15.0))  # of Figure 6.2
TRUTH = (0.0, 16.6)  # of Figure 6.3


def curve(x: Any, phi: tuple[float, float], form: str = "right") -> np.ndarray:
    """The model; as the text describes it (form "printed"), phi_0 would be a factor of x and move nothing."""
    model = mt.nn.Gabor(0.0, phi[0] * phi[1]) if form == "printed" else mt.nn.Gabor(*phi)
    return model(mt.tensor(x)).detach().numpy()  # type: ignore[no-any-return]


def centre(phi: tuple[float, float], form: str = "right") -> float:
    """Where the wave goes through zero most steeply, by bisection."""
    x = np.linspace(-20.005, 20.001, 8001)
    y = curve(x, phi, form)
    crossings = np.flatnonzero(np.sign(y[1:]) != np.sign(y[:-1]))
    k = crossings[np.abs(y[crossings + 1] - y[crossings]).argmax()]
    low, high, side = x[k], x[k + 1], np.sign(y[k])
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (middle, high) if np.sign(curve([middle], phi, form)[0]) == side else (low, middle)
    return float((low + high) / 2)


def width(phi: tuple[float, float]) -> float:
    """The standard deviation of the envelope, from the first two extremes on one side: their ratio is the envelope's."""
    at = centre(phi)
    x = at + np.linspace(0, 16 / abs(0.06 * phi[1]), 200001)
    y = np.abs(curve(x, phi))
    tops = np.flatnonzero((y[1:-1] > y[:-2]) & (y[1:-1] > y[2:]))[:2] + 1
    u = 0.06 * phi[1] * (x[tops] - at)
    envelopes = y[tops] / np.abs(np.sin(u))
    far, near = (x[tops[1]] - at) ** 2, (x[tops[0]] - at) ** 2
    return float(np.sqrt((far - near) / (2 * np.log(envelopes[0] / envelopes[1]))))


@item(
    "gabor-model",
    kind="model",
    source="Chapter 6, eq. 6.8 and the text after it",
    title=("The Gabor model", "Gabor 模型"),
    statement=(
        r"$f = \sin(u)\, e^{-u^2/32}$ with $u = \phi_0 + 0.06\, \phi_1 x$: a wave that fades away from its centre. Two parameters, so that the "
        r"non-convex loss can be drawn. The text says that $\phi_0$ stretches or compresses it, and $\phi_1 > 0$ stretches it along x.",
        r"$f = \sin(u)\, e^{-u^2/32}$，$u = \phi_0 + 0.06\, \phi_1 x$：离中心越远振幅越小的波。它只有两个参数，非凸的损失可以画出来。"
        r"正文说 $\phi_0$ 控制函数的拉伸或压缩，$\phi_1 > 0$ 控制沿 x 方向的拉伸。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"$\phi_0$ is an offset: it moves the wave, whose centre is at $x = -\phi_0 / (0.06\, \phi_1)$, and leaves its width alone. Only $\phi_1$ "
        r"scales. The caption of Figure 6.2 is right; the original speaks of the mean position. The sign of $\phi_1$ is a convention: "
        r"$\phi \to -\phi$ only turns $f$ upside down.",
        r"$\phi_0$ 是偏移：它移动中心在 $x = -\phi_0 / (0.06\, \phi_1)$ 处的波，不改变宽度；改变宽度的只有 $\phi_1$。图 6.2 的图注是对的，"
        r"英文原书说的也是平均位置。$\phi_1$ 的符号只是约定：$\phi \to -\phi$ 仅使 $f$ 变号。",
    ),
    ranges={"phi_0": (-8.0, 8.0), "phi_1": (5.0, 40.0), "shift": (-5.0, 5.0)},
)
def gabor_model(run: Run, phi_0: float = -2.0, phi_1: float = 20.0, shift: float = 2.0, form: str = "right") -> None:
    x = np.linspace(-15, 15, 601)
    for phi, at, deviation in zip(PLACES, (3.3333, -8.3333, -3.3333), (2.667, 1.667, 4.444), strict=True):
        name = f"$\\phi = ({phi[0]:g}, {phi[1]:g})$"
        run.claim((f"{name}: the wave's centre", f"{name}：波的中心"), centre(phi, form), equals=at, within=5e-5)
        run.claim(
            (f"{name}: standard deviation of the envelope", f"{name}：包络的标准差"),
            width(phi),
            equals=deviation,
            within=5e-4,
        )
        flipped = curve(x, (-phi[0], -phi[1])) + curve(x, phi)
        run.claim(
            (rf"{name}: $f(x; -\phi) + f(x; \phi)$", rf"{name}：$f(x; -\phi) + f(x; \phi)$"),
            np.abs(flipped).max(),
            at_most=1e-15,
        )
    moved = centre((-4.0, 25.0), form) - centre((-5.0, 25.0), form)
    run.claim((r"$\phi_0$ up by 1 at $\phi_1 = 25$: the centre moves by", r"$\phi_1 = 25$ 时 $\phi_0$ 增加 1：中心移动"), moved,
              equals=-0.6667, within=5e-5)  # fmt: skip
    u = mt.tensor(np.linspace(-12, 12, 200), requires_grad=True)
    model = mt.nn.Gabor(0.0, 1 / 0.06)
    model(u).sum().backward()
    v = u.detach().numpy()
    run.claim(
        (r"autodiff against $h' = e^{-u^2/32}(\cos u - \frac{u \sin u}{16})$", r"自动微分与 $h' = e^{-u^2/32}(\cos u - \frac{u \sin u}{16})$ 之差"),
        np.abs(np.array(u.grad) - np.exp(-v * v / 32) * (np.cos(v) - v * np.sin(v) / 16)).max(), at_most=1e-14,
    )  # fmt: skip
    shown = ((phi_0, phi_1), (phi_0 + shift, phi_1), (phi_0, 2 * phi_1))

    def draw(left: Any, right: Any) -> None:
        for ax, both, what in ((left, shown[:2], "phi_0"), (right, (shown[0], shown[2]), "phi_1")):
            for k, phi in enumerate(both):
                ax.plot(x, curve(x, phi), color=f"C{k}", label=rf"$\phi = ({phi[0]:g}, {phi[1]:g})$")
                spread = np.exp(-((phi[0] + 0.06 * phi[1] * x) ** 2) / 32)
                ax.fill_between(x, -spread, spread, color=f"C{k}", alpha=0.08)
                ax.axvline(-phi[0] / (0.06 * phi[1]), color=f"C{k}", linestyle=":", linewidth=1)
            ax.set(xlabel="x", ylabel="f(x)", title=rf"$\{what}$ changes", ylim=(-1.05, 1.35), xlim=(-15, 15))
            ax.legend(fontsize="small", loc="upper right")

    run.figure((r"$\phi_0$ moves the wave; $\phi_1$ squeezes it towards $x = 0$. Dotted: the centres.",
                r"$\phi_0$ 移动波；$\phi_1$ 使波向 $x = 0$ 收缩。虚线为中心位置。"), draw, (1, 2), (9.6, 4.0))  # fmt: skip


@item(
    "gabor-loss",
    kind="definition",
    source="Chapter 6, eq. 6.9",
    title=("The loss of the Gabor model", "Gabor 模型的损失"),
    statement=(
        r"Least squares again: $L(\phi) = \sum_i (f(x_i, \phi) - y_i)^2$ over the 30 points; the $\phi$ of least loss is wanted.",
        r"仍是最小二乘：$L(\phi) = \sum_i (f(x_i, \phi) - y_i)^2$，对 30 个点求和；目标是使损失最小的 $\phi$。",
    ),
    verdict="holds",
    ranges={"phi_0": (-10.0, 10.0), "phi_1": (2.5, 22.5)},
)
def gabor_loss(run: Run, phi_0: float = 0.0, phi_1: float = 16.6) -> None:
    loss = objective()
    for phi, expected, place in (((0.6, -0.2), 16.41883, 5e-6), (TRUTH, 0.67991, 5e-6)):
        run.claim(
            (f"$L({phi[0]:g}, {phi[1]:g})$", f"$L({phi[0]:g}, {phi[1]:g})$"), loss(phi), equals=expected, within=place
        )
    lowest = refined((0.0, 16.0))
    run.claim(("the lowest minimum of the window", "窗口内最低的极小值"), lowest.value, equals=0.6456961, within=5e-8)
    u = 0.6 + 0.06 * -0.2 * X
    run.claim(("distance from the formula in NumPy", "与 NumPy 按公式计算之差"),
              abs(loss((0.6, -0.2)) - ((np.sin(u) * np.exp(-u * u / 32) - Y) ** 2).sum()), at_most=1e-12)  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        x = np.linspace(-15, 15, 400)
        for k, phi in enumerate(((phi_0, phi_1), tuple(lowest.point))):
            label = f"$\\phi = ({phi[0]:.3g}, {phi[1]:.4g})$, loss {loss(phi):.4g}"
            left.plot(x, curve(x, phi), "-" if k else "--", label=label)
        left.plot(X, Y, "ko", markersize=4)
        left.set(xlabel="x", ylabel="y", ylim=(-1.2, 1.5))
        left.legend(fontsize="small", loc="upper left")
        landscape().plot(right)
        right.plot(phi_0, phi_1, "o", color="white", markeredgecolor="black")

    run.figure(("Two fits, and the loss of all", "两条拟合曲线，以及全部参数的损失"), draw, (1, 2), (9.6, 4.4))


@item(
    "figure-6-2",
    kind="figure",
    source="Chapter 6, Figure 6.2",
    title=("Figure 6.2: three Gabor curves", "图 6.2：三条 Gabor 曲线"),
    statement=(
        r"Three curves of the model. $\phi_0$ fixes where the wave is (larger: further left), $\phi_1$ how much it is squeezed towards its centre "
        "(larger: narrower).",
        r"模型的三条曲线。$\phi_0$ 决定波的位置（越大越靠左），$\phi_1$ 决定波向中心收缩的程度（越大越窄）。",
    ),
    verdict="holds with a condition",
    correction=(
        r"$\phi_1$ squeezes towards $x = 0$, not towards the wave's own centre, unless $\phi_0 = 0$: at $\phi_0 = -5$ doubling $\phi_1$ from 25 "
        r"to 50 moves the centre from 3.33 to 1.67. And further left needs $\phi_1 > 0$.",
        r"$\phi_1$ 使波向 $x = 0$ 收缩，只有 $\phi_0 = 0$ 时才是向自身中心收缩：$\phi_0 = -5$ 时，$\phi_1$ 从 25 加倍到 50，中心从 3.33 移到 1.67。"
        r"“越大越靠左”还要求 $\phi_1 > 0$。",
    ),
    ranges={"phi_0": (-20.0, 20.0), "phi_1": (5.0, 50.0)},
)
def figure_6_2(run: Run, phi_0: float = -5.0, phi_1: float = 50.0) -> None:
    run.claim((r"$\phi_0$ up by 1 at $\phi_1 = 25$: the crossing moves by", r"$\phi_1 = 25$ 时 $\phi_0$ 增加 1：零点移动"),
              centre((1.0, 25.0)) - centre((0.0, 25.0)), equals=-0.6667, within=5e-5)  # fmt: skip
    run.claim(
        (r"the same at $\phi_1 = -25$", r"$\phi_1 = -25$ 时"),
        centre((1.0, -25.0)) - centre((0.0, -25.0)),
        equals=0.6667,
        within=5e-5,
    )
    for second, spread, at in ((25.0, 2.667, 3.33), (50.0, 1.333, 1.67)):
        phi = (-5.0, second)
        run.claim(
            (rf"$\phi_1 = {second:g}$: width of the envelope", rf"$\phi_1 = {second:g}$：包络的宽度"),
            width(phi),
            equals=spread,
            within=5e-4,
        )
        run.claim(
            (rf"$\phi_0 = -5$, $\phi_1 = {second:g}$: the centre", rf"$\phi_0 = -5$，$\phi_1 = {second:g}$：中心"),
            centre(phi),
            equals=at,
            within=5e-3,
        )
    run.claim((r"$\phi_0 = 0$: the centre stays when $\phi_1$ doubles", r"$\phi_0 = 0$：$\phi_1$ 加倍时中心不动"),
              centre((0.0, 50.0)) - centre((0.0, 25.0)), equals=0, within=1e-9)  # fmt: skip

    def draw(*axes: Any) -> None:
        x = np.linspace(-15, 15, 601)
        for ax, phi in zip(axes, (*PLACES, (phi_0, phi_1)), strict=True):
            ax.plot(x, curve(x, phi), label="model")
            spread = np.exp(-((phi[0] + 0.06 * phi[1] * x) ** 2) / 32)
            ax.fill_between(x, -spread, spread, color="0.6", alpha=0.2, label="envelope")
            ax.axvline(-phi[0] / (0.06 * phi[1]), color="C3", linestyle=":", label="centre")
            ax.set(xlabel="x", ylabel="y", ylim=(-1.05, 1.05), title=rf"$\phi_0 = {phi[0]:g}$, $\phi_1 = {phi[1]:g}$")
        axes[0].legend(fontsize="small", loc="lower left")

    run.figure(
        ("The three curves of the book, and one of your choice", "书中的三条曲线，以及自选参数的一条"),
        draw,
        (2, 2),
        (9.5, 6.0),
    )


@item(
    "figure-6-3",
    kind="figure",
    source="Chapter 6, Figure 6.3",
    title=("Figure 6.3: the training set", "图 6.3：训练集"),
    statement=(
        r"28 training pairs: x uniform on $[-15, 15]$, y the Gabor function at $\phi = (0, 16.6)$ plus Gaussian noise.",
        r"28 个训练样本：x 在 $[-15, 15]$ 上均匀分布，y 为 $\phi = (0, 16.6)$ 的 Gabor 函数加高斯噪声。",
    ),
    verdict="holds with a condition",
    correction=(
        "The companion notebooks have 30 pairs, and the losses printed in Figure 6.4 are of these 30. That their x are uniform is doubtful: 20 of 30 "
        "are negative, and a Kolmogorov-Smirnov test gives p = 0.015.",
        "配套笔记本给出的是 30 个样本，图 6.4 中的损失也由这 30 个点算出。x 是否均匀值得怀疑：30 个中有 20 个为负，"
        "Kolmogorov-Smirnov 检验给出 p = 0.015。",
    ),
    ranges={"n": (10, 200), "noise": (0.0, 0.5)},
)
def figure_6_3(run: Run, n: int = 28, noise: float = 0.15) -> None:
    from scipy.stats import kstest

    run.claim(("pairs in the notebooks", "笔记本中的样本数"), len(gabor_points().inputs), equals=30)
    residuals = Y - curve(X, TRUTH)
    run.claim(
        ("standard deviation of their residuals at $(0, 16.6)$", "在 $(0, 16.6)$ 处残差的标准差"),
        np.std(residuals),
        equals=0.1498,
        within=5e-5,
    )
    run.claim(("negative inputs", "为负的输入个数"), int((X < 0).sum()), equals=20)
    run.claim(("Kolmogorov-Smirnov test for a uniform x: p", "x 均匀性的 Kolmogorov-Smirnov 检验：p"),
              kstest(X, "uniform", (-15, 30)).pvalue, equals=0.015, within=5e-4)  # fmt: skip

    def drawn(count: int, spread: float) -> tuple[list[Any], np.ndarray, np.ndarray]:
        sets = [mt.data.make_gabor(count, TRUTH, spread, generator=mt.Generator(seed)) for seed in range(10)]
        x, y = (mt.stack([s[k] for s in sets]) for k in range(2))
        ends = descend(np.tile(TRUTH, (10, 1)), 0.03, 1400, (x, y))
        return sets, ends, ((many(ends)(x) - y) ** 2).sum(1).detach().numpy()

    sets, ends, losses = drawn(28, 0.15)
    run.claim(
        (r"ten drawn sets: largest $|\phi_0|$ that is learned", r"10 组随机数据：学到的最大 $|\phi_0|$"),
        np.abs(ends[:, 0]).max(),
        at_most=0.3,
    )
    run.claim(
        (r"largest distance of $\phi_1$ from 16.6", r"$\phi_1$ 与 16.6 的最大差距"),
        np.abs(ends[:, 1] - 16.6).max(),
        at_most=2,
    )
    run.claim(("their lowest loss", "其中最低的损失"), losses.min(), equals=0.31, within=5e-3)
    run.claim(("their highest loss", "其中最高的损失"), losses.max(), equals=0.92, within=5e-3)
    if (n, noise) != (28, 0.15):
        sets, ends, losses = drawn(n, noise)

    def draw(left: Any, right: Any) -> None:
        x = np.linspace(-15, 15, 400)
        left.plot(x, curve(x, TRUTH), color="0.6", label="truth, without noise")
        left.plot(X, Y, "ko", markersize=4, label="30 points of the notebooks")
        left.plot(
            *(part.numpy() for part in sets[0]), "o", color="C1", markersize=4, alpha=0.7, label=f"{n} points, drawn"
        )
        left.set(xlabel="x", ylabel="y", ylim=(-1.3, 1.7))
        scatter = right.scatter(*ends.T, c=losses, cmap="viridis")
        right.figure.colorbar(scatter, ax=right, label="loss")
        right.plot(*TRUTH, "r*", markersize=12, label="truth")
        right.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title="learned from ten drawn sets")
        for ax in (left, right):
            ax.legend(fontsize="small", loc="upper left")

    run.figure(
        ("The points, and what is learned from sets like them", "样本，以及从类似数据中学到的参数"),
        draw,
        (1, 2),
        (9.6, 4.0),
    )
