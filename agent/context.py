"""From ranked evidence to the numbered text that the reasoner reads, within a token budget."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from agent.values import Context, Count
from documents import Document, Evidence, Span

NEXT_BEST = 12
"""Pieces tried for the room that is left once one does not fit."""

_WORD_END = re.compile(r"(?<=\S)(?=\s|$)")
Documents = Mapping[str, Document]


def fill(
    ranked: Sequence[Evidence],
    documents: Documents,
    budget: int,
    count: Count,
    *,
    cut_last: bool = True,
) -> tuple[list[Evidence], str]:
    """The best evidence that fits ``budget`` tokens once numbered and headed, in document order,
    with its text. The first piece that does not fit whole is cut at a word's end if ``cut_last``
    (or if nothing fits otherwise); without, the next best that fit whole take the room left."""
    candidates = fitting_head(ranked, documents, budget, count)

    def fit(pieces: Sequence[Evidence]) -> bool:
        return count(render(arrange(pieces, documents), documents)) <= budget

    first = largest(len(candidates), lambda number: fit(candidates[:number]))
    kept = list(candidates[:first])
    if kept and not cut_last:
        for item in ranked[first + 1 : first + 1 + NEXT_BEST]:
            if fit([*kept, item]):
                kept.append(item)
    if first < len(ranked) and (cut_last or not kept):
        kept += _cut(ranked[first], kept, documents, budget, count)
    arranged = arrange(kept, documents)
    return arranged, render(arranged, documents)


def fitting_head(
    ranked: Sequence[Evidence], documents: Documents, budget: int, count: Count
) -> Sequence[Evidence]:
    """The longest head of the ranking whose bare slices could fit the budget."""
    total = 0
    for number, item in enumerate(ranked):
        total += count(documents[item.span.document].slice(item.span))
        if total > 2 * budget:  # joined neighbours may tokenise a little shorter
            return ranked[: number + 1]
    return ranked


def largest(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to ``limit`` that fits, where all below it do too; else 0."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def word_ends(text: str) -> list[int]:
    """Where the text may be cut without cutting a word."""
    return [match.end() for match in _WORD_END.finditer(text)]


def arrange(evidence: Sequence[Evidence], documents: Documents) -> list[Evidence]:
    """In document order, overlapping and neighbouring pieces joined where only white space stands
    between them; a joined piece has its best part's score."""
    order = {key: number for number, key in enumerate(documents)}
    joined: list[Evidence] = []
    for item in sorted(evidence, key=lambda e: (order[e.span.document], e.span.start)):
        last = joined[-1] if joined else None
        if last is not None and _touch(last.span, item.span, documents):
            end = max(last.span.end, item.span.end)
            span = Span(last.span.document, last.span.start, end)
            joined[-1] = Evidence(span, max(last.score, item.score))
        else:
            joined.append(item)
    return joined


def render(evidence: Sequence[Evidence], documents: Documents) -> str:
    """The text sent: documents by name, evidence numbered from 1 with page, headings and, for
    table rows, the column heads; then the verbatim slice. What stands over a piece is written
    once for all pieces in a row that share it: a row's heads can be longer than the row."""
    parts: list[str] = []
    numbered = list(enumerate(evidence, 1))
    for key, group in groupby(numbered, key=lambda pair: pair[1].span.document):
        document = documents[key]
        parts.append(f"Document: {document.name}")
        place, columns = "", ""
        for n, item in group:
            old_place, old_columns = place, columns
            place, columns = _place(document, item.span), _columns(document, item.span)
            if place != old_place:
                shown = place + columns
            else:
                shown = columns if columns != old_columns else ""
            parts.append(f"[{n}] {shown}{document.slice(item.span)}")
    return "\n\n".join(parts)


def head_cells(document: Document, span: Span) -> tuple[tuple[int, int], ...]:
    """The header cells over the table rows in the span, each once, as ranges of the text; those
    that stand in the span themselves are left out."""
    heads = {
        cell: None
        for block in document.blocks_in(span.start, span.end)
        if block.kind == "table_row"
        for cell in block.header
        if not span.start <= cell[0] < span.end
    }
    return tuple(heads)


def column_heads(document: Document, span: Span) -> tuple[str, ...]:
    """What the header cells over the table rows in the span say."""
    cells = head_cells(document, span)
    return tuple(" ".join(document.text[start:end].split()) for start, end in cells)


def pages_from_one(document: Document, span: Span) -> list[int]:
    """The span's pages as people count them."""
    return [page + 1 for page in document.pages_of(span)]


def headings(document: Document, span: Span) -> list[str]:
    """The headings that the span stands under, outermost first."""
    above = (document.slice(heading) for heading in document.headings_above(span.start))
    return [" ".join(text.split()).lstrip("# ") for text in above]  # Markdown's marks go


def as_context(
    evidence: Sequence[Evidence],
    text: str,
    documents: Documents,
    count: Count,
    *,
    left_out: str = "",
) -> Context:
    """Count what was chosen and what there was."""
    source = sum(count(document.text) for document in documents.values())
    return Context(tuple(evidence), text, count(text), source, left_out)


def _place(document: Document, span: Span) -> str:
    pages = pages_from_one(document, span)
    named = [f"page {pages[0]}"] if len(pages) == 1 else []
    if len(pages) > 1:
        named = [f"pages {pages[0]}-{pages[-1]}"]
    named += [heading[:80] for heading in headings(document, span)[-2:]]
    return f"({'; '.join(named)})\n" if named else ""


def _columns(document: Document, span: Span) -> str:
    heads = column_heads(document, span)
    return f"Columns: {' | '.join(heads)}\n" if heads else ""


def _touch(left: Span, right: Span, documents: Documents) -> bool:
    if left.document != right.document:
        return False
    return not documents[left.document].text[left.end : right.start].strip()


def _cut(
    item: Evidence, kept: Sequence[Evidence], documents: Documents, budget: int, count: Count
) -> list[Evidence]:
    """The longest beginning of ``item`` that still fits, or nothing."""
    span = item.span
    ends = word_ends(documents[span.document].slice(span))

    def part(words: int) -> Evidence:
        return Evidence(Span(span.document, span.start, span.start + ends[words - 1]), item.score)

    def fits(words: int) -> bool:
        return count(render(arrange([*kept, part(words)], documents), documents)) <= budget

    words = largest(len(ends), fits)
    return [part(words)] if words else []
