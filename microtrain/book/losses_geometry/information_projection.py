"""Cross-entropy as a projection onto a family of distributions, and what it brings to use the geometry in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import fisher_of_logits, kl_divergence, kl_with_logits

from ...viz import plots
from ..entry import item
from ..moving import grow, moments
from ..run import Run
from .relative_entropy import softmax_path

GRID = np.linspace(-4, 4, 201)
Family = Callable[[mt.Tensor], mt.Tensor]  # one number -> logits (3,)


def sample(seed: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """60 normal inputs (60, 3), labels drawn from a softmax regression with four classes, and the generator as it is then."""
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(60, 3)), rng.normal(size=(3, 4))
    p = np.asarray(mt.softmax(mt.tensor(x @ weights)))
    return x, np.array([rng.choice(4, p=row) for row in p]), rng


def fit(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, analysis.Path, float]:
    """Softmax regression by gradient descent from 0, eta = 2, at most 20000 steps: (weights, path, max|X^T(p - T)|)."""
    inputs, target = mt.tensor(x), mt.tensor(labels)
    w = mt.tensor(np.zeros((x.shape[1], labels.max() + 1)), requires_grad=True)
    path = analysis.trace(
        lambda p: mt.optim.SGD(p, lr=2.0), lambda: mt.cross_entropy(inputs @ w, target), w, steps=20000, tol=1e-13
    )
    excess = mt.softmax(inputs @ w.detach()) - mt.one_hot(target, w.shape[1])
    return np.array(w.detach()), path, (inputs.T @ excess).abs().amax().item()


def straight(t: mt.Tensor) -> mt.Tensor:
    """Logits that are linear in the parameter: an exponential family."""
    return mt.stack([1.5 * t, 0.2 - 0.5 * t, 0 * t])


def bent(t: mt.Tensor) -> mt.Tensor:
    """Logits that are not."""
    return mt.stack([1.5 * t, 1.2 * t * t - 0.8, 0 * t])


def projections(family: Family, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, I): the members of the family with the smallest KL(p, q), and with the smallest KL(q, p)."""
    target, found = mt.tensor(p), []

    def onto(t: mt.Tensor) -> mt.Tensor:
        return kl_with_logits(family(t), target, "none")

    def from_it(t: mt.Tensor) -> mt.Tensor:
        return kl_divergence(mt.softmax(family(t)), target)

    for loss in (onto, from_it):
        objective = analysis.Objective(loss, mt.tensor(0.0, requires_grad=True))
        start = GRID[np.argmin(objective.values(GRID[:, None]))]  # a bent family has several minima
        path = analysis.trace(lambda t: mt.optim.SGD(t, lr=0.3), objective, start=[start], steps=1000, tol=1e-13)
        found.append(np.asarray(mt.softmax(family(mt.tensor(path.end[0])))))
    return found[0], found[1]


def pythagorean_gaps(p: np.ndarray, nearest: np.ndarray, members: np.ndarray) -> np.ndarray:
    """KL(p, q) - KL(p, q*) - KL(q*, q) for the members q (K, 3)."""
    there, beyond = (np.asarray(kl_divergence(a, members)) for a in (p, nearest))
    return there - kl_divergence(p, nearest).item() - beyond  # type: ignore[no-any-return]


