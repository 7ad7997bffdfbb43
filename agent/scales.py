"""Figures of tables get the scale that their table says: "$19,970" of a table in thousands is
"$19,970 thousand". A model copies the figure and leaves the scale where it stands, over the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agent.cells import held_rows
from agent.citations import marks_in
from agent.figures import every
from agent.line_items import scale_of
from documents import Document, Evidence

_NOUN = re.compile(
    r"\)?\s+(?!(?:and|or|in|for|as|at|on|of|to|from|by|with|during|which|while|is|was|compared"
    r"|versus|per|the|respectively)\b)[A-Za-z]",
)
"""What is counted: "1,300 patents" are no amount."""
_SHORTEST = 2
"""Digits of a figure that is not met by chance."""


@dataclass(frozen=True)
class Scales:
    """What the tables of the evidence say."""

    evidence: Sequence[Evidence]
    documents: Mapping[str, Document]

    def completed(self, sentence: str) -> str:
        """The sentence with the scale after each figure that stands in tables of one scale alone,
        in what the sentence cites, or anywhere if it cites nothing."""
        marks = marks_in(sentence)
        cited = {n for _, _, numbers in marks for n in numbers}
        for figure in reversed(list(every(sentence))):
            inside = any(start <= figure.start < end for start, end, _ in marks)
            plain = not (inside or figure.scale or figure.unit == "%" or figure.year or figure.odd)
            counts = _NOUN.match(sentence, figure.end)
            if not plain or counts or len(figure.key.replace(".", "")) < _SHORTEST:
                continue
            said = {scale for n, scale in self._said.get(figure.key, ()) if n in cited or not cited}
            if len(said) == 1 and (scale := said.pop()):
                end = figure.end + sentence[figure.end :].startswith(")")
                sentence = f"{sentence[:end]} {scale}{sentence[end:]}"
        return sentence

    @cached_property
    def _said(self) -> dict[str, list[tuple[int, str]]]:
        """For the digits of each figure of the evidence where it stands, and in what scale."""
        said: dict[str, list[tuple[int, str]]] = {}
        read: set[tuple[str, int]] = set()
        for held in held_rows(self.evidence, self.documents):
            for cell in held.row.cells:
                read.add((held.document.id, cell.start))
                said.setdefault(cell.figure.key, []).append((held.n, scale_of(held, cell)))
        for n, item in enumerate(self.evidence, 1):
            for one in every(self.documents[item.span.document].slice(item.span)):
                if (item.span.document, item.span.start + one.start) not in read:
                    said.setdefault(one.key, []).append((n, one.scale))
        return said
