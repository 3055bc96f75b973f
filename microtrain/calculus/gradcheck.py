"""Compares gradients with difference quotients."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.recording import grad_mode
from ..errors import ArgumentError, DtypeError, GradcheckError, ShapeError
from ..random import Generator
from ..tensor import Tensor, wrap
from .derivatives import grad
from .gradcheck_report import Array, Block, GradcheckReport, Kink, diagnose

PYTORCHS = {  # options that choose among PyTorch's ways to compute derivatives
    "check_undefined_grad", "check_grad_dtypes", "check_batched_grad", "check_batched_forward_grad", "check_forward_ad",
    "check_backward_ad", "check_fwd_over_rev", "check_rev_over_rev", "gen_non_contig_grad_outputs", "fast_mode",
    "masked",
}  # fmt: skip


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    *,
    verbose: bool = False,
    **pytorchs: Any,
) -> GradcheckReport:
    """Compare the derivatives of func(*inputs) with (f(x + eps) - f(x - eps)) / (2 eps), element by element.

    >>> import microtrain as mt
    >>> bool(mt.gradcheck(mt.exp, mt.tensor([0.0, 1.0], requires_grad=True)))
    True

    All elements of all inputs that require grad are checked; ours must be within atol + rtol * |numeric|. At a kink
    (relu at 0, a tie of a maximum) the slopes of the two sides are compared instead: any value between them is right,
    and the report says where (`report.kinks`, printed with `verbose`).

    Returns a report that is true or false and prints as a table, worst entry first, with one sentence on what is
    probably wrong. Raises `GradcheckError` with that text if a gradient is wrong, unless `raise_exception` is False.
    Also wrong: values or gradients that differ between two calls by more than `nondet_tol`. PyTorch's other options say
    what else of its engine is checked, and change nothing here; another name raises `ArgumentError`.
    """
    for name in pytorchs.keys() - PYTORCHS:
        raise ArgumentError(f"gradcheck() has no option '{name}'.", fix="It has eps, atol, rtol, nondet_tol, verbose.")
    check = _Check(func, inputs, eps)
    report = check.run(atol, rtol, nondet_tol)
    if verbose:
        print(report)
    if raise_exception and not report:
        error = GradcheckError(str(report))
        error.report = report
        raise error
    return report


def gradgradcheck(
    func: Callable[..., Any], inputs: Tensor | Sequence[Any], grad_outputs: Any = None, **options: Any
) -> GradcheckReport:
    """`gradcheck` of the gradient of func: are its second derivatives right?

    `grad_outputs` are the weights of the outputs (random numbers by default); `options` are those of `gradcheck`.
    """
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, x in enumerate(xs) if isinstance(x, Tensor) and x.requires_grad]

    def outputs_of(args: Sequence[Any]) -> list[Tensor]:
        return _outputs(func(*args))

    if grad_outputs is None:
        draw = Generator(0).numpy.standard_normal
        grad_outputs = [Tensor(draw(y.shape).astype(y.dtype), requires_grad=True) for y in outputs_of(xs)]
    seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)

    def gradient(*args: Any) -> Any:
        pairs = [
            (y, seed) for y, seed in zip(outputs_of(args[: len(xs)]), args[len(xs) :], strict=True) if y.requires_grad
        ]
        return grad(
            [y for y, _ in pairs], [args[i] for i in checked], [seed for _, seed in pairs],
            create_graph=True, materialize_grads=True,
        )  # fmt: skip

    names = [*_names(func, xs), *(f"grad_output {k}" for k in range(len(seeds)))]
    gradient.names = names  # type: ignore[attr-defined]
    return gradcheck(gradient, [*xs, *seeds], **options)


def _outputs(result: Any) -> list[Tensor]:
    """The floating-point outputs; the others (indices, masks) have no derivatives."""
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    for y in outputs:
        if not isinstance(y, Tensor):
            raise DtypeError(f"gradcheck: the function returned {type(y).__name__}, not a tensor.")
    smooth = [y for y in outputs if y.is_floating_point()]
    if not smooth:
        raise DtypeError("gradcheck: the function returned no floating-point tensor.")
    return smooth


def _names(func: Callable[..., Any], inputs: Sequence[Any]) -> list[str]:
    """What the inputs are called: in the function, or by `named`, or "input 0"."""
    given = getattr(func, "names", None)
    if given is not None:
        return list(given)
    try:
        parameters = inspect.signature(func).parameters.values()
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    return [getattr(x, "_name", "") or (names[i] if i < len(names) else f"input {i}") for i, x in enumerate(inputs)]


class _Check:
    def __init__(self, func: Callable[..., Any], inputs: Tensor | Sequence[Any], eps: float) -> None:
        self.func, self.eps = func, eps
        self.inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        self.names = _names(func, self.inputs)
        self.which = [i for i, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad]
        if not self.which:
            raise ArgumentError(
                "gradcheck: no input requires grad, so there is nothing to check.",
                fix="Mark the inputs to check: mt.tensor([...], requires_grad=True).",
            )
        self.count = 0  # of the numbers that the function returns
        self.points = {i: np.array(self.inputs[i]._data, order="C") for i in self.which}
        small = [i for i in self.which if self.inputs[i].dtype != np.float64]
        self.single = bool(small)
        if small:
            warnings.warn(
                f"gradcheck: {self.names[small[0]]} is {self.inputs[small[0]].dtype}. Difference quotients with "
                f"eps={eps:g} need float64: x.double().detach().requires_grad_().",
                stacklevel=3,
            )

    def call(self, points: dict[int, Array]) -> tuple[list[Tensor], list[Tensor]]:
        """The function on fresh leaves: (leaves to differentiate, outputs)."""
        arguments = [x.detach().clone() if isinstance(x, Tensor) else x for x in self.inputs]
        for i, point in points.items():
            arguments[i] = wrap(point.copy()).requires_grad_()
        with grad_mode(True):
            outputs = _outputs(self.func(*arguments))
        return [arguments[i] for i in self.which], outputs

    def values(self, points: dict[int, Array]) -> Array:
        """All outputs laid end to end."""
        _, outputs = self.call(points)
        return np.concatenate([np.ravel(y._data).astype(np.float64) for y in outputs])

    def ours(self) -> tuple[list[Array], list[Tensor]]:
        """For each input the matrix of derivatives by backward passes (all outputs by all its elements)."""
        leaves, outputs = self.call(self.points)
        rows: list[list[Array]] = [[] for _ in leaves]
        for y in outputs:
            for k in range(y.numel()):
                gradients: Sequence[Any] = [None] * len(leaves)
                if y.requires_grad:
                    seed = np.zeros(y.numel(), y.dtype)
                    seed[k] = 1
                    gradients = grad(y, leaves, wrap(seed.reshape(y.shape)), retain_graph=True, allow_unused=True)
                for row, leaf, g in zip(rows, leaves, gradients, strict=True):
                    row.append(np.zeros(leaf.numel()) if g is None else np.ravel(g._data).astype(np.float64))
        return [np.array(row).reshape(len(row), leaf.numel()) for row, leaf in zip(rows, leaves, strict=True)], outputs

    def moved(self, i: int, k: int, step: float) -> Array:
        """The outputs with one element of one input moved by `step`."""
        point = self.points[i].copy()
        point.reshape(-1)[k] += step
        values = self.values({**self.points, i: point})
        if len(values) != self.count:
            raise ShapeError(
                f"gradcheck: the function returned {self.count} numbers, and {len(values)} where one of the inputs "
                f"differed by {step:g}.",
                "A difference quotient needs the same outputs on both sides.",
                "Check it at inputs where no decision in the function is about to change.",
            )
        return values

    def run(self, atol: float, rtol: float, nondet_tol: float) -> GradcheckReport:
        ours, outputs = self.ours()
        again, _ = self.ours()
        center = self.values(self.points)
        self.count = len(center)
        sizes = [y.numel() for y in outputs]
        checked = sum(block.size for block in ours)
        unsure = _differ(center, self.values(self.points), nondet_tol)
        if unsure or any(_differ(a, b, nondet_tol) for a, b in zip(ours, again, strict=True)):
            what = "values" if unsure else "gradients"
            why = f"The function is not deterministic: two calls gave different {what} (dropout? noise?)."
            return GradcheckReport(False, checked, diagnosis=why)
        blocks: list[Block] = []
        kinks: list[Kink] = []
        for mine, i in zip(ours, self.which, strict=True):
            numeric, wrong = np.empty_like(mine), np.zeros(mine.shape, dtype=bool)
            for k in range(mine.shape[1]):
                numeric[:, k], low, high = self.slopes(i, k, center, mine[:, k], atol, rtol)
                wrong[:, k] = ~_within(mine[:, k], numeric[:, k], numeric[:, k], atol, rtol)
                bent = ~np.isnan(low)
                wrong[bent, k] = ~_within(mine[bent, k], low[bent], high[bent], atol, rtol)
                for row in np.flatnonzero(bent)[:1]:
                    index = np.unravel_index(k, self.points[i].shape) if self.points[i].ndim else ()
                    kinks.append(Kink(i, self.names[i], tuple(map(int, index)), low[row], high[row], mine[row, k]))
            starts = np.cumsum([0, *sizes])
            blocks += [
                Block(
                    o, y.shape, i, self.names[i], self.points[i].shape, mine[a:b], numeric[a:b], wrong[a:b],
                    y.requires_grad,
                )
                for o, (y, a, b) in enumerate(zip(outputs, starts[:-1], starts[1:], strict=True))
            ]  # fmt: skip
        failures = [entry for block in blocks for entry in block.entries()]
        failures.sort(key=lambda e: -e.absolute if np.isfinite(e.absolute) else -np.inf)
        return GradcheckReport(
            not failures, checked, failures, kinks, diagnose(blocks, self.single) if failures else ""
        )

    def slopes(
        self, i: int, k: int, center: Array, ours: Array, atol: float, rtol: float
    ) -> tuple[Array, Array, Array]:
        """The central difference, and where there is a kink the slopes on the left and on the right (else NaN)."""
        h = self.eps
        with np.errstate(all="ignore"):
            right = (self.moved(i, k, h) - center) / h
            left = (center - self.moved(i, k, -h)) / h
            central = (right + left) / 2
            no_kink = np.full_like(central, np.nan)
            bent = ~(np.abs(right - left) <= 1e-3 * np.maximum(1, np.abs(central)))
            suspicious = np.isfinite(center) & (bent | ~_within(ours, central, central, atol, rtol))
            if not suspicious.any():
                return central, no_kink, no_kink
            # Where the function bends smoothly the two slopes come together as the step shrinks; at a kink they do not.
            closer_right = (self.moved(i, k, h / 16) - center) / (h / 16)
            closer_left = (center - self.moved(i, k, -h / 16)) / (h / 16)
            gap, closer_gap = np.abs(right - left), np.abs(closer_right - closer_left)
            both = suspicious & np.isfinite(closer_gap)
            kink = both & bent & (closer_gap > gap / 2)
            central = np.where(both & ~kink, (closer_right + closer_left) / 2, central)
            for side, there, not_there in ((1, right, left), (-1, left, right)):
                edge = suspicious & np.isfinite(there) & ~np.isfinite(not_there)  # of the domain: one side only
                if edge.any():
                    central = np.where(edge, self.one_sided(i, k, center, side), central)
        return central, np.where(kink, closer_left, np.nan), np.where(kink, closer_right, np.nan)

    def one_sided(self, i: int, k: int, center: Array, side: int) -> Array:
        """The limit of the slopes on one side, from three steps (Aitken's extrapolation); infinite if they grow."""
        first, second, third = (
            (self.moved(i, k, side * h) - center) / (side * h) for h in (self.eps, self.eps / 16, self.eps / 256)
        )
        change, last = second - first, third - second
        limit = np.where(change == last, third, third - last**2 / np.where(change == last, 1, last - change))
        return np.where(np.abs(third) > 2 * np.abs(second), np.copysign(np.inf, third), limit)


def _within(ours: Array, low: Array, high: Array, atol: float, rtol: float) -> Array:
    low, high = np.minimum(low, high), np.maximum(low, high)
    with np.errstate(invalid="ignore"):
        inside: Array = (ours >= low - atol - rtol * np.abs(low)) & (ours <= high + atol + rtol * np.abs(high))
        inside |= ours == low
    return inside


def _differ(a: Array, b: Array, tolerance: float) -> bool:
    if a.shape != b.shape:
        return True
    with np.errstate(invalid="ignore"):
        return not bool(np.all((np.abs(a - b) <= tolerance) | (a == b) | (np.isnan(a) & np.isnan(b))))
