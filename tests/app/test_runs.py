"""The run log where something goes amiss: kills, deletions, disks."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from app.runs import RunLog
from documents.errors import StorageError, UnknownRunError


def test_an_end_is_logged_with_its_status_or_not_at_all(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "runs.sqlite")
    run = log.create("What?", "full", [], "h")
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as db:
        db.execute("CREATE TRIGGER t BEFORE UPDATE ON runs BEGIN SELECT RAISE(FAIL, 'cut'); END")
    with pytest.raises(StorageError):
        log.append(run, "done", {})
    assert not list(log.events(run))


def test_a_run_deleted_under_its_worker_is_said_to_be(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "runs.sqlite")
    run = log.create("What?", "full", ["d"], "h")
    log.forget("d")
    with pytest.raises(UnknownRunError, match="deleted"):
        log.append(run, "progress", {})
    with pytest.raises(UnknownRunError, match="deleted"):
        log.put(run, "text")


def test_a_log_that_cannot_be_opened_again_is_a_storage_error(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "home" / "runs.sqlite")
    for file in (tmp_path / "home").iterdir():
        file.unlink()
    (tmp_path / "home").rmdir()
    caught: list[BaseException] = []

    def look() -> None:
        try:
            log.all()
        except StorageError as error:
            caught.append(error)

    thread = threading.Thread(target=look)  # a thread has its own connection
    thread.start()
    thread.join()
    assert caught
