"""What `mt.compile` returns."""

from __future__ import annotations

import functools
import threading
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.recording import MODE
from ..errors import ArgumentError, CompileError, DtypeError, KernelError
from ..kernels.fused import give_up
from ..tensor import Tensor, wrap
from .capture import capture
from .program import Program, difference
from .variant import Stale, Variant

MOST = 16  # compiled forms that are kept, and runs without one before we say that there will be none
PATIENCE = 3  # runs that may differ from the one before, before we say that they always will

Step = Callable[..., Any]


class Output:
    """Stands for a tensor in what a step returns."""

    def __init__(self, number: int, kind: str = "output") -> None:
        self.number, self.kind = number, kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Output) and (self.number, self.kind) == (other.number, other.kind)

    __hash__ = None  # type: ignore[assignment]


class _Form:
    """The compiled forms of a step for one set of shapes and settings, and what is known of the next one."""

    def __init__(self) -> None:
        self.variants: list[tuple[Variant, Any]] = []
        self.last: tuple[Program, Any] | None = None
        self.differed = 0
        self.captures = 0  # since it last ran in machine code


class Compiled:
    """A step that runs as one native function. Call it as you would call the step.

    The first two calls run the step as it is, and note what it does; from the third on the native function does it. It
    works on the same parameters and the same optimizer state, so compiled and eager steps can be mixed.
    """

    def __init__(self, step: Step) -> None:
        if not callable(step):
            raise DtypeError(f"mt.compile takes a function, not {type(step).__name__}.")
        self.step = step
        functools.update_wrapper(self, step, updated=())
        self._forms: dict[Any, _Form] = {}
        self._recorders: dict[Any, Compiled] = {}
        self._lock = threading.RLock()
        self._warned = False
        self._eager = False  # could it not be compiled?

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One step; what it returns. Tensors come back without a graph."""
        if self._eager or MODE.get().listeners:  # who listens (a graph, another compiled step) wants to hear all
            return self.step(*args, **kwargs)
        with self._lock:
            arguments, key = _flat(args, kwargs)
            form = self._forms.get(key)
            if form is None:
                form = self._form(key)
            for variant, template in form.variants:
                if variant.holds():
                    form.captures = 0
                    variant.protect()
                    try:
                        results = variant.run(arguments)
                    except Stale:
                        return self.step(*args, **kwargs)  # it knows what to say about these labels
                    return _rebuilt(template, results, arguments)
            variant = template = None  # type: ignore[assignment]  # it may have to go
            return self._capture(form, arguments, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: `@mt.compile` inside a class."""
        return self if instance is None else types.MethodType(self, instance)

    def _form(self, key: Any) -> _Form:
        if len(self._forms) >= MOST:
            del self._forms[next(iter(self._forms))]
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"mt.compile: more than {MOST} forms of '{getattr(self.step, '__name__', 'step')}' were asked for; "
                    "the oldest are forgotten. Every other shape, and every other number among the arguments, needs a "
                    "form of its own: pad batches to a few lengths, and pass numbers that vary as tensors.",
                    stacklevel=3,
                )
        self._forms[key] = _Form()
        return self._forms[key]

    def _capture(self, form: _Form, arguments: list[Any], args: Any, kwargs: Any) -> Any:
        """Run the step eagerly and note it; compile it when two runs have been the same."""
        form.captures += 1
        for each in (*self._forms.values(), form):  # those that can never run again still hold on to memory
            each.variants = [pair for pair in each.variants if not pair[0].obsolete]
        if form.captures > MOST:
            names = {name for name in (variant.changed for variant, _ in form.variants) if name}
            form.captures = 0
            raise CompileError(
                "mt.compile: the step changes what it depends on each time it runs"
                + (f": {', '.join(sorted(names))}." if names else "."),
                "Every change asks for another native function.",
                "Pass what changes as a tensor, and count steps outside of the step.",
            )
        result, template, program = capture(
            lambda: self.step(*args, **kwargs), arguments, _template, form.last[0] if form.last else None
        )
        result = _detached(result)  # the graph goes, and with it the views of parameters that its nodes remember
        before, form.last = form.last, (program, template)
        if before is not None:
            different = difference(before[0], program)
            if different is None and before[1] != template:
                different = f"it returns {template!r}, and before {before[1]!r}", None
            if different is None:
                form.last, form.differed = None, 0
                name = f"the step {getattr(self.step, '__name__', 'step')}"
                try:
                    variant = Variant(program, name, (self.step, args, kwargs))
                except KernelError as error:  # no Numba: the step stays eager
                    give_up(error)
                    self._eager = True
                    return result
                form.variants = [(variant, template), *form.variants[:3]]
            else:
                form.differed += 1
                if form.differed >= PATIENCE:
                    form.last, form.differed = None, 0
                    what, site = different
                    raise CompileError(
                        f"mt.compile: two runs of the step were not the same: {what}.\n  at: {site}",
                        "A compiled step does the same operations each time. A number that Python computes (a counter, "
                        "NumPy's random numbers, a branch) would stay for ever what it was.",
                        "Pass it as an argument that is a tensor, set it in the optimizer (lr), or use a schedule; "
                        "draw random numbers with mt.randn and mt.dropout.",
                    )
        return result

    # ---- many steps --------------------------------------------------------------------------------------------------

    def repeat(self, n: int, *args: Any, record: Sequence[Tensor] = (), **kwargs: Any) -> Any:
        """n steps with the same arguments, in machine code; what they returned, with an axis of n in front.

        Args:
            n: how many steps.
            args, kwargs: the arguments of each step.
            record: tensors whose values after every step are wanted, such as parameters. The result is then
                (what the steps returned, [n values of each tensor]).

        Raises `ArgumentError` for a negative n, and what the step raises.
        """
        if n < 0:
            raise ArgumentError(f"repeat({n}): the number of steps can't be negative.")
        if not record:
            return self._many(n, args, kwargs)
        key = tuple(map(id, record))
        if key not in self._recorders:
            self._recorders[key] = Compiled(_recording(self.step, list(record)))
        return self._recorders[key]._many(n, args, kwargs)

    def minibatches(self, loader: Any, epochs: int = 1) -> Any:
        """A step for each batch of a `DataLoader`; what they returned, one after the other.

        Where the data are tensors in memory, the whole epoch is put in order once, and its steps run in machine code.
        """
        results: list[Any] = []
        for _ in range(epochs):
            whole = loader.epoch() if hasattr(loader, "epoch") else None
            if whole is None:
                results += [_stacked([self(*_listed(batch))]) for batch in loader]
            else:
                results += self._epoch(whole, loader.batch_size, loader.drop_last)
        return _chained(results)

    def _epoch(self, data: Sequence[Tensor], size: int, drop_last: bool) -> list[Any]:
        count = len(data[0]._data)
        batches = [tuple(wrap(x._data[start : start + size]) for x in data) for start in range(0, count, size)]
        if drop_last and count % size:
            batches.pop()
        full = count // size
        results, at = [], 0
        with self._lock:
            while at < full:
                arguments, key = _flat(batches[at], {})
                form = self._forms.get(key)
                ready = next((v for v in form.variants if v[0].holds()), None) if form else None
                if ready is not None and ready[0].repeatable:
                    variant, template = ready
                    records = [np.empty((full - at, *a.shape), a.dtype) for a in variant.plan.outputs]
                    variant.protect()
                    variant.run_many(
                        full - at, arguments, {k: x._data.nbytes for k, x in enumerate(arguments)}, records
                    )
                    results.append(_joined([], template, records))
                    at = full
                else:
                    results.append(_stacked([self(*batches[at])]))
                    at += 1
        return results + [_stacked([self(*batch)]) for batch in batches[full:]]

    def _many(self, n: int, args: Any, kwargs: Any) -> Any:
        with self._lock:
            arguments, key = _flat(args, kwargs)
            done: list[Any] = []
            ready = None
            while len(done) < n:
                form = self._forms.get(key)
                ready = next((v for v in form.variants if v[0].holds()), None) if form else None
                if ready is not None and ready[0].repeatable and not MODE.get().listeners:
                    break
                ready = None
                done.append(self(*args, **kwargs))
            if ready is None:
                return _stacked(done)
            variant, template = ready
            rest = n - len(done)
            records = [np.empty((rest, *a.shape), a.dtype) for a in variant.plan.outputs]
            variant.protect()
            variant.run_many(rest, arguments, {}, records)
            return _joined(done, template, records)

    def __graph__(self) -> Any:
        """For `mt.graph`: one box for each piece of machine code."""
        from .explain import graph

        return graph(self)

    def explain(self) -> Any:
        """What became of the step: operations, loops, memory, times, and the source. `print` it."""
        from .explain import explain

        return explain(self)

    def __repr__(self) -> str:
        forms = sum(len(form.variants) for form in self._forms.values())
        return f"<compiled {getattr(self.step, '__name__', 'step')}: {forms} native functions>"


