r"""The operation table, one family a file. What a row is: primitive.py; what of it a node keeps: plan.py.

In Python a row is called what it is called in the table, with `_row` behind it where the public function (or Python)
has that name: `sum_row` is the row, `sum` the function with PyTorch's arguments. Of a few rows that are called all over
(add, sub, div, matmul, reshape, permute, broadcast_to) it is the function that has another name in Python:
`reshape_to` is what is published as `mt.reshape`.

How to add an operation. An elementwise one is a single row, in the file of its family (here activations.py):

    smooth_abs = elementwise("smooth_abs", lambda x: F.sqrt(x * x + 1), tex=r"\sqrt{{x}^2 + 1}")

and that is all: there are `mt.smooth_abs`, `Tensor.smooth_abs`, `smooth_abs_` and `F.smooth_abs`, the derivative, the
kernel for large arrays, and the formula in pictures. Any other is a row whose parameters are definite (axes counted
from 0, no defaults), and a function with PyTorch's arguments that calls the row (here in reductions.py):

    def _energy_vjp(g: Any, x: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
        return spread(2 * g, x_shape, dim, keepdim) * x

    energy_row = primitive("energy", lambda x, *, dim, keepdim: (x * x).sum(axis=dim, keepdims=keepdim), [_energy_vjp])

    @operation()
    def energy(input: Any, dim: Dims = None, keepdim: bool = False) -> Any:
        "The sum of the squares over the given axes, or over all."
        return energy_row(input, **over(input, dim, keepdim))

Then a case in tests/ops/cases/ (one test fails until each row has one) compares the values and derivatives with
NumPy's, PyTorch's and finite differences, and `python -m microtrain.calling.stubs` writes the new names into table.pyi,
for type checkers and editors. `mt.compile` knows elementwise rows by themselves and leaves others to NumPy, unless
compiler/rules.py says what they consist of. An operation that consists of others needs no row: it is a function with
`@operation()` in microtrain/functions/.
"""

from . import (
    activations,
    arithmetic,
    comparison,
    conversion,
    diagonals,
    einsum,
    exponential,
    extremes,
    indexing,
    joining,
    linalg,
    norms,
    probability,
    products,
    reductions,
    scans,
    shapes,
    sorting,
    special,
    trigonometric,
    writing,
)

__all__ = [
    "activations",
    "arithmetic",
    "comparison",
    "conversion",
    "diagonals",
    "einsum",
    "exponential",
    "extremes",
    "indexing",
    "joining",
    "linalg",
    "norms",
    "probability",
    "products",
    "reductions",
    "scans",
    "shapes",
    "sorting",
    "special",
    "trigonometric",
    "writing",
]
