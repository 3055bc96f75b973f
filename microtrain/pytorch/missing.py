"""What PyTorch has and microtrain leaves out on purpose, by name; and what to say about other names."""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from collections.abc import Iterable
from opcode import opmap
from typing import Any, NoReturn

from ..errors import MicrotrainError, UnsupportedError

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
        "jit export fx package _dynamo",
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

_NUMPY = "Use NumPy on x.detach().numpy() where no gradient is wanted; or PyTorch."
_RARE = "It is rarely used where training is learned."
_COMPLEX = "Tensors hold real numbers."
_STORAGE = "Memory is NumPy's; microtrain watches writes to it, and so does not hand it out."

TENSOR = _reasons(
    (
        """H mH adjoint angle cdouble cfloat chalf conj conj_physical conj_physical_ imag is_conj is_neg isreal real
        resolve_conj resolve_neg""",
        _COMPLEX,
        "Use x.T or x.mT; of a real number everything else is itself, 0, or its sign.",
    ),
    (
        """ccol_indices coalesce col_indices crow_indices dense_dim indices is_coalesced is_sparse_csr row_indices smm
        sparse_dim sparse_mask sparse_resize_ sparse_resize_and_clear_ sspaddmm to_dense to_padded_tensor to_sparse
        to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr values resize_as_sparse_""",
        "Tensors are dense.",
        "",
    ),
    (
        """dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point
        qscheme""",
        "Tensors hold floats, integers and booleans.",
        "",
    ),
    (
        """ipu mtia xpu is_ipu is_maia is_mkldnn is_mtia is_vulkan is_xla is_xpu record_stream to_mkldnn is_pinned
        is_shared is_distributed""",
        "Everything lives in main memory.",
        "Leave it out.",
    ),
    (
        """as_strided as_strided_ const_data_ptr set_ is_set_to module_load storage storage_offset storage_type
        untyped_storage resize resize_ resize_as resize_as_ new_empty_strided dim_order as_subclass apply_ map_
        map2_""",
        _STORAGE,
        "Use views (x[1:], x.T, x.reshape), x.clone() and operations on whole tensors.",
    ),
    (
        """as_strided_scatter diagonal_scatter select_scatter slice_scatter slice_inverse narrow_copy unsafe_chunk
        unsafe_split unsafe_split_with_sizes nonzero_static""",
        "It is for PyTorch's compiler.",
        "Write into a clone: y = x.clone(); y[...] = part.",
    ),
    (
        """cholesky_inverse cholesky_solve eig geqrf lstsq lu lu_solve matrix_exp orgqr ormqr pinverse qr solve svd
        symeig triangular_solve""",
        "Its derivative is not needed by anything here.",
        "Use mt.linalg (inv, solve, cholesky, eigvalsh ...); " + _NUMPY[0].lower() + _NUMPY[1:],
    ),
    ("bfloat16", "Mixed precision is for GPUs.", "Use x.float()."),
    ("stft istft", "It needs complex numbers.", ""),
    (
        """addbmm cauchy_ copysign float_power fmax fmin frexp gcd geometric_
        hardshrink hash_tensor histogram i0 igamma igammac index_reduce isneginf isposinf lcm ldexp log_normal_
        logaddexp2 masked_scatter mvlgamma nanmedian nanquantile nextafter put renorm scatter_reduce signbit
        split_with_sizes dsplit reinforce""",
        _RARE,
        "Write it with the functions that are here: its gradient comes by itself. " + _NUMPY,
    ),
    (
        "next_functions variable",
        "A leaf is where the graph begins: PyTorch has a node AccumulateGrad there, whose variable it is; here it is "
        "the leaf itself.",
        "Stop there: while not isinstance(node, mt.Tensor).",
    ),
    ("volatile", "PyTorch dropped it long ago.", "Use `with no_grad():`."),
    ("grad_dtype output_nr is_inference name", "It belongs to PyTorch's engine.", "Leave it out."),
    (
        "register_post_accumulate_grad_hook",
        "Hooks see a gradient before it is added to .grad.",
        "Use x.register_hook(hook), or look at x.grad after backward().",
    ),
    ("new", "It is PyTorch's old way.", "Use new_zeros(...), new_tensor(...), or zeros(..., dtype=x.dtype)."),
)
_HERE = ("solve", "values", "xpu", "name", "new")  # what these names mean in the module itself is another thing
TOP |= {name: reason for name, reason in TENSOR.items() if name not in _HERE} | _reasons(
    (
        """bartlett_window blackman_window hamming_window hann_window kaiser_window signal""",
        "Signal processing is not what this is about.",
        "Use scipy.signal.windows.",
    ),
    (
        """gradient histogramdd lobpcg lu_unpack matrix_rank nuclear_norm pca_lowrank svd_lowrank segment_reduce
        binomial quasirandom unravel rsub range frobenius_norm norm_except_dim constant_pad_nd""",
        _RARE,
        _NUMPY,
    ),
    ("cond while_loop", "Programs run as they are written.", "Use Python's if, for and while."),
    ("from_dlpack to_dlpack from_file frombuffer", _STORAGE, "Use from_numpy(np.from_dlpack(x)) or np.frombuffer."),
    ("library overrides masked monitor mtia types utils_", "It belongs to PyTorch's own tools.", ""),
    (
        """cosine_similarity embedding embedding_bag kl_div poisson_nll_loss pairwise_distance pdist triplet_margin_loss
        margin_ranking_loss hinge_embedding_loss cosine_embedding_loss layer_norm group_norm instance_norm rms_norm
        rrelu threshold celu_ bilinear alpha_dropout feature_dropout ctc_loss pixel_shuffle grid_sampler""",
        "Functions of networks are kept in one place.",
        "Use microtrain.nn.functional, if it is there.",
    ),
    ("lstm lstm_cell gru gru_cell rnn_tanh rnn_relu rnn_tanh_cell rnn_relu_cell", _LARGE, "Use nn.RNN or nn.RNNCell."),
    ("special", "Special functions are named directly.", "Use mt.erf, mt.erfc, mt.lgamma, mt.digamma, mt.xlogy ..."),
    ("testing", "NumPy has it.", "Use mt.allclose(a, b), or np.testing.assert_allclose on x.detach().numpy()."),
    ("strided channels_last memory_format", _STORAGE, "Leave it out."),
    ("uint16 uint32 uint64 complex32", "Tensors hold floats, int8 to int64, uint8 and booleans.", ""),
)

