"""What must hold for every row of the operation table: values, derivatives, dtypes, memory, symbols."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain.engine.walk import own
from microtrain.formula import Expr, python_function, trace
from microtrain.ops.primitive import FUNCTIONS, INPLACE, METHODS, TABLE, Primitive

from .case import Case, flat, leaf
from .cases import CASES
from .helpers import check_derivatives, examples, nodes_behind

NOT_IN_CASES: dict[str, str] = {}  # rows that no case reaches, with the reason
NEVER_DIFFERENTIATED: list[tuple[str, int]] = []


@pytest.mark.parametrize("case", [case for case in CASES if case.numpy], ids=repr)
def test_values_equal_numpy(case: Case) -> None:
    for arrays, params in examples(case, 6):
        y = case.ours(*map(leaf, arrays), **params)
        expected = case.numpy(*(np.array(a) for a in arrays), **params)  # type: ignore[misc]
        assert y.shape == np.shape(expected)
        assert y.dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(
            y.detach().numpy(), expected, rtol=1e-12 * case.tolerance, atol=1e-13 * case.tolerance
        )


@pytest.mark.parametrize("case", [case for case in CASES if case.order and case.differences], ids=repr)
def test_derivatives_equal_finite_differences(case: Case) -> None:
    for arrays, params in examples(case, 4):
        check_derivatives(lambda *xs, p=params: case.ours(*xs, **p), arrays, case.order, case.tolerance)


class Spy:
    """Listens at the door, and checks what every row owes to the engine."""

    def __init__(self) -> None:
        self.forwards: set[str] = set()
        self.backwards: set[tuple[str, int]] = set()

    def forward(self, primitive: Primitive, inputs: Any, params: Any, output: Any, node: Any) -> None:
        self.forwards.add(primitive.name)
        value = output._data
        assert isinstance(value, (np.ndarray, np.generic)), primitive
        if not primitive.view:
            for x in inputs:
                data = getattr(x, "_data", x)
                if isinstance(data, np.ndarray):
                    assert not np.shares_memory(value, data), f"{primitive} hands out the memory of its input"

    def backward(self, node: Any, slot: int, upstream: Any, gradient: Any) -> None:
        self.backwards.add((node.primitive.name, 0 if node.primitive.variadic else node.plan.wanted[slot]))


def run(case: Case, dtype: str, count: int = 8) -> Spy:
    """The case forwards, backwards, and backwards again."""
    spy = Spy()
    with mt.listen(spy):
        for arrays, params in examples(case, count, dtype):
            xs = [leaf(a) for a in arrays]
            ys = [y for y in flat(case.ours(*xs, **params)) if y.requires_grad]
            floats = [x for x in xs if x.requires_grad]
            if ys and floats:
                seeds = [mt.ones_like(y, requires_grad=True) for y in ys]
                gs = mt.grad(ys, floats, seeds, create_graph=True, materialize_grads=True)
                gs = [g for g in gs if g.requires_grad]
                if gs and case.order > 1:
                    mt.grad(
                        gs, [*floats, *seeds], [mt.ones_like(g) for g in gs], create_graph=True, materialize_grads=True
                    )
    return spy


def test_every_row_is_reached() -> None:
    """Every row by the forward pass of some case, and every derivative of every row by some backward pass."""
    spies = [run(case, "float64") for case in CASES]
    forwards = set().union(*(spy.forwards for spy in spies))
    backwards = set().union(*(spy.backwards for spy in spies))
    assert set(TABLE) - forwards == set(NOT_IN_CASES)
    missing = [
        (name, i)
        for name, row in TABLE.items()
        for i, vjp in enumerate(row.vjps)
        if vjp is not None and (name, i) not in backwards
    ]
    assert missing == NEVER_DIFFERENTIATED


def test_rows_are_called_what_the_table_calls_them() -> None:
    """In Python `name`, or `name_row` where the public function has that name."""
    for name, row in TABLE.items():
        modules = (getattr(mt.ops, module) for module in mt.ops.__all__)
        called = {each for module in modules for each, value in vars(module).items() if value is row}
        assert called & {name, f"{name.rstrip('_')}_row"}, f"{name} is called {called}"


# A Python number as the base has no dtype: its logarithm is float64, and the walk converts the gradient.
IN_FLOAT64 = {"pow of 2", "pow of 0"}


@pytest.mark.parametrize("case", [case for case in CASES if case.order], ids=repr)
def test_gradients_are_owned_and_stay_in_float32(case: Case) -> None:
    """A vjp returns new memory, a view, or g itself (then `own` copies it); never an array that the node keeps."""
    for arrays, params in examples(case, 4, "float32"):
        ys = [y for y in flat(case.ours(*map(leaf, arrays), **params)) if y.requires_grad]
        for node in nodes_behind(ys):
            g = np.ones(node.shape, node.dtype)
            kept = node.checked_kept()
            for vjp in node.plan.vjps:
                gradient = vjp(g, kept, node.params)
                expected = node.dtype if node.primitive.name == "to" else np.float32
                assert gradient.dtype == expected or case.name in IN_FLOAT64, node
                mine = own(gradient, g)
                for other in (g, *kept):
                    if isinstance(other, np.ndarray) and isinstance(mine, np.ndarray):
                        assert not np.shares_memory(mine, other), node


ELEMENTWISE = [row for row in TABLE.values() if row.elementwise]


@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_elementwise_rows_read_symbols(row: Primitive) -> None:
    """The formula and its derivatives, traced and printed as Python, compute what the row computes."""
    rng = np.random.default_rng(0)
    if row.name.startswith(("bitwise", "logical")):
        values = {name: rng.random(5) > 0.5 for name in row.inputs}
    else:
        values = {
            name: rng.uniform(1.1, 1.9, 5) if row.name == "acosh" else rng.uniform(0.1, 0.9, 5) for name in row.inputs
        }
    if "n" in values:
        values["n"] = np.ones(5)  # the order of a derivative
    y = row(*values.values())
    symbols = [Expr(name) for name in row.inputs]
    traced = python_function("forward", symbols, row(*symbols))
    np.testing.assert_array_equal(traced(*values.values()), y)
    g = rng.uniform(-1, 1, 5)
    for vjp in row.vjps:
        if vjp is not None:
            symbols, expression = trace(vjp)
            known = {"y": y, **values}
            arguments = [g, *(known[name] for name in list(inspect.signature(vjp).parameters)[1:])]
            read = python_function("vjp", symbols, expression)(*arguments)
            np.testing.assert_allclose(read, vjp(*arguments), rtol=1e-15)


FUNCTION_NAMES = """
    add sub mul div pow remainder floor_divide neg abs sign exp expm1 log log1p log2 log10 sqrt rsqrt square reciprocal
    sin cos tan asin acos atan atan2 arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh sigmoid
    logsigmoid softplus softsign relu leaky_relu prelu elu selu celu gelu silu mish hardtanh relu6 erf floor ceil round
    clamp clip minimum maximum where lerp sum mean prod var std max min amax amin argmax argmin logsumexp norm cumsum
    cumprod any all median sort argsort topk reshape flatten squeeze unsqueeze expand_dims transpose swapaxes permute
    broadcast_to cat concatenate concat stack split chunk unbind pad flip roll repeat tile diag tril triu gather
    scatter_add take_along_dim index_select masked_fill masked_select one_hot matmul dot outer einsum trace inv solve
    det slogdet cholesky eigvalsh softmax log_softmax cross_entropy binary_cross_entropy_with_logits linear dropout
    eq ne lt le gt ge logical_and logical_or logical_not isnan isinf isfinite allclose equal power multiply subtract
    divide negative absolute
"""
WITHOUT_METHOD = """
    dropout cat concatenate concat stack pad one_hot einsum solve cross_entropy binary_cross_entropy_with_logits linear
"""
OTHER_METHODS = "view expand expand_as T mT t item tolist numpy add_ mul_ clamp_ relu_ masked_fill_ scatter_add_"


def test_what_pytorch_and_numpy_call_it() -> None:
    """The functions and methods that must exist."""
    functions = FUNCTION_NAMES.split()
    assert [name for name in functions if not callable(getattr(mt, name, None))] == []
    methods = set(functions) - set(WITHOUT_METHOD.split()) | set(OTHER_METHODS.split())
    assert [name for name in sorted(methods) if not hasattr(mt.Tensor, name)] == []


def test_published_names_have_a_docstring() -> None:
    assert [name for name, f in FUNCTIONS.items() if not getattr(mt, name).__doc__] == []
    assert [name for name in METHODS if not getattr(mt.Tensor, name).__doc__] == []
    assert all(name in METHODS for name in INPLACE)
