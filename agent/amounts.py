"""Questions that ask how much or how many: the figure must stand where what was asked stands.

"How much was the charter income from its trawlers?" is not answered by the first figure of a
table: a figure answers only where the words beside and over it (its row's label, its column's
heads, its sentence, the headings) have something of the matter asked for; in a table half of it,
in a row that is of nothing else, where a word of the matter stands nowhere in the documents at all
("proceeds from sales of uranium" are not those of securities); and nowhere, where half of its words
do not stand in long documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agent.absence import asked_names
from agent.cells import Row, row_at, table_around
from agent.context import column_heads, headings
from agent.figures import Figure, every
from documents import Document, Evidence, Span, profile_of
from documents.rows import initials, tokens

_ASKS = re.compile(
    r"\bhow (?:much|many|large|big|high|low|great)\b"
    r"|\bwhat (?:was|were|is|are|did|does|do)\b.*\b(?:amounts?|values?|numbers?|totals?|balances?"
    r"|revenues?|sales|turnover|incomes?|costs?|expenses?|expenditures?|cash|profits?|loss(?:es)?"
    r"|prices?|rates?|margins?|percentages?|ratios?|earnings|debts?|assets|liabilities|proceeds"
    r"|payments?|depreciation|amorti[sz]ation|impairments?|dividends?)\b",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(
    r"\b(?:factors?|drivers?|contribut\w+|reasons?|causes?|impacts?|why|explain)\b", re.I
)
"""What is asked for is then no figure."""
_AND = re.compile(r"[,;]?\s+and\s+(?=(?:which|what|how|who|why|when|where)\b)", re.IGNORECASE)
_STEM = 5
_REACH = 300
"""Characters of running text before a figure in which its matter may be said."""
_LONG = 20_000
"""Characters."""
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])|\n+")
_IDLE = frozenset(
    "total net gross amount value number figure million billion thousand percent percentage change "
    "difference average mean sum ratio proportion share rate level year quarter month day week "
    "period end ended fiscal date respective respectively compare compared comparison between "
    "increase decrease grow growth decline rise fall drop latest current previous prior last first "
    "second third fourth next recent overall much many large big high low great long company firm "
    "report reported annual quarterly according usd eur gbp dollar euro cent recorded recognized "
    "recognised stated shown shows exceed exceeded across within over under more less than least "
    "most some all any both each only also per one two three four five six seven eight nine ten "
    "item line will would roughly each other part several they them same available data "
    "return listed spend spent make made take took come came give given use used have had were was "
    "document filing statement breakdown new combined together altogether approximately about "
    "january february march april may june july august september october november december".split()
)
"""Words that say how, when or by whom it is counted, not what."""
_SAME: tuple[frozenset[str], ...] = tuple(
    frozenset(word[:_STEM] for word in tokens(group))
    for group in (
        "revenue sales turnover",
        "income profit earnings loss margin",
        "cost expense charge expenditure spending paid payments",
        "capital capex property plant equipment",
        "purchase acquisition acquired buy bought",
        "repurchase buyback",
        "employee headcount staff people workforce personnel worker",
        "debt borrowing note loan",
        "stock equity common",
        "client customer",
        "store shop",
        "dividend distribution",
        "depreciation amortization amortisation",
        "operating operation",
    )
)


@dataclass(frozen=True)
class Amounts:
    """Judges the figures of answers to a question."""

    question: str
    evidence: Sequence[Evidence]
    documents: Mapping[str, Document]

    def allows(self, sentence: str) -> bool:
        """Whether a sentence may come out: one with figures must have one that stands where the
        matter asked for does, or that stands nowhere (it may be computed)."""
        said = [figure for figure in every(sentence) if not (figure.year or self._asked(figure))]
        if not said or not self._wanted or not self._asks:
            return True
        places = [place for figure in said for place in self._places(figure)]
        return not places or any(self._fits(*place) for place in places)

    @property
    def _asks(self) -> bool:
        return bool(_ASKS.search(self.question)) and not _EXPLAINS.search(self.question)

    @cached_property
    def _wanted(self) -> tuple[frozenset[str], ...]:
        """The matter asked for: the stems of each of its words, those of the same meaning too."""
        return matter(_of_amounts(self.question), self._known)

    @cached_property
    def _known(self) -> frozenset[str]:
        return whose(*self.documents.values())

    @cached_property
    def _strange(self) -> float:
        """The share of the matter's words that stand nowhere in the documents."""
        there = stems(" ".join(document.text for document in self.documents.values()))
        return sum(not (stem & there) for stem in self._wanted) / len(self._wanted)

    @cached_property
    def _long(self) -> bool:
        """Whether the documents have room for what is asked to be named."""
        return sum(len(document.text) for document in self.documents.values()) >= _LONG

    def _asked(self, figure: Figure) -> bool:
        return any(figure.key == one.key for one in every(self.question))

    def _places(self, figure: Figure) -> Iterator[tuple[Document, int]]:
        for item in self.evidence:
            document = self.documents[item.span.document]
            for one in every(document.slice(item.span)):
                if one.key == figure.key:
                    yield document, item.span.start + one.start

    def _fits(self, document: Document, offset: int) -> bool:
        """Running text words a matter in many ways: there one of its words is enough. Where half of
        the matter stands nowhere in long documents, no figure of theirs is of it."""
        if self._long and 2 * self._strange >= 1:
            return False
        row = row_at(document, offset)
        there = stems(said_beside(document, offset, row))
        if row and self._strange:
            return self._half(there) and not self._else(row)
        return any(stem & there for stem in self._wanted)

    def _else(self, row: Row) -> bool:
        """Whether a row's label has words that speak of something which was not asked."""
        asked = frozenset[str]().union(*self._wanted)
        return any(not stem & asked for stem in matter(row.label))

    def said_of(self, document: Document, row: Row) -> bool:
        """Whether half of the matter, and every name in it, is said in or over a row."""
        there = stems(said_beside(document, row.cells[0].start, row))
        named = matter(" ".join(asked_names(self.question)), self._known)
        return self._half(there) and all(stem & there for stem in named)

    def _half(self, there: frozenset[str]) -> bool:
        return 2 * sum(bool(stem & there) for stem in self._wanted) >= len(self._wanted)


