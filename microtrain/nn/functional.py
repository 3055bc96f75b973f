"""The functions behind the modules, under the names of `torch.nn.functional`."""

from __future__ import annotations

from typing import Any

from ..operators import PUBLIC
from ..ops.probability import reduce_loss
from ..tensor import Tensor

_NAMES = (
    "relu relu6 leaky_relu prelu elu selu celu gelu silu mish tanh sigmoid logsigmoid softplus softsign hardtanh "
    "softmax log_softmax cross_entropy binary_cross_entropy_with_logits linear one_hot pad dropout"
).split()
globals().update({name: PUBLIC[name] for name in _NAMES if name in PUBLIC})


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """The squared difference; its mean over all elements by default."""
    return reduce_loss((input - target).square(), reduction)  # type: ignore[no-any-return]


def l1_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """The absolute difference; its mean over all elements by default."""
    return reduce_loss((input - target).abs(), reduction)  # type: ignore[no-any-return]
