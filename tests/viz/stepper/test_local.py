"""Local derivatives, with numbers and with symbols, against the engine and finite differences."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.formula import in_order, python_function
from microtrain.ops.primitive import TABLE
from microtrain.viz.stepper import formulas, local
from microtrain.viz.stepper.recorder import Box
from microtrain.viz.stepper.values import array

ELEMENTWISE = [row for row in TABLE.values() if row.elementwise and row.differentiable]


@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_the_formula_says_what_the_numbers_are(row):
    """The derivative that is printed, evaluated, is the local derivative that is computed by the kernel's formula."""
    rng = np.random.default_rng(3)
    low = 1.2 if row.name == "acosh" else 0.2
    inputs = [mt.tensor(rng.uniform(low, low + 0.6, 4), requires_grad=True) for _ in row.inputs]
    if row.name == "polygamma":
        inputs[0] = mt.tensor([1, 2, 3, 4])
    output = row(*inputs)
    node = output.grad_fn
    if node is None:  # its output is no floating-point number
        return
    boxes, made = [Box("input") for _ in row.inputs], Box("operation")
    known = {**dict(zip(boxes, [x._data for x in inputs], strict=True)), made: output._data}
    for slot, which in enumerate(node.plan.wanted):
        found = local.arithmetic(node, slot, np.ones(4), (4,))
        formula = formulas.local_derivative(row, which, boxes, made, {})
        assert formula is not None
        symbols = list(formula.symbols)
        used = {e for e in in_order([formula.expression]) if e.row is None}
        assert used <= set(symbols)
        evaluate = python_function("f", symbols, formula.expression)
        value = evaluate(*[known[box] for box in formula.symbols.values()])
        np.testing.assert_allclose(np.broadcast_to(value, 4), found.local, rtol=1e-14)
        assert formulas.mathml(formula.latex(lambda box: "x")).startswith("<math")


def jacobian_of(f, *xs):
    """Of f in its first input, rows: outputs."""
    return mt.jacobian(lambda x: f(x, *xs[1:]), xs[0]).numpy().reshape(f(*xs).numel(), xs[0].numel())


@pytest.mark.parametrize("f, shapes", [
    (lambda a, b: a @ b, [(2, 3), (3, 4)]),
    (lambda a, b: b @ a, [(3, 4), (2, 3)]),
    (lambda a, b: a @ b, [(3,), (3, 4)]),
    (lambda a, b: a * b, [(1, 3), (4, 3)]),
    (lambda a, b: b / a, [(4, 1), (4, 3)]),
    (lambda a: a.sum(dim=0), [(3, 2)]),
    (lambda a: a.softmax(1), [(2, 3)]),
    (lambda a: a.cumsum(0), [(4,)]),
    (lambda a: a.permute(1, 0), [(2, 3)]),
    (lambda a: a[1:], [(3, 2)]),
    (lambda a, b: mt.nn.functional.linear(b, a, mt.zeros(2)), [(2, 3), (5, 3)]),
    (lambda a: mt.linalg.inv(a), [(3, 3)]),
])  # fmt: skip
@pytest.mark.parametrize("rows", [True, False], ids=["by rows", "by columns"])
def test_jacobian_entries(monkeypatch, f, shapes, rows):
    monkeypatch.setattr(local, "ROWS", 10**6 if rows else 0)
    rng = np.random.default_rng(1)
    xs = [mt.tensor(rng.uniform(0.5, 2, shape), requires_grad=i == 0) for i, shape in enumerate(shapes)]
    y = f(*xs)
    upstream = rng.normal(size=y.shape)
    found = local.arithmetic(y.grad_fn, 0, upstream, y.grad_fn.parents[0].shape)
    expected = jacobian_of(f, *[x.detach() for x in xs])
    g = upstream.ravel()
    if found.jacobian is None:
        assert found.local is not None and not found.axes
        return
    for j, (terms, left_out, rest) in found.jacobian.items():
        column = np.zeros(len(g))
        for i, derivative, at in terms:
            column[i] = derivative
            assert at == g[i]
        total = sum(d * at for _, d, at in terms) + rest
        assert total == pytest.approx(expected[:, j] @ g, rel=1e-10, abs=1e-12)
        if not left_out:
            np.testing.assert_allclose(column, expected[:, j], rtol=1e-10, atol=1e-12)


def test_sums_over_broadcast_axes():
    assert local.summed_axes((4, 3), (3,)) == (0,)
    assert local.summed_axes((2, 4, 3), (4, 1)) == (0, 2)
    assert local.summed_axes((4, 3), (4, 3)) == ()
    assert local.summed_axes((), ()) == ()
    b = mt.ones(3, requires_grad=True)
    trace = mt.trace((mt.ones(4, 3) * b).sum())
    (step,) = [s for s in trace.data["steps"] if s["phase"] == "backward" and "axes" in s]
    values = trace.data["values"]
    assert step["axes"] == [0] and values[step["raw"]]["shape"] == [4, 3]
    np.testing.assert_array_equal(array(values[step["raw"]]).sum(axis=0), array(values[step["product"]]))


def test_the_formula_of_a_matrix_product():
    W = mt.ones(3, 2, requires_grad=True)
    X = mt.ones(4, 3)
    Y = X @ W
    trace = mt.trace(Y.sum())
    (step,) = [s for s in trace.data["steps"] if s.get("code", "").startswith("W")]
    assert step["code"] == "W.grad += X.mT @ g"
    assert "<msup>" in trace.data["math"][step["chain"]]


@pytest.mark.parametrize("left, right", [((2, 3), (3,)), ((3,), (3, 2)), ((4, 2, 3), (3,)), ((4, 2, 3), (3, 2)), ((3,), (3,)),
                                         ((2, 3), (3, 2)), ((4, 2, 3), (4, 3, 2))])  # fmt: skip
def test_the_code_of_a_matrix_product_is_right_for_vectors_and_batches(left, right):
    rng = np.random.default_rng(0)
    a, b = (
        mt.tensor(rng.normal(size=shape), requires_grad=True).named(name) for shape, name in ((left, "a"), (right, "b"))
    )
    a_array, b_array = a.detach().numpy(), b.detach().numpy()
    weights = rng.normal(size=(a_array @ b_array).shape)
    trace = mt.trace(((a @ b) * mt.tensor(weights)).sum())
    means = {
        "a": a_array, "b": b_array, "g": weights, "sum": lambda x: x.sum(-1),
        "column": lambda x: x[..., None], "rows": lambda x: x.reshape(-1, x.shape[-1]), "flat": lambda x: x.reshape(-1),
    }  # fmt: skip
    checked = set()
    for step in trace.data["steps"]:
        name, _, code = step.get("code", "").partition(".grad += ")
        if name in ("a", "b"):
            expected = {"a": a_array, "b": b_array}[name]
            np.testing.assert_allclose(eval(code, means), array(trace.data["values"][step["product"]]), err_msg=code)
            assert np.shape(eval(code, means)) == expected.shape
            checked.add(name)
    assert checked == {"a", "b"}


def test_formulas_with_numbers():
    w = mt.tensor(-3.0, requires_grad=True)
    trace = mt.trace((w * w * 2e-7).tanh())
    maths = trace.data["math"]
    numbers = [maths[step["value_numbers"]] for step in trace.data["steps"] if "value_numbers" in step]
    assert len(numbers) == 3 and all("<mi>w</mi>" not in text and "e-0" not in text for text in numbers)
    assert "<msup><mn>10</mn><mrow><mo>−</mo><mn>6</mn></mrow></msup><mo>)</mo>" in numbers[2]
    (step,) = [s for s in trace.data["steps"] if s.get("code", "").startswith("v2")]
    assert step["derivative_text"] == "1 - L * L"
    assert [s["code"] for s in trace.data["steps"] if "code" in s][1:3] == ["v1.grad += g * 2e-07", "w.grad += g * w"]


def test_a_gradient_of_several_edges_is_written_as_a_sum():
    w = mt.tensor(2.0, requires_grad=True)
    maths = mt.trace(w * w).data["math"]
    assert any("+=" in text for text in maths)
    maths = mt.trace(w * 3).data["math"]
    assert not any("+=" in text for text in maths)
