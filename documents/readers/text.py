"""Reads plain text: one layout without a page, a block for each paragraph and each table row."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from documents.document import Block, BlockKind, Document, Words
from documents.errors import NotADocumentError
from documents.readers.layout import PageLayout
from documents.readers.text_tables import Line, headers, tables
from documents.rows import BLANKS

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
EDGES = BLANKS + "\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
"""What a line or a block neither begins nor ends with: white space, also what has no width."""


class TextReader:
    """A `Reader` over text that is already in memory: it has one layout."""

    page_count = 1

    def __init__(self, text: str, blocks: Sequence[Block], tables: Sequence[int]) -> None:
        self._layout = PageLayout(
            0.0, 0.0, text, tuple(blocks), Words.none(), (0.0,) * len(blocks), tuple(tables)
        )

    def pages(self, first: int = 0) -> Iterator[PageLayout]:
        """The one layout."""
        if first == 0:
            yield self._layout

    def close(self) -> None:
        """Nothing is held open."""


def open_text(path: str, password: str | None) -> TextReader:  # noqa: ARG001 - the Open signature
    """A reader for a plain text file."""
    text = decode(Path(path).read_bytes(), Path(path).name)
    return TextReader(text, *parse(text))


def decode(data: bytes, name: str) -> str:
    """The bytes as text with ``\\n`` line ends: by byte order mark, else UTF-8, else Windows
    Western (whose unused codes are read as Latin-1). Raises if the bytes are not text."""
    text = _decode(data, name)
    if len(_CONTROL.findall(text)) > len(text) // 1000 or "\x00" in text:
        raise NotADocumentError(
            f"{name}: holds binary data, not text.",
            "Give the file its right ending, or export it as PDF or text.",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, name: str) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise NotADocumentError(
                    f"{name}: is not the {encoding} text that its first bytes announce.",
                    "Save it again as UTF-8.",
                ) from error
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def parse(text: str) -> tuple[list[Block], list[int]]:
    """The blocks of a plain text, and for each its table's number or -1: table rows, and a block
    for each run of other lines between blank lines."""
    lines = list(_lines(text))
    blocks: list[Block] = []
    numbers: list[int] = []
    at = 0
    for number, (first, end) in enumerate(tables(lines)):
        rows = lines[first:end]
        prose = list(_paragraphs(lines[at:first]))
        blocks += prose
        numbers += [-1] * len(prose)
        for line, header in zip(rows, headers(rows), strict=True):
            kind: BlockKind = "furniture" if line.rule else "table_row"
            blocks.append(Block(kind, line.start, line.end, 0, header=header))
            numbers.append(number)
        at = end
    rest = list(_paragraphs(lines[at:]))
    return [*blocks, *rest], [*numbers, *[-1] * len(rest)]


def _lines(text: str) -> Iterator[Line]:
    """The lines with something on them."""
    start, parted = 0, False
    for line in text.split("\n"):
        inner = line.strip(EDGES)
        if inner:
            indent = len(line) - len(line.lstrip(EDGES))
            yield Line(text, start + indent, start + indent + len(inner), indent, parted)
        parted = not inner
        start += len(line) + 1


def _paragraphs(lines: Sequence[Line]) -> Iterator[Block]:
    """One block for each run of lines without a blank one between."""
    for number, line in enumerate(lines):
        if number and not line.parted:
            continue
        last = number
        while last + 1 < len(lines) and not lines[last + 1].parted:
            last += 1
        yield Block("paragraph", line.start, lines[last].end, 0)


def trimmed(text: str, start: int, end: int) -> Block | None:
    """A paragraph over ``start`` to ``end`` without the white space at its ends."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    stripped = piece.strip()
    return Block("paragraph", start, start + len(stripped), 0) if stripped else None


def assemble_text(identity: str, name: str, layouts: Sequence[PageLayout]) -> Document:
    """The document of a file without pages: its one layout as it is."""
    (layout,) = layouts
    return Document(identity, name, layout.text, (), layout.blocks, layout.words)
