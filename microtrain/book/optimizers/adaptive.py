"""RMSProp and Adam: the update rules, what they do in their first steps, and what single gradients do to them."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...viz import plots
from ..entry import item
from ..run import Run

CURVATURES = np.array([1.0, 10.0, 0.1])
START = (1.0, -1.0, 2.0)


def bowl(p: Any) -> Any:
    """Three coordinates of different curvature, each with a quartic term."""
    return (0.5 * CURVATURES * p * p + 0.25 * p**4).sum()


def positions(optimizer: Any, loss: Any, start: Any, steps: int) -> np.ndarray:
    """Where an optimizer goes, (steps + 1, P)."""
    return np.asarray(mt.analysis.trace(optimizer, loss, start, steps=steps).points)


def fed(optimizer: Any, gradients: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Hand an optimizer these gradients (T, P): the lengths of its steps (T, P), its state after each, each (T, P)."""
    p = mt.tensor(np.zeros(gradients.shape[1]), requires_grad=True)
    made = optimizer([p])
    path, states = [p.detach().numpy().copy()], []
    for g in gradients:
        p.grad = mt.tensor(g)
        made.step()
        path.append(p.detach().numpy().copy())
        states.append({name: np.array(value) for name, value in made.state[p].items() if name != "step"})
    return -np.diff(np.array(path), axis=0), {name: np.array([s[name] for s in states]) for name in states[0]}


