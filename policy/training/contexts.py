"""Numbered evidence of a chosen length: gold passages among distractors of the same source.

As in MuSiQue and RULER: the passages that answer a question stand among others of its source, in
random order. Distractors come from the same split, never hold an answer of four characters or
more, and are half from the question's own document where both are to be had. Questions of
`OWN_DOCUMENT` speak of "the contract" or "the study", so that another document would answer them
otherwise: their distractors are from their own document alone.

The contexts of one question at several lengths are nested: a longer one has all that a shorter
one has, and the same evidence. SoLoPO's twins (arXiv 2505.11166) are two of them. With ``keep``
a passage has the number in the short context that it has in the longest one, so that one answer
cites rightly under both; short contexts then have gaps in their numbers, which is longdoc's
choice, as the paper's prompts are not known.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from policy.training.questions import (
    Corpus,
    Passage,
    Question,
    held_back,
    passages,
    stands,
    touch,
    widened,
)

OWN_DOCUMENT = frozenset({"cuad", "policyqa", "evidence_inference", "qmsum", "quoref", "tatqa"})
NUMBER_TOKENS = 6
"""More than a passage's ``[n]`` and the blank line after it take."""
TRIES = 200
_TELLING = 4
"""Shorter answers ("no", "12") stand nearly everywhere and tell nothing about a passage."""

LABELS = frozenset(
    ("yes", "no", "significantly increased", "significantly decreased", "no significant difference")
)
"""Answers that sum evidence up, and so need not stand in it: 2wiki's and evidence_inference's."""

Count = Callable[[str], int]
"""Tokens of a text."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A gold passage and the sentences of it that a label touches."""

    passage: Passage
    quotes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """Numbered passages as the prompt has them, and the gold ones' number with each quote."""

    text: str
    gold: tuple[tuple[int, str], ...]
    numbers: tuple[int, ...]


@dataclass
class Pool:
    """The documents of one split (``held``: those kept from training), and what to draw."""

    corpus: Corpus
    held: bool
    size: int
    _docs: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found: dict[str, dict[str, None]] = {}
        for question in self.corpus.questions:
            if held_back(question.doc) == self.held:
                found.setdefault(question.source, {})[question.doc] = None
        self._docs = {source: list(docs) for source, docs in found.items()}

    def questions(self, source: str) -> list[Question]:
        """The split's questions of one source that have evidence and an answer."""
        return [
            q
            for q in self.corpus.questions
            if q.source == source and held_back(q.doc) == self.held and q.spans and q.answers
        ]

    def evidence(self, question: Question) -> tuple[Evidence, ...]:
        """The passages that the labels touch, in document order."""
        text = self.corpus.texts[question.doc]
        gold = widened(text, question.spans)
        found = []
        for part in passages(text, self.size):
            quotes = tuple(
                text[max(a, part[0]) : min(b, part[1])] for a, b in gold if touch((a, b), part)
            )
            if quotes:
                found.append(Evidence(self._passage(question.doc, part), quotes))
        return tuple(found)

    def distractors(self, question: Question, rng: random.Random) -> Iterator[Passage]:
        """Passages without evidence, each once, until none is found any more."""
        text = self.corpus.texts[question.doc]
        gold = widened(text, question.spans)
        own = [
            self._passage(question.doc, part)
            for part in passages(text, self.size)
            if not any(touch(part, span) for span in gold)
        ]
        rng.shuffle(own)
        mine = (passage for passage in own if not answered(passage.text, question))
        if question.source in OWN_DOCUMENT:
            yield from mine
            return
        sides = [mine, self._others(question, rng)]
        while sides:
            side = rng.choice(sides)
            if (passage := next(side, None)) is None:
                sides.remove(side)
            else:
                yield passage

    def _others(self, question: Question, rng: random.Random) -> Iterator[Passage]:
        docs = [doc for doc in self._docs.get(question.source, []) if doc != question.doc]
        seen: set[tuple[str, int]] = set()
        missed = 0
        while docs and missed < TRIES:
            doc = rng.choice(docs)
            part = rng.choice(passages(self.corpus.texts[doc], self.size) or ((0, 0),))
            passage = self._passage(doc, part)
            if (doc, part[0]) in seen or not passage.text or answered(passage.text, question):
                missed += 1
                continue
            seen.add((doc, part[0]))
            missed = 0
            yield passage

    def _passage(self, doc: str, part: tuple[int, int]) -> Passage:
        return Passage(doc, *part, self.corpus.texts[doc][slice(*part)])


