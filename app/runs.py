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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.claims import Claims
from documents import Progress
from documents.errors import StorageError, UnknownRunError

ENDS = ("done", "failed", "stopped")
"""The events that end a run."""
_PROGRESS_S = 0.5


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
    """A question as it was asked. ``status``: running, done, failed, stopped, or interrupted where
    the process that worked on it is gone. ``asked`` is the rest of what was asked, ``settings`` the
    hash of the settings in force, ``rerun_of`` the run that this one repeats. A thread's runs have
    its id; those of one question in it have one ``turn``, from 1. ``follow_up`` is the question as
    it was typed, where it was rewritten to stand alone."""

    id: str
    question: str
    strategy: str
    documents: tuple[str, ...]
    status: str
    created: float = 0.0
    settings: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    rerun_of: str | None = None
    thread: str = ""
    turn: int = 1
    follow_up: str = ""


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


def m002_going_on(db: sqlite3.Connection) -> None:
    """What is needed to go on with a run, or to repeat it."""
    db.execute("ALTER TABLE runs ADD COLUMN asked TEXT NOT NULL DEFAULT '{}'")
    db.execute("ALTER TABLE runs ADD COLUMN rerun_of TEXT")


def m003_threads(db: sqlite3.Connection) -> None:
    """Runs in threads, and a stop that another process asks for."""
    db.execute("ALTER TABLE runs ADD COLUMN thread TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE runs ADD COLUMN turn INTEGER NOT NULL DEFAULT 1")
    db.execute("ALTER TABLE runs ADD COLUMN follow_up TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE runs ADD COLUMN stop_asked INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE runs SET thread = id")
    db.execute("CREATE INDEX runs_by_thread ON runs (thread, turn)")


MIGRATIONS: tuple[Migration, ...] = (m001_runs, m002_going_on, m003_threads)
_COLUMNS = (
    "id, question, strategy, documents, status, created, settings, asked, rerun_of,"
    " thread, turn, follow_up"
)


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


def new_id() -> str:
    """An id for a new run."""
    return uuid.uuid4().hex[:12]


