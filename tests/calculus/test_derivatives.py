"""Derivatives as functions, compared with torch.autograd.functional and with each other."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, DtypeError, GraphError, ShapeError, SignatureError

rng = np.random.default_rng(0)
A, B, C = rng.standard_normal((2, 3)), rng.standard_normal(3), rng.standard_normal((3, 2))

FUNCTIONS = {
    "one to one": (lambda m, a: (a**3).sin(), [A], [A * 0.3], A.shape),
    "scalar to vector": (lambda m, a: m.stack([a.sin(), a**2]), [B[0]], [np.float64(2.0)], (2,)),
    "matrix product": (lambda m, a, c: a @ c, [A, C], [A + 1, C - 1], (2, 2)),
    "several outputs": (lambda m, a, b: (a * b, (a.exp() + b).sum()), [A, B], [A, B], None),
    "unused input": (lambda m, a, b: a * 2, [A, B], [A, B], A.shape),
    "constant output": (lambda m, a: (a * a, m.ones(2, dtype=m.float64)), [A], [A], None),
    "identity": (lambda m, a: a, [B], [B], B.shape),
}
SCALARS = {
    "cubic": (lambda m, a: (a**3).sum(), [A], [A + 1]),
    "two inputs": (lambda m, a, b: ((a * b).sin() * b).sum(), [A, B], [A - 1, B]),
    "quadratic form": (lambda m, b: (b @ (m.ones((3, 3), dtype=m.float64) * b)).sum(), [B], [B]),
    "network": (lambda m, a, c: m.log_softmax(m.tanh(a @ c), dim=1)[:, 0].sum(), [A, C], [A, C]),
    "linear": (lambda m, b: b.sum() * 3, [B], [B]),
    "of one": (lambda m, x: x**4, [np.float64(1.5)], [np.float64(2.0)]),
}


def arguments(tensor, arrays):
    tensors = tuple(tensor(a) for a in arrays)
    return tensors[0] if len(tensors) == 1 else tensors


def same(ours, theirs):
    """Equal numbers in equal nesting."""
    if isinstance(ours, tuple):
        assert isinstance(theirs, tuple) and len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    else:
        assert ours.shape == tuple(theirs.shape)
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-13)


def functional(name, function, arrays, *more):
    """The same call in both libraries."""
    torch = pytest.importorskip("torch")
    extra = [lambda tensor, v=v: arguments(tensor, v) for v in more]
    ours = getattr(mt, name)(
        lambda *xs: function(mt, *xs), arguments(mt.tensor, arrays), *(e(mt.tensor) for e in extra)
    )
    theirs = getattr(torch.autograd.functional, name)(
        lambda *xs: function(torch, *xs), arguments(torch.tensor, arrays), *(e(torch.tensor) for e in extra)
    )
    same(ours, theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian_equals_pytorchs(name):
    function, arrays, _, _ = FUNCTIONS[name]
    functional("jacobian", function, arrays)


@pytest.mark.oracle
@pytest.mark.parametrize("name", FUNCTIONS)
def test_jvp_equals_pytorchs(name):
    function, arrays, directions, _ = FUNCTIONS[name]
    functional("jvp", function, arrays, directions)


@pytest.mark.oracle
@pytest.mark.parametrize("name", FUNCTIONS)
def test_vjp_equals_pytorchs(name):
    function, arrays, _, shape = FUNCTIONS[name]
    outputs = function(mt, *map(mt.tensor, arrays))
    shapes = [y.shape for y in outputs] if shape is None else [shape]
    functional("vjp", function, arrays, [np.asarray(rng.standard_normal(s)) for s in shapes])


@pytest.mark.oracle
@pytest.mark.parametrize("name", SCALARS)
def test_hessian_and_hvp_equal_pytorchs(name):
    function, arrays, directions = SCALARS[name]
    functional("hessian", function, arrays)
    functional("hvp", function, arrays, directions)


@pytest.mark.parametrize("name", SCALARS)
def test_hvp_is_the_hessian_times_the_vector(name):
    function, arrays, directions = SCALARS[name]
    f = lambda *xs: function(mt, *xs)
    xs, vs = [mt.tensor(a) for a in arrays], [mt.tensor(v) for v in directions]
    blocks = mt.hessian(f, xs)
    _, products = mt.hvp(f, xs, vs)
    for i, x in enumerate(xs):
        expected = sum(blocks[i][j].numpy().reshape(x.numel(), -1) @ v.numpy().reshape(-1) for j, v in enumerate(vs))
        np.testing.assert_allclose(products[i].numpy().reshape(-1), expected, rtol=1e-12, atol=1e-13)


def test_vjp_without_a_vector_needs_a_single_number():
    x = mt.tensor([1.0, 2.0])
    y, g = mt.vjp(lambda x: (x * x).sum(), x)
    assert y.item() == 5 and g.tolist() == [2, 4] and not y.requires_grad
    with pytest.raises(ShapeError):
        mt.vjp(lambda x: x * x, x)
    with pytest.raises(ShapeError, match="single number"):
        mt.jvp(lambda x: x * x, x)
    assert mt.jvp(mt.exp, mt.tensor(0.0))[1].item() == 1


def test_results_can_be_differentiated():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    j = mt.jacobian(lambda x: x**3, x, create_graph=True)
    assert mt.grad(j.sum(), x)[0].tolist() == [6, 12]
    h = mt.hessian(lambda x: (x**4).sum(), x, create_graph=True)
    assert mt.grad(h.sum(), x)[0].tolist() == [24, 48]
    _, p = mt.hvp(lambda x: (x**4).sum(), x, mt.ones(2), create_graph=True)
    assert mt.grad(p.sum(), x)[0].tolist() == [24, 48]
    y, g = mt.vjp(lambda x: (x**3).sum(), x, create_graph=True)
    assert mt.grad(g.sum() + y, x)[0].tolist() == [6 + 3, 12 + 12]
    _, d = mt.jvp(lambda x: x**3, x, mt.ones(2), create_graph=True)
    assert mt.grad(d.sum(), x)[0].tolist() == [6, 12]
    assert not mt.jacobian(lambda x: x**3, x).requires_grad
    assert x.grad is None


def test_they_work_under_no_grad_and_leave_the_arguments_alone():
    x = mt.tensor([1.0, 2.0])
    with mt.no_grad():
        assert mt.jacobian(mt.exp, x).shape == (2, 2)
        assert mt.hessian(lambda x: (x**3).sum(), x).tolist() == [[6, 0], [0, 12]]
    assert not x.requires_grad and x.grad is None


def test_float32_stays_float32():
    x = mt.tensor([1.0, 2.0], dtype=mt.float32)
    for result in (
        mt.jacobian(mt.exp, x),
        mt.hessian(lambda x: (x**3).sum(), x),
        mt.hvp(lambda x: (x**3).sum(), x, mt.ones(2))[1],
        mt.jvp(mt.exp, x, mt.ones(2))[1],
        mt.vjp(mt.exp, x, np.ones(2))[1],
    ):
        assert result.dtype == mt.float32


def test_grad_of_unused_inputs():
    x, y = mt.ones(2, requires_grad=True), mt.ones(3, requires_grad=True)
    z = (x * 2).sum()
    with pytest.raises(GraphError, match=r"input 1 \(shape \(3,\)\)"):
        mt.grad(z, [x, y], retain_graph=True)
    assert mt.grad(z, [x, y], allow_unused=True, retain_graph=True)[1] is None
    assert mt.grad(z, [x, y], materialize_grads=True)[1].tolist() == [0, 0, 0]


def test_derivatives_that_have_become_zero_can_be_differentiated_again():
    x, a = mt.tensor(2.0, requires_grad=True), mt.tensor(3.0, requires_grad=True)
    y, found = a * x, []
    for _ in range(4):
        (y,) = mt.grad(y, x, create_graph=True, materialize_grads=True)
        found.append(y.item())
    assert found == [3, 0, 0, 0]
    assert not mt.grad(3 * x, mt.ones(1, requires_grad=True), materialize_grads=True)[0].requires_grad


def test_grad_of_several_outputs_and_nodes():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    h = x * x
    gx, gh = mt.grad([h, h.sum()], (x, h), [mt.tensor([1.0, 0.0]), None])
    assert gx.tolist() == [4, 4] and gh.tolist() == [2, 1]
    (g,) = mt.grad(x.sum(), x)
    assert g.tolist() == [1, 1]


def test_bad_arguments_are_explained():
    x = mt.ones(2, requires_grad=True)
    with pytest.raises(ArgumentError, match="1 outputs, but 2"):
        mt.grad(x.sum(), x, [None, None])
    with pytest.raises(GraphError, match="requires_grad_"):
        mt.grad(x.sum(), mt.ones(2))
    with pytest.raises(DtypeError):
        mt.grad(x.sum(), [1.0])
    with pytest.raises(DtypeError, match="returned float"):
        mt.jacobian(lambda x: (1.0,), x)
    with pytest.raises(DtypeError):
        mt.jacobian(mt.exp, mt.tensor([1, 2]))
    with pytest.raises(DtypeError):
        mt.jacobian(mt.exp, [np.ones(2)])
    with pytest.raises(ShapeError, match="single number as its value"):
        mt.hessian(mt.exp, x)
    with pytest.raises(ShapeError, match="direction"):
        mt.hvp(lambda x: x.sum(), x, mt.ones(3))
    with pytest.raises(ArgumentError, match="2 directions for 1"):
        mt.jvp(mt.exp, x, [mt.ones(2), mt.ones(2)])
    with pytest.raises(ArgumentError, match="1 vectors for 2"):
        mt.vjp(lambda x: (x, x), x, mt.ones(2))


def test_second_derivatives_under_no_grad():
    with mt.no_grad():
        x = mt.tensor([1.0, 2.0])
        for shape in ((), (1,)):
            value, product = mt.hvp(lambda t, shape=shape: (t**3).sum().reshape(shape), x, mt.ones(2))
            assert product.tolist() == [6, 12] and value.item() == 9
            assert mt.hessian(lambda t, shape=shape: (t**3).sum().reshape(shape), x).tolist() == [[6, 0], [0, 12]]


def test_a_hessian_of_several_inputs_is_symmetric_block_by_block():
    def f(a: mt.Tensor, b: mt.Tensor, c: mt.Tensor) -> mt.Tensor:
        return (a @ b).tanh().sum() * a.sum() + (b * c).exp().mean()

    rng = np.random.default_rng(0)
    xs = tuple(mt.tensor(rng.normal(size=s)) for s in ((4, 3), (3, 2), ()))
    blocks = mt.hessian(f, xs)
    graph = mt.hessian(f, xs, create_graph=True)
    for i, row in enumerate(blocks):
        for j, block in enumerate(row):
            assert block.shape == xs[i].shape + xs[j].shape
            np.testing.assert_allclose(block.numpy(), graph[i][j].detach().numpy(), atol=1e-12)
            across = blocks[j][i].numpy().reshape(xs[j].numel(), -1).T
            np.testing.assert_allclose(block.numpy().reshape(xs[i].numel(), -1), across, atol=1e-12)


STRICT = {
    "squares": (lambda m, x: (x**2).sum(), 1),
    "linear": (lambda m, x: (x * 3).sum(), 1),
    "constant": (lambda m, x: m.ones((), dtype=m.float64), 1),
    "elementwise": (lambda m, x: x * x, 1),
    "two parts": (lambda m, x, y: (x**2).sum() + (y**3).sum(), 2),
    "product": (lambda m, x, y: (x * y).sum(), 2),
    "one of two": (lambda m, x, y: (x**2).sum(), 2),
    "linear in one": (lambda m, x, y: (x**2).sum() + y.sum(), 2),
    "two outputs": (lambda m, x, y: (x * 2, y * 3), 2),
}


def derivative(m, name, f, count, **options):
    """What a function of `autograd.functional` gives, as lists; "an error" if it raises."""
    xs = tuple(m.tensor([1.0, 2.0], dtype=m.float64) + k for k in range(count))
    if name in ("jvp", "hvp", "vhp"):
        options["v"] = xs if count > 1 else xs[0]
    if name == "vjp" and f in (STRICT["two outputs"][0], STRICT["elementwise"][0]):
        options["v"] = xs if count > 1 else xs[0]

    def listed(x):
        return [listed(part) for part in x] if isinstance(x, tuple) else np.round(x.detach().numpy(), 12).tolist()

    try:
        found = getattr(m.autograd.functional, name)(lambda *a: f(m, *a), xs if count > 1 else xs[0], **options)
        return listed(found)
    except RuntimeError:
        return "an error"


@pytest.mark.oracle
@pytest.mark.parametrize("of", STRICT)
def test_strict_refuses_what_pytorchs_refuses(of):
    torch = pytest.importorskip("torch")
    f, count = STRICT[of]
    for name in ("jacobian", "hessian", "vjp", "jvp", "hvp", "vhp"):
        for strict in (False, True):
            ours, theirs = (derivative(m, name, f, count, strict=strict) for m in (mt, torch))
            assert ours == theirs, (name, strict)


def test_how_pytorch_computes_makes_no_difference():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    whole = mt.jacobian(lambda x: x**2, x)
    for strategy in ("reverse-mode", "forward-mode"):
        assert mt.jacobian(lambda x: x**2, x, False, False, True, strategy).tolist() == whole.tolist()
        curved = mt.hessian(lambda x: (x**3).sum(), x, vectorize=True, outer_jacobian_strategy=strategy)
        assert curved.tolist() == [[6, 0], [0, 12]]
    assert mt.grad((x**2).sum(), x, is_grads_batched=False)[0].tolist() == [2, 4]
    with pytest.raises(NotImplementedError, match="jacobian"):
        mt.grad(x**2, x, mt.eye(2), is_grads_batched=True)
    with pytest.raises(ArgumentError, match="'reverse-mode' or 'forward-mode', not 'foo'"):
        mt.jacobian(lambda x: x**2, x, strategy="foo")
    with pytest.raises(ArgumentError, match="not 'forward'"):
        mt.hessian(lambda x: (x**2).sum(), x, outer_jacobian_strategy="forward")


@pytest.mark.parametrize("derivative", [mt.jacobian, mt.hessian, mt.hvp, mt.vjp, mt.jvp])
def test_derivatives_are_of_functions(derivative):
    with pytest.raises(DtypeError, match="of a function, not of Tensor"):
        derivative(mt.ones(2).sum(), mt.ones(2))


def test_strict_says_which_input():
    x, y = mt.ones(2), mt.ones(3)
    with pytest.raises(GraphError, match=r"value does not depend on input 1[\s\S]*strict=False"):
        mt.vjp(lambda x, y: x.sum(), (x, y), strict=True)
    with pytest.raises(GraphError, match="Output 1 does not depend on input 0"):
        mt.jacobian(lambda x, y: ((x.sum() * y), y), (x, y), strict=True)
    with pytest.raises(GraphError, match="gradient does not depend on input 0"):
        mt.hvp(lambda x: x.sum(), x, x, strict=True)


def test_a_direction_may_be_left_out_for_a_single_number():
    assert mt.hvp(lambda x: (x**3).sum(), mt.tensor([2.0]))[1].tolist() == [12]
    with pytest.raises(ShapeError, match="single number"):
        mt.hvp(lambda x: (x**3).sum(), mt.ones(2))


def test_calls_that_do_not_fit_say_how_they_are_made():
    x = mt.tensor(3.0, requires_grad=True)
    with pytest.raises(
        SignatureError, match=r"missing a required argument: 'inputs'[\s\S]*called as grad\(outputs, inputs"
    ):
        mt.grad(lambda x: x**2)
    with pytest.raises(DtypeError, match=r"not the function[\s\S]*y = f\(x\); mt\.grad\(y, x\)"):
        mt.grad(lambda x: x**2, x)
    with pytest.raises(SignatureError, match=r"called as hessian\(func, inputs"):
        mt.hessian(lambda x: x**2)(2.0)
    for derivative in (mt.jacobian, mt.vjp):  # what the program's own function raises goes through
        with pytest.raises(TypeError, match="takes 0 positional") as caught:
            derivative(lambda: x, x)
        assert not isinstance(caught.value, mt.MicrotrainError)


def test_what_autograd_does_not_have():
    with pytest.raises(mt.errors.UnsupportedError, match=r"torch.autograd.forward_ad[\s\S]*mt.jvp"):
        mt.autograd.forward_ad
    with pytest.raises(AttributeError, match="Did you mean gradcheck"):
        mt.autograd.grad_check
    with pytest.raises(ImportError, match="engine"):
        from microtrain.autograd import profiler  # noqa: F401
