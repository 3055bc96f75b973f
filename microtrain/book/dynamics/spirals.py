"""Can gradient flow spiral? Rotation fields, which are no landscapes, and a landscape that is wound like a spiral."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.analysis.problems import rotated_descent, spiral_valley

from ..entry import item
from ..moving import grow, moments, together
from ..run import Run
from .descent import path


def turns(points: np.ndarray) -> np.ndarray:
    """How far each path has turned about 0, in turns: points (T, ..., 2) to (T, ...)."""
    angle = np.unwrap(np.arctan2(points[..., 1], points[..., 0]), axis=0)
    return (angle - angle[0]) / (2 * np.pi)  # type: ignore[no-any-return]


@item(
    "rotation-field-spiral",
    kind="theorem",
    source="The dynamics of gradient descent, the hidden structure of descent, water in a drain",
    title=("A potential with a rotation is no landscape", "加了旋转的势不是损失景观"),
    statement=(
        r"By adding a simple rotation to a potential one gets a landscape whose gradient flow spirals into the minimum like water into a "
        r"drain.",
        r"给势函数加上简单的旋转分量，可以得到一个损失景观，其梯度流像水流入下水道一样旋入最小值点。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Only if what is added is itself a scalar term that is twisted in the angle, as in spiral-valley-landscape. The field "
        r"$-\nabla V + \omega J x$ does spiral, but it is the gradient flow of no landscape: its Jacobian is not symmetric and its circulation "
        r"is $-2\pi\omega$, not 0. At a minimum with a regular Hessian the flow of a quadratic turns by less than a quarter turn.",
        r"只有当加上的项本身是随角度扭曲的标量函数时才成立，如 spiral-valley-landscape。场 $-\nabla V + \omega J x$ 确实旋入，"
        r"但它不是任何损失景观的梯度流：雅可比矩阵不对称，环量为 $-2\pi\omega$ 而不是 0。在 Hessian 矩阵非退化的二次极小值附近，"
        r"梯度流的转角不到 1/4 圈。",
    ),
    ranges={"omega": (0.0, 10.0), "t_end": (1.0, 8.0)},
    random=True,
)
def rotation(run: Run, omega: float = 3.0, t_end: float = 8.0) -> None:
    field = rotated_descent(-3.0)  # J = [[0, 1], [-1, 0]] turns clockwise
    jacobian = np.asarray(mt.autograd.jacobian(field, mt.tensor([0.3, 0.2])))
    eigenvalues = np.linalg.eigvals(jacobian)
    run.claim(
        ("real parts of the Jacobian's eigenvalues", "雅可比矩阵特征值的实部"),
        eigenvalues.real,
        equals=-1,
        within=1e-12,
    )
    run.claim(("their imaginary parts, in size", "特征值虚部的大小"), np.abs(eigenvalues.imag), equals=3, within=1e-12)
    half = analysis.curl(field, (0.3, 0.2)) / 2
    run.claim(
        ("antisymmetric part of the Jacobian, entry [0, 1]", "雅可比矩阵反对称部分的 [0, 1] 元素"),
        half[0, 1],
        equals=3,
        within=1e-12,
    )
    run.claim(("entry [1, 0]", "其 [1, 0] 元素"), half[1, 0], equals=-3, within=1e-12)
    run.claim(
        (r"circulation round the unit circle; theory $-2\pi\omega$", r"沿单位圆的环量；理论值 $-2\pi\omega$"),
        analysis.circulation(field, (0, 0), 1.0), equals=-18.8496, within=3e-4,
    )  # fmt: skip
    run.claim(
        (r"of the potential's own flow $-\nabla V$", r"势自身的流 $-\nabla V$ 的环量"),
        analysis.circulation(rotated_descent(0.0), (0, 0), 1.0), equals=0, within=1e-12,
    )  # fmt: skip
    times = np.linspace(0, 8, 400)
    way = analysis.flow(field, (1.0, 0.0), t_end=8.0, times=times).points
    run.claim(
        ("turns from (1, 0) in the time 8", "从 (1, 0) 出发，时间 8 内的圈数"),
        abs(turns(way)[-1]),
        equals=3.82,
        within=0.005,
    )
    run.claim(("distance from 0 at the end", "终点到 0 的距离"), np.linalg.norm(way[-1]), equals=3.35e-4, within=1e-6)

    g = run.rng.standard_normal((200, 2, 2))
    bowls = g @ g.swapaxes(1, 2)
    bowls /= np.linalg.eigvalsh(bowls)[:, -1, None, None]  # the size is a matter of time only
    starts = run.rng.standard_normal((200, 2))
    h = mt.tensor(bowls)

    def all_bowls(p: mt.Tensor) -> mt.Tensor:
        return 0.5 * (p.unsqueeze(-2) @ h @ p.unsqueeze(-1)).sum()

    long = np.concatenate([[0.0], np.geomspace(1e-2, 60, 200)])
    flows = analysis.gradient_flow(all_bowls, mt.tensor(starts), t_end=60.0, times=long, rtol=1e-6, atol=1e-14)
    wound = np.abs(turns(flows.points.reshape(len(long), 200, 2)))
    run.claim(
        ("gradient flow of 200 random quadratics: most turns", "200 个随机二次函数的梯度流：最大圈数"),
        wound.max(),
        between=(0.2, 0.25),
    )
    shown = analysis.flow(rotated_descent(-omega), (1.0, 0.0), t_end=t_end, times=np.linspace(0, t_end, 500)).points
    portrait = analysis.field_portrait(rotated_descent(-omega), (-1.1, 1.1), (-1.1, 1.1), resolution=15)

    def draw(left: Any, right: Any) -> Any:
        x, y = np.meshgrid(portrait.x, portrait.y)
        left.quiver(x, y, portrait.velocity[..., 0], portrait.velocity[..., 1], color="0.6", pivot="mid")
        (spiral,) = left.plot(
            *shown.T,
            color="#1f5fa8",
            linewidth=2,
            label=rf"$-\nabla V + {omega:g} J x$: {abs(turns(shown)[-1]):.2f} turns",
        )
        left.plot(*shown[0], "ko", markersize=5)
        left.set(xlabel="x", ylabel="y", xlim=(-1.15, 1.15), ylim=(-1.15, 1.45))
        left.legend(fontsize="small", loc="upper right")
        right.semilogx(long[1:], wound[1:, :60], color="#d1600f", linewidth=0.6, alpha=0.6)
        right.axhline(0.25, color="black", linestyle="--", label="a quarter turn")
        right.set(xlabel="time (with the largest curvature 1)", ylabel="turns of the gradient flow", ylim=(0, 0.3))
        right.legend(fontsize="small", loc="upper left")
        return grow(moments(len(shown) - 1, 60), spiral)

    run.figure(
        ("Left: a rotation field spirals, but is no gradient. Right: gradient flows of random quadratics turn less than a quarter",
         "左：旋转场会旋入，但不是梯度。右：随机二次函数的梯度流转角不到 1/4 圈"),
        draw, (1, 2), (9.6, 4.3), frames=60,
    )  # fmt: skip


@item(
    "spiral-valley-landscape",
    kind="experiment",
    source="The dynamics of gradient descent, the hidden structure of descent, water in a drain (mended)",
    title=("A landscape that does spiral", "真正会旋入的损失景观"),
    statement=(
        r"$V(r, \varphi) = r^2 (1.5 + \sin(\varphi - 4 \ln r))$ is a valley wound like a logarithmic spiral: a genuine loss whose gradient flow "
        r"winds round the minimum.",
        r"$V(r, \varphi) = r^2 (1.5 + \sin(\varphi - 4 \ln r))$ 是沿对数螺线卷绕的山谷：它是真正的损失函数，梯度流绕着最小值点旋入。",
    ),
    verdict="holds with a condition",
    correction=(
        r"Possible because $V$ is only once continuously differentiable at the minimum, where it has no Hessian. For losses three times differentiable "
        r"with a regular Hessian at the minimum the path ends with a definite tangent; twice is not quite enough when Hessian eigenvalues "
        r"coincide.",
        r"之所以可能，是因为 $V$ 在最小值点仅一阶连续可微，那里没有 Hessian 矩阵。若损失三阶连续可微且该处 Hessian 矩阵非退化，"
        r"轨迹终端有确定的切线；当特征值相等时，二阶可微还不够。",
    ),
    ranges={"k": (0.0, 8.0), "eta": (0.001, 0.02), "steps": (100, 4000)},
)
def spiral(run: Run, k: float = 4.0, eta: float = 0.01, steps: int = 4000) -> None:
    loss = spiral_valley(4.0)
    found = analysis.Objective(loss, np.ones(2))
    g, h = found.gradient((0.3, -0.4)), 1e-6 * np.eye(2)
    differences = [(found([0.3, -0.4] + d) - found([0.3, -0.4] - d)) / 2e-6 for d in h]
    for number, expected in enumerate((1.69439, -2.48507)):
        name = rf"$\partial V/\partial {'xy'[number]}$"
        run.claim((f"{name} at (0.3, -0.4)", f"(0.3, -0.4) 处的 {name}"), g[number], equals=expected, within=5e-6)
    run.claim(("distance from central differences", "与中心差分之差"), np.abs(g - differences).max(), at_most=1e-6)
    way = path(loss, [1.0, 0.3], 0.01, 45000)
    values, angle = found.values(way[:4001]), np.abs(turns(way))
    run.claim(
        (r"turns in 4000 steps with $\eta = 0.01$", r"$\eta = 0.01$ 时 4000 步的圈数"),
        angle[4000],
        equals=1.616,
        within=1e-3,
    )
    run.claim(("more than 1.5 turns", "超过 1.5 圈"), angle[4000], at_least=1.5)
    run.claim(("the loss falls in every step", "损失每步下降"), bool((np.diff(values) < 0).all()))
    run.claim(("loss after 4000 steps", "4000 步后的损失"), values[-1], equals=7.4e-3, within=5e-5)
    run.claim(
        ("distance from the minimum after 4000 steps", "4000 步后到最小值点的距离"),
        np.linalg.norm(way[4000]),
        equals=0.118,
        within=5e-4,
    )
    sixteen = int((angle >= 16).argmax())
    run.claim(
        (r"after 16 turns: $\ln$ of the distance", r"转 16 圈后距离的 $\ln$"), np.log(np.linalg.norm(way[sixteen])),
        equals=-24.7, within=0.05,
    )  # fmt: skip
    run.claim(
        ("the winding does not end: turns in the last 5000 steps", "卷绕不止：最后 5000 步的圈数"),
        angle[-1] - angle[-5001],
        at_least=1.5,
    )
    shown = path(spiral_valley(k), [1.0, 0.3], eta, steps)

    def draw(left: Any, right: Any) -> Any:
        xs, ys = np.linspace(-1.2, 1.5, 220), np.linspace(-1.2, 1.2, 220)
        a, b = np.meshgrid(xs, ys)
        r2 = a**2 + b**2
        levels = (
            analysis.Objective(spiral_valley(k), np.ones(2))
            .values(np.stack([a.ravel(), b.ravel()], 1))
            .reshape(a.shape)
        )
        mesh = left.pcolormesh(xs, ys, levels / r2, cmap="viridis", shading="gouraud", rasterized=True)
        left.figure.colorbar(mesh, ax=left, label="$V / r^2$")
        (edge,) = left.plot(*shown.T, color="white", linewidth=3.5)
        (way_in,) = left.plot(
            *shown.T, color="#d1600f", linewidth=1.8, label=f"gradient descent, {abs(turns(shown)[-1]):.2f} turns"
        )
        left.plot(*shown[0], "ko", markersize=5)
        left.set(xlabel="x", ylabel="y", xlim=(-1.2, 1.5), ylim=(-1.2, 1.2))
        left.set_aspect("equal")
        left.legend(fontsize="small", loc="lower left")
        far = np.linalg.norm(way, axis=1)
        right.plot(angle[::50], np.log(far[::50]), color="#1f5fa8", label=r"gradient descent, $k = 4$")
        right.plot(angle[::50], -np.pi / 2 * angle[::50], "k:", label="$r = e^{-2 \\pi n / 4}$ after n turns")
        right.set(xlabel="turns", ylabel="ln of the distance")
        right.legend(fontsize="small")
        when = moments(len(shown) - 1, 60)
        return together(grow(when, edge, heads=False), grow(when, way_in))

    run.figure(
        ("The spiral valley (loss over squared distance) with a run, and the endless winding of a longer one",
         "螺旋山谷（损失除以距离的平方）与一次运行；更长的运行会不断卷绕"),
        draw, (1, 2), (9.6, 4.3), frames=60,
    )  # fmt: skip
