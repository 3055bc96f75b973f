"""What programs for PyTorch ask of the module itself."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.show import PRINTING


def test_limits_of_dtypes():
    assert mt.finfo(mt.float32).eps == np.finfo("float32").eps and mt.finfo().bits == 64
    assert mt.iinfo(mt.int8).max == 127
    for wrong in (lambda: mt.finfo(mt.int64), lambda: mt.iinfo(mt.float32), lambda: mt.iinfo(None)):
        with pytest.raises(mt.MicrotrainError):
            wrong()
    assert mt.promote_types(mt.float32, mt.float64) == mt.float64 and mt.can_cast(mt.float64, mt.float32)
    assert not mt.can_cast(mt.float32, mt.int64) and mt.result_type(mt.ones(1, dtype=mt.float32), 2) == mt.float32


def test_printing():
    try:
        mt.set_printoptions(precision=2)
        assert repr(mt.tensor([1 / 3])) == "tensor([0.33])"
        mt.set_printoptions(threshold=4, edgeitems=1)
        assert repr(mt.arange(9)) == "tensor([0, ..., 8])"
        mt.set_printoptions(profile="full")
        assert "..." not in repr(mt.arange(900))
        mt.set_printoptions(profile="default")
        assert repr(mt.tensor([1 / 3])) == "tensor([0.33333333])"
    finally:
        PRINTING.clear()


def test_random_state():
    mt.manual_seed(3)
    assert mt.initial_seed() == 3
    state = mt.get_rng_state()
    first = mt.rand(4)
    mt.set_rng_state(state)
    assert (mt.rand(4) == first).all() and mt.seed() == mt.initial_seed() != 3
    mt.manual_seed(0)


def test_switches_that_are_always_on():
    mt.use_deterministic_algorithms(True)
    mt.set_float32_matmul_precision("high")
    assert mt.are_deterministic_algorithms_enabled() and mt.get_default_device() == mt.device("cpu")
    with pytest.raises(mt.MicrotrainError, match="same bits"):
        mt.use_deterministic_algorithms(False)
    before = mt.get_num_threads()
    mt.set_num_threads(1)
    assert mt.get_num_threads() == 1
    mt.set_num_threads(before)


def test_questions_about_tensors():
    x = mt.zeros(2, 3)
    assert x.stride() == (3, 1) and x.T.stride(0) == 1 and x.itemsize == x.element_size() == 8
    assert x.data_ptr() == x.view(6).data_ptr() != x.clone().data_ptr() and x[0, 1].data_ptr() == x.data_ptr() + 8
    assert x.is_cpu and not x.is_cuda and x.is_signed() and not x.is_complex() and not mt.is_complex(x)
    assert x.is_same_size(x.clone()) and mt.is_nonzero(mt.tensor(2)) and not mt.tensor([0.0]).is_nonzero()
    assert x.byte().dtype == np.uint8 and x.char().dtype == np.int8 and x.short().dtype == np.int16
    assert x.pin_memory() is x and x.share_memory_() is x and mt.broadcast_shapes((2, 1), 3) == (2, 3)
    with pytest.raises(IndexError, match=r"size\(2\): a tensor of shape \(2, 3\)"):
        x.size(2)
    w = mt.ones(2, requires_grad=True)
    assert not mt.detach(w).requires_grad and mt.detach(w).data_ptr() == w.data_ptr()
    assert set(mt.full((99,), 0.5).bernoulli().tolist()) == {0, 1} and mt.zeros(9).bernoulli(1.0).sum().item() == 9
    assert mt.poisson(mt.full((3000,), 4.0)).mean().item() == pytest.approx(4, abs=0.2)
    np.testing.assert_allclose(mt.logspace(0, 3, 4, base=2).tolist(), [1, 2, 4, 8])
    assert mt.scalar_tensor(3).dtype == np.float64 and mt.asarray([1, 2]).dtype == np.int64


def test_set_detect_anomaly():
    x = mt.tensor(-1.0, requires_grad=True)
    with mt.autograd.set_detect_anomaly(True):
        assert mt.is_anomaly_enabled()
        with pytest.raises(mt.MicrotrainError, match="log"):
            mt.log(x)
        with mt.autograd.set_detect_anomaly(False):
            mt.log(x)
        assert mt.is_anomaly_enabled()
    assert not mt.is_anomaly_enabled() and mt.isnan(mt.log(x))
    mt.autograd.set_detect_anomaly(True)
    assert mt.is_anomaly_enabled()
    mt.autograd.set_detect_anomaly(False)
    assert not mt.is_anomaly_enabled()
    with mt.autograd.detect_anomaly(check_nan=False):
        mt.log(x)
