"""The graph as LangGraph's own studio opens it: ``langgraph dev`` finds it in ``langgraph.json``.

longdoc's graph works with a `Deps` of live objects, which no studio can send. So here it is the
subgraph of one node, whose input is JSON (`Asked`) and which makes the `Deps` from the library and
the settings of the data folder. The server brings its own checkpointer; texts stay in this
process, and nothing is written to the run log.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, Field

from agent import build_graph
from app.beginning import begin
from app.present import run_json
from app.service import Question, Service
from app.settings import load_settings
from app.texts import Texts


class Asked(BaseModel):
    """What the studio's form asks for."""

    question: str
    documents: list[str] = Field(
        default_factory=list, description="ids as `longdoc library` lists them; none: all of them"
    )
    strategy: str = Field("", description="cprs, rag or full; empty: the setting")


class Answered(BaseModel):
    """The record that `longdoc ask --json` prints, less run, times and settings."""

    result: dict[str, Any] = Field(default_factory=dict)


class Asking(Asked, Answered):
    """Both."""


@dataclass(frozen=True, slots=True)
class Context:
    """What may be chosen for a run in the studio."""

    profile: str = "default"


def studio_graph() -> CompiledStateGraph[Asking, Context, Asked, Answered]:
    """One node, ``ask``, with longdoc's graph inside."""
    inner, texts = build_graph(), Texts()

    def ask(state: Asked, runtime: Runtime[Context]) -> Answered:
        service = _service((runtime.context or Context()).profile)
        wanted = state.documents or [info.id for info in service.store.list()]
        documents = {found.id: found for found in map(service.store.get, wanted)}
        strategy = state.strategy or service.settings.strategy
        question = Question(state.question, tuple(documents), strategy)
        service.check(question)
        deps = service.deps(
            documents, texts, lambda kind, data: runtime.stream_writer({"kind": kind, **data})
        )
        final = inner.invoke(
            begin(question, texts, service.settings, service.reasoner), context=deps
        )
        head = {"question": question.text, "strategy": strategy}
        return Answered(result=run_json(head, final, documents, texts))  # type: ignore[arg-type]  # typed as a plain dict

    graph = StateGraph(Asking, Context, input_schema=Asked, output_schema=Answered)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile()


@cache
def _service(profile: str) -> Service:
    return Service(load_settings(profile))


graph = studio_graph()
