"""Passkey, number string and key-value retrieval as in InfiniteBench, made up at any length.

After InfiniteBench (Zhang et al. 2024, arXiv 2402.13718, MIT): its noise, its needles, the meaning
of its prompts and its measures; depths spread evenly. Lengths are tokens of the whole message.
An answer may be a sentence (32 tokens; published: 6 and 12): only its first number counts.
"""

from __future__ import annotations

import random
import uuid

from evals.metrics.strings import first_number, word_match
from evals.samples import Setup
from evals.tasks.generated import Ask, Draft, Generated, Make, distinct, with_needles

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
SOURCE = "InfiniteBench, arXiv 2402.13718, MIT; generated here"
HIDDEN = "There is an important info hidden inside a lot of irrelevant text. Find it"
QUIZ = "I will quiz you about the important information there."


def passkey(_setup: Setup) -> Make:
    """Five digits among noise."""
    return lambda ask, units: _among_noise(
        ask, units, "pass key", "".join(ask.rng().choices("0123456789", k=5)), " and memorize it"
    )


def number_string(_setup: Setup) -> Make:
    """Ten digits, each of five said twice or more in a row, among noise."""
    return lambda ask, units: _among_noise(
        ask, units, "sequence of digits", _repeating(ask.rng()), ""
    )


def _among_noise(ask: Ask, units: int, thing: str, key: str, memorize: str) -> Draft:
    needle = f"The {thing} is {key}. Remember it. {key} is the {thing}."
    before = round(ask.depth * units)
    context, gold = with_needles([NOISE] * units, [needle], [before], "\n")
    question = f"What is the {thing}?"
    return Draft(
        context,
        question,
        f"{HIDDEN}{memorize}. {QUIZ}\n\n{{context}}\n\n{question}\n\nThe {thing} is",
        (key,),
        tuple(gold),
    )


def _repeating(rng: random.Random) -> str:
    digits = rng.choices("0123456789", k=5)
    for length in range(5, 10):
        place = rng.randrange(length)
        digits.insert(place, digits[place])
    return "".join(digits)


def key_value(_setup: Setup) -> Make:
    """One pair of UUIDs asked for in a JSON object of ``units`` pairs."""
    return _key_value


def _key_value(ask: Ask, units: int) -> Draft:
    rng = ask.rng()
    keys = distinct(lambda: _uuid(rng), units)
    pairs = [f'"{key}": "{_uuid(rng)}"' for key in keys]
    asked = round(ask.depth * (units - 1))
    rest = pairs[:asked] + pairs[asked + 1 :]
    inside, gold = with_needles(rest, [pairs[asked]], [asked], ", ")
    head = "JSON data:\n{"
    key, value = keys[asked], pairs[asked].split('"')[3]
    return Draft(
        f"{head}{inside}}}",
        f'What is the value of the key "{key}"?',
        "Extract the value corresponding to the specified key in the JSON object below.\n\n"
        f'{{context}}\n\nKey: "{key}"\nThe value associated with the specified key is: ',
        (value,),
        tuple((start + len(head), end + len(head)) for start, end in gold),
        f"the pair of the key {key} and its value",
    )


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


TASKS = (
    Generated(
        "infinite-passkey", SOURCE, passkey, "accuracy", first_number, 32, (131_072,), 590,
        depth_tag=True,
    ),
    Generated(
        "infinite-number_string", SOURCE, number_string, "accuracy", first_number, 32, (131_072,),
        590, depth_tag=True,
    ),
    Generated(
        "infinite-kv_retrieval", SOURCE, key_value, "accuracy", word_match, 50, (131_072,), 500,
        granularity="word", depth_tag=True,
    ),
)  # fmt: skip
