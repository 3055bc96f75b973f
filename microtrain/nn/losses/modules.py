"""Losses as modules; each calls the function of the same meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ops.primitive import Primitive
from ...ops.probability import binary_cross_entropy_with_logits, cross_entropy
from ...tensor import Tensor
from ..module import Module
from ..settings import chosen
from . import classification, information, likelihood, regression
from .bregman import bregman_formula
from .reduction import pair, reduce

TENSORS = ("weight", "pos_weight")  # settings that are tensors, and so move and are saved with the module


def _loss(name: str, function: Callable[..., Any], **defaults: Any) -> type[Module]:
    """A module class that calls `function(input, target, **settings)`; the settings are the constructor's arguments."""
    defaults.setdefault("reduction", "mean")

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        Module.__init__(self)
        self._settings = tuple(defaults)
        for key, value in chosen(name, defaults, args, kwargs).items():
            if key in TENSORS:
                self.register_buffer(key, value)
            else:
                setattr(self, key, value)

    def forward(self: Any, input: Tensor, target: Tensor, *more: Any) -> Tensor:
        return function(input, target, *more, **{key: getattr(self, key) for key in self._settings})  # type: ignore[no-any-return]

    def extra_repr(self: Any) -> str:
        shown = {key: getattr(self, key) for key in self._settings}
        return ", ".join(f"{key}={value!r}" for key, value in shown.items() if repr(value) != repr(defaults[key]))

    forward.__qualname__ = f"{name}.forward"  # what Python calls it where an argument is missing
    body = {"__init__": construct, "forward": forward, "extra_repr": extra_repr, "__module__": __name__}
    body["__doc__"] = f"`nn.functional.{function.__name__}` as a module, with {', '.join(defaults)}."
    return type(name, (Module,), body)


MSELoss = _loss("MSELoss", regression.mse_loss)
L1Loss = _loss("L1Loss", regression.l1_loss)
HuberLoss = _loss("HuberLoss", regression.huber_loss, reduction="mean", delta=1.0)
SmoothL1Loss = _loss("SmoothL1Loss", regression.smooth_l1_loss, reduction="mean", beta=1.0)
LogCoshLoss = _loss("LogCoshLoss", regression.log_cosh_loss)

BCELoss = _loss("BCELoss", classification.binary_cross_entropy, weight=None)
BCEWithLogitsLoss = _loss("BCEWithLogitsLoss", binary_cross_entropy_with_logits, weight=None, pos_weight=None)
CrossEntropyLoss = _loss("CrossEntropyLoss", cross_entropy, weight=None, ignore_index=-100, label_smoothing=0.0)
NLLLoss = _loss("NLLLoss", classification.nll_loss, weight=None, ignore_index=-100)
FocalLoss = _loss("FocalLoss", classification.focal_loss, gamma=2.0, alpha=None)
HingeLoss = _loss("HingeLoss", classification.hinge_loss, margin=1.0, p=1)
HingeEmbeddingLoss = _loss("HingeEmbeddingLoss", classification.hinge_embedding_loss, margin=1.0)
SoftMarginLoss = _loss("SoftMarginLoss", classification.soft_margin_loss)
MultiMarginLoss = _loss("MultiMarginLoss", classification.multi_margin_loss, p=1, margin=1.0, weight=None)

KLDivLoss = _loss("KLDivLoss", information.kl_div, reduction="mean", log_target=False)
GaussianNLLLoss = _loss("GaussianNLLLoss", likelihood.gaussian_nll_loss, full=False, eps=1e-6)
PoissonNLLLoss = _loss("PoissonNLLLoss", likelihood.poisson_nll_loss, log_input=True, full=False, eps=1e-8)
LaplaceNLLLoss = _loss("LaplaceNLLLoss", likelihood.laplace_nll, scale=1.0)


class BregmanLoss(Module):
    """The Bregman divergence of a convex formula of one number: BregmanLoss(lambda x: x * F.log(x)).

    See `bregman_formula` for the formula, `reduce` for the reduction.
    """

    def __init__(self, phi: Callable[[Any], Any], reduction: str = "mean") -> None:
        super().__init__()
        self.row: Primitive = bregman_formula(phi)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return reduce(self.row(*pair(input, target, "BregmanLoss")), self.reduction)
