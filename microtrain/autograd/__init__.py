"""What PyTorch keeps in `torch.autograd`: gradients as functions, custom operations, checks."""

from typing import Any

from ..calculus.derivatives import grad, hessian, hvp, jacobian, jvp, vjp
from ..calculus.gradcheck import gradcheck, gradgradcheck
from ..custom.function import Function
from ..engine.anomaly import detect_anomaly, set_detect_anomaly
from ..engine.backward import run_backward as backward
from ..engine.recording import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..functions.typed import variable as Variable
from ..pytorch.missing import refuse as _refuse
from . import function, functional

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "inference_mode",
    "jacobian",
    "jvp",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "vjp",
]


def __getattr__(name: str) -> Any:
    return _refuse(__name__, name, __all__)
