"""Arithmetic that needs no model: the figures of one row under the periods that are asked for.

"What was the change in operating expenses from 2018 to 2019?" names a row and two periods. Where
the evidence has one such row, and its heads tell the periods, the expression follows from the
question's words; a small model writes it wrong more often than not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.cells import Cell, Row, read_row
from agent.dates import Period, period
from compressor.labels import words_asked
from documents import Document, Evidence
from documents.rows import initials, tokens

_CHANGE = re.compile(
    r"\b(?:chang|differen|increas|decreas|declin|grow|grew|growth|fall|fell|ris|rose|drop)\w*",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"\bper ?cent(?:age)?\b|%|\bgrowth rate\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\baverage\b|\bmean\b", re.IGNORECASE)
_TOTAL = re.compile(r"\b(?:sum|total|combined|altogether)\b", re.IGNORECASE)
_RANGE = re.compile(r"((?:19|20)\d\d)\s*(?:to|through|until|[–-])\s*((?:19|20)\d\d)")
_OTHER = re.compile(
    r"\bratio\b|\bproportion\b|\bshare of\b|\bpercent(?:age)? of\b|\bper\b(?! ?cent)"
)
"""What takes figures of two rows."""


@dataclass(frozen=True, slots=True)
class _Found:
    n: int
    row: Row
    words: frozenset[str]


def expression(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> str | None:
    """The expression in the form that `agent.computing` reads; None where it cannot be told for
    sure which row, which figures or what to do with them."""
    found = None if _OTHER.search(question) else _row(question, evidence, documents)
    if found is None:
        return None
    years = _years(question) or _all_years(question, found.row)
    if len(years) < 2:
        return None
    asked = period(question)
    cells = [_cell(found.row, year, asked) for year in years]
    shown = [f"[{found.n}:{_printed(cell)}]" for cell in cells if cell is not None]
    if len(shown) < len(years):
        return None
    return _worded(question, shown)


def _worded(question: str, shown: Sequence[str]) -> str | None:
    """The operation that the question asks for, over figures from the earliest on."""
    change, first, last = _CHANGE.search(question), shown[0], shown[-1]
    if _AVERAGE.search(question):
        return None if change else f"avg({', '.join(shown)})"
    if change and len(shown) == 2:
        plain = f"{last} - {first}"
        return f"({plain}) / {first}" if _PERCENT.search(question) else plain
    if _TOTAL.search(question) and not (change or _PERCENT.search(question)):
        return " + ".join(shown)
    return None


def _years(question: str) -> list[str]:
    """The years asked for, rising; of an average or a sum over a range all of it."""
    years = set(period(question).years)
    if (match := _RANGE.search(question)) and not _CHANGE.search(question):
        years |= {str(year) for year in range(int(match[1]), int(match[2]) + 1)}
    return sorted(years)


def _all_years(question: str, row: Row) -> list[str]:
    """Those of a row, where an average is asked for and no year is named."""
    years = [period(" ".join(cell.heads)).years for cell in row.cells]
    if not _AVERAGE.search(question) or any(len(own) != 1 for own in years):
        return []
    return sorted(year for own in years for year in own)


def _row(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> _Found | None:
    """The row whose label the question names best; None where two differ in nothing but their
    figures, or no label is named in its greater part."""
    asked, spoken = words_asked(question), tokens(question)
    rated: dict[tuple[str, ...], tuple[float, _Found]] = {}
    for found in _rows(evidence, documents):
        held = found.words if initials(found.row.label) & asked else found.words & asked
        if 2 * len(held) <= len(found.words):
            continue
        worth = len(held) + 0.5 * len(held & spoken) - 0.9 * len(found.words - held)
        key = tuple(str(cell.figure.value) for cell in found.row.cells)
        if worth > rated.get(key, (0.0, found))[0]:
            rated[key] = worth, found
    best = sorted(rated.values(), key=lambda pair: -pair[0])[:2]
    if not best or (len(best) > 1 and best[0][0] == best[1][0]):
        return None
    return best[0][1]


def _rows(evidence: Sequence[Evidence], documents: Mapping[str, Document]) -> Iterator[_Found]:
    for n, item in enumerate(evidence, 1):
        document = documents[item.span.document]
        for block in document.blocks_in(item.span.start, item.span.end):
            inside = item.span.start <= block.start and block.end <= item.span.end
            if block.kind == "table_row" and inside:
                row = read_row(document, block)
                if row.cells and (words := tokens(row.label)):
                    yield _Found(n, row, words)


def _cell(row: Row, year: str, asked: Period) -> Cell | None:
    """The row's one figure of a year; of several, the one whose heads fit the period best."""
    of_year = [
        (cell, here)
        for cell in row.cells
        for here in [period(" ".join(cell.heads))]
        if year in here.years and cell.figure.unit != "%"
    ]
    fitting = [cell for cell, here in of_year if here.lasts & asked.lasts]
    if len(of_year) == 1:
        return of_year[0][0]
    return fitting[0] if len(fitting) == 1 else None


def _printed(cell: Cell) -> str:
    shown = f"{abs(cell.figure.value):,}"
    return f"({shown})" if cell.figure.value < 0 else shown
