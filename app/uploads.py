"""Files handed over in the web page, read into the library in the background, one at a time, and
then made ready for questions.

A browser that goes away stops nothing: the reading belongs to the process, not to the page.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from documents import Document, DocumentStore
from documents.errors import Cancelled, EncryptedError, LongdocError, unexpected
from documents.storage import storage_errors

logger = logging.getLogger("longdoc")
_STALE_S = 24 * 3600
_LONGEST_NAME = 120
"""In bytes, of which file systems take 255."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way into the library. ``document`` is its id once it is there; ``error`` and
    ``hint`` say why it is not; ``encrypted``: a password would open it."""

    id: str
    name: str
    done: int = 0
    total: int = 0
    document: str = ""
    error: str = ""
    hint: str = ""
    encrypted: bool = False

    @property
    def waiting(self) -> bool:
        """Whether it is still to be read, or being read."""
        return not (self.document or self.error)


class Uploads:
    """The uploads of this process. Threads may share it. ``ready`` is called with each document
    once it can be asked about; its errors are only logged, as the first question meets them too.
    """

    def __init__(
        self, store: DocumentStore, ready: Callable[[Document], None] | None = None
    ) -> None:
        self._store = store
        self._ready = ready
        self._folder = store.home / "uploads"
        self._uploads: dict[str, Upload] = {}
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
        with storage_errors(store.home):
            self._folder.mkdir(exist_ok=True)
            self._sweep()
        self._readied: queue.SimpleQueue[Document] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="uploads", daemon=True).start()
        if ready:
            threading.Thread(target=self._make_ready, args=(ready,), daemon=True).start()

    def add(self, name: str, data: bytes | memoryview) -> str:
        """Put a file in the queue; the id to look it up by. Raises `StorageError`."""
        upload = Upload(uuid.uuid4().hex[:12], safe_name(name))
        path = self._path(upload)
        with storage_errors(self._store.home):
            try:
                path.parent.mkdir()
                path.write_bytes(data)
            except OSError:
                self._remove(upload.id)
                raise
        self._uploads[upload.id] = upload
        self._jobs.put((upload.id, None))
        return upload.id

    def unlock(self, upload: str, password: str) -> None:
        """Try an encrypted file again, with its password."""
        if (old := self._uploads.get(upload)) is not None:
            self._note(Upload(old.id, old.name))
            self._jobs.put((upload, password))

    def dismiss(self, upload: str) -> None:
        """Forget an upload; one that is being read stops within a second."""
        with self._lock:
            old = self._uploads.pop(upload, None)
        if old is not None and not old.waiting:
            self._remove(upload)

    def all(self) -> list[Upload]:
        """Every upload not yet dismissed, in the order they came."""
        return list(self._uploads.values())

    def _work(self) -> None:
        while True:
            upload, password = self._jobs.get()
            if (found := self._uploads.get(upload)) is not None:
                self._read(found, password)
            if upload not in self._uploads:
                self._remove(upload)

    def _make_ready(self, ready: Callable[[Document], None]) -> None:
        while True:
            document = self._readied.get()
            try:
                ready(document)
            except Cancelled:
                continue  # deleted meanwhile
            except LongdocError as error:
                logger.warning("%s: %s", document.name, error)

    def _read(self, upload: Upload, password: str | None) -> None:
        def progress(_stage: str, done: int, total: int) -> None:
            self._note(replace(upload, done=done, total=total))

        def dismissed() -> bool:
            return upload.id not in self._uploads

        try:
            document = self._store.ingest(
                self._path(upload), password=password, progress=progress, cancelled=dismissed
            )
        except EncryptedError as error:
            self._note(replace(upload, error=error.message, hint=error.hint, encrypted=True))
        except Cancelled:
            return
        except LongdocError as error:
            self._remove(upload.id)
            self._note(replace(upload, error=error.message, hint=error.hint))
        except Exception as error:  # else no file after it would be read
            logger.exception("upload %s", upload.id)
            self._remove(upload.id)
            self._note(replace(upload, error=unexpected(error)))
        else:
            self._remove(upload.id)
            self._note(replace(upload, document=document.id))
            if self._ready:
                self._readied.put(document)

    def _note(self, upload: Upload) -> None:
        with self._lock:
            if upload.id in self._uploads:  # not dismissed meanwhile
                self._uploads[upload.id] = upload

    def _path(self, upload: Upload) -> Path:
        return self._folder / upload.id / upload.name

    def _remove(self, upload: str) -> None:
        shutil.rmtree(self._folder / upload, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a process that was killed left behind."""
        oldest = time.time() - _STALE_S
        for left in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < oldest:
                    shutil.rmtree(left, ignore_errors=True)


def safe_name(name: str) -> str:
    """A browser's file name as a name in a folder of ours: no path, no control characters, not
    too long, its suffix kept."""
    bare = name.replace("\\", "/").rsplit("/", 1)[-1]
    bare = "".join(c for c in bare if c.isprintable()).strip().lstrip(".") or "document"
    path = Path(bare)
    suffix = path.suffix if len(path.suffix) < _LONGEST_NAME // 2 else ""
    stem = bare.removesuffix(suffix).encode()[: _LONGEST_NAME - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix
