"""Pages as read one by one, made into one document.

Here is settled what takes the whole document to see: which lines are running heads and feet,
how deep a heading is, and which table goes on over a page's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from documents.document import Block, Document, Page, Words
from documents.readers.furniture import mark_furniture
from documents.readers.headings import settle_headings
from documents.readers.layout import PageLayout
from documents.readers.table_headers import carry_headers

PAGE_BREAK = "\n\n"


def assemble(identity: str, name: str, layouts: Sequence[PageLayout]) -> Document:
    """One document from its pages, in order. ``identity`` is the sha256 of the file."""
    starts: list[int] = []
    at = 0
    for layout in layouts:
        starts.append(at)
        at += len(layout.text) + len(PAGE_BREAK)
    total = max(0, at - len(PAGE_BREAK))
    ends = [*starts[1:], total]
    pages = tuple(
        Page(layout.width, layout.height, start, end, len(layout.words.starts) > 0)
        for layout, start, end in zip(layouts, starts, ends, strict=bool(layouts))
    )
    kinds = [list(layout.blocks) for layout in layouts]
    mark_furniture(layouts, kinds)
    settle_headings(layouts, kinds)
    shifted = [
        [_shift(block, number, start) for block in blocks]
        for number, (blocks, start) in enumerate(zip(kinds, starts, strict=True))
    ]
    carry_headers(layouts, shifted, starts)
    return Document(
        identity,
        name,
        PAGE_BREAK.join(layout.text for layout in layouts),
        pages,
        tuple(block for blocks in shifted for block in blocks),
        _all_words(layouts, starts),
    )


def _shift(block: Block, page: int, by: int) -> Block:
    """A block of a page as a block of the document."""
    header = tuple((start + by, end + by) for start, end in block.header)
    return replace(block, start=block.start + by, end=block.end + by, page=page, header=header)


def _all_words(layouts: Sequence[PageLayout], starts: Sequence[int]) -> Words:
    """One layout map, with line numbers that are unique in the document."""
    if not layouts:
        return Words.none()
    lines = []
    first = 0
    for layout in layouts:
        own = layout.words.lines
        lines.append(own + np.int32(first))
        first += int(own.max()) + 1 if len(own) else 0
    return Words(
        np.concatenate(
            [x.words.starts + np.int32(s) for x, s in zip(layouts, starts, strict=True)]
        ),
        np.concatenate([x.words.ends + np.int32(s) for x, s in zip(layouts, starts, strict=True)]),
        np.repeat(np.arange(len(layouts), dtype=np.int32), [len(x.words.starts) for x in layouts]),
        np.concatenate([layout.words.boxes for layout in layouts]),
        np.concatenate(lines),
    )
