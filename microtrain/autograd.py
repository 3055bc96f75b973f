"""What PyTorch keeps in `torch.autograd`: gradients as functions, custom operations, checks."""

from . import calculus as functional
from .anomaly import detect_anomaly
from .calculus import grad, hessian, hvp, jacobian, jvp, vjp
from .function import Function
from .recording import enable_grad, no_grad, set_grad_enabled

__all__ = [
    "Function",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "set_grad_enabled",
    "vjp",
]
