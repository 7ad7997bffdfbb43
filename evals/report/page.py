"""Records in, report.md and report.html out."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from app.results import Record, read_records
from documents.errors import DataError
from evals.report.plots import plots_of
from evals.report.ruler import ruler_tables
from evals.report.sweep import sweep_tables
from evals.report.tables import Table, main_measure, tables_of
from evals.tasks import all_tasks

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
  color: #1d2129; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-size: 13px; display: block;
  overflow-x: auto; }
th, td { border-bottom: 1px solid #d9dce1; padding: .25rem .6rem; text-align: left;
  white-space: nowrap; }
th { background: #f4f5f7; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
svg { max-width: 100%; height: auto; }
"""


def write_report(files: Sequence[Path], folder: Path, title: str) -> tuple[Path, Path]:
    """Write both forms into the folder. Raises `DataError` where there are no records."""
    records = [record for path in files for record in read_records(_there(path))]
    if not records:
        raise DataError("There are no records to report.", "Run: python -m evals run TASK")
    tasks: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        tasks[record.task].append(record)
    facts = _facts(records)
    summary = ruler_tables(records)
    sources = {name: task.source for name, task in all_tasks().items()}
    folder.mkdir(parents=True, exist_ok=True)
    markdown, page = folder / "report.md", folder / "report.html"
    markdown.write_text(_markdown(title, facts, summary, tasks, sources), "utf-8")
    page.write_text(_html(title, facts, summary, tasks, sources), "utf-8")
    return markdown, page


def _there(path: Path) -> Path:
    """The records, or what they were packed into for keeping."""
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.exists() and not path.exists() else path


def _facts(records: Sequence[Record]) -> list[str]:
    def listed(values: set[str]) -> str:
        return ", ".join(sorted(value for value in values if value)) or "–"

    return [
        f"{len(records)} records, {sum(bool(r.error) for r in records)} failed",
        f"commit: {listed({r.commit for r in records})}",
        f"machine: {listed({r.machine for r in records})}",
        f"reasoner: {listed({r.reasoner for r in records})}",
        f"settings: {listed({r.settings_hash for r in records})}, "
        f"seed: {listed({str(r.seed) for r in records})}",
        "tokens are the reasoner's, headings and numbering counted; intervals are 95% percentile "
        "bootstrap over questions, differences paired by question",
    ]


def _markdown(
    title: str,
    facts: list[str],
    summary: list[Table],
    tasks: dict[str, list[Record]],
    sources: dict[str, str],
) -> str:
    parts = [f"# {title}", "\n".join(f"- {fact}" for fact in facts)]
    parts += [_markdown_table(table) for table in summary]
    for name, records in tasks.items():
        parts.append(f"## {name}\n\n{sources.get(name, '')}")
        parts += [_markdown_table(table) for table in _tables(records)]
    return "\n\n".join(parts) + "\n"


def _tables(records: Sequence[Record]) -> list[Table]:
    return [*tables_of(records), *sweep_tables(records)]


def _markdown_table(table: Table) -> str:
    lines = [f"**{table.caption}**", "", _pipes(table.heads), _pipes(["---"] * len(table.heads))]
    return "\n".join([*lines, *(_pipes(row) for row in table.rows)])


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _html(
    title: str,
    facts: list[str],
    summary: list[Table],
    tasks: dict[str, list[Record]],
    sources: dict[str, str],
) -> str:
    parts = [f"<h1>{html.escape(title)}</h1>", "<ul>"]
    parts += [f"<li>{html.escape(fact)}</li>" for fact in facts]
    parts.append("</ul>")
    parts += [_html_table(table) for table in summary]
    for name, records in tasks.items():
        parts.append(f"<h2>{html.escape(name)}</h2><p>{html.escape(sources.get(name, ''))}</p>")
        if measure := main_measure(records):
            parts += plots_of(records, measure)
        parts += [_html_table(table) for table in _tables(records)]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><body>{body}</body></html>\n"
    )


def _html_table(table: Table) -> str:
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in table.heads)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{html.escape(table.caption)}</caption>"
    return f"<table>{caption}<tr>{heads}</tr>{rows}</table>"
