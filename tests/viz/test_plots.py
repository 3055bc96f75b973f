"""Every picture can be drawn, on an Axes of its own or the caller's, and shows the numbers it was given."""

from __future__ import annotations

import io

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis, optim
from microtrain.analysis import problems

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.figure import Figure  # noqa: E402

from microtrain.viz import plots  # noqa: E402
from microtrain.viz.plots.axes import headroom, new_axes  # noqa: E402
from tests.wide import mostly_wide  # noqa: E402


def noise() -> analysis.GradientNoise:
    w = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x = mt.tensor(np.random.default_rng(0).normal(size=(9, 3)))
    return analysis.gradient_noise(lambda: (x @ w) ** 2, w, 3, draws=10)


def path(lr: float = 1e-3) -> analysis.Path:
    return analysis.trace(lambda p: optim.SGD(p, lr=lr), problems.rosenbrock, [-1.0, 1.0], steps=9, name="SGD")


RESULTS = {
    "landscape": lambda: analysis.landscape(problems.rosenbrock, np.zeros(2), resolution=20).with_paths(SGD=path()),
    "flat landscape": lambda: analysis.landscape(lambda x: (0 * x).sum() + 1, np.zeros(2), resolution=5),
    "basins": lambda: analysis.basins(problems.strict_saddle, (-2, 2), (-2, 2), lr=0.1, steps=100, resolution=9),
    "no basins": lambda: analysis.basins(problems.strict_saddle, (-2, 2), (-2, 2), lr=9.0, steps=9, resolution=4),
    "spectrum": lambda: analysis.spectrum(np.diag([-1.0, 0, 2, 5])),
    "one eigenvalue": lambda: analysis.spectrum(np.eye(1)),
    "no curvature": lambda: analysis.spectrum(np.zeros((3, 3))),
    "density": lambda: analysis.spectral_density(np.diag(np.arange(1.0, 40))),
    "bifurcation": lambda: analysis.bifurcation(problems.double_well, [0.3], np.linspace(0.5, 2.5, 20), burn=50),
    "phase portrait": lambda: analysis.phase_portrait(problems.strict_saddle, (-2, 2), (-2, 2), starts=[[1.0, 0.1]]),
    "field": lambda: analysis.field_portrait(problems.rotated_descent(2.0), (-1, 1), (-1, 1), starts=[[1.0, 0.0]]),
    "principal axes": lambda: analysis.principal_axes(problems.quadratic([[2.0, 1], [1, 2]]), np.ones(2)),
    "saddle's axes": lambda: analysis.principal_axes(problems.strict_saddle, np.zeros(2)),
    "gradient noise": noise,
    "path": path,
    "negative losses": lambda: analysis.trace(
        lambda p: optim.SGD(p, lr=0.1), problems.strict_saddle, [1.0, 0.5], steps=30
    ),
    "flow": lambda: analysis.gradient_flow(problems.strict_saddle, np.ones(2), t_end=1.0),
    "flow of a field": lambda: analysis.flow(problems.rotated_descent(2.0), [1.0, 0], t_end=1.0),
    "lyapunov": lambda: analysis.lyapunov_spectrum(problems.double_well, np.array([0.3]), lr=1.9, steps=50),
}


@pytest.mark.parametrize("name", mostly_wide(RESULTS, but=list(RESULTS)[::2]))
def test_a_result_draws_itself(name):
    result = RESULTS[name]()
    assert repr(result).startswith("<")
    own = result.plot()
    own.figure.savefig(io.BytesIO(), format="png")
    figure = Figure()
    ax = figure.subplots()
    assert result.plot(ax=ax) is ax
    for drawn in (own, ax):
        assert drawn.get_xlabel() and drawn.get_ylabel(), "an axis without a name"


