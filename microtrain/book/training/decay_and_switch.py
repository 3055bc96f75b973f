"""AdamW, whose weight decay is apart from the gradient, and SWATS, which begins with Adam and ends with SGD."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.adaptive import CURVATURES, START, bowl, positions
from ..run import Run
from .adam_relatives import ends

SCALES = (10.0, 1.0, 0.1)


def decayed(rng: np.random.Generator, decay: float, lr: float, steps: int, walkers: int) -> dict[str, np.ndarray]:
    """Mean weights (steps + 1, scales) under gradients that are noise of three sizes, from 1."""
    makers: dict[str, Callable[..., Any]] = {"Adam + L2": mt.optim.Adam, "AdamW": mt.optim.AdamW}
    params = {name: mt.tensor(np.ones((walkers, 3)), requires_grad=True) for name in makers}
    optimizers = [make([params[name]], lr=lr, weight_decay=decay) for name, make in makers.items()]
    path = [[np.ones(3)] * len(makers)]
    for _ in range(steps):
        noise = mt.tensor(rng.standard_normal((walkers, 3)) * np.array(SCALES))
        for p, optimizer in zip(params.values(), optimizers, strict=True):
            p.grad = noise
            optimizer.step()
        path.append([p.detach().numpy().mean(0) for p in params.values()])
    table = np.array(path)
    return {name: table[:, k] for k, name in enumerate(makers)}


@item(
    "adamw",
    kind="optimizer",
    source="Chapter 6, notes, adaptive methods (Loshchilov and Hutter 2019)",
    title=("AdamW: weight decay apart from the gradient", "AdamW：与梯度分离的权重衰减"),
    statement=(
        r"The weights shrink first, $w \leftarrow w (1 - \eta\lambda)$, and Adam's step follows without the L2 term in "
        "its gradient. This is said to improve Adam markedly where L2 regularisation is used.",
        r"先收缩权重，$w \leftarrow w (1 - \eta\lambda)$，再走 Adam 的一步，梯度中不含 L2 项。书中说，使用 L2 正则化时，"
        "这能明显改进 Adam。",
    ),
    verdict="holds with a condition",
    correction=(
        "That the shrinkage no longer depends on the size of the gradients is certain. That the result is markedly "
        "better is empirical and depends on the data: in the regression shown here, with features of sizes 0.1 to 10, the "
        r"best test error over seven values of $\lambda$ is no lower than that of Adam with L2.",
        r"收缩不再取决于梯度的大小，这是确定的。“明显更好”则是经验之谈，取决于数据：在这里的回归中，特征尺度为 "
        r"0.1～10，七个 $\lambda$ 下最好的测试误差并不低于带 L2 的 Adam。",
    ),
    ranges={"decay": (0.0, 1.0), "eta": (0.001, 0.05)},
    random=True,
)
def adamw(run: Run, decay: float = 0.1, eta: float = 0.01) -> None:
    path = positions(partial(mt.optim.AdamW, lr=0.01, weight_decay=0.1), bowl, START, 200)
    ends(run, path[-1], (0.05012569, -0.01297829, 0.75566134))
    w, m, v = np.array(START), np.zeros(3), np.zeros(3)
    reference = [w]
    for t in range(1, 201):
        g = CURVATURES * w + w**3
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w * (1 - 0.001) - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        reference.append(w)
    run.claim(
        ("distance from the formula, in NumPy", "与用 NumPy 直接计算的公式之差"),
        np.abs(path - np.array(reference)).max(),
        at_most=1e-14,
    )
    found = decayed(run.rng, 0.1, 0.01, 3000, 2000)
    theory = (1 - 0.001) ** 3000
    for k, size in enumerate(SCALES):
        run.claim(
            (f"AdamW, noise of size {size:g}: mean weight", f"AdamW，噪声大小 {size:g}：平均权重"),
            found["AdamW"][-1, k],
            equals=theory,
            within=0.02,
        )
    for k, (size, value) in enumerate(zip(SCALES, (0.735, 0.047, -0.003), strict=True)):
        run.claim(
            (f"Adam + L2, noise of size {size:g}: mean weight", f"Adam + L2，噪声大小 {size:g}：平均权重"),
            found["Adam + L2"][-1, k],
            equals=value,
            within=max(0.02, 0.1 * value),
        )
    run.claim(("Adam + L2: spread of the three", "Adam + L2：三者的差距"), np.ptp(found["Adam + L2"][-1]), at_least=0.5)

    def shrunk(p: list[mt.Tensor]) -> Any:
        optimizer = mt.optim.SGD(p, lr=0.01)
        plain = optimizer.step

        def step(closure: Any = None) -> Any:
            with mt.no_grad():
                p[0].mul_(1 - 0.01 * 0.1)
            return plain(closure)

        optimizer.step = step  # type: ignore[method-assign]
        return optimizer

    p, q = (mt.tensor(np.ones(3), requires_grad=True) for _ in range(2))
    l2, apart = mt.optim.SGD([p], lr=0.01, weight_decay=0.1), shrunk([q])
    for g in run.rng.standard_normal((300, 3)):
        p.grad = q.grad = mt.tensor(g)
        l2.step()
        apart.step()
    run.claim(
        ("SGD: L2 against decay apart from the gradient", "SGD：L2 与分离的权重衰减之差"),
        np.abs(p.detach().numpy() - q.detach().numpy()).max(),
        at_most=1e-14,
    )
    lambdas, errors = regression(run.seed)
    best = {name: values.min() for name, values in errors.items()}
    run.claim(
        ("regression: best test error of AdamW over that of Adam + L2", "回归：AdamW 与 Adam + L2 的最佳测试误差之比"),
        best["AdamW"] / best["Adam + L2"],
        at_least=0.9,
    )
    run.table(
        ("Test error of the regression", "回归的测试误差"),
        ("lambda", *errors),
        [(lam, *(float(e[k]) for e in errors.values())) for k, lam in enumerate(lambdas)],
    )
    own = found if (decay, eta) == (0.1, 0.01) else decayed(np.random.default_rng(run.seed), decay, eta, 3000, 500)

    def draw(left: Any, right: Any) -> None:
        for k, size in enumerate(SCALES):
            left.plot(own["Adam + L2"][:, k], color=f"C{k}", label=f"noise {size:g}")
            left.plot(own["AdamW"][:, k], color=f"C{k}", linestyle="--")
        left.plot((1 - eta * decay) ** np.arange(3001), "k:", label=r"$(1-\eta\lambda)^t$")
        left.set(xlabel="step", ylabel="mean weight", title="Solid: Adam + L2; dashed: AdamW")
        left.legend(fontsize="small")
        for name, values in errors.items():
            right.plot(lambdas, values, "o-", label=name)
        right.set(
            xlabel=r"$\lambda$",
            ylabel="test error",
            xscale="log",
            yscale="log",
            title="A regression, features 0.1 to 10",
        )
        right.legend(fontsize="small")

    run.figure(
        (
            "With the L2 term in Adam's gradient weights with noisy gradients hardly shrink; apart from it all shrink "
            "alike. Right: a regression in which that does not help.",
            "L2 项放进 Adam 的梯度，梯度噪声大的权重几乎不收缩；分离之后，所有权重同样收缩。右：在这个回归中，分离并无帮助。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )


def regression(seed: int, draws: int = 6, steps: int = 800) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Seven values of lambda, and the mean test errors of both on regressions with 30 samples and 20 features."""
    lambdas = np.array([0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
    rng = np.random.default_rng(seed)
    scale = np.geomspace(0.1, 10, 20)
    x, tests = rng.standard_normal((draws, 30, 20)) * scale, rng.standard_normal((draws, 1000, 20)) * scale
    true = 0.5 * rng.standard_normal((draws, 20, 1))
    y = x @ true + rng.standard_normal((draws, 30, 1))
    truth = tests @ true
    errors = {}
    for name, make in {"Adam + L2": mt.optim.Adam, "AdamW": mt.optim.AdamW}.items():
        params = [mt.tensor(np.zeros((draws, 20)), requires_grad=True) for _ in lambdas]
        groups = [{"params": [p], "weight_decay": float(lam)} for p, lam in zip(params, lambdas, strict=True)]
        optimizer = make(groups, lr=0.02)
        inputs, targets = mt.tensor(x), mt.tensor(y)
        for _ in range(steps):
            optimizer.zero_grad()
            residual = inputs @ mt.stack(params, 2) - targets
            (0.5 * residual * residual).mean(1).sum().backward()
            optimizer.step()
        weights = np.stack([p.detach().numpy() for p in params], 2)
        errors[name] = 1 + ((tests @ weights - truth) ** 2).mean((0, 1))
    return lambdas, errors


@item(
    "swats",
    kind="optimizer",
    source="Chapter 6, notes, SGD versus Adam (Keskar and Socher 2017)",
    title=("SWATS: begin with Adam, end with SGD", "SWATS：先用 Adam，再换 SGD"),
    statement=(
        r"Adam makes quick progress, then SGD takes over for a better end. The switch can be automatic: when the rate "
        r"$\gamma_k = p^\top p / (-p^\top g)$ that SGD would need for Adam's step $p$ agrees with its running average, "
        "that average becomes the rate.",
        r"先用 Adam 快速推进，再换 SGD 以求更好的结果。切换可以自动进行：对 Adam 的步 $p$，SGD 所需的学习率为 "
        r"$\gamma_k = p^\top p / (-p^\top g)$；当它与自身的移动平均一致时，以该平均作为 SGD 的学习率。",
    ),
    verdict="holds with a condition",
    correction=(
        "The automatic criterion is delicate: on a noiseless least-squares problem it never fires with a tolerance of "
        "$10^{-9}$, and in the first steps with $10^{-5}$ to $10^{-3}$. What is shown here is better optimisation, not "
        "better generalisation.",
        "自动判据很敏感：在没有噪声的最小二乘问题上，容差为 $10^{-9}$ 时从不触发，为 $10^{-5}$ 到 $10^{-3}$ 时则在最初几步就触发。"
        "这里展示的是优化得更好，而不是泛化得更好。",
    ),
    ranges={"switch": (10, 2500), "sgd_lr": (0.0005, 0.02), "noise": (0.0, 0.1)},
    random=True,
)
def swats(run: Run, switch: int = 400, sgd_lr: float = 0.01, noise: float = 0.01) -> None:
    f = mt.analysis.problems.plateau_valley(25.0)

    def raced(at: int, rate: float, sigma: float) -> dict[str, np.ndarray]:
        """Median losses of 200 walkers over 3000 steps."""
        rng = np.random.default_rng(run.seed)
        start = np.repeat([[-4.0], [1.0]], 200, axis=1)
        makers: dict[str, Callable[..., Any]] = {
            "Adam": partial(mt.optim.Adam, lr=0.03),
            "SGD": partial(mt.optim.SGD, lr=rate),
            "SWATS": partial(mt.optim.SWATS, lr=0.03, switch_step=at, sgd_lr=rate),
        }
        params = [mt.tensor(start.copy(), requires_grad=True) for _ in makers]
        optimizers = [make([p]) for make, p in zip(makers.values(), params, strict=True)]
        medians = []
        for k in range(3000):
            for optimizer in optimizers:
                optimizer.zero_grad()
            x = mt.stack(params, 1)  # (coordinates, optimizers, walkers)
            each = f(x)
            (each.sum() + (x * (sigma * rng.standard_normal((2, 1, 200)))).sum()).backward()
            for optimizer in optimizers:
                optimizer.step()
            if k % 20 == 19:
                medians.append(np.median(each.detach().numpy(), axis=1))
        return {name: np.array(medians)[:, k] for k, name in enumerate(makers)}

    found = raced(400, 0.01, 0.01)
    last = {name: float(values[-1]) for name, values in found.items()}
    run.claim(("Adam: median loss after 3000 steps", "Adam：3000 步后损失的中位数"), last["Adam"], between=(5e-6, 5e-5))
    run.claim(("SGD", "SGD"), last["SGD"], at_least=0.99)
    run.claim(("SWATS", "SWATS"), last["SWATS"], between=(2e-7, 1e-6))
    run.claim(("SWATS over Adam", "SWATS 与 Adam 之比"), last["SWATS"] / last["Adam"], at_most=0.1)
    rows = automatic()
    for tol, fired, _ in rows:
        text = rf"automatic, tolerance $10^{{{round(np.log10(tol))}}}$: fires"
        text_zh = rf"自动切换，容差 $10^{{{round(np.log10(tol))}}}$：触发"
        if tol < 1e-8:
            run.claim((text + " at no step", text_zh + "步数（0 为不触发）"), fired or 0, equals=0)
        else:
            run.claim((text + " at step", text_zh + "于第几步"), fired or 0, between=(2, 60))
    run.claim(
        (
            "automatic, fired early: final loss over that of the run where it never fires",
            "过早触发与从不触发的最终损失之比",
        ),
        max(row[2] for row in rows[1:]) / rows[0][2],
        at_least=1e3,
    )
    run.table(
        ("The automatic criterion on least squares", "最小二乘问题上的自动判据"),
        ("tol", "switched at", "final loss"),
        rows,
    )
    own = found if (switch, sgd_lr, noise) == (400, 0.01, 0.01) else raced(switch, sgd_lr, noise)

    def draw(ax: Any) -> None:
        for name, values in own.items():
            ax.plot(20 * np.arange(1, len(values) + 1), values, label=name)
        ax.axvline(switch, color="k", linestyle=":", linewidth=0.8, label="switch")
        ax.set(xlabel="step", ylabel="median loss of 200 runs", yscale="log")
        ax.legend(fontsize="small")

    run.figure(
        (
            "Plateau and valley with noise: SGD does not cross the plateau, Adam hovers over the minimum, and the switch "
            "takes the better part of both.",
            "带噪声的平坦区域与山谷：SGD 走不出平坦区域，Adam 在最小值附近徘徊，切换则兼有两者之长。",
        ),
        draw,
    )


def automatic() -> list[tuple[float, int | None, float]]:
    """(tolerance, step of the switch, final loss) of SWATS on least squares with condition number 101, without noise."""
    curvatures = np.geomspace(1.0, 101.0, 10)
    target = np.random.default_rng(0).standard_normal(10)
    rows: list[tuple[float, int | None, float]] = []
    for tol in (1e-9, 1e-5, 1e-4, 1e-3):
        w = mt.tensor(np.zeros(10), requires_grad=True)
        optimizer = mt.optim.SWATS([w], lr=0.01, tol=tol)
        for _ in range(2000):
            optimizer.zero_grad()
            loss = (0.5 * curvatures * (w - target) ** 2).sum()
            loss.backward()
            optimizer.step()
        rows.append((tol, optimizer.switched_at, loss.item()))
    return rows
