"""What the compressor asks of a critic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from compressor.instruction import Instruction
from compressor.windows import Prepared, Window
from documents.document import Document
from documents.progress import IsCancelled, Progress

Ranges = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Where units begin and end, in tokens of a prepared document."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenScores:
    """Of every token of a window: ``keep``, float32 [n], the probability that it matters, and
    ``boundary``, float32 [n, 4], the probabilities of B, I, O and E."""

    keep: NDArray[np.float32]
    boundary: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A document's units once it was read: their ``places``, and float32 [units] each the mean
    ``keep`` probability of their tokens and the share of the question's words ``around`` them
    (`compressor.around`)."""

    places: Ranges
    keep: NDArray[np.float32]
    around: NDArray[np.float32]


class Critic(Protocol):
    """A model that says of every token how likely it is to matter to a question.

    It owns its own input: how a document is tokenised, how long a window may be, and what is
    read before it."""

    def prepare(self, document: Document, cancelled: IsCancelled) -> Prepared:
        """What does not depend on the question."""
        ...

    def ready(self, prepared: Prepared, watch: tuple[Progress, IsCancelled]) -> None:
        """Make and keep what else does not depend on the question, where there is a cache."""
        ...

    def windows(
        self, instruction: Instruction, question: str, prepared: Prepared
    ) -> Iterator[Window]:
        """The document in pieces that the critic can read after this question."""
        ...

    def batches(self, windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
        """The windows in the groups that are best scored together; one takes under a second."""
        ...

    def score(
        self, instruction: Instruction, question: str, windows: Sequence[Window]
    ) -> list[TokenScores]:
        """One entry for each window: a pure function of question and window."""
        ...

    def nearness(
        self,
        asked: tuple[Instruction, str],
        windows: Sequence[Window],
        watch: tuple[Progress, IsCancelled],
    ) -> NDArray[np.float32] | None:
        """How near in meaning the nearest sentence of each window is, float32 [windows], where
        that is known without reading them for this question; else None."""
        ...

    def evidence(
        self,
        asked: tuple[Instruction, str],
        prepared: Prepared,
        units: Read,
        watch: tuple[Progress, IsCancelled],
    ) -> NDArray[np.float32]:
        """The probability that each unit is evidence for instruction and question, float32
        [units], from what reading it said and whatever else is known of it."""
        ...
