"""``ingest``, ``library`` and ``models``: what has been read and which models are here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import weights
from app.service import Service, Watch
from app.settings import load_settings
from app.stopping import stoppable
from app.terminal import Bars, say, write, write_json
from documents import Document, DocumentInfo
from documents.errors import Cancelled, LongdocError, ModelError

MEBI = 2**20


def ingest(
    paths: Sequence[Path], collection: str, password: str, *, prepare: bool, as_json: bool
) -> None:
    """Read every file; one that cannot be read does not keep the others out. Then ``prepare``
    them for questions."""
    service = Service(load_settings())
    failed: LongdocError | None = None
    read: dict[str, Document] = {}
    with stoppable() as cancelled, Bars() as bars:
        for path in paths:
            try:
                document = service.store.ingest(
                    path, password=password or None, progress=bars, cancelled=cancelled
                )
            except Cancelled:
                raise
            except LongdocError as error:
                failed = error
                _failed(path, error, as_json)
                continue
            if collection:
                service.store.add_to_collection(collection, [document.id])
            bars.hide()
            _read(service, document, as_json)
            read[document.id] = document
        for document in read.values() if prepare else ():
            if not _ready(service, document, Watch(progress=bars, cancelled=cancelled)):
                break
            bars.hide()
    if failed is not None:
        sys.exit(failed.exit_code)


def show(as_json: bool) -> None:
    """One line, or one JSON object, a document."""
    store = Service(load_settings()).store
    names = {key: name for name in store.collections() for key in store.collection(name)}
    documents = store.list()
    for info in documents:
        if as_json:
            write_json(_facts(info) | {"collection": names.get(info.id)})
        else:
            member = f"  [{names[info.id]}]" if info.id in names else ""
            write(f"{info.id[:12]}  {info.pages:>5} pages  {info.name}{member}")
    if not documents and not as_json:
        write("The library is empty. Put something in: longdoc ingest report.pdf")


def delete(identities: Sequence[str]) -> None:
    """Delete documents with all that was made from them."""
    service = Service(load_settings())
    for identity in identities:
        info = service.store.info(identity)
        service.delete(info.id)
        write(f"Deleted {info.name} ({info.id[:12]}) and all that was made from it.")


def models_list(as_json: bool) -> None:
    """The registry, and what of it is in the cache."""
    for model in weights.load():
        here = weights.installed(model.name)
        if as_json:
            row = asdict(model) | {"installed": here is not None}
            write_json(row | {"size": model.size})
        else:
            size = f"{model.size / MEBI:,.0f} MiB" if model.size else "size unknown"
            state = "here" if here else "not here"
            write(f"{model.name:<24} {model.role:<9} {size:>13}  {model.licence:<12} {state}")


def models_pull(names: Sequence[str]) -> None:
    """Fetch and verify; nothing is fetched twice."""
    with stoppable() as cancelled, Bars(bytes_=True) as bars:
        for name in names:
            folder = weights.ensure(name, progress=bars, cancelled=cancelled)
            bars.hide()
            write(f"{name}: {folder}")


def models_path(name: str) -> None:
    """The folder of a model that is here, or `ModelUnavailableError`."""
    write(str(weights.ensure(name, offline=True)))


def _facts(info: DocumentInfo) -> dict[str, Any]:
    return {
        "document": info.id,
        "name": info.name,
        "pages": info.pages,
        "chars": info.chars,
        "bytes": info.bytes,
        "pages_without_text": [page + 1 for page in info.pages_without_text],
    }


def _read(service: Service, document: Document, as_json: bool) -> None:
    info = service.store.info(document.id)
    if as_json:
        write_json(_facts(info))
        return
    write(f"{info.id[:12]}  {info.pages:>5} pages  {info.name}")
    if info.pages_without_text:
        pages = ", ".join(str(page + 1) for page in info.pages_without_text)
        write(f"    no text layer on page {pages}: what stands there cannot be searched")


def _ready(service: Service, document: Document, watch: Watch) -> bool:
    """Whether it could be prepared: what cannot be now is done for the first question."""
    try:
        service.ready(document, watch=watch)
    except ModelError as error:
        say(f"Not prepared for questions: {error.message} {error.hint}")
        return False
    return True


def _failed(path: Path, error: LongdocError, as_json: bool) -> None:
    if as_json:
        write_json({"path": str(path), "error": error.message, "hint": error.hint})
    else:
        sys.stderr.write(f"longdoc: {error.message} {error.hint}\n")
