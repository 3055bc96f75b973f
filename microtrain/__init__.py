"""microtrain: a small autograd framework for people who are learning how training works.

>>> import microtrain as mt
>>> x = mt.tensor(3.0, requires_grad=True)
>>> y = x * x + 2 * x
>>> y.backward()
>>> x.grad
tensor(8.)
"""

# `x as x` says that x is public.
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as _np

from . import dtypes as _dtypes
from .calculus.derivatives import (
    grad as grad,
    hessian as hessian,
    hvp as hvp,
    jacobian as jacobian,
    jvp as jvp,
    vjp as vjp,
)
from .calculus.gradcheck import (
    gradcheck as gradcheck,
    gradgradcheck as gradgradcheck,
)
from .calling import operators as _operators
from .calling.signatures import explain_functions as _explain_functions
from .custom import Function as Function, elementwise as elementwise
from .dtypes import (
    double as double,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    get_default_dtype as get_default_dtype,
    half as half,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    long as long,
    set_default_dtype as set_default_dtype,
    short as short,
    uint8 as uint8,
)
from .engine.anomaly import (
    detect_anomaly as detect_anomaly,
    is_anomaly_enabled as is_anomaly_enabled,
)
from .engine.recording import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    listen as listen,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from .errors import MicrotrainError as MicrotrainError
from .formula import F as F
from .functions.creation import (
    arange as arange,
    as_tensor as as_tensor,
    asarray as asarray,
    bernoulli as bernoulli,
    empty as empty,
    empty_like as empty_like,
    eye as eye,
    from_numpy as from_numpy,
    full as full,
    full_like as full_like,
    linspace as linspace,
    logspace as logspace,
    ones as ones,
    ones_like as ones_like,
    poisson as poisson,
    rand as rand,
    rand_like as rand_like,
    randint as randint,
    randint_like as randint_like,
    randn as randn,
    randn_like as randn_like,
    randperm as randperm,
    scalar_tensor as scalar_tensor,
    tensor as tensor,
    zeros as zeros,
    zeros_like as zeros_like,
)
from .functions.sampling import normal as normal
from .functions.typed import (
    TYPES as _TYPES,
    Size as Size,
    is_floating_point as is_floating_point,
    is_tensor as is_tensor,
    numel as numel,
)
from .pytorch.devices import (
    accelerator as accelerator,
    backends as backends,
    cuda as cuda,
    device as device,
    mps as mps,
    xpu as xpu,
)
from .pytorch.missing import refuse as _refuse
from .pytorch.settings import (
    are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled,
    broadcast_shapes as broadcast_shapes,
    can_cast as can_cast,
    finfo as finfo,
    get_default_device as get_default_device,
    get_num_threads as get_num_threads,
    get_rng_state as get_rng_state,
    iinfo as iinfo,
    initial_seed as initial_seed,
    is_complex as is_complex,
    is_nonzero as is_nonzero,
    promote_types as promote_types,
    result_type as result_type,
    seed as seed,
    set_float32_matmul_precision as set_float32_matmul_precision,
    set_num_threads as set_num_threads,
    set_printoptions as set_printoptions,
    set_rng_state as set_rng_state,
    use_deterministic_algorithms as use_deterministic_algorithms,
)
from .random import (
    Generator as Generator,
    default_generator as default_generator,
    manual_seed as manual_seed,
)
from .tensor import Tensor as Tensor

__version__ = "0.1.0"

dtype = _np.dtype
bool, float, int = _dtypes.bool_, _dtypes.float_, _dtypes.int_  # PyTorch's names
inf, nan, pi, e = _np.inf, _np.nan, _np.pi, _np.e
newaxis = None
preserve_format, contiguous_format = "preserve_format", "contiguous_format"  # of memory, which lies in one way here

_explain_functions(  # tensor, zeros, randn ...
    globals(), [n for n, f in globals().items() if getattr(f, "__module__", "").startswith(f"{__name__}.functions.")]
)
globals().update(_TYPES)  # FloatTensor, LongTensor ...
globals().update(_operators.PUBLIC)  # exp, sum, matmul ...: every function of the operation table
if TYPE_CHECKING:
    from .compiler import compile as compile
    from .sweeps import sweep as sweep  # type: ignore[no-redef]
    from .table import *  # noqa: F403 (the same, written down by calling/stubs.py)
    from .viz import graph as graph
    from .weights import load as load, save as save

_LAZY = (
    "analysis", "autograd", "book", "cli", "data", "kernels", "linalg", "nn", "optim", "sweeps",
    "train", "utils", "viz",
)  # fmt: skip
_LAZY_FUNCTIONS = {"compile": "compiler", "graph": "viz", "sweep": "sweeps", "load": "weights", "save": "weights"}


def explain(thing: Any) -> Any:
    """What became of the formula behind a tensor, an operation or an optimizer's rule: see `kernels.report.explain`."""
    return importlib.import_module(".kernels.report", __name__).explain(thing)


def trace(what: Any, *args: Any, **options: Any) -> Any:  # type: ignore[no-redef]
    """Of a loss or a function: what happens in it, to be stepped through; see `viz.stepper.trace` for the arguments.

    Of a matrix alone: the sum of its diagonal, as PyTorch's `trace`. (For the graph of a matrix give the gradient that
    flows in: `trace(x, gradient=...)`.)
    """
    if isinstance(what, Tensor) and what.ndim == 2 and not args and not options:
        return _operators.PUBLIC["trace"](what)
    return importlib.import_module(".viz", __name__).trace(what, *args, **options)


def __getattr__(name: str) -> Any:
    """Load the upper floors when they are first used, so that `import microtrain` stays quick."""
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    if name in _LAZY_FUNCTIONS:
        return getattr(importlib.import_module(f".{_LAZY_FUNCTIONS[name]}", __name__), name)
    return _refuse(__name__, name, [*globals(), *_LAZY, *_LAZY_FUNCTIONS])
