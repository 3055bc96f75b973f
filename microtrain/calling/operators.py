"""Gives `Tensor` its operators and methods from the operation table, and makes the public functions."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes, ops, random  # noqa: F401
from ..engine import views
from ..engine.backward import backward, register_hook, retain_grad
from ..engine.node import serial
from ..engine.recording import MODE
from ..errors import DtypeError, MicrotrainError
from ..formula import Operand
from ..functions import arranging, composed, counting, sampling, statistics, typed  # noqa: F401
from ..ops import arithmetic, comparison, indexing, products, shapes
from ..ops.primitive import FUNCTIONS, INPLACE, METHODS, Primitive
from ..show import short
from ..tensor import Tensor, wrap
from . import inplace  # noqa: F401
from .failures import explain_failure
from .numpy_protocol import array_function, array_ufunc
from .signatures import FOREIGN, explained, first_name, inputs_of, refuse_call

OPERANDS = (Tensor, int, float, np.ndarray, np.generic)

BINARY = {
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "truediv": arithmetic.div,
    "floordiv": arithmetic.floor_divide,
    "mod": arithmetic.remainder,
    "pow": arithmetic.pow,
    "matmul": products.matmul,
    "and": comparison.bitwise_and,
    "or": comparison.bitwise_or,
    "xor": comparison.bitwise_xor,
    "lshift": comparison.bitwise_left_shift,
    "rshift": comparison.bitwise_right_shift,
}
SYMBOLS = {
    "add": "+=", "sub": "-=", "mul": "*=", "truediv": "/=", "floordiv": "//=", "mod": "%=", "pow": "**=",
    "matmul": "@=", "and": "&=", "or": "|=", "xor": "^=",
    "lshift": "<<=", "rshift": ">>=",
}  # fmt: skip
COMPARISON = {
    "eq": comparison.eq,
    "ne": comparison.ne,
    "lt": comparison.lt,
    "le": comparison.le,
    "gt": comparison.gt,
    "ge": comparison.ge,
}
UNARY = {"neg": arithmetic.neg, "pos": arithmetic.positive, "abs": arithmetic.abs, "invert": comparison.bitwise_not}


LIBRARIES = {"torch", "jax", "jaxlib", "tensorflow"}  # whose tensors come along with programs that are carried over


def _not_ours(other: Any) -> Any:
    """`NotImplemented`: Python asks the other. It would say nothing about another library's tensor than its name."""
    library = type(other).__module__.partition(".")[0]
    if library in LIBRARIES and hasattr(other, "shape"):
        raise DtypeError(
            f"A tensor of microtrain can't be combined with one of {library}.",
            "Each library has its own graph.",
            "Convert it: mt.tensor(np.asarray(x)), and PyTorch's mt.tensor(x.detach().numpy()).",
        )
    return NotImplemented


def _binary(row: Primitive) -> Callable[[Tensor, Any], Any]:
    apply = Tensor.apply

    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, OPERANDS):
            return _not_ours(other)
        return apply(row, self, other)

    return method


def _reflected(row: Primitive) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, OPERANDS):
            return _not_ours(other)
        return Tensor.apply(row, other, self)

    return method


def _inplace(row: Primitive, symbol: str) -> Callable[[Tensor, Any], Any]:
    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, OPERANDS):
            return _not_ours(other)
        return self.overwrite(Tensor.apply(row, self, other), symbol)

    return method


