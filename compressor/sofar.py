"""The best of what has been read, while the rest is still being read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from compressor.critics.base import TokenScores
from compressor.windows import Window
from documents.document import Evidence, Span

BEST = 3
"""How many sentences and rows are shown."""
SHOW_S = 2.0
"""Seconds between two looks."""


class SoFar:
    """Takes in windows as they are scored and tells ``show``, at most every `SHOW_S` seconds, of
    the `BEST` pieces so far by the critic's keep probability alone: what is shown may not last."""

    def __init__(self, show: Callable[[Sequence[Evidence]], None]) -> None:
        self._show = show
        self._best: dict[Span, float] = {}
        self._shown = time.monotonic()
        self._told: list[Span] = []

    def add(self, window: Window, scores: TokenScores) -> None:
        """Take in one window."""
        prepared = window.prepared
        ends = np.array((window.first, window.last), prepared.pieces.dtype)  # else all are copied
        first, last = np.searchsorted(prepared.pieces, ends)
        edges = prepared.pieces[first : last + 1]
        if len(edges) > 1:  # else it is a part of one piece
            sums = np.add.reduceat(scores.keep, edges[:-1] - window.first)
            means = sums / np.diff(edges)
            for place in np.argsort(-means)[:BEST].tolist():
                start = int(prepared.starts[edges[place]])
                span = prepared.document.span(start, int(prepared.ends[edges[place + 1] - 1]))
                self._best[span] = max(float(means[place]), self._best.get(span, 0.0))
            kept = sorted(self._best.items(), key=lambda each: -each[1])[:BEST]
            self._best = dict(kept)
        if time.monotonic() - self._shown >= SHOW_S and list(self._best) != self._told:
            self._shown, self._told = time.monotonic(), list(self._best)
            self._show([Evidence(span, score) for span, score in self._best.items()])
