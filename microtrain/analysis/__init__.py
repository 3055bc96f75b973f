"""What training does, made visible as numbers: curvature, convexity, critical points, noise, chaos, flow, landscapes.

Everything takes a loss and its parameters in one of two forms (see `Objective`):

    analysis.spectrum(lambda: mse_loss(model(x), y), model)        # a closure, and the module that it reads
    analysis.critical_points(lambda p: rosenbrock(p), starts)      # a function of a tensor, and points

Results are small dataclasses with readable fields; those that have a picture draw it with `.plot(ax=None)`.
"""

from ..calling.signatures import explain_functions as _explain_functions
from . import problems
from .basins import Basins, basins, descend
from .bifurcation import Bifurcation, bifurcation
from .constants import (
    Estimate,
    descent_gap,
    lipschitz_by_gradient_norm,
    lipschitz_secant,
    quadratic_growth,
    strong_convexity,
)
from .convexity import (
    ConvexityProbe,
    CurvatureProbe,
    chord_probe,
    chord_violation,
    curvature_on,
    curvature_probe,
    pseudoconvex_violations,
)
from .critical_points import CriticalPoint, classify, classify_critical_point, critical_points
from .flow import Flow, circulation, curl, euler_error, field_at, flow, gradient_flow
from .geometry import Geometry, geometry, local_constants
from .gradient_noise import (
    GradientNoise,
    all_batch_gradients,
    batch_gradients,
    gradient_noise,
    per_sample_gradients,
)
from .hessian import (
    HessianCost,
    PrincipalAxes,
    condition_number,
    hessian,
    hessian_cost,
    preconditioned_condition_number,
    principal_axes,
)
from .lanczos import Eigenvalues, PowerIteration, lambda_max, lambda_min, lanczos, power_iteration
from .landscape import (
    Landscape,
    Plane,
    eigen_plane,
    filter_normalised,
    landscape,
    line,
    pca_plane,
    plane_limits,
    plane_through,
    races,
    random_plane,
)
from .linear_models import (
    Constants,
    binary_ce_hessian,
    ce_constants,
    ce_lipschitz_bound,
    mse_constants,
    softmax_ce_hessian,
)
from .low_rank import balanced_factors, min_nuclear_norm, nuclear_norm, prediction_jacobian, solution_dimension
from .lyapunov import (
    Lyapunov,
    gd_map,
    linearised_multipliers,
    lyapunov_spectrum,
    map_lyapunov,
    momentum_map,
    twin_lyapunov,
)
from .objective import Objective, objective
from .operator import hessian_operator, hvp
from .phase import PhasePortrait, field_portrait, phase_portrait
from .projection import project, project_box, variational_inequality
from .quadratics import (
    angle_to_minimum,
    directional_slopes,
    equivalent_lr,
    linear_rate_bound,
    momentum_weights,
    optimal_rate,
    polyak_parameters,
    quadratic_gd,
)
from .regression import SquaresSplit, hat_matrix, squares_split
from .riemann import (
    fisher_geodesic,
    fisher_length,
    fisher_rao_distance,
    hessian_metric,
    riemann_tensor,
    sectional_curvature,
)
from .saddles import Escape, RandomHessians, escape_time, predicted_escape, random_hessians
from .schedules import ScheduleComparison, compare_schedules
from .sharpness import Sharpness, flat_volume, hessian_trace, perturbed_rise, sharpness, worst_in_ball
from .simplex import on_simplex, tangent_basis, to_triangle, triangle_grid
from .spectrum import Spectrum, spectral_density, spectrum
from .trajectory import Path, trace

__all__ = [
    "Basins",
    "Bifurcation",
    "Constants",
    "ConvexityProbe",
    "CriticalPoint",
    "CurvatureProbe",
    "Eigenvalues",
    "Escape",
    "Estimate",
    "Flow",
    "Geometry",
    "GradientNoise",
    "HessianCost",
    "Landscape",
    "Lyapunov",
    "Objective",
    "Path",
    "PhasePortrait",
    "Plane",
    "PowerIteration",
    "PrincipalAxes",
    "RandomHessians",
    "ScheduleComparison",
    "Sharpness",
    "Spectrum",
    "SquaresSplit",
    "all_batch_gradients",
    "angle_to_minimum",
    "balanced_factors",
    "basins",
    "batch_gradients",
    "bifurcation",
    "binary_ce_hessian",
    "ce_constants",
    "ce_lipschitz_bound",
    "chord_probe",
    "chord_violation",
    "circulation",
    "classify",
    "classify_critical_point",
    "compare_schedules",
    "condition_number",
    "critical_points",
    "curl",
    "curvature_on",
    "curvature_probe",
    "descend",
    "descent_gap",
    "directional_slopes",
    "eigen_plane",
    "equivalent_lr",
    "escape_time",
    "euler_error",
    "field_at",
    "field_portrait",
    "filter_normalised",
    "fisher_geodesic",
    "fisher_length",
    "fisher_rao_distance",
    "flat_volume",
    "flow",
    "gd_map",
    "geometry",
    "gradient_flow",
    "gradient_noise",
    "hat_matrix",
    "hessian",
    "hessian_cost",
    "hessian_metric",
    "hessian_operator",
    "hessian_trace",
    "hvp",
    "lambda_max",
    "lambda_min",
    "lanczos",
    "landscape",
    "line",
    "linear_rate_bound",
    "linearised_multipliers",
    "lipschitz_by_gradient_norm",
    "lipschitz_secant",
    "local_constants",
    "lyapunov_spectrum",
    "map_lyapunov",
    "min_nuclear_norm",
    "momentum_map",
    "momentum_weights",
    "mse_constants",
    "nuclear_norm",
    "objective",
    "on_simplex",
    "optimal_rate",
    "pca_plane",
    "per_sample_gradients",
    "perturbed_rise",
    "phase_portrait",
    "plane_limits",
    "plane_through",
    "polyak_parameters",
    "power_iteration",
    "preconditioned_condition_number",
    "predicted_escape",
    "prediction_jacobian",
    "principal_axes",
    "problems",
    "project",
    "project_box",
    "pseudoconvex_violations",
    "quadratic_gd",
    "quadratic_growth",
    "races",
    "random_hessians",
    "random_plane",
    "riemann_tensor",
    "sectional_curvature",
    "sharpness",
    "softmax_ce_hessian",
    "solution_dimension",
    "spectral_density",
    "spectrum",
    "squares_split",
    "strong_convexity",
    "tangent_basis",
    "to_triangle",
    "trace",
    "triangle_grid",
    "twin_lyapunov",
    "variational_inequality",
    "worst_in_ball",
]

_explain_functions(globals(), __all__)
