"""What a graph says about a computation."""

import json
import math
import pickle
import re
import weakref
from copy import deepcopy

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, DtypeError
from microtrain.viz import Graph, record
from microtrain.viz.graph import GraphNode


def named(graph: Graph, name: str) -> GraphNode:
    (node,) = [node for node in graph.nodes if node.name == name]
    return node


def doing(graph: Graph, operation: str) -> GraphNode:
    (node,) = [node for node in graph.nodes if node.operation == operation]
    return node


def inputs(graph: Graph, node: GraphNode) -> list[GraphNode]:
    nodes = {node.key: node for node in graph.nodes}
    return [nodes[edge.source] for edge in sorted(graph.edges, key=lambda e: e.index) if edge.target == node.key]


def test_values_shapes_and_gradients_before_and_after_backward():
    x = mt.tensor([[1.0, 2.0]])
    w = mt.tensor([[3.0], [4.0]], requires_grad=True)
    y = x @ w
    before = mt.graph(y)
    y.sum().backward()
    after = mt.graph(y)
    for graph in (before, after):
        assert [n.kind for n in graph.nodes if n.name == "w"] == ["parameter"]
        assert (named(graph, "w").shape, named(graph, "w").dtype) == ((2, 1), "float64")
        assert named(graph, "w").value.entries == [[3.0], [4.0]]
        assert named(graph, "y").operation == "matmul"
        assert named(graph, "y").value.entries == [[11.0]]
        assert named(graph, "y").output
    assert named(before, "w").grad is None
    assert named(before, "y").grad is None
    assert "grad -" in before.dot
    assert not re.search(r"grad 0", before.dot)
    assert named(after, "w").grad.entries == [[1.0], [2.0]]
    assert named(after, "y").grad.entries == [[1.0]]
    assert named(before, "x").kind == "input"
    assert named(before, "x").value.entries == [[1.0, 2.0]]


def test_a_gradient_of_zero_is_not_a_missing_one():
    w = mt.tensor(2.0, requires_grad=True)
    y = w * 0.0
    y.backward()
    assert named(mt.graph(y), "w").grad.entries == 0.0
    assert "grad 0" in mt.graph(y).dot


def test_the_structure_survives_backward():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sin().sum()
    before = mt.graph(loss)
    loss.backward()
    after = mt.graph(loss)
    assert [(n.key, n.kind, n.operation, n.name, n.shape, n.value) for n in before.nodes] == [
        (n.key, n.kind, n.operation, n.name, n.shape, n.value) for n in after.nodes
    ]
    assert before.edges == after.edges


def test_edges_say_which_input_and_whether_a_gradient_comes_back():
    a = mt.tensor(1.0, requires_grad=True)
    b = mt.tensor(2.0)
    graph = mt.graph(b * a)
    assert [(node.name, edge.index, edge.needs_grad) for node, edge in zip(graph.nodes, graph.edges, strict=False)] == [
        ("b", 0, False),
        ("a", 1, True),
    ]


def test_twice_the_same_input_is_two_edges():
    a = mt.tensor(3.0, requires_grad=True)
    graph = mt.graph(a * a)
    assert [(e.source, e.target, e.index) for e in graph.edges] == [("n0", "n1", 0), ("n0", "n1", 1)]


def test_inputs_come_before_what_is_made_of_them():
    a = mt.tensor(0.5, requires_grad=True)
    b = a.exp()
    graph = mt.graph((a * b + b).tanh() - a)
    place = {node.key: i for i, node in enumerate(graph.nodes)}
    assert [node.key for node in graph.nodes] == [f"n{i}" for i in range(len(graph.nodes))]
    assert all(place[edge.source] < place[edge.target] for edge in graph.edges)


class TestConstants:
    def test_a_number_that_backward_needs(self):
        x = mt.tensor(3.0, requires_grad=True)
        graph = mt.graph(2 * x)
        two, three = inputs(graph, doing(graph, "mul"))
        assert (two.kind, two.value.entries, two.needs_grad) == ("input", 2, False)
        assert three.name == "x"

    def test_an_array_of_the_caller_has_its_name_and_is_drawn_once(self):
        X = mt.tensor(np.ones((3, 40)))
        w = mt.ones(40, requires_grad=True)
        graph = mt.graph((X @ w + X @ (w * 2)).sum())
        assert named(graph, "X").shape == (3, 40)
        assert named(graph, "X").value.entries is None  # too many
        assert named(graph, "X").value.mean == 1.0

    def test_after_backward_there_still_is_a_box(self):
        x = mt.tensor(3.0, requires_grad=True)
        y = 2 * x
        y.backward()
        constant, parameter = inputs(mt.graph(y), doing(mt.graph(y), "mul"))
        assert constant.kind == "input"
        assert constant.note == "not kept" or constant.value.entries == 2
        assert parameter.name == "x"

    def test_a_detached_parameter_is_an_input(self):
        w = mt.tensor([2.0, 3.0], requires_grad=True)
        graph = mt.graph((w * w.detach()).sum())
        assert sorted(node.kind for node in inputs(graph, doing(graph, "mul"))) == ["input", "parameter"]

    def test_what_the_engine_remembers_of_constants_is_used(self):
        """`Node.others`, if there is such a thing: the inputs without gradient, large ones as weak references."""
        x = mt.tensor(3.0, requires_grad=True)
        shift, table, gone = mt.tensor(7.0), mt.zeros(100), mt.zeros(100)
        y = x + shift
        y.backward()
        for kept, name, value in ((shift, "shift", 7.0), (weakref.ref(table), "table", None)):
            y.grad_fn.others = (kept,)
            assert named(mt.graph(y), name).value.entries == value
        y.grad_fn.others = (weakref.ref(gone),)
        del gone
        assert [node.note for node in inputs(mt.graph(y), doing(mt.graph(y), "add"))] == ["", "not kept"]


