"""The service with a real engine and a real small model: runs, their log, what is left behind."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.service import Question, Service, Watch
from app.settings import Settings, load_settings
from documents.errors import Cancelled, QuestionError, UnknownDocumentError
from policy import ReasonerConfig, engine

REPORT = """# Halden Marine plc

## Results

Revenue of the zebrafjord division was 4,812 million in 2023, after 4,511 million in 2022.
The dividend was 12.5 pence.

## People

Head count was 7,310 at the year end.
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    reasoner = ReasonerConfig(
        model="smollm2-135m", context_tokens=2_048, max_answer_tokens=60, idle_s=120
    )
    yield load_settings(home=tmp_path_factory.mktemp("home"), reasoner=reasoner, budget=300)
    engine.stop(reasoner)


@pytest.fixture(scope="module")
def service(settings: Settings) -> Service:
    return Service(settings)


@pytest.fixture(scope="module")
def document(service: Service, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("files") / "report.md"
    path.write_text(REPORT)
    return service.ingest([path])[0].id


def test_a_run_is_answered_and_its_log_tells_the_same(service: Service, document: str) -> None:
    heard: list[tuple[str, dict[str, object]]] = []
    watch = Watch(emit=lambda kind, data: heard.append((kind, data)))
    result = service.run(Question("What was revenue?", (document,), "full"), watch=watch)
    assert result["answer"]
    assert result["usage"]["completion_tokens"] > 0
    assert result["context"]["tokens"] <= 300 or result["strategy"] == "full"
    events = list(service.log.events(result["run"]))
    assert [(e.kind, e.data) for e in events] == [
        (kind, json.loads(json.dumps(data))) for kind, data in heard
    ]
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events[:3]] == ["plan", "gathered", "context"]
    assert events[-1].kind == "done"
    assert events[-1].data == result
    streamed = "".join(str(e.data["text"]) for e in events if e.kind == "answer")
    assert streamed.strip() == result["answer"]
    assert service.log.status(result["run"]) == "done"


@pytest.mark.parametrize("strategy", ["cprs", "rag", "full"])
def test_every_strategy_selects_verbatim_evidence(
    service: Service, document: str, strategy: str
) -> None:
    question = Question("What was revenue in 2023?", (document,), strategy, 120)
    result = service.run(question, answer=False)
    text = service.store.get(document).text
    assert "4,812" in "".join(e["text"] for e in result["context"]["evidence"])
    for evidence in result["context"]["evidence"]:
        assert evidence["text"] == text[evidence["start"] : evidence["end"]]
    assert result["context"]["tokens"] <= 120
    left_out = {"verdict", "answer", "reasoning", "citations", "usage", "model"}
    assert not left_out & set(result)
    assert "first_token_s" not in result["timings"]


def test_checkpoints_hold_no_document_text(service: Service, document: str) -> None:
    kept: list[bytes] = []

    def look(kind: str, _data: object) -> None:
        if kind == "checked":  # a finished run's are removed
            kept.extend(p.read_bytes() for p in service.settings.home.glob("checkpoints.sqlite*"))

    service.run(Question("What was revenue?", (document,), "full"), watch=Watch(emit=look))
    assert document.encode() in b"".join(kept)
    for text in (b"zebrafjord", b"What was revenue", b"Head count"):
        assert text not in b"".join(kept)


def test_a_stop_takes_effect_within_a_second(service: Service, document: str) -> None:
    asked = threading.Event()
    watch = Watch(
        emit=lambda kind, _data: asked.set() if kind == "answer" else None,
        cancelled=asked.is_set,
    )
    question = Question("Tell everything about the company.", (document,), "full")
    with pytest.raises(Cancelled):
        service.run(question, watch=watch)
    assert asked.is_set()


def test_a_background_run_can_be_stopped(service: Service, document: str) -> None:
    question = Question("Tell everything about the company.", (document,), "full")
    (run,) = service.start([question])
    service.stop(run)
    deadline = time.monotonic() + 20
    while service.log.status(run) == "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert service.log.status(run) == "stopped"


@pytest.mark.parametrize("text", ["", "  \n", "why " * 3_000])
def test_a_question_must_be_one(service: Service, document: str, text: str) -> None:
    with pytest.raises(QuestionError) as caught:
        service.run(Question(text, (document,)))
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_document_deleted_while_it_is_made_ready_leaves_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    service = Service(settings.model_copy(update={"home": tmp_path / "home"}))
    path = tmp_path / "long.md"
    path.write_text("".join(f"Berth {n} costs {n} crowns a day.\n\n" for n in range(2000)))
    (read,) = service.ingest([path])
    vectors = tmp_path / "home" / "vectors"

    def gone(stage: str, done: int, total: int) -> None:
        if done and service.store.holds(read.id):
            service.delete(read.id)

    with pytest.raises(Cancelled):
        service.ready(read, watch=Watch(progress=gone))
    assert not list(vectors.glob("*"))
    (again,) = service.ingest([path])
    service.ready(again)
    assert list(vectors.glob("*.npy"))


def test_deleting_a_document_leaves_no_word_of_it(settings: Settings, tmp_path: Path) -> None:
    service = Service(settings.model_copy(update={"home": tmp_path / "home"}))
    path = tmp_path / "secret.md"
    path.write_text(REPORT)
    document = service.ingest([path])[0].id
    for strategy in ("rag", "full"):
        service.run(Question("What was the zebrafjord revenue?", (document,), strategy))
    service.delete(document)
    with pytest.raises(UnknownDocumentError):
        service.store.get(document)
    with sqlite3.connect(tmp_path / "home" / "runs.sqlite") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert db.execute("SELECT count(*) FROM events").fetchone() == (0,)
    db.close()
    holding = [
        kept.name
        for kept in (tmp_path / "home").rglob("*")
        if kept.is_file() and b"zebrafjord" in kept.read_bytes()
    ]
    assert holding == []
