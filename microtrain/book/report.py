"""`book.html`: all items on one page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from .drawing import MARKS, both, number
from .entry import KINDS, SIGNS, VERDICTS, Item, Parameter
from .text import markup

CHAPTERS = {
    "losses_geometry": ("4.1 Losses from probability and geometry", "4.1 概率与几何视角下的损失函数"),
    "losses_structure": ("4.2 The structure of losses", "4.2 损失函数的数学结构"),
    "optimizers": ("How deep learning is optimised", "深度学习的优化器"),
    "dynamics": ("The dynamics of gradient descent", "梯度下降的动力学"),
    "training": ("6 Training models", "6 训练模型"),
}
VERDICTS_ZH = dict(zip(VERDICTS, ("成立", "有条件成立", "按原文不成立"), strict=True))
KINDS_ZH = dict(
    zip(KINDS, "算法 定义 实验 图 函数 建议 线搜索 损失函数 模型 优化器 习题 学习率调度 表 定理".split(), strict=True)
)


def page(items: Sequence[Item], outcomes: Mapping[str, Mapping[str, Any]]) -> str:
    """The page. `outcomes` has what `run_all` gave, by id; items without one are left out."""
    shown = [entry for entry in items if entry.id in outcomes]
    style, script = _file("book.css"), _file("book.js")
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    parts = {
        "policy": policy,
        "style": style,
        "script": script,
        "front": _front(shown, outcomes),
        "chapters": _options(CHAPTERS, {entry.chapter for entry in shown}),
        "kinds": _options({k: (k, KINDS_ZH[k]) for k in sorted({entry.kind for entry in shown})}, None),
        "verdicts": _options({v: (v, VERDICTS_ZH[v]) for v in VERDICTS}, None),
        "wrong": "".join(_pointer(entry) for entry in shown if entry.verdict == VERDICTS[2]),
        "items": "".join(_card(entry, outcomes[entry.id]) for entry in shown),
    }
    text = _file("book.html")
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part, 1)
    return text


def _file(name: str) -> str:
    return (files(__package__ or "") / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _options(names: Mapping[str, tuple[str, str]], used: set[str] | None) -> str:
    return "".join(
        f'<option value="{html.escape(value)}" data-en="{html.escape(en)}" data-zh="{html.escape(zh)}">'
        f"{html.escape(en)}</option>"
        for value, (en, zh) in names.items()
        if used is None or value in used
    )


def _front(items: Sequence[Item], outcomes: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of how many items hold, chapter by chapter."""
    counts = Counter((entry.chapter, entry.verdict) for entry in items)
    head = "".join(f"<th>{SIGNS[v]} {both((v, VERDICTS_ZH[v]))}</th>" for v in VERDICTS)
    rows = []
    for chapter, name in CHAPTERS.items():
        if any(entry.chapter == chapter for entry in items):
            cells = "".join(f"<td>{counts[chapter, v]}</td>" for v in VERDICTS)
            rows.append(f"<tr><th>{both(name)}</th>{cells}</tr>")
    sums = "".join(f"<td>{sum(entry.verdict == v for entry in items)}</td>" for v in VERDICTS)
    rows.append(f"<tr><th>{both(('All', '合计'))}</th>{sums}</tr>")
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
    return f"{summary}<table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _pointer(entry: Item) -> str:
    return f'<li><a href="#{entry.id}">{both(entry.title)}</a> <small>{markup(entry.source)}</small>' + (
        f"{both(entry.correction, 'p')}</li>"
    )


def _card(entry: Item, found: Mapping[str, Any]) -> str:
    words = " ".join([entry.id, entry.source, *entry.title, *entry.statement, *entry.correction]).lower()
    parts = [
        f'<section id="{entry.id}" data-chapter="{entry.chapter}" data-kind="{entry.kind}" '
        f'data-verdict="{entry.verdict}" data-words="{html.escape(words)}">',
        f'<h2><a href="#{entry.id}">{both(entry.title)}</a></h2>',
        f'<p class="about"><b>{SIGNS[entry.verdict]} {both((entry.verdict, VERDICTS_ZH[entry.verdict]))}</b> '
        f"{both((entry.kind, KINDS_ZH[entry.kind]))} · {markup(entry.source)}</p>",
        both(entry.statement, "p"),
    ]
    if entry.correction[0]:
        parts.append(f'<div class="correction">{both(entry.correction, "p")}</div>')
    if "failed" in found:
        parts.append(f"<pre>{html.escape(found['failed'])}</pre>")
    if found.get("claims"):
        parts.append(_claims(found["claims"]))
    for note in found.get("notes", ()):
        parts.append(both(note, "p"))
    for uri, caption in zip(found.get("pictures", ()), found.get("captions", ()), strict=True):
        alt = html.escape(caption[0])
        parts.append(f'<figure><img src="{uri}" alt="{alt}"><figcaption>{both(caption)}</figcaption></figure>')
    for table in found.get("tables", ()):
        parts.append(_table(table))
    parts.append(f"<p><code>microtrain book run {entry.id}</code>")
    if entry.parameters:
        settings = "".join(f" <code>--set {html.escape(_setting(p))}</code>" for p in entry.parameters)
        parts.append(f"<br><small>{both(('to change:', '可调：'))}{settings}</small>")
    parts.append("</p></section>")
    return "".join(parts)


def _setting(p: Parameter) -> str:
    """A parameter as it stands behind --set, with its range."""
    values = ",".join(map(str, p.default)) if isinstance(p.default, (tuple, list)) else p.default
    if p.choices:
        return f"{p.name}={values} ({', '.join(map(str, p.choices))})"
    return f"{p.name}={values}" + (f" ({p.low:g} … {p.high:g})" if p.low is not None else "")


def _claims(claims: Sequence[Mapping[str, Any]]) -> str:
    titles = (("Claim", "论断"), ("Measured", "实测"), ("Expected", "预期"), ("As expected", "相符"))
    head = "".join(f"<th>{both(title)}</th>" for title in titles)
    rows = "".join(
        f"<tr><td>{both(c['text'])}</td><td>{number(c['measured'])}</td><td>{html.escape(c['expected'])}</td>"
        f"<td>{MARKS[c['passed']]}</td></tr>"
        for c in claims
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _table(table: Mapping[str, Any]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table["columns"])
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(number(x))}</td>" for x in row) + "</tr>" for row in table["rows"]
    )
    return (
        f"<details><summary>{both(table['caption'])}</summary>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )
