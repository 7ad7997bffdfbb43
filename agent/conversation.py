"""Follow-ups: a question that leans on the thread before it, made to stand alone.

Simple ones are rewritten by rule ("and the year before?", "what about Q2?", "and for Amazon?").
What no rule covers the model rewrites, and `sound` checks it: it keeps what the follow-up names
and brings in nothing that the thread does not hold. Whatever fails stays as it was asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent import periods
from agent.followups import by_rule, content, leans
from documents import IsCancelled
from documents.errors import ReasonerError
from documents.progress import never_cancelled
from policy import Message, Reasoner

MOST_TOKENS = 128
_TURNS = 4
_ANSWER_CHARS = 400

By = Literal["asked", "rule", "model"]


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of the thread as it was answered, and its answer where that was verified."""

    question: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Standalone:
    """The question to put. ``by``: who rewrote it, or ``asked`` where it is as it was asked;
    ``leans`` then says that it cannot be understood without the thread, and nothing mended that."""

    text: str
    by: By = "asked"
    leans: bool = False


_FIGURE = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?%?")
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string", "maxLength": 400}},
    "required": ["question"],
    "additionalProperties": False,
}
_ORDER = (
    "Rewrite the follow-up as one question that is understood without the conversation. Keep every "
    "word, name and figure of the follow-up. Take what it leaves out, such as the company, the "
    "line item and the period, from the conversation, and add nothing else. Do not answer it. "
    "Reply in JSON."
)


def standalone(
    text: str,
    turns: Sequence[Turn],
    reasoner: Callable[[], Reasoner],
    cancelled: IsCancelled = never_cancelled,
) -> Standalone:
    """A follow-up as a question that stands alone. The model is asked only where the question
    leans on the thread and no rule rewrites it. Raises `Cancelled`."""
    asked = " ".join(text.split())
    if not turns or not leans(asked):
        return Standalone(text)
    before = _before(turns)
    if before and (ruled := by_rule(asked, before)) is not None:
        return Standalone(ruled, "rule")
    try:
        reply = reasoner().complete(
            _messages(asked, turns), _SCHEMA, max_tokens=MOST_TOKENS, cancelled=cancelled
        )
    except ReasonerError:
        return Standalone(text, leans=True)
    rewritten = " ".join(str(reply.get("question", "")).split()) if isinstance(reply, dict) else ""
    if sound(rewritten, asked, turns):
        return Standalone(rewritten, "model")
    return Standalone(text, leans=True)


def sound(rewritten: str, asked: str, turns: Sequence[Turn]) -> bool:
    """Whether a rewriting says what was asked: it keeps the follow-up's words, names, figures and
    periods, and every other one stands in the thread's questions or verified answers."""
    same = any(_same(rewritten, turn.question) for turn in turns)
    if not rewritten or len(rewritten) > 400 or same or leans(rewritten):
        return False
    return _same_matter(rewritten, asked, turns) and _same_figures(rewritten, asked, turns)


def _same_matter(rewritten: str, asked: str, turns: Sequence[Turn]) -> bool:
    own, kept = content(asked), content(rewritten)
    known = [*content(_said(turns)), *own]
    return all(_stands(word, kept) for word in own) and all(_stands(word, known) for word in kept)


def _same_figures(rewritten: str, asked: str, turns: Sequence[Turn]) -> bool:
    said, before, there = _said(turns), _before(turns), periods.periods(rewritten)
    move = periods.moved_from(asked)
    moved = (periods.moved(before, move) or "") if move else ""
    if move and not moved and there == periods.periods(before):
        return False  # the distance was dropped
    wanted = periods.periods(asked) | periods.periods(moved)
    if not wanted <= there <= periods.periods(said) | wanted:
        return False
    figures, shown = set(_FIGURE.findall(asked)), set(_FIGURE.findall(rewritten))
    return figures <= shown <= figures | set(_FIGURE.findall(f"{said} {moved}"))


def _said(turns: Sequence[Turn]) -> str:
    return " ".join(f"{turn.question} {turn.answer}" for turn in turns)


def _before(turns: Sequence[Turn]) -> str:
    """The last question that stands alone, ending in a question mark; empty without any."""
    found = next((turn.question for turn in reversed(turns) if not leans(turn.question)), "")
    return found.strip().rstrip("?").rstrip() + "?" if found else ""


def _messages(asked: str, turns: Sequence[Turn]) -> list[Message]:
    lines: list[str] = []
    for turn in turns[-_TURNS:]:
        lines.append(f"Question: {turn.question}")
        if turn.answer:
            lines.append(f"Answer: {' '.join(turn.answer.split())[:_ANSWER_CHARS]}")
    talk = "\n".join(lines)
    content = f"{_ORDER}\n\n<conversation>\n{talk}\n</conversation>\n\nFollow-up: {asked}"
    return [{"role": "user", "content": content}]


def _stands(word: str, words: Sequence[str]) -> bool:
    """Whether a word is among others, in this or another inflection."""
    if word in words:
        return True
    least = max(4, len(word) - 3)
    return any(len(other) >= least and other[:least] == word[:least] for other in words)


def _same(one: str, other: str) -> bool:
    return re.findall(r"\w+", one.casefold()) == re.findall(r"\w+", other.casefold())
