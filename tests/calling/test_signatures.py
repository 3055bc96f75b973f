"""How functions of tensors are called: PyTorch's names of the inputs, and errors that show the signature."""

import inspect
import pickle

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis, data, nn, optim, train
from microtrain.errors import ArgumentError, SignatureError
from microtrain.ops.primitive import FUNCTIONS, METHODS, Primitive
from microtrain.optim import lr_scheduler as scheduler
from microtrain.viz import plots


def test_inputs_by_name():
    x = mt.tensor(3.0, requires_grad=True)
    y = mt.tensor(2.0)
    assert mt.mul(input=x, other=y).item() == mt.mul(x, other=y).item() == x.mul(other=y).item() == 6
    assert mt.pow(x, exponent=2).item() == x.pow(exponent=2).item() == 9
    assert mt.exp(input=[0.0]).tolist() == [1] and mt.maximum(input=[1.0, 5.0], other=[2.0, 3.0]).tolist() == [2, 5]
    assert mt.sum(input=[1.0, 2.0], dim=0).item() == 3 and mt.cat(tensors=[[1.0], [2.0]]).tolist() == [1, 2]
    z = x * 1
    assert z.mul_(other=4) is z and z.item() == 12
    mt.mul(input=x, other=y).backward()
    assert x.grad.item() == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x: mt.relu(x, 2), r"relu\(\) was called with 2 arguments by position: too many.*\n.*relu\(input\)"),
        (lambda x: mt.mul(x), r"missing a required argument: 'other'\.\n.*mul\(input, other\)"),
        (lambda x: x.mul(), r"mul\(input, other\)"),
        (lambda x: x.mul(2, 3), r"mul\(input, other\)"),
        (lambda x: x.mul_(2, 3), r"mul_\(input, other\)"),
        (lambda x: mt.mul(x, 2, other=3), "multiple values for argument 'other'"),
        (lambda x: mt.exp(), r"exp\(input\)"),
        (lambda x: x.exp(out=x), r"unexpected keyword argument 'out'[\s\S]*no out="),
        (lambda x: mt.pow(x, other=2), r"pow\(input, exponent\)"),
        (lambda x: mt.sum(x, 0, True, 3), r"sum\(input, dim=None, keepdim=False, \*, dtype=None\)"),
        (lambda x: x.sum(0, keep=True), r"and keep=[\s\S]*keepdim=False"),
        (lambda x: x.sum(0, axis=0), "multiple values for argument 'axis'|axis"),
        (lambda x: x.sum(axis=0, dim=0), "both dim=0 and axis=0"),
        (lambda x: x.sum(keepdim=True, keepdims=True), "both keepdim=True and keepdims=True"),
        (lambda x: mt.lerp(x, x), r"lerp\(input, end, weight\)"),
        (lambda x: x.transpose(0), r"transpose\(input, dim0, dim1\)"),
        (lambda x: x.transpose(1, 0, 2), r"x\.T, [\s\S]*permute\(2, 0, 1\)"),
        (lambda x: x.var(axis=0, ddof=1), r"axis=, ddof=: got an unexpected keyword argument 'ddof'\.\n.*correction"),
        (lambda x: x.reshape((2, 2), order="F"), r"'order'\.\n.*x\.T\.reshape"),
        (lambda x: mt.tensor(1, 2, 3), r"3 arguments by position: too many[\s\S]*tensor\(data, \*, dtype=None"),
        (lambda x: mt.zeros(2, fill=1), r"and fill=: [\s\S]*zeros\(\*shape"),
        (lambda x: mt.randn(2, seed=1), r"'seed'[\s\S]*generator=None"),
        (lambda x: mt.normal(0, 1, 2, 3, 4), r"normal\(mean=0\.0, std=1\.0, size=None"),
        (lambda x: mt.grad(lambda x: x)(x), r"missing a required argument: 'inputs'\.\n.*y = f\(x\) comes first"),
        (lambda x: mt.hessian(lambda x: x.sum())(x), r"it is hessian\(f, x\)"),
        (lambda x: mt.linalg.norm(x, p=2), r"'p'[\s\S]*norm\(A, ord=None"),
        (lambda x: mt.matmul(x), r"matmul\(input, other\)"),
        (lambda x: x.unsqueeze_(), r"unsqueeze_\(self, dim\)"),
    ],
)
def test_wrong_calls_show_the_signature(wrong, message):
    with pytest.raises(SignatureError, match=message) as caught:
        wrong(mt.ones(2))
    assert isinstance(caught.value, ArgumentError) and isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda f: analysis.lanczos(f), r"objective\(loss, params\)"),
        (lambda f: analysis.hessian("loss", [1.0]), r"'str' object is not callable(.|\n)*hessian\(loss, params=None\)"),
        (lambda f: analysis.gradient_flow(f, [1.0], t_end=1.0, method="Euler"), "`method` must be one of"),
        (lambda f: analysis.gradient_flow(f, [1.0], 1.0), "too many positional"),
        (lambda f: analysis.landscape(f, [0.0, 0.0], 3.0), "not iterable"),
        (lambda f: analysis.trace(lambda p: 3, f, [1.0], steps=1), "no attribute 'step'"),
        (lambda f: optim.bracketing(3), r"bracketing\(phi, low=0.0"),
        (lambda f: optim.golden_section(lambda step: np.ones(2)), "golden_section"),
        (lambda f: optim.strong_wolfe(lambda t: t, 1.0, 0.0, -1.0), "cannot unpack"),
        (lambda f: nn.utils.clip_grad_norm_([]), "missing a required argument: 'max_norm'"),
        (lambda f: nn.utils.clip_grad_norm_([], "a"), "could not convert"),
        (lambda f: nn.init.normal_(mt.zeros(2), "a"), "normal_"),
        (lambda f: data.make_moons("a"), "make_moons"),
        (lambda f: optim.Momentum([mt.zeros(1, requires_grad=True)], beta="a"), r"Momentum\(params, lr=0.001, beta"),
        (lambda f: optim.schedules.Cosine("a"), r"Cosine\(total='a'\)"),
        (lambda f: train.EarlyStopping(patience="a"), r"EarlyStopping\(monitor='test_loss', patience=5"),
        (lambda f: train.accuracy(f, 3), "accuracy"),
        (lambda f: plots.landscape(3), r"'int' object has no attribute 'values'"),
    ],
)
def test_packages_answer_as_operations_do(wrong, message):
    with pytest.raises(mt.MicrotrainError, match=message):
        wrong(lambda w: (w * w).sum())


