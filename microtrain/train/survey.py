"""A callback that looks at the surroundings of a run once it is over: its landscape, and the curvature at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis import (
    Bifurcation,
    Landscape,
    Objective,
    PhasePortrait,
    Spectrum,
    bifurcation,
    landscape,
    pca_plane,
    phase_portrait,
    plane_limits,
    spectral_density,
    spectrum,
)
from ..errors import ArgumentError, MicrotrainError
from ..nn.functional import cross_entropy
from ..tensor import Tensor
from .keeping import keep
from .watching import Trajectory, path_of

if TYPE_CHECKING:
    from .run import Run

Array = np.ndarray[Any, Any]
LARGEST = 2500  # parameters; the Hessian of more is not written out, and its spectrum estimated
FEW = 8  # parameters; only with so few a bifurcation diagram says something


class Survey(Trajectory):
    """Keeps the path of the parameters, and at the end measures, for the loss of one batch in evaluation mode:

    - "spectrum": the eigenvalues of the Hessian where the training ended; exact up to 2,500 parameters, else their
      density by stochastic Lanczos,
    - "landscape": the loss around the path: of both parameters if there are two, else on the plane in which it moved
      most,
    - "phase-portrait", for two parameters: -gradient everywhere, and the gradient flow from the same start,
    - "bifurcation", for up to eight: where gradient descent that begins beside the end stays, for rates around the
      largest that is stable there, 2 / (largest eigenvalue).

    All are in `results`, and in the folder of the run, where `microtrain plot` finds them. What could not be measured
    is in `problems`, with the reason.

    Args:
        inputs, targets: the batch.
        loss: of (outputs, targets).
        every: a point of the path each so many steps.
        beside: {name: folder} of other runs of the same model, with a `Trajectory` or `Survey`: their paths are drawn
            on the landscape too.
        resolution: of the landscape, points along each axis.
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, loss: Callable[..., Tensor] = cross_entropy, every: int = 1, *,
        beside: Mapping[str, Any] | None = None, resolution: int = 60,
    ) -> None:  # fmt: skip
        super().__init__(every)
        self.inputs, self.targets, self.loss, self.resolution = inputs, targets, loss, resolution
        self.beside = dict(beside or {})
        self.results: dict[str, Any] = {}
        self.problems: dict[str, str] = {}

    def on_end(self, run: Run) -> None:
        super().on_end(run)
        modes = [(module, module.training) for module in run.model.modules()]
        run.model.eval()
        try:
            objective = Objective(lambda: self.loss(run.model(self.inputs), self.targets), run.model)
            name = type(run.optimizer).__name__
            self._try("spectrum", lambda: _spectrum(objective))
            self._try("landscape", lambda: self._landscape(objective, name))
            if objective.size <= FEW and "spectrum" in self.results:
                low, *_, high = self.results["spectrum"].values.tolist() * 2
                self._try("bifurcation", lambda: self._bifurcation(objective, high))
                if objective.size == 2:
                    self._try("phase-portrait", lambda: self._portrait(objective, low))
        finally:
            for module, training in modes:
                module.training = training
        if run.folder is not None:
            for name, result in self.results.items():
                keep(run.folder, name, result)

    def _try(self, name: str, measure: Callable[[], Any]) -> None:
        try:
            self.results[name] = measure()
        except (MicrotrainError, np.linalg.LinAlgError) as error:  # a path of one point, say: the run itself is fine
            self.problems[name] = str(error)

    def _landscape(self, objective: Objective, name: str) -> Landscape:
        paths = {name: self.points}
        for other, folder in self.beside.items():
            paths[other if other not in paths else f"{other} (beside)"] = path_of(folder)
        if objective.size == 2:
            x, y = _square(np.concatenate(list(paths.values())))
            surface = landscape(objective, x=x, y=y, resolution=self.resolution)
        else:
            plane = pca_plane(*paths.values())
            x, y = plane_limits(plane, *paths.values())
            surface = landscape(objective, x=x, y=y, resolution=self.resolution, plane=plane)
        return surface.with_paths(**paths)

    def _portrait(self, objective: Objective, slowest: float) -> PhasePortrait:
        x, y = _square(self.points)
        t_end = 10 / slowest if slowest > 1e-3 else 1e4  # until the slowest direction has settled
        return phase_portrait(objective, x, y, starts=[self.points[0]], t_end=t_end)

    def _bifurcation(self, objective: Objective, highest: float) -> Bifurcation:
        if not highest > 0:
            raise ArgumentError("The loss has no positive curvature at the end, so no rate is too large there.")
        start = self.points[-1] + 1e-3 * max(1.0, float(np.abs(self.points[-1]).max()))
        stable = 2 / highest
        coarse = bifurcation(objective, start, np.linspace(0.5, 3.0, 26) * stable, burn=200, keep=2)
        lost = coarse.rates[np.isnan(coarse.orbits).any(1)]
        return bifurcation(objective, start, np.linspace(0.5 * stable, min(lost, default=3 * stable), 300), burn=500)


def _spectrum(objective: Objective) -> Spectrum:
    return spectrum(objective) if objective.size <= LARGEST else spectral_density(objective)


def _square(points: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of x and y, equally long, with these points (K, 2) well inside."""
    (x, y), reach = (points.min(0) + points.max(0)) / 2, 0.65 * max(float(np.ptp(points, axis=0).max()), 1e-3)
    return (float(x - reach), float(x + reach)), (float(y - reach), float(y + reach))
