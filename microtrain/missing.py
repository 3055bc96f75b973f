"""What PyTorch has and microtrain leaves out on purpose, by name; and what to say about other names."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from .errors import MicrotrainError, UnsupportedError

_PYTORCH = "For this take PyTorch; weights go there and back through state_dict and safetensors."


def _reasons(*groups: tuple[str, str, str]) -> dict[str, tuple[str, str]]:
    """{name: (why, what to do instead)} of groups (names, why, what to do)."""
    return {name: (why, fix or _PYTORCH) for names, why, fix in groups for name in names.split()}


_IMAGES = "Convolution and pooling are left out: this library is about training, and dense layers show all of it."
_BATCH = "It mixes the samples of a batch and keeps running averages, so that the loss is no sum over samples any more."
_LARGE = "Here are the parts, one head and one cell, small enough to look into."

NN = _reasons(
    (
        """Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d LazyConv2d LazyConv3d
        LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d
        AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d
        AdaptiveMaxPool3d LPPool1d LPPool2d LPPool3d FractionalMaxPool2d FractionalMaxPool3d MaxUnpool1d MaxUnpool2d
        MaxUnpool3d Fold Unfold Upsample UpsamplingBilinear2d UpsamplingNearest2d PixelShuffle PixelUnshuffle
        ChannelShuffle LocalResponseNorm CrossMapLRN2d Dropout1d Dropout2d Dropout3d ReflectionPad1d ReflectionPad2d
        ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d ConstantPad1d
        ConstantPad2d ConstantPad3d CircularPad1d CircularPad2d CircularPad3d Softmax2d""",
        _IMAGES,
        "",
    ),
    (
        """BatchNorm1d BatchNorm2d BatchNorm3d LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d SyncBatchNorm GroupNorm
        InstanceNorm1d InstanceNorm2d InstanceNorm3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d""",
        _BATCH,
        "Use LayerNorm, which looks at one sample at a time; or PyTorch.",
    ),
    ("LSTM LSTMCell GRU GRUCell RNNBase RNNCellBase", _LARGE, "Use RNN or RNNCell, or write the gates in a Module."),
    (
        """MultiheadAttention Transformer TransformerEncoder TransformerEncoderLayer TransformerDecoder
        TransformerDecoderLayer""",
        _LARGE,
        "Use SelfAttention or functional.scaled_dot_product_attention and LayerNorm; or PyTorch.",
    ),
    ("CosineSimilarity", "A module without parameters is a function.", "Use functional.cosine_similarity."),
    ("DataParallel parallel", "There is one process on one CPU.", ""),
    (
        """CTCLoss CosineEmbeddingLoss MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss TripletMarginLoss
        TripletMarginWithDistanceLoss AdaptiveLogSoftmaxWithLoss NLLLoss2d""",
        "The losses here are those of regression, classification and distributions.",
        "Write it as a function of tensors: its gradient comes by itself.",
    ),
    (
        """AlphaDropout FeatureAlphaDropout EmbeddingBag GLU Hardshrink Hardsigmoid Hardswish RReLU RMSNorm Softmin
        Softshrink Tanhshrink Threshold PairwiseDistance Buffer quantized qat""",
        "It is rarely used where training is learned.",
        "Write it as a function of tensors, or a Module: its gradient comes by itself.",
    ),
)

FUNCTIONAL = _reasons(
    (
        """conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d max_pool1d max_pool2d max_pool3d
        avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d lp_pool2d fold unfold interpolate upsample
        grid_sample affine_grid pixel_shuffle pixel_unshuffle dropout1d dropout2d dropout3d local_response_norm""",
        _IMAGES,
        "",
    ),
    ("batch_norm instance_norm group_norm", _BATCH, "Use layer_norm, which looks at one sample at a time; or PyTorch."),
    ("multi_head_attention_forward", _LARGE, "Use scaled_dot_product_attention; or PyTorch."),
    (
        """ctc_loss cosine_embedding_loss margin_ranking_loss multilabel_margin_loss multilabel_soft_margin_loss
        triplet_margin_loss triplet_margin_with_distance_loss pairwise_distance pdist glu gumbel_softmax hardshrink
        hardsigmoid hardswish rms_norm rrelu softmin softshrink tanhshrink threshold alpha_dropout embedding_bag""",
        "It is rarely used where training is learned.",
        "Write it as a function of tensors: its gradient comes by itself.",
    ),
)

TOP = _reasons(
    (
        "compile",
        "Operations run one by one, as the program comes to them; large ones as fused kernels.",
        "Leave it out: the program computes the same without.",
    ),
    (
        "jit export fx package _dynamo compiler",
        "Programs run as they are written; there is no graph format to export to.",
        "Save weights with microtrain.save(model.state_dict(), path).",
    ),
    (
        "distributed multiprocessing futures Stream Event",
        "There is one process on one CPU.",
        "",
    ),
    (
        "amp autocast GradScaler bfloat16",
        "Mixed precision is for GPUs; here float64 is the default, because Hessians are daily work.",
        "Use model.float() for speed; or PyTorch.",
    ),
    (
        "complex64 complex128 cfloat cdouble complex view_as_complex view_as_real polar fft",
        "Tensors hold real numbers.",
        "",
    ),
    (
        "sparse sparse_coo_tensor sparse_csr_tensor nested quantization ao quantize_per_tensor qint8 quint8",
        "Tensors are dense arrays of floats, integers and booleans.",
        "",
    ),
    (
        "func vmap functional_call",
        "Transformations of functions are left to JAX and PyTorch.",
        "Use grad, vjp, jvp, jacobian, hessian and hvp; write the batch axis out.",
    ),
    (
        "distributions",
        "Only the likelihoods that losses need are here.",
        "Use nn.losses (gaussian_nll ...); or PyTorch.",
    ),
    ("conv1d conv2d conv3d max_pool1d max_pool2d avg_pool1d batch_norm", _IMAGES, ""),
    ("hub profiler", "It belongs to PyTorch's own tools.", ""),
    (
        "set_default_device set_default_tensor_type",
        "Everything lives in main memory, so there is no device to choose.",
        "Leave it out; for the dtype there is set_default_dtype.",
    ),
)

LINALG = _reasons(
    (
        """eigh eig eigvals svd svdvals qr pinv lstsq matrix_rank matrix_exp matrix_power lu lu_factor cond cross
        multi_dot""",
        "Their derivatives are not needed by anything here.",
        "Use NumPy on x.detach().numpy() where no gradient is wanted; or PyTorch.",
    ),
)

OPTIM = _reasons(
    ("SparseAdam", "Gradients are dense arrays.", "Use Adam."),
    ("Adafactor Muon", "They are made for very large matrices.", ""),
    ("swa_utils", "A mean of weights is a line of arithmetic.", "Use optim.ASGD, which keeps the mean of its path."),
)

OF_MODULE = {
    "microtrain": TOP,
    "microtrain.nn": NN,
    "microtrain.nn.functional": FUNCTIONAL,
    "microtrain.linalg": LINALG,
    "microtrain.optim": OPTIM,
}


class UnknownNameError(MicrotrainError, AttributeError):
    """A name that a module does not have; perhaps a misspelt one."""


class ImportNameError(MicrotrainError, ImportError):
    """The same, where `from ... import name` asks for it."""


def refuse(module: str, name: str, known: Iterable[str] = ()) -> NoReturn:
    """What a module's `__getattr__` raises: why it is not here, or which name was probably meant.

    Raises `UnsupportedError` for what is left out on purpose, `UnknownNameError` for the rest; both are attribute
    errors. To `from module import name` an `ImportError`, because Python would replace the others by one of its own.
    """
    if name.startswith("__"):
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    left_out = OF_MODULE.get(module, {}).get(name)
    if left_out is not None:
        message = (f"{module.replace('microtrain', 'torch', 1)}.{name} is not in microtrain.", *left_out)
        kind: Any = UnsupportedError
    else:
        names = [n for n in known if not n.startswith("_")]
        close = difflib.get_close_matches(name, names, 3) or [n for n in names if n.lower() == name.lower()]
        fix = f"Did you mean {' or '.join(close)}?" if close else ""
        message = (f"{module} has no '{name}'.", "", fix)
        kind = UnknownNameError
    importing = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    if importing and (left_out or importlib.util.find_spec(f"{module}.{name}") is None):
        kind = ImportNameError
    raise kind(*message)
