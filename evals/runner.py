"""Runs methods over a task's samples and writes a record for each, at once and whole.

A record is appended as soon as it is there; a run that was stopped, or killed, goes on with
what is missing. One sample is in memory at a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path

from agent import Answer, Context
from agent.context import arrange, fill, render
from app.beginning import PROMPT_TOKENS
from app.results import Record, read_records
from app.settings import Settings, load_settings
from documents import Evidence, IsCancelled, Progress
from documents.errors import Cancelled, LongdocError, SettingsError
from documents.progress import check, never_cancelled, no_progress
from documents.storage import drop_cut_line
from evals import provenance
from evals.answering import Agent, Ran
from evals.methods import Method
from evals.metrics.evidence import evidence_kept
from evals.samples import Outcome, Sample, Scores, Setup, Task
from policy import Reasoner


@dataclass(frozen=True, slots=True)
class Limit:
    """How much context: a token budget, or (budget 0) everything that scores a threshold.
    A budget of -1 is all that the reasoner's window holds."""

    budget: int = 0
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. ``answer`` asks the reasoner; without it only contexts are chosen.
    ``answer_tokens``: the most that an answer may have, whatever the task asks for."""

    methods: Sequence[Method]
    limits: Sequence[Limit]
    answer: bool
    seed: int = 0
    settings_hash: str = ""
    answer_tokens: int | None = None


class Runner:
    """Appends to one file of records."""

    def __init__(
        self, path: Path, reasoner: Reasoner, *, resume: bool, settings: Settings | None = None
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not resume:
            raise SettingsError(
                f"{path} holds records already.", "Add --resume, or choose another --out."
            )
        self.path = path
        self._reasoner = reasoner
        self._agent = Agent(settings or load_settings(), reasoner)
        self._done = {record.key for record in read_records(path)} if path.exists() else set()
        self._commit, self._machine = provenance.commit(), provenance.machine()
        drop_cut_line(path)

    def run(
        self,
        task: Task,
        setup: Setup,
        plan: Plan,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> int:
        """Do what is missing of a task; how many records were written."""
        total = sum(1 for _ in task.samples(setup))
        written = 0
        kept: set[str] = set()
        with self.path.open("a", encoding="utf-8") as stream:
            for number, asked in enumerate(task.samples(setup)):
                progress(task.name, number, total)
                sample = self._shortened(asked, plan)
                ids = {document.id for document in sample.documents}
                _forget(plan.methods, kept - ids)
                kept &= ids
                for method in plan.methods:
                    check(cancelled)
                    for record in self._one(task, sample, method, plan, cancelled):
                        _append(stream, record)
                        written += 1
                        kept |= ids
            _forget(plan.methods, kept)
            progress(task.name, total, total)
        return written

    def _shortened(self, sample: Sample, plan: Plan) -> Sample:
        if plan.answer_tokens is None:
            return sample
        asked = sample.max_answer_tokens or self._reasoner.config.max_answer_tokens
        return replace(sample, max_answer_tokens=min(asked, plan.answer_tokens))

    def _one(
        self, task: Task, sample: Sample, method: Method, plan: Plan, cancelled: IsCancelled
    ) -> Iterator[Record]:
        """The missing records of one sample by one method: ranked once, filled to each limit."""
        blanks = [self._blank(sample, method, limit, plan) for limit in plan.limits]
        missing = [
            (blank, limit)
            for blank, limit in zip(blanks, plan.limits, strict=True)
            if blank.key not in self._done
        ]
        if not missing:
            return
        started = time.monotonic()
        try:
            ranked = method.rank(sample, cancelled)
        except Cancelled:
            raise
        except LongdocError as error:
            yield from (replace(blank, error=error.message) for blank, _ in missing)
            return
        rank_s = time.monotonic() - started
        source = sum(self._reasoner.count(document.text) for document in sample.documents)
        for blank, limit in missing:
            record = replace(blank, source_tokens=source)
            try:
                yield self._record(
                    task, sample, method, record, ranked, limit, plan, rank_s, cancelled
                )
            except Cancelled:
                raise
            except LongdocError as error:
                yield replace(record, error=error.message)

    def _record(  # noqa: PLR0917 - one sample's whole state
        self,
        task: Task,
        sample: Sample,
        method: Method,
        record: Record,
        ranked: Sequence[Evidence],
        limit: Limit,
        plan: Plan,
        rank_s: float,
        cancelled: IsCancelled,
    ) -> Record:
        started = time.monotonic()
        ran, measured = self._ran(sample, method, ranked, limit, plan, cancelled)
        context = ran.context
        spans = tuple(item.span for item in context.evidence)
        outcome = Outcome(spans, context.text, context.tokens)
        record = replace(
            record,
            evidence=tuple((s.document, s.start, s.end) for s in spans),
            context_tokens=context.tokens,
            select_s=round(rank_s + ran.select_s, 4),
            first_token_s=round(ran.first_token_s, 4),
            total_s=round(rank_s + time.monotonic() - started, 4),
        )
        if ran.answer is not None:
            record, outcome = self._answered(record, outcome, ran.answer)
        return replace(record, scores=scored(task, sample, outcome, measured))

    def _ran(  # noqa: PLR0917 - one sample's whole state
        self,
        sample: Sample,
        method: Method,
        ranked: Sequence[Evidence],
        limit: Limit,
        plan: Plan,
        cancelled: IsCancelled,
    ) -> tuple[Ran, Scores]:
        """What the method makes of the sample, and what it measured on the way."""
        if method.run is not None:
            return method.run(
                sample, self._budget(sample, method, limit), plan.answer, cancelled
            ), {}
        started = time.monotonic()
        measured: Scores = {}
        if method.compress is not None:
            made = method.compress(sample, self._budget(sample, method, limit), cancelled)
            context = Context(made.evidence, made.text, self._reasoner.count(made.text), 0)
            measured = made.scores
        else:
            context = self._context(sample, method, ranked, limit)
        ran = Ran(context, select_s=time.monotonic() - started)
        if plan.answer:
            ran = replace(self._agent.answer(sample, context, cancelled), select_s=ran.select_s)
        return ran, measured

    def _context(
        self, sample: Sample, method: Method, ranked: Sequence[Evidence], limit: Limit
    ) -> Context:
        documents = {document.id: document for document in sample.documents}
        if limit.budget:
            budget = self._budget(sample, method, limit)
            chosen, text = fill(
                ranked, documents, budget, self._reasoner.count, cut_last=method.cut_last
            )
        else:
            kept = [item for item in ranked if item.score >= limit.threshold]
            chosen = arrange(kept, documents)
            text = render(chosen, documents)
        return Context(tuple(chosen), text, self._reasoner.count(text) if text else 0, 0)

    def _budget(self, sample: Sample, method: Method, limit: Limit) -> int:
        if not limit.budget:
            raise SettingsError(f"{method.name} knows no thresholds.", "Name a --budget instead.")
        return limit.budget if limit.budget > 0 else self._window(sample)

    def _window(self, sample: Sample) -> int:
        """What the reasoner's context holds beside prompt, question and answer."""
        answer = sample.max_answer_tokens or self._reasoner.config.max_answer_tokens
        answer += self._reasoner.thinking_tokens
        taken = PROMPT_TOKENS + answer + self._reasoner.count(sample.question)
        return max(1, self._reasoner.context_tokens - taken)

    def _answered(self, record: Record, outcome: Outcome, answer: Answer) -> tuple[Record, Outcome]:
        cited = tuple(citation.span for citation in answer.citations)
        verified = tuple(citation.verified for citation in answer.citations)
        record = replace(
            record,
            answer=answer.text,
            verdict=answer.verdict,
            cited=tuple(
                (span.document, span.start, span.end, holds)
                for span, holds in zip(cited, verified, strict=True)
            ),
            prompt_tokens=answer.usage.prompt_tokens,
            completion_tokens=answer.usage.completion_tokens,
        )
        return record, replace(
            outcome, answer=answer.text, verdict=answer.verdict, cited=cited, verified=verified
        )

    def _blank(self, sample: Sample, method: Method, limit: Limit, plan: Plan) -> Record:
        return Record(
            task=sample.task,
            sample=sample.id,
            method=method.name,
            budget=limit.budget,
            threshold=limit.threshold,
            question=sample.question,
            gold=sample.gold.answers,
            tags=dict(sample.tags),
            seed=plan.seed,
            reasoner=self._reasoner.model if plan.answer else "",
            settings_hash=plan.settings_hash,
            commit=self._commit,
            machine=self._machine,
        )


def scored(task: Task, sample: Sample, outcome: Outcome, measured: Scores | None = None) -> Scores:
    """The scores of a record: evidence kept, the task's own, and what was ``measured`` besides."""
    documents = {document.id: document for document in sample.documents}
    scores = evidence_kept(sample.gold, outcome.evidence, documents)
    scores |= task.score(sample, outcome) | (measured or {})
    return {name: round(float(value), 6) for name, value in scores.items()}


def _forget(methods: Sequence[Method], documents: Iterable[str]) -> None:
    """Drop what was kept about documents, once the next sample does not have them."""
    for method in methods:
        if method.forget is not None:
            for document in documents:
                method.forget(document)


def _append(stream: TextIOWrapper, record: Record) -> None:
    stream.write(record.line() + "\n")
    stream.flush()
    os.fsync(stream.fileno())
