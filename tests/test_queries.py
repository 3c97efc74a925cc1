"""Devices, dtypes and other questions that programs for PyTorch ask at their start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast.errors import NNFastError


def test_the_head_of_a_program() -> None:
    device = nnfast.device("cuda" if nnfast.cuda.is_available() else "cpu")
    assert (device.type, device.index, nnfast.cuda.device_count()) == ("cpu", None, 0)
    nnfast.cuda.manual_seed_all(0)
    nnfast.backends.cudnn.benchmark = nnfast.backends.cuda.matmul.allow_tf32 = True
    assert not nnfast.backends.mps.is_available() and not nnfast.backends.cudnn.is_available()
    nnfast.backends.cudnn.benchmark = nnfast.backends.cuda.matmul.allow_tf32 = False
    assert isinstance(nnfast.float32, nnfast.dtype)  # what programs annotate with
    nnfast.use_deterministic_algorithms(True)
    nnfast.set_float32_matmul_precision("high")
    with pytest.raises(NNFastError, match="highest, high or medium"):
        nnfast.set_float32_matmul_precision("low")
    assert nnfast.are_deterministic_algorithms_enabled()
    assert nnfast.get_float32_matmul_precision() == "highest"
    assert nnfast.get_default_device() == device == nnfast.Generator().device
    x = nnfast.zeros(2, device=device).to(device, non_blocking=True)
    assert x.device == device == "cpu" and x.device.type == "cpu"
    with device:
        assert nnfast.is_tensor(x) and nnfast.numel(x) == 2 and nnfast.is_floating_point(x)
    assert nnfast.finfo(x.dtype).eps == np.finfo(np.float32).eps
    assert nnfast.iinfo(nnfast.int64).max == 2**63 - 1
    assert nnfast.inf == np.inf and np.isnan(nnfast.nan) and nnfast.pi == np.pi
    assert nnfast.get_default_dtype() == nnfast.float32


CREATED: list[Any] = [
    lambda d: nnfast.tensor([1.0], device=d),
    lambda d: nnfast.as_tensor([1.0], device=d),
    lambda d: nnfast.zeros(1, device=d),
    lambda d: nnfast.ones(1, device=d),
    lambda d: nnfast.empty(1, device=d),
    lambda d: nnfast.full((1,), 2.0, device=d),
    lambda d: nnfast.zeros_like(nnfast.ones(1), device=d),
    lambda d: nnfast.arange(2, device=d),
    lambda d: nnfast.linspace(0, 1, 2, device=d),
    lambda d: nnfast.eye(2, device=d),
    lambda d: nnfast.rand(1, device=d),
    lambda d: nnfast.randn(1, device=d),
    lambda d: nnfast.randint(3, (1,), device=d),
    lambda d: nnfast.randperm(3, device=d),
    lambda d: nnfast.randn_like(nnfast.ones(1), device=d),
    lambda d: nnfast.ones(1).new_zeros(2, device=d),
    lambda d: nnfast.device(d or "cpu"),
]


@pytest.mark.parametrize("call", CREATED)
def test_devices_of_what_is_made(call: Any) -> None:
    for good in (None, "cpu", "cpu:0", nnfast.device("cpu")):
        call(good)
    for bad in ("cuda", "cuda:0", 1):
        with pytest.raises(NNFastError, match="expected the device 'cpu'"):
            call(bad)


def test_dtypes_that_meet() -> None:
    torch = pytest.importorskip("torch")
    names = ("float32", "float64", "int64", "bool")
    for a in names:
        for b in names:
            want = str(torch.promote_types(getattr(torch, a), getattr(torch, b)))[6:]
            if a == b == "bool":
                continue  # a sum of booleans
            mine = [nnfast.bool if n == "bool" else getattr(nnfast, n) for n in (a, b)]
            assert str(nnfast.promote_types(*mine)) == want
    with pytest.raises(NNFastError):
        nnfast.set_default_dtype(nnfast.float64)
    nnfast.set_default_dtype(nnfast.float32)


def test_how_tensors_are_printed() -> None:
    x = nnfast.tensor([1 / 3, 2e-8])
    before = repr(x)
    try:
        nnfast.set_printoptions(precision=2, sci_mode=False)
        assert repr(x) == "tensor([0.33, 0.  ])"
        nnfast.set_printoptions(sci_mode=True)
        assert repr(x) == "tensor([3.33e-01, 2.00e-08])"
        nnfast.set_printoptions(profile="short")
        assert repr(nnfast.arange(2000)) == "tensor([   0,    1, ..., 1998, 1999])"
        nnfast.set_printoptions(profile="full", linewidth=20)
        assert "..." not in repr(nnfast.arange(2000))
        assert max(len(line) for line in repr(nnfast.arange(9)).split("\n")) <= 20
        with pytest.raises(NNFastError, match="profile"):
            nnfast.set_printoptions(profile="long")
        with pytest.raises(NNFastError, match="precision"):
            nnfast.set_printoptions(precision=-1)
    finally:
        nnfast.set_printoptions(profile="default")
    assert repr(x) == before


def test_which_dtypes_become_which() -> None:
    dtypes = [nnfast.bool, nnfast.uint8, nnfast.int32, nnfast.int64, nnfast.float32, nnfast.float64]
    kinds = {"b": 0, "u": 1, "i": 1, "f": 2}
    for a in dtypes:
        for b in dtypes:
            if "u" not in (a.kind, b.kind):
                assert nnfast.can_cast(a, b) == (kinds[a.kind] <= kinds[b.kind])


def test_a_generator_that_goes_on() -> None:
    g = nnfast.Generator().manual_seed(3)
    nnfast.rand(2, generator=g)
    other = g.clone_state()
    assert nnfast.rand(3, generator=g).tolist() == nnfast.rand(3, generator=other).tolist()
    assert other.initial_seed() == 3


def test_inference_mode_and_states() -> None:
    w = nnfast.ones(2, requires_grad=True)
    with nnfast.inference_mode():
        assert not (w * 2).requires_grad
    with nnfast.inference_mode(False):
        assert (w * 2).requires_grad
    state = nnfast.get_rng_state()
    a = nnfast.rand(3)
    nnfast.set_rng_state(state)
    assert (a == nnfast.rand(3)).all()
    assert nnfast.seed() == nnfast.initial_seed()
