"""The numbers of an optimizer's rule, for each step: learning rate, corrections, schedules."""

from __future__ import annotations

import struct
from array import array
from typing import Any

import numpy as np

from .program import Update


class Numbers:
    """The hyper-parameters of one rule, worked out for each step as the optimizer would."""

    def __init__(self, update: Update, slot: int, count: int) -> None:
        self.update, self.slot = update, slot
        self.row = array("d", [0.0] * max(1, count))
        self.place = self.row.buffer_info()[0]
        self.layout = struct.Struct(f"{count}d")
        self.group = update.optimizer.param_groups[update.group]
        self.scalars = update.bucket.scalars
        rule = update.bucket.rule
        self.recursive = any(name in self.scalars for name in rule.scalars)
        self.values: Any = None  # of the group, when `known` was made of them
        self.known: dict[str, Any] = {}

    def next(self) -> None:
        """The numbers of the step that comes now."""
        values = tuple(self.group.values())
        if self.recursive or callable(self.group["lr"]):
            rule = self.update.bucket.rule
            self.layout.pack_into(self.row, 0, *self.update.optimizer._numbers(self.group, rule, self.update.bucket))
            return
        rule = self.update.bucket.rule
        fresh = values != self.values
        if fresh:
            self.known = {**self.update.optimizer.hyper(self.group)}
            self.values = values
        self.scalars["step"] = step = self.scalars["step"] + 1
        if rule.scalars:
            self.known["t"] = step
            self.layout.pack_into(self.row, 0, *rule.numbers(self.known))
        elif fresh:
            self.layout.pack_into(self.row, 0, *[self.known[name] for name in rule.hyper])

    def table(self, block: int) -> np.ndarray[Any, Any]:
        """A row for each of the next steps, or a single one if they are all the same."""
        optimizer, bucket, rule = self.update.optimizer, self.update.bucket, self.update.bucket.rule
        lr = self.group["lr"]
        self.values = None
        if self.recursive:
            return np.array([optimizer._numbers(self.group, rule, bucket) for _ in range(block)], dtype=float)
        known = dict(optimizer.hyper(self.group))
        first = self.scalars["step"] + 1
        self.scalars["step"] += block
        if not rule.scalars and not callable(lr):
            return np.array([[float(known[name]) for name in rule.hyper] or [0.0]])
        t = np.arange(first, first + block, dtype=float)
        known.update(
            t=t, step=t, lr=np.array([lr(k) for k in range(first - 1, first - 1 + block)]) if callable(lr) else lr
        )
        for name, scalar in rule.scalars.items():
            known[name] = scalar(*[known[needed] for needed in rule._needs[name]])
        table = np.empty((block, max(1, len(rule.hyper))))
        for k, name in enumerate(rule.hyper):
            table[:, k] = known[name]
        return table
