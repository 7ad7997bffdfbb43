"""What is to be found for a question, and where: the plan.

The task types are those of Loong (section 3): locating, comparison, clustering, chain of
reasoning. A plan is made by rules, or by the reasoner (`agent.asking`) where it is usable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from agent.values import Granularity
from documents import Document, Profile, profile_of
from documents.profile import core

Task = Literal["locate", "compare", "cluster", "chain"]
Shape = Literal["number", "yes_no", "list", "table", "prose"]
PlannedBy = Literal["off", "rules", "model"]
MOST_ERRANDS = 64
"""Sub-questions times documents of one plan; more are asked of all documents together."""

_PLURALS = (
    r"(?:documents|reports|filings|forms|10-[qk]s?|quarters|companies|firms|papers|articles"
    r"|contracts|agreements|years|periods|cases)"
)
_SINGULARS = r"(?:document|report|filing|quarter|company|firm|paper|contract|agreement|year|period)"
_EACH = re.compile(
    rf"\b(?:these|those|all|both|across|several|reported|provided|given|following)\s+"
    rf"(?:\w+\s+){{0,2}}{_PLURALS}\b|\b(?:each|every)\s+(?:of\s+)?(?:\w+\s+){{0,2}}"
    rf"(?:{_SINGULARS}|{_PLURALS})\b|\bwhich\s+(?:of\s+the\s+)?(?:{_SINGULARS}|{_PLURALS})\b",
    re.IGNORECASE,
)
_OVER_TIME = re.compile(
    r"\bover\s+(?:the\s+)?(?:\w+\s+)?(?:time|years|quarters|periods)\b|\btrends?\b|\bfluctuat"
    r"|\bacross\s+(?:\w+\s+){0,2}(?:quarters|years|periods)\b|\bhistorical|\bevolve",
    re.IGNORECASE,
)
_CHAIN = re.compile(r"\b(?:cite[sd]?|citing|citation|chain|chronolog\w*|sequence)\b", re.IGNORECASE)
_COMPARE = re.compile(
    r"\b(?:compar\w+|versus|vs\.?|than|highest|lowest|largest|smallest|most|least|rank\w*"
    r"|differ\w*)\b",
    re.IGNORECASE,
)
_CLUSTER = re.compile(
    r"\b(?:list|classif\w+|categor\w+|group|cluster|enumerate|overview)\b", re.IGNORECASE
)
_OTHERS = re.compile(
    r"\b(?:others|competitors?|peers?|rivals?|industry|companies|firms|else)\b", re.IGNORECASE
)
_YES_NO = re.compile(
    r"\s*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b", re.IGNORECASE
)
_NUMBER = re.compile(
    r"\bhow (?:much|many)\b|\bpercent|%|\b(?:amount|total|ratio|margin|average|rate|number of)\b",
    re.IGNORECASE,
)
_TABLE = re.compile(r"\btable\b|\btabulate\b", re.IGNORECASE)
_LIST = re.compile(r"\blists?\b|\benumerate\b|\bname (?:all|the)\b|\bwhat are the\b", re.IGNORECASE)
_NOTES: dict[Shape, str] = {
    "list": "The answer is a list: one line an entry, each with the number of its evidence.",
    "table": "The answer is a table: one line an item, with its figures and their numbers.",
    "number": "The answer is a figure: give it with its unit and the period it is for.",
}
_TICKER = re.compile(r"(?<![A-Za-z])[A-Z]{2,5}(?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class SubQuestion:
    """What to find in ``documents`` (ids), which are read together."""

    text: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """``shape``: what the answer has to be. ``by``: who made the plan; "off" and the identity
    plan have one sub-question, the question itself, over all documents together. ``why``: what
    was wrong with the reasoner's plan, where rules stood in for it."""

    task: Task
    sub_questions: tuple[SubQuestion, ...]
    granularity: Granularity
    shape: Shape
    by: PlannedBy
    why: str = ""


def identity(
    question: str, documents: Sequence[Document], granularity: Granularity, by: PlannedBy = "off"
) -> Plan:
    """The plan that changes nothing: the question, over all documents at once."""
    whole = (SubQuestion(question, tuple(document.id for document in documents)),)
    return Plan(task_of(question), whole, granularity, shape_of(question), by)