def _inplace_method(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        since = serial()
        return self.overwrite(function(self, *args, **kwargs), name, since)

    method.__doc__ = f"`{name[:-1]}`, written into this tensor's own memory."
    return method


def _method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`Tensor.name`."""
    if not isinstance(function, Primitive):
        return _called(name, explained(name, function), "Tensor.")
    apply = Tensor.apply

    def of_one(self: Tensor, *others: Any, **named: Any) -> Tensor:
        if others or named:
            inputs_of(function, name, (self, *others), named)
        return apply(function, self)

    def of_two(self: Tensor, *others: Any, **named: Any) -> Tensor:
        if named or len(others) != 1 or others[0] is None:
            others = inputs_of(function, name, (self, *others), named)[1:]
        return apply(function, self, others[0])

    method = of_one if len(function.inputs) == 1 else of_two
    method.__doc__ = _described(function)
    return _called(name, method, "Tensor.")


def _public(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`microtrain.name`: like the method, but arrays, lists and numbers are made tensors first."""
    first = first_name(function)
    if isinstance(function, Primitive):
        apply, count = Tensor.apply, len(function.inputs)

        def call(*args: Any, **kwargs: Any) -> Any:
            if len(args) != count or kwargs or args[-1] is None:
                args = inputs_of(function, name, args, kwargs)
            if not isinstance(args[0], Tensor):
                args = _with_tensors(args, first)
                if not any(isinstance(x, Tensor) for x in args):
                    return function(*args)  # symbols, inside a formula
            return apply(function, *args)

        call.__doc__ = _described(function)
    else:

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not args and first in kwargs:
                args = (kwargs.pop(first),)
            if args and not isinstance(args[0], Tensor):
                args = _with_tensors(args, first)
            try:
                return function(*args, **kwargs)
            except MicrotrainError:
                raise
            except FOREIGN as error:
                refuse_call(name, function, args, kwargs, error)

    return _called(name, call)


def _described(row: Primitive) -> str:
    return f"Elementwise: {row.tex}" + (f" ({row.note})" if row.note else "")


def _called(name: str, function: Callable[..., Any], owner: str = "") -> Callable[..., Any]:
    """The function under its public name, in tracebacks too."""
    function.__code__ = function.__code__.replace(co_name=name)
    function.__name__, function.__qualname__, function.__module__ = name, owner + name, "microtrain"
    return function


def _special(name: str, method: Callable[..., Any]) -> None:
    """Give `Tensor` what Python calls for an operator."""
    setattr(Tensor, name, _called(name, method, "Tensor."))


def _with_tensors(args: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Arguments with a tensor among them, for `mt.exp([1.0, 2.0])` and `mt.cat([array, array])`.

    `name` is what the function calls its first argument.
    """
    first, *rest = args
    if name == "tensors" and isinstance(first, (list, tuple)):
        return ([x if isinstance(x, Operand) else wrap(dtypes.to_array(x)) for x in first], *rest)
    if name == "equation" or any(isinstance(x, Operand) for x in args):
        return args
    if first is None:
        raise DtypeError("The first argument is None, not a tensor.", fix="Does a function forget its return?")
    return (wrap(dtypes.to_array(first)), *rest)


def _getitem(self: Tensor, index: Any) -> Any:
    index = _plain_index(index, self)
    steps = indexing.numbers_first(index) if type(index) is tuple else None
    if steps is not None:
        self, index = indexing.get_part(self, steps[0]), steps[1]
    return indexing.get_part(self, index)


def _setitem(self: Tensor, index: Any, value: Any) -> None:
    index = _plain_index(index, self)
    steps = indexing.numbers_first(index) if type(index) is tuple else None
    if steps is not None:
        self, index = indexing.get_part(self, steps[0]), steps[1]
    if not isinstance(value, Tensor):
        if value is None:
            raise DtypeError("None can't be written into a tensor.", fix="For what is missing there is float('nan').")
        value = np.asarray(dtypes.operand(value))
        if self.dtype.kind == "b" and value.ndim == 0 and value in (0, 1):
            value = value.astype(np.bool_)
    elif value._view is not None and value._view.base is self and _same_memory(value._data, self._array()[index]):
        return  # the second half of `t[index] += x`: it is written already
    if not np.can_cast(value.dtype, self.dtype, "same_kind"):
        raise DtypeError(
            f"{short(value._data if isinstance(value, Tensor) else value)} can't be written into a tensor of dtype "
            f"{self.dtype} without loss.",
            fix=f"Convert it first: value.to({self.dtype}), or make the tensor floating point.",
        )
    tracked = isinstance(value, Tensor) and value.requires_grad
    mode = MODE.get()
    recorded = mode.listeners or (mode.grad and (tracked or self.requires_grad))
    if not recorded and isinstance(value, Tensor):
        value = value._data
    if value.ndim and value.shape[0] == 1:
        value = _without_leading_ones(value, self._data, index)
    if recorded:
        self.overwrite(Tensor.apply(indexing.setitem_row, self, value, index=index), "setitem")
        return
    memory = views.writable(self, "setitem")
    try:
        memory[index] = value
    except (ValueError, TypeError, IndexError) as error:
        raise explain_failure(indexing.setitem_row, [memory, value], {"index": index}, error) from None
    views.count_write(self, "setitem", 3)


def _same_memory(a: np.ndarray[Any, Any], b: Any) -> bool:
    if not isinstance(b, np.ndarray) or (a.shape, a.strides) != (b.shape, b.strides):
        return False
    return a.ctypes.data == b.ctypes.data


def _without_leading_ones(value: Any, whole: Any, index: Any) -> Any:
    """A (1, 3) can be written into a (3,), and a (1,) into one element; the gradient has to find its way back."""
    try:
        extra = value.ndim - whole[index].ndim
    except IndexError:
        return value  # the write will say it
    return value.reshape(value.shape[extra:]) if extra > 0 and value.shape[:extra] == (1,) * extra else value


def _plain_index(index: Any, tensor: Tensor) -> Any:
    """The index with tensors, lists and arrays as arrays of its own, so that nobody can change it later."""
    if isinstance(index, tuple):
        return tuple(_plain_index(list(part) if type(part) is tuple else part, tensor) for part in index)
    if isinstance(index, (int, np.integer)) or index is None or index is Ellipsis:
        return index
    if isinstance(index, slice):
        ends = [n for n in (index.start, index.stop, index.step) if n is not None]
        if not all(hasattr(n, "__index__") for n in ends):
            raise DtypeError(f"A slice is made of whole numbers, not {index.start}:{index.stop}:{index.step}.")
        return slice(*(None if n is None else operator.index(n) for n in (index.start, index.stop, index.step)))
    raw = np.array(index._data if isinstance(index, Tensor) else index)
    for listener in MODE.get().listeners:
        if hasattr(listener, "copied"):
            listener.copied(index, raw)
    if raw.dtype.kind == "f" and raw.size == 0:
        raw = raw.astype(np.intp)
    if raw.dtype.kind not in "iub":
        raise DtypeError(
            f"A tensor can't be indexed by {type(index).__name__} with dtype {raw.dtype}.",
            fix="Use integers, slices, None, ..., or integer and boolean tensors (index.long()).",
        )
    return int(raw) if raw.ndim == 0 and raw.dtype.kind != "b" else raw


def install() -> dict[str, Callable[..., Any]]:
    """Set everything on `Tensor`; returns the public functions by name."""
    for name, row in BINARY.items():
        _special(f"__{name}__", _binary(row))
        _special(f"__r{name}__", _reflected(row))
        _special(f"__i{name}__", _inplace(row, SYMBOLS[name]))
    for name, row in COMPARISON.items():
        _special(f"__{name}__", _binary(row))
    for name, row in UNARY.items():
        setattr(Tensor, f"__{name}__", _method(f"__{name}__", row))
    for name, function in METHODS.items():
        setattr(Tensor, name, _method(name, function))
    for name in INPLACE & METHODS.keys():
        setattr(Tensor, f"{name}_", _inplace_method(_method(f"{name}_", METHODS[name]), f"{name}_"))
    for name, getter in {
        "T": lambda self: shapes.permute(self, dims=tuple(range(self.ndim))[::-1]),
        "mT": shapes.matrix_transpose,
    }.items():
        setattr(Tensor, name, property(getter))
    for name, special in {
        "__getitem__": _getitem,
        "__setitem__": _setitem,
        "__array_ufunc__": array_ufunc,
        "__array_function__": array_function,
        "backward": backward,
        "register_hook": register_hook,
        "retain_grad": retain_grad,
    }.items():
        setattr(Tensor, name, special)
    return {name: _public(name, function) for name, function in FUNCTIONS.items()}


PUBLIC = install()  # microtrain's functions by name
