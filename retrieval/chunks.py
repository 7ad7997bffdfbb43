"""Cutting a document into chunks that end where sentences end.

A chunk is a span. Together the chunks hold every character of the document that stands in a
block and is not furniture, in order, and none cuts a word. A chunk may run over a page
break: the running head between its two parts then lies inside the span, but is neither
counted nor embedded (`chunk_text` leaves it out).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from documents.document import Block, Document, Span

TokenStarts = Callable[[Sequence[str]], list[NDArray[np.int64]]]
"""For each text, where its tokens start, in characters."""

Range = tuple[int, int]

_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s+[\"'“‘(\[]?[A-Z0-9$€£])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Inc|Corp|Ltd|Co|No|Nos|vs|St|Jr|Sr|cf|e\.g|i\.e|approx|Fig|Eq"
    r"|Sec|Art|al|pp|p)|\b[A-Z](?:\.[A-Z])*)\.$"
)
_WORD = re.compile(r"\S+")


def chunk(document: Document, limit: int, token_starts: TokenStarts) -> list[Span]:
    """The document's chunks of at most ``limit`` tokens. One word longer than that is left
    whole, as a chunk of its own."""
    blocks = _blocks(document)
    starts = _document_starts(document, blocks, token_starts)

    def count(part: Range) -> int:
        first, last = np.searchsorted(starts, part)
        return int(last - first)

    chunks: list[Span] = []
    open_start, open_end, tokens = 0, 0, 0
    for start, end in _parts(document, blocks, limit, count):
        size = count((start, end))
        if open_end and tokens + size > limit:
            chunks.append(document.span(open_start, open_end))
            open_end = 0
        if not open_end:
            open_start, tokens = start, 0
        open_end, tokens = end, tokens + size
    if open_end:
        chunks.append(document.span(open_start, open_end))
    return chunks


def chunk_text(document: Document, span: Span) -> str:
    """What is read of a chunk: its text without the furniture that stands inside it."""
    pieces = [
        document.text[max(block.start, span.start) : min(block.end, span.end)]
        for block in document.blocks_in(span.start, span.end)
        if block.kind != "furniture"
    ]
    return "\n".join(pieces)


def _blocks(document: Document) -> list[Block]:
    return [
        block
        for block in document.blocks
        if block.kind != "furniture" and document.text[block.start : block.end].strip()
    ]


def _document_starts(
    document: Document, blocks: Sequence[Block], token_starts: TokenStarts
) -> NDArray[np.int64]:
    """Where every token of the blocks starts, as offsets of the document's text."""
    found = token_starts([document.text[block.start : block.end] for block in blocks])
    moved = [starts + block.start for starts, block in zip(found, blocks, strict=True)]
    return np.concatenate([np.zeros(0, np.int64), *moved])


def _parts(
    document: Document, blocks: Sequence[Block], limit: int, count: Callable[[Range], int]
) -> Iterator[Range]:
    """What a chunk may end after: sentences, or runs of words of a sentence too long."""
    for sentence in _joined(document, blocks):
        whole = (sentence[0][0], sentence[-1][1])
        if count(whole) <= limit:
            yield whole
        else:
            words = [word for piece in sentence for word in _words(document.text, piece)]
            yield from _runs(words, limit, count)


def _joined(document: Document, blocks: Sequence[Block]) -> Iterator[list[Range]]:
    """Sentences, each as the ranges it stands in: more than one where a paragraph goes on in
    the next block (over a page or column end)."""
    sentence: list[Range] = []
    before: Block | None = None
    for block in blocks:
        pieces = list(_sentences(document.text, block))
        if sentence and before and not _goes_on(document.text, before, block):
            yield sentence
            sentence = []
        sentence.append(pieces[0])
        for piece in pieces[1:]:
            yield sentence
            sentence = [piece]
        before = block
    if sentence:
        yield sentence


def _goes_on(text: str, before: Block, block: Block) -> bool:
    if before.kind != block.kind or block.kind != "paragraph":
        return False
    last, first = text[before.start : before.end].rstrip()[-1], text[block.start]
    return last not in ".!?:;…" and first.islower()


def _sentences(text: str, block: Block) -> Iterator[Range]:
    """The sentences of a block. A table row, a heading or a caption is one."""
    cuts = [block.start]
    if block.kind in {"paragraph", "list_item"}:
        for found in _SENTENCE_END.finditer(text, block.start, block.end):
            if not _ABBREVIATION.search(text, max(cuts[-1], found.end() - 12), found.end()):
                cuts.append(found.end())
    for start, end in pairwise([*cuts, block.end]):
        piece = text[start:end]
        if piece.strip():
            left = len(piece) - len(piece.lstrip())
            yield start + left, start + len(piece.rstrip())


def _words(text: str, piece: Range) -> list[Range]:
    return [found.span() for found in _WORD.finditer(text, *piece)]


def _runs(words: Sequence[Range], limit: int, count: Callable[[Range], int]) -> Iterator[Range]:
    """As many words at a time as fit."""
    start, tokens = words[0][0], 0
    end = start
    for word in words:
        size = count(word)
        if tokens and tokens + size > limit:
            yield start, end
            start, tokens = word[0], 0
        end, tokens = word[1], tokens + size
    yield start, end
