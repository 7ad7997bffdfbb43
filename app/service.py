"""What every front end calls: ingest documents, select context, answer questions as runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import CONCURRENT, ContextStrategy, Deps, Notes, State, build_graph, first_of, reached
from agent.memory import build_memory_graph
from agent.strategies.cprs import Cprs
from agent.strategies.full import Full
from agent.strategies.rag import Rag
from app import caching
from app.beginning import begin
from app.checkpoints import checkpoints, prune
from app.present import head_json, run_json
from app.questions import Job, Question, job_of
from app.runs import RunLog, new_id
from app.settings import Settings
from app.stopping import Polled, ended
from app.watch import UNWATCHED, Watch
from compressor import Compressor
from documents import Document, DocumentStore, IsCancelled, Progress
from documents.errors import (
    Cancelled,
    LongdocError,
    QuestionError,
    RunError,
    SettingsError,
    StorageError,
    unexpected,
)
from documents.progress import never_cancelled, no_progress
from policy import Reasoner
from retrieval import Retriever

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.cache.base import BaseCache

    from agent import Emit

__all__ = ["UNWATCHED", "Question", "Service", "Watch"]

logger = logging.getLogger("longdoc")


class Service:
    """The library and the agent of one person's data folder. Models load on first use and stay."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = DocumentStore(settings.home)
        self.log = RunLog(settings.home / "runs.sqlite")
        self._stops: dict[str, threading.Event] = {}
        self._turn = threading.Lock()
        self.store.on_delete += [
            self.retriever.delete,
            self.compressor.forget,
            lambda _: caching.clear(settings.home),
        ]

    @cached_property
    def reasoner(self) -> Reasoner:
        """The reasoning model's client; nothing starts before the first question."""
        return Reasoner(self.settings.reasoner)

    @cached_property
    def retriever(self) -> Retriever:
        """The RAG baseline."""
        return Retriever(self.settings.retrieval, self.settings.home)

    @cached_property
    def compressor(self) -> Compressor:
        """CPRS, with what it keeps of documents between questions."""
        return Compressor(self.settings.compressor, cache=self.settings.home / "vectors")

    @cached_property
    def strategies(self) -> dict[str, ContextStrategy]:
        """The strategy table."""
        count = self.reasoner.count
        return {
            "cprs": Cprs(self.compressor, count),
            "rag": Rag(self.retriever, count),
            "full": Full(count),
        }

    @cached_property
    def _found(self) -> BaseCache[Any]:
        """What searches found before."""
        return caching.opened(self.settings.home)

    def ingest(
        self,
        paths: Iterable[Path],
        *,
        password: str | None = None,
        watch: Watch = UNWATCHED,
    ) -> list[Document]:
        """Read files into the library; the same bytes are read once."""
        return [
            self.store.ingest(
                path, password=password, progress=watch.progress, cancelled=watch.cancelled
            )
            for path in paths
        ]

    def ready(self, document: Document, *, watch: Watch = UNWATCHED) -> None:
        """Make now what no question about the document changes, so that the first is answered as
        fast as later ones. Nothing is left of one that is deleted meanwhile. Raises `ModelError`
        where a model is not here, and `Cancelled`."""

        def gone() -> bool:
            return watch.cancelled() or not self.store.holds(document.id)

        try:
            self.compressor.ready(document, progress=watch.progress, cancelled=gone)
        finally:
            if not self.store.holds(document.id):
                self.compressor.forget(document.id)

    def delete(self, identity: str) -> None:
        """Delete a document with all that was made from it: vectors, images, and the runs over
        it, whose answers quote it."""
        document = self.store.info(identity).id
        self.log.forget(document)
        prune(self.settings.home, self.log)
        self.store.delete(document)
        self.compressor.forget(document)  # again: it may have been made ready until now

    def run(
        self,
        question: Question,
        *,
        answer: bool = True,
        watch: Watch = UNWATCHED,
        read_s: float = 0.0,
        rerun_of: str | None = None,
    ) -> dict[str, Any]:
        """Answer a question (or only select its context) and return the record of `run_json`.
        Every event is in the run log before anybody hears it. Raises `LongdocError`s."""
        self.check(question)
        return self._execute(self._create(question, answer, read_s, rerun_of), watch)

    def resume(self, run: str, *, force: bool = False, watch: Watch = UNWATCHED) -> dict[str, Any]:
        """Go on with a run that broke off, at its first node that is not finished. Raises
        `RunError` where there is nothing to go on with, and `SettingsError` where the settings are
        not those it was started with, unless forced."""
        self.log.named(run)
        if not self.log.claims.take(run):
            raise RunError(f"Run {run} is being worked on.", f"Wait for it, or: longdoc stop {run}")
        try:
            return self._execute(self._broken_off(run, force), watch)
        finally:
            self.log.claims.drop(run)

    def rerun(
        self, run: str, *, strategy: str = "", budget: int | None = None, watch: Watch = UNWATCHED
    ) -> dict[str, Any]:
        """Ask a run's question again, as a new run under the settings in force."""
        job = job_of(self.log.named(run))
        question = replace(
            job.question,
            strategy=strategy or job.question.strategy,
            budget=budget or job.question.budget,
        )
        return self.run(question, answer=job.answer, watch=watch, rerun_of=run)

    def start(self, questions: Sequence[Question]) -> list[str]:
        """Answer in the background, one after the other, so that none slows another down; watch
        `log.events` by the ids returned. Raises `QuestionError` before anything starts."""
        for question in questions:
            self.check(question)
        jobs = self._created(questions)
        self._stops.update({job.run: threading.Event() for job in jobs})
        begun: list[threading.Thread] = []
        for job in jobs:
            args = (replace(job, after=tuple(begun)),)
            begun.append(threading.Thread(target=self._aside, args=args, daemon=True))
            begun[-1].start()
        return [job.run for job in jobs]

    def works_on(self, run: str) -> bool:
        """Whether this process, or another, still has the run to do, or is at it."""
        return run in self._stops or self.log.status(run) == "running"

    def stop(self, run: str) -> None:
        """Ask a run to stop, wherever it is worked on."""
        if (stop := self._stops.get(run)) is not None:
            stop.set()
        else:
            self.log.ask_stop(run)

    def compare(
        self, question: Question, strategies: Sequence[str], **options: Any
    ) -> dict[str, Any]:
        """The same question by several strategies; a failed one is an object with ``error``."""
        results: dict[str, Any] = {}
        for name in strategies:
            try:
                results[name] = self.run(replace(question, strategy=name), **options)
            except Cancelled:
                raise
            except LongdocError as error:
                results[name] = {"error": error.message, "hint": error.hint}
        return {"schema": 1, "question": question.text, "strategies": results}

    def check(self, question: Question) -> None:
        """Raise `QuestionError` where a question is empty or too long."""
        if not question.text.strip():
            raise QuestionError("The question is empty.", "Ask something about the documents.")
        if question.mode == "memory" and question.strategy != "cprs":
            raise QuestionError(
                f"In memory mode {question.strategy!r} has nothing to choose.",
                "Leave the strategy out, or name cprs: it ranks what is read.",
            )
        limit = self.reasoner.context_tokens // 2
        if len(question.text) > limit and self.reasoner.count(question.text) > limit:
            raise QuestionError(
                f"The question is longer than half of the model's context ({limit} tokens).",
                "Shorten it, and give long texts as documents.",
            )

    def _create(
        self,
        question: Question,
        answer: bool = True,
        read_s: float = 0.0,
        rerun_of: str | None = None,
    ) -> Job:
        job = Job(new_id(), question, answer, read_s)
        self.log.claims.take(job.run)
        try:
            self.log.create(
                question.text,
                question.strategy,
                list(question.documents),
                self.settings.hash,
                run=job.run,
                asked=job.asked(),
                rerun_of=rerun_of,
                thread=question.thread,
                turn=question.turn,
                follow_up=question.follow_up,
            )
        except StorageError:
            self.log.claims.drop(job.run)
            raise
        return job

    def _created(self, questions: Sequence[Question]) -> list[Job]:
        """Jobs for all of the questions, or no claim that nobody works on."""
        jobs: list[Job] = []
        try:
            jobs.extend(self._create(question) for question in questions)
        except StorageError:
            for job in jobs:
                self.log.claims.drop(job.run)
            raise
        return jobs

    def _aside(self, job: Job) -> None:
        """What a thread does for one of the runs that were started together."""
        try:
            self._execute(job, Watch(None, self.log.progress(job.run), self._stops[job.run].is_set))
        except LongdocError:
            return  # the log holds it
        except Exception as error:
            logger.exception("run %s", job.run)
            self.log.append(job.run, "failed", {"error": unexpected(error), "hint": ""})
        finally:
            self._stops.pop(job.run, None)

    def _broken_off(self, run: str, force: bool) -> Job:
        found = self.log.named(run)
        if found.status == "done":
            raise RunError(
                f"Run {run} is finished.",
                f"See it: longdoc export {run}. Ask it again: longdoc rerun {run}",
            )
        if found.settings != self.settings.hash and not force:
            raise SettingsError(
                f"Run {run} was started with other settings (hash {found.settings}, now "
                f"{self.settings.hash}).",
                "Give the profile and the settings of then; or go on with those of now: "
                f"longdoc resume {run} --force",
            )
        return replace(job_of(found), earlier_s=self.log.worked_s(run), resumed=True)

    def _execute(self, job: Job, watch: Watch) -> dict[str, Any]:
        """Work on a run whose claim is held, and drop the claim."""
        try:
            return self._work(job, watch)
        finally:
            self.log.claims.drop(job.run)

    def _work(self, job: Job, watch: Watch) -> dict[str, Any]:
        run, question = job.run, job.question

        def record(kind: str, data: dict[str, Any]) -> None:
            self.log.append(run, kind, data)
            if watch.emit is not None:
                watch.emit(kind, data)

        cancelled = Polled(watch.cancelled, lambda: self.log.stop_asked(run))
        try:
            for earlier in job.after:
                ended(earlier, cancelled)
            started = time.monotonic() - job.read_s - job.earlier_s
            documents = {key: self.store.get(key) for key in question.documents}
            deps = self.deps(documents, self.log.notes(run), record, watch.progress, cancelled)
            state = self._graph_run(job, deps)
        except LongdocError as error:
            kind = "stopped" if isinstance(error, Cancelled) else "failed"
            record(kind, {"error": error.message, "hint": error.hint})
            raise
        timings = {"read_s": job.read_s, "select_s": state["select_s"]}
        if job.answer:
            timings["first_token_s"] = state["first_token_s"]
        timings["total_s"] = time.monotonic() - started
        head = head_json(self.log.named(run), question.mode, state, documents)
        result = run_json(head, state, documents, self.log.notes(run))
        result["timings"] = {key: round(value, 3) for key, value in timings.items()}
        if job.answer:
            result["model"] = self.reasoner.model
        result["settings_hash"] = self.settings.hash
        record("done", result)
        prune(self.settings.home, self.log)
        return result

    def _graph_run(self, job: Job, deps: Deps) -> State:
        with checkpoints(self.settings.home) as saver:
            graph = (
                build_memory_graph(saver, answer=job.answer)
                if job.question.mode == "memory"
                else build_graph(
                    saver,
                    answer=job.answer,
                    cache=self._found,
                    settings=caching.fingerprint(self.settings),
                )
            )
            config: RunnableConfig = {
                "configurable": {"thread_id": job.run},
                "max_concurrency": CONCURRENT,
            }
            node = "start"
            if job.resumed:
                node, state = reached(graph, config)
                at = {"node": first_of(graph) if node == "start" else node}
                deps.emit("resumed", {**at, "settings_hash": self.settings.hash})
                if node == "end":
                    return state
            first = None
            if node == "start":
                first = begin(job.question, deps.notes, self.settings, self.reasoner)
            # sync: a node's outcome is on the disk before the next one starts
            return graph.invoke(  # type: ignore[return-value]  # typed as a plain dict
                first, config, context=deps, durability="sync"
            )

    def deps(
        self,
        documents: dict[str, Document],
        notes: Notes,
        emit: Emit,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> Deps:
        """What the graph works with."""
        return Deps(
            documents=documents,
            strategies=self.strategies,
            reasoner=lambda: self.reasoner,
            notes=notes,
            emit=emit,
            progress=progress,
            cancelled=cancelled,
            least_score=self.settings.least_score,
            arithmetic=self.settings.arithmetic,
            plan=self.settings.plan,
            max_rounds=self.settings.max_rounds,
            repairs=self.settings.repairs,
            turn=self._turn,
            step_s=self.settings.step_timeout_s,
        )
