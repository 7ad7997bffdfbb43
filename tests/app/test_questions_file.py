"""Files of questions as spreadsheets and scripts write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.commands import Options, ask, read_questions
from app.service import Question, Service
from documents.errors import QuestionError


def _read(folder: Path, name: str, text: str) -> list[tuple[str, tuple[str, ...]]]:
    path = folder / name
    path.write_bytes(text.encode())
    return [(row.question, row.paths) for row in read_questions(path)]


@pytest.mark.parametrize(
    ("name", "text", "question"),
    [
        ("a.csv", 'question,paths\r\n"What was\r\nrevenue?",a.pdf\r\n', "What was\r\nrevenue?"),
        ("A.CSV", "question,paths\nWhat was revenue?,a.pdf\n", "What was revenue?"),
        ("a.jsonl", '{"question": "What\u2028was?", "paths": ["a.pdf"]}\r\n', "What\u2028was?"),
    ],
)
def test_a_question_comes_out_as_it_was_written(
    tmp_path: Path, name: str, text: str, question: str
) -> None:
    assert _read(tmp_path, name, text) == [(question, ("a.pdf",))]


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.csv", "question,paths\nWhat?,O'Brien.pdf\n", "row 1"),
        ("a.jsonl", '{"question": "What?", "paths": 5}\n', "row 1"),
        ("a.csv", f"question\n{'x' * 200_000}\n", "a.csv"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, text: str, named: str) -> None:
    with pytest.raises(QuestionError) as caught:
        _read(tmp_path, name, text)
    assert named in caught.value.message
    assert caught.value.hint


def test_a_row_that_fails_in_an_unforeseen_way_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LONGDOC_HOME", str(tmp_path / "home"))
    report, table = tmp_path / "report.md", tmp_path / "questions.csv"
    report.write_text("Sales were 5 million.\n")
    table.write_text("question\nfirst?\nsecond?\n")

    def run(service: Service, question: Question, **_: object) -> dict[str, object]:
        if question.text == "first?":
            raise ZeroDivisionError("division by zero")
        return {"question": question.text}

    monkeypatch.setattr(Service, "run", run)
    options = Options("full", 0, "default", "", False, table)
    with pytest.raises(SystemExit) as left:
        ask([str(report)], options)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert "ZeroDivisionError" in first["error"]
    assert second == {"question": "second?"}
    assert left.value.code == 1
