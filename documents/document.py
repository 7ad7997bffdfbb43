"""The values that travel: boxes, spans, blocks, documents, evidence.

A document is read once into one string. From then on nothing is rewritten: what moves
between packages is a `Span` of that string, and its layout map says where it stands.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BlockKind = Literal["heading", "paragraph", "table_row", "list_item", "caption", "furniture"]


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A rectangle on a page as a person sees it (after rotation), in PDF points from the
    top left corner. ``page`` counts from 0 here and from 1 at every edge."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters ``start`` to ``end`` (exclusive) of a document's text."""

    document: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: {self.start}..{self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a character."""
        return self.document == other.document and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Block:
    """A run of text with one role. Blocks are in order, do not overlap, and between them
    stands only white space, also such that has no width. ``page`` is where it starts. ``level``
    is a heading's depth from 1, else 0. ``header`` holds, for a table row, the ``(start, end)``
    ranges of the header cells that stand over it, left to right."""

    kind: BlockKind
    start: int
    end: int
    page: int
    level: int = 0
    header: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A page's size in points as a person sees it, its characters ``start`` to ``end`` of the
    document's text, and whether it has a text layer."""

    width: float
    height: float
    start: int
    end: int
    has_text: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The layout map: one entry per word, in text order.

    ``starts``, ``ends``: int32 [n] character offsets; ``pages``: int32 [n]; ``boxes``: float32
    [n, 4] as x0, y0, x1, y1; ``lines``: int32 [n], a number that is the same for words that
    stand on one printed line. A word hyphenated over a line end is two entries whose ranges
    touch, on two lines. Its printed hyphen stays in the text ("informa-tion"): the text is
    what is printed. Only a soft hyphen (U+00AD), which no reader sees, is left out."""

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    pages: NDArray[np.int32]
    boxes: NDArray[np.float32]
    lines: NDArray[np.int32]

    @staticmethod
    def none() -> Words:
        """The map of a document without pages (Markdown, plain text)."""
        empty = np.zeros(0, np.int32)
        return Words(empty, empty, empty, np.zeros((0, 4), np.float32), empty)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document as read. ``id`` is the sha256 of the file's bytes."""

    id: str
    name: str
    text: str
    pages: tuple[Page, ...]
    blocks: tuple[Block, ...]
    words: Words = field(default_factory=Words.none, repr=False)
    _headings: tuple[tuple[Block, int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_headings", tuple(_under(self.blocks)))

    def slice(self, span: Span) -> str:
        """The text of a span: a quote is its slice."""
        return self.text[span.start : span.end]

    def span(self, start: int, end: int) -> Span:
        """A span of this document."""
        return Span(self.id, start, end)

    def boxes(self, span: Span) -> tuple[Box, ...]:
        """Where the span stands: one box per printed line it touches, in text order. An empty
        span stands nowhere."""
        if not len(span):
            return ()
        # int32 as they are: for another type numpy would first copy the whole array
        first = int(np.searchsorted(self.words.ends, np.int32(span.start), side="right"))
        last = int(np.searchsorted(self.words.starts, np.int32(span.end), side="left"))
        found: dict[int, Box] = {}
        for index in range(first, last):
            line, page = int(self.words.lines[index]), int(self.words.pages[index])
            x0, y0, x1, y1 = (float(value) for value in self.words.boxes[index])
            if (old := found.get(line)) is not None:
                x0, y0 = min(x0, old.x0), min(y0, old.y0)
                x1, y1 = max(x1, old.x1), max(y1, old.y1)
            found[line] = Box(page, x0, y0, x1, y1)
        return tuple(found.values())

    def pages_of(self, span: Span) -> tuple[int, ...]:
        """The pages, from 0, that hold a character of the span; none for a file without pages."""
        return tuple(
            number
            for number, page in enumerate(self.pages)
            if page.start < span.end and span.start < page.end and len(span)
        )

    def blocks_in(self, start: int, end: int) -> Sequence[Block]:
        """The blocks that share a character with ``start`` to ``end``."""
        first = bisect.bisect_right(self.blocks, start, key=lambda block: block.end)
        last = bisect.bisect_left(self.blocks, end, key=lambda block: block.start)
        return self.blocks[first:last]

    def headings_above(self, offset: int) -> tuple[Span, ...]:
        """The headings that the character at ``offset`` stands under, outermost first."""
        number = bisect.bisect_right(self._headings, offset, key=lambda each: each[0].end) - 1
        found: list[Span] = []
        while number >= 0:
            block, number = self._headings[number]
            found.append(Span(self.id, block.start, block.end))
        return tuple(reversed(found))


def _under(blocks: Sequence[Block]) -> Iterator[tuple[Block, int]]:
    """The headings, each with the number of the one that it stands under, or -1."""
    open_ones: list[tuple[int, int]] = []  # level and number, from the outermost in
    headings = (block for block in blocks if block.kind == "heading")
    for number, block in enumerate(headings):
        while open_ones and open_ones[-1][0] >= block.level:
            open_ones.pop()
        yield block, open_ones[-1][1] if open_ones else -1
        open_ones.append((block.level, number))


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span and how much it matters to the question (higher is more)."""

    span: Span
    score: float
