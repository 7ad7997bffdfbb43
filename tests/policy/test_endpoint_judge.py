"""The LLM judge over real sockets: verdicts, the cache on disk, failures that are not scores."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer, Reply, chat_server, fails

from documents.errors import ReasonerError, StorageError
from policy import judge
from policy.config import ReasonerConfig
from policy.rewards import Hybrid, Kind

Question = tuple[str, str, tuple[str, ...], Kind]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def judges(text: str) -> Reply:
    """A whole completion, as asked for without a stream."""
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
    }
    whole = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    return lambda handler: handler.send_json(whole)


def config(server: ChatServer) -> ReasonerConfig:
    return ReasonerConfig(url=server.url, api_key="secret", retries=0, max_answer_tokens=128)


def asked(answer: str, gold: str, question: str = "How long?") -> Question:
    return question, f"<think>\nx\n</think>\n\nTherefore, the answer is {answer}.", (gold,), "qa"


def rewards(hybrid: Hybrid, *rows: Question) -> list[float | None]:
    return asyncio.run(hybrid.rewards(rows))


def test_the_reward_is_the_better_of_rule_and_judge(server: ChatServer) -> None:
    server.replies = [judges("Both are a year. [[YES]]"), judges("They differ. [[NO]]")]
    hybrid = judge.hybrid(config(server), at_once=1)
    found = rewards(
        hybrid,
        asked("365 days", "one year"),
        asked("a month", "one year"),
        asked("one year", "one year"),
    )
    assert found == [1.0, 0.0, 1.0]
    assert len(server.asked) == 2, "where the rule gives 1 the judge is not asked"
    headers, body = server.asked[0]
    assert headers["authorization"] == "Bearer secret"
    assert body["model"] == "m" and body["temperature"] == 0 and body["max_tokens"] == 128
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == (
        "Problem:\nHow long?\n\nAnswer 1:\n365 days\n\nAnswer 2:\none year"
    )


def test_failures_are_counted_and_not_scored(server: ChatServer) -> None:
    server.replies = [fails(500, "overloaded"), judges("Hm, YES I think."), judges("[[YES]]")]
    hybrid = judge.hybrid(config(server), at_once=1)
    rows = [asked(f"{n} days", "one year") for n in (1, 2, 3)]
    assert rewards(hybrid, *rows) == [None, None, 1.0]
    assert (hybrid.asked, hybrid.failed) == (3, 2)


def test_a_server_that_is_gone_is_a_failure() -> None:
    with chat_server() as running:
        told = config(running)
    hybrid = judge.hybrid(told)
    assert rewards(hybrid, asked("365 days", "one year")) == [None]
    assert hybrid.failed == 1


def test_verdicts_are_kept_on_disk_and_failures_are_not(server: ChatServer, tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "judge.jsonl"
    rows = [asked("365 days", "one year"), asked("a month", "one year")]
    server.replies = [judges("[[YES]]"), fails(500, "overloaded")]
    assert rewards(judge.hybrid(config(server), cache, at_once=1), *rows) == [1.0, None]
    cache.write_text(cache.read_text("utf-8") + '{"key": "cut sho', "utf-8")
    server.replies = [judges("[[NO]]")]
    later = judge.EndpointJudge(config(server), cache)
    assert rewards(Hybrid(later, 1), *rows) == [1.0, 0.0]
    assert (later.asked, later.kept) == (1, 1)
    assert rewards(judge.hybrid(config(server), cache), *rows) == [1.0, 0.0]
    assert len(server.asked) == 3


def test_another_judge_does_not_use_the_verdicts(server: ChatServer, tmp_path: Path) -> None:
    cache = tmp_path / "judge.jsonl"
    row = asked("365 days", "one year")
    server.replies = [judges("[[YES]]"), judges("[[NO]]")]
    assert rewards(judge.hybrid(config(server), cache), row) == [1.0]
    server.models = [{"id": "other", "max_model_len": 1000}]
    assert rewards(judge.hybrid(config(server), cache), row) == [0.0]


def test_many_are_asked_at_once_but_the_server_is_looked_up_once(server: ChatServer) -> None:
    server.replies = [judges("[[YES]]")] * 8
    hybrid = judge.hybrid(config(server), at_once=4)
    assert rewards(hybrid, *(asked(f"{n} days", "one year") for n in range(8))) == [1.0] * 8
    assert server.listed == 1


@pytest.mark.parametrize(
    ("reply", "same"),
    [
        ("[[YES]]", True),
        ("Is it [[YES]]? No: [[ no ]].", False),
        ("<think>[[YES]]</think>They differ. [[NO]]", False),
        ("<think>[[YES]]</think>They differ.", None),
        ("YES", None),
        ("", None),
    ],
)
def test_the_last_verdict_after_the_reasoning_counts(reply: str, same: bool | None) -> None:
    assert judge.verdict(reply) is same


def test_a_judge_needs_an_address_and_a_cache_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ReasonerError, match="no address"):
        judge.EndpointJudge(ReasonerConfig())
    path = tmp_path / "notes.txt"
    path.write_text("something else\n", "utf-8")
    with pytest.raises(StorageError, match="no cache"):
        judge.EndpointJudge(ReasonerConfig(url="http://127.0.0.1:1"), path)
