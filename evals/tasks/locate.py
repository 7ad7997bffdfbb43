"""Finding quoted evidence in a document as longdoc reads it.

Data sets quote what another program read, so spaces, hyphens, punctuation and the order of table
cells differ. Letters and digits alone are compared: first the whole quote, then its lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from documents import Document, Span

ENOUGH = 0.5
"""A quote counts as found with this share of its letters and digits in the lines found."""
SHORTEST = 8
"""A line with fewer letters and digits stands in too many places to be told apart."""


def locate(document: Document, quote: str, page: int | None = None) -> tuple[Span, ...]:
    """Where the quote stands: on the page (from 0), else on the page after or before it (data
    sets differ in where they count from), else, without a page, in the whole document. Empty
    where too little of it is found."""
    for start, end in _areas(document, page):
        if spans := _located(document, quote, start, end):
            return spans
    return ()


def _areas(document: Document, page: int | None) -> Iterator[tuple[int, int]]:
    if page is None or not document.pages:
        yield 0, len(document.text)
        return
    for number in (page, page + 1, page - 1):
        if 0 <= number < len(document.pages):
            yield document.pages[number].start, document.pages[number].end


def _located(document: Document, quote: str, start: int, end: int) -> tuple[Span, ...]:
    area, places = _dense(document.text[start:end])
    wanted, _ = _dense(quote)
    if not wanted:
        return ()
    at = area.find(wanted)
    if at >= 0:
        last = places[at + len(wanted) - 1]
        return (document.span(start + places[at], start + last + 1),)
    spans: list[Span] = []
    found = 0
    after = 0
    for line in quote.splitlines():
        dense, _ = _dense(line)
        if len(dense) < SHORTEST:
            continue
        at = area.find(dense, after)
        if at < 0:
            at = area.find(dense)
        if at < 0:
            continue
        after = at + len(dense)
        found += len(dense)
        spans.append(document.span(start + places[at], start + places[after - 1] + 1))
    return tuple(sorted(set(spans))) if found >= ENOUGH * len(wanted) else ()


def _dense(text: str) -> tuple[str, list[int]]:
    """Letters and digits in lower case, and where each stands in the text."""
    kept = [(char.lower(), at) for at, char in enumerate(text) if char.isalnum()]
    letters = [(one, at) for lower, at in kept for one in lower]
    return "".join(one for one, _ in letters), [at for _, at in letters]
