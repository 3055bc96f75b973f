"""Large graphs: what is folded, and that nothing recurses or takes long."""

import random
import time

import pytest
from hypothesis import given, settings, strategies as st

import microtrain as mt
from microtrain.viz.graph.fold import fold, repetitions
from microtrain.viz.graph.modules import call_tree


def chain(count: int) -> mt.Tensor:
    a = mt.tensor(1.0001, requires_grad=True).named("a")
    y = a
    for _ in range(count):
        y = y * a
    return y


@given(st.lists(st.integers(0, 3), max_size=120), st.integers(2, 40))
def test_stretches_cover_everything_once_and_keep_to_the_limit(signatures, limit):
    leaves = [[("own", i), ("shared", i % 3)] for i in range(len(signatures))]
    root = call_tree(len(signatures), lambda i: None, signatures)
    stretches = fold(root, signatures, leaves.__getitem__, limit, None, None)
    assert [i for s in stretches for i in range(s.start, s.stop)] == list(range(len(signatures)))
    shown = {leaf for s in stretches if s.alone for leaf in leaves[s.start]}
    if signatures:
        assert len(stretches) + len(shown) <= max(limit, 6)  # two operations and their leaves are always drawn
        assert stretches[-1].alone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abcabcabcabcabc", [(0, 3, 5)]),
        ("xaaaaaaaaaaay", [(1, 1, 11)]),
        ("aabaabaabaabaab", [(0, 3, 5)]),
        ("abcabcabc", []),
        ("aaaa", []),
        ("", []),
        ("aaaaaaaaaabbbbbbbbbb", [(0, 1, 10), (10, 1, 10)]),
        ("zababababababababz", [(1, 2, 8)]),
    ],
)
def test_repetitions(text, expected):
    assert repetitions(text) == expected


def test_up_to_the_limit_nothing_is_folded():
    graph = mt.graph(chain(399))
    assert (len(graph.nodes), graph.caption) == (400, "")
    graph = mt.graph(chain(400))
    assert "folded" in graph.caption


def test_a_hundred_thousand_operations():
    y = chain(100_000)
    start = time.perf_counter()
    graph = mt.graph(y)
    text, dot = str(graph), graph.dot
    assert time.perf_counter() - start < 30
    assert [(node.kind, node.count) for node in graph.nodes] == [
        ("parameter", 1), ("operation", 1), ("folded", 99_998), ("operation", 1)
    ]  # fmt: skip
    assert graph.caption == "99,998 of 100,000 operations are folded into one box."
    for shown in (text, dot):
        assert "99,998" in shown
        assert graph.caption in shown
    assert {(e.source, e.target) for e in graph.edges} == {
        ("n0", "n1"), ("n0", "n2"), ("n1", "n2"), ("n0", "n3"), ("n2", "n3")
    }  # fmt: skip


def test_without_repetitions_the_nearest_are_kept():
    w = mt.tensor(0.5, requires_grad=True).named("w")
    y = w
    functions = [lambda y: y.sin(), lambda y: y * w, lambda y: y + 1, lambda y: y.exp(), lambda y: y.tanh()]
    choose = random.Random(3)
    for _ in range(300):
        y = choose.choice(functions)(y)
    graph = mt.graph(y, limit=50)
    assert 40 <= len(graph.nodes) <= 50
    (folded,) = [node for node in graph.nodes if node.kind == "folded"]
    shown = [node for node in graph.nodes if node.kind == "operation"]
    assert folded.count + len(shown) == 300
    assert shown[-1].output
    assert f"{folded.count} more operations" in str(graph)
    everything = [node.operation for node in mt.graph(y, limit=1000).nodes if node.kind == "operation"]
    assert everything[-len(shown) :] == [node.operation for node in shown]


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_a_folded_graph_has_no_cycles(data):
    tensors = [mt.tensor(0.5, requires_grad=True)]
    for _ in range(60):
        a = data.draw(st.integers(max(0, len(tensors) - 6), len(tensors) - 1))
        b = data.draw(st.integers(0, len(tensors) - 1))
        tensors.append(tensors[a] + tensors[b])
    graph = mt.graph(tensors[-1], limit=data.draw(st.integers(2, 30)))
    place = {node.key: i for i, node in enumerate(graph.nodes)}
    assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
    assert len({node.key for node in graph.nodes}) == len(graph.nodes)
    assert len(str(graph).splitlines()) < 200


def test_a_deep_tree_does_not_walk_off_to_the_right():
    y = mt.tensor(1.0, requires_grad=True)
    for _ in range(200):
        y = y.sin()
    lines = str(mt.graph(y)).splitlines()
    assert max(map(len, lines)) < 150
    assert sum("continued below" in line for line in lines) == 200 // 16
    assert len([line for line in lines if "= sin" in line or " sin  ()" in line]) >= 200


def test_each_box_is_in_the_tree_once():
    x = mt.tensor(1.0, requires_grad=True)
    for _ in range(30):
        x = x + x * x.exp()
    graph = mt.graph(x)
    starts = [line.lstrip("|' -").split()[0] for line in str(graph).splitlines() if "value" in line]
    assert sorted(starts) == sorted(node.key for node in graph.nodes)


def test_far_arrows_from_one_box_become_stubs():
    graph = mt.graph(chain(100))
    assert len(graph.edges) == 200  # the data has them all
    assert graph.dot.count("shape=ellipse") > 80
    assert "shape=ellipse" not in mt.graph(chain(5)).dot
