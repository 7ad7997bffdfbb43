"""Runs a job over a file in a process of its own, under limits of time and memory.

A file may be made to break its reader, so no reader runs in the program itself. A job is a
module-level generator of bytes; `stream` runs it in a fresh Python process (which imports the
job's module and nothing else of the program's) and yields what it yields. What comes back is
bytes and JSON, never pickles, so that even a reader taken over by a file gains nothing here.
POSIX only, as are the limits.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

import psutil

from documents import errors
from documents.progress import IsCancelled, check, never_cancelled

_ROOT = Path(__file__).resolve().parent.parent
_TICK_S = 0.05
_LEAST_SHARE = 0.25
"""Of the clock's time, what counts for a job on a busy machine even if it did not run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may cost. A hostile file ends within 20 s and 1.5 GiB; no honest page that we
    know takes a tenth of ``stall_s``. On a machine that has more to do than cores to do it, the
    time that a job gets to run counts, and at least a quarter of the clock's."""

    stall_s: float = 15.0
    """Longest wait for the next item."""
    base_s: float = 16.0
    """Time for the whole job ..."""
    per_item_s: float = 0.5
    """... which grows by this for every item that came."""
    memory_bytes: int = 1_400 * 2**20
    """Address space of the process, and its resident memory."""
    output_bytes: int = 512 * 2**20
    """All that the job may yield."""


def stream(
    job: Callable[..., Iterator[bytes]],
    *args: object,
    name: str,
    where: Callable[[int], str] = lambda _done: "",
    limits: Limits | None = None,
    cancelled: IsCancelled = never_cancelled,
) -> Iterator[bytes]:
    """What ``job(*args)`` yields, run in a process of its own, which ends with the iteration.

    ``name`` is the file as errors name it; ``where(items so far)`` says where the job is, as in
    " on page 3". Raises the job's own `LongdocError`s, `TooCostlyError` past a limit,
    `DamagedError` if the process dies, `Cancelled` within a tenth of a second of a stop."""
    limits = limits or Limits()
    process = _Process(job, args, limits)
    try:
        yield from process.items(name, where, cancelled)
    finally:
        process.end()


class _Process:
    """The worker, the pipe it answers on, and how long and how much it has taken."""

    def __init__(
        self, job: Callable[..., Iterator[bytes]], args: tuple[object, ...], limits: Limits
    ) -> None:
        self.limits = limits
        self.done = 0
        self.sent_bytes = 0
        self.waited_s = 0.0
        self.complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self.answers, theirs = Pipe(duplex=False)
        self.child = self._start(theirs)
        theirs.close()
        self._ask(pickle.dumps((job, args, limits.memory_bytes, limits.stall_s)))

    def _start(self, theirs: Connection) -> subprocess.Popen[bytes]:
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "documents.worker_child", str(theirs.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.complaints,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in paths if path),
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                "MALLOC_ARENA_MAX": "2",
            },
        )

    def _ask(self, request: bytes) -> None:
        """Hands over the job; stdin then stays open, and its end tells the child we are gone."""
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(request)
            self.child.stdin.flush()
        except BrokenPipeError:
            return  # it died at once; reading its answer says why

    def items(
        self, name: str, where: Callable[[int], str], cancelled: IsCancelled
    ) -> Iterator[bytes]:
        while True:
            message = self._next(name, where, cancelled)
            kind, body = message[:1], message[1:]
            if kind == b"E":
                raise _error(body)
            if kind == b"M":
                raise self._too_costly(name, where, "took too much memory")
            if kind == b"D":
                return
            self.done += 1
            self.sent_bytes += len(body)
            if self.sent_bytes > self.limits.output_bytes:
                raise self._too_costly(name, where, "holds too much text")
            yield body

    def _next(self, name: str, where: Callable[[int], str], cancelled: IsCancelled) -> bytes:
        """Waits for a message, watching time, memory and the person."""
        started, ran = time.monotonic(), self._ran()
        whole = self.limits.base_s + self.limits.per_item_s * self.done - self.waited_s
        patience = min(self.limits.stall_s, whole)
        try:
            while not self.answers.poll(_TICK_S):
                check(cancelled)
                if self._had(time.monotonic() - started, self._ran() - ran) > patience:
                    raise self._too_costly(name, where, f"took over {patience:.0f} s")
                if self._resident() > self.limits.memory_bytes:
                    raise self._too_costly(name, where, "took too much memory")
            check(cancelled)
            return self.answers.recv_bytes()
        except (EOFError, ConnectionResetError) as error:
            raise self._died(name, where) from error
        finally:
            self.waited_s += self._had(time.monotonic() - started, self._ran() - ran)

    def _had(self, waited: float, ran: float) -> float:
        """The seconds of a wait that count."""
        if os.getloadavg()[0] <= (os.cpu_count() or 1):
            return waited
        return max(ran, waited * _LEAST_SHARE)

    def _ran(self) -> float:
        """Processor seconds that the process has had; 0 once it is gone."""
        try:
            times = psutil.Process(self.child.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def _resident(self) -> int:
        try:
            return int(psutil.Process(self.child.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def _too_costly(
        self, name: str, where: Callable[[int], str], what: str
    ) -> errors.TooCostlyError:
        return errors.TooCostlyError(
            f"{name}: reading it {what}{where(self.done)} and was stopped.",
            "If this machine was busy with other things, try again; else the file may be damaged "
            "or hostile; print it to a new PDF and try that.",
        )

    def _died(self, name: str, where: Callable[[int], str]) -> errors.DocumentError:
        """Why a process that fell silent did so, as far as its exit status tells."""
        code = self.child.wait()
        if code in (-signal.SIGKILL, -signal.SIGPROF, -signal.SIGXCPU):
            return self._too_costly(name, where, "took too much memory or time")
        why = signal.Signals(-code).name if code < 0 else self._last_complaint() or f"exit {code}"
        return errors.DamagedError(
            f"{name}: the reader failed{where(self.done)} ({why}).",
            "The file may be damaged; print it to a new PDF and try that.",
        )

    def _last_complaint(self) -> str:
        size = self.complaints.seek(0, os.SEEK_END)
        self.complaints.seek(max(0, size - 2000))
        lines = self.complaints.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    def end(self) -> None:
        """Kills the process if it still runs, and closes what was open."""
        self.child.kill()
        self.child.wait()
        self.answers.close()
        self.complaints.close()
        if self.child.stdin is not None:
            try:
                self.child.stdin.close()
            except BrokenPipeError:
                return  # the request never arrived, and cannot now


def _error(body: bytes) -> errors.LongdocError:
    """The error of the tree that the child met."""
    kind, message, hint = json.loads(body)
    found = getattr(errors, kind, errors.DocumentError)
    if not (isinstance(found, type) and issubclass(found, errors.LongdocError)):
        found = errors.DocumentError
    return found(str(message), str(hint))
