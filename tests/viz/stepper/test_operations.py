"""Every operation of the table can be stepped through, with the engine's gradients and sums that add up to them."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.viz.stepper.telling import Teller
from microtrain.viz.stepper.values import array, plain

from ...ops.case import flat, leaf
from ...ops.cases import CASES
from ...ops.helpers import examples
from ...wide import mostly_wide


@pytest.mark.parametrize("case", mostly_wide(CASES, but=CASES[::4]), ids=repr)
def test_every_operation(case):
    for arrays, params in examples(case, 2):
        inputs = [leaf(np.array(a)) for a in arrays]
        with np.errstate(all="ignore"):
            outputs = [y for y in flat(case.ours(*inputs, **params)) if isinstance(y, mt.Tensor) and y.requires_grad]
        loss = sum(((y * y).sum() for y in outputs), start=mt.tensor(0.0))
        if not loss.requires_grad:
            continue
        trace = mt.trace(loss)
        loss.backward()
        data = trace.data
        last = {step["node"]: step["new"] for step in data["steps"] if step["phase"] == "backward"}
        leaves = [node for node in data["nodes"] if node["kind"] == "parameter"]
        gradients = [x.grad.numpy() for x in inputs if x.grad is not None and x.numel() <= 256]
        told = [array(data["values"][last[node["id"]]]) for node in leaves if node["id"] in last]
        for g in gradients:
            assert any(g.shape == t.shape and np.array_equal(g, t, equal_nan=True) for t in told)
        for step in data["steps"]:
            check_sums(step, data["values"])
        for language in (0, 1):
            teller = Teller(data, language)
            assert all(teller.narration(step) and teller.rows(step) is not None for step in data["steps"])


def check_sums(step, values):
    """The terms that are written out add up to the gradient; there are such terms for every matrix operation."""
    if step["phase"] != "backward" or not values[step["product"]]["data"] or not values[step["upstream"]]["data"]:
        return
    assert "local" in step or "jacobian" in step
    product = [plain(x) for x in values[step["product"]]["data"]]
    if "window" in values[step["product"]] or not np.isfinite(product).all():
        return
    for j, terms, *rest in step.get("jacobian", ()):
        if any(isinstance(x, str) for term in terms for x in term[1:]):
            continue
        total = sum(d * g for _, d, g in terms) + (plain(rest[1]) if rest else 0)
        size = sum(abs(d * g) for _, d, g in terms)
        assert total == pytest.approx(product[j], rel=1e-9, abs=1e-9 * max(size, 1e-3))
