"""A run killed with ``kill -9`` inside a node goes on there, in another process, and asks the
model nothing that it had answered."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app import caching, history
from app.export import markdown
from app.runs import RunLog, m001_runs
from app.service import Question, Service
from app.settings import load_settings
from app.watch import Watched
from documents.errors import QuestionError, RunError, SettingsError, UnknownRunError
from policy import ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, fails, says_text

ROOT = Path(__file__).parents[2]
REPORT = """# Halden Marine plc

## Results

Revenue was 4,812 million in 2023. The dividend was 12.5 pence.

Revenue was 4,511 million in 2022.
"""
TABLE = "# Halden\n\n| Item | 2023 | 2022 |\n|---|---|---|\n| Revenue | 4,812 | 4,511 |\n"
QUESTION = "What was revenue in 2023?"
CHANGE = "By how much did revenue change from 2022 to 2023?"
EXPRESSION = '{"expression": "[1:4,812] - [1:4,511]"}'
ANSWER = ("Revenue was 4,812 million ", "in 2023 [1]. ", "The dividend was ", "12.5 pence [1].")


@dataclass(frozen=True, slots=True)
class Place:
    """A data folder, a document beside it, the server that its runs ask, and a service in this
    process under the settings that ``environment`` gives to others."""

    report: Path
    home: Path
    server: ChatServer
    environment: dict[str, str]
    service: Service

    @property
    def question(self) -> Question:
        return Question(QUESTION, (self.service.ingest([self.report])[0].id,), "full")

    def interrupted(self, strategy: str = "full") -> str:
        """A run that nobody works on, broken off before its first node; its id."""
        ids = list(self.question.documents)
        return self.service.log.create(QUESTION, strategy, ids, self.service.settings.hash)

    def killed(self, kind: str, question: str = QUESTION) -> str:
        """A run killed with ``kill -9`` at its first event of ``kind``; its id. Nothing is known
        to it of earlier searches."""
        caching.clear(self.home)
        command = [sys.executable, str(Path(__file__).with_name("resume_child.py"))]
        with subprocess.Popen(
            [*command, kind, str(self.report), question],
            env=os.environ | self.environment | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        ) as child:  # fmt: skip
            assert child.stdout is not None
            assert child.stdout.readline() == "there\n"
            run = self.service.log.all()[0]
            assert run.status == "running"
            assert self.service.works_on(run.id)
            with pytest.raises(RunError, match="being worked on"):
                self.service.resume(run.id)
            child.kill()
        assert self.service.log.status(run.id) == "interrupted"
        assert not self.service.works_on(run.id)
        return run.id


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    (folder / "report.md").write_text(REPORT)
    with chat_server() as server:
        reasoner = {"url": server.url, "tokenizer": "smollm2-135m", "max_answer_tokens": 64}
        environment = {
            f"LONGDOC_REASONER__{key.upper()}": str(value) for key, value in reasoner.items()
        }
        environment["LONGDOC_HOME"] = str(folder / "home")
        settings = load_settings(home=folder / "home", reasoner=ReasonerConfig(**reasoner))  # type: ignore[arg-type]  # mixed values
        yield Place(folder / "report.md", folder / "home", server, environment, Service(settings))


@pytest.fixture(scope="module")
def unbroken(place: Place) -> dict[str, Any]:
    """The record of a run that nothing broke off."""
    place.server.replies[:] = [says_text(*ANSWER)]
    return place.service.run(place.question)


@pytest.fixture(autouse=True)
def answers(place: Place, unbroken: dict[str, Any]) -> None:
    place.server.asked.clear()
    place.server.replies[:] = [says_text(*ANSWER), says_text(*ANSWER)]


def _lasting(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what differs from run to run."""
    return {
        key: value
        for key, value in record.items()
        if key not in ("run", "thread", "turn", "timings")
    }


