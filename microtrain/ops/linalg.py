"""Linear algebra: inverses, determinants, factors. Matrices are the last two axes; the axes before them are batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from .comparison import where_row
from .diagonals import tril_row
from .indexing import index_row
from .joining import cat_row
from .primitive import Primitive, operation, primitive
from .products import column, row
from .shapes import common_shape, reshape


def _lapack(function: Callable[..., Any], trouble: str, fix: str) -> Callable[..., Any]:
    """NumPy's function, whose complaint about the values of a matrix becomes ours (in the backward pass too)."""

    @steady
    def call(*matrices: Any) -> Any:
        try:
            return function(*matrices)
        except np.linalg.LinAlgError:
            shapes = " and ".join(str(m.shape) for m in matrices)
            raise ArgumentError(f"{function.__name__}() of shape {shapes}: {trouble}.", fix=fix) from None

    return call


_SINGULAR = ("the matrix is singular", "Add a small multiple of the identity, or look for rows that depend on others.")
_NOT_FINITE = ("the eigenvalues were not found", "Look for NaN or infinity in the matrix.")
_inverse = _lapack(np.linalg.inv, *_SINGULAR)
_solve = _lapack(np.linalg.solve, *_SINGULAR)
_cholesky = _lapack(np.linalg.cholesky, "the matrix is not positive definite", "Add a small multiple of the identity.")
_eigenvalues = _lapack(np.linalg.eigvalsh, *_NOT_FINITE)
_eigh = _lapack(np.linalg.eigh, *_NOT_FINITE)


def _scale(g: Any) -> Any:
    """A number for each matrix, ready to multiply matrices."""
    return reshape(g, shape=(*g.shape, 1, 1))


inv_row = primitive(
    "inv",
    _inverse,
    [steady(lambda g, y: -(y.mT @ g @ y.mT))],
    inputs=("x",),
    tex="{x}^{-1}",
)
solve_row: Primitive = primitive(
    "solve",
    _solve,
    [
        steady(lambda g, y, a: -(solve_row(a.mT, g) @ y.mT)),
        lambda g, a: solve_row(a.mT, g),
    ],
    inputs=("a", "b"),
    tex="{a}^{-1} {b}",
)


def _det_vjp(g: Any, y: Any, x: Any) -> Any:
    if x.shape[-1] and (cond_row(x) > np.finfo(x.dtype).eps ** -0.5).any():
        return _scale(g) * cofactors(x)  # a singular matrix has no inverse, but its determinant has a derivative
    return _scale(g * y) * inv_row(x).mT


def cofactors(x: Any) -> Any:
    """The derivative of the determinant, (-1)^(i+j) times the determinants of the minors."""
    n = x.shape[-1]
    if n == 1:
        return x * 0 + 1
    rows = []
    for i in range(n):
        rest = [k for k in range(n) if k != i]
        minors = []
        for j in range(n):
            columns = [k for k in range(n) if k != j]
            minor = index_row(x, index=(Ellipsis, np.array(rest)[:, None], np.array(columns)))
            minors.append(reshape(det_row(minor) * float((-1) ** (i + j)), shape=(*x.shape[:-2], 1, 1)))
        rows.append(cat_row(*minors, dim=x.ndim - 1, starts=tuple(range(n + 1))))
    return cat_row(*rows, dim=x.ndim - 2, starts=tuple(range(n + 1)))


@steady
def _condition(x: Any) -> Any:
    """The largest singular value over the smallest; NaN if some number is NaN."""
    try:
        return np.linalg.cond(x)
    except np.linalg.LinAlgError:
        return np.full(x.shape[:-2], np.nan)


cond_row = primitive("cond", _condition)
det_row = primitive("det", steady(np.linalg.det), [_det_vjp], inputs=("x",), tex=r"\det {x}")
slogdet_sign = primitive("slogdet_sign", steady(lambda x: np.linalg.slogdet(x)[0]))
logabsdet = primitive(
    "logabsdet",
    steady(lambda x: np.linalg.slogdet(x)[1]),
    [lambda g, x: _scale(g) * inv_row(x).mT],
    tex=r"\ln |\det {x}|",
)


@steady
def _cholesky_vjp(g: Any, y: Any) -> Any:
    """L^-T phi(L^T g) L^-1, made symmetric; phi: the lower triangle with half the diagonal (Murray 2016, eq. 8)."""
    inverse_factor = inv_row(y)
    inner = y.mT @ g
    phi = 0.25 * (tril_row(inner, k=0) + tril_row(inner, k=-1))
    half = inverse_factor.mT @ phi @ inverse_factor
    return half + half.mT


