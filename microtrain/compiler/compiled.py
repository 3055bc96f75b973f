"""What `mt.compile` returns."""

from __future__ import annotations

import functools
import itertools
import os
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, overload

from ..engine.recording import MODE
from ..errors import ArgumentError, CompileError, DtypeError, KernelError
from ..kernels.fused import give_up
from ..tensor import Tensor
from . import repeating, trees
from .capture import capture
from .program import Program, difference
from .variant import Stale, Variant

MOST_FORMS = 16  # that are kept: sets of shapes and settings
MOST_VARIANTS = 4  # of a form that are kept: one for each state of what it depends on (train and eval, say)
MOST_CAPTURES = 16  # of a form, with no step in machine code between, before we say that there will be none
PATIENCE = 3  # runs that may differ from the one before, before we say that they always will
PYTORCHS = {"fullgraph", "dynamic", "backend", "mode", "options"}  # of torch.compile

Step = Callable[..., Any]


class _Form:
    """The compiled forms of a step for one set of shapes and settings, and what is known of the next one."""

    def __init__(self) -> None:
        self.variants: list[tuple[Variant, Any]] = []
        self.runs: list[tuple[Program, Any]] = []  # the last eager runs, since it was last compiled
        self.differed = 0
        self.captures = 0  # since it last ran in machine code

    def ready(self, arguments: list[Any]) -> tuple[Variant, Any] | None:
        """The compiled form that holds at present for these arguments, and what it returns."""
        return next((p for p in self.variants if p[0].holds() and p[0].aliases.fit(arguments)), None)


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
        self._constant: set[int] = set()  # places of floats among the arguments that can't vary in machine code
        self._lock = threading.RLock()
        self._recent: Any = None  # the arguments of the last call, and the form that they had
        self._warned = False
        self._eager = False  # could it not be compiled?
        _all.add(self)

    @property
    def name(self) -> str:
        """The step's."""
        return str(getattr(self.step, "__name__", "step"))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One step; what it returns. Tensors come back without a graph."""
        if self._eager or MODE.get().listeners:  # who listens (a graph, another compiled step) wants to hear all
            return self.step(*args, **kwargs)
        with self._lock:
            recent = self._recent
            if recent is not None and not kwargs and trees.unchanged(args, recent[0]):
                _, arguments, form = recent  # the same tensors as last time
            else:
                arguments, key = trees.flat(args, kwargs, self._constant)
                form = self._forms.get(key) or self._form(key)
                self._recent = None if kwargs else (trees.seen(args), arguments, form)
            for variant, template in form.variants:
                if variant.holds() and (arguments is variant.taken or variant.aliases.fit(arguments)):
                    if variant.tried.any and not variant.tried.covers(arguments):
                        return self._verify(form, variant, template, arguments, args, kwargs)
                    form.captures = 0
                    variant.protect()
                    try:
                        results = variant.run(arguments)
                    except Stale:
                        return self.step(*args, **kwargs)  # it knows what to say about these labels
                    return trees.rebuilt(template, results, arguments)
            variant = template = None  # what holds no longer may have to go, with its memory
            return self._capture(form, arguments, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: `@mt.compile` inside a class."""
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        """Copies and pickles take the step along, and compile it anew: it may be another's method then."""
        return type(self), (self.step,)

    def repeat(self, n: int, *args: Any, record: Sequence[Tensor] = (), **kwargs: Any) -> Any:
        """n steps with the same arguments, in machine code; what they returned, with an axis of n in front.

        Args:
            n: how many steps.
            args, kwargs: the arguments of each step.
            record: tensors whose values after every step are wanted, such as parameters. The result is then
                (what the steps returned, [n values of each tensor]).

        Raises `ArgumentError` for an n that is negative or no whole number, and what the step raises.
        """
        return repeating.repeat(self, n, args, kwargs, record)

    def minibatches(self, loader: Any, epochs: int = 1) -> Any:
        """A step for each batch of a `DataLoader`; what they returned, one after the other.

        Where the data are tensors in memory, the whole epoch is put in order once, and its steps run in machine code.
        """
        return repeating.minibatches(self, loader, epochs)

    # ---- making compiled forms ---------------------------------------------------------------------------------------

    def _form(self, key: Any) -> _Form:
        if len(self._forms) >= MOST_FORMS:
            del self._forms[next(iter(self._forms))]
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"mt.compile: more than {MOST_FORMS} forms of '{self.name}' were asked for; the oldest are "
                    "forgotten. Every other shape and every other whole number among the arguments (and a float that "
                    "Python computes with or looks at) needs a form of its own: pad batches to a few lengths, and "
                    "pass numbers that vary as floats or tensors.",
                    stacklevel=3,
                )
        self._forms[key] = _Form()
        return self._forms[key]

    def _listen(self, form: _Form, before: Program | None, arguments: list[Any], args: Any, kwargs: Any) -> Any:
        """Run the step eagerly and note what it does: (what it returned, its form, the program)."""

        def step(numbers: Any) -> Any:
            if not numbers:
                return self.step(*args, **kwargs)
            place = itertools.count()
            given = tuple(trees.with_numbers(x, numbers, place) for x in args)
            return self.step(*given, **trees.with_numbers(kwargs, numbers, place))

        result, template, program, looked = capture(step, arguments, trees.template_of, before)
        if not looked <= self._constant:
            self._constants(looked)
            form.runs = []  # this program is of no use; the next run is another form's first one
            return trees.detached(result), None, None
        return trees.detached(result), template, program  # the graph goes, and with it the views of parameters

    def _constants(self, places: set[int]) -> None:
        """From now on these floats are constants: there is a form for each of their values."""
        self._constant |= places
        self._forms.clear()
        self._recent = None

    def _capture(self, form: _Form, arguments: list[Any], args: Any, kwargs: Any) -> Any:
        """Run the step eagerly and note it; compile it when two runs have been the same."""
        form.captures += 1
        for each in (*self._forms.values(), form):  # those that can never run again still hold on to memory
            each.variants = [pair for pair in each.variants if not pair[0].watch.obsolete]
        if form.captures > MOST_CAPTURES:
            names = {name for name in (variant.watch.changed for variant, _ in form.variants) if name}
            form.captures = 0
            raise CompileError(
                "mt.compile: the step changes what it depends on each time it runs"
                + (f": {', '.join(sorted(names))}." if names else "."),
                "Every change asks for another native function.",
                "Pass what changes as a tensor, and count steps outside of the step.",
            )
        before = form.runs
        result, template, program = self._listen(form, before[-1][0] if before else None, arguments, args, kwargs)
        if program is None:
            return result
        form.runs = [*before[-1:], (program, template)]
        if before:
            different = _difference(before[-1], (program, template))
            if different and len(before) > 1 and before[-1][0].adds_to() != program.adds_to():
                # They take turns: the first backward() after zero_grad(), and one that adds to what is there.
                different = _difference(before[0], (program, template)) and different
            if different is None:
                form.runs, form.differed = [], 0
                try:
                    variant = Variant(program, self.name, (self.step, args, kwargs), arguments)
                except KernelError as error:  # no Numba: the step stays eager
                    give_up(error)
                    self._eager = True
                    return result
                form.variants = [(variant, template), *form.variants[: MOST_VARIANTS - 1]]
            else:
                self._differs(form, before[-1][0], program, different)
        return result

    def _differs(self, form: _Form, before: Program, program: Program, different: tuple[str, Any]) -> None:
        """Two runs were not the same. Is it for a float among the arguments? Then that is a constant, from now on."""
        form.differed += 1
        moved = {k for k, (a, b) in enumerate(zip(before.floats, program.floats, strict=True)) if a != b}
        if moved and form.differed > 1:  # the first run may always differ: there were no gradients before it
            self._constants(moved)
        elif form.differed >= PATIENCE and not any(other.variants for other in self._forms.values()):
            form.runs, form.differed = [], 0  # it was never seen to do the same twice
            what, site = different
            raise CompileError(
                f"mt.compile: two runs of the step were not the same: {what}." + (f"\n  at: {site}" if site else ""),
                "A compiled step does the same operations each time. A number that Python computes (a counter, "
                "NumPy's random numbers, a branch) would stay for ever what it was.",
                "Pass it as an argument that is a tensor, set it in the optimizer (lr), or use a schedule; "
                "draw random numbers with mt.randn and mt.dropout.",
            )

    def _verify(
        self, form: _Form, variant: Variant, template: Any, arguments: list[Any], args: Any, kwargs: Any
    ) -> Any:
        """A float or an array is unlike all that were tried: does the step really do the same with it?"""
        others = variant.tried.others(arguments)
        result, now, program = self._listen(form, variant.program, arguments, args, kwargs)
        if program is None:
            return result
        different = difference(variant.program, program)
        if different is None and trees.same(template, now):
            variant.tried.add(arguments)
            return result
        moved = {k for k, x in enumerate(program.floats) if x != variant.program.floats[k]}
        if moved or not others:
            self._constants(moved)
            return result
        what, site = different or ("it returns something else", None)
        raise CompileError(
            f"mt.compile: the values of a NumPy array among the arguments matter, and not in an operation: {what}.\n"
            f"  at: {site}",
            "What NumPy or Python computes with it would stay for ever what it was.",
            "Pass it as a tensor: step(mt.tensor(array)). A whole number that says what to do may be an int.",
        )

    # ---- for people --------------------------------------------------------------------------------------------------

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
        return f"<compiled {self.name}: {forms} native functions>"


