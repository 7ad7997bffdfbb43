"""Which prompts a phase of RL trains on, and in which order.

Phases (QwenLong-L1, arXiv 2505.17667, section 3.2): phase k has the prompts longer than the last
phase's and no longer than ``lengths[k]``, and those that retrospective sampling carries over from
earlier phases. An order follows from the seed and the step alone, so a run that goes on after a
kill reads what one never killed would have read.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from policy.training.contexts import bucket
from policy.training.rows import Row
from policy.training.sampling import Group

Retrospect = Literal["none", "importance", "zero"]
MODES: tuple[str, ...] = get_args(Retrospect)


def bands(tokens: Sequence[int], lengths: Sequence[int]) -> tuple[list[int], ...]:
    """The places of the prompts of each phase; those beyond the last length are in none."""
    found: tuple[list[int], ...] = tuple([] for _ in lengths)
    for place, count in enumerate(tokens):
        if (phase := bucket(count, lengths)) is not None:
            found[phase].append(place)
    return found


def seen(records: Iterable[Mapping[str, Any]], rows: Sequence[Row]) -> dict[int, Group]:
    """Each prompt's last group, from the records of earlier phases. Records are of all groups
    that were sampled, those that dynamic sampling left out of the loss among them."""
    return {
        int(record["row"]): Group(rows[int(record["row"])], (), tuple(record["rewards"]))
        for record in records
    }


def estimated(rows: Sequence[Row], places: Iterable[int]) -> dict[int, Group]:
    """Groups that stand for the mean rewards that policy-data wrote beside the prompts, measured
    with another model, as the paper does with the base model; of those prompts that have one.
    A group is as large as the difficulty beside its mean says; without one, a mean of 0 counts as
    that of two answers."""
    means = {place: rows[place].extra.get("mean_reward") for place in places}
    return {
        place: Group(rows[place], (), (float(mean),) * _size(float(mean), rows[place]))
        for place, mean in means.items()
        if mean is not None
    }


def _size(mean: float, row: Row) -> int:
    """So many answers that half a right one among them is no more than the mean reward."""
    known = row.extra.get("difficulty") or (1 / mean if mean > 0 else 4)
    return math.ceil(float(known) / 2)


def carried(groups: Mapping[int, Group], mode: str, most: int, seed: str) -> list[int]:
    """At most ``most`` prompts of earlier phases for the next one, in the order of drawing.

    ``importance`` draws without replacement with a probability that rises with the difficulty,
    1 / mean reward (arXiv 2505.17667, eq. 10): keys u^(1/w), the largest first (Efraimidis and
    Spirakis 2006). ``zero`` draws evenly among those with no right answer, which is what the
    paper says it did in practice. ``none`` carries nothing. A prompt that has no group of scored
    answers is never carried."""
    made = random.Random(seed)
    drawn = [(made.random(), place, groups[place]) for place in sorted(groups)]
    if mode == "importance":
        keys = [(u ** (1 / w), place) for u, place, g in drawn if (w := g.difficulty) is not None]
        return [place for _, place in sorted(keys, reverse=True)][:most]
    if mode == "zero":
        return [place for _, place, g in sorted(drawn, key=lambda d: d[0]) if g.mean == 0][:most]
    return []


def stream(pool: Sequence[int], count: int, seed: str) -> list[int]:
    """``count`` prompts: the pool in a new random order for each epoch."""
    found: list[int] = []
    epoch = 0
    while len(found) < count:
        order = list(pool)
        random.Random(f"{seed} {epoch}").shuffle(order)
        found += order
        epoch += 1
    return found[:count]


def spares(pool: Sequence[int], used: Iterable[int], seed: str) -> list[int]:
    """What may take the place of groups without variance in one step: the rest of the pool in a
    random order."""
    rest = sorted(set(pool) - set(used))
    random.Random(seed).shuffle(rest)
    return rest
