"""Means with intervals: bootstrap over questions, paired where two methods answered the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``count`` questions and its 95% percentile bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """The mean of the values with its interval. Raises ValueError for no values."""
    data = np.asarray(values, dtype=float)
    if data.size == 0:
        raise ValueError("an estimate needs at least one value")
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, data.size, (RESAMPLES, data.size))
    means = data[rows].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(data.mean()), float(low), float(high), int(data.size))


def difference(
    one: Mapping[str, float], other: Mapping[str, float], seed: int = 0
) -> Estimate | None:
    """``one`` minus ``other`` over the questions that both have, by question id; None where they
    share none. The interval is paired: each resample takes both answers of a question."""
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return None
    return estimate([one[key] - other[key] for key in shared], seed)
