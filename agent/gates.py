"""What a sentence of an answer has to pass before it comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.absence import Gate, frame
from agent.amounts import Amounts
from agent.clauses import Clauses
from agent.scales import Scales
from agent.who import Who
from documents import Document, Evidence
from policy.parsing import unbracketed


def gate_for(
    question: str,
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    *,
    calibrated: bool = False,
) -> Gate:
    """The gate for an answer over this evidence: figures and names that stand there, a name that
    stands near what was asked who, a figure that stands where what was asked how much does, a
    clause that is about what was asked, or where scores are ``calibrated`` likely to be it. What
    comes out has its figures in their tables' scale, and no brackets around a final answer."""
    judges: tuple[Who | Amounts | Clauses, ...] = (
        Who(question, evidence, documents),
        Amounts(question, evidence, documents),
        Clauses(question, evidence, documents, calibrated),
    )

    def allows(sentence: str) -> bool:
        return all(judge.allows(sentence) for judge in judges)

    scales = Scales(evidence, documents)

    known = frame(evidence, documents)

    def completed(sentence: str) -> str:
        return unbracketed(scales.completed(sentence), known)

    return Gate(known, question, allows=allows, completed=completed)
