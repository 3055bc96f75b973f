"""Every item of the book, run: its claims are as expected, and the printed formula fails where it is wrong."""

from __future__ import annotations

import inspect

import pytest

from microtrain import book

IDS = [entry.id for entry in book.items()]
RANDOM = [entry.id for entry in book.items() if entry.random]
PRINTED = [entry.id for entry in book.items() if entry.printed]


@pytest.mark.parametrize("id", IDS)
def test_claims(id):
    run = book.run(id)
    assert run.claims, "an item without a number shows nothing"
    assert run.passed, str(run)
    assert run.seconds < 20
    for text in (*run.notes, *(claim.text for claim in run.claims), *(figure.caption for figure in run.figures)):
        assert all(text), text


@pytest.mark.parametrize("id", PRINTED)
def test_the_printed_form_fails(id):
    assert not book.run(id, form="printed").passed


@pytest.mark.slow
@pytest.mark.parametrize("id", RANDOM)
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
