"""The graph as SVG, at places found by Graphviz or by our own layers."""

import re
import xml.etree.ElementTree as ET

import pytest

import microtrain as mt
from microtrain.viz.stepper import drawing, layout
from microtrain.viz.stepper.drawing import short_number, shorten

from . import programs

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=["graphviz", "own layers"])
def engine(request, monkeypatch):
    if request.param == "own layers":
        monkeypatch.setattr(layout.graphviz, "engines", lambda: [])
        layout.graphviz.render.cache_clear()
    elif not layout.graphviz.engines():
        pytest.skip("no Graphviz")
    return request.param


@pytest.mark.parametrize("program", programs.RUN)
def test_every_node_and_edge_is_there(engine, program):
    data = mt.trace(program).data
    places = drawing.geometry(data)
    assert len(places["boxes"]) == len(data["nodes"]) and len(places["edges"]) == len(data["edges"])
    width, height = places["size"]
    for left, top, wide, high, *_ in places["boxes"]:
        assert min(left, top) >= -8 and left + wide <= width + 8 and top + high <= height + 8
    numbers = [float(n) for path, *_ in places["edges"] for n in re.findall(r"-?\d+", path)]
    assert all(abs(n) <= max(width, height) + 20 for n in numbers)
    root = ET.fromstring(drawing.draw(data))
    kinds = [g.get("class") for g in root.iter(f"{SVG}g")]
    assert kinds == [node["kind"] for node in data["nodes"]]
    assert sum(p.get("class") == "edge" for p in root.iter(f"{SVG}path")) == len(data["edges"])


def test_boxes_do_not_overlap(engine):
    boxes = [box[:4] for box in drawing.geometry(mt.trace(programs.constants_of_many_kinds).data)["boxes"]]
    for i, (x, y, w, h) in enumerate(boxes):
        for a, b, c, d in boxes[:i]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y


def test_arrows_go_from_box_to_box(engine):
    data = mt.trace(programs.network).data
    sizes = {n["id"]: drawing.size(n, drawing.texts(n, data["values"]), True) for n in data["nodes"]}
    placed = layout.place(sizes, [(e["id"], e["from"], e["to"]) for e in data["edges"]])
    for edge in data["edges"]:
        for end, point in ((edge["from"], placed.edges[edge["id"]][0]), (edge["to"], placed.edges[edge["id"]][-1])):
            (x, y), (w, h) = placed.boxes[end], sizes[end]
            assert abs(point[0] - x) <= w / 2 + 2 and abs(point[1] - y) <= h / 2 + 2


def test_long_arrows_of_one_box_begin_at_stubs():
    x, w = mt.tensor(0.5, requires_grad=True), mt.tensor(1.01, requires_grad=True)
    y = x
    for _ in range(40):
        y = y * w
    data = mt.trace(y).data
    assert sum(len(edge) > 1 for edge in drawing.geometry(data)["edges"]) > 20
    assert drawing.draw(data).count('class="stub"') > 20
    assert not any(len(edge) > 1 for edge in drawing.geometry(mt.trace(x * w).data)["edges"])


def test_unfriendly_names():
    w = mt.tensor(1.0, requires_grad=True).named('a<b>&"c"{}|\n\t\x00你好🙂' + "x" * 10_000)
    root = ET.fromstring(drawing.draw(mt.trace(w * 2).data))
    assert any('a<b>&"c"' in "".join(t.itertext()) for t in root.iter(f"{SVG}text"))


def test_an_empty_graph_and_a_slow_engine(monkeypatch):
    data = mt.trace(programs.network).data
    drawing.draw({**data, "nodes": [], "edges": [], "steps": []})

    def fail(*_):
        raise TimeoutError

    monkeypatch.setattr(layout.graphviz, "render", fail)
    assert drawing.draw(data)


def test_short_numbers():
    cases = {
        0.1: "0.1",
        1 / 3: "0.3333",
        -2.5: "−2.5",
        1e-9: "1e−09",
        123456.7: "1.235e+05",
        12: "12",
        -0.0: "0",
        1e22: "1e+22",
    }
    for x, text in cases.items():
        assert short_number(x) == text
    assert short_number(float("nan")) == "nan" and short_number(True) == "True"


def test_shorten_counts_wide_characters_twice():
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert shorten("学习率学习率", 6) == "学习…"
