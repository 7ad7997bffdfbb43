"""Questions of two hops: two labelled questions, joined where one answers what the other names.

The answer of the first stands in the second as a whole name, and the joined question has a
description of it there instead ("How long is the river at Town 3?"), so both evidences are
needed. Where these stand in two documents, the joined one is a document of its own: both texts,
in either order, with passages of other documents between them.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from compressor.training.data import STOPWORDS, Question, Range, touch, usable, widened
from compressor.training.passages import Piece, Pool, source_of
from compressor.training.replies import holds, words

BETWEEN = "\n\n"
"""Stands between the parts of a joined document; a sentence ends there."""
MOST_NAME_WORDS = 8

_WORD = re.compile(r"[^\W_]+")
_BEFORE = re.compile(r"([^\W_]+) ((?:of |the |de |von |van )*)$")
_AFTER = re.compile(r"^(?:[-–]\w|[.,]\d| (?=[^\W_]))([^\W_]*)")


@dataclass(frozen=True, slots=True)
class Pair:
    """``name`` answers ``first`` and stands in the text of ``second``."""

    first: Question
    second: Question
    name: str

    @property
    def key(self) -> str:
        """Its name in a journal, the same from run to run."""
        return _key(self.first, self.name, self.second)


def pairs(questions: Sequence[Question], texts: Mapping[str, str], seed: int) -> Iterator[Pair]:
    """At most one pair for each second question, in an order of their own that further questions
    do not change. Both are of one source, and where they are of two documents the name has two
    words or more: else it may well mean another."""
    firsts: dict[tuple[str, str], list[Question]] = {}
    once = {_key(seed, question): question for question in questions}  # some are asked twice
    for question in once.values():
        for name in dict.fromkeys(answer.strip(" .,;:'\"()") for answer in question.answers):
            if is_name(name):
                firsts.setdefault((source_of(question.doc), name), []).append(question)
    for _, second in sorted(once.items()):
        source = source_of(second.doc)
        named = [
            Pair(first, second, name)
            for name in names_in(second.text)
            for first in firsts.get((source, name), ())
        ]
        random.Random(_key(seed, second, "first")).shuffle(named)
        if found := next((pair for pair in named if _joinable(pair, texts)), None):
            yield found


def is_name(answer: str) -> bool:
    """Whether an answer may be a name: short, and with a capital letter."""
    return 4 <= len(answer) <= 60 and any(w[0].isupper() for w in _WORD.findall(answer))


def names_in(text: str) -> Iterator[str]:
    """What stands in a question as a whole name. A part of a longer name is none: neither
    "Denver" in "the Denver Broncos" or "the University of Denver", nor "Elm 1" in "Elm 1.5"."""
    marks = [match.span() for match in _WORD.finditer(text)]
    for number, (start, _) in enumerate(marks):
        for _, end in marks[number : number + MOST_NAME_WORDS]:
            if is_name(text[start:end]) and _whole(text, start, end):
                yield text[start:end]


def _whole(text: str, start: int, end: int) -> bool:
    before = _BEFORE.search(text, 0, start)
    if text[:start].endswith(("-", "–")):
        return False
    # The first word of a question has a capital for that reason alone.
    if before and (before.start() or before[2]) and _is_part(before[1]):
        return False
    after = _AFTER.match(text[end:])
    return after is None or (after[0].startswith(" ") and not _is_part(after[1]))


def _is_part(word: str) -> bool:
    return word[0].isupper() or word[0].isdigit()


def _joinable(pair: Pair, texts: Mapping[str, str]) -> bool:
    """Whether there are two facts about one thing: each evidence holds its answer, neither question
    the other's, and in one document the evidences lie apart."""
    first, second, name = pair.first, pair.second, pair.name
    if first.doc != second.doc and len(_WORD.findall(name)) < 2:
        return False  # one word may name another in another document, as Newton does
    if holds(first.text, second.answers) or holds(name, second.answers):
        return False
    evidence = [widened(question, texts[question.doc]) for question in (first, second)]
    if not holds(text_of(evidence[0], texts[first.doc]), [name]):
        return False
    if not holds(text_of(evidence[1], texts[second.doc]), second.answers):
        return False
    return first.doc != second.doc or not any(touch(a, b) for a in evidence[0] for b in evidence[1])


def text_of(ranges: Sequence[Range], text: str) -> str:
    """What stands in the ranges, one after the other."""
    return BETWEEN.join(text[a:b] for a, b in ranges)


def describes(joined: str, pair: Pair) -> bool:
    """Whether a joined question has words of the first question in place of the name."""
    own = set(words(pair.first.text)) - set(words(pair.second.text)) - STOPWORDS
    return bool(own & set(words(joined))) and not holds(joined, [pair.name])


@dataclass(frozen=True, slots=True)
class Joined:
    """The parts of a document, in order, and where the evidence stands in their joined text."""

    parts: tuple[Piece, ...]
    spans: tuple[Range, ...]


def join(
    pair: Pair, evidence: tuple[Sequence[Range], Sequence[Range]], pool: Pool, noise: int, seed: int
) -> Joined:
    """The documents of both questions with 0 to ``noise`` characters of distractors between, none
    of which holds the name or an answer."""
    rng = random.Random(_key(seed, pair.key))
    wholes = [Piece(q.doc, 0, len(pool.texts[q.doc])) for q in (pair.first, pair.second)]
    found = list(zip(wholes, evidence, strict=True))
    rng.shuffle(found)
    docs = [piece.doc for piece in wholes]
    drawn = pool.distractors(source_of(docs[0]), rng.randint(0, noise), rng, docs)
    secret = (pair.name, *pair.second.answers)
    between = [p for p in drawn if not holds(pool.texts[p.doc][p.start : p.end], secret)]
    parts = (found[0][0], *between, found[1][0])
    starts = starts_of(parts)
    moved = ((starts[0], found[0][1]), (starts[-1], found[1][1]))
    return Joined(parts, tuple((a + by, b + by) for by, spans in moved for a, b in spans))


def starts_of(parts: Sequence[Piece]) -> list[int]:
    """Where each part starts in `joined_text`."""
    lengths = [part.end - part.start + len(BETWEEN) for part in parts]
    return [0, *accumulate(lengths[:-1])]


def joined_text(parts: Sequence[Piece], texts: Mapping[str, str]) -> str:
    """The parts' texts, one after the other."""
    return BETWEEN.join(texts[part.doc][part.start : part.end] for part in parts)


def name_of(pair: Pair) -> str:
    """The joined document's name.

    Its parts are of documents that may be trained on, so it may be too. But the split is told by
    a hash of the name, which would put one joined document in five on the other side, where it
    would be measured on beside its own parts: a number is added until the name is on this one."""
    number = 0
    while not usable(name := f"synthetic:{pair.key}-{number}"):
        number += 1
    return name


def _key(*of: object) -> str:
    told = "\n".join(
        "\n".join((o.doc, o.text, *o.answers)) if isinstance(o, Question) else str(o) for o in of
    )
    return hashlib.sha256(told.encode()).hexdigest()[:16]
