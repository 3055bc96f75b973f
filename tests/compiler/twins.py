"""The same step eagerly and compiled, on two copies of everything."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt


def closeness(a: Any, b: Any) -> float:
    """The largest difference, relative to the largest value."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape
    if not a.size:
        return 0.0
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    scale = max(np.max(np.abs(a[np.isfinite(a)]), initial=0.0), 1e-300)
    with np.errstate(invalid="ignore"):
        return float(np.max(np.where(same, 0.0, np.abs(a - b)) / scale))


def apart(build: Callable[[], Any], steps: int = 20, native: bool = True) -> float:
    """How far the compiled step is from the eager one, in what it returns, the parameters and their gradients.

    `build()` returns (step, tensors to compare, arguments of step k). With `native`, makes sure that it was compiled.
    """
    mt.manual_seed(3)
    eager, ours, given = build()
    mt.manual_seed(3)
    step, theirs, also_given = build()
    compiled = mt.compile(step)
    worst = 0.0
    mt.manual_seed(4)
    results = [eager(*given(k)) for k in range(steps)]
    mt.manual_seed(4)
    for k in range(steps):
        worst = max(worst, closeness(results[k].detach().numpy(), compiled(*also_given(k)).numpy()))
    for a, b in zip(ours, theirs, strict=True):
        worst = max(worst, closeness(a.detach().numpy(), b.detach().numpy()))
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            scale = np.abs(a.grad.numpy()).max() > 1e-10
            worst = max(worst, closeness(a.grad.numpy(), b.grad.numpy()) if scale else 0.0)
    if native:
        variants = [v for form in compiled._forms.values() for v, _ in form.variants]
        assert variants and sum(v.calls for v in variants) >= steps - 4, "it never ran in machine code"
    return worst


def training(
    model: Callable[[], Any], loss: Callable[[Any, Any], Any], optimizer: Callable[[Any], Any], x: Any, y: Any,
    after: Callable[[Any, Any], Any] | None = None,
) -> Callable[[], Any]:  # fmt: skip
    """`build` for `apart`: a model trained on all data."""

    def build() -> Any:
        m = model()
        o = optimizer(m.parameters())
        inputs, targets = mt.tensor(x), mt.tensor(y)

        def step(inputs: Any, targets: Any) -> Any:
            o.zero_grad()
            value = loss(m(inputs), targets)
            value.backward()
            if after is not None:
                after(m, o)
            o.step()
            return value

        return step, list(m.parameters()), lambda k: (inputs, targets)

    return build


def quietly(f: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f()


def same_as_eager(step: Any, shape: tuple[int, ...], *, seed: int, rtol: float) -> None:
    """Four calls with other numbers each: the compiled step, a single native function, returns what the eager one does."""
    compiled, rng = mt.compile(step), np.random.default_rng(seed)
    for _ in range(4):
        x = mt.tensor(rng.normal(size=shape))
        for found, wanted in zip(compiled(x), step(x), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=rtol)
    assert "1 native" in repr(compiled)
