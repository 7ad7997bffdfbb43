"""A contradiction goes back once: the reasoner is told what its quote says and answers again.

What comes back is taken only where it is better founded than what it replaces, so that a model
that cannot mend its answer does not make it worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.absence import Gate
from agent.citations import Cited, cite
from agent.context import render
from agent.gates import gate_for
from documents import Document, Evidence, IsCancelled
from policy import Delta, Message, Reasoner, Usage, answer_messages, parse_answer

_MOST_TOKENS = 256
_ORDER = (
    "This is not what the evidence says:\n{mistakes}\n"
    "Answer the question again, from the evidence alone, in one or two short sentences with the "
    "number of the evidence in brackets. If the evidence does not state what is asked, say that "
    "it is not in the documents. End with the line:\n"
    "Therefore, the answer is (insert answer here) [number]."
)


@dataclass(frozen=True, slots=True)
class Repaired:
    """The answer that stands: another one where ``taken``. ``withheld`` sentences of it were held
    back."""

    text: str
    taken: bool
    withheld: int = 0
    usage: Usage = field(default_factory=Usage)


def repaired(
    question: str,
    said: str,
    found: Cited,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    *,
    calibrated: bool,
    reasoner: Reasoner,
    cancelled: IsCancelled,
) -> Repaired:
    """Ask once more, with the mistakes named. Raises `ReasonerError`s."""
    messages: list[Message] = [
        *answer_messages(question, render(evidence, documents)),
        {"role": "assistant", "content": said},
        {"role": "user", "content": _ORDER.format(mistakes="\n".join(_named(found)))},
    ]
    gate = gate_for(question, evidence, documents, calibrated=calibrated)
    text, usage = heard(messages, gate, reasoner, cancelled)
    if gate.nothing_left or not _better(text, found, cite(text, evidence, documents, question)):
        return Repaired(said, False, usage=usage)
    return Repaired(text, True, gate.withheld, usage)


def heard(
    messages: Sequence[Message], gate: Gate, reasoner: Reasoner, cancelled: IsCancelled
) -> tuple[str, Usage]:
    """What the reasoner says, as far as the gate lets it out. Raises `ReasonerError`s."""
    parts: list[str] = []
    usage = Usage()
    for piece in reasoner.stream(messages, max_tokens=_MOST_TOKENS, cancelled=cancelled):
        if not isinstance(piece, Delta):
            usage = piece
        elif piece.kind == "answer":
            parts.append(gate.feed(piece.text))
        else:
            gate.hear(piece.text)
    return "".join([*parts, gate.close()]).strip(), usage


def _named(found: Cited) -> list[str]:
    """The mistakes for the model, each with the sentence that it is in."""
    return [
        f"- “{citation.claim}” [{citation.n}]: {' '.join(m.text for m in citation.mistakes)}"
        for citation in found.contradicted
    ]


def _better(text: str, before: Cited, after: Cited) -> bool:
    """A refusal is better than an answer of which nothing holds; another answer is where
    something of it holds and nothing is contradicted."""
    if not text:
        return False
    if parse_answer(text).refused:
        return not any(citation.verified for citation in before.citations)
    return any(citation.verified for citation in after.citations) and not after.contradicted
