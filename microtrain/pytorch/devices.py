"""The one device, the CPU; and what programs ask of the others before they settle for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..errors import ArgumentError
from ..ops.conversion import check_device


class device:  # noqa: N801 (PyTorch's name)
    """`device("cpu")`. Raises `UnsupportedError` for any other: computing happens on the CPU."""

    type = "cpu"

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        check_device(type)
        _, _, number = str(type).partition(":")
        if number and not number.isdigit():
            raise ArgumentError(f"device({type!r}): after the colon comes a number.")
        self.index = int(number) if number else index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type='{self.type}'{'' if self.index is None else f', index={self.index}'})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        return self

    def __exit__(self, *_: object) -> None:
        pass


CPU = device()


def _no(*_: Any) -> bool:
    return False


def _none(*_: Any) -> None:
    """Nothing to do without such a device."""


# `cuda.is_available()` is False, and what PyTorch ignores without a GPU is ignored here.
cuda = SimpleNamespace(
    is_available=_no, device_count=lambda: 0, manual_seed=_none, manual_seed_all=_none, empty_cache=_none
)
mps = SimpleNamespace(is_available=_no, is_built=_no, manual_seed=_none, empty_cache=_none)
xpu = SimpleNamespace(is_available=_no, device_count=lambda: 0, manual_seed=_none, manual_seed_all=_none)
accelerator = SimpleNamespace(is_available=_no, device_count=lambda: 0, current_accelerator=_none)
backends = SimpleNamespace(
    mps=mps,
    cuda=SimpleNamespace(is_built=_no, matmul=SimpleNamespace(allow_tf32=False)),
    cudnn=SimpleNamespace(is_available=_no, enabled=False, deterministic=True, benchmark=False, allow_tf32=False),
)
