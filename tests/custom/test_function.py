"""`Function`: PyTorch's way to write an operation with its derivative."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import (
    ArgumentError,
    DtypeError,
    GraphError,
    InplaceError,
    MicrotrainError,
    NotDifferentiableError,
    ShapeError,
)


def make(forward, backward):
    """A Function class from two functions."""
    return type("Made", (mt.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


class Cube(mt.Function):
    @staticmethod
    def forward(ctx, x, scale=1.0):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x**3 * scale

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2 * ctx.scale, None


class Exp(mt.Function):
    """Saves its output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class SumAndProduct(mt.Function):
    """Several outputs, one of them without a gradient; saves inputs and an output."""

    @staticmethod
    def forward(ctx, a, factor, b):
        total, product, larger = a + b, a * b * factor, a > b
        ctx.mark_non_differentiable(larger)
        ctx.save_for_backward(a, b, product)
        ctx.factor = factor
        return total, product, larger

    @staticmethod
    def backward(ctx, g_total, g_product, g_larger):
        a, b, product = ctx.saved_tensors
        assert g_larger.shape == product.shape
        return g_total + g_product * b * ctx.factor, None, g_total + g_product * a * ctx.factor


def points(*shapes):
    rng = np.random.default_rng(0)
    return [mt.tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (lambda x: Cube.apply(x, 2.0), [(2, 3)]),
        (Cube.apply, [()]),
        (Exp.apply, [(4,)]),
        (lambda a, b: SumAndProduct.apply(a, 3.0, b), [(2, 2), (2, 2)]),
        (lambda a, b: SumAndProduct.apply(a, 3.0, b)[1], [(2,), (2,)]),
        (lambda a: SumAndProduct.apply(a, 3.0, a)[1] * 2, [(2,)]),
        (lambda x: Exp.apply(Cube.apply(Exp.apply(x))), [(2,)]),
    ],
)
def test_first_and_second_derivatives(f, shapes):
    xs = points(*shapes)
    assert mt.gradcheck(f, xs)
    assert mt.gradgradcheck(f, xs)


def test_what_it_returns():
    a, b = points((2,), (2,))
    total, product, larger = SumAndProduct.apply(a, 3.0, b)
    assert total.requires_grad and product.requires_grad and not larger.requires_grad
    assert larger.dtype == bool and product.tolist() == (a * b * 3).tolist()
    assert Cube.apply(a).grad_fn.primitive.name == "Cube"
    with mt.no_grad():
        assert not Cube.apply(a).requires_grad
    assert not Cube.apply(a.detach()).requires_grad
    assert isinstance(SumAndProduct.apply(a.detach(), 3.0, b.detach()), tuple)


def test_needs_input_grad_and_none():
    seen = []

    def backward(ctx, g):
        seen.append(ctx.needs_input_grad)
        return g * 2, None, None

    f = make(lambda ctx, a, k, b: a * 2, backward)
    a, b = points((2,), (2,))
    f.apply(a, 5, b).sum().backward()
    assert a.grad.tolist() == [2, 2] and b.grad is None
    f.apply(a, 5, b.detach()).sum().backward()
    assert seen == [(True, False, True), (True, False, False)]
    h = b * 2  # nothing flows on from an input that got None
    y = (f.apply(a, 5, h) + a).sum()
    y.backward()
    assert b.grad is None


def test_setup_context():
    class Square(mt.Function):
        @staticmethod
        def forward(x, k):
            return x * x * k

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.k = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * g * x * ctx.k, None

    (x,) = points((3,))
    assert mt.gradcheck(lambda x: Square.apply(x, 3), x)


def test_backward_is_asked_once_for_all_inputs():
    calls = []

    def backward(ctx, g):
        calls.append(g.tolist())
        return g, g

    f = make(lambda ctx, a, b: a + b, backward)
    a, b = points((2,), (2,))
    y = f.apply(a, b)
    y.backward(mt.ones(2), retain_graph=True)
    assert calls == [[1, 1]]
    a.grad.zero_()
    assert b.grad.tolist() == [1, 1]
    mt.grad(y.sum(), a, retain_graph=True)
    y.sum().backward()
    assert len(calls) == 3


@pytest.mark.parametrize("which", ["input", "output", "intermediate", "attribute", "attribute output"])
def test_overwritten_values_are_noticed(which):
    intermediate = []

    def forward(ctx, x):
        y, middle = x * 2, x * 3
        intermediate.append(middle)
        if which == "attribute":
            ctx.middle = middle
        elif which == "attribute output":
            ctx.y = y
        else:
            ctx.save_for_backward({"input": x, "output": y, "intermediate": middle}[which])
        return y

    f = make(forward, lambda ctx, g: g * 2)
    (x,) = points((2,))
    h = x * 1
    y = f.apply(h)
    z = y.sum()
    target = {"input": h, "output": y, "attribute output": y}.get(which, intermediate[0])
    with mt.no_grad():
        target += 1
    with pytest.raises(InplaceError, match="'Made' kept its"):
        z.backward()


