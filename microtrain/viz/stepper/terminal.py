"""The stepper in a terminal: arrow keys step, letters switch, q leaves. Without a terminal every step is printed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .drawing import short_number
from .page import number_of
from .telling import Teller
from .values import plain

STYLES = {"forward": "blue", "seed": "yellow", "backward": "yellow", "accumulate": "green", "update": "green"}
ESCAPES = {
    "[C": "next", "[D": "previous", "[A": "up", "[B": "down", "[H": "first", "[F": "last",
    "OC": "next", "OD": "previous", "OA": "up", "OB": "down", "OH": "first", "OF": "last",
    "[1~": "first", "[4~": "last", "[7~": "first", "[8~": "last",
}  # fmt: skip
LETTERS = {
    " ": "next", "\r": "next", "\n": "next", "n": "next", "p": "previous", "\x7f": "previous", "g": "guess",
    "l": "language", "q": "quit", "\x03": "quit", "\x04": "quit", "": "quit",
}  # fmt: skip


class Session:
    """Where the learner is, and what the keys do."""

    def __init__(self, data: dict[str, Any], language: int) -> None:
        self.data, self.language = data, language
        self.at = 0
        self.guessing = False
        self.answered: dict[int, bool] = {}  # step: was the first answer right?
        self.message = ""

    @property
    def step(self) -> dict[str, Any]:
        step: dict[str, Any] = self.data["steps"][self.at]
        return step

    @property
    def teller(self) -> Teller:
        return Teller(self.data, self.language)

    def hides(self) -> bool:
        """Is there something to guess?"""
        single = self.step["phase"] == "backward" and self.teller.is_single(self.step)
        return self.guessing and single and self.at not in self.answered

    def do(self, key: str) -> bool:
        """Do what a key says; False to leave."""
        steps = self.data["steps"]
        self.message = ""
        if key == "quit":
            return False
        if key == "next":
            self.at = min(self.at + 1, len(steps) - 1)
        elif key == "previous":
            self.at = max(self.at - 1, 0)
        elif key == "first":
            self.at = 0
        elif key == "last":
            self.at = len(steps) - 1
        elif key in ("up", "down"):
            self._phase(1 if key == "down" else -1)
        elif key == "guess":
            self.guessing = not self.guessing
        elif key == "language":
            self.language = 1 - self.language
        return True

    def _phase(self, direction: int) -> None:
        """To the first step of the next stretch of one phase, or of the one before."""
        kinds = [(step["phase"], step.get("walk")) for step in self.data["steps"]]
        starts = [i for i in range(len(kinds)) if i == 0 or kinds[i] != kinds[i - 1]]
        if direction > 0:
            self.at = next((i for i in starts if i > self.at), len(kinds) - 1)
        else:
            self.at = max((i for i in starts if i < self.at), default=0)

    def answer(self, text: str) -> None:
        """Check a guess, to three digits."""
        target = plain(self.data["values"][self.step["product"]]["data"][0])
        teller = self.teller
        try:
            guess = float(text.replace("−", "-").replace(",", "."))
        except ValueError:
            self.answered[self.at] = False
            self.message = teller.say("revealed", answer=short_number(target))
            return
        right = guess == target or (guess != guess and target != target)
        right = right or abs(guess - target) <= max(abs(target) * 0.0055, 1e-12)
        self.answered[self.at] = right
        words = ("right", {"answer": short_number(target)}) if right else ("revealed", {"answer": short_number(target)})
        self.message = teller.say(words[0], **words[1])

    def view(self) -> Any:
        """What is shown."""
        teller, step, steps = self.teller, self.step, self.data["steps"]
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", max_width=44)
        grid.add_column()
        for label, value in teller.rows(step, self.hides()):
            grid.add_row(Text(label), Text(value))
        parts: list[Any] = [Text(teller.narration(step, self.hides())), Text(), grid]
        parts += [Text(), *(Text(f"{label}  {code}", style="cyan") for label, code in teller.code(step))]
        if self.message:
            parts += [Text(), Text(self.message, style="bold")]
        if self.guessing:
            right = sum(self.answered.values())
            parts.append(Text(teller.say("score", right=right, asked=len(self.answered)), style="magenta"))
        title = f"{teller.say('position', k=self.at + 1, n=len(steps))}  {teller.phase(step)}"
        style = STYLES.get(step["phase"], "white")
        return Panel(Group(*parts), title=Text(title, style=f"bold {style}"), title_align="left", border_style=style)


def play(data: dict[str, Any], language: str = "en") -> None:
    """Step through a trace with the keys; without a terminal print every step, one below the other."""
    session = Session(data, number_of(language))
    if not data["steps"]:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print_all(session)
        return
    with contextlib.suppress(KeyboardInterrupt, EOFError), _keys() as read:
        _play(session, Console(), read)


def _play(session: Session, console: Console, read: Callable[[], str]) -> None:
    while True:
        console.clear()
        console.print(Text(session.data["title"], style="bold"))
        for note in session.teller.notes():
            console.print(Text(note, style="yellow"))
        console.print(session.view())
        if session.hides():
            console.print(Text(session.teller.say("terminal_guess")), end="")
            with _line_mode():
                session.answer(input())
            continue
        console.print(Text(session.teller.say("terminal_keys"), style="dim"))
        if not session.do(read()):
            return


def print_all(session: Session, file: Any = None) -> None:
    """Every step as plain text."""
    out = file or sys.stdout
    teller = session.teller
    encoding = getattr(out, "encoding", None) or "utf-8"

    def write(text: str) -> None:
        print(text.encode(encoding, "replace").decode(encoding), file=out)

    write(session.data["title"])
    for note in teller.notes():
        write(note)
    for k, step in enumerate(session.data["steps"], 1):
        position = teller.say("position", k=k, n=len(session.data["steps"]))
        write(f"\n{position}{'：' if session.language else ': '}{teller.phase(step)}")
        write(f"  {teller.narration(step)}")
        for label, value in teller.rows(step):
            lines = value.splitlines() or [""]
            write(f"    {label:30}  {lines[0]}")
            for line in lines[1:]:
                write(f"    {'':30}  {line}")
        for label, code in teller.code(step):
            write(f"    {label:30}  {code}")


# ---- keys ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Gives a function that waits for a key and returns what it means."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield _windows_key
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda: _posix_key(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _posix_key(descriptor: int) -> str:
    import select

    def ready() -> bool:
        return bool(select.select([descriptor], [], [], 0.05)[0])

    key = os.read(descriptor, 1).decode("utf-8", "replace")
    if key != "\x1b":
        return LETTERS.get(key, "")
    escape = ""
    while ready() and len(escape) < 8:
        escape += os.read(descriptor, 1).decode("utf-8", "replace")
        if escape in ESCAPES or (escape[-1].isalpha() and escape != "O") or escape[-1] == "~":
            break
    return ESCAPES.get(escape, "quit" if not escape else "")


def _windows_key() -> str:
    import msvcrt

    codes = {"M": "next", "K": "previous", "H": "up", "P": "down", "G": "first", "O": "last"}
    get: Callable[[], str] = msvcrt.getwch  # type: ignore[attr-defined]
    key = get()
    return codes.get(get(), "") if key in ("\x00", "\xe0") else LETTERS.get(key, "")


@contextlib.contextmanager
def _line_mode() -> Iterator[None]:
    """Whole lines again, with echo, for a while."""
    try:
        import termios
    except ImportError:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    cooked = termios.tcgetattr(descriptor)
    cooked[3] |= termios.ICANON | termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, cooked)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
