"""The command, run as a person runs it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate

BOX = {"page": {"type": "integer", "minimum": 1}} | {
    key: {"type": "number"} for key in ("x0", "y0", "x1", "y1")
}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
PLACE = {
    "document": TEXT,
    "name": TEXT,
    "start": WHOLE,
    "end": WHOLE,
    "pages": _list(WHOLE),
    "boxes": _list(_object(**BOX)),
}
SELECTED = _object(
    schema={"const": 1},
    run=TEXT,
    question=TEXT,
    strategy={"enum": ["cprs", "rag", "full"]},
    budget=WHOLE,
    documents=_list(_object(document=TEXT, name=TEXT)),
    context=_object(
        tokens=WHOLE,
        source_tokens=WHOLE,
        compression_ratio=NUMBER,
        evidence=_list(_object(**PLACE, text=TEXT, score=NUMBER, headings=_list(TEXT))),
    ),
    timings=_object(read_s=NUMBER, select_s=NUMBER, total_s=NUMBER),
    settings_hash=TEXT,
)
ANSWERED = _object(
    verdict={"enum": ["answered", "partly", "not_in_documents"]},
    answer=TEXT,
    reasoning=TEXT,
    citations=_list(_object(n=WHOLE, **PLACE, quote=TEXT, verified={"type": "boolean"})),
    usage=_object(prompt_tokens=WHOLE, completion_tokens=WHOLE),
    timings=_object(read_s=NUMBER, select_s=NUMBER, first_token_s=NUMBER, total_s=NUMBER),
    model=TEXT,
)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.txt"
    path.write_text("Annual report.\n\nRevenue was 4,812 million in 2023.\n\nThe end came soon.\n")
    return path


def longdoc(tmp_path: Path, *args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a data folder of its own, with the smallest reasoner."""
    chosen = {
        "LONGDOC_HOME": str(tmp_path / "home"),
        "LONGDOC_REASONER__MODEL": "smollm2-135m",
        "LONGDOC_REASONER__CONTEXT_TOKENS": "2048",
        "LONGDOC_REASONER__MAX_ANSWER_TOKENS": "40",
        "LONGDOC_REASONER__IDLE_S": "20",
    }
    command = [sys.executable, "-m", "app.cli", *map(str, args)]
    return subprocess.run(
        command,
        env=os.environ | chosen | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_select_prints_the_agreed_json(tmp_path: Path, report: Path) -> None:
    done = longdoc(tmp_path, "select", report, "What was revenue?", "--json", "--budget", 100)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    validate(record, SELECTED)
    assert not {"verdict", "answer", "citations", "usage", "model"} & set(record)
    assert "4,812" in record["context"]["evidence"][0]["text"]


def test_ask_prints_the_agreed_json(tmp_path: Path, report: Path) -> None:
    done = longdoc(tmp_path, "ask", report, "What was revenue?", "--json", "--strategy", "rag")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    validate(record, SELECTED)
    validate(record, ANSWERED)
    assert record["model"] == "smollm2-135m"


def test_a_file_of_questions(tmp_path: Path, report: Path) -> None:
    table = tmp_path / "questions.csv"
    with table.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["question", "paths"])
        writer.writerow(["What was revenue?", str(report)])
        writer.writerow(["What was revenue?", "missing.pdf"])
        writer.writerow(["", str(report)])
        writer.writerow(["When did the end come?", str(report)])
    done = longdoc(tmp_path, "select", "--questions", table, "--strategy", "full")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["question"] for row in rows] == [
        "What was revenue?",
        "What was revenue?",
        "",
        "When did the end come?",
    ]
    assert ["error" in row for row in rows] == [False, True, True, False]
    assert "missing.pdf" in rows[1]["error"]
    assert done.returncode != 0


def test_ingest_library_delete(tmp_path: Path, report: Path) -> None:
    done = longdoc(tmp_path, "ingest", report, tmp_path, "--collection", "mine")
    assert done.returncode == 3
    assert "report.txt" in done.stdout
    assert list(tmp_path.rglob("vectors/*.npy"))
    (listed,) = longdoc(tmp_path, "library", "--json").stdout.splitlines()
    info = json.loads(listed)
    assert info["name"] == "report.txt"
    assert info["collection"] == "mine"
    asked = tmp_path / "questions.jsonl"
    asked.write_text(json.dumps({"question": "What was revenue?", "collection": "mine"}))
    done = longdoc(tmp_path, "select", "--questions", asked, "--strategy", "full")
    assert json.loads(done.stdout)["documents"] == [
        {"document": info["document"], "name": "report.txt"}
    ]
    assert longdoc(tmp_path, "library", "delete", info["document"][:12]).returncode == 0
    assert longdoc(tmp_path, "library", "--json").stdout == ""


