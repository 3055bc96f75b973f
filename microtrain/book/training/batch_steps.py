"""What a step that looks at three samples does to their loss and to that of all (Figure 6.6)."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..moving import grow
from ..run import Run
from .gabor import X, Y, each_loss, many, objective

POINT = (3.0, 10.0)
TRIPLES = np.array(list(combinations(range(30), 3)))  # in the order of `analysis.all_batch_gradients`


def own_losses(points: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The loss of each batch (K, 3) at its own point (K, 2): the sum over its samples."""
    with mt.no_grad():
        errors: mt.Tensor = mse_loss(many(points)(mt.tensor(X[chosen])), mt.tensor(Y[chosen]), "none")
    return np.asarray(errors.numpy().sum(1))


def falls(point: Any, alpha: float, chosen: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """For which batches the step with their gradient lowers their own loss."""
    at = np.tile(point, (len(chosen), 1))
    return own_losses(at - alpha * gradients, chosen) < own_losses(at, chosen)


def batch_objective(chosen: Any) -> analysis.Objective:
    """The loss of one batch as a function of (phi_0, phi_1)."""
    model, x, y = mt.nn.Gabor(), mt.tensor(X[chosen]), mt.tensor(Y[chosen])
    return analysis.Objective(lambda: mse_loss(model(x), y, "sum"), model)


@item(
    "figure-6-6",
    kind="figure",
    source="Chapter 6, Figure 6.6 and section 6.2.1",
    title=("Figure 6.6: steps of batches of three", "图 6.6：批量为 3 的步"),
    statement=(
        "a) The full loss, and all the steps that batches of three may take from one point. b to d) The loss of one batch: its step leads "
        "downhill there, and perhaps uphill on the full loss. SGD is descent on a loss that changes all the time.",
        "a) 完整的损失，以及从一点出发、批量为 3 的所有可能的步。b)–d) 单个批次的损失：它的步在这个损失上是下坡，在完整的损失上可能是上坡。"
        "SGD 是在不断变化的损失上作确定性的下降。",
    ),
    verdict="holds",
    ranges={"phi_0": (-10.0, 10.0), "phi_1": (2.5, 22.5), "alpha": (0.01, 1.0)},
)
def figure_6_6(run: Run, phi_0: float = 3.0, phi_1: float = 10.0, alpha: float = 0.5) -> None:
    gradients = analysis.all_batch_gradients(*each_loss(POINT), 3, "sum")
    full = objective().gradient(POINT)
    run.claim(("batches of three", "大小为 3 的批次数"), len(gradients), equals=4060)
    for k, expected in enumerate((-2.57807, 0.66003)):
        run.claim(
            (rf"full gradient at (3, 10), $\phi_{k}$", rf"(3, 10) 处的全批量梯度，$\phi_{k}$"),
            full[k],
            equals=expected,
            within=5e-6,
        )
    run.claim(("mean over the batches, times 30/3: distance from it", "各批次的均值乘以 30/3 与之相差"), np.abs(gradients.mean(0) * 10 - full).max(),
              at_most=1e-12)  # fmt: skip
    run.claim(("share of batches that point uphill on the full loss", "在完整损失上指向上坡的批次比例"), float((gradients @ full < 0).mean()),
              equals=0.396, within=5e-4)  # fmt: skip
    raised = objective().values(np.array(POINT) - 0.5 * gradients) > objective()(POINT)
    run.claim(
        (r"share of steps with $\alpha = 0.5$ that raise it", r"$\alpha = 0.5$ 时使其上升的步的比例"),
        float(raised.mean()),
        equals=0.301,
        within=5e-4,
    )
    for rate, expected in ((0.5, 0.998), (0.1, 1.0), (0.05, 1.0)):
        run.claim((rf"$\alpha = {rate}$: share whose own loss falls", rf"$\alpha = {rate}$：自身损失下降的批次比例"),
                  float(falls(POINT, rate, TRIPLES, gradients).mean()), equals=expected, within=5e-4 if expected < 1 else 0)  # fmt: skip
    point = (phi_0, phi_1)
    mine = gradients if point == POINT else analysis.all_batch_gradients(*each_loss(point), 3, "sum")
    here = objective()
    change = here.values(np.array(point) - alpha * mine) - here(point)
    order = np.argsort(change)
    shown = [order[len(order) // 20], order[len(order) // 2], order[-40]]  # on the full loss: far down, some way, up

    def draw(a: Any, *others: Any) -> None:
        near = ((phi_0 - 5, phi_0 + 5), (phi_1 - 3, phi_1 + 3))
        found = analysis.landscape(here, None, *near, resolution=81)
        a.contourf(found.x, found.y, found.values, 30, cmap="viridis")
        some = mine[::10]
        up = change[::10] > 0
        for which, colour, name in ((~up, "white", "the full loss falls"), (up, "#ff6b5c", "it rises")):
            a.quiver(*np.tile(point, (which.sum(), 1)).T, *(-alpha * some[which]).T, angles="xy", scale_units="xy", scale=1, width=0.003,
                     color=colour, label=f"{name}: {100 * which.mean():.0f} %", alpha=0.8)  # fmt: skip
        a.legend(fontsize="small", loc="lower left", facecolor="#555b63", labelcolor="white")
        a.set_title(rf"a) every tenth of 4060 steps, $\alpha = {alpha:g}$")
        for ax, k, letter in zip(others, shown, "bcd", strict=True):
            of_batch = analysis.landscape(batch_objective(TRIPLES[k]), None, *near, resolution=81)
            ax.contourf(of_batch.x, of_batch.y, of_batch.values, 30, cmap="viridis")
            ax.quiver(*point, *(-alpha * mine[k]), angles="xy", scale_units="xy", scale=1, color="white", width=0.008)
            ax.set_title(f"{letter}) samples {', '.join(map(str, TRIPLES[k]))}: full loss {change[k]:+.2f}")
        for ax in (a, *others):
            ax.plot(*point, "o", color="white", markeredgecolor="black", markersize=5)
            ax.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=(phi_0 - 5, phi_0 + 5), ylim=(phi_1 - 3, phi_1 + 3))

    run.figure(("All batches of three, and three of them with the loss that each of them sees", "大小为 3 的批次，以及其中三个各自看到的损失"),
               draw, (2, 2), (9.6, 8.5))  # fmt: skip
    count = 18
    batches = TRIPLES[np.random.default_rng(1).integers(len(TRIPLES), size=count)]

    def changing(left: Any, right: Any) -> Any:
        (low, high), (bottom, top) = (-6, 8), (5, 20)
        way, views = [np.array(point)], []
        for chosen in batches:
            own = batch_objective(chosen)
            views.append(analysis.landscape(own, None, (low, high), (bottom, top), resolution=41).values)
            way.append(way[-1] - alpha * own.gradient(way[-1]))
        places = np.array(way)
        all_of_it = analysis.landscape(here, None, (low, high), (bottom, top), resolution=81).values
        lines, extent = [], (low, high, bottom, top)
        for ax, values, name in (
            (left, views[-1], "the loss of this step's batch"),
            (right, all_of_it, "the full loss"),
        ):
            image = ax.imshow(
                values, cmap="viridis", origin="lower", extent=extent, aspect="auto", interpolation="bilinear"
            )
            lines.append((image, ax.plot(*places.T, "-", color="white", linewidth=1.5)[0]))
            ax.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", title=name, xlim=(low, high), ylim=(bottom, top))
        left_image = lines[0][0]
        trails = grow(np.arange(count + 1), *(line for _, line in lines))

        def show(k: int) -> None:
            values = views[min(k, count - 1)]
            left_image.set_data(values)
            left_image.set_clim(values.min(), values.max())
            trails(k)

        return show

    run.figure(
        ("SGD step by step: the landscape that it descends on the left changes with every batch; on the right the full loss",
         "SGD 的每一步：左边是它所下降的损失，每换一个批次就变；右边是完整的损失"),
        changing, (1, 2), (9.0, 3.9), frames=count + 1, seconds=12,
    )  # fmt: skip


@item(
    "sgd-step-improves-batch",
    kind="experiment",
    source="Chapter 6, section 6.2.2, first property",
    title=("A step improves the fit to its batch", "每一步都改进对批次的拟合"),
    statement=(
        "Every iteration improves the fit to some of the data: the updates are sensible, though not optimal.",
        "每次迭代都改进对一部分数据的拟合：更新未必最优，但是合理的。",
    ),
    verdict="holds with a condition",
    correction=(
        r"If the rate is small for the curvature of the batch's own loss, $\alpha < 2/L_B$: at $\alpha = 0.5$ one of 580 batches gets worse.",
        r"前提是学习率相对于该批次损失的曲率足够小，$\alpha < 2/L_B$：$\alpha = 0.5$ 时 580 个批次中有 1 个变差。",
    ),
    ranges={"phi_0": (-10.0, 10.0), "phi_1": (2.5, 22.5), "alpha": (0.01, 2.0)},
)
def improves(run: Run, phi_0: float = 3.0, phi_1: float = 10.0, alpha: float = 0.5) -> None:
    chosen = TRIPLES[::7]
    gradients = analysis.all_batch_gradients(*each_loss(POINT), 3, "sum")[::7]
    for rate, expected, place in ((0.05, 1.0, 0.0), (0.1, 1.0, 0.0), (0.5, 0.9983, 5e-5)):
        run.claim((rf"$\alpha = {rate}$: share of 580 batches whose loss falls", rf"$\alpha = {rate}$：580 个批次中损失下降的比例"),
                  float(falls(POINT, rate, chosen, gradients).mean()), equals=expected, within=place)  # fmt: skip
    worse = np.flatnonzero(~falls(POINT, 0.5, chosen, gradients))
    way = np.linspace(0, 1, 101)[:, None]
    rates = []
    for k in worse:
        points = POINT - 0.5 * way * gradients[k]
        rates.append(2 / analysis.curvature_on(batch_objective(chosen[k]), points).highest)
    run.claim(
        (r"for those that get worse: $2/L_B$ along the step, less than 0.5", r"变差的批次：沿该步的 $2/L_B$，小于 0.5"),
        rates,
        at_most=0.5,
    )
    point = (phi_0, phi_1)
    mine = analysis.all_batch_gradients(*each_loss(point), 3, "sum")[::7]
    sweep = np.unique(np.append(np.geomspace(0.02, 3, 30), alpha))
    at = np.tile(point, (len(chosen), 1))
    before = own_losses(at, chosen)
    shares = [falls(point, rate, chosen, mine).mean() for rate in sweep]
    full = [(objective().values(at - rate * mine) < objective()(point)).mean() for rate in sweep]
    change = own_losses(at - alpha * mine, chosen) - before

    def draw(left: Any, right: Any) -> None:
        left.semilogx(sweep, shares, "o-", markersize=3, label="the batch's own loss falls")
        left.semilogx(sweep, full, "s--", markersize=3, label="the full loss falls")
        left.axvline(alpha, color="0.5", linestyle=":", label=rf"$\alpha = {alpha:g}$")
        left.set(xlabel=r"$\alpha$", ylabel="share of batches", ylim=(0, 1.05))
        top = max(before.max(), (before + change).max()) * 1.05
        right.plot(before, before + change, ".", markersize=3, label="580 batches")
        right.plot([0, top], [0, top], "k:", label="no change")
        right.set(xlabel="loss of the batch before the step", ylabel="after it", title=rf"$\alpha = {alpha:g}$")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(("Small steps always help their batch; the full loss only more often than not", "小步总能改善所用的批次；完整的损失只是多半下降"),
               draw, (1, 2), (9.5, 4.2))  # fmt: skip
