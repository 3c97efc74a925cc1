"""More powers, exponentials and logarithms."""

from __future__ import annotations

import numpy as np

from tests.specs.elementwise import positive
from tests.specs.spec import Spec, elementwise_cases

SPECS = {
    "rsqrt": Spec(elementwise_cases(1), lambda x: 1 / np.sqrt(x), sample=positive),
    "exp2": Spec(elementwise_cases(1), np.exp2),
    "expm1": Spec(elementwise_cases(1), np.expm1, ulp=3),
    "log2": Spec(elementwise_cases(1), np.log2, sample=positive, ulp=3),
}
