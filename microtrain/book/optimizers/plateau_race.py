"""Who crosses a plateau into a narrow valley first."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ...viz import plots
from ..entry import item
from ..moving import grow, moments
from ..run import Run

RULES: dict[str, Any] = {
    "GD": lambda p, lr: mt.optim.SGD(p, lr=lr),
    "heavy ball": lambda p, lr: mt.optim.SGD(p, lr=lr, momentum=0.9),
    "RMSProp": lambda p, lr: mt.optim.RMSprop(p, lr=lr),
    "Adam": lambda p, lr: mt.optim.Adam(p, lr=lr),
}
GOAL = 0.01


def race(starts: Any, lr: float, k: float, most: int) -> dict[str, np.ndarray]:
    """{optimizer: positions (T + 1, starts, 2)}, all starts of one optimizer in one tensor, until all are below GOAL."""
    f = mt.analysis.problems.plateau_valley(k)
    runners = {name: mt.tensor(np.array(starts, float), requires_grad=True) for name in RULES}
    optimizers = {name: rule([runners[name]], lr) for name, rule in RULES.items()}

    def losses(name: str) -> Any:
        return f(runners[name].T)  # x[0] and x[1] are then the coordinates of all starts

    def race_step(name: str) -> Any:
        optimizers[name].zero_grad()
        each = losses(name)
        each.sum().backward()
        optimizers[name].step()
        return each

    def slow_step() -> Any:  # GD needs thousands of steps
        return race_step("GD")

    _, (slow,) = mt.compile(slow_step).repeat(most, record=[runners["GD"]])
    paths = {"GD": np.concatenate([[starts], np.asarray(slow)])}
    for name in ("heavy ball", "RMSProp", "Adam"):
        path = [np.array(starts, float)]
        for _ in range(min(most, 5000)):
            if (race_step(name).detach().numpy() < GOAL).all():  # before this step
                break
            path.append(runners[name].detach().numpy().copy())
        paths[name] = np.array(path)
    return paths


def steps_to_goal(path: np.ndarray, k: float) -> list[int | None]:
    """For each start the number of steps until f < GOAL; None if never."""
    x, y = path[..., 0], path[..., 1]
    below = mt.analysis.problems.plateau_valley(k)(mt.tensor(np.stack([x, y]))).numpy() < GOAL
    return [int(np.argmax(column)) if column.any() else None for column in below.T]


@item(
    "plateau-valley-optimizer-race",
    kind="experiment",
    source="Deep-learning optimizers, Adam on plateaus and in narrow valleys; hands-on problem 3154465",
    title=("A plateau and a narrow valley: the race", "平坦区域与狭窄山谷：优化器竞赛"),
    statement=(
        "Adam copes particularly well with a landscape that joins a flat plateau to a narrow valley.",
        "若损失景观既有平坦区域又有狭窄山谷，Adam 的表现尤其好。",
    ),
    verdict="holds",
    ranges={"lr": (0.001, 0.039), "start": (-4.5, -1.0), "k": (1.0, 25.0)},
)
def plateau_race(run: Run, lr: float = 0.03, start: float = -4.0, k: float = 25.0) -> None:
    usual = race([(-4.0, 1.0), (-3.5, 1.0)], 0.03, 25.0, 7500)
    counts = {name: steps_to_goal(path, 25.0) for name, path in usual.items()}
    for name, far, near in (("GD", 7409, 1650), ("heavy ball", 794, 202), ("Adam", 90, 83)):
        for which, x, expected in ((0, -4, far), (1, -3.5, near)):
            run.claim(
                (f"{name} from ({x}, 1): steps to $f < 0.01$", f"{name} 从 ({x}, 1) 出发：到 $f < 0.01$ 的步数"),
                counts[name][which],
                equals=expected,
            )
    adam, ball, gd = (counts[name][0] for name in ("Adam", "heavy ball", "GD"))
    assert adam is not None and ball is not None and gd is not None
    run.claim(("Adam < 150 < heavy ball < 1000 < GD", "Adam < 150 < 重球法 < 1000 < GD"), adam < 150 < ball < 1000 < gd)
    f = mt.analysis.problems.plateau_valley(25.0)
    run.claim(
        ("slope of the plateau at $x = -4$", "平坦区域在 $x = -4$ 处的斜率"),
        np.abs(mt.analysis.objective(f, [-4.0, 0.0]).gradient()[0]),
        equals=1.3e-3,
        within=5e-5,
    )
    run.table(("Steps to $f < 0.01$", "到 $f < 0.01$ 的步数"), ("optimizer", "from (-4, 1)", "from (-3.5, 1)"),
              [(name, *each) for name, each in counts.items()])  # fmt: skip
    run.note(
        r"Adam's steps are about $\eta$ long whatever the slope, so that its time goes with the distance over $\eta$ "
        r"($4 / 0.03 = 133$) and not with the slope of the plateau.",
        r"无论斜率大小，Adam 的步长都约为 $\eta$，因此所需步数取决于距离与 $\eta$ 之比（$4 / 0.03 = 133$），而与平坦区域的斜率无关。",
    )
    run.note(
        f"RMSProp needs only {counts['RMSProp'][0]} steps here: its $v$ is not corrected, so its first steps are about 10 times as "
        "long as Adam's.",
        f"RMSProp 在这里只需 {counts['RMSProp'][0]} 步：$v$ 未做偏差修正，最初的步长约为 Adam 的 10 倍。",
    )
    if (lr, start, k) == (0.03, -4.0, 25.0):
        paths = {name: path[:, 0] for name, path in usual.items()}
    else:
        paths = {name: path[:, 0] for name, path in race([(start, 1.0)], lr, k, 20000).items()}
    shown = mt.analysis.problems.plateau_valley(k)
    landscape = mt.analysis.landscape(shown, [0.0, 0.0], (-4.7, 1.0), (-1.2, 1.2), resolution=81)

    def draw(top: Any, bottom: Any) -> Any:
        short = {name: path[: 1 + (steps_to_goal(path[:, None], k)[0] or len(path))] for name, path in paths.items()}
        plots.landscape(landscape, top, scale="log")  # else the plateau, 1 above the minimum, is not to be seen
        top.set(xlabel="x", ylabel="y")
        lines = []
        colours = ("#ff9f1c", "white", "#f497da", "#4cc9f0")
        for (name, path), style, colour in zip(short.items(), ("-", "--", "-.", ":"), colours, strict=True):
            label = f"{name} ({len(path) - 1} steps)"
            lines += top.plot(*path.T, style, color=colour, linewidth=2, label=label)
        top.legend(loc="lower right", ncols=2, fontsize=7, facecolor="#555b63", labelcolor="white", framealpha=0.85)
        for (name, path), style, colour in zip(paths.items(), ("-", "--", "-.", ":"), colours, strict=True):
            dark = "black" if colour == "white" else colour
            values = shown(mt.tensor(path.T)).numpy()
            lines += bottom.plot(1 + np.arange(len(path)), values, style, color=dark, linewidth=2, label=name)
        bottom.axhline(GOAL, color="0.6", linewidth=0.8)
        bottom.set(xscale="log", yscale="log", xlabel="step + 1", ylabel="f", ylim=(5e-4, None))
        bottom.legend(fontsize="small")
        return grow(moments(max(map(len, paths.values())) - 1, 50, log=True), *lines)

    run.figure(
        (
            "The way across the plateau and down the valley, and the loss on the way",
            "穿过平坦区域并沿山谷下降的路径，以及途中的损失",
        ),
        draw,
        (2, 1),
        (7.0, 7.5),
        frames=50,
        seconds=8,
    )
