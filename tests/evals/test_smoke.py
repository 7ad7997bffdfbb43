"""Every registered task, end to end, over tiny made-up data with the smallest reasoner."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from app.results import Record, read_records
from documents import DocumentStore
from evals.metrics.evidence import evidence_kept
from evals.samples import Sample, Setup
from evals.smoke import ANSWER_TOKENS, lengths, make_data
from evals.tasks import all_tasks

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("cprs", "rag")


def evals(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evals", *map(str, arguments)]
    env = os.environ | {"LONGDOC_HOME": str(home), "LONGDOC_REASONER__IDLE_S": "30"}
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=600
    )


def check_record(record: Record) -> None:
    assert not record.error, record
    assert record.answer is not None
    assert record.completion_tokens <= ANSWER_TOKENS
    assert record.reasoner == "smollm2-135m"
    assert record.scores, record
    assert all(0 <= value <= 1 for value in record.scores.values()), record


def _facts(sample: Sample) -> tuple[Sample, list[str]]:
    """The sample, its documents as their ids, which are hashes of what they hold."""
    return replace(sample, documents=()), [document.id for document in sample.documents]


@pytest.mark.timeout(900)
def test_every_task_runs_and_is_reported(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("run", "smoke", "--strategy", ",".join(METHODS), "--out", out)
    done = evals(tmp_path / "home", *command)
    assert done.returncode == 0, done.stderr
    path = out / "records.jsonl"
    records = list(read_records(path))
    for record in records:
        check_record(record)
    samples = Counter((record.task, record.sample) for record in records)
    assert {task for task, _ in samples} == set(all_tasks())
    assert set(samples.values()) == {len(METHODS)}
    assert {record.method for record in records} == set(METHODS)

    written = path.read_bytes()
    again = evals(tmp_path / "home", *command, "--resume")
    assert again.returncode == 0, again.stderr
    assert path.read_bytes() == written

    reported = evals(tmp_path / "home", "report", out)
    assert reported.returncode == 0, reported.stderr
    markdown, page = (out / "report.md").read_text(), (out / "report.html").read_text()
    assert all(f"## {name}\n" in markdown for name in all_tasks())
    assert all(f"<h2>{name}</h2>" in page for name in all_tasks())
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)|\b(?:src|href)=\"(?!#)", page)


def test_the_data_is_the_same_every_time_and_holds_its_evidence(tmp_path: Path) -> None:
    store = DocumentStore(tmp_path / "home")

    def drawn(folder: Path) -> list[Sample]:
        make_data(folder)
        setup = Setup(folder, store.ingest, lambda text: len(text.split()), limit=1)
        return [
            sample
            for task in all_tasks().values()
            for sample in task.samples(replace(setup, lengths=lengths(task)))
        ]

    samples = drawn(tmp_path / "one")
    again = drawn(tmp_path / "two")
    assert [_facts(sample) for sample in samples] == [_facts(sample) for sample in again]
    with_evidence = set()
    for sample in samples:
        documents = {document.id: document for document in sample.documents}
        everything = [document.span(0, len(document.text)) for document in sample.documents]
        kept = evidence_kept(sample.gold, everything, documents)
        assert kept.get("found", 1.0) == 1.0, sample
        if kept:
            with_evidence.add(sample.task)
    assert {"compression-32k", "financebench", "mmlongbench-doc", "pdfs-10q"} < with_evidence
