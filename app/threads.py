"""Threads: questions that follow on each other. A run opens a thread or goes on with one; of a
thread, what was asked and what was verified is the memory that a follow-up is rewritten from."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from agent.conversation import Standalone, Turn, standalone
from app.questions import Question
from app.runs import Run, RunLog
from documents import IsCancelled
from documents.errors import UnknownRunError
from documents.progress import never_cancelled

if TYPE_CHECKING:
    from app.service import Service

LAST = "last"


def thread_named(log: RunLog, name: str) -> str:
    """The id of the thread that a run of this id is in; ``last``: of the newest run. Raises
    `UnknownRunError`."""
    if log.thread(name):
        return name
    if name != LAST:
        return log.named(name).thread
    runs = log.all()
    if not runs:
        raise UnknownRunError("There is no thread yet.", "Ask a first question without --thread.")
    return runs[0].thread


def memory(log: RunLog, thread: str, until: int = 0) -> list[Turn]:
    """The thread's questions, as they were last put, with the answers whose citations hold; those
    after turn ``until``, if given, are left out."""
    turns = groupby(log.thread(thread), lambda run: run.turn)
    return [_turn(log, list(runs)) for turn, runs in turns if not until or turn <= until]


def documents_of(log: RunLog, thread: str) -> tuple[str, ...]:
    """The documents of the thread's last question."""
    runs = log.thread(thread)
    return runs[-1].documents if runs else ()


def following(
    service: Service,
    question: Question,
    *,
    as_is: bool = False,
    until: int = 0,
    cancelled: IsCancelled = never_cancelled,
) -> tuple[Question, Standalone]:
    """A follow-up in its thread as it is to be put, and how it came to be that; with ``as_is`` it
    is put as it was typed. ``until`` is the turn that it follows. Raises `Cancelled`."""
    if as_is:
        return question, Standalone(question.text)
    turns = memory(service.log, question.thread, until)
    found = standalone(question.text, turns, lambda: service.reasoner, cancelled)
    if found.by == "asked":
        return question, found
    return replace(question, text=found.text, follow_up=question.text), found


def _turn(log: RunLog, runs: list[Run]) -> Turn:
    question = runs[-1].question
    for run in runs:
        if run.question == question and run.status == "done":
            *_, done = log.events(run.id)
            if done.data.get("verdict") == "answered":
                return Turn(question, done.data["answer"])
    return Turn(question)
