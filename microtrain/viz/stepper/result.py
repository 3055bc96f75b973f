"""A trace, and how it is shown: as a page, in a notebook, in a terminal, as JSON."""

from __future__ import annotations

import base64
import html
import json
import os
from pathlib import Path
from typing import Any

from ...errors import ArgumentError, DataFileError
from ...files import write_text
from . import schema
from .drawing import draw

SUFFIXES = (".html", ".json", ".svg")
HEIGHT = 720  # CSS pixels of the page in a notebook


class Trace:
    """What happened in a computation, step by step. `data` is plain data; see `microtrain.viz.stepper.schema`.

    It shows itself in notebooks. `save("step.html")` writes a page that needs nothing else, `play()` steps through it
    in the terminal, and `serve()` shows the page to a browser on this machine.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        schema.check(data)
        self.data = data

    def __len__(self) -> int:
        return len(self.data["steps"])

    def __repr__(self) -> str:
        count = {phase: sum(s["phase"] == phase for s in self.data["steps"]) for phase in schema.PHASES}
        told = ", ".join(f"{n} {phase}" for phase, n in count.items() if n)
        return f"<Trace of {len(self)} steps: {told}; play() steps through it, save('step.html') writes a page>"

    # ---- files -------------------------------------------------------------------------------------------------------

    def json(self) -> str:
        """The trace as JSON text."""
        return json.dumps(self.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def html(self, language: str = "en") -> str:
        """The page; `language` ("en" or "zh") is what it begins in."""
        from .page import page

        return page(self.data, language)

    def svg(self) -> str:
        """The graph with its values and final gradients, as a picture."""
        return draw(self.data)

    def save(self, path: str | os.PathLike[str], language: str = "en") -> Path:
        """Write the page (.html), the trace (.json) or the graph (.svg); returns the path.

        Raises `ArgumentError` for another ending or language.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ArgumentError(f"save({str(path)!r}): the ending does not name a format.",
                                fix=f"Use one of {', '.join(SUFFIXES)}.")  # fmt: skip
        text = self.html(language) if suffix == ".html" else self.json() if suffix == ".json" else self.svg()
        write_text(path, text)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Read a trace that was saved as .json. Raises `DataFileError` if it is none."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DataFileError(
                f"{path} is not JSON: {error}.", fix="Save it again: trace.save('step.json')."
            ) from None
        return cls(data)

    # ---- showing -----------------------------------------------------------------------------------------------------

    def notes(self, language: str = "en") -> list[str]:
        """What is to be known of the whole trace: that it was too long and is folded, for instance."""
        from .page import number_of
        from .telling import Teller

        return Teller(self.data, number_of(language)).notes()

    def play(self, language: str = "en") -> None:
        """Step through it in the terminal: arrow keys, q to leave. Without a terminal every step is printed."""
        from .terminal import play

        play(self.data, language)

    def serve(self, port: int = 0, language: str = "en", open_browser: bool = False) -> Any:
        """Show the page at http://127.0.0.1:port (a free port by default); returns the running `Server`."""
        from .serving import Server

        server = Server(self.html(language), port)
        print(f"The stepper is at {server.url}")
        if open_browser:
            import webbrowser

            webbrowser.open(server.url)
        return server

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For notebooks: the page in a frame without rights, and beside it a picture that untrusted notebooks show."""
        plain = repr(self)
        try:
            page = html.escape(self.html(), quote=True)
            picture = base64.b64encode(self.svg().encode("utf-8")).decode("ascii")
        except Exception as error:  # a display never raises
            return {"text/plain": f"{plain}\n{' '.join(str(error).split())}"}
        frame = (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts" title="Stepper" '
            f'width="100%" height="{HEIGHT}" style="border:0"></iframe>'
        )
        instead = (
            "<details><summary>No stepper above? Run this cell, or write a page with .save('step.html').</summary>"
            f'<img alt="The graph" style="max-width:100%;height:auto;background:white" '
            f'src="data:image/svg+xml;base64,{picture}"></details>'
        )
        return {"text/html": frame + instead, "text/plain": plain}
