"""Limited-memory BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnfast.graph.mode import enable_grad, no_grad
from nnfast.ops import cat
from nnfast.ops.update import add_
from nnfast.optim.line_search import Point, strong_wolfe
from nnfast.optim.optimizer import Optimizer
from nnfast.tensor import Tensor, as_array, wrap


class LBFGS(Optimizer):
    """A quasi-Newton method that keeps the last steps in place of the inverse Hessian.

    From steps s_i and differences of gradients y_i = g_{i+1} - g_i of the last `history_size`
    iterations, d = -H g, where H starts from s.y / y.y and each pair makes it fulfil H y = s;
    w = w + t d with t = lr, or with line_search_fn="strong_wolfe" the t that a search finds.
    A step makes up to `max_iter` iterations and calls its closure up to `max_eval` times (default
    5 / 4 max_iter); it ends when no gradient is larger than `tolerance_grad`, or no change of a
    weight or of the loss larger than `tolerance_change`.

    One group of parameters. It looks at losses, so that a compiled step runs eagerly.

    Ranges: lr >= 0; `line_search_fn` None or "strong_wolfe".

    Source: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989.

    >>> import nnfast
    >>> w = nnfast.tensor([3.0, -2.0], requires_grad=True)
    >>> opt = nnfast.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = ((w - 1) ** 2 * nnfast.tensor([1.0, 10.0])).sum()
    ...     loss.backward()
    ...     return loss
    >>> start = opt.step(closure)
    >>> bool(((w - 1).abs() < 1e-4).detach().numpy().all())
    True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = dict(
            lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad, tolerance_change=tolerance_change,
            history_size=history_size, line_search_fn=line_search_fn,
        )  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            self._fail("one group of parameters", str(len(self.param_groups)))

    def _check(self, group: dict[str, Any]) -> None:
        self._check_numbers(group, "lr")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            self._fail("line_search_fn='strong_wolfe' or None", repr(group["line_search_fn"]))

    # ---- a step ---------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Iterate; `closure` computes the loss and its gradients. Returns the first loss."""
        if closure is None:
            return self._fail("a closure that computes the loss and its gradients", "none")
        with no_grad():
            return self._step(closure)

    def _step(self, closure: Callable[[], Any]) -> Any:
        group, state = self.param_groups[0], self.state[self._params()[0]]
        if not state:
            state.update(func_evals=0, n_iter=0)
        first, now = self._call(closure)
        state["func_evals"] += 1
        evals = 1
        for i in range(1, group["max_iter"] + 1):
            if i == 1 and _largest(now.grad) <= group["tolerance_grad"]:
                break
            state["n_iter"] += 1
            d = self._direction(state, now.grad)
            before, now = now, now._replace(slope=_dot(now.grad, d))
            state.update(prev_flat_grad=now.grad, prev_loss=now.loss, d=d)
            t = group["lr"] * (min(1.0, 1 / _sum(now.grad.abs())) if state["n_iter"] == 1 else 1)
            state["t"] = t
            if now.slope > -group["tolerance_change"]:
                break
            now, tries = self._move(closure, now, d, t, last=i == group["max_iter"])
            state["t"], evals = now.t, evals + tries
            state["func_evals"] += tries
            if (
                evals >= group["max_eval"]
                or _largest(now.grad) <= group["tolerance_grad"]
                or _largest(d) * now.t <= group["tolerance_change"]
                or abs(now.loss - before.loss) < group["tolerance_change"]
            ):
                break
        return first

    def _move(
        self, closure: Callable[[], Any], start: Point, d: Tensor, t: float, last: bool
    ) -> tuple[Point, int]:
        """Go along d; where that leads, and how often the closure was called."""
        group = self.param_groups[0]
        if group["line_search_fn"] is None:
            self._add(d * t)
            if last:  # nobody asks for the loss there
                return start._replace(t=t), 0
            return self._call(closure)[1]._replace(t=t), 1
        params = self._params()
        origin = [p.array.copy() for p in params]

        def evaluate(t: float) -> Point:
            self._add(d * t)
            found = self._call(closure)[1]
            for p, x in zip(params, origin, strict=True):
                p.array[...] = x
                p._version += 1
            return found._replace(t=t, slope=_dot(found.grad, d))

        found, tries = strong_wolfe(
            evaluate, start._replace(t=0.0), t, _largest(d), group["tolerance_change"]
        )
        self._add(d * found.t)
        return found, tries

    def _direction(self, state: dict[str, Any], grad: Tensor) -> Tensor:
        """-H grad, by two passes over the history, which first learns of the latest step."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -grad
        y, s = grad - state["prev_flat_grad"], state["d"] * state["t"]
        ys, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        product = _dot(y, s)
        if product > 1e-10:
            if len(ys) == self.param_groups[0]["history_size"]:
                del ys[0], steps[0], ro[0]
            ys.append(y)
            steps.append(s)
            ro.append(1 / product)
            state["H_diag"] = product / _dot(y, y)
        q, factors = -grad, []
        for y, s, r in zip(reversed(ys), reversed(steps), reversed(ro), strict=True):
            factors.append(r * _dot(s, q))
            q = q - y * factors[-1]
        d = q * state["H_diag"]
        for y, s, r, a in zip(ys, steps, ro, reversed(factors), strict=True):
            d = d + s * (a - r * _dot(y, d))
        return d

    # ---- all parameters as one vector -----------------------------------------------------

    def _call(self, closure: Callable[[], Any]) -> tuple[Any, Point]:
        with enable_grad():
            loss = closure()
        grads = [
            wrap(np.zeros(p.array.size, p.dtype)) if p.grad is None else p.grad.reshape(-1)
            for p in self._params()
        ]
        return loss, Point(0.0, float(loss), cat(grads), 0.0)

    def _add(self, change: Tensor) -> None:
        start = 0
        for p in self._params():
            end = start + p.array.size
            add_(p, change[start:end].reshape(p.shape))
            start = end

    def _loaded(self, name: str, value: Any, p: Tensor) -> Any:
        if isinstance(value, list):
            return [self._loaded(name, x, p) for x in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return wrap(np.array(as_array(value, "LBFGS.load_state_dict"), p.dtype, order="C"))


def _dot(a: Tensor, b: Tensor) -> float:
    return _sum(a * b)


def _sum(x: Tensor) -> float:
    return float(x.sum().item())


def _largest(x: Tensor) -> float:
    return float(x.abs().amax().item()) if x.array.size else 0.0
