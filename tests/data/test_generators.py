"""The book's points and distributions: exact where they are exact, reproducible where they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import data
from microtrain.errors import ArgumentError, ShapeError

DRAWN = [
    data.make_line, data.make_gabor, data.make_collinear, data.make_regression, data.make_moons, data.make_spirals,
    data.make_blobs, data.make_imbalanced, data.make_separable, data.make_xor, data.make_wilson,
]  # fmt: skip


def arrays(samples: data.Samples) -> tuple[np.ndarray, np.ndarray]:
    return samples.inputs.numpy(), samples.targets.numpy()


@pytest.mark.parametrize("points", [(data.line_points, 12, mt.nn.Line, 12.366904),
                                    (data.gabor_points, 30, mt.nn.Gabor, 16.41882510762854)])  # fmt: skip
def test_the_books_points_have_the_books_losses(points):
    load, count, model, loss = points
    x, y = load()
    assert x.shape == y.shape == (count,)
    assert ((model(0.6, -0.2)(x) - y) ** 2).sum().item() == pytest.approx(loss, abs=1e-12)


def test_the_line_is_fitted_best_where_least_squares_says():
    x, y = arrays(data.line_points())
    slope, intercept = np.polyfit(x, y, 1)
    model = mt.nn.LinearRegression(1).solve(x[:, None], y)
    assert model.weight.item() == pytest.approx(slope) and model.bias.item() == pytest.approx(intercept)


@pytest.mark.parametrize("make", DRAWN, ids=lambda f: f.__name__)
def test_the_generator_alone_decides(make):
    first, again = (arrays(make(generator=mt.Generator(3))) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(arrays(make(generator=mt.Generator(4)))[0], first[0])
    mt.manual_seed(3)
    np.testing.assert_array_equal(arrays(make())[0], first[0])
    samples = make(generator=mt.Generator(0))
    assert len(samples.inputs) == len(samples.targets) and repr(samples).startswith("<Samples: ")
    assert isinstance(data.TensorDataset(*samples)[0], tuple)


@pytest.mark.parametrize("make", DRAWN, ids=lambda f: f.__name__)
def test_no_samples_no_data(make):
    with pytest.raises(ArgumentError, match="at least"):
        make((0, 5) if make is data.make_imbalanced else 0)


def test_collinear_columns_have_exactly_the_correlation():
    x, y = arrays(data.make_collinear(200, 0.9, generator=mt.Generator(1)))
    np.testing.assert_allclose(x.T @ x / 200, [[1, 0.9], [0.9, 1]], atol=1e-12)
    np.testing.assert_allclose(y, x @ [1, -1])
    with pytest.raises(ArgumentError, match="correlation"):
        data.make_collinear(rho=1.1)


def test_gabor_noise_and_range():
    x, y = arrays(data.make_gabor(20000, generator=mt.Generator(0)))
    u = 0.06 * 16.6 * x
    assert np.std(y - np.sin(u) * np.exp(-u * u / 32)) == pytest.approx(0.15, rel=0.02)
    assert -15 <= x.min() < -14.9 and 14.9 < x.max() <= 15
    x, y = arrays(data.make_line(20000, noise=0.2, generator=mt.Generator(0)))
    assert np.std(y - 0.7 - 0.55 * x) == pytest.approx(0.2, rel=0.02) and (np.diff(x) >= 0).all()


def test_rows_of_length_one():
    x, _ = arrays(data.make_regression(50, 4, 0.0, unit_rows=True))
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1)


def test_moons_and_spirals_without_noise_lie_on_their_curves():
    x, y = arrays(data.make_moons(51, 0.0))
    np.testing.assert_allclose(np.linalg.norm(x[y == 0], axis=1), 1)
    np.testing.assert_allclose(np.linalg.norm(x[y == 1] - [1, 0.5], axis=1), 1)
    assert (y == 0).sum() == 25 and (x[y == 0][:, 1] >= -1e-12).all()
    x, y = arrays(data.make_spirals(300, noise=0.0, generator=mt.Generator(0)))
    radius = np.linalg.norm(x, axis=1)
    angle = 2.5 * (radius / 2 - 0.1) + 2 * np.pi * y / 3
    np.testing.assert_allclose(x, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-12)
    assert np.bincount(y).tolist() == [100, 100, 100]


def test_blobs_sit_on_their_centers():
    centers = [[0.0, 10], [5, 5]]
    x, y = arrays(data.make_blobs(4000, centers, spread=0.5, generator=mt.Generator(0)))
    for k, center in enumerate(centers):
        np.testing.assert_allclose(x[y == k].mean(0), center, atol=0.05)
        np.testing.assert_allclose(x[y == k].std(0), 0.5, atol=0.03)
    assert arrays(data.make_blobs(10, 4, d=7))[0].shape == (10, 7)
    with pytest.raises(ShapeError, match="classes, d"):
        data.make_blobs(10, [1.0, 2.0])


def test_imbalanced_separable_and_xor():
    x, y = arrays(data.make_imbalanced(generator=mt.Generator(0)))
    assert np.bincount(y).tolist() == [1900, 100]
    np.testing.assert_allclose(x[y == 1].mean(0), 1.5, atol=0.3)
    x, y = arrays(data.make_separable(generator=mt.Generator(0)))
    assert x.shape == (91, 3) and (x[:, 2] == 1).all()  # the book's seed 0 leaves 91 points
    margin = x @ [2, -1, 0.5]
    assert (np.abs(margin) > 0.3).all() and ((margin > 0) == y).all()
    x, y = arrays(data.make_xor(200))
    assert ((x[:, 0] * x[:, 1] > 0) == y).all()


def test_wilsons_data_have_a_rule_that_generalises_and_features_that_do_not():
    x, y = arrays(data.make_wilson(40, generator=mt.Generator(0)))
    assert x.shape == (40, 203) and set(y) == {-1, 1}
    np.testing.assert_array_equal(x[:, 0], y)
    np.testing.assert_array_equal(x[:, 1:3], 1)
    np.testing.assert_array_equal(x[:, 3:].sum(1), np.where(y > 0, 1, 5))
    assert (x[:, 3:].sum(0) <= 1).all()


def test_an_epoch_shows_each_sample_once_in_an_order_of_its_seed():
    samples = data.make_blobs(23, generator=mt.Generator(0))
    numbered = data.TensorDataset(samples.inputs, mt.tensor(np.arange(23)))

    def orders(seed: int, epochs: int) -> list[list[int]]:
        loader = data.DataLoader(numbered, 5, shuffle=True, generator=mt.Generator(seed))
        return [[int(i) for _, part in loader for i in part] for _ in range(epochs)]

    first, second = orders(1, 2)
    assert sorted(first) == sorted(second) == list(range(23)) and first != second
    assert orders(1, 2) == [first, second] != orders(2, 2)
