"""The worker process keeps what a file does to its reader away from the program."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import worker_jobs as jobs

from documents import Cancelled, DamagedError, Limits, TooCostlyError
from documents.worker import stream


@pytest.fixture(autouse=True)
def _child_finds_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def _where(done: int) -> str:
    return f" at item {done}"


def _run(job: Callable[..., Iterator[bytes]], *args: object, **limits: float) -> list[bytes]:
    return list(stream(job, *args, name="bad.pdf", where=_where, limits=Limits(**limits)))  # type: ignore[arg-type]


def test_items_come_in_order() -> None:
    assert _run(jobs.count, 5) == [b"0", b"1", b"2", b"3", b"4"]


def test_errors_cross_over() -> None:
    with pytest.raises(DamagedError, match=r"bad\.pdf: broken\.") as caught:
        _run(jobs.fail_politely)
    assert caught.value.hint == "Mend it."


@pytest.mark.parametrize(
    ("job", "limits", "error", "says"),
    [
        (jobs.raise_unforeseen, {}, DamagedError, "at item 1 .ZeroDivisionError: a bug"),
        (jobs.crash, {}, DamagedError, "at item 1 .SIGSEGV"),
        (jobs.spin, {"stall_s": 0.5}, TooCostlyError, "took over 0 s|took over 1 s"),
        (jobs.eat_memory, {"memory_bytes": 600 * 2**20}, TooCostlyError, "memory"),
        (jobs.babble, {"output_bytes": 2**22}, TooCostlyError, "too much text"),
    ],
)
def test_misbehaviour_is_an_error(
    job: Callable[..., Iterator[bytes]],
    limits: dict[str, float],
    error: type[Exception],
    says: str,
) -> None:
    started = time.monotonic()
    with pytest.raises(error, match=says) as caught:
        _run(job, **limits)
    assert "bad.pdf" in str(caught.value)
    assert time.monotonic() - started < 10


def test_many_slow_items_pass_the_limit_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    with pytest.raises(TooCostlyError):
        _run(jobs.count, 100, 0.3, base_s=1.5, per_item_s=0.1)


def test_a_busy_machine_does_not_end_a_job_that_did_not_get_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1e6, 0.0, 0.0))
    assert len(_run(jobs.count, 3, 0.6, stall_s=0.5, base_s=9.0)) == 3
    with pytest.raises(TooCostlyError):
        _run(jobs.spin, stall_s=0.5)


def test_a_slow_consumer_costs_the_job_nothing() -> None:
    items = stream(jobs.count, 4, name="x", limits=Limits(stall_s=2.0, base_s=2.0, per_item_s=0.0))
    for _ in items:
        time.sleep(0.7)


def test_a_stop_kills_at_once() -> None:
    stop = threading.Event()
    items = stream(jobs.spin, name="x", cancelled=stop.is_set)
    pid = int(next(items))
    asked = time.monotonic()
    stop.set()
    with pytest.raises(Cancelled):
        next(items)
    assert time.monotonic() - asked < 1.0
    assert not psutil.pid_exists(pid)


def test_an_abandoned_iteration_leaves_no_process() -> None:
    items = stream(jobs.spin, name="x")
    pid = int(next(items))
    items.close()  # type: ignore[attr-defined]
    assert not psutil.pid_exists(pid)


def test_the_worker_imports_neither_torch_nor_main() -> None:
    loaded = _run(jobs.modules)[0].decode().split("\n")
    assert not {"torch", "transformers", "streamlit", "pymupdf", "pytest"} & set(loaded)


def test_the_worker_dies_with_its_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = (
        "import worker_jobs; from documents.worker import stream\n"
        f"list(stream(worker_jobs.note_pid, {str(note)!r}, name='x'))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], env=os.environ)
    while not (note.exists() and note.read_text()):
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    _wait_until_gone(int(note.read_text()))


def _wait_until_gone(pid: int) -> None:
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    raise AssertionError("the worker outlived its parent by five seconds")
