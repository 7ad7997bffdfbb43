"""What an answer is worth: QwenLong-L1's rewards (arXiv 2505.17667, section 3.3 and its code).

`score` dispatches as the released code does: multiple choice by the letter, DocMath by its number
rule, everything else by cover exact match (sub-EM) in both directions. Nothing after a
``</think>`` means reward 0. The hybrid reward is the better of rule and judge; the judge is asked
only where the rule gives less than 1.

Sub-EM in both directions pays for copying the context, and for a fragment of the gold answer.
`Score` therefore has EM, F1 and the answer's length beside it, and `guarded` is the rule for
training: it pays only where the answer has at most ``most_words`` words more than the gold one,
and a fragment only from half of the gold's words on. That guard is longdoc's, not the paper's.
"""

from __future__ import annotations

import asyncio
import re
import string
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from documents.errors import ReasonerError
from policy import docmath
from policy.parsing import parse_answer
from policy.thinking import CLOSE

Kind = Literal["qa", "choice", "number"]
Judge = Callable[[str, str, str], Awaitable[bool]]
"""Takes question, answer and gold; returns whether the two answers are the same. Raises
`ReasonerError` where it cannot say."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CHOICE = re.compile(r"[Tt]he correct answer is\s*\(?([A-D])\b\)?")


@dataclass(frozen=True, slots=True)
class Score:
    """``rule`` is the published reward; the others, all 0 to 1 but the last, stand beside it.
    ``words`` is the length of the final answer."""

    rule: float
    exact: float = 0.0
    f1: float = 0.0
    words: int = 0
    gold_words: int = 0


def score(reply: str, golds: Sequence[str], kind: Kind = "qa", *, thinks: bool = True) -> Score:
    """The rule's reward of a whole reply. With ``thinks``, one without ``</think>`` gets 0."""
    if thinks and CLOSE not in reply:
        return Score(0.0)
    parsed = parse_answer(reply)
    if kind == "choice":
        right = choice(parsed.text, golds)
        return Score(right, right, right, 1, 1)
    if not parsed.final:
        return Score(0.0)
    said = parsed.final
    words = len(normalised(said).split())
    if kind == "number":
        right = max((docmath.correct(parsed.text, gold) for gold in golds), default=0.0)
    else:
        right = sub_em(said, golds)
    longest = max((len(normalised(gold).split()) for gold in golds), default=0)
    return Score(right, exact(said, golds), f1(said, golds), words, longest)


def guarded(result: Score, most_words: int = 10) -> float:
    """The rule's reward where the answer neither rambles nor is a mere fragment, else 0."""
    rambles = result.words > result.gold_words + most_words
    fragment = result.words * 2 < result.gold_words
    return 0.0 if rambles or fragment else result.rule


def choice(answer: str, golds: Sequence[str]) -> float:
    """1 if the last "The correct answer is (X)" names a gold letter, A to D."""
    found = _CHOICE.findall(answer.replace("*", ""))
    letters = {gold.strip().strip("().") for gold in golds}
    return float(bool(found) and found[-1] in letters)


def overlong(tokens: int, longest: int = 10_000, buffer: int = 1_000, factor: float = 1.0) -> float:
    """DAPO's soft punishment (arXiv 2503.14476, eq. 13): 0 up to ``longest - buffer`` tokens, then
    down linearly to -``factor`` at ``longest``, and -``factor`` beyond. Defaults are L1's."""
    if tokens <= longest - buffer:
        return 0.0
    if tokens > longest or buffer <= 0:
        return -factor
    return -factor * (tokens - (longest - buffer)) / buffer


@dataclass
class Hybrid:
    """max(rule, judge), concurrently. A judge that fails is counted in ``failed``, and the reply
    is not scored (None): 0 would punish an answer for the judge's fault."""

    judge: Judge
    at_once: int = 8
    asked: int = 0
    failed: int = 0
    _known: dict[tuple[str, str, str], bool] = field(default_factory=dict)

    async def rewards(
        self, rows: Sequence[tuple[str, str, Sequence[str], Kind]], *, thinks: bool = True
    ) -> list[float | None]:
        """One reward a row of (question, reply, golds, kind)."""
        gate = asyncio.Semaphore(self.at_once)

        async def one(question: str, reply: str, golds: Sequence[str], kind: Kind) -> float | None:
            rule = score(reply, golds, kind, thinks=thinks).rule
            final = parse_answer(reply).final
            ended = CLOSE in reply or not thinks
            if rule >= 1 or kind != "qa" or not final or not golds or not ended:
                return rule
            async with gate:
                same = await self._same(question, final, golds[0])
            return None if same is None else max(rule, float(same))

        return list(await asyncio.gather(*(one(*row) for row in rows)))

    async def _same(self, question: str, answer: str, gold: str) -> bool | None:
        key = (question, answer, gold)
        if key not in self._known:
            self.asked += 1
            try:
                self._known[key] = await self.judge(question, answer, gold)
            except ReasonerError:
                self.failed += 1
                return None
        return self._known[key]


# SQuAD (arXiv 1606.05250) and QwenLong-L1


def normalised(text: str) -> str:
    """SQuAD's form: lower case, without punctuation and articles, single spaces."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact(answer: str, golds: Sequence[str]) -> float:
    """1 if the answer equals a gold, both normalised."""
    return float(any(normalised(answer) == normalised(gold) for gold in golds))


def f1(answer: str, golds: Sequence[str]) -> float:
    """SQuAD's F1 of the words shared with a gold, both normalised. LongBench's ``qa_f1``."""
    words = normalised(answer).split()
    return max((overlap(words, normalised(gold).split()) for gold in golds), default=0.0)


def sub_em(answer: str, golds: Sequence[str]) -> float:
    """QwenLong-L1's cover exact match: 1 if a gold stands in the answer or the answer in a gold,
    both normalised. An empty one of either, which stands in everything, is 0 here and 1 there."""
    said = normalised(answer)
    wanted = [g for gold in golds if (g := normalised(gold))]
    return float(bool(said) and any(gold in said or said in gold for gold in wanted))


def overlap(said: Sequence[Hashable], gold: Sequence[Hashable]) -> float:
    """F1 of what two lists share, each item as often as it stands in both."""
    same = (Counter(said) & Counter(gold)).total()
    return 2 * same / (len(said) + len(gold)) if same else 0.0
