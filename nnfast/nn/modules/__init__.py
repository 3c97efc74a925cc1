"""Where PyTorch keeps what belongs to all modules: `nn.modules.module`."""

from nnfast.nn.modules import module as module
