"""Bad files: each ends in an error of one line that names file and remedy, and leaves nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pymupdf
import pytest
from pdf_pages import PROSE, make, write

from documents import (
    DamagedError,
    DocumentError,
    DocumentStore,
    EncryptedError,
    Limits,
    LongdocError,
    NotADocumentError,
    NoTextError,
    TooCostlyError,
)

ROOT = Path(__file__).resolve().parents[2]


def _store(tmp_path: Path) -> DocumentStore:
    return DocumentStore(tmp_path / "home")


def _kept(home: Path) -> list[str]:
    """The files of the library but for its database and locks."""
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and path.parent != home and path.parent.name != "locks"
    ]


def _refused(tmp_path: Path, path: Path, kind: type[LongdocError], **given: str) -> str:
    """Ingest it, see that it is refused properly, and return what was said."""
    store = _store(tmp_path)
    with pytest.raises(kind) as caught:
        store.ingest(path, **given)  # type: ignore[arg-type]
    said = str(caught.value)
    assert path.name in said
    assert "\n" not in said + caught.value.hint
    assert caught.value.hint
    assert store.list() == []
    assert _kept(store.home) == []
    return said


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return make(tmp_path / "good.pdf", *[lambda page: write(page, 72, 100, PROSE)] * 3)


def test_not_a_document(tmp_path: Path) -> None:
    for name, data in [("a.pdf", b"<html></html>"), ("b.pdf", b""), ("c.bin", b"\x00\x01")]:
        (tmp_path / name).write_bytes(data)
        _refused(tmp_path, tmp_path / name, NotADocumentError)
    (tmp_path / "folder").mkdir()
    assert "directory" in _refused(tmp_path, tmp_path / "folder", NotADocumentError)
    assert "no such file" in _refused(tmp_path, tmp_path / "gone.pdf", NotADocumentError)


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_truncated(tmp_path: Path, good: Path, share: float) -> None:
    data = good.read_bytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(data[: int(share * len(data))])
    _refused(tmp_path, path, DamagedError)


def test_encrypted(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "secret.pdf"
    with pymupdf.open(good) as pdf:
        pdf.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="sesame", owner_pw="boss")
    assert "password" in _refused(tmp_path, path, EncryptedError)
    assert "wrong" in _refused(tmp_path, path, EncryptedError, password="guess")
    store = _store(tmp_path)
    document = store.ingest(path, password="sesame")
    assert document.text.startswith(PROSE[0])
    assert store.page_image(document.id, 0).startswith(b"\x89PNG")
    assert b"sesame" not in b"".join(p.read_bytes() for p in store.home.rglob("*") if p.is_file())


def test_no_text(tmp_path: Path) -> None:
    path = make(tmp_path / "scan.pdf", *[lambda page: page.draw_circle((200, 200), 50)] * 2)
    assert "none of its 2 pages has a text layer" in _refused(tmp_path, path, NoTextError)


def test_pages_without_text_are_named(tmp_path: Path) -> None:
    def prose(page: pymupdf.Page) -> None:
        write(page, 72, 100, PROSE)

    path = make(tmp_path / "mixed.pdf", prose, lambda page: page.draw_circle((200, 200), 50), prose)
    store = _store(tmp_path)
    assert store.pages_without_text(store.ingest(path).id) == (1,)


def _raw_pdf(path: Path, content: bytes, extra: bytes = b"") -> Path:
    """A PDF by hand, with no cross-reference table: MuPDF repairs it."""
    path.write_bytes(
        b"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>>>endobj\n"
        b"4 0 obj<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream endobj\n"
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n%s\n"
        b"trailer<</Root 1 0 R>>\n%%%%EOF" % (len(content), content, extra)
    )
    return path


def _fine_within_limits(store: DocumentStore, path: Path) -> DocumentError | None:
    """Read it; whatever comes of it must come in time."""
    started = time.monotonic()
    try:
        store.ingest(path)
    except DocumentError as error:
        assert path.name in str(error)
        return error
    finally:
        assert time.monotonic() - started < 20
    return None


def test_a_stream_that_inflates_to_gigabytes(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    unit = b"BT /F 9 Tf 9 9 Td (x) Tj ET " * 40_000
    # after a full flush a packed unit stands alone, and can be repeated without packing it again
    first, again = (packer.compress(unit) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    path = _raw_pdf(tmp_path / "bomb.pdf", zlib.compress(first + 2000 * again, 9))
    assert path.stat().st_size < 2**20
    store = DocumentStore(tmp_path / "home", limits=Limits(stall_s=4))
    error = _fine_within_limits(store, path)
    assert isinstance(error, TooCostlyError | NoTextError)
    assert _kept(store.home) == []


def test_a_form_that_draws_itself_without_end(tmp_path: Path) -> None:
    form = b"6 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 24/Resources<</XObject<<"
    form += b"/X 6 0 R>>>>>>stream\n/X Do /X Do /X Do /X Do \nendstream endobj"
    content = zlib.compress(zlib.compress(b"BT /F 9 Tf 72 700 Td (Hello there) Tj ET /X Do"))
    path = _raw_pdf(tmp_path / "loop.pdf", content, form)
    _fine_within_limits(_store(tmp_path), path)


def test_a_cross_reference_that_points_at_itself(tmp_path: Path, good: Path) -> None:
    data = good.read_bytes()
    at = data.rindex(b"trailer")
    cut = data[:at] + data[at:].replace(b"/Root", b"/Prev %d /Root" % data.rindex(b"xref\n0"), 1)
    path = tmp_path / "endless.pdf"
    path.write_bytes(cut)
    _fine_within_limits(_store(tmp_path), path)


@pytest.mark.parametrize("seed", range(6))
def test_random_damage(tmp_path: Path, good: Path, seed: int) -> None:
    data, dice = bytearray(good.read_bytes()), random.Random(seed)
    for _ in range(200):
        data[dice.randrange(8, len(data))] = dice.randrange(256)
    path = tmp_path / "hurt.pdf"
    path.write_bytes(data)
    _fine_within_limits(_store(tmp_path), path)


_INGEST = """
import sys; from pathlib import Path
from documents import DocumentStore, LongdocError
{before}
try:
    print(len(DocumentStore(Path(sys.argv[1])).ingest(Path(sys.argv[2])).pages), "pages")