def answered(text: str, question: Question) -> bool:
    """Whether an answer stands in the text as a word of its own; short ones are not looked for."""
    return any(stands(gold, text) for gold in question.answers if len(gold) >= _TELLING)


def grounded(question: Question, golds: Sequence[str], evidence: Sequence[Evidence]) -> bool:
    """Whether the evidence can give an answer: one stands in it, or in the question ("A or B?"),
    or is a label. Multi-hop questions are labelled with one hop here and there; to learn from
    those would be to learn to answer from nothing."""
    told = [question.text, *(quote for e in evidence for quote in e.quotes)]
    return any(gold.lower() in LABELS or stands(gold, text) for gold in golds for text in told)


def nested(
    evidence: Sequence[Evidence],
    distractors: Iterator[Passage],
    lengths: Sequence[int],
    *,
    measure: Count,
    count: Count,
    rng: random.Random,
    keep: bool = False,
) -> list[Context] | None:
    """One context for each of the ascending ``lengths``, nested.

    ``measure`` gives the tokens of the whole prompt around a context, ``count`` those of a text
    alone. None where the evidence alone is too long for the shortest, or the distractors run out
    before the longest is full."""
    gold = {id(e.passage): e for e in evidence}
    sure = [e.passage for e in evidence]
    least = measure(_numbered(list(enumerate(sure, 1))))
    if least > lengths[0]:
        return None
    room = lengths[-1] - least
    drawn: list[Passage] = []
    costs: list[int] = []
    while sum(costs) <= room:
        if (passage := next(distractors, None)) is None:
            return None
        drawn.append(passage)
        costs.append(count(passage.text) + NUMBER_TOKENS)
    everything = [*sure, *drawn]
    rng.shuffle(everything)
    place = {id(passage): i for i, passage in enumerate(everything, 1)}
    if keep:  # the longest context must not have gaps: one passage is drawn that does not fit
        fitting = _fit(sure, drawn, place, lengths[-1], measure=measure, keep=False)
        if fitting is None:
            return None
        drawn = drawn[: len(fitting) - len(sure)]
        place = {id(passage): number for number, passage in fitting}
    contexts = []
    for length in lengths:
        shown = _fit(sure, drawn, place, length, measure=measure, keep=keep)
        if not shown:  # numbers may take a token more, or no distractor fits where there is no gold
            return None
        quotes = tuple((n, q) for n, p in shown if id(p) in gold for q in gold[id(p)].quotes)
        contexts.append(Context(_numbered(shown), quotes, tuple(n for n, _ in shown)))
    return contexts


def _fit(
    sure: list[Passage],
    drawn: list[Passage],
    place: dict[int, int],
    length: int,
    *,
    measure: Count,
    keep: bool,
) -> list[tuple[int, Passage]] | None:
    """All of ``sure`` and as many of ``drawn`` as ``length`` takes, in order, found by halving."""

    def shown(some: int) -> list[tuple[int, Passage]]:
        chosen = sorted([*sure, *drawn[:some]], key=lambda p: place[id(p)])
        return [(place[id(p)] if keep else i, p) for i, p in enumerate(chosen, 1)]

    if measure(_numbered(shown(0))) > length:
        return None
    low, high = 0, len(drawn)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(_numbered(shown(middle))) <= length:
            low = middle
        else:
            high = middle - 1
    return shown(low)


def _numbered(shown: Sequence[tuple[int, Passage]]) -> str:
    return "\n\n".join(f"[{number}] {passage.text}" for number, passage in shown)


def bucket(tokens: int, edges: Sequence[int]) -> int | None:
    """Which phase of QwenLong-L1 (arXiv 2505.17667, section 3.2) a prompt belongs to: phase k
    has ``edges[k - 1] < tokens <= edges[k]``. None beyond the last edge."""
    return next((k for k, edge in enumerate(edges) if tokens <= edge), None)
