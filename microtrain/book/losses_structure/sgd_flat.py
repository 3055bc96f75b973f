"""Whether the noise of stochastic gradients leads to flat minima: a product of two factors, and networks (section 4.2.6)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..dynamics.descent import descend
from ..entry import item
from ..run import Run
from ..training.sgd_networks import each_sharpness
from .designs import moons

F: Any = mt.nn.functional


def product_loss(p: mt.Tensor, label: Any = 1.0) -> mt.Tensor:
    """(a b - label)^2 / 2 for the last axis (a, b) of p: every point with a b = 1 is a minimum."""
    return 0.5 * (p[..., 0] * p[..., 1] - label) ** 2  # type: ignore[no-any-return]


def sharpness_of_product(p: np.ndarray) -> np.ndarray:
    """The largest eigenvalue of the Hessian of `product_loss` at points (..., 2)."""
    hessians = analysis.Objective(product_loss, np.zeros(2)).hessians(p.reshape(-1, 2))
    return np.linalg.eigvalsh(hessians)[:, -1].reshape(p.shape[:-1])


def noisy_labels(rates: Any, amplitude: float, seeds: Any, steps: int = 20_000) -> np.ndarray:
    """SGD on labels 1 +- amplitude from (3, 1/3): positions (steps, rates, seeds, 2)."""
    signs = np.stack([np.random.default_rng(seed).choice([-1.0, 1.0], size=steps) for seed in seeds], axis=1)
    params = [mt.tensor(np.tile([3.0, 1 / 3], (len(seeds), 1)), requires_grad=True) for _ in rates]
    optimizer = mt.optim.SGD([{"params": [p], "lr": rate} for p, rate in zip(params, rates, strict=True)])

    def step(label: mt.Tensor) -> mt.Tensor:
        optimizer.zero_grad()
        product_loss(mt.stack(params), label).sum().backward()
        optimizer.step()
        return mt.stack(params).detach()

    data = mt.data.TensorDataset(mt.tensor(1 + amplitude * signs))
    return np.asarray(mt.compile(step).minibatches(mt.data.DataLoader(data, batch_size=1)))


class Moons(NamedTuple):
    """Networks at the end of training, one entry for each."""

    sharpness: np.ndarray
    test_accuracy: np.ndarray
    loss: np.ndarray


@lru_cache(maxsize=64)
def train_on_moons(seed: int, batch: int, networks: int = 5, eta: float = 0.5, steps: int = 10_000) -> Moons:
    """Networks 2-16-1 (tanh), other ones for each seed, on the same 100 points of two moons; a batch of 100 is all."""
    (x, classes), (tests, answers) = moons(100, 0), moons(2000, 1)
    seeds = [networks * seed + k for k in range(networks)]
    rngs = [np.random.default_rng(s) for s in seeds]
    shapes = (((2, 16), 1.0), ((1, 16), 0.5), ((16, 1), 0.25), ((1, 1), 0.0))
    params = [
        mt.tensor(np.stack([scale * rng.standard_normal(shape) for rng in rngs]), requires_grad=True)
        for shape, scale in shapes
    ]

    def logits(inputs: Any, theta: Any) -> mt.Tensor:
        return (((inputs @ theta[0] + theta[1]).tanh() @ theta[2]) + theta[3]).squeeze(-1)  # type: ignore[no-any-return]

    def losses(inputs: Any, targets: Any, theta: Any) -> mt.Tensor:
        return F.binary_cross_entropy_with_logits(logits(inputs, theta), targets, reduction="none").mean(-1)  # type: ignore[no-any-return]

    optimizer = mt.optim.SGD(params, lr=eta)
    points, everything = mt.tensor(x), mt.tensor(np.tile(classes.astype(float), (networks, 1)))

    def step(inputs: mt.Tensor, targets: mt.Tensor) -> mt.Tensor:
        optimizer.zero_grad()
        each = losses(inputs.reshape(-1, *inputs.shape[-2:]), targets.reshape(networks, -1), params)
        each.sum().backward()
        optimizer.step()
        return each.detach()

    go = mt.compile(step)
    if batch == len(classes):
        go.repeat(steps, points, everything)
    else:
        chosen = np.stack([rng.integers(len(classes), size=(steps, batch)) for rng in rngs], axis=1)
        drawn = mt.data.TensorDataset(mt.tensor(x[chosen]), mt.tensor(classes.astype(float)[chosen]))
        go.minibatches(mt.data.DataLoader(drawn, batch_size=1))
    with mt.no_grad():
        right = (np.asarray(logits(mt.tensor(tests), params)) > 0) == (answers == 1)
        final = np.asarray(losses(points, everything, params))
    ends = [p.detach().clone() for p in params]
    total = analysis.Objective(lambda *theta: losses(points, everything, theta).sum(), ends)
    return Moons(each_sharpness(total, networks), right.mean(1), final)


@item(
    "sgd-prefers-flat-minima",
    kind="experiment",
    source="Chapter 4, section 4.2.6, last paragraph",
    title=("Does the noise of SGD lead to flat minima?", "SGD 的噪声会通向平坦极小值吗？"),
    statement=(
        "SGD tends to end in flat minima, because its noise drives it out of steep regions more easily than out of flat "
        "ones.",
        "SGD 倾向于停在平坦极小值处，因为噪声更容易使它离开陡峭区域。",
    ),
    verdict="holds with a condition",
    correction=(
        "The noise must persist at the minimum, as it does with noisy labels, or with batches of data that can't all be "
        "fitted. Where every sample's gradient vanishes SGD stays, sharp or not. Large steps do the same without any "
        r"noise: gradient descent can't stay where $\lambda_{\max} > 2/\eta$. And here the flatter networks have the "
        "higher training loss.",
        "噪声在极小值处必须仍然存在，例如标签带噪声，或数据无法全部拟合。若每个样本的梯度都为零，则无论是否尖锐，SGD 都停在原处。"
        r"大步长无需噪声也有同样的效果：在 $\lambda_{\max} > 2/\eta$ 处，梯度下降无法停留。此外，这里更平坦的网络训练损失更高。",
    ),
    ranges={"amplitude": (0.0, 1.0), "eta": (0.005, 0.1), "steps": (1000, 40_000)},
    random=True,
)
def sgd_prefers_flat(run: Run, amplitude: float = 0.5, eta: float = 0.05, steps: int = 20_000) -> None:
    seeds = [3 * run.seed + k for k in range(3)]
    rates = (0.02, 0.05)
    calm = noisy_labels(rates, 0.0, seeds[:1], 2000)[-1]
    run.claim(
        ("labels without noise, from $(3, 1/3)$: sharpness at the end", "标签无噪声，从 $(3, 1/3)$ 出发：最后的尖锐性"),
        sharpness_of_product(calm),
        equals=9.111,
        within=5e-4,
    )
    ends = sharpness_of_product(noisy_labels(rates, 0.5, seeds)[-1])
    for k, rate in enumerate(rates):
        run.claim(
            (
                rf"labels $1 \pm 0.5$, $\eta = {rate}$, 3 seeds: largest sharpness at the end",
                rf"标签 $1 \pm 0.5$，$\eta = {rate}$，3 个种子：最后的最大尖锐性",
            ),
            ends[k],
            at_most=4.0,
        )
    full, small = train_on_moons(run.seed, 100), train_on_moons(run.seed, 4)
    if run.seed == 0:
        for k, (value, number) in enumerate(zip(full.sharpness, (1.33, 0.91, 0.67, 1.19, 1.15), strict=True)):
            run.claim(
                (
                    f"network {k} on two moons, gradient descent: sharpness at the end",
                    f"双月数据上的网络 {k}，全批量梯度下降：最后的尖锐性",
                ),
                value,
                equals=number,
                within=0.006,
            )
        run.claim(
            ("batches of 4, five networks: mean sharpness at the end", "批量大小为 4，五个网络：最后的平均尖锐性"),
            small.sharpness.mean(),
            equals=0.231,
            relative=0.1,
        )
    run.claim(
        (
            "networks on two moons: mean sharpness with batches of 4 over that of gradient descent",
            "双月数据上的网络：批量大小为 4 时的平均尖锐性与全批量梯度下降之比",
        ),
        small.sharpness.mean() / full.sharpness.mean(),
        at_most=0.5,
    )
    run.claim(
        (
            "the same ratio of the training losses: the flatter ones fit less well",
            "训练损失的同一比值：更平坦的拟合得更差",
        ),
        small.loss.mean() / full.loss.mean(),
        at_least=1.0,
    )
    run.claim(
        ("gain in test accuracy: none to speak of", "测试准确率的增益：可忽略"),
        small.test_accuracy.mean() - full.test_accuracy.mean(),
        between=(-0.04, 0.04),
    )
    large = {}
    for rate, expected in ((0.1, 9.17), (0.2, 9.17), (0.25, 6.62), (0.3, 3.02)):
        (end,), _ = descend(product_loss, [(3.01, 1 / 3)], rate, 2000)
        large[rate] = float(sharpness_of_product(end))
        run.claim(
            (
                rf"no noise, $\eta = {rate}$, from $(3.01, 1/3)$: sharpness at the end",
                rf"无噪声，$\eta = {rate}$，从 $(3.01, 1/3)$ 出发：最后的尖锐性",
            ),
            large[rate],
            equals=expected,
            within=0.005,
        )
    run.claim(
        (r"its largest share of the limit $2/\eta$", r"与界限 $2/\eta$ 之比的最大值"),
        max(value * rate / 2 for rate, value in large.items()),
        at_most=1.0,
    )
    with np.errstate(all="ignore"):
        (lost,), _ = descend(product_loss, [(3.01, 1 / 3)], 0.5, 200)
    run.claim((r"$\eta = 0.5$ diverges", r"$\eta = 0.5$ 时发散"), bool(not np.isfinite(lost).all()))
    shown = noisy_labels((eta,), amplitude, seeds, steps)[:, 0]
    along = sharpness_of_product(shown[:: max(1, steps // 200)])

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k, seed in enumerate(seeds):
            left.plot(np.arange(len(along)) * max(1, steps // 200), along[:, k], label=f"seed {seed}")
        left.axhline(82 / 9, color="0.5", linestyle="--", label="without noise")
        left.axhline(2, color="0.5", linestyle=":", label="flattest minimum")
        left.set(
            xlabel="step", ylabel="sharpness", title=rf"Labels $1 \pm {amplitude:g}$, $\eta = {eta:g}$", ylim=(0, 11)
        )
        left.legend(fontsize="small", ncols=2)
        for k, (name, found) in enumerate((("gradient descent", full), ("batches of 4", small))):
            middle.plot(found.loss, found.sharpness, "os"[k], label=name)
        middle.set(xlabel="training loss", ylabel="sharpness", title="Networks on two moons")
        middle.set(xlim=(0, None), ylim=(0, None))
        middle.legend(fontsize="small")
        curve = np.linspace(0.09, 0.32, 50)
        right.plot(curve, 2 / curve, "k--", label=r"limit $2/\eta$")
        right.plot(list(large), list(large.values()), "o", label="gradient descent ends")
        right.set(xlabel=r"learning rate $\eta$", ylabel="sharpness", title="Large steps without noise", ylim=(0, 22))
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: noisy labels move the parameters along the minima to the flattest. Middle: small batches end in flatter "
            "places, with a higher loss. Right: a large step leaves sharp minima without any noise.",
            "左：标签噪声使参数沿极小值移向最平坦处。中：小批量停在更平坦、但损失更高的地方。右：大步长无需噪声即离开尖锐极小值。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )
