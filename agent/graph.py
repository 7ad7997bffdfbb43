"""The graph: select → reason → compute → verify.

State holds ids, offsets and hashes, never text: LangGraph writes the whole state at each step.
Texts go to `Notes`, a content-addressed store that the caller provides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agent import computing
from agent.absence import WITHHELD, Gate, absence_text, absent, best_score, frame
from agent.citations import cite
from agent.context import render
from agent.values import (
    Answer,
    Citation,
    CitedBy,
    Computed,
    ContextStrategy,
    Request,
    Usage,
    Verdict,
)
from documents import Document, Evidence, IsCancelled, Progress, Span
from documents.errors import ExpressionError, ReasonerError
from documents.progress import check
from policy import Delta, Reasoner, answer_messages, parse_answer
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
"""``emit(kind, data)``: one event of the run. Kinds: read, context, reasoning, answer,
computed, checked."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What a run works with; handed to the graph as its context, never checkpointed.
    Evidence whose best score is under ``least_score`` answers nothing. ``arithmetic``: what a
    question asks to be computed is computed here, too."""

    documents: Mapping[str, Document]
    strategies: Mapping[str, ContextStrategy]
    reasoner: Callable[[], Reasoner]
    notes: Notes
    emit: Emit
    progress: Progress
    cancelled: IsCancelled
    least_score: float = 0.0
    arithmetic: bool = True


class State(TypedDict, total=False):
    """What a checkpoint holds. ``evidence`` rows are document id, start, end, score; ``citations``
    rows n, document id, start, end, verified, by; question, texts, ``noted``
    (what a reader wrote down, shown over the evidence) and ``computed`` are keys of `Notes`."""

    question: str
    looking_for: str
    granularity: str
    strategy: str
    budget: int
    documents: list[str]
    evidence: list[tuple[str, int, int, float]]
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
    computed: str
    verdict: Verdict


def build_graph(
    checkpointer: BaseCheckpointSaver[Any] | None = None, *, answer: bool = True
) -> CompiledStateGraph[State, Deps, State, State]:
    """The compiled graph; with ``answer=False`` it ends once the context is chosen."""
    graph = StateGraph(State, Deps)
    graph.add_node("select", select)
    graph.add_edge(START, "select")
    if answer:
        graph.add_node("reason", reason)
        graph.add_node("verify", verify)
        graph.add_edge("select", "reason")
        graph.add_node("compute", compute)
        graph.add_edge("reason", "compute")
        graph.add_edge("compute", "verify")
        graph.add_edge("verify", END)
    else:
        graph.add_edge("select", END)
    return graph.compile(checkpointer=checkpointer)


def reached(
    graph: CompiledStateGraph[State, Deps, State, State], config: RunnableConfig
) -> tuple[str, State]:
    """Where a run that broke off goes on, by its last checkpoint, and its state there: a node, or
    ``start`` where there is no checkpoint yet, or ``end`` where every node is finished."""
    snapshot = graph.get_state(config)
    state = cast(State, snapshot.values)
    if snapshot.next:
        node = snapshot.next[0]
        return (first_of(graph) if node == START else node), state
    return ("end" if state else "start"), state


def first_of(graph: CompiledStateGraph[State, Deps, State, State]) -> str:
    """The node that a run begins with."""
    return next(target for source, target in graph.builder.edges if source == START)


def select(state: State, runtime: Runtime[Deps]) -> State:
    """Choose the context with the run's strategy."""
    deps = runtime.context
    check(deps.cancelled)
    started = time.monotonic()
    request = Request(
        question=deps.notes.get(state["question"]),
        budget_tokens=state["budget"],
        looking_for=deps.notes.get(state["looking_for"]) if state.get("looking_for") else "",
        granularity=state.get("granularity", "sentence"),  # type: ignore[arg-type]  # a Literal
    )
    documents = tuple(deps.documents[key] for key in state["documents"])
    chosen = deps.strategies[state["strategy"]].select(
        request, documents, deps.progress, deps.cancelled
    )
    check(deps.cancelled)
    rows = [(e.span.document, e.span.start, e.span.end, float(e.score)) for e in chosen.evidence]
    update: State = {
        "evidence": rows,
        "context_tokens": chosen.tokens,
        "source_tokens": chosen.source_tokens,
        "left_out": chosen.left_out,
        "select_s": time.monotonic() - started,
    }
    deps.emit("context", dict(update))
    return update


def reason(state: State, runtime: Runtime[Deps]) -> State:
    """Ask the reasoner, streaming its reasoning and, sentence by sentence, what of its answer is
    founded. It is not asked where the documents do not hold what the question names."""
    deps = runtime.context
    evidence = evidence_of(state)
    if not evidence or best_score(evidence) < deps.least_score:
        return _unasked("")
    question = deps.notes.get(state["question"])
    if missing := absent(question, evidence, deps.documents):
        text = absence_text(missing)
        deps.emit("answer", {"text": text})
        return _unasked(deps.notes.put(text))
    noted = deps.notes.get(state["noted"]) if state.get("noted") else ""
    messages = answer_messages(question, f"{noted}\n\n{render(evidence, deps.documents)}")
    gate = Gate(frame(evidence, deps.documents), question)
    reasoning: list[str] = []
    answer: list[str] = []

    def say(text: str) -> None:
        if text:
            answer.append(text)
            deps.emit("answer", {"text": text})

    usage = PolicyUsage()
    for piece in deps.reasoner().stream(messages, cancelled=deps.cancelled):
        if not isinstance(piece, Delta):
            usage = piece
        elif piece.kind == "answer":
            if not answer:
                gate.hear("".join(reasoning))
            say(gate.feed(piece.text))
        else:
            reasoning.append(piece.text)
            deps.emit("reasoning", {"text": piece.text})
    rest = gate.close()
    if gate.nothing_left and _computes(deps, question):
        rest = rest.removesuffix(WITHHELD)  # said by `compute`, where it has nothing better to say
    say(rest)
    return {
        "answer": deps.notes.put("".join(answer).strip()),
        "reasoning": deps.notes.put("".join(reasoning).strip()),
        "usage": (usage.prompt_tokens, usage.completion_tokens),
        "first_token_s": usage.first_token_s or 0.0,
        "withheld": gate.withheld,
        **({"verdict": "not_in_documents"} if gate.nothing_left else {}),
    }


