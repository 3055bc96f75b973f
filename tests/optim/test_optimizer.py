"""What all optimizers share: groups, state, resuming, errors."""

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim


def loss(model):
    x = mt.tensor(np.random.default_rng(0).normal(size=(10, 3)))
    return model(x).square().mean()


def steps(model, optimizer, n):
    for _ in range(n):
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
        lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
        lambda p: optim.AdamW(p, lr=0.1),
    ],
)
def test_resuming_from_a_state_dict_is_exact(make):
    straight = nn.MLP([3, 4, 2], generator=mt.Generator(0))
    optimizer = make(straight.parameters())
    steps(straight, optimizer, 12)

    first = nn.MLP([3, 4, 2], generator=mt.Generator(0))
    before = make(first.parameters())
    steps(first, before, 5)
    second = nn.MLP([3, 4, 2])
    second.load_state_dict(first.state_dict())
    after = make(second.parameters())
    after.load_state_dict(before.state_dict())
    steps(second, after, 7)
    for p, q in zip(straight.parameters(), second.parameters(), strict=True):
        assert (p == q).all()


def test_a_state_dict_is_a_copy():
    model = nn.Linear(3, 2)
    optimizer = optim.Adam(model.parameters())
    steps(model, optimizer, 1)
    state = optimizer.state_dict()
    copied = state["state"][0]["exp_avg"].copy()
    steps(model, optimizer, 3)
    np.testing.assert_array_equal(state["state"][0]["exp_avg"], copied)
    assert state["state"][0]["step"] == 1


def test_step_is_a_write_that_backward_notices():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    value = (w * w).sum()
    value.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(mt.MicrotrainError, match="SGD' overwrote it"):
        value.backward()


def test_closure_is_called_with_gradients_on_and_its_loss_returned():
    w = mt.tensor(3.0, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        value = w * w
        value.backward()
        return value

    with mt.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert w.item() == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: optim.SGD([], lr=0.1), "no parameters"),
        (lambda w: optim.SGD(w, lr=0.1), r"\[w\] instead of w"),
        (lambda w: optim.SGD([w], lr=-1.0), "lr is -1.0"),
        (lambda w: optim.SGD([w], lr=0.1, nesterov=True), "nesterov needs a momentum"),
        (lambda w: optim.Adam([w], betas=(0.9, 1.0)), "betas"),
        (lambda w: optim.Adam([w * 2]), "only change leaves"),
        (lambda w: optim.Adam([w, w]), "two places"),
        (lambda w: optim.Adam([np.zeros(2)]), "takes tensors"),
        (lambda w: optim.Adam([{"params": [w], "rate": 1}]), "rate"),
    ],
)
def test_mistakes_are_explained(make, message):
    with pytest.raises(mt.MicrotrainError, match=message):
        make(mt.tensor([1.0, 2.0], requires_grad=True))


def test_loading_the_state_of_another_model_is_refused():
    a, b = optim.Adam(nn.Linear(3, 2).parameters()), optim.Adam(nn.MLP([3, 2, 2]).parameters())
    with pytest.raises(mt.MicrotrainError, match="groups of"):
        b.load_state_dict(a.state_dict())


def test_parameters_of_mixed_dtype_and_size():
    small, wide = mt.ones(3, dtype=mt.float32, requires_grad=True), mt.ones(3, requires_grad=True)
    optimizer = optim.Adam([small, wide], lr=0.1)
    (small.sum() + (wide * 2).sum()).backward()
    optimizer.step()
    assert small.dtype == mt.float32 and wide.dtype == mt.float64
    np.testing.assert_allclose(wide.detach().numpy(), 0.9, rtol=1e-8)
    np.testing.assert_allclose(small.detach().numpy(), 0.9, rtol=1e-6)


def test_zero_grad_both_ways():
    w = mt.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    w.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert (w.grad == 0).all()
    optimizer.zero_grad()
    assert w.grad is None
