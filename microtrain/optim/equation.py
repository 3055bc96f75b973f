"""Rules that are not elementwise, printed like those that are: as text, LaTeX and MathML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..formula import trace
from ..formula_mathml import mathml_of_latex
from ..formula_print import assignments


class Equation:
    """An equation that was written down: `lines` are pairs of text and LaTeX."""

    def __init__(self, name: str, *lines: tuple[str, str]) -> None:
        self.name, self.lines = name, lines

    @classmethod
    def of(cls, name: str, result: str, formula: Callable[..., Any]) -> Equation:
        """What a formula computes, as `result <- formula`."""
        value = trace(formula)[1]
        text, latex = (assignments([(result, value)], style)[0] for style in ("text", "latex"))
        return cls(name, (text, latex))

    def __str__(self) -> str:
        return "\n".join([f"{self.name}:", *(f"    {text}" for text, _ in self.lines)])

    def __repr__(self) -> str:
        return f"<Equation {self.name}: {'; '.join(text for text, _ in self.lines)}>"

    def latex(self) -> str:
        """One equation a line."""
        lines = " \\\\\n".join(tex.replace(r" \leftarrow ", r" &\leftarrow ", 1) for _, tex in self.lines)
        return f"\\begin{{aligned}}\n{lines}\n\\end{{aligned}}"

    def mathml(self) -> str:
        """The equations as `<math>` elements, one a line."""
        return "\n".join(mathml_of_latex(tex) for _, tex in self.lines)
