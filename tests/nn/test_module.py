"""Module: parameters, state, hooks, modes."""

import copy
import pickle

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
    assert (
        len(keys.missing_keys) == 4 and keys.unexpected_keys == ["other"] and "unexpected_keys=['other']" in repr(keys)
    )
    assert repr(model.load_state_dict(model.state_dict())) == "<All keys matched successfully>"


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


def test_repr_shows_shapes_and_counts():
    assert repr(nn.MLP([3, 4, 2])).splitlines() == [
        "MLP(  # 26 parameters",
        "  (0): Linear(in_features=3, out_features=4, bias=True)  # weight (4, 3), bias (4,): 16 parameters",
        "  (1): ReLU()",
        "  (2): Linear(in_features=4, out_features=2, bias=True)  # weight (2, 4), bias (2,): 10 parameters",
        ")",
    ]
    assert repr(nn.Tanh()) == "Tanh()  # 0 parameters"
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    assert repr(tied).startswith("Sequential(  # 4 parameters")


def test_summary_lists_every_parameter():
    model = nn.MLP([3, 4, 2])
    assert model.summary().splitlines() == [
        "parameter  shape       count  dtype",
        "0.weight   (4, 3)         12  float64",
        "0.bias     (4,)            4  float64",
        "2.weight   (2, 4)          8  float64",
        "2.bias     (2,)            2  float64",
        "total                     26",
    ]
    model[0].requires_grad_(False)
    lines = model.float().summary().splitlines()
    assert lines[1].endswith("float32  frozen") and lines[-1].split() == ["trained", "10"]
    assert nn.Tanh().summary().splitlines()[-1].split() == ["total", "0"]


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


# ---- what would be lost without a word -------------------------------------------------------------------------------


def test_a_parameter_can_not_be_replaced_by_something_untrained():
    model = small()
    with pytest.raises(TypeError, match=r"'weight' of Linear is a Parameter[\s\S]*copy_"):
        model[0].weight = model[0].weight - 0.1
    with pytest.raises(TypeError, match="'0' of Sequential is a Module"):
        setattr(model, "0", lambda x: x)
    model[0].weight = nn.Parameter(mt.zeros(4, 3))
    model[0].bias = None
    assert len(list(model.parameters())) == 3 and model(mt.ones(1, 3)).shape == (1, 2)
    del model[0].weight
    model[0].weight = mt.zeros(4, 3)


@pytest.mark.parametrize("hide", [list, tuple, lambda layers: dict(enumerate(layers))])
def test_parameters_in_plain_lists_are_pointed_out(hide):
    class Hiding(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 2)
            self.layers = hide([nn.Linear(2, 2), nn.Linear(2, 2)])

    with pytest.warns(UserWarning, match=r"'layers' of Hiding.*ModuleList"):
        assert len(list(Hiding().parameters())) == 2


def test_a_list_of_registered_layers_is_no_mistake():
    class Fine(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)
            self.chain = [self.a, self.b]
            self.weights = [self.a.weight]

    assert len(list(Fine().parameters())) == 4


def test_a_module_that_contains_itself():
    class Child(nn.Module):
        pass

    parent, child = nn.Sequential(), Child()
    parent.append(child)
    child.owner = parent
    assert len(list(parent.modules())) == 2 and list(parent.parameters()) == []
    with pytest.raises(mt.MicrotrainError, match="contains itself"):
        parent.state_dict()


# ---- walking through -------------------------------------------------------------------------------------------------


def test_modules_below_by_name():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 1)))
    assert [name for name, _ in model.named_modules()] == ["", "0", "1", "1.0", "1.1"]
    assert model.get_submodule("1.1") is model[1][1] and model.get_submodule("") is model
    assert model.get_parameter("1.1.bias") is model[1][1].bias
    with pytest.raises(mt.MicrotrainError, match=r"no parameter '1\.weight'[\s\S]*1\.1\.weight"):
        model.get_parameter("1.weight")
    assert next(model.named_parameters(prefix="net"))[0] == "net.0.weight"
    assert list(model.named_parameters(recurse=False)) == []
    shared = nn.Tanh()
    twice = nn.Sequential(shared, shared)
    assert len(list(twice.modules())) == 2 and len(list(twice.children())) == 1
    assert [name for name, _ in twice.named_modules(remove_duplicate=False)] == ["", "0", "1"]
    assert repr(twice).count("Tanh") == 2


def test_apply_goes_from_the_inside_out():
    seen = []
    model = nn.Sequential(nn.Sequential(nn.Tanh()), nn.ReLU())
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Tanh", "Sequential", "ReLU", "Sequential"]


def test_state_dict_options():
    model = small()
    assert list(model.state_dict(prefix="net.")) == ["net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"]
    assert model.state_dict(keep_vars=True)["0.weight"] is model[0].weight
    plain = {name: value.numpy() * 0 for name, value in model.state_dict().items()}
    model.load_state_dict(plain)
    assert all((p == 0).all() for p in model.parameters())


