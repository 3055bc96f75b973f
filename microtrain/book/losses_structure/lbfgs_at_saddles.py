"""Does L-BFGS identify negative curvature at a saddle?"""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..optimizers.following import descent, follow
from ..run import Run
from .saddle_escape import GOAL, START, left_at, shallow_saddle
from .saddle_methods import newton


def lbfgs(start: Any, steps: int, search: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The path of L-BFGS with a memory of 10, (steps + 1, 2), and how many pairs it had left out after each step."""
    p = mt.tensor(np.array(start, float), requires_grad=True)
    optimizer = mt.optim.LBFGS(
        [p], max_iter=1, max_eval=50, tolerance_grad=0, tolerance_change=0, history_size=10, line_search_fn=search
    )
    loss = shallow_saddle()

    def closure() -> mt.Tensor:
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        return value

    path, skipped = [np.array(p.detach())], [0]
    for _ in range(steps):
        optimizer.step(closure)
        path.append(np.array(p.detach()))
        skipped.append(optimizer.skipped)
    return np.array(path), np.array(skipped)


def bounded(start: Any, **options: float) -> Any:
    """SciPy's L-BFGS-B on the same loss and gradients."""
    from scipy.optimize import minimize

    found = analysis.objective(shallow_saddle(), np.zeros(2))
    return minimize(found.value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)


@item(
    "lbfgs-identifies-negative-curvature",
    kind="algorithm",
    source="Chapter 4, section 4.2.6, after theorem 4.2.4",
    title=("Does L-BFGS see negative curvature?", "L-BFGS 能识别负曲率吗"),
    statement=(
        "Second-order methods such as L-BFGS are said to use the Hessian to identify directions of negative curvature directly, and so to escape faster.",
        "二阶优化算法（如 L-BFGS）据称利用 Hessian 信息直接识别负曲率方向，从而更快逃离鞍点。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"L-BFGS keeps a positive definite estimate of the Hessian: pairs that tell of negative curvature ($s^\top y \le 0$) are thrown away, or the line search "
        "prevents them, so that it can't represent a negative eigenvalue. At this saddle it throws away 199 of the first 200 pairs and moves like gradient descent. A line search "
        "that lengthens steps may still speed up the escape, but that is not identifying negative curvature. Newton's method is drawn to saddles. What does "
        r"use negative curvature is a trust region, Lanczos steps, or Newton's method with $|\lambda|$ for $\lambda$.",
        r"L-BFGS 对 Hessian 矩阵的估计始终正定：显示负曲率的向量对（$s^\top y \le 0$）被舍弃，或由线搜索避开，因此无法表示负特征值。"
        r"在这一鞍点处，200 对中舍弃了 199 对，之后与梯度下降无异。线搜索若加大步长，仍可能加速逃离，但这不是识别负曲率。牛顿法会被鞍点吸引。"
        r"真正利用负曲率的是信赖域方法、Lanczos 步，或以 $|\lambda|$ 代替 $\lambda$ 的牛顿法。",
    ),
    ranges={"y0": (0.0, 0.04), "steps": (5, 2000)},
)
def negative_curvature(run: Run, y0: float = 1e-6, steps: int = 1300, form: str = "right") -> None:
    path, skipped = lbfgs(START, 1300)
    plain = follow(descent(1.0), shallow_saddle(), START, 1300)
    free = newton(START, 30, saddle_free=True)
    out, slow, quick = int(left_at(path[:, 1])), int(left_at(plain[:, 1])), int(left_at(free[:, 1]))
    run.claim(
        (
            r"Newton's method with $|\lambda|$: steps until $|y| \ge 0.05$",
            r"以 $|\lambda|$ 代替 $\lambda$ 的牛顿法：$|y| \ge 0.05$ 前的步数",
        ),
        quick,
        equals=16,
    )
    text = ("L-BFGS without a line search: steps", "无线搜索的 L-BFGS：步数")
    if form == "printed":  # who identifies the negative curvature leaves about as fast as the method that does
        run.claim(text, out, at_most=2 * quick)
        run.claim(
            ("pairs of the first 200 that it can't use", "前 200 对中无法使用的对数"), int(skipped[201]), at_most=100
        )
    else:
        run.claim(text, out, equals=1102)
        run.claim(
            ("pairs of the first 200 that it throws away", "前 200 对中舍弃的对数"), int(skipped[201]), equals=199
        )
        run.claim(
            (r"largest $|y|$ in 200 steps: not out yet", r"200 步中 $|y|$ 的最大值：尚未离开"),
            np.abs(path[:201, 1]).max(),
            at_most=GOAL,
        )
    run.claim((r"gradient descent with $\eta = 1$: steps", r"$\eta = 1$ 的梯度下降：步数"), slow, equals=1102)
    run.claim(
        (r"relative difference of the two in $y$, 1000 steps", r"1000 步中两者 $y$ 的相对差"),
        np.abs(path[:1001, 1] / plain[:1001, 1] - 1).max(),
        at_most=1e-6,
    )
    ends = [lbfgs((1.0, 0.0), 30, search)[0][-1] for search in (None, "strong_wolfe")] + [
        bounded((1.0, 0.0), **o).x for o in ({}, {"gtol": 1e-9, "ftol": 0})
    ]
    run.claim(
        ("all variants from (1, 0): distance from the saddle at the end", "各变体从 (1, 0) 出发：最终到鞍点的距离"),
        [np.linalg.norm(x) for x in ends],
        at_most=1e-9,
    )
    searched = lbfgs(START, 5, "strong_wolfe")[0]
    run.claim(
        ("with a strong Wolfe line search, which lengthens the step: steps", "采用可加大步长的强 Wolfe 线搜索：步数"),
        int(left_at(searched[:, 1])),
        at_most=5,
    )
    for offset in (1e-6, 1e-9):
        found = bounded((1.0, offset))
        run.claim((rf"SciPy's L-BFGS-B from $(1, 10^{{{round(np.log10(offset))}}})$: iterations until it reports convergence", rf"SciPy 的 L-BFGS-B，从 $(1, 10^{{{round(np.log10(offset))}}})$ 出发：宣告收敛时的迭代次数"),
                  found.nit if found.success else -1, equals=1)  # fmt: skip
        run.claim(
            ("and there it is at the saddle: distance", "此时位于鞍点：距离"), np.linalg.norm(found.x), at_most=2e-6
        )
    strict = bounded(START, gtol=1e-9, ftol=0)
    run.claim(
        (
            r"SciPy with gtol $10^{-9}$, ftol 0, from $(1, 10^{-6})$: $|y|$ at the end, out",
            r"SciPy，gtol 为 $10^{-9}$、ftol 为 0，从 $(1, 10^{-6})$ 出发：最终的 $|y|$，已离开",
        ),
        abs(strict.x[1]),
        at_least=GOAL,
    )
    run.claim(("its iterations", "其迭代次数"), strict.nit, between=(2, 15))
    run.claim(
        ("its evaluations, far more: the line search tries longer steps", "其求值次数多得多：线搜索尝试更长的步"),
        strict.nfev,
        between=(10, 60),
    )
    run.claim(
        (
            "the same from $(1, 10^{-9})$: distance from the saddle, where it stops",
            "同上，从 $(1, 10^{-9})$ 出发：停在鞍点，距离",
        ),
        np.linalg.norm(bounded((1.0, 1e-9), gtol=1e-9, ftol=0).x),
        at_most=1e-8,
    )
    usual = (y0, steps) == (1e-6, 1300)
    own = {
        "L-BFGS, no line search": path if usual else lbfgs((1.0, y0), steps)[0],
        r"gradient descent, $\eta = 1$": plain if usual else follow(descent(1.0), shallow_saddle(), (1.0, y0), steps),
        "L-BFGS, strong Wolfe": lbfgs((1.0, y0), 8, "strong_wolfe")[0],
        r"Newton with $|\lambda|$": newton((1.0, y0), 30, saddle_free=True),
        "Newton": newton((1.0, y0), 30),
    }

    def draw(left: Any, right: Any) -> None:
        for k, (name, points) in enumerate(own.items()):
            sizes = np.abs(points[:, 1])
            left.plot(
                np.arange(1, len(sizes)),
                np.maximum(sizes[1:], 1e-18),
                ("-", "--", "-.", "o-", ":")[k],
                linewidth=4 if not k else 1.6,
                alpha=0.35 if not k else 1,
                markersize=3,
                label=name,
            )
        left.set(xlabel="step", ylabel="$|y|$", xscale="log", yscale="log", ylim=(1e-17, 3), title=f"$y_0 = {y0:g}$")
        gradients = analysis.objective(shallow_saddle(), np.zeros(2)).gradients(path)
        s, g = np.diff(path, axis=0), np.diff(gradients, axis=0)
        curvature = (s * g).sum(1) / (s * s).sum(1)
        kept = (s * g).sum(1) > 1e-10  # the optimizer's own rule
        at = np.arange(1, len(curvature) + 1)
        right.plot(at[kept], curvature[kept], "C2o", markersize=4, label="kept")
        right.plot(at[~kept], curvature[~kept], "C3.", markersize=3, label="thrown away")
        right.axhline(-0.01, color="0.6", linestyle=":", label=r"$-\mu$, the negative eigenvalue")
        right.set(xlabel="step", ylabel=r"$s^\top y / s^\top s$ of the pair", xscale="log", yscale="symlog")
        right.set_yscale("symlog", linthresh=0.01)
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("Left: the way out of the saddle. Right: the curvature that L-BFGS measures along each step, and what becomes of it",
         "左：离开鞍点的过程。右：L-BFGS 沿每一步测得的曲率及其取舍"),
        draw, (1, 2), (9.6, 4.6),
    )  # fmt: skip
