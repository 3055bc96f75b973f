"""Least squares: the average loss over the samples, its gradient, and gradient descent on it."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .following import follow

mse_loss = mt.nn.losses.mse_loss


def normal_data(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs X (n, d), weights w (d,) and targets y (n,), all standard normal and drawn in this order."""
    return rng.standard_normal((n, d)), rng.standard_normal(d), rng.standard_normal(n)


@item(
    "erm-least-squares-mean",
    kind="definition",
    source="Deep-learning optimizers, 'Gradient descent: basics', first display; hands-on problem 3154417",
    title=("The loss that training minimises", "训练所最小化的损失"),
    statement=(
        r"Empirical risk minimisation makes the average loss over the $n$ training samples small. For linear regression "
        r"it is $L(w) = \frac{1}{2n} \sum_i (x_i^\top w - y_i)^2$.",
        r"经验风险最小化使 $n$ 个训练样本上的平均损失尽量小。对线性回归，它是"
        r" $L(w) = \frac{1}{2n} \sum_i (x_i^\top w - y_i)^2$。",
    ),
    verdict="holds",
    ranges={"n": (2, 500), "d": (1, 50)},
    random=True,
)
def least_squares_mean(run: Run, n: int = 20, d: int = 5) -> None:
    X, w, y = normal_data(run.rng, n, d)
    model = mt.nn.LinearRegression(d, bias=False)
    model.weight.detach().copy_(w)
    x, t = mt.tensor(X), mt.tensor(y)
    loss = {kind: model.loss(x, t, kind).item() for kind in ("half_mean", "mean", "half_sum", "sum")}
    run.claim(
        (r"distance from $\frac{1}{2n} \|Xw - y\|^2$ in NumPy", r"与 NumPy 计算的 $\frac{1}{2n} \|Xw - y\|^2$ 之差"),
        abs(loss["half_mean"] - ((X @ w - y) ** 2).sum() / (2 * n)),
        at_most=1e-12,
    )
    run.claim(
        (r"sum of squares (eq. 6.5) over $2n$ times this loss", r"平方和（式 (6.5)）与该损失的 $2n$ 倍之比"),
        loss["sum"] / (2 * n * loss["half_mean"]),
        equals=1.0,
        within=1e-15,
    )
    run.note(
        "The constant before the sum changes the learning rate that suits, not the minimum: a rate that suits the sum of "
        f"squares suits this loss when multiplied by {2 * n}.",
        f"求和号前的常数只影响合适的学习率，不影响最小值点：适合平方和的学习率乘以 {2 * n}，才适合 $1/(2n)$ 形式。",
    )
    rows = [(kind, value, value / loss["half_mean"]) for kind, value in loss.items()]
    run.table(("The four conventions", "四种约定"), ("reduction", "loss", "times half_mean"), rows)
    each = 0.5 * (X @ w - y) ** 2
    solution = mt.nn.LinearRegression(d, bias=False).solve(X, y)
    way = np.linspace(-0.5, 1.5, 60)
    ends = solution.weight.detach().numpy()

    def draw(left: Any, right: Any) -> None:
        left.bar(np.arange(n), each, color="C0", alpha=0.7, label=r"$\frac{1}{2} (x_i^\top w - y_i)^2$")
        left.axhline(each.mean(), color="C3", label=f"their mean, the loss: {each.mean():.3f}")
        left.set(xlabel="sample", ylabel="loss of one sample")
        left.locator_params(axis="x", integer=True)
        left.legend(fontsize="small")
        objective = mt.analysis.objective(lambda v: mse_loss(x @ v, t, "half_mean"), w)
        values = objective.values(w + way[:, None] * (ends - w))
        for kind, dash in (("half_mean", "-"), ("mean", "--"), ("half_sum", "-."), ("sum", ":")):
            right.semilogy(way, values * loss[kind] / loss["half_mean"], dash, label=kind)
        right.axvline(1, color="0.6", linewidth=0.8)
        right.set(xlabel="from w (0) to the least-squares solution (1)", ylabel="loss", xticks=(-0.5, 0, 0.5, 1, 1.5))
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: the losses of the samples and their mean. Right: four conventions on the way to the same minimum.",
            "左：各样本的损失及其均值。右：四种约定在通向同一最小值点的直线上。",
        ),
        draw,
        (1, 2),
        (9.0, 3.8),
    )


