"""Tables that go on over a page's end take their header along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from documents.document import Block
from documents.readers.layout import PageLayout

_TOLERANCE = 4.0
_CELL = "\t"


def carry_headers(
    layouts: Sequence[PageLayout], blocks: list[list[Block]], starts: Sequence[int]
) -> None:
    """Give a table at a page's top, with no header of its own, that of the table at the end of
    the page before, if both have the same columns. ``blocks`` are the document's."""
    for page in range(1, len(layouts)):
        last = _table_at(layouts[page - 1], blocks[page - 1], at_end=True)
        first = _table_at(layouts[page], blocks[page], at_end=False)
        if not last or not first or any(blocks[page][index].header for index in first):
            continue
        above = [blocks[page - 1][index] for index in last]
        header = next((block.header for block in reversed(above) if block.header), ())
        if not header:
            continue
        columns = _columns(layouts[page - 1], above, starts[page - 1])
        if _same(columns, _columns(layouts[page], [blocks[page][i] for i in first], starts[page])):
            for index in first:
                block = blocks[page][index]
                if _CELL in _text(layouts[page], block, starts[page]):
                    blocks[page][index] = replace(block, header=header)


def _text(layout: PageLayout, block: Block, start: int) -> str:
    return layout.text[block.start - start : block.end - start]


def _table_at(layout: PageLayout, blocks: Sequence[Block], at_end: bool) -> list[int]:
    """The block numbers of the page's last table, or its first, if nothing but furniture and a
    few short lines stand between it and the page's edge."""
    order = range(len(blocks))
    numbers = [i for i in order if blocks[i].kind != "furniture"]
    if at_end:
        numbers.reverse()
    skipped = 0
    for index in numbers:
        if layout.tables[index] >= 0 and blocks[index].kind == "table_row":
            table = layout.tables[index]
            return [i for i in order if layout.tables[i] == table and blocks[i].kind == "table_row"]
        skipped += blocks[index].end - blocks[index].start
        if skipped > 200:
            break
    return []


def _columns(layout: PageLayout, rows: Sequence[Block], start: int) -> list[float]:
    """The right edges of a table's columns after the first, from its rows with most cells."""
    found: list[list[float]] = []
    for block in rows:
        cells = _text(layout, block, start).split(_CELL)
        if len(cells) < 2:
            continue
        at = block.start - start
        edges = []
        for cell in cells:
            end = at + len(cell)
            word = int(np.searchsorted(layout.words.ends, end))
            edges.append(float(layout.words.boxes[min(word, len(layout.words.ends) - 1), 2]))
            at = end + 1
        found.append(edges[1:])
    most = max(map(len, found), default=0)
    return [max(column) for column in zip(*(x for x in found if len(x) == most), strict=True)]


def _same(above: list[float], below: list[float]) -> bool:
    return (
        len(above) == len(below) > 0
        and max(abs(a - b) for a, b in zip(above, below, strict=True)) <= _TOLERANCE
    )
