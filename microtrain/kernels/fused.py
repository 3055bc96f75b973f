"""The kernels of one formula, and the choice whether to use one.

An elementwise `Primitive` has a `Fused` for its value (`kernel`) and one for each derivative (`vjp_kernels`). Called with
arrays it returns the result, or None where NumPy is to compute it: other dtypes, formulas with what kernels can't do, no
Numba.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import KernelError
from ..formula import Expr, in_order, trace
from . import tier
from .compiling import NoNumbaError

# What an operand is to a kernel, by its dtype (in the machine's byte order).
_ARRAYS = {np.dtype(np.float64): "d", np.dtype(np.float32): "f", np.dtype(bool): "?"}
_ALIGNED, _ROW_BY_ROW = 0x100, 0x1  # in `flags.num`
_NAMES = {"d": "float64", "f": "float32"}
SHARP = frozenset("sqrt rsqrt reciprocal log pow sign gt lt ge le eq ne".split())  # to these 0 and almost 0 differ


class _Kernels:
    """The kernels of a formula, made when first asked for."""

    def __init__(self, name: str, formula: Any) -> None:
        self.name, self.formula = name, formula
        self.kernels: dict[str, Any] = {}  # by the kinds of the operands; None: NumPy does it

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kernels": {}}  # machine code stays in its process: a copy makes kernels of its own

    def kernel_for(self, kinds: str) -> Any:
        """The kernel for operands of these kinds, or None."""
        try:
            return self.kernels[kinds]
        except KeyError:
            kernel = self.kernels[kinds] = self.make(kinds)
            return kernel

    def give_up(self, kinds: str, error: KernelError) -> None:
        """From now on NumPy computes operands of these kinds."""
        give_up(error)
        self.kernels[kinds] = None

    def make(self, kinds: str) -> Any:
        """A kernel for operands of these kinds, or None if there can't be one."""
        raise NotImplementedError


class Fused(_Kernels):
    """The kernels of a formula: a row of the table (its value), or a function that can be read with symbols."""

    def __call__(self, operands: Sequence[Any]) -> Any:
        """The value, or None if NumPy is to compute it. Some operand is an array of at least `tier.large` elements."""
        return self._run(operands, _value)

    def fold(self, operands: Sequence[Any], how: str, dim: tuple[int, ...], keepdim: bool) -> Any:
        """The "sum", "mean", "max" or "logsumexp" of the values over `dim`, or None if NumPy is to compute it.

        A kernel reduces over the last axes, or all; the values are not stored.
        """
        from .reductions import finished, rows_of

        shape = np.broadcast_shapes(*map(np.shape, operands))
        if not dim or sorted(dim) != list(range(len(shape) - len(dim), len(shape))):
            return None
        if how == "mean":
            total = self.fold(operands, "sum", dim, keepdim)
            return None if total is None else total / math.prod(shape[i] for i in dim)
        folded = self._run(operands, lambda kernel, *_: kernel.fold(operands, how, rows_of(shape, dim)))
        return None if folded is None else finished(folded, how, shape, dim, keepdim)

    def _run(self, operands: Sequence[Any], run: Callable[[Any, Sequence[Any], int, bool], Any]) -> Any:
        """`run(kernel, operands, size, alike)`, or None; see `kinds_of`."""
        kinds, most, alike = kinds_of(operands)
        if not kinds:
            return None
        kernel = self.kernel_for(kinds)
        if kernel is None or most < tier.least(kernel.source.single):
            return None
        try:
            return run(kernel, operands, most, alike)
        except KernelError as error:
            self.give_up(kinds, error)
        except (ValueError, OverflowError):
            pass  # shapes that do not go together, an integer that is no float: let NumPy say so
        return None

    def value(self, *operands: Any) -> Any:
        """The formula's value, by a kernel if possible, by NumPy else."""
        value = self(operands)
        return self.formula(*operands) if value is None else value

    def expression(self) -> tuple[list[Expr], Any]:
        """(symbols, expression) of the formula."""
        if not hasattr(self.formula, "inputs"):
            return trace(self.formula)
        from .writer import is_basic

        row = self.formula
        symbols = [Expr(name) for name in row.inputs]
        named = symbols, Expr(row.name, row, tuple(symbols))
        if is_basic(row):
            return named
        try:
            return trace(row.forward)
        except Exception:  # made of more than formulas: not for kernels
            return named

    def make(self, kinds: str) -> Any:
        from .kernel import Kernel
        from .source import kernel_source

        if kinds.count("d") + kinds.count("f") == 0 or ("d" in kinds.lower() and "f" in kinds.lower()):
            return None
        dtype = _NAMES["d" if "d" in kinds.lower() else "f"]
        try:
            symbols, value = self.expression()
            if not isinstance(value, Expr) or value.row is None:
                return None
            meaning = {"d": "array", "f": "array", "?": "booleans", "n": "number", "D": "number", "F": "scalar"}
            inputs = [(s, meaning[kind]) for s, kind in zip(symbols, kinds, strict=True)]
            out = "out"
            while any(s.name == out for s in symbols):
                out += "_"
            return Kernel(kernel_source(self.name, dtype, inputs, [(out, value)]))
        except Exception:  # what kernels can't do, or symbols can't read: it branches, or calls other functions
            return None


