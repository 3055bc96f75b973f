"""Losses that are not convex: cross-entropy after a hidden layer, squared error after self-attention."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import hole, two_layers
from microtrain.nn.functional import binary_cross_entropy_with_logits

from ..dynamics.descent import descend
from ..entry import item
from ..run import Run

CORNERS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
XOR = np.array([0.0, 1.0, 1.0, 0.0])


def network_loss(x: mt.Tensor, y: mt.Tensor, hidden: int) -> analysis.Objective:
    """The cross-entropy of a 2-h-1 tanh network as a function of all its weights: W1, b1, W2, b2."""

    def loss(p: mt.Tensor) -> mt.Tensor:
        inner = mt.tanh(x @ p[: 2 * hidden].reshape(2, hidden) + p[2 * hidden : 3 * hidden])
        return binary_cross_entropy_with_logits(inner @ p[3 * hidden : 4 * hidden] + p[4 * hidden], y)  # type: ignore[no-any-return]

    return analysis.objective(loss, np.zeros(4 * hidden + 1))


def xor_runs(hidden: int, seeds: range, lr: float, steps: int) -> np.ndarray:
    """The cross-entropy on the four XOR points over the steps of gradient descent, one column for each seed."""
    x, y = mt.tensor(CORNERS), mt.tensor(np.tile(XOR, (len(seeds), 1)))
    first, last = [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        first.append(rng.standard_normal((2, hidden)))
        last.append(rng.standard_normal((hidden, 1)) / np.sqrt(hidden))

    def each(w: mt.Tensor, b: mt.Tensor, v: mt.Tensor, c: mt.Tensor) -> mt.Tensor:
        logits = (mt.tanh(x @ w + b) @ v + c).squeeze(-1)
        return binary_cross_entropy_with_logits(logits, y, reduction="none").mean(-1)  # type: ignore[no-any-return]

    starts = [np.array(first), np.zeros((len(seeds), 1, hidden)), np.array(last), np.zeros((len(seeds), 1, 1))]
    _, seen = descend(lambda *p: each(*p).sum(), starts, lr, steps, watch=each)
    return np.asarray(seen)


@item(
    "network-ce-loss-nonconvex",
    kind="experiment",
    source="Chapter 4, section 4.2.2",
    title=("A hidden layer makes cross-entropy non-convex", "有了隐藏层，交叉熵不再是凸函数"),
    statement=(
        "Several layers followed by a softmax can have a non-convex loss. Non-convex is said to mean that there are several local "
        "minima, so that training may end in different ones.",
        "多层网络之后接 Softmax，损失可能是非凸的。书中说，非凸意味着存在多个局部极小值，训练可能停在不同的极小值。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Negative curvature is there, and so are several levels: on XOR a network with two hidden units ends at 0 or at "
        r"$\frac{1}{2} \ln 2$. But the one does not follow from the other. $1 - e^{-x^2/2}$ is non-convex with one minimum, and "
        r"$(ab-1)^2/2$ is non-convex with all its minima equally low.",
        r"负曲率确实存在，不同的损失值也确实出现：在 XOR 数据上，两个隐藏单元的网络停在 0 或 $\frac{1}{2} \ln 2$。"
        r"但前者并不蕴含后者：$1 - e^{-x^2/2}$ 非凸而只有一个极小值，$(ab-1)^2/2$ 非凸而所有极小值同样低。",
    ),
    ranges={"hidden": (1, 24), "spread": (0.01, 2.0), "xor_hidden": (1, 8)},
    random=True,
)
def network_not_convex(run: Run, hidden: int = 8, spread: float = 0.5, xor_hidden: int = 2) -> None:
    x, labels = mt.data.make_xor(50, generator=mt.Generator(0))
    y = labels.to(mt.float64)
    logistic = analysis.objective(lambda p: binary_cross_entropy_with_logits(x @ p[:2] + p[2], y), np.zeros(3))

    def spectra(width: int, size: float) -> np.ndarray:
        starts = [size * np.random.default_rng(5 * run.seed + k).standard_normal(4 * width + 1) for k in range(5)]
        return np.linalg.eigvalsh(network_loss(x, y, width).hessians(starts))

    values = spectra(8, 0.5)
    if run.seed == 0:
        for k, (lowest, known) in enumerate(zip(values[:, 0], (-0.167, -0.545, -0.280, -0.303, -0.606), strict=True)):
            run.claim(
                (rf"network of seed {k}: $\lambda_{{min}}$", rf"种子 {k} 的网络：$\lambda_{{min}}$"), lowest,
                equals=known, within=5e-4,
            )  # fmt: skip
        run.claim(
            ("negative eigenvalues, of 33", "33 个特征值中负的个数"), (values < 0).sum(1), between=(15, 19)
        )  # fmt: skip
    run.claim(
        (r"five networks: the largest $\lambda_{min}$", r"五个网络中最大的 $\lambda_{min}$"),
        values[:, 0],
        at_most=-0.05,
    )
    points = [0.5 * np.random.default_rng(5 * run.seed + k).standard_normal(3) for k in range(5)]
    control = np.linalg.eigvalsh(logistic.hessians(points))
    run.claim(
        (r"logistic regression on the same data: $\lambda_{min}$", r"同样数据上的逻辑回归：$\lambda_{min}$"),
        control[:, 0], between=(0.05, 0.25),
    )  # fmt: skip

    curves = xor_runs(2, range(24), 0.5, 2000)
    trapped = curves[-1] > 0.1
    run.claim(
        (rf"XOR, {trapped.sum()} of 24 runs: loss less $\frac{{1}}{{2}} \ln 2$",
         rf"XOR，24 次运行中的 {trapped.sum()} 次：损失与 $\frac{{1}}{{2}} \ln 2$ 之差"),
        curves[-1][trapped] - np.log(2) / 2, equals=0, within=0.002,
    )  # fmt: skip
    run.claim(("XOR, the other runs: loss", "XOR，其余各次：损失"), curves[-1][~trapped], at_most=0.005)

    grid = np.linspace(-4, 4, 401)
    hump = analysis.objective(hole, np.zeros(1))
    bend = hump.hessians(grid[:, None]).ravel()
    run.claim(
        (r"$1 - e^{-x^2/2}$: second derivative at 2", r"$1 - e^{-x^2/2}$ 在 2 处的二阶导数"), bend[300],
        equals=-0.406, within=5e-4,
    )  # fmt: skip
    slope = hump.gradients(grid[:, None]).ravel()
    run.claim(
        (r"$1 - e^{-x^2/2}$: its slope has the sign of $x$ on $[-4, 4]$, so one minimum",
         r"$1 - e^{-x^2/2}$：$[-4, 4]$ 上导数与 $x$ 同号，故只有一个极小值"),
        bool((np.sign(slope) == np.sign(grid.round(12))).all()),
    )  # fmt: skip
    factors = analysis.objective(two_layers, np.zeros(2))
    run.claim(
        (r"$(ab-1)^2/2$: $\lambda_{min}$ at $(0, 0)$", r"$(ab-1)^2/2$ 在 $(0, 0)$ 处的 $\lambda_{min}$"),
        np.linalg.eigvalsh(factors.hessian(np.zeros(2)))[0], equals=-1, within=1e-12,
    )  # fmt: skip
    starts = np.random.default_rng(0).standard_normal((2, 200))
    ends, _ = descend(two_layers, [starts], 0.05, 2000)
    run.claim(
        (r"$(ab-1)^2/2$: the highest loss at the end of 200 runs", r"$(ab-1)^2/2$：200 次运行结束时的最高损失"),
        factors.values(ends[0].T), at_most=1e-12,
    )  # fmt: skip

    shown = spectra(hidden, spread)
    paths = curves if xor_hidden == 2 else xor_runs(xor_hidden, range(24), 0.5, 2000)

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k, row in enumerate(shown):
            below = row < 0
            left.plot(np.full(below.sum(), k), row[below], "_", color="#d1600f", markersize=14)
            left.plot(np.full((~below).sum(), k), row[~below], "_", color="#1f5fa8", markersize=14)
        left.plot(np.full(3, 5), control[0], "_", color="#1f5fa8", markersize=14, label="positive")
        left.plot([], [], "_", color="#d1600f", markersize=14, label="negative")
        left.axhline(0, color="0.6", linewidth=0.8)
        left.set_xticks(range(6), [*(f"net {k}" for k in range(5)), "logistic"], rotation=40)
        left.set(ylabel="eigenvalues of the Hessian", title=f"2-{hidden}-1 networks")
        left.set_yscale("symlog", linthresh=0.1)
        left.set_ylim(8 * min(shown.min(), -0.1), None)
        left.legend(fontsize="small", loc="lower right")
        stuck = paths[-1] > 0.1
        for group, colour, dash in ((stuck, "#d1600f", "--"), (~stuck, "#1f5fa8", "-")):
            if group.any():
                lines = middle.semilogy(paths[:, group], color=colour, linestyle=dash, linewidth=0.7)
                lines[0].set_label(f"{group.sum()} of 24 runs")
        middle.axhline(np.log(2) / 2, color="black", linestyle=":", label=r"$\frac{1}{2} \ln 2$")
        middle.set(xlabel="step", ylabel="loss", title=f"XOR, {xor_hidden} hidden units")
        middle.legend(fontsize="small", loc="lower left")
        right.plot(grid, hump.values(grid[:, None]), label="$1 - e^{-x^2/2}$")
        right.plot(grid, bend, "--", label="its second derivative")
        right.fill_between(grid, -0.5, 1.1, where=bend < 0, color="#d1600f", alpha=0.12, label="curved downwards")
        right.axhline(0, color="0.6", linewidth=0.8)
        right.set(xlabel="$x$", ylabel="value, second derivative", title="one minimum", ylim=(-0.5, 1.6))
        right.legend(fontsize="small", loc="upper center", ncols=1)

    run.figure(
        (
            "Left: curvatures of five random networks and of logistic regression. Middle: training ends on two levels. Right: "
            "non-convex, and yet one minimum.",
            "左：五个随机网络与逻辑回归的曲率。中：训练停在两种损失值。右：非凸，却只有一个极小值。",
        ),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip


def attention_data(seed: int) -> tuple[mt.Tensor, mt.Tensor, mt.nn.SelfAttention]:
    """Sequences (8, 4, 2), targets (8, 2) and one head of attention with weights 0.7 N(0, 1), drawn in this order."""
    rng = np.random.default_rng(seed)
    sequences, targets = mt.tensor(rng.standard_normal((8, 4, 2))), mt.tensor(rng.standard_normal((8, 2)))
    head = mt.nn.SelfAttention(2, dtype=mt.float64)
    for weight in head.parameters():
        weight.detach().copy_(0.7 * rng.standard_normal((2, 2)))
    return sequences, targets, head


def last_error(sequences: mt.Tensor, targets: mt.Tensor, head: mt.nn.SelfAttention) -> mt.Tensor:
    """Half the squared distance between what the last position attends to and its target, averaged."""
    miss = head(sequences)[:, -1] - targets
    return 0.5 * (miss * miss).sum(-1).mean()  # type: ignore[no-any-return]


@item(
    "attention-loss-nonconvex",
    kind="experiment",
    source="Chapter 4, section 4.2.2",
    title=("Self-attention makes squared error non-convex", "自注意力使平方误差不再是凸函数"),
    statement=(
        r"Self-attention brings a nonlinearity of its own: even without a hidden layer the loss is not convex in the weights "
        r"$W_Q, W_K, W_V$.",
        r"自注意力带来额外的非线性：即使没有隐藏层，损失关于权重 $W_Q, W_K, W_V$ 也不是凸函数。",
    ),
    verdict="holds",
    ranges={"scale": (0.0, 4.0)},
    random=True,
)
def attention_not_convex(run: Run, scale: float = 1.0) -> None:
    cases = [attention_data(6 * run.seed + k) for k in range(6)]
    full = []
    frozen = []
    for sequences, targets, head in cases:
        loss = lambda s=sequences, t=targets, h=head: last_error(s, t, h)
        full.append(np.linalg.eigvalsh(analysis.hessian(loss, head)))
        values = analysis.objective(loss, [head.value.weight])
        points = np.concatenate([[values.theta], run.rng.standard_normal((4, 4))])
        frozen.append(np.linalg.eigvalsh(values.hessians(points)))
    lowest, fixed = np.array(full), np.array(frozen)
    run.claim(
        (r"six data sets, 12 weights each: the largest $\lambda_{min}$", r"六组数据，各 12 个权重：最大的 $\lambda_{min}$"),
        lowest[:, 0], at_most=-0.05,
    )  # fmt: skip
    run.claim(
        (r"$W_Q$ and $W_K$ fixed, five $W_V$ each: the smallest $\lambda_{min}$",
         r"固定 $W_Q$、$W_K$，各取五个 $W_V$：最小的 $\lambda_{min}$"),
        fixed[..., 0], at_least=-1e-10,
    )  # fmt: skip
    run.claim(
        (r"and the Hessian does not depend on $W_V$: differences of eigenvalues",
         r"此时 Hessian 矩阵与 $W_V$ 无关：特征值之差"),
        np.abs(fixed - fixed[:, :1]).max(), at_most=1e-12,
    )  # fmt: skip
    sequences, targets, head = cases[0]
    whole = analysis.objective(lambda: last_error(sequences, targets, head), head)
    axes = analysis.principal_axes(whole)
    turn = np.linspace(-4, 4, 161)
    ways = {
        r"all weights, along $\lambda_{min}$": scale * axes.vectors[:, 0],
        r"$W_V$ alone": scale * np.concatenate([np.zeros(8), np.array([1.0, -1.0, 1.0, 0.5]) / np.sqrt(3.25)]),
    }
    heights = {name: whole.values(whole.theta + turn[:, None] * way) for name, way in ways.items()}

    def draw(left: Any, right: Any) -> None:
        for k, (row, still) in enumerate(zip(lowest, fixed[:, 0], strict=True)):
            left.plot(np.full(12, k - 0.15), row, "_", color="#d1600f", markersize=12)
            left.plot(np.full(4, k + 0.15), still, "_", color="#1f5fa8", markersize=12)
        left.plot([], [], "_", color="#d1600f", markersize=12, label="all 12 weights")
        left.plot([], [], "_", color="#1f5fa8", markersize=12, label="$W_V$ alone")
        left.axhline(0, color="0.6", linewidth=0.8)
        left.set_yscale("symlog", linthresh=0.1)
        left.set(xlabel="data set", ylabel="eigenvalues of the Hessian")
        left.legend(fontsize="small")
        for (name, height), dash in zip(heights.items(), ("-", "--"), strict=True):
            right.plot(turn, height, dash, label=name)
        right.plot(0, float(whole()), "ko", markersize=5, label="where the Hessian was taken")
        right.set(xlabel="distance along the direction", ylabel="loss", title="data set 0")
        right.legend(fontsize="small")

    run.figure(
        (
            r"Left: curvatures with and without $W_Q$ and $W_K$. Right: the loss on two lines through the same point; in $W_V$ it "
            "is a parabola.",
            r"左：包含与不包含 $W_Q$、$W_K$ 时的曲率。右：过同一点的两条直线上的损失，沿 $W_V$ 是抛物线。",
        ),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip
