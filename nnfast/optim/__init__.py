"""Optimizers, with PyTorch's names, defaults and meaning."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from nnfast.optim import lr_scheduler as lr_scheduler
from nnfast.optim.adadelta import Adadelta as Adadelta
from nnfast.optim.adagrad import Adagrad as Adagrad
from nnfast.optim.adam import Adam as Adam
from nnfast.optim.adam import AdamW as AdamW
from nnfast.optim.adamax import Adamax as Adamax
from nnfast.optim.asgd import ASGD as ASGD
from nnfast.optim.lbfgs import LBFGS as LBFGS
from nnfast.optim.nadam import NAdam as NAdam
from nnfast.optim.optimizer import Optimizer as Optimizer
from nnfast.optim.radam import RAdam as RAdam
from nnfast.optim.rmsprop import RMSprop as RMSprop
from nnfast.optim.rprop import Rprop as Rprop
from nnfast.optim.sgd import SGD as SGD

if _TYPE_CHECKING:
    from nnfast.optim import swa_utils as swa_utils


def __getattr__(name: str) -> _Any:
    if name == "swa_utils":  # it needs nn, which an optimizer does not
        return _import_module("nnfast.optim.swa_utils")
    raise AttributeError(f"module 'nnfast.optim' has no attribute '{name}'")
