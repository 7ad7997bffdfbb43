"""Tables in plain text, as filings saved as text have them."""

from __future__ import annotations

import time

import pytest

from documents import Document
from documents.readers.text import parse
from documents.rows import label_of, row_cells

FILING = """\
CONDENSED CONSOLIDATED BALANCE SHEETS

                                 \xa0 \xa0  March 31, 2024\xa0\xa0 \xa0    December 31,\xa0

                                 \xa0 \xa0     (unaudited)\xa0\xa0 \xa0            2023\xa0

ASSETS                           \xa0 \xa0                \xa0\xa0 \xa0                \xa0

Cash                             \u200b $        822,921\u200b\u200b \u200b$        819,024

Note receivable                  \xa0 \xa0              —\xa0\xa0 \xa0         185,000\xa0

\xa0                                \xa0 \xa0                \xa0\xa0 \xa0                \xa0

Accumulated deficit              \xa0 \xa0       (177,148 )\xa0 \xa0        (165,583 )

                                           645,773               838,441

See the notes.  They are a part of these statements.

                                     3

Suite 100, Main Street    (316) 555-0100
"""
PROSE = """\
Sales rose by 5%.  Costs fell.  See note 3.

Contents  3
"""


def rows(text: str) -> list[tuple[list[str], list[str]]]:
    """Each table row's cells, and the heads over it."""
    document = Document("d", "filing.txt", text, (), tuple(parse(text)[0]))
    return [
        (
            [" ".join(text[a:b].split()) for a, b in row_cells(document, block)],
            [text[a:b] for a, b in block.header],
        )
        for block in document.blocks
        if block.kind == "table_row"
    ]


def test_rows_of_a_filing_in_columns_of_spaces() -> None:
    heads = ["March 31, 2024", "December 31,", "(unaudited)", "2023"]
    assert rows(FILING) == [
        (["March 31, 2024", "December 31,"], []),
        (["(unaudited)", "2023"], []),
        (["ASSETS"], []),
        (["Cash", "$ 822,921", "$ 819,024"], heads),
        (["Note receivable", "—", "185,000"], heads),
        (["Accumulated deficit", "(177,148 )", "(165,583 )"], heads),
        (["645,773", "838,441"], heads),
    ]
    kinds = [(block.kind, FILING[block.start : block.end]) for block in parse(FILING)[0]]
    assert [text for kind, text in kinds if kind == "paragraph"] == [
        "CONDENSED CONSOLIDATED BALANCE SHEETS",
        "See the notes.  They are a part of these statements.",
        "3",
        "Suite 100, Main Street    (316) 555-0100",
    ]


def test_a_row_is_called_by_its_label_alone() -> None:
    blocks, tables = parse(FILING)
    document = Document("d", "filing.txt", FILING, (), tuple(blocks))
    labels = [label_of(document, block) for block in blocks if block.kind == "table_row"]
    assert ("Cash", True) in labels and ("Accumulated deficit", True) in labels
    assert {number for number in tables if number >= 0} == {0}


@pytest.mark.parametrize(
    ("text", "row", "heads"),
    [
        (" |  | 2019 | 2018\n | Note | £m | £m\nUK |  | 24.5 | 24.9\nAll |  | 24.9 | 25.4\n\nEnd.",
         ["UK", "24.5", "24.9"], ["2019", "2018", "Note", "£m", "£m"]),
        ("|Name|City|\n|---|---|\n|Ann|Rome|\n|Fee|5|\n|Tax|6|", ["Fee", "5"], ["Name", "City"]),
        ("|Fee|5|1|\n|Tax|6|2|", ["Fee", "5", "1"], []),
        ("Item          2023        2022\n----          ----      ----\nFee   5   4\nTax   1   2",
         ["Tax", "1", "2"], ["Item", "2023", "2022"]),
        ("Tax\t1\t2\nFees\t3\t4", ["Tax", "1", "2"], []),
    ],
)  # fmt: skip
def test_rows_between_pipes_rules_and_tabs(text: str, row: list[str], heads: list[str]) -> None:
    assert (row, heads) in rows(text)


def test_a_second_head_takes_the_place_of_the_first() -> None:
    first = "                      2024        2023\nSales    5    4\nCosts    3    2\n"
    later = "                      2022        2021\nSales    1    2\n"
    found = {tuple(cells): heads for cells, heads in rows(first + later)}
    assert found["Costs", "3", "2"] == ["2024", "2023"]
    assert found["Sales", "1", "2"] == ["2022", "2021"]


def test_drawn_lines_are_furniture() -> None:
    text = "|Fee|2024|\n|---|---|\n|Tax|6|\n|Rent|7|"
    assert [block.kind for block in parse(text)[0]] == [
        "table_row", "furniture", "table_row", "table_row"
    ]  # fmt: skip


def test_sentences_are_no_rows() -> None:
    assert rows(PROSE) == []


@pytest.mark.parametrize(
    "line", [" " * 200_000, "-" * 200_000 + "x", "1" * 200_000 + "x", "| " * 100_000]
)
def test_hostile_lines_take_no_time(line: str) -> None:
    began = time.perf_counter()
    parse(f"a    1\nb    2\n{line}\nc    3")
    assert time.perf_counter() - began < 2
