"""Adam beside SGD: what it is made of, where it fails, which limits lead from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.adaptive import START, bowl, positions
from ..optimizers.plateau_race import race, steps_to_goal
from ..run import Run


def apart(a: Any, b: Any, steps: int) -> float:
    """How far apart two optimizers are on the bowl after so many steps, at most in a coordinate."""
    return float(np.abs(positions(a, bowl, START, steps)[-1] - positions(b, bowl, START, steps)[-1]).max())


def successful(make: Callable[..., Any], rates: np.ndarray, steps: int) -> np.ndarray:
    """At which learning rates (K,) an optimizer gets down the valley diag(1, 1000) from (1, 1)."""
    params = [mt.tensor([1.0, 1.0], requires_grad=True) for _ in rates]
    optimizer = make([{"params": [p], "lr": float(lr)} for p, lr in zip(params, rates, strict=True)])
    curvatures = np.array([1.0, 1000.0])
    for k in range(steps):
        optimizer.zero_grad()
        x = mt.stack(params)
        (0.5 * curvatures * x * x).sum().backward()
        optimizer.step()
        if k % 10 == 0:
            for group, far in zip(optimizer.param_groups, np.abs(x.detach().numpy()).max(1) > 1e6, strict=True):
                group["lr"] = 0.0 if far else group["lr"]  # given up: it would only overflow
    end = mt.stack(params).detach().numpy()
    return np.asarray(((0.5 * curvatures * end * end).sum(1) < 0.5005) & (np.abs(end[:, 0]) < 0.03))


@item(
    "adam-ideas-and-reputation",
    kind="guidance",
    source="Chapter 6, notes, the paragraph on Adam",
    title=("Where Adam comes from, and its reputation", "Adam 的由来与声誉"),
    statement=(
        "Adam joins momentum, an average of the gradient, with the smoothed squared gradients of AdaGrad, RMSProp and "
        "AdaDelta. It is the most used optimizer, gets ahead quickly and works over a wide range of settings, although "
        "its theory is disputed.",
        "Adam 结合了动量（梯度的平均）与 AdaGrad、RMSProp、AdaDelta 中平滑后的梯度平方。它使用最广，起步快，"
        "在很宽的超参数范围内都有效，尽管理论上有争议。",
    ),
    verdict="holds",
    ranges={"eta": (0.0001, 0.1), "per_decade": (1, 6)},
)
def ideas(run: Run, eta: float = 0.01, per_decade: int = 4) -> None:
    without = partial(mt.optim.Adam, lr=0.01, betas=(0.0, 0.99), bias_correction=False)
    run.claim(
        (r"$\beta_1 = 0$, no correction: distance from RMSProp", r"$\beta_1 = 0$、不做修正：与 RMSProp 之差"),
        apart(without, partial(mt.optim.RMSprop, lr=0.01, alpha=0.99), 200),
        at_most=1e-15,
    )
    run.claim(
        (
            r"$\beta_1 = 0$, corrected: distance from RMSProp with correction",
            r"$\beta_1 = 0$、做修正：与带修正的 RMSProp 之差",
        ),
        apart(
            partial(mt.optim.Adam, lr=0.01, betas=(0.0, 0.99)),
            partial(mt.optim.RMSprop, lr=0.01, alpha=0.99, bias_correction=True),
            200,
        ),
        at_most=1e-14,
    )
    large = partial(mt.optim.Adam, lr=0.01 * 1e9, eps=1e9, bias_correction=False)
    run.claim(
        (
            r"$\epsilon = 10^9$, rate $\eta\epsilon$: distance from momentum, eq. 6.11",
            r"$\epsilon = 10^9$、学习率 $\eta\epsilon$：与动量法（式 6.11）之差",
        ),
        apart(large, partial(mt.optim.Momentum, lr=0.01, beta=0.9), 100),
        at_most=1e-8,
    )
    rates = 10 ** np.linspace(-4, 1, 5 * per_decade + 1)
    good = {"Adam": successful(mt.optim.Adam, rates, 2000), "GD": successful(mt.optim.SGD, rates, 2000)}
    run.claim(
        ("decades of learning rates with which Adam succeeds", "Adam 有效的学习率所跨的数量级数"),
        float((good["Adam"].sum() - 1) / per_decade),
        at_least=3.0,
    )
    run.claim(("the same for gradient descent", "同上，梯度下降"), float(good["GD"].sum() / per_decade), at_most=0.3)
    paths = race([(-4.0, 1.0)], 0.03, 25.0, 8000)
    steps = {name: steps_to_goal(path, 25.0)[0] for name, path in paths.items()}
    run.claim(("plateau and valley: Adam's steps to $f < 0.01$", "平坦区域与山谷：Adam 到达 $f < 0.01$ 的步数"),
              float(steps["Adam"] or 0), equals=90)  # fmt: skip
    run.claim(("gradient descent's", "梯度下降的步数"), float(steps["GD"] or 0), equals=7409)
    own = {
        "Adam": partial(mt.optim.Adam, lr=eta),
        r"RMSProp ($\beta_1 = 0$)": partial(mt.optim.RMSprop, lr=eta, alpha=0.999, bias_correction=True),
        r"momentum ($\epsilon \to \infty$)": partial(mt.optim.Momentum, lr=eta, beta=0.9),
        "GD": partial(mt.optim.SGD, lr=eta),
    }
    curves = {name: positions(make, bowl, START, 300) for name, make in own.items()}
    valley = mt.analysis.problems.plateau_valley(25.0)

    def draw(left: Any, middle: Any, right: Any) -> None:
        for name, points in curves.items():
            left.plot([float(bowl(mt.tensor(x))) for x in points], label=name)
        left.set(xlabel="step", ylabel="loss", yscale="log", title=rf"A family, $\eta = {eta:g}$")
        left.legend(fontsize="small")
        for row, fits in enumerate(good.values()):
            middle.plot(rates[fits], np.full(fits.sum(), row), "o", color="C2", label="arrives" if row == 0 else None)
            middle.plot(rates[~fits], np.full((~fits).sum(), row), "x", color="0.6", label=None if row else "does not")
        middle.set(xlabel=r"$\eta$", xscale="log", yticks=[0, 1], yticklabels=list(good), ylim=(-0.6, 1.9))
        middle.set_title(r"2000 steps on diag(1, 1000)")
        middle.legend(fontsize="small")
        for name, points in paths.items():
            heights = valley(mt.tensor(points[:, 0].T)).numpy()
            right.plot(np.arange(1, len(heights) + 1), heights, label=f"{name}: {steps[name]}")
        right.set(xlabel="step", ylabel="loss", xscale="log", title="Plateau, then valley: steps needed")
        right.legend(fontsize="small")

    run.figure(
        (
            "Adam and its limits; the learning rates that work in a narrow valley; the race over a plateau.",
            "Adam 与它的各个极限；在狭窄山谷中有效的学习率；穿过平坦区域的比较。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )


@item(
    "adam-nonconvergence-online",
    kind="experiment",
    source="Chapter 6, notes, the theoretical disputes about Adam (Reddi et al. 2018)",
    title=("A convex problem on which Adam goes wrong", "让 Adam 走错方向的凸问题"),
    statement=(
        "Adam's convergence is disputed: on a convex sequence of losses it can settle at the worst point. AMSGrad, which "
        "divides by the largest second moment so far, does not.",
        "Adam 的收敛性有争议：在一列凸损失上，它可能收敛到最差的点。AMSGrad 除以迄今最大的二阶矩，可以避免这一点。",
    ),
    verdict="holds",
    ranges={"size": (2.5, 50.0), "rate": (0.01, 1.0), "steps": (500, 10000)},
)
def nonconvergence(run: Run, size: float = 3.0, rate: float = 0.1, steps: int = 5000) -> None:
    def played(sizes: tuple[float, ...], lr: float, count: int) -> dict[str, np.ndarray]:
        """{optimizer: positions (count + 1, sizes)}"""

        def rate_at(step: int) -> float:
            return lr / float(np.sqrt(step + 1))

        falling: Any = rate_at

        makers: dict[str, Callable[..., Any]] = {
            "Adam": partial(mt.optim.Adam, lr=falling),
            "AMSGrad": partial(mt.optim.Adam, lr=falling, amsgrad=True),
            "SGD": partial(mt.optim.SGD, lr=falling),
        }
        params = {name: [mt.tensor([0.0], requires_grad=True) for _ in sizes] for name in makers}
        optimizers = []
        for name, make in makers.items():
            groups: list[dict[str, Any]] = [{"params": [p]} for p in params[name]]
            for group, c in zip(groups, sizes, strict=True):
                if name != "SGD":
                    group["betas"] = (0.0, 1 / (1 + c * c))
            optimizers.append(make(groups))
        everything = [p for ps in params.values() for p in ps]
        slopes = np.array([*sizes] * len(makers))
        path = [np.zeros(len(everything))]
        for t in range(1, count + 1):
            for optimizer in optimizers:
                optimizer.zero_grad()
            (mt.concatenate(everything) * (slopes if t % 3 == 1 else -1.0)).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
            with mt.no_grad():
                for p in everything:
                    p.clamp_(-1.0, 1.0)
            path.append(np.array([p.item() for p in everything]))
        table = np.array(path).reshape(count + 1, len(makers), len(sizes))
        return {name: table[:, k] for k, name in enumerate(makers)}

    found = played((3.0, 10.0), 0.1, 5000)
    expected = {"Adam": (0.9996, 0.9996), "AMSGrad": (-0.9995, -0.9999), "SGD": (-0.9986, -0.9986)}
    for k, c in enumerate((3, 10)):
        for name, values in expected.items():
            run.claim(
                (
                    f"$C = {c}$: {name} after 5000 steps (the optimum is $-1$)",
                    f"$C = {c}$：{name} 在 5000 步后（最优为 $-1$）",
                ),
                float(found[name][-1, k]),
                equals=values[k],
                within=0.0015,
            )
    own = played((size,), rate, steps)

    def draw(left: Any, right: Any) -> None:
        for name, path in own.items():
            left.plot(path[:, 0], label=name, linewidth=0.8)
        left.axhline(-1, color="k", linestyle=":", linewidth=0.8)
        left.set(xlabel="step", ylabel="$x$", title=f"$C = {size:g}$; the best point is $-1$", ylim=(-1.1, 1.1))
        left.legend(fontsize="small")
        for name, path in own.items():
            x = path[:-1, 0]
            slope = np.where(np.arange(1, len(x) + 1) % 3 == 1, size, -1.0)
            right.plot(np.cumsum(slope * (x + 1)), label=name)
        right.set(xlabel="step", ylabel="loss so far beyond that of $x = -1$", title="Regret")
        right.legend(fontsize="small")

    run.figure(
        (
            "One gradient in three is large and points the right way; the others are small and wrong. Dividing by a short "
            "memory of their sizes lets the small ones win.",
            "每三个梯度中有一个大而正确，另两个小而错误。除以短期记忆中的梯度大小后，小的反而占了上风。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )


@item(
    "sgd-special-case-of-adam",
    kind="theorem",
    source="Chapter 6, notes, SGD versus Adam",
    title=("In which limit Adam is SGD", "Adam 在何种极限下成为 SGD"),
    statement=(
        r"SGD is said to be the special case $\beta = \gamma = 0$ of Adam.",
        r"书中说，SGD 是 Adam 在 $\beta = \gamma = 0$ 时的特例。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"With $\beta = \gamma = 0$ the step is $\alpha g / (|g| + \epsilon)$, sign descent. SGD is the limit (i) $\beta = "
        r"0$, $\epsilon \to \infty$, $\alpha = \eta\epsilon$, or (ii) exactly $\beta = 0$, $\gamma = 1$ with $v_0 = 1$ and "
        r"without the corrections. The errata of the original have $\gamma = 1$; with $v_0 = 0$ that is $0/0$ in eq. 6.16.",
        r"$\beta = \gamma = 0$ 时步长为 $\alpha g / (|g| + \epsilon)$，即符号下降。得到 SGD 有两种方式：其一，$\beta = 0$，"
        r"$\epsilon \to \infty$，$\alpha = \eta\epsilon$；其二，$\beta = 0$，$\gamma = 1$，$v_0 = 1$ 且不做修正，此时严格相等。"
        r"英文原书的勘误写 $\gamma = 1$；若 $v_0 = 0$，则式 (6.16) 为 $0/0$。",
    ),
    ranges={"eta": (0.0001, 0.1), "eps": (1e-8, 1e9), "steps": (5, 500)},
)
def special_case(run: Run, eta: float = 0.01, eps: float = 1.0, steps: int = 100, form: str = "right") -> None:
    def frozen(params: Any) -> Any:
        """Adam with gamma = 1, v = 1 and no corrections."""
        optimizer = mt.optim.Adam(params, lr=0.01, betas=(0.0, 0.5), eps=0.0, bias_correction=False)
        for group in optimizer.param_groups:
            group["betas"] = (0.0, 1.0)
            for p in group["params"]:
                optimizer.state[p]["exp_avg_sq"] = np.ones(p.shape)
        return optimizer

    sgd = partial(mt.optim.SGD, lr=0.01)
    candidate = partial(mt.optim.Adam, lr=0.01, betas=(0.0, 0.0)) if form == "printed" else frozen
    run.claim(
        (
            r"Adam that should be SGD (here $\beta = 0$, $\gamma = 1$, $v_0 = 1$): deviation after 100 steps",
            r"应为 SGD 的 Adam（此处 $\beta = 0$，$\gamma = 1$，$v_0 = 1$）：100 步后的偏差",
        ),
        apart(candidate, sgd, 100),
        at_most=1e-14,
    )
    sign = positions(partial(mt.optim.Adam, lr=0.1, betas=(0.0, 0.0)), bowl, START, 3)
    step = -np.diff(sign, axis=0) / 0.1
    for k, value in enumerate((1.0, -1.0, 1.0)):
        run.claim(
            (
                rf"$\beta = \gamma = 0$: coordinate {k}, step over $\alpha$ (downwards)",
                rf"$\beta = \gamma = 0$：第 {k} 个坐标的步长与 $\alpha$ 之比（下降方向）",
            ),
            step[:, k],
            equals=value,
            within=1e-7,
        )
    first = -np.diff(positions(partial(mt.optim.SGD, lr=0.1), bowl, START, 1), axis=0)[0] / 0.1
    for k, value in enumerate((2.0, -11.0, 8.2)):
        run.claim(
            (rf"SGD: coordinate {k}, first step over $\eta$", rf"SGD：第 {k} 个坐标第一步的步长与 $\eta$ 之比"),
            first[k],
            equals=value,
            within=1e-12,
        )
    rows = []
    for e, value in ((1.0, 0.74), (1e3, 1.1e-3), (1e6, 1.1e-6), (1e9, 1.1e-9)):
        adam = partial(mt.optim.Adam, lr=0.01 * e, betas=(0.0, 0.999), eps=e)
        found = apart(adam, sgd, 100)
        text = rf"$\beta = 0$, $\epsilon = 10^{{{np.log10(e):g}}}$: deviation from SGD after 100 steps"
        text_zh = rf"$\beta = 0$，$\epsilon = 10^{{{np.log10(e):g}}}$：100 步后与 SGD 的偏差"
        run.claim((text, text_zh), found, equals=value, within=5e-3 if e == 1 else 0.05 * value)
        rows.append((e, found))
    momentum = partial(mt.optim.Momentum, lr=0.01, beta=0.9)
    adam = partial(mt.optim.Adam, lr=0.01 * 1e9, betas=(0.9, 0.999), eps=1e9, bias_correction=False)
    run.claim(
        (
            r"$\beta = 0.9$, $\epsilon = 10^9$: deviation from momentum (eq. 6.11)",
            r"$\beta = 0.9$，$\epsilon = 10^9$：与动量法（式 6.11）的偏差",
        ),
        apart(adam, momentum, 100),
        at_most=1.2e-9,
    )
    run.table(("Deviation from SGD", "与 SGD 的偏差"), ("eps", "deviation after 100 steps"), rows)
    own = {
        "SGD": positions(partial(mt.optim.SGD, lr=eta), bowl, START, steps),
        rf"$\epsilon = {eps:g}$, $\alpha = \eta\epsilon$": positions(
            partial(mt.optim.Adam, lr=eta * eps, betas=(0.0, 0.999), eps=eps), bowl, START, steps
        ),
        r"as printed, $\beta = \gamma = 0$": positions(
            partial(mt.optim.Adam, lr=eta, betas=(0.0, 0.0)), bowl, START, steps
        ),
    }

    def draw(left: Any, right: Any) -> None:
        for (name, path), style in zip(own.items(), ("-", "--", ":"), strict=True):
            left.plot(path[:, 0], path[:, 2], style, marker=".", markersize=3, label=name)
        left.set(xlabel="coordinate 0", ylabel="coordinate 2", title=rf"$\eta = {eta:g}$, {steps} steps")
        left.legend(fontsize="small")
        right.loglog(*zip(*rows, strict=True), "o-")
        right.set(xlabel=r"$\epsilon$", ylabel="deviation from SGD after 100 steps", title=r"$\alpha = \eta\epsilon$")

    run.figure(
        (
            r"As printed every coordinate moves at one speed. With a large $\epsilon$ Adam's path becomes SGD's.",
            r"按原文，各坐标以同一速度移动。$\epsilon$ 越大，Adam 的路径越接近 SGD。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
