"""Schedules of the learning rate, with PyTorch's names, defaults and meaning.

Call `scheduler.step()` after `optimizer.step()`, once an epoch or once a step. It sets "lr" of the
optimizer's groups; a compiled step reads it anew at each call.
"""

from nnfast.optim.lr_scheduler.compose import ChainedScheduler as ChainedScheduler
from nnfast.optim.lr_scheduler.compose import SequentialLR as SequentialLR
from nnfast.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from nnfast.optim.lr_scheduler.cosine import (
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
)
from nnfast.optim.lr_scheduler.cyclic import CyclicLR as CyclicLR
from nnfast.optim.lr_scheduler.cyclic import OneCycleLR as OneCycleLR
from nnfast.optim.lr_scheduler.factor import ConstantLR as ConstantLR
from nnfast.optim.lr_scheduler.factor import ExponentialLR as ExponentialLR
from nnfast.optim.lr_scheduler.factor import InverseSquareRootLR as InverseSquareRootLR
from nnfast.optim.lr_scheduler.factor import LambdaLR as LambdaLR
from nnfast.optim.lr_scheduler.factor import LinearLR as LinearLR
from nnfast.optim.lr_scheduler.factor import MultiplicativeLR as MultiplicativeLR
from nnfast.optim.lr_scheduler.factor import MultiStepLR as MultiStepLR
from nnfast.optim.lr_scheduler.factor import PolynomialLR as PolynomialLR
from nnfast.optim.lr_scheduler.factor import StepLR as StepLR
from nnfast.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from nnfast.optim.lr_scheduler.scheduler import LRScheduler as LRScheduler
