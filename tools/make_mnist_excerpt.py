"""Draw the excerpt of MNIST that the package embeds from the four original files.

    python tools/make_mnist_excerpt.py --data-dir FOLDER

Of each digit it takes the same number of images, evenly spaced over the original order (the test
split begins with the easier half), and keeps that order. No randomness: the same files every time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnfast.data import load_mnist, write_idx

TRAIN_PER_DIGIT, TEST_PER_DIGIT = 500, 100
OUT = Path(__file__).resolve().parent.parent / "nnfast" / "data" / "mnist_excerpt"


def pick(labels: np.ndarray, per_digit: int) -> np.ndarray:
    """Sorted indices with `per_digit` of every digit, evenly spaced over its occurrences."""
    chosen = []
    for digit in range(10):
        places = np.flatnonzero(labels == digit)
        if len(places) < per_digit:
            raise SystemExit(f"expected at least {per_digit} images of {digit}, got {len(places)}")
        chosen.append(places[np.arange(per_digit) * len(places) // per_digit])
    return np.sort(np.concatenate(chosen))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="folder with the four files of MNIST")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write (default: package)")
    options = parser.parse_args(argv)
    train_images, train_labels, test_images, test_labels = load_mnist(options.data_dir)
    options.out.mkdir(parents=True, exist_ok=True)
    for part, images, labels, per_digit in (
        ("train", train_images, train_labels, TRAIN_PER_DIGIT),
        ("t10k", test_images, test_labels, TEST_PER_DIGIT),
    ):
        rows = pick(labels, per_digit)
        write_idx(options.out / f"{part}-images-idx3-ubyte.gz", images[rows])
        write_idx(options.out / f"{part}-labels-idx1-ubyte.gz", labels[rows])
        print(f"{part}: {len(rows)} images, {per_digit} of each digit")


if __name__ == "__main__":
    main()
