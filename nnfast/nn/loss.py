"""Losses of classes as modules."""

from __future__ import annotations

from nnfast import ops
from nnfast.nn.checks import number, one_of, whole
from nnfast.nn.module import Module
from nnfast.tensor import Tensor


class _Loss(Module):
    """reduction: "mean", "sum", or "none" for one loss per element."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        where = type(self).__name__
        self.reduction = one_of(where, "reduction", reduction, "none", "mean", "sum")


class _WeightedLoss(_Loss):
    """`weight` is a buffer: it moves with the module and is part of its state."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Softmax and negative log likelihood of the true class, in one.

    Shapes: input (N, C, ...) of scores (logits), target (N, ...) of class numbers or
    (N, C, ...) of probabilities.

    loss = -w[t] log softmax(x)[t] for class t, 0 where t is ignore_index; with `label_smoothing` s
    every class counts s / C and t another 1 - s. The mean divides by the sum of the w[t].

    Ranges: label_smoothing from 0 to 1. Errors: a target that is no class.

    >>> import nnfast
    >>> loss = nnfast.nn.CrossEntropyLoss()
    >>> round(loss(nnfast.zeros(4, 10), nnfast.tensor([1, 2, 3, 4])).item(), 4)
    2.3026
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = whole("CrossEntropyLoss", "ignore_index", ignore_index, least=-(2**63))
        self.label_smoothing = number("CrossEntropyLoss", "label_smoothing", label_smoothing, 0, 1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        y: Tensor = ops.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
        return y


class NLLLoss(_WeightedLoss):
    """-log of the probability of the true class; the input is LogSoftmax's output.

    Shapes: input (N, C, *) or (C,), target of class numbers (N, *) or () -> a scalar, or as target.

    >>> import nnfast
    >>> x = nnfast.log(nnfast.tensor([[0.25, 0.75]]))
    >>> nnfast.nn.NLLLoss()(x, nnfast.tensor([0]))
    tensor(1.3862944)
    """

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = whole("NLLLoss", "ignore_index", ignore_index, least=-(2**63))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        y: Tensor = ops.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )
        return y


class BCELoss(_WeightedLoss):
    """-(t log(p) + (1 - t) log(1 - p)) of probabilities p and targets t from 0 to 1.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.BCELoss()(nnfast.tensor([0.5, 0.5]), nnfast.tensor([0.0, 1.0]))
    tensor(0.6931472)
    """

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        y: Tensor = ops.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)
        return y


class BCEWithLogitsLoss(_WeightedLoss):
    """BCELoss of sigmoid(input), without overflow; `pos_weight` weighs the targets of 1.

    Shapes: input and target (*) -> a scalar, or (*) with reduction="none".

    >>> import nnfast
    >>> nnfast.nn.BCEWithLogitsLoss()(nnfast.zeros(2), nnfast.tensor([0.0, 1.0]))
    tensor(0.6931472)
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        y: Tensor = ops.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
        return y


class CTCLoss(_Loss):
    """-log of the probability of a sequence of classes, over all its alignments with the input.

    Shapes: log_probs (T, N, C) or (T, C), targets (N, S) or one behind the other, lengths (N,).

    Source: Graves et al., Connectionist temporal classification, ICML 2006.

    >>> import nnfast
    >>> x = nnfast.log_softmax(nnfast.zeros(2, 1, 2), 2)
    >>> nnfast.nn.CTCLoss()(x, nnfast.tensor([[1]]), [2], [1]).exp()
    tensor(1.3333...)
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction)
        self.blank = whole("CTCLoss", "blank", blank)
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor
    ) -> Tensor:
        return ops.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
