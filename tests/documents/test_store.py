"""The library: read once, resumed after a kill, shared by processes, and really deleted."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from pdf_pages import PROSE, make, write
from PIL import Image

from documents import Cancelled, DocumentStore, IsCancelled, UnknownDocumentError, readers

ROOT = Path(__file__).resolve().parents[2]
SECRET = "Zanzibarquux"


@pytest.fixture
def store(tmp_path: Path) -> DocumentStore:
    return DocumentStore(tmp_path / "home")


def _pdf(path: Path, pages: int = 3, word: str = "plain") -> Path:
    return make(path, *[lambda page: write(page, 72, 100, [f"The {word} word.", *PROSE])] * pages)


class _Calls:
    """A progress callable that remembers."""

    def __init__(self) -> None:
        self.done: list[tuple[int, int]] = []

    def __call__(self, stage: str, done: int, total: int) -> None:
        assert stage == "reading"
        self.done.append((done, total))


def test_the_same_bytes_are_read_once(tmp_path: Path, store: DocumentStore) -> None:
    calls = _Calls()
    document = store.ingest(_pdf(tmp_path / "a.pdf"), progress=calls)
    assert calls.done == [(0, 3), (1, 3), (2, 3), (3, 3)]
    (tmp_path / "copy.pdf").write_bytes((tmp_path / "a.pdf").read_bytes())
    again = DocumentStore(store.home)
    assert again.ingest(tmp_path / "copy.pdf", progress=calls).text == document.text
    assert len(calls.done) == 4
    (info,) = again.list()
    assert (info.id, info.name, info.pages, info.chars) == (
        document.id, "a.pdf", 3, len(document.text),
    )  # fmt: skip
    assert again.get(document.id[:8]).text == document.text


_READ_SLOWLY = """
import sys, time
from pathlib import Path
from documents import DocumentStore
def progress(stage, done, total):
    print(done, flush=True)
    time.sleep(0.05)
