"""The text of documents in chunks, which are read one after the other."""

from __future__ import annotations

import bisect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.context import largest, render, word_ends
from agent.values import Count
from compressor.units import pieces as units
from documents import Document, Evidence, IsCancelled, Span
from documents.progress import check

PIECE_CHARS = 600
"""Sentences and rows are numbered together up to this length: a small model that has to name one
of thirty pieces errs less than with one of two hundred sentences."""
MOST_BEST = 32


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is read at once: ``pieces``, numbered from 1, and the critic's ``best`` sentences and
    rows of it, best first."""

    pieces: tuple[Span, ...]
    best: tuple[Evidence, ...] = ()

    @property
    def evidence(self) -> list[Evidence]:
        """The pieces, as they are rendered and cited."""
        return [Evidence(piece, 0.0) for piece in self.pieces]

    def score(self, spans: Sequence[Span]) -> float:
        """The critic's score of the best sentence that ``spans`` touch; 0 for any other."""
        touched = (e.score for e in self.best if any(e.span.overlaps(span) for span in spans))
        return max(touched, default=0.0)


def cut(
    documents: Mapping[str, Document], limit: int, count: Count, cancelled: IsCancelled
) -> list[Chunk]:
    """All text but furniture, in order, in chunks of at most ``limit`` tokens as rendered. Between
    sentences, rows and paragraphs, unless one alone is longer."""
    rest = [piece for document in documents.values() for piece in pieces(document)]
    chunks: list[Chunk] = []
    at = 0
    while at < len(rest):
        check(cancelled)
        number = _fitting(rest, at, documents, limit, count)
        if not number:
            rest[at : at + 1] = _halved(rest[at], documents[rest[at].document], limit, count)
            number = 1
        chunks.append(Chunk(tuple(rest[at : at + number])))
        at += number
    return chunks


def pieces(document: Document) -> list[Span]:
    """The document's text but for furniture, in runs of sentences and rows that stand under one
    heading. None overlap."""
    found: list[Span] = []
    only_headings = True
    for unit in units(document, "sentence"):
        last = found[-1] if found else None
        if (
            last is not None
            and (only_headings or not unit.heading)
            and unit.end - last.start <= PIECE_CHARS
            and not document.text[last.end : unit.start].strip()  # no furniture between them
        ):
            found[-1] = document.span(last.start, unit.end)
            only_headings &= unit.heading
        else:
            found.append(document.span(unit.start, unit.end))
            only_headings = unit.heading
    return found


def with_best(chunks: Sequence[Chunk], ranked: Sequence[Evidence]) -> list[Chunk]:
    """The chunks with the best of ``ranked`` that begin in each, clipped to its piece."""
    places: dict[str, list[tuple[int, int, int]]] = {}
    for number, chunk in enumerate(chunks):
        for piece in chunk.pieces:
            places.setdefault(piece.document, []).append((piece.start, piece.end, number))
    best: list[list[Evidence]] = [[] for _ in chunks]
    for item in ranked:
        here = places.get(item.span.document, [])
        index = bisect.bisect_right(here, item.span.start, key=lambda place: place[0]) - 1
        if index < 0 or here[index][1] <= item.span.start:
            continue
        _, end, number = here[index]
        span = Span(item.span.document, item.span.start, min(end, item.span.end))
        if len(best[number]) < MOST_BEST:
            best[number].append(Evidence(span, float(item.score)))
    return [Chunk(c.pieces, tuple(found)) for c, found in zip(chunks, best, strict=True)]


def packed(chunk: Chunk) -> str:
    """As text for the notes."""
    pieces = [(p.document, p.start, p.end) for p in chunk.pieces]
    best = [(e.span.document, e.span.start, e.span.end, e.score) for e in chunk.best]
    return json.dumps({"pieces": pieces, "best": best})


def unpacked(text: str) -> Chunk:
    """What `packed` wrote."""
    row: dict[str, list[Any]] = json.loads(text)
    best = (Evidence(Span(*place), score) for *place, score in row["best"])
    return Chunk(tuple(Span(*place) for place in row["pieces"]), tuple(best))


def _fitting(
    rest: Sequence[Span], at: int, documents: Mapping[str, Document], limit: int, count: Count
) -> int:
    """How many pieces from ``at`` on fit together."""
    total, end = 0, at
    while end < len(rest) and total <= limit:
        total += count(documents[rest[end].document].slice(rest[end]))
        end += 1
    candidates = [Evidence(piece, 0.0) for piece in rest[at:end]]
    return largest(
        len(candidates), lambda number: count(render(candidates[:number], documents)) <= limit
    )


def _halved(piece: Span, document: Document, limit: int, count: Count) -> list[Span]:
    """A piece that is longer than a chunk, in two: as much as fits one, and the rest. What stands
    over it (column heads) is left out of account where that alone takes half of the chunk."""
    text = document.slice(piece)
    over = count(render([Evidence(piece, 0.0)], {document.id: document})) - count(text)
    room = max(limit // 2, limit - over)
    ends = word_ends(text)
    if count(text[: ends[0]]) > room:  # a script without spaces, or no text at all
        ends = list(range(1, len(text) + 1))
    cut_at = ends[
        max(1, largest(len(ends), lambda number: count(text[: ends[number - 1]]) <= room)) - 1
    ]
    parts = [Span(piece.document, piece.start, piece.start + cut_at)]
    if cut_at < len(text):
        parts.append(Span(piece.document, piece.start + cut_at, piece.end))
    return parts
