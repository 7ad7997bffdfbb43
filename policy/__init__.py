"""The reasoning model: its client, the engine that serves it, prompts and answer parsing."""

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
