"""Plots of records, as SVG text."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.results import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

X = Callable[[Record], float | None]


def plots_of(records: Sequence[Record], measure: str) -> list[str]:
    """The plots that a task's records are enough for: the measure against the budget, against
    the length, and over depth and length."""
    measured = [record for record in records if measure in record.scores]
    made = [
        _lines(measured, measure, label, x_of)
        for label, x_of in (("budget in tokens", _budget), ("length", _length))
        if len({x_of(record) for record in measured} - {None}) > 1
    ]
    if len({_number(record, "depth") for record in measured} - {None}) > 1:
        made += [
            _grid([r for r in measured if r.method == method], measure, method)
            for method in dict.fromkeys(r.method for r in measured)
        ]
    return made


def _budget(record: Record) -> float | None:
    """The budget; None for a threshold or a whole window, which have no place on the axis."""
    return record.budget if record.budget > 0 else None


def _length(record: Record) -> float | None:
    return _number(record, "length") or None


def _number(record: Record, tag: str) -> float | None:
    value = record.tags.get(tag)
    return float(value) if isinstance(value, int | float) else None


def _lines(records: Sequence[Record], measure: str, label: str, x_of: X) -> str:
    points: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        x = x_of(record)
        if x is not None:
            points[record.method][x].append(record.scores[measure])
    figure = figure_of(7.0, 3.6)
    axes = figure.add_subplot()
    for method, by_x in points.items():
        xs = sorted(by_x)
        axes.plot(xs, [np.mean(by_x[x]) for x in xs], marker="o", label=method)
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(label)
    axes.set_ylabel(measure)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return svg_of(figure)


def _grid(records: Sequence[Record], measure: str, method: str) -> str:
    """Depth down, length across, the mean in colour and in figures."""
    lengths = sorted({x for r in records if (x := _number(r, "length")) is not None})
    depths = sorted({x for r in records if (x := _number(r, "depth")) is not None})
    cells: dict[tuple[float | None, float | None], list[float]] = defaultdict(list)
    for record in records:
        place = _number(record, "depth"), _number(record, "length")
        cells[place].append(record.scores[measure])
    grid = np.array(
        [[np.mean(cells[d, x]) if cells[d, x] else np.nan for x in lengths] for d in depths]
    )
    figure = figure_of(1.2 + 0.8 * len(lengths), 1.2 + 0.35 * len(depths))
    axes = figure.add_subplot()
    axes.imshow(grid, vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
    for (row, column), value in np.ndenumerate(grid):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8)
    axes.set_xticks(range(len(lengths)), [f"{x:,.0f}" for x in lengths], fontsize=8)
    axes.set_yticks(range(len(depths)), [f"{d:g}" for d in depths], fontsize=8)
    axes.set_xlabel("length")
    axes.set_ylabel("depth")
    axes.set_title(f"{method}: {measure}", fontsize=9)
    return svg_of(figure)


def figure_of(width: float, height: float) -> Figure:
    """An empty drawing, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def svg_of(figure: Figure) -> str:
    """The drawing alone, so that it can stand inside a page."""
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "longdoc", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
