"""RULER's summary: the score at each length over all its tasks, and the effective length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from app.results import Record
from evals.report.tables import Arm, Table, arm_cells, arms
from evals.tasks.ruler import THRESHOLD, effective_length, weighted_average

NAME = "ruler"
MEASURES = {"string_match": "answers", "found": "evidence found"}


def ruler_tables(records: Sequence[Record]) -> list[Table]:
    """A table for answers and one for contexts, of what was measured of any RULER task."""
    its = [record for record in records if record.task.startswith(f"{NAME}-")]
    made = [_table(its, measure, caption) for measure, caption in MEASURES.items()]
    return [table for table in made if table.rows]


def _table(records: Sequence[Record], measure: str, caption: str) -> Table:
    measured = [record for record in records if measure in record.scores]
    lengths = sorted({int(record.tags["length"]) for record in measured})
    rows = [_row(arm, group, measure, lengths) for arm, group in arms(measured).items()]
    heads = ("method", "limit", "reasoner", "tasks", *(f"{length:,}" for length in lengths))
    heads += ("wAvg (inc)", "wAvg (dec)", f"effective length (over {THRESHOLD}%)")
    return Table(f"RULER, {caption}: mean of the tasks' means, in percent", heads, tuple(rows))


def _row(
    arm: Arm, group: Sequence[Record], measure: str, lengths: Sequence[int]
) -> tuple[str, ...]:
    cells: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in group:
        cells[int(record.tags["length"])][record.task].append(record.scores[measure])
    scores = {
        length: 100 * float(np.mean([np.mean(values) for values in tasks.values()]))
        for length, tasks in cells.items()
    }
    tasks = len({record.task for record in group})
    shown = [f"{scores[length]:.1f}" if length in scores else "–" for length in lengths]
    return (
        *arm_cells(arm),
        str(tasks),
        *shown,
        f"{weighted_average(scores, increasing=True):.1f}",
        f"{weighted_average(scores, increasing=False):.1f}",
        f"{effective_length(scores):,}",
    )
