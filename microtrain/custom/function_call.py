"""What happens in one call of a `Function`: how it gets into the graph, and how its `backward` is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.node import memory_of
from ..engine.recording import MODE, grad_mode
from ..engine.walk import NO_GRADIENT
from ..errors import ArgumentError, DtypeError, GraphError, NotDifferentiableError, ShapeError
from ..ops.plan import Keep, Plan
from ..ops.primitive import Primitive
from ..tensor import Tensor, wrap

OF_CONTEXT = ("needs_input_grad", "_saved", "_plain_outputs", "_zeros")  # what is not `forward`'s own


class Context:
    """What `forward` leaves for `backward`. Numbers and settings may be set as attributes: `ctx.alpha = alpha`."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()
        self._plain_outputs: tuple[Any, ...] = ()
        self._zeros = True  # where no gradient arrived; else None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs, outputs or intermediate tensors; they come back as `saved_tensors`."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                what = f"save_for_backward() takes tensors, not {type(t).__name__}."
                raise DtypeError(what, fix="Use an attribute: ctx.alpha = alpha.")
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved, in the same order."""
        return self._saved

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These outputs have no gradient (indices, say)."""
        self._plain_outputs = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """False: `backward` gets None for an output at which no gradient arrived, instead of zeros."""
        self._zeros = bool(value)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Raises: a Function can't change its inputs in place."""
        raise GraphError(
            "mark_dirty() is not supported.", "A Function can't change its inputs in place.", "Return a new tensor."
        )


