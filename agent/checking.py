"""Whether a claim holds against the quote that is cited for it.

Its figures must stand in the quote, in the row and under the period that it speaks of and with its
unit and scale; its dates and names in the quote or in what stands over it. Only what is told for
sure counts as a mistake: a figure is in the wrong row where another row of the table fits the
words better, and of the wrong period where its row has a figure of the right one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from agent.amounts import matter, said_beside, stems, whose
from agent.cells import Cell, Line, Row, row_at, table_around
from agent.context import column_heads
from agent.dates import DATE, DAY, YEAR, another, period, relative, years_of
from agent.figures import EXCEPTIONS, POWERS, Figure, every, keys, scale_over
from agent.sense import below_zero, opposite
from agent.values import Mistake, MistakeKind
from documents import Document, Span
from documents.rows import initials, tokens

CONTRADICTS: frozenset[MistakeKind] = frozenset({"row", "period", "unit", "scale", "sense"})
"""Kinds that say that the quote tells otherwise; the rest say that it does not tell."""
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w&'’.-]*[A-Za-z](?:\s+[A-Z][\w&'’.-]*[A-Za-z])*")
_EACH = re.compile(r"\bper\b|\bEPS\b")
_RATE = re.compile(r"%|percent|per cent|\brate\b|\bmargin\b|\bshare\b|\bratio\b", re.IGNORECASE)
_FORM = re.compile(r"\b(?:10|20|40|8|6)-[KQF]s?\b")
_TITLE_PAGE = 2_000
_COUNTED = 100
"""Whole numbers below this may stand in the words over a quote as well as in it."""
_WHOLE = 1_000_000
"""What a figure without a scale must come to, to be another one's amount written out."""
_TELLING = 2
_CLAUSE = re.compile(r",\s+(?=[a-z])|;|:\s|\b(?:while|whereas|but|compared|versus|than)\b")
_PLAIN = frozenset(
    "the a an in on of for this that these those it its as at by to from and or total net no yes "
    "therefore according based document section page table note notes company".split()
)
"""Words that are capitalised for where they stand, not for what they name."""
_GENERAL = frozenset("total net other amount balance average change value number".split())


def supports(claim: str, document: Document, quote: Span, question: str = "") -> bool:
    """Whether nothing is wrong with a claim that cites the quote. ``question`` is what the claim
    answers: a bare figure is of the row and the period that were asked for."""
    return not mistakes(claim, document, quote, question)


def mistakes(
    claim: str, document: Document, quote: Span, question: str = ""
) -> tuple[Mistake, ...]:
    """What is wrong with a claim that cites the quote. A claim without figures, dates and names
    is held up by half of its words; one that has only years and small numbers, which stand in many
    places, must speak of something that the quote speaks of, or answer what it does."""
    text = document.slice(quote)
    over = [document.slice(heading) for heading in document.headings_above(quote.start)]
    frame = " ".join(
        [text, document.name, document.text[:_TITLE_PAGE], *over, *column_heads(document, quote)]
    )
    dates = DATE.findall(claim)
    bare = _blank(DAY, _blank(_FORM, _blank(DATE, claim)))
    said = list(every(bare))
    amounts = [figure for figure in said if not figure.year]
    found: list[Mistake] = []
    there, folded = keys(every(frame)), fold(frame)
    for figure in amounts:
        if _counts(figure) and figure.key in there:  # "Level 2", "12 months": no amount
            continue
        wrong = _of_figure(figure, amounts, _Asked(claim, bare, question), document, quote)
        found += [wrong] if wrong else []
    found += [_absent("figure", one.key) for one in said if one.year and one.key not in there]
    found += [_absent("date", date) for date in dates if fold(date) not in folded]
    found += [
        _absent("name", name)
        for name in names(bare)
        if fold(name) not in folded and not _spelt_out(name, frame)
    ]
    if opposite(claim, text):
        found.append(Mistake("sense", f"The evidence says the opposite: “{text}”"))
    quoted = fold(text)
    telling = any(not _counts(one) for one in amounts) or any(fold(d) in quoted for d in dates)
    if not (telling or found):
        beside = " ".join([text, *over])
        known = whose(document)
        held = _shares(bare, question, beside, known) if said or dates else _half_said(claim, text)
        found += [] if held else [Mistake("words", "The evidence cited does not say this.")]
    return tuple(found)


def names(claim: str) -> list[str]:
    """Capitalised names inside a sentence, without the words that open it or mean nothing."""
    found = []
    for match in _NAME.finditer(claim):
        kept = [w for w in match[0].split() if w.strip(".'’").casefold() not in _PLAIN]
        if kept:
            found.append(re.sub(r"['’]s?$", "", " ".join(kept)))
    return found


def words(text: str) -> set[str]:
    """Its words of three letters and more, folded, and its Chinese characters."""
    return set(re.findall(r"[^\W\d_]{3,}|[一-鿿]", text.casefold()))


