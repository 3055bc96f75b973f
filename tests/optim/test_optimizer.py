"""What all optimizers share: groups, state, resuming, memory, errors."""

import copy
import pickle
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, strategies as st

import microtrain as mt
from microtrain import nn, optim
from microtrain.errors import InplaceError
from microtrain.optim import bucket, schedules
from microtrain.optim.rule import Rule


def parameters(dtype=mt.float64, seed=0):
    generator = mt.Generator(seed)
    shapes = [(3, 4), (4,), (4, 2), (2,), ()]
    return [mt.randn(*shape, dtype=dtype, generator=generator).requires_grad_() for shape in shapes]


X = np.random.default_rng(0).normal(size=(10, 3))


def loss(params):
    w, b, v, c, scale = params
    h = (mt.tensor(X, dtype=w.dtype) @ w + b).tanh()
    return ((h @ v + c) * scale - 1).square().mean()


@pytest.mark.parametrize("name", ["SGD", "Adam", "LBFGS"])
def test_a_graph_notices_that_a_step_overwrites_what_it_kept(name):
    params = parameters()

    def closure():
        optimizer.zero_grad()
        value = loss(params)
        value.backward()
        return value

    optimizer = getattr(optim, name)(params, lr=0.01)
    before = loss(params)
    optimizer.step(closure)
    with pytest.raises(InplaceError, match=f"'{name}' overwrote it"):
        before.backward()
    loss(params).backward()


def batch_loss(params):
    return lambda indices: loss(params) + 0.1 * (params[0][0] * mt.tensor(X[indices]).sum()).sum()


# Makers of every optimizer that updates by a rule. The closure of `steps` does zero_grad and backward.
RULES = {
    "GradientDescent": lambda p: optim.GradientDescent(p, lr=0.1),
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD, dampened": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.1),
    "SGD, Nesterov": lambda p: optim.SGD(p, lr=1e-3, momentum=0.9, nesterov=True, maximize=True),
    "Momentum": lambda p: optim.Momentum(p, lr=0.1, weight_decay=0.1),
    "Momentum, sum": lambda p: optim.Momentum(p, lr=0.1, form="sum"),
    "Nesterov": lambda p: optim.Nesterov(p, lr=0.1),
    "Nesterov, sum": lambda p: optim.Nesterov(p, lr=0.01, form="sum"),
    "NormalizedGD": lambda p: optim.NormalizedGD(p, lr=0.01),
    "SignGD": lambda p: optim.SignGD(p, lr=0.01),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.1),
    "Adadelta": lambda p: optim.Adadelta(p, weight_decay=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.9, centered=True, bias_correction=True),
    "Adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
    "Adam, inside": lambda p: optim.Adam(p, lr=0.1, eps_inside_root=True, weight_decay=0.1),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "Adamax": lambda p: optim.Adamax(p, lr=0.1),
    "NAdam": lambda p: optim.NAdam(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1, weight_decay=0.1, decoupled_weight_decay=True),
    "Rprop": lambda p: optim.Rprop(p),
    "ASGD": lambda p: optim.ASGD(p, t0=2),
    "SWATS": lambda p: optim.SWATS(p, lr=0.1, switch_step=7),
    "LangevinGD": lambda p: optim.LangevinGD(p, lr=0.01, temperature=0.1, generator=mt.Generator(3)),
}
OTHERS = {
    "SVRG": lambda p: optim.SVRG(p, 0.01, batch_loss(p), 10, inner_steps=4, generator=mt.Generator(3)),
    "Newton": lambda p: optim.Newton(p, lr=0.1, damping=1.0, saddle_free=True),
    "Preconditioned": lambda p: optim.Preconditioned(p, lr=0.01),
    "LBFGS": lambda p: optim.LBFGS(p, line_search_fn="strong_wolfe", max_iter=2),
    "LineSearchGD": lambda p: optim.LineSearchGD(p, "wolfe"),
    "ConjugateGradient": lambda p: optim.ConjugateGradient(p, "wolfe"),
}