def matter(text: str, known: frozenset[str] = frozenset()) -> tuple[frozenset[str], ...]:
    """What a text speaks of: the stems of each of its words, those of the same meaning too.
    Capitalised words that are ``known`` say whose it is."""
    found = []
    for word in re.findall(r"[^\W\d_][\w&]*", text):
        folded = next(iter(tokens(word)), "")
        named = word[:1].isupper() and folded in known
        if (len(folded) > 2 or "&" in word) and not named and not {folded, word.casefold()} & _IDLE:
            stem = folded[:_STEM]
            found.append(frozenset({stem}).union(*(g for g in _SAME if stem in g)))
    return tuple(dict.fromkeys(found))


def _of_amounts(question: str) -> str:
    """Of a question that asks several things, those that ask for an amount."""
    parts = _AND.split(question)
    return " ".join(part for part in parts if _ASKS.search(part)) or question


def whose(*documents: Document) -> frozenset[str]:
    """The words of the names that documents go by."""
    names = [name for each in documents for name in (each.name, *profile_of(each).names)]
    return tokens(" ".join(names))


def said_beside(document: Document, offset: int, row: Row | None) -> str:
    """The words that say what a figure is of."""
    span = document.span(offset, offset + 1)
    over = [*headings(document, span), *column_heads(document, span)]
    if row is None:
        return " ".join([document.slice(_sentences(document, span)), *over])
    own = [line for line in table_around(document, row.block) if line.start == row.block.start]
    heads = [head for cell in row.cells if cell.start == offset for head in cell.heads]
    return " ".join([row.label, *initials(row.label), *heads, *(line.group for line in own), *over])


def _sentences(document: Document, figure: Span) -> Span:
    """The sentence that a figure stands in and the one before it."""
    start, end = max(0, figure.start - _REACH), min(len(document.text), figure.end + _REACH)
    before = [m.end() for m in _END.finditer(document.text, start, figure.start)]
    after = _END.search(document.text, figure.end, end)
    start = before[-2] if len(before) > 1 else start
    return document.span(start, after.start() if after else end)


def stems(text: str) -> frozenset[str]:
    """The beginnings of a text's words."""
    return frozenset(word[:_STEM] for word in tokens(text))