def test_errors_of_the_function_that_is_looked_at_are_its_own():
    def loss(w):
        return {}["forgotten"]

    def asks_numpy(w):
        return np.linalg.inv(np.zeros((2, 2)))

    for look in (analysis.hessian, analysis.lambda_max, analysis.landscape):
        with pytest.raises(KeyError, match="forgotten"):
            look(loss, [1.0, 2.0])
        with pytest.raises(np.linalg.LinAlgError):  # it comes up in NumPy, but the loss called that
            look(asks_numpy, [1.0, 2.0])


def test_other_type_errors_are_left_alone():
    with pytest.raises(mt.MicrotrainError, match="whole numbers") as caught:
        mt.ones(2).sum(dim="a")
    assert not isinstance(caught.value, SignatureError)
    for call in (
        lambda x: mt.exp(None),
        lambda x: x.atan2(None),
        lambda x: mt.mul(x, other=None),
        lambda x: mt.sum(None),
    ):
        with pytest.raises(mt.MicrotrainError, match=r"is None, not a tensor[\s\S]*return"):
            call(mt.ones(2))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.cross(0), lambda x: x.dot(0), lambda x: x.diag("x"), lambda x: x.expand_as(3), lambda x: x.rot90(0, 1),
        lambda x: x.histc(0), lambda x: x.split(0.5), lambda x: x.new_zeros(-1), lambda x: x.new_tensor("x"), lambda x: x.topk("x"),
        lambda x: x.kron(2), lambda x: x.matrix_power(0.5), lambda x: x.quantile("x"), lambda x: x.prelu(0), lambda x: x.stride(5),
        lambda x: mt.where(x > 0, None, x), lambda x: x.copy_(None), lambda x: x.tril(0.5), lambda x: x.sum(True),
        lambda x: x.unsqueeze(True), lambda x: x.view(True, 4), lambda x: x.hsplit(3), lambda x: mt.tensor(1.0).diff(),
        lambda x: x[0][1.5:2], lambda x: x.__setitem__(0, None), lambda x: mt.rand(2, generator=3), lambda x: x.mm(x[None]),
        lambda x: mt.rand(2, generator=np.random.default_rng(0)), lambda x: x.bmm(x), lambda x: mt.mv(x, x.T),
        lambda x: mt.normal(mt.ones(2), mt.ones(3)), lambda x: mt.zeros(True), lambda x: mt.zeros(2, size=3),
        lambda x: x.requires_grad_().register_hook(3), lambda x: mt.tensor(1.0).kthvalue(2), lambda x: x.addcdiv(1, 0), lambda x: x.addmm(0, 1), lambda x: x.index_put(0, 1),
    ],
)  # fmt: skip
def test_no_message_is_raw(wrong):
    """Whatever Python or NumPy says about arguments, it is said by an error of ours."""
    with pytest.raises(mt.MicrotrainError):
        wrong(mt.ones(2, 4))


