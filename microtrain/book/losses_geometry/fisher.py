"""Fisher information: the metric that KL divergence approaches between neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import fisher_information, kl_divergence

from ...viz import plots
from ..entry import item
from ..run import Run

P, D = np.array([0.5, 0.3, 0.2]), np.array([1.0, -0.5, -0.5])
Z = (2.0, 1.0, 0.1)


def simplex_metric(p: np.ndarray) -> np.ndarray:
    """diag(1/p), for directions that keep the sum: the Hessian of q -> KL(p, q) at q = p, by autodiff."""
    return np.asarray(mt.hessian(lambda q: kl_divergence(p, q), mt.tensor(p)))


def ellipse(p: np.ndarray, kl: float) -> np.ndarray:
    """The distributions (T, 3) around p whose squared Fisher length is twice `kl`."""
    basis = analysis.tangent_basis(3)
    values, vectors = np.linalg.eigh(basis @ simplex_metric(p) @ basis.T)
    angle = np.linspace(0, 2 * np.pi, 100)
    circle = np.sqrt(2 * kl) * np.column_stack([np.cos(angle), np.sin(angle)])
    return p + (circle / np.sqrt(values)) @ vectors.T @ basis  # type: ignore[no-any-return]


@item(
    "kl-local-fisher-metric",
    kind="theorem",
    source="Chapter 4, section 4.1.5, after Theorem 4.1.4; section 4.1.7",
    title=("KL between neighbours is half the Fisher form", "相邻分布的 KL 散度是 Fisher 二次型的一半"),
    statement=(
        r"According to the text KL gives the simplex a Riemannian metric that is not symmetric, and the information distance of neighbours is $ds^2 = "
        r"dq^\top I(p)\, dq$ with the Fisher information $I$.",
        r"原文称 KL 散度在单纯形上给出非对称的黎曼度量，相邻分布间的信息距离为 $ds^2 = dq^\top I(p)\, dq$，$I$ 为 Fisher 信息矩阵。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"A Riemannian metric is symmetric by definition, and KL is none. The form $dq^\top I\, dq$ is the Fisher metric. If the information "
        r"distance is read as KL between neighbours, a factor is missing: "
        r"$D_{KL}(p \| p + \varepsilon d)/\varepsilon^2$ tends to 2.0417, while $d^\top I d = 4.0833$; so $ds^2 \approx 2\,D_{KL}$. To second order both "
        r"directions agree. They differ only at order $\varepsilon^3$ (measured coefficient 0.0856).",
        r"按定义，黎曼度量是对称的，而 KL 散度不是度量。$dq^\top I\, dq$ 确为 Fisher 度量。若把“信息距离”理解为相邻分布的 KL 散度，则差一个因子 "
        r"1/2：$D_{KL}(p \| p + \varepsilon d)/\varepsilon^2$ 趋于 2.0417，而 $d^\top I d = 4.0833$，所以 $ds^2 \approx 2\,D_{KL}$。两个方向的二阶项相同，差别到 $\varepsilon^3$ 阶"
        "才出现（实测系数 0.0856）。",
    ),
    ranges={"kl": (0.002, 0.1)},
)
def local_metric(run: Run, kl: float = 0.05, form: str = "right") -> None:
    sizes = (0.1, 0.01, 0.001)

    def both(eps: Any) -> np.ndarray:
        near = P + np.asarray(eps)[..., None] * D
        return np.array([np.asarray(kl_divergence(P, near)), np.asarray(kl_divergence(near, P))])

    there, back = both(np.array(sizes)) / np.array(sizes) ** 2
    for eps, value, expected, within in zip(sizes, there, (2.107, 2.0438, 2.04184), (5e-4, 5e-5, 5e-6), strict=True):
        run.claim(
            (
                rf"$D_{{KL}}(p \| p + \varepsilon d)/\varepsilon^2$, $\varepsilon = {eps}$",
                rf"$D_{{KL}}(p \| p + \varepsilon d)/\varepsilon^2$，$\varepsilon = {eps}$",
            ),
            value,
            equals=expected,
            within=within,
        )
    for eps, value, expected, within in zip(sizes, back, (2.066, 2.0427, 2.04175), (5e-4, 5e-5, 5e-6), strict=True):
        run.claim(
            (
                rf"$D_{{KL}}(p + \varepsilon d \| p)/\varepsilon^2$, $\varepsilon = {eps}$",
                rf"$D_{{KL}}(p + \varepsilon d \| p)/\varepsilon^2$，$\varepsilon = {eps}$",
            ),
            value,
            equals=expected,
            within=within,
        )
    fisher = simplex_metric(P)
    run.claim(
        (r"Hessian of $q \mapsto D_{KL}(p \| q)$ at $p$ against $\operatorname{diag}(1/p)$",
         r"$q \mapsto D_{KL}(p \| q)$ 在 $p$ 处的 Hessian 矩阵与 $\operatorname{diag}(1/p)$ 之差"),
        np.abs(fisher - np.diag(1 / P)).max(), at_most=1e-12,
    )  # fmt: skip
    square = float(D @ fisher @ D)
    run.claim((r"$d^\top I d$", r"$d^\top I d$"), square, equals=4.083333, within=5e-7)
    factor, name = (1.0, r"d^\top I d") if form == "printed" else (0.5, r"\frac{1}{2} d^\top I d")
    run.claim(
        (rf"KL over ${name}\, \varepsilon^2$ at $\varepsilon = 0.001$", rf"$\varepsilon = 0.001$ 时 KL 散度与 ${name}\, \varepsilon^2$ 之比"),
        there[-1] / (factor * square), equals=1, within=1e-3,
    )  # fmt: skip

    def derivatives(reverse: bool) -> list[float]:
        eps = mt.tensor(0.0, requires_grad=True)
        near = P + eps * mt.tensor(D)
        value, found = kl_divergence(near, P) if reverse else kl_divergence(P, near), []
        for _ in range(3):
            (value,) = mt.grad(value, [eps], create_graph=True)
            found.append(value.item())
        return found

    orders = np.array([derivatives(False), derivatives(True)]) / (1, 2, 6)
    lower = np.abs(orders[0] - orders[1])[:2].max()
    if form == "printed":  # the book: the metric is not symmetric
        run.claim(("asymmetry at first and second order", "一阶和二阶项的不对称"), lower, at_least=1e-3)
    else:
        run.claim(("asymmetry at first and second order", "一阶和二阶项的不对称"), lower, at_most=1e-12)
    run.claim((r"asymmetry over $\varepsilon^3$, by third derivatives", r"不对称与 $\varepsilon^3$ 之比（三阶导数）"),
              orders[0, 2] - orders[1, 2], equals=0.086, within=5e-4)  # fmt: skip
    forward, reverse = both(np.array(1e-4))
    run.claim((r"the same at $\varepsilon = 10^{-4}$", r"同上，$\varepsilon = 10^{-4}$"), (forward - reverse) / 1e-12, equals=0.086,
              within=1e-3)  # fmt: skip
    grid = np.geomspace(3e-3, 0.3, 40)
    curves = both(grid)
    centers = np.array([[1 / 3] * 3, [0.7, 0.2, 0.1], [0.15, 0.7, 0.15], [0.1, 0.15, 0.75]])

    def draw(left: Any, middle: Any, right: Any) -> None:
        for values, dash, name in zip(
            curves, ("-", "--"), (r"$D_{KL}(p \| p + \varepsilon d)$", r"$D_{KL}(p + \varepsilon d \| p)$"), strict=True
        ):
            left.semilogx(grid, values / grid**2, dash, label=name)
        for value, name, colour in (
            (square, r"$d^\top I d$", "C3"),
            (square / 2, r"$\frac{1}{2} d^\top I d$", "black"),
        ):
            left.axhline(value, color=colour, linestyle=":", label=name)
        left.set(xlabel=r"$\varepsilon$", ylabel=r"KL / $\varepsilon^2$", ylim=(1.9, 4.3))
        middle.loglog(grid, curves[0], label="KL, slope 2")
        middle.loglog(grid, curves[0] - curves[1], "--", color="C3", label="asymmetry, slope 3")
        middle.set(xlabel=r"$\varepsilon$", ylabel="nats")
        for ax in (left, middle):
            ax.legend(fontsize="small", loc="center left" if ax is left else "upper left")
        plots.ternary(ax=right)
        points = analysis.triangle_grid(120, 1e-3)
        for k, center in enumerate(centers):
            for reverse, colour, dash in ((False, "C0", "solid"), (True, "C1", "dashed")):
                values = np.asarray(kl_divergence(points, center) if reverse else kl_divergence(center, points))
                right.tricontour(
                    *analysis.to_triangle(points).T, values, levels=[kl], colors=colour, linestyles=dash, linewidths=1.2
                )
            right.plot(
                *analysis.to_triangle(ellipse(center, kl)).T, ":", color="black", label=None if k else "Fisher ellipse"
            )
            right.plot(*analysis.to_triangle(center), "k.", markersize=4)
        right.plot([], [], color="C0", label=f"KL from the centre = {kl:g}")
        right.plot([], [], "--", color="C1", label=f"KL to the centre = {kl:g}")
        right.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 0.07))

    run.figure(
        ("The quotient tends to half the form, from both sides; the asymmetry is of third order; small balls of KL are nearly the ellipses "
         "of the Fisher metric.",
         "商从两个方向都趋于二次型的一半；不对称为三阶量；小的 KL 球接近 Fisher 度量的椭圆。"),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip


@item(
    "fisher-information-matrix",
    kind="definition",
    source="Chapter 4, section 4.1.5, after Theorem 4.1.4",
    title=("Fisher information", "Fisher 信息矩阵"),
    statement=(
        r"The metric tensor of information geometry is $I = \mathbb{E}_p[(\nabla \ln p(x))(\nabla \ln p(x))^\top]$, the second moment of the "
        "score.",
        r"信息几何的度量张量为 $I = \mathbb{E}_p[(\nabla \ln p(x))(\nabla \ln p(x))^\top]$，即对数似然梯度的二阶矩。",
    ),
    verdict="holds",
    ranges={"z1": (-6.0, 6.0), "z2": (-6.0, 6.0), "z3": (-6.0, 6.0)},
    random=True,
)
def fisher_matrix(run: Run, z1: float = 2.0, z2: float = 1.0, z3: float = 0.1) -> None:
    exact = np.asarray(fisher_information(lambda z: mt.log_softmax(z, -1), Z))
    p = np.asarray(mt.softmax(mt.tensor(Z)))
    run.claim((r"exact, against $\operatorname{diag}(p) - pp^\top$", r"精确值与 $\operatorname{diag}(p) - pp^\top$ 之差"),
              np.abs(exact - np.diag(p) + np.outer(p, p)).max(), at_most=1e-12)  # fmt: skip
    running = monte_carlo(Z, run.rng)
    run.claim(("Monte Carlo, 200000 draws: largest error of an entry", "蒙特卡罗，200000 次抽样：元素的最大误差"),
              np.abs(running[-1] - exact).max(), at_most=0.002)  # fmt: skip
    for label in range(3):
        curved = np.asarray(mt.hessian(lambda z, c=label: mt.cross_entropy(z, c), mt.tensor(Z)))
        run.claim(
            (f"Hessian of the cross-entropy of label {label} against it", f"标签为 {label} 时，交叉熵的 Hessian 矩阵与之相差"),
            np.abs(curved - exact).max(), at_most=1e-12,
        )  # fmt: skip
    slope = np.asarray(mt.jacobian(mt.softmax, mt.tensor(Z)))
    run.claim(
        (r"in simplex coordinates, $\operatorname{diag}(1/p)$ on the moves that softmax makes: difference",
         r"单纯形坐标下的 $\operatorname{diag}(1/p)$ 限制在 Softmax 的变化方向上：与之相差"),
        np.abs(slope.T @ simplex_metric(p) @ slope - exact).max(), at_most=1e-12,
    )  # fmt: skip
    own = (z1, z2, z3)
    shown = np.asarray(fisher_information(lambda z: mt.log_softmax(z, -1), own))
    errors = np.abs(monte_carlo(own, run.rng) - shown).max((1, 2))
    counts = 2000 * np.arange(1, len(errors) + 1)
    scales = np.linspace(0, 4, 41)
    spectra = np.array(
        [
            np.linalg.eigvalsh(np.asarray(fisher_information(lambda z: mt.log_softmax(z, -1), s * np.array(own))))
            for s in scales
        ]
    )

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.imshow(shown, cmap="RdBu_r", vmin=-0.25, vmax=0.25)
        for (i, j), value in np.ndenumerate(shown):
            colour = "white" if abs(value) > 0.15 else "black"
            left.text(j, i, f"{value:.3f}", ha="center", va="center", fontsize=9, color=colour)
        left.set(title="I in logits", xticks=range(3), yticks=range(3), xlabel="class", ylabel="class")
        middle.loglog(counts, errors, label="largest error of an entry")
        middle.loglog(counts, 0.3 / np.sqrt(counts), "k:", label=r"$\propto 1/\sqrt{N}$")
        middle.set(xlabel="draws N", ylabel="error", title="Monte Carlo")
        for k, name in enumerate(("smallest: 0", "second", "largest")):
            right.plot(scales, spectra[:, k], ("-", "--", "-.")[k], label=name)
        right.axvline(1, color="0.7", linewidth=0.8)
        right.set(xlabel="logits multiplied by", ylabel="eigenvalue of I", title="the surer, the less information")
        for ax in (middle, right):
            ax.legend(fontsize="small")

    run.figure(
        ("The matrix at these logits; its estimate from draws; its eigenvalues as the logits are scaled: one is always 0, the others vanish "
         "where the prediction is certain.",
         "给定 logit 处的 Fisher 信息矩阵；抽样估计的误差；logit 缩放时的特征值：一个恒为 0，其余在预测趋于确定时消失。"),
        draw, (1, 3), (9.6, 3.8),
    )  # fmt: skip


def monte_carlo(z: Any, rng: np.random.Generator) -> np.ndarray:
    """Running means of the outer products of scores over 200000 draws, each 2000: (100, C, C)."""
    logits = np.tile(np.array(z, float), (200_000, 1))
    p = np.asarray(mt.softmax(mt.tensor(logits[0])))
    draws = rng.choice(len(p), 200_000, p=p)
    at = mt.tensor(logits, requires_grad=True)
    (scores,) = mt.grad(mt.cross_entropy(at, mt.tensor(draws), reduction="sum"), [at])
    blocks = np.asarray(scores).reshape(100, 2000, len(p))
    return np.cumsum(np.einsum("bni,bnj->bij", blocks, blocks), 0) / (2000 * np.arange(1, 101))[:, None, None]
