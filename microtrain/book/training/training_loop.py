"""What training is (eq. 6.1 and 6.2): a minimum is looked for, step by step, until the gradient is nearly zero."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import plateau_valley
from microtrain.data.points import line_points
from microtrain.nn.functional import mse_loss

from ...viz import plots
from ..dynamics.saddle_points import gabor
from ..entry import item
from ..run import Run

BEST, LOWEST = (0.825950, 0.522226), 0.1998663569342496  # of the 12 points, by the normal equations


def squares(outputs: mt.Tensor, targets: mt.Tensor) -> mt.Tensor:
    """The sum of squared errors."""
    return mse_loss(outputs, targets, "sum")


def line_loss(phi_0: float = 0.0, phi_1: float = 0.0) -> analysis.Objective:
    """The sum of squared errors of a line on the 12 points."""
    model = mt.nn.Line(phi_0, phi_1)
    return analysis.Objective(squared(model, *line_points()), model)


def summed(operation: Any) -> Any:
    """The sum of an operation's outputs, as a loss."""
    return lambda p: operation(p).sum()


def squared(model: mt.nn.Module, x: mt.Tensor, targets: mt.Tensor) -> Any:
    """The sum of a model's squared errors, as a closure."""
    return lambda: squares(model(x), targets)


class Watched(mt.train.Callback):
    """Writes down the parameters after each step."""

    def __init__(self, model: mt.nn.Module) -> None:
        self.path = [[p.item() for p in model.parameters()]]

    def after_step(self, run: mt.train.Run) -> None:
        self.path.append([p.item() for p in run.model.parameters()])


@item(
    "training-as-argmin",
    kind="definition",
    source="Chapter 6, eq. 6.1",
    title=("Training looks for a minimum", "训练即寻找最小值"),
    statement=(
        r"Training looks for the parameters of least loss, $\hat\phi = \operatorname{argmin}_\phi L(\phi)$. It begins somewhere "
        "sensible and repeats two things: compute the derivatives of the loss, change the parameters so that it falls.",
        r"训练寻找使损失最小的参数 $\hat\phi = \operatorname{argmin}_\phi L(\phi)$：从合适的初值出发，反复做两件事——计算损失的导数，"
        "调整参数使损失下降。",
    ),
    verdict="holds",
    ranges={"alpha": (0.001, 0.045), "steps": (1, 2000), "phi_0": (-3.0, 3.0), "phi_1": (-3.0, 3.0)},
)
def training_as_argmin(
    run: Run, alpha: float = 0.02, steps: int = 1000, phi_0: float = 0.0, phi_1: float = 0.0
) -> None:
    def trained(start: tuple[float, float], lr: float, epochs: int) -> tuple[np.ndarray, list[float]]:
        model, data = mt.nn.Line(*start), line_points()
        watch = Watched(model)
        optimizer = mt.optim.SGD(model.parameters(), lr=lr)
        history = mt.train.fit(model, [tuple(data)], optimizer, epochs, loss=squares, callbacks=[watch], show=False)
        return np.array(watch.path), history["train_loss"]

    path, losses = trained((0.0, 0.0), 0.02, 1000)
    for k in range(2):
        run.claim(
            (rf"$\phi_{k}$ after 1000 steps", rf"1000 步后的 $\phi_{k}$"), path[-1, k], equals=BEST[k], within=1e-6
        )
    x, y = (np.asarray(part) for part in line_points())
    solution = np.linalg.lstsq(np.column_stack([np.ones(12), x]), y, rcond=None)[0]
    run.claim(
        ("distance from the least-squares solution of NumPy", "与 NumPy 求得的最小二乘解之差"),
        np.abs(path[-1] - solution).max(), at_most=1e-6,
    )  # fmt: skip
    run.claim(("the loss there", "该处的损失"), losses[-1], equals=LOWEST, within=1e-6)
    if (alpha, steps, phi_0, phi_1) != (0.02, 1000, 0.0, 0.0):
        path, losses = trained((phi_0, phi_1), alpha, steps)
    found = analysis.landscape(line_loss(), None, (-0.3, 2.0), (-0.5, 1.7), resolution=81)

    def draw(left: Any, right: Any) -> None:
        plots.landscape(found, left, scale="log", paths={"GD": path})
        left.set(xlabel=r"$\phi_0$", ylabel=r"$\phi_1$")
        right.loglog(np.arange(1, len(losses) + 1), np.maximum(np.array(losses) - LOWEST, 1e-16), label="excess loss")
        right.set(xlabel="step", ylabel="loss above the minimum")
        right.legend(fontsize="small")

    run.figure(
        ("The line fit: the path of the parameters, and the loss", "直线拟合：参数的轨迹与损失"),
        draw,
        (1, 2),
        (9.6, 4.0),
    )


