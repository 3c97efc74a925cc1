"""A table of vectors, looked up by number."""

from __future__ import annotations

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn import init
from nnfast.nn.checks import one_of, whole
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


class EmbeddingBag(Module):
    """The sum, mean or largest element of the rows of each bag of numbers.

    Arguments and shapes as in nn.functional.embedding_bag; the weight is drawn as in Embedding.

    >>> import nnfast
    >>> nnfast.nn.EmbeddingBag(10, 3)(nnfast.tensor([[1, 2], [4, 5]])).shape
    (2, 3)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> None:
        super().__init__()
        where = "EmbeddingBag"
        self.num_embeddings = whole(where, "num_embeddings", num_embeddings)
        self.embedding_dim = whole(where, "embedding_dim", embedding_dim)
        self.mode = one_of(where, "mode", mode, "sum", "mean", "max")
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.include_last_offset = include_last_offset
        self.padding_idx = (
            None if padding_idx is None else check_padding(padding_idx, num_embeddings)
        )
        shape = (self.num_embeddings, self.embedding_dim)
        if _weight is not None and _weight.shape != shape:
            fail(where, f"a _weight of shape {shape}", f"shape {_weight.shape}")
        self.weight = empty_parameter(*shape) if _weight is None else Parameter(_weight)
        if _weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.array[self.padding_idx] = 0

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        return ops.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}{padding}"
