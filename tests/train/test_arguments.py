"""What `fit` says about a model, an optimizer, metrics and callbacks that can't be meant."""

import pytest

import microtrain as mt
from microtrain import nn, optim, train
from microtrain.errors import ArgumentError, DtypeError

BATCHES = [(mt.ones(2, 3), mt.tensor([0, 1]))]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": nn.Linear}, "not the class Linear(.|\\n)*not the class itself"),
        ({"model": lambda x: x}, "takes a model, not function"),
        ({"optimizer": optim.SGD}, "takes an optimizer, not the class SGD"),
        ({"optimizer": None}, "takes an optimizer, not NoneType"),
        ({"loss": "mse"}, r"function of \(outputs, targets\), not str"),
        ({"metrics": [train.accuracy]}, "metrics is list(.|\\n)*Give a dict"),
        ({"callbacks": [train.EarlyStopping]}, r"the class EarlyStopping(.|\n)*Make one: EarlyStopping\(\)"),
        ({"callbacks": train.Trajectory()}, "list of callbacks, but there is Trajectory"),
    ],
)
def test_what_is_not_what_it_should_be(changed, message):
    model = nn.Linear(3, 2)
    given = {"model": model, "optimizer": optim.SGD(model.parameters()), **changed}
    with pytest.raises(DtypeError, match=message):
        train.fit(given.pop("model"), BATCHES, given.pop("optimizer"), 1, show=False, **given)


def test_an_optimizer_of_another_model():
    old, new = nn.Linear(3, 2), nn.Linear(3, 2)
    with pytest.raises(ArgumentError, match="no parameter of this model"):
        train.fit(new, BATCHES, optim.SGD(old.parameters()), 1, show=False)
    both = nn.Sequential(nn.Linear(3, 3), new)
    train.fit(both, BATCHES, optim.SGD(new.parameters()), 1, show=False)  # the head alone is trained: that may be


def test_an_optimizer_that_wraps_another_one_has_no_groups_to_look_at():
    class Wrapper(optim.Optimizer):
        def __init__(self, inner):
            self.inner = inner

        def zero_grad(self, set_to_none=True):
            self.inner.zero_grad(set_to_none)

        def step(self, closure=None):
            return self.inner.step(closure)

    model = nn.Linear(3, 2)
    before = model.weight.tolist()
    train.fit(model, BATCHES, Wrapper(optim.SGD(model.parameters(), lr=0.1)), 1, show=False)
    assert model.weight.tolist() != before
