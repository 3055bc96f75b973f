"""What users of other drawing tools asked for (the threads: GitHub), each as a test of ours."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import microtrain as mt
from microtrain.viz import record

ROOT = Path(__file__).parents[2]


def step():
    model = mt.nn.Sequential(mt.nn.Linear(2, 3), mt.nn.Tanh(), mt.nn.Linear(3, 1))
    x = mt.tensor([[1.0, 2.0]])
    loss = (model(x) ** 2).mean().named("loss")
    return model, x, loss


def test_values_and_gradients_in_the_boxes():
    # torchview#88, pytorch#34953, pytorchviz PR 82, tinygrad#10809
    model, _, loss = step()
    loss.backward()
    graph = mt.graph(loss)
    assert graph["0.weight"].value.entries == model[0].weight.tolist()
    assert graph["0.weight"].grad.entries == model[0].weight.grad.tolist()
    assert "value" in graph.dot
    assert "grad" in graph.dot


def test_a_gradient_is_a_dash_until_backward_has_run():
    # nn-zero-to-hero#40, PR 80, PR 81
    _, _, loss = step()
    assert "grad -" in mt.graph(loss).dot
    assert "grad 0" not in mt.graph(loss).dot


def test_variable_names_on_nodes():
    # pytorchviz#59, torchview#97: from assignment, from parameters, from named(); and the way to switch it off
    _, x, loss = step()  # noqa: RUF059 (its name is looked for)
    names = {node.name for node in mt.graph(loss).nodes}
    assert {"x", "0.weight", "2.bias", "loss"} <= names
    bare = {node.name for node in mt.graph(loss, names={}).nodes}
    assert "x" not in bare
    assert {"0.weight", "loss"} <= bare  # which the model and named() say


def test_forward_and_backward_graph():
    # pytorchviz#32, pytorch#34953
    _, _, loss = step()
    graph = mt.graph(loss, passes="both")
    flows = {edge.flow for edge in graph.edges}
    assert flows == {"forward", "backward", "retained"}
    gradients = {node.key for node in graph.nodes if node.kind == "gradient"}
    assert {f"g{node.key[1:]}" for node in graph.nodes if node.needs_grad and node.kind != "gradient"} == gradients


def test_modules_collapse_and_one_chooses_how_far():
    # torchview#59, #19, torchlens#24, netron#824
    _, _, loss = step()
    assert [len(mt.graph(loss, depth=depth).nodes) for depth in (0, 1, 2)] == [4, 6, 11]


def test_repeated_blocks_say_how_often():
    # torchview#118
    model = mt.nn.Sequential(*[mt.nn.Sequential(mt.nn.Linear(3, 3), mt.nn.Tanh()) for _ in range(12)])
    assert "12 × Sequential" in mt.graph(model, mt.ones(1, 3), depth=1).dot
    assert "… 10 × Sequential" in mt.graph(model, mt.ones(1, 3)).dot


def test_a_large_graph_has_a_stated_budget():
    # pytorchviz#71, torchview#114
    w = mt.tensor(0.5, requires_grad=True)
    y = w
    for k in range(2000):
        y = (y.sin(), y.exp(), y * w, y + w)[k * k % 7 % 4]
    graph = mt.graph(y)
    assert len(graph.nodes) <= 400
    assert "folded" in graph.caption


def test_names_and_shapes_at_once():
    # netron#420, #1125
    model, _, loss = step()  # noqa: RUF059 (the model gives its parameters' names as long as it is there)
    assert "0.weight\\n(3, 2) float64" in mt.graph(loss).dot


def test_weights_and_biases_are_nodes_with_parameter_counts():
    # torchview#100, #102, pytorchviz#22
    model, _, loss = step()
    assert sum(p.numel() for p in model.parameters()) == 13
    parameters = [node for node in mt.graph(loss).nodes if node.kind == "parameter"]
    assert [node.parameters for node in parameters] == [6, 3, 3, 1]
    assert mt.graph(loss, depth=0)["model: Sequential"].parameters == 13
    assert "6 parameters" in mt.graph(loss).dot


def test_saved_tensors_are_told_apart():
    # pytorchviz#69: they were merged by id()
    a, b = mt.tensor([1.0], requires_grad=True), mt.tensor([1.0], requires_grad=True)
    product = mt.graph((a * b).sum(), names={"a": a, "b": b}).nodes[2]
    assert sorted(product.retained) == ["a (1,)", "b (1,)"]


def test_colour_by_cost_or_by_any_quantity():
    # torchlens#20, netron#1234
    with record() as recording:
        _, _, loss = step()
        loss.backward()
    for color in ("time", "bytes", "grad_norm", "value", lambda node: node.count):
        assert "legend0" in mt.graph(recording, color=color).dot


def test_subscripts_and_paper_style():
    # pytorchviz#51
    x = mt.tensor(2.0, requires_grad=True).named("x₁")
    dot = mt.graph((x.exp() + x**2).named("ŷ"), style="print").dot
    for text in ("x₁", "ŷ", "x₁²"):
        assert text in dot
    assert "bgcolor=white" in dot


def test_horizontal_and_vertical():
    # torchview#56
    _, _, loss = step()
    assert "rankdir=LR" in mt.graph(loss, direction="LR").dot
    assert "rankdir=TB" in mt.graph(loss, direction="TB").dot


def test_two_graphs_compared():
    # netron#937, #705
    a = mt.nn.Sequential(mt.nn.Linear(2, 3), mt.nn.Tanh())
    b = mt.nn.Sequential(mt.nn.Linear(2, 3), mt.nn.ReLU())
    x = mt.ones(1, 2)
    comparison = mt.graph(a, x, names={}).compare(mt.graph(b, x, names={}))
    assert [n.operation for n in comparison.added + comparison.removed] == ["relu", "tanh"]


@pytest.mark.parametrize("broken", ["missing", "failing"])
def test_without_dot_nothing_raises_and_the_command_to_install_is_told(broken, tmp_path, monkeypatch):
    # pytorchviz#89, #44; xflr6/graphviz#123, #162, #63; torchview#116, #120; MyGrad#69, #262 ...: the commonest of all
    if broken == "failing" and os.name == "posix":
        program = tmp_path / "dot"
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    sys.modules["microtrain.viz.graph.layout"].render.cache_clear()
    _, _, loss = step()
    bundle = mt.graph(loss)._repr_mimebundle_()
    assert "loss = mean" in bundle["text/plain"]
    assert 'pip install "microtrain[graph]"' in bundle["text/plain"]
    assert mt.graph(loss).dot.startswith("digraph")


def test_pip_alone_draws():
    # EurekaLabsAI/micrograd#16, skrub#1292, pyquickhelper#254: no program to install by hand
    pytest.importorskip("pygraphviz")
    code = "import microtrain as mt; print(mt.graph(mt.tensor(1.0, requires_grad=True).exp()).svg()[:5])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("<?xml")


def test_five_thousand_additions_do_not_hang():
    # tinygrad#7435: a layout in the browser hung on 100
    x = mt.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(5000):
        y = y + x
    start = time.monotonic()
    bundle = mt.graph(y)._repr_mimebundle_()
    assert time.monotonic() - start < 10
    assert "4,998" in bundle["text/plain"]


def test_a_picture_is_not_cut_off_in_a_notebook():
    # torchview#23
    pytest.importorskip("pygraphviz")
    _, _, loss = step()
    assert "max-width:100%" in mt.graph(loss)._repr_mimebundle_()["text/html"]
    assert "viewBox" in mt.graph(loss).svg()


def test_the_graph_shows_itself():
    # hamilton#205
    _, _, loss = step()
    graph = mt.graph(loss)
    assert "loss = mean" in str(graph)
    assert "print() shows it as a tree" in repr(graph)
    json.dumps(graph.to_dict(), allow_nan=False)


def test_the_same_program_gives_the_same_picture():
    # micrograd's draw_dot: sets and id() made every run another; tests/viz/test_golden.py compares whole files
    first, second = (mt.graph(step()[2], show=["shape", "formula"]).dot for _ in range(2))
    assert first == second


def test_a_deep_expression_is_drawn():
    # micrograd#90, #21, #91: RecursionError
    x = mt.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(50_000):
        y = y + x
    assert "49,998" in str(mt.graph(y))
