"""Arithmetic that needs no model: the figures of one row under the periods that are asked for.

"What was the change in operating expenses from 2018 to 2019?" names a row and two periods. Where
the evidence has one such row, and its heads tell the periods, the expression follows from the
question's words; a small model writes it wrong more often than not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent.absence import asked_names
from agent.amounts import Amounts, whose
from agent.cells import Cell, Held, Row, held_rows
from agent.dates import Period, period
from agent.figures import Figure
from compressor.labels import words_asked
from documents import Document, Evidence, Span, profile_of
from documents.rows import initials, tokens

RISE = r"increas\w*|gr[eo]w\w*|ris(?:e|es|en|ing)|rose"
FALL = r"decreas\w*|declin\w*|fall\w*|fell|drop\w*|shr[aiu]nk\w*"
CHANGE = rf"\b(?:chang\w*|differen\w*|{RISE}|{FALL})\b"
PERCENT = (
    r"(?<!\d)(?<!\d )(?:\bper ?cent|%)|\bgrowth\b"
    r"|\brate of (?:growth|change|(?:in|de)crease|decline)\b"
)
_CHANGE = re.compile(CHANGE, re.IGNORECASE)
_PERCENT = re.compile(PERCENT, re.IGNORECASE)
_FALLS = re.compile(rf"\b(?:{FALL})\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\baverage\b|\bmean\b", re.IGNORECASE)
_TOTAL = re.compile(r"\b(?:sum|total|combined|altogether)\b", re.IGNORECASE)
_RANGE = re.compile(r"((?:19|20)\d\d)\s*(?:to|through|until|[–-])\s*((?:19|20)\d\d)")
_OTHER = re.compile(
    r"\bratio\b|\bproportion\b|\bshare of\b|(?:%|\bper ?cent(?:age)?) of\b|\bper\b(?! ?cent)"
    r"|\bcompound|\bcagr\b|\bpoints?\b|\bfactor|\btimes\b|\bmultiple\b|\breturn on\b"
    r"|\bwhy\b|\bwhich\b|\breasons?\b|\bdue to\b|\bbecause\b|\bdriv\w+|\bdrove\b|\battribut\w+"
    r"|\bcontribut\w+|\bcaus\w+|\brespective(?:ly)?\b"
    r"|\bhow (?:is|are) .* (?:calcul|comput|determin)",
    re.IGNORECASE,
)
"""What takes figures of two rows, or another operation, or asks for words or for each figure."""
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}
_YEARS = re.compile(rf"\b({'|'.join(_COUNTS)}|\d+)[\s-](?:fiscal\s|financial\s)?years?\b", re.I)
_RATE = re.compile(r"%|\bper ?cent|\brates?\b|\bratio\b", re.IGNORECASE)


def expression(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> tuple[str, Span] | None:
    """The expression in the form that `agent.computing` reads, and the row that its figures are
    of; None where it cannot be told for sure which row, which figures or what to do with them."""
    found = _row(question, evidence, documents)
    if found is None or found.words & {"per"} or _OTHER.search(_beside(question, found.words)):
        return None
    years = _years(question) or _all_years(question, found.row)
    if len(years) < 2:
        return None
    asked = period(question)
    cells = [_cell(found.row, year, asked) for year in years]
    figures = [cell.figure for cell in cells if cell is not None]
    if len(figures) < len(years):
        return None
    text = _worded(_beside(question, found.words), found, figures)
    block = found.row.block
    return (text, found.document.span(block.start, block.end)) if text else None


def _worded(question: str, found: Held, figures: Sequence[Figure]) -> str | None:
    """The operation that the question asks for, over figures from the earliest on."""
    shown = [f"[{found.n}:{_printed(figure)}]" for figure in figures]
    change, percent = _CHANGE.search(question), _PERCENT.search(question)
    if _AVERAGE.search(question):
        return None if change else f"avg({', '.join(shown)})"
    if change and len(shown) == 2 and _told(question, found, figures):
        plain = f"{shown[1]} - {shown[0]}"
        return f"({plain}) / {shown[0]}" if percent else plain
    if _TOTAL.search(question) and not (change or percent):
        return " + ".join(shown)
    return None


def _told(question: str, found: Held, figures: Sequence[Figure]) -> bool:
    """Whether a change can be said with its sign: not of two deductions, nor a share of what is
    below zero or is a rate itself, nor a decrease of what increased."""
    first, last = (figure.value for figure in figures)
    if _PERCENT.search(question) and (first < 0 or _RATE.search(found.row.label)):
        return False
    if first < 0 and last < 0 and "(" not in found.row.label:
        return False
    only_falls = all(_FALLS.fullmatch(word) for word in _CHANGE.findall(question))
    return last <= first or not only_falls


def _beside(question: str, label: frozenset[str]) -> str:
    """The question without the words of a row's label: "total" says no operation where the row
    is one of totals."""
    return re.sub(r"[^\W\d_]+", lambda word: " " if tokens(word[0]) & label else word[0], question)


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
    match = _YEARS.search(question)
    if match and len(years) != (_COUNTS.get(match[1].lower()) or int(match[1])):
        return []
    return sorted(year for own in years for year in own)


def _row(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> Held | None:
    """The row whose label the question names best, of the documents of whoever it names; None
    where two differ in nothing but their figures, no label is named in its greater part, another
    row is named in full beside it, it might be of several companies, or most of the matter asked
    for stands neither in it nor over it."""
    asked, spoken = words_asked(question), tokens(question)
    rated: dict[tuple[str, ...], tuple[float, Held]] = {}
    named, rows = _meant(question, evidence, documents)
    for found in rows:
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
    owners = {profile_of(found.document).names[:1] for _, found in rated.values()}
    if len(owners) > 1 and not named:
        return None
    found = best[0][1]
    said = tokens(_CHANGE.sub(" ", question)) - {"total", "average"}
    if any(other.words <= said and not other.words <= found.words for other in rows):
        return None
    matter = Amounts(question, evidence, documents)
    return found if matter.said_of(found.document, found.row) else None


def _meant(
    question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> tuple[bool, list[Held]]:
    """Whether the question names whose figures it means, and the rows of all that may be meant."""
    names = {key: whose(document) for key, document in documents.items()}
    named = tokens(" ".join(asked_names(question))) & frozenset[str]().union(*names.values())
    rows = held_rows(evidence, documents)
    return bool(named), [row for row in rows if named <= names[row.document.id]]


def _cell(row: Row, year: str, asked: Period) -> Cell | None:
    """The row's one figure of a year; of several, the one whose heads fit the period best."""
    of_year = [
        (cell, here)
        for cell in row.cells
        for here in [period(" ".join(cell.heads))]
        if year in here.years and cell.figure.unit != "%"
    ]
    fitting = [cell for cell, here in of_year if here.lasts & asked.lasts]
    if len(of_year) == 1 and (not asked.lasts or asked.lasts | of_year[0][1].lasts == {"12"}):
        return of_year[0][0]
    return fitting[0] if len(fitting) == 1 else None


def _printed(figure: Figure) -> str:
    shown = f"{abs(figure.value):,}"
    return f"({shown})" if figure.value < 0 else shown
