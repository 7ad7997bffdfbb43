"""The graph: plan → gather → assemble → reason → judge → compute → verify (→ repair → verify).

Gather has one `Send` a search; judge may send it out again, for what is missing. What travels
along is in `agent.state`; the nodes that look for evidence are in `agent.searching`, those that
answer from it in `agent.reasoning`, those that check an answer in `agent.verifying`.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.cache.base import BaseCache
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import CachePolicy, RetryPolicy

from agent.gathering import Errand, key_of
from agent.planning import MOST_ERRANDS
from agent.reasoning import compute, reason
from agent.searching import assemble, gather, judge, plan, sends
from agent.state import Deps, State
from agent.verifying import after_verify, repair, verify
from documents.errors import EngineError, StorageError
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
