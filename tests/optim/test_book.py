"""The optimizers against the numbers that the book's catalogue expects, and against its equations."""

import math

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim

X = np.array([0.03, 0.19, 0.34, 0.46, 0.78, 0.81, 1.08, 1.18, 1.39, 1.6, 1.65, 1.9])
Y = np.array([0.67, 0.85, 1.05, 1.0, 1.4, 1.5, 1.3, 1.54, 1.55, 1.68, 1.73, 1.6])


def line(phi):
    return ((phi[0] + phi[1] * mt.tensor(X) - mt.tensor(Y)) ** 2).sum()


def quartic(p):
    return (0.5 * mt.tensor([1.0, 10.0, 0.1]) * p**2 + 0.25 * p**4).sum()


def valley(p):  # Figure 6.9
    return 1 - (-2 * p[1] ** 2).exp() * (-((p[0] - 0.7) ** 2) / 8).exp()


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def run(make, loss, start, steps):
    """All parameters on the way."""
    p = mt.tensor(start, requires_grad=True)
    optimizer = make([p])

    def closure():
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        return value

    path = [p.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.step(closure)
        path.append(p.detach().numpy().copy())
    return np.array(path)


def test_gradient_descent_is_its_equation():
    path = run(lambda p: optim.GradientDescent(p, lr=0.1), lambda x: (x**2).sum(), [1.0], 6)
    assert path[-1] == pytest.approx(0.8**6, abs=1e-15)
    assert path[1] == 1.0 - 0.1 * 2.0


END = {  # after 200 steps on the quartic, from (1, -1, 2)
    "RMSprop": ({"lr": 0.01}, (7.13432571e-4, -2.57121203e-5, 0.544612229)),
    "Adam": ({"lr": 0.01}, (0.06827704, -0.02029108, 0.88299669)),
    "Adagrad": ({"lr": 0.1}, (0.01061133, -0.00157194, 0.68249976)),
    "Adadelta": ({}, (0.40776624, -0.34435346, 1.35671969)),
    "RAdam": ({"lr": 0.01}, (0.5787507, -0.21509875, 1.30977289)),
    "NAdam": ({"lr": 0.01}, (0.09786324, -0.03906299, 0.92825734)),
    "AdamW": ({"lr": 0.01, "weight_decay": 0.1}, (0.05012569, -0.01297829, 0.75566134)),
}


@pytest.mark.parametrize("name", END)
def test_200_steps_on_the_quartic(name):
    options, end = END[name]
    path = run(lambda p: getattr(optim, name)(p, **options), quartic, [1.0, -1.0, 2.0], 200)
    np.testing.assert_allclose(path[-1], end, rtol=0, atol=6e-9)


def test_both_forms_of_momentum():
    """'sum' with lr (1 - beta) goes the way of 'ema' with lr, and is PyTorch's momentum with that rate."""
    ema = run(lambda p: optim.Momentum(p, lr=0.1, beta=0.9, form="ema"), quartic, [1.0, -1.0, 2.0], 100)
    total = run(lambda p: optim.Momentum(p, lr=0.01, beta=0.9, form="sum"), quartic, [1.0, -1.0, 2.0], 100)
    pytorchs = run(lambda p: optim.SGD(p, lr=0.01, momentum=0.9), quartic, [1.0, -1.0, 2.0], 100)
    np.testing.assert_allclose(total, ema, rtol=0, atol=1e-14)
    np.testing.assert_allclose(pytorchs, total, rtol=0, atol=1e-14)
    plain = run(lambda p: optim.GradientDescent(p, lr=0.02), quartic, [1.0, -1.0, 2.0], 50)
    for form in ("ema", "sum"):
        np.testing.assert_array_equal(
            run(lambda p, f=form: optim.Momentum(p, lr=0.02, beta=0.0, form=f), quartic, [1.0, -1.0, 2.0], 50), plain
        )


def test_weights_of_past_gradients():
    """The average has the weights (1 - beta) beta^k, the sum beta^k: only the first is an average."""
    for form, total in (("ema", 1 - 0.9**200), ("sum", (1 - 0.9**200) / 0.1)):
        p = mt.tensor([0.0], requires_grad=True)
        optimizer = optim.Momentum([p], lr=1.0, beta=0.9, form=form)
        before = 0.0
        for _ in range(200):
            p.grad = mt.tensor([1.0])
            before = p.item()
            optimizer.step()
        assert before - p.item() == pytest.approx(total, rel=1e-12)


def bowl(matrix):
    h = mt.tensor(np.array(matrix))
    return lambda p: 0.5 * (p @ (h @ p))


def test_nesterovs_look_ahead():
    """Eq. 6.12 with the factor beta is the two-sequence form; as printed it is something else."""
    h, lr, beta = np.array([[3.0, 1.0], [1.0, 40.0]]), 0.2, 0.9
    x = y = np.array([1.0, -2.0])
    expected = [x]
    for _ in range(60):
        new = y - lr * (1 - beta) * (h @ y)
        x, y = new, new + beta * (new - x)
        expected.append(x)
    right = run(lambda p: optim.Nesterov(p, lr, beta), bowl(h), [1.0, -2.0], 60)
    printed = run(lambda p: optim.Nesterov(p, lr, beta, lookahead="as_printed"), bowl(h), [1.0, -2.0], 60)
    np.testing.assert_allclose(right, expected, rtol=0, atol=1e-14)
    assert np.abs(printed - expected).max() > 0.1


def test_nesterov_in_sutskevers_form_is_pytorchs_in_other_variables():
    """PyTorch's parameters are the shifted ones: p + beta v."""
    p = mt.tensor([1.0, -2.0], requires_grad=True)
    optimizer, loss = optim.Nesterov([p], 0.01, 0.9, form="sum"), bowl([[3.0, 1.0], [1.0, 40.0]])

    def closure():
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        return value

    pytorchs = run(lambda q: optim.SGD(q, 0.01, momentum=0.9, nesterov=True), loss, [1.0, -2.0], 40)
    for k in range(40):
        optimizer.step(closure)
        shifted = p.detach().numpy() + 0.9 * optimizer.state[p]["velocity"]
        np.testing.assert_allclose(shifted, pytorchs[k + 1], rtol=0, atol=1e-13)


@pytest.mark.parametrize(("beta", "printed", "right"), [(0.3, 1.239, 2.322), (0.5, 2.0, 3.0), (0.9, 12.67, 13.57)])
def test_stability_limits_of_nesterov(beta, printed, right):
    def grows(lookahead, rate):
        path = run(
            lambda p: optim.Nesterov(p, rate, beta, lookahead=lookahead), lambda p: (0.5 * p * p).sum(), [1.0], 400
        )
        return np.abs(path[-20:]).max() > 1

    for lookahead, limit in (("as_printed", printed), ("momentum", right)):
        assert not grows(lookahead, 0.97 * limit)
        assert grows(lookahead, 1.03 * limit)


def test_normalised_descent_takes_fixed_steps_and_bounces():
    path = run(lambda p: optim.NormalizedGD(p, 0.08, eps=0.0), valley, [-0.7, -0.9], 61)
    np.testing.assert_allclose(np.abs(np.diff(path, axis=0)), 0.08, atol=1e-6)
    assert {tuple(np.round(q, 2)) for q in path[-2:]} == {(0.66, -0.02), (0.74, 0.06)}
    signs = run(lambda p: optim.SignGD(p, 0.08), valley, [-0.7, -0.9], 61)
    np.testing.assert_allclose(signs, path, atol=1e-12)
    inside = run(lambda p: optim.NormalizedGD(p, 0.05, eps=2e-2, eps_inside_root=True), valley, [-0.7, -0.9], 3000)
    np.testing.assert_allclose(inside[-1], [0.7, 0.0], atol=1e-6)  # gradient descent with the rate lr / sqrt(eps)


def test_adam_on_figure_6_9():
    path = run(lambda p: optim.Adam(p, 0.05, betas=(0.9, 0.99)), valley, [-0.7, -0.9], 200)
    np.testing.assert_allclose(path[60], [0.66707258, 0.02950019], atol=6e-9)
    np.testing.assert_allclose(path[200], [0.69999, 0.00002], atol=6e-6)


def step_sizes(make, gradients):
    p = mt.tensor([0.0], requires_grad=True)
    optimizer = make([p])
    found = []
    for g in gradients:
        before = p.item()
        p.grad = mt.tensor([float(g)])
        optimizer.step()
        found.append(before - p.item())
    return np.array(found)


def test_bias_correction():
    constant = np.full(3000, 0.37)
    corrected = step_sizes(lambda p: optim.Adam(p, 1.0, eps=0.0), constant)
    np.testing.assert_allclose(corrected, 1.0, atol=1e-9)
    plain = step_sizes(lambda p: optim.Adam(p, 1.0, eps=0.0, bias_correction=False), constant)
    expected = {1: 3.162, 5: 5.797, 12: 6.569, 20: 6.241, 100: 3.241, 1000: 1.258, 3000: 1.026}
    for t, size in expected.items():
        assert plain[t - 1] == pytest.approx(size, abs=6e-4)
    for alpha, size in ((0.9, 3.16228), (0.999, 31.6228)):  # RMSprop starts cold
        for g in (1.0, 0.01):
            first = step_sizes(lambda p, a=alpha: optim.RMSprop(p, 1.0, alpha=a, eps=0.0), [g])
            assert first[0] == pytest.approx(size, rel=1e-5)
        warm = step_sizes(lambda p, a=alpha: optim.RMSprop(p, 1.0, alpha=a, eps=0.0, bias_correction=True), [0.01])
        assert warm[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("inside", "sizes"),
    [(True, (0.99995, 0.70711, 0.0099995, 1e-4, 1e-6)), (False, (0.999999, 0.9999, 0.990, 0.5, 0.0099))],
)
def test_both_places_of_epsilon(inside, sizes):
    for exponent, size in zip((-2, -4, -6, -8, -10), sizes, strict=True):
        for make in (
            lambda p: optim.Adam(p, 1.0, eps=1e-8, eps_inside_root=inside),
            lambda p: optim.NormalizedGD(p, 1.0, eps=1e-8, eps_inside_root=inside),
        ):
            assert step_sizes(make, [10.0**exponent])[0] == pytest.approx(size, rel=1e-2)


def test_adam_without_memory_is_sign_descent_and_with_a_large_epsilon_gradient_descent():
    assert step_sizes(lambda p: optim.Adam(p, 0.1, betas=(0.0, 0.0)), [2.0, -11.0]) == pytest.approx([0.1, -0.1])
    adam = run(lambda p: optim.Adam(p, 0.01 * 1e9, betas=(0.0, 0.999), eps=1e9), quartic, [1.0, -1.0, 2.0], 100)
    plain = run(lambda p: optim.SGD(p, 0.01), quartic, [1.0, -1.0, 2.0], 100)
    np.testing.assert_allclose(adam, plain, atol=2e-9)


def test_amsgrad_repairs_adam_on_reddis_sequence():
    ends = {}
    for name, make in {
        "adam": lambda p, lr: optim.Adam(p, lr, betas=(0.0, 0.1)),
        "amsgrad": lambda p, lr: optim.Adam(p, lr, betas=(0.0, 0.1), amsgrad=True),
        "sgd": optim.SGD,
    }.items():
        p = mt.tensor([0.0], requires_grad=True)
        optimizer = make([p], lambda t: 0.1 / math.sqrt(t + 1))
        for t in range(1, 5001):
            p.grad = mt.tensor([3.0 if t % 3 == 1 else -1.0])
            optimizer.step()
            p.data = p.data.clamp(-1, 1)
        ends[name] = p.item()
    assert ends["adam"] > 0.9 and ends["amsgrad"] < -0.9 and ends["sgd"] < -0.9  # the minimum is at -1


def test_adagrad_slows_down():
    assert step_sizes(lambda p: optim.Adagrad(p, 0.1), np.ones(10_000)).sum() == pytest.approx(19.854, abs=1e-3)


def test_langevin_noise_has_its_temperature():
    generator = mt.Generator(0)
    x = mt.zeros(500, requires_grad=True)
    optimizer = optim.LangevinGD([x], lr=0.01, temperature=0.5, generator=generator)
    squares = []
    for step in range(6000):
        x.grad = x.detach()
        optimizer.step()
        if step >= 3000:
            squares.append(float((x.detach() ** 2).mean()))
    assert np.mean(squares) == pytest.approx(0.5025, rel=0.05)
    cold = run(lambda p: optim.LangevinGD(p, 0.02, 0.0), quartic, [1.0, -1.0, 2.0], 20)
    np.testing.assert_array_equal(cold, run(lambda p: optim.SGD(p, 0.02), quartic, [1.0, -1.0, 2.0], 20))


@pytest.mark.wide  # ten thousand steps
def test_svrg_converges_where_sgd_does_not():
    rng = np.random.default_rng(0)
    n, d = 200, 10
    x = rng.normal(size=(n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = x @ rng.normal(size=d) + rng.normal(size=n)
    best = np.linalg.solve(x.T @ x / n + 0.05 * np.eye(d), x.T @ y / n)

    def loss(i):
        return 0.5 * ((mt.tensor(x[i]) @ w - mt.tensor(y[i])) ** 2).mean() + 0.025 * (w * w).sum()

    def excess(w):
        r, s = x @ w - y, x @ best - y
        return 0.5 * (r @ r - s @ s) / n + 0.025 * (w @ w - best @ best)

    w = mt.zeros(d, requires_grad=True)
    svrg = optim.SVRG([w], 0.1, loss, n, generator=mt.Generator(0))
    for _ in range(12 * 2 * n):
        svrg.step()
    assert excess(w.detach().numpy()) < 1e-12
    w = mt.zeros(d, requires_grad=True)
    sgd, generator = optim.SGD([w], 0.1), mt.Generator(0)
    for _ in range(12 * 2 * n):
        sgd.zero_grad()
        loss(generator.numpy.integers(n, size=1)).backward()
        sgd.step()
    assert excess(w.detach().numpy()) > 1e-4


def test_swats_takes_over_from_adam():
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.normal(size=(3000, 200, 2))

    def end(make):
        p = mt.tensor(np.tile([-4.0, 1.0], (200, 1)), requires_grad=True)
        optimizer = make([p])
        for t in range(3000):
            x, y = p.detach().numpy().T
            bell = np.exp(-(x**2) / 2)
            p.grad = mt.tensor(np.stack([x * bell, 50 * y], axis=1) + noise[t])
            optimizer.step()
        x, y = p.detach().numpy().T
        return np.median(1 - np.exp(-(x**2) / 2) + 25 * y**2)

    adam = end(lambda p: optim.Adam(p, 0.03))
    swats = end(lambda p: optim.SWATS(p, 0.03, switch_step=400, sgd_lr=0.01))
    assert swats < adam / 10 < 1e-5
    assert end(lambda p: optim.SGD(p, 0.01)) > 0.99


def test_swats_switches_by_itself_to_the_rate_that_goes_as_far():
    p = mt.tensor([1.0, -1.0, 2.0], requires_grad=True)
    optimizer = optim.SWATS([p], 0.01, tol=1e-3)
    steps, gradients, rate = [], [], 0.0
    while optimizer.switched_at is None and len(steps) < 100:
        optimizer.zero_grad()
        quartic(p).backward()
        before = p.detach().numpy().copy()
        gradients.append(p.grad.numpy().copy())
        optimizer.step()
        steps.append(p.detach().numpy() - before)
        d, g = steps[-1], gradients[-1]
        rate = 0.999 * rate + 0.001 * (d @ d) / -(d @ g)
    k = optimizer.switched_at
    assert k == len(steps) and k > 1
    assert optimizer.param_groups[0]["sgd_lr"] == pytest.approx(rate / (1 - 0.999**k), rel=1e-12)
    optimizer.zero_grad()
    quartic(p).backward()
    before, g = p.detach().numpy().copy(), p.grad.numpy().copy()
    optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), before - 0.1 * optimizer.param_groups[0]["sgd_lr"] * g, rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# Second order


def whole(make, loss, start, steps):
    """As `run`, for optimizers whose closure only computes."""
    p = mt.tensor(start, requires_grad=True)
    optimizer = make([p])
    path = [p.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.step(lambda: loss(p))
        path.append(p.detach().numpy().copy())
    return np.array(path)


def test_newton_solves_a_quadratic_in_one_step_and_logistic_regression_in_six():
    np.testing.assert_allclose(whole(optim.Newton, line, [1.6, -0.5], 1)[-1], [0.825950, 0.522226], atol=6e-7)
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-1, 1, 10), rng.normal(1, 1, 10)])
    y = np.repeat([0.0, 1.0], 10)

    def logistic(phi):
        z = phi[0] + phi[1] * mt.tensor(x)
        return (mt.softplus(z) - mt.tensor(y) * z).sum()

    path = whole(optim.Newton, logistic, [0.0, 0.0], 6)
    np.testing.assert_allclose(path[-1], [0.36744, 2.10707], atol=6e-6)


