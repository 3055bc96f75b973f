"""Every scheduler that PyTorch has, 60 steps with two groups, straight and resumed in the middle."""

import math

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def schedulers(lib):
    return torch.optim.lr_scheduler if lib is torch else optim.lr_scheduler


CASES = {
    "lambda": lambda L, o: L.LambdaLR(o, lambda t: 0.9**t + 0.1 * math.sin(t)),
    "lambdas": lambda L, o: L.LambdaLR(o, [lambda t: 0.95**t, lambda t: 1 / (1 + t)]),
    "multiplicative": lambda L, o: L.MultiplicativeLR(o, lambda t: 1 - 0.5 / (t + 1)),
    "step": lambda L, o: L.StepLR(o, 7, 0.5),
    "step every": lambda L, o: L.StepLR(o, 1, 0.9),
    "multi-step": lambda L, o: L.MultiStepLR(o, [5, 20, 20, 41], gamma=0.3),
    "constant": lambda L, o: L.ConstantLR(o, 0.25, 9),
    "linear": lambda L, o: L.LinearLR(o, 0.1, 0.8, 13),
    "linear default": lambda L, o: L.LinearLR(o),
    "exponential": lambda L, o: L.ExponentialLR(o, 0.93),
    "polynomial": lambda L, o: L.PolynomialLR(o, 40, 1.7),
    "cosine": lambda L, o: L.CosineAnnealingLR(o, 60, 0.001),
    "cosine and back": lambda L, o: L.CosineAnnealingLR(o, 13),
    "cosine, low": lambda L, o: L.CosineAnnealingLR(o, 17, 0.003),
    "restarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 7, 2, 0.001),
    "restarts, same length": lambda L, o: L.CosineAnnealingWarmRestarts(o, 11),
    "one cycle": lambda L, o: L.OneCycleLR(o, 0.5, 60),
    "one cycle, linear": lambda L, o: L.OneCycleLR(
        o, [0.5, 0.2], epochs=10, steps_per_epoch=6, anneal_strategy="linear", pct_start=0.4, div_factor=10.0,
        final_div_factor=100.0, base_momentum=0.7, max_momentum=0.9,
    ),
    "one cycle, three phases": lambda L, o: L.OneCycleLR(o, 0.5, 60, three_phase=True, cycle_momentum=False),
    "cyclic": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 7),
    "cyclic 2": lambda L, o: L.CyclicLR(o, [0.01, 0.02], 0.1, 5, 9, mode="triangular2"),
    "cyclic, falling": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 6, mode="exp_range", gamma=0.97, base_momentum=0.5),
    "cyclic, own": lambda L, o: L.CyclicLR(o, 0.01, 0.1, 6, scale_fn=lambda k: 1 / k, cycle_momentum=False),
    "chain": lambda L, o: L.ChainedScheduler([L.ConstantLR(o, 0.1, 5), L.ExponentialLR(o, 0.9)]),
    "chain of three": lambda L, o: L.ChainedScheduler(
        [L.LinearLR(o, 0.5, 1.0, 8), L.StepLR(o, 6, 0.8), L.CosineAnnealingLR(o, 61)]
    ),
    "sequence": lambda L, o: L.SequentialLR(
        o, [L.ConstantLR(o, 0.1, 20), L.ExponentialLR(o, 0.9), L.StepLR(o, 3, 0.5)], [11, 30]
    ),
    "warm-up and cosine": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.01, 1.0, 10), L.CosineAnnealingLR(o, 50)], [10]
    ),
    "warm-up and restarts": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.01, 1.0, 10), L.CosineAnnealingWarmRestarts(o, 12)], [10]
    ),
}  # fmt: skip


def make(lib, case, name="SGD"):
    module = torch.optim if lib is torch else optim
    params = [lib.tensor([1.0, 2.0], requires_grad=True), lib.tensor([3.0], requires_grad=True)]
    groups = [{"params": [params[0]], "lr": 0.1}, {"params": [params[1]]}]
    options = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(module, name)(groups, lr=0.03, **options)
    for p in params:
        p.grad = lib.tensor(np.zeros(p.shape))
    return optimizer, CASES[case](schedulers(lib), optimizer)


def now(optimizer):
    momenta = [g["betas"][0] if "betas" in g else g["momentum"] for g in optimizer.param_groups]
    return [float(g["lr"]) for g in optimizer.param_groups] + [float(m) for m in momenta]


