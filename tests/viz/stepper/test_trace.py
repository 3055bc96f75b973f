"""microtrain.trace: from a tensor, from a function, with an optimizer; names, phases, displays, errors."""

import doctest
import json

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, DataFileError, DtypeError, GraphError, MicrotrainError, ShapeError
from microtrain.viz.stepper import Trace, make

from . import programs


def phases(trace):
    return [step["phase"] for step in trace.data["steps"]]


def node_of(trace, name):
    (node,) = [node for node in trace.data["nodes"] if name in (node["name"], node["symbol"])]
    return node


def steps_of(trace, name, phase="backward"):
    key = node_of(trace, name)["id"]
    return [step for step in trace.data["steps"] if step["node"] == key and step["phase"] == phase]


def number(trace, place):
    (x,) = trace.data["values"][place]["data"]
    return x


def test_example_in_the_docstring():
    assert doctest.testmod(make).failed == 0


def test_forward_then_the_seed_then_one_edge_at_a_time():
    trace = programs.neuron()
    assert phases(trace) == ["forward"] * 5 + ["seed"] + ["backward"] * 7
    operations = {node["id"]: node.get("operation") for node in trace.data["nodes"]}
    assert [operations[s["node"]] for s in trace.data["steps"][:5]] == ["mul", "mul", "add", "add", "tanh"]
    assert number(trace, trace.data["steps"][5]["new"]) == 1.0
    (out,) = [s for s in trace.data["steps"] if s["phase"] == "backward" and operations[s["of"]] == "tanh"]
    assert number(trace, out["product"]) == number(trace, out["upstream"]) * number(trace, out["local"])


def test_fan_out_is_visible():
    trace = mt.trace(programs.fan_out)
    first, second, third = steps_of(trace, "w")
    assert "old" not in first
    assert second["old"] == first["new"] and third["old"] == second["new"]
    assert number(trace, third["new"]) == 8.0  # 2 w + 2
    assert number(trace, third["new"]) == number(trace, third["old"]) + number(trace, third["product"])


def test_a_function_is_recorded_as_it_runs():
    trace = mt.trace(programs.two_steps)
    assert phases(trace) == ["forward"] * 2 + ["seed"] + ["backward"] * 2 + ["update"] + ["forward"] * 2 + ["seed"] + [
        "backward"
    ] * 2 + ["accumulate", "update"]
    (added,) = [s for s in trace.data["steps"] if s["phase"] == "accumulate"]
    assert number(trace, added["old"]) + number(trace, added["add"]) == number(trace, added["new"])
    symbols = [n["symbol"] for n in trace.data["nodes"] if n["name"] == "w"]
    assert symbols == ["w", "w_2"]  # before and after the first update


def test_backward_of_a_backward():
    trace = mt.trace(programs.second_order)
    walks = [s["walk"] for s in trace.data["steps"] if s["phase"] == "seed"]
    assert walks == [1, 2]
    recorded = [n for n in trace.data["nodes"] if n.get("during") == 1]
    assert recorded, "the first backward pass leaves operations of its own"
    through = [s for s in trace.data["steps"] if s.get("walk") == 2 and s.get("of") in {n["id"] for n in recorded}]
    assert through, "and the second one goes through them"
    x = mt.tensor(0.5, requires_grad=True)
    (slope,) = mt.grad((x * x).tanh(), x, create_graph=True)
    ((slope - 1) ** 2).backward()
    assert number(trace, steps_of(trace, "x")[-1]["new"]) == x.grad.item()


def test_a_gradient_that_is_a_graph_itself():
    x = mt.tensor(0.5, requires_grad=True)
    (slope,) = mt.grad(x**3, x, create_graph=True)
    trace = mt.trace(slope)
    assert number(trace, steps_of(trace, "x")[-1]["new"]) == pytest.approx(3.0)


def test_an_optimizers_step_is_told_and_not_taken():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = mt.optim.Adam([w], lr=0.1)
    trace = mt.trace((w * w).sum(), optimizer=optimizer)
    (step,) = steps_of(trace, "w", "update")
    assert step["update"]["optimizer"] == "Adam"
    assert {line["name"] for line in step["update"]["lines"]} == {"m", "v", "p"}
    assert "\\" not in step["update"]["lines"][0]["text"]
    np.testing.assert_array_equal(w.detach().numpy(), [1.0, 2.0])
    assert w.grad is None and not optimizer.state
    assert trace.data["values"][step["new"]]["data"] == pytest.approx([0.9, 1.9])


