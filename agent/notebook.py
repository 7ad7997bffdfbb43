"""The memory of a reader: short lines that stand on spans, within a bound of tokens.

A line is never a model's word alone: its figures, dates and names stand in the chunk it was taken
from (`agent.citations`, `agent.absence`), and it keeps the sentences and rows that bear it out.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.absence import Gate, frame
from agent.chunks import Chunk
from agent.citations import cite
from agent.context import column_heads, pages_from_one
from agent.figures import numbers
from agent.values import CitedBy, Count
from compressor.sentences import sentences
from documents import Document, Evidence, Span
from policy import parse_answer

LINE_CHARS = 300
"""A sentence that the critic keeps is shown in memory up to this length; its span is whole."""
STRONG = 0.5
MOST_STRONG = 3

_YEAR = re.compile(r"(?:19|20)\d\d")
_MARKS = re.compile(r"\s*[\[【][\d\s,;–-]+[\]】]")
Documents = Mapping[str, Document]


@dataclass(frozen=True, slots=True)
class Line:
    """A statement and the spans that bear it out, of chunk number ``chunk`` (from 0). ``by``: the
    reasoner wrote it, or longdoc kept a sentence of the critic's. ``score`` is the critic's for
    its spans. Not ``needed``: the reasoner said later that it is of no use."""

    text: str
    spans: tuple[Span, ...]
    chunk: int
    score: float = 0.0
    by: CitedBy = "reasoner"
    needed: bool = True


def held(
    facts: Sequence[tuple[int, str]], chunk: Chunk, number: int, documents: Documents, question: str
) -> list[Line]:
    """The facts that hold in the chunk, as lines, a sentence each. A fact is piece number and
    statement. One that says what is *not* there is none: only the whole reading can tell."""
    evidence = chunk.evidence
    known = frame(evidence, documents)
    lines: dict[str, Line] = {}
    for n, fact in facts:
        plain = " ".join(_MARKS.sub("", fact).split())
        for start, end in sentences(plain):
            text = plain[start:end]
            if parse_answer(text).refused or not founded(text, known, question):
                continue
            spans = _bearing(text, n, evidence, documents)
            if spans:
                line = Line(text, spans, number, chunk.score(spans))
                lines.setdefault(text.casefold(), line)
    return list(lines.values())


def strong(
    chunk: Chunk, number: int, best: float, taken: Sequence[Line], documents: Documents
) -> list[Line]:
    """The critic's sentences and rows of the chunk that score at least half of ``best``, the best
    of all chunks, and are not borne out by a line already taken: at most three."""
    spans = [span for line in taken for span in line.spans]
    lines: list[Line] = []
    for item in chunk.best[:MOST_STRONG]:
        if item.score < STRONG * best or any(item.span.overlaps(span) for span in spans):
            continue
        document = documents[item.span.document]
        heads = " | ".join(column_heads(document, item.span))
        words = " ".join(document.slice(item.span).split())
        text = textwrap.shorten(
            f"{heads}: {words}" if heads else words, LINE_CHARS, placeholder=" …"
        )
        lines.append(Line(text, (item.span,), number, item.score, "longdoc"))
    return lines


def bounded(
    lines: Sequence[Line], documents: Documents, limit: int, count: Count
) -> tuple[Line, ...]:
    """The lines that stay, in order, so that all of them listed have at most ``limit`` tokens.

    Evicted one by one: first those no longer needed; then of the reasoner's and of longdoc's lines
    those that take more tokens, so that neither crowds out the other. Among these the one with
    the lowest score goes, of equals the oldest."""
    kept = list(lines)
    while kept and count(listed(kept, documents)) > limit:
        pool = [line for line in kept if not line.needed]
        if not pool:
            kinds = [[k for k in kept if k.by == by] for by in ("longdoc", "reasoner")]
            pool = max(kinds, key=lambda kind: count(listed(kind, documents)))
        kept.remove(min(pool, key=lambda line: (line.score, line.chunk)))
    return tuple(kept)


def without(
    lines: Sequence[Line], numbers: Sequence[int], facts: Sequence[tuple[int, str]]
) -> list[Line]:
    """The lines, those with the numbers (from 1, as listed) no longer needed: they go first once
    there is no room. Nothing is lost on a small model's word while there is, nor what it repeats
    as a fact of this very chunk."""
    said = {_plain(fact) for _, fact in facts}
    out = {n for n in numbers if 1 <= n <= len(lines) and _plain(lines[n - 1].text) not in said}
    return [replace(line, needed=line.needed and n not in out) for n, line in enumerate(lines, 1)]


def unsaid(new: Sequence[Line], lines: Sequence[Line]) -> list[Line]:
    """The new lines whose statement memory does not hold yet."""
    said = {_plain(line.text) for line in lines}
    return [line for line in new if _plain(line.text) not in said]


def listed(lines: Sequence[Line], documents: Documents) -> str:
    """The lines as the reasoner reads them, numbered, each with its document and pages."""
    return "\n".join(
        f"{n}. {line.text}{_place(line, documents)}" for n, line in enumerate(lines, 1)
    )


def ranked(lines: Sequence[Line]) -> list[Evidence]:
    """The spans of the lines, the reasoner's and longdoc's in turns, each by score."""
    turns = [
        sorted((line for line in lines if line.by == by), key=lambda line: -line.score)
        for by in ("reasoner", "longdoc")
    ]
    in_turns = sorted(
        ((turn, line) for kind in turns for turn, line in enumerate(kind)), key=lambda pair: pair[0]
    )
    return [Evidence(span, line.score) for _, line in in_turns for span in line.spans]


def numbered(lines: Sequence[Line], evidence: Sequence[Evidence]) -> list[tuple[Line, list[int]]]:
    """The lines whose spans all stand in the evidence, with its numbers."""
    found = []
    for line in lines:
        numbers = [
            n
            for n, item in enumerate(evidence, 1)
            if any(_within(span, item.span) for span in line.spans)
        ]
        if all(any(_within(span, item.span) for item in evidence) for span in line.spans):
            found.append((line, numbers))
    return found


def founded(text: str, known: str, question: str) -> bool:
    """Whether every figure and name in ``text`` stands in ``known``, or in the question."""
    gate = Gate(known, question)
    gate.feed(text)
    gate.close()
    return not gate.withheld


def packed(lines: Sequence[Line]) -> str:
    """As text for the notes."""
    rows = [
        {
            "text": line.text,
            "spans": [(span.document, span.start, span.end) for span in line.spans],
            "chunk": line.chunk,
            "score": line.score,
            "by": line.by,
            "needed": line.needed,
        }
        for line in lines
    ]
    return json.dumps(rows, ensure_ascii=False)


def unpacked(text: str) -> tuple[Line, ...]:
    """What `packed` wrote."""
    return tuple(
        Line(**row | {"spans": tuple(Span(*place) for place in row["spans"])})
        for row in json.loads(text)
    )


def _bearing(
    text: str, n: int, evidence: Sequence[Evidence], documents: Documents
) -> tuple[Span, ...]:
    """The quotes that bear out a statement, wholly; none where one of its sentences fails. Names
    and dates may stand over a quote, on the title page even, so a quote itself must share a figure
    or half of the words. A small model often gives the right fact and the wrong number: then it is
    the quote of the chunk that bears it out and shares half of its words, and most of all."""
    wanted = _words(text)
    telling = {figure for figure in numbers(text) if not _YEAR.fullmatch(figure)}

    def shared(span: Span) -> int:
        return len(wanted & _words(documents[span.document].slice(span)))

    def near(span: Span) -> bool:
        quote = documents[span.document].slice(span)
        return bool(telling & numbers(quote)) or 2 * shared(span) >= len(wanted)

    spans = _cited(text, str(n), evidence, documents)
    if spans and all(near(span) for span in spans):
        return spans
    every = ", ".join(str(number) for number in range(1, len(evidence) + 1))
    found = _cited(text, every, evidence, documents, any_of=True)
    best = max(found, key=shared, default=None)
    return (best,) if best is not None and 2 * shared(best) >= len(wanted) else ()


def _cited(
    text: str,
    cited: str,
    evidence: Sequence[Evidence],
    documents: Documents,
    *,
    any_of: bool = False,
) -> tuple[Span, ...]:
    """The quotes of verified citations, if every claim of the text has one; with ``any_of`` those
    of a text that is a single claim."""
    citations = cite(f"{text.rstrip('.')} [{cited}].", evidence, documents).citations
    claims = {citation.claim for citation in citations}
    good = [citation for citation in citations if citation.verified]
    if claims != {citation.claim for citation in good} or (any_of and len(claims) > 1):
        return ()
    return tuple(dict.fromkeys(citation.span for citation in good))


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub("", text).casefold().split())


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _place(line: Line, documents: Documents) -> str:
    span = line.spans[0]
    document = documents[span.document]
    parts = [document.name] if len(documents) > 1 else []
    pages = pages_from_one(document, span)
    parts += [f"page {pages[0]}"] if pages else []
    return f" ({', '.join(parts)})" if parts else ""


def _within(inner: Span, outer: Span) -> bool:
    return (
        inner.document == outer.document and outer.start <= inner.start and inner.end <= outer.end
    )