def steps(params, optimizer, n):
    def closure():
        optimizer.zero_grad()
        value = loss(params)
        if not isinstance(optimizer, (optim.Newton, optim.Preconditioned)):
            value.backward()
        return value

    for _ in range(n):
        optimizer.step(*([] if isinstance(optimizer, optim.SVRG) else [closure]))


def copied(params):
    return [p.detach().clone().requires_grad_() for p in params]


@pytest.mark.parametrize("name", RULES | OTHERS)
def test_resuming_from_a_state_dict_is_exact(name):
    make = (RULES | OTHERS)[name]
    straight = parameters()
    steps(straight, make(straight), 12)
    first = parameters()
    before = make(first)
    steps(first, before, 5)
    second = copied(first)
    after = make(second)
    after.load_state_dict(before.state_dict())
    steps(second, after, 7)
    for p, q in zip(straight, second, strict=True):
        assert (p == q).all() and np.isfinite(p.detach().numpy()).all()


@pytest.mark.parametrize("name", sorted(set(RULES) - {"SWATS", "LangevinGD"}))
@pytest.mark.parametrize("dtype", [mt.float32, mt.float64], ids=str)
def test_together_or_one_by_one_gives_the_same_bits(name, dtype):
    """A bucket of all small parameters does what an optimizer for each would do."""
    together, apart = parameters(dtype), parameters(dtype)
    optimizer = RULES[name](together)
    each = [RULES[name]([p]) for p in apart]
    for step in range(6):
        rng = np.random.default_rng(step)
        for p, q in zip(together, apart, strict=True):
            g = rng.normal(size=p.shape)
            p.grad, q.grad = mt.tensor(g, dtype=dtype), mt.tensor(g, dtype=dtype)
        optimizer.step(lambda: None)
        for one in each:
            one.step(lambda: None)
    for p, q in zip(together, apart, strict=True):
        assert p.dtype == dtype
        assert (p == q).all()


def test_a_state_dict_is_a_copy():
    p = parameters()
    optimizer = optim.Adam(p)
    steps(p, optimizer, 1)
    state = optimizer.state_dict()
    before = state["state"][0]["exp_avg"].numpy().copy()
    steps(p, optimizer, 3)
    np.testing.assert_array_equal(state["state"][0]["exp_avg"].numpy(), before)
    assert state["state"][0]["step"] == 1 and optimizer.state[p[0]]["step"] == 4


# ---------------------------------------------------------------------------------------------------------------------
# Memory


def test_what_shares_memory_with_a_parameter_goes_on_doing_so():
    """Small parameters move into common memory, but not while somebody else looks at theirs."""
    for when in ("before", "after"):
        p = parameters()
        optimizer = optim.SGD(p, lr=0.1)
        if when == "after":
            steps(p, optimizer, 1)
        detached, row, array = p[0].detach(), p[0].detach()[1], p[1].numpy(force=True)
        steps(p, optimizer, 2)
        np.testing.assert_array_equal(detached.numpy(), p[0].detach().numpy())
        np.testing.assert_array_equal(row.numpy(), p[0].detach().numpy()[1])
        np.testing.assert_array_equal(array, p[1].detach().numpy())
        with mt.no_grad():
            p[0][1, 1] = 7.0
        assert detached[1, 1] == row[1] == 7.0
        steps(p, optimizer, 1)
        assert detached[1, 1] == row[1] == p[0][1, 1] != 7.0


def test_a_second_optimizer_takes_the_parameters_over():
    """Where nobody else looks at them, the parameters move from the memory of one optimizer to that of the next."""
    p = parameters()
    first = optim.SGD(p, lr=0.1)
    steps(p, first, 2)
    second = optim.SGD(p, lr=0.1)
    steps(p, second, 1)
    assert all(x._data.base is p[0]._data.base for x in p)
    home = id(p[0]._data.base)
    assert home == id(first._buckets[0].buckets[0].p)  # it is still there, and can go on
    steps(p, first, 1)
    del first
    steps(p, second, 1)
    assert all(x._data.base is second._buckets[0].buckets[0].p for x in p)
    expected = parameters()
    steps(expected, optim.SGD(expected, lr=0.1), 5)
    for x, y in zip(p, expected, strict=True):
        assert (x == y).all()


