"""What section 6.4 says of Adam: its two notations, how it converges, and its mini-batch form (eq. 6.15 to 6.18)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...optim.adam import adam_rule
from ...optim.rule import Rule
from ..entry import item
from ..optimizers.following import follow
from ..run import Run
from .gabor_runs import full_loss, in_global_basin, runs
from .normalised_steps import START, VALLEY, walk

SYMBOLS = (
    ("momentum coefficient", "beta", "beta1", "betas[0]"),
    ("coefficient of the squares", "gamma", "beta2", "betas[1]"),
    ("learning rate", "alpha", "eta", "lr"),
    ("parameters", "phi", "theta", "params"),
    ("first step", "t = 0, exponent t + 1", "t = 1, exponent t", "step = 1"),
)


def valley_slope(x: np.ndarray) -> np.ndarray:
    """The gradient of Figure 6.9's valley, by hand."""
    height = np.exp(-2 * x[1] ** 2 - (x[0] - 0.7) ** 2 / 8)
    return height * np.array([(x[0] - 0.7) / 4, 4 * x[1]])  # type: ignore[no-any-return]


@item(
    "adam-two-notations",
    kind="theorem",
    source="Chapter 6, eq. 6.15-6.17, beside the optimizer text's displays of Adam",
    title=("Adam in two notations", "Adam 的两套记号"),
    statement=(
        r"One algorithm, written twice: with $(\beta, \gamma, \alpha)$ and the step counted from 0 (exponents $t + 1$), and with "
        r"$(\beta_1, \beta_2, \eta)$ and the step counted from 1 (exponents $t$).",
        r"同一个算法的两种写法：一种用 $(\beta, \gamma, \alpha)$，步数从 0 数起（指数为 $t + 1$）；另一种用 "
        r"$(\beta_1, \beta_2, \eta)$，步数从 1 数起（指数为 $t$）。",
    ),
    verdict="holds",
    ranges={"lr": (0.001, 0.5), "beta": (0.0, 0.99), "gamma": (0.0, 0.9999), "steps": (1, 1000)},
)
def two_notations(run: Run, lr: float = 0.05, beta: float = 0.9, gamma: float = 0.99, steps: int = 200) -> None:
    def chapter(alpha: float, b: float, c: float, count: int) -> np.ndarray:
        phi, m, v = np.array(START), np.zeros(2), np.zeros(2)
        path = [phi]
        for t in range(count):
            g = valley_slope(phi)
            m, v = b * m + (1 - b) * g, c * v + (1 - c) * g**2
            phi = phi - alpha * (m / (1 - b ** (t + 1))) / (np.sqrt(v / (1 - c ** (t + 1))) + 1e-8)
            path.append(phi)
        return np.array(path)

    def other(eta: float, b1: float, b2: float, count: int) -> np.ndarray:
        theta, m, v = np.array(START), np.zeros(2), np.zeros(2)
        path = [theta]
        for t in range(1, count + 1):
            g = valley_slope(theta)
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            theta = theta - eta * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
            path.append(theta)
        return np.array(path)

    def ours(rate: float, betas: tuple[float, float], count: int) -> np.ndarray:
        return walk(lambda p: mt.optim.Adam(p, lr=rate, betas=betas), count)

    one, two = chapter(0.05, 0.9, 0.99, 200), other(0.05, 0.9, 0.99, 200)
    run.claim(
        ("largest difference of the two in 200 steps", "200 步中两种写法的最大差"), np.abs(one - two).max(), equals=0
    )
    run.claim(
        ("largest difference of microtrain's Adam from them", "microtrain 的 Adam 与它们的最大差"),
        np.abs(ours(0.05, (0.9, 0.99), 200) - one).max(), at_most=1e-12,
    )  # fmt: skip
    run.table(("The symbols", "记号对照"), ("what", "chapter 6", "optimizer text", "microtrain"), SYMBOLS)
    shown, reference = ours(lr, (beta, gamma), steps), chapter(lr, beta, gamma, steps)

    def draw(ax: Any) -> None:
        for k, colour in enumerate(("C0", "C3")):
            ax.plot(reference[:, k], color=colour, linewidth=4, alpha=0.3, label=rf"$\phi_{k}$, chapter 6's notation")
            ax.plot(shown[:, k], "--", color=colour, linewidth=1.2, label=rf"$\theta_{k}$, microtrain's Adam")
        ax.set(xlabel="step", ylabel="parameter")
        ax.legend(fontsize="small")

    run.figure(("The two runs lie on each other", "两次运行完全重合"), draw)