@item(
    "gradient-vector",
    kind="definition",
    source="Chapter 6, eq. 6.2",
    title=("The gradient", "梯度"),
    statement=(
        r"$\partial L / \partial \phi$ has one entry for each parameter: how fast the loss changes with that one alone. "
        "Here it comes from backpropagation, each entry where its parameter is.",
        r"$\partial L / \partial \phi$ 对每个参数各有一个分量：只改变这一个参数时损失变化的快慢。这里由反向传播求出，"
        "每个分量的位置与参数一致。",
    ),
    verdict="holds",
    ranges={"step": (1e-9, 0.1)},
    random=True,
)
def gradient_vector(run: Run, step: float = 1e-5) -> None:
    objective = gabor()
    found = objective.gradient([-5.0, 25.0])
    for k, expected in enumerate((3.3438051, 0.5191559)):
        run.claim(
            (rf"Gabor loss at $(-5, 25)$: $\partial L / \partial \phi_{k}$", rf"Gabor 损失在 $(-5, 25)$ 处的 $\partial L / \partial \phi_{k}$"),
            found[k], equals=expected, within=1e-7,
        )  # fmt: skip

    def error(f: analysis.Objective, h: float) -> float:
        at, ours = f.theta, f.gradient()
        steps = h * np.eye(f.size)
        numeric = (f.values(at + steps) - f.values(at - steps)) / (2 * h)
        return float(np.abs(ours - numeric).max() / np.abs(ours).max())

    names = "exp log sqrt sin cos tanh sigmoid softplus relu gelu silu erf atan square reciprocal abs prod".split()
    values = run.rng.uniform(0.3, 1.7, 6)
    checked = {name: analysis.Objective(summed(getattr(mt, name)), values) for name in names}
    inputs = mt.tensor(run.rng.standard_normal((8, 3)))
    targets, line = mt.tensor(run.rng.standard_normal(8)), mt.tensor(np.linspace(-1.0, 1.0, 8))
    random = mt.Generator(run.seed)
    models = {
        "Line": (mt.nn.Line(0.6, -0.2), line), "Gabor": (mt.nn.Gabor(-0.5, 12.0), line),
        "LinearRegression": (mt.nn.LinearRegression(3, generator=random), inputs),
        "LogisticRegression": (mt.nn.LogisticRegression(3, generator=random), inputs),
        "two-layer tanh network": (mt.nn.Sequential(
            mt.nn.Linear(3, 5, generator=random), mt.nn.Tanh(), mt.nn.Linear(5, 1, generator=random), mt.nn.Flatten(0)
        ), inputs),
    }  # fmt: skip
    for name, (model, x) in models.items():
        checked[name] = analysis.Objective(squared(model, x, targets), model)
    errors = {name: error(f, 1e-5) for name, f in checked.items()}
    run.claim(
        (f"{len(names)} operations: worst relative error", f"{len(names)} 种运算：最大的相对误差"),
        max(errors[name] for name in names), at_most=1e-6,
    )  # fmt: skip
    run.claim(
        (f"{len(models)} models: worst relative error", f"{len(models)} 种模型：最大的相对误差"),
        max(errors[name] for name in models), at_most=1e-6,
    )  # fmt: skip
    network = models["two-layer tanh network"][0]
    checked["two-layer tanh network"].closure().backward()
    flat = np.asarray(mt.nn.utils.parameters_to_vector(p.grad for p in network.parameters() if p.grad is not None))
    run.claim(
        ("all gradients of the network as one vector: its length", "网络的全部梯度排成一个向量：长度"),
        len(flat),
        equals=26,
    )
    run.claim(
        ("it is the analysis' gradient, bit by bit", "与分析模块的梯度逐位相等"),
        bool((flat == checked["two-layer tanh network"].gradient()).all()),
    )
    sizes = np.unique(np.append(10.0 ** np.arange(-11, 0.1, 0.5), step))
    curves = {name: [error(checked[name], h) for h in sizes] for name in ("sin", "Gabor", "two-layer tanh network")}

    def draw(left: Any, right: Any) -> None:
        at = 0
        for name, p in network.named_parameters():
            part = flat[at : at + p.numel()]
            left.bar(np.arange(at, at + len(part)), part, label=name)
            at += len(part)
        left.axhline(0, color="0.5", linewidth=0.8)
        left.set(xlabel="parameter", ylabel=r"$\partial L / \partial \phi$", title="a network's gradient")
        left.legend(fontsize="small")
        for name, curve in curves.items():
            right.loglog(sizes, np.maximum(curve, 1e-16), label=name)
        right.axvline(step, color="0.6", linestyle=":", label=f"h = {step:g}")
        right.set(xlabel="h of the difference quotient", ylabel="relative difference")
        right.legend(fontsize="small")

    run.figure(
        ("Left: one number for each parameter. Right: backpropagation against central differences; a long step has the "
         "error of the quotient, a short one rounding.",
         "左：每个参数一个数。右：反向传播与中心差分之差，步长大时是差商的误差，步长小时是舍入误差。"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip


@item(
    "gradient-norm-stopping",
    kind="algorithm",
    source="Chapter 6, section 6.1, last paragraph",
    title=("Stop when the gradient is small", "梯度很小时停止"),
    statement=(
        "At a minimum the surface is level: the gradient is zero and the parameters rest. So one watches the gradient's "
        "norm and stops when it falls below a tolerance.",
        "极小值处曲面是平的：梯度为零，参数不再移动。因此可监视梯度的范数，低于容差时停止。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The loss must be differentiable there: $|x|$ has its minimum at a kink, with slopes $\pm 1$ around it. And a small "
        r"gradient is no proof of a minimum: on the plateau of $1 - e^{-x^2/2} + 25 y^2$ it is $1.3 \cdot 10^{-3}$ where "
        "the loss is still 0.9997.",
        r"损失须在该处可微：$|x|$ 的最小值在尖点，两侧斜率为 $\pm 1$。而且梯度小并不说明到了极小值：在 $1 - e^{-x^2/2} + 25 y^2$ "
        r"的平坦区域，梯度只有 $1.3 \cdot 10^{-3}$，损失却仍为 0.9997。",
    ),
    ranges={"tol": (1e-10, 1.0), "alpha": (0.001, 0.039)},
)
def norm_stopping(run: Run, tol: float = 1e-6, alpha: float = 0.02) -> None:
    objective = line_loss()

    def stopped(limit: float, lr: float) -> analysis.Path:
        return analysis.trace(
            lambda p: mt.optim.SGD(p, lr=lr), objective, steps=5000, start=[0.0, 0.0], tol=limit, name="line fit"
        )

    fit = stopped(1e-6, 0.02)
    lowest = objective(np.linalg.solve(objective.hessian(), -objective.gradient([0.0, 0.0])))  # of a quadratic
    run.claim(
        (r"line fit: $\|g\|$ where it stopped", r"直线拟合：停止处的 $\|g\|$"), fit.gradient_norms[-1], at_most=1e-6
    )
    run.claim((r"one step earlier", "前一步"), fit.gradient_norms[-2], at_least=1e-6)
    run.claim(("loss above the minimum", "与最小损失之差"), fit.losses[-1] - lowest, at_most=1e-12)
    run.claim(("it stopped early: steps", "提前停止：步数"), len(fit.points) - 1, at_most=999)
    kink = analysis.trace(
        lambda p: mt.optim.SGD(p, lr=0.3), lambda x: x.abs().sum(), [1.0], steps=400, tol=1e-6, name="|x|"
    )
    run.claim((r"$|x|$: steps made of 400", r"$|x|$：400 步中走完的步数"), len(kink.points) - 1, equals=400)
    run.claim(
        (r"$|x|$: smallest $\|g\|$ on the way", r"$|x|$：途中最小的 $\|g\|$"), kink.gradient_norms.min(), equals=1
    )
    plateau = analysis.trace(
        lambda p: mt.optim.SGD(p, lr=0.01), plateau_valley(), [-4.0, 1.0], steps=400, name="plateau and valley"
    )
    run.claim(
        (r"plateau after 50 steps: $\|g\|$", r"平坦区域，50 步后的 $\|g\|$"),
        plateau.gradient_norms[50],
        equals=1.3e-3,
        within=5e-5,
    )
    run.claim((r"its $|y|$, which has arrived", r"此时的 $|y|$，已到谷底"), abs(plateau.points[50, 1]), at_most=1e-12)
    run.claim(("and its loss", "此时的损失"), plateau.losses[50], equals=0.9997, within=5e-5)
    shown = stopped(tol, alpha)

    def draw(left: Any, right: Any) -> None:
        for path in (shown, kink, plateau):
            left.semilogy(path.gradient_norms, label=path.name)
            right.semilogy(np.maximum(path.losses - (lowest if path is shown else 0), 1e-16), label=path.name)
        left.axhline(tol, color="0.5", linestyle=":", label=f"tolerance {tol:g}")
        left.set(xlabel="step", ylabel="norm of the gradient")
        right.set(xlabel="step", ylabel="loss above the minimum")
        for ax in (left, right):
            ax.legend(fontsize="small")

    run.figure(
        ("The rule fits the line; at a kink it never stops, and on a plateau a tolerance of 0.01 would stop far too early.",
         "该规则适用于直线拟合；在尖点处永不停止，在平坦区域若容差为 0.01 则停得过早。"),
        draw, (1, 2), (9.6, 4.0),
    )  # fmt: skip
