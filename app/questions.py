"""A question as it is asked, and as a run keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Thread
from typing import Any

from app.runs import Run


@dataclass(frozen=True, slots=True)
class Question:
    """A question over documents, and how to look for its answer. ``budget`` None: the setting's
    (for ``full``: what the reasoner's context holds). ``mode``: "select", evidence by the strategy,
    or "memory", everything read in turns by the reasoner while the strategy, cprs, ranks.
    ``thread``, ``turn`` and ``follow_up`` are those of `Run`: without a thread it opens one,
    without a turn it is the thread's next."""

    text: str
    documents: tuple[str, ...]
    strategy: str = "cprs"
    budget: int | None = None
    looking_for: str = ""
    granularity: str = "sentence"
    mode: str = "select"
    thread: str = ""
    turn: int = 0
    follow_up: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A run to be worked on. With ``answer`` off only its context is selected; ``read_s`` went by
    in reading, ``earlier_s`` in work on it before it broke off; it waits for threads ``after``
    which it is to be worked on."""

    run: str
    question: Question
    answer: bool
    read_s: float = 0.0
    earlier_s: float = 0.0
    resumed: bool = False
    after: tuple[Thread, ...] = ()

    def asked(self) -> dict[str, Any]:
        """What a run keeps beside text, documents and strategy; `job_of` reads it."""
        return {
            "budget": self.question.budget,
            "looking_for": self.question.looking_for,
            "granularity": self.question.granularity,
            "mode": self.question.mode,
            "answer": self.answer,
            "read_s": self.read_s,
        }


def job_of(run: Run) -> Job:
    """The job that a run was created for."""
    rest = dict(run.asked)
    answer, read_s = rest.pop("answer", True), rest.pop("read_s", 0.0)
    question = Question(
        run.question,
        run.documents,
        run.strategy,
        thread=run.thread,
        turn=run.turn,
        follow_up=run.follow_up,
        **rest,
    )
    return Job(run.id, question, answer, read_s)
