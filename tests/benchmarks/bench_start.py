"""How long a program waits: importing microtrain (beyond NumPy), and from a cold start to the first gradient.

python -m tests.benchmarks.bench_start
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PROGRAMS = {
    "python alone": "pass",
    "import numpy": "import numpy",
    "import microtrain": "import microtrain",
    "first gradient": "import microtrain as mt; x = mt.tensor([1., 2.], requires_grad=True); (x.exp() * x).sum().backward()",
    "import torch": "import torch",
}

if __name__ == "__main__":
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(11):
        for name, code in PROGRAMS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:20} {1e3 * value:7.0f} ms")
    print(f"microtrain beyond numpy: {1e3 * (medians['import microtrain'] - medians['import numpy']):.0f} ms")
