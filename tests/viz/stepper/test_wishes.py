"""What users of other steppers and graph drawings asked for, one test for each wish."""

import re
import time
import xml.etree.ElementTree as ET

import pytest

import microtrain as mt
from microtrain.viz.stepper import layers, layout
from microtrain.viz.stepper.page import FOLDER
from microtrain.viz.stepper.telling import Teller

from . import programs


@pytest.mark.parametrize("language", [0, 1])
def test_narration_of_every_step_in_words(language):
    data = mt.trace(programs.network).data
    teller = Teller(data, language)
    told = [teller.narration(step) for step in data["steps"]]
    assert all(len(text) > 5 for text in told)


def test_what_changed_is_highlighted_and_not_by_colour_alone():
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    assert re.search(r"\.active \.ring \{[^}]*stroke-width: 3", style)
    assert re.search(r"\.of \.ring \{[^}]*stroke-dasharray", style)
    assert re.search(r"\.edge\.active \{[^}]*stroke-width: 4[^}]*stroke-dasharray", style)


def test_large_data_are_cut_and_can_be_expanded():
    data = mt.trace((mt.ones(12, 12, requires_grad=True) * 2).sum()).data
    assert any(row["shape"] == [12, 12] and "window" not in row for row in data["values"])  # to be expanded in the page
    data = mt.trace((mt.ones(120, 120, requires_grad=True) * 2).sum()).data
    assert len(mt.trace((mt.ones(1200, 1200, requires_grad=True) * 2).sum()).json()) < 20_000
    assert any(row.get("window") == [6, 6] for row in data["values"])


def test_too_many_steps_are_named_and_some_are_still_shown():
    x = mt.tensor(0.5, requires_grad=True)
    y = x
    for _ in range(1200):
        y = (y * 1.001).sin()
    trace = mt.trace(y)
    assert trace.data["notes"][0]["steps"] > 2000 and len(trace) > 5
    assert "operations are folded" in trace.html()


def test_the_learners_own_graph_offline_in_one_file(tmp_path):
    path = programs.neuron().save(tmp_path / "step.html")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert "w1" in path.read_text(encoding="utf-8")


def test_local_gradients_of_matrix_operations():
    data = mt.trace(programs.network).data
    matmul = {node["id"] for node in data["nodes"] if node.get("operation") == "matmul"}
    edges = [step for step in data["steps"] if step.get("of") in matmul]
    assert len(edges) == 3 and all(step["jacobian"] and "chain" in step for step in edges)


def test_the_sum_over_the_children_is_explicit():
    steps = [s for s in mt.trace(programs.fan_out).data["steps"] if s["phase"] == "backward"]
    assert sum("old" in step for step in steps) == 2


def test_a_gradient_that_was_not_set_to_zero_is_seen():
    """A cell that is run again doubles the gradient."""
    assert "accumulate" in [step["phase"] for step in mt.trace(programs.two_steps).data["steps"]]


def test_stepping_through_the_optimization_in_more_detail():
    updates = [step for step in mt.trace(programs.two_steps).data["steps"] if step["phase"] == "update"]
    assert all(len(line["terms"]) >= 2 for step in updates for line in step["update"]["lines"])


def test_drawing_does_not_need_dot(monkeypatch):
    monkeypatch.setattr(layout.graphviz, "engines", lambda: [])
    layout.graphviz.render.cache_clear()
    ET.fromstring(mt.trace(programs.network).svg())


def test_the_layout_is_done_once_and_quick_also_for_5000_boxes():
    nodes = {f"n{i}": (90.0, 50.0) for i in range(5000)}
    edges = [(f"e{i}", f"n{max(0, i - 1 - i % 7)}", f"n{i}") for i in range(1, 5000)]
    start = time.perf_counter()
    placed = layers.in_layers(nodes, edges, True)
    assert time.perf_counter() - start < 20
    assert len(placed.boxes) == 5000


def test_pictures_scale_with_their_place():
    picture = mt.trace(programs.network).svg()
    assert "viewBox" in picture
    assert "max-width:100%" in mt.trace(programs.neuron)._repr_mimebundle_()["text/html"]


def test_names_come_from_the_program():
    names = {node["name"] for node in programs.neuron().data["nodes"]}
    assert {"x1", "x2", "w1", "w2", "b", "n", "out"} <= names