@pytest.mark.parametrize("make_optimizer", [
    lambda p: mt.optim.LangevinGD(p, lr=0.1, generator=mt.Generator(0)),
    lambda p: mt.optim.NAdam(p, lr=0.1), lambda p: mt.optim.RAdam(p, lr=0.1), lambda p: mt.optim.Rprop(p, lr=0.1),
])  # fmt: skip
def test_other_optimizers(make_optimizer):
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = make_optimizer([w])
    trace = mt.trace((w * w).sum(), optimizer=optimizer)
    assert len(steps_of(trace, "w", "update")) == 1


def test_names():
    model = mt.nn.Sequential(mt.nn.Linear(2, 3), mt.nn.Tanh(), mt.nn.Linear(3, 1))

    def loss():
        x = mt.ones(4, 2)
        hidden = model(x).named("scores")
        return hidden.square().mean()

    trace = mt.trace(loss)
    named = {node["name"]: node["symbol"] for node in trace.data["nodes"] if node["name"]}
    assert named["x"] == "x" and named["scores"] == "scores"
    assert {"0.weight": "W0", "0.bias": "b0", "2.weight": "W2", "2.bias": "b2"}.items() <= named.items()
    symbols = [node["symbol"] for node in trace.data["nodes"] if node["symbol"]]
    assert len(set(symbols)) == len(symbols)
    assert trace.data["title"] == "loss"


def test_the_line_of_code():
    trace = mt.trace(programs.fan_out)
    assert {node["line"] for node in trace.data["nodes"] if node["kind"] == "operation"} == {"loss = w * w + 2 * w"}
    assert all(n["site"].startswith("programs.py:") for n in trace.data["nodes"] if n["kind"] == "operation")


def test_a_hook_that_changes_the_gradient_is_told():
    w = mt.tensor(2.0, requires_grad=True)
    h = w * 3
    h.register_hook(lambda g: g * 10)
    trace = mt.trace(h + 1)
    (step,) = steps_of(trace, "w")
    assert step["note"] == "hook"
    assert number(trace, step["upstream"]) == 10.0 and number(trace, step["new"]) == 30.0


def test_writing_in_place():
    def program():
        w = mt.tensor([1.0, 2.0], requires_grad=True)
        h = w * 2
        h[0] = w[1] * 5
        h.mul_(3)
        return h.sum()

    trace = mt.trace(program)
    assert trace.data["values"][steps_of(trace, "w")[-1]["new"]]["data"] == [0.0, 21.0]


