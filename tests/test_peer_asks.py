"""What users of other small autograd libraries stumbled over or asked for, each as a test (the threads: GitHub)."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import AnomalyError, GraphError, InplaceError, NotDifferentiableError
from microtrain.ops.primitive import TABLE


def leaf(value):
    return mt.tensor(value, requires_grad=True)


def test_a_deep_expression_is_differentiated_shown_and_freed():
    # karpathy/micrograd#90, #21, #91
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    assert "100001" in repr(y).replace(".", "") and repr(y.grad_fn)
    y.backward()
    assert x.grad.item() == 100_001
    del y


def test_a_node_waits_for_all_that_used_it():
    # karpathy/micrograd#2, #64, #68, #91, #96: why a topological order?
    a = leaf(1.0)
    b = a + a
    c = b + b
    c.backward()
    assert a.grad.item() == 4
    x = leaf(2.0)
    early = x * x  # used before and after `late` was made
    late = early * x
    (late * early + early).backward()
    assert x.grad.item() == 5 * 2**4 + 2 * 2


def test_calling_backward_twice_accumulates_on_leaves_alone():
    # karpathy/micrograd#102, #53, #54, #63, #25, #32: 108, then 324 where 216 is right
    x = leaf(3.0)
    h = x * x
    y = h * h
    y.backward(retain_graph=True)
    assert x.grad.item() == 108 and h.grad is None
    y.backward()
    assert x.grad.item() == 216
    with pytest.raises(GraphError, match="retain_graph=True"):
        y.backward()


POWERS = [
    (2.0, 3.0), (2.0, -1.0), (2.0, 0.5), (2.0, 0.0), (0.0, 2.0), (0.0, 1.0), (0.0, 0.0), (0.0, 0.5), (0.0, -1.0),
    (-2.0, 2.0), (-2.0, 3.0), (-2.0, -1.0), (-2.0, 0.5), (-2.0, 0.0), (-0.0, 3.0), (np.inf, 2.0), (2.0, np.inf),
    (np.nan, 2.0), (1.0, np.nan), (np.nan, 0.0),
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize(("base", "exponent"), POWERS)
def test_powers_with_any_base_and_exponent(base, exponent):
    # karpathy/micrograd#17, #35, #36, #41, #70, #122; tinygrad#155, #9217
    torch = pytest.importorskip("torch")
    results = []
    for m in (mt, torch):
        a, b = (m.tensor(v, dtype=m.float64, requires_grad=True) for v in (base, exponent))
        y = a**b
        y.backward()
        results.append([y.item(), a.grad.item(), b.grad.item()])
        a = m.tensor(base, dtype=m.float64, requires_grad=True)
        (a**exponent).backward()  # a number as exponent
        b = m.tensor(exponent, dtype=m.float64, requires_grad=True)
        (base**b).backward()  # and as base
        results[-1] += [a.grad.item(), b.grad.item()]
        if float(exponent).is_integer():
            a = m.tensor(base, dtype=m.float64, requires_grad=True)
            (a ** int(exponent)).backward()
            results[-1].append(a.grad.item())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


def test_second_derivatives_are_built_in():
    # karpathy/micrograd#3, #8; rsokl/MyGrad#442; tinygrad#5772, #7183
    x = leaf(2.0)
    (g,) = mt.grad(x**4, x, create_graph=True)
    (h,) = mt.grad(g, x, create_graph=True)
    (third,) = mt.grad(h, x)
    assert (g.item(), h.item(), third.item()) == (32, 48, 48)
    f = lambda v: (v**3).sum()
    at = mt.tensor([1.0, 2.0])
    assert mt.hessian(f, at).tolist() == [[6, 0], [0, 12]]
    assert mt.hvp(f, at, mt.ones(2))[1].tolist() == [6, 12]
    assert mt.jacobian(lambda v: v * v, at).tolist() == [[2, 0], [0, 4]]


def test_the_norm_at_zero_has_a_gradient_and_the_root_says_why_it_has_none():
    # HIPS/autograd#151, #183, #268, #586; jax#3058, #2377, #4177, #6484, #21723; pytorch#2421
    x = leaf([0.0, 0.0])
    x.norm().backward()
    assert x.grad.tolist() == [0, 0]
    assert TABLE["norm"].note == "derivative 0 where the norm is 0"
    with (
        mt.detect_anomaly(),
        pytest.raises(AnomalyError, match=r"(?s)'sqrt' made the first infinity.*sqrt at exactly 0"),
    ):
        (x * x).sum().sqrt().backward()


def test_putting_a_traced_value_into_an_array_says_what_to_do():
    # HIPS/autograd#58, #177, #13, #515, #556, #559
    x = leaf([1.0, 2.0])
    array = np.zeros(2)
    with pytest.raises(NotDifferentiableError, match=r"mt\.stack, mt\.where"):
        array[:] = x
    with pytest.raises(ValueError) as caught:
        array[0] = x[0]
    assert isinstance(caught.value.__cause__, NotDifferentiableError)
    with pytest.raises(NotDifferentiableError):
        np.array([x[0] * 2, x[1]])
    z = mt.zeros(2)  # and this is how it is done here
    z[0] = x[1] * 3
    z.sum().backward()
    assert x.grad.tolist() == [0, 3]


def test_an_overwritten_value_is_found_with_both_lines():
    # pytorch#18523, #96265, #36470
    w = leaf([1.0, 2.0])
    h = w.exp()
    loss = (h * 2).sum()
    h[0] = 0.0
    with pytest.raises(InplaceError) as caught:
        loss.backward()
    message = str(caught.value)
    assert "h = w.exp()" in message and "h[0] = 0.0" in message and "fix: " in message


def test_a_write_to_a_slice_says_that_it_is_a_write():
    # apache/mxnet#10844
    w = leaf([1.0, 2.0, 3.0])
    h = w * w
    y = h * h
    h[1:] = 0.0
    with pytest.raises(InplaceError, match="'setitem' overwrote it"):
        y.sum().backward()
    with pytest.raises(InplaceError, match="'setitem' would change a leaf"):
        w[1:] = 0.0


def test_a_gradient_check_at_a_kink_passes_and_says_so():
    # BVLC/caffe#1334; deeplearning4j#1280; HomericIntelligence/Odyssey#2077; tvm#3856
    x = np.full((4, 2), 0.5)
    x[3, 1] = 0.0
    report = mt.gradcheck(mt.relu, leaf(x))
    assert report and "kink at input 0 index (3, 1)" in str(report)


@pytest.mark.parametrize("left", [np.ones((2, 2)), np.ones(()), np.float64(1.0), np.float32(1.0), np.int64(1), 1.0, 1])
def test_an_array_on_the_left_gives_a_tensor(left):
    # oreilly-japan/deep-learning-from-scratch-3#3; chainer#77; pytorch#9651; jax#26764; MyGrad#363
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    for y in (left + x, left - x, left * x, left / x, left**x):
        assert type(y) is mt.Tensor and y.shape == (2, 2) and y.requires_grad
    assert type(left < x) is mt.Tensor


def test_parameters_never_share_a_gradient():
    # found by trying: clipping or decaying one gradient changed another
    a, b = leaf([10.0, 10.0]), leaf([10.0, 10.0])
    (a + b).sum().backward()
    assert a.grad is not b.grad
    a.grad.mul_(0.1)
    b.grad.add_(1)
    np.testing.assert_allclose(a.grad.numpy(), [0.1, 0.1])
    assert b.grad.tolist() == [2, 2]
    before = b.grad.tolist()
    (a * 5).sum().backward()
    assert b.grad.tolist() == before


def test_a_belief_about_a_derivative_is_checked_in_one_call():
    # EurekaLabsAI/nn-zero-to-hero#52: a right gradient of exp, "corrected" into a wrong one
    assert mt.gradcheck(mt.exp, leaf([0.5, 1.0]))
    believed = mt.elementwise("believed", lambda x: mt.F.exp(x), [lambda g, x: g * x])
    report = mt.gradcheck(believed, leaf([0.5, 1.5]), raise_exception=False)
    assert not report and "wrong" in str(report)


def test_tensors_have_names_for_graphs_and_messages():
    # szagoruyko/pytorchviz#59; mert-kurttutan/torchview#97
    x = leaf([1.0]).named("x")
    h = (x * 2).named("h1")
    assert "name='x'" in repr(x) and "name='h1'" in repr(h) and h.grad_fn.name == "h1"
    report = mt.gradcheck(lambda *xs: xs[0].detach() * 1, x, raise_exception=False)
    assert report.failures[0].input_name == "x"


def test_the_graph_can_be_followed_forward_and_backward():
    # szagoruyko/pytorchviz#32; pytorch#34953
    x = leaf([1.0, 2.0])
    y = (x * 3).sum()
    y.backward()
    node = y.grad_fn
    assert node.primitive.name == "sum" and node.value == 9 and node.grad == 1
    ((product, _),) = node.next_functions
    assert product.primitive.name == "mul" and product.value.tolist() == [3, 6] and product.grad.tolist() == [1, 1]
    assert product.next_functions == ((x, 0),)
