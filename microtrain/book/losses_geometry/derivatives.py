"""Derivatives of functions of one array: by autodiff, and by differences to hold them against."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt


def gradient(loss: Any, at: Any) -> np.ndarray:
    """Of a function of one tensor, in its shape."""
    return np.asarray(mt.vjp(loss, mt.tensor(np.array(at, float)))[1])


def central(loss: Any, at: Any, h: float = 1e-5) -> np.ndarray:
    """Central differences of a function of a vector."""
    moves = h * np.eye(len(at))
    return np.array([(loss(mt.tensor(at + m)).item() - loss(mt.tensor(at - m)).item()) / (2 * h) for m in moves])
