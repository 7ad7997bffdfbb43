"""``ask``, ``select`` and ``compare``: one question, or a file of them."""

from __future__ import annotations

import csv
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.service import Question, Service, Watch
from app.settings import load_settings
from app.stopping import stoppable
from app.terminal import Bars, say, write, write_json
from app.threads import documents_of, following, thread_named
from app.watch import SEARCHING
from documents.errors import Cancelled, LongdocError, QuestionError, SettingsError, unexpected

STRATEGIES = ("cprs", "rag", "full")
MODES = ("select", "memory")
Show = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Options:
    """The options the three commands share, as given."""

    strategy: str
    budget: int
    profile: str
    password: str
    as_json: bool
    questions: Path | None
    mode: str = "select"
    thread: str = ""
    as_is: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One question of a file, with what it names beside the paths of the command line."""

    question: str
    paths: tuple[str, ...] = ()
    document: str = ""
    collection: str = ""


One = Callable[[Service, Row, Watch], dict[str, Any]]


def ask(inputs: Sequence[str], options: Options, *, answer: bool = True) -> None:
    """Answer one question or a file of them; with ``answer`` off, only select context."""
    strategy = _strategy(options)

    def one(service: Service, row: Row, watch: Watch) -> dict[str, Any]:
        question, read_s = _prepare(service, row, options, strategy, watch)
        if options.thread:
            question = _follow_up(service, question, options, watch)
        return service.run(question, answer=answer, watch=watch, read_s=read_s)

    _each(inputs, options, one, print_answer if answer else print_context, live=answer)


def compare(inputs: Sequence[str], strategies: tuple[str, ...], options: Options) -> None:
    """Answer by every strategy named."""
    for name in strategies:
        known(name)

    def one(service: Service, row: Row, watch: Watch) -> dict[str, Any]:
        question, read_s = _prepare(service, row, options, "cprs", watch)
        return service.compare(question, strategies, watch=watch, read_s=read_s)

    _each(inputs, options, one, _print_comparison)


def _each(
    inputs: Sequence[str], options: Options, one: One, show: Show, *, live: bool = False
) -> None:
    rows = _rows(inputs, options)
    service = Service(load_settings(options.profile))
    failed: LongdocError | None = None
    quiet = options.as_json or options.questions is not None
    with stoppable() as cancelled, Bars() as bars:
        watch = Watch(Live(bars) if live and not quiet else None, bars, cancelled)
        for row in rows:
            try:
                result = one(service, row, watch)
            except Exception as error:
                if options.questions is None or isinstance(error, Cancelled):
                    raise
                failed = _foreseen(error)
                result = {"schema": 1, "question": row.question} | _error(failed)
            bars.hide()
            if quiet:
                write_json(result)
            else:
                show(result)
    if failed is not None:
        sys.exit(failed.exit_code)


def _foreseen(error: Exception) -> LongdocError:
    """The error of one row, which does not keep the rows after it from being answered."""
    return error if isinstance(error, LongdocError) else LongdocError(unexpected(error))


def _error(error: LongdocError) -> dict[str, str]:
    return {"error": error.message, "hint": error.hint}


def _rows(inputs: Sequence[str], options: Options) -> list[Row]:
    if options.questions is not None:
        rows = list(read_questions(options.questions))
        return [Row(r.question, (*inputs, *r.paths), r.document, r.collection) for r in rows]
    if options.questions is None and options.thread and len(inputs) == 1:
        return [Row(inputs[0])]
    if len(inputs) < 2:
        raise QuestionError(
            "A question needs at least one file before it.",
            'Write: longdoc ask report.pdf "What was revenue in 2023?"',
        )
    return [Row(inputs[-1], tuple(inputs[:-1]))]


def read_questions(path: Path) -> Iterator[Row]:
    """The rows of a CSV or JSONL file. ``paths`` is a list, or text split as a shell does."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:  # a cell may have several
            if path.suffix.lower() == ".csv":
                rows: list[dict[str, Any]] = list(csv.DictReader(lines))
            else:
                rows = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError, csv.Error) as error:
        raise QuestionError(
            f"{path} cannot be read as questions: {error}.",
            "Give a .csv with a header line or a .jsonl file, with a column `question`.",
        ) from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or "question" not in row:
            raise QuestionError(
                f"{path}: row {number} has no `question`.", "Name the column `question`."
            )
        yield Row(
            str(row["question"] or ""),
            _named(row.get("paths") or (), f"{path}: row {number}"),
            str(row.get("document") or ""),
            str(row.get("collection") or ""),
        )


def _named(paths: object, where: str) -> tuple[str, ...]:
    try:
        listed = shlex.split(paths) if isinstance(paths, str) else paths
    except ValueError as error:
        raise QuestionError(
            f"{where}: `paths` cannot be split: {error}.",
            "Put a name with an apostrophe in double quotes, or give a list in a .jsonl file.",
        ) from error
    if not isinstance(listed, list | tuple):
        raise QuestionError(f"{where}: `paths` is neither text nor a list.", "Name files there.")
    return tuple(str(one) for one in listed)


