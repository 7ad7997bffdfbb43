"""Questions that ask to discuss: why, what relation, what strategy.

A small model answers them with "not in the documents" where no sentence says outright what it is to
conclude. Where all that such a question names does stand there, it is asked once more, now for the
facts that bear on it, and of these what a citation holds up is the answer: partly one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent.amounts import matter, stems, whose
from agent.citations import cite, statements
from agent.clauses import asks_for_clause
from agent.context import render
from agent.gates import gate_for
from agent.repairing import Repaired, heard
from documents import Document, Evidence, IsCancelled
from policy import Message, Reasoner, parse_answer

LEAD = "What the documents tell about it:"
_DISCUSSES = re.compile(
    r"\b(?:analy[sz]\w+|assess\w*|evaluat\w+|discuss\w*|describ\w+|explain\w*|combin\w+|relat\w+"
    r"|correlat\w+|connect\w*|link\w*|strateg\w+|impact\w*|influenc\w+|affect\w*|effects?|impl\w+"
    r"|understand\w*|why|how (?:do|does|did|has|have|had|might|could|would|will))\b",
    re.IGNORECASE,
)
_LISTED = re.compile(r"^(?:[-•*]|\d+[.)])\s+")
_ORDER = (
    "Read the numbered evidence below, taken word for word from documents. It has no outright "
    "answer to the question that follows it. State two or three facts of the evidence that bear on "
    "the question, one short sentence each, with figures, dates and names exactly as they are "
    "written and the number of the evidence in brackets after each sentence, such as [1]."
)


def refused(
    question: str, said: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> bool:
    """Whether an answer refuses to discuss what the documents do speak of: all of it somewhere,
    half of it in the evidence."""
    if not (evidence and parse_answer(said).refused and _DISCUSSES.search(question)):
        return False
    if asks_for_clause(question):
        return False
    wanted = matter(_DISCUSSES.sub(" ", question), whose(*documents.values()))
    whole = stems(" ".join(document.text for document in documents.values()))
    shown = stems(render(evidence, documents))
    near = sum(bool(stem & shown) for stem in wanted)
    return bool(wanted) and all(stem & whole for stem in wanted) and 2 * near >= len(wanted)


def discussed(
    question: str,
    said: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    *,
    calibrated: bool,
    reasoner: Reasoner,
    cancelled: IsCancelled,
) -> Repaired:
    """Ask for what bears on the question; what was ``said`` stands where nothing of that holds.
    Raises `ReasonerError`s."""
    asked = f"{_ORDER}\n\n<text>\n{render(evidence, documents)}\n</text>\n\n{question.strip()}"
    messages: list[Message] = [{"role": "user", "content": asked}]
    gate = gate_for(question, evidence, documents, calibrated=calibrated)
    text, usage = heard(messages, gate, reasoner, cancelled)
    facts = _held(text, question, evidence, documents)
    if not facts:
        return Repaired(said, False, usage=usage)
    lines = [LEAD, *(f"- {fact}" for fact in facts)]
    return Repaired("\n".join(lines), True, 1, usage)  # withheld: what was to be concluded


def _held(
    text: str, question: str, evidence: Sequence[Evidence], documents: Mapping[str, Document]
) -> list[str]:
    """The sentences that a citation holds up, each with its numbers."""
    found: dict[str, None] = {}
    for line, marks in statements(text):
        claim = _LISTED.sub("", line)
        if parse_answer(claim).refused:
            continue
        marked = f"{claim} {''.join(f'[{n}]' for n in marks)}"
        holding = [c.n for c in cite(marked, evidence, documents, question).citations if c.verified]
        if holding:
            found[f"{claim} {''.join(f'[{n}]' for n in dict.fromkeys(holding))}"] = None
    return list(found)
