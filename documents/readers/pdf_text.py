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
_HYPHENS = ("-", "\u2010", "\xad")
_BROKEN = re.compile(r"(?:^|[^\W_])[\w'’]*[^\W_]{1,}[-\u2010]$")
_OPENERS = frozenset(
    "after all anti back best better bottom closed co cost counter cross decision double e "
    "early end even eight ever ex fair far fast first five follow four free front full "
    "fund go half hand hard high higher in ill inter intra key large last late least left less "
    "life like long longer low lower made make market mid mixed more most multi near net new "
    "nine no non off old on one open out over paid part per post pre price quasi real right "
    "risk self semi seven short single six small so state tax ten third three time top trade "
    "two under up user value well wide world year zero".split()
)


@dataclass(slots=True)
class _Writer:
    """Text and layout map under construction."""

    words: PageWords
    lines: list[int]
    compounds: frozenset[str]
    plain: frozenset[str]
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
            following = lines[number + 1] if number + 1 < len(lines) else None
            if number:
                self._between()
            for index, word in enumerate(line):
                if index:
                    self.put(" ")
                text = self.words.texts[word]
                if following is not None and index == len(line) - 1:
                    text = self._before(word, text, self.words.texts[following[0]])
                self.order.append(word)
                self.starts.append(self.at)
                self.put(text)
                self.ends.append(self.at)
        return start, self.at

    glued: bool = False

    def _between(self) -> None:
        """Part two printed lines, unless a word runs from one to the next."""
        if not self.glued:
            self.put(" ")
        self.glued = False

    def _before(self, word: int, text: str, following: str) -> str:
        """The last word of a line as the text has it: without its hyphen if the hyphen is
        there only for the line's end. Notes whether the next line goes on with the word."""
        if word in self.words.soft:
            self.glued = True
            return text[:-1] if len(text) > 1 and text.endswith("\u2010") else text
        if not text.endswith(_HYPHENS) or not _BROKEN.search(text) or not following[0].isalnum():
            return text
        self.glued = True
        first = re.split(r"[^\w'’]", following, maxsplit=1)[0].lower()
        last = re.split(r"[^\w'’]", text[:-1])[-1].lower()
        if not following[0].islower() or not text[-2].isalpha():
            return text
        if last + first in self.plain:
            return text[:-1]
        keep = f"{last}-{first}" in self.compounds or last in _OPENERS or "-" in text[:-1]
        return text if keep else text[:-1]


def write_page(words: PageWords, page: PageDrafts, width: float, height: float) -> PageLayout:
    """The layout of one page from its drafts."""
    known = {text.lower().strip(".,;:()“”\"'") for text in words.texts}
    writer = _Writer(
        words,
        page.lines,
        frozenset(text for text in known if "-" in text[1:-1]),
        frozenset(known),
    )
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
