"""Outliers in y and in x, and lines of least absolute error (section 4.2.7)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..dynamics.descent import descend
from ..entry import item
from ..run import Run

F: Any = mt.nn.functional
S: Any = mt.optim.schedules


def fit_line(x: np.ndarray, y: np.ndarray, absolute: bool, steps: int = 20_000) -> np.ndarray:
    """(slope, intercept) of the line through the points, by descent on standardised x.

    For the absolute error with rates 2 / sqrt(t + 1), for half the squared one, whose curvature is then 1, with rate 1.
    """
    mean, spread = x.mean(), x.std()
    inputs = mt.tensor(np.column_stack([(x - mean) / spread, np.ones_like(x)]))
    targets = mt.tensor(y)
    if absolute:
        (w,), _ = descend(lambda w: F.l1_loss(inputs @ w, targets), [np.zeros(2)], 2 * S.InverseSqrt(1), steps)
    else:
        (w,), _ = descend(lambda w: F.mse_loss(inputs @ w, targets) / 2, [np.zeros(2)], 1.0, 5)
    slope = w[0] / spread
    return np.array([slope, w[1] - slope * mean])


def least_absolute(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same line by linear programming, as a reference."""
    from scipy.optimize import linprog

    n = len(x)
    design = np.column_stack([x, np.ones(n)])
    found = linprog(
        np.r_[0, 0, np.ones(n)],
        np.block([[design, -np.eye(n)], [-design, -np.eye(n)]]),
        np.r_[y, -y],
        bounds=[(None, None)] * 2 + [(0, None)] * n,
    )
    return found.x[:2]  # type: ignore[no-any-return]


@item(
    "mae-outlier-robustness",
    kind="experiment",
    source="Chapter 4, section 4.2.7, second paragraph",
    title=("Which outliers the absolute error withstands", "绝对误差能抵御哪些异常值"),
    statement=(
        "Where robustness against outliers is wanted, the absolute error is recommended for regression.",
        "需要对异常值鲁棒时，回归任务推荐使用平均绝对误差。",
    ),
    verdict="holds with a condition",
    correction=(
        "It withstands outliers in $y$ only. One point far away in $x$, a leverage point, destroys the fit all the same: the slope is "
        "-0.094 instead of 2.",
        "只能抵御 $y$ 方向的异常值。只要有一个样本的 $x$ 远离其余样本（杠杆点），拟合照样失效：斜率为 -0.094，而不是 2。",
    ),
    ranges={"shift": (-200.0, 200.0), "far": (10.0, 500.0)},
)
def mae_outlier(run: Run, shift: float = 100.0, far: float = 100.0) -> None:
    def lifted(by: float) -> tuple[np.ndarray, np.ndarray]:
        x = np.arange(11.0)
        return x, 2 * x + 1 + by * (x == 10)

    def leverage(at: float) -> tuple[np.ndarray, np.ndarray]:
        x = np.append(np.arange(10.0), at)
        return x, np.where(np.arange(11) < 10, 2 * x + 1, 0.0)

    data = lifted(100.0)
    squared, absolute = fit_line(*data, absolute=False), fit_line(*data, absolute=True)
    for name, chinese, value, expected, tolerance in (
        ("squared error: slope", "均方误差：斜率", squared[0], 6.545, 5e-4),
        ("squared error: intercept", "均方误差：截距", squared[1], -12.636, 5e-4),
        ("absolute error: slope", "绝对误差：斜率", absolute[0], 2.0, 0.03),
        ("absolute error: intercept", "绝对误差：截距", absolute[1], 1.0, 0.03),
    ):
        run.claim(
            (f"one target 100 too large; {name}", f"一个目标偏大 100；{chinese}"),
            value,
            equals=expected,
            within=tolerance,
        )
    distant = leverage(100.0)
    bent, reference = fit_line(*distant, absolute=True), least_absolute(*distant)
    for k, (name, chinese, expected) in enumerate((("slope", "斜率", -0.094), ("intercept", "截距", 9.375))):
        run.claim(
            (
                f"one point at $x = 100$; least absolute error, {name} (linear programming)",
                f"一个样本在 $x = 100$；绝对误差最小的{chinese}（线性规划）",
            ),
            reference[k],
            equals=expected,
            within=5e-4,
        )
        run.claim(
            (f"the {name} by descent: distance from it", f"梯度下降得到的{chinese}与之相差"),
            abs(bent[k] - reference[k]),
            at_most=(0.005, 0.1)[k],
        )
    run.claim(
        (
            "one target 100 too large: distance of the descent from linear programming",
            "一个目标偏大 100：梯度下降与线性规划之差",
        ),
        np.abs(absolute - least_absolute(*data)).max(),
        at_most=0.03,
    )
    cases = {f"one target shifted by {shift:g}": lifted(shift), f"one point moved to x = {far:g}": leverage(far)}
    lines = {name: (fit_line(*points, False), fit_line(*points, True)) for name, points in cases.items()}

    def draw(*axes: Any) -> None:
        for ax, (name, (x, y)) in zip(axes, cases.items(), strict=True):
            ax.plot(x, y, "ko", markersize=4, label="data")
            ends = np.array([x.min(), x.max()])
            ax.plot(ends, 2 * ends + 1, color="0.7", linewidth=4, label="$2x + 1$")
            for (slope, intercept), label in zip(lines[name], ("squared error", "absolute error"), strict=True):
                ax.plot(ends, slope * ends + intercept, label=f"{label}: slope {slope:.2f}")
            ax.set(xlabel="x", ylabel="y", title=name)
            ax.legend(fontsize="small")
        axes[1].set_ylim(-10, 40)

    run.figure(
        (
            "Left: an outlier in $y$ does not move the line of least absolute error. Right: one in $x$ turns it round.",
            "左：$y$ 方向的异常值不影响绝对误差最小的直线。右：$x$ 方向的异常值使它转向。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )
