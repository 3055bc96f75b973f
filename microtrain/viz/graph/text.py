"""The graph as text: the lines of a box, and the tree for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .data import Graph, GraphNode

LONGEST_NAME = 40
DEEPEST = 16  # levels of the tree before it goes on at the margin


def clean(text: str, longest: int = LONGEST_NAME) -> str:
    """One line of printable characters, cut to a length. Joiners stay, for emoji made of several."""
    text = "".join(c if c.isprintable() or c == "\u200d" else " " for c in text[: 4 * longest])
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def title(node: GraphNode) -> str:
    """The first line of a box: "h = matmul", the name of a leaf, or what was folded."""
    if node.kind == "folded":
        if not node.operation:
            return f"… {node.count:,} more operations"
        repeats = node.count // (node.operation.count(",") + 1)
        return f"… {repeats:,} × {node.operation}" if "," not in node.operation else f"… {repeats:,} × ({node.operation})"
    name = clean(node.name)
    if node.kind != "operation":
        return name
    done = clean(node.operation) + (f" {clean(node.detail)}" if node.detail else "")
    return f"{name} = {done}" if name else done


def kind_of(node: GraphNode) -> str:
    """ "(4, 3) float64"; operations have their inputs' dtype nearly always, so that only the shape is told."""
    if node.shape is None:
        return ""
    if node.dtype in ("int", "float", "bool"):  # a Python number
        return ""
    return str(node.shape) if node.kind == "operation" else f"{node.shape} {node.dtype}"


def gradient_lines(node: GraphNode) -> list[str] | None:
    """The gradient's text: "-" until backward() has come here; None where there is none, or where nobody remembers."""
    if not node.needs_grad or node.kind == "folded":
        return None
    if node.grad is not None:
        return node.grad.lines()
    if node.kind == "operation" and (node.value is None or node.value.entries is None):
        return None
    return ["-"]


def summary(graph: Graph) -> str:
    """ "5 operations, 2 parameters, 1 input"."""
    count = {kind: 0 for kind in ("operation", "parameter", "input")}
    for node in graph.nodes:
        count["operation" if node.kind == "folded" else node.kind] += node.count
    return ", ".join(f"{n:,} {kind}{'' if n == 1 else 's'}" for kind, n in count.items() if n or kind == "operation")


def line(node: GraphNode) -> str:
    """A node in one line."""
    words = [title(node).replace("…", "...").replace("×", "x"), kind_of(node)]
    if node.kind in ("parameter", "input"):
        words.insert(1, node.kind)
    if node.note:
        words.append(f"({node.note})")
    if node.value is not None:
        words.append(f"value {node.value.line()}")
    if (gradient := gradient_lines(node)) is not None:
        words.append("grad -" if node.grad is None else f"grad {node.grad.line()}")
    return "  ".join(word for word in words if word)


def tree(graph: Graph) -> str:
    """Each output with what it was made from below it; what is used twice is written once."""
    nodes = {node.key: node for node in graph.nodes}
    inputs: dict[str, list[str]] = {}
    used = set()
    for edge in sorted(graph.edges, key=lambda edge: edge.slot):
        inputs.setdefault(edge.target, []).append(edge.source)
        used.add(edge.source)
    lines = [f"Graph: {summary(graph)}"]
    written: set[str] = set()
    starts = [node.key for node in graph.nodes if node.key not in used]  # where trees begin
    while starts:
        stack = [(starts.pop(0), "", "", 0)]
        while stack:
            key, first, others, depth = stack.pop()
            node = nodes[key]
            again = key in written
            later = not again and depth == DEEPEST and bool(inputs.get(key))
            if later:
                starts.insert(0, key)
            if again or later:
                lines.append(f"{first}{key} {title(node) or node.kind}  ({'see above' if again else 'continued below'})")
                continue
            written.add(key)
            lines.append(f"{first}{key} {line(node)}")
            below = inputs.get(key, [])
            for i, source in reversed(list(enumerate(below))):
                last = i == len(below) - 1
                stack.append((source, f"{others}{chr(39) if last else '|'}- ", f"{others}{'   ' if last else '|  '}", depth + 1))
    if graph.caption:
        lines.append(graph.caption)
    return "\n".join(lines)
