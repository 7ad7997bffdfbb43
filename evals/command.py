"""What ``python -m evals run`` does: settings, models, one task after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.settings import Settings, load_settings
from app.stopping import stoppable
from app.terminal import Bars, write
from documents import DocumentStore
from documents.errors import SettingsError
from evals.methods import NAMES, Methods
from evals.runner import Limit, Plan, Runner
from evals.samples import Setup
from evals.tasks import chosen
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


def run_tasks(names: Sequence[str], options: Options) -> None:
    """Run every task; records go to ``options.out/records.jsonl``. Raises `LongdocError`s."""
    tasks = chosen(names)
    settings = _settings(options)
    reasoner = Reasoner(settings.reasoner)
    store = DocumentStore(settings.home)
    runner = Runner(options.out / "records.jsonl", reasoner, resume=options.resume)
    setup = Setup(
        data=options.data,
        read=store.ingest,
        count=reasoner.count,
        limit=options.limit,
        seed=options.seed,
        lengths=options.lengths,
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
        )
        for task in tasks:
            written = runner.run(task, setup, plan, bars, cancelled)
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
    if options.thresholds:
        return [Limit(threshold=value) for value in options.thresholds]
    return [Limit(budget=value) for value in options.budgets]
