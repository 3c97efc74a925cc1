"""Questions about tensors and dtypes, as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnfast.device import CPU, check_device, device
from nnfast.errors import DTypeError, fail
from nnfast.tensor import PRINTED, Tensor, as_dtype, float32

finfo, iinfo = np.finfo, np.iinfo
e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None
Size = tuple  # what shapes are
strided, contiguous_format, preserve_format = "strided", "contiguous", "preserve"


def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor.

    >>> import nnfast
    >>> nnfast.is_tensor(nnfast.ones(1)), nnfast.is_tensor(1.0)
    (True, False)
    """
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """Number of elements.

    >>> import nnfast
    >>> nnfast.numel(nnfast.ones(2, 3))
    6
    """
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floats.

    >>> import nnfast
    >>> nnfast.is_floating_point(nnfast.ones(2))
    True
    """
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """False: there are no complex tensors.

    >>> import nnfast
    >>> nnfast.is_complex(nnfast.ones(2))
    False
    """
    return False


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not 0.

    >>> import nnfast
    >>> nnfast.is_nonzero(nnfast.tensor([3.0]))
    True
    """
    return bool(input.item())


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape.

    >>> import nnfast
    >>> nnfast.is_same_size(nnfast.ones(2, 3), nnfast.ones(3, 2))
    False
    """
    return input.shape == other.shape


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers.

    >>> import nnfast
    >>> nnfast.is_signed(nnfast.ones(2))
    True
    """
    return input.dtype.kind in "fi"


def get_default_dtype() -> np.dtype[Any]:
    """float32: what creation functions and layers make unless they are told.

    >>> import nnfast
    >>> nnfast.get_default_dtype()
    dtype('float32')
    """
    return float32


def set_default_dtype(d: Any, /) -> None:
    """Accepts float32 alone: give `dtype` to creation functions and layers, or call .double().

    >>> import nnfast
    >>> nnfast.set_default_dtype(nnfast.float32)
    """
    if as_dtype(d, "set_default_dtype") != float32:
        hint = "pass dtype=nnfast.float64, or call model.double()."
        fail("set_default_dtype", "float32", str(d), hint, DTypeError)


def set_default_device(device: Any) -> None:
    """Accepts the CPU alone.

    >>> import nnfast
    >>> nnfast.set_default_device("cpu")
    """
    check_device("set_default_device", device)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Changes nothing: results never depend on threads or chance.

    >>> import nnfast
    >>> nnfast.use_deterministic_algorithms(True)
    """


def detach(input: Tensor) -> Tensor:
    """The same memory, cut off from the graph.

    >>> import nnfast
    >>> nnfast.detach(nnfast.ones(1, requires_grad=True)).requires_grad
    False
    """
    return input.detach()


_PROFILES: dict[str, dict[str, Any]] = {
    "default": {},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2},
    "full": {"threshold": math.inf},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed from now on; what is None stays as it was.

    `precision`: digits behind the point (at first, as many as tell a number from its neighbours);
    `threshold`: elements above which only `edgeitems` at each end are shown; `linewidth`:
    characters of a line; `profile`: "default", "short" or "full" to begin with; `sci_mode`:
    True for 1.0e+00, False for never.

    >>> import nnfast
    >>> nnfast.set_printoptions(precision=2)
    >>> nnfast.tensor([1 / 3, 2.0])
    tensor([0.33, 2.  ])
    >>> nnfast.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            fail("set_printoptions", f"profile one of {', '.join(_PROFILES)}", repr(profile))
        PRINTED.clear()
        PRINTED.update(_PROFILES[profile])
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "max_line_width": linewidth,
    }
    for name, value in given.items():
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                fail("set_printoptions", f"a number >= 0 as {name}", repr(value))
            PRINTED[name] = value
    if sci_mode is not None:
        digits = PRINTED.get("precision", 4)
        PRINTED["suppress_small"] = not sci_mode
        PRINTED["formatter"] = {"float_kind": f"{{:.{digits}e}}".format} if sci_mode else None


def get_default_device() -> device:
    """The CPU.

    >>> import nnfast
    >>> nnfast.get_default_device()
    device(type='cpu')
    """
    return CPU


def are_deterministic_algorithms_enabled() -> bool:
    """True: all are.

    >>> import nnfast
    >>> nnfast.are_deterministic_algorithms_enabled()
    True
    """
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Takes "highest", "high" and "medium", and changes nothing: products are float32's.

    >>> import nnfast
    >>> nnfast.set_float32_matmul_precision("high")
    """
    if precision not in ("highest", "high", "medium"):
        fail("set_float32_matmul_precision", "highest, high or medium", repr(precision))


def get_float32_matmul_precision() -> str:
    """ "highest": products of float32 are computed in float32.

    >>> import nnfast
    >>> nnfast.get_float32_matmul_precision()
    'highest'
    """
    return "highest"


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a dtype becomes another without changing its kind: float, integer or bool.

    >>> import nnfast
    >>> nnfast.can_cast(nnfast.int64, nnfast.float32), nnfast.can_cast(nnfast.float32, nnfast.int64)
    (True, False)
    """
    return np.can_cast(as_dtype(from_, "can_cast"), as_dtype(to, "can_cast"), "same_kind")


def result_type(tensor1: Any, tensor2: Any) -> np.dtype[Any]:
    """The dtype in which two tensors or numbers meet, as in tensor1 + tensor2.

    >>> import nnfast
    >>> nnfast.result_type(nnfast.tensor([1, 2]), 1.0)
    dtype('float32')
    """
    from nnfast.ops.elementwise import add

    parts = [x.detach() if isinstance(x, Tensor) else x for x in (tensor1, tensor2)]
    parts = [x.reshape(-1)[:0] if isinstance(x, Tensor) and x.ndim else x for x in parts]
    return add(*parts).dtype


def promote_types(type1: Any, type2: Any) -> np.dtype[Any]:
    """The dtype in which tensors of both meet.

    >>> import nnfast
    >>> nnfast.promote_types(nnfast.int64, nnfast.float32)
    dtype('float32')
    """
    from nnfast.creation import zeros

    return result_type(zeros(0, dtype=type1), zeros(0, dtype=type2))
