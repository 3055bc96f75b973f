"""Whether operations are recorded, and who listens to them."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar


@dataclass(slots=True)  # whose fields are read in a third of the time that those of a named tuple take
class Mode:
    """What `apply` does besides computing. Whoever changes it sets another one."""

    grad: bool = True  # record the graph?
    listeners: tuple[Any, ...] = ()  # whoever wants to know what happens (see `listen`)


# A context variable, so that each thread (and each asyncio task) has its own mode.
MODE: ContextVar[Mode] = ContextVar("microtrain_mode", default=Mode())  # noqa: B039

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class grad_mode:  # noqa: N801
    """A context manager and decorator: inside, operations are recorded or not."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = bool(enabled)
        self._before: list[Mode] = []  # one object may be entered several times

    def __enter__(self) -> None:
        before = MODE.get()
        self._before.append(before)
        MODE.set(Mode(self.enabled, before.listeners))

    def __exit__(self, *_: object) -> None:
        MODE.set(self._before.pop())

    def __call__(self, function: Decorated) -> Decorated:
        enabled = self.enabled
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Any:
                return (yield from _in_steps(function(*args, **kwargs), enabled))

            return generate  # type: ignore[return-value]

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wait(*args: Any, **kwargs: Any) -> Any:
                with grad_mode(enabled):
                    return await function(*args, **kwargs)

            return wait  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with grad_mode(enabled):
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]


def _in_steps(generator: Generator[Any, Any, Any], enabled: bool) -> Generator[Any, Any, Any]:
    """Run a generator in a mode that does not leak to whoever consumes it."""
    resume: Callable[[], Any] = functools.partial(next, generator)
    try:
        while True:
            try:
                with grad_mode(enabled):
                    item = resume()
            except StopIteration as stop:
                return stop.value
            try:
                resume = functools.partial(generator.send, (yield item))
            except GeneratorExit:
                raise
            except BaseException as error:
                resume = functools.partial(generator.throw, error)
    finally:
        with grad_mode(enabled):
            generator.close()


class _Preset(grad_mode):
    """`no_grad` and `enable_grad`: also decorators without parentheses."""

    preset: bool

    def __new__(cls, function: Any = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self) -> None:
        super().__init__(self.preset)


class no_grad(_Preset):  # noqa: N801
    """Inside `with no_grad():` operations are computed but not recorded, and leaves may be changed in place.

    Also a decorator: `@no_grad()` or `@no_grad`.
    """

    preset = False


class enable_grad(_Preset):  # noqa: N801
    """Records again inside a `no_grad` block. Also a decorator."""

    preset = True


class set_grad_enabled(grad_mode):  # noqa: N801
    """Switches recording on or off from here on, or only for a `with` block or a decorated function."""

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        self._outside = MODE.get()
        MODE.set(Mode(self.enabled, self._outside.listeners))

    def __enter__(self) -> None:
        self._before.append(self._outside)
        MODE.set(Mode(self.enabled, self._outside.listeners))

    def __call__(self, function: Decorated) -> Decorated:
        MODE.set(self._outside)
        return super().__call__(function)


class inference_mode(grad_mode):  # noqa: N801
    """PyTorch's stricter `no_grad`; here it is the same. `inference_mode(False)` changes nothing."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode and MODE.get().grad)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded here."""
    return MODE.get().grad


@contextlib.contextmanager
def listen(listener: Any) -> Iterator[Any]:
    """Tell `listener` about what happens inside the block. It has the first two of these methods, and any others:

    forward(primitive, inputs, params, output, node)    after an operation; `node` is None if it is not recorded
    backward(node, slot, upstream, gradient)            after one vjp: `gradient` goes to `node.parents[slot]`
    write(tensor, new, what)                            after `tensor` got the values and the history of `new` in place
    reshaped(tensor, new, what)                         after `tensor` became `new`, another view of its memory
    begin(outputs, seeds)                               before a backward pass
    end()                                               after a backward pass
    read(tensor)                                        before the program sees values (`item()`, `if`)
    update(optimizer, bucket, gradients, hyper, negate) before an optimizer writes to the parameters of a bucket

    and the compiler's recorder also

    found(gradients)                                    after a backward pass, before `end`: {leaf or node: gradient}
    accumulate(tensor, gradient, create_graph)          before a gradient goes into `tensor.grad`
    assigned(tensor)                                    before the program itself sets `tensor.grad`
    drawn(function, args, kwargs, result)               after random numbers were drawn
    called(function, args)                              before what Python is to do in each step
    copied(index, array)                                after an index was copied
    refused(what, why, fix)                             before something of which it is known that it can't be captured
    """
    before = MODE.get()
    MODE.set(Mode(before.grad, (*before.listeners, listener)))
    try:
        yield listener
    finally:
        # only the listener goes: the block may have called set_grad_enabled
        MODE.set(Mode(MODE.get().grad, before.listeners))
