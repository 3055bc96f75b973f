"""What a step refers to may change: the compiled step notices."""

from __future__ import annotations

import collections
import contextvars
import enum
import operator
import os
import types
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import F, optim
from microtrain.compiler.guards import Guards
from microtrain.errors import CompileError, InplaceError

from ..wide import mostly_wide

settings = types.ModuleType("settings")
settings.scale = 2.0  # type: ignore[attr-defined]
data = mt.ones(3)
values = [1.0, mt.tensor(2.0)]


class Options:
    shift = 1.0


class Trainer:
    offset = 0.5

    def __init__(self) -> None:
        self.w = mt.ones(3, requires_grad=True)
        self.optimizer = optim.SGD([self.w], lr=0.0)
        self.history: list[float] = []
        self.calls, self.weight, self.last = 0, 1.0, None
        self.data, self.weights = mt.ones(3), [1.0]
        self.run = mt.compile(self.step)

    def helper(self, loss: Any) -> Any:
        return loss * self.weight * self.weights[0] + values[0] * values[1]

    def step(self) -> Any:
        self.optimizer.zero_grad()
        loss = self.helper((self.w * self.data * data).sum()) * settings.scale + Options.shift + self.offset
        loss.backward()
        self.optimizer.step()
        return loss

    def runs(self) -> list[float]:
        for _ in range(4):
            self.last = self.run()  # neither this nor what follows is read by the step
            self.calls += 1
            self.history.append(self.last.item())
        return self.history[-4:]


def native(compiled: Any) -> int:
    return sum(variant.calls for form in compiled._forms.values() for variant, _ in form.variants)


CHANGES: dict[str, Any] = {
    "attribute": lambda t: setattr(t, "weight", 3.0),
    "tensor": lambda t: setattr(t, "data", mt.full((3,), 5.0)),
    "element": lambda t: t.weights.__setitem__(0, 7.0),
    "module": lambda t: setattr(settings, "scale", settings.scale + 1),
    "class": lambda t: setattr(Options, "shift", Options.shift + 1),
    "method_class": lambda t: setattr(Trainer, "offset", Trainer.offset + 1),
    "number_in_list": lambda t: values.__setitem__(0, values[0] + 1),
    "tensor_in_list": lambda t: values.__setitem__(1, values[1] + 1),
    "global": lambda t: globals().__setitem__("data", data + 1),
    "function": lambda t: setattr(t, "helper", lambda loss: loss * 11),
}


@pytest.mark.parametrize("change", mostly_wide(CHANGES, but={"module", "tensor_in_list", "function"}))
def test_changes(change: str) -> None:
    trainer = Trainer()
    assert trainer.runs() == [trainer.step().item()] * 4 and native(trainer.run) == 2
    CHANGES[change](trainer)
    assert trainer.runs() == [trainer.step().item()] * 4
    assert trainer.runs() == [trainer.step().item()] * 4  # and it goes on in machine code


class Slots:
    __slots__ = ("a",)

    def __init__(self, a: float) -> None:
        self.a = a


class Called:
    def __init__(self, a: float) -> None:
        self.a, self._items = a, [a]

    def __call__(self) -> float:
        return self.a

    def __getitem__(self, k: int) -> float:
        return self._items[k]

    @property
    def first(self) -> float:
        return self._items[0]

    @staticmethod
    def outside() -> float:
        return values[0]  # type: ignore[return-value]


class Scaled(mt.nn.Module):
    kind = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.sizes, self.inner = [2.0], [mt.nn.LeakyReLU(0.1)]

    def helper(self, x: Any) -> Any:
        return x * values[0]

    def forward(self, x: Any) -> Any:
        return self.helper(x) * self.kind * self.sizes[0] + self.inner[0](-x)


class Box:
    def __init__(self, x: Any) -> None:
        self.x = x


