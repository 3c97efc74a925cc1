"""Name the digits on an image or in an IDX file with trained weights."""

from __future__ import annotations

import argparse

import numpy as np

from nnfast import models
from nnfast.creation import from_numpy
from nnfast.data import normalize_images, read_idx
from nnfast.errors import FormatError, fail
from nnfast.graph.mode import no_grad
from nnfast.nn import Module
from nnfast.nn.functional import softmax
from nnfast.serialize import load, metadata

SIDE = 28  # pixels of an MNIST image
BATCH = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `nnfast predict`."""
    parser.add_argument("weights", help="file written by nnfast train")
    parser.add_argument("images", help="an IDX file (plain or gz), or an image that Pillow reads")
    parser.add_argument("--labels", help="IDX file of the right answers: prints the accuracy only")


def run(arguments: argparse.Namespace) -> None:
    """Print `number: digit (probability)` of each image, or the accuracy."""
    model = _load_model(arguments.weights)
    images = _read_images(arguments.images)
    digits, sure = _predict(model, images)
    if arguments.labels is None:
        for i, (digit, p) in enumerate(zip(digits, sure, strict=True)):
            print(f"{i}: {digit} ({p:.1%})")
        return
    labels = read_idx(arguments.labels)
    if labels.shape != digits.shape:
        fail("predict", f"{len(digits)} labels", f"shape {labels.shape}", error=FormatError)
    right = int((labels == digits).sum())
    print(f"{right / max(len(digits), 1):.2%} ({right:,} of {len(digits):,})")


def _load_model(path: str) -> Module:
    name = metadata(path).get("model")
    if name not in models.MODELS:
        fail(
            f"predict {path}",
            f"weights of one of {', '.join(sorted(models.MODELS))}",
            f"model={name!r} in its metadata",
            "use a file written by nnfast train.",
            FormatError,
        )
    model = models.MODELS[name]()
    model.load_state_dict(load(path))
    return model.eval()


def _read_images(path: str) -> np.ndarray:
    """(N, 28, 28) uint8, white on black as MNIST's digits."""
    with open(path, "rb") as file:
        start = file.read(4)
    if start[:2] in (b"\x00\x00", b"\x1f\x8b"):
        images = read_idx(path)
        if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8:
            fail(
                f"predict {path}",
                f"uint8 images (N, {SIDE}, {SIDE})",
                f"{images.shape} {images.dtype}",
                error=FormatError,
            )
        return images
    return _read_picture(path)[None]


def _read_picture(path: str) -> np.ndarray:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        fail(
            f"predict {path}",
            "an IDX file, or Pillow for other images",
            "no Pillow",
            'pip install "nnfast[cli]".',
        )
    try:
        with Image.open(path) as picture:
            gray = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    except UnidentifiedImageError:
        fail(f"predict {path}", "an image or IDX file", "another format", error=FormatError)
    pixels = np.asarray(gray, np.uint8)
    # MNIST is white on black; a bright picture is dark ink on paper.
    return 255 - pixels if pixels.mean() > 127 else pixels


@no_grad()
def _predict(model: Module, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest digit of each image and its probability."""
    rows = [
        softmax(model(from_numpy(normalize_images(images[i : i + BATCH]))), 1).numpy()
        for i in range(0, len(images), BATCH)
    ]
    p = np.concatenate(rows) if rows else np.zeros((0, 10), np.float32)
    return p.argmax(1), p.max(1)
