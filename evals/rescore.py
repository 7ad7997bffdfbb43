"""Score records anew where a measure has changed: nothing is chosen or asked again.

A record keeps its evidence, and samples are drawn by seed, so that its context can be rebuilt. A
record is left as it is where a context of other length comes out (another version rendered it, or
the method wrote its own text), and where its sample is not drawn. An answer stays, and what longdoc
made of its citations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.context import arrange, render
from app.results import Record, read_records
from documents import Evidence, Span
from documents.storage import write_file
from evals.runner import scored
from evals.samples import Outcome, Sample, Setup, Task
from evals.tasks import all_tasks


@dataclass(frozen=True, slots=True)
class Rescored:
    """How many records there were, how many could be scored again, and how many now say else."""

    records: int
    scored: int
    changed: int


def rescore(path: Path, to: Path, setup: Setup) -> Rescored:
    """Read ``path``, write ``to`` in the same order. ``setup`` draws the samples as the run's did.
    Raises `DataError` where records or data cannot be read."""
    records = list(read_records(path))
    anew = {
        record.key: record
        for task in _tasks(records)
        for record in _scored(task, [r for r in records if r.task == task.name], setup)
    }
    written = [anew.get(record.key, record) for record in records]
    write_file(to, "".join(f"{record.line()}\n" for record in written).encode())
    changed = sum(old.scores != new.scores for old, new in zip(records, written, strict=True))
    return Rescored(len(records), len(anew), changed)


def _tasks(records: Sequence[Record]) -> list[Task]:
    named = {record.task for record in records}
    return [task for name, task in all_tasks().items() if name in named]


def _scored(task: Task, records: Sequence[Record], setup: Setup) -> Iterator[Record]:
    by_sample: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if not record.error:
            by_sample[record.sample].append(record)
    for sample in task.samples(setup):
        for record in by_sample.get(sample.id, ()):
            if (outcome := _outcome(record, sample, setup)) is not None:
                yield replace(record, scores=scored(task, sample, outcome))


def _outcome(record: Record, sample: Sample, setup: Setup) -> Outcome | None:
    """The context as it was, or None where it comes out otherwise."""
    documents = {document.id: document for document in sample.documents}
    if any(identity not in documents for identity, _, _ in record.evidence):
        return None
    chosen = arrange([Evidence(Span(*each), 0.0) for each in record.evidence], documents)
    text = render(chosen, documents)
    tokens = setup.count(text) if text else 0
    if tokens != record.context_tokens:
        return None
    return Outcome(
        tuple(each.span for each in chosen),
        text,
        tokens,
        answer=record.answer,
        verdict=record.verdict,
        cited=tuple(Span(key, start, end) for key, start, end, _ in record.cited),
        verified=tuple(holds for *_, holds in record.cited),
    )
