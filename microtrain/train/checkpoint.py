"""A training run at one moment, as plain data: everything that decides how it goes on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.recording import no_grad
from ..errors import ArgumentError, DataFileError, MicrotrainError
from ..nn import state as modules
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from ..tensor import Tensor
from . import checkpoint_files as files, randomness

# what data of the wrong kind leads to
WRONG = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)


class Checkpoint:
    """Parameters, buffers, optimizer, schedules, random streams and the loader's order, as they are after a step.

    In a loop of your own, with all of it exact to the last bit:

        Checkpoint.take(model, optimizer, loader, step=step, more={"losses": losses}).save("run")
        ...
        checkpoint = Checkpoint.load("run")
        checkpoint.put_back(model, optimizer, loader)
        losses, step = checkpoint.more["losses"], checkpoint.step

    `fit(out="run")` writes the same files. They are safetensors with a description in JSON, and run no code.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    @classmethod
    def take(
        cls, model: Module, optimizer: Optimizer | None = None, loader: Any = None, *, step: int = 0,
        generators: Iterable[Any] = (), more: Mapping[str, Any] | None = None,
    ) -> Checkpoint:  # fmt: skip
        """Look at a run; call it between two steps. What is written later is not seen.

        Args:
            loader: the `DataLoader` of the epoch under way, or anything with a state_dict.
            step: how many steps have been made.
            generators: random generators that are not attributes of the model, its parts, the optimizer or the loader.
            more: what else has to be remembered: nested dicts and lists of tensors, arrays, numbers and texts.
        """
        named = list(modules.named(model, unsaved=True))
        return cls({
            "step": step,
            "model": {name: t.detach().clone() for name, t in named},
            "frozen": [name for name, p in model.named_parameters() if not p.requires_grad],
            "optimizer": None if optimizer is None else _of_optimizer(optimizer),
            "loader": loader.state_dict() if has_state(loader) else {},
            "random": randomness.states(randomness.streams([model, optimizer, loader, *generators])),
            "more": dict(more or {}),
        })  # fmt: skip

    @property
    def step(self) -> int:
        """How many steps had been made."""
        return self._content["step"]  # type: ignore[no-any-return]

    @property
    def model(self) -> dict[str, Tensor]:
        """The parameters and buffers by name, also for `model.load_state_dict`."""
        return dict(self._content["model"])

    @property
    def more(self) -> dict[str, Any]:
        """What the run remembered besides."""
        return dict(self._content["more"])

    def put_back(
        self, model: Module, optimizer: Optimizer | None = None, loader: Any = None, *, generators: Iterable[Any] = ()
    ) -> None:
        """Make everything what it was; the arguments are those of `take`.

        Raises `DataFileError` if the model, optimizer, loader or generators are not of the same kind and size.
        """
        content = self._content
        try:
            _check_model(model, content["model"])
            if optimizer is not None:
                if content["optimizer"] is None:
                    raise ArgumentError("The checkpoint has no optimizer.")
                _to_optimizer(optimizer, content["optimizer"])
            for name, tensor in modules.named(model, unsaved=True):
                with no_grad():
                    tensor.detach().copy_(content["model"][name])
            for name, p in model.named_parameters():
                p.requires_grad_(name not in content["frozen"])
            if has_state(loader):
                loader.load_state_dict(content["loader"])
            randomness.set_states(randomness.streams([model, optimizer, loader, *generators]), content["random"])
        except MicrotrainError as error:
            raise DataFileError(
                f"The checkpoint does not fit: {error.what}",
                error.why,
                error.fix or "Build model, optimizer and data exactly as in the run that wrote it.",
            ) from None
        except WRONG as error:
            raise DataFileError(
                f"The checkpoint does not fit: {type(error).__name__}: {error}.",
                fix="Build model, optimizer and data exactly as in the run that wrote it.",
            ) from None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to a folder (which then keeps the last two, and knows which is the newest), or to a .safetensors file.

        Either the whole checkpoint is there afterwards, also after a power failure, or what was there before. Returns
        the path of the file. Raises `DtypeError` if `more` has something inside that is not plain data.
        """
        if os.fspath(path).endswith(".safetensors"):
            return files.write_file(Path(path), self._content)
        return files.write_newest(Path(path), self._content, self.step)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read the newest checkpoint of a folder, or a file.

        Raises `DataFileError` if there is none, or if it is damaged. If a folder's newest one is, the one before is
        taken, with a warning.
        """
        return cls(files.read(Path(path)))

    def __repr__(self) -> str:
        content = self._content
        kind = "no optimizer" if content["optimizer"] is None else str(content["optimizer"]["kind"])
        count = sum(t.numel() for t in content["model"].values())
        return f"<Checkpoint after step {self.step}: {count:,} numbers in {len(content['model'])} tensors, {kind}>"


