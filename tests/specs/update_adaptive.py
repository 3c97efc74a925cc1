"""Updates of the rarer optimizers: the formulas, in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.specs.spec import Array, Case, Spec
from tests.specs.update import SHAPES


def adagrad(p: Array, g: Array, hyper: Array, t: Array, s: Array) -> tuple[Array, ...]:
    lr, lr_decay, eps, decay, maximize = hyper
    g = (-g if maximize else g) + decay * p
    s = s + g * g
    return p - lr / (1 + t * lr_decay) * g / (np.sqrt(s) + eps), t + 1, s


def adadelta(p: Array, g: Array, hyper: Array, t: Array, s: Array, a: Array) -> tuple[Array, ...]:
    lr, rho, eps, decay, maximize = hyper
    g = (-g if maximize else g) + decay * p
    s = rho * s + (1 - rho) * g * g
    d = np.sqrt(a + eps) / np.sqrt(s + eps) * g
    return p - lr * d, t + 1, s, rho * a + (1 - rho) * d * d


def rmsprop(
    p: Array,
    g: Array,
    hyper: Array,
    t: Array,
    s: Array,
    m: Array | None = None,
    b: Array | None = None,
) -> tuple[Array, ...]:
    lr, alpha, eps, decay, momentum, maximize = hyper
    g = (-g if maximize else g) + decay * p
    v = s = alpha * s + (1 - alpha) * g * g
    if m is not None:
        m = alpha * m + (1 - alpha) * g
        v = s - m * m
    d = g / (np.sqrt(v) + eps)
    if b is not None:
        d = b = momentum * b + d
    return (p - lr * d, t + 1, s, *(x for x in (m, b) if x is not None))


def adamax(p: Array, g: Array, hyper: Array, t: Array, m: Array, u: Array) -> tuple[Array, ...]:
    lr, beta1, beta2, eps, decay, maximize = hyper
    g = (-g if maximize else g) + decay * p
    m = beta1 * m + (1 - beta1) * g
    u = np.maximum(beta2 * u, abs(g) + eps)
    return p - lr / (1 - beta1 ** (t + 1)) * m / u, t + 1, m, u


def nadam(
    p: Array, g: Array, hyper: Array, t: Array, m: Array, v: Array, product: Array
) -> tuple[Array, ...]:
    lr, beta1, beta2, eps, decay, momentum_decay, decoupled, maximize = hyper
    t = t + 1
    g = -g if maximize else g
    if decoupled:
        p = p - lr * decay * p
    else:
        g = g + decay * p
    now, then = (beta1 * (1 - 0.96 ** (i * momentum_decay) / 2) for i in (t, t + 1))
    product = product * now
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    step = then * m / (1 - product * then) + (1 - now) * g / (1 - product)
    return p - lr * step / (np.sqrt(v / (1 - beta2**t)) + eps), t, m, v, product


def radam(p: Array, g: Array, hyper: Array, t: Array, m: Array, v: Array) -> tuple[Array, ...]:
    lr, beta1, beta2, eps, decay, decoupled, maximize = hyper
    t = t + 1
    g = -g if maximize else g
    if decoupled:
        p = p - lr * decay * p
    else:
        g = g + decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    most = 2 / (1 - beta2) - 1
    length = most - 2 * t * beta2**t / (1 - beta2**t)
    step = m / (1 - beta1**t)
    if length > 5:
        r = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        step = step * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps) * np.sqrt(r)
    return p - lr * step, t, m, v


def rprop(p: Array, g: Array, hyper: Array, t: Array, before: Array, d: Array) -> tuple[Array, ...]:
    down, up, low, high, maximize = hyper
    g = -g if maximize else g
    turned = g * before < 0
    d = np.clip(d * np.where(turned, down, np.where(g * before > 0, up, 1)), low, high)
    g = np.where(turned, 0, g)
    return p - d * np.sign(g), t + 1, g, d


def asgd(
    p: Array, g: Array, hyper: Array, t: Array, ax: Array, eta: Array, mu: Array
) -> tuple[Array, ...]:
    lr, lambd, alpha, t0, decay, maximize = hyper
    g = (-g if maximize else g) + decay * p
    p = p * (1 - lambd * eta) - eta * g
    t = t + 1
    eta = lr / (1 + lambd * lr * t) ** alpha
    return p, t, ax + mu * (p - ax), eta, 1 / np.maximum(1, t - t0)


NUMBERS = {"mu_product": 0.7, "eta": 0.05, "mu": 0.25}
SQUARES = {"sum", "square_avg", "acc_delta", "exp_avg_sq", "exp_inf", "step_size"}


def sampler(*options: float, flags: int) -> Callable[..., Array]:
    """`hyper` of these options and random flags; gradients away from 0; squares positive."""

    def sample(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
        if name == "hyper":
            return np.array([*options, *rng.integers(0, 2, flags).astype(float)])
        if name == "step":
            return rng.integers(0, 9, shape)
        if name in NUMBERS:
            return np.full(shape, NUMBERS[name])
        if name in SQUARES:
            return rng.uniform(0.5, 2, shape)
        if name == "grad_avg":
            return rng.uniform(-0.3, 0.3, shape)
        x = rng.standard_normal(shape)
        return x + np.copysign(0.1, x)

    return sample


def magnitude(reference: Callable[..., tuple[Array, ...]]) -> Callable[..., tuple[Array, ...]]:
    """About what the new values would be if no two terms had opposite signs."""

    def bound(p: Array, g: Array, hyper: Array, *rest: Array | None) -> tuple[Array, ...]:
        old = [p, *(x for x in rest if x is not None)]
        new = reference(p, g, hyper, *rest)
        size = 1 + abs(p) + abs(g)  # of the terms of a running mean; of a step, as v >= 1/4
        return tuple(
            abs(a) + abs(b) + (size if b.shape else 0) for a, b in zip(old, new, strict=True)
        )

    return bound


def spec(
    reference: Callable[..., tuple[Array, ...]],
    *options: float,
    flags: int = 1,
    buffers: int = 2,
    optional: int = 0,
    numbers: int = 0,
) -> Spec:
    """In float64 alone, as hyper is; tests/test_optim.py compares float32 too."""
    cases = [
        Case((s, s, (len(options) + flags,), (), *(s,) * (buffers + more), *((),) * numbers))
        for s in SHAPES
        for more in range(optional + 1)
    ]
    sample = sampler(*options, flags=flags)
    return Spec(
        cases, reference, sample, magnitude=magnitude(reference), ulp=8, grad=False,
        dtypes=("float64",),
    )  # fmt: skip


SPECS = {
    "adagrad_update": spec(adagrad, 0.1, 0.01, 1e-3, 0.01, buffers=1),
    "adadelta_update": spec(adadelta, 0.5, 0.9, 1e-3, 0.01),
    "rmsprop_update": spec(rmsprop, 0.1, 0.9, 1e-3, 0.01, 0.5, buffers=1, optional=2),
    "adamax_update": spec(adamax, 0.1, 0.9, 0.99, 1e-3, 0.01),
    "nadam_update": spec(nadam, 0.1, 0.9, 0.99, 1e-3, 0.01, 4e-3, flags=2, numbers=1),
    "radam_update": spec(radam, 0.1, 0.9, 0.99, 1e-3, 0.01, flags=2),
    "rprop_update": spec(rprop, 0.5, 1.2, 0.6, 1.9),
    "asgd_update": spec(asgd, 0.1, 0.01, 0.75, 3, 0.01, buffers=1, numbers=2),
}
# A buffer without the mean: RMSprop with momentum, not centered.
SPECS["rmsprop_update"].cases.append(Case(((35,), (35,), (6,), (), (35,), None, (35,))))
