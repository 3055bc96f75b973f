"""Which methods leave a saddle faster, and why: momentum, Adam, Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ...viz.plots.axes import headroom
from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run
from .saddle_escape import GOAL, START, left_at, shallow_saddle

Make = Callable[[list[mt.Tensor]], Any]


def heavy_ball(lr: float, beta: float) -> Make:
    """Gradient descent with momentum, as `follow` takes it."""
    return lambda p: mt.optim.SGD(p, lr=lr, momentum=beta)


def adam(lr: float, beta1: float = 0.9, eps: float = 1e-8) -> Make:
    """Adam, as `follow` takes it."""
    return lambda p: mt.optim.Adam(p, lr=lr, betas=(beta1, 0.999), eps=eps)


def growth(lr_times_mu: float, beta: float) -> float:
    """The larger root of z^2 - (1 + beta + eta mu) z + beta: how much faster each step of the heavy ball gets."""
    return float(np.roots([1, -(1 + beta + lr_times_mu), beta]).max())


def newton(start: Any, steps: int, saddle_free: bool = False) -> np.ndarray:
    """The path of Newton's method, or with |eigenvalues| for eigenvalues: (steps + 1, 2)."""
    with np.errstate(all="ignore"):
        path = analysis.trace(
            lambda p: mt.optim.Newton(p, saddle_free=saddle_free),
            shallow_saddle(),
            np.zeros(2),
            start=start,
            steps=steps,
        )
    return np.asarray(path.points)


