"""A run's outcome as the JSON that CLI, API and web page share. Pages count from 1 here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent import Answer, Notes, State, answer_of, evidence_of
from agent.computing import shown
from agent.context import headings, pages_from_one
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


def run_json(
    head: dict[str, Any], state: State, documents: Mapping[str, Document], notes: Notes
) -> dict[str, Any]:
    """The whole record of a finished run; of a selection where there is no verdict."""
    record = {"schema": SCHEMA, **head}
    if "verdict" in state:
        record |= answer_json(answer_of(state, notes), documents)
    return record | {"context": context_json(state, documents)}
