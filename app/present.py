"""A run's outcome as the JSON that CLI, API and web page share. Pages count from 1 here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from agent import Answer, Notes, State, answer_of, evidence_of, plan_of, planning
from agent.computing import shown
from agent.context import headings, pages_from_one
from agent.memory import MemoryState, lines_of, outlook_of
from app.runs import Run
from documents import Document, Span

SCHEMA = 1


def place(document: Document, span: Span) -> dict[str, Any]:
    """Where a span stands: document, offsets, pages and boxes."""
    return {
        "document": document.id,
        "name": document.name,
        "start": span.start,
        "end": span.end,
        "pages": pages_from_one(document, span),
        "boxes": [
            {"page": box.page + 1, "x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1}
            for box in document.boxes(span)
        ],
    }


def context_json(state: State, documents: Mapping[str, Document]) -> dict[str, Any]:
    """The context that was, or would be, sent."""
    tokens, source = state["context_tokens"], state["source_tokens"]
    return {
        "tokens": tokens,
        "source_tokens": source,
        "compression_ratio": round(source / tokens, 2) if tokens else None,
        "left_out": state.get("left_out", ""),
        "coverage": [
            {"document": key, "found": found, "kept": kept, "tokens": size}
            for key, (found, kept, size) in zip(documents, state["coverage"], strict=True)
        ],
        "evidence": [
            {
                "n": n,
                **place(documents[e.span.document], e.span),
                "text": documents[e.span.document].slice(e.span),
                "score": e.score,
                "headings": headings(documents[e.span.document], e.span),
            }
            for n, e in enumerate(evidence_of(state), 1)
        ],
    }


def answer_json(answer: Answer, documents: Mapping[str, Document]) -> dict[str, Any]:
    """Answer, citations and usage."""
    return {
        "verdict": answer.verdict,
        "answer": answer.text,
        "reasoning": answer.reasoning,
        "citations": [
            {
                "n": c.n,
                **place(documents[c.span.document], c.span),
                "quote": documents[c.span.document].slice(c.span),
                "verified": c.verified,
                "by": c.by,
            }
            for c in answer.citations
        ],
        "unknown_citations": list(answer.unknown),
        "unsupported": list(answer.unsupported),
        "computed": [shown(one) for one in answer.computed],
        "usage": {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
        },
    }


def memory_json(
    state: MemoryState, documents: Mapping[str, Document], notes: Notes
) -> dict[str, Any]:
    """What was remembered of all that was read, and where it stands."""
    return {
        "chunks": state["chunk_count"],
        "chunk_tokens": state["chunk_tokens"],
        "memory_tokens": state["memory_tokens"],
        "evicted": state["evicted"],
        "plan": outlook_of(state, notes),
        "lines": [
            {
                "text": line.text,
                "by": line.by,
                "chunk": line.chunk + 1,
                "score": line.score,
                "sources": [place(documents[span.document], span) for span in line.spans],
            }
            for line in lines_of(state, notes)
        ],
    }


def head_json(
    run: Run, mode: str, state: State, documents: Mapping[str, Document]
) -> dict[str, Any]:
    """What was asked, in which thread."""
    return {
        "run": run.id,
        "thread": run.thread,
        "turn": run.turn,
        "question": run.question,
        "follow_up": run.follow_up,
        "strategy": run.strategy,
        "mode": mode,
        "budget": state["budget"],
        "documents": [{"document": d.id, "name": d.name} for d in documents.values()],
    }


def run_json(
    head: dict[str, Any], state: State, documents: Mapping[str, Document], notes: Notes
) -> dict[str, Any]:
    """The whole record of a finished run; of a selection where there is no verdict."""
    record: dict[str, Any] = {"schema": SCHEMA, **head}
    if "plan" in state:
        record["plan"] = planning.shown(plan_of(state, notes))
        record["rounds"] = state["round"]
        record["follow_ups"] = [notes.get(key) for key in state["follow_ups"]]
    if "verdict" in state:
        record |= answer_json(answer_of(state, notes), documents)
    if "memory" in state:
        record["memory"] = memory_json(cast(MemoryState, state), documents, notes)
    return record | {"context": context_json(state, documents)}
