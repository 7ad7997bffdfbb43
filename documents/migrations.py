"""The library's tables, as small steps in order. A step that has been released never changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

Migration = Callable[[sqlite3.Connection], None]
MIGRATIONS: list[Migration] = []


def migration(step: Migration) -> Migration:
    """Add a step to the list."""
    MIGRATIONS.append(step)
    return step


def migrate(connection: sqlite3.Connection) -> None:
    """Take the steps that this database has not taken yet, each in its own transaction."""
    while (taken := _taken(connection)) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _taken(connection) == taken:  # another process may have been quicker
                MIGRATIONS[taken](connection)
                connection.execute(f"PRAGMA user_version = {taken + 1}")
            connection.execute("COMMIT")
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise


def _taken(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@migration
def m001_documents(connection: sqlite3.Connection) -> None:
    """One row for each document that has been read to its end."""
    connection.execute(
        """CREATE TABLE documents (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            suffix TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            pages INTEGER NOT NULL,
            chars INTEGER NOT NULL,
            without_text TEXT NOT NULL,
            reader INTEGER NOT NULL,
            added_at TEXT NOT NULL
        )"""
    )


@migration
def m002_collections(connection: sqlite3.Connection) -> None:
    """Named sets of documents."""
    connection.execute(
        """CREATE TABLE collections (
            name TEXT NOT NULL,
            document TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
            PRIMARY KEY (name, document)
        ) WITHOUT ROWID"""
    )
