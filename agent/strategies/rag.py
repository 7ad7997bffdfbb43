"""Plain retrieval: chunks in rank order until the budget is full, the last one cut to fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.values import Count, Request
from documents import Document, Evidence, IsCancelled, Progress
from retrieval import Retriever


@dataclass(frozen=True, slots=True)
class Rag:
    """The baseline, as the CPRS paper has it (600-token chunks, filled to the budget)."""

    retriever: Retriever
    count: Count
    cut_last: bool = True
    calibrated: bool = False

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

    def left_out(self, chosen: Sequence[Evidence], documents: Mapping[str, Document]) -> str:
        """Nothing: what ranks low was not meant to be sent."""
        del chosen, documents
        return ""
