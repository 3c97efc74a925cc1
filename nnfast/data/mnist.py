"""MNIST: handwritten digits, 28x28, 10 classes; the full set from a folder, or a small excerpt."""

from __future__ import annotations

import errno
import os

import numpy as np

from nnfast.data.idx import read_idx
from nnfast.errors import DTypeError, FormatError, fail
from nnfast.files import as_path, refuse

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081
"""Mean and standard deviation of the pixels / 255 of the 60,000 training images."""

_EXCERPT = os.path.join(os.path.dirname(__file__), "mnist_excerpt")


def load_mnist(
    data_dir: str | os.PathLike[str] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Train images, train labels, test images, test labels: uint8 (N, 28, 28) and (N,).

    `data_dir` holds the four IDX files under their usual names, plain (then memory-mapped) or gzip.
    Without it: the excerpt in the package, 5,000 + 1,000 real images, as many of each digit.

    Raises MissingFileError (a FileNotFoundError) that lists what is missing, FormatError for files
    that are damaged or do not fit together.
    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".

    >>> [array.shape for array in load_mnist()]
    [(5000, 28, 28), (5000,), (1000, 28, 28), (1000,)]
    """
    folder = _EXCERPT if data_dir is None else as_path("load_mnist", data_dir)
    where = f"load_mnist({folder!r})"
    stems = [(part, kind) for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    found = [_find(folder, part, kind) for part, kind in stems]
    missing = [stem for stem, path in zip(stems, found, strict=True) if path is None]
    if missing:
        names = ", ".join(f"{part}-{kind}-ubyte" for part, kind in missing)
        got = f"no {names}" if os.path.isdir(folder) else "no such folder"
        looked = " and ".join(_spellings("", *missing[0])[1:])
        cause = FileNotFoundError(errno.ENOENT, got)
        hint = f"{looked} were looked for too; without data_dir you get the excerpt."
        refuse(where, folder, "the four files of MNIST", cause, hint)
    arrays = [read_idx(path) for path in found if path is not None]
    _check(where, "train", arrays[0], arrays[1])
    _check(where, "t10k", arrays[2], arrays[3])
    return arrays[0], arrays[1], arrays[2], arrays[3]


def normalize_images(images: np.ndarray) -> np.ndarray:
    """`(images / 255 - MNIST_MEAN) / MNIST_STD` with a channel axis: uint8 (N, H, W) -> float32
    (N, 1, H, W). Rounded step by step in float32, as torchvision does. DTypeError for other input.

    >>> images = normalize_images(np.full((1, 28, 28), 255, np.uint8))
    >>> images.shape, round(float(images.max()), 4)
    ((1, 1, 28, 28), 2.8215)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3:
        hint = "these are the images as load_mnist gives them."
        got = f"{images.ndim} axes of {images.dtype}"
        fail("normalize_images", "uint8 images (N, H, W)", got, hint, DTypeError, images=images)
    out = images[:, None].astype(np.float32, order="C")
    out /= np.float32(255)
    out -= np.float32(MNIST_MEAN)
    out /= np.float32(MNIST_STD)
    return out


def _spellings(folder: str, part: str, kind: str) -> list[str]:
    names = (f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-', '.')}-ubyte")
    return [os.path.join(folder, name + end) for name in names for end in ("", ".gz")]


def _find(folder: str, part: str, kind: str) -> str | None:
    return next((path for path in _spellings(folder, part, kind) if os.path.isfile(path)), None)


def _check(where: str, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    shown = {f"{part}_images": images, f"{part}_labels": labels}
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        got, hint = f"{images.shape} {images.dtype}", "another data set, or two files swapped?"
        fail(where, f"{part} images (N, 28, 28) uint8", got, hint, FormatError, **shown)
    if labels.dtype != np.uint8 or labels.shape != (len(images),) or len(images) == 0:
        hint = "images and labels must come from the same set."
        got = f"{labels.shape} {labels.dtype}"
        fail(where, f"{len(images)} {part} labels, uint8, N > 0", got, hint, FormatError, **shown)
    if labels.max() > 9:
        got = f"label {labels.max()} at index {labels.argmax()}"
        fail(where, f"{part} labels 0 .. 9", got, "is it another data set?", FormatError, **shown)
