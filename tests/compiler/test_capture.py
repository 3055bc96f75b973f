"""What can't be captured is refused, with the line and the way out; nothing is frozen without a word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.errors import CompileError
from microtrain.nn import functional as F


def refused(step: Any, *args: Any, calls: int = 4, match: str) -> str:
    compiled = mt.compile(step)
    with pytest.raises(CompileError, match=match) as error:
        for _ in range(calls):
            compiled(*args)
    text = str(error.value)
    assert "why:" in text and "fix:" in text
    return text


def test_item_in_the_middle() -> None:
    def step(x: Any) -> Any:
        return x * x.sum().item()

    text = refused(step, mt.ones(3), match="taken out of the step")
    assert "return x * x.sum().item()" in text and "test_capture.py" in text


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x.sum()),
        lambda x: x * x.numpy(),
        lambda x: x * x.tolist()[0],
        lambda x: x * np.asarray(x),
    ],
)
def test_values_that_leave(look: Any) -> None:
    refused(look, mt.ones(3), match="taken out of the step")


def test_numpys_random_numbers() -> None:
    rng = np.random.default_rng(0)
    refused(lambda x: x + rng.normal(size=3), mt.ones(3), match="two runs of the step were not the same")


def test_a_counter() -> None:
    count = [0]

    def step(x: Any) -> Any:
        count[0] += 1
        return x * count[0]

    refused(step, mt.ones(3), match="is now")


def test_another_path_each_time() -> None:
    count = iter(range(100))
    refused(lambda x: x.exp() if next(count) % 2 else x.sin(), mt.ones(3), match="done instead of", calls=6)


def test_a_tensor_that_is_kept() -> None:
    kept = []

    def step(x: Any) -> Any:
        y = x * 2
        kept.append(y)
        return y.sum()

    assert "kept" not in refused(step, mt.ones(3), match="keeps a tensor")


@pytest.mark.parametrize(
    "keep", [lambda x, h: h, lambda x, h: x, lambda x, h: x.grad], ids=["result", "leaf", "gradient of a leaf"]
)
def test_a_tensor_of_the_graph_that_is_kept(keep: Any) -> None:
    kept, w = [], mt.ones(3, requires_grad=True)

    def step(data: Any) -> Any:
        x = data.clone().requires_grad_()
        h = w * x
        h.square().sum().backward()
        kept.append(keep(x, h))
        return w.detach().sum()

    text = refused(step, mt.ones(3), match="keeps a tensor")
    assert "test_capture.py" in text


@pytest.mark.parametrize("make", [
    lambda: mt.tensor([1.0, 2.0, 3.0], requires_grad=True), lambda: mt.full((3,), 2.0).requires_grad_(),
    lambda: mt.nn.Parameter(mt.ones(3)), lambda: mt.from_numpy(np.ones(3)).requires_grad_(),
    lambda: mt.tensor(2.0, requires_grad=True),
])  # fmt: skip
def test_leaves_made_in_the_step(make: Any) -> None:
    kept: list[Any] = []

    def step(x: Any, keep: bool = False) -> Any:
        w = make()
        loss = (x * w).exp().sum()
        loss.backward()
        if keep:
            kept.append(w.grad)
        return loss, w.grad

    compiled = mt.compile(step)
    for k in range(4):
        x = mt.arange(3.0) / (1 + k)
        for found, wanted in zip(compiled(x), step(x), strict=True):
            np.testing.assert_allclose(found, wanted.detach(), rtol=1e-14)
    assert "1 native" in repr(compiled)
    refused(lambda x: step(x, keep=True)[0], mt.ones(3), match="keeps a tensor")
    refused(
        lambda x: (make() * x).detach().requires_grad_(), mt.ones(3), match=r"return x\.detach\(\) instead\)\.\n  why"
    )


def test_hooks() -> None:
    w = mt.ones(3, requires_grad=True)

    def step() -> Any:
        y = w * 2
        y.register_hook(lambda g: g * 2)
        loss = y.sum()
        loss.backward()
        return loss

    refused(step, match="hook changes the gradient of 'mul'")


def test_values_that_are_looked_at_in_the_backward_pass() -> None:
    def in_a_hook(x: Any) -> Any:
        x = x.clone().requires_grad_()
        y = x * 2
        y.register_hook(lambda g: print(g.item()))
        y.sum().backward()
        return x.grad

    def in_a_derivative(x: Any) -> Any:
        x = x.clone().requires_grad_()
        (g,) = mt.grad(x.cumprod(0).sum(), x, create_graph=True)
        g.square().sum().backward()
        return x.grad

    for step in (in_a_hook, in_a_derivative):
        refused(step, mt.ones(1), match=r"is looked at during the backward pass[\s\S]*hook[\s\S]*cumprod")


def test_a_graph_from_before() -> None:
    w = mt.ones(3, requires_grad=True)
    y = w * 2

    def step() -> Any:
        loss = (y * y).sum()
        loss.backward(retain_graph=True)
        return loss

    refused(step, match="before the step began")


def test_a_graph_that_would_be_lost() -> None:
    w = mt.ones(3, requires_grad=True)
    refused(lambda: (w * 2).sum(), match="never calls backward")


def test_writes_past_the_operations() -> None:
    w = mt.ones(3, requires_grad=True)

    def step() -> Any:
        loss = (w * w).sum()
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        w.grad = None
        return loss

    refused(step, match="writes to a tensor in a way")


def test_arguments_that_overlap_what_is_written() -> None:
    x = mt.ones(3, 4)

    def step(row: Any) -> Any:
        x.mul_(0.5)
        return row.sum()

    refused(step, x[1], match="shares memory with another tensor")


def test_labels_made_into_something_by_numpy() -> None:
    labels = mt.tensor([0, 1, 2])

    def step(x: Any, labels: Any) -> Any:
        return mt.where(np.array([True, False, True]), x, 0).sum() + labels.sum()

    refused(step, mt.ones(3), labels, match="made in the step, by NumPy")


def test_optimizers_that_look_at_values() -> None:
    w = mt.ones(3, requires_grad=True)
    o = optim.SWATS([w])

    def step() -> Any:
        o.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        o.step()
        return loss

    refused(step, match="SWATS looks at values")


def test_two_steps_of_an_optimizer() -> None:
    w = mt.ones(3, requires_grad=True)
    o = optim.SGD([w], lr=0.1)

    def step() -> Any:
        for _ in range(2):
            o.zero_grad()
            (w * w).sum().backward()
            o.step()
        return w.detach().sum()

    refused(step, match="two steps in one")


def test_a_function_of_ones_own() -> None:
    class Double(mt.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    def step(x: Any) -> Any:
        loss = Double.apply(x).sum()
        loss.backward()
        return loss

    refused(step, mt.ones(3, requires_grad=True), match="Function of your own")


def test_the_forward_pass_alone() -> None:
    """Under no_grad a model is a function like any other."""
    model = nn.MLP([3, 4, 2])

    @mt.no_grad()
    def predict(x: Any) -> Any:
        return F.softmax(model(x))

    compiled = mt.compile(predict)
    x = mt.randn(5, 3)
    expected = predict(x).numpy()
    for _ in range(4):
        np.testing.assert_allclose(compiled(x).numpy(), expected, rtol=1e-13)


def test_constants_made_in_the_step() -> None:
    def step(x: Any) -> Any:
        return (x * mt.tensor([1.0, 2.0, 3.0]) + mt.arange(3.0) + mt.ones(3)).sum() + np.array([4.0, 5.0, 6.0]).sum()

    compiled = mt.compile(step)
    for k in range(4):
        x = mt.full((3,), float(k))
        assert compiled(x).item() == step(x).item()


@pytest.mark.parametrize("made", [lambda x: np.broadcast_to(x, (3, 4)), lambda x: np.tile(x, (3, 1)).T.copy().T])
def test_constants_made_in_the_step_in_another_order(made: Any) -> None:
    row, x = np.arange(4.0), mt.ones(3, 4)

    def step(x: Any) -> Any:
        return x * made(row)

    compiled = mt.compile(step)
    for _ in range(4):
        assert np.array_equal(compiled(x), np.tile(row, (3, 1)))


def test_random_tensors_are_drawn_again() -> None:
    def step(x: Any) -> Any:
        return x + mt.randn(3) * mt.rand(3) + mt.normal(0, 2, size=(3,))

    compiled = mt.compile(step)
    x = mt.zeros(3)
    mt.manual_seed(1)
    expected = [step(x).numpy().copy() for _ in range(6)]
    mt.manual_seed(1)
    for e in expected:
        np.testing.assert_allclose(compiled(x).numpy(), e, rtol=1e-14)


def _written(x: Any, i: Any) -> Any:
    x = x.clone()
    x[i] = 0.0
    return x


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize(
    "use", [lambda x, i: x[i] * 1.0, lambda x, i: x[:, i] * 1.0, _written], ids="row column write".split()
)
def test_a_number_in_a_tensor_as_index(use: Any, as_array: bool) -> None:
    """Two runs with the same number would not show that it may be another one."""
    compiled, x = mt.compile(use), mt.randn(3, 3)
    with pytest.raises(CompileError, match="a single number in a tensor is used as an index") as error:
        compiled(x, np.array(1) if as_array else mt.tensor(1))
    assert "x[i.reshape(1)]" in str(error.value) and "test_capture.py" in str(error.value)
    compiled = mt.compile(lambda x, i: use(x, i.reshape(1)))
    for k in (0, 0, 0, 1, 2):
        assert compiled(x, mt.tensor(k)).tolist() == use(x, mt.tensor([k])).tolist()
