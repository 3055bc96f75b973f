"""What one outlier, a sign that alternates and a small gradient do to RMSProp and Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..run import Run
from .adaptive import fed


def sequence(steps: int, at: int, size: float) -> np.ndarray:
    """Gradients of three coordinates (T, 3): 1 with one outlier, an alternating sign, 0.01."""
    gradients = np.empty((steps, 3))
    gradients[:, 0], gradients[:, 1], gradients[:, 2] = 1.0, (-1.0) ** np.arange(steps), 0.01
    gradients[at, 0] = size
    return gradients


def rms_prop(p: Any, beta2: float = 0.9) -> Any:
    return mt.optim.RMSprop(p, lr=1.0, alpha=beta2)


def adam(p: Any, beta1: float = 0.9, beta2: float = 0.999) -> Any:
    return mt.optim.Adam(p, lr=1.0, betas=(beta1, beta2))


@item(
    "adam-rmsprop-gradient-sequence",
    kind="experiment",
    source="Deep-learning optimizers, the worked sequence of gradients; hands-on problem 3154457",
    title=("An outlier and an alternating sign", "一个异常值与交替的符号"),
    statement=(
        r"Feed RMSProp and Adam a fixed sequence of gradients. One outlier inflates $v$ and shortens the steps after it; "
        r"where the sign alternates, $m$ goes to 0 and the step shrinks.",
        r"给 RMSProp 和 Adam 输入固定的梯度序列。单个异常值使 $v$ 骤增，此后步长变小；若梯度符号交替，则 $m$ 趋于 0，步长随之缩小。",
    ),
    verdict="holds with a condition",
    correction=(
        r"The outlier's own step is first lengthened: in RMSProp to up to $\eta / \sqrt{1 - \beta_2} = 3.16\,\eta$. After a "
        r"long history the same happens in Adam, whose $m$ remembers the outlier too: 13 steps stay above $\eta$, 39 are "
        r"travelled in 40 steps, and the slowing down comes later. With an alternating sign $m$ goes not to 0 but to the "
        r"amplitude $(1 - \beta_1) / (1 + \beta_1) = 0.0526$ of the gradient, and RMSProp does not damp such a coordinate "
        "at all.",
        r"异常值所在的那一步先变长：RMSProp 中最长为 $\eta / \sqrt{1 - \beta_2} = 3.16\,\eta$。若此前已有很长的历史，Adam 也如此，"
        r"因为 $m$ 同样记住了异常值：有 13 步大于 $\eta$，40 步共走 39，抑制到后来才出现。符号交替时，$m$ 并不趋于 0，"
        r"其振幅趋于梯度的 $(1 - \beta_1) / (1 + \beta_1) = 0.0526$ 倍；RMSProp 则完全不抑制这样的坐标。",
    ),
    ranges={
        "beta1": (0.0, 0.99), "beta2": (0.5, 0.999), "adam_beta2": (0.5, 0.9999), "outlier": (-1000.0, 1000.0),
        "at": (1, 59),
    },
)  # fmt: skip
def gradient_sequence(
    run: Run, beta1: float = 0.9, beta2: float = 0.9, adam_beta2: float = 0.999, outlier: float = 100.0, at: int = 20
) -> None:
    fixed = sequence(60, 20, 100.0)
    rms, adams = fed(rms_prop, fixed)[0], fed(adam, fixed)[0]
    for t, expected, place in (
        (19, 1.067, 5e-4),
        (20, 3.161, 5e-4),
        (21, 0.0333, 5e-5),
        (30, 0.0535, 5e-5),
        (59, 0.240, 5e-4),
    ):
        text = (rf"RMSProp, step $t = {t}$ (outlier at 20)", rf"RMSProp，$t = {t}$ 的步长（异常值在 20）")
        run.claim(text, rms[t, 0], equals=expected, within=place)
    for t, expected in ((19, 1.0), (20, 0.552), (21, 0.508), (25, 0.368), (40, 0.142), (59, 0.090)):
        text = (rf"Adam, step $t = {t}$ (outlier at 20)", rf"Adam，$t = {t}$ 的步长（异常值在 20）")
        run.claim(text, adams[t, 0], equals=expected, within=5e-4)
    run.claim(
        ("Adam, travelled from $t = 20$ to 59, instead of 40", "Adam，$t = 20$ 至 59 的路程（无异常值时为 40）"),
        adams[20:, 0].sum(),
        equals=8.04,
        within=0.005,
    )
    late = np.abs(fed(adam, sequence(3000, 2000, 100.0)[:, :1])[0][:, 0])
    for english, chinese, measured, expected, place in (
        ("at the outlier", "异常值处的步长", late[2000:2020].max(), 3.08, 0.005),
        ("steps above 1", "大于 1 的步数", (late[2000:] > 1.0001).sum(), 13, 0.0),
        ("travelled in 40 steps", "40 步的路程", late[2000:2040].sum(), 39.05, 0.005),
        ("travelled in 1000 steps", "1000 步的路程", late[2000:].sum(), 392, 0.5),
        ("smallest step", "最小步长", late[2000:].min(), 0.295, 5e-4),
        ("steps until the smallest", "到最小步长的步数", late[2000:].argmin(), 72, 0.0),
    ):
        text = (f"Adam, outlier at $t = 2000$: {english}", f"Adam，异常值在 $t = 2000$：{chinese}")
        run.claim(text, measured, equals=expected, within=place)
    settled = np.abs(fed(adam, sequence(400, 20, 1.0))[1]["exp_avg"][-1, 1])
    limit = (1 - 0.9) / (1 + 0.9)
    run.claim((r"alternating sign: amplitude of $m$", r"符号交替：$m$ 的振幅"), settled, equals=limit, within=1e-12)
    run.claim(
        ("its step in Adam, $t = 59$", "Adam 在该坐标上 $t = 59$ 的步长"),
        np.abs(adams[59, 1]),
        equals=0.0526,
        within=1e-3,
    )
    run.claim(
        ("its step in RMSProp, $t = 59$", "RMSProp 在该坐标上 $t = 59$ 的步长"),
        np.abs(rms[59, 1]),
        equals=1.001,
        within=5e-4,
    )
    run.claim(
        ("constant gradient 0.01: Adam's steps", "恒定梯度 0.01：Adam 的步长"), adams[:, 2], equals=1.0, within=5e-4
    )

    shown = sequence(60, at, outlier)
    turned = {
        "RMSProp": fed(lambda p: rms_prop(p, beta2), shown),
        "Adam": fed(lambda p: adam(p, beta1, adam_beta2), shown),
    }

    def draw(*axes: Any) -> None:
        names = (f"A: gradient 1, once {outlier:g}", r"B: gradient $(-1)^t$", "C: gradient 0.01")
        for k, ax in enumerate(axes[:3]):
            for (name, (moves, _)), style in zip(turned.items(), ("-", "--"), strict=True):
                ax.plot(np.abs(moves[:, k]), style, label=name)
            ax.set(title=names[k], xlabel="t", ylabel=r"length of the step / $\eta$", yscale="log")
            ax.legend(fontsize="small")
        axes[3].plot(
            np.arange(-20, 200), late[1980:2200], color="C1", linestyle="--", label="Adam, outlier at t = 2000"
        )
        axes[3].axhline(1, color="0.6", linewidth=0.8)
        axes[3].set(
            title="A, after a long history", xlabel="t - 2000", ylabel=r"length of the step / $\eta$", yscale="log"
        )
        axes[3].legend(fontsize="small")

    run.figure(
        ("How long the steps are in each coordinate, in units of the learning rate", "各坐标的步长，以学习率为单位"),
        draw,
        (2, 2),
        (9.0, 6.5),
    )
