"""Files handed over in the page: read in the background, or refused with a reason."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from app.uploads import Upload, Uploads, safe_name
from documents import Document, DocumentStore
from documents.errors import ModelUnavailableError


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    return DocumentStore(tmp_path / "home")


@pytest.fixture
def uploads(store: DocumentStore) -> Uploads:
    return Uploads(store)


def _pdf(password: str = "") -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, encrypt=StandardEncryption(password) if password else None)
    canvas.drawString(72, 700, "Net sales were 81,797 million.")
    canvas.save()
    return out.getvalue()


def _wait(uploads: Uploads, upload: str) -> Upload:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        found = next(one for one in uploads.all() if one.id == upload)
        if not found.waiting:
            return found
        time.sleep(0.05)
    raise AssertionError("not read in a minute")


def _left(store: DocumentStore) -> list[Path]:
    return list((store.home / "uploads").iterdir())


def test_a_file_comes_into_the_library_under_its_name(
    store: DocumentStore, uploads: Uploads
) -> None:
    upload = _wait(uploads, uploads.add("Q3 report.pdf", _pdf()))
    assert store.info(upload.document).name == "Q3 report.pdf"
    assert "81,797" in store.get(upload.document).text
    assert not _left(store)


def test_each_document_is_made_ready_once_it_is_there(store: DocumentStore) -> None:
    """One that cannot be does not keep the others from it."""
    seen: list[str] = []
    both = threading.Event()

    def ready(document: Document) -> None:
        seen.append(document.name)
        if len(seen) == 1:
            raise ModelUnavailableError("The model is not here.", "Pull it.")
        both.set()

    uploads = Uploads(store, ready)
    for name in ("one.txt", "two.txt"):
        assert _wait(uploads, uploads.add(name, f"This is {name}.".encode())).document
    assert both.wait(60)
    assert seen == ["one.txt", "two.txt"]


def test_an_encrypted_file_opens_with_its_password(store: DocumentStore, uploads: Uploads) -> None:
    upload = _wait(uploads, uploads.add("secret.pdf", _pdf("letmein")))
    assert upload.encrypted
    uploads.unlock(upload.id, "wrong")
    assert _wait(uploads, upload.id).encrypted
    uploads.unlock(upload.id, "letmein")
    assert _wait(uploads, upload.id).document
    assert not _left(store)


def test_what_is_no_document_is_refused_and_leaves_nothing(
    store: DocumentStore, uploads: Uploads
) -> None:
    upload = _wait(uploads, uploads.add("picture.pdf", b"\x89PNG\r\n"))
    assert "picture.pdf" in upload.error
    assert upload.hint
    assert not _left(store)
    uploads.dismiss(upload.id)
    assert not uploads.all()
    assert not store.list()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\files\\a.pdf", "a.pdf"),
        ("..", "document"),
        ("a\x00b\n.md", "ab.md"),
        ("é中 (1).pdf", "é中 (1).pdf"),
    ],
)
def test_a_name_stays_in_its_folder(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def test_a_long_name_keeps_its_suffix() -> None:
    name = safe_name("x" * 500 + ".pdf")
    assert name.endswith("x.pdf")
    assert len(name) <= 120


def test_a_long_name_of_any_script_can_be_kept(store: DocumentStore, uploads: Uploads) -> None:
    upload = _wait(uploads, uploads.add("年度报告" * 25 + ".txt", b"Sales were 5 million."))
    name = store.info(upload.document).name
    assert name.startswith("年度报告")
    assert name.endswith(".txt")


def test_a_file_dismissed_before_its_turn_leaves_nothing(
    store: DocumentStore, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    ingest = store.ingest

    def slowly(path: Path, **options: Any) -> Document:
        go_on.wait(60)
        return ingest(path, **options)

    monkeypatch.setattr(store, "ingest", slowly)
    first, second = (uploads.add(name, b"Sales were 5 million.") for name in ("a.txt", "b.txt"))
    time.sleep(0.2)
    uploads.dismiss(second)
    third = uploads.add("c.txt", b"Costs were 3 million.")
    go_on.set()
    for upload in (first, third):
        assert _wait(uploads, upload).document
    assert not _left(store)


def test_an_error_nobody_foresaw_stops_no_other_file(
    store: DocumentStore, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    with monkeypatch.context() as patch:
        patch.setattr(store, "ingest", fails)
        assert "ZeroDivisionError" in _wait(uploads, uploads.add("a.txt", b"One.")).error
    assert _wait(uploads, uploads.add("b.txt", b"Two.")).document
    assert not _left(store)
