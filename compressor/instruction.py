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
        return f"{self.granularity}: {self.wanted(question)}"

    def wanted(self, question: str) -> str:
        """All that is asked for, in one line."""
        return " ".join(f"{self.looking_for} {question}".split())