def compile(step: Step) -> Compiled:
    """The training step `step`, an ordinary eager function, as one native function that does the same.

        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = mt.compile(step)
        for x, y in loader:
            loss = step(x, y)

    Forward pass, backward pass and update become loops and matrix products in one piece of machine code: `explain()`
    shows it. Parameters and the optimizer's state stay where they are, so everything else goes on as before: eager
    steps in between, checkpoints, a learning rate that is set or scheduled. `repeat(n, ...)` and `minibatches(loader)`
    stay in machine code for many steps.

    The first two calls run eagerly. New shapes and dtypes, `model.eval()`, a frozen layer or a global number that
    changed make another form of the function, after two eager runs. What Python does besides the operations (printing,
    counting, appending to a list) is not repeated; where it could matter to the result, `CompileError` says so, with
    the line: values that leave the tensors (`item()`, `if loss > 1`), hooks, random numbers of NumPy's.

    Results agree with the eager step to about 1e-15 a step, not to the bit: sums are added up in another order.

    Raises `DtypeError` for what is no function. The compiled step raises `CompileError` for what can't be captured.
    """
    return Compiled(step)


# ---------------------------------------------------------------------------------------------------------------------
# Arguments and results


# (No functions inside functions that call themselves: these would be cycles, which hold on to tensors.)


