"""The graph's checkpoints: kept while a run may be gone on with, then pruned.

LangGraph writes a run's whole state at each step. A finished run needs none of it, and a run
whose checkpoints are gone starts again at its first node, so pruning never loses an answer.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.runs import RunLog
from documents.errors import StorageError

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite import SqliteSaver

logger = logging.getLogger("longdoc")
UNFINISHED_KEPT = 50
"""Runs that broke off whose checkpoints are kept, the newest."""
_FREE_BYTES = 4 << 20
"""Free space inside the file that is worth a vacuum."""


@contextmanager
def checkpoints(home: Path) -> Iterator[SqliteSaver]:
    """The data folder's checkpoints. SQLite's errors within are a `StorageError`."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    path = home / "checkpoints.sqlite"
    try:
        with closing(sqlite3.connect(path, check_same_thread=False, timeout=30)) as connection:
            saver = SqliteSaver(connection)
            saver.setup()
            yield saver
    except sqlite3.Error as error:
        raise StorageError(
            f"{path} cannot be written: {error}.", "Free some space on that disk."
        ) from error


def prune(home: Path, log: RunLog) -> None:
    """Delete the checkpoints of runs that are finished or deleted, and of all but the newest that
    broke off; give the space back once it is worth it. Where that fails the next run does it."""
    try:
        with checkpoints(home) as saver:
            _prune(saver, log)
    except StorageError as error:
        logger.warning("checkpoints are not pruned: %s", error.message)


def _prune(saver: SqliteSaver, log: RunLog) -> None:
    kept = {row[0] for row in saver.conn.execute("SELECT DISTINCT thread_id FROM checkpoints")}
    runs = {run: log.find(run) for run in kept}
    broken = [run for run in runs.values() if run is not None and run.status != "done"]
    broken.sort(key=lambda run: run.created)
    old = {run.id for run in broken[:-UNFINISHED_KEPT] if run.status != "running"}
    for key, run in runs.items():
        if run is None or run.status == "done" or key in old:
            saver.delete_thread(key)
    _vacuum(saver.conn)


def _vacuum(connection: sqlite3.Connection) -> None:
    free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("freelist_count", "page_size")
    )
    if free * size < _FREE_BYTES:
        return
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):  # another run is writing: the next one vacuums
            raise