@item(
    "momentum-and-adam-escape-saddles",
    kind="experiment",
    source="Chapter 4, section 4.2.6, after theorem 4.2.4",
    title=("Momentum and Adam at a saddle", "鞍点处的动量法与 Adam"),
    statement=(
        "Adaptive methods such as Adam leave saddles faster by means of momentum or of second-order information: the direction that has accumulated "
        "keeps them moving.",
        "Adam 等自适应方法借助动量或二阶信息更快逃离鞍点：累积的方向使其在鞍点区域保持运动。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Momentum gives a factor of about $1/(1 - \beta)$ while $\eta\mu$ is small against $(1 - \beta)^2$: 9 at $\beta = 0.9$, but only 26 at 0.99. "
        r"Adam's factor of 1567 comes from the division by $\sqrt{\hat{v}}$, not from momentum, without which it is even faster; it shrinks when "
        r"$\epsilon$ exceeds the gradient. There is no second-order information in it: Newton's method, which has some, goes to the saddle. And all of "
        "them stay there if the component of the gradient along the way out is exactly 0.",
        r"$\eta\mu$ 远小于 $(1 - \beta)^2$ 时，动量约带来 $1/(1 - \beta)$ 倍的加速：$\beta = 0.9$ 时为 9 倍，0.99 时却只有 26 倍。"
        r"Adam 的 1567 倍来自除以 $\sqrt{\hat{v}}$ 而非动量，去掉动量反而更快；$\epsilon$ 大于梯度时，加速随之减弱。Adam 不含二阶信息；"
        r"有二阶信息的牛顿法反而走向鞍点。若沿出口方向的梯度分量恰为 0，这些方法都停在鞍点。",
    ),
    ranges={"beta": (0.0, 0.99), "eps": (1e-12, 0.1), "lr": (0.001, 0.05)},
)
def momentum_and_adam(run: Run, beta: float = 0.95, eps: float = 1e-5, lr: float = 0.01) -> None:
    loss, starts = shallow_saddle(), (START, (1.0, 0.0))
    methods: dict[str, tuple[Make, int, int]] = {
        "gradient descent": (descent(0.1), 12000, 10969),
        "heavy ball 0.9": (heavy_ball(0.1, 0.9), 1400, 1197),
        "heavy ball 0.99": (heavy_ball(0.1, 0.99), 600, 421),
        "Adam": (adam(0.01), 300, 7),
        "Adam without momentum": (adam(0.01, beta1=0.0), 300, 4),
        r"Adam, $\epsilon = 10^{-3}$": (adam(0.01, eps=1e-3), 300, 171),
    }
    zh = dict(
        zip(
            methods,
            ("梯度下降", "重球法 0.9", "重球法 0.99", "Adam", "无动量的 Adam", r"Adam，$\epsilon = 10^{-3}$"),
            strict=True,
        )
    )
    paths = {name: follow(make, loss, starts, steps) for name, (make, steps, _) in methods.items()}
    counts = {name: int(left_at(path[:, 0, 1])) for name, path in paths.items()}
    for name, (_, _, number) in methods.items():
        run.claim(
            (rf"{name}: steps until $|y| \ge 0.05$", rf"{zh[name]}：$|y| \ge 0.05$ 前的步数"),
            counts[name],
            equals=number,
        )
    run.claim(
        (r"all six from (1, 0): largest $|y|$", r"六种方法从 (1, 0) 出发：$|y|$ 的最大值"),
        max(np.abs(path[:, 1, 1]).max() for path in paths.values()),
        equals=0,
    )
    end = newton(START, 10)[-1]
    run.claim(
        ("Newton's method: distance from the saddle after 10 steps", "牛顿法：10 步后到鞍点的距离"),
        np.linalg.norm(end),
        at_most=1e-12,
    )
    slow = counts["gradient descent"]
    for name, ratio, place in (("heavy ball 0.9", 9, 0.5), ("heavy ball 0.99", 26, 0.5), ("Adam", 1567, 0.5)):
        run.claim(
            (f"{name}: so many times faster", f"{zh[name]}：加速倍数"), slow / counts[name], equals=ratio, within=place
        )
    y = paths["heavy ball 0.9"][:, 0, 1]
    run.claim(
        (r"heavy ball 0.9: growth of $y$ per step", r"重球法 0.9：$y$ 每步的倍数"),
        y[601:701] / y[600:700],
        equals=1.00924,
        within=5e-6,
    )
    run.claim(
        (r"the root of $z^2 - (1.9 + 0.001) z + 0.9$", r"$z^2 - (1.9 + 0.001) z + 0.9$ 的根"),
        growth(0.001, 0.9),
        equals=1.00924,
        within=5e-6,
    )
    own = {
        rf"heavy ball {beta:g}": follow(heavy_ball(0.1, beta), loss, START, 1000)[:, 1],
        rf"Adam, lr {lr:g}, $\epsilon$ {eps:g}": follow(adam(lr, eps=eps), loss, START, 1000)[:, 1],
    }

    def draw(left: Any, right: Any) -> None:
        for k, (name, path) in enumerate({**{name: path[:, 0, 1] for name, path in paths.items()}, **own}.items()):
            sizes = np.maximum(np.abs(path), 1e-9)
            left.loglog(np.arange(1, len(sizes)), sizes[1:], ("-", "--", "-.", ":")[k % 4], color=f"C{k}", label=name)
        left.axhline(GOAL, color="0.7", linewidth=0.8)
        left.set(xlabel="step", ylabel="$|y|$", ylim=(5e-7, 1))
        betas = np.linspace(0, 0.995, 200)
        for product, style in ((0.1, ":"), (0.01, "-."), (0.001, "-")):
            speed = np.log([growth(product, b) for b in betas]) / np.log1p(product)
            right.semilogy(1 - betas, speed, style, color="C0", label=rf"heavy ball, $\eta\mu = {product:g}$")
        right.semilogy(1 - betas, 1 / (1 - betas), "k--", linewidth=1, label=r"$1/(1 - \beta)$")
        for b, name in ((0.9, "heavy ball 0.9"), (0.99, "heavy ball 0.99")):
            right.plot(1 - b, slow / counts[name], "C1o", label="measured" if b == 0.9 else None)
        right.axhline(slow / counts["Adam"], color="C3", linewidth=1, label="Adam, measured")
        right.set(xlabel=r"$1 - \beta$", ylabel="times faster than gradient descent", xscale="log")
        headroom(left, 0.3, below=True)
        left.legend(fontsize="small", loc="lower center", ncols=2)
        right.legend(fontsize="small")

    run.figure(
        (r"Left: the way out of the saddle, $|y|$ from $10^{-6}$. Right: what momentum gains, by formula and measured",
         r"左：离开鞍点的过程，$|y|$ 从 $10^{-6}$ 开始。右：动量带来的加速，公式与实测"),
        draw, (1, 2), (9.6, 4.6),
    )  # fmt: skip
