"""How functions of tensors are called: PyTorch's names of the inputs, and what to say to a call that does not fit."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from ..errors import ArgumentError, DtypeError, IndexingError, MicrotrainError, SignatureError
from ..formula import Operand
from ..ops.primitive import Primitive
from ..show import short

Called = TypeVar("Called", bound=Callable[..., Any])


def input_names(row: Primitive) -> tuple[str, ...]:
    """What PyTorch calls the inputs of an elementwise operation (in formulas they are x, or a and b)."""
    return ("input", {"pow": "exponent", "heaviside": "values"}.get(row.name, "other"))[: len(row.inputs)]


def first_name(function: Callable[..., Any]) -> str:
    """What a function calls its first parameter."""
    if isinstance(function, Primitive):
        return "input"
    code = inspect.unwrap(function).__code__
    name: str = code.co_varnames[0 if code.co_argcount else code.co_kwonlyargcount]  # *args come after keywords
    return name


def inputs_of(row: Primitive, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """The inputs of an elementwise operation, from a call that names some of them: `mul(x, other=2)`.

    Raises `SignatureError` if there are too few or too many, or others are named.
    """
    names = input_names(row)
    parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    inputs = _bound(inspect.Signature(parameters), name, args, named).args
    for x, each in zip(inputs, names, strict=True):
        if x is None:
            raise DtypeError(f"{name}(): {each} is None, not a tensor.", fix="Does a function forget its return?")
    return inputs


_OLD = "PyTorch gave it up in favour of reduction: "
REASONS = {  # arguments of PyTorch's functions that ours do not have
    "out": "There is no out=: results are new tensors.",
    "size_average": _OLD + 'size_average=False is reduction="sum".',
    "reduce": _OLD + 'reduce=False is reduction="none".',
    "verbose": "PyTorch gave it up: print scheduler.get_last_lr() after its step().",
    "ddof": "NumPy's ddof is called correction, and is 1 unless given: correction=0 divides by n.",
    "order": "Elements are taken row by row; NumPy's x.reshape((n, m), order='F') is x.T.reshape(m, n).T.",
}
OTHERS = {  # functions that are called in another way elsewhere
    "grad": "JAX's grad(f) is a function; here y = f(x) comes first, then grad(y, x). Of f there is jacobian(f, x).",
    "hessian": "JAX's hessian(f) is a function; here it is hessian(f, x).",
    "jacobian": "JAX's jacobian(f) is a function; here it is jacobian(f, x).",
    "transpose": "NumPy's transpose() is x.T, and its transpose(2, 0, 1) is x.permute(2, 0, 1).",
}


def _bound(
    signature: inspect.Signature, name: str, args: Any, kwargs: Any, names: Mapping[str, str] = MappingProxyType({})
) -> inspect.BoundArguments:
    """The arguments in their places; `names` are other names for some. Raises `SignatureError` if they do not fit."""
    try:
        return signature.bind(*args, **{names.get(key, key): value for key, value in kwargs.items()})
    except TypeError as error:
        why = next((reason for key, reason in REASONS.items() if key in kwargs and f"'{key}'" in str(error)), "")
        why = why or OTHERS.get(name, "")
        what = f"{name}() was called with {_counted(args, kwargs)}: {error}."
        raise SignatureError(what, why, f"It is called as {name}{plain(signature)}.") from None


def plain(signature: inspect.Signature) -> inspect.Signature:
    """Without annotations."""
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)


def _counted(args: Any, kwargs: Any) -> str:
    parts = [f"{len(args)} argument{'s' * (len(args) != 1)} by position"]
    return " and ".join(parts + [", ".join(f"{k}=" for k in kwargs)] * bool(kwargs))


def explained(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with our error where Python would say that the arguments do not fit its parameters."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except MicrotrainError:
            raise
        except FOREIGN as error:
            refuse_call(name, function, args, kwargs, error)

    return call


def fitting(function: Called) -> Called:
    """The function, with our error for arguments that do not fit. Other errors are those of the program's own code."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            _bound(inspect.signature(function), function.__name__, args, kwargs)
            raise

    return call  # type: ignore[return-value]


def explain_functions(namespace: dict[str, Any], names: Iterable[str]) -> None:
    """Let the functions that a package publishes say what is wrong with their arguments, see `explained`.

    Callers inside the package import them from where they are, and so call them without this.
    """
    done: dict[Any, Any] = {}  # two names of one function stay that
    for name in names:
        function = namespace[name]
        if inspect.isfunction(function):
            if function not in done:
                done[function] = explained(name, function)
                done[function].__module__ = namespace["__name__"]  # where pickle finds it
            namespace[name] = done[function]


def explain_constructors(things: Iterable[Any]) -> None:
    """Let the classes among these things say, by an error of ours, what arguments they are made with."""
    for kind in things:
        init = getattr(kind, "__init__", None)
        if isinstance(kind, type) and inspect.isfunction(init) and not hasattr(init, "__wrapped__"):
            kind.__init__ = _explained_init(kind, init)  # type: ignore[misc]


def _explained_init(kind: type[Any], init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except MicrotrainError:
            raise
        except FOREIGN as error:
            outer = type(self).__init__
            if outer is not make and hasattr(outer, "__wrapped__"):
                raise  # the constructor that was called will say it, of its own arguments
            refuse_call(kind.__name__, functools.partial(init, self), args, kwargs, error)

    return make


_LIBRARIES = (__name__.partition(".")[0], "numpy", "scipy")
FOREIGN = (TypeError, AttributeError, ValueError, LookupError, ArithmeticError)  # what wrong arguments may bring up


def refuse_call(name: str, function: Callable[..., Any], args: Any, kwargs: Any, error: Exception) -> NoReturn:
    """Raise `SignatureError` if the arguments do not fit, and else an error of ours about what they are.

    Errors of the learner's own code (a listener, a loss, a data set), or of what it calls, go through as they are.
    """
    trace, package = error.__traceback__, ""
    while trace is not None:
        package = trace.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in _LIBRARIES and package not in sys.stdlib_module_names:
            raise error
        trace = trace.tb_next
    if package not in _LIBRARIES:
        raise error
    signature = inspect.signature(function)
    bound = _bound(signature, name, args, kwargs, getattr(function, "numpy_names", {})).arguments
    given = ", ".join(f"{key}={_shown(value)}" for key, value in bound.items())
    kind: type[MicrotrainError] = IndexingError if isinstance(error, LookupError) else ArgumentError
    if isinstance(error, (TypeError, AttributeError)):
        kind = DtypeError
    message = str(error).rstrip(".")
    what = f"{name}({given}) is not possible: {message}."
    raise kind(what, fix=f"It is called as {name}{plain(signature)}.") from error


def _shown(value: Any) -> str:
    if isinstance(value, Operand):
        return short(getattr(value, "_data", value))
    text = repr(value)
    return text if len(text) < 60 else type(value).__name__
