"""What a row of the operation table is.

A row gives an operation's value on arrays (`forward`) and, for each input, the vector-Jacobian product (`vjp`): the
gradient that arrives at the output, `g`, turned into the gradient of that input. For example

    mul = elementwise("mul", lambda a, b: a * b, [lambda g, b: g * b, lambda g, a: g * a], tex="{a} {b}")
    tanh = elementwise("tanh", np.tanh, [lambda g, y: g * (1 - y * y)], tex=r"\\tanh {x}")

The parameter names of a vjp say what it needs, and only that is kept for the backward pass:

    g                  the gradient of the output
    y                  the output
    a, b, x ...        an input, by the name it has in `forward`
    x_shape, y_shape   the shape of an input or of the output (keeps no memory alive)
    xs, i              where `forward` takes any number of inputs (*xs): all of them, and which one this is about
    dim, keepdim ...   a keyword parameter of `forward`

The list of vjps may be `()`: the operation is not differentiable (comparisons). It may be None: they are derived from
the formula, by the chain rule over the rows that it calls. And a None in the list: no gradient flows to that input (a
condition, indices).

A vjp may assume that nothing was broadcast: the backward walk sums over broadcast axes afterwards, for all rows alike.
It is written with functions that read arrays and tensors alike (operators, `F`, and the rows themselves), so it can
be differentiated again.

Three functions make rows: `elementwise` and `primitive` below put them into the table (ops/__init__.py says how an
operation is added); `mt.elementwise` (custom/formula.py), for a learner's own, and `loss_formula`
(nn/losses/reduction.py) do not.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..errors import ArgumentError, SignatureError
from ..formula import F, Operand, derive, inputs_of_ufunc
from ..kernels.fused import Fused
from .plan import Plan, Vjp, make_plan, parameter_names


class Primitive:
    """A row of the table. Called with arrays it computes; called with tensors it goes through `apply`."""

    __slots__ = (
        "_vjps",
        "differentiable",
        "elementwise",
        "forward",
        "inputs",
        "kernel",
        "name",
        "note",
        "params",
        "plans",
        "tex",
        "variadic",
        "view",
        "vjp_kernels",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        vjps: Sequence[Vjp | None] | None = (),
        *,
        tex: str = "",
        elementwise: bool = False,
        view: bool = False,
        note: str = "",
        inputs: Sequence[str] | None = None,
    ) -> None:
        self.name, self.forward, self.tex = name, forward, tex
        self._vjps = None if vjps is None else tuple(vjps)
        self.differentiable = self._vjps != ()
        self.elementwise = elementwise
        self.view = view  # does the output share the memory of the first input?
        self.note = note  # the convention at kinks and ties
        names, self.params, variadic = _signature(forward)
        self.inputs = tuple(inputs) if inputs is not None else names
        self.variadic = variadic and inputs is None
        self.plans: dict[Any, Plan] = {}
        # Computes the value of large arrays: [inputs] -> an array, or None if NumPy is to do it.
        self.kernel: Fused | None = Fused(name, self) if elementwise else None
        self.vjp_kernels: dict[int, Fused] = {}
        for vjp in self._vjps or ():
            for wanted in parameter_names(vjp) if vjp else ():
                self.source_of(wanted)  # a misspelt name fails here, not in the first backward

    @property
    def vjps(self) -> tuple[Vjp | None, ...]:
        """One for each input; derived from the formula, when first needed, if none were given."""
        if self._vjps is None:
            self._vjps = tuple(derive(self.forward))
        return self._vjps

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        """Read the row with whatever comes: arrays give an array, tensors a tensor, symbols a symbol."""
        for x in inputs:
            if isinstance(x, Operand):
                return x.apply(self, *inputs, **params)
        return self.forward(*inputs, **params)

    def __repr__(self) -> str:
        return f"<operation {self.name}({', '.join(self.inputs + tuple(self.params))})>"

    def plan(self, mask: int, count: int) -> Plan:
        """The plan for the inputs in `mask`; `count` is the number of inputs (it varies for `cat` and the like)."""
        if self.variadic:  # depends on how many there are
            plan = self.plans.get((mask, count))
            if plan is None:
                if len(self.plans) > 100:
                    self.plans.clear()
                self.plans[mask, count] = plan = make_plan(self, mask, count)
            return plan
        self.plans[mask] = plan = make_plan(self, mask, count)
        return plan

    def vjp_kernel(self, index: int) -> Fused:
        """The kernels of an elementwise row's vjp."""
        if index not in self.vjp_kernels:
            self.vjp_kernels[index] = Fused(f"{self.name}, derivative in {self.inputs[index]}", self.vjp_of(index))
        return self.vjp_kernels[index]

    def vjp_of(self, index: int) -> Vjp | None:
        """The vjp of an input, or None. A row that takes any number of inputs has one for all."""
        if self.variadic:
            return self.vjps[0] if self.vjps else None
        return self.vjps[index] if index < len(self.vjps) else None

    def source_of(self, name: str) -> tuple[str, int]:
        """Where a vjp's parameter of this name comes from."""
        if name == "y" and "y" not in self.inputs:
            return "output", -1
        if name in self.inputs:
            return "input", self.inputs.index(name)
        if name in self.params or (self.variadic and name == "i"):
            return "param", 0
        if self.variadic and name == "xs":
            return "all", 0
        stem, _, what = name.rpartition("_")
        if what == "shape" and stem == "y":
            return "shape", -1
        if what == "shape" and stem in self.inputs:
            return "shape", self.inputs.index(stem)
        raise ArgumentError(
            f"The vjp of '{self.name}' asks for '{name}'.",
            f"A vjp can have g, y, the inputs {self.inputs}, their shapes (x_shape), or {tuple(self.params)}.",
        )


