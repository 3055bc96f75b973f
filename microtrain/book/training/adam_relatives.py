"""What became of Adam: RAdam, NAdam, AdamW, and why the first steps need care."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.adaptive import CURVATURES, START, bowl, fed, positions
from ..run import Run


def ends(run: Run, end: np.ndarray, expected: tuple[float, ...]) -> None:
    """Claims on the end of 200 steps."""
    for k, value in enumerate(expected):
        run.claim((f"coordinate {k} after 200 steps", f"200 步后的第 {k} 个坐标"), end[k], equals=value, within=1e-8)


class RectifiedMomentum(mt.optim.Adam):
    """What the book's sentence says: Adam in which the momentum term grows gradually, beta1 r_t."""

    def prepare(self) -> None:
        for group in self.param_groups:
            group["betas"] = (0.9 * rectification(self.steps)[1], 0.999)


def rectification(step: int) -> tuple[float, float]:
    """(rho_t, r_t) of the optimizer for beta2 = 0.999; r_t is 0 where it is not used."""
    known = {"beta1": 0.9, "beta2": 0.999, "t": step, "lr": 1.0, "eps": 0.0, "weight_decay": 0.0, "threshold": 5.0}
    mt.optim.RAdam.rule.numbers(known)
    return known["rho"], known["r"]


