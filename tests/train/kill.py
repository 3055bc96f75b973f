"""Kill a training run again and again at random moments; what comes out in the end must be what an undisturbed one gives.

    python kill.py FOLDER KILLS SEED

Each life is a forked process, which is killed with SIGKILL. After each death every checkpoint has to be readable.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

from runs import outcome, train

from microtrain.train import Checkpoint, fingerprint
from microtrain.train.checkpoint_files import POINTER, present, read_file

EPOCHS = 12


def live(folder: Path) -> int:
    """Start or go on with the run, in a process of its own; returns its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        result = fingerprint(outcome(train(folder, EPOCHS, resume=True, save_steps=3)))
        (folder / "result.txt").write_text(result)
        status = 0
    finally:
        os._exit(status)


def main(folder: Path, kills: int, seed: int) -> None:
    warnings.simplefilter("error")
    undisturbed = fingerprint(outcome(train(None, EPOCHS)))
    rng = random.Random(seed)
    start = time.perf_counter()
    os.waitpid(live(folder / "timed"), 0)
    whole = time.perf_counter() - start
    done, killed, run, steps = 0, 0, 0, set()
    while killed < kills:
        place = folder / f"run{run}"
        child = live(place)
        time.sleep(rng.random() * min(0.3 * whole, 0.3))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
            checkpoints = present(place) if place.exists() else []
            for path in checkpoints:
                read_file(path)
            if checkpoints and (place / POINTER).exists():
                steps.add(Checkpoint.load(place).step)
        elif status:
            sys.exit(f"the run in {place} failed")
        else:
            done, run = done + 1, run + 1
            if (place / "result.txt").read_text() != undisturbed:
                sys.exit(f"the run in {place} came out differently")
    place = folder / f"run{run}"
    os.waitpid(live(place), 0)
    if (place / "result.txt").read_text() != undisturbed:
        sys.exit("the last run came out differently")
    left = [path.name for path in place.iterdir() if path.name.startswith(".") and path.name != ".lock"]
    print(f"{killed} kills in {run + 1} runs, after {len(steps)} different steps; left over: {left}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
