"""What is kept or dropped whole: sentences, table rows, paragraphs."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.instruction import Granularity
from compressor.sentences import sentences, trim
from documents.document import Block, Document

HEADING_AT_LEAST = 0.5
"""A heading is evidence of its own from this score on, and only if nothing under it is better."""

TOP_TOKENS = 5
"""A unit scores as the mean of its best tokens: a long sentence is not worse for its length."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters ``start`` to ``end`` of a document; ``heading``: a heading, or a table's row of
    column heads."""

    start: int
    end: int
    heading: bool = False


def units(document: Document, granularity: Granularity) -> list[Unit]:
    """The document's units in order; they do not overlap and hold no furniture. A table row is
    one unit at every granularity; sentences end inside paragraphs and list items only. For
    ``word`` these are the sentences: words are cut out of them by their spans."""
    heads = {cell for block in document.blocks for cell in block.header}
    head_starts = sorted(start for start, _ in heads)
    return [
        Unit(start, end, block.kind == "heading" or _heads(block, head_starts))
        for block in document.blocks
        if block.kind != "furniture"
        for start, end in _pieces(document.text, block, granularity)
    ]


def _heads(block: Block, starts: Sequence[int]) -> bool:
    """Whether the row holds header cells (which start at ``starts``, rising) of other rows."""
    if block.kind != "table_row" or block.header:
        return False
    nearest = bisect.bisect_left(starts, block.start)
    return nearest < len(starts) and starts[nearest] < block.end


def _pieces(text: str, block: Block, granularity: Granularity) -> Iterator[tuple[int, int]]:
    if granularity != "paragraph" and block.kind in {"paragraph", "list_item", "caption"}:
        yield from sentences(text, block.start, block.end)
        return
    start, end = trim(text, block.start, block.end)
    if start < end:
        yield start, end


def scores(
    found: Sequence[Unit], starts: NDArray[np.int32], keep: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The score of every unit: the mean of its ``TOP_TOKENS`` best keep probabilities.

    ``starts``: int32 [n], where each token starts, rising; ``keep``: float32 [n]."""
    first = np.searchsorted(starts, [unit.start for unit in found])
    last = np.searchsorted(starts, [unit.end for unit in found])
    result = np.zeros(len(found), np.float32)
    for row, (a, b) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        if b - a > TOP_TOKENS:
            result[row] = np.partition(keep[a:b], b - a - TOP_TOKENS)[-TOP_TOKENS:].mean()
        elif b > a:
            result[row] = keep[a:b].mean()
    return result


def without_mere_headings(found: Sequence[Unit], score: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scores, with 0 for each heading that is less than the best unit under it, or that
    scores below ``HEADING_AT_LEAST``: a heading is context, shown with what stands under it."""
    kept = score.copy()
    best = np.float32(0.0)
    for row in range(len(found) - 1, -1, -1):
        if not found[row].heading:
            best = max(best, score[row])
            continue
        if score[row] < HEADING_AT_LEAST or score[row] <= best:
            kept[row] = 0.0
        best = np.float32(0.0)
    return kept