def test_newton_is_drawn_to_maxima_and_saddle_free_newton_is_not():
    def double_well(p):
        return ((p**2 - 1) ** 2 / 4).sum()

    for start, end in ((0.1, 0.0), (0.4, 0.0), (0.5, -1.0), (0.7, 1.0)):
        assert whole(optim.Newton, double_well, [start], 30)[-1] == pytest.approx(end, abs=1e-9)
    free = whole(lambda p: optim.Newton(p, lr=0.5, saddle_free=True), double_well, [0.1], 60)
    assert free[-1] == pytest.approx(1.0, abs=1e-6)
    cycle = whole(optim.Newton, lambda p: (p**4 / 4 - p**2 + 2 * p).sum(), [0.0], 4)  # its derivative x^3 - 2 x + 2
    np.testing.assert_allclose(cycle[:, 0], [0, 1, 0, 1, 0], atol=1e-12)


def test_saddle_free_newton_leaves_a_saddle_that_newton_goes_to():
    def saddle(p):
        return 0.5 * p[0] ** 2 - 0.005 * p[1] ** 2

    assert np.abs(whole(optim.Newton, saddle, [1.0, 1e-6], 1)[-1]).max() < 1e-12
    free = whole(lambda p: optim.Newton(p, saddle_free=True), saddle, [1.0, 1e-6], 16)
    assert abs(free[-1][1]) > 0.05


