"""Conjugate gradients: n steps on a quadratic of n parameters, and what they do elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim
from microtrain.analysis.problems import rosenbrock


def quadratic(n, seed=0):
    rng = np.random.default_rng(seed)
    half, b = rng.standard_normal((n, n)), rng.standard_normal(n)
    return half @ half.T + np.eye(n), b


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_a_quadratic_of_n_parameters_takes_n_steps(n):
    h, b = quadratic(n)
    p = mt.tensor(np.ones(n), requires_grad=True)
    optimizer = optim.ConjugateGradient([p])
    directions = []
    for _ in range(n):
        optimizer.step(lambda: 0.5 * (p @ mt.tensor(h) @ p) - (mt.tensor(b) * p).sum())
        directions.append(optimizer.state[p]["d"])
    assert np.abs(h @ p.detach().numpy() - b).max() < 1e-8
    d = np.array(directions)
    crossed = d @ h @ d.T / np.sqrt(np.outer(*[np.einsum("ki,ij,kj->k", d, h, d)] * 2))
    assert np.abs(crossed - np.eye(n)).max() < 1e-5  # conjugate, up to rounding that grows


def test_the_first_step_is_that_of_gradient_descent():
    h, b = quadratic(3)
    ends = []
    for kind in (optim.ConjugateGradient, optim.LineSearchGD):
        p = mt.tensor(np.ones(3), requires_grad=True)
        kind([p], "exact").step(lambda p=p: 0.5 * (p @ mt.tensor(h) @ p) - (mt.tensor(b) * p).sum())
        ends.append(p.detach().numpy().copy())
    assert np.array_equal(*ends)


@pytest.mark.parametrize("search", ["wolfe", "golden"])
def test_a_bent_valley(search):
    """Rosenbrock's: many times faster than gradient descent with the same search."""
    steps = {}
    for kind in (optim.ConjugateGradient, optim.LineSearchGD):
        p = mt.tensor([-1.2, 1.0], requires_grad=True)
        optimizer = kind([p], search, lr=1.0)
        for step in range(500):  # noqa: B007
            if optimizer.step(lambda p=p: rosenbrock(p)).item() < 1e-8:
                break
        steps[kind] = step
    assert 10 * steps[optim.ConjugateGradient] < 400 < steps[optim.LineSearchGD]


def test_it_begins_anew_where_the_direction_would_lead_uphill():
    p = mt.tensor([1.0, 1.0], requires_grad=True)
    optimizer = optim.ConjugateGradient([p], "armijo", lr=0.1)
    optimizer.state[p].update(prev_flat_grad=np.array([1e-3, 0.0]), d=np.array([1e6, 1e6]))
    optimizer.step(lambda: (p * p).sum())
    assert optimizer.state[p]["d"].tolist() == [-2.0, -2.0] and (p < 1).all()


def test_at_a_minimum_it_stays():
    p = mt.tensor([0.0], requires_grad=True)
    optimizer = optim.ConjugateGradient([p], "golden")
    for _ in range(3):
        optimizer.step(lambda: (p * p).sum())
    assert p.item() == 0.0