@item(
    "rmsprop",
    kind="optimizer",
    source="Deep-learning optimizers, the section on RMSProp; chapter 6, notes (Hinton 2012)",
    title=("RMSProp: AdaGrad that forgets", "RMSProp：会遗忘的 AdaGrad"),
    statement=(
        r"$v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2$ elementwise, then $w_{t+1} = w_t - \eta\, g_t / (\sqrt{v_t} + "
        r"\epsilon)$. AdaGrad adds the squares up for ever, here old ones fade.",
        r"逐元素计算 $v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2$，再更新 $w_{t+1} = w_t - \eta\, g_t / (\sqrt{v_t} + "
        r"\epsilon)$。AdaGrad 永远累积梯度平方，这里旧的梯度平方逐渐淡出。",
    ),
    verdict="holds",
    ranges={"eta": (0.0001, 0.5), "beta2": (0.0, 0.9999), "steps": (5, 2000)},
)
def rmsprop(run: Run, eta: float = 0.01, beta2: float = 0.99, steps: int = 200) -> None:
    path = positions(lambda p: mt.optim.RMSprop(p, lr=0.01, alpha=0.99), bowl, START, 200)
    for k, (end, place) in enumerate(((7.13432571e-4, 1e-12), (-2.57121203e-5, 1e-13), (0.544612229, 1e-9))):
        text = (f"coordinate {k} after 200 steps", f"200 步后的第 {k} 个坐标")
        run.claim(text, path[-1, k], equals=end, within=place)
    w, v = np.array(START), np.zeros(3)
    reference = [w]
    for _ in range(200):
        g = CURVATURES * w + w**3
        v = 0.99 * v + 0.01 * g * g
        w = w - 0.01 * g / (np.sqrt(v) + 1e-8)
        reference.append(w)
    run.claim(
        ("distance from the two printed lines, in NumPy", "与用 NumPy 直接计算两条公式之差"),
        np.abs(path - np.array(reference)).max(),
        at_most=1e-14,
    )
    rules = {
        "RMSProp": (lambda p: mt.optim.RMSprop(p, lr=eta, alpha=beta2)),
        "AdaGrad": (lambda p: mt.optim.Adagrad(p, lr=eta)),
        "GD": (lambda p: mt.optim.SGD(p, lr=eta)),
    }
    paths = {name: positions(rule, bowl, START, steps) for name, rule in rules.items()}

    def draw(left: Any, right: Any) -> None:
        for k, colour in enumerate(("C0", "C1", "C2")):
            left.plot(np.abs(paths["RMSProp"][:, k]), color=colour, label=rf"$\lambda = {CURVATURES[k]:g}$")
            left.plot(np.abs(paths["AdaGrad"][:, k]), color=colour, linestyle=":")
        left.set(xlabel="step", ylabel="distance from the minimum", title="RMSProp; dotted: AdaGrad")
        left.legend(fontsize="small")
        for name, points in paths.items():
            right.plot([float(bowl(mt.tensor(x))) for x in points], label=name)
        right.set(xlabel="step", ylabel="loss", yscale="log", title=rf"$\eta = {eta:g}$, $\beta_2 = {beta2:g}$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Coordinates whose curvatures differ by a factor of 100 set off at nearly one speed; what AdaGrad has "
            "summed up slows it down.",
            "三个坐标的曲率最多相差 100 倍，起初的速度却几乎相同；AdaGrad 因累积的梯度平方越走越慢。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )


@item(
    "rmsprop-cold-start",
    kind="theorem",
    source="Deep-learning optimizers, the section on RMSProp: a consequence of its recursion, which the text does not draw",
    title=("RMSProp's first step is too long", "RMSProp 的第一步过长"),
    statement=(
        r"$v$ starts at 0 and is not corrected, so $v_1 = (1 - \beta_2) g_1^2$ and the first step has the length "
        r"$\eta / \sqrt{1 - \beta_2}$, whatever the gradient.",
        r"$v$ 从 0 开始且未做偏差修正，故 $v_1 = (1 - \beta_2) g_1^2$：无论梯度大小，第一步的长度都是 "
        r"$\eta / \sqrt{1 - \beta_2}$。",
    ),
    verdict="holds",
    ranges={"beta2": (0.0, 0.9999), "steps": (2, 2000)},
)
def rmsprop_cold_start(run: Run, beta2: float = 0.99, steps: int = 100) -> None:
    def first(optimizer: Any, gradient: float) -> float:
        return float(fed(optimizer, np.full((1, 1), gradient))[0][0, 0])

    for b, expected in ((0.9, 3.16228), (0.999, 31.6228)):
        for gradient in (1.0, 0.01):
            run.claim(
                (
                    rf"$\beta_2 = {b}$, gradient {gradient:g}: step$/\eta$",
                    rf"$\beta_2 = {b}$，梯度 {gradient:g}：步长与 $\eta$ 之比",
                ),
                first(lambda p, b=b: mt.optim.RMSprop(p, lr=1.0, alpha=b, eps=0.0), gradient),
                equals=expected,
                relative=1e-5,
            )
            run.claim(
                (
                    rf"the same with the correction $v / (1 - {b}^t)$, gradient {gradient:g}",
                    rf"加上修正 $v / (1 - {b}^t)$ 之后，梯度 {gradient:g}",
                ),
                first(lambda p, b=b: mt.optim.RMSprop(p, lr=1.0, alpha=b, eps=0.0, bias_correction=True), gradient),
                equals=1.0,
                within=1e-5,
            )
    run.claim(
        (r"Adam, which corrects: step$/\eta$", r"带偏差修正的 Adam：步长与 $\eta$ 之比"),
        [first(lambda p: mt.optim.Adam(p, lr=1.0), g) for g in (1.0, 0.01)],
        equals=1.0,
        within=1e-5,
    )
    run.note(
        r"With $\epsilon = 10^{-8}$ and $\beta_2 = 0.999$ the gradient 0.01 gives 31.6218: $\epsilon$ is no longer small "
        r"beside $\sqrt{v_1} = 3.2 \cdot 10^{-4}$. The numbers above have $\epsilon = 0$.",
        r"若 $\epsilon = 10^{-8}$、$\beta_2 = 0.999$，梯度 0.01 给出 31.6218：与 $\sqrt{v_1} = 3.2 \cdot 10^{-4}$ 相比，"
        r"$\epsilon$ 已不可忽略。上面的数取 $\epsilon = 0$。",
    )
    ones = np.ones((steps, 1))
    lengths = {
        "RMSProp": fed(lambda p: mt.optim.RMSprop(p, lr=1.0, alpha=beta2), ones)[0],
        "RMSProp, corrected": fed(lambda p: mt.optim.RMSprop(p, lr=1.0, alpha=beta2, bias_correction=True), ones)[0],
        "Adam": fed(lambda p: mt.optim.Adam(p, lr=1.0, betas=(0.9, beta2)), ones)[0],
    }

    def draw(ax: Any) -> None:
        for (name, length), style in zip(lengths.items(), ("-", "-", "--"), strict=True):
            ax.plot(np.arange(1, steps + 1), length[:, 0], style, label=name)
        ax.set(xlabel="step t", ylabel=r"length of the step / $\eta$", yscale="log", xscale="log", ylim=(0.5, None))
        ax.set_title(rf"constant gradient, $\beta_2 = {beta2:g}$")
        ax.legend()

    run.figure(("The first steps under a constant gradient", "梯度恒定时最初各步的步长"), draw)


@item(
    "adam",
    kind="optimizer",
    source="Deep-learning optimizers, the section on Adam; chapter 6, eq. 6.15 to 6.17 (Kingma and Ba 2015)",
    title=("Adam", "Adam"),
    statement=(
        r"$m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t$, $v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2$, both divided by "
        r"$1 - \beta^t$, and $w \leftarrow w - \eta\, \hat{m}_t / (\sqrt{\hat{v}_t} + \epsilon)$. Chapter 6 writes "
        r"$\beta, \gamma, \alpha$ for $\beta_1, \beta_2, \eta$ and counts from 0.",
        r"$m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t$，$v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2$，各除以 "
        r"$1 - \beta^t$，再更新 $w \leftarrow w - \eta\, \hat{m}_t / (\sqrt{\hat{v}_t} + \epsilon)$。第 6 章用 "
        r"$\beta, \gamma, \alpha$ 表示 $\beta_1, \beta_2, \eta$，步数从 0 数起。",
    ),
    verdict="holds",
    ranges={"eta": (0.001, 0.5), "beta1": (0.0, 0.99), "beta2": (0.0, 0.999), "steps": (5, 1000)},
)
def adam(run: Run, eta: float = 0.05, beta1: float = 0.9, beta2: float = 0.99, steps: int = 60) -> None:
    path = positions(lambda p: mt.optim.Adam(p, lr=0.01), bowl, START, 200)
    for k, end in enumerate((0.06827704, -0.02029108, 0.88299669)):
        run.claim((f"coordinate {k} after 200 steps", f"200 步后的第 {k} 个坐标"), path[-1, k], equals=end, within=1e-8)
    w, m, v = np.array(START), np.zeros(3), np.zeros(3)
    reference = [w]
    for t in range(1, 201):
        g = CURVATURES * w + w**3
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        reference.append(w)
    run.claim(
        ("distance from the printed formulas, in NumPy", "与用 NumPy 直接计算公式之差"),
        np.abs(path - np.array(reference)).max(),
        at_most=1e-14,
    )
    valley = mt.analysis.problems.adam_valley
    start = (-0.7, -0.9)
    end = positions(lambda p: mt.optim.Adam(p, lr=0.05, betas=(0.9, 0.99)), valley, start, 60)[-1]
    for k, expected in enumerate((0.66707258, 0.02950019)):
        run.claim(
            (rf"the loss of Figure 6.9: $\phi_{k}$ after 60 steps", rf"图 6.9 的损失：60 步后的 $\phi_{k}$"),
            end[k],
            equals=expected,
            within=1e-8,
        )
    paths = {
        "Adam": positions(lambda p: mt.optim.Adam(p, lr=eta, betas=(beta1, beta2)), valley, start, steps),
        "GD": positions(lambda p: mt.optim.SGD(p, lr=eta), valley, start, steps),
    }
    landscape = mt.analysis.landscape(valley, [0.0, 0.0], (-1.25, 1.75), (-1.1, 1.1), resolution=61)

    def draw(ax: Any) -> None:
        plots.landscape(landscape, ax, scale="linear", paths=paths)
        ax.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$")

    run.figure(("Adam in the valley of Figure 6.9", "Adam 在图 6.9 的山谷中"), draw, size=(7.0, 5.0))


@item(
    "adam-bias-correction",
    kind="theorem",
    source="Deep-learning optimizers, bias correction; chapter 6, eq. 6.16",
    title=("Why Adam divides by $1 - \\beta^t$", "Adam 为何除以 $1 - \\beta^t$"),
    statement=(
        r"$m$ and $v$ start at 0. While the gradients' distribution stays the same, $E\, m_t = (1 - \beta_1^t) E\, g$ and "
        r"$E\, v_t = (1 - \beta_2^t) E\, g^2$; the division undoes this, and needs doing only early, as $\beta^t \to 0$.",
        r"$m$ 与 $v$ 从 0 开始。若梯度的分布不变，则 $E\, m_t = (1 - \beta_1^t) E\, g$，$E\, v_t = (1 - \beta_2^t) E\, g^2$。"
        r"除法恰好抵消这一偏差；由于 $\beta^t \to 0$，只有前期需要修正。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The betas must be below 1: chapter 6 prints the closed interval $[0, 1]$, but at $\beta = 1$ the correction is "
        r"$0/0$ (the original has $[0, 1)$). Its 'the exponent $t + 1$ becomes small' must read: the terms "
        r"$\beta^{t+1}$ become small.",
        r"$\beta_1$、$\beta_2$ 必须小于 1：第 6 章印的是闭区间 $[0, 1]$，而 $\beta = 1$ 时修正为 $0/0$（英文原书为 "
        r"$[0, 1)$）。变小的也不是指数 $t + 1$，而是带有该指数的项 $\beta^{t+1}$。",
    ),
    ranges={"beta1": (0.0, 0.99), "beta2": (0.0, 0.999), "steps": (5, 2000)},
)
def adam_bias_correction(run: Run, beta1: float = 0.9, beta2: float = 0.99, steps: int = 60) -> None:
    g = 0.37
    times = np.arange(1, 201)
    moves, state = fed(lambda p: mt.optim.Adam(p, lr=1.0), np.full((200, 1), g))
    factor = mt.optim.Adam.rule.scalars["c1"]  # 1 - beta^t, the optimizer's own
    m_hat, v_hat = state["exp_avg"][:, 0] / factor(0.9, times), state["exp_avg_sq"][:, 0] / factor(0.999, times)
    run.claim(
        (r"constant $g = 0.37$: $\hat{m} - g$ over 200 steps", r"恒定 $g = 0.37$：200 步中的 $\hat{m} - g$"),
        np.abs(m_hat - g).max(),
        at_most=1e-15,
    )
    run.claim((r"$\hat{v} - g^2$", r"$\hat{v} - g^2$"), np.abs(v_hat - g * g).max(), at_most=5e-15)
    run.claim(
        (r"step$/\eta$, from $t = 1$ on", r"从 $t = 1$ 起的步长与 $\eta$ 之比"), moves.ravel(), equals=1.0, within=1e-7
    )
    for beta, expected in ((0.9, 44), (0.99, 459), (0.999, 4603)):
        reached = 1 + int(np.argmax(factor(beta, np.arange(1, 6000)) >= 0.99))
        run.claim(
            (
                rf"$\beta = {beta}$: steps until $1 - \beta^t \ge 0.99$",
                rf"$\beta = {beta}$：到 $1 - \beta^t \ge 0.99$ 的步数",
            ),
            reached,
            equals=expected,
        )
    try:
        mt.optim.Adam([mt.tensor([0.0], requires_grad=True)], betas=(1.0, 0.999))
        refused = False
    except mt.errors.ArgumentError:
        refused = True
    run.claim((r"$\beta_1 = 1$ is refused", r"$\beta_1 = 1$ 不被接受"), refused)
    run.claim((r"at $\beta = 1$ the divisor is 0", r"$\beta = 1$ 时除数为 0"), factor(1.0, times), equals=0.0)

    raw = fed(lambda p: mt.optim.Adam(p, betas=(beta1, beta2)), np.full((steps, 1), g))[1]

    def draw(left: Any, right: Any) -> None:
        t = np.arange(1, steps + 1)
        left.plot(t, raw["exp_avg"][:, 0] / g, label=rf"$m_t / g$, $\beta_1 = {beta1:g}$")
        left.plot(t, raw["exp_avg_sq"][:, 0] / g**2, label=rf"$v_t / g^2$, $\beta_2 = {beta2:g}$")
        left.plot(t, raw["exp_avg"][:, 0] / factor(beta1, t) / g, "--", label=r"$\hat{m}_t / g$")
        left.plot(t, raw["exp_avg_sq"][:, 0] / factor(beta2, t) / g**2, ":", linewidth=3, label=r"$\hat{v}_t / g^2$")
        left.set(xlabel="step t", ylabel="share of the true value", title="constant gradient")
        left.legend(fontsize="small")
        t = np.arange(1, 10001)
        for beta in (0.9, 0.99, 0.999):
            right.plot(t, beta**t, label=rf"$\beta = {beta}$")
        right.axhline(0.01, color="0.6", linewidth=0.8)
        right.set(xscale="log", yscale="log", ylim=(1e-4, 1.5), xlabel="step t", ylabel=r"what is missing, $\beta^t$")
        right.legend(fontsize="small")

    run.figure(
        (
            "Without the correction both means begin too small; the bias fades.",
            "不加修正时两个均值起初都偏小，偏差逐渐消失。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