def _flat(args: Any, kwargs: Any) -> tuple[list[Any], Any]:
    """(the tensors and arrays among the arguments, everything else: what a compiled form is for)."""
    arguments: list[Any] = []
    key: list[Any] = []
    for x in args:
        _visit(x, arguments, key)
    if kwargs:
        _visit(kwargs, arguments, key)
    return arguments, tuple(key)


def _visit(x: Any, arguments: list[Any], key: list[Any]) -> None:
    if isinstance(x, Tensor):
        arguments.append(x)
        data = x._data
        key.append((data.shape, data.dtype.num, x._tracked))
    elif isinstance(x, np.ndarray):
        arguments.append(x)
        key.append((x.shape, x.dtype.num))
    elif isinstance(x, (list, tuple)):
        key.append((type(x), len(x)))
        for part in x:
            _visit(part, arguments, key)
    elif isinstance(x, dict):
        key.append((dict, tuple(x)))
        for part in x.values():
            _visit(part, arguments, key)
    else:
        try:
            hash(x)
            key.append((type(x), x))
        except TypeError:
            key.append(id(x))


def _template(x: Any, arguments: list[Any], outputs: list[Any]) -> Any:
    """What a step returned, with `Output`s in the place of tensors, which go to `outputs`."""
    if isinstance(x, Tensor):
        for k, argument in enumerate(arguments):
            if x is argument:
                return Output(k, "argument")
        if x._node is None and x._tracked:
            return x  # a parameter: the very same tensor
        outputs.append(x)
        return Output(len(outputs) - 1)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(_template(part, arguments, outputs) for part in x))
    if isinstance(x, (list, tuple)):
        return type(x)(_template(part, arguments, outputs) for part in x)
    if isinstance(x, dict):
        return {name: _template(part, arguments, outputs) for name, part in x.items()}
    return x


def _rebuilt(template: Any, results: list[Any], arguments: list[Any]) -> Any:
    if template.__class__ is Output:
        return wrap(results[template.number]) if template.kind == "output" else arguments[template.number]
    if isinstance(template, tuple) and hasattr(template, "_fields"):
        return type(template)(*(_rebuilt(x, results, arguments) for x in template))
    if isinstance(template, (list, tuple)):
        return type(template)(_rebuilt(x, results, arguments) for x in template)
    if isinstance(template, dict):
        return {name: _rebuilt(x, results, arguments) for name, x in template.items()}
    return template


def _detached(result: Any) -> Any:
    if isinstance(result, Tensor):
        return result if result._node is None else result.detach()
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*map(_detached, result))
    if isinstance(result, (list, tuple)):
        return type(result)(map(_detached, result))
    if isinstance(result, dict):
        return {name: _detached(x) for name, x in result.items()}
    return result


def _recording(step: Step, record: list[Tensor]) -> Step:
    """The step, which also returns the values of some tensors after it."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        result = step(*args, **kwargs)
        return result, [x.detach().clone() for x in record]

    recorded.__name__ = getattr(step, "__name__", "step")
    return recorded


def _listed(batch: Any) -> Any:
    return batch if isinstance(batch, (list, tuple)) else [batch]


def _chained(parts: list[Any]) -> Any:
    """Results that have an axis of steps already, one after the other."""
    if not parts:
        return None
    first = parts[0]
    if isinstance(first, Tensor):
        return wrap(np.concatenate([p._data for p in parts]))
    if isinstance(first, (list, tuple)):
        return type(first)(_chained(list(each)) for each in zip(*parts, strict=True))
    if isinstance(first, dict):
        return {name: _chained([p[name] for p in parts]) for name in first}
    return first


def _stacked(results: list[Any]) -> Any:
    if not results:
        return None
    first = results[0]
    if isinstance(first, Tensor):
        return wrap(np.stack([r._data for r in results]))
    if isinstance(first, (list, tuple)):
        return type(first)(_stacked(list(parts)) for parts in zip(*results, strict=True))
    if isinstance(first, dict):
        return {name: _stacked([r[name] for r in results]) for name in first}
    return first


def _joined(done: list[Any], template: Any, records: list[Any]) -> Any:
    """The first steps' results, stacked, and the recorded ones after them."""
    if template.__class__ is Output and template.kind == "output":
        record = records[template.number]
        return wrap(np.concatenate([np.stack([d._data for d in done]), record]) if done else record)
    if isinstance(template, (list, tuple)):
        return type(template)(_joined([d[k] for d in done], x, records) for k, x in enumerate(template))
    if isinstance(template, dict):
        return {name: _joined([d[name] for d in done], x, records) for name, x in template.items()}
    return template
