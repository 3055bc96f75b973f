"""Optimizers. Each is a rule (a formula) and a thin class around it."""

from .adam import Adam, AdamW
from .optimizer import Optimizer
from .rule import Rule
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "Rule"]
