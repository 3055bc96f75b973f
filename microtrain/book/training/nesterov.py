"""Nesterov's momentum (eq. 6.12): where to look ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..moving import grow
from ..run import Run

H = np.array([[3.0, 1.0], [1.0, 40.0]])
START = (1.0, -2.0)


def look_ahead(lr: float, beta: float, steps: int, form: str) -> np.ndarray:
    """The positions of Nesterov's momentum on the quadratic of H."""
    p = mt.tensor(START, requires_grad=True)
    optimizer = mt.optim.Nesterov([p], lr=lr, beta=beta, lookahead="as_printed" if form == "printed" else "momentum")
    curvature = mt.tensor(H)

    def loss() -> mt.Tensor:
        optimizer.zero_grad()
        value = 0.5 * p @ curvature @ p
        value.backward()
        return value

    path = [p.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.step(loss)
        path.append(p.detach().numpy().copy())
    return np.array(path)


def two_sequences(lr: float, beta: float, steps: int) -> np.ndarray:
    """Nesterov's own form: x' = y - lr (1 - beta) grad(y), y' = x' + beta (x' - x)."""
    x = y = np.array(START)
    path = [x]
    for _ in range(steps):
        ahead = y - lr * (1 - beta) * (H @ y)
        y = ahead + beta * (ahead - x)
        x = ahead
        path.append(x)
    return np.array(path)


def stability_limits(betas: tuple[float, ...], form: str) -> np.ndarray:
    """The largest lr times curvature at which it does not diverge, for each beta: 2000 parabolas at once, as coordinates."""
    products = np.arange(0.005, 20, 0.01)
    params = [mt.tensor(np.ones(len(products)), requires_grad=True) for _ in betas]
    optimizer = mt.optim.Nesterov(
        [{"params": [p], "beta": beta} for p, beta in zip(params, betas, strict=True)],
        lr=1.0,
        lookahead="as_printed" if form == "printed" else "momentum",
    )

    def loss() -> mt.Tensor:
        optimizer.zero_grad()
        p = mt.stack(params)
        value = 0.5 * (products * p * p).sum()
        value.backward()
        return value  # type: ignore[no-any-return]

    with np.errstate(all="ignore"):
        for _ in range(1000):
            optimizer.step(loss)
    stable = [np.abs(p.detach().numpy()) < 1 for p in params]
    return np.array([products[np.argmin(s)] - 0.005 for s in stable])


@item(
    "nesterov",
    kind="optimizer",
    source="Chapter 6, eq. 6.12; Nesterov 1983, Sutskever et al. 2013",
    title=("Nesterov's look-ahead", "Nesterov 动量的前瞻点"),
    statement=(
        r"The gradient is taken at the predicted position $\phi - \alpha m$; then $m$ and $\phi$ move as with ordinary "
        "momentum.",
        r"梯度取在预测位置 $\phi - \alpha m$ 处，随后 $m$ 与 $\phi$ 按普通动量更新。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The momentum part of the coming step leads to $\phi - \alpha\beta m$: the printed look-ahead lacks the "
        r"factor $\beta$. With it the method becomes gradient descent at $\beta = 0$ and is stable for larger learning rates; "
        r"without it neither is true. The errata of the original have $\beta$.",
        r"动量部分会把参数带到 $\phi - \alpha\beta m$：式 (6.12) 的前瞻点少了因子 $\beta$。补上之后，$\beta = 0$ 时即为"
        r"梯度下降，稳定的学习率范围也更大；按原文则两者都不成立。英文原书的勘误中有 $\beta$。",
    ),
    ranges={"lr": (0.001, 0.3), "beta": (0.0, 0.99), "steps": (1, 1000)},
)
def nesterov(run: Run, lr: float = 0.2, beta: float = 0.9, steps: int = 60, form: str = "right") -> None:
    path, reference = look_ahead(lr, beta, steps, form), two_sequences(lr, beta, steps)
    run.claim(
        ("distance from Nesterov's two-sequence form", "与 Nesterov 双序列形式之差"),
        np.abs(path - reference).max(),
        at_most=1e-12,
    )
    plain = [START]
    for _ in range(20):
        plain.append(tuple(np.array(plain[-1]) - 0.01 * H @ np.array(plain[-1])))
    run.claim(
        (r"at $\beta = 0$: distance from gradient descent", r"$\beta = 0$ 时与梯度下降之差"),
        np.abs(look_ahead(0.01, 0.0, 20, form) - np.array(plain)).max(),
        at_most=1e-14,
    )
    rows = []
    betas = (0.0, 0.3, 0.5, 0.8, 0.9)
    limits, narrows = stability_limits(betas, form), stability_limits(betas, "printed")
    for b, limit, narrow in zip(betas, limits, narrows, strict=True):
        formula, other = 2 * (1 + b) / ((1 - b) * (1 + 2 * b)), 2 * (1 + b) / (3 * (1 - b))
        run.claim(
            (rf"$\beta = {b}$: largest stable $\alpha\lambda$", rf"$\beta = {b}$：$\alpha\lambda$ 的稳定上限"),
            limit,
            equals=formula,
            within=0.01,
        )
        run.claim(
            (rf"$\beta = {b}$: that limit for eq. 6.12 as printed", rf"$\beta = {b}$：按原文的式 (6.12)，该上限为"),
            narrow,
            equals=other,
            within=0.01,
        )
        rows.append((b, limit, formula, narrow, other))
    run.table(
        (
            r"Stability limits of $\alpha\lambda$ (learning rate times curvature)",
            r"$\alpha\lambda$（学习率与曲率之积）的稳定上限",
        ),
        ("beta", "measured", "with beta", "as printed, measured", "as printed"),
        rows,
    )
    printed = look_ahead(lr, beta, steps, "printed")
    run.claim(
        ("eq. 6.12 as printed: distance from the two sequences", "按原文的式 (6.12)：与双序列形式之差"),
        np.abs(printed - reference).max(),
        equals=0.126,
        within=5e-4,
    )
    ways = np.clip(np.nan_to_num(np.concatenate([path, printed])), -2.5, 2.5)  # a run that diverges leaves the picture
    (left, bottom), (right, top) = ways.min(0) - 0.2, ways.max(0) + 0.2

    def draw(ax: Any) -> Any:
        x, y = np.meshgrid(np.linspace(-2.5, 2.5, 120), np.linspace(-2.5, 2.5, 120))
        heights = 0.5 * (H[0, 0] * x * x + 2 * H[0, 1] * x * y + H[1, 1] * y * y)
        ax.contour(x, y, heights, levels=np.geomspace(0.01, heights.max(), 16), colors="0.8", linewidths=0.7)
        ax.plot(*reference.T, color="black", linewidth=3, alpha=0.25, label="two sequences (Nesterov 1983)")
        (ours,) = ax.plot(*path.T, "o-", markersize=3, label=r"look-ahead $\phi - \alpha\beta m$")
        (theirs,) = ax.plot(*printed.T, "s--", markersize=3, label=r"as printed, $\phi - \alpha m$")
        ax.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=(left, right), ylim=(bottom, top))
        ax.legend(fontsize="small", loc="lower left")
        return grow(np.arange(len(path)), ours, theirs)

    run.figure(("Paths on a narrow valley", "狭长山谷上的路径"), draw, size=(7.0, 5.0), frames=steps + 1, seconds=6)
