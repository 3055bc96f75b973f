"""Initialisers. They write into a parameter in place and return it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..calling.signatures import explain_functions
from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from ..random import Generator, stream
from ..tensor import Tensor


def _fill(tensor: Tensor, values: Any) -> Tensor:
    tensor.detach().copy_(np.asarray(values))
    return tensor


def fans(tensor: Tensor) -> tuple[int, int]:
    """(inputs, outputs) of a weight of shape (out, in). Raises `ShapeError` for fewer than two axes."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"A tensor of shape {tensor.shape} has no fan-in and fan-out.", "They belong to weights (out, in)."
        )
    rest = math.prod(tensor.shape[2:])
    return tensor.shape[1] * rest, tensor.shape[0] * rest


_calculate_fan_in_and_fan_out = fans  # programs use PyTorch's, although it is private


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through an activation (He et al. 2015)."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity not in gains:
        raise ArgumentError(f"No gain for {nonlinearity!r}.", fix=f"Use one of {', '.join([*gains, 'leaky_relu'])}.")
    return gains[nonlinearity]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in [a, b)."""
    return _fill(tensor, stream(generator).uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with that mean and standard deviation. Raises `ArgumentError` for a negative one."""
    if std < 0:
        raise ArgumentError(f"normal_(): std is {std}; it can't be negative.")
    return _fill(tensor, stream(generator).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Normal with that mean and standard deviation, but only what lies in [a, b]; the rest is drawn again.

    Raises `ArgumentError` where [a, b] is empty or more than 4 standard deviations away.
    """
    low, high = (a - mean) / std, (b - mean) / std
    if not low < high or low > 4 or high < -4:
        raise ArgumentError(f"trunc_normal_(): nothing of N({mean}, {std}^2) lies in [{a}, {b}].")
    rng = stream(generator)
    values = rng.standard_normal(tensor.shape)
    while (outside := (values < low) | (values > high)).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return _fill(tensor, mean + std * values)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere."""
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return _fill(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return _fill(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: ones on the diagonal of any matrix. Raises `ShapeError` for another number of axes."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_() needs a matrix, not shape {tensor.shape}.")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


identity_ = eye_


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal, with a share `sparsity` of each column set to 0 (Martens 2010). Raises `ShapeError` unless a matrix."""
    if tensor.ndim != 2 or not 0 <= sparsity <= 1:
        raise ShapeError(f"sparse_() needs a matrix and a share from 0 to 1, not {tensor.shape} and {sparsity}.")
    rng = stream(generator)
    values = rng.normal(0.0, std, tensor.shape)
    rows = tensor.shape[0]
    for column in range(tensor.shape[1]):
        values[rng.permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return _fill(tensor, values)


def fan_in_uniform_(tensors: Iterable[Tensor | None], fan_in: int, generator: Generator | None = None) -> None:
    """Uniform in +-1/sqrt(fan_in), weights and biases alike: what PyTorch's layers start from."""
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    for tensor in tensors:
        if tensor is not None:
            uniform_(tensor, -bound, bound, generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform with variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    fan_in, fan_out = fans(tensor)
    bound = gain * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    fan_in, fan_out = fans(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2 / (fan_in + fan_out)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"mode is {mode!r}.", fix='Use "fan_in" or "fan_out".')
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Uniform with variance gain^2 / fan (He et al. 2015); `a` is the slope of a leaky ReLU."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Normal with variance gain^2 / fan (He et al. 2015)."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@steady
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """A random matrix with orthonormal rows or columns, times `gain` (Saxe et al. 2014)."""
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_() needs a matrix, not shape {tensor.shape}.")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    tall = stream(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # makes the distribution uniform over the orthogonal matrices
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


@steady
def balanced_(
    weights: Sequence[Tensor], product: Any = None, std: float = 1.0, generator: Generator | None = None
) -> Sequence[Tensor]:
    """Matrices W_1, W_2 ... W_L with W_(l+1)^T W_(l+1) = W_l W_l^T and the product W_L ... W_1 (Arora et al. 2019).

    Gradient flow keeps such a chain balanced. With the singular value decomposition U S V^T of the product, the
    first is S^(1/L) V^T, the last U S^(1/L), those between S^(1/L), padded with zeros to their shapes.

    Args:
        weights: matrices (d_l, d_(l-1)).
        product: the end-to-end matrix (d_L, d_0), of rank at most the smallest width; by default a random one, normal
            with standard deviation `std`, cut to that rank.

    Raises `ShapeError` where the matrices do not form a chain or the product does not fit.
    """
    widths = [weights[0].shape[1], *(w.shape[0] for w in weights)] if all(w.ndim == 2 for w in weights) else []
    if not widths or [w.shape for w in weights] != list(zip(widths[1:], widths[:-1], strict=True)):
        raise ShapeError(f"balanced_() needs a chain of matrices, not {[w.shape for w in weights]}.")
    end = (widths[-1], widths[0])
    if product is None:
        matrix = stream(generator).normal(0.0, std, end)
    else:
        matrix = np.asarray(product.detach() if isinstance(product, Tensor) else product, dtype=float)
    if matrix.shape != end:
        raise ShapeError(
            f"balanced_(): a product of shape {matrix.shape} for a chain from {end[1]} to {end[0]} numbers."
        )
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    rank = min(widths)
    if product is not None and s[rank:].max(initial=0) > 1e-10 * s.max(initial=1):
        raise ShapeError(f"balanced_(): the product has a rank above {rank}, the smallest width.")
    share = np.diag(s[:rank] ** (1 / len(weights)))
    for k, w in enumerate(weights):
        left = u[:, :rank] if k == len(weights) - 1 else np.eye(w.shape[0], rank)
        right = vt[:rank] if k == 0 else np.eye(rank, w.shape[1])
        _fill(w, left @ share @ right)
    return weights


explain_functions(
    globals(), [n for n, f in globals().items() if getattr(f, "__module__", "") == __name__ and not n.startswith("_")]
)