LINALG = _reasons(
    (
        """eig eigvals svd svdvals qr pinv lstsq matrix_rank matrix_exp lu lu_factor lu_factor_ex lu_solve ldl_factor
        ldl_factor_ex ldl_solve cond cholesky_ex inv_ex solve_ex solve_triangular householder_product tensorinv
        tensorsolve""",
        "Their derivatives are not needed by anything here.",
        _NUMPY,
    ),
)

AUTOGRAD = _reasons(
    (
        "forward_ad graph profiler profiler_util variable grad_mode anomaly_mode",
        "It belongs to PyTorch's engine.",
        "Derivatives in a direction are mt.jvp; no_grad and detect_anomaly are in microtrain itself.",
    ),
)

OPTIM = _reasons(
    ("SparseAdam", "Gradients are dense arrays.", "Use Adam."),
    ("Adafactor Muon", "They are made for very large matrices.", ""),
    ("swa_utils", "A mean of weights is a line of arithmetic.", "Use optim.ASGD, which keeps the mean of its path."),
)

NN_UTILS = _reasons(
    (
        """weight_norm remove_weight_norm spectral_norm remove_spectral_norm parametrize parametrizations
        fuse_conv_bn_eval fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights prune skip_init stateless
        memory_format convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format""",
        "Here parameters are what they seem to be.",
        "Compute the weight in forward() from a parameter of your own: its gradient comes by itself.",
    ),
)

DATA = _reasons(
    (
        "DistributedSampler distributed",
        "There is one process on one CPU, which sees all of the data.",
        "Leave it out: DataLoader(data, batch_size, shuffle=True) mixes them anew each epoch, without set_epoch().",
    ),
    (
        """IterDataPipe DFIterDataPipe MapDataPipe DataChunk functional_datapipe guaranteed_datapipes_determinism
        non_deterministic argument_validation runtime_validation runtime_validation_disabled datapipes""",
        "PyTorch itself has given data pipes up.",
        "Write a Dataset, or an IterableDataset whose __iter__() is a generator.",
    ),
)

NN_UTILS_RNN = _reasons(
    (
        "PackedSequence pack_padded_sequence pad_packed_sequence pack_sequence unpack_sequence invert_permutation",
        "RNN goes through sequences of one length.",
        "Use pad_sequence and a mask: mt.arange(L) < lengths[:, None] in the loss.",
    ),
)

OF_MODULE = {
    "microtrain.data": DATA,
    "microtrain.utils.data": DATA,
    "microtrain.utils.data.sampler": DATA,
    "microtrain.nn.utils": NN_UTILS,
    "microtrain.nn.utils.rnn": NN_UTILS_RNN,
    "microtrain": TOP,
    "microtrain.autograd": AUTOGRAD,
    "microtrain.Tensor": TENSOR,
    "microtrain.nn": NN,
    "microtrain.nn.functional": FUNCTIONAL,
    "microtrain.linalg": LINALG,
    "microtrain.optim": OPTIM,
}


