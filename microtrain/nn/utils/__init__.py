"""Tools for training: clipping gradients, all parameters as one vector, sequences of different lengths (`rnn`)."""

from typing import Any

from ...calling.signatures import explain_functions
from ...pytorch.missing import refuse
from . import rnn as rnn
from .clipping import (
    clip_grad_adaptive_ as clip_grad_adaptive_,
    clip_grad_norm_ as clip_grad_norm_,
    clip_grad_norm_each_ as clip_grad_norm_each_,
    clip_grad_value_ as clip_grad_value_,
    clip_grads_with_norm_ as clip_grads_with_norm_,
    effective_lr as effective_lr,
    get_total_norm as get_total_norm,
    parameters_to_vector as parameters_to_vector,
    vector_to_parameters as vector_to_parameters,
)

explain_functions(
    globals(), [n for n, thing in globals().items() if getattr(thing, "__module__", "").startswith(__name__)]
)


def __getattr__(name: str) -> Any:
    return refuse(__name__, name, globals())
