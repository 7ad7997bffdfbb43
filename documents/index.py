"""The library's SQLite database: which documents it has, and its collections."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from documents.errors import UnknownDocumentError
from documents.migrations import migrate

_BUSY_S = 15.0
_MIN_PREFIX = 4


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What the library knows of a document without opening it. ``pages_without_text`` counts
    from 0; ``path`` is the library's own copy of the file; ``added_at`` is ISO 8601 in UTC."""

    id: str
    name: str
    path: Path
    bytes: int
    pages: int
    chars: int
    pages_without_text: tuple[int, ...]
    reader: int
    added_at: str
    collections: tuple[str, ...] = ()


class Index:
    """Rows in and out. Every call opens its own connection, so threads may share an index."""

    def __init__(self, path: Path, files: Path) -> None:
        self._path = path
        self._files = files
        with self._connect() as connection:
            migrate(connection)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON",
                           "secure_delete = ON"):  # fmt: skip
                connection.execute(f"PRAGMA {pragma}")
            yield connection
        finally:
            connection.close()

    def put(self, info: DocumentInfo) -> None:
        """Add a document, or replace what is known of it; its collections stay."""
        with self._connect() as connection:
            connection.execute(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, suffix = excluded.suffix,"
                " bytes = excluded.bytes,"
                " pages = excluded.pages, chars = excluded.chars,"
                " without_text = excluded.without_text, reader = excluded.reader",
                (
                    info.id, info.name, info.path.suffix, info.bytes, info.pages, info.chars,
                    json.dumps(info.pages_without_text), info.reader, info.added_at,
                ),
            )  # fmt: skip

    def find(self, identity: str) -> DocumentInfo | None:
        """The document with exactly this id, if there is one."""
        with self._connect() as connection:
            row = connection.execute("SELECT * FROM documents WHERE id = ?", [identity]).fetchone()
            return self._info(connection, row) if row else None

    def resolve(self, prefix: str) -> DocumentInfo:
        """The one document whose id begins so (four characters or more)."""
        wanted = prefix.strip().lower()
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT * FROM documents WHERE substr(id, 1, ?) = ? LIMIT 2", [len(wanted), wanted]
            ).fetchall()
            if len(wanted) < _MIN_PREFIX or not rows:
                raise UnknownDocumentError(
                    f"The library has no document {prefix!r}.",
                    "`longdoc library` lists what it has, and `longdoc ingest` adds a file.",
                )
            if len(rows) > 1:
                raise UnknownDocumentError(
                    f"More than one document's id begins with {prefix!r}.", "Give more of it."
                )
            return self._info(connection, rows[0])

    def all(self) -> list[DocumentInfo]:
        """Every document, in the order they came."""
        with self._connect() as connection:
            rows = connection.execute("SELECT * FROM documents ORDER BY added_at, rowid")
            return [self._info(connection, row) for row in rows.fetchall()]

    def remove(self, identity: str) -> None:
        """Forget a document; nothing of its row stays in the files."""
        with self._connect() as connection:
            connection.execute("DELETE FROM documents WHERE id = ?", [identity])
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _info(self, connection: sqlite3.Connection, row: sqlite3.Row) -> DocumentInfo:
        names = connection.execute(
            "SELECT name FROM collections WHERE document = ? ORDER BY name", [row["id"]]
        ).fetchall()
        return DocumentInfo(
            row["id"], row["name"], self._files / (row["id"] + row["suffix"]), row["bytes"],
            row["pages"], row["chars"], tuple(json.loads(row["without_text"])), row["reader"],
            row["added_at"], tuple(name for (name,) in names),
        )  # fmt: skip

    def add_to_collection(self, name: str, documents: Sequence[str]) -> None:
        """Put documents in; those already there stay."""
        rows = [(name, document) for document in documents]
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR IGNORE INTO collections VALUES (?, ?)", rows)
            connection.execute("COMMIT")

    def remove_from_collection(self, name: str, documents: Sequence[str]) -> None:
        """Take documents out; they stay in the library."""
        rows = [(name, document) for document in documents]
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM collections WHERE name = ? AND document = ?", rows)
            connection.execute("COMMIT")

    def delete_collection(self, name: str) -> int:
        """Forget a collection, not its documents; returns how many it had."""
        with self._connect() as connection:
            done = connection.execute("DELETE FROM collections WHERE name = ?", [name])
            return done.rowcount

    def collection(self, name: str) -> list[str]:
        """The ids in a collection, in the order the documents came to the library."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT d.id FROM collections c JOIN documents d ON d.id = c.document"
                " WHERE c.name = ? ORDER BY d.added_at, d.rowid",
                [name],
            ).fetchall()
        return [identity for (identity,) in rows]

    def collections(self) -> list[str]:
        """The names of all collections."""
        with self._connect() as connection:
            rows = connection.execute("SELECT DISTINCT name FROM collections ORDER BY name")
            return [name for (name,) in rows.fetchall()]