def test_preconditioning_makes_bowls_round():
    h = [[50.5, 49.5], [49.5, 50.5]]
    for make in (
        lambda p: optim.Preconditioned(p, 1.0, "newton"),
        lambda p: optim.Preconditioned(p, 1.0, np.linalg.inv(h)),
    ):
        p = mt.tensor([1.0, -2.0], requires_grad=True)
        optimizer = make([p])
        if isinstance(optimizer.P, str):
            optimizer.step(lambda p=p: bowl(h)(p))
        else:
            bowl(h)(p).backward()
            optimizer.step()
        np.testing.assert_allclose(p.detach().numpy(), 0.0, atol=2e-14)
    axis_aligned = whole(lambda p: optim.Preconditioned(p, 1.0, "jacobi"), bowl(np.diag([1.0, 100.0])), [1.0, 1.0], 1)
    np.testing.assert_allclose(axis_aligned[-1], 0.0, atol=1e-15)
    vector = whole(
        lambda p: optim.Preconditioned(p, 1.0, [1.0, 0.01]),
        lambda p: _with_grad(bowl(np.diag([1.0, 100.0])), p),
        [1.0, 1.0],
        1,
    )
    np.testing.assert_allclose(vector, axis_aligned, atol=1e-15)


def _with_grad(loss, p):
    p.grad = None
    value = loss(p)
    value.backward()
    return value


