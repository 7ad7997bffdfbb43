"""QwenLong-CPRS: a token critic reads everything, the best units under the budget are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.values import Count, Request
from compressor import Compressor, Instruction
from documents import Document, Evidence, IsCancelled, Progress


@dataclass(frozen=True, slots=True)
class Cprs:
    """Compresses all documents to what matters for the question."""

    compressor: Compressor
    count: Count
    cut_last: bool = False
    calibrated: bool = True

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
            best=request.best,
        )
        return compression.units

    def left_out(self, chosen: Sequence[Evidence], documents: Mapping[str, Document]) -> str:
        """Nothing: what ranks low was not meant to be sent."""
        del chosen, documents
        return ""
