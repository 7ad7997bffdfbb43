"""What generated benchmarks share: samples of any length, fitted with the reasoner's tokenizer.

A task makes a `Draft` from a number of haystack units; the number is searched for so that the
published prompt with the whole context, and the room for the answer, fill the asked length.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from documents.errors import DataError
from evals.samples import Gold, Outcome, Sample, Scores, Setup, text_document

Range = tuple[int, int]
Measure = Callable[[str, Sequence[str]], float]

FULL = 0.99
"""A length is met from this share of it on (published searches go on to the last unit)."""
NEAR = 0.97
"""What is enough for a sample when the number of units comes from the one before."""
PIECE = 200_000
"""Characters counted at a time."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Which sample is asked for: number ``index`` of ``of`` at ``length`` tokens."""

    seed: int
    task: str
    length: int
    index: int
    of: int

    def rng(self) -> random.Random:
        """A generator of this sample's own: the same at every call."""
        return random.Random(f"{self.seed}|{self.task}|{self.length}|{self.index}")

    @property
    def depth(self) -> float:
        """Where a single needle goes, 0 to 1: the samples of a length spread evenly."""
        return self.index / (self.of - 1) if self.of > 1 else 0.5


@dataclass(frozen=True, slots=True)
class Draft:
    """A sample's text. ``prompt`` is the published message with ``{context}`` in the context's
    place, ``gold`` the evidence in characters of ``context``."""

    context: str
    question: str
    prompt: str
    answers: tuple[str, ...]
    gold: tuple[Range, ...] = ()
    looking_for: str = ""


Make = Callable[[Ask, int], Draft]
"""A draft of so many units: the same for the same arguments."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A task whose samples are made up. ``prepare`` loads what all samples draw from; ``least``
    units are the fewest that make sense; ``lengths`` (tokens) and ``count`` samples a length are
    the published ones, taken where the setup names none."""

    name: str
    source: str
    prepare: Callable[[Setup], Make]
    metric: str
    measure: Measure
    answer_tokens: int
    lengths: tuple[int, ...]
    count: int
    least: int = 1
    granularity: str = "sentence"
    depth_tag: bool = False

    def samples(self, setup: Setup) -> Iterator[Sample]:
        """``limit`` samples a length. Raises `DataError` where the length holds no sample."""
        make = self.prepare(setup)
        of = self.count if setup.limit is None else setup.limit
        for length in setup.lengths or self.lengths:
            units = 0
            for index in range(of):
                ask = Ask(setup.seed, self.name, length, index, of)
                units = self._units(make, ask, setup.count, units)
                yield self._sample(make(ask, units), ask)

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        """The published measure of the answer, where there is one."""
        if outcome.answer is None:
            return {}
        return {self.metric: self.measure(outcome.answer, sample.gold.answers)}

    def _units(self, make: Make, ask: Ask, count: Callable[[str], int], last: int) -> int:
        def tokens(units: int) -> int:
            draft = make(ask, units)
            return tokens_of(draft.prompt.replace("{context}", draft.context), count)

        room = ask.length - self.answer_tokens
        if last and room * NEAR <= tokens(last) <= room:
            return last
        return most_units(tokens, room, self.least)

    def _sample(self, draft: Draft, ask: Ask) -> Sample:
        document = text_document("text", draft.context)
        sample = Sample(
            id=f"{ask.task}-{ask.length}-{ask.index}",
            task=ask.task,
            question=draft.question,
            documents=(document,),
            gold=Gold(draft.answers, tuple(document.span(a, b) for a, b in draft.gold)),
            tags={"length": ask.length},
            prompt=draft.prompt,
            looking_for=draft.looking_for,
            granularity=self.granularity,
            max_answer_tokens=self.answer_tokens,
        )
        if not self.depth_tag:
            return sample
        return replace(sample, tags={"length": ask.length, "depth": round(100 * ask.depth)})


def tokens_of(text: str, count: Callable[[str], int]) -> int:
    """The tokens of a text, counted piece by piece: a tokenizer holds some 800 bytes for each.
    Pieces begin before a space, where words' tokens begin, so the sum is the whole's count."""
    total = start = 0
    while start < len(text):
        end = start + PIECE
        if end < len(text) and (space := text.rfind(" ", start + 1, end)) > 0:
            end = space
        total += count(text[start:end])
        start = end
    return total


def most_units(tokens: Callable[[int], int], room: int, least: int) -> int:
    """The largest number of units, to within 1% of ``room``, whose ``tokens`` fit the room.

    Guesses along the line through the measured points, which takes a handful of counts where
    halving takes twenty, and halves where the line leads nowhere. Raises `DataError` where
    ``least`` units do not fit."""
    base = tokens(least)
    if base > room:
        raise DataError(
            f"{room} tokens are too few: the shortest sample has {base}.", "Ask for a longer one."
        )
    low, high, guess = least, 0, least + 32
    for tried in range(100):
        if high and high - low <= 1:
            break
        size = tokens(guess)
        if size <= room:
            low = guess
            if size >= room * FULL:
                break
        else:
            high = guess
        a_unit = max((size - base) / (guess - least), 0.01)
        guess = least + int((room * (1 + FULL) / 2 - base) / a_unit)
        if tried > 6 and high:
            guess = (low + high) // 2
        guess = max(low + 1, min(guess, high - 1) if high else guess)
    return low


def with_needles(
    hay: Sequence[str], needles: Sequence[str], before: Sequence[int], separator: str
) -> tuple[str, list[Range]]:
    """The pieces of hay joined, needle ``i`` standing before piece ``before[i]`` (ascending);
    and where each needle stands in the text."""
    text: list[str] = []
    length = here = 0
    places = []

    def add(piece: str) -> int:
        nonlocal length
        start = length + (len(separator) if text else 0)
        text.append(piece)
        length = start + len(piece)
        return start

    for needle, position in zip(needles, before, strict=True):
        for piece in hay[here:position]:
            add(piece)
        here = max(here, position)
        start = add(needle)
        places.append((start, start + len(needle)))
    for piece in hay[here:]:
        add(piece)
    return separator.join(text), places


def distinct(draw: Callable[[], str], count: int, taken: Collection[str] = ()) -> list[str]:
    """``count`` different draws, none of those ``taken``."""
    found: dict[str, None] = {}
    while len(found) < count:
        if (drawn := draw()) not in taken:
            found[drawn] = None
    return list(found)
