"""Cutting a tokenised document into windows that end where sentences, rows and paragraphs end.

A window is a run of tokens and the header that the critic reads before it. Together the
windows hold every token of the document that stands in a block and is not furniture. Where
a piece is longer than a window it is cut at a word; where there is room for it, the last
piece of a window opens the next one too, so that it is seen with what follows.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from compressor.units import pieces as all_pieces
from documents.document import Document
from documents.progress import IsCancelled, check, never_cancelled

TokenIds = tuple[int, ...]
Encode = Callable[[Sequence[str]], list[tuple[list[int], list[tuple[int, int]]]]]
"""For each text: token ids, and the ``(start, end)`` characters each stands for."""

COLUMN_CHARACTERS = 200
HEADINGS = 2
_PIECES_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Prepared:
    """A document's tokens, which no question changes. ``ids``, ``starts``, ``ends``: int32 [n];
    ``pieces``: int32 [m], the number of the token that each piece (sentence, row) begins with,
    rising, with n at its end."""

    document: Document
    ids: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    pieces: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens ``first`` to ``last`` (exclusive) of ``prepared``, and the header's tokens."""

    prepared: Prepared
    first: int
    last: int
    header: TokenIds = ()

    @property
    def start(self) -> int:
        """Where its text starts, in characters of the document."""
        return int(self.prepared.starts[self.first])

    @property
    def end(self) -> int:
        """Where its text ends, in characters of the document."""
        return int(self.prepared.ends[self.last - 1])


def prepare(
    document: Document, encode: Encode, cancelled: IsCancelled = never_cancelled
) -> Prepared:
    """Tokenise the document once. Raises `Cancelled` where a stop is asked for."""
    found = all_pieces(document, "sentence")
    ids: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    pieces: list[int] = []
    for slab in range(0, len(found), _PIECES_AT_ONCE):
        check(cancelled)
        part = found[slab : slab + _PIECES_AT_ONCE]
        texts = [document.text[unit.start : unit.end] for unit in part]
        for unit, (own, offsets) in zip(part, encode(texts), strict=True):
            pieces.append(len(ids))
            ids += own
            starts += [unit.start + a for a, _ in offsets]
            ends += [unit.start + b for _, b in offsets]
    return Prepared(
        document,
        np.array(ids, np.int32),
        np.array(starts, np.int32),
        np.array(ends, np.int32),
        np.unique(np.array([*pieces, len(ids)], np.int32)),
    )


def cut(
    prepared: Prepared, encode: Callable[[str], TokenIds], room: int, header_room: int, overlap: int
) -> Iterator[Window]:
    """The document's windows in order: header and text take at most ``room`` tokens together,
    the header at most ``header_room``; neighbours share at most ``overlap`` tokens."""
    total = len(prepared.ids)
    pieces: list[int] = prepared.pieces.tolist()

    def header(first: int) -> TokenIds:
        return header_tokens(prepared.document, int(prepared.starts[first]), encode, header_room)

    first, done = 0, 0
    while done < total:
        window = _window(prepared, pieces, first, header(first), room)
        if window.last <= done:  # a longer header left no room beyond what the last window held
            window = _window(prepared, pieces, done, header(done), room)
        yield window
        done = window.last
        first = min(done, pieces[bisect.bisect_left(pieces, max(done - overlap, window.first + 1))])


def _window(
    prepared: Prepared, pieces: Sequence[int], first: int, header: TokenIds, room: int
) -> Window:
    limit = first + room - len(header)
    last = pieces[bisect.bisect_right(pieces, limit) - 1]
    if last <= first:
        last = _word_end(prepared, first, limit)
    return Window(prepared, first, last, header)


def _word_end(prepared: Prepared, first: int, limit: int) -> int:
    """The last token up to ``limit`` that a word ends before; ``limit`` if there is none."""
    for last in range(limit, first, -1):
        if prepared.starts[last] > prepared.ends[last - 1]:
            return last
    return limit


def batched(windows: Sequence[Window], most: int, prompt: int) -> Iterator[Sequence[Window]]:
    """Windows of like length together, the longest first, ``most`` tokens at most once padded,
    with ``prompt`` tokens before each (a single window may be longer)."""
    order = sorted(windows, key=lambda w: w.first - w.last - len(w.header))
    first = 0
    while first < len(order):
        longest = order[first].last - order[first].first + len(order[first].header)
        count = max(1, most // (longest + prompt))
        yield order[first : first + count]
        first += count


def header_tokens(
    document: Document, offset: int, encode: Callable[[str], TokenIds], room: int
) -> TokenIds:
    """The header of a window that starts at ``offset``: the document's name, the headings it
    stands under and, inside a table, the column heads, which are cut last."""
    columns = encode(" ".join(column_heads(document, offset))[:COLUMN_CHARACTERS])[:room]
    above = " ".join([title(document.name), *headings(document, offset)]).strip()
    return (*encode(above)[: room - len(columns)], *columns)


def title(name: str) -> str:
    """A file's name as a person would write it."""
    return re.sub(r"[_\s]+", " ", PurePath(name).stem).strip()


def headings(document: Document, offset: int) -> list[str]:
    """The innermost headings above the offset, outermost first."""
    spans = document.headings_above(offset)[-HEADINGS:]
    return [" ".join(document.slice(span).split()) for span in spans]


def column_heads(document: Document, offset: int) -> list[str]:
    """The header cells over the table row at the offset that stand before it."""
    for block in document.blocks_in(offset, offset + 1):
        if block.kind == "table_row":
            cells = dict.fromkeys(cell for cell in block.header if cell[0] < block.start)
            return [" ".join(document.text[a:b].split()) for a, b in cells]
    return []
