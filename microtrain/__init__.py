"""microtrain: a small autograd framework for people who are learning how training works.

>>> import microtrain as mt
>>> x = mt.tensor(3.0, requires_grad=True)
>>> y = x * x + 2 * x
>>> y.backward()
>>> x.grad
tensor(8.)
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as _np

from . import operators as _operators
from .anomaly import detect_anomaly
from .calculus import grad, hessian, hvp, jacobian, jvp, vjp
from .creation import (
    arange,
    as_tensor,
    bernoulli,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from .custom import elementwise
from .dtypes import (
    double,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
)
from .errors import MicrotrainError
from .formula import F
from .function import Function
from .recording import enable_grad, is_grad_enabled, listen, no_grad, set_grad_enabled
from .random import Generator, default_generator, manual_seed
from .tensor import Tensor
from .weights import load, save

__version__ = "0.1.0"

dtype = _np.dtype
inf, nan, pi, e = _np.inf, _np.nan, _np.pi, _np.e
newaxis = None

globals().update(_operators.PUBLIC)  # exp, sum, matmul ...: every function of the operation table

_LAZY = ("autograd", "nn", "optim", "data", "train", "viz", "kernels", "linalg", "cli")


def __getattr__(name: str) -> Any:
    """Load the upper floors when they are first used, so that `import microtrain` stays quick."""
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    if name == "graph":
        from .viz import graph

        return graph
    raise AttributeError(f"module 'microtrain' has no attribute '{name}'")
