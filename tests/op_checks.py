"""The checks of one op that tests/test_ops.py runs for all of them.

Each returns how many elements it compared, so that a check which never ran is seen.
"""

from __future__ import annotations

import ctypes
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nnfast import _core
from nnfast.autograd import enable_grad, grad, gradcheck
from nnfast.ops.record import Op
from nnfast.tensor import Tensor, wrap
from tests.guarded import Arena
from tests.specs import Case, Spec

Arrays = list[Any]  # of arrays, or None where an optional input is absent
ARENAS = [Arena() for _ in range(32)]


def rng_of(*key: object) -> np.random.Generator:
    """Random numbers that depend on what is tested alone."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def draw(op: Op, spec: Spec, case: Case, dtype: str, rng: np.random.Generator) -> Arrays:
    """Inputs of one case; those of floating point in `dtype`."""
    arrays: Arrays = []
    names = [*op.inputs, *[""] * len(case.shapes)]
    for name, shape in zip(names, case.shapes, strict=False):
        x = None if shape is None else np.asarray(spec.sample(rng, shape, name))
        arrays.append(x.astype(dtype) if x is not None and x.dtype.kind == "f" else x)
    return arrays


def tensors(arrays: Arrays) -> list[Tensor | None]:
    """On the same memory."""
    return [None if a is None else wrap(a) for a in arrays]


def outputs_of(op: Op, inputs: list[Any], case: Case) -> list[np.ndarray]:
    """What the op returns; of an op that works in place, the inputs that it changed."""
    result = op(*inputs, *case.args, **case.kwargs)
    if op.mutates:
        return [
            x.array
            for n, x in zip(op.inputs, inputs, strict=False)
            if n in op.mutates and x is not None
        ]
    return [y.array for y in (result if isinstance(result, tuple) else (result,))]


class Expected:
    """Reference values of one case, and the error allowed."""

    def __init__(self, spec: Spec, case: Case, arrays: Arrays) -> None:
        wide = [
            a.astype(np.float64) if a is not None and a.dtype.kind == "f" else a for a in arrays
        ]

        def ask(f: Callable[..., Any]) -> Any:
            copies = [None if a is None else a.copy() for a in wide]
            with np.errstate(all="ignore"):
                return f(*copies, *case.args, **case.kwargs)

        def each(answer: Any, n: int) -> list[Any]:
            return list(answer) if isinstance(answer, tuple) else [answer] * n

        values = ask(spec.reference)
        self.values = [np.asarray(v) for v in (values if isinstance(values, tuple) else (values,))]
        n = len(self.values)
        self.terms = each(ask(spec.terms) if spec.terms else 0, n)
        self.magnitudes = each(ask(spec.magnitude), n) if spec.magnitude else self.values
        self.ulp = spec.ulp

    def check(self, got: list[np.ndarray], what: str) -> int:
        """Every output has the reference's shape and its values within the error allowed."""
        assert len(got) == len(self.values), (
            f"{what}: {len(got)} outputs, reference has {len(self.values)}"
        )
        for k, (y, value) in enumerate(zip(got, self.values, strict=True)):
            at = f"{what}, output {k}"
            assert y.shape == value.shape, f"{at}: shape {y.shape}, reference {value.shape}"
            if y.dtype.kind != "f":
                np.testing.assert_array_equal(y, value, err_msg=at, strict=False)
                continue
            info = np.finfo(y.dtype)
            factor = self.ulp + np.asarray(self.terms[k], float)
            factor = factor * (2 if y.dtype == np.float64 else 1)
            with np.errstate(all="ignore"):
                allowed = info.eps * factor * np.abs(self.magnitudes[k]) + info.tiny
            check_close(y, value, allowed, at)
        return sum(y.size for y in got)


def check_close(y: np.ndarray, value: np.ndarray, allowed: Any, what: str) -> None:
    """|y - value| <= allowed; infinities and NaN in the same places. Overflow to the dtype's
    infinity counts as equal."""
    with np.errstate(all="ignore"):
        same = (y == value.astype(y.dtype)) | (np.isnan(y) & np.isnan(value))
        error = np.abs(y.astype(np.float64) - value)
        bad = ~(same | (error <= allowed))
    if bad.any():
        i = tuple(int(j) for j in np.argwhere(bad)[0])
        limit = np.broadcast_to(allowed, y.shape)[i]
        raise AssertionError(
            f"{what}: {int(bad.sum())} of {bad.size} elements are wrong; at {i} got {y[i]!r}, "
            f"expected {value[i]!r}, difference {error[i]:.3g}, allowed {limit:.3g}"
        )