def test_gauss_newton():
    x, y = mt.tensor(X), mt.tensor(Y)
    linear = whole(optim.GaussNewton, lambda phi: phi[0] + phi[1] * x - y, [1.6, -0.5], 1)
    np.testing.assert_allclose(linear[-1], [0.825950, 0.522226], atol=6e-7)  # linear: one step, as Newton's
    target = 2 * (-0.7 * x).exp()
    path = whole(optim.GaussNewton, lambda p: p[0] * (p[1] * x).exp() - target, [1.0, 0.0], 8)
    np.testing.assert_allclose(path[-1], [2.0, -0.7], atol=1e-12)  # no residuals at the end: quadratic convergence
    p = mt.tensor([1.0, 0.0], requires_grad=True)
    jacobian = mt.jacobian(lambda q: q[0] * (q[1] * x).exp() - target, p).numpy()
    residuals = (p[0] * (p[1] * x).exp() - target).detach().numpy()
    damped = whole(
        lambda q: optim.GaussNewton(q, 0.5, damping=0.3), lambda p: p[0] * (p[1] * x).exp() - target, [1.0, 0.0], 1
    )
    step = np.linalg.solve(jacobian.T @ jacobian + 0.3 * np.eye(2), jacobian.T @ residuals)
    np.testing.assert_allclose(damped[-1], [1.0, 0.0] - 0.5 * step, rtol=1e-12)


