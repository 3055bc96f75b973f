"""The problems that the optimizers are tried on, written for either library."""

import numpy as np


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


def start(problem):
    rng = np.random.default_rng(3)
    return [rng.normal(size=shape) * 0.5 for shape in PROBLEMS[problem][1]]
