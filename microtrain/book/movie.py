"""A figure that moves as an animated WebP: what stays is drawn once, what moves over it in every frame."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

HOLD = 1500  # milliseconds that the last frame stays


def encoded(canvas: Any, show: Callable[[int], object], frames: int, seconds: float, dpi: float) -> bytes:
    """The frames 0 ... frames - 1 of a matplotlib figure, played for ever."""
    from PIL import Image  # comes with matplotlib

    images = [Image.fromarray(frame) for frame in pictures(canvas, show, frames, dpi)]
    each = round(1000 * seconds / frames)
    out = io.BytesIO()
    images[0].save(
        out, "webp", save_all=True, append_images=images[1:], duration=[each] * (frames - 1) + [each + HOLD], loop=0,
        quality=80, method=1, minimize_size=True, allow_mixed=True,
    )  # fmt: skip
    return out.getvalue()


def pictures(canvas: Any, show: Callable[[int], object], frames: int, dpi: float) -> list[np.ndarray]:
    """The frames as arrays (height, width, 3) of bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas.dpi = dpi
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")  # nothing but what moves shall move
    agg = FigureCanvasAgg(canvas)
    agg.draw()
    for legend in filter(None, (ax.get_legend() for ax in canvas.axes)):  # the best place stays where it is
        legend.set_loc(tuple(legend.axes.transAxes.inverted().transform(legend.get_window_extent().p0)))
    moving = _moving(canvas, show, frames)
    above = [artist for ax in canvas.axes for artist in _above(ax, moving)]
    for artist in above:
        artist.set_animated(True)
    agg.draw()  # without them
    ground = agg.copy_from_bbox(canvas.bbox)
    taken = []
    for k in range(frames):
        agg.restore_region(ground)
        show(k)
        for artist in above:
            artist.draw(agg.renderer)
        taken.append(np.asarray(agg.buffer_rgba())[..., :3].copy())
    return taken


def _moving(canvas: Any, show: Callable[[int], object], frames: int) -> list[Any]:
    """The lines, bars and texts that some frame changes: matplotlib marks them as stale."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    everything = [artist for artist in canvas.findobj() if not isinstance(artist, (Axes, Figure))]
    found: dict[int, Any] = {}
    for k in range(frames):
        for artist in everything:
            artist.stale = False
        show(k)
        found.update((id(artist), artist) for artist in everything if artist.stale)
    return list(found.values())


def _above(ax: Any, moving: list[Any]) -> list[Any]:
    """What moves in these Axes, and what lies above it, in the order of drawing."""
    hidden = [ax.patch] if ax.axison else [ax.patch, ax.xaxis, ax.yaxis, *ax.spines.values()]
    children = sorted((a for a in ax.get_children() if a not in hidden), key=lambda artist: artist.zorder)
    own = [artist for artist in children if artist in moving]
    return [artist for artist in children if own and (artist in own or artist.zorder > own[0].zorder)]
