"""Optimizers, with PyTorch's names, defaults and meaning."""

from nnfast.optim.adam import Adam as Adam
from nnfast.optim.adam import AdamW as AdamW
from nnfast.optim.optimizer import Optimizer as Optimizer
from nnfast.optim.sgd import SGD as SGD
