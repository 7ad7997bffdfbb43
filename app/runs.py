"""The run log: a question is a run, a row with an append-only list of events in SQLite.

Whoever watches replays the log by run id, so that a reload loses nothing and every front end
shows the same. Texts that the graph's state names are kept beside it, by hash.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from documents.errors import StorageError


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a run's log; ``seq`` counts from 1."""

    run: str
    seq: int
    at: float
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """A question as it was asked. ``status``: running, done, failed, stopped."""

    id: str
    question: str
    strategy: str
    documents: tuple[str, ...]
    status: str


Migration = Callable[[sqlite3.Connection], None]


def m001_runs(db: sqlite3.Connection) -> None:
    """Runs, their events, and texts by hash."""
    db.execute(
        "CREATE TABLE runs (id TEXT PRIMARY KEY, created REAL, question TEXT, strategy TEXT,"
        " documents TEXT, settings TEXT, status TEXT)"
    )
    db.execute(
        "CREATE TABLE events (run TEXT REFERENCES runs ON DELETE CASCADE, seq INTEGER, at REAL,"
        " kind TEXT, data TEXT, PRIMARY KEY (run, seq)) WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE notes (run TEXT REFERENCES runs ON DELETE CASCADE, key TEXT, text TEXT,"
        " PRIMARY KEY (run, key)) WITHOUT ROWID"
    )


MIGRATIONS: tuple[Migration, ...] = (m001_runs,)


@dataclass(frozen=True, slots=True)
class RunNotes:
    """One run's `agent.Notes`."""

    log: RunLog
    run: str

    def put(self, text: str) -> str:
        """Keep a text; its key."""
        return self.log.put(self.run, text)

    def get(self, key: str) -> str:
        """The text kept under a key."""
        return self.log.get(self.run, key)


class RunLog:
    """Runs and events in one SQLite file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"The run log {path} cannot be opened: {error}.",
                "Free some space or set LONGDOC_HOME to a folder you may write to.",
            ) from error

    def create(self, question: str, strategy: str, documents: list[str], settings: str) -> str:
        """A new run, not yet started; its id."""
        run = uuid.uuid4().hex[:12]
        with self._db() as db:
            db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, 'running')",
                (run, time.time(), question, strategy, json.dumps(documents), settings),
            )
        return run

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        """Add an event. ``done``, ``failed`` and ``stopped`` end the run."""
        with self._db() as db:
            db.execute(
                "INSERT INTO events SELECT ?, coalesce(max(seq), 0) + 1, ?, ?, ?"
                " FROM events WHERE run = ?",
                (run, time.time(), kind, json.dumps(data, ensure_ascii=False), run),
            )
            if kind in ("done", "failed", "stopped"):
                db.execute("UPDATE runs SET status = ? WHERE id = ?", (kind, run))

    def events(self, run: str, after: int = 0) -> Iterator[Event]:
        """The run's events with ``seq`` above ``after``, in order."""
        with self._db() as db:
            rows = db.execute(
                "SELECT seq, at, kind, data FROM events WHERE run = ? AND seq > ? ORDER BY seq",
                (run, after),
            ).fetchall()
        for seq, at, kind, data in rows:
            yield Event(run, seq, at, kind, json.loads(data))

    def find(self, run: str) -> Run | None:
        """The run of this id; None if there is no such run, or no longer."""
        with self._db() as db:
            row = db.execute(
                "SELECT id, question, strategy, documents, status FROM runs WHERE id = ?", (run,)
            ).fetchone()
        if row is None:
            return None
        key, question, strategy, documents, status = row
        return Run(key, question, strategy, tuple(json.loads(documents)), status)

    def status(self, run: str) -> str | None:
        """running, done, failed, stopped; None if there is no such run."""
        found = self.find(run)
        return found.status if found else None

    def notes(self, run: str) -> RunNotes:
        """Where a run keeps the texts that its graph's state names."""
        return RunNotes(self, run)

    def put(self, run: str, text: str) -> str:
        """Keep a text of a run; its key."""
        key = hashlib.sha256(text.encode()).hexdigest()
        with self._db() as db:
            db.execute("INSERT OR IGNORE INTO notes VALUES (?, ?, ?)", (run, key, text))
        return key

    def get(self, run: str, key: str) -> str:
        """The run's text kept under a key."""
        with self._db() as db:
            row = db.execute(
                "SELECT text FROM notes WHERE run = ? AND key = ?", (run, key)
            ).fetchone()
        if row is None:
            raise StorageError(f"Run {run} has no text {key[:12]}.", "Ask the question again.")
        return str(row[0])

    def forget(self, document: str) -> None:
        """Delete every run over a document: its answers quote it."""
        with self._db() as db:
            db.execute(
                "DELETE FROM runs WHERE EXISTS"
                " (SELECT 1 FROM json_each(runs.documents) WHERE value = ?)",
                (document,),
            )

    def _migrate(self) -> None:
        with self._db() as db:
            db.execute("BEGIN IMMEDIATE")
            done = db.execute("PRAGMA user_version").fetchone()[0]
            for number, migration in enumerate(MIGRATIONS[done:], done + 1):
                migration(db)
                db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, in a transaction. A full disk is a `StorageError`."""
        db = getattr(self._local, "db", None)
        if db is None:
            db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA secure_delete = ON")
            self._local.db = db
        try:
            with db:
                yield db
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"The run log {self._path} cannot be written: {error}.",
                "Free some space on that disk, then ask again.",
            ) from error
