"""Updates of parameters in place: the formulas, in NumPy."""

from __future__ import annotations

import numpy as np

from tests.specs.spec import Array, Case, Spec

SIZES = [*range(35), 70000]


def sample_sgd(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """Gradients away from 0; options of any kind."""
    if name == "hyper":  # lr, momentum, dampening, weight_decay, nesterov, maximize, first
        return np.array([0.1, 0.9, 0.25, 0.01, *rng.integers(0, 2, 3).astype(float)])
    x = rng.standard_normal(shape)
    return x + np.copysign(0.1, x)


def sample_adam(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> Array:
    """As sample_sgd; squares positive."""
    if name == "hyper":
        # lr, beta1, beta2, eps, weight_decay, decoupled, maximize
        return np.array([0.1, 0.9, 0.999, 1e-3, 0.01, *rng.integers(0, 2, 2).astype(float)])
    if name == "step":
        return rng.integers(1, 9, shape)
    if name.endswith("_sq"):
        return rng.uniform(0.5, 2, shape)
    return sample_sgd(rng, shape, name)


def sgd(param: Array, grad: Array, hyper: Array, buffer: Array | None = None) -> tuple[Array, ...]:
    """PyTorch's SGD (Sutskever et al. 2013, with the rate outside of the momentum)."""
    lr, momentum, dampening, weight_decay, nesterov, maximize, first = hyper
    g = (-grad if maximize else grad) + weight_decay * param
    if buffer is None:
        return (param - lr * g,)
    buffer = g if first else momentum * buffer + (1 - dampening) * g
    g = g + momentum * buffer if nesterov else buffer
    return param - lr * g, buffer


def adam(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: Array,
    hyper: Array,
    largest: Array | None = None,
) -> tuple[Array, ...]:
    """Kingma and Ba 2015; AdamW by Loshchilov and Hutter 2019; AMSGrad by Reddi et al. 2018."""
    lr, beta1, beta2, eps, weight_decay, decoupled, maximize = hyper
    t = step + 1
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    g = -grad if maximize else grad
    if decoupled:
        param = param - lr * weight_decay * param
    else:
        g = g + weight_decay * param
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    if largest is None:
        return param - lr * (m / c1) / (np.sqrt(v / c2) + eps), m, v, t
    largest = np.maximum(largest, v)
    return param - lr * (m / c1) / (np.sqrt(largest / c2) + eps), m, v, t, largest


def sgd_magnitude(
    param: Array, grad: Array, hyper: Array, buffer: Array | None = None
) -> tuple[Array, ...]:
    """The new values if no two terms had opposite signs."""
    lr, momentum, dampening, weight_decay, nesterov, _, first = hyper
    up = np.array([lr, momentum, dampening, -weight_decay, nesterov, True, first])
    return tuple(
        abs(y) for y in sgd(abs(param), abs(grad), up, None if buffer is None else -abs(buffer))
    )


def adam_magnitude(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: Array,
    hyper: Array,
    largest: Array | None = None,
) -> tuple[Array, ...]:
    """The new values if no two terms had opposite signs."""
    lr, beta1, beta2, eps, weight_decay, _, _ = hyper
    t = step + 1
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    g = abs(grad) + weight_decay * abs(param)
    m = abs(m) + (1 - beta1) * (g + abs(m))
    w = np.maximum(v, largest) if largest is not None else v
    change = lr * (m / c1) / (np.sqrt(beta2 * w / c2) + eps)
    v = beta2 * v + (1 - beta2) * g * g
    rest = () if largest is None else (np.maximum(largest, v),)
    return (2 * abs(param) + change, m, v, t, *rest)


SHAPES: list[tuple[int, ...]] = [(n,) for n in SIZES] + [(), (3, 0), (3, 5, 7)]
SGD = [Case((s, s, (7,), *more)) for s in SHAPES for more in ((), (s,))]
ADAM = [Case((s, s, s, s, (), (7,), *more)) for s in SHAPES for more in ((), (s,))]

# ulp: roundings one after another. float64 alone, as hyper is float64 whatever the parameter's
# dtype; tests/test_optim.py compares float32 too.
SPECS = {
    "sgd_update": Spec(
        SGD, sgd, sample_sgd, magnitude=sgd_magnitude, ulp=8, grad=False, dtypes=("float64",)
    ),
    "adam_update": Spec(
        ADAM, adam, sample_adam, magnitude=adam_magnitude, ulp=16, grad=False, dtypes=("float64",)
    ),
    "add_": Spec(
        [Case((s, t)) for n in SIZES for s, t in (((n,), (n,)), ((n,), ()))]
        + [Case(((3, 4), (4,)))],
        lambda x, other: x + other,
        grad=False,
    ),
    "mul_": Spec(
        [Case((s, t)) for n in SIZES for s, t in (((n,), (n,)), ((n,), ()))]
        + [Case(((3, 4), (4,)))],
        lambda x, factor: x * factor,
        grad=False,
    ),
    "clip_": Spec([Case(((n,),), args=(-0.5, 1.0)) for n in SIZES], np.clip, grad=False),
}