def _prepare(
    service: Service, row: Row, options: Options, strategy: str, watch: Watch
) -> tuple[Question, float]:
    if not row.question.strip():
        raise QuestionError("The question is empty.", "Ask something about the documents.")
    started = time.monotonic()
    read = service.ingest(
        [Path(p) for p in row.paths],
        password=options.password or None,
        watch=watch,
    )
    ids = [document.id for document in read]
    if row.document:
        ids.append(service.store.get(row.document).id)
    if row.collection:
        ids += service.store.collection(row.collection)
    if not ids and options.thread:
        ids += documents_of(service.log, thread_named(service.log, options.thread))
    if not ids:
        raise QuestionError("The row names no document.", "Add a path, document or collection.")
    question = Question(
        row.question,
        tuple(dict.fromkeys(ids)),
        strategy,
        options.budget or None,
        mode=options.mode,
    )
    return question, time.monotonic() - started


def _follow_up(service: Service, question: Question, options: Options, watch: Watch) -> Question:
    """The question in its thread, rewritten to stand alone; on stderr, how it is put."""
    question = replace(question, thread=thread_named(service.log, options.thread))
    put, how = following(service, question, as_is=options.as_is, cancelled=watch.cancelled)
    if put.follow_up:
        say(f"Asked as: {put.text}")
    elif how.leans:
        say("It leans on the thread and could not be rewritten; it is asked as it is.")
    return put


def _strategy(options: Options) -> str:
    if options.mode not in MODES:
        raise SettingsError(
            f"There is no mode {options.mode!r}.", f"Choose one of: {', '.join(MODES)}."
        )
    if options.mode == "memory" and not options.strategy:
        return "cprs"
    return known(options.strategy or load_settings(options.profile).strategy)


def known(name: str) -> str:
    """The name of a strategy, or `SettingsError`."""
    if name not in STRATEGIES:
        raise SettingsError(
            f"There is no strategy {name!r}.", f"Choose one of: {', '.join(STRATEGIES)}."
        )
    return name


class Live:
    """Streams the answer as it comes; reasoning goes to stderr. ``answered``: all of it came; of
    a run that goes on after its answer began, none is streamed."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self.answered = False
        self._late = False

    def __call__(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "resumed":
            self._late = data["node"] not in (*SEARCHING, "reason")
        elif kind == "retried" and self.answered:
            write("\n(Broken off; once more from the beginning.)")
        if kind == "repair" and data["taken"] and self.answered:
            wrong = "That was not what the evidence says. " * bool(data["mistakes"])
            write(f"\n\n{wrong}Asked again:\n{data['text']}")
        if kind == "marked" and self.answered:
            write(f"\n\nWith the numbers of what holds it up:\n{data['text']}")
        if self._late or kind not in ("reasoning", "answer"):
            return
        self._bars.hide()
        self.answered = self.answered or kind == "answer"
        out = sys.stdout if kind == "answer" else sys.stderr
        out.write(data["text"])
        out.flush()


def print_answer(result: dict[str, Any]) -> None:
    """What stands below an answer: verdict, citations, tokens and seconds."""
    write("")
    if result["verdict"] != "answered":
        write(f"Verdict: {result['verdict'].replace('_', ' ')}")
    for citation in result["citations"]:
        write(citation_line(citation))
    if "memory" in result:
        write(memory_line(result["memory"]))
    for sentence in result["unsupported"]:
        write(f"Not supported: {sentence}")
    write(summary_line(result))


def print_context(result: dict[str, Any]) -> None:
    """The context that was selected."""
    for evidence in result["context"]["evidence"]:
        pages = ", ".join(str(p) for p in evidence["pages"])
        write(f"[{evidence['n']}] {evidence['name']}, page {pages} (score {evidence['score']:.3f})")
        write(f"    {evidence['text']}")
    write(summary_line(result))


def _print_comparison(result: dict[str, Any]) -> None:
    for name, one in result["strategies"].items():
        write(f"── {name} " + "─" * 60)
        if "error" in one:
            write(f"failed: {one['error']} {one['hint']}")
            continue
        write(one["answer"])
        print_answer(one)


def citation_line(citation: dict[str, Any]) -> str:
    """One citation for people: number, mark, place, quote."""
    mark = "✓" if citation["verified"] else "unverified"
    if citation["by"] == "longdoc":
        mark += " (found by longdoc)"
    where = citation["name"]
    if citation["pages"]:
        where += f", page {', '.join(str(p) for p in citation['pages'])}"
    quote = " ".join(citation["quote"].split())
    return f"[{citation['n']}] {mark} {where}: “{quote[:200]}{'…' if len(quote) > 200 else ''}”"


def memory_line(memory: dict[str, Any]) -> str:
    """How much was read in turns, and what is left of it."""
    kept = len(memory["lines"])
    chunks, evicted = memory["chunks"], memory["evicted"]
    found = f"read in {chunks} part{'s' if chunks != 1 else ''}: {kept} lines remembered"
    return f"{found}, {evicted} let go" if evicted else found


def summary_line(result: dict[str, Any]) -> str:
    """Tokens and seconds."""
    context, timings = result["context"], result["timings"]
    ratio = f" ({context['compression_ratio']}×)" if context["compression_ratio"] else ""
    parts = [f"{context['source_tokens']:,} → {context['tokens']:,} tokens{ratio}"]
    parts += [f"{k.removesuffix('_s').replace('_', ' ')} {v:.1f} s" for k, v in timings.items()]
    if context["left_out"]:
        parts.append(f"left out: {context['left_out']}")
    return " · ".join(parts)
