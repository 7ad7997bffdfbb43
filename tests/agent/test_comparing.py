"""Documents side by side by one line item, without a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.comparing import compared
from agent.line_items import Told
from app.service import Question, Service
from app.settings import load_settings
from documents import Document, Evidence
from documents.readers.text import parse
from policy import ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server

COVER = """\
UNITED STATES SECURITIES AND EXCHANGE COMMISSION

FORM 10-Q

{name}

(Exact name of registrant as specified in its charter)

CONDENSED BALANCE SHEETS {frame}

                                     March 31, 2024     December 31, 2023

Cash and cash equivalents            $      {cash}     $      1,111

Total current liabilities                   {short}             2,222

Total liabilities                    $      {long}      $      3,333

                                                   2024               2023

Weighted average shares:

Basic                                              {shares}          77,000

Net loss per share:

Basic and diluted                    $      ({loss})     $      (0.10 )
"""
ALPHA = {"name": "Alpha Corp", "frame": "(In thousands)", "cash": "1,500", "short": "2,600",
         "long": "4,000", "shares": "90,000", "loss": "0.30 "}  # fmt: skip
BRAVO = {"name": "Bravo Inc", "frame": "", "cash": "3,000,000", "short": "2,500,000",
         "long": "5,000,000", "shares": "80,000", "loss": "0.05 "}  # fmt: skip
CHARLIE = {"name": "Charlie Ltd.", "frame": "(In millions)", "cash": "2", "short": "1",
           "long": "3", "shares": "70,000", "loss": "0.20 "}  # fmt: skip


def made(*told: Mapping[str, str], without: str = "") -> dict[str, Document]:
    """A filing of each company; the last one has no row that begins with ``without``."""
    found = {}
    for number, values in enumerate(told):
        text = COVER.format(**values)
        if without and number == len(told) - 1:
            text = "\n".join(row for row in text.split("\n") if not row.startswith(without))
        key = f"d{number}"
        found[key] = Document(key, f"{key}.txt", text, (), tuple(parse(text)[0]))
    return found


def whole(documents: Mapping[str, Document]) -> list[Evidence]:
    return [Evidence(one.span(0, len(one.text)), 1.0) for one in documents.values()]


def asked(question: str, documents: Mapping[str, Document]) -> Told | None:
    return compared(question, whole(documents), documents)


FILLER = "\n\n".join(f"Note {n}: cargo of sort {n} was moved by crane {n * 3}." for n in range(300))
ALL = made(ALPHA, BRAVO, CHARLIE)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Which company has the highest total liabilities?", "Bravo Inc, $5,000,000 [2]"),
        ("Which of these companies has the lowest 'Total Liabilities'?",
         "Charlie Ltd., $3 million [3]"),
        ("Which company has the largest total current liabilities?",
         "Alpha Corp, 2,600 thousand [1]"),
        ("Which firm had the lowest basic earnings per share?", "Alpha Corp, ($0.30) [1]"),
        ("List the cash and cash equivalents of each of the companies in ascending order.",
         "$1,500 thousand (Alpha Corp), $2 million (Charlie Ltd.), $3,000,000 (Bravo Inc)"),
        ("Categorize the companies by 'total liabilities' into the following groups: high (over "
         "$4,500,000), medium (over $3,500,000 and below $4,500,000) and low (below $3.5 million). "
         "Each company is in one group.",
         "high: Bravo Inc; medium: Alpha Corp; low: Charlie Ltd"),
        ("Group the companies by net loss per share into these groups: negative, neutral (0), "
         "positive.",
         "negative: Alpha Corp, Bravo Inc, Charlie Ltd.; neutral: none; positive: none"),
    ],
)  # fmt: skip
def test_what_the_rows_of_all_documents_say(question: str, answer: str) -> None:
    found = asked(question, ALL)
    assert found is not None and found.lacking == ()
    assert found.text.endswith(f"\nTherefore, the answer is {answer}.")


def test_each_figure_is_told_with_its_row_its_period_and_its_evidence() -> None:
    found = asked("Which company has the highest total liabilities?", ALL)
    assert found is not None and found.item == "total liabilities"
    assert found.text.split("\n")[:-1] == [
        "Alpha Corp: Total liabilities (March 31, 2024) $4,000 thousand [1].",
        "Bravo Inc: Total liabilities (March 31, 2024) $5,000,000 [2].",
        "Charlie Ltd.: Total liabilities (March 31, 2024) $3 million [3].",
    ]


def test_the_year_that_is_asked_for_is_compared() -> None:
    found = asked("Which company had the highest total liabilities in 2023?", ALL)
    assert found is not None and "Charlie Ltd., $3,333 million" in found.text
    assert asked("Which company had the highest total liabilities in 2019?", ALL) is None


def test_whose_row_is_missing_is_said_and_looked_for() -> None:
    two = made(ALPHA, BRAVO, CHARLIE, without="Total liabilities")
    found = asked("Which company has the highest total liabilities?", two)
    assert found is not None and found.lacking == ("d2",)
    assert "Not found in the evidence: Charlie Ltd.\n" in found.text


@pytest.mark.parametrize(
    "question",
    [
        "Which company has the highest total non-current assets?",  # no such row
        "Which segment has the highest cash and cash equivalents?",  # not of documents
        "What were the total liabilities of Alpha Corp?",
        "Which company has the best outlook?",
        "Group the companies by total liabilities into these groups: large, small.",  # no bounds
        "Group the companies by total liabilities into these groups: over $9 billion, below $1.",
    ],
)
def test_nothing_is_told_where_the_rows_do_not_say_it(question: str) -> None:
    assert asked(question, ALL) is None


def test_most_documents_have_to_have_the_row() -> None:
    one = made(ALPHA, CHARLIE, without="Total liabilities")
    assert asked("Which company has the highest total liabilities?", one) is None


def test_equals_have_no_highest() -> None:
    same = made(ALPHA, {**ALPHA, "name": "Delta Corp"})
    assert asked("Which company has the highest total liabilities?", same) is None


def test_a_short_amount_without_a_scale_is_doubted_where_scales_are_in_use() -> None:
    silent = {**ALPHA, "frame": "", "name": "Alpha Corp\n\n(figures in tables are in thousands)"}
    assert asked("Which company has the highest total liabilities?", made(ALPHA, BRAVO)) is not None
    documents = made(silent, BRAVO)
    far = documents["d0"].text.replace("CONDENSED", "word " * 400 + "\n\nCONDENSED")
    documents["d0"] = Document("d0", "d0.txt", far, (), tuple(parse(far)[0]))
    assert asked("Which company has the highest total liabilities?", documents) is None


def test_the_scale_that_a_document_says_throughout_is_that_of_its_short_amounts() -> None:
    silent = {**ALPHA, "frame": "", "name": "Alpha Corp"}
    documents = made(silent, BRAVO)
    notes = "\n\n".join(f"Note {n} (in thousands of dollars)" for n in range(3))
    far = documents["d0"].text + "\n\n" + notes
    question = "Which company has the lowest cash and cash equivalents?"
    documents["d0"] = Document("d0", "d0.txt", far, (), tuple(parse(far)[0]))
    found = asked(question, documents)
    assert found is not None and "Alpha Corp, $1,500 thousand [1]" in found.text
    other = far + "\n\nNote 4 (in millions of dollars)"
    documents["d0"] = Document("d0", "d0.txt", other, (), tuple(parse(other)[0]))
    assert asked(question, documents) is None


# a whole run


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server() as server:
        server.models = [{"id": "m", "max_model_len": 8_000}]
        yield server


def asked_of(
    documents: Mapping[str, Document], server: ChatServer, folder: Path, **settings: Any
) -> dict[str, Any]:
    """The record of a run over these documents as files."""
    for key, document in documents.items():
        (folder / f"{key}.txt").write_text(f"{document.text}\n\n{FILLER}")
    reasoner = ReasonerConfig(url=server.url, context_tokens=8_000)
    given = {"retrieval": {"ranking": "bm25", "chunk_tokens": 256}, **settings}
    service = Service(load_settings(home=folder / "home", reasoner=reasoner, **given))
    keys = tuple(document.id for document in service.ingest(sorted(folder.glob("*.txt"))))
    question = "Which company has the highest total liabilities?"
    return service.run(Question(question, keys, "rag", 2_000))


def test_a_run_needs_no_model_and_its_citations_hold(server: ChatServer, tmp_path: Path) -> None:
    result = asked_of(ALL, server, tmp_path)
    assert server.asked == []
    assert result["answer"].endswith("Therefore, the answer is Bravo Inc, $5,000,000 [2].")
    assert result["verdict"] == "answered"
    assert len(result["citations"]) == 3
    assert all(one["verified"] for one in result["citations"])
    assert result["unsupported"] == []


def test_an_answer_that_lacks_somebody_is_one_in_part(server: ChatServer, tmp_path: Path) -> None:
    lacking = made(ALPHA, BRAVO, CHARLIE, without="Total liabilities")
    result = asked_of(lacking, server, tmp_path)
    assert server.asked == []
    assert "Not found in the evidence: Charlie Ltd." in result["answer"]
    assert result["verdict"] == "partly"


def test_a_missing_row_is_looked_for_in_the_next_round(server: ChatServer, tmp_path: Path) -> None:
    lacking = made(ALPHA, BRAVO, CHARLIE, without="Total liabilities")
    result = asked_of(lacking, server, tmp_path, max_rounds=2)
    assert server.asked == []
    assert (result["rounds"], result["follow_ups"]) == (2, ["total liabilities"])
