"""`book.html`: all items on one page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from .cards import KINDS_ZH, VERDICTS_ZH, card, corrected, evidence, height
from .contents import CHAPTERS, wrong
from .drawing import both
from .entry import SIGNS, VERDICTS, Item, Text
from .sources import where

Outcomes = Mapping[str, Mapping[str, Any]]
BAR = 140  # pixels


def page(items: Sequence[Item], outcomes: Outcomes) -> str:
    """The page. `outcomes` has what `run_all` gave, by id; items without one are left out."""
    shown = [entry for entry in items if entry.id in outcomes]
    style, first, script = _file("book.css") + _heights(shown, outcomes), _file("first.js"), _file("book.js")
    scripts = f"'{_hash(first)}' '{_hash(script)}'"
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src {scripts}"
    parts = {
        "policy": policy,
        "style": style,
        "first": first,
        "count": f"{len(shown)} / {len(shown)}",
        "script": script,
        "front": _front(shown, outcomes),
        "chapters": _options(CHAPTERS, {entry.chapter for entry in shown}),
        "kinds": _options({k: (k, KINDS_ZH[k]) for k in sorted({entry.kind for entry in shown})}, None),
        "verdicts": _options({v: (v, VERDICTS_ZH[v]) for v in VERDICTS}, None),
        "wrong": "".join(_wrong(name, group, outcomes) for name, group in wrong(shown).items()),
        "items": "".join(_chapter(chapter, shown, outcomes) for chapter in CHAPTERS),
    }
    text = _file("book.html")
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part, 1)
    return text


def _file(name: str) -> str:
    return (files(__package__ or "") / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _heights(items: Sequence[Item], outcomes: Outcomes) -> str:
    """How high each item will be once it is drawn, as CSS: without this the page jumps when one scrolls far."""
    return "".join(f"#{e.id}{{contain-intrinsic-height:auto {height(e, outcomes[e.id])}px}}\n" for e in items)


def _options(names: Mapping[str, Text], used: set[str] | None) -> str:
    return "".join(
        f'<option value="{html.escape(value)}" data-en="{html.escape(en)}" data-zh="{html.escape(zh)}">'
        f"{html.escape(en)}</option>"
        for value, (en, zh) in names.items()
        if used is None or value in used
    )


def _front(items: Sequence[Item], outcomes: Outcomes) -> str:
    """The table of how many items hold, chapter by chapter; a click on a number shows these items."""
    head = "".join(f"<th>{SIGNS[v]} {both((v, VERDICTS_ZH[v]))}</th>" for v in VERDICTS)
    rows = []
    for chapter, name in (*CHAPTERS.items(), ("", ("All", "合计"))):
        counts = Counter(entry.verdict for entry in items if chapter in ("", entry.chapter))
        if counts:
            cells = "".join(
                f'<td><button type="button" data-chapter="{chapter}" data-verdict="{v}">{counts[v]}</button></td>'
                for v in VERDICTS
            )
            rows.append(f"<tr><th>{both(name)}</th>{cells}<td>{_bar([counts[v] for v in VERDICTS])}</td></tr>")
    claims = [claim for entry in items for claim in outcomes[entry.id].get("claims", ())]
    met = sum(claim["passed"] for claim in claims)
    summary = both(
        (
            f"{len(items)} items, {len(claims)} numbers measured, {met} as expected.",
            f"共 {len(items)} 项，实测 {len(claims)} 个数，其中 {met} 个与预期相符。",
        ),
        "p",
    )
    others = [entry for entry in items if not outcomes[entry.id]["passed"]]
    if others:
        links = ", ".join(f'<a href="#{entry.id}">{entry.id}</a>' for entry in others)
        summary += f"<p>{both(('Not as expected: ', '与预期不符：'))}{links}</p>"
    head = f"<thead><tr><td></td>{head}<td></td></tr></thead>"
    return f'{summary}<div class="wide"><table class="front">{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _bar(counts: Sequence[int]) -> str:
    """The three counts as one bar."""
    parts, x = [], 0.0
    for grade, count in enumerate(counts):
        width = BAR * count / sum(counts)
        parts.append(f'<rect class="v{grade}" x="{x:.1f}" width="{width:.1f}" height="14"/>')
        x += width
    return f'<svg width="{BAR}" height="14" role="presentation">{"".join(parts)}</svg>'


def _chapter(chapter: str, items: Sequence[Item], outcomes: Outcomes) -> str:
    cards = "".join(card(entry, outcomes[entry.id]) for entry in items if entry.chapter == chapter)
    return f'<div class="chapter"><h2>{both(CHAPTERS[chapter])}</h2>{cards}</div>' if cards else ""


def _wrong(name: Text, group: Sequence[Item], outcomes: Outcomes) -> str:
    """What the book says, what is right, and how far off the printed formula is; the item has the picture."""
    articles = "".join(
        f'<article data-id="{entry.id}"><h3><a href="#{entry.id}">{both(entry.title)}</a></h3>'
        f'<p class="about">{both(where(entry))}</p>'
        f"<p><b>{both(('As we read it.', '原文读作：'))}</b> {both(entry.statement)}</p>"
        f'<p class="correction">{corrected(entry)}</p>'
        f"{evidence(outcomes[entry.id].get('printed', ()))}"
        f"<p><code>microtrain book run {entry.id}</code></p></article>"
        for entry in group
    )
    return f"<h2>{both(name)}</h2>{articles}"
