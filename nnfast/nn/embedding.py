"""A table of vectors, looked up by number."""

from __future__ import annotations

from nnfast import ops
from nnfast.nn import init
from nnfast.nn.checks import whole
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.gather import check_padding
from nnfast.tensor import Tensor


class Embedding(Module):
    """The row of `weight` for each number; standard normal at the start.

    Row padding_idx is 0 at the start and gets no gradient.

    Shapes: any shape of integers -> (*, embedding_dim); weight (num_embeddings, embedding_dim).

    >>> import nnfast
    >>> nnfast.nn.Embedding(10, 3)(nnfast.tensor([[1, 2], [4, 5]])).shape
    (2, 2, 3)
    """

    weight: Parameter

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__()
        self.num_embeddings = whole("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = whole("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = (
            None if padding_idx is None else check_padding(padding_idx, num_embeddings)
        )
        self.weight = empty_parameter(self.num_embeddings, self.embedding_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.array[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        return ops.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
