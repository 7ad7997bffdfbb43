"""Questions for a clause of a contract by what it is about: "the clause on liability caps".

A model that is given a contract without such a clause names another one. So what it quotes or cites
must have a word of the matter asked for, in it, in the text just before it or in a heading over it
(of the clauses that CUAD's lawyers marked in contracts, 87 in 100 do), or a critic must hold it
likely. Over contracts put aside from training the best piece had `LIKELY` for 56 of 70 clauses that
are there and for 22 of 70 that are not: where the critic's scores are probabilities, they decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agent.amounts import matter, stems, whose
from agent.checking import words
from agent.citations import claims
from agent.context import headings
from documents import Document, Evidence
from policy.parsing import parse_answer

_ASKS = re.compile(
    r"\b(?:clauses?|provisions?|sections?|articles?)\b[^.?]*?\b(?:about|on|regarding|concerning"
    r"|relat(?:ed|ing) to|govern(?:s|ing)?|deal(?:s|ing)? with|cover(?:s|ing)?|address(?:es|ing)?)"
    r"\s+(?P<what>[^.?]+)",
    re.IGNORECASE,
)
_QUOTE = re.compile(r"\b(?:quot\w+|verbatim|word for word|wording|exact (?:words?|text))\b", re.I)
LIKELY = 0.1
"""A keep probability."""
NEAREST = "The passage that comes closest"
_LONGEST_QUOTE = 600
"""Characters."""
_RUN = 6
"""Words one after the other that make a quote."""
_BEFORE = 150
"""Characters before a piece of evidence in which its clause may be called by its name."""


def asks_for_clause(question: str) -> bool:
    """Whether a question asks for a clause by its matter."""
    return bool(_ASKS.search(question))


@dataclass
class Clauses:
    """Judges the sentences of an answer where the question asks for a clause. ``calibrated``: the
    scores of the evidence are probabilities."""

    question: str
    evidence: Sequence[Evidence]
    documents: Mapping[str, Document]
    calibrated: bool = False
    _found: bool = False

    @property
    def hopeless(self) -> bool:
        """Whether a clause is asked for and nothing is likely to be it."""
        wanted = bool(self._wanted) and self.calibrated
        return wanted and not any(map(self._likely, self.evidence))

    def nearest(self) -> str:
        """The likeliest passage in its own words, for where the reasoner found none; empty where
        none is likely enough."""
        if not (self._wanted and self.calibrated and self.evidence):
            return ""
        n, best = max(enumerate(self.evidence, 1), key=lambda pair: pair[1].score)
        if best.score < LIKELY:
            return ""
        return f"{NEAREST}: {self._quote(n)}"

    def quoted(self, answer: str) -> str:
        """The passage that an answer cites in its own words, where the question asks for a quote
        and the answer gives only its number; else empty."""
        if not (self._wanted and _QUOTE.search(self.question)):
            return ""
        cited = {n: None for _, marks in claims(answer) for n in marks}
        there = {n: self.evidence[n - 1] for n in cited if 1 <= n <= len(self.evidence)}
        said = _runs(answer)
        if any(said & _runs(self._text(item)) for item in there.values()):
            return ""
        held = (n for n, item in there.items() if self._likely(item) or self._about(item))
        return next(map(self._quote, held), "")

    def allows(self, sentence: str) -> bool:
        """Whether a sentence may come out: what it cites, or repeats, is about what was asked, or
        goes on from a sentence of which that is so."""
        if not self._wanted or self._found or parse_answer(sentence).refused:
            return True
        self._found = any(self._likely(i) or self._about(i) for i in self._meant(sentence))
        return self._found

    @cached_property
    def _wanted(self) -> tuple[frozenset[str], ...]:
        """What the clause is to be about, as `matter` has it."""
        asked = _ASKS.search(self.question)
        return matter(asked["what"], whose(*self.documents.values())) if asked else ()

    def _meant(self, sentence: str) -> Iterator[Evidence]:
        """The evidence that a sentence cites; where it cites none, what has half of its words."""
        cited = [number for _, marks in claims(sentence) for number in marks]
        if cited:
            yield from (self.evidence[n - 1] for n in cited if 1 <= n <= len(self.evidence))
            return
        said = words(sentence)
        for item in self.evidence:
            there = words(self._text(item))
            if 2 * len(said & there) >= len(said):
                yield item

    def _quote(self, n: int) -> str:
        quote = " ".join(self._text(self.evidence[n - 1]).split())
        if len(quote) > _LONGEST_QUOTE:
            quote = f"{quote[:_LONGEST_QUOTE].rpartition(' ')[0]} …"
        return f"“{quote}” [{n}]"

    def _text(self, item: Evidence) -> str:
        return self.documents[item.span.document].slice(item.span)

    def _likely(self, item: Evidence) -> bool:
        return self.calibrated and item.score >= LIKELY

    def _about(self, item: Evidence) -> bool:
        document, span = self.documents[item.span.document], item.span
        own = document.text[max(0, span.start - _BEFORE) : span.end]
        there = stems(" ".join([own, *headings(document, span)]))
        return any(stem & there for stem in self._wanted)


def _runs(text: str) -> set[tuple[str, ...]]:
    """Every few words that stand one after the other."""
    said = re.findall(r"\w+", text.casefold())
    return set(zip(*(said[start:] for start in range(_RUN)), strict=False))