def test_lbfgs_counts_the_pairs_it_can_not_use_at_a_saddle():
    """It stops at the saddle, or leaves it as slowly as gradient descent: B stays positive definite."""
    p = mt.tensor([1.0, 1e-6], requires_grad=True)
    optimizer = optim.LBFGS([p], lr=1.0, max_iter=1, tolerance_grad=0.0, tolerance_change=0.0)
    for _ in range(50):
        optimizer.step(lambda: 0.5 * p[0] ** 2 - 0.005 * p[1] ** 2)
    assert abs(p[1].item()) < 1e-3
    assert optimizer.skipped > 40


# ---------------------------------------------------------------------------------------------------------------------
# Line searches along the gradient


def test_exact_line_search_of_figure_6_1():
    p = mt.tensor([1.6, -0.5], requires_grad=True)
    optimizer = optim.LineSearchGD([p], "exact")
    points, steps, losses = [], [], []
    for _ in range(4):
        optimizer.step(lambda: line(p))
        points.append(p.detach().numpy().copy())
        steps.append(optimizer.search.step)
        losses.append(line(p).item())
    expected = [(1.70794, -0.20395), (1.24917, -0.03668), (1.30819, 0.12518), (1.05734, 0.21664)]
    np.testing.assert_allclose(points, expected, atol=1e-5)
    np.testing.assert_allclose(steps, [0.02272, 0.09981, 0.02272, 0.09981], atol=6e-6)
    np.testing.assert_allclose(losses, [2.8354, 1.6408, 0.9877, 0.6306], atol=6e-5)


