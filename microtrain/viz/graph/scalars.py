"""A tensor operation as the arithmetic of single numbers that it consists of: a 2x3 matmul as its products and sums.

Nothing is written down here for any operation. A row's own `forward` is run on arrays whose elements are recording
numbers: each carries its value and remembers what it was made of. Elementwise rows are done element by element, and
NumPy's functions on such arrays (`np.matmul`, `np.add.reduce` ...) come down to elementwise rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...engine.quiet import quiet, restore
from ...errors import ArgumentError
from ...formula import F
from ...ops.primitive import TABLE, Primitive

MOST = 1000  # numbers in one opened box


class Scalar:
    """A number that remembers the operation that made it, as in micrograd."""

    __slots__ = ("args", "grad", "key", "row", "tape", "value")
    __array_ufunc__ = None  # arrays leave operators with a Scalar to it
    __hash__ = object.__hash__  # by identity, although `==` is an operation

    def __init__(self, value: Any, tape: list[Scalar], row: Any = None, args: tuple[Any, ...] = ()) -> None:
        self.value, self.tape, self.row, self.args = value, tape, row, args
        self.grad: Any = None
        self.key = ""
        if row is not None:
            tape.append(self)
            if len(tape) > MOST:
                raise ArgumentError(f"It consists of more than {MOST:,} operations on single numbers.")

    def _do(self, name: str, *args: Any) -> Any:
        return done(TABLE[name], self.tape, args)

    def __bool__(self) -> bool:
        raise _UntraceableError("it decides by the value of an element")

    __float__ = __int__ = __index__ = __complex__ = __bool__


class _UntraceableError(TypeError):
    """The operation does something that single numbers cannot follow."""


def _operator(name: str, reflected: bool = False) -> Callable[[Scalar, Any], Any]:
    if reflected:
        return lambda self, other: self._do(name, other, self)
    return lambda self, other: self._do(name, self, other)


for _symbol, _row in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow"}.items():
    setattr(Scalar, f"__{_symbol}__", _operator(_row))
    setattr(Scalar, f"__r{_symbol}__", _operator(_row, reflected=True))
for _symbol in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Scalar, f"__{_symbol}__", _operator(_symbol))
for _symbol in ("neg", "abs"):
    setattr(Scalar, f"__{_symbol}__", lambda self, row=_symbol: self._do(row, self))


def done(row: Primitive, tape: list[Scalar], args: Sequence[Any]) -> Any:
    """One elementwise row done on single numbers; recorded if one of them is."""
    if not any(isinstance(a, Scalar) for a in args):
        return row.forward(*args)
    values = [a.value if isinstance(a, Scalar) else a for a in args]
    value = row.forward(*values)
    return Scalar(value, tape, row, tuple(args))


REDUCTIONS: dict[Any, np.ufunc] = {
    np.sum: np.add, np.max: np.maximum, np.amax: np.maximum, np.min: np.minimum, np.amin: np.minimum,
    np.prod: np.multiply,
}  # fmt: skip


class Numbers(np.ndarray):
    """An array of recording numbers. It says that it is of float64, because that is what it stands for."""

    tape: list[Scalar]

    def __array_finalize__(self, other: Any) -> None:
        self.tape = getattr(other, "tape", [])

    @property
    def dtype(self) -> Any:
        return np.dtype(np.float64)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        if np.dtype(dtype).kind != "f":
            raise _UntraceableError(f"it converts to {np.dtype(dtype)}")
        return self.copy()

    @property
    def mT(self) -> Any:  # noqa: N802
        return self.swapaxes(-1, -2)

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **_: Any) -> Any:  # type: ignore[override]
        return _reduce(np.add, self, axis, keepdims)

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False, **_: Any) -> Any:  # type: ignore[override]
        return _reduce(np.maximum, self, axis, keepdims)

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False, **_: Any) -> Any:  # type: ignore[override]
        return _reduce(np.minimum, self, axis, keepdims)

    def prod(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **_: Any) -> Any:  # type: ignore[override]
        return _reduce(np.multiply, self, axis, keepdims)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "reduce":
            axis = options.get("axis", 0)
            return _reduce(ufunc, inputs[0], axis, options.get("keepdims", False))
        if method == "accumulate":
            return _accumulate(ufunc, inputs[0], options.get("axis", 0))
        if method == "at" and ufunc is np.add:
            target, index, values = inputs
            np.add.at(np.asarray(target), index, np.asarray(values))
            return None
        if method != "__call__":
            raise _UntraceableError(f"it uses {ufunc.__name__}.{method}")
        if ufunc is np.matmul:
            result = _matmul(*inputs)
        else:
            row = F._row_of(ufunc)
            if row is None:
                raise _UntraceableError(f"it uses np.{ufunc.__name__}")
            result = elementwise(row, inputs, self.tape)
        if out is not None:
            out[0][...] = result
            return out[0]
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        reduction = REDUCTIONS.get(function)
        if reduction is not None:
            axis = kwargs.get("axis", args[1] if len(args) > 1 else None)
            return _reduce(reduction, args[0], axis, bool(kwargs.get("keepdims", False)))
        if function is np.where and len(args) == 3:
            return elementwise(TABLE["where"], args, self.tape)
        if function is np.clip:
            return elementwise(TABLE["clamp"], args, self.tape)
        if function is np.einsum:
            kwargs["optimize"] = False
        if function.__module__ == "numpy.linalg":
            raise _UntraceableError(f"LAPACK's {function.__name__} computes it, not arithmetic on elements")
        if function in (np.sort, np.argsort, np.partition, np.median, np.argmax, np.argmin, np.nonzero):
            raise _UntraceableError(f"np.{function.__name__} decides by the values of the elements")
        plain = [np.asarray(a) if isinstance(a, Numbers) else a for a in args]
        if args and isinstance(args[0], (list, tuple)):
            plain[0] = type(args[0])(np.asarray(a) if isinstance(a, Numbers) else a for a in args[0])
        result = function(*plain, **kwargs)
        return numbers(result, self.tape) if isinstance(result, np.ndarray) and result.dtype == object else result


def numbers(array: Any, tape: list[Scalar]) -> Numbers:
    """An object array as recording numbers."""
    result = np.asarray(array, dtype=object).view(Numbers)
    result.tape = tape
    return result


def elementwise(row: Primitive, inputs: Sequence[Any], tape: list[Scalar]) -> Numbers:
    """An elementwise row on arrays of recording numbers."""
    arrays = np.broadcast_arrays(*[np.asarray(x) if not isinstance(x, Scalar) else _cell(x) for x in inputs])
    result = np.empty(arrays[0].shape, dtype=object)
    for index in np.ndindex(result.shape):
        result[index] = done(row, tape, [a[index] for a in arrays])
    return numbers(result, tape)


def _cell(x: Any) -> Any:
    cell = np.empty((), dtype=object)
    cell[()] = x
    return cell


def _reduce(ufunc: np.ufunc, x: Any, axis: Any, keepdims: bool) -> Any:
    """One element after the other along some axes."""
    x = numbers(x, x.tape)
    axes = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis) % max(1, x.ndim))
    row = F._row_of(ufunc)
    if row is None:
        raise _UntraceableError(f"it uses np.{ufunc.__name__}.reduce")
    plain = np.moveaxis(np.asarray(x), axes, range(len(axes)))
    flat = plain.reshape(-1, *plain.shape[len(axes) :])
    if flat.shape[0] == 0:
        raise _UntraceableError("there is nothing in it")
    total = numbers(flat[0], x.tape)
    for part in flat[1:]:
        total = elementwise(row, [total, part], x.tape)
    if keepdims:
        return total.reshape(tuple(1 if i in axes else n for i, n in enumerate(x.shape)))
    return total


def _accumulate(ufunc: np.ufunc, x: Any, axis: int) -> Numbers:
    row = F._row_of(ufunc)
    parts = np.moveaxis(np.asarray(x), axis, 0)
    totals = [numbers(parts[0], x.tape)]
    for part in parts[1:]:
        totals.append(elementwise(row, [totals[-1], part], x.tape))
    return numbers(np.moveaxis(np.array([np.asarray(t) for t in totals], dtype=object), 0, axis), x.tape)


def _matmul(a: Any, b: Any) -> Any:
    tape = a.tape if isinstance(a, Numbers) else b.tape
    plain = np.matmul(_objects(a), _objects(b))
    return numbers(plain if isinstance(plain, np.ndarray) else _cell(plain), tape)


def _objects(x: Any) -> Any:
    return np.asarray(x).astype(object)


def trace_scalars(
    row: Primitive, params: dict[str, Any], inputs: Sequence[Any], traced: Sequence[bool], expected: Any
) -> tuple[list[Numbers | None], np.ndarray, list[Scalar]]:
    """Do a row on recording numbers: (the elements of each traced input, those of the output, all that was done).

    `expected` is what the row gave on the same inputs. Raises `ArgumentError` saying why where it can't be done.
    """
    tape: list[Scalar] = []
    sizes = [np.size(x) for x, t in zip(inputs, traced, strict=True) if t] + [np.size(expected)]
    if max(sizes) > MOST:
        raise ArgumentError(f"'{row.name}' can't be opened: it has {max(sizes):,} elements.", fix=FIX)
    if min(sizes) == 0:
        raise ArgumentError(f"'{row.name}' can't be opened: there is nothing in it.", fix=FIX)
    elements: list[Any] = []
    for x, t in zip(inputs, traced, strict=True):
        if not t:
            elements.append(None)
            continue
        array = np.empty(np.shape(x), dtype=object)
        for index in np.ndindex(array.shape):
            array[index] = Scalar(np.asarray(x)[index], tape)
        elements.append(numbers(array, tape))
    token = quiet()
    try:
        arguments = [e if e is not None else x for e, x in zip(elements, inputs, strict=True)]
        if row.elementwise:
            output: Any = elementwise(row, arguments, tape)
        else:
            plain = {k: v for k, v in params.items() if k != "saved"}
            output = row.forward(*arguments, **plain)
    except ArgumentError as error:
        raise ArgumentError(f"'{row.name}' can't be opened. {error.what}", fix=FIX) from None
    except _UntraceableError as error:
        raise ArgumentError(f"'{row.name}' can't be opened: {error}.", fix=FIX) from None
    except Exception as error:  # NumPy's own refusals of arrays of objects
        raise ArgumentError(
            f"'{row.name}' can't be opened: its computation does not run on single numbers.",
            f"{type(error).__name__}: {error}",
            FIX,
        ) from None
    finally:
        restore(token)
    result = np.asarray(output if not isinstance(output, Scalar) else _cell(output))
    values = np.array([e.value if isinstance(e, Scalar) else e for e in result.reshape(-1)], dtype=float)
    wanted = np.asarray(expected, dtype=float).reshape(-1)
    if values.shape != wanted.shape or not np.allclose(values, wanted, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise ArgumentError(f"'{row.name}' can't be opened: on single numbers it gives another result.", fix=FIX)
    return elements, result, tape


FIX = "Boxes are opened for small tensors and operations that are arithmetic on their elements; this one stays closed."


def send_back(tape: Sequence[Scalar], output: np.ndarray, gradient: Any) -> None:
    """Fill in the gradients of all numbers, from that of the output."""
    for element, g in zip(output.reshape(-1), np.asarray(gradient).reshape(-1), strict=True):
        if isinstance(element, Scalar):
            element.grad = g if element.grad is None else element.grad + g
    token = quiet()
    try:
        for scalar in reversed(tape):
            if scalar.grad is None:
                continue
            mask = sum(1 << i for i, a in enumerate(scalar.args) if isinstance(a, Scalar))
            plan = scalar.row.plans.get(mask) or scalar.row.plan(mask, len(scalar.args))
            values = [np.float64(a.value) if isinstance(a, Scalar) else a for a in scalar.args]
            kept = plan.pick([*values, scalar.value])
            for place, i in enumerate(plan.wanted):
                g = plan.vjps[place](np.float64(scalar.grad), kept, {})
                argument = scalar.args[i]
                argument.grad = g if argument.grad is None else argument.grad + g
    finally:
        restore(token)