_all: weakref.WeakSet[Compiled] = weakref.WeakSet()


def _unlock() -> None:
    """In a forked child there is one thread, which must not wait for what another one held."""
    for compiled in _all:
        compiled._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def _difference(a: tuple[Program, Any], b: tuple[Program, Any]) -> tuple[str, Any] | None:
    """What is different in two runs of a step and in what they return; None if they are the same."""
    if found := difference(a[0], b[0]):
        return found
    if trees.same(a[1], b[1]):
        return None
    if [*map(id, trees.leaves(a[1]))] != [*map(id, trees.leaves(b[1]))]:
        return "it returns a leaf that is made in the step (return x.detach() instead)", None
    return f"it returns {b[1]!r}, and before {a[1]!r}", None


@overload
def compile(step: Step, **pytorchs: Any) -> Compiled: ...


@overload
def compile(step: None = None, **pytorchs: Any) -> Callable[[Step], Compiled]: ...


def compile(step: Step | None = None, **pytorchs: Any) -> Any:
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
    changed make another form of the function, after two eager runs. Tensors and floats among the arguments may have
    other values each time (where a float is far from all before, the step runs eagerly once more, to see that it does
    the same); whole numbers get a form for each value. What Python does besides the operations (printing, counting,
    appending to a list) is not repeated; where it could matter to the result, `CompileError` says so, with the line:
    values that leave the tensors (`item()`, `if loss > 1`), hooks, shapes that depend on values (`x[x > 0]`), random
    numbers of NumPy's. Not noticed: what the system answers (the time, the working directory), and single elements of
    NumPy arrays above 1 MB that Python computes with.

    Results agree with the eager step to about 1e-15 a step, not to the bit: sums are added up in another order. Matrix
    products and averages of gradients take subnormal numbers (below 1e-38 in float32, 2e-308 in float64) for 0:
    processors are some 30 times slower with them.

    PyTorch's options (fullgraph, dynamic, mode ...) are accepted, and change nothing: the whole step becomes one
    function in any case. With options alone it is a decorator.

    Raises `DtypeError` for what is no function, `ArgumentError` for an option that PyTorch does not have. The compiled
    step raises `CompileError` for what can't be captured.
    """
    for name in pytorchs.keys() - PYTORCHS:
        raise ArgumentError(f"mt.compile has no option '{name}'.", fix="It takes the step alone: mt.compile(step).")
    return Compiled if step is None else Compiled(step)
