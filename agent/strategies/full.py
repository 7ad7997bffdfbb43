"""Everything, as far as the budget goes: page by page, the middle left out if it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.values import Count, Request
from documents import Document, Evidence, IsCancelled, Progress, check


@dataclass(frozen=True, slots=True)
class Full:
    """Reads in full. What passes the budget is left out of the middle, as in QwenLong-L1's
    evaluation (first half and last half kept), and reported."""

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
        """Every piece, those nearest to the beginning or the end first."""
        del request
        check(cancelled)
        pieces = [piece for document in documents for piece in whole(document)]
        progress("select", len(pieces), len(pieces))
        ends_first = sorted(range(len(pieces)), key=lambda i: min(i, len(pieces) - 1 - i))
        return tuple(pieces[index] for index in ends_first)

    def left_out(self, chosen: Sequence[Evidence], documents: Mapping[str, Document]) -> str:
        """How much of the text, if any, the budget had no room for."""
        sent = sum(len(item.span) for item in chosen)
        total = sum(len(piece.span) for one in documents.values() for piece in whole(one))
        return f"{1 - sent / total:.0%} of the text, from its middle" if sent < total else ""


def whole(document: Document) -> list[Evidence]:
    """All text but furniture, one piece per page (per block run where there are no pages)."""
    pieces: list[Evidence] = []
    page, start, end = -1, 0, 0
    for block in document.blocks:
        if block.kind == "furniture" or block.page != page:
            if end > start:
                pieces.append(Evidence(document.span(start, end), 1.0))
            page, start, end = block.page, block.start, block.start
        if block.kind == "furniture":
            start = end = block.end
        else:
            start, end = (start if end > start else block.start), block.end
    if end > start:
        pieces.append(Evidence(document.span(start, end), 1.0))
    return pieces
