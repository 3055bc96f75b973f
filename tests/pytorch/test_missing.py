"""What is left out says so by name; what is misspelt is answered with a suggestion."""

import importlib
import inspect

import pytest

import microtrain as mt
from microtrain import nn
from microtrain.pytorch import missing


def test_left_out_on_purpose():
    for module, name, message in [
        (nn, "Conv2d", r"torch\.nn\.Conv2d is not in microtrain[\s\S]*PyTorch"),
        (nn, "BatchNorm1d", "LayerNorm"),
        (nn, "LSTM", "RNN"),
        (nn.functional, "max_pool2d", r"torch\.nn\.functional\.max_pool2d"),
        (mt, "vmap", "jacobian"),
        (mt, "sparse", "dense"),
        (mt.linalg, "svd", "NumPy"),
        (mt.ones(2, requires_grad=True), "next_functions", "AccumulateGrad[\\s\\S]*Stop there"),
    ]:
        with pytest.raises(NotImplementedError, match=message) as caught:
            getattr(module, name)
        assert isinstance(caught.value, AttributeError) and not hasattr(module, name)


def test_misspelt_names():
    for module, name, meant in [
        (nn, "Liner", "Linear"), (nn, "relu", "ReLU"), (mt, "sofmax", "softmax"), (nn.functional, "mseloss", "mse_loss"),
        (mt, "opti", "optim"),
    ]:  # fmt: skip
        with pytest.raises(AttributeError, match=f"has no '{name}'[\\s\\S]*Did you mean.*{meant}"):
            getattr(module, name)
    with pytest.raises(AttributeError, match=r"has no 'qqqqqq'\.$"):
        mt.qqqqqq
    assert not hasattr(mt, "__wrapped__")


def test_imports_of_names_say_the_same():
    with pytest.raises(ImportError, match=r"Conv2d is not in microtrain[\s\S]*PyTorch"):
        exec("from microtrain.nn import Conv2d")
    with pytest.raises(ImportError, match="Did you mean Linear"):
        exec("from microtrain.nn import Liner")
    with pytest.raises(ImportError, match=r"torch\.jit"):
        exec("from microtrain import jit")
    with pytest.raises(ImportError, match=r"torch\.nn\.functional\.conv2d is not in microtrain[\s\S]*PyTorch"):
        exec("from microtrain.nn.functional import relu, conv2d")
    with pytest.raises(ImportError, match="Did you mean relu"):
        exec("from microtrain.nn.functional import rellu")
    with pytest.raises(ImportError, match=r"torch\.linalg\.svd[\s\S]*NumPy"):
        exec("from microtrain.linalg import norm, svd")
    for statement, reason in (
        ("from microtrain.distributions import Normal", "likelihoods"),
        ("import microtrain.func", "Transformations"),
        ("from microtrain.cuda.amp import GradScaler", "CPU"),
        ("import microtrain.backends.cudnn as cudnn", "CPU"),
        ("from microtrain.optim.swa_utils import AveragedModel", "ASGD"),
        ("from microtrain.utils.tensorboard import SummaryWriter", "viz"),
        ("from microtrain.nn.modules.loss import MSELoss", "one place"),
    ):
        with pytest.raises(ModuleNotFoundError, match=rf"torch\.[\s\S]* is not in microtrain[\s\S]*{reason}"):
            exec(statement)
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'microtrain\.nope'"):
        exec("import microtrain.nope")
    for statement in (
        "from microtrain.calling import stubs",
        "from microtrain.nn import utils",
        "from microtrain.nn import show",
    ):
        exec(statement)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("from microtrain.utils.data import DistributedSampler", r"one process[\s\S]*shuffle=True"),
        ("from microtrain.utils.data.distributed import DistributedSampler", r"one process[\s\S]*shuffle=True"),
        ("from microtrain.utils.data.sampler import DistributedSampler", "one process"),
        ("from microtrain.utils.data import IterDataPipe", "IterableDataset"),
        ("from microtrain.data import DataLoder", "Did you mean DataLoader"),
        ("from microtrain.utils import hooks", "PyTorch's own tools"),
    ],
)
def test_places_of_data_sets(statement, reason):
    with pytest.raises(ImportError, match=reason):
        exec(statement)


def test_lists_are_up_to_date():
    """Nothing that is here is said to be missing."""
    for module, names in missing.OF_MODULE.items():
        known = dir(mt.Tensor) if module == "microtrain.Tensor" else vars(importlib.import_module(module))
        assert [name for name in names if name in known] == []
        assert all(why and fix for why, fix in names.values())


def test_suggestions_are_few_and_close():
    x = mt.ones(2, 2)
    for thing, name, fix in [
        (x, "squeze", "Did you mean squeeze?"), (x, "gard", "Did you mean grad?"), (x, "bakcward", "Did you mean backward?"),
        (x, "Relu", "Did you mean relu?"), (mt, "sofmax", "Did you mean softmax?"), (x, "xyzzy", None), (mt, "foo", None),
    ]:  # fmt: skip
        with pytest.raises(AttributeError) as caught:
            getattr(thing, name)
        assert str(caught.value).partition("fix: ")[2] == (fix or "")


def test_attributes_of_tensors():
    x = mt.ones(2, 2)
    for name, message in [
        ("svd", "NumPy"), ("storage", "views"), ("imag", "real numbers"), ("mean_", r"x = x\.mean"), ("gcd_", "rarely"),
    ]:  # fmt: skip
        with pytest.raises(NotImplementedError, match=rf"torch\.Tensor\.{name} is not in microtrain[\s\S]*{message}"):
            getattr(x, name)
    for name, message in [("relu_", r"x\.relu_"), ("zero_", r"x\.zero_"), ("sym_int", "engine"), ("stft", "complex")]:
        with pytest.raises(NotImplementedError, match=message):
            getattr(mt, name)
    assert not hasattr(x, "_private") and not hasattr(x, "__array_interface__")
    x.note = "mine"
    assert x.note == "mine"


@pytest.mark.oracle
def test_every_method_of_torch_is_here_or_in_the_list():
    torch = pytest.importorskip("torch")
    x = mt.ones(2, 2)
    unknown = []
    for name in dir(torch.Tensor):
        try:
            getattr(x, name)
        except NotImplementedError:
            pass
        except AttributeError:
            unknown.append(name)
    assert [n for n in unknown if not n.startswith("_")] == ["index", "polygamma", "polygamma_"]


@pytest.mark.oracle
def test_every_public_name_of_torch_nn_is_here_or_in_the_list():
    torch = pytest.importorskip("torch")
    modules = {
        name
        for name, kind in vars(torch.nn).items()
        if inspect.isclass(kind) and issubclass(kind, torch.nn.Module) and not name.startswith("_")
    }
    ignored = {"Container", "LinearCrossEntropyLoss", "Module"}
    absent = sorted(name for name in modules - ignored - set(missing.NN) if not hasattr(nn, name))
    assert absent == []
    inits = [name for name in vars(torch.nn.init) if name.endswith("_") and not name.startswith("_")]
    assert [name for name in inits if not hasattr(nn.init, name) and name != "dirac_"] == []