def test_sharing_outlives_a_change_of_who_has_a_gradient():
    p = parameters()
    optimizer = optim.SGD(p, lr=0.1)
    steps(p, optimizer, 1)
    detached = p[0].detach()
    for absent in (1, 2, 0, 3):
        optimizer.zero_grad()
        loss(p).backward()
        p[absent].grad = None
        optimizer.step()
        np.testing.assert_array_equal(detached.numpy(), p[0].detach().numpy())


def test_parameters_that_are_parts_of_one_tensor():
    whole = mt.ones(5)
    w, v = whole[:3].detach().requires_grad_(), whole[3:].detach().requires_grad_()
    optimizer = optim.SGD([w, v], lr=0.5)
    for _ in range(2):
        w.grad, v.grad = mt.ones(3), 2 * mt.ones(2)
        optimizer.step()
    np.testing.assert_array_equal(whole.numpy(), [0, 0, 0, -1, -1])


def test_parameters_get_new_values_between_steps():
    p = parameters()
    optimizer = optim.SGD(p, lr=0.1)
    steps(p, optimizer, 2)
    p[0].data = mt.ones(3, 4)
    with mt.no_grad():
        p[1].zero_()
    for x in p:
        x.grad = mt.ones(*x.shape)
    optimizer.step()
    np.testing.assert_allclose(p[0].detach().numpy(), 0.9)
    np.testing.assert_allclose(p[1].detach().numpy(), -0.1)


@given(st.lists(st.sets(st.integers(0, 4), min_size=1), min_size=1, max_size=8))
def test_any_parameters_may_have_no_gradient(turns):
    """Whatever changes from step to step: each parameter goes the way it would go alone."""
    together, apart = parameters(), parameters()
    optimizer, each = optim.Adam(together, lr=0.1), [optim.Adam([p], lr=0.1) for p in apart]
    for step, turn in enumerate(turns):
        for k, (p, q) in enumerate(zip(together, apart, strict=True)):
            g = mt.tensor(np.full(p.shape, step + 1.0 + k)) if k in turn else None
            p.grad, q.grad = g, g
        optimizer.step()
        for one in each:
            one.step()
    for p, q in zip(together, apart, strict=True):
        assert (p == q).all()


