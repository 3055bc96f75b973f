"""Which minima SGD finds: the width by the ratio of learning rate and batch size, and what width is good for."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run
from .sgd_networks import ratio_table, train_networks

WELL = analysis.problems.sharp_flat_well()
BARRIER, SHARP, FLAT = -0.46649, -0.99322, 0.95318


def flat_shares(
    pairs: tuple[tuple[float, int], ...], seed: int, walkers: int = 400, strength: float = 6.0
) -> np.ndarray:
    """The shares of walkers that are in the flat well at time 60, for pairs (rate, batch) of one rate.

    Sample i adds `strength` s_i x to the loss, where the 64 s_i are normal draws, standardised. All start at the sharp
    minimum; batches are drawn with replacement.
    """
    rng = np.random.default_rng([seed, round(1e6 * pairs[0][0])])
    s = np.random.default_rng(seed).standard_normal(64)
    s = strength * (s - s.mean()) / s.std()
    x = mt.tensor(np.full((len(pairs), walkers), SHARP), requires_grad=True)
    optimizer = mt.optim.SGD([x], lr=pairs[0][0])
    for _ in range(round(60 / pairs[0][0])):
        push = np.array([s[rng.integers(64, size=(walkers, batch))].mean(1) for _, batch in pairs])
        optimizer.zero_grad()
        (WELL(x) + (push * x).sum()).backward()
        optimizer.step()
    return (x.detach().numpy() > BARRIER).mean(1)  # type: ignore[no-any-return]


@item(
    "lr-batch-ratio-width",
    kind="experiment",
    source="Chapter 6, notes, properties of SGD (Jastrzębski et al. 2018)",
    title=("Noisier SGD, wider minima", "噪声越大，极小值越宽"),
    statement=(
        "The ratio of learning rate to batch size decides how wide the minimum is that SGD finds: the larger the ratio, "
        "the wider the minimum.",
        "学习率与批量大小之比决定 SGD 所找到的极小值有多宽：比值越大，极小值越宽。",
    ),
    verdict="holds with a condition",
    correction=(
        "Not always. The effect needs classes that overlap: with well separated ones it vanishes or turns round. And in "
        "two wells the share in the wide one falls again beyond a ratio of 0.02, where the noise is strong enough to "
        "leave that well too.",
        "并非总是如此。只有类别相互重叠时才有这一效应，类别分得很开时它会消失甚至反转。在双谷问题中，比值超过 0.02 后，"
        "落在宽谷中的比例再次下降，因为噪声已大到足以离开宽谷。",
    ),
    ranges={"strength": (1.0, 12.0), "eta": (0.01, 0.05)},
    random=True,
)
def ratio_width(run: Run, strength: float = 6.0, eta: float = 0.02) -> None:
    batches = (8, 4, 2, 1)
    shares = flat_shares(tuple((0.02, b) for b in batches), run.seed)
    more = float(flat_shares(((0.04, 1),), run.seed)[0])
    for k, limits in enumerate(((0.0, 0.02), (0.0, 0.06), (0.2, 0.8), (0.5, 0.9))):
        ratio = 0.02 / batches[k]
        run.claim(
            (
                rf"two wells, $\eta/B = {ratio:g}$: share in the flat well",
                rf"双谷，$\eta/B = {ratio:g}$：落在平坦谷中的比例",
            ),
            shares[k],
            between=limits,
        )
    run.claim((r"$\eta/B = 0.04$", r"$\eta/B = 0.04$：同上"), more, between=(0.4, 0.85))
    run.claim(
        ("the share rises up to a ratio of 0.02: smallest difference", "比值到 0.02 为止，比例递增：最小的差"),
        np.diff(shares).min(),
        at_least=0.0,
    )
    rows = ratio_table(run.seed)
    sharp = {(row[0], row[1]): row[3] for row in rows}
    run.claim(
        (
            r"networks: mean sharpness at $B/\eta = 5$ ($B = 4$ and 1) over that at 320",
            r"网络：$B/\eta = 5$（$B = 4$ 与 1）与 320 的平均尖锐性之比",
        ),
        (sharp[0.8, 4] + sharp[0.2, 1]) / (2 * sharp[0.2, 64]),
        at_most=0.85,
    )
    run.claim(
        ("one ratio, 5: sharpness with $B = 4$ over that with $B = 1$", "比值同为 5：$B = 4$ 与 $B = 1$ 的尖锐性之比"),
        sharp[0.8, 4] / sharp[0.2, 1],
        between=(0.8, 1.25),
    )
    apart = [train_networks(*pair, run.seed, 48, 2.5).sharpness.mean() for pair in ((0.8, 4), (0.2, 64))]
    run.claim(
        (
            "class centres twice as far apart: the same ratio of sharpness ($B = 4$), which no longer falls",
            "类中心相距约两倍：同样的尖锐性之比（$B = 4$），不再下降",
        ),
        apart[0] / apart[1],
        at_least=0.9,
    )
    run.table(
        (
            "48 networks: sharpness and test accuracy where the loss first falls below 0.05",
            "48 个网络：损失首次低于 0.05 时的尖锐性与测试准确率",
        ),
        ("eta", "B", "B / eta", "sharpness", "s.e.", "accuracy", "s.e. "),
        rows,
    )
    ratios = [0.02 / b for b in batches] + [0.04]
    own = [*shares, more]
    if (strength, eta) != (6.0, 0.02):
        ratios = [eta / b for b in batches]
        own = list(flat_shares(tuple((eta, b) for b in batches), run.seed, 400, strength))

    def draw(left: Any, middle: Any, right: Any) -> None:
        x = np.linspace(-2, 2.2, 300)
        left.plot(x, analysis.Objective(WELL, np.zeros(1)).values(x[:, None]), color="C0")
        left.plot([SHARP, FLAT], [-0.9675, -0.9523], "o", color="C1", label="sharp, flat")
        left.set(xlabel="x", ylabel="f(x)", title="Two wells of nearly one depth")
        left.legend(fontsize="small")
        middle.plot(ratios, own, "o-")
        middle.set(xlabel=r"$\eta / B$", ylabel="share in the flat well", xscale="log", ylim=(-0.03, 1.0))
        middle.set_xticks(ratios, [f"{r:g}" for r in ratios], fontsize=8)
        middle.minorticks_off()
        middle.set_title(f"400 walkers, time 60, noise {strength:g}")
        right.errorbar([r[2] for r in rows], [r[3] for r in rows], [r[4] for r in rows], fmt="o", capsize=3)
        for r in rows:
            side: Any = {"xytext": (-4, 4), "ha": "right"} if r[1] == 1 else {"xytext": (4, 4)}
            right.annotate(f"B={r[1]}", (r[2], r[3]), textcoords="offset points", fontsize=8, **side)
        right.set(xlabel=r"$B / \eta$", ylabel="sharpness (mean, s.e.)", xscale="log", title="48 networks each")
        right.margins(x=0.25)

    run.figure(
        (
            "Left and middle: walkers from the sharp well end in the flat one more often, the noisier they are. Right: "
            "networks stopped at one loss; with a small $B/\\eta$ they are in flatter places.",
            "左、中：从尖锐谷出发，噪声越大，越常落入平坦谷。右：在同一损失处停止的网络，$B/\\eta$ 越小，所处位置越平坦。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )


@item(
    "flat-minimum-robustness",
    kind="theorem",
    source="Chapter 6, notes, properties of SGD (wide minima)",
    title=("What a flat minimum is good for", "平坦极小值有什么好处"),
    statement=(
        "If the test loss is a copy of the training loss that is shifted a little, an error in the parameters costs less "
        "in a wide minimum than in a narrow one.",
        "若测试损失是训练损失略微平移后的副本，则同样的参数误差，在宽的极小值中代价更小。",
    ),
    verdict="holds with a condition",
    correction=(
        "It presupposes that the test loss is such a copy. Sharpness itself is no property of the function that is "
        "learned: rescaling the layers changes it and leaves every prediction as it is.",
        "前提是测试损失确为这样的副本。尖锐性本身不是所学函数的性质：对各层重新缩放会改变它，而所有预测保持不变。",
    ),
    ranges={"delta": (0.005, 0.4)},
)
def flat_robustness(run: Run, delta: float = 0.05) -> None:
    loss = analysis.Objective(WELL, np.zeros(1))
    minima = [analysis.critical_points(WELL, [start])[0] for start in (SHARP, FLAT)]
    rises = {}
    expected = ((24.805, 0.0310, (0.0302, 0.0308)), (2.127, 0.00266, (0.00267, 0.00264)))
    for name, chinese, minimum, (curvature, prediction, measured) in zip(
        ("sharp", "flat"), ("尖锐极小值", "平坦极小值"), minima, expected, strict=True
    ):
        h = float(minimum.eigenvalues[0])
        run.claim((f"{name} minimum: curvature", f"{chinese}：曲率"), h, equals=curvature, within=5e-4)
        run.claim(
            (
                rf"{name} minimum: prediction $h \delta^2 / 2$, $\delta = 0.05$",
                rf"{chinese}：预测 $h \delta^2 / 2$，$\delta = 0.05$",
            ),
            h * 0.00125,
            equals=prediction,
            within=5e-5 if name == "sharp" else 5e-6,
        )
        both = loss.values(minimum.point + np.array([[-0.05], [0.05]])) - minimum.value
        rises[name] = both
        for rise, value in zip(sorted(both), sorted(measured), strict=True):
            run.claim(
                (f"{name} minimum: rise of the loss to one side", f"{chinese}：一侧的损失升高"),
                rise,
                equals=value,
                within=5e-5 if name == "sharp" else 5e-6,
            )
        run.claim(
            (f"{name} minimum: rise over prediction", f"{chinese}：升高与预测之比"),
            both / (h * 0.00125),
            equals=1,
            within=0.03,
        )
    ratio = float(minima[0].eigenvalues[0] / minima[1].eigenvalues[0])
    run.claim(("ratio of the two predictions", "两处预测之比"), ratio, equals=11.7, within=0.05)
    rng = np.random.default_rng(0)
    x, y = mt.tensor(rng.standard_normal((20, 2))), mt.tensor(rng.standard_normal((20, 1)))
    model = mt.nn.Sequential(mt.nn.Linear(2, 3, bias=False), mt.nn.ReLU(), mt.nn.Linear(3, 1, bias=False))
    for p in model.parameters():
        p.detach().copy_(rng.standard_normal(p.shape))

    def squares() -> mt.Tensor:
        return ((model(x) - y) ** 2).mean()  # type: ignore[no-any-return]

    fitted = analysis.Objective(squares, model)
    before, sharpness = fitted(), analysis.lambda_max(fitted)
    first, last = model.parameters()
    with mt.no_grad():
        first.mul_(10.0)
        last.div_(10.0)
    run.claim(
        ("layers rescaled by 10 and 1/10: change of the loss", "两层分别乘以 10 和 1/10：损失的变化"),
        abs(fitted() - before),
        at_most=1e-12,
    )
    run.claim(
        ("the same: factor on the sharpness", "同上：尖锐性变为原来的倍数"),
        analysis.lambda_max(fitted) / sharpness,
        at_least=5.0,
    )

    costs = [loss(minimum.point + delta) - minimum.value for minimum in minima]

    def draw(left: Any, right: Any) -> None:
        p = np.linspace(-2, 2.2, 300)
        left.plot(p, loss.values(p[:, None]), label="training loss")
        left.plot(p - delta, loss.values(p[:, None]), "--", label=rf"test loss, shifted by {delta:g}")
        for minimum in minima:
            at = minimum.point[0]
            left.plot([at, at], [minimum.value, loss(minimum.point + delta)], "_-", color="C3", markersize=14)
        left.set(xlabel="x", ylabel="loss", title="Cost of the shift: {:.2g} and {:.2g}".format(*costs))
        left.legend(fontsize="small")
        shifts = np.geomspace(0.005, 0.4, 40)
        for k, (name, minimum) in enumerate(zip(("sharp", "flat"), minima, strict=True)):
            rise = loss.values(minimum.point + shifts[:, None]) - minimum.value
            right.plot(shifts, rise, color=f"C{k}", label=f"{name} minimum")
            right.plot(shifts, minimum.eigenvalues[0] * shifts**2 / 2, ":", color=f"C{k}")
        right.axvline(delta, color="0.6", linewidth=0.8)
        right.set(xlabel=r"shift $\delta$", ylabel="rise of the loss", xscale="log", yscale="log")
        right.set_title(r"Dotted: $h\delta^2/2$")
        right.legend(fontsize="small")

    run.figure(
        (
            "A shift costs in proportion to the curvature, until the well ends.",
            "平移的代价与曲率成正比，直到离开山谷为止。",
        ),
        draw,
        (1, 2),
        (9.0, 4.0),
    )
