"""Adam's update, and whether its second moment is an estimate of curvature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import quadratic

from ..entry import item
from ..optimizers.adaptive import positions
from ..run import Run

EPS = 1e-8


def adam(lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> Callable[[Any], Any]:
    """Adam as `positions` takes it."""
    return lambda p: mt.optim.Adam(p, lr=lr, betas=betas, eps=EPS)


def by_formula(curvatures: Any, start: Any, lr: float, steps: int) -> np.ndarray:
    """Equation 4.2.12 in plain NumPy, on a diagonal quadratic: (steps + 1, P)."""
    w = np.array(start, float)
    m, v, path = np.zeros(w.size), np.zeros(w.size), [w]
    for t in range(1, steps + 1):
        g = np.asarray(curvatures) * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - lr / (np.sqrt(v / (1 - 0.999**t)) + EPS) * (m / (1 - 0.9**t))
        path.append(w)
    return np.array(path)


@item(
    "adam-update",
    kind="algorithm",
    source="Chapter 4, section 4.2.5, eq. 4.2.12",
    title=("Adam's update, eq. 4.2.12", "Adam 的更新，式 (4.2.12)"),
    statement=(
        r"$w_{t+1} = w_t - \frac{\eta}{\sqrt{\hat{v}_t} + \epsilon} \odot \hat{m}_t$, where $\hat{m}_t$ and $\hat{v}_t$ are the estimates of the "
        "gradient's first and second moment, corrected for their start at 0.",
        r"$w_{t+1} = w_t - \frac{\eta}{\sqrt{\hat{v}_t} + \epsilon} \odot \hat{m}_t$，其中 $\hat{m}_t$、$\hat{v}_t$ 是梯度一阶矩与二阶矩的估计，已作偏差修正。",
    ),
    verdict="holds",
    ranges={"lr": (0.001, 0.5), "kappa": (1.0, 1000.0), "steps": (5, 1000)},
)
def update(run: Run, lr: float = 0.05, kappa: float = 10.0, steps: int = 100) -> None:
    loss = quadratic(np.array([10.0, 1.0]))
    path = positions(adam(0.05), loss, (1.0, 1.0), 100)
    for t, expected in enumerate((0.95, 0.900083, 0.850312, 0.800752, 0.751478), 1):
        run.claim((f"both coordinates after step {t}", f"第 {t} 步后的两个坐标"), path[t], equals=expected, within=1e-6)
    slope = np.array([10.0, 1.0])
    run.claim(
        (r"first step: distance from $-\eta\, g / (|g| + \epsilon)$", r"第一步与 $-\eta\, g / (|g| + \epsilon)$ 之差"),
        np.abs(path[1] - path[0] + 0.05 * slope / (slope + EPS)).max(), at_most=1e-15,
    )  # fmt: skip
    run.claim(
        ("100 steps: distance from eq. 4.2.12 in NumPy", "100 步：与 NumPy 直接计算式 (4.2.12) 之差"),
        np.abs(path - by_formula((10.0, 1.0), (1.0, 1.0), 0.05, 100)).max(), at_most=1e-14,
    )  # fmt: skip
    valley = quadratic(np.array([kappa, 1.0]))
    shown = {
        "Adam": positions(adam(lr), valley, (1.0, 0.6), steps),
        r"gradient descent, $\eta = 1.8/L$": positions(
            lambda p: mt.optim.SGD(p, lr=1.8 / kappa), valley, (1.0, 0.6), steps
        ),
    }

    def draw(left: Any, right: Any) -> None:
        x, y = np.meshgrid(np.linspace(-1.15, 1.15, 120), np.linspace(-0.3, 0.75, 120))
        left.contour(x, y, kappa * x * x + y * y, levels=12, colors="0.85", linewidths=0.7)
        for k, (name, points) in enumerate(shown.items()):
            left.plot(*points.T, "o-", color=f"C{k}", markersize=2.5, linewidth=1, label=name)
            right.plot(points[:, 0], color=f"C{k}", label=f"{name}: steep")
            right.plot(points[:, 1], "--", color=f"C{k}", label=f"{name}: flat")
        left.set(xlabel="$w_1$, steep", ylabel="$w_2$, flat", title=rf"$\kappa = {kappa:g}$, Adam's $\eta = {lr:g}$")
        right.set(xlabel="step", ylabel="coordinate")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Adam's first steps are equally long in all coordinates, whatever their curvature", "Adam 起初在各坐标上步长相同，与曲率无关"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


def first_rates(loss: Callable[[mt.Tensor], mt.Tensor], start: Any, lr: float) -> tuple[np.ndarray, np.ndarray]:
    """After one step of Adam: how far each coordinate moved, and its rate lr / sqrt(v-hat)."""
    p = mt.tensor(np.array(start, float), requires_grad=True)
    optimizer = adam(lr)([p])
    loss(p).backward()
    optimizer.step()
    v = np.asarray(optimizer.state[p]["exp_avg_sq"]) / (1 - 0.999)
    return np.asarray(start) - np.asarray(p.detach()), lr / np.sqrt(v)


def slope_of_five(p: mt.Tensor) -> mt.Tensor:
    """A loss without curvature: 5 w."""
    return (5 * p).sum()


@item(
    "adam-estimates-curvature",
    kind="theorem",
    source="Chapter 4, section 4.2.5, before and after eq. 4.2.12",
    title=("Does Adam estimate curvature?", "Adam 估计的是曲率吗"),
    statement=(
        "Adam is said to estimate the curvature of the loss in the direction of each parameter, and to take smaller steps where the curvature "
        "is larger.",
        "Adam 据称估计每个参数方向的曲率，在曲率较大的方向上使用较小的步长。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"$\hat{v}$ averages squares of first derivatives, not second derivatives. The rate $\eta/\sqrt{\hat{v}}$ undoes the size of the gradient, which "
        "goes with the curvature only where all coordinates are about equally far from their optimum. Elsewhere it has nothing to do with it: "
        "at equal curvatures the rates may differ by a factor of 100, and at curvatures of 1 and 100 they may be the same. (To multiply "
        "the loss by a number would be no test: Newton's method does not notice that either.)",
        r"$\hat{v}$ 是一阶导数平方的平均，不含二阶导数。学习率 $\eta/\sqrt{\hat{v}}$ 抵消的是梯度的大小；只有各坐标离最小值点大致同样远时，"
        r"梯度的大小才反映曲率。其他情况下二者无关：曲率相同时，学习率可相差 100 倍；曲率为 1 与 100 时，学习率可以相同。"
        r"（把损失乘以常数检验不出来，牛顿法同样不受其影响。）",
    ),
    ranges={"a": (0.1, 1000.0), "b": (0.1, 1000.0), "curvature": (0.01, 1000.0)},
)
def curvature_or_slope(
    run: Run, a: float = 100.0, b: float = 1.0, curvature: float = 100.0, form: str = "right"
) -> None:
    cases = (
        (
            "curvatures 1 and 1, from (100, 1)",
            "曲率 1 与 1，从 (100, 1) 出发",
            (1.0, 1.0),
            (100.0, 1.0),
            100.0,
            (5e-4, 0.05),
        ),
        (
            "curvatures 1 and 100, from (100, 1)",
            "曲率 1 与 100，从 (100, 1) 出发",
            (1.0, 100.0),
            (100.0, 1.0),
            1.0,
            (5e-4, 5e-4),
        ),
        (
            "curvatures 10 and 1, from (1, 1)",
            "曲率 10 与 1，从 (1, 1) 出发",
            (10.0, 1.0),
            (1.0, 1.0),
            10.0,
            (5e-3, 0.05),
        ),
    )
    rows = []
    for name, zh, curvatures, start, measured, given in cases:
        moved, rates = first_rates(quadratic(np.array(curvatures)), start, 0.05)
        expected = curvatures[0] / curvatures[1] if form == "printed" else measured  # rates go as 1 / curvature
        run.claim((f"{name}: rate of the second coordinate over that of the first", f"{zh}：第二个坐标与第一个坐标的学习率之比"),
                  rates[1] / rates[0], equals=expected, within=1e-6)  # fmt: skip
        for k, (rate, number) in enumerate(zip(rates, given, strict=True), 1):
            run.claim(
                (f"the same: rate of coordinate {k}", f"同上：第 {k} 个坐标的学习率"), rate, equals=number, within=1e-9
            )
        run.claim(("the same: both move by", "同上：两个坐标移动的距离"), moved, equals=0.05, within=1e-9)
        rows.append((name, *np.asarray(curvatures) * start, *rates, rates[1] / rates[0]))
    moved, rates = first_rates(slope_of_five, (1.0,), 0.05)
    run.claim(
        (
            r"$5w$, without curvature: $\eta$ over the rate, which is $|g|$",
            r"$5w$，无曲率：$\eta$ 与学习率之比，即 $|g|$",
        ),
        0.05 / rates[0],
        equals=5.0,
        within=1e-9,
    )
    run.claim((r"$5w$: step", r"$5w$：步长"), moved[0], equals=0.05, within=1e-9)
    run.table(
        ("Rates in the first step", "第一步的学习率"),
        ("loss and start", "gradient 1", "gradient 2", "rate 1", "rate 2", "rate 2 / rate 1"),
        rows,
    )

    spots = np.geomspace(0.1, 1000, 61)
    steep = np.array([1.0, curvature])
    ratios = []
    for spot in spots:
        _, rates = first_rates(quadratic(steep), (spot, b), 0.05)
        ratios.append(rates[1] / rates[0])
    chosen = first_rates(quadratic(steep), (a, b), 0.05)[1]
    newton = analysis.hessian(quadratic(steep), np.array([a, b]))
    wanted = float(newton[0, 0] / newton[1, 1])

    def draw(left: Any, right: Any) -> None:
        left.loglog(spots, ratios, label=r"Adam's $\sqrt{\hat{v}_1} / \sqrt{\hat{v}_2}$")
        left.axhline(wanted, color="C2", linestyle="--", label="Newton's method, 1 / curvature")
        left.plot(a, chosen[1] / chosen[0], "C0o", label=f"start ({a:g}, {b:g})")
        left.set(
            xlabel="first coordinate of the start",
            ylabel="rate of coordinate 2 over rate of 1",
            title=f"curvatures 1 and {curvature:g}",
        )
        at = np.arange(len(rows))
        by_curvature = [case[2][0] / case[2][1] for case in cases]
        right.bar(at - 0.2, [row[-1] for row in rows], 0.38, label="Adam")
        right.bar(at + 0.2, by_curvature, 0.38, color="C2", label="1 / curvature")
        right.set_yscale("log")
        right.set_xticks(at, [f"{c[2][0]:g}, {c[2][1]:g}\nfrom ({c[3][0]:g}, {c[3][1]:g})" for c in cases])
        right.set(xlabel="curvatures and start", ylabel="rate of coordinate 2 over rate of 1", ylim=(1e-3, 1e3))
        for ax in (left, right):
            ax.grid(alpha=0.3)
            ax.legend(fontsize="small")

    run.figure(
        ("Left: with the same curvatures the rates of Adam's first step depend on where it starts. Right: only in the third of the "
         "three cases do they follow the curvature",
         "左：曲率不变，Adam 第一步的学习率之比却取决于起点。右：三种情形中，只有第三种的学习率与曲率相符"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
