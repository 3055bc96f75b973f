"""Every test starts from the same random numbers, whichever ran before it."""

import pytest

import microtrain as mt


@pytest.fixture(autouse=True)
def seed():
    mt.manual_seed(0)
