"""A network that starts with large weights: where gradient descent fails, and whether clipping helps (section 4.2.7)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import microtrain as mt
from microtrain import analysis

from ...viz.plots.axes import headroom
from ..entry import item
from ..run import Run

clip: Any = mt.nn.utils.clip_grad_norm_
X = np.linspace(-2, 2, 40)[:, None]
DIVERGED = 1e6


class Wide:
    """A network 1-32-32-1 (ReLU) that starts with weights twice as large as usual, on sin 2x at 40 points."""

    def __init__(self, seed: int, lr: Any, limit: float | None = None) -> None:
        self.params = [mt.tensor(part, requires_grad=True) for part in self.draws(seed)]
        self.inputs, self.targets = mt.tensor(X), mt.tensor(np.sin(2 * X))
        optimizer = mt.optim.SGD(self.params, lr=lr)

        def step() -> mt.Tensor:
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            if limit is not None:
                clip(self.params, limit)
            optimizer.step()
            return loss.detach()

        self._step = mt.compile(step)

    @staticmethod
    def draws(seed: int) -> list[np.ndarray]:
        """The weights and biases at the start."""
        rng = np.random.default_rng(seed)
        w1, b1 = 2 * rng.standard_normal((1, 32)), 2 * rng.standard_normal(32)
        w2, w3 = (2 * rng.standard_normal(shape) / 32**0.5 for shape in ((32, 32), (32, 1)))
        return [w1, b1, w2, np.zeros(32), w3, np.zeros(1)]

    def restart(self, seed: int) -> None:
        """Go to the start of another seed. (A schedule goes on where it is.)"""
        for p, part in zip(self.params, self.draws(seed), strict=True):
            p.detach().copy_(part)

    def predict(self, inputs: mt.Tensor) -> mt.Tensor:
        """The outputs for inputs (n, 1)."""
        w1, b1, w2, b2, w3, b3 = self.params
        return ((inputs @ w1 + b1).relu() @ w2 + b2).relu() @ w3 + b3

    def loss(self) -> mt.Tensor:
        """Half the mean squared error."""
        return mt.nn.functional.mse_loss(self.predict(self.inputs), self.targets, "half_mean")

    def go(self, steps: int) -> np.ndarray:
        """Train so many steps; the losses before each and after the last, (steps + 1,)."""
        with np.errstate(all="ignore"):
            before = np.asarray(self._step.repeat(steps))
            return np.append(before, self.loss().item())


class Outcome(NamedTuple):
    """Losses (seeds, steps + 1), which of the runs diverged (their loss passed a million), and the last losses."""

    losses: np.ndarray
    diverged: np.ndarray
    last: np.ndarray


def outcomes(seeds: Any, lr: Any, limit: float | None = None, steps: int = 3000) -> Outcome:
    """Train from each seed."""
    net, losses = Wide(0, lr, limit), []
    for seed in seeds:
        if callable(lr):  # a schedule begins anew with each run
            net = Wide(seed, lr, limit)
        net.restart(seed)
        losses.append(net.go(steps))
    found = np.array(losses)
    highest = np.where(np.isfinite(found), found, np.inf).max(axis=1)
    return Outcome(found, highest > DIVERGED, found[:, -1])


@item(
    "clipping-stabilises-training",
    kind="experiment",
    source="Chapter 4, section 4.2.7, after eq. 4.2.13",
    title=("Does clipping stabilise training?", "梯度裁剪能使训练稳定吗？"),
    statement=(
        "Where gradients are large clipping makes the steps shorter, where they are small it changes nothing; this makes training more "
        "stable, notably that of Transformers.",
        "梯度较大时，裁剪自动缩短步长；梯度较小时不起作用。训练因此更稳定，对 Transformer 尤其有用。",
    ),
    verdict="holds with a condition",
    correction=(
        "It helps where too long a step is what breaks training. With a rate that is small enough anyway it only slows "
        r"training down: at $\eta = 0.01$ and $C = 1$ the median of the final losses is 0.0045, without clipping 0.0003.",
        r"只有当步子过大正是训练失败的原因时才有用。若学习率本来就足够小，裁剪只会减慢训练：$\eta = 0.01$、$C = 1$ 时，"
        "最终损失的中位数为 0.0045，不裁剪时为 0.0003。",
    ),
    ranges={"eta": (0.005, 0.3), "limit": (0.1, 10.0)},
    random=True,
)
def clipping_stabilises(run: Run, eta: float = 0.1, limit: float = 1.0) -> None:
    twenty = range(20 * run.seed, 20 * run.seed + 20)
    plain = {rate: outcomes(twenty, rate, steps=300) for rate in (0.1, 0.2)}
    cut = {rate: outcomes(twenty, rate, 1.0) for rate in (0.1, 0.2)}
    for rate, most, expected in ((0.1, 0.001, 15), (0.2, 0.01, 20)):
        if run.seed == 0:
            run.claim(
                (
                    rf"$\eta = {rate}$: how many of 20 unclipped runs diverge",
                    rf"$\eta = {rate}$：20 次未裁剪的运行中发散的次数",
                ),
                int(plain[rate].diverged.sum()),
                equals=expected,
                within=1,
            )
        run.claim(
            (
                rf"$\eta = {rate}$: share of the unclipped runs that diverge (loss above a million)",
                rf"$\eta = {rate}$：未裁剪的运行中发散（损失超过一百万）的比例",
            ),
            plain[rate].diverged.mean(),
            at_least=0.5,
        )
        run.claim(
            (
                rf"$\eta = {rate}$, $C = 1$: largest final loss of 20 runs",
                rf"$\eta = {rate}$，$C = 1$：20 次运行的最大最终损失",
            ),
            np.nan_to_num(cut[rate].last, nan=np.inf),
            at_most=most if run.seed == 0 else 0.02,
        )
        run.claim(
            (rf"their share below {most:g}", rf"其中低于 {most:g} 的比例"), (cut[rate].last < most).mean(), at_least=0.9
        )
    slow, fast = outcomes(twenty, 0.01, 1.0).last, outcomes(twenty, 0.01).last
    if run.seed == 0:
        learns = fast[:5] < 0.05
        run.claim(
            (r"$\eta = 0.01$, clipped: final losses of the first 5", r"$\eta = 0.01$，裁剪：前 5 次的最终损失"),
            slow[:5],
            between=(0.00365, 0.00645),
        )
        run.claim(
            (r"$\eta = 0.01$, unclipped: runs of these 5 that learn", r"$\eta = 0.01$，未裁剪：这 5 次中能学习的次数"),
            int(learns.sum()),
            equals=3,
        )
        run.claim(("their final losses", "这些运行的最终损失"), fast[:5][learns], at_most=0.0025)
        run.claim(
            ("the final losses of the other two", "另外两次的最终损失"), fast[:5][~learns], equals=0.073, within=5e-4
        )
    run.claim(
        (
            r"$\eta = 0.01$, 20 runs: median of the final losses, unclipped over clipped",
            r"$\eta = 0.01$，20 次运行：未裁剪与裁剪的最终损失的中位数之比",
        ),
        np.median(fast) / np.median(slow),
        at_most=0.6,
    )
    if (eta, limit) == (0.1, 1.0):
        shown, shown_plain = cut[0.1], plain[0.1]
    else:
        shown, shown_plain = outcomes(twenty[:5], eta, limit), outcomes(twenty[:5], eta, steps=300)
    net = Wide(twenty[0], eta, limit)
    net.go(3000)
    fine = np.linspace(-2, 2, 200)[:, None]
    fitted = net.predict(mt.tensor(fine)).detach().numpy()[:, 0]
    first = analysis.Objective(net.loss, net.params).gradient(
        np.concatenate([d.ravel() for d in Wide.draws(twenty[0])])
    )

    def draw(left: Any, middle: Any, right: Any) -> None:
        for k in range(5):
            values = np.clip(np.nan_to_num(shown_plain.losses[k, :60], nan=1e9, posinf=1e9), 1e-6, 1e9)
            left.semilogy(values, "C3", alpha=0.7, label="without" if k == 0 else None)
            left.semilogy(shown.losses[k, :60], "C0", alpha=0.7, label=f"clipped to {limit:g}" if k == 0 else None)
            middle.loglog(np.arange(1, 3002), shown.losses[k], "C0", alpha=0.7)
        left.set(xlabel="step", ylabel="loss", ylim=(1e-3, 2e9), title=rf"$\eta = {eta:g}$, five seeds")
        left.legend(fontsize="small")
        middle.set(xlabel="step", ylabel="loss", title=f"Clipped to {limit:g}, all 3000 steps")
        right.plot(X, np.sin(2 * X), "ko", markersize=3, label="data")
        right.plot(fine, fitted, label="clipped, 3000 steps")
        right.set(xlabel="x", ylabel="y", title=f"First gradient: norm {np.linalg.norm(first):.0f}")
        headroom(right)
        right.legend(fontsize="small", loc="upper center")

    run.figure(
        (
            "At $\\eta = 0.1$ the first steps throw most unclipped runs out of reach; clipped ones learn.",
            "$\\eta = 0.1$ 时，多数未裁剪的运行在最初几步就被抛出而无法恢复；裁剪后则能正常学习。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )
