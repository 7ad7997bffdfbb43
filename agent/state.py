"""What a run of the graph works with, and what a checkpoint of it holds.

State holds ids, offsets and hashes, never text: LangGraph writes the whole state at each step.
Texts go to `Notes`, a content-addressed store that the caller provides.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TypedDict, cast

from agent import computing
from agent.gathering import Found
from agent.planning import Plan, PlannedBy, unpacked
from agent.values import (
    Answer,
    Citation,
    CitedBy,
    Computed,
    ContextStrategy,
    Usage,
    Verdict,
)
from documents import Document, Evidence, IsCancelled, Progress, Span
from policy import Reasoner
from policy import Usage as PolicyUsage


class Notes(Protocol):
    """Keeps texts by their hash, outside the checkpoints."""

    def put(self, text: str) -> str:
        """Keep a text; its key."""
        ...

    def get(self, key: str) -> str:
        """The text kept under a key."""
        ...


Emit = Callable[[str, dict[str, Any]], None]
"""``emit(kind, data)``: one event of the run. Kinds: plan, so_far, gathered, read, context,
reasoning, draft (an answer that may not be the last), round, answer, computed, marked (the answer
with its citation marks put right), checked, repair, retried."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What a run works with; handed to the graph as its context, never checkpointed.
    Evidence whose best score is under ``least_score`` answers nothing. ``arithmetic``: what a
    question asks to be computed is computed here, too. ``plan``: who makes the plan.
    ``max_rounds``: how often evidence is looked for. ``repairs``: how often a contradiction goes
    back to the reasoner. ``turn``: held by the one search that is at
    work (critics and embedders take all of a processor). ``step_s``: seconds a step may take.
    ``answer_tokens``: the most that an answer may have, where not the reasoner's own setting."""

    documents: Mapping[str, Document]
    strategies: Mapping[str, ContextStrategy]
    reasoner: Callable[[], Reasoner]
    notes: Notes
    emit: Emit
    progress: Progress
    cancelled: IsCancelled
    least_score: float = 0.0
    arithmetic: bool = True
    plan: PlannedBy = "off"
    max_rounds: int = 1
    repairs: int = 1
    turn: threading.Lock = field(default_factory=threading.Lock)
    step_s: float = 0.0
    answer_tokens: int | None = None


class State(TypedDict, total=False):
    """What a checkpoint holds. ``evidence`` rows are document id, start, end, score; ``citations``
    rows n, document id, start, end, verified, by; question, texts, ``plan``, ``follow_ups``,
    ``noted`` (what a reader wrote down, shown over the evidence), ``computed``, ``marked`` (the
    answer with its citation marks put right, where they were not) and ``unsupported`` are keys of
    `Notes`. ``errands`` rows are what is still to be searched: a question's key and
    places in ``documents``; ``found`` is their outcome until it is assembled. ``coverage`` has a
    row a document: pieces found, pieces kept, tokens kept. ``contradicted`` claims may go back to
    the reasoner, and so may an answer that ``refused`` to discuss what the documents speak of;
    ``repairs`` counts how often one did. ``ruled``: the answer is longdoc's, by rows
    of the documents side by side; the key of what they are compared by, and the places in
    ``documents`` of those whose row was not found."""

    question: str
    looking_for: str
    granularity: str
    strategy: str
    budget: int
    documents: list[str]
    plan: str
    errands: list[tuple[str, list[int]]]
    found: Annotated[dict[str, Found], operator.or_]
    round: int
    follow_ups: list[str]
    evidence: list[tuple[str, int, int, float]]
    coverage: list[tuple[int, int, int]]
    context_tokens: int
    source_tokens: int
    left_out: str
    noted: str
    answer: str
    reasoning: str
    usage: tuple[int, int]
    select_s: float
    first_token_s: float
    citations: list[tuple[int, str, int, int, bool, CitedBy]]
    unknown: list[int]
    withheld: int
    ruled: tuple[str, list[int]] | None
    computed: str
    verdict: Verdict | None
    unsupported: str
    marked: str
    contradicted: int
    refused: bool
    repairs: int


def calibrated(state: State, deps: Deps) -> bool:
    """Whether the scores of the run's evidence are probabilities."""
    strategy = deps.strategies.get(state.get("strategy", ""))
    return strategy is not None and strategy.calibrated


def evidence_of(state: State) -> list[Evidence]:
    """The evidence that a state names, in document order: number n is entry n - 1."""
    return [Evidence(Span(key, start, end), score) for key, start, end, score in state["evidence"]]


def plan_of(state: State, notes: Notes) -> Plan:
    """The run's plan."""
    return unpacked(notes.get(state["plan"]))


def computed_of(state: State, notes: Notes) -> tuple[Computed, ...]:
    """What was computed, if anything."""
    key = state.get("computed", "")
    return (computing.unpacked(notes.get(key)),) if key else ()


def answer_of(state: State, notes: Notes) -> Answer:
    """The answer that a finished run's state names."""
    keys = state.get("marked") or state.get("answer", ""), state.get("reasoning", "")
    unheld = state.get("unsupported", "")
    text, reasoning = (notes.get(key) if key else "" for key in keys)
    citations = tuple(
        Citation(n, Span(key, start, end), verified, by=by)
        for n, key, start, end, verified, by in state.get("citations", [])
    )
    return Answer(
        text=text or "The documents do not say.",
        reasoning=reasoning,
        citations=citations,
        verdict=cast("Verdict", state["verdict"]),
        usage=Usage(*state.get("usage", (0, 0))),
        unknown=tuple(state.get("unknown", [])),
        computed=computed_of(state, notes),
        unsupported=tuple(notes.get(unheld).splitlines()) if unheld else (),
    )


def spent(state: State, *more: PolicyUsage) -> tuple[int, int]:
    """The run's tokens so far with those of further calls."""
    before = state.get("usage", (0, 0))
    return (
        before[0] + sum(one.prompt_tokens for one in more),
        before[1] + sum(one.completion_tokens for one in more),
    )
