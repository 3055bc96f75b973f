"""Every item of the book, run: its claims are as expected, and the printed formula fails where it is wrong."""

from __future__ import annotations

import inspect
import time

import pytest
from matplotlib.category import StrCategoryFormatter
from matplotlib.ticker import FixedFormatter, FuncFormatter

from microtrain import book
from microtrain.book.drawing import draw, picture

from ..wide import mostly_wide
from .looks import faults

ITEMS = book.items()
SAMPLE = {entry.id for entry in ITEMS[::32]}  # the default suite runs these; the others take minutes


def each(items):
    return mostly_wide([e.id for e in items], but=SAMPLE)


@pytest.fixture(scope="module", params=each(ITEMS))
def ran(request):
    """An item's run, one for all tests of the item: (the run, the seconds that it took)."""
    start = time.process_time()  # not the clock on the wall, which counts the machine's other work, too
    return book.run(request.param), time.process_time() - start


def test_claims(ran):
    run, seconds = ran
    assert seconds < 20
    assert run.claims, "an item without a number shows nothing"
    assert run.passed, str(run)
    for text in (*run.notes, *(claim.text for claim in run.claims), *(figure.caption for figure in run.figures)):
        assert all(text), text


@pytest.mark.wide
def test_pictures(ran):
    """They can be drawn, and are small enough for one page of all."""
    for figure in ran[0].figures:
        assert len(picture(figure)) < 400_000
        assert not figure.frames or len(figure.webp()) < 250_000
        assert faults(figure) == []
        for ax in draw(figure)[0].axes:
            assert not ax.axison or all(map(told, (ax.xaxis, ax.yaxis))), f"{ax.get_title()}: an axis has no label"


def told(axis):
    """Does the axis say what its numbers are, or has it names in place of numbers, or nothing at all?"""
    names = isinstance(axis.get_major_formatter(), (FixedFormatter, FuncFormatter, StrCategoryFormatter))
    empty = not axis.get_visible() or not len(axis.get_majorticklocs())
    return axis.get_label_text() or names or empty or axis.axes.get_label() == "<colorbar>"


@pytest.mark.parametrize("id", each(e for e in ITEMS if e.printed))
def test_the_printed_form_fails(id):
    assert not book.run(id, form="printed").passed


@pytest.mark.slow
@pytest.mark.parametrize("id", [e.id for e in ITEMS if e.random])
def test_twenty_seeds(id):
    for seed in range(20):
        run = book.run(id, seed=seed)
        assert run.passed, f"seed {seed}: {run}"


def test_what_does_not_hold_can_be_run_as_printed():
    for entry in book.items(verdict="does not hold as printed"):
        assert entry.printed, entry.id


def test_randomness_is_declared():
    for entry in book.items():
        draws = "run.rng" in inspect.getsource(entry.function) or "run.seed" in inspect.getsource(entry.function)
        assert entry.random or not draws, f"{entry.id} draws from run.rng, so it needs random=True"
