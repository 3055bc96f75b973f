"""Writing in place, through views and past them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.errors import CompileError

from .twins import apart, same_as_eager

pytestmark = pytest.mark.wide  # each compiles a step


def on_a_matrix(body: Callable[[Any], Any], tracked: bool = False) -> Callable[[], Any]:
    def build() -> Any:
        x = mt.tensor(np.random.default_rng(0).normal(size=(4, 6)), requires_grad=tracked)
        return lambda: body(x), [x.detach() if not tracked else x], lambda k: ()

    return build


def a_row(x: Any) -> Any:
    x[1].mul_(0.9)
    return x.sum()


def views_that_were_taken_before(x: Any) -> Any:
    row, turned = x[1], x.T
    x[:, 2].add_(1)
    row.mul_(0.5)
    return turned.sum() + row.sum() + x[0].sum()


def views_of_views_of_a_result(x: Any) -> Any:
    y = x * 1.0
    some = y[1:3]
    one = some[0]
    one.mul_(2.0)
    y.add_(1)
    some.sub_(0.5)
    x.mul_(0.99)
    return y.sum() + one.sum()


def a_square_part_turned(x: Any) -> Any:
    x[:4, :4].T.mul_(mt.arange(4.0) / 3)
    return x.tanh().sum()


def detached_parts(x: Any) -> Any:
    seen = x[1].detach()
    x.mul_(0.9)
    return seen.sum()


def masks(x: Any) -> Any:
    x[x > 1] = 0.5
    x.masked_fill_(x < -1, 1.0)
    return x.sum()


def with_gradients(x: Any) -> Any:
    with mt.no_grad():
        x[0].mul_(0.9)
    y = x * 2
    y[1].mul_(3)
    loss = (y.tanh() * x).sum()
    loss.backward()
    with mt.no_grad():
        x.sub_(0.01 * x.grad)
        x.grad[0].zero_()
        x.grad.mul_(0.5)
    return loss


@pytest.mark.parametrize(
    "body",
    [
        a_row, views_that_were_taken_before, views_of_views_of_a_result, a_square_part_turned, detached_parts, masks,
        with_gradients,
    ],
)  # fmt: skip
def test_parts(body: Any) -> None:
    assert apart(on_a_matrix(body, body is with_gradients), 10) < 1e-13


@pytest.mark.parametrize("kind", ["turned", "turned back", "written", "a row", "refused", "an argument"])
def test_shapes_that_are_changed_in_place(kind: str) -> None:
    outside = mt.ones(3, 3)

    def step(x: Any) -> Any:
        y = x * 2
        if kind == "turned":
            y.t_()
        elif kind == "turned back":
            y.transpose_(0, 1).unsqueeze_(0).squeeze_(0).swapaxes_(0, 1)
        elif kind == "written":
            y.t_().mul_(mt.arange(3.0))
        elif kind == "a row":
            y[0].unsqueeze_(1).add_(1.0)
        else:
            (x if kind == "an argument" else outside).t_()
        return y * mt.arange(3.0) + outside, y.sum(0)

    compiled, rng = mt.compile(step), np.random.default_rng(1)
    if kind in ("refused", "an argument"):
        with pytest.raises(CompileError, match=r"'t_' changes the shape[\s\S]*x = x\.t\("):
            compiled(mt.ones(3, 3))
        return
    for _ in range(4):
        x = mt.tensor(rng.normal(size=(3, 3)))
        for found, wanted in zip(compiled(x), step(x), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-14)
    assert "1 native" in repr(compiled)


def unsqueezed_and_back(y: Any) -> Any:
    return y.unsqueeze_(0).squeeze_(0)


def turned_unsqueezed_and_back(y: Any) -> Any:
    return y.t_().unsqueeze_(0).squeeze_(0)


def a_view_of_a_view(y: Any) -> Any:
    return y.view(1, 9)[0]


@pytest.mark.parametrize("view", [unsqueezed_and_back, turned_unsqueezed_and_back, a_view_of_a_view])
def test_views_in_the_graph_are_written_twice(view: Callable[[Any], Any]) -> None:
    """The second write meets what the view was taken from, which the first one has changed."""

    def step(x: Any) -> Any:
        x = x.clone().requires_grad_()
        y = x * 2
        z = view(y)
        z.abs_().add_(0.1).mul_(z.detach() + 1)
        loss = (y * x).sum() + z.sum()
        loss.backward()
        return loss.detach(), y.detach().clone(), x.grad.clone()

    same_as_eager(step, (3, 3), seed=1, rtol=1e-13)


def test_views_from_before_the_step() -> None:
    def build() -> Any:
        x = mt.tensor(np.arange(12.0).reshape(3, 4))
        row, turned = x[1], x.T

        def step() -> Any:
            row.mul_(0.9)
            turned[0].add_(1.0)
            return x.sum() + row.sum() + turned.sum()

        return step, [x, row, turned], lambda k: ()

    assert apart(build, 10) < 1e-13


def test_rows_of_a_parameter() -> None:
    def build() -> Any:
        model, x = nn.Linear(3, 3), mt.tensor(np.random.default_rng(0).normal(size=(5, 3)))
        o = optim.SGD(model.parameters(), lr=0.1)

        def step() -> Any:
            o.zero_grad()
            before = model.weight[0]
            loss = model(x).square().mean()
            loss.backward()
            o.step()
            with mt.no_grad():
                model.weight[1].mul_(0.99)
                model.weight.div_(model.weight.norm())
            return loss + before.sum().detach() + model.weight[2].sum().detach()

        return step, list(model.parameters()), lambda k: ()

    assert apart(build, 10) < 1e-13


def test_an_argument_is_written() -> None:
    y = mt.ones(3, 4)

    @mt.compile
    def step(row: Any) -> Any:
        row.mul_(0.5)
        return row.sum()

    assert [step(y[k % 3]).item() for k in range(6)] == [2, 2, 2, 1, 1, 1]
    assert np.array_equal(y, np.full((3, 4), 0.25))


def test_a_mask_from_outside_may_not_change_its_count() -> None:
    mask, x = mt.tensor([True, False, True]), mt.arange(3.0)

    @mt.compile
    def step() -> Any:
        return x[mask].sum()

    assert [step().item() for _ in range(4)] == [2.0] * 4
    mask[1] = True
    with pytest.raises(mt.errors.CompileError, match=r"'index' failed.*shape \(3,\)"):
        step()


@pytest.mark.parametrize(
    "step",
    [
        lambda x: sum_in_place(mt.zeros(()), x.sum(), x[0] * 2),
        lambda x: sum_in_place(mt.zeros(2), x, x * x),
        lambda x: sum_in_place(mt.zeros_like(x), x),
        lambda x: sum_in_place(mt.tensor(np.ones(2)), x) * mt.ones(2),
        lambda x: scaled_in_place(mt.full((2,), 3.0), x),
    ],
    ids=["a number", "twice", "like an argument", "of NumPy's", "read before it is written"],
)
def test_a_constant_made_in_the_step_is_written_in_place(step: Any) -> None:
    compiled = mt.compile(step)
    for k in range(6):
        x = mt.tensor([1.0 + k, 2.0])
        np.testing.assert_allclose(compiled(x).numpy(), step(x).numpy(), rtol=1e-14)


def sum_in_place(total: Any, *parts: Any) -> Any:
    for part in parts:
        total += part
    return total * 2


def scaled_in_place(s: Any, x: Any) -> Any:
    y = s * x
    s *= x
    return y + s


def test_a_gradient_through_a_constant_written_in_place() -> None:
    w = mt.tensor([0.5, -1.0], requires_grad=True)

    def step(x: Any) -> Any:
        h = mt.zeros(2)
        h += x * w
        h *= 2
        w.grad = None
        (h * h).sum().backward()
        return w.grad

    compiled = mt.compile(step)
    for k in range(5):
        x = mt.tensor([1.0 + k, 2.0])
        found = compiled(x).numpy().copy()
        np.testing.assert_allclose(found, step(x).numpy(), rtol=1e-14)


def of_arguments(body: Callable[[Any], Any], steps: int = 5) -> None:
    """The step works on other tensors each time; it is held to what the same does eagerly."""
    compiled = mt.compile(body)
    for k in range(steps):
        x = mt.arange(6.0).reshape(2, 3) + k
        twin = x.clone()
        y, z = compiled(x), body(twin)
        for ours, theirs in zip(*((r if isinstance(r, tuple) else (r,)) for r in (y, z)), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-14)
        np.testing.assert_allclose(x.numpy(), twin.numpy(), rtol=1e-14)
    assert sum(v.calls for form in compiled._forms.values() for v, _ in form.variants) == steps - 2


def written(x: Any, view: Callable[[Any], Any]) -> Any:
    view(x).mul_(2)
    return x.sum()


@pytest.mark.parametrize(
    "view",
    [lambda x: x[0], lambda x: x.T, lambda x: x.view(-1)[1:3], lambda x: x[:, 1:][0], lambda x: x.reshape(-1), lambda x: x],
)  # fmt: skip
def test_views_of_arguments_are_written(view: Callable[[Any], Any]) -> None:
    of_arguments(lambda x: written(x, view))


def made(x: Any, how: Callable[[Any, Any], Any], size: Any = (2, 3)) -> Any:
    z = mt.zeros(size)
    how(z, x)
    return z


@pytest.mark.parametrize(
    "how",
    [
        lambda z, x: z.add_(x), lambda z, x: z.copy_(x), lambda z, x: z.__setitem__(0, x[1]), lambda z, x: z.fill_(2.0),
        lambda z, x: None, lambda z, x: z.add_(x).mul_(2), lambda z, x: z.T.add_(x.T),
    ],
)  # fmt: skip
def test_what_is_made_in_the_step_may_be_written_and_returned(how: Callable[[Any, Any], Any]) -> None:
    of_arguments(lambda x: made(x, how))
    of_arguments(lambda x: (made(x, how), x.sum(), made(x, how)))


def test_what_is_returned_twice_is_one_tensor() -> None:
    def step(x: Any) -> Any:
        z = made(x, lambda z, x: z.add_(x))
        return {"a": [z, z], "b": z}

    compiled = mt.compile(step)
    for k in range(4):
        found = compiled(mt.ones(2, 3) * k)
        assert found["b"].tolist() == [[k] * 3] * 2 and found["a"][0].tolist() == found["a"][1].tolist()


def test_what_is_outside_stays_there_when_it_is_returned() -> None:
    total, kept = mt.zeros(3), {"total": mt.zeros(3)}

    def step(x: Any) -> Any:
        total.add_(x)
        kept["total"].add_(x)
        return total, [kept["total"]]

    compiled = mt.compile(step)
    for k in range(1, 6):
        one, (other,) = compiled(mt.ones(3))
        assert one.tolist() == other.tolist() == total.tolist() == kept["total"].tolist() == [k] * 3


def test_what_the_step_keeps_is_still_refused() -> None:
    kept = {}

    def step(x: Any) -> Any:
        kept["z"] = made(x, lambda z, x: z.add_(x))
        return kept["z"]

    compiled = mt.compile(step)
    with pytest.raises(mt.errors.CompileError):
        for _ in range(8):
            compiled(mt.ones(2, 3))


@pytest.mark.parametrize("fresh", [True, False])
def test_gradients_that_somebody_looks_at(fresh: bool) -> None:
    def program(compiled: bool) -> list[Any]:
        w = mt.ones(3, requires_grad=True)
        optimizer = mt.optim.SGD([w], lr=0.1)

        def step() -> Any:
            if fresh:
                optimizer.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            optimizer.step()
            return loss

        run, seen = mt.compile(step) if compiled else step, []
        for _ in range(5):
            run()
            seen += [w.grad.detach(), w.grad[:1]]
        return [x.tolist() for x in seen]

    assert program(True) == program(False)


def test_a_graph_that_keeps_a_gradient_hears_of_the_next_step() -> None:
    w, factor = (mt.ones(3, requires_grad=True) for _ in range(2))
    optimizer = mt.optim.SGD([w], lr=0.1)

    def step() -> Any:
        loss = (w * w).sum()
        loss.backward()  # adds to the gradient that is there
        optimizer.step()
        return loss

    run = mt.compile(step)
    for _ in range(3):
        run()
    penalty = (w.grad * factor).sum()
    run()
    with pytest.raises(mt.MicrotrainError, match="overwrote"):
        penalty.backward()


@pytest.mark.parametrize(
    "part",
    [
        lambda h: h[0], lambda h: h.T, lambda h: h.reshape(-1)[1:], lambda h: h.repeat(2, 1), lambda h: h.split(1)[1],
        lambda h: h.expand(4, 2, 3),
    ],
    ids="row turned rest repeated split expanded".split(),
)  # fmt: skip
def test_a_part_of_what_is_made_is_returned(part: Any) -> None:
    x = mt.randn(2, 3)
    compiled = mt.compile(lambda x: (part(x * 2), (x * 2).sum()))
    for _ in range(4):
        assert compiled(x)[0].tolist() == part(x * 2).tolist()
    assert "1 native" in repr(compiled)