cholesky_row = primitive("cholesky", _cholesky, [_cholesky_vjp], inputs=("x",))


@steady
def _symmetric_eigenvalues_vjp(g: Any, x: Any) -> Any:
    """The derivative of an eigenvalue is the projector on its eigenvector."""
    vectors = eigenvectors(x)
    return (vectors * row(g)) @ vectors.mT


@steady
def _eigenvectors_vjp(g: Any, y: Any, x: Any) -> Any:
    values = eigvalsh_row(x)
    n = values.shape[-1]
    apart = 1 / where_row(np.eye(n, dtype=bool), np.inf, row(values) - column(values))
    return y @ (apart * (y.mT @ g)) @ y.mT


eigvalsh_row = primitive("eigvalsh", _eigenvalues, [_symmetric_eigenvalues_vjp], inputs=("x",))
eigenvectors = primitive("eigenvectors", lambda x: _eigh(x)[1], [_eigenvectors_vjp])


class SignAndLog(NamedTuple):
    """What slogdet returns."""

    sign: Any
    logabsdet: Any


def _check_square(x: Any, what: str) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{what}() needs square matrices, not shape {x.shape}.")


@operation(aliases=["inverse"])
def inv(input: Any) -> Any:
    """The inverse of each matrix. Raises if one is singular."""
    _check_square(input, "inv")
    return inv_row(input)


@operation(method=False)
def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """X with A X = B, or X A = B without `left`; B is a vector, a matrix, or a batch of matrices.

    Raises if a matrix is singular.
    """
    _check_square(A, "solve")
    vectors = B.ndim == 1 or B.shape == A.shape[:-1]
    if not left:  # X A = B is A^T X^T = B^T; a vector is its own transpose
        return solve(A.mT, B) if vectors else solve(A.mT, B.mT).mT
    if B.ndim == 0 or B.shape[-1 if vectors else -2] != A.shape[-1]:
        raise ShapeError(f"solve(): matrices of shape {A.shape} and right-hand sides of shape {B.shape}.")
    common_shape([A.shape[:-2], B.shape[: -1 if vectors else -2]], f"solve() of shapes {A.shape} and {B.shape}")
    return solve_row(A, column(B)).squeeze(-1) if vectors else solve_row(A, B)


@operation()
def det(input: Any) -> Any:
    """The determinant of each matrix."""
    _check_square(input, "det")
    return det_row(input)


@operation()
def slogdet(input: Any) -> SignAndLog:
    """(sign, ln |det|) of each matrix."""
    _check_square(input, "slogdet")
    return SignAndLog(slogdet_sign(input), logabsdet(input))


@operation()
def logdet(input: Any) -> Any:
    """ln det of each matrix; NaN where the determinant is negative."""
    sign, log_abs = slogdet(input)
    return where_row(sign < 0, np.nan, log_abs)


@operation()
def cholesky(input: Any, *, upper: bool = False) -> Any:
    """The lower triangular L with L L^T = input, for symmetric positive definite matrices. Raises for others.

    Reads the lower triangle; with `upper` reads the upper one, and gives L^T.
    """
    _check_square(input, "cholesky")
    return cholesky_row(input.mT).mT if upper else cholesky_row(input)


@operation()
def eigvalsh(input: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices, smallest first; reads the lower triangle, or the upper with UPLO="U"."""
    return eigvalsh_row(_half(input, UPLO, "eigvalsh"))


def _half(input: Any, which: str, what: str) -> Any:
    """The matrices, with the triangle that is to be read below the diagonal."""
    _check_square(input, what)
    if which not in ("L", "U"):
        raise ArgumentError(f"{what}(): UPLO is {which!r}.", fix='Use "L" for the lower or "U" for the upper triangle.')
    return input if which == "L" else input.mT


class ValuesAndVectors(NamedTuple):
    """What eigh returns."""

    eigenvalues: Any
    eigenvectors: Any


@operation(method=False)
def eigh(input: Any, UPLO: str = "L") -> ValuesAndVectors:
    """(eigenvalues, eigenvectors) of symmetric matrices, smallest first; the vectors are columns, of length 1.

    Reads the lower triangle, or the upper with UPLO="U". The vectors have no derivative where two eigenvalues are
    equal: it comes out infinite.
    """
    input = _half(input, UPLO, "eigh")
    return ValuesAndVectors(eigvalsh_row(input), eigenvectors(input))
