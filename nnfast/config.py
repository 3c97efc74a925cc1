"""Threads, instruction set and memory: what this process uses, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nnfast import _core
from nnfast.errors import ArgumentError, fail

# Why the current number of threads and ISA are what they are, for show_config.
_reasons = {"threads": "", "isa": ""}


def available_cpus(root: str = "/") -> tuple[int, str]:
    """CPUs this process may use, and what limits them: cores, affinity or the cgroup's quota.

    `root` is where /proc and /sys are looked for.
    """
    limits = [(os.cpu_count() or 1, "cores of the machine")]
    if hasattr(os, "sched_getaffinity"):
        limits.append((len(os.sched_getaffinity(0)), "affinity mask"))
    quota = _cgroup_quota(root)
    if quota is not None:
        limits.append((max(1, int(quota)), "cgroup CPU quota"))
    return min(limits, key=lambda limit: limit[0])


def available_memory(root: str = "/") -> int:
    """Bytes of memory of the machine, or of the cgroup if that has less."""
    limit = _cgroup_limit(root, "memory", _memory_v2, _memory_v1)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return machine if limit is None else min(machine, int(limit))


def _cgroup_quota(root: str) -> float | None:
    """The smallest CPU quota of this process's cgroup and its parents, in CPUs."""
    return _cgroup_limit(root, "cpu", _read_v2, _read_v1)


def _cgroup_limit(root: str, controller: str, read_v2: Any, read_v1: Any) -> float | None:
    """The smallest limit of this process's cgroup and its parents."""
    try:
        lines = _text(f"{root}/proc/self/cgroup").splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            limits += _limits(f"{root}/sys/fs/cgroup", path, read_v2)
        elif controller in controllers.split(","):
            limits += _limits(f"{root}/sys/fs/cgroup/{controllers}", path, read_v1)
            limits += _limits(f"{root}/sys/fs/cgroup/{controller}", path, read_v1)
    return min(limits, default=None)


def _limits(mount: str, path: str, read: Any) -> list[float]:
    # Inside a container the path may be the host's: the mount itself is looked at too.
    folders = [mount]
    for part in path.split("/"):
        if part == "..":
            break
        if part:
            folders.append(f"{folders[-1]}/{part}")
    found = []
    for folder in folders:
        try:
            quota, period = read(folder)
        except (OSError, ValueError):
            continue
        if quota > 0 and period > 0:
            found.append(quota / period)
    return found


def _text(path: str) -> str:  # not pathlib: a fifth of the time of `import nnfast`
    with open(path) as file:
        return file.read()


def _read_v2(folder: str) -> tuple[float, float]:
    quota, period = _text(f"{folder}/cpu.max").split()
    return float(quota), float(period)  # quota may be "max": ValueError, no limit


def _read_v1(folder: str) -> tuple[float, float]:
    quota = _text(f"{folder}/cpu.cfs_quota_us")
    return float(quota), float(_text(f"{folder}/cpu.cfs_period_us"))


def _memory_v2(folder: str) -> tuple[float, float]:
    return float(_text(f"{folder}/memory.max")), 1  # may be "max"


def _memory_v1(folder: str) -> tuple[float, float]:
    return float(_text(f"{folder}/memory.limit_in_bytes")), 1


