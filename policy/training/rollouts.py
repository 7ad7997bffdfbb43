"""Rewards of sampled answers, as TRL calls them.

The first is the answer's worth: longdoc's guard around the published rule (`policy.rewards`), so
that copying the context, which sub-EM in both directions pays for, is worth nothing; with a judge
the better of the two, under the same guard. The second is DAPO's overlong punishment. Beside the
reward the log gets sub-EM unguarded, EM, F1, the answer's words, the share that ended its thinking
and the share that the guard refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from policy.rewards import Hybrid, Score, guarded, overlong, score
from policy.thinking import CLOSE
from policy.training.models import reply_text
from policy.training.rows import Row

LogMetric = Callable[[str, float], None]


@dataclass(frozen=True)
class Rewards:
    """Scores answers to ``rows``, which the data set's column ``row`` points into. ``longest``
    and ``buffer`` are the overlong punishment's; a buffer of 0 is none."""

    rows: Sequence[Row]
    tokenizer: Any
    most_words: int
    longest: int
    buffer: int = 0
    judge: Hybrid | None = None

    def functions(self) -> list[Any]:
        """TRL's reward functions, the answer's worth first."""
        first: Any = self.worth if self.judge is None else self.judged
        return [first, self.overlong] if self.buffer else [first]

    def worth(
        self, completion_ids: Sequence[Sequence[int]], row: Sequence[int], **told: Any
    ) -> list[float]:
        """The guarded rule's reward."""
        replies = [reply_text(self.tokenizer, ids) for ids in completion_ids]
        scores = [self._score(place, reply) for place, reply in zip(row, replies, strict=True)]
        worth = [guarded(found, self.most_words) for found in scores]
        _log(told["log_metric"], replies, scores, worth)
        return worth

    async def judged(
        self, completion_ids: Sequence[Sequence[int]], row: Sequence[int], **told: Any
    ) -> list[float | None]:
        """The better of rule and judge, guarded; None where the judge failed."""
        if self.judge is None:
            return list(self.worth(completion_ids, row, **told))
        replies = [reply_text(self.tokenizer, ids) for ids in completion_ids]
        scores = [self._score(place, reply) for place, reply in zip(row, replies, strict=True)]
        asked = [
            (_question(self.rows[place]), reply, self.rows[place].golds, self.rows[place].kind)
            for place, reply in zip(row, replies, strict=True)
        ]
        best = await self.judge.rewards(asked)
        worth = [
            None if value is None else guarded(replace(found, rule=value), self.most_words)
            for found, value in zip(scores, best, strict=True)
        ]
        _log(told["log_metric"], replies, scores, [value or 0.0 for value in worth])
        told["log_metric"]("judge/failed", self.judge.failed)
        return worth

    def overlong(self, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        """DAPO's soft punishment of length, in tokens."""
        return [overlong(len(ids), self.longest, self.buffer) for ids in completion_ids]

    def _score(self, place: int, reply: str) -> Score:
        return score(reply, self.rows[place].golds, self.rows[place].kind)


def _question(row: Row) -> str:
    """The question: told beside the prompt, or what the prompt says after its text."""
    told = row.extra.get("question")
    return str(told) if told else row.messages[-1]["content"].rpartition("</text>")[2].strip()


def _log(
    log: LogMetric, replies: Sequence[str], scores: Sequence[Score], worth: Sequence[float]
) -> None:
    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    log("answers/worth", mean(worth))
    log("answers/sub_em", mean([found.rule for found in scores]))
    log("answers/exact", mean([found.exact for found in scores]))
    log("answers/f1", mean([found.f1 for found in scores]))
    log("answers/words", mean([found.words for found in scores]))
    log("answers/ended_thinking", mean([CLOSE in reply for reply in replies]))
    refused = [found.rule > value for found, value in zip(scores, worth, strict=True)]
    log("answers/refused_by_guard", mean(refused))
