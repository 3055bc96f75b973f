"""What one batch does to the parameters, what all do, and what batches do on average (section 6.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.data.points import gabor_points
from microtrain.nn.functional import mse_loss

from ..entry import item
from ..run import Run
from .gabor import X, Y, each_loss, landscape, path


@item(
    "minibatch-sgd-sum",
    kind="optimizer",
    source="Chapter 6, eq. 6.10",
    title=("A step of SGD", "SGD 的一步"),
    statement=(
        r"$\phi_{t+1} = \phi_t - \alpha \sum_{i \in B_t} \partial L / \partial \phi$: the derivatives of the batch are added up; the rate is fixed "
        "beforehand.",
        r"$\phi_{t+1} = \phi_t - \alpha \sum_{i \in B_t} \partial L / \partial \phi$：把批次内的导数相加；学习率预先给定。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The summand is the derivative of the loss of one pair, $\partial e_i / \partial \phi$. With that of the whole loss every batch would give "
        r"$|B|$ times the full gradient, and nothing would be stochastic. A misprint of the translation, also in eq. 6.11, 6.12 and 6.18.",
        r"求和的应是单个样本损失的导数 $\partial e_i / \partial \phi$。若用总损失的导数，任何批次都给出全批量梯度的 $|B|$ 倍，毫无随机性。"
        r"这是译本的印刷错误，式 (6.11)、(6.12)、(6.18) 也有。",
    ),
    ranges={"batch": (1, 30), "alpha": (0.01, 1.0), "phi_0": (-10.0, 10.0), "phi_1": (2.5, 22.5)},
    random=True,
)
def minibatch_sum(
    run: Run, batch: int = 5, alpha: float = 0.1, phi_0: float = 3.0, phi_1: float = 10.0, form: str = "right"
) -> None:
    x, y = gabor_points()

    def step(chosen: np.ndarray, lr: float, at: tuple[float, float], how: str) -> np.ndarray:
        model = mt.nn.Gabor(*at)
        optimizer = mt.optim.SGD(model.parameters(), lr=lr)
        losses = mse_loss(model(x), y, "none")
        loss = losses[chosen].sum() if how == "right" else len(chosen) * losses.sum()
        loss.backward()
        optimizer.step()
        return np.array([p.item() for p in model.parameters()]) - at

    at = (3.0, 10.0)
    each = analysis.per_sample_gradients(*each_loss(at))
    sets = [run.rng.permutation(30)[:5] for _ in range(50)]
    steps = np.array([step(chosen, 0.1, at, form) for chosen in sets])
    run.claim(
        (r"50 batches of 5: distance of the steps from $-\alpha$ times 5 single gradients", r"50 个大小为 5 的批次：各步与 5 个单样本梯度之和的 $-\alpha$ 倍之差"),
        np.abs(steps + 0.1 * np.array([each[chosen].sum(0) for chosen in sets])).max(), at_most=1e-12,
    )  # fmt: skip
    run.claim(("spread of the steps over the batches, relative to their mean", "各批次的步的离散程度，相对于均值"),
              np.linalg.norm(steps.std(0)) / np.linalg.norm(steps.mean(0)), at_least=0.2)  # fmt: skip
    as_printed = np.array([step(chosen, 0.1, at, "printed") for chosen in sets[:4]])
    run.claim((r"as printed, every batch: distance from $-\alpha \cdot 5$ full gradients", r"按原文，每个批次：与 $-\alpha \cdot 5$ 倍全批量梯度之差"),
              np.abs(as_printed + 0.5 * each.sum(0)).max(), at_most=1e-12)  # fmt: skip
    mine = [run.rng.permutation(30)[:batch] for _ in range(80)]
    shown = {
        how: np.array([step(chosen, alpha, (phi_0, phi_1), how) for chosen in mine]) for how in ("right", "printed")
    }

    def draw(left: Any, right: Any) -> None:
        for ax, (how, moves), title in zip(
            (left, right), shown.items(), (r"$\sum \partial e_i$", r"as printed: $\sum \partial L$"), strict=True
        ):
            ax.quiver(np.zeros(len(moves)), np.zeros(len(moves)), *moves.T, angles="xy", scale_units="xy", scale=1, width=0.003, alpha=0.5,
                      color="C0" if how == "right" else "C3", label=f"{len(moves)} batches of {batch}")  # fmt: skip
            reach = 1.15 * np.abs(moves).max()
            ax.set(
                xlim=(-reach, reach),
                ylim=(-reach, reach),
                xlabel=r"step in $\phi_0$",
                ylabel=r"step in $\phi_1$",
                title=title,
            )
            ax.legend(fontsize="small")

    run.figure(
        ("Eighty batches: eighty steps, or eighty times the same", "80 个批次：80 个不同的步，或 80 个相同的步"),
        draw,
        (1, 2),
        (9.5, 4.4),
    )


@item(
    "full-batch-equals-gd",
    kind="theorem",
    source="Chapter 6, section 6.2.1",
    title=("SGD with all samples is gradient descent", "批次为全体时 SGD 即梯度下降"),
    statement=(
        "With a batch as large as the data set, SGD is ordinary gradient descent.",
        "若批次取整个数据集，SGD 就是普通的梯度下降。",
    ),
    verdict="holds",
    ranges={"batch": (1, 30), "alpha": (0.01, 0.15), "steps": (1, 400)},
    random=True,
)
def full_batch(run: Run, batch: int = 30, alpha: float = 0.1, steps: int = 100) -> None:
    def stochastic(size: int, lr: float, count: int) -> np.ndarray:
        model, places = mt.nn.Gabor(-1.5, 8.5), [(-1.5, 8.5)]
        loader = mt.data.DataLoader(gabor_points(), size, shuffle=True, generator=mt.Generator(run.seed))
        optimizer = mt.optim.SGD(model.parameters(), lr=lr)
        while len(places) <= count:
            for x, y in loader:
                optimizer.zero_grad()
                mse_loss(model(x), y, "sum").backward()
                optimizer.step()
                places.append((model.phi_0.item(), model.phi_1.item()))
        return np.array(places[: count + 1])

    plain = path((-1.5, 8.5), 0.1, 100).points
    run.claim(("100 steps: largest distance of the trajectories", "100 步：两条轨迹的最大距离"), np.abs(stochastic(30, 0.1, 100) - plain).max(),
              at_most=1e-12)  # fmt: skip
    run.claim(
        ("with batches of 15 they differ", "批量为 15 时两者不同"),
        np.abs(stochastic(15, 0.1, 100) - plain).max(),
        at_least=1e-3,
    )
    run.note(
        "They need not agree bit by bit: each epoch adds the samples up in another order.",
        "两者不必逐位相同：每个轮次的求和顺序不同。",
    )
    shown = {"GD": path((-1.5, 8.5), alpha, steps).points}
    for size in dict.fromkeys((5, 15, batch)):
        shown[f"SGD, batches of {size}"] = stochastic(size, alpha, steps)

    def draw(left: Any, right: Any) -> None:
        found = landscape()
        left.contourf(found.x, found.y, found.values, 30, cmap="viridis")
        for k, (name, points) in enumerate(shown.items()):
            colour = ("white", "#ffd23f", "#ff8c7a", "#e04fc0")[k]
            left.plot(*points.T, color=colour, linewidth=1.2 if k else 4, linestyle="--" if k == 3 else "-", label=name)
            if k:
                right.semilogy(
                    np.abs(points - shown["GD"]).max(1) + 1e-17,
                    label=name,
                    color=("#c99a00", "#e4572e", "#e04fc0")[k - 1],
                )
        left.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$", xlim=(-4, 4), ylim=(6, 20))
        left.legend(fontsize="small", facecolor="#555b63", labelcolor="white", loc="lower right")
        right.set(xlabel="step", ylabel="distance from gradient descent")
        right.legend(fontsize="small")

    run.figure(
        ("The paths, and how far each is from that of gradient descent", "轨迹，以及各自与梯度下降轨迹的距离"),
        draw,
        (1, 2),
        (9.6, 4.4),
    )


@item(
    "sgd-expected-gradient",
    kind="theorem",
    source="Chapter 6, section 6.2.1, last sentence",
    title=("On average a batch is right", "批次的梯度平均而言是对的"),
    statement=(
        "However much the batches vary, the expected loss and gradient at any point are those of gradient descent.",
        "尽管各批次不同，在任何一点，损失和梯度的期望都与梯度下降的相同。",
    ),
    verdict="holds with a condition",
    correction=(
        r"With the sums of eq. 6.10 the expectation is $|B|/I$ times the full loss and gradient. They are equal for means, or with the factor $I/|B|$.",
        r"若按式 (6.10) 求和，期望是总损失和全批量梯度的 $|B|/I$ 倍；改用均值，或乘以 $I/|B|$，才相等。",
    ),
    ranges={"samples": (2, 14), "batch": (1, 14), "phi_0": (-10.0, 10.0), "phi_1": (2.5, 22.5)},
)
def expected_gradient(run: Run, samples: int = 8, batch: int = 3, phi_0: float = 3.0, phi_1: float = 10.0) -> None:
    def of(count: int, at: tuple[float, float]) -> tuple[Callable[[], mt.Tensor], mt.nn.Gabor]:
        model, x, y = mt.nn.Gabor(*at), mt.tensor(X[:count]), mt.tensor(Y[:count])
        return lambda: mse_loss(model(x), y, "none"), model

    each = of(8, (3.0, 10.0))
    singles, losses = analysis.per_sample_gradients(*each), each[0]().detach().numpy()
    sums, means = (analysis.all_batch_gradients(*each, 3, kind) for kind in ("sum", "mean"))
    run.claim(("batches of 3 from 8", "8 中取 3 的批次数"), len(sums), equals=56)
    run.claim(
        ("sums: expected gradient over the full one", "求和：期望梯度与全批量梯度之比"),
        sums.mean(0) / singles.sum(0),
        equals=0.375,
        within=1e-14,
    )
    run.claim(("means: distance of the expected gradient from the full one", "均值：期望梯度与全批量梯度之差"),
              np.abs(means.mean(0) - singles.mean(0)).max(), at_most=1e-15)  # fmt: skip
    chosen = np.array(list(combinations(range(8), 3)))
    run.claim(
        ("sums: expected loss over the full one", "求和：期望损失与总损失之比"),
        losses[chosen].sum(1).mean() / losses.sum(),
        equals=0.375,
        within=1e-14,
    )
    count, size = samples, min(batch, samples)
    mine = of(count, (phi_0, phi_1))
    cloud = analysis.all_batch_gradients(*mine, size, "mean")
    full = analysis.per_sample_gradients(*mine).mean(0)
    ratios = [
        analysis.all_batch_gradients(*mine, k, "sum").mean(0) @ full / (full @ full) / count
        for k in range(1, count + 1)
    ]

    def draw(left: Any, right: Any) -> None:
        left.plot(*cloud.T, ".", color="#7a8794", markersize=4, alpha=0.6, label=f"all {len(cloud)} batches of {size}")
        left.plot(
            *cloud.mean(0),
            "o",
            color="C3",
            markersize=11,
            markerfacecolor="none",
            markeredgewidth=2,
            label="their mean",
        )
        left.plot(*full, "+", color="black", markersize=12, markeredgewidth=2, label="mean of all samples")
        left.set(
            xlabel=r"$\partial / \partial \phi_0$", ylabel=r"$\partial / \partial \phi_1$", title="means over the batch"
        )
        right.plot(range(1, count + 1), ratios, "o", label="measured")
        right.plot([0, count], [0, 1], "k:", label=r"$|B| / I$")
        right.set(xlabel="batch size", ylabel="expected gradient / full gradient", title="sums over the batch")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(("Means are right on average; sums are too small by the share of the samples", "均值的期望正确；求和的期望则按样本所占比例偏小"),
               draw, (1, 2), (9.5, 4.2))  # fmt: skip