@pytest.mark.parametrize("shape", [(3, 5), (200, 150)])
def test_parameters_that_are_not_contiguous(shape):
    base = np.random.default_rng(0).normal(size=shape)
    turned = mt.from_numpy(base.copy()).T.detach().requires_grad_()
    plain = mt.tensor(base.T.copy(), requires_grad=True)
    assert not turned.is_contiguous()
    for p in (turned, plain):
        optimizer = optim.Adam([p], lr=0.1)
        for _ in range(3):
            p.grad = mt.tensor(np.cos(p.detach().numpy()))
            optimizer.step()
    np.testing.assert_allclose(turned.detach().numpy(), plain.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_model_and_optimizer_go_on_by_themselves(clone):
    p = parameters()
    optimizer = optim.Adam(p, lr=0.1)
    steps(p, optimizer, 3)
    q, other = clone((p, optimizer))
    values = [x.detach().numpy().copy() for x in q]
    steps(p, optimizer, 2)
    for x, value in zip(q, values, strict=True):
        np.testing.assert_array_equal(x.detach().numpy(), value)
    steps(q, other, 2)
    for x, y in zip(p, q, strict=True):
        assert (x == y).all()


def test_parameters_of_mixed_dtype_and_size():
    kinds = [((3,), mt.float32), ((3,), mt.float64), ((2,), mt.float32), ((), mt.float64), ((200, 100), mt.float64)]
    p = [mt.ones(*shape, dtype=dtype, requires_grad=True) for shape, dtype in kinds]
    assert p[-1].numel() > bucket.SMALL
    optimizer = optim.Adam(p, lr=0.1)
    sum((x * (k + 1)).sum().to(mt.float64) for k, x in enumerate(p)).backward()
    optimizer.step()
    for x, (shape, dtype) in zip(p, kinds, strict=True):
        assert x.dtype == dtype and x.shape == shape
        np.testing.assert_allclose(x.detach().numpy(), 0.9, rtol=1e-6)


def test_half_precision():
    p = mt.ones(4, dtype=mt.float16, requires_grad=True)
    optimizer = optim.AdamW([p], lr=0.1)
    p.sum().backward()
    optimizer.step()
    assert p.dtype == mt.float16
    np.testing.assert_allclose(p.detach().numpy(), 0.9, rtol=2e-3)


def test_step_is_a_write_that_backward_notices():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    value = (w * w).sum()
    value.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(mt.MicrotrainError, match="SGD' overwrote it"):
        value.backward()


# ---------------------------------------------------------------------------------------------------------------------
# Options


@pytest.mark.parametrize("make", [optim.SGD, optim.LBFGS, optim.Newton, optim.Nesterov, optim.LineSearchGD])
def test_what_is_no_closure(make):
    w = mt.tensor([3.0, 1.0], requires_grad=True)
    optimizer, before = make([w]), w.tolist()
    with pytest.raises(mt.errors.DtypeError, match=r"step\(\) takes a function, not Tensor"):
        optimizer.step((w * w).sum())
    assert w.tolist() == before


@pytest.mark.parametrize("make", [optim.LBFGS, optim.Newton, optim.GaussNewton, optim.LineSearchGD])
def test_closures_that_forget_what_they_are_asked_for(make):
    w = mt.tensor([3.0, 1.0], requires_grad=True)

    def forgets_to_return():
        loss = (w * w).sum()
        if make is optim.LBFGS:
            loss.backward()

    with pytest.raises(mt.errors.DtypeError, match="returned None"):
        make([w]).step(forgets_to_return)
    if make in (optim.LBFGS, optim.LineSearchGD):
        with pytest.raises(mt.errors.DtypeError, match=r"returned float and did not call backward\(\)"):
            make([w]).step(lambda: (w * w).sum().item())


def test_closure_is_called_with_gradients_on_and_its_loss_returned():
    w = mt.tensor(3.0, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        value = w * w
        value.backward()
        return value

    with mt.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert w.item() == 0.0


def test_groups_have_their_own_options():
    a, b = mt.ones(2, requires_grad=True), mt.ones(2, requires_grad=True)
    optimizer = optim.SGD([{"params": a, "lr": 0.5, "name": "fast"}], lr=0.1)
    optimizer.add_param_group({"params": [b], "maximize": True})
    (a.sum() + b.sum()).backward()
    optimizer.step()
    np.testing.assert_allclose(a.detach().numpy(), 0.5)
    np.testing.assert_allclose(b.detach().numpy(), 1.1)
    assert "group 1: 1 parameters, lr=0.1" in repr(optimizer)


def test_named_parameters():
    a, b = mt.ones(2, requires_grad=True), mt.ones(2, requires_grad=True)
    optimizer = optim.SGD([("a", a), ("b", b)], lr=0.5)
    assert optimizer.param_groups[0]["params"] == [a, b]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]


def test_a_learning_rate_may_be_a_function_of_the_step():
    for rate in (0.1 * schedules.Step(2, 0.5), lambda t: 0.1 * 0.5 ** (t // 2)):
        p = mt.tensor([0.0], requires_grad=True)
        optimizer = optim.SGD([p], lr=rate)
        path = [0.0]
        for _ in range(5):
            p.grad = mt.tensor([1.0])
            optimizer.step()
            path.append(p.item())
        np.testing.assert_allclose(np.diff(path), [-0.1, -0.1, -0.05, -0.05, -0.025])
        assert "lr" not in optimizer.state_dict()["param_groups"][0]
    constant = parameters()
    steps(constant, optim.Adam(constant, lr=0.1), 5)
    same = parameters()
    steps(same, optim.Adam(same, lr=0.1 * schedules.Constant()), 5)
    for p, q in zip(constant, same, strict=True):
        assert (p == q).all()


def test_numpy_numbers_do_not_change_the_dtype_of_the_arithmetic():
    p, q = parameters(mt.float32), parameters(mt.float32)
    steps(p, optim.SGD(p, lr=np.float64(0.1), momentum=0.9), 3)
    steps(q, optim.SGD(q, lr=0.1, momentum=0.9), 3)
    for x, y in zip(p, q, strict=True):
        assert (x == y).all()


def test_pytorchs_options_that_change_nothing():
    w = mt.ones(2, requires_grad=True)
    optim.Adam([w], foreach=True, fused=None, capturable=False, differentiable=False)
    with pytest.raises(mt.MicrotrainError, match="differentiable=True is not supported"):
        optim.Adam([w], differentiable=True)
    with pytest.raises(mt.MicrotrainError, match="no option 'momentun'"):
        optim.SGD([w], momentun=0.9)


def test_zero_grad_both_ways():
    w = mt.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    w.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert (w.grad == 0).all()
    optimizer.zero_grad()
    assert w.grad is None


def test_a_step_without_any_gradient_does_nothing():
    p = parameters()
    before = [x.detach().numpy().copy() for x in p]
    optim.Adam(p).step()
    for x, value in zip(p, before, strict=True):
        np.testing.assert_array_equal(x.detach().numpy(), value)


def test_keys_that_are_no_hyper_parameters():
    """A group may carry what the program, or another optimizer around this one, wants to find there."""
    w, v = mt.ones(2, requires_grad=True), mt.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="SGD has no hyper-parameter 'rho': it is kept with its group"):
        optimizer = optim.SGD([{"params": [w], "rho": 0.05}], lr=0.5)
    (w * 3).sum().backward()
    optimizer.step()
    assert w.tolist() == [-0.5, -0.5] and optimizer.param_groups[0]["rho"] == 0.05
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["rho"] == 0.05

    class Scaled(optim.Optimizer):
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.sub_(group.get("scale", 1) * p.grad)

    own = Scaled([{"params": [w], "scale": 2}, {"params": [v]}], {})
    v.grad = mt.ones(2)
    own.step()
    assert w.tolist() == [-6.5, -6.5] and v.tolist() == [0, 0]
    for name, meant in (
        ("learning_rate", "lr"),
        ("LR", "lr"),
        ("momentun", "momentum"),
        ("weightdecay", "weight_decay"),
    ):
        with pytest.raises(mt.MicrotrainError, match=f"'{name}'; did you mean '{meant}'"):
            optim.SGD([{"params": [w], name: 0.1}])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: optim.SGD([], lr=0.1), "no parameters"),
        (lambda w: optim.SGD(w, lr=0.1), r"\[w\] instead of w"),
        (lambda w: optim.SGD({w}, lr=0.1), "in order"),
        (lambda w: optim.SGD([w], lr=-1.0), "lr is -1.0"),
        (lambda w: optim.SGD([w], lr=float("nan")), "lr is nan; it has to be a number"),
        (lambda w: optim.SGD({"params": [w]}), r"in a list: \[\{'params'"),
        (lambda w: optim.SGD({"w": w}), r"list\(params.values\(\)\)"),
        (lambda w: optim.SGD([w], lr=0.1, nesterov=True), "nesterov needs a momentum"),
        (lambda w: optim.Adam([w], betas=(0.9, 1.0)), "betas"),
        (lambda w: optim.Adam([w * 2]), r"only change leaves(.|\n)*requires_grad_\(\)"),
        (lambda w: nn.utils.clip_grad_norm_(nn.Sequential(nn.Linear(1, 1)), 1.0), r"not Linear\.\n  fix: model\.par"),
        (lambda w: optim.Adam([w, w]), "two places"),
        (lambda w: optim.Adam([np.zeros(2)]), "takes tensors"),
        (lambda w: optim.Adam([{"params": [w], "rate": 1}]), "rate"),
        (lambda w: optim.Momentum([w], beta=1.0), "beta is 1.0"),
        (lambda w: optim.Momentum([w], form="mean"), "'ema' or 'sum'"),
        (lambda w: optim.Nesterov([w], lookahead="far"), "lookahead"),
        (lambda w: optim.Nesterov([w]).step(), "needs a closure"),
        (lambda w: optim.LBFGS([w]).step(), "needs a closure"),
        (lambda w: optim.LBFGS([w], line_search_fn="weak"), "strong_wolfe"),
        (lambda w: optim.LBFGS([{"params": [w]}, {"params": [mt.ones(1)]}]), "one group only"),
        (lambda w: optim.Rprop([w], etas=(1.2, 0.5)), "etas"),
        (lambda w: optim.Adadelta([w], rho=1.5), "rho"),
        (lambda w: optim.Preconditioned([w], P="cholesky"), "'newton', 'jacobi'"),
        (lambda w: optim.Preconditioned([w], P=np.eye(3)), "shape"),
        (lambda w: optim.Newton([w]).step(lambda: (w * 2).sum()), "no inverse"),
        (lambda w: optim.Newton([w]).step(lambda: w * w), "single number"),
        (lambda w: optim.Newton([w]).step(lambda: backward(w)), "called backward"),
        (lambda w: optim.SVRG([w], 0.1, None, 0), "at least 1"),
        (lambda w: optim.SVRG([w], 0.1, None, 5).step(lambda: 0), "takes no closure"),
        (lambda w: optim.exhaustive(lambda x: x, [[0, 1]]), "shape"),
        (lambda w: optim.exhaustive(lambda x: x, [range(100)] * 5), "10,000,000,000 candidates"),
    ],
)
def test_mistakes_are_explained(make, message):
    with pytest.raises(mt.MicrotrainError, match=message):
        make(mt.tensor([1.0, 2.0], requires_grad=True))