@pytest.mark.parametrize("search", ["bracket", "golden", "wolfe", "armijo"])
def test_other_line_searches_of_figure_6_1(search):
    p = mt.tensor([1.6, -0.5], requires_grad=True)
    options = {"tol": 1e-9} if search in ("bracket", "golden") else {}
    optimizer = optim.LineSearchGD([p], search, lr=0.2, **options)
    losses = [line(p).item()]
    for _ in range(4):
        returned = optimizer.step(lambda: line(p))
        assert returned.item() == losses[-1]
        losses.append(line(p).item())
        assert optimizer.search.n_evals > 1
    assert (np.diff(losses) < 0).all()
    if search in ("bracket", "golden"):
        np.testing.assert_allclose(losses[1:], [2.8354, 1.6408, 0.9877, 0.6306], atol=6e-5)


def test_armijo_on_rosenbrock():
    """Every step descends; c = 0.5 needs 1533 iterations to |g| < 1e-6."""
    p = mt.tensor([-1.2, 1.0], requires_grad=True)
    optimizer = optim.LineSearchGD([p], "armijo", c=0.5)
    losses, steps = [], []
    for _ in range(3000):
        losses.append(optimizer.step(lambda: rosenbrock(p)).item())
        if np.abs(np.linalg.norm(p.grad.numpy())) < 1e-6:
            break
        steps.append(optimizer.search.step)
    assert (np.diff(losses) < 0).all()
    assert len(steps) == 1533
    assert min(steps) > 1e-4


