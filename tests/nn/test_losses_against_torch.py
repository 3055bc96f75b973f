"""Losses that PyTorch has: the same values, first and second derivatives, for every reduction and option."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
import microtrain.nn.functional as F
from microtrain import nn

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(6, 4)) * 2, RNG.normal(size=(6, 4)) * 2
P, Q = RNG.uniform(0.02, 0.98, (6, 4)), RNG.uniform(0.02, 0.98, (6, 4))
SIGNS = RNG.choice([-1.0, 1.0], (6, 4))
LOG_P = np.log(np.exp(X) / np.exp(X).sum(1, keepdims=True))
DICE = RNG.dirichlet(np.ones(4), 6)
LABELS = RNG.integers(4, size=6)
W4, W64 = RNG.uniform(0.5, 2, 4), RNG.uniform(0.5, 2, (6, 4))
IMAGE, IMAGE_LABELS = RNG.normal(size=(3, 5, 2, 2)), RNG.integers(5, size=(3, 2, 2))
LOG_IMAGE = IMAGE - np.log(np.exp(IMAGE).sum(1, keepdims=True))
WITH_ZEROS = np.where(RNG.random((6, 4)) < 0.3, 0, DICE)
COUNTS = RNG.poisson(2.0, (6, 4)).astype(float)
HUGE = np.array([[1e4, -1e4, 0, 30.0], [-1e4, -1e4, 1e4, 1e4], [400, 401, 402, -800.0]])

CASES = {
    "mse_loss": [(X, T)],
    "l1_loss": [(X, T)],
    "huber_loss": [(X, T), (X, T, {"delta": 0.3}), (X, T, {"delta": 5.0})],
    "smooth_l1_loss": [(X, T), (X, T, {"beta": 0.3}), (X, T, {"beta": 0.0})],
    "binary_cross_entropy": [(P, Q), (P, (Q > 0.5) * 1.0), (P, Q, {"weight": W64})],
    "binary_cross_entropy_with_logits": [(X, Q), (X, Q, {"weight": W64, "pos_weight": W4})],
    "cross_entropy": [
        (X, LABELS), (X, LABELS, {"weight": W4}), (X, DICE), (X, DICE, {"weight": W4, "label_smoothing": 0.1}),
        (X, LABELS, {"ignore_index": int(LABELS[0])}), (X, LABELS, {"label_smoothing": 0.2, "weight": W4}),
        (IMAGE, IMAGE_LABELS), (X[0], LABELS[0]), (HUGE, np.array([0, 1, 3])),
    ],
    "nll_loss": [
        (LOG_P, LABELS), (LOG_P, LABELS, {"weight": W4}), (LOG_P, LABELS, {"ignore_index": int(LABELS[0])}),
        (LOG_P, LABELS, {"ignore_index": int(LABELS[1]), "weight": W4}), (LOG_IMAGE, IMAGE_LABELS), (LOG_P[0], LABELS[0]),
    ],
    "kl_div": [(LOG_P, DICE), (LOG_P, WITH_ZEROS), (LOG_P, np.log(DICE), {"log_target": True})],
    "gaussian_nll_loss": [
        (X, T, P), (X, T, P[:, 0]), (X, T, P[:, :1]), (X, T, P, {"full": True}), (X, T, P, {"eps": 0.4}),
    ],
    "poisson_nll_loss": [
        (X, COUNTS), (X, COUNTS, {"full": True}), (P, COUNTS, {"log_input": False}),
        (P, COUNTS, {"log_input": False, "full": True, "eps": 0.1}),
    ],
    "hinge_embedding_loss": [(X, SIGNS), (X, SIGNS, {"margin": 0.4})],
    "soft_margin_loss": [(X, SIGNS), (HUGE, np.sign(HUGE - 0.5))],
    "multi_margin_loss": [
        (X, LABELS), (X, LABELS, {"p": 2, "margin": 0.5}), (X, LABELS, {"weight": W4}), (X[0], LABELS[0]),
    ],
}  # fmt: skip
FLAT = [(name, k) for name, cases in CASES.items() for k in range(len(cases))]
MODULES = {
    "mse_loss": "MSELoss", "l1_loss": "L1Loss", "huber_loss": "HuberLoss", "smooth_l1_loss": "SmoothL1Loss",
    "binary_cross_entropy": "BCELoss", "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "cross_entropy": "CrossEntropyLoss", "nll_loss": "NLLLoss", "kl_div": "KLDivLoss",
    "gaussian_nll_loss": "GaussianNLLLoss", "poisson_nll_loss": "PoissonNLLLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss", "soft_margin_loss": "SoftMarginLoss",
    "multi_margin_loss": "MultiMarginLoss",
}  # fmt: skip
# PyTorch has no second derivative of these, or none in the target.
NO_SECOND = {"multi_margin_loss"}
TARGET_IS_CONSTANT = {"nll_loss", "multi_margin_loss", "poisson_nll_loss", "hinge_embedding_loss", "soft_margin_loss",
                      "huber_loss", "smooth_l1_loss"}  # fmt: skip


def measured(lib, function, name, arrays, options, reduction, order):
    """Value, gradients, and the gradient of a weighted sum of the gradients."""
    tensors = [lib.tensor(np.array(a)) for a in arrays]
    constant = name in TARGET_IS_CONSTANT or arrays[1] is WITH_ZEROS  # the derivative of t ln t at 0: there it is NaN
    wanted = [tensors[0]] if constant else [t for t in tensors if t.is_floating_point()]
    for t in wanted:
        t.requires_grad_()
    settings = {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    value = function(*tensors, reduction=reduction, **settings)
    out = [value]
    shape = tuple(value.shape)
    total = (value * lib.tensor(np.cos(np.arange(value.numel())).reshape(shape) if shape else np.array(1.0))).sum()
    grads = lib.autograd.grad(total, wanted, create_graph=order > 1, allow_unused=True)
    grads = [lib.zeros_like(t) if g is None else g for g, t in zip(grads, wanted, strict=True)]
    out += grads
    if order > 1:
        again = sum((g.square() * (i + 1)).sum() for i, g in enumerate(grads))
        if again.requires_grad:
            second = lib.autograd.grad(again, wanted, allow_unused=True)
            out += [lib.zeros_like(t) if g is None else g for g, t in zip(second, wanted, strict=True)]
        else:
            out += [lib.zeros_like(t) for t in wanted]
    return [(o.detach() * 1 + 0).numpy(force=True) for o in out]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "k"), FLAT, ids=str)
def test_values_and_derivatives(name, k, reduction):
    *arrays, options = CASES[name][k] if isinstance(CASES[name][k][-1], dict) else (*CASES[name][k], {})
    order = 1 if name in NO_SECOND else 2
    theirs = measured(torch, getattr(torch.nn.functional, name), name, arrays, options, reduction, order)
    ours = measured(mt, getattr(F, name), name, arrays, options, reduction, order)
    assert len(ours) == len(theirs)
    for mine, reference in zip(ours, theirs, strict=True):
        scale = max(1.0, np.abs(reference).max())
        np.testing.assert_allclose(mine, reference, rtol=1e-10, atol=1e-11 * scale)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(("name", "k"), FLAT, ids=str)
def test_modules(name, k):
    *arrays, options = CASES[name][k] if isinstance(CASES[name][k][-1], dict) else (*CASES[name][k], {})

    def run(lib, library):
        settings = {key: lib.tensor(v) if isinstance(v, np.ndarray) else v for key, v in options.items()}
        module = getattr(library, MODULES[name])(**settings)
        return module(*(lib.tensor(np.array(a)) for a in arrays)).numpy(), sorted(module.state_dict())

    ours, theirs = run(mt, nn), run(torch, torch.nn)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
    assert ours[1] == theirs[1]


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"])
def test_at_the_kinks(name):
    x = np.array([0.0, 1.0, -1.0, 2.0])
    gradients = []
    for lib, library in ((mt, F), (torch, torch.nn.functional)):
        leaf = lib.tensor(x, requires_grad=True)
        getattr(library, name)(leaf, lib.tensor(np.array([0.0, 0.0, 0.0, 2.0])), reduction="sum").backward()
        gradients.append(leaf.grad.numpy())
    np.testing.assert_array_equal(*gradients)


def test_probabilities_of_0_and_1():
    p, t = np.array([0.0, 0.0, 1.0, 1.0, 1e-300]), np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    results = []
    for lib, library in ((mt, F), (torch, torch.nn.functional)):
        leaf = lib.tensor(p, requires_grad=True)
        loss = library.binary_cross_entropy(leaf, lib.tensor(t), reduction="none")
        loss.sum().backward()
        results.append((loss.detach().numpy(), leaf.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8)  # PyTorch's 1e-12 is a float32


def test_float32_stays_float32():
    for name, cases in CASES.items():
        *arrays, options = cases[0] if isinstance(cases[0][-1], dict) else (*cases[0], {})
        tensors = [mt.tensor(np.array(a)) for a in arrays]
        tensors = [t.float() if t.is_floating_point() else t for t in tensors]
        assert getattr(F, name)(*tensors, **options).dtype == mt.float32, name
    assert F.mse_loss(mt.zeros(3, dtype=mt.float32), mt.tensor([0, 1, 0])).dtype == mt.float32


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weighted_errors(name, reduction):
    """PyTorch divides the mean of the first two by the sum of the weights, that of the third by their number."""
    options = {"weight": W64}
    theirs = measured(torch, getattr(torch.nn.functional, name), name, [X, T], options, reduction, 2)
    ours = measured(mt, getattr(F, name), name, [X, T], options, reduction, 2)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-10, atol=1e-11)
