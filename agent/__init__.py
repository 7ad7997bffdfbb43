"""The LangGraph agent: strategies that find context, the graph, citations and their checks."""

from agent.graph import CONCURRENT, build_graph, first_of, reached
from agent.state import Deps, Emit, Notes, State, answer_of, evidence_of, plan_of
from agent.values import Answer, Citation, Context, ContextStrategy, Request, StrategyName, Usage
from agent.verifying import verdict_of

__all__ = [
    "CONCURRENT",
    "Answer",
    "Citation",
    "Context",
    "ContextStrategy",
    "Deps",
    "Emit",
    "Notes",
    "Request",
    "State",
    "StrategyName",
    "Usage",
    "answer_of",
    "build_graph",
    "evidence_of",
    "first_of",
    "plan_of",
    "reached",
    "verdict_of",
]
