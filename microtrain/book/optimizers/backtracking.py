"""Backtracking line search: in Rosenbrock's valley, beside fixed rates, and where rounding defeats it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt

from ...viz import plots
from ..entry import item
from ..run import Run
from .armijo import least_squares

START = (-1.2, 1.0)  # in Rosenbrock's valley
ROSENBROCK: Any = mt.analysis.problems.rosenbrock


def looked_up(losses: np.ndarray) -> Callable[[float], float]:
    """The loss after each length that backtracking asks for, in its order."""
    rest = iter(losses)
    return lambda step: next(rest)


def searched(cs: tuple[float, ...], eta0: float, rho: float, most: int) -> dict[float, dict[str, np.ndarray]]:
    """Gradient descent with backtracking in Rosenbrock's valley for several c, until the gradient is below 1e-6.

    {c: {"points" (T + 1, 2), "values" (T + 1,), "steps" and "tries" (T,)}}. What `LineSearchGD` does, for all c at once:
    the runs share a tensor, and the losses after all the lengths that may be tried are computed together.
    """
    record: dict[float, dict[str, list[Any]]] = {c: {"points": [], "values": [], "steps": [], "tries": []} for c in cs}
    x: Any
    y: Any
    x, y = (mt.tensor(np.full(len(cs), value), requires_grad=True) for value in START)
    optimizer = mt.optim.SGD([x, y], lr=1.0)
    lengths = np.multiply.accumulate([eta0, *[rho] * 49])[:, None]
    alive = dict(enumerate(cs))
    for _ in range(most + 1):
        optimizer.zero_grad()
        values = ROSENBROCK([x, y])
        values.sum().backward()
        at, now = np.array([x.detach().numpy(), y.detach().numpy()]), values.detach().numpy()
        g = np.array([x.grad.numpy(), y.grad.numpy()])
        tried = ROSENBROCK([mt.tensor(at[0] - lengths * g[0]), mt.tensor(at[1] - lengths * g[1])]).numpy()
        slopes = -(g * g).sum(axis=0)
        step = np.zeros(len(cs))
        for k, c in list(alive.items()):
            record[c]["points"].append(at[:, k])
            record[c]["values"].append(now[k])
            if slopes[k] > -1e-12:
                del alive[k]
                continue
            found = mt.optim.backtracking(looked_up(tried[:, k]), slopes[k], eta0, rho, c, start=now[k])
            record[c]["steps"].append(found.step)
            record[c]["tries"].append(found.n_evals)
            step[k] = found.step
        if not alive:
            break
        x.grad, y.grad = (mt.tensor(step * part) for part in g)
        optimizer.step()
    return {c: {name: np.array(entries) for name, entries in each.items()} for c, each in record.items()}


def fixed(rates: tuple[float, ...], steps: int) -> np.ndarray:
    """Gradient descent in Rosenbrock's valley with these rates, (steps + 1, rates, 2)."""
    runs = [mt.tensor(START, requires_grad=True) for _ in rates]
    optimizer = mt.optim.SGD([{"params": [p], "lr": lr} for p, lr in zip(runs, rates, strict=True)], lr=1.0)

    @mt.compile
    def rosenbrock_step() -> mt.Tensor:
        optimizer.zero_grad()
        loss = sum((ROSENBROCK(p) for p in runs), mt.tensor(0.0))
        loss.backward()
        optimizer.step()
        return loss

    _, paths = rosenbrock_step.repeat(steps, record=runs)
    return np.concatenate([[[START] * len(rates)], np.stack([np.asarray(path) for path in paths], axis=1)])


def unstopped(c: float, slack: float, steps: int = 100) -> list[float]:
    """The steps that backtracking from 10 accepts on least squares, with no rule when to stop."""
    loss = least_squares()
    found = mt.analysis.objective(loss, np.zeros(5))
    w: Any = mt.tensor(np.zeros(5), requires_grad=True)
    optimizer = mt.optim.SGD([w], lr=1.0)
    lengths = []
    for _ in range(steps):
        optimizer.zero_grad()
        now = loss(w)
        now.backward()
        at, g = w.detach().numpy().copy(), w.grad.numpy()

        def along(step: float, at: np.ndarray = at, g: np.ndarray = g) -> float:
            return found(at - step * g)

        start = float(now)
        search = mt.optim.backtracking(along, -float(g @ g), 10.0, 0.5, c, start=start, slack=slack)
        lengths.append(search.step)
        optimizer.param_groups[0]["lr"] = search.step
        optimizer.step()
    return lengths


