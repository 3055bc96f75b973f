"""Wrong use of an operation raises an error of ours that says what was wrong, never a bare one of NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, DtypeError, IndexingError, MicrotrainError, ShapeError


def z(*shape: int) -> mt.Tensor:
    return mt.zeros(shape)


def index(*values: Any) -> mt.Tensor:
    return mt.tensor(values, dtype=int)


ALONG_AXES = """
    sum mean prod var std max min amax amin argmax argmin logsumexp norm cumsum cumprod any all median sort argsort
    squeeze unbind softmax log_softmax
"""
WRONG: list[tuple[str, Callable[[], Any], type[Exception], list[str]]] = [
    # shapes that do not go together
    ("add", lambda: z(2, 3) + z(2, 4), ShapeError, ["(2, 3)", "(2, 4)"]),
    ("add_", lambda: z(3).add_(z(2, 3)), ShapeError, ["(2, 3)", "(3,)"]),
    ("+= that grows", lambda: z(1).__iadd__(z(3)), ShapeError, ["(3,)", "(1,)"]),
    ("array on the left", lambda: np.zeros((2, 3)) * z(4), ShapeError, ["(2, 3)", "(4,)"]),
    ("where", lambda: mt.where(z(2) > 0, z(3), z(2)), ShapeError, ["(3,)", "(2,)"]),
    ("masked_fill", lambda: z(3).masked_fill(z(2) > 0, 1), ShapeError, ["(3,)", "(2,)"]),
    ("lerp", lambda: mt.lerp(z(2), z(3), 0.5), ShapeError, ["(2,)", "(3,)"]),
    ("clamp", lambda: z(2).clamp(z(3)), ShapeError, ["(2,)", "(3,)"]),
    ("matmul", lambda: z(2, 3) @ z(2, 3), ShapeError, ["(2, 3)"]),
    ("matmul of equal shapes", lambda: z(2, 3) @ z(2, 3), ShapeError, ["the first (a.mT @ b)", "second (a @ b.mT)."]),
    ("matmul the wrong way round", lambda: z(2, 3) @ z(4, 2), ShapeError, ["could swap them (b @ a)."]),
    ("matmul that nothing helps", lambda: z(2, 3) @ z(4, 5), ShapeError, ["No transpose makes them fit"]),
    ("matmul of a number", lambda: mt.matmul(z(), z(3)), ShapeError, ["()", "(3,)"]),
    ("matmul of batches", lambda: z(2, 3, 4) @ z(3, 4, 5), ShapeError, ["(2, 3, 4)", "(3, 4, 5)"]),
    ("matmul of a vector", lambda: z(3) @ z(2, 3), ShapeError, ["(3,)", "(2, 3)"]),
    ("dot", lambda: mt.dot(z(3), z(4)), ShapeError, ["(3,)", "(4,)"]),
    ("outer", lambda: mt.outer(z(3, 2), z(4)), ShapeError, ["(3, 2)", "(4,)"]),
    ("linear", lambda: mt.linear(z(2, 3), z(4, 5), z(4)), ShapeError, ["(2, 3)", "(4, 5)"]),
    ("linear without bias", lambda: mt.linear(z(2, 3), z(4, 5)), ShapeError, ["(2, 3)", "(5, 4)"]),
    ("linear with a bias of another length", lambda: mt.linear(z(2, 3), z(4, 3), z(3)), ShapeError, ["(4, 3)", "(3,)"]),
    ("linear with a vector of weights and a bias", lambda: mt.linear(z(2, 3), z(3), z(2)), ShapeError, ["(3,)"]),
    ("cat", lambda: mt.cat([z(2, 3), z(2, 4)]), ShapeError, ["(2, 3)", "(2, 4)"]),
    ("cat of different ranks", lambda: mt.cat([z(2), z()]), ShapeError, ["(2,)", "()"]),
    ("cat of numbers", lambda: mt.cat([z(), z()]), ShapeError, ["()"]),
    ("stack", lambda: mt.stack([z(2), z(3)]), ShapeError, ["(2,)", "(3,)"]),
    ("vstack", lambda: mt.vstack([z(2), z(3)]), ShapeError, ["(1, 2)", "(1, 3)"]),
    ("hstack", lambda: mt.hstack([z(2, 3), z(3, 3)]), ShapeError, ["(2, 3)", "(3, 3)"]),
    ("reshape", lambda: z(2, 3).reshape(4), ShapeError, ["(2, 3)", "(4,)"]),
    ("reshape with two unknowns", lambda: z(2, 3).reshape(-1, -1), ShapeError, ["(2, 3)", "(-1, -1)"]),
    ("reshape of nothing", lambda: z(0, 3).reshape(-1, 0), ShapeError, ["(0, 3)"]),
    ("view", lambda: z(2, 3).T.view(6), ShapeError, ["(3, 2)", "(6,)"]),
    ("unflatten", lambda: z(6).unflatten(0, (4, 2)), ShapeError, ["(6,)", "(4, 2)"]),
    ("expand", lambda: z(2, 3).expand(4, 3), ShapeError, ["(2, 3)", "(4, 3)"]),
    ("expand to fewer axes", lambda: z(2, 3).expand(3), ShapeError, ["(2, 3)", "(3,)"]),
    ("expand a new axis by -1", lambda: z(3).expand(-1, 3), ShapeError, ["(3,)", "(-1, 3)"]),
    ("broadcast_to", lambda: mt.broadcast_to(z(2), (3,)), ShapeError, ["(2,)", "(3,)"]),
    ("t", lambda: z(2, 3, 4).t(), ShapeError, ["(2, 3, 4)"]),
    ("mT", lambda: z(3).mT, ShapeError, ["(3,)"]),
    ("diag", lambda: mt.diag(z(2, 3, 4)), ShapeError, ["(2, 3, 4)"]),
    ("diagonal", lambda: mt.diagonal(z(2)), ShapeError, ["(2,)"]),
    ("trace", lambda: z(2, 3, 4).trace(), ShapeError, ["(2, 3, 4)"]),
    ("tril", lambda: mt.tril(z(3)), ShapeError, ["(3,)"]),
    ("inv", lambda: mt.inv(z(2, 3)), ShapeError, ["(2, 3)"]),
    ("det", lambda: mt.det(z(3)), ShapeError, ["(3,)"]),
    ("solve", lambda: mt.solve(mt.eye(3), z(2)), ShapeError, ["(3, 3)", "(2,)"]),
    (
        "solve a batch",
        lambda: mt.solve(mt.zeros(2, 3, 3) + mt.eye(3), z(3, 3, 1)),
        ShapeError,
        ["(2, 3, 3)", "(3, 3, 1)"],
    ),
    ("cholesky", lambda: mt.cholesky(z(2, 3)), ShapeError, ["(2, 3)"]),
    ("einsum", lambda: mt.einsum("ij,jk->ik", z(2, 3), z(4, 5)), ShapeError, ["(2, 3)", "(4, 5)"]),
    ("einsum with too few letters", lambda: mt.einsum("i,jk", z(2, 3), z(4, 5)), ShapeError, ["'i'"]),
    ("einsum of an uneven diagonal", lambda: mt.einsum("ii->i", z(2, 3)), ShapeError, ["2", "3"]),
    ("getitem by a mask", lambda: z(3)[mt.zeros(2) > 0], IndexingError, ["2", "3"]),
    ("setitem", lambda: z(3).__setitem__(slice(2), z(3)), ShapeError, ["(3,)"]),
    ("masked_select", lambda: mt.masked_select(z(3), z(2) > 0), ShapeError, ["(3,)", "(2,)"]),
    ("gather with other axes", lambda: mt.gather(z(2, 3), 0, index(0)), ShapeError, ["(2, 3)", "(1,)"]),
    ("gather beyond", lambda: mt.gather(z(2, 3), 1, mt.zeros((3, 1), dtype=int)), ShapeError, ["(2, 3)", "(3, 1)"]),
    ("scatter_add", lambda: mt.scatter_add(z(3), 0, index(0, 1), z(1)), ShapeError, ["(2,)", "(1,)"]),
    (
        "take_along_dim",
        lambda: mt.take_along_dim(z(2, 3), mt.zeros((3, 1), dtype=int), 1),
        ShapeError,
        ["(2, 3)", "(3, 1)"],
    ),
    ("index_select", lambda: mt.index_select(z(2, 3), 0, mt.zeros((1, 1), dtype=int)), ShapeError, ["(1, 1)"]),
    ("unbind", lambda: mt.unbind(z()), ShapeError, ["()"]),
    ("split", lambda: mt.split(z(), 1), ShapeError, ["()"]),
    ("allclose", lambda: mt.allclose(z(2), z(3)), ShapeError, ["2", "3"]),
    ("copy_", lambda: z(2).copy_(z(3)), ShapeError, ["2", "3"]),
    # nothing to reduce
    *[
        (f"{name} of nothing", lambda name=name: getattr(mt, name)(z(0, 3)), ShapeError, ["(0, 3)"])
        for name in ("max", "min", "amax", "amin", "argmax", "argmin", "median")
    ],
    *[
        (f"{name} of nothing along an axis", lambda name=name: getattr(mt, name)(z(3, 0), 1), ShapeError, ["(3, 0)"])
        for name in ("max", "min", "amax", "amin", "argmax", "argmin", "median")
    ],
    # axes
    *[
        (f"{name} along axis 2", lambda name=name: getattr(mt, name)(z(2, 3), dim=2), IndexingError, ["2"])
        for name in ALONG_AXES.split()
    ],
    ("unsqueeze", lambda: z(2).unsqueeze(3), IndexingError, ["3"]),
    ("transpose", lambda: z(2, 3).transpose(0, 2), IndexingError, ["2"]),
    ("movedim", lambda: z(2, 3).movedim(0, 2), IndexingError, ["2"]),
    ("flip", lambda: z(2, 3).flip(2), IndexingError, ["2"]),
    ("roll", lambda: z(2, 3).roll(1, 2), IndexingError, ["2"]),
    ("cat along axis 2", lambda: mt.cat([z(2, 3)], 2), IndexingError, ["2"]),
    ("stack along axis 3", lambda: mt.stack([z(2, 3)], 3), IndexingError, ["3"]),
    ("topk along axis 2", lambda: mt.topk(z(2, 3), 1, 2), IndexingError, ["2"]),
    ("flatten", lambda: mt.flatten(z(2, 3), 0, 2), IndexingError, ["2"]),
    ("sum twice over an axis", lambda: z(2, 3).sum((0, -2)), ArgumentError, ["(0, -2)"]),
    ("sum over half an axis", lambda: z(2, 3).sum(0.5), ArgumentError, ["0.5"]),
    ("permute", lambda: z(2, 3).permute(0, 0), ArgumentError, ["(2, 3)", "(0, 0)"]),
    ("permute too few", lambda: z(2, 3).permute(0), ArgumentError, ["(2, 3)", "(0,)"]),
    ("diagonal of one axis", lambda: mt.diagonal(z(2, 3), dim1=0, dim2=0), ArgumentError, ["(2, 3)"]),
    ("movedim unevenly", lambda: z(2, 3).movedim((0, 1), 0), ArgumentError, ["(0, 1)"]),
    ("flatten backwards", lambda: mt.flatten(z(2, 3), 1, 0), ArgumentError, ["(2, 3)"]),
    # indices
    ("getitem", lambda: z(3)[3], IndexingError, ["3"]),
    ("getitem with too many", lambda: z(3)[0, 0], IndexingError, ["1", "2"]),
    ("getitem by an array", lambda: z(3)[index(0, 5)], IndexingError, ["5", "3"]),
    ("getitem by floats", lambda: z(3)[mt.tensor([0.0])], MicrotrainError, ["float64"]),
    ("getitem by a string", lambda: z(3)["a"], MicrotrainError, ["str"]),
    ("gather", lambda: mt.gather(z(2, 3), 1, index([4])), IndexingError, ["4", "3"]),
    ("gather by floats", lambda: mt.gather(z(2), 0, z(1)), DtypeError, ["float64"]),
    ("index_select beyond", lambda: mt.index_select(z(2, 3), 1, index(3)), IndexingError, ["(2, 3)", "3"]),
    ("take_along_dim beyond", lambda: mt.take_along_dim(z(2), index(2), 0), IndexingError, ["2"]),
    ("scatter beyond", lambda: mt.scatter(z(2), 0, index(2), 1.0), IndexingError, ["2"]),
    ("one_hot", lambda: mt.one_hot(index(1, 3), 3), IndexingError, ["3"]),
    ("one_hot of -1", lambda: mt.one_hot(index(-1, 2)), IndexingError, ["-1"]),
    ("one_hot of floats", lambda: mt.one_hot(z(3)), DtypeError, ["float64"]),
    ("masked_select by integers", lambda: mt.masked_select(z(2), index(0, 1)), DtypeError, ["int64"]),
    # labels
    ("a label too large", lambda: mt.cross_entropy(z(2, 3), index(0, 3)), IndexingError, ["3"]),
    ("a negative label", lambda: mt.cross_entropy(z(2, 3), index(0, -1)), IndexingError, ["-1"]),
    ("labels as floats", lambda: mt.cross_entropy(z(2, 3), z(2)), DtypeError, ["float64", "(2,)"]),
    ("labels as a column", lambda: mt.cross_entropy(z(2, 3), index([0], [1])), ShapeError, ["(2, 1)"]),
    ("too many labels", lambda: mt.cross_entropy(z(2, 3), index(0, 1, 2)), ShapeError, ["(3,)"]),
    ("logits without a class axis", lambda: mt.cross_entropy(z(), index(0)), ShapeError, ["()"]),
    ("class weights", lambda: mt.cross_entropy(z(2, 3), index(0, 1), weight=z(2)), ShapeError, ["(2,)", "3"]),
    ("reduction", lambda: mt.cross_entropy(z(2, 3), index(0, 1), reduction="average"), ArgumentError, ["average"]),
    ("smoothing", lambda: mt.cross_entropy(z(2, 3), index(0, 1), label_smoothing=2), ArgumentError, ["2"]),
    ("binary targets", lambda: mt.binary_cross_entropy_with_logits(z(2, 1), z(2)), ShapeError, ["(2, 1)", "(2,)"]),
    # dtypes
    ("minus of booleans", lambda: -(z(2) > 0), DtypeError, ["bool"]),
    ("booleans - booleans", lambda: (z(2) > 0) - (z(2) > 0), DtypeError, ["bool"]),
    ("& of floats", lambda: z(2) & z(2), DtypeError, ["f64[2]", "have bits", "(a > 0) & (b > 0)"]),
    ("~ of floats", lambda: ~z(2), DtypeError, ["f64[2]", "have bits", "~(x > 0)"]),
    ("clamp of booleans", lambda: (z(2) > 0).clamp(0, 1), DtypeError, ["(2,)"]),
    ("integers // 0", lambda: index(1, 2) // 0, ZeroDivisionError, ["i64[2]", "divided by 0", "x.float()"]),
    ("integers % 0", lambda: index(1, 2) % index(1, 0), ZeroDivisionError, ["remainder"]),
    ("integers //= 0", lambda: index(1, 2).__ifloordiv__(0), ZeroDivisionError, ["floor_divide"]),
    ("1 // integers", lambda: 1 // index(0, 2), ZeroDivisionError, ["floor_divide"]),
    ("np.fmod by 0", lambda: np.fmod(index(1, 2), 0), ZeroDivisionError, ["fmod"]),
    ("integers to negative powers", lambda: index(2) ** -1, MicrotrainError, ["power"]),
    ("a float into integers", lambda: index(1, 2).__setitem__(0, 0.5), DtypeError, ["int64"]),
    ("integers += 0.5", lambda: index(1, 2).add_(0.5), DtypeError, ["int64", "float64"]),
    ("integers /= 2", lambda: index(1, 2).div_(2), DtypeError, ["int64", "float64"]),
    ("a string", lambda: z(2).to("floaty"), MicrotrainError, ["floaty"]),
    # arguments
    ("clamp", lambda: z(2).clamp(), ArgumentError, ["min"]),
    ("rounding_mode", lambda: z(2).div(2, rounding_mode="up"), ArgumentError, ["up"]),
    ("gelu", lambda: mt.gelu(z(2), approximate="sigmoid"), ArgumentError, ["sigmoid"]),
    ("norm", lambda: mt.norm(z(2), "nuc"), ArgumentError, ["nuc"]),
    ("format", lambda: f"{z(2):.3f}", ShapeError, ["'.3f'", "(2,)", "tolist"]),
    ("dropout", lambda: mt.dropout(z(2), 1.5), ArgumentError, ["1.5"]),
    ("split into 0", lambda: mt.split(z(3), 0), ArgumentError, ["(3,)", "0"]),
    ("split unevenly", lambda: mt.split(z(3), [1, 1]), ArgumentError, ["(3,)", "2"]),
    ("split backwards", lambda: mt.split(z(3), [4, -1]), ArgumentError, ["(3,)"]),
    ("chunk into 0", lambda: mt.chunk(z(3), 0), ArgumentError, ["(3,)", "0"]),
    ("cat of nothing", lambda: mt.cat([]), ArgumentError, ["no tensors"]),
    ("cat of one tensor", lambda: mt.cat(z(2, 3)), DtypeError, ["list"]),
    ("pad", lambda: mt.pad(z(2, 3), [1]), ArgumentError, ["(2, 3)", "[1]"]),
    ("pad of more axes", lambda: mt.pad(z(2), [1, 1, 1, 1]), ArgumentError, ["(2,)"]),
    ("pad that cuts too much", lambda: mt.pad(z(2), [-3, 0]), ShapeError, ["(2,)"]),
    ("pad by reflection", lambda: mt.pad(z(2), [2, 1], mode="reflect"), ShapeError, ["reflect", "(2,)"]),
    ("repeat", lambda: z(2).repeat(-1), ArgumentError, ["(2,)", "-1"]),
    ("repeat twice", lambda: mt.repeat(z(2), 2, axis=0), ArgumentError, ["twice"]),
    ("repeat_interleave", lambda: z(2).repeat_interleave(-1), ArgumentError, ["(2,)", "-1"]),
    ("topk", lambda: mt.topk(z(3), 4), ArgumentError, ["4", "3"]),
    ("roll unevenly", lambda: z(2, 3).roll((1, 2), 0), ArgumentError, ["(2, 3)"]),
    ("reshape to half", lambda: z(3).reshape(1.5, 2), ArgumentError, ["1.5"]),
    ("view as a dtype", lambda: z(3).view(np.int64), ArgumentError, ["dtype"]),
    ("einsum with a strange letter", lambda: mt.einsum("i$->i", z(2, 3)), ArgumentError, ["i$->i"]),
    ("einsum with no equation", lambda: mt.einsum(z(2, 3), z(3, 2)), ArgumentError, ["ij,jk->ik"]),
    ("einsum with an axis -1", lambda: mt.einsum(z(2, 3), [0, -1]), ArgumentError, ["[0, -1]", "0 to 51"]),
    ("einsum with a result from nowhere", lambda: mt.einsum("ij->k", z(2, 3)), ArgumentError, ["ij->k"]),
    ("einsum with a result twice", lambda: mt.einsum("ij->ii", z(2, 3)), ArgumentError, ["ij->ii"]),
    ("einsum with too many terms", lambda: mt.einsum("ij,jk", z(2, 3)), ArgumentError, ["2", "1"]),
    ("inverse of a singular matrix", lambda: mt.inv(z(2, 2)), ArgumentError, ["(2, 2)", "singular"]),
    ("solve a singular system", lambda: mt.solve(z(2, 2), z(2)), ArgumentError, ["(2, 2)", "singular"]),
    ("cholesky of a negative matrix", lambda: mt.cholesky(-mt.eye(2)), ArgumentError, ["(2, 2)", "positive definite"]),
    ("eigenvalues of NaN", lambda: mt.eigvalsh(mt.full((3, 3), np.nan)), ArgumentError, ["(3, 3)"]),
]


@pytest.mark.parametrize(("call", "kind", "texts"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_use_is_explained(call: Callable[[], Any], kind: type[Exception], texts: list[str]) -> None:
    with pytest.raises(MicrotrainError) as caught:
        call()
    assert isinstance(caught.value, kind), repr(caught.value)
    for text in texts:
        assert text in str(caught.value), str(caught.value)


def test_the_logarithm_of_a_singular_determinant_has_no_derivative() -> None:
    x = mt.zeros(2, 2, requires_grad=True)
    y = mt.slogdet(x).logabsdet
    assert y.item() == -np.inf
    with pytest.raises(MicrotrainError, match="singular"):
        y.backward()
    assert x.grad is None


def test_a_failed_operation_leaves_everything_as_it_was() -> None:
    x = mt.ones(3)
    for wrong in (lambda: x.add_(z(2)), lambda: x.__setitem__(slice(2), z(3)), lambda: x.mul_(z(2, 3))):
        with pytest.raises(MicrotrainError):
            wrong()
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_floats_divided_by_zero_are_infinite() -> None:
    x = mt.tensor([1.0, -1.0, 0.0])
    assert str((x / 0).tolist()) == "[inf, -inf, nan]" and (index(4) / 0).item() == np.inf
    assert (index(7, -7) // 2).tolist() == [3, -4] and mt.zeros(0, dtype=int).floor_divide(0).shape == (0,)


def test_formats_of_text_go_on_working() -> None:
    assert (
        f"{z(2)}" == "tensor([0., 0.])"
        and f"{z(1):>20}" == f"{0.0:>20}"
        and f"{z(2):>20}" == " " * 4 + "tensor([0., 0.])"
    )
