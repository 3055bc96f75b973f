"""Where derivatives are delicate: zeros in products, ties, NaN, -inf in log-sum-exp, flat norms, empty reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

inf, nan = np.inf, np.nan


def compare(ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: Any, order: int = 1) -> None:
    """Value and gradients are PyTorch's, NaN and infinities included."""
    for dtype in ("float64", "float32"):
        xs = [mt.tensor(np.array(a, dtype), requires_grad=True) for a in arrays]
        ts = [torch.tensor(np.array(a, dtype), requires_grad=True) for a in arrays]
        y, z = ours(*xs), theirs(*ts)
        tolerance = {"float64": 1e-12, "float32": 1e-5}[dtype]
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=tolerance, atol=tolerance)
        weights = np.linspace(0.5, 1.5, y.numel()).reshape(y.shape).astype(dtype)
        for _ in range(order):
            gs = mt.grad(y, xs, mt.tensor(weights), create_graph=True, materialize_grads=True)
            hs = torch.autograd.grad(z, ts, torch.tensor(weights), create_graph=True, allow_unused=True)
            hs = [torch.zeros_like(t) if h is None else h for t, h in zip(ts, hs, strict=True)]
            for g, h in zip(gs, hs, strict=True):
                np.testing.assert_allclose(
                    g.detach().numpy(), h.detach().numpy(force=True), rtol=10 * tolerance, atol=10 * tolerance
                )
            y = sum((g * g).sum() for g in gs)
            z = sum((h * h).sum() for h in hs)
            weights = np.ones((), dtype)
            if not (y.requires_grad and z.requires_grad):
                np.testing.assert_allclose(y.item(), z.item(), rtol=1e-4)
                return


LOGITS = [
    [[0.0, 1.0, 2.0], [-inf, 0.0, 1.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]],
    [[-inf, -inf, -inf], [0.0, 0.0, 0.0]],
    [[inf, 0.0, 1.0], [inf, -inf, 0.0], [inf, inf, 0.0]],
    [[nan, 0.0, 1.0], [0.0, 1.0, 2.0]],
    [[1e30, 0.0], [-1e30, 1.0]],
]


@pytest.mark.parametrize("x", LOGITS)
def test_softmax(x: Any) -> None:
    compare(lambda x: mt.softmax(x, 1), lambda x: torch.softmax(x, 1), x)
    compare(lambda x: mt.log_softmax(x, 1), lambda x: torch.log_softmax(x, 1), x)


@pytest.mark.parametrize("x", LOGITS[:1] + LOGITS[2:])  # where all are -inf, our gradient is 0 and PyTorch's NaN
def test_logsumexp(x: Any) -> None:
    compare(lambda x: mt.logsumexp(x, 1), lambda x: torch.logsumexp(x, 1), x)
    compare(lambda x: mt.logsumexp(x, (0, 1), keepdim=True), lambda x: torch.logsumexp(x, (0, 1), keepdim=True), x)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("x", LOGITS)
def test_cross_entropy_of_extreme_logits(x: Any, reduction: str) -> None:
    labels = np.arange(len(x)) % 2
    compare(
        lambda x: mt.cross_entropy(x, mt.tensor(labels), reduction=reduction),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(labels), reduction=reduction),
        x,
    )


def test_cross_entropy_second_order() -> None:
    labels = np.array([0, 2, 1])
    compare(
        lambda x: mt.cross_entropy(x, mt.tensor(labels)),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(labels)),
        [[1.0, 2, 3], [0.5, 0, -1], [3, 3, 3]],
        order=2,
    )


def test_cross_entropy_where_nothing_counts() -> None:
    compare(
        lambda x: mt.cross_entropy(x, mt.tensor([1, 1]), ignore_index=1),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor([1, 1]), ignore_index=1),
        [[1.0, 2], [3, 4]],
    )
    compare(
        lambda x: mt.cross_entropy(x, mt.zeros(0, dtype=int)),
        lambda x: torch.nn.functional.cross_entropy(x, torch.zeros(0, dtype=torch.long)),
        np.zeros((0, 3)),
    )


def test_cross_entropy_ignores_rows_with_infinite_loss() -> None:
    x = [[0.0, -inf], [1.0, 2.0]]
    compare(
        lambda x: mt.cross_entropy(x, mt.tensor([-100, 1])),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor([-100, 1])),
        x,
    )