def test_exhaustive_search_over_quantised_parameters():
    x, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 1, 1, 0])

    def xor(candidates):  # a 2-2-1 network of 9 ternary parameters
        w, b = candidates[:, :4].reshape(-1, 2, 2), candidates[:, 4:6]
        h = np.maximum(np.einsum("kij,nj->kni", w, x) + b[:, None], 0)
        return ((np.einsum("kni,ki->kn", h, candidates[:, 6:8]) + candidates[:, 8:] - y) ** 2).sum(axis=1)

    outcome = optim.exhaustive(xor, [[-1, 0, 1]] * 9)
    assert (outcome.evaluations, outcome.loss, len(outcome.solutions)) == (19683, 0.0, 4)
    p = mt.tensor([0.0, 0.0], requires_grad=True)
    optimizer = optim.ExhaustiveSearch([p], np.arange(0, 1.01, 0.05))
    assert optimizer.step(lambda: line(p)) == pytest.approx(0.202025, abs=1e-9)
    np.testing.assert_allclose(p.detach().numpy(), [0.85, 0.50])
    assert optimizer.outcome.evaluations == 441


def test_the_binary_perceptron_equals_brute_force():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(5):
        x, y = rng.choice([-1.0, 1.0], size=(8, 11)), rng.choice([-1.0, 1.0], size=8)
        solutions, nodes = optim.binary_perceptron(x, y)
        everything = np.array(np.meshgrid(*[[-1, 1]] * 11)).reshape(11, -1).T
        right = everything[((everything @ (x * y[:, None]).T) > 0).all(axis=1)]
        assert {tuple(w) for w in solutions} == {tuple(w) for w in right}
        assert nodes < 4095
        found += len(solutions)
    assert found > 0
    x, y = rng.choice([-1.0, 1.0], size=(30, 15)), rng.choice([-1.0, 1.0], size=30)
    solutions, nodes = optim.binary_perceptron(x, y)
    assert len(solutions) == 0 and nodes < 5000  # a proof, without looking at all 65535


def test_every_optimizer_says_who_and_why_and_prints_its_rule():
    for name in optim.__all__:
        kind = getattr(optim, name)
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer:
            assert kind.reference and kind.idea and kind.__doc__, name
            assert "p <- " in str(kind.rule), name
            assert r"\phi &\leftarrow" in kind.rule.latex(), name
            assert kind.rule.mathml().startswith("<math"), name


def test_the_family_tree():
    lines = optim.table().splitlines()
    assert lines[0].startswith("1669  Newton") and lines[-1].startswith("20")
    kinds = [k for k in vars(optim).values() if isinstance(k, type) and issubclass(k, optim.Optimizer)]
    assert len(lines) == len(kinds) - 1 == 26
    assert any("Adam" in line and "Kingma and Ba 2015" in line for line in lines)


def test_what_is_not_here_says_so():
    with pytest.raises(mt.MicrotrainError, match="Gradients are dense"):
        optim.SparseAdam
    with pytest.raises(AttributeError, match="Did you mean Adagrad"):
        optim.AdaGrad