def backward(w):
    value = (w * w).sum()
    value.backward()
    return value


def test_loading_the_state_of_another_model_is_refused():
    a, b = optim.Adam(parameters()), optim.Adam(parameters()[:2])
    with pytest.raises(mt.MicrotrainError, match="groups of"):
        b.load_state_dict(a.state_dict())
    p, q = [mt.ones(2, requires_grad=True)], [mt.ones(3, requires_grad=True)]
    a, b = optim.Adam(p), optim.Adam(q)
    p[0].grad = mt.ones(2)
    a.step()
    with pytest.raises(mt.MicrotrainError, match="'exp_avg' of parameter 0 has shape"):
        b.load_state_dict(a.state_dict())


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({}, "not the state of an optimizer"),
        (None, "not the state of an optimizer"),
        ({"state": {}, "param_groups": [{}]}, "not the state of an optimizer"),
        ({"state": {9: {}}, "param_groups": [{"params": [0]}]}, "parameter 9"),
        ({"state": {}, "param_groups": [{"params": [0, 1]}]}, "groups of"),
    ],
    ids=str,
)
def test_loading_what_is_no_state(wrong, match):
    optimizer = optim.Adam([mt.tensor([1.0], requires_grad=True)])
    with pytest.raises(mt.MicrotrainError, match=match):
        optimizer.load_state_dict(wrong)


