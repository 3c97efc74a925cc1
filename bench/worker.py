"""A process for one library: runs functions that the bench sends through its standard input.

    python -m bench.worker CPU [CPU ...]

A request is a pickled (function, arguments), an answer a pickled (True, result) or
(False, traceback). Nothing is imported before the process is bound to its CPUs, because
libraries count them once.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import traceback

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(cpus: list[str]) -> None:
    """Answer requests until the input ends."""
    os.sched_setaffinity(0, {int(cpu) for cpu in cpus})
    # A worker is stopped between requests: the end of its input would not wake it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    while sys.stdin.buffer.peek(1):
        try:
            function, arguments = pickle.load(sys.stdin.buffer)
            answer = (True, function(*arguments))
        except Exception:
            answer = (False, traceback.format_exc())
        pickle.dump(answer, answers, protocol=5)
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
