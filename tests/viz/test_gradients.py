"""The backward pass drawn: each gradient, its formula, the values that are read again."""

import pytest

import microtrain as mt
from microtrain import nn
from microtrain.errors import ArgumentError
from microtrain.ops.primitive import TABLE
from microtrain.viz import record
from microtrain.viz.graph.maths import formula_of, gradient_of


def neuron():
    x = mt.tensor(2.0)
    w = mt.tensor(-3.0, requires_grad=True)
    y = (x * w).tanh()
    return x, w, y


def test_each_gradient_is_a_box_with_its_formula():
    x, w, y = neuron()
    y.backward()
    graph = mt.graph(y, passes="backward", names={"x": x, "w": w, "y": y})
    assert [(node.key, node.kind, node.name) for node in graph.nodes] == [
        ("g3", "gradient", "∂y/∂y"), ("g2", "gradient", "∂y/∂(mul)"), ("g1", "gradient", "∂y/∂w")
    ]  # fmt: skip
    assert [node.formula for node in graph.nodes] == [["1, where it begins"], ["g · (1 - y · y)"], ["g · x"]]
    assert [node.value.entries for node in graph.nodes] == [1.0, pytest.approx(1 - y.item() ** 2), w.grad.item()]
    assert [(edge.source, edge.target, edge.flow) for edge in graph.edges] == [
        ("g3", "g2", "backward"), ("g2", "g1", "backward")
    ]  # fmt: skip


def test_before_backward_gradients_show_a_dash():
    _, _, y = neuron()
    graph = mt.graph(y, passes="both")
    assert all(node.value is None for node in graph.nodes if node.kind == "gradient")
    assert "grad 0" not in graph.dot


def test_both_are_linked():
    _, _, y = neuron()
    graph = mt.graph(y, passes="both")
    forward = mt.graph(y)
    kinds = [node.kind for node in graph.nodes]
    assert kinds == ["input", "parameter", "operation", "operation", "gradient", "gradient", "gradient"]
    assert [node.key for node in graph.nodes if node.kind != "gradient"] == [node.key for node in forward.nodes]
    links = {(e.source, e.target) for e in graph.edges if e.flow == "retained"}
    assert links == {("n3", "g2"), ("n0", "g1")}  # tanh reads its output, w's gradient reads x
    assert "style=dotted" in graph.dot
    assert len({edge.key for edge in graph.edges}) == len(graph.edges)


def test_what_is_used_twice_has_two_terms():
    a = mt.tensor(3.0, requires_grad=True)
    graph = mt.graph(a * a, passes="backward")
    assert graph["g0"].formula == ["+ g · a", "+ g · a"]


def test_folded_boxes_pass_gradients_on():
    a = mt.tensor(1.001, requires_grad=True)
    y = a
    for _ in range(500):
        y = y * a
    graph = mt.graph(y, passes="both", limit=50)
    assert any("through mul" in line for node in graph.nodes for line in node.formula)


def test_both_passes_together_keep_to_the_limit():
    y = mt.tensor(0.5, requires_grad=True)
    for k in range(300):
        y = y.sin() if k * k % 7 % 2 else y * 1.1
    assert len(mt.graph(y, passes="both").nodes) <= 400
    assert "folded" not in mt.graph(y, limit=1000).caption


def test_the_second_derivative_has_a_backward_graph_too():
    x = mt.tensor(2.0, requires_grad=True)
    (slope,) = mt.grad(x.sin(), [x], create_graph=True)
    slope.backward()
    graph = mt.graph(slope, passes="both")
    assert graph["∂slope/∂x"].value.entries == pytest.approx(-mt.tensor(2.0).sin().item())


def test_recordings_have_both_passes():
    with record() as recording:
        _, w, y = neuron()
        y.backward()
    graph = mt.graph(recording, passes="both", names={"w": w, "y": y})
    assert graph["∂y/∂w"].value.entries == w.grad.item()


def test_what_is_kept_is_listed_and_freed_by_backward():
    x = mt.ones(2, 3)
    W = mt.ones(3, 4, requires_grad=True)
    h = (x @ W).tanh()
    before = mt.graph(h.sum())
    matmul, tanh, total = [node for node in before.nodes if node.kind == "operation"]
    assert matmul.retained == ["x (2, 3)", "shape of W"]
    assert tanh.retained == ["output (2, 4)"]
    assert total.retained == ["shape of h"]
    assert not tanh.freed
    assert "keeps output (2, 4)" in before.dot
    y = h.sum()
    y.backward()
    assert next(node for node in mt.graph(y).nodes if node.operation == "tanh").freed
    assert "kept output (2, 4)" in mt.graph(y).dot


