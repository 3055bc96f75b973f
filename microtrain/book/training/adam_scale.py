"""What Adam is not sensitive to: the layer, and the learning rate (section 6.4)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import follow
from ..run import Run

NETWORKS = 20


def network(activation: str, scale: float, depth: int, width: int, rng: np.random.Generator) -> Any:
    """2 inputs, depth - 1 hidden layers, 1 output; weights N(0, scale^2 / fan_in), biases 0."""
    kinds = {"sigmoid": mt.nn.Sigmoid, "tanh": mt.nn.Tanh, "relu": mt.nn.ReLU}
    model = mt.nn.MLP([2, *[width] * (depth - 1), 1], kinds[activation])
    for name, p in model.named_parameters():
        if name.endswith("weight"):
            p.detach().copy_(rng.standard_normal(p.shape) * scale / p.shape[1] ** 0.5)
    return model


def layer_sizes(activation: str, scale: float, depth: int, width: int, seed: int, steps: int = 10) -> tuple[Any, Any]:
    """RMS of the first gradient in each layer, and of Adam's last update of `steps`; (depth,) each."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 64)).T
    y = mt.tensor((np.sin(2 * x[:, 0]) * x[:, 1])[:, None])
    model, x = network(activation, scale, depth, width, rng), mt.tensor(x)
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    optimizer = mt.optim.Adam(model.parameters(), lr=1e-3, eps=1e-12)
    gradients: list[float] = []
    for _ in range(steps):
        optimizer.zero_grad()
        mt.nn.functional.mse_loss(model(x), y).backward()
        gradients = gradients or [float((w.grad * w.grad).mean().item()) ** 0.5 for w in weights]
        before = [w.detach().numpy().copy() for w in weights]
        optimizer.step()
    updates = [float(((w.detach().numpy() - old) ** 2).mean()) ** 0.5 for w, old in zip(weights, before, strict=True)]
    return np.array(gradients), np.array(updates)


