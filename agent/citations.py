"""From ``[n]`` in an answer to quotes on the page, and whether they hold.

A claim is a sentence of the answer. Each ``[n]`` in it must name evidence that was given; the
quote is the sentence or row of that evidence which best supports the claim, in the document's
own characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.checking import CONTRADICTS, fold, mistakes, names, supports, words
from agent.dates import DATE
from agent.figures import numbers
from agent.values import Citation, CitedBy
from compressor.sentences import sentences
from documents import Document, Evidence, Span
from documents.rows import STOP_WORDS

_MARK = re.compile(r"[\[【]\s*(\d+(?:\s*[,;–-]\s*\d+)*)\s*[\]】]")
_ONE = r"[\[【][\d,;\s–-]+[\]】]"
_SPACED_MARK = re.compile(rf"\s*{_ONE}")
_QUOTED = re.compile(rf"(“[^”]*”(?:\s*{_ONE})*)")
_END = re.compile(r"([.!?]*[\"'”’]*\s*)$")
_AFTER = re.compile(rf"([.!?][\"'”’)]*)((?:[^\S\n]*{_ONE})+|(?:\s*{_ONE})+(?=[^\S\n]*(?:\n|$)))")
"""Marks after a full stop; on a line of their own, or they are those of what follows."""
_TELLING = 3
"""Characters of a figure that is not met by chance."""
_MOST_TRIED = 12
_LEAST_WORDS, _MOST = 5, 0.6
_LEAST_NEW, _NEARLY_ALL, _ENOUGH = 3, 0.85, 6
"""Words of a claim that is found by them, and the share of them that a sentence must have; the same
of those that the question does not have, of which so many are enough alone."""
_STEM = 5


@dataclass(frozen=True, slots=True)
class Cited:
    """What was found out about an answer: its citations in order, each once; the ``[n]`` that
    name nothing; the sentences with a figure or a name that no citation holds up; and of those the
    citations that say otherwise. ``marks``: the numbers that hold up a statement whose own, if any,
    do not."""

    citations: tuple[Citation, ...] = ()
    unknown: tuple[int, ...] = ()
    unsupported: tuple[str, ...] = ()
    contradicted: tuple[Citation, ...] = ()
    marks: Mapping[str, tuple[int, ...]] = field(default_factory=dict, compare=False)


def cite(
    answer: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    question: str = "",
) -> Cited:
    """Check an answer to a question.

    A small model often gives the right figure and the wrong number, or none. Where no citation of
    a claim holds, the evidence that holds its figures is cited in their place, ``by`` longdoc."""
    found: dict[tuple[int, Span], Citation] = {}
    unknown: set[int] = set()
    held: list[str] = []
    open_claims: list[str] = []
    contradicted: list[Citation] = []
    put_right: dict[str, tuple[int, ...]] = {}
    for claim, marks in statements(answer):
        unknown |= {n for n in marks if not 1 <= n <= len(evidence)}
        own = [_checked(n, claim, evidence, documents, question) for n in marks if n not in unknown]
        holds = any(c.verified for c in own)
        tried = [] if holds else _attributed(claim, evidence, documents, question)
        if right := [c for c in tried if c.verified]:
            put_right[claim] = tuple(dict.fromkeys(c.n for c in right))
        for citation in right or own:
            old = found.get((citation.n, citation.span))
            if old is None or (old.verified and not citation.verified):
                found[citation.n, citation.span] = citation
        if holds or right:
            held.append(claim)
        else:
            open_claims.append(claim)
            contradicted += [c for c in [*own, *tried] if contradicts(c)][:1]
    unsupported = [claim for claim in open_claims if not _restated(claim, held)]
    return Cited(
        tuple(found.values()),
        tuple(sorted(unknown)),
        tuple(unsupported),
        tuple(contradicted),
        put_right,
    )


def marked(answer: str, marks: Mapping[str, tuple[int, ...]]) -> str:
    """The answer with its marks put right: each statement with the numbers that hold it up in the
    place of its own, as `Cited.marks` has them. “Quotations” stay as they are."""
    if not marks:
        return answer
    pieces = _QUOTED.split(answer)
    return "".join(one if n % 2 else _put_right(one, marks) for n, one in enumerate(pieces))


def _put_right(answer: str, marks: Mapping[str, tuple[int, ...]]) -> str:
    text, shown, at = _before_stops(answer), "", 0
    for start, end in sentences(text, lines_end=True):
        shown += text[at:start]
        for part in _by_mark(text[start:end]):
            numbered = "".join(f"[{n}]" for n in marks.get(_claim(part), ()))
            bare = _SPACED_MARK.sub("", part).lstrip()
            lead = part[: len(part) - len(part.lstrip())]
            shown += lead + _END.sub(rf" {numbered}\1", bare, count=1) if numbered else part
        at = end
    return shown + text[at:]


def contradicts(citation: Citation) -> bool:
    """Whether the quote tells otherwise than the claim, and not just nothing of it."""
    return any(one.kind in CONTRADICTS for one in citation.mistakes)


def _restated(claim: str, held: Sequence[str]) -> bool:
    """Whether a sentence has no figure or name but those of sentences that hold: also one that
    has none at all claims nothing to be checked."""
    said = numbers(claim) | {fold(name) for name in names(claim)}
    there = " ".join(held)
    return all(one in numbers(there) or one in fold(there) for one in said)


def _checked(
    n: int,
    claim: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    question: str,
    *,
    by: CitedBy = "reasoner",
) -> Citation:
    """A claim's citation of evidence ``n``: the best quote, and what is wrong with it."""
    span = evidence[n - 1].span
    document = documents[span.document]
    quote = best_quote(claim, document, span, question)
    wrong = mistakes(claim, document, quote, question)
    return Citation(n, quote, not wrong, claim, by, wrong)


def _attributed(
    claim: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    question: str,
) -> list[Citation]:
    """The evidence that supports a claim, the best scored first of what may: a claim with a telling
    figure, a date or a full name can be anywhere, another where most of its words are. Where
    there is none, what speaks against it."""
    telling = any(len(n) >= _TELLING for n in numbers(claim))
    if telling or DATE.search(claim) or any(" " in name for name in names(claim)):
        tried = list(range(1, len(evidence) + 1))
    else:
        tried = _with_its_words(claim, evidence, documents, question)
    against: list[Citation] = []
    for n in sorted(tried, key=lambda n: -evidence[n - 1].score):
        citation = _checked(n, claim, evidence, documents, question, by="longdoc")
        if citation.verified:
            return [citation]
        against += [citation] if all(m.kind in CONTRADICTS for m in citation.mistakes) else []
    return against[:1]


def _with_its_words(
    claim: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    question: str,
) -> list[int]:
    """The evidence of which one sentence has most of what a claim says, and of what it says beyond
    the question."""
    said = _stems(claim)
    new = said - _stems(question)
    if len(said) < _LEAST_WORDS or len(new) < _LEAST_NEW:
        return []
    found = []
    for n, item in enumerate(evidence, 1):
        document = documents[item.span.document]
        there = _stems(document.slice(best_quote(claim, document, item.span, question)))
        most = len(new) >= _ENOUGH or len(said & there) >= _MOST * len(said)
        if most and len(new & there) >= _NEARLY_ALL * len(new):
            found.append(n)
    return found


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in words(text) - STOP_WORDS}


