"""What the book names and a library must have: every loss, function, model, optimizer, schedule and line search.

One row for each: its name, what the library has for it, and the equation, checked in numbers. (Longer checks of the
same things are in `test_losses`, `test_models` and in `tests/optim`.)
"""

import math

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.nn import functional as F, losses
from microtrain.optim import schedules

RNG = np.random.default_rng(0)
CURVATURES = np.array([1.0, 10.0, 0.1])
START = np.array([1.0, -1.0, 2.0])
CATALOGUE = {}


def item(name, thing):
    """The row of the book's `name`: `thing` has it, and the function checks it."""

    def add(check):
        CATALOGUE[name] = (thing, check)
        return check

    return add


def near(found, expected, tolerance=1e-12):
    values = found.detach().numpy() if isinstance(found, mt.Tensor) else np.asarray(found)
    np.testing.assert_allclose(values, expected, rtol=tolerance, atol=tolerance)


def slope(f, x):
    x = mt.tensor(x, requires_grad=True)
    return mt.grad(f(x), x)[0].numpy()


def quartic(p):
    """sum lam p^2 / 2 + p^4 / 4: the problem on which the catalogue measured the optimizers."""
    return 0.5 * (mt.tensor(CURVATURES) * p * p).sum() + 0.25 * (p**4).sum()


def after(kind, steps=200, start=START, loss=quartic, **options):
    p = mt.tensor(start, requires_grad=True)
    optimizer = kind([p], **options)

    def closure():
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        return value

    for _ in range(steps):
        optimizer.step(closure)
    return p.detach().numpy()


def gradient_at(p):
    return CURVATURES * p + p**3


# ---- losses and functions --------------------------------------------------------------------------------------------

PREDICTED, TRUE = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 6.0])


@item("mse-definition", nn.MSELoss)
def _(mse):
    near(mse()(mt.tensor(PREDICTED), mt.tensor(TRUE)), 13 / 3)
    near(slope(lambda x: mse()(x, mt.tensor(TRUE)), PREDICTED), [0, 4 / 3, -2])


@item("gaussian-likelihood", losses.gaussian_nll)
def _(nll):
    x = np.linspace(-1, 1, 50)
    y = 2 * x + 1 + 0.5 * np.random.default_rng(0).normal(size=50)
    fitted = np.polyval(np.polyfit(x, y, 1), x)
    near(nll(mt.tensor(fitted), mt.tensor(y), 0.5), 29.124309, 1e-7)


