"""Follow-ups are made to stand alone by rule, or by the model under guards, or left as asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import periods
from agent.conversation import Standalone, Turn, sound, standalone
from agent.followups import by_rule, leans
from policy import Reasoner, ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, fails, says_text

QUARTER = "What were Apple's total net sales for the quarter ended July 1, 2023?"
YEAR = "What was Apple's operating income in fiscal 2023?"
BARE = "What were total net sales?"
NUMBERED = "How much revenue did Microsoft report in Q1 2023?"


@pytest.mark.parametrize(
    ("before", "asked", "rewritten"),
    [
        (QUARTER, "and the year before?", QUARTER.replace("July 1, 2023", "about July 1, 2022")),
        (QUARTER, "And the previous quarter?", QUARTER.replace("July 1", "about April 1")),
        (QUARTER, "And for Amazon?", QUARTER.replace("Apple", "Amazon")),
        (QUARTER, "What about Bank of America?", QUARTER.replace("Apple", "Bank of America")),
        (
            QUARTER,
            "and operating expenses?",
            QUARTER.replace("total net sales", "operating expenses"),
        ),
        (QUARTER, "And for fiscal 2021?", "What were Apple's total net sales for fiscal 2021?"),
        (
            QUARTER,
            "what about September 30, 2022?",
            QUARTER.replace("July 1, 2023", "September 30, 2022"),
        ),
        (YEAR, "and two years earlier?", "What was Apple's operating income in fiscal 2021?"),
        (YEAR, "Q2?", "What was Apple's operating income in Q2 of fiscal 2023?"),
        (YEAR, "what about the dividends?", "What were Apple's dividends in fiscal 2023?"),
        (
            YEAR,
            "What was the gross margin the year before?",
            "What was Apple's gross margin in fiscal 2022?",
        ),
        (BARE, "and the year before?", "What were total net sales the year before?"),
        (BARE, "And in 2021?", "What were total net sales in 2021?"),
        (
            "What were Apple's net sales in 2023?",
            "and in Europe?",
            "What were Apple's net sales in 2023 in Europe?",
        ),
        (BARE, "and for Amazon?", "What were total net sales for Amazon?"),
        (NUMBERED, "and the quarter before?", "How much revenue did Microsoft report in Q4 2022?"),
        (NUMBERED, "What about Q3?", "How much revenue did Microsoft report in Q3 2023?"),
        (NUMBERED, "the following year?", "How much revenue did Microsoft report in Q1 2024?"),
        (
            "Did sales grow from 2021 to 2022?",
            "and a year later?",
            "Did sales grow from 2022 to 2023?",
        ),
        (
            "What was debt on February 29, 2024?",
            "the year before?",
            "What was debt on February 28, 2023?",
        ),
        (YEAR, "And what was it in 2021?", "What was Apple's operating income in fiscal 2021?"),
        (YEAR, "how much was it the year before?", YEAR.replace("2023", "2022")),
    ],
)
def test_simple_follow_ups_are_rewritten_by_rule(before: str, asked: str, rewritten: str) -> None:
    assert leans(asked)
    assert by_rule(asked, before) == rewritten


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        (QUARTER, "Why did it fall?"),
        (QUARTER, "What about Q2?"),  # of which year: the quarter's end does not say
        (YEAR, "and the previous quarter?"),
        (YEAR, "and by segment?"),
        (YEAR, "How does that compare with the prior year?"),
        (YEAR, "and compared with 2021?"),
        (YEAR, "and after 2021?"),
        ("Did Apple or Amazon grow in 2023?", "and for Microsoft?"),
        ("What does the 2023 report say of 2021?", "and the year before?"),
        (NUMBERED, "and operating income?"),
    ],
)
def test_what_no_rule_covers_is_left_to_the_model(before: str, asked: str) -> None:
    assert leans(asked)
    assert by_rule(asked, before) is None


@pytest.mark.parametrize(
    "question",
    [
        QUARTER,
        YEAR,
        BARE,
        "And what was Amazon's revenue in 2023?",
        "Did Apple raise its dividend?",
        "Which companies raised their dividend?",
        "What products were recalled that were sold in 2022?",
        "What were net sales in 2023 compared with the prior year?",
        "Does the agreement end when its term expires?",
        "Summarise the report.",
        "Apple total net sales 2023",
    ],
)
def test_a_question_that_stands_alone_is_not_rewritten(question: str) -> None:
    assert standalone(question, [Turn(QUARTER)], _no_model) == Standalone(question)


def test_without_a_thread_nothing_is_rewritten() -> None:
    assert standalone("and the year before?", [], _no_model) == Standalone("and the year before?")


def test_years_before_follow_on_each_other() -> None:
    turns = [Turn(YEAR)]
    for year in (2022, 2021, 2020):
        found = standalone("and the year before?", turns, _no_model)
        assert found == Standalone(YEAR.replace("2023", str(year)), "rule")
        turns.append(Turn(found.text))


def _no_model() -> Reasoner:
    raise AssertionError("the model was asked")


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server() as server:
        yield server


@pytest.fixture
def reasoner(server: ChatServer) -> Reasoner:
    server.asked.clear()
    server.replies.clear()
    return Reasoner(ReasonerConfig(url=server.url, retries=0))


WHY = "Why did Apple's total net sales fall in the quarter ended July 1, 2023?"
TURNS = (Turn(QUARTER, "Total net sales were $81,797 million, 1% less than in 2022 [3]."),)


def test_the_model_rewrites_by_schema_what_no_rule_does(
    server: ChatServer, reasoner: Reasoner
) -> None:
    server.replies[:] = [says_text(json.dumps({"question": WHY}))]
    assert standalone("Why did it fall?", TURNS, lambda: reasoner) == Standalone(WHY, "model")
    [(_, body)] = server.asked
    assert body["response_format"]["type"] == "json_schema"
    assert "$81,797 million" in body["messages"][0]["content"]


def test_punctuation_is_no_part_of_a_figure() -> None:
    rewritten = "What were Apple's total net sales for the quarter ended July 1, 2023, by segment?"
    assert sound(rewritten, "And by segment?", [Turn(QUARTER)])


@pytest.mark.parametrize(
    "reply",
    [
        QUARTER,  # the question before, again
        "Why did it fall?",
        "",
        "Why did Apple's total net sales fall in the quarter ended July 1, 2021?",
        "Why did Amazon's total net sales fall in the quarter ended July 1, 2023?",
        "Why did Apple's adjusted EBITDA fall in the quarter ended July 1, 2023?",
        "Why did Apple's total net sales fall by 4% in the quarter ended July 1, 2023?",
        "What were the reasons for Apple's total net sales?",
    ],
)
def test_what_the_model_makes_up_is_not_asked(
    server: ChatServer, reasoner: Reasoner, reply: str
) -> None:
    asked = "Why did it fall?"
    assert not sound(reply, asked, TURNS)
    server.replies[:] = [says_text(json.dumps({"question": reply}))]
    assert standalone(asked, TURNS, lambda: reasoner) == Standalone(asked, leans=True)


@pytest.mark.parametrize("reply", [fails(400, "no"), says_text("no json"), says_text("[1]")])
def test_a_model_that_fails_leaves_the_question_as_asked(
    server: ChatServer, reasoner: Reasoner, reply: object
) -> None:
    server.replies[:] = [reply]  # type: ignore[list-item]
    asked = "Why did it fall?"
    assert standalone(asked, TURNS, lambda: reasoner) == Standalone(asked, leans=True)


def test_a_rewriting_keeps_the_distance_that_was_asked_for() -> None:
    asked, turns = "Why did it fall the year before?", [Turn(YEAR)]
    assert sound("Why did Apple's operating income fall in fiscal 2022?", asked, turns)
    assert not sound("Why did Apple's operating income fall in fiscal 2023?", asked, turns)
    assert not sound("Why did Apple's operating income fall in fiscal 2021?", asked, turns)


@given(
    st.sampled_from([QUARTER, YEAR, NUMBERED, "Did sales grow from 2021 to 2022?"]),
    st.sampled_from(["year", "quarter"]),
    st.integers(-9, 9),
)
def test_moving_there_and_back_leads_to_the_same_period(text: str, unit: str, by: int) -> None:
    there = periods.moved(text, periods.Move(unit, by, 0, 0))  # type: ignore[arg-type]
    if there is None:
        assert unit == "quarter"
        return
    back = periods.moved(there, periods.Move(unit, -by, 0, 0))  # type: ignore[arg-type]
    assert back is not None
    assert back.replace("about ", "") == text


def test_years_are_not_figures() -> None:
    text = "$2,023 in FY24, 2019.5%, 1999 and 3Q21"
    assert periods.periods(text) == {"2024", "1999", "2021", "Q3"}