def _unasked(answer: str) -> State:
    return {
        "answer": answer,
        "reasoning": "",
        "usage": (0, 0),
        "first_token_s": 0.0,
        "verdict": "not_in_documents",
    }


def compute(state: State, runtime: Runtime[Deps]) -> State:
    """Compute what the question asks to be computed, from figures of the evidence, and add one
    sentence that says so. Where that cannot be done the answer stays as it was."""
    deps = runtime.context
    check(deps.cancelled)
    question = deps.notes.get(state["question"])
    text = deps.notes.get(state["answer"]) if state["answer"] else ""
    lost = state.get("verdict") == "not_in_documents"  # the answer itself was held back
    refused = not lost and parse_answer(text).refused
    if not _computes(deps, question) or refused or (lost and not state.get("withheld")):
        return {"computed": ""}
    evidence, used = evidence_of(state), PolicyUsage()
    try:
        said, used = computing.ask(
            question, evidence, deps.documents, deps.reasoner(), deps.cancelled
        )
        done = computing.computed(said, question, evidence, deps.documents)
    except (ExpressionError, ReasonerError) as error:
        deps.emit("computed", {"failed": error.message})
        added, update = (WITHHELD if lost else ""), State(computed="")
    else:
        deps.emit("computed", computing.shown(done))
        added = computing.sentence(done)
        update = State(computed=deps.notes.put(computing.packed(done)))
        if lost:
            update["verdict"] = "partly"
    if added:
        added = f"\n{added}" if text else added
        deps.emit("answer", {"text": added})
        update["answer"] = deps.notes.put(text + added)
    before = state.get("usage", (0, 0))
    update["usage"] = (before[0] + used.prompt_tokens, before[1] + used.completion_tokens)
    return update


def _computes(deps: Deps, question: str) -> bool:
    return deps.arithmetic and computing.asks_for_computation(question)


def verify(state: State, runtime: Runtime[Deps]) -> State:
    """Find and check the quotes, and say whether the documents answer the question."""
    deps = runtime.context
    check(deps.cancelled)
    if state.get("verdict") == "not_in_documents":  # a sentence of our own: it cites nothing
        update: State = {"citations": [], "unknown": []}
        deps.emit("checked", {**update, "verdict": state["verdict"]})
        return update
    text = deps.notes.get(state["answer"]) if state["answer"] else ""
    evidence = evidence_of(state)
    computed = computed_of(state, deps.notes)
    for one in computed:  # its result stands nowhere: its operands are checked instead
        text = text.removesuffix(computing.sentence(one)).rstrip()
    citations, unknown = cite(text, evidence, deps.documents)
    for one in computed:
        citations += tuple(computing.citations(one, evidence, deps.documents))
        text = f"{text}\n{computing.sentence(one)}".strip()
    verdict = verdict_of(text, citations, state.get("withheld", 0))
    update = {
        "citations": [
            (c.n, c.span.document, c.span.start, c.span.end, c.verified, c.by) for c in citations
        ],
        "unknown": list(unknown),
        "verdict": verdict,
    }
    deps.emit("checked", dict(update))
    return update


def evidence_of(state: State) -> list[Evidence]:
    """The evidence that a state names, in document order: number n is entry n - 1."""
    return [Evidence(Span(key, start, end), score) for key, start, end, score in state["evidence"]]


def computed_of(state: State, notes: Notes) -> tuple[Computed, ...]:
    """What was computed, if anything."""
    key = state.get("computed", "")
    return (computing.unpacked(notes.get(key)),) if key else ()


def answer_of(state: State, notes: Notes) -> Answer:
    """The answer that a finished run's state names."""
    keys = state.get("answer", ""), state.get("reasoning", "")
    text, reasoning = (notes.get(key) if key else "" for key in keys)
    citations = tuple(
        Citation(n, Span(key, start, end), verified, by=by)
        for n, key, start, end, verified, by in state.get("citations", [])
    )
    return Answer(
        text=text or "The documents do not say.",
        reasoning=reasoning,
        citations=citations,
        verdict=state["verdict"],
        usage=Usage(*state.get("usage", (0, 0))),
        unknown=tuple(state.get("unknown", [])),
        computed=computed_of(state, notes),
    )


def verdict_of(text: str, citations: tuple[Citation, ...], withheld: int = 0) -> Verdict:
    """Whether the answer answers: wholly only where a citation of each cited claim holds and no
    sentence was withheld."""
    if not text or parse_answer(text).refused:
        return "not_in_documents"
    held = {citation.claim for citation in citations if citation.verified}
    whole = held == {citation.claim for citation in citations} and not withheld
    return "answered" if held and whole else "partly"
