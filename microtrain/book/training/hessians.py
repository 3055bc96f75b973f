"""The matrix of second derivatives in the chapter's notes: what it is, what it proves, and what it costs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import follow
from ..run import Run
from .gabor_runs import full_loss

SEPARABLE = np.array([-2.0, -1.0, 1.0, 2.0])


def line_loss() -> Any:
    """The sum of squares of the line fit (Figure 6.1)."""
    model, (x, y) = mt.nn.Line(), mt.data.line_points()
    return mt.analysis.objective(lambda: mt.nn.functional.mse_loss(model(x), y, reduction="sum"), model)


def separable_loss(p: mt.Tensor) -> mt.Tensor:
    """The summed cross-entropy of logistic regression on four points that a threshold separates."""
    logits = p[0] + p[1] * mt.tensor(SEPARABLE)
    target = mt.tensor((SEPARABLE > 0).astype(float))
    return mt.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")  # type: ignore[no-any-return]


def as_printed(hessian: np.ndarray) -> np.ndarray:
    """Eq. 6.19 as the translation prints it: no row of phi_0, and the diagonal's entries in the second column."""
    return np.array([[row[0], row[i], *row[2:]] for i, row in enumerate(hessian) if i])


@item(
    "hessian-matrix",
    kind="definition",
    source="Chapter 6, notes, eq. 6.19; problem 6.2, eq. 6.20",
    title=("The Hessian matrix", "Hessian 矩阵"),
    statement=(
        r"The matrix of second derivatives, $H_{ij} = \partial^2 L/\partial\phi_i \partial\phi_j$. It tells whether a function "
        "is convex and of what kind a stationary point is.",
        r"由二阶导数组成的矩阵，$H_{ij} = \partial^2 L/\partial\phi_i \partial\phi_j$，用来判断函数是否为凸函数，以及临界点的类型。",
    ),
    verdict="does not hold as printed",
    correction=(
        r"The printed matrix lacks the whole row of $\phi_0$, so that it is not square, and its second column repeats "
        r"$\partial^2 L/\partial\phi_i^2$ where $\partial^2 L/\partial\phi_i \partial\phi_1$ belongs. Right: $i$ and $j$ both run "
        "from 0 to $N$, as in eq. 6.20. The original's eq. 6.19 is correct.",
        r"印出的矩阵缺少 $\phi_0$ 的整行，因此不是方阵；第二列各行都是 $\partial^2 L/\partial\phi_i^2$，应为 "
        r"$\partial^2 L/\partial\phi_i \partial\phi_1$。正确写法与式 (6.20) 相同：$i$、$j$ 都从 0 到 $N$。英文原书的式 (6.19) 无误。",
    ),
    ranges={"phi_0": (-10.0, 10.0), "phi_1": (2.5, 25.0)},
)
def hessian_matrix(run: Run, phi_0: float = -5.0, phi_1: float = 25.0, form: str = "right") -> None:
    def matrix(found: Any, theta: Any) -> np.ndarray:
        full = found.hessian(theta)
        return as_printed(full) if form == "printed" else full

    def compare(name: tuple[str, str], measured: np.ndarray, expected: np.ndarray, within: float) -> None:
        fits = measured.shape == expected.shape
        run.claim(
            (f"{name[0]}: rows less columns", f"{name[1]}：行数减列数"), measured.shape[0] - measured.shape[1], equals=0
        )
        run.claim(
            (f"{name[0]}: largest difference", f"{name[1]}：最大差"),
            np.abs(measured - expected).max() if fits else np.nan,
            equals=0,
            within=within,
        )
        run.claim(
            (f"{name[0]}: asymmetry", f"{name[1]}：不对称程度"),
            np.abs(measured - measured.T).max() if fits else np.nan,
            equals=0,
            within=1e-8,
        )

    gabor, line = full_loss(), line_loss()
    at = np.array([-5.0, 25.0])
    compare(
        ("Gabor at (-5, 25)", "Gabor，(-5, 25) 处"),
        matrix(gabor, at),
        np.array([[4.39980075, 0.6111503], [0.6111503, 0.12715464]]),
        1e-6,
    )
    for place in ((0.0, 0.0), (3.0, -7.0)):
        compare(
            (f"line fit at {place}", f"直线拟合，{place} 处"),
            matrix(line, np.array(place)),
            np.array([[24, 22.82], [22.82, 30.0242]]),
            1e-9,
        )
    network = mt.nn.ShallowNetwork(activation=mt.Tensor.tanh, dtype="float64", generator=mt.Generator(3))
    x, y = mt.data.line_points()
    shallow = mt.analysis.objective(lambda: mt.nn.functional.mse_loss(network(x), y, reduction="sum"), network)
    theta, h = shallow.theta, 1e-5
    differences = np.array(
        [(shallow.gradient(theta + h * e) - shallow.gradient(theta - h * e)) / (2 * h) for e in np.eye(len(theta))]
    )
    compare(
        ("shallow network, beside differences of the gradient", "浅层网络，与梯度差分相比"),
        matrix(shallow, theta),
        differences,
        1e-5,
    )
    here = np.array([phi_0, phi_1])
    eigenvalues = np.linalg.eigvalsh(gabor.hessian(here))
    run.note(
        f"Gabor at ({phi_0:g}, {phi_1:g}): eigenvalues {eigenvalues[0]:.4g} and {eigenvalues[1]:.4g}.",
        f"Gabor，({phi_0:g}, {phi_1:g}) 处：特征值为 {eigenvalues[0]:.4g} 与 {eigenvalues[1]:.4g}。",
    )
    right = shallow.hessian(theta)

    def draw(first: Any, second: Any) -> None:
        reach = np.abs(right).max()
        for ax, values, name in (
            (first, right, "the Hessian, 10 x 10"),
            (second, as_printed(right), "as printed, 9 x 10"),
        ):
            image = ax.imshow(np.arcsinh(values), cmap="RdBu", vmin=-np.arcsinh(reach), vmax=np.arcsinh(reach))
            ax.set(title=name, xlabel="$j$", ylabel="$i$", xticks=range(values.shape[1]), yticks=range(len(values)))
            ax.set_yticklabels(range(10 - len(values), 10))
            ax.figure.colorbar(image, ax=ax, label="asinh of the second derivative", fraction=0.046)

    run.figure(
        ("The second derivatives of a network with ten parameters; as printed a row is missing and column 1 is the diagonal",
         "十个参数的网络的二阶导数；按原文缺一行，且第 1 列是对角元"),
        draw, (1, 2), (9.6, 4.2),
    )  # fmt: skip


