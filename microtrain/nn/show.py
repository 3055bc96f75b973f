"""What a module prints: the tree with shapes and counts, and the table of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parameter import Parameter, UninitializedParameter

if TYPE_CHECKING:
    from .module import Module


def _shape(p: Parameter) -> str:
    return "(?)" if isinstance(p, UninitializedParameter) else str(tuple(p.shape))


def counted(n: int) -> str:
    """26 parameters; 1 parameter."""
    return f"{n:,} parameter{'' if n == 1 else 's'}"


def _distinct(module: Module) -> dict[int, Parameter]:
    """All parameters below a module, shared ones once, by their id."""
    found: dict[int, Parameter] = {}
    for part in module.modules():
        found.update((id(p), p) for p in _own(part).values())
    return found


def _own(module: Any) -> dict[str, Parameter]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Parameter)}


def described(module: Module) -> str:
    """The modules as a tree. After # the shapes of a module's own parameters, or how many there are below it."""
    lines: list[str] = []

    def add(name: str, module: Any, indent: str) -> None:
        children = module._parts()
        own = _own(module)
        note = ", ".join(f"{key} {_shape(p)}" for key, p in own.items())
        if own or children or not indent:
            total = counted(sum(p.numel() for p in _distinct(module).values()))
            note = f"  # {note}: {total}" if note else f"  # {total}"
        head = f"{indent}{name}{type(module).__name__}({module.extra_repr()}"
        lines.append(f"{head}{note}" if children else f"{head}){note}")
        for key, child in children:
            add(f"({key}): ", child, indent + "  ")
        if children:
            lines.append(f"{indent})")

    add("", module, "")
    return "\n".join(lines)


def table(module: Module) -> str:
    """A row for each parameter: name, shape, count, dtype; "frozen" where it is not trained."""
    rows = []
    seen: set[int] = set()
    for path, part in module.named_modules():
        for key, p in _own(part).items():
            if id(p) not in seen:
                seen.add(id(p))
                note = "" if p.requires_grad else "frozen"
                rows.append((f"{path}.{key}" if path else key, _shape(p), p.numel(), str(p.dtype), note))
    wide = max([len(row[0]) for row in rows] + [len("parameter")])
    tall = max([len(row[1]) for row in rows] + [len("shape")])
    lines = [f"{'parameter':{wide}}  {'shape':{tall}}  {'count':>9}  dtype"]
    lines += [f"{a:{wide}}  {b:{tall}}  {c:9,}  {d:7}  {e}".rstrip() for a, b, c, d, e in rows]
    total, frozen = sum(row[2] for row in rows), sum(row[2] for row in rows if row[4])
    lines.append(f"{'total':{wide}}  {'':{tall}}  {total:9,}")
    if frozen:
        lines.append(f"{'trained':{wide}}  {'':{tall}}  {total - frozen:9,}")
    return "\n".join(lines)
