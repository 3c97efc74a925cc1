"""Linear algebra under PyTorch's names: norms and products."""

from __future__ import annotations

from nnfast.ops.diagonal import diagonal as diagonal
from nnfast.ops.matmul import matmul as matmul
from nnfast.ops.powers import matrix_power as matrix_power
from nnfast.ops.powers import multi_dot as multi_dot
from nnfast.ops.powers import vecdot as vecdot
from nnfast.ops.product import cross as cross
from nnfast.ops.summary import matrix_norm as matrix_norm
from nnfast.ops.summary import norm as norm
from nnfast.ops.summary import vector_norm as vector_norm
