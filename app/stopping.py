"""Ctrl-C asks the work to stop, which it does between two batches, within a second."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from documents import IsCancelled


@contextmanager
def stoppable() -> Iterator[IsCancelled]:
    """True once Ctrl-C was pressed; the second time it interrupts at once."""
    stop = threading.Event()

    def asked(number: int, frame: object) -> None:
        del number, frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield stop.is_set
    finally:
        signal.signal(signal.SIGINT, before)
