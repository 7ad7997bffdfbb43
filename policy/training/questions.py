"""Evidence-labelled questions, their split by document, and documents cut into passages.

The reader and the split are the policy's own, as a package imports none of its floor; the rule
of the split is the critic's (``compressor/training/data.py``), so that a document held back from
one is held back from the other: sha256 of the document's name, its first eight hex digits as a
number; a multiple of ten is held back, of five for tatqa. A test keeps the two rules equal.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from documents.errors import DataError

Range = tuple[int, int]
_NO_END = "".join(
    rf"(?<!\b{word}\.)" for word in ("[A-Z]", "Mr", "Mrs", "Dr", "St", "No", "vs", "al")
)
_BREAK = re.compile(rf"(?<=[.!?]){_NO_END}[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])|\n+")
"""Sentence ends and line ends. The dot of an initial or of these short forms ends nothing."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its evidence as character ranges of the document; none where the document
    does not answer it."""

    source: str
    doc: str
    text: str
    answers: tuple[str, ...]
    spans: tuple[Range, ...]

    @property
    def key(self) -> str:
        """A name that stays the same from run to run."""
        told = "\n".join((self.doc, self.text, *self.answers))
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, word for word."""

    doc: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Corpus:
    """The documents by name, and all questions whose document is there."""

    texts: dict[str, str]
    questions: tuple[Question, ...]


def held_back(doc: str) -> bool:
    """Whether a document is kept from training: one in ten, and one in five of tatqa's."""
    number = int(hashlib.sha256(doc.encode()).hexdigest()[:8], 16)
    return number % (5 if doc.startswith("tatqa") else 10) == 0


def load(folder: Path) -> Corpus:
    """Read every ``*docs.jsonl.gz`` and ``*questions.jsonl.gz`` in the folder."""
    texts = {r["doc"]: r["text"] for p in sorted(folder.glob("*docs.jsonl.gz")) for r in _rows(p)}
    rows = [r for p in sorted(folder.glob("*questions.jsonl.gz")) for r in _rows(p)]
    if not texts or not rows:
        raise DataError(
            f"{folder} has no *docs.jsonl.gz or no *questions.jsonl.gz.",
            "Set `data` to the folder of the labelled questions; docs/training.md has the format.",
        )
    return Corpus(texts, tuple(_question(row) for row in rows if row["doc"] in texts))


def _question(row: dict[str, Any]) -> Question:
    try:
        return Question(
            row["source"],
            row["doc"],
            row["question"],
            tuple(text for answer in row["answers"] if (text := str(answer).strip())),
            tuple((int(a), int(b)) for a, b in row["spans"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"A question of {row.get('doc')} lacks a field or has a wrong one: {error}",
            "Fields: source, doc, question, answers, spans.",
        ) from error


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield json.loads(line)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", "Fetch the file again.") from error


@lru_cache(maxsize=512)
def sentences(text: str) -> tuple[Range, ...]:
    """The sentences and lines of a text, without the blank space between them."""
    cuts = [0, *(m.end() for m in _BREAK.finditer(text)), len(text)]
    found = []
    for start, end in pairwise(cuts):
        piece = text[start:end]
        left = start + len(piece) - len(piece.lstrip())
        right = start + len(piece.rstrip())
        if right > left:
            found.append((left, right))
    return tuple(found)


@lru_cache(maxsize=512)
def passages(text: str, size: int) -> tuple[Range, ...]:
    """The text in pieces of whole sentences, about ``size`` characters and never over two and a
    quarter times that. A blank line ends a piece that has a quarter of its size; one that has
    less, such as a title, always goes on."""
    found: list[Range] = []
    for start, end in (part for s in sentences(text) for part in _chopped(text, s, size)):
        if found:
            first, last = found[-1]
            title = last - first < size // 4
            apart = "\n\n" in text[last:start]
            if title or (end - first <= size and not apart):
                found[-1] = (first, end)
                continue
        found.append((start, end))
    return tuple(found)


def _chopped(text: str, whole: Range, size: int) -> Iterator[Range]:
    """A sentence, or a table's line, of over twice the size in parts, cut between words."""
    start, end = whole
    while end - start > 2 * size:
        at = text.rfind(" ", start + 1, start + size)
        cut = at if at > start else start + size
        yield start, cut
        start = cut + (text[cut] == " ")
    if end > start:
        yield start, end


def widened(text: str, spans: tuple[Range, ...]) -> tuple[Range, ...]:
    """The sentences that the spans touch, those that follow one another as one: evidence that is
    an answer alone becomes a quote."""
    found: list[Range] = []
    for start, end in sentences(text):
        if not any(touch((start, end), span) for span in spans):
            continue
        if found and not text[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return tuple(found)


def stands(answer: str, text: str) -> bool:
    """Whether the answer is in the text as whole words, whatever the case and the line ends."""
    said = re.escape(" ".join(answer.lower().split()))
    plain = " ".join(text.lower().split())
    return bool(said) and re.search(rf"(?<!\w){said}(?!\w)", plain) is not None


def touch(a: Range, b: Range) -> bool:
    """Whether two ranges share a character."""
    return a[0] < b[1] and b[0] < a[1]