def test_zero_grad_and_freezing():
    model = small()
    model(mt.ones(1, 3)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    model[0].requires_grad_(False)
    model(mt.ones(1, 3)).sum().backward()
    assert model[0].weight.grad is None and model[2].weight.grad is not None


def test_conversion_takes_gradients_and_buffers_along():
    model = small()
    model.register_buffer("scratch", mt.ones(2), persistent=False)
    model(mt.ones(1, 3)).sum().backward()
    model.to(mt.float32)
    assert {p.dtype for p in model.parameters()} == {p.grad.dtype for p in model.parameters()} == {mt.float32}
    assert model.scratch.dtype == mt.float32 and model.double()[0].weight.dtype == mt.float64
    assert model.to("cpu") is model and model.to(mt.device("cpu"), mt.float32)[0].weight.dtype == mt.float32
    for there in (lambda: model.to("cuda"), model.cuda):
        with pytest.raises(mt.MicrotrainError, match="cuda"):
            there()


def test_copies_and_pickles_are_apart_but_keep_what_is_shared():
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    model[2].weight = model[0].weight
    x = mt.randn(3, 2)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (twin(x) == model(x)).all()
        assert twin[0].weight is not model[0].weight and twin[2].weight is twin[0].weight


def test_hooks_with_keyword_arguments_and_in_front():
    class Scale(nn.Module):
        def forward(self, x, *, by=1.0):
            return x * by

    scale, x = Scale(), mt.tensor([1.0, 2.0])
    with scale.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": 2 * kwargs["by"]}), with_kwargs=True):
        assert scale(x, by=3.0).tolist() == [6, 12]
    with scale.register_forward_pre_hook(lambda m, args, kwargs: None, with_kwargs=True):
        assert scale(x, by=3.0).tolist() == [3, 6]
    with scale.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["by"], with_kwargs=True):
        assert scale(x, by=3.0).tolist() == [6, 9]
    scale.register_forward_hook(lambda m, args, out: out + 1)
    with scale.register_forward_hook(lambda m, args, out: out * 10, prepend=True):
        assert scale(x).tolist() == [11, 21]
    assert scale(x).tolist() == [2, 3]
    with pytest.raises(mt.errors.UnsupportedError, match=r"always_call=True[\s\S]*try \.\.\. finally"):
        scale.register_forward_hook(lambda m, args, out: None, always_call=True)


# ---- hooks on gradients ----------------------------------------------------------------------------------------------


def test_backward_hooks_see_and_replace():
    layer, seen = nn.Linear(3, 2), []
    x = mt.ones(4, 3, requires_grad=True)
    handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append((m, gi, go)))
    (layer(x) * 2).sum().backward()
    ((module, (grad_input,), (grad_output,)),) = seen
    assert module is layer and (grad_output == 2).all()
    np.testing.assert_allclose(grad_input.numpy(), x.grad.numpy())
    handle.remove()
    (layer(x) * 2).sum().backward()
    assert len(seen) == 1
    before = x.grad.clone()
    with layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,)):
        (layer(x) * 2).sum().backward()
    np.testing.assert_allclose((x.grad - before).numpy(), 5 * before.numpy())
    layer.zero_grad()
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 0,))
    layer(x).sum().backward()
    assert (layer.weight.grad == 0).all()


@pytest.mark.parametrize("register", ["register_full_backward_hook", "register_full_backward_pre_hook"])
@pytest.mark.parametrize("answer", [lambda g: (*g, g[0]), lambda g: ()])
def test_a_backward_hook_returns_as_many_gradients_as_it_was_given(register, answer):
    layer = nn.Linear(3, 2)
    getattr(layer, register)(lambda m, *gradients: answer(gradients[0]))
    with pytest.raises(mt.MicrotrainError, match=r"lambda> returned [02] gradients for 1\."):
        layer(mt.ones(4, 3, requires_grad=True)).sum().backward()


def test_a_backward_hook_where_no_input_requires_grad():
    layer, seen = nn.Linear(3, 2), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].shape)))
    layer(mt.ones(4, 3)).sum().backward()
    assert seen == [((None,), (4, 2))]
    with mt.no_grad():
        layer(mt.ones(4, 3))
    assert len(seen) == 1


