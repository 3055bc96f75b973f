"""Every operation, and its derivative, on batches: the same as one by one."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.calculus import many_vjps
from microtrain.calculus.batching import Batch, NotBatchable
from microtrain.calculus.replay import Replay
from microtrain.engine.quiet import quiet, restore

from ..ops.case import Case, Dice, flat
from ..ops.cases import CASES
from ..wide import mostly_wide

COUNT = 6


def drawn(case: Case, seed: int) -> tuple[list[mt.Tensor], list[np.ndarray], list, dict]:
    """(leaves, their values at COUNT points, all inputs, params)"""
    example = case.draw(Dice(seed))
    inputs, leaves, values = [], [], []
    for array in example.inputs:
        if np.asarray(array).dtype.kind == "f":
            leaf = mt.tensor(np.array(array, np.float64), requires_grad=True)
            scales = (1 + 0.004 * np.arange(COUNT)).reshape(-1, *(1,) * leaf.ndim)
            leaves.append(leaf)
            values.append(leaf.detach().numpy() * scales)
            inputs.append(leaf)
        else:
            inputs.append(mt.tensor(array))
    return leaves, values, inputs, example.params


def batched(replay: Replay, values: list[np.ndarray]) -> list[np.ndarray] | None:
    """The replayed values alone, or None if the function is not one to replay."""
    if not replay.batched:
        return None
    results = [np.empty((COUNT, *y.shape), y.dtype) for y in replay.outputs]
    token = quiet()
    try:
        replay._in_chunks(values, results, COUNT)
    except NotBatchable:
        return None
    finally:
        restore(token)
    return results


def compare(replay: Replay, values: list[np.ndarray]) -> None:
    results = batched(replay, values)
    if results is None:
        return
    real = [np.empty_like(r) for r in results]
    replay._call_each(values, range(COUNT), real)
    for found, expected in zip(results, real, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("case", mostly_wide(CASES, but=CASES[::3]), ids=str)
def test_on_a_batch(case):
    for seed in range(4):
        leaves, values, inputs, params = drawn(case, seed)
        if not leaves:
            return

        def outputs(inputs=inputs, params=params) -> list[mt.Tensor]:
            return [y for y in flat(case.ours(*inputs, **params)) if isinstance(y, mt.Tensor)]

        def slopes(leaves=leaves, outputs=outputs) -> list[mt.Tensor]:
            ys = [y for y in outputs() if y.requires_grad]
            seeds = [mt.tensor(np.cos(np.arange(y.numel()) + 1.0).reshape(y.shape)) for y in ys]
            return list(mt.autograd.grad(ys, leaves, seeds, create_graph=True, materialize_grads=True))

        compare(Replay(outputs, leaves), values)
        if not case.order or not any(y.requires_grad for y in outputs()):
            continue
        compare(Replay(slopes, leaves), values)
        for y in outputs():
            if y.requires_grad and y.numel() > many_vjps.FEW:
                for found, one in zip(many_vjps.rows(y, leaves), by_element(y, leaves), strict=True):
                    np.testing.assert_allclose(found, one, rtol=1e-9, atol=1e-11)


def by_element(y: mt.Tensor, leaves: list[mt.Tensor]) -> list[np.ndarray]:
    found = [np.zeros((y.numel(), x.numel())) for x in leaves]
    for k in range(y.numel()):
        seed = np.zeros(y.shape)
        seed.reshape(-1)[k] = 1
        gradients = mt.autograd.grad(y, leaves, mt.tensor(seed), retain_graph=True, materialize_grads=True)
        for block, g in zip(found, gradients, strict=True):
            block[k] = g.numpy().reshape(-1)
    return found


def test_a_batch_shows_no_single_value():
    batch = Batch(np.ones((3, 2)))
    for look in (bool, float, np.asarray, lambda b: b.item(), lambda b: np.concatenate([b, b]), lambda b: b.nothing):
        with pytest.raises(NotBatchable):
            look(batch)
    assert batch.shape == (2,) and batch.ndim == 1 and repr(batch) == "<Batch of 3: float64[2]>"
