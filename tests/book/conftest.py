"""What the tests of the book share."""

from __future__ import annotations

import pytest

from microtrain.book import movie


@pytest.fixture(scope="module")
def few_frames():
    """Of what moves the first frames alone: the sixty and more of an item are drawn by test_items.py's test_pictures."""
    encoded = movie.encoded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            movie, "encoded", lambda canvas, show, frames, *rest: encoded(canvas, show, min(frames, 6), *rest)
        )
        yield
