"""Bad input: each gives one clear error, before any arithmetic.

`where: expected ..., got .... values Hint: ...`, see nnfast/errors.py. Modules, optimizers, files
and the graph have more such cases in the tests of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnfast
from nnfast import _core, nn
from nnfast.errors import ArgumentError, NNFastError
from nnfast.graph.mode import MODE
from tests.bad_input import CASES
from tests.bad_input.values import features, image, x
from tests.conftest import run_untraced

IDS = [f"{i}-{text[:40]}" for i, (_, _, text) in enumerate(CASES)]


@pytest.fixture
def no_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that reads any element fails the test."""

    def refuse(op: Any, inputs: Any, result: Any, packed: Any) -> Any:
        read = result.compute is None and any(x is not None and x.array.size for x in inputs)
        assert not read, "arithmetic before the error"
        return run_untraced(op, inputs, result)

    monkeypatch.setattr(MODE, "trace", refuse)


@pytest.mark.parametrize(("call", "kind", "text"), CASES, ids=IDS)
@pytest.mark.usefixtures("no_arithmetic")
def test_error(call: Callable[[], Any], kind: type[NNFastError], text: str) -> None:
    check_error(call, kind, text)


@pytest.mark.parametrize(("call", "kind", "text"), CASES, ids=IDS)
def test_error_of_an_untraced_call(
    call: Callable[[], Any], kind: type[NNFastError], text: str
) -> None:
    check_error(call, kind, text)


def check_error(call: Callable[[], Any], kind: type[NNFastError], text: str) -> None:
    with pytest.raises(NNFastError) as e:
        call()
    assert isinstance(e.value, kind)
    got = str(e.value)  # where NumPy has the last word, its words are left out
    assert got == text or (text.endswith("...") and got.startswith(text[:-3]))
    assert e.value.where and "expected " in e.value.what


def test_there_are_many() -> None:
    assert len({text for _, _, text in CASES}) >= 100


def test_the_path_of_the_module() -> None:
    """In front of the text, and as an attribute; layers before it have run."""
    model = features(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 2))
    for _ in range(2):
        with pytest.raises(ArgumentError) as e:
            model(image)
        assert e.value.path == "features.3" and e.value.where == "linear"
        assert str(e.value) == (
            "features.3: linear: expected input with 100 features (in_features of the weight), got "
            "144. input: (1, 144) float32, weight: (2, 100) float32, bias: (2,) float32. "
            "Hint: set in_features=144, or flatten the input first."
        )


def test_errors_are_pythons_own_kinds_too() -> None:
    for call, kind in [
        (lambda: x.reshape(5), ValueError),
        (lambda: nnfast.tensor("a"), TypeError),
        (lambda: x.sum().backward(), RuntimeError),
        (lambda: x[7], IndexError),
        (lambda: nnfast.load("no such file"), FileNotFoundError),
    ]:
        with pytest.raises(kind) as e:
            call()
        assert isinstance(e.value, NNFastError)


def test_the_core_refuses_what_no_record_lets_through() -> None:
    """The one entry of the extension checks memory, so that a wrong record cannot crash."""
    y = np.empty(3, np.float32)
    op, size = _core.ops()["exp"]
    attrs = b"\0" * size
    bad: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        ((op, attrs, (y,)), TypeError, r"expected \(op, attrs, inputs, outputs\)"),
        ((-1, attrs, (y,), (y,)), ValueError, "no such op"),
        ((10**6, attrs, (y,), (y,)), ValueError, "no such op"),
        ((op, attrs + b"0", (y,), (y,)), ValueError, "bytes of attributes"),
        ((op, attrs, [y], (y,)), TypeError, "expected a tuple of at most 16 arrays"),
        ((op, attrs, (y,) * 17, (y,)), TypeError, "expected a tuple of at most 16 arrays"),
        ((op, attrs, (1.0,), (y,)), TypeError, "expected a NumPy array"),
        ((op, attrs, (y,), (None,)), TypeError, "expected a NumPy array"),
        ((op, attrs, (y.astype(np.float16),), (y,)), TypeError, "expected float32, float64"),
        ((op, attrs, (np.ones(3, complex),), (y,)), TypeError, "expected float32, float64"),
        (
            (op, attrs, (y,), (np.empty(6, np.float32)[::2],)),
            ValueError,
            "contiguous one for an output",
        ),
        ((op, attrs, (np.ones((1,) * 13, np.float32),), (y,)), ValueError, "at most 12 dimensions"),
        ((op, attrs, (np.frombuffer(b"0" * 13, "<f4", 3, 1),), (y,)), ValueError, "aligned"),
        ((op, attrs, (np.ones(3, "f4,i2")["f0"],), (y,)), ValueError, "expected"),
    ]
    frozen = np.empty(3, np.float32)
    frozen.flags.writeable = False
    bad.append(((op, attrs, (y,), (frozen,)), ValueError, "writable"))
    for arguments, kind, text in bad:
        with pytest.raises(kind, match=text):
            _core.run(*arguments)
