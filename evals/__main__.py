"""``python -m evals run TASK...`` and ``python -m evals report``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from documents.errors import LongdocError

app = typer.Typer(help="Benchmarks: run, then report.", add_completion=False, no_args_is_help=True)
DATA = Path("..") / "shared" / "data"


@app.command()
def run(
    tasks: Annotated[
        list[str], typer.Argument(metavar="TASK...", help="or a beginning, smoke, subset")
    ],
    *,
    strategy: Annotated[str, typer.Option(help="methods, by commas")] = "cprs,rag",
    budget: Annotated[
        str, typer.Option(help="token budgets, by commas; -1: the window; 2000 unless told")
    ] = "",
    threshold: Annotated[str, typer.Option(help="and, or instead: scores to keep")] = "",
    profile: Annotated[str, typer.Option(help="settings profile")] = "default",
    reasoner: Annotated[str, typer.Option(help="a registry row, or a URL")] = "",
    select: Annotated[bool, typer.Option(help="choose contexts only; ask no reasoner")] = False,
    lengths: Annotated[str, typer.Option(help="lengths, by commas, for generated tasks")] = "",
    limit: Annotated[int | None, typer.Option(help="samples a group")] = None,
    seed: Annotated[int, typer.Option(help="which samples are drawn")] = 0,
    out: Annotated[Path, typer.Option(help="folder of the records")] = Path("runs/evals"),
    resume: Annotated[bool, typer.Option(help="go on with a run's records")] = False,
    data: Annotated[Path | None, typer.Option(help="default: LONGDOC_TEST_DATA")] = None,
) -> None:
    """Run tasks by methods; one JSON line a sample in OUT/records.jsonl.

    The name "smoke" stands for every task on tiny made-up data with the smallest reasoner, to
    see that all of it works: data, limit, lengths, budget and answers are then its own; "subset"
    for ten samples of every task that is quickly run again.
    """
    from evals.command import Options, run_tasks

    folder = data or _data()
    options = Options(
        methods=strategy.split(","),
        budgets=[
            int(part) for part in (budget or ("" if threshold else "2000")).split(",") if part
        ],
        thresholds=[float(part) for part in threshold.split(",") if part],
        profile=profile,
        reasoner=reasoner,
        answer=not select,
        lengths=_numbers(lengths),
        limit=limit,
        seed=seed,
        out=out,
        resume=resume,
        data=folder,
    )
    run_tasks(tasks, options)


@app.command()
def report(
    out: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="folders of records")],
    to: Annotated[Path | None, typer.Option(help="folder for report.md and report.html")] = None,
    title: Annotated[str, typer.Option(help="the report's title")] = "longdoc: measured",
) -> None:
    """Write report.md and a self-contained report.html of the records."""
    from evals.report import write_report

    for path in write_report([folder / "records.jsonl" for folder in out], to or out[0], title):
        sys.stdout.write(f"{path}\n")


@app.command()
def curves(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="folders of training")],
    to: Annotated[Path, typer.Option(help="the picture")] = Path("curves.svg"),
) -> None:
    """Draw the training curves of the policy's stages, each folder's log.jsonl a line."""
    from evals.report.curves import curves as drawn

    to.write_text(drawn(folders), "utf-8")
    sys.stdout.write(f"{to}\n")


@app.command()
def same(
    one: Annotated[Path, typer.Argument(help="a records file")],
    other: Annotated[Path, typer.Argument(help="another")],
) -> None:
    """Say where two runs' records differ in more than times; exit code 1 if they do."""
    from evals.same import differences

    found = differences(one, other)
    sys.stdout.write("".join(f"{line}\n" for line in found) or "The records are the same.\n")
    raise typer.Exit(1 if found else 0)


@app.command()
def rescore(
    records: Annotated[Path, typer.Argument(help="a records file")],
    to: Annotated[Path, typer.Argument(help="where they go, scored anew")],
    *,
    limit: Annotated[int | None, typer.Option(help="as the run was drawn")] = None,
    lengths: Annotated[str, typer.Option(help="as the run was drawn")] = "",
    seed: Annotated[int, typer.Option(help="as the run was drawn")] = 0,
    data: Annotated[Path | None, typer.Option(help="default: LONGDOC_TEST_DATA")] = None,
) -> None:
    """Score the contexts of a run anew, where a measure has changed; nothing is run again."""
    from evals.command import rescore_records

    sizes = _numbers(lengths)
    folder = data or _data()
    rescore_records(records, to, limit=limit, lengths=sizes, seed=seed, data=folder)


def _data() -> Path:
    return Path(os.environ.get("LONGDOC_TEST_DATA", str(DATA)))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)


def main() -> None:
    """The boundary where an error becomes a line and an exit code."""
    from weights.quiet import no_telemetry

    no_telemetry()
    try:
        app()
    except LongdocError as error:
        sys.stderr.write(f"evals: {error.message} {error.hint}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
