"""Figures as documents print them: the one reader of numbers in running text and tables.

It reads separators, signs, parentheses, currencies, percent and scale words, and says of a table's
figure in which scale the table is. What it reads stays as printed: no scale is applied.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from agent.context import column_heads, headings
from documents import Document, Span

_NUMBER = re.compile(r"(?<![A-Za-z0-9_])(?<![0-9][.,])\d+(?:[.,]\d+)*")
"""A run of digits with points and commas; letters of other scripts may touch it."""
_GROUPED = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_GLUED = re.compile(r"(?:bn|mn|tn|[kKmMbB])(?![A-Za-z0-9_])")
_TOUCHES = re.compile(r"[A-Za-z_]")
_BEFORE = re.compile(
    r"(?P<open>\()?\s*(?P<minus>(?<![\w)])[-−–])?\s*"
    r"(?P<unit>US\$|[$€£¥￥]|\b(?:USD|EUR|GBP|RMB|CNY|JPY))?\s*(?P<in>\()?\s*$"
)
_PERCENT = r"[%％]|per\s?cent(?:age)?(?![A-Za-z])"
_AFTER = re.compile(
    rf"\s?(?P<p1>{_PERCENT})?\s?(?P<close>\))?\s?(?P<p2>{_PERCENT})?", re.IGNORECASE
)
_WORD = re.compile(r"[\s)-]*(?P<scale>thousand|million|billion|trillion)s?\b", re.IGNORECASE)
_LETTERS = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion"}
_CURRENCIES = {
    "US$": "$", "USD": "$", "EUR": "€", "GBP": "£", "￥": "¥", "RMB": "¥", "CNY": "¥", "JPY": "¥",
}  # fmt: skip
SCALE = re.compile(
    r"\b(?:in|of)\s+(?:[A-Z]{0,3}[$€£¥]\s?)?(?P<scale>thousand|million|billion)s(?P<rest>[^)\n]*)"
    r"|[$€£¥]\s?['’]?(?:(?P<noughts>000)(?:['’]?s)?(?![\d,.])|(?P<letter>m|mn|bn)\b"
    r"|(?P<word>thousand|million|billion)s?\b)",
    re.IGNORECASE,
)
"""Says in what scale a table's figures are."""
_AROUND = 1_500
"""Characters before a table in which its scale is said, in a file without pages."""
_MOST_BLOCKS, _FURTHEST = 200, 50_000
_REACH = 12
_AGAIN = 3
EXCEPTIONS = ", with exceptions"
"""Ends a scale that may not hold for every row: never shown, never mixed with another."""
POWERS = {"": 0, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is printed. ``unit`` is a currency sign, ``%`` or empty; ``scale`` is
    thousand, million, billion, trillion or empty; ``start`` is where its digits stand in the text.
    ``odd``: a grouping of digits that says no value for sure (1,23 or a part of 1.2.3)."""

    value: Decimal
    decimals: int
    unit: str = ""
    scale: str = ""
    start: int = 0
    end: int = 0
    odd: bool = False

    @property
    def key(self) -> str:
        """Its digits without separators, sign and trailing zeros: 1,500.0 and (1500) have one."""
        return format(abs(self.value).normalize(), "f")

    @property
    def year(self) -> bool:
        """Whether it may be a year: a bare whole number of 1900 to 2099."""
        bare = not (self.unit or self.scale or self.decimals) and self.end - self.start == 4
        return bare and 1900 <= self.value < 2100

    @property
    def amount(self) -> Decimal:
        """The value with its scale."""
        return self.value.scaleb(POWERS[self.scale])


def printed(text: str) -> Iterator[Figure]:
    """The figures of a text, in order, those of odd grouping left out. One in parentheses, or
    after a minus sign, is negative."""
    return (figure for figure in every(text) if not figure.odd)


def every(text: str) -> Iterator[Figure]:
    """All figures of a text, also those of odd grouping: what is to be held back must be seen."""
    for match in _NUMBER.finditer(text):
        glued = _GLUED.match(text, match.end())
        if glued is None and _TOUCHES.match(text, match.end()):
            continue
        if _GROUPED.fullmatch(match[0]):
            yield _figure(text, match.start(), match.end(), glued)
        elif "." not in match[0]:
            digits = Decimal(match[0].replace(",", ""))
            yield Figure(digits, 0, start=match.start(), end=match.end(), odd=True)
        else:
            for part in re.finditer(r"[\d,]*\d", match[0]):
                start, end = match.start() + part.start(), match.start() + part.end()
                digits = Decimal(part[0].replace(",", ""))
                yield Figure(digits, 0, start=start, end=end, odd=True)


def numbers(text: str) -> frozenset[str]:
    """The `Figure.key` of every figure of a text."""
    return keys(every(text))


def keys(figures: Iterable[Figure]) -> frozenset[str]:
    """Their digits, each once."""
    return frozenset(figure.key for figure in figures)


def scale_over(document: Document, span: Span, offset: int, over: Iterable[str] = ()) -> str:
    """The scale that holds for a table's figure at ``offset``: of the head ``over`` its column, or
    said last before it on its page, or in what stands over it. Running text says its scale with
    the figure. "In millions, except per share" ends with `EXCEPTIONS`: which rows are excepted is
    not known."""
    rows = document.blocks_in(offset, offset + 1)
    if not any(block.kind == "table_row" for block in rows):
        return ""
    here = [page.start for page in document.pages if page.start <= offset < page.end]
    start = here[0] if here else _before_table(document, offset)
    above = " ".join([*headings(document, span), *column_heads(document, span)])
    own = [*SCALE.finditer(" ".join(over))]
    said = own or [*SCALE.finditer(above), *SCALE.finditer(document.text[start:offset])]
    if not said:
        return ""
    last = said[-1]
    return _named(last) + (EXCEPTIONS if "except" in (last["rest"] or "").lower() else "")


def scale_throughout(document: Document) -> str:
    """The scale that a document says again and again, and no other; empty without one."""
    said = [_named(match) for match in SCALE.finditer(document.text)]
    return said[0] if len(said) >= _AGAIN and len(set(said)) == 1 else ""


def _named(match: re.Match[str]) -> str:
    letter = _LETTERS.get((match["letter"] or "").lower(), "")
    return (match["scale"] or match["word"] or letter or "thousand").lower()


def _before_table(document: Document, offset: int) -> int:
    """Where to begin to read for a table's scale. Its rows do not count, as it may be long."""
    place = bisect.bisect_right(document.blocks, offset, key=lambda block: block.start)
    left = _AROUND
    start = offset
    for block in reversed(document.blocks[max(0, place - _MOST_BLOCKS) : place]):
        start = block.start
        if block.kind != "table_row":
            left -= block.end - block.start
        if left < 0:
            break
    return max(start, offset - _FURTHEST)


def _figure(text: str, start: int, end: int, glued: re.Match[str] | None) -> Figure:
    before = _BEFORE.search(text[max(0, start - _REACH) : start])
    assert before is not None  # it matches the empty text
    currency = before["unit"] or ""
    close = end
    scale = ""
    if glued is not None:
        close = glued.end()
        if currency or len(glued[0]) == 2 or glued[0] in "kK":  # "5 m" may be metres
            scale = _LETTERS.get(glued[0].lower(), "trillion")
    after = _AFTER.match(text[close : close + _REACH])
    assert after is not None  # it too
    bracketed = bool((before["open"] or before["in"]) and after["close"])
    if word := _WORD.match(text[close : close + _REACH + 8]):
        scale = word["scale"].lower()
    percent = after["p1"] or (after["p2"] if bracketed else "")
    digits = text[start:end].replace(",", "")
    value = Decimal(digits)
    return Figure(
        -value if bracketed or before["minus"] else value,
        len(digits.partition(".")[2]),
        "%" if percent else _CURRENCIES.get(currency, currency),
        scale,
        start,
        end,
    )
