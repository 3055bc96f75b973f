"""A run as a piece of HTML, for notebooks."""

from __future__ import annotations

import base64
from dataclasses import asdict
from html import escape

from .cards import CORRECTIONS, VERDICTS_ZH, claims_table, table
from .drawing import INCH, both, movie, svg, uri
from .entry import SIGNS
from .run import Figure, Run
from .sources import where
from .text import markup, plain


def html(run: Run) -> str:
    """A run for a notebook: English first, Chinese below it. The claims are judged for the item's own values only."""
    entry = run.item
    verdict = (f"{SIGNS[entry.verdict]} {entry.verdict}", f"{SIGNS[entry.verdict]} {VERDICTS_ZH[entry.verdict]}")
    about = tuple(f"{verdict} · {source}" for verdict, source in zip(verdict, where(entry), strict=True))
    parts = [f"<h3>{both(entry.title, 'div')}</h3>", both((about[0], about[1]), "p"), both(entry.statement, "p")]
    if entry.correction[0]:
        texts = zip(("en", "zh-Hans"), CORRECTIONS[entry.verdict], entry.correction, strict=True)
        parts += [f'<p lang="{lang}"><b>{name}</b> {markup(text)}</p>' for lang, name, text in texts]
    parts.append(claims_table([asdict(claim) for claim in run.claims], judged=run.usual, tag="div"))
    parts += [both(note, "p") for note in run.notes]
    parts += [table(asdict(rows), " / ") for rows in run.tables]
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
