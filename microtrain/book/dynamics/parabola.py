"""Gradient descent on one parabola: what the learning rate decides."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..moving import grow, together
from ..run import Run

LABELS = ("monotone", "one jump", "alternating, shrinking", "two-cycle", "alternating, growing")
LABELS_ZH = dict(zip(LABELS, ("单调", "一步到达", "交替而缩小", "两点往复", "交替而发散"), strict=True))


def descend(eta: float, start: float, steps: int) -> np.ndarray:
    """The positions of gradient descent on f = x^2."""
    x = mt.tensor(start, requires_grad=True)
    optimizer = mt.optim.SGD([x], lr=eta)
    path = [x.item()]
    for _ in range(steps):
        optimizer.zero_grad()
        (x * x).backward()
        optimizer.step()
        path.append(x.item())
    return np.array(path)


def regime(path: np.ndarray) -> str:
    """Which of the five regimes a path shows."""
    if (path[1:] == 0).all():
        return LABELS[1]
    if (path * path[0] > 0).all():
        return LABELS[0]
    size = np.abs(path)
    if (size == size[0]).all():
        return LABELS[3]
    return LABELS[2] if size[-1] < size[0] else LABELS[4]


@item(
    "gd-parabola-regimes",
    kind="theorem",
    source="The dynamics of gradient descent, a one-dimensional parable",
    title=("Five regimes on a parabola", "抛物线上的五种情形"),
    statement=(
        r"On $f = x^2$ a step is $x \leftarrow (1 - 2\eta)x$. It creeps ($\eta < 1/2$), arrives at once "
        r"($\eta = 1/2$), overshoots and shrinks ($1/2 < \eta < 1$), jumps to and fro for ever ($\eta = 1$), or grows without bound "
        r"($\eta > 1$).",
        r"对 $f = x^2$，一步更新为 $x \leftarrow (1 - 2\eta)x$。$\eta < 1/2$ 时单调趋近，$\eta = 1/2$ 时一步到达，"
        r"$1/2 < \eta < 1$ 时左右交替而缩小，$\eta = 1$ 时在两点间往复，$\eta > 1$ 时交替而发散。",
    ),
    verdict="holds",
    ranges={"eta": (0.0, 3.0), "start": (-10.0, 10.0), "steps": (1, 200)},
)
def five_regimes(run: Run, eta: float = 0.1, start: float = 1.0, steps: int = 6) -> None:
    rates = (0.1, 0.25, 0.5, 0.75, 1.0, 1.1)
    expected = (0.262144, 0.015625, 0.0, 0.015625, 1.0, 2.985984)
    labels = (LABELS[0], LABELS[0], LABELS[1], LABELS[2], LABELS[3], LABELS[4])
    rows = []
    for rate, end, label in zip(rates, expected, labels, strict=True):
        path = descend(rate, 1.0, 6)
        found = regime(path)
        run.claim(
            (rf"$\eta = {rate}$: $x$ after 6 steps", rf"$\eta = {rate}$：6 步后的 $x$"),
            path[-1],
            equals=end,
            within=1e-14,
        )
        run.claim((rf"$\eta = {rate}$: {label}", rf"$\eta = {rate}$：{LABELS_ZH[label]}"), found == label)
        run.claim(
            (rf"$\eta = {rate}$: distance from $(1 - 2\eta)^t$", rf"$\eta = {rate}$：与 $(1 - 2\eta)^t$ 之差"),
            np.abs(path - (1 - 2 * rate) ** np.arange(7)).max(),
            at_most=1e-14,
        )
        rows.append((rate, found, *path))
    run.table(("Positions", "各步位置"), ("eta", "regime", *(f"x{t}" for t in range(7))), rows)

    paths = {rate: descend(rate, start, steps) for rate in rates}
    own = descend(eta, start, steps)
    kind = regime(own)
    if eta not in paths:  # it takes the place of one of its kind, and stands last
        del paths[next((rate for rate, path in paths.items() if regime(path) == kind), 0.1)]
        paths[eta] = own
    if (eta, start, steps) != (0.1, 1.0, 6):
        run.note(
            f"Your run, $\\eta = {eta:g}$ from {start:g}: {kind}; $x = {own[-1]:.6g}$ after {steps} steps.",
            f"你的运行：$\\eta = {eta:g}$，从 {start:g} 出发：{LABELS_ZH[kind]}；{steps} 步后 $x = {own[-1]:.6g}$。",
        )

    jumps = min(steps, 12)  # that are shown, in five frames each

    def draw(*axes: Any) -> Any:
        shows = []
        for ax, (rate, path) in zip(axes, paths.items(), strict=True):
            reach = 1.15 * np.abs(path[: jumps + 1]).max()
            x = np.linspace(-reach, reach, 200)
            ax.plot(x, x**2, color="0.7")
            (visited,) = ax.plot(path, path**2, "o-", markersize=4, label=regime(path))
            between = np.interp(np.arange(5 * jumps + 1) / 5, np.arange(jumps + 1), path[: jumps + 1])
            (ball,) = ax.plot(between, between**2, color="none")
            ball.set_color("C1")
            ball.set_linestyle("none")
            ax.set(title=f"$\\eta = {rate}$", xlabel="x", ylabel="f(x)")
            ax.legend(loc="upper center", fontsize="small")
            moments_shown = np.arange(5 * jumps + 1)
            shows += [grow(moments_shown, ball), grow(moments_shown // 5, visited, heads=False)]
        return together(*shows)

    run.figure(
        ("The iterates on the parabola", "抛物线上的迭代点"), draw, (2, 3), (9.6, 6), frames=5 * jumps + 1, seconds=6
    )
