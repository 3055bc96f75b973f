"""Warm-up where the curvature is large at first: in a toy whose curvature falls with time, and in a deep chain."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..moving import grow
from ..run import Run

S: Any = mt.optim.schedules


def warmed(eta: float, steps: int) -> Any:
    """A constant rate, after a linear warm-up of so many steps."""
    return eta * S.Warmup(steps)


def falling_curvature(eta: float, W: int, lam0: float, lam1: float, tau: float, steps: int) -> np.ndarray:
    """|x| along gradient descent on lambda(t) x^2 / 2, lambda falling from lam0 to lam1; (steps + 1,)."""
    x = mt.tensor([1.0], requires_grad=True)
    optimizer = mt.optim.SGD([x], lr=warmed(eta, W))
    path = [1.0]
    for t in range(steps):
        optimizer.zero_grad()
        curvature = lam1 + (lam0 - lam1) * np.exp(-t / tau)
        (0.5 * curvature * x * x).sum().backward()
        optimizer.step()
        path.append(abs(x.item()))
        if not path[-1] < 1e300:
            break
    return np.array(path)


@item(
    "warmup-time-varying-curvature",
    kind="experiment",
    source="Deep-learning optimizers, the toy model with changing curvature; hands-on problem 3154374",
    title=("Warm-up against a large early curvature", "用预热应对前期的大曲率"),
    statement=(
        r"Curvature may be so large at first that a rate which suits later violates $\eta < 2/L$. Constant, it blows up "
        "early; warm-up keeps it stable.",
        r"前期曲率可能很大，以致后期合适的学习率在开始时违反 $\eta < 2/L$。固定学习率会在前期发散，预热则保持稳定。",
    ),
    verdict="holds",
    ranges={
        "eta": (0.001, 0.5), "W": (0, 200), "lam0": (1.0, 500.0), "lam1": (0.1, 10.0), "tau": (1.0, 100.0),
        "steps": (20, 1000),
    },
)  # fmt: skip
def warmup_time_varying_curvature(
    run: Run, eta: float = 0.1, W: int = 50, lam0: float = 100.0, lam1: float = 1.0, tau: float = 20.0, steps: int = 400
) -> None:
    usual = (100.0, 1.0, 20.0, 400)
    constant, warm = falling_curvature(0.1, 0, *usual), falling_curvature(0.1, 50, *usual)

    def peak(text: str, zh: str, path: np.ndarray, **expected: Any) -> None:
        run.claim((rf"{text}: largest $|x|$", rf"{zh}：$|x|$ 的最大值"), path.max(), **expected)

    peak(r"$\eta = 0.1$, constant", r"$\eta = 0.1$，常数", constant, equals=3.8e17, within=0.05e17)
    peak(r"$\eta = 0.1$, constant", r"$\eta = 0.1$，常数", constant, at_least=1e10)
    peak(r"$\eta = 0.1$, warm-up 50", r"$\eta = 0.1$，预热 50 步", warm, at_most=1 + 1e-12)
    run.claim(
        (r"$\eta = 0.1$, warm-up 50: $|x|$ at the end", r"$\eta = 0.1$，预热 50 步：最后的 $|x|$"),
        warm[-1],
        equals=3.3e-59,
        within=0.05e-59,
    )
    run.claim(
        (r"$\eta = 0.1$, constant: $|x|$ at the end", r"$\eta = 0.1$，常数：最后的 $|x|$"),
        constant[-1],
        equals=6.7e-22,
        within=0.05e-22,
    )
    peak(
        r"$\eta = 0.1$, warm-up 100",
        r"$\eta = 0.1$，预热 100 步",
        falling_curvature(0.1, 100, *usual),
        equals=1.0,
        within=1e-12,
    )
    peak(
        r"$\eta = 0.1$, warm-up 20",
        r"$\eta = 0.1$，预热 20 步",
        falling_curvature(0.1, 20, *usual),
        equals=4.5e6,
        within=0.05e6,
    )
    peak(
        r"$\eta = 0.05$, constant",
        r"$\eta = 0.05$，常数",
        falling_curvature(0.05, 0, *usual),
        equals=2.1e6,
        within=0.05e6,
    )
    peak(
        r"$\eta = 0.05$, warm-up 20",
        r"$\eta = 0.05$，预热 20 步",
        falling_curvature(0.05, 20, *usual),
        equals=1.0,
        within=1e-12,
    )
    for w in (0, 50):
        peak(
            rf"$\eta = 0.02 = 2/\lambda_0$, warm-up {w}",
            rf"$\eta = 0.02 = 2/\lambda_0$，预热 {w} 步",
            falling_curvature(0.02, w, *usual),
            at_most=1 + 1e-12,
        )
    run.note(
        "The constant run comes back in the end, because this curvature falls whatever the parameter does.",
        "固定学习率的运行最终也会回来，因为这里的曲率下降与参数无关。",
    )
    set_up = (lam0, lam1, tau, steps)
    paths = {
        f"constant {eta:g}": falling_curvature(eta, 0, *set_up),
        f"warm-up, {W} steps": falling_curvature(eta, W, *set_up),
    }
    if W != 20:
        paths["warm-up, 20 steps"] = falling_curvature(eta, 20, *set_up)

    def draw(left: Any, right: Any) -> None:
        for (name, path), style in zip(paths.items(), ("-", "--", ":"), strict=False):
            left.plot(np.clip(path, 1e-60, 1e60), style, label=name)
        left.set(xlabel="step", ylabel="|x|", yscale="log")
        left.legend(fontsize="small")
        t = np.arange(steps)
        right.plot(t, 2 / (lam1 + (lam0 - lam1) * np.exp(-t / tau)), color="black", label=r"limit $2 / \lambda(t)$")
        right.axhline(eta, color="C0", label=f"constant {eta:g}")
        right.plot(t, [warmed(eta, W)(k) for k in t], "C1--", label=f"warm-up, {W} steps")
        right.set(xlabel="step", ylabel="learning rate", yscale="log", xlim=(0, min(steps, 8 * tau)))
        right.legend(fontsize="small")

    run.figure(
        ("The parameter grows as long as the rate lies above the limit.", "只要学习率高于界限，参数就会增长。"),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
    first = min(steps, 80)  # steps that are shown
    names, rates = list(paths)[:2], (lambda t: eta, warmed(eta, W))

    def curvature(t: int) -> float:
        return lam1 + (lam0 - lam1) * float(np.exp(-t / tau))

    def opening(left: Any, right: Any) -> Any:
        x = np.linspace(-1.6, 1.6, 200)
        (valley,) = left.plot(x, 0.5 * lam1 * x * x, color="0.5", label=r"$\lambda(t) x^2 / 2$")
        left.set(xlabel="x", ylabel="loss", xlim=(-1.6, 1.6), ylim=(-0.05, 1.3))
        left.axvline(0, color="0.85", linewidth=0.8)
        text = left.text(0, 1.2, "", ha="center")
        balls, ways, turns = [], [], []
        for k, name in enumerate(names):
            path = np.pad(paths[name], (0, max(0, first + 1 - len(paths[name]))), mode="edge")[: first + 1]
            turns.append(np.cumprod([1, *(np.sign(1 - rates[k](t) * curvature(t)) for t in range(first))]))
            balls += left.plot([], [], "o", color=f"C{k}", markeredgecolor="black", markersize=10, label=name)
            ways += right.semilogy(np.clip(path, 1e-20, 1e20), color=f"C{k}", label=name)
        left.legend(fontsize="small", loc="lower left")
        right.set(xlabel="step", ylabel="|x|", ylim=(1e-12, 1e20))
        right.legend(fontsize="small")
        sizes = [np.array(way.get_ydata()) for way in ways]
        trails = grow(np.arange(0, first + 1, 2), *ways)

        def show(k: int) -> None:
            t = 2 * k
            valley.set_ydata(0.5 * curvature(t) * x * x)
            text.set_text(rf"step {t}, $\lambda = {curvature(t):.3g}$")
            for ball, size, side in zip(balls, sizes, turns, strict=True):
                at = min(size[t], 1.55) * side[t]
                ball.set_data([at], [min(0.5 * curvature(t) * at * at, 1.25)])
            trails(k)

        return show

    run.figure(
        (
            "The valley opens as the curvature falls. With the constant rate the parameter is thrown far out of the picture "
            "and comes back only when the valley is wide enough; with warm-up it never leaves.",
            "曲率下降，山谷变宽。学习率为常数时，参数先被抛到画面之外，山谷足够宽之后才回来；有预热时始终没有离开。",
        ),
        opening,
        (1, 2),
        (8.5, 3.6),
        frames=first // 2 + 1,
        seconds=10,
    )


def chain(w: mt.Tensor) -> mt.Tensor:
    """(w_1 w_2 ... w_L - 1)^2 / 2 for one chain of factors (L,), or each of several (runs, L)."""
    product = w[..., 0]
    for k in range(1, w.shape[-1]):
        product = product * w[..., k]
    return 0.5 * (product - 1) ** 2


def descend_chain(starts: np.ndarray, lr: Any, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Gradient descent from each start (runs, L): losses (T + 1, runs) and norms (T + 1, runs), until all are settled."""
    w = mt.tensor(starts.copy(), requires_grad=True)
    optimizer = mt.optim.SGD([w], lr=lr)
    losses, sizes = [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps + 1):
            optimizer.zero_grad()
            each = chain(w)
            losses.append(each.detach().numpy().copy())
            sizes.append(np.linalg.norm(w.detach().numpy(), axis=1))
            if k == steps or (losses[-1] < 1e-31).all() or not np.isfinite(losses[-1]).any():
                break
            each.sum().backward()
            optimizer.step()
    return np.array(losses), np.array(sizes)


