"""What to look for, and in pieces of what size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Granularity = Literal["word", "sentence", "row", "paragraph"]


@dataclass(frozen=True, slots=True)
class Instruction:
    """``granularity`` is the size of what is kept; ``looking_for`` says in plain words what
    to keep beyond the question (it may be empty)."""

    granularity: Granularity = "sentence"
    looking_for: str = ""

    def prompt(self, question: str) -> str:
        """What the critic reads before a window: the same form in training and in use."""
        wanted = " ".join(self.looking_for.split())
        asked = " ".join(question.split())
        return f"{self.granularity}: {wanted} {asked}" if wanted else f"{self.granularity}: {asked}"
