"""The LaTeX of formulas as MathML, which browsers show without any help."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

LETTERS = dict(
    zip(
        (
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi "
            "psi omega Phi Sigma Delta"
        ).split(),
        "αβγδϵζηθικλμνξπρστυϕχψωΦΣΔ",
        strict=True,
    )
)
SIGNS = {
    "cdot": "⋅", "times": "×", "le": "≤", "ge": "≥", "ne": "≠", "land": "∧", "lor": "∨", "lnot": "¬", "oplus": "⊕",
    "leftarrow": "←", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "sum": "∑", "infty": "∞", "nabla": "∇",
    "&": "&", "{": "{", "}": "}", "|": "‖", "bmod": "mod", "partial": "∂", "to": "→", "in": "∈", "_": "_", "%": "%",
}  # fmt: skip
SPACES = {",": "0.17em", ";": "0.28em", "quad": "1em", " ": "0.25em"}
NAMES = (
    "sin cos tan arcsin arccos arctan sinh cosh tanh ln log exp min max".split()
)  # functions that LaTeX prints upright


def mathml_of_latex(tex: str) -> str:
    r"""A `<math>` element for the LaTeX that this package writes: \frac, \sqrt, ^, _, names, brackets.

    Unknown commands are shown by their name: a formula is never lost.
    """
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{_row(_Reader(tex).items())}</math>'


def _row(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"<mrow>{''.join(items)}</mrow>"


def _leaf(tag: str, content: str) -> str:
    return f"<{tag}>{html.escape(content)}</{tag}>"


class _Reader:
    """Reads LaTeX from left to right. Groups nest as deep as formulas do, a few levels."""

    def __init__(self, tex: str) -> None:
        self.tokens: Iterator[str] = iter(re.findall(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S", tex))

    def items(self, end: str = "") -> list[str]:
        """The elements up to the token `end`."""
        found: list[str] = []
        self.found_end = False
        for token in self.tokens:
            if token == end:
                self.found_end = True
                break
            if token in "^_":
                base = found.pop() if found else "<mrow></mrow>"
                found.append(self._script(base, token))
            else:
                found.append(self._element(token))
        return found

    def _script(self, base: str, sign: str) -> str:
        script = self._argument()
        if sign == "^" and base.startswith("<msub>"):
            return f"<msubsup>{base[len('<msub>') : -len('</msub>')]}{script}</msubsup>"
        tag = "msup" if sign == "^" else "msub"
        return f"<{tag}>{base}{script}</{tag}>"

    def _argument(self) -> str:
        token = next(self.tokens, "")
        return self._element(token) if token else "<mrow></mrow>"

    def _words(self) -> str:
        """A group that is text, not formula."""
        next(self.tokens, "")
        words = []
        for token in self.tokens:
            if token == "}":
                break
            words.append(token[1:] if token.startswith("\\") else token)
        return "".join(words)

    def _element(self, token: str) -> str:
        if token == "{":
            return _row(self.items("}"))
        if token == "(":  # one thing, so that an exponent is that of all of it
            inside = self.items(")")
            return _row([_leaf("mo", "("), *inside, *([_leaf("mo", ")")] if self.found_end else [])])
        if not token.startswith("\\"):
            if token[0].isdigit():
                return _leaf("mn", token)
            return _leaf("mi", token) if token.isalpha() else _leaf("mo", "−" if token == "-" else token)
        name = token[1:]
        if name == "frac":
            return f"<mfrac>{self._argument()}{self._argument()}</mfrac>"
        if name == "sqrt":
            return f"<msqrt>{self._argument()}</msqrt>"
        if name in ("operatorname", "mathrm"):
            return _leaf("mi", self._words())
        if name == "text":
            return _leaf("mtext", f"\u00a0{self._words()}\u00a0")
        if name in ("mathbin", "left", "right"):
            return self._argument()
        if name in SPACES:
            return f'<mspace width="{SPACES[name]}"></mspace>'
        if name in LETTERS:
            return _leaf("mi", LETTERS[name])
        if name in NAMES:
            return _leaf("mi", name)
        return _leaf("mo", SIGNS[name]) if name in SIGNS else _leaf("mi", name)


SPACE = '<mspace width="0.2em"></mspace>'
WORD = r"<mi>[^<]{2,}</mi>"  # functions, and names of more than one letter
BEFORE = r"</(?:mi|mn|msub|msup|msubsup|mfrac|msqrt)>"
AFTER = r"<(?:mi|mn|msub|msup|msubsup|mfrac|msqrt|mrow)>"


def spaced(mathml: str) -> str:
    """With gaps around words, which browsers would set solid: sin x, not sinx."""
    mathml = re.sub(rf"({WORD})(?={AFTER})", rf"\1{SPACE}", mathml)
    return re.sub(rf"({BEFORE})(?={WORD}|<ms(?:ub|up)>{WORD})", rf"\1{SPACE}", mathml)
