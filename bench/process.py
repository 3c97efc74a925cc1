"""How nnfast behaves as a guest in a process: import, denormals, Python threads, idle CPU.

Each figure is a ratio or a difference taken in one run; the sides are interleaved.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np


def import_milliseconds(rounds: int = 15) -> tuple[float, float]:
    """(import numpy, what import nnfast adds), the least of several processes each."""
    code = (
        "import time, sys; t = time.perf_counter(); import numpy; u = time.perf_counter(); "
        "import nnfast; print(1e3 * (u - t), 1e3 * (time.perf_counter() - u))"
    )
    times = [
        [float(x) for x in subprocess.check_output([sys.executable, "-P", "-c", code]).split()]
        for _ in range(rounds)
    ]
    return min(t[0] for t in times), min(t[1] for t in times)


def denormal_ratio(rounds: int = 30, batch: int = 64) -> float:
    """Time of a convolution, forward and backward, with weights of 1e-41 over that with 1."""
    import nnfast
    from nnfast.nn import functional as F

    x = nnfast.randn(batch, 16, 14, 14)
    weights = [nnfast.tensor(np.full((32, 16, 3, 3), w, np.float32)) for w in (1.0, 1e-41)]
    best = [np.inf, np.inf]
    for _ in range(rounds):
        for i, w in enumerate(weights):
            w.requires_grad_()
            start = time.perf_counter()
            F.conv2d(x, w, padding=1).sum().backward()
            best[i] = min(best[i], time.perf_counter() - start)
    return best[1] / best[0]


def _train(seconds: float, counts: list[int], index: int) -> None:
    import nnfast
    from nnfast import models, optim
    from nnfast.nn import functional as F

    with nnfast.threads(1):
        model = models.cnn(batch_norm=False)
        optimizer = optim.Adam(model.parameters())
        x, y = nnfast.randn(64, 1, 28, 28), nnfast.tensor(np.arange(64) % 10)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            counts[index] += 1


def thread_speedup(seconds: float = 3.0, rounds: int = 3) -> float:
    """Steps a second of two Python threads, each training on one thread, over those of one."""
    best = [0.0, 0.0]
    for _ in range(rounds):
        for i, n in enumerate((1, 2)):
            counts = [0] * n
            threads = [threading.Thread(target=_train, args=(seconds, counts, k)) for k in range(n)]
            start = time.perf_counter()
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            best[i] = max(best[i], sum(counts) / (time.perf_counter() - start))
    return best[1] / best[0]


def idle_milliseconds(seconds: float = 5.0) -> float:
    """CPU time that the process uses while it sleeps after training."""
    counts = [0]
    _train(0.3, counts, 0)
    import nnfast
    from nnfast.nn import functional as F

    F.conv2d(nnfast.randn(64, 16, 28, 28), nnfast.randn(32, 16, 3, 3))  # with all threads
    before = time.process_time()
    time.sleep(seconds)
    return 1e3 * (time.process_time() - before)


def figures(toy: bool = False) -> dict[str, float]:
    """All of them; of tiny sizes for the tests. Run in the nnfast worker."""
    numpy_ms, nnfast_ms = import_milliseconds(1 if toy else 15)
    return {
        "import numpy, ms": numpy_ms,
        "import nnfast adds, ms": nnfast_ms,
        "weights of 1e-41 over weights of 1, time": denormal_ratio(*((1, 2) if toy else ())),
        "two Python threads over one, steps a second": thread_speedup(*((0.1, 1) if toy else ())),
        "CPU time in idle seconds, ms": idle_milliseconds(0.1 if toy else 5.0),
    }
