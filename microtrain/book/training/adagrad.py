"""AdaGrad and AdaDelta: rates made of the squared gradients so far, all of them or the latest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.adaptive import CURVATURES, START, bowl, fed, positions
from ..run import Run


def in_numpy(rule: Callable[..., tuple[np.ndarray, Any]], steps: int = 200) -> np.ndarray:
    """The same path from the printed formula: rule(g, state) gives the step and the new state."""
    w, state = np.array(START), None
    path = [w]
    for _ in range(steps):
        step, state = rule(CURVATURES * w + w**3, state)
        w = w - step
        path.append(w)
    return np.array(path)


def compare(run: Run, path: np.ndarray, ends: tuple[float, ...], reference: np.ndarray) -> None:
    """Claims on the end of 200 steps, and on every step."""
    for k, end in enumerate(ends):
        text = (f"coordinate {k} after 200 steps", f"200 步后的第 {k} 个坐标")
        run.claim(text, path[-1, k], equals=end, within=1e-8)
    run.claim(
        ("distance from the printed formula, in NumPy", "与用 NumPy 直接计算的公式之差"),
        np.abs(path - reference).max(),
        at_most=1e-14,
    )


@item(
    "adagrad",
    kind="optimizer",
    source="Chapter 6, notes, adaptive methods (Duchi et al. 2011)",
    title=("AdaGrad: a rate of its own for each parameter", "AdaGrad：每个参数各有学习率"),
    statement=(
        r"The squared gradients are added up, $s_t = s_{t-1} + g_t^2$, and each parameter moves by "
        r"$\eta\, g_t / (\sqrt{s_t} + \epsilon)$: its rate falls with what its gradients have amounted to.",
        r"累积梯度平方 $s_t = s_{t-1} + g_t^2$，每个参数移动 $\eta\, g_t / (\sqrt{s_t} + \epsilon)$：以往的梯度越大，"
        r"该参数的学习率越低。",
    ),
    verdict="holds",
    ranges={"eta": (0.001, 2.0), "steps": (5, 2000)},
)
def adagrad(run: Run, eta: float = 0.1, steps: int = 200) -> None:
    def printed(g: np.ndarray, s: Any) -> tuple[np.ndarray, Any]:
        s = g * g if s is None else s + g * g
        return 0.1 * g / (np.sqrt(s) + 1e-10), s

    path = positions(lambda p: mt.optim.Adagrad(p, lr=0.1), bowl, START, 200)
    compare(run, path, (0.01061133, -0.00157194, 0.68249976), in_numpy(printed))
    p = mt.tensor([0.0], requires_grad=True)
    optimizer = mt.optim.Adagrad([p], lr=0.1)
    p.grad = mt.tensor([1.0])
    distance = [0.0]
    for _ in range(10_000):
        optimizer.step()
        distance.append(-p.item())
    run.claim(
        (r"constant gradient 1: distance after $10^4$ steps", r"梯度恒为 1：$10^4$ 步走过的距离"),
        distance[-1],
        equals=19.854,
        within=5e-4,
    )
    run.claim(
        (r"the same over $2 \eta \sqrt{T}$", r"上述距离与 $2 \eta \sqrt{T}$ 之比"),
        distance[-1] / 20,
        equals=1.0,
        within=0.01,
    )
    own = positions(lambda p: mt.optim.Adagrad(p, lr=eta), bowl, START, steps)
    rates = eta / np.sqrt(np.cumsum((CURVATURES * own + own**3) ** 2, axis=0))

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k, curvature in enumerate(CURVATURES):
            left.plot(np.abs(own[:, k]), label=rf"$\lambda = {curvature:g}$")
            middle.plot(rates[:, k], label=rf"$\lambda = {curvature:g}$")
        left.set(xlabel="step", ylabel="distance from the minimum", title=rf"$\eta = {eta:g}$")
        middle.set(xlabel="step", ylabel=r"$\eta/\sqrt{s_t}$", yscale="log", title="The rate of each parameter")
        left.legend(fontsize="small")
        middle.legend(fontsize="small")
        right.plot(distance, label="AdaGrad")
        right.plot(0.2 * np.sqrt(np.arange(10_001)), "k--", label=r"$2\eta\sqrt{T}$")
        right.set(xlabel="step $T$", ylabel="distance", title=r"Constant gradient 1, $\eta = 0.1$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Three curvatures, three rates, which only ever fall; under a constant gradient the distance grows like the "
            "root of the steps.",
            "三种曲率对应三个学习率，都只降不升；梯度恒定时，走过的距离按步数的平方根增长。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )


@item(
    "adadelta",
    kind="optimizer",
    source="Chapter 6, notes, adaptive methods (Zeiler 2012)",
    title=("AdaDelta: steps in the parameter's own units", "AdaDelta：以参数自身的尺度迈步"),
    statement=(
        r"Two running averages, of squared gradients $v$ and of squared steps $u$, give the step $d = \sqrt{u + "
        r"\epsilon} / \sqrt{v + \epsilon} \cdot g$. No base rate is needed ($\eta = 1$).",
        r"分别对梯度平方与步长平方取移动平均，得 $v$ 和 $u$，步长为 $d = \sqrt{u + \epsilon} / \sqrt{v + \epsilon} "
        r"\cdot g$。无须基础学习率（$\eta = 1$）。",
    ),
    verdict="holds",
    ranges={"rho": (0.0, 0.999), "eps": (1e-10, 1e-2), "steps": (5, 2000)},
)
def adadelta(run: Run, rho: float = 0.9, eps: float = 1e-6, steps: int = 200) -> None:
    def printed(g: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        v, u = (np.zeros(3), np.zeros(3)) if state is None else state
        v = 0.9 * v + 0.1 * g * g
        d = np.sqrt(u + 1e-6) / np.sqrt(v + 1e-6) * g
        return d, (v, 0.9 * u + 0.1 * d * d)

    path = positions(lambda p: mt.optim.Adadelta(p, rho=0.9, eps=1e-6), bowl, START, 200)
    compare(run, path, (0.40776624, -0.34435346, 1.35671969), in_numpy(printed))
    run.claim(
        ("length of the first steps, whatever the gradient", "无论梯度大小，第一步的长度"),
        np.abs(path[1] - path[0]),
        equals=np.sqrt(1e-6 / 0.1),
        relative=0.01,
    )
    own = {e: positions(partial(mt.optim.Adadelta, rho=rho, eps=e), bowl, START, steps) for e in {eps, 1e-4, 1e-8}}

    def draw(left: Any, right: Any) -> None:
        for e in sorted(own):
            left.plot([float(bowl(mt.tensor(x))) for x in own[e]], label=rf"$\epsilon = {e:g}$")
            lengths = np.abs(np.diff(own[e], axis=0))
            right.plot(np.arange(1, steps + 1), lengths[:, 2], label=rf"$\epsilon = {e:g}$")
        left.set(xlabel="step", ylabel="loss", yscale="log", title=rf"$\rho = {rho:g}$")
        right.set(
            xlabel="step", ylabel=r"$|d|$ of coordinate 2", yscale="log", ylim=(3e-5, 0.5), title="Length of the steps"
        )
        left.legend(fontsize="small")
        right.legend(fontsize="small")

    run.figure(
        (
            r"The first steps have the size $\sqrt{\epsilon}$, and grow by themselves: $\epsilon$ has taken the place of "
            "the rate.",
            r"最初的步长约为 $\sqrt{\epsilon}$，之后自行增长：$\epsilon$ 取代了学习率的角色。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )


RATES = (1.0, 0.1, 0.01)


def quadratic_paths(steps: int) -> dict[int, np.ndarray]:
    """Positions (rates, 2) of AdaGrad on diag(1, 100) from (10, 10), at some steps up to `steps`."""
    params = [mt.tensor([10.0, 10.0], requires_grad=True) for _ in RATES]
    optimizer = mt.optim.Adagrad([{"params": [p], "lr": lr} for p, lr in zip(params, RATES, strict=True)])

    def step() -> mt.Tensor:
        optimizer.zero_grad()
        x = mt.stack(params)
        (0.5 * np.array([1.0, 100.0]) * x * x).sum().backward()
        optimizer.step()
        return mt.stack(params).detach()

    fast = mt.compile(step) if find_spec("numba") else None
    marks = [n for n in (100, 1000, 10_000, 100_000, 200_000) if n <= (steps if fast else 10_000)]
    found, done = {}, 0
    for mark in marks:
        if fast:
            last = np.asarray(fast.repeat(mark - done))[-1]
        else:
            last = np.array([step().numpy() for _ in range(mark - done)])[-1]
        found[mark], done = last.copy(), mark
    found[-1] = np.array(
        [lr / np.sqrt(np.asarray(optimizer.state[p]["sum"])) for p, lr in zip(params, RATES, strict=True)]
    )
    return found


@item(
    "adagrad-stalls",
    kind="experiment",
    source="Chapter 6, notes, adaptive methods",
    title=("AdaGrad slows down for good", "AdaGrad 越走越慢"),
    statement=(
        "AdaGrad's rates only fall, so learning may stop before the minimum. RMSProp and AdaDelta, whose averages "
        "forget, do not have this fault.",
        "AdaGrad 的学习率只降不升，可能在到达最小值之前就停止学习。RMSProp 与 AdaDelta 使用会遗忘的平均，没有这个缺点。",
    ),
    verdict="holds with a condition",
    correction=(
        r"It stops within a budget of steps, not for ever. Under a constant gradient the step is $\eta / \sqrt{t}$ and "
        r"the distance grows like $\sqrt{T}$; on a smooth convex loss $\sum g^2$ converges, so the rate has a positive "
        "limit and the minimum is reached.",
        r"它只是在给定的步数内近乎停滞，并非永远停止。梯度恒定时步长为 $\eta / \sqrt{t}$，总距离按 $\sqrt{T}$ 增长；"
        r"在光滑凸损失上 $\sum g^2$ 收敛，学习率趋于正的极限，最终能到达最小值。",
    ),
    ranges={"spike": (1.0, 10000.0), "eta": (0.001, 1.0)},
)
def stalls(run: Run, spike: float = 100.0, eta: float = 0.1) -> None:
    makers: dict[str, Any] = {
        "AdaGrad": lambda lr: partial(mt.optim.Adagrad, lr=lr),
        "RMSProp": lambda lr: partial(mt.optim.RMSprop, lr=lr, alpha=0.9),
        "AdaDelta": lambda lr: partial(mt.optim.Adadelta, rho=0.9, eps=1e-6),
    }

    def distances(size: float, lr: float) -> dict[str, np.ndarray]:
        gradients = np.array([size] * 10 + [1.0] * 1000)[:, None]
        return {name: np.cumsum(fed(make(lr), gradients)[0][:, 0]) for name, make in makers.items()}

    moved = distances(100.0, 0.1)
    far = {name: float(d[-1] - d[9]) for name, d in moved.items()}
    for name, expected, place in (("AdaGrad", 0.315, 5e-4), ("RMSProp", 93.0, 0.05), ("AdaDelta", 5.88, 5e-3)):
        run.claim(
            (f"{name}: distance in the last 1000 steps", f"{name}：最后 1000 步走过的距离"),
            far[name],
            equals=expected,
            within=place,
        )
    run.claim(("RMSProp over AdaGrad", "RMSProp 与 AdaGrad 之比"), far["RMSProp"] / far["AdaGrad"], at_least=100.0)
    found = quadratic_paths(200_000)
    positions_at: dict[int, tuple[float | None, ...]] = {
        100: (None, 8.21, 9.81), 1000: (0.0, 4.63, 9.39), 10_000: (0.0, 0.126, 8.09), 100_000: (0.0, 0.0, 4.51),
        200_000: (0.0, 0.0, 2.85),
    }  # fmt: skip
    for mark, values in positions_at.items():
        for k, value in enumerate(values):
            if mark in found and value is not None:
                run.claim(
                    (
                        rf"quadratic, $\eta = {RATES[k]:g}$: coordinates after {mark} steps",
                        rf"二次函数，$\eta = {RATES[k]:g}$：{mark} 步后的坐标",
                    ),
                    found[mark][k],
                    equals=value,
                    within=5e-4 if value == 0.126 else 5e-3,
                )
    for k, limit, place in ((0, 0.031559, 5e-7), (1, 3.89e-4, 5e-7)):
        run.claim(
            (
                rf"$\eta = {RATES[k]:g}$: the rate $\eta / \sqrt{{s}}$ of coordinate 0 at the end, above 0",
                rf"$\eta = {RATES[k]:g}$：第 0 个坐标最终的学习率 $\eta / \sqrt{{s}}$，大于 0",
            ),
            found[-1][k, 0],
            equals=limit,
            within=place,
        )
    rows = [(mark, *(float(x[0]) for x in found[mark])) for mark in found if mark > 0]
    run.table(
        ("Position on the quadratic (both coordinates)", "二次函数上的位置（两个坐标相同）"),
        ("step", *(f"eta = {lr:g}" for lr in RATES)),
        rows,
    )
    own = distances(spike, eta)

    def draw(left: Any, right: Any) -> None:
        for name, d in own.items():
            left.plot(np.abs(d - d[9])[10:], label=name)
        left.set(xlabel="steps since the large gradients", ylabel="distance", xscale="log", yscale="log")
        left.set_title(rf"10 gradients of {spike:g}, then 1; $\eta = {eta:g}$")
        left.legend(fontsize="small")
        for k, lr in enumerate(RATES):
            right.plot([r[0] for r in rows], [r[k + 1] for r in rows], "o-", label=rf"$\eta = {lr:g}$")
        right.set(xlabel="step", ylabel="coordinate", xscale="log", title="diag(1, 100) from (10, 10)")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: ten large gradients brake AdaGrad a thousand steps later. Right: with a small rate it needs more than "
            r"$10^5$ steps, but it goes on.",
            r"左：十个大梯度在一千步之后仍拖慢 AdaGrad。右：学习率小时，它要走 $10^5$ 步以上，但并未停下。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
