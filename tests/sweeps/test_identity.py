"""Which functions count as the same, so that their results may stand for each other."""

from __future__ import annotations

import functools
import threading

import pytest

import microtrain as mt
from microtrain.sweeps.identity import identity

RATE = 1.0
TABLE = {"a": [1, 2]}


def helper(x):
    return x * RATE


def outer(lr):
    return [helper(x) for x in TABLE["a"]]


def times(k):
    return lambda lr: lr * k


class Callable:
    def __init__(self, k):
        self.k = k

    def __call__(self, lr):
        return lr * self.k


def defined(source):
    """A function of a text, as one types it into an interpreter."""
    namespace = {"__name__": "typed"}
    exec(source, namespace)
    return namespace["f"]


def test_the_same():
    assert identity(outer) == identity(outer) and identity(times(2)) == identity(times(2))
    assert identity(Callable(3)) == identity(Callable(3))
    assert identity(functools.partial(helper, 1)) == identity(functools.partial(helper, 1))
    assert identity(defined("def f(a): return a")) == identity(defined("def f(a): return a"))


def test_what_it_uses(monkeypatch):
    before = identity(outer)
    monkeypatch.setattr("tests.sweeps.test_identity.RATE", 2.0)  # used by a function that it uses
    changed = identity(outer)
    monkeypatch.setitem(TABLE, "a", [1, 3])
    assert len({before, changed, identity(outer)}) == 3


@pytest.mark.parametrize(
    "one, other",
    [
        (times(1), times(2)),
        (times(1), times(1.0)),
        (times(mt.zeros(500)), times(mt.cat([mt.zeros(499), mt.ones(1)]))),
        (Callable(1), Callable(2)),
        (Callable(1).__call__, Callable(2).__call__),
        (functools.partial(helper, 1), functools.partial(helper, 2)),
        (functools.partial(helper, x=1), functools.partial(outer, x=1)),
        (defined("def f(a): return a + 1"), defined("def f(a): return a + 2")),
        (defined("def f(a): return [x + 1 for x in a]"), defined("def f(a): return [x + 2 for x in a]")),
        (defined("def f(a, b=1): return a"), defined("def f(a, b=2): return a")),
        (defined("c = 1\ndef f(a): return a + c"), defined("c = 2\ndef f(a): return a + c")),
        (times([{"a": mt.nn.Linear(1, 1)}]), times([{"a": mt.nn.Linear(1, 1)}])),
        (times([threading.Lock()]), times([threading.Lock()])),
    ],
)
def test_different(one, other):
    assert identity(one) != identity(other)


def test_what_contains_itself():
    circle = []
    circle.append(circle)
    assert identity(times(circle))

    def recursive(n):
        return recursive(n - 1) if n else 0

    assert identity(recursive) == identity(recursive)
