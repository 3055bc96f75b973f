"""Modules: layers, activations, losses, containers, and the book's models."""

# `x as x` says that x is public.
from __future__ import annotations

import importlib
from typing import Any

from ..calling.signatures import explain_constructors as _explain_constructors
from ..pytorch.missing import refuse as _refuse
from . import functional as functional, init as init, losses as losses
from .activations import (
    CELU as CELU,
    ELU as ELU,
    GELU as GELU,
    SELU as SELU,
    Hardtanh as Hardtanh,
    Identity as Identity,
    LeakyReLU as LeakyReLU,
    LogSigmoid as LogSigmoid,
    LogSoftmax as LogSoftmax,
    Mish as Mish,
    PReLU as PReLU,
    ReLU as ReLU,
    ReLU6 as ReLU6,
    Sigmoid as Sigmoid,
    SiLU as SiLU,
    Softmax as Softmax,
    Softplus as Softplus,
    Softsign as Softsign,
    Tanh as Tanh,
)
from .attention import SelfAttention as SelfAttention
from .containers import (
    ModuleDict as ModuleDict,
    ModuleList as ModuleList,
    ParameterDict as ParameterDict,
    ParameterList as ParameterList,
    Sequential as Sequential,
)
from .deep_linear import DeepLinear as DeepLinear, DiagonalLinear as DiagonalLinear
from .layers import (
    Bilinear as Bilinear,
    Dropout as Dropout,
    Embedding as Embedding,
    Flatten as Flatten,
    LayerNorm as LayerNorm,
    LazyLinear as LazyLinear,
    Linear as Linear,
    Unflatten as Unflatten,
)
from .linear_models import LinearRegression as LinearRegression, LogisticRegression as LogisticRegression
from .losses.modules import (
    BCELoss as BCELoss,
    BCEWithLogitsLoss as BCEWithLogitsLoss,
    BregmanLoss as BregmanLoss,
    CrossEntropyLoss as CrossEntropyLoss,
    FocalLoss as FocalLoss,
    GaussianNLLLoss as GaussianNLLLoss,
    HingeEmbeddingLoss as HingeEmbeddingLoss,
    HingeLoss as HingeLoss,
    HuberLoss as HuberLoss,
    KLDivLoss as KLDivLoss,
    L1Loss as L1Loss,
    LaplaceNLLLoss as LaplaceNLLLoss,
    LogCoshLoss as LogCoshLoss,
    MSELoss as MSELoss,
    MultiMarginLoss as MultiMarginLoss,
    NLLLoss as NLLLoss,
    PoissonNLLLoss as PoissonNLLLoss,
    SmoothL1Loss as SmoothL1Loss,
    SoftMarginLoss as SoftMarginLoss,
)
from .mlp import MLP as MLP
from .module import Module as Module
from .parameter import Parameter as Parameter, UninitializedParameter as UninitializedParameter
from .recurrent import RNN as RNN, RNNCell as RNNCell
from .small_models import Gabor as Gabor, Line as Line, ShallowNetwork as ShallowNetwork

_LAZY = ("utils",)
_explain_constructors(list(globals().values()))


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    return _refuse(__name__, name, [*(n for n, value in globals().items() if isinstance(value, type)), *_LAZY, "init"])
