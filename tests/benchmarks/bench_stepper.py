"""How long the stepper takes: the digits MLP's step recorded, written, and opened at its first step; goal 2 s.

And what a recorder that is off costs an eager operation (goal: under 1 %): the look whether anybody listens. Run: python -m tests.benchmarks.bench_stepper
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path
from typing import Any

import microtrain as mt
from microtrain.data import load_digits
from microtrain.engine.recording import MODE
from microtrain.nn import MLP

ROUNDS = 40


def digits_step() -> Any:
    """One training step of the 64-128-64-10 MLP on 32 digits, as a function to be traced."""
    digits = load_digits(mt.float32)
    model = MLP([64, 128, 64, 10], dtype=mt.float32, generator=mt.Generator(0))
    optimizer = mt.optim.Adam(model.parameters(), lr=1e-3)
    images, labels = digits.train_images[:32], digits.train_labels[:32]

    def step() -> Any:
        optimizer.zero_grad()
        loss = mt.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def opened(path: Path) -> float:
    """Seconds until a running browser shows the first step; NaN without one."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return float("nan")
    if chromium is None:
        return float("nan")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto("about:blank")
        start = time.perf_counter()
        page.goto(f"file://{path}")
        page.locator(".told").wait_for()
        seconds = time.perf_counter() - start
        browser.close()
    return seconds


def trace_of_digits() -> None:
    """Cold (a new process, with the import) and warm."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.html"
        code = (
            "import time; start = time.perf_counter()\n"
            "import microtrain as mt\nfrom tests.benchmarks.bench_stepper import digits_step\n"
            f"step = digits_step(); mt.trace(step).save({str(path)!r}); print(time.perf_counter() - start)"
        )
        cold = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        step = digits_step()
        start = time.perf_counter()
        trace = mt.trace(step)
        recorded = time.perf_counter() - start
        trace.save(path)
        written = time.perf_counter() - start - recorded
        shown = opened(path)
        size = path.stat().st_size
    print(f"digits MLP: recorded {1000 * recorded:.0f} ms, written {1000 * written:.0f} ms ({size / 1000:.0f} KB), "
          f"opened {1000 * shown:.0f} ms; in all {recorded + written + shown:.2f} s (goal 2)")  # fmt: skip
    print(f"            in a new process, with all imports and data: {cold:.2f} s before it is opened")


def recorder_off() -> None:
    """What an operation does for recorders when there are none, beside the operation itself."""
    x, w = mt.tensor(0.5, requires_grad=True), mt.tensor(1.5, requires_grad=True)
    mt.trace(x * w)  # there was one
    mode = MODE.get()

    def look() -> None:
        for _ in mode.listeners:
            pass

    def nothing() -> None:
        pass

    shares = []
    for _ in range(ROUNDS):
        looking, calling, operation = (
            min(timeit.repeat(f, number=5000, repeat=3)) for f in (look, nothing, lambda: x * w)
        )
        shares.append((looking - calling) / operation)
    print(f"recorder off: {100 * statistics.median(shares):.2f} % of the cheapest eager operation (goal: under 1 %)")


if __name__ == "__main__":
    trace_of_digits()
    recorder_off()
