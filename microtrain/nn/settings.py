"""The arguments of the small modules that are only a function with settings: activations and losses."""

from __future__ import annotations

from typing import Any

from ..calling.signatures import REASONS
from ..errors import ArgumentError


def chosen(name: str, defaults: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The defaults, with what was given in their order or by name. Raises `ArgumentError` for anything else."""
    given = dict(zip(defaults, args, strict=False))
    numbers = [value for key, value in given.items() if isinstance(defaults[key], (int, float, str))]
    for value in (*numbers, *args[len(defaults) :]):
        if getattr(value, "ndim", 0):
            raise ArgumentError(
                f"{name}() was made with data of shape {tuple(value.shape)}.",
                f"A module is made first, with its settings ({', '.join(defaults) or 'it has none'}), and then called.",
                f"{name}()(x), or the function in nn.functional.",
            )
    twice = kwargs.keys() & given
    if twice:
        raise ArgumentError(f"{name}() got {sorted(twice)} twice: by position and by name.")
    settings = {**defaults, **given, **kwargs}
    if len(args) > len(defaults) or settings.keys() - defaults.keys():
        wrong = sorted(settings.keys() - defaults.keys()) or f"{len(args)} arguments"
        why = next((REASONS[key] for key in settings if key in REASONS and key not in defaults), "")
        raise ArgumentError(f"{name}() got {wrong}.", why, f"It takes {', '.join(defaults) or 'none'}.")
    return settings
