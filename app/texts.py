"""The texts of runs that are in no run log: the studio's and the benchmarks'."""

from __future__ import annotations

import hashlib

from documents.errors import StorageError


class Texts:
    """`agent.Notes` in this process's memory."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def put(self, text: str) -> str:
        """Keep a text; its key."""
        key = hashlib.sha256(text.encode()).hexdigest()
        self._kept[key] = text
        return key

    def get(self, key: str) -> str:
        """The text kept under a key. Raises `StorageError` for one that another process kept."""
        if key not in self._kept:
            raise StorageError("The program was restarted since.", "Ask the question again.")
        return self._kept[key]
