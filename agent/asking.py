"""What the reasoner is asked beside the question itself, as JSON by a schema: a plan, and whether
an answer's evidence suffices. What it says is used only where it can be checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.absence import absent
from agent.checking import names
from agent.figures import numbers
from agent.planning import MOST_ERRANDS, Plan, Shape, SubQuestion, Task, by_rules
from agent.values import Granularity
from documents import Document, Evidence, IsCancelled, profile_of
from documents.errors import PlanError, ReasonerError
from policy import Delta, Message, Reasoner, Usage

MOST_SUB_QUESTIONS = 6
PLAN_TOKENS = 400
JUDGE_TOKENS = 120
_MOST_PROFILES = 60
_WORD = re.compile(r"[^\W_]+")
_OPENERS = frozenset(
    "what which who whom whose when where why how has have had was were are does did can could "
    "should would will list name compare find give tell show explain describe summarise summarize "
    "identify according between during".split()
)
"""Words that open a question with a capital and name nothing."""
_PLAN_ORDER = (
    "Plan how to find what answers the question in the documents listed below. Do not answer it. "
    "Say what kind of task it is (locate: one fact; compare: several values side by side; "
    "cluster: gather or sort many things; chain: steps that follow from each other, or a "
    "development over time), what shape the answer has, in pieces of what size to read, and split "
    "it into at most {most} sub-questions, each complete by itself, with its names, figures and "
    "dates, and with the numbers of the documents that it concerns. If it is one question, repeat "
    "it as the only sub-question. Answer in JSON."
)
_JUDGE_ORDER = (
    "Below are a question, the numbered evidence that was found for it, and a draft answer. Judge "
    "whether the evidence holds everything that the question needs. If something is missing (a "
    "period, a definition, or something about a person, work or thing that the evidence itself "
    "names), say what, as one short question that can be looked up by itself. Answer in JSON."
)


class _Sub(BaseModel):
    model_config = ConfigDict(extra="forbid")
    question: str = Field(min_length=3, max_length=400)
    documents: list[int] = Field(min_length=1, max_length=_MOST_PROFILES)


class _Planned(BaseModel):
    model_config = ConfigDict(extra="forbid")
    task: Task
    shape: Shape
    granularity: Granularity
    sub_questions: list[_Sub] = Field(min_length=1, max_length=MOST_SUB_QUESTIONS)


class _Judged(BaseModel):
    model_config = ConfigDict(extra="forbid")
    enough: bool
    missing: str = Field(max_length=300)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the evidence suffices, and if not what is ``missing``, as a question; empty where
    the reasoner says that something is, but nothing that could be looked for."""

    enough: bool
    missing: str = ""


_Reply = TypeVar("_Reply", bound=BaseModel)


def plan(
    question: str,
    documents: Sequence[Document],
    granularity: Granularity,
    reasoner: Reasoner,
    cancelled: IsCancelled,
) -> tuple[Plan, Usage]:
    """The reasoner's plan where it is usable, else that of the rules, which says why."""
    rules = by_rules(question, documents, granularity)
    usage = Usage()
    try:
        if len(documents) > _MOST_PROFILES:
            raise PlanError(f"more than {_MOST_PROFILES} documents")
        listed = "\n".join(f"{n}. {profile_of(d).line()}" for n, d in enumerate(documents, 1))
        order = _PLAN_ORDER.format(most=MOST_SUB_QUESTIONS)
        content = f"{order}\n\nDocuments:\n{listed}\n\nQuestion: {question.strip()}"
        said, usage = _ask(content, _Planned, PLAN_TOKENS, reasoner, cancelled)
        return _usable(said, question, documents, rules), usage
    except (PlanError, ReasonerError) as error:
        why = error.message
        shape, subs = rules.shape, rules.sub_questions
        return Plan(rules.task, subs, rules.granularity, shape, "rules", why), usage


