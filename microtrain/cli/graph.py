"""`microtrain graph`: draws the compute graph of what a file defines."""

from __future__ import annotations

import enum
import inspect
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from ..errors import ArgumentError


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
    from ..sweeps.target import resolve
    from ..viz.graph import graph as draw

    thing, names = called(resolve(target).load(), target)
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


def called(function: Callable[..., Any], name: str) -> tuple[Any, dict[str, Any]]:
    """(what a function returns, all variables that it had at its end, after those of its file)."""
    if not isinstance(function, types.FunctionType):
        return function, {}
    needed = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty and p.kind < 2]
    if needed:
        raise ArgumentError(
            f"{name} needs arguments ({', '.join(needed)}).",
            "The command calls the function without any.",
            "Name a function that makes its own data, or give the arguments defaults.",
        )
    own: dict[str, Any] = {}

    def watch(frame: types.FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is function.__code__:
            own.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)  # the only way to see what a function called its tensors, after it has returned
    try:
        result = function()
    finally:
        sys.setprofile(before)
    return result, own | {key: value for key, value in function.__globals__.items() if key not in own}
