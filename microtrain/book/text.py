"""Texts with formulas between dollar signs, as in $x \\leftarrow x - \\eta g$: for the page and for the terminal."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

FORMULA = re.compile(r"\$([^$]+)\$")
SIGNS = {
    "leftarrow": "←", "rightarrow": "→", "to": "→", "mapsto": "↦", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥",
    "ne": "≠", "neq": "≠", "approx": "≈", "sim": "∼", "cdot": "·", "times": "×", "infty": "∞", "nabla": "∇",
    "partial": "∂", "sum": "Σ", "prod": "Π", "int": "∫", "in": "∈", "pm": "±", "ll": "≪", "gg": "≫", "top": "ᵀ",
    "ln": "ln", "log": "log", "exp": "exp", "sin": "sin", "cos": "cos", "max": "max", "min": "min", "quad": " ",
    "ldots": "…", "dots": "…", "lVert": "‖", "rVert": "‖", "|": "‖", "mid": "|", "propto": "∝", "forall": "∀",
    "subset": "⊂", "cup": "∪", "circ": "∘",
    "odot": "⊙", "otimes": "⊗", "ell": "ℓ", "dagger": "†", "langle": "⟨",
    "rangle": "⟩", "lambda": "λ", "Lambda": "Λ", "phi": "φ", "epsilon": "ε", "varepsilon": "ε", "varphi": "φ",
    "succeq": "⪰", "perp": "⊥",
}  # fmt: skip


def markup(text: str) -> str:
    """HTML: the formulas as MathML, everything else escaped."""
    parts = FORMULA.split(text)  # text, formula, text, formula ...
    return "".join(_mathml(part) if k % 2 else html.escape(part) for k, part in enumerate(parts))


def plain(text: str) -> str:
    """For a terminal: the formulas in letters and signs."""
    return FORMULA.sub(lambda match: _letters(match[1]), text)


@lru_cache(maxsize=4096)
def _mathml(formula: str) -> str:
    try:
        from latex2mathml.converter import convert
    except ImportError:  # only the formulas are less beautiful then
        return f"<i>{html.escape(_letters(formula))}</i>"
    return str(convert(formula))


def _letters(formula: str) -> str:
    formula = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1)/(\2)", formula)
    formula = re.sub(r"\\(?:operatorname|mathrm|text|mathbf|boldsymbol|mathcal|mathbb|hat|bar|tilde)\b", "", formula)
    formula = re.sub(r"\\(?:left|right)\b|\\[,;! ]", " ", formula)
    formula = re.sub(r"\\([a-zA-Z]+|\|)", lambda match: _sign(match[1]), formula)
    return re.sub(r" +", " ", formula.replace("{", "").replace("}", "")).strip()


def _sign(name: str) -> str:
    if name in SIGNS:
        return SIGNS[name]
    size = "CAPITAL" if name[0].isupper() else "SMALL"
    try:
        return unicodedata.lookup(f"GREEK {size} LETTER {name.upper()}")
    except KeyError:
        return name
