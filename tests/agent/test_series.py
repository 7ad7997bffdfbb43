"""A row's figures under the periods asked for are put into the expression without a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import series
from agent.computing import citations, computed, sentence
from app.service import Question, Service
from app.settings import load_settings
from documents import Document, DocumentStore, Evidence
from policy import ReasonerConfig, parse_answer

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, says_text

REPORT = """# Halden Marine plc

In millions.

| | 2023 | 2022 | 2021 |
| --- | --- | --- | --- |
| Net sales | 4,812 | 4,511 | 4,100 |
| Cost of sales | 2,900 | 2,750 | 2,600 |
| Operating expenses | 1,204 | 1,100 | 1,000 |
| Other income (loss) | (35) | 41 | 12 |
| Gross margin | 39.7% | 39.0% | 36.6% |
| Operating income | 708 | 661 | 500 |
| Net income | 50 | (40) | (20) |
| Impairments | (9) | (7) | (5) |
| Tax rate (%) | 21.5 | 20.0 | 19.0 |
| Total debt | 3,000 | 3,000 | 1,500 |
| Change in working capital | 30 | 20 | 10 |
| Europe | 700 | 600 | 500 |
"""


@pytest.fixture
def report(tmp_path: Path) -> Document:
    (tmp_path / "report.md").write_text(REPORT)
    return DocumentStore(tmp_path / "store").ingest(tmp_path / "report.md")


def _said(report: Document, question: str) -> str | None:
    evidence = [Evidence(report.span(0, len(report.text)), 1.0)]
    found = series.expression(question, evidence, {report.id: report})
    if found is None:
        return None
    said, row = found
    done = computed(said, question, evidence, {report.id: report}, row=row)
    return parse_answer(sentence(done)).final


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What was the change in net sales from 2022 to 2023?", "301 million"),
        ("By how much did operating expenses grow from 2021 to 2022?", "100 million"),
        ("What was the percentage change in net sales between 2022 and 2023?", "6.67 %"),
        ("By how many percent did revenue grow from 2021 to 2023?", "17.37 %"),
        ("What was the average cost of sales for 2022 and 2023?", "2,825.00 million"),
        ("What were average operating expenses from 2021 to 2023?", "1,101.33 million"),
        ("What are the average operating expenses?", "1,101.33 million"),
        ("What is the sum of net sales in 2021 and 2022?", "8,611 million"),
        ("What was the change in other income from 2022 to 2023?", "−76 million"),
        ("What was the rate of growth of net sales from 2022 to 2023?", "6.67 %"),
        ("What was the total change in working capital in 2021 and 2022?", "30 million"),
        ("What was the change in total debt from 2022 to 2023?", "0 million"),
        ("What were average operating expenses over the last three years?", "1,101.33 million"),
    ],
)
def test_what_the_words_say_is_computed(report: Document, question: str, answer: str) -> None:
    assert _said(report, question) == answer


@pytest.mark.parametrize(
    "question",
    [
        "What was the change in net sales?",
        "What was the change in net sales from 2019 to 2023?",
        "What was the change in dividends from 2022 to 2023?",
        "What was the ratio of net sales to cost of sales in 2022 and 2023?",
        "What were operating expenses as a percentage of net sales in 2022 and 2023?",
        "How did sales and expenses develop in 2022 and 2023?",
        "What was the change in gross margin from 2022 to 2023?",  # in points: the model may say
        "What was the average change in net sales from 2021 to 2023?",
        "What was the compound annual growth rate of net sales from 2021 to 2023?",
        "By what factor did net sales grow from 2021 to 2023?",
        "What was the change in operating expenses as a % of net sales from 2022 to 2023?",
        "What was the percentage change in the tax rate from 2022 to 2023?",
        "What was the percentage growth in net income from 2022 to 2023?",  # from a loss
        "How much did impairments increase from 2022 to 2023?",  # its sign says nothing
        "What was the decrease in net sales from 2022 to 2023?",  # it rose
        "How much of the increase in net sales from 2022 to 2023 was due to prices?",
        "Why did net sales increase from 2022 to 2023?",
        "What was total debt in 2022 and 2023?",
        "What was the total of net sales in 2022 and 2023, respectively?",
        "What was the change in working capital from 2022 to 2023?",
        "What was the return on average total debt in 2022 and 2023?",
        "What was the change in net sales in Europe from 2022 to 2023?",
        "What was the change in Asian net sales from 2022 to 2023?",
        "What was the change in net sales in the third quarter from 2022 to 2023?",
        "What were average operating expenses over the last two years?",
        "What was the average quarterly cost of sales?",
        "What was the change in the sum of operating income and total debt from 2022 to 2023?",
    ],
)
def test_what_is_not_sure_is_left_to_the_model(report: Document, question: str) -> None:
    assert _said(report, question) is None


def test_two_rows_of_one_name_are_not_told_apart(tmp_path: Path) -> None:
    text = REPORT.replace("Cost of sales", "Net sales")
    (tmp_path / "twice.md").write_text(text)
    report = DocumentStore(tmp_path / "store").ingest(tmp_path / "twice.md")
    assert _said(report, "What was the change in net sales from 2022 to 2023?") is None


def test_a_figure_is_cited_in_its_own_row(tmp_path: Path) -> None:
    text = REPORT.replace("| Net sales |", "| Orders | 4,511 | 4,812 | 3 |\n| Net sales |")
    (tmp_path / "alike.md").write_text(text)
    report = DocumentStore(tmp_path / "store").ingest(tmp_path / "alike.md")
    question = "What was the change in net sales from 2022 to 2023?"
    evidence = [Evidence(report.span(0, len(report.text)), 1.0)]
    found = series.expression(question, evidence, {report.id: report})
    assert found is not None
    done = computed(found[0], question, evidence, {report.id: report}, row=found[1])
    quotes = [report.slice(c.span) for c in citations(done, evidence, {report.id: report})]
    assert ["Net sales" in quote for quote in quotes] == [True]


def test_the_row_is_of_the_company_that_is_named(tmp_path: Path) -> None:
    store, other = DocumentStore(tmp_path / "store"), REPORT.replace("Halden Marine", "Porto Ferry")
    (tmp_path / "halden.md").write_text(REPORT.replace("Net sales", "Total net sales"))
    (tmp_path / "porto.md").write_text(other.replace("4,812", "9,999"))
    read = [store.ingest(tmp_path / name) for name in ("halden.md", "porto.md")]
    documents = {document.id: document for document in read}
    evidence = [Evidence(document.span(0, len(document.text)), 1.0) for document in read]
    asked = "What was the change in{} net sales from 2022 to 2023?"
    found = series.expression(asked.format(" Halden Marine's"), evidence, documents)
    assert found is not None and found[0] == "[1:4,812] - [1:4,511]"
    assert series.expression(asked.format(""), evidence, documents) is None
    assert series.expression(asked.format(" Halden's and Porto's"), evidence, documents) is None


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as listening:
        listening.models = [{"id": "m", "max_model_len": 8_000}]
        yield listening


def test_a_run_asks_the_model_for_no_expression(
    server: ChatServer, report: Document, tmp_path: Path
) -> None:
    reasoner = ReasonerConfig(url=server.url, context_tokens=8_000)
    service = Service(load_settings(home=tmp_path / "home", reasoner=reasoner))
    (document,) = service.ingest([tmp_path / "report.md"])
    server.replies += [says_text("Net sales were 4,812 million in 2023 [1].")]
    question = "What was the change in net sales from 2022 to 2023?"
    result = service.run(Question(question, (document.id,), "full"))
    assert len(server.asked) == 1
    assert result["answer"].endswith(
        "Computed: 4,812 − 4,511 = 301 million [1]. Therefore, the answer is 301 million."
    )
    assert result["verdict"] == "answered"
    assert [one["value"] for one in result["computed"]] == ["301"]
