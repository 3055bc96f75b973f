"""Reshaping the landscape: preconditioned gradient descent, and what adaptive rates take from it."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...viz.plots.axes import headroom
from ..entry import item
from ..run import Run
from .adaptive import fed
from .following import follow

CENTRE = np.array([1.0, -2.0])


def turned(kappa: float, degrees: float) -> np.ndarray:
    """A Hessian with the curvatures 1 and kappa, whose axes are turned."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    axes = np.array([[c, -s], [s, c]])
    return axes @ np.diag([1.0, kappa]) @ axes.T  # type: ignore[no-any-return]


def quadratic(H: np.ndarray) -> Any:
    """(p - centre)^T H (p - centre) / 2."""
    bowl = mt.analysis.problems.quadratic(H)
    return lambda p: bowl(p - CENTRE)


@item(
    "preconditioned-gd",
    kind="optimizer",
    source="Deep-learning optimizers, the preconditioner; hands-on problem 3154392",
    title=("Gradient descent with a preconditioner", "带预处理器的梯度下降"),
    statement=(
        r"A preconditioner $P$ reshapes the landscape: $\theta \leftarrow \theta - \eta P \nabla f$. With $P = H^{-1}$ a quadratic "
        "is perfectly conditioned and solved in one step; to form and invert $H$ costs too much for deep networks.",
        r"预处理器 $P$ 重塑损失景观：$\theta \leftarrow \theta - \eta P \nabla f$。取 $P = H^{-1}$ 时，二次函数的条件数变为 1，一步即到最小值点；"
        r"但对深度网络，计算 $H$ 并求逆的代价太高。",
    ),
    verdict="holds",
    ranges={"kappa": (1.0, 1000.0), "degrees": (0.0, 90.0), "steps": (1, 200)},
)
def preconditioned(run: Run, kappa: float = 100.0, degrees: float = 22.5, steps: int = 30) -> None:
    H = np.array([[50.5, 49.5], [49.5, 50.5]])
    start = (2.0, -1.0)
    newton = mt.analysis.trace(
        lambda p: mt.optim.Preconditioned(p, 1.0, "newton"), quadratic(H), np.zeros(2), start=start, steps=1
    )
    run.claim(
        ("one Newton step: distance from the minimiser", "一步牛顿法：与最小值点的距离"),
        np.linalg.norm(newton.end - CENTRE),
        at_most=5e-15,
    )
    given = mt.optim.Preconditioned([mt.tensor(start, requires_grad=True)], 1.0, np.linalg.inv(H))
    (p,) = given.param_groups[0]["params"]
    quadratic(H)(p).backward()
    given.step()
    run.claim(
        (r"the same with the matrix $H^{-1}$ handed over", r"直接给出矩阵 $H^{-1}$，结果相同"),
        np.linalg.norm(p.detach().numpy() - CENTRE),
        at_most=5e-15,
    )
    run.claim((r"$\kappa(H)$", r"$\kappa(H)$"), mt.analysis.condition_number(H), equals=100.0, within=1e-9)
    left = mt.analysis.preconditioned_condition_number
    run.claim(
        (r"$\kappa(PH)$ with $P = H^{-1}$", r"$P = H^{-1}$ 时的 $\kappa(PH)$"),
        left(H, np.linalg.inv(H)),
        equals=1.0,
        within=1e-9,
    )
    for angle, known, digits in ((0.0, 1.0, 1e-9), (22.5, 50.99, 5e-3), (45.0, 100.0, 1e-6)):
        matrix = turned(100.0, angle)
        run.claim(
            (
                rf"$P = \mathrm{{diag}}(H)^{{-1}}$, axes turned by {angle}°: $\kappa$ after",
                rf"$P = \mathrm{{diag}}(H)^{{-1}}$，坐标轴旋转 {angle}°：之后的 $\kappa$",
            ),
            left(matrix, 1 / np.diag(matrix)),
            equals=known,
            within=digits,
        )
    cost = mt.analysis.hessian_cost(10**6)
    run.note(
        f"For a million parameters the Hessian takes {cost.bytes / 1e12:.0f} TB, and one Newton step {cost.solve_flops:.1e} operations.",
        f"参数为 100 万个时，Hessian 矩阵占 {cost.bytes / 1e12:.0f} TB，一步牛顿法需 {cost.solve_flops:.1e} 次运算。",
    )
    chosen = turned(kappa, degrees)
    after = left(chosen, 1 / np.diag(chosen))
    scaled = np.linalg.eigvals(chosen / np.diag(chosen)[:, None]).real.max()
    flat, steep = np.linalg.eigh(chosen)[1].T
    begin = CENTRE + 3.5 * flat * np.sign(flat[0]) + 0.8 * steep
    methods = {
        "gradient descent": lambda p: mt.optim.SGD(p, lr=1 / kappa),
        "Jacobi": lambda p: mt.optim.Preconditioned(p, 1 / scaled, "jacobi"),
        "Newton": lambda p: mt.optim.Preconditioned(p, 1.0, "newton"),
    }
    paths = {
        name: mt.analysis.trace(m, quadratic(chosen), np.zeros(2), start=begin, steps=steps)
        for name, m in methods.items()
    }
    angles = np.linspace(0, 90, 91)
    curve = [left(turned(kappa, a), 1 / np.diag(turned(kappa, a))) for a in angles]

    def draw(first: Any, second: Any) -> None:
        x, y = np.meshgrid(np.linspace(-1.5, 5.5, 120), np.linspace(-4, 2, 120))
        d = np.stack([x - CENTRE[0], y - CENTRE[1]])
        z = 0.5 * np.einsum("iab,ij,jab->ab", d, chosen, d)
        first.contour(x, y, z, levels=np.geomspace(z.max() * 1e-3, z.max(), 12), colors="0.8", linewidths=0.7)
        for (name, path), style, size in zip(paths.items(), ("o-", "s-", "^-"), (7, 3, 5), strict=True):
            first.plot(*path.points.T, style, markersize=size, linewidth=1, label=name)
        first.plot(*CENTRE, "k*", markersize=10)
        first.set(
            xlabel=r"$\theta_0$",
            ylabel=r"$\theta_1$",
            title=rf"$\kappa = {kappa:g}$, turned by {degrees:g}°",
            xlim=(-1.5, 5.5),
            ylim=(-4, 2),
        )
        first.legend(fontsize="small")
        second.plot(angles, curve, label=r"Jacobi, $P = \mathrm{diag}(H)^{-1}$")
        second.plot(degrees, after, "o", color="C0")
        second.axhline(kappa, color="C3", linestyle="--", label="none")
        second.axhline(1, color="C2", linestyle=":", label=r"Newton, $P = H^{-1}$")
        second.set(xlabel="rotation of the axes, degrees", ylabel=r"$\kappa$ after preconditioning", yscale="log")
        second.legend(fontsize="small")

    run.figure(
        (
            "Left: the paths. Right: a diagonal preconditioner helps only if the axes are those of the parameters.",
            "左：三种方法的路径。右：只有坐标轴与参数轴一致时，对角预处理器才有效。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )


def step_lengths(optimizer: Any, gradients: np.ndarray) -> np.ndarray:
    """How far each coordinate moves in each step when the optimizer is handed these gradients, (T, P)."""
    return np.abs(fed(optimizer, gradients)[0])  # type: ignore[no-any-return]


@item(
    "adaptive-rate-principle",
    kind="guidance",
    source="Deep-learning optimizers, the common principle of adaptive methods",
    title=("What adaptive methods have in common", "自适应方法的共同原则"),
    statement=(
        "Adaptive methods approximate a preconditioner from statistics of the gradients: smaller rates for parameters whose "
        "gradients are large or fluctuate for long, larger ones where they stay small.",
        "自适应方法用梯度的统计量近似预处理器：梯度持续较大或波动的参数，减小其学习率；梯度持续较小的参数，增大其学习率。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Fluctuation alone is not damped by methods that only use squared gradients: a gradient of alternating $\pm 1$ gets the "
        r"full step from RMSProp; only Adam's first moment shrinks it, to $0.0526\,\eta$. And the denominators belong to "
        "single coordinates, so they precondition only curvature along the axes.",
        r"仅用梯度平方的方法并不抑制波动本身：梯度为交替的 $\pm 1$ 时，RMSProp 仍走完整步长；只有 Adam 的一阶矩使其缩小到 $0.0526\,\eta$。"
        "而且分母逐坐标计算，只能预处理沿坐标轴的曲率。",
    ),
    ranges={"large": (1.0, 1e6), "small": (1e-6, 1.0), "scale": (1e-6, 1e6)},
)
def adaptive_principle(run: Run, large: float = 100.0, small: float = 0.01, scale: float = 1000.0) -> None:
    def adam(p: Any) -> Any:
        return mt.optim.Adam(p, lr=0.01, eps=1e-8)

    def rms(p: Any) -> Any:
        return mt.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-8)

    constant = np.tile([100.0, 1.0, 0.01], (60, 1))
    for method, name in ((adam, "Adam"), (rms, "RMSProp")):
        lengths = step_lengths(method, constant)
        spread = lengths.max(1) / lengths.min(1) - 1
        run.claim(
            (
                f"{name}, gradients 100, 1, 0.01: largest relative difference of the steps",
                f"{name}，梯度为 100、1、0.01：步长的最大相对差",
            ),
            spread.max(),
            at_most=1e-3,
        )
        rates = lengths[-1] / constant[-1]
        run.claim(
            (
                f"{name}: effective rate times gradient, in units of the rate",
                f"{name}：有效学习率乘以梯度，以学习率为单位",
            ),
            rates * constant[-1] / 0.01,
            equals=1.0,
            within=2e-3,
        )

    def scaled(method: Any, c: float, steps: int = 50) -> np.ndarray:
        bowl = mt.analysis.problems.quadratic(np.array([1.0, 1000.0]))
        return follow(method, lambda p: c * bowl(p), (1.0, 1.0), steps)

    def tiny(p: Any) -> Any:
        return mt.optim.Adam(p, lr=0.01, eps=1e-12)

    ends = {c: scaled(tiny, c)[-1] for c in (1e-3, 1.0, 1e3)}
    for c, end in ends.items():
        run.claim(
            (
                f"Adam on a loss times {c:g}: both coordinates after 50 steps",
                f"Adam，损失乘以 {c:g}：50 步后的两个坐标",
            ),
            end,
            equals=0.53682117,
            within=1e-8,
        )
    plain = [scaled(lambda p: mt.optim.SGD(p, lr=1e-3), c)[-1][0] for c in (1e-3, 1.0)]
    run.claim(
        ("gradient descent: the same two losses lead elsewhere, difference", "梯度下降：损失缩放后终点不同，差为"),
        abs(plain[0] - plain[1]),
        at_least=0.01,
    )
    signs = (-1.0) ** np.arange(400)[:, None]
    after = step_lengths(lambda p: mt.optim.RMSprop(p, lr=1.0, alpha=0.9), signs[:60])[-1, 0]
    run.claim(
        (
            r"RMSProp, alternating $\pm 1$, $\beta_2 = 0.9$: step 60 over $\eta$",
            r"RMSProp，交替的 $\pm 1$，$\beta_2 = 0.9$：第 60 步与 $\eta$ 之比",
        ),
        after,
        equals=1.001,
        within=5e-4,
    )
    averaged = step_lengths(lambda p: mt.optim.Adam(p, lr=1.0), signs)[-1, 0]
    run.claim(
        (r"Adam, alternating $\pm 1$: step over $\eta$", r"Adam，交替的 $\pm 1$：步长与 $\eta$ 之比"),
        averaged,
        equals=0.0526,
        within=5e-5,
    )
    own = np.tile([large, 1.0, small], (40, 1))
    steps = {
        name: step_lengths(method, own)
        for name, method in (("Adam", adam), ("RMSProp", rms), ("gradient descent", lambda p: mt.optim.SGD(p, lr=0.01)))
    }
    flips = {
        "RMSProp": step_lengths(lambda p: mt.optim.RMSprop(p, lr=1.0, alpha=0.9), signs[:60])[:, 0],
        "Adam": step_lengths(lambda p: mt.optim.Adam(p, lr=1.0), signs[:60])[:, 0],
    }
    runs = {
        f"{name}, loss times {c:g}": scaled(m, c)[:, 0]
        for name, m in (("Adam", tiny), ("SGD", lambda p: mt.optim.SGD(p, lr=1e-6)))
        for c in (1.0, scale)
    }

    def draw(first: Any, second: Any, third: Any) -> None:
        for k, (name, lengths) in enumerate(steps.items()):
            first.loglog(own[-1], lengths[-1] / own[-1], ("o-", "s--", "^:")[k], label=name)
        first.set(xlabel="size of the gradient", ylabel="effective rate, step / gradient", title="constant gradients")
        for k, (name, values) in enumerate(runs.items()):
            second.plot(
                values, ("-", ":", "--", "-.")[k], color=("C0", "black", "C1", "C3")[k], linewidth=2, label=name
            )
        second.set(xlabel="step", ylabel=r"$\theta_0$", title="a loss multiplied")
        headroom(second, 0.35, below=True)
        for name, values in flips.items():
            third.semilogy(np.arange(1, 61), values, label=name)
        third.set(xlabel="step", ylabel=r"length of the step over $\eta$", title=r"gradient $\pm 1$ in turn")
        for ax in (first, second, third):
            ax.legend(fontsize="small")

    run.figure(
        (
            "Left: the effective rate is inversely proportional to the gradient. Middle: Adam does not see the loss's scale. Right: "
            "alternating gradients.",
            "左：有效学习率与梯度成反比。中：Adam 不受损失尺度影响。右：符号交替的梯度。",
        ),
        draw,
        (1, 3),
        (9.6, 3.8),
    )
