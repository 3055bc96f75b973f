"""Shapes: which results are views, and that writing through a view reaches the base."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt

from .helpers import check_derivatives

VIEWS: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: x.reshape(3, 2),
    "view": lambda x: x.view(6),
    "flatten": lambda x: x.flatten(),
    "squeeze": lambda x: x.reshape(2, 1, 3).squeeze(1),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "transpose": lambda x: x.transpose(0, 1),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "permute": lambda x: x.permute(1, 0),
    "movedim": lambda x: x.movedim(0, 1),
    "split": lambda x: x.split(2, 1)[1],
    "chunk": lambda x: x.chunk(2, 1)[0],
    "unbind": lambda x: x.unbind(1)[2],
    "getitem": lambda x: x[1, ::-1],
    "one element": lambda x: x[1, 2],
    "view of a view": lambda x: x.T[1:].reshape(2, 2).T[0],
    "contiguous already": lambda x: x.contiguous(),
    "diagonal": lambda x: x.diagonal(),
    "diagonal beside it": lambda x: x.diagonal(1),
    "diagonal of a transpose": lambda x: x.T.diagonal(-1, 1, 0),
    "detach": lambda x: x.detach(),
}
COPIES: dict[str, Callable[[Any], Any]] = {
    "clone": lambda x: x.clone(),
    "flip": lambda x: x.flip(0),
    "flip of nothing": lambda x: x.flip(()),
    "roll": lambda x: x.roll(0),
    "repeat": lambda x: x.repeat(1, 1),
    "tile": lambda x: x.tile(1),
    "repeat_interleave": lambda x: x.repeat_interleave(1, 0),
    "reshape of a transpose": lambda x: x.T.reshape(6),
    "contiguous of a transpose": lambda x: x.T.contiguous(),
    "cat": lambda x: mt.cat([x]),
    "einsum": lambda x: mt.einsum("ij->ji", x),
    "diag": lambda x: x.diag(),
    "tril": lambda x: x.tril(9),
    "pad": lambda x: mt.pad(x, [0, 0]),
    "sum over nothing": lambda x: x.sum(()),
    "to": lambda x: x.float().double(),
    "positive": lambda x: +x,
    "index_select": lambda x: x.index_select(0, mt.tensor([0, 1])),
    "sort": lambda x: x.sort(1)[0],
    "clamp": lambda x: x.clamp(min=-9),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory(name: str) -> None:
    x = mt.zeros(2, 3)
    view = VIEWS[name](x)
    assert np.shares_memory(view._array(), x._array())
    view.fill_(1)
    assert x.sum().item() == view.numel()
    x.fill_(2)
    assert set(np.ravel(view.tolist())) == {2.0}


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "detach"])
def test_gradients_through_a_written_view(name: str) -> None:
    """The base's value and gradient after one of its views was overwritten."""

    def write(x: mt.Tensor) -> mt.Tensor:
        y = x * 2
        view = VIEWS[name](y)
        view.mul_(view)
        return y * 3

    check_derivatives(write, [np.arange(1.0, 7.0).reshape(2, 3)])


@pytest.mark.parametrize("name", COPIES)
def test_copies_do_not(name: str) -> None:
    x = mt.ones(2, 3)
    copy = COPIES[name](x)
    assert not np.shares_memory(copy._array(), x._array())
    copy.fill_(5)
    assert x.sum().item() == 6


@pytest.mark.parametrize(
    "call", [lambda x: x.expand(2, 3), lambda x: mt.broadcast_to(x, (4, 3)), lambda x: x.expand_as(mt.ones(2, 3))]
)
def test_expanded_views_are_read_only(call: Any) -> None:
    x = mt.zeros(3)
    with pytest.raises(mt.MicrotrainError, match="read-only"):
        call(x).add_(1)


def test_sizes_may_be_numbers_a_tuple_or_named() -> None:
    x = mt.arange(6.0)
    assert (
        x.reshape(2, 3).shape
        == x.reshape((2, 3)).shape
        == x.reshape([2, -1]).shape
        == mt.reshape(x, shape=(2, 3)).shape
    )
    y = x.reshape(1, 2, 3)
    assert y.permute(2, 0, 1).shape == y.permute((2, 0, 1)).shape == mt.permute(y, dims=(2, 0, 1)).shape == (3, 1, 2)
    assert y.flip(1).tolist() == y.flip([1]).tolist() == mt.flip(y, dims=(1,)).tolist() == mt.flip(y, axis=1).tolist()
    assert y.expand(4, -1, -1).shape == y.expand((4, 2, 3)).shape == y.expand(size=(4, 2, 3)).shape
    assert x.repeat(2, 1).shape == x.repeat((2, 1)).shape == (2, 6)
    assert x.tile(2).tolist() == mt.tile(x, dims=(2,)).tolist() == np.tile(np.arange(6.0), 2).tolist()
    assert mt.roll(x, 1, axis=0).tolist() == x.roll(1).tolist() == np.roll(np.arange(6.0), 1).tolist()
    assert mt.zeros(2, 3).sum(axis=1, keepdims=True).shape == (2, 1)
    assert x.reshape(np.int64(2), mt.tensor(3)).shape == (2, 3)


def test_tensors_without_axes() -> None:
    x = mt.tensor(2.0, requires_grad=True)
    assert x.reshape(1, 1).shape == (1, 1)
    assert x.flatten().shape == x.unsqueeze(0).shape == x.expand(1).shape == (1,)
    assert x.T.shape == x.squeeze().shape == x.permute().shape == x.transpose(0, -1).shape == ()
    for f in (
        mt.sum, mt.mean, mt.prod, mt.max, mt.amax, mt.median, mt.norm, mt.cumsum, mt.cumprod, mt.softmax,
        mt.log_softmax, mt.sort, mt.flip, mt.clone,
    ):  # fmt: skip
        y = f(x, 0) if f in (mt.cumsum, mt.cumprod, mt.softmax, mt.log_softmax) else f(x)
        y = y[0] if isinstance(y, tuple) else y
        assert y.shape == (), f
    assert [t.item() for t in mt.max(x, 0)] == [2.0, 0]
    assert [t.item() for t in mt.topk(x, 1)] == [2.0, 0]
    assert mt.argmax(x).item() == mt.argmax(x, 0).item() == 0
    assert mt.stack([x, x]).shape == (2,)
    assert mt.hstack([x, x]).shape == (2,)
    assert mt.vstack([x, x]).shape == (2, 1)


def test_stacking_many_tensors_of_one_gradient() -> None:
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    (mt.stack([x, x, x]) * mt.tensor([[1.0], [10.0], [100.0]])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [111.0, 111.0]


def test_unpacking_and_iterating() -> None:
    x = mt.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    a, b = x
    c, d = x.unbind(1)
    (a * b + c * 10 + d * 100).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[13.0, 104.0], [11.0, 102.0]]