@pytest.mark.parametrize(
    ("kind", "node", "asked"),
    [
        ("plan", "plan", 1),
        ("gathered", "gather", 1),
        ("context", "assemble", 1),
        ("answer", "reason", 2),
        ("checked", "verify", 1),
    ],
)
def test_a_killed_run_goes_on_where_it_was(
    place: Place, unbroken: dict[str, Any], kind: str, node: str, asked: int
) -> None:
    run = place.killed(kind)
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "resume", run, "--json"],
        env=os.environ | place.environment,
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert _lasting(record) == _lasting(unbroken)
    assert record["run"] == run
    assert len(place.server.asked) == asked
    assert place.service.log.status(run) == "done"
    assert not list((place.home / "claims").iterdir())
    events = list(place.service.log.events(run))
    assert [e.data["node"] for e in events if e.kind == "resumed"] == [node]
    watched = Watched()
    watched.take(events[:-1])
    assert watched.answer.strip() == "".join(ANSWER)
    assert watched.passages == 1
    watched.take(events[-1:])
    assert watched.result == record


def test_a_run_killed_while_it_computes_asks_for_the_answer_once(place: Place) -> None:
    asked = Question(CHANGE, place.question.documents, "full")
    place.server.replies[:] = [says_text(*ANSWER), says_text(EXPRESSION)]
    unbroken = place.service.run(asked)
    assert unbroken["answer"].endswith("Computed: 4,812 − 4,511 = 301 million [1].")
    place.server.replies[:] = [says_text(*ANSWER), says_text(EXPRESSION), says_text(EXPRESSION)]
    place.server.asked.clear()
    run = place.killed("computed", CHANGE)
    record = place.service.resume(run)
    assert _lasting(record) == _lasting(unbroken)
    schemas = ["response_format" in body for _, body in place.server.asked]
    assert schemas == [False, True, True]
    events = list(place.service.log.events(run))
    assert [e.data["node"] for e in events if e.kind == "resumed"] == ["compute"]
    watched = Watched()
    watched.take(events[:-1])
    assert watched.answer == unbroken["answer"]


def test_a_run_killed_while_it_repairs_asks_for_the_answer_once(place: Place) -> None:
    (place.report.with_name("table.md")).write_text(TABLE)
    (table,) = place.service.ingest([place.report.with_name("table.md")])
    question = "What did revenue come to in 2023?"  # not one that a row is looked up for
    asked = Question(question, (table.id,), "full")
    wrong, right = says_text("It was 4,511 [1]."), says_text("It was 4,812 [1].")
    place.server.replies[:] = [wrong, right]
    unbroken = place.service.run(asked)
    assert (unbroken["answer"], unbroken["verdict"]) == ("It was 4,812 [1].", "answered")
    place.server.replies[:] = [wrong, right, right]
    place.server.asked.clear()
    broken = replace(place, report=place.report.with_name("table.md"))
    run = broken.killed("repair", question)
    record = place.service.resume(run)
    assert _lasting(record) == _lasting(unbroken)
    assert [len(body["messages"]) for _, body in place.server.asked] == [1, 3, 3]
    events = list(place.service.log.events(run))
    assert [e.data["node"] for e in events if e.kind == "resumed"] == ["repair"]
    watched = Watched()
    watched.take(events[:-1])
    assert watched.answer == unbroken["answer"]


