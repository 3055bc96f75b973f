"""Reading tensors from the files that `torch.save` writes, without running anything that is in them.

Such a file is a zip archive: `data.pkl` describes the object, `data/0`, `data/1` ... hold the numbers. The description
is a pickle, a small program that may call anything by name. Here it has few instructions and finds few names: it can
build dicts, lists, tuples, numbers, texts and tensors, and nothing else.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, ClassVar, NamedTuple

import numpy as np

from ..errors import DataFileError
from ..tensor import wrap
from .devices import device

STORAGES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "LongStorage": "i8", "IntStorage": "i4",
    "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
DTYPES = "float64 float32 float16 int64 int32 int16 int8 uint8 bool".split()
INSTRUCTIONS = """PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE
    SHORT_BINUNICODE EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT BINGET LONG_BINGET
    BINPUT LONG_BINPUT MEMOIZE FRAME GLOBAL STACK_GLOBAL REDUCE BINPERSID""".split()
ROOM = 4  # several tensors may show the same numbers, but not more than so many times the size of the file
LARGEST = 2**48


class _Called(NamedTuple):
    """A name that may be called."""

    function: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


class _Dtype(NamedTuple):
    """A dtype, or the kind of a storage."""

    code: str


class _Storage(NamedTuple):
    """The numbers that tensors show, as a vector."""

    numbers: np.ndarray[Any, Any]
    reader: _Reader


class _Content(NamedTuple):
    """What a tensor consists of."""

    array: np.ndarray[Any, Any]
    requires_grad: bool


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any = False, *_: Any) -> _Content:
    """A tensor of numbers from a storage, copied. Raises `UnpicklingError` where it would reach beyond its numbers."""
    if type(storage) is not _Storage or type(shape) is not tuple or type(strides) is not tuple or len(shape) > 32:
        raise pickle.UnpicklingError("a tensor is not described as such")
    if not all(type(n) is int and 0 <= n < LARGEST for n in (offset, *shape, *strides)):
        raise pickle.UnpicklingError("a tensor has an odd shape")
    numbers = storage.numbers
    count, last = 1, offset
    for size, stride in zip(shape, strides, strict=True):
        count *= size
        last += (size - 1) * stride
    if count == 0:
        return _Content(np.zeros(shape, numbers.dtype), requires_grad is True)
    if last >= numbers.size or count > numbers.size:
        raise pickle.UnpicklingError(f"a tensor of shape {shape} reaches beyond its {numbers.size} numbers")
    storage.reader.take(count * numbers.itemsize)
    steps = [stride * numbers.itemsize for stride in strides]
    return _Content(
        np.array(np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps), order="C"), requires_grad is True
    )


def _parameter(data: Any, requires_grad: Any = True, *_: Any) -> _Content:
    if type(data) is not _Content:
        raise pickle.UnpicklingError("a parameter is no tensor")
    return _Content(data.array, requires_grad is True)


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Called(lambda: {}),
    ("torch._utils", "_rebuild_tensor_v2"): _Called(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Called(_parameter),
    ("torch", "Size"): _Called(tuple),
    ("torch", "device"): _Called(device),
    **{("torch", name): _Dtype(code) for name, code in STORAGES.items()},
    **{("torch", name): _Dtype(name) for name in DTYPES},
}


class _Reader(pickle._Unpickler):
    """Builds the object; the numbers of a storage are read when a tensor asks for them.

    It is made of Python's reader that is written in Python: the one in C reserves memory for what a file promises.
    """

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(_stored(archive, f"{folder}/data.pkl")))
        self.archive, self.folder = archive, folder
        self.room = 2**20 + ROOM * sum(entry.file_size for entry in archive.infolist())

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """("storage", dtype, key, device, number of elements)."""
        if type(pid) is not tuple or len(pid) != 5 or pid[0] != "storage" or type(pid[1]) is not _Dtype:
            raise pickle.UnpicklingError("it refers to something that is no tensor")
        raw = _stored(self.archive, f"{self.folder}/data/{pid[2]}")
        self.take(len(raw))
        numbers = np.frombuffer(raw, "u1") != 0 if pid[1].code == "?" else np.frombuffer(raw, pid[1].code)
        return _Storage(numbers, self)

    def take(self, count: int) -> None:
        """Some more bytes of memory."""
        self.room -= count
        if self.room < 0:
            raise pickle.UnpicklingError("its tensors show the same numbers again and again")

    def _set(self, items: Iterable[tuple[Any, Any]]) -> None:
        into = self.stack[-1]
        if type(into) is not dict:
            raise pickle.UnpicklingError("it sets an item of what is no dict")
        for key, value in items:
            if type(key) not in (str, int, float, bool):  # nested tuples can take for ever to hash
                raise pickle.UnpicklingError(f"a key is a {type(key).__name__}")
            into[key] = value

    def set_one(self) -> None:
        """dict, key, value: the instruction SETITEM."""
        value, key = self.stack.pop(), self.stack.pop()
        self._set([(key, value)])

    def set_several(self) -> None:
        """The instruction SETITEMS."""
        items = self.pop_mark()
        self._set(zip(items[::2], items[1::2], strict=True))

    def attributes(self) -> None:
        """The instruction BUILD: the version that a state_dict carries as an attribute, which is not needed."""
        self.stack.pop()

    dispatch: ClassVar[dict[int, Any]] = {
        **{getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in INSTRUCTIONS},
        pickle.SETITEM[0]: set_one,
        pickle.SETITEMS[0]: set_several,
        pickle.BUILD[0]: attributes,
    }


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of the archive. Compressed ones, which might unfold to any size, are refused: torch.save writes none."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"'{name}' is compressed")
    return archive.read(name)


def _finished(obj: Any, done: dict[int, Any]) -> Any:
    """The object with tensors in it; what it contains more than once stays one thing."""
    if id(obj) not in done:
        if type(obj) is dict:
            done[id(obj)] = {key: _finished(value, done) for key, value in obj.items()}
        elif type(obj) in (list, tuple):
            done[id(obj)] = type(obj)(_finished(item, done) for item in obj)
        elif type(obj) is _Dtype:
            done[id(obj)] = np.dtype(obj.code)
        elif type(obj) is _Content:
            done[id(obj)] = tensor = wrap(obj.array)
            tensor.requires_grad_(obj.requires_grad)
        elif obj is None or type(obj) in (device, bool, int, float, str):
            return obj
        else:
            raise pickle.UnpicklingError("it contains something that is not described as data")
    return done[id(obj)]


def read(file: BinaryIO, name: str) -> Any:
    """The object that `torch.save` wrote: tensors in dicts, lists and tuples, and numbers and texts.

    Raises `DataFileError` for anything else inside, such as a whole model, and for damaged files.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            folder = next(n for n in archive.namelist() if n.endswith("/data.pkl")).removesuffix("/data.pkl")
            if f"{folder}/byteorder" in archive.namelist() and _stored(archive, f"{folder}/byteorder") != b"little":
                raise pickle.UnpicklingError("its numbers are big-endian")
            return _finished(_Reader(archive, folder).load(), {})
    except Exception as error:  # a damaged file can be wrong in any way
        raise DataFileError(
            f"{name} can't be read as a file of torch.save: {_said(error)}.",
            "Only tensors, dicts, lists, tuples, numbers and texts are read: anything else could run code.",
            "In PyTorch, save the weights alone: torch.save(model.state_dict(), path), or "
            "safetensors.torch.save_file(model.state_dict(), path).",
        ) from None


def _said(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):
        return str(error)
    return f"it is damaged ({type(error).__name__})"
