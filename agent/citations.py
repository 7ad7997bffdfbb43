"""From ``[n]`` in an answer to quotes on the page, and whether they hold.

A claim is a sentence of the answer. Each ``[n]`` in it must name evidence that was given; the
quote is the sentence or row of that evidence which best supports the claim, in the document's
own characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from agent.context import column_heads
from agent.values import Citation, CitedBy
from documents import Document, Evidence, Span

_MARK = re.compile(r"[\[【]\s*(\d+(?:\s*[,;–-]\s*\d+)*)\s*[\]】]")
_SENTENCE = re.compile(r"(?<=[.!?。！？])[\"')\]]*\s+(?=[A-Z0-9\"'(\[一-鿿])|\n+")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)|(?<=\D)\d[\d,]*(?:\.\d+)?(?=\s?%)")
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?"
)
_DATE = re.compile(rf"{_MONTH}\s+\d{{1,2}},?\s+\d{{4}}|\d{{1,2}}\s+{_MONTH}\s+\d{{4}}")
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w&'’.-]*[A-Za-z](?:\s+[A-Z][\w&'’.-]*[A-Za-z])*")
_TITLE_PAGE = 2_000
_TELLING = 3
"""Characters of a figure that is not met by chance."""
_PLAIN = frozenset(
    "the a an in on of for this that these those it its as at by to from and or total net no yes "
    "therefore according based document section page table note notes company".split()
)
"""Words that are capitalised for where they stand, not for what they name."""


def cite(
    answer: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> tuple[tuple[Citation, ...], tuple[int, ...]]:
    """The answer's citations in order, each claim's once, and the ``[n]`` that name nothing.

    A small model often gives the right figure and the wrong number, or none. Where no citation of
    a claim holds, the evidence that holds its figures is cited for it, ``by`` longdoc."""
    found: dict[tuple[int, Span], Citation] = {}
    unknown: set[int] = set()
    for claim, numbers in _sentences(answer):
        held = False
        for n in numbers:
            if not 1 <= n <= len(evidence):
                unknown.add(n)
                continue
            citation = _checked(n, claim, evidence, documents)
            held |= citation.verified
            old = found.get((n, citation.span))
            if old is None or (old.verified and not citation.verified):
                found[n, citation.span] = citation
        if not held and (better := _attributed(claim, evidence, documents)) is not None:
            found.setdefault((better.n, better.span), better)
    return tuple(found.values()), tuple(sorted(unknown))


def _checked(
    n: int,
    claim: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    by: CitedBy = "reasoner",
) -> Citation:
    """A claim's citation of evidence ``n``: the best quote, and whether it holds."""
    span = evidence[n - 1].span
    document = documents[span.document]
    quote = best_quote(claim, document, span)
    return Citation(n, quote, supports(claim, document, quote), claim, by)


