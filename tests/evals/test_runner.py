"""The runner: a record a sample, resumable, the same again; the report of them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.results import Record, read_records
from app.settings import load_settings
from documents import Evidence
from documents.errors import Cancelled, DataError, ReasonerError, SettingsError
from evals import provenance
from evals.methods import Method, Methods
from evals.report import write_report
from evals.report.plots import plots_of
from evals.report.ruler import ruler_tables
from evals.rescore import Rescored, rescore
from evals.runner import Limit, Plan, Runner
from evals.same import differences
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


def test_a_changed_measure_is_taken_of_the_contexts_that_were_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, to = tmp_path / "records.jsonl", tmp_path / "anew.jsonl"
    Runner(path, REASONER, resume=False).run(Counting(), setup(), PLAN)
    made = list(read_records(path))
    old = [replace(record, scores={"kept": 0.5}) for record in made]
    old[1] = replace(old[1], context_tokens=1)  # not what its evidence renders to here
    old[2] = replace(old[2], answer="13", cited=((*old[2].evidence[0], True),))
    old[3] = replace(old[3], evidence=(("gone", 0, 5),))
    path.write_text("".join(f"{record.line()}\n" for record in old))
    monkeypatch.setattr("evals.rescore.all_tasks", lambda: {"counting": Counting()})
    assert rescore(path, to, setup()) == Rescored(6, 4, 4)
    found = list(read_records(to))
    assert [found[n] for n in (1, 3)] == [old[n] for n in (1, 3)]
    assert [found[n] for n in (0, 4, 5)] == [made[n] for n in (0, 4, 5)]
    assert (found[2].answer, found[2].cited) == (old[2].answer, old[2].cited)
    assert found[2].scores["kept"] == made[2].scores["kept"]


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


def test_the_sweep_names_the_highest_threshold_that_keeps_the_evidence(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    kept = {0.1: (1.0, 0.5), 0.3: (0.96, 0.2), 0.5: (0.9, 0.1)}
    for threshold, (share, rest) in kept.items():
        record = replace(
            made("compression", 100, 0.0),
            method="cprs",
            budget=0,
            threshold=threshold,
            tags={"source": "squad"},
            scores={"kept": share, "rest": rest, "apart": rest / 4},
        )
        without = replace(record, sample="none", scores={"share_of_negatives": rest / 2})
        with path.open("a") as stream:
            stream.write(f"{record.line()}\n{without.line()}\n")
    text = write_report([path], tmp_path, "Sweep")[0].read_text()
    assert "The highest threshold that keeps 95%" in text
    assert "| cprs | score ≥ 0.3 |  | squad | 1 | 96.0% | 80.0% | 95.0% | 90.0% |" in text


def made(task: str, length: int, score: float, number: int = 0) -> Record:
    return Record(
        task, f"{task}-{length}-{number}", "cprs", 100, 0.0, "?", (), {"length": length},
        scores={"string_match": score},
    )  # fmt: skip


def test_rulers_summary_by_hand() -> None:
    records = [
        made("ruler-vt", 4096, 1.0),
        made("ruler-vt", 4096, 0.5, 1),  # the task's mean is 75
        made("ruler-cwe", 4096, 1.0),  # the length's 87.5
        made("ruler-vt", 8192, 0.5),
        made("ruler-cwe", 8192, 0.0),  # 25
        made("needle", 4096, 0.0),  # none of RULER's
    ]
    (table,) = ruler_tables(records)
    assert table.heads[3:6] == ("tasks", "4,096", "8,192")
    # wAvg (inc) = (87.5 + 2 * 25) / 3, (dec) = (2 * 87.5 + 25) / 3
    row = ("cprs", "100 tokens", "", "2", "87.5", "25.0", "45.8", "66.7", "4,096")
    assert table.rows == (row,)


def test_only_figures_are_drawn_along_an_axis() -> None:
    record = made("t", 0, 1.0)
    words = [replace(record, tags={"length": length}) for length in ("short", "long")]
    assert plots_of(words, "string_match") == []
    unmeasured = replace(record, scores={}, tags={"length": 10})
    assert plots_of([unmeasured, replace(unmeasured, tags={"length": 20})], "string_match") == []
    one = [replace(record, budget=budget) for budget in (-1, 0, 2_000)]  # a window, a threshold
    assert plots_of(one, "string_match") == []
    assert len(plots_of([*one, replace(record, budget=500)], "string_match")) == 1


def test_a_record_says_whether_there_was_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert provenance.machine().endswith("no GPU used")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "H100")
    assert provenance.machine().endswith("H100")


def test_packed_records_are_read_too(tmp_path: Path) -> None:
    record = made("ruler-vt", 4096, 1.0)
    with gzip.open(tmp_path / "records.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.write(record.line() + "\n")
    assert list(read_records(tmp_path / "records.jsonl.gz")) == [record]
    markdown, _ = write_report([tmp_path / "records.jsonl"], tmp_path, "t")
    assert "1 records, 0 failed" in markdown.read_text()


def test_two_runs_are_the_same_but_for_times(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    record = made("ruler-vt", 4096, 1.0)
    one.write_text(record.line() + "\n")
    other.write_text(replace(record, select_s=9.0, commit="c").line() + "\n")
    assert differences(one, other) == []
    changed = replace(record, scores={"string_match": 0.0}), made("ruler-cwe", 4096, 1.0)
    other.write_text("".join(each.line() + "\n" for each in changed))
    assert differences(one, other) == [
        f"only in {other}: ruler-cwe ruler-cwe-4096-0 cprs 100",
        "ruler-vt ruler-vt-4096-0 cprs 100: scores",
    ]


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


def test_an_index_of_the_control_is_dropped_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Methods, "_model", lambda _: None)
    methods = Methods(load_settings(), REASONER, tmp_path)
    assert all(methods.get(name).forget for name in ("rag", "rag_100", "rag_sentences"))
