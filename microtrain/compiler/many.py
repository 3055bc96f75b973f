"""Many steps in one call of the machine code.

Everything that is another array at each step is a table with a row a step: the numbers of the optimizers' rules, random
draws, the batches of an epoch, the recorded results. The machine code moves on by one row after each step. Draws and
schedules are Python's, done beforehand for a block of steps, in the order in which single steps would do them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import IndexingError
from ..formula import trace
from ..tensor import Tensor
from .plan import STATUS
from .program import Call

if TYPE_CHECKING:
    from .variant import Variant

BLOCK = 1024  # steps that are prepared at a time ...
ROOM = 1 << 24  # ... or fewer, where what is drawn takes more bytes


def repeatable(variant: Variant) -> bool:
    """Can many steps be done in one call?"""
    if variant.emitter.python or variant.grads_in:
        return False
    drawn = {id(u.optimizer) for u in variant.updates if _drawn(u)}
    return all(id(o) in drawn for o in variant.optimizers if prepares(o))


def prepares(optimizer: Any) -> bool:
    """Does it do more before a step than work out numbers?"""
    return bool(type(optimizer).prepare.__qualname__ != "Optimizer.prepare")


def _drawn(update: Any) -> list[int]:
    """The pieces of state that `prepare` makes anew for each step, and that the rule only reads."""
    rule = update.bucket.rule
    written = len(trace(rule.formula)[1]) - 1
    return [k for k, name in enumerate(rule.state) if name in update.optimizer.transient and k >= written]


def run_many(
    variant: Variant, n: int, arguments: list[Any], advance: dict[int, int], records: list[np.ndarray[Any, Any]]
) -> None:
    """n steps. `advance` has the bytes from one step's argument to the next; `records` gets the outputs."""
    addresses, count = variant.addresses, variant.count
    variant.taken = None  # single steps work on other arguments
    for k, slot, _, _ in variant.inputs:
        x = arguments[k]
        variant.set(slot, np.ascontiguousarray(x._array() if isinstance(x, Tensor) else x))
        addresses[count + slot] = advance.get(k, 0)
    for (slot, _), record in zip(variant.outs, records, strict=True):
        addresses[slot] = record.ctypes.data
        addresses[count + slot] = record.strides[0] if len(record) else 0
    variant.take_floats(arguments)
    made = {variant.slots[u, k]: u.bucket.state[k] for u in variant.updates if prepares(u.optimizer) for k in _drawn(u)}
    row = sum(
        x.nbytes
        for x in (*made.values(), *(variant.arrays[slot] for slot in variant.draws.values() if slot in variant.arrays))
    )
    try:
        done = 0
        while done < n:
            block = min(BLOCK, n - done, max(1, ROOM // max(row, 1)))
            before = [(u.bucket.scalars, dict(u.bucket.scalars)) for u in variant.updates]
            try:
                tables = _tables(variant, block, made)
            except BaseException:  # none of these steps has been made
                for scalars, values in before:
                    scalars.update(values)
                raise
            for slot, table in tables.items():
                addresses[slot], addresses[count + slot] = table.ctypes.data, table.strides[0] if len(table) > 1 else 0
            variant.call_native(block)
            if addresses[STATUS]:
                raise IndexingError("A label is not one of the classes.", fix="Labels are 0 ... C - 1.")
            done += block
    finally:
        addresses[STATUS] = 0
        for slot in range(count):
            addresses[count + slot] = 0
        for slot, buffer in variant.outs:
            addresses[slot] = buffer.ctypes.data
        for numbers in variant.numbers:
            addresses[numbers.slot] = numbers.address
        for slot, array in made.items():
            addresses[slot] = array.ctypes.data
        variant.leave()
    variant.calls += n


def _tables(variant: Variant, block: int, made: dict[int, Any]) -> dict[int, Any]:
    """The numbers and draws of so many steps."""
    tables: dict[int, Any] = {}
    if not variant.draws and not made and not any(isinstance(item, Call) for item in variant.program.prelude):
        for optimizer in variant.optimizers:
            optimizer.steps += block
        for numbers in variant.numbers:
            tables[numbers.slot] = numbers.table(block)
        return tables
    tables = {slot: np.empty((block, *x.shape), x.dtype) for slot, x in made.items()}
    for k in range(block):
        variant.prelude()
        for numbers in variant.numbers:
            if numbers.slot not in tables:
                tables[numbers.slot] = np.empty((block, numbers.width))
            tables[numbers.slot][k] = numbers.present()
        for slot in variant.draws.values():
            drawn = variant.arrays[slot]
            if slot not in tables:
                tables[slot] = np.empty((block, *drawn.shape), drawn.dtype)
            tables[slot][k] = drawn
        for slot, x in made.items():
            tables[slot][k] = x
    return tables
