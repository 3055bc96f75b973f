"""Methods, functions and indexing that `operators` installs, and the stub that describes them."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.calling import stubs
from microtrain.errors import DtypeError
from microtrain.ops.primitive import FUNCTIONS, INPLACE, METHODS


def test_everything_is_there():
    for name in FUNCTIONS:
        assert callable(getattr(mt, name)), name
    for name in METHODS:
        assert callable(getattr(mt.Tensor, name)), name
    for name in INPLACE & METHODS.keys():
        assert getattr(mt.Tensor, f"{name}_").__doc__, name
    assert mt.exp.__name__ == "exp" and mt.exp.__module__ == "microtrain" and mt.exp.__doc__


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("__mul__", lambda x: x * mt.ones(2)),
        ("__iadd__", lambda x: x.__iadd__(mt.ones(2))),
        ("logaddexp", lambda x: mt.logaddexp(x, mt.ones(2))),
        ("maximum", lambda x: x.maximum(mt.ones(2))),
    ],
)
def test_tracebacks_name_what_was_called(name, call):
    with pytest.raises(mt.MicrotrainError) as caught:
        call(mt.ones(3))
    assert name in [entry.name for entry in caught.traceback]
    assert getattr(mt.Tensor, name).__qualname__ == f"Tensor.{name}"


def test_the_stub_is_up_to_date():
    assert stubs.PATH.read_text(encoding="utf-8") == stubs.stub(), "run: python -m microtrain.calling.stubs"


def test_the_stub_is_python():
    compile(stubs.stub(), "table.pyi", "exec")
    assert "def exp_(self) -> Tensor: ..." in stubs.stub() and "def sum(input: Any, dim: _int |" in stubs.stub()


INDICES = {
    "int": 1,
    "negative": -1,
    "slice": slice(1, None),
    "steps": slice(None, None, -1),
    "none": None,
    "dots": ...,
    "tuple": (0, slice(None), 2),
    "new axis": (None, 0, ..., None),
    "list": [0, 1, 0],
    "array": np.array([[0, 1], [1, 1]]),
    "pair of arrays": (np.array([0, 1]), np.array([2, 0])),
    "mask": np.array([True, False]),
    "full mask": np.arange(24).reshape(2, 3, 4) % 3 == 0,
    "mixed": (slice(None), [0, 2], 1),
    "scalar mask": True,
    "numpy int": np.int64(1),
    "range": range(2),
    "empty": [],
    "0-d array": np.array(1),
}


@pytest.mark.parametrize("name", INDICES)
def test_indexing_reads_and_writes_like_numpy(name):
    index = INDICES[name]
    a = np.arange(24.0).reshape(2, 3, 4)
    x = mt.tensor(a, requires_grad=True)
    where = np.array(index) if isinstance(index, range) else index
    where = np.array(where, dtype=int) if isinstance(index, list) and not index else where
    np.testing.assert_array_equal(x[index].detach().numpy(), a[where])
    (x[index] * 2).sum().backward()
    expected = np.zeros_like(a)
    np.add.at(expected, where, 2.0)
    np.testing.assert_array_equal(x.grad.numpy(), expected)
    y, b = x * 1, a.copy()
    y[index] = -1.0
    b[where] = -1.0
    np.testing.assert_array_equal(y.detach().numpy(), b)


@pytest.mark.parametrize("kind", [mt.tensor, np.array])
def test_index_by_tensors(kind):
    x = mt.arange(6.0).reshape(2, 3)
    assert x[kind([1, 0])].tolist() == [[3, 4, 5], [0, 1, 2]]
    assert x[kind([[True, False, False], [False, True, True]])].tolist() == [0, 4, 5]
    assert x[kind(1), kind(2)].item() == 5
    assert x[kind(1) : kind(2)].tolist() == [[3, 4, 5]]
    v = x[kind(0)]  # a view, like x[0]
    v += 10
    assert x[0, 0].item() == 10


def test_values_that_broadcast_into_a_part():
    x = mt.ones(3, requires_grad=True)
    for shape in ((1, 3), (1, 1, 1), (1,), (), (1, 1, 3)):
        value = mt.full(shape, 2.0, requires_grad=True)
        z = mt.zeros(3)
        z[:] = value
        (z * x).sum().backward()
        assert value.grad.shape == shape and value.grad.sum().item() == 3
    for shape in ((), (1,), (1, 1)):  # into one element, with and without a gradient to keep
        value = mt.full(shape, 2.0, requires_grad=True)
        z = mt.zeros(3)
        z[0], z[1], z[2] = value, value.detach(), value.detach().numpy()
        assert z.tolist() == [2, 2, 2]
        z.sum().backward()
        assert value.grad.tolist() == np.ones(shape).tolist()
    row, z = mt.ones(1, 3, requires_grad=True), mt.zeros(2, 3)
    z[1:] = row  # as it is: each operation that is recorded costs time
    assert [function for function, _ in z.grad_fn.next_functions if function is not None] == [row]
    for value in (row, row.detach()):
        with pytest.raises(IndexError, match="out of bounds"):
            z[5] = value
    with pytest.raises(DtypeError, match="indexed by"):
        x["a"]


@pytest.mark.parametrize(("name", "module"), [("Tensor", "torch"), ("Parameter", "torch.nn"), ("ArrayImpl", "jaxlib")])
def test_tensors_of_another_library(name, module):
    kind = type(name, (), {"__module__": module, "shape": (2,)})
    x = mt.ones(2)
    for mix in (lambda: x + kind(), lambda: kind() * x, lambda: x.__imul__(kind()), lambda: x == kind()):
        with pytest.raises(DtypeError, match=rf"one of {module[:5]}[\s\S]*asarray\(x\)[\s\S]*mt\.tensor\(x\.detach"):
            mix()
    with pytest.raises(TypeError, match="unsupported operand"):
        x + None


def test_a_class_of_ones_own_may_compute_with_tensors():
    kind = type("Tensor", (), {"__rmul__": lambda self, other: "its own", "__eq__": lambda self, other: "equal"})
    assert mt.ones(2) * kind() == "its own" and (mt.ones(2) == kind()) == "equal"
    with pytest.raises(TypeError, match="unsupported operand"):
        mt.ones(2) + kind()


def test_symbols_in_messages():
    h = mt.tensor([5.0, 7.0], requires_grad=True) * 1
    for write in ("+=", "-=", "*=", "/=", "//=", "%=", "**="):
        t = h * 1
        y = t * t
        exec(f"t {write} 2")
        with pytest.raises(mt.MicrotrainError, match=f"'{write.replace('*', '[*]').replace('+', '[+]')}' overwrote"):
            y.sum().backward()
