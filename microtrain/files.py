"""Writing files so that nothing is lost: to a temporary name in the same folder, then renamed."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import DataFileError


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise `DataFileError` if a file is where this folder is, or is to be made."""
    path = Path(path)
    for place in (path, *path.parents):
        if place.exists():
            if not place.is_dir():
                raise DataFileError(f"{place} is a file, not a folder.", fix="Choose another folder.")
            return


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder, and see that files can be written there. Raises `DataFileError`, with the reason, if not."""
    check_folder(path)
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        reason = error.strerror or error
        raise DataFileError(f"Nothing can be written to {path} ({reason}).", fix="Choose another folder.") from error


@contextlib.contextmanager
def atomically(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[Path]:
    """Gives a temporary path to write to; when the block ends well it becomes `path`, else it is removed.

    Whoever reads `path` sees the old file or the whole new one, never half of it. With `durable` this holds after a
    power failure too, at the price of waiting for the disk.
    """
    target = Path(path)
    check_folder(target.parent)
    with _named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files
        if durable:
            _flush(temporary)
        with _named(target):
            temporary.replace(target)
        if durable and os.name == "posix":  # elsewhere a folder can't be opened
            _flush(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _named(target: Path) -> Iterator[None]:
    """Errors name the file that was wanted, not the temporary one, of which nobody has heard."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None


def _flush(path: Path) -> None:
    """Wait until what was written is on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = False) -> None:
    """Write a text file, UTF-8, atomically."""
    with atomically(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")


LEFTOVER = re.compile(r"\.[\w-]+-[a-z0-9_]{8}\.(json|csv|safetensors)")


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files of `atomically` that a process left behind when it was killed."""
    for path in Path(folder).iterdir():
        if LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[bool]:
    """Holds a folder for this process alone; gives False if another one has it. The lock ends with the process.

    Where the system has no such locks (Windows) it is always True.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    with open(Path(folder) / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:  # a network file system without locks
            pass
        yield True