def test_backward_hooks_of_several_inputs_and_outputs():
    class Two(nn.Module):
        def forward(self, a, n, b, *, scale):
            return a * b * scale, a + b, n

    module, seen = Two(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = (mt.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    product, total, n = module(a, 7, b, scale=5.0)
    assert n == 7
    (product * 10 + total).backward()
    ((gi, go),) = seen
    assert [None if g is None else g.item() for g in gi] == [151, None, 101]
    assert [None if g is None else g.item() for g in go] == [10, 1, None]


def test_hooks_can_be_differentiated():
    layer = nn.Tanh()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,))
    x = mt.tensor(0.5, requires_grad=True)
    (g,) = mt.grad(layer(x), [x], create_graph=True)
    (h,) = mt.grad(g, [x])
    y = np.tanh(0.5)
    assert h.item() == pytest.approx(3 * -2 * y * (1 - y * y))


def test_forward_without_a_definition():
    for module in (nn.Module(), nn.ModuleList([nn.ReLU()])):
        with pytest.raises(NotImplementedError, match=r"does not define forward\(\)[^!]*fix: Define forward"):
            module(1)


def test_train_switches_and_does_not_train():
    model = nn.Linear(1, 1)
    assert model.train(np.bool_(False)) is model and not model.training
    for mode in ("yes", 1, [(mt.ones(1, 1), mt.ones(1, 1))]):
        with pytest.raises(mt.errors.DtypeError, match="True or False"):
            model.train(mode)


def test_what_is_registered_is_what_it_is_said_to_be():
    """A tensor registered as a parameter would never be trained, and a name with a dot could be that of another."""
    model = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"'w' of Linear is to be a Parameter, not a Tensor[\s\S]*nn\.Parameter"):
        model.register_parameter("w", mt.ones(2))
    with pytest.raises(TypeError, match="to be a Module, not a function"):
        model.add_module("act", mt.nn.functional.gelu)
    with pytest.raises(TypeError, match="to be a Tensor, not a ndarray"):
        model.register_buffer("mask", np.ones(2))
    for name in ("a.b", "", "forward", "in_features"):
        with pytest.raises(mt.MicrotrainError, match=f"can be called '{name}'"):
            model.register_buffer(name, mt.ones(2))
    with pytest.raises(mt.MicrotrainError, match=r"can be called 'a\.b'"):
        nn.ModuleDict({"a.b": nn.Tanh()})
    with pytest.raises(mt.MicrotrainError, match="can be called 'forward'"):
        nn.Sequential({"forward": nn.Tanh()})
    assert list(model.state_dict()) == ["weight", "bias"]
    model.register_buffer("mask", mt.ones(2))
    model.register_buffer("mask", mt.zeros(3))
    model.register_parameter("bias", None)
    model.register_parameter("bias", nn.Parameter(mt.ones(2)))
    assert model.mask.shape == (3,) and list(model.state_dict()) == ["weight", "bias", "mask"]
    with pytest.raises(TypeError, match="'mask' of Linear is a buffer, and a float would take its place"):
        model.mask = 0.5
    with pytest.raises(TypeError, match="'weight' of Linear is a Parameter"):
        model.register_buffer("weight", mt.ones(2))
    assert [name for name, _ in model.named_buffers()] == ["mask"]
    model.mask = None
    assert list(model.state_dict()) == ["weight", "bias"]
    model.mask = mt.ones(1)
    del model.mask
    model.mask = 0.5


def test_shared_parameters_under_each_of_their_names():
    shared = nn.Linear(1, 1)
    model = nn.Sequential(shared, shared)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    everywhere = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert everywhere == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_options_of_pytorch_for_what_is_shared():
    inner = nn.Linear(2, 2)
    inner.register_buffer("scale", mt.ones(1))
    model = nn.Sequential(inner, inner)
    assert len(list(model.modules())) == 2 and len(list(model.modules(remove_duplicate=False))) == 3
    names = [name for name, _ in model.named_buffers(remove_duplicate=False)]
    assert names == ["0.scale", "1.scale"] and len(list(model.named_buffers())) == 1
    place = {"before": mt.zeros(1)}
    assert model.state_dict(destination=place) is place and {"before", "0.weight"} <= place.keys()


def test_what_is_no_hook_or_state_is_refused():
    layer = nn.Linear(2, 2)
    for register in (layer.register_forward_hook, layer.register_forward_pre_hook, layer.register_full_backward_hook):
        with pytest.raises(mt.errors.DtypeError, match="A hook is a function, not int"):
            register(3)
    assert layer(mt.ones(2)).shape == (2,)
    with pytest.raises(mt.errors.DtypeError, match=r"not NoneType[\s\S]*mt.load"):
        layer.load_state_dict(None)