# What the step refers to, how it uses it, and a change of it.
PLACES: dict[str, tuple[Any, Any, Any]] = {
    "NumPy's number": (lambda: Box(np.float32(2)), lambda b: b.x, lambda b: setattr(b, "x", np.float32(3))),
    "another list": (lambda: Box([2.0]), lambda b: b.x[0], lambda b: setattr(b, "x", [3.0])),
    "another tuple": (lambda: Box((2.0,)), lambda b: b.x[0], lambda b: setattr(b, "x", (3.0,))),
    "another dict": (lambda: Box({"a": 2.0}), lambda b: b.x["a"], lambda b: setattr(b, "x", {"a": 3.0})),
    "another object": (lambda: Box(Slots(2.0)), lambda b: b.x.a, lambda b: setattr(b, "x", Slots(3.0))),
    "another range": (lambda: Box(range(2)), lambda b: len(b.x), lambda b: setattr(b, "x", range(3))),
    "list in a list": (lambda: [[2.0]], lambda b: b[0][0], lambda b: b.__setitem__(0, [3.0])),
    "a long list": (lambda: [2.0] * 200, lambda b: b[150], lambda b: b.__setitem__(150, 3.0)),
    "a whole number as key": (lambda: {1: 2.0}, lambda b: b[1], lambda b: b.__setitem__(1, 3.0)),
    "a set": (lambda: {1, 2}, lambda b: len(b), lambda b: b.add(3)),
    "a queue": (lambda: collections.deque([2.0]), lambda b: b[0], lambda b: b.__setitem__(0, 3.0)),
    "slots": (lambda: Slots(2.0), lambda b: b.a, lambda b: setattr(b, "a", 3.0)),
    "array, element": (lambda: np.ones(2), lambda b: float(b[0]), lambda b: b.fill(3.0)),
    "array, sum": (lambda: np.ones(2), lambda b: b.sum(), lambda b: b.fill(3.0)),
    "array, tensor": (lambda: np.ones(2), lambda b: mt.tensor(b), lambda b: b.fill(3.0)),
    "array, part": (lambda: np.ones(4), lambda b: b[:2], lambda b: b.fill(3.0)),
    "called object": (lambda: Called(2.0), lambda b: b(), lambda b: setattr(b, "a", 3.0)),
    "indexed object": (lambda: Called(2.0), lambda b: b[0], lambda b: b._items.__setitem__(0, 3.0)),
    "property": (lambda: Called(2.0), lambda b: b.first, lambda b: setattr(b, "_items", [3.0])),
    "static method": (lambda: Called(2.0), lambda b: b.outside(), lambda b: values.__setitem__(0, values[0] + 1)),
    "class of a module": (Scaled, lambda b: b(mt.ones(2)), lambda b: setattr(Scaled, "kind", Scaled.kind + 1)),
    "list of a module": (Scaled, lambda b: b(mt.ones(2)), lambda b: setattr(b, "sizes", [5.0])),
    "method of a module": (Scaled, lambda b: b(mt.ones(2)), lambda b: values.__setitem__(0, values[0] + 1)),
    "module in its list": (
        Scaled, lambda b: b(mt.ones(2)), lambda b: setattr(b.inner[0], "negative_slope", 0.7)
    ),
    "hasattr": (lambda: Box(0), lambda b: 2.0 + hasattr(b, "y"), lambda b: setattr(b, "y", 0)),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_other_places(place: str) -> None:
    make, use, change = PLACES[place]
    thing = make()

    @mt.compile
    def step(x: Any) -> Any:
        return x * use(thing)

    x = mt.tensor([1.0, 2.0])
    for _ in range(2):
        for _ in range(4):
            assert step(x).tolist() == step.step(x).tolist()
        assert native(step)
        change(thing)


def test_defaults_and_code_of_functions() -> None:
    def scale(by: Any = [2.0]) -> Any:  # noqa: B006
        return by[0] * scale.more  # type: ignore[attr-defined]

    def otherwise(by: Any = [2.0]) -> Any:  # noqa: B006
        return by[0] * 100

    scale.more = 1.0  # type: ignore[attr-defined]
    step = mt.compile(lambda x: x * scale())
    for change in (
        lambda: scale.__defaults__[0].__setitem__(0, 3.0),  # type: ignore[index]
        lambda: setattr(scale, "__defaults__", ([4.0],)),
        lambda: setattr(scale, "more", 2.0),
        lambda: setattr(scale, "__code__", otherwise.__code__.replace(co_freevars=scale.__code__.co_freevars)),
    ):
        for _ in range(4):
            assert step(mt.ones(1)).item() == scale()
        change()
    assert step(mt.ones(1)).item() == scale() == 400


def test_equal_lists_and_arrays_that_operations_read_make_no_other_form() -> None:
    box, array = Box([1.0, 2.0]), np.ones(2)
    step = mt.compile(lambda x: x * box.x[1] * array)
    for k in range(8):
        box.x, array[0] = [1.0, 2.0], k
        assert step(mt.ones(2)).tolist() == [2.0 * k, 2.0]
    assert native(step) == 6


def test_what_the_step_does_not_read_may_change() -> None:
    trainer = Trainer()
    for _ in range(10):
        trainer.runs()
    assert native(trainer.run) == 38 and len(trainer.history) == 40


def test_a_list_that_the_step_reads_and_that_grows() -> None:
    seen: list[float] = []

    @mt.compile
    def step(x: Any) -> Any:
        return x * len(seen)

    with pytest.raises(CompileError, match="two runs of the step were not the same: in 'mul' 2 is now 3"):
        for k in range(6):
            assert step(mt.ones(2)).tolist() == [k, k]
            seen.append(0.0)


def test_a_parameter_is_replaced() -> None:
    model = mt.nn.Linear(2, 1)
    x = mt.ones(3, 2)

    @mt.compile
    def step() -> Any:
        with mt.no_grad():
            return model(x).sum()

    for value in (1.0, 2.0):
        model.weight = mt.nn.Parameter(mt.full((1, 2), value))
        for _ in range(4):
            assert np.isclose(step().item(), step.step().item(), rtol=1e-14)


def cubes(compiled: bool) -> tuple[Any, Any, Any]:
    """(w, Adam, a step that takes w**3 down)."""
    w = mt.ones(3, requires_grad=True)
    o = optim.Adam([w], lr=0.1)

    def step() -> Any:
        o.zero_grad()
        loss = (w * w * w).sum()
        loss.backward()
        o.step()
        return loss

    return w, o, mt.compile(step) if compiled else step


@pytest.mark.parametrize(
    "change",
    [
        lambda o, p: o.state.clear(),
        lambda o, p: o.state[p].__setitem__("exp_avg", mt.ones(3)),
        lambda o, p: o.state[p].__setitem__("step", 0),
        lambda o, p: o.state[p]["exp_avg"].zero_(),
    ],
    ids=["cleared", "replaced", "step", "written"],
)
def test_the_state_of_the_optimizer_is_changed(change: Any) -> None:
    found = []
    for compiled in (False, True):
        w, o, run = cubes(compiled)
        losses = [run().item() for _ in range(5)]
        change(o, w)
        found.append(losses + [run().item() for _ in range(8)])
    assert found[1] == pytest.approx(found[0], rel=1e-13)


class Own(optim.SGD):
    """An optimizer of the learner's."""


class OwnDecay(optim.lr_scheduler.ExponentialLR):
    """A scheduler of the learner's."""


def test_optimizers_and_schedulers_of_ones_own_may_count_steps() -> None:
    w = mt.ones(3, requires_grad=True)
    o = Own([w], lr=0.1)
    scheduler = OwnDecay(o, 0.9)

    @mt.compile
    def step() -> Any:
        o.zero_grad()
        loss = w.square().sum()
        loss.backward()
        o.step()
        scheduler.step()
        return loss

    value = 1.0
    for k in range(20):
        assert np.isclose(step().item(), 3 * value**2, rtol=1e-12)
        value *= 1 - 0.2 * 0.9**k
    assert native(step) == 18


def test_maximize_is_set() -> None:
    found = []
    for compiled in (False, True):
        _, o, run = cubes(compiled)
        losses = []
        for k in range(16):
            o.param_groups[0]["maximize"] = k >= 8
            losses.append(run().item())
        found.append(losses)
    assert found[1] == pytest.approx(found[0], rel=1e-13)


@pytest.mark.parametrize("first", [(0,), (0, 1, 2)], ids=["fewer", "more"])
def test_other_parameters_had_gradients_in_the_step_before(first: tuple[int, ...]) -> None:
    found = []
    for compiled in (False, True):
        w = [mt.full((3,), k + 1.0, requires_grad=True) for k in range(3)]
        o = optim.Adam(w, lr=0.1)

        def step(which: Any = (0, 1), w: Any = w, o: Any = o) -> Any:
            o.zero_grad()
            loss = sum((w[k] ** 2).sum() for k in which)
            loss.backward()
            o.step()
            return loss

        step(first)
        run = mt.compile(step) if compiled else step
        found.append([run().item() for _ in range(5)] + [p.sum().item() for p in w])
    assert found[1] == pytest.approx(found[0], rel=1e-13)


def test_a_step_that_begins_anew_notes_each_write_once() -> None:
    w = [mt.ones(2, requires_grad=True) for _ in range(3)]
    o = optim.SGD(w, lr=0.1)
    for which in (w, w[:2], w[1:], w):
        before = [p._memory.version if p._memory else 0 for p in w]
        o.zero_grad()
        sum((p**2).sum() for p in which).backward()
        o.step()
        assert [p._memory.version for p in w] == [
            v + any(p is q for q in which) for p, v in zip(w, before, strict=True)
        ]


def test_a_graph_notices_what_a_compiled_step_overwrites() -> None:
    w = mt.ones(3, requires_grad=True)
    o = optim.SGD([w], lr=0.1)

    def step() -> Any:
        o.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        o.step()
        return loss

    run = mt.compile(step)
    run()
    run()
    before = (w * w).sum()
    run()
    with pytest.raises(InplaceError, match="'SGD' overwrote it"):
        before.backward()
    (w * w).sum().backward()


@pytest.mark.parametrize(
    "view", [lambda x: x.T, lambda x: x[:, ::2], lambda x: x], ids=["turned", "every other", "whole"]
)
def test_an_argument_is_written_between_two_calls(view: Any) -> None:
    base = mt.ones(3, 4)
    x = view(base)

    @mt.compile
    def step(x: Any) -> Any:
        return (x * x).sum()

    for k in range(6):
        base.fill_(float(k))
        assert step(x).item() == x.numel() * k**2


class Settings:
    """Something of the learner's, in which numbers stand."""

    def __init__(self) -> None:
        self.scale, self.inner = 2.0, types.SimpleNamespace(scale=2.0)

    def twice(self) -> float:
        return 2.0


class OtherSettings(Settings):
    def twice(self) -> float:
        return 5.0


SETTINGS, SCALE, TABLE = Settings(), 2.0, np.full((600, 500), 2.0)
CURRENT: contextvars.ContextVar[float] = contextvars.ContextVar("current", default=2.0)
SCALE_OF = operator.attrgetter("inner.scale")
WAYS: dict[str, Any] = {
    "attrgetter": lambda: operator.attrgetter("scale")(SETTINGS),
    "an attrgetter from before": lambda: SCALE_OF(SETTINGS),
    "methodcaller": lambda: operator.methodcaller("twice")(SETTINGS),
    "a changed class": lambda: SETTINGS.twice(),
    "globals": lambda: globals()["SCALE"],
    "a context variable": lambda: CURRENT.get(),
    "the environment": lambda: float(os.environ["MICROTRAIN_TEST_SCALE"]),
    "the environment, by get": lambda: float(os.environ.get("MICROTRAIN_TEST_SCALE", "5")),
    "an array of more than a megabyte": lambda: float(TABLE.mean()),
    "the default dtype": lambda: mt.zeros(3).sum() + (2.0 if mt.get_default_dtype() == mt.float64 else 3.0),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_number_that_code_finds_in_a_roundabout_way_changes(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    number = WAYS[way]
    monkeypatch.setenv("MICROTRAIN_TEST_SCALE", "2.0")
    run = mt.compile(lambda x: (x * number()).sum())
    x = mt.ones(3, dtype=mt.float64)
    for _ in range(3):
        assert run(x).item() == 6
    before = CURRENT.set(3.0)
    monkeypatch.setenv("MICROTRAIN_TEST_SCALE", "3.0")
    monkeypatch.setattr(SETTINGS, "scale", 3.0)
    monkeypatch.setattr(SETTINGS.inner, "scale", 3.0)
    monkeypatch.setattr(SETTINGS, "__class__", OtherSettings)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    monkeypatch.setitem(globals(), "TABLE", TABLE)
    TABLE[:] = 3.0
    if way == "the default dtype":
        mt.set_default_dtype(mt.float32)
    try:
        assert run(x).item() == run.step(x).item() > 6
    finally:
        CURRENT.reset(before)
        TABLE[:] = 2.0
        mt.set_default_dtype(mt.float64)


def test_looking_at_a_dictionary_does_not_change_it() -> None:
    """A defaultdict would make what it is asked for; keys may be enumerations."""

    class Kind(enum.IntEnum):
        ONE = 1

    numbers = collections.defaultdict(lambda: 5.0, {"a": 2.0, Kind.ONE: 3.0})
    run = mt.compile(lambda x: (x * numbers["a"] * numbers[Kind.ONE]).sum())
    x = mt.ones(3)
    assert [run(x).item() for _ in range(4)] == [18.0] * 4
    assert "1 native" in repr(run)
    del numbers["a"]
    form = next(iter(run._forms.values()))
    assert not form.variants[0][0].holds() and "a" not in numbers
    assert run(x).item() == 45


class WithProperty:
    __slots__ = ("_scale", "looks")

    def __init__(self) -> None:
        self._scale, self.looks = 2.0, 0

    @property
    def scale(self) -> float:
        self.looks += 1
        return self._scale

    def twice(self) -> float:
        return 2 * self._scale


def test_the_methods_of_an_object_with_slots_are_no_places_and_its_properties_do_not_run() -> None:
    settings = WithProperty()
    run = mt.compile(lambda x: (x * settings.scale * settings.twice()).sum())
    x = mt.ones(3, dtype=mt.float64)
    assert [run(x).item() for _ in range(4)] == [24.0] * 4
    assert native(run) == 2 and settings.looks == 2
    settings._scale = 3.0
    assert run(x).item() == 54


decay = mt.elementwise("decay", lambda x, k: F.exp(-k * x))


def test_formulas_that_a_step_calls_are_no_places() -> None:
    """F itself says of each unknown attribute that there is no such function; operations are all in their rows."""
    w, inputs = mt.ones(3, requires_grad=True), mt.tensor([1.0, 2.0, 3.0])

    def step(x: Any) -> Any:
        w.grad = None
        loss = (F.tanh(x) * decay(w, x) + decay.sum(w, 0.5)).sum()
        loss.backward()
        return loss

    fast = mt.compile(step)
    for _ in range(4):
        assert np.allclose(fast(inputs).numpy(), step(inputs).detach().numpy())
    watched = {place.called for place in Guards(step).places}
    assert "decay" in watched and watched.isdisjoint(["row", "sum", "to_array"])