def claims(answer: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The sentences that cite, without their marks, with the numbers they cite. A mark that
    stands after the full stop belongs to the sentence before it."""
    return ((claim, marks) for claim, marks in statements(answer) if marks)


def statements(answer: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What an answer says, part by part, without marks, and the numbers that each part cites."""
    text = _before_stops(answer)
    for start, end in sentences(text, lines_end=True):
        for part in _by_mark(text[start:end]):
            marks = [n for _, _, listed in marks_in(part) for n in listed]
            claim = _claim(part)
            if claim or marks:
                yield claim, tuple(dict.fromkeys(marks))


def _before_stops(answer: str) -> str:
    return _AFTER.sub(lambda found: f" {' '.join(found[2].split())}{found[1]}", answer)


def _claim(part: str) -> str:
    return re.sub(r"\s+([.,;])", r"\1", _MARK.sub("", part)).strip()


def _by_mark(sentence: str) -> list[str]:
    """A sentence in parts that each end with their marks, if each says something that can be
    checked: "82 in 2022 [1], then 81 in 2023 [3]" does not say that [3] has both."""
    ends = [end for _, end, _ in marks_in(sentence)]
    cuts = [end for end in ends[:-1] if re.match(r"[^\w\[【]*\w", sentence[end:])]
    bounds = [0, *cuts, len(sentence)]
    parts = [sentence[start:end] for start, end in pairwise(bounds)]
    bare = [_MARK.sub("", part) for part in parts]
    told = all(numbers(part) or names(f"x {part}") for part in bare)
    return parts if told else [sentence]


def marks_in(text: str) -> list[tuple[int, int, list[int]]]:
    """Where the citation marks of a text stand, and the numbers of each."""
    return [(mark.start(), mark.end(), _listed(mark[1])) for mark in _MARK.finditer(text)]


def best_quote(claim: str, document: Document, span: Span, question: str = "") -> Span:
    """The sentence or row within ``span`` that shares most with the claim: figures first, then
    words; neighbours are joined while that adds a figure or date the claim has. Of those that
    share as many figures, one that supports the claim is taken before another."""
    parts = _parts(document, span)
    wanted = numbers(claim) | {fold(d) for d in DATE.findall(claim)}
    spoken = words(claim)

    def shared(part: Span) -> int:
        text = document.slice(part)
        return len(wanted & (numbers(text) | {fold(d) for d in DATE.findall(text)}))

    def worth(part: Span) -> float:
        text = document.slice(part)
        return 3.0 * shared(part) + len(spoken & words(text)) / (1 + 0.02 * math.sqrt(len(text)))

    best = max(parts, key=worth)
    most = shared(best)
    if most and not supports(claim, document, best, question):
        others = [part for part in parts if part != best and shared(part) == most]
        others = sorted(others, key=worth, reverse=True)[:_MOST_TRIED]
        best = next((o for o in others if supports(claim, document, o, question)), best)
    missing = wanted - numbers(document.slice(best))
    index = parts.index(best)
    for neighbour in parts[max(0, index - 1) : index] + parts[index + 1 : index + 2]:
        if missing & numbers(document.slice(neighbour)):
            start, end = min(best.start, neighbour.start), max(best.end, neighbour.end)
            best = Span(document.id, start, end)
    return best


def quote_at(document: Document, span: Span, offset: int) -> Span:
    """The sentence or row within ``span`` in which the character at ``offset`` stands."""
    parts = _parts(document, span)
    return next((part for part in parts if part.start <= offset < part.end), span)


def _parts(document: Document, span: Span) -> list[Span]:
    """The span's rows and sentences, in order, none empty. The heads of its rows are left out: they
    stand over a quote."""
    parts: list[Span] = []
    blocks = document.blocks_in(span.start, span.end)
    heads = {start for block in blocks for start, _ in block.header}
    for block in blocks:
        if any(block.start <= head < block.end for head in heads):
            continue
        start, end = max(block.start, span.start), min(block.end, span.end)
        cuts = [start]
        if block.kind not in ("table_row", "heading"):
            cuts += [first for first, _ in sentences(document.text, start, end)][1:]
        cuts.append(end)
        for left, right in pairwise(cuts):
            stripped = document.text[left:right].strip()
            if stripped:
                offset = left + document.text[left:right].index(stripped)
                parts.append(Span(document.id, offset, offset + len(stripped)))
    return parts or [span]


def _listed(text: str) -> list[int]:
    listed: list[int] = []
    for part in re.split(r"\s*[,;]\s*", text.strip()):
        ends = [int(n) for n in re.split(r"\s*[–-]\s*", part) if n.isdigit()]
        if len(ends) == 2 and 0 <= ends[1] - ends[0] <= 50:
            listed += range(ends[0], ends[1] + 1)
        else:
            listed += ends
    return listed
