"""The constructors against PyTorch's: values, shapes, kinds of dtype (floats are float64 here unless asked)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("tensor", (3,), {}),
    ("tensor", (2.5,), {}),
    ("tensor", (True,), {}),
    ("tensor", ([[1, 2], [3, 4]],), {}),
    ("tensor", ([[1, 2.5], [3, 4]],), {}),
    ("tensor", ([True, False],), {}),
    ("tensor", ([],), {}),
    ("tensor", ([[], []],), {}),
    ("zeros", (2, 3), {}),
    ("zeros", ((2, 3),), {}),
    ("zeros", ((),), {}),
    ("zeros", (0, 3), {}),
    ("ones", ([4],), {}),
    ("full", ((2, 3), 7), {}),
    ("full", ((2,), 7.5), {}),
    ("full", ((2,), True), {}),
    ("full", ((), -np.inf), {}),
    ("eye", (3,), {}),
    ("eye", (2, 4), {}),
    ("eye", (0,), {}),
    ("arange", (5,), {}),
    ("arange", (2, 5), {}),
    ("arange", (5, 2, -1), {}),
    ("arange", (0, 1, 0.25), {}),
    ("arange", (1.0, 3.0), {}),
    ("arange", (0,), {}),
    ("linspace", (0, 1, 5), {}),
    ("linspace", (3, -3, 4), {}),
    ("linspace", (1, 2, 1), {}),
    ("linspace", (1, 2, 0), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), CALLS, ids=[f"{c[0]}{c[1]}" for c in CALLS])
@pytest.mark.parametrize("dtype", [None, "float32", "float64", "int64"])
def test_equal_to_torch(name: str, args: Any, options: Any, dtype: str | None) -> None:
    if dtype == "int64" and (
        name == "linspace" or (name == "full" and np.isinf(args[1])) or np.any(np.array(args[-1]) % 1)
    ):
        return
    theirs_dtype = {"dtype": getattr(torch, dtype)} if dtype else {}
    ours = getattr(mt, name)(*args, **options, **({"dtype": dtype} if dtype else {}))
    theirs = getattr(torch, name)(*args, **options, **theirs_dtype).numpy()
    assert ours.shape == theirs.shape
    assert ours.dtype.kind == theirs.dtype.kind
    if dtype:
        assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6)


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "empty_like"])
def test_like_forms_have_the_shape_and_dtype_of_their_model(name: str) -> None:
    extra = (3,) if name == "full_like" else ()
    for shape in ((), (2, 3), (0, 2)):
        for dtype in ("float32", "float64"):
            model = np.ones(shape, dtype)
            ours = getattr(mt, name)(mt.tensor(model, requires_grad=True), *extra)
            theirs = getattr(torch, name)(torch.tensor(model), *extra)
            assert ours.shape == tuple(theirs.shape)
            assert str(ours.dtype) == str(theirs.numpy().dtype)
            assert not ours.requires_grad
            if name in ("zeros_like", "ones_like", "full_like"):
                np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert getattr(mt, name)(mt.zeros(2), *extra, dtype="float32", requires_grad=True).requires_grad


def test_random_numbers_have_the_right_distribution() -> None:
    """Their moments, within five standard errors; PyTorch's streams can't be reproduced."""
    g = mt.Generator(1)
    n = 40_000
    for x, mean, std in [(mt.rand(n, generator=g), 0.5, 12**-0.5), (mt.randn(n, generator=g), 0.0, 1.0)]:
        assert abs(x.mean().item() - mean) < 5 * std / n**0.5
        assert abs(x.std().item() - std) < 0.01
    k = mt.randint(-2, 4, (n,), generator=g)
    assert k.dtype == np.int64
    assert set(k.tolist()) == {-2, -1, 0, 1, 2, 3}
    assert sorted(mt.randperm(20, generator=g).tolist()) == list(range(20))
    assert mt.rand(2, 3, generator=mt.Generator(2)).tolist() == mt.rand(2, 3, generator=mt.Generator(2)).tolist()
