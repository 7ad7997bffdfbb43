"""Plain retrieval: chunks in rank order until the budget is full, the last one cut to fit."""

from __future__ import annotations

from dataclasses import dataclass

from agent.context import as_context, fill
from agent.values import Context, Count, Request
from documents import Document, Evidence, IsCancelled, Progress
from retrieval import Retriever


@dataclass(frozen=True, slots=True)
class Rag:
    """The baseline, as the CPRS paper has it (600-token chunks, filled to the budget)."""

    retriever: Retriever
    count: Count

    def rank(
        self,
        request: Request,
        documents: tuple[Document, ...],
        progress: Progress,
        cancelled: IsCancelled,
    ) -> tuple[Evidence, ...]:
        """All chunks, best first; the budget plays no part."""
        asked = request.looking_for or request.question
        found = self.retriever.search(asked, documents, progress=progress, cancelled=cancelled)
        return tuple(found)

    def select(
        self,
        request: Request,
        documents: tuple[Document, ...],
        progress: Progress,
        cancelled: IsCancelled,
    ) -> Context:
        """The best chunks that fit the budget."""
        ranked = self.rank(request, documents, progress, cancelled)
        by_id = {document.id: document for document in documents}
        chosen, text = fill(ranked, by_id, request.budget_tokens, self.count)
        return as_context(chosen, text, by_id, self.count)
