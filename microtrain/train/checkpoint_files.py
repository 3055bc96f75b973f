"""Checkpoints on disk: one safetensors file each, and a pointer in JSON to the newest. Nothing in them is executed.

A folder has the last two checkpoints, `checkpoint-00000120.safetensors` (the number is the step), and
`checkpoint.json`, which names them. Each file is written under another name, flushed to the disk and then renamed; the
pointer last. So whenever the process dies, what the pointer names is whole.
"""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataFileError, MicrotrainError
from ..files import atomically, write_text
from ..tensor import Tensor
from ..weights import MissingFileError, load, save
from .fingerprint import fingerprint

POINTER = "checkpoint.json"
NAME = re.compile(r"checkpoint-\d{8,18}\.safetensors")
LONGEST = 1 << 20  # bytes of a pointer
LONGEST_HEADER = 1 << 25  # bytes of a file's description; Python needs some twenty times as much to read it
KIND, VERSION = "microtrain checkpoint", 1


def write_file(path: Path, content: Mapping[str, Any]) -> Path:
    """Write one checkpoint."""
    whole = {"kind": KIND, "version": VERSION, "fingerprint": fingerprint(content), "content": content}
    with atomically(path, durable=True) as temporary, open(temporary, "wb") as file:
        save(whole, file)
    return path


def write_newest(folder: Path, content: Mapping[str, Any], step: int) -> Path:
    """Write a checkpoint into a folder, make it the newest, and remove those older than the one before."""
    path = write_file(folder / f"checkpoint-{step:08d}.safetensors", content)
    before = next((name for name in _named(folder) if name != path.name and (folder / name).exists()), None)
    pointer = {"kind": KIND, "version": VERSION, "newest": path.name, "before": before}
    write_text(folder / POINTER, json.dumps(pointer, indent=1), durable=True)
    for other in present(folder):
        if other.name not in (path.name, before):
            other.unlink(missing_ok=True)
    return path


def present(folder: Path) -> list[Path]:
    """The checkpoints in a folder, that of the last step first."""
    found = [path for path in folder.glob("checkpoint-*.safetensors") if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem.partition("-")[2]), reverse=True)


def read(path: Path) -> dict[str, Any]:
    """The content of a file, or of the newest readable one in a folder."""
    if not path.is_dir():
        return read_file(path)
    candidates = list(dict.fromkeys([*_named(path), *(found.name for found in present(path))]))
    if not candidates:
        raise MissingFileError(f"There is no checkpoint in the folder {path}.")
    problems: list[str] = []
    for name in candidates:
        try:
            content = read_file(path / name)
        except MicrotrainError as error:
            problems.append(error.what)
            continue
        if problems:
            warnings.warn(f"{' '.join(problems)} Going on from {name} instead.", UserWarning, stacklevel=4)
        return content
    raise DataFileError(f"None of the checkpoints in {path} can be read. {problems[0]}")


def _named(folder: Path) -> list[str]:
    """The files that the pointer names, the newest first; none if it is missing or broken."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        with open(folder / POINTER, encoding="utf-8") as file:
            pointer = json.loads(file.read(LONGEST))
        if isinstance(pointer, dict):
            names = [pointer.get("newest"), pointer.get("before")]
            return [name for name in names if isinstance(name, str) and NAME.fullmatch(name)]
    return []


def read_file(path: Path) -> dict[str, Any]:
    """Read one checkpoint and check that not a bit of it has changed. Raises `DataFileError`."""
    try:
        _check_size(path)
        whole = load(path)
    except MemoryError:
        raise DataFileError(f"{path} is too large for this computer's memory.") from None
    if not isinstance(whole, dict) or whole.get("kind") != KIND:
        raise DataFileError(f"{path} is no checkpoint, though it is a file of tensors.", fix="Read it with mt.load().")
    if whole.get("version") != VERSION:
        raise DataFileError(f"{path} was written by another version of microtrain.", fix="Read it with that version.")
    content = whole.get("content")
    if not isinstance(content, dict) or whole.get("fingerprint") != fingerprint(content):
        raise DataFileError(f"{path} is damaged: its fingerprint does not fit its content.", fix=f"Delete {path.name}.")
    problem = _problem(content)
    if problem:
        raise DataFileError(f"{path} is not a checkpoint as `Checkpoint.save` writes it: {problem}.")
    return content


def _check_size(path: Path) -> None:
    """A description that is too long to read is not read."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if LONGEST_HEADER < length <= path.stat().st_size:
            raise DataFileError(f"{path} has a description of {length:,} bytes, which no checkpoint has.")


def _problem(content: Mapping[str, Any]) -> str:
    """What is wrong with the parts; whether they fit model and optimizer shows when they are put back."""
    kinds = {"step": int, "model": dict, "frozen": list, "loader": dict, "random": dict, "more": dict}
    for name, kind in kinds.items():
        if type(content.get(name)) is not kind:
            return f"'{name}' should be of type {kind.__name__}"
    if content["step"] < 0:
        return "the step is negative"
    if not all(isinstance(name, str) and isinstance(t, Tensor) for name, t in content["model"].items()):
        return "the model is not made of named tensors"
    optimizer = content.get("optimizer")
    if optimizer is not None and not (isinstance(optimizer, dict) and isinstance(optimizer.get("kind"), str)):
        return "the optimizer has no name"
    return ""
