"""Strong convexity: what it says, and which constant the squared error has."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import wavy

from ..dynamics.descent import path
from ..entry import item
from ..run import Run
from .designs import design, least_squares


@item(
    "strong-convexity-inequality",
    kind="definition",
    source="Chapter 4, section 4.2.2, eq. 4.2.2",
    title=("Strong convexity", "强凸性"),
    statement=(
        r"A $\mu$-strongly convex function satisfies $f(w) \ge f(w^*) + \frac{\mu}{2}\|w - w^*\|^2$; the constant decides how fast optimisation converges.",
        r"$\mu$ 强凸函数满足 $f(w) \ge f(w^*) + \frac{\mu}{2}\|w - w^*\|^2$；这个常数决定优化的收敛速度。",
    ),
    verdict="holds with a condition",
    correction=(
        r"True of every $\mu$-strongly convex $f$ with minimiser $w^*$, which is all that the sentence says. It is no definition, though it is the only description "
        r"that is given: $x^2 + 10\sin^2 x$ satisfies it with $\mu = 2$, is not convex, and has other minima in which gradient descent stops. The definition compares all "
        r"pairs: $f(y) \ge f(x) + \nabla f(x)^\top (y-x) + \frac{\mu}{2}\|y-x\|^2$, equivalently all eigenvalues of the Hessian are at least $\mu$.",
        r"对任何有最小值点 $w^*$ 的 $\mu$ 强凸函数，该不等式都成立，原文说的也只是这一点。但它不能当作定义，而书中没有给出别的说法："
        r"$x^2 + 10\sin^2 x$ 以 $\mu = 2$ 满足它，却不是凸函数，梯度下降会停在其他极小值处。定义须比较任意两点："
        r"$f(y) \ge f(x) + \nabla f(x)^\top (y-x) + \frac{\mu}{2}\|y-x\|^2$，等价于 Hessian 矩阵的特征值都不小于 $\mu$。",
    ),
    ranges={"wave": (0.0, 20.0), "eta": (0.001, 0.04)},
)
def growth_inequality(run: Run, wave: float = 10.0, eta: float = 0.04) -> None:
    f = analysis.Objective(wavy, np.zeros(1))
    grid = np.linspace(-10, 10, 4001)[:, None]
    run.claim((r"smallest $f(x) - x^2$ on $[-10, 10]$: eq. 4.2.2 holds with $\mu = 2$", r"$[-10, 10]$ 上 $f(x) - x^2$ 的最小值：式 (4.2.2) 以 $\mu = 2$ 成立"),
              (f.values(grid) - grid[:, 0] ** 2).min(), equals=0, within=1e-12)  # fmt: skip
    growth = analysis.quadratic_growth(f, [0.0], points=20000, sampler=5.0)
    run.claim(
        ("constant of quadratic growth around 0, from 20000 points", "绕 0 的二次增长常数（20000 个点）"),
        growth.value,
        equals=2,
        within=0.01,
    )
    run.claim((r"smallest $f''$", r"$f''$ 的最小值"), f.hessians(grid).min(), equals=-18, within=1e-3)
    true = analysis.strong_convexity(f, pairs=20000, sampler=5.0)
    run.claim(
        ("constant of strong convexity, from 20000 pairs: at most", "强凸系数（20000 对点）：不超过"),
        true.value,
        at_most=-5,
    )
    ends = path(wavy, [1.0, 3.0, 4.0, 6.0, 8.0], 0.04, 1000)[-1]
    run.claim(
        (r"gradient descent from 1, $\eta = 0.04 < 2/22$: end", r"梯度下降从 1 出发，$\eta = 0.04 < 2/22$：终点"),
        ends[0],
        equals=0,
        within=1e-9,
    )
    run.claim(("from 3, 4, 6 and 8: end", "从 3、4、6、8 出发：终点"), ends[1:], equals=2.839604, within=5e-7)
    run.claim(("the loss there", "该处的损失"), f([ends[1]]), equals=8.9479, within=5e-5)
    bowl = analysis.problems.quadratic([10.0, 1.0])
    for name, chinese, value in (
        ("quadratic growth", "二次增长", analysis.quadratic_growth(bowl, np.zeros(2), points=5000).value),
        ("strong convexity", "强凸系数", analysis.strong_convexity(bowl, np.zeros(2), pairs=5000).value),
    ):
        run.claim(
            (
                rf"$H = \mathrm{{diag}}(10, 1)$, {name}, from 5000 samples",
                rf"$H = \mathrm{{diag}}(10, 1)$，{chinese}（5000 个样本）",
            ),
            value,
            between=(1, 1.01),
        )
    mine = analysis.Objective(lambda x: (x * x + wave * x.sin() ** 2).sum(), np.zeros(1))
    starts = np.linspace(-9, 9, 37)
    reached = path(lambda x: (x * x + wave * x.sin() ** 2).sum(), starts, eta, 1000)[-1]

    def draw(left: Any, right: Any) -> None:
        x = np.linspace(-9.5, 9.5, 500)
        left.plot(x, mine.values(x[:, None]), label=rf"$x^2 + {wave:g}\sin^2 x$")
        left.plot(x, x * x, "--", label=r"$f(0) + (\mu/2)x^2$ with $\mu = 2$")
        left.plot(
            reached,
            mine.values(reached[:, None]),
            "k*",
            markersize=8,
            linestyle="none",
            label="where gradient descent stops",
        )
        left.set(xlabel="x", ylabel="f(x)")
        right.plot(x, mine.hessians(x[:, None]).ravel(), label="$f''$")
        right.axhline(2, color="C1", linestyle="--", label=r"what $\mu = 2$ would need: $f'' \geq 2$")
        right.set(xlabel="x", ylabel="second derivative")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("The inequality of eq. 4.2.2 holds (left), the curvature says that the function is not convex (right)",
         "式 (4.2.2) 的不等式成立（左），曲率却表明函数不是凸函数（右）"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "mse-strong-convexity-constant",
    kind="theorem",
    source="Chapter 4, section 4.2.2, after eq. 4.2.2",
    title=("The strong convexity constant of squared error", "均方误差的强凸系数"),
    statement=(
        r"The squared error has the strong convexity constant $\mu = \lambda_{min}(X^\top X)$.",
        r"均方误差的强凸系数为 $\mu = \lambda_{min}(X^\top X)$。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The section defines the squared error as $\frac{1}{2N}\|Xw - y\|^2$, and its Hessian as $X^\top X/N$. So $\mu = \lambda_{min}(X^\top X)/N$: here 0.288, not 57.6, "
        r"a factor of $N = 200$. With $1/N$ in place of $1/(2N)$ it is twice as much. The printed value belongs to $\frac{1}{2}\|Xw - y\|^2$.",
        r"本节把均方误差定义为 $\frac{1}{2N}\|Xw - y\|^2$，Hessian 矩阵为 $X^\top X/N$。因此 $\mu = \lambda_{min}(X^\top X)/N$："
        r"这里是 0.288，而不是 57.6，相差 $N = 200$ 倍。系数为 $1/N$ 时再乘 2。书中的值属于 $\frac{1}{2}\|Xw - y\|^2$。",
    ),
    ranges={"mu": (0.01, 60.0)},
    random=True,
)
def mse_constant(run: Run, mu: float = 1.0, form: str = "right") -> None:
    x, y = design()
    loss = least_squares(x, y)
    smallest = float(np.linalg.eigvalsh(x.T @ x)[0])
    claimed = smallest if form == "printed" else smallest / len(x)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    run.claim((r"$\lambda_{min}(X^\top X)$", r"$\lambda_{min}(X^\top X)$"), smallest, equals=57.635, within=5e-4)
    axes = analysis.principal_axes(loss)
    ratio = (loss(best + axes.vectors[:, 0]) - loss(best)) / 0.5
    run.claim((r"growth along the eigenvector of the smallest eigenvalue, $2(f(w) - f(w^*))/\|w - w^*\|^2$",
               r"沿最小特征值的特征向量的增长，$2(f(w) - f(w^*))/\|w - w^*\|^2$"), ratio, equals=0.288175, within=5e-7)  # fmt: skip
    run.claim(
        (r"the formula's $\mu$ over this growth", r"公式给出的 $\mu$ 与该增长之比"),
        claimed / ratio,
        equals=1,
        within=1e-9,
    )
    generator = mt.Generator(run.seed)
    away = best + 3 * run.rng.standard_normal((2000, 5))
    rise = 2 * (loss.values(away) - loss(best)) / ((away - best) ** 2).sum(1)
    run.claim((r"2000 random $w$: share that violates eq. 4.2.2 with this $\mu$", r"2000 个随机 $w$：以这个 $\mu$ 违反式 (4.2.2) 的比例"),
              float((rise < claimed * (1 - 1e-9)).mean()), equals=0)  # fmt: skip
    run.claim(
        (r"and with $\lambda_{min}(X^\top X)$, as printed", r"以书中的 $\lambda_{min}(X^\top X)$"),
        float((rise < smallest).mean()),
        equals=1,
    )
    run.claim(("strong convexity from 2000 random pairs: an upper bound of it", "由 2000 对随机点估计的强凸系数（上界）"),
              analysis.strong_convexity(loss, pairs=2000, generator=generator).value, between=(0.288175, 1.0))  # fmt: skip
    plain = analysis.mse_constants(x, "mean").mu
    run.claim((r"with $1/N$ for $1/(2N)$: $\mu$", r"系数为 $1/N$ 时的 $\mu$"), plain, equals=2 * 0.288175, within=1e-6)
    directions = run.rng.standard_normal((400, 5))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    slopes = np.einsum("ki,ki->k", directions, loss.hvp(directions))

    def draw(left: Any, right: Any) -> None:
        t = np.linspace(-3, 3, 100)
        left.plot(t, loss.values(best + t[:, None] * axes.vectors[:, 0]), label="loss along the flattest direction")
        for value, style in ((smallest / len(x), "--"), (mu, "-."), (smallest, ":")):
            left.plot(t, loss(best) + 0.5 * value * t * t, style, label=rf"$f(w^*) + \mu t^2/2$, $\mu = {value:.4g}$")
        left.set(xlabel=r"distance t from $w^*$", ylabel="loss", ylim=(0, 2.2))
        right.hist(slopes, np.geomspace(0.2, 10, 40), color="#7a9cc6", label="growth in 400 random directions")
        right.axvline(smallest / len(x), color="C1", linestyle="--", label=r"$\lambda_{min}(X^\top X)/N$")
        right.axvline(smallest, color="C3", linestyle=":", label=r"$\lambda_{min}(X^\top X)$, as printed")
        right.set(xlabel=r"$2(f(w) - f(w^*))/\|w - w^*\|^2$", ylabel="directions", xscale="log")
        for ax in (left, right):
            ax.legend(fontsize="small", loc="upper center" if ax is left else "upper right")

    run.figure(
        ("The loss lies above the parabola with the right constant, and far below that with the printed one (left); the growth in all directions (right)",
         "损失位于用正确常数的抛物线之上，远低于用书中常数的抛物线（左）；各方向的增长（右）"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip
