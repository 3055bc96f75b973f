"""The two decays between the same ends: which is higher, where, and which falls faster at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize

from ..entry import item
from ..run import Run
from .schedule_shapes import budget, cosine, exponential, slope_of, values

CROSSINGS = ((0.5, 0.6470), (0.2, 0.8015), (0.1, 0.8790), (0.05, 0.9284), (0.01, 0.9803))
BUDGETS = ((0.5, 0.75, 0.7213), (0.1, 0.55, 0.3909), (0.01, 0.505, 0.2150))
HALVES = ((0.1, (0.4182, 0.1318), (0.2970, 0.0939)), (0.01, (0.4101, 0.0949), (0.1954, 0.0195)))
# (1 - r)(1 + cos 0.9 pi) / 2 and r^0.9 - r: 0.023248 for r = 0.05 and 0.005849 for r = 0.01, so ...32 and ...58
DROPS = ((0.5, 0.0122, 0.0359), (0.1, 0.0220, 0.0259), (0.05, 0.0232, 0.0175), (0.01, 0.0242, 0.0058))


@item(
    "cosine-versus-exponential-shape",
    kind="theorem",
    source="Deep-learning optimizers, the comparison of the two decays; hands-on problem 3154427",
    title=("Cosine against exponential decay", "余弦退火与指数衰减的比较"),
    statement=(
        "Between the same ends, cosine keeps the rate high for longer and falls faster at the end; the sums of the rates "
        "differ.",
        "若起点和终点相同，余弦退火在前期更久地保持较大的学习率，后期下降更快；两者学习率的总和不同。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The first half always holds. But the cosine is steepest in the middle of the run and has slope 0 at its end, where "
        r"the exponential still falls with slope $-r \ln(1/r)$, $r = \eta_T / \eta_0$. Over the last tenth of the run the "
        r"cosine falls more only for small $r$ (0.05 and less), not for $r = 0.1$ or 0.5.",
        r"前半句总成立。但余弦退火在运行中点最陡，终点斜率为 0，而指数衰减在终点的斜率仍为 $-r \ln(1/r)$，其中 $r = \eta_T / \eta_0$。"
        r"在最后十分之一的步数内，只有 $r$ 较小（不超过 0.05）时余弦退火才下降更多，$r = 0.1$ 或 0.5 时则不然。",
    ),
    ranges={"r": (0.001, 0.9)},
)
def cosine_versus_exponential(run: Run, r: float = 0.1) -> None:
    grid = np.linspace(0.001, 0.999, 999)
    for ratio, expected in CROSSINGS:
        a, b = cosine(ratio), exponential(ratio)
        crossing = float(optimize.brentq(lambda s, a=a, b=b: a(100 * s) - b(100 * s), 0.5, 0.9999))
        run.claim(
            (rf"$r = {ratio}$: they cross at $t/T$", rf"$r = {ratio}$：两条曲线的交点 $t/T$"),
            crossing,
            equals=expected,
            within=5e-5,
        )
        above = values(a, 100 * grid) > values(b, 100 * grid)
        run.claim(
            (rf"$r = {ratio}$: cosine above before, below after", rf"$r = {ratio}$：交点前余弦较大，交点后较小"),
            bool((above == (grid < crossing)).all()),
        )
    for ratio, first, second in BUDGETS:
        both = budget(cosine(ratio), 0, 1), budget(exponential(ratio), 0, 1)
        for name, zh, measured, expected in (
            ("cosine", "余弦", both[0], first),
            ("exponential", "指数", both[1], second),
        ):
            run.claim(
                (rf"$r = {ratio}$: sum of rates, {name}", rf"$r = {ratio}$：学习率总和，{zh}"),
                measured,
                equals=expected,
                within=5e-5,
            )
    ratios = np.linspace(0.001, 0.999, 999)
    run.claim(
        ("for every $r$: the cosine's sum less the exponential's", "对每个 $r$：余弦的总和减去指数的总和"),
        ((1 + ratios) / 2 - (1 - ratios) / np.log(1 / ratios)).min(),
        at_least=0.0,
    )
    for ratio, cosines, exponentials in HALVES:
        for name, zh, make, expected_halves in (
            ("cosine", "余弦", cosine, cosines),
            ("exponential", "指数", exponential, exponentials),
        ):
            for k, half in enumerate(expected_halves):
                run.claim(
                    (rf"$r = {ratio}$, {name}: half {k + 1} of the run", rf"$r = {ratio}$，{zh}：第 {k + 1} 个半程"),
                    budget(make(ratio), k / 2, (k + 1) / 2),
                    equals=half,
                    within=5e-5,
                )
    for ratio, falls, falls_too in DROPS:
        for name, zh, make, expected in (
            ("cosine", "余弦", cosine, falls),
            ("exponential", "指数", exponential, falls_too),
        ):
            run.claim(
                (rf"$r = {ratio}$, {name}: fall in the last tenth", rf"$r = {ratio}$，{zh}：最后十分之一的降幅"),
                make(ratio)(90) - make(ratio)(100),
                equals=expected,
                within=5e-5,
            )
    steepest = grid[np.argmin([slope_of(0.1, "cosine")(s) for s in grid])]
    run.claim(("where the cosine is steepest", "余弦最陡处"), steepest, equals=0.5, within=1e-3)
    run.claim(
        (r"$r = 0.1$: the cosine's slope at the end", r"$r = 0.1$：余弦在终点的斜率"),
        slope_of(0.1, "cosine")(1.0),
        equals=0.0,
        within=1e-12,
    )
    run.claim(
        (r"$r = 0.1$: the exponential's, $-r \ln(1/r)$", r"$r = 0.1$：指数在终点的斜率 $-r \ln(1/r)$"),
        slope_of(0.1, "exponential")(1.0 - 1e-9),
        equals=-0.1 * np.log(10),
        within=1e-6,
    )

    def draw(left: Any, right: Any) -> None:
        s = np.linspace(0, 1, 201)
        for name, make, colour in (("cosine", cosine, "C0"), ("exponential", exponential, "C1")):
            left.plot(s, values(make(r), 100 * s), color=colour, label=name)
            inner = s[1:-1]
            right.plot(inner, [-slope_of(r, name)(x) for x in inner], color=colour, label=name)
        left.axvspan(0.9, 1, color="0.92")
        right.axvspan(0.9, 1, color="0.92")
        left.set(xlabel="t / T", ylabel=r"$\eta_t / \eta_0$", title=f"$r = {r:g}$")
        right.set(xlabel="t / T", ylabel="speed of the fall", title=r"$-\mathrm{d}\eta / \mathrm{d}(t/T)$")
        left.legend()

    run.figure(
        (
            "The two decays and how fast they fall; the last tenth of the run is shaded.",
            "两种衰减及其下降速度，阴影为最后十分之一。",
        ),
        draw,
        (1, 2),
        (9.0, 3.8),
    )
