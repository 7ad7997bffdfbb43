"""The LangGraph agent: strategies that find context, the graph, citations and their checks."""

from agent.graph import (
    Deps,
    Notes,
    State,
    answer_of,
    build_graph,
    evidence_of,
    first_of,
    reached,
    verdict_of,
)
from agent.values import Answer, Citation, Context, ContextStrategy, Request, StrategyName, Usage

__all__ = [
    "Answer",
    "Citation",
    "Context",
    "ContextStrategy",
    "Deps",
    "Notes",
    "Request",
    "State",
    "StrategyName",
    "Usage",
    "answer_of",
    "build_graph",
    "evidence_of",
    "first_of",
    "reached",
    "verdict_of",
]
