"""A run killed with ``kill -9`` inside a node goes on there, in another process, and asks the
model nothing that it had answered."""

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

from app.runs import RunLog
from app.watch import Watched

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
from chat_server import ChatServer, chat_server, says_text

ROOT = Path(__file__).parents[2]
REPORT = """# Halden Marine plc

## Results

Revenue was 4,812 million in 2023. The dividend was 12.5 pence.
"""
QUESTION = "What was revenue in 2023?"
ANSWER = ("Revenue was 4,812 million ", "in 2023 [1]. ", "The dividend was ", "12.5 pence [1].")


@dataclass(frozen=True, slots=True)
class Place:
    """A data folder, a document beside it, and the server that its runs ask."""

    report: Path
    home: Path
    server: ChatServer
    environment: dict[str, str]

    def longdoc(self, *args: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *map(str, args)],
            env=os.environ | self.environment | environment,
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def killed(self, inside: str) -> str:
        """A run killed with ``kill -9`` once it has come to ``inside``; its id."""
        command = [sys.executable, str(Path(__file__).with_name("resume_child.py"))]
        with subprocess.Popen(
            [*command, inside, str(self.report), QUESTION],
            env=os.environ | self.environment | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        ) as child:  # fmt: skip
            assert child.stdout is not None
            assert child.stdout.readline() == "there\n"
            log = RunLog(self.home / "runs.sqlite")
            run = log.all()[0]
            assert run.status == "running"
            assert not log.claims.take(run.id)
            child.kill()
        assert log.status(run.id) == "interrupted"
        return run.id


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    (folder / "report.md").write_text(REPORT)
    with chat_server() as server:
        environment = {
            "LONGDOC_HOME": str(folder / "home"),
            "LONGDOC_REASONER__URL": server.url,
            "LONGDOC_REASONER__TOKENIZER": "smollm2-135m",
            "LONGDOC_REASONER__MAX_ANSWER_TOKENS": "64",
        }
        yield Place(folder / "report.md", folder / "home", server, environment)


@pytest.fixture(autouse=True)
def answers(place: Place) -> None:
    place.server.asked.clear()
    place.server.replies[:] = [says_text(*ANSWER), says_text(*ANSWER)]


@pytest.fixture(scope="module")
def unbroken(place: Place) -> dict[str, Any]:
    """The record of a run that nothing broke off."""
    place.server.replies[:] = [says_text(*ANSWER)]
    done = place.longdoc("ask", place.report, QUESTION, "--strategy", "full", "--json")
    assert done.returncode == 0, done.stderr
    return _lasting(json.loads(done.stdout))


def _lasting(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what differs from run to run."""
    return {key: value for key, value in record.items() if key not in ("run", "timings")}


@pytest.mark.parametrize(
    ("inside", "node", "asked"),
    [
        ("context", "select", 1),
        ("answer", "reason", 2),
        ("checked", "verify", 1),
        ("end", "end", 1),
    ],
)
def test_a_killed_run_goes_on_where_it_was(
    place: Place, unbroken: dict[str, Any], inside: str, node: str, asked: int
) -> None:
    place.server.asked.clear()
    run = place.killed(inside)
    done = place.longdoc("resume", run, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert _lasting(record) == unbroken
    assert record["run"] == run
    assert len(place.server.asked) == asked
    log = RunLog(place.home / "runs.sqlite")
    events = list(log.events(run))
    assert [e.data["node"] for e in events if e.kind == "resumed"] == [node]
    assert log.status(run) == "done"
    assert not list((place.home / "claims").iterdir())
    watched = Watched()
    watched.take(events[:-1])
    assert watched.answer.strip() == unbroken["answer"] == "".join(ANSWER)
    assert watched.passages == 1
    watched.take(events[-1:])
    assert watched.result == record


def test_a_resumed_run_is_held_to_its_settings_and_can_be_exported(place: Place) -> None:
    run = place.killed("answer")
    refused = place.longdoc("export", run)
    assert refused.returncode == 2
    assert f"longdoc resume {run}" in refused.stderr
    refused = place.longdoc("resume", run, "--profile", "thorough")
    assert refused.returncode == 2
    assert "other settings" in refused.stderr
    assert "--force" in refused.stderr
    done = place.longdoc("resume", run, "--profile", "thorough", "--force")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("".join(ANSWER))
    again = place.longdoc("resume", run)
    assert again.returncode == 2
    assert "is finished" in again.stderr
    _, *rows = (json.loads(line) for line in place.longdoc("runs", "--json").stdout.splitlines())
    assert rows or run
    page = place.longdoc("export", run).stdout
    assert page.startswith(f"# {QUESTION}\n")
    assert "\\[1\\] report.md (verified)\n\n> Revenue was 4,812 million in 2023." in page
    record = json.loads(place.longdoc("export", run, "--format", "json").stdout)
    assert record["settings_hash"] in page
