"""Data: batches from arrays, the MNIST digits, IDX files."""

from nnfast.data.idx import read_idx, write_idx
from nnfast.data.loader import DataLoader, TensorDataset, split
from nnfast.data.mnist import MNIST_MEAN, MNIST_STD, load_mnist, normalize_images

__all__ = [
    "MNIST_MEAN",
    "MNIST_STD",
    "DataLoader",
    "TensorDataset",
    "load_mnist",
    "normalize_images",
    "read_idx",
    "split",
    "write_idx",
]
