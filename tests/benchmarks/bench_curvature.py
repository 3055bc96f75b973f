"""Second derivatives beside PyTorch's, and the landscape of the Gabor loss.

    python -m tests.benchmarks.bench_curvature

The loss: cross-entropy of a 64-32-10 network with tanh 2,410 parameters, float64. PyTorch's Hessian is
`torch.func.hessian`, its Hessian-vector products the three that it has.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.data import gabor_points

from .rounds import race, report

SHAPES = ((32, 64), (32,), (10, 32), (10,))


def problem(lib: Any, samples: int) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """(loss of the parameters, parameters, a direction) in microtrain or PyTorch."""
    rng = np.random.default_rng(0)
    x, labels = lib.tensor(rng.normal(size=(samples, 64))), lib.tensor(rng.integers(0, 10, samples))
    params = tuple(lib.tensor(0.1 * rng.normal(size=shape)) for shape in SHAPES)
    direction = tuple(lib.tensor(rng.normal(size=shape)) for shape in SHAPES)
    F = lib.nn.functional

    def loss(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        return F.cross_entropy(F.linear(lib.tanh(F.linear(x, w1, b1)), w2, b2), labels)

    return loss, params, direction


def second_derivatives(samples: int) -> None:
    import torch

    ours, params, direction = problem(mt, samples)
    theirs, torch_params, torch_direction = problem(torch, samples)
    numbers = tuple(range(4))
    their_hessian = torch.func.hessian(theirs, argnums=numbers)
    slope = torch.func.grad(theirs, argnums=numbers)
    multiply = analysis.Objective(ours, params).product()
    flat = np.concatenate([d.numpy().ravel() for d in direction])
    apart = np.abs(joined(mt.hessian(ours, params), params) - joined(their_hessian(*torch_params), params)).max()
    print(f"{samples} samples; the two Hessians differ by {apart:.1e}")
    contestants = {
        "microtrain": lambda: mt.hessian(ours, params),
        "torch.func": lambda: their_hessian(*torch_params),
    }
    report("Hessian, 2,410 parameters", race(contestants, rounds=5, rest=0.25))
    contestants = {
        "microtrain": lambda: mt.hvp(ours, params, direction),
        "once more at this point": lambda: multiply(flat),
        "torch's hvp": lambda: torch.autograd.functional.hvp(theirs, torch_params, torch_direction),
        "torch's vhp": lambda: torch.autograd.functional.vhp(theirs, torch_params, torch_direction),
        "torch.func.jvp of grad": lambda: torch.func.jvp(slope, torch_params, torch_direction),
    }
    report("Hessian-vector product", race(contestants, rounds=11, rest=0.25))


def joined(blocks: Any, params: Any) -> Any:
    """The blocks of a Hessian as one matrix."""
    sizes = [p.numel() for p in params]
    return np.block([[b.numpy().reshape(n, m) for b, m in zip(row, sizes, strict=True)]
                     for row, n in zip(blocks, sizes, strict=True)])  # fmt: skip


def main() -> None:
    for samples in (32, 128, 512):
        second_derivatives(samples)
    x, y = gabor_points()
    model = mt.nn.Gabor(0.0, 10.0)

    def loss() -> mt.Tensor:
        return ((model(x) - y) ** 2).sum()

    start = time.perf_counter()
    analysis.landscape(loss, model, (-10, 10), (2.5, 22.5), resolution=200)
    cold = time.perf_counter() - start
    warm = race({"200 x 200": lambda: analysis.landscape(loss, model, (-10, 10), (2.5, 22.5), resolution=200)})
    print(f"landscape of the Gabor loss, 200 x 200: {1e3 * warm['200 x 200']:.1f} ms; the first {1e3 * cold:.1f} ms")


if __name__ == "__main__":
    main()
