"""Every optimizer that PyTorch has, step by step against PyTorch's, on three problems, with all options."""

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim

from .problems import PROBLEMS, start

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

CASES = [
    ("SGD", {"lr": 0.02}),
    ("SGD", {"lr": 0.02, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "momentum": 0.9}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 1e-5, "momentum": 0.5, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.02, "initial_accumulator_value": 0.3, "eps": 1e-3}),
    ("Adagrad", {"lr": 1e-4, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.001, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.02}),
    ("RMSprop", {"lr": 0.001, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.001, "centered": True, "eps": 1e-4}),
    ("RMSprop", {"lr": 0.001, "centered": True, "momentum": 0.5, "weight_decay": 0.1, "eps": 1e-4}),
    ("RMSprop", {"lr": 1e-4, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.05}),
    ("Adadelta", {"lr": 0.01, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.02, "amsgrad": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.02, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 1e-4, "maximize": True}),
    ("AdamW", {"lr": 0.02}),
    ("AdamW", {"lr": 0.02, "amsgrad": True, "weight_decay": 0.2, "betas": (0.5, 0.9), "eps": 1e-4}),
    ("AdamW", {"lr": 1e-4, "maximize": True, "weight_decay": 0.0}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.005, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adamax", {"lr": 1e-4, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.002, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.005, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("NAdam", {"lr": 1e-4, "maximize": True}),
    ("RAdam", {"lr": 0.02}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 1e-4, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.05, "etas": (0.3, 1.1), "step_sizes": (1e-3, 0.2)}),
    ("Rprop", {"lr": 1e-4, "maximize": True, "step_sizes": (1e-6, 1e-3)}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.01, "lambd": 0.02, "alpha": 0.6, "t0": 20, "weight_decay": 0.01}),
    ("ASGD", {"lr": 1e-5, "maximize": True}),
]


@pytest.fixture(autouse=True)
def double_precision():
    """PyTorch keeps the numbers in an optimizer's state (NAdam's product of momenta) in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def trained(lib, name, options, problem, steps, shift=0.0, watch=None):
    loss = PROBLEMS[problem][0]
    params = [lib.tensor(v + shift, requires_grad=True) for v in start(problem)]
    optimizer = getattr(torch.optim if lib is torch else optim, name)(params, **options)

    def closure():
        optimizer.zero_grad()
        value = loss(lib, params)
        value.backward()
        return value

    for _ in range(steps):
        optimizer.step(closure)
        if watch is not None:
            watch.append(np.concatenate([p.detach().numpy().ravel() for p in params]))
    return params, optimizer


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_200_steps_equal_pytorchs(problem, name, options):
    theirs, _ = trained(torch, name, options, problem, 200)
    ours, _ = trained(mt, name, options, problem, 200)
    for p, q in zip(ours, theirs, strict=True):
        assert np.isfinite(p.detach().numpy()).all()
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_going_on_where_pytorch_stopped_and_back(name, options):
    """10 steps of one library and 10 of the other are 20 of either: the state has the same names and meaning."""
    expected = trained(torch, name, options, "network", 20)[0]
    for first, second in ((torch, mt), (mt, torch)):
        params, optimizer = trained(first, name, options, "network", 10)
        moved = [second.tensor(p.detach().numpy().copy(), requires_grad=True) for p in params]
        state = optimizer.state_dict()
        other = getattr(torch.optim if second is torch else optim, name)(moved, **options)
        if second is torch:
            state = {
                "state": {k: {n: torch.tensor(np.array(v)) for n, v in s.items()} for k, s in state["state"].items()},
                "param_groups": [{**other.param_groups[0], **state["param_groups"][0]}],
            }
        other.load_state_dict(state)
        for _ in range(10):
            other.zero_grad()
            PROBLEMS["network"][0](second, moved).backward()
            other.step()
        for p, q in zip(moved, expected, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["Adam", "NAdam", "ASGD", "Rprop", "SGD"])
def test_groups_and_parameters_without_gradients(name):
    """Parameters that get a gradient only now and then keep their own count of steps, as in PyTorch."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=4) for _ in range(3)]
    results = []
    for lib, module in ((torch, torch.optim), (mt, optim)):
        a, b, c = (lib.tensor(v, requires_grad=True) for v in values)
        options = {"SGD": {"momentum": 0.9, "dampening": 0.5}}.get(name, {})
        optimizer = getattr(module, name)([{"params": [a, b], "lr": 0.1}, {"params": [c]}], lr=0.01, **options)
        for step in range(30):
            optimizer.zero_grad()
            value = (a**2).sum() + (c**4).sum()
            if step % 3 == 0:
                value = value + (b**2).sum()
            value.backward()
            optimizer.step()
        results.append([p.detach().numpy() for p in (a, b, c)])
    for ours, theirs in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_parameters_in_blocks_equal_pytorchs(dtype):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype(dtype) for shape in [(200, 300), (200,), (7, 200)]]
    ours, theirs = ([lib.tensor(v, requires_grad=True) for v in values] for lib in (mt, torch))
    a, b = optim.AdamW(ours, lr=0.01), torch.optim.AdamW(theirs, lr=0.01)
    for step in range(5):
        for p, q in zip(ours, theirs, strict=True):
            g = rng.normal(size=p.shape).astype(dtype) * (step + 1)
            p.grad, q.grad = mt.tensor(g), torch.tensor(g)
        a.step()
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        tolerance = 1e-10 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.05, "max_iter": 2},
        {"lr": 0.5, "max_iter": 3, "history_size": 2},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 3},
        {"line_search_fn": "strong_wolfe", "max_iter": 3, "max_eval": 5, "lr": 0.3},
        {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-3, "tolerance_change": 1e-5},
    ],
    ids=str,
)
def test_lbfgs_equals_pytorchs_as_far_as_rounding_allows(problem, options):
    """L-BFGS amplifies rounding: PyTorch's own path, begun 1e-15 away, soon differs. Ours must not differ much more."""
    ours, theirs, shifted = [], [], []
    trained(mt, "LBFGS", options, problem, 100, watch=ours)
    trained(torch, "LBFGS", options, problem, 100, watch=theirs)
    trained(torch, "LBFGS", options, problem, 100, shift=1e-15, watch=shifted)
    own = np.maximum.accumulate(np.abs(np.array(shifted) - theirs).max(axis=1))
    off = np.abs(np.array(ours) - theirs).max(axis=1)
    assert (off[0] <= 1e-10) and (off <= 1e-10 + 100 * own).all()


def test_lbfgs_goes_on_exactly_from_its_state_dict():
    options = {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 4}
    straight, _ = trained(mt, "LBFGS", options, "network", 12)
    params, optimizer = trained(mt, "LBFGS", options, "network", 5)
    moved = [mt.tensor(p.detach().numpy().copy(), requires_grad=True) for p in params]
    other = optim.LBFGS(moved, **options)
    other.load_state_dict(optimizer.state_dict())
    for _ in range(7):
        other.step(lambda: PROBLEMS["network"][0](mt, moved))  # whether the closure calls backward() does not matter
    for p, q in zip(straight, moved, strict=True):
        assert (p == q).all()
