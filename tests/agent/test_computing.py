"""A question that asks for a computation gets it, computed by longdoc over cited figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.absence import WITHHELD, Gate
from agent.computing import asks_for_computation, computed
from app.runs import Event
from app.service import Question, Service
from app.settings import load_settings
from documents import DocumentStore, Evidence
from documents.errors import ExpressionError
from policy import ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, fails, says_text

REPORT = """# Halden Marine plc: annual report 2023

## Statement of operations (in millions)

| Item | 2023 | 2022 |
|---|---|---|
| Total net sales | 81,797 | 82,959 |
| Other income, net | (265) | 10 |

## Crew

Wages were $1,200 thousand in 2023. Fees were 300 in 2023.
"""
GROWTH = "By what percentage did total net sales change?"
SAID = "Total net sales were 81,797 million in 2023 and 82,959 million in 2022 [1]."
SENTENCE = "Computed: (81,797 − 82,959) / 82,959 = −1.40 % [1]."


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        (GROWTH, True),
        ("How much more did it earn in 2023 than in 2022?", True),
        ("What is the difference between revenue and cost?", True),
        ("What was the gross margin?", True),
        ("By how much did revenue grow?", True),
        ("What is the total of wages and fees?", True),
        ("What was the average of the three years?", True),
        ("What were total net sales in 2023?", False),
        ("Who chairs the board?", False),
        ("What was revenue in 2023?", False),
        ("Is there a change of control clause?", False),
        ("What changes in accounting policies were made?", False),
        ("Are the 4.25% notes secured?", False),
        ("Who holds the largest percentage of shares?", False),
        ("What was the % change in revenue?", True),
    ],
)
def test_which_questions_ask_for_a_computation(question: str, asks: bool) -> None:
    assert asks_for_computation(question) is asks


def test_scales_that_may_not_hold_are_neither_shown_nor_mixed(tmp_path: Path) -> None:
    table = "## {} (in {}, except per share)\n\n| Item | 2023 |\n|---|---|\n| Sales | {} |\n\n"
    tables = [("A", "millions", "5,100"), ("B", "millions", "5,200"), ("C", "thousands", "5,300")]
    (tmp_path / "tables.md").write_text("# R\n\n" + "".join(table.format(*t) for t in tables))
    document = DocumentStore(tmp_path / "store").ingest(tmp_path / "tables.md")
    evidence = [Evidence(document.span(0, len(document.text)), 1.0)]
    documents = {document.id: document}
    asked = "What was the difference in sales?"
    one = computed("[1:5,200] - [1:5,100]", asked, evidence, documents)
    assert (one.value, one.scale) == ("100", "")
    with pytest.raises(ExpressionError, match="different scales"):
        computed("[1:5,300] - [1:5,100]", asked, evidence, documents)


@pytest.mark.parametrize(
    ("expression", "question", "why"),
    [
        ("([1:500] - [1:400]) / [1:400]", "How much did sales grow from 2022 to 2023?", ""),
        ("([1:400] - [1:500]) / [1:500]", "How much did sales grow from 2022 to 2023?", "later"),
        ("([1:500] - [1:300]) / [1:300]", "How much did sales grow from 2022 to 2023?", "2021"),
        ("([1:500] - [1:60]) / [1:60]", "How much did sales grow from 2022 to 2023?", "leaves out"),
        ("([1:500] - [1:400]) / [1:400]", "What was the growth of sales in 2023?", ""),
        ("[1:60] / [1:500]", "What was the margin in 2023?", ""),
        ("[1:50] / [1:400]", "What was the margin in 2023?", "2022"),
    ],
)
def test_operands_are_of_the_years_that_are_asked(
    tmp_path: Path, expression: str, question: str, why: str
) -> None:
    rows = "| Item | 2023 | 2022 | 2021 |\n|---|---|---|---|\n| Sales | 500 | 400 | 300 |\n"
    (tmp_path / "t.md").write_text(f"# R\n\n{rows}| Profit | 60 | 50 | 40 |\n")
    document = DocumentStore(tmp_path / "store").ingest(tmp_path / "t.md")
    evidence = [Evidence(document.span(0, len(document.text)), 1.0)]
    if why:
        with pytest.raises(ExpressionError, match=why):
            computed(expression, question, evidence, {document.id: document})
    else:
        assert computed(expression, question, evidence, {document.id: document}).value


@dataclass(frozen=True, slots=True)
class Place:
    """A service over one report, which asks the server; ``without`` computes nothing."""

    server: ChatServer
    service: Service
    without: Service
    document: str

    def ask(
        self, expression: str, question: str = GROWTH, said: str = SAID, arithmetic: bool = True
    ) -> tuple[dict[str, Any], list[Event]]:
        """The record and the events of a run, for which the model says these two things."""
        self.server.asked.clear()
        self.server.replies[:] = [
            says_text(said),
            says_text(json.dumps({"expression": expression})),
        ]
        return self.run(question, arithmetic)

    def run(self, question: str, arithmetic: bool = True) -> tuple[dict[str, Any], list[Event]]:
        service = self.service if arithmetic else self.without
        result = service.run(Question(question, (self.document,), "full"))
        return result, list(service.log.events(result["run"]))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    (folder / "report.md").write_text(REPORT)
    with chat_server() as server:
        server.models = [{"id": "m", "max_model_len": 8_000}]
        reasoner = ReasonerConfig(url=server.url, context_tokens=8_000)
        settings = load_settings(home=folder / "home", reasoner=reasoner)
        service = Service(settings)
        without = Service(settings.model_copy(update={"arithmetic": False}))
        (document,) = service.ingest([folder / "report.md"])
        yield Place(server, service, without, document.id)


def test_the_computed_sentence_is_added_and_cited(place: Place) -> None:
    result, events = place.ask("([1:81,797] - [1:82,959]) / [1:82,959]")
    assert result["answer"] == f"{SAID}\n{SENTENCE}"
    gate = Gate(REPORT, GROWTH)
    assert gate.feed(SENTENCE) + gate.close() == SENTENCE
    assert result["computed"] == [
        {
            "expression": "(81,797 − 82,959) / 82,959", "value": "-1.40", "unit": "%", "scale": "",
            "operands": [{"n": 1, "figure": "81,797"}, {"n": 1, "figure": "82,959"}],
        }
    ]  # fmt: skip
    assert result["verdict"] == "answered"
    quote = result["citations"][-1]
    assert (quote["n"], quote["verified"], quote["by"]) == (1, True, "longdoc")
    assert "81,797" in quote["quote"]
    assert "Other" not in quote["quote"]
    assert result["usage"] == {"prompt_tokens": 14, "completion_tokens": 6}
    streamed = [e.data["text"] for e in events if e.kind == "answer"]
    assert "".join(streamed) == result["answer"]
    body = place.server.asked[1][1]
    assert body["temperature"] == 0
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["expression"]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("([1:81,797] - [1:99,999]) / [1:82,959]", "99,999 does not stand in [1]."),
        ("[7:81,797] - [1:82,959]", "81,797 does not stand in [7]."),
        ("([1:81,797] - ", "The expression is not arithmetic."),
        ("[1:81,797] + [1:1,200]", "different scales"),
        ("[1:81,797] - [1:265]", "265 does not stand in [1]."),
        ("[1:81,797] * 1", "1 does not stand in the evidence."),
        ("", "0 characters"),
    ],
)
def test_what_cannot_be_computed_leaves_the_answer_as_it_was(
    place: Place, expression: str, why: str
) -> None:
    result, events = place.ask(expression)
    assert (result["answer"], result["computed"]) == (SAID, [])
    (event,) = [e for e in events if e.kind == "computed"]
    assert why in event.data["failed"]


def test_a_model_that_writes_no_json_or_fails_costs_no_answer(place: Place) -> None:
    for reply in (says_text("81,797"), fails(400, "no json_schema here")):
        place.server.replies[:] = [says_text(SAID), reply]
        result, _ = place.run(GROWTH)
        assert (result["answer"], result["computed"]) == (SAID, [])


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("[1:81,797] + [1:(265)]", "Computed: 81,797 + (265) = 81,532 million [1]."),
        ("81,797 + (265)", "Computed: 81,797 + (265) = 81,532 million [1]."),
        ("sum(81,797)+avg([1:10])", "Computed: sum(81,797) + avg(10) = 81,807.00 million [1]."),
        ("avg([1:81,797], [1:82,959])", "Computed: avg(81,797, 82,959) = 82,378.00 million [1]."),
    ],
)
def test_signs_and_scales_are_those_of_the_table(
    place: Place, expression: str, sentence: str
) -> None:
    question = "What was the difference, or the average, of net sales?"
    result, _ = place.ask(expression, question)
    assert result["answer"].endswith(sentence)
    assert all(citation["verified"] for citation in result["citations"][-1:])


def test_a_wrong_result_of_the_model_gives_way_to_the_right_one(place: Place) -> None:
    wrong = "Therefore, the answer is 37.25% [1]."
    expression = "([1:81,797] - [1:82,959]) / [1:82,959]"
    result, _ = place.ask(expression, said=wrong)
    assert (result["answer"], result["verdict"]) == (SENTENCE, "partly")
    result, events = place.ask("[1:1,000] - [1:3]", said=wrong)
    assert (result["answer"], result["verdict"]) == (WITHHELD, "not_in_documents")
    assert [e.data["text"] for e in events if e.kind == "answer"] == [WITHHELD]


def test_nothing_is_asked_where_nothing_is_to_be_computed(place: Place) -> None:
    place.ask("", "What did total net sales come to in 2023?")
    assert len(place.server.asked) == 1
    result, _ = place.ask("", arithmetic=False)
    assert len(place.server.asked) == 1
    assert result["computed"] == []
    said = "The evidence does not state it."
    result, _ = place.ask("[1:81,797] - [1:82,959]", said=said)
    assert len(place.server.asked) == 1
    assert result["verdict"] == "not_in_documents"


def test_a_row_that_tells_is_not_asked_of_the_reasoner(place: Place) -> None:
    result, _ = place.ask("", "What were total net sales in 2023?")
    assert place.server.asked == []
    assert result["answer"].endswith("Therefore, the answer is 81,797 million [1].")
    assert result["verdict"] == "answered"
    assert [citation["verified"] for citation in result["citations"]] == [True]