def has_state(thing: Any) -> bool:
    """Can it tell where it stands, and go on from there?"""
    return hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")


def _of_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    return {
        "kind": type(optimizer).__name__,
        "state": optimizer.state_dict(),
        "steps": optimizer.steps,
        "schedulers": [scheduler.state_dict() for scheduler in optimizer.schedulers],
        "scheduled": [[group, *rates] for group, rates in optimizer.scheduled.items()],
    }


def _to_optimizer(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    if saved["kind"] != type(optimizer).__name__:
        raise ArgumentError(f"it was trained with {saved['kind']}, and here is {type(optimizer).__name__}.")
    if len(saved["schedulers"]) != len(optimizer.schedulers):
        raise ArgumentError(
            f"its optimizer had {len(saved['schedulers'])} schedulers, and here are {len(optimizer.schedulers)}."
        )
    for group, there in zip(optimizer.param_groups, saved["state"]["param_groups"], strict=True):
        for name, value in group.items():
            if name in there and name != "params" and not callable(value) and not _alike(value, there[name]):
                raise ArgumentError(f"its optimizer has {name} = {there[name]!r}, and here is {value!r}.")
    for scheduler, state in zip(optimizer.schedulers, saved["schedulers"], strict=True):
        scheduler.load_state_dict(state)
    optimizer.load_state_dict(saved["state"])  # after them: they write the learning rates of the groups
    _check_state(optimizer)
    optimizer.steps = int(saved["steps"])
    optimizer.scheduled = {int(group): (float(lr), float(base)) for group, lr, base in saved["scheduled"]}


def _alike(one: Any, other: Any) -> bool:
    """Are both numbers, or texts, or as many of these?"""
    if _is_number(one):
        return _is_number(other)
    if isinstance(one, (list, tuple)):
        same = isinstance(other, (list, tuple)) and len(one) == len(other)
        return same and all(_alike(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)  # NumPy's too


def _check_state(optimizer: Optimizer) -> None:
    """What was loaded into the optimizer is of the right kind: numbers where it counts, arrays like the parameters."""
    for group in optimizer.param_groups:
        names = optimizer.names_in_state(group)
        for k, p in enumerate(group["params"]):
            state = optimizer.state.get(p, {})
            for name in optimizer.scalars:
                value = state.get(name, 0)
                if not _is_number(value) or not abs(value) < 2**53:
                    raise ArgumentError(f"its optimizer has {name} = {state[name]!r} for parameter {k}.")
            for name in names:
                array = state.get(name)
                if array is not None and (np.shape(array) != p.shape or getattr(array, "dtype", None) != p.dtype):
                    raise ArgumentError(
                        f"its optimizer has a '{name}' for parameter {k} that is not like the parameter."
                    )


def _check_model(model: Module, saved: Mapping[str, Tensor]) -> None:
    """Names, shapes and dtypes are the same: nothing is converted, or the run would not go on as it did."""
    own = dict(modules.named(model, unsaved=True))
    missing, unexpected = [name for name in own if name not in saved], [name for name in saved if name not in own]
    if missing or unexpected:
        raise ArgumentError(f"its model lacks {missing or 'nothing'} and has {unexpected or 'nothing'} besides.")
    for name, tensor in own.items():
        there = saved[name]
        if tuple(there.shape) != tuple(tensor.shape) or there.dtype != tensor.dtype:
            raise ArgumentError(
                f"'{name}' has shape {tuple(tensor.shape)} and dtype {tensor.dtype} here, "
                f"and {tuple(there.shape)} and {there.dtype} there."
            )
