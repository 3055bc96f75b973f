"""Kinds of places in a network's landscape: copies of one minimum, saddles, plateaus."""

from __future__ import annotations

from itertools import permutations, product
from math import factorial
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import saturating, two_layers

from ..entry import item
from ..run import Run
from .designs import network_loss, tanh_network


def copies(theta: np.ndarray, inputs: int, hidden: int) -> np.ndarray:
    """All vectors of weights that only name or sign the units of a network inputs-hidden-1 otherwise."""
    first, bias = theta[: inputs * hidden].reshape(hidden, inputs), theta[inputs * hidden : (inputs + 1) * hidden]
    last, offset = theta[(inputs + 1) * hidden : -1], theta[-1:]
    found = []
    for order in permutations(range(hidden)):
        for signs in product((1.0, -1.0), repeat=hidden):
            s, k = np.array(signs), list(order)
            found.append(np.concatenate([(s[:, None] * first[k]).ravel(), s * bias[k], s * last[k], offset]))
    return np.array(found)


@item(
    "network-landscape-minima-saddles-plateaus",
    kind="experiment",
    source="Chapter 4, section 4.2.1",
    title=("Minima, saddles and plateaus", "极小值、鞍点与平坦区域"),
    statement=(
        "A convex loss is a plain bowl. The landscape of a deep network has many local minima, saddles and plateaus, because "
        "the network is nonlinear and has more parameters than it needs.",
        "凸损失的景观是简单的碗。深度网络非线性且过参数化，其景观含有大量局部极小值、鞍点和平坦区域。",
    ),
    verdict="holds",
    ranges={"hidden": (1, 5), "w": (-30.0, 5.0)},
)
def kinds_of_places(run: Run, hidden: int = 3, w: float = -20.0) -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(-2, 2, 20)[:, None]

    def fitted(units: int) -> analysis.Objective:
        net = network_loss(tanh_network(rng, 1, units), x, np.sin(2 * x[:, 0]))
        analysis.trace(lambda p: mt.optim.LBFGS(p, lr=0.5), net, steps=60)
        return net

    network = fitted(3)
    same = copies(network.theta, 1, 3)
    distinct = len(np.unique(np.round(same, 9), axis=0))
    run.claim(("3 tanh units: distinct vectors of weights for one function", "3 个 tanh 单元：同一函数对应的不同参数向量个数"),
              distinct, equals=48)  # fmt: skip
    run.claim(("difference of their losses", "它们的损失之差"), np.ptp(network.values(same)), at_most=1e-12)
    saddle = analysis.Objective(two_layers, np.zeros(2))
    run.claim((r"$(ab-1)^2/2$ at $(0, 0)$: gradient", r"$(ab-1)^2/2$ 在 $(0, 0)$ 处：梯度"),
              np.abs(saddle.gradient()), equals=0)  # fmt: skip
    for value, expected in zip(np.linalg.eigvalsh(saddle.hessian()), (-1, 1), strict=True):
        run.claim(("eigenvalue there", "该处的特征值"), value, equals=expected, within=1e-12)
    plateau = analysis.Objective(saturating, np.zeros(1))
    value, slope = plateau.value_and_gradient([-20.0])
    run.claim((r"$(1 - \sigma(w))^2/2$ at $w = -20$: loss", r"$(1 - \sigma(w))^2/2$ 在 $w = -20$ 处：损失"),
              value, equals=0.5, within=1e-8)  # fmt: skip
    run.claim(("size of the gradient there", "该处梯度的大小"), abs(slope[0]), equals=2.06e-9, within=5e-12)

    mine = network if hidden == 3 else fitted(hidden)
    every = copies(mine.theta, 1, hidden)
    here, flipped = every[0], every[1]
    swapped = every[2**hidden] if hidden > 1 else None
    number = factorial(hidden) * 2**hidden

    def draw(left: Any, middle: Any, right: Any) -> None:
        if swapped is None:
            t = np.linspace(-0.3, 1.3, 200)
            left.plot(t, mine.values(here + t[:, None] * (flipped - here)))
            left.plot([0, 1], mine.values(np.stack([here, flipped])), "o", label="two copies")
            left.set(xlabel="way from a minimum to its copy", ylabel="loss")
        else:
            plane = analysis.plane_through(here, flipped, swapped)
            seen = analysis.landscape(mine, None, (-0.4, 1.4), (-0.5, 1.5), plane=plane, resolution=70)
            mesh = left.pcolormesh(seen.x, seen.y, np.log10(seen.values), shading="gouraud", rasterized=True)
            left.contour(seen.x, seen.y, np.log10(seen.values), levels=12, colors="black", linewidths=0.4)
            left.figure.colorbar(mesh, ax=left, label=r"$\log_{10}$ loss")
            at = plane.coordinates(np.stack([here, flipped, swapped]))
            left.plot(*at.T, "w*", markeredgecolor="black", markersize=12, linestyle="none",
                      label=f"3 of {number} copies")  # fmt: skip
            left.set(xlabel="towards one sign flipped", ylabel="towards two units swapped")
        seen = analysis.landscape(saddle, None, (-2.2, 2.2), (-2.2, 2.2), resolution=80)
        middle.contour(seen.x, seen.y, seen.values, levels=np.geomspace(0.01, 15, 18), cmap="viridis", linewidths=0.8)
        middle.plot(0, 0, "rX", markersize=10, label="saddle")
        a = np.linspace(0.46, 2.2, 50)
        for sign in (1, -1):
            middle.plot(sign * a, sign / a, color="C2", linewidth=2, label="minima, $ab = 1$" if sign > 0 else None)
        middle.set(xlabel="a", ylabel="b", title="$(ab-1)^2/2$")
        s = np.linspace(min(-20.0, w), 6, 200)
        right.plot(s, plateau.values(s[:, None]), label="loss")
        right.plot(s, np.abs(plateau.gradients(s[:, None])), "--", label="|gradient|")
        height, steep = plateau.value_and_gradient([w])
        right.plot(w, height, "ko", label=f"w = {w:g}:\n|gradient| {abs(steep[0]):.3g}")
        right.set(xlabel="w", ylabel="loss, gradient", title=r"plateau: $(1 - \sigma(w))^2/2$", yscale="log")
        for ax in (left, middle, right):
            ax.legend(fontsize="small", loc="lower left")

    run.figure(
        ("Copies of one minimum by symmetry (left), a saddle between two branches of minima (middle), a plateau (right)",
         "由对称性得到的同一极小值的多个副本（左）、两支极小值之间的鞍点（中）、平坦区域（右）"),
        draw, (1, 3), (9.6, 4.4),
    )  # fmt: skip
