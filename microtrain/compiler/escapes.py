"""At the end of a capture: what was made in the step must be gone, or be returned.

What is still there was put somewhere by the step (`self.last = loss`), and a compiled step would not renew it. Arrays
that were made in the step and are gone are constants of the program.

How it is found out: a capture keeps everything alive until here, and `check_escapes` lets go of all of it but weak
references. What one of them still leads to is held by somebody else. An array whose value is needed as a constant is
also in `data` below, so its references are counted: `ALONE` is the count of one that only `data` and `source` name.

So all of this rests on CPython's reference counts, by which an object goes at once with the last reference to it:

* A variable of this file, or of capture.py, that still names an array of the step looks like a place where the step put
  it. Hence the `del`s, and that `finish` keeps no name of an output.
* Objects that refer to each other in a circle, and to a tensor, keep it until the garbage collector comes: such a step
  is refused, unless the circle is broken in it.
* Where objects go later (other Pythons) more steps would be refused. None would come out wrong: what is made in the
  step and taken for a tensor from outside is another one in the second capture, and that is an error.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np

from ..errors import CompileError
from ..tensor import Tensor
from .program import Value


def check_escapes(recorder: Any, outputs: list[Any]) -> None:
    """Raise if the step keeps a tensor that it made. The recorder forgets everything but the program."""
    known = {id(y) for y in outputs}
    known |= {x for x, home in recorder.home.items() if home.kind == "argument"}  # written in place: it is the caller's
    leaves = [(leaf, leaf()._grad) for leaf, _, _ in recorder.program.gradients]
    grads = {id(g) for _, g in leaves}
    gradients = [(leaf, weakref.ref(g)) for leaf, g in leaves if g is not None]
    del leaves
    made = [
        (weakref.ref(t), site)
        for t, site in recorder.results
        if t is not None and id(t) not in known and id(t) not in grads and id(t) not in recorder.met
    ]
    _forget_bases(outputs, {id(t()) for t, _ in made})
    _forget_graphs(outputs, {id(t) for t, _ in recorder.results})
    outside = [(v, weakref.ref(v.source)) for v in recorder.program.values if v.kind in ("tensor", "array")]
    data = {v: (v.source._data if isinstance(v.source, Tensor) else v.source) for v, _ in outside}
    for value, _ in outside:
        value.source = None
    recorder.let_go()
    _find_constants(recorder, outside, data, outputs)
    data.clear()
    made += [(g, "backward()") for leaf, g in gradients if leaf() is None and id(g()) not in known]
    for reference, site in made:
        kept = reference()
        if kept is not None and not any(kept is v.source for v, _ in outside):
            raise CompileError(
                f"mt.compile: the step keeps a tensor of shape {kept.shape} somewhere.\n  made at: {site}",
                "The compiled step does not run the Python code that puts it there, so it would stay as it is now.",
                "Return it from the step (of a leaf x.detach()), and keep it where compiled(...) is called.",
            )


def _find_constants(
    recorder: Any, outside: list[tuple[Value, Any]], data: dict[Value, Any], outputs: list[Any]
) -> None:
    """Give the values from `outside` their sources back; those whose source has gone are constants of the step.

    Each comes with a weak reference to its source, and `data` has its array.
    """
    for value, reference in outside:
        source = reference()
        returned = sum(y is source for y in outputs)
        if isinstance(source, np.ndarray) and sys.getrefcount(source) <= ALONE:
            source = None  # only `data` has it
        elif returned and sys.getrefcount(source) < ALONE + 2 * returned:
            source = None  # only what the step returned has it, and `outputs`
        if source is None:  # made in the step, and gone: a constant
            if value in recorder.stores:
                if value not in recorder.first:
                    raise CompileError(
                        f"mt.compile: a tensor of shape {value.shape} is made in the step and written in place.",
                        "It is large, or requires grad, and what it was before is not known any more.",
                        "Write x = x + y instead of x += y.",
                    )
                data[value] = recorder.first[value]
            value.kind, value.source = "made", _kept(data[value])
        else:
            value.source = source
        del source


def _forget_bases(outputs: list[Any], made: set[int]) -> None:
    """Parts of what was made in the step are returned: these may have the memory, but need not keep the whole."""
    for y in outputs:
        if y._view is not None and id(y._view.base) in made:
            y._view = None


def _forget_graphs(outputs: list[Any], made: set[int]) -> None:
    """What was made in the step is returned without its graph, which may be the last to have a leaf made in it."""
    for y in outputs:
        if y._view is None and id(y) in made:
            y._node, y._tracked = None, False


def _kept(x: Any) -> Any:
    """A copy in the order of its axes, as `made` arrays are read; where one element stands for all it still does."""
    return np.broadcast_to(np.array(x.flat[0]), x.shape) if x.size and not any(x.strides) else np.array(x, order="C")


def _lonely() -> int:
    """The reference count of an array that only a dictionary and a variable have."""
    held = {0: np.empty(1)}
    source = weakref.ref(held[0])()
    return sys.getrefcount(source)


ALONE = _lonely()
