"""Problem 6.5: the gradient of a shallow network with ReLUs, and where its fits end."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .problem_gradients import differences, sum_of_squares

WAVE = np.linspace(0, 2, 20)
LEVELS = {"best line": 1.0128, "best constant": 1.1728}


def shallow_fits(seeds: list[int], steps: int, lr: float) -> tuple[np.ndarray, np.ndarray]:
    """Losses (records, fits) of shallow networks that fit a wave, every 20 steps, and their predictions (fits, 20)."""
    starts = np.array([np.random.default_rng(seed).standard_normal(10) for seed in seeds])
    model, x, y = mt.nn.ShallowNetwork(3), mt.tensor(WAVE), 0.5 * np.sin(3 * WAVE) + 0.3 * WAVE
    model.phi_0, model.phi = mt.nn.Parameter(starts[:, :1].copy()), mt.nn.Parameter(starts[:, None, 1:4].copy())
    model.theta_0 = mt.nn.Parameter(starts[:, None, 4::2].copy())
    model.theta_1 = mt.nn.Parameter(starts[:, None, 5::2].copy())
    optimizer, losses = mt.optim.Adam(model.parameters(), lr=lr), []
    for k in range(steps):
        optimizer.zero_grad()
        f = model.phi_0 + (model.activation(model.preactivations(x)) * model.phi).sum(-1)
        each = ((f - y) ** 2).sum(1)
        each.sum().backward()
        optimizer.step()
        if k % 20 == 0 or k == steps - 1:
            losses.append(each.detach().numpy().copy())
    return np.array(losses), f.detach().numpy()


@item(
    "problem-6-5",
    kind="problem",
    source="Problem 6.5, eq. 6.23",
    title=("Problem 6.5: the gradient of a shallow network", "习题 6.5：浅层网络的梯度"),
    statement=(
        r"Compute the derivatives of the least-squares loss with respect to the ten parameters of $f = \phi_0 + \sum_k "
        r"\phi_k a[\theta_{k0} + \theta_{k1} x]$, $k = 1 \ldots 3$, where $a$ is the ReLU; think of the ReLU's derivative.",
        r"设 $f = \phi_0 + \sum_k \phi_k a[\theta_{k0} + \theta_{k1} x]$，$k = 1 \ldots 3$，$a$ 为 ReLU。求最小二乘损失关于"
        r"这十个参数的导数，并留意 ReLU 的导数。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The ReLU has no derivative at 0; every number in $[0, 1]$ is a subgradient there, and 0 is taken. Eq. 6.23 names "
        r"the parameters inconsistently, $f[x, z]$ for $f[x, \phi]$: a slip of the translation.",
        r"ReLU 在 0 处不可导，$[0, 1]$ 中的任何数都是次梯度，这里取 0。式 (6.23) 把 $f[x, \phi]$ 写成了 $f[x, z]$，"
        r"是译文的印刷错误。",
    ),
    ranges={"eta": (0.001, 0.1), "steps": (100, 10000)},
    random=True,
)
def problem_6_5(run: Run, eta: float = 0.01, steps: int = 5000) -> None:
    rng = np.random.default_rng(run.seed + 1)
    while True:
        model = mt.nn.ShallowNetwork(3)
        for p in model.parameters():
            p.detach().copy_(rng.standard_normal(p.shape))
        x, y = rng.standard_normal(8), rng.standard_normal(8)
        z = np.asarray(model.preactivations(mt.tensor(x)).detach())
        if np.abs(z).min() > 1e-5:
            break
    loss = sum_of_squares(model, x, y)
    gradient = loss.gradient()
    run.claim(
        ("autodiff against central differences, ten parameters", "自动微分与中心差分之差（十个参数）"),
        np.abs(gradient - differences(loss, loss.theta)).max(),
        at_most=1e-6,
    )
    phi = np.asarray(model.phi.detach())
    r = 2 * (np.asarray(model(mt.tensor(x)).detach()) - y)
    on = (z > 0) * 1.0
    by_hand = {
        "phi_0": r.sum(),
        "phi": r @ (z * on),
        "theta_0": phi * (r @ on),
        "theta_1": phi * ((r * x) @ on),
    }
    loss.closure().backward()
    for name, p in model.named_parameters():
        run.claim(
            (f"{name}: autodiff against the formula", f"{name}：自动微分与公式之差"),
            np.abs(np.asarray(p.grad) - by_hand[name]).max(),
            at_most=1e-12,
        )
    zero = mt.tensor(0.0, requires_grad=True)
    zero.relu().backward()
    slopes = [float((mt.tensor(h).relu() - mt.tensor(0.0).relu()).item() / h) for h in (-1e-6, 1e-6)]
    run.claim(
        ("derivative of the ReLU at 0 (our choice)", "ReLU 在 0 处的导数（我们的约定）"),
        np.asarray(zero.grad),
        equals=0,
    )
    run.claim(("slope to the left of 0", "0 左侧的斜率"), slopes[0], equals=0)
    run.claim(("slope to the right of 0", "0 右侧的斜率"), slopes[1], equals=1)
    run.claim(("central difference at 0", "0 处的中心差分"), sum(slopes) / 2, equals=0.5)
    y_wave = 0.5 * np.sin(3 * WAVE) + 0.3 * WAVE
    line = np.polyval(np.polyfit(WAVE, y_wave, 1), WAVE)
    run.claim(("loss of the best line", "最佳直线的损失"), ((line - y_wave) ** 2).sum(), equals=1.0128, within=5e-5)
    run.claim(
        ("loss of the best constant", "最佳常数的损失"),
        ((y_wave - y_wave.mean()) ** 2).sum(),
        equals=1.1728,
        within=5e-5,
    )
    losses, fits = shallow_fits(list(range(10)), steps, eta)
    if (steps, eta) == (5000, 0.01):
        expected = (0.5527, 0.8504, 0.5527, 1.0128, 1.1728, 1.0128, 1.0128, 0.8808, 1.0128, 0.5527)
        for k, value in enumerate(expected):
            run.claim((f"fit from start {k}: loss", f"起点 {k} 的拟合损失"), losses[-1][k], equals=value, within=5e-5)
    run.note(
        r"With $z_k = \theta_{k0} + \theta_{k1} x$ and $r = 2(f - y)$: $\partial L/\partial \phi_0 = r$, $\partial L/"
        r"\partial \phi_k = r\, a(z_k)$, $\partial L/\partial \theta_{k0} = r \phi_k 1[z_k > 0]$, $\partial L/\partial "
        r"\theta_{k1} = r \phi_k 1[z_k > 0] x$, each summed over the samples. A unit with $z_k \le 0$ everywhere gets no "
        "gradient: it is dead.",
        r"记 $z_k = \theta_{k0} + \theta_{k1} x$，$r = 2(f - y)$，则 $\partial L/\partial \phi_0 = r$，$\partial L/\partial "
        r"\phi_k = r\, a(z_k)$，$\partial L/\partial \theta_{k0} = r \phi_k 1[z_k > 0]$，$\partial L/\partial \theta_{k1} = r "
        r"\phi_k 1[z_k > 0] x$，均对样本求和。若 $z_k$ 处处不大于 0，该单元的梯度为零，不再学习。",
    )

    def draw(left: Any, right: Any) -> None:
        when = np.minimum(20 * np.arange(len(losses)), steps)
        left.plot(when, losses, color="C0", linewidth=0.8)
        for k, (name, level) in enumerate(LEVELS.items()):
            left.axhline(level, color=f"C{k + 1}", linestyle="--", label=name)
        left.set(xlabel="step", ylabel="loss", yscale="log", ylim=(0.4, 20), title="Ten starts, ten parameters")
        left.legend(fontsize="small")
        right.plot(WAVE, fits.T, color="C0", linewidth=0.8)
        right.plot(WAVE, y_wave, "k.", label="data")
        right.set(xlabel="x", ylabel="f(x)", title="The fits at the end")
        right.legend(fontsize="small")

    run.figure(
        (
            "Fitting a wave from ten random starts: several end in local minima, some no better than a straight line.",
            "从十个随机起点拟合波形：有些停在局部极小值，其中几个并不比直线好。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