class TestNames:
    def test_named_is_stronger_than_the_variable(self):
        a = mt.tensor(1.0, requires_grad=True).named("weight of a")
        b = (a * 2).named("twice")
        c = b.exp()
        graph = mt.graph(c)
        assert [node.name for node in graph.nodes if node.needs_grad] == ["weight of a", "twice", "c"]

    def test_parameters_of_a_module(self):
        model = mt.nn.Sequential(mt.nn.Linear(2, 3), mt.nn.Tanh(), mt.nn.Linear(3, 1))
        for p in model.parameters():  # noqa: B007 (p stays the name of the last one, which must not win)
            pass
        graph = mt.graph(model(mt.ones(1, 2)).sum())
        assert {n.name for n in graph.nodes if n.kind == "parameter"} == {"0.weight", "0.bias", "2.weight", "2.bias"}

    def test_two_modules_are_told_apart(self):
        first, second = mt.nn.Linear(2, 2, bias=False), mt.nn.Linear(2, 1, bias=False)
        graph = mt.graph(second(first(mt.ones(1, 2))).sum())
        assert {n.name for n in graph.nodes if n.kind == "parameter"} == {"first.weight", "second.weight"}

    def test_lists_dictionaries_and_objects(self):
        class Line:
            def __init__(self):
                self.slope = mt.tensor(2.0, requires_grad=True)

        weights = [mt.tensor(1.0, requires_grad=True)]
        shifts = {"b": mt.tensor(0.5, requires_grad=True)}
        line = Line()
        graph = mt.graph(weights[0] * line.slope + shifts["b"])
        assert {n.name for n in graph.nodes if n.kind == "parameter"} == {"weights[0]", "shifts['b']", "line.slope"}

    def test_lists_in_lists(self):
        W = [[mt.tensor(float(i + j), requires_grad=True) for i in range(2)] for j in range(2)]
        graph = mt.graph(W[0][0] * W[1][1])
        assert [node.name for node in graph.nodes if node.kind == "parameter"] == ["W[0][0]", "W[1][1]"]

    def test_without_a_name_there_is_none(self):
        graph = mt.graph(mt.tensor(1.0, requires_grad=True) * 2)
        assert {node.name for node in graph.nodes} == {""}

    def test_odd_things_among_the_variables(self):
        class Refuses:
            def __getattribute__(self, name):
                raise RuntimeError("leave me alone")

        class Broken:
            def named_parameters(self):
                raise ValueError("broken")

        refuses, broken = Refuses(), Broken()  # noqa: F841 (the names are searched)
        x = mt.tensor(1.0, requires_grad=True)
        assert named(mt.graph(x.exp()), "x").kind == "parameter"

    def test_names_are_those_of_the_caller_not_of_this_package(self):
        def draw(value):
            return mt.graph(value)

        a = mt.tensor(1.0, requires_grad=True)
        assert mt.graph(a.exp()).nodes[0].name == "a"
        assert draw(a.exp()).outputs[0].name == "value"


class TestOverwritten:
    def test_a_parameter_written_since_is_marked(self):
        w = mt.tensor([1.0, 2.0], requires_grad=True)
        y = (w * w).sum()
        assert named(mt.graph(y), "w").note == ""
        with mt.no_grad():
            w -= 1.0
        graph = mt.graph(y)
        assert named(graph, "w").note == "changed since"
        assert named(graph, "w").value.entries == [0.0, 1.0]
        assert "now" in graph.caption

    def test_a_value_that_is_gone_is_not_shown(self):
        x = mt.tensor([1.0, 2.0], requires_grad=True)
        y = x * 2
        y += 1
        graph = mt.graph(y)
        assert doing(graph, "mul").value is None
        assert doing(graph, "mul").note == "overwritten since"
        assert doing(graph, "add").value.entries == [3.0, 5.0]


