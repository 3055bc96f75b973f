"""One trial: the function is called, alone and with everything random set by the seed, and its result written down."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernels
from ..dtypes import get_default_dtype, parse, set_default_dtype
from ..errors import DtypeError, MicrotrainError
from ..random import default_generator
from ..tensor import Tensor
from ..train.history import History, number, writable
from ..train.progress import SILENT
from .space import Trial
from .target import Target, takes_seed

ALONE = threading.Lock()  # global generators and the default dtype belong to the process, whoever runs threads in it


@dataclass(frozen=True)
class Settings:
    """What else decides about the bits: it is the same for all trials, wherever they run."""

    dtype: str
    tier: str

    @classmethod
    def here(cls) -> Settings:
        """Those of this process."""
        return cls(get_default_dtype().name, kernels.tier.name)


@dataclass
class Outcome:
    """What came of a trial. `numbers` are single results, `curves` lists of them over epochs or steps."""

    numbers: dict[str, Any]
    curves: dict[str, list[Any]]
    error: str = ""
    seconds: float = 0.0
    where: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data; the order of everything is fixed."""
        return {"numbers": writable(self.numbers), "curves": writable(self.curves), "error": self.error}

    @classmethod
    def of(cls, data: Any) -> Outcome:
        """What `as_json` gave. Raises `TypeError`, `KeyError` or `ValueError` for anything else."""
        numbers = {str(name): _scalar(value) for name, value in dict(data["numbers"]).items()}
        curves = {str(name): [number(x) for x in values] for name, values in dict(data["curves"]).items()}
        return cls(numbers, curves, str(data["error"]))


def _scalar(value: Any) -> Any:
    return value if value is None or (isinstance(value, (bool, str)) and value not in NAMES) else number(value)


NAMES = ("nan", "inf", "-inf")


def run_trial(target: Target, trial: Trial, settings: Settings) -> Outcome:
    """Call the function. What it raises is part of the outcome, except for Ctrl-C."""
    start = time.perf_counter()
    try:
        with ALONE, _alone(trial.seed, settings):
            function = target.load()
            seed = {"seed": trial.seed} if takes_seed(function) else {}
            outcome = taken_down(function(**trial.parameters, **seed))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too
        outcome = Outcome({}, {}, _told(error, target))
    outcome.seconds = time.perf_counter() - start
    outcome.where = f"{platform.node()}:{os.getpid()}"
    return outcome


@contextlib.contextmanager
def _alone(seed: int, settings: Settings) -> Iterator[None]:
    """Every global stream starts from the seed, BLAS has one thread, no bars; afterwards all is as it was."""
    from threadpoolctl import threadpool_limits

    silent = SILENT.set(True)
    before = default_generator.get_state(), np.random.get_state(), random.getstate(), get_default_dtype()
    try:
        default_generator.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        set_default_dtype(parse(settings.dtype))
        # sums are split among threads, so the bits of a product of matrices depend on their number
        with threadpool_limits(1, "blas"), kernels.use(settings.tier):
            yield
    finally:
        default_generator.set_state(before[0])
        np.random.set_state(before[1])
        random.setstate(before[2])
        set_default_dtype(before[3])
        SILENT.reset(silent)


def _told(error: BaseException, target: Target) -> str:
    """An exception in a few lines: what, and where in the user's file."""
    lines = [
        f"  {frame.filename}:{frame.lineno}: {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == target.path or (not target.path and "microtrain" not in frame.filename)
    ]
    what = str(error) if isinstance(error, MicrotrainError) else f"{type(error).__name__}: {error}"
    return "\n".join([what, *lines[-3:]])


# ---- results ---------------------------------------------------------------------------------------------------------


def taken_down(result: Any) -> Outcome:
    """What a function returned, as numbers and curves.

    It may be a number, a `History` (its columns are curves, its last row the numbers), a list of numbers, or a dict of
    these. Raises `DtypeError` for anything else.
    """
    if result is None:
        raise DtypeError(
            "The function returned None.",
            "A sweep compares what is returned.",
            "Does it forget its return? Return a number, the history of fit(), a list of numbers, or a dict of these.",
        )
    outcome = Outcome({}, {})
    if isinstance(result, Mapping):
        for name, value in result.items():
            _take(outcome, str(name), value)
    else:
        _take(outcome, "", result)
    return outcome


def _take(outcome: Outcome, name: str, value: Any) -> None:
    if isinstance(value, History):
        prefix = f"{name}." if name not in ("", "history") else ""
        if value.rows:
            for key in value.rows[-1]:
                outcome.numbers[prefix + key] = value.rows[-1][key]
                outcome.curves[prefix + key] = [float(row.get(key, float("nan"))) for row in value.rows]
        return
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        array = np.asarray(value.detach() if isinstance(value, Tensor) else value)
        if array.dtype.kind in "fiub" and array.ndim <= 1:
            value = array.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        outcome.numbers[name or "value"] = value
        return
    if isinstance(value, (list, tuple)) and all(isinstance(x, (int, float)) for x in value):
        outcome.curves[name or "value"] = [float(x) for x in value]
        if value:
            outcome.numbers[name or "value"] = float(value[-1])
        return
    where = f"'{name}' in what it returned" if name else "what it returned"
    raise DtypeError(
        f"A sweep can't write down {where}: a {type(value).__name__}.",
        "Results go into files, tables and curves.",
        "Return a number, the history of fit(), a list of numbers, or a dict of these.",
    )


def file_text(target: Target, trial: Trial, outcome: Outcome) -> str:
    """The text of a trial's file."""
    return json.dumps(
        {
            "version": 1, "function": target.identity, "parameters": dict(trial.parameters), "seed": trial.seed,
            **outcome.as_json(), "seconds": outcome.seconds, "where": outcome.where,
        }, indent=1, allow_nan=False,
    )  # fmt: skip
