"""`mt.compile`: a whole training step as one native function. In the order in which things happen:

compiled.py  trees.py      what the user has in hand: runs the step eagerly twice, then compiled
capture.py  program.py     the step runs while a listener writes down every operation, as a program:
    known.py  writes.py        which tensor has which value, also when it is written in place
    derivatives.py             the backward pass
    floats.py                  numbers among the arguments
    escapes.py  constants.py   what must not be there at the end
lower.py  building.py      about 150 rows of the table become a few kinds of steps (arrays.py):
    elementwise.py  rules.py   those that loops can compute, and all others
plan.py  fusion.py         which steps share a loop, and where each array lies
emit.py                    the source of the native function:
    loop.py  products.py       loops, and matrix products by BLAS (kernels/blas_native.py)
variant.py  operands.py    its call: addresses, the numbers of the optimizers (numbers.py), results
    watch.py  guards.py        whether it still holds (places.py: where that is looked up),
    aliases.py  tried.py       and for these arguments
    repeating.py  many.py      many steps in one call
    pieces.py                  what is done between pieces of the native function:
        tiles.py  shared.py        large products and loops, shared among threads; what is left to NumPy
explain.py                 for people: text and graph
"""

from __future__ import annotations

from .compiled import Compiled as Compiled, compile as compile
