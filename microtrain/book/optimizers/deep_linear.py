"""Deep linear networks: what they represent, and their gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run


@item(
    "deep-linear-network",
    kind="model",
    source="Deep-learning optimizers, deep linear networks, hands-on problem 3154377; the two-layer linear network of the dynamics of gradient descent",
    title=("The deep linear network", "深度线性网络"),
    statement=(
        r"$f(x) = W_L \cdots W_1 x$, layers without a non-linearity, represents exactly the linear maps whose rank is at most the "
        "smallest width.",
        r"$f(x) = W_L \cdots W_1 x$ 各层之间没有非线性，恰好能表示秩不超过最小宽度的所有线性映射。",
    ),
    verdict="holds",
    ranges={"width": (1, 16), "depth": (2, 6)},
    random=True,
)
def deep_linear_network(run: Run, width: int = 3, depth: int = 3) -> None:
    worst, ranks, spare = 0.0, [], []
    shapes = [(8, k, 6) for k in (1, 2, 4, 5)] + [(8, 7, k, 7, 6) for k in (1, 2, 4, 5)] + [(6, 6, 6), (8, 2, 7, 5)]
    for k, widths in enumerate(2 * shapes):
        net = mt.nn.DeepLinear(widths, generator=mt.Generator(20 * run.seed + k))
        x = run.rng.normal(size=(widths[0], 11))
        matrix = net.product()
        worst = max(
            worst,
            float(np.abs(net(mt.tensor(x.T)).T.detach().numpy() - (matrix @ mt.tensor(x)).detach().numpy()).max()),
        )
        ranks.append(np.linalg.matrix_rank(matrix.detach().numpy(), tol=1e-10))
        spare.append(min(widths) - ranks[-1])
    run.claim(
        (r"20 networks: forward pass less $(W_L \cdots W_1) X$", r"20 个网络：前向传播与 $(W_L \cdots W_1) X$ 之差"),
        worst,
        at_most=1e-12,
    )
    run.claim(("smallest width less rank of the product", "最小宽度与乘积的秩之差"), spare, equals=0)

    target = run.rng.normal(size=(6, 2)) @ run.rng.normal(size=(2, 8))
    u, s, v = np.linalg.svd(target)
    exact = mt.nn.DeepLinear((8, 2, 6))
    exact.load_state_dict(
        {
            name: mt.tensor(value)
            for name, value in zip(exact.state_dict(), (np.diag(s[:2]) @ v[:2], u[:, :2]), strict=True)
        }
    )
    run.claim(
        ("a map of rank 2 in a network of width 2: distance", "宽度为 2 的网络表示秩为 2 的映射：两者之差"),
        np.abs(exact.product().detach().numpy() - target).max(),
        at_most=1e-12,
    )
    widths = (12, *[width] * (depth - 1), 10)
    shown = [
        mt.nn.DeepLinear(widths, generator=mt.Generator(run.seed + k)).product().detach().numpy() for k in range(10)
    ]

    def draw(left: Any, right: Any) -> None:
        for k, matrix in enumerate(shown):
            values = np.linalg.svd(matrix, compute_uv=False)
            left.semilogy(
                1 + np.arange(10),
                np.maximum(values, 1e-18),
                "o-",
                markersize=3,
                color="C0",
                alpha=0.5,
                label="ten networks" if k == 0 else None,
            )
        left.axvline(min(width, 10) + 0.5, color="black", linewidth=0.8, linestyle=":", label=f"width {width}")
        left.set(xlabel="i", ylabel="i-th singular value of the product", title=" → ".join(map(str, widths)))
        left.legend(fontsize="small")
        heights = [np.linspace(-1, 1, size) * size / 12 if size > 1 else np.zeros(1) for size in widths]
        for layer, (below, above) in enumerate(zip(heights, heights[1:], strict=False)):
            for one in below:
                right.plot([layer, layer + 1], np.array([np.full(len(above), one), above]), color="0.75", linewidth=0.4)
        for layer, places in enumerate(heights):
            inside = 0 < layer < depth
            right.plot([layer] * len(places), places, "o", color="C3" if inside else "C0", markersize=5)
        right.set(
            xlabel="layer", xticks=range(len(widths)), yticks=[], title="every unit adds up its inputs, nothing more"
        )

    run.figure(
        (
            "Beyond the smallest width all singular values are zero up to rounding.",
            "超过最小宽度后，奇异值只剩舍入误差。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )


@item(
    "deep-linear-backprop",
    kind="theorem",
    source="Deep-learning optimizers, back-propagation in matrices; hands-on problem 3154377",
    title=("Back-propagation through a deep linear network", "深度线性网络的反向传播"),
    statement=(
        r"The gradient of $\frac{1}{2n} \|W_L \cdots W_1 X - Y\|_F^2$ with respect to $W_l$ is $\frac{1}{n} (W_L \cdots "
        r"W_{l+1})^\top (W_L \cdots W_1 X - Y) X^\top (W_{l-1} \cdots W_1)^\top$.",
        r"$\frac{1}{2n} \|W_L \cdots W_1 X - Y\|_F^2$ 关于 $W_l$ 的梯度为 $\frac{1}{n} (W_L \cdots W_{l+1})^\top (W_L \cdots "
        r"W_1 X - Y) X^\top (W_{l-1} \cdots W_1)^\top$。",
    ),
    verdict="holds",
    ranges={"seed": (0, 1000), "samples": (1, 200)},
)
def deep_linear_backprop(run: Run, seed: int = 0, samples: int = 7) -> None:
    def both(number: int, n: int) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """The gradient of each layer: by autodiff, by the formula, by central differences."""
        rng = np.random.default_rng(number)
        x, y = rng.normal(size=(4, n)), rng.normal(size=(2, n))
        net = mt.nn.DeepLinear((4, 5, 3, 2), generator=mt.Generator(number))

        def loss() -> Any:
            rest = net(mt.tensor(x.T)) - mt.tensor(y.T)
            return (rest * rest).sum() / (2 * n)

        loss().backward()
        formula, differences = [], []
        rest = net.product().detach().numpy() @ x - y
        for k, w in enumerate(net.weights):
            above, below = net.product(k + 1).detach().numpy(), net.product(0, k).detach().numpy()
            formula.append(above.T @ rest @ x.T @ below.T / n)
            numbers, data = np.empty(w.shape), w.detach()
            for at in np.ndindex(*w.shape):
                value = data[at].item()
                ends = []
                for step in (1e-5, -1e-5):
                    data[at] = value + step
                    ends.append(loss().item())
                data[at] = value
                numbers[at] = (ends[0] - ends[1]) / 2e-5
            differences.append(numbers)
        parameters: Any = net.weights
        return [w.grad.numpy() for w in parameters], formula, differences

    for k, (autodiff, formula, differences) in enumerate(zip(*both(0, 7), strict=True), 1):
        run.claim(
            (rf"$W_{k}$: autodiff less the formula", rf"$W_{k}$：自动微分与公式之差"),
            np.abs(autodiff - formula).max(),
            at_most=1e-12,
        )
        run.claim(
            (rf"$W_{k}$: the formula less central differences", rf"$W_{k}$：公式与中心差分之差"),
            np.abs(formula - differences).max(),
            at_most=1e-7,
        )
    shown = both(seed, samples)

    def draw(*axes: Any) -> None:
        for k, (ax, autodiff, formula) in enumerate(zip(axes, shown[0], shown[1], strict=True), 1):
            limit = 1.7 * np.abs(formula).max()
            ax.imshow(formula, cmap="RdBu", vmin=-limit, vmax=limit)
            for (i, j), value in np.ndenumerate(autodiff):
                ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8)
            ax.set(
                title=rf"$\partial L / \partial W_{k}$",
                xlabel="input",
                ylabel="output",
                xticks=range(formula.shape[1]),
                yticks=range(formula.shape[0]),
            )

    run.figure(
        ("Colours: the formula. Numbers: autodiff.", "颜色为公式的值，数字为自动微分的值。"), draw, (1, 3), (9.6, 3.6)
    )