def test_a_landscape_shows_its_numbers_and_paths():
    run = path()
    result = analysis.landscape(problems.rosenbrock, np.zeros(2), (-2, 2), (-1, 3), resolution=(30, 20))
    ax = result.with_paths(SGD=run).plot(scale="linear")
    np.testing.assert_allclose(ax.collections[0].get_array().reshape(20, 30), result.values)
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(np.array(lines["SGD (9 steps)"].get_data()).T, run.points)
    assert ax.get_xlim() == (-2, 2) and ax.get_ylim() == (-1, 3)


@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
def test_room_for_a_legend(scale):
    for below in (False, True):
        ax = new_axes()
        ax.plot([0, 1], [1, 1000])
        ax.set(yscale=scale, ylim=(1, 1000))
        headroom(ax, 0.25, below)
        (bottom, _), (top, _) = (
            ax.transAxes.inverted().transform(ax.transData.transform((0, y)))[::-1] for y in (1, 1000)
        )
        assert (bottom, top) == pytest.approx((0.25, 1) if below else (0, 0.75))


def test_texts_at_the_edges():
    nowhere = RESULTS["no basins"]().plot()
    assert [text.get_text() for text in nowhere.get_legend().get_texts()] == ["no minimum: 100 %"]
    assert RESULTS["one eigenvalue"]().plot().get_title().startswith("1 eigenvalue,")
    assert RESULTS["negative losses"]().plot().get_yscale() == "linear"


def test_what_a_logarithmic_colour_bar_says():
    for lowest, label in ((-3.5, "loss + 3.5"), (2.0, "loss − 2")):
        bowl = analysis.landscape(lambda x, c=lowest: (x * x).sum() ** 4 + c, np.zeros(2), resolution=21)
        ax = bowl.plot(scale="log")
        assert ax.figure.axes[1].get_ylabel() == label


def test_a_landscape_with_holes():
    result = analysis.landscape(lambda x: (x.log()).sum(), np.ones(2), (-1, 1), (-1, 1), resolution=10)
    assert np.isnan(result.values).any()
    result.plot().figure.savefig(io.BytesIO(), format="png")


def test_a_spectrum_counts_every_eigenvalue():
    ax = analysis.spectrum(np.diag([-1.0, 0, 2, 2, 5])).plot()
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(5)
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert "negative" in labels and "zero or positive" in labels


def test_schedules_side_by_side():
    ax = plots.schedules({"constant": lambda t: 0.1, "decay": lambda t: 0.1 * 0.5**t}, 4)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 0.1 * 0.5 ** np.arange(5))
    ax = plots.schedules({"stairs": optim.schedules.Step(10, 0.5), "cosine": optim.schedules.Cosine(40)}, 40, lr=1.0)
    assert [line.get_drawstyle() for line in ax.lines] == ["steps-post", "default"]
    ax = plots.schedules({"cosine": optim.schedules.Cosine(10)}, 10, lr=0.3)
    assert ax.lines[0].get_ydata()[0] == pytest.approx(0.3)


def test_principal_axes_need_two_parameters():
    with pytest.raises(mt.MicrotrainError, match="two parameters"):
        analysis.principal_axes(problems.quadratic([1.0, 2, 3]), np.zeros(3)).plot()


def test_a_triangle_of_distributions():
    ax = plots.ternary(lambda p: (p * p).sum(1), label="sum of squares")
    assert ax.figure.axes[1].get_ylabel() == "sum of squares"
    assert {"$p_1$", "$p_2$", "$p_3$"} <= {text.get_text() for text in ax.texts}
    ax.figure.savefig(io.BytesIO(), format="png")
    own = Figure().subplots()
    assert plots.ternary(ax=own) is own and not own.collections
    holes = plots.ternary(lambda p: -np.log(p.clip(1e-300)).sum(1) + np.where(p.min(1) > 0, 0, np.inf))
    holes.figure.savefig(io.BytesIO(), format="png")


def test_a_notebook_shows_axes_and_figures():
    ax = new_axes()
    ax.plot([1, 2], [3, 4])
    assert ax._repr_png_()[:4] == ax.figure._repr_png_()[:4] == b"\x89PNG"
