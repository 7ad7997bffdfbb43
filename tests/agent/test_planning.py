"""Plans by rules, plans of a model, and what is done about bad ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import asking, planning
from agent.planning import by_rules, identity
from documents import Document, DocumentStore, profile_of
from documents.progress import never_cancelled
from policy import Reasoner, ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, fails, says_text

FILING = """# UNITED STATES SECURITIES AND EXCHANGE COMMISSION

FORM 10-Q

For the quarterly period ended {period}

{name}

(Exact name of registrant as specified in its charter)

Net sales were {sales} million.
"""
FILINGS = [
    ("2022_Q3_HLDN", "Halden Marine, Inc.", "June 25, 2022", 400),
    ("2023_Q3_HLDN", "Halden Marine, Inc.", "July 1, 2023", 420),
    ("2023_Q3_ORVK", "ORVIK CORPORATION", "July 30, 2023", 77),
]
GROWN = "How have Halden Marine's net sales changed over time?"
BOTH = "What were net sales of Halden Marine and Orvik?"


@pytest.fixture(scope="module")
def filings(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    folder = tmp_path_factory.mktemp("filings")
    store = DocumentStore(folder / "store")
    found = []
    for stem, name, period, sales in FILINGS:
        path = folder / f"{stem}.md"
        path.write_text(FILING.format(name=name, period=period, sales=sales))
        found.append(store.ingest(path))
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server() as listening:
        listening.models = [{"id": "m", "max_model_len": 8_000}]
        yield listening


@pytest.fixture
def reasoner(server: ChatServer) -> Reasoner:
    server.replies.clear()
    return Reasoner(ReasonerConfig(url=server.url, context_tokens=8_000))


def test_a_profile_says_whose_a_filing_is_and_of_when(filings: list[Document]) -> None:
    first = profile_of(filings[0])
    assert (first.kind, first.period, first.names) == (
        "10-Q", "June 25, 2022", ("Halden Marine, Inc.",)
    )  # fmt: skip
    assert first.filer
    assert first.line() == "2022_Q3_HLDN.md; Halden Marine, Inc.; 10-Q; June 25, 2022"


def test_a_form_may_name_its_filer_without_saying_so(tmp_path: Path) -> None:
    text = (
        "FORM 10-Q\n\nCommission File Number 001-1\n\nHALDEN MARINE CORPORATION\n\nNORWAY 91-11\n\n"
        "Indicate whether it is a smaller reporting company or an Emerging Growth Company.\n"
    )
    (tmp_path / "form.txt").write_text(text)
    found = profile_of(DocumentStore(tmp_path / "store").ingest(tmp_path / "form.txt"))
    assert found.names == ("HALDEN MARINE CORPORATION",)
    assert found.filer


@pytest.mark.data
def test_profiles_of_real_filings(data_dir: Path, tmp_path: Path) -> None:
    document = DocumentStore(tmp_path).ingest(data_dir / "pdfs" / "10q" / "2022_Q3_NVDA.pdf")
    found = profile_of(document)
    assert (found.names[0], found.kind, found.period) == (
        "NVIDIA CORPORATION", "10-Q", "October 30, 2022"
    )  # fmt: skip


def _places(plan: planning.Plan, filings: list[Document]) -> list[list[int]]:
    ids = [document.id for document in filings]
    return [[ids.index(key) for key in sub.documents] for sub in plan.sub_questions]


@pytest.mark.parametrize(
    ("question", "places"),
    [
        ("What were net sales?", [[0, 1, 2]]),
        ("What were net sales of Halden Marine?", [[0, 1]]),
        ("What were ORVK's net sales?", [[2]]),
        ("Does Halden Marine sell more than its competitors?", [[0, 1, 2]]),
        ("What did orvik say?", [[0, 1, 2]]),
        (GROWN, [[0], [1]]),
        (BOTH, [[0], [1], [2]]),
        ("Which of the companies had the highest sales?", [[0], [1], [2]]),
        ("List the risks in each of these filings.", [[0], [1], [2]]),
    ],
)
def test_rules_split_only_over_documents_that_a_question_plainly_asks_for(
    filings: list[Document], question: str, places: list[list[int]]
) -> None:
    plan = by_rules(question, filings, "row")
    assert _places(plan, filings) == places
    assert {sub.text for sub in plan.sub_questions} == {question}
    assert plan.granularity == "row"
    assert planning.unpacked(planning.packed(plan)) == plan


def test_nobody_is_left_out_whose_filing_is_not_known(
    filings: list[Document], tmp_path: Path
) -> None:
    (tmp_path / "press.md").write_text("# A note\n\nHalden Marine sold more.\n")
    press = DocumentStore(tmp_path / "store").ingest(tmp_path / "press.md")
    asked = "What were net sales of Halden Marine?"
    assert _places(by_rules(asked, [*filings, press], "row"), [*filings, press]) == [[0, 1, 2, 3]]


def test_one_document_needs_no_plan(filings: list[Document]) -> None:
    plan = by_rules(GROWN, filings[:1], "sentence")
    assert plan.sub_questions == identity(GROWN, filings[:1], "sentence").sub_questions


@pytest.mark.parametrize(
    ("question", "task", "shape"),
    [
        ("How much did net sales change over time?", "chain", "number"),
        ("Is revenue higher than cost?", "compare", "yes_no"),
        ("List the subsidiaries.", "cluster", "list"),
        ("Who chairs the board?", "locate", "prose"),
        ("Show the results of every company as a table.", "cluster", "table"),
    ],
)
def test_task_and_shape_by_words(question: str, task: str, shape: str) -> None:
    assert (planning.task_of(question), planning.shape_of(question)) == (task, shape)


def _said(subs: list[tuple[str, list[int]]], **other: Any) -> str:
    listed = [{"question": text, "documents": numbers} for text, numbers in subs]
    head = {"task": "compare", "shape": "table", "granularity": "row"}
    return json.dumps({**head, "sub_questions": listed, **other})


def test_a_usable_plan_of_the_model_is_followed(
    filings: list[Document], server: ChatServer, reasoner: Reasoner
) -> None:
    said = _said([("Net sales of Halden Marine?", [1, 2]), ("Net sales of Orvik?", [3])])
    server.replies.append(says_text(said))
    plan, usage = asking.plan(BOTH, filings, "sentence", reasoner, never_cancelled)
    assert (plan.by, plan.task, plan.shape, plan.granularity) == (
        "model",
        "compare",
        "table",
        "row",
    )
    assert _places(plan, filings) == [[0], [1], [2]]
    assert [sub.text for sub in plan.sub_questions][1:] == [
        "Net sales of Halden Marine?", "Net sales of Orvik?"
    ]  # fmt: skip
    assert usage.prompt_tokens == 7
    assert "a table" in planning.note(plan)
    assert planning.note(by_rules("Show a table.", filings, "row")) == ""
    asked = server.asked[-1][1]["messages"][0]["content"]
    assert "2. 2023_Q3_HLDN.md; Halden Marine, Inc.; 10-Q; July 1, 2023" in asked


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Look at the filings.", "no such JSON"),
        (_said([]), "sub_questions"),
        (_said([(BOTH, [1])] * 7), "sub_questions"),
        (_said([(BOTH, [1, 2, 3])], task="guess"), "task"),
        (_said([(BOTH, [1, 2, 4])]), "not there"),
        (_said([("Sales of Halden Marine?", [1, 2]), ("Sales?", [3])]), "lost: orvik"),
        (_said([(f"{BOTH} And of Microsoft?", [1, 2, 3])]), "not given"),
        (_said([(f"{BOTH} In 2019?", [1, 2, 3])]), "not given"),
        (_said([(BOTH, [1, 2])]), "1 documents left out"),
    ],
)
def test_an_unusable_plan_gives_way_to_the_rules(
    filings: list[Document], server: ChatServer, reasoner: Reasoner, said: str, why: str
) -> None:
    server.replies.append(says_text(said))
    plan, _ = asking.plan(BOTH, filings, "sentence", reasoner, never_cancelled)
    rules = by_rules(BOTH, filings, "sentence")
    assert (plan.by, plan.sub_questions) == ("rules", rules.sub_questions)
    assert why in plan.why


def test_a_model_that_fails_costs_no_plan(
    filings: list[Document], server: ChatServer, reasoner: Reasoner
) -> None:
    server.replies.append(fails(400, "no json_schema here"))
    plan, _ = asking.plan(BOTH, filings, "sentence", reasoner, never_cancelled)
    assert plan.sub_questions == by_rules(BOTH, filings, "sentence").sub_questions
    assert "no json_schema here" in plan.why
