"""The reasoning model: its client, the engine that serves it, prompts and answer parsing.

Names are looked up when first used: settings need `ReasonerConfig` alone, not a network library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policy.client import Reasoner
    from policy.config import ReasonerConfig
    from policy.parsing import ParsedAnswer, parse_answer, split_reasoning
    from policy.prompts import answer_messages
    from policy.values import Delta, Message, Usage

__all__ = [
    "Delta",
    "Message",
    "ParsedAnswer",
    "Reasoner",
    "ReasonerConfig",
    "Usage",
    "answer_messages",
    "parse_answer",
    "split_reasoning",
]

_HOMES = {
    "client": ("Reasoner",),
    "config": ("ReasonerConfig",),
    "parsing": ("ParsedAnswer", "parse_answer", "split_reasoning"),
    "prompts": ("answer_messages",),
    "values": ("Delta", "Message", "Usage"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"policy.{module}"), name)
    raise AttributeError(f"module 'policy' has no attribute {name!r}")