def _value(kernel: Any, operands: Sequence[Any], size: int, alike: bool) -> Any:
    return kernel.alone(operands, size) if alike and size < kernel.together else kernel(operands)


def kinds_with(fused: Fused, dtype: str) -> list[str]:
    """The kinds of operands that are usual for a formula: arrays, and numbers in the place of all but one."""
    from .source import booleans_in

    letter = "d" if dtype == "float64" else "f"
    try:
        symbols, value = fused.expression()
    except Exception:  # only arrays can read it
        return []
    boolean = booleans_in(value)
    arrays = "".join("?" if s in boolean else letter for s in symbols)
    if len(symbols) == 1:
        return [arrays]
    found = [arrays]
    for k, kind in enumerate(arrays):
        if k > 0 and kind != "?" and symbols[k].name not in ("g", "x", "y"):
            found.append(arrays[:k] + "n" + arrays[k + 1 :])
    if symbols[0].name != "g" and len(symbols) == 2:
        found.append("n" + arrays[1:])
    return found


class FusedUpdate(_Kernels):
    """The kernels of an update rule: they write the new values over the old ones.

    The formula takes arrays (`names`: what is updated and the gradient, second) and then numbers.
    """

    def __init__(self, name: str, formula: Any, names: Sequence[str]) -> None:
        super().__init__(name, formula)
        self.names = list(names)

    def __call__(self, p: Any, g: Any, state: Sequence[Any], hyper: Sequence[Any], memo: Any = None) -> bool:
        """Update p and the state in place; False if NumPy is to do it. `memo` is the caller's, for the next call."""
        prepared = memo.get(tier.name) if memo else None
        if prepared is not None and not tier.disabled and prepared.fits((p, *state), g, hyper):
            try:
                return prepared(g, hyper)  # type: ignore[no-any-return]
            except KernelError:  # there are more threads than last time, and they can't share: as below, then
                memo.clear()
        operands = [p, g, *state, *hyper]
        kinds, most, _ = kinds_of(operands)
        if not kinds:
            return False
        kernel = self.kernel_for(kinds)
        if kernel is None or most < tier.large_update or not _apart(operands[: len(self.names)]):
            return False
        try:
            kernel.write(operands, [])
        except KernelError as error:
            self.give_up(kinds, error)
            return False
        from .repeated import Repeated

        if memo is not None:
            memo[tier.name] = Repeated.of(kernel, (p, *state), g, hyper)
        return True

    def make(self, kinds: str) -> Any:
        from .kernel import Kernel
        from .source import kernel_source

        arrays, numbers = kinds[: len(self.names)], kinds[len(self.names) :]
        if set(arrays) not in ({"d"}, {"f"}) or not set(numbers) <= set("nD" if arrays[0] == "d" else "n"):
            return None
        try:
            symbols, outputs = trace(self.formula)
            inputs = [(s, "array" if k < len(arrays) else "number") for k, s in enumerate(symbols)]
            targets = [symbols[0].name, *(s.name for s in symbols[2 : len(arrays)])]
            if len(outputs) > len(targets):  # fewer are right: state after them stays as it is
                return None  # NumPy's update says what is wrong
            outputs = [outputs[0], *settled(outputs[0], outputs[1:], symbols[2:], _NAMES[arrays[0]])]
            return Kernel(
                kernel_source(
                    self.name, _NAMES[arrays[0]], inputs, list(zip(targets, outputs, strict=False)), in_place=True
                )
            )
        except Exception:
            return None


