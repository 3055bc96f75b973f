"""`microtrain graph`: draws the compute graph of what a file defines."""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import typer


class Direction(str, enum.Enum):
    """Where the arrows go."""

    across = "LR"
    down = "TB"


class Passes(str, enum.Enum):
    """Which graph."""

    forward = "forward"
    backward = "backward"
    both = "both"


class Style(str, enum.Enum):
    """The colours."""

    light = "light"
    dark = "dark"
    print = "print"


class Engine(str, enum.Enum):
    """Who lays it out."""

    auto = "auto"
    dot = "dot"
    pygraphviz = "pygraphviz"


def graph(
    target: Annotated[str, typer.Argument(metavar="FILE.py:FUNCTION", help="A function without arguments.")],
    out: Annotated[
        Optional[Path],  # noqa: UP045 (typer needs it)
        typer.Option("-o", "--out", help="Write .svg, .png, .pdf, .html, .dot or .json; else print text."),
    ] = None,
    limit: Annotated[int, typer.Option(min=2, help="The most boxes to draw.")] = 400,
    depth: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="How many levels of modules to open; by default all."),
    ] = None,
    passes: Annotated[Passes, typer.Option(help="Which graph.")] = Passes.forward,
    direction: Annotated[
        Optional[Direction],  # noqa: UP045
        typer.Option(help="Across or down; by default what fits."),
    ] = None,
    color: Annotated[str, typer.Option(help="Colour by value, grad_norm, time or bytes.")] = "",
    show: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="What the boxes say (shape, formula, value, grad, ... or all); may be repeated."),
    ] = None,
    style: Annotated[Style, typer.Option(help="The colours.")] = Style.light,
    engine: Annotated[Engine, typer.Option(help="Who lays it out.")] = Engine.auto,
) -> None:
    """Draw the compute graph of what a function returns: a tensor, a recording, or whatever mt.graph() draws."""
    from ..viz.graph import graph as draw
    from .function import found

    thing, names = called(found(target))
    drawing = draw(
        *(thing if isinstance(thing, tuple) else (thing,)),
        limit=limit,
        depth=depth,
        passes=passes.value,
        direction=None if direction is None else direction.value,
        color=color or None,
        show=("all" if show == ["all"] else show) or None,
        style=style.value,
        names=names,
    )
    if out is None:
        print(drawing)
        return
    print(drawing.save(out, engine=engine.value))
    if drawing.caption:
        print(drawing.caption)


def called(function: Callable[..., Any]) -> tuple[Any, dict[str, Any]]:
    """(what a function returns, all variables that it had at its end, after those of its file)."""
    if not isinstance(function, types.FunctionType):
        return function, {}
    from .function import told_in_a_line

    own: dict[str, Any] = {}

    def watch(frame: types.FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is function.__code__:
            own.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)  # the only way to see what a function called its tensors, after it has returned
    try:
        with told_in_a_line(function):
            result = function()
    finally:
        sys.setprofile(before)
    return result, own | {key: value for key, value in function.__globals__.items() if key not in own}
