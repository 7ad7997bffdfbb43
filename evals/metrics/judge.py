"""A model that judges answers: Loong's rating from 1 to 100, and QwenLong-L1's same or not.

A judge is any callable from a prompt to a reply; `reasoner_judge` makes one of a `policy`
reasoner, so that any OpenAI-compatible server can judge. What is asked for and how replies are
read follows the publications (arXiv 2406.17419, 2505.17667); the wording is longdoc's own, so
ratings compare with published ones in kind, not to the point.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from policy.judge import asked, verdict
from policy.values import Delta

if TYPE_CHECKING:
    from policy import Reasoner

Judge = Callable[[str], str]
"""Takes a prompt, returns the reply."""

FULL_MARKS = 100.0

_RATING = """Question:
{question}

Reference answer (take it as right):
{gold}

Answer to be rated, between the two lines:
-----
{answer}
-----

Rate the answer against the reference on two points.
1. Accuracy: it means the same as the reference, its numbers and their order are right, and it \
claims nothing that is made up.
2. Completeness: it has every key point of the reference. Further detail is not needed.

Give a whole number from 1 (worst) to 100 (best). An answer that meets both points fully gets \
100. First explain your rating without bias, in at most 100 words; then end with a line of this \
very form, the number in double square brackets:
Rating: [[number]]"""


@dataclass(frozen=True, slots=True)
class Ratings:
    """Loong's three figures: the mean rating, the share of full marks (both of what could be
    read), and the share of ratings that could be read. The first two are None where none could."""

    average: float | None
    perfect_rate: float | None
    success_rate: float


def reasoner_judge(reasoner: Reasoner, max_tokens: int = 1024) -> Judge:
    """The reasoner as a judge, at temperature 0, its reasoning left out of the reply."""

    def ask(prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        stream = reasoner.stream(messages, max_tokens=max_tokens, temperature=0.0)
        return "".join(p.text for p in stream if isinstance(p, Delta) and p.kind == "answer")

    return ask


def rate(judge: Judge, question: str, gold: str, answer: str) -> float | None:
    """Loong's rating, 1 to 100; None where the judge's reply holds none."""
    return read_rating(judge(_filled(_RATING, question=question, gold=gold, answer=answer)))


def read_rating(reply: str) -> float | None:
    """The first number in double brackets, else the first in single ones, else None."""
    for form in (r"\[\[(\d*\.?\d+)\]\]", r"\[(\d*\.?\d+)\]"):
        if found := re.search(form, reply):
            return float(found[1])
    return None


def summary(ratings: Iterable[float | None], of_all: int | None = None) -> Ratings:
    """The figures of a slice (a level, a set). ``of_all``: Loong's released code divides the
    success rate of every slice by the number of all rows; by default it is the slice's own."""
    given = list(ratings)
    read = [rating for rating in given if rating is not None]
    success = len(read) / max(1, len(given) if of_all is None else of_all)
    if not read:
        return Ratings(None, None, success)
    perfect = sum(rating == FULL_MARKS for rating in read)
    return Ratings(sum(read) / len(read), perfect / len(read), success)


def same_answer(judge: Judge, question: str, answer: str, gold: str) -> bool:
    """QwenLong-L1's verdict: whether the two answers are the same. As published, the reply
    counts as yes if YES stands in its verdict."""
    return verdict(judge(asked(question, answer, gold)))


def _filled(template: str, **parts: str) -> str:
    """The template with its parts in one pass: braces in an answer stay what they are."""
    return re.sub(r"\{(\w+)\}", lambda match: parts[match[1]], template)
