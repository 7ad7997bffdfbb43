"""QwenLong-CPRS: a token critic reads everything, the best units under the budget are kept."""

from __future__ import annotations

from dataclasses import dataclass

from agent.context import as_context, fill
from agent.values import Context, Count, Request
from compressor import Compressor, Instruction
from documents import Document, Evidence, IsCancelled, Progress


@dataclass(frozen=True, slots=True)
class Cprs:
    """Compresses all documents to what matters for the question."""

    compressor: Compressor
    count: Count

    def rank(
        self,
        request: Request,
        documents: tuple[Document, ...],
        progress: Progress,
        cancelled: IsCancelled,
    ) -> tuple[Evidence, ...]:
        """All units that may matter, best first; the budget plays no part."""
        compression = self.compressor.compress(
            Instruction(request.granularity, request.looking_for),
            request.question,
            documents,
            progress=progress,
            cancelled=cancelled,
        )
        return compression.units

    def select(
        self,
        request: Request,
        documents: tuple[Document, ...],
        progress: Progress,
        cancelled: IsCancelled,
    ) -> Context:
        """The best units that fit the budget."""
        ranked = self.rank(request, documents, progress, cancelled)
        by_id = {document.id: document for document in documents}
        chosen, text = fill(ranked, by_id, request.budget_tokens, self.count, cut_last=False)
        return as_context(chosen, text, by_id, self.count)
