"""A line item by its name, without a model."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agent.lookup import looked_up
from documents import Document, Evidence
from documents.readers.text import parse

FILING = """\
FORM {form}

For the {span} ended {end}

THE ALPHA GROUP, INC.

(Exact name of registrant as specified in its charter)

STATEMENTS OF OPERATIONS {frame}

                                                   {year}               {before}

Revenues                             $        {revenue}     $          9,000

General and administrative                      1,200                  1,100

Net loss per share from discontinued operations:

Basic                                          (0.10 )               (0.20 )

Net loss per share:

Basic                                $         (0.54 )     $         (0.51 )

Weighted average shares:

Basic                                          10,094                 10,148

STATEMENTS OF CASH FLOWS {frame}

                                                   {year}               {before}

Net cash from operating activities   $        {cash}       $       700

Cash at beginning of period                       819                    650
"""


def filed(year: int, revenue: str = "8,000", cash: str = "(500 )", frame: str = "") -> Document:
    text = FILING.format(
        form="10-K",
        span="year",
        end=f"December 31, {year}",
        year=year,
        before=year - 1,
        revenue=revenue,
        cash=cash,
        frame=frame,
    )
    return Document(f"d{year}", f"alpha-{year}.txt", text, (), tuple(parse(text)[0]))


def by_id(*documents: Document) -> dict[str, Document]:
    return {document.id: document for document in documents}


def asked(question: str, documents: Mapping[str, Document]) -> str | None:
    evidence = [Evidence(one.span(0, len(one.text)), 1.0) for one in documents.values()]
    told = looked_up(question, evidence, documents)
    return told.text.rpartition("answer is ")[2] if told else None


ONE = by_id(filed(2023, frame="(in thousands, except per share)"))
THREE = by_id(filed(2023, "9,500", "200"), filed(2021), filed(2022, "9,000", "(300 )"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What are the revenues of Alpha Group, Inc.?", "$8,000 thousand [1]."),
        ("According to the report, what was the amount of revenue (in USD) for The Alpha Group in "
         "2022?", "$9,000 thousand [1]."),
        ("What are the administrative expenses of ALPHA GROUP?", "1,200 thousand [1]."),
        ("What is the basic earnings per share of the Alpha Group, Inc?", "($0.54) [1]."),
        ("How much is the beginning balance of cash and cash equivalents for Alpha Group?",
         "819 thousand [1]."),
        ("What was the cash flow from operating activities in 2022?", "$700 thousand [1]."),
    ],
)  # fmt: skip
def test_the_row_that_is_called_so_tells(question: str, answer: str) -> None:
    assert asked(question, ONE) == answer


@pytest.mark.parametrize(
    "question",
    [
        "What are revenues?",  # what they are, not how much
        "What was the change in revenues in 2023?",
        "What were the revenues in 2022 and 2023?",
        "What was the revenue in 2019?",
        "What was the revenue from cranes in 2023?",
        "What is the share of revenue of Alpha Group?",
        "What is the average revenue in 2023?",
        "What is the main risk to revenues of Alpha Group?",
        "Which revenue was the highest?",
        "What is the price per share in 2023?",
        "What were the revenues in the third quarter of 2023?",
        "What were the revenues for the three months ended December 31, 2023?",
        "What were the revenues for the year ended June 30, 2023?",
    ],
)
def test_nothing_is_told_where_another_thing_may_be_asked(question: str) -> None:
    assert asked(question, ONE) is None


def test_whose_document_is_meant_has_to_be_sure() -> None:
    assert asked("What were the revenues of the Alpha Group?", THREE) is None
    text = FILING.replace("THE ALPHA GROUP, INC.", "BETA CORP")
    text = text.format(form="10-K", span="year", end="December 31, 2023", year=2023, before=2022,
                       revenue="1", cash="2", frame="")  # fmt: skip
    beta = Document("b", "beta.txt", text, (), tuple(parse(text)[0]))
    both = {**ONE, "b": beta}
    assert asked("What are the revenues of Beta Corp?", both) == "$1 [2]."
    assert asked("What are the revenues in 2023?", both) is None


def test_two_rows_that_say_different_things_tell_nothing() -> None:
    document = filed(2023)
    text = f"{document.text}\nRevenues                             $        7,777     $     6,666\n"
    twice = Document("d", "alpha.txt", text, (), tuple(parse(text)[0]))
    assert asked("What are the revenues of Alpha Group?", by_id(twice)) is None


@pytest.mark.parametrize(
    "question",
    [
        "What is the trend in Alpha Group's revenue from 2021 to 2023?",
        "How did the revenues of The Alpha Group, Inc. change from 2021 to 2023?",
        "What is the change in revenue from the 2021 annual report to the 2023 annual report?",
    ],
)
def test_a_trend_is_told_from_report_to_report(question: str) -> None:
    assert asked(question, THREE) == (
        "$8,000 (December 31, 2021) [2], then up at $9,000 (December 31, 2022) [3], then up at "
        "$9,500 (December 31, 2023) [1]."
    )


def test_amounts_below_zero_go_up_and_down_by_their_value() -> None:
    told = asked("What is the trend in the cash flow from operating activities?", THREE)
    assert told == (
        "($500) (December 31, 2021) [2], then up at ($300) (December 31, 2022) [3], then up at "
        "$200 (December 31, 2023) [1]."
    )


def test_a_trend_needs_reports_of_times_of_their_own() -> None:
    one = filed(2023)
    again = Document("again", "copy.txt", one.text, (), one.blocks)
    assert asked("What is the trend in Alpha Group's revenue?", by_id(one, again)) is None


@pytest.mark.parametrize(
    "question",
    [
        "How have revenues changed from 2021 to 2023, and what may this indicate?",
        "What is the trend in Alpha Group's revenue from cranes?",
        "What is the trend in the cost of revenues?",
    ],
)
def test_no_trend_is_told_of_another_thing(question: str) -> None:
    assert asked(question, THREE) is None


def test_a_segment_goes_by_its_name_in_every_report() -> None:
    cranes = FILING.replace("Revenues", "Cranes  ")

    def one(year: int, text: str) -> Document:
        end = f"December 31, {year}"
        text = text.format(form="10-K", span="year", end=end, year=year, before=year - 1,
                           revenue="8,000", cash="2", frame="")  # fmt: skip
        return Document(f"d{year}", f"alpha-{year}.txt", text, (), tuple(parse(text)[0]))

    question = "Can any trends be seen in the Cranes segment revenue over the reported periods?"
    told = asked(question, by_id(one(2022, cranes), one(2023, cranes)))
    assert told is not None and told.startswith("$8,000 (December 31, 2022) [1], then unchanged")
    other = one(2022, cranes.replace("Cranes  ", "Cranes of others"))
    assert asked(question, by_id(other, one(2023, cranes))) is None


def test_a_row_that_speaks_of_something_besides_gives_way() -> None:
    text = f"{filed(2023).text}\nOperating cash flows used for leases          $        134\n"
    document = Document("d", "alpha.txt", text, (), tuple(parse(text)[0]))
    told = asked("What was the operating cash flow of Alpha Group in 2023?", by_id(document))
    assert told == "($500) [1]."


def test_a_quarter_is_that_of_the_report_or_none() -> None:
    text = filed(2023).text.replace("2023               2022", "Q3 2023            Q3 2022")
    third = by_id(Document("d", "2023 Q3 alpha.txt", text, (), tuple(parse(text)[0])))
    assert asked("What was the revenue of Alpha Group in Q3 2023?", third) == "$8,000 [1]."
    assert asked("What was the revenue of Alpha Group in Q2 2023?", third) is None
