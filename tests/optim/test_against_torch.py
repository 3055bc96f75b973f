"""Every optimizer, step by step against PyTorch, on three problems, with all options."""

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

CASES = [
    ("SGD", {"lr": 0.02}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 1e-4, "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.02}),
    ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.02, "amsgrad": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 1e-4, "maximize": True}),
    ("AdamW", {"lr": 0.02}),
    ("AdamW", {"lr": 0.02, "amsgrad": True, "weight_decay": 0.2}),
]


def rosenbrock(lib, params):
    x, y = params[0][0], params[0][1]
    return (1 - x) ** 2 + 5 * (y - x**2) ** 2


def quadratic(lib, params):
    a = np.diag([1.0, 10.0, 0.1])
    return sum(((p.reshape(-1, 3) @ lib.tensor(a)) * p.reshape(-1, 3)).sum() for p in params)


def network(lib, params):
    rng = np.random.default_rng(0)
    x, t = lib.tensor(rng.normal(size=(20, 3))), lib.tensor(rng.normal(size=(20, 2)))
    return (((x @ params[0]).tanh() @ params[1] + params[2] - t) ** 2).mean()


PROBLEMS = {
    "rosenbrock": (rosenbrock, [(2,)]),
    "quadratic": (quadratic, [(3,), (4, 3)]),
    "network": (network, [(3, 5), (5, 2), (2,)]),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_200_steps_equal_pytorchs(problem, name, options):
    loss, shapes = PROBLEMS[problem]
    rng = np.random.default_rng(3)
    start = [rng.normal(size=s) * 0.5 for s in shapes]
    theirs = [torch.tensor(v, requires_grad=True) for v in start]
    ours = [mt.tensor(v, requires_grad=True) for v in start]
    for lib, params in ((torch, theirs), (mt, ours)):
        module = torch.optim if lib is torch else optim
        optimizer = getattr(module, name)(params, **options)
        for _ in range(200):
            optimizer.zero_grad()
            loss(lib, params).backward()
            optimizer.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_groups_and_parameters_without_gradients():
    """Parameters that get a gradient only now and then keep their own count of steps, as in PyTorch."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=4) for _ in range(3)]
    results = []
    for lib, module in ((torch, torch.optim), (mt, optim)):
        a, b, c = (lib.tensor(v, requires_grad=True) for v in start)
        optimizer = module.Adam([{"params": [a, b], "lr": 0.1}, {"params": [c]}], lr=0.01, weight_decay=0.1)
        for step in range(30):
            optimizer.zero_grad()
            value = (a**2).sum() + (c**4).sum()
            if step % 3 == 0:
                value = value + (b**2).sum()
            value.backward()
            optimizer.step()
        results.append([p.detach().numpy() for p in (a, b, c)])
    for ours, theirs in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_large_model_in_blocks_equals_pytorch():
    model, reference = nn.Linear(300, 200), torch.nn.Linear(300, 200).double()
    reference.load_state_dict({k: torch.tensor(v.numpy().copy()) for k, v in model.state_dict().items()})
    a, b = optim.AdamW(model.parameters(), lr=0.01), torch.optim.AdamW(reference.parameters(), lr=0.01)
    x = np.random.default_rng(0).normal(size=(7, 300))
    for _ in range(5):
        a.zero_grad()
        b.zero_grad()
        model(mt.tensor(x)).square().mean().backward()
        reference(torch.tensor(x)).square().mean().backward()
        a.step()
        b.step()
    np.testing.assert_allclose(model.weight.detach().numpy(), reference.weight.detach().numpy(), rtol=1e-10, atol=1e-12)
