"""One item on the book's page: what the book says, what is right, the picture, the numbers, the command."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .drawing import MARKS, both
from .entry import KINDS, SIGNS, VERDICTS, Item, Parameter, Text
from .sources import where
from .text import number, plain

VERDICTS_ZH = dict(zip(VERDICTS, ("成立", "有条件成立", "按原文不成立"), strict=True))
KINDS_ZH = dict(
    zip(KINDS, "算法 定义 实验 图 函数 建议 线搜索 损失函数 模型 优化器 习题 学习率调度 表 定理".split(), strict=True)
)
CORRECTIONS = dict(zip(VERDICTS, (("", ""), ("Condition.", "条件："), ("Correction.", "更正：")), strict=True))
FACTS = {"yes": "是", "no": "否"}
WIDTH = 1240  # of the column on a usual screen, in pixels; only to guess heights


def card(entry: Item, found: Mapping[str, Any]) -> str:
    """The item as a section. `found` is its outcome."""
    source = where(entry)
    words = " ".join([entry.id, *source, *entry.title, *entry.statement, *entry.correction]).lower()
    parts = [
        f'<section id="{entry.id}" data-chapter="{entry.chapter}" data-kind="{entry.kind}" '
        f'data-verdict="{entry.verdict}" data-words="{html.escape(words)}">',
        f'<h3><a href="#{entry.id}">{both(entry.title)}</a></h3>',
        f'<p class="about">{badge(entry)} {both((entry.kind, KINDS_ZH[entry.kind]))} · {both(source)}</p>',
        both(entry.statement, "p"),
    ]
    if entry.correction[0]:
        parts.append(f'<p class="correction">{corrected(entry)}</p>')
    if "failed" in found:
        parts.append(f"<pre>{html.escape(found['failed'])}</pre>")
    parts += [_figure(figure) for figure in found.get("figures", ())]
    if found.get("claims"):
        parts.append(claims_table(found["claims"]))
    parts += [both(note, "p") for note in found.get("notes", ())]
    parts += [table(rows) for rows in found.get("tables", ())]
    parts.append(f"<p><code>microtrain book run {entry.id}</code>")
    if entry.parameters:
        settings = "".join(f" <code>--set {html.escape(_setting(p))}</code>" for p in entry.parameters)
        parts.append(f"<br><small>{both(('to change:', '可调：'))}{settings}</small>")
    parts.append("</p></section>")
    return "".join(parts)


def height(entry: Item, found: Mapping[str, Any]) -> int:
    """About how many pixels the item is high, so that nothing jumps before it is drawn."""
    lines = sum(math.ceil(len(plain(text[0])) / 90) for text in (entry.statement, entry.correction))
    lines += sum(math.ceil(len(plain(text[0])) / 90) for text in found.get("notes", ()))
    pictures: float = sum(f["height"] * min(1, WIDTH / f["width"]) + 60 for f in found.get("figures", ()))
    return round(150 + 26 * lines + 33 * len(found.get("claims", ())) + pictures)


def badge(entry: Item) -> str:
    """The verdict, by sign, word and colour."""
    grade = VERDICTS.index(entry.verdict)
    return f'<b class="v{grade}">{SIGNS[entry.verdict]} {both((entry.verdict, VERDICTS_ZH[entry.verdict]))}</b>'


def corrected(entry: Item) -> str:
    """The correction, or the condition, under its name."""
    return f"<b>{both(CORRECTIONS[entry.verdict])}</b> {both(entry.correction)}"


def evidence(claims: Sequence[Mapping[str, Any]]) -> str:
    """The first claims that fail when the book's formula is run as it is printed, and by how much."""
    if not claims:
        return ""
    title = ("Run as it is printed", "照原文运行")
    rows = "".join(
        f"<tr><td>{both(c['text'])}</td>{_numbers(c)}<td>{both(distance(c['margin'], c['expected']))}</td></tr>"
        for c in claims[:4]
    )
    titles = (title, ("Measured", "实测"), ("Expected", "预期"), ("Off by", "偏差"))
    return f'<div class="wide"><table><thead>{_heads(titles)}</thead><tbody>{rows}</tbody></table></div>'


