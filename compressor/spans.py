"""From token probabilities to spans: overlaps merged, gaps closed, words never cut.

Everything here works on a whole document at once, so that a span may run over any number of
windows. Closing gaps of fewer than 20 tokens between a kept token and the next, unless a
span ends or begins there, is the published decoding, vectorised and in both directions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.critics.base import TokenScores
from compressor.windows import Prepared, Window

GAP_TOKENS = 20
BEGIN, END = 0, 3
_WORD = re.compile(
    r"[$€£¥]?[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:[.,'’/&:%-][^\W_\u3040-\u30ff\u3400-\u9fff]+)*%?"
)
_LONGEST_WORD = 80


@dataclass(frozen=True, slots=True)
class Scored:
    """Characters ``start`` to ``end`` of a document and the probability that they matter."""

    start: int
    end: int
    score: float


class Merged:
    """The mean of what all windows say of each token of a document. ``keep``: float32 [n];
    ``boundary``: float32 [n, 4]."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        size = len(prepared.ids)
        self.keep = np.zeros(size, np.float32)
        self.boundary = np.zeros((size, 4), np.float32)
        self._seen = np.zeros(size, np.uint16)

    def add(self, window: Window, scores: TokenScores) -> None:
        """Take in one window."""
        part = slice(window.first, window.last)
        self._seen[part] += 1
        share = 1 / self._seen[part].astype(np.float32)
        self.keep[part] += (scores.keep - self.keep[part]) * share
        self.boundary[part] += (scores.boundary - self.boundary[part]) * share[:, None]

    def fill(self, keep: float) -> None:
        """Give the tokens that no window held this probability."""
        self.keep[self._seen == 0] = keep

    def at_least(self, start: int, end: int, keep: float) -> None:
        """Give no token of these characters less."""
        part = slice(*np.searchsorted(self.prepared.starts, (start, end)))
        np.maximum(self.keep[part], keep, out=self.keep[part])


def decode(merged: Merged, threshold: float) -> list[Scored]:
    """The spans of tokens kept with at least ``threshold``, in order, snapped to whole words
    and numbers, not overlapping. A span's score is its kept tokens' mean."""
    kept = merged.keep >= threshold
    runs = _runs(_filled(kept, merged.boundary.argmax(1)))
    text, prepared = merged.prepared.document.text, merged.prepared
    found: list[Scored] = []
    for first, last in runs:
        start, end = snapped(text, int(prepared.starts[first]), int(prepared.ends[last - 1]))
        score = float(merged.keep[first:last][kept[first:last]].mean())
        if found and start < found[-1].end:
            before = found.pop()
            start, score = before.start, max(score, before.score)
        found.append(Scored(start, end, score))
    return found


def _filled(kept: NDArray[np.bool_], tags: NDArray[np.int64]) -> NDArray[np.bool_]:
    """``kept`` with short gaps closed: not where a span ends before the gap or begins after."""
    places = np.flatnonzero(kept)
    if len(places) < 2:
        return kept
    left, right = places[:-1], places[1:]
    close = (right - left > 1) & (right - left <= GAP_TOKENS)
    close &= (tags[left] != END) & (tags[right] != BEGIN)
    change = np.zeros(len(kept) + 1, np.int32)
    np.add.at(change, left[close], 1)
    np.add.at(change, right[close], -1)
    return np.asarray(kept | (np.cumsum(change[:-1]) > 0))


def _runs(kept: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def snapped(text: str, start: int, end: int) -> tuple[int, int]:
    """The range grown so that it cuts no word or number at its ends. In scripts without spaces
    between words every character is one."""
    return _word_at(text, start)[0], max(end, _word_at(text, end - 1)[1]) if end > start else end


def _word_at(text: str, offset: int) -> tuple[int, int]:
    """The word or number that the character at ``offset`` belongs to, or that character."""
    low = offset
    while low > max(0, offset - _LONGEST_WORD) and not text[low - 1].isspace():
        low -= 1
    for match in _WORD.finditer(text, low, offset + _LONGEST_WORD):
        if match.start() <= offset < match.end():
            return match.span()
        if match.start() > offset:
            break
    return offset, offset + 1