def test_every_row_of_the_table_has_a_text_for_its_gradients():
    for row in TABLE.values():
        for index, vjp in enumerate(row.vjps[: len(row.inputs)]):
            line = gradient_of(row, index, [])
            assert bool(line) == (vjp is not None), row
            assert "lambda" not in line, (row, line)
            assert "\n" not in line


def test_formulas_are_written_with_names():
    assert formula_of(TABLE["mul"], ["w", "x"]) == "w · x"
    assert formula_of(TABLE["mul"], ["w"]) == "w · b"
    assert formula_of(TABLE["exp"], ["x"]) == "eˣ"
    assert formula_of(TABLE["exp"], ["h1"]) == "e^(h1)"
    assert formula_of(TABLE["linear"], ["X", "W", "b"]) == "X Wᵀ + b"
    assert formula_of(TABLE["log2"]) == "log₂ x"
    assert formula_of(TABLE["sigmoid"], ["隐藏"]) == "σ(隐藏)"
    assert "\\" not in "".join(formula_of(row) for row in TABLE.values())
    assert gradient_of(TABLE["matmul"], 0, ["X", "W"]) == "g @ Wᵀ"
    assert gradient_of(TABLE["tanh"], 0, ["h"]) == "g · (1 - y · y)"
    assert gradient_of(TABLE["tanh"], 0, ["y"], ("h", "δ")) == "δ · (1 - h · h)"


def test_a_gradients_formula_calls_nothing_by_the_name_of_something_else():
    y, g = mt.tensor(0.5, requires_grad=True), mt.tensor(2.0, requires_grad=True)
    h = (y * 1).tanh()
    loss = h.exp() * g.sin()
    formulas = {node.name: node.formula for node in mt.graph(loss, passes="both").nodes if node.kind == "gradient"}
    assert formulas["∂loss/∂h"] == ["δ · z"]  # z is e^h, which has no name; g is that of the parameter
    assert formulas["∂loss/∂(mul)"] == ["δ · (1 - h · h)"]
    assert formulas["∂loss/∂g"] == ["δ · cos(g)"]
    y = (g * 1).tanh()
    assert mt.graph(y, passes="backward", names={"y": y}).nodes[-2].formula == ["g · (1 - y · y)"]


def test_what_is_kept_whole_is_not_listed_with_its_shape_as_well():
    X, W = mt.ones(2, 3, requires_grad=True), mt.ones(3, 4, requires_grad=True)
    assert mt.graph(X @ W).outputs[0].retained == ["W (3, 4)", "X (2, 3)"]


def test_formulas_have_the_ends_of_long_dotted_names():
    model = nn.Sequential()
    model.blocks = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.ReLU())
    graph = mt.graph(model.blocks(mt.ones(1, 2)), names={"encoder": model})
    last = [node for node in graph.nodes if node.operation == "linear"][-1]
    assert last.formula == ["x …0.1.weightᵀ + blocks.0.1.bias"]
    assert last.retained[0] == "…0.1.weight (2, 2)"


def test_what_has_no_name_is_not_called_like_something_else():
    a, b = mt.tensor(2.0, requires_grad=True), mt.tensor(3.0, requires_grad=True)
    y = (a * b).exp() / (a + b)
    formulas = {node.operation: node.formula for node in mt.graph(y).nodes}
    assert formulas == {"": [], "mul": ["a · b"], "exp": ["eˣ"], "add": ["a + b"], "div": ["u/v"]}
    (div,) = (node for node in mt.graph(y).nodes if node.operation == "div")
    assert div.retained == ["v", "u"]
    x = mt.ones(2, 2)
    (relu,) = (
        node for node in mt.graph((x @ mt.ones(2, 2, requires_grad=True)).relu()).nodes if node.operation == "relu"
    )
    assert relu.formula == ["max(u, 0)"]


def test_the_gradient_of_a_square_is_written_with_its_exponent():
    x = mt.tensor(3.0, requires_grad=True)
    y = x**2
    (box,) = (node for node in mt.graph(y, passes="backward").nodes if node.name == "∂y/∂x")
    assert box.formula == ["g · 2 · x"]


def test_wrong_passes():
    _, _, y = neuron()
    with pytest.raises(ArgumentError, match="passes"):
        mt.graph(y, passes="sideways")
