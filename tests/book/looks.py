"""What is wrong with a picture at first sight: texts that are cut off, lie on each other, or are wider than their panel."""

from __future__ import annotations

from itertools import combinations

from microtrain.book.drawing import draw

SLACK = 2  # pixels at 100 to an inch


def faults(figure):
    """The texts of a book's figure that don't fit, as sentences."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas, _ = draw(figure)
    FigureCanvasAgg(canvas).draw()
    renderer = canvas.canvas.get_renderer()
    found, places = [], []
    for ax in canvas.axes:
        panel = ax.get_window_extent(renderer)
        legend = ax.get_legend()
        if legend is not None:
            box = legend.get_window_extent(renderer)
            inside = panel.x0 < (box.x0 + box.x1) / 2 < panel.x1 and panel.y0 < (box.y0 + box.y1) / 2 < panel.y1
            if inside and (box.width > panel.width + SLACK or box.height > panel.height + SLACK):
                found.append(f"a legend is larger than its panel: {legend.get_texts()[0].get_text()!r}")
        for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
            if text.get_text().strip() and text.get_visible():
                box = text.get_window_extent(renderer)
                places.append((text.get_text(), box, ax))
                if (
                    box.x0 < -SLACK
                    or box.y0 < -SLACK
                    or box.x1 > canvas.bbox.x1 + SLACK
                    or box.y1 > canvas.bbox.y1 + SLACK
                ):
                    found.append(f"cut off: {text.get_text()!r}")
    for (one, a, ax), (other, b, beside) in combinations(places, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        along = min(a.y1, b.y1) - max(a.y0, b.y0)
        if ax is not beside and across > SLACK and along > SLACK:
            found.append(f"on each other: {one!r}, {other!r}")
    return found
