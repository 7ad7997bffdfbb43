"""Writing a page's blocks as text, with the layout map beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from documents.document import Block, Words
from documents.readers.layout import PageLayout
from documents.readers.pdf_blocks import Draft, PageDrafts
from documents.readers.pdf_words import PageWords

CELL = "\t"
_BROKEN = re.compile(r"[^\W_][-\u2010]$")


@dataclass(slots=True)
class _Writer:
    """Text and layout map under construction."""

    words: PageWords
    parts: list[str] = field(default_factory=list)
    at: int = 0
    order: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def put(self, text: str) -> None:
        """Write characters that belong to no word."""
        self.parts.append(text)
        self.at += len(text)

    def cell(self, lines: list[list[int]]) -> tuple[int, int]:
        """Write a cell's printed lines as one line of text, and say where it stands."""
        start = self.at
        for number, line in enumerate(lines):
            if number and not self._runs_on(lines[number - 1][-1], line[0]):
                self.put(" ")
            for index, word in enumerate(line):
                if index:
                    self.put(" ")
                self.order.append(word)
                self.starts.append(self.at)
                self.put(self.words.texts[word])
                self.ends.append(self.at)
        return start, self.at

    def _runs_on(self, last: int, first: int) -> bool:
        """Whether a word runs over the line's end. Nothing is put between its halves, so that
        they are one word in the map; a hyphen that is printed stays, since whether it is there
        only for the line's end ("informa-tion", "long-term") would be a guess."""
        if last in self.words.soft:
            return True
        hyphened = _BROKEN.search(self.words.texts[last]) is not None
        return hyphened and self.words.texts[first][0].isalnum()


def write_page(words: PageWords, page: PageDrafts, width: float, height: float) -> PageLayout:
    """The layout of one page from its drafts."""
    writer = _Writer(words)
    blocks: list[Block] = []
    cells: dict[int, list[tuple[int, int]]] = {}
    before: Draft | None = None
    for draft in page.drafts:
        if before is not None:
            writer.put("\n" if draft.table >= 0 and draft.table == before.table else "\n\n")
        ranges: list[tuple[int, int]] = []
        for number, cell in enumerate(draft.cells):
            if number:
                writer.put(CELL)
            ranges.append(writer.cell(cell))
        cells[id(draft)] = ranges
        header = tuple(cells[id(above)][number] for above, number in draft.header)
        blocks.append(Block(draft.kind, ranges[0][0], writer.at, 0, 0, header))
        before = draft
    order = np.array(writer.order, np.int64)
    layout_words = Words(
        np.array(writer.starts, np.int32),
        np.array(writer.ends, np.int32),
        np.zeros(len(order), np.int32),
        words.boxes[order].reshape(-1, 4) if len(order) else np.zeros((0, 4), np.float32),
        np.array(page.lines, np.int32)[order],
    )
    return PageLayout(
        width,
        height,
        "".join(writer.parts),
        tuple(blocks),
        layout_words,
        tuple(draft.size for draft in page.drafts),
        tuple(draft.table for draft in page.drafts),
    )
