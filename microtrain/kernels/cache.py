"""The disk cache: machine code of kernels, one folder for each.

    <cache directory>/kernels/<key>/kernel.py     the source, for people
                                    kernel.o      the machine code
                                    kernel.json   its name, checksum, and how to call it

The key is a hash of everything the machine code depends on: the source, the hand-written mathematics it calls, the
versions of Numba, LLVM and Python, and the CPU. So nothing in the cache is ever out of date, only unused. A file that is damaged
or half written fails its checksum and counts as missing; files are written under another name and renamed, so that
processes may share the cache; where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ArgumentError, DataFileError, KernelError
from ..files import atomically
from .compiling import Code

NATIVE = tuple(  # files that end up in machine code
    "elementary native folding rows gemm blas_native sharing cores job compiling".split()
)
NO_MATTER = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS")  # options of Numba's that change no machine code
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RecursionError)  # what files that are garbage raise
FORMAT = 2  # of these files, and of the interface between kernels and the code that calls them


def directory() -> Path:
    """Where the cache is: `MICROTRAIN_CACHE_DIR`, or the platform's place for such things.

    Raises `ArgumentError` if that is below a home directory which does not exist.
    """
    try:
        return _directory()
    except RuntimeError as error:  # of pathlib
        raise ArgumentError(
            f"There is no place for the cache: {error}", fix="Set MICROTRAIN_CACHE_DIR to a folder that can be written."
        ) from None


def _directory() -> Path:
    chosen = os.environ.get("MICROTRAIN_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "microtrain" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "microtrain"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "microtrain"


def _folder(key: str) -> Path | None:
    try:
        return directory() / "kernels" / key
    except ArgumentError:  # nobody's home
        return None


def key_of(text: str) -> str:
    """The key of a kernel's source, here and now."""
    return hashlib.sha256("\0".join([text, *_surroundings()]).encode()).hexdigest()[:32]


@cache
def _surroundings() -> tuple[str, ...]:
    """What the machine code depends on besides its source."""
    from importlib.metadata import PackageNotFoundError, version

    import llvmlite

    from .loading import cpu_of_this_machine

    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if file.stem.startswith("vecmath") or file.stem in NATIVE:
            digest.update(file.read_bytes())
    try:
        numba = version("numba")
    except PackageNotFoundError:  # importing it will fail, or it comes without its papers
        numba = "unknown"
    options = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("NUMBA_") and k not in NO_MATTER]
    python = f"{sys.implementation.name} {sys.version_info[:2]} {sys.maxsize}"
    return (str(FORMAT), digest.hexdigest(), numba, llvmlite.__version__, python, *cpu_of_this_machine(), *options)


def get(key: str) -> Code | None:
    """The machine code kept under a key, if it is there and whole."""
    folder = _folder(key)
    if folder is None:
        return None
    try:
        about = json.loads((folder / "kernel.json").read_bytes())
        data = (folder / "kernel.o").read_bytes()
        code = Code(data, str(about["symbol"]), tuple(map(str, about["externals"])), float(about["seconds"]))
        return code if about["format"] == FORMAT and about["sha256"] == _checksum(code) else None
    except UNREADABLE:  # missing, unreadable or garbage: compile it again
        return None


def _checksum(code: Code) -> str:
    """Of the machine code, and of how to call it: a wrong name would be as bad."""
    return hashlib.sha256(repr((code.symbol, code.externals)).encode() + code.data).hexdigest()


def put(key: str, name: str, text: str, code: Code) -> bool:
    """Keep machine code; False if that is not possible here (a read-only or full disk)."""
    folder = _folder(key)
    if folder is None:
        return False
    about = {
        "format": FORMAT,
        "name": name,
        "symbol": code.symbol,
        "externals": list(code.externals),
        "seconds": round(code.seconds, 3),
        "sha256": _checksum(code),
        "made": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    try:
        for file, content in {
            "kernel.py": text.encode(),
            "kernel.o": code.data,
            "kernel.json": json.dumps(about, indent=1).encode(),  # last: it vouches for the others
        }.items():
            with atomically(folder / file) as temporary:
                temporary.write_bytes(content)
    except (OSError, DataFileError):
        return False
    return True


class UnwritableError(KernelError):
    """Machine code can't be kept where the cache should be."""


class Entry(NamedTuple):
    """A kernel in the cache."""

    name: str
    folder: Path
    size: int
    seconds: float
    made: str
    whole: bool


def entries() -> list[Entry]:
    """Everything in the cache, also what is damaged."""
    found = []
    try:
        folders = sorted(p for p in (directory() / "kernels").iterdir() if p.is_dir())
    except (OSError, ArgumentError):
        return []
    for folder in folders:
        about: dict[str, Any] = {}
        try:
            about = json.loads((folder / "kernel.json").read_bytes())
            size = sum(p.stat().st_size for p in folder.iterdir())
            seconds = float(about["seconds"])
        except UNREADABLE:
            size = sum(p.stat().st_size for p in folder.glob("*") if p.is_file())
            seconds = 0.0
        about = about if isinstance(about, dict) else {}
        whole = get(folder.name) is not None
        found.append(Entry(str(about.get("name", "?")), folder, size, seconds, str(about.get("made", "?")), whole))
    return found


def clear() -> int:
    """Remove all kernels from the cache; how many there were. Loaded ones go on working."""
    count = 0
    for entry in entries():
        shutil.rmtree(entry.folder, ignore_errors=True)
        count += not entry.folder.exists()
    return count