def test_betas_are_two():
    with pytest.raises(mt.MicrotrainError, match="two numbers"):
        optim.Adam([mt.tensor([1.0], requires_grad=True)], betas=(0.9,))


RESETS = {
    "nothing": lambda o, w, lib: None,
    "all new": lambda o, w, lib: setattr(o, "state", defaultdict(dict)),
    "cleared": lambda o, w, lib: o.state.clear(),
    "one removed": lambda o, w, lib: o.state.pop(w[0]),
    "one empty": lambda o, w, lib: o.state.update({w[0]: {}}),
    "zeros": lambda o, w, lib: [o.state[w[0]][name].zero_() for name in ("exp_avg", "exp_avg_sq")],
    "half": lambda o, w, lib: o.state[w[1]]["exp_avg"].mul_(0.5),
    "a tensor": lambda o, w, lib: o.state[w[0]].update(exp_avg=lib.tensor([0.5, -0.5])),
    "the step": lambda o, w, lib: o.state[w[0]].update(step=lib.tensor(0.0) if lib is not mt else 0),
}


@pytest.mark.oracle
@pytest.mark.parametrize("reset", RESETS)
def test_programs_may_look_into_the_state_and_change_it(reset):
    """It holds tensors, as PyTorch's does, and what is taken out or put in counts from the next step on."""
    torch = pytest.importorskip("torch")
    ends = []
    for lib in (torch, mt):
        w = [lib.tensor([1.0, 2.0], requires_grad=True), lib.tensor([3.0], requires_grad=True)]
        optimizer = lib.optim.Adam(w, lr=0.1)
        seen = []
        for step in range(6):
            optimizer.zero_grad()
            sum((p**2).sum() for p in w).backward()
            if step == 3:
                seen.append(optimizer.state[w[0]]["exp_avg"].norm().item())
                RESETS[reset](optimizer, w, lib)
            optimizer.step()
        ends.append([*seen, *w[0].tolist(), *w[1].tolist()])
    np.testing.assert_allclose(*ends, rtol=1e-6)
    with pytest.raises(mt.MicrotrainError, match=r"'exp_avg' .* shape \(3,\)"):
        optimizer.state[w[0]]["exp_avg"] = mt.zeros(3)
        optimizer.step()


