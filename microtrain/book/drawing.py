"""An item's pictures and texts, as the book's page and notebooks show them."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .text import markup

if TYPE_CHECKING:
    from .run import Figure

# What comes in whole numbers; a step in or along a direction, over something, or called $\eta$ is a length.
COUNTED = re.compile(r"(step|update|iteration|epoch|sample|layer|evaluation|round)s?\b(?! (in|along|over)\b| \$\\eta)")

MARKS = {True: "✓", False: "✗"}


def draw(figure: Figure) -> tuple[Any, Callable[[int], object]]:
    """The matplotlib figure, and what shows frame k of it. It shows the last one."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas  # without pyplot: nothing is left open
    from matplotlib.ticker import AutoLocator

    from ..viz.plots.axes import whole_numbers

    rows, columns = figure.panels
    canvas = Canvas(figsize=figure.size, layout="constrained")
    axes: list[Any] = [
        canvas.add_subplot(rows, columns, k + 1, projection="3d" if k in figure.solid else None)
        for k in range(rows * columns)
    ]
    for k in figure.solid:
        axes[k].set_box_aspect(None, zoom=0.85)  # else the labels are cut off
    with mpl.rc_context({"axes.titlesize": "medium"} if columns > 2 else {}):
        show = figure.draw(*axes)
    for axis in [axis for ax in axes for axis in (ax.xaxis, ax.yaxis)]:
        if COUNTED.match(axis.get_label_text()) and isinstance(axis.get_major_locator(), AutoLocator):
            whole_numbers(axis)
    if not figure.frames:
        return canvas, lambda k: None
    show(figure.frames - 1)
    return canvas, show


LARGEST = 60_000  # bytes of an SVG; a picture with more lines than that is smaller as pixels
PATH = re.compile(r' d="[^"]*"')
DIGITS = re.compile(r"(\.\d\d)\d+")  # hundredths of a point are enough
INCH = 96  # a browser's pixels
SHARP = 1.5 * INCH  # the pixels that are stored: screens have more than the browser says


def svg(figure: Figure) -> str:
    """The picture as SVG text, the same bytes for the same numbers."""
    return _svg(draw(figure)[0])


def _svg(canvas: Any) -> str:
    import matplotlib as mpl

    out = io.StringIO()
    # Letters are drawn as paths: formulas are set letter by letter, for a font that the reader may not have.
    with mpl.rc_context({"svg.hashsalt": "microtrain", "svg.fonttype": "path"}):
        canvas.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return PATH.sub(lambda path: DIGITS.sub(r"\1", path[0]), text[text.index("<svg") :])


def picture(figure: Figure) -> str:
    """The picture as a data URI: SVG, or WebP where that is smaller."""
    canvas, _ = draw(figure)
    text = _svg(canvas)
    if len(text) <= LARGEST:
        return "data:image/svg+xml," + quote(re.sub(r"\s+", " ", text), safe=" =:/;,()'@!*+-._~[]{}|^`?$")
    out = io.BytesIO()
    canvas.savefig(out, format="webp", dpi=SHARP, pil_kwargs={"quality": 85, "method": 6})
    return uri(out.getvalue())


def movie(figure: Figure) -> bytes:
    """All frames as one animated WebP; the last one stays for a while."""
    from .movie import encoded

    canvas, show = draw(figure)
    return encoded(canvas, show, figure.frames, figure.seconds, 1.25 * INCH)


def uri(data: bytes) -> str:
    """A WebP as a data URI."""
    return "data:image/webp;base64," + base64.b64encode(data).decode()


def both(text: tuple[str, str], tag: str = "span") -> str:
    """A text in both languages; the page shows one of them."""
    english, chinese = map(markup, text)
    return f'<{tag} lang="en">{english}</{tag}><{tag} lang="zh-Hans">{chinese}</{tag}>'