@item(
    "gd-update",
    kind="optimizer",
    source="Deep-learning optimizers, second display; dynamics of gradient descent, update rule; chapter 6, eq. 6.3",
    title=("Gradient descent", "梯度下降"),
    statement=(
        r"Two steps, again and again: compute the gradient, then move against it, $w_{k+1} = w_k - \eta \nabla L(w_k)$ "
        r"with a learning rate $\eta > 0$ (chapter 6 calls it $\alpha$ and the parameters $\phi$).",
        r"反复做两件事：计算梯度，再沿负梯度方向移动，即 $w_{k+1} = w_k - \eta \nabla L(w_k)$，其中学习率 $\eta > 0$"
        r"（第 6 章记为 $\alpha$，参数记为 $\phi$）。",
    ),
    verdict="holds",
    ranges={"eta": (0.0, 1.2), "start": (-5.0, 5.0), "steps": (1, 200)},
)
def gd_update(run: Run, eta: float = 0.1, start: float = 1.0, steps: int = 20) -> None:
    path = follow(lambda p: mt.optim.GradientDescent(p, lr=0.1), lambda x: x * x, 1.0, 6)
    run.claim(
        (r"$f = x^2$, $\eta = 0.1$: $x$ after 6 steps from 1", r"$f = x^2$，$\eta = 0.1$：从 1 出发 6 步后的 $x$"),
        path[-1],
        equals=0.262144,
        within=1e-15,
    )
    p = mt.tensor([0.7, -1.3, 2.1], requires_grad=True)
    optimizer = mt.optim.GradientDescent([p], lr=0.037)
    (p.sin() * p).sum().backward()
    expected = p.detach().numpy() - 0.037 * np.array(p.grad)
    optimizer.step()
    run.claim(
        (r"one step is $p - \eta\, g$, bit by bit", r"一步恰为 $p - \eta\, g$，逐位相等"),
        bool((p.detach().numpy() == expected).all()),
    )
    shown = mt.analysis.trace(
        lambda q: mt.optim.GradientDescent(q, lr=eta), lambda q: (q * q).sum(), [start], steps=steps, name="GD"
    )

    def draw(left: Any, right: Any) -> None:
        reach = 1.15 * max(1e-9, np.abs(shown.points).max())
        x = np.linspace(-reach, reach, 200)
        left.plot(x, x * x, color="0.7", label="$x^2$")
        left.plot(shown.points[:, 0], shown.losses, "o-", markersize=4, label=rf"GD, $\eta = {eta}$")
        left.set(xlabel="x", ylabel="f(x)")
        left.legend(fontsize="small")
        shown.plot(right)

    run.figure(
        ("The iterates, and loss and gradient over the steps", "迭代点，以及各步的损失与梯度范数"),
        draw,
        (1, 2),
        (9.0, 3.8),
    )


@item(
    "least-squares-gradient-closed-form",
    kind="theorem",
    source="Deep-learning optimizers, third display; hands-on problem 3154417",
    title=("The gradient of least squares", "最小二乘的梯度"),
    statement=(
        r"The loss $\frac{1}{2n} \sum_i (x_i^\top w - y_i)^2$ has the gradient "
        r"$\frac{1}{n} \sum_i (x_i^\top w - y_i) x_i = \frac{1}{n} X^\top (Xw - y)$.",
        r"损失 $\frac{1}{2n} \sum_i (x_i^\top w - y_i)^2$ 的梯度为"
        r" $\frac{1}{n} \sum_i (x_i^\top w - y_i) x_i = \frac{1}{n} X^\top (Xw - y)$。",
    ),
    verdict="holds",
    ranges={"n": (2, 500), "d": (1, 30)},
    random=True,
)
def closed_form(run: Run, n: int = 20, d: int = 5) -> None:
    X, start, y = normal_data(run.rng, n, d)
    x, t = mt.tensor(X), mt.tensor(y)
    w = mt.tensor(start, requires_grad=True)
    mse_loss(x @ w, t, "half_mean").backward()
    found, formula = np.array(w.grad), X.T @ (X @ start - y) / n
    run.claim(
        ("autodiff against the closed form", "自动微分与闭式公式之差"), np.abs(found - formula).max(), at_most=1e-12
    )
    objective = mt.analysis.objective(lambda v: mse_loss(x @ v, t, "half_mean"), start)

    def central(h: float) -> np.ndarray:
        moved = np.concatenate([start + h * np.eye(d), start - h * np.eye(d)])
        up, down = np.split(objective.values(moved), 2)
        return (up - down) / (2 * h)  # type: ignore[no-any-return]

    run.claim(
        (r"autodiff against central differences, $h = 10^{-6}$", r"自动微分与中心差分之差，$h = 10^{-6}$"),
        np.abs(found - central(1e-6)).max(),
        at_most=1e-8,
    )
    run.claim(
        ("the library's gradient check agrees", "库的梯度检验通过"),
        bool(mt.gradcheck(lambda v: mse_loss(x @ v, t, "half_mean"), [w])),
    )
    sizes = 10.0 ** np.arange(-12, 0.5, 0.5)
    errors = np.array([np.abs(central(h) - formula).max() for h in sizes])

    def draw(left: Any, right: Any) -> None:
        at = np.arange(d)
        left.bar(at - 0.2, found, 0.4, label="autodiff")
        left.bar(at + 0.2, formula, 0.4, label=r"$X^\top (Xw - y) / n$")
        left.axhline(0, color="0.5", linewidth=0.8)
        left.set(xlabel="coordinate", ylabel="gradient", xticks=at)
        left.legend(fontsize="small")
        right.loglog(sizes, np.maximum(errors, 1e-18), "o-", markersize=3, label="central differences")
        right.axhline(max(1e-18, np.abs(found - formula).max()), color="C3", linestyle="--", label="autodiff")
        right.set(xlabel="h", ylabel="error of the gradient")
        right.legend(fontsize="small")

    run.figure(
        (
            "Left: both gradients. Right: their errors. A difference quotient has rounding errors for small $h$; on a "
            "quadratic it has no other.",
            "左：两种方法求得的梯度。右：误差。$h$ 越小，差商的舍入误差越大；对二次函数，它没有别的误差。",
        ),
        draw,
        (1, 2),
        (9.0, 3.8),
    )
