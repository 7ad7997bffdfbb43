"""Whether the evidence sufficed for an answer, and what to look for if it did not.

The second hop's subject is known only after the first. The reasoner may name what is missing;
where it says nothing that can be looked for, the names it found on the way are, as in IRCoT
(Trivedi et al. 2023), where each retrieval is asked with the last sentence of the reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent import asking
from agent.absence import NOT_SAID, absent
from agent.asking import Judgement, lookable
from agent.checking import names
from agent.context import render
from documents import Document, Evidence, IsCancelled
from documents.errors import ReasonerError
from policy import Reasoner, Usage, parse_answer

_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer to be judged: the question, what was asked for it so far (the question first), the
    evidence, the text, and how many of its sentences were withheld."""

    question: str
    asked: Sequence[str]
    evidence: Sequence[Evidence]
    text: str
    withheld: int = 0

    @property
    def failed(self) -> bool:
        """Whether it answers nothing."""
        lost = not self.text or self.text.startswith(NOT_SAID)
        return lost or self.withheld > 0 or parse_answer(self.text).refused


@dataclass(frozen=True, slots=True)
class Need:
    """What to look for next, and who says so."""

    text: str
    by: Literal["model", "rules"]


def missing(
    draft: Draft,
    documents: Mapping[str, Document],
    reasoner: Reasoner,
    cancelled: IsCancelled,
) -> tuple[Need | None, Usage]:
    """What the evidence lacks, or None where it suffices or nothing is left to look for. A draft
    that answers nothing does not suffice, whatever the reasoner says."""
    usage = Usage()
    unknown = absent(draft.question, draft.evidence, documents) if draft.failed else []
    if any(not name.isdigit() for name in unknown):  # a year may be found yet, a name never
        return None, usage
    judgement = Judgement(enough=not draft.failed)
    try:
        context = render(draft.evidence, documents)
        judgement, usage = asking.judge(draft.question, context, draft.text, reasoner, cancelled)
    except ReasonerError:
        pass  # then the draft itself decides
    if judgement.enough and not draft.failed:
        return None, usage
    if lookable(judgement.missing, draft.asked, draft.evidence, documents):
        return Need(judgement.missing, "model"), usage
    on_the_way = by_names(draft, documents)
    if on_the_way and lookable(on_the_way, draft.asked, draft.evidence, documents):
        return Need(on_the_way, "rules"), usage
    return None, usage


def by_names(draft: Draft, documents: Mapping[str, Document]) -> str:
    """The question with the names that were found on the way: those of the draft or, where it
    answers nothing, those of the evidence with the best score. Empty without any."""
    said = "" if draft.failed else draft.text
    if not said and draft.evidence:
        best = max(draft.evidence, key=lambda item: item.score)
        said = documents[best.span.document].slice(best.span)
    known = " ".join(draft.asked).casefold()
    found = [name for name in dict.fromkeys(names(said)) if name.casefold() not in known]
    if not found:
        return ""
    return f"{draft.question.strip()} {', '.join(found[:_MOST_NAMES])}"
