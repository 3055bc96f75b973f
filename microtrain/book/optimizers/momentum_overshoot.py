"""A large momentum in a steep direction: what it does to a valley, and what Nesterov's look-ahead does there."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..moving import grow, together
from ..run import Run
from .following import follow, settled
from .momentum import heavy

START = (0.1, 1.0)
BETAS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)


def ravine(gamma: float) -> Any:
    """(x^2 - 1)^2 + gamma y^2."""
    return lambda p: (p[0] * p[0] - 1) ** 2 + gamma * p[1] ** 2


def nesterov(p: mt.Tensor, loss: Any, lr: float, beta: float, steps: int) -> np.ndarray:
    """The positions of Nesterov's look-ahead, whose optimizer asks for the loss itself."""
    optimizer = mt.optim.Nesterov([p], lr=lr, beta=beta, form="sum")

    def closure() -> mt.Tensor:
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        return value  # type: ignore[no-any-return]

    path = [p.detach().numpy().copy()]
    with np.errstate(all="ignore"):
        for _ in range(steps):
            optimizer.step(closure)
            path.append(p.detach().numpy().copy())
    return np.array(path)


def fate(path: np.ndarray, gamma: float) -> tuple[int, int, float]:
    """(the step at which |x| or |y| exceeds 1e6 or -1, the step from which f < 1e-6 or -1, the largest |y|)."""
    with np.errstate(all="ignore"):
        far = np.flatnonzero(~(np.abs(path) <= 1e6).all(1))
        values = (path[:, 0] ** 2 - 1) ** 2 + gamma * path[:, 1] ** 2
    return (int(far[0]) if len(far) else -1), settled(values, 1e-6), float(np.abs(path[:, 1]).max())


def limits(betas: Any, look_ahead: bool) -> list[float]:
    """The largest stable alpha lambda on a parabola for each beta: 431 of them are run at once, as rows."""
    products = np.arange(431) / 100 + 0.005
    found = []
    for beta in betas:
        if look_ahead:
            p = mt.tensor(np.ones(431), requires_grad=True)
            end = nesterov(p, lambda x: 0.5 * (products * x * x).sum(), 1.0, beta, 500)[-1]
        else:
            end = follow(heavy(1.0, beta), lambda x: 0.5 * (products * x * x).sum(), np.ones(431), 500)[-1]
        stable = np.abs(end) < 3
        found.append(float(products[np.argmin(stable)] - 0.005))
    return found


def sweep(run: Run, low: float, high: float) -> tuple[int, int, int]:
    """(settings where gradient descent stays bounded, of these the ones where x, and y, diverge with momentum)."""
    count, betas = 2000, (0.5, 0.8, 0.9, 0.95, 0.99)
    gamma, product = np.exp(run.rng.uniform(np.log(low), np.log(high), count)), run.rng.uniform(0.02, 1.0, count)
    start = np.stack([run.rng.uniform(-2, 2, count), run.rng.uniform(-1, 1, count)])
    rate = product / gamma

    params = [mt.tensor(start, requires_grad=True) for _ in range(1 + len(betas))]
    groups = [{"params": [p], "beta": beta} for p, beta in zip(params, (0.0, *betas), strict=True)]
    optimizer = mt.optim.Momentum(groups, lr=1.0, form="sum")  # each column brings its own rate
    with np.errstate(all="ignore"):
        for _ in range(400):
            optimizer.zero_grad()
            p = mt.stack(params)
            (rate * ((p[:, 0] * p[:, 0] - 1) ** 2 + gamma * p[:, 1] ** 2)).sum().backward()
            optimizer.step()
    bounded = np.abs(np.array([p.detach().numpy() for p in params])) <= 1e6
    fine = bounded[0].all(0)
    lost = ~bounded[1:, :, fine]
    return lost[:, 0].size, int(lost[:, 0].sum()), int(lost[:, 1].sum())