def by_rules(question: str, documents: Sequence[Document], granularity: Granularity) -> Plan:
    """The deterministic plan. Documents that are certainly of somebody else than the question
    names are left alone; where it asks about several, or over time, each is a sub-question."""
    plan = identity(question, documents, granularity, "rules")
    if len(documents) < 2:
        return plan
    profiles = [profile_of(document) for document in documents]
    named = [is_named(profile, question) for profile in profiles]
    kept = [
        document.id
        for document, one in zip(documents, needed(question, profiles, named), strict=True)
        if one
    ]
    several = len({_filed(one) for one, is_named in zip(profiles, named, strict=True) if is_named})
    apart = several > 1 or asks_of_each(question)
    if apart and 1 < len(kept) <= MOST_ERRANDS:
        subs = tuple(SubQuestion(question, (key,)) for key in kept)
    else:
        subs = (SubQuestion(question, tuple(kept)),)
    return Plan(plan.task, subs, granularity, plan.shape, "rules")


def needed(question: str, profiles: Sequence[Profile], named: Sequence[bool]) -> list[bool]:
    """Which documents to read: all of them, unless the question names whose document it means
    and every other document states that it is somebody else's."""
    certain = any(named) and all(
        one or profile.filer for one, profile in zip(named, profiles, strict=True)
    )
    if not certain or _OTHERS.search(question):
        return [True] * len(profiles)
    return list(named)


def asks_of_each(question: str) -> bool:
    """Whether a question asks the same of several documents."""
    return bool(_EACH.search(question) or _OVER_TIME.search(question))


def task_of(question: str) -> Task:
    """Loong's task type, by the question's words."""
    if _OVER_TIME.search(question) or _CHAIN.search(question):
        return "chain"
    if _COMPARE.search(question):
        return "compare"
    if _CLUSTER.search(question) or _EACH.search(question):
        return "cluster"
    return "locate"


def shape_of(question: str) -> Shape:
    """What the answer has to be, by the question's words."""
    if _TABLE.search(question):
        return "table"
    if _YES_NO.match(question):
        return "yes_no"
    if _NUMBER.search(question):
        return "number"
    return "list" if _LIST.search(question) else "prose"


def note(plan: Plan) -> str:
    """What the reasoner is told of the answer's shape: only by a plan that a model made, so that
    where none did it is asked as without any plan."""
    return _NOTES.get(plan.shape, "") if plan.by == "model" else ""


def shown(plan: Plan) -> dict[str, Any]:
    """As JSON for people's programs."""
    made = asdict(plan)
    subs = [{"text": sub.text, "documents": list(sub.documents)} for sub in plan.sub_questions]
    return {**made, "sub_questions": subs}


def packed(plan: Plan) -> str:
    """As text for the notes."""
    return json.dumps(shown(plan), ensure_ascii=False)


def unpacked(text: str) -> Plan:
    """What `packed` wrote."""
    row = json.loads(text)
    subs = tuple(SubQuestion(s["text"], tuple(s["documents"])) for s in row["sub_questions"])
    return Plan(**{**row, "sub_questions": subs})


def _filed(profile: Profile) -> str:
    """Whose document it is, as far as known."""
    return core(profile.names[0]).casefold() if profile.filer else profile.name


def is_named(profile: Profile, question: str) -> bool:
    """Whether the question names the filer, the file, or a sign of the file's name (a ticker)."""
    stem = profile.name.rpartition(".")[0] or profile.name
    names = [stem] if len(stem) > 3 else []
    if profile.filer:
        names.append(core(profile.names[0]))
    elif ":" in profile.title:  # a paper's "PAL: Program-aided Language Models"
        names.append(profile.title.partition(":")[0])
    signs = set(_TICKER.findall(stem.replace("_", " ")))
    if signs & set(_TICKER.findall(question)):
        return True
    return any(_stands(name, question) for name in names)


def _stands(name: str, question: str) -> bool:
    """Whether a name stands in the question as a name, whatever its capitals beyond the first."""
    words = r"\s+".join(re.escape(word) for word in name.split())
    if not words:
        return False
    pattern = re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
    return any(
        match[0][0].isupper() or match[0][0].isdigit() for match in pattern.finditer(question)
    )