@item(
    "information-projection-moment-matching",
    kind="theorem",
    source="Chapter 4, section 4.1.5, Table 4.1.1",
    title=("Cross-entropy projects by matching moments", "交叉熵的投影：矩匹配"),
    statement=(
        "As squared error projects orthogonally, cross-entropy is said to project the data distribution onto the model family: "
        "information projection.",
        "均方误差对应正交投影；原文称，交叉熵对应把数据分布投影到模型族上的信息投影。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Minimising $D_{KL}(\text{data} \| \text{model})$ over the model is the moment projection (M-projection): at the optimum the model expects of every "
        r"feature what the data show, $X^\top(\hat p - T) = 0$. The name I-projection usually stands for the minimum over the first argument. And KL obeys "
        "Pythagoras only in an exponential family, such as linear softmax; in a bent family it does not.",
        r"对模型最小化 $D_{KL}(\text{数据} \| \text{模型})$ 是矩投影（M 投影）：在最优解处，模型对每个特征的期望与数据一致，$X^\top(\hat p - T) = "
        r"0$。通常所说的 I 投影是对第一个分布求最小。此外，KL 散度的勾股恒等式只在指数族中成立，例如线性 Softmax；对弯曲的模型族不成立。",
    ),
    ranges={"p1": (0.05, 0.9), "steps": (20, 5000)},
    random=True,
)
def moment_matching(run: Run, p1: float = 0.5, steps: int = 400) -> None:
    x, labels, rng = sample(run.seed)
    weights, path, residual = fit(x, labels)
    lowest = float(path.losses[-1])
    if run.seed == 0:
        run.claim(("cross-entropy at the optimum", "最优解处的交叉熵"), lowest, equals=0.802705, within=1e-4)
    run.claim((r"there, $\max|X^\top(\hat p - T)|$", r"该处的 $\max|X^\top(\hat p - T)|$"), residual, at_most=1e-8)
    inputs, target = mt.tensor(x), mt.tensor(labels)
    best = mt.softmax(inputs @ mt.tensor(weights))
    sums = []
    for k in range(3):
        logits = inputs @ mt.tensor(rng.normal(size=weights.shape))
        whole = mt.cross_entropy(logits, target, reduction="sum").item()
        parts = 60 * lowest, kl_with_logits(logits, best, "sum").item()
        run.claim(
            (rf"random model {k + 1}: $CE(T, q) - CE(T, q^*) - D_{{KL}}(q^* \| q)$, summed over the data",
             rf"随机模型 {k + 1}：$CE(T, q) - CE(T, q^*) - D_{{KL}}(q^* \| q)$，对全部样本求和"),
            whole - sum(parts), equals=0, within=1e-6,
        )  # fmt: skip
        sums.append((k + 1, whole, *parts, sum(parts)))
        if run.seed == k == 0:
            run.claim(("both sides of it", "等式两边的值"), (whole, sum(parts)), equals=131.688, within=5e-4)
    run.table(("The Pythagorean identity, in nats", "勾股恒等式（单位：纳特）"),
              ("random model", "CE(T, q)", "CE(T, q*)", "KL(q*, q)", "sum of the two"), sums)  # fmt: skip
    data = np.array([0.5, 0.1, 0.4])
    members = {f: np.array([np.asarray(mt.softmax(f(mt.tensor(t)))) for t in GRID]) for f in (straight, bent)}
    ends = {f: projections(f, data) for f in (straight, bent)}
    gaps = {f: np.abs(pythagorean_gaps(data, ends[f][0], members[f])).max() for f in (straight, bent)}
    feature = np.array([1.5, -0.5, 0.0])
    run.claim(
        ("three outcomes, straight family: expected feature, model less data", "三个结果，直线族：特征期望之差（模型减数据）"),
        feature @ (ends[straight][0] - data), equals=0, within=1e-8,
    )  # fmt: skip
    run.claim(
        ("straight family: largest Pythagorean gap", "直线族：勾股恒等式的最大偏差"), gaps[straight], at_most=1e-7
    )
    run.claim(("bent family: largest Pythagorean gap", "弯曲的族：勾股恒等式的最大偏差"), gaps[bent], at_least=0.1)
    run.claim(
        ("M- and I-projection are not the same: largest difference of a probability", "M 投影与 I 投影不同：概率的最大差"),
        np.abs(ends[straight][0] - ends[straight][1]).max(), at_least=0.01,
    )  # fmt: skip
    own = np.array([p1, *((1 - p1) * data[1:] / data[1:].sum())])
    shown = ends if np.allclose(own, data) else {f: projections(f, own) for f in (straight, bent)}

    def draw(left: Any, middle: Any, right: Any) -> None:
        shown_norms, above = path.gradient_norms[:steps], path.losses[:steps] - lowest
        left.semilogy(np.maximum(shown_norms, 1e-16), label="norm of the gradient")
        left.semilogy(np.where(above > 1e-15, above, np.nan), "--", label="cross-entropy above its minimum")
        left.set(xlabel="step", ylabel="norm, cross-entropy", title="softmax regression on 60 points")
        left.legend(fontsize="small")
        for ax, family, name in ((middle, straight, "straight in the logits"), (right, bent, "bent")):
            plots.ternary(ax=ax)
            ax.plot(*analysis.to_triangle(members[family]).T, color="C0", label="the family")
            ax.plot(*analysis.to_triangle(np.array([own, shown[family][0]])).T, "k:", linewidth=1)
            for point, mark, label in (
                (own, "ko", "data p"),
                (shown[family][0], "C3*", "M-projection"),
                (shown[family][1], "C2^", "I-projection"),
            ):
                ax.plot(*analysis.to_triangle(point), mark, markersize=8, label=label)
            gap = np.abs(pythagorean_gaps(own, shown[family][0], members[family])).max()
            ax.set_title(f"{name}:\nPythagorean gap {gap:.2g}")
        middle.legend(fontsize="small", loc="upper left", bbox_to_anchor=(-0.1, 1.0))

    run.figure(
        ("Training stops where the moments agree. In a family that is straight in the logits the data, the M-projection and any member form "
         "a right triangle of KL; in a bent one they do not.",
         "矩相等处训练停止。若模型族在 logit 中是直线，则数据、M 投影与族中任一成员构成 KL 意义下的直角三角形；弯曲的族则不然。"),
        draw, (1, 3), (9.6, 4.2),
    )  # fmt: skip


