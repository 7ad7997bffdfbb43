"""Periods as texts name them: years, days, and how long a period lasts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.figures import Figure

MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?"
)
DATE = re.compile(rf"{MONTH}\s+\d{{1,2}},?\s+\d{{4}}|\d{{1,2}}\s+{MONTH}\s+\d{{4}}")
YEAR = re.compile(r"(?<![\d.,])(?:19|20)\d\d(?![\d]|[.,]\d)")
DAY = re.compile(rf"\b({MONTH})\s+(\d{{1,2}})\b|\b(\d{{1,2}})\s+({MONTH})(?![A-Za-z])")
_LASTS: tuple[tuple[frozenset[str], re.Pattern[str]], ...] = tuple(
    (frozenset(months.split()), re.compile(pattern, re.IGNORECASE))
    for months, pattern in (
        ("3", r"\b(?:three|3)[\s-]months?\b|\bquarter(?:s|ly)?\b|\bQ[1-4]\b"
         r"|\b(?:thirteen|13) weeks\b"),
        ("6", r"\b(?:six|6)[\s-]months?\b|\bhalf[\s-]year\b|\bH[12]\b"
         r"|\b(?:twenty-six|26) weeks\b"),
        ("9", r"\b(?:nine|9)[\s-]months?\b|\b(?:thirty-nine|39) weeks\b"),
        ("12", r"\b(?:twelve|12)[\s-]months?\b|\b(?:full|fiscal|financial) years?\b"
         r"|\byears? ended\b|\b(?:fifty-two|52) weeks\b"),
        ("6 9", r"\bYTD\b|\byear[\s-]to[\s-]date\b"),
    )
)  # fmt: skip
_FISCAL = re.compile(r"\bfiscal\b|\bFY\s?'?\d|\bQ[1-4]\b|\b[1-4]Q\b|\bquarter\b", re.IGNORECASE)
_RELATIVE = re.compile(
    r"\b(?:before|prior|previous|preceding|last|earlier|ago|than|versus|vs|respectively|between"
    r"|year[\s-]over[\s-]year|compar\w+|chang\w+|increas\w+|decreas\w+|declin\w+|gr[eo]w\w*|growth"
    r"|fell|fall\w*|ris(?:e|en|ing)|rose|differen\w+|trend\w*|average|total of|sum|ratio)\b"
    r"|\bfrom\b.{0,40}\bto\b",
    re.IGNORECASE,
)
_WAYS = tuple(re.compile(rf"\b{way}\s+(?:US)?[$€£¥]?\s?$") for way in ("from", "to"))
_LABELLED = re.compile(r"(?<!\d)((?:19|20)\d\d)\s*:\s*[$€£¥]?\s*$")


@dataclass(frozen=True, slots=True)
class Period:
    """What a text says of when: ``years``; ``days`` of a year ("jul 1"); ``lasts`` in months."""

    years: frozenset[str] = frozenset()
    days: frozenset[str] = frozenset()
    lasts: frozenset[str] = frozenset()

    def shared(self, other: Period) -> int:
        """In how many of the three ways two periods agree."""
        return sum(bool(mine & theirs) for mine, theirs in zip(self._all, other._all, strict=True))

    @property
    def _all(self) -> tuple[frozenset[str], ...]:
        return self.years, self.days, self.lasts


def period(text: str) -> Period:
    """The periods that a text names."""
    days = frozenset(
        f"{name.casefold()[:3]} {int(day)}"
        for match in DAY.finditer(text)
        for name, day in [(match[1] or match[4], match[2] or match[3])]
    )
    lasts = frozenset[str]().union(*(months for months, form in _LASTS if form.search(text)))
    return Period(frozenset(YEAR.findall(text)), days, lasts)


def relative(text: str) -> bool:
    """Whether a text speaks of one period beside another: its years are then not those of every
    figure in it."""
    return _RELATIVE.search(text) is not None


def another(asked: Period, here: Period, others: Iterable[Period], asked_text: str) -> bool:
    """Whether a figure that stands under ``here`` is of another period than the one asked, which
    one of ``others`` in its row is of. A fiscal year may end in the year after, so that years do
    not tell of it where the heads are days."""
    beside = list(others)
    ways = [(asked.days, here.days, [one.days for one in beside])]
    ways.append((asked.lasts, here.lasts, [one.lasts for one in beside]))
    if not (here.days and not asked.days and _FISCAL.search(asked_text)):
        ways.append((asked.years, here.years, [one.years for one in beside]))
    return any(
        bool(wanted and said) and not wanted & said and any(wanted & one for one in rest)
        for wanted, said, rest in ways
    )


def years_of(text: str, figures: Iterable[Figure]) -> dict[int, str]:
    """The year that each figure of a sentence is of, by the figure's start: where a year and a
    colon stand before it, where figures and years take turns, or come "respectively", or where
    both go from one to another."""
    found = list(figures)
    labelled = {
        figure.start: match[1]
        for figure in found
        if (match := _LABELLED.search(text[max(0, figure.start - 12) : figure.start]))
    }
    if labelled:
        return labelled
    years = [(match.start(), match[0]) for match in YEAR.finditer(text)]
    amounts = [(figure.start, "") for figure in found if not figure.year]
    turns = sorted([*years, *amounts])
    if len(years) != len(amounts) or len(years) < 2:
        return {}
    pairs = list(zip(turns[::2], turns[1::2], strict=True))
    if all(bool(a[1]) != bool(b[1]) and bool(a[1]) == bool(pairs[0][0][1]) for a, b in pairs):
        return {(b if a[1] else a)[0]: a[1] or b[1] for a, b in pairs}
    ways = [text[max(0, start - 10) : start] for start, _ in amounts]
    moves = len(ways) == 2 and all(form.search(way) for form, way in zip(_WAYS, ways, strict=True))
    if re.search(r"\brespectively\b", text) or (moves and years[0][1] < years[1][1]):
        return {start: year for (start, _), (_, year) in zip(amounts, years, strict=True)}
    return {}
