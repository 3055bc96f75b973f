"""Sequences, lists and dictionaries of modules and parameters."""

from collections import OrderedDict

import pytest

import microtrain as mt
from microtrain import nn


def test_module_list():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    layers.append(nn.Tanh())
    assert len(layers) == 3 and len(list(layers.parameters())) == 4
    first = layers[0]
    layers.insert(0, nn.ReLU())
    assert layers[1] is first and [name for name, _ in layers.named_children()] == ["0", "1", "2", "3"]
    layers[0] = nn.SiLU()
    del layers[1]
    assert [type(m).__name__ for m in layers] == ["SiLU", "Linear", "Tanh"] and first not in layers
    assert isinstance(layers[1:], nn.ModuleList) and len(layers[1:]) == 2
    for wrong in (3, -4):
        with pytest.raises(IndexError, match="3 items"):
            layers[wrong]
    with pytest.raises(TypeError, match="holds Modules, not function"):
        layers.append(lambda x: x)


def test_sequential():
    chain = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    assert isinstance(chain[-1], nn.Linear) and len(chain[:2]) == 2
    assert list(chain[1:].state_dict()) == ["2.weight", "2.bias"]
    assert len(chain[1:].append(nn.ReLU())) == 3
    named = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), act=nn.Tanh()))
    assert list(named.state_dict()) == ["first.weight", "first.bias"] and named.act is named[1]
    assert nn.Sequential()(3) == 3
    layers = nn.ModuleList([nn.Linear(2, 2)])
    assert nn.Sequential(*layers)[0] is layers[0]
    assert isinstance(nn.MLP([2, 3, 1])[:2], nn.Sequential)


def test_module_dict():
    named = nn.ModuleDict({"a": nn.Linear(2, 3)})
    named["b"] = nn.ReLU()
    assert "a" in named and list(named) == ["a", "b"] == list(named.keys()) and len(named) == 2
    named.update([("c", nn.Tanh())])
    assert isinstance(named.pop("b"), nn.ReLU) and [k for k, _ in named.items()] == ["a", "c"]
    assert list(named.state_dict()) == ["a.weight", "a.bias"]
    with pytest.raises(LookupError, match=r"no 'x'[\s\S]*a, c"):
        named["x"]
    with pytest.raises(LookupError, match="can't be a key"):
        named["forward"] = nn.Tanh()


def test_parameter_list_and_dict():
    many = nn.ParameterList([nn.Parameter([1.0]), mt.ones(2)])
    assert all(isinstance(p, nn.Parameter) for p in many) and list(many.state_dict()) == ["0", "1"]
    many.append(mt.zeros(3))
    assert [p.numel() for p in many.parameters()] == [1, 2, 3]
    named = nn.ParameterDict({"w": mt.ones(2)})
    named["b"] = nn.Parameter([0.0])
    assert list(named.state_dict()) == ["w", "b"] and "2" not in named and named["w"].requires_grad
    assert repr(named) == "ParameterDict(w, b)  # w (2,), b (1,): 3 parameters"


def test_lists_join_and_shrink():
    one, two, three = nn.Linear(1, 1), nn.Tanh(), nn.ReLU()
    layers = nn.ModuleList([one])
    layers += [two, three]
    assert list(layers) == [one, two, three] and list(layers + [one]) == [one, two, three, one]
    assert layers.pop() is three and layers.pop(0) is one and list(layers) == [two]
    del layers[:]
    assert len(layers) == 0
    chain = nn.Sequential(one) + nn.Sequential(two)
    assert isinstance(chain, nn.Sequential) and list(chain) == [one, two]
    with pytest.raises(IndexError, match="0 items"):
        layers.pop()
    with pytest.raises(IndexError, match="2 items"):
        del chain[2]
    for wrong, message in (
        (lambda: layers.extend(nn.ReLU()), r"several Modules here, not one ReLU[\s\S]*append"),
        (lambda: nn.ModuleDict().update(3), "a dict, or pairs of name and item, not 3"),
        (lambda: chain["0"], "have numbers, not '0'"), (lambda: layers.pop(0.5), "have numbers, not 0.5"),
    ):  # fmt: skip
        with pytest.raises(mt.errors.DtypeError, match=message):
            wrong()


def test_missing_names():
    named = nn.ModuleDict({"a": nn.ReLU()})
    assert named.get("b") is None and named.get("a") is named["a"]
    for wrong in (KeyError, IndexError, mt.MicrotrainError):
        with pytest.raises(wrong, match=r"has no 'b'\.\s+fix: It has a"):
            named["b"]
    named.clear()
    assert len(named) == 0
    with pytest.raises(KeyError, match="It has nothing"):
        named.pop("a")
    with pytest.raises(AttributeError, match="has no module 'x'"):
        nn.Sequential(nn.ReLU()).get_submodule("x")
