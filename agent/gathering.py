"""Evidence from several searches under one budget: each is an errand, a sub-question over some
documents; what they find is merged so that no document starves another."""

from __future__ import annotations

import hashlib
import heapq
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypedDict

from agent.context import NEXT_BEST, fitting_head
from agent.values import Count
from documents import Document, Evidence, IsCancelled, Span, check

WAIT_S = 0.2


class Errand(TypedDict):
    """One search, and all that its outcome depends on beside the settings. ``question`` and
    ``looking_for`` are keys of the notes, which are hashes of the texts."""

    question: str
    looking_for: str
    granularity: str
    strategy: str
    budget: int
    documents: list[str]


class Found(TypedDict):
    """An errand's outcome: the best of its evidence as rows of document (its place in the errand),
    start, end, score; how many pieces each document had in all; in which run it was searched."""

    rows: list[tuple[int, int, int, float]]
    totals: list[int]
    seconds: float
    run: str


def key_of(errand: Errand) -> str:
    """The errand's hash."""
    return hashlib.sha256(json.dumps(errand, sort_keys=True).encode()).hexdigest()


def as_found(
    ranked: Sequence[Evidence], errand: Errand, documents: Mapping[str, Document], count: Count
) -> Found:
    """What is kept of a ranking: as much as could fit the budget, and the next best of it."""
    places = {key: place for place, key in enumerate(errand["documents"])}
    totals = [0] * len(places)
    for item in ranked:
        totals[places[item.span.document]] += 1
    head = fitting_head(ranked, documents, errand["budget"], count)
    rows = [
        (places[e.span.document], e.span.start, e.span.end, float(e.score))
        for e in ranked[: len(head) + 1 + NEXT_BEST]
    ]
    return Found(rows=rows, totals=totals, seconds=0.0, run="")


def evidence_in(found: Found, errand: Errand) -> list[Evidence]:
    """An errand's evidence, best first."""
    return [
        Evidence(Span(errand["documents"][place], start, end), score)
        for place, start, end, score in found["rows"]
    ]


def merged(errands: Sequence[Errand], found: Mapping[str, Found]) -> list[Evidence]:
    """The evidence of all errands in the order in which it is to fill the budget. Errands over
    the same documents take turns; then see `fair`."""
    groups: dict[tuple[str, ...], list[list[Evidence]]] = {}
    for errand in errands:
        ranked = evidence_in(found[key_of(errand)], errand)
        groups.setdefault(tuple(errand["documents"]), []).append(ranked)
    return fair([_in_turn(ranked) for ranked in groups.values()])


def fair(groups: Sequence[Sequence[Evidence]]) -> list[Evidence]:
    """One order of several rankings. Every other piece is the next of the group that has the
    least text so far, the rest come by score: so each group has its share of half of any budget,
    as far as it found something, and no budget need be known. One ranking stays as it is."""
    if len(groups) == 1:
        return list(groups[0])
    best = sorted(
        ((item, number) for number, group in enumerate(groups) for item in group),
        key=lambda pair: -pair[0].score,
    )
    by_score = iter(best)
    of_group = [iter(group) for group in groups]
    least = [(0, number) for number in range(len(groups))]
    lengths = [0] * len(groups)
    order: dict[Span, Evidence] = {}

    def take(item: Evidence, number: int) -> None:
        order[item.span] = item
        lengths[number] += len(item.span)

    while least:
        length, number = heapq.heappop(least)
        if length < lengths[number]:  # it has had a piece by its score since
            heapq.heappush(least, (lengths[number], number))
            continue
        if (item := _next(of_group[number], order)) is None:
            continue  # nothing left of it: it leaves the heap
        take(item, number)
        heapq.heappush(least, (lengths[number], number))
        for other, owner in by_score:
            if other.span not in order:
                take(other, owner)
                break
    return list(order.values())


def coverage(
    errands: Sequence[Errand],
    found: Mapping[str, Found],
    chosen: Sequence[Evidence],
    documents: Mapping[str, Document],
    count: Count,
) -> list[tuple[int, int, int]]:
    """For each of the run's documents how many pieces were found, how many were kept, and the
    tokens of those."""
    pieces = dict.fromkeys(documents, 0)
    for errand in errands:
        totals = found[key_of(errand)]["totals"]
        for key, total in zip(errand["documents"], totals, strict=True):
            pieces[key] += total
    kept: dict[str, list[int]] = {key: [] for key in documents}
    for item in chosen:
        kept[item.span.document].append(count(documents[item.span.document].slice(item.span)))
    return [(pieces[key], len(kept[key]), sum(kept[key])) for key in documents]


def share(budget: int, number: int, rounds: int) -> int:
    """The budget of round ``number`` of at most ``rounds``: what is kept in one round stays, so
    each leaves room for the next. One round has all of it; of two, the first two thirds."""
    return budget * (number + 1) // (rounds + 1) if number < rounds else budget


@contextmanager
def in_turn(lock: threading.Lock, cancelled: IsCancelled) -> Iterator[None]:
    """Hold the lock; a stop ends the waiting for it."""
    while not lock.acquire(timeout=WAIT_S):
        check(cancelled)
    try:
        yield
    finally:
        lock.release()


def _in_turn(rankings: Sequence[Sequence[Evidence]]) -> list[Evidence]:
    """The rankings' best, then their second best, and so on, each span once."""
    order: dict[Span, Evidence] = {}
    for depth in range(max((len(ranked) for ranked in rankings), default=0)):
        for ranked in rankings:
            if depth < len(ranked):
                order.setdefault(ranked[depth].span, ranked[depth])
    return list(order.values())


def _next(items: Iterator[Evidence], taken: Mapping[Span, Evidence]) -> Evidence | None:
    return next((item for item in items if item.span not in taken), None)
