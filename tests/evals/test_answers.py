"""Answers marked by rules: what counts as right, and that dumping everything does not."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.metrics.answers import kind_of, list_marks, mark, overlap
from evals.metrics.dates import dates, same_date
from evals.metrics.figures import figures, implied_scale, matched, same


@pytest.mark.parametrize(
    ("text", "value", "unit", "sign"),
    [
        ("$81.8 billion", "81.8e9", "usd", 1),
        ("81,797 million", "81797e6", "", 1),
        ("$(1,234) million", "1234e6", "usd", -1),
        ("net loss of (1,234)", "1234", "", -1),
        ("-3.2%", "3.2", "%", -1),
        ("15.7 percent", "15.7", "%", 1),
        ("decreased by $5.2 million", "5.2e6", "usd", 0),
        ("12.3亿元", "12.3e8", "cny/jpy", 1),
        ("$19,055 in thousands", "19055e3", "usd", 1),
        ("(110M parameters", "110e6", "", 1),
    ],
)
def test_a_figure_is_read_with_sign_unit_and_scale(
    text: str, value: str, unit: str, sign: int
) -> None:
    (figure,) = figures(text)
    assert (figure.value, figure.unit, figure.sign) == (Decimal(value), unit, sign)


@pytest.mark.parametrize(
    "text",
    ["June 25, 2022", "in 2023", "Q2 2023 and FY23", "Note 6", "the 10-Q", "[3, 4]", "1. First",
     "GPT-4", "2023年3月31日"],
)  # fmt: skip
def test_years_dates_and_numbering_are_no_figures(text: str) -> None:
    assert figures(text) == ()


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("$81.8 billion", "81,797 million", True),
        ("$81.7 billion", "81,797 million", False),
        ("$82 billion", "81,797 million", True),
        ("$1 billion", "$1.4 billion", False),
        ("$5", "€5", False),
        ("12%", "$12", False),
        ("12%", "0.12", True),
        ("12%", "12", True),
        ("$5.2 million", "5.2", False),
        ("-5%", "5%", False),
    ],
)
def test_figures_are_equal_within_the_rounding_shown(one: str, other: str, equal: bool) -> None:
    (a,), (b,) = figures(one), figures(other)
    assert same(a, b) is equal
    assert same(b, a) is equal


def test_the_questions_scale_is_that_of_a_bare_figure() -> None:
    question = "What is the capex (in USD millions)?"
    assert implied_scale(question) == 6
    assert mark("$1,577 million", ["$1577.00"], question).correct == 1.0
    assert mark("$1,577 million", ["$1577.00"], "What is the capex?").correct == 0.0


def test_dumping_every_number_does_not_win() -> None:
    dump = "It may be $81,797 million, $82,959 million, $94,836 million or $117,154 million."
    told = mark(dump, ["$81,797 million"])
    assert (told.precision, told.recall, told.correct) == (0.25, 1.0, 0.4)
    said = mark(dump + " Therefore, the answer is $81.8 billion.", ["$81,797 million"])
    assert said.correct == 1.0


def test_figures_of_the_question_are_not_held_against_an_answer() -> None:
    question = "By how much did revenue of $5 million grow?"
    assert mark("From $5 million it grew by $2 million.", ["$2 million"], question).correct == 1.0


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8), st.data())
def test_precision_and_recall_of_figures(numbers: list[int], data: st.DataObject) -> None:
    gold = [f"${n:,}.00" for n in dict.fromkeys(numbers)]
    said = data.draw(st.lists(st.sampled_from(gold), unique=True))
    precision, recall = matched(figures("; ".join(said)), figures("; ".join(gold)))
    assert recall == pytest.approx(len(said) / len(gold))
    assert precision == (1.0 if said else 0.0)


@pytest.mark.parametrize(
    ("answer", "gold", "correct"),
    [
        ("Yes, it did.", "True", 1.0),
        ("The answer is no.", "True", 0.0),
        ("It did not announce any.", "False", 1.0),
        ("25 June 2022", "June 25, 2022", 1.0),
        ("June 2022", "June 25, 2022", 0.0),
        ("The highest is 楚天科技。", "楚天科技", 1.0),
        ("the answer is President and CEO", "President and Chief Executive Officer", 1.0),
        ("It is Coyni, Inc.", "Coyni, Inc.", 1.0),
        ("Either Globex, or Acme.", "Acme Corp.", 2 / 3),
        ('["b", "a"]', "['a', 'b', 'c']", 0.8),
    ],
)
def test_other_kinds(answer: str, gold: str, correct: float) -> None:
    assert mark(answer, [gold]).correct == pytest.approx(correct)


def test_abstention_is_an_outcome_of_its_own() -> None:
    refused = mark("The documents do not give this.", ["$5 million"])
    assert (refused.correct, refused.abstained) == (0.0, True)
    wrong = mark("$6 million", ["$5 million"])
    assert (wrong.correct, wrong.abstained) == (0.0, False)
    assert mark("This is not stated in the documents.", ["N/A"]).correct == 1.0
    assert mark("$5 million", ["Not answerable"]).correct == 0.0


def test_prose_is_not_settled_by_rules() -> None:
    gold = (
        "The model uses a bidirectional encoder, so that only small changes of its architecture "
        "are needed for each of the tasks it is fine-tuned on."
    )
    told = mark(gold, [gold])
    assert (told.kind, told.correct, told.recall) == ("prose", None, 1.0)
    assert overlap("one two two", "two two three four") == (2 / 3, 0.5)


def test_the_best_reference_counts() -> None:
    assert mark("12%", ["11%", "12%"]).correct == 1.0


def test_list_items_match_once() -> None:
    assert list_marks(["a", "a", "b"], ["a", "b"]) == (2 / 3, 1.0)
    assert list_marks([], []) == (1.0, 1.0)


def test_dates_are_read_in_their_forms() -> None:
    forms = ["June 25, 2022", "25 June 2022", "2022-06-25", "6/25/2022", "2022年6月25日"]
    assert {dates(form)[0] for form in forms} == {(2022, 6, 25)}
    assert same_date((2022, 6, 25), (2022, 6, 0))
    assert not same_date((2022, 0, 0), (2022, 6, 0))


def test_every_real_reference_is_right_against_itself(data_dir: Path) -> None:
    lines = (data_dir / "pdfs" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = []
    for row in map(json.loads, lines):
        told = mark(row["answers"][0], row["answers"], row["question"])
        kinds.append(kind_of(row["answers"][0]))
        assert told.correct in (None, 1.0), row["question"]
    assert kinds.count("prose") < 0.6 * len(kinds)


@pytest.mark.parametrize(
    "said", ["Not answerable", "N/A.", "not available", "Unanswerable", "None"]
)
def test_the_bare_words_of_a_refusal_are_one(said: str) -> None:
    assert mark(said, ["Not answerable"]).correct == 1
    assert mark(said, ["4,812"]).abstained


def test_marks_are_left_out_but_a_list_of_numbers_is_none() -> None:
    assert mark("[8, 9]", ["[8, 9]"]).correct == 1
    assert mark("4,812 [3]", ["4,812"]).correct == 1


def test_a_figure_alone_on_its_line_is_no_list_mark() -> None:
    assert mark("15.\n\nThat is the sum of both.", ["15"]).correct == 1
    assert figures("1. First\n2) Second") == ()