def _attributed(
    claim: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> Citation | None:
    """The evidence that supports a claim with a telling figure or a date, the best scored first."""
    if not _DATE.search(claim) and not any(len(n) >= _TELLING for n in figures(claim)):
        return None
    for n in sorted(range(1, len(evidence) + 1), key=lambda n: -evidence[n - 1].score):
        citation = _checked(n, claim, evidence, documents, "longdoc")
        if citation.verified:
            return citation
    return None


def claims(answer: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The sentences that cite, without their marks, with the numbers they cite. A mark that
    stands after the full stop belongs to the sentence before it."""
    return ((claim, numbers) for claim, numbers in _sentences(answer) if numbers)


def _sentences(answer: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    text = re.sub(r"([.!?])((?:\s*[\[【][\d,;\s–-]+[\]】])+)", r"\2\1", answer)
    for sentence in _SENTENCE.split(text):
        numbers = [n for mark in _MARK.finditer(sentence) for n in _listed(mark[1])]
        claim = re.sub(r"\s+([.,;])", r"\1", _MARK.sub("", sentence)).strip()
        if claim or numbers:
            yield claim, tuple(dict.fromkeys(numbers))


def best_quote(claim: str, document: Document, span: Span) -> Span:
    """The sentence or row within ``span`` that shares most with the claim: figures first, then
    words; neighbours are joined while that adds a figure or date the claim has."""
    parts = _parts(document, span)
    wanted = figures(claim) | {_fold(d) for d in _DATE.findall(claim)}
    words = _words(claim)

    def worth(part: Span) -> float:
        text = document.slice(part)
        have = figures(text) | {_fold(d) for d in _DATE.findall(text)}
        shared = words & _words(text)
        return 3.0 * len(wanted & have) + len(shared) / (1 + 0.02 * math.sqrt(len(text)))

    best = max(parts, key=worth)
    missing = wanted - figures(document.slice(best))
    index = parts.index(best)
    for neighbour in parts[max(0, index - 1) : index] + parts[index + 1 : index + 2]:
        if missing & figures(document.slice(neighbour)):
            start, end = min(best.start, neighbour.start), max(best.end, neighbour.end)
            best = Span(document.id, start, end)
    return best


def quote_at(document: Document, span: Span, offset: int) -> Span:
    """The sentence or row within ``span`` in which the character at ``offset`` stands."""
    parts = _parts(document, span)
    return next((part for part in parts if part.start <= offset < part.end), span)


def supports(claim: str, document: Document, quote: Span) -> bool:
    """Whether the claim's figures stand in the quote, and its dates and names in the quote or in
    what stands over it. A claim without any of these is held up by half of its words."""
    text = document.slice(quote)
    frame = " ".join([text, document.name, document.text[:_TITLE_PAGE], *_over(document, quote)])
    dates = _DATE.findall(claim)
    bare = _DATE.sub(" ", claim)
    years = {n for n in figures(bare) if re.fullmatch(r"(?:19|20)\d\d", n)}
    if not (figures(bare) - years) <= figures(text):
        return False
    if not years <= figures(frame):
        return False
    folded = _fold(frame)
    if any(_fold(date) not in folded for date in dates):
        return False
    if any(_fold(name) not in folded for name in names(bare)):
        return False
    if figures(bare) or dates:
        return True
    wanted = _words(claim)
    return bool(wanted) and len(wanted & _words(text)) >= len(wanted) / 2


def figures(text: str) -> set[str]:
    """The numbers in a text, without thousands separators and trailing zeros, so that 1,500.0
    and 1500 are one. Scale words are not applied: the figure must stand as printed."""
    return {_plain(number) for number in _NUMBER.findall(text)}


def names(claim: str) -> list[str]:
    """Capitalised names inside a sentence, without the words that open it or mean nothing."""
    found = []
    for match in _NAME.finditer(claim):
        words = [w for w in match[0].split() if w.strip(".'’").casefold() not in _PLAIN]
        if words:
            found.append(re.sub(r"['’]s?$", "", " ".join(words)))
    return found


def _parts(document: Document, span: Span) -> list[Span]:
    """The span's rows and sentences, in order, none empty."""
    parts: list[Span] = []
    for block in document.blocks_in(span.start, span.end) or ():
        start, end = max(block.start, span.start), min(block.end, span.end)
        cuts = [start]
        if block.kind not in ("table_row", "heading"):
            text = document.text[start:end]
            cuts += [start + m.end() for m in _SENTENCE.finditer(text) if "\n" not in m[0]]
        cuts.append(end)
        for left, right in pairwise(cuts):
            stripped = document.text[left:right].strip()
            if stripped:
                offset = left + document.text[left:right].index(stripped)
                parts.append(Span(document.id, offset, offset + len(stripped)))
    return parts or [span]


def _over(document: Document, quote: Span) -> list[str]:
    heads = [document.slice(heading) for heading in document.headings_above(quote.start)]
    return heads + list(column_heads(document, quote))


def _listed(text: str) -> list[int]:
    numbers: list[int] = []
    for part in re.split(r"\s*[,;]\s*", text.strip()):
        ends = [int(n) for n in re.split(r"\s*[–-]\s*", part) if n.isdigit()]
        if len(ends) == 2 and 0 <= ends[1] - ends[0] <= 50:
            numbers += range(ends[0], ends[1] + 1)
        else:
            numbers += ends
    return numbers


def _plain(number: str) -> str:
    digits = number.replace(",", "")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _fold(text: str) -> str:
    return re.sub(r"[\s,.]+", " ", text).strip().casefold()


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{3,}|[一-鿿]", text.casefold()))
