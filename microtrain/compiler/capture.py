"""Capture: what a step does, written down while it runs.

The step runs as always, on real numbers. A listener at `Tensor.apply`, the one door of all operations, hears each of
them and notes which values went in and which came out (known.py). Some things go past that door, and are heard
elsewhere:

* what is written in place (writes.py), and the backward pass (derivatives.py);
* optimizers: they say beforehand what they will update, and their rule is a formula that can be read;
* random numbers: they are drawn by functions that tell how to draw again (`random.drawing`);
* Python's floats among the arguments, and what is made of them (floats.py).

One object hears it all. It is cut into classes by what they hear, each of which builds on the ones before and knows
nothing of those after: `Known`, the tables; `Writes`; `Derivatives`; and `Recorder`, here.

A number that leaves the tensors (`item()`, `if loss < 1`) would be frozen into the compiled step: it is refused, with
the line. What is computed past all of this (a counter, NumPy's random numbers) is found by capturing twice: the
second run of the step must do exactly what the first did.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..custom.function_call import FunctionCall
from ..engine.recording import listen
from ..engine.sites import call_site
from ..errors import CompileError
from ..tensor import Tensor
from . import constants
from .derivatives import Derivatives, Looked
from .escapes import check_escapes
from .floats import TracedFloat, argument
from .program import Call, Draw, Op, Program, Setting, Update, Value


class Recorder(Derivatives):
    """Listens to one run of a step. See `recording.listen` for when the methods are called."""

    compiles = True  # code that could compute in NumPy as well uses operations, see `nn.utils`

    def __init__(self, arguments: list[Any], before: Program | None = None) -> None:
        leaves = [] if before is None else [leaf for leaf, *_ in before.gradients]
        outside = [] if before is None else [v.source for v in before.values if v.kind == "tensor"]
        super().__init__(leaves, outside)
        self.literal: set[int] = set()  # ids of arrays that were written as lists
        self.looked: set[int] = set()  # floats among the arguments that have to be constants
        self.numbers = {k: argument(k, x, self.looked) for k, x in enumerate(arguments) if type(x) is float}
        # (id of an optimizer's group, key): a copy of its value, by which we see whether the step sets it
        self.fresh: dict[tuple[int, str], Any] = {}
        for optimizer in [] if before is None else before.optimizers():
            for group in optimizer.param_groups:
                for key in [key for key, value in group.items() if type(value) in (float, tuple)]:
                    value = group[key]
                    value = value + 0.0 if isinstance(value, float) else (*value,)
                    group[key] = self.fresh[id(group), key] = value
        self.program.floats = [x if type(x) is float else None for x in arguments]
        for k, x in enumerate(arguments):
            if type(x) is not float:
                value = self.new("argument", x.shape, x.dtype, k, getattr(x, "_name", "") or f"argument {k}")
                self.program.arguments.append(value)
                self.bind(x, value, outside=True)

    # ---- operations --------------------------------------------------------------------------------------------------

    def forward(self, primitive: Any, inputs: Any, params: dict[str, Any], output: Any, node: Any) -> None:
        """An operation was done."""
        if isinstance(primitive, FunctionCall):
            raise self.refusal(
                f"'{primitive.name}' is a Function of your own.",
                "Its forward and backward are Python code, which the compiled step can't contain.",
                "Write it with microtrain's operations, or as a formula: mt.elementwise(...).",
            )
        kept = {name: self._param(primitive, x) for name, x in params.items() if name != "saved"}
        if primitive.name == "nonzero" or (primitive.name == "index" and self._chosen(kept["index"])):
            raise self.refusal(
                f"the result of '{primitive.name}' has a shape that depends on values (here {output.shape}).",
                "The memory of a compiled step is planned for fixed shapes.",
                "Keep all elements, and let those that do not count be 0: mt.where(mask, x, 0), (x * mask).sum().",
            )
        args = [self._number(x, inputs, output) if type(x) is TracedFloat else self.value_of(x) for x in inputs]
        self.bind(output, self.done(primitive, args, kept, output))
        op = self.program.ops[-1]
        self.results.append((output, op.site))
        if node is not None and isinstance(op, Op):
            self.op_of[node] = op

    def _number(self, x: TracedFloat, inputs: Any, output: Any) -> Any:
        """The value of a run-time number; it counts as a number of the dtype that the operation computes in."""
        if x.looked is not self.looked:  # of another step
            return x.plain
        dtypes = [t.dtype for t in (output, *inputs) if hasattr(t, "dtype") and t.dtype.kind == "f"]
        name = f"of argument {', '.join(map(str, sorted(x.who)))}"
        value = self.new("number", (), dtypes[0] if dtypes else np.float64, (x.how, x.plain, self.program.floats), name)
        self.alive.append(x)
        return value

    def _param(self, primitive: Any, x: Any) -> Any:
        """A setting of an operation. Arrays among the indices are values, if they are known."""
        if isinstance(x, tuple):
            return tuple(self._param(primitive, part) for part in x)
        if type(x) is TracedFloat:
            x.look()
            return x.plain
        if isinstance(x, np.ndarray) and id(x) in self.by_data:
            return self.by_data[id(x)]
        if isinstance(x, np.ndarray) and not constants.is_pattern(x) and id(x) not in self.literal:
            raise self.refusal(
                f"'{primitive.name}' uses an index of shape {x.shape} that was computed outside the operations.",
                "If it depends on the step's arguments, the compiled step would go on with the present one.",
                "Compute it before the step, outside of it, and pass it as an argument.",
            )
        return x

    @staticmethod
    def _chosen(index: Any) -> bool:
        """Is there a mask among the indices that was computed in the step, or is an argument?"""
        parts = index if isinstance(index, tuple) else (index,)
        masks = [part for part in parts if isinstance(part, Value) and part.dtype.kind == "b"]
        return any(mask.kind not in ("tensor", "array", "made") for mask in masks)

    def copied(self, index: Any, array: Any) -> None:
        """An index was copied."""
        if array.ndim == 0 and array.dtype.kind in "iu" and (isinstance(index, Tensor) or id(index) in self.by_data):
            raise self.refusal(
                "a single number in a tensor is used as an index.",
                "It says which part is meant, which is settled when the step is compiled: it would stay what it is.",
                "Use an index with an axis: x[i.reshape(1)][0], and to write x[i.reshape(1)] = value.",
            )
        self.alive.append(array)
        if isinstance(index, (Tensor, np.ndarray)):
            self.by_data[id(array)] = self.value_of(index)
        else:
            self.literal.add(id(array))  # a list: what Python computes with tensors was heard before

    def read(self, tensor: Any) -> None:
        """A number is about to leave the tensors."""
        if self.reading:
            raise Looked
        if self.walking:
            raise self.refusal(
                f"the value of a tensor of shape {tensor.shape} is looked at during the backward pass.",
                "A hook does so; or, with create_graph, a derivative that has another form where there are zeros "
                "(cumprod, prod) or where a matrix is nearly singular (inv, solve).",
                "Remove the hook (handle.remove()), or leave the step eager.",
            )
        raise self.refusal(
            f"the value of a tensor of shape {tensor.shape} is taken out of the step (item(), if, numpy() ...).",
            "A compiled step is one function without Python in between: a branch, a message or a number made of this "
            "value would stay for ever what it is now.",
            "For a branch use mt.where(condition, a, b); make an array that a tensor indexes a tensor. To see a value, "
            "return the tensor and look at it outside: loss = compiled(x, y); loss.item(). With an optimizer that "
            "takes a closure compile that.",
        )

    def refused(self, what: str, why: str, fix: str) -> None:
        """Something that says of itself that it can't be captured."""
        raise self.refusal(what, why, fix)

    # ---- what is done in Python, before each step --------------------------------------------------------------------

    def drawn(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Random numbers were drawn, by a function that draws the next ones when it is called again."""
        for x in (*args, *kwargs.values()):
            if type(x) is TracedFloat:
                x.look()
        value = self.new("drawn", result.shape, result.dtype, len(self.program.prelude))
        self.program.prelude.append(Draw(function, args, kwargs, value))
        self.bind(result, value)

    def called(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Something was done in Python that is to be done each step, before the numbers are asked for."""
        self.program.prelude.append(Call(function, args))

    # ---- optimizers --------------------------------------------------------------------------------------------------

    def update(self, optimizer: Any, bucket: Any, gradients: Any, numbers: Any, negate: bool) -> None:
        """An optimizer is about to update the parameters of a bucket."""
        self.phase = "step"
        group = next(k for k, buckets in optimizer._buckets.items() if bucket in buckets.buckets)
        if not any(e is optimizer for e in self.program.prelude):
            self._settings(optimizer)
            self.program.prelude.append(optimizer)
        elif any(isinstance(op, Update) and op.bucket is bucket for op in self.program.ops):
            raise self.refusal(
                f"{type(optimizer).__name__} makes two steps in one.",
                "The numbers of its rule are worked out once for each call of the compiled step.",
                "Compile a step with one optimizer.step(), and call it twice.",
            )
        if type(optimizer).update.__qualname__ != "Optimizer.update":
            raise self.refusal(
                f"{type(optimizer).__name__} looks at values between its steps.",
                "What it does next depends on numbers, so it is no one sequence of operations.",
                "Compile the forward and backward pass, and let the optimizer call it: put zero_grad(), the loss and "
                "backward() into a function, and write optimizer.step(mt.compile(closure)).",
            )
        params = [self.value_of(p) for p in bucket.params]
        for p in bucket.params:
            self.hear(p)
            self._hear_late(p._memory)  # the write was counted already: for what is met only now it is no news
            if id(p._grad) not in self.current:
                self.met_gradient(p)
        found = [self.value_of(p._grad) for p in bucket.params]
        outs = [self.new("result", p.shape, p.dtype, None, p._name) for p in bucket.params]
        self.program.ops.append(
            Update(optimizer, group, bucket, negate, params, found, outs, self.where(), call_site(2), len(numbers))
        )
        for p, value in zip(bucket.params, outs, strict=True):
            if id(p) in self.home:  # what was written before is read by the update, and is gone
                self.stores.pop(self.home[id(p)], None)
            self.spread(p, value, type(optimizer).__name__)

    def _settings(self, optimizer: Any) -> None:
        """What the step itself has set in the optimizer's groups (`group["lr"] = lr`): it is to be set each time."""
        program = self.program
        calls = [getattr(item.function, "__self__", None) for item in program.prelude if isinstance(item, Call)]
        scheduled = any(scheduler in calls for scheduler in optimizer.schedulers)
        for group in optimizer.param_groups:
            for key, value in group.items():
                if type(value) is TracedFloat and value.looked is self.looked:
                    program.settings.append(Setting(group, key, value.how))
                    program.rates[id(group), key] = value.plain
                elif type(value) in (float, tuple):
                    plain = value if isinstance(value, float) else tuple(map(self._plain, value))
                    program.rates[id(group), key] = plain
                    if not scheduled and self.fresh.get((id(group), key), value) is not value:
                        program.settings.append(Setting(group, key, plain))

    @staticmethod
    def _plain(x: Any) -> Any:
        """Without a memory of where it came from; it has to be a constant then."""
        if type(x) is not TracedFloat:
            return x
        x.look()
        return x.plain

    # ---- the end -----------------------------------------------------------------------------------------------------

    def finish(self, outputs: list[Any]) -> Program:
        """The program. `outputs` are the tensors that the step returned."""
        program = self.program
        if not self.went_backward and any(y.requires_grad for y in outputs):
            raise CompileError(
                "mt.compile: the step returns a tensor that requires grad, and never calls backward().",
                "The compiled step would return its value without the graph, and the gradient would be lost.",
                "Compile the whole step, with loss.backward() in it, or compute under mt.no_grad(). Optimizers "
                "that differentiate the loss themselves (Newton, GaussNewton) need the graph: they stay eager.",
            )
        program.outputs = [self.value_of(y) for y in outputs]  # no name for one of them, as they will be counted
        self._sort_leaves()
        program.stores = [(home, value) for home, value in self.stores.items() if home is not value]
        self.check_writes()
        check_escapes(self, outputs)
        found = [(leaf(), value, before) for leaf, value, before in program.gradients]
        program.gradients = [(leaf, value, before) for leaf, value, before in found if leaf is not None]
        program.stores = [(home, value) for home, value in program.stores if home.kind != "made"]
        constants.check(self)
        used = program.used()
        program.ops = [op for op in program.ops if isinstance(op, Update) or op.out in used]
        return program

    def _sort_leaves(self) -> None:
        """Note which gradients the leaves have at the end. Those made in the step will be gone in a moment."""
        made = {id(x) for x, _ in self.results}
        for key, leaf in self.graded.items():
            if key in self.leaves or key in made:
                continue
            self.value_of(leaf)  # now it has a home, also if nothing reads it
            if key in self.home and self.home[key].kind == "tensor":
                self.leaves[key] = (leaf, "any")
        for key, (leaf, before) in self.leaves.items():
            now = leaf._grad
            if key not in self.home:  # made in the step: x.clone().requires_grad_()
                self.results += [(now, site) for made, site in self.results if made is leaf]
            else:
                value = None if now is None else self.value_of(now)
                self.program.gradients.append((weakref.ref(leaf), value, before))
        self.leaves.clear()
        self.graded.clear()  # if nothing else refers to them they are gone

    def settle(self) -> None:
        """Floats in the optimizers' groups become plain ones again."""
        for optimizer in self.program.optimizers():
            for group in optimizer.param_groups:
                for key, value in group.items():
                    if type(value) is TracedFloat:
                        group[key] = value.plain
                    elif type(value) is tuple and any(type(x) is TracedFloat for x in value):
                        group[key] = tuple(x.plain if type(x) is TracedFloat else x for x in value)


def capture(
    step: Callable[[dict[int, TracedFloat]], Any], arguments: list[Any],
    template_of: Callable[[Any, list[Any], list[Any]], Any], before: Program | None,
) -> tuple[Any, Any, Program, set[int]]:  # fmt: skip
    """Run the step once, eagerly; (what it returned, its form, the program, the floats that it looked at).

    `step` gets the numbers that stand for the floats among the arguments; `before` is the program of the run before.
    Raises `CompileError` for what a compiled step can't do, with the line where it is done.
    """
    start = time.perf_counter()
    recorder = Recorder(arguments, before)
    outputs: list[Any] = []
    try:
        with listen(recorder):
            result = step(recorder.numbers)
        template = template_of(result, arguments, outputs)
        program = recorder.finish(outputs)
    finally:
        recorder.settle()
    program.seconds = time.perf_counter() - start
    return result, template, program, recorder.looked
