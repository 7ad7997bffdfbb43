"""The words, numbers and UUIDs that RULER's tasks are made of.

The words are those of the package ``wonderwords`` (MIT), which RULER uses too: some 8,700
nouns, adjectives and verbs. RULER takes rarer words from a list of English where these run
out; here adjective and noun pairs ("calm-river") follow, of which there are millions.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from functools import cache

from documents.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Words:
    """Sorted lists; ``every`` has each word of the three kinds once."""

    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]
    every: tuple[str, ...]

    def pair(self, rng: random.Random) -> str:
        """An adjective and a noun, with a hyphen."""
        return f"{rng.choice(self.adjectives)}-{rng.choice(self.nouns)}"

    def different(self, count: int, rng: random.Random) -> list[str]:
        """``count`` different words, then pairs."""
        found = dict.fromkeys(rng.sample(self.every, min(count, len(self.every))))
        while len(found) < count:
            found[self.pair(rng)] = None
        return list(found)


@cache
def words() -> Words:
    """All words, without those of two words. Raises `SettingsError` without ``wonderwords``."""
    try:
        from wonderwords import RandomWord
    except ImportError as error:
        raise SettingsError(
            "RULER's words need the package wonderwords, which is not installed.",
            "Install the extra that has it: pip install 'longdoc[eval]'.",
        ) from error
    source = RandomWord()

    def listed(kind: str) -> tuple[str, ...]:
        found = source.filter(include_parts_of_speech=[kind])
        return tuple(sorted({word for word in found if " " not in word}))

    nouns, adjectives, verbs = listed("nouns"), listed("adjectives"), listed("verbs")
    return Words(nouns, adjectives, tuple(sorted({*nouns, *adjectives, *verbs})))


def value(kind: str, rng: random.Random) -> str:
    """A random one of ``numbers`` (seven digits), ``words`` (a pair) or ``uuids``."""
    if kind == "numbers":
        return str(rng.randint(1_000_000, 9_999_999))
    if kind == "uuids":
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))
    return words().pair(rng)
