"""Activation functions as modules; each calls the function of the same name."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .init import constant_
from .layers import empty
from .module import Module
from .settings import chosen

# those whose last argument is `inplace` in PyTorch: ReLU(True), LeakyReLU(0.2, True)
INPLACE_BY_POSITION = ("ReLU", "ReLU6", "LeakyReLU", "ELU", "CELU", "SELU", "SiLU", "Mish", "Hardtanh")


def _activation(name: str, function: str, **defaults: Any) -> type[Module]:
    """A module class that calls `F.function(input, *settings)`; the settings are the constructor's arguments."""

    def construct(self: Any, *args: Any, inplace: bool = False, **kwargs: Any) -> None:
        Module.__init__(self)
        if name in INPLACE_BY_POSITION and len(args) == len(defaults) + 1 and isinstance(args[-1], bool):
            *args, inplace = args  # type: ignore[assignment]
        self._settings, self.inplace = tuple(defaults), inplace
        for key, value in chosen(name, defaults, tuple(args), kwargs).items():
            setattr(self, key, value)

    of_tensors = getattr(Tensor, function)

    def forward(self: Any, input: Tensor) -> Tensor:
        settings = [getattr(self, key) for key in defaults] if defaults else ()
        output = of_tensors(input, *settings)
        return input.overwrite(output, f"{function}_") if self.inplace else output

    def extra_repr(self: Any) -> str:
        shown = [f"{key}={getattr(self, key)!r}" for key in self._settings]
        return ", ".join([*shown, "inplace=True"] if self.inplace else shown)

    body = {"__init__": construct, "forward": forward, "extra_repr": extra_repr, "__module__": __name__}
    body["__doc__"] = f"`nn.functional.{function}` as a module."
    return type(name, (Module,), body)


ReLU = _activation("ReLU", "relu")
ReLU6 = _activation("ReLU6", "relu6")
LeakyReLU = _activation("LeakyReLU", "leaky_relu", negative_slope=0.01)
ELU = _activation("ELU", "elu", alpha=1.0)
CELU = _activation("CELU", "celu", alpha=1.0)
SELU = _activation("SELU", "selu")
GELU = _activation("GELU", "gelu", approximate="none")
SiLU = _activation("SiLU", "silu")
Mish = _activation("Mish", "mish")
Tanh = _activation("Tanh", "tanh")
Sigmoid = _activation("Sigmoid", "sigmoid")
LogSigmoid = _activation("LogSigmoid", "logsigmoid")
Softplus = _activation("Softplus", "softplus", beta=1.0, threshold=20.0)
Softsign = _activation("Softsign", "softsign")
Hardtanh = _activation("Hardtanh", "hardtanh", min_val=-1.0, max_val=1.0)
Softmax = _activation("Softmax", "softmax", dim=-1)
LogSoftmax = _activation("LogSoftmax", "log_softmax", dim=-1)


class Identity(Module):
    """Gives back its input; arguments are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class PReLU(Module):
    """x for x > 0, a x elsewhere, with trained slopes a: one, or one for each channel."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.weight = empty((num_parameters,), dtype, device)
        constant_(self.weight, init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)  # type: ignore[no-any-return]
