"""The README's picture of the book's page, from a page that `microtrain book report` wrote:

microtrain book report -o book.html --jobs 2 && python -m tests.book.readme_picture book.html tutorials/book.png
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SIZE = {"width": 1240, "height": 1190}
SEARCH = "gd-map-chaos-cubic"  # an item with a picture that tells its story


def take(page: Path, out: Path) -> None:
    """The top of the page with one item below, in 128 colours."""
    chromium = os.environ.get("MICROTRAIN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport=SIZE, locale="en", reduced_motion="reduce", color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.fill("#search", SEARCH)
        tab.wait_for_timeout(1000)  # until the pictures are decoded
        shot = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
        browser.close()
    shot.quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)
    print(f"wrote {out} ({out.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