MODULES = _reasons(
    (
        "microtrain.cuda microtrain.backends microtrain.mps microtrain.xpu",
        "Everything is computed on the CPU.",
        "Leave it out; mt.device('cpu') and x.to('cpu') are understood.",
    ),
    ("microtrain.nn.modules", "Modules are in one place.", "Import them from microtrain.nn."),
    ("microtrain.utils.tensorboard", "Runs are drawn by matplotlib.", "Use microtrain.train and microtrain.viz."),
    (
        """microtrain.utils.checkpoint microtrain.utils.benchmark microtrain.utils.hooks microtrain.utils.cpp_extension
        microtrain.utils.model_zoo microtrain.utils.bottleneck microtrain.utils.dlpack microtrain.onnx""",
        "It belongs to PyTorch's own tools.",
        "",
    ),
)  # modules of PyTorch that can't be imported although there may be something of their name

_IMPORT_FROM = opmap["IMPORT_FROM"]


class UnknownNameError(MicrotrainError, AttributeError):
    """A name that a module does not have; perhaps a misspelt one."""


class ImportNameError(MicrotrainError, ImportError):
    """The same, where `from ... import name` asks for it."""


class ImportModuleError(ImportNameError, ModuleNotFoundError):
    """The same, where a module that is left out is imported."""


def _by_form(module: str, name: str, known: list[str]) -> tuple[str, str] | None:
    """(why, what to do) of a function that would write in place: in microtrain these are methods."""
    plain = name.removesuffix("_")
    if module == "microtrain" and _INTERNAL.search(name):
        return "It belongs to PyTorch's own engine.", "Leave it out."
    if plain == name or not module.startswith("microtrain"):
        return None
    if plain in OF_MODULE.get(module, {}):
        return OF_MODULE[module][plain]
    if module == "microtrain.Tensor" and plain in known:
        return "It has no form that writes in place.", f"Make a new tensor: x = x.{plain}(...)."
    if module == "microtrain" and (plain in known or plain in ("zero", "fill")):
        return "What writes in place is a method.", f"Use x.{name}(...)."
    return None


_INTERNAL = re.compile(
    r"^(sym|miopen|mkldnn|cudnn|fbgemm|native|quantized?|fake_quantize|parse|batch_norm|sparse|fused|import_ir)_|autocast"
    r"|_copy$|^(is|get|set|init)_(autocast|warn|storage|deterministic|num|flush|vulkan|inference|anomaly|float32|device_|file)"
)


def _close(name: str, names: list[str]) -> list[str]:
    """The names that were probably meant: the most similar one, and any other that is nearly as similar."""
    lower = {n.lower(): n for n in names}
    found = difflib.get_close_matches(name.lower(), lower, 3, 0.75 if len(name) > 3 else 0.8)
    score = [difflib.SequenceMatcher(None, n, name.lower()).ratio() for n in found]
    return [lower[n] for n, s in zip(found, score, strict=True) if s > score[0] - 0.05]


def refuse(module: str, name: str, known: Iterable[str] = ()) -> NoReturn:
    """What a module's `__getattr__` raises: why it is not here, or which name was probably meant.

    Raises `UnsupportedError` for what is left out on purpose, `UnknownNameError` for the rest; both are attribute
    errors. To `from module import name` an `ImportError`, because Python would replace the others by one of its own.
    """
    if name.startswith("__"):
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    names = [n for n in known if not n.startswith("_")]
    left_out = OF_MODULE.get(module, {}).get(name) or _by_form(module, name, names)
    if left_out is not None:
        message = (f"{module.replace('microtrain', 'torch', 1)}.{name} is not in microtrain.", *left_out)
        kind: Any = UnsupportedError
    else:
        close = [n for n in names if n.lower() == name.lower()] or _close(name, names)
        fix = f"Did you mean {' or '.join(close)}?" if close else ""
        message = (f"{module} has no '{name}'.", "", fix)
        kind = UnknownNameError
    asking = sys._getframe(2)
    if asking.f_code.co_name == "_handle_fromlist":  # of a package, which may have a file of that name
        if left_out or importlib.util.find_spec(f"{module}.{name}") is None:
            kind = ImportNameError
    elif asking.f_code.co_code[asking.f_lasti] == _IMPORT_FROM:
        kind = ImportNameError
    raise kind(*message)


class _LeftOut:
    """The last of Python's finders: tells `import microtrain.distributions` what `microtrain.distributions` tells."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        module, _, last = name.rpartition(".")
        reason = OF_MODULE.get(module, {}).get(last) or MODULES.get(name)
        if reason is not None:
            raise ImportModuleError(f"{name.replace('microtrain', 'torch', 1)} is not in microtrain.", *reason)


sys.meta_path.append(_LeftOut)