def test_what_pytorchs_older_forms_mean():
    x = mt.tensor([[1.0, 2.0], [4.0, 8.0]])
    assert x.var(False) == x.var(unbiased=False) and x.std(True) == x.std() and x.diff(n=5).shape == (2, 0)
    assert mt.tensor([1, 2]).nan_to_num().tolist() == [1, 2] and (x * float("nan")).nan_to_num(None).sum() == 0
    assert x.copy_(mt.zeros(2, 2), non_blocking=True).sum() == 0


def test_errors_in_the_users_own_code_go_through():
    class Broken:
        def forward(self, *_):
            raise KeyError("mine")

    for call in (lambda: mt.ones(2).sum(), lambda: mt.sum(mt.ones(2)), lambda: mt.ones(2).exp()):
        with mt.listen(Broken()), pytest.raises(KeyError, match="mine"):
            call()


def test_functions_and_methods_know_their_names():
    for name, function in FUNCTIONS.items():
        public = getattr(mt, name)
        assert (public.__name__, public.__module__) == (name, "microtrain")
        if not isinstance(function, Primitive) and name != "trace":  # mt.trace records programs too
            assert inspect.signature(public) == inspect.signature(function)
    assert [name for name in METHODS if getattr(mt.Tensor, name).__qualname__ != f"Tensor.{name}"] == []


def test_inside_formulas_functions_still_read_symbols():
    bump = mt.elementwise("bump", lambda x: mt.exp(-mt.square(x)))
    assert bump([0.0]).tolist() == [1]


@pytest.mark.parametrize(
    "function", [mt.zeros, mt.asarray, mt.grad, mt.linalg.norm, nn.utils.clip_grad_norm_, mt.data.make_moons]
)
def test_functions_can_be_sent_to_other_processes(function):
    assert pickle.loads(pickle.dumps(function)) is function


def an_optimizer():
    return mt.optim.SGD([mt.ones(1, requires_grad=True)], lr=0.1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: nn.Linear(2), r"Linear\(\) was called with 1 argument by position: missing a required argument: 'out_fea"),
        (lambda: nn.Linear(2, 3, foo=1), r"unexpected keyword argument 'foo'[\s\S]*called as Linear\(in_features, out"),
        (lambda: nn.Linear("a", 2), r"shape \(2, 'a'\): sizes are integers"),
        (lambda: nn.RNN(2, 1.5), "sizes are integers"),
        (lambda: nn.Dropout("x"), r"Dropout\(p='x'\) is not possible"),
        (lambda: nn.LayerNorm(None), "LayerNorm"),
        (lambda: nn.Unflatten(1, 5), r"Unflatten\(dim=1, unflattened_size=5\)"),
        (lambda: nn.ModuleList(nn.Linear(1, 1)), r"ModuleList takes several Modules here, not one Linear"),
        (lambda: nn.ModuleDict([nn.ReLU()]), "ModuleDict"),
        (lambda: nn.ModuleDict({1: nn.ReLU()}), "texts as names, not 1"),
        (lambda: nn.ReLU().register_buffer(3, mt.ones(1)), "texts as names, not 3"),
        (lambda: scheduler.StepLR(an_optimizer()), r"StepLR\(\) was called with 1 argument.*\n.*called as StepLR\(opti"),
        (lambda: scheduler.StepLR(an_optimizer(), 3, verbose=True), r"'verbose'.*\n.*print scheduler\.get_last_lr"),
        (lambda: scheduler.ReduceLROnPlateau(an_optimizer(), verbose=True), "gave it up"),
        (lambda: scheduler.LambdaLR(an_optimizer(), lambda: 1), r"LambdaLR\([\s\S]*takes 0 positional arguments"),
        (lambda: mt.data.DataLoader([1], foo=1), r"DataLoader\(\) was called with .* and foo="),
        (lambda: mt.data.TensorDataset([1, 2]), r"TensorDataset\(tensors="),
        (lambda: mt.ones(2, 3).size("a"), r"size\('a'\): a tensor of shape \(2, 3\)"),
    ],
)  # fmt: skip
def test_wrong_constructions_are_explained(wrong, message):
    with pytest.raises(mt.MicrotrainError, match=message) as caught:
        wrong()
    assert "self" not in str(caught.value)


def test_constructors_of_the_program_are_its_own():
    class Mine(nn.Linear):
        def __init__(self, count):
            super().__init__(count)

    with pytest.raises(TypeError, match="Mine") as caught:
        Mine()
    assert not isinstance(caught.value, mt.MicrotrainError)
    with pytest.raises(SignatureError, match=r"Linear\(\) was called with 1 argument"):
        Mine(2)

    def broken(step):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        scheduler.LambdaLR(an_optimizer(), broken)
    assert not isinstance(caught.value, mt.MicrotrainError)
    assert str(inspect.signature(nn.Dropout)).startswith("(p: 'float' = 0.5")