# ---- layouts --------------------------------------------------------------------------------


def _gaps(x: np.ndarray) -> np.ndarray:
    """Every second element along the last dimension of a larger array, garbage in between."""
    base = np.full((*x.shape[:-1], 2 * x.shape[-1] + 1), _garbage(x.dtype), x.dtype)
    view = base[..., 1::2]
    view[...] = x
    return view


def _offset(x: np.ndarray) -> np.ndarray:
    """Contiguous, but not aligned to a vector; garbage before and behind."""
    base = np.full(x.size + 2, _garbage(x.dtype), x.dtype)
    base[1:-1] = x.ravel()
    return base[1:-1].reshape(x.shape)


def _transposed(x: np.ndarray) -> np.ndarray:
    return np.asfortranarray(x)


def _reversed(x: np.ndarray) -> np.ndarray:
    """Negative strides along every dimension."""
    index = (slice(None, None, -1),) * x.ndim
    return x[index].copy()[index]


def _rows(x: np.ndarray) -> np.ndarray:
    """Dense rows with a gap between them."""
    base = np.full((*x.shape[:-1], x.shape[-1] + 3), _garbage(x.dtype), x.dtype)
    base[..., : x.shape[-1]] = x
    return base[..., : x.shape[-1]]


def _expanded(x: np.ndarray) -> np.ndarray:
    """One slice, repeated along the first dimension by stride 0: other values than x."""
    return np.broadcast_to(x[:1], x.shape)


def _garbage(dtype: np.dtype) -> Any:
    return np.nan if dtype.kind == "f" else 1


LAYOUTS = [_gaps, _offset, _transposed, _reversed, _rows, _expanded]


def layouts(arrays: Arrays) -> Iterator[tuple[str, Arrays]]:
    """The same case in other memory layouts, all inputs at once and read-only."""
    for layout in LAYOUTS:
        moved = [a if a is None or a.ndim == 0 or a.size == 0 else layout(a) for a in arrays]
        for a in moved:
            if a is not None:
                a.flags.writeable = False
        yield layout.__name__, moved


# ---- the checks -----------------------------------------------------------------------------


def check_values(op: Op, spec: Spec, dtype: str) -> int:
    """Against the reference in each layout; inputs stay as they are; results are fresh memory."""
    count = 0
    for case in spec.cases:
        arrays = draw(op, spec, case, dtype, rng_of(op.name, case))
        what = f"{op.name} {case} {dtype}"
        expected = Expected(spec, case, arrays)
        constant = [a for n, a in zip(op.inputs, arrays, strict=False) if n not in op.mutates]
        before = [None if a is None else a.copy() for a in constant]
        got = outputs_of(op, tensors(arrays), case)
        count += expected.check(got, what)
        _check_unchanged(constant, before, what)
        if op.mutates:
            continue
        if not _is_view(op, arrays, case):
            for y in got:
                assert y.flags.c_contiguous and y.flags.writeable, f"{what}: not a fresh array"
                assert not any(a is not None and np.shares_memory(y, a) for a in arrays), what
        for layout, moved in layouts(arrays):
            want = Expected(spec, case, moved) if layout == "_expanded" else expected
            before = [None if a is None else a.copy() for a in moved]
            count += want.check(outputs_of(op, tensors(moved), case), what + layout)
            _check_unchanged(moved, before, what + layout)
    return count


def _check_unchanged(arrays: Arrays, before: Arrays, what: str) -> None:
    for a, b in zip(arrays, before, strict=True):
        assert a is None or np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), (
            f"{what}: input changed"
        )


def _is_view(op: Op, arrays: Arrays, case: Case) -> bool:
    return bool(op.rule(*tensors(arrays), *case.args, **case.kwargs).is_view)


