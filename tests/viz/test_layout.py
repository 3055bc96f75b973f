"""Layout programs that are missing, broken, or hang; a display never raises."""

import base64
import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, MicrotrainError
from microtrain.viz import Graph
from microtrain.viz.graph import Edge, GraphNode, LayoutError
from microtrain.viz.graph.layout import engines, render
from microtrain.viz.graph.text import clean

from .test_dot import NASTY, drawn, texts

posix = pytest.mark.skipif(os.name != "posix", reason="needs a shell")
layout = sys.modules["microtrain.viz.graph.layout"]


@pytest.fixture(autouse=True)
def fresh():
    render.cache_clear()
    yield
    render.cache_clear()


@pytest.fixture
def graph() -> Graph:
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    return mt.graph((w * w).sum().named("loss"))


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


def fake_dot(folder: Path, monkeypatch, script: str) -> None:
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def is_tree(text: str) -> bool:
    return text.startswith("Graph: ") and "loss = sum" in text


class TestWithoutGraphviz:
    def test_the_display_is_the_tree_and_one_line(self, graph, no_engine):
        assert engines() == []
        bundle = graph._repr_mimebundle_()
        assert list(bundle) == ["text/plain"]
        assert is_tree(bundle["text/plain"])
        assert bundle["text/plain"].removeprefix(str(graph)).count("\n") == 1
        last = bundle["text/plain"].splitlines()[-1]
        assert 'pip install "microtrain[graph]"' in last

    @pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
    def test_saving_a_picture_names_both_remedies(self, graph, no_engine, tmp_path, suffix):
        with pytest.raises(MicrotrainError, match=re.escape('pip install "microtrain[graph]"')) as caught:
            graph.save(tmp_path / f"x.{suffix}")
        assert "system's package" in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_text_needs_nothing(self, graph, no_engine, tmp_path):
        assert graph.save(tmp_path / "x.dot").read_bytes().decode() == graph.dot
        assert '"nodes"' in graph.save(str(tmp_path / "x.json")).read_text(encoding="utf-8")
        assert is_tree(str(graph))
        assert repr(graph).startswith("<Graph: 2 operations, 1 parameter")

    def test_an_old_pygraphviz_does_not_count(self, monkeypatch):
        pytest.importorskip("pygraphviz")
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(layout.importlib.metadata, "version", lambda name: "1.14")
        assert engines() == []