def distance(margin: float | None, expected: str) -> Text:
    """How far outside, in words; `expected` tells of what the margin is a share."""
    if margin is None or not math.isfinite(margin):
        return "", ""
    if "±" in expected:
        of, of_zh, times = "the tolerance", "容差", 1 - margin
    else:
        of, of_zh = ("half the range", "区间半宽") if "…" in expected else ("the limit", "限值")
        times = -margin
        if times < 2:
            return f"{times:.0%} of {of}", f"{of_zh}的 {times:.0%}"
    if times > 1000:
        return f"over 1000 × {of}", f"超过{of_zh}的 1000 倍"
    count = f"{times:.2g}" if times < 10 else f"{times:.0f}"
    return f"{count} × {of}", f"{of_zh}的 {count} 倍"


def _figure(figure: Mapping[str, Any]) -> str:
    """A picture, or one that moves with a still one for paper and a button."""
    alt, size = html.escape(plain(figure["caption"][0])), f'width="{figure["width"]}" height="{figure["height"]}"'
    image = f'<img src="{figure["picture"]}" alt="{alt}" {size} decoding="async">'
    caption = f"<figcaption>{both(figure['caption'])}</figcaption>"
    if "movie" not in figure:
        return f"<figure>{image}{caption}</figure>"
    button = f'<button type="button">{both(("Pause", "暂停"))}{both(("Play", "播放"))}</button>'
    moving = f'<img src="{figure["movie"]}" alt="{alt}" {size} decoding="async">'
    return f'<figure class="moving">{moving}{image}{button}{caption}</figure>'


def _setting(p: Parameter) -> str:
    """A parameter as it stands behind --set, with its range."""
    values = ",".join(map(str, p.default)) if isinstance(p.default, (tuple, list)) else p.default
    if p.choices:
        return f"{p.name}={values} ({', '.join(map(str, p.choices))})"
    return f"{p.name}={values}" + (f" ({p.low:g} … {p.high:g})" if p.low is not None else "")


def _heads(titles: Sequence[Text], tag: str = "span") -> str:
    return "<tr>" + "".join(f"<th>{both(title, tag)}</th>" for title in titles) + "</tr>"


def claims_table(claims: Sequence[Mapping[str, Any]], judged: bool = True, tag: str = "span") -> str:
    """What was measured beside what was expected, and whether it is so; with tag="div" a language a line."""
    titles = (("Claim", "论断"), ("Measured", "实测"), ("Expected", "预期"), ("As expected", "相符"))[: 3 + judged]
    marks = [f"<td>{MARKS[c['passed']]}</td>" if judged else "" for c in claims]
    rows = "".join(
        f"<tr><td>{both(c['text'], tag)}</td>{_numbers(c, tag)}{mark}</tr>"
        for c, mark in zip(claims, marks, strict=True)
    )
    return f'<div class="wide"><table><thead>{_heads(titles, tag)}</thead><tbody>{rows}</tbody></table></div>'


def _numbers(claim: Mapping[str, Any], tag: str = "span") -> str:
    """Two cells: what was measured, and what is expected."""
    texts = (number(claim["measured"], claim["expected"]), claim["expected"])
    return "".join(
        f"<td>{both((text, FACTS[text]), tag) if text in FACTS else html.escape(text)}</td>" for text in texts
    )


def table(found: Mapping[str, Any], between: str = "") -> str:
    """Numbers in rows, folded under their caption; `between` parts its two languages."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in found["columns"])
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(number(x))}</td>" for x in row) + "</tr>" for row in found["rows"]
    )
    return (
        f"<details><summary>{both((found['caption'][0] + between, found['caption'][1]))}</summary>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )
