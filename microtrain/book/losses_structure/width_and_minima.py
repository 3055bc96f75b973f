"""Are the minima of wide networks good? Success on the exclusive or, by the number of hidden units."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import binary_cross_entropy_with_logits

from ..dynamics.descent import descend
from ..entry import item
from ..run import Run

INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LABELS = np.array([0.0, 1.0, 1.0, 0.0])
WIDTHS = {"tanh": (1, 2, 3, 4, 6, 8, 16), "relu": (2, 3, 4, 8, 16, 32)}
RATES = {"tanh": 0.5, "relu": 0.1}
RUNS = 40


def starts(kind: str, widths: Any, seeds: range) -> list[np.ndarray]:
    """W1, b1, W2, b2 of 2-h-1 networks, (widths x seeds, ...), narrow ones filled up with units whose weights are 0.

    W1 ~ N(0, 1), W2 ~ N(0, 1)/sqrt(h), times sqrt(2) for ReLU; biases 0. Units of weight 0 have no gradient and stay so.
    """
    top, scale = max(widths), 2**0.5 if kind == "relu" else 1.0
    first, second = np.zeros((len(widths), len(seeds), 2, top)), np.zeros((len(widths), len(seeds), top, 1))
    for k, h in enumerate(widths):
        for j, seed in enumerate(seeds):
            rng = np.random.default_rng(seed)
            first[k, j, :, :h] = rng.normal(size=(2, h))
            second[k, j, :h] = rng.normal(size=(h, 1)) * scale / h**0.5
    runs = len(widths) * len(seeds)
    return [first.reshape(runs, 2, top), np.zeros((runs, 1, top)), second.reshape(runs, top, 1), np.zeros((runs, 1, 1))]


def logits(kind: str, x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    """What each network says about each input: (runs, N)."""
    hidden = x @ w1 + b1
    return ((hidden.tanh() if kind == "tanh" else hidden.relu()) @ w2 + b2).squeeze(-1)


def train(kind: str, widths: Any, seeds: range, steps: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Gradient descent on cross-entropy: losses (steps, widths, seeds), and the parameters at the end."""
    begin = starts(kind, widths, seeds)
    inputs, targets = mt.tensor(INPUTS), mt.tensor(np.tile(LABELS, (len(begin[0]), 1)))

    def losses(*p: mt.Tensor) -> mt.Tensor:
        each: mt.Tensor = binary_cross_entropy_with_logits(logits(kind, inputs, *p), targets, reduction="none").mean(1)
        return each

    ends, seen = descend(lambda *p: losses(*p).sum(), begin, RATES[kind], steps, losses)
    return np.asarray(seen).reshape(steps, len(widths), len(seeds)), ends


def successes(kind: str, ends: list[np.ndarray], widths: Any) -> np.ndarray:
    """Which networks have all four points right: (widths, seeds)."""
    with mt.no_grad():
        right = (np.asarray(logits(kind, mt.tensor(INPUTS), *map(mt.tensor, ends))) > 0) == (LABELS > 0)
    return np.asarray(right.all(1).reshape(len(widths), -1))


def lowest_curvatures(ends: list[np.ndarray]) -> np.ndarray:
    """The smallest eigenvalue of the Hessian of each tanh network."""
    inputs, targets = mt.tensor(INPUTS), mt.tensor(LABELS)

    def loss(*p: mt.Tensor) -> mt.Tensor:
        found: mt.Tensor = binary_cross_entropy_with_logits(logits("tanh", inputs, *p), targets)
        return found

    found = analysis.objective(loss, [mt.tensor(part[0]) for part in ends])
    points = np.concatenate([part.reshape(len(part), -1) for part in ends], axis=1)
    return np.asarray(np.linalg.eigvalsh(found.hessians(points))[:, 0])


