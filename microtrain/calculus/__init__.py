"""Derivatives as functions, whole Jacobians, and checks of gradients."""

from .derivatives import grad, hessian, hvp, jacobian, jvp, vjp
from .gradcheck import gradcheck, gradgradcheck

__all__ = ["grad", "gradcheck", "gradgradcheck", "hessian", "hvp", "jacobian", "jvp", "vjp"]
