"""An item's pictures as SVG, and a run as a piece of HTML for notebooks and for the book's page."""

from __future__ import annotations

import base64
import html as escaping
import io
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .text import markup

if TYPE_CHECKING:
    from .run import Claim, Figure, Run

MARKS = {True: "✓", False: "✗"}


def draw(figure: Figure) -> Any:
    """The matplotlib figure."""
    from matplotlib.figure import Figure as Canvas  # without pyplot: nothing is left open

    rows, columns = figure.panels
    canvas = Canvas(figsize=figure.size, layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False)
    figure.draw(*axes.flat)
    return canvas


LARGEST = 60_000  # bytes of an SVG; a picture with more lines than that is smaller as pixels
PATH = re.compile(r' d="[^"]*"')
DIGITS = re.compile(r"(\.\d\d)\d+")  # hundredths of a point are enough


def svg(figure: Figure) -> str:
    """The picture as SVG text, the same bytes for the same numbers."""
    return _svg(draw(figure))


def _svg(canvas: Any) -> str:
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "microtrain", "svg.fonttype": "none"}):
        canvas.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return PATH.sub(lambda path: DIGITS.sub(r"\1", path[0]), text[text.index("<svg") :])


def picture(figure: Figure) -> str:
    """The picture as a data URI: SVG, or WebP without losses where that is smaller."""
    canvas = draw(figure)
    text = _svg(canvas)
    if len(text) <= LARGEST:
        return "data:image/svg+xml," + quote(re.sub(r"\s+", " ", text), safe=" =:/;,()'@!*+-._~[]{}|^`?$")
    out = io.BytesIO()
    canvas.savefig(out, format="webp", dpi=110, pil_kwargs={"lossless": True, "method": 4})
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()


def both(text: tuple[str, str], tag: str = "span") -> str:
    """A text in both languages; the page shows one of them."""
    english, chinese = map(markup, text)
    return f'<{tag} lang="en">{english}</{tag}><{tag} lang="zh-Hans">{chinese}</{tag}>'


def number(value: Any) -> str:
    """A number as the page shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def claims_table(claims: list[Claim]) -> str:
    """What was measured beside what was expected."""
    rows = "".join(
        f"<tr><td>{both(c.text)}</td><td>{number(c.measured)}</td><td>{escaping.escape(c.expected)}</td>"
        f"<td>{MARKS[c.passed]}</td></tr>"
        for c in claims
    )
    head = "".join(
        f"<th>{both(t)}</th>"
        for t in (("Claim", "论断"), ("Measured", "实测"), ("Expected", "预期"), ("As expected", "相符"))
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def html(run: Run) -> str:
    """A run for a notebook: English first, Chinese below it."""
    parts = [f"<h3>{both(run.item.title, 'div')}</h3>", both(run.item.statement, "p")]
    if run.item.correction[0]:
        parts.append(both(run.item.correction, "p"))
    parts.append(claims_table(run.claims))
    parts += [f"<figure>{svg(f)}<figcaption>{both(f.caption, 'div')}</figcaption></figure>" for f in run.figures]
    return "\n".join(parts)