HOLDERS = {
    "list": lambda t: [t],
    "tuple": lambda t: (1, t),
    "dict": lambda t: {"kept": t},
    "array": lambda t: t.detach().numpy(),
    "array in a list": lambda t: [t.detach().numpy()[1:]],
}


@pytest.mark.parametrize("shape", [(2,), ()])
@pytest.mark.parametrize("which", ["input", "output"])
@pytest.mark.parametrize("holder", HOLDERS)
def test_overwritten_contents_of_attributes_are_noticed(holder, which, shape):
    if shape == () and holder == "array in a list":
        return

    def forward(ctx, x):
        y = x * 2
        ctx.held = HOLDERS[holder](x if which == "input" else y)
        return y

    f = make(forward, lambda ctx, g: g * 2)
    (x,) = points(shape)
    h = x * 1
    y = f.apply(h)
    z = y.sum()
    z.backward(retain_graph=True)
    assert x.grad.numpy().tolist() == np.full(shape, 2.0).tolist()
    (h if which == "input" else y).detach().mul_(10)
    with pytest.raises(InplaceError, match="'Made' kept its"):
        z.backward()


def test_functions_have_no_objects():
    class Twice(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with pytest.raises(mt.errors.ArgumentError, match=r"Twice is called by Twice\.apply"):
        Twice()(mt.ones(1))


def test_saved_values_and_gradients_are_read_only():
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        with pytest.raises(InplaceError, match="read-only"):
            x.mul_(2)
        with pytest.raises(InplaceError, match="read-only"):
            g.mul_(2)
        return g

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 1

    (x,) = points((2,))
    make(forward, backward).apply(x).sum().backward()


def test_freed_after_backward():
    (x,) = points((2,))
    y = Cube.apply(x).sum()
    y.backward()
    with pytest.raises(GraphError, match="second time to"):
        y.backward()
    nothing = make(lambda ctx, x: x + 1, lambda ctx, g: g).apply(x).sum()
    nothing.backward()


# ---- what is refused ------------------------------------------------------------------------------------------------


def refuse(error, match, forward, backward, *args):
    with pytest.raises(error, match=match):
        make(forward, backward).apply(*args).sum().backward()


def test_wrong_gradients_are_refused():
    (x,) = points((2,))
    twice = lambda ctx, x: x * 2
    refuse(ArgumentError, "0 gradients for 1", twice, lambda ctx, g: (), x)
    refuse(ArgumentError, "2 gradients for 1", twice, lambda ctx, g: (g, g), x)
    refuse(ShapeError, r"\(\) for an input of shape \(2,\)", twice, lambda ctx, g: g.sum(), x)
    refuse(ArgumentError, "argument 1", lambda ctx, x, k: x * k, lambda ctx, g: (g, g), x, 2.0)
    make(twice, lambda ctx, g: (g, None)).apply(x).sum().backward()  # PyTorch trims these too
    make(twice, lambda ctx, g: g.numpy() * 2).apply(x).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_wrong_forwards_are_refused():
    (x,) = points((2,))
    identity = lambda ctx, g: g
    refuse(NotDifferentiableError, "returned float", lambda ctx, x: 1.0, identity, x)
    refuse(InplaceError, "changed its input by 'add_'", lambda ctx, x: x.add_(1), identity, x * 1)
    refuse(DtypeError, "takes tensors", lambda ctx, x: ctx.save_for_backward(3), identity, x)
    refuse(GraphError, "mark_dirty", lambda ctx, x: ctx.mark_dirty(x), identity, x)
    with pytest.raises(ArgumentError, match="inside a list or as a keyword"):
        Cube.apply(mt.ones(2), scale=x)
    with pytest.raises(ArgumentError, match="inside a list"):
        make(lambda ctx, xs: xs[0], identity).apply([x])
    with pytest.raises(NotImplementedError):
        mt.Function.apply(x)


def test_an_output_that_is_an_input_is_a_copy():
    (x,) = points((2,))
    y = make(lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
    v = make(lambda ctx, x: x[:1], lambda ctx, g: mt.cat([g, g])).apply(x)
    assert y is not x and y.requires_grad
    y += 1
    (y.sum() + v.sum()).backward()
    assert x.grad.tolist() == [6, 6]


# ---- second derivatives are right or loud ---------------------------------------------------------------------------


def second(f, x):
    (g,) = mt.grad(f.apply(x).sum(), x, create_graph=True)
    return mt.grad(g.sum(), x)


def test_numpy_inside_backward_has_no_second_derivative():
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    def cut(ctx, g):
        (x,) = ctx.saved_tensors
        return mt.tensor(g.detach().numpy() * 3 * x.detach().numpy() ** 2)

    def item(ctx, g):
        (x,) = ctx.saved_tensors
        return g.numpy() * 3 * x.detach().numpy() ** 2

    (x,) = points((2,))
    for backward in (cut, item):
        f = make(forward, backward)
        assert mt.gradcheck(f.apply, x)
        with pytest.raises(NotDifferentiableError):
            second(f, x)


@pytest.mark.parametrize("how", ["saved", "attribute", "array"])
def test_saved_intermediate_results_have_no_second_derivative(how):
    def forward(ctx, x):
        slope = 3 * x**2
        if how == "saved":
            ctx.save_for_backward(slope)
        elif how == "attribute":
            ctx.slope = slope
        else:
            ctx.slope = slope.numpy()
        return x**3

    def backward(ctx, g):
        return g * (ctx.saved_tensors[0] if how == "saved" else ctx.slope)

    f = make(forward, backward)
    (x,) = points((2,))
    assert mt.gradcheck(f.apply, x)
    with pytest.raises(
        NotDifferentiableError, match=r"Made kept an intermediate result of its forward \(shape \(2,\)\)"
    ):
        second(f, x)


@pytest.mark.parametrize("several", [False, True])
def test_an_output_as_an_attribute_has_the_right_second_derivative(several):
    seen = []

    def forward(ctx, x):
        ctx.y = x.exp()
        seen.append((ctx, ctx.y))
        return (x * 2, ctx.y) if several else ctx.y

    f = make(forward, lambda ctx, *g: g[-1] * ctx.y + (2 * g[0] if several else 0))
    exp = lambda x: f.apply(x)[1] if several else f.apply(x)
    x = mt.tensor([0.0, 1.0], requires_grad=True)
    (g,) = mt.grad((exp(x) ** 2).sum(), x, create_graph=True)
    np.testing.assert_allclose(mt.grad(g.sum(), x)[0].numpy(), 4 * np.exp([0.0, 2.0]))
    assert mt.gradgradcheck(exp, x)
    assert all(ctx.y is y for ctx, y in seen)


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("what", ["intermediate", "output"])
def test_results_inside_attributes_have_no_second_derivative(holder, what):
    def forward(ctx, x):
        slope = 3 * x**2
        ctx.held = HOLDERS[holder](slope)
        return x**3 if what == "intermediate" else slope

    f = make(forward, lambda ctx, g: g * 3)
    (x,) = points((2,))
    f.apply(x).sum().backward()
    with pytest.raises(NotDifferentiableError, match="Made kept an intermediate result of its forward"):
        second(f, x)


def test_inputs_and_given_constants_inside_attributes_may_be_kept():
    def forward(ctx, x, weights, more=None):
        ctx.held, ctx.weights, ctx.more = [x], weights, more
        return x**3 * weights[0] * weights[1] * more

    def backward(ctx, g):
        return g * 3 * ctx.held[0] ** 2 * ctx.weights[0] * ctx.weights[1] * ctx.more, None

    f = make(forward, backward)
    (x,) = points((2,))
    weights = [mt.tensor([1.0, 2.0]), np.array([3.0, 4.0])]
    assert mt.gradgradcheck(lambda x: f.apply(x, weights, more=mt.tensor([0.5, 2.0])), x)


def test_outputs_without_a_gradient_are_not_taken_for_attributes():
    def forward(ctx, x):
        ctx.save_for_backward(x)
        rounded = x.round()
        ctx.mark_non_differentiable(rounded)
        return x**2, rounded

    f = make(forward, lambda ctx, g, _: g * 2 * ctx.saved_tensors[0])
    (x,) = points((2,))
    assert mt.gradgradcheck(lambda x: f.apply(x)[0], x)


def test_masks_and_given_arrays_may_be_kept():
    def forward(ctx, x, weights):
        positive = x > 0
        ctx.save_for_backward(x, positive, None)
        ctx.weights = weights
        return mt.where(positive, x**3 * weights, 0)

    def backward(ctx, g):
        x, positive, nothing = ctx.saved_tensors
        assert nothing is None
        return mt.where(positive, g * 3 * x**2 * ctx.weights, 0), None

    f = make(forward, backward)
    (x,) = points((4,))
    assert mt.gradgradcheck(lambda x: f.apply(x, np.array([1.0, 2.0, 3.0, 4.0])), x)


def test_a_linear_function_has_second_derivative_zero():
    f = make(lambda ctx, x: x * 2, lambda ctx, g: g * 2)
    (x,) = points((2,))
    assert mt.hessian(lambda x: f.apply(x).sum(), x).tolist() == [[0, 0], [0, 0]]
    zero = make(lambda ctx, x: x.sign(), lambda ctx, g: mt.zeros(2))
    (g,) = mt.grad(zero.apply(x).sum(), x, create_graph=True)
    assert g.tolist() == [0, 0]


def test_the_stack_of_an_error_in_backward_reaches_the_learner():
    (x,) = points((2,))
    with pytest.raises(ZeroDivisionError):
        make(lambda ctx, x: x * 2, lambda ctx, g: 1 / 0).apply(x).sum().backward()
    with pytest.raises(MicrotrainError, match="second"):
        make(lambda ctx, x: x * 2, lambda ctx, g: g @ mt.ones(3, 3)).apply(x).sum().backward()


@pytest.mark.oracle
def test_the_same_class_gives_the_same_as_in_pytorch():
    torch = pytest.importorskip("torch")

    def classes(base):
        class Layer(base):
            @staticmethod
            def forward(ctx, x, w, slope):
                z = x @ w
                ctx.save_for_backward(x, w, z)
                ctx.slope = slope
                return z.clamp(min=0) + slope * z.clamp(max=0), z.sum(0)

            @staticmethod
            def backward(ctx, g, h):
                x, w, z = ctx.saved_tensors
                g = g * ((z > 0) + ctx.slope * (z <= 0)) + h
                return g @ w.T, x.T @ g, None

        return Layer

    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
    results = []
    for m, base in ((mt, mt.Function), (torch, torch.autograd.Function)):
        x, w = m.tensor(a, requires_grad=True), m.tensor(b, requires_grad=True)
        y, s = classes(base).apply(x, w, 0.25)
        ((y * y).sum() + (s**3).sum()).backward()
        results.append((x.grad.numpy(), w.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_once_differentiable():
    class Square(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @mt.autograd.function.once_differentiable
        def backward(ctx, g):
            assert not mt.is_grad_enabled()
            return 2 * g * ctx.saved_tensors[0]

    x = mt.tensor([1.0, 3.0], requires_grad=True)
    Square.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 6]
    with pytest.raises(mt.MicrotrainError, match="differentiated again"):
        mt.autograd.grad(Square.apply(x).sum(), x, create_graph=True)


def parts_seen(m, base, materialize):
    """Which outputs of three (the last an index) got a gradient when the first, the second, both were used, twice."""
    seen = []

    class Parts(base):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            ctx.save_for_backward(x)
            places = (x > 0).sum(0)
            ctx.mark_non_differentiable(places)
            return x * 2, x**2, places

        @staticmethod
        def backward(ctx, *gs):
            (x,) = ctx.saved_tensors
            seen.append([g is not None for g in gs])
            a, b, _ = gs
            return (0 if a is None else 2 * a) + (0 if b is None else 2 * x * b)

    gradients = []
    for use in (lambda a, b: a.sum(), lambda a, b: b.sum(), lambda a, b: (a * b).sum(), lambda a, b: (b * 0 + 1).sum()):
        x = m.tensor([1.0, -2.0], dtype=m.float64, requires_grad=True)
        a, b, _ = Parts.apply(x)
        loss = use(a, b)
        loss.backward(retain_graph=True)
        loss.backward()
        (g,) = m.autograd.grad(use(*Parts.apply(x)[:2]), x, create_graph=True)
        gradients.append((x.grad.tolist(), g.tolist()))
    return seen, gradients


@pytest.mark.oracle
@pytest.mark.parametrize("materialize", [True, False])
def test_outputs_without_a_gradient_as_in_pytorch(materialize):
    torch = pytest.importorskip("torch")
    assert parts_seen(mt, mt.Function, materialize) == parts_seen(torch, torch.autograd.Function, materialize)


def test_without_materialized_gradients_the_second_derivative_is_right():
    class Parts(mt.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x)
            return x * 2, x**3

        @staticmethod
        def backward(ctx, a, b):
            assert a is None
            return 3 * ctx.saved_tensors[0] ** 2 * b

    (x,) = points((3,))
    assert mt.gradgradcheck(lambda x: Parts.apply(x)[1], [x])


def test_an_earlier_walk_does_not_count_as_a_gradient():
    seen = []

    class Parts(mt.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append((a is None, b is None))
            return b * 3

    x = mt.tensor([1.0], requires_grad=True)
    a, b = Parts.apply(x)
    mt.grad(a.sum(), a)  # comes to the first output, and not through the function
    mt.grad(b.sum(), x)
    assert seen == [(True, False)]
