"""RULER's two counting tasks, whose evidence is the whole text: no span of it is gold."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Sequence

from evals.samples import Setup
from evals.tasks.generated import Ask, Draft, Make, distinct
from evals.tasks.ruler.words import words

COMMON = 10
SHORT = 4096
"""Below so many tokens RULER repeats words less often."""

COMMON_PROMPT = (
    "Below is a numbered list of words. In these words, some appear more often than others. "
    "Memorize the ones that appear most often.\n{context}\nQuestion: What are the 10 most common "
    "words in the above list? Answer: The top 10 words that appear most often in the list are:"
)
FREQUENT_PROMPT = (
    "Read the following coded text and track the frequency of each coded word. Find the three most "
    "frequently appeared coded words. {context}\nQuestion: Do not provide any explanation. Please "
    "ignore the dots '....'. What are the three most frequently appeared words in the above coded "
    "text? Answer: According to the coded text above, the three most frequently appeared words are:"
)
CODED_LETTERS = 6
TOKENS_A_WORD = 50
"""Coded words to choose from: one per so many tokens asked for."""
_ZETA_2 = math.pi**2 / 6


def common_words(_setup: Setup) -> Make:
    """Ten words thirty times each among ``units`` words three times each; a solved example
    before."""
    return _common


def _common(ask: Ask, units: int) -> Draft:
    rng = ask.rng()
    often, seldom, shown = (6, 1, (20, 3, 1)) if ask.length < SHORT else (30, 3, (40, 10, 3))
    listed, solved = _numbered(rng, *shown)
    example = COMMON_PROMPT.replace("{context}", listed)
    solution = " ".join(f"{i}. {word}" for i, word in enumerate(solved, 1))
    context, common = _numbered(rng, COMMON + units, often, seldom)
    return Draft(
        context,
        "What are the 10 most common words in the list?",
        f"{example} {solution}\n{COMMON_PROMPT}",
        tuple(common),
    )


def _numbered(rng: random.Random, count: int, often: int, seldom: int) -> tuple[str, Sequence[str]]:
    drawn = words().different(count, rng)
    rng.shuffle(drawn)
    common = drawn[:COMMON]
    listed = common * often + drawn[COMMON:] * seldom
    rng.shuffle(listed)
    return " ".join(f"{i}. {word}" for i, word in enumerate(listed, 1)), common


def frequent_words(_setup: Setup) -> Make:
    """``units`` coded words by a zeta distribution with exponent 2, the most frequent a noise
    of dots."""
    return _frequent


def _frequent(ask: Ask, units: int) -> Draft:
    rng = ask.rng()
    size = max(4, ask.length // TOKENS_A_WORD)
    coded = distinct(lambda: "".join(rng.choices(string.ascii_lowercase, k=CODED_LETTERS)), size)
    coded[0] = "..."
    listed = [
        word
        for rank, word in enumerate(coded, 1)
        for _ in range(int(units / (rank * rank * _ZETA_2)))
    ]
    rng.shuffle(listed)
    return Draft(
        " ".join(listed),
        "What are the three most frequently appeared words in the coded text, the dots aside?",
        FREQUENT_PROMPT,
        tuple(coded[1:4]),
    )