class FunctionCall(Primitive):
    """One call of a Function, as a row of the table of its own.

    A row has one output: several are laid end to end in one vector, and cut out of it again. What was saved goes
    through the node like what any row keeps, so it is watched, freed, and put into the graph for second derivatives.
    """

    def __init__(
        self,
        kind: Any,
        args: tuple[Any, ...],
        given: list[Any],
        context: Context,
        outputs: list[Any],
        differentiable: list[int],
    ) -> None:
        inputs = [name for name, a in zip(_argument_names(kind, len(args)), args, strict=True) if isinstance(a, Tensor)]
        super().__init__(kind.__name__, kind.forward, [lambda g: g], inputs=inputs)
        self.variadic = False
        self.kind, self.context, self.count = kind, context, len(args)
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.tensors = [a for a in args if isinstance(a, Tensor)]
        self.input_shapes = [x.shape for x in self.tensors]
        self.made, self.differentiable_outputs = outputs, differentiable  # all, and the numbers of some
        self.shapes = [(y.shape, y.dtype) if isinstance(y, Tensor) else None for y in outputs]
        self.starts = np.cumsum([0, *(outputs[k].numel() for k in differentiable)]).tolist()
        # arrays, and what came in a list or by keyword, may be kept: they are constants, not results
        kept = contents(self._attributes().values())
        self.constants = [a for a in given if _among(a, kept) and not _among(a, self.tensors)]
        self._arrived: dict[int, Any] = {}  # the walk that last came to an output, if `backward` wants to know
        self._answer: dict[int, Any] = {}
        self._answer_to: Any = None

    def outputs(self) -> list[Any]:
        """Put the call into the graph; returns its outputs."""
        saved, self.context._saved = self.context._saved, ()
        extra = self._choose_kept(saved)
        self._look_at_attributes(extra)
        return self._record(extra)

    def _choose_kept(self, saved: tuple[Any, ...]) -> list[Tensor]:
        """Decide what the node keeps: what was saved and, to be watched for writes, what the context's attributes hold.

        Returns the tensors among it that are neither inputs nor outputs; the row gets them as further inputs.
        """
        inside = contents(self._attributes().values())
        arrays = [x for x in inside if isinstance(x, np.ndarray)]
        watched = [*saved, *(x for x in inside if isinstance(x, Tensor))]
        for t in (*self.tensors, *(self.made[k] for k in self.differentiable_outputs)):
            if any(np.may_share_memory(a, t._data) for a in arrays):
                watched.append(t)
        extra: list[Tensor] = []
        self.keep: list[Keep] = []
        # of each saved tensor: (place in `kept`, which of the differentiable outputs it is, or -1)
        self.saved: list[tuple[int, int] | None] = []
        for t in watched:
            if t is None:
                self.saved.append(None)
                continue
            which = next((n for n, k in enumerate(self.differentiable_outputs) if self.made[k] is t), -1)
            mine = next((i for i, x in enumerate(self.tensors) if x is t), -1)
            if which >= 0:
                item = Keep("output", -1, -1)
            elif mine >= 0:
                item = Keep("input", mine, -1)
            else:
                item = Keep("input", len(self.tensors) + len(extra), -1)
                extra.append(t)
            if item not in self.keep:
                self.keep.append(item)
            self.saved.append((self.keep.index(item), which))
        self.saved = self.saved[: len(saved)]  # attributes are read from the context itself
        return extra

    def _look_at_attributes(self, extra: list[Tensor]) -> None:
        """What a second derivative has to know of the context."""
        attributes = self._attributes()
        # An output that `forward` put into the context has no history. While `backward` runs for a second derivative,
        # the same output as the graph knows it takes its place (in `_ask`).
        self.output_attributes = {
            name: n
            for name, x in attributes.items()
            for n, k in enumerate(self.differentiable_outputs)
            if x is self.made[k]
        }
        nested = contents(x for x in attributes.values() if not isinstance(x, Tensor))
        # shapes of intermediate results: how they depend on the inputs is not recorded
        self.unrecorded = [t.shape for t in extra if t.dtype.kind == "f" and not _among(t, self.constants)]
        self.unrecorded += [self.made[k].shape for k in self.differentiable_outputs if _among(self.made[k], nested)]

    def _record(self, extra: list[Tensor]) -> list[Any]:
        """Go through the door, with the differentiable outputs as one; then cut them apart again."""
        values = [self.made[k]._data for k in self.differentiable_outputs]
        value = values[0] if len(values) == 1 else np.concatenate([np.ravel(v) for v in values])
        self.forward = lambda *_: value
        tensors, outputs, self.tensors, self.made = self.tensors, self.made, [], []  # only the node keeps tensors
        whole = Tensor.apply(self, *tensors, *extra)
        self.forward = self.kind.forward
        if len(values) == 1:
            (only,) = self.differentiable_outputs
            whole._memory = memory_of(outputs[only])  # shared with what `forward` may have left in the context
            if whole._node is not None:
                whole._node._memory = whole._memory
            outputs[only] = whole
        else:
            for k, part in zip(self.differentiable_outputs, self._parts(whole), strict=True):
                outputs[k] = part.clone()
                if outputs[k]._node is not None and not self.context._zeros:
                    outputs[k]._node.hooks = [_note(self._arrived, k)]
        return outputs

    def _attributes(self) -> dict[str, Any]:
        """What `forward` set on the context."""
        return {name: x for name, x in vars(self.context).items() if name not in OF_CONTEXT}

    def _parts(self, whole: Any) -> list[Any]:
        """The differentiable outputs (or their gradients), cut out of the vector they were laid in."""
        if len(self.differentiable_outputs) == 1:
            return [whole]
        return [
            whole[start:end].reshape(self.shapes[k][0]).to(self.shapes[k][1])  # type: ignore[index]
            for k, start, end in zip(self.differentiable_outputs, self.starts[:-1], self.starts[1:], strict=True)
        ]

    def plan(self, mask: int, count: int) -> Plan:
        """What to keep: what was saved."""
        wanted = tuple(i for i in range(len(self.inputs)) if mask >> i & 1)
        keep = tuple(
            item if item.kind == "output" else Keep("input", item.index, wanted.index(item.index))
            if item.index in wanted else item
            for item in self.keep
        )  # fmt: skip
        return Plan(
            wanted=wanted,
            others=tuple(i for i in range(count) if i not in wanted),
            vjps=tuple(self._vjp_of(i) for i in wanted),
            keep=keep,
            pick=lambda values: tuple(values[item.index] for item in keep),
            watched=tuple(item.slot for item in keep if item.slot >= 0),
            kept_others=tuple((k, item.index) for k, item in enumerate(keep) if item.kind == "input" and item.slot < 0),
            keeps_output=any(item.kind == "output" for item in keep),
            holds_memory=bool(keep),
        )

    def _vjp_of(self, i: int) -> Any:
        return lambda g, kept, params: self._gradient(i, g, kept)

    def _gradient(self, i: int, g: Any, kept: Any) -> Any:
        """The gradient of input i; `backward` is asked once for all inputs of one upstream gradient."""
        if self._answer_to is not g or i not in self._answer:
            self._answer, self._answer_to = self._ask(g, kept), g
        gradient = self._answer.pop(i)
        if not self._answer:
            self._answer_to = None
        return gradient

    def _ask(self, g: Any, kept: Any) -> dict[int, Any]:
        recording = isinstance(g, Tensor)
        if recording:
            self._refuse_unrecorded()
            # so that what `backward` computes outside of tensors shows: its result does not depend on g any more
            g = g if g.requires_grad else g.detach().requires_grad_()
            whole, kept = g, list(kept)
        else:
            whole, kept = wrap(_frozen(g)), [wrap(_frozen(x)) for x in kept]
        context, self.context._saved = (
            self.context,
            tuple(None if s is None else kept[s[0]] if s[1] < 0 else self._parts(kept[s[0]])[s[1]] for s in self.saved),
        )
        plain = {name: vars(context)[name] for name in self.output_attributes if recording and name in vars(context)}
        for name in plain:
            output = kept[self.keep.index(Keep("output", -1, -1))]
            setattr(context, name, self._parts(output)[self.output_attributes[name]])
        zeros, walk = context._zeros, MODE.get()
        gradients = [wrap(np.zeros(*s)) if zeros and s is not None else None for s in self.shapes]
        for k, part in zip(self.differentiable_outputs, self._parts(whole), strict=True):
            if zeros or len(self.differentiable_outputs) == 1 or self._arrived.get(k) is walk:
                gradients[k] = part
        self._arrived.clear()
        try:
            with grad_mode(recording):
                answer = self.kind.backward(context, *gradients)
        finally:
            context._saved = ()
            vars(context).update(plain)  # one that stayed would lead from the node to itself, and never be freed
        return self._checked(answer if isinstance(answer, tuple) else (answer,), recording)

    def _refuse_unrecorded(self) -> None:
        lost = self.unrecorded + [
            x.shape for x in contents(self._attributes().values())
            if isinstance(x, np.ndarray) and x.dtype.kind == "f" and not _among(x, self.constants)
        ]  # fmt: skip
        if lost:
            raise NotDifferentiableError(
                f"{self.name} kept an intermediate result of its forward (shape {lost[0]}), so its backward can't be "
                "differentiated again.",
                "How that value depends on the inputs is not in the graph; the second derivative would come out wrong.",
                "Save the inputs, and compute it again in backward; or return it as an output and save that "
                "with save_for_backward().",
            )

    def _checked(self, answer: tuple[Any, ...], recording: bool) -> dict[int, Any]:
        name = f"{self.name}.backward"
        if len(answer) < self.count or any(a is not None for a in answer[self.count :]):
            raise ArgumentError(
                f"{name} returned {len(answer)} gradients for {self.count} inputs.",
                fix="Return one for each argument of forward, None where there is none.",
            )
        for i, gradient in enumerate(answer):
            if gradient is not None and i not in self.places:
                raise ArgumentError(
                    f"{name} returned a gradient for argument {i}, which is not a tensor.", fix="Return None for it."
                )
        checked: dict[int, Any] = {}
        for slot, (place, shape) in enumerate(zip(self.places, self.input_shapes, strict=True)):
            gradient = answer[place]
            if gradient is None or not self.context.needs_input_grad[place]:
                checked[slot] = NO_GRADIENT
                continue
            tensor = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
            if tensor.shape != shape:
                raise ShapeError(
                    f"{name} returned a gradient of shape {tensor.shape} for an input of shape {shape}.",
                    "The gradient of a tensor has the shape of that tensor.",
                    "If the input was broadcast, sum over the broadcast axes.",
                )
            if recording and not tensor.requires_grad and tensor._data.any():
                raise NotDifferentiableError(
                    f"{name} computed its gradient outside of tensors, so it can't be differentiated again.",
                    "With create_graph=True it must depend on the gradient it was given, by tensor operations.",
                    "Use microtrain's functions instead of NumPy's, and no detach(), item() or no_grad() on the way.",
                )
            checked[slot] = tensor if recording else np.array(tensor._data, order="C")[()]
        return checked


def contents(values: Iterable[Any]) -> list[Any]:
    """The tensors and arrays among the values, and those in lists, tuples and dicts among them (one level deep)."""
    found: list[Any] = []
    for x in values:
        items = x.values() if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else (x,)
        found += [item for item in items if isinstance(item, (Tensor, np.ndarray))]
    return found


def _note(arrived: dict[int, Any], k: int) -> Any:
    """A hook that tells in which walk a gradient came (each has a `Mode` of its own), and leaves it as it is."""

    def hook(g: Any) -> Any:
        arrived[k] = MODE.get()
        return g

    return hook


def _among(x: Any, values: Iterable[Any]) -> bool:
    """Is it one of these, the same object?"""
    return any(x is value for value in values)


def _argument_names(kind: Any, count: int) -> list[str]:
    """What forward calls its arguments, for messages."""
    code = getattr(kind.forward, "__code__", None)
    names = [] if code is None else list(code.co_varnames[: code.co_argcount])
    if names and not kind.separate_context():
        names = names[1:]
    return [*names, *["x"] * count][:count]


def _frozen(x: Any) -> Any:
    """Without the permission to write."""
    if not isinstance(x, np.ndarray):
        return x
    view = x.view()
    view.flags.writeable = False
    return view