COUNTS = {1e-4: 13756, 0.1: 11021, 0.5: 1533, 0.9: 2525}


@item(
    "armijo-backtracking",
    kind="line-search",
    source="Deep-learning optimizers, backtracking line search; hands-on problem 3154456",
    title=("Backtracking", "回溯线搜索"),
    statement=(
        r"Begin with $\eta_0$ and multiply by $\rho$ until Armijo's condition holds: every step then brings a sufficient "
        "decrease, and nobody has to choose a rate.",
        r"从 $\eta_0$ 开始，反复乘以 $\rho$，直到满足 Armijo 条件：每一步都保证充分下降，无需手动选择学习率。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Near the optimum the decrease is smaller than what floating point can show, and the test fails for no good reason: on "
        r"least squares the accepted step sinks below $10^{-8}$, although every $\eta \le 2(1 - c)/L$ is admissible. Stop at a "
        r"small gradient, or allow a slack of $10^{-12} |f|$ (what `backtracking` does).",
        r"在最优解附近，降幅小于浮点数的分辨率，检验会无故失败：在最小二乘问题上，虽然任何 $\eta \le 2(1 - c)/L$ 都可接受，实际接受的步长却降到 "
        r"$10^{-8}$ 以下。应在梯度足够小时停止，或允许 $10^{-12} |f|$ 的余量（`backtracking` 即如此）。",
    ),
    ranges={"eta0": (0.01, 10.0), "rho": (0.1, 0.8), "c": (0.0001, 0.99)},
)
def armijo_backtracking(run: Run, eta0: float = 1.0, rho: float = 0.5, c: float = 0.5) -> None:
    runs = searched(tuple(COUNTS), 1.0, 0.5, 20000)
    curvature = mt.analysis.objective(ROSENBROCK, START)
    shortest = []
    for share, expected in COUNTS.items():
        record = runs[share]
        name, zh = rf"$c = {share:g}$", rf"$c = {share:g}$"
        run.claim(
            (f"{name}: iterations to a gradient of $10^{{-6}}$", f"{zh}：梯度降到 $10^{{-6}}$ 所需的迭代次数"),
            len(record["steps"]),
            equals=expected,
        )
        run.claim(
            (f"{name}: every step lowers the loss", f"{zh}：每一步损失都下降"),
            bool((np.diff(record["values"]) < 0).all()),
        )
        run.claim(
            (f"{name}: halvings per step, rounded", f"{zh}：每步减半次数（取整）"),
            round(record["tries"].mean() - 1),
            between=(8, 10),
        )
        shortest.append(record["steps"].min())
        some = np.unique(np.linspace(0, len(record["steps"]) - 1, 150).astype(int))
        points, steps = record["points"][some], record["steps"][some]
        slopes = curvature.gradients(points)
        along = points[:, None] - (np.linspace(0, 2, 9)[:, None] * steps[:, None, None]) * slopes[:, None]
        tops = np.linalg.eigvalsh(curvature.hessians(along.reshape(-1, 2)))[:, -1].reshape(len(some), 9).max(axis=1)
        run.claim(
            (
                rf"{name}: step over $2 \rho (1 - c) / L$, with $L$ on the way tried",
                rf"{zh}：步长与 $2 \rho (1 - c) / L$ 之比（$L$ 取试探路径上的值）",
            ),
            steps / (2 * 0.5 * (1 - share) / tops),
            at_least=1.0,
        )
    run.claim(
        ("smallest steps of the four runs, from", "四次运行的最小步长，最小者"),
        min(shortest),
        equals=1.2e-4,
        within=0.05e-4,
    )
    run.claim(("to", "最大者"), max(shortest), equals=9.8e-4, within=0.05e-4)

    p = mt.tensor(START, requires_grad=True)
    optimizer = mt.optim.LineSearchGD([p], search="armijo", lr=1.0, rho=0.5, c=0.5)
    apart = []
    for point in runs[0.5]["points"][:200]:
        apart.append(np.abs(p.detach().numpy() - point).max())
        optimizer.step(lambda: ROSENBROCK(p))
    run.claim(
        (
            r"$c = 0.5$: distance from `LineSearchGD` over 200 iterations",
            r"$c = 0.5$：200 次迭代中与 `LineSearchGD` 之差",
        ),
        max(apart),
        at_most=1e-12,
    )

    rates = (1e-3, 2e-3, 3e-3, 5e-3)
    paths = fixed(rates, 32200)
    norms = np.linalg.norm(curvature.gradients(paths[:, 0]), axis=1)
    run.claim(
        (r"fixed $\eta = 10^{-3}$: steps", r"固定 $\eta = 10^{-3}$：步数"),
        int(np.argmax(norms < 1e-6)),
        equals=32076,
        within=1,
    )
    run.claim(
        (r"$2/\lambda_{\max}$ at the minimum", r"最小值点处的 $2/\lambda_{\max}$"),
        2 / np.linalg.eigvalsh(curvature.hessian([1.0, 1.0]))[-1],
        equals=0.0019968,
        within=5e-8,
    )
    for k, rate in enumerate(rates[1:], 1):
        before, middle, last = paths[-3:, k]
        run.claim(
            (
                rf"fixed $\eta = {rate}$ ends in a 2-cycle: $|x_{{t+1}} - x_t|$",
                rf"固定 $\eta = {rate}$ 停在两步循环：$|x_{{t+1}} - x_t|$",
            ),
            np.linalg.norm(last - middle),
            at_least=1e-3,
        )
        run.claim(
            (r"$|x_{t+2} - x_t|$ as a share of that", r"$|x_{t+2} - x_t|$ 与上者之比"),
            np.linalg.norm(last - before) / np.linalg.norm(last - middle),
            at_most=1e-4,
        )
    strict = {share: np.array(unstopped(share, 0.0)) for share in (1e-4, 0.1, 0.5)}
    slack = {share: np.array(unstopped(share, 1e-12)) for share in strict}
    run.claim(
        ("least squares without slack: smallest accepted step", "无余量的最小二乘：接受的最小步长"),
        min(lengths.min() for lengths in strict.values()),
        at_most=1e-8,
    )
    run.claim(
        ("iterations until good steps are refused", "开始拒绝好步长时的迭代次数"),
        [int(np.argmax(lengths < 1e-5)) for lengths in strict.values()],
        between=(30, 100),
    )
    run.claim(
        ("with slack: smallest accepted step", "有余量时接受的最小步长"),
        min(lengths.min() for lengths in slack.values()),
        at_least=0.1,
    )

    own = runs[c] if (eta0, rho) == (1.0, 0.5) and c in runs else searched((c,), eta0, rho, 20000)[c]
    landscape = mt.analysis.landscape(ROSENBROCK, list(START), (-1.6, 1.4), (-0.6, 1.8), resolution=91)

    def draw(*axes: Any) -> None:
        plots.landscape(
            landscape, axes[0], paths={f"backtracking, c = {c:g}": own["points"], r"$\eta = 0.001$": paths[:, 0]}
        )
        axes[0].set(xlabel="x", ylabel="y")
        for share, record in {**runs, c: own}.items():
            axes[1].plot(
                1 + np.arange(len(record["values"])), np.maximum(record["values"], 1e-16), label=f"c = {share:g}"
            )
        axes[1].plot(
            1 + np.arange(len(paths)), np.maximum(curvature.values(paths[:, 0]), 1e-16), "k:", label=r"$\eta = 0.001$"
        )
        axes[1].set(xlabel="iteration", ylabel="loss", xscale="log", yscale="log")
        axes[1].legend(fontsize="small", loc="lower left")
        axes[2].plot(own["steps"][:300], ".", markersize=3, label=f"c = {c:g}")
        axes[2].set(xlabel="iteration", ylabel="accepted step", yscale="log", title="the first 300")
        axes[2].legend(fontsize="small")
        axes[3].plot(strict[1e-4], "o-", markersize=3, label="no slack")
        axes[3].plot(slack[1e-4], "s-", markersize=3, label=r"slack $10^{-12} |f|$")
        axes[3].set(xlabel="iteration", ylabel="accepted step", yscale="log", title="least squares, near the optimum")
        axes[3].legend(fontsize="small")

    run.figure(
        (
            "Backtracking in Rosenbrock's valley; below right, where rounding makes it refuse good steps",
            "Rosenbrock 山谷中的回溯线搜索；右下图中，舍入误差使它拒绝好的步长",
        ),
        draw,
        (2, 2),
        (9.6, 7.5),
    )
