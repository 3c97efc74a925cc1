"""Each algorithm of convolution by itself: values, memory, bits; how it is forced and shown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from nnfast import _core
from nnfast.creation import zeros
from nnfast.ops import OPS, conv2d
from tests import op_checks
from tests.specs import conv
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
    if algorithm == "winograd" and name != "conv2d_weight":
        spec = conv.in_tiles(spec)
    assert op_checks.check_values(op, spec, dtype) > 0
    assert op_checks.check_memory(op, spec, dtype) > 0
    assert op_checks.check_threads(op, spec, dtype) > 0
    assert name == "conv2d_weight" or op_checks.check_rows(op, spec, dtype, 1) > 0


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
