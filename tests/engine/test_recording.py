"""no_grad, enable_grad, set_grad_enabled, and listeners."""

from __future__ import annotations

import asyncio
import threading

import pytest

import microtrain as mt

MODES = {"no_grad": (mt.no_grad, False), "enable_grad": (mt.enable_grad, True)}


def outside(enabled):
    """A context in which the mode is the opposite."""
    return mt.enable_grad() if not enabled else mt.no_grad()


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("parentheses", [True, False])
def test_decorator(name, parentheses):
    switch, enabled = MODES[name]

    def function(a, *, b):
        """Says."""
        return mt.is_grad_enabled(), a + b

    decorated = switch()(function) if parentheses else switch(function)
    with outside(enabled):
        assert decorated(1, b=2) == (enabled, 3)
        assert mt.is_grad_enabled() is not enabled
    assert decorated.__name__ == "function" and decorated.__doc__ == "Says."


@pytest.mark.parametrize("parentheses", [True, False])
def test_decorated_generator_does_not_leak(parentheses):
    seen = []

    def steps():
        for k in range(2):
            seen.append(mt.is_grad_enabled())
            got = yield k
            seen.append((mt.is_grad_enabled(), got))
        try:
            yield "last"
        except KeyError:
            seen.append(mt.is_grad_enabled())
            yield "caught"
        return "done"

    decorated = mt.no_grad()(steps) if parentheses else mt.no_grad(steps)
    generator = decorated()
    assert next(generator) == 0 and mt.is_grad_enabled()
    assert generator.send("a") == 1 and mt.is_grad_enabled()
    assert generator.send("b") == "last"
    assert generator.throw(KeyError()) == "caught" and mt.is_grad_enabled()
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "done"
    assert seen == [False, (False, "a"), False, (False, "b"), False]


def test_decorated_coroutine():
    seen = []

    @mt.no_grad()
    async def inside():
        seen.append(mt.is_grad_enabled())
        await asyncio.sleep(0)
        seen.append(mt.is_grad_enabled())
        return 3

    async def beside():
        seen.append("beside" if mt.is_grad_enabled() else "leaked")

    async def both():
        results = await asyncio.gather(inside(), beside())
        return results[0], mt.is_grad_enabled()

    assert asyncio.run(both()) == (3, True)
    assert seen == [False, "beside", False]


def test_decorated_generator_is_closed():
    closed = []

    @mt.no_grad
    def steps():
        try:
            yield 1
        finally:
            closed.append(mt.is_grad_enabled())

    generator = steps()
    next(generator)
    generator.close()
    assert closed == [False] and mt.is_grad_enabled()


def test_context_managers_nest_and_survive_errors():
    switch = mt.no_grad()
    with switch:
        with mt.enable_grad(), switch, switch:
            assert not mt.is_grad_enabled()
        assert not mt.is_grad_enabled()
    with pytest.raises(KeyError), mt.no_grad():
        raise KeyError
    assert mt.is_grad_enabled()


def test_set_grad_enabled_works_at_once_and_as_context_and_as_decorator():
    try:
        mt.set_grad_enabled(False)
        assert not mt.is_grad_enabled()
        with mt.set_grad_enabled(True):
            assert mt.is_grad_enabled()
        assert not mt.is_grad_enabled()
    finally:
        mt.set_grad_enabled(True)

    @mt.set_grad_enabled(False)
    def function():
        return mt.is_grad_enabled()

    assert mt.is_grad_enabled() and not function() and mt.is_grad_enabled()


def test_threads_have_their_own_mode():
    seen = []
    with mt.no_grad():
        thread = threading.Thread(target=lambda: seen.append(mt.is_grad_enabled()))
        thread.start()
        thread.join()
        assert not mt.is_grad_enabled()
    assert seen == [True]


def test_threads_differentiate_at_the_same_time():
    results = {}

    def work(k):
        x = mt.tensor(float(k), requires_grad=True)
        for _ in range(50):
            y = x
            for _ in range(20):
                y = y * 1.0 + x
            x.grad = None
            y.backward()
        results[k] = x.grad.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), 21.0)


def test_tasks_have_their_own_mode():
    async def quiet():
        with mt.no_grad():
            await asyncio.sleep(0)
            return mt.is_grad_enabled()

    async def loud():
        await asyncio.sleep(0)
        return mt.is_grad_enabled()

    async def both():
        return await asyncio.gather(quiet(), loud())

    assert asyncio.run(both()) == [False, True]


def test_nothing_is_recorded_under_no_grad():
    x = mt.ones(3, requires_grad=True)
    with mt.no_grad():
        y = x * 2
        x += 1
    assert not y.requires_grad and y.grad_fn is None and x.is_leaf and x.requires_grad
    with mt.no_grad():
        made = mt.ones(1, requires_grad=True)
    assert made.requires_grad


class Ear:
    def __init__(self):
        self.heard = []

    def forward(self, primitive, inputs, params, output, node):
        self.heard.append((primitive.name, node is not None))

    def backward(self, node, slot, upstream, gradient):
        self.heard.append((f"d {node.primitive.name}", slot))


class Sharp(Ear):
    def write(self, tensor, new, what):
        self.heard.append((what, tensor.shape))


def test_listeners_hear_everything():
    x = mt.tensor([2.0], requires_grad=True)
    with mt.listen(Ear()) as ear, mt.no_grad():
        x * 2
    assert ear.heard == [("mul", False)]
    with mt.listen(Sharp()) as ear:
        y = x * x
        y += 1
        z = mt.zeros(2)
        z[0] = 5.0
        y.sum().backward()
    x * 2
    assert ear.heard == [
        ("mul", True), ("add", True), ("+=", (1,)), ("setitem", False), ("setitem", (2,)), ("sum", True),
        ("d sum", 0), ("d add", 0), ("d mul", 0), ("d mul", 1),
    ]  # fmt: skip


def test_listening_ends_with_the_block():
    with pytest.raises(KeyError), mt.listen(Ear()):
        raise KeyError
    with mt.listen(Ear()) as ear:
        pass
    mt.ones(1) + 1
    assert ear.heard == []