except LongdocError as error:
    print(type(error).__name__, "|", error, "|", error.hint)
"""


def _in_a_process(home: Path, path: Path, before: str, **how: object) -> str:
    done = subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-c", _INGEST.format(before=before), str(home), str(path)],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=60, **how,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return str(done.stdout)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, good: Path) -> None:
    """A limit on the size of files stands in for the disk: the system call fails alike."""
    with good.open("ab") as file:  # so that the copy is what does not fit
        file.write(b"%" + os.urandom(400_000))
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))"
    said = _in_a_process(tmp_path / "home", good, small)
    assert said.startswith("StorageError | The data folder")
    assert "LONGDOC_HOME" in said
    assert _kept(tmp_path / "home") == []
    assert _in_a_process(tmp_path / "home", good, "") == "3 pages\n"


def test_a_file_or_folder_without_permission(tmp_path: Path, good: Path) -> None:
    """As somebody who may not: root, who may do everything, becomes nobody first."""
    nobody = "import os; os.getuid() or (os.setgid(65534), os.setuid(65534))"
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        if os.geteuid() == 0 and folder.stat().st_uid == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    locked = tmp_path / "locked.pdf"
    locked.write_bytes(good.read_bytes())
    locked.chmod(0)
    said = _in_a_process(home, locked, nobody)
    assert said.startswith("NotADocumentError | locked.pdf: no permission")
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    said = _in_a_process(closed / "home", good, nobody)
    assert said.startswith("StorageError | The data folder")
    assert "right to write" in said
