"""The chapter's picture of loss surfaces and gradients, drawn from our own numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run

X, Y = mt.tensor([-2.0, -1.0, 1.0, 2.0]), mt.tensor([0.0, 0.0, 1.0, 1.0])
mse_loss = mt.nn.losses.mse_loss


def losses_of(x: mt.Tensor, y: mt.Tensor) -> dict[str, Any]:
    """(w, b) -> both losses of the neuron sigma(w x + b), averaged over the data."""
    return {
        "half-MSE": lambda t: mse_loss((t[0] * x + t[1]).sigmoid(), y, "half_mean"),
        "cross-entropy": lambda t: mt.binary_cross_entropy_with_logits(t[0] * x + t[1], y),
    }


@item(
    "figure-loss-surfaces-gradients",
    kind="figure",
    source="Chapter 4, section 4.1.3, the figure of loss surfaces and gradients",
    title=("Loss surfaces and their gradients", "损失曲面与梯度"),
    statement=(
        "The section ends with a figure of loss surfaces and their gradients. The picture itself is not in our copy, so this is "
        "our own: one sigmoid neuron, four samples, squared error beside cross-entropy.",
        "本节以一幅损失曲面与梯度的图结尾。手头的文本缺少此图，因此重画一幅：一个 Sigmoid 神经元、4 个样本，平方误差与交叉熵对照。",
    ),
    verdict="holds",
    ranges={"reach": (2.0, 12.0), "shift": (-1.5, 1.5)},
)
def loss_surfaces(run: Run, reach: float = 6.0, shift: float = 0.0) -> None:
    axis = np.linspace(-6, 6, 61)
    points = np.column_stack([a.ravel() for a in np.meshgrid(axis, axis)])
    lowest = {}
    for name, loss in losses_of(X, Y).items():
        hessians = mt.analysis.objective(loss, np.zeros(2)).hessians(points)
        lowest[name] = np.linalg.eigvalsh(hessians)[:, 0]
    run.claim(("cross-entropy: smallest curvature on the grid of 3721 points", "交叉熵：3721 个网格点上的最小曲率"),
              lowest["cross-entropy"].min(), equals=6.2e-5, within=5e-7)  # fmt: skip
    run.claim(("half the squared error: points with a negative curvature", "平方误差的一半：有负曲率的点数"),
              int((lowest["half-MSE"] < 0).sum()), equals=2513)  # fmt: skip
    run.claim(("and its smallest curvature", "其最小曲率"), lowest["half-MSE"].min(), equals=-0.1327, within=5e-5)
    one = mt.tensor([1.0])
    of_logit = {
        "half-MSE": mt.analysis.objective(lambda z: mse_loss(z.sigmoid(), one, "half_sum"), np.zeros(1)),
        "cross-entropy": mt.analysis.objective(lambda z: mt.binary_cross_entropy_with_logits(z, one), np.zeros(1)),
    }
    printed = {
        "cross-entropy": (-0.999955, -0.993307, -0.5, -0.00669285),
        "half-MSE": (-4.53938e-5, -0.00660362, -0.125, -4.44945e-5),
    }
    at = np.array([-10.0, -5.0, 0.0, 5.0])
    for name, zh in (("cross-entropy", "交叉熵"), ("half-MSE", "平方误差的一半")):
        slopes = of_logit[name].gradients(at[:, None])[:, 0]
        for z, slope, expected in zip(at.tolist(), slopes, printed[name], strict=True):
            run.claim((f"{name}, y = 1: gradient at z = {z:g}", f"{zh}，$y = 1$：$z = {z:g}$ 处的梯度"), slope,
                      equals=expected, relative=1e-4)  # fmt: skip
    shown = losses_of(X + shift, Y)
    surfaces = {
        name: mt.analysis.landscape(loss, np.zeros(2), (-reach, reach), (-reach, reach), resolution=61)
        for name, loss in shown.items()
    }
    logits = np.linspace(-10, 10, 201)

    def draw(*axes: Any) -> None:
        for ax, (name, surface) in zip(axes, surfaces.items(), strict=False):
            w, b = np.meshgrid(surface.x, surface.y)
            ax.plot_surface(w, b, surface.values, cmap="viridis", rcount=61, ccount=61, linewidth=0, antialiased=False)
            ax.set(xlabel="w", ylabel="b", zlabel="loss", title=f"{name} of the neuron")
            ax.view_init(32, -60)
        for ax, part in zip(axes[2:], ("values", "gradients"), strict=True):
            for (name, objective), dash in zip(of_logit.items(), ("--", "-"), strict=True):
                ax.plot(logits, np.ravel(getattr(objective, part)(logits[:, None])), dash, label=name)
            ax.axhline(0, color="black", linewidth=0.6)
            ax.legend(fontsize="small")
        axes[2].set(xlabel="logit z", ylabel="loss", title="one sample with y = 1", ylim=(-0.3, 6))
        axes[3].set(xlabel="logit z", ylabel="gradient by z", title="and its gradient")

    run.figure(
        (
            "Above: over weight and bias the cross-entropy curves upwards everywhere; the squared error has plateaus and bends both ways. "
            "Below: for a wrong answer, z far below 0, the slope of the squared error vanishes and that of the cross-entropy is -1.",
            "上：在权重与偏置构成的平面上，交叉熵处处向上弯曲；平方误差有平坦区域，曲率有正有负。下：答错时（$z$ 远小于 0），"
            "平方误差的斜率趋于 0，交叉熵的斜率趋于 -1。",
        ),
        draw,
        (2, 2),
        (9.6, 8.0),
        solid=(0, 1),
    )