@pytest.mark.parametrize("x", [[1e4, -1e4, 0.0, 50.0], [1e30, -1e30, nan, -0.0]])
def test_binary_cross_entropy_of_extreme_logits(x: Any) -> None:
    target = [0.0, 1.0, 0.5, 1.0]
    ours, theirs = mt.binary_cross_entropy_with_logits, torch.nn.functional.binary_cross_entropy_with_logits
    compare(
        lambda x: ours(x, mt.tensor(target), reduction="none"),
        lambda x: theirs(x, torch.tensor(target).to(x), reduction="none"),
        x,
    )
    weight = [2.0, 3.0, 0.5, 1.0]
    compare(
        lambda x: ours(x, mt.tensor(target), reduction="none", pos_weight=mt.tensor(weight)),
        lambda x: theirs(x, torch.tensor(target).to(x), reduction="none", pos_weight=torch.tensor(weight).to(x)),
        [1e4, -1e4, 0.0, 50.0],
    )


ZEROS = [
    [[0.0, 2.0, 3.0]],
    [[0.0, 0.0, 3.0]],
    [[0.0, 0.0, 0.0]],
    [[2.0, 3.0, 4.0], [0.0, 5.0, 0.0]],
    [[-0.0, 1.0, 2.0]],
]


@pytest.mark.parametrize("x", ZEROS)
def test_products_with_zeros(x: Any) -> None:
    compare(lambda x: mt.prod(x, 1), lambda x: torch.prod(x, 1), x, order=2)
    compare(mt.prod, torch.prod, x, order=2)
    compare(lambda x: mt.cumprod(x, 1), lambda x: torch.cumprod(x, 1), x, order=2)
    compare(lambda x: mt.cumprod(x, 0), lambda x: torch.cumprod(x, 0), x, order=2)


TIES = [
    [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]],
    [[0.0, -0.0, -1.0], [inf, inf, 0.0]],
    [[-inf, -inf, -inf], [-inf, 0.0, 0.0]],
]


@pytest.mark.parametrize("x", TIES)
@pytest.mark.parametrize("name", ["amax", "amin"])
def test_ties_share(name: str, x: Any) -> None:
    ours, theirs = getattr(mt, name), getattr(torch, name)
    compare(lambda x: ours(x, 1), lambda x: theirs(x, 1), x)
    compare(lambda x: ours(x, (0, 1), True), lambda x: theirs(x, (0, 1), True), x)


@pytest.mark.parametrize("x", [*TIES, [[nan, 1.0, nan], [0.0, 1.0, 2.0]]])
@pytest.mark.parametrize("name", ["max", "min", "median"])
def test_ties_and_nan_over_everything(name: str, x: Any) -> None:
    compare(getattr(mt, name), getattr(torch, name), x)


@pytest.mark.parametrize("x", [*TIES, [[nan, 1.0, nan], [0.0, nan, 2.0]]])
@pytest.mark.parametrize("name", ["max", "min"])
def test_the_first_of_equals_is_picked(name: str, x: Any) -> None:
    compare(lambda x: getattr(mt, name)(x, 1).values, lambda x: getattr(torch, name)(x, 1).values, x)
    a, t = np.array(x), torch.tensor(x)
    assert getattr(mt, name)(mt.tensor(a), 1).indices.tolist() == getattr(torch, name)(t, 1).indices.tolist()
    arg = f"arg{name}"
    assert getattr(mt, arg)(mt.tensor(a), 1).tolist() == getattr(torch, arg)(t, 1).tolist()
    assert getattr(mt, arg)(mt.tensor(a)).item() == getattr(torch, arg)(t).item()


@pytest.mark.parametrize("descending", [False, True])
def test_sorting_nan_and_ties(descending: bool) -> None:
    x = [[2.0, nan, 1.0, 2.0], [inf, -inf, nan, nan], [0.0, -0.0, 0.0, 1.0]]
    compare(
        lambda x: mt.sort(x, 1, descending).values,
        lambda x: torch.sort(x, dim=1, descending=descending, stable=True)[0],
        x,
    )
    ours, theirs = (
        mt.sort(mt.tensor(x), 1, descending),
        torch.sort(torch.tensor(x), dim=1, descending=descending, stable=True),
    )
    assert ours.indices.tolist() == theirs.indices.tolist()
    assert mt.argsort(mt.tensor(x), 1, descending).tolist() == theirs.indices.tolist()