@item(
    "pd-hessian-implies-single-minimum",
    kind="theorem",
    source="Chapter 6, notes on convexity; problem 6.2, first sentence",
    title=("Does a positive definite Hessian give one minimum?", "Hessian 矩阵处处正定，就有唯一的最小值吗"),
    statement=(
        "If the Hessian is positive definite everywhere, the function is convex and a bowl: it has a single global minimum, no "
        "other local minima and no saddles.",
        "若 Hessian 矩阵处处正定，则函数是凸函数，呈碗状：有唯一的全局最小值，没有其他局部极小值，也没有鞍点。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The condition: a minimiser exists. Positive definite everywhere means strictly convex, hence at most one minimum; "
        r"$e^x$ has none. Nor is it necessary: convexity needs only positive semidefinite Hessians, as in $x^4$. “No other "
        "minima, no saddles” is right.",
        r"条件是最小值点存在。处处正定意味着严格凸，因此最小值至多一个；$e^x$ 就没有。它也不是必要条件：凸性只需 Hessian 矩阵半正定，"
        r"例如 $x^4$。“没有其他极小值、没有鞍点”是对的。",
    ),
    ranges={"eta": (0.05, 2.0), "steps": (100, 20000)},
)
def positive_definite(run: Run, eta: float = 0.5, steps: int = 10_000) -> None:
    def exponential(p: mt.Tensor) -> mt.Tensor:
        return p.exp().sum()

    def quartic(p: mt.Tensor) -> mt.Tensor:
        return (p**4).sum()

    grid = np.linspace(-10, 3, 200)[:, None]
    run.claim(
        (r"$e^x$: smallest curvature on $[-10, 3]$ is positive", r"$e^x$：$[-10, 3]$ 上的最小曲率为正"),
        mt.analysis.curvature_on(exponential, grid).lowest > 0,
    )
    fall = follow(lambda p: mt.optim.SGD(p, lr=0.5), exponential, [0.0], 10_000)[:, 0]
    run.claim(
        (r"$e^x$: $x$ after $10^4$ steps, $\eta = 0.5$", r"$e^x$：$\eta = 0.5$，$10^4$ 步后的 $x$"),
        fall[-1],
        equals=-8.518,
        within=5e-4,
    )
    run.claim((r"$e^x$: loss then", r"$e^x$：此时的损失"), np.exp(fall[-1]), equals=2.0e-4, within=5e-6)
    run.claim(
        (r"$e^x$: still falling, last 5000 steps in $x$", r"$e^x$：仍在下降，最后 5000 步 $x$ 的变化"),
        fall[-1] - fall[-5001],
        at_most=-0.5,
    )
    a, b = (g.ravel() for g in np.meshgrid(np.linspace(-5, 5, 15), np.linspace(-5, 5, 15)))
    places = np.stack([a, b], 1)
    probe = mt.analysis.curvature_on(separable_loss, places)
    run.claim(
        (
            "separable logistic loss: smallest curvature on a grid is positive",
            "可分数据的逻辑回归损失：网格上的最小曲率为正",
        ),
        probe.lowest > 0,
    )
    slope = follow(lambda p: mt.optim.SGD(p, lr=0.1), separable_loss, [0.0, 0.0], 10_000)[:, 1]
    for step, value in ((100, 3.18), (1000, 5.33), (10_000, 7.61)):
        run.claim(
            (f"its slope after {step} steps: it grows for ever", f"{step} 步后的斜率：不断增大"),
            slope[step],
            equals=value,
            within=5e-3,
        )
    run.claim(
        (r"$x^4$: curvature at 0", r"$x^4$：0 处的曲率"), mt.analysis.hessian(quartic, np.zeros(1))[0, 0], equals=0
    )
    run.claim(
        (r"$x^4$: no chord lies below it", r"$x^4$：没有弦在其下方"), bool(mt.analysis.chord_probe(quartic, np.ones(1)))
    )
    line = line_loss()
    values = np.array([np.linalg.eigvalsh(line.hessian(p)) for p in places[::15]])
    run.claim(
        ("line fit: smaller eigenvalue, 15 places", "直线拟合：较小的特征值，15 处"),
        values[:, 0],
        equals=3.9942,
        within=5e-5,
    )
    run.claim(("line fit: larger eigenvalue", "直线拟合：较大的特征值"), values[:, 1], equals=50.0300, within=5e-5)
    ends = mt.analysis.descend(line, places[::15], lr=0.02, steps=1000)
    run.claim(
        ("line fit: distance of 15 ends of descent from each other", "直线拟合：15 个下降终点的最大差"),
        np.ptp(ends, axis=0).max(),
        at_most=1e-9,
    )
    shown = follow(lambda p: mt.optim.SGD(p, lr=eta), exponential, [0.0], steps)[:, 0]

    def draw(left: Any, right: Any) -> None:
        x = np.linspace(-4, 1.2, 200)
        left.plot(x, np.exp(x), label=r"$e^x$: positive definite, no minimum")
        left.plot(x, x**4 / 4, "--", label=r"$x^4/4$: a minimum with curvature 0")
        left.set(xlabel="x", ylabel="loss", ylim=(-0.2, 4))
        left.legend(fontsize="small")
        right.plot(np.arange(1, steps + 1), -shown[1:], label=rf"$-x$ for $e^x$, $\eta = {eta:g}$")
        right.plot(np.arange(1, 10_001), slope[1:], "--", label="slope, separable logistic loss")
        right.set(xscale="log", xlabel="step", ylabel="parameter")
        right.legend(fontsize="small")

    run.figure(
        ("Left: convex with and without a minimum. Right: without one the parameters run off like the logarithm of the step.",
         "左：有最小值与没有最小值的凸函数。右：没有最小值时，参数随步数的对数增长，永不停下。"),
        draw, (1, 2), (9.5, 3.9),
    )  # fmt: skip


