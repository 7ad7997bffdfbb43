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

_LEAST = 1e-9
HEADING_AT_LEAST = 0.5
"""A heading is evidence of its own from this score on, and only if nothing under it has half of
its score."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters ``start`` to ``end`` of a document; ``heading``: it is one."""

    start: int
    end: int
    heading: bool = False


def pieces(document: Document, granularity: Granularity) -> list[Unit]:
    """The document's text but for furniture, in order and without overlap: paragraphs, or the
    sentences of paragraphs, list items and captions; table rows and headings whole."""
    return [
        Unit(start, end, block.kind == "heading")
        for block in document.blocks
        if block.kind != "furniture"
        for start, end in _pieces(document.text, block, granularity)
    ]


def units(document: Document, granularity: Granularity) -> list[Unit]:
    """The pieces that may be kept: all but a table's column heads, which are context, shown
    with the rows that they stand over."""
    starts = sorted({start for block in document.blocks for start, _ in block.header})
    heads = {block.start for block in document.blocks if _is_head(block, starts)}
    return [unit for unit in pieces(document, granularity) if unit.start not in heads]


def _is_head(block: Block, starts: Sequence[int]) -> bool:
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


def ranges(
    found: Sequence[Unit], starts: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first token of every unit, and the one after its last. ``starts``: int32 [n], where each
    token starts, rising."""
    first = np.searchsorted(starts, [unit.start for unit in found])
    last = np.searchsorted(starts, [unit.end for unit in found])
    return first, last


def scores(
    units: tuple[NDArray[np.int64], NDArray[np.int64]], keep: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The score of every unit: the mean of its tokens' keep probabilities, float32 [n]. On
    documents held back from training it ranked better than the maximum, the mean of the best 3, 5,
    10 or 20 tokens or of the better half, and noisy-or."""
    first, last = units
    sums = np.concatenate([[0.0], np.cumsum(keep, dtype=np.float64)])
    return np.asarray((sums[last] - sums[first]) / np.maximum(last - first, 1), np.float32)


def raised(score: NDArray[np.float32], more: NDArray[np.float64]) -> NDArray[np.float32]:
    """The scores, [units], with ``more`` added to the logits of those where it is above 0."""
    sure = np.clip(score.astype(np.float64), _LEAST, 1 - _LEAST)
    logits = np.log(sure / (1 - sure)) + more
    return np.asarray(np.where(more > 0, 1 / (1 + np.exp(-logits)), score), np.float32)


def without_mere_headings(found: Sequence[Unit], score: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scores, with 0 for each heading that has a unit under it with half of its score, or that
    scores below ``HEADING_AT_LEAST``: a heading is context, shown with what stands under it."""
    kept = score.copy()
    best = np.float32(0.0)
    for row in range(len(found) - 1, -1, -1):
        if not found[row].heading:
            best = max(best, score[row])
            continue
        if score[row] < HEADING_AT_LEAST or score[row] <= 2 * best:
            kept[row] = 0.0
        best = np.float32(0.0)
    return kept
