"""The namespace `mt.autograd` has what PyTorch's has."""

from __future__ import annotations

import pytest

import microtrain as mt


def test_names():
    for name in mt.autograd.__all__:
        assert getattr(mt.autograd, name) is not None
    for name in ("grad", "no_grad", "enable_grad", "detect_anomaly", "Function", "gradcheck"):
        assert getattr(mt.autograd, name) is getattr(mt, name)
    for name in ("jacobian", "hessian", "hvp", "vjp", "jvp"):
        assert getattr(mt.autograd.functional, name) is getattr(mt, name)


def test_functional_is_a_module_of_its_own():
    from microtrain.autograd.functional import hessian, vhp

    assert hessian is mt.hessian and vhp is mt.hvp  # the Hessian is symmetric
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    (g,) = mt.autograd.grad((x * x).sum(), x, only_inputs=True)
    assert g.tolist() == [2, 4]
    with pytest.raises(mt.MicrotrainError, match="only_inputs"):
        mt.grad((x * x).sum(), x, only_inputs=False)


def test_backward():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    mt.autograd.backward((x * x).sum())
    assert x.grad.tolist() == [2, 4]