@item(
    "radam",
    kind="optimizer",
    source="Chapter 6, notes, adaptive methods (Liu et al. 2020, RAdam)",
    title=("RAdam holds the adaptive rate back", "RAdam：先压住自适应学习率"),
    statement=(
        "Rectified Adam is described as changing the momentum term gradually over time, so that high variance is "
        "avoided.",
        "书中说，校正后的 Adam 让动量项随时间逐渐变化，从而避免过高的方差。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The momentum $m$ is Adam's, unchanged. What is rectified is the adaptive rate: with $\rho_\infty = 2/(1 - "
        r"\beta_2) - 1$ and $\rho_t = \rho_\infty - 2 t \beta_2^t / (1 - \beta_2^t)$, the step is $\eta r_t \hat m / "
        r"(\sqrt{\hat v} + \epsilon)$ once $\rho_t > 5$ (4 in the paper), and $\eta \hat m$ before. $r_t$ grows from "
        "0.026 to 1: a warm-up that sets itself.",
        r"动量 $m$ 与 Adam 相同。校正的是自适应学习率：记 $\rho_\infty = 2/(1 - \beta_2) - 1$，$\rho_t = \rho_\infty - 2 t "
        r"\beta_2^t / (1 - \beta_2^t)$。$\rho_t > 5$（论文中为 4）之后步长为 $\eta r_t \hat m / (\sqrt{\hat v} + "
        r"\epsilon)$，之前为 $\eta \hat m$。$r_t$ 从 0.026 升到 1，相当于自动的预热。",
    ),
    ranges={"eta": (0.0001, 0.3), "steps": (10, 2000)},
)
def radam(run: Run, eta: float = 0.01, steps: int = 200, form: str = "right") -> None:
    make = RectifiedMomentum if form == "printed" else mt.optim.RAdam
    for t, value in enumerate((1.0, 1.9995, 2.9987, 3.9975, 4.996, 5.9942), 1):
        run.claim((rf"$\rho_{t}$", rf"$\rho_{t}$"), rectification(t)[0], equals=value, within=1e-4)
    lengths = fed(partial(make, lr=1.0, eps=0.0), np.ones((1000, 1)))[0][:, 0]
    run.claim(
        ("first step at which the adaptive rate is in use (threshold 5)", "开始使用自适应学习率的步（阈值 5）"),
        int(np.argmax(lengths < 0.5)) + 1,
        equals=6,
    )
    four = fed(partial(mt.optim.RAdam, lr=1.0, eps=0.0, threshold=4.0), np.ones((10, 1)))[0][:, 0]
    run.claim(
        ("the same with the paper's threshold 4", "同上，取论文的阈值 4"), int(np.argmax(four < 0.5)) + 1, equals=5
    )
    for t, value in ((6, 0.0258), (10, 0.0490), (100, 0.2153), (1000, 0.6453)):
        run.claim(
            (
                rf"length of step {t} over $\eta$ under a constant gradient: $r_t$",
                rf"梯度恒定时第 {t} 步与 $\eta$ 之比：$r_t$",
            ),
            lengths[t - 1],
            equals=value,
            within=5e-5,
        )
    for t, value in ((5000, 0.9829), (20000, 1.0)):
        run.claim((rf"$r_t$ at step {t}", rf"第 {t} 步的 $r_t$"), rectification(t)[1], equals=value, within=5e-5)
    path = positions(partial(make, lr=0.01), bowl, START, 200)
    ends(run, path[-1], (0.5787507, -0.21509875, 1.30977289))
    noise = np.random.default_rng(0).standard_normal((200, 1))
    ours, adams = (fed(partial(o, lr=0.01), noise)[1]["exp_avg"] for o in (make, mt.optim.Adam))
    run.claim(
        (r"one gradient sequence: difference between its $m$ and Adam's", r"同一梯度序列：$m$ 与 Adam 的 $m$ 之差"),
        np.abs(ours - adams).max(),
        at_most=1e-15,
    )
    own = {
        "RAdam": positions(partial(mt.optim.RAdam, lr=eta), bowl, START, steps),
        "Adam": positions(partial(mt.optim.Adam, lr=eta), bowl, START, steps),
        "as printed: momentum rectified": positions(partial(RectifiedMomentum, lr=eta), bowl, START, steps),
    }
    when = np.arange(1, 6001)
    factors = [rectification(int(t))[1] for t in when[::10]]

    def draw(left: Any, right: Any) -> None:
        left.plot(when[::10], factors, color="k")
        left.set(xlabel="step", ylabel="$r_t$", title=r"The rectification, $\beta_2 = 0.999$", ylim=(0, 1.05))
        for (name, points), style in zip(own.items(), ("-", "-", "--"), strict=True):
            right.plot([float(bowl(mt.tensor(x))) for x in points], style, label=name)
        right.set(xlabel="step", ylabel="loss", yscale="log", title=rf"$\eta = {eta:g}$")
        right.legend(fontsize="small")

    run.figure(
        (
            "The factor on the adaptive rate grows over thousands of steps. After five plain steps RAdam therefore moves "
            "slowly; a rectified momentum would not.",
            "自适应学习率上的因子在数千步内逐渐升高。RAdam 先走五步普通动量，随后因该因子很小而前进缓慢；若只校正动量则不会如此。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )


@item(
    "nadam",
    kind="optimizer",
    source="Chapter 6, notes, adaptive methods (Dozat 2016)",
    title=("NAdam: Nesterov's look-ahead inside Adam", "NAdam：Adam 加上 Nesterov 前瞻"),
    statement=(
        r"Adam with Nesterov momentum: the step uses the average as it will be after the next decay, and a share of the "
        r"present gradient, $\hat m = \mu_{t+1} m_t / (1 - \prod_{i \le t+1} \mu_i) + (1 - \mu_t) g_t / (1 - \prod_{i "
        r"\le t} \mu_i)$ with $\mu_t = \beta_1 (1 - 0.96^{t\psi} / 2)$.",
        r"在 Adam 中使用 Nesterov 动量：步长取衰减到下一步的平均，再加一份当前梯度，即 $\hat m = \mu_{t+1} m_t / (1 - "
        r"\prod_{i \le t+1} \mu_i) + (1 - \mu_t) g_t / (1 - \prod_{i \le t} \mu_i)$，其中 $\mu_t = \beta_1 (1 - "
        r"0.96^{t\psi} / 2)$。",
    ),
    verdict="holds",
    ranges={"eta": (0.0001, 0.3), "psi": (0.0, 1.0), "steps": (10, 2000)},
)
def nadam(run: Run, eta: float = 0.01, psi: float = 0.004, steps: int = 200) -> None:
    path = positions(partial(mt.optim.NAdam, lr=0.01), bowl, START, 200)
    ends(run, path[-1], (0.09786324, -0.03906299, 0.92825734))
    w, m, v, product = np.array(START), np.zeros(3), np.zeros(3), 1.0
    reference = [w]
    for t in range(1, 201):
        g = CURVATURES * w + w**3
        mu, ahead = (0.9 * (1 - 0.5 * 0.96 ** (k * 0.004)) for k in (t, t + 1))
        product *= mu
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        mhat = ahead * m / (1 - product * ahead) + (1 - mu) * g / (1 - product)
        w = w - 0.01 * mhat / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        reference.append(w)
    run.claim(
        ("distance from the formula, in NumPy", "与用 NumPy 直接计算的公式之差"),
        np.abs(path - np.array(reference)).max(),
        at_most=1e-13,
    )
    own = {
        "NAdam": positions(partial(mt.optim.NAdam, lr=eta, momentum_decay=psi), bowl, START, steps),
        "Adam": positions(partial(mt.optim.Adam, lr=eta), bowl, START, steps),
    }

    def draw(left: Any, right: Any) -> None:
        for name, points in own.items():
            left.plot([float(bowl(mt.tensor(x))) for x in points], label=name)
        left.set(xlabel="step", ylabel="loss", yscale="log", title=rf"$\eta = {eta:g}$, $\psi = {psi:g}$")
        left.legend(fontsize="small")
        for k, colour in enumerate(("C0", "C1", "C2")):
            right.plot(own["NAdam"][:, k], color=colour, label=rf"$\lambda = {CURVATURES[k]:g}$")
            right.plot(own["Adam"][:, k], color=colour, linestyle=":")
        right.set(xlabel="step", ylabel="coordinate", title="NAdam; dotted: Adam")
        right.legend(fontsize="small")

    run.figure(("NAdam and Adam on three curvatures", "NAdam 与 Adam 在三种曲率上的表现"), draw, (1, 2), (9.0, 4.0))


@item(
    "adaptive-statistics-noisy-early",
    kind="experiment",
    source="Chapter 6, notes, adaptive methods and warm-up (Liu et al. 2020, Goyal et al. 2018)",
    title=("Adaptive rates rest on few samples at first", "起初，自适应学习率依据的样本太少"),
    statement=(
        "Adaptive rates are made of statistics that are very noisy at the start. A warm-up, which raises the learning "
        "rate over the first few thousand steps, lessens the damage.",
        "自适应学习率所依据的统计量在训练初期噪声很大。预热让学习率在最初数千步内逐渐升高，可以减轻其影响。",
    ),
    verdict="holds",
    ranges={"eta": (0.0001, 0.1), "warmup": (1, 5000), "steps": (200, 1000)},
    random=True,
)
def noisy_early(run: Run, eta: float = 0.01, warmup: int = 1000, steps: int = 200) -> None:
    walkers = 4000

    def displacement(lr: float, warm: int, count: int, seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        names = ("Adam", f"Adam, warm-up {warm}", "rectified")
        makers: tuple[Any, ...] = (
            partial(mt.optim.Adam, lr=lr),
            partial(mt.optim.Adam, lr=lambda k: lr * min(1.0, (k + 1) / warm)),  # type: ignore[arg-type]
            partial(mt.optim.RAdam, lr=lr),
        )
        params = [mt.tensor(np.zeros(walkers), requires_grad=True) for _ in names]
        optimizers = [make([p]) for make, p in zip(makers, params, strict=True)]
        sizes: dict[str, list[float]] = {name: [0.0] for name in names}
        for t in range(1, count + 1):
            g = mt.tensor(rng.standard_normal(walkers) * np.exp(rng.standard_normal(walkers)))
            for name, p, optimizer in zip(names, params, optimizers, strict=True):
                p.grad = g
                optimizer.step()
                if name == "rectified" and t <= 5:  # only the adaptive part of RAdam is looked at
                    with mt.no_grad():
                        p.zero_()
                sizes[name].append(float((p.detach() ** 2).mean().sqrt()))
        return {name: np.array(values) for name, values in sizes.items()}

    found = displacement(0.01, 1000, 200, run.seed)
    expected = {
        "Adam": (0.01, 0.0366, 0.0768, 0.1438),
        "Adam, warm-up 1000": (1e-5, 1.8e-4, 1.9e-3, 0.0155),
        "rectified": (0.0, 6.2e-4, 6.7e-3, 0.0294),
    }
    for name, values in expected.items():
        for t, value in zip((1, 10, 50, 200), values, strict=True):
            run.claim(
                (f"{name}: root mean square displacement after {t} steps", f"{name}：{t} 步后的均方根位移"),
                found[name][t],
                equals=value,
                relative=0.1,
            )
    p = mt.tensor(np.zeros(walkers), requires_grad=True)
    optimizer = mt.optim.Adam([p])
    spreads = {}
    for t in range(1, 501):
        p.grad = mt.tensor(run.rng.standard_normal(walkers))
        optimizer.step()
        if t in (1, 2, 5, 10, 20, 50, 100, 200, 500):
            rate = 1 / np.sqrt(np.asarray(optimizer.state[p]["exp_avg_sq"]) / (1 - 0.999**t))
            low, middle, high = np.percentile(rate, (25, 50, 75))
            spreads[t] = float((high - low) / middle)
    for t, value in ((1, 1.5), (2, 0.85), (5, 0.46), (10, 0.31), (50, 0.13), (500, 0.043)):
        run.claim(
            (
                rf"step {t}: interquartile range over median of $1/\sqrt{{\hat v}}$",
                rf"第 {t} 步：$1/\sqrt{{\hat v}}$ 的四分位距与中位数之比",
            ),
            spreads[t],
            equals=value,
            relative=0.12,
        )
    own = displacement(eta, warmup, steps, run.seed)

    def draw(left: Any, right: Any) -> None:
        for name, sizes in own.items():
            left.plot(np.arange(1, steps + 1), sizes[1:], label=name)
        left.set(xlabel="step", ylabel="RMS displacement from the optimum", yscale="log", xscale="log")
        left.set(title=rf"Pure noise, $\eta = {eta:g}$", ylim=(0.001 * eta, 100 * eta))
        left.legend(fontsize="small")
        right.plot(list(spreads), list(spreads.values()), "o-")
        right.set(xlabel="step", ylabel=r"IQR / median of $1/\sqrt{\hat v}$", xscale="log", yscale="log")
        right.set_title("Spread of the rates")

    run.figure(
        (
            "Started at the optimum with nothing but noise: Adam leaves it fast, and warm-up and rectification keep it "
            "there. Right: early rates differ widely by chance.",
            "从最优解出发，梯度只有噪声：Adam 很快离开，预热与校正则把它留在附近。右：初期的学习率因偶然而相差很大。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
