"""Which file types longdoc reads, and the job that reads one in the worker process.

To add a type, write its reader in this package and name it in `FILE_TYPES`. Readers are
imported only when a file of their type is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from documents.codec import encode_page
from documents.document import Document
from documents.errors import NotADocumentError, NoTextError
from documents.readers.layout import PageLayout, Reader

READER_VERSION = 4
"""Raise it when a reader or the stored form changes: documents read before are read again."""

_HEAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class FileType:
    """How one kind of file is recognised, read, and made into a document. ``magic`` stands
    within the first kilobyte of every such file; ``unlock(source, target, password)`` writes
    a copy that needs no password, where the format knows passwords."""

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[str, str | None], Reader]
    assemble: Callable[[str, str, Sequence[PageLayout]], Document]
    magic: bytes = b""
    unlock: Callable[[str, str, str], None] | None = None


def _open_pdf(path: str, password: str | None) -> Reader:
    from documents.readers.pdf import open_pdf

    return open_pdf(path, password)


def _assemble_pages(identity: str, name: str, layouts: Sequence[PageLayout]) -> Document:
    from documents.readers.assemble import assemble

    return assemble(identity, name, layouts)


def _unlock_pdf(source: str, target: str, password: str) -> None:
    from documents.images import unlock_pdf

    unlock_pdf(source, target, password)


def _open_markdown(path: str, password: str | None) -> Reader:
    from documents.readers.markdown import open_markdown

    return open_markdown(path, password)


def _open_text(path: str, password: str | None) -> Reader:
    from documents.readers.text import open_text

    return open_text(path, password)


def _assemble_text(identity: str, name: str, layouts: Sequence[PageLayout]) -> Document:
    from documents.readers.text import assemble_text

    return assemble_text(identity, name, layouts)


FILE_TYPES = (
    FileType("PDF", (".pdf",), _open_pdf, _assemble_pages, b"%PDF-", _unlock_pdf),
    FileType("Markdown", (".md", ".markdown"), _open_markdown, _assemble_text),
    FileType("plain text", (".txt", ".text"), _open_text, _assemble_text),
)


def file_type(path: Path) -> FileType:
    """The type of a file, by its ending and first bytes; content wins over the ending.
    Raises `NotADocumentError` for what is not there, may not be read, or is no document."""
    head = _head(path)
    for kind in FILE_TYPES:
        if kind.magic and head.startswith(kind.magic):
            return kind
    for kind in FILE_TYPES:
        if path.suffix.lower() in kind.suffixes:
            if kind.magic not in head:
                raise NotADocumentError(
                    f"{path.name}: is named as a {kind.name} file but is not one.",
                    "Open it in the program it came from and export it again.",
                )
            return kind
    raise NotADocumentError(f"{path.name}: not a file type that longdoc reads.", _types_hint())


def _types_hint() -> str:
    types = "; ".join(f"{kind.name} ({', '.join(kind.suffixes)})" for kind in FILE_TYPES)
    return f"longdoc reads {types}: convert the file to one of these."


def _head(path: Path) -> bytes:
    """The first bytes of a regular file that is not empty."""
    name = path.name or str(path)
    try:
        if path.is_dir():
            raise NotADocumentError(f"{name}: is a directory.", "Name the files in it.")
        if path.exists() and not path.is_file():
            raise NotADocumentError(f"{name}: is not a regular file.", "Copy it to a file first.")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise NotADocumentError(f"{name}: no such file.", "Check the path.") from error
    except PermissionError as error:
        raise NotADocumentError(
            f"{name}: no permission to read it.", "Give yourself the right to read the file."
        ) from error
    except (OSError, ValueError) as error:
        raise NotADocumentError(
            f"{name[:80]!r}: cannot be opened ({error}).", "Check the path and the disk."
        ) from error
    if not head:
        raise NotADocumentError(f"{name}: is empty.", "Copy or download the file again.")
    return head


def read_pages(path: str, password: str | None, first: int) -> Iterator[bytes]:
    """The worker's job: the number of pages as JSON, then each page from ``first`` on, encoded."""
    reader = file_type(Path(path)).open(path, password)
    try:
        yield json.dumps(reader.page_count).encode()
        for layout in reader.pages(first):
            yield encode_page(layout)
    finally:
        reader.close()


def unlock(path: str, target: str, password: str) -> Iterator[bytes]:
    """The worker's job: write a copy that needs no password, then say that it is done."""
    kind = file_type(Path(path))
    if kind.unlock is not None:
        kind.unlock(path, target, password)
    yield b"done"


def require_text(document: Document) -> None:
    """A document in which nothing can be read is an error, not an empty answer later. Raises
    `NoTextError`."""
    if document.text.strip():
        return
    count = len(document.pages)
    if not count:
        raise NoTextError(f"{document.name}: holds only white space.", "Check the file.")
    which = "its one page has no text layer" if count == 1 else (
        f"none of its {count} pages has a text layer"
    )  # fmt: skip
    raise NoTextError(
        f"{document.name}: {which}.",
        "Run OCR on it first, for example `ocrmypdf in.pdf out.pdf`, and read the result.",
    )
