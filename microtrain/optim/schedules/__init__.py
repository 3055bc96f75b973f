"""Learning rates as pure functions of the step.

    rate = 0.1 * Warmup(10).then(Cosine(90), at=10)
    rate(0), rate(50)                  # the learning rate after 0 and after 50 steps
    optim.SGD(params, lr=rate)         # or lr_scheduler.CosineAnnealingLR(optimizer, 90), under PyTorch's names

A schedule is called with the step t, counted from 0, and the rate `eta` that it starts from; without one, with its own,
which `0.1 * schedule` sets (1 at first). `a * b` applies a and then b; `a.then(b, at=n)` is a before step n and b,
counted anew, from there on. Each has its formula: `print(Cosine.rule)`. `schedule.values(10)` are the first ten.
"""

from ...calling.signatures import explain_constructors as _explain_constructors
from .decay import Exponential, ExponentialTo, InverseSqrt, InverseTime, Linear, Polynomial, Warmup
from .schedule import Chain, Schedule, Succession
from .steps import Constant, Lambda, Multiplicative, MultiStep, Step
from .waves import Cosine, CosineRestarts, Cyclic, OneCycle

__all__ = [
    "Chain", "Constant", "Cosine", "CosineRestarts", "Cyclic", "Exponential", "ExponentialTo", "InverseSqrt",
    "InverseTime", "Lambda", "Linear", "MultiStep", "Multiplicative", "OneCycle", "Polynomial", "Schedule", "Step",
    "Succession", "Warmup",
]  # fmt: skip

_explain_constructors([globals()[_name] for _name in __all__])
