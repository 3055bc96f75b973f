"""`microtrain doctor`: what this machine has, what microtrain makes of it, and how to get more."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that was looked at."""

    topic: str
    state: str
    good: bool = True
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything; nothing is changed."""
    return [*_versions(), *_graphviz(), *_kernels(), *_extras()]


def report(findings: list[Finding]) -> str:
    """The findings as text, what can be improved below."""
    width = max(len(finding.topic) for finding in findings)
    lines = [f"{'ok ' if f.good else '-- '} {f.topic:{width}}  {f.state}" for f in findings]
    remedies = [f"{f.topic}: {f.remedy}" for f in findings if f.remedy]
    return "\n".join([*lines, *(["", "To get more:"] if remedies else []), *(f"    {r}" for r in remedies)])


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _versions() -> Iterator[Finding]:
    import numpy

    from .. import __version__

    yield Finding("microtrain", f"{__version__}")
    yield Finding("Python", f"{platform.python_version()} ({sys.executable})")
    yield Finding("system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors")
    yield Finding("NumPy", numpy.__version__)


def _graphviz() -> Iterator[Finding]:
    """Which program would lay out graphs; tried, not only looked for."""
    from ..viz.graph import layout

    engines = layout.engines()
    working = ""
    for name, command in engines:
        start = time.perf_counter()
        try:
            layout.render("digraph { a -> b }", "svg", name)
            state = f"works ({time.perf_counter() - start:.1f} s): {command[0] if name == 'dot' else _version(name)}"
            used = not working
            working = working or name
            yield Finding(f"graphs: {name}", state + ("; it would be used" if used else "; in reserve"))
        except layout.LayoutError as error:
            why = " ".join(f"{error.what} {error.why}".split())
            yield Finding(f"graphs: {name}", f"does not work. {why}", False, error.fix)
    if not working:
        remedy = layout.install_command()
        yield Finding("graphs", "shown as text: there is no Graphviz that works", False, remedy)
    elif working == "dot" and len(engines) == 1:
        yield Finding("graphs: pygraphviz", "not installed, and not needed")


def _kernels() -> Iterator[Finding]:
    from ..kernels import cache, tier

    try:
        start = time.perf_counter()
        import numba

        state = f"{numba.__version__}, imported in {time.perf_counter() - start:.1f} s"
        yield Finding("Numba", state if not tier.disabled else f"{state}, but switched off", not tier.disabled)
    except Exception as error:  # a Numba that does not fit this NumPy raises whatever it likes
        why = (str(error).splitlines() or [type(error).__name__])[0]
        yield Finding("Numba", f"does not work ({why}); NumPy computes everything", False, "pip install -U numba numpy")
    yield Finding("kernel tier", f"{tier.name} (kernels from {tier.large:,} elements on)")
    place = cache.directory()
    at = place
    while not at.exists() and at != at.parent:
        at = at.parent
    writable = os.access(at, os.W_OK)
    count = len(cache.entries())
    yield Finding(
        "kernel cache",
        f"{place} ({count} kernels)" if writable else f"{place} can't be written to; kernels are compiled each time",
        writable,
        "" if writable else "Set MICROTRAIN_CACHE_DIR to a folder of yours.",
    )


def _extras() -> Iterator[Finding]:
    for package, extra, use in (
        ("matplotlib", "plot", "plots"),
        ("safetensors", "", "saving weights"),
        ("jupytext", "notebook", "notebooks"),
        ("latex2mathml", "book", "formulas on the book's page"),
        ("joblib", "sweep", "sweeps"),
        ("dask", "sweep", "sweeps on several machines"),
    ):
        version = _version(package)
        remedy = f'pip install "microtrain[{extra}]"' if extra else f"pip install {package}"
        yield Finding(package, version or f"not installed; it is for {use}", bool(version), "" if version else remedy)
