"""Modules made of modules, and lists and dictionaries of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from ..errors import DtypeError, IndexingError
from .module import Module
from .parameter import Parameter
from .state import check_part

Item = TypeVar("Item")


class _Items(Module, Generic[Item]):
    """Attributes of one kind, in the order in which they were set."""

    kind: type[Any] = Module

    def _items(self) -> list[tuple[str, Item]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, self.kind)]

    def _set(self, name: str, item: Item) -> None:
        if not isinstance(item, self.kind):
            found = f"the class {item.__name__}" if isinstance(item, type) else type(item).__name__
            fix = f"Make one: {item.__name__}(...)." if isinstance(item, type) else ""
            raise DtypeError(f"{type(self).__name__} holds {self.kind.__name__}s, not {found}.", fix=fix)
        check_part(self, name, item, self.kind)
        setattr(self, name, item)

    def __len__(self) -> int:
        return len(self._items())

    def clear(self) -> None:
        """Take all out."""
        for name, _ in self._items():
            delattr(self, name)


class MissingKeyError(IndexingError, KeyError):
    """A name under which a container has nothing."""

    __str__ = IndexingError.__str__  # a KeyError shows its message in quotes


class _Numbered(_Items[Item]):
    """Items under the names 0, 1, 2 ..."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        super().__init__()
        self.extend(items)

    def append(self, item: Item) -> Any:
        """Add one at the end."""
        number = len(self)
        while str(number) in vars(self):  # a slice of a Sequential keeps the names
            number += 1
        self._set(str(number), item)
        return self

    def extend(self, items: Iterable[Item]) -> Any:
        """Add several at the end."""
        if not isinstance(items, Iterable):
            raise DtypeError(
                f"{type(self).__name__} takes several {self.kind.__name__}s here, not one {type(items).__name__}.",
                fix="Put it in a list, or use append().",
            )
        for item in items:
            self.append(item)
        return self

    def insert(self, index: int, item: Item) -> Any:
        """Put one before number `index`."""
        items = list(self)
        items.insert(index, item)
        return self._reset(items)

    def pop(self, index: int = -1) -> Item:
        """Take one out."""
        item: Item = self[index]
        del self[index]
        return item

    def __iadd__(self, items: Iterable[Item]) -> Any:
        return self.extend(items)

    def __add__(self, items: Iterable[Item]) -> Any:
        return type(self)(*self, *items) if isinstance(self, Sequential) else type(self)([*self, *items])

    def _reset(self, items: list[Item]) -> Any:
        self.clear()
        return self.extend(items)

    def _name(self, index: Any) -> str:
        items = self._items()
        if not hasattr(index, "__index__"):
            raise DtypeError(
                f"The items of a {type(self).__name__} have numbers, not {index!r:.80}.",
                fix=f"An item with a name is an attribute: .{index}." if isinstance(index, str) else "",
            )
        if not -len(items) <= index < len(items):
            raise IndexingError(f"{type(self).__name__} has {len(items)} items; there is none with index {index}.")
        name: str = items[index][0]
        return name

    def __iter__(self) -> Iterator[Item]:
        return (item for _, item in self._items())

    def __contains__(self, item: Any) -> bool:
        return any(item is own for own in self)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, item: Item) -> None:
        self._set(self._name(index), item)

    def __delitem__(self, index: int | slice) -> None:
        items = list(self)
        if not isinstance(index, slice):
            self._name(index)  # raises if there is none
        del items[index]
        self._reset(items)


class Sequential(_Numbered[Module]):
    """Modules applied one after the other: Sequential(Linear(2, 3), Tanh()), or from an ordered dict of names."""

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            super().__init__()
            for name, module in modules[0].items():
                self._set(name, module)
        else:
            super().__init__(modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(dict(self._items()[index]))
        return super().__getitem__(index)

    def forward(self, input: Any) -> Any:
        for module in vars(self).values():
            if isinstance(module, Module):
                input = module(input)
        return input


class ModuleList(_Numbered[Module]):
    """A list of modules whose parameters count as the owner's."""


class ParameterList(_Numbered[Parameter]):
    """A list of parameters that count as the owner's; tensors become parameters."""

    kind = Parameter

    def _set(self, name: str, item: Any) -> None:
        super()._set(name, item if isinstance(item, Parameter) else Parameter(item))

    def extra_repr(self) -> str:
        return f"{len(self)} parameters"


class _Named(_Items[Item]):
    """Items under names of their own."""

    def __init__(self, items: Mapping[str, Item] | Iterable[tuple[str, Item]] | None = None) -> None:
        super().__init__()
        self.update(items or {})

    def update(self, items: Mapping[str, Item] | Iterable[tuple[str, Item]]) -> None:
        """Set several."""
        if not isinstance(items, Iterable):
            raise DtypeError(f"{type(self).__name__} takes a dict, or pairs of name and item, not {items!r:.80}.")
        for name, item in items.items() if isinstance(items, Mapping) else items:
            self[name] = item

    def __getitem__(self, name: str) -> Item:
        if name not in self:
            raise MissingKeyError(
                f"{type(self).__name__} has no '{name}'.", fix=f"It has {', '.join(self.keys()) or 'nothing'}."
            )
        return dict(self._items())[name]

    def __setitem__(self, name: str, item: Item) -> None:
        if isinstance(name, str) and hasattr(type(self), name):
            raise IndexingError(f"'{name}' can't be a key: {type(self).__name__} has an attribute of that name.")
        self._set(name, item)

    def __delitem__(self, name: str) -> None:
        if self[name] is not None:
            delattr(self, name)

    def pop(self, name: str) -> Item:
        """Take one out."""
        item = self[name]
        del self[name]
        return item

    def get(self, name: str, default: Any = None) -> Any:
        """The item of this name, or the default."""
        return dict(self._items()).get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in dict(self._items())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """The names."""
        return [name for name, _ in self._items()]

    def values(self) -> list[Item]:
        """The items."""
        return [item for _, item in self._items()]

    def items(self) -> list[tuple[str, Item]]:
        """(name, item) of all."""
        return self._items()


class ModuleDict(_Named[Module]):
    """A dictionary of modules whose parameters count as the owner's."""


class ParameterDict(_Named[Parameter]):
    """A dictionary of parameters that count as the owner's; tensors become parameters."""

    kind = Parameter

    def _set(self, name: str, item: Any) -> None:
        super()._set(name, item if isinstance(item, Parameter) else Parameter(item))

    def extra_repr(self) -> str:
        return ", ".join(self.keys())
