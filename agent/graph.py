"""The graph: plan → gather → assemble → reason → judge → compute → verify (→ repair → verify).

Gather has one `Send` a search; judge may send it out again, for what is missing. What travels
along is in `agent.state`; the nodes that look for evidence are in `agent.searching`, those that
check an answer in `agent.verifying`.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.cache.base import BaseCache
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import CachePolicy, RetryPolicy

from agent import citing, comparing, computing, lookup, planning, series
from agent.absence import WITHHELD, absence_text, absent, best_score
from agent.clauses import Clauses
from agent.context import render
from agent.gates import gate_for
from agent.gathering import Errand, key_of
from agent.planning import MOST_ERRANDS
from agent.searching import assemble, gather, judge, plan, sends
from agent.state import Deps, State, calibrated, evidence_of, plan_of, spent
from agent.verifying import after_verify, repair, verify
from documents.errors import EngineError, ExpressionError, ReasonerError, StorageError
from documents.progress import check, within
from policy import Delta, answer_messages, parse_answer
from policy import Usage as PolicyUsage
from policy.faults import BrokenAnswerError

CONCURRENT = MOST_ERRANDS + 8
"""Threads of a run: all but one search wait, and each one's outcome must be written at once."""
CACHE_S = 7 * 24 * 3600
"""How long a search's outcome is kept."""


def again(*errors: type[Exception]) -> RetryPolicy:
    """Once more, after half a second: no stop waits longer than a second."""
    return RetryPolicy(0.5, backoff_factor=1.0, max_attempts=2, jitter=False, retry_on=errors)


def build_graph(
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    *,
    answer: bool = True,
    cache: BaseCache[Any] | None = None,
    settings: str = "",
) -> CompiledStateGraph[State, Deps, State, State]:
    """The compiled graph; with ``answer=False`` it ends once the context is chosen. ``cache``
    keeps what searches found, under ``settings``: a hash of all settings that change it."""
    graph = StateGraph(State, Deps)

    def kept_as(errand: Errand) -> str:
        return key_of(errand) + settings

    graph.add_node("plan", plan)
    graph.add_node(
        "gather",
        gather,
        input_schema=Errand,
        retry_policy=again(StorageError),
        cache_policy=CachePolicy(key_func=kept_as, ttl=CACHE_S),
    )
    graph.add_node("assemble", assemble)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", sends, ["gather"])
    graph.add_edge("gather", "assemble")
    if answer:
        add_answering(graph)
        graph.add_node("judge", judge)
        graph.add_edge("assemble", "reason")
        graph.add_edge("reason", "judge")
        graph.add_conditional_edges("judge", sends, ["gather", "compute"])
    else:
        graph.add_edge("assemble", END)
    return graph.compile(checkpointer=checkpointer, cache=cache)


def build_answering_graph() -> CompiledStateGraph[State, Deps, State, State]:
    """The graph that answers from evidence which is in its state from the start."""
    graph = StateGraph(State, Deps)
    add_answering(graph)
    graph.add_edge(START, "reason")
    graph.add_edge("reason", "compute")
    return graph.compile()


def add_answering(graph: StateGraph[Any, Deps, Any, Any]) -> None:
    """The nodes that answer from the evidence chosen, and what follows on ``compute``; the way to
    ``reason``, and from it to ``compute``, is the caller's."""
    graph.add_node("reason", reason, retry_policy=again(EngineError, BrokenAnswerError))
    graph.add_node("compute", compute)
    graph.add_node("verify", verify)
    graph.add_node("repair", repair)
    graph.add_edge("compute", "verify")
    graph.add_conditional_edges("verify", after_verify, ["repair", END])
    graph.add_edge("repair", "verify")


def reached(
    graph: CompiledStateGraph[State, Deps, State, State], config: RunnableConfig
) -> tuple[str, State]:
    """Where a run that broke off goes on, by its last checkpoint, and its state there: a node, or
    ``start`` where there is no checkpoint (or one of a version that made no plans), or ``end``
    where every node is finished."""
    snapshot = graph.get_state(config)
    state = cast(State, snapshot.values)
    if snapshot.next:
        node = snapshot.next[0]
        return (first_of(graph) if node == START else node), state
    return ("end" if {"plan", "chunks"} & set(state) else "start"), state


