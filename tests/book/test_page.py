"""The book's page in a browser: it finds, filters, speaks two languages, and asks for nothing."""

from __future__ import annotations

import pytest

from microtrain import book
from microtrain.book.all import run_all
from microtrain.book.report import page

from ..viz.stepper.conftest import browser, watched  # noqa: F401 (fixtures)

pytestmark = pytest.mark.browser
IDS = ["gd-parabola-regimes", "line-model", "nesterov"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    outcomes = {found["id"]: found for found in run_all(IDS, folder)}
    (folder / "book.html").write_text(page([book.get(id) for id in IDS], outcomes), encoding="utf-8")
    return folder / "book.html"


def shown(page):
    return page.evaluate("[...document.querySelectorAll('section:not([hidden])')].map((s) => s.id)")


def test_search_and_filters(watched, path):  # noqa: F811
    page = watched(path, locale="en")
    assert shown(page) == IDS and page.inner_text("#count") == "3 / 3"
    page.fill("#search", "抛物线")
    assert shown(page) == IDS[:1]
    page.fill("#search", "")
    page.select_option("#verdict", "does not hold as printed")
    assert shown(page) == ["nesterov"]
    page.select_option("#chapter", "dynamics")
    assert shown(page) == [] and page.inner_text("#count") == "0 / 3"


def test_a_link_leads_to_a_hidden_item(watched, path):  # noqa: F811
    page = watched(path, locale="en")
    page.select_option("#chapter", "dynamics")
    page.evaluate("location.hash = 'nesterov'")
    page.wait_for_function("!document.getElementById('nesterov').hidden")
    assert shown(page) == IDS and page.input_value("#chapter") == ""


def test_two_languages(watched, path):  # noqa: F811
    page = watched(path, locale="en")
    assert page.is_visible("text=Five regimes on a parabola") and not page.is_visible("text=抛物线上的五种情形")
    page.click("#language")
    assert page.is_visible("text=抛物线上的五种情形") and not page.is_visible("text=Five regimes on a parabola")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    assert "定理" in page.inner_text("#kind") and page.inner_text("#language") == "English"
    assert watched(path, locale="zh-CN").inner_text("#language") == "English"  # a Chinese browser begins in Chinese


def test_pictures_are_shown_and_nothing_sticks_out(watched, path):  # noqa: F811
    page = watched(path, locale="en", viewport={"width": 390, "height": 800})
    assert page.evaluate("[...document.images].every((image) => image.decode && image.naturalWidth !== 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