def test_topk_and_nan() -> None:
    x = [[2.0, nan, 1.0, 3.0]]
    compare(lambda x: mt.topk(x, 3, 1).values, lambda x: torch.topk(x, 3, 1).values, x)
    compare(lambda x: mt.topk(x, 2, 1, largest=False).values, lambda x: torch.topk(x, 2, 1, largest=False).values, x)


def test_median_with_nan_along_an_axis() -> None:
    x = [[2.0, nan, 1.0], [3.0, 1.0, 2.0]]
    compare(lambda x: mt.median(x, 1).values, lambda x: torch.median(x, 1).values, x)


@pytest.mark.parametrize("p", [1, 2, 3, 1.5, inf, -inf, 0.5])
@pytest.mark.parametrize("x", [[0.0, 0.0, 0.0], [0.0, 2.0, -1.0], [1e-10, 0.0, -1e-10], [3.0, -3.0, 1.0]])
def test_norms_at_zeros_and_ties(p: float, x: Any) -> None:
    compare(lambda x: mt.norm(x, p), lambda x: torch.linalg.vector_norm(x, p), x)
    compare(lambda x: mt.norm(x.reshape(1, -1), p, 0), lambda x: torch.linalg.vector_norm(x.reshape(1, -1), p, 0), x)


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("x", [[[2.0, 2.0, 2.0]], [[0.25, 0.25, 0.25]], [[1.0, nan, 2.0]], [[64.0, 65.0, 66.5]]])
def test_spread_of_equal_numbers(name: str, x: Any) -> None:
    ours, theirs = getattr(mt, name), getattr(torch, name)
    compare(lambda x: ours(x, 1), lambda x: theirs(x, 1), x)
    compare(lambda x: ours(x, 0, correction=0), lambda x: theirs(x, 0, correction=0), x)


def test_spread_of_one_number() -> None:
    for name in ("var", "std"):
        value = getattr(mt, name)(mt.tensor([3.0]))
        assert np.isnan(value.item())


def test_where_with_nan_in_the_other_branch() -> None:
    x = [1.0, 4.0, nan, inf]
    mask = np.array([True, True, False, False])
    compare(
        lambda x: mt.where(mt.tensor(mask), x, 0.0),
        lambda x: torch.where(torch.tensor(mask), x, torch.zeros((), dtype=x.dtype)),
        x,
    )
    compare(lambda x: x.masked_fill(mt.tensor(~mask), 0.0), lambda x: x.masked_fill(torch.tensor(~mask), 0.0), x)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_reductions_of_nothing(shape: Any) -> None:
    x = np.zeros(shape)
    for name in ("sum", "mean", "prod"):
        compare(getattr(mt, name), getattr(torch, name), x)
        compare(lambda x, name=name: getattr(mt, name)(x, 0), lambda x, name=name: getattr(torch, name)(x, 0), x)
    for name in ("any", "all"):
        assert getattr(mt, name)(mt.tensor(x)).item() == getattr(torch, name)(torch.tensor(x)).item()
    compare(lambda x: mt.norm(x, 2, 0), lambda x: torch.linalg.vector_norm(x, 2, 0), x)
    compare(lambda x: mt.logsumexp(x, 0), lambda x: torch.logsumexp(x, 0), x)
    compare(lambda x: mt.cumsum(x, 0), lambda x: torch.cumsum(x, 0), x)
    compare(lambda x: mt.cumprod(x, 0), lambda x: torch.cumprod(x, 0), x)
    compare(lambda x: mt.sort(x, 0)[0], lambda x: torch.sort(x, 0)[0], x)
    compare(lambda x: mt.softmax(x, 0), lambda x: torch.softmax(x, 0), x)


def test_powers_of_zero_and_of_negative_numbers() -> None:
    compare(mt.pow, torch.pow, [0.0, 0.0, 0.0, 2.0, -2.0, -2.0], [0.0, 1.0, 2.0, 0.0, 0.0, 3.0])
    compare(lambda x: x**3, lambda x: x**3, [0.0, -1.5], order=2)
    compare(lambda x: x**2, lambda x: x**2, [0.0, -1.5], order=2)
    compare(lambda x: x**1, lambda x: x**1, [0.0, -1.5], order=2)
    compare(lambda x: x**0, lambda x: x**0, [0.0, nan, inf], order=2)


