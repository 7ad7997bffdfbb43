"""Memory mode as people run it: the record, the export, and a run killed with ``kill -9``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.commands import memory_line
from app.export import markdown
from app.service import Question, Service, Watch
from app.settings import load_settings
from documents.errors import Cancelled, QuestionError, SettingsError
from policy import ReasonerConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, is_silent, says_text

ROOT = Path(__file__).parents[2]
SOLD = "We sold Fjordline Ferries to Nordvik Holding for 84 million pounds."
TUGS = "In October we sold Sable Towage to Atlantic Tugs for 37 million pounds."
FILLER = " ".join(f"Ship number {n} was painted and put to sea again." for n in range(100, 116))
REPORT = f"# Halden Marine plc\n\n## One\n\n{SOLD}\n\n{FILLER}\n\n## Two\n\n{TUGS}\n\n{FILLER}\n"
QUESTION = "Which businesses were sold, and for how much?"
ANSWER = (
    "Halden sold Fjordline Ferries for 84 million pounds [1]. "
    "It sold Sable Towage for 37 million pounds [2]."
)


def _fact(text: str) -> str:
    row = {"piece": 1, "fact": text}
    return json.dumps({"facts": [row], "forget": [], "plan": "Look for other sales."})


@dataclass(frozen=True, slots=True)
class Place:
    """A service that asks the server, and the environment under which another process does."""

    report: Path
    server: ChatServer
    environment: dict[str, str]
    service: Service

    @property
    def question(self) -> Question:
        document = self.service.ingest([self.report])[0].id
        return Question(QUESTION, (document,), mode="memory")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("memory")
    (folder / "report.md").write_text(REPORT)
    with chat_server() as server:
        server.models = [{"id": "m", "max_model_len": 4_000}]
        reasoner = {"url": server.url, "tokenizer": "smollm2-135m", "max_answer_tokens": 64}
        given = {f"LONGDOC_REASONER__{key.upper()}": str(v) for key, v in reasoner.items()}
        given |= {"LONGDOC_HOME": str(folder / "home"), "LONGDOC_CHUNK_TOKENS": "300"}
        config = ReasonerConfig(**reasoner)  # type: ignore[arg-type]  # mixed values
        settings = load_settings(home=folder / "home", reasoner=config, chunk_tokens=300)
        yield Place(folder / "report.md", server, given, Service(settings))


@pytest.fixture(scope="module")
def record(place: Place) -> dict[str, Any]:
    """The record of a run that nothing broke off: two chunks."""
    place.server.replies[:] = [says_text(_fact(SOLD)), says_text(_fact(TUGS)), says_text(ANSWER)]
    return place.service.run(place.question)


def test_the_record_says_what_was_remembered_and_where_it_stands(
    place: Place, record: dict[str, Any]
) -> None:
    assert record["mode"] == "memory"
    assert record["verdict"] == "answered"
    memory = record["memory"]
    assert memory["chunks"] == 2
    assert memory["plan"] == "Look for other sales."
    mine = [line for line in memory["lines"] if line["by"] == "reasoner"]
    assert [(line["text"], line["chunk"]) for line in mine] == [(SOLD, 1), (TUGS, 2)]
    text = place.service.store.get(record["documents"][0]["document"]).text
    for line in mine:
        (source,) = line["sources"]
        assert text[source["start"] : source["end"]] == line["text"]
    assert record["usage"]["completion_tokens"] == 9  # three calls
    assert memory_line(memory).startswith("read in 2 parts: ")
    page = markdown(record)
    assert "by cprs, read in turns." in page
    assert f"## Memory\n\n- {SOLD} (report.md)\n\n- {TUGS} (report.md)" in page
    events = [e.data for e in place.service.log.events(record["run"]) if e.kind == "read"]
    assert [(data["chunk"], data["chunks"], data["usable"]) for data in events] == [
        (1, 2, True),
        (2, 2, True),
    ]


def test_checkpoints_hold_no_text_and_stay_small(place: Place, record: dict[str, Any]) -> None:
    kept = list(place.service.settings.home.glob("checkpoints.sqlite*"))
    whole = b"".join(path.read_bytes() for path in kept)
    for text in (b"Fjordline", b"Nordvik", b"businesses were sold", b"other sales"):
        assert text not in whole


def test_a_run_killed_in_a_chunk_goes_on_there(place: Place, record: dict[str, Any]) -> None:
    place.server.asked.clear()
    place.server.hung_up.clear()
    place.server.replies[:] = [says_text(_fact(SOLD)), is_silent()]
    child = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "ask", str(place.report), QUESTION, "--mode", "memory"],
        env=os.environ | place.environment, cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with child:
        while len(place.server.asked) < 2:  # the second chunk is being read
            assert child.poll() is None
            place.server.hung_up.wait(0.02)
        child.kill()
    run = place.service.log.all()[0].id
    assert place.service.log.status(run) == "interrupted"
    place.server.replies[:] = [says_text(_fact(TUGS)), says_text(ANSWER)]
    resumed = place.service.resume(run)
    assert len(place.server.asked) == 4  # but for the one that was cut off, each once
    (node,) = [e.data["node"] for e in place.service.log.events(run) if e.kind == "resumed"]
    assert node == "read"
    differs = ("run", "thread", "timings")
    assert {k: v for k, v in resumed.items() if k not in differs} == {
        k: v for k, v in record.items() if k not in differs
    }


def test_a_stop_is_heeded_while_a_chunk_is_read(place: Place) -> None:
    place.server.asked.clear()
    place.server.hung_up.clear()
    place.server.replies[:] = [is_silent()]
    watch = Watch(cancelled=lambda: bool(place.server.asked))
    with pytest.raises(Cancelled):
        place.service.run(place.question, watch=watch)
    assert place.server.hung_up.wait(5)
    assert len(place.server.asked) == 1


def test_what_cannot_be_read_in_turns_is_refused(place: Place) -> None:
    with pytest.raises(QuestionError, match="'full'"):
        place.service.run(Question(QUESTION, place.question.documents, "full", mode="memory"))
    from app.commands import Options, ask

    with pytest.raises(SettingsError, match="no mode 'x'"):
        ask(["a.pdf", "Why?"], Options("", 0, "default", "", False, None, "x"))
