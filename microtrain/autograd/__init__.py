"""What PyTorch keeps in `torch.autograd`: gradients as functions, custom operations, checks."""

from ..anomaly import detect_anomaly, set_detect_anomaly
from ..backward import run_backward as backward
from ..calculus import grad, hessian, hvp, jacobian, jvp, vjp
from ..function import Function
from ..gradcheck import gradcheck, gradgradcheck
from ..recording import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..typed import variable as Variable
from . import functional

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
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