def judge(
    question: str, context: str, draft: str, reasoner: Reasoner, cancelled: IsCancelled
) -> tuple[Judgement, Usage]:
    """The reasoner's judgement of its evidence. Raises `ReasonerError` where it gives none."""
    content = (
        f"{_JUDGE_ORDER}\n\n<text>\n{context}\n</text>\n\nQuestion: {question.strip()}\n\n"
        f"Draft answer: {draft.strip() or 'none'}"
    )
    said, usage = _ask(content, _Judged, JUDGE_TOKENS, reasoner, cancelled)
    return Judgement(said.enough, " ".join(said.missing.split())), usage


def lookable(
    missing: str,
    asked: Sequence[str],
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
) -> bool:
    """Whether what is missing may be looked for: it says something that was not asked before, and
    names nothing that no document holds."""
    words = _words(missing)
    if len(words) < 2 or any(_alike(words, _words(one)) for one in asked):
        return False
    return not absent(missing, evidence, documents)


def _usable(said: _Planned, question: str, documents: Sequence[Document], rules: Plan) -> Plan:
    """The plan that the reasoner's words make. Raises `PlanError` with what is wrong with it."""
    ids = [document.id for document in documents]
    given = _words(question) | numbers(question) | _known(documents)
    subs: dict[SubQuestion, None] = {}
    for sub in said.sub_questions:
        if not all(1 <= n <= len(ids) for n in sub.documents):
            raise PlanError("a document that is not there")
        if not _signs(sub.question) <= given:
            raise PlanError("a sub-question with a name or figure that was not given")
        for n in dict.fromkeys(sub.documents):
            subs[SubQuestion(" ".join(sub.question.split()), (ids[n - 1],))] = None
    if lost := _signs(question) - _signs(" ".join(sub.text for sub in subs)):
        raise PlanError(f"lost: {', '.join(sorted(lost))}")
    wanted = {key for sub in rules.sub_questions for key in sub.documents}
    if missed := wanted - {sub.documents[0] for sub in subs}:
        raise PlanError(f"{len(missed)} documents left out that may hold the answer")
    if len(subs) > MOST_ERRANDS:
        raise PlanError("too many sub-questions")
    if len(said.sub_questions) == 1:  # nothing was split: read together what the rules read so
        return Plan(said.task, rules.sub_questions, said.granularity, said.shape, "model")
    return Plan(said.task, tuple(subs), said.granularity, said.shape, "model")


def _ask(
    content: str, kind: type[_Reply], most: int, reasoner: Reasoner, cancelled: IsCancelled
) -> tuple[_Reply, Usage]:
    """What the reasoner says, as ``kind``. Raises `ReasonerError`."""
    messages: list[Message] = [{"role": "user", "content": content}]
    parts: list[str] = []
    usage = Usage()
    for piece in reasoner.stream(
        messages,
        max_tokens=most,
        temperature=0.0,
        json_schema=_schema(kind),
        cancelled=cancelled,
    ):
        if not isinstance(piece, Delta):
            usage = piece
        elif piece.kind == "answer":
            parts.append(piece.text)
    try:
        return kind.model_validate_json("".join(parts)), usage
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise ReasonerError(f"no such JSON as asked for ({where}: {first['msg']})") from error


def _schema(kind: type[BaseModel]) -> Mapping[str, Any]:
    return kind.model_json_schema()


def _signs(text: str) -> set[str]:
    """The figures and the words of names in a text: what a sub-question must not lose."""
    found = {word.casefold() for name in names(f"x {text}") for word in _WORD.findall(name)}
    return {word for word in found - _OPENERS if len(word) > 2} | numbers(text)


def _known(documents: Sequence[Document]) -> set[str]:
    """What the documents' profiles say, in words and figures."""
    lines = " ".join(profile_of(document).line() for document in documents)
    return {word.casefold() for word in _WORD.findall(lines)} | numbers(lines)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _alike(one: set[str], other: set[str]) -> bool:
    """Whether two questions say the same in mostly the same words."""
    return len(one & other) >= 0.9 * max(len(one), len(other))