def fold(text: str) -> str:
    """A text as it is compared: without case, points, commas and line ends."""
    return re.sub(r"[\s,.]+", " ", text).strip().casefold()


def in_another_row(
    row: Row, document: Document, said: str, question: str = "", heads: Sequence[str] = ()
) -> str:
    """The label of a row of the same table that fits better what was said, and where that leaves
    it open, what was asked; empty where the row itself fits. Words of ``heads``, over the figure,
    speak of its column."""
    column = tokens(" ".join(heads))
    table = table_around(document, row.block)
    own = next(line for line in table if line.start == row.block.start)
    if not own.words:
        return ""
    others = [line for line in table if line.figures and line is not own]
    spoken = tokens(said) - (column - own.words)
    if named := _named_alone(own, others, spoken):
        return named
    for asked in (spoken, spoken | (tokens(question) - (column - own.words))):
        if better := _fitting_better(own, others, asked):
            return better
        if own.words <= asked:
            return ""
    return ""


def of_another_period(cell: Cell, row: Row, said: str, question: str = "") -> Cell | None:
    """The cell of the same row that is of the period said, or asked where none is said, if this
    cell is of another; None where that is not so or cannot be told."""
    here = period(" ".join(cell.heads))
    beside = [other for other in row.cells if other is not cell and _alike(other, cell)]
    texts = [said]
    if not period(said).years and not (relative(said) or relative(question)):
        texts.append(f"{said} {question}")
    for text in texts:
        asked = period(text)
        if not another(asked, here, [period(" ".join(o.heads)) for o in beside], text):
            continue
        return max(beside, key=lambda one: asked.shared(period(" ".join(one.heads))))
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    claim: str
    bare: str
    question: str

    def of(self, figure: Figure, amounts: Sequence[Figure]) -> str:
        """What the claim says of one of its figures: without the years of its other figures, and
        without any where it compares figures and does not tell which year is whose."""
        years = years_of(self.bare, amounts)
        if figure.start in years:
            return f"{YEAR.sub(' ', self.bare)} {years[figure.start]}"
        if len(amounts) > 1 and relative(self.claim):
            return YEAR.sub(" ", self.bare)
        return self.claim


def _half_said(claim: str, text: str) -> bool:
    wanted = words(claim)
    return bool(wanted) and len(wanted & words(text)) >= len(wanted) / 2


def _shares(claim: str, question: str, text: str, known: frozenset[str]) -> bool:
    there, wanted = stems(text), matter(claim, known) or matter(question, known)
    return not wanted or any(stem & there for stem in wanted)


def _of_figure(
    figure: Figure, amounts: Sequence[Figure], asked: _Asked, document: Document, quote: Span
) -> Mistake | None:
    """What is wrong with a figure of a claim, if it is so wherever the figure stands in the
    quote."""
    first: Mistake | None = None
    for one in every(document.slice(quote)):
        offset = quote.start + one.start
        if one.key != figure.key and not (figure.scale or abs(figure.value) >= _WHOLE):
            continue
        row = row_at(document, offset)
        cell = next((c for c in row.cells if c.start == offset), None) if row else None
        scale = one.scale or scale_over(document, quote, offset, cell.heads if cell else ())
        scale = scale.removesuffix(EXCEPTIONS)
        if one.key != figure.key and not _rounded(figure, one, scale):
            continue
        wrong = _unlike(figure, one, scale, row, cell)
        if wrong is None and row is not None and cell is not None:
            said = asked.of(figure, amounts)
            wrong = _misplaced(cell, row, document, said, asked.question)
            wrong = wrong or _of_another_matter(figure, row, cell, asked, document)
            if one.value < 0 < figure.value and below_zero(row.label, f"{said} {asked.question}"):
                wrong = wrong or Mistake("sense", f"{one.key} stands there as a loss.")
        if wrong is None and row is None:
            wrong = _of_another_year(
                one, document.slice(quote), asked.of(figure, amounts), asked.question
            )
        if wrong is None:
            return None
        first = first or wrong
    return first or _absent("figure", figure.key)


def _unlike(
    figure: Figure, one: Figure, scale: str, row: Row | None, cell: Cell | None
) -> Mistake | None:
    """Whether unit or scale of a figure are not those of the printed one."""
    if figure.unit == "%" and one.unit != "%":
        beside = " ".join([row.label if row else "", *(cell.heads if cell else ())])
        if row is None or not _RATE.search(beside):
            return Mistake("unit", f"{one.key} is not a percentage there.")
    if one.unit == "%" and (figure.scale or figure.unit not in ("", "%")):
        return Mistake("unit", f"{one.key} is a percentage there.")
    if figure.scale and figure.key == one.key and row and not one.scale and _EACH.search(row.label):
        return Mistake("scale", f"{one.key} is an amount for each there, not in {figure.scale}s.")
    currencies = {figure.unit, one.unit} - {"", "%"}
    if len(currencies) == 2:
        return Mistake("unit", f"{one.key} is in {one.unit} there, not in {figure.unit}.")
    if figure.scale and scale and figure.key == one.key and figure.scale != scale:
        return Mistake("scale", f"{one.key} is in {scale}s there, not in {figure.scale}s.")
    return None


