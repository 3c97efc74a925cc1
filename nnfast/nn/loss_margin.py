"""Losses with a margin as modules: of scores, of pairs and of triplets."""

from __future__ import annotations

import math
from collections.abc import Callable

from nnfast import ops
from nnfast.errors import fail
from nnfast.nn.checks import number
from nnfast.nn.loss import _Loss, _WeightedLoss
from nnfast.tensor import Tensor


class SoftMarginLoss(_Loss):
    """log(1 + exp(-target input)), target 1 or -1.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.SoftMarginLoss()(nnfast.zeros(1), nnfast.ones(1))
    tensor(0.6931472)
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.soft_margin_loss(input, target, self.reduction)


class MultiLabelMarginLoss(_Loss):
    """1 / C sum over true j and other i of max(0, 1 - x[j] + x[i]); the target lists the true.

    Shapes: input and target (N, C) or (C,) -> a scalar, or that without C with reduction="none".

    >>> import nnfast
    >>> x, t = nnfast.tensor([0.1, 0.2, 0.4, 0.8]), nnfast.tensor([3, 0, -1, 1])
    >>> nnfast.nn.MultiLabelMarginLoss()(x, t)
    tensor(0.85)
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.multilabel_margin_loss(input, target, self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """-1 / C sum over c of t log s(x) + (1 - t) log(1 - s(x)), s the sigmoid.

    Shapes: input and target (N, C) or (C,) -> a scalar, or that without C with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.MultiLabelSoftMarginLoss()(nnfast.zeros(1, 3), nnfast.ones(1, 3))
    tensor(0.6931...)
    """

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.multilabel_soft_margin_loss(input, target, self.weight, self.reduction)


class _WithMargin(_Loss):
    def __init__(self, margin: float, reduction: str) -> None:
        super().__init__(reduction)
        self.margin = number(type(self).__name__, "margin", margin, -math.inf, math.inf)


class HingeLoss(_WithMargin):
    """max(0, margin - target input), target 1 or -1: the support vector machine.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.HingeLoss()(nnfast.tensor([0.25]), nnfast.tensor([-1.0]))
    tensor(1.25)
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.hinge_loss(input, target, self.margin, self.reduction)


class MultiClassSVMLoss(_WithMargin):
    """sum over j other than y of max(0, x[j] - x[y] + margin), y the number of the true class.

    Shapes: input (N, C) or (C,), target of class numbers (N,) or () -> a scalar, or as target.

    >>> import nnfast
    >>> nnfast.nn.MultiClassSVMLoss()(nnfast.tensor([[3.2, 5.1, -1.7]]), nnfast.tensor([0]))
    tensor(2.8999...)
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.multiclass_svm_loss(input, target, self.margin, self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """w[y] / C sum over j other than y of max(0, margin - x[y] + x[j])^p, p = 1 or 2.

    Shapes: input (N, C) or (C,), target of class numbers (N,) or () -> a scalar, or as target.

    >>> import nnfast
    >>> nnfast.nn.MultiMarginLoss()(nnfast.tensor([[0.0, 0.5, -2.0, 1.0]]), nnfast.tensor([3]))
    tensor(0.125)
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction)
        if p not in (1, 2):
            fail("MultiMarginLoss", "p = 1 or 2", f"p={p!r}")
        self.p = p
        self.margin = number("MultiMarginLoss", "margin", margin, -math.inf, math.inf)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, self.reduction
        )


class HingeEmbeddingLoss(_WithMargin):
    """input where target is 1, max(0, margin - input) where it is -1; input a distance.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.HingeEmbeddingLoss()(nnfast.tensor([0.25]), nnfast.tensor([-1.0]))
    tensor(0.75)
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return ops.hinge_embedding_loss(input, target, self.margin, self.reduction)


class MarginRankingLoss(_WithMargin):
    """max(0, margin - target (input1 - input2)): target 1 if input1 should be larger, else -1.

    Shapes: input1, input2 and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> one = nnfast.ones(1)
    >>> nnfast.nn.MarginRankingLoss()(one, one * 3, one)
    tensor(2.)
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return ops.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class CosineEmbeddingLoss(_WithMargin):
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1.

    Shapes: input1 and input2 (N, E) or (E,), target (N,) or () -> a scalar, or as target.

    >>> import nnfast
    >>> a, b = nnfast.tensor([[1.0, 0.0]]), nnfast.tensor([[0.0, 2.0]])
    >>> nnfast.nn.CosineEmbeddingLoss()(a, b, nnfast.ones(1))
    tensor(1.)
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return ops.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(_WithMargin):
    """max(0, |anchor - positive| - |anchor - negative| + margin), with p-norms.

    Shapes: anchor, positive and negative (N, E) or (E,) -> a scalar, or that without E.

    >>> import nnfast
    >>> a, p, n = nnfast.zeros(1, 2), nnfast.tensor([[3.0, 4.0]]), nnfast.ones(1, 2)
    >>> nnfast.nn.TripletMarginLoss(p=1.0)(a, p, n)
    tensor(6.)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, reduction)
        if not margin > 0:
            fail("TripletMarginLoss", "margin > 0", f"margin={margin}")
        self.p = number("TripletMarginLoss", "p", p, -math.inf, math.inf)
        self.eps = number("TripletMarginLoss", "eps", eps, -math.inf, math.inf)
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return ops.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )


class TripletMarginWithDistanceLoss(_WithMargin):
    """TripletMarginLoss with a distance of one's own (the Euclidean one if None).

    Shapes: anchor, positive and negative (N, E) or (E,) -> a scalar, or that without E.

    >>> import nnfast
    >>> a, p, n = nnfast.zeros(1, 2), nnfast.ones(1, 2), nnfast.ones(1, 2)
    >>> nnfast.nn.TripletMarginWithDistanceLoss()(a, p, n)
    tensor(1.)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, reduction)
        if not margin > 0:
            fail("TripletMarginWithDistanceLoss", "margin > 0", f"margin={margin}")
        self.distance_function, self.swap = distance_function, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return ops.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
