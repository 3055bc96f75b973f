"""Softmax and log-sum-exp: a gradient and its function, natural parameters, convex conjugates (Theorem 4.1.6)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import bregman_divergence, entropy, kl_divergence

from ..entry import item
from ..run import Run
from .bregman import PHIS, distributions, negative_entropy
from .softmax import Z, jacobians, softmax

LOG_SUM_EXP = PHIS["log-sum-exp"]


@item(
    "softmax-canonical-exponential-family",
    kind="theorem",
    source="Chapter 4, section 4.1.6, last paragraph; section 4.1.7",
    title=("Logits are natural parameters", "logit 是自然参数"),
    statement=(
        r"In its canonical form the categorical distribution has the logits as parameters: $\ln p(c) = z_c - A(z)$ with $A$ the log-sum-exp. With "
        "cross-entropy, the negative log-likelihood, that is maximum likelihood.",
        r"分类分布的规范形式以 logit 为参数：$\ln p(c) = z_c - A(z)$，其中 $A$ 为 LogSumExp。配上交叉熵（负对数似然），就是最大似然估计。",
    ),
    verdict="holds",
    ranges={"z2": (-4.0, 4.0), "z3": (-4.0, 4.0)},
    random=True,
)
def canonical(run: Run, z2: float = 1.0, z3: float = 0.1) -> None:
    z = mt.tensor(Z, requires_grad=True)
    p = softmax(Z)
    (mean,) = mt.grad(LOG_SUM_EXP(z), [z])
    run.claim((r"$\nabla A$ against $p$", r"$\nabla A$ 与 $p$ 之差"), np.abs(np.asarray(mean) - p).max(), at_most=1e-12)
    covariance = np.asarray(mt.hessian(LOG_SUM_EXP, mt.tensor(Z)))
    run.claim((r"$\nabla^2 A$ against $\operatorname{diag}(p) - pp^\top$", r"$\nabla^2 A$ 与 $\operatorname{diag}(p) - pp^\top$ 之差"),
              np.abs(covariance - np.diag(p) + np.outer(p, p)).max(), at_most=1e-12)  # fmt: skip
    labels = run.rng.choice(3, 200_000, p=p)
    one_hot = np.eye(3)[labels]
    run.claim(("against the covariance of 200000 one-hot draws", "与 200000 次 one-hot 抽样的协方差之差"),
              np.abs(np.cov(one_hot.T) - covariance).max(), at_most=0.002)  # fmt: skip
    logs = np.asarray(mt.log_softmax(mt.tensor(Z)))
    run.claim((r"$\ln p(c)$ against $z_c - A(z)$", r"$\ln p(c)$ 与 $z_c - A(z)$ 之差"), np.abs(logs - Z + LOG_SUM_EXP(z).item()).max(),
              at_most=1e-12)  # fmt: skip
    shares = one_hot.mean(0)
    soft = mt.cross_entropy(z.detach(), mt.tensor(shares)).item()
    run.claim(
        ("cross-entropy with the shares of the draws against the mean of $-\\ln p$ over them", "对抽样频率的交叉熵与逐样本 $-\\ln p$ 的均值之差"),
        soft - -logs[labels].mean(), equals=0, within=1e-10,
    )  # fmt: skip
    fitted = np.log(shares)
    at = mt.tensor(fitted, requires_grad=True)
    (slope,) = mt.grad(mt.cross_entropy(at, mt.tensor(shares)), [at])
    run.claim(("maximum likelihood: gradient where softmax gives the shares", "最大似然：Softmax 等于频率处的梯度"), np.abs(np.asarray(slope)).max(),
              at_most=1e-12)  # fmt: skip
    scores = run.rng.normal(scale=4, size=1000)
    pairs = np.column_stack([scores, np.zeros(1000)])
    run.claim((r"two classes: softmax$(z, 0)_1$ against the sigmoid", r"两类：softmax$(z, 0)_1$ 与 Sigmoid 之差"),
              np.abs(softmax(pairs)[:, 0] - np.asarray(mt.tensor(scores).sigmoid())).max(), at_most=1e-12)  # fmt: skip
    marks = run.rng.integers(0, 2, 1000)
    both = [
        np.asarray(mt.cross_entropy(mt.tensor(pairs), mt.tensor(1 - marks), reduction="none")),
        np.asarray(
            mt.binary_cross_entropy_with_logits(mt.tensor(scores), mt.tensor(marks.astype(float)), reduction="none")
        ),
    ]
    run.claim(("and the two losses differ by", "两种损失之差"), np.abs(both[0] - both[1]).max(), at_most=1e-12)
    grid = np.linspace(-6, 6, 121)
    along = analysis.Objective(
        lambda t: LOG_SUM_EXP(mt.cat([t, mt.tensor([z2, z3])])), mt.tensor([0.0], requires_grad=True)
    )
    curves = along.values(grid[:, None]), along.gradients(grid[:, None])[:, 0], along.hessians(grid[:, None])[:, 0, 0]
    counts = np.unique(np.geomspace(1, len(labels), 200).astype(int))
    running = np.cumsum(one_hot, 0)[counts - 1] / counts[:, None]

    def draw(left: Any, middle: Any, right: Any) -> None:
        left.plot(grid, curves[0], label=r"$A(z)$, log-sum-exp")
        left.plot(grid, np.maximum(grid, max(z2, z3)), ":", color="0.5", label="largest logit")
        left.set(xlabel="$z_1$", ylabel="A")
        middle.plot(grid, curves[1], label=r"slope of A: mean, $p_1$")
        middle.plot(grid, curves[2], "--", label=r"curvature of A: variance")
        middle.set(xlabel="$z_1$", ylabel="mean, variance")
        for k in range(3):
            right.semilogx(counts, running[:, k], color=f"C{k}", label=f"share of class {k + 1}")
            right.axhline(p[k], color=f"C{k}", linestyle=":", linewidth=1)
        right.set(xlabel="draws", ylabel="share", title="maximum likelihood, dotted: truth")
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        ("The derivatives of the log-partition function are the mean and the variance of the outcome; the maximum-likelihood logits reproduce the "
         "shares of the draws, which approach the true probabilities.",
         "对数配分函数的一阶、二阶导数分别为均值与方差；最大似然的 logit 重现抽样频率，后者趋于真实概率。"),
        draw, (1, 3), (9.6, 3.8),
    )  # fmt: skip


def fenchel_young(z: mt.Tensor, p: mt.Tensor) -> mt.Tensor:
    """A(z) + sum p ln p - <z, p>, of rows: by how much the logits z miss the distribution p."""
    return z.logsumexp(-1) - entropy(p) - (z * p).sum(-1)


@item(
    "softmax-ce-isomorphism",
    kind="theorem",
    source="Chapter 4, section 4.1.6, Theorem 4.1.6",
    title=("Dual, not isomorphic", "对偶而非同构"),
    statement=(
        "Theorem 4.1.6 calls softmax and cross-entropy isomorphic structures: together they tie the space of logits to that of distributions "
        "by information geometry.",
        "定理 4.1.6 称 Softmax 与交叉熵构成同构结构，二者通过信息几何把 logit 空间与分布空间联系起来。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"There is no isomorphism: the softmax sends a $C$-dimensional space to one of $C - 1$ dimensions and is not one-to-one. What holds is a "
        r"duality: log-sum-exp and negative entropy are each other's convex conjugate, the softmax is the gradient of the first, and cross-entropy less $H(p)$ is "
        r"$A(z) + \sum p \ln p - \langle z, p \rangle = D_{KL}(p \| \operatorname{softmax}(z))$, which is the Bregman divergence of log-sum-exp "
        "between the logits, with its arguments swapped.",
        r"同构并不存在：Softmax 把 $C$ 维空间映到 $C - 1$ 维，且不是单射。成立的是对偶：LogSumExp 与负熵互为凸共轭，Softmax 是前者的梯度。"
        r"交叉熵减去 $H(p)$ 为 $A(z) + \sum p \ln p - \langle z, p \rangle = D_{KL}(p \| \operatorname{softmax}(z))$。在 logit 空间里，这就是 "
        "LogSumExp 诱导的 Bregman 散度，只是两个自变量对调。",
    ),
    ranges={"z": (-5.0, 5.0), "p": (0.02, 0.98)},
    random=True,
)
def duality(run: Run, z: float = 1.5, p: float = 0.35, form: str = "right") -> None:
    logits, target = mt.tensor(Z), mt.tensor([0.7, 0.2, 0.1])
    value = fenchel_young(logits, target).item()
    run.claim((r"$A(z) + \sum p \ln p - \langle z, p \rangle$",) * 2, value, equals=0.005211463734, within=5e-13)
    run.claim((r"against $D_{KL}(p \| \operatorname{softmax}(z))$", r"与 $D_{KL}(p \| \operatorname{softmax}(z))$ 之差"),
              value - kl_divergence(target, mt.softmax(logits)).item(), equals=0, within=1e-12)  # fmt: skip
    run.claim((r"against the Bregman divergence of log-sum-exp, $D(z, \ln p)$", r"与 LogSumExp 的 Bregman 散度 $D(z, \ln p)$ 之差"),
              value - bregman_divergence(LOG_SUM_EXP, logits, target.log()).item(), equals=0, within=1e-12)  # fmt: skip
    run.claim(
        (r"against that of negative entropy, $D(p, \operatorname{softmax}(z))$", r"与负熵的 Bregman 散度 $D(p, \operatorname{softmax}(z))$ 之差"),
        value - bregman_divergence(negative_entropy, target, mt.softmax(logits)).item(), equals=0, within=1e-12,
    )  # fmt: skip
    zs, ps = 2 * run.rng.normal(size=(1000, 3)), distributions(run.rng, 1000)
    many = np.asarray(fenchel_young(mt.tensor(zs), mt.tensor(ps)))
    run.claim(("smallest of 1000 random pairs", "1000 对随机取值中的最小值"), many.min(), at_least=0)
    own = np.asarray(fenchel_young(mt.tensor(zs), mt.softmax(mt.tensor(zs))))
    run.claim(
        (r"where $p = \operatorname{softmax}(z)$", r"$p = \operatorname{softmax}(z)$ 时的值"),
        own,
        equals=0,
        within=1e-12,
    )
    far = np.abs(softmax(zs) - ps).max(1)
    run.claim((r"it is 0 only there: value over the squared distance of $p$ and $\operatorname{softmax}(z)$, at least",
               r"仅在该处为 0：其值与 $p$、$\operatorname{softmax}(z)$ 平方距离之比的最小值"), (many / far**2).min(), at_least=1.9)  # fmt: skip
    apart = np.abs(softmax(np.add(Z, 5)) - softmax(Z)).max()
    rank = np.linalg.matrix_rank(jacobians(np.array([Z])), tol=1e-12)[0]
    if form == "printed":  # an isomorphism keeps different things apart, and the dimension
        run.claim(("z and z + 5: distance of their images", "z 与 z + 5 的像之间的距离"), apart, at_least=1e-3)
        run.claim(("dimensions that the map keeps, of 3", "3 维中映射保持的维数"), rank, equals=3)
    else:
        run.claim(("z and z + 5: distance of their images", "z 与 z + 5 的像之间的距离"), apart, at_most=1e-12)
        run.claim(("dimensions that the map keeps, of 3", "3 维中映射保持的维数"), rank, equals=2)
    grid = np.linspace(-6, 6, 121)
    pairs = mt.tensor(np.column_stack([grid, np.zeros(121)]))
    partition = np.asarray(pairs.logsumexp(-1))
    label = mt.tensor([p, 1 - p])
    misses = np.asarray(fenchel_young(pairs, label))
    own_entropy, best = entropy(label).item(), float(np.log(p / (1 - p)))
    here = fenchel_young(mt.tensor([z, 0.0]), label).item()

    def draw(left: Any, right: Any) -> None:
        left.plot(grid, partition, label=r"$A(z) = \ln(e^z + 1)$")
        left.plot(grid, p * grid + own_entropy, "--", color="0.4", label=f"tangent of slope p = {p:g}: $pz + H(p)$")
        left.plot(best, p * best + own_entropy, "ko", markersize=4)
        left.plot(
            [z, z],
            [p * z + own_entropy, p * z + own_entropy + here],
            color="C3",
            linewidth=3,
            label=f"gap at z: {here:.4f}",
        )
        left.set(xlabel="z, of the logits (z, 0)", ylim=(min(-1.0, p * z + own_entropy - 0.3), 6.5), ylabel="A")
        right.plot(grid, misses + own_entropy, label="cross-entropy")
        right.plot(grid, misses, "--", color="C3", label=r"gap = $D_{KL}(p \| \mathrm{softmax}(z))$")
        right.axvline(best, color="0.7", linewidth=0.8)
        right.set_ylim(top=1.25 * right.get_ylim()[1])  # the legend is above
        right.annotate(
            r"$\ln \frac{p}{1 - p}$", (best, right.get_ylim()[1] * 0.8), xytext=(4, 0), textcoords="offset points"
        )
        right.plot(z, here, "o", color="C3")
        right.set(xlabel="z, of the logits (z, 0)", ylabel="nats")
        for ax in (left, right):
            ax.legend(fontsize="small", loc="upper left" if ax is left else "upper right")

    run.figure(
        ("Conjugate functions: the tangent of slope $p$ touches the log-sum-exp at the logits of $p$; its gap elsewhere is the KL divergence.",
         "共轭函数：斜率为 $p$ 的切线在 $p$ 的 logit 处与 LogSumExp 相切；其他位置的差距就是 KL 散度。"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
