"""The KL divergence is no distance: it has a direction, and detours may be shorter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import microtrain as mt

from ..entry import item
from ..optimizers.following import follow
from ..run import Run

kl = mt.nn.losses.kl_divergence


@item(
    "kl-asymmetry",
    kind="theorem",
    source="Chapter 4, section 4.1.1",
    title=("The KL divergence has a direction", "KL 散度有方向"),
    statement=(
        r"$D_{KL}(P \| Q) \ne D_{KL}(Q \| P)$: the KL divergence is not symmetric but a directed relative entropy.",
        r"$D_{KL}(P \| Q) \ne D_{KL}(Q \| P)$：KL 散度不对称，是有向的相对熵。",
    ),
    verdict="holds with a condition",
    correction=(
        "In general, not for all pairs as printed. For mirror images both directions agree: $P = (.2, .8)$ and "
        "$Q = (.8, .2)$ give 0.8318 either way. For $P = Q$ both are 0.",
        "一般不相等，但并非对任意 $P$、$Q$ 都不相等。互为镜像的分布两个方向相同：$P = (.2, .8)$、$Q = (.8, .2)$ 时都是 0.8318；"
        "$P = Q$ 时都是 0。",
    ),
    ranges={"distance": (0.5, 4.0), "weight": (0.5, 0.95)},
)
def asymmetry(run: Run, distance: float = 2.5, weight: float = 0.6) -> None:
    half, skewed = (0.5, 0.5), (0.9, 0.1)
    both = kl(half, skewed).item(), kl(skewed, half).item()
    run.claim((r"$D((.5, .5) \| (.9, .1))$", r"$D((.5, .5) \| (.9, .1))$"), both[0], equals=0.510826, within=1e-6)
    run.claim(("and reversed", "交换两者"), both[1], equals=0.368064, within=1e-6)
    run.claim(("difference of the two", "两者之差"), both[0] - both[1], at_least=0.1)
    mirror = kl((0.2, 0.8), (0.8, 0.2)).item(), kl((0.8, 0.2), (0.2, 0.8)).item()
    run.claim((r"the exception: $D((.2, .8) \| (.8, .2))$", r"例外：$D((.2, .8) \| (.8, .2))$"), mirror[0],
              equals=0.831777, within=1e-6)  # fmt: skip
    run.claim(("and reversed less that", "交换后的差"), abs(mirror[1] - mirror[0]), at_most=1e-12)

    x = np.linspace(-12, 12, 241)

    def peak(center: Any, width: Any) -> mt.Tensor:
        return mt.softmax(-0.5 * ((mt.tensor(x) - center) / width) ** 2, -1)

    def fits(apart: float, share: float) -> tuple[mt.Tensor, dict[str, np.ndarray]]:
        """Two peaks, and how a single one (mean, log width) is fitted to them in each direction, step by step."""
        target = share * peak(-apart, 0.7) + (1 - share) * peak(apart, 0.7)
        ways: dict[str, Any] = {
            r"$D(P \| Q)$": lambda t: kl(target, peak(t[0], t[1].exp())),
            r"$D(Q \| P)$": lambda t: kl(peak(t[0], t[1].exp()), target),
        }
        return target, {
            name: follow(lambda p: mt.optim.Adam(p, lr=0.05), way, [-1.0, -0.5], 600) for name, way in ways.items()
        }

    target, paths = fits(2.5, 0.6)
    forward, reverse = (path[-1] for path in paths.values())
    mean = float(target.numpy() @ x)
    spread = float(np.sqrt(target.numpy() @ (x - mean) ** 2))
    run.claim((r"one peak fitted to two by $D(P \| Q)$: its mean less that of P", r"用 $D(P \| Q)$ 以单峰拟合双峰：均值之差"),
              abs(forward[0] - mean), at_most=0.01)  # fmt: skip
    run.claim((r"and its width over the deviation of P", r"单峰宽度与 $P$ 标准差之比"), math.exp(forward[1]) / spread,
              equals=1.0, within=0.01)  # fmt: skip
    run.claim((r"fitted by $D(Q \| P)$: its mean, beside the peak at -2.5", r"用 $D(Q \| P)$ 拟合：均值，$P$ 的一个峰在 -2.5"),
              reverse[0], equals=-2.5, within=0.1)  # fmt: skip
    run.claim((r"and its width, beside 0.7", r"宽度，该峰为 0.7"), math.exp(reverse[1]), equals=0.7, within=0.07)
    shown, ways = (target, paths) if (distance, weight) == (2.5, 0.6) else fits(distance, weight)
    moments = np.append(np.arange(0, 150, 6), 600)

    def draw(left: Any, right: Any) -> Any:
        p = np.linspace(0.02, 0.98, 97)
        pairs = np.column_stack([p, 1 - p])
        first, second = np.repeat(pairs, 97, 0), np.tile(pairs, (97, 1))
        gap = (kl(first, second) - kl(second, first)).numpy().reshape(97, 97)
        mesh = left.contourf(p, p, gap.T, levels=np.linspace(-1.5, 1.5, 21), cmap="RdBu_r", extend="both")
        left.contour(p, p, gap.T, levels=[0], colors="black", linewidths=1)
        left.figure.colorbar(mesh, ax=left, label=r"$D(P \| Q) - D(Q \| P)$", ticks=[-1.5, 0, 1.5])
        left.plot([0.5], [0.9], "ko", label="(.5, .5) and (.9, .1)")
        left.plot([0.2], [0.8], "k*", markersize=10, label="mirror images")
        left.set(xlabel=r"$p_1$", ylabel=r"$q_1$")
        left.legend(fontsize="small", loc="lower right")
        right.fill_between(x, shown.numpy(), color="0.8", label="P")
        lines = [
            right.plot(x, x, dash, label=f"descent on {name}")[0] for name, dash in zip(ways, ("-", "--"), strict=True)
        ]
        right.set(xlabel="x", ylabel="probability", xlim=(-7, 7), ylim=(0, 0.075))
        right.legend(fontsize="small", loc="upper right")

        def show(k: int) -> None:
            for line, path in zip(lines, ways.values(), strict=True):
                center, width = path[moments[k]]
                line.set_ydata(peak(center, math.exp(width)).numpy())
            right.set_title(f"step {moments[k]}")

        return show

    run.figure(
        (
            "Left: the difference of the two directions; black lines where they agree. Right: a single peak fitted to two, from one start. "
            r"$D(P \| Q)$ covers both, $D(Q \| P)$ takes one.",
            r"左：两个方向之差，黑线处相等。右：从同一起点以单峰拟合双峰，$D(P \| Q)$ 覆盖两峰，$D(Q \| P)$ 只取其一。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
        frames=len(moments),
    )


@item(
    "kl-not-a-metric",
    kind="theorem",
    source="Chapter 4, section 4.1.1",
    title=("The KL divergence is no metric", "KL 散度不是度量"),
    statement=(
        "The KL divergence is not a distance in the true sense: besides symmetry it lacks the triangle inequality.",
        "KL 散度不是真正意义上的距离：既不对称，也不满足三角不等式。",
    ),
    verdict="holds",
    ranges={"b": (0.1, 0.5), "triples": (100, 5000)},
    random=True,
)
def not_a_metric(run: Run, b: float = 0.25, triples: int = 2000) -> None:
    start, end = (0.5, 0.5), (0.1, 0.9)
    direct, detour = kl(start, end).item(), kl(start, (0.25, 0.75)).item() + kl((0.25, 0.75), end).item()
    run.claim((r"a = (.5, .5), b = (.25, .75), c = (.1, .9): $D(a \| c)$", r"a = (.5, .5)、b = (.25, .75)、c = (.1, .9)：$D(a \| c)$"),
              direct, equals=0.510826, within=1e-6)  # fmt: skip
    run.claim((r"$D(a \| b) + D(b \| c)$, which is less", r"$D(a \| b) + D(b \| c)$，反而更小"), detour,
              equals=0.236173, within=1e-6)  # fmt: skip
    x, y, z = run.rng.dirichlet(np.ones(3), (max(triples, 2000), 3)).transpose(1, 0, 2)
    straight, around = kl(x, z).numpy(), (kl(x, y) + kl(y, z)).numpy()
    far, near = (np.linalg.norm(u - v, axis=1) for u, v in ((x, z), (x, y)))
    euclid = near + np.linalg.norm(y - z, axis=1)
    bad = straight > around
    run.claim(("share of 2000 random triples that violate it", "2000 组随机三点中违反三角不等式的比例"), bad[:2000].mean(),
              between=(0.1, 0.3))  # fmt: skip
    run.claim(
        ("and with the Euclidean distance", "改用欧几里得距离后的比例"),
        float((far > euclid + 1e-12).mean()),
        equals=0.0,
    )

    def draw(left: Any, right: Any) -> None:
        way = np.linspace(0.1, 0.5, 200)
        between = np.column_stack([way, 1 - way])
        sums = (kl(np.array(start), between) + kl(between, np.array(end))).numpy()
        left.plot(way, sums, label=r"$D(a \| b) + D(b \| c)$")
        left.axhline(direct, color="C3", linestyle="--", label=r"$D(a \| c)$, directly")
        here = np.array([b, 1 - b])
        left.plot([b], [(kl(np.array(start), here) + kl(here, np.array(end))).item()], "o", color="C0")
        left.set(xlabel=r"$b_1$ between $c_1 = 0.1$ and $a_1 = 0.5$", ylabel="nats", ylim=(0, 0.6))
        left.legend(fontsize="small", loc="lower left")
        for chosen, colour, label in (
            (~bad, "C0", "KL"), (bad, "C3", f"KL, violating: {100 * bad[:triples].mean():.0f} %"),
        ):  # fmt: skip
            first = np.flatnonzero(chosen[:triples])
            right.loglog(around[first], straight[first], ".", markersize=2, color=colour, label=label)
        right.loglog(euclid[:triples], far[:triples], ".", markersize=2, color="0.6", label="Euclidean distance")
        reach = np.array([5e-3, 20])
        right.loglog(reach, reach, "k", linewidth=0.8)
        right.set(xlabel="by way of b", ylabel="directly")
        right.legend(fontsize="small", markerscale=4)

    run.figure(
        (
            "Left: for every point between a and c the detour is shorter than the direct way. Right: random triples; above "
            "the line the triangle inequality fails.",
            "左：对 a 与 c 之间的任意 b，绕道都比直达短。右：随机三点，直线上方违反三角不等式。",
        ),
        draw,
        (1, 2),
        (9.6, 4.2),
    )
