"""The graph as text: the lines of a box, and the tree for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .data import Graph
    from .nodes import GraphNode

LONGEST_NAME = 40
DEEPEST = 16  # levels of the tree before it goes on at the margin


def clean(text: str, longest: int = LONGEST_NAME) -> str:
    """One line of printable characters, cut to a length. Joiners stay, for emoji made of several."""
    text = "".join(c if c.isprintable() or c == "\u200d" else " " for c in text[: 4 * longest])
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def short(name: str, longest: int = 16) -> str:
    """A name in a formula. Of a long dotted one the end is left, which tells what it is: "…0.fc.weight"."""
    name = clean(name, 4 * longest)
    parts = name.split(".")
    while len(name) > longest and len(parts) > 1:
        parts = parts[1:]
        name = "…" + ".".join(parts)
    return clean(name, longest)


def title(node: GraphNode) -> str:
    """The first line of a box: "h = matmul", the name of a leaf, or what was folded."""
    name = clean(node.name)
    if node.kind == "folded":
        if node.detail == "module":
            return name
        if not node.detail:
            return f"… {node.count:,} more operation{'' if node.count == 1 else 's'}"
        unit = clean(node.operation)
        return f"{node.detail} " + (f"({unit})" if "," in unit else unit)
    if node.kind != "operation":
        return name
    done = clean(node.operation) + (f" {clean(node.detail)}" if node.detail else "")
    return f"{name} = {done}" if name else done


def kind_of(node: GraphNode) -> str:
    """ "(4, 3) float64"; operations have their inputs' dtype nearly always, so that only the shape is told."""
    if node.shape is None:
        return ""
    if node.dtype.startswith("Python"):  # a number: the value says it all
        return ""
    return str(node.shape) if node.kind == "operation" else f"{node.shape} {node.dtype}"


def gradient_lines(node: GraphNode) -> list[str] | None:
    """The gradient's text: "-" until backward() has come here; None where there is none."""
    if not node.needs_grad or node.kind == "gradient":
        return None
    if node.grad is not None:
        return node.grad.lines()
    if node.kind == "folded":
        return None
    return ["not kept"] if node.forgotten else ["-"]


def summary(graph: Graph) -> str:
    """ "5 operations, 2 parameters, 1 input"."""
    count = dict.fromkeys(("operation", "parameter", "input", "gradient"), 0)
    for node in graph.nodes:
        count["operation" if node.kind == "folded" else node.kind] += node.count
    return ", ".join(f"{n:,} {kind}{'' if n == 1 else 's'}" for kind, n in count.items() if n or kind == "operation")


def line(node: GraphNode) -> str:
    """A node in one line."""
    words = [_ascii(title(node)), kind_of(node)]
    if node.kind in ("parameter", "input"):
        words.insert(1, node.kind)
    if node.note:
        words.append(f"({node.note})")
    if node.value is not None:
        words.append(f"value {node.value.line()}")
    gradient = gradient_lines(node)
    if gradient is not None:
        words.append(f"grad {node.grad.line() if node.grad is not None else gradient[0]}")
    return "  ".join(word for word in words if word)


def tree(graph: Graph) -> str:
    """Each output with what it was made from below it; what is used twice is written once."""
    nodes = {node.key: node for node in graph.nodes}
    inputs: dict[str, list[str]] = {}
    used = set()
    for edge in sorted(graph.edges, key=lambda edge: edge.index):
        inputs.setdefault(edge.target, []).append(edge.source)
        used.add(edge.source)
    lines = [f"Graph: {summary(graph)}"]
    written: set[str] = set()
    starts = [node.key for node in graph.nodes if node.key not in used]  # where trees begin
    while starts:
        stack = [(starts.pop(0), "", "", 0)]  # (node, what stands before it, what before those below it, how deep)
        while stack:
            key, before, below, depth = stack.pop()
            if key in written:
                lines.append(f"{before}{key} {_short(nodes[key])}  (see above)")
                continue
            if depth == DEEPEST and key in inputs:
                lines.append(f"{before}{key} {_short(nodes[key])}  (continued below)")
                starts.insert(0, key)
                continue
            written.add(key)
            lines.append(f"{before}{key} {line(nodes[key])}")
            branches = [("|- ", "|  ")] * (len(inputs.get(key, [])) - 1) + [("'- ", "   ")]
            for source, (mark, indent) in reversed(list(zip(inputs.get(key, []), branches, strict=False))):
                stack.append((source, below + mark, below + indent, depth + 1))
    if graph.caption:
        lines.append(graph.caption)
    return "\n".join(lines)


def _short(node: GraphNode) -> str:
    return _ascii(title(node)) or node.kind


def _ascii(text: str) -> str:
    """For consoles that have few characters."""
    return text.replace("…", "...").replace("×", "x")