def _check_threads(n: int, where: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 1024:
        fail(where, "a number of threads from 1 to 1024", repr(n))
    return n


def set_num_threads(n: int) -> None:
    """Threads that ops use, for the whole process. Results do not depend on it.

    >>> import nnfast
    >>> before = nnfast.get_num_threads()
    >>> nnfast.set_num_threads(1)
    >>> nnfast.get_num_threads()
    1
    >>> nnfast.set_num_threads(before)
    """
    _core.set_num_threads(_check_threads(n, "set_num_threads"))
    _reasons["threads"] = "set_num_threads"


def get_num_threads() -> int:
    """Threads that ops called from this Python thread use.

    >>> import nnfast
    >>> with nnfast.threads(1):
    ...     nnfast.get_num_threads()
    1
    """
    return _core.num_threads()


@contextmanager
def threads(n: int) -> Iterator[None]:
    """At most n threads for ops called from this Python thread, while inside.

    >>> import nnfast
    >>> with nnfast.threads(1):
    ...     nnfast.get_num_threads()
    1
    """
    before = _core.thread_limit()
    _core.set_thread_limit(_check_threads(n, "threads"))
    try:
        yield
    finally:
        _core.set_thread_limit(before)


def _choose(variable: str, names: list[str], default: str) -> str:
    """The value of an environment variable: one of the names, or '' if it is not set."""
    value = os.environ.get(variable, "")
    if value and value not in names:
        raise ImportError(
            f"nnfast: expected {variable} to be one of {', '.join(names)}, got '{value}'. "
            f"Hint: unset it {default}."
        )
    return value


def empty_cache() -> None:
    """Give memory that is kept for results to come back to the system.

    Results of ops, from a KiB on, get memory that earlier ones no longer use: fresh pages cost more
    than most ops. What is kept is at most an eighth of `available_memory`.

    >>> import nnfast
    >>> nnfast.empty_cache()
    """
    _core.release_idle_memory()


def configure() -> None:
    """At import: the best ISA up to NNFAST_ISA, NNFAST_NUM_THREADS or the available CPUs.

    NNFAST_CONV forces an algorithm for all convolutions that it can compute; NNFAST_DEBUG=conv
    prints for each which one computes it.
    """
    _core.set_idle_memory_limit(available_memory() // 8)
    _core.force_conv(_choose("NNFAST_CONV", _core.conv_algorithms(), "to use the fastest"))
    _core.show_conv_choices(_choose("NNFAST_DEBUG", ["conv"], "to print nothing") == "conv")
    cap = os.environ.get("NNFAST_ISA", "")
    try:
        _core.set_isa(cap)
    except ValueError as e:
        usable = ", ".join(_core.isas())
        raise ImportError(
            f"nnfast: expected NNFAST_ISA to be one of {usable}, got '{cap}': {e}. "
            "Hint: unset it to use the best."
        ) from None
    _reasons["isa"] = f"capped by NNFAST_ISA={cap}" if cap else "best of this processor"
    wanted = os.environ.get("NNFAST_NUM_THREADS", "")
    if wanted:
        try:
            n = _check_threads(int(wanted), "NNFAST_NUM_THREADS")
        except (ValueError, ArgumentError):
            raise ImportError(
                "nnfast: expected NNFAST_NUM_THREADS to be a number from 1 to 1024, got "
                f"'{wanted}'. Hint: unset it to use the CPUs available."
            ) from None
        why = "NNFAST_NUM_THREADS"
    else:
        n, why = available_cpus()
    _core.set_num_threads(n)
    _reasons["threads"] = why


def version() -> str:
    """The version of the package, as compiled."""
    return str(_core.build_info()["version"])


def config() -> dict[str, str]:
    """What `show_config` prints, as a dictionary."""
    build = _core.build_info()
    return {
        "nnfast": build["version"],
        "isa": f"{_core.isa()} ({_reasons['isa']})",
        "isas of this machine": ", ".join(_core.isas()),
        "isas built": ", ".join(_core.built_isas()),
        "threads": f"{get_num_threads()} ({_reasons['threads']})",
        "memory kept": f"{_core.idle_memory() >> 20} of at most "
        f"{_core.idle_memory_limit() >> 20} MiB",
        "compiler": build["compiler"],
        "openmp": str(build["openmp"]),
    }


def show_config() -> None:
    """Print version, ISA, threads (with the reason for each), memory and compiler.

    >>> import nnfast
    >>> nnfast.show_config()  # doctest: +NORMALIZE_WHITESPACE
    nnfast: ...
    """
    for key, value in config().items():
        print(f"{key:>20}: {value}")
