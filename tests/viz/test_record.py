"""Recordings: everything at the door, also what wants no gradient."""

import gc
import weakref

import numpy as np

import microtrain as mt
from microtrain.viz import record


def draw(recording):
    """In a frame of its own: until Python 3.12 looking at variables keeps them alive until the function returns."""
    return mt.graph(recording)


def operations(graph):
    return [node.operation for node in graph.nodes if node.kind == "operation"]


def test_constants_and_operations_without_gradient():
    with record() as recording:
        x = mt.tensor([1.0, 2.0])
        y = 2 * x + 1  # noqa: F841 (its name is drawn)
    graph = mt.graph(recording)
    assert operations(graph) == ["mul", "add"]
    assert [node.value.entries for node in graph.nodes if node.kind == "input"] == [2, [1.0, 2.0], 1]
    assert [(node.name, node.value.entries) for node in graph.outputs] == [("y", [3.0, 5.0])]
    assert not any(node.needs_grad for node in graph.nodes)


def test_everything_is_there_after_backward():
    w = mt.tensor(3.0, requires_grad=True)
    with record() as recording:
        loss = w * 2 + 1
        loss.backward()
    graph = mt.graph(recording)
    assert [node.value.entries for node in graph.nodes if node.kind == "input"] == [2, 1]
    assert [node.grad.entries for node in graph.nodes if node.needs_grad] == [2.0, 1.0, 1.0]


def test_large_values_and_gradients_are_summarised():
    w = mt.ones(100, requires_grad=True)
    with record() as recording:
        (w * 2).sum().backward()
    (mul,) = [node for node in mt.graph(recording).nodes if node.operation == "mul"]
    assert mul.value.mean == 2.0
    assert mul.grad.mean == 1.0


def test_values_are_those_of_the_moment():
    data = np.array([1.0, 2.0])
    w = mt.tensor([1.0, 1.0], requires_grad=True)
    with record() as recording:
        y = (w * data).sum()  # noqa: F841
    data[:] = 7.0
    with mt.no_grad():
        w += 5.0
    graph = mt.graph(recording)
    assert [node.value.entries for node in graph.nodes] == [[1.0, 1.0], [1.0, 2.0], [1.0, 2.0], 3.0]
    assert graph.outputs[0].name == "y"


def test_writing_in_place_is_followed():
    x = mt.tensor([1.0, 2.0])
    with record() as recording:
        y = x * 2
        y += 1
        z = y * 3  # noqa: F841
    graph = mt.graph(recording)
    assert operations(graph) == ["mul", "add", "mul"]
    assert [(n.name, n.value.entries) for n in graph.outputs] == [("z", [9.0, 15.0])]
    assert len(graph.edges) == 6
    by_key = {node.key: node.operation for node in graph.nodes}
    steps = [(by_key[edge.source], by_key[edge.target]) for edge in graph.edges if by_key[edge.source]]
    assert steps == [("mul", "add"), ("add", "mul")]


def test_results_from_before_the_recording_are_inputs():
    w = mt.tensor(2.0, requires_grad=True)
    h = w.exp()
    with record() as recording:
        y = h * 3  # noqa: F841
    graph = mt.graph(recording)
    assert [(node.kind, node.name) for node in graph.nodes] == [("input", "h"), ("input", ""), ("operation", "y")]


def test_nothing_recorded():
    with record() as recording:
        pass
    graph = mt.graph(recording)
    assert graph.nodes == []
    assert "digraph" in graph.dot
    assert str(graph) == "Graph: 0 operations"


def test_a_recording_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        with record() as recording:
            y = mt.tensor([1.0], requires_grad=True) * 2
        draw(recording)
        watched = weakref.ref(y)
        del recording, y
        assert watched() is None
    finally:
        gc.enable()