@item(
    "adam-convergence-claim",
    kind="experiment",
    source="Chapter 6, section 6.4, after eq. 6.17",
    title=("Does Adam converge to the overall minimum?", "Adam 收敛到全局最小值吗"),
    statement=(
        "Adam, so the text, converges towards the overall minimum and makes good progress in every direction of the parameter "
        "space.",
        "书中称，Adam 收敛到全局最小值，并在参数空间的各个方向都有良好进展。",
    ),
    verdict="holds with a condition",
    correction=(
        "With a constant rate Adam hovers at some tenths of the rate from the minimum, with recurrent bursts; to converge it "
        "needs a decaying rate. On non-convex losses “overall” can only mean a local minimum. For “every "
        "direction” see adam-axis-dependence.",
        "学习率恒定时，Adam 停留在离最小值点零点几倍学习率之处，并反复出现突发；要收敛，学习率须衰减。"
        "对非凸损失，“全局”只能理解为局部极小值。关于“各个方向”，见 adam-axis-dependence。",
    ),
    ranges={"lr": (0.001, 0.5), "gamma": (0.5, 0.9999), "steps": (200, 20000)},
    random=True,
)
def adam_convergence(run: Run, lr: float = 0.05, gamma: float = 0.99, steps: int = 5000) -> None:
    valley = mt.analysis.objective(VALLEY, np.zeros(2))
    schedules = mt.optim.schedules

    def losses(rate: Any, second: float, count: int) -> np.ndarray:
        path = follow(lambda p: mt.optim.Adam(p, lr=rate, betas=(0.9, second)), VALLEY, START, count)
        return valley.values(path)

    constant = losses(0.05, 0.99, 5000)
    run.claim(
        ("constant rate: loss after 200 steps", "学习率恒定：200 步后的损失"),
        constant[200],
        equals=6.1e-10,
        within=5e-12,
    )
    run.claim(
        ("constant rate: loss after 1000 steps", "学习率恒定：1000 步后的损失"),
        constant[1000],
        equals=1.9e-7,
        within=5e-9,
    )
    run.claim(
        ("constant rate: median loss of steps 1000 to 5000", "学习率恒定：1000 到 5000 步的损失中位数"),
        np.median(constant[1000:]), between=(5e-7, 5e-6),
    )  # fmt: skip
    run.claim(
        ("constant rate: the highest burst after step 1000", "学习率恒定：1000 步之后最大的突发"), constant[1000:].max(),
        between=(5e-5, 5e-4),
    )  # fmt: skip
    decaying = {
        "lr / (1 + t / 100)": 0.05 * schedules.InverseTime(100.0),
        "lr / sqrt(t + 1)": 0.05 * schedules.InverseSqrt(1),
        "cosine to 0": 0.05 * schedules.Cosine(5000),
    }
    found = {name: losses(rate, 0.99, 5000) for name, rate in decaying.items()}
    for (name, curve), limit in zip(found.items(), (1e-8, 1e-8, 1e-16), strict=True):
        text = (
            f"{name}: median loss of the last 200 of 5000 steps",
            f"{name.replace('cosine to 0', '余弦退火到 0')}：5000 步中最后 200 步的损失中位数",
        )
        run.claim(text, np.median(curve[-200:]), at_most=limit)
    bowl = mt.analysis.problems.quadratic(np.array([1.0, 100.0]))
    for rate, second, reach in ((0.1, 0.99, 0.0172), (0.1, 0.999, 0.0292), (0.01, 0.999, 0.0028)):

        def adam(p: list[mt.Tensor], rate: float = rate, second: float = second) -> Any:
            return mt.optim.Adam(p, lr=rate, betas=(0.9, second))

        path = follow(adam, bowl, (1.0, 1.0), 100_000)
        run.claim(
            (rf"diag(1, 100), rate {rate}, $\gamma = {second}$: largest coordinate in steps $2 \cdot 10^4$ to $10^5$",
             rf"diag(1, 100)，学习率 {rate}，$\gamma = {second}$：$2 \cdot 10^4$ 到 $10^5$ 步中最大的坐标"),
            np.abs(path[20_000:]).max(), equals=reach, relative=0.25,
        )  # fmt: skip
    loss = full_loss()
    starts = run.rng.uniform((-10, 2.5), (10, 22.5), (800, 2))
    quarter = schedules.Step(150, 0.5)
    share = {}
    for name, make in (
        ("Adam", lambda p: mt.optim.Adam([{"params": p, "lr": 0.5 * quarter}], betas=(0.9, 0.99))),
        ("SGD", lambda p: mt.optim.SGD([{"params": p, "lr": 0.2 * quarter}])),
    ):
        share[name] = in_global_basin(loss, runs(make, 1, starts, 600, 5, run.rng, 600)[-1, 0]).mean()
        run.claim(
            (f"Gabor, {name} from 800 random starts: share that reaches the global basin",
             f"Gabor，{name} 从 800 个随机起点出发：到达全局吸引盆的比例"),
            share[name], between=(0.2, 0.36),
        )  # fmt: skip
    shown = constant if (lr, gamma, steps) == (0.05, 0.99, 5000) else losses(lr, gamma, steps)

    def draw(ax: Any) -> None:
        for (name, curve), style in zip(
            {f"constant, {lr:g}": shown, **found}.items(), ("-", "--", "-.", ":"), strict=True
        ):
            highest = curve[: len(curve) // 50 * 50].reshape(-1, 50).max(1)
            ax.semilogy(50 * np.arange(len(highest)), np.maximum(highest, 1e-20), style, label=name)
        ax.set(xlabel="step", ylabel="loss, the highest of 50 steps", ylim=(1e-20, 10))
        ax.legend(fontsize="small")

    run.figure(
        (r"Adam in the valley of Figure 6.9: with a constant rate bursts remain, with decaying ones they fade",
         r"图 6.9 山谷中的 Adam：学习率恒定时突发一直存在，衰减时突发逐渐减弱"),
        draw,
    )  # fmt: skip


class SquaresOfSamples(mt.optim.Adam):
    """Adam whose second moment is fed with the sum of the samples' squared gradients, as eq. 6.18 is printed."""

    def rule_for(self, group: Any) -> Rule:
        right = adam_rule()

        def formula(
            p: Any, g: Any, m: Any, v: Any, s: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, c1: Any, c2: Any
        ) -> Any:
            new = right.formula(p, g, m, v, lr, beta1, beta2, eps, 0.0, c1, c2)
            v = beta2 * v + (1 - beta2) * s
            return p - lr / c1 * new[1] / ((v / c2) ** 0.5 + eps), new[1], v

        return Rule("Adam as printed", ["exp_avg", "exp_avg_sq", "squares"], formula, right.scalars)


def first_steps(gradients: np.ndarray, form: str, lr: float, steps: int) -> np.ndarray:
    """How far Adam goes in each step, in units of lr, on a loss whose samples have these gradients (batch, P)."""
    w = mt.tensor(np.zeros(gradients.shape[1]), requires_grad=True)
    kind = SquaresOfSamples if form == "printed" else mt.optim.Adam
    optimizer: Any = kind([w], lr=lr)
    slopes = mt.tensor(gradients)
    moved = []
    for _ in range(steps):
        before = w.detach().numpy().copy()
        optimizer.zero_grad()
        (slopes @ w).sum().backward()
        if form == "printed":
            optimizer.state_of(w, optimizer.rule_for(optimizer.param_groups[0]), optimizer.param_groups[0])
            each = mt.analysis.per_sample_gradients(lambda: slopes @ w, [w])
            optimizer.state[w]["squares"][...] = (each**2).sum(0)
        optimizer.step()
        moved.append(np.abs(w.detach().numpy() - before) / lr)
    return np.array(moved)


@item(
    "adam-minibatch",
    kind="optimizer",
    source="Chapter 6, eq. 6.18",
    title=("Adam on mini-batches: which square?", "小批量 Adam：平方取在哪里"),
    statement=(
        r"For batches $m$ takes up the sum of the samples' gradients, and $v$ the sum of their squares; the path is noisy.",
        r"用小批量时，$m$ 吸收各样本梯度之和，$v$ 吸收各样本梯度平方之和；路径带噪声。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"It must be the square of the sum, $(\sum_i g_i)^2$. With the printed $\sum_i g_i^2$ a step grows like $\sqrt{B}$ where "
        r"the gradients of the $B$ samples agree, is no longer about $\alpha$, and can't be computed from the batch's "
        "gradient. For pure noise the two agree.",
        r"应为和的平方 $(\sum_i g_i)^2$。按原文的 $\sum_i g_i^2$，若 $B$ 个样本的梯度一致，步长按 $\sqrt{B}$ 增大，"
        r"不再约等于 $\alpha$，而且无法由小批量的梯度算出。梯度只有噪声时，两者相同。",
    ),
    ranges={"lr": (1e-5, 0.1), "batch": (1, 256), "steps": (1, 50)},
    random=True,
)
def adam_minibatch(run: Run, lr: float = 1e-3, batch: int = 16, steps: int = 10, form: str = "right") -> None:
    agreed = np.full((16, 1), 0.37)
    moved = first_steps(agreed, form, 1e-3, 10)
    run.claim(
        ("16 identical gradients: step over the rate, the worst of 10", "16 个相同的梯度：步长与学习率之比，10 步中偏差最大者"),
        moved[np.argmax(np.abs(moved - 1))], equals=1.0, within=1e-6,
    )  # fmt: skip
    one = first_steps(agreed[:1], form, 1e-3, 10)
    run.claim(
        ("step with 16 identical gradients over that with one", "16 个与 1 个相同梯度的步长之比"), moved[0, 0] / one[0, 0],
        equals=1.0, within=1e-6,
    )  # fmt: skip
    printed = first_steps(agreed, "printed", 1e-3, 1)[0, 0]
    run.claim(
        ("as printed: the first step over the rate", "按原文：第一步与学习率之比"), printed, equals=4.0, within=1e-6
    )
    noise = mt.tensor(run.rng.standard_normal((16, 40_000)))
    w = mt.tensor(np.zeros(40_000), requires_grad=True)
    (summed,) = mt.grad([(noise @ w).sum()], [w])
    for name, name_zh, value in (
        (r"pure noise: mean of $(\sum g)^2$", r"只有噪声：$(\sum g)^2$ 的均值", (summed * summed).mean().item()),
        (r"pure noise: mean of $\sum g^2$", r"只有噪声：$\sum g^2$ 的均值", (noise * noise).sum(0).mean().item()),
    ):
        run.claim((name, name_zh), value, equals=16, relative=0.05)
    sizes = sorted({1, 2, 4, 8, 16, 32, 64, batch})
    curves = {f: [first_steps(np.full((b, 1), 0.37), f, lr, 1)[0, 0] for b in sizes] for f in ("right", "printed")}
    mixed = run.rng.standard_normal((batch, 1)) + 0.5
    both = {f: first_steps(mixed, f, lr, steps)[:, 0] for f in ("right", "printed")}

    def draw(left: Any, right: Any) -> None:
        left.plot(sizes, curves["right"], "o-", label=r"$(\sum g)^2$")
        left.plot(sizes, curves["printed"], "s--", label=r"$\sum g^2$, as printed")
        left.plot(sizes, np.sqrt(sizes), "k:", label=r"$\sqrt{B}$")
        left.set(xscale="log", xlabel="batch size $B$", ylabel="first step over the rate", title="identical gradients")
        left.legend(fontsize="small")
        right.plot(np.arange(1, steps + 1), both["right"], "o-", label=r"$(\sum g)^2$")
        right.plot(np.arange(1, steps + 1), both["printed"], "s--", label=r"$\sum g^2$, as printed")
        right.set(xlabel="step", ylabel="step over the rate", title=f"{batch} gradients from N(0.5, 1)", ylim=(0, None))
        right.legend(fontsize="small")

    run.figure(
        ("With the square of the sum a step is as long as the rate, whatever the batch size", "用和的平方时，步长等于学习率，与批量大小无关"),
        draw, (1, 2), (9.5, 3.8),
    )  # fmt: skip
