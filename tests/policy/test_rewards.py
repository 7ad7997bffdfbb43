"""Rewards: the published definitions' cases, the guard, and the judge's failures."""

from __future__ import annotations

import asyncio

import pytest

from documents.errors import ReasonerError
from policy.rewards import Hybrid, Kind, choice, guarded, overlong, score

END = "</think> Therefore, the answer is "


@pytest.mark.parametrize(
    ("reply", "gold", "kind", "reward"),
    [
        ("x" + END + "the Eiffel Tower.", "Eiffel tower", "qa", 1.0),
        ("x" + END + "**Big Ben**", "Eiffel tower", "qa", 0.0),
        ("x" + END + "Eiffel", "Eiffel tower", "qa", 1.0),
        ("x" + END + "the", "Eiffel tower", "qa", 0.0),
        ("x</think> Eiffel tower", "Eiffel tower", "qa", 0.0),
        ("Therefore, the answer is Eiffel tower", "Eiffel tower", "qa", 0.0),
        ("x" + END + "12,340", "12340", "number", 1.0),
        ("x" + END + "0.1234", "12.34%", "number", 1.0),
        ("x" + END + "12", "17", "number", 0.0),
        ("x" + END + "1e99999999", "17", "number", 0.0),
        ("x" + END + "1e-99999999", "17", "number", 0.0),
        ("x" + END + "Big Ben", "A", "qa", 0.0),
        ("x</think> The correct answer is (B)", "B", "choice", 1.0),
        ("x</think> The correct answer is **C**.", "(B)", "choice", 0.0),
    ],
)
def test_the_rule(reply: str, gold: str, kind: Kind, reward: float) -> None:
    assert score(reply, [gold], kind).rule == reward


def test_a_model_that_does_not_think_needs_no_tag() -> None:
    reply = "Therefore, the answer is Eiffel tower"
    assert score(reply, ["Eiffel tower"], thinks=False).rule == 1.0
    assert score("", [], thinks=False).rule == 0.0


def test_copying_the_context_pays_by_the_rule_and_not_under_the_guard() -> None:
    copied = score(END + "word " * 60 + "Eiffel tower " + "word " * 60, ["Eiffel tower"])
    assert (copied.rule, copied.exact, copied.words) == (1.0, 0.0, 122)
    assert copied.f1 < 0.05
    assert guarded(copied) == 0.0
    fragment = score(END + "of", ["the Battle of Hastings in 1066"])
    assert (fragment.rule, guarded(fragment)) == (1.0, 0.0)
    assert guarded(score(END + "it is the Eiffel Tower", ["Eiffel tower"])) == 1.0


def test_the_last_choice_counts() -> None:
    assert choice("The correct answer is (A). No: the correct answer is D", ["D"]) == 1.0
    assert choice("It is D", ["D"]) == 0.0
    assert choice("The correct answer is Dover", ["D"]) == 0.0


def test_the_overlong_punishment_is_dapos() -> None:
    assert [overlong(n, 100, 20) for n in (80, 90, 100, 101)] == [0.0, -0.5, -1.0, -1.0]
    assert overlong(9_250) == -0.25
    assert overlong(90, 100, 20, 0.5) == -0.25


def test_the_overlong_punishment_equals_trls() -> None:
    from trl.rewards import get_soft_overlong_punishment

    theirs = get_soft_overlong_punishment(100, 20)
    lengths = range(1, 130)
    assert theirs([[0] * n for n in lengths]) == pytest.approx(
        [overlong(n, 100, 20) for n in lengths]
    )


def test_the_judge_is_asked_where_the_rule_fails_once_and_never_scores_its_failures() -> None:
    seen = []

    async def judge(question: str, answer: str, gold: str) -> bool:
        seen.append(answer)
        if answer == "down":
            raise ReasonerError("no server")
        return answer == "la tour Eiffel"

    rows: list[tuple[str, str, list[str], Kind]] = [
        ("Which?", END + said, ["Eiffel tower"], "qa")
        for said in ("Eiffel tower", "la tour Eiffel", "Big Ben", "down")
    ]
    rows.append(("Which?", "no end", ["Eiffel tower"], "qa"))
    hybrid = Hybrid(judge)
    assert asyncio.run(hybrid.rewards(rows)) == [1.0, 1.0, 0.0, None, 0.0]
    assert asyncio.run(hybrid.rewards(rows[:3])) == [1.0, 1.0, 0.0]
    assert sorted(seen) == ["Big Ben", "down", "la tour Eiffel"]
    assert (hybrid.asked, hybrid.failed) == (3, 1)
