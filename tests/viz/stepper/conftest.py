"""A real browser, if there is one: Debian's Chromium, driven by Playwright, which downloads nothing of its own."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("MICROTRAIN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as p:
        running = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


class Watched:
    """A page, with what it said and what it asked for."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path, address=""):
        self.page.goto(f"file://{path}{address}")
        return self.page


@pytest.fixture
def watched(browser):
    """`watched(path, "#step=2", width=400)` opens a page; at the end it must have said and fetched nothing."""
    pages = []

    def open_page(path, address="", **options):
        pages.append(Watched(browser, **options))
        return pages[-1].open(path, address)

    yield open_page
    for each in pages:
        said, asked = each.said, each.asked
        each.context.close()
        assert said == []
        assert all(url.startswith(("file://", "about:srcdoc")) for url in asked), asked
