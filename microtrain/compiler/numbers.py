"""The numbers of an optimizer's rule, for each step: learning rate, corrections, schedules.

They are worked out for many steps at once: with arrays of step numbers in the place of the step number, the formulas of
the rule's scalars take hardly longer than with one. A table is used up row by row, as long as nobody sets anything.
"""

from __future__ import annotations

import ctypes
from array import array
from typing import Any

import numpy as np

from .program import Update

AHEAD = 64  # rows that are worked out at a time for single steps


class Numbers:
    """The hyper-parameters of one rule, worked out for each step as the optimizer would."""

    def __init__(self, update: Update, slot: int, count: int, addresses: Any) -> None:
        self.update, self.slot, self.addresses = update, slot, addresses
        self.row = array("d", [0.0] * max(1, count))  # where nothing can be known beforehand
        self.width = len(self.row)
        self.group = update.optimizer.param_groups[update.group]
        self.scalars = update.bucket.scalars
        rule = update.bucket.rule
        self.recursive = any(name in self.scalars for name in rule.scalars)
        self.before: dict[str, Any] = {}  # the scalars, before a row that is worked out for one step alone
        self.values: Any = None  # of the group, when the table was made
        self.rows: Any = None  # the table,
        self.address = self.row.buffer_info()[0]  # where its present row is,
        self.left = 0  # how many rows come after that,
        self.step = -1  # and the step that it is for
        self.apart = 0  # bytes from row to row; 0 if all are the same

    def next(self) -> None:
        """See to it that the operand is the row of the step that comes now."""
        step, values = self.scalars["step"], tuple(self.group.values())
        if self.left and step == self.step and values == self.values:
            self.left -= 1
            self.address += self.apart
        elif self.recursive or values != self.values or callable(self.group["lr"]):
            rule = self.update.bucket.rule  # who knows what comes next: this step's alone
            self.before = dict(self.scalars)
            try:
                row = self.update.optimizer._numbers(self.group, rule, self.update.bucket)
            except BaseException:
                self.scalars.update(self.before)
                raise
            self.row[:] = array("d", row or [0.0])
            self.scalars["step"], self.values, self.left = step, values, 0
            self.address = self.row.buffer_info()[0]
        else:
            self.rows = self._worked_out(AHEAD)
            self.address, self.left = self.rows.ctypes.data, AHEAD - 1
            self.apart = self.rows.strides[0] if len(self.rows) > 1 else 0
        self.addresses[self.slot] = self.address
        self.scalars["step"] = self.step = step + 1

    def take_back(self) -> None:
        """The step that `next` was called for has failed, and does not count."""
        self.scalars.update(self.before if self.recursive else {"step": self.scalars["step"] - 1})

    def present(self) -> list[float]:
        """The row of the step that `next` was called for."""
        return list((ctypes.c_double * self.width).from_address(self.address))

    def table(self, block: int) -> np.ndarray[Any, Any]:
        """A row for each of the next steps, or a single one if they are all the same."""
        self.left = 0
        if self.recursive:
            optimizer, bucket, rule = self.update.optimizer, self.update.bucket, self.update.bucket.rule
            return np.array([optimizer._numbers(self.group, rule, bucket) for _ in range(block)], dtype=float)
        rows = self._worked_out(block)
        self.scalars["step"] += block
        return rows

    def _worked_out(self, block: int) -> np.ndarray[Any, Any]:
        rule, lr = self.update.bucket.rule, self.group["lr"]
        known = {**self.group, **self.update.optimizer.hyper(self.group)}
        first = self.scalars["step"] + 1
        if not rule.scalars and not callable(lr):
            return np.array([[float(known[name]) for name in rule.hyper] or [0.0]])
        t = np.arange(first, first + block, dtype=float)
        known.update(
            t=t, step=t, lr=np.array([lr(k) for k in range(first - 1, first - 1 + block)]) if callable(lr) else lr
        )
        for name, scalar in rule.scalars.items():
            known[name] = scalar(*[known[needed] for needed in rule._needs[name]])
        table = np.empty((block, self.width))
        for k, name in enumerate(rule.hyper):
            table[:, k] = known[name]
        return table
