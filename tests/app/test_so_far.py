"""A run says what it holds best while it still reads, and whoever watches can show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.service import Question, Service
from app.settings import load_settings
from app.watch import Watched
from compressor import sofar

FACT = "The lease of the warehouse in Setubal ends in March 2031."


def test_what_is_best_so_far_is_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sofar, "SHOW_S", 0.0)
    days = [f"On day {n} the choir of parish {n} sang {n + 3} songs." for n in range(200)]
    (tmp_path / "notes.txt").write_text("\n\n".join([*days[:90], FACT, *days[90:]]))
    service = Service(load_settings(home=tmp_path / "home"))
    (document,) = service.ingest([tmp_path / "notes.txt"])
    question = Question("When does the lease of the warehouse end?", (document.id,))
    result = service.run(question, answer=False)
    events = list(service.log.events(result["run"]))
    told = [event.data["spans"] for event in events if event.kind == "so_far"]
    key, start, end = told[-1][0]
    assert key == document.id
    assert document.text[start:end] == FACT
    watched = Watched()
    until = max(n for n, event in enumerate(events) if event.kind == "so_far")
    watched.take(events[: until + 1])
    assert watched.so_far[0] == (document.id, start, end)
    watched.take(events[until + 1 :])
    assert watched.so_far == []
