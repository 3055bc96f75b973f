"""Rules as they are printed: in text with the names of the program, else with those of the book."""

import inspect

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim
from microtrain.optim.adagrad import adagrad_rule
from microtrain.optim.adam import adam_rule
from microtrain.optim.rule import Rule
from microtrain.optim.sgd import sgd_rule


def lines(rule):
    return [line.strip() for line in str(rule).splitlines()[1:]]


def test_text():
    assert lines(optim.Adam.rule) == [
        "c1 <- 1 - beta1 ** t",
        "c2 <- 1 - beta2 ** t",
        "m <- beta1 * m + (1 - beta1) * g",
        "v <- beta2 * v + (1 - beta2) * g * g",
        "p <- p - lr / c1 * m / (sqrt(v / c2) + eps)",
    ]
    assert (
        repr(optim.SGD.rule)
        == "<Rule SGD: (p, momentum_buffer) from p, g, momentum_buffer, lr, momentum, weight_decay>"
    )


def test_what_is_used_twice_gets_a_name():
    assert lines(optim.Adadelta.rule) == [
        "v <- rho * v + (1 - rho) * g * g",
        "d <- sqrt(u + eps) / sqrt(v + eps) * g",
        "u <- rho * u + (1 - rho) * d * d",
        "p <- p - lr * d",
    ]
    assert lines(adam_rule(decay="l2"))[2:4] == ["d <- g + weight_decay * p", "m <- beta1 * m + (1 - beta1) * d"]
    assert lines(sgd_rule(decay=True)) == ["p <- p - lr * (g + weight_decay * p)"]


def test_a_rate_that_is_worked_out_anew_has_another_name_than_the_one_it_is_made_of():
    assert lines(adagrad_rule(lr_decay=True))[0] == "rate <- lr / (1 + (t - 1) * lr_decay)"
    assert r"\eta' &\leftarrow \frac{\eta}" in optim.ASGD.rule.latex()


def test_the_books_letters():
    assert optim.GradientDescent.rule.latex() == (
        "\\begin{aligned}\n\\phi &\\leftarrow \\phi - \\eta \\cdot g\n\\end{aligned}"
    )
    assert "<mi>ϕ</mi><mo>←</mo><mi>ϕ</mi><mo>−</mo><mi>η</mi>" in optim.GradientDescent.rule.mathml()
    assert r"\rho_{\mathrm{inf}}" in optim.RAdam.rule.latex()
    assert r"\sqrt{2 \cdot \eta \cdot T}" in optim.LangevinGD.rule.latex()
    assert r"v_{\mathrm{max}} &\leftarrow \max(v_{\mathrm{max}}, v)" in adam_rule(amsgrad=True).latex()


def test_the_gradient_of_a_look_ahead_is_taken_there():
    assert lines(optim.Nesterov.rule)[:2] == ["q <- p - lr * beta * m", "g <- gradient of L at q"]
    assert r"g &\leftarrow \nabla L(q)" in optim.Nesterov.rule.latex()
    assert "<mo>∇</mo>" in optim.Nesterov.rule.mathml()


def test_both_halves_of_swats():
    text = lines(optim.SWATS.rule)
    assert text[text.index("after the switch:") + 1 :] == [
        "u <- momentum * u + g",
        "p <- p - (1 - momentum) * sgd_lr * u",
    ]


RULES = [n for n in optim.__all__ if isinstance(getattr(getattr(optim, n), "rule", None), Rule) and n != "SWATS"]


@pytest.mark.parametrize("name", RULES)
def test_the_lines_in_turn_are_the_step(name):
    """Carrying out the printed text, line by line, gives what the formula gives."""
    rule = getattr(optim, name).rule
    rng = np.random.default_rng(0)
    names = list(inspect.signature(rule.formula).parameters)
    needed = [n for f in rule.scalars.values() for n in inspect.signature(f).parameters]
    known = {n: float(rng.uniform(0.1, 0.9)) for n in (*names, *needed)} | {"t": 3.0, "beta2": 0.999}
    for scalar, f in rule.scalars.items():
        known[scalar] = float(f(*[known[n] for n in inspect.signature(f).parameters]))
    before = {n: known[n] for n in names}
    expected = rule.formula(**before)
    functions = {"sqrt": np.sqrt, "maximum": max, "minimum": min, "abs": abs, "sign": np.sign}
    found = dict(before)
    for line in lines(rule):
        into, _, value = line.partition(" <- ")
        if into in rule.scalars or "gradient of" in value or into == "q":
            continue
        found[into] = eval(value, functions, found)
    state = names[2 : 2 + len(rule.state)]
    for n, value in zip(["p", *state], expected, strict=False):
        assert found[n] == pytest.approx(float(value), rel=1e-12), n


def test_optimizers_of_a_programs_own_need_no_rule():
    class Mine(optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    state["v"] = state.get("v", mt.zeros_like(p)) * 0.5 + p.grad
                    with mt.no_grad():
                        p -= group["lr"] * state["v"]

    w = mt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = Mine([w])
    for _ in range(2):
        optimizer.zero_grad()
        (w**2).sum().backward()
        optimizer.step()
    twin = mt.tensor(w.tolist(), requires_grad=True)
    other = Mine([twin])
    other.load_state_dict(optimizer.state_dict())
    assert isinstance(other.state[twin]["v"], mt.Tensor)
    for p, o in ((w, optimizer), (twin, other)):
        o.zero_grad()
        (p**2).sum().backward()
        o.step()
    assert w.tolist() == twin.tolist()
