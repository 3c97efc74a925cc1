"""Linear algebra under PyTorch's names: norms and products."""

from __future__ import annotations

from nnfast.ops.diagonal import diagonal as diagonal
from nnfast.ops.matmul import matmul as matmul
from nnfast.ops.product import cross as cross
from nnfast.ops.summary import matrix_norm as matrix_norm
from nnfast.ops.summary import norm as norm
from nnfast.ops.summary import vector_norm as vector_norm
