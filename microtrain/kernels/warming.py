"""Compiling kernels before they are needed: `microtrain cache warm`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..errors import KernelError
from .cache import UnwritableError
from .fused import kinds_with
from .kernel import Kernel
from .program import MachineCode

USUAL = (
    "add sub mul div neg square sqrt abs exp log log1p sin cos tanh sigmoid relu leaky_relu gelu silu softplus "
    "logsigmoid bce_with_logits maximum minimum"
).split()
RULES = ("SGD", "Adam", "AdamW")
DTYPES = ("float32", "float64")


def programs(everything: bool = False, dtypes: tuple[str, ...] = DTYPES) -> Iterator[MachineCode]:
    """The machine code of the usual operations, their derivatives and optimizers; or of every row of the table."""
    from ..ops.primitive import TABLE
    from . import program, reductions

    yield from (program.loop_program(), program.lead_program(), program.serve_program())
    for dtype in dtypes:
        yield program.folding_program("sum", dtype)
        for name in ("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp", "cross_entropy", "surprise"):
            yield reductions.row_program(name, dtype)
        for name, row in TABLE.items():
            if row.elementwise and row.kernel is not None and (everything or name in USUAL):
                fused: list[Any] = [row.kernel]
                fused += [row.vjp_kernel(k) for k, vjp in enumerate(row.vjps) if vjp is not None]
                for one in fused:
                    yield from _of(one, dtype)
        yield from _of_rules(dtype, everything)


def _of(fused: Any, dtype: str) -> Iterator[MachineCode]:
    for kinds in kinds_with(fused, dtype):
        kernel = fused.make(kinds)
        if isinstance(kernel, Kernel):
            yield kernel.program


def _of_rules(dtype: str, everything: bool) -> Iterator[MachineCode]:
    from .. import optim
    from ..optim.rule import Rule

    for name in dir(optim) if everything else RULES:
        rule = getattr(getattr(optim, name, None), "rule", None)
        if isinstance(rule, Rule):
            letter = "d" if dtype == "float64" else "f"
            kernel = rule.kernel.make(letter * len(rule.kernel.names) + "n" * len(rule.hyper))
            if isinstance(kernel, Kernel):
                yield kernel.program


def warm(
    everything: bool = False, dtypes: tuple[str, ...] = DTYPES, progress: Callable[[MachineCode], None] | None = None
) -> tuple[int, int]:
    """Compile what `programs` lists, into the disk cache: (how many were compiled, how many there are).

    Raises `KernelError` if Numba is missing or nothing can be kept. A program that can't be compiled is left out.
    """
    from .compiling import NoNumbaError

    compiled = total = 0
    for program in programs(everything, dtypes):
        if progress is not None:
            progress(program)
        try:
            new = program.prepare()
        except (NoNumbaError, UnwritableError):
            raise
        except KernelError:
            continue
        compiled += new
        total += 1
    return compiled, total