def followed(lib, case, steps, name="SGD"):
    optimizer, scheduler = make(lib, case, name)
    rows = [now(optimizer)]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        rows.append(now(optimizer))
        np.testing.assert_allclose(scheduler.get_last_lr(), rows[-1][:2])
    return rows


@pytest.mark.parametrize("case", CASES)
def test_60_steps_equal_pytorchs(case):
    np.testing.assert_allclose(followed(mt, case, 59), followed(torch, case, 59), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", ["one cycle", "cyclic"])
def test_momentum_of_adam(case):
    ours, theirs = followed(mt, case, 40, "Adam"), followed(torch, case, 40, "Adam")
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("order", ["optimizer first", "scheduler first"])
def test_a_resumed_schedule_goes_on_exactly(case, order):
    straight = followed(mt, case, 59)
    optimizer, scheduler = make(mt, case)
    for _ in range(23):
        optimizer.step()
        scheduler.step()
    saved = [optimizer.state_dict(), scheduler.state_dict()]
    assert set(saved[1]) == {"last_epoch"}  # the step is all
    second, resumed = make(mt, case)
    pairs = [(second, saved[0]), (resumed, saved[1])]
    for what, state in pairs if order == "optimizer first" else pairs[::-1]:
        what.load_state_dict(state)
    rows = [now(second)]
    for _ in range(59 - 23):
        second.step()
        resumed.step()
        rows.append(now(second))
    assert rows == straight[23:]


FACTORS = ["multiplicative", "step", "multi-step", "constant", "linear", "exponential", "polynomial"]
OWN = ["lambda", "restarts", "one cycle"]  # that start from the initial rate


def both(lib, first, second, steps=20):
    """The rates of an optimizer that has two schedulers; "plateau" is told of losses that stand still."""
    L = schedulers(lib)
    optimizer = lib.optim.SGD([lib.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    made = [
        L.ReduceLROnPlateau(optimizer, factor=0.3, patience=2) if name == "plateau" else CASES[name](L, optimizer)
        for name in (first, second)
    ]
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        optimizer.step()
        for name, scheduler in zip((first, second), made, strict=True):
            scheduler.step(1.0) if name == "plateau" else scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("first", [*FACTORS, *OWN, "plateau"])
def test_pairs_that_pytorch_can_chain(first):
    for second in [*FACTORS, "plateau"] * (first not in OWN) + OWN:
        if first == "one cycle" != second:
            continue  # PyTorch's cycle changes what the other starts from
        ours, theirs = both(mt, first, second), both(torch, first, second)
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-15, err_msg=second)


@pytest.mark.parametrize("first", OWN)
def test_what_follows_a_schedule_stays(first):
    """PyTorch's writes over it."""
    alone = [rates[0] for rates in followed(mt, first, 20)]
    for second in ("step", "plateau"):
        rates = both(mt, first, second)
        shares = np.array(rates) / np.array(alone)
        assert np.all(np.diff(shares) <= 1e-12) and shares[-1] < 0.6


@pytest.mark.parametrize(
    "second",
    [
        lambda L, o: L.MultiStepLR(o, [3, 8], 0.1),
        lambda L, o: L.CosineAnnealingLR(o, 20),
        lambda L, o: L.LambdaLR(o, lambda t: 0.9**t),
        lambda L, o: L.CosineAnnealingWarmRestarts(o, 5),
        lambda L, o: L.CyclicLR(o, 0.01, 0.1, 7),
    ],
)
def test_two_schedulers_of_one_optimizer(second):
    """Those that are factors multiply; those that start from the initial rate do so."""
    make_second, rows = second, []
    for lib in (mt, torch):
        optimizer, first = make(lib, "exponential")
        second = make_second(schedulers(lib), optimizer)
        rows.append([])
        for _ in range(12):
            optimizer.step()
            first.step()
            second.step()
            rows[-1].append(now(optimizer)[0])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


@pytest.mark.parametrize("case", ["exponential", "step", "linear", "cosine and back", "lambda", "restarts", "cyclic"])
def test_a_rate_set_by_hand(case):
    rows = []
    for lib in (mt, torch):
        optimizer, scheduler = make(lib, case)
        rows.append([])
        for step in range(6):
            optimizer.step()
            scheduler.step()
            if step == 2:
                optimizer.param_groups[0]["lr"] = 0.5
            rows[-1].append(now(optimizer)[0])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


def test_restarts_by_fractions_of_an_epoch():
    rows = []
    for lib in (mt, torch):
        optimizer, scheduler = make(lib, "restarts")
        rows.append([])
        for epoch in range(20):
            for batch in range(3):
                optimizer.step()
                scheduler.step(epoch + batch / 3)
                rows[-1].append(now(optimizer)[0])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


def test_there_is_no_epoch_before_the_first():
    _, scheduler = make(mt, "restarts")
    with pytest.raises(mt.errors.ArgumentError, match="epoch is -1"):
        scheduler.step(-1)


def test_last_epoch_goes_on_in_the_middle():
    rows = []
    for lib in (mt, torch):
        optimizer, scheduler = make(lib, "exponential")
        for _ in range(5):
            optimizer.step()
            scheduler.step()
        again = schedulers(lib).ExponentialLR(optimizer, 0.93, last_epoch=scheduler.last_epoch - 1)
        if lib is mt:
            optimizer.schedulers.remove(scheduler)
        rows.append([])
        for _ in range(5):
            optimizer.step()
            again.step()
            rows[-1].append((again.last_epoch, now(optimizer)[0]))
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


PLATEAUS = [
    {},
    {"factor": 0.5, "patience": 2},
    {"factor": 0.5, "patience": 1, "cooldown": 2, "min_lr": [0.02, 0.001]},
    {"mode": "max", "factor": 0.3, "patience": 3, "threshold": 0.1, "threshold_mode": "abs"},
    {"mode": "max", "factor": 0.7, "patience": 0, "threshold": 0.05},
    {"factor": 0.7, "patience": 0, "threshold": 0.2, "threshold_mode": "abs", "min_lr": 0.01},
    {"factor": 0.1, "patience": 0, "eps": 1e-4},
]


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_plateau_with_resuming(options, sign):
    losses = sign * (2 + np.exp(-np.arange(60) / 9) + 0.1 * np.random.default_rng(0).normal(size=60))
    rows = []
    for lib in (mt, torch):
        optimizer, _ = make(lib, "step every")
        if lib is mt:
            optimizer.schedulers.clear()
        for group, lr in zip(optimizer.param_groups, (0.1, 0.03), strict=True):
            group["lr"] = lr
        scheduler = schedulers(lib).ReduceLROnPlateau(optimizer, **options)
        rows.append([])
        for k, loss in enumerate(losses):
            if k == 31:
                state = scheduler.state_dict()
                if lib is mt:
                    optimizer.schedulers.clear()
                scheduler = schedulers(lib).ReduceLROnPlateau(optimizer, **options)
                scheduler.load_state_dict(state)
            optimizer.step()
            scheduler.step(loss)
            rows[-1].append((*now(optimizer)[:2], scheduler.num_bad_epochs, scheduler.best))
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


def test_a_scheduler_of_ones_own_as_for_pytorch():
    rows = []
    for lib in (mt, torch):
        optimizer, _ = make(lib, "constant")
        if lib is mt:
            optimizer.schedulers.clear()
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] = 0.2

        class Halving(schedulers(lib)._LRScheduler):  # its name before PyTorch 2
            def __init__(self, optimizer, after, last_epoch=-1):
                self.after = after
                super().__init__(optimizer, last_epoch)

            def get_lr(self):
                if self.last_epoch < self.after:
                    return [lr / self._step_count for lr in self.base_lrs]
                return [group["lr"] / 2 for group in self.optimizer.param_groups]

        scheduler = Halving(optimizer, 3)
        rows.append([])
        for _ in range(6):
            optimizer.step()
            scheduler.step()
            rows[-1].append(now(optimizer)[:2])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


def test_a_scheduler_in_place_of_another_as_when_a_cell_runs_twice():
    for name, arguments in (("StepLR", (2, 0.5)), ("LambdaLR", (lambda t: 0.9**t,)), ("ExponentialLR", (0.9,))):
        rows = []
        for lib in (mt, torch):
            optimizer = make(lib, "constant")[0]
            rows.append([])
            for _ in range(2):
                scheduler = getattr(schedulers(lib), name)(optimizer, *arguments)
                for _ in range(5):
                    optimizer.step()
                    scheduler.step()
                    rows[-1].append(now(optimizer)[0])
        np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


# ---- drawn at random: one, or three one after the other, interrupted and resumed ------------------------------------


def drawn(rng):
    """(name, options) of a scheduler that starts from the optimizer's rate."""
    k, share = int(rng.integers(2, 8)), float(rng.uniform(0.3, 0.95))
    cases = [
        ("StepLR", {"step_size": k, "gamma": share}),
        ("MultiStepLR", {"milestones": sorted(rng.integers(1, 15, 3).tolist()), "gamma": share}),
        ("ExponentialLR", {"gamma": share}),
        ("ConstantLR", {"factor": share, "total_iters": k}),
        ("LinearLR", {"start_factor": share, "end_factor": float(rng.uniform(0.1, 1)), "total_iters": k}),
        ("CosineAnnealingLR", {"T_max": k, "eta_min": float(rng.choice([0, 0.01]))}),
        ("CosineAnnealingWarmRestarts", {"T_0": k, "T_mult": int(rng.integers(1, 3)), "eta_min": 0.001}),
        ("PolynomialLR", {"total_iters": k, "power": float(rng.choice([1, 2, 0.5]))}),
        ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + share * t)}),
    ]
    return cases[rng.integers(len(cases))]


