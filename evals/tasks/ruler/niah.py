"""RULER's eight needle tasks: keys with values, hidden in noise, essays or other needles."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

from compressor.sentences import sentences
from evals.samples import Setup
from evals.tasks.generated import Ask, Draft, Make, distinct, with_needles
from evals.tasks.haystacks import essays
from evals.tasks.infinite import NOISE
from evals.tasks.ruler.words import value

NEEDLE = "One of the special magic {kind} for {key} is: {value}."
ONE = (
    "A special magic {kind} is hidden within the following text. Make sure to memorize it. I will "
    "quiz you about the {kind} afterwards.\n{{context}}\n{question} The special magic {kind} for "
    "{asked} mentioned in the provided text is"
)
SEVERAL = (
    "Some special magic {kind} are hidden within the following text. Make sure to memorize it. I "
    "will quiz you about the {kind} afterwards.\n{{context}}\n{question} The special magic {kind} "
    "for {asked} mentioned in the provided text are"
)
DEPTHS = 40
"""Needles stand in essays at different ones of so many evenly spaced depths."""


@dataclass(frozen=True, slots=True)
class Needles:
    """``keys`` hidden, with ``values`` each, of which ``asked`` keys are asked for. Units are
    lines of noise, sentences of essays (as often over as it takes) or other needles."""

    haystack: str
    key_kind: str = "words"
    value_kind: str = "numbers"
    keys: int = 1
    values: int = 1
    asked: int = 1

    def prepare(self, setup: Setup) -> Make:
        """Loads the essays where they are the haystack. Raises `DataError` without them."""
        hay = _essay_sentences(setup) if self.haystack == "essay" else ()
        return partial(self._draft, hay)

    def _draft(self, essay: Sequence[str], ask: Ask, units: int) -> Draft:
        rng = ask.rng()
        keys = distinct(lambda: value(self.key_kind, rng), self.keys)
        values = [
            distinct(lambda: value(self.value_kind, rng), self.values) for _ in range(self.keys)
        ]
        needles = [(k, self._needle(keys[k], v)) for k in range(self.keys) for v in values[k]]
        rng.shuffle(needles)
        asked = rng.sample(range(self.keys), self.asked)
        before = self._places(len(needles), units, rng)
        if self.haystack == "needle":
            hay = [self._other(keys, rng) for _ in range(units)]
        else:
            hay = list(islice(cycle(essay), units)) if essay else [NOISE] * units
        separator = " " if essay else "\n"
        context, places = with_needles(hay, [text for _, text in needles], before, separator)
        gold = [place for place, (key, _) in zip(places, needles, strict=True) if key in set(asked)]
        answers = tuple(v for k in asked for v in values[k])
        return self._asking(context, [keys[k] for k in asked], answers, gold)

    def _asking(
        self,
        context: str,
        keys: Sequence[str],
        answers: tuple[str, ...],
        gold: Sequence[tuple[int, int]],
    ) -> Draft:
        one = len(answers) == 1
        kind = self.value_kind[:-1] if one else self.value_kind
        asked = f"{', '.join(keys[:-1])}, and {keys[-1]}" if len(keys) > 1 else keys[0]
        what = (
            f"What is the special magic {kind}" if one else f"What are all the special magic {kind}"
        )
        question = f"{what} for {asked} mentioned in the provided text?"
        prompt = (ONE if one else SEVERAL).format(kind=kind, question=question, asked=asked)
        looking_for = (
            f"every sentence that gives a special magic {self.value_kind[:-1]} for {asked}"
        )
        return Draft(context, question, prompt, answers, tuple(gold), looking_for)

    def _needle(self, key: str, of: str) -> str:
        return NEEDLE.format(kind=self.value_kind, key=key, value=of)

    def _other(self, keys: Sequence[str], rng: random.Random) -> str:
        key = distinct(lambda: value(self.key_kind, rng), 1, keys)[0]
        return self._needle(key, value(self.value_kind, rng))

    def _places(self, count: int, units: int, rng: random.Random) -> list[int]:
        if self.haystack != "essay":
            return sorted(rng.sample(range(units), count))
        depths = rng.sample(range(DEPTHS), count)
        return sorted(units * round(100 * depth / (DEPTHS - 1)) // 100 for depth in depths)


def _essay_sentences(setup: Setup) -> list[str]:
    text = " ".join(" ".join(text.split()) for _, text in essays(setup.data))
    return [text[start:end] for start, end in sentences(text)]


TASKS = {
    "niah_single_1": Needles("noise"),
    "niah_single_2": Needles("essay"),
    "niah_single_3": Needles("essay", value_kind="uuids"),
    "niah_multikey_1": Needles("essay", keys=4),
    "niah_multikey_2": Needles("needle"),
    "niah_multikey_3": Needles("needle", "uuids", "uuids"),
    "niah_multivalue": Needles("essay", values=4),
    "niah_multiquery": Needles("essay", keys=4, asked=4),
}
"""RULER's settings; the multikey tasks 2 and 3 hide one needle among needles of other keys."""
