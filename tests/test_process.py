"""nnfast is a guest in its process: import, fork, threads, environment, denormal numbers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import nnfast
from nnfast import _core
from nnfast.config import available_cpus
from tests.conftest import ISAS

ROOT = Path(__file__).parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def python(code: str, timeout: float = 600, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` in a fresh interpreter; a hang is a failure."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NNFAST_", "OMP_"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, "PYTHONPATH": os.pathsep.join(sys.path), **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def output(code: str, **env: str) -> str:
    done = python(code, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- import ---------------------------------------------------------------------------------


@linux
def test_import_starts_no_thread() -> None:
    count = "len(os.listdir('/proc/self/task'))"
    code = f"import os, numpy; before = {count}; import nnfast; print({count} - before)"
    assert output(code) == "0"


def test_import_loads_numpy_alone() -> None:
    start = "import sys, numpy; before = set(sys.modules)"
    loaded = set(output(f"{start}; import nnfast; print(*sys.modules.keys() - before)").split())
    assert "nnfast" in loaded
    roots = {name.partition(".")[0] for name in loaded}
    assert roots - {"nnfast"} <= set(sys.stdlib_module_names), "imports a package besides NumPy"
    heavy = {"inspect", "asyncio", "unittest", "multiprocessing", "subprocess", "http", "xml"}
    assert not loaded & heavy
    lazy = {"nnfast.nn", "nnfast.optim", "nnfast.data", "nnfast.autograd", "nnfast.cli"}
    assert not loaded & lazy


def test_attributes_load_what_they_name() -> None:
    code = "import nnfast; print(nnfast.nn.Linear(1, 2), nnfast.optim.SGD.__name__)"
    assert output(code).startswith("Linear(in_features=1")
    with pytest.raises(AttributeError, match="module 'nnfast' has no attribute 'nothing'"):
        nnfast.nothing  # noqa: B018


@linux
def test_threads_start_with_the_first_large_op() -> None:
    code = """
import os
import numpy as np, nnfast
count = lambda: len(os.listdir('/proc/self/task'))
before = count()
x = nnfast.ones(4)
(x + x) * x
small = count()
y = nnfast.ones(1000, 1000)
y + y
print(small - before, count() - before)
"""
    assert output(code, NNFAST_NUM_THREADS="3") == "0 2"
    assert output(code, NNFAST_NUM_THREADS="1") == "0 0"


# ---- fork -----------------------------------------------------------------------------------

TRAIN = """
import hashlib, os, signal, sys
import numpy as np, nnfast
from nnfast import nn, optim

def build():
    nnfast.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(8 * 49, 32), nn.Tanh(), nn.Linear(32, 4))
    return model, optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

def steps(model, optimizer, n):
    x = nnfast.tensor(np.random.default_rng(0).standard_normal((16, 1, 14, 14)).astype(np.float32))
    for _ in range(n):
        optimizer.zero_grad()
        y = model(x)
        (y * y).sum().backward()
        optimizer.step()

def weights(model):
    h = hashlib.sha256()
    for name, value in model.state_dict().items():
        h.update(name.encode() + value.numpy().tobytes())
    return h.hexdigest()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_training() -> None:
    """Parent and child both train on, 50 times, with the same result and never a hang."""
    code = TRAIN + """
assert nnfast.get_num_threads() == 2
model, optimizer = build()
for _ in range(50):
    steps(model, optimizer, 2)
    r, w = os.pipe()
    pid = os.fork()
    signal.alarm(120)  # a hang in either ends in a signal
    if pid == 0:
        steps(model, optimizer, 2)
        os.write(w, weights(model).encode())
        os._exit(0)
    steps(model, optimizer, 2)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
    child = os.read(r, 1000).decode()
    assert child == weights(model), 'parent and child differ'
    os.close(r), os.close(w)
print('same', len(child))
"""  # fmt: skip
    assert output(code, NNFAST_NUM_THREADS="2") == "same 64"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_in_a_child_and_while_another_thread_works() -> None:
    code = TRAIN + """
import threading, warnings
warnings.simplefilter('ignore', DeprecationWarning)  # of fork in a process with threads
stop = threading.Event()

def work():
    model, optimizer = build()
    while not stop.is_set():
        steps(model, optimizer, 1)

thread = threading.Thread(target=work)
thread.start()
for _ in range(5):
    model, optimizer = build()
    steps(model, optimizer, 1)
    pid = os.fork()
    signal.alarm(120)
    if pid == 0:
        steps(model, optimizer, 1)
        grandchild = os.fork()
        steps(model, optimizer, 1)
        if grandchild:
            assert os.waitpid(grandchild, 0)[1] == 0
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
thread.join()
print('done')
"""  # fmt: skip
    assert output(code, NNFAST_NUM_THREADS="2") == "done"


