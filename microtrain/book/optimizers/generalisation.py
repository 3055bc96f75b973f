"""Training loss zero, and what it says about new samples: nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from ..training import wilson
from .random_labels_linear import task
from .stacked_linear import product, stacked, train


def tanh_networks(hidden: int, seeds: range) -> list[mt.Tensor]:
    """The parameters of 8-hidden-1 networks, one of each seed, stacked: (runs, 8, hidden), (runs, 1, hidden) ..."""
    nets = []
    for seed in seeds:
        generator = mt.Generator(seed)
        first: Any
        second: Any
        first, second = mt.nn.Linear(8, hidden, generator=generator), mt.nn.Linear(hidden, 1, generator=generator)
        nets.append((first.weight.T, first.bias.unsqueeze(0), second.weight.T, second.bias.unsqueeze(0)))
    return [
        mt.tensor(np.stack([p.detach().numpy() for p in layer]), requires_grad=True)
        for layer in zip(*nets, strict=True)
    ]


def logits(p: list[mt.Tensor], x: mt.Tensor) -> mt.Tensor:
    """What each network says about its inputs (runs, N, 8): (runs, N)."""
    return ((x @ p[0] + p[1]).tanh() @ p[2] + p[3]).squeeze(-1)


def memorise_labels(hidden: int, n: int, seeds: range, lr: float, steps: int) -> dict[str, np.ndarray]:
    """Networks trained by Adam on random labels of n random inputs, until all have fitted them or for `steps` steps.

    {"accuracy" and "loss" (T, runs), "test": accuracy on 2000 new inputs of which the label is the sign of x_0}.
    """
    data = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        data.append((rng.normal(size=(n, 8)), rng.integers(0, 2, n).astype(float), rng.normal(size=(2000, 8))))
    x, y, new = (np.stack(part) for part in zip(*data, strict=True))
    p = tanh_networks(hidden, seeds)
    optimizer = mt.optim.Adam(p, lr=lr)
    inputs, targets = mt.tensor(x), mt.tensor(y)
    accuracy, loss = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        z = logits(p, inputs)
        each = mt.nn.functional.binary_cross_entropy_with_logits(z, targets, reduction="none").mean(1)
        accuracy.append(((z.detach().numpy() > 0) == (y > 0)).mean(axis=1))
        loss.append(each.detach().numpy())
        if (accuracy[-1] == 1).all() and (loss[-1] < 0.01).all():
            break
        each.sum().backward()
        optimizer.step()
    test = ((logits(p, mt.tensor(new)).detach().numpy() > 0) == (new[:, :, 0] > 0)).mean(axis=1)
    return {"accuracy": np.array(accuracy), "loss": np.array(loss), "test": test}


@item(
    "overparam-memorise-random-labels",
    kind="experiment",
    source="Deep-learning optimizers, on over-parameterised networks and random labels",
    title=("A wide network memorises random labels", "宽网络记忆随机标签"),
    statement=(
        "Over-parameterised networks have so much capacity that they fit even random labels down to zero training error.",
        "过参数化的网络容量很大，连随机标签都能拟合到训练误差为零。",
    ),
    verdict="holds",
    ranges={"hidden": (1, 256), "n": (4, 256), "lr": (0.0005, 0.05)},
    random=True,
)
def memorise_random_labels(run: Run, hidden: int = 64, n: int = 32, lr: float = 0.01) -> None:
    seeds = range(12 * run.seed, 12 * run.seed + 12)
    wide = memorise_labels(64, 32, seeds, 0.01, 300)
    run.claim(
        ("64 hidden units, 12 seeds: training accuracy", "64 个隐藏单元，12 个种子：训练准确率"),
        wide["accuracy"][-1],
        equals=1.0,
    )
    run.claim(("their training loss", "训练损失"), wide["loss"][-1], at_most=0.01)
    done = ((wide["accuracy"] < 1) | (wide["loss"] >= 0.01)).sum(axis=0)
    run.claim(("steps until then", "达到所需的步数"), done, between=(50, 300))
    run.claim(
        ("test accuracy on an independent task, mean", "独立任务上的平均测试准确率"),
        wide["test"].mean(),
        between=(0.35, 0.65),
    )
    narrow = memorise_labels(1, 32, seeds, 0.01, 3000)
    fitted = int((narrow["accuracy"][-1] == 1).sum())
    text = (
        "1 hidden unit, 3000 steps: networks of 12 that fit all",
        "1 个隐藏单元，3000 步：12 个网络中全部拟合的个数",
    )
    if run.seed == 0:
        run.claim(text, fitted, equals=0)
    else:  # of 240 networks one did
        run.claim(text, fitted, at_most=1)
    run.claim(("their training accuracy, mean", "其平均训练准确率"), narrow["accuracy"][-1].mean(), at_most=0.95)
    run.table(
        ("Random labels", "随机标签"),
        ("seed", "steps to accuracy 1 and loss < 0.01", "test accuracy", "training accuracy with one unit"),
        [
            (s, int(t), float(a), float(b))
            for s, t, a, b in zip(seeds, done, wide["test"], narrow["accuracy"][-1], strict=True)
        ],
    )
    own = wide if (hidden, n, lr) == (64, 32, 0.01) else memorise_labels(hidden, n, seeds[:4], lr, 600)

    def draw(left: Any, right: Any) -> None:
        for curves, colour, name in ((own, "C0", f"{hidden} hidden units"), (narrow, "C1", "1 hidden unit")):
            left.plot(curves["loss"][:300], color=colour, linewidth=0.7, alpha=0.6)
            left.plot([], [], color=colour, label=name)
        left.set(xlabel="step", ylabel="training loss", yscale="log")
        left.legend(fontsize="small")
        places = np.arange(len(own["test"]))
        right.bar(places - 0.2, own["accuracy"][-1], 0.4, label="training")
        right.bar(places + 0.2, own["test"], 0.4, label="test")
        right.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
        right.set(xlabel="seed", ylabel="accuracy", ylim=(0, 1.25), title=f"{hidden} hidden units")
        right.legend(fontsize="small", loc="upper right", ncols=2)

    run.figure(
        (
            "The random labels are learned by heart; on another task that is worth no more than a coin.",
            "随机标签被完整记住，在另一任务上却与掷硬币无异。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )


@item(
    "optimisation-is-not-generalisation",
    kind="guidance",
    source="Deep-learning optimizers, closing argument",
    title=("Optimisation is not generalisation", "优化不等于泛化"),
    statement=(
        "Zero training loss shows the capacity of the model and the efficiency of the optimizer, no more; it says nothing about "
        "generalisation. Why over-parameterised networks generalise all the same is a matter of regularisation and implicit bias.",
        "训练损失为零只说明模型容量足够、优化器有效，并不说明泛化。过参数化网络为何仍能泛化，要从正则化和隐式偏置中寻找答案。",
    ),
    verdict="holds",
    ranges={"share": (0.0, 1.0), "n": (20, 100)},
    random=True,
)
def optimisation_is_not_generalisation(run: Run, share: float = 0.5, n: int = 60) -> None:
    seeds = range(5 * run.seed, 5 * run.seed + 5)
    mixes = sorted({0.0, 0.25, 0.5, 0.75, 1.0, share})

    def mixed(noise: float) -> tuple[np.ndarray, np.ndarray]:
        """(training losses, test losses over the zero predictor's), labels mixed of the true map's and random ones."""
        tasks = [task(s) for s in seeds]
        weights = stacked([(20, 32, 32, 10)] * 5, list(seeds))
        labels = np.array([noise * y + (1 - noise) * a for y, a, _ in tasks])
        curves = train(weights, np.tile(np.eye(20), (5, 1, 1)), labels, 0.3, 1000)
        maps = product(weights).detach().numpy()
        return curves[-1], np.array(
            [((m @ x - a @ x) ** 2).sum() / ((a @ x) ** 2).sum() for m, (_, a, x) in zip(maps, tasks, strict=True)]
        )

    results = {noise: mixed(noise) for noise in mixes}
    for noise, name, zh in ((0.0, "true labels", "真实标签"), (1.0, "random labels", "随机标签")):
        training, test = results[noise]
        run.claim(
            (f"deep linear network, {name}: training loss", f"深度线性网络，{zh}：训练损失"), training, at_most=1e-8
        )
        what = (f"{name}: test loss / that of the zero predictor", f"{zh}：测试损失与零预测器之比")
        if noise:
            run.claim(what, test, between=(1.5, 2.6))
        else:
            run.claim(what, test, at_most=1e-6)
    if run.seed == 0:
        run.claim(
            ("random labels, seeds 0 to 4: the ratios", "随机标签，种子 0 至 4：该比值"),
            results[1.0][1],
            between=(1.7, 2.35),
        )

    data = wilson.draw_data(n, [run.seed])
    found, curve = wilson.train(data, wilson.methods(data.steepest, 0.1, 0.05), 300, 300)
    rates = dict(zip(wilson.NAMES, wilson.test_errors(data, found)[:, 0], strict=True))
    ends = dict(zip(wilson.NAMES, curve[-1, :, 0], strict=True))
    errors, residuals = {}, {}
    for name in ("GD", "Adam", "AdaGrad"):
        errors[name], residuals[name] = float(rates[name]), float(ends[name])
        run.claim(
            (f"rare features, {name}: training loss", f"稀有特征，{name}：训练损失"), residuals[name], at_most=1e-7
        )
        if name == "GD":
            run.claim(("GD: test error", "GD：测试错误率"), errors[name], equals=0.0)
        else:
            run.claim((f"{name}: test error", f"{name}：测试错误率"), errors[name], between=(0.2, 0.32))
            run.claim(
                ("which is the share of the smaller class", "即较小类别的比例"),
                errors[name] - (data.test < 0).mean(),
                equals=0.0,
            )
    run.note(
        "See also the items deep-linear-random-labels, overparam-memorise-random-labels, implicit-bias-matrix-sensing and "
        "wilson-adaptive-vs-sgd.",
        "另见条目 deep-linear-random-labels、overparam-memorise-random-labels、implicit-bias-matrix-sensing 与 "
        "wilson-adaptive-vs-sgd。",
    )

    def draw(left: Any, right: Any) -> None:
        for k in range(5):
            left.plot(
                mixes,
                [results[noise][1][k] for noise in mixes],
                "o-",
                markersize=4,
                linewidth=0.8,
                label=f"seed {seeds[k]}",
            )
        left.axhline(1, color="black", linewidth=0.8, linestyle=":")
        left.set(
            xlabel="share of noise in the labels",
            ylabel="test loss / zero predictor",
            title="training loss below 1e-8 everywhere",
        )
        left.legend(fontsize="small")
        right.bar(range(3), [errors[name] for name in errors], color=["C0", "C1", "C2"])
        for k, name in enumerate(errors):
            right.text(
                k,
                errors[name] + 0.005,
                f"test error {errors[name]:.3f}\ntraining loss {residuals[name]:.0e}",
                ha="center",
                fontsize=8,
            )
        right.set(xticks=range(3), xticklabels=list(errors), ylabel="test error", ylim=(0, 0.36), title="rare features")

    run.figure(
        ("The same training loss, zero, goes with every quality of prediction.", "训练损失同为零，预测却可好可坏。"),
        draw,
        (1, 2),
        (9.5, 4.2),
    )
