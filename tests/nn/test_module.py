"""Module: parameters, state, hooks, modes."""

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_parameters_come_in_the_order_of_their_setting_with_pytorchs_names():
    names = [name for name, _ in small().named_parameters()]
    assert names == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_shared_parameters_are_listed_once_and_saved_under_both_names():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2, bias=False)
            self.b = nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

    tied = Tied()
    assert [name for name, _ in tied.named_parameters()] == ["a.weight"]
    assert list(tied.state_dict()) == ["a.weight", "b.weight"]


def test_state_dict_round_trip_shares_memory_and_copies_on_load():
    first, second = small(), small()
    state = first.state_dict()
    second.load_state_dict(state)
    x = mt.randn(5, 3)
    assert (first(x) == second(x)).all()
    with mt.no_grad():
        first[0].weight += 1
    assert (state["0.weight"] == first[0].weight).all()
    assert not (second[0].weight == first[0].weight).any()


def test_load_state_dict_refuses_what_does_not_fit_and_changes_nothing():
    model = small()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    broken = {**model.state_dict(), "2.bias": mt.zeros(7)}
    broken["0.weight"] = mt.zeros(4, 3)
    with pytest.raises(mt.MicrotrainError, match=r"2\.bias.*\(2,\).*\(7,\)"):
        model.load_state_dict(broken)
    with pytest.raises(mt.MicrotrainError, match="missing"):
        model.load_state_dict({})
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    keys = model.load_state_dict({"other": mt.zeros(1)}, strict=False)
    assert len(keys.missing_keys) == 4 and keys.unexpected_keys == ["other"]


def test_modes_reach_all_modules():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    model.eval()
    assert not model[1].training
    model.train()
    assert model[1].training


def test_hooks_see_and_replace():
    model = small()
    seen = []
    handle = model.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    model(mt.zeros(5, 3))
    handle.remove()
    model(mt.zeros(5, 3))
    assert seen == [(5, 2)]
    first = model(mt.ones(1, 3))
    handle = model.register_forward_pre_hook(lambda module, args: args[0] * 2)
    doubled = model(mt.ones(1, 3))
    handle.remove()
    assert (doubled == model(mt.full((1, 3), 2.0))).all() and not (doubled == first).all()
    handle = model.register_forward_hook(lambda module, args, output: output * 0)
    assert (model(mt.ones(5, 3)) == 0).all()
    handle.remove()


def test_misspelt_attribute_names_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'wieght'[\s\S]*weight"):
        _ = nn.Linear(2, 2).wieght


def test_works_without_calling_the_base_constructor():
    class Bare(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            return self.layer(x)

    assert Bare()(mt.zeros(3, 2)).shape == (3, 1)


def test_repr_and_summary_show_shapes_and_counts():
    model = nn.MLP([3, 4, 2])
    assert repr(model).splitlines()[1] == "  (0): Linear(in_features=3, out_features=4, bias=True)"
    assert model.summary().splitlines()[-1].split() == ["total", "26"]


def test_conversion_keeps_the_parameters():
    model = nn.Linear(2, 2)
    weight = model.weight
    model.float()
    assert model.weight is weight and weight.dtype == mt.float32 and weight.requires_grad


def test_apply_and_buffers():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", mt.zeros(1))
            self.register_buffer("scratch", mt.zeros(1), persistent=False)

    module = Counting()
    assert [name for name, _ in module.named_buffers()] == ["count", "scratch"]
    assert list(module.state_dict()) == ["count"]
    assert list(module.parameters()) == []
    seen = []
    small().apply(lambda m: seen.append(type(m).__name__))
    assert seen[-1] == "Sequential" and len(seen) == 4
