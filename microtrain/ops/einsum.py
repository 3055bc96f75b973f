"""Einstein summation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from .diagonals import diagonal
from .primitive import operation, primitive
from .shapes import broadcast_to, reshape

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@steady
def _einsum(*xs: Any, spec: str) -> Any:
    if len(xs) == 1:
        return np.array(np.einsum(spec, xs[0]))  # NumPy gives a view for "ij->ji"
    return np.einsum(spec, *xs, optimize=True)  # by matrix products, where it can


def _einsum_vjp(g: Any, xs: tuple[Any, ...], spec: str, i: int) -> Any:
    """The gradient of operand i: the same sum, with g in its place and its letters as the result."""
    terms, result = spec.split("->")
    letters = terms.split(",")
    sources = [result, *(t for k, t in enumerate(letters) if k != i)]
    present = set("".join(sources))
    found = "".join(c for c in letters[i] if c in present)
    part = einsum_row(g, *(x for k, x in enumerate(xs) if k != i), spec=",".join(sources) + "->" + found)
    # A letter of this operand alone was summed away: all elements along it get the same.
    lengths = dict(zip(found, part.shape, strict=True))
    apart = reshape(part, shape=tuple(lengths.get(c, 1) for c in letters[i]))
    shape = tuple(n if m == 1 else m for m, n in zip(apart.shape, xs[i].shape, strict=True))
    return broadcast_to(apart, shape=shape)


einsum_row = primitive("einsum", _einsum, [_einsum_vjp])


def _explicit(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The terms and the result of an equation, with its ellipses spelt out and its output given."""
    bare = equation.replace(" ", "")
    terms, arrow, result = bare.partition("->")
    letters = terms.split(",")
    if not set(bare.replace("...", "").replace("->", "")) <= {c for c in bare if c.isalpha()} | {","}:
        raise ArgumentError(f"einsum('{equation}'): an equation has letters, commas, '...' and '->'.")
    if len(letters) != len(ranks):
        raise ArgumentError(f"einsum('{equation}') has {len(letters)} terms for {len(ranks)} tensors.")
    widths = [rank - len(term.replace("...", "")) for term, rank in zip(letters, ranks, strict=True)]
    for term, rank, width in zip(letters, ranks, widths, strict=True):
        if width < 0 or (width and "..." not in term):
            raise ShapeError(f"einsum('{equation}'): the term '{term}' does not fit a tensor with {rank} axes.")
    free = [c for c in _LETTERS if c not in bare]
    dots = "".join(free[: max(widths)])  # letters for the axes under the longest ellipsis
    spelt = [term.replace("...", dots[len(dots) - width :]) for term, width in zip(letters, widths, strict=True)]
    if not arrow:  # every letter that occurs once, in alphabetical order
        once = "".join(spelt)
        result = "..." + "".join(sorted(c for c in set(once) if once.count(c) == 1 and c not in dots))
    result = result.replace("...", dots)
    unknown = [c for c in result if c not in "".join(spelt)]
    if unknown or len(set(result)) < len(result):
        raise ArgumentError(
            f"einsum('{equation}'): the letters of the result must occur in the terms, and only once in the result."
        )
    return spelt, result


def _check_lengths(equation: str, terms: list[str], shapes: list[tuple[int, ...]]) -> None:
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            if n != 1 and lengths.setdefault(letter, n) != n:
                raise ShapeError(
                    f"einsum('{equation}') of shapes {', '.join(map(str, shapes))}: one letter stands for axes of "
                    f"lengths {lengths[letter]} and {n}."
                )


def _as_letters(sublists: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """The equation and the tensors of einsum(a, [0, 1], b, [1, 2], [0, 2]); `...` may stand in a list too."""
    operands = sublists[0 : len(sublists) - len(sublists) % 2 : 2]
    numbers = [*sublists[1::2], *([sublists[-1]] if len(sublists) % 2 else [])]
    terms = []
    for term in numbers:
        if not isinstance(term, Sequence) or not all(n is Ellipsis or (type(n) is int and 0 <= n < 52) for n in term):
            raise ArgumentError(
                f"einsum(): {term!r} does not say which axes a tensor has.",
                "Without an equation each tensor is followed by a list of numbers from 0 to 51, one for each axis.",
                'Write einsum("ij,jk->ik", a, b) or einsum(a, [0, 1], b, [1, 2], [0, 2]).',
            )
        terms.append("".join("..." if n is Ellipsis else _LETTERS[n] for n in term))
    arrow = "->" + terms.pop() if len(sublists) % 2 else ""
    return ",".join(terms) + arrow, tuple(operands)


@operation(method=False)
def einsum(equation: Any, *operands: Any) -> Any:
    """Einstein summation: einsum("ij,jk->ik", a, b) is the matrix product.

    Letters that are not in the result are summed over; a letter twice in one term takes the diagonal; `...` stands for
    any further axes, which broadcast; without "->" the result has the letters that occur once. Numbers may take the
    place of letters: einsum(a, [0, 1], b, [1, 2], [0, 2]). Raises `ArgumentError` for an equation that makes no sense,
    `ShapeError` for one that does not fit the shapes.
    """
    if not isinstance(equation, str):
        equation, operands = _as_letters((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], Sequence):
        operands = tuple(operands[0])
    if not operands:
        raise ArgumentError(f"einsum('{equation}') without tensors.")
    terms, result = _explicit(equation, [x.ndim for x in operands])
    _check_lengths(equation, terms, [x.shape for x in operands])
    # A letter twice in one term: take the diagonal first, by its own row, so that one rule serves for the derivative.
    pairs = [_without_repeats(term, x) for term, x in zip(terms, operands, strict=True)]
    spec = ",".join(term for term, _ in pairs) + "->" + result
    return einsum_row(*(x for _, x in pairs), spec=spec)


def _without_repeats(term: str, x: Any) -> tuple[str, Any]:
    while len(set(term)) < len(term):
        twice = next(c for c in term if term.count(c) > 1)
        first, second = [k for k, c in enumerate(term) if c == twice][:2]
        if x.shape[first] != x.shape[second]:
            raise ShapeError(f"einsum(): '{twice}' occurs twice in '{term}', for axes of lengths {x.shape}.")
        x = diagonal(x, dim1=first, dim2=second)
        term = "".join(c for k, c in enumerate(term) if k not in (first, second)) + twice
    return term, x
