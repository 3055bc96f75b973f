"""Long traces fold, say so, and keep the right numbers."""

import time

import pytest

import microtrain as mt
from microtrain.viz.stepper import existing, folding, schema

from ...wide import mostly_wide


def chain(n, grow=1.0001):
    x = mt.tensor(0.5, requires_grad=True)
    w = mt.tensor(grow, requires_grad=True)
    y = x
    for _ in range(n):
        y = (y * w).sin()
    return x, w, y


def gradients(trace):
    """The last gradient of each named leaf."""
    last = {step["node"]: step["new"] for step in trace.data["steps"] if "new" in step}
    names = {node["id"]: node["name"] for node in trace.data["nodes"] if node["kind"] == "parameter"}
    return {names[key]: trace.data["values"][place]["data"][0] for key, place in last.items() if key in names}


def test_short_traces_stay_whole():
    *_, y = chain(300)
    trace = mt.trace(y)
    assert len(trace) == 1501 and not trace.data["notes"]


@pytest.mark.parametrize(
    "n", mostly_wide([1000, existing.MOST // 2 - 3, existing.MOST // 2 + 3, 20_000], but={existing.MOST // 2 + 3})
)
def test_long_ones_fold_and_the_numbers_stay_the_engines(n):
    x, w, y = chain(n)
    trace = mt.trace(y)
    assert len(trace) <= folding.LIMIT
    (note,) = trace.data["notes"]
    assert note["kind"] == "folded" and note["steps"] > folding.LIMIT
    drawn = sum(node["kind"] == "operation" for node in trace.data["nodes"])
    assert note["operations"] + drawn == 2 * n
    assert sum(node.get("count", 0) for node in trace.data["nodes"]) == note["operations"]
    y.backward()
    assert gradients(trace) == {"x": x.grad.item(), "w": w.grad.item()}
    used = {s[name] for s in trace.data["steps"] for name in schema.PLACES if name in s}
    used |= {n["value"] for n in trace.data["nodes"] if n.get("value") is not None}
    assert used == set(range(len(trace.data["values"])))  # nothing is carried along in vain


def test_operations_that_do_not_repeat():
    """The first are folded, the last are told."""
    x = mt.tensor(0.5, requires_grad=True)
    y = x
    places = [lambda y: y.sin(), lambda y: y * 1.01, lambda y: y + 0.1, lambda y: y.tanh(), lambda y: 2 - y]
    digits = iter(
        "31415926535897932384626433832795028841971693993751058209749445923078164062862089986280348253421170679" * 30
    )
    for _ in range(2500):
        y = places[int(next(digits)) % 5](y)
    trace = mt.trace(y)
    assert len(trace) <= folding.LIMIT
    y.backward()
    assert gradients(trace) == {"x": x.grad.item()}
    assert trace.data["nodes"][-1]["symbol"] == "y"  # the last one is always told


def test_a_training_loop_folds():
    def train():
        w = mt.tensor(3.0, requires_grad=True)
        optimizer = mt.optim.SGD([w], lr=0.01)
        for _ in range(400):
            optimizer.zero_grad()
            ((w * w - 1) ** 2).backward()
            optimizer.step()
        return w

    trace = mt.trace(train)
    assert len(trace) < 100 and trace.data["notes"]
    last = [s for s in trace.data["steps"] if s["phase"] == "update"][-1]
    assert trace.data["values"][last["new"]]["data"] == [train().item()]


@pytest.mark.wide
def test_hundreds_of_thousands_of_operations():
    start = time.perf_counter()
    x = mt.tensor(0.5, requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y * 0.9999
    trace = mt.trace(y)
    assert time.perf_counter() - start < 60  # and no recursion
    y.backward()
    assert gradients(trace) == {"x": x.grad.item()}
    assert len(trace.html()) < 200_000
