"""The other end of `documents.worker`: runs one job and answers over a pipe.

``python -m documents.worker_child FD`` takes a pickled ``(job, args, memory, stall)`` from the
program that started it on standard input. Each answer is one message: ``I`` and an item, ``E``
and an error as JSON, ``M`` if memory ran out, or ``D`` at the end.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import cast

from documents.errors import LongdocError

_Request = tuple[Callable[..., Iterator[bytes]], tuple[object, ...], int, float]


def main(descriptor: int) -> None:
    """Run the one job that comes on standard input."""
    answers = Connection(descriptor, readable=False)
    job, args, memory, stall = cast(_Request, pickle.load(sys.stdin.buffer))
    _limit(memory)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _rearm(stall)
        for item in job(*args):
            answers.send_bytes(b"I" + item)
            _rearm(stall)
        answers.send_bytes(b"D")
    except LongdocError as error:
        _report(answers, error)
    except MemoryError:
        answers.send_bytes(b"M")
    except BrokenPipeError:
        os._exit(1)  # nobody listens any more


def _limit(memory: int) -> None:
    """Bound the address space, and leave no core dump of somebody's document."""
    if sys.platform == "linux":  # elsewhere it is not enforced, or refused
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _rearm(stall: float) -> None:
    """Die of SIGPROF if an item takes twice its limit of processor time: the parent must be gone. A
    thread could not see to this, since a library stuck in a loop may hold the interpreter's
    lock."""
    signal.setitimer(signal.ITIMER_PROF, 2 * stall + 5)


def _die_with_parent() -> None:
    """Standard input ends when the program that started us does."""
    # A raw descriptor read: a buffered one would hold a lock that shutdown needs.
    while os.read(0, 4096):
        pass
    os._exit(1)


def _report(answers: Connection, error: LongdocError) -> None:
    body = json.dumps([type(error).__name__, error.message, error.hint])
    answers.send_bytes(b"E" + body.encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
