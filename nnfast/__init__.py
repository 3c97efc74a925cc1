"""nnfast: train and run neural networks on an ordinary CPU, fast."""

from nnfast import _core

_core.set_isa("")
from nnfast.ops import *
from nnfast.tensor import *