def natural_path(target: np.ndarray, eta: float, steps: int) -> np.ndarray:
    """The distributions (steps + 1, C) from logits 0 on the cross-entropy, each step along the natural gradient."""
    z, goal = mt.tensor(np.zeros(len(target)), requires_grad=True), mt.tensor(target)
    optimizer = mt.optim.SGD([z], lr=eta)
    path = [np.asarray(mt.softmax(z).detach())]
    for _ in range(steps):
        optimizer.zero_grad()
        mt.cross_entropy(z, goal).backward()
        # the steepest direction per unit of Fisher length; the level of the logits has none
        inverse = np.linalg.pinv(np.asarray(fisher_of_logits(z.detach())), hermitian=True)
        z.grad = mt.tensor(inverse @ np.asarray(z.grad))
        optimizer.step()
        path.append(np.asarray(mt.softmax(z).detach()))
    return np.array(path)


@item(
    "information-geometry-helps-optimisation",
    kind="experiment",
    source="Chapter 4, section 4.1.5, before Table 4.1.1; section 4.1.7",
    title=("Geometry helps those who use it", "用上信息几何才有好处"),
    statement=(
        "The information geometry of the simplex is said to give the optimisation clearer theoretical properties.",
        "原文称，单纯形的信息几何结构使优化过程具有更清晰的理论性质。",
    ),
    verdict="holds with a condition",
    correction=(
        "Only if the optimizer uses the geometry, as the natural gradient (or mirror descent) does: on one soft target it reaches the limit of "
        "rounding in 4 steps. Ordinary gradient descent on the cross-entropy does not see the Fisher metric and takes about a hundred.",
        "前提是优化器用上这一几何，例如自然梯度（或镜像下降）：对一个软标签，4 步即到舍入误差。普通梯度下降不含 Fisher 度量，约需 100 步。",
    ),
    ranges={"eta": (0.1, 1.5), "p1": (0.05, 0.94), "steps": (5, 300)},
)
def geometry_helps(run: Run, eta: float = 1.0, p1: float = 0.6, steps: int = 120) -> None:
    goal = np.array([0.6, 0.3, 0.1])
    natural, plain = (way(goal, 1.0, 250) for way in (natural_path, softmax_path))
    kls = [np.asarray(kl_divergence(goal, path)) for path in (natural, plain)]
    for k, expected in enumerate((1.0e-2, 9.9e-5, 1.3e-8), 1):
        run.claim((f"natural gradient: KL after step {k}", f"自然梯度：第 {k} 步后的 KL 散度"), kls[0][k], equals=expected,
                  within=0.05 * 10 ** np.floor(np.log10(expected)))  # fmt: skip
    run.claim(("natural gradient: KL after step 4", "自然梯度：第 4 步后的 KL 散度"), abs(kls[0][4]), at_most=1e-14)
    for k, expected in enumerate((9.5e-2, 4.9e-2, 2.8e-2, 1.7e-2), 1):
        run.claim(
            (f"gradient descent: KL after step {k}", f"梯度下降：第 {k} 步后的 KL 散度"),
            kls[1][k],
            equals=expected,
            within=5e-4,
        )
    first = [int(np.argmax(np.abs(values) < 1e-14)) for values in kls]
    run.claim((r"natural gradient: steps to $10^{-14}$", r"自然梯度：达到 $10^{-14}$ 的步数"), first[0], equals=4)
    run.claim(
        (r"gradient descent: steps to $10^{-14}$", r"梯度下降：达到 $10^{-14}$ 的步数"), first[1], between=(50, 200)
    )
    free = mt.tensor([0.0, 0.0], requires_grad=True)
    optimizer = mt.optim.Newton([free])
    target = mt.tensor(goal)
    for _ in range(3):
        optimizer.step(lambda: mt.cross_entropy(mt.cat([free, mt.zeros(1)]), target))
    run.claim(
        ("here it is Newton's method: difference of the probabilities after 3 steps", "此处等同于牛顿法：3 步后概率之差"),
        np.abs(np.asarray(mt.softmax(mt.cat([free, mt.zeros(1)])).detach()) - natural[3]).max(), at_most=1e-10,
    )  # fmt: skip
    own = np.array([p1, *((1 - p1) * np.array([3, 1]) / 4)])
    paths = {
        name: way(own, eta, steps)
        for name, way in (("natural gradient", natural_path), ("gradient descent", softmax_path))
    }

    def draw(left: Any, right: Any) -> Any:
        plots.ternary(
            lambda q: np.log10(np.asarray(kl_divergence(own, q))), right, margin=2e-3, levels=np.arange(-4, 1.5, 0.5),
            label=r"$\log_{10}$ KL(target, q)",
        )  # fmt: skip
        lines = []
        for (name, path), (mark, size, colour) in zip(paths.items(), (("o-", 7, "C3"), ("s--", 3, "C1")), strict=True):
            values = np.abs(np.asarray(kl_divergence(own, path)))
            arrived = np.flatnonzero(values < 1e-15)  # what follows is rounding
            end = int(arrived[0]) + 1 if len(arrived) else len(values)
            style: dict[str, Any] = {"markersize": size, "markerfacecolor": "none", "color": colour, "label": name}
            lines += left.semilogy(np.maximum(values[:end], 1e-16), mark, **style)
            lines += right.plot(*analysis.to_triangle(path[:end]).T, mark, **style)
        left.axhline(1e-14, color="0.7", linewidth=0.8)
        left.set(xlabel="step", ylabel="KL(target, model)", ylim=(1e-16, 10))
        right.plot(*analysis.to_triangle(own), "k*", markersize=10)
        left.legend(fontsize="small")
        return grow(moments(steps, 50, log=True), *lines)

    run.figure(
        ("The same loss and the same learning rate: the natural gradient arrives in a few steps. Right: both ways to the target (star).",
         "同一损失、同一学习率：自然梯度几步即到。右图：通向目标（星号）的两条路径。"),
        draw, (1, 2), (9.6, 4.2), frames=50,
    )  # fmt: skip
