"""The loss as a landscape: slices, and what to report about a place."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.viz import plots

from ..entry import item
from ..run import Run
from .designs import design, least_squares, placed, units, xor_network


@item(
    "loss-landscape-definition",
    kind="figure",
    source="Chapter 4, section 4.2, introduction; section 4.2.1",
    title=("The loss as a landscape", "损失景观"),
    statement=(
        "The landscape is the surface that the loss forms over the space of the parameters. An optimizer travels on it, so its curvatures, "
        "its critical points and the differences between directions decide convergence, stability and the result.",
        "损失景观是损失在参数空间上构成的曲面或超曲面。优化器在其上移动，所以曲率、临界点和各方向的差异决定收敛、稳定性和最终结果。",
    ),
    verdict="holds",
    ranges={"span": (0.5, 20.0), "steps": (10, 1000)},
    random=True,
)
def landscape_definition(run: Run, span: float = 5.0, steps: int = 300) -> None:
    linear = least_squares(*design())
    curvature, t = linear.hessian(), np.linspace(-5, 5, 101)
    directions, spreads, ratios = units(run.rng, 8, 5), [], []
    for v in directions:
        second = np.diff(analysis.line(linear, None, v, t), 2) / (t[1] - t[0]) ** 2
        spreads.append(np.ptp(second) / second.mean())
        ratios.append(second.mean() / (v @ curvature @ v))
    run.claim(
        ("linear model, squared error, 8 random directions: relative spread of the second difference along the slice",
         "线性模型加均方误差，8 个随机方向：切片上二阶差分的相对变化"), spreads, at_most=1e-6,
    )  # fmt: skip
    run.claim(
        (r"second difference divided by $v^\top H v$", r"二阶差分与 $v^\top H v$ 之比"), ratios, equals=1, within=1e-8
    )
    net = xor_network(run.rng)
    axes = analysis.principal_axes(net)
    bottom, top = axes.vectors[:, 0], axes.vectors[:, -1]
    along = analysis.line(net, None, bottom, np.array([-1e-3, 0, 1e-3]))
    centre = float(np.diff(along, 2)[0]) / 1e-6
    run.claim(
        ("tanh network 2-8-1: second difference along the eigenvector of the lowest eigenvalue, at the centre",
         "tanh 网络 2-8-1：沿最小特征值的特征向量，中心处的二阶差分"), centre, at_most=-1e-3,
    )  # fmt: skip
    run.claim(("divided by that eigenvalue", "与该特征值之比"), centre / axes.values[0], equals=1, within=1e-3)
    random = units(run.rng, 1000, net.size)
    curved = np.einsum("ki,ij,kj->k", random, net.hessian(), random)
    run.claim(
        ("lowest curvature at the centre along 1000 random directions, relative to the lowest eigenvalue: random slices miss it",
         "1000 个随机方向在中心处的最小曲率与最小特征值之比：随机切片看不到它"), curved.min() / axes.values[0], at_most=0.9,
    )  # fmt: skip
    start = net.theta
    plane = analysis.eigen_plane(net)
    path = analysis.trace(lambda p: mt.optim.SGD(p, lr=0.05), net, steps=steps, start=start, name="GD")
    net.flat.write(start)

    def draw(left: Any, middle: Any, right: Any, surface: Any) -> None:
        far = np.linspace(-25, 25, 101)
        for k in range(5):
            left.plot(far, analysis.line(linear, None, directions[k], far), label=f"direction {k + 1}")
        left.set(title="linear model: parabolas", xlabel="distance from $w = 0$", ylabel="loss", ylim=(0, 1500))
        s = np.linspace(-span, span, 201)
        for v, name, style in (
            (top, f"largest, {axes.values[-1]:.2g}", "-"),
            (bottom, f"lowest, {axes.values[0]:.2g}", "-"),
        ):
            middle.plot(s, analysis.line(net, None, v, s), style, linewidth=2, label=f"eigenvector: {name}")
        for k in range(5):
            middle.plot(s, analysis.line(net, None, random[k], s), color="0.6", linewidth=0.8,
                        label="random" if k == 0 else None)  # fmt: skip
        middle.set(title="tanh network 2-8-1", xlabel="distance from the start", ylabel="loss")
        middle.set_ylim(0, 3 * net(start) + 1)
        for ax in (left, middle):
            ax.legend(fontsize="small")
        size = max(1.0, 1.3 * float(np.abs(plane.coordinates(path.points)).max()))
        seen = analysis.landscape(net, None, (-size, size), (-size, size), plane=plane, resolution=70)
        plots.landscape(seen.with_paths(GD=path), right)
        wide = analysis.landscape(net, None, (-0.4 * span, 0.4 * span), (-span, span), plane=plane, resolution=60)
        a, b = np.meshgrid(wide.x, wide.y)
        surface.plot_surface(a, b, np.minimum(wide.values, 3 * net(start) + 1), cmap="viridis", alpha=0.8, linewidth=0)
        surface.plot(
            *plane.coordinates(path.points).T,
            path.losses,
            color="#e4572e",
            linewidth=2,
            zorder=9,
            label="GD, its own losses",
        )
        surface.set(xlabel=plane.names[0], ylabel=plane.names[1], zlabel="loss")
        surface.view_init(35, 25)
        surface.legend(fontsize="small")

    run.figure(
        ("Above: slices through a quadratic loss and through a network's. Below: the network's loss on the plane of the extreme eigenvectors, "
         "from above and as a surface, with the projected way of gradient descent; it leaves the plane, and so the surface (cut off at the top)",
         "上：二次损失与网络损失的切片。下：网络损失在两个极端特征向量张成的平面上，俯视图与曲面图；图中为梯度下降路径的投影，路径会离开该平面，因而也离开曲面（高处已截平）"),
        draw, (2, 2), (9.6, 8.6), solid=(3,),
    )  # fmt: skip


def largest(objective: analysis.Objective) -> float:
    """The largest eigenvalue: power iteration finds the one largest in size; a negative one is shifted away."""
    found = analysis.power_iteration(objective, iters=3000, tol=1e-4).value
    return found if found > 0 else analysis.power_iteration(objective, iters=3000, tol=1e-4, shift=found).value


@item(
    "landscape-geometry-report",
    kind="algorithm",
    source="Chapter 4, section 4.2.1; section 4.2.8",
    title=("What to report about a place", "描述景观中的一点"),
    statement=(
        "Three things describe a landscape: its curvature (the Hessian), its critical points (minima, maxima, saddles), and its anisotropy, "
        "how much harder one direction is than another.",
        "景观由三方面描述：曲率（Hessian 矩阵），临界点（极小值、极大值、鞍点），以及各向异性，即不同方向上的难度差异。",
    ),
    verdict="holds",
    ranges={"stretch": (1.0, 1000.0), "scale": (0.0, 5.0)},
    random=True,
)
def geometry_report(run: Run, stretch: float = 10.0, scale: float = 1.0) -> None:
    bowl = analysis.geometry(analysis.problems.quadratic([10.0, 1.0]), np.zeros(2))
    for name, measured, expected in (
        (r"\lambda_{max}", bowl.lambda_max, 10), (r"\lambda_{min}", bowl.lambda_min, 1), (r"\kappa", bowl.condition_number, 10)
    ):  # fmt: skip
        run.claim(
            (rf"$H = \mathrm{{diag}}(10, 1)$: ${name}$", rf"$H = \mathrm{{diag}}(10, 1)$：${name}$"),
            measured,
            equals=expected,
            within=1e-12,
        )
    run.claim(("the centre of the bowl is a minimum", "碗底是极小值点"), bowl.kind == "minimum")
    x = mt.tensor(run.rng.standard_normal((50, 3)))
    model = mt.nn.LogisticRegression(3)
    y = mt.tensor((run.rng.random(50) < 0.5).astype(float))
    logistic = analysis.Objective(lambda: model.loss(x, y), model)
    negative = []
    for w in run.rng.standard_normal((3, 4)):
        logistic.flat.write(w)
        negative.append(analysis.geometry(logistic).negative)
    run.claim(("logistic regression at 3 random weights: negative eigenvalues", "逻辑回归，3 组随机权重：负特征值的个数"),
              negative, equals=0)  # fmt: skip
    nets = [xor_network(run.rng) for _ in range(12)]
    reports = [analysis.geometry(net) for net in nets]
    counts = [r.negative for r in reports]
    run.claim(
        ("tanh network 2-8-1, 33 parameters, 12 random starts: mean number of negative eigenvalues",
         "tanh 网络 2-8-1（33 个参数），12 个随机起点：负特征值的平均个数"), float(np.mean(counts)), between=(15, 19),
    )  # fmt: skip
    run.claim(("their number at each start", "各起点处的个数"), counts, between=(10, 23))
    run.claim(
        (r"$\lambda_{max}$ by power iteration on Hessian-vector products, relative to that of the whole matrix",
         r"用 Hessian-向量积做幂迭代求得的 $\lambda_{max}$ 与完整矩阵的 $\lambda_{max}$ 之比"),
        [largest(net) / r.lambda_max for net, r in zip(nets[:6], reports, strict=False)], equals=1, within=1e-3,
    )  # fmt: skip
    run.table(
        ("The report at the first three starts", "前三个起点处的描述"),
        ("loss", "|gradient|", "largest", "lowest", "negative", "zero", "trace", "label"),
        [
            (r.loss, r.gradient_norm, r.lambda_max, r.lambda_min, r.negative, r.zero, r.trace, r.kind)
            for r in reports[:3]
        ],
    )
    theta = nets[0].theta
    spectra = {s: analysis.principal_axes(placed(nets[0], s * theta)).values for s in dict.fromkeys((1.0, scale))}
    nets[0].flat.write(theta)
    shown = analysis.geometry(analysis.problems.quadratic([stretch, 1.0]), np.zeros(2))

    def draw(left: Any, right: Any) -> None:
        a, b = np.meshgrid(np.linspace(-1.5, 1.5, 120), np.linspace(-1.5, 1.5, 120))
        heights = 0.5 * (stretch * a * a + b * b)
        left.contour(a, b, heights, levels=np.geomspace(0.02, heights.max(), 12), cmap="viridis", linewidths=0.9)
        left.plot(0, 0, "k*", markersize=10, label=rf"{shown.kind}, $\kappa = {shown.condition_number:.4g}$")
        left.set(xlabel=r"$\theta_0$", ylabel=r"$\theta_1$", title=rf"$H = \mathrm{{diag}}({stretch:g}, 1)$")
        for s, values in spectra.items():
            right.plot(np.arange(1, len(values) + 1), values, "o-", markersize=3, linewidth=0.7,
                       label=f"weights x {s:g}: {int((values < -1e-8 * values[-1]).sum())} negative")  # fmt: skip
        right.axhline(0, color="0.5", linewidth=0.7)
        right.set_yscale("symlog", linthresh=1e-3)
        right.set(xlabel="eigenvalue number", ylabel="curvature", title="tanh network 2-8-1 at a random start")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("A bowl with its condition number (left); the curvatures of a network at a random place, about half of them negative (right)",
         "碗形损失及其条件数（左）；网络在随机位置的各个曲率，约半数为负（右）"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
