"""The judge: what it is asked, how its replies are read, what is made of them."""

from __future__ import annotations

import pytest

from evals.metrics.judge import rate, read_rating, same_answer, summary


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("Good. Rating: [[85]]", 85.0),
        ("Rating: [70]", 70.0),
        ("[3] is cited. Rating: [[100]]", 100.0),
        ("[[90]] then [[10]]", 90.0),
        ("[[7.5]]", 7.5),
        ("Rating: 85", None),
        ("", None),
    ],
)
def test_ratings_are_read_as_published(reply: str, rating: float | None) -> None:
    assert read_rating(reply) == rating


def test_average_perfect_rate_and_success_rate() -> None:
    ratings = summary([100.0, 50.0, None, 100.0])
    assert (ratings.average, ratings.perfect_rate) == (pytest.approx(250 / 3), 2 / 3)
    assert ratings.success_rate == 0.75
    assert summary([100.0], of_all=4).success_rate == 0.25
    assert summary([None]) == summary([None])
    assert summary([None]).average is None


def test_the_judge_sees_question_gold_and_answer_as_they_are() -> None:
    asked: list[str] = []

    def judge(prompt: str) -> str:
        asked.append(prompt)
        return "Rating: [[60]]"

    assert rate(judge, "Who? {gold}", '{"a": 1}', "{answer} \\1") == 60.0
    assert all(part in asked[0] for part in ("Who? {gold}", '{"a": 1}', "{answer} \\1"))


@pytest.mark.parametrize(
    ("reply", "same"),
    [("YES and NO. [[NO]]", False), ("They agree. [[YES]]", True), ("YES", True), ("", False)],
)
def test_same_or_not(reply: str, same: bool) -> None:
    assert same_answer(lambda _: reply, "q", "a", "b") is same