DocumentStore(Path(sys.argv[1])).ingest(Path(sys.argv[2]), progress=progress)
"""


def _start(home: Path, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _READ_SLOWLY, str(home), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_killed_reading_goes_on_where_it_stopped(tmp_path: Path, store: DocumentStore) -> None:
    path = _pdf(tmp_path / "a.pdf", 80)
    with _start(store.home, path) as reader:
        assert reader.stdout is not None
        while int(reader.stdout.readline()) < 15:
            pass
        reader.send_signal(signal.SIGKILL)
    assert store.list() == []
    calls = _Calls()
    document = store.ingest(path, progress=calls)
    first = calls.done[0][0]
    assert 15 <= first < 80
    assert calls.done == [(n, 80) for n in range(first, 81)]  # and no page twice
    assert document.text == DocumentStore(tmp_path / "other").ingest(path).text
    assert list((store.home / "partial").iterdir()) == []


def test_a_torn_last_page_is_read_again(tmp_path: Path, store: DocumentStore) -> None:
    path = _pdf(tmp_path / "a.pdf", 6)
    calls = _Calls()
    with pytest.raises(Cancelled):
        store.ingest(path, progress=calls, cancelled=lambda: len(calls.done) > 4)
    (partial,) = (store.home / "partial").iterdir()
    os.truncate(partial, partial.stat().st_size - 3)
    calls = _Calls()
    store.ingest(path, progress=calls)
    assert calls.done[0] == (3, 6)


def test_two_processes_read_a_file_once_between_them(tmp_path: Path, store: DocumentStore) -> None:
    path = _pdf(tmp_path / "a.pdf", 40)
    readers = [_start(store.home, path) for _ in range(2)]
    said = [reader.communicate(timeout=60)[0].split() for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0]
    assert sorted(map(len, said)) == [0, 41]
    assert len(store.list()) == 1


def test_collections(tmp_path: Path, store: DocumentStore) -> None:
    one = store.ingest(_pdf(tmp_path / "a.pdf", 1, "first")).id
    two = store.ingest(_pdf(tmp_path / "b.pdf", 1, "second")).id
    store.add_to_collection("reports", [two, one])
    store.add_to_collection("reports", [one])
    store.add_to_collection("other", [two])
    assert (store.collections(), store.collection("reports")) == (["other", "reports"], [one, two])
    assert store.info(two).collections == ("other", "reports")
    store.delete(two)
    assert store.collections() == ["reports"]
    store.delete_collection("reports")
    assert [info.id for info in store.list()] == [one]
    for gone in (lambda: store.collection("reports"), lambda: store.get(two),
                 lambda: store.add_to_collection("x", [two])):  # fmt: skip
        with pytest.raises(UnknownDocumentError):
            gone()


def test_delete_leaves_no_word_of_it(tmp_path: Path, store: DocumentStore) -> None:
    path = make(tmp_path / f"{SECRET}.pdf", lambda page: write(page, 72, 100, [SECRET, *PROSE]))
    kept = store.ingest(_pdf(tmp_path / "kept.pdf", 1))
    told: list[str] = []
    store.on_delete.append(told.append)
    document = store.ingest(path)
    store.add_to_collection("c", [document.id])
    store.page_image(document.id, 0, document.boxes(document.span(0, 5)))
    held = [*_bytes_of(store.home), *(p.name.encode() for p in store.home.rglob("*"))]
    assert any(SECRET.encode() in data for data in held)
    store.delete(document.id)
    held = [*_bytes_of(store.home), *(p.name.encode() for p in store.home.rglob("*"))]
    assert told == [document.id]
    for trace in (SECRET, document.id):
        assert not any(trace.encode() in data for data in held)
    with pytest.raises(UnknownDocumentError):
        store.delete(document.id)
    assert store.get(kept.id).text == kept.text


def _bytes_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def test_what_another_read_anew_meanwhile_is_not_read_again(
    tmp_path: Path, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = store.ingest(_pdf(tmp_path / "a.pdf")).id
    monkeypatch.setattr(readers, "READER_VERSION", readers.READER_VERSION + 1)
    slow, quick = DocumentStore(store.home), DocumentStore(store.home)
    forgotten: list[str] = []
    slow.on_delete.append(forgotten.append)
    alone = slow._locked

    def waits(identity: str, cancelled: IsCancelled) -> AbstractContextManager[None]:
        quick.get(identity)
        return alone(identity, cancelled)

    monkeypatch.setattr(slow, "_locked", waits)
    assert slow.get(identity).id == identity
    assert not forgotten


def test_a_file_that_goes_while_old_ones_are_swept_is_no_error(store: DocumentStore) -> None:
    for folder in ("partial", "files", "documents"):
        (store.home / folder / ".new-gone").symlink_to("nowhere")  # listed, and not to be found
    assert DocumentStore(store.home).list() == []


@pytest.mark.parametrize("rotate", [0, 90])
def test_a_page_image_marks_the_span_and_nothing_else(
    tmp_path: Path, store: DocumentStore, rotate: int
) -> None:
    path = make(tmp_path / "a.pdf", lambda page: write(page, 72, 100, PROSE), rotate=rotate)
    document = store.ingest(path)
    start = document.text.index(PROSE[1])
    (box,) = document.boxes(document.span(start, start + len(PROSE[1])))
    plain = _pixels(store.page_image(document.id, 0, dpi=72))
    marked = _pixels(store.page_image(document.id, 0, [box], dpi=72))
    assert plain.shape == marked.shape == (595 if rotate else 842, 842 if rotate else 595, 3)
    changed = (plain != marked).any(axis=2)
    rows, columns = slice(int(box.y0) - 2, int(box.y1) + 3), slice(int(box.x0) - 2, int(box.x1) + 3)
    assert changed[int(box.y0) + 1 : int(box.y1), int(box.x0) + 1 : int(box.x1)].mean() > 0.7
    changed[rows, columns] = False
    assert not changed.any()


def _pixels(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_page_images_are_drawn_once(tmp_path: Path, store: DocumentStore) -> None:
    document = store.ingest(_pdf(tmp_path / "a.pdf", 1))
    first = store.page_image(document.id, 0)
    started = time.monotonic()
    assert store.page_image(document.id, 0) == first
    assert time.monotonic() - started < 0.3  # no process was started
    with pytest.raises(UnknownDocumentError, match="has no page 2"):
        store.page_image(document.id, 1)


def test_an_image_can_be_cut_to_a_box(tmp_path: Path, store: DocumentStore) -> None:
    document = store.ingest(_pdf(tmp_path / "a.pdf", 1))
    box = document.boxes(document.span(0, 9))[0]
    whole = _pixels(store.page_image(document.id, 0, dpi=72))
    part = _pixels(store.page_image(document.id, 0, dpi=72, crop=box))
    assert part.shape[0] <= box.y1 - box.y0 + 2 < whole.shape[0]
    with pymupdf.open(store.file(document.id)) as pdf:
        assert whole.shape[1] == int(pdf[0].rect.width)
