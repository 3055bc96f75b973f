"""The web page: whole, self-contained, and without scripts."""

import os
import re
import shutil
from html.parser import HTMLParser

import pytest

import microtrain as mt
from tests.viz.test_dot import NASTY, drawn


class Reader(HTMLParser):
    """Collects ids, links, and whether tags are closed in order."""

    EMPTY = ("meta", "br", "img", "path", "polygon", "polyline", "ellipse", "input")

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.open, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [v for k, v in attrs if k in ("href", "xlink:href", "src")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


@pytest.fixture
def loss():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum().named("loss")
    loss.backward()
    return loss


def test_every_box_leads_to_its_details(loss):
    pytest.importorskip("pygraphviz")
    graph = mt.graph(loss, style="dark")
    page = Reader(graph.html())
    assert page.open == []
    assert set(page.links) == {f"#{node.key}-details" for node in graph.nodes}
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert {node.key for node in graph.nodes} <= set(page.ids)
    assert {edge.key for edge in graph.edges} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.browser
def test_large_pictures_can_be_seen_as_a_whole(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("MICROTRAIN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    y = mt.tensor(1.0, requires_grad=True)
    for _ in range(30):
        y = y.sin()
    path = mt.graph(y, repeats=False).save(tmp_path / "graph.html")
    with playwright.sync_playwright() as p:
        page = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        page.goto(f"file://{path}")
        hidden = "document.querySelector('.picture').scrollHeight - document.querySelector('.picture').clientHeight"
        assert page.evaluate(hidden) > 500
        page.get_by_label("the whole picture").check()
        assert page.evaluate(hidden) <= 20
        page.locator("summary", has_text="How to read it").click()
        assert page.get_by_text("a folded corner").is_visible()


def test_nothing_comes_from_elsewhere_and_nothing_runs(loss):
    pytest.importorskip("pygraphviz")
    text = mt.graph(loss).html()
    assert "script" not in Reader(text).tags
    assert "default-src 'none'" in text
    addresses = set(re.findall(r"https?://[^\s\"']+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"url\(|@import|<link", text)


def test_details_have_all_entries(loss):
    w = mt.arange(24.0).reshape(4, 6).requires_grad_()
    text = mt.graph((w * 2).sum()).html()
    assert "[18, 19, 20, 21, 22, 23]" in text
    assert "test_page.py" in text


def test_nasty_names(tmp_path):
    graph = drawn(NASTY)
    page = Reader(graph.html())
    assert page.open == []
    assert "script" not in page.tags
    assert graph.save(tmp_path / "nasty.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_without_graphviz_the_page_has_the_text(loss, monkeypatch, tmp_path):
    import sys

    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    sys.modules["microtrain.viz.graph.layout"].render.cache_clear()
    text = mt.graph(loss).save(tmp_path / "x.html").read_text(encoding="utf-8")
    assert "No picture" in text
    assert "loss = sum" in text
    assert Reader(text).open == []
