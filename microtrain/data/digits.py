"""1,797 handwritten digits, 8 x 8 pixels each, inside the package."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

import numpy as np

from ..errors import DataFileError
from ..functions.creation import tensor
from ..tensor import Tensor

DIGITS_CITATION = (
    "E. Alpaydin and C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998, "
    "doi:10.24432/C50P49 (the test part, 1,797 images), CC BY 4.0"
)
HELD_OUT = 360  # images of the fixed test set


class Digits(NamedTuple):
    """Training and test images (n, 64), pixels from 0 to 1, and labels (n,)."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def load_digits(dtype: object = None) -> Digits:
    """The digits, split once and for all into 1,437 for training and 360 held out; see `DIGITS_CITATION`.

    The pixels are counts from 0 to 16 in the original and are divided by 16 here. The split is a fixed random one, the
    same in every run, so that results can be compared.
    """
    try:
        with resources.files(__package__).joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise DataFileError(
            f"The digits that belong to the package can't be read: {error}", fix="Install microtrain again."
        ) from None
    order = np.random.Generator(np.random.PCG64(1998)).permutation(len(images))
    pixels, classes = images.reshape(len(images), -1)[order] / 16, labels[order].astype(np.int64)
    held_out, rest = slice(HELD_OUT), slice(HELD_OUT, None)
    return Digits(
        tensor(pixels[rest], dtype=dtype),
        tensor(classes[rest]),
        tensor(pixels[held_out], dtype=dtype),
        tensor(classes[held_out]),
    )
