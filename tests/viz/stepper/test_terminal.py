"""The stepper in a terminal: through a pty with real keys, and without one."""

import contextlib
import io
import os
import re
import select
import subprocess
import sys
import time

import pytest

import microtrain as mt
from microtrain.viz.stepper.terminal import Session

from ...wide import mostly_wide
from . import programs

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
import microtrain as mt
w = mt.tensor(3.0, requires_grad=True)
loss = w * w + 2 * w
mt.trace(loss).play({arguments})
print("left well")
"""
KEYS = {"right": b"\x1b[C", "left": b"\x1b[D", "up": b"\x1b[A", "down": b"\x1b[B", "home": b"\x1b[H", "end": b"\x1b[F"}
FOLDER = os.path.dirname(os.path.dirname(mt.__file__))


def _own_terminal():
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A program that runs in a terminal of its own."""

    def __init__(self, arguments=""):
        pty = pytest.importorskip("pty")
        self.master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40", "PYTHONIOENCODING": "utf-8"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(folder=FOLDER, arguments=arguments)],
            stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
            preexec_fn=_own_terminal,  # noqa: PLW1509 (so that Ctrl-C is what it is)
        )  # fmt: skip
        os.close(slave)
        self.text = ""

    def wait_for(self, text, seconds=20):
        """Read until this has appeared since the last time."""
        until = time.monotonic() + seconds
        while text not in self.text:
            if time.monotonic() > until:
                raise AssertionError(f"{text!r} did not appear in:\n{self.text}")
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.text += os.read(self.master, 65536).decode("utf-8", "replace")
        before, _, self.text = self.text.partition(text)
        return before

    def press(self, *keys):
        for key in keys:
            os.write(self.master, KEYS.get(key, key.encode()))

    def end(self):
        code = self.process.wait(timeout=10)
        os.close(self.master)
        return code


@pytest.fixture
def terminal():
    running = []

    def start(arguments=""):
        running.append(Terminal(arguments))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        with contextlib.suppress(OSError):
            os.close(each.master)


def test_keys(terminal):
    t = terminal()
    t.wait_for("Step 1 of 9")
    for key, at in (
        ("right", 2),
        (" ", 3),
        ("left", 2),
        ("end", 9),
        ("home", 1),
        ("down", 4),
        ("down", 5),
        ("up", 4),
        ("n", 5),
        ("p", 4),
    ):
        t.press(key)
        t.wait_for(f"Step {at} of 9")
    t.press("end")
    t.wait_for("Step 9 of 9")
    before = t.wait_for("g: guess")
    assert "New gradient" in before and "8" in before
    assert "w.grad += g * w" in before
    t.press("x", "\x1b[Z")  # keys that mean nothing
    t.press("l")
    t.wait_for("第 9 步，共 9 步")
    t.press("q")
    t.wait_for("left well")
    assert t.end() == 0


def test_guessing(terminal):
    t = terminal()
    t.wait_for("Step 1 of 9")
    t.press("g")
    t.wait_for("Score 0 of 0")
    t.press("end")
    before = t.wait_for("The product?")
    assert "What is the product" in before
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[^\s]*:\d+", "", before)
    assert "8" not in bare.split("Local")[1]  # neither the product nor the new gradient
    t.press("3\n")
    t.wait_for("Right: 3")
    t.wait_for("Score 1 of 1")
    t.press("left")
    t.wait_for("The product?")
    t.press("17\n")
    t.wait_for("The answer: 3")
    t.wait_for("Score 1 of 2")
    t.press("q")
    t.wait_for("left well")
    assert t.end() == 0


@pytest.mark.parametrize(
    "key",
    mostly_wide(["q", "\x04", "\x03", "\x1b"], but={"q", "\x03"}),
    ids=["q", "end of file", "interrupt", "escape"],
)
def test_ways_out(terminal, key):
    t = terminal("'zh'")
    t.wait_for("第 1 步，共 9 步")
    t.press(key)
    t.wait_for("left well")
    assert t.end() == 0


def test_the_terminal_is_left_as_it_was(terminal):
    termios = pytest.importorskip("termios")
    t = terminal()
    before = termios.tcgetattr(t.master)
    t.wait_for("Step 1 of 9")
    assert not termios.tcgetattr(t.master)[3] & termios.ICANON
    t.press("q")
    t.wait_for("left well")
    assert termios.tcgetattr(t.master) == before


def test_without_a_terminal_every_step_is_printed():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(folder=FOLDER, arguments="")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert run.returncode == 0 and run.stderr == ""
    assert [int(n) for n in re.findall(r"^Step (\d+) of 9", run.stdout, re.MULTILINE)] == list(range(1, 10))
    assert "\x1b" not in run.stdout
    assert "gradients add up: 5 + 3 = 8" in run.stdout


def test_a_console_that_knows_few_characters():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for arguments in ("", "'zh'"):
        run = subprocess.run([sys.executable, "-c", PROGRAM.format(folder=FOLDER, arguments=arguments)],
                             stdin=subprocess.DEVNULL, capture_output=True, env=environment)  # fmt: skip
        assert run.returncode == 0, run.stderr


def test_the_terms_of_an_update_are_those_of_one_entry():
    W = mt.arange(12.0).reshape(3, 4).requires_grad_()
    optimizer = mt.optim.Adam([W], lr=0.1)

    def step():
        (W * W).sum().backward()
        optimizer.step()

    trace = mt.trace(step)
    session = Session(trace.data, 0)
    session.do("last")
    rows = session.teller.rows(session.step)
    labels = [label for label, _ in rows]
    between = rows[labels.index("Term by term, at entry [0, 0]") + 1 : -1]
    assert len(between) > 5 and all("\n" not in value for _, value in between)
    assert between[-1][1] == "0"  # W[0, 0] has no gradient and stays
    assert rows[-1][1].count("\n") == 2


@pytest.mark.parametrize("program", programs.RUN)
@pytest.mark.parametrize("language", [0, 1])
def test_every_step_of_every_program_can_be_shown(program, language):
    from rich.console import Console

    session = Session(mt.trace(program).data, language)
    for width in (40, 100):
        console = Console(file=io.StringIO(), width=width)
        session.do("first")
        for _ in session.data["steps"]:
            console.print(session.view())
            session.do("next")
        text = console.file.getvalue()
        assert not re.search(r"\{\w+\}|None", text)


def test_large_values_are_cut():
    x = mt.randn(40, 30)
    w = mt.randn(30, 20, requires_grad=True)
    session = Session(mt.trace((x @ w).sum()).data, 0)
    text = session.teller.value(0)
    assert len(text.splitlines()) == 7 and re.search("First 6 × 6 of (30 × 20|40 × 30)", text)
    assert session.teller.value(None) == "not kept"
