"""How scores over lengths become RULER's summary figures (arXiv 2404.06654, section 4)."""

from __future__ import annotations

from collections.abc import Mapping

THRESHOLD = 85.6
"""Percent: what Llama-2-7B (chat) scores at 4K, published as "satisfactory"."""


def effective_length(scores: Mapping[int, float], threshold: float = THRESHOLD) -> int:
    """The longest length whose score, in percent, is over the threshold; 0 if none is."""
    return max((length for length, score in scores.items() if score > threshold), default=0)


def weighted_average(scores: Mapping[int, float], *, increasing: bool) -> float:
    """The mean of the scores with weights 1, 2, 3, … by rising length ("wAvg (inc)", where long
    contexts are used most) or falling ("wAvg (dec)"). ValueError without scores."""
    if not scores:
        raise ValueError("no scores")
    ordered = sorted(scores, reverse=not increasing)
    total = sum(weight * scores[length] for weight, length in enumerate(ordered, 1))
    return total / sum(range(1, len(ordered) + 1))
