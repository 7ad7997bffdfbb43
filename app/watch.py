"""Who watches a run, and what they see of it: the log's events, folded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.runs import ENDS, Event
from documents import IsCancelled, Progress
from documents.progress import never_cancelled, no_progress

if TYPE_CHECKING:
    from agent import Emit

SEARCHING = ("plan", "gather", "assemble", "cut", "read", "note", "recall")
"""The nodes before a context is there."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on while work is done: hears the events and the progress, and may stop it."""

    emit: Emit | None = None
    progress: Progress = no_progress
    cancelled: IsCancelled = never_cancelled


UNWATCHED = Watch()


@dataclass(slots=True)
class Watched:
    """What has come so far. ``seq`` is the last event taken in; ``result`` is the record of
    `app.present.run_json` once the run is done; ``stage``, ``done`` and ``total`` say what it is
    at, and are empty while text streams; ``draft`` is an answer that may not be the last,
    ``missing`` what is looked for since the last draft; ``so_far`` the spans (document, start, end)
    that a search holds best while it is at work; ``reasoned`` is the answer before anything
    computed."""

    seq: int = 0
    status: str = "running"
    stage: str = ""
    done: int = 0
    total: int = 0
    passages: int | None = None
    tokens: int = 0
    reasoning: str = ""
    draft: str = ""
    missing: str = ""
    so_far: list[tuple[str, int, int]] = field(default_factory=list)
    answer: str = ""
    reasoned: str | None = None
    error: str = ""
    hint: str = ""
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDS

    def take(self, events: Iterable[Event]) -> None:
        """Fold in events, which come in order."""
        for event in events:
            self.seq = event.seq
            self._take(event.kind, event.data)

    def _take(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "progress":
            self.stage, self.done, self.total = data["stage"], data["done"], data["total"]
        elif kind == "so_far":
            self.so_far = [(row[0], row[1], row[2]) for row in data["spans"]]
        elif kind == "context":
            self.so_far = []
            self.passages, self.tokens = len(data["evidence"]), data["context_tokens"]
            self.stage = ""
        elif kind == "reasoning":
            self.reasoning += data["text"]
            self.stage = ""
        elif kind == "draft":
            self.draft += data["text"]
            self.stage = ""
        elif kind == "round":
            self._again(data["missing"])
        elif kind == "computed":
            self.reasoned = self.answer
        elif kind == "answer":
            self.answer += data["text"]
            self.stage = ""
        elif kind in ("repair", "marked"):
            self.answer = data["text"]  # what stands now, whether it was changed or not
        elif kind in ("resumed", "retried"):
            self._go_on(data["node"])
        elif kind in ENDS:
            self.status = kind
            self.error, self.hint = data.get("error", ""), data.get("hint", "")
            self.result = data if kind == "done" else {}

    def _again(self, missing: str) -> None:
        """Another round: nothing that the last one said is the answer."""
        self.reasoning, self.draft, self.answer = "", "", ""
        self.passages, self.tokens, self.missing = None, 0, missing

    def _go_on(self, node: str) -> None:
        """The run goes on at a node: what that node, or one after it, had said is said again."""
        self.status, self.error, self.hint = "running", "", ""
        self.stage, self.done, self.total = "", 0, 0
        self.so_far = []
        if node in (*SEARCHING, "reason"):
            self.reasoning, self.draft, self.answer = "", "", ""
        elif node == "judge" and self.draft:
            self.answer = ""
        elif node == "compute" and self.reasoned is not None:
            self.answer = self.reasoned
        self.reasoned = self.reasoned if node == "verify" else None
        if node in SEARCHING:
            self.passages, self.tokens = None, 0
