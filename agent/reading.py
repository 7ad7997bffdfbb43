"""One turn of reading: what the reasoner is told of a part, and the JSON that it replies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from documents import IsCancelled
from policy import Delta, Message, Reasoner, Usage

REPLY_TOKENS = 512
"""The least that a reader's reply may have; its schema keeps it shorter."""
MOST_FACTS = 6
PLAN_CHARS = 240

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "maxItems": MOST_FACTS,
            "items": {
                "type": "object",
                "properties": {
                    "piece": {"type": "integer"},
                    "fact": {"type": "string", "maxLength": 200},
                },
                "required": ["piece", "fact"],
                "additionalProperties": False,
            },
        },
        "forget": {"type": "array", "maxItems": MOST_FACTS, "items": {"type": "integer"}},
        "plan": {"type": "string", "maxLength": 160},
    },
    "required": ["facts", "forget", "plan"],
    "additionalProperties": False,
}
_ORDER = (
    "You read long documents part by part, in order, and answer a question once all parts are "
    "read. Below are the next part, in numbered pieces, then the question and your memory of the "
    "parts before."
)
_FORMAT = (
    "Reply in JSON. facts: what this part says that helps to answer the question and is not in "
    "the memory yet. Each fact is one short sentence that copies figures, dates and names exactly "
    "as they are written, with the number of the piece that says it. If this part says nothing "
    "about the question, facts is empty. forget: the numbers of memory lines that do not help. "
    "plan: one short sentence, what to look for in the parts that follow."
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reader said of a chunk: facts with their piece's number, memory lines (from 1) that
    are of no use, and the plan."""

    facts: tuple[tuple[int, str], ...]
    forget: tuple[int, ...]
    plan: str


def reading_messages(
    question: str, text: str, memory: str, plan: str, part: tuple[int, int]
) -> list[Message]:
    """The chat that has one part read; ``part`` is its number, from 1, and how many there are."""
    content = (
        f"{_ORDER}\n\n<text>\n{text}\n</text>\n\n"
        f"Question: {question.strip()}\n\nMemory:\n{memory or 'Nothing yet.'}\n\n"
        + (f"Plan: {plan}\n\n" if plan else "")
        + f"This was part {part[0]} of {part[1]}. {_FORMAT}"
    )
    return [{"role": "user", "content": content}]


def ask(messages: list[Message], reasoner: Reasoner, cancelled: IsCancelled) -> tuple[str, Usage]:
    """The reader's reply, as it came. Raises `ReasonerError` where the model cannot be reached:
    the run can go on later."""
    parts: list[str] = []
    usage = Usage()
    most = max(REPLY_TOKENS, reasoner.config.max_answer_tokens)
    for piece in reasoner.stream(
        messages, max_tokens=most, temperature=0.0, json_schema=_SCHEMA, cancelled=cancelled
    ):
        if not isinstance(piece, Delta):
            usage = piece
        elif piece.kind == "answer":
            parts.append(piece.text)
    return "".join(parts), usage


def parsed(text: str) -> Reply | None:
    """A reply's JSON, or None where it is none; what is malformed in it counts as not said."""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("facts"), list):
        return None
    rows = [row for row in said["facts"] if isinstance(row, dict)][:MOST_FACTS]
    facts = tuple(
        (row["piece"] if _whole(row.get("piece")) else 0, row["fact"])
        for row in rows
        if isinstance(row.get("fact"), str)
    )
    forget = said.get("forget")
    plan = said.get("plan")
    return Reply(
        facts,
        tuple(n for n in forget if _whole(n)) if isinstance(forget, list) else (),
        " ".join(plan.split())[:PLAN_CHARS] if isinstance(plan, str) else "",
    )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
