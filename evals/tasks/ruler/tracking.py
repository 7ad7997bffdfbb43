"""RULER's variable tracking: which variables hold a value, through a chain of assignments."""

from __future__ import annotations

import random
import string

from evals.samples import Setup
from evals.tasks.generated import Ask, Draft, Make, Range, distinct, with_needles
from evals.tasks.infinite import NOISE

HOPS = 4
EXAMPLE_NOISE = 12
"""Lines of noise in the example, which has some 400 tokens (published: up to 500)."""

PROMPT = (
    "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
    "{context}\n{question} Answer: According to the chain(s) of variable assignment in the text "
    "above, {number} variables are assigned the value {value}, they are: "
)


def prepare(_setup: Setup) -> Make:
    """One chain of five variables among ``units`` lines of noise, one solved example before."""
    return _draft


def _draft(ask: Ask, units: int) -> Draft:
    rng = ask.rng()
    example = _example(rng)
    number = str(rng.randint(10_000, 99_999))
    names = _names(rng, 5)
    context, gold = _chain(names, number, units, rng)
    question = f"Find all variables that are assigned the value {number} in the text above."
    asked = _prompt("{context}", f"Question: {question}", number)
    looking_for = "every assignment of a variable, such as VAR X1 = 12345 or VAR X2 = VAR X1"
    return Draft(context, question, f"{example}\n\n{asked}", tuple(names), tuple(gold), looking_for)


def _example(rng: random.Random) -> str:
    number = str(rng.randint(10_000, 99_999))
    names = _names(rng, 3)
    context, _ = _chain(names, number, EXAMPLE_NOISE, rng)
    question = (
        f"Question: Find all variables that are assigned the value {number} in the text above."
    )
    return _prompt(context, question, number) + " ".join(names)


def _prompt(context: str, question: str, number: str) -> str:
    return PROMPT.format(context=context, question=question, number=HOPS + 1, value=number)


def _names(rng: random.Random, letters: int) -> list[str]:
    return distinct(lambda: "".join(rng.choices(string.ascii_uppercase, k=letters)), HOPS + 1)


def _chain(
    names: list[str], number: str, units: int, rng: random.Random
) -> tuple[str, list[Range]]:
    held = [number, *(f"VAR {name}" for name in names)]
    lines = [f"VAR {name} = {value}" for name, value in zip(names, held, strict=False)]
    before = sorted(rng.sample(range(units), len(lines)))
    return with_needles([NOISE] * units, lines, before, "\n")