def first_of(graph: CompiledStateGraph[State, Deps, State, State]) -> str:
    """The node that a run begins with."""
    return next(target for source, target in graph.builder.edges if source == START)


def reason(state: State, runtime: Runtime[Deps]) -> State:
    """Ask the reasoner, streaming its reasoning and, sentence by sentence, what of its answer is
    founded. It is not asked where the documents do not hold what the question names. Before the
    last round what it says is a draft."""
    deps = runtime.context
    kind = "answer" if state.get("round", deps.max_rounds) >= deps.max_rounds else "draft"
    if (info := runtime.execution_info) is not None and info.node_attempt > 1:
        deps.emit("retried", {"node": "reason", "attempt": info.node_attempt})
    evidence = evidence_of(state)
    if not evidence or best_score(evidence) < deps.least_score:
        return _unasked("")
    question = deps.notes.get(state["question"])
    if missing := absent(question, evidence, deps.documents):
        text = absence_text(missing)
        deps.emit(kind, {"text": text})
        return _unasked(deps.notes.put(text))
    if ruled := _ruled(state, deps, kind):
        return ruled
    clauses = Clauses(question, evidence, deps.documents, calibrated(state, deps))
    if clauses.hopeless:
        return _unasked("")
    planned = planning.note(plan_of(state, deps.notes)) if state.get("plan") else ""
    noted = deps.notes.get(state["noted"]) if state.get("noted") else ""
    context = f"{noted}\n\n{render(evidence, deps.documents)}".strip()
    messages = answer_messages(f"{question}\n\n{planned}".strip(), context)
    gate = gate_for(question, evidence, deps.documents, calibrated=calibrated(state, deps))
    reasoning: list[str] = []
    answer: list[str] = []

    def say(text: str) -> None:
        if text:
            answer.append(text)
            deps.emit(kind, {"text": text})

    usage = PolicyUsage()
    cancelled = within(deps.step_s, deps.cancelled)
    for piece in deps.reasoner().stream(
        messages, max_tokens=deps.answer_tokens, cancelled=cancelled
    ):
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
    lost = gate.nothing_left or parse_answer("".join([*answer, rest])).refused
    nearest = clauses.nearest() if lost else ""
    say(f"{rest.removesuffix(WITHHELD)}\n{nearest}".lstrip() if nearest else rest)
    return {
        "answer": deps.notes.put("".join(answer).strip()),
        "reasoning": deps.notes.put("".join(reasoning).strip()),
        "usage": spent(state, usage),
        "first_token_s": usage.first_token_s or 0.0,
        "withheld": gate.withheld,
        "ruled": None,
        "verdict": "not_in_documents" if gate.nothing_left and not nearest else None,
    }


def _ruled(state: State, deps: Deps, kind: str) -> State | None:
    """The answer to a question for a line item, of one document or of several beside each other,
    where their rows tell it, or for who cites whom."""
    if not deps.arithmetic:
        return None
    question = deps.notes.get(state["question"])
    documents = {key: deps.documents[key] for key in state["documents"]}
    asked = (question, evidence_of(state), documents)
    found = comparing.compared(*asked) or lookup.looked_up(*asked) or citing.related(*asked)
    if found is None:
        return None
    deps.emit(kind, {"text": found.text})
    lacking = [place for place, key in enumerate(state["documents"]) if key in found.lacking]
    return {
        **_unasked(deps.notes.put(found.text)),
        "ruled": (deps.notes.put(found.item), lacking),
        "verdict": None,
    }


def _unasked(answer: str) -> State:
    return {
        "answer": answer,
        "reasoning": "",
        "first_token_s": 0.0,
        "withheld": 0,
        "ruled": None,
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
    over = state.get("ruled") or refused or (lost and not state.get("withheld"))
    if over or not _computes(deps, question):
        return {"computed": ""}
    evidence, used = evidence_of(state), PolicyUsage()
    try:
        if ruled := series.expression(question, evidence, deps.documents):
            said, row = ruled
            done = computing.computed(said, question, evidence, deps.documents, row=row)
        else:
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
    update["usage"] = spent(state, used)
    return update


def _computes(deps: Deps, question: str) -> bool:
    return deps.arithmetic and computing.asks_for_computation(question)
