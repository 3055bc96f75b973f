"""DOT text: any name is drawn as it is, and every program that reads DOT can read it."""

import itertools
import re
import string
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings, strategies as st

import microtrain as mt
from microtrain.viz import Graph
from microtrain.viz.graph import Edge, GraphNode, Group, Values
from microtrain.viz.graph.dot import SHAPES
from microtrain.viz.graph.look import STYLES
from microtrain.viz.graph.text import clean

NASTY = [
    "a{b}|c<d>",
    'say "hello"',
    "back\\slash \\N \\G \\n \\",
    "<b>html</b>",
    "&amp; &lt; &#65; &",
    "权重 W₁",
    "🎉👩‍🔬 emoji",
    "two\nlines\r\n\tthree",
    "\x00\x1b[31m\u202ereversed",
    "\ud800 lone surrogate",
    "end with \\",
    "[brackets]; -> // /* comment */ #",
    "strict digraph",
    "%n %s {0}",
    "x" * 10_000,
]


def drawn(names: list[str]) -> Graph:
    nodes = []
    for i, name in enumerate(names):
        kind = ("parameter", "input", "operation")[i % 3]
        nodes.append(
            GraphNode(f"n{i}", kind, name=name, operation=name, detail=name, shape=(2,), dtype="float64", note=name,
                      needs_grad=True, value=Values.of([0.5]), site=name, source=name, output=i % 5 == 4)
        )  # fmt: skip
    edges = [Edge(f"n{i}", f"n{i + 1}", 0, True) for i in range(len(names) - 1)]
    return Graph(nodes, edges, groups=[Group(names[0], ["n0"])], caption=names[-1])


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if element.tag.endswith("}text")]


def test_nasty_names_are_drawn_as_they_are():
    pytest.importorskip("pygraphviz")
    for direction in ("TB", "LR"):
        graph = drawn(NASTY)
        graph.direction = direction
        shown = [text.replace("\xa0", " ") for text in texts(graph.svg())]
        for node in graph.nodes:
            assert any(clean(node.name) in text for text in shown), node.name
            assert sum(clean(node.name, 60) == text for text in shown) >= 1, node.name


@settings(deadline=None, max_examples=12)
@given(st.lists(st.text(min_size=1, max_size=80) | st.text(string.punctuation, min_size=1), min_size=2, max_size=20))
def test_any_name_gives_valid_dot(names):
    pygraphviz = pytest.importorskip("pygraphviz")
    graph = drawn(names)
    parsed = pygraphviz.AGraph(string=graph.dot)
    assert set(parsed.nodes()) == {node.key for node in graph.nodes}
    assert parsed.number_of_edges() == len(names) - 1
    shown = [text.replace("\xa0", " ") for text in texts(graph.svg())]
    for name in names:
        assert clean(name, 60) in shown or not clean(name)


def test_long_names_are_cut():
    w = mt.tensor(1.0, requires_grad=True).named("w" * 10_000)
    graph = mt.graph(w.exp().named("v" * 10_000))
    assert len(graph.dot) < 4000
    assert len(str(graph)) < 1000
    assert len(graph.nodes[0].name) == 10_000  # the data is whole


def test_only_plain_and_record_labels():
    text = drawn(NASTY).dot
    assert not re.search(r"label\s*=\s*<", text)


def lightness(colour: str) -> float:
    if colour in ("white", "black"):
        return float(colour == "white")
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_kinds_differ_in_shape():
    shapes = [style["shape"] for style in SHAPES.values()]
    assert len(set(shapes)) == len(shapes)


def test_kinds_differ_in_lightness_too():
    light = sorted(lightness(STYLES["light"].fill[kind]) for kind in ("parameter", "input", "operation", "output"))
    assert min(b - a for a, b in itertools.pairwise(light)) > 0.03


@pytest.mark.parametrize("name", STYLES)
def test_styles_are_readable_also_in_greyscale(name):
    style = STYLES[name]

    def contrast(a: str, b: str) -> float:
        return abs(lightness(a) - lightness(b))

    for fill in (*style.fill.values(), style.background):
        assert contrast(style.text, fill) > 0.45
    steps = [lightness(colour) for colour in style.palette]
    assert steps == sorted(steps) or steps == sorted(steps, reverse=True)  # grows one way only
    assert min(abs(b - a) for a, b in itertools.pairwise(steps)) > 0.08
    for fill, text in zip(style.palette, style.inverse, strict=True):
        assert contrast(fill, text) > 0.35


def test_quick_settings_for_large_graphs_only():
    def random_graph(count: int) -> Graph:
        nodes = [GraphNode(f"n{i}", "operation", operation="f") for i in range(count)]
        return Graph(nodes, [Edge(f"n{i}", f"n{j}", 0, True) for j in range(count) for i in range(max(0, j - 3), j)])

    assert "nslimit" not in random_graph(30).dot
    assert all(setting in random_graph(200).dot for setting in ("nslimit=", "nslimit1=", "mclimit="))


def test_directions():
    w = mt.tensor(1.0, requires_grad=True)
    short = w.exp()
    long = short
    for _ in range(20):
        long = long.sin()
    assert (mt.graph(short).direction, mt.graph(long).direction) == ("LR", "TB")
    assert "rankdir=TB" in mt.graph(short, direction="TB").dot


def test_groups_are_frames():
    text = drawn(["a", "b"]).dot
    assert re.search(r"subgraph cluster_0 \{[^}]*label=a[^}]*n0\s*\}", text)
