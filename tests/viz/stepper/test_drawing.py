"""The graph as SVG, at places found by Graphviz or by our own layers."""

import math
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
    root = ET.fromstring(drawing.draw(data))
    ids = [g.get("id") for g in root.iter(f"{SVG}g")]
    assert sorted(ids) == sorted([n["id"] for n in data["nodes"]] + [e["id"] for e in data["edges"]])
    _, _, width, height = map(float, root.get("viewBox").split())
    for rect in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        assert min(x, y) >= -8 and x + w <= width and y + h <= height
    numbers = re.findall(r"[-\d.]+", " ".join(p.get("d") for p in root.iter(f"{SVG}path")))
    assert all(math.isfinite(float(n)) for n in numbers)


def test_boxes_do_not_overlap(engine):
    root = ET.fromstring(drawing.draw(mt.trace(programs.constants_of_many_kinds).data))
    boxes = [
        [float(r.get(name)) for name in ("x", "y", "width", "height")]
        for r in root.iter(f"{SVG}rect") if r.get("class") == "box"
    ]  # fmt: skip
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
    text = drawing.draw(mt.trace(y).data)
    assert text.count('class="stub"') > 20
    assert drawing.draw(mt.trace(x * w).data).count("stub") == 0


def test_unfriendly_names():
    w = mt.tensor(1.0, requires_grad=True).named('a<b>&"c"{}|\n\t\x00你好🙂' + "x" * 10_000)
    for static in (False, True):
        root = ET.fromstring(drawing.draw(mt.trace(w * 2).data, static))
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
