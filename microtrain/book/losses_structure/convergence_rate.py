"""How fast gradient descent converges on a strongly convex loss, and when it zigzags."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import quadratic

from ..entry import item
from ..run import Run
from .optimisation_paths import quadratic_runs, shape_of


def losses_of(kappa: float, shares: Any, steps: int, start: Any = (1.0, 1.0)) -> np.ndarray:
    """Losses of gradient descent on (kappa a^2 + b^2)/2 with the rates share/L: (steps + 1, shares)."""
    rates = np.asarray(shares, float) / kappa
    points = quadratic_runs(np.tile((kappa, 1.0), (len(rates), 1)), rates, start, steps)
    found = analysis.objective(quadratic(np.array([kappa, 1.0])), np.zeros(2))
    return found.values(points.reshape(-1, 2)).reshape(points.shape[:2])


@item(
    "gd-linear-rate",
    kind="theorem",
    source="Chapter 4, section 4.2.5, eq. 4.2.11",
    title=("The linear rate of gradient descent", "梯度下降的线性收敛速度"),
    statement=(
        r"For a strongly convex loss with an $L$-Lipschitz gradient $f(w_T) - f(w^*) \le (1 - \mu/L)^T (f(w_0) - f(w^*))$; the smaller "
        r"$\mu/L$, the slower.",
        r"若损失 $\mu$-强凸且梯度 $L$-Lipschitz 连续，则 $f(w_T) - f(w^*) \le (1 - \mu/L)^T (f(w_0) - f(w^*))$；$\mu/L$ 越小，收敛越慢。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The equation leaves out the learning rate. It holds for $\eta = 1/L$. At $\eta = 1.99/L$ and at $0.1/L$ gradient descent converges as well, but "
        r"for $\kappa = 10$ the loss after 50 steps is 65 and 6 times the bound. On quadratics the bound is loose: there the loss falls like $(1 - 1/\kappa)^{2T}$.",
        r"式中没有学习率。$\eta = 1/L$ 时成立；$\eta = 1.99/L$ 与 $0.1/L$ 时梯度下降同样收敛，但 $\kappa = 10$ 时，50 步后的损失分别是该上界的 65 倍和 6 倍。"
        r"对二次函数，这一上界偏松，损失实际按 $(1 - 1/\kappa)^{2T}$ 下降。",
    ),
    ranges={"kappa": (1.5, 200.0), "share": (0.05, 1.99), "steps": (10, 2000)},
)
def linear_rate(run: Run, kappa: float = 10.0, share: float = 1.99, steps: int = 300) -> None:
    count = np.arange(301)
    losses = losses_of(10.0, (1.0, 1.99, 0.1), 300)
    bound = analysis.linear_rate_bound(1.0, count, 1.0, 10.0)
    shares = losses / losses[0]
    run.claim(
        (r"$\eta = 1/L$, $\kappa = 10$: loss over the bound, largest of 300 steps", r"$\eta = 1/L$，$\kappa = 10$：300 步中损失与上界之比的最大值"),
        (shares[1:, 0] / bound[1:]).max(), at_most=1.0,
    )  # fmt: skip
    run.claim((r"$\eta = 1/L$: loss after 50 steps over the first", r"$\eta = 1/L$：50 步后的损失与初值之比"),
              shares[50, 0], equals=2.41e-6, within=5e-9)  # fmt: skip
    run.claim(("the bound there", "此处的上界"), bound[50], equals=5.15e-3, within=5e-6)
    run.claim(
        (r"the sharper $(1 - 1/\kappa)^{2T}$ of quadratics", r"二次函数更紧的上界 $(1 - 1/\kappa)^{2T}$"),
        bound[50] ** 2,
        equals=2.66e-5,
        within=5e-8,
    )
    run.claim((r"loss over $(1 - 1/\kappa)^{2T}$, largest of 100 steps", r"损失与 $(1 - 1/\kappa)^{2T}$ 之比，100 步中最大"),
              (shares[:101, 0] / bound[:101] ** 2).max(), at_most=1 + 1e-12)  # fmt: skip
    run.claim((r"$\eta = 1.99/L$: loss after 50 steps over the first", r"$\eta = 1.99/L$：50 步后的损失与初值之比"),
              shares[50, 1], equals=0.333, within=5e-4)  # fmt: skip
    run.claim(
        (r"$\eta = 1.99/L$: this over the bound", r"$\eta = 1.99/L$：上值与上界之比"),
        shares[50, 1] / bound[50],
        at_least=10,
    )
    run.claim((r"$\eta = 0.1/L$: the same", r"$\eta = 0.1/L$：同上"), shares[50, 2] / bound[50], at_least=5)
    picked = tuple(dict.fromkeys((0.5, 1.0, 1.5, share)))
    shown = losses_of(kappa, picked, steps)

    def draw(left: Any, right: Any) -> None:
        t = np.arange(steps + 1)
        limit = analysis.linear_rate_bound(1.0, t, 1.0, kappa)
        for k, part in enumerate(picked):
            left.semilogy(t, np.maximum(shown[:, k] / shown[0, k], 1e-30), color=f"C{k}", label=rf"$\eta = {part:g}/L$")
        left.semilogy(t, limit, "k--", linewidth=1.2, label=r"$(1 - \mu/L)^T$, the bound")
        left.semilogy(t, limit**2, "k:", linewidth=1.2, label=r"$(1 - \mu/L)^{2T}$")
        left.set(
            xlabel="T, steps",
            ylabel="loss over the first loss",
            title=rf"$\kappa = {kappa:g}$",
            ylim=(max(1e-30, 0.1 * limit[-1] ** 2), 3),
        )
        rates = np.linspace(0.02, 2.02, 201)
        factor = np.maximum(np.abs(1 - rates), np.abs(1 - rates / kappa)) ** 2
        right.plot(rates, factor, label="factor of the loss per step, quadratic")
        right.axhline(1 - 1 / kappa, color="k", linestyle="--", linewidth=1.2, label=r"promised: $1 - \mu/L$")
        right.fill_between(
            rates,
            1 - 1 / kappa,
            factor,
            where=factor > 1 - 1 / kappa,
            color="C3",
            alpha=0.2,
            label="slower than promised",
        )
        right.set(xlabel=r"$\eta L$", ylabel="factor per step")
        for ax in (left, right):
            ax.legend(fontsize="small", loc="lower left")

    run.figure(
        (r"Left: the loss for several rates, and the bound of eq. 4.2.11. Right: for which rates the bound is kept in the long run",
         "左：几种学习率下的损失与式 (4.2.11) 的上界。右：从长期看，哪些学习率满足该上界"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "zigzag-under-ill-conditioning",
    kind="experiment",
    source="Chapter 4, section 4.2.5, before theorem 4.2.3",
    title=("When gradient descent zigzags", "锯齿状路径何时出现"),
    statement=(
        r"With one learning rate for all directions and a large $\kappa$ the path of gradient descent zigzags, and it converges slowly.",
        r"条件数 $\kappa$ 很大而各方向共用一个学习率时，梯度下降的路径呈锯齿状，收敛缓慢。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The zigzag needs $\eta > 1/L$, or an exact line search. For $\eta \le 1/L$ the path is smooth and creeps along the valley: slow as well, but "
        "without a single change of sign.",
        r"锯齿只在 $\eta > 1/L$ 或使用精确线搜索时出现。$\eta \le 1/L$ 时路径平滑，沿谷底缓慢前进：同样慢，却没有一次变号。",
    ),
    ranges={"kappa": (1.5, 200.0), "share": (0.05, 1.99), "steps": (5, 200)},
)
def zigzag(run: Run, kappa: float = 10.0, share: float = 1.9, steps: int = 30) -> None:
    shares = (0.5, 1.0, 1.5, 1.9)

    def paths(k: float, parts: Any, count: int) -> list[analysis.Path]:
        points = quadratic_runs(np.tile((k, 1.0), (len(parts), 1)), np.asarray(parts) / k, (1.0, 1.0), count)
        return [shape_of(p) for p in points.swapaxes(0, 1)]

    def exact(k: float, count: int) -> analysis.Path:
        return analysis.trace(
            lambda p: mt.optim.LineSearchGD(p, search="exact"),
            quadratic(np.array([k, 1.0])),
            np.zeros(2),
            start=(1 / k, 1.0),
            steps=count,
        )

    for k in (10.0, 100.0):
        for part, path, flips in zip(shares, paths(k, shares, 30), (0, 0, 30, 30), strict=True):
            run.claim(
                (rf"$\kappa = {k:g}$, $\eta = {part:g}/L$: sign changes of the steep coordinate in 30 steps",
                 rf"$\kappa = {k:g}$，$\eta = {part:g}/L$：30 步中陡峭方向的变号次数"),
                path.sign_changes((1.0, 0.0)), equals=flips,
            )  # fmt: skip
    searched = exact(10.0, 30)
    run.claim((r"exact line search from $(1/\kappa, 1)$, $\kappa = 10$: sign changes in 30 steps", r"精确线搜索，从 $(1/\kappa, 1)$ 出发，$\kappa = 10$：30 步中的变号次数"),
              searched.sign_changes((1.0, 0.0)), equals=30)  # fmt: skip
    run.claim(("its turns: largest cosine between successive steps in size", "相邻两步夹角余弦的最大绝对值"),
              np.abs(searched.turning_cosines).max(), at_most=1e-6)  # fmt: skip
    shown = dict(
        zip(
            (rf"$\eta = {part:g}/L$" for part in (0.5, 1.0, share)), paths(kappa, (0.5, 1.0, share), steps), strict=True
        )
    )
    shown["exact line search"] = exact(kappa, steps)

    def draw(*axes: Any) -> None:
        for k, (ax, (name, path)) in enumerate(zip(axes, shown.items(), strict=True)):
            reach = 1.15 * max(0.2, np.abs(path.points[:, 0]).max())
            x, y = np.meshgrid(np.linspace(-reach, reach, 120), np.linspace(-0.2, 1.15, 120))
            ax.contour(x, y, kappa * x * x + y * y, levels=12, colors="0.85", linewidths=0.7)
            ax.plot(
                *path.points.T,
                "o-",
                color=f"C{k}",
                markersize=3,
                linewidth=1,
                label=f"{path.sign_changes((1.0, 0.0))} sign changes in {steps} steps",
            )
            ax.set(xlabel="$w_1$, steep", ylabel="$w_2$, flat", title=name)
            ax.legend(fontsize="small", loc="lower right")

    run.figure(
        ("The same valley with small and large steps, and with an exact line search", "同一条山谷：小步长、大步长与精确线搜索"),
        draw, (2, 2), (9.6, 7.0),
    )  # fmt: skip


@item(
    "gd-iterations-scale-with-kappa",
    kind="theorem",
    source="Chapter 4, section 4.2.5, theorem 4.2.3",
    title=("Steps proportional to the condition number", "迭代次数与条件数成正比"),
    statement=(
        r"On a strongly convex problem of condition number $\kappa$ gradient descent reaches the accuracy $\epsilon$ in $O(\kappa \log(1/\epsilon))$ "
        "iterations.",
        r"对条件数为 $\kappa$ 的强凸问题，梯度下降达到精度 $\epsilon$ 需 $O(\kappa \log(1/\epsilon))$ 次迭代。",
    ),
    verdict="holds",
    ranges={"share": (0.05, 1.9), "digits": (1.0, 12.0)},
)
def iterations(run: Run, share: float = 1.0, digits: float = 6.0) -> None:
    kappas = np.array([10.0, 30.0, 100.0, 300.0, 1000.0])
    curvatures = np.stack([kappas, np.ones(5)], 1)

    def distances(part: float, eps: float) -> np.ndarray:
        """|w| / |w_0| of the five runs, until all are below eps."""
        enough = int(-np.log(eps) / -np.log1p(-part / 1000)) + 10
        points = quadratic_runs(curvatures, part / kappas, (1.0, 1.0), enough)
        return np.asarray(np.linalg.norm(points, axis=2) / 2**0.5)

    found = distances(1.0, 1e-6)
    counts = {eps: (found <= eps).argmax(0) for eps in (1e-6, 1e-3)}
    for eps, expected in ((1e-6, (128, 398, 1341, 4034, 13463)), (1e-3, (63, 194, 653, 1966, 6558))):
        name = rf"10^{{{round(np.log10(eps))}}}"
        for kappa, count, number in zip(kappas, counts[eps], expected, strict=True):
            run.claim(
                (
                    rf"$\epsilon = {name}$, $\kappa = {kappa:g}$: steps",
                    rf"$\epsilon = {name}$，$\kappa = {kappa:g}$：迭代次数",
                ),
                count,
                equals=number,
            )
    run.claim(
        (r"$\epsilon = 10^{-6}$: steps over $\kappa$", r"$\epsilon = 10^{-6}$：迭代次数与 $\kappa$ 之比"),
        counts[1e-6] / kappas,
        between=(12.75, 13.55),
    )
    run.claim((r"$\kappa = 1000$: this, against $\ln(10^6/\sqrt{2})$", r"$\kappa = 1000$：该比值，与 $\ln(10^6/\sqrt{2})$ 相比"),
              counts[1e-6][-1] / 1000, equals=float(np.log(1e6 / 2**0.5)), within=0.01)  # fmt: skip
    slope = np.polyfit(np.log(kappas), np.log(counts[1e-6]), 1)[0]
    run.claim(
        (r"slope of log steps over log $\kappa$", r"迭代次数的对数对 $\log \kappa$ 的斜率"),
        slope,
        equals=1.0,
        within=0.02,
    )
    places = 10.0 ** -np.arange(2, 7)
    per_digit = np.diff([(found[:, -1] <= eps).argmax() for eps in places])
    run.claim((r"$\kappa = 1000$: steps per digit of accuracy, which is $\ln 10 / -\ln(1 - 1/\kappa)$", r"$\kappa = 1000$：每提高一位精度所需步数，即 $\ln 10 / -\ln(1 - 1/\kappa)$"),
              per_digit, equals=float(-np.log(10) / np.log1p(-1e-3)), within=1.0)  # fmt: skip
    run.note(
        r"The theorem leaves out the step size: every $\eta = c/L$ with a fixed $0 < c < 2$ gives this order.",
        r"定理没有写明步长：对任意固定的 $0 < c < 2$，取 $\eta = c/L$ 都是这一量级。",
    )
    goal = 10.0**-digits
    shown = distances(share, goal)
    needed = (shown <= goal).argmax(0)

    def draw(left: Any, right: Any) -> None:
        for eps, style in ((1e-6, "o-"), (1e-3, "s--")):
            left.loglog(kappas, counts[eps], style, label=rf"$\eta = 1/L$, $\epsilon = 10^{{{int(np.log10(eps))}}}$")
        if (share, digits) != (1.0, 6.0):
            left.loglog(kappas, needed, "^-.", label=rf"$\eta = {share:g}/L$, $\epsilon = 10^{{-{digits:g}}}$")
        left.loglog(kappas, kappas * np.log(1e6), "k:", label=r"$\kappa \ln 10^6$")
        left.set(xlabel=r"$\kappa$", ylabel="steps")
        for k, kappa in enumerate(kappas):
            right.loglog(
                np.arange(1, needed[k] + 1), shown[1 : needed[k] + 1, k], color=f"C{k}", label=rf"$\kappa = {kappa:g}$"
            )
        right.set(xlabel="step", ylabel="distance over the first distance", title=rf"$\eta = {share:g}/L$")
        for ax in (left, right):
            ax.grid(alpha=0.3)
            ax.legend(fontsize="small")

    run.figure(
        (r"Left: the steps needed are proportional to $\kappa$. Right: the distance to the minimum, step by step",
         r"左：所需步数与 $\kappa$ 成正比。右：到最小值点的距离随步数的变化"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
