"""The simplex with the Fisher metric is a piece of a sphere; Table 4.1.1, computed cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import bregman_divergence, kl_divergence, mse_loss

from ...viz import plots
from ..entry import item
from ..run import Run
from .bregman import distributions, half_square
from .fisher import ellipse, simplex_metric
from .hat_matrix import fitted
from .information_projection import fit, sample

P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
EVEN, LEANING = np.full(3, 1 / 3), np.array([0.8, 0.1, 0.1])


def negative_entropy(free: mt.Tensor) -> mt.Tensor:
    """sum p ln p of a distribution, from all its probabilities but the last."""
    last = 1 - free.sum()
    return (free * free.log()).sum() + last * last.log()


FISHER = analysis.hessian_metric(negative_entropy)
FLAT = analysis.hessian_metric(half_square)


@item(
    "fisher-simplex-has-constant-curvature",
    kind="theorem",
    source="Chapter 4, Table 4.1.1, last row; section 4.1.7",
    title=("The simplex is a piece of a sphere", "单纯形是球面的一部分"),
    statement=(
        "In the comparison of geometries the Fisher metric of cross-entropy is listed with varying curvature, beside the constant one of "
        "squared error.",
        "几何结构的对比表把交叉熵的 Fisher 度量列为变曲率，与均方误差的常曲率相对。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"$p \mapsto 2\sqrt{p}$ maps the simplex with the Fisher metric onto an orthant of a sphere of radius 2: its sectional curvature is "
        r"$+1/4$ everywhere (measured for 3 and 4 outcomes; two outcomes make a curve, which is never curved in itself). What the text may have in mind is the "
        "metric tensor: that changes from place to place, and the Hessian of the cross-entropy with it. Euclidean space is constant too: 0.",
        r"映射 $p \mapsto 2\sqrt{p}$ 把带 Fisher 度量的单纯形变为半径 2 的球面的一个卦限，截面曲率处处为 $+1/4$（对 3 个和 4 个结果实测；"
        r"只有 2 个结果时它是曲线，本身没有曲率）。原文所指的可能是度量张量：它逐点变化，交叉熵的 Hessian 矩阵也随之变化。"
        "欧几里得空间的曲率同样是常数：0。",
    ),
    ranges={"p1": (0.02, 0.96), "q1": (0.02, 0.96)},
    random=True,
)
def constant_curvature(run: Run, p1: float = 0.5, q1: float = 0.2, form: str = "right") -> None:
    three, four = distributions(run.rng, 20, 3, 0.1), distributions(run.rng, 4, 4, 0.1)
    curvatures = np.array([analysis.sectional_curvature(FISHER, p[:-1]) for p in three])
    run.claim(
        ("3 outcomes, 20 points: Gaussian curvature", "3 个结果，20 个点：高斯曲率"),
        curvatures,
        equals=0.25,
        within=1e-9,
    )
    planes = [analysis.sectional_curvature(FISHER, p[:-1], *run.rng.normal(size=(2, 3))) for p in four]
    run.claim(("4 outcomes, 4 points, random planes: sectional curvature", "4 个结果，4 个点，随机平面：截面曲率"), planes, equals=0.25,
              within=1e-9)  # fmt: skip
    spread = np.ptp(curvatures)
    if form == "printed":
        run.claim(("how much the curvature varies", "曲率的变化幅度"), spread, at_least=1e-3)
    else:
        run.claim(("how much the curvature varies", "曲率的变化幅度"), spread, at_most=1e-9)
    tensors = np.array([np.linalg.eigvalsh(np.asarray(FISHER(mt.tensor(p[:-1])).detach())) for p in three])
    run.claim(("what varies is the metric tensor: largest over smallest eigenvalue", "变化的是度量张量：最大特征值与最小特征值之比"),
              tensors.max() / tensors.min(), at_least=3)  # fmt: skip
    distance = float(analysis.fisher_rao_distance(P, Q))
    run.claim((r"$2 \arccos \sum \sqrt{pq}$",) * 2, distance, equals=0.866592, within=5e-7)
    circle = analysis.fisher_geodesic(P, Q, 20001)
    run.claim(("length of the great circle between them, 20001 points", "两点间大圆弧的长度，20001 个点"), analysis.fisher_length(circle),
              equals=distance, within=1e-6)  # fmt: skip
    chord = analysis.fisher_length(np.linspace(P, Q, 20001))
    run.claim(("length of the straight chord", "直线段的长度"), chord, equals=0.867642, within=5e-7)
    run.claim(("the chord is longer by", "直线段长出"), chord - distance, at_least=1e-3)
    p, q = (np.array([a, *((1 - a) * rest / rest.sum())]) for a, rest in ((p1, P[1:]), (q1, Q[1:])))
    lines = []  # a net of great circles between points of the sides
    for t in np.linspace(0.1, 0.9, 9):
        for a, b in (((t, 1 - t, 0), (t, 0, 1 - t)), ((1 - t, t, 0), (0, t, 1 - t)), ((1 - t, 0, t), (0, 1 - t, t))):
            lines.append(analysis.fisher_geodesic(a, b, 40))
    sides = [analysis.fisher_geodesic(a, b, 40) for a, b in zip(np.eye(3), np.eye(3)[[1, 2, 0]], strict=True)]
    own, straight = analysis.fisher_geodesic(p, q, 60), np.linspace(p, q, 60)

    def draw(left: Any, right: Any, third: Any) -> None:
        plots.ternary(ax=left)
        for line in lines:
            left.plot(*analysis.to_triangle(line).T, color="0.8", linewidth=0.7)
            right.plot(*(2 * np.sqrt(line)).T, color="0.6", linewidth=0.6)
        for side in sides:
            right.plot(*(2 * np.sqrt(side)).T, color="black", linewidth=1)
        for path, style, name in ((own, "C0-", "shortest"), (straight, "C3--", "chord")):
            label = f"{name}: {analysis.fisher_length(path):.4f}"
            left.plot(*analysis.to_triangle(path).T, style, label=label)
            right.plot(*(2 * np.sqrt(path)).T, style, label=label)
        left.legend(fontsize="small", loc="upper left", bbox_to_anchor=(-0.1, 1.02), title="Fisher length")
        right.set(
            xlabel=r"$2\sqrt{p_1}$", ylabel=r"$2\sqrt{p_2}$", zlabel=r"$2\sqrt{p_3}$", title="on the sphere of radius 2"
        )
        right.set(xticks=(0, 1, 2), yticks=(0, 1, 2), zticks=(0, 1, 2))
        right.grid(False)
        right.view_init(28, 45)
        plots.ternary(
            lambda points: -0.5 * np.log10(points).sum(1), third, margin=0.01, label=r"$\log_{10} \sqrt{\det g}$"
        )
        third.set_title("varies: the metric. Curvature: 1/4")

    run.figure(
        ("Shortest paths of the Fisher metric, in the triangle and on the sphere where they are great circles; right, the volume of the "
         "metric, which does vary.",
         "Fisher 度量的最短路径：在三角形中，以及在球面上（即大圆弧）。右图为度量的体积元，它才是逐点变化的。"),
        draw, (1, 3), (9.6, 4.2), solid=(1,),
    )  # fmt: skip


@item(
    "table-4-1-1-mse-vs-cross-entropy",
    kind="table",
    source="Chapter 4, Table 4.1.1",
    title=("Table 4.1.1, computed", "表 4.1.1，逐格计算"),
    statement=(
        r"Two rows. Squared error: $\mathbb{R}^N$ with the Euclidean distance, a metric of constant curvature, orthogonal projections. Cross-entropy: the simplex "
        "with KL, a Bregman divergence, the Fisher metric of varying curvature, information projections.",
        r"表中两行。均方误差：$\mathbb{R}^N$、欧几里得距离、常曲率的黎曼度量、正交投影。交叉熵：概率单纯形、KL 散度（Bregman 散度）、变曲率的 "
        "Fisher 度量、信息投影。",
    ),
    verdict="does not hold as printed",
    correction=(
        "Three cells. Squared error is half (or the mean of) the squared distance, and a Bregman divergence too. The Fisher metric has constant curvature "
        r"$1/4$; its tensor varies. The projection of cross-entropy is the moment projection. In both rows the metric is the Hessian of the "
        r"function that generates the divergence.",
        "有三格需要更正。均方误差是平方距离的一半（或均值），它也是 Bregman 散度。Fisher 度量的曲率是常数 $1/4$，变化的是张量。交叉熵的投影是"
        "矩投影。两行的度量都是散度生成函数的 Hessian 矩阵。",
    ),
    ranges={"kl": (0.005, 0.06)},
)
def table_4_1_1(run: Run, kl: float = 0.03, form: str = "right") -> None:
    places = (np.zeros(3), np.ones(3), np.array([3.0, -2.0, 5.0]))
    flat = [np.asarray(FLAT(mt.tensor(x)).detach()) for x in places]
    run.claim(("squared error: metric tensor less the identity, 3 points", "均方误差：3 个点处度量张量与单位矩阵之差"),
              np.abs(np.array(flat) - np.eye(3)).max(), at_most=1e-12)  # fmt: skip
    run.claim(
        ("squared error: curvature", "均方误差：曲率"),
        [analysis.sectional_curvature(FLAT, x) for x in places],
        equals=0,
        within=1e-12,
    )
    a, b = np.array([1.0, -2.0, 3.0]), np.array([0.5, 1.0, 1.0])
    half, distance = mse_loss(mt.tensor(a), mt.tensor(b), "half_sum").item(), float(np.linalg.norm(a - b))
    run.claim(
        ("squared error of two points against what the table calls it", "两点的平方误差与表中所述之比"),
        half / (distance if form == "printed" else bregman_divergence(half_square, a, b).item()), equals=1, within=1e-12,
    )  # fmt: skip
    x, labels, rng = sample(0)
    target = rng.normal(size=60)
    normal = np.abs(x.T @ (target - fitted(x, target, False))).max()
    run.claim(
        (r"squared error: $\max|X^\top(y - \hat y)|$", r"均方误差：$\max|X^\top(y - \hat y)|$"), normal, at_most=1e-8
    )
    metrics = [simplex_metric(p) for p in (EVEN, LEANING)]
    run.claim((r"cross-entropy: metric against $\operatorname{diag}(1/p)$", r"交叉熵：度量与 $\operatorname{diag}(1/p)$ 之差"),
              [np.abs(g - np.diag(1 / p)).max() for g, p in zip(metrics, (EVEN, LEANING), strict=True)], at_most=1e-12)  # fmt: skip
    run.claim(("cross-entropy: the metric at (1/3, 1/3, 1/3) and (0.8, 0.1, 0.1) differs by", "交叉熵：(1/3, 1/3, 1/3) 与 (0.8, 0.1, 0.1) 处度量之差"),
              np.abs(metrics[0] - metrics[1]).max(), at_least=1)  # fmt: skip
    curvature = [analysis.sectional_curvature(FISHER, p[:-1]) for p in (EVEN, LEANING)]
    run.claim(("cross-entropy: curvature at both", "交叉熵：两点处的曲率"), curvature, equals=0.25, within=1e-9)
    if form == "printed":
        run.claim(("its variation", "曲率的变化"), np.ptp(curvature), at_least=1e-3)
    _, _, residual = fit(x, labels)
    run.claim((r"cross-entropy: $\max|X^\top(\hat p - T)|$ at the optimum", r"交叉熵：最优解处的 $\max|X^\top(\hat p - T)|$"), residual,
              at_most=1e-8)  # fmt: skip
    corners = tuple(f"diag({1 / p[0]:.4g}, {1 / p[1]:.4g}, {1 / p[2]:.4g})" for p in (EVEN, LEANING))
    columns = ("loss", "space", "divergence", "metric tensor", "curvature", "projection")
    run.table(
        ("The table as it should read, its cells measured", "更正后的表，各格均为实测"),
        columns,
        [
            ("squared error", "R^N", "half the squared distance, a Bregman divergence", "identity everywhere", "0",
             f"orthogonal: |X'(y - fit)| = {normal:.0e}"),
            ("cross-entropy", "probability simplex", "KL, a Bregman divergence (plus H(p))", f"{corners[0]} to {corners[1]}",
             f"{curvature[0]:.6g} at both", f"moment projection: |X'(p - T)| = {residual:.0e}"),
        ],
    )  # fmt: skip
    centers = analysis.triangle_grid(3, 0.08)
    radius = np.sqrt(2 * kl)

    def draw(left: Any, right: Any) -> None:
        angle = np.linspace(0, 2 * np.pi, 100)
        for x0 in np.linspace(-1, 1, 3):
            for y0 in np.linspace(-1, 1, 3):
                left.plot(x0 + radius * np.cos(angle), y0 + radius * np.sin(angle), color="C0")
                left.plot(x0, y0, "k.", markersize=4)
        left.set(title=f"half the squared distance = {kl:g}", xlabel="$y_1$", ylabel="$y_2$", aspect="equal")
        plots.ternary(ax=right)
        points = analysis.triangle_grid(120, 1e-3)
        for center in centers:
            values = np.asarray(kl_divergence(center, points))
            right.tricontour(*analysis.to_triangle(points).T, values, levels=[kl], colors="C0", linewidths=1.3)
            right.plot(*analysis.to_triangle(ellipse(center, kl)).T, "k:", linewidth=0.9)
            right.plot(*analysis.to_triangle(center), "k.", markersize=4)
        right.set_title(f"KL from the centre = {kl:g}, dotted: Fisher")

    run.figure(
        ("Balls of one divergence: the same circles everywhere for squared error, shapes that depend on the place for KL. The metric varies; "
         "the curvature does not.",
         "等散度的“球”：均方误差处处是同样的圆，KL 散度的形状随位置而变。变化的是度量，不是曲率。"),
        draw, (1, 2), (9.6, 4.4),
    )  # fmt: skip