@item(
    "momentum-overshoot-quartic",
    kind="experiment",
    source="Deep-learning optimizers, the function $(x^2 - 1)^2 + \\gamma y^2$; hands-on problem 3154402",
    title=("Does a large momentum make a steep direction diverge?", "动量过大会使陡峭方向发散吗？"),
    statement=(
        r"For $f = (x^2 - 1)^2 + \gamma y^2$ with a large $\gamma$, a large $\beta$ is said to speed up $x$, while the velocity "
        "built up along the steep $y$ overshoots so much that the run becomes unstable or diverges.",
        r"书中称：对 $f = (x^2 - 1)^2 + \gamma y^2$，当 $\gamma$ 很大时，大的 $\beta$ 使 $x$ 方向加速，而陡峭的 $y$ 方向累积的速度造成严重过冲，"
        "使优化不稳定甚至发散。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"$y$ is a parabola of curvature $\lambda = 2\gamma$ of its own, on which the heavy ball is stable for "
        r"$\alpha\lambda < 2(1 + \beta)$: a larger $\beta$ widens the range, and what gradient descent can handle it cannot "
        r"destabilise. What does happen: the oscillation decays only like $\beta^{t/2}$, so near $\beta = 1$ it rings for long. "
        r"Divergence by a large $\beta$ belongs to Nesterov's form, whose limit is $2(1 + \beta)/(1 + 2\beta)$, or to the quartic "
        r"$x$ from a far start or with a small $\gamma$.",
        r"$y$ 方向是独立的抛物线，曲率 $\lambda = 2\gamma$，重球法在 $\alpha\lambda < 2(1 + \beta)$ 时稳定：$\beta$ 越大，稳定范围越宽，"
        r"梯度下降稳定的方向不会因动量而发散。实际情况是：振幅只按 $\beta^{t/2}$ 衰减，$\beta$ 接近 1 时振荡持续很久。"
        r"因 $\beta$ 大而发散的是 Nesterov 形式，其界限为 $2(1 + \beta)/(1 + 2\beta)$；或者是四次的 $x$ 方向，在起点远或 $\gamma$ 小时。",
    ),
    ranges={"gamma": (1.0, 1000.0), "product": (0.02, 1.9), "beta": (0.0, 0.99)},
    random=True,
)
def overshoot(run: Run, gamma: float = 100.0, product: float = 0.5, beta: float = 0.95, form: str = "right") -> None:
    ball = {
        ag: {b: follow(heavy(ag / 100, b), ravine(100.0), START, 2000) for b in BETAS} for ag in (1.2, 0.5)
    }  # fmt: skip
    table = {ag: {b: fate(path, 100.0) for b, path in paths.items()} for ag, paths in ball.items()}
    bounds = dict(zip((0.0, 0.3, 0.5, 0.8, 0.9, 0.99), limits((0.0, 0.3, 0.5, 0.8, 0.9, 0.99), False), strict=True))
    if form == "printed":  # the book: what gradient descent can handle, a large beta makes diverge
        run.claim(
            (
                r"$\alpha\gamma = 0.5$, $\beta = 0.99$: largest $|y|$, said to diverge",
                r"$\alpha\gamma = 0.5$，$\beta = 0.99$：$|y|$ 的最大值，书中称发散",
            ),
            table[0.5][0.99][2],
            at_least=1e6,
        )
        run.claim(
            (
                r"stable $\alpha\lambda$ at $\beta = 0.99$, said to be less than at $\beta = 0$",
                r"$\beta = 0.99$ 时 $\alpha\lambda$ 的稳定上限，书中称小于 $\beta = 0$ 时",
            ),
            bounds[0.99],
            at_most=bounds[0.0] - 0.01,
        )
        return
    rows = []
    for ag, settles in ((1.2, (-1, 50, 86, 182, 375, 1919)), (0.5, (286, 137, 88, 176, 359, 1840))):
        for b, step in zip(BETAS, settles, strict=True):
            lost, calm, reach = table[ag][b]
            where = rf"$\alpha\gamma = {ag}$, $\beta = {b}$"
            zh = where.replace("$, $", "$，$")
            if step < 0:
                run.claim((f"{where}: diverges at step", f"{zh}：发散的步数"), lost, equals=42)
            else:
                run.claim(
                    (f"{where}: $f < 10^{{-6}}$ for good from step", f"{zh}：此后 $f < 10^{{-6}}$ 的步数"),
                    calm,
                    equals=step,
                )
            rows.append(("heavy ball", ag, b, lost if lost >= 0 else "no", calm if calm >= 0 else "never", reach))
    run.claim(
        (
            r"$\alpha\gamma = 1.2$, $\beta > 0$: largest $|y|$ on the way",
            r"$\alpha\gamma = 1.2$，$\beta > 0$：途中 $|y|$ 的最大值",
        ),
        max(table[1.2][b][2] for b in BETAS[1:]),
        at_most=1.56,
    )
    for b, step in ((0.0, 158), (0.5, 38), (0.9, 23), (0.99, 22)):
        path = nesterov(
            mt.tensor(np.array(START), requires_grad=True), ravine(100.0), 0.9 / 100, b, 500 if b == 0 else 60
        )
        lost, calm, reach = fate(path, 100.0)
        text = (
            rf"Nesterov, $\alpha\gamma = 0.9$, $\beta = {b}$: ",
            rf"Nesterov 动量，$\alpha\gamma = 0.9$，$\beta = {b}$：",
        )
        if b == 0:
            run.claim(
                (text[0] + r"$f < 10^{-6}$ for good from step", text[1] + r"此后 $f < 10^{-6}$ 的步数"),
                calm,
                equals=step,
            )
        else:
            run.claim((text[0] + "diverges at step", text[1] + "发散的步数"), lost, equals=step)
        rows.append(("Nesterov", 0.9, b, lost if lost >= 0 else "no", calm if calm >= 0 else "never", reach))
    run.table(
        ("Start (0.1, 1), gamma = 100", "起点 (0.1, 1)，gamma = 100"),
        ("method", "alpha gamma", "beta", "diverges", "settles", "largest |y|"),
        rows,
    )
    for b, limit in bounds.items():
        run.claim(
            (
                rf"heavy ball, $\beta = {b}$: largest stable $\alpha\lambda$",
                rf"重球法，$\beta = {b}$：$\alpha\lambda$ 的稳定上限",
            ),
            limit,
            equals=2 * (1 + b),
            within=0.011,
        )
    ahead = dict(zip((0.0, 0.5, 0.9, 0.99), limits((0.0, 0.5, 0.9, 0.99), True), strict=True))
    for b, limit in ahead.items():
        run.claim(
            (
                rf"Nesterov, $\beta = {b}$: largest stable $\alpha\lambda$",
                rf"Nesterov 动量，$\beta = {b}$：$\alpha\lambda$ 的稳定上限",
            ),
            limit,
            equals=2 * (1 + b) / (1 + 2 * b),
            within=0.011,
        )
    for b, step in ((0.0, -1), (0.5, -1), (0.9, 6)):
        lost = fate(follow(heavy(0.01, b), ravine(10.0), (6.0, 0.0), 300), 10.0)[0]
        run.claim(
            (
                rf"$\alpha = 0.01$ from $x = 6$, $\beta = {b}$: $x$ diverges at step (-1: never)",
                rf"$\alpha = 0.01$，从 $x = 6$ 出发，$\beta = {b}$：$x$ 发散的步数（-1 为不发散）",
            ),
            lost,
            equals=step,
        )
    settings, in_x, in_y = sweep(run, 20, 1000)
    run.claim(
        (
            rf"$\gamma$ from 20 to 1000, {settings} random settings: how many diverge",
            rf"$\gamma$ 取 20～1000，{settings} 组随机设置：发散的组数",
        ),
        in_x + in_y,
        equals=0,
    )
    settings, in_x, in_y = sweep(run, 3, 10)
    run.claim(
        (
            rf"$\gamma$ from 3 to 10, {settings} settings: share that diverges",
            rf"$\gamma$ 取 3～10，{settings} 组设置：发散的比例",
        ),
        in_x / settings,
        between=(0.05, 0.2),
    )
    run.claim((r"of these, how many in $y$", r"其中沿 $y$ 方向发散的组数"), in_y, equals=0)
    shown = {b: follow(heavy(product / gamma, b), ravine(gamma), START, 400) for b in sorted({0.0, 0.8, beta})}

    def draw(left: Any, right: Any) -> None:
        for k, (b, path) in enumerate(shown.items()):
            left.semilogy(
                np.maximum(np.abs(np.nan_to_num(path[:, 1], posinf=1e6)), 1e-9),
                f"C{k}",
                linewidth=0.9,
                label=rf"$|y|$, $\beta = {b}$",
            )
            if b:
                left.semilogy(b ** (np.arange(401) / 2), ":", color="black", linewidth=1.5)
        left.set(
            xlabel="step", ylabel="|y|", ylim=(1e-9, 10), title=rf"$\alpha\gamma = {product}$, dotted: $\beta^{{t/2}}$"
        )
        left.legend(fontsize="small", loc="upper right")
        at = np.linspace(0, 0.999, 100)
        right.plot(at, 2 * (1 + at), "C0", label=r"heavy ball, $2(1 + \beta)$")
        right.plot(list(bounds), list(bounds.values()), "C0o", label="measured")
        right.plot(at, 2 * (1 + at) / (1 + 2 * at), "C3--", label=r"Nesterov, $2(1 + \beta)/(1 + 2\beta)$")
        right.plot(list(ahead), list(ahead.values()), "C3s", label="measured")
        right.axhline(2, color="0.7", linewidth=0.8)
        right.set(xlabel=r"$\beta$", ylabel=r"largest stable $\alpha\lambda$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: the steep direction rings, but shrinks. Right: limits of stability; momentum widens them, the look-ahead narrows them.",
            "左：陡峭方向持续振荡，但振幅减小。右：稳定性界限；重球法使其变宽，Nesterov 动量使其变窄。",
        ),
        draw,
        (1, 2),
        (9.6, 4.0),
    )

    def race(*axes: Any) -> Any:
        x, y = np.meshgrid(np.linspace(-1.6, 1.6, 90), np.linspace(-1.6, 1.6, 90))
        heights = (x * x - 1) ** 2 + gamma * y * y
        shows = []
        for ax, (b, path) in zip(axes, shown.items(), strict=False):
            ax.contour(x, y, heights, levels=np.geomspace(0.02, heights.max(), 12), colors="0.8", linewidths=0.7)
            (line,) = ax.plot(*np.clip(path[:91], -9, 9).T, "o-", color="C0", markersize=2, linewidth=0.8)
            ax.plot([-1, 1], [0, 0], "k*", markersize=9)
            ax.set(xlabel="x", ylabel="y", title=rf"$\beta = {b}$, 90 steps", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
            shows.append(grow(np.arange(91), line))
        return together(*shows)

    run.figure(
        (
            r"The same start and rate without momentum and with it: the steep $y$ is crossed to and fro, ever less widely.",
            r"起点与学习率相同，无动量与有动量：沿陡峭的 $y$ 方向来回越过谷底，幅度逐渐减小。",
        ),
        race,
        (1, len(shown)),
        (9.6, 3.8),
        frames=91,
        seconds=9,
    )