@item("categorical-likelihood", nn.NLLLoss)
def _(nll):
    logs = np.log([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    near(nll(reduction="sum")(mt.tensor(logs), mt.arange(3)), -math.log(0.224))
    near(slope(lambda x: nll()(x, mt.arange(3)), logs), -np.eye(3) / 3)


@item("softmax-function", F.softmax)
def _(softmax):
    p = softmax(mt.tensor([2.0, 1.0, 0.1])).numpy()
    near(p, [0.659001, 0.242433, 0.098566], 1e-6)
    near(softmax(mt.tensor([102.0, 101.0, 100.1])), p, 1e-13)
    near(mt.jacobian(softmax, mt.tensor([2.0, 1.0, 0.1])), np.diag(p) - np.outer(p, p))


@item("logsumexp-trick", mt.logsumexp)
def _(logsumexp):
    near(logsumexp(mt.tensor([1000.0, 1001.0]), 0), 1001 + math.log1p(math.exp(-1)))
    near(logsumexp(mt.tensor([-1000.0, -1001.0]), 0), -1000 + math.log1p(math.exp(-1)))
    z = RNG.normal(size=4)
    near(slope(lambda x: logsumexp(x, 0), z), np.exp(z) / np.exp(z).sum())


@item("sigmoid-mse-loss-and-gradient", nn.MSELoss)
def _(mse):
    w, x, y = RNG.normal(size=5), RNG.normal(size=5), 1.0
    s = 1 / (1 + np.exp(-w @ x))
    found = slope(lambda w: mse("half_sum")((w @ mt.tensor(x)).sigmoid(), mt.tensor(y)), w)
    near(found, -(y - s) * s * (1 - s) * x)


@item("binary-cross-entropy", nn.BCEWithLogitsLoss)
def _(bce):
    w, x, y = RNG.normal(size=5), RNG.normal(size=5), 1.0
    s = 1 / (1 + np.exp(-w @ x))
    near(slope(lambda w: bce()(w @ mt.tensor(x), mt.tensor(y)), w), (s - y) * x)
    near(bce()(mt.tensor(40.0), mt.tensor(0.0)), 40)
    near(bce()(mt.tensor(-800.0), mt.tensor(1.0)), 800)
    near(nn.BCELoss()(mt.tensor(0.2), mt.tensor(1.0)), -math.log(0.2))


@item("mae-loss", nn.L1Loss)
def _(mae):
    near(mae()(mt.tensor(PREDICTED), mt.tensor(TRUE)), 5 / 3)
    near(slope(lambda x: mae()(x, mt.tensor(TRUE)), PREDICTED), [0, 1 / 3, -1 / 3])


@item("weighted-cross-entropy", nn.CrossEntropyLoss)
def _(ce):
    z, y, weight = RNG.normal(size=(6, 3)), np.array([0, 1, 2, 2, 1, 0]), np.array([1.0, 2.0, 3.0])
    each = -np.log(np.exp(z) / np.exp(z).sum(1, keepdims=True))[np.arange(6), y]
    found = ce(weight=mt.tensor(weight))(mt.tensor(z), mt.tensor(y))
    near(found, (weight[y] * each).sum() / weight[y].sum())
    near(losses.balanced_weights([0, 0, 0, 1]), [2 / 3, 2])


@item("focal-loss", nn.FocalLoss)
def _(focal):
    for p, factor in ((0.1, 0.81), (0.5, 0.25), (0.9, 0.01), (0.99, 1e-4)):
        z = mt.tensor([math.log(p / (1 - p))])
        near(focal()(z, mt.tensor([1.0])), -factor * math.log(p), 1e-12)
    near(focal(gamma=0.0)(mt.tensor([[1.0, 2.0]]), mt.tensor([0])), math.log(1 + math.e))


# ---- models ----------------------------------------------------------------------------------------------------------


@item("deep-linear-network", nn.DeepLinear)
def _(kind):
    net = kind([4, 3, 2, 5], generator=mt.Generator(0))
    x, product = RNG.normal(size=(7, 4)), net.product().detach().numpy()
    near(net(mt.tensor(x)), x @ product.T)
    assert np.linalg.matrix_rank(product, tol=1e-10) == 2


@item("line-model", nn.Line)
def _(kind):
    near(kind(0.6, -0.2)(mt.tensor([1.9])), [0.22])


@item("gabor-model", nn.Gabor)
def _(kind):
    x = mt.tensor(RNG.normal(size=9) * 10)
    u = -5 + 0.06 * 25 * x.numpy()
    near(kind(-5, 25)(x), np.sin(u) * np.exp(-(u**2) / 32))
    near(kind(5, -25)(x), -kind(-5, 25)(x).detach().numpy(), 1e-15)
    near(kind(-5, 25)(mt.tensor([5 / 1.5])), [0])


# ---- optimizers ------------------------------------------------------------------------------------------------------


@item("gd-update", optim.GradientDescent)
def _(kind):
    near(after(kind, 6, [1.0], lambda p: (p * p).sum(), lr=0.1), [0.8**6], 1e-15)


@item("sgd-update", optim.SGD)
def _(kind):
    near(after(kind, 1, lr=0.01), START - 0.01 * gradient_at(START), 1e-15)
    near(after(kind, 3, [1.0], lambda p: p.sum(), lr=schedules.InverseTime()), [1 - 1 - 1 / 2 - 1 / 3])


@item("minibatch-sgd-sum", optim.SGD)
def _(kind):
    """The summand is the derivative of the loss of one pair, e_i; the printed one is that of L."""
    x, y = RNG.normal(size=(2, 5))
    model = nn.Gabor(1.0, 12.0)
    total = np.zeros(2)
    for a, b in zip(x, y, strict=True):
        model.zero_grad()
        F.mse_loss(model(mt.tensor([a])), mt.tensor([b]), "sum").backward()
        total += [model.phi_0.grad.item(), model.phi_1.grad.item()]
    model.zero_grad()
    F.mse_loss(model(mt.tensor(x)), mt.tensor(y), "sum").backward()
    kind(model.parameters(), lr=0.1).step()
    near([model.phi_0.item(), model.phi_1.item()], np.array([1.0, 12.0]) - 0.1 * total)


@item("langevin-noisy-gd", optim.LangevinGD)
def _(kind):
    near(after(kind, 5, lr=0.01, temperature=0.0), after(optim.GradientDescent, 5, lr=0.01), 0)
    noise = mt.Generator(3).numpy.standard_normal(3)
    found = after(kind, 1, lr=0.01, temperature=0.5, generator=mt.Generator(3))
    near(found, START - 0.01 * gradient_at(START) + math.sqrt(0.01) * noise)


@item("heavy-ball-momentum", optim.Momentum)
def _(kind):
    p, v = START, np.zeros(3)
    for _ in range(20):
        v = 0.9 * v - 0.01 * gradient_at(p)
        p = p + v
    near(after(kind, 20, lr=0.01, form="sum"), p)


@item("ema-momentum", optim.Momentum)
def _(kind):
    p, m = START, np.zeros(3)
    for _ in range(20):
        m = 0.9 * m + 0.1 * gradient_at(p)
        p = p - 0.05 * m
    near(after(kind, 20, lr=0.05), p)
    near(after(kind, 20, lr=0.05, beta=0.0), after(optim.GradientDescent, 20, lr=0.05), 0)


@item("nesterov", optim.Nesterov)
def _(kind):
    """Eq. 6.12 with the factor beta that it lacks: the two-sequence form."""
    p, m = START, np.zeros(3)
    for _ in range(20):
        m = 0.9 * m + 0.1 * gradient_at(p - 0.05 * 0.9 * m)
        p = p - 0.05 * m
    near(after(kind, 20, lr=0.05), p)
    assert np.abs(after(kind, 20, lr=0.05, lookahead="as_printed") - p).max() > 1e-3


@item("preconditioned-gd", optim.Preconditioned)
def _(kind):
    H = np.array([[50.5, 49.5], [49.5, 50.5]])
    bowl = lambda p: 0.5 * p @ mt.tensor(H) @ p
    near(after(kind, 1, [3.0, -7.0], bowl, P=np.linalg.inv(H)), [0, 0])


@item("normalised-gradient", optim.NormalizedGD)
def _(kind):
    near(after(kind, 1, lr=0.08, eps=0.0), START - 0.08 * np.sign(gradient_at(START)))
    g = gradient_at(START)
    near(after(kind, 1, lr=0.08, eps=1e-2, eps_inside_root=True), START - 0.08 * g / np.sqrt(g * g + 1e-2))


@item("rmsprop", optim.RMSprop)
def _(kind):
    near(after(kind, lr=0.01, alpha=0.99), [7.13432571e-4, -2.57121203e-5, 0.544612229], 1e-9)


@item("adagrad", optim.Adagrad)
def _(kind):
    near(after(kind, lr=0.1), [0.01061133, -0.00157194, 0.68249976], 1e-8)


@item("adadelta", optim.Adadelta)
def _(kind):
    near(after(kind), [0.40776624, -0.34435346, 1.35671969], 1e-8)


@item("adam", optim.Adam)
def _(kind):
    near(after(kind, lr=0.01), [0.06827704, -0.02029108, 0.88299669], 1e-8)


@item("adam-minibatch", optim.Adam)
def _(kind):
    """The square of the sum, as in `.grad`, not the sum of the squares of eq. 6.18: the step is lr, not 4 lr."""
    near(after(kind, 1, [0.0], lambda p: (p * mt.ones(16)).sum(), lr=0.1, eps=0.0), [-0.1])


@item("adamw", optim.AdamW)
def _(kind):
    near(after(kind, lr=0.01, weight_decay=0.1), [0.05012569, -0.01297829, 0.75566134], 1e-8)


@item("nadam", optim.NAdam)
def _(kind):
    near(after(kind, lr=0.01), [0.09786324, -0.03906299, 0.92825734], 1e-8)


@item("radam", optim.RAdam)
def _(kind):
    """It is the adaptive rate that is rectified, not the momentum: before step 6 there is none."""
    near(after(kind, lr=0.01), [0.5787507, -0.21509875, 1.30977289], 1e-7)
    near(after(kind, 5, [0.0], lambda p: (3 * p).sum(), lr=0.01), [-0.15])


@item("svrg", optim.SVRG)
def _(kind):
    x, y = RNG.normal(size=(12, 2)), RNG.normal(size=12)
    p = mt.tensor([1.0, -1.0], requires_grad=True)
    grad_of = lambda w, i: 2 * x[i] * (x[i] @ w - y[i])[:, None]
    loss = lambda i: F.mse_loss(mt.tensor(x[i]) @ p, mt.tensor(y[i]))
    optimizer = kind([p], lr=0.05, loss=loss, n=12, inner_steps=2, batch_size=1, generator=mt.Generator(5))
    draws, w = mt.Generator(5).numpy, np.array([1.0, -1.0])
    for t in range(4):
        if t % 2 == 0:
            snapshot = w
            mean = grad_of(w, np.arange(12)).mean(0)
        i = draws.integers(12, size=1)
        w = w - 0.05 * (grad_of(w, i)[0] - grad_of(snapshot, i)[0] + mean)
        optimizer.step()
    near(p, w)


@item("newton-method", optim.Newton)
def _(kind):
    H, b = np.array([[3.0, 1.0], [1.0, 40.0]]), np.array([1.0, -2.0])
    p = mt.tensor([5.0, 5.0], requires_grad=True)
    kind([p]).step(lambda: 0.5 * p @ mt.tensor(H) @ p - mt.tensor(b) @ p)
    near(p, np.linalg.solve(H, b))


@item("swats", optim.SWATS)
def _(kind):
    p = after(optim.Adam, 10, lr=0.01)
    u = np.zeros(3)
    for _ in range(5):
        u = 0.9 * u + gradient_at(p)
        p = p - 0.1 * 0.02 * u
    near(after(kind, 15, lr=0.01, switch_step=10, sgd_lr=0.02), p)


# ---- schedules and line searches -------------------------------------------------------------------------------------


@item("lr-schedule-interface", schedules.Schedule)
def _(kind):
    near(after(optim.SGD, 9, lr=0.01 * schedules.Constant()), after(optim.SGD, 9, lr=0.01), 0)
    joined = schedules.Warmup(10).then(schedules.Cosine(90), at=10)
    assert isinstance(joined, kind) and abs(joined(10) - joined(9)) < 1 / 10


@item("warmup-linear", schedules.Warmup)
def _(kind):
    near((0.2 * kind(10)).values(12), [*np.arange(1, 11) * 0.02, 0.2, 0.2])
    near((0.2 * kind(0)).values(3), [0.2] * 3)


@item("exponential-decay", schedules.ExponentialTo)
def _(kind):
    rate = kind(0.01, 100)
    near([rate(0), rate(50), rate(100), rate(150)], [1, 0.1, 0.01, 0.01], 1e-15)


@item("cosine-annealing", schedules.Cosine)
def _(kind):
    rate = kind(100, low=0.01, hold=True)
    near([rate(0), rate(50), rate(100), rate(150)], [1, 0.505, 0.01, 0.01])


@item("step-decay", schedules.Step)
def _(kind):
    rate = 0.4 * kind(200, 0.5)
    near([rate(0), rate(199), rate(200), rate(400)], [0.4, 0.4, 0.2, 0.1], 0)


@item("armijo-backtracking", optim.backtracking)
def _(search):
    found = search(lambda s: 0.5 * 10 * (1 - 10 * s) ** 2, slope=-100.0, step=1.0, rho=0.5, c=1e-4)
    assert found.step == 0.125 and found.n_evals == len(found.evaluations) == 5  # the limit is 2 (1 - c) / L = 0.19998
    near(found.value, 0.5 * 10 * 0.25**2)


@item("bracketing-line-search", optim.bracketing)
def _(search):
    phi = lambda p: 1 - 0.5 * math.exp(-((p - 0.65) ** 2) / 0.1) - 0.45 * math.exp(-((p - 0.35) ** 2) / 0.02)
    found = search(phi, tol=1e-4)
    near([found.step, found.value], [0.38031, 0.328604], 1e-5)
    assert len(found.brackets) == 23


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_library_has_it_and_its_equation_is_right(name):
    thing, check = CATALOGUE[name]
    check(thing)


def test_nothing_is_missing():
    assert len(CATALOGUE) == 40


@pytest.mark.parametrize("thing", [thing for thing, _ in CATALOGUE.values()], ids=list(CATALOGUE))
def test_everything_is_public_and_explained(thing):
    assert (thing.__doc__ or "").strip()
    homes = (mt, nn, F, losses, optim, schedules)
    assert any(getattr(home, thing.__name__, None) is thing for home in homes)
