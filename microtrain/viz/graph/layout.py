"""The programs that turn DOT into a picture: the system's Graphviz, else the one inside pygraphviz.

Both run in a child process with a time limit: a layout of a nasty graph takes minutes and can't be interrupted.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from ...errors import ArgumentError, MicrotrainError

LARGE = 60_000  # characters of DOT, from which a .png gets fewer points to the inch: it would have 100 megapixels
MARGIN = 4.0  # points that Graphviz leaves around a picture
SECONDS = 8.0  # for one picture, whatever is tried
INSTALL_SYSTEM = 'your system\'s package "graphviz"'
INSTALL = f'pip install "microtrain[graph]", or {INSTALL_SYSTEM}'

# `python -c` puts the current directory first on the path, where a learner's own random.py may lie.
_CHILD = """
import sys
sys.path = [folder for folder in sys.path if folder]
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot", args=" ".join(sys.argv[2:])))
"""


def install_command() -> str:
    """The command that gets a Graphviz here."""
    pip = 'pip install "microtrain[graph]"'
    if sys.platform == "darwin":
        return f"{pip}, or: brew install graphviz"
    if sys.platform == "win32":
        return f"{pip}, or: winget install graphviz"
    known = {
        "apt-get": "apt install graphviz",
        "dnf": "dnf install graphviz",
        "pacman": "pacman -S graphviz",
        "zypper": "zypper install graphviz",
        "apk": "apk add graphviz",
        "conda": "conda install graphviz",
    }
    return f"{pip}, or: " + next((command for tool, command in known.items() if shutil.which(tool)), INSTALL_SYSTEM)


class LayoutError(MicrotrainError):
    """No picture could be made."""


def engines() -> list[tuple[str, list[str]]]:
    """(name, command) of the layout programs of this machine, the preferred one first."""
    found = []
    dot = shutil.which("dot")
    if dot is not None:
        found.append(("dot", [dot, "-T{format}"]))
    if sys.executable and _has_pygraphviz():
        found.append(("pygraphviz", [sys.executable, "-c", _CHILD, "{format}"]))
    return found


def _has_pygraphviz() -> bool:
    """Is a pygraphviz with Graphviz inside installed? (Before version 2 it called the system's.)"""
    try:
        if importlib.util.find_spec("pygraphviz") is None:
            return False
        return int(importlib.metadata.version("pygraphviz").partition(".")[0]) >= 2
    except (ImportError, ValueError):
        return False


class Box(NamedTuple):
    """Where a box is, in points."""

    x: float
    y: float
    width: float
    height: float


def positions(dot: str, engine: str = "auto") -> dict[str, Box]:
    """The boxes of a picture by name, in the coordinates of the SVG's viewBox; y grows downwards."""
    laid_out = json.loads(render(dot, "json", engine))
    height = float(laid_out["bb"].split(",")[3])
    found = {}
    for item in laid_out.get("objects", []):
        if "pos" in item:
            x, y = map(float, item["pos"].split(","))
            found[item["name"]] = Box(
                x + MARGIN, height - y + MARGIN, 72 * float(item["width"]), 72 * float(item["height"])
            )
    return found


@functools.lru_cache(maxsize=16)
def render(dot: str, format: str, engine: str = "auto") -> bytes:
    """The picture ("svg", "png", "pdf", "json"). Raises `LayoutError`, which says what to install or to try."""
    available = engines()
    if engine not in ("auto", "dot", "pygraphviz"):
        raise ArgumentError(f"engine is {engine!r}.", fix='Use "dot", "pygraphviz" or "auto".')
    if engine != "auto":
        chosen = [(name, command) for name, command in available if name == engine]
        if available and not chosen:
            others = ", ".join(name for name, _ in available)
            raise LayoutError(
                f"The engine {engine!r} is not installed.", fix=f"Use {others}, or install it: {INSTALL}."
            )
        available = chosen
    if not available:
        raise LayoutError(
            f"A .{format} picture needs Graphviz, which is not installed.",
            "Neither a `dot` program nor the package pygraphviz (2 or newer) was found.",
            f"Install one: {INSTALL}.",
        )
    until = time.monotonic() + SECONDS
    failures = []
    for name, command in available:
        arguments = [part.format(format=format) if part != _CHILD else part for part in command]
        if format == "png":
            arguments.append("-Gdpi=144" if len(dot) < LARGE else "-Gdpi=60")
        try:
            return _run(arguments, dot.encode("utf-8"), until - time.monotonic())
        except subprocess.TimeoutExpired:
            raise LayoutError(
                f"Graphviz ({name}) did not finish within {SECONDS:g} seconds.",
                "Its layout can take very long for graphs with many crossing edges.",
                "Draw less: microtrain.graph(x, limit=100).",
            ) from None
        except (OSError, RuntimeError) as error:
            failures.append(f"{name}: {error}")
    raise LayoutError(
        f"Graphviz failed to draw a .{format} picture.",
        "; ".join(failures),
        f"Is the installation damaged? Try the other one: {INSTALL}.",
    )


def _run(command: list[str], text: bytes, seconds: float) -> bytes:
    """Standard output of a command, which is killed with all its children when the time is over."""
    posix = os.name == "posix"
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=posix,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    try:
        output, complaints = process.communicate(text, timeout=max(seconds, 0.01))
    except BaseException:
        if posix:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        raise
    if process.returncode != 0 or not output:
        lines = complaints.decode("utf-8", "replace").strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"it ended with status {process.returncode} and no picture")
    return output
