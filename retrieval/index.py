"""The vectors on disk: one Chroma collection for each way of making them.

Chroma's files may be opened by one process at a time: another's writes make an open reader
fail ("Error finding id", Chroma 1.5.9). So every use takes a file lock, opens the database
(10 to 70 ms), and closes it again. With a Chroma server neither is needed.

Vectors are ranked here, not by Chroma: its graph search leaves some out when all are asked
for (5,730 of 6,000), and over the documents of one question the exact product is as fast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from documents.document import Document, Span
from documents.errors import StorageError

_FOLDER = "chroma"
_BATCH = 1000
_PREFIX = "longdoc-"


@dataclass(frozen=True, slots=True, eq=False)
class Indexed:
    """Chunks and, row for row, their vectors."""

    spans: tuple[Span, ...]
    vectors: NDArray[np.float32]


class Index:
    """The chunks' vectors of every document, kept in ``home`` or on a Chroma server."""

    def __init__(self, home: Path, collection: str, url: str | None = None) -> None:
        self._folder = home / _FOLDER
        self._name = collection
        self._url = url

    def holds(self, document: Document) -> bool:
        """Whether the document was indexed to the end, and as it reads now."""
        with self._opened() as client:
            found = self._collection(client).get(ids=[_marker(document.id)], include=["metadatas"])
            return any(row["reading"] == _reading(document) for row in found["metadatas"])

    def write(
        self, document: Document, spans: Sequence[Span], vectors: NDArray[np.float32]
    ) -> None:
        """Put a document's chunks in place of any it had. The marker that it is complete is
        written last: what a killed write leaves behind is not taken for an index."""
        with self._opened() as client:
            collection = self._collection(client)
            _remove(collection, document.id)
            for first in range(0, len(spans), _BATCH):
                part = spans[first : first + _BATCH]
                collection.add(
                    ids=[f"{document.id}:{span.start}" for span in part],
                    embeddings=vectors[first : first + _BATCH],
                    metadatas=[
                        {"document": document.id, "start": span.start, "end": span.end}
                        for span in part
                    ],
                )
            unit = np.zeros((1, vectors.shape[1]), np.float32)
            unit[0, 0] = 1
            collection.add(
                ids=[_marker(document.id)],
                embeddings=unit,
                metadatas=[{"complete": document.id, "reading": _reading(document)}],
            )

    def read(self, documents: Sequence[str]) -> Indexed:
        """The chunks of some documents, by document in the order given, then as they stand."""
        if not documents:
            return Indexed((), np.zeros((0, 0), np.float32))
        with self._opened() as client:
            found = self._collection(client).get(
                where={"document": {"$in": list(documents)}}, include=["metadatas", "embeddings"]
            )
        if not found["ids"]:
            return Indexed((), np.zeros((0, 0), np.float32))
        spans = [
            Span(row["document"], int(row["start"]), int(row["end"])) for row in found["metadatas"]
        ]
        place = {document: index for index, document in enumerate(documents)}
        order = sorted(
            range(len(spans)), key=lambda row: (place[spans[row].document], spans[row].start)
        )
        vectors = np.asarray(found["embeddings"], np.float32)
        return Indexed(tuple(spans[row] for row in order), vectors[order])

    def delete(self, document: str) -> None:
        """Remove a document's vectors, whichever settings made them."""
        if self._url is None and not self._folder.exists():
            return
        with self._opened() as client:
            for collection in client.list_collections():
                if collection.name.startswith(_PREFIX):
                    _remove(collection, document)

    def _collection(self, client: Any) -> Any:
        return client.get_or_create_collection(
            self._name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """A Chroma client for one piece of work; its errors become ours."""
        from chromadb.errors import ChromaError

        try:
            if self._url is not None:
                with self._server() as client:
                    yield client
            else:
                self._folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self._folder.with_suffix(".lock")), self._files() as client:
                    yield client
        except (ChromaError, OSError) as error:
            raise self._failed(error) from error

    def _files(self) -> Any:
        import chromadb

        try:
            return chromadb.PersistentClient(self._folder, settings=_settings())
        except AttributeError as error:  # Chroma 1.5.9's own clean-up where it could not open
            raise self._failed(error) from error

    def _server(self) -> Any:
        import chromadb

        try:
            return chromadb.HttpClient(**_address(self._url or ""), settings=_settings())
        except ValueError as error:  # what chromadb raises where nobody answers
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StorageError:
        return StorageError(
            f"The vector index at {self._url or self._folder} failed: {error}",
            "Check the disk's space and permissions."
            if self._url is None
            else "Check that the Chroma server runs.",
        )


def _settings() -> Any:
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def _address(url: str) -> dict[str, Any]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    secure = parts.scheme == "https"
    return {
        "host": parts.hostname or "localhost",
        "port": parts.port or (443 if secure else 8000),
        "ssl": secure,
    }


def _marker(document: str) -> str:
    return f"complete:{document}"


def _reading(document: Document) -> str:
    """What the offsets stand on: another reading of the same bytes needs another index."""
    blocks = "".join(f"{block.kind}{block.start}-{block.end};" for block in document.blocks)
    return hashlib.sha256((document.text + blocks).encode("utf-8", "surrogatepass")).hexdigest()


def _remove(collection: Any, document: str) -> None:
    collection.delete(ids=[_marker(document)])
    collection.delete(where={"document": document})
