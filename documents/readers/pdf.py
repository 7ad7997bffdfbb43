"""Reading PDF. This module and ``documents/images.py`` are the only ones that know PyMuPDF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pymupdf
from pymupdf import mupdf

from documents.errors import DamagedError, EncryptedError, NotADocumentError
from documents.readers.layout import PageLayout
from documents.readers.pdf_blocks import draft_page
from documents.readers.pdf_text import write_page
from documents.readers.pdf_words import line_styles, page_words

_FLAGS = (
    pymupdf.TEXT_PRESERVE_WHITESPACE
    | pymupdf.TEXT_MEDIABOX_CLIP
    | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
)  # and not TEXT_PRESERVE_LIGATURES: "ﬁ" is read as "fi"
_MUPDF_ERRORS = (mupdf.FzErrorBase, RuntimeError, ValueError)
_REPAIR_HINT = "Open it in a PDF viewer and save it again, or get a fresh copy."


class PdfReader:
    """One open PDF. Pages that MuPDF cannot read come out empty, and their numbers (from 0)
    are in ``unreadable``; a file none of whose pages can be read is damaged."""

    def __init__(self, document: pymupdf.Document, name: str) -> None:
        self._document = document
        self._name = name
        self.unreadable: list[int] = []

    @property
    def page_count(self) -> int:
        """How many pages the file has."""
        return int(self._document.page_count)

    def pages(self, first: int = 0) -> Iterator[PageLayout]:
        """The pages from ``first`` on, in order."""
        count = self.page_count
        for number in range(first, count):
            try:
                page = self._page(number)
            except _MUPDF_ERRORS as error:
                self.unreadable.append(number)
                if len(self.unreadable) == count:
                    raise DamagedError(
                        f"{self._name}: page {number + 1} cannot be read.", _REPAIR_HINT
                    ) from error
                page = _empty_page()
            yield page

    def _page(self, number: int) -> PageLayout:
        page = self._document[number]
        width, height = float(page.rect.width), float(page.rect.height)
        matrix = tuple(page.rotation_matrix)
        textpage = page.get_textpage(flags=_FLAGS)
        raw = textpage.extractWORDS()
        styles = line_styles(textpage.extractDICT(), matrix) if raw else {}
        words = page_words(raw, styles, matrix, width, height)
        return write_page(words, draft_page(words), width, height)

    def close(self) -> None:
        """Let go of the file."""
        self._document.close()


def _empty_page() -> PageLayout:
    """A page of the usual size with nothing on it."""
    words = page_words([], {}, (1, 0, 0, 1, 0, 0), 612, 792)
    return write_page(words, draft_page(words), 612.0, 792.0)


def open_pdf(path: str, password: str | None = None) -> PdfReader:
    """Open a PDF for reading. A file that only restricts printing or copying needs no
    password."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    name = Path(path).name
    try:
        document = pymupdf.open(path, filetype="pdf")
    except pymupdf.EmptyFileError as error:
        raise NotADocumentError(f"{name}: the file is empty.", "Give another file.") from error
    except _MUPDF_ERRORS as error:
        raise _unopened(path, name) from error
    try:
        _unlock(document, name, password)
        if document.page_count == 0:
            raise DamagedError(f"{name}: the PDF has no pages.", _REPAIR_HINT)
    except _MUPDF_ERRORS as error:
        document.close()
        raise DamagedError(f"{name}: the PDF is damaged.", _REPAIR_HINT) from error
    except (DamagedError, EncryptedError):
        document.close()
        raise
    return PdfReader(document, name)


def _unlock(document: pymupdf.Document, name: str, password: str | None) -> None:
    """Give the password, where one is needed."""
    if not document.needs_pass:
        return
    if password is None:
        raise EncryptedError(f"{name}: the PDF needs a password.", "Give it with --password.")
    if not document.authenticate(password):
        raise EncryptedError(
            f"{name}: the password is wrong.", "Give the right one with --password."
        )


def _unopened(path: str, name: str) -> DamagedError | NotADocumentError:
    """Why a file did not open."""
    with Path(path).open("rb") as file:
        head = file.read(1024)
    if b"%PDF" in head:
        return DamagedError(f"{name}: the PDF is damaged or cut short.", _REPAIR_HINT)
    return NotADocumentError(f"{name}: this is not a PDF.", "Give a PDF, Markdown or text file.")
