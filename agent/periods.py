"""Periods as questions name them: years, quarters and dates, found in a text and moved in it."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

MONTHS = (
    "January February March April May June July August September October November December"
).split()
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in MONTHS) + "|Sept"
_DATE = re.compile(
    rf"\b(?:(?P<m1>{_MONTH})\.?\s+(?P<d1>\d{{1,2}}),?\s+(?P<y1>(?:19|20)\d\d)"
    rf"|(?P<d2>\d{{1,2}})\s+(?P<m2>{_MONTH})\.?,?\s+(?P<y2>(?:19|20)\d\d))\b"
)
_ORDINALS = ("first", "second", "third", "fourth")
_QUARTER = re.compile(
    r"\b(?:Q(?P<q>[1-4])(?!\d)|(?P<r>[1-4])Q(?=\d\d|\b)"
    r"|(?P<word>first|second|third|fourth|1st|2nd|3rd|4th)(?:\s+(?:fiscal|financial))?\s+quarter)",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<![\d.,$€£])(?P<year>(?:19|20)\d\d)(?![\d,]\d|\d|\.\d|%)")
_SHORT = re.compile(r"(?P<lead>\bFY\s?'?|(?<=[1-4]Q))(?P<year>\d\d)(?!\d)", re.IGNORECASE)
_PREFIX = re.compile(r"(?:\b(?:the\s+)?(?:fiscal|financial)\s+(?:year\s+)?|\bFY\s?'?)$", re.I)

Unit = Literal["year", "quarter"]
_COUNT = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_EARLIER = "before|earlier|prior|previously|ago"
_LATER = "after|later|afterwards"
_RELATIVE = re.compile(
    rf"\b(?:(?:the\s+)?(?P<unit1>year|quarter)\s+(?P<way1>{_EARLIER}|{_LATER})"
    rf"|(?P<count>an?|one|two|three|four|five|\d)\s+(?P<unit2>year|quarter)s?\s+"
    rf"(?P<way2>{_EARLIER}|{_LATER})"
    r"|(?:the\s+)?(?P<way3>previous|prior|preceding|last|next|following|subsequent)\s+"
    r"(?:(?:fiscal|financial)\s+)?(?P<unit3>year|quarter)(?!s)"
    r"|(?:the\s+)?year[- ](?P<way4>ago|earlier)(?=\s+(?:quarter|period)))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Move:
    """A period named by its distance from another (``the year before``), and where it stands."""

    unit: Unit
    by: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Named:
    """A year or a quarter that a text names: ``text[start:end]`` are its digits or its word."""

    value: int
    start: int
    end: int


def moved_from(text: str) -> Move | None:
    """The text's one relative period; None without any, or with several."""
    found = list(_RELATIVE.finditer(text))
    if len(found) != 1:
        return None
    match = found[0]
    groups = match.groupdict()
    way = next(groups[f"way{n}"] for n in range(1, 5) if groups[f"way{n}"]).lower()
    unit = next((groups[f"unit{n}"] for n in range(1, 4) if groups[f"unit{n}"]), "year").lower()
    count = groups["count"] or "a"
    number = _COUNT.get(count.lower()) or int(count)
    later = way in (*_LATER.split("|"), "next", "following", "subsequent")
    return Move(unit, number if later else -number, match.start(), match.end())  # type: ignore[arg-type]  # a Literal


def years(text: str) -> list[Named]:
    """The years, those of dates included; ``FY23`` is 2023."""
    full = [Named(int(m["year"]), m.start("year"), m.end("year")) for m in _YEAR.finditer(text)]
    short = [
        Named(2000 + int(m["year"]), m.start("year"), m.end("year")) for m in _SHORT.finditer(text)
    ]
    taken = {one.start for one in full}
    return sorted((*full, *(s for s in short if s.start not in taken)), key=lambda one: one.start)


def quarters(text: str) -> list[Named]:
    """The quarters that are named by number."""
    return [
        Named(int(m["q"] or m["r"] or _ordinal(m["word"])), m.start(), m.end())
        for m in _QUARTER.finditer(text)
    ]


def dates(text: str) -> list[tuple[date, int, int]]:
    """The dates with a day, and where they stand."""
    found = []
    for match in _DATE.finditer(text):
        name, day = match["m1"] or match["m2"], int(match["d1"] or match["d2"])
        month = next(n for n, full in enumerate(MONTHS, 1) if full.startswith(name[:3].title()))
        year = int(match["y1"] or match["y2"])
        if 1 <= day <= monthrange(year, month)[1]:
            found.append((date(year, month, day), match.start(), match.end()))
    return found


