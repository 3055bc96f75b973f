"""What programs for PyTorch ask of the module itself: limits of dtypes, printing, random state, switches."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DtypeError, UnsupportedError
from ..ops.shapes import common_shape
from ..random import default_generator
from ..show import PRINTING
from ..tensor import Tensor
from .devices import CPU, device


def finfo(dtype: Any = None) -> Any:
    """The limits of a floating-point dtype: eps, tiny, min, max, bits, resolution."""
    kind = dtypes.parse(dtype) or dtypes.get_default_dtype()
    if kind.kind != "f":
        raise DtypeError(f"finfo() is for floats, not {kind}.", fix="Use iinfo().")
    return np.finfo(kind)


def iinfo(dtype: Any) -> Any:
    """The limits of an integer dtype: min, max, bits."""
    kind = dtypes.parse(dtype)
    if kind is None or kind.kind not in "iu":
        raise DtypeError(f"iinfo() is for integers, not {kind}.", fix="Use finfo().")
    return np.iinfo(kind)


def promote_types(type1: Any, type2: Any) -> np.dtype[Any]:
    """The smallest dtype that holds both, as NumPy sees it."""
    return np.promote_types(dtypes.parse(type1), dtypes.parse(type2))  # type: ignore[arg-type]


def result_type(tensor1: Any, tensor2: Any) -> np.dtype[Any]:
    """The dtype of the sum of two tensors or numbers."""
    return np.result_type(*(x._data if isinstance(x, Tensor) else x for x in (tensor1, tensor2)))


def can_cast(from_: Any, to: Any) -> bool:
    """May a result of one dtype be written into a tensor of another?"""
    return bool(np.can_cast(dtypes.parse(from_), dtypes.parse(to), "same_kind"))  # type: ignore[arg-type]


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print: digits, from how many elements on the middle is left out, how many are shown at each end."""
    if profile is not None:
        PRINTING.clear()
        PRINTING.update({"default": {}, "full": {"threshold": 10**9}, "short": {"precision": 2}}[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "max_line_width": linewidth}
    PRINTING.update({key: value for key, value in given.items() if value is not None})
    if sci_mode is not None:
        PRINTING["suppress_small"] = not sci_mode


def get_rng_state() -> dict[str, Any]:
    """Where the default generator stands."""
    return default_generator.get_state()


def set_rng_state(new_state: dict[str, Any]) -> None:
    """Let the default generator go on from where `get_rng_state` was called."""
    default_generator.set_state(new_state)


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def seed() -> int:
    """Seed the default generator with a number that nobody can foresee, and return it."""
    number = int.from_bytes(os.urandom(7), "little")
    default_generator.manual_seed(number)
    return number


def get_default_device() -> device:
    """The CPU."""
    return CPU


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted for PyTorch's sake: the same seed gives the same bits here in any case.

    So it is on one machine, whatever the number of threads, with the OpenBLAS that comes with NumPy. Of another BLAS
    (MKL, Accelerate) we can't set the threads: there it depends on that library.

    Raises `UnsupportedError` for False.
    """
    if not mode:
        raise UnsupportedError("Results can't be made to vary: the same seed gives the same bits.", fix="Leave it out.")


def are_deterministic_algorithms_enabled() -> bool:
    """Yes, always."""
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted for PyTorch's sake: products of float32 are float32 here in any case."""


def set_num_threads(n: int) -> None:
    """Let the kernels of large arrays use up to n threads; results do not depend on it."""
    from ..kernels import pool

    pool.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads the kernels of large arrays may use."""
    from ..kernels import pool

    return pool.get_num_threads()


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """What these shapes broadcast to. Raises `ShapeError` if they do not."""
    return common_shape([(s,) if isinstance(s, int) else tuple(s) for s in shapes], "broadcast_shapes()")


def is_complex(input: Any) -> bool:
    """No: tensors hold real numbers."""
    return False


def is_nonzero(input: Tensor) -> bool:
    """Is the only element not 0?"""
    return bool(input)
