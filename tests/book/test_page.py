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
def path(tmp_path_factory, few_frames):
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
    page.wait_for_selector("#nesterov:not([hidden])", state="attached")
    assert shown(page) == IDS and page.input_value("#chapter") == ""


def test_two_languages(watched, path):  # noqa: F811
    page = watched(path, locale="en")
    assert page.is_visible("text=Five regimes on a parabola") and not page.is_visible("text=抛物线上的五种情形")
    page.click("#language")
    assert page.is_visible("text=抛物线上的五种情形") and not page.is_visible("text=Five regimes on a parabola")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    assert "定理" in page.inner_text("#kind") and page.inner_text("#language") == "English"
    assert watched(path, locale="zh-CN").inner_text("#language") == "English"  # a Chinese browser begins in Chinese


@pytest.mark.parametrize("width", [390, 600, 772, 1000])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_table_in_front_can_be_seen_as_a_whole(watched, path, width, locale):  # noqa: F811
    page = watched(path, locale=locale, viewport={"width": width, "height": 800})
    table = "document.querySelector('.front')"
    assert page.evaluate(f"{table}.scrollWidth - {table}.parentElement.clientWidth") <= 0


def test_what_moves_can_be_stopped(watched, path):  # noqa: F811
    page = watched(path, locale="en")
    shown = (
        "[...document.querySelectorAll('#gd-parabola-regimes img')].map((i) => getComputedStyle(i).display !== 'none')"
    )
    assert page.evaluate(shown) == [True, False]
    page.click("#gd-parabola-regimes >> text=Pause")
    assert page.evaluate(shown) == [False, True]
    page.click("#gd-parabola-regimes >> text=Play")
    assert page.evaluate(shown) == [True, False]
    page.emulate_media(media="print")
    assert page.evaluate(shown) == [False, True]
    calm = watched(path, locale="zh-CN", reduced_motion="reduce")
    assert calm.evaluate(shown) == [False, True] and calm.is_visible("#gd-parabola-regimes >> text=播放")


def test_a_notebook_shows_the_still_picture_to_who_wants_no_motion(watched, tmp_path, few_frames):  # noqa: F811
    (tmp_path / "run.html").write_text(book.run("nesterov")._repr_html_(), encoding="utf-8")
    for wish, kind in (("no-preference", "image/webp"), ("reduce", "image/svg+xml")):
        page = watched(tmp_path / "run.html", reduced_motion=wish)
        page.wait_for_function("document.images[0].complete")
        assert page.evaluate("document.images[0].currentSrc").startswith(f"data:{kind}")
        assert page.evaluate("document.images[0].naturalWidth") > 300


def test_where_the_book_is_wrong(watched, path):  # noqa: F811
    page = watched(path, "#wrong", locale="en")
    assert page.is_visible("article[data-id=nesterov] >> text=Run as it is printed") and not page.is_visible("main")
    assert page.evaluate("document.querySelectorAll('article[data-id=nesterov] figure').length") == 1
    page.click("article[data-id=nesterov] h3 a")
    page.wait_for_selector("body:not(.wrong)", state="attached")
    assert page.is_visible("#nesterov h3") and not page.is_visible("article[data-id=nesterov]")
    page.click("nav .to")
    page.wait_for_selector("body.wrong", state="attached")
    page.click("nav .back")
    page.wait_for_selector("body:not(.wrong)", state="attached")
    assert shown(page) == IDS


def test_a_number_of_the_front_table_shows_its_items(watched, path):  # noqa: F811
    page = watched(path, locale="en")
    page.click("button[data-chapter=training][data-verdict^=does]")
    assert shown(page) == ["nesterov"]
    page.click("button[data-chapter=''][data-verdict='holds']")
    assert shown(page) == ["gd-parabola-regimes", "line-model"]


def test_nothing_jumps(watched, path):  # noqa: F811
    """Every picture has its size before it is decoded, and an item that is not drawn yet is about as high as later."""
    page = watched(path, locale="en")
    assert page.evaluate("[...document.images].every((i) => i.getAttribute('width') && i.getAttribute('height'))")
    guess = "[...document.querySelectorAll('section')].map((s) => s.getBoundingClientRect().height)"
    before = page.evaluate(guess)
    page.evaluate("document.styleSheets[0].insertRule('section { content-visibility: visible !important }')")
    after = page.evaluate(guess)
    assert all(0.75 < a / b < 1.33 for a, b in zip(before, after, strict=True)), (before, after)


def test_pictures_are_shown_and_nothing_sticks_out(watched, path):  # noqa: F811
    page = watched(path, locale="en", viewport={"width": 390, "height": 800})
    assert page.evaluate("[...document.images].every((image) => image.decode && image.naturalWidth !== 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for cells in (".front button", ".front thead th"):  # what the table is there for
        ends = f"[...document.querySelectorAll('{cells}')].map((cell) => cell.getBoundingClientRect().right)"
        assert max(page.evaluate(ends)) <= 375, cells


@pytest.mark.parametrize(("locale", "where"), [("en", ""), ("zh-CN", ""), ("en", "#wrong")])
def test_nothing_moves_when_the_page_is_complete(watched, path, locale, where):  # noqa: F811
    """What is drawn of a large page before its end has come looks as it will in the end."""
    part = path.with_name("part.html")
    part.write_text(path.read_text(encoding="utf-8").partition("<main")[0], encoding="utf-8")
    looks = []
    for file in (part, path):
        page = watched(file, locale=locale)
        if where:
            page.goto(file.as_uri() + where)
            page.reload()
        names = set(page.evaluate("document.body.className").split())
        looks.append((names, page.text_content("#count"), page.is_visible("#wrong"), page.is_visible("h1 [lang=en]")))
    assert looks[0] == looks[1] and looks[0][1] == "3 / 3" and looks[0][2] == bool(where)
