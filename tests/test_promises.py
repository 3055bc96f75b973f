"""What an eager tensor promises, each promise with tests of its own."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import GraphError, InplaceError, MicrotrainError, NotDifferentiableError, ShapeError
from microtrain.ops.primitive import TABLE

from .ops.case import Dice, flat, leaf
from .ops.cases import CASES

LONG = 200_000


def outputs_of(case, seed=0):
    """The inputs (floats as leaves) and the differentiable outputs of an operation of the table."""
    drawn = case.draw(Dice(seed))
    inputs = [leaf(np.array(a)) for a in drawn.inputs]
    outputs = [y for y in flat(case.ours(*inputs, **drawn.params)) if isinstance(y, mt.Tensor)]
    return [x for x in inputs if isinstance(x, mt.Tensor) and x.requires_grad], outputs


def differentiate(outputs, create_graph=False):
    outputs = [y for y in outputs if y.requires_grad]
    mt.autograd.backward(outputs, [mt.ones_like(y) for y in outputs], create_graph=create_graph)


# ---- 1. Right or loud ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["+=", "[0]=", "add_", "copy_", "no_grad", "view", "data", "detach", "T"])
def test_promise_1_right_or_loud_overwritten_value(write):
    w = mt.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    h = w * 2
    y = h.square()  # keeps h
    if write == "+=":
        h += 1
    elif write == "[0]=":
        h[0] = 3.0
    elif write == "add_":
        h.add_(1)
    elif write == "copy_":
        h.copy_(mt.zeros(2, 2))
    elif write == "no_grad":
        with mt.no_grad():
            h -= 1
    elif write == "view":
        v = h[0]
        v += 1
    elif write == "data":
        h.data[0, 0] = 5.0
    elif write == "detach":
        h.detach().zero_()
    elif write == "T":
        h.T.reshape(2, 2)[0] = 1.0
    with pytest.raises(InplaceError) as caught:
        y.sum().backward()
    text = str(caught.value)
    assert "'square' kept its input" in text and "overwrote it" in text
    assert text.count("test_promises.py:") == 2  # where it was kept, and where it was overwritten
    assert "y = h.square()" in text
    assert w.grad is None


def test_promise_1_right_or_loud_after_an_optimizer_step():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = mt.optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(InplaceError, match="'SGD' overwrote it"):
        loss.backward()


def test_promise_1_right_or_loud_second_backward():
    x = mt.tensor(2.0, requires_grad=True)
    y = x * x
    y.backward()
    with pytest.raises(GraphError, match=r"(?s)second time to 'mul'.*retain_graph=True"):
        y.backward()
    assert x.grad.item() == 4


def test_promise_1_right_or_loud_leaf_in_place():
    x = mt.ones(3, requires_grad=True)
    for write in (lambda: x.add_(1), lambda: x.__setitem__(0, 1.0), lambda: x.__iadd__(1), lambda: x[:2].mul_(2)):
        with pytest.raises(InplaceError, match="leaf that requires grad"):
            write()
    assert x.tolist() == [1, 1, 1]


def test_promise_1_right_or_loud_nothing_to_differentiate():
    with pytest.raises(GraphError, match="does not require grad"):
        mt.ones(()).backward()
    with pytest.raises(ShapeError, match="single number"):
        (mt.ones(3, requires_grad=True) * 2).backward()


def test_promise_1_right_or_loud_after_an_error_no_gradient_has_changed():
    a, b = mt.tensor([1.0], requires_grad=True), mt.tensor([2.0], requires_grad=True)
    h = a * 3
    middle = h * h
    middle.retain_grad()
    y = (b * 5).sum() + middle.sum()
    with mt.no_grad():
        h += 1
    with pytest.raises(InplaceError):
        y.backward()
    assert a.grad is None and b.grad is None and middle.grad is None


# ---- 2. Gradients are owned -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_promise_2_gradients_are_owned(case, create_graph):
    for seed in range(3):
        leaves, outputs = outputs_of(case, seed)
        if not any(y.requires_grad for y in outputs):
            continue
        differentiate(outputs, create_graph)
        memory = [x._array() for x in leaves] + [y._array() for y in outputs]
        for x in leaves:
            if x.grad is None:
                continue
            g = x.grad.detach()._array()
            assert g.flags.writeable and g.flags.c_contiguous and g.shape == x.shape and g.dtype == x.dtype
            assert not any(np.may_share_memory(g, other) for other in memory)
            memory.append(g)
            x.grad = None  # break the cycle of create_graph=True


def test_promise_2_gradients_are_owned_when_everything_passes_them_on():
    a, b, c = (mt.ones(3, requires_grad=True) for _ in range(3))
    seed = mt.ones(3)
    s = a + b
    (s + c).backward(seed)
    a.grad.mul_(10)
    assert b.grad.tolist() == c.grad.tolist() == seed.tolist() == [1, 1, 1]


def test_promise_2_gradients_are_owned_by_grad_too():
    a, b = mt.ones(3, requires_grad=True), mt.ones(3, requires_grad=True)
    h, k = a * 1, b * 1
    first, second, again = mt.grad((h + k).sum(), [h, k, h])
    first.zero_()
    assert second.tolist() == again.tolist() == [1, 1, 1]


def test_promise_2_an_assigned_gradient_is_copied():
    a, b = mt.ones(2, requires_grad=True), mt.ones(2, requires_grad=True)
    shared = mt.ones(2)
    a.grad = b.grad = shared
    (a * 2).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist(), shared.tolist()) == ([3, 3], [1, 1], [1, 1])


def test_promise_2_gradients_accumulate_on_leaves_only():
    x = mt.tensor(3.0, requires_grad=True)
    h = x * x
    y = h * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 2 * 27
    assert h.grad is None and y.grad is None


# ---- 3. No recursion ------------------------------------------------------------------------------------------------


def run_deep(n):
    """A chain of n operations in a thread with a small stack."""

    def work():
        limit = sys.getrecursionlimit()
        try:
            sys.setrecursionlimit(150)
            x = mt.tensor(1.0, requires_grad=True)
            y = x
            for _ in range(n):
                y = y + 1.0
            texts.append(repr(y) + repr(y.grad_fn))
            y.backward()
            values.append(x.grad.item())
            v = mt.zeros(4)
            for _ in range(n // 10):
                v = v[:]  # views of views
            v += x
            values.append(v.sum().item())
            del y, v
        except BaseException as error:
            values.append(error)
        finally:
            sys.setrecursionlimit(limit)

    values, texts = [], []
    kilobytes = 256 if sys.version_info < (3, 13) else 1024  # 3.13 itself needs more for tuples in tuples in tuples
    before = threading.stack_size(kilobytes * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert values == [1.0, 4.0]
    assert f"{n + 1}" in texts[0].replace(".", "") or "e+" in texts[0]


def test_promise_3_no_recursion():
    run_deep(LONG)


@pytest.mark.slow
def test_promise_3_no_recursion_in_a_million_operations():
    run_deep(1_000_000)


def test_promise_3_no_recursion_in_second_derivatives():
    x = mt.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0001
    (g,) = mt.grad(y * y, x, create_graph=True)
    (h,) = mt.grad(g, x)
    assert h.item() == pytest.approx(2 * 1.0001**6000)


# ---- 4. Freed by reference counting alone ---------------------------------------------------------------------------


class Twice(mt.Function):
    @staticmethod
    def forward(ctx, x):
        y = x * 2
        ctx.save_for_backward(x, y, mt.tensor([True]))
        ctx.kept = y
        return y, y + 1

    @staticmethod
    def backward(ctx, g, h):
        x, _y, _mask = ctx.saved_tensors
        return (g + h) * 2 + x * 0


def _plain(x):
    (x * x).sum().backward()


def _hooks(x):
    y = x * 2
    x.register_hook(lambda g: g * 1)
    y.register_hook(lambda g: g * 1)
    y.retain_grad()
    y.sum().backward()


def _views(x):
    z = mt.zeros(3)
    v = z[1:]
    v += x[1:]
    z[0] = x[0]
    z.T.reshape(3, 1).square().sum().backward()


def _create_graph(x):
    (g,) = mt.grad((x * x * x).sum(), x, create_graph=True)
    g.sum().backward()


def _function(x):
    a, b = Twice.apply(x)
    (a * b).sum().backward()


def _not_differentiated(x):
    return (Twice.apply(x)[0].softmax(0)[None] @ mt.ones(3, 2)).tanh()


def _calculus(x):
    mt.hessian(lambda t: (t * t).sum(), x)
    mt.jacobian(mt.exp, x)


def _failed(x):
    h = x * 2
    y = h * h
    h.detach().zero_()
    with contextlib.suppress(InplaceError):
        y.sum().backward()


@pytest.mark.parametrize(
    "program", [_plain, _hooks, _views, _create_graph, _function, _not_differentiated, _calculus, _failed]
)
def test_promise_4_freed_by_reference_counting_alone(program):
    program(mt.ones(3, requires_grad=True))  # fill the caches
    gc.disable()
    gc.freeze()  # whatever there was before is not looked at
    try:
        x = mt.ones(3, requires_grad=True)
        program(x)
        gone = weakref.ref(x)
        x.grad = None
        del x
        assert gone() is None
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        ours = [o for o in gc.garbage if type(o).__module__.startswith("microtrain")]
        assert not ours
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()


def test_promise_4_backward_frees_what_was_kept():
    x = mt.ones(1000, requires_grad=True)
    h = x.exp()
    kept = weakref.ref(h._data)
    y = (h * h).sum()
    del h
    assert kept() is not None
    y.backward()
    assert kept() is None


def test_promise_4_a_function_keeps_only_what_it_saved():
    class Shift(mt.Function):
        @staticmethod
        def forward(ctx, x):
            return x + 1

        @staticmethod
        def backward(ctx, g):
            return g

    h = mt.ones(1000, requires_grad=True) * 2
    gone = weakref.ref(h._data)
    y = Shift.apply(h)
    del h
    assert gone() is None
    y.sum().backward()


# ---- 5. Deterministic -----------------------------------------------------------------------------------------------

PROGRAM = """
import hashlib, numpy as np, microtrain as mt
mt.manual_seed(7)
x = mt.randn(300, 200)
parameters = {name: mt.randn(200, 200, requires_grad=True) for name in ["w1", "w2", "w3", "w4"]}
shared = mt.randn(200, requires_grad=True)
h = x
for w in set(parameters.values()) and parameters.values():
    h = mt.tanh(h @ w / 14 + shared)
