"""Training curves of the policy's runs, from their ``log.jsonl``, as one SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from documents.errors import DataError
from evals.report.plots import figure_of, svg_of
from policy.training.logs import read_log

SHOWN = (
    "loss",
    "held",
    "answers/worth",
    "answers/f1",
    "entropy",
    "kl",
    "tokens/mean",
    "groups/zero_variance",
)
WINDOW = 5
"""Steps in the running mean that is drawn over the points."""


def curves(folders: Sequence[Path]) -> str:
    """A panel for each figure that a run has logged, a line for each run that has it."""
    logs = {folder: read_log(folder / "log.jsonl") for folder in folders}
    if empty := [str(folder) for folder, rows in logs.items() if not rows]:
        raise DataError(f"{', '.join(empty)} has no log.jsonl with steps.", "Name folders of runs.")
    names = [name for name in SHOWN if any(name in row for rows in logs.values() for row in rows)]
    down = -(-len(names) // 2)
    figure = figure_of(9.0, 2.2 * down)
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(down, 2, place)
        for colour, (folder, rows) in enumerate(logs.items()):
            points = [(row["step"], row[name]) for row in rows if name in row]
            if points:
                steps, values = [list(column) for column in zip(*points, strict=True)]
                axes.plot(steps, values, ".", color=f"C{colour}", alpha=0.3, markersize=3)
                axes.plot(steps, smoothed(values), color=f"C{colour}", label=folder.name)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=7)
    return svg_of(figure)


def smoothed(values: Sequence[float]) -> list[float]:
    """The mean of each value and those up to `WINDOW` - 1 before it."""
    parts = [values[max(0, end - WINDOW) : end] for end in range(1, len(values) + 1)]
    return [sum(part) / len(part) for part in parts]