def _signature(forward: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Any], bool]:
    """(names of the inputs, keyword parameters with defaults, does it take any number of inputs?)."""
    if isinstance(forward, np.ufunc):
        return tuple(inputs_of_ufunc(forward)), {}, False
    inputs, params, variadic = [], {}, False
    for p in inspect.signature(forward).parameters.values():
        if p.kind is p.KEYWORD_ONLY:
            params[p.name] = None if p.default is p.empty else p.default
        elif p.kind is p.VAR_POSITIONAL:
            inputs.append("x")
            variadic = True
        elif p.kind is not p.VAR_KEYWORD:
            inputs.append(p.name)
    return tuple(inputs), params, variadic


Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])

TABLE: dict[str, Primitive] = {}  # every row, by name
FUNCTIONS: dict[str, Callable[..., Any]] = {}  # what becomes `microtrain.name`
METHODS: dict[str, Callable[..., Any]] = {}  # what becomes `Tensor.name`
INPLACE: set[str] = set()  # the methods that also exist as `Tensor.name_`


def primitive(
    name: str, forward: Callable[..., Any], vjps: Sequence[Vjp | None] | None = (), **options: Any
) -> Primitive:
    """Add a row to the table."""
    row = TABLE[name] = Primitive(name, forward, vjps, **options)
    return row


def elementwise(
    name: str,
    forward: Callable[..., Any],
    vjps: Sequence[Vjp | None] | None = None,
    *,
    ufunc: np.ufunc | None = None,
    aliases: Sequence[str] = (),
    public: bool = True,
    **options: Any,
) -> Primitive:
    """Add an elementwise row: `F.name` in formulas, `microtrain.name`, `Tensor.name` and `Tensor.name_`.

    `ufunc` is NumPy's own function for it, if `forward` is not that function itself. Without `vjps` the derivative is
    derived from the formula, by the chain rule over the rows it calls.
    """
    row = primitive(name, forward, vjps, elementwise=True, **options)
    if ufunc is None and isinstance(forward, np.ufunc):
        ufunc = forward
    F._register(row, ufunc)
    if public:
        for each in (name, *aliases):
            FUNCTIONS[each] = METHODS[each] = row
            INPLACE.add(each)
    return row


def operation(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    method: bool = True,
    function: bool = True,
    inplace: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Publish a function of tensors as `microtrain.name` and `Tensor.name` (and `Tensor.name_`).

    NumPy's `axis` and `keepdims` are understood as PyTorch's `dim` and `keepdim`.
    """

    def publish(f: Callable[..., Any]) -> Callable[..., Any]:
        code = f.__code__
        theirs = {"dim", "dims"}.intersection(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        if theirs:
            f = with_numpy_names(f, *theirs)
        for each in (name or f.__name__, *aliases):
            if function:
                FUNCTIONS[each] = f
            if method:
                METHODS[each] = f
            if inplace:
                INPLACE.add(each)
        return f

    return publish


def with_numpy_names(f: Wrapped, dim: str = "dim") -> Wrapped:
    """The same function, which also understands `axis` and `keepdims`."""
    names = {"axis": dim, "keepdims": "keepdim"}

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for theirs, ours in names.items():
                if theirs in kwargs:
                    if ours in kwargs:
                        raise SignatureError(
                            f"{f.__name__}() was given both {ours}={kwargs[ours]!r} and {theirs}={kwargs[theirs]!r}.",
                            f"{theirs} is NumPy's name for {ours}.",
                            "Leave one of them out.",
                        )
                    kwargs[ours] = kwargs.pop(theirs)
        return f(*args, **kwargs)

    call.numpy_names = names  # type: ignore[attr-defined]  # for messages about a call that does not fit
    return call  # type: ignore[return-value]
