"""A kernel that can be called with arrays."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import KernelError
from . import memory, pool, program
from .job import BASE, CHUNKS, HEAD, RECORD, SCRATCH, SIDE_BY_SIDE, SIZE, WORK, new_job
from .layout import address, common_shape, dense, walk
from .source import Operand, Source
from .ufunc import as_ufunc

CHUNK = 1 << 14  # elements that a thread takes at a time; fixed, because sums are cut there
STEP = 1 << 12  # elements that a job calls a kernel with at a time: a block that needs the slow functions is no longer
TOGETHER, TOGETHER_PLAIN = 1 << 15, 1 << 17  # elements from which it pays to wake other threads (measured)
Arrays = Sequence[Any]


class Kernel:
    """The kernel of one source. Call it with the operands that are not outputs, in order."""

    def __init__(self, source: Source) -> None:
        """Raises `KernelError` if there are more operands than threads have room for."""
        if len(source.operands) > pool.MOST_OPERANDS:
            raise KernelError(f"{source.name} has {len(source.operands)} operands; a kernel has {pool.MOST_OPERANDS}.")
        self.source = source
        self.program = program.MachineCode(f"{source.name} ({source.dtype})", source.text)
        self.inputs = [o for o in source.operands if not o.is_output]
        self.outputs = [_dtype(o, source) for o in source.operands if o.is_output]
        kinds = [o.kind for o in source.operands]  # the inputs come first
        self._numbers = [k for k, kind in enumerate(kinds) if kind in ("number", "scalar")]
        self._others = [k for k, kind in enumerate(kinds) if kind not in ("number", "scalar")]
        self.together = TOGETHER_PLAIN if source.plain else TOGETHER
        self.runs = self.elements = 0  # how often it ran, and on how many elements
        self._flat_job: array[int] | None = None
        self._ufunc: Any = None  # made when first called; no `cached_property`, whose lock would outlast a fork

    def __call__(self, operands: Arrays, out: np.ndarray[Any, Any] | None = None) -> Any:
        """New arrays with the results: one, or a tuple of them. With `out`, the one result is written there.

        `out` has the broadcast shape and may share memory with operands. Raises `KernelError` if the kernel can't be
        compiled, ValueError if the shapes do not go together.
        """
        arrays = self._arrays(operands)
        shape, flat = common_shape(arrays)
        if out is not None:
            if out.shape != shape or out.dtype != self.outputs[0] or len(self.outputs) > 1:
                raise ValueError(f"out is {out.dtype}{list(out.shape)}, the result {self.outputs[0]}{list(shape)}")
            if any(np.may_share_memory(out, x) for x in arrays):
                out[...] = self(operands)
            else:
                self.write(operands, [out])
            return out
        order = "C" if not flat or arrays[0].flags.c_contiguous else "F"
        results = [memory.empty(shape, dtype, order) for dtype in self.outputs]
        self._write(operands, [*arrays, *results], shape, flat)
        return results[0] if len(results) == 1 else tuple(results)

    def alone(self, operands: Arrays, size: int) -> Any:
        """The same for arrays of one shape that lie row by row, by this thread: called by NumPy, in a third of the time.

        NumPy may warn of overflow; callers see to that with `quiet`.
        """
        if self._ufunc is None:
            self._ufunc = as_ufunc(self.program.address, self.source.operands, self.source.dtype)
        if self._ufunc is None:
            return self(operands)
        if self._numbers:
            operands = [np.float64(x) if x.__class__ is float or x.__class__ is int else x for x in operands]
        result = self._ufunc(*operands)
        self.runs += 1
        self.elements += size
        return result

    def write(self, operands: Arrays, results: Arrays) -> None:
        """Compute into `results`, of the broadcast shape, and into the operands that are written in place.

        What is written may not share memory with anything else.
        """
        arrays = [*self._arrays(operands), *results]
        self._write(operands, arrays, *common_shape(arrays))

    def _write(self, operands: Arrays, arrays: Arrays, shape: tuple[int, ...], flat: bool) -> None:
        size = arrays[-1].size
        axes: tuple[int, ...] = ()
        if flat:
            job = self._flat()[:]
        else:
            axes, strides = walk(shape, arrays)
            job = new_job(self.program.address, self._records(arrays, axes, strides), 0, CHUNK, 0, axes=axes)
        bases = [address(x) for x in arrays]
        numbers = self._put(job, operands, bases, RECORD + len(axes), HEAD + len(axes))
        job[CHUNKS], job[SIZE] = -(-size // CHUNK), size
        self._run(program.loop(), job, size)
        del numbers

    def fold(self, operands: Arrays, how: str, rows: int | None = None) -> Any:
        """The "sum", "max", "min" or "logsumexp" of the values, which are not stored.

        With `rows`, of each of so many equal parts of the elements in their order; else of pieces of CHUNK elements, which the
        caller has to put together.
        """
        arrays = self._arrays(operands)
        shape, _ = common_shape(arrays)
        size = int(np.prod(shape))
        count, chunk, length, last = cut(size, rows)
        folded = np.empty(count, self.source.dtype)
        axes, strides = walk(shape, arrays)
        records = self._records(arrays, axes, strides)
        records.append([0, 0, SCRATCH, 0, *[0] * len(axes)])
        job = new_job(
            self.program.address, records, -(-count // chunk), chunk, count, length=length, last=last, axes=axes,
            result=address(folded),
        )  # fmt: skip
        numbers = self._put(job, operands, [address(x) for x in arrays], RECORD + len(axes), HEAD + len(axes))
        self._run(program.folding(how, self.source.dtype), job, size)
        del numbers
        return folded

    # ---- jobs, as job.py describes them ------------------------------------------------------------------------------

    def _arrays(self, operands: Arrays) -> list[Any]:
        return [x for k, x in enumerate(operands) if k not in self._numbers] if self._numbers else list(operands)

    def _records(self, arrays: Arrays, axes: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> list[list[int]]:
        """A record for each operand; without outputs if `arrays` has none."""
        rest = iter(zip(arrays, strides, strict=True))
        found = []
        for o in self.source.operands:
            if o.kind in ("number", "scalar"):
                found.append([0, 0, SIDE_BY_SIDE, 0, *[0] * len(axes)])
                continue
            x, steps = next(rest, (None, ()))
            if x is not None:
                written = o.is_output or o.name in self.source.in_place
                found.append([0, *dense(axes, steps, x.itemsize, not o.is_output, written), x.itemsize, *steps])
        return found

    def _flat(self) -> array[int]:
        """The job for arrays whose elements lie side by side, without addresses and sizes."""
        if self._flat_job is None:
            sizes = [o.itemsize(self.source.dtype) for o in self.source.operands]
            records = [[0, size, SIDE_BY_SIDE, size] for size in sizes]
            self._flat_job = new_job(self.program.address, records, 0, CHUNK, 0, step=STEP)
        return self._flat_job

    def _put(self, job: array[int], operands: Arrays, bases: list[int], record: int, place: int) -> Any:
        """Put the addresses into a job; what has to stay alive meanwhile (the numbers)."""
        for k, base in zip(self._others, bases, strict=False):  # without outputs where they are folded
            job[place + k * record + BASE] = base
        if not self._numbers:
            return None
        numbers = array("d")
        for k in self._numbers:
            if self.inputs[k].kind == "number":
                numbers.append(operands[k])
            else:  # float32, in the first half of a place for float64
                numbers.frombytes(np.array([operands[k], 0], np.float32).tobytes())
        here = numbers.buffer_info()[0]
        for at, k in enumerate(self._numbers):
            job[place + k * record + BASE] = here + 8 * at
        return numbers

    def _run(self, work: program.Function, job: array[int], size: int) -> None:
        job[WORK] = work.address
        self.runs += 1
        self.elements += size
        pool.run(work, job, size >= self.together)


def cut(size: int, rows: int | None) -> tuple[int, int, int, int]:
    """How a reduction is cut: (rows, rows that a thread takes at a time, length of a row, length of the last one)."""
    if rows is None:
        count = -(-size // CHUNK)
        return count, 1, CHUNK, size - (count - 1) * CHUNK
    return rows, max(1, CHUNK // (size // rows)), size // rows, size // rows


def fold_array(x: np.ndarray[Any, Any], how: str, rows: int | None = None) -> np.ndarray[Any, Any]:
    """`Kernel.fold` of the elements of an array themselves, which lie side by side."""
    work = program.folding(how, x.dtype.name)
    count, chunk, length, last = cut(x.size, rows)
    folded = np.empty(count, x.dtype)
    job = new_job(
        0, [(address(x), x.itemsize, SIDE_BY_SIDE, x.itemsize)], -(-count // chunk), chunk, count, length=length,
        last=last, result=address(folded), work=work.address,
    )  # fmt: skip
    pool.run(work, job, x.size >= TOGETHER_PLAIN)
    return folded


def _dtype(operand: Operand, source: Source) -> np.dtype[Any]:
    return np.dtype(bool) if operand.kind == "out booleans" else np.dtype(source.dtype)