def check_memory(op: Op, spec: Spec, dtype: str) -> int:
    """The kernel writes all of its outputs and nothing else, and reads inside its inputs."""
    count = 0
    for case in spec.cases:
        arrays = draw(op, spec, case, dtype, rng_of(op.name, case))
        result = op.rule(*tensors(arrays), *case.args, **case.kwargs)
        if result.compute is not None:
            continue
        for at_end in (True, False):
            outputs, arenas = _guarded_call(op, arrays, result, at_end)
            what = f"{op.name} {case} {dtype}, {'ends' if at_end else 'starts'} at a guard page"
            count += Expected(spec, case, arrays).check(outputs, what)
            assert all(arena.untouched() for arena in arenas), f"{what}: wrote outside its memory"
    return count


def _guarded_call(
    op: Op, arrays: Arrays, result: Any, at_end: bool
) -> tuple[list[np.ndarray], list[Arena]]:
    """The kernel's outputs, all its arrays beside guard pages, and the arenas they lie in."""
    used: list[Arena] = []

    def guarded(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        used.append(ARENAS[len(used)])
        return used[-1].array(shape, np.dtype(dtype), at_end)

    inputs: Arrays = []
    for a in arrays:
        inputs.append(None if a is None else guarded(a.shape, a.dtype))
        if a is not None:
            inputs[-1][...] = a
    if op.mutates:
        outputs = [
            x for n, x in zip(op.inputs, inputs, strict=False) if n in op.mutates and x is not None
        ]
    else:
        outputs = [guarded(shape, d) for shape, d in result.specs]
    _core.run(op.id, op.pack(result.attrs), tuple(inputs), tuple(outputs))
    return outputs, used


def check_threads(op: Op, spec: Spec, dtype: str) -> int:
    """The same bits with 1, 2 and 3 threads, and again with 1."""
    count = 0
    for case in spec.cases:
        arrays = draw(op, spec, case, dtype, rng_of(op.name, case))
        bits: list[list[bytes]] = []
        for n in (1, 2, 3, 1):
            _core.set_num_threads(n)
            fresh = [None if a is None else a.copy() for a in arrays]
            bits.append([y.tobytes() for y in outputs_of(op, tensors(fresh), case)])
        assert bits[0] == bits[1] == bits[2] == bits[3], f"{op.name} {case} {dtype}: bits differ"
        count += sum(map(len, bits[0]))
    return count


def check_rows(op: Op, spec: Spec, dtype: str, batched: int) -> int:
    """Rows of a batch have the same bits alone, or with fewer others. The first `batched` inputs
    have one row for each example, and so has a residual."""
    count = 0
    for case in spec.cases:
        if not _has_rows(op, case, batched):
            continue
        arrays = draw(op, spec, case, dtype, rng_of(op.name, case))
        n = len(arrays[0])
        together = outputs_of(op, tensors(arrays), case)[0]
        for rows in (slice(0, 1), slice(n // 2, n // 2 + 1), slice(n - 1, n), slice(1, n)):
            few = [
                a[rows] if a is not None and (i < batched or op.inputs[i] == "residual") else a
                for i, a in enumerate(arrays)
            ]
            y = outputs_of(op, tensors(few), case)[0]
            assert y.tobytes() == together[rows].tobytes(), f"{op.name} {case} {dtype}: {rows}"
            count += y.size
    return count


def _has_rows(op: Op, case: Case, batched: int) -> bool:
    """Whether the first dimension is a batch: of images, not of planes; of what is not summed."""
    shapes = case.shapes[:batched]
    if any(not s or len(s) != len(shapes[0] or ()) or s[0] < 2 for s in shapes):
        return False
    ndim = len(shapes[0] or ())
    if op.name == "matmul":
        return all(s is not None and len(s) == 2 for s in case.shapes)
    if "conv" in op.name or "pool" in op.name:
        return ndim == 4
    if case.kwargs.get("dims", 0) == ndim:
        return False
    return "dim" not in case.kwargs or case.kwargs["dim"] % ndim != 0


def check_parallel(op: Op, spec: Spec, dtype: str) -> bool:
    """Whether a case of the op is large enough to start threads, so that they are compared."""
    _core.set_num_threads(3)
    for case in reversed(spec.cases):
        inputs = tensors(draw(op, spec, case, dtype, rng_of(op.name, case)))
        end_threads()
        before = len(os.listdir("/proc/self/task"))
        outputs_of(op, inputs, case)
        if len(os.listdir("/proc/self/task")) > before:
            return True
    return False


def end_threads() -> None:
    """Ends the pool of this process's OpenMP (omp_pause_hard = 2)."""
    assert ctypes.CDLL("libgomp.so.1").omp_pause_resource_all(2) == 0


def differentiable_call(op: Op, case: Case) -> Callable[..., Any]:
    """The op as a function of its inputs that gives only outputs which carry gradients."""

    def call(*inputs: Any) -> Any:
        result = op(*inputs, *case.args, **case.kwargs)
        ys = result if isinstance(result, tuple) else (result,)
        return tuple(y for y, linked in zip(ys, op.differentiable, strict=True) if linked)

    return call


def leaves(op: Op, spec: Spec, arrays: Arrays) -> list[Any]:
    """Inputs that require gradients, but for those which have none on purpose."""
    names = [*op.inputs, *[""] * len(arrays)]
    return [
        None
        if a is None
        else wrap(a).requires_grad_(a.dtype.kind == "f" and n not in spec.constant)
        for n, a in zip(names, arrays, strict=False)
    ]


def check_gradient(op: Op, spec: Spec, order: int) -> int:
    """Rules against differences in float64; order 2: the gradient of the gradient."""
    count = 0
    for case in spec.grad_cases or spec.cases:
        arrays = draw(op, spec, case, "float64", rng_of(op.name, case))
        inputs = leaves(op, spec, arrays)
        try:
            gradcheck(differentiable_call(op, case), inputs, order=order, seed=len(case.shapes))
        except Exception as e:
            e.add_note(f"{op.name} {case}")
            raise
        count += sum(x.numel() for x in inputs if x is not None and x.requires_grad)
    return count


def check_gradient_dtypes(op: Op, spec: Spec) -> int:
    """The float32 gradient is the float64 one within rounding, and float32."""
    count = 0
    for case in spec.grad_cases or spec.cases:
        rng = rng_of(op.name, case)
        arrays = draw(op, spec, case, "float32", rng)
        wide = [
            a.astype(np.float64) if a is not None and a.dtype.kind == "f" else a for a in arrays
        ]
        ys = [y for y in differentiable_call(op, case)(*tensors(wide)) if y.dtype.kind == "f"]
        dys = [rng.standard_normal(y.shape).astype(np.float32) for y in ys]
        narrow, exact = (_pull_back(op, spec, case, x, dys) for x in (arrays, wide))
        terms = np.max(Expected(spec, case, arrays).terms, initial=0) + 1
        for i, (dx, value) in enumerate(zip(narrow, exact, strict=True)):
            what = f"{op.name} {case}, float32 gradient of input {i}"
            if dx is None or value is None:
                assert dx is value, f"{what}: only one of float32 and float64 has one"
                continue
            assert dx.dtype == np.float32, f"{what}: {dx.dtype}"
            # Each input element takes part in so many of all the products behind the outputs.
            touched = terms * (1 + sum(y.numel() for y in ys) / max(value.size, 1))
            allowed = (
                np.finfo(np.float32).eps
                * (4 * spec.ulp + touched)
                * np.abs(value).max(initial=1e-3)
            )
            check_close(dx, value, allowed, what)
            count += dx.size
    return count


def _pull_back(op: Op, spec: Spec, case: Case, arrays: Arrays, dys: Arrays) -> Arrays:
    """Gradients of the inputs for given gradients of the outputs."""
    inputs = leaves(op, spec, arrays)
    with enable_grad():
        ys = [y for y in differentiable_call(op, case)(*inputs) if y.dtype.kind == "f"]
    linked = [
        (y, wrap(dy.astype(y.dtype))) for y, dy in zip(ys, dys, strict=True) if y.requires_grad
    ]
    xs = [x for x in inputs if x is not None and x.requires_grad]
    if not linked or not xs:
        return []
    dxs = grad([y for y, _ in linked], xs, [dy for _, dy in linked], allow_unused=True)
    return [None if dx is None else dx.array for dx in dxs]
