"""Evidence kept: the measure of a context that touching pages or dumping lines cannot fool.

With gold spans it is the share of their characters that stand inside selected spans, or in the
header cells over the table rows among these: every context shows them with the rows. With gold
pages only, the figures, dates and names of the answer must stand inside a selected span *on a
gold page*. One short line of every page touches all pages and keeps no evidence. With neither,
only figures of three digits and more count, which are seldom met by chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from agent.checking import names
from agent.context import head_cells
from agent.figures import numbers
from documents import Document, Span
from evals.samples import Gold, Scores

ENOUGH = 0.9
"""A question's evidence counts as kept with this share of its gold characters."""
TELLING_DIGITS = 3
"""Digits of a figure that is seldom met by chance."""

_DATE = re.compile(
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?\s+\d{1,2}(?:,\s*\d{4})?"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_YES_NO = re.compile(r"(?i)yes|no|true|false")


def evidence_kept(
    gold: Gold, selected: Sequence[Span], documents: Mapping[str, Document]
) -> Scores:
    """``kept``, the share of gold evidence inside the selected spans, and ``found``, 1 if that
    is at least 90%. Empty where nothing says what the evidence is."""
    if gold.spans:
        heads = [
            documents[each.document].span(*cell)
            for each in selected
            for cell in head_cells(documents[each.document], each)
        ]
        kept = characters_kept(gold.spans, [*selected, *heads], documents)
    elif gold.pages and (marks := answer_marks(gold.answers)):
        kept = marks_on_pages(marks, gold.pages, selected, documents)
    elif (
        gold.anywhere
        and not gold.pages
        and (wanted := telling_figures(gold.answers, documents.values()))
    ):
        kept = figures_kept(wanted, selected, documents)
    else:
        return {}
    return {"kept": kept, "found": float(kept >= ENOUGH)}


def telling_figures(answers: Iterable[str], documents: Iterable[Document]) -> frozenset[str]:
    """The answers' figures of three digits and more, years left out, that stand in the documents:
    a figure that was computed is in none of them."""
    there = frozenset[str]().union(*map(_printed_in, documents))
    return frozenset(
        number
        for number in numbers(" ".join(answers))
        if len(number.replace(".", "")) >= TELLING_DIGITS
        and not _YEAR.fullmatch(number)
        and any(shown in there for shown in _printed(number))
    )


@lru_cache(maxsize=32)
def _printed_in(document: Document) -> frozenset[str]:
    """A document's figures: read once, however many methods and budgets are measured on it."""
    return numbers(document.text)


def figures_kept(
    wanted: frozenset[str], selected: Sequence[Span], documents: Mapping[str, Document]
) -> float:
    """The share of the figures that stand in the selected text."""
    kept = {
        figure
        for span in merged(selected)
        for figure in numbers(documents[span.document].slice(span))
    }
    return sum(any(shown in kept for shown in _printed(one)) for one in wanted) / len(wanted)


def characters_kept(
    gold: Sequence[Span], selected: Sequence[Span], documents: Mapping[str, Document]
) -> float:
    """The share of the gold spans' characters, white space left out, inside selected spans."""
    total, inside = (
        sum(_dense(documents[span.document].text, span.start, span.end) for span in spans)
        for spans in (merged(gold), common(gold, selected))
    )
    return inside / total if total else 0.0


def marks_on_pages(
    marks: frozenset[str],
    pages: Iterable[tuple[str, int]],
    selected: Sequence[Span],
    documents: Mapping[str, Document],
) -> float:
    """The share of the answer's marks that stand in the selected text of the gold pages."""
    texts = [
        text
        for identity, number in pages
        if 0 <= number < len(documents[identity].pages)
        for text in _on_page(documents[identity], number, selected)
    ]
    there = " \n ".join(texts)
    printed = numbers(there)
    return sum(
        any(shown in printed for shown in _printed(mark)) or _stands(mark, there) for mark in marks
    ) / len(marks)


def _stands(mark: str, text: str) -> bool:
    """Whether a mark stands in the text by itself: 12 is not in 2012, nor 81.8 in 1,281,800, nor a
    name in a longer word. A unit may touch a figure ("16GB")."""
    if re.fullmatch(r"[\d.]+", mark):
        return re.search(rf"(?<![\d.,]){re.escape(mark)}(?![.,]?\d)", text) is not None
    word = re.escape(_fold(mark))
    end = r"(?!\d)" if mark[-1].isdigit() else r"(?![a-z\d])"
    return re.search(rf"(?<![a-z\d]){word}{end}", _fold(text)) is not None


def _on_page(document: Document, number: int, selected: Sequence[Span]) -> list[str]:
    """The selected text on one page, a piece a span."""
    page = document.pages[number]
    return [
        document.text[max(span.start, page.start) : min(span.end, page.end)]
        for span in merged(selected)
        if span.document == document.id and span.start < page.end and page.start < span.end
    ]


def answer_marks(answers: Iterable[str]) -> frozenset[str]:
    """What of an answer must stand on the page: its figures (years only where there is nothing
    else), else its dates, else its names, else the answer itself if it is a few words."""
    text = " ".join(answers)
    if _YES_NO.fullmatch(text.strip()):
        return frozenset()
    found = numbers(text)
    amounts = {number for number in found if not _YEAR.fullmatch(number)}
    if amounts:
        return frozenset(amounts)
    if dates := _DATE.findall(text):
        return frozenset(dates)
    if found:
        return found
    if named := names(f". {text}"):
        return frozenset(named)
    return frozenset({text}) if 0 < len(text.split()) <= 6 else frozenset()


def _printed(mark: str) -> list[str]:
    """How a mark may stand on the page: as it is, and an amount in thousands, millions or
    billions where that leaves three digits to tell it by (406100000 as 406.1)."""
    shown = [mark]
    if re.fullmatch(r"\d{4,}(?:\.\d+)?", mark):
        digits = len(mark.replace(".", "").rstrip("0"))
        amounts = (Decimal(mark) / 10**power for power in (3, 6, 9) if digits >= 3)
        shown += [format(amount.normalize(), "f") for amount in amounts]
    return shown


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap or touch made one."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.document, s.start)):
        last = joined[-1] if joined else None
        if last is not None and last.document == span.document and span.start <= last.end:
            joined[-1] = Span(span.document, last.start, max(last.end, span.end))
        else:
            joined.append(span)
    return joined


def common(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    """What both hold, in order."""
    ones, others = merged(one), merged(other)
    return [
        Span(a.document, max(a.start, b.start), min(a.end, b.end))
        for a in ones
        for b in others
        if a.overlaps(b)
    ]


def _dense(text: str, start: int, end: int) -> int:
    return sum(not c.isspace() for c in text[start:end])


def _fold(text: str) -> str:
    return re.sub(r"[\s,.]+", " ", text).strip().casefold()