class TestLarge:
    def test_large_results_show_their_shape_only(self):
        w = mt.ones(100, requires_grad=True)
        graph = mt.graph((w * 2).sum())
        big = doing(graph, "mul")
        assert (big.shape, big.value, big.grad) == ((100,), None, None)
        assert named(graph, "w").value.mean == 1.0
        box = re.search(rf"\t{big.key} \[label=\"(.*?)\" ", graph.dot)[1]
        assert "value" not in box
        assert "grad -" in box
        assert "Large results are not kept" in graph.caption

    def test_a_gradient_that_nobody_kept_is_not_a_missing_one(self):
        w = mt.ones(100, requires_grad=True)
        y = (w * 2).sum()
        y.backward()
        big = doing(mt.graph(y), "mul")
        assert big.forgotten
        assert "grad not kept" in str(mt.graph(y))

    def test_but_the_caller_may_have_it(self):
        w = mt.ones(100, requires_grad=True)
        doubled = w * 2
        assert named(mt.graph(doubled.sum()), "doubled").value.mean == 2.0

    def test_nan_is_counted(self):
        w = mt.full((100,), math.nan, requires_grad=True)
        graph = mt.graph(w.sum())
        assert named(graph, "w").value.unusual == 100
        assert "100 NaN or infinite" in graph.dot


class TestWithoutOperations:
    def test_a_parameter(self):
        w = mt.tensor(1.0, requires_grad=True)
        graph = mt.graph(w)
        assert [(n.kind, n.output, n.name) for n in graph.nodes] == [("parameter", True, "w")]
        assert graph.edges == []

    def test_a_constant_says_why(self):
        with mt.no_grad():
            y = mt.tensor(1.0, requires_grad=True) * 2
        graph = mt.graph(y)
        assert [(n.kind, n.value.entries) for n in graph.nodes] == [("input", 2.0)]
        assert "no_grad" in graph.caption


def test_several_outputs():
    w = mt.tensor(1.0, requires_grad=True)
    a, b = w * 2, w.exp()
    graph = mt.graph(a, b, w)
    assert {node.name for node in graph.outputs} == {"a", "b", "w"}


def test_settings_of_operations_and_the_source_line():
    w = mt.ones(2, 3, requires_grad=True)
    y = w.sum(1)  # this very line
    node = mt.graph(y).outputs[0]
    assert "dim=(1,)" in node.detail
    assert re.fullmatch(r"test_graph\.py:\d+", node.site)
    assert node.source == "y = w.sum(1)  # this very line"
    assert "this very line" in mt.graph(y).dot


def test_second_order_graphs():
    x = mt.tensor(2.0, requires_grad=True)
    (slope,) = mt.grad(x**3, [x], create_graph=True)
    graph = mt.graph(slope)
    assert graph.outputs[0].value.entries == 12.0
    assert named(graph, "x").kind == "parameter"


def test_json_is_strict():
    w = mt.tensor([math.nan, math.inf], requires_grad=True)
    graph = mt.graph((w * 2).sum())
    text = json.dumps(graph.to_dict(), allow_nan=False)
    data = json.loads(text)
    assert data["nodes"][0]["value"]["entries"] == ["nan", "inf"]
    assert data.keys() == {"schema", "nodes", "edges", "groups", "caption", "direction"}
    assert data["schema"] == 1
    assert data["edges"][0].keys() == {"source", "target", "index", "needs_grad", "flow", "mark"}


def test_a_graph_is_plain_data():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    graph = mt.graph((w * 2).sum(), style="dark")
    opened = graph.expand()
    assert pickle.loads(pickle.dumps(graph)).dot == graph.dot
    assert deepcopy(opened).dot == opened.dot
    with pytest.raises(ArgumentError, match="has no operations to do again"):
        deepcopy(graph).expand("n2")


def test_all_ranks_and_dtypes_can_be_summarised():
    bits, bytes_ = np.ones((70, 2), bool), np.arange(5000, dtype=np.uint8)
    for data in (np.zeros((2, 2, 2)), np.zeros(0), np.zeros((0, 3)), np.float16([60000.0] * 70), bits, bytes_):
        with record() as recording:
            _ = mt.tensor(data)[...]
        text = str(mt.graph(recording))
        assert str(data.shape) in text


def test_errors_say_what_to_do():
    with pytest.raises(DtypeError, match="ndarray is not a tensor"):
        mt.graph(np.ones(3))
    with pytest.raises(ArgumentError, match="without a tensor"):
        mt.graph()
    w = mt.tensor(1.0, requires_grad=True)
    with pytest.raises(ArgumentError, match="direction"):
        mt.graph(w, direction="up")
    with pytest.raises(ArgumentError, match="names is a int"):
        mt.graph(w, names=3)
    for limit in (0, -1, 1.5, True):
        with pytest.raises(ArgumentError, match="limit"):
            mt.graph(w, limit=limit)
