"""Who cites whom is read off the texts, without a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.citing import mentions, related
from app.service import Question, Service
from app.settings import load_settings
from documents import Document, DocumentStore
from policy import ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server

FIRST = "On the Mooring of Heavy Barges"
SECOND = "Tidal Loads: A Method for Estimating Loads on Moored Barges"
THIRD = "A Survey of Harbour Safety"
ALONE = "The Breeding Grounds of Arctic Terns"
FILLER = "The harbour was measured over many days. " * 40
CHAIN = "Which of these papers cite one another? Find the longest chain of citations among them."


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """Three papers that cite each other in turn, and one that cites nothing."""
    folder = tmp_path_factory.mktemp("papers")
    cites = {
        FIRST: "",
        SECOND: "[1] A. Berg. On the moor-\ning of  heavy barges. Journal of Ports, 2019.",
        THIRD: "[4] B. Dahl. Tidal load: a method for estimating loads on moored barges. 2021.",
        ALONE: "",
    }
    for number, (title, reference) in enumerate(cites.items()):
        text = f"# {title}\n\n{FILLER}\n\n## References\n\n{reference}\n"
        (folder / f"{number}.md").write_text(text)
    store = DocumentStore(folder / "store")
    return {d.id: d for d in (store.ingest(path) for path in sorted(folder.glob("*.md")))}


def told(question: str, papers: dict[str, Document]) -> str | None:
    found = related(question, mentions(question, papers), papers)
    return found.text if found else None


def test_the_longest_chain_begins_with_the_one_that_cites_none(papers: dict[str, Document]) -> None:
    text = told(CHAIN, papers)
    assert text is not None
    assert text.split("\n")[1:] == [f"1. {FIRST}", f"2. {SECOND} [1]", f"3. {THIRD} [2]"]


def test_what_a_paper_cites_and_is_cited_by(papers: dict[str, Document]) -> None:
    text = told(f"Which of the other papers does “{SECOND}” cite, and which cite it?", papers)
    assert text == (
        f"It cites (reference): “{FIRST}” [1].\nIt is cited by (citation): “{THIRD}” [2]."
    )
    lone = told(f"Which papers cite {ALONE.upper()}?", papers)
    assert lone == ("It cites (reference): none of them.\nIt is cited by (citation): none of them.")


def test_a_citation_is_shown_as_it_stands(papers: dict[str, Document]) -> None:
    first, second = (papers[e.span.document].slice(e.span) for e in mentions(CHAIN, papers))
    assert "On the moor-\ning of  heavy barges" in first
    assert second.startswith("[4] B. Dahl.") and "moored barges" in second


@pytest.mark.parametrize(
    "question",
    [
        "What do these papers say of harbours?",
        f"What does “{SECOND}” measure?",
        "Which papers cite the port authority?",
        f"Which method does {SECOND} cite?",
    ],
)
def test_nothing_is_looked_for_where_citations_are_not_asked_for(
    question: str, papers: dict[str, Document]
) -> None:
    assert mentions(question, papers) == []
    assert told(question, papers) is None


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server() as server:
        server.models = [{"id": "m", "max_model_len": 8_000}]
        yield server


def test_a_run_cites_the_places_and_asks_no_model(
    papers: dict[str, Document], server: ChatServer, tmp_path: Path
) -> None:
    for number, document in enumerate(papers.values()):
        (tmp_path / f"{number}.md").write_text(document.text)
    reasoner = ReasonerConfig(url=server.url, context_tokens=8_000)
    settings = load_settings(
        home=tmp_path / "home", reasoner=reasoner, retrieval={"ranking": "bm25"}
    )
    service = Service(settings)
    keys = tuple(document.id for document in service.ingest(sorted(tmp_path.glob("*.md"))))
    result = service.run(Question(CHAIN, keys, "rag", 1_000))
    assert server.asked == []
    assert result["answer"].endswith(f"3. {THIRD} [{result['citations'][-1]['n']}]")
    assert (result["unsupported"], result["verdict"]) == ([], "answered")
    assert all(citation["verified"] for citation in result["citations"])
