"""Clipping the gradient: what it does to one step (section 4.2.7)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run

clip: Any = mt.nn.utils.clip_grad_norm_


def clipped(parts: Any, limit: float, by_value: bool = False) -> tuple[float, list[np.ndarray]]:
    """(norm before, gradients after) of clipping gradients (arrays of any shapes) together, or each of their elements."""
    params = [mt.tensor(np.zeros(np.shape(part)), requires_grad=True) for part in parts]
    for p, part in zip(params, parts, strict=True):
        p.grad = mt.tensor(np.array(part, float))
    norm = float(clip(params, np.inf if by_value else limit))
    if by_value:
        mt.nn.utils.clip_grad_value_(params, limit)
    return norm, [p.grad.numpy() for p in params if p.grad is not None]


@item(
    "gradient-clipping",
    kind="algorithm",
    source="Chapter 4, section 4.2.7, Definition 4.2.5, eq. 4.2.13",
    title=("Clipping by the global norm", "按全局范数裁剪梯度"),
    statement=(
        r"If $\|g\|_2 > C$, the gradient $g$ is replaced by $C g / \|g\|_2$: its length is cut to $C$, its direction stays.",
        r"若 $\|g\|_2 > C$，则以 $C g / \|g\|_2$ 代替梯度 $g$：长度缩短为 $C$，方向不变。",
    ),
    verdict="holds",
    ranges={"limit": (0.1, 10.0)},
    random=True,
)
def gradient_clipping(run: Run, limit: float = 1.0) -> None:
    norm, (short,) = clipped([np.array([3.0, 4.0])], 1.0)
    run.claim(
        ("$g = (3, 4)$, $C = 1$: norm returned", "$g = (3, 4)$，$C = 1$：返回的范数"), norm, equals=5.0, within=1e-15
    )
    run.claim(
        ("distance of the result from (0.6, 0.8)", "结果与 (0.6, 0.8) 之差"),
        np.abs(short - [0.6, 0.8]).max(),
        at_most=1e-6,
    )
    norm, (same,) = clipped([np.array([3.0, 4.0])], 10.0)
    run.claim(("$C = 10$ leaves it as it is", "$C = 10$ 时不变"), bool((same == [3.0, 4.0]).all()))
    worst_length, worst_cosine = 0.0, 1.0
    for size in (0.01, 0.3, 1.0, 30.0, 1e6):
        parts = [size * run.rng.standard_normal(shape) for shape in ((4, 3), (3,), (2, 2, 2))]
        flat = np.concatenate([part.ravel() for part in parts])
        norm, after = clipped(parts, 1.0)
        moved = np.concatenate([part.ravel() for part in after])
        wanted = min(float(np.linalg.norm(flat)), 1.0)
        worst_length = max(worst_length, abs(float(np.linalg.norm(moved)) - wanted) / wanted)
        cosine = float(moved @ flat / np.linalg.norm(moved) / np.linalg.norm(flat))
        worst_cosine = min(worst_cosine, cosine)
    run.claim(
        (
            r"three tensors together: norm after, relative to $\min(\|g\|, C)$, less 1",
            r"三个张量一起：裁剪后的范数与 $\min(\|g\|, C)$ 之比，减 1",
        ),
        worst_length,
        at_most=1e-5,
    )
    run.claim(
        ("smallest cosine between before and after", "裁剪前后夹角余弦的最小值"), worst_cosine, at_least=1 - 1e-12
    )
    norm, (zero,) = clipped([np.zeros(3)], 1.0)
    run.claim(("a zero gradient stays zero", "零梯度仍为零"), bool(norm == 0 and (zero == 0).all()))
    run.note(
        r"The division is by $\|g\| + 10^{-6}$, as in PyTorch, so a clipped gradient is shorter than $C$ by a millionth at most.",
        r"与 PyTorch 一样，除数为 $\|g\| + 10^{-6}$，因此裁剪后的梯度最多比 $C$ 短百万分之一左右。",
    )
    cloud = run.rng.standard_normal((60, 2)) * (2.0, 1.0)
    scaled, cut = (np.array([clipped([g], limit, by_value)[1][0] for g in cloud]) for by_value in (False, True))

    def draw(left: Any, right: Any) -> None:
        turn = np.linspace(0, 2 * np.pi, 200)
        for ax, ends, title in ((left, scaled, "by the norm"), (right, cut, "by value, for comparison")):
            for start, end in zip(cloud, ends, strict=True):
                ax.plot([start[0], end[0]], [start[1], end[1]], color="0.8", linewidth=0.8)
            ax.plot(*cloud.T, ".", color="0.5", label="before")
            ax.plot(*ends.T, ".", color="C3", label="after")
            ax.plot(limit * np.cos(turn), limit * np.sin(turn), "k:", linewidth=1, label=f"length {limit:g}")
            ax.set(
                xlabel="$g_0$", ylabel="$g_1$", title=f"Clipped {title}", xlim=(-5, 5), ylim=(-3.4, 3.4), aspect="equal"
            )
            ax.legend(fontsize="small", loc="upper right")

    run.figure(
        (
            "Clipping by the norm moves long gradients straight towards 0. Clipping each element would turn them.",
            "按范数裁剪使长梯度沿自身方向缩短；逐元素裁剪则会改变方向。",
        ),
        draw,
        (1, 2),
        (9.6, 3.9),
    )


@item(
    "clipped-effective-learning-rate",
    kind="theorem",
    source="Chapter 4, section 4.2.7, after eq. 4.2.13",
    title=("The effective rate after clipping", "裁剪后的有效学习率"),
    statement=(
        r"Clipping bounds the effective learning rate: for a gradient of norm $\|g\|$ it is given as $\min(\eta, C/\|g\|)$.",
        r"梯度裁剪限制了有效学习率：梯度范数为 $\|g\|$ 时，书中给出裁剪后的有效学习率为 $\min(\eta, C/\|g\|)$。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"It is $\eta \min(1, C/\|g\|)$, so that no step is longer than $\eta C$. The printed formula compares a rate with $C/\|g\|$, "
        r"a pure number; with $\eta = 0.1$ and $C = 1$ it would see no clipping up to a norm of 10, and at 100 it gives 10 times the rate "
        r"measured. The two agree for $\eta = 1$.",
        r"应为 $\eta \min(1, C/\|g\|)$，因此一步的长度不超过 $\eta C$。原文把学习率与纯数 $C/\|g\|$ 相比较；"
        r"$\eta = 0.1$、$C = 1$ 时，按原文在范数达到 10 之前都没有裁剪，范数为 100 时给出的是实测值的 10 倍。$\eta = 1$ 时两者一致。",
    ),
    ranges={"eta": (0.001, 2.0), "limit": (0.1, 10.0)},
)
def effective_rate(run: Run, eta: float = 0.1, limit: float = 1.0, form: str = "right") -> None:
    def measured(norm: float, lr: float, most: float) -> float:
        """|step| / |gradient| of SGD after clipping, for a loss with a gradient of this norm."""
        slope = norm * np.array([0.6, 0.8])
        w = mt.tensor(np.zeros(2), requires_grad=True)
        optimizer = mt.optim.SGD([w], lr=lr)
        (w @ mt.tensor(slope)).backward()
        clip([w], most)
        optimizer.step()
        return float(np.linalg.norm(w.detach().numpy()) / norm)

    def formula(norm: float, lr: float, most: float) -> float:
        return min(lr, most / norm) if form == "printed" else mt.nn.utils.effective_lr(lr, norm, most)

    rows = []
    for norm, expected in ((0.5, 0.1), (2.0, 0.05), (5.0, 0.02), (100.0, 0.001)):
        rate = measured(norm, 0.1, 1.0)
        run.claim(
            (
                rf"$\eta = 0.1$, $C = 1$, $\|g\| = {norm:g}$: measured rate",
                rf"$\eta = 0.1$，$C = 1$，$\|g\| = {norm:g}$：实测的学习率",
            ),
            rate,
            equals=expected,
            relative=1e-5,
        )
        run.claim(
            ("the formula, over that", "公式与实测值之比"), formula(norm, 0.1, 1.0) / rate, equals=1.0, within=1e-5
        )
        rows.append((norm, rate, mt.nn.utils.effective_lr(0.1, norm, 1.0), min(0.1, 1 / norm)))
    run.claim(
        (r"longest step over $\eta C$", r"最长的一步与 $\eta C$ 之比"),
        max(row[0] * row[1] for row in rows) / 0.1,
        at_most=1.0,
    )
    run.table(
        (r"Effective rates for $\eta = 0.1$, $C = 1$", r"$\eta = 0.1$、$C = 1$ 时的有效学习率"),
        ("norm", "measured", "eta min(1, C/|g|)", "as printed"),
        rows,
    )

    def draw(left: Any, right: Any) -> None:
        norms = np.geomspace(0.1, 300, 60)
        rates = np.array([measured(float(n), eta, limit) for n in norms])
        right_rule = np.array([mt.nn.utils.effective_lr(eta, float(n), limit) for n in norms])
        printed = np.minimum(eta, limit / norms)
        for ax, factor, name in ((left, np.ones(60), "effective learning rate"), (right, norms, "length of the step")):
            ax.loglog(norms, printed * factor, "--", color="C3", label="as printed")
            ax.loglog(norms, right_rule * factor, color="C0", label=r"$\eta\,\min(1, C/\|g\|)$")
            ax.loglog(norms[::4], (rates * factor)[::4], "ko", markersize=4, label="measured")
            ax.set(xlabel=r"norm of the gradient", ylabel=name)
        left.legend(fontsize="small")
        right.axhline(eta * limit, color="0.6", linestyle=":")

    run.figure(
        (
            r"The measured steps are never longer than $\eta C$ (dotted); by the printed formula they would be up to $C$.",
            r"实测的步长不超过 $\eta C$（点线）；按原文的公式则可达 $C$。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )
