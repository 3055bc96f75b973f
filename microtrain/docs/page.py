"""A page that needs nothing else: one HTML file, light and dark, and docstrings as HTML."""

from __future__ import annotations

import html
import inspect
import re
from typing import Any

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --soft: #8882; --line: #8885; --quiet: #707070; --curve: #1f5fa8; }}
@media (prefers-color-scheme: dark) {{ :root {{ --quiet: #9a9a9a; --curve: #7fb2e8; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 0 auto; padding: 1rem; }}
h1 {{ font-size: 1.7rem; }} h2 {{ font-size: 1.35rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }}
h3 {{ font-size: 1.12rem; margin: 2.2rem 0 .2rem; }} h4 {{ font-size: .95rem; margin: .8rem 0 .1rem; }}
[lang="zh-Hans"] {{ color: var(--quiet); font-weight: normal; }}
p {{ margin: .4rem 0; }} .idea {{ font-style: italic; }} .source {{ color: var(--quiet); font-size: .9rem; }}
nav {{ columns: 12rem; font-size: .95rem; }} nav a {{ display: block; text-decoration: none; }}
.rule {{ overflow-x: auto; padding: .5rem .9rem; margin: .5rem 0; background: var(--soft); border-radius: 6px; }}
.rule div {{ margin: .25rem 0; white-space: nowrap; }} math {{ math-style: normal; font-size: 1.08em; }}
.signature, code {{ font: .86em/1.4 ui-monospace, monospace; }}
.signature {{ overflow-x: auto; display: block; white-space: pre-wrap; }}
table {{ border-collapse: collapse; font-size: .93rem; display: block; overflow-x: auto; }}
th, td {{ padding: .12rem .7rem .12rem 0; text-align: left; vertical-align: top; }}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .4rem 0; font-size: .95rem; }}
dd {{ margin: 0; }} summary {{ cursor: pointer; }} svg {{ max-width: 100%; height: auto; }}
@media (max-width: 30rem) {{ dl {{ display: block; }} dd {{ margin-left: 1rem; }} }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(title: str, body: list[str]) -> str:
    """The whole file."""
    return PAGE.format(title=html.escape(title), body="\n".join(body))


def heading(level: int, english: str, chinese: str = "", anchor: str = "") -> str:
    """A heading in both languages."""
    there = f' id="{anchor}"' if anchor else ""
    also = f' <span lang="zh-Hans">{html.escape(chinese)}</span>' if chinese else ""
    return f"<h{level}{there}>{html.escape(english)}{also}</h{level}>"


def table(head: list[str], rows: list[list[str]], numbers: bool = False) -> str:
    """Rows of cells that are HTML already."""
    kind = ' class="number"' if numbers else ""
    lines = ["<table><tr>" + "".join(f"<th{kind}>{cell}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join(lines) + "</table>"


def rule_lines(rule: Any) -> str:
    """The lines of a `Rule` or an `Equation`, as MathML."""
    return '<div class="rule">' + "".join(f"<div>{line}</div>" for line in rule.mathml().splitlines()) + "</div>"


def signature(kind: type[Any], leave_out: tuple[str, ...] = ()) -> str:
    """`Name(argument=default, ...)`: the defaults are those of the program."""
    shown = []
    for p in inspect.signature(kind).parameters.values():
        if p.kind is not p.VAR_KEYWORD and p.name not in leave_out:
            default = getattr(p.default, "__name__", None) or repr(p.default)
            shown.append(p.name if p.default is p.empty else f"{p.name}={default}")
    return f'<code class="signature">{html.escape(kind.__name__)}({html.escape(", ".join(shown))})</code>'


def described(docstring: str, leave_out: str = "$^") -> str:
    """A docstring as HTML: paragraphs, and the arguments as a list. Paragraphs that match `leave_out` are left out."""
    found = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        if re.search(leave_out, block):
            continue
        if block.startswith("Args:"):
            found.append(_arguments(block))
        else:
            found.append(f"<p>{_inline(block)}</p>")
    return "\n".join(found)


def _arguments(block: str) -> str:
    """The lines below "Args:", each with its continuation."""
    items = re.findall(r"^    (\S[^:\n]*): (.*(?:\n {8,}.*)*)", block, re.M)
    return (
        "<dl>"
        + "".join(f"<dt><code>{_inline(name)}</code></dt><dd>{_inline(text)}</dd>" for name, text in items)
        + "</dl>"
    )


def _inline(text: str) -> str:
    words = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", words).replace("&lt;- ", "← ")
