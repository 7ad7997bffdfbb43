"""Figures as documents print them: separators, signs, currencies, percent, and their scale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from agent.context import column_heads, headings
from documents import Document, Span

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?![\w,.]*\d)(?![A-Za-z_])")
_BEFORE = re.compile(
    r"(?P<open>\()?\s*(?P<minus>(?<![\w)])[-−–])?\s*(?P<unit>[$€£¥])?\s*(?P<in>\()?$"
)
_AFTER = re.compile(r"\s?(?P<p1>%)?\s?(?P<close>\))?\s?(?P<p2>%)?")
_WORD = re.compile(r"[\s)]*(?P<scale>thousand|million|billion)s?\b", re.IGNORECASE)
_FRAME = re.compile(r"\b(?:in|of)\s+(?P<scale>thousand|million|billion)s(?P<rest>[^)\n]*)", re.I)
_AROUND = 1_500
"""Characters before a figure in which a table says its scale, in a file without pages."""
_REACH = 12
EXCEPTIONS = ", with exceptions"
"""Ends a scale that may not hold for every row: never shown, never mixed with another."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is printed. ``unit`` is a currency sign, ``%`` or empty; ``scale`` is
    thousand, million, billion or empty; ``start`` is where its digits stand in the text."""

    value: Decimal
    decimals: int
    unit: str = ""
    scale: str = ""
    start: int = 0
    end: int = 0


def printed(text: str) -> Iterator[Figure]:
    """The figures of a text, in order. One in parentheses, or after a minus sign, is negative."""
    for match in _NUMBER.finditer(text):
        before = _BEFORE.search(text[max(0, match.start() - _REACH) : match.start()])
        after = _AFTER.match(text[match.end() : match.end() + _REACH])
        assert before is not None  # both match the empty text
        assert after is not None
        digits = match[0].replace(",", "")
        bracketed = bool((before["open"] or before["in"]) and after["close"])
        word = _WORD.match(text[match.end() : match.end() + _REACH + 8])
        value = Decimal(digits)
        percent = after["p1"] or (after["p2"] if bracketed else "")
        yield Figure(
            -value if bracketed or before["minus"] else value,
            len(digits.partition(".")[2]),
            percent or before["unit"] or "",
            word["scale"].lower() if word else "",
            match.start(),
            match.end(),
        )


def scale_over(document: Document, span: Span, offset: int) -> str:
    """The scale that holds for a table's figure at ``offset``: said last before it on its page,
    or in what stands over it. Running text says its scale with the figure. "In millions, except
    per share" ends with `EXCEPTIONS`: which rows are excepted is not known."""
    rows = document.blocks_in(offset, offset + 1)
    if not any(block.kind == "table_row" for block in rows):
        return ""
    here = [page.start for page in document.pages if page.start <= offset < page.end]
    start = here[0] if here else max(0, offset - _AROUND)
    above = " ".join([*headings(document, span), *column_heads(document, span)])
    said = [*_FRAME.finditer(above), *_FRAME.finditer(document.text[start:offset])]
    if not said:
        return ""
    excepted = EXCEPTIONS if "except" in said[-1]["rest"].lower() else ""
    return said[-1]["scale"].lower() + excepted