@pytest.mark.parametrize("compiled", [False, True])
def test_state_that_a_program_holds_is_up_to_date(compiled):
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.Adam([w], lr=0.1)

    def step():
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()

    run = mt.compile(step) if compiled else step
    for _ in range(3):
        run()
    assert optimizer.state_dict()["state"][0]["step"] == 3
    run()
    held = optimizer.state[w]
    assert held["step"] == 4
    for count in (5, 6):
        run()
        assert held["step"] == count
    held["step"] = 0
    run()
    assert held["step"] == 1


@pytest.mark.parametrize(
    ("lr", "match"), [("fast", "lr is 'fast'; it has to be a number"), (-1.0, "can't be negative")]
)
def test_a_learning_rate_is_a_number_and_not_negative(lr, match):
    for make in (optim.SGD, optim.Adam, optim.ConjugateGradient):
        with pytest.raises(mt.MicrotrainError, match=f"^{make.__name__}: .*{match}"):
            make([mt.tensor([1.0], requires_grad=True)], lr=lr)


def test_what_is_no_group_is_refused():
    w = mt.tensor([1.0], requires_grad=True)
    with pytest.raises(mt.MicrotrainError, match="a set has none"):
        optim.SGD([{"params": {w}}], lr=0.1)
    with pytest.raises(mt.MicrotrainError, match=r"a dict with 'params' in it, not \{'lr': 1\}"):
        optim.SGD([{"lr": 1}], lr=0.1)
    with pytest.raises(mt.MicrotrainError, match="a dict with 'params' in it"):
        optim.SGD([w], lr=0.1).add_param_group([w])
    for optimizer in (optim.SGD([w], lr=0.1), optim.SVRG([w], 0.1, lambda indices: (w * w).sum(), 3)):
        optimizer.add_param_group(param_group={"params": [mt.ones(2, requires_grad=True)]})  # as PyTorch calls it
        assert len(optimizer.param_groups) == 2


@pytest.mark.parametrize("size", [3, 1 << 15])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.ones(3), r"an array of shape \(3,\)"),
        (mt.ones(3), r"an array of shape \(3,\)"),
        ([0.1], r"\[0.1\]"),
        ("0.1", "'0.1'"),
        (1j, "1j"),
        (None, "None"),
    ],
)
def test_hyper_parameters_are_numbers(value, shown, size):
    class Scaled(optim.Optimizer):
        rule = Rule("Scaled", [], lambda p, g, lr, scale: (p - lr * scale * g,))

    w = mt.ones(size, requires_grad=True)
    for name in ("lr", "scale"):
        w.grad = mt.ones(size)
        if isinstance(value, str) and name == "lr":
            continue  # float() reads it
        with pytest.raises(mt.errors.ArgumentError, match=f"Scaled: {name} is {shown}; it has to be a number"):
            Scaled([w], {"lr": 0.1, "scale": 2.0, name: value}).step()
    if np.ndim(value):
        for name in ("lr", "eps", "weight_decay"):
            with pytest.raises(mt.errors.ArgumentError, match=f"Adam: {name} is .*has to be a number"):
                optim.Adam([w], **{name: value})
    for one in (mt.tensor(2.0), np.float32(2), np.array(2.0), True, 2):
        Scaled([w], {"lr": 0.1, "scale": one}).step()


