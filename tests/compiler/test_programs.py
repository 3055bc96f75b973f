"""Steps of many kinds, as learners write them, eagerly and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.nn import functional as F

from ..wide import mostly_wide
from .twins import apart, same_as_eager

RNG = np.random.default_rng(0)
X, Y, LABELS = RNG.normal(size=(12, 4)), RNG.normal(size=(12, 3)), RNG.integers(0, 3, 12)
SEQUENCE = RNG.normal(size=(7, 2, 4))


def mlp() -> Any:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def of_model(body: Callable[..., Any]) -> Callable[[], Any]:
    """`body(model, optimizer, x, y)` as `build` for `apart`."""

    def build() -> Any:
        m = mlp()
        o = optim.SGD(m.parameters(), lr=0.05)
        x, y = mt.tensor(X), mt.tensor(Y)
        return lambda: body(m, o, x, y), list(m.parameters()), lambda k: ()

    build.__name__ = body.__name__
    return build


@of_model
def tied_weights(m: Any, o: Any, x: Any, y: Any) -> Any:
    o.zero_grad()
    h = (x @ m[0].weight.T + m[0].bias).tanh()
    loss = (h @ m[0].weight - x).square().mean()
    loss.backward()
    o.step()
    return loss


@of_model
def zero_grad_at_the_end(m: Any, o: Any, x: Any, y: Any) -> Any:
    loss = F.mse_loss(m(x), y)
    loss.backward()
    o.step()
    o.zero_grad()
    return loss


@of_model
def gradient_penalty(m: Any, o: Any, x: Any, y: Any) -> Any:
    o.zero_grad()
    leaf = x.clone().requires_grad_()
    (slope,) = mt.grad(m(leaf).sum(), leaf, create_graph=True)
    loss = (slope.norm(dim=1) - 1).square().mean() + F.mse_loss(m(leaf), y)
    loss.backward()
    o.step()
    return loss


@of_model
def slopes_of_a_layer_with_corners(m: Any, o: Any, x: Any, y: Any) -> Any:
    """The loss depends on the leaf by the side of the corner that it is on, so its graph is not gone after backward."""
    o.zero_grad()
    leaf = (2 * x).requires_grad_()
    (slope,) = mt.grad(m[2](F.relu(m[0](leaf))).sum(), leaf, create_graph=True)
    loss = (slope.norm(dim=1) - 1).square().mean()
    loss.backward()
    o.step()
    return loss


@of_model
def slopes_of_what_was_written_over(m: Any, o: Any, x: Any, y: Any) -> Any:
    o.zero_grad()
    leaf = x.clone().requires_grad_()
    h = F.leaky_relu(m[0](leaf), 0.2, inplace=True)
    h.mul_(h)
    (slope,) = mt.grad(m[2](h).sum(), leaf, create_graph=True)
    loss = (slope.norm(dim=1) - 1).square().mean()
    loss.backward()
    o.step()
    return loss


@of_model
def adversarial(m: Any, o: Any, x: Any, y: Any) -> Any:
    o.zero_grad()
    leaf = x.detach().clone().requires_grad_()
    F.mse_loss(m(leaf), y).backward()
    attacked = (leaf + 0.1 * leaf.grad.sign()).detach()
    o.zero_grad()
    loss = F.mse_loss(m(attacked), y)
    loss.backward()
    o.step()
    return loss


@of_model
def gradients_set_to_zero(m: Any, o: Any, x: Any, y: Any) -> Any:
    o.zero_grad(set_to_none=False)
    loss = F.mse_loss(m(x), y)
    loss.backward()
    o.step()
    return loss


@of_model
def micro_batches(m: Any, o: Any, x: Any, y: Any) -> Any:
    o.zero_grad()
    for k in range(3):
        loss = F.mse_loss(m(x[4 * k : 4 * k + 4]), y[4 * k : 4 * k + 4]) / 3
        loss.backward()
    o.step()
    return loss


@of_model
def the_loss_after_the_update(m: Any, o: Any, x: Any, y: Any) -> Any:
    o.zero_grad()
    predicted = m(x)
    loss = F.mse_loss(predicted, y)
    (loss + 0.01 * predicted.square().sum()).backward()
    o.step()
    with mt.no_grad():
        after = F.mse_loss(m(x), y)
    return loss + after


def two_models_two_optimizers() -> Any:
    g, d = mlp(), nn.Linear(3, 1)
    og, od = optim.Adam(g.parameters(), lr=0.01), optim.Adam(d.parameters(), lr=0.02)
    x, y = mt.tensor(X), mt.tensor(Y)

    def step() -> Any:
        od.zero_grad()
        loss_d = F.softplus(-d(y)).mean() + F.softplus(d(g(x).detach())).mean()
        loss_d.backward()
        od.step()
        og.zero_grad()
        loss_g = F.softplus(-d(g(x))).mean()
        loss_g.backward()
        og.step()
        return loss_d + loss_g

    return step, [*g.parameters(), *d.parameters()], lambda k: ()


def momentum_by_hand() -> Any:
    w, v, x = mt.tensor(np.ones(4), requires_grad=True), mt.zeros(4), mt.tensor(X)

    def step() -> Any:
        loss = (x @ w).tanh().square().mean()
        loss.backward()
        with mt.no_grad():
            v.mul_(0.9).add_(w.grad)
            w.sub_(v * 0.1)
            w.grad.zero_()
        return loss

    return step, [w, v], lambda k: ()


def grad_and_copy() -> Any:
    w, x = mt.tensor(np.ones(4), requires_grad=True), mt.tensor(X)

    def step() -> Any:
        loss = (x @ w).tanh().square().mean()
        (g,) = mt.grad(loss, w)
        with mt.no_grad():
            w.copy_(w - 0.1 * g)
        return loss

    return step, [w], lambda k: ()


def running_statistics() -> Any:
    m, mean, x = mlp(), mt.zeros(5), mt.tensor(X)
    o = optim.SGD(m.parameters(), lr=0.1)

    def step() -> Any:
        o.zero_grad()
        h = m[0](x)
        present = h.mean(0)
        with mt.no_grad():
            mean.mul_(0.9).add_(0.1 * present)
        h = (h - present) / (h.var(0) + 1e-5).sqrt()
        loss = m[2](h).square().mean()
        loss.backward()
        o.step()
        return loss

    return step, [*m.parameters(), mean], lambda k: ()


def averaged_weights() -> Any:
    m, x, y = mlp(), mt.tensor(X), mt.tensor(Y)
    average = [p.detach().clone() for p in m.parameters()]
    o = optim.SGD(m.parameters(), lr=0.1)

    def step() -> Any:
        o.zero_grad()
        loss = F.mse_loss(m(x), y)
        loss.backward()
        o.step()
        with mt.no_grad():
            for a, p in zip(average, m.parameters(), strict=True):
                a.mul_(0.9).add_(p, alpha=0.1)
        return loss

    return step, [*m.parameters(), *average], lambda k: ()


def unrolled_in_time() -> Any:
    m, x = nn.RNN(4, 5), mt.tensor(SEQUENCE)
    o = optim.Adam(m.parameters())

    def step() -> Any:
        o.zero_grad()
        loss = m(x)[0].square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(m.parameters(), 0.5)
        o.step()
        return loss

    return step, list(m.parameters()), lambda k: ()


def single_numbers() -> Any:
    a, b = mt.tensor(1.0, requires_grad=True), mt.tensor(2.0, requires_grad=True)
    o = optim.Adam([a, b], lr=0.1)

    def step() -> Any:
        o.zero_grad()
        loss = (a * b - 3) ** 2 + a**2
        loss.backward()
        o.step()
        return loss

    return step, [a, b], lambda k: ()


def an_empty_batch() -> Any:
    w, x = mt.tensor(np.ones((4, 3)), requires_grad=True), mt.zeros(0, 4)
    o = optim.SGD([w], lr=0.1)

    def step() -> Any:
        o.zero_grad()
        loss = (x @ w).sum() + (w**2).sum()
        loss.backward()
        o.step()
        return loss

    return step, [w], lambda k: ()


def groups_with_their_own_rates() -> Any:
    m, x, y = mlp(), mt.tensor(X), mt.tensor(LABELS)
    o = optim.Adam([{"params": m[0].parameters()}, {"params": m[2].parameters(), "lr": 0.1}], lr=0.01)

    def step() -> Any:
        o.zero_grad()
        predicted = m(x)
        loss = F.cross_entropy(predicted, y)
        loss.backward()
        o.step()
        return loss + (predicted.argmax(1) == y).double().mean()

    return step, list(m.parameters()), lambda k: ()


def arguments_of_any_layout() -> Any:
    w = mt.tensor(np.ones((3, 4)), requires_grad=True)
    o = optim.SGD([w], lr=0.1)
    outside = mt.tensor(RNG.normal(size=(4, 12)) * 0 + 0.5).T

    def step(x: Any) -> Any:
        o.zero_grad()
        loss = ((x + outside) @ w.T).tanh().sum()
        loss.backward()
        o.step()
        return loss

    xs = [mt.tensor(X).T.contiguous().T, mt.tensor(np.repeat(X, 2, 0))[::2], mt.tensor(X)]
    return step, [w], lambda k: (xs[k % 3],)


def attention_on_labels() -> Any:
    m, x, t = nn.SelfAttention(4), mt.tensor(SEQUENCE), mt.tensor(np.arange(14).reshape(7, 2) % 4)
    o = optim.Adam(m.parameters())

    def step(t: Any) -> Any:
        o.zero_grad()
        loss = F.cross_entropy(m(x).reshape(-1, 4), t.reshape(-1))
        loss.backward()
        o.step()
        return loss

    return step, list(m.parameters()), lambda k: (t,)


QUICK = [
    two_models_two_optimizers,
    momentum_by_hand,
    an_empty_batch,
]
WIDE = [tied_weights, zero_grad_at_the_end, single_numbers]
SLOW = [
    gradients_set_to_zero, gradient_penalty, slopes_of_a_layer_with_corners, slopes_of_what_was_written_over,
    adversarial, micro_batches, the_loss_after_the_update, grad_and_copy, running_statistics, averaged_weights,
    unrolled_in_time, groups_with_their_own_rates, arguments_of_any_layout, attention_on_labels,
]  # fmt: skip


@pytest.mark.parametrize(
    "build",
    [*mostly_wide([*QUICK, *WIDE], but=QUICK), *(pytest.param(b, marks=pytest.mark.slow) for b in SLOW)],
    ids=lambda b: b.__name__,
)
def test_step(build: Any) -> None:
    assert apart(build, 15) < 1e-12


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_arrays_without_elements(shape: tuple[int, ...]) -> None:
    x, row = mt.zeros(*shape), mt.ones(shape[-1], requires_grad=True)

    def step(x: Any) -> Any:
        row.grad = None
        y = ((x + row) ** 2 + 0.5).sqrt().sum()
        y.backward()
        return y.detach(), row.grad

    compiled = mt.compile(step)
    for _ in range(3):
        for found, wanted in zip(compiled(x), step(x), strict=True):
            assert found.tolist() == wanted.tolist()
    assert any(form.variants for form in compiled._forms.values())


def test_gradients_that_add_up_are_read_before_a_loop_with_sines_is_done_again() -> None:
    def build() -> Any:
        w = mt.tensor(np.full((3, 4), 0.5), requires_grad=True)
        o = optim.SGD([w], lr=0.01)

        def step(x: Any) -> Any:
            loss = ((x * 1e3).cos() * w * w).mean()
            loss.backward()
            o.step()
            return loss

        large = [1.0, 1.0, 1.0, 1.0, 1e9, 1.0]  # beyond what the fast cosine is good for
        return step, [w], lambda k: (mt.tensor(np.full((3, 4), large[k])),)

    assert apart(build, 6) < 1e-9


def test_a_detached_parameter_is_the_parameter_even_where_it_is_met_first() -> None:
    w = mt.tensor(np.ones((3, 4)), requires_grad=True)

    @mt.compile
    def step() -> Any:
        w.grad = None
        loss = (w.detach() * w).sum()
        loss.backward()
        return loss

    assert [step().item() for _ in range(3)] == [12.0] * 3
    with mt.no_grad():
        w.mul_(10.0)
    assert step().item() == 1200.0
    assert np.all(w.grad.numpy() == 10.0)


def test_a_constant_that_is_met_detached_only_may_change_between_calls() -> None:
    b, w = mt.ones(3), mt.ones(3)
    step = mt.compile(lambda x: (b.detach() * x * w + b.detach()).sum())
    assert [step(mt.ones(3)).item() for _ in range(3)] == [6.0] * 3
    b.mul_(10.0)
    assert step(mt.ones(3)).item() == 60.0


@pytest.mark.parametrize(
    "dtype", mostly_wide(["bool", "uint8", "int8", "int32", "int64", "float16"], but={"bool", "int64", "float16"})
)
def test_arrays_that_are_no_floats(dtype: str) -> None:
    x, whole = mt.randn(2, 3), mt.tensor(np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype))

    def step(whole: Any, x: Any) -> Any:
        made = mt.ones(2, dtype=dtype), mt.zeros(2, dtype=dtype)
        same = mt.where(whole == 1, whole, whole), whole != 1
        return whole.clone(), whole.T, mt.cat([whole, whole]), *made, *same, made[0] * x[:, 0], whole.to("float64") * x

    compiled = mt.compile(step)
    for _ in range(4):
        for found, wanted in zip(compiled(whole, x), step(whole, x), strict=True):
            assert found.dtype == wanted.dtype and found.tolist() == wanted.tolist()
    assert "1 native" in repr(compiled)


@pytest.mark.parametrize("label", [0, 2])
def test_labels_that_are_all_the_same(label: int) -> None:
    x = mt.randn(4, 3)

    def step(x: Any) -> Any:
        labels = mt.full((4,), label)
        return F.cross_entropy(x, labels), x[:, labels], x.gather(1, labels.unsqueeze(1))

    compiled = mt.compile(step)
    for _ in range(4):
        for found, wanted in zip(compiled(x), step(x), strict=True):
            assert np.allclose(found.numpy(), wanted.numpy(), rtol=1e-13, atol=0)
    assert "1 native" in repr(compiled)


@pytest.mark.parametrize("parts", mostly_wide([2, 3], but={3}))
def test_gradients_added_up_over_calls(parts: int) -> None:
    """The first call after zero_grad() makes gradients and the others add to them: two steps that take turns."""

    def run(compiles: bool) -> Any:
        m = mt.nn.Linear(4, 3, generator=mt.Generator(0))
        o = optim.SGD(m.parameters(), lr=0.1)

        def add(x: Any, y: Any) -> Any:
            loss = F.mse_loss(m(x), y) / parts
            loss.backward()
            return loss

        step = mt.compile(add) if compiles else add
        losses = []
        for _ in range(6):
            losses += [step(x, y).item() for x, y in zip(*(mt.tensor(z).chunk(parts) for z in (X, Y)), strict=True)]
            o.step()
            o.zero_grad()
        calls = sum(v.calls for form in step._forms.values() for v, _ in form.variants) if compiles else 0
        return losses, calls

    (expected, _), (found, calls) = run(False), run(True)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert calls >= 6 * parts - 8


@pytest.mark.wide
def test_products_and_windows_are_known_by_their_shapes() -> None:
    """What NumPy says of the number of axes is no value; windows are places that depend on the shape alone."""

    def step(x: Any) -> Any:
        x = x.detach().requires_grad_()
        rows, columns = np.shape(x)
        parts = (
            x.mm(x.T) * np.ndim(x),
            x * np.size(x) / rows + columns,
            x.mv(x[0]),
            mt.bmm(x[None], x.T[None]),
            x.unfold(1, 3, 1),
            x.unfold(1, 2, 2).unfold(0, 2, 1),
        )
        loss = sum((part**2).sum() for part in parts)
        loss.backward()
        return loss.detach(), x.grad

    same_as_eager(step, (4, 6), seed=2, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"weight": mt.tensor([1.0, 2.0, 3.0])}, {"reduction": "none"}], ids=str)
@pytest.mark.parametrize("loss", mostly_wide([F.nll_loss, F.cross_entropy], but={F.cross_entropy}))
def test_labels_that_are_ignored(loss: Any, options: dict[str, Any]) -> None:
    """Which ones do not count is asked anew in each step."""

    def step(x: Any, labels: Any) -> Any:
        x = x.detach().requires_grad_()
        value = loss(x, labels, **options)
        value.sum().backward()
        return value.detach(), x.grad

    compiled, rng = mt.compile(step), np.random.default_rng(3)
    for labels in [[0, 1, 2, -100]] * 3 + [[-100, 1, 2, 0], [0, 1, 2, 1], [0, -100, -100, 2]]:
        x = mt.tensor(rng.normal(size=(4, 3)))
        for found, wanted in zip(compiled(x, mt.tensor(labels)), step(x, mt.tensor(labels)), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert "1 native" in repr(compiled)


@pytest.mark.wide  # compiles eight steps
def test_a_form_that_is_rarely_seen_may_change_each_time() -> None:
    """The last batch of an epoch: whenever it comes, another layer is frozen."""
    m = mlp()
    o = optim.SGD(m.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        o.zero_grad()
        loss = F.mse_loss(m(x), y)
        loss.backward()
        o.step()
        return loss

    compiled, x, y = mt.compile(step), mt.tensor(X), mt.tensor(Y)
    for k in range(8):
        for p in m.parameters():
            p.requires_grad_(True)
        list(m.parameters())[k % 4].requires_grad_(False)
        for rows in (slice(4), slice(4), slice(4), slice(4, 7)):
            state = {name: value.clone() for name, value in m.state_dict().items()}
            found = compiled(x[rows], y[rows])
            after = {name: value.clone() for name, value in m.state_dict().items()}
            m.load_state_dict(state)
            np.testing.assert_allclose(found, step(x[rows], y[rows]).detach(), rtol=1e-13)
            assert all(np.allclose(after[name], value, rtol=1e-12) for name, value in m.state_dict().items())
