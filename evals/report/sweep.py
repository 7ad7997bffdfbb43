"""The threshold sweep, after OpenProvence: what stays of evidence and of the rest, by source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from app.results import Record
from evals.report.tables import Table, arm_cells, arms

ENOUGH = 0.95
"""Of the evidence: a source's row is of the highest threshold that keeps so much."""
_HEADS = (
    "method", "limit", "reasoner", "source", "questions", "evidence kept", "other text dropped",
    "in windows without evidence", "in documents without", "select s",
)  # fmt: skip
_WITHOUT = ("apart", "share_of_negatives")


def sweep_tables(records: Sequence[Record]) -> list[Table]:
    """Of records by threshold that say how much of the ``rest`` was kept, a row a method and
    source. Empty where there are none."""
    by = [record for record in records if not record.budget and not record.error]
    rows = [row for method in dict.fromkeys(r.method for r in by) for row in _rows(by, method)]
    if not rows:
        return []
    caption = f"The highest threshold that keeps {ENOUGH:.0%} of the evidence"
    return [Table(caption, _HEADS, tuple(rows))]


def _rows(records: Iterable[Record], method: str) -> list[tuple[str, ...]]:
    sources: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.method == method:
            sources[str(record.tags.get("source", ""))].append(record)
    return [row for name, group in sources.items() if (row := _row(name, group))]


def _row(source: str, records: Sequence[Record]) -> tuple[str, ...] | None:
    told = [(arm, group, _means(group)) for arm, group in arms(records).items()]
    enough = [each for each in told if each[2].get("kept", 0.0) >= ENOUGH and "rest" in each[2]]
    if not enough:
        return None
    arm, group, means = max(enough, key=lambda each: (each[0][2], each[0]))
    return (
        *arm_cells(arm),
        source,
        str(sum("rest" in record.scores for record in group)),
        f"{means['kept']:.1%}",
        f"{1 - means['rest']:.1%}",
        *(f"{1 - means[name]:.1%}" if name in means else "–" for name in _WITHOUT),
        f"{np.mean([record.select_s for record in group]):.2f}",
    )


def _means(records: Sequence[Record]) -> Mapping[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for name, value in record.scores.items():
            values[name].append(value)
    return {name: float(np.mean(each)) for name, each in values.items()}
