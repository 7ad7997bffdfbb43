"""Needle in a haystack: one made-up fact at a known depth of 4,000 to 2,000,000 words.

After Kamradt's test (github.com/gkamradt/LLMTest_NeedleInAHaystack, MIT) with needles of our
own. The haystack is essays and novels, one document each (a novel in parts), the same at every
depth of a length, so that what a method keeps about a document is used again. The needle ends
a paragraph. ``needle-near`` hides three sentences of the needle's form about other things.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from documents import Document, Span
from evals.metrics.strings import string_match_part
from evals.samples import Gold, Outcome, Sample, Scores, Setup, text_document
from evals.tasks.haystacks import Text, essays, first_words, novels

LENGTHS = (4_000, 16_000, 64_000, 256_000, 1_000_000, 2_000_000)
DEPTHS = 11
NEEDLE_WORDS = 20
"""What is left free for a needle: none is longer."""

_BREAK = re.compile(r"(?<=[.!?])[\"'”’)]*(?=[^\S\n]*(?:\n|$))")
"""Where a sentence ends a line: paragraph ends and, in hard-wrapped text, where one may be."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence and its question about ``things[0]``; near needles are about the others."""

    sentence: str
    question: str
    kind: str
    things: tuple[str, ...]


FACTS = (
    Fact(
        "The lighthouse at {thing} was rebuilt with exactly {value} blue bricks.",
        "How many blue bricks was the lighthouse at {thing} rebuilt with?",
        "number",
        ("Cape Ondurra", "Point Velmay", "Tarn Skerry", "Old Harrow Ness"),
    ),
    Fact(
        "The only person who can open the vault under {thing} is the clockmaker {value}.",
        "Who is the clockmaker who can open the vault under {thing}?",
        "name",
        ("Quillmere Hall", "Brantley Mill", "the Saltoun Exchange", "Dovecote House"),
    ),
    Fact(
        "Freight on the narrow-gauge line to {thing} is billed under tariff number {value}.",
        "Under which tariff number is freight on the narrow-gauge line to {thing} billed?",
        "number",
        ("Zellenbruck", "Karstadt Junction", "Upper Fenwold", "Marrowgate"),
    ),
    Fact(
        "The secret ingredient of the {thing} marmalade is a spice that its cooks call {value}.",
        "What do the cooks call the spice that is the secret ingredient of the {thing} marmalade?",
        "name",
        ("Tressabury", "Longmere", "Haverstock Vale", "Pennywick"),
    ),
    Fact(
        "Sensor {thing} of the glacier survey recorded a drift of {value} millimetres.",
        "What drift in millimetres did sensor {thing} of the glacier survey record?",
        "number",
        ("K-7712", "K-7721", "K-1772", "H-7712"),
    ),
    Fact(
        "At the {thing} regatta the prize for the slowest boat was given to {value}.",
        "Who was given the prize for the slowest boat at the {thing} regatta?",
        "name",
        ("Lake Ommering", "Lake Ammering", "River Testwell", "Saint Corvan"),
    ),
)
_FIRST = "Ilvane Morwen Tobrick Sennet Auberix Calloway Jorunn Pelham".split()
_LAST = "Draskell Whitlock Ferrano Okonwe Strand Vellacott Marchetti Zoldane".split()


@dataclass(frozen=True, slots=True)
class Needle:
    """``near``: how many near needles are hidden with the needle, at depths of their own."""

    near: int = 0
    source: str = "after github.com/gkamradt/LLMTest_NeedleInAHaystack, MIT; needles of our own"

    @property
    def name(self) -> str:
        """needle, needle-near."""
        return "needle-near" if self.near else "needle"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """``limit`` depths (11), first to last evenly, of every length in words."""
        texts = ordered_texts(setup)
        depths = DEPTHS if setup.limit is None else setup.limit
        for length in setup.lengths or LENGTHS:
            hay = _haystack(texts, length - NEEDLE_WORDS * (1 + self.near))
            for index in range(depths):
                depth = index / (depths - 1) if depths > 1 else 0.5
                yield self._sample(hay, setup.seed, length, index, depth)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """``string_match``: whether the fact stands in the answer."""
        if outcome.answer is None:
            return {}
        return {"string_match": string_match_part(outcome.answer, sample.gold.answers)}

    def _sample(
        self, hay: Sequence[Document], seed: int, length: int, index: int, depth: float
    ) -> Sample:
        rng = random.Random(f"{seed}|{self.name}|{length}|{index}")
        fact = rng.choice(FACTS)
        values = _values(fact.kind, 1 + self.near, rng)
        needles = [
            fact.sentence.format(thing=thing, value=value)
            for thing, value in zip(fact.things, values, strict=False)
        ]
        depths = [depth, *(rng.random() for _ in needles[1:])]
        documents = hidden(hay, needles, depths)
        answers = tuple(dict.fromkeys((values[0], values[0].replace(",", ""))))
        return Sample(
            id=f"{self.name}-{length}-{index}",
            task=self.name,
            question=fact.question.format(thing=fact.things[0]),
            documents=documents,
            gold=Gold(answers, (_span_of(documents, needles[0]),)),
            tags={"length": length, "depth": round(100 * depth)},
        )


def ordered_texts(setup: Setup) -> list[Text]:
    """The essays, then the novels, each in an order drawn by the seed. Raises `DataError`."""
    rng = random.Random(f"{setup.seed}|haystack")
    first, then = essays(setup.data), novels(setup.data)
    rng.shuffle(first)
    rng.shuffle(then)
    return first + then


def hidden(
    hay: Sequence[Document], needles: Sequence[str], depths: Sequence[float]
) -> tuple[Document, ...]:
    """The documents with each needle at the end of the paragraph nearest to its depth (0 to 1
    of all characters). Documents that get no needle are the same objects."""
    found = list(hay)
    total = sum(len(document.text) for document in hay)
    for needle, depth in zip(needles, depths, strict=True):
        target = round(depth * total)
        index = 0
        while index < len(hay) - 1 and target > len(hay[index].text):
            target -= len(hay[index].text)
            index += 1
        old = found[index]
        at = _nearest_break(old.text, target)
        text = f"{old.text[:at]} {needle}{old.text[at:]}"
        found[index] = text_document(old.name, text)
    return tuple(found)


def _nearest_break(text: str, target: int) -> int:
    best = len(text.rstrip())
    for match in _BREAK.finditer(text):
        if abs(match.end() - target) < abs(best - target):
            best = match.end()
        elif match.end() > target:
            break
    return best


def _haystack(texts: Sequence[Text], words: int) -> list[Document]:
    """Documents of so many words together; all texts again under new names if they run out."""
    found: list[Document] = []
    left, round_ = max(words, 1), 0
    while left > 0:
        round_ += 1
        for name, text in texts:
            has = len(text.split())
            if has:
                kept = text if has <= left else first_words(text, left)
                found.append(text_document(name if round_ == 1 else f"{name} ({round_})", kept))
                left -= has
            if left <= 0:
                break
    return found


def _values(kind: str, count: int, rng: random.Random) -> list[str]:
    """Different values: five-digit numbers, or names of two made-up words."""
    if kind == "number":
        return [f"{value:,}" for value in rng.sample(range(10_000, 100_000), count)]
    pairs = zip(rng.sample(_FIRST, count), rng.sample(_LAST, count), strict=True)
    return [f"{first} {last}" for first, last in pairs]


def _span_of(documents: Sequence[Document], needle: str) -> Span:
    document = next(document for document in documents if needle in document.text)
    at = document.text.index(needle)
    return document.span(at, at + len(needle))


TASKS = (Needle(), Needle(near=3))
