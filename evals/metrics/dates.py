"""Dates in a text, as (year, month, day) with 0 for what is not said."""

from __future__ import annotations

import re

Date = tuple[int, int, int]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_YEAR = r"(?P<year>(?:18|19|20)\d\d)"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s+{_YEAR})?",
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?",
        rf"\b{_MONTH},?\s+{_YEAR}",
        rf"\b{_YEAR}[-/.](?P<m>\d{{1,2}})[-/.](?P<day>\d{{1,2}})\b",
        rf"\b(?P<m>\d{{1,2}})/(?P<day>\d{{1,2}})/{_YEAR}\b",
        rf"{_YEAR}年(?:(?P<m>\d{{1,2}})月(?:(?P<day>\d{{1,2}})日)?)?",
        rf"(?<![\d.,]){_YEAR}(?![\d,]|\.\d)",
    )
)


def dates(text: str) -> list[Date]:
    """The dates of a text, each once, fullest forms first. ``6/25/2022`` is read as the US
    reads it."""
    found: dict[Date, None] = {}
    for form in _FORMS:
        for match in form.finditer(text):
            found[_date(match.groupdict())] = None
        text = form.sub(lambda match: " " * len(match[0]), text)
    return list(found)


def same_date(said: Date, gold: Date) -> bool:
    """Whether what was said gives the gold date: all parts that the gold has, and no other."""
    return all(g in (0, s) for s, g in zip(said, gold, strict=True)) and said[0] in (0, gold[0])


def _date(parts: dict[str, str | None]) -> Date:
    month = parts.get("month")
    number = _MONTHS.index(month[:3].lower()) + 1 if month else int(parts.get("m") or 0)
    return int(parts.get("year") or 0), number, int(parts.get("day") or 0)