def settled(new: Any, state: Sequence[Any], before: Sequence[Any], dtype: Any) -> list[Any]:
    """New values of an optimizer's state, with 0 for what is below the smallest normal number of the dtype.

    Where a gradient stays 0 (a unit that is dead, a loss that is down to 0), averages of it dwindle to such subnormal
    numbers and stay there, and the processor takes some 30 times as long for arithmetic with them. State that the new
    value of the parameter, `new`, takes a root of, is divided by or decides by is left as it is: there 0 and almost 0
    are not the same. `before` is what the state was.
    """
    from ..ops.primitive import TABLE

    where, least = TABLE["where"], float(np.finfo(dtype).tiny)
    sharp = [a for e in in_order([new]) for a in (e.args[1:] if e.name == "div" else e.args if e.name in SHARP else ())]
    left = set(in_order([a for a in sharp if isinstance(a, Expr)]))
    return [
        where(abs(e) < least, 0.0, e) if isinstance(e, Expr) and left.isdisjoint((e, old)) else e
        for e, old in zip(state, before, strict=False)
    ]


def _apart(arrays: Sequence[Any]) -> bool:
    """Are these of one shape, dense in the same way, and without common memory?"""
    first = arrays[0]
    for k, x in enumerate(arrays):
        if x.shape != first.shape or not x.flags.c_contiguous:
            return False
        if any(np.may_share_memory(x, other) for other in arrays[:k]):
            return False
    return True


def kinds_of(operands: Sequence[Any]) -> tuple[str, int, bool]:
    """(a letter for each operand, the elements of the largest array, have all arrays one shape and lie row by row?).

    ("", 0, False) if kernels can't deal with one of them. d, f, ? are arrays of float64, float32 and booleans, n a Python
    number, D and F single NumPy numbers.
    """
    kinds, most, alike, shape = "", 0, True, None
    for x in operands:
        kind = x.__class__
        if kind is np.ndarray:
            letter, flags = _ARRAYS.get(x.dtype), x.flags.num
            if letter is None or not flags & _ALIGNED:
                return "", 0, False
            if x.ndim:
                kinds += letter
                if x.shape != shape:
                    if not x.size:
                        return "", 0, False
                    alike, shape = alike and shape is None, x.shape
                    most = max(most, x.size)
                if not flags & _ROW_BY_ROW:
                    alike = False
            elif letter == "?":
                return "", 0, False
            else:
                kinds += letter.upper()
        elif kind is float or kind is int:
            kinds += "n"
        elif kind is np.float64:
            kinds += "D"
        elif kind is np.float32:
            kinds += "F"
        else:
            return "", 0, False
    return (kinds, most, alike) if most else ("", 0, False)


def give_up(error: KernelError) -> None:
    """Say in one line that a kernel can't be had and why. Without Numba (or a working one) no other is tried."""
    everything = isinstance(error, NoNumbaError)
    if everything:
        tier.disable()
    line = f"microtrain: {error.what} NumPy computes {'everything' if everything else 'it'} instead, slower."
    if line not in _said:
        _said.add(line)
        if sys.stderr is not None:
            print(line, file=sys.stderr)


_said: set[str] = set()
