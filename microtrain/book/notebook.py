"""A run as a piece of HTML, for notebooks."""

from __future__ import annotations

import base64
from dataclasses import asdict
from html import escape

from .cards import claims_table
from .drawing import INCH, both, movie, svg, uri
from .run import Figure, Run
from .text import plain


def html(run: Run) -> str:
    """A run for a notebook: English first, Chinese below it."""
    parts = [f"<h3>{both(run.item.title, 'div')}</h3>", both(run.item.statement, "p")]
    if run.item.correction[0]:
        parts.append(both(run.item.correction, "p"))
    parts.append(claims_table([asdict(claim) for claim in run.claims]))
    parts += [f"<figure>{_shown(f)}<figcaption>{both(f.caption, 'div')}</figcaption></figure>" for f in run.figures]
    return "\n".join(parts)


def _shown(figure: Figure) -> str:
    """For a notebook: the SVG, or what moves, unless the reader's system asks for no motion."""
    if not figure.frames:
        return svg(figure)
    last = base64.b64encode(svg(figure).encode()).decode()  # a srcset ends at the first space
    still = f'<source media="print, (prefers-reduced-motion: reduce)" srcset="data:image/svg+xml;base64,{last}">'
    width = round(figure.size[0] * INCH)
    alt = escape(plain(figure.caption[0]))
    return f'<picture>{still}<img src="{uri(movie(figure))}" width="{width}" alt="{alt}"></picture>'
