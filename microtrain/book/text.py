"""Texts with formulas between dollar signs, as in $x \\leftarrow x - \\eta g$: for the page and for the terminal."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from functools import lru_cache
from typing import Any

from ..formula_mathml import spaced

FORMULA = re.compile(r"\$([^$]+)\$")
STOPS = ",.;:!?)，。；：、？）”"
POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]?\d+)")
FRACTION = re.compile(r"\\[td]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
ROOT = re.compile(r"\\sqrt\s*(?:\{([^{}]*)\}|(\\[a-zA-Z]+|\w))")
GROUP = re.compile(r"([_^])\{([^{}]*)\}|(?<![a-zA-Z])\{([^{}]*)\}")  # not what follows a command
SINGLE = re.compile(r"[-+]?(\d[\d.]*|(\\(partial|nabla) *)?\\?[A-Za-z]\w*'*)|\([^()]*\)")
ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "dot": "\u0307", "vec": "\u20d7"}
ACCENT = re.compile(r"\\(hat|tilde|bar|dot|vec)\b\s*(\{[^{}]*\}|\\[a-zA-Z]+|\w)")
SIGNS = {
    "leftarrow": "←", "rightarrow": "→", "to": "→", "mapsto": "↦", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥",
    "ne": "≠", "neq": "≠", "approx": "≈", "sim": "∼", "cdot": "·", "times": "×", "infty": "∞", "nabla": "∇",
    "partial": "∂", "sum": "Σ", "prod": "Π", "int": "∫", "in": "∈", "pm": "±", "ll": "≪", "gg": "≫", "top": "ᵀ",
    "ln": "ln", "log": "log", "exp": "exp", "sin": "sin", "cos": "cos", "max": "max", "min": "min", "quad": " ",
    "ldots": "…", "dots": "…", "lVert": "‖", "rVert": "‖", "|": "‖", "mid": "|", "propto": "∝", "forall": "∀",
    "subset": "⊂", "cup": "∪", "circ": "∘",
    "odot": "⊙", "otimes": "⊗", "ell": "ℓ", "dagger": "†", "langle": "⟨",
    "rangle": "⟩", "lambda": "λ", "Lambda": "Λ", "phi": "φ", "epsilon": "ε", "varepsilon": "ε", "varphi": "φ",
    "succeq": "⪰", "succ": "≻", "preceq": "⪯", "perp": "⊥", "cdots": "⋯", "lfloor": "⌊", "rfloor": "⌋",
    "lceil": "⌈", "rceil": "⌉", "iff": "⇔", "implies": "⇒", "Rightarrow": "⇒", "equiv": "≡", "cap": "∩", "exists": "∃",
    "subseteq": "⊆", "notin": "∉", "setminus": "∖", "star": "⋆", "ast": "∗", "prime": "′", "vert": "|", "lvert": "|",
    "rvert": "|", "qquad": " ", "colon": ":", "vdots": "⋮", "sup": "sup", "inf": "inf", "big": "", "Big": "",
    "bigl": "", "bigr": "", "Bigl": "", "Bigr": "", "emptyset": "∅", "bullet": "•", "angle": "∠",
    "mp": "∓", "simeq": "≃",
}  # fmt: skip


def number(value: Any, expected: str = "") -> str:
    """A measured number, as the page and the terminal show it: with as many digits as `expected` asks for.

    >>> number(2.98598400001, "2.985984 ± 1e-08"), number(1 / 3), number(True)
    ('2.98598400', '0.333333', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    _, sign, tolerance = expected.partition("±")
    if sign and math.isfinite(value) and 1e-4 <= abs(value) < 1e6:
        decimals = min(-math.floor(math.log10(float(tolerance))), 10)
        if decimals > 5 - math.floor(math.log10(abs(value))):  # fewer than six digits say less than six
            return f"{value:.{decimals}f}"
    return f"{value:.6g}"


def _shown(formula: str) -> str:
    """1e-10, as f-strings write it, as a power of ten."""
    return POWER.sub(lambda m: ("" if m[1] == "1" else m[1] + r" \cdot ") + f"10^{{{int(m[2])}}}", formula)


def markup(text: str) -> str:
    """HTML: the formulas as MathML, everything else escaped."""
    parts = FORMULA.split(text)  # text, formula, text, formula ...
    found = html.escape(parts[0])
    for formula, after in zip(parts[1::2], parts[2::2], strict=True):
        maths = _mathml(_shown(formula))
        mark = after[:1] if after[:1] and after[0] in STOPS else ""
        # No line begins with a comma: browsers would break between a formula and what follows.
        found += f'<span class="whole">{maths}{html.escape(mark)}</span>' if mark else maths
        found += html.escape(after[len(mark) :])
    return found


def plain(text: str) -> str:
    """For a terminal: the formulas in letters and signs."""
    return FORMULA.sub(lambda match: _letters(_shown(match[1])), text)


@lru_cache(maxsize=4096)
def _mathml(formula: str) -> str:
    try:
        from latex2mathml.converter import convert
    except ImportError:  # only the formulas are less beautiful then
        return f"<i>{html.escape(_letters(formula))}</i>"
    return spaced(str(convert(formula)))


def _letters(formula: str) -> str:
    formula = re.sub(r"\\(?:operatorname|mathrm|text|mathbf|boldsymbol|mathcal|mathbb)\b\s*|\\!", "", formula)
    formula = re.sub(r"\\(?:left|right)\b|\\[,;: ]", " ", formula)
    formula = formula.replace(r"\{", "\ue000").replace(r"\}", "\ue001")  # braces to be shown, kept apart from groups
    for _ in range(20):  # from the inside out
        shorter = FRACTION.sub(lambda match: f" {_group(match[1])}/{_group(match[2])} ", formula)
        shorter = ROOT.sub(lambda match: f"√{_group(match[1] or match[2])}", shorter)
        shorter = ACCENT.sub(_accented, shorter)
        if shorter == formula:
            shorter = GROUP.sub(_ungrouped, formula)
        if shorter == formula:
            break
        formula = shorter
    formula = re.sub(r"\\([a-zA-Z]+|\|)", _sign, formula)
    formula = re.sub(r" +", " ", formula.replace("{", "").replace("}", "")).strip()
    formula = re.sub(r"(?<=[(√⌊∂∇]) | (?=[)⌋])", "", formula).replace("^ᵀ", "ᵀ")
    return formula.replace("\ue000", "{").replace("\ue001", "}")


def _group(text: str) -> str:
    """With parentheses, unless it is one sign, number or name."""
    text = text.strip()
    return text if len(text) == 1 or SINGLE.fullmatch(text) else f"({text})"


def _ungrouped(match: re.Match[str]) -> str:
    return match[1] + _group(match[2]) if match[1] else match[3]


def _accented(match: re.Match[str]) -> str:
    letter = match[2].strip("{} ")
    letter = re.sub(r"\\([a-zA-Z]+)", _sign, letter)
    return letter[:1] + ACCENTS[match[1]] + letter[1:]


def _sign(match: re.Match[str]) -> str:
    name = match[1]
    if name in SIGNS:
        sign = SIGNS[name]
    else:
        size = "CAPITAL" if name[0].isupper() else "SMALL"
        try:
            sign = unicodedata.lookup(f"GREEK {size} LETTER {name.upper()}")
        except KeyError:
            sign = name
    begins = match.start() == 0 or not match.string[match.start() - 1].isalnum()
    return sign if begins or not sign.isascii() else f" {sign}"  # ln cosh x, 2 max
