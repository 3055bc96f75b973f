"""Optimizers. Each is a rule (a formula) and a thin class around it.

`print(optim.Adam.rule)` shows the formula, `print(optim.table())` who thought of what, and when.

How to add an optimizer whose rule is elementwise. The rule names the pieces of state that each parameter has, and its
formula takes the parameter, the gradient, that state, and hyper-parameters by the names that they have in a group:

    class Lion(Optimizer):
        "p <- p - lr sign(beta1 m + (1 - beta1) g). Raises `ArgumentError` for values out of range."

        rule = Rule("Lion", ["exp_avg"], lambda p, g, m, lr, beta1, beta2: (
            p - lr * F.sign(beta1 * m + (1 - beta1) * g), beta2 * m + (1 - beta2) * g
        ))
        reference = "Chen et al. 2023"
        idea = "The sign of the momentum."

        def __init__(self, params, lr=1e-4, beta1=0.9, beta2=0.99, *, maximize=False, **pytorchs):
            check_range("Lion", lr=lr, beta1=beta1, beta2=beta2)
            super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "maximize": maximize}, pytorchs)

That is all: `step`, groups, schedules, state_dict, the kernel for large parameters, compiled steps, and the page of
`microtrain docs optimizers` go by the rule. (One of the library's own is also named below, twice.) Where options change
the formula, `rule_for` says which rule a group has (see sgd.py); methods that are not elementwise derive from
`WholeOptimizer` (whole.py), whose parameters are one vector.
"""

from typing import Any

from ..calling.signatures import (
    explain_constructors as _explain_constructors,
    explain_functions as _explain_functions,
)
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

_explain_constructors([globals()[_name] for _name in __all__])
_explain_functions(globals(), __all__)


def __getattr__(name: str) -> Any:
    return _refuse(__name__, name, __all__)