@item(
    "adam-depth-balancing",
    kind="experiment",
    source="Chapter 6, section 6.4, last paragraph",
    title=("Adam balances the layers", "Adam 平衡各层的更新"),
    statement=(
        "How large gradients are depends on the depth in the network. Adam makes up for it: all layers change by similar "
        "amounts.",
        "梯度的大小取决于所在的网络深度。Adam 对此作出补偿，使各层的改变量相近。",
    ),
    verdict="holds",
    ranges={"activation": ["sigmoid", "tanh", "relu"], "scale": (0.1, 3.0), "depth": (2, 12), "width": (2, 64)},
    random=True,
)
def depth_balancing(run: Run, activation: str = "sigmoid", scale: float = 1.0, depth: int = 6, width: int = 16) -> None:
    def ratios(kind: str, s: float, layers: int, units: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        each = [layer_sizes(kind, s, layers, units, run.seed * NETWORKS + k) for k in range(count)]
        gradients, updates = np.array([g for g, _ in each]), np.array([u for _, u in each])
        return gradients, updates

    def spread(sizes: np.ndarray) -> np.ndarray:
        return sizes.max(1) / sizes.min(1)  # type: ignore[no-any-return]

    gradients, updates = ratios("sigmoid", 1.0, 6, 16, NETWORKS)
    run.claim(
        ("sigmoid, median of 20 networks: largest over smallest layer's gradient", "Sigmoid，20 个网络的中位数：各层梯度最大与最小之比"),
        np.median(spread(gradients)), at_least=1000,
    )  # fmt: skip
    run.claim(
        ("the same for Adam's 10th update", "同样的比值，Adam 的第 10 次更新"), np.median(spread(updates)), at_most=2
    )
    run.claim(
        ("median gradient in the first layer", "第一层梯度的中位数"), np.median(gradients[:, 0]), between=(1e-6, 1e-4)
    )
    run.claim(
        ("median gradient in the last layer", "最后一层梯度的中位数"), np.median(gradients[:, -1]), between=(0.01, 1.0)
    )
    for kind, s, bound, limit in (("tanh", 0.5, (3, 9), 1.5), ("relu", 2**0.5, (2, 12), 2.0)):
        g, u = ratios(kind, s, 6, 16, 7)
        run.claim(
            (f"{kind}: the gradients' ratio, median of 7", f"{kind}：梯度之比，7 个网络的中位数"),
            np.median(spread(g)),
            between=bound,
        )
        run.claim((f"{kind}: the updates' ratio", f"{kind}：更新之比"), np.median(spread(u)), at_most=limit)
    if (activation, scale, depth, width) != ("sigmoid", 1.0, 6, 16):
        gradients, updates = ratios(activation, scale, depth, width, NETWORKS)

    def draw(left: Any, right: Any) -> None:
        layers = np.arange(1, gradients.shape[1] + 1)
        for ax, sizes, what in ((left, gradients, "the gradient"), (right, updates, "Adam's 10th update")):
            for row in sizes:
                ax.semilogy(layers, row, color="0.8", linewidth=0.8)
            ax.semilogy(layers, np.median(sizes, axis=0), "o-", color="C0", label=f"median of {len(sizes)} networks")
            ax.semilogy([], [], color="0.8", label="each network")
            ax.set(xlabel="layer", ylabel=f"RMS of {what}", xticks=layers)
            ax.legend(fontsize="small")
        right.set_ylim(1e-6, 1e-2)

    run.figure(
        ("Gradients differ by orders of magnitude from layer to layer, Adam's updates hardly do",
         "各层梯度相差若干数量级，Adam 的更新则几乎相同"),
        draw, (1, 2), (9.5, 4.0),
    )  # fmt: skip


@item(
    "adam-lr-robustness",
    kind="experiment",
    source="Chapter 6, section 6.4, last sentence",
    title=("Adam and the initial learning rate", "Adam 对初始学习率的敏感程度"),
    statement=(
        "Adam is less sensitive to the initial learning rate, so that no elaborate schedule is needed.",
        "Adam 对初始学习率较不敏感，因此不需要复杂的学习率调度。",
    ),
    verdict="holds with a condition",
    correction=(
        "True where the curvature lies along the axes. No schedule at all is not enough for high accuracy: with a constant "
        "rate Adam hovers round the minimum (adam-convergence-claim), and profits from decay.",
        "在曲率沿坐标轴时成立。要达到高精度，仍不能没有学习率调度：学习率恒定时，Adam 在最小值点附近徘徊"
        "（adam-convergence-claim），衰减对它有益。",
    ),
    ranges={"kappa": (1.0, 10000.0), "steps": (100, 5000)},
)
def lr_robustness(run: Run, kappa: float = 1000.0, steps: int = 2000) -> None:
    rates = 10 ** (np.arange(-50, 11) / 10)

    def ends(kind: str, k: float, count: int) -> np.ndarray:
        """The ends (rates, 2) of all rates at once.

        With x = s z, descent in z with the rate 1 is descent in x with the rate s^2, and Adam's is s (its eps / s).
        """
        scale = (rates if kind == "Adam" else np.sqrt(rates))[:, None]
        curvature = np.array([1.0, k])

        def loss(z: mt.Tensor) -> mt.Tensor:
            return (0.5 * curvature * (scale * z) ** 2).sum()  # type: ignore[no-any-return]

        makers: dict[str, Any] = {
            "GD": lambda p: mt.optim.SGD(p, lr=1.0),
            "heavy ball": lambda p: mt.optim.Momentum(p, lr=1.0, beta=0.9, form="sum"),
            "Adam": lambda p: mt.optim.Adam(p, lr=1.0, eps=1e-13),
        }
        return follow(makers[kind], loss, np.ones((len(rates), 2)) / scale, count)[-1] * scale  # type: ignore[no-any-return]

    def height(x: np.ndarray, k: float) -> np.ndarray:
        with np.errstate(all="ignore"):
            return 0.5 * (x[:, 0] ** 2 + k * x[:, 1] ** 2)

    def good(x: np.ndarray, k: float) -> np.ndarray:
        loss = height(x, k)
        return (loss < 1e-3 * 0.5 * (1 + k)) & (np.abs(x[:, 0]) < 0.03)  # type: ignore[no-any-return]

    found = {kind: ends(kind, 1000.0, 2000) for kind in ("GD", "heavy ball", "Adam")}
    decades = {kind: good(x, 1000.0).sum() / 10 for kind, x in found.items()}
    for kind, kind_zh, expected in (("GD", "梯度下降", 0.1), ("heavy ball", "重球法", 1.3), ("Adam", "Adam", 3.9)):
        run.claim(
            (f"{kind}: decades of rates that succeed", f"{kind_zh}：成功的学习率跨越的数量级"),
            decades[kind],
            equals=expected,
            within=1e-9,
        )
    for kind, low, high in (("GD", 2.0e-3, 2.0e-3), ("heavy ball", 2.0e-4, 3.2e-3), ("Adam", 1e-3, 6.3)):
        ok = rates[good(found[kind], 1000.0)]
        kind_zh = {"GD": "梯度下降", "heavy ball": "重球法"}.get(kind, kind)
        run.claim(
            (f"{kind}: smallest rate that succeeds", f"{kind_zh}：成功的最小学习率"),
            ok.min(),
            equals=low,
            relative=0.03,
        )
        run.claim(
            (f"{kind}: largest rate that succeeds", f"{kind_zh}：成功的最大学习率"),
            ok.max(),
            equals=high,
            relative=0.03,
        )
    run.claim((r"Adam: at least three decades", r"Adam：至少三个数量级"), decades["Adam"], at_least=3)
    shown = found if (kappa, steps) == (1000.0, 2000) else {kind: ends(kind, kappa, steps) for kind in found}

    def draw(ax: Any) -> None:
        for (kind, x), mark in zip(shown.items(), ("o-", "s--", "^-."), strict=True):
            loss = height(x, kappa)
            fine = np.isfinite(loss) & (loss < 1e8)
            line = ax.loglog(rates[fine], np.maximum(loss[fine], 1e-20), mark, markersize=2.5, linewidth=0.8)[0]
            ok = good(x, kappa)
            ax.loglog(
                rates[ok],
                np.maximum(loss[ok], 1e-20),
                mark[0],
                markersize=6,
                color=line.get_color(),
                label=f"{kind}: {ok.sum() / 10:g} decades",
            )
        ax.set(xlabel="learning rate", ylabel=f"loss after {steps} steps", title=rf"$\kappa = {kappa:g}$")
        ax.legend(fontsize="small", title="large marks: success", title_fontsize="small")

    run.figure(
        (r"The loss over the learning rate on diag(1, $\kappa$); rates that diverge are not drawn",
         r"diag(1, $\kappa$) 上损失随学习率的变化；发散者未画出"),
        draw,
    )  # fmt: skip
