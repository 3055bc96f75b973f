"""What PyTorch keeps in `torch.autograd.functional`: derivatives of functions."""

from ..calculus.derivatives import hessian, hvp, jacobian, jvp, vjp

vhp = hvp  # the Hessian is symmetric

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
