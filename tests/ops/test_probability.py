"""Softmax, cross entropy and dropout: against their formulas, and where the naive formulas fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt

from .helpers import check_derivatives

inf, nan = np.inf, np.nan


def logits(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape)


def surprise(x: Any, labels: Any) -> Any:
    """-ln softmax(x)[label] of each row, naively."""
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    return -np.log(p[np.arange(len(x)), labels])


def test_softmax_of_extreme_logits() -> None:
    x = mt.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [0.0, -inf, 0.0]])
    np.testing.assert_allclose(mt.softmax(x, 1).numpy(), [[1, 0, 0], [1 / 3] * 3, [0.5, 0, 0.5]])
    np.testing.assert_allclose(
        mt.log_softmax(x, 1).numpy(), [[0, -2e4, -1e4], [-np.log(3)] * 3, [-np.log(2), -inf, -np.log(2)]]
    )
    assert np.isnan(mt.softmax(mt.full((2,), -inf), 0).numpy()).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_of_extreme_logits(dtype: str) -> None:
    x = mt.tensor(np.array([[1e4, 0.0], [0.0, 1e4], [1e30, -1e30]], dtype), requires_grad=True)
    y = mt.cross_entropy(x, mt.tensor([0, 0, 0]), reduction="none")
    np.testing.assert_allclose(y.detach().numpy(), [0.0, 1e4, 0.0])
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0.0, 0.0], [-1.0, 1.0], [0.0, 0.0]]


def test_cross_entropy_and_its_options() -> None:
    x, labels = logits(4, 3), np.array([2, 0, 1, 2])
    losses, weights = surprise(x, labels), np.array([1.0, 2.0, 0.5])
    t, k = mt.tensor(x), mt.tensor(labels)

    def ours(**options: Any) -> Any:
        return mt.cross_entropy(t, k, **options).numpy()

    np.testing.assert_allclose(ours(), losses.mean())
    np.testing.assert_allclose(ours(reduction="sum"), losses.sum())
    np.testing.assert_allclose(ours(reduction="none"), losses)
    w = weights[labels]
    np.testing.assert_allclose(ours(weight=mt.tensor(weights)), (w * losses).sum() / w.sum())
    np.testing.assert_allclose(ours(weight=mt.tensor(weights), reduction="none"), w * losses)
    np.testing.assert_allclose(ours(ignore_index=2), losses[1:3].mean())
    np.testing.assert_allclose(ours(ignore_index=2, reduction="none"), [0, *losses[1:3], 0])
    all_classes = np.stack([surprise(x, np.full(4, c)) for c in range(3)], 1)
    np.testing.assert_allclose(ours(label_smoothing=0.3), (0.7 * losses + 0.3 * all_classes.mean(1)).mean())
    assert np.isnan(mt.cross_entropy(t, mt.tensor([-100] * 4)).item())


def test_cross_entropy_of_probabilities_of_one_hot_rows_is_that_of_labels() -> None:
    x, labels = mt.tensor(logits(4, 3)), mt.tensor([2, 0, 1, 2])
    soft = mt.one_hot(labels, 3).double()
    for options in ({}, {"reduction": "sum"}, {"label_smoothing": 0.2}):
        np.testing.assert_allclose(
            mt.cross_entropy(x, soft, **options).item(), mt.cross_entropy(x, labels, **options).item(), rtol=1e-12
        )


@pytest.mark.parametrize("layout", ["C", "F"])
def test_classes_are_axis_one_of_any_number_of_axes(layout: Any) -> None:
    x = np.array(logits(2, 3, 4, 2), order=layout)
    labels = np.random.default_rng(1).integers(0, 3, (2, 4, 2))
    flat = np.moveaxis(x, 1, -1).reshape(-1, 3)
    losses = mt.cross_entropy(mt.tensor(x), mt.tensor(labels), reduction="none")
    np.testing.assert_allclose(losses.numpy(), surprise(flat, labels.reshape(-1)).reshape(2, 4, 2))
    check_derivatives(lambda x: mt.cross_entropy(x, mt.tensor(labels), reduction="none"), [x])
    assert mt.cross_entropy(mt.tensor(x[0, :, 0, 0]), mt.tensor(1)).shape == ()


def test_labels_may_be_lists_and_arrays() -> None:
    x = mt.tensor(logits(2, 3), requires_grad=True)
    expected = mt.cross_entropy(x, mt.tensor([0, 2])).item()
    assert mt.cross_entropy(x, [0, 2]).item() == mt.cross_entropy(x, np.array([0, 2])).item() == expected
    assert mt.cross_entropy(x, np.array([0, 2], np.uint8)).item() == expected


def test_binary_cross_entropy_is_finite_for_any_logit() -> None:
    x = mt.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    y = mt.binary_cross_entropy_with_logits(x, mt.tensor([1.0, 0.0, 0.0, 1.0]), reduction="none")
    assert y.tolist() == [0.0, 0.0, 1e4, 1e4]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 0.0, 1.0, -1.0]
    weighted = mt.binary_cross_entropy_with_logits(x, mt.ones(4), reduction="none", pos_weight=mt.tensor(3.0))
    assert weighted.tolist() == [0.0, 3e4, 0.0, 3e4]


def test_saturated_activations_have_no_nan() -> None:
    x = mt.tensor([-1e4, -800.0, -40.0, 0.0, 40.0, 800.0, 1e4], requires_grad=True)
    for f in (mt.sigmoid, mt.logsigmoid, mt.softplus, mt.tanh, mt.gelu, mt.silu, mt.mish, mt.elu, mt.selu, mt.softsign):
        y = f(x)
        (g,) = mt.grad(y.sum(), [x], create_graph=True)
        (h,) = mt.grad((g * g).sum(), [x], materialize_grads=True)
        for values in (y, g, h):
            assert np.isfinite(values.detach().numpy()).all(), f
    assert mt.logsigmoid(x).tolist()[0] == -1e4
    assert mt.softplus(x).tolist()[-1] == 1e4


# ---- dropout ---------------------------------------------------------------------------------------------------------


def test_dropout_keeps_the_expected_value() -> None:
    x = mt.ones(200, 100)
    y = mt.dropout(x, 0.2, generator=mt.Generator(1)).numpy()
    assert set(np.unique(y)) == {0.0, 1.25}
    assert abs((y == 0).mean() - 0.2) < 0.01
    assert abs(y.mean() - 1) < 0.02


def test_dropout_drops_the_same_in_the_gradient() -> None:
    x = mt.ones(50, requires_grad=True)
    y = mt.dropout(x, 0.5, generator=mt.Generator(1))
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == y.tolist()
    check_derivatives(lambda x: mt.dropout(x * x, 0.5, generator=mt.Generator(1)), [logits(10)])


def test_dropout_is_drawn_from_its_generator_alike_in_every_dtype() -> None:
    x = mt.ones(50)
    a = mt.dropout(x, generator=mt.Generator(7)).tolist()
    assert mt.dropout(x, generator=mt.Generator(7)).tolist() == a
    assert mt.dropout(x.float(), generator=mt.Generator(7)).tolist() == a
    assert mt.dropout(x, generator=mt.Generator(8)).tolist() != a
    mt.manual_seed(7)
    assert mt.dropout(x).tolist() == a
    assert mt.dropout(x.float(), 0.3).dtype == np.float32


def test_dropout_at_its_ends() -> None:
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    assert mt.dropout(x, 0.5, training=False) is x
    assert mt.dropout(x, 0.0).tolist() == [1.0, 2.0]
    y = mt.dropout(x, 1.0)
    assert y.tolist() == [0.0, 0.0]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 0.0]
    before = mt.Generator(3)
    mt.dropout(x, 0.5, training=False, generator=before)
    assert before.get_state() == mt.Generator(3).get_state()  # nothing was drawn


def test_softmax_without_axes() -> None:
    for f, value in ((mt.softmax, 1.0), (mt.log_softmax, 0.0)):
        assert f(mt.tensor(3.0), 0).item() == f(mt.tensor(3.0), -1).item() == value
        with pytest.raises(IndexError, match="dim 1 does not exist"):
            f(mt.tensor(3.0), 1)
