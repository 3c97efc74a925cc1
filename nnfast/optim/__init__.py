"""Optimizers, with PyTorch's names, defaults and meaning."""

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