def test_powers_of_zero_twice_differentiated() -> None:
    """PyTorch's second derivative in the exponent is NaN at 0; ours is that of 0^b = 0."""
    a, b = mt.tensor([0.0], requires_grad=True), mt.tensor([2.0], requires_grad=True)
    ga, gb = mt.grad((a**b).sum(), [a, b], create_graph=True)
    second = mt.grad(ga.sum() + gb.sum(), [a, b])
    assert [s.tolist() for s in second] == [[2.0], [0.0]]


def test_determinants_of_singular_matrices() -> None:
    for x in ([[1.0, 2], [2, 4]], [[0.0, 0, 0], [0, 1, 2], [0, 3, 4]], [[0.0]]):
        compare(mt.det, torch.linalg.det, x)
    compare(mt.det, torch.linalg.det, [[[1.0, 2], [2, 4]], [[1, 2], [3, 4]]])


def test_determinant_of_a_matrix_of_zeros() -> None:
    """PyTorch's gradient for rank n - 2 and below is not exactly 0; ours is."""
    x = mt.zeros(3, 3, requires_grad=True)
    x.det().backward()
    assert x.grad.tolist() == np.zeros((3, 3)).tolist()


THRICE: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[Any]]] = {
    "tanh": (mt.tanh, torch.tanh, [[0.3, -0.7]]),
    "sigmoid": (mt.sigmoid, torch.sigmoid, [[0.3, -0.7]]),
    "gelu": (mt.gelu, torch.nn.functional.gelu, [[0.3, -0.7]]),
    "log": (mt.log, torch.log, [[0.3, 0.7]]),
    "pow": (mt.pow, torch.pow, [[0.3, 0.7], [2.0, 1.5]]),
    "div": (mt.div, torch.div, [[0.3, 0.7], [2.0, 1.5]]),
    "softmax": (lambda x: mt.softmax(x, 0), lambda x: torch.softmax(x, 0), [[0.3, -0.7, 1.0]]),
    "logsumexp": (lambda x: mt.logsumexp(x, 0), lambda x: torch.logsumexp(x, 0), [[0.3, -0.7, 1.0]]),
    "prod": (mt.prod, torch.prod, [[0.3, -0.7, 1.5]]),
    "prod with a zero": (mt.prod, torch.prod, [[0.3, 0.0, 1.5]]),
    "cumprod": (lambda x: mt.cumprod(x, 0), lambda x: torch.cumprod(x, 0), [[0.3, -0.7, 1.5]]),
    "std": (mt.std, torch.std, [[0.3, -0.7, 1.5]]),
    "norm": (mt.norm, torch.linalg.vector_norm, [[0.3, -0.7, 1.5]]),
    "matmul": (mt.matmul, torch.matmul, [[[0.3, -0.7], [1.5, 0.2]], [[0.5, 0.1], [0.4, -0.2]]]),
    "inv": (mt.inv, torch.linalg.inv, [[[1.3, -0.7], [0.5, 2.0]]]),
    "det": (mt.det, torch.linalg.det, [[[1.3, -0.7], [0.5, 2.0]]]),
    "eigvalsh": (
        lambda x: mt.eigvalsh(x + x.mT),
        lambda x: torch.linalg.eigvalsh(x + x.mT),
        [[[1.3, -0.7], [0.5, 2.0]]],
    ),
    "getitem": (lambda x: (x * x)[[0, 0, 1]], lambda x: (x * x)[[0, 0, 1]], [[0.3, -0.7, 1.5]]),
}


@pytest.mark.parametrize("name", THRICE)
def test_three_times_differentiated(name: str) -> None:
    ours, theirs, arrays = THRICE[name]
    compare(ours, theirs, *arrays, order=3)


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "hardtanh"])
def test_infinite_gradients_at_kinks(name: str) -> None:
    """0 times infinity is not computed where the slope is 0: the gradient of sqrt(relu(x)) left of 0 is 0."""
    x = [-1.0, 0.0, 2.0, nan]
    compare(lambda x: getattr(mt, name)(x) * mt.tensor(inf), lambda x: getattr(torch.nn.functional, name)(x) * inf, x)
    compare(lambda x: mt.relu(x).sqrt(), lambda x: torch.relu(x).sqrt(), [-1.0, 2.0])


def test_logsumexp_of_nothing_has_slope_0() -> None:
    """Here we differ from PyTorch, whose gradient is NaN; the row says so."""
    x = mt.full((2, 3), -inf, requires_grad=True)
    mt.logsumexp(x, 1).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0.0] * 3] * 2
