"""What flatness of a minimum is measured by, and what it says about generalisation (section 4.2.6)."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

from ..entry import item
from ..run import Run
from .sgd_flat import product_loss, train_on_moons

MINIMA = ((1.0, 1.0), (2.0, 0.5), (3.0, 1 / 3), (10.0, 0.1))


@item(
    "flatness-measure",
    kind="definition",
    source="Chapter 4, section 4.2.6, last paragraph but one",
    title=("What measures flatness", "用什么衡量平坦性"),
    statement=(
        "The flatness of a minimum is usually measured by the smallest eigenvalue of the Hessian, or by the second "
        "derivatives of the loss.",
        "极小值的平坦性通常用 Hessian 矩阵的最小特征值，或损失的二阶导数来衡量。",
    ),
    verdict="does not hold as printed",
    correction=(
        "The second half is right. The smallest eigenvalue is 0 wherever one direction is flat, however sharp the others "
        "are, so it says nothing of them. Flatness goes with the largest eigenvalue, with the trace, or with the rise of the loss "
        r"under perturbation, which is $\sigma^2 \operatorname{tr} H / 2$ on average for small noise.",
        "后半句正确。但只要有一个方向平坦，最小特征值就为 0，与其余方向多尖锐无关，因此反映不了尖锐程度。应使用最大特征值、迹，"
        r"或扰动下损失的升高；噪声小时，平均升高为 $\sigma^2 \operatorname{tr} H / 2$。",
    ),
    ranges={"a": (1.0, 20.0), "sigma": (0.001, 0.1)},
    random=True,
)
def flatness_measure(run: Run, a: float = 5.0, sigma: float = 0.01, form: str = "right") -> None:
    loss = analysis.Objective(product_loss, np.zeros(2))

    def noise(point: Any, size: float, samples: int) -> float:
        at = analysis.Objective(product_loss, np.array(point))
        random = mt.Generator(run.seed)
        return analysis.perturbed_rise(at, sigma=size, samples=samples, generator=random)

    rises, measures, rows = [], [], []
    for point, top in zip(MINIMA, (2.0, 4.25, 9.111, 100.01), strict=True):
        eigenvalues = np.linalg.eigvalsh(loss.hessian(np.array(point)))
        measure = float(eigenvalues[0] if form == "printed" else eigenvalues[-1])
        where = f"({point[0]:g}, {point[1]:.3g})"
        run.claim(
            (f"smallest eigenvalue at {where}", f"{where} 处的最小特征值"), eigenvalues[0], equals=0, within=1e-12
        )
        run.claim((f"the measure at {where}", f"{where} 处的度量值"), measure, equals=top, within=5e-4)
        rise = noise(point, 0.01, 200_000)
        run.claim(
            (
                rf"mean rise under noise of $\sigma = 0.01$ at {where}, over $\sigma^2 \operatorname{{tr}} H / 2$",
                rf"{where} 处，$\sigma = 0.01$ 的噪声下损失的平均升高与 $\sigma^2 \operatorname{{tr}} H / 2$ 之比",
            ),
            rise / (0.5e-4 * eigenvalues.sum()),
            equals=1.0,
            within=0.02,
        )
        rises.append(rise)
        measures.append(measure)
        rows.append((where, *eigenvalues, eigenvalues.sum(), rise))
    for k, expected in ((0, 1.0e-4), (2, 4.55e-4), (3, 5.00e-3)):
        run.claim(
            (rf"mean rise at $a = {MINIMA[k][0]:g}$", rf"$a = {MINIMA[k][0]:g}$ 处的平均升高"),
            rises[k],
            equals=expected,
            relative=0.02,
        )
    run.claim(
        (
            "the measure tells the minima apart as the noise does: correlation",
            "度量值与噪声下的升高给出同样的排序：相关系数",
        ),
        float(np.corrcoef(measures, rises)[0, 1]) if np.ptp(measures) > 1e-9 else 0.0,
        at_least=0.999,
    )
    run.table(
        ("Four minima of $(ab - 1)^2 / 2$", "$(ab - 1)^2 / 2$ 的四个极小值点"),
        ("minimum", "smallest", "largest", "trace", "rise, sigma 0.01"),
        rows,
    )

    def draw(left: Any, right: Any) -> None:
        x, y = np.meshgrid(np.linspace(0, 6.5, 140), np.linspace(0, 2, 100))
        heights = loss.values(np.column_stack([x.ravel(), y.ravel()])).reshape(x.shape)
        left.contourf(x, y, np.log10(heights + 1e-3), levels=14, cmap="Greys_r", alpha=0.6)
        along = np.linspace(0.5, 6.5, 200)
        left.plot(along, 1 / along, color="C0", label="minima, $ab = 1$")
        left.plot(*np.array(MINIMA[:3]).T, "o", color="C3", label="measured")
        if a < 6.5:
            left.plot(a, 1 / a, "k+", markersize=12, markeredgewidth=2, label=f"a = {a:g}")
        left.set(xlabel="a", ylabel="b", title=r"$(ab - 1)^2/2$: the valley narrows")
        left.legend(fontsize="small", loc="upper right")
        where = sorted({1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, a})
        values = [np.linalg.eigvalsh(loss.hessian(np.array((w, 1 / w)))) for w in where]
        right.plot(where, [v[-1] for v in values], "o-", label="largest eigenvalue")
        right.plot(where, [np.round(v[0], 12) for v in values], "s-", label="smallest eigenvalue")
        scaled = [noise((w, 1 / w), sigma, 4000) * 2 / sigma**2 for w in where]
        right.plot(where, scaled, "k+", markersize=10, label=r"rise under noise $\cdot\, 2/\sigma^2$")
        right.set(xlabel="a", yscale="symlog", ylabel="curvature", title="Three measures along the valley")
        right.set_ylim(-0.5, None)
        right.legend(fontsize="small")

    run.figure(
        (
            "Every point of the curve is a minimum with smallest eigenvalue 0. The rise under noise follows the largest.",
            "曲线上每一点都是极小值点，最小特征值均为 0。噪声下的升高随最大特征值变化。",
        ),
        draw,
        (1, 2),
        (9.5, 4.0),
    )


@item(
    "flat-minima-generalise",
    kind="experiment",
    source="Chapter 4, section 4.2.6, last paragraph but one",
    title=("Flat minima and generalisation", "平坦极小值与泛化"),
    statement=(
        "A flat minimum is insensitive to perturbations of the parameters, so predictions stay stable; it is thought to "
        "generalise better, out of distribution as well.",
        "平坦极小值对参数扰动不敏感，预测因而稳定；人们认为它泛化更好，对分布外数据也更鲁棒。",
    ),
    verdict="holds with a condition",
    correction=(
        "That a flat minimum withstands noise in the parameters is true by definition. Generalisation does not follow: "
        "scaling one ReLU layer up and the next down leaves every prediction as it is and makes the minimum tens or "
        "hundreds of times sharper, and networks several times flatter than others predict equally well here. Compare "
        "flatness by a measure that rescaling can't change.",
        "平坦极小值能承受参数噪声，这由定义即得；但推不出泛化。把一个 ReLU 层放大、下一层缩小，所有预测不变，"
        "极小值却尖锐几十到几百倍；这里，尖锐性只有几分之一的网络，预测也并没有更好。比较平坦性时，应使用不受重新缩放影响的度量。",
    ),
    ranges={"alpha": (1.0, 50.0), "sigma": (0.001, 0.05)},
    random=True,
)
def flat_minima_generalise(run: Run, alpha: float = 10.0, sigma: float = 0.01) -> None:
    x, classes = mt.data.make_moons(100, 0.25, generator=mt.Generator(run.seed))
    tests, _ = mt.data.make_moons(500, 0.25, generator=mt.Generator(1000 + run.seed))
    targets = classes.to(x.dtype).reshape(-1, 1)
    model = mt.nn.Sequential(mt.nn.Linear(2, 8), mt.nn.ReLU(), mt.nn.Linear(8, 1))
    for p, scale in zip(model.parameters(), (1.0, 0.5, 8**-0.5, 0.0), strict=True):
        p.detach().copy_(scale * run.rng.standard_normal(p.shape))

    def loss() -> mt.Tensor:
        return mt.nn.functional.binary_cross_entropy_with_logits(model(x), targets)  # type: ignore[no-any-return]

    optimizer = mt.optim.SGD(model.parameters(), lr=0.2)

    def step() -> mt.Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return value.detach()

    mt.compile(step).repeat(3000)
    trained = [p.detach().numpy().copy() for p in model.parameters()]
    found = analysis.Objective(loss, model)
    rows: list[tuple[float, ...]] = []
    predictions = []
    factors = sorted({1.0, 2.0, 5.0, 10.0, 30.0, alpha})
    for factor in factors:
        for p, value, power in zip(model.parameters(), trained, (factor, factor, 1 / factor, 1.0), strict=True):
            p.detach().copy_(power * value)
        curvatures = np.linalg.eigvalsh(found.hessian())
        both = [
            analysis.perturbed_rise(found, sigma=size, samples=1000, generator=mt.Generator(run.seed))
            for size in (0.01, sigma)
        ]
        rows.append((factor, found(), float(curvatures[-1]), float(curvatures.sum()), *both))
        predictions.append(model(tests).detach().numpy().copy())
    losses, tops, rises = (np.array([row[k] for row in rows]) for k in (1, 2, 4))
    k = factors.index(30.0)
    run.claim(
        ("change of the loss under rescaling by up to 30", "放大至 30 倍时损失的变化"), np.ptp(losses), at_most=1e-10
    )
    run.claim(
        ("change of any prediction on test points", "测试点上预测的最大变化"),
        max(np.abs(p - predictions[0]).max() for p in predictions),
        at_most=1e-10,
    )
    run.claim(
        (r"$\lambda_{\max}$ at $\alpha = 30$ over that at 1", r"$\alpha = 30$ 与 1 处的 $\lambda_{\max}$ 之比"),
        tops[k] / tops[0],
        at_least=10.0,
    )
    run.claim(
        ("rise of the loss under noise, the same ratio", "噪声下损失的升高，同一比值"),
        rises[k] / rises[0],
        at_least=5.0,
    )
    full, small = train_on_moons(run.seed, 100), train_on_moons(run.seed, 4)
    if run.seed == 0:
        for name, chinese, nets, score in (
            ("gradient descent", "全批量梯度下降", full, 0.908), ("batches of 4", "批量大小为 4", small, 0.910)
        ):  # fmt: skip
            run.claim(
                (f"networks 2-16-1, {name}: mean test accuracy", f"2-16-1 网络，{chinese}：平均测试准确率"),
                nets.test_accuracy.mean(),
                equals=score,
                within=0.005,
            )
    run.claim(
        (
            "networks 2-16-1: sharpness after gradient descent over that after SGD with batches of 4",
            "2-16-1 网络：全批量梯度下降与批量大小为 4 的 SGD 的尖锐性之比",
        ),
        full.sharpness.mean() / small.sharpness.mean(),
        at_least=2.0,
    )
    run.claim(
        ("difference of their mean test accuracies", "两者平均测试准确率之差"),
        abs(full.test_accuracy.mean() - small.test_accuracy.mean()),
        at_most=0.04,
    )
    run.note(
        r"At $\alpha = 1$ and 2 noise costs more than $\sigma^2 \operatorname{tr} H / 2$. Training has moved kinks of the ReLUs close to data points, "
        "where the Hessian at one point does not see them; noise does.",
        r"在 $\alpha = 1$ 和 2 处，噪声的代价大于 $\sigma^2 \operatorname{tr} H / 2$：训练使一些 ReLU 的转折点紧邻样本，单点处的 Hessian 矩阵看不到它们，噪声却看得到。",
    )
    run.table(
        (
            r"One function, several minima: first layer times $\alpha$, second divided by it",
            r"同一个函数，多个极小值点：第一层乘以 $\alpha$，第二层除以 $\alpha$",
        ),
        ("alpha", "loss", "lambda_max", "trace", "rise, sigma 0.01"),
        [row[:5] for row in rows],
    )

    def draw(left: Any, middle: Any, right: Any) -> None:
        distances = np.linspace(-0.5, 0.5, 81)
        for factor in (1.0, alpha):
            point = np.concatenate(
                [(power * v).ravel() for v, power in zip(trained, (factor, factor, 1 / factor, 1.0), strict=True)]
            )
            direction = np.linalg.eigh(found.hessian(point))[1][:, -1]
            line = found.values(point + distances[:, None] * direction)
            left.plot(distances, line, label=rf"$\alpha = {factor:g}$")
        left.set(xlabel="distance along the sharpest direction", ylabel="loss", title="One function, two cuts")
        left.legend(fontsize="small")
        middle.loglog([r[0] for r in rows], [r[2] for r in rows], "o-", label=r"$\lambda_{\max}$")
        middle.loglog([r[0] for r in rows], [r[3] for r in rows], "s--", label="trace")
        middle.loglog(
            [r[0] for r in rows],
            [2 * r[5] / sigma**2 for r in rows],
            "k+",
            markersize=10,
            label=r"rise $\cdot\, 2/\sigma^2$",
        )
        middle.set(xlabel=r"$\alpha$", ylabel="sharpness", title="The same predictions throughout")
        middle.legend(fontsize="small")
        for name, nets, mark in (("gradient descent", full, "o"), ("batches of 4", small, "s")):
            right.plot(nets.sharpness, nets.test_accuracy, mark, label=name)
        right.set(xlabel=r"$\lambda_{\max}$", ylabel="test accuracy", title="Ten networks on two moons")
        right.set(xlim=(0, None), ylim=(0.8, 1.0))
        right.legend(fontsize="small", loc="lower right")

    run.figure(
        (
            "Left and middle: rescaling sharpens the minimum and changes no prediction. Right: flatter networks are not "
            "better ones.",
            "左、中：重新缩放使极小值变尖锐，而预测不变。右：更平坦的网络并没有更好。",
        ),
        draw,
        (1, 3),
        (9.6, 4.0),
    )
