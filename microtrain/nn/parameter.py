"""A tensor that a module trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import GraphError
from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf that requires grad and that modules list among their parameters. The data is copied.

    Raises `NotDifferentiableError` for the result of an operation: the parameter would not have its history.

    To share one parameter between two modules, give both the same one: `decoder.weight = encoder.weight`.
    """

    def __init__(self, data: Any = (), requires_grad: bool = True) -> None:
        super().__init__(data.detach() if isinstance(data, Tensor) and data.is_leaf else data)
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """As in PyTorch without the gradient: what a copy of a model learns from is its own."""
        twin: Parameter = super().__deepcopy__(memo)  # type: ignore[assignment]
        twin._grad = None
        return twin

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet. `materialize` gives it one, and makes it an ordinary parameter."""

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(np.zeros(0, dtype or np.float64), requires_grad)

    @property
    def shape(self) -> tuple[int, ...]:
        """Raises: there is none yet."""
        raise GraphError(
            "This parameter has no shape yet.",
            "It belongs to a lazy layer, which learns its sizes from the first batch.",
            "Call the model once on some input first.",
        )

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Become a parameter of this shape, filled with zeros."""
        self.__class__ = Parameter  # type: ignore[assignment]
        self.data = np.zeros(shape, self.dtype)

    def __repr__(self) -> str:
        return "<UninitializedParameter>"