def test_a_users_own_function():
    class Cube(mt.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    w = mt.tensor([1.0, 2.0], requires_grad=True)
    loss = Cube.apply(w).sum()
    for trace in (mt.trace(loss), mt.trace(lambda: Cube.apply(w).sum())):
        (step,) = steps_of(trace, "w")
        assert trace.data["values"][step["new"]]["data"] == [3.0, 12.0]
    loss.backward()  # nothing was spoilt
    assert w.grad.tolist() == [3.0, 12.0]


def test_empty_and_strange():
    empty = mt.zeros(0, requires_grad=True)
    assert mt.trace((empty * 2).sum())
    leaf = mt.tensor(2.0, requires_grad=True)
    assert phases(mt.trace(leaf)) == ["seed"]
    half = mt.tensor([1.0, 2.0], dtype=mt.float16, requires_grad=True)
    assert len(mt.trace((half * half).sum()).html())
    matrix = mt.ones(2, 2, requires_grad=True)
    assert mt.trace(matrix * 2, gradient=mt.ones(2, 2))
    large = mt.tensor(2**60) + mt.zeros((), dtype=mt.int64)
    trace = mt.trace(lambda: (large + 1) * mt.tensor(2.0, requires_grad=True))
    assert str(2**60 + 1) in trace.json()  # JavaScript would round it, so it is a text


def test_a_matrix_alone_has_its_own_trace():
    assert mt.trace(mt.tensor([[1.0, 2.0], [3.0, 4.0]])).item() == 5.0


def test_errors_teach():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(GraphError, match="does not require grad"):
        mt.trace(mt.tensor(1.0))
    with pytest.raises(ShapeError, match="single number"):
        mt.trace(w * 2)
    with pytest.raises(DtypeError, match="takes a tensor or a function, not list"):
        mt.trace([1, 2])
    with pytest.raises(ArgumentError, match="no further arguments"):
        mt.trace((w * w).sum(), 3)
    with pytest.raises(GraphError, match="Nothing happened"):
        mt.trace(lambda: None)
    loss = (w * w).sum()
    loss.backward()
    with pytest.raises(GraphError, match="Call trace\\(loss\\) before backward"):
        mt.trace(loss)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    assert mt.trace(loss)
    with pytest.raises(ZeroDivisionError):  # the learner's own error comes through
        mt.trace(lambda: 1 // 0)
    with pytest.raises(ArgumentError, match="ending"):
        mt.trace((w * w).sum()).save("step.png")
    with pytest.raises(ArgumentError, match="language"):
        mt.trace((w * w).sum()).html("fr")


def test_files(tmp_path):
    trace = programs.neuron()
    for name in ("step.html", "step.json", "step.svg"):
        assert trace.save(tmp_path / name).stat().st_size > 1000
    again = Trace.load(tmp_path / "step.json")
    assert again.data == json.loads(trace.json()) and again.html() == trace.html()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step.html", "step.json", "step.svg"]
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataFileError, match="not JSON"):
        Trace.load(tmp_path / "bad.json")
    (tmp_path / "other.json").write_text('{"format": "else"}')
    with pytest.raises(DataFileError, match="not a trace"):
        Trace.load(tmp_path / "other.json")


def test_a_notebook_shows_it_and_never_raises(monkeypatch):
    trace = programs.neuron()
    bundle = trace._repr_mimebundle_()
    assert 'sandbox="allow-scripts"' in bundle["text/html"] and "data:image/svg+xml;base64," in bundle["text/html"]
    assert bundle["text/plain"].startswith("<Trace of 13 steps")
    monkeypatch.setattr("microtrain.viz.stepper.result.draw", lambda *_, **__: 1 / 0)
    assert list(trace._repr_mimebundle_()) == ["text/plain"]


def test_the_same_program_gives_the_same_trace():
    assert programs.neuron().html() == programs.neuron().html()
    assert mt.trace(programs.network).json() == mt.trace(programs.network).json()


def test_nobody_listens_afterwards():
    with pytest.raises(MicrotrainError):
        mt.trace(lambda: mt.ones(2) @ mt.ones(3))
    from microtrain.engine.recording import MODE

    assert MODE.get().listeners == ()


def test_a_leaf_that_was_written_afterwards_shows_no_wrong_number():
    p = mt.tensor(2.0, requires_grad=True)
    loss = p + 1  # keeps nothing, so that backward() may be called all the same
    with mt.no_grad():
        p += 5
    trace = mt.trace(loss)
    assert node_of(trace, "p")["value"] is None
    assert number(trace, node_of(trace, "loss")["value"]) == 3.0
    assert trace.html() and "value_numbers" not in trace.data["steps"][0]
    with mt.no_grad():
        p -= 5  # the same value again
    assert number(mt.trace(loss), node_of(mt.trace(loss), "p")["value"]) == 2.0


def test_a_trained_model_is_told_in_full():
    """Its parameters were written many times, but not since they were read."""
    model = mt.nn.Sequential(mt.nn.Linear(20, 30), mt.nn.Tanh(), mt.nn.Linear(30, 1))
    optimizer = mt.optim.SGD(model.parameters(), lr=0.1)
    x = mt.randn(50, 20)
    for _ in range(2):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    loss = model(x).square().mean()
    trace = mt.trace(loss)
    assert all(node["value"] is not None for node in trace.data["nodes"])
    with mt.no_grad():
        model[0].bias.add_(1.0)  # which backward() does not need
    trace = mt.trace(loss)
    lost = [node["name"] for node in trace.data["nodes"] if node["value"] is None]
    assert "0.bias" in lost and trace.html()
    assert number(trace, node_of(trace, "loss")["value"]) == loss.item()


def test_parameters_that_are_written_without_a_rule():
    def by_hand():
        p = mt.tensor(3.0, requires_grad=True)
        (p * p).backward()
        with mt.no_grad():
            p -= 0.1 * p.grad
        return p

    trace = mt.trace(by_hand)
    (step,) = steps_of(trace, "p", "update")
    assert [number(trace, step[name]) for name in ("old", "new")] == [3.0, 3.0 - 0.1 * 6.0]

    def by_newton():
        p = mt.tensor([3.0, 1.0], requires_grad=True)
        optimizer = mt.optim.LBFGS([p], lr=0.1, max_iter=2)

        def closure():
            optimizer.zero_grad()
            loss = ((p - 1) ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)

    updates = [s for s in mt.trace(by_newton).data["steps"] if s["phase"] == "update"]
    assert updates and all(s["update"]["optimizer"] == "LBFGS" and not s["update"]["lines"] for s in updates)


def test_optimizers_that_do_not_fit():
    w, other = (mt.tensor([1.0], requires_grad=True) for _ in range(2))
    with pytest.raises(DtypeError, match="takes an optimizer, not int"):
        mt.trace((w * w).sum(), optimizer=3)
    with pytest.raises(ArgumentError, match="None of the optimizer's parameters"):
        mt.trace((w * w).sum(), optimizer=mt.optim.SGD([other], lr=0.1))
    with pytest.raises(ArgumentError, match="Trace a function that does the whole step"):
        mt.trace((w * w).sum(), optimizer=mt.optim.LBFGS([w]))


def test_a_trace_inside_of_a_trace_is_not_heard():
    w = mt.tensor([1.0, 2.0], requires_grad=True)

    def program():
        mt.trace((w * w).sum())
        return (w * 3).sum()

    assert [s["walk"] for s in mt.trace(program).data["steps"] if s["phase"] == "seed"] == [1]


def test_what_was_done_before_the_recording_is_told_too():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    h = (w * 2).named("h")
    trace = mt.trace(lambda: (h * 3).sum())
    assert phases(trace) == ["forward"] * 3 + ["seed"] + ["backward"] * 3
    assert trace.data["values"][steps_of(trace, "w")[-1]["new"]]["data"] == [6.0, 6.0]
    assert node_of(trace, "h")["operation"] == "mul" and trace.html()
    loss = (h * 5).sum()
    assert phases(mt.trace(lambda: loss.backward())) == ["forward"] * 3 + ["seed"] + ["backward"] * 3


def test_an_array_that_changes_is_another_input():
    import numpy as np

    x = np.ones(3)
    w = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def program():
        a = w * x
        x[0] = 100.0
        return (a + w * x).sum()

    values = [n["value"] for n in mt.trace(program).data["nodes"] if n["kind"] == "input"]
    assert len(set(values)) == 2


def test_infinities_in_the_sums():
    a = mt.tensor([float("inf"), float("nan"), 1.0])
    w = mt.tensor(2.0, requires_grad=True)
    matrix = mt.tensor([[float("inf"), 1.0], [float("nan"), 2.0]])
    v = mt.tensor([1.0, 2.0], requires_grad=True)
    trace = mt.trace((a * w).sum() + (matrix @ v).sum() * float("-inf"))
    assert '"Infinity"' in trace.json() and '"NaN"' in trace.json() and trace.html()
    large = mt.full((400, 3), float("inf")) * mt.ones(3, requires_grad=True)
    assert mt.trace(large.sum()).json()


def test_a_model_that_is_made_inside_begins_with_its_values():
    def step():
        model = mt.nn.Linear(2, 1, generator=mt.Generator(0))
        optimizer = mt.optim.SGD(model.parameters(), lr=0.1)
        loss = model(mt.ones(3, 2)).sum()
        loss.backward()
        optimizer.step()
        return loss

    trace = mt.trace(step)
    names = [node.get("name") for node in trace.data["nodes"]]
    assert "copy_" not in [node.get("operation") for node in trace.data["nodes"]]
    assert {"weight", "bias"} <= set(names)
    assert [s["phase"] for s in trace.data["steps"]].count("forward") == 2
    assert [s["phase"] for s in trace.data["steps"]].count("update") == 2
