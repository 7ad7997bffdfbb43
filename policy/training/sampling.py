"""Groups of sampled answers: how hard a prompt is, and traces by rejection sampling.

A ``generate`` is any function from a chat and a number to that many replies, reasoning, the
closing ``</think>`` and answer in one string; `from_reasoner` makes one of longdoc's client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from policy.client import Reasoner
from policy.rewards import guarded, score
from policy.thinking import CLOSE, OPEN
from policy.training.rows import Row
from policy.values import Delta, Message

Generate = Callable[[Sequence[Message], int], Sequence[str]]
Reward = Callable[[Row, str], float | None]
"""None where a reply could not be scored, as when a judge failed."""


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt's replies and their rewards; None stands for one that was not scored."""

    row: Row
    replies: tuple[str, ...]
    rewards: tuple[float | None, ...]

    @property
    def mean(self) -> float | None:
        """The mean reward of those scored; None where none was."""
        known = [reward for reward in self.rewards if reward is not None]
        return sum(known) / len(known) if known else None

    @property
    def difficulty(self) -> float | None:
        """1 / mean reward (arXiv 2505.17667, eq. 10).

        Where every answer is wrong that is infinite, which no sampling weight can be: there the
        mean is taken as half an answer right, so the difficulty is twice the number scored. That
        floor is longdoc's. The paper's other rule, to carry over those of accuracy 0, asks for
        ``mean == 0`` instead. Negative means, from overlong punishment, count as 0."""
        if self.mean is None:
            return None
        scored = sum(reward is not None for reward in self.rewards)
        return 1 / max(self.mean, 1 / (2 * scored))


def rule(row: Row, reply: str) -> float:
    """The published rule's reward; a reply without ``</think>`` gets 0."""
    return score(reply, row.golds, row.kind).rule


def strict(row: Row, reply: str) -> float:
    """The rule's reward, 0 where the answer rambles or is a fragment: for choosing traces."""
    return guarded(score(reply, row.golds, row.kind))


def groups(
    rows: Iterable[Row], generate: Generate, size: int, reward: Reward = rule
) -> Iterator[Group]:
    """``size`` scored replies to each row, one row after the other."""
    for row in rows:
        replies = tuple(generate(row.messages, size))
        yield Group(row, replies, tuple(reward(row, reply) for reply in replies))


def with_difficulty(group: Group) -> Row:
    """The row, with ``difficulty`` and ``mean_reward`` in its extra info."""
    told = {"difficulty": group.difficulty, "mean_reward": group.mean}
    return replace(group.row, extra={**group.row.extra, **told})


def accepted(group: Group, most: int = 1) -> tuple[str, ...]:
    """Rejection sampling: the fully right replies, shortest first, each once, at most ``most``.

    The paper distils from DeepSeek-R1 and keeps verified answers; which of several right ones it
    keeps is not said, and the shortest is longdoc's choice."""
    pairs = zip(group.replies, group.rewards, strict=True)
    right = dict.fromkeys(reply.strip() for reply, reward in pairs if (reward or 0) >= 1)
    return tuple(sorted(right, key=len))[:most]


def with_traces(group: Group, most: int = 1) -> Row | None:
    """The row with its accepted replies as ``traces``; None where there is none."""
    traces = accepted(group, most)
    return replace(group.row, extra={**group.row.extra, "traces": list(traces)}) if traces else None


def from_reasoner(reasoner: Reasoner) -> Generate:
    """A ``generate`` that asks the reasoner as often as there are replies. Set its temperature
    above 0, or all of them are the same."""

    def generate(messages: Sequence[Message], number: int) -> list[str]:
        return [_reply(reasoner, messages) for _ in range(number)]

    return generate


def _reply(reasoner: Reasoner, messages: Sequence[Message]) -> str:
    """One whole reply. Reasoning that the server splits off is put back before ``</think>``, but
    not where it was cut off before it came to an answer."""
    said = {"reasoning": "", "answer": ""}
    for piece in reasoner.stream(messages):
        if isinstance(piece, Delta):
            said[piece.kind] += piece.text
    if not said["reasoning"] or not said["answer"]:
        return said["answer"]
    return f"{OPEN}\n{said['reasoning'].strip()}\n{CLOSE}\n\n{said['answer'].strip()}"
