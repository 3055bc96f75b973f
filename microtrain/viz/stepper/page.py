"""The HTML page: one file with everything in it, which asks nobody for anything.

The scripts and the style sheet lie beside this file, in `page/`. The page's Content-Security-Policy allows exactly
them, by their hashes, and nothing else: no other script, no style, no picture, no request.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from html import escape
from pathlib import Path
from typing import Any

from ...errors import ArgumentError
from .drawing import geometry

FOLDER = Path(__file__).parent / "page"
SCRIPTS = ("reading.js", "tables.js", "card.js", "picture.js", "controls.js")  # in this order
LANGUAGES = ("en", "zh")


@functools.cache
def part(name: str) -> str:
    """One of the files beside this one."""
    return (FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def words() -> dict[str, list[str]]:
    """Every text of the stepper, in English and Chinese."""
    found: dict[str, list[str]] = json.loads(part("words.json"))
    return found


def number_of(language: str) -> int:
    """The place of a language in `words`. Raises `ArgumentError` for one that we don't have."""
    if language not in LANGUAGES:
        raise ArgumentError(f"There is no language {language!r}.", fix='Use "en" or "zh".')
    return LANGUAGES.index(language)


def page(data: dict[str, Any], language: str = "en") -> str:
    """The page for a trace."""
    number = number_of(language)
    script = '"use strict";\n(() => {\n' + "\n".join(part(name) for name in SCRIPTS) + "\n})();"
    style = part("page.css")
    texts = words()
    fields = {
        "lang": "zh-Hans" if language == "zh" else "en",
        "title": escape(f"{data['title']} – {texts['stepper'][number]}"),
        "noscript": escape(texts["noscript"][number]),
        "script_hash": _hash(script),
        "style_hash": _hash(style),
        "style": style,
        "geometry": _embedded(geometry(data)),
        "trace": _embedded(data),
        "words": _embedded(texts),
        "script": script,
    }
    pieces = []
    for piece in part("page.html").split("{"):
        name, brace, rest = piece.partition("}")
        pieces.append(fields[name] + rest if brace and name in fields else piece)
    return "".join(pieces)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _embedded(data: Any) -> str:
    """JSON that can stand in a <script> element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = re.sub(r"<(?=[!?sS])", r"\\u003c", text.replace("</", r"<\/"))  # no end, comment or script begins in it
    return text.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")