def test_ingest_without_the_models_reads_all_the_same(
    tmp_path: Path, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGDOC_MODELS", str(tmp_path / "no-models"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = longdoc(tmp_path, "ingest", report)
    assert done.returncode == 0
    assert "Not prepared for questions" in done.stderr
    assert "report.txt" in longdoc(tmp_path, "library").stdout
    assert "Not prepared" not in longdoc(tmp_path, "ingest", report, "--no-prepare").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["ask", "REPORT"], 2, "at least one file"),
        (["ask", "REPORT", " "], 2, "question is empty"),
        (["ask", "nowhere.pdf", "What?"], 3, "nowhere.pdf"),
        (["ask", "REPORT", "What?", "--strategy", "magic"], 2, "magic"),
        (["ask", "REPORT", "What?", "--profile", "huge"], 2, "huge"),
        (["select", "REPORT", "why " * 3000], 2, "longer than half"),
        (["ask", "--questions", "none.csv", "REPORT"], 2, "none.csv"),
        (["library", "delete", "feed"], 4, "feed"),
        (["export", "feed"], 4, "longdoc runs"),
        (["rerun", "feed", "--strategy", "magic"], 2, "magic"),
        (["models", "path", "gpt-9"], 5, "gpt-9"),
        (["models", "path", "qwenlong-l1-32b"], 5, "qwenlong-l1-32b"),
    ],
)
def test_bad_input_is_one_line_with_a_remedy(
    tmp_path: Path, report: Path, arguments: list[str], code: int, named: str
) -> None:
    given = [str(report) if part == "REPORT" else part for part in arguments]
    done = longdoc(tmp_path, *given)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = [x for x in done.stderr.splitlines() if not x.endswith("…")]
    assert line.startswith("longdoc: ")
    assert named in line


def test_no_model_and_no_network(tmp_path: Path, report: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = longdoc(
        tmp_path, "ask", report, "What was revenue?", "--strategy", "full",
        LONGDOC_MODELS=str(tmp_path / "models"), HF_ENDPOINT=nowhere, PIP_INDEX_URL=nowhere,
        PIP_RETRIES="0",
    )  # fmt: skip
    assert done.returncode == 5
    assert "smollm2-135m" in done.stderr
    assert "longdoc models pull smollm2-135m" in done.stderr


def test_a_setting_that_cannot_work_is_named(tmp_path: Path, report: Path) -> None:
    done = longdoc(tmp_path, "select", report, "What?", LONGDOC_BUDGET="much")
    assert done.returncode == 2
    assert "LONGDOC_BUDGET" in done.stderr


def test_doctor_names_the_remedy(tmp_path: Path) -> None:
    done = longdoc(tmp_path, "doctor", LONGDOC_MODELS=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "longdoc models pull smollm2-135m" in done.stdout
    found = [json.loads(line) for line in longdoc(tmp_path, "doctor", "--json").stdout.splitlines()]
    assert {"Python", "memory", "reasoner"} <= {finding["name"] for finding in found}


def test_an_empty_address_leaves_the_embedded_engine(tmp_path: Path) -> None:
    """As docker-compose.yml sets it."""
    none = {"LONGDOC_MODELS": str(tmp_path / "none"), "LONGDOC_REASONER__URL": ""}
    done = longdoc(tmp_path, "doctor", **none)
    assert "longdoc models pull smollm2-135m" in done.stdout
    assert "embedded engine" in done.stdout


def test_models_are_listed(tmp_path: Path) -> None:
    rows = [
        json.loads(line)
        for line in longdoc(tmp_path, "models", "list", "--json").stdout.splitlines()
    ]
    assert {"qwen2.5-coder-1.5b", "all-minilm-l6-v2"} <= {row["name"] for row in rows}
    assert all(row["licence"] and row["role"] for row in rows)
