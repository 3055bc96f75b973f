"""The page about optimizers and schedules, made of their rules, signatures and docstrings."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..optim import Optimizer, lr_scheduler, schedules
from ..optim.table import family
from ..tensor import Tensor
from .page import described, heading, page, rule_lines, signature, table
from .schedule_plot import schedule_svg

STEPS = 31  # of the pictures
INTRODUCTION = """<p>Every rule below is printed from the formula that the optimizer computes with:
<code>print(optim.Adam.rule)</code> shows it in a terminal, <code>optim.Adam.rule.latex()</code> gives it in LaTeX. The
lines of a rule are done in turn; a name on the right of an arrow stands for its newest value.</p>
<dl><dt>ϕ</dt><dd>a parameter</dd><dt>g</dt><dd>the gradient of the loss L at ϕ</dd>
<dt>η</dt><dd>the learning rate <code>lr</code></dd><dt>λ</dt><dd><code>weight_decay</code></dd>
<dt>μ</dt><dd><code>momentum</code></dd><dt>ϵ</dt><dd><code>eps</code></dd>
<dt>t</dt><dd>the number of the step: from 1 in optimizers, from 0 in schedules</dd>
<dt>η₀</dt><dd>the rate that a schedule starts from</dd></dl>"""
VALUES = r"(?m)^\s*(?:\S.*: )?(?:[-\d.e]+, ){9}[-\d.e]+$"  # the first ten, which the page shows in a table


def optimizers_page() -> str:
    """The HTML of the page."""
    kinds = family()
    body = [heading(1, "Optimizers and schedules", "优化器与学习率调度"), INTRODUCTION]
    body.append(heading(2, "In the order in which they were found", "按提出的先后"))
    rows = [
        [str(year), _link(kind.__name__), html.escape(kind.idea), html.escape(kind.reference)] for year, kind in kinds
    ]
    body.append(table(["Year", "Name", "Idea", "Source"], rows))
    body.append(heading(2, "Optimizers", "优化器"))
    for kind in sorted((kind for _, kind in kinds), key=lambda kind: kind.__name__.lower()):
        body += _optimizer(kind)
    body.append(heading(2, "Learning-rate schedules", "学习率调度"))
    named = [getattr(schedules, name) for name in schedules.__all__]
    shown = [kind for kind in named if hasattr(kind, "rule")]
    body.append("<nav>" + "".join(_link(kind.__name__) for kind in shown) + "</nav>")
    for kind in shown:
        body += _schedule(kind)
    body.append(heading(2, "Schedulers with other rules", "其他学习率调度器"))
    others: list[Any] = [lr_scheduler.SequentialLR, lr_scheduler.ChainedScheduler, lr_scheduler.ReduceLROnPlateau]
    for other in others:
        body += [_title(other), rule_lines(other.rule), signature(other), described(other.__doc__ or "")]
    return page("Optimizers and schedules", body)


def _link(name: str) -> str:
    return f'<a href="#{name}">{name}</a>'


def _title(kind: type[Any]) -> str:
    return heading(3, kind.__name__, anchor=kind.__name__)


def _optimizer(kind: type[Optimizer]) -> Iterator[str]:
    yield _title(kind)
    yield f'<p class="idea">{html.escape(kind.idea)}</p><p class="source">{html.escape(kind.reference)}</p>'
    yield rule_lines(kind.rule)
    yield signature(kind)
    yield described(kind.__doc__ or "")
    others = [f"<h4><code>{html.escape(option)}</code></h4>{rule_lines(rule)}" for option, rule in variants(kind)]
    if others:
        yield '<details><summary>The rule with other options <span lang="zh-Hans">其他选项下的公式</span></summary>'
        yield from (*others, "</details>")


def variants(kind: Any) -> list[tuple[str, Any]]:
    """(option, rule) for each option of an optimizer that changes its formula."""
    arguments = inspect.signature(kind).parameters
    if any(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in list(arguments.values())[1:]):
        return []  # it needs more than parameters, and has one rule
    group = kind([Tensor(np.zeros(1), requires_grad=True)]).param_groups[0]
    seen = {str(kind.rule)}
    found = []
    for name, value in [("", None), *group.items()]:
        for other in _others(name, value):
            try:
                rule = kind.rule_for(kind.__new__(kind), {**group, **other})
            except AttributeError:  # the rule depends on the optimizer's history
                continue
            if str(rule) not in seen:
                seen.add(str(rule))
                found.append((", ".join(f"{key}={value!r}" for key, value in other.items()) or "by default", rule))
    return found


def _others(name: str, value: Any) -> Iterator[dict[str, Any]]:
    """The same option with another value, together with what it needs; without a name no option at all."""
    if name in ("lr", "maximize", "params"):
        return
    needs = {
        "nesterov": {"momentum": 0.9},
        "dampening": {"momentum": 0.9},
        "decoupled_weight_decay": {"weight_decay": 0.01},
    }
    if not name:
        yield {}
    elif isinstance(value, bool):
        yield {**needs.get(name, {}), name: not value}
    elif isinstance(value, float) and value == 0:
        yield {**needs.get(name, {}), name: {"momentum": 0.9}.get(name, 0.01)}
    elif name == "form":
        yield {name: "sum"}
    elif name == "lookahead":
        yield {name: "as_printed"}


def _schedule(kind: type[schedules.Schedule]) -> Iterator[str]:
    example = re.search(rf"^ *({kind.__name__}\(.*\)): (?:[-\d.e]+, ){{9}}", kind.__doc__ or "", re.M)
    call = example.group(1) if example else f"{kind.__name__}()"
    schedule = eval(call, dict(vars(schedules)))  # the example in the docstring
    yield _title(kind)
    names = [n for n in lr_scheduler.__all__ if getattr(getattr(lr_scheduler, n), "rule", None) is kind.rule]
    if names:
        yield "<p>For an optimizer: " + ", ".join(f"<code>lr_scheduler.{name}</code>" for name in names) + "</p>"
    yield rule_lines(kind.rule)
    yield signature(kind)
    yield described(kind.__doc__ or "", VALUES)
    yield f"<p>With <code>{html.escape(call)}</code>:</p>"
    values = [f"{value:.6g}" for value in schedule.values(10)]
    yield table(["t", *map(str, range(10))], [["η", *values]], numbers=True)
    longest = schedule.total if kind is schedules.OneCycle else STEPS  # it has an end
    yield schedule_svg(schedule.values(longest), kind.__name__)
