"""Momentum as an average of gradients (eq. 6.11): what it does to the length and the direction of steps."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...viz import plots
from ..entry import item
from ..optimizers import adaptive
from ..run import Run
from .gabor_runs import full_loss, in_global_basin, runs

START = (-2.1, 20.0)


def made(form: str, alpha: float, beta: float) -> Any:
    """Momentum, as `trace` wants it; beta = 1, which the optimizer refuses, is written into it afterwards."""

    def make(params: list[mt.Tensor]) -> Any:
        optimizer = mt.optim.Momentum(params, lr=alpha, beta=min(beta, 0.5), form=form)
        optimizer.param_groups[0]["beta"] = beta
        return optimizer

    return make


def fed(form: str, alpha: float, beta: float, gradients: np.ndarray) -> np.ndarray:
    """The steps that momentum makes of these gradients (T,)."""
    return adaptive.fed(made(form, alpha, beta), gradients[:, None])[0][:, 0]


@item(
    "ema-momentum",
    kind="optimizer",
    source="Chapter 6, eq. 6.11",
    title=("Momentum as an average", "平均形式的动量"),
    statement=(
        r"$m_{t+1} \leftarrow \beta m_t + (1 - \beta) \sum_{i \in B_t} \partial e_i/\partial\phi$, then $\phi_{t+1} \leftarrow "
        r"\phi_t - \alpha m_{t+1}$; $\beta \in [0, 1]$ says how smooth the path gets.",
        r"$m_{t+1} \leftarrow \beta m_t + (1 - \beta) \sum_{i \in B_t} \partial e_i/\partial\phi$，随后 $\phi_{t+1} \leftarrow "
        r"\phi_t - \alpha m_{t+1}$；$\beta \in [0, 1]$ 决定路径的平滑程度。",
    ),
    verdict="holds with a condition",
    correction=(
        r"$\beta$ must be less than 1. The printed closed interval includes $\beta = 1$, for which no gradient ever enters and "
        r"nothing moves. The sum is printed with $d\mathcal{L}$ for the derivative of one pair's loss $e_i$.",
        r"$\beta$ 必须小于 1。原文的闭区间包含 $\beta = 1$，此时梯度永远不进入 $m$，参数不动。"
        r"求和号下印的是 $d\mathcal{L}$，应为单个样本损失 $e_i$ 的导数。",
    ),
    ranges={"alpha": (0.001, 0.5), "beta": (0.0, 1.0), "steps": (5, 500)},
)
def ema_momentum(run: Run, alpha: float = 0.15, beta: float = 0.9, steps: int = 100) -> None:
    loss = full_loss()

    def path(make: Any, count: int = 100) -> np.ndarray:
        return mt.analysis.trace(make, loss, start=START, steps=count).points

    descent = path(lambda p: mt.optim.GradientDescent(p, lr=0.05))
    run.claim(
        (r"$\beta = 0$: distance from gradient descent", r"$\beta = 0$ 时与梯度下降之差"),
        np.abs(path(made("ema", 0.05, 0.0)) - descent).max(),
        equals=0,
    )
    p = mt.analysis.problems.quadratic(np.array([1.0, 5.0]))
    averages, sums = (
        mt.analysis.trace(made(form, rate, 0.9), p, np.zeros(2), start=(0.1, -0.2), steps=100).points
        for form, rate in (("ema", 0.1), ("sum", 0.1 * (1 - 0.9)))
    )
    run.claim(
        (
            r"distance from the heavy ball with the rate $\alpha(1 - \beta)$, 100 steps",
            r"与学习率为 $\alpha(1 - \beta)$ 的重球法之差，100 步",
        ),
        np.abs(averages - sums).max(),
        at_most=1e-15,
    )
    still = path(made("ema", 0.05, 1.0))
    run.claim(
        (r"$\beta = 1$: way gone in 100 steps", r"$\beta = 1$：100 步走过的距离"), np.abs(still - START).max(), equals=0
    )
    try:
        mt.optim.Momentum([mt.tensor(0.0, requires_grad=True)], beta=1.0)
        refused = False
    except mt.errors.ArgumentError:
        refused = True
    run.claim((r"the optimizer refuses $\beta = 1$", r"优化器拒绝 $\beta = 1$"), refused)
    shown = {rf"$\beta = {b:g}$": path(made("ema", alpha, b), steps) for b in sorted({0.0, 0.6, beta})}

    def draw(left: Any, right: Any) -> None:
        background = mt.analysis.landscape(loss, x=(-4, 4), y=(10, 24), resolution=60)
        plots.landscape(background, left, paths=shown)
        left.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$")
        for k, (name, points) in enumerate(shown.items()):
            right.plot(loss.values(points), linestyle=("-", "--", "-.")[k % 3], label=name)
        right.set(xlabel="step", ylabel="loss", yscale="log")
        right.legend(fontsize="small")

    run.figure(
        (rf"Momentum on the Gabor model's loss, all points in each batch, $\alpha = {alpha:g}$",
         rf"Gabor 模型损失上的动量法，每批取全部样本，$\alpha = {alpha:g}$"),
        draw,
        (1, 2), (9.6, 4.4),
    )  # fmt: skip


@item(
    "momentum-effective-rate",
    kind="theorem",
    source="Chapter 6, section 6.3, after eq. 6.11",
    title=("Momentum and the effective learning rate", "动量与有效学习率"),
    statement=(
        "Where gradients agree momentum raises the effective learning rate, where they alternate it lowers it; the paths get "
        "smoother.",
        "梯度方向一致时，动量提高有效学习率；方向交替时，动量降低有效学习率；路径因此更平滑。",
    ),
    verdict="holds with a condition",
    correction=(
        r"True within one run: for constant gradients the effective rate grows from $(1 - \beta)\alpha$ to $\alpha$, for "
        r"alternating ones it falls to $\alpha(1 - \beta)/(1 + \beta)$. Against plain SGD it is not true: with the factor "
        r"$1 - \beta$ the rate never exceeds $\alpha$. The growth by $1/(1 - \beta)$ belongs to the form without that "
        r"factor. What eq. 6.11 gains is stability: $\alpha\lambda < 2(1 + \beta)/(1 - \beta)$ instead of 2.",
        r"在一次运行之内成立：梯度不变时，有效学习率从 $(1 - \beta)\alpha$ 升到 $\alpha$；梯度交替时，降到 "
        r"$\alpha(1 - \beta)/(1 + \beta)$。与普通 SGD 相比则不成立：有因子 $1 - \beta$ 时，有效学习率不超过 $\alpha$。"
        r"放大 $1/(1 - \beta)$ 倍的是没有该因子的形式。式 (6.11) 的好处是稳定范围更大："
        r"$\alpha\lambda < 2(1 + \beta)/(1 - \beta)$，而不是 2。",
    ),
    ranges={"alpha": (0.001, 1.0), "beta": (0.0, 0.99), "steps": (10, 300)},
)
def effective_rate(run: Run, alpha: float = 0.1, beta: float = 0.9, steps: int = 60) -> None:
    constant, alternating = np.ones(400), (-1.0) ** np.arange(400)
    grown = fed("ema", 0.1, 0.9, constant)
    for t, value in ((1, 0.0100), (5, 0.0410), (10, 0.0651), (60, 0.0998)):
        run.claim(
            (f"constant gradient 1: step {t}", f"梯度恒为 1：第 {t} 步的步长"),
            grown[t - 1],
            equals=value,
            within=5e-5,
        )
    run.claim(("constant gradient: the limit", "梯度恒为 1：极限"), grown[-1], equals=0.1, within=1e-12)
    fallen = np.abs(fed("ema", 0.1, 0.9, alternating))
    run.claim(("alternating gradient: the limit", "梯度交替：极限"), fallen[-1], equals=0.1 * 0.1 / 1.9, within=1e-12)
    summed = fed("sum", 0.1, 0.9, constant)
    run.claim(
        (r"without the factor $1 - \beta$, constant gradient: the limit", r"没有因子 $1 - \beta$，梯度恒为 1：极限"),
        summed[-1],
        equals=1.0,
        within=1e-12,
    )
    loss, rows = full_loss(), []
    for name, name_zh, make, expected in (
        ("gradient descent, rate 0.1", "梯度下降，学习率 0.1", lambda p: mt.optim.GradientDescent(p, lr=0.1), 455),
        (r"average, $\beta = 0.5$, rate 0.1", r"平均形式，$\beta = 0.5$，学习率 0.1", made("ema", 0.1, 0.5), 452),
        (r"average, $\beta = 0.9$, rate 0.1", r"平均形式，$\beta = 0.9$，学习率 0.1", made("ema", 0.1, 0.9), 400),
        (r"sum, $\beta = 0.5$, rate 0.1", r"求和形式，$\beta = 0.5$，学习率 0.1", made("sum", 0.1, 0.5), 223),
        (r"sum, $\beta = 0.9$, rate 0.1", r"求和形式，$\beta = 0.9$，学习率 0.1", made("sum", 0.1, 0.9), 199),
        (r"average, $\beta = 0.8$, rate 0.5", r"平均形式，$\beta = 0.8$，学习率 0.5", made("ema", 0.5, 0.8), 105),
    ):
        norms = mt.analysis.trace(make, loss, start=START, steps=expected + 10).gradient_norms
        steps_taken = int(np.argmax(norms < 1e-4))
        run.claim(
            (
                f"Gabor, {name}: steps to a gradient of $10^{{-4}}$",
                f"Gabor，{name_zh}：梯度范数降到 $10^{{-4}}$ 的步数",
            ),
            steps_taken,
            equals=expected,
        )
        rows.append((name.replace("$", "").replace("\\", ""), steps_taken))
    run.table(("Steps on the Gabor model", "Gabor 模型上的步数"), ("method", "steps"), rows)
    products = np.arange(30.0, 46.0, 0.02)

    def bowls(p: mt.Tensor) -> mt.Tensor:
        return (0.5 * products * p * p).sum()  # type: ignore[no-any-return]

    with np.errstate(all="ignore"):
        ends = mt.analysis.trace(
            made("ema", 1.0, 0.9), bowls, np.ones(len(products)), start=np.ones(len(products)), steps=3000
        )
    limit = float(products[np.abs(ends.end) < 1].max())
    run.claim(
        (r"largest stable $\alpha\lambda$ at $\beta = 0.9$", r"$\beta = 0.9$ 时 $\alpha\lambda$ 的稳定上限"), limit,
        equals=38.0, within=0.1,
    )  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        for ax, gradients, title in (
            (left, constant, "constant gradient"),
            (right, alternating, "alternating gradient"),
        ):
            ax.plot(np.abs(fed("ema", alpha, 0.0, gradients[:steps])), "k:", label="SGD")
            ax.plot(np.abs(fed("ema", alpha, beta, gradients[:steps])), label=r"average (eq. 6.11)")
            ax.plot(np.abs(fed("sum", alpha, beta, gradients[:steps])), "--", label=r"sum, no factor $1 - \beta$")
            ax.set(title=title, xlabel="step", ylabel="length of the step", yscale="log")
            ax.legend(fontsize="small")

    run.figure(
        (
            "How long steps get when gradients of size 1 agree, and when they alternate",
            "大小为 1 的梯度方向一致与交替时的步长",
        ),
        draw,
        (1, 2),
        (9.5, 3.8),
    )


@item(
    "figure-6-7",
    kind="figure",
    source="Chapter 6, Figure 6.7",
    title=("Figure 6.7: SGD with and without momentum", "图 6.7：有动量与无动量的 SGD"),
    statement=(
        "On the Gabor model's loss SGD winds its way; with momentum the path is smoother and gets down sooner.",
        "在 Gabor 模型的损失上，SGD 的路径曲折；加入动量后路径更平滑，损失下降更快。",
    ),
    verdict="holds",
    ranges={"alpha": (0.05, 1.0), "batch": (1, 30), "beta": (0.0, 0.99), "count": (20, 500)},
    random=True,
)
def figure_6_7(run: Run, alpha: float = 0.6, batch: int = 5, beta: float = 0.9, count: int = 500) -> None:
    betas = sorted({0.0, 0.6, 0.9, beta})

    def make(phi: list[mt.Tensor]) -> Any:
        return mt.optim.Momentum([{"params": [p], "lr": alpha, "beta": b} for p, b in zip(phi, betas, strict=True)])

    loss = full_loss()
    path = runs(make, len(betas), np.tile((-1.5, 6.5), (count, 1)), 81, batch, run.rng)
    moves = np.diff(path, axis=0)
    lengths = np.linalg.norm(moves, axis=-1)
    cosines = (moves[1:] * moves[:-1]).sum(-1) / (lengths[1:] * lengths[:-1])
    angles = np.median(np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean(0), axis=1)
    ways = np.median(lengths.sum(0), axis=1)
    ends = [np.median(loss.values(e)) for e in path[-1]]
    shares = [in_global_basin(loss, e).mean() for e in path[-1]]
    rows = list(zip(betas, angles, ways, ends, shares, strict=True))
    for (low, *a), (high, *b) in zip(rows, rows[1:], strict=False):
        run.claim(
            (rf"turning angle at $\beta = {high}$ over that at {low}", rf"$\beta = {high}$ 与 {low} 的平均转角之比"), b[0] / a[0],
            at_most=0.95,
        )  # fmt: skip
        run.claim(
            (rf"length of the path at $\beta = {high}$ over that at {low}", rf"$\beta = {high}$ 与 {low} 的路径长度之比"), b[1] / a[1],
            at_most=0.95,
        )  # fmt: skip
    for row, angle, way in zip(rows, (94.7, 46.4, 17.4), (40.2, 20.8, 13.1), strict=False):
        run.claim(
            (rf"$\beta = {row[0]}$: mean turning angle, degrees", rf"$\beta = {row[0]}$：平均转角（度）"),
            row[1],
            equals=angle,
            relative=0.1,
        )
        run.claim(
            (rf"$\beta = {row[0]}$: length of the path", rf"$\beta = {row[0]}$：路径长度"),
            row[2],
            equals=way,
            relative=0.1,
        )
    for row, share in zip(rows, (0.51, 0.72, 0.81), strict=False):
        run.claim(
            (rf"$\beta = {row[0]}$: share in the global basin", rf"$\beta = {row[0]}$：处于全局最小值吸引盆中的比例"),
            row[4],
            equals=share,
            within=0.08,
        )
    for row, height in zip(rows[1:], (1.26, 1.38), strict=False):
        run.claim(
            (rf"$\beta = {row[0]}$: median loss after 81 steps", rf"$\beta = {row[0]}$：81 步后损失的中位数"),
            row[3],
            equals=height,
            relative=0.25,
        )
    run.claim(
        (r"median loss after 81 steps: $\beta = 0.6$ over SGD", r"81 步后损失的中位数：$\beta = 0.6$ 与 SGD 之比"),
        ends[betas.index(0.6)] / ends[0],
        at_most=0.9,
    )
    run.table(
        (f"Medians of {count} runs", f"{count} 次运行的中位数"),
        ("beta", "turning angle (degrees)", "length", "final loss", "share in the global basin"),
        rows,
    )

    def draw(left: Any, right: Any) -> None:
        background = mt.analysis.landscape(loss, x=(-6, 4), y=(4, 21), resolution=70)
        for ax, k, name in ((left, 0, "SGD"), (right, betas.index(beta), rf"$\beta = {beta:g}$")):
            plots.landscape(background, ax, paths={f"{name}, run {n + 1}": path[:, k, n] for n in range(2)})
            ax.set(title=name, xlabel=r"$\phi_0$", ylabel=r"$\phi_1$")

    run.figure(
        ("Two runs of 81 steps each without momentum (left) and with it (right), the same batches",
         "无动量（左）与有动量（右）各两次运行，81 步，所用小批量相同"),
        draw,
        (1, 2), (9.6, 4.6),
    )  # fmt: skip
