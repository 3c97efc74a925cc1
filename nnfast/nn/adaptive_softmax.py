"""A softmax of many classes, of which most are rare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nnfast import ops
from nnfast.errors import fail
from nnfast.graph.trace import on_values
from nnfast.nn.checks import whole
from nnfast.nn.container import ModuleList, Sequential
from nnfast.nn.linear import Linear
from nnfast.nn.module import Module
from nnfast.ops.gather import check_range
from nnfast.ops.operands import as_tensor, integers
from nnfast.tensor import Tensor


class ASMoutput(NamedTuple):
    """What AdaptiveLogSoftmaxWithLoss answers."""

    output: Tensor  # log-probability of each target
    loss: Tensor  # minus their mean


class AdaptiveLogSoftmaxWithLoss(Module):
    """log p(class | x) in two steps: a head knows frequent classes and clusters of rare ones.

    Classes, sorted by frequency, are cut at `cutoffs`. log p(c) = head(x)_c for c below the first
    cut; for c in cluster i it is head(x)_cluster + tail_i(x)_c, both log-softmaxes. Tail i first
    projects x to in_features / div_value^(i + 1) numbers, so that it has few weights. Here all
    clusters are computed for all rows, so that a plan needs no values.

    Shapes: input (N, in_features), target (N,) of classes -> output (N,), loss (); without N too.
    Errors: cutoffs that do not ascend within 1 to n_classes - 1, targets out of range.

    Source: Grave et al., Efficient softmax approximation for GPUs, 2017.

    >>> import nnfast
    >>> m = nnfast.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[4, 10])
    >>> output, loss = m(nnfast.ones(3, 8), nnfast.tensor([0, 7, 19]))
    >>> output.shape, m.log_prob(nnfast.ones(3, 8)).shape, m.predict(nnfast.ones(3, 8)).shape
    ((3,), (3, 20), (3,))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = type(self).__name__
        self.in_features = whole(where, "in_features", in_features, 1)
        self.n_classes = whole(where, "n_classes", n_classes, 1)
        cuts = [whole(where, "cutoff", c, 1) for c in cutoffs]
        if not cuts or cuts != sorted(set(cuts)) or cuts[-1] >= n_classes:
            fail(where, f"ascending cutoffs from 1 to {n_classes - 1}", f"{list(cutoffs)}")
        if not div_value > 0:
            fail(where, "div_value > 0", f"{div_value}")
        self.cutoffs, self.div_value, self.head_bias = [*cuts, n_classes], div_value, head_bias
        self.shortlist_size, self.n_clusters = cuts[0], len(cuts)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(self._spans()):
            hidden = int(in_features // div_value ** (i + 1))
            first = Linear(in_features, hidden, bias=False)
            self.tail.append(Sequential(first, Linear(hidden, high - low, bias=False)))
        self.to(device, dtype)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for m in self.modules():
            if isinstance(m, Linear):
                m.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> ASMoutput:
        where = type(self).__name__
        x, t = as_tensor(input, where), integers(target, where, "target")
        if x.ndim not in (1, 2) or t.shape != x.shape[:-1]:
            shapes = "input (N, in_features) and target (N,)"
            fail(where, shapes, f"shapes {x.shape} and {t.shape}")
        classes = self.n_classes
        on_values(t, lambda numbers: check_range(where, numbers, 0, classes), classes)
        head = ops.log_softmax(self.head(x), -1)
        place = ops.clip(t, max=self.shortlist_size - 1)
        for i, (low, _) in enumerate(self._spans()):
            place = ops.where(t >= low, self.shortlist_size + i, place)
        output = _chosen(head, place)
        for tail, (low, high) in zip(self.tail, self._spans(), strict=True):
            inside = (t >= low) & (t < high)
            found = _chosen(ops.log_softmax(tail(x), -1), ops.where(inside, t - low, 0))
            output = output + ops.where(inside, found, 0.0)
        return ASMoutput(output, -ops.mean(output))

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) -> (N, n_classes)."""
        x = as_tensor(input, type(self).__name__)
        head = ops.log_softmax(self.head(x), -1)
        short = self.shortlist_size
        parts = [head[..., :short]]
        for i, tail in enumerate(self.tail):
            cluster = head[..., short + i : short + i + 1]
            parts.append(ops.log_softmax(tail(x), -1) + cluster)
        return ops.cat(parts, -1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row."""
        return ops.argmax(self.log_prob(input), -1)

    def _spans(self) -> list[tuple[int, int]]:
        """First class of each cluster, and that behind its last."""
        return list(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True))


def _chosen(x: Tensor, index: Tensor) -> Tensor:
    """x[..., index] for each row."""
    return ops.gather(x, -1, index.unsqueeze(-1)).squeeze(-1)
