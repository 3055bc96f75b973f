"""Around the optimizers: choosing hyper-parameters, the chapter's summary, and who thought of what."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import microtrain as mt

from ...optim.table import family
from ...sweeps.space import parse_distribution
from ..entry import ITEMS, item
from ..run import Run
from .adam_scale import layer_sizes
from .gabor_runs import full_loss, runs

BATCHES = (1, 3, 5, 10, 30)


@item(
    "hyperparameter-search",
    kind="algorithm",
    source="Chapter 6, section 6.5",
    title=("Hyper-parameter search", "超参数搜索"),
    statement=(
        "Training algorithm, batch size, schedule and momentum coefficient are hyper-parameters: they change the result but "
        "are no parameters of the model. Usually one trains many models and takes the best.",
        "训练算法、批量大小、学习率调度和动量系数都是超参数：它们影响结果，但不是模型的参数。通常训练许多模型，取其中最好的。",
    ),
    verdict="holds",
    ranges={"count": (5, 100), "steps": (50, 1000), "seeds": (2, 50)},
    random=True,
)
def hyperparameter_search(run: Run, count: int = 30, steps: int = 400, seeds: int = 20) -> None:
    space = {"rate": "log:1e-3:3.1622776601683795", "beta": "choice:0,0.5,0.9", "batch": "choice:1,3,5,10,30"}
    drawer = mt.Generator(run.seed)
    drawn = {name: parse_distribution(text) for name, text in space.items()}
    trials = [{name: d.draw(drawer) for name, d in drawn.items()} for _ in range(count)]
    loss, starts = full_loss(), np.tile((3.0, 10.0), (seeds, 1))
    for batch in BATCHES:
        chosen = [t for t in trials if t["batch"] == batch]

        def make(phi: list[mt.Tensor], chosen: Any = chosen, batch: int = batch) -> Any:
            # The mean over the batch times 5: rates mean the same whatever the batch size.
            return mt.optim.Momentum(
                [
                    {"params": [p], "lr": t["rate"] * 5 / batch, "beta": t["beta"]}
                    for p, t in zip(phi, chosen, strict=True)
                ]
            )

        if chosen:
            ends = runs(make, len(chosen), starts, steps, batch, run.rng, steps)[-1]
            for t, end in zip(chosen, ends, strict=True):
                t["loss"] = float(loss.values(end).mean())
    ranked = sorted(trials, key=lambda t: t["loss"])
    run.claim(
        ("best loss over the worst", "最好与最差的损失之比"), ranked[0]["loss"] / ranked[-1]["loss"], at_most=1 / 3
    )
    start = loss((3.0, 10.0))
    run.claim(
        ("best loss over that of the start", "最好的损失与起点处的损失之比"), ranked[0]["loss"] / start, at_most=0.9
    )
    run.table(
        (f"The best five and the worst of {count} configurations, each the mean of {seeds} seeds",
         f"{count} 组配置中最好的 5 组与最差的 1 组，各为 {seeds} 个随机种子的均值"),
        ("learning rate", "momentum coefficient", "batch size", "loss"),
        [(t["rate"], t["beta"], t["batch"], t["loss"]) for t in (*ranked[:5], ranked[-1])],
    )  # fmt: skip

    def draw(ax: Any) -> None:
        for batch, mark in zip(BATCHES, "ospD^", strict=True):
            those = [t for t in ranked if t["batch"] == batch]
            for beta, colour in ((0, "C0"), (0.5, "C1"), (0.9, "C3")):
                some = [t for t in those if t["beta"] == beta]
                ax.plot(
                    [t["rate"] for t in some], [t["loss"] for t in some], mark, color=colour, markersize=7, alpha=0.8
                )
            ax.plot([], [], mark, color="0.4", label=f"batch size {batch}")
        for beta, colour in ((0, "C0"), (0.5, "C1"), (0.9, "C3")):
            ax.plot([], [], "s", color=colour, label=rf"$\beta = {beta}$")
        ax.plot(ranked[0]["rate"], ranked[0]["loss"], "k*", markersize=14, markerfacecolor="none", label="best")
        ax.axhline(start, color="0.7", linestyle=":", label="loss at the start")
        ax.set(xscale="log", xlabel="learning rate", ylabel=f"loss after {steps} steps, mean of {seeds} seeds")
        ax.legend(fontsize="small", ncols=2)

    run.figure(
        ("Configurations drawn at random, on the Gabor model from (3, 10)", "Gabor 模型上从 (3, 10) 出发的随机配置"),
        draw,
        size=(7.0, 4.4),
    )


SUMMARY = (
    ("Gradient descent goes down until the gradient vanishes", "gd-parabola-regimes"),
    ("A fixed rate suits no two directions", "fixed-rate-dilemma"),
    ("Saddles do not stop it for ever", "saddle-not-permanent"),
    ("Smaller rates later on", "step-decay-sgd-gabor"),
    ("Momentum smooths the path", "figure-6-7"),
    ("Nesterov looks ahead", "nesterov"),
    ("Adam normalises every coordinate", "figure-6-9"),
    ("Hyper-parameters are searched for", "hyperparameter-search"),
    ("Initialisation: gradients very large or small", "adam-depth-balancing"),
    ("Initialisation and warm-up", "warmup-deep-chain"),
)


@item(
    "training-summary",
    kind="guidance",
    source="Chapter 6, introduction and section 6.6",
    title=("The chapter in short", "本章小结"),
    statement=(
        "Training walks down the gradient to where it vanishes. With non-linear models that may be a local minimum or "
        "a saddle. SGD costs less a step and its noise moves it on; momentum and Adam shorten the way. All this suits "
        "any model; what a bad initialisation does to gradients comes next.",
        "梯度下降沿负梯度走到收敛；非线性模型带来局部极小值和鞍点；SGD 加入噪声，计算也更省；动量与 Adam 使收敛更快。"
        "这些适用于任何模型；接下来是不当初始化对梯度的影响。",
    ),
    verdict="holds",
    ranges={"lr": (0.005, 0.3), "steps": (20, 500)},
)
def training_summary(run: Run, lr: float = 0.1, steps: int = 150) -> None:
    run.claim(
        ("items of this overview that the book does not have", "本页所列条目中不存在的个数"),
        sum(name not in ITEMS for _, name in SUMMARY), equals=0,
    )  # fmt: skip
    run.table(("Where it is shown", "演示所在的条目"), ("what", "item"), SUMMARY)
    loss = full_loss()
    makers: dict[str, Any] = {
        "gradient descent": lambda rate: lambda p: mt.optim.GradientDescent(p, lr=rate),
        "momentum": lambda rate: lambda p: mt.optim.Momentum(p, lr=rate, beta=0.9, form="sum"),
        "Adam": lambda rate: lambda p: mt.optim.Adam(p, lr=5 * rate),
    }
    names_zh = {"gradient descent": "梯度下降", "momentum": "动量法", "Adam": "Adam"}
    for name, maker in makers.items():
        path = mt.analysis.trace(maker(0.1), loss, start=(-2.1, 20.0), steps=500)
        run.claim(
            (f"Gabor, {name}: loss after 500 steps", f"Gabor，{names_zh[name]}：500 步后的损失"),
            path.losses[-1],
            equals=0.6457,
            within=1e-4,
        )
    shown = {
        name: mt.analysis.trace(maker(lr), loss, start=(-2.1, 20.0), steps=steps) for name, maker in makers.items()
    }
    scales = np.geomspace(0.1, 3, 9)
    firsts = np.array([[layer_sizes("tanh", s, 6, 16, k, 1)[0][0] for k in range(5)] for s in scales])
    run.claim(
        ("first layer's gradient, largest over smallest of 9 scales of the initial weights", "第一层的梯度：9 种初始权重尺度下最大与最小之比"),
        np.median(firsts, 1).max() / np.median(firsts, 1).min(), at_least=1000,
    )  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        for (name, path), style in zip(shown.items(), ("-", "--", "-."), strict=True):
            left.plot(path.losses, style, label=name)
        left.set(xlabel="step", ylabel="loss", yscale="log", title="the Gabor model")
        left.legend(fontsize="small")
        right.loglog(scales, np.median(firsts, 1), "o-", label="median of 5 networks")
        right.fill_between(scales, firsts.min(1), firsts.max(1), alpha=0.2, label="smallest to largest")
        right.set(xlabel="scale of the initial weights", ylabel="first layer's gradient (RMS)", title="6 tanh layers")
        right.legend(fontsize="small")

    run.figure(
        ("Left: three ways down. Right: what the initial weights do to the gradient.", "左：三种下降方式。右：初始权重对梯度的影响。"),
        draw, (1, 2), (9.5, 3.9),
    )  # fmt: skip


HISTORY = {
    "GradientDescent": 1847, "SGD": 1951, "Momentum": 1964, "Nesterov": 1983, "Adagrad": 2011, "RMSprop": 2012,
    "Adadelta": 2012, "SVRG": 2013, "Adam": 2015, "NAdam": 2016, "SWATS": 2017, "AdamW": 2019,
}  # fmt: skip
CHECKED_BY = {
    "GradientDescent": "gd-parabola-regimes", "SGD": "sgd-update", "Momentum": "ema-momentum", "Nesterov": "nesterov",
    "Adagrad": "adagrad", "RMSprop": "rmsprop", "Adadelta": "adadelta", "SVRG": "svrg", "Adam": "adam", "NAdam": "nadam",
    "SWATS": "swats", "AdamW": "adamw", "RAdam": "radam",
}  # fmt: skip


@item(
    "optimizer-lineage",
    kind="guidance",
    source="Chapter 6, notes, historical remarks",
    title=("The family tree of the optimizers", "优化器的谱系"),
    statement=(
        "Gradient descent: Cauchy 1847. SGD: Robbins and Monro 1951. Momentum: Polyak 1964; Nesterov 1983, with SGD "
        "Sutskever 2013. SVRG: Johnson and Zhang 2013. AdaGrad 2011, RMSProp and AdaDelta 2012, Adam 2015, NAdam 2016, SWATS "
        "2017, AdamW 2019, RAdam 2021. Engineers say objective for loss.",
        "梯度下降：Cauchy 1847。SGD：Robbins 与 Monro 1951。动量：Polyak 1964；Nesterov 1983，与 SGD 结合 Sutskever 2013。"
        "SVRG：Johnson 与 Zhang 2013。AdaGrad 2011，RMSProp 与 AdaDelta 2012，Adam 2015，NAdam 2016，SWATS 2017，AdamW 2019，"
        "RAdam 2021。工程界把损失称为目标函数。",
    ),
    verdict="holds",
    ranges={"since": (1600, 2030)},
)
def lineage(run: Run, since: int = 1840) -> None:
    tree = family()
    years = {kind.__name__: year for year, kind in tree}
    for name, year in HISTORY.items():
        run.claim(
            (f"{name}: the year of its first reference", f"{name}：首篇文献的年份"), years.get(name, 0), equals=year
        )
    run.claim(
        ("RAdam: the year (2020 at a conference, cited as 2021)", "RAdam：年份（2020 年会议发表，书中引作 2021）"),
        years.get("RAdam", 0),
        between=(2020, 2021),
    )
    exported = [
        kind for kind in vars(mt.optim).values()
        if inspect.isclass(kind) and issubclass(kind, mt.optim.Optimizer) and kind is not mt.optim.Optimizer
    ]  # fmt: skip
    for what, what_zh, lacking in (
        ("a reference", "文献", [k for k in exported if not k.reference]),
        ("an idea in one line", "一句话的思路", [k for k in exported if not k.idea]),
        ("a docstring", "文档字符串", [k for k in exported if not k.__doc__]),
        ("a formula that prints", "可打印的公式", [k for k in exported if "<-" not in str(k.rule)]),
        (
            "a place in optim.table()",
            "谱系表中的位置",
            [k for k in exported if k.__name__ not in mt.optim.table()],
        ),
    ):
        run.claim((f"exported optimizers without {what}", f"导出的优化器中缺少{what_zh}的个数"), len(lacking), equals=0)
    run.claim(
        ("optimizers of the notes without an item that checks them", "注释所列优化器中没有对应条目的个数"),
        sum(name not in ITEMS for name in CHECKED_BY.values()), equals=0,
    )  # fmt: skip
    run.table(
        ("The family tree", "谱系"), ("year", "optimizer", "idea", "who", "item"),
        [(year, kind.__name__, kind.idea, kind.reference, CHECKED_BY.get(kind.__name__, "")) for year, kind in tree],
    )  # fmt: skip
    shown = [(year, kind.__name__) for year, kind in tree if year >= since]

    def draw(ax: Any) -> None:
        notes = set(CHECKED_BY)
        for k, (year, name) in enumerate(shown):
            colour = "#1f5fa8" if name in notes else "0.55"
            ax.plot([year], [k], "o", color=colour, markersize=5)
            ax.annotate(f"{name} {year}", (year, k), (-8 if year > 1930 else 8, 0), textcoords="offset points",
                        ha="right" if year > 1930 else "left", va="center", fontsize=8, color=colour)  # fmt: skip
        ax.plot([], [], "o", color="#1f5fa8", label="named in the chapter's notes")
        ax.plot([], [], "o", color="0.55", label="others in microtrain")
        ax.set(xlabel="year", yticks=[], ylabel="in the order of the years")
        ax.margins(x=0.12)
        ax.legend(fontsize="small", loc="upper left")

    run.figure(("Who came when", "各优化器提出的年份"), draw, size=(7.5, 5.5))
