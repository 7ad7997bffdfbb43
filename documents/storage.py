"""Files of the data folder: written whole or not at all, and errors a person can act on."""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from documents.errors import StorageError
from documents.progress import IsCancelled, check

_CHUNK = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def default_home() -> Path:
    """The data folder: ``LONGDOC_HOME``, else this user's own on this system."""
    if chosen := os.environ.get("LONGDOC_HOME"):
        return Path(chosen).expanduser().absolute()
    import platformdirs  # here: a machine that only computes need not have it

    return platformdirs.user_data_path("longdoc", appauthor=False)


@contextmanager
def storage_errors(home: Path) -> Iterator[None]:
    """Turns the system's and SQLite's errors within into `StorageError`s with a remedy."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        if error.errno in _FULL:
            hint = "Free some space, or set LONGDOC_HOME to a folder on a larger disk."
        elif error.errno in _FORBIDDEN:
            hint = "Give yourself the right to write there, or set LONGDOC_HOME to another folder."
        else:
            hint = "Check the disk, or set LONGDOC_HOME to another folder."
        place = error.filename if isinstance(error.filename, str) else home
        raise StorageError(f"The data folder {home} failed: {what} ({place}).", hint) from error
    except sqlite3.Error as error:
        raise StorageError(
            f"The library's database in {home} failed: {error}.",
            "Free space or close other programs that use it; if it is damaged, move it away.",
        ) from error


def hash_file(path: Path, cancelled: IsCancelled) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            check(cancelled)
            digest.update(chunk)
    return digest.hexdigest()


def copy_file(source: Path, target: Path, sha256: str, cancelled: IsCancelled) -> None:
    """A copy with these very bytes, or a `StorageError` if the file has changed meanwhile."""

    def fill(out: int) -> None:
        digest = hashlib.sha256()
        with source.open("rb") as file, os.fdopen(out, "wb", closefd=False) as copy:
            while chunk := file.read(_CHUNK):
                check(cancelled)
                digest.update(chunk)
                copy.write(chunk)
        if digest.hexdigest() != sha256:
            raise StorageError(
                f"{source.name}: changed while it was being copied.", "Try again once it is still."
            )

    _write(target, fill)


def drop_cut_line(path: Path) -> None:
    """Remove the last line of a file that is appended to if a kill cut it off, so that the next
    one starts a line."""
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])


def write_file(target: Path, data: bytes) -> None:
    """Puts the bytes there in one step, safe from a crash."""

    def fill(out: int) -> None:
        with os.fdopen(out, "wb", closefd=False) as file:
            file.write(data)

    _write(target, fill)


def _write(target: Path, fill: Callable[[int], None]) -> None:
    """Fill a temporary file beside the target, then rename it over."""
    out, name = tempfile.mkstemp(prefix=".new-", dir=target.parent)
    try:
        try:
            fill(out)
            os.fsync(out)
        finally:
            os.close(out)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
