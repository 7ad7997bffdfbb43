"""How deep a heading is, from type sizes and numbering over the whole document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from documents.document import Block
from documents.readers.layout import PageLayout

DEEPEST = 6
_PART = re.compile(r"(?:part|chapter|appendix|annex)\s+(?:\d+|[ivx]+|[a-z])\b", re.IGNORECASE)
_ITEM = re.compile(r"item\s+\d+[a-z]?\b|abstract$|references$|conclusions?$", re.IGNORECASE)
_NOTE = re.compile(r"note\s+\d+", re.IGNORECASE)
_NUMBER = re.compile(r"(?:[A-Z]|\d{1,2})((?:\.\d{1,2})*)\.?\s")
_LARGER = 1.15
_LONGEST = 120


def settle_headings(layouts: Sequence[PageLayout], blocks: list[list[Block]]) -> None:
    """Give every heading its level, from 1 down, and make short lines in large type headings
    even where their whole page is set in it."""
    body = _body_size(layouts, blocks)
    headings: list[tuple[int, int, tuple[float, int]]] = []
    for page, (layout, own) in enumerate(zip(layouts, blocks, strict=True)):
        for index, block in enumerate(own):
            size = layout.font_sizes[index]
            text = layout.text[block.start : block.end]
            if block.kind == "paragraph" and body and _is_large(text, size, body):
                own[index] = replace(block, kind="heading")
            elif block.kind == "heading" and body and _is_remark(text, size, body):
                own[index] = replace(block, kind="paragraph")
            if own[index].kind == "heading":
                headings.append((page, index, (-_step(size, body), _rank(text))))
    keys = sorted({key for *_, key in headings})
    # Too many kinds: the few on a title page share level 1, those of the chapters stay apart.
    levels = {key: max(1, n - max(0, len(keys) - DEEPEST)) for n, key in enumerate(keys, 1)}
    for page, index, key in headings:
        blocks[page][index] = replace(blocks[page][index], level=levels[key])


def _is_large(text: str, size: float, body: float) -> bool:
    return (
        size >= _LARGER * body
        and len(text) <= _LONGEST
        and sum(map(str.isalpha, text)) > len(text) / 2
        and not text.endswith((".", ",", ";"))
        and text[0].isupper()
    )


def _is_remark(text: str, size: float, body: float) -> bool:
    """Whether a line that stood out on its page is no heading in the whole document: small
    type, a remark in parentheses, or a sentence ("None.", "See the accompanying notes.")."""
    if size < 0.85 * body or (text.startswith("(") and text.endswith(")")):
        return True
    named = any(kind.match(text) for kind in (_PART, _ITEM, _NOTE, _NUMBER))
    return text.endswith(".") and size < 1.1 * body and not named


def _body_size(layouts: Sequence[PageLayout], blocks: list[list[Block]]) -> float:
    """The size of most of the running text."""
    sizes: Counter[float] = Counter()
    for layout, own in zip(layouts, blocks, strict=True):
        for block, size in zip(own, layout.font_sizes, strict=True):
            if block.kind in ("paragraph", "list_item") and size:
                sizes[round(size * 2) / 2] += block.end - block.start
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _step(size: float, body: float) -> float:
    """A heading's size as one of a few steps over the text's."""
    if not body:
        return 0.0
    ratio = size / body
    steps = (1.1, 1.35, 1.7, 2.2)
    return float(sum(ratio >= step for step in steps))


def _rank(text: str) -> int:
    """The place of headings in one size, by how they are named or numbered."""
    if _PART.match(text):
        return 0
    if _ITEM.match(text):
        return 1
    if numbered := _NUMBER.match(text):
        return 1 + numbered[1].count(".")
    if _in_capitals(text) or _NOTE.match(text):
        return 2
    return 3


def _in_capitals(text: str) -> bool:
    """Whether all but a short remark, as in "BALANCE SHEETS (Unaudited)", is capitals."""
    return sum(map(str.isupper, text)) > 0.6 * sum(map(str.isalpha, text))
