"""Bregman divergences: the gap between a convex function and its tangent (eq. 4.1.2), and two that everybody uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import bregman_divergence, generalised_kl, kl_divergence, mse_loss

from ...viz import plots
from ..entry import item
from ..run import Run

Phi = Callable[[mt.Tensor], mt.Tensor]


def half_square(x: mt.Tensor) -> mt.Tensor:
    """|x|^2 / 2."""
    return 0.5 * (x * x).sum()


def negative_entropy(p: mt.Tensor) -> mt.Tensor:
    """sum p ln p."""
    return (p * p.log()).sum()


PHIS: dict[str, Phi] = {
    "half the squared norm": half_square,
    "negative entropy": negative_entropy,
    "log-sum-exp": lambda z: z.logsumexp(-1),
    "sum of exponentials": lambda z: z.exp().sum(),
}
PHIS_ZH = dict(zip(PHIS, ("平方范数的一半", "负熵", "LogSumExp", "指数之和"), strict=True))
ON_A_LINE: dict[str, tuple[str, Phi]] = {  # the same functions of one number
    "half the squared norm": ("$x^2/2$", lambda x: 0.5 * x * x),
    "negative entropy": (r"$x \ln x$", lambda x: x * x.log()),
    "log-sum-exp": (r"$\ln(e^x + e^0)$", mt.softplus),
    "sum of exponentials": ("$e^x$", lambda x: x.exp()),
}


def divergences(phi: Phi, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """D(p, q) of many pairs: (K, n) and (K, n) -> (K,)."""
    first = [mt.tensor(points[0], requires_grad=True) for points in (p, q)]
    return analysis.Objective(lambda a, b: bregman_divergence(phi, a, b), first).values(np.hstack([p, q]))


def distributions(rng: np.random.Generator, count: int, n: int = 3, share: float = 0.01) -> np.ndarray:
    """Distributions inside the simplex, evenly over it but for a rim: all probabilities are at least share / n."""
    return share / n + (1 - share) * rng.dirichlet(np.ones(n), count)


@item(
    "bregman-divergence",
    kind="definition",
    source="Chapter 4, section 4.1.5, eq. 4.1.2",
    title=("The gap above the tangent", "凸函数与切线之间的差距"),
    statement=(
        r"A strictly convex differentiable $\phi$ defines the divergence $D_\phi(p, q) = \phi(p) - \phi(q) - \langle \nabla\phi(q), p - q "
        r"\rangle$: by how much $\phi(p)$ lies above the tangent plane at $q$.",
        r"严格凸的可微函数 $\phi$ 定义散度 $D_\phi(p, q) = \phi(p) - \phi(q) - \langle \nabla\phi(q), p - q \rangle$，即 $\phi(p)$ "
        r"高出 $q$ 处切平面的量。",
    ),
    verdict="holds",
    ranges={"p": (0.05, 3.0), "q": (0.05, 3.0)},
    random=True,
)
def definition(run: Run, p: float = 2.5, q: float = 0.8) -> None:
    ps, others, qs = np.exp(0.7 * run.rng.normal(size=(3, 1000, 4)))
    apart = {}
    for name, phi in PHIS.items():
        zh = PHIS_ZH[name]
        there, back = divergences(phi, ps, qs), divergences(phi, qs, ps)
        run.claim((f"{name}: smallest of 1000 divergences", f"{zh}：1000 对中的最小值"), there.min(), at_least=0)
        run.claim((f"{name}: $D(p, p)$", f"{zh}：$D(p, p)$"), np.abs(divergences(phi, ps, ps)).max(), at_most=1e-12)
        middle = divergences(phi, (ps + others) / 2, qs)
        bulge = (there + divergences(phi, others, qs)) / 2 - middle
        run.claim(
            (f"{name}: convex in $p$: chord above the midpoint by at least", f"{zh}：关于 $p$ 为凸：弦高出中点的最小量"),
            bulge.min(), at_least=-1e-12,
        )  # fmt: skip
        apart[name] = np.abs(there - back).max()
    symmetric = apart.pop("half the squared norm")
    run.claim(
        ("half the squared norm: $D(p, q) - D(q, p)$", "平方范数的一半：$D(p, q) - D(q, p)$"), symmetric, at_most=1e-12
    )
    run.claim(
        ("the three others: the largest $|D(p, q) - D(q, p)|$ of 1000", "其余三种：1000 对中 $|D(p, q) - D(q, p)|$ 的最大值"),
        list(apart.values()), at_least=0.1,
    )  # fmt: skip
    run.claim(
        (r"log-sum-exp is convex, but not strictly: $D(q + 5, q)$", r"LogSumExp 为凸而非严格凸：$D(q + 5, q)$"),
        divergences(PHIS["log-sum-exp"], qs + 5, qs), equals=0, within=1e-12,
    )  # fmt: skip
    gaps = {name: bregman_divergence(f, p, q).item() for name, (_, f) in ON_A_LINE.items()}

    def draw(*axes: Any) -> None:
        x = np.linspace(0.02, 3, 200)
        for ax, (name, (formula, f)) in zip(axes, ON_A_LINE.items(), strict=True):
            at = mt.tensor(q, requires_grad=True)
            (slope,) = mt.grad(f(at), [at])
            base, foot = f(at).item(), f(at).item() + slope.item() * (p - q)
            ax.plot(x, np.asarray(f(mt.tensor(x))), label=formula)
            ax.plot(x, base + slope.item() * (x - q), "--", color="0.5", label="tangent at q")
            ax.plot([q], [base], "ko", markersize=4)
            ax.plot([p, p], [foot, foot + gaps[name]], color="C3", linewidth=3, label=f"D(p, q) = {gaps[name]:.3g}")
            ax.set(title=name, xlabel="x", ylabel=r"$\phi(x)$")
            ax.legend(fontsize="small", loc="upper left")

    run.figure(
        (f"The divergence from $p = {p:g}$ to $q = {q:g}$ is the red gap, for four functions of one number.",
         f"红线即 $p = {p:g}$ 到 $q = {q:g}$ 的散度，四个函数各一幅。"),
        draw, (2, 2), (9.0, 6.6),
    )  # fmt: skip


@item(
    "bregman-half-squared-norm",
    kind="theorem",
    source="Chapter 4, section 4.1.5, after eq. 4.1.2",
    title=("Half the squared distance", "平方距离的一半"),
    statement=(
        r"With $\phi(p) = \frac{1}{2}\|p\|^2$ the divergence is $\frac{1}{2}\|p - q\|^2$; in words, the text says half the Euclidean "
        "distance.",
        r"取 $\phi(p) = \frac{1}{2}\|p\|^2$，散度为 $\frac{1}{2}\|p - q\|^2$；文字上，原文称之为欧几里得距离的一半。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The formula is right, the words lack a square: for $p = (1, -2, 3)$, $q = (0.5, 1, 1)$ the divergence is 6.625, half the distance "
        "1.820. It follows that squared error is a Bregman divergence itself, so this is not what tells it from cross-entropy.",
        r"公式正确，文字漏了“平方”：对 $p = (1, -2, 3)$、$q = (0.5, 1, 1)$，散度为 6.625，距离的一半却是 1.820。由此可知均方误差"
        "本身也是 Bregman 散度，它与交叉熵的区别不在这里。",
    ),
    ranges={"scale": (0.5, 3.0)},
    random=True,
)
def half_squared_norm(run: Run, scale: float = 1.0) -> None:
    p, q = np.array([1.0, -2.0, 3.0]), np.array([0.5, 1.0, 1.0])
    found, distance = bregman_divergence(half_square, p, q).item(), float(np.linalg.norm(p - q))
    run.claim((r"$D_\phi(p, q)$", r"$D_\phi(p, q)$"), found, equals=6.625, within=1e-12)
    run.claim(("half the squared distance", "平方距离的一半"), distance**2 / 2, equals=6.625, within=1e-12)
    run.claim(("half the distance", "距离的一半"), distance / 2, equals=1.820, within=5e-4)
    ps, qs = run.rng.normal(size=(2, 1000, 3))
    run.claim(
        (r"1000 random pairs: distance from $\frac{1}{2}\|p - q\|^2$", r"1000 对随机向量：与 $\frac{1}{2}\|p - q\|^2$ 之差"),
        np.abs(divergences(half_square, ps, qs) - 0.5 * ((ps - qs) ** 2).sum(1)).max(), at_most=1e-12,
    )  # fmt: skip
    run.claim(
        ("squared error is this divergence: difference", "平方误差就是这一散度：两者之差"),
        mse_loss(mt.tensor(ps), mt.tensor(qs), "half_sum").item() - divergences(half_square, ps, qs).sum(), equals=0, within=1e-9,
    )  # fmt: skip
    steps = np.linspace(0, 1, 51)
    way = q + scale * steps[:, None] * (p - q)
    along = divergences(half_square, way, np.tile(q, (51, 1)))
    lengths = np.linalg.norm(way - q, axis=1)

    def draw(ax: Any) -> None:
        ax.plot(lengths, along, linewidth=4, alpha=0.4, label=r"$D_\phi(p, q)$, by autodiff")
        ax.plot(lengths, lengths**2 / 2, "k--", label="half the squared distance")
        ax.plot(lengths, lengths / 2, ":", color="C3", label="half the distance")
        ax.plot([distance] * 2, [found, distance / 2], "ko", markersize=4)
        for value in (found, distance / 2):
            ax.annotate(f"{value:.4g}", (distance, value), xytext=(-8, 6), textcoords="offset points", ha="right")
        ax.margins(y=0.12)
        ax.set(xlabel=r"distance $\|p - q\|$", ylabel="divergence")
        ax.legend(fontsize="small")

    run.figure(("On the way from $q$ to $p$ the divergence grows with the square of the distance.",
                "从 $q$ 走向 $p$，散度随距离的平方增长。"), draw)  # fmt: skip


@item(
    "negentropy-bregman-is-kl",
    kind="theorem",
    source="Chapter 4, section 4.1.5, Theorem 4.1.4; section 4.1.7",
    title=("The tangent gap of negative entropy is KL", "负熵的 Bregman 散度就是 KL 散度"),
    statement=(
        r"With the negative entropy $\phi(p) = \sum_i p_i \ln p_i$ the Bregman divergence of two distributions is "
        r"$\sum_i p_i \ln(p_i / q_i)$, their KL divergence.",
        r"取负熵 $\phi(p) = \sum_i p_i \ln p_i$，两个分布的 Bregman 散度为 $\sum_i p_i \ln(p_i / q_i)$，即 KL 散度。",
    ),
    verdict="holds",
    ranges={"scale": (0.2, 3.0), "q1": (0.05, 0.9)},
    random=True,
)
def negentropy_is_kl(run: Run, scale: float = 1.5, q1: float = 0.5) -> None:
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.3, 0.2])
    own, kl = bregman_divergence(negative_entropy, p, q).item(), kl_divergence(p, q).item()
    run.claim((r"$D_\phi(p, q)$ for (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)", r"(0.7, 0.2, 0.1) 与 (0.5, 0.3, 0.2) 的 $D_\phi(p, q)$"), own,
              equals=0.0851228, within=5e-8)  # fmt: skip
    run.claim(("its distance from KL", "与 KL 散度之差"), own - kl, equals=0, within=1e-10)
    ps, qs = distributions(run.rng, 1000), distributions(run.rng, 1000)
    run.claim(
        ("1000 random pairs: distance from KL", "1000 对随机分布：与 KL 散度之差"),
        np.abs(divergences(negative_entropy, ps, qs) - np.asarray(kl_divergence(ps, qs))).max(), at_most=1e-10,
    )  # fmt: skip
    heavy, light = np.array([0.7, 0.2, 0.3]), np.array([0.5, 0.3, 0.1])
    outside = bregman_divergence(negative_entropy, heavy, light).item()
    run.claim(("off the simplex, (0.7, 0.2, 0.3) and (0.5, 0.3, 0.1)", "单纯形之外：(0.7, 0.2, 0.3) 与 (0.5, 0.3, 0.1)"), outside,
              equals=0.184021, within=5e-7)  # fmt: skip
    run.claim((r"generalised KL, $\sum p \ln(p/q) - p + q$", r"广义 KL 散度 $\sum p \ln(p/q) - p + q$"),
              generalised_kl(heavy, light).item(), equals=outside, within=1e-12)  # fmt: skip
    run.claim((r"$\sum p \ln(p/q)$ alone", r"单独的 $\sum p \ln(p/q)$"), float(heavy @ np.log(heavy / light)), equals=0.484021,
              within=5e-7)  # fmt: skip
    edge = bregman_divergence(negative_entropy, p, np.array([0.6, 0.4, 0.0])).item()
    run.claim((r"with a zero in $q$ the gradient, and so the divergence, is not finite", r"$q$ 含零时梯度不存在，散度不是有限数"),
              not np.isfinite(edge))  # fmt: skip
    run.note(
        r"The theorem asks for two distributions. Off the simplex the divergence keeps an extra $\sum q - \sum p$, and $q$ must be "
        r"positive everywhere, for $\phi$ has no gradient at a zero.",
        r"定理的前提是两个分布。离开单纯形，散度还多一项 $\sum q - \sum p$；此外 $q$ 的各分量须为正，因为 $\phi$ 在零处没有梯度。",
    )
    center = np.array([q1, *((1 - q1) * np.array([0.6, 0.4]))])
    sizes = np.linspace(0.2, 3, 57)
    vectors = sizes[:, None] * center

    def draw(left: Any, right: Any) -> None:
        plots.ternary(lambda at: divergences(negative_entropy, at, np.tile(center, (len(at), 1))), left, margin=1e-4,
                      label=r"$D_\phi(p, q)$ in nats")  # fmt: skip
        left.plot(*analysis.to_triangle(center), "r*", markersize=10)
        left.set_title("on the simplex (star: q)")
        right.plot(sizes, divergences(negative_entropy, vectors, np.tile(center, (len(sizes), 1))), linewidth=4, alpha=0.4,
                   label=r"$D_\phi(s q, q)$")  # fmt: skip
        right.plot(sizes, np.asarray(generalised_kl(vectors, center)), "k--", label="generalised KL")
        right.plot(sizes, (vectors * np.log(sizes)[:, None]).sum(1), ":", color="C3", label=r"$\sum p \ln(p/q)$ alone")
        right.axvline(scale, color="0.7", linewidth=0.8)
        right.set(xlabel="sum s of the vector s q", ylabel="nats", title="off the simplex")
        right.legend(fontsize="small")

    run.figure(
        (r"On the simplex the divergence is KL. For vectors $s q$ that do not add up to 1 the plain sum becomes negative; the Bregman "
         "divergence does not.",
         r"在单纯形上，散度就是 KL 散度。对总和不为 1 的向量 $s q$，单独的求和式会变负，Bregman 散度不会。"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
