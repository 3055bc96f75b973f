"""The trace's numbers are the engine's, to the last digit: every step is done again from the trace and compared."""

import json

import numpy as np
import pytest

import microtrain as mt
from microtrain.engine.node import Node
from microtrain.engine.recording import listen
from microtrain.ops.primitive import TABLE
from microtrain.viz.stepper.values import array

from . import programs


class Engine:
    """What the engine did, told by a listener of its own."""

    def __init__(self):
        self.outputs, self.edges = [], []

    def forward(self, primitive, inputs, params, output, node):
        arrays = [x._data if isinstance(x, mt.Tensor) else x for x in inputs]
        self.outputs.append((primitive.name, [np.copy(a) for a in arrays], params, np.copy(output._data)))

    def backward(self, node, slot, upstream, gradient):
        data = [np.copy(x._data if isinstance(x, mt.Tensor) else x) for x in (upstream, gradient)]
        self.edges.append((node.primitive.name, *data))


def same(a, b):
    """The same bits, but for the payload of NaN."""
    a, b = np.asarray(a), np.asarray(b)
    return (
        a.shape == b.shape
        and a.dtype == b.dtype
        and np.array_equal(a, b, equal_nan=True)
        and (a.dtype.kind != "f" or np.array_equal(np.signbit(a), np.signbit(b)) or np.isnan(a).any())
    )


def run(program):
    """(the trace, read back from JSON; what the engine did in a run of its own)."""
    data = json.loads(mt.trace(program).json())
    engine = Engine()
    with listen(engine):
        result = program()
        if isinstance(result, mt.Tensor) and result.requires_grad and not engine.edges:
            result.backward()
    return data, engine


@pytest.mark.parametrize("program", programs.RUN)
def test_every_number_is_the_engines(program):
    data, engine = run(program)
    value = [array(row) for row in data["values"]]
    forward = [step for step in data["steps"] if step["phase"] == "forward"]
    backward = [step for step in data["steps"] if step["phase"] == "backward"]
    nodes = {node["id"]: node for node in data["nodes"]}
    assert len(forward) == len(engine.outputs)
    assert len(backward) == len(engine.edges)
    for step, (name, inputs, _, output) in zip(forward, engine.outputs, strict=True):
        assert nodes[step["node"]]["operation"] == name
        assert same(value[step["value"]], output)
        for key, x in zip(nodes[step["node"]]["inputs"], inputs, strict=True):
            assert same(value[nodes[key]["value"]], np.asarray(x))
    for step, (name, upstream, gradient) in zip(backward, engine.edges, strict=True):
        assert nodes[step["of"]]["operation"] == name
        assert same(value[step["upstream"]], upstream)
        assert same(value[step["product"]], gradient)


@pytest.mark.parametrize("program", programs.RUN)
def test_the_steps_follow_from_each_other(program):
    """A reader that knows nothing but the JSON gets every sum and every elementwise product."""
    data = json.loads(mt.trace(program).json())
    value = [array(row) for row in data["values"]]
    arrived = {}
    walk = 0
    with np.errstate(all="ignore"):
        for step in data["steps"]:
            if step["phase"] == "seed" and step["walk"] != walk:
                arrived, walk = {}, step["walk"]
            if step["phase"] == "seed":
                arrived[step["node"]] = value[step["new"]]
            if step["phase"] != "backward":
                continue
            assert same(arrived[step["of"]], value[step["upstream"]])
            old = arrived.get(step["node"])
            assert ("old" in step) == (old is not None)
            product = value[step["product"]]
            new = product if old is None else old + product
            assert same(new, value[step["new"]])
            arrived[step["node"]] = new
            if "raw" in step and step.get("axes"):
                summed = value[step["raw"]].sum(axis=tuple(step["axes"])).reshape(product.shape)
                np.testing.assert_array_equal(summed, product)
            if "local" in step:
                by_hand = value[step["upstream"]] * value[step["local"]]
                raw = value[step["raw"]] if "raw" in step else product
                finite = np.isfinite(by_hand) & np.isfinite(raw)
                np.testing.assert_allclose(by_hand[finite], raw[finite], rtol=1e-6 if raw.dtype == "f4" else 1e-14)


