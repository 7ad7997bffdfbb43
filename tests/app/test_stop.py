"""A run is stopped from another process, in the middle of compression."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import history, stopping
from app.runs import RunLog
from app.stopping import Polled
from documents.errors import RunError

ROOT = Path(__file__).parents[2]


def test_a_run_in_the_middle_of_compression_stops_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second, and the batch that is being scored: on a busy machine that may take longer."""
    monkeypatch.setenv("LONGDOC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(history, "_STOP_S", 300)
    report = tmp_path / "report.md"
    rows = (
        f"In month {n} the plant at Bergen shipped {n * 37} tonnes of salt." for n in range(3000)
    )
    report.write_text("# Report\n\n" + "\n\n".join(rows))
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("stop_child.py")), str(report)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(3)]
        log = RunLog(tmp_path / "home" / "runs.sqlite")
        run = log.all()[0].id
        asked = time.time()
        history.stop(run)
        told += child.stdout.read().splitlines()
    assert told.pop() == "stopped"
    times = [float(line) for line in told]
    *_, stopped = log.events(run)
    assert stopped.kind == "stopped"
    longest = max(after - before for before, after in pairwise([*times, stopped.at]))
    assert stopped.at - asked < 1 + longest
    assert f"Run {run} is stopped. Go on: longdoc resume {run}" in capsys.readouterr().out
    with pytest.raises(RunError, match="nobody works on it"):
        history.stop(run)


def test_the_log_is_asked_five_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = [100.0], list[float]()
    monkeypatch.setattr(stopping, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def elsewhere() -> bool:
        asked.append(clock[0])
        return len(asked) == 3

    stop = Polled(lambda: False, elsewhere)
    calls = 0
    while not stop():
        calls += 1
        clock[0] += 0.03
    assert asked == pytest.approx([100.0, 100.21, 100.42])
    assert calls == 14
    assert stop()
    assert Polled(lambda: True, lambda: False)()


def test_a_stop_asked_for_ends_with_the_next_taking_up(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "runs.sqlite")
    run = log.create("What?", "full", [], "h")
    assert not log.stop_asked(run)
    log.ask_stop(run)
    assert log.stop_asked(run)
    log.append(run, "resumed", {"node": "select", "settings_hash": "h"})
    assert not log.stop_asked(run)