def test_where_pytorch_keeps_the_parts():
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Tanh())
    model.register_buffer("mean", mt.ones(3))
    model.register_buffer("none", None, persistent=False)
    model.scale = nn.Parameter(mt.ones(1))
    assert list(model._modules) == ["0", "1"] and model._modules["0"] is model[0]
    assert dict(model._parameters) == {"scale": model.scale} and model[0]._parameters["weight"] is model[0].weight
    assert list(model._buffers) == ["mean", "none"] and model._buffers["mean"] is model.mean
    model._modules["2"] = nn.Linear(3, 1)
    model._parameters["shift"] = nn.Parameter(mt.zeros(1))
    model._buffers["mean"], model._buffers["counts"] = mt.zeros(3), mt.zeros(1)
    assert len(model) == 3 and model(mt.ones(2)).shape == (1,) and repr(model._buffers) == repr(dict(model._buffers))
    assert list(model.state_dict()) == ["scale", "shift", "mean", "counts", "0.weight", "2.weight", "2.bias"]
    del model._modules["2"], model._parameters["scale"], model._buffers["mean"]
    assert list(model.state_dict()) == ["shift", "counts", "0.weight"] and "none" in model._buffers
    with pytest.raises(KeyError):
        del model._modules["shift"]
    with pytest.raises(mt.errors.DtypeError, match="is to be a Module, not a int"):
        model._modules["3"] = 3


def test_a_buffer_may_be_deleted():
    model = nn.Linear(2, 3, bias=False)
    model.register_buffer("mean", mt.ones(3))
    del model.mean
    assert list(model.state_dict()) == ["weight"] and not list(model.buffers()) and not hasattr(model, "mean")
    model.mean = 3
    assert not list(model.buffers())


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.calls = nn.Parameter(mt.ones(2)), 0

    def get_extra_state(self):
        return {"calls": self.calls}

    def set_extra_state(self, state):
        self.calls = state["calls"]


def test_modules_may_have_a_state_of_their_own(tmp_path):
    model, other = nn.Sequential(nn.Tanh(), Counting()), nn.Sequential(nn.Tanh(), Counting())
    model[1].calls = 7
    assert list(model.state_dict()) == ["1.weight", "1._extra_state"]
    assert list(model[1].state_dict(prefix="x.")) == ["x.weight", "x._extra_state"]
    mt.save(model.state_dict(), tmp_path / "model.pt")
    assert "matched" in str(other.load_state_dict(mt.load(tmp_path / "model.pt"))) and other[1].calls == 7
    with pytest.raises(mt.MicrotrainError, match=r"missing \['1._extra_state'\]"):
        other.load_state_dict({"1.weight": mt.ones(2)})
    assert other.load_state_dict({"1.weight": mt.ones(2)}, strict=False).missing_keys == ["1._extra_state"]
    assert other[1].calls == 7


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(2, 1), nn.Linear(2, 1, bias=False), nn.ReLU(), nn.Softmax(1), nn.LayerNorm(2), nn.Dropout(), nn.Flatten(),
     nn.RNN(2, 2), nn.Embedding(2, 2), nn.Sequential(nn.Tanh())],
    ids=repr,
)  # fmt: skip
def test_a_forgotten_return_is_named(layer):
    class Forgetful(nn.Module):
        def forward(self, x):
            x * 2

    with pytest.raises(mt.errors.DtypeError, match=r"was called with None[\s\S]*forget its return"):
        nn.Sequential(Forgetful(), layer)(mt.ones(3, 2))
    for loss in (nn.MSELoss(), nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss()):
        with pytest.raises(mt.errors.DtypeError, match="forget its return"):
            loss(Forgetful()(mt.ones(2)), mt.ones(2))
    with pytest.raises(mt.MicrotrainError, match="linear"):  # other errors are what they were
        nn.Linear(2, 1)(mt.ones(3))


def test_none_may_be_what_a_module_of_the_program_takes():
    class Start(nn.Module):
        def forward(self, x):
            return mt.ones(2) if x is None else x["missing"]

    assert Start()(None).tolist() == [1, 1]
    with pytest.raises(KeyError):
        Start()({})


@pytest.mark.parametrize("kind", [nn.ReLU, nn.Softmax, nn.LeakyReLU, nn.MSELoss, nn.HuberLoss])
def test_modules_are_made_before_they_are_called(kind):
    with pytest.raises(mt.errors.ArgumentError, match=r"made with data of shape \(2, 3\)[\s\S]*\(\)\(x\)"):
        kind(mt.ones(2, 3))
    with pytest.raises(mt.errors.ArgumentError, match="made with data"):
        nn.CrossEntropyLoss(mt.ones(2, 3), mt.tensor([0, 1]))
    assert nn.CrossEntropyLoss(mt.ones(3)).weight.shape == (3,) and nn.LeakyReLU(mt.tensor(0.5)).negative_slope == 0.5


def test_a_getattr_of_a_subclass_may_ask_the_base_class():
    class Wrapped(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("inner"), name)

    wrapped = Wrapped(nn.Linear(2, 3))
    assert wrapped.in_features == 2 and wrapped.weight is wrapped.inner.weight
    with pytest.raises(AttributeError, match="Linear has no attribute 'width'"):
        _ = wrapped.width
