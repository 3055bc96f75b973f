"""What a graph can be drawn of."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, DtypeError
from microtrain.viz import record


def operations(graph):
    return [node.operation for node in graph.nodes if node.kind == "operation"]


class TestModulesAndFunctions:
    def test_a_module_with_an_input(self):
        model = mt.nn.Sequential(mt.nn.Linear(2, 3), mt.nn.Tanh())
        graph = mt.graph(model, mt.ones(1, 2))
        assert operations(graph) == ["linear", "tanh"]
        assert [node.name for node in graph.nodes if node.kind == "input"] == ["input"]  # as forward() calls it
        assert graph.groups[0].label == "model: Sequential"

    def test_the_callers_name_is_stronger_than_the_arguments(self):
        pixels = mt.ones(1, 2)
        graph = mt.graph(mt.nn.Linear(2, 3), pixels)
        assert graph["pixels"].kind == "input"

    def test_a_function_of_several_tensors(self):
        def power(base, exponent):
            return base**exponent

        graph = mt.graph(power, mt.tensor(2.0), mt.tensor(3.0))
        assert [node.name for node in graph.nodes] == ["base", "exponent", ""]
        assert graph.outputs[0].value.entries == 8.0

    def test_without_gradients(self):
        model = mt.nn.Linear(2, 3).requires_grad_(False)
        assert operations(mt.graph(model, mt.ones(1, 2))) == ["linear"]

    def test_a_function_without_inputs(self):
        graph = mt.graph(lambda: mt.tensor(2.0) * 3, names={})  # no formula: it makes a tensor
        assert operations(graph) == ["mul"]

    def test_missing_inputs(self):
        with pytest.raises(ArgumentError, match=r"needs an input to run Linear"):
            mt.graph(mt.nn.Linear(2, 3))

    def test_a_function_that_does_nothing_with_tensors(self):
        with pytest.raises(DtypeError, match="did no operation"):
            mt.graph(lambda x: 3, mt.ones(2))

    def test_errors_of_the_function_are_its_own(self):
        with pytest.raises(ZeroDivisionError):
            mt.graph(lambda x: 1 / 0, mt.ones(2))

    def test_the_state_of_the_module_stays(self):
        model = mt.nn.Linear(2, 3)
        mt.graph(model, mt.ones(1, 2))
        assert model.weight.grad is None


def test_a_compiled_step():
    weight = mt.ones(2, 1, requires_grad=True)
    optimizer = mt.optim.SGD([weight], lr=0.1)

    @mt.compile
    def step(x):
        optimizer.zero_grad()
        loss = (x @ weight).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = mt.ones(3, 2)
    for calls in range(4):  # eager at first, then native
        graph = mt.graph(step, x)
        assert operations(graph) == ["matmul", "sum"]
        assert graph.nodes[1].grad.entries == [[3.0], [3.0]]
        assert weight.tolist() == pytest.approx(np.array([[1.0], [1.0]]) - 0.3 * (2 * calls + 1))
        step(x)


class TestFormulas:
    def test_a_lambda(self):
        graph = mt.graph(lambda x, w: mt.F.tanh(x * w) * 2)
        assert operations(graph) == ["mul", "tanh", "mul"]
        assert [node.name for node in graph.nodes if node.kind == "input" and node.name] == ["x", "w"]
        assert not [node for node in graph.nodes if node.kind == "parameter"]  # nothing of this is trained
        assert [node.formula for node in graph.nodes if node.operation] == [["x · w"], ["tanh u"], ["a · 2"]]
        assert graph.outputs[0].operation == "mul"
        assert "grad" not in graph.dot

    def test_an_operation(self):
        assert "0.5" in mt.graph(mt.gelu).dot
        for function in (mt.tanh, np.tanh, mt.F.tanh):
            assert operations(mt.graph(function)) == ["tanh"]
        assert operations(mt.graph(mt.matmul)) == ["matmul"]

    def test_an_expression(self):
        from microtrain.formula import trace

        _, expression = trace(lambda a, b: a * a + b)
        assert operations(mt.graph(expression)) == ["mul", "add"]

    def test_an_optimizers_rule(self):
        parameter = mt.tensor(1.0, requires_grad=True)
        graph = mt.graph(mt.optim.Adam([parameter]))
        assert {node.name for node in graph.outputs} == {"new p", "new m", "new v"}
        assert operations(graph).count("sqrt") == 1
        assert graph.to_dict() == mt.graph(mt.optim.Adam([parameter]).rule).to_dict()

    def test_constants(self):
        graph = mt.graph(lambda x: 3.0)
        assert [node.value.entries for node in graph.outputs] == [3.0]

    def test_what_symbols_cannot_read(self):
        with pytest.raises(ArgumentError, match="Give it inputs"):
            mt.graph(lambda x: x if x > 0 else -x)


class TestProtocol:
    def test_an_object_that_says_what_it_is_drawn_as(self):
        class Compiled:
            def __init__(self):
                with record() as self.recording:
                    mt.tensor([1.0, 2.0]).exp().sum()

            def __graph__(self):
                return self.recording

        assert operations(mt.graph(Compiled())) == ["exp", "sum"]
        assert operations(mt.graph(Compiled(), style="print", limit=10)) == ["exp", "sum"]

    def test_it_may_return_a_graph_or_tensors_or_another_object(self):
        w = mt.tensor(1.0, requires_grad=True)

        class Thing:
            def __init__(self, drawn):
                self.drawn = drawn

            def __graph__(self):
                return self.drawn

        graph = mt.graph(w.exp())
        assert mt.graph(Thing(graph)).nodes is graph.nodes
        assert mt.graph(Thing(graph), style="dark").view.style == "dark"
        assert len(mt.graph(Thing([w.exp(), w.sin()])).outputs) == 2
        assert operations(mt.graph(Thing(Thing(w.exp())))) == ["exp"]

    def test_a_graph_is_drawn_in_another_way(self):
        graph = mt.graph(mt.tensor(1.0, requires_grad=True).exp())
        assert mt.graph(graph, direction="TB").direction == "TB"

    def test_nothing_beside_it(self):
        with record() as recording:
            mt.ones(2) * 2
        with pytest.raises(ArgumentError, match="nothing besides"):
            mt.graph(recording, mt.ones(2))


def test_lists_of_tensors():
    w = mt.tensor(1.0, requires_grad=True)
    assert len(mt.graph([w.exp(), w.sin()]).outputs) == 2


@pytest.mark.parametrize("thing", [3, "loss", None, {}, [], object(), np.ones(3), [1, 2]])
def test_everything_else(thing):
    with pytest.raises(DtypeError, match="is not a tensor"):
        mt.graph(thing)


def test_a_class_is_no_function():
    with pytest.raises(DtypeError):
        mt.graph(mt.nn.Linear)


def test_names_can_be_given_or_switched_off():
    secret = mt.tensor(1.0, requires_grad=True)
    y = secret.exp()
    assert [node.name for node in mt.graph(y).nodes] == ["secret", "y"]
    assert [node.name for node in mt.graph(y, names={}).nodes] == ["", ""]
    assert [node.name for node in mt.graph(y, names={"a": secret}).nodes] == ["a", ""]