# ---- number of threads ----------------------------------------------------------------------


def files(root: Path, contents: dict[str, str]) -> str:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


V2, V1 = "sys/fs/cgroup/", "sys/fs/cgroup/cpu,cpuacct/"
QUOTAS: dict[str, tuple[dict[str, str], int | None]] = {
    "v2": ({"proc/self/cgroup": "0::/box\n", V2 + "box/cpu.max": "150000 100000\n"}, 1),
    "v2, no limit": ({"proc/self/cgroup": "0::/box\n", V2 + "box/cpu.max": "max 100000\n"}, None),
    "v2, of a parent": (
        {
            "proc/self/cgroup": "0::/a/b\n",
            V2 + "a/cpu.max": "100000 100000\n",
            V2 + "a/b/cpu.max": "max 100000\n",
        },
        1,
    ),
    "v2, at the mount": ({"proc/self/cgroup": "0::/host/x\n", V2 + "cpu.max": "100000 100000"}, 1),
    "v2, a path outside": (
        {"proc/self/cgroup": "0::/../../x\n", "sys/fs/x/cpu.max": "1 100000", V2 + "no": ""},
        None,
    ),
    "less than one": ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "20000 100000\n"}, 1),
    "more than there are": ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "9000000 1000\n"}, None),
    "v1": (
        {
            "proc/self/cgroup": "4:memory:/m\n3:cpu,cpuacct:/box\n",
            V1 + "box/cpu.cfs_quota_us": "100000\n",
            V1 + "box/cpu.cfs_period_us": "100000\n",
        },
        1,
    ),
    "v1, mounted as cpu": (
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/\n",
            V2 + "cpu/cpu.cfs_quota_us": "100000\n",
            V2 + "cpu/cpu.cfs_period_us": "100000\n",
        },
        1,
    ),
    "v1, no limit": (
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/\n",
            V1 + "cpu.cfs_quota_us": "-1\n",
            V1 + "cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    "nonsense": ({"proc/self/cgroup": "0::/\n", V2 + "cpu.max": "a lot\n"}, None),
    "nothing there": ({}, None),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_cgroup_quota(name: str, tmp_path: Path) -> None:
    contents, expected = QUOTAS[name]
    n, why = available_cpus(files(tmp_path, contents))
    unlimited, reason = available_cpus(str(tmp_path / "elsewhere"))
    assert reason in ("cores of the machine", "affinity mask")
    if expected is None or unlimited == 1:
        assert (n, why) == (unlimited, reason)
    else:
        assert (n, why) == (expected, "cgroup CPU quota")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs an affinity mask")
def test_affinity_mask() -> None:
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import nnfast
print(nnfast.get_num_threads())
"""
    assert output(code) == "1"


def test_environment_sets_the_threads() -> None:
    show = "import nnfast; print(nnfast.get_num_threads()); nnfast.show_config()"
    text = output(show, NNFAST_NUM_THREADS="3")
    assert text.startswith("3\n") and "threads: 3 (NNFAST_NUM_THREADS)" in text
    assert output(show, NNFAST_NUM_THREADS="") == output(show)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1025", " "])
def test_bad_number_of_threads_in_the_environment(value: str) -> None:
    done = python("import nnfast", NNFAST_NUM_THREADS=value)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last == (
        "ImportError: nnfast: expected NNFAST_NUM_THREADS to be a number from 1 to 1024, got "
        f"'{value}'. Hint: unset it to use the CPUs available."
    )


def test_threads_is_for_this_thread_alone() -> None:
    nnfast.set_num_threads(3)
    inside, leave = threading.Event(), threading.Event()
    seen: list[int] = []

    def other() -> None:
        with nnfast.threads(1):
            seen.append(nnfast.get_num_threads())
            inside.set()
            leave.wait(60)
            with nnfast.threads(2):
                seen.append(nnfast.get_num_threads())
            seen.append(nnfast.get_num_threads())
        seen.append(nnfast.get_num_threads())

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(60)
    assert nnfast.get_num_threads() == 3
    leave.set()
    thread.join()
    assert seen == [1, 2, 1, 3]
    with pytest.raises(ZeroDivisionError), nnfast.threads(1):
        raise ZeroDivisionError
    assert nnfast.get_num_threads() == 3


def test_two_python_threads_compute_at_once() -> None:
    """Each with threads of its own, in workspaces of its own."""
    rng = np.random.default_rng(0)
    inputs = [nnfast.tensor(rng.standard_normal((n, n))) for n in (150, 220)]
    expected = [(x @ x).numpy().copy() for x in inputs]
    start = threading.Barrier(2)
    wrong: list[int] = []

    def work(me: int) -> None:
        start.wait(60)
        with nnfast.threads(1 + me):
            for _ in range(100):
                if not np.array_equal((inputs[me] @ inputs[me]).numpy(), expected[me]):
                    wrong.append(me)

    threads = [threading.Thread(target=work, args=(me,)) for me in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_threads_set_while_another_thread_computes() -> None:
    """The workspace of a running op has room for the threads there were when it began."""
    code = """
import sys, threading, time
import numpy as np, nnfast
from nnfast.nn.functional import conv2d
sys.setswitchinterval(1e-6)
stop = threading.Event()

def change():
    while not stop.is_set():
        for n in (1, 16):
            nnfast.set_num_threads(n)
            time.sleep(0)

thread = threading.Thread(target=change)
thread.start()
rng = np.random.default_rng(0)
x = nnfast.tensor(rng.standard_normal((16, 8, 20, 20)).astype(np.float32))
w = nnfast.tensor(rng.standard_normal((16, 8, 3, 3)).astype(np.float32), requires_grad=True)
bits = set()
for _ in range(300):
    w.grad = None
    (conv2d(x, w, padding=1) ** 2).sum().backward()
    bits.add(w.grad.numpy().tobytes())
stop.set()
thread.join()
print(len(bits))
"""
    assert output(code) == "1"


# ---- instruction set ------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
def test_environment_caps_the_isa(isa: str) -> None:
    text = output("import nnfast; nnfast.show_config()", NNFAST_ISA=isa)
    assert f"isa: {isa} (capped by NNFAST_ISA={isa})" in text


def test_bad_isa_in_the_environment() -> None:
    done = python("import nnfast", NNFAST_ISA="sse9")
    usable = ", ".join(_core.isas())
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        f"ImportError: nnfast: expected NNFAST_ISA to be one of {usable}, got 'sse9': no ISA is "
        "called 'sse9'. Hint: unset it to use the best."
    )


# ---- denormal numbers -----------------------------------------------------------------------

TINY = np.float32(1e-41)


@pytest.mark.parametrize("n", [1, 100, 1_000_000])
def test_denormals_are_flushed_inside_and_only_inside(isa: str, threads: int, n: int) -> None:
    x = nnfast.tensor(np.full(n, TINY))
    assert (x.array > 0).all()
    assert ((x * 1.0).array == 0).all()
    assert ((x @ nnfast.ones(n)).array == 0).all()
    for _ in range(3):  # the caller's own arithmetic
        assert TINY * np.float32(2) > 0
        assert (x.array + x.array > 0).all()
        assert float(np.float64(5e-324) * 1.0) > 0


def test_denormals_of_a_callers_thread_after_a_failing_op() -> None:
    with pytest.raises(nnfast.NNFastError):
        nnfast.ones(2) + nnfast.ones(3)
    assert TINY * np.float32(2) > 0


def test_floating_point_warnings_stay_the_callers() -> None:
    """Overflow and division by zero inside an op raise no NumPy error, even where those do."""
    with np.errstate(all="raise"):
        assert np.isinf((nnfast.ones(3) / 0.0).numpy()).all()
        assert np.isinf((nnfast.ones(3) * 1e38 * 1e38).numpy()).all()
        with pytest.raises(FloatingPointError):
            np.ones(3) / 0
