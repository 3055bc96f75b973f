"""Newton's method in the chapter's notes: what one step does, and where it goes wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .gabor_runs import LOWEST, full_loss
from .hessians import line_loss

WELL = mt.analysis.problems.double_well
EXTREMA = np.array([-1.0, 0.0, 1.0])


def newton(loss: Any, start: Any, steps: int) -> Any:
    """The path of the plain method."""
    return mt.analysis.trace(mt.optim.Newton, loss, np.atleast_1d(np.asarray(start, float)), steps=steps)


def many(found: Any, starts: np.ndarray, steps: int) -> np.ndarray:
    """The ends (K, P) of the plain method from many starts at once; NaN where there was no inverse or no end."""
    points = np.array(starts, float)
    going = np.arange(len(points))
    with np.errstate(all="ignore"):
        for _ in range(steps):
            slopes, hessians = found.gradients(points[going]), found.hessians(points[going])
            fine = np.isfinite(hessians).all((1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(hessians))) > 1e-300)
            points[going[~fine]] = np.nan
            going = going[fine]
            moves = np.linalg.solve(hessians[fine], slopes[fine][..., None])[..., 0]
            points[going] -= moves
            going = going[(np.abs(moves) > 1e-15).any(1) & (np.abs(points[going]) < 1e6).all(1)]
            if not len(going):
                break
    return points


def logistic() -> Any:
    """Problem 6.4: the summed cross-entropy of ten points from N(-1, 1) and ten from N(1, 1)."""
    rng = np.random.default_rng(0)
    x = mt.tensor(np.concatenate([rng.normal(-1, 1, 10), rng.normal(1, 1, 10)]))
    y = mt.tensor(np.repeat([0.0, 1.0], 10))
    return lambda p: mt.nn.functional.binary_cross_entropy_with_logits(p[0] + p[1] * x, y, reduction="sum")


@item(
    "newton-method",
    kind="optimizer",
    source="Chapter 6, notes, beyond gradient descent",
    title=("Newton's method", "牛顿法"),
    statement=(
        r"$\phi \leftarrow \phi - H^{-1} \nabla L$ uses the curvature, and is more cautious where the gradient changes fast.",
        r"$\phi \leftarrow \phi - H^{-1} \nabla L$ 利用曲率，在梯度变化快处更谨慎。",
    ),
    verdict="holds",
    ranges={"phi_0": (-3.0, 3.0), "phi_1": (-1.0, 4.0), "steps": (1, 20)},
)
def newton_method(run: Run, phi_0: float = 0.0, phi_1: float = 0.0, steps: int = 6) -> None:
    rng = np.random.default_rng(0)
    worst = 0.0
    for size in (2, 5, 10):
        root = rng.standard_normal((size, size))
        bowl = mt.analysis.problems.quadratic(root @ root.T + np.eye(size))
        worst = max(worst, float(np.abs(newton(bowl, rng.standard_normal(size), 1).end).max()))
    run.claim(
        ("three quadratics: distance from the minimum after one step", "三个二次函数：一步之后与最小值点的距离"),
        worst,
        at_most=1e-13,
    )
    line = newton(line_loss(), (1.6, -0.5), 1).end
    for k, value in enumerate((0.825950, 0.522226)):
        run.claim(
            (rf"line fit from (1.6, -0.5), one step: $\phi_{k}$", rf"直线拟合，从 (1.6, -0.5) 出发一步：$\phi_{k}$"),
            line[k],
            equals=value,
            within=5e-7,
        )
    path = newton(logistic(), (0.0, 0.0), 6)
    expected = ((7.3, 0.05), (1.7, 0.05), (0.39, 0.005), (0.041, 5e-4), (5.7e-4, 5e-6), (1.1e-7, 5e-9))
    for k, (value, within) in enumerate(expected):
        run.claim(
            (f"logistic regression: gradient norm after {k} steps", f"逻辑回归：{k} 步后的梯度范数"),
            path.gradient_norms[k],
            equals=value,
            within=within,
        )
    run.claim(
        ("logistic regression: gradient norm after 6 steps", "逻辑回归：6 步后的梯度范数"),
        path.gradient_norms[6],
        at_most=1e-13,
    )
    for k, value in enumerate((0.36744, 2.10707)):
        run.claim(
            (rf"logistic regression: $\phi_{k}$ after 6 steps", rf"逻辑回归：6 步后的 $\phi_{k}$"),
            path.end[k],
            equals=value,
            within=5e-6,
        )
    descent = mt.analysis.trace(
        lambda p: mt.optim.GradientDescent(p, lr=0.2), logistic(), np.zeros(2), start=(phi_0, phi_1), steps=40
    )
    shown = newton(logistic(), (phi_0, phi_1), 0)
    for count in range(steps, 0, -1):
        try:
            shown = newton(logistic(), (phi_0, phi_1), count)
            break
        except mt.errors.ArgumentError:  # it has gone so far out that the Hessian has no inverse
            continue
    if len(shown.points) <= steps or not shown.gradient_norms[-1] < shown.gradient_norms[0]:
        run.note("From this start the plain method diverges.", "从这个起点出发，不加阻尼的牛顿法发散。")

    def draw(left: Any, right: Any) -> None:
        grid = mt.analysis.landscape(logistic(), np.zeros(2), x=(-3, 3), y=(-1, 4), resolution=50)
        left.contour(grid.x, grid.y, grid.values, levels=20, colors="0.8", linewidths=0.7)
        for p, name, style in ((descent, "gradient descent, 0.2", "s-"), (shown, "Newton's method", "o--")):
            left.plot(*p.points.T, style, markersize=3.5, linewidth=1.1, label=name)
            right.semilogy(np.maximum(p.gradient_norms, 1e-16), style, markersize=3.5, label=name)
        left.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=(-3, 3), ylim=(-1, 4), title="logistic regression")
        right.set(xlabel="step", ylabel="norm of the gradient")
        left.legend(fontsize="small")
        right.legend(fontsize="small")

    run.figure(
        ("Near the minimum each step of Newton's method doubles the number of right digits", "靠近最小值点时，牛顿法每一步使正确的位数加倍"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip


@item(
    "newton-pitfalls",
    kind="experiment",
    source="Chapter 6, notes, beyond gradient descent",
    title=("Where Newton's method goes wrong", "牛顿法何处会出错"),
    statement=(
        "Newton's method makes line search unnecessary and does not suffer from oscillation; it moves to the nearest extremum, "
        "which may be a maximum if one starts near the top of a hill.",
        "牛顿法使线搜索变得不必要，也不受振荡影响；它移向最近的极值，若从山顶附近出发，可能是极大值。",
    ),
    verdict="does not hold as printed",
    correction=(
        "Without line search or damping it oscillates, cycles and diverges even on convex functions, and need not go to the "
        "nearest extremum: from 0.5 the double well leads it to -1. It is right that it may end at a maximum, and that gradient "
        "descent's zigzag in valleys is gone; the claims hold on quadratics and close to a non-degenerate extremum. On the "
        "Gabor loss half of the runs that converge end at saddles, which are no extrema.",
        "没有线搜索或阻尼时，牛顿法会振荡、循环、发散，对凸函数也是如此；它也不一定去最近的极值：在双阱函数上，从 0.5 出发到 -1。"
        "成立的是：可能收敛到极大值；梯度下降在山谷中的锯齿状路径不再出现；对二次函数，或足够靠近非退化极值时，各论断成立。"
        "在 Gabor 损失上，收敛的运行有一半停在鞍点，而鞍点不是极值。",
    ),
    ranges={"start": (-2.0, 2.0), "steps": (3, 30), "count": (200, 3000)},
    random=True,
)
def newton_pitfalls(run: Run, start: float = 0.5, steps: int = 12, count: int = 2000, form: str = "right") -> None:
    printed = form == "printed"
    for begin, ends in ((0.1, 0), (0.3, 0), (0.4, 0), (0.5, -1), (0.55, -1), (0.6, 1), (0.7, 1), (0.9, 1)):
        nearest = EXTREMA[np.argmin(np.abs(EXTREMA - begin) - 1e-9 * EXTREMA)]
        run.claim(
            (f"double well from {begin}: where it ends", f"双阱函数，从 {begin} 出发：终点"), newton(WELL, begin, 40).end[0],
            equals=nearest if printed else ends, within=1e-9,
        )  # fmt: skip
    well = mt.analysis.objective(WELL, np.zeros(1))
    starts = run.rng.uniform(-2, 2, (20_000, 1))
    reached = many(well, starts, 60)
    alone = np.array([newton(WELL, s, 60).end for s in starts[:5]])
    run.claim(
        ("five of many runs: distance from the optimizer's own", "许多次运行中的五次：与优化器单独运行之差"),
        np.abs(alone - reached[:5]).max(),
        at_most=1e-9,
    )
    nearest = EXTREMA[np.argmin(np.abs(EXTREMA - starts), axis=1)]
    astray = float((np.abs(reached[:, 0] - nearest) > 1e-6).mean())
    expected: dict[str, Any] = {"at_most": 0.0} if printed else {"equals": 0.064, "relative": 0.1}
    run.claim(
        (
            "double well, 20000 starts: share that ends elsewhere than at the nearest extremum",
            "双阱函数，20000 个起点：没有到最近极值的比例",
        ),
        astray,
        **expected,
    )
    cycle = newton(lambda p: (0.25 * p**4 - p * p + 2 * p).sum(), 0.0, 6).points[:, 0]
    run.claim(
        (
            r"$f' = x^3 - 2x + 2$ from 0: distance of 6 steps from the cycle 0, 1, 0, 1 ...",
            r"$f' = x^3 - 2x + 2$，从 0 出发：6 步与循环 0, 1, 0, 1 …… 之差",
        ),
        np.abs(cycle - np.arange(7) % 2).max(),
        at_most=1e-12,
    )

    def log_cosh(p: mt.Tensor) -> mt.Tensor:
        return (p.abs() + (1 + (-2 * p.abs()).exp()).log()).sum()

    def cosh_path(x: float, n: int) -> Any:
        return newton(log_cosh, x, n).points[:, 0]

    for begin, places in (
        (1.0, (1, -0.813, 0.409, -0.047)),
        (1.09, (1.09, -1.093, 1.105, -1.146, 1.303, -2.065, 13.5)),
    ):
        path = cosh_path(begin, len(places) - 1)
        for k, value in enumerate(places[1:], 1):
            run.claim(
                (rf"$\ln\cosh x$ from {begin}: step {k}", rf"$\ln\cosh x$，从 {begin} 出发：第 {k} 步"),
                path[k],
                equals=value,
                within=0.05 if value > 10 else 5e-4,
            )
    low, high = 1.0, 1.2
    while high - low > 1e-7:
        middle = (low + high) / 2
        two = cosh_path(middle, 2)
        low, high = (middle, high) if abs(two[2]) < middle else (low, middle)
    run.claim(
        (r"$\ln\cosh x$: the start beyond which it diverges", r"$\ln\cosh x$：超过此起点即发散"),
        low,
        equals=1.08866,
        within=5e-6,
    )
    for begin in (0.9, 1.1):
        end = newton(lambda p: (1 + p * p).sqrt().sum(), begin, 1).end[0]
        run.claim(
            (
                rf"$\sqrt{{1 + x^2}}$ from {begin}: distance of the step from $-x^3$",
                rf"$\sqrt{{1 + x^2}}$，从 {begin} 出发：一步与 $-x^3$ 之差",
            ),
            abs(end + begin**3),
            at_most=1e-12,
        )
    bent = newton(mt.analysis.problems.rosenbrock, (-1.2, 1.0), 2).losses
    run.claim(
        ("Rosenbrock from (-1.2, 1): loss after step 1", "Rosenbrock 函数，从 (-1.2, 1) 出发：第 1 步后的损失"),
        bent[1],
        equals=4.73,
        within=5e-3,
    )
    run.claim(("Rosenbrock: loss after step 2", "Rosenbrock 函数：第 2 步后的损失"), bent[2], equals=1.41e3, within=5)
    kinds = gabor_ends(run, count)
    for name, name_zh, share in (("minimum", "极小值", 0.28), ("saddle", "鞍点", 0.50), ("maximum", "极大值", 0.22)):
        run.claim(
            (f"Gabor, {count} starts: share of the convergent runs at a {name}", f"Gabor，{count} 个起点：收敛的运行中停在{name_zh}的比例"),
            kinds[name], between=(share - 0.06, share + 0.06),
        )  # fmt: skip
    run.claim(
        ("Gabor: share at the global minimum", "Gabor：停在全局最小值的比例"), kinds["global"], between=(0.01, 0.08)
    )
    run.claim(
        ("Gabor: share of the starts that converge", "Gabor：收敛的起点所占比例"),
        kinds["converged"],
        between=(0.8, 1.0),
    )
    shown = newton(WELL, start, steps).points[:, 0]
    grid = np.linspace(-2, 2, 1601)[:, None] + 1e-4
    fate = many(well, grid, 60)[:, 0]
    good, bad = cosh_path(1.0, 6), cosh_path(1.09, 6)

    def draw(*axes: Any) -> None:
        x = np.linspace(-1.8, 1.8, 300)
        axes[0].plot(x, (x * x - 1) ** 2 / 4, color="0.6", label="double well")
        axes[0].plot(
            shown, (shown**2 - 1) ** 2 / 4, "o-", color="C3", markersize=4, linewidth=0.9, label=f"from {start:g}"
        )
        axes[0].set(xlabel="x", ylabel="loss", ylim=(-0.05, 1.3), xlim=(-1.8, 1.8))
        axes[1].plot(grid[:, 0], fate, ".", markersize=2, label="where it ends")
        axes[1].step(
            grid[:, 0],
            EXTREMA[np.argmin(np.abs(EXTREMA - grid), axis=1)],
            color="C3",
            linewidth=0.8,
            label="nearest extremum",
        )
        axes[1].set(xlabel="start", ylabel="end", ylim=(-1.3, 1.3))
        axes[2].plot(good, "o-", label="from 1")
        axes[2].plot(bad, "s--", label="from 1.09")
        axes[2].set(xlabel="step", ylabel="x", title=r"$\ln\cosh x$, convex", yscale="symlog")
        names = ("minimum", "saddle", "maximum")
        axes[3].bar(names, [kinds[n] for n in names], color=("#1b7837", "#762a83", "#b2182b"))
        axes[3].set(ylabel="share of the convergent runs", title="the Gabor loss")
        for ax in axes[:3]:
            ax.legend(fontsize="small")

    run.figure(
        ("The double well from one start and from all; a convex function on which the method diverges; ends on the Gabor loss",
         "双阱函数上的一次运行与全部起点；牛顿法发散的凸函数；Gabor 损失上的终点类型"),
        draw, (2, 2), (9.6, 7.4),
    )  # fmt: skip


def gabor_ends(run: Run, count: int) -> dict[str, float]:
    """Where Newton's method ends on the Gabor loss, from uniform starts on [-10, 10] x [2.5, 22.5]."""
    loss = full_loss()
    ends = many(loss, run.rng.uniform((-10, 2.5), (10, 22.5), (count, 2)), 60)
    ends = ends[np.isfinite(ends).all(1) & (np.abs(ends) < 100).all(1)]
    ends = ends[np.linalg.norm(loss.gradients(ends), axis=1) < 1e-8]
    values = np.linalg.eigvalsh(loss.hessians(ends))
    some = np.abs(values).min(1) > 1e-8
    found, values = loss.values(ends[some]), values[some]
    return {
        "minimum": float((values > 0).all(1).mean()),
        "saddle": float(((values[:, 0] < 0) & (values[:, 1] > 0)).mean()),
        "maximum": float((values < 0).all(1).mean()),
        "global": float((found < LOWEST + 1e-3).mean()),
        "converged": len(found) / count,
    }
