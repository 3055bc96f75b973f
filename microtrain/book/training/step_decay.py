"""Step decay: the learning rate that is high first and falls by a factor every so often (section 6.2.2)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...viz import plots
from ..entry import item
from ..run import Run
from .gabor_runs import LOWEST, full_loss, in_global_basin, runs

START = (-1.5, 8.5)
NAMES_ZH = {
    "constant": "固定学习率", "halved every 200 steps": "每 200 步减半", "halved every 300 steps": "每 300 步减半",
    "halved every 60 steps": "每 60 步减半",
}  # fmt: skip


@item(
    "step-decay",
    kind="schedule",
    source="Chapter 6, section 6.2.2, last paragraph",
    title=("Step decay", "阶梯衰减"),
    statement=(
        r"The learning rate starts high and is multiplied by a fixed factor every $N$ epochs: "
        r"$\alpha_t = \alpha_0\, f^{\lfloor t/N \rfloor}$. First the valleys are explored, then one of them is tuned.",
        r"学习率起初较大，每过 $N$ 个轮次乘以固定的倍数：$\alpha_t = \alpha_0\, f^{\lfloor t/N \rfloor}$。"
        r"先在各个山谷间探索，再在其中一个里微调。",
    ),
    verdict="holds",
    ranges={"alpha": (0.001, 10.0), "factor": (0.01, 1.0), "every": (1, 1000), "steps": (10, 5000)},
)
def step_decay(run: Run, alpha: float = 0.4, factor: float = 0.5, every: int = 200, steps: int = 1000) -> None:
    rate = 0.4 * mt.optim.schedules.Step(200, 0.5)
    for t, value in ((0, 0.4), (199, 0.4), (200, 0.2), (399, 0.2), (400, 0.1), (600, 0.05)):
        run.claim((rf"rate at step {t}", rf"第 {t} 步的学习率"), rate(t), equals=value)

    def used(lr: Any, scheduled: bool) -> np.ndarray:
        """The rates that 601 updates really had: with the gradient 1 a step is as long as the rate."""
        w = mt.tensor([0.0], requires_grad=True)
        optimizer = mt.optim.SGD([w], lr=lr)
        scheduler = mt.optim.lr_scheduler.StepLR(optimizer, 200, 0.5) if scheduled else None
        lengths = []
        for _ in range(601):
            w.detach().zero_()
            w.grad = mt.tensor([1.0])
            optimizer.step()
            lengths.append(-w.item())
            if scheduler is not None:
                scheduler.step()
        return np.array(lengths)

    formula = 0.4 * 0.5 ** (np.arange(601) // 200)
    for name, name_zh, rates in (
        ("SGD with the schedule", "SGD 配学习率调度", used(rate, False)),
        ("SGD with the scheduler StepLR", "SGD 配学习率调度器 StepLR", used(0.4, True)),
    ):
        run.claim(
            (f"{name}: distance of 601 step lengths from the formula", f"{name_zh}：601 步的步长与公式之差"),
            np.abs(rates - formula).max(),
            equals=0,
        )
    shown = alpha * mt.optim.schedules.Step(every, factor)

    def draw(ax: Any) -> None:
        smooth = alpha * mt.optim.schedules.Exponential(factor ** (1 / every))
        plots.schedules({f"step decay, x{factor:g} every {every}": shown, "exponential decay": smooth}, steps, ax)

    run.figure(
        (
            "The staircase, and the exponential decay through its upper corners",
            "阶梯衰减，以及经过各级台阶起点的指数衰减",
        ),
        draw,
    )


@item(
    "step-decay-sgd-gabor",
    kind="experiment",
    source="Chapter 6, section 6.2.2, last paragraph; the Gabor model of eq. 6.8",
    title=("What step decay buys on the Gabor model", "阶梯衰减在 Gabor 模型上的收益"),
    statement=(
        "Once SGD is in the right region, smaller rates allow for fine adjustment: the noise of the batches no longer throws "
        "the parameters about.",
        "SGD 到达合适的区域后，减小学习率便可微调：小批量带来的噪声不再使参数大幅摆动。",
    ),
    verdict="holds",
    ranges={"alpha": (0.01, 0.8), "batch": (1, 30), "count": (20, 300)},
    random=True,
)
def step_decay_gabor(run: Run, alpha: float = 0.4, batch: int = 5, count: int = 300) -> None:
    schedules = mt.optim.schedules
    rates = {
        "constant": schedules.Constant(),
        "halved every 200 steps": schedules.Step(200, 0.5),
        "halved every 300 steps": schedules.Step(300, 0.5),
        "halved every 60 steps": schedules.Step(60, 0.5),
        "always small": 1 / 32 * schedules.Constant(),
    }
    names = list(rates)

    def make(phi: list[mt.Tensor]) -> Any:
        groups = zip(phi, rates.values(), strict=True)
        return mt.optim.SGD([{"params": [p], "lr": alpha * rate} for p, rate in groups])

    loss = full_loss()
    starts = np.tile(START, (count, 1))
    path = runs(make, len(rates), starts, 1800, batch, run.rng, every=60)
    losses = loss.values(path.reshape(-1, 2)).reshape(path.shape[:-1])  # (31, variants, runs)

    def excess(name: str, step: int) -> float:
        """The median over the runs that are in the global basin then."""
        k, t = names.index(name), step // 60
        inside = in_global_basin(loss, path[t, k], 40)
        run_losses = losses[t, k][inside]
        return float(np.median(run_losses) - LOWEST) if len(run_losses) else float("nan")

    rows = [(name, step, excess(name, step)) for name, step in (
        ("constant", 600), ("halved every 60 steps", 600), ("constant", 1200), ("halved every 200 steps", 1200),
        ("constant", 1800), ("halved every 300 steps", 1800),
    )]  # fmt: skip
    early, hasty, constant, stepped, late, slower = (row[2] for row in rows)
    for (name, step, found), (known, place) in zip(
        rows, ((0.05, 0.45), (0.137, 0.1), (4.7e-2, 0.45), (8.9e-4, 0.3), (5.4e-2, 0.45), (6.1e-4, 0.6)), strict=True
    ):
        text = f"{name}, {step} steps: excess loss, median", f"{NAMES_ZH[name]}，{step} 步：超额损失的中位数"
        run.claim(text, found, equals=known, relative=place)
    share = float(in_global_basin(loss, path[20, 0], 40).mean())
    run.claim(("share of the runs in the global basin", "处于全局最小值吸引盆中的比例"), share, between=(0.8, 0.98))
    run.claim(
        (
            "1200 steps: excess loss of the constant rate over that of step decay",
            "1200 步：固定学习率与阶梯衰减的超额损失之比",
        ),
        constant / stepped,
        at_least=10,
    )
    run.claim(("1800 steps: the same ratio", "1800 步：同样的比值"), late / slower, at_least=10)
    run.claim(
        ("600 steps, halved every 60, too early: excess loss over that of the constant rate",
         "600 步，每 60 步减半（过早）：超额损失与固定学习率之比"),
        hasty / early,
        at_least=1.5,
    )  # fmt: skip
    small = path[20, names.index("always small")]
    goal = mt.analysis.critical_points(loss, np.array([[0.0, 16.0], [0.01, 16.05]]))[0].point
    run.claim(
        (
            "always small, 1200 steps: shortest distance of a run from the minimum",
            "一直很小，1200 步：各次运行与最小值点的最近距离",
        ),
        np.linalg.norm(small - goal, axis=1).min(),
        at_least=2,
    )
    run.claim(
        ("always small, 1200 steps: median loss", "一直很小，1200 步：损失的中位数"),
        np.median(losses[20, names.index("always small")]),
        equals=2.74,
        relative=0.1,
    )
    run.table(
        ("Median excess loss of the runs in the global basin", "全局吸引盆中各次运行的超额损失中位数"),
        ("learning rate", "steps", "excess loss"),
        rows,
    )

    def draw(left: Any, right: Any) -> None:
        steps = np.arange(0, 1801, 60)
        for k, (name, style) in enumerate(zip(names, ("-", "--", "-.", ":", (0, (5, 1))), strict=True)):
            middle = np.median(losses[:, k], axis=1) - LOWEST
            left.plot(steps, np.maximum(middle, 1e-6), linestyle=style, color=f"C{k}", label=name)
        left.set(yscale="log", xlabel="step", ylabel="loss above the global minimum, median")
        left.legend(fontsize="small")
        for k, mark in ((0, "o"), (1, "s")):
            right.plot(*path[20, k].T, mark, markersize=3, alpha=0.5, color=f"C{k}", label=names[k])
        right.plot(*goal, "k*", markersize=12, label="global minimum")
        right.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title="after 1200 steps", xlim=(-0.6, 0.6), ylim=(15.4, 16.6))
        right.legend(fontsize="small")

    run.figure(
        ("Left: the loss above the minimum. Right: where the runs are after 1200 steps.",
         "左：高出最小值的损失。右：1200 步后各次运行的位置。"),
        draw,
        (1, 2), (9.6, 4.2),
    )  # fmt: skip
