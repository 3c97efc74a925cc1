"""Bad input, by family: (call, error, message)."""

from tests.bad_input import arithmetic, elsewhere, layers, tensors

CASES = [*arithmetic.CASES, *layers.CASES, *tensors.CASES, *elsewhere.CASES]
