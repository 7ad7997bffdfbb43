"""The rows of TAT-QA whose figure is not printed, and what counts as having worked it out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from documents.errors import DataError
from evals.samples import Outcome, Setup, text_document
from evals.tasks.arithmetic import TASKS

(TASK,) = TASKS
TEXT = "Dues were 320 in 2021 and 420 in 2022."


def _setup(folder: Path) -> Setup:
    (folder / "train").mkdir()
    rows = [
        ("By how much did dues grow?", ["31.25"], "percent"),
        ("By how much did dues grow?", ["100"], "million"),
        ("What were dues in 2022?", ["420"], "million"),
        ("Which years are there?", ["2021", "2022"], ""),
        ("What was in 2021?", ["Dues"], ""),
    ]
    asked = [
        {"source": "tatqa", "doc": "d", "question": q, "answers": a, "scale": s, "spans": [[0, 21]]}
        for q, a, s in rows
    ]
    for kind, lines in (("docs", [{"doc": "d", "text": TEXT}]), ("questions", asked)):
        with gzip.open(folder / "train" / f"tatqa_dev_{kind}.jsonl.gz", "wt") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)
    return Setup(folder, lambda path: text_document(path.name, ""), len)


def test_only_figures_that_are_not_printed_are_asked_for(tmp_path: Path) -> None:
    samples = list(TASK.samples(_setup(tmp_path)))
    assert [sample.gold.answers for sample in samples] == [("31.25%",), ("100 million",)]
    assert samples[0].documents[0].slice(samples[0].gold.spans[0]) == "Dues were 320 in 2021"


@pytest.mark.parametrize(
    ("answer", "correct"),
    [
        ("They grew by 31.25% [1].", 1),
        ("They grew by 31.3% [1].", 1),
        ("They grew by 31.25 million [1].", 0),
        ("They grew by 24% [1].", 0),
        ("The documents do not say.", 0),
    ],
)
def test_a_result_counts_with_its_unit(tmp_path: Path, answer: str, correct: int) -> None:
    sample = next(iter(TASK.samples(_setup(tmp_path))))
    scores = TASK.score(sample, Outcome((), "", 0, answer))
    assert scores["correct"] == correct


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    setup = Setup(tmp_path, lambda path: text_document(path.name, ""), len)
    with pytest.raises(DataError, match="tatqa_dev_docs"):
        next(iter(TASK.samples(setup)))
