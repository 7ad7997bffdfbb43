"""How many of the question's words stand around a sentence.

A critic that reads windows of 512 tokens cannot tell which document, company or chapter it is in,
and weighs rare names and numbers no more than other words. Both are told by how much of the
question stands within some hundred characters, a word counting by its inverse document frequency
(Spärck Jones 1972) over stretches of that length.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.units import Unit
from documents.document import Document
from documents.progress import IsCancelled, check
from documents.rows import STOP_WORDS, singular

NEAR = 500
"""Characters before and behind a unit that are around it. Of 0 to 2,500 the best on documents put
aside for it (`compressor.training.fusion`)."""
_WORD = re.compile(r"\w+")
_ES = ("sses", "xes", "zes", "ches", "shes")
_LEAST_STEM = 4


class Around:
    """Where the question's words stand in the documents that are asked about."""

    def __init__(
        self, question: str, documents: Sequence[Document], cancelled: IsCancelled
    ) -> None:
        stems = sorted({_stem(word) for word in _words(question)} - STOP_WORDS)
        found = {each.id: _places(each, stems, cancelled) for each in documents}
        stretches = sum(len(each.text) // NEAR + 1 for each in documents)
        self._places = found
        self._rare = np.zeros(len(stems))
        for row in range(len(stems)):
            held = sum(len(np.unique(places[row] // NEAR)) for places in found.values())
            self._rare[row] = math.log((stretches + 1) / (held + 0.5))
        self._named = {each.id: _named(each, stems) for each in documents}

    def shares(self, document: Document, found: Sequence[Unit]) -> NDArray[np.float32]:
        """The share of the question around each unit, 0 to 1, float32 [units]; words of the
        document's name are around all of it."""
        held = np.zeros(len(found))
        starts = np.array([unit.start for unit in found], np.int64) - NEAR
        ends = np.array([unit.end for unit in found], np.int64) + NEAR
        for row, places in enumerate(self._places[document.id]):
            near = np.searchsorted(places, ends) > np.searchsorted(places, starts)
            held += self._rare[row] * (near | self._named[document.id][row])
        whole = self._rare.sum()
        return np.asarray(held / whole if whole > 0 else held, np.float32)


def _places(
    document: Document, stems: Sequence[str], cancelled: IsCancelled
) -> list[NDArray[np.int64]]:
    """Where each stem's words start, rising."""
    check(cancelled)
    starts: dict[str, list[int]] = {stem: [] for stem in stems}
    heads = {stem[:3] for stem in stems}
    for match in _WORD.finditer(document.text):
        word = match[0].casefold()
        if word[:3] in heads and (found := starts.get(_stem(word))) is not None:
            found.append(match.start())
    return [np.array(each, np.int64) for each in starts.values()]


def _named(document: Document, stems: Sequence[str]) -> list[bool]:
    held = {_stem(word) for word in _words(document.name)}
    return [stem in held for stem in stems]


def _words(text: str) -> list[str]:
    return [match[0].casefold() for match in _WORD.finditer(text)]


def _stem(word: str) -> str:
    """Without the ending of a plural or a form of a verb, as far as that can be told."""
    word = word[:-2] if word.endswith(_ES) else singular(word)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            return word[: -len(ending)]
    return word