@posix
class TestSystemDot:
    def test_it_is_used_first(self, graph, tmp_path, monkeypatch):
        fake_dot(tmp_path, monkeypatch, 'cat > "$(dirname "$0")/input"; echo "<svg>$*</svg>"')
        assert graph.svg() == "<svg>-Tsvg</svg>\n"
        assert (tmp_path / "input").read_text(encoding="utf-8") == graph.dot

    def test_failing(self, graph, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pygraphviz", None)
        fake_dot(tmp_path, monkeypatch, "cat > /dev/null; echo 'Error: no fonts' >&2; exit 3")
        bundle = graph._repr_mimebundle_()
        assert list(bundle) == ["text/plain"]
        assert is_tree(bundle["text/plain"])
        with pytest.raises(LayoutError, match="no fonts"):
            graph.svg()

    def test_ending_before_it_has_read(self, graph, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pygraphviz", None)
        fake_dot(tmp_path, monkeypatch, "exit 1")
        graph.nodes[0].source = "x" * 200
        graph.nodes.extend(GraphNode(f"m{i}", "input", name="x" * 40) for i in range(3000))  # more than a pipe holds
        assert is_tree(graph._repr_mimebundle_()["text/plain"])

    def test_failing_leaves_it_to_pygraphviz(self, graph, tmp_path, monkeypatch):
        pytest.importorskip("pygraphviz")
        fake_dot(tmp_path, monkeypatch, "cat > /dev/null; exit 3")
        assert "<svg" in graph.svg()

    def test_no_output_is_a_failure(self, graph, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pygraphviz", None)
        fake_dot(tmp_path, monkeypatch, "cat > /dev/null")
        with pytest.raises(LayoutError, match="status 0 and no picture"):
            graph.svg()

    def test_hanging_is_stopped_with_its_children(self, graph, tmp_path, monkeypatch):
        monkeypatch.setattr(layout, "SECONDS", 0.5)
        fake_dot(tmp_path, monkeypatch, f'echo $$ > "{tmp_path}/pid"; /bin/sleep 60 & /bin/sleep 60')
        start = time.monotonic()
        bundle = graph._repr_mimebundle_()
        assert time.monotonic() - start < 5
        assert list(bundle) == ["text/plain"]
        assert "did not finish within 0.5 seconds" in bundle["text/plain"]
        assert "limit=" in bundle["text/plain"]
        group = int((tmp_path / "pid").read_text())
        for _ in range(50):
            if not _alive(group):
                break
            time.sleep(0.1)
        assert not _alive(group)


def _alive(group: int) -> bool:
    """Is anyone of a process group still running (and not just waiting to be reaped)?"""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended just now
            state, _parent, its_group = file.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


class TestPygraphviz:
    @pytest.fixture(autouse=True)
    def only_this(self, monkeypatch):
        pytest.importorskip("pygraphviz")
        monkeypatch.setattr(layout.shutil, "which", lambda name: None)

    def test_pictures_of_every_kind(self, graph, tmp_path, capfd):
        assert graph.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        assert graph.save(tmp_path / "A.PDF").read_bytes().startswith(b"%PDF")
        root = ET.fromstring(graph.save(tmp_path / "a.svg").read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")
        tips = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("}title")]
        assert any("(w * w).sum()" in tip for tip in tips)
        assert capfd.readouterr().err == ""  # Graphviz's complaints about fonts are not the learner's

    def test_notebooks_get_an_image_that_survives_sanitising(self, graph):
        bundle = graph._repr_mimebundle_(include=None, exclude=None)
        assert set(bundle) == {"text/html", "text/plain"}
        html = bundle["text/html"]
        image = r'<img alt="[^"<>]*" style="max-width:100%;[^"]*" src="data:image/svg\+xml;base64,[\w+/=]+">'
        assert re.fullmatch(image, html)
        svg = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()
        assert ET.fromstring(svg).tag.endswith("svg")
        assert is_tree(bundle["text/plain"])

    def test_a_file_of_the_learner_does_not_get_in_the_way(self, graph, tmp_path, monkeypatch):
        for name in ("pygraphviz", "random", "numpy"):
            (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
        monkeypatch.chdir(tmp_path)
        assert "<svg" in graph.svg()

    def test_a_hard_graph_is_given_up(self, monkeypatch):
        monkeypatch.setattr(layout, "SECONDS", 0.05)
        nodes = [GraphNode(f"n{i}", "operation", operation="f") for i in range(300)]
        edges = [Edge(f"n{i * 7 % j}", f"n{j}", 0, True) for j in range(1, 300) for i in (j, j + 1)]
        bundle = Graph(nodes, edges)._repr_mimebundle_()
        assert "No picture" in bundle["text/plain"]

    def test_boxes_and_arrows_have_stable_ids_and_classes(self, graph):
        root = ET.fromstring(graph.svg())
        classes = {e.get("id"): e.get("class") for e in root.iter() if e.get("id")}
        assert classes["n0"] == "node parameter"
        assert classes["n1"] == "node operation"
        assert classes["n0-n1-0"] == "edge forward"
        assert classes["n0-n1-1"] == "edge forward"
        assert {edge.key for edge in graph.edges} <= set(classes)

    def test_positions_are_those_of_the_picture(self, graph):
        places = graph.positions()
        assert set(places) == {node.key for node in graph.nodes}
        root = ET.fromstring(graph.svg())
        width, height = map(float, root.get("viewBox").split()[2:])
        for box in places.values():
            assert 0 < box.x - box.width / 2 < box.x + box.width / 2 < width
            assert 0 < box.y - box.height / 2 < box.y + box.height / 2 < height
        assert places["n0"].x < places["n1"].x < places["n2"].x  # from left to right
        (box,) = [e for e in root.iter() if e.get("id") == "n1"]
        texts = [e for e in box.iter() if e.tag.endswith("}text")]
        assert float(texts[0].get("x")) + 4 == pytest.approx(places["n1"].x, abs=1.5)

    def test_pictures_fit_the_page(self, graph):
        root = ET.fromstring(graph.svg())
        assert root.get("viewBox")
        assert "max-width:100%" in graph._repr_mimebundle_()["text/html"]

    def test_engines_by_name(self, graph):
        assert graph.svg("pygraphviz") == graph.svg()
        with pytest.raises(LayoutError, match="'dot' is not installed"):
            graph.svg("dot")
        with pytest.raises(ArgumentError, match="engine is 'neato'"):
            graph.svg("neato")

    def test_frames_legends_and_the_backward_pass_are_drawn(self, graph, tmp_path):
        w = mt.tensor([1.0, 2.0], requires_grad=True)
        y = mt.nn.Linear(2, 1)(w * 2).sum()
        y.backward()
        for style in ("light", "dark", "print"):
            for direction in ("TB", "LR"):
                drawing = mt.graph(y, passes="both", color="grad_norm", style=style, direction=direction)
                ids = {e.get("id") for e in ET.fromstring(drawing.svg()).iter()}
                assert {"g0", "legend", "cb"} <= ids

    def test_the_same_picture_is_laid_out_once(self, graph, monkeypatch):
        first = graph.svg()
        monkeypatch.setattr(layout.subprocess, "Popen", None)
        assert graph.svg() == first

    def test_graphs_of_a_few_hundred_boxes(self, tmp_path):
        y = a = mt.tensor(1.001, requires_grad=True)
        for _ in range(300):
            y = y * a
        start = time.monotonic()
        graph = mt.graph(y)
        assert len(graph.nodes) == 301
        graph.svg()
        graph.save(tmp_path / "chain.png")
        assert time.monotonic() - start < 10


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")
def test_the_system_dot_draws_the_same():
    graph = drawn(NASTY)
    shown = [text.replace("\xa0", " ") for text in texts(graph.svg("dot"))]
    for node in graph.nodes:
        assert any(clean(node.name) in text for text in shown), node.name


@pytest.mark.wide  # test_fold.py draws a hundred thousand
def test_a_million_operations_are_drawn_folded_without_recursion():
    y = a = mt.tensor(1.0000001, requires_grad=True)
    for _ in range(300_000):  # a million takes three times as long
        y = y * a
    start = time.monotonic()
    graph = mt.graph(y, passes="both")
    assert len(graph.nodes) == 8
    assert "299,998" in graph.dot
    assert time.monotonic() - start < 10


def test_unknown_endings(graph, tmp_path):
    for name in ("x.gif", "x", ".png"):
        with pytest.raises(ArgumentError, match=re.escape(".svg")):
            graph.save(tmp_path / name)


def test_importing_microtrain_loads_none_of_it():
    program = "import sys, microtrain; print({'graphviz', 'pygraphviz', 'microtrain.viz'} & sys.modules.keys())"
    root = Path(__file__).parents[2]
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert output.stdout.strip() == "set()"
