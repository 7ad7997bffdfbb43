"""The library: each file read once, kept under its hash, and really deleted when asked.

home/
├── library.sqlite3     which documents there are, and collections
├── files/              the files as given (a PDF opened with a password: unlocked)
├── documents/          the documents as read
├── partial/            pages of files whose reading was stopped
├── images/             page images, one folder a document
└── locks/              so that two processes do not read the same file
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import filelock

from documents import readers
from documents.codec import decode_document, decode_page, encode_document
from documents.document import Box, Document
from documents.errors import (
    DocumentError,
    NotADocumentError,
    StorageError,
    UnknownDocumentError,
)
from documents.images import page_image
from documents.index import DocumentInfo, Index
from documents.partial import PartialPages
from documents.progress import IsCancelled, Progress, check, never_cancelled, no_progress
from documents.storage import copy_file, default_home, hash_file, storage_errors, write_file
from documents.worker import Limits, stream

Names = list[str]  # within the class below, ``list`` is its method

_CACHED = 8
_IMAGES_KEPT = 500
_STALE_S = 7 * 24 * 3600
_LOCK_WAIT_S = 0.2
_UNLOCKING = Limits(stall_s=60.0, base_s=60.0)


class DocumentStore:
    """The documents in one data folder. Threads and processes may share it.

    ``on_delete`` takes callables that get the id of a document about to be deleted (or read
    anew, its text changed), for what other packages keep about it."""

    def __init__(self, home: Path | None = None, *, limits: Limits | None = None) -> None:
        self.home = home or default_home()
        self.on_delete: list[Callable[[str], None]] = []
        self._limits = limits
        self._cache: OrderedDict[str, Document] = OrderedDict()
        self._cache_lock = threading.Lock()
        with storage_errors(self.home):
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("files", "documents", "partial", "images", "locks"):
                (self.home / name).mkdir(exist_ok=True)
            self._index = Index(self.home / "library.sqlite3", self.home / "files")
            self._sweep()

    def ingest(
        self,
        path: Path,
        *,
        password: str | None = None,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> Document:
        """Reads a file into the library, or finds it there. Bytes that are there already are not
        read again and keep the name they came with. Reading goes on where it was stopped.

        A file opened with a password is kept unlocked: the library holds its text in clear
        anyway, and its pages can be shown without asking again; the password is kept nowhere."""
        path = Path(path)
        kind = readers.file_type(path)
        with storage_errors(self.home):
            identity = hash_file(path, cancelled)
            with self._locked(identity, cancelled):
                known = self._index.find(identity)
                if known is not None and (document := self._load(known)) is not None:
                    return document
                file = known.path if known else self._file(identity, kind.suffixes[0])
                if not file.exists():
                    copy_file(path, file, identity, cancelled)
                info = known or _new_info(identity, path.name, file)
                return self._read(info, known is not None, password, progress, cancelled)

    def get(self, identity: str) -> Document:
        """The document whose id begins so. One read by an older reader is read again."""
        with storage_errors(self.home):
            info = self._index.resolve(identity)
            if (document := self._load(info)) is not None:
                return document
            with self._locked(info.id, never_cancelled):
                info = self._index.resolve(info.id)  # another may have read it anew meanwhile
                if (document := self._load(info)) is not None:
                    return document
                if not info.path.exists():
                    raise StorageError(
                        f"{info.name}: its file is gone from the library.",
                        f"Run `longdoc library delete {info.id[:12]}` and ingest it again.",
                    )
                return self._read(info, True, None, no_progress, never_cancelled)

    def info(self, identity: str) -> DocumentInfo:
        """What the library knows of the document whose id begins so."""
        with storage_errors(self.home):
            return self._index.resolve(identity)

    def holds(self, identity: str) -> bool:
        """Whether the document with this whole id is in the library."""
        with storage_errors(self.home):
            return self._index.find(identity) is not None

    def list(self) -> list[DocumentInfo]:
        """Every document, in the order they came."""
        with storage_errors(self.home):
            return self._index.all()

    def file(self, identity: str) -> Path:
        """The library's copy of the document's file."""
        return self.info(identity).path

    def pages_without_text(self, identity: str) -> tuple[int, ...]:
        """The pages, from 0, that have no text layer: what stands there is not in the text."""
        return self.info(identity).pages_without_text

    def delete(self, identity: str) -> None:
        """Removes a document and all that is kept of it, in other packages too."""
        with storage_errors(self.home):
            info = self._index.resolve(identity)
            with self._locked(info.id, never_cancelled):
                self._forget(info.id)
                shutil.rmtree(self._images(info.id), ignore_errors=True)
                for kept in (self._saved(info.id), self._partial(info.id), info.path):
                    kept.unlink(missing_ok=True)
                self._index.remove(info.id)  # last: until then the delete can be repeated

    def page_image(
        self,
        identity: str,
        page: int,
        boxes: Sequence[Box] = (),
        dpi: int = 110,
        *,
        crop: Box | None = None,
        cancelled: IsCancelled = never_cancelled,
    ) -> bytes:
        """A PNG of a page (from 0) with boxes marked, drawn once and then kept."""
        with storage_errors(self.home):
            info = self._index.resolve(identity)
            if not 0 <= page < info.pages:
                raise UnknownDocumentError(
                    f"{info.name} has no page {page + 1} to show.", f"It has {info.pages}."
                )
            key = repr((page, dpi, [box for box in boxes if box.page == page], crop))
            name = hashlib.sha256(key.encode()).hexdigest()[:32] + ".png"
            kept = self._images(info.id) / name
            if kept.exists():
                return kept.read_bytes()
            image = page_image(
                info.path, page, boxes, dpi, crop=crop, name=info.name, cancelled=cancelled
            )
            self._keep_image(info.id, kept, image, cancelled)
            return image

    def collections(self) -> Names:
        """The names of the collections. One without documents is none."""
        with storage_errors(self.home):
            return self._index.collections()

    def collection(self, name: str) -> Names:
        """The ids of a collection's documents, in the order they came to the library."""
        with storage_errors(self.home):
            return self._index.collection(name) or _no_collection(name)

    def add_to_collection(self, name: str, identities: Sequence[str]) -> None:
        """Puts documents into a collection, which need not exist yet."""
        if not name.strip():
            raise UnknownDocumentError("A collection needs a name.", "Give it one.")
        with storage_errors(self.home):
            ids = [self._index.resolve(identity).id for identity in identities]
            self._index.add_to_collection(name.strip(), ids)

    def remove_from_collection(self, name: str, identities: Sequence[str]) -> None:
        """Takes documents out of a collection; they stay in the library."""
        with storage_errors(self.home):
            ids = [self._index.resolve(identity).id for identity in identities]
            self._index.remove_from_collection(name, ids)

    def delete_collection(self, name: str) -> None:
        """Forgets a collection; its documents stay in the library."""
        with storage_errors(self.home):
            if not self._index.delete_collection(name):
                _no_collection(name)

    def _read(
        self,
        info: DocumentInfo,
        again: bool,
        password: str | None,
        progress: Progress,
        cancelled: IsCancelled,
    ) -> Document:
        """Reads the library's copy to its end. A file that cannot be read leaves nothing."""
        pages = PartialPages(self._partial(info.id), readers.READER_VERSION)
        try:
            self._read_pages(pages, info, password, progress, cancelled)
            layouts = [decode_page(page) for page in pages.pages()]
            document = readers.file_type(info.path).assemble(info.id, info.name, layouts)
            readers.require_text(document)
            if password is not None:
                self._unlock(info, password, cancelled)
            if again:
                self._forget(info.id)
            self._save(document, info)
        except DocumentError as error:
            pages.remove()
            if not again:
                info.path.unlink(missing_ok=True)
            message = error.message.replace(info.path.name, info.name)
            raise type(error)(message, error.hint) from error
        finally:
            pages.close()
        pages.remove()
        return document

    def _read_pages(
        self,
        pages: PartialPages,
        info: DocumentInfo,
        password: str | None,
        progress: Progress,
        cancelled: IsCancelled,
    ) -> None:
        """Has the worker read the pages that are not there yet."""
        if pages.page_count is not None and pages.done == pages.page_count:
            return
        first = pages.done
        answers = stream(
            readers.read_pages, str(info.path), password, first,
            name=info.name, limits=self._limits, cancelled=cancelled,
            where=lambda done: f" on page {first + done}" if done else " while opening it",
        )  # fmt: skip
        for number, answer in enumerate(answers):
            if number == 0:
                _same_count(pages, json.loads(answer), info.name)
            else:
                pages.append(answer)
            progress("reading", pages.done, pages.page_count or 0)
        if pages.done != pages.page_count:
            raise NotADocumentError(
                f"{info.name}: says it has {pages.page_count} pages but has {pages.done}.",
                "The file may be damaged; print it to a new PDF and try that.",
            )

    def _unlock(self, info: DocumentInfo, password: str, cancelled: IsCancelled) -> None:
        """Puts an unlocked copy in the place of a file that needs a password."""
        target = info.path.with_name(f".new-{info.id}{info.path.suffix}")
        try:
            for _ in stream(
                readers.unlock, str(info.path), str(target), password,
                name=info.name, limits=_UNLOCKING, cancelled=cancelled,
            ):  # fmt: skip
                if target.exists():
                    target.replace(info.path)
        finally:
            target.unlink(missing_ok=True)

    def _save(self, document: Document, info: DocumentInfo) -> None:
        write_file(self._saved(info.id), encode_document(document))
        without = (number for number, page in enumerate(document.pages) if not page.has_text)
        self._index.put(
            replace(
                info,
                bytes=info.path.stat().st_size,
                pages=len(document.pages),
                chars=len(document.text),
                pages_without_text=tuple(without),
                reader=readers.READER_VERSION,
            )
        )
        self._remember(document)

    def _load(self, info: DocumentInfo) -> Document | None:
        """The document as it was read, or None if it must be read again."""
        if info.reader != readers.READER_VERSION:
            return None
        with self._cache_lock:
            if (document := self._cache.get(info.id)) is not None:
                self._cache.move_to_end(info.id)
                return document
        try:
            document = decode_document(self._saved(info.id).read_bytes())
        except (FileNotFoundError, ValueError, KeyError):
            return None  # lost or damaged on disk: the file itself is still there to read
        self._remember(document)
        return document

    def _remember(self, document: Document) -> None:
        with self._cache_lock:
            self._cache[document.id] = document
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)

    def _forget(self, identity: str) -> None:
        """Tells everybody that what they keep of the document is void."""
        with self._cache_lock:
            self._cache.pop(identity, None)
        for forget in self.on_delete:
            forget(identity)

    def _keep_image(self, identity: str, kept: Path, image: bytes, cancelled: IsCancelled) -> None:
        """Keep the newest few hundred images of a document that is still there."""
        with self._locked(identity, cancelled):
            if self._index.find(identity) is None:
                return
            kept.parent.mkdir(exist_ok=True)
            write_file(kept, image)
            images = sorted(kept.parent.glob("*.png"), key=lambda path: path.stat().st_mtime)
            for old in images[:-_IMAGES_KEPT]:
                old.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, identity: str, cancelled: IsCancelled) -> Iterator[None]:
        """Alone with a document among all processes; waits, but not past a stop."""
        lock = filelock.FileLock(self.home / "locks" / f"{identity[:2]}.lock")
        while not lock.is_locked:
            check(cancelled)
            try:
                lock.acquire(timeout=_LOCK_WAIT_S)
            except filelock.Timeout:
                continue
        try:
            yield
        finally:
            lock.release()

    def _sweep(self) -> None:
        """Removes what stopped readings left a week ago and nobody took up."""
        listed = {info.id for info in self._index.all()}
        for folder in ("partial", "files", "documents"):
            for path in (self.home / folder).iterdir():
                with suppress(FileNotFoundError):  # another process was faster
                    if path.stem not in listed and path.stat().st_mtime < time.time() - _STALE_S:
                        path.unlink()

    def _file(self, identity: str, suffix: str) -> Path:
        return self.home / "files" / (identity + suffix)

    def _saved(self, identity: str) -> Path:
        return self.home / "documents" / identity

    def _partial(self, identity: str) -> Path:
        return self.home / "partial" / identity

    def _images(self, identity: str) -> Path:
        return self.home / "images" / identity


def _new_info(identity: str, name: str, file: Path) -> DocumentInfo:
    return DocumentInfo(identity, name, file, 0, 0, 0, (), 0, datetime.now(UTC).isoformat())


def _same_count(pages: PartialPages, count: int, name: str) -> None:
    """Note the number of pages; a reader that now counts others cannot go on from these."""
    if pages.done and count != pages.page_count:
        pages.begin(count)
        raise StorageError(f"{name}: its pages changed since reading stopped.", "Ingest it again.")
    pages.begin(count)


def _no_collection(name: str) -> list[str]:
    raise UnknownDocumentError(
        f"The library has no collection {name!r}.", "`longdoc library` lists the collections."
    )
