"""The ``longdoc`` command: a thin layer over `app.service`.

Results go to stdout, progress and errors to stderr. Everything heavy is imported inside the
commands, so that ``longdoc --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXIT_CODES = (
    "Exit codes: 0 done · 1 something else went wrong · 2 the question, a setting or the command "
    "line · 3 a document · 4 the library or the disk · 5 a model's files · 6 the reasoner · "
    "130 stopped."
)

app = typer.Typer(
    name="longdoc",
    help="Ask long documents questions; get answers whose every citation opens on the page.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models = typer.Typer(help="The models longdoc can use: list, fetch, locate.", no_args_is_help=True)
app.add_typer(models, name="models")
library = typer.Typer(help="The documents read so far.", invoke_without_command=True)
app.add_typer(library, name="library")

Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH... QUESTION", help="files, then the question", show_default=False),
]
Strategy = Annotated[str, typer.Option(help="cprs, rag or full (default: the setting)")]
Mode = Annotated[
    str, typer.Option(help="select evidence, or memory: read everything in turns (slow)")
]
Budget = Annotated[int, typer.Option(help="tokens of context (default: the setting)")]
Profile = Annotated[str, typer.Option(help="default, fast or thorough")]
Password = Annotated[str, typer.Option(help="opens encrypted files")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object instead of text")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="an id that `longdoc runs` lists")]
Questions = Annotated[
    Path | None,
    typer.Option(
        "--questions",
        help="CSV or JSONL with a column `question` and, optionally, `paths`, `document` or "
        "`collection`; every positional is then a PATH; one JSON object a row comes out",
    ),
]


@app.command(epilog=EXIT_CODES)
def ask(
    inputs: Inputs = None,
    *,
    strategy: Strategy = "",
    mode: Mode = "select",
    budget: Budget = 0,
    profile: Profile = "default",
    password: Password = "",
    as_json: AsJson = False,
    questions: Questions = None,
    thread: Annotated[
        str,
        typer.Option(metavar="RUN|last", help="a follow-up to this run; no PATH: the same files"),
    ] = "",
    as_is: Annotated[bool, typer.Option("--as-is", help="do not rewrite a follow-up")] = False,
) -> None:
    """Answer a question over the files, with citations. A follow-up in a thread ("and the year
    before?") is rewritten to stand alone, and shown as it is put."""
    from app import commands

    options = commands.Options(
        strategy, budget, profile, password, as_json, questions, mode, thread, as_is
    )
    commands.ask(inputs or [], options)


@app.command(epilog=EXIT_CODES)
def select(
    inputs: Inputs = None,
    *,
    strategy: Strategy = "",
    budget: Budget = 0,
    profile: Profile = "default",
    password: Password = "",
    as_json: AsJson = False,
    questions: Questions = None,
) -> None:
    """Show only the context that would be sent; no reasoner is started."""
    from app import commands

    options = commands.Options(strategy, budget, profile, password, as_json, questions)
    commands.ask(inputs or [], options, answer=False)


@app.command(epilog=EXIT_CODES)
def compare(
    inputs: Inputs = None,
    *,
    strategies: Annotated[str, typer.Option(help="which, separated by commas")] = "cprs,rag,full",
    budget: Budget = 0,
    profile: Profile = "default",
    password: Password = "",
    as_json: AsJson = False,
    questions: Questions = None,
) -> None:
    """Answer by several strategies and lay the answers side by side."""
    from app import commands

    options = commands.Options("", budget, profile, password, as_json, questions)
    commands.compare(inputs or [], tuple(strategies.split(",")), options)


class Form(StrEnum):
    """What a run can be exported as."""

    MARKDOWN = "markdown"
    JSON = "json"


@app.command()
def runs(
    as_json: AsJson = False,
    thread: Annotated[str, typer.Option(metavar="RUN|last", help="only this run's thread")] = "",
) -> None:
    """The questions asked so far: id, when, status, strategy, question; the newest first."""
    from app import history

    history.show(as_json, thread)


@app.command(epilog=EXIT_CODES)
def stop(run: RunId) -> None:
    """Stop a run that another process works on; `resume` goes on with it."""
    from app import history

    history.stop(run)


@app.command(epilog=EXIT_CODES)
def resume(
    run: RunId,
    *,
    profile: Profile = "default",
    force: Annotated[bool, typer.Option("--force", help="also under other settings")] = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was killed, stopped or failed, after its last finished step."""
    from app import history

    history.resume(run, profile, force, as_json)


@app.command(epilog=EXIT_CODES)
def rerun(
    run: RunId,
    *,
    strategy: Strategy = "",
    budget: Budget = 0,
    profile: Profile = "default",
    as_json: AsJson = False,
) -> None:
    """Ask a run's question again, as a new run; what is not given stays as it was."""
    from app import history

    history.rerun(run, strategy, budget, profile, as_json)


@app.command(epilog=EXIT_CODES)
def export(
    run: RunId,
    form: Annotated[Form, typer.Option("--format", help="markdown or json")] = Form.MARKDOWN,
) -> None:
    """Write a finished run: answer, verdict, quotes with their pages, evidence, timings."""
    from app import history

    history.export(run, form.value)


@app.command(epilog=EXIT_CODES)
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...")],
    collection: Annotated[str, typer.Option(help="put them into this collection")] = "",
    password: Password = "",
    prepare: Annotated[bool, typer.Option(help="make now what questions will need")] = True,
    as_json: AsJson = False,
) -> None:
    """Read files into the library. The same bytes are read once; a killed read goes on."""
    from app import library as room

    room.ingest(paths, collection, password, prepare=prepare, as_json=as_json)


@library.callback()
def library_list(context: typer.Context, as_json: AsJson = False) -> None:
    """The documents read so far; ``library delete`` removes one with all made from it."""
    if context.invoked_subcommand is None:
        from app import library as room

        room.show(as_json)


@library.command("delete", epilog=EXIT_CODES)
def library_delete(
    documents: Annotated[list[str], typer.Argument(metavar="DOCUMENT...")],
) -> None:
    """Delete documents (by id or its beginning) with all that was made from them."""
    from app import library as room

    room.delete(documents)


@models.command("list")
def models_list(as_json: AsJson = False) -> None:
    """Every model in the registry, and which are here."""
    from app import library as room

    room.models_list(as_json)


@models.command("pull", epilog=EXIT_CODES)
def models_pull(names: Annotated[list[str], typer.Argument(metavar="NAME...")]) -> None:
    """Fetch models and verify their files; a broken-off fetch goes on."""
    from app import library as room

    room.models_pull(names)


@models.command("path", epilog=EXIT_CODES)
def models_path(name: str) -> None:
    """Where a model's files are."""
    from app import library as room

    room.models_path(name)


@app.command(epilog=EXIT_CODES)
def doctor(as_json: AsJson = False) -> None:
    """What works here, what is missing, and the command that mends it."""
    from app import doctor as room

    raise typer.Exit(room.main(as_json))


@app.command()
def graph() -> None:
    """Print the graph that answers a question, as a Mermaid picture."""
    from agent import build_graph
    from app.terminal import write

    write(build_graph().get_graph().draw_mermaid(with_styles=False).strip())


@app.command(epilog=EXIT_CODES)
def ui(
    port: Annotated[int, typer.Option(help="the port to listen on")] = 8501,
    address: Annotated[str, typer.Option(help="the address to listen on")] = "127.0.0.1",
) -> None:
    """Open the web page."""
    from app.webpage import serve

    serve(port, address)


@app.command(epilog=EXIT_CODES)
def train(
    stage: Annotated[str, typer.Argument(help="what to run; none: list the stages")] = "",
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="the stage's TOML")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="seconds, on made-up data")] = False,
) -> None:
    """Train the models: list the stages that exist, or run one."""
    from app import train as room

    if stage:
        room.run(stage, config, smoke)
    else:
        room.listed()


def main() -> None:
    """Run the command; the one boundary where an error becomes a line and an exit code."""
    from documents.errors import LongdocError, unexpected
    from weights.quiet import no_telemetry

    no_telemetry()
    try:
        app()
    except LongdocError as error:
        sys.stderr.write(f"longdoc: {error.message} {error.hint}".rstrip() + "\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("longdoc: stopped.\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # the one boundary of this front end
        if os.environ.get("LONGDOC_DEBUG"):
            raise
        line = " ".join(unexpected(error).split())
        sys.stderr.write(f"longdoc: {line}. Set LONGDOC_DEBUG=1 to see where.\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
