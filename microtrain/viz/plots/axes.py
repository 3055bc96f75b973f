"""New Axes where the caller brought none."""

from __future__ import annotations

from typing import Any

from ...errors import MicrotrainError


def new_axes(size: tuple[float, float] = (6.4, 4.2)) -> Any:
    """The Axes of a figure of its own, outside pyplot: nothing is shown or kept unless the caller does."""
    return new_row(1, size)[0]


def new_row(columns: int, size: tuple[float, float]) -> list[Any]:
    """Several Axes side by side in one figure."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MicrotrainError(
            "Plots need matplotlib, which is not installed.", fix='python -m pip install "microtrain[plot]"'
        ) from None
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return list(figure.subplots(1, columns, squeeze=False)[0])


def whole_numbers(axis: Any) -> None:
    """Ticks of an axis (`ax.xaxis`) at whole numbers only: there is no epoch 2.5."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
