"""Stops: by Ctrl-C, or asked for in the run log by another process. The work heeds them between
two batches, within a second."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from documents import IsCancelled
from documents.progress import check

_POLL_S = 0.2


@dataclass(slots=True)
class Polled:
    """True once ``here`` is, or once ``elsewhere``, which is asked five times a second at most."""

    here: IsCancelled
    elsewhere: IsCancelled
    _at: float = 0.0
    _stopped: bool = False

    def __call__(self) -> bool:
        """Whether to stop."""
        now = time.monotonic()
        if not self._stopped and now - self._at >= _POLL_S:
            self._at, self._stopped = now, self.elsewhere()
        return self._stopped or self.here()


def ended(thread: threading.Thread, cancelled: IsCancelled) -> None:
    """Back once the thread has ended. Raises `Cancelled` at a stop."""
    while thread.is_alive():
        check(cancelled)
        thread.join(_POLL_S)


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