@pytest.mark.parametrize("program", programs.RUN)
def test_the_sums_written_out_give_the_gradient(program):
    data = json.loads(mt.trace(program).json())
    value = [array(row) for row in data["values"]]
    seen = 0
    for step in data["steps"]:
        for j, terms, *rest in step.get("jacobian", ()):
            g, product = value[step["upstream"]].ravel(), value[step["product"]].ravel()
            if not (np.isfinite(g).all() and np.isfinite(product[j])) or any(isinstance(t[1], str) for t in terms):
                continue
            assert all(g[i] == upstream for i, _, upstream in terms)
            total = sum(derivative * upstream for _, derivative, upstream in terms) + (rest[1] if rest else 0)
            assert total == pytest.approx(product[j], rel=1e-5 if product.dtype == "f4" else 1e-12, abs=1e-14)
            seen += 1
    assert seen or program in (programs.fan_out, programs.second_order, programs.two_steps)


@pytest.mark.parametrize("program", programs.RUN)
def test_a_stranger_can_recompute_the_forward_pass(program):
    data = json.loads(mt.trace(program).json())
    value = [array(row) for row in data["values"]]
    nodes = {node["id"]: node for node in data["nodes"]}
    for step in data["steps"]:
        node = nodes[step["node"]]
        row = TABLE.get(node.get("operation", ""))
        if step["phase"] == "forward" and row is not None and row.elementwise:
            inputs = [value[nodes[key]["value"]][()] for key in node["inputs"]]
            inputs = [
                x.item() if nodes[key].get("number") else x for key, x in zip(node["inputs"], inputs, strict=True)
            ]
            with np.errstate(all="ignore"):
                assert same(row.forward(*inputs), value[step["value"]])


def test_an_updates_terms_give_what_the_optimizer_wrote():
    for make in (
        lambda p: mt.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        lambda p: mt.optim.Adam(p, lr=0.1),
        lambda p: mt.optim.AdamW(p, lr=0.1, amsgrad=True),
        lambda p: mt.optim.RMSprop(p, lr=0.1, centered=True),
        lambda p: mt.optim.Adagrad(p, lr=0.1, maximize=True),
    ):
        w = mt.tensor([1.0, -2.0, 0.3], requires_grad=True)
        optimizer = make([w])
        for _ in range(2):  # with state that isn't zero
            optimizer.zero_grad()
            (w**2).sum().backward()
            optimizer.step()
        loss = (w**3).sum()
        data = mt.trace(loss, optimizer=optimizer).data
        before = w.detach().numpy().copy()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        (step,) = [s for s in data["steps"] if s["phase"] == "update"]
        value = [array(row) for row in data["values"]]
        assert same(value[step["old"]], before)
        assert same(value[step["new"]], w.detach().numpy())
        lines = {line["name"]: value[line["value"]] for line in step["update"]["lines"]}
        assert same(lines["p"], w.detach().numpy())
        assert all(line["terms"] for line in step["update"]["lines"] if line["name"] == "p")


def test_large_values_are_windows_of_the_engines():
    x = mt.randn(40, 30)
    w = mt.randn(30, 20, requires_grad=True)
    loss = (x @ w).tanh().sum()
    data = mt.trace(loss).data
    loss.backward()
    (last,) = [s for s in data["steps"] if s["phase"] == "backward" and "jacobian" in s and s["node"] == "n1"]
    row = data["values"][last["new"]]
    assert row["window"] == [6, 6] and row["shape"] == [30, 20]
    np.testing.assert_array_equal(array(row), w.grad.numpy()[:6, :6])
    assert row["norm"] == float(np.sqrt((w.grad.numpy() ** 2).sum()))
    assert {j for j, *_ in last["jacobian"]} == {20 * i + k for i in range(6) for k in range(6)}
    for j, terms, left_out, rest in last["jacobian"]:
        total = sum(d * g for _, d, g in terms) + rest
        assert total == pytest.approx(w.grad.numpy().ravel()[j], rel=1e-12)
        assert len(terms) + left_out == 40


def test_nothing_of_the_graph_changes():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    h = (w * w).exp()
    loss = h.sum()
    mt.trace(loss)
    assert w.grad is None
    assert all(node.grad is None for node in walk_of(loss.grad_fn))
    loss.backward()
    np.testing.assert_array_equal(w.grad.numpy(), (2 * w * h).detach().numpy())


def walk_of(node):
    found, todo = [], [node]
    while todo:
        node = todo.pop()
        found.append(node)
        todo += [p for p in node.parents if type(p) is Node]
    return found
