"""Many deep linear networks in one: their weights are stacked along a first axis, and one optimizer trains them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import microtrain as mt


def stacked(widths: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[mt.Tensor]:
    """The weights of `DeepLinear(widths[k])` with seed seeds[k], layer by layer, each (runs, out, in).

    Narrower layers are filled up with zeros. Their gradients are zero as well, so they stay zero, and the network stays
    as narrow as it was.
    """
    nets = [mt.nn.DeepLinear(w, generator=mt.Generator(s)) for w, s in zip(widths, seeds, strict=True)]
    layers = []
    for k in range(len(nets[0].weights)):
        matrices = [net.weights[k].detach().numpy() for net in nets]
        filled = np.zeros((len(nets), max(m.shape[0] for m in matrices), max(m.shape[1] for m in matrices)))
        for into, m in zip(filled, matrices, strict=True):
            into[: m.shape[0], : m.shape[1]] = m
        layers.append(mt.tensor(filled, requires_grad=True))
    return layers


def product(weights: Sequence[mt.Tensor]) -> mt.Tensor:
    """The maps that the networks are, (runs, outputs, inputs)."""
    matrix = weights[0]
    for w in weights[1:]:
        matrix = w @ matrix
    return matrix


def losses(weights: Sequence[mt.Tensor], x: mt.Tensor, y: mt.Tensor, n: mt.Tensor) -> mt.Tensor:
    """1/(2n) |W X - Y|^2 of each run; inputs (runs, d, N) and labels (runs, outputs, N) in columns, n (runs,)."""
    rest = product(weights) @ x - y
    return 0.5 * (rest * rest).sum((1, 2)) / n


def train(
    weights: list[mt.Tensor], x: np.ndarray, y: np.ndarray, eta: float, steps: int, n: Sequence[float] = ()
) -> np.ndarray:
    """Gradient descent on the sum of the losses, so every run by itself: the losses before each step, (T, runs).

    It ends after `steps` steps or when nothing happens any more. More than 2000 steps are compiled. `n` are the numbers
    of samples, if some columns are only there to fill up.
    """
    inputs, targets = mt.tensor(x), mt.tensor(y)
    counts = mt.tensor(np.array(n, float) if len(n) else np.full(len(x), float(x.shape[2])))
    optimizer = mt.optim.SGD(weights, lr=eta)

    def deep_linear_step() -> mt.Tensor:
        optimizer.zero_grad()
        each = losses(weights, inputs, targets, counts)
        each.sum().backward()
        optimizer.step()
        return each

    curves: list[np.ndarray] = []
    with np.errstate(all="ignore"):
        if steps <= 2000:
            for _ in range(steps):
                curves.append(deep_linear_step().detach().numpy()[None])
                if not (curves[-1] > 1e-26).any():  # fitted, or no numbers any more
                    break
        else:
            compiled = mt.compile(deep_linear_step)
            for _ in range(steps // 1000):
                curves.append(np.asarray(compiled.repeat(1000)))
                if not (np.abs(curves[-1][0] - curves[-1][-1]) > 1e-15).any():
                    break
    return np.concatenate(curves)
