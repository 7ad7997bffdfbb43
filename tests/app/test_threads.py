"""Threads of questions: remembered, gone on with, and small on the disk."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import commands, history
from app.export import markdown
from app.runs import RunLog, m001_runs, m002_going_on
from app.service import Question, Service
from app.settings import load_settings
from app.threads import following, memory, thread_named
from documents.errors import ReasonerError, UnknownRunError
from policy import Delta, Reasoner, Usage

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, Handler, chat_server, delta, fails, says, says_text, usage

ASKED = "What was Halden's revenue in 2023?"
BEFORE = "What was Halden's revenue in 2022?"


@dataclass(frozen=True, slots=True)
class Place:
    """A service over twenty reports, and the server that its runs ask."""

    server: ChatServer
    service: Service
    documents: tuple[str, ...]
    folder: Path

    def checkpoint_bytes(self) -> int:
        home = self.service.settings.home
        return sum(path.stat().st_size for path in home.glob("checkpoints.sqlite*"))

    def checkpointed(self) -> set[str]:
        """The runs that have checkpoints."""
        with sqlite3.connect(self.service.settings.home / "checkpoints.sqlite") as db:
            found = {row[0] for row in db.execute("SELECT DISTINCT thread_id FROM checkpoints")}
        db.close()
        return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    with chat_server() as server, pytest.MonkeyPatch.context() as monkeypatch:
        environment = {
            "LONGDOC_HOME": str(folder / "home"),
            "LONGDOC_REASONER__URL": server.url,
            "LONGDOC_REASONER__TOKENIZER": "smollm2-135m",
            "LONGDOC_REASONER__MAX_ANSWER_TOKENS": "64",
            "LONGDOC_REASONER__RETRIES": "0",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        service = Service(load_settings())
        documents = []
        for n in range(20):
            path = folder / f"halden-{n}.md"
            path.write_text(
                f"# Halden plc, plant {n}\n\nRevenue was {4000 + n} million in 2023.\n\n"
                f"Revenue was {3000 + n} million in 2022.\n"
            )
            documents.append(service.ingest([path])[0].id)
        yield Place(server, service, tuple(documents), folder)


@pytest.fixture
def place(shared: Place) -> Place:
    shared.server.asked.clear()
    shared.server.replies.clear()
    for file in shared.service.settings.home.glob("checkpoints.sqlite*"):
        file.unlink()  # of runs that another test let fail
    return shared


def _revenue(handler: Handler) -> None:
    """Answers from the first piece of evidence, whatever is asked."""
    _, body = handler.server.asked[-1]
    year = "2022" if "in 2022?" in body["messages"][0]["content"] else "2023"
    text = f"Revenue was {'3000' if year == '2022' else '4000'} million in {year} [1]."
    says(delta(content=text), delta("stop"), usage(7, 3))(handler)


def test_a_follow_up_goes_on_with_its_thread(place: Place) -> None:
    service, one = place.service, place.documents[:1]
    place.server.replies[:] = [_revenue, _revenue]
    first = service.run(Question(ASKED, one, "full"))
    assert (first["thread"], first["turn"], first["follow_up"]) == (first["run"], 1, "")
    question = Question("and the year before?", one, "full", thread=first["thread"])
    put, how = following(service, question)
    assert how.by == "rule"
    second = service.run(put)
    assert (second["thread"], second["turn"]) == (first["run"], 2)
    assert (second["question"], second["follow_up"]) == (BEFORE, "and the year before?")
    assert "typed as “and the year before?”" in markdown(second)
    assert "typed as" not in markdown(first)
    turns = memory(service.log, first["thread"])
    assert [turn.question for turn in turns] == [ASKED, BEFORE]
    assert turns[0].answer == "Revenue was 4000 million in 2023 [1]."
    assert following(service, question, as_is=True)[0] == question


def test_a_correction_takes_the_place_of_what_it_corrects(place: Place) -> None:
    service, one = place.service, place.documents[:1]
    place.server.replies[:] = [_revenue] * 2
    first = service.run(Question(ASKED, one, "full"))
    thread, turn = first["thread"], first["turn"]
    corrected = service.run(Question(BEFORE, one, "full", thread=thread, turn=turn))
    assert corrected["turn"] == turn
    assert [turn.question for turn in memory(service.log, thread)] == [BEFORE]
    assert (
        thread_named(service.log, corrected["run"]) == thread_named(service.log, "last") == thread
    )


def test_what_was_not_verified_is_not_remembered(place: Place) -> None:
    place.server.replies[:] = [says_text("Revenue was 9999 million in 2023 [1]."), fails(400, "no")]
    first = place.service.run(Question(ASKED, place.documents[:1], "full"))
    assert first["verdict"] != "answered"
    with pytest.raises(ReasonerError):
        place.service.run(Question(BEFORE, place.documents[:1], "full", thread=first["thread"]))
    turns = memory(place.service.log, first["thread"])
    assert [(turn.question, turn.answer) for turn in turns] == [(ASKED, ""), (BEFORE, "")]


def test_the_command_line_goes_on_with_a_thread(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.server.replies[:] = [_revenue] * 3
    options = commands.Options("full", 0, "default", "", True, None)
    commands.ask([str(place.folder / "halden-0.md"), ASKED], options)
    first = json.loads(capsys.readouterr().out)
    options = commands.Options("full", 0, "default", "", True, None, thread="last")
    commands.ask(["and the year before?"], options)
    out, err = capsys.readouterr()
    second = json.loads(out)
    assert f"Asked as: {BEFORE}\n" in err
    assert second["documents"] == first["documents"]
    assert "3000 million" in second["answer"]
    options = commands.Options(
        "full", 0, "default", "", True, None, thread=first["run"], as_is=True
    )
    commands.ask(["and the year before?"], options)
    out, err = capsys.readouterr()
    assert "Asked as" not in err
    assert json.loads(out)["question"] == "and the year before?"
    history.show(as_json=True, thread="last")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["turn"] for row in rows] == [1, 2, 3]
    history.show(as_json=False, thread=first["run"])
    assert f"{BEFORE}  (asked: and the year before?)" in capsys.readouterr().out


def test_an_unknown_thread_is_named(tmp_path: Path) -> None:
    for name in ("last", "feed"):
        with pytest.raises(UnknownRunError):
            thread_named(RunLog(tmp_path / "runs.sqlite"), name)


class Scripted(Reasoner):
    """Says the same to every question."""

    @property
    def context_tokens(self) -> int:
        return 8_192

    @property
    def model(self) -> str:
        return "scripted"

    def stream(self, *_args: Any, **_options: Any) -> Iterator[Delta | Usage]:
        yield Delta("answer", "Revenue was 4000 million in 2023 [1].")
        yield Usage(7, 3, 0.0, "stop")


def test_a_thread_of_fifty_questions_over_twenty_documents_stays_small(place: Place) -> None:
    """The bound of the issue is 20 MB; finished runs keep nothing at all."""
    service = Service(place.service.settings)
    service.reasoner = Scripted(place.service.settings.reasoner)
    thread = ""
    biggest = 0
    for n in range(50):
        text = ASKED if n % 2 else BEFORE
        thread = service.run(Question(text, place.documents, "full", thread=thread))["thread"]
        biggest = max(biggest, place.checkpoint_bytes())
    assert [run.turn for run in service.log.thread(thread)] == list(range(1, 51))
    assert all(run.status == "done" for run in service.log.thread(thread))
    assert not place.checkpointed()
    assert biggest < 20_000_000
    assert biggest < 2_000_000  # one run's worth, whatever the thread's length


def test_runs_of_before_threads_are_threads_of_their_own(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runs.sqlite") as db:
        m001_runs(db)
        m002_going_on(db)
        db.execute("PRAGMA user_version = 2")
        for key in ("a", "b"):
            db.execute(
                "INSERT INTO runs (id, created, question, strategy, documents, settings, status)"
                " VALUES (?, 1.0, 'What?', 'rag', '[]', 'h', 'done')",
                (key,),
            )
    db.close()
    log = RunLog(tmp_path / "runs.sqlite")
    assert {(run.id, run.thread, run.turn) for run in log.all()} == {("a", "a", 1), ("b", "b", 1)}


def test_only_what_can_be_gone_on_with_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.checkpoints.UNFINISHED_KEPT", 2)
    monkeypatch.setattr("app.checkpoints._FREE_BYTES", 1)
    service, asked = place.service, Question(ASKED, place.documents, "full")
    place.server.replies[:] = [fails(400, "no")] * 4
    broken = []
    for _ in range(4):
        with pytest.raises(ReasonerError):
            service.run(asked)
        broken.append(service.log.all()[0].id)
    assert place.checkpointed() == set(broken)
    full = place.checkpoint_bytes()
    place.server.replies[:] = [_revenue] * 3
    service.run(asked)
    assert place.checkpointed() == set(broken[2:])
    assert place.checkpoint_bytes() < full
    assert service.resume(broken[0])["run"] == broken[0]  # from its first node
    service.resume(broken[3])
    events = [event for event in service.log.events(broken[3]) if event.kind == "resumed"]
    assert events[0].data["node"] == "reason"
    assert place.checkpointed() == {broken[2]}
    service.delete(place.documents[-1])
    assert not place.checkpointed()
