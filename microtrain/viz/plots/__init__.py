"""Pictures with matplotlib. Every function takes `ax=None` and returns the Axes it drew on."""

from ...calling.signatures import explain_functions as _explain_functions
from .classification import confusion, images
from .curves import learning_curves
from .dynamics import bifurcation, flow, gradient_noise, lyapunov, path, phase_portrait, principal_axes
from .landscape import basins, landscape
from .line_search import line_search
from .spectrum import spectrum
from .ternary import ternary
from .training import against_setting, curves_with_spread, layer_curves, schedule, schedules

__all__ = [
    "against_setting",
    "basins",
    "bifurcation",
    "confusion",
    "curves_with_spread",
    "flow",
    "gradient_noise",
    "images",
    "landscape",
    "layer_curves",
    "learning_curves",
    "line_search",
    "lyapunov",
    "path",
    "phase_portrait",
    "principal_axes",
    "schedule",
    "schedules",
    "spectrum",
    "ternary",
]

_explain_functions(globals(), __all__)