class RunLog:
    """Runs and events in one SQLite file. Safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.claims = Claims(path.parent / "claims")
        self._local = threading.local()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"The run log {path} cannot be opened: {error}.",
                "Free some space or set LONGDOC_HOME to a folder you may write to.",
            ) from error

    def create(
        self,
        question: str,
        strategy: str,
        documents: list[str],
        settings: str,
        *,
        run: str = "",
        asked: dict[str, Any] | None = None,
        rerun_of: str | None = None,
        thread: str = "",
        turn: int = 0,
        follow_up: str = "",
    ) -> str:
        """A new run, not yet started; its id. Who means to work on it gives it a ``run`` of
        `new_id` and takes the claim first, else it counts as interrupted. Without a ``thread`` it
        opens one of its own; without a ``turn`` it is its thread's next."""
        run = run or new_id()
        rest = json.dumps(asked or {}, ensure_ascii=False)
        with self._db() as db:
            db.execute(
                "INSERT INTO runs (id, created, question, strategy, documents, settings, status,"
                " asked, rerun_of, thread, turn, follow_up) SELECT ?, ?, ?, ?, ?, ?, 'running', ?,"
                " ?, ?, coalesce(nullif(?, 0), max(turn) + 1, 1), ? FROM runs WHERE thread = ?",
                (run, time.time(), question, strategy, json.dumps(documents), settings, rest,
                 rerun_of, thread or run, turn, follow_up, thread or run),
            )  # fmt: skip
        return run

    def append(self, run: str, kind: str, data: dict[str, Any]) -> None:
        """Add an event. ``done``, ``failed`` and ``stopped`` end the run; ``resumed`` says that it
        goes on, under the settings that it names."""
        with self._db() as db:
            db.execute("BEGIN IMMEDIATE")  # a kill leaves no end without its status
            db.execute(
                "INSERT INTO events SELECT ?, coalesce(max(seq), 0) + 1, ?, ?, ?"
                " FROM events WHERE run = ?",
                (run, time.time(), kind, json.dumps(data, ensure_ascii=False), run),
            )
            if kind in ENDS:
                db.execute("UPDATE runs SET status = ? WHERE id = ?", (kind, run))
            elif kind == "resumed":
                db.execute(
                    "UPDATE runs SET status = 'running', stop_asked = 0, settings = ? WHERE id = ?",
                    (data["settings_hash"], run),
                )

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
            row = db.execute(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", (run,)).fetchone()
        return self._run(row) if row else None

    def named(self, run: str) -> Run:
        """The run of this id, or `UnknownRunError`."""
        if (found := self.find(run)) is None:
            raise UnknownRunError(f"There is no run {run!r}.", "`longdoc runs` lists them.")
        return found

    def all(self) -> list[Run]:
        """Every run, the newest first."""
        with self._db() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY created DESC").fetchall()
        return [self._run(row) for row in rows]

    def thread(self, thread: str) -> list[Run]:
        """The thread's runs by turn, those of a turn as they were asked."""
        with self._db() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM runs WHERE thread = ? ORDER BY turn, created", (thread,)
            ).fetchall()
        return [self._run(row) for row in rows]

    def ask_stop(self, run: str) -> None:
        """Ask whoever works on a run to stop."""
        with self._db() as db:
            db.execute("UPDATE runs SET stop_asked = 1 WHERE id = ?", (run,))

    def stop_asked(self, run: str) -> bool:
        """Whether somebody asked for a stop since the run was taken up."""
        with self._db() as db:
            row = db.execute("SELECT stop_asked FROM runs WHERE id = ?", (run,)).fetchone()
        return row is None or bool(row[0])

    def status(self, run: str) -> str | None:
        """The status that `Run` has; None if there is no such run."""
        found = self.find(run)
        return found.status if found else None

    def worked_s(self, run: str) -> float:
        """Seconds that were worked on a run until its last event, each time it was taken up."""
        total, begun = 0.0, self.named(run).created
        last = begun
        for event in self.events(run):
            if event.kind == "resumed":
                total, begun = total + last - begun, event.at
            last = event.at
        return total + last - begun

    def _run(self, row: tuple[Any, ...]) -> Run:
        key, question, strategy, documents, status, created, settings, asked, *rest = row
        if status == "running" and not self.claims.taken(key):
            status = self._ended(key)
        ids = tuple(json.loads(documents))
        return Run(
            key, question, strategy, ids, status, created, settings, json.loads(asked), *rest
        )

    def _ended(self, run: str) -> str:
        """The status of a run that nobody works on: it may have ended since its row was read."""
        with self._db() as db:
            row = db.execute("SELECT status FROM runs WHERE id = ?", (run,)).fetchone()
        return str(row[0]) if row and row[0] in ENDS else "interrupted"

    def notes(self, run: str) -> RunNotes:
        """Where a run keeps the texts that its graph's state names."""
        return RunNotes(self, run)

    def progress(self, run: str) -> Progress:
        """Into a run's log, at most twice a second a stage."""
        last: dict[str, float] = {}

        def note(stage: str, done: int, total: int) -> None:
            now = time.monotonic()
            if done >= total or now - last.get(stage, 0.0) > _PROGRESS_S:
                last[stage] = now
                self.append(run, "progress", {"stage": stage, "done": done, "total": total})

        return note

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
        """This thread's connection; a statement is a transaction unless one is begun. What SQLite
        refuses is a `StorageError`, of an event or text of a run that is no more `UnknownRunError`.
        """
        try:
            with self._connection() as db:
                yield db
        except sqlite3.IntegrityError as error:
            raise UnknownRunError(
                "The run was deleted while it was worked on.",
                "A document that it asks was deleted; add it again, then ask again.",
            ) from error
        except sqlite3.Error as error:
            raise StorageError(
                f"The run log {self._path} cannot be used: {error}.",
                "Free some space on that disk, then ask again.",
            ) from error

    def _connection(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA secure_delete = ON")
            self._local.db = db
        return db
