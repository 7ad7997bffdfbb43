"""Running heads, running feet and page numbers: what is printed again on page after page."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from documents.document import Block
from documents.readers.layout import PageLayout

_EDGE = 0.12  # the share of a page's height or width where furniture stands
_MOST = 4  # blocks at each edge that are looked at
_LONGEST = 300
_TABLE = 3  # rows from which a table is content; a running head may look like a short one
_NEAR = 6  # pages on either side where a repetition counts
_PAGE_NUMBER = re.compile(
    r"\W*(?:page\s*)?(?:[A-Z]{1,2}-)?(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*\d{1,4})?\W*",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
_SPACE = re.compile(r"\s+")

_Key = tuple[str, str]


def mark_furniture(layouts: Sequence[PageLayout], blocks: list[list[Block]]) -> None:
    """Turn the blocks at the pages' edges that repeat from page to page into furniture. What
    stands further in than a block that does not repeat is content: a table's usual header. Where
    nothing else would be left of the document, what repeats is what it says."""
    read = [list(own) for own in blocks]
    keys = [_edge_keys(layout) for layout in layouts]
    where: dict[_Key, list[int]] = {}
    for page, found in enumerate(keys):
        for key in set(found.values()):
            where.setdefault(key, []).append(page)
    numbers = _numbered(layouts, keys)
    for page, found in enumerate(keys):
        inside: set[str] = set()  # edges whose furniture has ended, going inward
        for index, key in found.items():
            repeats = key[0] not in inside and _repeats(page, where[key], len(layouts))
            if (page, index) in numbers or repeats:
                blocks[page][index] = replace(
                    blocks[page][index], kind="furniture", level=0, header=()
                )
            elif key[0] != "side":
                inside.add(key[0])
        _drop_headers(blocks[page])
    if all(block.kind == "furniture" for own in blocks for block in own):
        blocks[:] = read


def _drop_headers(blocks: list[Block]) -> None:
    """Let no table row name furniture as its header."""
    gone = {(block.start, block.end) for block in blocks if block.kind == "furniture"}
    if not gone:
        return
    for index, block in enumerate(blocks):
        if block.header:
            kept = tuple(
                cell for cell in block.header if not any(a <= cell[0] < b for a, b in gone)
            )
            if len(kept) != len(block.header):
                blocks[index] = replace(block, header=kept)


def _repeats(page: int, pages: list[int], total: int) -> bool:
    """Whether the same text at the same edge stands on enough pages nearby. ``pages``, rising,
    has the page itself."""
    nearby = bisect_right(pages, page + _NEAR) - bisect_left(pages, page - _NEAR) - 1
    return nearby >= 2 or (nearby == 1 and (total <= 4 or len(pages) >= 0.5 * total))


def _edge_keys(layout: PageLayout) -> dict[int, _Key]:
    """The blocks at the page's edges, each with its edge and its text without numbers."""
    words = layout.words
    if not layout.blocks or not len(words.starts):
        return {}
    first = np.searchsorted(words.starts, [block.start for block in layout.blocks])
    top = np.minimum.reduceat(words.boxes[:, 1], first)
    bottom = np.maximum.reduceat(words.boxes[:, 3], first)
    found: dict[int, _Key] = {}
    for place, index in enumerate(np.argsort(bottom, kind="stable")[:_MOST]):
        if place == 0 or bottom[index] < _EDGE * layout.height:
            _add(found, layout, int(index), "top")
    for place, index in enumerate(np.argsort(-top, kind="stable")[:_MOST]):
        if place == 0 or top[index] > (1 - _EDGE) * layout.height:
            _add(found, layout, int(index), "bottom")
    left = np.minimum.reduceat(words.boxes[:, 0], first)
    right = np.maximum.reduceat(words.boxes[:, 2], first)
    beside = (right < _EDGE * layout.width) | (left > (1 - _EDGE) * layout.width)
    for index in np.flatnonzero(beside & (bottom - top > 2 * (right - left))):
        _add(found, layout, int(index), "side")
    return found


def _add(found: dict[int, _Key], layout: PageLayout, index: int, edge: str) -> None:
    table = layout.tables[index]
    if table >= 0 and layout.tables.count(table) >= _TABLE:
        return  # rows of a long table often begin alike from page to page
    text = _text(layout, layout.blocks[index])
    if len(text) <= _LONGEST:
        found[index] = (edge, _SPACE.sub("", _DIGITS.sub("#", text)).lower())


def _text(layout: PageLayout, block: Block) -> str:
    return layout.text[block.start : block.end]


def _numbered(layouts: Sequence[PageLayout], keys: list[dict[int, _Key]]) -> set[tuple[int, int]]:
    """The lone page numbers: as (page, block), where the number less the page is usual."""
    shifts: Counter[int] = Counter()
    seen: dict[tuple[int, int], int | None] = {}
    for page, found in enumerate(keys):
        for index in found:
            text = _text(layouts[page], layouts[page].blocks[index])
            if _PAGE_NUMBER.fullmatch(text):
                digits = re.search(r"\d+", text)
                shift = int(digits[0]) - page if digits else None
                seen[page, index] = shift
                if shift is not None:
                    shifts[shift] += 1
    return {place for place, shift in seen.items() if shift is not None and shifts[shift] >= 2}
