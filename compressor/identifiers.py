"""What the question names by a number or code of its own: an invoice, a clause, a key.

To critic and embeddings one run of letters and digits is much like the next, yet who names one
wants that and no other. So what holds it is helped, where it stands in few places: a figure or
period that stands everywhere tells nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.units import Unit
from documents.document import Document
from documents.progress import IsCancelled, check

WEIGHT = 4.0
"""What holding one adds to the logit of a unit's score: text that nothing else speaks for (its
score is about 0.02) comes to about 0.5."""
MOST_PLACES = 3
"""In more places, over all documents, it is no name of one thing."""
REACH = 100
"""Characters beside it that belong to it where no sentence ends."""
_CODE = re.compile(r"\w(?:[\w.,:/-]*\w)?(?:\(\w{1,4}\))*")
_LEAST = 4
_YEAR = re.compile(r"(?:19|20)\d\d")


class Identifiers:
    """Where the question's codes and numbers stand in the documents that are asked about."""

    def __init__(
        self, question: str, documents: Sequence[Document], cancelled: IsCancelled
    ) -> None:
        self._found: dict[str, list[tuple[int, int]]] = {each.id: [] for each in documents}
        for code in sorted(codes(question)):
            check(cancelled)
            places = [(each.id, place) for each in documents for place in _places(code, each.text)]
            if len(places) <= MOST_PLACES:
                for identity, place in places:
                    self._found[identity].append(place)

    def held(self, document: Document, found: Sequence[Unit]) -> NDArray[np.float64]:
        """Of each unit, 1 where it holds one, else 0; float64 [units]."""
        places = np.array(sorted(self._found[document.id]), np.int64).reshape(-1, 2)
        starts = np.searchsorted(places[:, 0], [unit.start for unit in found])
        ends = np.searchsorted(places[:, 0], [unit.end for unit in found])
        return np.asarray(ends > starts, np.float64)

    def stretches(self, document: Document, found: Sequence[Unit]) -> Iterator[tuple[int, int]]:
        """Around each the characters that belong to it: its unit, up to ``REACH`` either way."""
        bounds = [unit.start for unit in found]
        for start, end in sorted(self._found[document.id]):
            unit = found[max(0, int(np.searchsorted(bounds, start, side="right")) - 1)]
            if unit.start <= start < unit.end:
                yield max(unit.start, start - REACH), min(unit.end, end + REACH)


def codes(question: str) -> frozenset[str]:
    """Words with a digit, of four characters at least, but for years."""
    words = {match[0] for match in _CODE.finditer(question)}
    return frozenset(
        word
        for word in words
        if len(word) >= _LEAST and any(map(str.isdigit, word)) and not _YEAR.fullmatch(word)
    )


def _places(code: str, text: str) -> list[tuple[int, int]]:
    """Where it stands by itself, not inside a longer one; up to one more than counts."""
    form = re.compile(rf"(?<!\w)(?<!\w[.,:/-]){re.escape(code)}(?![\w(]|[.,:/-]\w)", re.IGNORECASE)
    found = []
    for match in form.finditer(text):
        found.append(match.span())
        if len(found) > MOST_PLACES:
            break
    return found
