"""Dtypes under PyTorch's names."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import dtypes
from microtrain.errors import DtypeError, ShapeError


def test_names():
    assert mt.float64 == mt.double == np.float64 and mt.float32 == np.float32 and mt.half == mt.float16
    assert mt.long == mt.int64 and mt.short == mt.int16 and mt.uint8 == np.uint8


def test_parse():
    assert dtypes.parse(None) is None and dtypes.parse("float32") == mt.float32 and dtypes.parse(int) == mt.int64
    for bad in (complex, "U3", object, "nonsense", "datetime64[s]"):
        with pytest.raises(DtypeError):
            dtypes.parse(bad)


def test_operands():
    assert dtypes.operand(None) is None and dtypes.operand([1, 2]).tolist() == [1, 2]
    array = np.ones(2)
    assert dtypes.operand(array) is array
    for bad in (1j, "a", np.array([None]), object()):
        with pytest.raises(DtypeError):
            dtypes.operand(bad)
    with pytest.raises((DtypeError, ShapeError)):
        dtypes.operand([[1], [1, 2]])


def test_to_array():
    assert isinstance(dtypes.to_array(1.0), np.float64) and dtypes.to_array([1.0]).flags.owndata
    f = np.asfortranarray(np.ones((2, 3)))
    assert dtypes.to_array(f).flags.c_contiguous


@pytest.mark.parametrize("data", [(k for k in range(3)), map(float, "12"), {1, 2}, {"a": 1}.values()])
def test_what_can_be_listed_says_so(data):
    with pytest.raises(DtypeError, match=r"Make a list of it: list\("):
        mt.tensor(data)
