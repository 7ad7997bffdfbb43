"""The graph: select → reason → compute → verify (→ repair → verify, once).

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

from agent import computing, repairing
from agent.absence import WITHHELD, absence_text, absent, best_score
from agent.citations import Cited, cite
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
from agent.who import gate_for
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
"""``emit(kind, data)``: one event of the run. Kinds: context, reasoning, answer,
computed, checked, repair."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What a run works with; handed to the graph as its context, never checkpointed.
    Evidence whose best score is under ``least_score`` answers nothing. ``arithmetic``: what a
    question asks to be computed is computed here, too. ``repairs``: how often a contradiction
    goes back to the reasoner."""

    documents: Mapping[str, Document]
    strategies: Mapping[str, ContextStrategy]
    reasoner: Callable[[], Reasoner]
    notes: Notes
    emit: Emit
    progress: Progress
    cancelled: IsCancelled
    least_score: float = 0.0
    arithmetic: bool = True
    repairs: int = 1


class State(TypedDict, total=False):
    """What a checkpoint holds. ``evidence`` rows are document id, start, end, score; ``citations``
    rows n, document id, start, end, verified, by; question, texts, ``computed`` and
    ``unsupported`` are keys of `Notes`. ``contradicted`` claims may go back, ``repairs`` times."""

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
    unsupported: str
    contradicted: int
    repairs: int


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
        graph.add_node("repair", repair)
        graph.add_conditional_edges("verify", _after_verify, ["repair", END])
        graph.add_edge("repair", "verify")
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
        return ("select" if node == START else node), state
    return ("end" if state else "start"), state


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
    messages = answer_messages(question, render(evidence, deps.documents))
    gate = gate_for(question, evidence, deps.documents)
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
    evidence = evidence_of(state)
    text, found = _cited(state, deps)
    citations = found.citations
    for one in computed_of(state, deps.notes):  # its result stands nowhere: its operands do
        citations += tuple(computing.citations(one, evidence, deps.documents))
        text = f"{text}\n{computing.sentence(one)}".strip()
    unheld = len(found.unsupported)
    update = {
        "citations": [
            (c.n, c.span.document, c.span.start, c.span.end, c.verified, c.by) for c in citations
        ],
        "unknown": list(found.unknown),
        "verdict": verdict_of(text, citations, state.get("withheld", 0), unheld),
        "unsupported": deps.notes.put("\n".join(found.unsupported)) if unheld else "",
        "contradicted": len(found.contradicted),
    }
    deps.emit("checked", {**update, "unsupported": list(found.unsupported)})
    return update


def _cited(state: State, deps: Deps) -> tuple[str, Cited]:
    """What the reasoner said, and what was found out about it."""
    text = deps.notes.get(state["answer"]) if state["answer"] else ""
    for one in computed_of(state, deps.notes):
        text = text.removesuffix(computing.sentence(one)).rstrip()
    question = deps.notes.get(state["question"])
    return text, cite(text, evidence_of(state), deps.documents, question)


def _after_verify(state: State, runtime: Runtime[Deps]) -> str:
    again = state.get("contradicted", 0) and state.get("repairs", 0) < runtime.context.repairs
    return "repair" if again else END


def repair(state: State, runtime: Runtime[Deps]) -> State:
    """Tell the reasoner what its quotes say, once, and take what it answers if that is better
    founded. ``repair`` events hold the answer that stands now."""
    deps = runtime.context
    check(deps.cancelled)
    evidence, question = evidence_of(state), deps.notes.get(state["question"])
    said, found = _cited(state, deps)
    mistakes = [m.text for c in found.contradicted for m in c.mistakes]
    update = State(repairs=state.get("repairs", 0) + 1)
    try:
        made = repairing.repaired(
            question,
            said,
            found,
            evidence,
            deps.documents,
            reasoner=deps.reasoner(),
            cancelled=deps.cancelled,
        )
    except ReasonerError as error:
        told = {"mistakes": mistakes, "taken": False, "text": deps.notes.get(state["answer"])}
        deps.emit("repair", {**told, "failed": error.message})
        return update
    text = "\n".join([made.text, *map(computing.sentence, computed_of(state, deps.notes))])
    text = text if made.taken else deps.notes.get(state["answer"])
    deps.emit("repair", {"mistakes": mistakes, "taken": made.taken, "text": text})
    used = state.get("usage", (0, 0))
    update["usage"] = (used[0] + made.usage.prompt_tokens, used[1] + made.usage.completion_tokens)
    if made.taken:
        update |= {"answer": deps.notes.put(text), "withheld": made.withheld}
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
        verdict=state["verdict"],
        usage=Usage(*state.get("usage", (0, 0))),
        unknown=tuple(state.get("unknown", [])),
        computed=computed_of(state, notes),
        unsupported=tuple(notes.get(unheld).splitlines()) if unheld else (),
    )


def verdict_of(
    text: str, citations: tuple[Citation, ...], withheld: int = 0, unsupported: int = 0
) -> Verdict:
    """Whether the answer answers: wholly only where a citation of each claim holds and no
    sentence was withheld."""
    if not text or parse_answer(text).refused:
        return "not_in_documents"
    held = {citation.claim for citation in citations if citation.verified}
    whole = held == {citation.claim for citation in citations} and not (withheld or unsupported)
    return "answered" if held and whole else "partly"
