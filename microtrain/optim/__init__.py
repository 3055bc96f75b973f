"""Optimizers. Each is a rule (a formula) and a thin class around it.

`print(optim.Adam.rule)` shows the formula, `print(optim.table())` who thought of what, and when.
"""

from typing import Any

from ..pytorch.missing import refuse as _refuse
from . import lr_scheduler, schedules
from .adagrad import Adadelta, Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .asgd import ASGD
from .conjugate_gradient import ConjugateGradient
from .exhaustive import ExhaustiveSearch, binary_perceptron, exhaustive
from .gauss_newton import GaussNewton
from .langevin import LangevinGD
from .lbfgs import LBFGS
from .line_search import LineSearch, armijo_ok, backtracking, bracketing, golden_section
from .line_search_gd import LineSearchGD
from .momentum import Momentum, Nesterov
from .nadam import NAdam
from .newton import Newton, Preconditioned
from .normalized import NormalizedGD, SignGD
from .optimizer import Optimizer
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .rule import Rule
from .sgd import SGD, GradientDescent
from .svrg import SVRG
from .swats import SWATS
from .table import table
from .wolfe import strong_wolfe

__all__ = [
    "ASGD", "LBFGS", "SGD", "SVRG", "SWATS", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ConjugateGradient",
    "ExhaustiveSearch", "GaussNewton", "GradientDescent", "LangevinGD", "LineSearch", "LineSearchGD", "Momentum",
    "NAdam", "Nesterov", "Newton", "NormalizedGD", "Optimizer", "Preconditioned", "RAdam", "RMSprop", "Rprop",
    "Rule", "SignGD", "armijo_ok", "backtracking", "binary_perceptron", "bracketing", "exhaustive",
    "golden_section", "lr_scheduler", "schedules", "strong_wolfe", "table",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return _refuse(__name__, name, __all__)
