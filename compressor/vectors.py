"""Vectors of documents on disk, at most so many bytes of them: the least lately used go first."""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from documents.storage import write_file


class VectorCache:
    """One ``.npy`` file a document and maker. It is a cache: what cannot be read or written is made
    again, and a file that a kill cut short is never seen, as files are put in place whole."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes

    def get(self, document: str, name: str) -> NDArray[np.float16] | None:
        """The document's vectors under this name, float16 [n, width]."""
        return _read(self._path(document, name), _whole)

    def put(self, document: str, name: str, vectors: NDArray[np.float16]) -> None:
        """Keep them, and drop what is over the limit. A full disk keeps nothing, and what is by
        itself over the limit is not kept: all others would have to go for it."""
        data = io.BytesIO()
        np.save(data, vectors)
        if data.tell() > self._most:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_file(self._path(document, name), data.getvalue())
            self._evict()

    def mapped(self, document: str, name: str) -> NDArray[np.float16] | None:
        """As `get`, but read from the disk where it is used, and not to be written to."""
        return _read(self._path(document, name), partial(open_memmap, mode="r"))

    def draft(self, document: str, name: str, shape: tuple[int, int]) -> Draft | None:
        """Room on the disk for vectors that are made little by little; none where they would be
        over the limit by themselves, or where the disk is full."""
        if shape[0] * shape[1] * np.dtype(np.float16).itemsize > self._most:
            return None
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            return Draft(self._path(document, name), shape, self._evict)
        return None

    def forget(self, document: str) -> None:
        """Drop all of a document's vectors."""
        for path in self._folder.glob(f"{_short(document)}-*.npy"):
            path.unlink(missing_ok=True)

    def _path(self, document: str, name: str) -> Path:
        return self._folder / f"{_short(document)}-{name}.npy"

    def _evict(self) -> None:
        """Unfinished files of a killed process are of no use after it and go like others."""
        sized = []
        for path in self._folder.iterdir():
            try:
                stat = path.stat()
            except OSError:  # another process was faster
                continue
            sized.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in sized)
        for _, size, path in sorted(sized):
            if total <= self._most:
                break
            path.unlink(missing_ok=True)
            total -= size


class Draft:
    """Vectors on the disk that nobody sees until they are all there."""

    def __init__(self, path: Path, shape: tuple[int, int], done: Callable[[], None]) -> None:
        self._path, self._done = path, done
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.stem}.", suffix=".new")
        os.close(handle)
        self._fresh = Path(name)
        weakref.finalize(self, self._fresh.unlink, missing_ok=True)
        self.vectors: np.memmap[tuple[int, ...], np.dtype[np.float16]] = open_memmap(
            self._fresh, "w+", np.float16, shape
        )

    def finish(self) -> None:
        """Put them in place."""
        with suppress(OSError):
            self.vectors.flush()
            self._fresh.replace(self._path)
            self._done()


def let_go(vectors: NDArray[np.float16]) -> None:
    """Take mapped vectors out of memory; they come from the disk again where they are used."""
    mapped = vectors.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _read(path: Path, load: Callable[[Path], NDArray[np.float16]]) -> NDArray[np.float16] | None:
    try:
        found = load(path)
    except (OSError, ValueError, EOFError, BadZipFile):
        return None
    with suppress(OSError):  # another user's, or gone meanwhile: it was read all the same
        os.utime(path)
    return found


def _whole(path: Path) -> NDArray[np.float16]:
    with path.open("rb") as file:  # closed also where it is broken: by its name it is not
        found: NDArray[np.float16] = np.load(file, allow_pickle=False)
    return found


def _short(document: str) -> str:
    """A document's id may be any text: its hash can be a file's name."""
    return hashlib.sha256(document.encode()).hexdigest()[:24]
