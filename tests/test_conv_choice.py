"""Each algorithm of convolution by itself: values, memory, bits; how it is forced and shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from nnfast import _core
from nnfast.creation import tensor, zeros
from nnfast.ops import OPS, conv2d
from tests import op_checks
from tests.specs import conv
from tests.test_gemm import ACTIVATIONS, normal, run
from tests.test_process import output, python

CONVS = sorted(conv.SPECS)


@pytest.fixture(params=_core.conv_algorithms())
def algorithm(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each algorithm, forced wherever it can compute the layer."""
    assert _core.force_conv(request.param)
    yield request.param
    _core.force_conv("")


@pytest.mark.parametrize("name", CONVS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_algorithm(isa: str, algorithm: str, name: str, dtype: str) -> None:
    op, spec = OPS[name], conv.SPECS[name]
    if algorithm == "winograd":
        spec = conv.in_tiles(spec)
    assert op_checks.check_values(op, spec, dtype) > 0
    assert op_checks.check_memory(op, spec, dtype) > 0
    assert op_checks.check_threads(op, spec, dtype) > 0
    assert name == "conv2d_weight" or op_checks.check_rows(op, spec, dtype, 1) > 0


# Input, weight, arguments: in place, images joined, bands, groups, tiles in several regions.
FUSED: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 5, 9, 11), (15, 5, 3, 3), {"padding": 1}),
    ((3, 40, 4, 4), (20, 40, 3, 3), {"padding": 1}),
    ((2, 3, 40, 21), (16, 3, 3, 3), {"stride": 2}),
    ((2, 4, 6, 300), (18, 2, 3, 3), {"groups": 2}),
    ((1, 6, 10, 37), (6, 1, 3, 3), {"groups": 6}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fused_residual_and_activation_give_the_bits_of_separate_ops(
    isa: str, algorithm: str, dtype: str
) -> None:
    """With and without bias and residual."""
    for x, w, kw in FUSED:
        a, weight = normal(*x, dtype=dtype), normal(*w, dtype=dtype)
        y = conv2d(tensor(a), tensor(weight), **kw)
        residual = normal(*y.shape, dtype=dtype)
        attrs = conv2d.rule(tensor(a), tensor(weight), **kw).attrs
        for bias in (None, normal(w[0], dtype=dtype)):
            terms = conv2d(tensor(a), tensor(weight), None if bias is None else tensor(bias), **kw)
            for act, separate in enumerate(ACTIVATIONS):
                fused = attrs._replace(activation=act, slope=0.25)
                for r in (None, residual):
                    expected = separate(terms if r is None else terms + tensor(r))
                    got = run("conv2d", fused, a, weight, bias, r, shape=y.shape)
                    assert got.tobytes() == expected.numpy().tobytes(), (x, kw, act)


def test_an_unknown_algorithm_is_refused() -> None:
    assert not _core.force_conv("fft")
    done = python("import nnfast", NNFAST_CONV="fft")
    assert done.returncode == 1
    assert "expected NNFAST_CONV to be one of gemm, " in done.stderr


def test_the_choice_is_printed_and_can_be_forced() -> None:
    code = (
        "import os, nnfast; os.dup2(1, 2); "
        "x = nnfast.zeros(2, 3, 8, 8); w = nnfast.zeros(3, 1, 5, 5); "
        "nnfast.nn.functional.conv2d(x, w, stride=2, groups=3)"
    )
    text = "for (2, 3, 8, 8), weight (3, 1, 5, 5), stride (2, 2), groups 3"
    assert output(code, NNFAST_DEBUG="conv") == f"nnfast: conv2d: depthwise {text}"
    forced = output(code, NNFAST_DEBUG="conv", NNFAST_CONV="gemm")
    assert forced == f"nnfast: conv2d: gemm {text}"
    assert output(code) == ""


def test_the_choice_does_not_depend_on_the_batch(capfd: pytest.CaptureFixture[str]) -> None:
    _core.show_conv_choices(True)
    rng = np.random.default_rng(0)
    for _ in range(100):
        c, o, k, h, w = (int(n) for n in rng.integers(1, (20, 40, 6, 40, 40)))
        x, weight = zeros(1, c, h + k, w + k), zeros(o, c, k, k)
        for n in (1, 7):
            conv2d(zeros(n, *x.shape[1:]), weight)
        one, many = (line.split() for line in capfd.readouterr().err.splitlines())
        assert one[2] == many[2]
    _core.show_conv_choices(False)