WAITS = (1, 2, 5, 10, 20, 50, 100)


def fitted(starts: np.ndarray, eta: float, W: int) -> float:
    """The share of starts from which a warm-up of W steps leads to a minimum."""
    ends = descend_chain(starts, warmed(eta, W), 400)[0][-1]
    return float((np.nan_to_num(ends, nan=np.inf) < 1e-12).mean())


@item(
    "warmup-deep-chain",
    kind="experiment",
    source="Deep-learning optimizers, on the curvature of deep networks near their initial values; hands-on problem 3154374",
    title=("Warm-up in a deep chain", "深层链中的预热"),
    statement=(
        "In a deep product of weights the curvature near the start can be very large. Here it falls because the "
        "parameters move, so that what diverges early never comes back.",
        "在多个权重相乘的深层模型中，起点附近的曲率可能很大。这里曲率因参数移动而下降，因此前期一旦发散便无法恢复。",
    ),
    verdict="holds",
    ranges={"eta": (0.001, 0.45), "W": (1, 200), "spread": (0.0, 0.3)},
    random=True,
)
def warmup_deep_chain(run: Run, eta: float = 0.3, W: int = 50, spread: float = 0.05) -> None:
    seeds = [3 * run.seed + k for k in range(3)]  # with seed 0 these are 0, 1 and 2
    starts = np.array([2 + 0.05 * np.random.default_rng(seed).normal(size=4) for seed in seeds])
    curvatures = mt.analysis.objective(chain, np.ones(4))
    tops = np.linalg.eigvalsh(curvatures.hessians(starts))[:, -1]
    for seed, top, expected in zip(seeds, tops, (448, 439, 385), strict=True):
        text = (f"seed {seed}: largest curvature at the start", f"种子 {seed}：起点的最大曲率")
        if run.seed == 0:
            run.claim(text, top, equals=expected, within=0.5)
        else:
            run.claim(text, top, between=(250, 700))
    if run.seed == 0:
        run.claim((r"$2/\lambda$ at the start", r"起点的 $2/\lambda$"), 2 / tops, between=(0.00445, 0.00525))
    run.claim(
        ("largest curvature at the minimum (1, 1, 1, 1)", "最小值点 (1, 1, 1, 1) 处的最大曲率"),
        np.linalg.eigvalsh(curvatures.hessian(np.ones(4)))[-1],
        equals=4.0,
        within=1e-12,
    )
    for rate in (0.05, 0.1, 0.2, 0.3):
        losses, sizes = descend_chain(starts, rate, 4)
        run.claim(
            (
                rf"constant $\eta = {rate}$: the smallest $|w|$ after 3 steps",
                rf"常数 $\eta = {rate}$：3 步后最小的 $|w|$",
            ),
            np.nan_to_num(sizes[min(3, len(sizes) - 1)], nan=np.inf),
            at_least=1e4,
        )
        run.claim(
            (rf"constant $\eta = {rate}$: loss overflows within 4 steps", rf"常数 $\eta = {rate}$：损失在 4 步内溢出"),
            bool(not np.isfinite(losses[-1]).any()),
        )
        waits = (10, 50, 200) if run.seed == 0 else (50, 200)
        worst = max(float(descend_chain(starts, warmed(rate, w), 1000)[0][-1].max()) for w in waits)
        run.claim(
            (
                rf"$\eta = {rate}$ after a warm-up of {' or '.join(map(str, waits))} steps: largest final loss",
                rf"$\eta = {rate}$，预热 {' 或 '.join(map(str, waits))} 步：最大的最终损失",
            ),
            worst,
            at_most=1e-30 if run.seed == 0 else 1e-20,
        )
    many = np.array([2 + spread * np.random.default_rng(100 * run.seed + k).normal(size=4) for k in range(100)])
    shares = {rate: [fitted(many, rate, w) for w in WAITS] for rate in sorted({0.1, 0.2, 0.3, eta})}
    if spread == 0.05:
        run.claim(
            (
                r"$\eta = 0.3$: share of 100 starts for which a warm-up of 10 steps is too short",
                r"$\eta = 0.3$：100 个起点中预热 10 步仍不够的比例",
            ),
            1 - shares[0.3][WAITS.index(10)],
            between=(0.1, 0.45),
        )
        run.claim(("of 50 steps", "预热 50 步不够的比例"), 1 - shares[0.3][WAITS.index(50)], equals=0.0)
    run.note(
        "How long the warm-up must be depends on the rate: 10 steps are enough for 0.1, but not for 0.3, where a quarter of all starts "
        "still diverges.",
        "预热需要多长取决于学习率：学习率为 0.1 时 10 步足够，为 0.3 时仍有约四分之一的起点发散。",
    )
    shown = 2 + spread * np.random.default_rng(run.seed).normal(size=(1, 4))
    runs = {
        f"constant {eta:g}": descend_chain(shown, eta, 1000),
        f"warm-up, {W} steps": descend_chain(shown, warmed(eta, W), 1000),
    }
    w = mt.analysis.trace(lambda p: mt.optim.SGD(p, lr=warmed(eta, W)), chain, shown[0], steps=max(100, 2 * W))
    sharp = np.linalg.eigvalsh(curvatures.hessians(w.points))[:, -1] if np.isfinite(w.points).all() else None

    def draw(left: Any, right: Any, last: Any) -> None:
        for (name, (losses, _)), style in zip(runs.items(), ("o-", "-"), strict=True):
            left.plot(
                np.clip(np.nan_to_num(losses[:, 0], nan=1e40, posinf=1e40), 1e-32, 1e40),
                style,
                markersize=3,
                label=name,
            )
        left.set(xlabel="step", ylabel="loss", yscale="log")
        left.legend(fontsize="small")
        if sharp is not None:
            right.plot(2 / sharp, color="black", label=r"limit $2 / \lambda_{\max}$ at the point")
        right.plot([warmed(eta, W)(t) for t in range(len(w.points))], "C1--", label=f"warm-up, {W} steps")
        right.axhline(eta, color="C0", label=f"constant {eta:g}")
        right.set(xlabel="step", ylabel="learning rate", yscale="log")
        right.legend(fontsize="small")
        for rate, share in shares.items():
            last.plot(WAITS, share, "o-", markersize=4, label=rf"$\eta = {rate:g}$")
        last.set(xlabel="steps of warm-up", ylabel="share of 100 starts that arrive", xscale="log")
        last.legend(fontsize="small")

    run.figure(
        (
            "During the warm-up the parameters walk to where the curvature is small.",
            "预热期间，参数走到曲率小的地方。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )
