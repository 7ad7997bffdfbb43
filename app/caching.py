"""What searches found, kept in one file by all that it depends on: documents, question,
granularity, strategy, budget, and the settings of critic, retrieval and token counting."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.cache.sqlite import SqliteCache

    from app.settings import Settings

_NAME = "found.sqlite"


def opened(home: Path) -> SqliteCache[Any]:
    """The cache, without what is out of date. Raises `sqlite3.Error`."""
    from langgraph.cache.sqlite import SqliteCache

    cache: SqliteCache[Any] = SqliteCache(path=str(home / _NAME))
    _delete(home, "DELETE FROM cache WHERE expiry < ?", (time.time(),))
    return cache


def clear(home: Path) -> None:
    """Forget everything: a document is deleted, and no entry says of which it is."""
    if (home / _NAME).exists():
        _delete(home, "DELETE FROM cache", ())


def fingerprint(settings: Settings) -> str:
    """A hash of what else a search's outcome depends on. A critic's checkpoint counts by its
    files' sizes and times, so that one trained anew is another."""
    shown = settings.model_dump(mode="json", include={"compressor", "retrieval"})
    folder = settings.compressor.critic
    files = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    counted = settings.reasoner.tokenizer or settings.reasoner.model
    return hashlib.sha256(json.dumps([shown, stamps, counted]).encode()).hexdigest()


def _delete(home: Path, statement: str, values: tuple[float, ...]) -> None:
    with closing(sqlite3.connect(home / _NAME, timeout=30)) as db, db:
        db.execute(statement, values)
