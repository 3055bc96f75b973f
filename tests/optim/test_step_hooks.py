"""Hooks around an optimizer's step."""

import copy
import gc
import pickle
import weakref

import pytest

import microtrain as mt
from microtrain import optim
from microtrain.errors import ArgumentError, CompileError, DtypeError


def seen_by_hooks(lib):
    """What hooks see and do, in words and numbers."""
    w = lib.tensor([1.0], dtype=lib.float64, requires_grad=True)
    optimizer = lib.optim.SGD([w], lr=0.5)
    said = []

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    def before(opt, args, kwargs):
        said.append(("before", opt is optimizer, len(args), args[0] is optimizer, sorted(kwargs), w.item()))

    first = optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(lambda opt, args, kwargs: said.append(("after", len(args), w.item())))
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: said.append("second"))
    said.append(optimizer.step(closure).item())
    said.append(optimizer.step(closure=closure).item())
    closure()
    said.append(optimizer.step())
    first.remove()
    with optimizer.register_step_pre_hook(lambda opt, args, kwargs: ((opt, closure), {})):
        said.append(optimizer.step().item())
    said.append(optimizer.step())
    twin = copy.deepcopy(optimizer)
    twin.step()
    return said, w.item()


@pytest.mark.oracle
def test_they_see_what_pytorchs_see():
    torch = pytest.importorskip("torch")
    assert seen_by_hooks(mt) == seen_by_hooks(torch)


@pytest.mark.parametrize("kind", [optim.LBFGS, optim.Newton, optim.Nesterov, optim.GaussNewton, optim.Adam])
def test_every_optimizer_calls_them_once(kind):
    class Own(kind):
        def step(self, closure=None):
            return super().step(closure)

    for each in (kind, Own):
        w = mt.tensor([1.0, 2.0], requires_grad=True)
        optimizer = each([w])

        def closure(w=w, optimizer=optimizer, newton=kind in (optim.Newton, optim.GaussNewton)):
            if newton:
                return (w - 1) if issubclass(type(optimizer), optim.GaussNewton) else ((w - 1) ** 2).sum()
            optimizer.zero_grad()
            loss = ((w - 1) ** 2).sum()
            loss.backward()
            return loss

        calls = []
        optimizer.register_step_pre_hook(lambda *_, calls=calls: calls.append("before"))
        optimizer.register_step_post_hook(lambda *_, calls=calls: calls.append("after"))
        optimizer.step(closure)
        assert calls == ["before", "after"]


def test_copies_have_no_hooks_and_go_on():
    w = mt.tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([w], lr=0.1)
    calls = []
    w.grad = mt.ones(1)
    optimizer.step()
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    for twin in (copy.copy(optimizer), copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        twin.param_groups[0]["params"][0].grad = mt.ones(1)
        twin.step()
        assert twin.state[twin.param_groups[0]["params"][0]]["step"] == 2
        assert not calls
    optimizer.step()
    assert calls == [1]


def test_they_make_no_cycle():
    gc.disable()
    try:
        optimizer = optim.SGD([mt.ones(1, requires_grad=True)], lr=0.1)
        optimizer.register_step_post_hook(lambda *_: None)
        optimizer.step()
        step, gone = optimizer.step, weakref.ref(optimizer)
        del optimizer
        assert gone() is None
        with pytest.raises(ArgumentError, match="The optimizer of this step"):
            step()
    finally:
        gc.enable()


def test_a_step_that_the_program_has_replaced():
    optimizer = optim.SGD([mt.ones(1, requires_grad=True)], lr=0.1)
    calls, step = [], optimizer.step
    optimizer.step = lambda *args: (calls.append("own"), step(*args))
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.step()
    assert calls == ["before", "own"] and optimizer.steps == 1


def test_compiled_steps_refuse_them():
    w = mt.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    @mt.compile
    def step(x):
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = mt.ones(1)
    for _ in range(3):
        step(x)
    calls = []
    handle = optimizer.register_step_post_hook(lambda *_: calls.append(1))
    with pytest.raises(CompileError, match="hooks around its step"):
        step(x)
    handle.remove()
    before = w.item()
    step(x)
    assert w.item() == pytest.approx(before - 0.1) and not calls


@pytest.mark.parametrize("answer", [3, (1, 2, 3), ((), None)])
def test_wrong_use_is_explained(answer):
    optimizer = optim.SGD([mt.tensor([1.0], requires_grad=True)], lr=0.1)
    with pytest.raises(DtypeError, match="function"):
        optimizer.register_step_pre_hook(answer)
    optimizer.register_step_pre_hook(lambda *_: answer)
    with pytest.raises(DtypeError, match="args, kwargs"):
        optimizer.step()