@item(
    "newton-hessian-cost",
    kind="theorem",
    source="Chapter 6, notes, beyond gradient descent; problem 6.11",
    title=("What the Hessian of a network costs", "网络的 Hessian 矩阵的代价"),
    statement=(
        "For networks with many parameters it is impractical to invert the Hessian.",
        "对参数众多的网络，求 Hessian 矩阵的逆并不现实。",
    ),
    verdict="holds",
    ranges={"parameters": (1, 10**12), "solved": (10, 2000)},
)
def hessian_cost(run: Run, parameters: int = 10**6, solved: int = 1000) -> None:
    cost = mt.analysis.hessian_cost(10**6)
    for name, name_zh, value, expected in (
        ("entries", "元素个数", cost.entries, 1e12),
        ("distinct entries", "不同的元素个数", cost.distinct, 5.000005e11),
        ("bytes in float64", "float64 所占字节数", cost.bytes, 8e12),
    ):
        run.claim((f"$P = 10^6$: {name}", f"$P = 10^6$：{name_zh}"), value, equals=expected)
    run.claim(
        (r"$P = 10^6$: operations of a Newton step, $P^3/3$", r"$P = 10^6$：一步牛顿法的运算次数 $P^3/3$"),
        cost.solve_flops,
        equals=3.3e17,
        relative=0.02,
    )

    def newton(size: int) -> tuple[float, float]:
        """(seconds, relative error) of a Newton step on ridge regression with so many parameters and 50 samples."""
        rng = np.random.default_rng(size)
        x, y = rng.standard_normal((50, size)), rng.standard_normal(50)
        inputs, targets, w = mt.tensor(x), mt.tensor(y), mt.tensor(np.zeros(size), requires_grad=True)
        optimizer = mt.optim.Newton([w])
        begin = time.perf_counter()
        optimizer.step(lambda: 0.5 * ((inputs @ w - targets) ** 2).sum() + 0.5 * (w * w).sum())
        seconds = time.perf_counter() - begin
        best = x.T @ np.linalg.solve(x @ x.T + np.eye(50), y)
        return seconds, float(np.linalg.norm(w.detach().numpy() - best) / np.linalg.norm(best))

    sizes = sorted({10, solved // 10, solved // 4, solved})
    seconds, errors = np.array([newton(size) for size in sizes]).T
    run.claim(
        (f"a Newton step with {solved} parameters: relative error", f"{solved} 个参数的一步牛顿法：相对误差"),
        errors[-1],
        at_most=1e-9,
    )
    wanted = mt.analysis.hessian_cost(parameters)
    run.table(
        ("The Hessian by number of parameters", "不同参数量的 Hessian 矩阵"), ("parameters", "entries", "bytes", "operations"),
        [(c.parameters, c.entries, c.bytes, c.solve_flops) for c in (*map(mt.analysis.hessian_cost, (10, 10**3, 10**6, 10**9)), wanted)],
    )  # fmt: skip

    def draw(left: Any, right: Any) -> None:
        many = np.geomspace(10, 1e10, 100)
        costs = [mt.analysis.hessian_cost(int(p)) for p in many]
        left.loglog(many, [c.bytes for c in costs], label="bytes")
        left.loglog(many, [c.solve_flops for c in costs], "--", label="operations of a step")
        left.axhline(64 * 2**30, color="0.6", linestyle=":", label="64 GiB")
        left.plot([parameters], [wanted.bytes], "k*", markersize=10, label=f"{parameters:.3g} parameters")
        left.set(xlabel="parameters", ylabel="cost")
        left.legend(fontsize="small")
        right.loglog(sizes, seconds, "o-", label="measured in this run")
        right.loglog(sizes, seconds[-1] * (np.array(sizes) / sizes[-1]) ** 3, "k:", label=r"proportional to $P^3$")
        right.set(xlabel="parameters", ylabel="seconds of a Newton step")
        right.legend(fontsize="small")

    run.figure(
        ("Memory and arithmetic of a Newton step; on the right what this machine took", "一步牛顿法所需的内存与运算量；右为本机实测用时"),
        draw, (1, 2), (9.5, 3.9),
    )  # fmt: skip
