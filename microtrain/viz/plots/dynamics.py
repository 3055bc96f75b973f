"""Where training goes: bifurcation diagrams, phase portraits, arrows of batch gradients, axes of curvature."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError
from .axes import new_axes


def bifurcation(result: Any, ax: Any = None) -> Any:
    """A `Bifurcation`: every value that training comes back to, over the learning rate; the period 2 is marked."""
    ax = ax or new_axes((7.2, 4.4))
    rates = np.repeat(result.rates, result.orbits.shape[1])
    ax.plot(rates, result.orbits.ravel(), ",", color="#1f3d66", alpha=0.8)
    diverged = np.isnan(result.orbits).any(1)
    for period, dash in ((2, "--"), (4, ":")):
        first = result.first(period)
        if first is not None:
            ax.axvline(first, color="#d1600f", linewidth=1, linestyle=dash, label=f"period {period} from {first:.3g}")
    if diverged.any():
        start = float(result.rates[diverged].min())
        ax.axvspan(start, float(result.rates.max()), color="#bbbbbb", alpha=0.4, label=f"diverges from {start:.3g}")
    ax.set_xlim(float(result.rates.min()), float(result.rates.max()))
    ax.set_xlabel("learning rate")
    ax.set_ylabel(
        {"parameter": "theta[0] in the long run", "loss": "loss in the long run"}.get(result.what, result.what)
    )
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, loc="lower left")
    return ax


def phase_portrait(result: Any, ax: Any = None) -> Any:
    """A `PhasePortrait`: arrows for the field (dark where it is fast), flow lines from an open start to a filled end.

    Minima are filled, saddles crosses, maxima open.
    """
    ax = ax or new_axes((6.4, 5.2))
    a, b = np.meshgrid(result.x, result.y)
    field = np.asarray(result.velocity).reshape(-1, 2)
    speed = np.linalg.norm(field, axis=1)
    unit = field / np.where(speed > 0, speed, 1)[:, None]
    arrows = ax.quiver(
        a, b, unit[:, 0].reshape(a.shape), unit[:, 1].reshape(a.shape), np.log10(speed + 1e-12).reshape(a.shape),
        cmap="Blues", pivot="mid", scale=1.25 * len(result.x), width=0.003,
    )  # fmt: skip
    values = np.log10(speed[speed > 0]) if (speed > 0).any() else np.zeros(1)
    low, high = np.percentile(values, [2, 98])
    arrows.set_clim(low - 0.8 * max(1e-6, high - low), high)
    ax.figure.colorbar(arrows, ax=ax, label="log10 of the speed", fraction=0.046)
    for k, path in enumerate(result.lines):
        path = np.asarray(path, float)  # noqa: PLW2901
        line = ax.plot(*path.T, color="#d1600f", linewidth=1.6, label="flow" if not k else None, zorder=3)[0]
        ax.plot(*path[:1].T, "o", markerfacecolor="white", markeredgecolor=line.get_color(), markersize=5, zorder=4)
        ax.plot(*path[-1:].T, "o", color=line.get_color(), markersize=5, zorder=4)
    styles = {
        "minimum": {"marker": "o", "color": "#1b7837"}, "saddle": {"marker": "X", "color": "#762a83"},
        "maximum": {"marker": "o", "markerfacecolor": "white", "color": "#b2182b"},
        "degenerate": {"marker": "D", "color": "#777777"},
    }  # fmt: skip
    seen = set()
    for point in result.points:
        label = point.kind if point.kind not in seen else None
        seen.add(point.kind)
        ax.plot(*point.point, linestyle="none", markersize=9, zorder=5, label=label, **styles[point.kind])
    ax.set_xlim(result.x[0], result.x[-1])
    ax.set_ylim(result.y[0], result.y[-1])
    ax.set_xlabel("theta[0]")
    ax.set_ylabel("theta[1]")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, loc="upper right")
    return ax


def principal_axes(result: Any, ax: Any = None, length: float = 1.0) -> Any:
    """A `PrincipalAxes` of two parameters: the ellipse on which the quadratic is constant, and its axes."""
    ax = ax or new_axes((5.4, 4.6))
    if len(result.point) != 2:
        raise ArgumentError(f"principal_axes() draws two parameters, not {len(result.point)}.")
    size = max(abs(float(v)) for v in result.values) or 1.0
    reach = length / np.sqrt(np.maximum(np.abs(result.values) / size, 1e-4))
    turn = np.linspace(0, 2 * np.pi, 200)
    if (result.values > 0).all():
        ring = result.point[:, None] + result.vectors @ (reach[:, None] * np.stack([np.cos(turn), np.sin(turn)]))
        ax.plot(*ring, color="#9aa5b1", linewidth=1.2, label="equal loss")
    for k, (value, colour, dash) in enumerate(zip(result.values, ("#1f5fa8", "#d1600f"), ("-", "--"), strict=True)):
        tip = result.point[:, None] + np.array([[-1, 1]]) * (reach[k] * result.vectors[:, k])[:, None]
        ax.plot(*tip, color=colour, linestyle=dash, linewidth=2, label=f"curvature {value:.4g}")
    ax.plot(*result.point, "ko", markersize=4)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel("theta[0]")
    ax.set_ylabel("theta[1]")
    ax.legend(fontsize=8)
    return ax


def gradient_noise(result: Any, ax: Any = None, which: tuple[int, int] = (0, 1)) -> Any:
    """A `GradientNoise` in two of its parameters: sampled batches as dots, the mean as an arrow, deviations."""
    ax = ax or new_axes((5.8, 4.8))
    i, j = which
    mean = result.mean[[i, j]]
    values, vectors = np.linalg.eigh(result.covariance[np.ix_([i, j], [i, j])])
    turn = np.linspace(0, 2 * np.pi, 200)
    ring = vectors @ (np.sqrt(np.maximum(values, 0))[:, None] * np.stack([np.cos(turn), np.sin(turn)]))
    if result.draws is not None:
        ax.plot(result.draws[:, i], result.draws[:, j], ".", color="#7a8794", markersize=4, alpha=0.6,
                label=f"{len(result.draws)} batches of {result.batch_size}")  # fmt: skip
    for k, dash in ((1, "-"), (2, "--")):
        ax.plot(*(mean[:, None] + k * ring), color="#d1600f", linestyle=dash, linewidth=1.3,
                label=f"{k} standard deviation{'s' if k > 1 else ''}")  # fmt: skip
    ax.annotate("", xy=mean, xytext=(0, 0), arrowprops={"arrowstyle": "-|>", "color": "#1f5fa8", "linewidth": 2})
    ax.plot([], [], color="#1f5fa8", linewidth=2, label="full gradient")
    ax.plot(0, 0, "k+", markersize=9)
    ax.set_xlabel(f"gradient in theta[{i}]")
    ax.set_ylabel(f"gradient in theta[{j}]")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return ax


def path(result: Any, ax: Any = None) -> Any:
    """A `Path`: loss and gradient norm over the steps."""
    ax = ax or new_axes()
    steps = np.arange(len(result.losses))
    positive = (result.losses[np.isfinite(result.losses)] > 0).all()
    ax.plot(steps, result.losses, color="#1f5fa8", label=f"loss ({result.losses[-1]:.3g} at the end)")
    norms = np.where(result.gradient_norms > 0, result.gradient_norms, np.nan)
    ax.plot(steps, norms, color="#d1600f", linestyle="--", label="norm of the gradient")
    ax.set_yscale("log" if positive else "linear")
    ax.set_xlabel("step")
    ax.set_ylabel("loss, norm of the gradient")
    ax.set_title(result.name, fontsize=10)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return ax


def flow(result: Any, ax: Any = None) -> Any:
    """A `Flow`: the loss over time, or the coordinates where there is no loss."""
    ax = ax or new_axes()
    if result.values is None:
        for k, column in enumerate(result.points.T[:6]):
            ax.plot(result.times, column, label=f"x[{k}]", linestyle=("-", "--", "-.", ":")[k % 4])
        ax.legend(fontsize=8)
        ax.set_ylabel("coordinates")
    else:
        ax.plot(result.times, result.values, color="#1f5fa8")
        ax.set_ylabel("loss")
    ax.set_xlabel("time")
    ax.grid(alpha=0.3)
    return ax


def lyapunov(result: Any, ax: Any = None) -> Any:
    """A `Lyapunov`: the running means of the largest exponents, which show whether they have settled."""
    ax = ax or new_axes()
    steps = np.arange(1, len(result.history) + 1)
    for k, column in enumerate(result.history.T[:6]):
        ax.plot(
            steps, column, label=f"exponent {k + 1}: {result.exponents[k]:.3g}", linestyle=("-", "--", "-.", ":")[k % 4]
        )
    ax.axhline(0, color="#666666", linewidth=0.8, linestyle=":")
    ax.set_xlabel("step")
    ax.set_ylabel("Lyapunov exponent per step")
    ax.set_title("chaotic" if result.chaotic else "diverged" if result.diverged else "not chaotic", fontsize=10)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return ax
