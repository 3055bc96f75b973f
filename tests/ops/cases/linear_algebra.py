"""Matrix products, einsum, inverses, determinants, factors."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..case import Case, Dice, Drawn, Shape, real


def _batches(dice: Dice) -> tuple[Shape, Shape]:
    """Two batch shapes that broadcast."""
    return dice.pick([((), ()), ((2,), ()), ((), (3,)), ((2,), (2,)), ((1, 3), (2, 1)), ((2, 3), (3,)), ((0,), ())])


def _matmul(dice: Dice) -> Drawn:
    n, k, m = (dice.integer(0 if dice.integer(0, 5) == 0 else 1, 4) for _ in range(3))
    left, right = _batches(dice)
    a, b = dice.pick([((*left, n, k), (*right, k, m)), ((k,), (*right, k, m)), ((*left, n, k), (k,)), ((k,), (k,))])
    return Drawn([real(dice.rng(), a), real(dice.rng(), b)])


def _vectors(same: bool) -> Any:
    def draw(dice: Dice) -> Drawn:
        n = dice.integer(0, 4)
        return Drawn([real(dice.rng(), (n,)), real(dice.rng(), (n if same else dice.integer(0, 4),))])

    return draw


def _linear(bias: bool) -> Any:
    def draw(dice: Dice) -> Drawn:
        n, m = dice.integer(1, 4), dice.integer(1, 3)
        shapes = [(*dice.shape(0, 2), n), (m, n), *[(m,)] * bias]
        return Drawn([real(dice.rng(), shape) for shape in shapes])

    return draw


def einsum(equation: str, *shapes: Shape, torch: str | None = None) -> Case:
    """In the shapes, 0 stands for a length that is drawn (the same for the whole equation)."""

    def draw(dice: Dice) -> Drawn:
        return Drawn([real(dice.rng(), shape) for shape in shapes])

    return Case(
        f"einsum {equation} {shapes}",
        lambda *xs: mt.einsum(equation, *xs),
        lambda t, *xs: t.einsum(torch or equation, *xs),
        draw,
        None if torch else lambda *xs: np.einsum(equation, *xs),
    )


def _square(make: Any, smallest: int = 1, max_batch: int = 1) -> Any:
    def draw(dice: Dice) -> Drawn:
        n = dice.integer(smallest, 4)
        return Drawn([make(dice.rng(), (*dice.shape(0, max_batch), n, n))], repeatable=False)

    return draw


def _regular(rng: np.random.Generator, shape: Shape) -> Any:
    return real(rng, shape) + 4 * np.eye(shape[-1]) * rng.choice([-1, 1])


def _positive_definite(rng: np.random.Generator, shape: Shape) -> Any:
    a = rng.uniform(-1, 1, shape)
    return a @ np.swapaxes(a, -1, -2) + np.eye(shape[-1])


def _symmetric(x: Any) -> Any:
    return (x + x.mT) / 2


def _spectral(rng: np.random.Generator, shape: Shape) -> Any:
    """Symmetric with eigenvalues that are well apart."""
    q = np.linalg.qr(rng.normal(size=shape))[0]
    values = np.arange(shape[-1]) * 1.5 - 1.7 + rng.uniform(0, 0.5, shape[:-1])
    return q * values[..., None, :] @ np.swapaxes(q, -1, -2)


def _singular(rng: np.random.Generator, shape: Shape) -> Any:
    a = real(rng, shape)
    a[..., 0, :] = a[..., -1, :] * (1 if shape[-1] > 1 else 0)
    return a


def _system(dice: Dice) -> Drawn:
    n = dice.integer(1, 4)
    a, b = dice.pick(
        [
            ((n, n), (n,)),
            ((n, n), (n, 2)),
            ((2, n, n), (2, n)),
            ((2, n, n), (2, n, 3)),
            ((3, n, n), (n, 2)),
            ((n, n), (2, n, 3)),
        ]
    )
    return Drawn([_regular(dice.rng(), a), real(dice.rng(), b)], repeatable=False)


CASES = [
    Case("matmul", mt.matmul, "matmul", _matmul, np.matmul),
    Case("matmul with @", lambda a, b: a @ b, "matmul", _matmul, np.matmul),
    Case("dot", mt.dot, "dot", _vectors(True), np.dot),
    Case("outer", mt.outer, "outer", _vectors(False), np.outer),
    Case("linear", mt.linear, "nn.functional.linear", _linear(True), lambda x, w, b: x @ w.T + b),
    Case("linear without a bias", mt.linear, "nn.functional.linear", _linear(False), lambda x, w: x @ w.T),
    einsum("ij,jk->ik", (2, 3), (3, 4)),
    einsum("ij,jk", (2, 3), (3, 4)),
    einsum("ba,cb", (2, 3), (4, 2)),
    einsum("ij->ji", (2, 3)),
    einsum("ji", (2, 3)),
    einsum("ij->", (2, 3)),
    einsum("ij->j", (2, 3)),
    einsum("ii->i", (3, 3)),
    einsum("ii", (3, 3)),
    einsum("iji->j", (2, 3, 2)),
    einsum("iii->i", (3, 3, 3)),
    einsum("i,i->i", (3,), (3,)),
    einsum("i,j->ij", (3,), (2,)),
    einsum("i,j->", (3,), (2,)),
    einsum("ij,kl->i", (2, 3), (2, 2)),
    einsum("ij,ij,ij->i", (2, 3), (2, 3), (2, 3)),
    einsum("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    einsum("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    einsum("...ij,...jk->...ik", (4, 1, 2, 3), (2, 3, 2)),
    einsum("...i->...", (2, 3)),
    einsum("...i->i", (2, 3), torch="...i->i"),
    einsum("...,...", (2, 3), (3,)),
    einsum("i...,i", (3, 2), (3,)),
    einsum("...ii->...i", (2, 3, 3)),
    einsum("ij,j->i", (2, 1), (3,), torch="ij,j->i"),
    einsum("ij,ij->ij", (2, 1), (2, 3)),
    einsum(" i j , j k -> i k ", (2, 0), (0, 4)),
    einsum("bhqd,bhkd->bhqk", (1, 2, 3, 2), (1, 2, 2, 2)),
    einsum("a,b,c,d->dcba", (2,), (1,), (3,), (2,)),
    Case("inv", mt.inv, "linalg.inv", _square(_regular), np.linalg.inv, tolerance=10),
    Case("solve", mt.solve, "linalg.solve", _system, tolerance=10),
    Case("det", mt.det, "linalg.det", _square(_regular), np.linalg.det, tolerance=10),
    Case("slogdet", lambda x: mt.slogdet(x)[1], lambda t, x: t.linalg.slogdet(x)[1], _square(_regular), tolerance=10),
    Case("slogdet sign", lambda x: x.slogdet().sign, lambda t, x: t.linalg.slogdet(x).sign, _square(_regular), order=0),
    Case("logdet", mt.logdet, "logdet", _square(_positive_definite), lambda x: np.log(np.linalg.det(x)), tolerance=10),
    Case(
        "cholesky",
        lambda x: mt.cholesky(_symmetric(x)),
        lambda t, x: t.linalg.cholesky(_symmetric(x)),
        _square(_positive_definite),
        np.linalg.cholesky,
        tolerance=10,
    ),
    Case(
        "eigvalsh",
        lambda x: mt.eigvalsh(_symmetric(x)),
        lambda t, x: t.linalg.eigvalsh(_symmetric(x)),
        _square(_spectral),
        np.linalg.eigvalsh,
        tolerance=10,
    ),
]

# Determinants of singular matrices have derivatives too, but PyTorch goes another way there in the second order.
SINGULAR = Case("det of singular matrices", mt.det, "linalg.det", _square(_singular), tolerance=10)
CASES.append(SINGULAR)
