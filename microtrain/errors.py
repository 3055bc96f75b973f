"""The exceptions. Each says what happened, why, and how to mend it.

They derive from the built-in exception that a PyTorch or NumPy user would expect, so that `except RuntimeError`
or `except ValueError` written for those libraries goes on working.
"""

from __future__ import annotations


class MicrotrainError(RuntimeError):
    """Base of all errors raised by microtrain on purpose.

    `what` happened (with shapes and values), `why`, and how to `fix` it; the last two may be left out.
    """

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        lines = [what]
        if why:
            lines.append(f"  why: {why}")
        if fix:
            lines.append(f"  fix: {fix}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.what, self.why, self.fix)


class ShapeError(MicrotrainError, ValueError):
    """Shapes that do not go together."""


class DtypeError(MicrotrainError, TypeError):
    """A dtype, or a Python type, that the operation does not take."""


class ArgumentError(MicrotrainError, ValueError):
    """An argument out of its range."""


class SignatureError(ArgumentError, TypeError):
    """A function called with too many, too few or misnamed arguments; the message shows how it is called."""


class DivisionByZeroError(ArgumentError, ZeroDivisionError):
    """A whole number divided by 0: there is no infinity among the integers."""


class IndexingError(MicrotrainError, IndexError):
    """An index outside the tensor, or of a kind that cannot index."""


class GraphError(MicrotrainError):
    """The graph cannot do what was asked: freed, cut, or its values overwritten."""


class InplaceError(GraphError):
    """A value that the backward pass needs was overwritten, or would have been."""


class AnomalyError(MicrotrainError):
    """The first NaN or infinity, found by `detect_anomaly`."""


class GradcheckError(MicrotrainError):
    """A gradient differs from the numeric one; `report` has the numbers."""

    report: object = None


class NotDifferentiableError(MicrotrainError, TypeError):
    """A gradient was asked through something that has none."""


class UnsupportedError(MicrotrainError, NotImplementedError, AttributeError):
    """Something PyTorch has and microtrain leaves out on purpose; the message names the alternative."""


class CompileError(MicrotrainError):
    """A step can't be compiled as it is; the message has the line and the way out."""


class KernelError(MicrotrainError):
    """A kernel could not be made; microtrain goes on with NumPy."""


class DataFileError(MicrotrainError, ValueError):
    """A file that is missing, broken, or not what it says it is."""
