"""Peak memory of one training step beyond what stands before it, beside PyTorch; growth over many steps without gc.

    python -m tests.benchmarks.bench_memory

Each framework runs in a process of its own; the peak is the high-water mark of its resident memory (Linux).
"""

from __future__ import annotations

import subprocess
import sys

STEP = """
import gc, re, resource
from tests.benchmarks.bench_steps import ours, theirs
import microtrain, torch

def status(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read()).group(1)) / 1024

make = {kind}
step = make([784, 1024, 1024, 10], 4096)
before = status("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # resets the high-water mark
for _ in range(3):
    step()
print(status("VmHWM") - before)
"""

GROWTH = """
import gc, re
from tests.benchmarks.bench_steps import ours

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read()).group(1)) / 1024

gc.disable()
step = ours([64, 128, 64, 10], 64)
for _ in range(1000):
    step()
before = resident()
for _ in range(10_000):
    step()
print(resident() - before)
"""


def measure(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    peaks = {name: measure(STEP.format(kind=kind)) for name, kind in (("microtrain", "ours"), ("torch", "theirs"))}
    print(
        f"peak of three steps, 784-1024-1024-10, batch 4096: {peaks['microtrain']:.0f} MB, torch {peaks['torch']:.0f} MB"
    )
    print(f"  ratio {peaks['microtrain'] / peaks['torch']:.2f}")
    print(f"growth over 10,000 steps without garbage collection: {measure(GROWTH):.1f} MB")
