"""What a model is asked while questions are made, how its replies are read, and which are refused.

A ``generate`` is any function from a prompt to the model's text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Generate = Callable[[str], str]
LEAST_F1 = 0.5
"""Answers that share as many words are taken for the same."""

MALFORMED = "malformed reply"
NOT_IN_EVIDENCE = "the answer does not stand in the evidence"
NO_QUESTION = "it is no question"
TOO_LONG = "the answer is too long"
GIVEN_AWAY = "the question holds its answer"
OF_THE_PASSAGE = "the question speaks of the passage"
OTHER_ANSWER = "answered otherwise with the passage"
KNOWN = "answered without the passage"

ASK = """\
Passage:
{passage}

One sentence of it:
{evidence}

Write a question that this sentence answers, and the answer. The answer is one to six words, \
copied from the sentence. The question names what it is about in full, so that someone who does \
not see the passage understands it; it does not mention the passage and does not hold the answer. \
Reply with one line of JSON and nothing else, in this form:
{{"question": "...", "answer": "..."}}
JSON:"""

JOIN = """\
Write the second question anew without the answer of the first: in its place stands a description, \
taken from the first question. Reply with one line of JSON and nothing else.

First question: Who wrote Emma?
Its answer: Jane Austen
Second question: When was Jane Austen born?
JSON: {{"question": "When was the writer of Emma born?"}}

First question: What is the capital of the province of Utrecht?
Its answer: Utrecht City
Second question: How many bridges does Utrecht City have?
JSON: {{"question": "How many bridges does the capital of the province of Utrecht have?"}}

First question: {first}
Its answer: {name}
Second question: {second}
JSON:"""

BACK = """\
Passage:
{passage}

Question: {question}
Answer from the passage alone, in a few words. If it does not hold the answer, reply: not stated.
Answer:"""

ALONE = """\
Question: {question}
Answer from what you know, in a few words. If you do not know, reply: unknown.
Answer:"""

_THOUSANDS = re.compile(r"(?<=\d),(?=\d)")
_WORD = re.compile(r"\d+(?:\.\d+)*|[^\W_]+")
_ARTICLES = frozenset({"a", "an", "the"})
_PASSAGE = re.compile(
    r"\b(?:th(?:e|is) (?:passage|sentence|text|excerpt|given|above)|above|following)\b", re.I
)


def parsed(reply: str, *fields: str) -> tuple[str, ...] | None:
    """The fields of the first JSON object in a reply, stripped; None where there is none, or one
    is absent, empty or neither text nor number."""
    start = reply.find("{")
    if start < 0:
        return None
    try:
        found: Any = json.JSONDecoder().raw_decode(reply, start)[0]
    except ValueError:
        return None
    values = [found.get(name) for name in fields]
    if any(isinstance(value, bool) or not isinstance(value, str | int | float) for value in values):
        return None
    texts = tuple(" ".join(str(value).split()) for value in values)
    return texts if all(words(text) for text in texts) else None


def words(text: str) -> list[str]:
    """Words and numbers in lower case, without articles, marks and commas inside numbers."""
    plain = _THOUSANDS.sub("", text.casefold())
    return [word for word in _WORD.findall(plain) if word not in _ARTICLES]


def same(said: str, answers: Sequence[str]) -> bool:
    """Whether a reply is one of the answers: the same words, or word F1 of at least `LEAST_F1`."""
    return any(f1(words(said), words(answer)) >= LEAST_F1 for answer in answers)


def f1(said: list[str], wanted: list[str]) -> float:
    """The harmonic mean of precision and recall of words; 0 where either has none."""
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted)) if shared else 0.0


def place(answer: str, text: str) -> tuple[int, int] | None:
    """Where an answer stands in a text as whole words, whatever the case and the line ends."""
    said = r"\s+".join(re.escape(word) for word in answer.split())
    found = re.search(rf"(?<!\w){said}(?!\w)", text, re.I) if said else None
    return found.span() if found else None


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether any of the answers stands in a text."""
    return any(place(answer, text) for answer in answers)


@dataclass(frozen=True, slots=True)
class Filter:
    """Decides on made questions, the model being asked last: it must find the answer with the
    passage, and with ``closed_book`` must not know it without."""

    generate: Generate
    closed_book: bool
    most_answer_words: int

    def refusal(self, question: str, answers: Sequence[str], evidence: str, passage: str) -> str:
        """Why a question is dropped; empty where it is kept."""
        if fault := self._fault(question, answers, evidence):
            return fault
        if not same(self.generate(BACK.format(passage=passage, question=question)), answers):
            return OTHER_ANSWER
        if self.closed_book and same(self.generate(ALONE.format(question=question)), answers):
            return KNOWN
        return ""

    def _fault(self, question: str, answers: Sequence[str], evidence: str) -> str:
        """What can be told without the model."""
        if not holds(evidence, answers):
            return NOT_IN_EVIDENCE
        if all(len(words(answer)) > self.most_answer_words for answer in answers):
            return TOO_LONG
        if not question.endswith(("?", "？")):
            return NO_QUESTION
        if holds(question, answers):
            return GIVEN_AWAY
        return OF_THE_PASSAGE if _PASSAGE.search(question) else ""
