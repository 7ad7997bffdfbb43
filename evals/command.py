"""What ``python -m evals run`` does: settings, models, one task after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.settings import Settings, load_settings
from app.stopping import stoppable
from app.terminal import Bars, write
from documents import DocumentStore
from documents.errors import SettingsError
from evals import smoke, subset
from evals.methods import NAMES, Methods
from evals.rescore import rescore
from evals.runner import Limit, Plan, Runner
from evals.samples import Setup, Task
from evals.tasks import all_tasks, chosen
from policy import Reasoner


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, typed."""

    methods: Sequence[str]
    budgets: Sequence[int]
    thresholds: Sequence[float]
    profile: str
    reasoner: str
    answer: bool
    lengths: tuple[int, ...]
    limit: int | None
    seed: int
    out: Path
    resume: bool
    data: Path
    answer_tokens: int | None = None


Size = Callable[[Task], tuple[int | None, tuple[int, ...]]]
"""A task's samples a group, and how long they are where they are generated."""


def run_tasks(names: Sequence[str], options: Options) -> None:
    """Run every task; records go to ``options.out/records.jsonl``. Raises `LongdocError`s.

    ``smoke`` among the names: the others, or every task where there are none, over tiny data.
    ``subset``: `evals.subset`'s tasks."""
    if smoke.NAME in names:
        named = [name for name in names if name != smoke.NAME]
        tasks = chosen(named) if named else list(all_tasks().values())
        with tempfile.TemporaryDirectory(prefix="longdoc-smoke-") as folder:
            smoke.make_data(Path(folder))
            _run(tasks, _for_smoke(options, Path(folder)), lambda task: (1, smoke.lengths(task)))
    elif list(names) == [subset.NAME]:
        _run(subset.tasks(), options, subset.size)
    else:
        _run(chosen(names), options, lambda _: (options.limit, options.lengths))


def _for_smoke(options: Options, data: Path) -> Options:
    return replace(
        options,
        budgets=smoke.BUDGETS,
        reasoner=options.reasoner or smoke.REASONER,
        data=data,
        answer_tokens=smoke.ANSWER_TOKENS,
    )


def _run(tasks: Sequence[Task], options: Options, size: Size) -> None:
    settings = _settings(options)
    reasoner = Reasoner(settings.reasoner)
    store = DocumentStore(settings.home)
    runner = Runner(
        options.out / "records.jsonl", reasoner, resume=options.resume, settings=settings
    )
    setup = Setup(
        data=options.data,
        read=store.ingest,
        count=reasoner.count,
        seed=options.seed,
    )
    with (
        stoppable() as cancelled,
        Bars() as bars,
        tempfile.TemporaryDirectory(prefix="longdoc-evals-") as scratch,
    ):
        methods = Methods(settings, reasoner, Path(scratch))
        plan = Plan(
            methods=[methods.get(name) for name in options.methods],
            limits=_limits(options),
            answer=options.answer,
            seed=options.seed,
            settings_hash=settings.hash,
            answer_tokens=options.answer_tokens,
        )
        for task in tasks:
            limit, lengths = size(task)
            its = replace(setup, limit=limit, lengths=lengths)
            written = runner.run(task, its, plan, bars, cancelled)
            bars.hide()
            write(f"{task.name}: {written} records")


def _settings(options: Options) -> Settings:
    unknown = [name for name in options.methods if name not in NAMES]
    if unknown:
        raise SettingsError(
            f"There is no method {unknown[0]!r}.", f"Choose of: {', '.join(NAMES)}."
        )
    settings = load_settings(options.profile)
    if not options.reasoner:
        return settings
    field = "url" if options.reasoner.startswith(("http://", "https://")) else "model"
    chosen_one = replace(settings.reasoner, **{field: options.reasoner})  # type: ignore[arg-type]
    return settings.model_copy(update={"reasoner": chosen_one})


def _limits(options: Options) -> list[Limit]:
    budgets = [Limit(budget=value) for value in options.budgets]
    return budgets + [Limit(threshold=value) for value in options.thresholds]


def rescore_records(
    records: Path, to: Path, *, limit: int | None, lengths: tuple[int, ...], seed: int, data: Path
) -> None:
    """`evals.rescore` under the settings in force; says on stdout what changed."""
    settings = load_settings()
    setup = Setup(
        data=data,
        read=DocumentStore(settings.home).ingest,
        count=Reasoner(settings.reasoner).count,
        limit=limit,
        seed=seed,
        lengths=lengths,
    )
    found = rescore(records, to, setup)
    write(f"{found.records} records, {found.scored} scored anew, {found.changed} of them changed")
