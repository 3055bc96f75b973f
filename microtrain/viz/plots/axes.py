"""New Axes where the caller brought none."""

from __future__ import annotations

from typing import Any

from ...errors import MicrotrainError


def new_axes(size: tuple[float, float] = (6.4, 4.2)) -> Any:
    """The Axes of a figure of its own, outside pyplot: nothing is kept, and only a notebook shows it."""
    return new_row(1, size)[0]


def new_row(columns: int, size: tuple[float, float]) -> list[Any]:
    """Several Axes side by side in one figure."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        from .shown import ShownAxes, ShownFigure
    except ImportError:
        raise MicrotrainError(
            "Plots need matplotlib, which is not installed.", fix='python -m pip install "microtrain[plot]"'
        ) from None
    figure = ShownFigure(figsize=size, layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return [figure.add_subplot(1, columns, k + 1, axes_class=ShownAxes) for k in range(columns)]


def whole_numbers(axis: Any) -> None:
    """Ticks of an axis (`ax.xaxis`) at whole numbers only: there is no epoch 2.5."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))


def headroom(ax: Any, share: float = 0.3, below: bool = False) -> None:
    """Leave this share of the height free above (or below) what is drawn, for a legend; also on logarithmic axes."""
    scale = ax.yaxis.get_transform()
    low, high = scale.transform(ax.get_ylim())
    more = (high - low) * share / (1 - share)
    ax.set_ylim(*scale.inverted().transform((low - more, high) if below else (low, high + more)))
