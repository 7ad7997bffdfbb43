"""What a reasoner sends back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Message = Mapping[str, str]
"""A chat message: ``role`` and ``content``."""

Kind = Literal["reasoning", "answer"]


@dataclass(frozen=True)
class Delta:
    """A piece of the reasoning or of the answer, as it comes."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Usage:
    """The end of a stream. ``finish_reason`` is "stop", or "length" for an answer cut short."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_s: float | None = None
    finish_reason: str = ""
