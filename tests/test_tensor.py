"""The tensor itself: the door, what it is, copies of it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import (
    ArgumentError,
    DtypeError,
    GraphError,
    IndexingError,
    MicrotrainError,
    NotDifferentiableError,
    ShapeError,
)


def test_what_it_is():
    x = mt.ones(2, 3, dtype=mt.float32, requires_grad=True)
    assert (x.shape, x.dtype, x.ndim, x.dim(), x.size(), x.size(1), x.numel()) == ((2, 3), "f4", 2, 2, (2, 3), 3, 6)
    assert (x.element_size(), x.nbytes, len(x), x.is_leaf, x.requires_grad) == (4, 24, 2, True, True)
    assert x.is_contiguous() and not x.T.is_contiguous() and x.is_floating_point()
    assert not mt.tensor([1]).is_floating_point()
    assert [row.tolist() for row in mt.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert 3 in mt.tensor([1, 3]) and mt.tensor(4) not in mt.tensor([1, 3])


def test_numbers():
    x = mt.tensor(2.5)
    assert (x.item(), float(x), int(x), bool(x), f"{x:.2f}") == (2.5, 2.5, 2, True, "2.50")
    assert [10, 20, 30][mt.tensor(1)] == 20 and list(range(mt.tensor(3))) == [0, 1, 2]
    assert mt.tensor([[7]]).item() == 7 and not mt.tensor([0.0])
    loss = (mt.ones(2, requires_grad=True) * 2).sum()
    assert float(loss) == 4 and f"{loss:.1f}" == "4.0" and loss.item() == 4


def test_numbers_that_are_none():
    x = mt.ones(2)
    for convert in (float, int, bool, mt.Tensor.item):
        with pytest.raises(ShapeError):
            convert(x)
    with pytest.raises(DtypeError, match=r"Use int\(x\)"):
        range(mt.tensor(3.0))
    for call in (len, iter):
        with pytest.raises(DtypeError, match="without axes"):
            call(mt.tensor(1.0))


def test_bad_calls_are_explained():
    x = mt.ones(2, 3)
    for error, call in [
        (ShapeError, lambda: x + mt.ones(2)),
        (ShapeError, lambda: x @ mt.ones(2)),
        (ShapeError, lambda: x.reshape(4)),
        (IndexingError, lambda: x[2]),
        (IndexingError, lambda: x.sum(5)),
        (DtypeError, lambda: x["a"]),
        (DtypeError, lambda: x[1.5]),
        (DtypeError, lambda: x & 1),
        (DtypeError, lambda: x * np.complex128(1j)),
        (DtypeError, lambda: x + np.array(["a"])),
        (DtypeError, lambda: x.to(complex)),
        (DtypeError, lambda: x.to("nonsense dtype") if False else mt.zeros(2, dtype="nonsense")),
        (MicrotrainError, lambda: mt.tensor([1], dtype=mt.uint8) + 300),
        (ArgumentError, lambda: mt.tensor([2]) ** -1),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, MicrotrainError) and caught.value.what
        assert caught.value.__suppress_context__ or caught.value.__context__ is None  # no NumPy traceback around it


def test_operators_with_strangers():
    x = mt.ones(2)
    for call in (lambda: x + "a", lambda: [1, 2] + x, lambda: x * None, lambda: x < 1j):
        with pytest.raises(TypeError):
            call()
    assert (x == None) is False and (x != "a") is True  # noqa: E711
    assert {x: 1}[x] == 1 and hash(x) != hash(mt.ones(2))


def test_requires_grad():
    x = mt.ones(2)
    assert x.requires_grad_() is x and x.requires_grad
    y = x * 2
    with pytest.raises(GraphError, match="result of 'mul'"):
        y.requires_grad_(False)
    assert y.requires_grad_() is y
    x.requires_grad = False
    assert not x.requires_grad and not (x * 2).requires_grad
    with pytest.raises(DtypeError, match="floating point"):
        mt.tensor([1], requires_grad=True)


def test_what_has_no_derivative_is_cut_but_not_in_silence():
    x = mt.ones(2, requires_grad=True)
    for y in (x > 0, x.argmax(), x.long(), x == x, x.isnan()):
        assert not y.requires_grad and y.is_leaf
        with pytest.raises(GraphError, match="comparisons, argmax, conversion to integers"):
            y.backward()


def test_a_tensor_of_a_tensor():
    x = mt.tensor([1.0, 2.0])
    y = mt.tensor(x)
    y += 1
    assert x.tolist() == [1, 2]
    with pytest.raises(NotDifferentiableError, match=r"x\.clone\(\)"):
        mt.tensor(x.requires_grad_())
    assert mt.as_tensor(x) is x


def test_names():
    x = mt.ones(1, requires_grad=True).named("w")
    y = (x * 2).named("h1")
    assert y.grad_fn.name == "h1" and "name='h1'" in repr(y) and "name='w'" in repr(x)


@pytest.mark.parametrize("twin", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_leaves(twin):
    x = mt.tensor([[1.0, 2.0]], requires_grad=True).named("w")
    (x * x).sum().backward()
    y = twin(x)
    assert type(y) is mt.Tensor and y.requires_grad and y.is_leaf and y.tolist() == x.tolist() and "w" in repr(y)
    with mt.no_grad():
        y += 1
    y.grad = None
    assert x.tolist() == [[1, 2]] and x.grad.tolist() == [[2, 4]]
    with pytest.raises(GraphError):
        twin(x * 2)
    scalar = mt.tensor(3.0)
    assert twin(scalar).item() == 3 and twin(scalar[None][0]).item() == 3


@pytest.mark.oracle
def test_numbers_in_texts_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    for value in (2.5, 1 / 3, 7, True):
        ours, theirs = mt.tensor(value), torch.tensor(value, dtype=torch.float64 if type(value) is float else None)
        assert f"{ours} {ours:>8}" == f"{theirs} {theirs:>8}"
    loss = (mt.tensor(1.5, requires_grad=True) * 2).sum()
    assert f"loss {loss}, {loss:.3f}" == "loss 3.0, 3.000" and "grad_fn" in f"{loss!r}"
    assert f"{mt.ones(1)}" == f"{torch.ones(1)}" == "tensor([1.])"


def test_elements_are_not_deleted():
    x = mt.ones(3)
    with pytest.raises(mt.errors.DtypeError, match=r"can't be deleted[\s\S]*cat"):
        del x[0]


def test_copies_in_containers_and_with_attributes():
    x = mt.ones(2, requires_grad=True)
    x.grad, x.note = mt.ones(2), ["a"]
    a, b = copy.deepcopy([x, x])
    assert a is b and a is not x and a.grad is not x.grad and a.grad.tolist() == [1, 1]
    assert a.note == ["a"] and a.note is not x.note
    x.register_hook(lambda g: g * 100)
    twin = copy.deepcopy(x)
    (twin * 2).sum().backward()
    assert twin.grad.tolist() == [3, 3]
    assert pickle.loads(pickle.dumps(x)).note == ["a"]
    parameter = mt.nn.Parameter(mt.ones(2))
    parameter.grad = mt.ones(2)
    for y in (copy.deepcopy(parameter), copy.copy(parameter), pickle.loads(pickle.dumps(parameter))):
        assert type(y) is mt.nn.Parameter and y.requires_grad and y.grad is None
    model = mt.nn.Linear(2, 1)
    model(mt.ones(2)).sum().backward()
    twin = copy.deepcopy(model)
    twin(mt.ones(2)).sum().backward()
    assert twin.weight.grad.tolist() == [[1, 1]]  # as in PyTorch, and not 2


def test_zero_dimensional_arithmetic_stays_quick_and_right():
    x = mt.tensor(2.0, requires_grad=True)
    y = x * x + 3
    assert isinstance(y._data, np.float64)  # NumPy scalars are ten times faster than 0-d arrays
    assert y.numpy(force=True).shape == () and y.detach().numpy().flags.writeable is False
    z = mt.tensor(1.0, dtype=mt.float32) * 2
    assert z.dtype == mt.float32 and (z * 1.5).dtype == mt.float32
    assert mt.tensor(1) / 2 == 0.5 and (mt.tensor(True) & mt.tensor(False)).item() is False


def test_lists_and_numbers_where_a_tensor_is_expected():
    assert mt.exp(0.0).item() == 1 and mt.exp([0.0, 0.0]).tolist() == [1, 1]
    assert mt.sum([1, 2, 3]).item() == 6 and mt.sum(np.ones(3)).item() == 3
    assert mt.stack([1.0, 2.0]).tolist() == [1, 2] and mt.cat([np.ones(1), mt.zeros(1)]).tolist() == [1, 0]
    assert mt.maximum([1.0, 5.0], mt.tensor([2.0, 2.0])).tolist() == [2, 5]
    assert mt.where([True, False], mt.ones(2), 0.0).tolist() == [1, 0]
    with pytest.raises(MicrotrainError):
        mt.sum("abc")
    with pytest.raises(MicrotrainError):
        mt.exp([[1.0], [1.0, 2.0]])
