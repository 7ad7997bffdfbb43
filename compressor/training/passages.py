"""Pieces of training documents that questions are made of: sentences or table rows, and what
stands around them. Documents held back or put aside are never among them."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from compressor.sentences import sentences, trim
from compressor.training.data import CELLS, Corpus, Range, cut_window, usable
from compressor.training.replies import words
from documents.errors import DataError

LEAST_WORDS = 4
MOST_CHARACTERS = 400
DRAWS = 40
"""Places tried for a sentence that is fit and not yet taken."""
DISTRACTOR_CHARACTERS = 800
LEAST_DISTRACTOR = 40


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters ``start`` to ``end`` of a document."""

    doc: str
    start: int
    end: int

    @property
    def key(self) -> str:
        """Its name in a journal."""
        return f"{self.start} {self.end} {self.doc}"


def source_of(doc: str) -> str:
    """The source that a document is of: what stands before the colon of its name."""
    return doc.partition(":")[0]


@dataclass(frozen=True)
class Pool:
    """The usable documents of some sources, by source."""

    texts: Mapping[str, str]
    docs: Mapping[str, list[str]]

    @classmethod
    def of(cls, corpus: Corpus, sources: Collection[str]) -> Pool:
        """Those of a corpus."""
        docs: dict[str, list[str]] = {}
        for doc in sorted(corpus.texts):
            if source_of(doc) in sources and usable(doc):
                docs.setdefault(source_of(doc), []).append(doc)
        if not docs:
            raise DataError(
                f"No document of {', '.join(sources) or 'any source'} may be trained on.",
                "Name sources that the data folder has outside the documents held back.",
            )
        return cls(corpus.texts, docs)

    def draw(
        self, share: Mapping[str, float], rng: random.Random, taken: Collection[str]
    ) -> Piece | None:
        """A sentence or table row whose key is not ``taken``; None where `DRAWS` places have
        none. ``share`` is how often each source is drawn."""
        sources = [source for source in share if source in self.docs]
        weights = [share[source] for source in sources]
        for _ in range(DRAWS):
            doc = rng.choice(self.docs[rng.choices(sources, weights)[0]])
            text = self.texts[doc]
            found = unit_at(text, rng.randrange(max(1, len(text))))
            if found and (piece := Piece(doc, *found)).key not in taken:
                return piece
        return None

    def distractors(
        self, source: str, size: int, rng: random.Random, without: Collection[str]
    ) -> list[Piece]:
        """Passages of documents of a source, not of those named in ``without``, at most ``size``
        characters together."""
        found: list[Piece] = []
        others = [doc for doc in self.docs.get(source, []) if doc not in without]
        for doc in rng.sample(others, len(others)):
            room = min(size, DISTRACTOR_CHARACTERS)
            if room < LEAST_DISTRACTOR:
                break
            text = self.texts[doc]
            window = cut_window(text, rng.randrange(max(1, len(text))), room, rng)
            start, end = trim(text, *window)
            if start < end:
                found.append(Piece(doc, start, end))
                size -= end - start
        return found


def unit_at(text: str, at: int) -> Range | None:
    """The table row or sentence around a character; None where it is not fit to ask about: too
    short, too long, a heading, or a row without a figure."""
    left, right = line_at(text, at)
    row = CELLS in text[left:right]
    whole = [trim(text, left, right)] if row else sentences(text, left, right)
    found = next(((a, b) for a, b in whole if a <= at < b), None)
    if found is None or found[1] - found[0] > MOST_CHARACTERS:
        return None
    piece = text[found[0] : found[1]]
    fit = any(map(str.isdigit, piece)) if row else not piece[-1].isalnum()
    return found if fit and len(words(piece)) >= (2 if row else LEAST_WORDS) else None


def line_at(text: str, at: int) -> Range:
    """The line that a character stands in, without its end."""
    end = text.find("\n", at)
    return text.rfind("\n", 0, at) + 1, len(text) if end < 0 else end


def passage(text: str, unit: Range, size: int) -> Range:
    """Whole sentences around a sentence, about ``size`` characters with it; over a table row the
    table's head too, where it is near."""
    start, end = unit
    spare = max(0, size - (end - start)) // 2
    left, right = max(0, start - spare), min(len(text), end + spare)
    whole = sentences(text, left, right, lines_end=True)
    before = [a for a, _ in whole[1 if left else 0 :] if a <= start]
    after = [b for _, b in whole[: -1 if right < len(text) else None] if b >= end]
    begin, stop = min([start, *before]), max([end, *after])
    if CELLS in text[start:end]:
        top = _table_top(text, start)
        begin = min(begin, top) if start - top <= 2 * size else begin
    return begin, stop


def _table_top(text: str, at: int) -> int:
    """Where the first of the rows that go up from here without a break starts."""
    top = line_at(text, at)[0]
    while top:
        left, right = line_at(text, top - 1)
        if CELLS not in text[left:right]:
            break
        top = left
    return top