@item(
    "overparameterised-minima-are-good",
    kind="experiment",
    source="Chapter 4, section 4.2.6, on the quality of local minima",
    title=("Are the minima of wide networks good?", "宽网络的极小值都好吗"),
    statement=(
        "For over-parameterised networks such as large language models almost all local minima are good, partly through implicit regularisation.",
        "对过参数化网络（如大语言模型），几乎所有局部极小值都是好的，部分原因在于隐式正则化。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Width is the condition. Of 40 tanh networks with two hidden units 45% get trapped on the exclusive or, in a valley where two of the four "
        r"points stay undecided (loss towards $\ln 2/2$) and the Hessian is positive definite; with four units or more none of 40 does. “Good” means here "
        "that the training points are fitted: wide networks also have minima that fit them and generalise badly. What is said of large "
        "language models can't be tested at this size.",
        r"条件是宽度。学习异或问题时，40 个只有 2 个隐藏单元的 tanh 网络有 45% 陷入一条山谷：4 个样本中有 2 个始终无法判断（损失趋于 $\ln 2/2$），"
        r"而 Hessian 矩阵正定；隐藏单元不少于 4 个时，40 次中没有一次失败。这里的“好”只指拟合训练样本；宽网络同样有能拟合训练样本而泛化很差的极小值。"
        "关于大语言模型的说法，在这一规模上无法检验。",
    ),
    ranges={"width": (1, 16), "steps": (200, 5000)},
    random=True,
)
def wide_networks(run: Run, width: int = 2, steps: int = 5000) -> None:
    seeds = range(RUNS * run.seed, RUNS * (run.seed + 1))
    rates, rows = {}, []
    for kind, widths in WIDTHS.items():
        _, ends = train(kind, widths, seeds, 5000)
        rates[kind] = successes(kind, ends, widths).mean(1)
        rows += [(kind, h, rate) for h, rate in zip(widths, rates[kind], strict=True)]
    given = {"tanh": (0, 0.55, 0.925, 1, 1, 1, 1), "relu": (0.225, 0.475, 0.80, 1, 1, 1)}
    names = {"tanh": "tanh", "relu": "ReLU"}
    for kind, widths in WIDTHS.items():
        if run.seed == 0:
            for h, rate, number in zip(widths, rates[kind], given[kind], strict=True):
                run.claim(
                    (
                        f"{names[kind]}, {h} hidden: share of 40 runs that succeed",
                        f"{names[kind]}，{h} 个隐藏单元：40 次中成功的比例",
                    ),
                    rate,
                    equals=number,
                    within=0.05,
                )
    one, two, *more = rates["tanh"]
    run.claim(("tanh, 1 hidden: none can succeed", "tanh，1 个隐藏单元：不可能成功"), one, equals=0)
    run.claim(("tanh, 2 hidden: many fail", "tanh，2 个隐藏单元：多次失败"), two, between=(0.25, 0.85))
    run.claim(("tanh, 6 and more hidden", "tanh，6 个以上隐藏单元"), more[2:], at_least=0.95)
    run.claim(("ReLU, 2 hidden", "ReLU，2 个隐藏单元"), rates["relu"][0], at_most=0.5)
    run.claim(("ReLU, 16 and more hidden", "ReLU，16 个以上隐藏单元"), rates["relu"][4:], at_least=0.95)
    run.table(("Success on the exclusive or", "异或问题的成功率"), ("units", "hidden", "share of 40 runs"), rows)

    course, ends = train("tanh", (2,), seeds, 20000)
    failed = ~successes("tanh", ends, (2,))[0]
    trapped = [part[failed] for part in ends]
    final = course[-1, 0, failed]
    valley = np.abs(final - np.log(2) / 2) < 1e-3
    if run.seed == 0:
        run.claim(
            (
                r"failed runs after 20000 steps, all: loss, towards $\ln 2/2$",
                r"失败的运行，20000 步后的损失（全部），趋于 $\ln 2/2$",
            ),
            final,
            equals=0.3467,
            within=5e-5,
        )
    run.claim(
        (
            r"share of the failed runs in the valley of loss $\ln 2/2$",
            r"失败的运行中，落在损失为 $\ln 2/2$ 的山谷中的比例",
        ),
        valley.mean(),
        at_least=0.8,
    )
    curvatures = lowest_curvatures([part[valley] for part in trapped])
    run.claim(
        ("there: smallest eigenvalue of the Hessian is positive", "该处 Hessian 矩阵的最小特征值为正"),
        bool((curvatures > 0).all()),
    )
    chosen = course[:, 0] if (width, steps) == (2, 5000) else train("tanh", (width,), seeds, steps)[0][:, 0]

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k, (kind, widths) in enumerate(WIDTHS.items()):
            left.plot(widths, rates[kind], ("o-", "s--")[k], label=names[kind])
        left.set(
            xlabel="hidden units",
            ylabel="share of runs that succeed",
            xscale="log",
            ylim=(-0.03, 1.05),
            xticks=[1, 2, 4, 8, 16, 32],
        )
        left.set_xticklabels(["1", "2", "4", "8", "16", "32"])
        left.minorticks_off()
        good = chosen[steps - 1] < 0.1
        for ok, colour in ((True, "C2"), (False, "C3")):
            lines = chosen[:steps, good == ok]
            if lines.shape[1]:
                middle.semilogy(lines, color=colour, linewidth=0.7, alpha=0.6)
                middle.plot([], [], color=colour, label=f"{lines.shape[1]} runs " + ("succeed" if ok else "fail"))
        middle.axhline(np.log(2) / 2, color="black", linestyle=":", label=r"$\ln 2/2$")
        middle.set(xlabel="step", ylabel="loss", title=f"tanh, {width} hidden")
        grid = np.linspace(-0.5, 1.5, 80)
        points = np.stack([part.ravel() for part in np.meshgrid(grid, grid)], 1)
        if failed.any():
            with mt.no_grad():
                z = np.asarray(logits("tanh", mt.tensor(points), *(mt.tensor(part[:1]) for part in trapped)))[0]
            right.contourf(
                grid, grid, (1 / (1 + np.exp(-z))).reshape(80, 80), np.linspace(0, 1, 21), cmap="RdBu_r", alpha=0.8
            )
        for label, mark in ((0, "o"), (1, "s")):
            right.plot(
                *INPUTS[label == LABELS].T,
                mark,
                color=("#2166ac", "#b2182b")[label],
                markeredgecolor="white",
                markersize=11,
                linestyle="none",
                label=f"class {label}",
            )
        right.set(xlabel="$x_1$", ylabel="$x_2$", title="a run that failed:\nprobability of class 1", aspect="equal")
        for ax in (left, middle, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Left: wider networks succeed more often. Middle: the losses of 40 runs. Right: what a trapped network of two units says",
         "左：越宽的网络成功率越高。中：40 次运行的损失。右：一个陷住的两单元网络的输出"),
        draw, (1, 3), (9.6, 4.0),
    )  # fmt: skip
