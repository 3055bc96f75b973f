"""Results beside a run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import microtrain as mt
from microtrain.optim.line_search import LineSearch
from microtrain.train import keep, kept

SEARCH = LineSearch("golden section", 0.25, 1.5, True, [(0.0, 2.0), (0.25, 1.5)], [(0.0, 0.1, 0.4, 1.0)])


def test_a_result_comes_back(tmp_path):
    assert kept(tmp_path) == {}
    keep(tmp_path, "search", SEARCH)
    keep(tmp_path, "another", SEARCH)
    assert kept(tmp_path) == {"search": SEARCH, "another": SEARCH}
    assert kept(tmp_path)["search"].plot().get_title() == "golden section"


def test_what_is_no_result(tmp_path):
    @dataclass
    class Mine:
        x: int

    for odd in (Mine(1), 3, LineSearch, {"a": 1}):
        with pytest.raises(mt.MicrotrainError, match=r"keep\(\) takes"):
            keep(tmp_path, "x", odd)
    for name in ("../x", "", "a/b", ".x", "x" * 101, "a.b"):
        with pytest.raises(mt.MicrotrainError, match="name of a result"):
            keep(tmp_path, name, SEARCH)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "content",
    [
        {"class": "Popen", "fields": {"args": "true"}},
        {"class": "LineSearch", "fields": {"method": "x"}},
        {"class": "LineSearch", "fields": {"nope": 1}},
        {"class": ["LineSearch"], "fields": {}},
        {"class": "LineSearch", "fields": 3},
    ],
)
def test_hostile_results(tmp_path, content):
    (tmp_path / "results").mkdir()
    mt.save(content, tmp_path / "results" / "x.safetensors")
    with pytest.raises(mt.MicrotrainError, match="not a result"):
        kept(tmp_path)


def test_damaged_results(tmp_path):
    path = keep(tmp_path, "x", SEARCH)
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    with pytest.raises(mt.MicrotrainError):
        kept(tmp_path)