def periods(text: str) -> set[str]:
    """The years and quarters that a text names, in one spelling: ``2023``, ``Q3``."""
    return {str(one.value) for one in years(text)} | {f"Q{one.value}" for one in quarters(text)}


def without_periods(text: str) -> str:
    """The text less its years, quarters and dates, and less what stands with a fiscal year."""
    for match in reversed([*_DATE.finditer(text)]):
        text = text[: match.start()] + " " + text[match.end() :]
    for pattern in (_QUARTER, _SHORT, _YEAR):
        text = pattern.sub(" ", text)
    return re.sub(r"\b(?:fiscal|financial)(?:\s+year)?\b", " ", text, flags=re.IGNORECASE)


def moved(text: str, move: Move) -> str | None:
    """The text with its period moved; None where it names none, or several that differ.

    Years move together where they are the ends of one stretch ("from 2021 to 2022")."""
    if move.unit == "year":
        return by_years(text, move.by) if _one_stretch(text) else None
    found, named = quarters(text), years(text)
    if len(found) == 1 and len(named) <= 1:
        carry, index = divmod(found[0].value - 1 + move.by, 4)
        if carry and not named:
            return None
        text = with_quarter(text, index + 1)
        return by_years(text, carry) if carry else text
    days = dates(text)
    if not found and len(days) == 1 and len(named) == 1:
        return _by_months(text, 3 * move.by)
    return None


def by_years(text: str, number: int) -> str:
    """The text with every year moved. A month's end stays one; another date becomes "about" the
    same day, as a year of 52 weeks does not end on it."""
    doubtful = {(day.month, day.day) for day, _, _ in dates(text) if not _ends_month(day)}
    for day, start, end in reversed(dates(text)):
        if _ends_month(day):
            last = monthrange(day.year + number, day.month)[1]
            text = text[:start] + text[start:end].replace(str(day.day), str(last), 1) + text[end:]
    for one in reversed(years(text)):
        shown = str(one.value + number)[-(one.end - one.start) :]
        text = text[: one.start] + shown + text[one.end :]
    return _about(text, lambda day: (day.month, day.day) in doubtful)


def with_quarter(text: str, value: int) -> str:
    """The text with its first quarter replaced, in the same style."""
    one = quarters(text)[0]
    was = text[one.start : one.end]
    if "quarter" not in was.lower():
        shown = was.replace(str(one.value), str(value))
    else:
        shown = f"{_ORDINALS[value - 1]} {was.partition(' ')[2]}"
    return text[: one.start] + shown + text[one.end :]


def year_with_prefix(text: str) -> int | None:
    """Where the text's only year begins, "fiscal" included; None without one, or with several."""
    named = years(text)
    if len(named) != 1:
        return None
    prefix = _PREFIX.search(text[: named[0].start])
    return prefix.start() if prefix else named[0].start


def _one_stretch(text: str) -> bool:
    named = years(text)
    if not named:
        return False
    if len({one.value for one in named}) == 1:
        return True
    between = text[named[0].end : named[-1].start]
    return len(named) == 2 and re.fullmatch(r"\s*(?:to|and|[-–])\s*", between) is not None


def _by_months(text: str, number: int) -> str:
    [(day, start, end)] = dates(text)
    carry, index = divmod(day.month - 1 + number, 12)
    year, month = day.year + carry, index + 1
    last = monthrange(year, month)[1]
    other = date(year, month, last if _ends_month(day) else min(day.day, last))
    shown = f"{MONTHS[month - 1]} {other.day}, {year}"
    text = text[:start] + shown + text[end:]
    return text if _ends_month(day) else _about(text, lambda one: one == other)


def _about(text: str, doubtful: Callable[[date], bool]) -> str:
    for day, start, _ in reversed(dates(text)):
        if doubtful(day) and not text[:start].rstrip().endswith("about"):
            text = f"{text[:start]}about {text[start:]}"
    return text


def _ends_month(day: date) -> bool:
    return day.day == monthrange(day.year, day.month)[1]


def _ordinal(word: str) -> int:
    folded = word.lower()
    return _ORDINALS.index(folded) + 1 if folded in _ORDINALS else int(folded[0])