def _misplaced(
    cell: Cell, row: Row, document: Document, said: str, question: str
) -> Mistake | None:
    """Whether a table's figure is of another row or period than a claim speaks of."""
    shown = f"{cell.figure.value:,}"
    if better := in_another_row(row, document, said, question, cell.heads):
        text = f"{shown} stands in the row “{row.label}”, not in “{better}”."
        return Mistake("row", text)
    other = of_another_period(cell, row, said, question)
    if other is None:
        return None
    here, there, right = " ".join(cell.heads), " ".join(other.heads), f"{other.figure.value:,}"
    return Mistake("period", f"{shown} stands under “{here}”; {right} stands under “{there}”.")


def _of_another_matter(
    figure: Figure, row: Row, cell: Cell, asked: _Asked, document: Document
) -> Mistake | None:
    """Whether of two words or more that the figure's clause has from the question none is said in
    or over its row: "revenue from product launches was 3,053" of a row of advertising."""
    before = max((m.end() for m in _CLAUSE.finditer(asked.bare, 0, figure.start)), default=0)
    after = _CLAUSE.search(asked.bare, figure.start + len(figure.key))
    clause = asked.bare[before : after.start() if after else len(asked.bare)]
    wanted = matter(asked.question)
    shared = [stem for stem in matter(clause, whose(document)) if stem in wanted]
    if len(shared) < _TELLING or not matter(row.label):
        return None
    there = stems(said_beside(document, cell.start, row))
    if any(stem & there for stem in shared):
        return None
    return Mistake("words", f"{figure.key} stands in the row “{row.label}”.")


def _of_another_year(one: Figure, text: str, said: str, question: str) -> Mistake | None:
    """Whether a sentence gives its figure for another year than the claim or question names."""
    bare = _blank(DAY, text)
    year = years_of(bare, every(bare)).get(one.start)
    wanted = period(said).years
    if not wanted and not (relative(said) or relative(question)):
        wanted = period(question).years
    if year is None or not wanted or year in wanted:
        return None
    return Mistake("period", f"{one.key} is of {year} there.")


def _rounded(figure: Figure, one: Figure, scale: str) -> bool:
    """Whether a figure in another scale is the printed one, to half a unit of its last digit; one
    that is printed without a scale must be it exactly."""
    if not scale:
        return figure.scale != "" and abs(figure.amount) == abs(one.value)
    if len(figure.key.replace(".", "").rstrip("0")) < 2:
        return False
    step = Decimal(1).scaleb(POWERS[figure.scale] - figure.decimals)
    exact = abs(one.value).scaleb(POWERS[scale])
    return abs(abs(figure.amount) - exact) <= step / 2 and (figure.scale != "" or exact >= 1000)


def _fitting_better(own: Line, others: Sequence[Line], asked: frozenset[str]) -> str:
    for other in others:
        fits = other.words & asked
        mine = own.words & asked
        if other.group != own.group:
            mine |= own.group_words & asked
        if mine < fits and (mine or (other.words <= asked and len(other.words) > 1)):
            if not _spelt(own.label, asked):
                return other.label
        elif other.words == own.words and asked & own.group_words < asked & other.group_words:
            return f"{other.group} {other.label}"
    return ""


def _named_alone(own: Line, others: Sequence[Line], said: frozenset[str]) -> str:
    """The one row that a claim names in full, where it names its figure's row only in part."""
    if own.words <= said or _spelt(own.label, said):
        return ""
    named = {
        other.label: other.words
        for other in others
        if other.words <= said and other.words - _GENERAL
    }
    if len(named) != 1:
        return ""
    ((label, spoken),) = named.items()
    return "" if spoken <= own.words else label


def _spelt(label: str, asked: frozenset[str]) -> bool:
    """Whether an abbreviation asked for may be the label's."""
    return bool(initials(label) & asked)


def _spelt_out(name: str, text: str) -> bool:
    """Whether an abbreviation of three signs or more, R&D or CEO, stands there in full."""
    if not re.fullmatch(r"[A-Z&]{3,}", name):
        return False
    between = r"\W+(?:(?:of|and|the|for|in)\W+)?"
    full = between.join(f"{sign}\\w*" for sign in name.replace("&", ""))
    return re.search(rf"\b{full}", text, re.IGNORECASE) is not None


def _alike(one: Cell, other: Cell) -> bool:
    return (one.figure.unit == "%") == (other.figure.unit == "%")


def _counts(figure: Figure) -> bool:
    whole = not (figure.unit or figure.scale or figure.decimals)
    return whole and abs(figure.value) < _COUNTED


def _blank(what: re.Pattern[str], text: str) -> str:
    return what.sub(lambda match: " " * len(match[0]), text)


def _absent(kind: MistakeKind, text: str) -> Mistake:
    return Mistake(kind, f"“{text}” does not stand in the evidence cited.")
