"""Answers as models really write them: final answer, citations, refusals."""

import pytest

from policy import parse_answer, split_reasoning
from policy.parsing import citations, unbracketed

FINALS = {
    "Therefore, the answer is 81,797.": "81,797",
    "Therefore, the answer is (81,797 million).": "(81,797 million)",
    "**Therefore, the answer is: $56.1 billion.**": "$56.1 billion",
    "So the answer is 4. No: the answer is **5**.": "5",
    "Therefore, the answer is October 13, 2023 [2].": "October 13, 2023",
    "Therefore, the answer is 365 million shares [3] for $56.1 billion [3, 4].": (
        "365 million shares for $56.1 billion"
    ),
    "Therefore, the answer is Epic Games, Inc. [1]": "Epic Games, Inc",
    "Net sales fell [1].\nTherefore, the answer is\n81,797\n": "81,797",
    "The Answer is 5.": None,
    "It is 5 [1].": None,
    "Therefore, the answer is (insert answer here).": None,
    "Therefore, the answer is (insert answer here) [number].": None,
    "Therefore, the answer is .": None,
}

CITED = {
    "Sales were 81,797 [1].": (1,),
    "A [2], b [1] and again [2].": (2, 1),
    "Both [1, 3] or [2; 4].": (1, 3, 2, 4),
    "All of them [1-3], and [5–6].": (1, 2, 3, 5, 6),
    "In Chinese brackets【4】.": (4,),
    "Spaced [ 2 ] and joined [1][3].": (2, 1, 3),
    "Not these: [0], [a], (1), [1-900], [12345], [3-1].": (),
}

REFUSALS = [
    "The documents do not state the number of employees.",
    "This is not stated in the documents.",
    "The answer is not in the documents.",
    "Therefore, the answer is not in the documents.",
    "Therefore, the answer is (not in the documents).",
    "Therefore, the answer is not given.",
    "Therefore, the answer is N/A.",
    "Therefore, the answer is unknown [3].",
    "The evidence provided does not mention net sales in India [1].",
    "The evidence doesn't say who the partner is.",
    "The provided text contains no figure for Mellanox.",
    "I cannot determine the amount from the evidence given.",
    "It cannot be determined.",
    "There is no information about the number of users.",
    "The salary is not specified.",
    "The founding year isn't mentioned.",
    "Net sales in Greater China were 15,758 [2], but India is not mentioned.\n"
    "Therefore, the answer is not in the documents.",
    "<think>The evidence states 5 somewhere? No.</think>It is not mentioned in the evidence.",
]

ANSWERS = [
    "Total net sales were $81,797 million [1]. Therefore, the answer is 81,797 [1].",
    "Therefore, the answer is no.",
    "The decrease was not due to lower iPhone sales [2].",
    "Epic Games, Inc. could not appeal the ruling [1].",
    "The agreement does not have a fixed end date [4].",
    "No dividends were declared [1].",
    "The Company had no outstanding borrowings under its credit facility [3].",
    "Unrecognized tax benefits were $1.3 billion [1].",
    "<think>It is not in the documents? It is: [2].</think>The rate was 12.5 % [2].",
    "India is not mentioned elsewhere.\nTherefore, the answer is 5,791 [1].",
    "Therefore, the answer is (9) [1].\n“The price is not given in this text.” [1]",
]


@pytest.mark.parametrize(("text", "final"), FINALS.items())
def test_final_answer(text: str, final: str | None) -> None:
    assert parse_answer(text).final == final


@pytest.mark.parametrize(("text", "numbers"), CITED.items())
def test_citations(text: str, numbers: tuple[int, ...]) -> None:
    assert citations(text) == numbers


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals(text: str) -> None:
    assert parse_answer(text).refused


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_that_refuse_nothing(text: str) -> None:
    assert not parse_answer(text).refused


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("(yes) [7].", "yes [7]."),
        ("(Sales (net) rose) [1] [2].\n", "Sales (net) rose [1] [2].\n"),
        ("(11.2 Term)", "11.2 Term"),
        ("(1,234) [1].", "(1,234) [1]."),
        ("($1,234) [1].", "($1,234) [1]."),
        ("(12.5%) [1].", "12.5% [1]."),
        ("(34) [1].", "34 [1]."),
        ("(a) in part and (b) [1].", "(a) in part and (b) [1]."),
        ("(yes) for the most part [1].", "(yes) for the most part [1]."),
        ("5 (net) [1].", "5 (net) [1]."),
    ],
)
def test_a_final_answer_loses_the_brackets_of_its_form(said: str, shown: str) -> None:
    known, lead = "Loss before tax $ (1,234) and a rate of 12.5%", "Therefore, the answer is"
    assert unbracketed(f"{lead} {said}", known) == f"{lead} {shown}"
    assert unbracketed(f"It is {said}", known) == f"It is {said}"


def test_the_answer_follows_the_last_closing_tag() -> None:
    text = "<think>One</think> no, <b>two</b> the answer is 1 </think>\n\nTwo [2]. "
    assert split_reasoning(text) == ("One</think> no, <b>two</b> the answer is 1", "Two [2].")
    parsed = parse_answer(text)
    assert (parsed.text, parsed.final, parsed.citations) == ("Two [2].", None, (2,))


def test_without_tags_all_is_answer() -> None:
    assert split_reasoning(" 81,797 [1]\n") == ("", "81,797 [1]")
    assert split_reasoning("") == ("", "")
