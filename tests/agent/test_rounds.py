"""Runs over several documents, and in rounds, with a scripted model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.context import as_context, fill
from agent.values import Request
from app.runs import Event
from app.service import Question, Service, Watch
from app.settings import load_settings
from app.watch import Watched
from documents.errors import Cancelled, TooLongError
from documents.progress import never_cancelled, no_progress
from policy import ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, delta, says, says_text

FILLER = "\n\n".join(f"Note {n}: cargo of sort {n} was moved by crane {n * 3}." for n in range(30))
FILM = f"# Harbour Lights\n\nThe film Harbour Lights was directed by Ingrid Dahl.\n\n{FILLER}\n"
PERSON = f"# People\n\nIngrid Dahl was born in the town of Tromso.\n\n{FILLER}\n"
HOPS = "Where was the director of the film Harbour Lights born?"
SECOND = "Where was Ingrid Dahl born?"
EACH = "What cargo was moved, in each of the documents?"
DRAFT = "The director is Ingrid Dahl [1]."
LAST = "Ingrid Dahl was born in the town of Tromso [2]."


@dataclass(frozen=True, slots=True)
class Place:
    """A service over two documents, which asks the server, by BM25 (no model is loaded)."""

    server: ChatServer
    home: Path
    documents: tuple[str, ...]

    def service(self, **settings: Any) -> Service:
        reasoner = ReasonerConfig(url=self.server.url, context_tokens=8_000)
        given = {"retrieval": {"ranking": "bm25", "chunk_tokens": 32}, **settings}
        return Service(load_settings(home=self.home, reasoner=reasoner, **given))

    def run(
        self, question: str, *replies: str, service: Service | None = None, **settings: Any
    ) -> tuple[dict[str, Any], list[Event]]:
        """The record and the events of a run, for which the model says these things."""
        self.server.asked.clear()
        self.server.replies[:] = [says_text(reply) for reply in replies]
        service = service or self.service(**settings)
        result = service.run(Question(question, self.documents, "rag", 240))
        return result, list(service.log.events(result["run"]))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    (folder / "film.md").write_text(FILM)
    (folder / "people.md").write_text(PERSON)
    with chat_server() as server:
        server.models = [{"id": "m", "max_model_len": 8_000}]
        made = Place(server, folder / "home", ())
        read = made.service().ingest([folder / "film.md", folder / "people.md"])
        yield Place(server, folder / "home", tuple(document.id for document in read))


def _kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events if event.kind != "progress"]


def test_the_identity_plan_is_one_straight_pass(place: Place) -> None:
    service = place.service()
    documents = {key: service.store.get(key) for key in place.documents}
    strategy = service.strategies["rag"]
    request = Request(HOPS, 240)
    ranked = strategy.rank(request, tuple(documents.values()), no_progress, never_cancelled)
    chosen, text = fill(ranked, documents, 240, strategy.count)
    context = as_context(chosen, text, documents, strategy.count)
    for plan in ("off", "rules"):
        result, events = place.run(HOPS, DRAFT, plan=plan)
        evidence = result["context"]["evidence"]
        assert [(e["document"], e["start"], e["end"], e["score"]) for e in evidence] == [
            (e.span.document, e.span.start, e.span.end, e.score) for e in context.evidence
        ]
        assert result["context"]["tokens"] == context.tokens
        assert result["plan"]["by"] == plan
        assert (result["rounds"], result["follow_ups"]) == (1, [])
        assert "draft" not in _kinds(events)
        assert len(place.server.asked) == 1


def test_each_document_is_searched_and_none_starves(place: Place) -> None:
    result, events = place.run(EACH, "Cargo of sort 1 was moved [1].")
    searches = [e.data["documents"] for e in events if e.kind == "gathered"]
    assert sorted(searches) == sorted([key] for key in place.documents)
    coverage = result["context"]["coverage"]
    assert [row["document"] for row in coverage] == list(place.documents)
    assert all(row["found"] > row["kept"] > 0 for row in coverage)
    sizes = [row["tokens"] for row in coverage]
    assert min(sizes) >= sum(sizes) / 4
    assert result["context"]["tokens"] <= 240
    assert _kinds(events)[:2] == ["plan", "gathered"]
    assert events[0].data == result["plan"]


def test_a_search_is_not_done_twice(place: Place) -> None:
    question = "What cargo was moved by crane 9, in each of the documents?"
    first, _ = place.run(question, DRAFT)
    again, events = place.run(question, DRAFT)
    assert "gathered" not in _kinds(events)
    assert again["context"]["evidence"] == first["context"]["evidence"]
    other, events = place.run(question, DRAFT, retrieval={"ranking": "bm25", "chunk_tokens": 64})
    assert _kinds(events).count("gathered") == 2
    assert other["context"]["evidence"] != first["context"]["evidence"]


def test_the_second_hop_is_found_in_a_second_round(place: Place) -> None:
    judged = json.dumps({"enough": False, "missing": SECOND})
    result, events = place.run(HOPS, DRAFT, judged, LAST, max_rounds=2)
    assert result["answer"] == LAST
    assert (result["rounds"], result["follow_ups"]) == (2, [SECOND])
    contexts = [e.data for e in events if e.kind == "context"]
    assert [data["round"] for data in contexts] == [1, 2]
    assert contexts[0]["context_tokens"] <= 160
    assert contexts[1]["context_tokens"] <= 240
    for key, start, end, _ in contexts[0]["evidence"]:  # what was kept stays
        assert any(k == key and s <= start and end <= e for k, s, e, _ in contexts[1]["evidence"])
    assert "Tromso" in json.dumps(result["context"]["evidence"])
    assert "".join(e.data["text"] for e in events if e.kind == "draft") == DRAFT
    assert "".join(e.data["text"] for e in events if e.kind == "answer") == LAST
    (again,) = [e.data for e in events if e.kind == "round"]
    assert again == {"round": 2, "missing": SECOND, "by": "model"}
    assert result["usage"] == {"prompt_tokens": 21, "completion_tokens": 9}
    watched = Watched()
    for event in events[:-1]:
        watched.take([event])
        assert DRAFT not in watched.answer
    assert watched.answer == LAST


def test_enough_is_enough(place: Place) -> None:
    judged = json.dumps({"enough": True, "missing": ""})
    result, events = place.run(HOPS, DRAFT, judged, max_rounds=3)
    assert (result["answer"], result["rounds"]) == (DRAFT, 1)
    assert [e.data["text"] for e in events if e.kind == "answer"] == [DRAFT]


@pytest.mark.parametrize(
    "judged",
    [
        "perhaps",
        json.dumps({"enough": False, "missing": ""}),
        json.dumps({"enough": False, "missing": HOPS}),
        json.dumps({"enough": False, "missing": "Where was Steve Jobs born?"}),
    ],
)
def test_what_the_model_cannot_say_the_names_on_the_way_do(place: Place, judged: str) -> None:
    refusal = "The evidence does not state it."
    result, events = place.run(HOPS, refusal, judged, LAST, max_rounds=2)
    (again,) = [e.data for e in events if e.kind == "round"]
    assert again["by"] == "rules"
    assert again["missing"].startswith(f"{HOPS} ")
    assert "Ingrid Dahl" in again["missing"]
    assert "Jobs" not in json.dumps(result)


def test_a_refusal_comes_out_once_the_rounds_are_used_up(place: Place) -> None:
    refusal = "The evidence does not state it."
    judged = json.dumps({"enough": False, "missing": SECOND})
    result, events = place.run(HOPS, refusal, judged, refusal, max_rounds=2)
    assert (result["verdict"], result["rounds"]) == ("not_in_documents", 2)
    assert [e.data["text"] for e in events if e.kind == "answer"] == [refusal]
    missing, _ = place.run("What did Microsoft say?", max_rounds=2)
    assert (missing["verdict"], missing["rounds"]) == ("not_in_documents", 1)
    assert place.server.asked == []


def test_a_reasoner_that_breaks_off_is_asked_once_more(place: Place) -> None:
    service = place.service()
    place.server.replies[:] = [says(delta(content="The "), end=False), says_text(LAST)]
    result = service.run(Question(SECOND, place.documents, "rag", 240))
    events = list(service.log.events(result["run"]))
    assert "retried" in _kinds(events)
    watched = Watched()
    watched.take(events[:-1])
    assert watched.answer == result["answer"] == LAST


def test_a_stop_and_a_limit_hold_in_the_midst_of_searches(place: Place) -> None:
    service = place.service()
    heard: list[str] = []

    def hear(kind: str, data: dict[str, Any]) -> None:
        heard.append(kind)

    watch = Watch(hear, cancelled=lambda: "gathered" in heard)
    asked = Question("Which crane moved what, in each of the documents?", place.documents, "rag")
    with pytest.raises(Cancelled):
        service.run(asked, watch=watch)
    assert heard.count("gathered") == 1
    assert heard[-1] == "stopped"
    (run,) = [run for run in service.log.all() if run.status == "stopped"]
    place.server.replies[:] = [says_text(DRAFT)]
    service.resume(run.id)
    kinds = _kinds(list(service.log.events(run.id)))
    assert kinds.count("gathered") == 2  # the finished search was not done again
    slow = place.service(step_timeout_s=1e-9)
    with pytest.raises(TooLongError):
        slow.run(Question("What was moved?", place.documents, "rag"))


@pytest.mark.parametrize(
    ("kind", "node"),
    [
        ("plan", "plan"),
        ("gathered", "gather"),
        ("context", "assemble"),
        ("draft", "reason"),
        ("round", "judge"),
    ],
)
def test_a_run_broken_off_in_any_node_goes_on_there(place: Place, kind: str, node: str) -> None:
    judged = json.dumps({"enough": False, "missing": SECOND})
    question = f"{HOPS} ({kind})"  # so that no search is known
    done: list[str] = []

    def hear(heard: str, data: dict[str, Any]) -> None:
        if heard == kind:
            raise Cancelled("Here.")
        done.append(heard)

    service = place.service(max_rounds=2)
    replies = {"draft": [DRAFT, DRAFT], "judge": [judged, judged]}
    told = [DRAFT, judged, LAST]
    if node == "reason":
        told = [*replies["draft"], judged, LAST]
    elif node == "judge":
        told = [DRAFT, *replies["judge"], LAST]
    place.server.replies[:] = [says_text(text) for text in told]
    with pytest.raises(Cancelled):
        service.run(Question(question, place.documents, "rag", 240), watch=Watch(hear))
    run = service.log.all()[0].id
    result = service.resume(run)
    assert result["answer"] == LAST
    assert place.server.replies == []
    events = list(service.log.events(run))
    assert [e.data["node"] for e in events if e.kind == "resumed"] == [node]
    watched = Watched()
    watched.take(events[:-1])
    assert watched.answer == LAST
    assert watched.passages == len(result["context"]["evidence"])
