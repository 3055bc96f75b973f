"""`mt.compile`: a whole training step as one native function. In the order in which things happen:

compiled.py             what the user has in hand: runs the step eagerly twice, then compiled
capture.py  program.py  the step runs while a listener writes down every operation: forward, backward, update
lower.py  rules.py      about 130 rows of the table become a few kinds of steps (arrays.py)
plan.py  fusion.py      which steps share a loop, and where each array lies
emit.py  loop.py        the source of the native function
native.py  blas.py  tiles.py      matrix products
variant.py  numbers.py  guards.py its call: addresses, the optimizers' numbers, and whether it still holds
explain.py              for people: text and graph
"""

from __future__ import annotations

from .compiled import Compiled as Compiled, compile as compile
