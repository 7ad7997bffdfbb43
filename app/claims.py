"""Who works on a run: a lock on a file, which the system drops when its process dies, however it
dies. So a run killed with ``kill -9`` is known at once, also from another container."""

from __future__ import annotations

from pathlib import Path

import filelock

from documents.errors import StorageError

_WAIT_S = 1.0
"""Somebody who only looks holds a lock for an instant."""


class Claims:
    """One lock a run. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, filelock.FileLock] = {}

    def take(self, run: str) -> bool:
        """Have the run to oneself; False if somebody works on it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = self._lock(run)
            lock.acquire(timeout=_WAIT_S)
        except filelock.Timeout:
            return False
        except OSError as error:
            raise StorageError(
                f"{self._path(run)} cannot be written: {error}.", "Free some space on that disk."
            ) from error
        self._held[run] = lock
        return True

    def drop(self, run: str) -> None:
        """Be done with a run, if it was taken here."""
        if (lock := self._held.pop(run, None)) is not None:
            self._path(run).unlink(missing_ok=True)
            lock.release()

    def taken(self, run: str) -> bool:
        """Whether somebody, here or in another process, works on the run."""
        if run in self._held:
            return True
        if not self._path(run).exists():
            return False
        lock = self._lock(run)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            return True
        lock.release()
        return False

    def _lock(self, run: str) -> filelock.FileLock:
        """Taken in one thread, dropped in another."""
        return filelock.FileLock(self._path(run), thread_local=False)

    def _path(self, run: str) -> Path:
        return self._folder / f"{run}.lock"
