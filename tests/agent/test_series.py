"""A row's figures under the periods asked for are put into the expression without a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import series
from agent.computing import computed, sentence
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
    done = computed(found, question, evidence, {report.id: report}, by="longdoc")
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
    ],
)
def test_what_is_not_sure_is_left_to_the_model(report: Document, question: str) -> None:
    assert _said(report, question) is None


def test_two_rows_of_one_name_are_not_told_apart(tmp_path: Path) -> None:
    text = REPORT.replace("Cost of sales", "Net sales")
    (tmp_path / "twice.md").write_text(text)
    report = DocumentStore(tmp_path / "store").ingest(tmp_path / "twice.md")
    assert _said(report, "What was the change in net sales from 2022 to 2023?") is None


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
