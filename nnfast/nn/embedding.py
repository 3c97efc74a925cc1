"""A table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any, Self

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn import init
from nnfast.nn.checks import one_of, whole
from nnfast.nn.linear import empty_parameter
from nnfast.nn.module import Module
from nnfast.nn.parameter import Parameter
from nnfast.ops.embedding import check_padding
from nnfast.tensor import Tensor


class _Table(Module):
    """What both layers share: a weight of which the row padding_idx is 0 at the start."""

    weight: Parameter

    def _make(self, rows: int, width: int, padding_idx: int | None, weight: Tensor | None) -> None:
        where = type(self).__name__
        self.num_embeddings = whole(where, "num_embeddings", rows)
        self.embedding_dim = whole(where, "embedding_dim", width)
        self.padding_idx = None if padding_idx is None else check_padding(padding_idx, rows)
        if weight is not None and weight.shape != (rows, width):
            fail(where, f"a _weight of shape {(rows, width)}", f"shape {weight.shape}")
        self.weight = empty_parameter(rows, width) if weight is None else Parameter(weight)
        if weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.array[self.padding_idx] = 0

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, **options: Any) -> Self:
        """A layer with these rows, which are not trained unless `freeze` is False.

        >>> import nnfast
        >>> layer = nnfast.nn.Embedding.from_pretrained(nnfast.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> layer(nnfast.tensor([1]))
        tensor([[3., 4.]])
        """
        if embeddings.ndim != 2:
            got = f"shape {embeddings.shape}"
            fail(cls.__name__, "embeddings of shape (rows, width)", got)
        layer = cls(*embeddings.shape, _weight=embeddings.detach(), **options)  # type: ignore[call-arg]
        layer.weight.requires_grad_(not freeze)
        return layer

    def extra_repr(self) -> str:
        usual = {"mode": None, "padding_idx": None, "max_norm": None, "norm_type": 2.0,
                 "scale_grad_by_freq": False}  # fmt: skip
        said = {name: getattr(self, name, None) for name in usual}
        more = [f"{n}={v!r}" for n, v in said.items() if v != usual[n]]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *more])


class Embedding(_Table):
    """The row of `weight` for each number; standard normal at the start.

    Row padding_idx is 0 at the start and gets no gradient. max_norm, norm_type,
    scale_grad_by_freq and sparse as in nn.functional.embedding. `_freeze`: the weight is not
    trained.

    Shapes: any shape of integers -> (*, embedding_dim); weight (num_embeddings, embedding_dim).

    >>> import nnfast
    >>> nnfast.nn.Embedding(10, 3)(nnfast.tensor([[1, 2], [4, 5]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._make(num_embeddings, embedding_dim, padding_idx, _weight)
        self.weight.requires_grad_(not _freeze)
        self.to(device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return ops.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip


class EmbeddingBag(_Table):
    """The sum, mean or largest element of the rows of each bag of numbers.

    Arguments and shapes as in nn.functional.embedding_bag; the weight is drawn as in Embedding.

    >>> import nnfast
    >>> nnfast.nn.EmbeddingBag(10, 3)(nnfast.tensor([[1, 2], [4, 5]])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = one_of("EmbeddingBag", "mode", mode, "sum", "mean", "max")
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.include_last_offset = include_last_offset
        self._make(num_embeddings, embedding_dim, padding_idx, _weight)
        self.to(device, dtype)

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