def test_a_run_killed_after_its_last_node_asks_nothing(
    place: Place,
    unbroken: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("app.service.prune", lambda home, log: None)  # killed before it
    run = place.service.run(place.question)["run"]
    with sqlite3.connect(place.home / "runs.sqlite") as db:
        db.execute("DELETE FROM events WHERE run = ? AND kind = 'done'", (run,))
        db.execute("UPDATE runs SET status = 'running' WHERE id = ?", (run,))
    db.close()
    assert place.service.log.status(run) == "interrupted"
    place.server.asked.clear()
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    history.resume(run, "default", force=False, as_json=False)
    assert capsys.readouterr().out.startswith("".join(ANSWER) + "\n")  # though it had streamed
    assert place.server.asked == []
    *_, done = place.service.log.events(run)
    assert _lasting(done.data) == _lasting(unbroken)


def test_a_failed_run_goes_on_once_the_reasoner_answers(
    place: Place, unbroken: dict[str, Any]
) -> None:
    place.server.replies.insert(0, fails(400, "no"))
    (run,) = place.service.start([place.question])
    while place.service.works_on(run):
        time.sleep(0.02)
    assert place.service.log.status(run) == "failed"
    assert _lasting(place.service.resume(run)) == _lasting(unbroken)
    watched = Watched()
    watched.take(place.service.log.events(run))
    assert (watched.status, watched.error) == ("done", "")


def test_other_settings_are_refused_unless_forced(place: Place) -> None:
    run = place.interrupted()
    settings = load_settings("thorough", home=place.home, reasoner=place.service.settings.reasoner)
    service = Service(settings)
    with pytest.raises(SettingsError, match="other settings") as caught:
        service.resume(run)
    assert "--force" in caught.value.hint
    assert service.log.status(run) == "interrupted"
    assert service.resume(run, force=True)["settings_hash"] == settings.hash
    assert service.log.named(run).settings == settings.hash
    with pytest.raises(RunError, match="is finished"):
        service.resume(run)


def test_a_rerun_names_the_run_it_repeats(place: Place) -> None:
    first = place.interrupted("rag")
    record = place.service.rerun(first, strategy="full", budget=60)
    assert record["strategy"] == "full"
    assert record["budget"] == 60
    assert record["question"] == QUESTION
    assert place.service.log.named(record["run"]).rerun_of == first
    assert place.service.log.status(first) == "interrupted"


def test_no_run_starts_where_one_question_is_empty(place: Place) -> None:
    before = place.service.log.all()
    with pytest.raises(QuestionError):
        place.service.start([place.question, Question(" ", place.question.documents)])
    assert place.service.log.all() == before


def test_runs_are_listed_and_exported(
    place: Place,
    unbroken: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    broken = place.interrupted()
    history.show(as_json=True)
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (listed[0]["run"], listed[0]["status"]) == (broken, "interrupted")
    assert (listed[-1]["run"], listed[-1]["status"]) == (unbroken["run"], "done")
    history.show(as_json=False)
    assert QUESTION in capsys.readouterr().out.splitlines()[0]
    history.export(unbroken["run"], "json")
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(unbroken))
    history.export(unbroken["run"], "markdown")
    page = capsys.readouterr().out
    assert page.startswith(f"# {QUESTION}\n")
    assert "\\[1\\] report.md (verified)\n\n> Revenue was 4,812 million in 2023." in page
    assert "Verdict: answered" in page
    assert unbroken["settings_hash"] in page
    with pytest.raises(RunError) as caught:
        history.export(broken, "json")
    assert f"longdoc resume {broken}" in caught.value.hint
    with pytest.raises(UnknownRunError):
        history.export("../x", "json")


def test_an_export_shows_what_documents_say_and_follows_none_of_it(
    unbroken: dict[str, Any],
) -> None:
    hostile = "# Big\n![x](http://a.example/p.png) <img src=x> | 1. *bold*"
    quote = unbroken["citations"][0] | {"quote": hostile, "pages": [3, 4], "verified": False}
    page = markdown(unbroken | {"citations": [quote], "answer": f"- {hostile}\n2. two"})
    shown = "\\# Big \\!\\[x\\](http://a.example/p.png) \\<img src=x\\> \\| 1. \\*bold\\*"
    assert f"report.md, pages 3, 4 (not verified)\n\n> {shown}\n" in page
    assert "\n2\\. two\n" in page
    assert "![" not in page
    assert "<img" not in page.replace("\\<img", "")


def test_a_run_log_of_before_is_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "runs.sqlite") as db:
        m001_runs(db)
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO runs VALUES ('a', 1.0, 'What?', 'rag', '[\"d\"]', 'h', 'running')")
        db.execute("INSERT INTO runs VALUES ('b', 2.0, 'Why?', 'full', '[\"d\"]', 'h', 'done')")
    db.close()
    newest, oldest = RunLog(tmp_path / "runs.sqlite").all()
    assert (newest.id, newest.status) == ("b", "done")
    assert (oldest.id, oldest.status, oldest.asked) == ("a", "interrupted", {})
