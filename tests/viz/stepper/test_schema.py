"""The format: what is made follows it, and what is damaged is refused with the place of the damage."""

import copy
import json
import math
import re

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import DataFileError
from microtrain.viz.stepper import Trace, schema
from microtrain.viz.stepper.values import Table, array, corner, number, plain, stored

from . import programs


@pytest.fixture(scope="module")
def data():
    return json.loads(mt.trace(programs.network).json())


@pytest.mark.parametrize("program", programs.RUN)
def test_what_is_made_follows_it(program):
    schema.check(json.loads(mt.trace(program).json()))


def test_every_field_is_documented():
    told = schema.__doc__
    for program in programs.RUN:
        data = mt.trace(program).data
        fields = set(data)
        for table in ("nodes", "edges", "steps", "values"):
            for row in data[table]:
                fields |= set(row)
        for step in data["steps"]:
            fields |= set(step.get("update", ()))
        assert not [name for name in fields if not re.search(rf"\b{name}\b", told)]


DAMAGE = {
    "format": lambda d: d.update(format="other"),
    "version": lambda d: d.update(version=2),
    "steps should": lambda d: d.update(steps=None),
    r"values\[0\] has": lambda d: d["values"][0]["data"].append(1),
    "called n0": lambda d: d["nodes"].append(copy.deepcopy(d["nodes"][0])),
    "do not come before": lambda d: d["nodes"][0].update(inputs=["n9"]),
    "no node": lambda d: d["edges"][0].update(to="n99"),
    "phase 'sideways'": lambda d: d["steps"][0].update(phase="sideways"),
    "lacks": lambda d: d["steps"][-1].pop("new"),
    "does not exist": lambda d: d["steps"][0].update(node="n99"),
    "edge that": lambda d: d["steps"][8].update(edge="e99"),
    "place in values": lambda d: d["steps"][0].update(value=10**6),
    "place in math": lambda d: d["steps"][0].update(value_math=-1),
    "id '<script>'": lambda d: d["nodes"][0].update(id="<script>"),
    "kind '\"'": lambda d: d["nodes"][0].update(kind='"'),
    r"edges\[0\] has the id": lambda d: d["edges"][0].update(id="x"),
    "no numbers": lambda d: d["values"][0]["data"].__setitem__(0, "alert(1)"),
    "the shape": lambda d: d["values"][0].update(shape=["a"]),
    "damaged term": lambda d: d["steps"][-1]["update"]["lines"][0]["terms"].append(3),
    "settings has": lambda d: d["steps"][-1]["update"]["settings"].update(lr="x"),
    "update.gradient": lambda d: d["steps"][-1]["update"].update(gradient=-1),
    "walk should": lambda d: d["steps"][-8].update(walk="x"),
    "no texts": lambda d: d["math"].append(3),
    r"nodes\[0\] is no object": lambda d: d["nodes"].__setitem__(0, 3),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_damage_is_named(data, message):
    damaged = copy.deepcopy(data)
    DAMAGE[message](damaged)
    with pytest.raises(DataFileError, match=message):
        Trace(damaged)


@pytest.mark.parametrize("thing", [None, [], "text", 3, {}])
def test_what_is_no_trace(thing):
    with pytest.raises(DataFileError, match="not a trace"):
        Trace(thing)


def test_numbers_keep_all_their_digits():
    for x in (0.1, -0.0, 5e-324, 1.7976931348623157e308, math.pi, np.float32(0.1).item()):
        assert json.loads(json.dumps(number(x))) == x
    for x in (float("nan"), math.inf, -math.inf, 2**62, -(2**62)):
        text = json.dumps(number(x), allow_nan=False)
        assert repr(plain(json.loads(text))) == repr(x)
    assert number(True) is True
    half = np.array([1.0, 65504.0, 6e-8], np.float16)
    assert array(json.loads(json.dumps(stored(half)))).tobytes() == half.tobytes()


def test_large_arrays_are_cut():
    x = np.arange(3 * 20 * 30.0).reshape(3, 20, 30)
    row = stored(x)
    assert row["window"] == [1, 6, 6] and len(row["data"]) == 36
    assert (row["mean"], row["min"], row["max"]) == (x.mean(), 0.0, x.max())
    np.testing.assert_array_equal(array(row), x[:1, :6, :6])
    assert corner((256,)) is None and corner((257,)) == (12,) and corner(()) is None and corner((0, 500)) is None
    assert stored(np.array([True] * 300))["max"] is True
    assert stored(np.full(300, np.nan))["mean"] == "NaN"


def test_equal_arrays_are_stored_once():
    table = Table()
    assert table.add(np.ones(3)) == table.add(np.ones(3)) == 0
    assert table.add(np.ones(3, np.float32)) == 1  # another dtype is another array
    assert table.add(np.array(0.0)) != table.add(np.array(-0.0))
    assert table.add(None) is None