def test_a_step_that_fails_does_not_count():
    found = []
    for seen in (False, True):
        calls = iter(range(100))
        w = mt.tensor([1.0, 2.0], requires_grad=True)
        optimizer = optim.Adam([w], lr=lambda t, calls=calls: 0.1 / (next(calls) != 2))
        if seen:
            optimizer.state
        for k in range(6):
            optimizer.zero_grad()
            (w * w).sum().backward()
            if k == 2:
                with pytest.raises(ZeroDivisionError):
                    optimizer.step()
            else:
                optimizer.step()
        found.append([optimizer.state[w]["step"], *w.tolist()])
        assert optimizer.steps == 5
    assert found[0] == found[1] and found[0][0] == 5


def test_what_a_step_prepares_knows_its_number():
    class Numbered(optim.SGD):
        def prepare(self):
            numbers.append(self.steps)
            if len(numbers) == 2:
                raise KeyError("mine")

    numbers, w = [], mt.ones(1, requires_grad=True)
    optimizer = Numbered([w], lr=0.1)
    w.grad = mt.ones(1)
    optimizer.step()
    with pytest.raises(KeyError):
        optimizer.step()
    optimizer.step()
    assert numbers == [1, 2, 2] and optimizer.steps == 2


def test_a_shallow_copy_shares_the_state():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    first = optim.Adam([w], lr=0.1)
    for optimizer in (first, first, copy.copy(first)):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
    assert first.state[w]["step"] == 3


def test_an_optimizer_that_wraps_another_may_do_without_init():
    class Outer(optim.Optimizer):
        def __init__(self, base):
            self.base, self.param_groups, self.defaults, self.state = base, base.param_groups, base.defaults, {}

        def step(self, closure=None):
            return self.base.step(closure)

    w = mt.tensor([1.0], requires_grad=True)
    outer = Outer(optim.SGD([w], lr=0.5))
    (w * w).sum().backward()
    outer.step()
    outer.zero_grad()
    assert w.item() == 0 and w.grad is None
    assert not outer.state and list(copy.deepcopy(outer).state_dict()) == ["state", "param_groups"]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, lr=0.1), lambda p: optim.Adam(p, lr=0.1)], ids=["SGD", "Adam"])
def test_parameters_of_another_dtype_or_shape_after_some_steps(make, count):
    params = [mt.ones(3, dtype=mt.float32).requires_grad_() for _ in range(count)]
    optimizer = make(params)

    def step():
        optimizer.zero_grad()
        sum((p * p).sum() for p in params).backward()
        optimizer.step()

    step()
    params[0].data = params[0].data.double()
    step()
    step()
    assert params[0].dtype == mt.float64
    if count == 2:
        assert params[1].dtype == mt.float32
        np.testing.assert_allclose(params[0].detach().numpy(), params[1].detach().numpy(), rtol=1e-6)
    params[0].data = mt.ones(5, dtype=mt.float64)
    if isinstance(optimizer, optim.SGD):
        step()
        np.testing.assert_allclose(params[0].detach().numpy(), np.full(5, 0.8))
    else:
        with pytest.raises(mt.errors.ShapeError, match="'exp_avg' in an optimizer's state has shape"):
            step()


@pytest.mark.parametrize("given", [nn.Linear(2, 2), nn.Linear(2, 2).parameters])
def test_a_model_is_no_list_of_parameters(given):
    for call in (lambda: optim.Adam(given), lambda: nn.utils.clip_grad_norm_(given, 1.0)):
        with pytest.raises(mt.errors.DtypeError, match=r"model.parameters\(\)"):
            call()
    with pytest.raises(mt.errors.ArgumentError, match="two numbers"):
        optim.Adam([mt.ones(1)], betas=0.9)


@pytest.mark.parametrize("count", [1, 2])
def test_data_of_another_shape_between_backward_and_step(count):
    params = [mt.ones(k).requires_grad_() for k in (3, 2)[:count]]
    optimizer = optim.SGD(params, lr=0.1)
    sum((p * p).sum() for p in params).backward()
    optimizer.step()
    for p, k in zip(params, (2, 3), strict=False):  # as many elements together as before
        p.data = mt.ones(k)
    for _ in range(2):
        with pytest.raises(mt.errors.ShapeError, match="and its gradient"):
            optimizer.step()
        assert optimizer.steps == 1