loss = (h * h).mean() + mt.cross_entropy(h, mt.randint(0, 200, (300,)))
loss.backward()
digest = hashlib.sha256()
for t in [loss, *parameters.values(), shared]:
    digest.update((t if t is loss else t.grad).detach().numpy().tobytes())
print(digest.hexdigest())
"""


def test_promise_5_deterministic():
    digests = set()
    for seed, threads in (("0", "1"), ("1", "4"), ("12345", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        environment["NUMBA_NUM_THREADS"] = threads
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(run.stdout)
    assert len(digests) == 1 and len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


def test_promise_5_random_state_is_explicit():
    first, second = mt.Generator(3), mt.Generator(3)
    mt.manual_seed(0)
    np.random.default_rng(0).random(5)
    a = mt.randn(4, generator=first)
    mt.randn(100)  # the default stream does not disturb it
    assert a.tolist() == mt.randn(4, generator=second).tolist()
    assert mt.randn(4, generator=first).tolist() != a.tolist()


# ---- 6. ndarray on the left -----------------------------------------------------------------------------------------

OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "@": lambda a, b: a @ b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
LEFTS = {
    "array": lambda x: x,
    "0-d array": lambda x: np.array(x.flat[0]),
    "scalar": lambda x: x.flat[0],
    "float32 scalar": lambda x: np.float32(x.flat[0]),
    "int": lambda x: np.int64(2),
    "bool": lambda x: np.bool_(True),
    "float": lambda x: 1.5,
}


@pytest.mark.parametrize("left", LEFTS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_promise_6_ndarray_on_the_left(operator, left):
    a = LEFTS[left](np.array([[1.5, 2.0], [0.5, 3.0]]))
    b = np.array([[0.5, 1.0], [2.0, 1.5]])
    apply = OPERATORS[operator]
    if operator == "@" and left != "array":
        with pytest.raises((MicrotrainError, TypeError)):
            apply(a, mt.tensor(b))
        return
    expected = apply(a, b)
    for requires_grad in (False, True):
        t = mt.tensor(b, requires_grad=requires_grad)
        for ours, exact in ((apply(a, t), expected), (apply(t, a), apply(b, a))):
            assert type(ours) is mt.Tensor
            np.testing.assert_allclose(ours.detach().numpy(), exact, rtol=1e-15)
            assert ours.requires_grad == (requires_grad and ours.is_floating_point())


@pytest.mark.parametrize("operator", ["&", "|", "^"])
def test_promise_6_ndarray_on_the_left_of_logic(operator):
    a, b = np.array([True, False, True]), np.array([True, True, False])
    apply = {"&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b}[operator]
    assert apply(a, mt.tensor(b)).tolist() == apply(mt.tensor(a), b).tolist() == apply(a, b).tolist()


def test_promise_6_gradient_through_an_array_on_the_left():
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    t = mt.tensor([1.0, 1.0], requires_grad=True)
    (a @ t + a * t - a / t).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), [8 + 4 + 4, 12 + 6 + 6])


def test_promise_6_numpy_functions_keep_the_gradient():
    x = mt.tensor([0.5, 1.0], requires_grad=True)
    for function, slope in (
        (np.exp, np.exp),
        (np.sin, np.cos),
        (np.sqrt, lambda v: 0.5 / np.sqrt(v)),
        (np.abs, np.sign),
    ):
        y = function(x)
        assert type(y) is mt.Tensor
        (g,) = mt.grad(y.sum(), x)
        np.testing.assert_allclose(g.numpy(), slope(x.detach().numpy()))
    total = np.sum(x) + np.mean(x, axis=0) + np.max(x) + np.stack([x, x], axis=1).sum() + np.concatenate([x, x]).sum()
    total = (
        total + np.dot(x, x) + np.where(np.array([True, False]), x, 0.0).sum() + np.sum(x, axis=0, keepdims=True).sum()
    )
    (g,) = mt.grad(total, x)
    np.testing.assert_allclose(g.numpy(), [1 + 0.5 + 0 + 2 + 2 + 1 + 1 + 1, 1 + 0.5 + 1 + 2 + 2 + 2 + 0 + 1])


def test_promise_6_what_numpy_cannot_differentiate_raises():
    x = mt.tensor([0.5, 1.0], requires_grad=True)
    array = np.zeros(2)
    for call in (
        lambda: np.cbrt(x),
        lambda: np.add.reduce(x),
        lambda: np.add(x, 1, out=np.zeros(2)),
        lambda: np.nanmax(x),
        lambda: np.asarray(x),
        lambda: np.array([x, x]),
        lambda: np.std(x, mean=0.5),
        lambda: x.numpy(),
        lambda: array.__iadd__(x),
        lambda: array.__setitem__(slice(None), x),
        lambda: mt.tensor(x),
        lambda: mt.tensor([x, x]),
        lambda: np.linalg.svd(x.reshape(2, 1)),
    ):
        with pytest.raises(NotDifferentiableError):
            call()
    assert array.tolist() == [0, 0]
    for t in (x, mt.tensor(1.0, requires_grad=True)):
        with pytest.raises(ValueError) as caught:  # NumPy's own error, with ours as its cause
            array[0] = t
        assert isinstance(caught.value.__cause__, NotDifferentiableError)
        assert "mt.stack" in str(caught.value.__cause__)
    assert float(t) == 1.0 and array.tolist() == [0, 0]


def test_promise_6_numpy_may_have_what_wants_no_gradient():
    x = mt.tensor([0.5, 1.0])
    array = np.zeros(2)
    array += x
    array[0] = x[1]
    assert array.tolist() == [1.0, 1.0]
    assert np.median(x) == 0.75 and np.cbrt(x).tolist() == np.cbrt([0.5, 1.0]).tolist()
    with pytest.raises(NotDifferentiableError, match="behind its back"):
        np.add(array, 1, out=x)


# ---- 7. Conventions at kinks and ties -------------------------------------------------------------------------------

KINKS = {
    "relu": lambda t, m: m.relu(t),
    "abs": lambda t, m: m.abs(t),
    "clamp": lambda t, m: m.clamp(t, -1.0, 1.0),
    "maximum": lambda t, m: m.maximum(t, t.detach() * 1.0),
    "minimum": lambda t, m: m.minimum(t, t.detach() * 1.0),
    "maximum with itself": lambda t, m: m.maximum(t, t),
    "max": lambda t, m: m.max(t),
    "max along an axis": lambda t, m: m.max(t, 0)[0],
    "amax": lambda t, m: m.amax(t, 0),
    "median": lambda t, m: m.median(t, 0)[0],
    "norm": lambda t, m: (t * 0).norm(),
    "norm of columns": lambda t, m: (t * 0 + t.detach()).norm(dim=0),
    "norm 1": lambda t, m: m.norm(t, 1),
    "norm inf": lambda t, m: m.norm(t, float("inf")),
    "std": lambda t, m: m.std(t, 0),
    "pow 0": lambda t, m: t**0.0,
    "pow 1": lambda t, m: t**1.0,
    "pow 2": lambda t, m: t**2.0,
    "pow 0.5": lambda t, m: m.abs(t) ** 0.5,
    "0 ** t": lambda t, m: 0.0 ** (t * t),
    "sqrt": lambda t, m: m.sqrt(t * t),
    "sign": lambda t, m: m.sign(t),
    "floor": lambda t, m: m.floor(t),
    "round": lambda t, m: m.round(t),
    "remainder": lambda t, m: m.remainder(t, 1.0),
    "prod": lambda t, m: m.prod(t, 0),
    "cumprod": lambda t, m: m.cumprod(t, 0),
    "sort": lambda t, m: (m.sort(t, dim=0, stable=True)[0] * (t.detach() * 0 + 2)).sum(),
    "where": lambda t, m: m.where(t > 0, t, -t),
    "atan2": lambda t, m: m.atan2(t, t.detach() * 0 + 1),
    "softsign": lambda t, m: t / (1 + m.abs(t)),
}
POINTS = [[0.0, 0.0, 0.0, 0.0], [1.0, -1.0, 1.0, -1.0], [0.5, 0.5, -0.5, 2.0], [-0.0, 0.0, 1.0, 1.0]]


@pytest.mark.oracle
@pytest.mark.parametrize("name", KINKS)
def test_promise_7_conventions_equal_pytorchs(name):
    torch = pytest.importorskip("torch")
    for point in POINTS:
        values = np.array(point).reshape(2, 2)
        ours = mt.tensor(values, requires_grad=True)
        theirs = torch.tensor(values, requires_grad=True)
        KINKS[name](ours, mt).sum().backward()
        KINKS[name](theirs, torch).sum().backward()
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-14, err_msg=f"{name} at {point}")


def test_promise_7_conventions_are_stated():
    """Every row that is not smooth says in its note what it does at the kink or tie."""
    kinked = ["abs", "relu", "relu6", "maximum", "minimum", "clamp", "amax", "amin", "norm", "std", "pow", "leaky_relu",
              "prelu", "hardtanh", "softplus"]  # fmt: skip
    missing = [name for name in kinked if not TABLE[name].note]
    assert not missing
