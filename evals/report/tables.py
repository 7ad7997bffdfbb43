"""Tables of records: means with intervals, paired differences, by tag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from app.results import Record
from evals.stats import difference, estimate

REFERENCE = "cprs"
"""The method that the others are paired with, where it was run."""

FIRST = ("correct", "score", "found", "kept")
"""Which measure is a task's main one, in this order; else its first by name."""

MOST_VALUES = 12
"""A tag with more values than this makes no table."""

Arm = tuple[str, int, float, str]
"""Method, budget, threshold, reasoner."""


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, heads and rows of text."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables_of(records: Sequence[Record]) -> list[Table]:
    """All tables of one task's records."""
    main = main_measure(records)
    made = [overview(records)]
    if main:
        made += [table for table in (paired(records, main), *by_tags(records, main)) if table]
    return made


def main_measure(records: Iterable[Record]) -> str:
    """The measure that pairs and tag tables show; empty where there is none."""
    names = {name for record in records for name in record.scores}
    return next((name for name in FIRST if name in names), min(names, default=""))


def arms(records: Iterable[Record]) -> dict[Arm, list[Record]]:
    """The records by method and limit, in the order they were run."""
    found: dict[Arm, list[Record]] = defaultdict(list)
    for record in records:
        found[record.method, record.budget, record.threshold, record.reasoner].append(record)
    return found


def arm_cells(arm: Arm) -> tuple[str, str, str]:
    """Method, limit and reasoner as a table shows them."""
    method, budget, threshold, reasoner = arm
    return method, _limit(budget, threshold), reasoner


def overview(records: Sequence[Record]) -> Table:
    """One row an arm: every measure with its interval, tokens, seconds, failures."""
    measures = sorted({name for record in records for name in record.scores})
    heads = ("method", "limit", "reasoner", "n", *measures)
    heads += ("tokens sent", "ratio", "select s", "total s p50 / p95", "failed")
    rows = [_row(arm, group, measures) for arm, group in arms(records).items()]
    return Table("Mean [95% bootstrap interval] over the questions", heads, tuple(rows))


def paired(records: Sequence[Record], measure: str) -> Table | None:
    """Each arm minus the reference at the same limit, over the questions both have."""
    groups = arms(records)
    rows = []
    for (method, budget, threshold, reasoner), group in groups.items():
        reference = groups.get((REFERENCE, budget, threshold, reasoner))
        if method == REFERENCE or reference is None:
            continue
        found = difference(_values(reference, measure), _values(group, measure))
        if found is not None:
            text = f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
            name = _limit(budget, threshold)
            rows.append((f"{REFERENCE} - {method}", name, reasoner, str(found.count), text))
    if not rows:
        return None
    heads = ("difference", "limit", "reasoner", "n", measure)
    return Table(f"Paired differences in {measure}", heads, tuple(rows))


def by_tags(records: Sequence[Record], measure: str) -> list[Table]:
    """The main measure by each tag that has a handful of values."""
    made = []
    for tag in sorted({tag for record in records for tag in record.tags}):
        values = sorted({r.tags[tag] for r in records if tag in r.tags}, key=_order)
        if 1 < len(values) <= MOST_VALUES:
            made.append(_by_tag(records, measure, tag, values))
    return made


def _by_tag(
    records: Sequence[Record], measure: str, tag: str, values: Sequence[str | int | float]
) -> Table:
    rows = []
    for arm, group in arms(records).items():
        cells = [
            [r.scores[measure] for r in group if r.tags.get(tag) == value and measure in r.scores]
            for value in values
        ]
        shown = [f"{np.mean(cell):.2f} ({len(cell)})" if cell else "–" for cell in cells]
        rows.append((*arm_cells(arm), *shown))
    heads = ("method", "limit", "reasoner", *(str(value) for value in values))
    return Table(f"{measure} by {tag}: mean (questions)", heads, tuple(rows))


def _row(arm: Arm, group: Sequence[Record], measures: Sequence[str]) -> tuple[str, ...]:
    well = [record for record in group if not record.error]
    cells = [*arm_cells(arm), str(len(group))]
    for measure in measures:
        values = list(_values(well, measure).values())
        cells.append(_interval(values) if values else "–")
    sent = [record.context_tokens for record in well]
    ratios = [r.source_tokens / r.context_tokens for r in well if r.context_tokens]
    cells.append(f"{np.mean(sent):,.0f}" if sent else "–")
    cells.append(f"{np.mean(ratios):,.1f}" if ratios else "–")
    cells.append(f"{np.median([r.select_s for r in well]):.2f}" if well else "–")
    totals = [record.total_s for record in well]
    middle, high = np.quantile(totals, [0.5, 0.95]) if totals else (0.0, 0.0)
    cells.append(f"{middle:.1f} / {high:.1f}" if totals else "–")
    cells.append(str(len(group) - len(well)))
    return tuple(cells)


def _interval(values: Sequence[float]) -> str:
    found = estimate(values)
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _values(records: Iterable[Record], measure: str) -> dict[str, float]:
    return {r.sample: r.scores[measure] for r in records if measure in r.scores}


def _limit(budget: int, threshold: float) -> str:
    if budget > 0:
        return f"{budget:,} tokens"
    return "window" if budget < 0 else f"score ≥ {threshold:g}"


def _order(value: str | int | float) -> tuple[bool, float, str]:
    number = float(value) if isinstance(value, int | float) else 0.0
    return isinstance(value, str), number, str(value)
