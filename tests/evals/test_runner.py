"""The runner: a record a sample, resumable, the same again; the report of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.results import Record, read_records
from documents import Evidence
from documents.errors import Cancelled, DataError, ReasonerError, SettingsError
from evals.methods import Method
from evals.report import write_report
from evals.runner import Limit, Plan, Runner
from evals.samples import Gold, Outcome, Sample, Scores, Setup, find_all, text_document
from policy import Reasoner, ReasonerConfig

REASONER = Reasoner(ReasonerConfig(model="smollm2-135m"))


@dataclass
class Counting:
    """Three documents, each with one sentence asked for."""

    name: str = "counting"
    source: str = "made here"

    def samples(self, setup: Setup) -> Iterator[Sample]:
        for number in range(setup.limit or 3):
            text = "\n\n".join(f"Item {n} costs {n * 13} krone." for n in range(40))
            document = text_document(f"list {number}", text)
            gold = Gold((f"{number * 13}",), find_all(document, f"Item {number} costs"))
            yield Sample(
                f"s{number}", self.name, f"What does item {number} cost?", (document,), gold,
                {"length": number},
            )  # fmt: skip

    def score(self, sample: Sample, outcome: Outcome) -> Scores:
        return {"score": float(sample.gold.answers[0] in outcome.text)}


def first_come(sample: Sample, _cancelled: object) -> list[Evidence]:
    (document,) = sample.documents
    return [Evidence(document.span(b.start, b.end), 1 / (1 + b.start)) for b in document.blocks]


def setup(limit: int = 3) -> Setup:
    return Setup(Path(), lambda path: text_document(path.name, ""), REASONER.count, limit)


PLAN = Plan([Method("first", first_come)], [Limit(60), Limit(200)], answer=False)


def test_a_record_for_every_sample_method_and_budget(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    assert Runner(path, REASONER, resume=False).run(Counting(), setup(), PLAN) == 6
    records = list(read_records(path))
    assert [(r.sample, r.budget) for r in records] == [
        (f"s{n}", budget) for n in range(3) for budget in (60, 200)
    ]
    for record in records:
        assert 0 < record.context_tokens <= record.budget
        assert record.source_tokens > record.context_tokens
        assert record.scores == {"kept": 1, "found": 1, "score": 1}
        assert record.machine
        assert not record.error


def test_a_run_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    path, whole = tmp_path / "records.jsonl", tmp_path / "whole.jsonl"
    Runner(whole, REASONER, resume=False).run(Counting(), setup(), PLAN)
    lines = whole.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]) + lines[2][:50])  # killed while it wrote the third
    with pytest.raises(SettingsError, match="holds records already"):
        Runner(path, REASONER, resume=False)
    assert Runner(path, REASONER, resume=True).run(Counting(), setup(), PLAN) == 4

    def same(record: Record) -> tuple[object, ...]:
        return record.key, record.evidence, record.context_tokens, record.scores

    assert [same(r) for r in read_records(path)] == [same(r) for r in read_records(whole)]


def test_a_stop_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        Runner(path, REASONER, resume=False).run(
            Counting(), setup(), PLAN, cancelled=lambda: next(asked)
        )
    assert len(list(read_records(path))) == 4


def test_a_method_that_fails_is_a_record_with_an_error(tmp_path: Path) -> None:
    def broken(sample: Sample, cancelled: object) -> list[Evidence]:
        raise ReasonerError("The engine is gone.", "Start it.")

    path = tmp_path / "records.jsonl"
    plan = Plan([Method("broken", broken)], [Limit(60)], answer=False)
    Runner(path, REASONER, resume=False).run(Counting(), setup(1), plan)
    (record,) = read_records(path)
    assert record.error == "The engine is gone."
    assert record.scores == {}


def test_thresholds_instead_of_budgets(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    plan = Plan([Method("first", first_come)], [Limit(threshold=0.03)], answer=False)
    Runner(path, REASONER, resume=False).run(Counting(), setup(1), plan)
    (record,) = read_records(path)
    (start, end) = record.evidence[0][1:]  # two that touch, joined
    assert start == 0
    assert len(record.evidence) == 1
    assert end == len("Item 0 costs 0 krone.\n\nItem 1 costs 13 krone.")


def test_the_report_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    Runner(path, REASONER, resume=False).run(Counting(), setup(), PLAN)
    plan = Plan([Method("cprs", first_come)], PLAN.limits, answer=False)
    Runner(path, REASONER, resume=True).run(Counting(), setup(), plan)
    markdown, page = write_report([path], tmp_path, "A <title>")
    text, html = markdown.read_text(), page.read_text()
    assert "| first | 60 tokens |  | 3 | 1.000 [1.000, 1.000] |" in text
    assert "| cprs - first | 60 tokens |  | 3 | +0.000 [+0.000, +0.000] |" in text
    assert "A &lt;title&gt;" in html
    assert html.count("<svg") == 2
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)|\b(?:src|href)=\"(?!#)", html)


def test_no_records_no_report(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"records\.jsonl"):
        write_report([tmp_path / "records.jsonl"], tmp_path, "t")


@dataclass
class Shared(Counting):
    """Two questions about one document, then one about another."""

    def samples(self, setup: Setup) -> Iterator[Sample]:
        first, _, last = super().samples(setup)
        yield from (first, replace(first, id="again"), last)


def test_what_is_kept_about_a_document_serves_all_questions_in_a_row(tmp_path: Path) -> None:
    done: list[str] = []

    def rank(sample: Sample, cancelled: object) -> list[Evidence]:
        done.append(sample.id)
        return first_come(sample, cancelled)

    method = Method("first", rank, forget=lambda document: done.append(names[document]))
    names = {d.id: d.name for sample in Counting().samples(setup()) for d in sample.documents}
    plan = Plan([method], [Limit(60)], answer=False)
    Runner(tmp_path / "records.jsonl", REASONER, resume=False).run(Shared(), setup(), plan)
    assert done == ["s0", "again", "list 0", "s2", "list 2"]