def drawn_alone(rng):
    """(name, options) of a scheduler that sets its own rates, and the momentum."""
    cycle = {
        "max_lr": [1.0, 0.5], "total_steps": 40, "three_phase": bool(rng.integers(2)),
        "anneal_strategy": str(rng.choice(["cos", "linear"])), "pct_start": float(rng.uniform(0.1, 0.4)),
    }  # fmt: skip
    waves = {
        "base_lr": 0.01, "max_lr": 1.0, "step_size_up": int(rng.integers(1, 5)), "gamma": 0.9,
        "step_size_down": int(rng.integers(1, 5)), "mode": str(rng.choice(["triangular", "triangular2", "exp_range"])),
    }  # fmt: skip
    return [("OneCycleLR", cycle), ("CyclicLR", waves)][rng.integers(2)]


@pytest.mark.parametrize("seed", range(60))
def test_schedules_drawn_at_random(seed):
    rng = np.random.default_rng(seed)
    several = rng.integers(3) == 0
    specs = [drawn(rng) for _ in range(3)] if several else [drawn_alone(rng) if rng.integers(3) == 0 else drawn(rng)]
    milestones = sorted(rng.choice(np.arange(1, 15), 2, replace=False).tolist())
    stop = int(rng.integers(2, 20))

    def made(lib, module):
        params = [lib.zeros(1, requires_grad=True) for _ in range(2)]
        for p in params:
            p.grad = lib.ones(1)
        groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.2}]
        optimizer = module.SGD(groups, lr=0.5, momentum=0.8)
        named = [getattr(module.lr_scheduler, name)(optimizer, **options) for name, options in specs]
        return optimizer, module.lr_scheduler.SequentialLR(optimizer, named, milestones) if several else named[0]

    found = []
    for lib, module in ((torch, torch.optim), (mt, optim)):
        optimizer, scheduler = made(lib, module)
        rates = []
        for t in range(25):
            rates.append([*(g["lr"] for g in optimizer.param_groups), *(g["momentum"] for g in optimizer.param_groups)])
            assert scheduler.get_last_lr() == rates[-1][:2]
            optimizer.step()
            scheduler.step()
            if t == stop:
                states = optimizer.state_dict(), scheduler.state_dict()
                optimizer, scheduler = made(lib, module)
                optimizer.load_state_dict(states[0])
                scheduler.load_state_dict(states[1])
        found.append(rates)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", ["step", "multi-step", "constant", "linear", "exponential", "polynomial"])
def test_a_group_added_later_goes_on_from_its_rate(case):
    """As when layers are unfrozen one after the other."""
    histories = []
    for lib in (torch, mt):
        optimizer = lib.optim.SGD([lib.tensor([1.0], requires_grad=True)], lr=0.1)
        scheduler = CASES[case](schedulers(lib), optimizer)
        rates = []
        for step in range(40):
            if step == 8:
                optimizer.add_param_group({"params": [lib.tensor([2.0], requires_grad=True)], "lr": 0.3})
            optimizer.step()
            scheduler.step()
            rates += [group["lr"] for group in optimizer.param_groups]
        histories.append(rates)
    np.testing.assert_allclose(*histories, rtol=1e-12)
