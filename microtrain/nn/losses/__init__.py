"""Losses, one family a file: the formula of each, the functions, and the modules.

A loss is added in four files: its formula (a `loss_formula`, see reduction.py) and its function in the file of its
family; the function's name here; its module, one line, in modules.py; and the module's name in nn/__init__.py.
"""

from .bregman import bregman_divergence, bregman_formula
from .classification import (
    balanced_weights,
    binary_cross_entropy,
    focal_loss,
    hinge_embedding_loss,
    hinge_loss,
    multi_margin_loss,
    nll_loss,
    soft_margin_loss,
)
from .fisher import fisher_from_samples, fisher_information, fisher_of_logits
from .information import (
    decompose,
    distribution_cross_entropy,
    entropy,
    generalised_kl,
    kl_div,
    kl_divergence,
    kl_with_logits,
    self_information,
)
from .likelihood import (
    NOISE_MODELS,
    bernoulli_nll,
    categorical_nll,
    gaussian_nll,
    gaussian_nll_loss,
    laplace_nll,
    poisson_nll_loss,
)
from .reduction import reduce
from .regression import huber_loss, l1_loss, log_cosh_loss, mse_loss, smooth_l1_loss

__all__ = [
    "NOISE_MODELS",
    "balanced_weights",
    "bernoulli_nll",
    "binary_cross_entropy",
    "bregman_divergence",
    "bregman_formula",
    "categorical_nll",
    "decompose",
    "distribution_cross_entropy",
    "entropy",
    "fisher_from_samples",
    "fisher_information",
    "fisher_of_logits",
    "focal_loss",
    "gaussian_nll",
    "gaussian_nll_loss",
    "generalised_kl",
    "hinge_embedding_loss",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "kl_divergence",
    "kl_with_logits",
    "l1_loss",
    "laplace_nll",
    "log_cosh_loss",
    "mse_loss",
    "multi_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "reduce",
    "self_information",
    "smooth_l1_loss",
    "soft_margin_loss",
]
