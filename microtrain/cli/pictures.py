"""Which pictures a folder has the numbers for: that of a run, or that of a sweep."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataFileError
from ..sweeps import Sweep
from ..sweeps.result import RESULTS, Row, short
from ..train import History, kept

Pictures = dict[str, Callable[[], Any]]
LAYERS = {"gradient_norm": "gradient-norms", "update_ratio": "update-ratios", "weight_norm": "weight-norms"}


def pictures(folder: Path) -> Pictures:
    """{kind: function that draws it}. Raises `DataFileError` if the folder is neither that of a run nor of a sweep."""
    if (folder / RESULTS).is_file():
        return _of_sweep(Sweep.load(folder))
    if (folder / "history.json").is_file():
        return _of_run(folder, History.load(folder / "history.json"))
    if (folder / "results").is_dir():  # written by keep() alone
        return _of_run(folder, History())
    raise DataFileError(
        f"{folder} has neither the history of a run nor the results of a sweep.",
        fix='fit(..., out="run") and `microtrain sweep ... -o FOLDER` write such folders.',
    )


def _of_run(folder: Path, history: History) -> Pictures:
    from ..viz import plots

    found: Pictures = {}
    measured = [name.partition("_")[2] for name in (history.rows[-1] if history.rows else ()) if "_" in name]
    for what in dict.fromkeys(measured):
        found[f"curves-{what}"] = functools.partial(plots.learning_curves, history, what)
    for what, kind in LAYERS.items():
        if history.layers(what):
            found[kind] = functools.partial(plots.layer_curves, history, what)
    if history.steps.get("lr"):
        found["schedule"] = functools.partial(plots.schedule, history.steps["step"], history.steps["lr"])
    for name, result in kept(folder).items():
        if callable(getattr(result, "plot", None)):  # some are numbers alone
            found[name] = result.plot
    return found


def _of_sweep(sweep: Sweep) -> Pictures:
    from ..viz import plots

    found: Pictures = {}
    for name in sweep.curves:
        if name != "epoch":
            found[f"curves-{name}"] = functools.partial(plots.curves_with_spread, sweep.curve(name), name)
    numeric = [name for name in sweep.settings if _is_numeric(sweep, name)]
    for setting in numeric:
        for number in sweep.shown():
            found[f"{number}-against-{setting}"] = functools.partial(_against, sweep, setting, number)
    return found


def _is_numeric(sweep: Sweep, setting: str) -> bool:
    values = {row.parameters[setting] for row in sweep.rows if not isinstance(row.parameters[setting], list)}
    return len(values) > 1 and all(type(value) in (int, float) for value in values)


def _against(sweep: Sweep, setting: str, number: str) -> Any:
    """A number against a setting, one line for each combination of the others."""
    from ..viz import plots

    lines: dict[str, list[tuple[float, float, float]]] = {}
    for row in sweep.rows:
        if np.isfinite(row.mean(number)):
            lines.setdefault(_others(row, setting), []).append(
                (float(row.parameters[setting]), row.mean(number), row.spread(number))
            )
    if len(lines) > 8:  # random draws: each has settings of its own
        lines = {"": [point for line in lines.values() for point in line]}
    return plots.against_setting(setting, lines, number, joined=len(lines) > 1 or len(sweep.settings) == 1)


def _others(row: Row, setting: str) -> str:
    return ", ".join(f"{name}={short(value)}" for name, value in row.parameters.items() if name != setting)
